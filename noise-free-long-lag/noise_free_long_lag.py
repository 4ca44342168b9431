# SPDX-License-Identifier: Unlicense
"""noise-free-long-lag: LSTM keeps one symbol for 50 to 1000 steps, where a recurrent net fails from 100 on.

Three tasks in which the last symbol is known by the second or first alone. 2a: two sequences only, what stands between is always the same.
2b: what stands between is random. 2c: the lag varies too, and a trigger says when to answer. The nets are the paper's, down to the number of
weights, and so is success: no output off by 0.25 (0.2 in 2c) in any of 10,000 sequences. Where nothing recurs but the memory cell (2a, 2b),
the cell's state is a running sum, and neither pass loops over time. Contrasts on 2a: recurrent nets trained by back-propagation
through time, and by real-time recurrent learning, at lags 4, 10 and 100.

Paper: S. Hochreiter, J. Schmidhuber (1997). Long Short-Term Memory. Neural Computation 9(8):1735-1780.

    python3 noise-free-long-lag/noise_free_long_lag.py --seed 0
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
from noise_free_long_lag_two_blocks import TwoBlocks, sigma


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    p: Annotated[int, "2a, 2b: time steps between the two keys, and one less than the symbols", 3, 1000] = 100
    lags: Annotated[tuple[int, ...], "2c: smallest number q of distractors in a sequence, for each row of the paper's Table 3", 1, 10_000] = (50, 100, 200)
    distractors: Annotated[tuple[int, ...], "2c: number p of distractor symbols, for each row", 1, 10_000] = (50, 100, 200)
    trials: Annotated[int, "2c: independent trials of each row", 1, 100] = 1
    paired: Annotated[bool, "2c: every string of distractors of a minibatch comes twice, with key x and with key y"] = False
    presentations_2a: Annotated[int, "sequences presented at most", 2, 10_000_000] = 10_000
    presentations_2b: Annotated[int, "sequences presented at most", 2, 10_000_000] = 20_000
    presentations_2c: Annotated[int, "sequences presented at most in each trial", 2, 10_000_000] = 250_000
    learning_rate: Annotated[float, "2a, 2b: Adam's learning rate", 0, 10] = 0.2
    batch_2b: Annotated[int, "2b: sequences per update", 1, 1000] = 4
    batch_2c: Annotated[int, "2c: sequences per update", 2, 1000] = 32
    input_rate: Annotated[float, "2c: learning rate of input weights, times q", 0, 10] = 0.3
    recurrent_rate: Annotated[float, "2c: learning rate of recurrent weights, times q", 0, 10] = 0.03
    recurrent_spread: Annotated[float, "2c: initial recurrent weights are uniform in +- recurrent_spread", 0, 10] = 0.0
    output_rate: Annotated[float, "2c: learning rate of output weights", 0, 10] = 0.006
    error_2b: Annotated[Literal["end", "every_step"], "2b: error at the last step only, or at every step"] = "end"
    cells_2b: Annotated[int, "2b: memory cells, each with its input gate", 1, 100] = 1
    check_sequences: Annotated[int, "2b, 2c: fresh sequences that all must be right", 1, 1_000_000] = 10_000
    test_sequences: Annotated[int, "2b, 2c: further sequences for each test", 1, 1_000_000] = 2560
    contrasts: Annotated[bool, "also train the contrasts and controls"] = True
    contrast_p: Annotated[tuple[int, ...], "contrasts on 2a: p", 3, 1000] = (4, 10, 100)
    bptt_presentations: Annotated[tuple[int, ...], "contrasts on 2a: sequences presented at most, for each p", 2, 10_000_000] = (10_000, 5000, 2500)
    rtrl_presentations: Annotated[tuple[int, ...], "the same for real-time recurrent learning", 2, 10_000_000] = (5000, 2500, 1500)
    contrast_nets: Annotated[int, "contrasts on 2a: nets for each learning rate", 1, 100] = 1
    online_nets: Annotated[int, "2a: LSTM nets trained by plain gradient descent after every step, as in the paper", 0, 100] = 0

    def __post_init__(self):
        for one, other in (("lags", "distractors"), ("contrast_p", "bptt_presentations"), ("contrast_p", "rtrl_presentations")):
            if len(getattr(self, one)) != len(getattr(self, other)):
                raise ValueError(f"arguments --{one} and --{other}: as many numbers are needed".replace("_", "-"))
        if self.batch_2c % 2:
            raise ValueError("argument --batch-2c: an even number is needed")


PRESETS = {
    "smoke": {"p": 6, "lags": (6,), "distractors": (5,), "presentations_2a": 2000, "presentations_2b": 1500, "presentations_2c": 4000, "check_sequences": 500,
              "test_sequences": 100, "contrast_p": (4,), "bptt_presentations": (200,), "rtrl_presentations": (100,), "online_nets": 1},
    "paper": {"lags": (50, 100, 200, 500, 1000, 1000, 1000, 1000, 1000), "distractors": (50, 100, 200, 500, 1000, 500, 200, 100, 50), "trials": 3,
              "bptt_presentations": (50_000, 30_000, 5040), "rtrl_presentations": (50_000, 20_000, 5040), "contrast_nets": 6, "online_nets": 6},
}
HEADLINE = {
    "presentations_2a_p100": ("<=", 2500, "5,040, mean of 18 trials"),
    "presentations_2b_p100": ("<=", 20_000, "5,680, mean of 18 trials"),
    "presentations_2c_q200_p200": ("<=", 33_000, "33,000, mean of 20 trials"),
    "rnn_bptt_solved_seeds_2a_p100": ("<=", 0, "0 of 18"),
}
ROBUST = (10, 10, {"presentations_2a_p100": ("<=", 5040), "presentations_2c_q50_p50": ("<=", 30_000), "presentations_2c_q200_p200": ("<=", 33_000)})
PAPER = {"presentations_2a_p100": ("<=", 5040), "presentations_2b_p100": ("<=", 5680), "presentations_2c_q50_p50": ("<=", 30_000),
         "presentations_2c_q100_p100": ("<=", 31_000), "presentations_2c_q200_p200": ("<=", 33_000), "rnn_bptt_solved_seeds_2a_p100": ("<=", 0)}
CONTRASTS = {"rnn_1_bptt": ("logistic", 1, (0.003, 0.01, 0.03)), "rnn_16_bptt": ("tanh", 16, (0.003, 0.01, 0.03)),  # memory, units, learning rates
             "rnn_1_rtrl": ("logistic", 1, (0.1, 0.3, 1.0))}
ONLINE_RATE = 1.0  # the paper's
MOVEMENT = {"phases": {"two_sequences": "data", "draw_2b": "data", "draw_2c": "data", "Predictor.memory": "forward", "Predictor.outputs": "forward",
                       "Predictor.gradient": "backward", "Adam.step": "update", "OnlineNet.step": "update", "TwoBlocks.outputs": "forward",
                       "TwoBlocks.gradient": "backward", "TensorAdam.step": "update", "judge_2a": "evaluation",
                       "largest_error_2b": "evaluation", "wrong_2c": "evaluation"},
            "step": "Adam.step", "algorithms": {"train_2a": "2a {model.kind} p {model.p}", "train_2b": "2b {model.kind} p {model.p}",
                                                "train_2c": ("2c q {q} p {p}", "TensorAdam.step"), "train_online": ("2a {kind} p {p} online", "OnlineNet.step")},
            "examples": {"2a cell p 100": 2, "2b cell p 100": ("batch_2b",), **{f"2c q {q} p {q}": ("batch_2c",) for q in (50, 100, 200)}},
            "criterion": {"2a cell p 100": ("presentations_2a_p100", "examples"), "2b cell p 100": ("presentations_2b_p100", "examples"),
                          **{f"2c q {q} p {q}": (f"presentations_2c_q{q}_p{q}", "examples") for q in (50, 100, 200)}}}

# --- problem ---
TOLERANCE = {"2a": 0.25, "2b": 0.25, "2c": 0.2}  # the largest error allowed to any output


def two_sequences(p):
    """Task 2a: (x, a1..a(p-1), x) and (y, a1..a(p-1), y) as symbols (2, p + 1). 0 is a1, p - 1 is x, p is y."""
    keys = np.array([[p - 1], [p]])
    return np.concatenate([keys, np.tile(np.arange(p - 1), (2, 1)), keys], axis=1)


def draw_2b(rng, p, batch):
    """Task 2b: as 2a, but what stands between the keys is drawn from a1..a(p-1) -> symbols (batch, p + 1)."""
    symbols = rng.integers(0, p - 1, (batch, p + 1))
    symbols[:, 0] = symbols[:, -1] = p - 1 + rng.integers(0, 2, batch)
    return symbols


def draw_2c(rng, q, p, batch, paired=False):
    """Task 2c: b, a key x or y, at least q distractors of a1..ap, and the trigger e: a string may end with probability 1/10 after each further one.

    Returns symbols (longest, batch) with 0..p-1 for distractors, then e, b, x, y; the step of e (batch,), behind which stand symbols without meaning;
    keys (batch,), 0 for x, 1 for y. If paired, the second half of the batch has the distractors of the first and the other keys.
    """
    draws = batch // 2 if paired else batch
    ends, keys = q + 1 + rng.geometric(0.1, draws), rng.integers(0, 2, draws)
    symbols = rng.integers(0, p, (ends.max() + 1, draws))
    if paired:
        ends, keys, symbols = np.tile(ends, 2), np.concatenate([keys, 1 - keys]), np.tile(symbols, 2)
    symbols[0], symbols[1], symbols[ends, np.arange(batch)] = p + 1, p + 2 + keys, p
    return symbols, ends, keys


def one_hot(index, count, dtype=np.float32):
    """(...) -> (..., count)"""
    return (index[..., None] == np.arange(count)).astype(dtype)


# --- model ---
class Predictor:
    """Nets for 2a and 2b side by side: output units see the present symbol, by weights `direct`, and a memory, by weights `read`; no biases.

    The memory's units see the present symbol, by weights `drive`. Kinds: "cell", memory cells with input gates (weights `gate` from the symbol) and
    nothing else recurrent, the paper's LSTM; "logistic" or "tanh", recurrent units (weights `loop` among them); "none". One row of weights belongs to each
    symbol (nets, symbols, units), so that an input is an index. Rows of `theta` are nets; `slope` is dE/dtheta.
    """

    def __init__(self, kind, units, p, init_rng, nets=1, dtype=np.float32):
        shapes = [(p + 1, p + 1), (units, p + 1), (p + 1, units), (p + 1, units) if kind == "cell" else (units, units)]
        self.kind, self.p, self.nets = kind, p, nets
        self.theta = init_rng.uniform(-0.2, 0.2, (nets, sum(map(math.prod, shapes)))).astype(dtype)
        self.slope = np.zeros_like(self.theta)
        self.direct, self.read, self.drive, last = views(self.theta, *shapes)
        self.d_direct, self.d_read, self.d_drive, self.d_last = views(self.slope, *shapes)
        self.gate = self.loop = last  # by kind

    def memory(self, x):
        """Symbols x (batch, steps) -> activations or states (nets, batch, steps, units)."""
        if self.kind == "cell":  # the constant error carousel, and all that an input does to it: s(t) = s(t-1) + y_in(t) g(t)
            return (sigma(self.gate) * sigma(self.drive))[:, x].cumsum(2)
        memory = self.drive[:, x]
        if self.kind == "none":
            return np.zeros_like(memory)
        last = np.zeros_like(memory[:, :, 0])
        for now in np.moveaxis(memory, 2, 0):
            now += last @ self.loop
            now[...] = sigma(now) if self.kind == "logistic" else np.tanh(now)
            last = now
        return memory

    def outputs(self, x, memory):
        """x (batch, steps), memory (nets, batch, steps, units) -> outputs (nets, batch, steps, symbols)."""
        return sigma(self.direct[:, x] + memory @ self.read[:, None])

    def gradient(self, x, memory, error):
        """error = dE/dnet of the outputs (nets, batch, n, symbols) at the last n steps -> the slope, a mean over the batch, nothing truncated."""
        (nets, batch, n, symbols), units = error.shape, memory.shape[-1]
        hot, flat = one_hot(x, symbols, error.dtype), error.reshape(nets, batch * n, symbols)
        self.d_direct[...] = hot[:, -n:].reshape(-1, symbols).T @ flat
        self.d_read[...] = memory[:, :, -n:].reshape(nets, -1, units).swapaxes(1, 2) @ flat
        delta = np.zeros_like(memory)
        delta[:, :, -n:] = error @ self.read[:, None].swapaxes(-1, -2)
        if self.kind == "cell":
            later = delta[:, :, ::-1].cumsum(2)[:, :, ::-1]  # dE/ds(t): what enters at t stays until the end
            by_symbol = hot.reshape(-1, symbols).T @ later.reshape(nets, -1, units)
            gate, g = sigma(self.gate), sigma(self.drive)
            self.d_last[...] = by_symbol * g * gate * (1 - gate)
            self.d_drive[...] = by_symbol * gate * g * (1 - g)
        elif self.kind != "none":
            slope = memory * (1 - memory) if self.kind == "logistic" else 1 - memory * memory
            back, loop = np.zeros_like(delta[:, :, 0]), self.loop.swapaxes(1, 2).copy()
            for now, slope_now in zip(np.moveaxis(delta, 2, 0)[::-1], np.moveaxis(slope, 2, 0)[::-1]):
                now += back
                now *= slope_now
                back = now @ loop
            self.d_drive[...] = hot.reshape(-1, symbols).T @ delta.reshape(nets, -1, units)
            self.d_last[...] = memory[:, :, :-1].reshape(nets, -1, units).swapaxes(1, 2) @ delta[:, :, 1:].reshape(nets, -1, units)
        self.slope /= batch
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


class TensorAdam:
    """Adam with one second moment per tensor, the mean over its weights: most distractors' gradients are noise, and Adam would blow each up to a full step."""

    def __init__(self, tensors, rates, beta1=0.9, beta2=0.99):
        self.tensors, self.rates, self.beta1, self.beta2, self.steps = tensors, rates, beta1, beta2, 0
        self.means, self.squares = [np.zeros_like(tensor) for tensor in tensors], [0.0] * len(tensors)

    def step(self, gradients):
        self.steps += 1
        correction = math.sqrt(1 - self.beta2 ** self.steps) / (1 - self.beta1 ** self.steps)
        for k, gradient in enumerate(gradients):
            self.means[k] += (1 - self.beta1) * (gradient - self.means[k])
            self.squares[k] += (1 - self.beta2) * (float((gradient * gradient).mean()) - self.squares[k])
            self.tensors[k] -= self.rates[k] * correction / (math.sqrt(self.squares[k]) + 1e-8) * self.means[k]


