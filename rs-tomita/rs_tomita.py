# SPDX-License-Identifier: Unlicense
"""rs-tomita: random weight guessing learns Tomita grammars #1, #2 and #4.

All weights of a small recurrent net are drawn at random, again and again, until a net answers every training string rightly; no gradient, no
mutation, no memory of earlier draws. The accepted net is then tested on longer strings, and its state space is cut into boxes which the net
provably never leaves: a finite automaton that decides, for strings of every length, whether the grammar was learned.

Paper: S. Hochreiter, J. Schmidhuber (1996). LSTM can solve hard long time lag problems. NIPS 9, 473-479.

    python3 rs-tomita/rs_tomita.py --seed 0
"""
import argparse
import dataclasses
import json
import math
import os
import sys
from dataclasses import dataclass
from typing import Annotated, Literal, get_args, get_origin

for library in ("OPENBLAS", "MKL", "VECLIB"):  # one thread: faster on small arrays, and sums keep their order
    os.environ.setdefault(library + ("_MAXIMUM_THREADS" if library == "VECLIB" else "_NUM_THREADS"), "1")
import numpy as np
from rs_tomita_automaton import extract_automaton, minimise, same_language


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    experiment: Annotated[Literal["guess", "paper-nets", "scales"],
                          "guess: first fit, tests, contrasts; paper-nets: table of A1 and A2; scales: draws per fit by net and scale"] = "guess"
    grammars: Annotated[tuple[int, ...], "which of Tomita's grammars", 1, 7] = (1, 2, 4)
    arch: Annotated[Literal["tanh", "A1", "A2"],
                    "tanh: tanh units, linear readout; A1, A2: the paper's logistic nets with output feedback"] = "tanh"
    hidden: Annotated[int, "hidden units", 1, 20] = 2
    scale: Annotated[float, "weights are uniform in [-scale, scale]", 0.01, 1000] = 100.0
    data: Annotated[Literal["all", "paper100"], "training strings: all of length 1 to 10, or 100 random ones, 50 of them legal"] = "all"
    max_trials: Annotated[int, "nets drawn per grammar before giving up", 1000, 1_000_000_000] = 5_000_000
    batch: Annotated[int, "nets drawn at once (no effect on the verdicts)", 1, 1_000_000] = 20_000
    wanted_fits: Annotated[int, "experiments paper-nets and scales: fits per cell after which drawing ends", 1, 1_000_000] = 40
    small_sets: Annotated[int, "contrast: sets of 16 training strings, per net size", 1, 1000] = 6
    bptt_restarts: Annotated[int, "contrast: nets trained by gradient descent per learning rate", 1, 1000] = 12
    bptt_updates: Annotated[int, "contrast: gradient steps per net", 1, 100_000] = 600
    bptt_rates: Annotated[tuple[float, ...], "contrast: Adam's learning rates, the best one is reported", 1e-6, 10] = (0.03, 0.1, 0.3)
    bptt_length: Annotated[int, "contrast: gradients come from all strings up to this length", 1, 10] = 6

    def __post_init__(self):
        if len(set(self.grammars)) != len(self.grammars):
            raise ValueError(f"argument --grammars: {self.grammars} names a grammar twice")


PRESETS = {
    "smoke": {"grammars": (1, 2), "max_trials": 60_000, "small_sets": 2, "bptt_restarts": 3, "bptt_updates": 60},
    "paper": {"experiment": "paper-nets", "data": "paper100", "max_trials": 1_000_000, "wanted_fits": 1_000_000},
    "scales": {"experiment": "scales"},
    "all7": {"grammars": (1, 2, 3, 4, 5, 6, 7), "hidden": 3},
}
HEADLINE = {
    "min_balanced_test_accuracy_len11_15_over_3_grammars": (">=", 1.0, "all test sequences correct"),
    "min_balanced_test_accuracy_len100_600": (">=", 0.99, "not reported"),
    "tomita4_trials": ("<=", 2_000_000, "13,833 (A1), 35,610 (A2), averages"),
}
ROBUST = (9, 10, {"min_balanced_test_accuracy_len11_15_over_3_grammars": (">=", 1.0)})
PAPER = {"min_balanced_test_accuracy_len11_15_over_3_grammars": (">=", 1.0)}
MOVEMENT = {"phases": {"draw_nets": "data", "step": "forward", "backpropagate": "backward", "Adam.step": "update", "respond": "evaluation"},
            "step": "examine", "algorithms": {"guess": "random guessing", "train_bptt": ("back-propagation", "Adam.step")}}

