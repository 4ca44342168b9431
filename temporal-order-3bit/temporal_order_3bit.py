# SPDX-License-Identifier: Unlicense
"""temporal-order-3bit: the LSTM of 1997 tells XX, XY, YX and YY apart, two symbols that stand 30 to 50 steps apart in noise.

About a hundred symbols go by, two of them matter, and only at the end the net must say which two came, in which order. The memory cell of
1997 (input and output gate, no forget gate) learns it with the paper's truncated gradient. Five contrasts see the same sequences, each with
learning rates of its own: nothing truncated, no recurrence from gates, forget gates (bias 1 and 5), and a tanh net with as many weights.

Paper: S. Hochreiter, J. Schmidhuber (1997). Long Short-Term Memory. Neural Computation 9(8):1735-1780.

    python3 temporal-order-3bit/temporal_order_3bit.py --seed 0
"""
import argparse
import copy
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
from temporal_order_3bit_lstm import LSTM
from temporal_order_3bit_lstm_1997 import LSTM1997


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    T: Annotated[int, "shortest sequence, in steps; the longest has T + T/10", 20, 2000] = 100
    cell: Annotated[Literal["nf", "forget", "rnn"], "memory cell of 1997, with forget gates, or a tanh net with as many weights"] = "nf"
    blocks: Annotated[int, "memory blocks", 1, 64] = 8
    cells: Annotated[int, "cells per memory block", 1, 64] = 1
    gate_recurrence: Annotated[bool, "cells and gates also see the gates of the step before"] = True
    nets: Annotated[int, "independent nets side by side; the headline is the first", 1, 100] = 1
    updates: Annotated[int, "weight updates at most", 1, 10_000_000] = 3750
    batch: Annotated[int, "sequences per update", 1, 1000] = 16
    optimiser: Annotated[Literal["adam", "sgd"], "Adam, or plain gradient descent"] = "adam"
    learning_rate: Annotated[float, "learning rate; below a mean error of 0.03 Adam's shrinks with the error", 0, 10] = 0.02
    spread: Annotated[float, "initial weights are uniform in +- spread", 0, 10] = 1.0
    in_gate_bias: Annotated[tuple[float, ...], "initial biases of the input gates: of the first block, of the last block", -20, 20] = (-3.0, -6.0)
    forget_bias: Annotated[float, "initial bias of forget gates", -20, 20] = 1.0
    grad: Annotated[Literal["truncated", "full"], "the paper's truncated gradient, or full back-propagation through time"] = "truncated"
    patience: Annotated[int, "a net is drawn anew if its mean error is not below 0.1 after that many sequences (0: never)", 0] = 20_000
    cooldown: Annotated[int, "updates after the paper's criterion is met, in which the learning rate falls to 0", 0] = 750
    contrasts: Annotated[bool, "also train the five contrasts"] = True

    def __post_init__(self):
        if len(self.in_gate_bias) != 2:
            raise ValueError("argument --in-gate-bias: two numbers are needed, for the first and for the last block")


PRESETS = {
    "smoke": {"T": 20, "updates": 100, "patience": 500, "cooldown": 20},
    "paper": {"blocks": 2, "cells": 2, "nets": 10, "updates": 100_000, "batch": 1, "optimiser": "sgd", "learning_rate": 0.5, "spread": 0.1,
              "in_gate_bias": (-2.0, -4.0), "patience": 0, "cooldown": 0, "contrasts": False},
}
CONTRASTS = {  # what differs from the LSTM of the same run, and the learning rates tried
    "full_gradient": ({"grad": "full"}, (0.02,)),
    "no_gate_recurrence": ({"gate_recurrence": False}, (0.02, 0.04)),
    "forget_bias_1": ({"cell": "forget", "forget_bias": 1.0}, (0.01, 0.02)),
    "forget_bias_5": ({"cell": "forget", "forget_bias": 5.0}, (0.02, 0.04)),
    "rnn": ({"cell": "rnn", "patience": 0}, (0.0003, 0.001, 0.003, 0.01, 0.03)),
}
HEADLINE = {
    "sequences_to_paper_criterion": ("<=", 31_390, "31,390, mean of 20 trials"),
    "lstm_wrong_of_2560": ("<=", 3, "1, never more than 3"),
    "rnn_best_argmax_accuracy": ("<=", 0.35, "not run"),
}
ROBUST = (10, 10, {"sequences_to_paper_criterion": ("<=", 60_000), "lstm_wrong_of_2560": ("<=", 5)})
PAPER = {"sequences_to_paper_criterion": ("<=", 31_390), "lstm_wrong_of_2560": ("<=", 3), "lstm_test_mean_error": ("<=", 0.1)}
MOVEMENT = {"phases": {"make_batch": "data", "Model.outputs": "forward", "Model.gradient": "backward", "Adam.step": "update",
                       "evaluate": "evaluation"}, "step": "Adam.step", "algorithms": {"train": "{name}"}, "examples": ("batch", "nets"),
            "criterion": {"LSTM": ("sequences_to_paper_criterion", "examples"),
                          **{kind: (f"{kind}_sequences_to_criterion", "examples") for kind in CONTRASTS}}}