def train_2a(model, rates, limit):
    """Both sequences per update, cross-entropy, Adam with `rates` (nets,), until all nets are right or have seen `limit` sequences.

    Returns met (nets,), sequences presented until no output was off by 0.25 (infinity: never), and the history: presented (moments,), error (moments, nets).
    """
    symbols = two_sequences(model.p)
    x, targets = symbols[:, :-1], one_hot(symbols[:, 1:], model.p + 1)
    adam = Adam(model.theta, np.array(rates, np.float32)[:, None], beta2=0.95)  # with 0.999 the large early gradients hold it back for long
    met, history = np.full(model.nets, np.inf), []
    for presented in range(0, limit + 1, 2):
        if presented % 20 == 0 and judge_2a(model, presented, met, history):
            break
        memory = model.memory(x)
        adam.step(model.gradient(x, memory, model.outputs(x, memory) - targets))
    return met, history


def train_2b(model, config, limit, data_rng, test_rng):
    """Random middles, `batch_2b` sequences per update, until the check is passed -> met, history as in train_2a (for the only net)."""
    adam, history, n = Adam(model.theta, config.learning_rate, beta2=0.95), [], model.p if config.error_2b == "every_step" else 1
    for presented in range(0, limit + 1, config.batch_2b):
        if presented % (20 * config.batch_2b) == 0:
            history.append((presented, largest_error_2b(model, draw_2b(test_rng, model.p, min(500, config.check_sequences)))))
            if history[-1][1] < TOLERANCE["2b"] and largest_error_2b(model, draw_2b(test_rng, model.p, config.check_sequences)) < TOLERANCE["2b"]:
                return presented, history
        symbols = draw_2b(data_rng, model.p, config.batch_2b)
        x, targets = symbols[:, :-1], one_hot(symbols[:, -n:], model.p + 1)
        memory = model.memory(x)
        adam.step(model.gradient(x, memory, model.outputs(x[:, -n:], memory[:, :, -n:]) - targets))
    return math.inf, history


