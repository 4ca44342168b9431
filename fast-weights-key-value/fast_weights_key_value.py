# SPDX-License-Identifier: Unlicense
"""fast-weights-key-value: a slow net learns to write what it must remember into the weights of a fast net.

Three tasks. "parking" is the paper's: an endless stream, two feedforward nets, and the question "where is my car?", learned online by
forward sensitivities. In "continuous" and "discrete" many names are bound to many values at once: the slow net programs keys (FROM) and
values (TO), the fast net stores the sum of their outer products, or what the delta rule makes of them.

Paper: J. Schmidhuber (1992). Learning to control fast-weight memories: an alternative to dynamic recurrent networks. Neural Computation 4(1):131-139.

    python3 fast-weights-key-value/fast_weights_key_value.py --seed 0
"""
import argparse
import dataclasses
import json
import math
import os
import sys
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal, get_args, get_origin

for library in ("OPENBLAS", "MKL", "VECLIB"):  # one thread: faster on small arrays, and sums keep their order
    os.environ.setdefault(library + ("_MAXIMUM_THREADS" if library == "VECLIB" else "_NUM_THREADS"), "1")
import numpy as np


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    task: Annotated[Literal["all", "parking", "continuous", "discrete"], "which of the three tasks to run"] = "all"
    nets: Annotated[int, "parking: independent nets per learner, each on a stream of its own", 1, 10_000] = 200
    steps: Annotated[int, "parking: steps of online learning", 100, 10_000_000] = 20_000
    test_steps: Annotated[int, "parking: steps of each test with frozen slow weights", 100, 1_000_000] = 10_000
    ask: Annotated[float, "parking: probability of being asked, per step of a parked car", 0.01, 1] = 1.0
    sharpness: Annotated[float, "parking: T in the law of the fast weights", 1, 100] = 10.0
    eq4_rate: Annotated[float, "parking: learning rate, one output of the slow net per fast weight", 0] = 0.07
    fromto_rate: Annotated[float, "parking: learning rate, FROM and TO outputs", 0] = 0.04
    from_start: Annotated[float, "parking: centre of the initial FROM weights", -10, 10] = 1.0
    paper_recipe: Annotated[bool, "parking: both interfaces also with learning rate 0.02 and all initial weights within 0.1"] = False
    recurrent_rate: Annotated[float, "parking: learning rate of the recurrent net", 0] = 3.0
    recurrent_units: Annotated[int, "parking: units of the recurrent net", 3, 50] = 3
    pairs: Annotated[int, "continuous: pairs per training episode", 2, 16] = 5
    width: Annotated[int, "continuous and discrete: tanh units in the programmer", 1, 4096] = 64
    gain: Annotated[float, "continuous and discrete: scale of the first layer's initial weights", 0] = 4.0
    updates: Annotated[int, "continuous: Adam updates per programmer", 10, 1_000_000] = 1500
    batch: Annotated[int, "continuous: episodes per update", 1, 100_000] = 128
    learning_rate: Annotated[float, "continuous and discrete: Adam's rate, a fifth of it after 60% of the updates", 0] = 1e-2
    discrete_updates: Annotated[int, "discrete: Adam updates per programmer", 10, 1_000_000] = 500
    discrete_batch: Annotated[int, "discrete: episodes per update", 1, 100_000] = 32
    test_episodes: Annotated[int, "continuous and discrete: fresh episodes per test", 1, 1_000_000] = 2000


