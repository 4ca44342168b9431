# SPDX-License-Identifier: Unlicense
"""predictability-min-binary-factors: code units that flee from their predictors find the independent bits behind the input.

Each unit of a code has a predictor that sees all other units and learns to guess it; each unit learns to be what its predictor does not guess. Nothing
else: no decoder, no labels. All 16 patterns of four bits end up at the 16 corners of a 4-cube. With a decoder, the same fight recovers four or eight
binary factors from noisy mixtures. Contrasts: linear predictors (decorrelation), no learning, reconstruction without the fight, ICA.

Paper: J. Schmidhuber (1992). Learning factorial codes by predictability minimization. Neural Computation 4(6):863-879.

    python3 predictability-min-binary-factors/predictability_min_binary_factors.py --seed 0
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

np.empty(31 << 20, np.uint8)  # freed at once: from then on the C library of Linux reuses freed memory instead of faulting pages in anew


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    runs: Annotated[int, "nets trained side by side on the patterns; the first one is the headline", 1, 10_000] = 20
    mixtures: Annotated[int, "random mixtures with a net each, side by side; the first is the headline", 1, 1000] = 8
    experiment_runs: Annotated[int, "runs of each of the paper's experiments, by plain gradient ascent and descent", 0, 1000] = 0
    gradient: Annotated[Literal["direct", "full"], "path of the units' gradient: away from the own prediction only, or also through the predictors of others"] = "direct"
    updates: Annotated[int, "updates of the units on patterns", 1, 1_000_000] = 400
    encoder_hidden: Annotated[int, "hidden units of the encoder of patterns", 1, 1000] = 16
    predictor_hidden: Annotated[int, "hidden units of each predictor there; 0: a linear predictor", 0, 1000] = 12
    unit_rate: Annotated[float, "Adam's learning rate of the encoder there", 1e-6, 1] = 0.01
    predictor_rate: Annotated[float, "Adam's learning rate of the predictors there", 1e-6, 1] = 0.03
    head_start: Annotated[int, "updates of the predictors there before the units begin to move", 0, 1_000_000] = 30
    mixing_updates: Annotated[int, "updates of encoder and decoder on mixtures", 1, 1_000_000] = 400
    strength: Annotated[float, "weight of the units' surprise against the reconstruction error", 0, 1000] = 2.0


PRESETS = {
    "smoke": {"runs": 3, "mixtures": 2, "updates": 20, "mixing_updates": 20, "experiment_runs": 2},
    "paper": {"experiment_runs": 10},
}
HEADLINE = {
    "u4_distinct_binary_codes_of_16_no_decoder": (">=", 16, "9 of 10 runs factorial, on-line"),
    "linear_mixing_k4_bit_accuracy": (">=", 0.999, "not done"),
    "linear_mixing_k8_bit_accuracy": (">=", 0.99, "not done"),
    "bit_accuracy_gain_over_lambda0_k4": (">=", 0.05, "not done"),
}
ROBUST = (19, 20, {"u4_distinct_binary_codes_of_16_no_decoder": (">=", 16)})
PAPER = {"u4_distinct_binary_codes_of_16_no_decoder": (">=", 16)}
MOVEMENT = {"phases": {"Coder.encode": "forward", "Coder.decode": "forward", "Predictors.predict": "forward", "Coder.gradient": "backward",
                       "Predictors.gradient": "backward", "Predictors.through": "backward", "Adam.step": "update", "Descent.step": "update",
                       "Ensemble.draw": "data", "Mixture.sample": "data", "is_factorial": "evaluation", "bit_accuracy": "evaluation"}, "step": "learn"}

# --- problem ---
# Arrays are (N, features, B): N independent nets side by side, B patterns or samples.
BINARY = {bits: (np.arange(2 ** bits) >> np.arange(bits)[:, None] & 1) * 2.0 - 1 for bits in (2, 4)}  # distributed: all patterns, coded -1 and 1
LOCAL = {count: np.eye(count) for count in (4, 8, 16)}  # one input line per pattern
SKEWED = np.array([1, 2, 2, 4]) / 9  # of four patterns: two independent bits that are 1 with probability 2/3


class Ensemble:
    """A finite set of patterns (features, n) with probabilities (n,), shown all at once or one by one as they are drawn."""

    def __init__(self, patterns, chances=None, count=1, one_by_one=False):
        self.chances = np.full(patterns.shape[1], 1 / patterns.shape[1]) if chances is None else chances
        self.all, self.one_by_one = np.repeat(patterns[None].astype(np.float32), count, 0), one_by_one

    def draw(self, rng):
        """Inputs (N, features, B) and the weight of each of the B patterns; weights sum to 1."""
        if not self.one_by_one:
            return self.all, self.chances.astype(np.float32)
        drawn = np.searchsorted(np.cumsum(self.chances)[:-1], rng.random(len(self.all)), side="right")
        return self.all[0].T[drawn][:, :, None], np.ones(1, np.float32)


class Mixture:
    """x = M b + noise: independent factors b = +-1 and a fixed matrix M with unit columns, another one for each net.

    With `bent`, x = tanh(M2 tanh(M b)) + noise.
    """
    BATCH, NOISE, filters = 128, 0.05, None

    def __init__(self, rng, count, factors, inputs, bent=False):
        columns = rng.standard_normal((count, inputs, factors + inputs), np.float32)
        columns /= np.sqrt((columns * columns).sum(1, keepdims=True))
        self.mixing, self.outer = columns[:, :, :factors], columns[:, :, factors:] if bent else None

    def sample(self, rng, size):
        """-> x (N, inputs, size), b (N, factors, size)."""
        count, inputs, factors = self.mixing.shape
        bits = 2 * rng.integers(0, 2, (count, factors, size)).astype(np.float32) - 1
        clean = self.mixing @ bits
        clean = clean if self.outer is None else np.tanh(self.outer @ np.tanh(clean))
        x = clean + self.NOISE * rng.standard_normal(clean.shape, np.float32)
        return x if self.filters is None else self.filters @ x, bits

    def draw(self, rng):
        return self.sample(rng, self.BATCH)[0], np.full(self.BATCH, 1 / self.BATCH, np.float32)

    def whitened(self, rng):
        """The same mixture, seen through its principal components at variance 1, as many as there are factors."""
        other = copy.copy(self)
        other.filters = whitening(self.sample(rng, TEST_SAMPLES)[0], self.mixing.shape[2])
        return other


# --- model ---
def logistic(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def layer(weights, below):
    """weights (N, out, in + 1), the bias last; below (N, in, B) -> net input (N, out, B)."""
    return weights[..., :-1] @ below + weights[..., -1:]


def layer_gradient(delta, below):
    """delta (N, out, B) = dE/d net input -> dE/dweights (N, out, in + 1)."""
    return np.concatenate([delta @ below.swapaxes(1, 2), delta.sum(2, keepdims=True)], 2)


def flatten(parts):
    return np.concatenate([part.reshape(len(part), -1) for part in parts], 1)


class Coder:
    """Inputs -> shared hidden units -> code units; and, if wanted, a decoder: code -> tanh units -> linear outputs.

    Code units are logistic, 0..1. Hidden units are logistic too, but stretched to -1..1, that is tanh(x / 2); so is the code for those who read it
    (2 y - 1). Centred inputs let units start in the middle of their range.
    """

    def __init__(self, rng, count, inputs, hidden, units, decoder=0, decoder_scale=1.7, dtype=np.float32):
        shapes = [(hidden, inputs + 1), (units, hidden + 1)] + [(decoder, units + 1), (inputs, decoder + 1)] * bool(decoder)
        scales = 0.7, 0.7, decoder_scale / math.sqrt(units), decoder_scale / math.sqrt(max(decoder, 1))  # largest weights
        self.theta = rng.uniform(-1, 1, (count, sum(math.prod(shape) for shape in shapes))).astype(dtype)
        self.layers = views(self.theta, *shapes)
        for weights, scale in zip(self.layers, scales):
            weights *= scale

    def encode(self, x):
        self.x, self.hidden = x, np.tanh(0.5 * layer(self.layers[0], x))
        self.code = logistic(layer(self.layers[1], self.hidden))
        return self.code

    def decode(self, code):
        self.inside = np.tanh(layer(self.layers[2], 2 * code - 1))
        return layer(self.layers[3], self.inside)

    def gradient(self, code_error, output_error=None):
        """dE/dcode (N, units, B) and, of a decoder, dE/doutput (N, inputs, B) -> dE/dtheta (N, n)."""
        parts = []
        if output_error is not None:
            inside = (self.layers[3][..., :-1].swapaxes(1, 2) @ output_error) * (1 - self.inside * self.inside)
            parts = [layer_gradient(inside, 2 * self.code - 1), layer_gradient(output_error, self.inside)]
            code_error = code_error + 2 * self.layers[2][..., :-1].swapaxes(1, 2) @ inside
        delta = code_error * self.code * (1 - self.code)
        below = (self.layers[1][..., :-1].swapaxes(1, 2) @ delta) * 0.5 * (1 - self.hidden * self.hidden)
        return flatten([layer_gradient(below, self.x), layer_gradient(delta, self.hidden), *parts])


class Predictors:
    """A net per code unit that sees all other units: hidden units as in `Coder`, a logistic output; or, with hidden = 0, a linear map."""

    def __init__(self, rng, count, units, hidden, dtype=np.float32):
        self.units, self.wide = units, max(hidden, 1)
        shapes = [(units * self.wide, units + 1)] + [(units, hidden + 1)] * bool(hidden)
        self.theta = rng.uniform(-1.5, 1.5, (count, sum(math.prod(shape) for shape in shapes))).astype(dtype)
        self.layers = views(self.theta, *shapes)
        self.seen = np.concatenate([1 - np.repeat(np.eye(units), self.wide, 0), np.ones((units * self.wide, 1))], 1).astype(dtype)
        self.layers[0] *= self.seen  # no predictor sees its own unit

    def predict(self, code):
        """code (N, units, B) -> a prediction of each unit from the others (N, units, B)."""
        self.code = 2 * code - 1
        net = layer(self.layers[0], self.code)
        if len(self.layers) == 1:
            return net
        self.hidden, outer = np.tanh(0.5 * net).reshape(len(net), self.units, self.wide, -1), self.layers[1]
        self.output = logistic((outer[:, :, :-1, None] * self.hidden).sum(2) + outer[:, :, -1:])
        return self.output

    def deltas(self, error):
        """dE/dprediction (N, units, B) -> dE/d net input of the outputs and of the first layer."""
        if len(self.layers) == 1:
            return None, error
        delta = error * self.output * (1 - self.output)
        below = self.layers[1][:, :, :-1, None] * delta[:, :, None] * 0.5 * (1 - self.hidden * self.hidden)
        return delta, below.reshape(len(below), -1, below.shape[-1])

    def gradient(self, error):
        """-> dE/dtheta (N, n)."""
        delta, below = self.deltas(error)
        parts = [layer_gradient(below, self.code) * self.seen]
        if delta is not None:
            parts.append(np.concatenate([np.einsum("nib,nihb->nih", delta, self.hidden), delta.sum(2, keepdims=True)], 2))
        return flatten(parts)

    def through(self, error):
        """-> dE/dcode (N, units, B) by way of what the predictors see."""
        return 2 * self.layers[0][..., :-1].swapaxes(1, 2) @ self.deltas(error)[1]


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


class Descent:
    """Plain gradient descent, in place."""

    def __init__(self, theta, learning_rate):
        self.theta, self.learning_rate = theta, learning_rate

    def step(self, gradient):
        self.theta -= self.learning_rate * gradient


class Recipe(NamedTuple):
    """Sizes, rates and objective of a population of nets."""
    units: int
    encoder_hidden: int
    predictor_hidden: int
    updates: int
    unit_rate: float
    predictor_rate: float
    predictor_updates: int = 3
    full: bool = False
    optimizer: type = Adam
    decoder: int = 0  # hidden units of a decoder
    decoder_scale: float = 1.7
    strength: float = 1.0  # of the fight, reached after `warmup` updates
    warmup: int = 0
    head_start: int = 0  # updates of the predictors alone, on the code of the untrained encoder
    check_every: int = 10


def surprise_slope(predictors, surprise, full):
    """dV/dcode of V = sum (y - P)^2, given surprise = y - P (N, units, B).

    The direct path moves each unit away from its prediction. The full gradient adds what a unit does to the predictions of the others.
    """
    return 2 * surprise - predictors.through(2 * surprise) if full else 2 * surprise


def learn_to_predict(predictors, optimizer, code, share, updates):
    """Down the gradient of (P - y)^2: code (N, units, B), share (B,) weighs the patterns."""
    for _ in range(updates):
        optimizer.step(predictors.gradient(2 * share * (predictors.predict(code) - code)))


def learn(coder, predictors, optimizers, x, share, recipe, strength):
    """The predictors learn to predict, then the units to be unpredictable: x (N, inputs, B), share (B,) weighs the patterns."""
    code = coder.encode(x)
    learn_to_predict(predictors, optimizers[1], code, share, recipe.predictor_updates)
    error = -strength * share * surprise_slope(predictors, code - predictors.predict(code), recipe.full)
    if recipe.decoder:  # E = mean squared reconstruction error - strength * mean squared surprise
        optimizers[0].step(coder.gradient(error / recipe.units, 2 * share / x.shape[1] * (coder.decode(code) - x)))
    else:
        optimizers[0].step(coder.gradient(error))


def train(recipe, source, watch, data_rng, init_rng):
    """Train a net for each of the N that `source` serves; `watch` (N, inputs, B) is looked at on the way.

    Returns the coder and `seen`: at every check updates, code and predictions (N, units, B), angle between direct path and full gradient (N,).
    """
    coder = Coder(init_rng, *watch.shape[:2], recipe.encoder_hidden, recipe.units, recipe.decoder, recipe.decoder_scale)
    predictors = Predictors(init_rng, len(watch), recipe.units, recipe.predictor_hidden)
    optimizers = recipe.optimizer(coder.theta, recipe.unit_rate), recipe.optimizer(predictors.theta, recipe.predictor_rate)
    if recipe.head_start:
        x, share = source.draw(data_rng)
        learn_to_predict(predictors, optimizers[1], coder.encode(x), share, recipe.head_start)
    seen = []
    for update in range(recipe.updates + 1):
        if update % recipe.check_every == 0 or update == recipe.updates:
            code = coder.encode(watch)
            guess = predictors.predict(code)
            seen.append((update, code, guess, gradient_angle(predictors, code - guess)))
        if update < recipe.updates:
            learn(coder, predictors, optimizers, *source.draw(data_rng), recipe, recipe.strength * min(1.0, (update + 1) / max(recipe.warmup, 1)))
    return coder, seen


# --- evaluation ---
TEST_SAMPLES = 4096


def binary_codes(code):
    """Distinct thresholded codes among the patterns with every activation outside [0.1, 0.9]: code (N, units, n) -> (N,)."""
    sharp = (np.abs(code - 0.5) > 0.4).all(1)
    number = ((code > 0.5) * (1 << np.arange(code.shape[1]))[:, None]).sum(1)
    return np.array([len(set(own[keep])) for own, keep in zip(number, sharp)])


def is_factorial(code, chances):
    """Is the code binary, invertible, and P(code) the product of its units' probabilities? (N, units, n), (n,) -> (N,)."""
    bits = (code > 0.5).astype(float)
    ones = (bits * chances).sum(2, keepdims=True)
    product = (bits * ones + (1 - bits) * (1 - ones)).prod(1)
    return (binary_codes(code) == code.shape[2]) & (np.abs(product - chances) < 1e-9).all(1)


