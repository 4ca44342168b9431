# SPDX-License-Identifier: Unlicense
"""From rules to weights and back: programming a stack machine into a net, hints, discretisation, extraction of the machine a net has become.

A rule table is {(state, top, input): (next state, operation)} in numbers, as in the grammars; one state neuron stands for one state, and what
no rule covers sets all state neurons to zero, which nothing leaves again.
"""
from itertools import combinations
from typing import NamedTuple

import numpy as np
from neural_state_pushdown_automaton_cells import HIGH, LOW, POP_BELOW, PUSH_ABOVE, Shape, answers, unpack
from neural_state_pushdown_automaton_grammars import accepts, encode, every_string, grammar

STATE_BIAS = {2: -1.5, 3: -0.5}  # a state neuron needs top AND input in the sum of order 2, one product in order 3
EXHAUSTIVE = {2: 9, 3: 8, 4: 6}  # longest string of the exhaustive comparisons, by alphabet size


class Program(NamedTuple):
    """Integer weights (J+L, J, ...): binary rows for the state neurons, ternary rows for the action neurons, both in the cells' layout."""
    shape: Shape
    weights: np.ndarray  # (J+L, features)
    accepting: list  # state neurons
    owner: list  # the machine's state of each state neuron, None: unused
    rules: list  # ((state neuron, top, input), (next state neuron, operation)), one per copy


# --- programming ---
def rectangles(pairs):
    """Split a set of (top, input) pairs into products of a set of tops and a set of inputs, greedily the largest first."""
    pairs, found = set(pairs), []
    while pairs:
        inputs = sorted({symbol for _, symbol in pairs})
        best = ((), ())
        for count in range(1, len(inputs) + 1):
            for chosen in combinations(inputs, count):
                tops = [top for top in sorted({top for top, _ in pairs}) if all((top, symbol) in pairs for symbol in chosen)]
                if len(tops) * count > len(best[0]) * len(best[1]):
                    best = (tops, chosen)
        found.append(best)
        pairs -= {(top, symbol) for top in best[0] for symbol in best[1]}
    return found


def split_states(machine):
    """Copies of the states for order 2 -> [(state, {source state: (tops, inputs)})]; the first is the start, which nothing enters.

    A second-order state neuron adds up what it hears of the top and of the input, so it can test one rectangle of (top, input) pairs per source
    state and no more. A state that is entered by several rectangles from one source needs that many neurons.
    """
    copies = [(0, {})]
    for source in range(len(machine.states)):
        for target in range(len(machine.states)):
            pairs = [(top, symbol) for (state, top, symbol), (following, _) in machine.rules.items() if (state, following) == (source, target)]
            for rectangle in rectangles(pairs):
                free = [entries for state, entries in copies[1:] if state == target and source not in entries]
                if free:
                    free[0][source] = rectangle
                else:
                    copies.append((target, {source: rectangle}))
    return copies


def compile_rules(order, size, states, rules, accepting, copies=None, spare=0):
    """A rule table over `states` states -> Program."""
    copies = [(state, None) for state in range(states)] if order == 3 else copies
    owner = [state for state, _ in copies] + [None] * spare
    shape = Shape(order, len(owner), size)
    weights = np.zeros((shape.neurons, shape.states, *([size] * 2 if order == 3 else [2 * size])), np.int8)
    neurons = [[neuron for neuron, state in enumerate(owner) if state == wanted] for wanted in range(states)]
    for (state, top, symbol), (following, operation) in rules.items():
        context = (neurons[state], top, symbol) if order == 3 else (neurons[state], size + symbol)
        if order == 3:
            weights[following][context] = 1
        if operation > 0:  # in order 2 the input alone decides, as long as the string is alive
            weights[shape.states + symbol][context] = 1
        if operation in (-1, 2):
            weights[shape.states + top][context] = -1
    if order == 2:
        for neuron, (_, entries) in enumerate(copies):
            for source, (tops, inputs) in entries.items():
                weights[neuron][np.ix_(neurons[source], [*tops, *(size + symbol for symbol in inputs)])] = 1

    def target(state, top, symbol, following):
        """The copy of the next state that this rule leads to."""
        return next(neuron for neuron, (owned, entries) in enumerate(copies) if owned == following and (
            entries is None or state in entries and top in entries[state][0] and symbol in entries[state][1]))

    expanded = [((neuron, top, symbol), (target(state, top, symbol, following), operation))
                for (state, top, symbol), (following, operation) in rules.items() for neuron in neurons[state]]
    return Program(shape, weights.reshape(shape.neurons, -1), [n for n, state in enumerate(owner) if state in accepting], owner, expanded)


