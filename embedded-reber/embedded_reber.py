# SPDX-License-Identifier: Unlicense
"""embedded-reber: the LSTM of 1997 learns a grammar in which the last choice was made at the start.

A string goes by, symbol after symbol, and at every step the net predicts the next one. A look at the last few symbols is enough for most
predictions; for the last symbol but one the net needs the second, T or P, which a whole Reber string separates from it. A trial succeeds when
at every step of 256 training strings and of 256 others every legal symbol is above every illegal one. Contrasts learn from the same strings in
the same order: full gradient, no output gates, a tanh net with back-propagation through time, and that net with Elman's training.

Paper: S. Hochreiter, J. Schmidhuber (1997). Long Short-Term Memory. Neural Computation 9(8):1735-1780.

    python3 embedded-reber/embedded_reber.py --seed 0
"""
import argparse
import copy
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
from embedded_reber_lstm_1997 import LSTM1997


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    blocks: Annotated[int, "memory blocks", 1, 64] = 12
    cells: Annotated[int, "cells per memory block", 1, 64] = 1
    nets: Annotated[int, "independent nets side by side, each with strings of its own; the headline is the first", 1, 100] = 1
    presentations: Annotated[int, "strings presented at most", 1, 10_000_000] = 20_000
    check_every: Annotated[int, "presentations between tests for success", 1, 100_000] = 100
    learning_rate: Annotated[float, "Adam's learning rate of the LSTM", 0, 10] = 0.02
    clip: Annotated[float, "largest norm of a string's gradient", 1e-9, 1000] = 0.1
    spread: Annotated[float, "initial weights of the LSTM are uniform in +- spread", 0, 10] = 0.1
    out_gate_bias: Annotated[tuple[float, ...], "initial biases of the output gates: of the first block, of the last block", -20, 20] = (-1.0, -4.0)
    gate_recurrence: Annotated[bool, "gates are connected to all hidden units, themselves recurrent"] = True
    contrasts: Annotated[bool, "also train the contrasts"] = True
    contrast_presentations: Annotated[int, "strings presented at most to each contrast", 1, 10_000_000] = 6000
    full_rate: Annotated[float, "learning rate of the LSTM with the full gradient", 0, 10] = 0.02
    no_output_gates_rate: Annotated[float, "learning rate of the LSTM without output gates", 0, 10] = 0.01
    rnn_rate: Annotated[float, "learning rate of the tanh net", 0, 10] = 0.003
    elman_rate: Annotated[float, "learning rate of the tanh net with Elman's training", 0, 10] = 0.003
    table_trials: Annotated[int, "trials of each LSTM row of the paper's Table 1, with the paper's own rule", 0, 100] = 0
    table_presentations: Annotated[int, "strings presented at most in each of these trials", 1, 10_000_000] = 60_000

    def __post_init__(self):
        if len(self.out_gate_bias) != 2:
            raise ValueError("argument --out-gate-bias: two numbers are needed, for the first and for the last block")


PRESETS = {
    "smoke": {"presentations": 300, "contrast_presentations": 200, "table_trials": 1, "table_presentations": 200},
    "paper": {"contrasts": False, "table_trials": 10},
}
HEADLINE = {
    "presentations_to_strict_success": ("<=", 8440, "8,440, mean of 30 trials (3 blocks of 2 cells, rate 0.5)"),
    "test_outer_tp_rate": (">=", 1.0, "1 on success"),
    "test_strict_step_rate": (">=", 1.0, "1 on success"),
}
ROBUST = (10, 10, {"presentations_to_strict_success": ("<=", 20_000), "test_outer_tp_rate": (">=", 1.0), "test_strict_step_rate": (">=", 1.0)})
PAPER = {"presentations_to_strict_success": ("<=", 8440)}
TABLE_1 = {(4, 1): (0.1, 0.5), (3, 2): (0.1, 0.2, 0.5)}  # (blocks, cells): learning rates
MOVEMENT = {"phases": {"draw_strings": "data", "encode": "data", "Model.outputs": "forward", "Model.gradient": "backward", "Adam.step": "update",
                       "OnlineLSTM.step": "update", "score": "evaluation"}, "step": "Adam.step",
            "algorithms": {"train": "{model.kind}", "train_online": ("on-line LSTM, {net.count} cells", "OnlineLSTM.step")},
            "criterion": {"lstm": ("presentations_to_strict_success", "steps"),
                          **{kind: (f"{kind}_presentations_to_strict_success", "steps") for kind in ("full_gradient", "no_output_gates", "rnn", "elman")}}}