def mutual_information(a, b):
    """Of bits a (N, k, B) with bits b (N, m, B), pair by pair, in nats: (N, k, m)."""
    total, a, b = 0.0, a.astype(np.float32), b.astype(np.float32)
    for u, v in ((a, b), (a, 1 - b), (1 - a, b), (1 - a, 1 - b)):
        joint, product = u @ v.swapaxes(1, 2) / a.shape[2], u.mean(2)[:, :, None] * v.mean(2)[:, None]
        total = total + joint * np.log(np.maximum(joint, 1e-9) / np.maximum(product, 1e-9))
    return total


def bit_accuracy(code, bits):
    """Part of the factors (N, K, B) booleans that units (N, K, B) booleans get right, under the best order and signs.

    Dynamic programming over the sets of factors already given away: 2^K K steps instead of K!.
    """
    agree = (code[:, :, None] == bits[:, None]).mean(3)
    agree, factors = np.maximum(agree, 1 - agree), bits.shape[1]
    best = np.zeros((len(agree), 1 << factors))
    for given in range(1, 1 << factors):
        unit = given.bit_count() - 1
        best[:, given] = np.max([best[:, given ^ 1 << j] + agree[:, unit, j] for j in range(factors) if given >> j & 1], axis=0)
    return best[:, -1] / factors