PRESETS = {
    "smoke": {"paper_recipe": True, "nets": 5, "steps": 300, "test_steps": 200, "updates": 40, "discrete_updates": 40, "test_episodes": 100},
    "paper": {"task": "parking", "paper_recipe": True, "steps": 60_000},
}
HEADLINE = {
    "parking_eq4_solved_fraction_20000_steps": (">=", 0.75, "solved (about 6000 steps, uncertain)"),
    "continuous_keys_mean_cosine_sum_rule_n5": (">=", 0.94, "n/a"),
    "continuous_keys_mean_cosine_delta_rule_n5": (">=", 0.96, "n/a"),
    "discrete_binding_bit_accuracy_n8": (">=", 1.0, "n/a"),
}
ROBUST = (10, 10, {"continuous_keys_mean_cosine_sum_rule_n5": (">=", 0.94)})
PAPER = {"parking_eq4_solved_fraction_20000_steps": (">=", 0.75)}
MOVEMENT = {
    "phases": {"ParkingLots.step": "data", "continuous_episodes": "data", "discrete_episodes": "data", "FastWeights.observe": "forward",
               "FastWeights.learn": "update", "RecurrentNet.observe": "forward", "RecurrentNet.learn": "update", "Programmer.keys": "forward",
               "write_and_read": "forward", "write_and_read_backward": "backward", "Programmer.backward": "backward", "Adam.step": "update",
               "cosines": "evaluation", "bit_accuracy": "evaluation", "Snapshots.__call__": "evaluation"},
    "step": "Adam.step",
    "algorithms": {"FastWeights.observe": ("fast weights, {self.slow.shape[0]} rows, learning {learning}", "FastWeights.observe"),
                   "FastWeights.learn": ("fast weights, {self.slow.shape[0]} rows, learning True", "FastWeights.observe"),
                   "RecurrentNet.observe": ("recurrent net, learning {learning}", "RecurrentNet.observe"), "RecurrentNet.learn": ("recurrent net, learning True", "RecurrentNet.observe"),
                   "train_programmer": "programmer, {rule} rule, {programmer.parameters.size} weights"},
    "criterion": {"fast weights, 3 rows, learning True": ("parking_eq4_median_steps_to_solve", "steps"),
                  "fast weights, 4 rows, learning True": ("parking_fromto_median_steps_to_solve", "steps"), "recurrent net, learning True": ("parking_rtrl_median_steps_to_solve", "steps")},
}

# --- problem ---
class ParkingLots:
    """Endless streams, one per net: drive (each step may end it, probability 1/4), park in one of three slots, do business, leave, ...

    The slow net sees three slot detectors, on for the one step in which the car is parked, and three random bits.
    """
    def __init__(self, nets, rng, ask=1.0, leave=0.25):
        self.rng, self.ask, self.leave = rng, ask, leave
        self.parked, self.slot = np.zeros(nets, bool), np.zeros(nets, int)

    def step(self):
        """-> inputs (6, nets), right answers (3, nets) and whether they are asked for (nets,): while parked, but not on arrival."""
        moves, asks, place, *noise = self.rng.random((6, len(self.slot)))
        arrives = ~self.parked & (moves < 0.25)
        stays = self.parked & (moves >= self.leave)
        self.slot = np.where(arrives, (3 * place).astype(int), self.slot)
        self.parked = arrives | stays
        answer = np.arange(3)[:, None] == self.slot
        inputs = np.concatenate([answer & arrives, np.less(noise, 0.5)], dtype=float)
        return inputs, answer.astype(float), stays & (asks < self.ask)


def continuous_episodes(count, pairs, common, rng):
    """Names b + 0.4 n / sqrt(d) that all point nearly the same way, values N(0, 1 / d) -> names, values (count, pairs, d), asked (all)."""
    noise, values = rng.standard_normal((2, count, pairs, len(common)), np.float32) / np.float32(math.sqrt(len(common)))
    return common + np.float32(0.4) * noise, values, np.ones((count, pairs, 1), np.float32)


def discrete_episodes(count, bound, rebound, codes, rng):
    """`bound` of the names that have these codes (names, d) get values in {-1, 1}^d in random order, `rebound` of them a second time.

    -> names, values (count, bound + rebound, d), asked (count, bound + rebound, 1): each name is asked once, for its last value.
    """
    chosen = rng.permuted(np.tile(np.arange(len(codes)), (count, 1)), axis=1)[:, :bound]
    sequence = rng.permuted(np.concatenate([chosen, chosen[:, :rebound]], axis=1), axis=1)
    comes_again = np.triu(sequence[:, :, None] == sequence[:, None], 1).any(2)
    values = 2 * rng.integers(2, size=(*sequence.shape, codes.shape[1])) - 1
    return codes[sequence], values.astype(np.float32), (~comes_again[..., None]).astype(np.float32)