# --- problem ---
SYMBOLS = "BTPSXVE"
B, T, P, S, X, V, E, NONE = range(8)
END = 6
REBER = (((T, 1), (P, 2)), ((S, 1), (X, 3)), ((T, 2), (V, 4)), ((X, 2), (S, 5)), ((P, 3), (V, 5)), ((E, END), (E, END)))  # two ways out of each state
STRINGS = 256  # in the training set, and again in the test set
ONE_HOT = np.eye(8, 7, dtype=np.float32)  # all zero for NONE, behind the end of a string


def draw_strings(rng, count, shortest=5, longest=math.inf):
    """Embedded Reber strings, each way out of a state taken with probability 1/2: those of `count` draws with an inner string of `shortest` to `longest` symbols."""
    ways = np.array((*REBER, ((NONE, END), (NONE, END))))
    state, columns = np.zeros(count, int), [np.full(count, B)]
    while (state < END).any():
        symbol, state = ways[state, rng.integers(0, 2, count)].T
        columns.append(symbol)
    inner = np.array(columns).T
    lengths = (inner < NONE).sum(1)
    letters, fits, outer = SYMBOLS + " ", (shortest <= lengths) & (lengths <= longest), rng.integers(T, P + 1, count)
    return [f"B{letters[o]}{''.join(letters[k] for k in row).rstrip()}{letters[o]}E" for o, row in zip(outer[fits].tolist(), inner[fits].tolist())]


def draw_sets(rng):
    """256 training strings as they come, and 256 test strings that are not among them."""
    train, test = draw_strings(rng, STRINGS), []
    while len(test) < STRINGS:
        test += [string for string in draw_strings(rng, STRINGS) if string not in train]
    return train, test[:STRINGS]


def legal_next(string):
    """For each symbol of a string but the last, the set of symbols that the grammar allows next; KeyError where the string breaks the grammar."""
    legal, state = [{T, P}, {B}, {T, P}], 0
    for letter in string[3:-2]:
        state = dict(REBER[state])[SYMBOLS.index(letter)]
        legal.append({symbol for symbol, _ in REBER[state]} if state < END else {SYMBOLS.index(string[1])})
    return [*legal, {E}]


class Strings(NamedTuple):
    """Sets of strings, one per net: symbols (nets, strings, longest), NONE behind the end; the rest (nets, strings, longest - 1, ..) is about each symbol's successor."""
    symbols: np.ndarray
    legal: np.ndarray  # (.., 7) boolean
    inside: np.ndarray  # there is one
    outer: np.ndarray  # it is the outer letter that came second in the string


def encode(sets):
    """Lists of strings, one list (of equal length) per net -> Strings."""
    shape = len(sets), len(sets[0]), max(len(string) for strings in sets for string in strings)
    symbols, legal = np.full(shape, NONE), np.zeros((*shape[:2], shape[2] - 1, 7), bool)
    outer = np.zeros(legal.shape[:3], bool)
    for net, strings in enumerate(sets):
        for k, string in enumerate(strings):
            symbols[net, k, :len(string)] = [SYMBOLS.index(letter) for letter in string]
            outer[net, k, len(string) - 3] = True
            for step, allowed in enumerate(legal_next(string)):
                legal[net, k, step, list(allowed)] = True
    return Strings(symbols, legal, symbols[..., 1:] < NONE, outer)


