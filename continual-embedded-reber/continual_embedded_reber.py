# SPDX-License-Identifier: Unlicense
"""continual-embedded-reber: an LSTM that can forget follows an endless stream of strings; without forget gates it is lost after two or three.

Embedded Reber strings follow each other without a mark and without a reset, and the net predicts the next symbol for ever. The last symbol but
one of each string repeats its second: that must be remembered, and when the string is over it must be forgotten. Five nets learn from the
same text by the paper's truncated gradient, forward in time, and are asked how long they go without an error: forget gates with a learning
rate that decays along a stream, with a fixed rate, no forget gates, a constant decay of the state, no forget gates but a reset from outside.

Paper: F. A. Gers, J. Schmidhuber, F. Cummins (2000). Learning to Forget: Continual Prediction with LSTM. Neural Computation 12(10):2451-2471.

    python3 continual-embedded-reber/continual_embedded_reber.py --seed 0
"""
import argparse
import dataclasses
import json
import math
import os
import sys
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, get_args, get_origin

for library in ("OPENBLAS", "MKL", "VECLIB"):  # one thread: faster on small arrays, and sums keep their order
    os.environ.setdefault(library + ("_MAXIMUM_THREADS" if library == "VECLIB" else "_NUM_THREADS"), "1")
import numpy as np


READ = 100  # symbols of each stream that a test reads at a time


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    blocks: Annotated[int, "memory blocks", 1, 64] = 4
    cells: Annotated[int, "cells per memory block", 1, 64] = 2
    nets: Annotated[int, "independent nets for each row and rate, side by side", 1, 100] = 1
    updates: Annotated[int, "changes of the weights in training", 1, 100_000_000] = 24_000
    chunk: Annotated[int, "symbols read between changes of the weights; 1 is the paper's on-line learning", 1, 1000] = 12
    rates: Annotated[tuple[float, ...], "learning rates tried where the rate decays", 0, 100] = (0.05, 0.07, 0.1)
    fixed_rates: Annotated[tuple[float, ...], "learning rates tried where it is fixed, as many", 0, 100] = (0.03, 0.06, 0.1)
    decay: Annotated[float, "factor of the decaying rate per symbol within a training stream", 0.5, 1] = 0.995
    outputs: Annotated[Literal["softmax", "sigmoid"], "output units: softmax and cross-entropy, or the paper's sigmoids and squared error"] = "softmax"
    ends: Annotated[Literal["strict", "paper"], "a training stream ends with its first error by this rule"] = "strict"
    learn_at_full_rate: Annotated[bool, "the chunk that ends a stream is learned at the undecayed rate"] = True
    delimiters: Annotated[bool, "strings begin with B and end with E"] = True
    streams: Annotated[int, "test streams", 1, 1000] = 10
    stream_length: Annotated[int, "symbols predicted in each test stream, the most that a mean error-free length can be", 100, 10_000_000] = 100_000
    validation_length: Annotated[int, "symbols in each of as many streams by which a rate is chosen", 100, 10_000_000] = 20_000

    def __post_init__(self):
        if len(self.rates) != len(self.fixed_rates):
            raise ValueError("argument --fixed-rates: give as many as there are --rates")
        for flag, length in (("stream-length", self.stream_length), ("validation-length", self.validation_length)):
            if length % READ:
                raise ValueError(f"argument --{flag}: {length} is no multiple of {READ}")


PRESETS = {
    "smoke": {"updates": 300, "stream_length": 1000, "validation_length": 200},
    "paper": {"nets": 10, "chunk": 1, "rates": (0.5,), "fixed_rates": (0.5,), "outputs": "sigmoid", "ends": "paper", "learn_at_full_rate": False, "decay": 0.99,
              "updates": 1_000_000},
}
HEADLINE = {
    "forget_mean_error_free_symbols_strict": (">=", 10_000, "good: over 1000; perfect: 1e6 by 18 % of nets, 62 % with decaying rate"),
    "forget_outer_tp_accuracy_1e5_symbols": (">=", 0.9995, "1 in perfect runs"),
    "standard_mean_error_free_symbols_strict": ("<=", 100, "99 % of nets fail"),
    "external_reset_outer_accuracy": (">=", 0.999, "74 % perfect"),
}
ROBUST = (9, 10, {"forget_mean_error_free_symbols_strict": (">=", 1000)})
PAPER = {"forget_mean_error_free_symbols_strict": (">=", 1000)}
MOVEMENT = {"phases": {"draw_tape": "data", "encode": "data", "Nets.predict": "forward", "Nets.gradient": "backward", "Nets.descend": "update",
                       "evaluate": "evaluation"}, "step": "Nets.descend"}
