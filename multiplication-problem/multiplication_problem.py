# SPDX-License-Identifier: Unlicense
"""multiplication-problem: the LSTM of 1997 multiplies two marked numbers across at least 50 steps of noise.

A hundred random numbers go by, two of the first fifty are marked, and only at the end the net must say their product: its cells can add, but
must represent a product. The best answer made from the sum of the two numbers has a known error, the additive floor; a net below it has
really multiplied. Contrasts: nothing truncated, forget gates (bias 3 and 5), and a tanh net with full back-propagation through time.

Paper: S. Hochreiter, J. Schmidhuber (1997). Long Short-Term Memory. Neural Computation 9(8):1735-1780.

    python3 multiplication-problem/multiplication_problem.py --seed 0
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
from multiplication_problem_lstm import LSTM
from multiplication_problem_lstm_1997 import LSTM1997


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    T: Annotated[int, "shortest sequence, in steps; the longest has T + T/10", 24, 2000] = 100
    cell: Annotated[Literal["nf", "forget", "rnn"], "memory cell of 1997 (no forget gate), with forget gates, or a plain tanh net"] = "nf"
    blocks: Annotated[int, "memory blocks", 1, 64] = 8
    cells: Annotated[int, "cells per memory block", 1, 64] = 2
    nets: Annotated[int, "independent nets side by side; the headline is the first", 1, 100] = 1
    updates: Annotated[int, "weight updates in the life of a net", 1, 10_000_000] = 4000
    batch: Annotated[int, "sequences per update", 1, 1000] = 16
    optimiser: Annotated[Literal["adam", "sgd"], "Adam with a rate that falls to 0 (half a cosine), or plain gradient descent"] = "adam"
    learning_rate: Annotated[float, "learning rate", 0, 10] = 0.03
    spread: Annotated[float, "initial weights are uniform in +- spread", 0, 10] = 1.0
    in_gate_bias: Annotated[float, "mean of the input gates' initial biases", -20, 20] = -6.0
    forget_bias: Annotated[float, "mean of the forget gates' initial biases", -20, 20] = 3.0
    grad: Annotated[Literal["truncated", "full"], "the paper's truncated gradient, or full back-propagation through time"] = "truncated"
    patience: Annotated[int, "a net still above the additive floor after that many sequences is drawn anew (0: never)", 0] = 12_000
    contrasts: Annotated[bool, "also train the contrasts"] = True


PRESETS = {
    "smoke": {"T": 24, "updates": 130, "patience": 1000},
    "fine": {"updates": 16_000, "contrasts": False},
    "paper": {"blocks": 2, "cells": 2, "nets": 4, "updates": 482_000, "batch": 1, "optimiser": "sgd", "learning_rate": 0.1, "spread": 0.1,
              "in_gate_bias": 0.0, "patience": 0, "contrasts": False},
    "paper_adam": {"blocks": 2, "cells": 2, "nets": 10, "contrasts": False},
}
CONTRASTS = {  # what differs from the LSTM of the same run, and the learning rates tried
    "full_gradient": ({"grad": "full"}, (0.03,)),
    "forget_bias_3": ({"cell": "forget", "forget_bias": 3.0}, (0.03,)),
    "forget_bias_5": ({"cell": "forget", "forget_bias": 5.0}, (0.03,)),
    "rnn": ({"cell": "rnn", "patience": 0}, (0.001, 0.003, 0.01)),
}
HEADLINE = {
    "test_mse_T100": ("<=", 0.001, "mean absolute error 0.0223 (the table says MSE)"),
    "sequences_to_nseq140": ("<=", 482_000, "482,000, mean of 10 trials"),
    "wrong_of_2560_at_nseq140": ("<=", 170, "139, never more than 170"),
    "rnn_wrong_fraction": (">=", 0.85, "not run"),
}
ROBUST = (10, 10, {"test_mse_T100": ("<=", 0.004)})
PAPER = {"sequences_to_nseq140": ("<=", 482_000), "wrong_of_2560_at_nseq140": ("<=", 170), "mean_error_at_nseq140": ("<=", 0.026)}
MOVEMENT = {"phases": {"make_batch": "data", "Model.outputs": "forward", "Model.gradient": "backward", "Adam.step": "update",
                       "evaluate": "evaluation"}, "step": "Adam.step", "algorithms": {"train": "{name}"}, "examples": ("batch", "nets"),
            "criterion": {"lstm": ("sequences_to_nseq140", "examples")}}

# --- problem ---
TOLERANCE = 0.04  # an output that close to the target is right
TEST_SEQUENCES = 2560
RECENT = 2000  # training sequences among which the stop criterion counts wrong ones
N_SEQ = (140, 13)  # the paper's two criteria: fewer wrong ones than that
ADDITIVE_FLOOR = 1 / 144  # Var(X1) Var(X2), the error of the best answer a + b (X1 + X2) to two uniform numbers


def make_batch(rng, T, batch, nets=1, length=None):
    """Sequences of pairs (value, mark): values uniform in [0, 1], marks 1 at the two factors, -1 at both ends, 0 elsewhere.

    Returns x (steps, nets, 2, batch) with zeros behind each sequence's end, the last step of each sequence (nets, batch), the targets
    X1 X2 (nets, batch), and the factors (2, nets, batch). The first mark is on one of the first ten pairs, the second on another one of the
    first T/2 - 1. Lengths are uniform in T..T+T/10, or all are `length`. The first pair counts as 1 if it is marked: its mark hides the -1
    there, and nothing tells which of the two marks it is.
    """
    low, high = (length, length) if length else (T, T + T // 10)
    shape = (nets, batch)
    net, sequence = np.indices(shape)
    values = rng.random((high, *shape), dtype=np.float32)
    ends = rng.integers(low, high + 1, shape) - 1
    first = rng.integers(0, 10, shape)
    second = rng.integers(0, T // 2 - 2, shape)
    second += second >= first  # one of the unmarked pairs
    x = np.zeros((high, nets, 2, batch), np.float32)
    x[:, :, 0] = values
    x[0, :, 1] = x[ends, net, 1, sequence] = -1
    x[first, net, 1, sequence] = x[second, net, 1, sequence] = 1
    x *= (np.arange(high)[:, None, None] <= ends)[:, :, None]
    values[0] = 1
    factors = np.stack([values[first, net, sequence], values[second, net, sequence]])
    return x, ends, factors[0] * factors[1], factors


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
    """Nets of one kind side by side, runs = (variants, nets): a recurrent layer and one sigmoid unit that sees its outputs and a bias.

    `theta` (variants, nets, parameters) holds the layer's weights, then the output unit's with the bias last. Variants of a net start from
    the same weights.
    """

    def __init__(self, config, init_rng, variants=1):
        self.config, self.runs, self.size, self.features = config, (variants, config.nets), None, config.blocks * config.cells
        if config.cell == "rnn":
            self.features += 2 * config.blocks  # as many hidden units as the LSTM has cells and gates
        self.prepare(1, 1)
        self.shapes, self.init_rng = (self.layer.weight_shape[2:], (1, self.features + 1)), init_rng
        self.theta = np.repeat(self.draw()[None], variants, axis=0)
        self.slope = np.zeros_like(self.theta)  # dE/dtheta
        self.weights, self.output = views(self.theta, *self.shapes)
        self.d_weights, self.d_output = views(self.slope, *self.shapes)

    def draw(self):
        """Initial parameters (nets, parameters), gate biases around the means that the configuration names."""
        config = self.config
        spread = self.features ** -0.5 if config.cell == "rnn" else config.spread
        theta = self.init_rng.uniform(-spread, spread, (config.nets, sum(map(math.prod, self.shapes)))).astype(np.float32)
        bias = views(theta, *self.shapes)[0][..., -1]
        if config.cell != "rnn":
            bias[:, self.layer.in_gates] += config.in_gate_bias
        if config.cell == "forget":
            bias[:, self.layer.forget_gates] += config.forget_bias
        return theta

    def prepare(self, steps, batch):
        """Make a layer with buffers for `steps` steps of `batch` sequences, unless this is what the present one has."""
        if (steps, batch) == self.size:
            return
        self.size = (steps, batch)
        if self.config.cell == "nf":
            self.layer = LSTM1997(steps, 2, self.config.blocks, self.config.cells, batch, self.runs)
        else:
            self.layer = (TanhRNN if self.config.cell == "rnn" else LSTM)(steps, 2, self.features, batch, self.runs)

    def outputs(self, x, ends):
        """Read the net at each sequence's own last step: x (steps, nets or 1, 2, batch), ends (nets or 1, batch) -> (variants, nets, batch)."""
        self.prepare(len(x), x.shape[-1])
        y = self.layer.forward(self.weights, x[:, None])
        self.at_end = ends[None, None, :, None, :]
        self.last = np.take_along_axis(y, self.at_end, 0)[0]
        net = (self.output[..., :-1] @ self.last)[..., 0, :] + self.output[..., -1]
        return 0.5 + 0.5 * np.tanh(0.5 * net)

    def gradient(self, outputs, targets):
        """dE/dtheta (variants, nets, parameters) after `outputs`, E = half the squared error, averaged over the batch."""
        delta = ((outputs - targets) * outputs * (1 - outputs) / self.size[1])[..., None, :]
        self.d_output[..., :-1] = delta @ self.last.swapaxes(-1, -2)
        self.d_output[..., -1] = delta.sum(-1)
        dy = np.zeros((self.size[0], *self.runs, self.features, self.size[1]), delta.dtype)
        np.put_along_axis(dy, self.at_end, (self.output[..., :-1].swapaxes(-1, -2) * delta)[None], 0)
        if self.config.cell != "nf":
            self.d_weights[...] = self.layer.gradient(self.weights, dy)
        elif self.config.grad == "full":
            self.d_weights[...] = self.layer.full_gradient(self.weights, dy)
        else:
            self.d_weights[...] = self.layer.truncated_gradient(dy)
        return self.slope


