# SPDX-License-Identifier: Unlicense
"""Learning: four gradient learners (BPTT, truncated BPTT, RTRL, UORO), Adam and SGD, curricula, weight noise, iterative refinement.

Nets (restarts, R) learn side by side from the same minibatches. A learner is a generator of gradients (R, P) of the summed loss of one
minibatch: the pieces add up to the whole gradient, or the optimiser takes a step after each (`every_step`).

Loss of a string (Eq. 15): cross entropy of the answer at every step against the string's label, weighted by `step_weight`, plus 1 at the last step.
"""
import math
from typing import NamedTuple

import numpy as np
from neural_state_pushdown_automaton_cells import (
    Batch, Reader, Tape, advance, answers, jacobians, make_batch, narrow, products, retreat, sigmoid, start, to_inputs, unpack)
from neural_state_pushdown_automaton_grammars import encode
from neural_state_pushdown_automaton_rules import discretise


class Settings(NamedTuple):
    learner: str = "bptt"
    every_step: bool = False  # update after every time step (online), not after the minibatch
    window: int = 50  # steps, of truncated BPTT
    optimiser: str = "adam"
    rate: float = 0.02
    clip: float = 13.0  # elementwise
    step_weight: float = 0.1
    action_noise: float = 0.0  # standard deviation, added to the action neurons' inputs in training
    refinements: int = 1  # K: predictions per step
    weight_noise: float = 0.0  # N_p of Algorithm 2: share of matrices disturbed
    noise_strength: float = 0.5  # its beta
    curriculum: str = "mastery"
    midpoint: int = 14  # N_Tr of Algorithm 1
    caps: tuple = (200, 350)  # epochs of its two random phases, cumulative
    batch: int = 100  # drawn strings
    epochs: int = 60
    clean: int = 1  # epochs without an error on training and validation strings that end a restart


# --- strings to learn from ---
class Samples(NamedTuple):
    """Distinct strings, and the draws as indices of them: nets read a repeated string once and weigh it."""
    tokens: np.ndarray  # (T + 1, U)
    ends: np.ndarray  # (U,)
    labels: np.ndarray  # (U,)
    draws: np.ndarray  # (N,)


def gather(strings, labels, size) -> Samples:
    place, distinct, draws = {}, [], []
    for index, string in enumerate(strings):
        key = bytes(string)
        if key not in place:
            place[key] = len(distinct)
            distinct.append(index)
        draws.append(place[key])
    return Samples(*encode([strings[index] for index in distinct], size), np.asarray(labels)[distinct], np.array(draws))


def split(strings, labels, size, rng):
    """70 / 15 / 15 percent of the positives and of the negatives -> training, validation and in-range test Samples."""
    parts = [[], [], []]
    for label in (0, 1):
        members = rng.permutation(np.flatnonzero(labels == label))
        for part, indices in zip(parts, np.split(members, [round(0.7 * len(members)), round(0.85 * len(members))])):
            part.extend(indices)
    return [gather([strings[i] for i in part], labels[part], size) for part in parts]