ROWS = {  # the forget gate's fate (learned, or f = a constant, or f = 1 with a reset from outside), and whether the rate decays
    "forget": (None, True),
    "forget_fixed_rate": (None, False),
    "standard": (1.0, True),
    "state_decay": (0.9, True),
    "external_reset": ("reset", True),
}

# --- problem ---
SYMBOLS = "BTPSXVE"
B, T, P, S, X, V, E = range(7)
ONE_HOT = np.eye(7, dtype=np.float32)
REBER = (((T, 1), (P, 2)), ((S, 1), (X, 3)), ((T, 2), (V, 4)), ((X, 2), (S, 5)), ((P, 3), (V, 5)), ((E, 6), (E, 6)))  # two ways out of each state
START, LAST, OUTER = 0, 18, (9, 17)  # nodes of the embedded grammar: each emits a symbol on its way to the next node


def embedded_grammar():
    """(symbols, next nodes), both (19, 2): what each node emits and where it leads, two ways of equal probability."""
    ways = [((B, 1), (B, 1)), ((T, 2), (P, 10))]
    for letter, first in ((T, 2), (P, 10)):  # a Reber string between two equal letters
        ways.append(((B, first + 1),) * 2)
        ways += [[(symbol, first + 1 + state) for symbol, state in pair] for pair in REBER]
        ways.append(((letter, LAST),) * 2)
    ways.append(((E, START),) * 2)
    return np.moveaxis(np.array(ways), 2, 0)


SYMBOL, NEXT = embedded_grammar()
LEGAL = (SYMBOL[:, :, None] == np.arange(7)).any(1)  # (19, 7)


class Tape(NamedTuple):
    """Strings one after the other, arrays (symbols, ...): the symbols, the nodes that emitted them, and places, counted from each string's first T or P."""
    symbols: np.ndarray
    nodes: np.ndarray
    places: np.ndarray

    def starts(self):
        """Where strings begin: at the lowest node there is, the first B or without delimiters the first T or P."""
        return self.nodes == self.nodes.min()


def draw_tape(rng, strings, delimiters=True):
    """That many strings in a row; without `delimiters` each lacks its first B and its last E."""
    node, alive, nodes, symbols = np.full(strings, START), np.ones(strings, bool), [], []
    while alive.any():
        way = rng.integers(0, 2, strings)
        nodes.append(np.where(alive, node, -1))
        symbols.append(SYMBOL[node, way])
        alive, node = alive & (node != LAST), NEXT[node, way]
    nodes, symbols = np.array(nodes).T, np.array(symbols).T
    kept = (nodes >= 0) if delimiters else (nodes > START) & (nodes < LAST)
    places = np.broadcast_to(np.arange(nodes.shape[1]) - 1, nodes.shape)
    return Tape(symbols[kept], nodes[kept], places[kept])


def encode(symbols, nodes):
    """Arrays (steps + 1, nets, batch) -> inputs, targets (one step later) and which targets were legal, (steps, nets, 7, batch) each."""
    one_hot, legal = ONE_HOT[symbols].swapaxes(2, 3), LEGAL[nodes].swapaxes(2, 3)
    return one_hot[:-1], one_hot[1:], legal[1:]