# --- model ---
# --- block: tanh_rnn ---
class TanhRNN:
    """The plain recurrent net h(t) = tanh(W [h(t-1) | x(t) | 1]); arrays are (steps, *runs, features, batch)."""

    def __init__(self, steps, inputs, hidden, batch, runs=(), dtype=np.float32):
        self.weight_shape, self.steps = (*runs, hidden, hidden + inputs + 1), steps
        self.rows = np.zeros((steps + 1, *runs, hidden + inputs + 1, batch), dtype)
        self.rows[..., -1, :] = 1
        self.h = self.rows[1:, ..., :hidden, :]

    def forward(self, weights, x):
        """x (T, *runs, inputs, batch) with T <= steps -> h (T, *runs, hidden, batch), a view that the next call reuses."""
        self.steps = len(x)
        self.rows[:self.steps, ..., self.h.shape[-2]:-1, :] = x
        for row, h in zip(self.rows, self.h[:self.steps]):
            np.tanh(np.matmul(weights, row, out=h), out=h)
        return self.h[:self.steps]

    def gradient(self, weights, dh, through_time=True):
        """dh = dE/dh (T, *runs, hidden, batch) -> dE/dweights; without `through_time` the state of the step before counts as an input (Elman)."""
        h = self.h[:self.steps]
        slope, recurrent = 1 - h * h, weights[..., :h.shape[-2]].swapaxes(-1, -2).copy()
        delta, back = dh * slope, np.zeros_like(slope[0])
        for dh_t, slope_t, delta_t in zip(dh[::-1], slope[::-1], delta[::-1]) if through_time else ():
            np.multiply(dh_t + back, slope_t, out=delta_t)
            np.matmul(recurrent, delta_t, out=back)
        return (delta @ self.rows[:self.steps].swapaxes(-1, -2)).sum(0)
# --- end block ---


LSTMS = ("lstm", "full_gradient", "no_output_gates")


class Model:
    """Nets of one kind side by side: a recurrent layer, and seven output units that see its cells and nothing else.

    `theta` (nets, parameters) holds the layer's weights, then the output units'. Only gates (and tanh units) have biases. Where `mask` is 0
    nothing is learned.
    """

    def __init__(self, kind, config, init_rng):
        self.kind, self.runs, self.layers = kind, (config.nets,), {}
        self.size = (config.blocks, config.cells)
        if kind not in LSTMS:  # as many tanh units as come closest to the weights of the LSTM
            budget = Model("lstm", config, copy.deepcopy(init_rng)).count
            self.size = (round(math.sqrt(budget + 7.5 ** 2) - 7.5),)
        layer = self.layer_for(1, 1)
        self.shapes = layer.weight_shape[1:], (7, math.prod(self.size))
        spread = self.size[0] ** -0.5 if kind not in LSTMS else config.spread
        self.theta = init_rng.uniform(-spread, spread, (config.nets, sum(map(math.prod, self.shapes)))).astype(np.float32)
        self.slope, self.mask = np.zeros_like(self.theta), np.ones_like(self.theta)  # slope: dE/dtheta
        self.weights, self.output = views(self.theta, *self.shapes)
        self.d_weights, self.d_output = views(self.slope, *self.shapes)
        if kind in LSTMS:
            mask = views(self.mask, *self.shapes)[0]
            mask[..., layer.cells, -1] = 0
            if not config.gate_recurrence:
                mask[..., layer.gates] = 0
            self.weights[..., layer.out_gates, -1] = np.linspace(*config.out_gate_bias, config.blocks)
            self.theta *= self.mask
            if kind == "no_output_gates":  # open for ever
                mask[..., layer.out_gates, :] = self.weights[..., layer.out_gates, :] = 0
                self.weights[..., layer.out_gates, -1] = 40
        self.count = int(self.mask[0].sum())

    def layer_for(self, steps, batch):
        """A layer with buffers for `steps` steps of `batch` strings, or more steps."""
        if batch not in self.layers or len(self.layers[batch].rows) <= steps:
            self.layers[batch] = (LSTM1997 if self.kind in LSTMS else TanhRNN)(steps, 7, *self.size, batch, self.runs)
        return self.layers[batch]

    def outputs(self, x):
        """x (T, nets or 1, 7, batch) -> net inputs of the output units (T, nets, 7, batch); softmax and sigmoid leave their order as it is."""
        self.layer = self.layer_for(len(x), x.shape[-1])
        self.y = self.layer.forward(self.weights, x)
        return self.output @ self.y

    def gradient(self, delta):
        """dE/dtheta (nets, parameters) after `outputs`, from delta = dE/doutputs."""
        self.d_output[...] = (delta @ self.y.swapaxes(-1, -2)).sum(0)
        dy = self.output.swapaxes(-1, -2) @ delta
        if self.kind not in LSTMS:
            self.d_weights[...] = self.layer.gradient(self.weights, dy, self.kind == "rnn")
        else:
            self.d_weights[...] = self.layer.full_gradient(self.weights, dy) if self.kind == "full_gradient" else self.layer.truncated_gradient(dy)
        self.slope *= self.mask
        return self.slope