# --- problem ---
# Minimal automata of Tomita's languages: successors of every state on 0 and on 1, and whether a string may end there. State 0 is the start.
AUTOMATA = {
    1: ([[1, 0], [1, 1]], [1, 0]),  # 1*
    2: ([[2, 1], [0, 2], [2, 2]], [1, 0, 0]),  # (10)*
    3: ([[0, 1], [2, 0], [3, 4], [2, 1], [4, 4]], [1, 1, 0, 1, 0]),  # no odd run of 1s followed by an odd run of 0s
    4: ([[1, 0], [2, 0], [3, 0], [3, 3]], [1, 1, 1, 0]),  # no 000
    5: ([[1, 2], [0, 3], [3, 0], [2, 1]], [1, 0, 0, 0]),  # even number of 0s, even number of 1s
    6: ([[2, 1], [0, 2], [1, 0]], [1, 0, 0]),  # as many 1s as 0s, modulo 3
    7: ([[0, 1], [2, 1], [2, 3], [4, 3], [4, 4]], [1, 1, 1, 1, 0]),  # 0*1*0*1*
}
TRAIN_LENGTH, TEST_LENGTHS, LONG = 10, (11, 15), (100, 600)


def all_strings(low, high):
    """Every string of length low..high -> bits (N, high) int8, 0 behind the end, and lengths (N,)."""
    tables = [(np.arange(2 ** n)[:, None] >> np.arange(high)) & 1 for n in range(low, high + 1)]  # the first symbol is the lowest bit
    return np.concatenate(tables).astype(np.int8), np.repeat(np.arange(low, high + 1), [len(table) for table in tables])


def automaton_states(grammar, bits, lengths):
    """The state of the grammar's automaton at the end of each string (N,)."""
    successors, states = np.array(AUTOMATA[grammar][0]), np.zeros(len(bits), int)
    for t in range(bits.shape[1]):
        states = np.where(t < lengths, successors[states, bits[:, t]], states)
    return states


def is_legal(grammar, bits, lengths):
    """Membership of each string: boolean (N,)."""
    return np.array(AUTOMATA[grammar][1], bool)[automaton_states(grammar, bits, lengths)]


def legal_walks(grammar, lengths, rng):
    """One random legal string of each length (or one shorter, where there is none): symbols that can still lead to a legal end are equally likely."""
    successors = np.array(AUTOMATA[grammar][0])
    can_end = [np.array(AUTOMATA[grammar][1], bool)]  # can_end[r][state]: a legal end is possible in exactly r more symbols
    for _ in range(lengths.max()):
        can_end.append(can_end[-1][successors].any(1))
    can_end = np.array(can_end)
    lengths = lengths - ~can_end[lengths, 0]
    bits, states = np.zeros((len(lengths), lengths.max()), np.int8), np.zeros(len(lengths), int)
    for t in range(bits.shape[1]):
        running = t < lengths
        allowed = can_end[np.maximum(lengths - t - 1, 0)[:, None], successors[states]]
        symbols = np.where(allowed.all(1), rng.integers(2, size=len(bits)), allowed[:, 1])
        bits[running, t] = symbols[running]
        states = np.where(running, successors[states, symbols.astype(int)], states)
    return bits, lengths


def near_misses(grammar, lengths, rng):
    """Illegal strings one symbol away from a random legal one, the place drawn at random -> bits, lengths, the legal strings they come from."""
    legal, lengths = legal_walks(grammar, lengths, rng)
    broken, pending = legal.copy(), np.arange(len(legal))
    while len(pending):  # a string in which the drawn place changes nothing is drawn anew: some have no such place at all
        fresh, _ = legal_walks(grammar, lengths[pending], rng)
        legal[pending, :fresh.shape[1]] = fresh
        broken[pending] = legal[pending]
        broken[pending, rng.integers(lengths[pending])] ^= 1
        pending = pending[is_legal(grammar, broken[pending], lengths[pending])]
    return broken, lengths, legal


