# SPDX-License-Identifier: Unlicense
"""fast-weights-unknown-delay: two nets without recurrence bridge any delay, because one writes the weights of the other.

Events A, B and C come in an endless stream; the answer is 1 at the first B after an A. The fast net sees the present event only, and its three weights
are all the memory there is. A slow net, blind to the past as well, learns online to push these weights: by one output per weight (eq. 4), or by the
product of FROM and TO outputs (eq. 5). Contrasts: both with clipped gradients, a recurrent net taught by RTRL (also clipped), and a fast net that nobody programs. As an extension, a slow net
learns to store one pattern of 16 bits and to write nothing while other patterns pass.

Paper: J. Schmidhuber (1992). Learning to control fast-weight memories: an alternative to dynamic recurrent networks. Neural Computation 4(1):131-139.

    python3 fast-weights-unknown-delay/fast_weights_unknown_delay.py --seed 0
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


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    task: Annotated[Literal["all", "flipflop", "pattern"], "the paper's flip-flop, the extension, or both"] = "all"
    nets: Annotated[int, "flip-flop: independent nets per learner, each on a stream of its own", 1, 10_000] = 100
    steps: Annotated[int, "flip-flop: steps of online learning", 100, 10_000_000] = 5000
    test_steps: Annotated[int, "flip-flop: steps of the test stream, and longest delay, with frozen slow weights", 1, 10_000_000] = 10_000
    sharpness: Annotated[float, "flip-flop: T in the law of the fast weights", 1, 100] = 10.0
    eq4_rate: Annotated[float, "flip-flop: learning rate, one output of the slow net per fast weight", 0] = 0.5
    fromto_rate: Annotated[float, "flip-flop: learning rate, FROM and TO outputs", 0] = 1.0
    start: Annotated[float, "flip-flop: initial slow weights lie within this distance of 0", 0, 10] = 0.1
    clip: Annotated[float, "flip-flop: largest norm of a gradient where fast weights learn with clipping", 1e-6] = 0.25
    recurrent_units: Annotated[int, "flip-flop: units of the recurrent net", 2, 50] = 3
    recurrent_rate: Annotated[float, "flip-flop: learning rate of the recurrent net", 0] = 10.0
    recurrent_clip: Annotated[float, "flip-flop: the same for the recurrent net", 1e-6] = 0.009
    recurrent_clipped_rate: Annotated[float, "flip-flop: learning rate of the recurrent net with clipping", 0] = 320.0
    recurrent_start: Annotated[float, "flip-flop: initial weights of the recurrent net lie within this distance of 0", 0, 10] = 0.1
    bits: Annotated[int, "pattern: bits to be stored", 1, 1000] = 16
    hidden: Annotated[int, "pattern: tanh units of the two slow nets that have any", 1, 10_000] = 32
    keys: Annotated[int, "pattern: FROM outputs", 1, 1000] = 4
    delays: Annotated[tuple[int, ...], "pattern: fewest and most distractors while learning", 0, 100_000] = (5, 30)
    updates: Annotated[int, "pattern: Adam updates", 1, 1_000_000] = 1500
    batch: Annotated[int, "pattern: episodes per update", 1, 100_000] = 32
    learning_rate: Annotated[float, "pattern: Adam's rate at the start; it falls to 0 along a half cosine", 0] = 0.05
    hidden_rate: Annotated[float, "pattern: the same for the two slow nets with tanh units", 0] = 0.02
    episodes: Annotated[int, "pattern: test episodes per delay", 1, 100_000] = 100

    def __post_init__(self):
        if len(self.delays) != 2 or self.delays[0] > self.delays[1]:
            raise ValueError(f"argument --delays: {' '.join(map(str, self.delays))} is not a fewest and a most")


PRESETS = {
    "smoke": {"nets": 5, "steps": 600, "test_steps": 1000, "updates": 40, "episodes": 5},
    "paper": {"task": "flipflop", "nets": 1000},
}
HEADLINE = {
    "flipflop_eq4_median_steps_to_solve": ("<=", 300, "within 300 steps"),
    "flipflop_fromto_median_steps_to_solve": ("<=", 800, "within 800 steps"),
    "frozen_max_abs_error_delay_10000": ("<=", 0.05, "error <= 0.05 for 100 steps"),
    "pattern_store_mse_delay_1000": ("<=", 0.001, "n/a (extension)"),
}
ROBUST = (10, 10, {"flipflop_fromto_solved_fraction_5000_steps": (">=", 0.97), "flipflop_fromto_median_steps_to_solve": ("<=", 800),
                   "frozen_max_abs_error_delay_10000": ("<=", 0.05)})
PAPER = {"flipflop_eq4_median_steps_to_solve": ("<=", 300), "flipflop_fromto_median_steps_to_solve": ("<=", 800)}
MOVEMENT = {
    "phases": {"FlipFlop.step": "data", "FastWeights.respond": "forward", "FastWeights.write": "forward", "FastWeights.learn": "update",
               "RecurrentNet.respond": "forward", "RecurrentNet.learn": "update", "pattern_episodes": "data", "Programmer.forward": "forward",
               "recall": "forward", "recall_backward": "backward", "Programmer.backward": "backward", "Adam.step": "update", "recall_errors": "evaluation"},
    "step": "Adam.step",
    "algorithms": {"FastWeights.respond": ("fast weights, {self.slow.shape[0]} rows, clip {self.clip}, learning {learning}", "FastWeights.write"),
                   "FastWeights.learn": ("fast weights, {self.slow.shape[0]} rows, clip {self.clip}, learning True", "FastWeights.write"),
                   "FastWeights.write": ("fast weights, {self.slow.shape[0]} rows, clip {self.clip}, learning {learning}", "FastWeights.write"),
                   "RecurrentNet.respond": ("recurrent net, clip {self.clip}, learning {learning}", "RecurrentNet.learn"), "RecurrentNet.learn": ("recurrent net, clip {self.clip}, learning True", "RecurrentNet.learn"),
                   "train_patterns": ("pattern, {programmer.hidden} hidden, gate {programmer.gated}", "Adam.step")},
    "criterion": {"fast weights, 3 rows, clip inf, learning True": ("flipflop_eq4_median_steps_to_solve", "steps"),
                  "fast weights, 4 rows, clip inf, learning True": ("flipflop_fromto_median_steps_to_solve", "steps"), "recurrent net, clip inf, learning True": ("flipflop_rtrl_median_steps_to_solve", "steps")},
}

# --- problem ---
A, B, C = 0, 1, 2
EVENTS = np.eye(3)


def flip_flop(events, armed):
    """One step of the automaton: events, armed (nets,) -> target (nets,), 1 at the first B after an A, and whether the next B would be one."""
    return armed & (events == B), (events == A) | armed & (events != B)


class FlipFlop:
    """Endless streams of uniform events, one per net; nothing ever begins anew."""
    def __init__(self, nets, rng):
        self.rng, self.armed = rng, np.zeros(nets, bool)

    def step(self):
        """-> the event as one line of three, (3, nets), and the target (nets,)."""
        events = self.rng.integers(3, size=len(self.armed))
        target, self.armed = flip_flop(events, self.armed)
        return EVENTS[:, events], target.astype(float)


def pattern_episodes(delays, bits, rng):
    """A pattern with the store flag, then delays[e] distractors of the same kind without, then the recall flag alone.

    delays (E,) -> rows (R + 1, bits + 2): the writes of all episodes one after the other, and last the recall, which is the same in all of them;
    starts (E,): where each episode begins. The target of episode e is rows[starts[e], :bits].
    """
    starts = np.concatenate([[0], np.cumsum(delays[:-1] + 1)])
    rows = np.zeros((int(delays.sum()) + len(delays) + 1, bits + 2))
    rows[:-1, :bits] = 2 * rng.integers(2, size=(len(rows) - 1, bits)) - 1
    rows[starts, bits] = rows[-1, bits + 1] = 1
    return rows, starts


# --- model ---
def clip(gradient, limit, axes):
    """Shorten the gradient of each net, which lies along `axes`, to a norm of at most `limit`."""
    return gradient if limit == math.inf else gradient * (limit / np.maximum(np.sqrt((gradient * gradient).sum(axes, keepdims=True)), limit))


class FastWeights:
    """A linear slow net S (rows, 3, nets) without hidden units writes the three weights of the fast net, which is linear too.

        y(t) = w(t-1) . x(t)                                     the answer; x has one line per event, so it is the weight of this event's line
        w_a(t) = sigma(T (w_a(t-1) + push_a(t) - 1/2))           a bit that holds itself: fixed points 0.007, 1/2 (unstable) and 0.993
        push_a = s_a                eq. 4, 3 rows: one output of S per fast weight
        push_a = s_FROM,a s_TO      eq. 5, 3 + 1 rows: an outer product, FROM the three inputs of the fast net TO its one output
    """
    def __init__(self, slow, rate, sharpness, clip=math.inf):
        self.slow, self.rate, self.sharpness, self.clip = slow, rate, sharpness, clip
        self.fast = np.zeros((3, slow.shape[-1]))
        self.traces = np.zeros((len(slow) - 2, 3, *slow.shape[1:]))  # first dw_a / d(row a of S), then, for eq. 5, dw_a / d(row TO)

    def respond(self, inputs, learning=True):
        """inputs (3, nets) -> answer (nets,)"""
        self.inputs = inputs
        return (self.fast * inputs).sum(0)

    def learn(self, error):
        """One step down the gradient of error^2 / 2, error (nets,) = target - answer: dE/dw_a(t-1) = -error x_a(t) times the traces of w(t-1)."""
        step = self.rate * clip(error * self.inputs[:, None] * self.traces, self.clip, (0, 1, 2))
        self.slow[:3] += step[0]
        if len(self.slow) == 4:
            self.slow[3] += step[1].sum(0)

    def write(self, learning=True):
        """w(t-1) -> w(t) and, if it learns, p(t) = T w (1 - w) (p(t-1) + dpush(t) / dS): exact, forward in time, and local in time."""
        outputs = (self.slow * self.inputs).sum(1)
        push = outputs if len(self.slow) == 3 else outputs[:3] * outputs[3]
        self.fast = 0.5 + 0.5 * np.tanh(self.sharpness / 2 * (self.fast + push - 0.5))
        if learning:
            if len(self.slow) == 3:
                self.traces += self.inputs
            else:
                self.traces[0] += outputs[3] * self.inputs
                self.traces[1] += outputs[:3, None] * self.inputs
            self.traces *= (self.sharpness * self.fast * (1 - self.fast))[:, None]

    def costs(self):
        """Adaptive parameters, and multiplications per step of learning (answer, write, traces, update; inputs not taken to be one-hot)."""
        rows, traces = len(self.slow), 9 * (len(self.slow) - 2)
        outer = 3 + traces if rows == 4 else 0  # FROM times TO, and the same in the traces
        return 3 * rows, 3 + 3 * rows + 3 + outer + 6 + traces + 4 + traces


class RecurrentNet:
    """The conventional alternative: fully recurrent logistic units learn by RTRL (Robinson and Fallside 1987; Williams and Zipser 1989).

    Weights (nets, units, units + 4) act on [activations | event | 1]; the first unit is the answer.
    """
    def __init__(self, weights, rate, clip=math.inf):
        self.weights, self.rate, self.clip = weights, rate, clip
        self.active = np.full(weights.shape[:2], 0.5)
        self.traces = np.zeros((*weights.shape[:2], *weights.shape[1:]))  # d activation k / d weight ij: (nets, k, i, j)

    def respond(self, inputs, learning=True):
        """One step of the net and, if it learns, of its sensitivities; inputs (3, nets) -> answer (nets,)."""
        nets, units = self.active.shape
        sources = np.concatenate([self.active, inputs.T, np.ones((nets, 1))], axis=1)
        self.active = 0.5 + 0.5 * np.tanh(0.5 * (self.weights @ sources[..., None])[..., 0])
        if learning:
            traces = (self.weights[..., :units] @ self.traces.reshape(nets, units, -1)).reshape(self.traces.shape)
            traces[:, range(units), range(units)] += sources[:, None]
            self.traces = traces * (self.active * (1 - self.active))[..., None, None]
        return self.active[:, 0]

    def learn(self, error):
        """As above; error (nets,)."""
        self.weights += self.rate * clip(error[:, None, None] * self.traces[:, 0], self.clip, (1, 2))

    def write(self, learning=True):
        """Its memory is its activations: nothing else to write."""

    def costs(self):
        """As above."""
        units, weights = self.active.shape[1], self.weights[0].size
        return weights, weights + units + units * units * weights + units * weights + 1 + weights


class ConstantWeights:
    """Control: a fast net that nobody programs, with the best weights there are: one half on B, which is right on average and never right."""
    def __init__(self, nets):
        self.fast = np.repeat([[0.0], [0.5], [0.0]], nets, axis=1)

    respond, write = FastWeights.respond, RecurrentNet.write

    def learn(self, error):
        """Nothing to learn."""


class Programmer:
    """The slow net of the extension: an input row -> TO pattern v (bits), FROM pattern k (keys), query q (keys) and, if gated, a gate.

    No hidden units, as in the paper (hidden = 0), or one layer of tanh units. An outer product of two linear maps is enough: v = pattern, k = store flag.
    """
    def __init__(self, bits, hidden, keys, gated, rng):
        self.bits, self.hidden, self.keys, self.gated = bits, hidden, keys, gated
        outputs = bits + 2 * keys + gated
        shapes = ((bits + 3, hidden), (hidden + 1, outputs)) if hidden else ((bits + 3, outputs),)  # the last row is the bias
        self.parameters = np.zeros(sum(map(math.prod, shapes)))
        self.gradient = np.zeros_like(self.parameters)
        self.layers, self.slopes = views(self.parameters, *shapes), views(self.gradient, *shapes)
        for layer in self.layers:
            layer[:-1] = rng.standard_normal((len(layer) - 1, layer.shape[1])) / math.sqrt(len(layer) - 1)
        if hidden:  # pattern bits should pass the tanh units nearly linearly at first
            self.layers[0][...] *= 0.1

    def forward(self, rows):
        """rows (R + 1, bits + 2) -> v (R, bits), k (R, keys), q (keys,) at the last row, gate (R, 1) or 1."""
        self.active = [np.concatenate([rows, np.ones((len(rows), 1))], axis=1)]
        if self.hidden:
            self.active.append(np.concatenate([np.tanh(self.active[0] @ self.layers[0]), np.ones((len(rows), 1))], axis=1))
        outputs = self.active[-1] @ self.layers[-1]
        v, k, q, gate = np.split(outputs, np.cumsum([self.bits, self.keys, self.keys]), axis=1)
        return v[:-1], k[:-1], q[-1], 0.5 + 0.5 * np.tanh(0.5 * gate[:-1]) if self.gated else 1.0

    def backward(self, d_v, d_k, d_q, d_net):
        """Gradients of the outputs (d_net: of the gate's net input) -> self.gradient."""
        delta = np.zeros((len(d_v) + 1, self.bits + 2 * self.keys + self.gated))
        delta[:-1, :self.bits], delta[:-1, self.bits:self.bits + self.keys] = d_v, d_k
        delta[-1, self.bits + self.keys:self.bits + 2 * self.keys] = d_q
        if self.gated:
            delta[:-1, -1:] = d_net
        self.slopes[-1][...] = self.active[-1].T @ delta
        if self.hidden:
            hidden = self.active[1][:, :-1]
            self.slopes[0][...] = self.active[0].T @ (delta @ self.layers[1][:-1].T * (1 - hidden * hidden))


def recall(v, k, q, gate, starts):
    """All writes W <- W + g v k^T of each episode from W = 0, then y = W q, in one go: y = sum of v g (k . q) -> (E, bits)."""
    return np.add.reduceat(v * (k @ q)[:, None] * gate, starts)


def recall_backward(v, k, q, gate, starts, d_y):
    """d_y (E, bits) -> d_v, d_k, d_q and the slope at the gate's net input; dL/dW is the same at all steps of an episode."""
    d_y = np.repeat(d_y, np.diff(np.append(starts, len(v))), axis=0)
    match, strength = (k @ q)[:, None], (v * d_y).sum(1, keepdims=True)
    return d_y * match * gate, strength * gate * q, (strength * gate * k).sum(0), strength * match * gate * (1 - gate)


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


def drive(learners, streams, steps, learning, watched=0, progress=None):
    """All learners live through the same streams, step by step: answer, learn, write. No episodes, nothing is ever reset.

    -> "solved" {name: (nets,)}: the step at which no answer had been off by more than 0.05 for 100 steps (infinity: never);
    "wrong" {name: (nets,)}: answers off by more than that; "curve" {name: (100,)}: their fraction in each hundredth of the time;
    "film": events, targets, and the answers, fast and slow weights of eq. 4 in the first `watched` steps.
    """
    nets = len(streams.armed)
    streak, solved, wrong, curve = ({name: np.full(size, start) for name in learners}
                                    for size, start in ((nets, 0), (nets, np.inf), (nets, 0), (100, 0.0)))
    film = []
    for step in range(steps):
        inputs, target = streams.step()
        for name, learner in learners.items():
            answer = learner.respond(inputs, learning)
            error = target - answer
            off = np.abs(error) > 0.05
            wrong[name] += off
            curve[name][100 * step // steps] += off.mean() * 100 / steps
            streak[name] = np.where(off, 0, streak[name] + 1)
            solved[name][(streak[name] == 100) & (solved[name] == np.inf)] = step + 1
            if step < watched and name == "eq4":
                film.append((inputs.argmax(0), target, answer, learner.fast, learner.slow.copy()))
            if learning:
                learner.learn(error)
            learner.write(learning)
        if progress and step % 200 == 0:
            progress(step / steps, "flip-flop: " + ", ".join(f"{name} {np.isfinite(solved[name]).mean():.0%}" for name in learners))
    return {"solved": solved, "wrong": wrong, "curve": curve, "film": [np.array(column) for column in zip(*film)]}


def train_patterns(programmer, config, rng, progress=None):
    """Adam on the squared error of the recalled pattern, delays uniform in config.delays -> mean squared error of each update's batch."""
    optimiser, errors = Adam(programmer.parameters, config.hidden_rate if programmer.hidden else config.learning_rate), []
    for update in range(config.updates):
        rows, starts = pattern_episodes(rng.integers(config.delays[0], config.delays[1] + 1, config.batch), config.bits, rng)
        v, k, q, gate = programmer.forward(rows)
        error = recall(v, k, q, gate, starts) - rows[starts, :config.bits]
        programmer.backward(*recall_backward(v, k, q, gate, starts, 2 * error / error.size))
        optimiser.step(programmer.gradient, 0.5 + 0.5 * math.cos(math.pi * update / config.updates))
        errors.append(float((error * error).mean()))
        if progress and update % 200 == 0:
            progress(update / config.updates, f"pattern: squared error {errors[-1]:.1e}")
    return errors


# --- evaluation ---
def probe_delays(learners, nets, longest):
    """Frozen nets see A, then only C; asked with a B after n of them, and with a second B, they should say 1, then 0. After B and n C they should say 0.

    -> n (P,), and for each learner the largest error (P, nets) up to and including that delay.
    """
    delays = np.unique(np.rint(np.geomspace(1, longest, 13)).astype(int))
    errors = {name: np.zeros((len(delays), nets)) for name in learners}
    lines = np.repeat(EVENTS[:, :, None], nets, axis=2)
    for first in (A, B):
        for name, learner in learners.items():
            learner, worst = copy.deepcopy(learner), np.zeros(nets)
            for event in (B, B, first):
                learner.respond(lines[event], False)
                learner.write(False)
            for n in range(1, longest + 1):
                worst = np.maximum(worst, np.abs(learner.respond(lines[C], False)))
                learner.write(False)
                if n in delays:
                    asked = copy.deepcopy(learner)
                    for target in (first == A, 0):
                        worst = np.maximum(worst, np.abs(target - asked.respond(lines[B], False)))
                        asked.write(False)
                    place = np.searchsorted(delays, n)
                    errors[name][place] = np.maximum(errors[name][place], worst)
    return delays, errors


def recall_errors(programmer, delay, episodes, rng):
    """-> mean squared error and fraction of right signs of the recalled patterns, in portions of at most a hundred thousand rows."""
    errors = right = 0.0
    for first in range(0, episodes, portion := max(1, 100_000 // (delay + 1))):
        rows, starts = pattern_episodes(np.full(min(portion, episodes - first), delay), programmer.bits, rng)
        target = rows[starts, :programmer.bits]
        answer = recall(*programmer.forward(rows), starts)
        errors, right = errors + ((answer - target) ** 2).sum(), right + (answer * target > 0).sum()
    return float(errors / (episodes * programmer.bits)), float(right / (episodes * programmer.bits))


def run_flipflop(config, data_rng, init_rng, test_rng, progress):
    """The paper's task: every learner on the same streams, then with frozen slow weights on fresh ones, and through long delays."""
    nets, units = config.nets, config.recurrent_units
    eq4, fromto = init_rng.uniform(-config.start, config.start, (3, 3, nets)), init_rng.uniform(-config.start, config.start, (4, 3, nets))
    recurrent = init_rng.uniform(-config.recurrent_start, config.recurrent_start, (nets, units, units + 4))
    learners = {
        "eq4": FastWeights(eq4.copy(), config.eq4_rate, config.sharpness),
        "fromto": FastWeights(fromto.copy(), config.fromto_rate, config.sharpness),
        "eq4_paper_rate": FastWeights(eq4, 1.0, config.sharpness),
        "eq4_clipped": FastWeights(eq4.copy(), 1.0, config.sharpness, config.clip),
        "fromto_clipped": FastWeights(fromto.copy(), config.fromto_rate, config.sharpness, config.clip),
        "rtrl": RecurrentNet(recurrent.copy(), config.recurrent_rate),
        "rtrl_clipped": RecurrentNet(recurrent, config.recurrent_clipped_rate, config.recurrent_clip),
        "constant": ConstantWeights(nets),
    }
    streams, before = FlipFlop(nets, data_rng), {name: learners[name].slow.copy() for name in ("eq4", "fromto")}
    lessons = drive(learners, streams, config.steps, True, 600, progress)
    streams.rng = test_rng  # the same endless streams go on: what the nets hold is as they left it
    test = drive(learners, streams, config.test_steps, False)
    delays, errors = probe_delays({name: learners[name] for name in ("eq4", "fromto", "rtrl")}, nets, config.test_steps)
    metrics, verified = {}, {}
    for name, solved in lessons["solved"].items():
        metrics[f"flipflop_{name}_solved_fraction_5000_steps"] = float((solved <= 5000).mean())
        verified[name] = (solved <= config.steps) & (test["wrong"][name] == 0)
        if name == "constant":
            continue
        median = float(np.median(solved))
        metrics[f"flipflop_{name}_median_steps_to_solve"] = median if np.isfinite(median) else None
        metrics[f"flipflop_{name}_verified_fraction"] = float(verified[name].mean())
        if name in errors:
            held = errors[name][-1, solved <= config.steps] <= 0.05
            metrics[f"flipflop_{name}_held_fraction_of_solved"] = float(held.mean()) if len(held) else None
            metrics[f"flipflop_{name}_parameters"], metrics[f"flipflop_{name}_multiplications_per_step"] = learners[name].costs()
    for label, names in (("", ("eq4", "fromto")), ("rtrl_", ("rtrl",))):
        worst = np.concatenate([errors[name][-1, verified[name]] for name in names])
        metrics[f"{label}frozen_max_abs_error_delay_10000"] = float(worst.max()) if len(worst) and config.test_steps >= 10_000 else None
    return metrics, {"learners": learners, "before": before, "lessons": lessons, "test": test, "delays": delays, "errors": errors, "verified": verified}


def run_pattern(config, data_rng, init_rng, test_rng, progress):
    """The extension: a slow net without hidden units, one with, and one with a gate too, learn with short delays and are tested with long ones."""
    kinds = {"store": (0, False), "tanh": (config.hidden, False), "gated": (config.hidden, True)}
    metrics, curves, lessons, programmers = {}, {}, {}, {}
    for (name, (hidden, gated)), data, init in zip(kinds.items(), data_rng.spawn(3), init_rng.spawn(3)):
        programmers[name] = programmer = Programmer(config.bits, hidden, config.keys, gated, init)
        if name == "store":
            metrics["pattern_untrained_bit_accuracy_delay_30"] = recall_errors(programmer, 30, config.episodes, test_rng)[1]
        lessons[name] = train_patterns(programmer, config, data, progress)
        curves[name] = {delay: recall_errors(programmer, delay, config.episodes, test_rng) for delay in (1, 10, 30, 100, 300, 1000, 3000)}
        for delay in (30, 1000, 3000) if name == "store" else (3000,):
            metrics[f"pattern_{name}_mse_delay_{delay}"] = curves[name][delay][0]
    for delay in (1000, 3000):
        metrics[f"pattern_store_bit_accuracy_delay_{delay}"] = curves["store"][delay][1]
    return metrics, {"programmers": programmers, "lessons": lessons, "curves": curves}


def run(config, progress=None):
    """-> metrics of one seed, and the history that the pictures need."""
    metrics, history = {}, {}
    for name, part in (("flipflop", run_flipflop), ("pattern", run_pattern)):
        if config.task in ("all", name):  # fresh generators: each task measures the same alone as beside the other
            found, history[name] = part(config, *np.random.default_rng(config.seed).spawn(3), progress)
            metrics.update(found)
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