# --- problem ---
SYMBOLS = "EBabcdXY"  # first, last, four distractors, and the two that matter
WINDOWS = ((10, 20), (50, 60))  # where those stand, in percent of T
CLASSES = 4  # XX, XY, YX, YY
TOLERANCE = 0.3  # an answer is right if all outputs are that close to their targets
TEST_SEQUENCES = 2560
RECENT = 2000  # training sequences that must all be right for the stop criterion


def make_batch(rng, T, batch, nets=1, gap=None):
    """Sequences E...B of T to T+T/10 symbols, distractors but for X or Y at one place in each of WINDOWS.

    With `gap`, the second place is that many steps behind the first (and the first so early that it fits). Returns x (steps, nets, 8,
    batch), one-hot with zeros behind each sequence's end, the last step of each sequence (nets, batch), and one-hot targets
    (nets, classes, batch).
    """
    shape = (nets, batch)
    ends = rng.integers(T, T + T // 10 + 1, shape) - 1
    symbols = rng.integers(2, 6, (T + T // 10, *shape))
    bits = rng.integers(0, 2, (len(WINDOWS), *shape))
    places = [rng.integers(low * T // 100, high * T // 100 + 1, shape) for low, high in WINDOWS]
    if gap is not None:
        places[0] = rng.integers(T // 10, min(T // 5, T - 2 - gap) + 1, shape)
        places[1] = places[0] + gap
    net, sequence = np.indices(shape)
    symbols[0], symbols[ends, net, sequence] = 0, 1
    label = 0
    for bit, place in zip(bits, places):
        symbols[place, net, sequence] = 6 + bit
        label = 2 * label + bit
    symbols[np.arange(len(symbols))[:, None, None] > ends] = -1
    return one_hot(symbols, len(SYMBOLS)), ends, one_hot(label, CLASSES)


def one_hot(index, count):
    """(..., batch) -> (..., count, batch); zeros where the index is -1."""
    return (index[..., None, :] == np.arange(count)[:, None]).astype(np.float32)


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


class Model:
    """Nets of one kind side by side, runs = (variants, nets): a recurrent layer and a sigmoid unit per class that sees its outputs and a bias.

    `theta` (variants, nets, parameters) holds the layer's weights, then the output units' with the bias last. Variants of a net start from
    the same weights. Where `mask` is 0 there is no connection.
    """

    def __init__(self, config, init_rng, variants=1):
        self.config, self.runs, self.size, self.features = config, (variants, config.nets), None, config.blocks * config.cells
        if config.cell == "rnn":  # the number of units that comes closest to the LSTM's number of weights
            lstm = Model(dataclasses.replace(config, cell="nf", nets=1), np.random.default_rng(0)).theta.shape[-1]
            self.features = min(range(1, 1000), key=lambda n: abs(n * (n + len(SYMBOLS) + 1) + CLASSES * (n + 1) - lstm))
        self.prepare(1, 1)
        self.shapes = self.layer.weight_shape[2:], (CLASSES, self.features + 1)
        self.init_rng, count = init_rng, sum(map(math.prod, self.shapes))
        self.mask = np.ones((config.nets, count), np.float32)
        if config.cell == "nf" and not config.gate_recurrence:
            views(self.mask, *self.shapes)[0][..., self.layer.gates] = 0
        self.theta = np.repeat(self.draw()[None], variants, axis=0)
        self.slope = np.zeros_like(self.theta)  # dE/dtheta
        self.weights, self.output = views(self.theta, *self.shapes)
        self.d_weights, self.d_output = views(self.slope, *self.shapes)

    def draw(self):
        """Initial parameters (nets, parameters)."""
        config, layer = self.config, self.layer
        spread = self.features ** -0.5 if config.cell == "rnn" else config.spread
        theta = self.init_rng.uniform(-spread, spread, self.mask.shape).astype(np.float32)
        bias = views(theta, *self.shapes)[0][..., -1]
        if config.cell != "rnn":
            count = layer.in_gates.stop - layer.in_gates.start
            bias[:, layer.in_gates] = np.repeat(np.linspace(*config.in_gate_bias, config.blocks), count // config.blocks)
        if config.cell == "forget":
            bias[:, layer.forget_gates] = config.forget_bias
        return theta * self.mask

    def prepare(self, steps, batch):
        """Make a layer with buffers for `steps` steps of `batch` sequences, unless this is what the present one has."""
        if (steps, batch) == self.size:
            return
        self.size = (steps, batch)
        if self.config.cell == "nf":
            self.layer = LSTM1997(steps, len(SYMBOLS), self.config.blocks, self.config.cells, batch, self.runs)
        else:
            self.layer = (TanhRNN if self.config.cell == "rnn" else LSTM)(steps, len(SYMBOLS), self.features, batch, self.runs)

    def outputs(self, x, ends):
        """Read the net at each sequence's own last step.

        x (steps, nets or 1, symbols, batch), ends (nets or 1, batch) -> (variants, nets, classes, batch)
        """
        self.prepare(len(x), x.shape[-1])
        y = self.layer.forward(self.weights, x[:, None])
        self.at_end = ends[None, None, :, None, :]
        self.last = np.take_along_axis(y, self.at_end, 0)[0]
        return 0.5 + 0.5 * np.tanh(0.5 * (self.output[..., :-1] @ self.last + self.output[..., -1:]))

    def gradient(self, outputs, targets):
        """dE/dtheta (variants, nets, parameters) after `outputs`, E = half the squared error summed over classes, averaged over the batch."""
        delta = (outputs - targets) * outputs * (1 - outputs) / self.size[1]
        self.d_output[..., :-1] = delta @ self.last.swapaxes(-1, -2)
        self.d_output[..., -1] = delta.sum(-1)
        dy = np.zeros((self.size[0], *self.runs, self.features, self.size[1]), delta.dtype)
        np.put_along_axis(dy, self.at_end, (self.output[..., :-1].swapaxes(-1, -2) @ delta)[None], 0)
        if self.config.cell != "nf":
            self.d_weights[...] = self.layer.gradient(self.weights, dy)
        elif self.config.grad == "full":
            self.d_weights[...] = self.layer.full_gradient(self.weights, dy)
        else:
            self.d_weights[...] = self.layer.truncated_gradient(dy)
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


def bias_correction(adam, steps):
    """The factor of the learning rate by which Adam makes up for moments that began at 0."""
    return np.sqrt(1 - adam.beta2 ** steps) / (1 - adam.beta1 ** steps)


def train(model, config, rates, data_rng, progress=None, name="LSTM"):
    """Train all nets of `model`, one learning rate of `rates` per variant, until each has met the stop criterion and cooled down.

    The criterion is the paper's: of the last 2000 training sequences, each judged before its update, all right and their mean absolute
    output error below 0.1. From there on a net's learning rate falls to 0 within `config.cooldown` updates. A net whose mean error is not
    below 0.1 after `config.patience` sequences is drawn anew; its sequences go on being counted.

    Returns a history: "met" (variants, nets), the sequences until the criterion (infinity: not reached); "theta_met", the parameters at that
    moment; "restarts" (variants, nets); "final_error", the running mean error at the end; "updates" done; and for about 300 moments
    "sequences", the running "error" and "wrong" (moments, variants, nets), and "theta", the parameters of the first net.
    """
    data_rng = copy.deepcopy(data_rng)  # every model sees the same sequences
    window = -(-RECENT // config.batch)
    errors, wrongs = np.zeros((2, window, *model.runs))
    met, theta_met = np.full(model.runs, np.inf), model.theta.copy()
    started, restarts = np.zeros((2, *model.runs), int)
    error, history = np.ones(model.runs), {"sequences": [], "error": [], "wrong": [], "theta": []}
    rates = np.array(rates, np.float32)[:, None, None]
    adam = Adam(model.theta, rates)
    for update in range(config.updates):
        age = (update - started) * config.batch
        stuck = (age > 0) & (age % max(1, config.patience) < config.batch) & (met == np.inf) & (error >= 0.1)
        if stuck.any() and 0 < config.patience <= (config.updates - update) * config.batch:  # a second life must be as long as the first
            model.theta[stuck] = np.broadcast_to(model.draw(), model.theta.shape)[stuck]
            adam.mean[stuck] = adam.square[stuck] = 0
            started[stuck], restarts[stuck] = update, restarts[stuck] + 1
        x, ends, targets = make_batch(data_rng, config.T, config.batch, config.nets)
        outputs = model.outputs(x, ends)
        miss = np.abs(outputs - targets)
        errors[update % window], wrongs[update % window] = miss.mean((-1, -2)), (miss.max(-2) >= TOLERANCE).mean(-1)
        error, wrong = (judged.sum(0) / min(update + 1, window) for judged in (errors, wrongs))
        if update + 1 >= window:
            now = (met == np.inf) & (error < 0.1) & ~wrongs.any(0)
            met[now], theta_met[now] = (update + 1) * config.batch, model.theta[now]
        past = update + 1 - met / config.batch  # updates since the criterion, -infinity before it
        heat = np.where(past < 0, 1, np.clip(1 - past / max(1, config.cooldown), 0, 1) * (config.cooldown > 0))
        if not heat.any():
            break
        if update % max(1, config.updates // 300) == 0:
            for key, value in (("sequences", (update + 1) * config.batch), ("error", error), ("wrong", wrong),
                               ("theta", model.theta[0, 0].copy())):
                history[key].append(value)
            if progress:
                progress(update / config.updates, f"{name}: mean error {error.flat[0]:.4f}")
        gradient = model.gradient(outputs, targets)
        if config.optimiser == "sgd":
            model.theta -= rates * heat[..., None].astype(np.float32) * gradient
        else:
            clip_by_global_norm(gradient, 1)
            restarted = bias_correction(adam, update + 1 - started) / bias_correction(adam, update + 1)  # 1 for a net in its first life
            adam.step(gradient, (heat * np.minimum(1, error / 0.03) * restarted)[..., None].astype(np.float32))
        done = update + 1
    theta_met[met == np.inf] = model.theta[met == np.inf]
    return {**{key: np.array(values) for key, values in history.items()}, "met": met, "theta_met": theta_met, "restarts": restarts,
            "final_error": error, "updates": done}


# --- evaluation ---
def evaluate(predict, test_set, chunk=128):
    """Outputs of `predict(x, ends)` on a test set (x, ends, targets) of make_batch, `chunk` sequences at a time -> (..., classes, sequences)."""
    x, ends, _ = test_set
    parts = range(0, x.shape[-1], chunk)
    return np.concatenate([predict(x[..., k:k + chunk], ends[:, k:k + chunk]) for k in parts], axis=-1)


def score(outputs, targets):
    """Of outputs (classes, sequences): wrong ones (not all within 0.3), share whose largest output is the right one, mean absolute error."""
    miss = np.abs(outputs - targets)
    return {"wrong": int((miss.max(0) >= TOLERANCE).sum()), "argmax": float((outputs.argmax(0) == targets.argmax(0)).mean()),
            "mean_error": float(miss.mean(dtype=float))}


def answer(outputs):
    """The class that outputs (classes, ...) name by the 0.3-rule, or CLASSES for no answer."""
    yes, no = outputs > 1 - TOLERANCE, outputs < TOLERANCE
    return np.where((yes.sum(0) == 1) & ((yes | no).all(0)), yes.argmax(0), CLASSES)


LENGTHS = (1, 1.25, 1.5, 2, 2.5, 3)  # of sequences in the generalisation test, in units of T: all grows in proportion
GAPS = (10, 80)  # between the two symbols, in percent of T; in training 30 to 50


def first_hidden(x, rng):
    """The same sequences with a distractor in place of the first X or Y."""
    x = x.copy()
    net, sequence = np.indices((x.shape[1], x.shape[-1]))
    place = (x[:, :, 6:].sum(2) > 0).argmax(0)
    x[place, net, :, sequence] = np.eye(len(SYMBOLS), dtype=x.dtype)[rng.integers(2, 6, net.shape)]
    return x


def generalisation(model, T, test_rng, sequences=512):
    """Fraction wrong of the first net, not retrained: {("length", k): on sequences k times as long, ("gap", k): with that gap,
    "first_hidden": without the first symbol}."""
    sets = {("length", k): make_batch(test_rng, round(k * T), sequences) for k in LENGTHS}
    sets |= {("gap", k): make_batch(test_rng, T, sequences, gap=k * T // 100) for k in GAPS}
    x, ends, targets = make_batch(test_rng, T, sequences)
    sets["first_hidden"] = first_hidden(x, test_rng), ends, targets
    return {name: score(evaluate(model.outputs, test)[0, 0], test[2][0])["wrong"] / sequences for name, test in sets.items()}


def run(config, progress=None):
    """Train and test the LSTM and its contrasts.

    History: "curves", what `train` returned for each kind of net; "outputs" (classes, sequences) of each kind's first net on the test
    set, at its "best" learning rate, and the "targets"; "generalisation", see there; "theta", the trained weights of the LSTM's first net.
    """
    np.empty(31 << 20, np.uint8)  # freed at once: from now on the C library of Linux reuses freed memory instead of faulting pages in anew
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    test_set = make_batch(test_rng, config.T, TEST_SEQUENCES)
    targets = test_set[2][0]

    lstm = Model(config, init_rng)
    curves = {"lstm": train(lstm, config, (config.learning_rate,), data_rng, progress)}
    answers = evaluate(lstm.outputs, test_set)[0]
    best, outputs, theta, met = {"lstm": 0}, {"lstm": answers[0]}, lstm.theta.copy(), curves["lstm"]["met"][0]
    other = generalisation(lstm, config.T, test_rng)
    lstm.theta[...] = curves["lstm"]["theta_met"]
    at_criterion = score(evaluate(lstm.outputs, test_set)[0, 0], targets)
    results, reached = [score(net, targets) for net in answers], np.isfinite(met)
    constant = np.broadcast_to(np.float32(1 / CLASSES), targets.shape)  # the best answer, in squared error, of someone who ignores the sequence
    metrics = {
        "sequences_to_paper_criterion": int(met[0]) if reached[0] else None,
        "lstm_wrong_of_2560": results[0]["wrong"],
        "lstm_wrong_at_criterion": at_criterion["wrong"] if reached[0] else None,
        "lstm_argmax_accuracy": results[0]["argmax"],
        "lstm_test_mean_error": results[0]["mean_error"],
        "lstm_training_sequences": curves["lstm"]["updates"] * config.batch,
        "lstm_restarts": int(curves["lstm"]["restarts"][0, 0]),
        "lstm_weights": int(theta.shape[-1]),
        "nets_meeting_criterion_fraction": float(reached.mean()),
        "nets_sequences_to_criterion_mean": float(met[reached].mean()) if reached.any() else None,
        "nets_wrong_of_2560_max": max(result["wrong"] for result in results),
        **{f"lstm_wrong_fraction_{k:g}_times_as_long".replace(".", "_"): other["length", k] for k in (1.5, 2, 3)},
        **{f"lstm_wrong_fraction_gap_{k}": other["gap", k] for k in GAPS},
        "lstm_wrong_fraction_first_symbol_hidden": other["first_hidden"],
        "constant_argmax_accuracy": score(constant, targets)["argmax"],
        "constant_mean_error": score(constant, targets)["mean_error"],
    }
    # the contrasts: the same sequences, as many as the LSTM saw, in the same order
    for kind, (changes, rates) in CONTRASTS.items() if config.contrasts else ():
        equal = dataclasses.replace(config, **changes, updates=curves["lstm"]["updates"])
        model = Model(equal, init_rng, len(rates))
        curves[kind] = train(model, equal, rates, data_rng, progress, kind)
        answers = evaluate(model.outputs, test_set)[:, 0]
        results, met = [score(net, targets) for net in answers], curves[kind]["met"][:, 0].min()
        best[kind] = min(range(len(rates)), key=lambda k: (results[k]["wrong"], -results[k]["argmax"]))
        outputs[kind] = answers[best[kind]]
        metrics |= {
            f"{kind}_wrong_fraction": results[best[kind]]["wrong"] / TEST_SEQUENCES,
            f"{kind}_best_argmax_accuracy": max(result["argmax"] for result in results),
            f"{kind}_sequences_to_criterion": int(met) if np.isfinite(met) else None,
        }
        if kind == "rnn":
            metrics |= {f"rnn_argmax_accuracy_at_rate_{rate:g}".replace(".", "_"): result["argmax"] for rate, result in zip(rates, results)}
            metrics["rnn_weights"] = int(model.theta.shape[-1])
    return {"metrics": metrics, "history": {"curves": curves, "best": best, "outputs": outputs, "targets": targets, "generalisation": other,
                                            "theta": theta[0, 0]}}


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