# --- model ---
class FastWeights:
    """A linear slow net S (rows, 6, nets) without hidden units writes the three weights of the fast net: its answer and only memory.

        w_b(t) = sigma(T (w_b(t-1) + push_b(t) - 1/2))         a bit that holds itself: fixed points 0.007, 1/2 (unstable) and 0.993
        push_b = s_b                 eq. 4, 3 rows: one output of S per fast weight
        push_b = s_FROM s_TO,b       eq. 5, 1 + 3 rows: an outer product, FROM the one input of the fast net TO its three outputs
    """
    def __init__(self, slow, rate, sharpness):
        self.slow, self.rate, self.sharpness = slow, rate, sharpness
        self.answer = np.zeros((3, slow.shape[-1]))
        self.traces = np.zeros((len(slow) - 2, 3, *slow.shape[1:]))  # dw_b / d(row b of S) comes last, dw_b / d(FROM row) first

    def observe(self, inputs, learning=True):
        """w(t-1) -> w(t) and, if it learns, p(t) = T w (1 - w) (p(t-1) + dpush(t) / dS): exact, and forward in time; inputs (6, nets)."""
        outputs = (self.slow * inputs).sum(1)
        push = outputs if len(self.slow) == 3 else outputs[0] * outputs[1:]
        self.answer = 0.5 + 0.5 * np.tanh(self.sharpness / 2 * (self.answer + push - 0.5))
        if learning:
            if len(self.slow) == 3:
                self.traces[0] += inputs
            else:
                self.traces[0] += outputs[1:, None] * inputs
                self.traces[1] += outputs[0] * inputs
            self.traces *= (self.sharpness * self.answer * (1 - self.answer))[:, None]

    def learn(self, error):
        """One step down the gradient of |error|^2 / 2, error (3, nets) = right answers - answer, 0 where nothing is asked."""
        self.slow[-3:] += self.rate * error[:, None] * self.traces[-1]
        if len(self.slow) == 4:
            self.slow[0] += self.rate * (error[:, None] * self.traces[0]).sum(0)


class RecurrentNet:
    """The conventional alternative: fully recurrent logistic units learn by RTRL (Robinson and Fallside; Williams and Zipser).

    Weights (nets, units, units + 7) act on [activations | inputs | 1]; the first three units are the answer.
    """
    def __init__(self, weights, rate):
        self.weights, self.rate = weights, rate
        self.active = np.full(weights.shape[:2], 0.5)
        self.traces = np.zeros((*weights.shape[:2], *weights.shape[1:]))  # d activation k / d weight ij: (nets, k, i, j)
        self.answer = self.active[:, :3].T

    def observe(self, inputs, learning=True):
        """One step of the net and, if it learns, of its sensitivities; inputs (6, nets)."""
        nets, units = self.active.shape
        sources = np.concatenate([self.active, inputs.T, np.ones((nets, 1))], axis=1)
        self.active = 0.5 + 0.5 * np.tanh(0.5 * (self.weights @ sources[..., None])[..., 0])
        self.answer = self.active[:, :3].T
        if learning:
            traces = (self.weights[..., :units] @ self.traces.reshape(nets, units, -1)).reshape(self.traces.shape)
            traces[:, range(units), range(units)] += sources[:, None]
            self.traces = traces * (self.active * (1 - self.active))[..., None, None]

    def learn(self, error):
        """As above; error (3, nets)."""
        step = error.T[:, None] @ self.traces[:, :3].reshape(len(self.active), 3, -1)
        self.weights += self.rate * step.reshape(self.weights.shape)


class AlwaysSlotOne:
    """Control: an answer that knows nothing and learns nothing."""
    def __init__(self, nets):
        self.answer = np.repeat([[1.0], [0.0], [0.0]], nets, axis=1)

    def observe(self, inputs, learning=True):
        """Nothing to see."""

    def learn(self, error):
        """Nothing to learn."""


