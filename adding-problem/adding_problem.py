# SPDX-License-Identifier: Unlicense
"""adding-problem: the LSTM of 1997 adds two marked numbers across at least 50 steps of noise.

A hundred random numbers go by, two of the first fifty are marked, and only at the end the net must say their sum. The memory cell of 1997
(input and output gate, no forget gate) learns it with the paper's truncated gradient; a tanh net of the same size sees the same sequences,
is trained by full back-propagation through time, and does not.

Paper: S. Hochreiter, J. Schmidhuber (1997). Long Short-Term Memory. Neural Computation 9(8):1735-1780.

    python3 adding-problem/adding_problem.py --seed 0
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
from adding_problem_lstm import LSTM
from adding_problem_lstm_1997 import LSTM1997


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    T: Annotated[int, "shortest sequence, in steps; the longest has T + T/10", 20, 2000] = 100
    blocks: Annotated[int, "memory blocks", 1, 64] = 8
    cells: Annotated[int, "cells per memory block", 1, 64] = 1
    nets: Annotated[int, "independent nets side by side; the headline is the first", 1, 100] = 1
    updates: Annotated[int, "weight updates at most", 1, 10_000_000] = 4000
    batch: Annotated[int, "sequences per update", 1, 1000] = 16
    optimiser: Annotated[Literal["adam", "sgd"], "Adam with a rate that falls to 0 (half a cosine), or plain gradient descent"] = "adam"
    learning_rate: Annotated[float, "learning rate of the LSTM of 1997", 0, 10] = 0.05
    spread: Annotated[float, "initial weights are uniform in +- spread", 0, 10] = 0.5
    in_gate_bias: Annotated[tuple[float, ...], "initial biases of the input gates: of the first block, of the last block", -20, 20] = (-4.0, -8.0)
    grad: Annotated[Literal["truncated", "full"], "the paper's truncated gradient, or full back-propagation through time"] = "truncated"
    cooldown: Annotated[int, "updates after the paper's criterion is met, in which the learning rate falls to 0", 0, 100_000] = 500
    contrasts: Annotated[bool, "also train the tanh net, the LSTM with forget gates and the LSTM without recurrence from gates"] = True
    rnn_rates: Annotated[tuple[float, ...], "learning rates tried for the tanh net", 0, 10] = (0.001, 0.003, 0.01, 0.03)
    forget_rates: Annotated[tuple[float, ...], "learning rates tried for the LSTM with forget gates", 0, 10] = (0.03,)

    def __post_init__(self):
        if len(self.in_gate_bias) != 2:
            raise ValueError("argument --in-gate-bias: two numbers are needed, for the first and for the last block")


PRESETS = {
    "smoke": {"T": 20, "updates": 150, "rnn_rates": (0.003, 0.01)},
    "paper": {"blocks": 2, "cells": 2, "nets": 10, "updates": 200_000, "batch": 1, "optimiser": "sgd", "learning_rate": 0.5, "spread": 0.1,
              "in_gate_bias": (-3.0, -6.0), "cooldown": 0, "contrasts": False},
}
HEADLINE = {
    "lstm_wrong_of_2560": ("<=", 3, "1 of 2560, never more than 3"),
    "sequences_to_paper_criterion": ("<=", 74_000, "74,000, mean of 10 trials"),
    "lstm_test_mse_sum_units": ("<=", 0.0012, "mean error < 0.01"),
    "rnn_wrong_fraction": (">=", 0.75, "no chance, by argument"),
}
ROBUST = (10, 10, {"sequences_to_paper_criterion": ("<=", 150_000), "lstm_wrong_of_2560": ("<=", 5)})
PAPER = {"sequences_to_paper_criterion": ("<=", 74_000), "lstm_wrong_of_2560": ("<=", 3), "lstm_test_mean_error": ("<=", 0.01)}
MOVEMENT = {"phases": {"make_batch": "data", "Model.outputs": "forward", "Model.gradient": "backward", "Adam.step": "update",
                       "evaluate": "evaluation"}, "step": "Adam.step", "algorithms": {"train": "{model.kind}"}, "examples": ("batch", "nets"),
            "criterion": {"lstm": ("sequences_to_paper_criterion", "examples"), "forget_gate_lstm": ("forget_gate_lstm_sequences_to_criterion", "examples"),
                          "no_gate_recurrence": ("no_gate_recurrence_sequences_to_criterion", "examples")}}

# --- problem ---
TOLERANCE = 0.04  # an output that close to the target is right
TEST_SEQUENCES = 2560
RECENT = 2000  # training sequences that must all be right for the stop criterion


def make_batch(rng, T, batch, nets=1, lengths=None, late=False):
    """Sequences of pairs (value, mark): values uniform in [-1, 1], marks 1 at the two numbers to be added, -1 at both ends, 0 elsewhere.

    Returns x (steps, nets, 2, batch) with zeros behind each sequence's end, the last step of each sequence (nets, batch), and the targets
    0.5 + (X1 + X2) / 4 (nets, batch). The first mark is on one of the first ten pairs, the second on another one of the first T/2 - 1
    (`late`: on one from T/2 to T-2 instead, which no net sees in training). Lengths are uniform in `lengths`, or in T..T+T/10. The first
    pair counts as 0 if it is marked: its mark hides the -1 there, and nothing tells which of the two marks it is.
    """
    low, high = lengths or (T, T + T // 10)
    shape = (nets, batch)
    net, sequence = np.indices(shape)
    values = rng.random((high, *shape), dtype=np.float32) * 2 - 1
    ends = rng.integers(low, high + 1, shape) - 1
    first = rng.integers(0, 10, shape)
    second = rng.integers(T // 2, T - 1, shape) if late else rng.integers(0, T // 2 - 2, shape)
    second += second >= first if not late else 0  # one of the unmarked pairs
    x = np.zeros((high, nets, 2, batch), np.float32)
    x[:, :, 0] = values
    x[0, :, 1] = x[ends, net, 1, sequence] = -1
    x[first, net, 1, sequence] = x[second, net, 1, sequence] = 1
    x *= (np.arange(high)[:, None, None] <= ends)[:, :, None]
    values[0] = 0
    return x, ends, (0.5 + (values[first, net, sequence] + values[second, net, sequence]) / 4)


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
    the same weights. Where `mask` is 0 there is no connection.
    """

    def __init__(self, kind, config, init_rng, variants=1):
        self.kind, self.config, self.runs, self.size = kind, config, (variants, config.nets), None
        self.prepare(1, 1)
        self.shapes = self.layer.weight_shape[2:], (1, self.features + 1)
        spread = self.shapes[0][0] ** -0.5 if kind == "rnn" else config.spread
        start = init_rng.uniform(-spread, spread, (config.nets, sum(map(math.prod, self.shapes)))).astype(np.float32)
        self.theta, self.mask = np.repeat(start[None], variants, axis=0), np.ones_like(start)
        self.slope = np.zeros_like(self.theta)  # dE/dtheta
        self.weights, self.output = views(self.theta, *self.shapes)
        self.d_weights, self.d_output = views(self.slope, *self.shapes)
        if kind != "rnn":
            gates = self.weights[..., self.layer.in_gates, -1]  # their biases
            gates[...] = np.repeat(np.linspace(*config.in_gate_bias, config.blocks), gates.shape[-1] // config.blocks)
        if kind == "forget_gate_lstm":
            self.weights[..., self.layer.forget_gates, -1] = 3
        if kind == "no_gate_recurrence":
            views(self.mask, *self.shapes)[0][..., self.layer.gates] = 0
        self.theta *= self.mask

    def prepare(self, steps, batch):
        """Make a layer with buffers for `steps` steps of `batch` sequences, unless this is what the present one has."""
        if (steps, batch) == self.size:
            return
        config, self.size = self.config, (steps, batch)
        self.features = config.blocks * config.cells
        if self.kind == "rnn":
            self.features += 2 * config.blocks  # as many hidden units as the LSTM has cells and gates
            self.layer = TanhRNN(steps, 2, self.features, batch, self.runs)
        elif self.kind == "forget_gate_lstm":
            self.layer = LSTM(steps, 2, self.features, batch, self.runs)
        else:
            self.layer = LSTM1997(steps, 2, config.blocks, config.cells, batch, self.runs)

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
        if self.kind in ("rnn", "forget_gate_lstm"):
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


def train(model, config, rates, data_rng, progress=None):
    """Train all nets of `model`, one learning rate of `rates` per variant, until each has met the stop criterion and cooled down.

    The criterion is the paper's: of the last 2000 training sequences, each judged before its update, all right and their mean absolute
    error below 0.01. From there on a net's learning rate falls to 0 within `config.cooldown` updates.

    Returns a history: "met" (variants, nets), the sequences until the criterion (infinity: not reached); "theta_met", the parameters at that
    moment; "final_error", the running mean error at the end; "updates" done; and for about 100 moments "sequences", the running "error" and
    "wrong" (moments, variants, nets), and "theta", the parameters of the first net.
    """
    data_rng = copy.deepcopy(data_rng)  # every model sees the same sequences
    window = -(-RECENT // config.batch)
    errors, wrongs = np.zeros((2, window, *model.runs))
    met, theta_met = np.full(model.runs, np.inf), model.theta.copy()
    history = {"sequences": [], "error": [], "wrong": [], "theta": []}
    rates = np.array(rates, np.float32)[:, None, None]
    adam = Adam(model.theta, rates, beta2=0.95)  # a short memory: gradients shrink a thousandfold while the net learns
    for update in range(config.updates):
        x, ends, targets = make_batch(data_rng, config.T, config.batch, config.nets)
        outputs = model.outputs(x, ends)
        miss = np.abs(outputs - targets)
        errors[update % window], wrongs[update % window] = miss.mean(-1), (miss > TOLERANCE).mean(-1)
        if update + 1 >= window:
            now = (met == np.inf) & (errors.mean(0) < 0.01) & ~wrongs.any(0)
            met[now], theta_met[now] = (update + 1) * config.batch, model.theta[now]
        past = update + 1 - met / config.batch  # updates since the criterion, -infinity before it
        heat = np.clip(1 - past / config.cooldown, 0, 1) if config.cooldown else past < 0
        if not heat.any():
            break
        if update % max(1, config.updates // 100) == 0:
            seen = min(update + 1, window)
            for name, value in (("sequences", (update + 1) * config.batch), ("error", errors.sum(0) / seen),
                                ("wrong", wrongs.sum(0) / seen), ("theta", model.theta[0, 0].copy())):
                history[name].append(value)
            if progress:
                progress(update / config.updates, f"{model.kind}: mean error {errors.sum(0).flat[0] / seen:.4f}")
        gradient, scale = model.gradient(outputs, targets), heat[..., None].astype(np.float32)
        if config.optimiser == "sgd":
            model.theta -= rates * scale * gradient
        else:
            clip_by_global_norm(gradient, 1)
            adam.step(gradient, scale * (0.5 + 0.5 * math.cos(math.pi * update / config.updates)))
        done = update + 1
    theta_met[met == np.inf] = model.theta[met == np.inf]
    return {**{name: np.array(values) for name, values in history.items()}, "met": met, "theta_met": theta_met,
            "final_error": errors.mean(0), "updates": done}


# --- evaluation ---
def evaluate(predict, test_set, chunk=128):
    """Outputs of `predict(x, ends)` on a test set (x, ends, targets) of make_batch, `chunk` sequences at a time -> (..., sequences)."""
    x, ends, _ = test_set
    parts = range(0, x.shape[-1], chunk)
    return np.concatenate([predict(x[..., k:k + chunk], ends[:, k:k + chunk]) for k in parts], axis=-1)


def score(outputs, targets):
    """Wrong outputs (more than 0.04 off), mean absolute error, and mean squared error of the sum X1 + X2, which is four times larger."""
    miss = np.abs(outputs - targets).astype(float)
    return {"wrong": int((miss > TOLERANCE).sum()), "mean_error": float(miss.mean()), "mse_sum_units": float(16 * (miss * miss).mean())}


def constant(x, ends):
    """The best answer of someone who ignores the sequence."""
    return np.full(ends.shape, 0.5)


LENGTHS = (1, 1.1, 1.25, 1.5, 2, 3, 4)  # of sequences in the generalisation test, in units of T
NAMED = {1.5: "1_5_times_as_long", 2: "2_times_as_long", 4: "4_times_as_long", "late": "late_marks"}  # those that are metrics


def generalisation(model, T, test_rng, sequences=512):
    """Fraction wrong of the first net, not retrained, on sequences of each of LENGTHS, and ("late") with the second mark after T/2."""
    sets = {length: make_batch(test_rng, T, sequences, lengths=(round(length * T),) * 2) for length in LENGTHS}
    sets["late"] = make_batch(test_rng, T, sequences, late=True)
    return {name: score(evaluate(model.outputs, test)[0, 0], test[2][0])["wrong"] / sequences for name, test in sets.items()}


def run(config, progress=None):
    """Train and test the LSTM and its contrasts.

    History: "curves", what `train` returned for each kind of net; "outputs" of each kind's first net (of its best learning rate) on the test
    set, and the "targets"; "generalisation", see there; "theta", the trained weights of the LSTM's first net.
    """
    np.empty(31 << 20, np.uint8)  # freed at once: from now on the C library of Linux reuses freed memory instead of faulting pages in anew
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    test_set = make_batch(test_rng, config.T, TEST_SEQUENCES)
    targets = test_set[2]

    lstm = Model("lstm", config, init_rng)
    curves = {"lstm": train(lstm, config, (config.learning_rate,), data_rng, progress)}
    answers = evaluate(lstm.outputs, test_set)[0]
    outputs, theta, met = {"lstm": answers[0]}, lstm.theta.copy(), curves["lstm"]["met"][0]
    other = generalisation(lstm, config.T, test_rng)
    lstm.theta[...] = curves["lstm"]["theta_met"]
    result, at_criterion = score(answers[:1], targets), score(evaluate(lstm.outputs, test_set)[0, :1], targets)
    nothing = score(evaluate(constant, test_set), targets)
    wrong = (np.abs(answers - targets) > TOLERANCE).sum(-1)  # of each net
    metrics = {
        "lstm_wrong_of_2560": result["wrong"],
        "sequences_to_paper_criterion": int(met[0]) if np.isfinite(met[0]) else None,
        "lstm_test_mse_sum_units": result["mse_sum_units"],
        "lstm_test_mean_error": result["mean_error"],
        "lstm_wrong_at_criterion": at_criterion["wrong"] if np.isfinite(met[0]) else None,
        "lstm_training_sequences": curves["lstm"]["updates"] * config.batch,
        "lstm_weights": int(theta.shape[-1]),
        "nets_meeting_criterion_fraction": float(np.isfinite(met).mean()),
        "nets_sequences_to_criterion_mean": float(met[np.isfinite(met)].mean()) if np.isfinite(met).any() else None,
        "nets_wrong_of_2560_median": float(np.median(wrong)),
        "nets_wrong_of_2560_max": int(wrong.max()),
        "nets_below_2_percent_wrong_fraction": float((wrong < 0.02 * TEST_SEQUENCES).mean()),
        **{f"lstm_wrong_fraction_{name}": other[key] for key, name in NAMED.items()},
        "constant_wrong_fraction": nothing["wrong"] / TEST_SEQUENCES,
        "constant_mse_sum_units": nothing["mse_sum_units"],
    }
    # the contrasts: the same sequences, as many as the LSTM saw, in the same order
    equal = dataclasses.replace(config, updates=curves["lstm"]["updates"])
    rates_of = {"no_gate_recurrence": (config.learning_rate,), "forget_gate_lstm": config.forget_rates, "rnn": config.rnn_rates}
    for kind, rates in rates_of.items() if config.contrasts else ():
        model = Model(kind, equal, init_rng, len(rates))
        curves[kind] = train(model, equal, rates, data_rng, progress)
        best = int(curves[kind]["final_error"][:, 0].argmin())  # by the training sequences, never by the test
        outputs[kind] = evaluate(model.outputs, test_set)[best, 0]
        result, met = score(outputs[kind], targets[0]), curves[kind]["met"][best, 0]
        metrics |= {
            f"{kind}_wrong_fraction": result["wrong"] / TEST_SEQUENCES,
            f"{kind}_test_mse_sum_units": result["mse_sum_units"],
            f"{kind}_sequences_to_criterion": int(met) if np.isfinite(met) else None,
            f"{kind}_best_learning_rate": rates[best],
        }
    return {"metrics": metrics, "history": {"curves": curves, "outputs": outputs, "targets": targets[0], "generalisation": other,
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
