# SPDX-License-Identifier: Unlicense
"""two-sequence-noise: the LSTM of 1997 keeps a bit that came in the first step, on the very line that then carries a hundred steps of noise.

Which of two numbers, +1 or -1, opened the sequence? Noise follows on the same input line, and nothing marks the first step but the net's own
blank state. In 3b the opening is noisy as well, in 3c the targets are, and the net must find their means. Six settings train side by side: 3a,
3b and 3c, with the class on the first N = 3 elements or on N = 1. Contrasts: no recurrence from gates, tanh nets, and guessing all weights.

Paper: S. Hochreiter, J. Schmidhuber (1997). Long Short-Term Memory. Neural Computation 9(8):1735-1780.

    python3 two-sequence-noise/two_sequence_noise.py --seed 0
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
from two_sequence_noise_lstm_1997 import LSTM1997


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    variant: Annotated[Literal["all", "3a", "3b", "3c", "long"], "experiments; long: 3a with N = 3 and 3b with N = 1"] = "all"
    N: Annotated[Literal["both", "1", "3"], "number of first elements that carry the class"] = "both"
    T: Annotated[int, "shortest sequence, in steps; the longest has T + T/10", 10, 2000] = 100
    nets: Annotated[int, "independent nets per setting, side by side; the headline is the first", 1, 100] = 1
    updates: Annotated[int, "weight updates at most", 1, 10_000_000] = 4000
    batch: Annotated[int, "sequences per update", 1, 1000] = 16
    optimiser: Annotated[Literal["adam", "sgd"], "Adam, or plain gradient descent"] = "adam"
    loss: Annotated[Literal["cross_entropy", "squared"], "what is minimised; the mean target is the best answer to either"] = "cross_entropy"
    learning_rates: Annotated[tuple[float, ...], "of 3a, of 3b, of 3c", 0, 10] = (0.05, 0.05, 0.05)
    spread: Annotated[float, "initial weights are uniform in +- spread", 0, 10] = 0.5
    average: Annotated[float, "the nets that are tested have running averages of the weights: share of the newest weights", 0, 1] = 0.02
    check: Annotated[int, "updates from one test of the stop criterion to the next", 1, 1_000_000] = 50
    patience: Annotated[int, "a net that has not met the criterion after that many sequences is drawn anew (0: never)", 0] = 12_000
    cooldown: Annotated[int, "updates after the criterion is met, in which learning rate and averaging share fall to 0", 0] = 600
    grad: Annotated[Literal["truncated", "full"], "the paper's truncated gradient, or full back-propagation through time"] = "truncated"
    contrasts: Annotated[bool, "also train the nets without recurrence from gates and the tanh nets, and guess"] = True
    rnn_rates: Annotated[tuple[float, ...], "learning rates tried for the tanh nets", 0, 10] = (0.01, 0.02, 0.04)
    rnn_nets: Annotated[int, "tanh nets per setting of 3c and learning rate", 1, 100] = 2
    guess_spreads: Annotated[tuple[float, ...], "guessed weights are uniform in +- spread: spreads tried", 0, 1000] = (10.0, 30.0, 100.0)
    simulations: Annotated[int, "searches by guessing for a net that solves 3a, per spread", 1, 1000] = 9

    def __post_init__(self):
        if len(self.learning_rates) != 3:
            raise ValueError("argument --learning-rates: three numbers are needed, for 3a, for 3b and for 3c")
        if self.contrasts and not (self.rnn_rates and self.guess_spreads):
            raise ValueError("argument --contrasts: needs --rnn-rates and --guess-spreads")


PRESETS = {
    "smoke": {"T": 10, "updates": 120, "check": 20, "patience": 800, "cooldown": 20, "rnn_rates": (0.01,), "rnn_nets": 1, "guess_spreads": (30.0,), "simulations": 1},
    "paper": {"nets": 10, "updates": 150_000, "batch": 1, "optimiser": "sgd", "loss": "squared", "learning_rates": (1.0, 1.0, 0.1),
              "spread": 0.1, "average": 1.0, "check": 1000, "patience": 0, "cooldown": 0, "contrasts": False},
    "long": {"variant": "long", "T": 1000, "nets": 3, "updates": 28_000, "learning_rates": (0.02, 0.02, 0.02), "patience": 80_000, "contrasts": False},
}
HEADLINE = {
    "t3c_n1_mean_deviation": ("<=", 0.012, "0.012 (criterion < 0.015)"),
    "t3c_n1_misclassified_fraction": ("<=", 0.0044, "0.00441 of 2560"),
    "t3c_n1_sequences_to_criterion": ("<=", 60_000, "565,640"),
    "settings_solved_of_6": (">=", 6, "6 of 6 at T=100 (3a,3b,3c x N=1,3)"),
    "t3c_n3_mean_deviation": ("<=", 0.014, "0.014 (criterion < 0.015)"),
    "t3c_n3_misclassified_fraction": ("<=", 0.0056, "0.00558 of 2560"),
    "t3a_misclassified_fraction_twice_as_long": ("<=", 0.02, "not run"),
    "rnn_3c_best_misclassified_fraction": (">=", 0.4, "not run"),
    "guessing_3c_successes": ("<=", 0, "guessing is named for 3a, not for 3c"),
}
ROBUST = (10, 10, {"t3c_n1_mean_deviation": ("<=", 0.015), "t3c_n1_sequences_to_criterion": ("<=", 60_000),
                   "t3c_n3_sequences_to_criterion": ("<=", 60_000)})
PAPER = {"settings_solved_of_6": (">=", 6), "t3c_n1_mean_deviation": ("<=", 0.015), "t3c_n3_mean_deviation": ("<=", 0.015)}
MOVEMENT = {"phases": {"make_batch": "data", "Model.outputs": "forward", "Model.gradient": "backward", "Adam.step": "update", "evaluate": "evaluation",
                       "guess_outputs": "forward"}, "step": "Adam.step", "algorithms": {"train": "{model.kind}"},
            "criterion": {"lstm": ("updates_until_all_solved", "steps")}}

# --- problem ---
class Variant(NamedTuple):
    """What the paper fixes for 3a, 3b and 3c."""
    targets: tuple[float, float]  # of class 1 (+1) and of class 2 (-1)
    noisy_opening: bool  # noise also on the elements that carry the class
    target_noise: float  # standard deviation, in training only
    tolerance: float  # a sequence is misclassified if the output is further from the (noise-free) target
    allowed: int  # misclassified ones of TESTED at the stop
    limit: float  # the mean absolute error is below this at the stop


VARIANTS = {
    "3a": Variant((1.0, 0.0), False, 0.0, 0.2, 0, 0.01),
    "3b": Variant((1.0, 0.0), True, 0.0, 0.2, 5, 0.04),
    "3c": Variant((0.2, 0.8), False, math.sqrt(0.1), 0.1, 0, 0.015),
}
ALL = tuple((variant, N) for variant in VARIANTS for N in (3, 1))
PAPER_SEQUENCES = dict(zip(ALL, (39_850, 64_330, 43_250, 78_430, 269_650, 565_640)))  # until the stop at T = 100, means of ten trials
DEVIATION = math.sqrt(0.2)  # of the noise: 0.2 is its variance
TESTED, TEST_SEQUENCES = 256, 2560  # fresh sequences that judge the stop criterion, and the stopped net


def settings_of(config):
    """The pairs (variant, N) that a run treats."""
    chosen = (("3a", 3), ("3b", 1)) if config.variant == "long" else [s for s in ALL if config.variant in ("all", s[0])]
    return [s for s in chosen if config.N in ("both", str(s[1]))]


def make_batch(rng, settings, T, batch, nets=1, hide=False):
    """Sequences of noise, T to T+T/10 steps, whose first N elements are +1 (class 1) or -1 (class 2), or these plus noise (3b).

    With `hide`, noise covers the class. Returns x (steps, settings, nets, 1, batch) with zeros behind each sequence's end, the last step
    of each sequence and the noise-free targets (settings, nets, batch).
    """
    shape = len(settings), nets, batch
    x = rng.standard_normal((T + T // 10, *shape), np.float32) * DEVIATION
    ends = rng.integers(T, T + T // 10 + 1, shape) - 1
    second = rng.integers(0, 2, shape)
    targets = np.empty(shape, np.float32)
    for k, (variant, N) in enumerate(settings):
        if not hide:
            x[:N, k] = 1 - 2 * second[k] + x[:N, k] * VARIANTS[variant].noisy_opening
        targets[k] = np.where(second[k], VARIANTS[variant].targets[1], VARIANTS[variant].targets[0])
    x *= np.arange(len(x))[:, None, None, None] <= ends
    return x[:, :, :, None], ends, targets


def bayes_error(N, tolerance=0.5):
    """Of 3b: how often 1 / (1 + exp(-10 sum)), the probability of class 1 given the N openings, is not within `tolerance` of the target.

    At tolerance 0.5 nobody can do better. Honest probabilities are unsure near sum = 0, so that at 0.2 more of them count as wrong.
    """
    boundary = math.log(1 / tolerance - 1) * DEVIATION ** 2 / 2  # the sum has mean N and variance N DEVIATION^2
    return 0.5 * math.erfc((N - boundary) / math.sqrt(2 * N) / DEVIATION)


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
    """Nets of one kind side by side, runs = (settings, nets): a recurrent layer, and one sigmoid unit that sees its outputs (no bias).

    kind: "lstm" (three blocks of one cell: 102 weights), "no_gate_recurrence", or "rnn", a tanh net with about as many weights.
    `theta` (settings, nets, parameters) holds the layer's weights, then the output unit's. Where `mask` is 0 there is no connection.
    """

    def __init__(self, kind, config, settings, init_rng):
        self.kind, self.config, self.init_rng = kind, config, init_rng
        self.runs, self.layers, self.features = (len(settings), config.nets), {}, 9 if kind == "rnn" else 3
        self.prepare(1, 1)
        self.shapes = self.layer.weight_shape[2:], (1, self.features)
        self.mask = np.ones(sum(map(math.prod, self.shapes)), np.float32)
        if kind == "no_gate_recurrence":
            views(self.mask, *self.shapes)[0][..., self.layer.gates] = 0
        self.theta = self.draw()
        self.slope = np.zeros_like(self.theta)  # dE/dtheta
        self.d_weights, self.d_output = views(self.slope, *self.shapes)

    def draw(self):
        """Initial parameters (settings, nets, parameters)."""
        spread = self.features ** -0.5 if self.kind == "rnn" else self.config.spread
        theta = self.init_rng.uniform(-spread, spread, (*self.runs, len(self.mask))).astype(np.float32)
        if self.kind != "rnn":
            bias = views(theta, *self.shapes)[0][..., -1]
            bias[..., self.layer.in_gates], bias[..., self.layer.out_gates] = (-1, -3, -5), (-2, -4, -6)
        return theta * self.mask

    def prepare(self, steps, batch):
        """Take the layer with buffers for `steps` steps of `batch` sequences; make it first if need be."""
        if (steps, batch) not in self.layers:
            self.layers[steps, batch] = (TanhRNN(steps, 1, self.features, batch, self.runs) if self.kind == "rnn" else
                                         LSTM1997(steps, 1, 3, 1, batch, self.runs))
        self.layer = self.layers[steps, batch]

    def outputs(self, x, ends, theta=None):
        """Read the nets at each sequence's own last step.

        x (steps, settings, nets or 1, 1, batch), ends (settings, nets or 1, batch), other parameters than the nets' own if given
        -> (settings, nets, batch)
        """
        self.prepare(len(x), x.shape[-1])
        self.weights, self.output = views(self.theta if theta is None else theta, *self.shapes)
        y = self.layer.forward(self.weights, x)
        self.at_end = ends[None, :, :, None]
        self.last = np.take_along_axis(y, self.at_end, 0)[0]
        return 0.5 + 0.5 * np.tanh(0.5 * (self.output @ self.last)[:, :, 0])

    def gradient(self, outputs, targets):
        """dE/dtheta (settings, nets, parameters) after `outputs`, E = cross-entropy or half the squared error, averaged over the batch."""
        delta = ((outputs - targets) / outputs.shape[-1])[:, :, None]
        if self.config.loss == "squared":
            delta *= (outputs * (1 - outputs))[:, :, None]
        self.d_output[...] = delta @ self.last.swapaxes(-1, -2)
        dy = np.zeros((self.layer.steps, *self.last.shape), delta.dtype)
        np.put_along_axis(dy, self.at_end, (self.output.swapaxes(-1, -2) * delta)[None], 0)
        if self.kind == "rnn":
            self.d_weights[...] = self.layer.gradient(self.weights, dy)
        elif self.config.grad == "full":
            self.d_weights[...] = self.layer.full_gradient(self.weights, dy)
        else:
            self.d_weights[...] = self.layer.truncated_gradient(dy)
        self.slope *= self.mask
        return self.slope


GUESSED_UNITS = 2  # logistic ones; each sees both, the input and a bias, and the last is the output


def guess_outputs(theta, x, ends):
    """Outputs of small fully recurrent nets: theta (nets, 8), x (steps, sequences), ends (sequences,) -> (nets, sequences)."""
    weights = theta.reshape(len(theta), GUESSED_UNITS, GUESSED_UNITS + 2).transpose(1, 2, 0)[..., None] * 0.5
    y, shortest = np.zeros((GUESSED_UNITS, len(theta), x.shape[1]), theta.dtype), ends.min()
    for t in range(ends.max() + 1):
        net = weights[:, -2] * x[t] + weights[:, -1]
        for unit in range(GUESSED_UNITS):
            net += weights[:, unit] * y[unit]
        new = 0.5 + 0.5 * np.tanh(net)
        y = new if t <= shortest else np.where(t <= ends, new, y)  # a sequence that is over keeps its last output
    return y[-1]


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


def train(model, config, settings, rates, data_rng, updates, progress=None):
    """Train all nets of `model`, with the learning rate of `rates` for each setting, until each has met the stop criterion and cooled down.

    Every `config.check` updates the averaged weights are tested on 256 fresh sequences, and the net stops by the paper's rule: few or none
    misclassified, and the mean error below a limit (`Variant`). From there on its learning rate falls to 0 within `config.cooldown`
    updates. A net that has not stopped after `config.patience` sequences is drawn anew; its sequences go on being counted.

    Returns a history: "st1" and "met" (settings, nets), the sequences until as few were misclassified, and until the mean error was low as
    well (infinity: not reached); "theta_met", the averaged weights at that moment, and "theta", those at the end; "restarts" (settings,
    nets); "updates" done; for every test "sequences" and the mean "error" (tests, settings, nets); and ten times as often
    "snapshots" (moments, settings, parameters), the averaged weights of the first nets.
    """
    data_rng = copy.deepcopy(data_rng)  # every model sees the same sequences
    check_rng = data_rng.spawn(1)[0]
    noise, allowed, limit = np.array([(VARIANTS[v].target_noise, VARIANTS[v].allowed, VARIANTS[v].limit) for v, _ in settings]).T[..., None]
    st1, met = np.full((2, *model.runs), np.inf)
    started, restarts = np.zeros((2, *model.runs), int)
    average, theta_met = model.theta.copy(), model.theta.copy()
    rates = np.array(rates, np.float32)[:, None, None]
    adam = Adam(model.theta, rates, beta2=0.99)
    curve, done = {"sequences": [], "error": [], "snapshots": []}, 0
    for update in range(updates):
        past = update - met / config.batch  # updates since the criterion, -infinity before it
        heat = np.where(past < 0, 1, np.clip(1 - past / max(1, config.cooldown), 0, 1) * (config.cooldown > 0))[..., None].astype(np.float32)
        if not heat.any():
            break
        x, ends, targets = make_batch(data_rng, settings, config.T, config.batch, config.nets)
        outputs = model.outputs(x, ends)
        noisy = targets + noise[..., None].astype(np.float32) * data_rng.standard_normal(targets.shape, np.float32)
        gradient = model.gradient(outputs, noisy)
        if config.optimiser == "sgd":
            model.theta -= rates * heat * gradient
        else:
            clip_by_global_norm(gradient, 1)
            adam.step(gradient, heat)
        average += np.float32(config.average) * heat * (model.theta - average)
        done = update + 1
        if done % max(1, config.check // 10) == 0:
            curve["snapshots"].append(average[:, 0].copy())
        if done % config.check:
            continue
        x, ends, targets = make_batch(check_rng, settings, config.T, TESTED)
        wrong, error = judge(evaluate(model, (x, ends, targets), average), targets, settings)
        st1[(st1 == np.inf) & (wrong <= allowed)] = done * config.batch
        now = (met == np.inf) & (wrong <= allowed) & (error < limit)
        met[now], theta_met[now] = done * config.batch, average[now]
        curve["sequences"].append(done * config.batch)
        curve["error"].append(error)
        stuck = (met == np.inf) & ((done - started) * config.batch >= (config.patience or np.inf))
        if stuck.any():
            model.theta[stuck] = average[stuck] = model.draw()[stuck]
            adam.mean[stuck] = adam.square[stuck] = 0
            started[stuck], restarts[stuck] = done, restarts[stuck] + 1
        if progress:
            progress(update / updates, f"{model.kind}: mean errors {' '.join(f'{value:.3f}' for value in error[:6, 0])}")
    return {**{key: np.array(values) for key, values in curve.items()}, "st1": st1, "met": met, "theta_met": theta_met, "theta": average,
            "restarts": restarts, "updates": done}


def guess(rng, data, variant, spread, most, group=2048):
    """Draw all weights at random until a net meets the stop criterion of 3a or 3c.

    `data` as make_batch returns it, of one setting. A net is tried on one sequence after the other and dropped at its first mistake.
    Returns the number of nets drawn or None, the sequences evaluated (None comes when these are `most`), and the last net's weights.
    """
    x, ends, targets = data[0][:, 0, 0, 0], data[1][0, 0], data[2][0, 0]
    drawn, evaluated = 0, 0
    while evaluated < most:
        theta = rng.uniform(-spread, spread, (group, GUESSED_UNITS * (GUESSED_UNITS + 2))).astype(np.float32)
        alive, tried, found = np.arange(group), np.zeros(group, int), np.empty(0, int)
        for k in range(8):  # most nets fail soon; the others then go through all sequences at once
            if len(alive):
                tried[alive] = k + 1
                alive = alive[np.abs(guess_outputs(theta[alive], x[:, k:k + 1], ends[k:k + 1])[:, 0] - targets[k]) <= variant.tolerance]
        if len(alive):
            error = np.abs(guess_outputs(theta[alive], x, ends) - targets)
            right = (error <= variant.tolerance).all(1)
            tried[alive] = np.where(right, len(targets), (error > variant.tolerance).argmax(1) + 1)
            found = alive[right & (error.mean(1) < variant.limit)]
        count = found[0] + 1 if len(found) else group
        drawn, evaluated = drawn + int(count), evaluated + int(tried[:count].sum())
        if len(found):
            return drawn, evaluated, theta[found[0]]
    return None, evaluated, theta[-1]


# --- evaluation ---
def evaluate(model, test_set, theta=None, chunk=TESTED):
    """Outputs (settings, nets, sequences) of `model`, or of its nets with parameters `theta`, on a test set of make_batch."""
    x, ends, _ = test_set
    parts = range(0, x.shape[-1], chunk)
    return np.concatenate([model.outputs(x[..., k:k + chunk], ends[..., k:k + chunk], theta) for k in parts], axis=-1)


def judge(outputs, targets, settings):
    """Misclassified sequences and mean absolute error (settings, nets), each setting by its own tolerance."""
    error = np.abs(outputs - targets)
    tolerance = np.array([VARIANTS[variant].tolerance for variant, _ in settings])[:, None, None]
    return (error > tolerance).sum(-1), error.mean(-1, dtype=float)


def guessing(config, rng):
    """Search 3a with N = 3 for a net, `config.simulations` times per spread; then 3c, with as many sequence evaluations per spread.

    Returns {spread: [(nets drawn or None, sequences evaluated, weights) of each simulation]} and, alike, {spread: ...} of the search on 3c.
    """
    easy, hard = {}, {}
    for spread in config.guess_spreads:
        easy[spread] = [guess(rng, make_batch(rng, [("3a", 3)], config.T, TESTED), VARIANTS["3a"], spread, 30_000) for _ in range(config.simulations)]
        most = sum(evaluated for _, evaluated, _ in easy[spread])
        hard[spread] = guess(rng, make_batch(rng, [("3c", 3)], config.T, TESTED), VARIANTS["3c"], spread, most)
    return easy, hard


def setting_metrics(name, k, curve, wrong, error, nets):
    """What one setting's nets did: the first, and with several nets the means."""
    met, solved = curve["met"][k], np.isfinite(curve["met"][k])
    metrics = {f"{name}_sequences_to_criterion": int(met[0]) if solved[0] else None,
               f"{name}_misclassified_fraction": int(wrong[k, 0]) / TEST_SEQUENCES}
    if name.startswith("t3c"):
        metrics[f"{name}_mean_deviation"] = float(error[k, 0])
    else:
        metrics[f"{name}_sequences_to_st1"] = int(curve["st1"][k, 0]) if np.isfinite(curve["st1"][k, 0]) else None
    if nets > 1:
        metrics |= {f"{name}_nets_solved_fraction": float(solved.mean()),
                    f"{name}_nets_sequences_mean": float(met[solved].mean()) if solved.any() else None,
                    f"{name}_nets_misclassified_fraction_mean": float(wrong[k, solved].mean()) / TEST_SEQUENCES if solved.any() else None}
    return metrics