class Programmer:
    """The slow net of the other two tasks: a name -> FROM pattern of unit length (the key), a value -> TO pattern.

    FROM is a plain matrix (widths = ()) or tanh layers of these widths; TO is a matrix.
    """
    def __init__(self, size, widths, gain, rng, dtype=np.float32):
        sizes = (size, *(widths or (size,)))
        shapes = list(zip(sizes, sizes[1:]))
        self.parameters = np.zeros(sum(map(math.prod, shapes)) + sum(widths) + size * size, dtype)
        self.gradient = np.zeros_like(self.parameters)
        split = [views(flat, *shapes, *((width,) for width in widths), (size, size)) for flat in (self.parameters, self.gradient)]
        (self.matrices, self.biases, self.to), (self.d_matrices, self.d_biases, self.d_to) = (
            (parts[:len(shapes)], parts[len(shapes):-1], parts[-1]) for parts in split)
        for matrix in (*self.matrices, self.to):
            matrix[...] = rng.standard_normal(matrix.shape) / math.sqrt(len(matrix))
        if widths:  # names differ by a tenth of their length only: without a gain the first layer hardly tells them apart
            self.matrices[0] *= gain * math.sqrt(size)
            self.biases[0][...] = gain * rng.uniform(-1, 1, widths[0])

    def keys(self, names):
        """names (..., size) -> keys (..., width), unit length."""
        self.layers = [names]
        for matrix, bias in zip(self.matrices, self.biases):
            self.layers.append(np.tanh(self.layers[-1] @ matrix + bias))
        if not self.biases:
            self.layers.append(names @ self.matrices[0])
        self.length = np.sqrt((self.layers[-1] * self.layers[-1]).sum(-1, keepdims=True))
        self.key = self.layers[-1] / self.length
        return self.key

    def backward(self, d_keys, values, d_to_patterns):
        """Gradients with respect to the keys and TO patterns -> self.gradient."""
        flat = [layer.reshape(-1, layer.shape[-1]) for layer in self.layers]
        delta = (d_keys - self.key * (d_keys * self.key).sum(-1, keepdims=True)) / self.length
        delta = delta.reshape(flat[-1].shape)
        for level in reversed(range(len(self.matrices))):
            if self.biases:
                delta = delta * (1 - flat[level + 1] * flat[level + 1])
                self.d_biases[level][...] = delta.sum(0)
            self.d_matrices[level][...] = flat[level].T @ delta
            if level:
                delta = delta @ self.matrices[level].T
        self.d_to[...] = values.reshape(-1, values.shape[-1]).T @ d_to_patterns.reshape(-1, values.shape[-1])


def write_and_read(rule, keys, patterns):
    """Write `pairs` associations one after the other into W = 0, then ask for each of them: y_i = W k_i.

        sum:   W <- W + TO FROM^T                          all reads at once: Y = G V with the Gram matrix G = K K^T
        delta: W <- W + (TO - W FROM) FROM^T               what is written is new only, (I + tril(G, -1)) U = V: Y = G U

    keys (episodes, pairs, width) of unit length, patterns (episodes, pairs, d) -> reads (episodes, pairs, d), writes U (the same), G.
    """
    gram = keys @ keys.swapaxes(1, 2)
    writes = patterns if rule == "sum" else np.linalg.solve(np.eye(keys.shape[1], dtype=keys.dtype) + np.tril(gram, -1), patterns)
    return gram @ writes, writes, gram


def write_and_read_backward(rule, keys, writes, gram, d_reads):
    """Exact gradient through all writes, by the adjoint of the triangular system -> d_keys, d_patterns."""
    d_gram, d_patterns = d_reads @ writes.swapaxes(1, 2), gram @ d_reads
    if rule == "delta":
        d_patterns = np.linalg.solve(np.eye(keys.shape[1], dtype=keys.dtype) + np.triu(gram, 1), d_patterns)
        d_gram -= np.tril(d_patterns @ writes.swapaxes(1, 2), -1)
    return (d_gram + d_gram.swapaxes(1, 2)) @ keys, d_patterns


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