# --- learning ---
AVERAGING = 0.97  # per update: the weights in use jump about, their average is calmer and answers better


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


def train(model, config, rates, data_rng, budget, progress=None, name="lstm"):
    """Train all nets of `model`, one learning rate of `rates` per variant, until each has lived `config.updates` updates, or for `budget` updates.

    Training sequences are judged before their update. What is tested later is a running average of the weights over about 30 updates. A net whose mean squared error over the 2000 most recent ones is still above the
    additive floor after `config.patience` sequences is drawn anew, and begins a new life; its sequences go on being counted.

    Returns a history: "met" (criteria, variants, nets), the sequences until fewer than 140 and fewer than 13 of the 2000 most recent ones were
    wrong (infinity: not reached); "theta_met" (criteria, variants, nets, parameters), the weights in use at those moments, and "average_met", the average at the first;
    "floor" (variants, nets),
    the sequences until the running error was below the additive floor; "restarts"; "final_error", the running mean squared error at the end;
    "updates" done; and for about 100 moments "sequences", the running "error" and "wrong" fraction (moments, variants, nets), and "theta",
    the averaged parameters of the first net.
    """
    data_rng = copy.deepcopy(data_rng)  # every model sees the same sequences
    window = -(-RECENT // config.batch)
    errors, wrongs = np.zeros((2, window, *model.runs))
    met, floor = np.full((len(N_SEQ), *model.runs), np.inf), np.full(model.runs, np.inf)
    average, average_met = model.theta.copy(), model.theta.copy()
    theta_met = np.repeat(model.theta[None], len(N_SEQ), axis=0)
    born, restarts = np.zeros((2, *model.runs), int)
    history, error = {"sequences": [], "error": [], "wrong": [], "theta": []}, np.ones(model.runs)
    rates = np.array(rates, np.float32)[:, None, None]
    adam = Adam(model.theta, rates, beta2=0.95)
    for update in range(budget):
        age = update - born
        if age.min() >= config.updates:
            break
        stuck = (age == config.patience // config.batch) & (age > 0) & (error >= ADDITIVE_FLOOR)
        if stuck.any():
            model.theta[stuck] = np.broadcast_to(model.draw(), model.theta.shape)[stuck]
            average[stuck], adam.mean[stuck], adam.square[stuck] = model.theta[stuck], 0, 0
            born[stuck], restarts[stuck] = update, restarts[stuck] + 1
        x, ends, targets, _ = make_batch(data_rng, config.T, config.batch, config.nets)
        outputs = model.outputs(x, ends)
        miss = np.abs(outputs - targets)
        errors[update % window], wrongs[update % window] = (miss * miss).mean(-1), (miss > TOLERANCE).sum(-1)
        seen = min(update + 1, window)
        error, wrong = errors.sum(0) / seen, wrongs.sum(0)
        if update + 1 >= window:
            floor[(floor == np.inf) & (error < ADDITIVE_FLOOR)] = (update + 1) * config.batch
            for k, most in enumerate(N_SEQ):
                now = (met[k] == np.inf) & (wrong < most)
                met[k][now], theta_met[k][now] = (update + 1) * config.batch, model.theta[now]
                if k == 0:
                    average_met[now] = average[now]
        if update % max(1, config.updates // 100) == 0:
            for key, value in (("sequences", (update + 1) * config.batch), ("error", error), ("wrong", wrong / (seen * config.batch)),
                               ("theta", average[0, 0].copy())):
                history[key].append(value)
            if progress:
                progress(update / max(update + 1, min(budget, config.updates)), f"{name}: mean squared error {error.flat[0]:.5f}")
        gradient = model.gradient(outputs, targets)
        if config.optimiser == "sgd":
            model.theta -= rates * gradient
        else:
            clip_by_global_norm(gradient, 1)
            heat = 0.5 + 0.5 * np.cos(np.pi * np.minimum(1, age / config.updates))  # 1 at birth, 0 at the end of a life
            adam.step(gradient, heat[..., None].astype(np.float32))
        average += (1 - AVERAGING) * (model.theta - average)
        done = update + 1
    model.theta[...] = average
    return {**{key: np.array(values) for key, values in history.items()}, "met": met, "theta_met": theta_met, "average_met": average_met,
            "floor": floor, "restarts": restarts, "final_error": error, "updates": done}


# --- evaluation ---
def evaluate(predict, test_set, chunk=128):
    """Outputs of `predict(x, ends)` on a test set of make_batch, `chunk` sequences at a time -> (..., sequences)."""
    x, ends = test_set[:2]
    parts = range(0, x.shape[-1], chunk)
    return np.concatenate([predict(x[..., k:k + chunk], ends[:, k:k + chunk]) for k in parts], axis=-1)


def score(outputs, targets):
    """Mean squared error, mean absolute error, and wrong outputs (more than 0.04 off)."""
    miss = np.abs(outputs - targets).astype(float)
    return {"mse": float((miss * miss).mean()), "mean_error": float(miss.mean()), "wrong": int((miss > TOLERANCE).sum())}


def best_additive(T):
    """The best answers to make from nothing and from the sum: c, and a and b of a + b (X1 + X2), from moments over all sequences.

    With probability p the first pair is marked, and counts as 1. At p = 0: c = 1/4, a = -1/4, b = 1/2, and the error is ADDITIVE_FLOOR.
    """
    p = 0.1 + 0.9 / (T // 2 - 2)
    product, total = (1 - p) / 4 + p / 2, 1 + p / 2
    b = ((1 - p) / 3 + p * 5 / 6 - product * total) / ((1 - p) * 7 / 6 + p * 7 / 3 - total * total)
    return product, product - b * total, b


LENGTHS = (1, 1.1, 1.25, 1.5, 2, 3, 4)  # of sequences in the generalisation test, in units of T


def generalisation(model, T, test_rng, sequences=512):
    """Score of the first net, not retrained, on sequences of each of LENGTHS: {length: score}."""
    results = {}
    for length in LENGTHS:
        test = make_batch(test_rng, T, sequences, length=round(length * T))
        results[length] = score(evaluate(model.outputs, test)[0, 0], test[2][0])
    return results


def finite(value):
    """A count for the metrics: None if it was not reached."""
    return int(value) if np.isfinite(value) else None


def run(config, progress=None):
    """Train and test the LSTM and its contrasts.

    History: "curves", what `train` returned for each kind of net; "best", the variant of the best learning rate; "outputs" of each kind's first
    net on the test set, the "targets" and "factors"; "additive", the best (a, b); "generalisation", see there; "theta", the trained weights of
    the LSTM's first net.
    """
    np.empty(31 << 20, np.uint8)  # freed at once: from now on the C library of Linux reuses freed memory instead of faulting pages in anew
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    test_set = make_batch(test_rng, config.T, TEST_SEQUENCES)
    targets, factors = test_set[2][0], test_set[3][:, 0]

    lstm = Model(config, init_rng)
    curve = train(lstm, config, (config.learning_rate,), data_rng, 4 * config.updates, progress)
    answers, theta = evaluate(lstm.outputs, test_set)[0], lstm.theta.copy()
    results = [score(net, targets) for net in answers]
    longer = generalisation(lstm, config.T, test_rng)
    met, at_criterion = curve["met"][:, 0, 0], []
    for weights in (*curve["theta_met"], curve["average_met"]):
        lstm.theta[...] = weights
        at_criterion.append(score(evaluate(lstm.outputs, test_set)[0, 0], targets))
    constant, a, b = best_additive(config.T)
    nothing, additive = score(np.full_like(targets, constant), targets), score(a + b * factors.sum(0), targets)
    all_met = curve["met"][0, 0][np.isfinite(curve["met"][0, 0])]
    metrics = {
        "test_mse_T100": results[0]["mse"],
        "sequences_to_nseq140": finite(met[0]),
        "wrong_of_2560_at_nseq140": at_criterion[0]["wrong"] if np.isfinite(met[0]) else None,
        "mean_error_at_nseq140": at_criterion[0]["mean_error"] if np.isfinite(met[0]) else None,
        "wrong_of_2560_at_nseq140_averaged": at_criterion[2]["wrong"] if np.isfinite(met[0]) else None,
        "sequences_to_nseq13": finite(met[1]),
        "wrong_of_2560_at_nseq13": at_criterion[1]["wrong"] if np.isfinite(met[1]) else None,
        "sequences_to_additive_floor": finite(curve["floor"][0, 0]),
        "training_sequences": curve["updates"] * config.batch,
        "restarts": int(curve["restarts"][0, 0]),
        "test_wrong_of_2560": results[0]["wrong"],
        "test_mean_error": results[0]["mean_error"],
        "test_mse_L150": longer[1.5]["mse"],
        "test_mse_L200": longer[2]["mse"],
        "weights": int(theta.shape[-1]),
        "nets_meeting_nseq140_fraction": len(all_met) / config.nets,
        "nets_sequences_to_nseq140_mean": float(all_met.mean()) if len(all_met) else None,
        "nets_below_additive_floor_fraction": float(np.mean([result["mse"] < ADDITIVE_FLOOR for result in results])),
        "nets_test_mse_median": float(np.median([result["mse"] for result in results])),
        "additive_mse": additive["mse"],
        "additive_wrong_fraction": additive["wrong"] / TEST_SEQUENCES,
        "constant_mse": nothing["mse"],
        "constant_wrong_fraction": nothing["wrong"] / TEST_SEQUENCES,
    }
    curves, best, outputs = {"lstm": curve}, {"lstm": 0}, {"lstm": answers[0]}
    for kind, (changes, rates) in CONTRASTS.items() if config.contrasts else ():
        # the same sequences in the same order: for the tanh net as many as the LSTM saw, for the other two as many as it needed to n_seq = 140
        budget = curve["updates"] if kind == "rnn" or not np.isfinite(met[0]) else int(met[0]) // config.batch
        other = dataclasses.replace(config, **changes, updates=budget if kind == "rnn" else config.updates)
        model = Model(other, init_rng, len(rates))
        curves[kind] = train(model, other, rates, data_rng, budget, progress, kind)
        best[kind] = int(curves[kind]["final_error"][:, 0].argmin())  # by the training sequences, never by the test
        outputs[kind] = evaluate(model.outputs, test_set)[best[kind], 0]
        result = score(outputs[kind], targets)
        metrics |= {f"{kind}_test_mse": result["mse"], f"{kind}_wrong_fraction": result["wrong"] / TEST_SEQUENCES,
                    f"{kind}_sequences_to_additive_floor": finite(curves[kind]["floor"][best[kind], 0])}
    if config.contrasts:
        metrics["rnn_best_learning_rate"] = CONTRASTS["rnn"][1][best["rnn"]]
    return {"metrics": metrics, "history": {"curves": curves, "best": best, "outputs": outputs, "targets": targets, "factors": factors,
                                            "additive": (a, b), "generalisation": longer, "theta": theta[0, 0]}}


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