# --- learning ---
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


def error_signal(outputs, targets):
    """dE/doutputs for E the cross-entropy of the softmax; targets (T, nets, 7, batch) are one-hot, all zero behind a string's end."""
    e = np.exp(outputs - outputs.max(-2, keepdims=True))
    return (e / e.sum(-2, keepdims=True) - targets) * targets.any(-2, keepdims=True)


def train(model, config, strings, rate, limit, data_rng, progress=None):
    """Present training strings (the first half of `strings`) in random order, one string per update, until every net has succeeded.

    Returns a history: "met" (nets,), presentations until success (infinity: not reached); for each test "presentations", and the wrong steps
    at the outer position and elsewhere, "outer" and "inner" (tests, nets); every 25 presentations "theta", the first net's parameters.
    """
    data_rng, nets = copy.deepcopy(data_rng), np.arange(config.nets)  # every kind of net sees the same strings
    lengths = (strings.symbols < NONE).sum(-1)
    model.layer_for(lengths.max(), 1)
    met, history = np.full(config.nets, np.inf), {"presentations": [], "outer": [], "inner": [], "theta": []}
    adam = Adam(model.theta, rate, beta2=0.99)
    for presented in range(limit + 1):
        if presented % 25 == 0:
            history["theta"].append(model.theta[0].copy())
        if presented % config.check_every == 0 or presented == limit:
            result = score(model.outputs, strings)
            met[(met == np.inf) & (result["outer_wrong"] + result["inner_wrong"] == 0)] = presented
            for name, value in (("presentations", presented), ("outer", result["outer_wrong"]), ("inner", result["inner_wrong"])):
                history[name].append(value)
            if progress:
                progress(presented / limit * 0.999, f"{model.kind}: {result['outer_wrong'][0]} outer and {result['inner_wrong'][0]} inner steps wrong")
            if (met < np.inf).all() or presented == limit:
                break
        pick = data_rng.integers(0, STRINGS, config.nets)
        rows = ONE_HOT[strings.symbols[nets, pick, :lengths[nets, pick].max()]].swapaxes(0, 1)[..., None]  # (T + 1, nets, 7, 1)
        gradient = model.gradient(error_signal(model.outputs(rows[:-1]), rows[1:]))
        clip_by_global_norm(gradient, config.clip)  # low enough to make all strings weigh much the same
        adam.step(gradient, (met == np.inf)[:, None].astype(np.float32))  # nets that have succeeded stay as they are
    return {**{name: np.array(values) for name, values in history.items()}, "met": met}


class OnlineLSTM:
    """The paper's own procedure: sigmoid outputs, squared error, and an update of all weights after every symbol; R nets side by side.

    The truncated gradient forward in time: for each weight into a cell or an input gate a trace holds ds/dw. Weights as in LSTM1997.
    """

    def __init__(self, blocks, cells, rates, init_rng):
        count, nets = blocks * cells, len(rates)
        self.grid, self.count, self.units = (nets, blocks, cells), count, count + 2 * blocks
        shape = (nets, self.units, self.units + 8)
        self.weights, self.output = (init_rng.uniform(-0.2, 0.2, s).astype(np.float32) for s in (shape, (nets, 7, count)))
        self.weights[:, :count, -1] = 0
        self.weights[:, count + blocks:, -1] = -np.arange(1, blocks + 1)
        self.rate, self.row, self.state = np.array(rates, np.float32)[:, None, None], np.ones(shape[::2], np.float32), np.zeros(self.grid, np.float32)
        self.traces = np.zeros((2, *self.grid, shape[2]), np.float32)  # of weights into input gates, and into cells

    def step(self, x, target, first):
        """One symbol and its successor, one-hot (nets, 7); first (nets, 1): the string begins here. No successor: nothing is learned."""
        count, (nets, blocks, _) = self.count, self.grid
        row, keep = self.row, 1 - first[..., None]
        row[:, :self.units] *= keep[..., 0]
        row[:, self.units:-1] = x
        tanh = np.tanh(0.5 * (self.weights @ row[..., None])[..., 0])
        half_g, (i, o) = tanh[:, :count].reshape(self.grid), (0.5 + 0.5 * tanh[:, count:].reshape(nets, 2, blocks, 1)).swapaxes(0, 1)
        self.state = self.state * keep + 2 * i * half_g
        self.traces *= keep[..., None]
        self.traces += np.array((i * (1 - i) * 2 * half_g, i * (1 - half_g * half_g)))[..., None] * row[:, None, None]
        h = np.tanh(0.5 * self.state)
        y = (o * h).reshape(nets, 1, count)
        out = 0.5 + 0.5 * np.tanh(0.5 * (self.output @ y.swapaxes(1, 2))[..., 0])
        delta = self.rate * ((target - out) * out * (1 - out) * target.any(-1, keepdims=True))[..., None]
        dy = (delta.swapaxes(1, 2) @ self.output).reshape(self.grid)
        for_in_gates, for_cells = self.traces * (dy * o * 0.5 * (1 - h * h))[..., None]
        for_cells[..., -1] = 0  # cells have no bias
        self.weights[:, :count] += for_cells.reshape(nets, count, -1)
        self.weights[:, count:count + blocks] += for_in_gates.sum(2)
        self.weights[:, count + blocks:] += ((dy * h).sum(-1, keepdims=True) * o * (1 - o)) * row[:, None]
        self.output += delta * y
        row[:, :count], row[:, count:self.units] = y[:, 0], np.concatenate((i, o), 1)[..., 0]

    def outputs(self, x):
        """As Model.outputs."""
        layer = LSTM1997(len(x), 7, *self.grid[1:], x.shape[-1], self.grid[:1])
        return self.output @ layer.forward(self.weights, x)


