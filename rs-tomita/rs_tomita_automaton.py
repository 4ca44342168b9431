# SPDX-License-Identifier: Unlicense
"""What automaton is a recurrent net? Extraction of a finite automaton from a trained net, with a proof, and exact comparison of automata.

An automaton is `successors` (states, 2), the next state on symbol 0 and on symbol 1, and `accepts` (states,); it starts in state 0.
"""
import numpy as np


def extract_automaton(weights, radius=0.01, most=400):
    """Cut the state space of a tanh net, (H + 1, H + 3) as in rs_tomita.py, into boxes between which it moves like a finite automaton.

    Centres first: from the start, each state reached from a centre joins the nearest centre within `radius` (largest coordinate), or becomes one. Then
    the boxes grow: each must contain the images, under both symbols, of all boxes that lead to it (interval arithmetic; tanh is monotone). Once
    nothing grows, `closed`, no string of any length leaves the boxes, and where the readout has one sign in every box, `certain`, the
    automaton gives the net's answer to every string but the empty one. Images are widened by 1e-5, far more than double precision rounds; float32 may round by as much.
    Returns a dictionary with centres, low, high (k, H), successors (k, 2), accepts (k,), closed, certain; None with more than `most` boxes.
    """
    weights, units = weights.astype(float), len(weights) - 1
    recurrent, from_input, bias = weights[:units, :units], weights[:units, -2], weights[:units, -1]
    centres, successors = [np.zeros(units)], []
    while len(successors) < len(centres) <= most:
        row = []
        for symbol in (-1, 1):
            state = np.tanh(recurrent @ centres[len(successors)] + from_input * symbol + bias)
            distances = np.abs(np.array(centres[1:] + [state]) - state).max(1)  # the start is not met again: it is not asked for an answer
            distances[-1] = radius
            row.append(1 + int(distances.argmin()))
            if row[-1] == len(centres):
                centres.append(state)
        successors.append(row)
    if len(centres) > most:
        return None
    centres, successors = np.array(centres), np.array(successors)
    positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
    low, high, closed = centres.copy(), centres.copy(), False
    for _ in range(500):
        old_low, old_high = low.copy(), high.copy()
        for symbol in (0, 1):
            shift = from_input * (2 * symbol - 1) + bias
            least = np.tanh(old_low @ positive[:units, :units].T + old_high @ negative[:units, :units].T + shift) - 1e-5
            greatest = np.tanh(old_high @ positive[:units, :units].T + old_low @ negative[:units, :units].T + shift) + 1e-5
            np.minimum.at(low, successors[:, symbol], least)
            np.maximum.at(high, successors[:, symbol], greatest)
        closed = bool(max((old_low - low).max(), (high - old_high).max()) < 1e-6)
        if closed:
            break
    least = low @ positive[units, :units] + high @ negative[units, :units] + weights[units, -1]
    greatest = high @ positive[units, :units] + low @ negative[units, :units] + weights[units, -1]
    accepts = centres @ weights[units, :units] + weights[units, -1] > 0
    accepts[0] = True  # all seven languages contain the empty string; no net was asked
    return {"centres": centres, "low": low, "high": high, "successors": successors, "accepts": accepts, "closed": closed,
            "certain": bool(((least > 0) | (greatest < 0))[1:].all())}


def minimise(successors, accepts):
    """Merge equivalent states (Moore) -> the class of each state; successors (k, 2) int, accepts (k,) bool."""
    classes, count = accepts.astype(int), 0
    while count < classes.max() + 1:
        count = classes.max() + 1
        classes = np.unique(np.column_stack([classes, classes[successors]]), axis=0, return_inverse=True)[1].ravel()
    return classes


def same_language(successors, accepts, other_successors, other_accepts):
    """Do two automata, both started in state 0, agree on every non-empty string? Exact: a search through the reachable pairs of states."""
    seen, queue = {(0, 0)}, [(0, 0)]
    for one, other in queue:
        for symbol in (0, 1):
            pair = (int(successors[one][symbol]), other_successors[other][symbol])
            if bool(accepts[pair[0]]) != bool(other_accepts[pair[1]]):
                return False
            if pair not in seen:
                seen.add(pair)
                queue.append(pair)
    return True