def minibatches(samples, limits, size, rng):
    """An epoch of batches, with the weight (R, B) of each string for each net: 0 where it is longer than the net's limit (R,).

    With one limit for all nets: the draws up to it in random order. Else as many random draws as there are, the limits taking equal shares:
    short strings are few, and a net that is still held to them would hardly learn from batches of mixed lengths.
    """
    lengths = samples.ends[samples.draws]
    if (limits == limits[0]).all():
        draws = rng.permutation(samples.draws[lengths <= limits[0]])
    else:
        draws = rng.permutation(np.concatenate([rng.choice(samples.draws[lengths <= limit], len(samples.draws) // len(limits)) for limit in limits]))
    for first in range(0, len(draws), size):
        strings, counts = np.unique(draws[first:first + size], return_counts=True)
        batch = make_batch(samples.tokens[:, strings], samples.ends[strings], samples.labels[strings], counts)
        yield batch, batch.weights * (batch.ends <= limits[:, None])


# --- loss of one step ---
class Gradient:
    """An array like theta (R, P) to add to, with its parts."""

    def __init__(self, theta, shape):
        self.flat = np.zeros_like(theta)
        self.weights, self.bias, self.readout, self.offset = unpack(self.flat, shape)

    def add(self, dv, inputs, rows=slice(None)):
        self.weights[:, rows] += dv @ inputs.swapaxes(-1, -2)
        self.bias[:, rows] += dv.sum(-1)


def predict_loss(parts, gradient, z, share, labels):
    """Cross entropy of one prediction, weighted by share (R, B) -> loss (R,), gradient at z; adds the readout's gradient."""
    _, _, readout, offset = parts
    answer = sigmoid((readout[:, None] @ z)[:, 0] + offset[:, None])
    error = (answer - labels) * share
    gradient.readout += (error[:, None] * z).sum(-1)
    gradient.offset += error.sum(-1)
    right = np.where(labels > 0.5, answer, 1 - answer)
    return -(np.log(np.maximum(right, 1e-30)) * share).sum(-1), error[:, None] * readout[..., None]


def step_loss(shape, parts, gradient, tape, z, share, labels, settings, hinted=None, smooth=False):
    """All K predictions of a step -> loss (R,), gradients at the new z and at the r that the step began with.

    Prediction 1 is made from the new state z. For k = 2..K the same transition (same r, same input, no stack) is applied to the state again, on a
    branch that nothing but the loss sees. Steps at which a net uses an inserted rule make one prediction: S = K (1 - H) + H.
    `hinted` (R, features) marks the products of inserted rules.
    """
    weights, bias, _, _ = parts
    loss, dz = predict_loss(parts, gradient, z, share, labels)
    dr = np.zeros_like(tape.r)
    if settings.refinements == 1:
        return loss, dz, dr
    if hinted is not None:
        share = share * ~(hinted[..., None] & (tape.products > 0.5)).any(1)
    states = slice(0, shape.states)
    branch = []
    for _ in range(settings.refinements - 1):
        inputs = products(shape, z, tape.r, tape.x)
        squashed = np.tanh(0.5 * (weights[:, states] @ inputs + bias[:, states, None]))
        branch.append((tape._replace(z=z), inputs, 0.25 * (1 - squashed * squashed)))
        z = 0.5 * (1 + squashed) if smooth else (squashed > 0).astype(z.dtype)
        extra, dz_here = predict_loss(parts, gradient, z, share, labels)
        branch[-1] += (dz_here,)
        loss = loss + extra
    carried = 0
    for step, inputs, slopes, dz_here in reversed(branch):
        dv = (dz_here + carried) * slopes
        gradient.add(dv, inputs, states)
        carried, dr_here = to_inputs(shape, weights[:, states], step, dv)
        dr += dr_here
    return loss, dz + carried, dr


def step_shares(batch, shares, settings):
    """How much each step's prediction counts: yields (R, count) per step. shares (R, B) are the strings' weights; each net's add up to 1."""
    shares = shares / np.maximum(shares.sum(1, keepdims=True), 1e-9)
    for step, count in enumerate(batch.counts):
        yield shares[:, :count] * (settings.step_weight + (batch.ends[:count] == step)).astype(shares.dtype)


def widen(array, count):
    """Zeros for strings that ended at this step and so have no future."""
    return np.concatenate([array, np.zeros((*array.shape[:-1], count - array.shape[-1]), array.dtype)], -1)


# --- learners ---
def bptt(theta, shape, batch: Batch, shares, settings, reader, rng=None, hinted=None, smooth=False):
    """Backpropagation through time, in windows of `settings.window` steps for the truncated form -> yields gradient (R, P), loss (R,)."""
    parts = unpack(theta, shape)
    dtype, labels = theta.dtype, batch.labels.astype(theta.dtype)
    state = start(shape, len(theta), len(batch.ends), len(batch.tokens), reader, dtype)
    steps = list(zip(batch.tokens, batch.counts, step_shares(batch, shares.astype(dtype), settings)))
    window = settings.window if settings.learner == "tbptt" else len(steps)
    for first in range(0, len(steps), window):
        gradient, tapes, total = Gradient(theta, shape), [], 0
        for symbols, count, share in steps[first:first + window]:
            noise = action_noise(settings, rng, len(theta), shape.size, count, dtype)
            state, tape = advance(shape, *parts[:2], narrow(state, count), symbols[:count], reader, noise, smooth)
            tapes.append((tape, state.z, share, count))
        dz, dr = np.zeros_like(state.z), np.zeros_like(state.r)
        for tape, z, share, count in reversed(tapes):
            loss, dz_here, dr_before = step_loss(shape, parts, gradient, tape, z, share, labels[:count], settings, hinted, smooth)
            total = total + loss
            dv, dz, dr = retreat(shape, parts[0], tape, widen(dz, count) + dz_here, widen(dr, count))
            dr += dr_before
            gradient.add(dv, tape.products)
        yield gradient.flat, total


def action_noise(settings, rng, nets, size, count, dtype):
    return settings.action_noise * rng.standard_normal((nets, size, count), dtype) if settings.action_noise else None


def forward_mode(theta, shape, batch: Batch, shares, settings, reader, rng=None, hinted=None, smooth=False):
    """RTRL and UORO: derivatives of (z, r) by the parameters are carried forward, and each step yields its gradient (R, P), loss (R,).

    RTRL (Eq. 20) keeps the whole matrix S = d(z, r)/dtheta per string, (R, B, J+L, (J+L)(features+1)). UORO keeps a rank-one estimate.
    """
    parts = unpack(theta, shape)
    dtype, labels = theta.dtype, batch.labels.astype(theta.dtype)
    nets, neurons, strings = len(theta), shape.neurons, len(batch.ends)
    state = start(shape, nets, strings, len(batch.tokens), reader, dtype)
    wide = neurons * (shape.features + 1)
    trace = (np.zeros((nets, strings, neurons, wide), dtype) if settings.learner == "rtrl" else
             (np.zeros((nets, strings, neurons), dtype), np.zeros((nets, strings, wide), dtype)))
    for symbols, count, share in zip(batch.tokens, batch.counts, step_shares(batch, shares.astype(dtype), settings)):
        noise = action_noise(settings, rng, nets, shape.size, count, dtype)
        state, tape = advance(shape, *parts[:2], narrow(state, count), symbols[:count], reader, noise, smooth)
        gradient = Gradient(theta, shape)
        loss, dz, dr = step_loss(shape, parts, gradient, tape, state.z, share, labels[:count], settings, hinted, smooth)
        dz, dr = dz.swapaxes(-1, -2), dr.swapaxes(-1, -2)
        trace = trace[:, :count] if settings.learner == "rtrl" else (trace[0][:, :count], trace[1][:, :count])
        flat = by_trace(dr, trace, slice(shape.states, None))
        trace = (rtrl_step if settings.learner == "rtrl" else uoro_step)(shape, parts[0], tape, trace, rng)
        flat += by_trace(dz, trace, slice(0, shape.states))
        flat = flat.reshape(nets, neurons, shape.features + 1)
        gradient.weights += flat[..., :-1]
        gradient.bias += flat[..., -1]
        yield gradient.flat, loss


def by_trace(ds, trace, rows):
    """Gradient at some of (z, r), (R, B, rows), times their derivative by the parameters, summed over strings -> (R, wide)."""
    if isinstance(trace, tuple):
        return np.einsum("rb,rbp->rp", (ds * trace[0][..., rows]).sum(-1), trace[1])
    return np.einsum("rbs,rbsp->rp", ds, trace[..., rows, :], optimize=True)


def rtrl_step(shape, weights, tape: Tape, trace, rng=None):
    """S' = dF/d(z, r) S + dF/dtheta."""
    effect, feedback = jacobians(shape, weights, tape)
    moved = (feedback @ trace).reshape(*trace.shape[:3], shape.neurons, shape.features + 1)
    diagonal = range(shape.neurons)
    moved[..., diagonal, diagonal, :-1] += tape.products.swapaxes(-1, -2)[:, :, None]
    moved[..., diagonal, diagonal, -1] += 1
    return effect @ moved.reshape(trace.shape)


def uoro_step(shape, weights, tape: Tape, trace, rng, epsilon=1e-7):
    """Eq. 21-23: a random rank-one matrix whose mean over the signs nu is what RTRL would carry."""
    vector, covector = trace
    effect, feedback = jacobians(shape, weights, tape)
    nu = rng.choice(np.array([-1, 1], vector.dtype), vector.shape)
    moved = (effect @ (feedback @ vector[..., None]))[..., 0]
    signed = (nu[..., None, :] @ effect)[..., 0, :, None]
    direct = np.concatenate([signed * tape.products.swapaxes(-1, -2)[:, :, None], signed], -1).reshape(covector.shape)
    length = [np.sqrt((part * part).sum(-1, keepdims=True)) + epsilon for part in (covector, moved, direct, nu)]
    rho0, rho1 = np.sqrt(length[0] / length[1]), np.sqrt(length[2] / length[3])
    return rho0 * moved + rho1 * nu, covector / rho0 + direct / rho1


LEARNERS = {"bptt": bptt, "tbptt": bptt, "rtrl": forward_mode, "uoro": forward_mode}


# --- weight noise ---
def adaptive_noise(theta, shape, share, strength, rng, literal=False):
    """Algorithm 2: disturbed weights, at which the gradient for the clean ones is taken.

    W^s and W^a are rows of A x B matrices. In each of three contiguous thirds ceil(share * size) random matrices M become M + p beta M, with one
    p ~ N(0, 1) that is halved after every matrix. literal: M becomes p beta M, as printed, which soon erases what it touches.
    """
    noisy = theta.copy()
    weights = unpack(noisy, shape)[0]
    for rows in (slice(0, shape.states), slice(shape.states, None)):
        tensor = weights[:, rows]
        matrices = tensor.reshape(len(theta), tensor.shape[1] * shape.states, -1)  # a view
        chosen = [third[rng.random((len(theta), len(third))).argsort(1)[:, :math.ceil(share * len(third))]]
                  for third in np.array_split(np.arange(matrices.shape[1]), 3) if len(third)]
        chosen = np.concatenate(chosen, 1)
        factor = rng.standard_normal((len(theta), 1)) * strength * 0.5 ** np.arange(chosen.shape[1])
        matrices[np.arange(len(theta))[:, None], chosen] *= (factor + (not literal))[..., None].astype(theta.dtype)
    return noisy


# --- optimisers ---
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


class SGD:
    def __init__(self, theta, learning_rate):
        self.theta, self.learning_rate = theta, learning_rate

    def step(self, gradient, scale=1.0):
        self.theta -= self.learning_rate * scale * gradient


# --- curricula ---
def curriculum(settings, nets, longest):
    """Yields (stage, longest string for each net (R,)) before every epoch; is sent (mastered (R,), everything converged) after it.

    mastery: a net's limit grows by 2 when it makes no error up to it. clock: by 1 every epoch. 2il: Algorithm 1, a sequence of growing limits
    and then random order up to the midpoint, and both again with all lengths.
    """
    limits = np.full(nets, min(3, longest))
    if settings.curriculum == "2il":
        count = 0
        for stage, (top, cap) in enumerate(zip((min(settings.midpoint, longest), longest), settings.caps), 1):
            for limit in range(1, top + 1):
                _, converged = yield stage, np.full(nets, limit)
            while count < cap and not converged:
                _, converged = yield stage, np.full(nets, top)
                count += 1
        return
    while True:
        mastered, _ = yield 2, limits if settings.curriculum != "none" else np.full(nets, longest)
        grow = mastered * 2 if settings.curriculum == "mastery" else 1
        limits = np.minimum(limits + grow, longest)


class Outcome(NamedTuple):
    theta: np.ndarray  # (R, P): of each net the weights of the end of its clean epochs, or the last
    epochs: np.ndarray  # (R,) to convergence: the first of the clean epochs; infinity
    characters: np.ndarray  # (R,) read until then
    updates: np.ndarray  # (R,)
    errors: np.ndarray  # (R,) share of the validation draws, at the end
    limits: np.ndarray  # (R,) the curriculum's, at the end


def train(theta, trainable, shape, training: Samples, validation: Samples, settings: Settings, rng, discrete=False, watch=None) -> Outcome:
    """Train nets (R, P) side by side until each has converged or the epochs are over.

    Convergence: no error on training and validation strings for `settings.clean` epochs, with discretised weights if `discrete`.
    watch(epoch, theta, limits, errors) is called after every epoch.
    """
    nets, alive, longest = len(theta), np.arange(len(theta)), int(training.ends.max())
    result, theta, trainable = theta.copy(), theta.copy(), trainable.copy()
    tokens = np.full((longest + 1, len(validation.ends)), shape.size - 1)
    tokens[:len(validation.tokens)] = validation.tokens[:longest + 1]
    tokens, ends = np.concatenate([training.tokens, tokens], 1), np.concatenate([training.ends, validation.ends])
    labels = np.concatenate([training.labels, validation.labels]) > 0
    draw_counts = np.bincount(validation.draws, minlength=len(validation.ends)) / len(validation.draws)
    epochs, errors = np.full(nets, np.inf), np.full(nets, np.nan)
    streak, characters, updates, reached = np.zeros(nets, int), np.zeros(nets), np.zeros(nets, int), np.zeros((2, nets))
    reader, schedule, feedback = Reader(rng), curriculum(settings, nets, longest), None
    optimiser = SGD(theta, settings.rate) if settings.optimiser == "sgd" else Adam(theta, settings.rate, beta2=0.99)
    for epoch in range(1, settings.epochs + 1):
        try:
            stage, limits = schedule.send(feedback)
        except StopIteration:  # Algorithm 1 has come to its end
            break
        # The cited annealing is not spelled out in the paper; here a decaying random factor in stage 1 and a constant rate in stage 2.
        scale = 0.99 ** epoch * rng.uniform(0.5, 1.5) if settings.optimiser == "sgd" and stage == 1 else 1.0
        hinted = unpack(trainable, shape)[0][:, 0] == 0
        for batch, shares in minibatches(training, limits[alive], settings.batch, rng):
            place = adaptive_noise(theta, shape, settings.weight_noise, settings.noise_strength, rng) if settings.weight_noise else theta
            pieces = LEARNERS[settings.learner](place, shape, batch, shares, settings, reader, rng, hinted)
            if settings.every_step:
                for gradient, _ in pieces:
                    update(optimiser, gradient, trainable, settings, scale)
            else:
                update(optimiser, sum(gradient for gradient, _ in pieces), trainable, settings, scale)
            updates[alive] += 1
            characters[alive] += shares @ (batch.ends + 1)
        judged = discretise(theta, shape) if discrete else theta
        wrong = answers(judged, shape, tokens, ends, rng) != labels
        errors[alive] = wrong[:, len(training.ends):] @ draw_counts
        clean = ~wrong.any(1)
        mastered = np.zeros(nets, bool)
        mastered[alive] = ~(wrong & (ends <= limits[alive, None])).any(1)
        fresh = alive[clean & (streak[alive] == 0)]
        epochs[fresh], reached[:, fresh] = epoch, (characters[fresh], updates[fresh])
        streak[alive] = np.where(clean, streak[alive] + 1, 0)
        epochs[alive[~clean]] = np.inf
        result[alive] = theta
        if watch:
            watch(epoch, result, limits, errors)
        feedback = mastered, bool(clean.all())
        going = streak[alive] < settings.clean
        if not going.any():
            break
        if not going.all():
            alive, theta, trainable = alive[going], theta[going], trainable[going]
            optimiser.theta = theta
            if settings.optimiser == "adam":
                optimiser.mean, optimiser.square = optimiser.mean[going], optimiser.square[going]
    done = streak >= settings.clean  # a streak that the last epoch cuts short does not count
    epochs = np.where(done, epochs, np.inf)
    return Outcome(result, epochs, np.where(done, reached[0], characters), np.where(done, reached[1], updates).astype(int), errors, limits)


def update(optimiser, gradient, trainable, settings, scale):
    """One clipped step on what may be learned."""
    optimiser.step(np.clip(gradient, -settings.clip, settings.clip) * trainable, scale)