class OnlineNet:
    """Nets for 2a with one memory unit, "cell" or "logistic", by real-time recurrent learning: traces carry dm/dw forward, and weights change after every
    step, by plain gradient descent. For the cell this is the paper's algorithm; its truncation cuts nothing here, where gates see the symbols alone."""

    def __init__(self, kind, p, rates, init_rng):
        self.model, self.rates = Predictor(kind, 1, p, init_rng, len(rates)), np.array(rates, np.float32)

    def step(self, symbols):
        """Present one sequence (p + 1,), a list, to all nets."""
        model, rates = self.model, self.rates
        direct, read, drive, last = model.direct, model.read[:, 0], model.drive[:, :, 0], model.gate[:, :, 0]
        memory, drive_trace, last_trace = np.zeros_like(rates), np.zeros_like(drive), np.zeros_like(last)
        for x, target in zip(symbols, symbols[1:]):
            if model.kind == "cell":
                gate, g = sigma(last[:, x]), sigma(drive[:, x])
                memory = memory + gate * g
                drive_trace[:, x] += gate * g * (1 - g)
                last_trace[:, x] += g * gate * (1 - gate)
            else:
                before, loop = memory, last[:, 0]
                memory = sigma(drive[:, x] + loop * before)
                slope = memory * (1 - memory)
                drive_trace *= (slope * loop)[:, None]
                drive_trace[:, x] += slope
                last_trace[:, 0] = slope * (before + loop * last_trace[:, 0])
            error = sigma(direct[:, x] + read * memory[:, None])
            error[:, target] -= 1
            back = (rates * (error * read).sum(1))[:, None]
            error *= rates[:, None]
            direct[:, x] -= error
            read -= error * memory[:, None]
            drive -= back * drive_trace
            last -= back * last_trace