def program(name: str, order: int, spare=0) -> Program:
    """The grammar's minimal stack machine as weights of a net, with `spare` unused state neurons."""
    machine = grammar(name)
    return compile_rules(order, machine.size, len(machine.states), machine.rules, [len(machine.states) - 1],
                         split_states(machine) if order == 2 else None, spare)


def to_theta(compiled: Program, dtype=np.float32):
    """One net (1, P): rules, state biases, readout +-."""
    theta = np.zeros((1, compiled.shape.parameters), dtype)
    weights, bias, readout, offset = unpack(theta, compiled.shape)
    weights[0] = compiled.weights
    bias[0, :compiled.shape.states] = STATE_BIAS[compiled.shape.order]
    readout[0, compiled.accepting] = 4
    offset[0] = -2
    return theta


# --- hints ---
def initial_nets(name, shape, nets, hint, rng, fraction=1.0, strength=2.0, spread=None, dtype=np.float32):
    """Random nets with inserted rules -> theta (R, P), trainable (R, P): 1 where learning may change the parameter, 0 where a rule stands.

    hint "none": nothing is known; "dead": which (state, top, input) kill the string; "1": those and all live state transitions; "2": live
    transitions and the stack's operations. `fraction` of the live rules, drawn at random for each net, is inserted; hinted rules have
    `strength`. Without hints, state biases start at 0: a net that starts at -1/2 with small weights is dead and stays so.
    """
    compiled = program(name, shape.order, shape.states - len(program(name, shape.order).owner))
    hinted = hint != "none"
    spread = spread or (0.1 if hinted else 0.5)
    theta = rng.normal(0, spread, (nets, shape.parameters)).astype(dtype)
    trainable = np.ones_like(theta)
    (weights, bias, readout, offset), masks = unpack(theta, shape), unpack(trainable, shape)
    masks[1][:] = 0  # biases are part of the code (the no-op band of an action neuron is narrow), not learned
    bias[:] = 0
    if not hinted:
        return theta, trainable
    states = shape.states
    bias[:, :states] = STATE_BIAS[shape.order] * (strength if shape.order == 2 else 1)  # a sum of two must still be an AND
    readout[:], offset[:] = 0, -2
    readout[:, compiled.accepting] = 4
    masks[2][:], masks[3][:] = 0, 0
    live = np.zeros((nets, shape.features), bool)  # the products that inserted rules speak of
    grid = live.reshape(nets, states, shape.size, -1) if shape.order == 3 else None
    known = [neuron for neuron, state in enumerate(compiled.owner) if state is not None]
    if shape.order == 2:  # a sum of two entries carries a rule: rules share weights, so the states' part is given as a whole
        live.reshape(nets, states, -1)[:, known] = True
    else:
        for net in range(nets):
            for rule in rng.permutation(len(compiled.rules))[:round(fraction * len(compiled.rules))]:
                grid[(net, *compiled.rules[rule][0])] = True
    for row in range(shape.neurons):
        if hint == "dead" or row >= states and hint == "1":
            continue
        weights[:, row] = np.where(live, strength * compiled.weights[row], weights[:, row])
        masks[0][:, row] *= ~live
    if hint in ("dead", "1") and shape.order == 3:  # dead contexts of the machine's own states
        dead = np.zeros((states, shape.size, shape.size), bool)
        dead[known] = True
        for context, _ in compiled.rules:
            dead[context] = False
        weights[:, :states] = np.where(dead.reshape(-1), -0.5, weights[:, :states])
        masks[0][:, :states] *= ~dead.reshape(-1)
    return theta, trainable