def draw_streams(rng, streams, length, delimiters=True):
    """Tape of arrays (length + 1, streams): streams of whole strings, each cut behind `length` predictions. No string has fewer than 7 symbols."""
    tapes = [draw_tape(rng, length // 7 + 1, delimiters) for _ in range(streams)]
    return Tape(*(np.stack([field[:length + 1] for field in fields], -1) for fields in zip(*tapes)))


# --- model ---
class ForgetLSTM:
    """Memory blocks with input, forget and output gate, and the truncated gradient forward in time; arrays are (steps, nets, features, batch).

    Weights (nets, units, cells + inputs + 1) act on rows [y of the cells one step before | x | 1] and give the net inputs of all input gates,
    all forget gates, all output gates, all cells. As sigma(a) = (1 + tanh(a/2)) / 2, one tanh serves the three squashing functions, and the
    state is kept halved: g(a) = 4 sigma(a) - 2 = 2 tanh(a/2), h(s) = 2 sigma(s) - 1 = tanh(s/2).
    """

    def __init__(self, steps, inputs, blocks, cells, batch, nets, dtype=np.float32):
        self.count, self.grid, features = blocks * cells, (nets, blocks, cells, batch), blocks * cells + inputs + 1
        self.in_gates, self.forget_gates, self.out_gates = (slice(k * blocks, (k + 1) * blocks) for k in range(3))
        self.weight_shape = nets, 3 * blocks + self.count, features
        self.rows = np.ones((steps, nets, features, batch), dtype)
        self.tanh = np.empty((steps, nets, self.weight_shape[1], batch), dtype)  # tanh(net input / 2)
        self.gates = np.empty((steps, nets, 3, blocks, 1, batch), dtype)
        self.half_g = self.tanh[:, :, 3 * blocks:].reshape(steps, *self.grid)
        self.half_state = np.zeros((steps + 1, *self.grid), dtype)  # s / 2 before step t at index t; the same for y
        self.h = np.empty((steps, *self.grid), dtype)
        self.y = np.zeros((steps + 1, nets, self.count, batch), dtype)
        self.traces = np.zeros((nets, batch, 3 * self.count, features), dtype)  # ds/dw of weights into input gates, forget gates, cells
        tanh_gates = self.tanh[:, :, :3 * blocks].reshape(self.gates.shape)
        views = (self.rows[:, :, :self.count], self.rows, self.y, self.tanh, tanh_gates, self.gates, *np.moveaxis(self.gates, 2, 0), self.half_g,
                 self.half_state, self.half_state[1:], self.h, self.y[1:].reshape(self.h.shape))
        self.ahead = list(zip(*views))  # the views of each step, made once: making them costs more than the small sums done on them

    def forward(self, weights, x, keep):
        """x (steps, nets or 1, inputs, batch), keep (steps, nets, 1, batch): 0 where the net is reset before the step, else 1 -> y of the cells.

        The state goes on from where the last call left it.
        """
        half, change = weights * 0.5, np.empty_like(self.h[0])
        self.y[0], self.half_state[0] = self.y[-1], self.half_state[-1]
        self.rows[:, :, self.count:-1] = x
        for (recurrent, row, y_before, tanh, tanh_gates, gates, i, f, o, half_g, before, state, h, y), kept in zip(self.ahead, keep):
            np.multiply(y_before, kept, out=recurrent)
            np.tanh(np.matmul(half, row, out=tanh), out=tanh)
            np.multiply(tanh_gates, 0.5, out=gates)
            gates += 0.5
            f *= kept[:, None]
            np.multiply(f, before, out=state)
            state += np.multiply(i, half_g, out=change)
            np.multiply(o, np.tanh(state, out=h), out=y)
        return self.y[1:]

    def truncated_gradient(self, dy):
        """The paper's rule: dy = dE/dy (steps, nets, cells, batch), from the output units alone -> dE/dweights, through the whole past.

        Error does not leave a cell's state s but through the state itself: ds(t-1) = f(t) ds(t). Forward in time the same rule keeps a trace
        ds/dw per weight, which f multiplies too. Within a chunk we scan backward; what lies before it is in the traces.
        """
        nets, blocks, cells, batch = self.grid
        steps, count, rows = len(dy), self.count, self.rows.transpose(1, 3, 0, 2)
        i, f, o = np.moveaxis(self.gates, 2, 0)
        dy = dy.reshape(self.h.shape)
        ds = np.empty((steps, 2, *self.grid), dy.dtype)  # dE/ds(t), and the derivative of the last state by s(t)
        ds[:, 0], ds[-1, 1] = dy * o * (0.5 * (1 - self.h * self.h)), 1
        for later, now, f_later in zip(ds[:0:-1], ds[-2::-1], f[:0:-1]):
            carried = later * f_later
            now[0] += carried[0]
            now[1] = carried[1]
        into = np.empty((steps, nets, 3, blocks, cells, batch), dy.dtype)  # ds/d net input of input gate, forget gate, cell
        into[:, :, 0], into[:, :, 1] = 2 * self.half_g * i * (1 - i), 2 * self.half_state[:-1] * f * (1 - f)
        into[:, :, 2] = i * (1 - self.half_g * self.half_g)
        weighted = (into[:, None] * ds[:, :, :, None]).reshape(steps, 2, nets, 3 * count, batch).transpose(1, 2, 4, 3, 0)
        past = (ds[0] * f[0]).reshape(2, nets, 1, count, batch).repeat(3, 2).reshape(2, nets, 3 * count, batch).swapaxes(2, 3)
        by_cell, self.traces = np.ascontiguousarray(weighted) @ np.ascontiguousarray(rows) + past[..., None] * self.traces
        by_cell = by_cell.sum(1).reshape(nets, 3, blocks, cells, -1)
        out = ((self.h * dy).sum(3, keepdims=True) * o * (1 - o)).reshape(steps, nets, blocks, batch).transpose(1, 3, 2, 0) @ rows
        return np.concatenate((by_cell[:, :2].sum(3).reshape(nets, 2 * blocks, -1), out.sum(1), by_cell[:, 2].reshape(nets, count, -1)), 1)


def split(theta, shapes):
    """Views (nets, *shape) into theta (nets, parameters), for two shapes."""
    return [part.reshape(-1, *shape) for part, shape in zip(np.split(theta, [math.prod(shapes[0])], axis=1), shapes)]


class Nets:
    """Nets side by side, each a ForgetLSTM and seven output units that see its cells, the inputs and a bias.

    `theta` (nets, parameters) holds the layer's weights, then the output units'. Where `mask` is 0 nothing is learned: cells have no bias,
    and some nets no forget gates; `memory` says for each net what it has instead, as in ROWS.
    """

    def __init__(self, config, memory, theta, steps, batch):
        self.layer = ForgetLSTM(steps, 7, config.blocks, config.cells, batch, len(theta))
        self.sigmoid, self.memory, shapes = config.outputs == "sigmoid", memory, self.shapes(config)
        self.theta, self.mask, self.slope = theta.copy(), np.ones_like(theta), np.empty_like(theta)
        self.weights, self.output = split(self.theta, shapes)
        self.d_weights, self.d_output = split(self.slope, shapes)
        mask, gates = split(self.mask, shapes)[0], self.layer.forget_gates
        mask[:, 3 * config.blocks:, -1] = 0
        for net, kind in enumerate(memory):
            if kind is not None:  # a bias alone, with f = 1 exactly from 40 on
                mask[net, gates] = self.weights[net, gates] = 0
                self.weights[net, gates, -1] = math.log(kind / (1 - kind)) if kind not in (1, "reset") else 40
        self.reset = np.array([kind == "reset" for kind in memory])[:, None]
        self.count = [int(row.sum()) for row in self.mask]

    @staticmethod
    def shapes(config):
        """Of the layer's and of the output units' weights."""
        cells = config.blocks * config.cells
        return (3 * config.blocks + cells, cells + 8), (7, cells + 8)

    @staticmethod
    def draw(config, init_rng, count):
        """Initial theta of that many nets, the paper's: weights within +- 0.2; biases of the blocks' gates 0.5, 1, 1.5 and so on, negative but for forget gates."""
        shapes = Nets.shapes(config)
        theta = init_rng.uniform(-0.2, 0.2, (count, sum(map(math.prod, shapes)))).astype(np.float32)
        weights, bias = split(theta, shapes)[0], 0.5 * np.arange(1, config.blocks + 1)
        weights[:, :, -1] = np.concatenate((-bias, bias, -bias, np.zeros(config.blocks * config.cells)))
        return theta

    def predict(self, x, first, fresh=False):
        """Outputs (steps, nets, 7, batch) for x (steps, nets or 1, 7, batch), going on from the last call.

        first (steps, nets or 1, batch): here a string begins, which resets those that are reset from outside; fresh (nets, batch): a stream begins.
        """
        keep = ~(first & self.reset)
        keep[0] &= ~np.asarray(fresh)
        y = self.layer.forward(self.weights, x, keep[:, :, None].astype(np.float32))
        self.seen = np.concatenate((y, self.layer.rows[:, :, self.layer.count:]), 2)
        z = self.output @ self.seen
        if self.sigmoid:
            return 0.5 + 0.5 * np.tanh(0.5 * z)
        e = np.exp(z - z.max(2, keepdims=True))
        return e / e.sum(2, keepdims=True)

    def gradient(self, p, targets, rate):
        """`rate` (steps, nets) times each step's contribution to dE/dtheta, after `predict`, summed over steps and batch."""
        delta = (p - targets) * rate[:, :, None, None].astype(np.float32)  # cross-entropy of the softmax
        if self.sigmoid:
            delta *= p * (1 - p)  # half the squared error
        self.d_output[...] = (delta @ self.seen.swapaxes(2, 3)).sum(0)
        self.d_weights[...] = self.layer.truncated_gradient(self.output[:, :, :self.layer.count].swapaxes(1, 2) @ delta)
        self.slope *= self.mask
        return self.slope

    def descend(self, step):
        """Plain gradient descent; `step` is the gradient times the rate."""
        self.theta -= step

    def state_norms(self):
        """Length of the vector of internal states at each step of the last call (steps, nets, batch)."""
        s = 2 * self.layer.half_state[1:]
        return np.sqrt((s * s).sum((2, 3)))


# --- learning ---
def train(nets, config, rates, decays, tape, progress=None):
    """Each net reads the tape, one stream after the other, and changes its weights after every chunk; rates and decays (nets,).

    A stream ends with the chunk of its first error; the next one begins with a new string, a state of zero and the full rate. Returns a
    history: "updates", the moments; "theta" (moments, nets, parameters) and "errors" (moments, nets), errors by the strict rule since the
    moment before; "streams" (nets,), how many were begun; "longest" (nets,), symbols of the longest one without an error.
    """
    size, starts = len(tape.symbols), np.flatnonzero(tape.starts())
    next_start = np.append(starts, 0)[np.searchsorted(starts, np.arange(size))]  # from the last string on: the beginning
    place, age, streams, longest, errors = np.zeros((5, len(rates)), int)
    every, history, chunk = max(1, config.updates // 60), {"updates": [], "theta": [], "errors": []}, np.arange(config.chunk + 1)[:, None]
    first = tape.starts()
    for update in range(config.updates + 1):
        if update % every == 0 or update == config.updates:
            for name, value in (("updates", update), ("theta", nets.theta), ("errors", errors)):
                history[name].append(np.copy(value))
            errors[:] = 0
            if progress:
                progress(0.9 * update / config.updates, f"training: longest stream without an error {longest.max():,} symbols")
            if update == config.updates:
                break
        at = (place + chunk) % size
        x, targets, legal = encode(tape.symbols[at][..., None], tape.nodes[at][..., None])
        p = nets.predict(x, first[at[:-1], None], (age == 0)[:, None])
        right = judge(p, targets, legal)[..., 0]
        ended = ~right[RULES.index(config.ends)].all(0)
        steps = np.where(ended & config.learn_at_full_rate, 0, age) + chunk[:-1]
        nets.descend(nets.gradient(p, targets, rates * decays ** steps))
        errors += (~right[RULES.index("strict")]).sum(0)
        streams += age == 0
        place, age = (place + config.chunk) % size, np.where(ended, 0, age + config.chunk)
        place = np.where(ended, next_start[place], place)
        longest = np.maximum(longest, age)
    return {**{name: np.array(values) for name, values in history.items()}, "streams": streams, "longest": longest}


# --- evaluation ---
RULES = ("paper", "strict")


def judge(p, targets, legal):
    """Is each prediction right? Arrays (.., 7, batch) -> boolean (2, .., batch), by the rules of RULES.

    The paper's: every output within 0.7 of the next symbol's one-hot code (squared error below 0.49), so half and half passes. The strict
    rule also wants all legal symbols above all illegal ones; the outer letter is then the only legal symbol.
    """
    close = np.abs(p - targets).max(-2) < 0.7
    return np.array((close, close & (np.where(legal, p, 2).min(-2) > np.where(legal, -1, p).max(-2))))


LONGEST = 60  # inner strings of this length and more are counted together


def evaluate(predict, streams, watch=None, progress=None):
    """Let `predict(x, first, fresh)` of Nets, or of any other learner, follow streams (of draw_streams) side by side, weights unchanged.

    Returns "free" (2 rules, nets, streams), right predictions before the first error; "wrong" (2, nets, 10), errors by tenth of the streams;
    "outer_wrong" (nets, LONGEST + 1) and "outer" (LONGEST + 1,), outer letters not predicted and all, by length of the inner string; "watched",
    what `watch()` returned after each READ symbols.
    """
    length, first = len(streams.symbols) - 1, streams.starts()
    free, wrong, outer_wrong, outer, watched = length, 0, 0, np.zeros(LONGEST + 1, int), []
    for at in range(0, length, READ):
        part = slice(at, at + READ + 1)
        x, targets, legal = encode(streams.symbols[part, None], streams.nodes[part, None])
        p = predict(x, first[part][:-1, None], at == 0)
        right = judge(p, targets, legal)  # (2, steps, nets, streams)
        found = np.where(right.all(1), length, at + right.argmin(1))
        free = np.minimum(free, found)
        tenths = 10 * np.arange(at, at + READ) // length
        wrong = wrong + ((~right).sum(3).swapaxes(1, 2) @ np.eye(10, dtype=int)[tenths])
        t, stream = np.nonzero(np.isin(streams.nodes[part][1:], OUTER))
        inner = np.minimum(streams.places[part][1:][t, stream] - 1, LONGEST)
        answers = p[t, :, :, stream]  # (outer letters, nets, 7)
        missed = answers.argmax(2) != streams.symbols[part][1:][t, stream][:, None]
        outer_wrong = outer_wrong + missed.T.astype(int) @ np.eye(LONGEST + 1, dtype=int)[inner]
        outer += np.bincount(inner, minlength=LONGEST + 1)
        if watch:
            watched.append(watch())
        if progress:
            progress(0.9 + 0.1 * at / length, "test")
    return {"free": free, "wrong": wrong, "outer_wrong": outer_wrong, "outer": outer, "watched": watched}


class Forgetful:
    """Control: is told the nodes of the grammar, but of the outer letter knows only that it is T or P, with T a little ahead."""

    def __init__(self, streams):
        self.nodes, self.at = streams.nodes, 0

    def predict(self, x, first, fresh):
        """As Nets.predict."""
        nodes = self.nodes[self.at + 1:self.at + 1 + len(x)]
        self.at += len(x)
        allowed = np.where(np.isin(nodes, OUTER)[..., None], LEGAL[1] * (1 + 0.02 * (np.arange(7) == T)), LEGAL[nodes])
        return (allowed / allowed.sum(-1, keepdims=True)).swapaxes(1, 2)[:, None]


def run(config, progress=None):
    """Train all rows and rates side by side, choose each row's rate on validation streams, test what was chosen on long streams.

    History: "train", what `train` returned; "chosen" {row: indices of its nets in there}; "test", what `evaluate` returned for them, then an
    untrained net; "norms" (symbols, nets), their state norms, mean over the streams, at the symbols "norm_at"; "grid" (rows, rates, nets).
    """
    np.empty(31 << 20, np.uint8)  # freed at once: from now on the C library of Linux reuses freed memory instead of faulting pages in anew
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    tape = draw_tape(data_rng, config.updates * config.chunk // 6 + 100, config.delimiters)
    validation, test = (draw_streams(rng, config.streams, length, config.delimiters)
                        for rng, length in ((data_rng, config.validation_length), (test_rng, config.stream_length)))
    grid = len(ROWS), len(config.rates), config.nets
    index = np.arange(math.prod(grid)).reshape(grid)
    memory, decays = zip(*(row for row in ROWS.values() for _ in range(index[0].size)))
    rates = np.array([rate for _, decaying in ROWS.values() for rate in (config.rates if decaying else config.fixed_rates)]).repeat(config.nets)
    initial = Nets.draw(config, init_rng, config.nets)  # every row and rate starts from the same weights
    nets = Nets(config, memory, np.tile(initial, (index.size // config.nets, 1)), config.chunk, 1)
    history = train(nets, config, rates, np.where(decays, config.decay, 1.0), tape, progress)

    checked = evaluate(Nets(config, memory, nets.theta, READ, config.streams).predict, validation)
    merit = [(checked["free"][1, k].mean(), -checked["wrong"][1, k].sum()) for k in index.reshape(-1, config.nets)]  # strict rule
    best = [max(range(grid[1]), key=lambda rate: merit[row * grid[1] + rate]) for row in range(grid[0])]
    chosen = {name: index[row, best[row]] for row, name in enumerate(ROWS)}
    picked = np.concatenate(list(chosen.values()))
    tested = Nets(config, [*(memory[k] for k in picked), None], np.concatenate((nets.theta[picked], initial[:1])), READ, config.streams)
    result = evaluate(tested.predict, test, lambda: tested.state_norms().mean(2), progress)
    ignorant = evaluate(Forgetful(test).predict, test)
    norms = np.concatenate(result.pop("watched"))
    norm_at = np.unique(np.geomspace(1, len(norms), 120).astype(int))
    metrics = {"forget_mean_error_free_symbols_strict": 0.0, "forget_outer_tp_accuracy_1e5_symbols": 0.0}
    hit, cap = 1 - result["outer_wrong"].sum(1) / result["outer"].sum(), config.stream_length
    for row, name in enumerate([*ROWS, "untrained"]):
        these = np.arange(config.nets) + row * config.nets if name in ROWS else [-1]
        free = result["free"][:, these].mean(2)  # (rules, nets)
        metrics |= {
            f"{name}_mean_error_free_symbols_strict": float(free[1].mean()),
            f"{name}_mean_error_free_symbols_049_rule": float(free[0].mean()),
            "forget_outer_tp_accuracy_1e5_symbols" if name == "forget" else f"{name}_outer_accuracy": float(hit[these].mean()),
        }
        if name in ROWS:
            metrics[f"{name}_rate_chosen"] = float(rates[chosen[name][0]])
        if name in ROWS and config.nets > 1:
            metrics |= {f"{name}_{grade}_fraction_{rule}": float(passed.mean()) for rule, lengths in zip(("049_rule", "strict"), free)
                        for grade, passed in (("good", lengths > 1000), ("perfect", lengths == cap))}
    forget, long = np.arange(config.nets), slice(21, None)
    wrong, standard = result["wrong"][1, forget].sum(0), list(ROWS).index("standard") * config.nets
    metrics |= {
        "forget_errors_per_million_strict": float(wrong.sum() / (config.nets * config.streams * cap) * 1e6),
        "forget_errors_first_tenth": int(wrong[0]),
        "forget_errors_last_tenth": int(wrong[-1]),
        "forget_outer_accuracy_inner_over_20": float(1 - result["outer_wrong"][forget, long].sum() / max(1, config.nets * result["outer"][long].sum())),
        "forget_largest_state_norm": float(norms[:, forget].max()),
        "standard_largest_state_norm": float(norms[:, standard].max()),
        "forget_training_streams": int(history["streams"][chosen["forget"]].mean()),
        "forget_longest_training_stream": int(history["longest"][chosen["forget"]].max()),
        "standard_longest_training_stream": int(history["longest"][chosen["standard"]].max()),
        "training_symbols": config.updates * config.chunk,
        "weights": nets.count[0],
        "forgetful_mean_error_free_symbols_strict": float(ignorant["free"][1].mean()),
        "forgetful_mean_error_free_symbols_049_rule": float(ignorant["free"][0].mean()),
    }
    return {"metrics": metrics, "history": {"train": history, "chosen": chosen, "test": result, "norms": norms[norm_at - 1], "norm_at": norm_at,
                                            "grid": grid}}


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
