# SPDX-License-Identifier: Unlicense
"""pole-balance-non-markov: a controller that never sees a velocity learns to balance a pole through a learned model of the cart.

The controller K sees where the cart and the pole are, not how they move. A recurrent model M learns from real trials how positions change, and K, recurrent as well, is
trained on trajectories imagined by M: the cost of imagined positions goes back through M into K. Some 200 real trials are enough; a K without memory never learns it.

Paper: J. Schmidhuber (1990). Making the world differentiable: on using fully recurrent self-supervised neural networks for dynamic reinforcement learning and planning in
non-stationary environments. TR FKI-126-90, TU Munich.

    python3 pole-balance-non-markov/pole_balance_non_markov.py --seed 0
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
from pole_balance_non_markov_cart import ANGLE, HALF_LENGTH, LIMITS, SPEED, TURN, X, cart_pole_step, cart_pole_step_back, failed

np.empty(31 << 20, np.uint8)  # freed at once: from then on glibc keeps freed memory instead of asking for new pages


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    runs: Annotated[int, "independent pairs of M and K, side by side; the headline speaks of the first", 1, 100] = 10
    contrasts: Annotated[Literal["all", "paper", "parts", "none"], "paper: CONTRASTS; parts: PARTS, what may be left out; all: both"] = "paper"
    contrast_runs: Annotated[int, "runs of each contrast", 1, 100] = 5
    cycles: Annotated[int, "at most so many cycles: train M, train K, collect, validate", 1, 100] = 8
    random_trials: Annotated[int, "first trials, with random pushes", 1, 10_000] = 100
    cycle_trials: Annotated[int, "trials by the noisy K in each cycle", 1, 1000] = 30
    trial_steps: Annotated[int, "a learning trial ends after so many steps, 0.02 s each", 10, 10_000] = 300
    noise: Annotated[float, "standard deviation of what is added to K's push in learning trials", 0.01, 2] = 0.4
    validation_steps: Annotated[int, "learning stops when 30 validation trials of so many steps all succeed", 1, 100_000] = 2000
    model: Annotated[Literal["learned", "true"], "true: the equations of motion stand in for M (a ceiling)"] = "learned"
    model_hidden: Annotated[int, "units of M", 1, 200] = 24
    model_target: Annotated[Literal["increments", "positions"], "what M predicts"] = "increments"
    model_rate: Annotated[float, "Adam's learning rate for M in the first cycle", 1e-9, 1] = 5e-3
    later_rate: Annotated[float, "and in later cycles", 0, 1] = 2e-3
    first_iterations: Annotated[int, "updates of M in the first cycle", 1, 100_000] = 400
    later_iterations: Annotated[int, "and in each later cycle", 1, 100_000] = 200
    window: Annotated[int, "steps of a training window of M", 3, 1000] = 40
    aggregate: Annotated[bool, "M and K learn from the trials of all cycles, not of the last one only"] = True
    memory: Annotated[bool, "K is recurrent"] = True
    controller_hidden: Annotated[int, "units of K", 1, 200] = 12
    controller_rate: Annotated[float, "Adam's learning rate for K", 0, 1] = 5e-3
    controller_iterations: Annotated[int, "updates of K in each cycle", 1, 100_000] = 120
    warm_up: Annotated[int, "real steps that fill the states of M and K before they imagine", 0, 100] = 4
    horizon: Annotated[int, "imagined steps", 1, 1000] = 50
    cost: Annotated[Literal["saturating", "quadratic", "pain"], "what K minimises; pain: what M predicts of the failure signal, as in 1990"] = "saturating"
    cart_weight: Annotated[float, "weight of the cart's position in the cost; the pole's is 1", 0, 100] = 0.1
    batch: Annotated[int, "windows of an update", 1, 10_000] = 32
    reinforce_rate: Annotated[float, "Adam's learning rate of the model-free contrast", 0, 1] = 0.01

    def __post_init__(self):
        if self.cost == "pain" and self.model == "true":
            raise ValueError("argument --cost: only a learned model predicts pain")


PRESETS = {"smoke": {"runs": 2, "contrasts": "all", "contrast_runs": 1, "cycles": 2, "random_trials": 10, "cycle_trials": 4, "first_iterations": 6, "later_iterations": 4,
                     "controller_iterations": 4, "validation_steps": 60, "trial_steps": 50},
           "paper": {"runs": 20, "trial_steps": 1001, "contrasts": "parts"}}
HEADLINE = {
    "episodes_balanced_1000_of_30": (">=", 30, "> 1000 steps in 17 of 20 runs"),
    "learning_trials_used": ("<=", 350, "a few hundred trials"),
    "memoryless_mean_steps": ("<=", 200, "velocities must be inferred"),
}
ROBUST = (9, 10, {"episodes_balanced_1000_of_30": (">=", 30), "learning_trials_used": ("<=", 400)})
PAPER = {"runs_over_1000_fraction": (">=", 0.85)}
MOVEMENT = {"phases": {"Net.forward": "forward", "Net.backward": "backward", "imagine": "forward", "imagine_back": "backward", "Adam.step": "update",
                       "rollout": "data", "evaluate": "evaluation"}, "step": "Adam.step",
            "algorithms": {"train_model": "model M", "train_controller": "controller K", "reinforce": "REINFORCE"}}

# --- problem ---
# The cart-pole itself stands in pole_balance_non_markov_cart.py. Arrays are (runs, features, trials): features in front of the batch, so that rows are contiguous.
START = 0.05  # all four state variables start uniformly in +- START


def observe(states):
    """All that M and K ever see: x / 2.4 m and angle / 12 degrees, of states (..., 4, N) -> (..., 2, N)."""
    return states[..., [X, ANGLE], :] / LIMITS


def starts(runs, trials, rng, width=START):
    return rng.uniform(-width, width, (runs, 4, trials))


def rollout(policy, state, steps, half_length=HALF_LENGTH, record=True):
    """Real trials; state (R, 4, N), policy.act(positions (R, 2, N)) -> push (R, N).

    Returns states (steps + 1, R, 4, N) and pushes (steps, R, N), constant and 0 after the end of a trial (only the first state unless `record`), lengths (R, N),
    the steps taken, and fallen (R, N), whether the trial ended in failure.
    """
    fallen, lengths = failed(state), np.zeros(state[:, 0].shape, int)
    states, pushes = [state], []
    for _ in range(steps):
        alive = ~fallen
        if not alive.any():
            break
        push = policy.act(observe(state)) * alive
        state = np.where(alive[:, None], cart_pole_step(state, push, half_length), state)
        lengths += alive
        fallen = fallen | failed(state)
        if record:
            states.append(state)
            pushes.append(push)
    return np.stack(states), np.stack(pushes) if pushes else None, lengths, fallen


class RandomPolicy:
    """Uniform pushes; each is held for another step with probability 1/2, which tells M more than white noise does."""

    def __init__(self, rng):
        self.rng, self.push = rng, None

    def act(self, positions):
        new = self.rng.uniform(-1, 1, positions[:, 0].shape)
        self.push = new if self.push is None else np.where(self.rng.random(new.shape) < 0.5, new, self.push)
        return self.push


class LinearPolicy:
    """A push linear in the present positions, without memory or learning: gains (x, angle)."""

    def __init__(self, gains):
        self.gains = gains

    def act(self, positions):
        return np.clip(self.gains[0] * positions[:, 0] + self.gains[1] * positions[:, 1], -1, 1)


# The best of a grid of such gains. Pushing with the lean and by the right amount neither lets the pole fall nor damps its swing: enough for 1000 steps from a gentle start.
STATIC_GAINS = (0.02, 0.3)


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


# --- model ---
class Net:
    """R fully recurrent nets side by side, with a direct path from inputs to outputs.

        [a; d] = W [h; x; 1]        h' = tanh(a)        y = V h' + d

    W (R, hidden + outputs, hidden + inputs + 1) and V (R, outputs, hidden) are views of theta (R, n); `mask` (n,) is 0 where a weight is none: d does not see h, and without
    `memory` a does not either.
    """

    def __init__(self, inputs, hidden, outputs, theta, memory=True):
        self.sizes, self.theta, self.memory = (inputs, hidden, outputs), theta, memory
        shapes = (hidden + outputs, hidden + inputs + 1), (outputs, hidden)
        self.W, self.V = views(theta, *shapes)
        self.mask = np.ones(theta.shape[-1], theta.dtype)
        views(self.mask, *shapes)[0][hidden if memory else 0:, :hidden] = 0

    @classmethod
    def random(cls, inputs, hidden, outputs, runs, rng, output_gain, memory=True):
        """Orthogonal recurrent weights times 0.5, small input and output weights, no direct path yet."""
        size = (hidden + outputs) * (hidden + inputs + 1) + outputs * hidden
        net = cls(inputs, hidden, outputs, np.zeros((runs, size), np.float32), memory)
        net.W[:, :hidden, :hidden] = 0.5 * np.linalg.qr(rng.standard_normal((runs, hidden, hidden)))[0]
        net.W[:, :hidden, hidden:-1] = rng.normal(0, 0.7 / math.sqrt(inputs), (runs, hidden, inputs))
        net.V[:] = rng.normal(0, output_gain / math.sqrt(hidden), net.V.shape)
        net.theta *= net.mask
        return net

    def keep(self, rows):
        """The same nets, of the chosen runs only."""
        return Net(*self.sizes, self.theta[rows].copy(), self.memory)

    def step(self, hidden, inputs):
        """hidden (R, H, B), inputs (R, D, B) -> row [h; x; 1], new hidden state, outputs (R, O, B)."""
        row = np.concatenate([hidden, inputs, np.ones_like(inputs[:, :1])], 1)
        z = self.W @ row
        new = np.tanh(z[:, :self.sizes[1]])
        return row, new, z[:, self.sizes[1]:] + self.V @ new

    def step_back(self, new, d_outputs, d_new):
        """Gradients at the outputs and, from later steps, at the new hidden state -> gradient at W row, and at row."""
        d_sum = (d_new + self.V.swapaxes(1, 2) @ d_outputs) * (1 - new * new)
        d_z = np.concatenate([d_sum, d_outputs], 1)
        return d_z, self.W.swapaxes(1, 2) @ d_z

    def gradient(self, d_z, rows):
        """d_z (T, R, H + O, B), rows (T + 1, R, H + D + 1, B) -> gradient (R, n)."""
        hidden = self.sizes[1]
        d_W = (d_z @ rows[:-1].swapaxes(2, 3)).sum(0)
        d_V = (d_z[:, :, hidden:] @ rows[1:, :, :hidden].swapaxes(2, 3)).sum(0)
        return np.concatenate([d_W.reshape(len(d_W), -1), d_V.reshape(len(d_V), -1)], 1) * self.mask

    def forward(self, inputs):
        """Whole sequences from a zero state: inputs (T, R, D, B) -> rows (T + 1, R, H + D + 1, B), outputs (T, R, O, B)."""
        (_, hidden, _), (steps, runs, size, batch) = self.sizes, inputs.shape
        rows = np.ones((steps + 1, runs, hidden + size + 1, batch), self.theta.dtype)
        rows[0, :, :hidden], rows[:-1, :, hidden:-1] = 0, inputs
        direct = np.empty((steps, runs, self.sizes[2], batch), rows.dtype)
        for row, after, d in zip(rows, rows[1:], direct):
            z = self.W @ row
            np.tanh(z[:, :hidden], out=after[:, :hidden])
            d[:] = z[:, hidden:]
        return rows, direct + self.V @ rows[1:, :, :hidden]

    def backward(self, rows, d_outputs):
        """Back-propagation through time: gradient (R, n) of a cost with d_outputs (T, R, O, B) at the outputs."""
        hidden = self.sizes[1]
        slope, d_hidden = 1 - rows[1:, :, :hidden] ** 2, self.V.swapaxes(1, 2) @ d_outputs
        recurrent = self.W[:, :hidden, :hidden].swapaxes(1, 2)
        d_z = np.concatenate([d_hidden * slope, d_outputs], 2)
        for now, later, s in zip(d_z[-2::-1], d_z[:0:-1], slope[-2::-1]):
            now[:, :hidden] += recurrent @ later[:, :hidden] * s
        return self.gradient(d_z, rows)


class Controller:
    """K at work in R x N real trials: a push in [-1, 1] from positions and its own state, plus noise while it explores."""

    def __init__(self, net, noise=0.0, rng=None):
        self.net, self.noise, self.rng, self.hidden, self.added = net, noise, rng, None, []

    def act(self, positions):
        positions = positions.astype(self.net.theta.dtype)
        if self.hidden is None:
            self.hidden = np.zeros((len(positions), self.net.sizes[1], positions.shape[2]), positions.dtype)
        _, self.hidden, output = self.net.step(self.hidden, positions)
        push = np.tanh(output[:, 0]).astype(float)
        if not self.noise:
            return push
        self.added.append(self.noise * self.rng.standard_normal(push.shape))
        return np.clip(push + self.added[-1], -1, 1)


class LearnedModel:
    """M as a world to imagine in: positions' = keep * positions + scale * y; a third output, if any, is the logit of pain at the next step."""

    def __init__(self, net, keep, scale):
        self.net, self.keep, self.scale = net, keep, scale

    def begin(self, states, pushes):
        """Fill M's state with W real steps: states (W + 1, R, 4, B), pushes (W, R, 1, B)."""
        inputs = np.concatenate([observe(states[:-1]), pushes], 2)
        self.hidden, self.tape, self.d_hidden = self.net.forward(inputs)[0][-1, :, :self.net.sizes[1]], [], 0

    def step(self, positions, push):
        """One imagined step -> next positions (R, 2, B), pain logit (R, 0 or 1, B)."""
        _, self.hidden, y = self.net.step(self.hidden, np.concatenate([positions, push], 1))
        self.tape.append(self.hidden)
        return self.keep * positions + self.scale * y[:, :2], y[:, 2:]

    def step_back(self, d_positions, d_pain):
        """Gradients after the last step not yet undone -> gradients at the positions and the push before it."""
        hidden = self.net.sizes[1]
        _, d_row = self.net.step_back(self.tape.pop(), np.concatenate([self.scale * d_positions, d_pain], 1), self.d_hidden)
        self.d_hidden = d_row[:, :hidden]
        return self.keep * d_positions + d_row[:, hidden:hidden + 2], d_row[:, hidden + 2:hidden + 3]