def discretise(theta, shape):
    """Binary state weights, ternary action weights, biases of the code: every decision in a one-hot state with a clean top stays as it was."""
    rounded = theta.copy()
    weights, bias, _, _ = unpack(rounded, shape)
    of_state, of_action = weights[:, :shape.states], weights[:, shape.states:]
    weights[:, :shape.states] = of_state > 0.53
    weights[:, shape.states:] = (of_action > 0.276).astype(theta.dtype) - (of_action < -0.19)
    bias[:, :shape.states] = STATE_BIAS[shape.order]
    bias[:, shape.states:] = 0
    return rounded


# --- extraction ---
def extract(theta, shape, most=200):
    """The stack machine that one net (1, P) is, read neurons in mid-band -> rules over its state patterns, the accepting ones; None with more than `most`.

    Walks all (pattern, top) that can occur, from the start on '#'; below a popped symbol any symbol is expected that is ever pushed. rules has
    the form {(pattern, top, input): (pattern, operation)} in numbers, the start is 0; operation 2 is a pop and then a push. Nothing follows '#'.
    """
    weights, bias, readout, offset = (part[0].astype(float) for part in unpack(theta, shape))
    silent, shown, _ = ((low + high) / 2 for low, high in zip(LOW, HIGH))
    marker, symbols = shape.size - 1, np.eye(shape.size)
    numbers, rules = {(1,) + (0,) * (shape.states - 1): 0}, {}
    contexts, tops, popped = [(0, marker)], [marker], []
    for number, top in contexts:  # the list grows while it is walked
        if len(numbers) > most:
            return None
        z, r = np.array(list(numbers)[number], float), np.where(symbols[top], shown, silent)
        for symbol, x in enumerate(symbols):
            inputs = np.einsum("j,k,l->jkl", z, r, x) if shape.order == 3 else np.outer(z, np.concatenate([r, x]))
            squashed = np.tanh(0.5 * (weights @ inputs.ravel() + bias))
            following = numbers.setdefault(tuple(int(value > 0) for value in squashed[:shape.states]), len(numbers))
            push = int(symbol != marker and squashed[shape.states + symbol] > PUSH_ABOVE)
            pop = int(top != marker and squashed[shape.states + top] < POP_BELOW)
            rules[number, top, symbol] = following, 2 if push and pop else push - pop
            if symbol == marker:
                continue
            if push and symbol not in tops:
                tops.append(symbol)
                contexts += [(state, symbol) for state in popped if (state, symbol) not in contexts]
            if pop and not push and following not in popped:
                popped.append(following)
            shows = [symbol] if push else tops if pop else [top]
            contexts += [(following, shown_top) for shown_top in shows if (following, shown_top) not in contexts]
    return rules, [int(n) for n in np.flatnonzero(np.array(list(numbers)) @ readout + offset > 0)]


def machine_states(machine) -> int:
    """Patterns in which an extracted machine reads."""
    return len({state for state, _, _ in machine[0]})


def reprogram(machine, size) -> Program:
    """An extracted machine as a third-order net with binary and ternary weights, one state neuron per pattern."""
    rules, accepting = machine
    return compile_rules(3, size, 1 + max(following for following, _ in rules.values()), rules, accepting)


def all_strings(name):
    """The exhaustive set: every string up to a length that keeps it small -> tokens, ends, membership."""
    strings = every_string(name, EXHAUSTIVE[len(grammar(name).alphabet)])
    return (*encode(strings, grammar(name).size), np.array([accepts(name, string) for string in strings]))


def mismatches(theta, shape, exhaustive, rng=None, fixed=None, literal=False):
    """Strings of the exhaustive set on which each net disagrees with the language (R,)."""
    tokens, ends, members = exhaustive
    return (answers(theta, shape, tokens, ends, rng, fixed, literal) != members).sum(1)