def run(config, progress=None):
    """Train and test the LSTM in all settings, and the contrasts.

    History: "settings"; "curves", what `train` returned for each kind of net; "outputs" (settings, sequences) of the LSTM's first nets on
    the test set and the "targets"; "rnn_tasks", the settings and learning rates of the tanh nets; "guesses", what `guessing` returned.
    """
    np.empty(31 << 20, np.uint8)  # freed at once: from now on the C library of Linux reuses freed memory instead of faulting pages in anew
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    settings = settings_of(config)
    names = [f"t{variant}_n{N}" for variant, N in settings]
    rates = dict(zip(VARIANTS, config.learning_rates))
    lstm = Model("lstm", config, settings, init_rng)
    curve = train(lstm, config, settings, [rates[variant] for variant, _ in settings], data_rng, config.updates, progress)
    curves, met = {"lstm": curve}, curve["met"][:, 0]

    test_set = make_batch(test_rng, settings, config.T, TEST_SEQUENCES)
    outputs, targets = evaluate(lstm, test_set, curve["theta"]), test_set[2]
    wrong, error = judge(outputs, targets, settings)
    wrong_at_stop, error_at_stop = judge(evaluate(lstm, test_set, curve["theta_met"]), targets, settings)
    metrics = {}
    for k, name in enumerate(names):
        metrics |= setting_metrics(name, k, curve, wrong, error, config.nets)
        if name == "t3c_n1":
            metrics |= {f"{name}_misclassified_fraction_at_criterion": int(wrong_at_stop[k, 0]) / TEST_SEQUENCES,
                        f"{name}_mean_deviation_at_criterion": float(error_at_stop[k, 0])}
    if len(settings) == 6:
        metrics["settings_solved_of_6"] = sum(int(met[k] <= PAPER_SEQUENCES[setting]) for k, setting in enumerate(settings))
    for factor, words in ((2, "twice"), (5, "five_times")):
        longer = make_batch(test_rng, settings, factor * config.T, 2 * TESTED)
        share = judge(evaluate(lstm, longer, curve["theta"]), longer[2], settings)[0][:, 0] / (2 * TESTED)
        metrics |= {f"t{variant}_misclassified_fraction_{words}_as_long": float(max(share[k] for k, s in enumerate(settings) if s[0] == variant))
                    for variant in VARIANTS if any(s[0] == variant for s in settings)}
    hidden = make_batch(test_rng, settings, config.T, TESTED, hide=True)
    metrics |= {
        "lstm_weights": len(lstm.mask),
        "lstm_restarts": int(curve["restarts"][:, 0].sum()),
        "updates_until_all_solved": int(met.max()) // config.batch if np.isfinite(met).all() else None,
        "opening_hidden_misclassified_fraction": float(judge(evaluate(lstm, hidden, curve["theta"]), hidden[2], settings)[0][:, 0].min()) / TESTED,
        "constant_misclassified_fraction": float(judge(np.broadcast_to(targets.max(-1, keepdims=True), targets.shape), targets, settings)[0].mean())
        / TEST_SEQUENCES,
        "bayes_error_3b_n1": bayes_error(1),
        "bayes_probability_misclassified_fraction_3b_n1": bayes_error(1, VARIANTS["3b"].tolerance),
    }
    history = {"settings": settings, "curves": curves, "outputs": outputs[:, 0], "targets": targets[:, 0]}
    if not config.contrasts:
        return {"metrics": metrics, "history": history}

    # the contrasts: as many updates as the LSTM took in all
    one = dataclasses.replace(config, nets=1)
    bare = Model("no_gate_recurrence", one, settings, init_rng)
    curves[bare.kind] = train(bare, one, settings, [rates[variant] for variant, _ in settings], data_rng, curve["updates"], progress)
    for N in sorted({N for _, N in settings}):
        metrics[f"no_gate_recurrence_n{N}_settings_solved"] = sum(int(np.isfinite(curves[bare.kind]["met"][k, 0])) for k, s in enumerate(settings) if s[1] == N)
    tasks = [(setting, rate) for setting in settings if setting[0] == "3c" for rate in config.rnn_rates]
    if tasks:
        chosen, calm = [setting for setting, _ in tasks], dataclasses.replace(config, nets=config.rnn_nets, patience=0)
        rnn = Model("rnn", calm, chosen, init_rng)
        curves["rnn"] = train(rnn, calm, chosen, [rate for _, rate in tasks], data_rng, curve["updates"], progress)
        met, test_set = np.isfinite(curves["rnn"]["met"]), make_batch(test_rng, chosen, config.T, TEST_SEQUENCES)
        theta = np.where(met[..., None], curves["rnn"]["theta_met"], curves["rnn"]["theta"])  # the better of the two, where they differ
        share = judge(evaluate(rnn, test_set, theta), test_set[2], chosen)[0].mean(-1) / TEST_SEQUENCES
        metrics |= {
            "rnn_3c_best_misclassified_fraction": float(share.reshape(-1, len(config.rnn_rates)).mean(0).min()),
            "rnn_3c_solved_fraction": float(met.reshape(-1, len(config.rnn_rates), config.rnn_nets).mean((0, 2)).max()),
            "rnn_weights": len(rnn.mask),
        }
    easy, hard = guessing(config, test_rng)
    guesses = {spread: [drawn or math.inf for drawn, _, _ in searches] for spread, searches in easy.items()}
    best = min(guesses, key=lambda spread: np.median(guesses[spread]))
    median, (x, ends, targets) = np.median(guesses[best]), make_batch(test_rng, [("3a", 3)], config.T, TEST_SEQUENCES)
    found = [guess_outputs(theta[None], x[:, 0, 0, 0], ends[0, 0])[0] for drawn, _, theta in easy[best] if drawn]
    metrics |= {
        "guessing_3a_best_spread": best,
        "guessing_3a_solved_fraction": float(np.isfinite(guesses[best]).mean()),
        "guessing_3a_median_guesses": float(median) if np.isfinite(median) else None,
        "guessing_3a_median_sequences": float(np.median([evaluated for _, evaluated, _ in easy[best]])),
        "guessing_3a_misclassified_fraction": float((np.abs(found - targets[0, 0]) > VARIANTS["3a"].tolerance).mean()) if found else None,
        "guessing_3c_successes": sum(drawn is not None for drawn, _, _ in hard.values()),
        "guessing_3c_sequences": sum(evaluated for _, evaluated, _ in hard.values()),
    }
    return {"metrics": metrics, "history": {**history, "rnn_tasks": tasks, "guesses": (easy, hard, best)}}


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