def drive(learners, lots, steps, learning, progress=None):
    """All learners live through the same streams, step by step: answer, learn, observe. No episodes, nothing is ever reset.

    -> "solved" {name: (nets,)}: the step at which no answer had been off by more than 0.05 for 100 steps (infinity: never);
    "wrong" {name: (nets,)}: answers off by more than that; "curve" {name: (100,)}: their fraction in each hundredth of the time.
    """
    nets = len(lots.slot)
    streak, solved, wrong, curve = ({name: np.full(size, start) for name in learners}
                                    for size, start in ((nets, 0), (nets, np.inf), (nets, 0), (100, 0)))
    questions = np.zeros(100, int)
    for step in range(steps):
        inputs, right, asked = lots.step()
        questions[100 * step // steps] += asked.sum()
        for name, learner in learners.items():
            error = (right - learner.answer) * asked
            off = np.abs(error).max(0) > 0.05
            wrong[name] += off
            curve[name][100 * step // steps] += off.sum()
            streak[name] = np.where(off, 0, streak[name] + 1)
            solved[name][(streak[name] == 100) & (solved[name] == np.inf)] = step + 1
            if learning:
                learner.learn(error)
            learner.observe(inputs, learning)
        if progress and step % 200 == 0:
            progress(step / steps, "parking: " + ", ".join(f"{name} {np.isfinite(solved[name]).mean():.0%}" for name in learners))
    return {"solved": solved, "wrong": wrong, "questions": int(questions.sum()),
            "curve": {name: count / np.maximum(questions, 1) for name, count in curve.items()}}


def train_programmer(programmer, rule, episodes, updates, batch, rate, rng, watch=None):
    """Adam on the squared error of all answers that an episode asks for; `episodes(batch, rng=rng)` -> names, values, asked."""
    optimiser = Adam(programmer.parameters, rate)
    for update in range(updates):
        if watch:
            watch(update)
        names, values, asked = episodes(batch, rng=rng)
        keys, patterns = programmer.keys(names), values @ programmer.to
        reads, writes, gram = write_and_read(rule, keys, patterns)
        d_keys, d_patterns = write_and_read_backward(rule, keys, writes, gram, asked * (reads - values) / batch)
        programmer.backward(d_keys, values, d_patterns)
        optimiser.step(programmer.gradient, 1.0 if update < 0.6 * updates else 0.2)
    if watch:
        watch(updates)
    return programmer


# --- evaluation ---
def unit(vectors):
    return vectors / np.sqrt((vectors * vectors).sum(-1, keepdims=True))


def without_direction(names, common):
    """The classical linear projector: what the names share is cut out, the 7 other dimensions of the noise are white already."""
    return unit(names - (names @ common)[..., None] * common)


def without_mean(names, common):
    """The affine projector: the shared vector is subtracted, 8 dimensions remain."""
    return unit(names - common)


def attend(keys, values, sharpness=50):
    """Softmax attention, which keeps all pairs instead of one matrix -> reads; a query equals a stored key, so sharper is only better."""
    weights = np.exp(sharpness * (keys @ keys.swapaxes(1, 2) - 1))
    return weights / weights.sum(-1, keepdims=True) @ values


def cosines(reads, values):
    """(..., d), (..., d) -> (...,)"""
    return (unit(reads) * unit(values)).sum(-1)


def bit_accuracy(reads, values, asked):
    """Fraction of the asked bits whose sign is right."""
    return float((reads * values > 0)[asked[..., 0] > 0].mean())


def run_parking(config, data_rng, init_rng, test_rng, progress):
    """The paper's task: every learner on the same streams, then with frozen slow weights on fresh ones, also with 25 times longer business."""
    nets, units = config.nets, config.recurrent_units
    eq4, fromto = init_rng.uniform(-0.1, 0.1, (3, 6, nets)), init_rng.uniform(-0.1, 0.1, (4, 6, nets))
    opened = fromto + np.array([config.from_start, 0, 0, 0])[:, None, None]
    recurrent = init_rng.uniform(-0.1, 0.1, (nets, units, units + 7))
    learners = {
        "eq4": FastWeights(eq4.copy(), config.eq4_rate, config.sharpness),
        "fromto": FastWeights(opened, config.fromto_rate, config.sharpness),
        "rtrl": RecurrentNet(recurrent, config.recurrent_rate),
        "constant": AlwaysSlotOne(nets),
    }
    if config.paper_recipe:
        learners["eq4_paper"] = FastWeights(eq4, 0.02, config.sharpness)
        learners["fromto_paper"] = FastWeights(fromto, 0.02, config.sharpness)
    lessons = drive(learners, ParkingLots(nets, data_rng, config.ask), config.steps, True, progress)
    tests = {kind: drive(learners, ParkingLots(nets, test_rng, leave=leave), config.test_steps, False)
             for kind, leave in (("frozen", 0.25), ("stretched", 0.01))}
    metrics = {}
    for name, solved in lessons["solved"].items():
        for limit in sorted({min(20_000, config.steps), config.steps}):
            metrics[f"parking_{name}_solved_fraction_{limit}_steps"] = float((solved <= limit).mean())
        median = float(np.median(solved))
        metrics[f"parking_{name}_median_steps_to_solve"] = median if np.isfinite(median) else None
        for kind, test in tests.items():
            metrics[f"parking_{name}_{kind}_flawless_fraction"] = float((test["wrong"][name] == 0).mean())
            metrics[f"parking_{name}_{kind}_wrong_answers"] = float(test["wrong"][name].sum() / test["questions"])
    return metrics, {"learners": learners, "lessons": lessons, "tests": tests}


class Snapshots:
    """Watches a programmer learn: on 80 fresh episodes, Gram matrix and answers of the first and the cosines of all, about 41 times."""
    def __init__(self, programmer, rule, episodes, updates, progress):
        self.programmer, self.rule, self.updates, self.progress = programmer, rule, updates, progress
        self.names, self.values, _ = episodes
        self.updates_seen, self.grams, self.reads, self.cosines = [], [], [], []

    def __call__(self, update):
        # dense at first, where the cosine moves most
        if update < self.updates and int(40 * math.sqrt(update / self.updates)) < len(self.grams):
            return
        reads, _, gram = write_and_read(self.rule, self.programmer.keys(self.names), self.values @ self.programmer.to)
        self.updates_seen.append(update)
        self.grams.append(gram[0])
        self.reads.append(reads[0])
        self.cosines.append(cosines(reads, self.values).ravel())
        if self.progress:
            self.progress(update / self.updates, f"continuous, {self.rule}: cosine {self.cosines[-1].mean():.3f}")


def run_continuous(config, data_rng, init_rng, test_rng, progress):
    """Contrasts: fixed projectors, a learned matrix and learned tanh programmers under both rules, and attention, by number of pairs."""
    common = unit(data_rng.standard_normal(8).astype(np.float32))
    episodes = partial(continuous_episodes, pairs=config.pairs, common=common)
    shown = episodes(80, rng=test_rng)
    two_layers = (config.width, config.width)
    recipes = {"sum_rule": ("sum", two_layers), "delta_rule": ("delta", two_layers), "learned_linear_sum": ("sum", ())}
    programmers, snapshots = {}, {}
    for (name, (rule, widths)), data, init in zip(recipes.items(), data_rng.spawn(3), init_rng.spawn(3)):
        programmers[name] = programmer = Programmer(8, widths, config.gain, init)
        snapshots[name] = Snapshots(programmer, rule, shown, config.updates, progress)
        train_programmer(programmer, rule, episodes, config.updates, config.batch, config.learning_rate, data, snapshots[name])

    metrics, curves = {}, {}
    for pairs in (1, 2, 3, 5, 7, 12, 16):
        names, values, _ = continuous_episodes(config.test_episodes, pairs, common, test_rng)
        keys = {"raw": unit(names), "linear": without_direction(names, common), "affine": without_mean(names, common)}
        reads = {f"analytic_{name}_sum": write_and_read("sum", key, values)[0] for name, key in keys.items()}
        reads["analytic_linear_delta"] = write_and_read("delta", keys["linear"], values)[0]
        reads["attention"] = attend(keys["linear"], values)
        for name, programmer in programmers.items():
            reads[name] = write_and_read(recipes[name][0], programmer.keys(names), values @ programmer.to)[0]
        for name, read in reads.items():
            found = cosines(read, values)
            curves.setdefault(name, {})[pairs] = float(found.mean())
            if pairs > 2:
                metrics[f"continuous_keys_mean_cosine_{name}_n{pairs}"] = float(found.mean())
            if pairs == 5:
                metrics[f"continuous_keys_above_09_{name}_n5"] = float((found > 0.9).mean())
    return metrics, {"common": common, "programmers": programmers, "snapshots": snapshots, "curves": curves, "shown": shown}


def run_discrete(config, data_rng, init_rng, test_rng, progress):
    """Names are few, fixed and known, keys have 8 dimensions: they can be made orthogonal, until there are more than 8 names."""
    layers = (config.width, 8)
    settings = {  # rule, names, how many of them are bound twice, layers of the programmer
        "binding_4_names": ("sum", 4, 0, layers), "binding_8_names": ("sum", 8, 0, layers), "binding_12_names": ("sum", 12, 0, layers),
        "binding_16_names": ("sum", 16, 0, layers), "binding_matrix": ("sum", 8, 0, ()), "binding_delta": ("delta", 8, 0, layers),
        "rebinding_sum": ("sum", 8, 4, layers), "rebinding_delta": ("delta", 8, 4, layers)}
    common = unit(data_rng.standard_normal(8).astype(np.float32))
    all_codes = continuous_episodes(1, 16, common, data_rng)[0][0]
    metrics, curves = {}, {}
    for (name, (rule, count, rebound, widths)), data, init in zip(settings.items(), data_rng.spawn(8), init_rng.spawn(8)):
        if progress:
            progress(len(curves) / len(settings), f"discrete: {name}")
        codes = all_codes[:count]
        episodes = partial(discrete_episodes, bound=count, rebound=rebound, codes=codes)
        programmer = train_programmer(Programmer(8, widths, config.gain, init), rule, episodes, config.discrete_updates,
                                      config.discrete_batch, config.learning_rate, data)
        curves[name] = {}
        for bound in (count,) if rebound else range(1, count + 1):
            names, values, asked = discrete_episodes(config.test_episodes, bound, rebound, codes, test_rng)
            reads = write_and_read(rule, programmer.keys(names), values @ programmer.to)[0]
            curves[name][bound] = bit_accuracy(reads, values, asked)
        metrics[f"discrete_{name}_bit_accuracy"] = curves[name][count]
        if name == "binding_8_names":
            metrics["discrete_binding_no_learning_bit_accuracy"] = bit_accuracy(write_and_read("sum", unit(names), values)[0], values, asked)
    metrics["discrete_binding_bit_accuracy_n8"] = metrics.pop("discrete_binding_8_names_bit_accuracy")
    metrics["discrete_binding_bit_accuracy_n1_to_n7_worst"] = min(curves["binding_8_names"][bound] for bound in range(1, 8))
    return metrics, {"curves": curves}


def run(config, progress=None):
    """Run the chosen tasks, each with generators of its own. History: one dictionary per task."""
    streams = zip(*(rng.spawn(3) for rng in np.random.default_rng(config.seed).spawn(3)))
    metrics, history = {}, {}
    for task, part, rngs in zip(("parking", "continuous", "discrete"), (run_parking, run_continuous, run_discrete), streams):
        if config.task in ("all", task):
            measured, history[task] = part(config, *rngs, progress)
            metrics.update(measured)
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