class TrueModel:
    """The equations of motion with true velocities in the place of M: what K could learn if M were perfect."""

    def begin(self, states, pushes):
        self.state, self.tape, self.d_velocities = states[-1], [], 0

    def step(self, positions, push):
        self.tape.append((self.state, push[:, 0]))
        self.state = cart_pole_step(self.state, push[:, 0])
        return observe(self.state), push[:, :0]

    def step_back(self, d_positions, d_pain):
        d_after = np.zeros(self.state.shape)
        d_after[:, [X, ANGLE]] = d_positions / LIMITS
        d_after[:, [SPEED, TURN]] = self.d_velocities
        d_before, d_push = cart_pole_step_back(*self.tape.pop(), d_after)
        self.d_velocities = d_before[:, [SPEED, TURN]]
        return d_before[:, [X, ANGLE]] * LIMITS, d_push[:, None]


# --- learning ---
@dataclass
class Trials:
    """Recorded real trials: steps (R, N, S + 1, 5) float32, the four state variables and the push; lengths and fallen (R, N).

    Velocities are kept for `TrueModel` and for the figures; what M and K learn from goes through `observe`.
    """
    steps: np.ndarray
    lengths: np.ndarray
    fallen: np.ndarray

    @classmethod
    def record(cls, policy, state, steps):
        """What happened in a `rollout`."""
        states, pushes, lengths, fallen = rollout(policy, state, steps)
        both = np.concatenate([states, np.pad(pushes, ((0, 1), (0, 0), (0, 0)))[:, :, None]], 2)
        return cls(np.moveaxis(both, (0, 2), (2, 3)).astype(np.float32), lengths, fallen)

    def whole(self):
        """All trials from their beginning, (S + 1, R, 5, N)."""
        return self.steps.transpose(2, 0, 3, 1)

    def join(self, other):
        """Both together, the shorter ones filled up with zeros."""
        longest = max(self.steps.shape[2], other.steps.shape[2])
        filled = [np.pad(trials.steps, ((0, 0), (0, 0), (0, longest - trials.steps.shape[2]), (0, 0))) for trials in (self, other)]
        return Trials(*(np.concatenate(pair, 1) for pair in (filled, (self.lengths, other.lengths), (self.fallen, other.fallen))))

    def keep(self, rows):
        return Trials(self.steps[rows], self.lengths[rows], self.fallen[rows])

    def windows(self, length, batch, rng):
        """Windows of `length` steps around steps drawn evenly from all of a run: states (length + 1, R, 4, B), pushes (length, R, 1, B),

        valid (length, R, B), False beyond the end of a shorter trial, and pain (length, R, B), True for the step that ended in failure.
        """
        runs, ends = np.arange(len(self.lengths))[:, None], np.cumsum(self.lengths, 1)
        drawn = (rng.random((len(runs), batch)) * ends[:, -1:]).astype(int)
        trial = (ends[:, None] <= drawn[:, :, None]).sum(2)
        size = self.lengths[runs, trial]
        first = np.clip(drawn - ends[runs, trial] + size, 0, np.maximum(size - length, 0))
        time = first + np.arange(length + 1)[:, None, None]
        place = (runs * self.lengths.shape[1] + trial) * self.steps.shape[2] + np.minimum(time, size)
        drawn_steps = np.ascontiguousarray(self.steps.reshape(-1, 5).take(place, 0).swapaxes(2, 3))
        return drawn_steps[:, :, :4], drawn_steps[:-1, :, 4:], time[:-1] < size, (time[1:] == size) & self.fallen[runs, trial]