def train_online(net, config, strings, data_rng, progress=None):
    """Present strings to an OnlineLSTM, to each net as one stream -> presentations until success (nets,), infinity where not reached."""
    nets = net.grid[0]
    met = np.full(nets, np.inf)
    for presented in range(0, config.table_presentations, 250):
        pick = data_rng.integers(0, STRINGS, (nets, 250, 1))
        streams = []
        for symbols, chosen in zip(strings.symbols, pick[..., 0]):
            now, following = symbols[chosen, :-1], symbols[chosen, 1:]
            first = np.broadcast_to(np.arange(now.shape[1]) == 0, now.shape)
            streams.append(np.array((now, following, first))[:, following < NONE])
        ticks = np.full((3, max(stream.shape[1] for stream in streams), nets), NONE)
        for k, stream in enumerate(streams):
            ticks[:, :stream.shape[1], k] = stream
        x, targets, first = ONE_HOT[ticks[0]], ONE_HOT[ticks[1]], (ticks[2] == 1).astype(np.float32)[..., None]
        for now in zip(x, targets, first):
            net.step(*now)
        result = score(net.outputs, strings)
        met[(met == np.inf) & (result["outer_wrong"] + result["inner_wrong"] == 0)] = presented + 250
        if progress:
            progress(presented / config.table_presentations, f"{net.grid[1]} blocks of {net.grid[2]}, on line: {(met < np.inf).sum()} of {nets} trials succeeded")
        if (met < np.inf).all():
            break
    return met


# --- evaluation ---
def score(predict, strings):
    """Hold `predict(x) -> (T, nets, 7, n)` against the grammar, each net on its own strings (or all on one set): a dictionary of arrays (nets,).

    A step is right if every legal symbol is above every illegal one. "outer_tp_rate": how often the outer letter is above all others.
    """
    legal, inside, outer = strings.legal.transpose(2, 0, 3, 1), strings.inside.transpose(2, 0, 1), strings.outer.transpose(2, 0, 1)
    outputs = predict(ONE_HOT[strings.symbols[..., :-1]].transpose(2, 0, 3, 1))
    low, high = np.where(legal, outputs, np.inf).min(-2), np.where(legal, -np.inf, outputs).max(-2)
    wrong, argmax_legal = inside & (low <= high), np.where(legal, outputs, -np.inf).max(-2) > high
    steps, count = inside.sum((0, 2)), outer.sum((0, 2))
    outer_wrong = (wrong & outer).sum((0, 2))
    return {"outer_wrong": outer_wrong, "inner_wrong": wrong.sum((0, 2)) - outer_wrong, "strict_step_rate": 1 - wrong.sum((0, 2)) / steps,
            "outer_tp_rate": 1 - outer_wrong / count, "argmax_legal_rate": (inside & argmax_legal).sum((0, 2)) / steps}