def long_strings(grammar, rng, count=200, low=LONG[0], high=LONG[1]):
    """`count` legal strings, `count` illegal, half of these near misses, half random -> bits (2 count, high), lengths, legal."""
    legal, lengths = legal_walks(grammar, rng.integers(low, high + 1, count), rng)
    near, near_lengths, _ = near_misses(grammar, rng.integers(low, high + 1, count // 2), rng)
    noise_lengths = rng.integers(low, high + 1, count - count // 2)
    noise = np.zeros((len(noise_lengths), high), np.int8)
    redraw = np.arange(len(noise))
    while len(redraw):
        noise[redraw] = rng.integers(2, size=(len(redraw), high)) * (np.arange(high) < noise_lengths[redraw, None])
        redraw = redraw[is_legal(grammar, noise[redraw], noise_lengths[redraw])]
    parts = [legal, near, noise]
    bits = np.concatenate([np.pad(part, ((0, 0), (0, high - part.shape[1]))) for part in parts])
    return bits, np.concatenate([lengths, near_lengths, noise_lengths]), np.arange(2 * count) < count


def exhaustive_lessons(grammar, longest):
    """Targets of all strings of length 1..longest: one array (2^n,) of +1 (legal) and -1 per length, strings in the order of all_strings."""
    return [np.where(is_legal(grammar, *all_strings(n, n)), 1, -1).astype(np.float32) for n in range(1, longest + 1)]


def drawn_lessons(grammar, legal, illegal, distinct, rng):
    """The same with 0 for strings that are not asked: `legal` and `illegal` strings, of a random length from 1 to 10, then random in their class.

    `distinct`: no string twice; classes with fewer strings give all they have.
    """
    lessons = exhaustive_lessons(grammar, TRAIN_LENGTH)
    asked = [np.zeros_like(lesson) for lesson in lessons]
    for target, count in ((1, legal), (-1, illegal)):
        places = [np.flatnonzero(lesson == target) for lesson in lessons]
        count = min(count, sum(map(len, places))) if distinct else count
        while count:
            length = rng.integers(TRAIN_LENGTH)
            if len(places[length]):
                place = rng.choice(places[length])
                count -= 1 if not distinct or asked[length][place] == 0 else 0
                asked[length][place] = target
    return asked


# --- model ---
# Weights (H + 1, H + 3, nets): a row per hidden unit, the output's row last; columns: hidden units, fed-back output, input, bias.
# Strings form a tree: the states of all strings of length n, (H, 1, 2^n, nets), give those of length n + 1 in one step of every net.
BOTH_SYMBOLS = np.array([-1, 1], np.float32)[:, None, None]  # 0 is coded -1, 1 is coded +1
MARGIN = 2.2  # net input of the output beyond which a logistic unit is within 0.1 of its target


def logistic(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def wiring(arch, hidden):
    """Boolean (hidden + 1, hidden + 3): the weights that exist."""
    exists = np.zeros((hidden + 1, hidden + 3), bool)
    exists[:hidden, :hidden] = arch != "A2" or np.eye(hidden, dtype=bool)  # A2: every hidden unit sees of the hidden units only itself
    exists[:hidden, -2:] = True
    exists[hidden, :hidden] = True
    exists[:hidden, hidden] = exists[hidden, -2] = arch != "tanh"  # A1 and A2: the output is fed back, and sees the input
    exists[hidden, hidden] = arch == "A1"  # also to itself
    exists[hidden, -1] = arch != "A1"
    return exists


def draw_nets(arch, hidden, scale, count, rng):
    """`count` nets, every existing weight uniform in [-scale, scale]."""
    exists = wiring(arch, hidden)
    weights = np.zeros((*exists.shape, count), np.float32)
    weights[exists] = (rng.random((exists.sum(), count), dtype=np.float32) - 0.5) * (2 * scale)
    return weights


def rest(weights):
    """The state before the first symbol: hidden activations 0 (H, 1, 1, nets), and the output's net input (1, 1, nets) whose activation is 0."""
    hidden = np.zeros((len(weights) - 1, 1, 1, weights.shape[-1]), weights.dtype)
    return hidden, np.full_like(hidden[0], -np.inf)


def step(arch, weights, hidden, net_output, symbols):
    """One symbol for every net: hidden (H, 1, n, nets), net_output (1, n, nets), symbols (s, 1 or n, 1) -> hidden (H, s, n, nets), net_output.

    First the hidden units, from the symbol and the activations one step ago, then the output from the new hidden activations (in A1 and A2
    also from the symbol, in A1 from its own previous activation). This order is the paper's.
    """
    units, w = len(hidden), weights[:, :, None, None]
    recurrent = np.einsum("hip,ianp->hanp", weights[:units, :units], hidden) + w[:units, -1]
    direct = w[units, -1]
    if arch != "tanh":
        output = logistic(net_output)
        recurrent += w[:units, units] * output
        direct = direct + w[units, units] * output + w[units, -2] * symbols
    squash = np.tanh if arch == "tanh" else logistic
    hidden = squash(recurrent + w[:units, -2] * symbols)
    return hidden, np.einsum("ip,ianp->anp", weights[units, :units], hidden) + direct


def continuations(arch, weights, hidden, net_output):
    """From the states of n strings to those of their 2n continuations: first all with a 0, then all with a 1."""
    hidden, net_output = step(arch, weights, hidden, net_output, BOTH_SYMBOLS)
    return hidden.reshape(len(hidden), 1, -1, hidden.shape[-1]), net_output.reshape(1, -1, hidden.shape[-1])


# --- learning ---
def plan_lessons(lessons):
    """Cut from the tree of strings what no lesson needs -> per length (which of the continuations to keep, targets (kept, 1))."""
    needed = [lesson != 0 for lesson in lessons]
    for n in range(len(lessons) - 1, 0, -1):
        needed[n - 1] |= needed[n].reshape(2, -1).any(0)
    plan, kept = [], np.zeros(1, int)
    for n, lesson in enumerate(lessons):
        children = np.concatenate([kept, kept + 2 ** n])
        keep = np.flatnonzero(needed[n][children])
        kept = children[keep]
        plan.append((keep, lesson[kept, None]))
    return plan


def examine(arch, weights, plan):
    """How many lengths each net passes, shortest first, before its first wrong answer (nets,); len(plan): it answers all strings rightly.

    A net that fails is dropped at once; that saves nearly all the work and changes no verdict.
    """
    passed, alive = np.zeros(weights.shape[-1], int), np.arange(weights.shape[-1])
    hidden, net_output = rest(weights)
    for keep, targets in plan:
        hidden, net_output = continuations(arch, weights, hidden, net_output)
        hidden, net_output = hidden[:, :, keep], net_output[:, keep]
        right = ((targets * net_output[0] > MARGIN) | (targets == 0)).all(0)
        alive, weights, hidden, net_output = alive[right], weights[..., right], hidden[..., right], net_output[..., right]
        if not len(alive):
            break
        passed[alive] += 1
    return passed


def guess(arch, hidden, scale, lessons, max_trials, batch, rng, wanted=1):
    """Draw nets until `wanted` of them fit all lessons, or max_trials are drawn. Returns a dictionary:

    trials: numbers of the draws that fit, in order; nets: their weights (.., fits); draws: nets drawn in all; updates: state updates
    (one net, one symbol) that a one-by-one search makes; cascade[n]: draws that passed n lengths at least; records: (trial, lengths passed, weights) of
    every draw that came further than all before; first: up to 24 nets, the first ones drawn.
    """
    plan = plan_lessons(lessons)
    cost = np.cumsum([2] + [2 * len(keep) for keep, _ in plan])  # state updates of a net that passes 0, 1, ... lengths
    cost[-1] = cost[-2]
    found = {"trials": [], "nets": [], "draws": 0, "updates": 0, "cascade": np.zeros(len(plan) + 1, int), "records": []}
    while found["draws"] < max_trials and len(found["trials"]) < wanted:
        count = min(batch, max_trials - found["draws"], max(1000, found["draws"]))  # small batches first, for lessons that are easy
        weights = draw_nets(arch, hidden, scale, count, rng)
        passed = examine(arch, weights, plan)
        fits = np.flatnonzero(passed == len(plan))[:wanted - len(found["trials"])]
        done = fits[-1] + 1 if len(found["trials"]) + len(fits) == wanted else count  # a one-by-one search would have ended here
        found["updates"] += int(cost[passed[:done]].sum())
        found["cascade"] += (passed[:done, None] >= np.arange(len(plan) + 1)).sum(0)
        best = np.maximum.accumulate([found["records"][-1][1] if found["records"] else -1, *passed[:done]])
        found["records"] += [(found["draws"] + int(i) + 1, int(passed[i]), weights[..., i]) for i in np.flatnonzero(np.diff(best))]
        found.setdefault("first", weights[..., :24].copy())
        found["trials"] += [int(found["draws"] + index + 1) for index in fits]
        found["nets"].append(weights[..., fits])
        found["draws"] += int(done)
    found["nets"] = np.concatenate(found["nets"], axis=-1)
    return found


# --- block: adam ---
def views(flat, *shapes):
    """Split a flat vector (..., n) into arrays of the given shapes, one after the other, that share its memory.

    Leading axes of `flat` (independent nets side by side) stay in front of each shape.
    """
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    if ends[-1] != flat.shape[-1]:
        raise ValueError(f"shapes {shapes} hold {ends[-1]} numbers, the vector {flat.shape[-1]}")
    return [part.reshape(flat.shape[:-1] + shape) for part, shape in zip(np.split(flat, ends[:-1], axis=-1), shapes)]


def clip_by_global_norm(gradient, limit):
    """Rescale in place each gradient vector (..., n) whose Euclidean norm exceeds `limit` (Pascanu et al. 2013, algorithm 1)."""
    norm = np.sqrt((gradient * gradient).sum(-1, keepdims=True))
    gradient *= limit / np.maximum(norm, limit)


class Adam:
    """Kingma and Ba (2015), algorithm 1, with the bias correction folded into the rate (their section 2); updates `theta` in place."""

    def __init__(self, theta, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.theta, self.mean, self.square, self.steps = theta, np.zeros_like(theta), np.zeros_like(theta), 0
        self.learning_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon

    def step(self, gradient, scale=1.0):
        """One update; `scale` multiplies the learning rate (a schedule)."""
        self.steps += 1
        self.mean += (1 - self.beta1) * (gradient - self.mean)
        self.square += (1 - self.beta2) * (gradient * gradient - self.square)
        # math and Python floats: one np.float64 here would turn float32 parameters into float64
        correction = math.sqrt(1 - self.beta2 ** self.steps) / (1 - self.beta1 ** self.steps)
        self.theta -= self.learning_rate * scale * correction * self.mean / (np.sqrt(self.square) + self.epsilon)
# --- end block ---

def backpropagate(weights, lessons):
    """Class-balanced cross-entropy of the tanh nets over all lessons, by back-propagation through the tree of strings.

    dE/dz = -t share / (1 + e^(t z)) at each string, t = +-1; a state collects the errors of its own answer and of both continuations.
    Returns the gradient, shaped like the weights, and which nets answer all lessons rightly.
    """
    units, w = len(weights) - 1, weights[:, :, None]
    asked = np.concatenate(lessons)
    share = {1: 0.5 / (asked > 0).sum(), -1: 0.5 / (asked < 0).sum()}
    (hidden, net_output), right = rest(weights), np.ones(weights.shape[-1], bool)
    states, outputs = [hidden], []
    for lesson in lessons:
        hidden, net_output = continuations("tanh", weights, hidden, net_output)
        states.append(hidden)
        outputs.append(net_output[0])
        right &= (lesson[:, None] * net_output[0] > MARGIN).all(0)
    gradient, from_above = np.zeros_like(weights), 0
    for n in range(len(lessons) - 1, -1, -1):
        targets, before, after = lessons[n][:, None], states[n][:, 0], states[n + 1][:, 0]
        error = -targets * np.where(targets > 0, share[1], share[-1]).astype(weights.dtype) * logistic(-targets * outputs[n])
        gradient[units, :units] += (error * after).sum(1)
        gradient[units, -1] += error.sum(0)
        delta = ((from_above + w[units, :units] * error) * (1 - after * after)).reshape(units, 2, -1, weights.shape[-1])
        by_symbol, delta = delta.sum(2), delta.sum(1)
        gradient[:units, -1] += by_symbol.sum(1)
        gradient[:units, -2] += by_symbol[:, 1] - by_symbol[:, 0]
        gradient[:units, :units] += np.einsum("hnp,inp->hip", delta, before)
        from_above = np.einsum("hip,hnp->inp", weights[:units, :units], delta)
    return gradient, right


def train_bptt(config, grammar, lessons, rng):
    """Contrast: Adam on back-propagated gradients from short strings; a net fits when it answers all `lessons`, as a guessed one must.

    All learning rates and restarts side by side. Returns the updates until the fit, (rates, restarts), infinity for none; the row of the best rate
    (most fits, then fewest updates); its fitted nets, (.., fits).
    """
    nets = len(config.bptt_rates) * config.bptt_restarts
    weights = draw_nets("tanh", config.hidden, 1.0, nets, rng)
    optimiser = Adam(weights, np.repeat(np.array(config.bptt_rates, np.float32), config.bptt_restarts))
    short, plan = exhaustive_lessons(grammar, config.bptt_length), plan_lessons(lessons)
    updates, fitted = np.full(nets, np.inf), np.zeros_like(weights)
    for update in range(config.bptt_updates + 1):
        gradient, right = backpropagate(weights, short)
        candidates = np.flatnonzero(right & (updates == np.inf))
        if len(candidates):
            fits = candidates[examine("tanh", weights[..., candidates], plan) == len(plan)]
            updates[fits], fitted[..., fits] = update, weights[..., fits]
        optimiser.step(gradient)
    table = updates.reshape(len(config.bptt_rates), -1)
    best = min(range(len(table)), key=lambda row: (-np.isfinite(table[row]).sum(), np.minimum(table[row], config.bptt_updates).sum()))
    chosen = np.arange(nets).reshape(table.shape)[best]
    return table, best, fitted[..., chosen[np.isfinite(table[best])]]


def ngram_features(bits, lengths):
    """Contrast: numbers of 0s and 1s, and which of the 14 substrings of length 1 to 3 occur -> (N, 17) with a constant."""
    inside = np.arange(bits.shape[1]) < lengths[:, None]
    ones = (bits * inside).sum(1)
    columns, codes = [np.ones(len(bits)), ones / 10, (lengths - ones) / 10], np.zeros_like(bits)
    for n in range(3):
        codes = 2 * codes[:, :bits.shape[1] - n] + bits[:, n:] if n else bits.copy()
        columns += [((codes == code) & inside[:, n:]).any(1) for code in range(2 ** (n + 1))]
    return np.stack(columns, axis=1).astype(float)


def fit_logistic(features, legal, ridge=1e-4, rounds=60):
    """Class-balanced logistic regression by Newton's method -> coefficients."""
    share, signs = np.where(legal, 0.5 / legal.sum(), 0.5 / (~legal).sum()), np.where(legal, 1.0, -1.0)
    coefficients = np.zeros(features.shape[1])
    for _ in range(rounds):
        wrong = logistic(-signs * (features @ coefficients))
        gradient = features.T @ (share * signs * wrong) - ridge * coefficients
        curvature = (features * (share * wrong * (1 - wrong))[:, None]).T @ features + ridge * np.eye(len(coefficients))
        coefficients += np.linalg.solve(curvature, gradient)
    return coefficients


# --- evaluation ---
def respond(arch, weights, bits, lengths):
    """The output's net input of one net, (H + 1, H + 3), at the end of every string (N,)."""
    weights = weights[..., None]
    hidden, net_output = rest(weights)
    hidden, net_output = np.repeat(hidden, len(bits), 2), np.repeat(net_output, len(bits), 1)
    answers = np.zeros(len(bits), weights.dtype)
    for t in range(lengths.max()):
        hidden, net_output = step(arch, weights, hidden, net_output, (2 * bits[None, :, t, None] - 1).astype(weights.dtype))
        answers[lengths == t + 1] = net_output[0, lengths == t + 1, 0]
    return answers


def balanced_accuracy(accepted, legal):
    """Mean of the accuracies on legal and on illegal strings: 0.5 for every constant answer."""
    return float((accepted[legal].mean() + (~accepted[~legal]).mean()) / 2)


def mean_accuracy(arch, nets, test):
    """Mean balanced accuracy of the nets (.., fits) on a test set (bits, lengths, legal), fraction of perfect ones; None without nets."""
    bits, lengths, legal = test
    scores = [balanced_accuracy(respond(arch, nets[..., i], bits, lengths) > 0, legal) for i in range(nets.shape[-1])]
    return (float(np.mean(scores)), float(np.mean(np.array(scores) == 1))) if scores else (None, None)


def training_strings(config, grammar, rng):
    return exhaustive_lessons(grammar, TRAIN_LENGTH) if config.data == "all" else drawn_lessons(grammar, 50, 50, False, rng)


def learn_grammar(config, grammar, data_rng, init_rng, test_rng, strings):
    """Everything about one grammar: the guessed net, its tests and its automaton, and the contrasts. Returns metrics and history."""
    bits, lengths, train_bits, train_lengths, features, train_features = strings
    short, far = (bits, lengths, is_legal(grammar, bits, lengths)), long_strings(grammar, test_rng)
    train_legal = is_legal(grammar, train_bits, train_lengths)
    guess_rng, small_rng, bptt_rng = init_rng.spawn(3)

    lessons = training_strings(config, grammar, data_rng)
    found = guess(config.arch, config.hidden, config.scale, lessons, config.max_trials, config.batch, guess_rng)
    fitted = len(found["trials"]) == 1
    automaton = extract_automaton(found["nets"][..., 0]) if fitted and config.arch == "tanh" else None
    proved = states = None
    if automaton:
        states = int(minimise(automaton["successors"], automaton["accepts"]).max() + 1)
        proved = int(automaton["closed"] and automaton["certain"] and
                     same_language(automaton["successors"], automaton["accepts"], *AUTOMATA[grammar]))
    metrics = {
        "trials": found["trials"][0] if fitted else None, "state_updates": found["updates"],
        "test_len11_15": mean_accuracy(config.arch, found["nets"], short)[0],
        "test_len100_600": mean_accuracy(config.arch, found["nets"], far)[0],
        "automaton_states": states, "proved": proved,
    }

    small, few = {}, [drawn_lessons(grammar, 8, 8, True, data_rng) for _ in range(config.small_sets)]
    for label, hidden in (("guess16", config.hidden), ("guess16wide", config.hidden + 3)):
        nets = [guess(config.arch, hidden, config.scale, lessons_16, config.max_trials, config.batch, small_rng)["nets"] for lessons_16 in few]
        small[label] = np.concatenate(nets, axis=-1)
        metrics[f"{label}_test_len11_15_mean"] = mean_accuracy(config.arch, small[label], short)[0]

    coefficients = fit_logistic(train_features, train_legal)
    metrics["linear_train_errors"] = int(((train_features @ coefficients > 0) != train_legal).sum())
    metrics["linear_test_len11_15"] = balanced_accuracy(features @ coefficients > 0, short[2])
    metrics["linear_test_len100_600"] = balanced_accuracy(ngram_features(*far[:2]) @ coefficients > 0, far[2])

    updates, best, nets = train_bptt(config, grammar, lessons, bptt_rng)
    spent = np.minimum(updates[best], config.bptt_updates).sum() * 3 * (2 ** (config.bptt_length + 1) - 2)  # a backward step counts as two
    fits = int(np.isfinite(updates[best]).sum())
    metrics["bptt_fit_fraction"] = fits / config.bptt_restarts
    metrics["bptt_state_updates_per_fit"] = float(spent / fits) if fits else None
    metrics["bptt_test_len11_15_mean"] = mean_accuracy("tanh", nets, short)[0]
    history = {"found": found, "automaton": automaton, "small": small, "bptt": nets, "bptt_updates": updates, "coefficients": coefficients}
    return metrics, history


def run_guess(config, streams, progress):
    """The headline: for every grammar the first net that fits, its tests, and the contrasts."""
    test, train = all_strings(*TEST_LENGTHS), all_strings(1, TRAIN_LENGTH)
    strings = *test, *train, ngram_features(*test), ngram_features(*train)
    measured, history = {}, {}
    for done, grammar in enumerate(config.grammars):
        if progress:
            progress(done / len(config.grammars), f"grammar #{grammar}")
        measured[grammar], history[grammar] = learn_grammar(config, grammar, *streams[grammar], strings)
    worst = {key: [measured[grammar][key] for grammar in config.grammars] for key in ("test_len11_15", "test_len100_600", "proved")}
    worst = {key: None if None in values else min(values) for key, values in worst.items()}
    metrics = {f"min_balanced_test_accuracy_len11_15_over_{len(config.grammars)}_grammars": worst["test_len11_15"],
               "min_balanced_test_accuracy_len100_600": worst["test_len100_600"], "all_proved_for_every_length": worst["proved"],
               "constant_test_accuracy": balanced_accuracy(np.zeros(len(test[1]), bool), is_legal(config.grammars[0], *test))}
    for grammar in config.grammars:
        for key, value in measured[grammar].items():
            learner, _, rest_of_key = key.partition("_")
            contrast = learner in ("guess16", "guess16wide", "linear", "bptt")
            metrics[f"{learner}_tomita{grammar}_{rest_of_key}" if contrast else f"tomita{grammar}_{key}"] = value
    return metrics, history


def run_paper_nets(config, streams, progress):
    """A1 and A2 as the paper sizes them: draws per fit over ten sets of training strings, and how the fits do on strings of length 11 to 15."""
    cells = [(arch, grammar) for arch in ("A1", "A2") for grammar in config.grammars]
    test, metrics = all_strings(*TEST_LENGTHS), {}
    for done, (arch, grammar) in enumerate(cells):
        if progress:
            progress(done / len(cells), f"{arch}, grammar #{grammar}")
        data_rng, init_rng, _ = streams[grammar]
        hidden = {1: 1, 2: 3, 4: 2}.get(grammar, config.hidden) if arch == "A1" else 10
        fits, draws, nets = 0, 0, []
        for _ in range(10):
            lessons = training_strings(config, grammar, data_rng)
            found = guess(arch, hidden, config.scale, lessons, config.max_trials // 10, config.batch, init_rng, config.wanted_fits)
            fits, draws = fits + len(found["trials"]), draws + found["draws"]
            nets.append(found["nets"][..., :4])
        accuracy, perfect = mean_accuracy(arch, np.concatenate(nets, axis=-1), (*test, is_legal(grammar, *test)))
        name = f"{arch.lower()}_tomita{grammar}"
        metrics |= {f"{name}_fits": fits, f"{name}_draws": draws, f"{name}_trials_per_fit": draws / fits if fits else None,
                    f"{name}_test_len11_15_mean": accuracy, f"{name}_test_perfect_fraction": perfect}
    return metrics, {}


def run_scales(config, streams, progress):
    """Draws per fit by number of units and range of the weights."""
    cells = [(grammar, hidden, scale) for grammar in config.grammars for hidden in (1, 2, 3, 5) for scale in (2, 5, 10, 20, 50, 100)]
    metrics = {}
    for done, (grammar, hidden, scale) in enumerate(cells):
        if progress:
            progress(done / len(cells), f"grammar #{grammar}, {hidden} units, scale {scale}")
        data_rng, init_rng, _ = streams[grammar]
        lessons = training_strings(config, grammar, data_rng)
        found = guess(config.arch, hidden, float(scale), lessons, config.max_trials, config.batch, init_rng, config.wanted_fits)
        fits = len(found["trials"])
        metrics[f"tomita{grammar}_trials_per_fit_{hidden}_units_scale_{scale}"] = found["draws"] / fits if fits else None
    return metrics, {}


def run(config, progress=None):
    """Run the chosen experiment; every grammar has its own random streams. History (of `guess` only): a dictionary per grammar."""
    streams = dict(enumerate(zip(*(rng.spawn(7) for rng in np.random.default_rng(config.seed).spawn(3))), start=1))
    part = {"guess": run_guess, "paper-nets": run_paper_nets, "scales": run_scales}[config.experiment]
    metrics, history = part(config, streams, progress)
    return {"metrics": metrics, "history": history}


# --- block: cli ---
def check_fields(config):
    """Raise ValueError, naming the flag, for a value outside its Annotated[type, help, low, high] (inclusive) or Literal."""
    for field in dataclasses.fields(config):
        kind, (_, *bounds), value = field.type.__origin__, field.type.__metadata__, getattr(config, field.name)
        low, high = bounds + [-math.inf, math.inf][len(bounds):]
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        for item in value if isinstance(value, tuple) else (value,):
            number = isinstance(item, (int, float))
            if (choices and item not in choices) or (number and not (math.isfinite(item) and low <= item <= high)):
                allowed = (f"one of {', '.join(choices)}" if choices else f"at least {low}" if high == math.inf else
                           f"at most {high}" if low == -math.inf else f"from {low} to {high}")
                raise ValueError(f"argument --{field.name.replace('_', '-')}: {item} is not {allowed}")


def write_json(path, data):
    """Write to a neighbouring file first, so that `path` is never half-written. NaN and infinity are a ValueError."""
    text, part = json.dumps(data, indent=1, allow_nan=False) + "\n", f"{path}.{os.getpid()}.part"
    try:
        with open(part, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)


class OneLineParser(argparse.ArgumentParser):
    def error(self, message):
        """Exit with status 2 and one line, where argparse would print the whole usage first."""
        self.exit(2, f"{self.prog}: {message}\n")


def command_line(config_class, presets, headline, run, argv=None):
    """Flags -> Config -> run -> headline lines and --json. Returns 0 completed, 130 interrupted; bad input exits with 2."""
    parser = OneLineParser(description=run.__globals__["__doc__"], allow_abbrev=False,
                           formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in dataclasses.fields(config_class):
        kind, text = field.type.__origin__, f"{field.type.__metadata__[0]} (default: {field.default})".replace("%", "%%")
        how = ({"action": argparse.BooleanOptionalAction} if kind is bool else
               {"choices": get_args(kind)} if get_origin(kind) is Literal else
               {"type": get_args(kind)[0], "nargs": "+"} if get_origin(kind) is tuple else {"type": kind})
        parser.add_argument("--" + field.name.replace("_", "-"), default=argparse.SUPPRESS, help=text, **how)
    parser.add_argument("--preset", choices=presets, help="named settings; a flag given beside it wins")
    parser.add_argument("--json", metavar="FILE", help="write config and metrics to FILE")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    flags = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(parser.parse_args(argv)).items()}
    preset, path, quiet = (flags.pop(name) for name in ("preset", "json", "quiet"))
    try:
        config = config_class(**{**presets.get(preset, {}), **flags})
        check_fields(config)
        if path and (os.path.exists(path) and not os.path.isfile(path) or not os.access(os.path.dirname(path) or ".", os.W_OK)):
            raise ValueError(f"argument --json: {path} is not a plain file in a writable folder")
    except ValueError as error:
        parser.error(str(error))

    def progress(fraction, text=""):
        print(f"\r{fraction:4.0%} {text:<60.60}" if fraction < 1 else f"\r{'':66}\r", end="", file=sys.stderr, flush=True)

    try:
        metrics = run(config, None if quiet or not sys.stderr.isatty() else progress)["metrics"]
        if path:
            write_json(path, {"config": dataclasses.asdict(config), "metrics": metrics})
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as error:  # a data file that cannot be read, a full disk: the message says which
        parser.error(str(error))
    judged = headline if config == config_class(seed=config.seed) else {}  # the bars speak of the default configuration
    for name in () if quiet else [*(name for name in metrics if name not in judged), *judged]:
        value, (op, bar, paper) = metrics.get(name), judged.get(name, ("", 0, ""))
        shown = ("not measured" if name not in metrics else "not reached" if value is None else
                 f"{value:,d}" if isinstance(value, int) else f"{value:.6g}")
        met = value is not None and (value <= bar if op == "<=" else value >= bar)
        verdict = "pass" if met else "FAIL" if name in metrics else "-"
        print(f"{name:42} {shown:>14}" + (f"  {verdict:4} {op} {bar:,}  (paper: {paper})" if op else ""))
    return 0
# --- end block ---


def main(argv=None):
    return command_line(Config, PRESETS, HEADLINE, run, argv)


if __name__ == "__main__":
    sys.exit(main())