def train_model(model, trials, optimizer, iterations, config, rng, scale=1.0):
    """M learns to predict the next positions, and pain if it has an output for it, from (x, angle, push).

    The first two steps of a window count a tenth: velocities cannot be known there.
    """
    weight = np.where(np.arange(config.window) < 2, 0.1, 1.0)[:, None, None, None]
    for _ in range(iterations):
        states, pushes, valid, pain = trials.windows(config.window, config.batch, rng)
        positions = observe(states).astype(np.float32)
        rows, y = model.net.forward(np.concatenate([positions[:-1], pushes], 2))
        share = (weight * valid[:, :, None]).astype(np.float32)
        share /= share.sum((0, 2, 3), keepdims=True)
        error = y[:, :, :2] - (positions[1:] - model.keep * positions[:-1]) / model.scale
        d_y = error * share
        if y.shape[2] > 2:
            d_y = np.concatenate([d_y, (logistic(y[:, :, 2:]) - pain[:, :, None]).astype(np.float32) * share], 2)
        gradient = model.net.backward(rows, d_y)
        clip_by_global_norm(gradient, 1.0)
        optimizer.step(gradient, scale)


def logistic(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def cost_slope(positions, pain, config):
    """Slope of the cost of one imagined step at positions (R, 2, B) and at the pain logit (R, 0 or 1, B), before averaging.

        saturating  q = z^2 / (1 + z^2): a few diverging trajectories do not decide the gradient        quadratic  q = z^2
    """
    if config.cost == "pain":
        return 0 * positions, logistic(pain)
    weight = np.array([[config.cart_weight], [1.0]], positions.dtype)
    square = 1 + positions * positions if config.cost == "saturating" else 1.0
    return 2 * weight * positions / (square * square), pain * 0


def imagine(controller, model, states, pushes, horizon):
    """W real steps, then `horizon` imagined ones: states (W + 1, R, 4, B), pushes (W, R, 1, B) -> the tape for `imagine_back`:

    K's rows, hidden states and pushes, positions [horizon of (R, 2, B)] and pain logits.
    """
    real = observe(states).astype(controller.theta.dtype)
    hidden = np.zeros((real.shape[1], controller.sizes[1], real.shape[3]), real.dtype)
    rows, positions, pains, done = [], [real[-1]], [], []
    for seen in real[:-1]:
        row, hidden, _ = controller.step(hidden, seen)
        rows.append(row)
    model.begin(states, pushes)
    for _ in range(horizon):
        row, hidden, output = controller.step(hidden, positions[-1])
        rows.append(row)
        done.append(np.tanh(output))
        after, pain = model.step(positions[-1], done[-1])
        positions.append(after)
        pains.append(pain)
    rows.append(np.concatenate([hidden, row[:, controller.sizes[1]:]], 1))
    return np.stack(rows), done, positions[1:], pains


def imagine_back(controller, model, tape, config):
    """Gradient (R, n) of the mean cost per imagined step, through M and K, to K's weights only."""
    rows, done, positions, pains = tape
    surviving, alive = [], 1.0
    for pain in pains:
        surviving.append(alive)
        alive = alive * (1 - logistic(pain))
    hidden, part = controller.sizes[1], 1 / (len(done) * rows.shape[3])
    warm_up = len(rows) - 1 - len(done)
    d_positions, d_hidden, d_z = 0, 0, []
    for t in range(len(done) - 1, -1, -1):
        slope, d_pain = cost_slope(positions[t], pains[t], config)
        d_before, d_push = model.step_back(d_positions + part * slope, part * surviving[t] * d_pain)
        d_output = (d_push * (1 - done[t] * done[t])).astype(rows.dtype)
        d, d_row = controller.step_back(rows[warm_up + t + 1, :, :hidden], d_output, d_hidden)
        d_z.append(d)
        d_hidden, d_positions = d_row[:, :hidden], d_before + d_row[:, hidden:-1]
    for t in range(warm_up - 1, -1, -1):  # in the real steps before, K saw without acting
        d, d_row = controller.step_back(rows[t + 1, :, :hidden], 0 * d_output, d_hidden)
        d_z.append(d)
        d_hidden = d_row[:, :hidden]
    return controller.gradient(np.stack(d_z[::-1]), rows)


def train_controller(controller, model, trials, optimizer, config, rng):
    """K learns in imagination, M stays as it is."""
    for _ in range(config.controller_iterations):
        states, pushes, _, _ = trials.windows(config.warm_up, config.batch, rng)
        tape = imagine(controller, model, states, pushes, config.horizon)
        gradient = imagine_back(controller, model, tape, config)
        clip_by_global_norm(gradient, 1.0)
        optimizer.step(gradient)


def learn(config, runs, data_rng, init_rng, progress=None):
    """The whole procedure for `runs` pairs of M and K side by side; a run stops learning when its K passes validation.

    Returns controller and model, the final K and M of all runs; cycles_used, trials_used, solved (runs,); per cycle, NaN after the end of a run, validation_steps,
    mean length, and longest, of all trials (cycles, runs); and theta and model_theta (cycles + 1, runs, n), K and M before and after each cycle.
    """
    trial_rng, window_rng, validation_rng = data_rng.spawn(3)
    controller = Net.random(2, config.controller_hidden, 1, runs, init_rng, 0.1, config.memory)
    net = Net.random(3, config.model_hidden, 3 if config.cost == "pain" else 2, runs, init_rng, 0.3)
    trials = Trials.record(RandomPolicy(trial_rng), starts(runs, config.random_trials, trial_rng), config.trial_steps)
    scale, keep = increments_scale(trials), 1.0
    if config.model_target == "positions":
        scale, keep = np.ones_like(scale), 0.0
    active = np.arange(runs)
    k_adam, m_adam = Adam(controller.theta, config.controller_rate), Adam(net.theta, config.model_rate)
    log = {"theta": np.repeat(controller.theta[None], config.cycles + 1, 0), "model_theta": np.repeat(net.theta[None], config.cycles + 1, 0),
           "cycles_used": np.full(runs, config.cycles), "solved": np.zeros(runs, bool),
           **{key: np.full((config.cycles, runs), np.nan) for key in ("validation_steps", "longest")}}
    for cycle in range(config.cycles):
        model = TrueModel() if config.model == "true" else LearnedModel(net, keep, scale[active])
        if config.model == "learned":
            iterations, rate = (config.first_iterations, 1.0) if cycle == 0 else (config.later_iterations, config.later_rate / config.model_rate)
            train_model(model, trials, m_adam, iterations, config, window_rng, rate)
        train_controller(controller, model, trials, k_adam, config, window_rng)
        explorer = Controller(controller, config.noise, trial_rng)
        noisy = Trials.record(explorer, starts(len(active), config.cycle_trials, trial_rng), config.trial_steps)
        trials = trials.join(noisy) if config.aggregate else noisy
        lengths, fallen = evaluate(Controller(controller), starts(len(active), 30, validation_rng), config.validation_steps)
        log["validation_steps"][cycle, active], log["longest"][cycle, active] = lengths.mean(1), np.maximum(lengths.max(1), noisy.lengths.max(1))
        log["theta"][cycle + 1:, active], log["model_theta"][cycle + 1:, active] = controller.theta, net.theta
        done = ~fallen.any(1)
        log["cycles_used"][active[done]], log["solved"][active[done]] = cycle + 1, True
        if progress:
            progress((cycle + 1) / config.cycles, f"cycle {cycle + 1}: {log['solved'].sum()} of {runs} runs done, others balance {lengths.mean():.0f} steps")
        if done.any():
            active, controller, net, trials = active[~done], controller.keep(~done), net.keep(~done), trials.keep(~done)
            k_adam, m_adam = carry_on(k_adam, controller.theta, ~done), carry_on(m_adam, net.theta, ~done)
        if not len(active):
            break
    log["trials_used"] = config.random_trials + config.cycle_trials * log["cycles_used"]
    log["controller"] = Net(*controller.sizes, log["theta"][-1], config.memory)
    log["model"] = LearnedModel(Net(*net.sizes, log["model_theta"][-1]), keep, scale)
    return log


def carry_on(adam, theta, rows):
    """The optimizer of the chosen runs, which goes on as before."""
    kept = Adam(theta, adam.learning_rate)
    kept.mean, kept.square, kept.steps = adam.mean[rows], adam.square[rows], adam.steps
    return kept


def increments_scale(trials):
    """Standard deviation of the change of each position in a step of the recorded trials -> (R, 2, 1)."""
    change = np.diff(trials.steps[..., [X, ANGLE]] / LIMITS[:, 0], axis=2)
    inside = (np.arange(change.shape[2]) < trials.lengths[:, :, None])[..., None]
    return np.sqrt((change * change * inside).sum((1, 2)) / inside.sum((1, 2)))[:, :, None].astype(np.float32)


def reinforce(config, runs, data_rng, init_rng, group=10):
    """The model-free contrast: the same K and as many real trials as `learn` may use -> its Net (REINFORCE, Williams 1992).

    The return is the number of steps to come, discounted by 0.99; the baseline is its mean over the trials of an update at the same step.
    """
    net = Net.random(2, config.controller_hidden, 1, runs, init_rng, 0.1)
    adam = Adam(net.theta, config.reinforce_rate)
    for _ in range((config.random_trials + config.cycles * config.cycle_trials) // group):
        policy = Controller(net, config.noise, data_rng)
        trials = Trials.record(policy, starts(runs, group, data_rng), config.trial_steps)
        whole = trials.whole()[:-1]
        left = trials.lengths - np.arange(len(whole))[:, None, None]
        alive = left > 0
        gain = np.where(alive, (1 - 0.99 ** np.maximum(left, 0)) / 0.01, 0)
        advantage = (gain - gain.sum(2, keepdims=True) / np.maximum(alive.sum(2, keepdims=True), 1)) * alive
        advantage /= np.sqrt((advantage ** 2).sum((0, 2), keepdims=True) / alive.sum((0, 2), keepdims=True)) + 1e-8
        rows, output = net.forward(observe(whole).astype(np.float32))
        score = (np.stack(policy.added) / config.noise ** 2)[:, :, None] * (1 - np.tanh(output) ** 2)
        gradient = net.backward(rows, (-score * advantage[:, :, None] / alive.sum((0, 2))[:, None, None]).astype(np.float32))
        clip_by_global_norm(gradient, 1.0)
        adam.step(gradient)
    return net


# --- evaluation ---
def evaluate(policy, state, steps, half_length=HALF_LENGTH):
    """Lengths (R, N) and whether the trial failed (R, N), of real trials from the states (R, 4, N)."""
    return rollout(policy, state, steps, half_length, record=False)[2:]


def r_squared(truth, guess, weight):
    """1 - squared error / variance over the first and the last axis: truth, guess (T, R, D, N), weight (T, R, 1, N) -> (R, D)."""
    spread = truth - (truth * weight).sum((0, 3), keepdims=True) / weight.sum((0, 3), keepdims=True)
    return 1 - ((truth - guess) ** 2 * weight).sum((0, 3)) / (spread ** 2 * weight).sum((0, 3))


def read_out(features, targets, weight):
    """Linear map [features; 1] -> targets of least squared error for each run: features (T, R, F, N), targets (T, R, D, N) -> (R, F + 1, D)."""
    inputs = np.concatenate([features, np.ones_like(features[:, :, :1])], 2).astype(float)
    weighted = (inputs * weight).swapaxes(2, 3)
    gram = (inputs @ weighted).sum(0) + 1e-9 * np.eye(inputs.shape[2])
    return np.linalg.solve(gram, (weighted.swapaxes(2, 3) @ targets.swapaxes(2, 3)).sum(0))


def hidden_knowledge(controller, trials):
    """R2 of (cart speed, pole turn) read out from K's state, and from the positions alone, fitted on even and judged on odd trials: two arrays (R, 2)."""
    whole, time = trials.whole()[:-1], np.arange(trials.steps.shape[2] - 1)[:, None, None, None]
    weight = ((time >= 5) & (time < trials.lengths[:, None])).astype(float)
    odd = np.arange(weight.shape[3]) % 2
    velocities, positions = whole[:, :, [SPEED, TURN]], observe(whole).astype(np.float32)
    known = []
    for features in (controller.forward(positions)[0][1:, :, :controller.sizes[1]], positions):
        fit = read_out(features, velocities, weight * (1 - odd))
        known.append(r_squared(velocities, fit[:, :-1].swapaxes(1, 2) @ features + fit[:, -1, :, None], weight * odd))
    return known


def model_r2(model, trials):
    """How well M predicts the changes of x and angle in a step of real trials, R2 (R, 2), from the third step on."""
    whole, time = trials.whole(), np.arange(trials.steps.shape[2] - 1)[:, None, None, None]
    positions = observe(whole).astype(np.float32)
    y = model.net.forward(np.concatenate([positions[:-1], whole[:-1, :, 4:]], 2))[1][:, :, :2]
    change = (model.keep - 1) * positions[:-1] + model.scale * y
    return r_squared(np.diff(positions, axis=0), change, ((time >= 2) & (time < trials.lengths[:, None])).astype(float))


def score(net, test, steps=1000, half_length=HALF_LENGTH):
    """The same test starts (1, 4, N) for each run's K -> mean steps and balanced trials, two arrays (R,)."""
    lengths, fallen = evaluate(Controller(net), np.repeat(test, len(net.theta), 0), steps, half_length)
    return lengths.mean(1), (~fallen).sum(1)


def first_over_1000(log, config):
    """Learning trials (R,) up to the first cycle in which a trial, of learning or of validation, lasted more than 1000 steps; infinity: none did."""
    over = log["longest"] > 1000
    return np.where(over.any(0), config.random_trials + config.cycle_trials * (over.argmax(0) + 1.0), np.inf)


# What differs from the configured run: the contrasts, and what the learner can do without.
CONTRASTS = {
    "memoryless": {"memory": False},
    "one_pass": {"cycles": 1},
    "true_model": {"model": "true", "cost": "saturating"},
    "pain": {"model": "learned", "cost": "pain", "horizon": 100, "controller_rate": 2e-3, "later_iterations": 500, "batch": 16},
}
PARTS = {
    "positions": {"model_target": "positions"},
    "no_warm_up": {"warm_up": 0},
    "last_trials": {"aggregate": False},
    "quadratic": {"cost": "quadratic"},
    "without_all": {"model_target": "positions", "warm_up": 0, "aggregate": False, "cost": "quadratic", "batch": 1},
}


def run(config, progress=None):
    """The configured runs and the contrasts. History: logs, what `learn` returned of each; steps, mean test steps (runs,) of each; walks, noisy trials of the main runs."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    tasks = {"main": {}, **{"none": {}, "paper": CONTRASTS, "parts": PARTS, "all": {**CONTRASTS, **PARTS}}[config.contrasts]}
    test, wide = starts(1, 30, test_rng), starts(1, 30, test_rng, 3 * START)
    logs, steps, metrics = {}, {}, {}
    for number, (name, change) in enumerate(tasks.items()):
        task, runs = dataclasses.replace(config, **change), config.runs if name == "main" else config.contrast_runs
        if name == "one_pass":  # the real trials and the updates of a typical main run, all in one cycle
            more = int(np.median(logs["main"]["cycles_used"])) - 1
            task = dataclasses.replace(task, random_trials=config.random_trials + more * config.cycle_trials,
                                       first_iterations=config.first_iterations + more * config.later_iterations,
                                       controller_iterations=(more + 1) * config.controller_iterations)
        logs[name] = log = learn(task, runs, *(rng.spawn(1)[0] for rng in (data_rng, init_rng)))
        steps[name], balanced = score(log["controller"], test)
        if name == "main":
            metrics = main_metrics(log, steps[name], balanced, test, wide, config, test_rng)
        else:
            metrics[f"{name}_mean_steps"], metrics[f"{name}_balanced_fraction"] = float(steps[name].mean()), float((balanced == 30).mean())
        if name in ("true_model", "pain", *PARTS):
            metrics[f"{name}_trials_median"] = float(np.median(log["trials_used"]))
        if progress:
            progress((number + 1) / (len(tasks) + 1), f"{name}: {(balanced == 30).mean():.0%} of the runs balance from 30 of 30 starts")
    if config.contrasts in ("paper", "all"):
        steps["reinforce"], balanced = score(reinforce(config, config.contrast_runs, *(rng.spawn(1)[0] for rng in (data_rng, init_rng))), test)
        metrics["reinforce_mean_steps"], metrics["reinforce_balanced_fraction"] = float(steps["reinforce"].mean()), float((balanced == 30).mean())
    main = logs["main"]["controller"]
    steps["no_push"] = score(Net(*main.sizes, np.zeros_like(main.theta[:1])), test)[0]
    steps["random_push"] = evaluate(RandomPolicy(test_rng), test, 1000)[0].mean(1)
    static = LinearPolicy(STATIC_GAINS)
    steps["static"], (_, swung), (lasted, _) = evaluate(static, test, 1000)[0].mean(1), evaluate(static, wide, 1000), evaluate(static, test, 10_000)
    metrics["no_push_mean_steps"], metrics["random_push_mean_steps"] = float(steps["no_push"][0]), float(steps["random_push"][0])
    metrics.update(static_mean_steps=float(steps["static"][0]), static_wide_starts_balanced_of_30=int((~swung).sum()), static_mean_steps_of_10000=float(lasted.mean()))
    walks = Trials.record(Controller(main, config.noise, test_rng), starts(config.runs, 30, test_rng), 200)
    for name, known in zip(("state", "positions"), hidden_knowledge(main, walks)):
        metrics[f"speed_r2_from_{name}"], metrics[f"turn_r2_from_{name}"] = map(float, known.mean(0))
    if config.model == "learned":
        metrics["model_r2_x"], metrics["model_r2_angle"] = map(float, model_r2(logs["main"]["model"], walks).mean(0))
    return {"metrics": metrics, "history": {"logs": logs, "steps": steps, "walks": walks}}


def main_metrics(log, steps, balanced, test, wide, config, rng):
    """Metrics of the configured runs: the first one by itself, as the headline has it, and all of them."""
    net, over = log["controller"], first_over_1000(log, config)
    far, fallen = evaluate(Controller(net), starts(len(steps), 20, rng), 10_000)
    wide_balanced = score(net, wide)[1]
    return {
        "episodes_balanced_1000_of_30": int(balanced[0]), "learning_trials_used": int(log["trials_used"][0]),
        "validation_trials_used": int(30 * log["cycles_used"][0]), "mean_steps_of_1000": float(steps[0]),
        "wide_starts_balanced_of_30": int(wide_balanced[0]), "mean_steps_of_10000": float(far[0].mean()), "complete_10000_of_20": int((~fallen[0]).sum()),
        "short_pole_balanced_of_30": int(score(net, test, half_length=0.8 * HALF_LENGTH)[1][0]),
        "long_pole_balanced_of_30": int(score(net, test, half_length=1.2 * HALF_LENGTH)[1][0]),
        "runs_balanced_fraction": float((balanced == 30).mean()),
        "runs_trials_median": float(np.median(log["trials_used"])), "runs_trials_max": int(log["trials_used"].max()),
        "runs_over_1000_fraction": float(np.isfinite(over).mean()),
        "runs_trials_to_1000_median": float(np.median(over)) if np.isfinite(np.median(over)) else None,
        "runs_wide_starts_balanced_mean_of_30": float(wide_balanced.mean()), "runs_mean_steps_of_10000": float(far.mean()),
    }


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