def whitening(x, keep):
    """x (N, inputs, B) -> filters (N, keep, inputs) of its largest principal components, at variance 1."""
    x = x - x.mean(2, keepdims=True)
    variance, axes = np.linalg.eigh(x @ x.swapaxes(1, 2) / x.shape[2])
    return (axes[:, :, -keep:] / np.sqrt(variance[:, None, -keep:])).swapaxes(1, 2)


def independent_components(x, factors, rng, rounds=60):
    """ICA by fixed-point steps on the kurtosis, all components at once, from x (N, inputs, B) -> filters (N, factors, inputs)."""
    white = whitening(x, factors)
    z = white @ (x - x.mean(2, keepdims=True))
    rotation = np.linalg.qr(rng.standard_normal((len(x), factors, factors)))[0].astype(x.dtype)
    for _ in range(rounds):
        outputs = rotation @ z
        left, _, right = np.linalg.svd((outputs * outputs * outputs) @ z.swapaxes(1, 2) / x.shape[2] - 3 * rotation)
        rotation = left @ right
    return rotation @ white


def gradient_angle(predictors, surprise):
    """Degrees between the direct path and the full gradient of surprise (N, units, B), right after `predict` -> (N,)."""
    direct, full = (surprise_slope(predictors, surprise, way).reshape(len(surprise), -1) for way in (False, True))
    lengths = np.sqrt((direct * direct).sum(1) * (full * full).sum(1))
    return np.degrees(np.arccos(np.clip((direct * full).sum(1) / np.maximum(lengths, 1e-30), -1, 1)))


