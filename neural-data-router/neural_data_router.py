# SPDX-License-Identifier: Unlicense
"""neural-data-router: a Transformer that waits, trained on chains of up to 5 table lookups, does chains of 10 and more.

A value comes first, then the names of tables to look it up in, one after the other. One layer is applied again and again. Each column has
a gate, closed at first, that lets it keep what it has until its turn comes; attention takes the first column, counted from near to far, that
fits. Contrasts on the same data: the gate with usual attention, the attention without gates, two usual Transformers and an LSTM.

Paper: R. Csordas, K. Irie, J. Schmidhuber (2022). The Neural Data Router: Adaptive Control Flow in Transformers Improves Systematic Generalization. ICLR.

    python3 neural-data-router/neural_data_router.py --seed 0
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
from neural_data_router_lstm import LSTM

np.empty(31 << 20, np.uint8)  # freed at once: from then on glibc keeps freed memory, which spares page faults


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    models: Annotated[Literal["all", "ndr"], "train the neural data router alone or all contrasts as well"] = "all"
    order: Annotated[Literal["forward", "backward"], "value first and tables in the order of use, or all of it backwards"] = "forward"
    read: Annotated[Literal["last", "first"], "column in which the answer is read"] = "last"
    values: Annotated[int, "number of values", 2, 64] = 8
    tables: Annotated[int, "number of tables, each a random permutation of the values", 2, 64] = 8
    train_depth: Annotated[int, "longest chain in training, in lookups", 1, 20] = 5
    test_depth: Annotated[int, "longest chain of the main test, in lookups", 2, 40] = 10
    far_depths: Annotated[tuple[int, ...], "depths of a further test, in lookups", 1, 60] = (15, 20)
    held_out: Annotated[int, "tables that never follow directly after a given table in training", 0, 60] = 0
    width: Annotated[int, "width of the state of a column", 4, 1024] = 48
    hidden: Annotated[int, "hidden units of the feed-forward block", 4, 4096] = 96
    steps: Annotated[int, "most times that a shared layer is applied in training", 1, 60] = 10
    random_steps: Annotated[bool, "with gates: that number is drawn for each batch, from depth + 1 to `steps`"] = True
    gate_bias: Annotated[float, "initial bias of the gates; closed below 0", -20, 20] = -3.0
    gate_dropout: Annotated[float, "share of columns whose gate is kept shut at a step of training", 0, 0.9] = 0.1
    batch: Annotated[int, "sequences per update, all of one depth", 1, 10_000] = 96
    learning_rate: Annotated[float, "Adam's rate of the router; contrasts have their own", 0, 1] = 4e-3
    weight_decay: Annotated[float, "decoupled weight decay of all matrices, in units of the rate", 0, 10] = 0.01
    updates: Annotated[int, "updates at most until every depth of training is at 95 %", 1, 1_000_000] = 5000
    cooldown: Annotated[int, "updates after that at least, in which the rate falls to 0", 1, 1_000_000] = 1200
    least_updates: Annotated[int, "updates at least, cooldown included", 1, 1_000_000] = 3000
    evaluate_every: Annotated[int, "updates between two checks of mastery", 1, 100_000] = 50
    test_sequences: Annotated[int, "test sequences per depth", 1, 100_000] = 1000

    def __post_init__(self):
        if not self.train_depth < self.test_depth:
            raise ValueError("argument --test-depth: the test must go beyond the depth of training")
        if self.steps <= self.train_depth:
            raise ValueError("argument --steps: more than --train-depth are needed")
        if self.held_out >= self.tables:
            raise ValueError("argument --held-out: some table must be allowed to follow")


PRESETS = {
    "smoke": {"values": 3, "tables": 3, "train_depth": 2, "test_depth": 3, "far_depths": (4,), "held_out": 1, "width": 8, "hidden": 8, "steps": 4,
              "batch": 16, "updates": 4, "cooldown": 4, "least_updates": 4, "evaluate_every": 4, "test_sequences": 20},
    "paper": {"models": "ndr", "tables": 9, "width": 128, "hidden": 256, "steps": 14, "random_steps": False, "learning_rate": 1e-3,
              "least_updates": 6000},
}
HEADLINE = {
    "ndr_accuracy_depth_6_to_10": (">=", 0.99, "1.00 (test depth 9-10)"),
    "ndr_accuracy_depth_10": (">=", 0.97, "1.00"),
    "best_vanilla_accuracy_depth_6_to_10": ("<=", 0.35, "about 0.13"),
}
ROBUST = (8, 10, {"ndr_accuracy_depth_6_to_10": (">=", 0.99)})
PAPER = {"ndr_accuracy_depth_10": (">=", 0.99)}
MOVEMENT = {"phases": {"make_batch": "data", "Transformer.forward": "forward", "Transformer.backward": "backward", "Recurrent.forward": "forward",
                       "Recurrent.backward": "backward", "Adam.step": "update", "evaluate": "evaluation"},
            "step": "Adam.step", "algorithms": {"train": "{name}"}, "examples": ("batch",)}
READY, MASTERY = 0.95, 0.99  # accuracies on every depth of training from which on the rate falls, and that count as mastery
CHECKED = 128  # sequences per depth of training that decide on mastery; a quarter of that for other depths, where they are only noted
# attention, gates, positions, different layers (1: one shared), learning rate (None: the router's), beta2
RECIPES = {
    "ndr": ("geometric", True, "none", 1, None, 0.999),
    "gate_only": ("softmax", True, "relative", 1, 3e-3, 0.98),
    "geometry_only": ("geometric", False, "none", 6, 3e-3, 0.98),
    "vanilla_relative": ("softmax", False, "relative", 6, 3e-3, 0.98),
    "vanilla_sinusoidal": ("softmax", False, "sinusoidal", 6, 2e-3, 0.98),
    "lstm": ("", False, "none", 1, 5e-3, 0.98),
}

# --- problem ---
def make_batch(rng, tables, depth, count, follows, order="forward"):
    """Chains of `depth` lookups that start from random values.

    tables (F, V): row f is a permutation of the values. follows (F, F): may table g come directly after f? Symbols are the values 0..V-1 and the
    tables V..V+F-1. -> symbols (depth + 1, count): the value, then the tables in the order of use, or backwards; answers (count,).
    """
    names, size = tables.shape
    start = rng.integers(size, size=count)
    chain = [rng.integers(names, size=count)]
    for _ in range(depth - 1):
        chain.append((follows[chain[-1]] * (1 - rng.random((count, names)))).argmax(1))  # uniform over those that may follow
    answers = start
    for table in chain:
        answers = tables[table, answers]
    symbols = np.stack([start, *(size + table for table in chain)])
    return (symbols if order == "forward" else symbols[::-1]), answers


# --- model ---
def scan_masks(length, dtype):
    """The order in which query i looks at the other columns: nearer first, the right neighbour before the left one, never itself.

    -> before (L, L, L): 1 if i looks at k before j; right, left, other (L, 1, L): 1 if j > i, j < i, j is not i.
    """
    i, j = np.arange(length)[:, None], np.arange(length)
    rank = np.where(i == j, 2 * length, 2 * np.abs(i - j) - (j > i))
    masks = rank[:, :, None] < rank[:, None, :], (j > i)[:, None], (j < i)[:, None], (j != i)[:, None]
    return [mask.astype(dtype) for mask in masks]


def geometric_attention(logits, before, other):
    """A_ij = P_ij * product over all k that i looks at before j of (1 - P_ik), P = sigmoid(logits): take the first that fits. (L, B, L) -> A, P"""
    log_p = np.minimum(logits, 0) - np.log1p(np.exp(-np.abs(logits)))
    return np.exp(log_p + (log_p - logits) @ before) * other, np.exp(log_p)  # log(1 - P) = log P - logit


def geometric_backward(d_weights, weights, p, before):
    """dE/dA -> dE/dlogits. log A_ij grows by 1 - P_ij with its own logit and falls by P_ik with the logit of a k before j."""
    slope = d_weights * weights
    return slope * (1 - p) - p * (slope @ before.swapaxes(1, 2))


def normalise(x):
    """Layer norm without gain and bias: each column of x (d, N) gets mean 0 and variance 1 -> the same shape, 1 / standard deviation (1, N)."""
    x = x - x.mean(0, keepdims=True)
    inverse = 1 / np.sqrt((x * x).mean(0, keepdims=True) + 1e-5)
    return x * inverse, inverse


def normalise_backward(d_out, out, inverse):
    return inverse * (d_out - d_out.mean(0, keepdims=True) - out * (d_out * out).mean(0, keepdims=True))


def sinusoids(positions, width, longest, dtype):
    """Sines and cosines of the positions (...,) at wavelengths from 2 pi to 2 pi `longest` -> (..., width)."""
    k = np.arange(width)
    angle = np.asarray(positions)[..., None] / longest ** (2 * (k // 2) / width)
    return np.where(k % 2 == 0, np.sin(angle), np.cos(angle)).astype(dtype)


def accumulate(slopes, name, delta, x):
    """Add the gradient of W x + b, with dE/d(W x + b) = delta, to those of the matrix and of its bias."""
    slopes[name] += delta @ x.T
    slopes[name + "_bias"] += delta.sum(1, keepdims=True)


class Transformer:
    """Columns of states that look at each other, `steps` times. N = L B columns: L positions of B sequences; states are (d, N).

    With gates (the paper's layer):                      without (a usual layer, normalised before each block):
        net = norm(h + W_o A V)                              s = h + W_o A V,  with A and V from norm(h)
        u   = norm(W_2 relu(W_1 net)) * gain + bias          h <- s + W_2 relu(W_1 norm(s))
        g   = sigmoid(W_g relu(W_r net) + b_g)
        h  <- (1 - g) h + g u

    Attention logits are (q_i + c) k_j / sqrt(d), plus (q_i + c') W_s s(i - j) / sqrt(d) for relative positions (s: sinusoids), plus a_i for j > i
    or b_i for j < i in geometric attention: (a, b) = W_p h_i + b_p is the column's preference for a side. Sinusoids are added to the
    first states for absolute positions. Step t uses layer t modulo `layers`.
    """

    def __init__(self, config, recipe, rng, dtype=np.float32):
        self.attention, self.gated, self.positions, self.layers = recipe[:4]
        self.config, self.dtype, self.masks = config, dtype, {}
        d, ff, gate = config.width, config.hidden, config.width * self.gated
        shifts = d * (self.positions == "relative")
        each = {"into": (d, 3 * d + 2), "into_bias": (d + 2,), "out": (d, d), "first": (ff + gate, d), "first_bias": (ff + gate, 1),
                "second": (d, ff), "second_bias": (d, 1), "gate": (gate, gate), "gate_bias": (gate, 1), "gain": (gate, 1), "bias": (gate, 1),
                "shift": (shifts, shifts), "shift_bias": (shifts,)}
        once = {"embedding": (d, config.values + config.tables), "readout": (config.values, d), "readout_bias": (config.values, 1)}
        shapes = [*((self.layers, *shape) for shape in each.values()), *once.values()]
        self.theta, self.gradient, self.decays = np.zeros((3, sum(map(math.prod, shapes))), dtype)
        parts, slopes, decays = (dict(zip([*each, *once], views(flat, *shapes))) for flat in (self.theta, self.gradient, self.decays))
        fans = {"into": 2 * d, "out": 2 * d, "first": d + ff, "second": d + ff, "gate": 2 * d, "shift": 2 * d, "readout": d + config.values}
        for name, fan in fans.items():  # Glorot's bounds, larger around relu
            parts[name][...] = rng.uniform(-1, 1, parts[name].shape) * math.sqrt((12 if name in ("first", "second") else 6) / fan)
            decays[name][...] = 1
            if name in ("out", "second") and not self.gated:
                parts[name] *= (2 * self.layers) ** -0.5  # the sum of all blocks starts small
        parts["embedding"][...] = rng.standard_normal(parts["embedding"].shape)
        parts["gain"][...] = 1
        parts["gate_bias"][...] = config.gate_bias
        self.once, self.d_once = ({name: group[name] for name in once} for group in (parts, slopes))
        self.each, self.d_each = ([{name: group[name][n] for name in each} for n in range(self.layers)] for group in (parts, slopes))

    def prepare(self, length):
        """Masks and sinusoids for sequences of this length, made once."""
        if length not in self.masks:
            distance = np.arange(length)[:, None] - np.arange(length)
            self.masks[length] = (*scan_masks(length, self.dtype), sinusoids(distance, self.config.width, 1e4, self.dtype),
                                  3 * sinusoids(np.arange(length), self.config.width, 30.0, self.dtype))  # short sequences: 1e4 would leave most features constant
        return self.masks[length]

    def forward(self, symbols, steps, rng=None, keep=True):
        """symbols (L, B) -> scores of the values (V, B). With `rng` gates are dropped, as in training; `keep` what the way back needs."""
        self.symbols, (length, count), d = symbols, symbols.shape, self.config.width
        h = self.once["embedding"][:, symbols]
        if self.positions == "sinusoidal":
            h = h + self.prepare(length)[5].T[:, :, None]
        h = h.reshape(d, -1)
        self.tape = []
        for t in range(steps):
            h, kept = self.layer_forward(self.each[t % self.layers], h, rng)
            self.tape += [kept] if keep else []
        self.states = h.reshape(d, length, count)
        return self.read_out(self.states[:, -1 if self.config.read == "last" else 0])

    def read_out(self, states):
        """States (d, ...) -> scores of the values."""
        self.top, self.top_inverse = (states, None) if self.gated else normalise(states)
        return self.once["readout"] @ self.top + self.once["readout_bias"]

    def layer_forward(self, p, h, rng):
        """One step of one layer: parameters by name, states (d, N) -> new states, everything that the way back needs."""
        (length, count), d, ff = self.symbols.shape, self.config.width, self.config.hidden
        before, right, left, other, shifts, _ = self.prepare(length)
        x, x_inverse = (h, None) if self.gated else normalise(h)
        z = x.T @ p["into"]  # rows [query | side preference | key | value], (N, 3 d + 2)
        z[:, :d + 2] += p["into_bias"]
        z = z.reshape(length, count, -1)
        q, side, k, v = z[..., :d], z[..., d:d + 2], z[..., d + 2:2 * d + 2], z[..., 2 * d + 2:]
        logits = (q.transpose(1, 0, 2) @ k.transpose(1, 2, 0)).transpose(1, 0, 2)
        shifted = None
        if self.positions == "relative":
            shifted = shifts @ p["shift"]  # (L, L, d)
            logits = logits + (q + p["shift_bias"]) @ shifted.swapaxes(1, 2)
        logits = logits * (1 / math.sqrt(d))
        if self.attention == "geometric":
            weights, fits = geometric_attention(logits + side[..., :1] * right + side[..., 1:] * left, before, other)
        else:
            weights, fits = np.exp(logits - logits.max(-1, keepdims=True)), None
            weights = weights / weights.sum(-1, keepdims=True)
        context = (weights.transpose(1, 0, 2) @ v.transpose(1, 0, 2)).transpose(1, 0, 2).reshape(-1, d)
        net, net_inverse = normalise(s := h + p["out"] @ context.T)
        hidden = np.maximum(p["first"] @ net + p["first_bias"], 0)  # of the feed-forward block, then of the gate
        f = p["second"] @ hidden[:ff] + p["second_bias"]
        new, gating = s + f, None
        if self.gated:
            u, u_inverse = normalise(f)
            change = u * p["gain"] + p["bias"] - h
            gate = 0.5 + 0.5 * np.tanh(0.5 * (p["gate"] @ hidden[ff:] + p["gate_bias"]))
            opened = gate if rng is None else gate * (rng.random((1, h.shape[1])) >= self.config.gate_dropout).astype(h.dtype)
            new, gating = h + opened * change, (u, u_inverse, change, gate, opened)
        return new, (p, x, x_inverse, q, k, v, shifted, weights, fits, context, net, net_inverse, hidden, gating)

    def backward(self, d_scores):
        """dE/dscores (V, B) -> self.gradient, back through all steps."""
        self.gradient[:] = 0
        accumulate(self.d_once, "readout", d_scores, self.top)
        d_top = self.once["readout"].T @ d_scores
        if not self.gated:
            d_top = normalise_backward(d_top, self.top, self.top_inverse)
        dh = np.zeros_like(self.states)
        dh[:, -1 if self.config.read == "last" else 0] = d_top
        dh = dh.reshape(len(dh), -1)
        for t in reversed(range(len(self.tape))):
            dh = self.layer_backward(self.d_each[t % self.layers], dh, *self.tape[t])
        self.d_once["embedding"] += dh @ np.eye(self.once["embedding"].shape[1], dtype=self.dtype)[self.symbols.ravel()]

    def layer_backward(self, g, d_new, p, x, x_inverse, q, k, v, shifted, weights, fits, context, net, net_inverse, hidden, gating):
        """dE/d new states (d, N) -> dE/d old states; adds to the gradients g, by name."""
        (length, count), d, ff = self.symbols.shape, self.config.width, self.config.hidden
        before, right, left, _, shifts, _ = self.prepare(length)
        d_hidden, df = np.empty_like(hidden), d_new
        if self.gated:
            u, u_inverse, change, gate, opened = gating
            du = d_new * opened
            dh = d_new - du
            d_gate = d_new * change * opened * (1 - gate)  # a dropped gate has opened = 0
            accumulate(g, "gate", d_gate, hidden[ff:])
            d_hidden[ff:] = p["gate"].T @ d_gate
            g["gain"] += (du * u).sum(1, keepdims=True)
            g["bias"] += du.sum(1, keepdims=True)
            df = normalise_backward(du * p["gain"], u, u_inverse)
        accumulate(g, "second", df, hidden[:ff])
        d_hidden[:ff] = p["second"].T @ df
        d_hidden *= hidden > 0
        accumulate(g, "first", d_hidden, net)
        ds = normalise_backward(p["first"].T @ d_hidden, net, net_inverse)
        dh = dh + ds if self.gated else (ds := ds + d_new)
        g["out"] += ds @ context
        d_context = (ds.T @ p["out"]).reshape(length, count, d)
        d_weights = (d_context.transpose(1, 0, 2) @ v.transpose(1, 2, 0)).transpose(1, 0, 2)
        dz = np.zeros((length, count, 3 * d + 2), self.dtype)
        if self.attention == "geometric":
            d_logits = geometric_backward(d_weights, weights, fits, before)
            dz[..., d], dz[..., d + 1] = (d_logits * right).sum(-1), (d_logits * left).sum(-1)
        else:
            slope = d_weights * weights
            d_logits = slope - weights * slope.sum(-1, keepdims=True)
        d_logits = d_logits * (1 / math.sqrt(d))
        dz[..., :d] = (d_logits.transpose(1, 0, 2) @ k.transpose(1, 0, 2)).transpose(1, 0, 2)
        dz[..., d + 2:2 * d + 2] = (d_logits.transpose(1, 2, 0) @ q.transpose(1, 0, 2)).transpose(1, 0, 2)
        dz[..., 2 * d + 2:] = (weights.transpose(1, 2, 0) @ d_context.transpose(1, 0, 2)).transpose(1, 0, 2)
        if shifted is not None:
            from_shifts = d_logits @ shifted
            dz[..., :d] += from_shifts
            g["shift_bias"] += from_shifts.sum((0, 1))
            g["shift"] += shifts.reshape(-1, d).T @ (d_logits.swapaxes(1, 2) @ (q + p["shift_bias"])).reshape(-1, d)
        dz = dz.reshape(-1, 3 * d + 2)
        g["into"] += x @ dz
        g["into_bias"] += dz[:, :d + 2].sum(0)
        dx = p["into"] @ dz.T
        return dh + (dx if self.gated else normalise_backward(dx, x, x_inverse))

    def trace(self, symbols, steps):
        """What happens to one sequence (L,): mean openness of the gates (steps, L), values decoded in each column (steps, L), attention (steps, L, L)."""
        self.forward(symbols[:, None], steps)
        opened = np.array([kept[-1][-1].mean(0) for kept in self.tape])
        attention = np.array([kept[7][:, 0] for kept in self.tape])
        states = [kept[1] for kept in self.tape[1:]] + [self.states[:, :, 0]]
        return opened, np.array([self.read_out(state).argmax(0) for state in states]), attention


def step_count(model, depth, rng=None):
    """How often layers are applied. With gates: in training (`rng`) from depth + 1 to config.steps, in tests two more than lookups or config.steps."""
    if not model.gated:
        return model.layers
    if rng is not None and model.config.random_steps:
        return int(rng.integers(depth + 1, model.config.steps + 1))
    return max(model.config.steps, depth + 2)


class Recurrent:
    """LSTM that reads the symbols one after the other; the answer is read after the last one."""

    def __init__(self, config, rng, dtype=np.float32):
        self.config, self.gated, self.layers, self.dtype = config, False, 1, dtype
        self.inputs, self.hidden = config.values + config.tables, config.hidden
        shapes = (4 * self.hidden, self.hidden + self.inputs + 1), (config.values, self.hidden), (config.values, 1)
        self.theta, self.gradient, self.decays = np.zeros((3, sum(map(math.prod, shapes))), dtype)
        self.weights, self.readout, self.bias = views(self.theta, *shapes)
        self.d_weights, self.d_readout, self.d_bias = views(self.gradient, *shapes)
        self.theta[:] = rng.uniform(-1, 1, len(self.theta)) / math.sqrt(self.hidden)
        self.weights[LSTM(1, self.inputs, self.hidden, 1).forget_gates, -1] = 1

    def forward(self, symbols, steps=None, rng=None, keep=True):
        """symbols (L, B) -> scores of the values (V, B)."""
        self.layer = LSTM(len(symbols), self.inputs, self.hidden, symbols.shape[1], dtype=self.dtype)
        self.h = self.layer.forward(self.weights, np.eye(self.inputs, dtype=self.dtype)[symbols].swapaxes(1, 2))
        return self.readout @ self.h[-1] + self.bias

    def backward(self, d_scores):
        dh = np.zeros_like(self.h)
        dh[-1] = self.readout.T @ d_scores
        self.d_readout[...] = d_scores @ self.h[-1].T
        self.d_bias[...] = d_scores.sum(1, keepdims=True)
        self.d_weights[...] = self.layer.gradient(self.weights, dh)


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


# --- learning ---
def cross_entropy(scores, answers):
    """scores (V, B), answers (B,) -> mean of -log p(answer), its slope (V, B)."""
    p = np.exp(scores - scores.max(0))
    p /= p.sum(0)
    places = answers, np.arange(len(answers))
    loss = -float(np.log(p[places] + 1e-9).mean())
    p[places] -= 1
    return loss, p * (1 / len(answers))


def build(name, config, rng, dtype=np.float32):
    return Recurrent(config, rng, dtype) if name == "lstm" else Transformer(config, RECIPES[name], rng, dtype)


def train(name, model, tables, follows, rng, checks, shown):
    """Adam until every depth of training is nearly mastered, then on with a rate that falls to zero: `cooldown`, or up to `least_updates`.

    checks {depth: (symbols, answers)}: those up to train_depth decide on mastery, the others are only noted. -> history: mastered (None: not),
    losses of all updates, curve [(update, accuracy of each depth in checks)], film [(update, trace of the sequence `shown`)] of the router.
    """
    config, rate, beta2 = model.config, RECIPES[name][4] or model.config.learning_rate, RECIPES[name][5]
    optimiser = Adam(model.theta, rate, beta2=beta2)
    found = {"mastered": None, "losses": [], "curve": [], "film": []}
    update, start, end = 0, config.updates, config.updates + config.cooldown  # the rate falls from start to end
    while update < end:
        if update % config.evaluate_every == 0:
            found["curve"].append((update, [evaluate(model, *check) for check in checks.values()]))
            if name == "ndr":
                found["film"].append((update, model.trace(shown, step_count(model, len(shown) - 1))))
            worst = min(found["curve"][-1][1][:config.train_depth])
            if found["mastered"] is None and worst >= MASTERY:
                found["mastered"] = update
            if worst >= READY and update < start:
                start, end = update, max(update + config.cooldown, config.least_updates)
        depth = int(rng.integers(1, config.train_depth + 1))
        symbols, answers = make_batch(rng, tables, depth, config.batch, follows, config.order)
        loss, d_scores = cross_entropy(model.forward(symbols, step_count(model, depth, rng), rng), answers)
        model.backward(d_scores)
        clip_by_global_norm(model.gradient, 1.0)
        scale = min(1.0, (update + 1) / 100, (end - update) / (end - start))
        model.theta *= 1 - rate * scale * config.weight_decay * model.decays
        optimiser.step(model.gradient, scale)
        found["losses"].append(loss)
        update += 1
    return found


# --- evaluation ---
def evaluate(model, symbols, answers, steps=None):
    """Share of right answers after `steps`, or as many as `step_count` says."""
    return float((model.forward(symbols, steps or step_count(model, len(symbols) - 1), keep=False).argmax(0) == answers).mean())


def run(config, progress=None):
    """-> metrics of one seed, and the history that the pictures need."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    tables = np.array([data_rng.permutation(config.values) for _ in range(config.tables)])
    follows, anything = np.ones((2, config.tables, config.tables), bool)
    for row in follows:
        row[data_rng.choice(config.tables, config.held_out, replace=False)] = False
    trained, tested = range(1, config.train_depth + 1), range(1, config.test_depth + 1)
    checks = {depth: make_batch(data_rng, tables, depth, CHECKED, follows, config.order) for depth in trained}
    checks |= {depth: make_batch(data_rng, tables, depth, CHECKED // 4, anything, config.order) for depth in tested[config.train_depth:]}
    tests = {depth: make_batch(test_rng, tables, depth, config.test_sequences, anything, config.order) for depth in (*tested, *config.far_depths)}
    shown = tests[config.test_depth][0][:, 0]
    seen, beyond = f"accuracy_depth_1_to_{config.train_depth}", f"accuracy_depth_{config.train_depth + 1}_to_{config.test_depth}"
    metrics, history, models = {}, {"tables": tables, "shown": shown, "runs": {}, "by_depth": {}}, {}
    for name in RECIPES if config.models == "all" else ("ndr",):
        model = models[name] = build(name, config, init_rng)
        if name == "ndr":
            metrics["untrained_" + beyond] = float(np.mean([evaluate(model, *tests[depth]) for depth in tested[config.train_depth:]]))
        found = history["runs"][name] = train(name, model, tables, follows, data_rng, checks, shown)
        by_depth = history["by_depth"][name] = {depth: evaluate(model, *test) for depth, test in tests.items()}
        metrics[f"{name}_{seen}"] = float(np.mean([by_depth[depth] for depth in trained]))
        metrics[f"{name}_{beyond}"] = float(np.mean([by_depth[depth] for depth in tested[config.train_depth:]]))
        for depth in (config.test_depth, *config.far_depths):
            metrics[f"{name}_accuracy_depth_{depth}"] = by_depth[depth]
        metrics[f"{name}_updates_to_mastery"] = found["mastered"]
        if progress:
            progress(len(models) / len(RECIPES), f"{name}: {metrics[f'{name}_{beyond}']:.3f} beyond the depths of training")
    if config.models == "all":
        metrics["best_vanilla_" + beyond] = max(metrics[f"{name}_{beyond}"] for name in ("vanilla_relative", "vanilla_sinusoidal"))
    router = models["ndr"]
    metrics["chance_accuracy"] = 1 / config.values
    metrics[f"ndr_accuracy_depth_{config.test_depth}_at_40_steps"] = evaluate(router, *tests[config.test_depth], steps=40)
    if config.held_out:
        new = [make_batch(test_rng, tables, depth, config.test_sequences, ~follows, config.order) for depth in trained[1:]]
        metrics[f"ndr_held_out_accuracy_depth_2_to_{config.train_depth}"] = float(np.mean([evaluate(router, *test) for test in new]))
    history["by_steps"] = {depth: [evaluate(router, *(part[..., :200] for part in tests[depth]), steps=steps) for steps in range(1, 25)] for depth in tested}
    history["trace"] = router.trace(shown, step_count(router, config.test_depth))
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