def train_online(kind, p, rates, limit, data_rng, init_rng):
    """One of the two sequences at a time, drawn at random -> met, history as in train_2a."""
    net, symbols = OnlineNet(kind, p, rates, init_rng), two_sequences(p).tolist()
    met, history = np.full(len(rates), np.inf), []
    for presented, key in enumerate(data_rng.integers(0, 2, limit + 1)):
        if presented % 20 == 0 and judge_2a(net.model, presented, met, history):
            break
        net.step(symbols[key])
    return met, history


STREAK = 512  # so many training sequences must have been right in a row before a check is worth its time


def train_2c(q, p, config, paired, data_rng, init_rng, test_rng):
    """One trial -> the net, the sequences presented until `check_sequences` fresh ones were all right (infinity: never), and the history: for every fifth
    update (presented, mean absolute error of the minibatch, copies of the net's tensors)."""
    model, right, history = TwoBlocks(q, p, init_rng, config.recurrent_spread), 0, []
    adam = TensorAdam(model.tensors, (config.recurrent_rate / q, config.input_rate / q, config.output_rate))
    for presented in range(0, config.presentations_2c + 1, config.batch_2c):
        if right >= min(STREAK, config.check_sequences):
            if wrong_2c(model, q, config.check_sequences, test_rng, stop=True) == 0:
                return model, presented, history
            right = 0
        symbols, ends, keys = draw_2c(data_rng, q, p, config.batch_2c, paired)
        error = model.outputs(symbols, ends) - one_hot(keys, 2).T
        miss = np.abs(error)
        right = right + config.batch_2c if miss.max() < TOLERANCE["2c"] else 0
        if presented % (5 * config.batch_2c) == 0:
            history.append((presented, float(miss.mean()), [tensor.copy() for tensor in model.tensors]))
        adam.step(model.gradient(symbols, ends, error))
    return model, math.inf, history