# The paper's experiments: patterns, their probabilities if unequal, whether shown one by one; sizes are the paper's, steps and rates ours.
PLAIN = {"predictor_updates": 1, "optimizer": Descent, "check_every": 1_000_000}
EXPERIMENTS = {
    "u1": (LOCAL[4], None, False, Recipe(2, 4, 3, 4000, 0.5, 10, **PLAIN)),
    "u2": (BINARY[2], None, True, Recipe(2, 4, 2, 3000, 0.3, 1, **PLAIN)),
    "u3": (LOCAL[16], None, False, Recipe(4, 16, 3, 4000, 1, 10, **PLAIN)),
    "u4": (BINARY[4], None, True, Recipe(4, 8, 6, 4000, 0.2, 1, **PLAIN)),
    "o1": (LOCAL[4], None, False, Recipe(3, 4, 3, 4000, 3, 10, full=True, **PLAIN)),
    "o2": (LOCAL[4], None, False, Recipe(4, 4, 3, 4000, 3, 10, full=True, **PLAIN)),
    "o3": (BINARY[2], None, True, Recipe(3, 4, 2, 4000, 1, 3, full=True, **PLAIN)),
    "n1": (BINARY[2], SKEWED, False, Recipe(2, 2, 1, 2000, 3, 10, **PLAIN)),
    "n2": (BINARY[2], SKEWED, False, Recipe(3, 2, 1, 2000, 2, 10, full=True, **PLAIN)),
}


