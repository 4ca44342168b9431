# SPDX-License-Identifier: Unlicense
"""self-referential-weight-matrix: a net that addresses, reads and rewrites every one of its own weights learns how to learn Boolean functions.

Four examples of a Boolean function, then four questions, and between any two examples all activations are set to zero: what survives is the weight
matrix alone, and the net itself writes it. Gradient descent shapes only the matrix with which an episode begins. With writing switched off the best
answer is a guess. Contrasts: writes to one row only, memory in activations, the softmax form of 2022. Further tasks: functions never seen in training,
a function that changes in mid-episode, and the error as the only teacher.

Paper: J. Schmidhuber (1993). A 'self-referential' weight matrix. ICANN'93, Amsterdam, 446-450.

    python3 self-referential-weight-matrix/self_referential_weight_matrix.py --seed 0
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


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    tasks: Annotated[Literal["all", "claim", "all16"], "every contrast and task, those of the headline, or two nets on the 2-bit functions"] = "all"
    feedback: Annotated[bool, "the headline net gets no labels but its own error, one tick later"] = False
    hidden: Annotated[int, "hidden units", 0, 1000] = 8
    ticks: Annotated[int, "time steps per example", 2, 100] = 2
    feedback_ticks: Annotated[int, "time steps per example where the error is the only teacher", 3, 100] = 3
    write_rate: Annotated[float, "eta: what Delta = 1 adds to the addressed weight", 0] = 2.0
    wide: Annotated[float, "variance of the addressing kernel at the start of training (bits are +-1)", 0.01, 100] = 2.0
    narrow: Annotated[float, "variance at the end of training and in all tests", 0.01, 100] = 1.0
    start: Annotated[float, "standard deviation of the untrained initial matrix", 0] = 0.1
    updates: Annotated[int, "Adam updates, 2-bit functions", 1, 1_000_000] = 500
    updates_3bit: Annotated[int, "Adam updates, 3-bit functions", 1, 1_000_000] = 800
    batch: Annotated[int, "episodes per update", 1, 100_000] = 64
    learning_rate: Annotated[float, "Adam's rate at the start; it falls to 0 along a half cosine", 0] = 0.02
    recurrent_rate: Annotated[float, "the same for the net whose memory is its activations", 0] = 0.01
    recurrent_start: Annotated[float, "standard deviation of its initial matrix", 0] = 0.3
    modern_rate: Annotated[float, "the same for the net of 2022", 0] = 0.02
    episodes: Annotated[int, "test episodes", 1, 1_000_000] = 500

    def __post_init__(self):
        if self.narrow > self.wide:
            raise ValueError(f"argument --narrow: {self.narrow} is above --wide {self.wide}")
        if self.feedback and self.ticks < 3:
            raise ValueError(f"argument --ticks: {self.ticks} is below 3, and with --feedback the first tick answers, the second hears the error")


PRESETS = {
    "smoke": {"updates": 12, "updates_3bit": 4, "batch": 8, "episodes": 20},
    "paper": {"tasks": "all16", "feedback": True, "ticks": 3, "narrow": 0.25, "updates": 2000},
}
HEADLINE = {
    "all16_query_accuracy_activations_reset": (">=", 0.999, "no numbers in the paper"),
    "frozen_weights_query_accuracy": ("<=", 0.55, "n/a"),
    "heldout_3bit_functions_query_accuracy": (">=", 0.99, "n/a"),
}
ROBUST = (10, 10, {"all16_query_accuracy_activations_reset": (">=", 0.99), "frozen_weights_query_accuracy": ("<=", 0.55)})
PAPER = {}
MOVEMENT = {
    "phases": {"make_episodes": "data", "SelfReferentialNet.forward": "forward", "SelfReferentialNet.backward": "backward", "ModernNet.forward": "forward",
               "ModernNet.backward": "backward", "clip_by_global_norm": "update", "Adam.step": "update", "query_scores": "evaluation"},
    "step": "Adam.step",
    "algorithms": {"train": "{name}"},
    "examples": ("batch",),
    "criterion": {"self-modifying": ("all16_updates_to_99_percent", "steps"), "modern": ("modern_srwm_updates_to_99_percent", "steps")},
}

# --- problem ---
def make_episodes(bits, functions, rng):
    """Demonstrations, then questions; with several columns of functions, the function changes and all begins again.

    functions (B, phases): bit p of a function's number is its value for pattern p -> patterns (T, B), labels (T, B) of +-1, shown (T,): label given.
    T = 2 * 2^bits * phases; each half shows every pattern once, in random order.
    """
    size, (batch, phases) = 2 ** bits, functions.shape
    patterns = np.argsort(rng.random((2 * phases, batch, size)), axis=2).transpose(0, 2, 1)  # (halves, size, B)
    labels = 2 * (np.repeat(functions.T, 2, axis=0)[:, None] >> patterns & 1) - 1
    return patterns.reshape(-1, batch), labels.reshape(-1, batch), np.repeat(np.arange(2 * phases) % 2 == 0, size)


def signs(count, bits):
    """The numbers 0 .. count - 1 as rows of +-1, lowest bit first (count, bits)."""
    return 2.0 * (np.arange(count)[:, None] >> np.arange(bits) & 1) - 1


def split_functions(bits, rng):
    """All functions of so many bits in random order: three quarters to train on, and one quarter never shown."""
    functions = rng.permutation(2 ** 2 ** bits)
    return functions[:-len(functions) // 4], functions[-len(functions) // 4:]


# --- model ---
def recall(left, right, vector):
    """The sum over s of left_s (right_s . vector): a matrix given as outer products, (B, S, n) and (B, S, m), times vectors (B, m) -> (B, n)."""
    return ((right @ vector[:, :, None]).swapaxes(1, 2) @ left)[:, 0]


class SelfReferentialNet:
    """The net of 1993: one matrix W (n, m), which all its units share and which the net can change everywhere, addressing units included.

        sources z: bits | label | flag | 1 | eval | val | y(t-1)      targets y: o | hidden | ana | mod | Delta
        y(t)      = tanh(W(t) z(t))
        val(t+1)  = sum over ij of g(ana(t), adr_ij) w_ij(t)                    g(a, adr) = exp(-|a - adr|^2 / 2 variance)
        w_ij(t+1) = w_ij(t) + eta Delta(t) g(mod(t), adr_ij)

    The address of w_ij is the number i, then the number j, as bits of +-1, so g is a kernel over rows times a kernel over columns: W(t) is W(1), the one thing trained,
    plus one outer product per tick, and is never formed. So is its gradient. Before each example y, eval and val are set to zero, unless `carry`.
    """
    def __init__(self, bits, config, rng, eta=None, output_row_only=False, carry=False, feedback=False, ticks=None, dtype=np.float32):
        self.bits, self.carry, self.feedback, self.ticks = bits, carry, feedback, ticks or config.ticks
        self.eta = config.write_rate if eta is None else eta
        self.eval, self.val, self.inputs = bits + 3, bits + 4, bits + 5
        row_bits = column_bits = n = m = 1
        while n > 2 ** row_bits or m > 2 ** column_bits or n == 1:  # addressing units are rows and columns themselves
            row_bits, column_bits = max(row_bits, (n - 1).bit_length()), max(column_bits, (m - 1).bit_length())
            n = 2 + config.hidden + 2 * (row_bits + column_bits)
            m = self.inputs + n
        self.shape, self.rows, self.columns = (n, m), signs(n, row_bits).astype(dtype), signs(m, column_bits).astype(dtype)
        ends = np.cumsum([1 + config.hidden, row_bits, column_bits, row_bits, column_bits])
        self.ana_row, self.ana_column, self.mod_row, self.mod_column = (slice(a, b) for a, b in zip(ends, ends[1:]))
        self.delta = int(ends[-1])
        self.writable = np.arange(n) < 1 if output_row_only else np.ones(n, bool)
        self.theta = (config.start * rng.standard_normal(n * m)).astype(dtype)
        self.W, = views(self.theta, (n, m))

    def kernel(self, place, addresses, variance):
        """place (B, bits), addresses (K, bits) -> g (B, K); |a|^2 is the number of bits for every address a."""
        return np.exp((place @ addresses.T - 0.5 * ((place * place).sum(1, keepdims=True) + addresses.shape[1])) / variance)

    def kernel_backward(self, d_g, g, place, addresses, variance):
        """d_g (B, K) -> gradient at place (B, bits)."""
        pull = d_g * g
        return (pull @ addresses - pull.sum(1, keepdims=True) * place) / variance

    def forward(self, patterns, labels, shown, variance):
        """-> net input of o at the last tick of each example (T, B)."""
        (length, batch), (n, m), kind = patterns.shape, self.shape, self.theta.dtype
        inputs = np.zeros((length, batch, self.inputs), kind)
        inputs[..., :self.bits], inputs[..., self.bits + 2] = signs(2 ** self.bits, self.bits)[patterns], 1
        inputs[shown, :, self.bits + 1] = 1
        if not self.feedback:
            inputs[shown, :, self.bits] = labels[shown]
        writes = length * self.ticks if self.eta else 0
        self.left, self.right = np.empty((batch, writes, n), kind), np.empty((batch, writes, m), kind)
        self.variance, self.tape, self.corrected, answers = variance, [], shown & self.feedback, np.empty((length, batch), kind)
        y, val = np.zeros((batch, n), kind), np.zeros(batch, kind)
        for t in range(length):
            if not self.carry:
                y, val = np.zeros_like(y), np.zeros_like(val)
            error = np.zeros(batch, kind)
            for _ in range(self.ticks):
                z = np.concatenate([inputs[t], y], axis=1)
                z[:, self.eval], z[:, self.val] = error, val
                done = min(len(self.tape), writes)
                left, right = self.left[:, :done], self.right[:, :done]
                net = z @ self.W.T + recall(left, right, z)
                y = np.tanh(net)
                if self.corrected[t]:
                    error = labels[t].astype(kind) - y[:, 0]
                read_row, read_column = self.kernel(y[:, self.ana_row], self.rows, variance), self.kernel(y[:, self.ana_column], self.columns, variance)
                seen = read_column @ self.W.T + recall(left, right, read_column)
                val = (read_row * seen).sum(1)
                write_row = self.kernel(y[:, self.mod_row], self.rows, variance) * self.writable
                write_column = self.kernel(y[:, self.mod_column], self.columns, variance)
                if writes:
                    self.left[:, done], self.right[:, done] = self.eta * y[:, self.delta, None] * write_row, write_column
                self.tape.append((z, y, read_row, read_column, seen, write_row, write_column))
            answers[t] = net[:, 0]
        return answers

    def backward(self, d_answers):
        """d_answers (T, B) -> gradient of W(1), flat. Each use of W as left W right adds the outer product of its factors to dL/dW."""
        (n, m), batch, kind = self.shape, d_answers.shape[1], self.theta.dtype
        use_left, use_right = np.empty((batch, 2 * len(self.tape), n), kind), np.empty((batch, 2 * len(self.tape), m), kind)
        d_y, d_val, d_error = np.zeros((batch, n), kind), np.zeros(batch, kind), np.zeros(batch, kind)
        uses = 0
        for step in reversed(range(len(self.tape))):
            z, y, read_row, read_column, seen, write_row, write_column = self.tape[step]
            t, tick = divmod(step, self.ticks)
            if tick == self.ticks - 1:
                d_error = np.zeros_like(d_error)
                if not self.carry:
                    d_y, d_val = np.zeros_like(d_y), np.zeros_like(d_val)
            if self.corrected[t]:
                d_y[:, 0] -= d_error
            done = min(step, self.left.shape[1])
            left, right = self.left[:, :done], self.right[:, :done]
            if self.eta:
                later = use_left[:, :uses], use_right[:, :uses]
                d_row, d_column = recall(*later, write_column), recall(*later[::-1], write_row)
                strength = self.eta * y[:, self.delta, None]
                d_y[:, self.delta] += self.eta * (write_row * d_row).sum(1)
                d_y[:, self.mod_row] += self.kernel_backward(strength * d_row, write_row, y[:, self.mod_row], self.rows, self.variance)
                d_y[:, self.mod_column] += self.kernel_backward(strength * d_column, write_column, y[:, self.mod_column], self.columns, self.variance)
            d_row, d_column = d_val[:, None] * seen, d_val[:, None] * (read_row @ self.W + recall(right, left, read_row))
            d_y[:, self.ana_row] += self.kernel_backward(d_row, read_row, y[:, self.ana_row], self.rows, self.variance)
            d_y[:, self.ana_column] += self.kernel_backward(d_column, read_column, y[:, self.ana_column], self.columns, self.variance)
            d_net = d_y * (1 - y * y)
            if tick == self.ticks - 1:
                d_net[:, 0] += d_answers[t]
            use_left[:, uses], use_right[:, uses] = d_net, z
            use_left[:, uses + 1], use_right[:, uses + 1] = d_val[:, None] * read_row, read_column
            uses += 2
            d_z = d_net @ self.W + recall(right, left, d_net)
            d_y, d_val, d_error = d_z[:, self.inputs:].copy(), d_z[:, self.val], d_z[:, self.eval]
        return (use_left.reshape(-1, n).T @ use_right.reshape(-1, m)).ravel()


class ModernNet:
    """The net of 2022: W (2d + 2, d) acts on softmaxes of d features, makes keys, queries and a rate, and edits itself by the delta rule.

        y, k, q, b = W(t-1) phi(x)      W(t) = W(t-1) + sigmoid(b) (W(t-1) phi(q) - W(t-1) phi(k)) phi(k)^T

    Features: one-hot pattern, one-hot label if shown, 1, and spare ones at 0. No activation survives a step.
    """
    SPARE, SCALE = 8, 3.0  # inputs at 0; what inputs are multiplied by before their softmax

    def __init__(self, bits, config, rng):
        self.bits, self.size, self.features = bits, 2 ** bits, 2 ** bits + 3 + self.SPARE
        self.theta = (config.start * rng.standard_normal((2 * self.features + 2) * self.features)).astype(np.float32)
        self.W, = views(self.theta, (2 * self.features + 2, self.features))

    def softmax(self, features):
        """Over the last axis."""
        powers = np.exp(features - features.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    def forward(self, patterns, labels, shown, variance=None):
        """-> y (T, B)."""
        (length, batch), d, kind = patterns.shape, self.features, self.theta.dtype
        inputs = np.zeros((length, batch, d), kind)
        inputs[..., :self.size], inputs[..., self.size + 2] = patterns[..., None] == np.arange(self.size), 1
        inputs[shown, :, self.size], inputs[shown, :, self.size + 1] = labels[shown] > 0, labels[shown] < 0
        self.left, self.right = np.empty((batch, length, 2 * d + 2), kind), np.empty((batch, length, d), kind)
        self.tape, answers = [], np.empty((length, batch), kind)
        for t, x in enumerate(self.softmax(self.SCALE * inputs)):
            left, right = self.left[:, :t], self.right[:, :t]
            out = x @ self.W.T + recall(left, right, x)
            key, query, rate = self.softmax(out[:, 1:d + 1]), self.softmax(out[:, d + 1:-1]), 0.5 + 0.5 * np.tanh(0.5 * out[:, -1:])
            contrast = query - key
            change = contrast @ self.W.T + recall(left, right, contrast)
            self.left[:, t], self.right[:, t] = rate * change, key
            self.tape.append((x, key, query, rate, change))
            answers[t] = out[:, 0]
        return answers

    def backward(self, d_answers):
        """As above."""
        batch, d, kind = d_answers.shape[1], self.features, self.theta.dtype
        use_left, use_right = np.empty((batch, 2 * len(self.tape), 2 * d + 2), kind), np.empty((batch, 2 * len(self.tape), d), kind)
        for uses, t in zip(range(0, 2 * len(self.tape), 2), reversed(range(len(self.tape)))):
            x, key, query, rate, change = self.tape[t]
            left, right, later = self.left[:, :t], self.right[:, :t], (use_left[:, :uses], use_right[:, :uses])
            d_write, d_key = recall(*later, key), recall(*later[::-1], rate * change)
            d_change = rate * d_write
            d_contrast = d_change @ self.W + recall(right, left, d_change)
            d_out = np.zeros((batch, 2 * d + 2), kind)
            d_key -= d_contrast
            d_out[:, 0], d_out[:, -1:] = d_answers[t], (d_write * change).sum(1, keepdims=True) * rate * (1 - rate)
            d_out[:, 1:d + 1] = key * (d_key - (d_key * key).sum(1, keepdims=True))
            d_out[:, d + 1:-1] = query * (d_contrast - (d_contrast * query).sum(1, keepdims=True))
            use_left[:, uses], use_right[:, uses] = d_out, x
            use_left[:, uses + 1], use_right[:, uses + 1] = d_change, query - key
        return (use_left.reshape(-1, 2 * d + 2).T @ use_right.reshape(-1, d)).ravel()


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


def train(name, net, functions, config, updates, rate, rngs, phases=1, progress=None):
    """Adam on the log loss of the questions alone, while the kernel narrows; functions (F,): those to draw from.

    -> curve: rows of update and accuracy on fresh episodes of these functions; film: (update, variance, W(1)) along the way.
    """
    data_rng, test_rng = rngs
    optimiser, curve, film = Adam(net.theta, rate), [], []
    watched = {round(updates * share) for share in (0, *np.geomspace(1 / updates, 1, 25), *np.linspace(0, 1, 21))}  # early steps closely
    for update in range(updates + 1):
        variance = config.narrow + (config.wide - config.narrow) * max(0.0, 1 - update / (0.75 * updates))
        if update in watched:
            curve.append((update, query_scores(net, test_rng.choice(functions, (100, phases)), variance, test_rng).mean()))
            film.append((update, variance, net.theta.copy()))
            if progress:
                progress(update / updates, f"{name}: {curve[-1][1]:.1%} right")
        if update == updates:
            break
        patterns, labels, shown = make_episodes(net.bits, data_rng.choice(functions, (config.batch, phases)), data_rng)
        answers = net.forward(patterns, labels, shown, variance)
        d_answers = (np.tanh(answers * labels) - 1) * labels / ((~shown).sum() * config.batch)  # of log(1 + exp(-2 label answer))
        gradient = net.backward(np.where(shown[:, None], 0, d_answers).astype(answers.dtype))
        clip_by_global_norm(gradient, 1.0)
        optimiser.step(gradient, 0.5 + 0.5 * math.cos(math.pi * update / updates))
    return np.array(curve), film


# --- evaluation ---
def query_scores(net, functions, variance, rng):
    """functions (B, phases) -> whether each question was answered rightly (questions, B)."""
    patterns, labels, shown = make_episodes(net.bits, functions, rng)
    return (net.forward(patterns, labels, shown, variance) * labels > 0)[~shown]


def updates_to(curve, accuracy):
    """The first update from which on no measured accuracy is below the given one, or None."""
    below = np.flatnonzero(curve[:, 1] < accuracy)
    first = below[-1] + 1 if len(below) else 0
    return int(curve[first, 0]) if first < len(curve) else None


def writing_habits(net, functions, variance, rng):
    """How a net writes: strength in demonstrations and in questions, cells per write, and where the change of the matrix lies."""
    patterns, labels, shown = make_episodes(net.bits, functions, rng)
    net.forward(patterns, labels, shown, variance)
    strength = np.abs([y[:, net.delta] for _, y, *_ in net.tape]).reshape(len(shown), net.ticks, -1)
    spread = [row.sum(1) ** 2 / (row * row).sum(1) * column.sum(1) ** 2 / (column * column).sum(1) for *_, row, column in net.tape]
    changed = np.abs(net.left.swapaxes(1, 2) @ net.right).sum((0, 2))  # per row of W
    return {"write_strength_demonstrations": float(strength[shown].mean()), "write_strength_questions": float(strength[~shown].mean()),
            "cells_per_write": float(np.mean(spread)), "change_share_output_row": float(changed[0] / changed.sum()),
            "change_share_addressing_rows": float(changed[net.ana_row.start:].sum() / changed.sum())}


LESSONS = ("self-modifying", "frozen", "held-out 3 bits", "output row only", "recurrent", "modern", "held-out 2 bits", "switch", "feedback")


def run(config, progress=None):
    """-> metrics of one seed; history: of each lesson the net, its curve and its film."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    streams = {name: rngs for name, *rngs in zip(LESSONS, data_rng.spawn(9), init_rng.spawn(9), test_rng.spawn(9))}  # each measures the same alone
    splits = {bits: split_functions(bits, data_rng) for bits in (2, 3)}
    special = {"frozen": {"eta": 0.0}, "output row only": {"output_row_only": True}, "recurrent": {"eta": 0.0, "carry": True},
               "feedback": {"feedback": True, "ticks": config.feedback_ticks}}
    rates = {"recurrent": config.recurrent_rate, "modern": config.modern_rate}
    nets, curves, films, accuracy, scores = {}, {}, {}, {}, {}
    for name in LESSONS[:{"all": 9, "claim": 3, "all16": 2}[config.tasks]]:
        data, init, test = streams[name]
        bits, phases = 3 if "3" in name else 2, 2 if name == "switch" else 1
        if name == "modern":
            net = ModernNet(bits, config, init)
        else:
            own = dataclasses.replace(config, start=config.recurrent_start) if name == "recurrent" else config
            net = SelfReferentialNet(bits, own, init, **{"feedback": config.feedback, **special.get(name, {})})
        known, fresh = splits[bits] if "held" in name else (np.arange(2 ** 2 ** bits),) * 2
        curves[name], films[name] = train(name, net, known, config, config.updates_3bit if bits == 3 else config.updates, rates.get(name, config.learning_rate),
                                          (data, test), phases, progress)
        if "held" in name:  # every function equally often
            functions = np.repeat(fresh, -(-config.episodes // len(fresh)))[:, None]
        else:
            functions = test.choice(fresh, (config.episodes, phases))
        nets[name], scores[name] = net, query_scores(net, functions, config.narrow, test)
        accuracy[name] = float(scores[name].mean())
    metrics = {"all16_query_accuracy_activations_reset": accuracy["self-modifying"], "frozen_weights_query_accuracy": accuracy["frozen"],
               "self_modifying_minus_frozen": accuracy["self-modifying"] - accuracy["frozen"],
               "all16_updates_to_99_percent": updates_to(curves["self-modifying"], 0.99), "adaptive_parameters": nets["self-modifying"].theta.size}
    main, test = nets["self-modifying"], streams["self-modifying"][2]
    functions = test.choice(16, (config.episodes, 2))
    for name, value in writing_habits(main, functions[:, :1], config.narrow, test).items():
        metrics["all16_" + name] = value
    main.eta = 0.0
    metrics["all16_writing_forbidden_after_training_query_accuracy"] = float(query_scores(main, functions[:, :1], config.narrow, test).mean())
    main.eta, main.writable[main.ana_row.start:] = config.write_rate, False
    metrics["all16_addressing_rows_protected_after_training_query_accuracy"] = float(query_scores(main, functions[:, :1], config.narrow, test).mean())
    main.writable[:] = True
    if config.tasks != "all16":
        by_function = scores["held-out 3 bits"].reshape(8, len(splits[3][1]), -1).mean((0, 2))
        known = test_rng.choice(splits[3][0], (config.episodes, 1))
        metrics |= {"heldout_3bit_functions_query_accuracy": accuracy["held-out 3 bits"], "heldout_3bit_worst_function_accuracy": float(by_function.min()),
                    "heldout_3bit_first_question_accuracy": float(scores["held-out 3 bits"][0].mean()),
                    "heldout_3bit_last_question_accuracy": float(scores["held-out 3 bits"][-1].mean()),
                    "known_3bit_functions_query_accuracy": float(query_scores(nets["held-out 3 bits"], known, config.narrow, test_rng).mean()),
                    "heldout_3bit_updates_to_99_percent_on_known": updates_to(curves["held-out 3 bits"], 0.99)}
    if config.tasks == "all":
        scores["switch, never trained"] = query_scores(main, functions, config.narrow, test)
        metrics |= {"heldout_2bit_functions_query_accuracy": accuracy["held-out 2 bits"], "output_row_only_query_accuracy": accuracy["output row only"],
                    "output_row_only_updates_to_99_percent": updates_to(curves["output row only"], 0.99),
                    "recurrent_state_query_accuracy": accuracy["recurrent"], "modern_srwm_query_accuracy": accuracy["modern"],
                    "modern_srwm_updates_to_99_percent": updates_to(curves["modern"], 0.99), "modern_srwm_adaptive_parameters": nets["modern"].theta.size,
                    "eval_feedback_query_accuracy": accuracy["feedback"], "eval_feedback_updates_to_99_percent": updates_to(curves["feedback"], 0.99),
                    "switch_query_accuracy_before": float(scores["switch"][:4].mean()), "switch_query_accuracy_after": float(scores["switch"][4:].mean()),
                    "switch_never_trained_query_accuracy_after": float(scores["switch, never trained"][4:].mean())}
    return {"metrics": metrics, "history": {"nets": nets, "curves": curves, "films": films, "scores": scores, "splits": splits}}


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