# --- evaluation ---
def judge_2a(model, presented, met, history):
    """Try both sequences (of all that there are), note who met the criterion and the largest error of each net -> have all met it?"""
    symbols = two_sequences(model.p)
    x = symbols[:, :-1]
    largest = np.abs(model.outputs(x, model.memory(x)) - one_hot(symbols[:, 1:], model.p + 1)).max((1, 2, 3))
    met[(largest < TOLERANCE["2a"]) & np.isinf(met)] = presented
    history.append((presented, largest))
    return np.isfinite(met).all()


def largest_error_2b(model, symbols):
    """Largest absolute error of any output of the first net at the end of 2b's sequences (sequences, p + 1)."""
    x = symbols[:, :-1]
    outputs = model.outputs(x[:, -1:], model.memory(x)[:, :, -1:])[0, :, 0]
    return float(np.abs(outputs - one_hot(symbols[:, -1], model.p + 1)).max())


def wrong_2c(model, q, count, rng, stop=False, hide_key=False):
    """How many of `count` fresh sequences of lag q have an output off by 0.2 or more at the end; `stop` at the first chunk that has one; `hide_key`
    puts a distractor in the key's place."""
    wrong, chunk = 0, min(count, max(50, min(1000, 250_000 // q)))
    for done in range(0, count, chunk):
        symbols, ends, keys = draw_2c(rng, q, model.p, min(chunk, count - done))
        if hide_key:
            symbols[1] = rng.integers(0, model.p, len(keys))
        wrong += int((np.abs(model.outputs(symbols, ends) - one_hot(keys, 2).T).max(0) >= TOLERANCE["2c"]).sum())
        if stop and wrong:
            break
    return wrong


def mean_or_none(met):
    """Mean of the sequences presented, as an int; None unless all trials met the criterion."""
    return round(float(np.mean(met))) if np.isfinite(met).all() else None


def run_2c(config, data_rng, init_rng, test_rng, progress=None):
    """All trials of all rows -> metrics, and for each row (q, p) the first trial's (net, presentations, history)."""
    metrics, first, other = {}, {}, {}
    for row, (q, p) in enumerate(zip(config.lags, config.distractors)):
        name, mets, wrong = f"2c_q{q}_p{p}", [], {1: 0, 2: 0, 5: 0}
        for trial in range(config.trials):
            if progress:
                progress((row + trial / config.trials) / len(config.lags), f"2c, q = {q}, p = {p}, trial {trial + 1}")
            result = train_2c(q, p, config, config.paired, data_rng, init_rng, test_rng)
            first.setdefault((q, p), result)
            mets.append(result[1])
            for times in wrong:
                wrong[times] += wrong_2c(result[0], times * q, config.test_sequences, test_rng) / (config.test_sequences * config.trials)
        metrics[f"presentations_{name}"] = mean_or_none(mets)
        other |= {f"solved_trials_{name}": int(np.isfinite(mets).sum()), f"wrong_fraction_{name}": wrong[1],
                  **{f"wrong_fraction_{name}_tested_at_{times}q": wrong[times] for times in (2, 5)}}
    return metrics | other, first


def run_contrasts(config, data_rng, init_rng, test_rng, progress=None):
    """Recurrent nets on 2a; an LSTM without its cell; 2b with an error at every step; 2c with pairs and without key -> metrics, curves {name: history}."""
    largest_p = max(config.contrast_p)
    solved = f"rnn_bptt_solved_seeds_2a_p{largest_p}"
    metrics, curves = {solved: 0}, {}
    for row, (p, *limits) in enumerate(zip(config.contrast_p, config.bptt_presentations, config.rtrl_presentations)):
        for name, (kind, units, rates) in CONTRASTS.items():
            if progress:
                progress(row / len(config.contrast_p), f"2a, {name}, p = {p}")
            each = np.repeat(rates, config.contrast_nets)
            if name.endswith("bptt"):
                met, history = train_2a(Predictor(kind, units, p, init_rng, len(each)), each, limits[0])
            else:
                met, history = train_online(kind, p, each, limits[1], data_rng, init_rng)
            metrics[f"{name}_solved_fraction_2a_p{p}"] = float(np.isfinite(met).reshape(len(rates), -1).mean(1).max())  # at the best learning rate
            curves[name, p] = history
            if p == largest_p:
                metrics[f"{name}_smallest_max_error_2a_p{p}"] = float(min(errors.min() for _, errors in history))
                metrics[solved] += int(np.isfinite(met).sum()) if name.endswith("bptt") else 0

    _, curves["no_cell"] = train_2a(Predictor("none", 1, config.p, init_rng), [config.learning_rate], min(config.presentations_2a, 2500))
    metrics[f"no_cell_max_error_2a_p{config.p}"] = float(curves["no_cell"][-1][1][0])
    every = dataclasses.replace(config, error_2b="every_step")
    met, curves["2b_every_step"] = train_2b(Predictor("cell", 2, config.p, init_rng), every, min(config.presentations_2b, 5680), data_rng, test_rng)
    metrics[f"presentations_2b_p{config.p}_2_cells_error_at_every_step"] = None if math.isinf(met) else met
    return metrics, curves


def run(config, progress=None):
    """Train and test the paper's nets on the three tasks, then the contrasts.

    History: "curves", {name: [(presented, largest error of each net), ..]} for 2a and 2b; "rows", {(q, p): (net, presentations, history)} of the first
    trial of each row of 2c, see train_2c; "adds", what each symbol adds to the state of the first cell of 2b.
    """
    np.empty(31 << 20, np.uint8)  # freed at once: from now on the C library of Linux reuses freed memory instead of faulting pages in anew
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    p = config.p
    net = Predictor("cell", 1, p, init_rng)
    met_2a, curve_2a = train_2a(net, [config.learning_rate], config.presentations_2a)
    net_2b = Predictor("cell", config.cells_2b, p, init_rng)
    met_2b, curve_2b = train_2b(net_2b, config, config.presentations_2b, data_rng, test_rng)
    metrics = {
        f"presentations_2a_p{p}": mean_or_none(met_2a),
        f"presentations_2b_p{p}": mean_or_none([met_2b]),
        f"max_error_2a_p{p}": float(curve_2a[-1][1][0]),
        f"max_error_2b_p{p}": largest_error_2b(net_2b, draw_2b(test_rng, p, config.test_sequences)),
        f"weights_2a_p{p}": net.theta.shape[1],
    }
    measured, rows = run_2c(config, data_rng, init_rng, test_rng, progress)
    metrics |= measured
    curves = {"2a": curve_2a, "2b": curve_2b}
    if config.online_nets:
        met, curves["2a_online"] = train_online("cell", p, [ONLINE_RATE] * config.online_nets, config.presentations_2a, data_rng, init_rng)
        metrics[f"presentations_2a_p{p}_online"] = mean_or_none(met)
    if config.contrasts:
        measured, more = run_contrasts(config, data_rng, init_rng, test_rng, progress)
        metrics, curves = metrics | measured, curves | more
        (q, p), (net, *_) = next(iter(rows.items()))
        metrics[f"wrong_fraction_2c_q{q}_p{p}_key_hidden"] = wrong_2c(net, q, config.test_sequences, test_rng, hide_key=True) / config.test_sequences
        for (q, p), (net, *_) in rows.items():
            learned = net.recurrent.copy()
            net.recurrent[...] = 0
            metrics[f"wrong_fraction_2c_q{q}_p{p}_recurrence_cut"] = wrong_2c(net, q, config.test_sequences, test_rng) / config.test_sequences
            net.recurrent[...] = learned
        for q, p in rows:
            met = train_2c(q, p, config, not config.paired, data_rng, init_rng, test_rng)[1]
            metrics[f"presentations_2c_q{q}_p{p}_{'un' * config.paired}paired"] = mean_or_none([met])
    return {"metrics": metrics, "history": {"curves": curves, "rows": rows, "adds": (sigma(net_2b.gate) * sigma(net_2b.drive))[0, :, 0]}}


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