def factorial_runs(recipe, source, data_rng, init_rng):
    """How many nets end with a factorial code, and all codes (N, units, n)."""
    code = train(recipe, source, source.all, data_rng, init_rng)[1][-1][1]
    return int(is_factorial(code, source.chances).sum()), code


def study_patterns(config, data_rng, init_rng):
    """Without a decoder: U4 and its contrasts, and eight patterns in local coding. Returns metrics and history."""
    recipe = Recipe(4, config.encoder_hidden, config.predictor_hidden, config.updates, config.unit_rate, config.predictor_rate,
                    full=config.gradient == "full", head_start=config.head_start, check_every=4)
    source = Ensemble(BINARY[4], count=config.runs)
    _, seen = train(recipe, source, source.all, data_rng, init_rng)
    steps, codes, guesses, angles = (np.array(part) for part in zip(*seen))
    factorial = np.array([is_factorial(code, source.chances) for code in codes])  # (checks, N)
    since = [steps[np.flatnonzero(~own)[-1] + 1] for own in factorial.T if own[-1]]  # factorial from then on
    history = {"steps": steps, "codes": codes, "factorial": factorial, "objective": ((codes - guesses) ** 2).sum(2).mean(2), "local8": {}}
    metrics = {"u4_distinct_binary_codes_of_16_no_decoder": int(binary_codes(codes[-1])[0]), "u4_objective_of_1": float(history["objective"][-1, 0]),
               "u4_factorial_runs": int(factorial[-1].sum()), "u4_median_updates": float(np.median(since)) if since else None,
               "u4_gradient_angle_degrees": float(np.median(angles[:len(angles) // 4]))}
    # Contrasts. Units' rates: the best of 0.01, 0.02, 0.03 for the full gradient, of 0.005, 0.01, 0.02 for linear predictors.
    for name, change in (("paper_sizes", {"encoder_hidden": 8, "predictor_hidden": 6}), ("full_gradient", {"full": True, "unit_rate": 0.02}),
                         ("linear_predictors", {"predictor_hidden": 0, "unit_rate": 0.005})):
        metrics[f"u4_{name}_factorial_runs"], _ = factorial_runs(recipe._replace(**change), source, data_rng, init_rng)
    generous = codes[0] > np.median(codes[0], 2, keepdims=True)  # untrained units, cut at their medians
    metrics["u4_random_encoder_factorial_runs"] = int(is_factorial(generous.astype(float), source.chances).sum())
    source = Ensemble(LOCAL[8], count=2 * config.runs)
    for hidden, rate in ((12, 0.01), (2, 0.005), (0, 0.0025)):
        own = recipe._replace(units=3, predictor_hidden=hidden, unit_rate=rate, updates=2 * config.updates)
        metrics[f"local8_{hidden or 'no'}_hidden_factorial_runs"], history["local8"][hidden] = factorial_runs(own, source, data_rng, init_rng)
    return metrics, history


def study_mixture(name, source, config, data_rng, init_rng, test_rng):
    """With a decoder: factors from mixtures, and the same without the fight. Returns metrics, whose names begin with `name`, and history."""
    factors = source.mixing.shape[2]
    x, bits = source.sample(test_rng, TEST_SAMPLES)
    recipe = Recipe(factors, 32, 16, config.mixing_updates, 0.005, 0.01, decoder=32, strength=config.strength, warmup=200,
                    check_every=20)
    alone = recipe._replace(strength=0.0, predictor_updates=0, unit_rate=0.01)  # of 0.003, 0.01, 0.03 the rate of the best reconstructions
    arms = {"": (recipe, source), "lambda0_": (alone, source)}
    if name == "linear_mixing_k4":
        arms["lambda0_weak_decoder_"] = alone._replace(decoder_scale=0.5 * recipe.decoder_scale), source
        arms["linear_predictors_"] = recipe._replace(predictor_hidden=0, unit_rate=0.01, predictor_rate=0.03), source
        arms["no_decoder_"] = Recipe(factors, 16, 12, config.mixing_updates, 0.01, 0.03, check_every=20), source.whitened(data_rng)
    metrics, history = {}, {}
    for arm, (own, served) in arms.items():
        seen_x = x if served.filters is None else served.filters @ x
        coder, seen = train(own, served, seen_x[:, :, :512], data_rng, init_rng)
        code = coder.encode(seen_x)
        accuracy = bit_accuracy(code > 0.5, bits > 0)
        metrics[f"{name}_{arm}mean_bit_accuracy"] = float(accuracy.mean())
        history[arm] = {"steps": [check[0] for check in seen], "curve": np.array([bit_accuracy(check[1] > 0.5, bits[:, :, :512] > 0) for check in seen]),
                        "accuracy": accuracy, "units": mutual_information(code > 0.5, code > 0.5), "factors": mutual_information(code > 0.5, bits > 0)}
    found = independent_components(source.sample(data_rng, TEST_SAMPLES)[0], factors, init_rng) @ (x - x.mean(2, keepdims=True))
    different = ~np.eye(factors, dtype=bool)
    return metrics | {
        f"{name}_bit_accuracy": float(history[""]["accuracy"][0]),
        f"{name}_solved_mixtures": int((history[""]["accuracy"] >= 0.999).sum()),
        f"{name}_pairwise_mi_nats": float(history[""]["units"][0, different].mean()),
        f"{name}_ica_mean_bit_accuracy": float(bit_accuracy(found > 0, bits > 0).mean()),
    }, history


def run(config, progress=None):
    """Everything. History: what `study_patterns` and `study_mixture` return, and the codes that the paper's experiments end with."""
    streams = [rng.spawn(4 + len(EXPERIMENTS)) for rng in np.random.default_rng(config.seed).spawn(3)]  # of data, initial weights, tests
    metrics, patterns = study_patterns(config, streams[0][0], streams[1][0])
    history = {"patterns": patterns, "experiments": {}}
    for number, (name, factors, bent) in enumerate((("linear_mixing_k4", 4, False), ("linear_mixing_k8", 8, False), ("bent_mixing_k4", 4, True)), 1):
        if progress:
            progress(number / 4, name)
        data_rng, init_rng, test_rng = (stream[number] for stream in streams)
        source = Mixture(data_rng, config.mixtures, factors, 2 * factors, bent)
        measured, history[name] = study_mixture(name, source, config, data_rng, init_rng, test_rng)
        metrics.update(measured)
    arms = history["linear_mixing_k4"]
    metrics["bit_accuracy_gain_over_lambda0_k4"] = float((arms[""]["accuracy"] - arms["lambda0_"]["accuracy"]).mean())
    metrics["linear_mixing_k4_random_encoder_mean_bit_accuracy"] = float(arms[""]["curve"][0].mean())
    if config.experiment_runs:
        metrics["experiment_runs"] = config.experiment_runs
        for (name, (patterns, chances, one_by_one, recipe)), data_rng, init_rng in zip(EXPERIMENTS.items(), streams[0][4:], streams[1][4:]):
            source = Ensemble(patterns, chances, config.experiment_runs, one_by_one)
            metrics[f"paper_{name}_factorial_runs"], history["experiments"][name] = factorial_runs(recipe, source, data_rng, init_rng)
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