def forgetful(strings):
    """Control: outputs of one who knows the grammar but not the second symbol of the string, and says T when it is asked for."""
    answers = np.where(strings.outer[..., None], np.arange(7) == T, strings.legal)
    return answers.transpose(2, 0, 3, 1).astype(float)


def count(met):
    """Presentations as a metric."""
    return int(met) if np.isfinite(met) else None


def run(config, progress=None):
    """Train and test the LSTM and its contrasts.

    History: "curves", what `train` returned for each kind of net; "theta", the first net of each kind at its end; "test", the first net's test strings,
    and "steps", how many predictions are judged at outer positions and elsewhere; "table", the presentations of each trial for each row of Table 1.
    """
    np.empty(31 << 20, np.uint8)  # freed at once: from now on the C library of Linux reuses freed memory instead of faulting pages in anew
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    sets = [draw_sets(data_rng) for _ in range(config.nets)]
    strings, test = encode([train + test for train, test in sets]), encode([test for _, test in sets])
    long = encode([draw_strings(test_rng, 200_000, 20, 40)[:1000]])

    lstm = Model("lstm", config, copy.deepcopy(init_rng))
    untrained = score(lstm.outputs, test)
    curves = {"lstm": train(lstm, config, strings, config.learning_rate, config.presentations, data_rng, progress)}
    tested, far, ignorant = score(lstm.outputs, test), score(lstm.outputs, long), score(lambda x: forgetful(test), test)
    met, theta = curves["lstm"]["met"], {"lstm": lstm.theta[0].copy()}
    metrics = {
        "presentations_to_strict_success": count(met[0]),
        **{f"test_{name}": float(tested[name][0]) for name in ("outer_tp_rate", "strict_step_rate", "argmax_legal_rate")},
        **{f"long_{name}": float(far[name][0]) for name in ("outer_tp_rate", "strict_step_rate")},
        "nets_strict_success_fraction": float(np.isfinite(met).mean()),
        "nets_presentations_mean": float(met[np.isfinite(met)].mean()) if np.isfinite(met).any() else None,
        "lstm_weights": lstm.count,
        **{f"forgetful_{name}": float(ignorant[name][0]) for name in ("outer_tp_rate", "strict_step_rate")},
        **{f"untrained_{name}": float(untrained[name][0]) for name in ("outer_tp_rate", "strict_step_rate")},
    }
    rates = {"full_gradient": config.full_rate, "no_output_gates": config.no_output_gates_rate, "rnn": config.rnn_rate, "elman": config.elman_rate}
    for kind, rate in rates.items() if config.contrasts else ():
        model = Model(kind, config, copy.deepcopy(init_rng))
        curves[kind] = train(model, config, strings, rate, config.contrast_presentations, data_rng, progress)
        tested, theta[kind] = score(model.outputs, test), model.theta[0].copy()
        metrics |= {
            f"{kind}_presentations_to_strict_success": count(curves[kind]["met"][0]),
            f"{kind}_solved_no_later_than_lstm": int(np.isfinite(met[0]) and curves[kind]["met"][0] <= met[0]),
            **{f"{kind}_test_{name}": float(tested[name][0]) for name in ("outer_tp_rate", "strict_step_rate")},
        }
    table = {}
    for (blocks, cells), rates in TABLE_1.items() if config.table_trials else ():
        trials = encode([sum(draw_sets(data_rng), []) for _ in range(config.table_trials)] * len(rates))
        net = OnlineLSTM(blocks, cells, np.repeat(rates, config.table_trials), init_rng)
        met, result = train_online(net, config, trials, data_rng, progress), score(net.outputs, trials)
        for rate, chosen in zip(rates, np.arange(len(met)).reshape(len(rates), -1)):
            row, good = f"table_{blocks}x{cells}_rate_{str(rate).replace('.', '_')}", met[chosen][np.isfinite(met[chosen])]
            table[blocks, cells, rate] = met[chosen]
            metrics |= {
                f"{row}_successes": len(good),
                f"{row}_presentations_mean": float(good.mean()) if len(good) else None,
                **{f"{row}_{name}_mean": float(result[name][chosen].mean()) for name in ("outer_tp_rate", "strict_step_rate")},
            }
    return {"metrics": metrics, "history": {
        "curves": curves, "theta": theta, "test": sets[0][1], "table": table,
        "steps": {"outer": int(strings.outer[0].sum()), "inner": int((strings.inside & ~strings.outer)[0].sum())},
    }}


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
