# SPDX-License-Identifier: Unlicense
"""subgoal-obstacle-avoidance: a net learns where to put sub-goals, from the gradient of what an evaluator says the way will cost.

A low-level controller can only walk straight. A generator S proposes two sub-goals between start and goal, an evaluator E tells what the three straight
legs through the swamps will cost, and S follows the gradient that comes back through E. Done for one problem at a time, as in the paper, or once for
all problems, so that a single pass through S plans in an arena it has never seen.

Paper: J. Schmidhuber (1991). Learning to generate sub-goals for action sequences. Proc. ICANN-91, Espoo, 967-972.

    python3 subgoal-obstacle-avoidance/subgoal_obstacle_avoidance.py --seed 0
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
from subgoal_obstacle_avoidance_arenas import SIDE, clear, legs, make_arenas, mirror, points_in, seen_from_circles, shortest_path, symmetric, way


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    evaluator: Annotated[Literal["analytic", "learned"], "E of the main protocols: exact, or a net trained on costs that C experienced"] = "analytic"
    generator: Annotated[Literal["static", "recurrent"], "S emits all sub-goals at once, or one after another from where the last one lies"] = "static"
    coordinates: Annotated[Literal["frame", "raw"], "what S sees and moves in: along and across the way from start to goal, or the box's x and y"] = "frame"
    arena: Annotated[Literal["random", "diagonal"], "random: any start and goal; diagonal: always from (1, 1) to (9, 9)"] = "random"
    contrasts: Annotated[bool, "also measure the contrasts, the other arenas and the learned evaluator"] = True
    circles: Annotated[int, "swamps per arena", 1, 6] = 4
    subgoals: Annotated[int, "K, sub-goals per plan", 1, 5] = 2
    penalty: Annotated[float, "lambda, cost of a unit of way at full depth of a swamp", 0, 1000] = 12.0
    margin: Annotated[float, "width of the shallow rim that E adds around each circle", 0.01, 1] = 0.15
    arenas: Annotated[int, "arenas to train on, before mirroring and swapping start and goal", 10, 1_000_000] = 16_000
    test_arenas: Annotated[int, "held-out arenas of each measurement", 10, 10_000] = 500
    hidden: Annotated[tuple[int, ...], "hidden units of S, layer by layer", 1, 1000] = (64, 64, 64)
    updates: Annotated[int, "updates of S in protocol P2", 1, 1_000_000] = 3000
    sideways: Annotated[float, "first lateral deviation of the net of P2: to the left, where it may stay", -5, 5] = 1.5
    head_updates: Annotated[int, "updates of the heads of protocol P3", 1, 1_000_000] = 400
    batch: Annotated[int, "arenas per update", 1, 10_000] = 128
    learning_rate: Annotated[float, "Adam's rate, constant, then falling to 0 over the second half", 0, 1] = 0.005
    gradient_limit: Annotated[float, "largest norm of dE/dplan of one plan", 0.1, 1e9] = 5.0
    refine_steps: Annotated[int, "steps on the sub-goals themselves in protocol P3", 0, 1000] = 20
    refine_rate: Annotated[float, "first step size of these, falling linearly to 0", 0, 1] = 0.08
    single_hidden: Annotated[int, "hidden units of each net of protocol P1", 1, 1000] = 40
    single_rate: Annotated[float, "rate of plain gradient descent in P1", 0, 1] = 0.002
    single_swamp_rate: Annotated[float, "the same in arenas with one swamp, with a recurrent S", 0, 1] = 0.03
    experience: Annotated[int, "legs that C walks for the learned evaluator to learn from", 100, 1_000_000] = 20_000
    evaluator_updates: Annotated[int, "updates of the learned evaluator", 1, 1_000_000] = 3000


PRESETS = {
    "smoke": {"arenas": 60, "test_arenas": 20, "updates": 20, "head_updates": 5, "batch": 16, "hidden": (16,), "experience": 200,
              "evaluator_updates": 20},
    "paper": {"hidden": (40,), "coordinates": "raw"},
}
HEADLINE = {
    "p1_success_within_22_iterations": (">=", 0.90, "20 (one swamp) and 22 (several) iterations"),
    "p3_success_random_start_goal": (">=", 0.99, "satisfactory solution"),
    "p2_single_pass_success": (">=", 0.75, "n/a (per-problem training)"),
    "p2_margin_over_constant": (">=", 0.20, "n/a"),
}
ROBUST = (9, 10, {"p3_success_random_start_goal": (">=", 0.98), "p2_single_pass_success": (">=", 0.7)})
PAPER = {"p1_iterations_median": ("<=", 22), "one_swamp_iterations_median": ("<=", 20)}
MOVEMENT = {"phases": {"forward": "forward", "backward": "backward", "plan_cost": "backward", "Adam.step": "update", "clear": "evaluation",
                       "shortest_path": "evaluation", "make_arenas": "data", "features": "data"}, "step": "Adam.step",
            "algorithms": {"train": "generator, {generator.theta.size} weights", "solve_each": "one net per arena, {generator.theta.size} weights", "LearnedEvaluator.learn": "evaluator"}}

# --- problem ---
# Arenas, and the exact shortest way through them, are in subgoal_obstacle_avoidance_arenas.py. A gradient is written dE/dx + i dE/dy.
SLOTS, SCALE = 4, 3.0  # circles that S sees; unit of its inputs
INPUTS, CIRCLES_FROM = 8 + 3 * SLOTS, 8


def frame(arenas, coordinates):
    """Origin and direction (both (B,)) of the coordinates that S sees and moves in."""
    if coordinates == "raw":
        return np.full_like(arenas.start, (1 + 1j) * SIDE / 2), np.ones_like(arenas.start)
    return (arenas.start + arenas.goal) / 2, (arenas.goal - arenas.start) / abs(arenas.goal - arenas.start)


def features(arenas, coordinates="frame"):
    """What S sees, (INPUTS, B) float32: start, goal, the box and the circles nearest to the straight way, in the order in which it passes them."""
    origin, direction = frame(arenas, coordinates)
    span = arenas.goal - arenas.start
    along = (arenas.centre - arenas.start) * span.conj() / abs(span)
    distance = abs(along - np.clip(along.real, 0, abs(span))) - arenas.radius
    near = np.argsort(distance, 0)[:SLOTS]
    near = np.take_along_axis(near, np.argsort(np.take_along_axis(along.real, near, 0), 0), 0)
    centre, radius = np.full((SLOTS, len(arenas)), 6j), np.full((SLOTS, len(arenas)), 0.6)  # an empty slot is a small circle far away
    centre[:len(near)] = (np.take_along_axis(arenas.centre, near, 0) - origin) * direction.conj()
    radius[:len(near)] = np.take_along_axis(arenas.radius, near, 0)
    points = np.array([arenas.start, arenas.goal, np.full_like(origin, (1 + 1j) * SIDE / 2)])
    points = (points - origin) * direction.conj() / SCALE
    turn = direction ** 4  # turning the box by a quarter changes nothing
    return np.array([*(part for point in points for part in (point.real, point.imag)), turn.real, turn.imag,
                     *(centre.real / SCALE), *(centre.imag / SCALE), *((radius - 0.9) * SCALE)], np.float32)


# --- model ---
def cone_area(u0, u1, h, reach):
    """E's analytic part: area of a leg's projection on a cone of depth 1 and radius `reach`, the integral of max(0, 1 - distance / reach).

    All arguments broadcast. Returns the area and its derivatives with respect to u0, u1 and h.
    """
    half = np.sqrt(np.maximum(reach * reach - h * h, 0))  # half the chord
    low, high, flat = np.clip(u0, -half, half), np.clip(u1, -half, half), np.maximum(np.abs(h), 1e-6)
    far_low, far_high = np.sqrt(low * low + h * h), np.sqrt(high * high + h * h)
    turn = (np.copysign(np.log((np.abs(high) + far_high) / flat + 1e-30), high)  # asinh(high / h) - asinh(low / h), but stable
            - np.copysign(np.log((np.abs(low) + far_low) / flat + 1e-30), low)) * (high > low)
    area = high - low - (high * far_high - low * far_low + h * h * turn) / (2 * reach)
    return area, (np.abs(u0) < half) * (far_low / reach - 1), (np.abs(u1) < half) * (1 - far_high / reach), -h * turn / reach


def plan_cost(plan, arenas, penalty, margin, swamp=cone_area):
    """E summed over the legs of each plan: plan (R, K, B) -> cost (R, B) and its gradient dE/dplan (R, K, B).

    E(a, b) = |b - a| + lambda sum over circles of swamp(...), and leaving the box costs lambda per unit. The exact integral makes E additive: a leg
    that is cut in two costs the same.
    """
    a, b = legs(plan, arenas)
    u0, u1, h, length, direction = seen_from_circles(a, b, arenas.centre[:, None, None])
    area, by_u0, by_u1, by_h = swamp(u0, u1, h, (arenas.radius + margin)[:, None, None])
    turned = h * (by_u0 + by_u1)  # moving one end sideways turns the leg around the other
    by_a = direction * (-1 + penalty * (by_u0 + 1j * (u1 * by_h - turned) / length).sum(0))
    by_b = direction * (1 + penalty * (by_u1 + 1j * (turned - u0 * by_h) / length).sum(0))
    outside = plan - np.clip(plan.real, 0.15, SIDE - 0.15) - 1j * np.clip(plan.imag, 0.15, SIDE - 0.15)
    cost = (length + penalty * area.sum(0)).sum(1) + penalty * (np.abs(outside.real) + np.abs(outside.imag)).sum(1)
    return cost, by_b[:, :-1] + by_a[:, 1:] + penalty * (np.sign(outside.real) + 1j * np.sign(outside.imag))


def forward(layers, x):
    """Tanh layers and a linear one; layers [W (*runs, out, in), b (*runs, out, 1), ...], x (*runs, in, batch) -> activations of all layers."""
    activations = [x]
    for weights, bias in zip(layers[::2], layers[1::2]):
        activations.append(weights @ activations[-1] + bias)
        if len(activations) <= len(layers) // 2:
            np.tanh(activations[-1], out=activations[-1])
    return activations


def backward(layers, activations, delta, gradients=None):
    """Back-propagate delta = dE/doutput; adds dE/dlayers into `gradients` (none: the net is frozen) and returns dE/dx."""
    for layer in range(len(layers) - 2, -1, -2):
        x = activations[layer // 2]
        if gradients:
            gradients[layer] += delta @ x.swapaxes(-1, -2)
            gradients[layer + 1] += delta.sum(-1, keepdims=True)
        delta = layers[layer].swapaxes(-1, -2) @ delta
        if layer:
            delta *= 1 - x * x
    return delta


def new_weights(sizes, runs, rng):
    """Flat weights (*runs, n) and the shapes of the layers; normal, scaled by the fan-in, biases 0."""
    shapes = [shape for inputs, outputs in zip(sizes, sizes[1:]) for shape in ((outputs, inputs), (outputs, 1))]
    theta = np.zeros((*runs, sum(map(math.prod, shapes))), np.float32)
    for weights in views(theta, *shapes)[::2]:
        weights[...] = rng.normal(0, weights.shape[-1] ** -0.5, weights.shape)
    return theta, shapes


class Generator:
    """S: R nets (heads), each of which plans in all B arenas, or with `private` one net for each arena.

    The output is what the sub-goals deviate from points evenly spaced on the straight way. Static: all at once. Recurrent: one after another, the
    last sub-goal taking the place of the start among the inputs, and the step to the next one beginning there.
    """
    def __init__(self, hidden, config, rng, offsets=(0.0,), private=0, recurrent=None):
        self.recurrent = config.generator == "recurrent" if recurrent is None else recurrent
        self.steps, self.private, self.subgoals = (config.subgoals if self.recurrent else 1), bool(private), config.subgoals
        outputs = 2 * config.subgoals // self.steps
        self.theta, shapes = new_weights((INPUTS, *hidden, outputs), (private or len(offsets),), rng)
        self.gradient = np.zeros_like(self.theta)
        self.layers, self.gradients = views(self.theta, *shapes), views(self.gradient, *shapes)
        self.layers[-1][:, 1::2, 0] = np.array(offsets)[:, None] / self.steps

    def plan(self, x, arenas, coordinates="frame"):
        """x (INPUTS, B) -> sub-goals (R, K, B)."""
        self.origin, self.direction = frame(arenas, coordinates)
        x = x.T[:, :, None] if self.private else np.broadcast_to(x, (len(self.theta), *x.shape))
        step = (arenas.goal - arenas.start) / (self.subgoals + 1)
        place, plan, self.activations = arenas.start, [], []
        for _ in range(self.steps):
            if plan:
                x, own = x.copy(), (place - self.origin) * self.direction.conj() / SCALE
                x[:, :2] = self._swap(np.stack([own.real, own.imag], 1))
            self.activations.append(forward(self.layers, x))
            out = self._swap(self.activations[-1][-1])
            for k in range(out.shape[1] // 2):
                start = arenas.start + step * (k + 1) if not self.recurrent else place + step
                place = start + self.direction * (out[:, 2 * k] + 1j * out[:, 2 * k + 1])
                plan.append(place)
        return np.stack(plan, 1)

    def _swap(self, a):
        """Between nets (R, features, batch) and plans (R, features, B): private nets are the arenas, each with a batch of one."""
        return a.transpose(2, 1, 0) if self.private else a

    def backward(self, by_plan):
        """dE/dplan (R, K, B) -> dE/dtheta, summed over the arenas; E and the low-level controller stay as they are."""
        self.gradient[...] = 0
        carry, per_step = 0, self.subgoals // self.steps
        for step in range(self.steps - 1, -1, -1):
            by_place = by_plan[:, step * per_step:(step + 1) * per_step] + carry
            own = by_place * self.direction.conj()
            delta = np.stack([own.real, own.imag], 2).reshape(len(own), 2 * per_step, -1)
            by_x = self._swap(backward(self.layers, self.activations[step], self._swap(delta), self.gradients))
            carry = by_place + (self.direction * (by_x[:, 0] + 1j * by_x[:, 1]) / SCALE)[:, None]
        return self.gradient


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
class LearnedEvaluator:
    """E's swamp part as a net of a leg seen from one swamp (u0, u1, |h|, reach), added up over swamps; called like `cone_area`.

    Softplus makes it positive and, where no swamp is near, flat: a linear output leaves small slopes everywhere, and lambda makes them large.
    """
    def __init__(self, rng, hidden=32):
        self.theta, shapes = new_weights((4, hidden, hidden, 1), (), rng)
        self.gradient = np.zeros_like(self.theta)
        self.layers, self.gradients = views(self.theta, *shapes), views(self.gradient, *shapes)

    def see(self, u0, u1, h, reach):
        return np.array(np.broadcast_arrays(u0 / SCALE, u1 / SCALE, np.abs(h) / SCALE, reach - 1), np.float32)

    def predict(self, x):
        """x (4, ...) -> activations (flattened), areas (...) and their derivatives with respect to the net's output."""
        activations = forward(self.layers, x.reshape(4, -1))
        out = activations[-1].reshape(x.shape[1:])
        return activations, np.logaddexp(0, out), 0.5 + 0.5 * np.tanh(out / 2)

    def __call__(self, u0, u1, h, reach):
        activations, area, slope = self.predict(self.see(u0, u1, h, reach))
        by_x = backward(self.layers, activations, slope.reshape(1, -1)).reshape(4, *area.shape) / SCALE
        return area, by_x[0], by_x[1], by_x[2] * np.sign(h)

    def learn(self, arenas, config, rng):
        """Predict what C met on each of the legs that it walked in training arenas."""
        x, met = walk_legs(config.experience, self, arenas, config, rng)
        adam = Adam(self.theta, config.learning_rate)
        for update in range(config.evaluator_updates):
            some = rng.integers(len(met), size=256)
            activations, area, slope = self.predict(x[:, :, some])
            self.gradient[...] = 0
            backward(self.layers, activations, (slope * (area.sum(0) - met[some])).reshape(1, -1) / 128, self.gradients)
            adam.step(self.gradient, min(1, 2 - 2 * update / config.evaluator_updates))


def walk_legs(count, evaluator, arenas, config, rng, steps=40):
    """C walks `count` random legs and adds up the depth of the swamps it meets -> what E sees of them (4, N, legs), what C met (legs,)."""
    a, b = points_in(0, SIDE, (2, count), rng)
    arenas, met = arenas.take(rng.integers(len(arenas), size=count)), 0
    for step in range(steps):
        distance = abs(a + (b - a) * (step + 0.5) / steps - arenas.centre)
        met = met + np.maximum(0, 1 - distance / (arenas.radius + config.margin)).sum(0)
    u0, u1, h, length, _ = seen_from_circles(a, b, arenas.centre)
    return evaluator.see(u0, u1, h, arenas.radius + config.margin), (met * length / steps).astype(np.float32)


def limited(by_plan, limit):
    """Shorten dE/dplan where its norm over the sub-goals of a plan exceeds `limit`."""
    norm = np.sqrt((by_plan.real ** 2 + by_plan.imag ** 2).sum(1, keepdims=True))
    return by_plan * (limit / np.maximum(norm, limit))


def train(generator, arenas, updates, config, rng, swamp=cone_area, blind=False, watch=None):
    """P2: S learns from many arenas, E frozen. Several heads share each arena by a softmin of their costs: the free energy -log sum exp(-E) falls.

    lambda grows over the first half: a gentle swamp is pushed aside on the shorter side, a deep one holds the plan where it is.
    """
    x = features(arenas, config.coordinates)
    if blind:
        x[CIRCLES_FROM:] = 0
    arenas, adam = arenas.single(), Adam(generator.theta, config.learning_rate)
    for update in range(updates):
        some = rng.integers(len(arenas), size=config.batch)
        batch = arenas.take(some)
        plan = generator.plan(x[:, some], batch, config.coordinates)
        cost, by_plan = plan_cost(plan, batch, config.penalty * min(1, 0.1 + 1.8 * update / updates), config.margin, swamp)
        share = np.exp(cost.min(0) - cost)
        by_plan = limited(by_plan, config.gradient_limit) * (share / share.sum(0))[:, None]
        adam.step(generator.backward(by_plan) / config.batch, min(1, 2 - 2 * update / updates))
        if watch and (update % max(1, updates // 30) == 0 or update + 1 == updates):
            watch[0].append((update + 1, rate_of(clear(propose(generator, watch[1], config), watch[1]))))


ITERATIONS = 60  # of P1
HEADS = -1.5, -0.5, 0.5, 1.5  # first lateral deviations of the heads of P3


def solve_each(generator, arenas, rate, config, swamp=cone_area):
    """P1, the paper's protocol: one untrained S per arena follows the gradient of E there. Returns all plans (iterations + 1, K, B)."""
    x, plans = features(arenas, config.coordinates), []
    for _ in range(ITERATIONS + 1):
        plan = generator.plan(x, arenas, config.coordinates)
        plans.append(plan[0])
        _, by_plan = plan_cost(plan, arenas, config.penalty, config.margin, swamp)
        generator.theta -= rate * generator.backward(limited(by_plan, config.gradient_limit))
    return np.array(plans)


# --- evaluation ---
def refine(plan, arenas, config, swamp=cone_area):
    """Gradient steps on the sub-goals themselves, no net; what the world would say of the plan is not used."""
    for step in range(config.refine_steps):
        _, by_plan = plan_cost(plan, arenas, config.penalty, config.margin, swamp)
        plan = plan - config.refine_rate * (1 - step / config.refine_steps) * limited(by_plan, config.gradient_limit)
    return plan


def choose(plans, arenas, config, swamp=cone_area):
    """The plan that E likes best of R candidates: (R, K, B) -> (1, K, B)."""
    cost, _ = plan_cost(plans, arenas, config.penalty, config.margin, swamp)
    return np.take_along_axis(plans, cost.argmin(0)[None, None], 0)


def propose(generator, arenas, config, blind=False):
    x = features(arenas, config.coordinates)
    if blind:
        x[CIRCLES_FROM:] = 0
    return generator.plan(x, arenas, config.coordinates)


def detours(fractions, laterals, arenas):
    """Plans that do not look at the circles: sub-goals at given fractions of the straight way, moved aside; both (R, K) -> (R, K, B)."""
    span = arenas.goal - arenas.start
    return arenas.start + span * (fractions + 1j * laterals / abs(span)[:, None, None]).transpose(1, 2, 0)


def best_detours(arenas, config, rng, count=4):
    """The `count` constant plans that together succeed in most of the arenas, chosen greedily -> fractions, laterals (count, K).

    Candidates are 800 random plans and 600 variations of the best ones.
    """
    fractions, laterals = rng.uniform(0, 1, (800, config.subgoals)), rng.uniform(-6, 6, (800, config.subgoals))
    solved = np.empty((0, len(arenas)), bool)
    for _ in range(3):
        new = slice(len(solved), None)
        solved = np.concatenate([solved, *(clear(detours(*candidates, arenas), arenas) for candidates in
                                           zip(np.split(fractions[new], 10), np.split(laterals[new], 10)))])
        good = solved.mean(1).argsort()[-20:][rng.integers(20, size=300)]
        fractions = np.concatenate([fractions, fractions[good] + rng.normal(0, 0.05, (300, config.subgoals))])
        laterals = np.concatenate([laterals, laterals[good] + rng.normal(0, 0.3, (300, config.subgoals))])
    chosen, covered = [], np.zeros(len(arenas), bool)
    for _ in range(count):
        chosen.append(int((solved | covered).mean(1).argmax()))
        covered |= solved[chosen[-1]]
    return fractions[chosen], laterals[chosen]


def score(plan, arenas, prefix, shortest):
    """Success of one plan per arena and, over the arenas where it succeeds, mean length in units of the shortest way."""
    free = clear(plan, arenas)[0]
    return {f"{prefix}_success": rate_of(free), f"{prefix}_length_over_shortest": mean_or_none((way(plan, arenas)[0] / shortest)[free])}


def each_by_itself(prefix, arenas, rate, within, recurrent, config, rng, swamp, history):
    """P1 in all `arenas`: iterations to the first plan that C can walk, infinity where there was none."""
    generator = Generator((config.single_hidden,), config, rng, private=len(arenas), recurrent=recurrent)
    plans = solve_each(generator, arenas, rate, config, swamp)
    free = clear(plans, arenas)
    taken = np.where(free.any(0), free.argmax(0), np.inf)
    history[f"{prefix}_plans"], history[f"{prefix}_iterations"] = plans, taken
    middle = float(np.median(taken))
    return {f"{prefix}_iterations_median": middle if math.isfinite(middle) else None, f"{prefix}_untrained_success": rate_of(free[0]),
            **{f"{prefix}_success_within_{most}_iterations": rate_of(taken <= most) for most in within}}


def mean_or_none(values):
    return float(values.mean()) if len(values) else None


def rate_of(successes):
    return float(np.mean(successes))


def train_heads(config, pool, rng, swamp):
    generator = Generator(config.hidden, config, rng, offsets=HEADS)
    train(generator, pool, config.head_updates, config, rng, swamp)
    return generator


def plan_heads(generator, arenas, config, swamp=cone_area):
    """P3: every head proposes, all proposals are refined by gradient steps on the points, E chooses one; S stays as it is."""
    return choose(refine(propose(generator, arenas, config), arenas, config, swamp), arenas, config, swamp)


def run(config, progress=None):
    """All protocols and contrasts. History: test arenas, P1's plans, one plan per arena of each other planner, shortest lengths, P2's learning curve."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    kind = config.circles, config.arena
    pool, test = symmetric(make_arenas(config.arenas, data_rng, *kind)), make_arenas(config.test_arenas, test_rng, *kind)
    shortest, swamp, tell = shortest_path(test)[0], cone_area, progress or (lambda fraction, text: None)
    if config.evaluator == "learned":
        swamp = LearnedEvaluator(init_rng)
        swamp.learn(pool, config, data_rng)

    tell(0.1, "P1: one net per arena")
    history = {"test": test, "shortest": shortest, "curve": []}
    one = make_arenas(config.test_arenas, test_rng, 1)
    recurrent = config.generator == "recurrent"
    metrics = each_by_itself("p1", test, config.single_rate, (22, 60), recurrent, config, init_rng, swamp, history)
    metrics.update(each_by_itself("one_swamp", one, config.single_swamp_rate, (20,), True, config, init_rng, swamp, history))

    tell(0.2, "P2: one net for all arenas")
    generator = Generator(config.hidden, config, init_rng, offsets=(config.sideways,))
    metrics["p2_untrained_success"] = rate_of(clear(propose(generator, test, config), test))
    train(generator, pool, config.updates, config, init_rng, swamp, watch=(history["curve"], make_arenas(config.test_arenas, data_rng, *kind)))
    history["p2"] = plan = propose(generator, test, config)
    mirrored = propose(generator, mirror(test), config).conj() + SIDE * 1j
    metrics["p2_single_pass_success"] = rate_of(clear(plan, test))
    metrics["p2_both_sides_success"] = rate_of(clear(choose(np.concatenate([plan, mirrored]), test, config, swamp), test))
    metrics["p2_refined_success"] = rate_of(clear(refine(plan, test, config, swamp), test))

    tell(0.5, "P3: four heads, refined")
    heads = train_heads(config, pool, init_rng, swamp)
    history["p3"] = plan_heads(heads, test, config, swamp)
    metrics["p3_unrefined_success"] = rate_of(clear(choose(propose(heads, test, config), test, config, swamp), test))
    metrics.update(score(history["p3"], test, "p3", shortest))
    metrics["p3_success_random_start_goal"] = metrics.pop("p3_success")
    straight = abs(test.goal - test.start)
    metrics["p3_length_over_straight"] = mean_or_none((way(history["p3"], test) / straight)[clear(history["p3"], test)])
    metrics["shortest_length_over_straight"] = mean_or_none((shortest / straight)[np.isfinite(shortest)])

    tuning = pool.take(data_rng.integers(len(pool), size=1000))
    fan = detours(*best_detours(tuning, config, data_rng), test)
    history["constant"], history["fan"] = fan[:1], choose(refine(fan, test, config, swamp), test, config, swamp)
    metrics["constant_success"] = rate_of(clear(fan[:1], test))
    metrics["p2_margin_over_constant"] = metrics["p2_single_pass_success"] - metrics["constant_success"]
    metrics["fan_success"] = rate_of(clear(choose(fan, test, config, swamp), test))
    metrics.update(score(history["fan"], test, "fan_refined", shortest))
    if config.contrasts:
        tell(0.6, "contrasts")
        metrics.update(contrasts(config, pool, heads, test, shortest, swamp, init_rng, data_rng, test_rng, history))
    return {"metrics": metrics, "history": history}


def contrasts(config, pool, heads, test, shortest, swamp, init_rng, data_rng, test_rng, history):
    """More planners in the test arenas, P3 in arenas of other kinds, and P3 with heads trained, refined and chosen through a learned E."""
    blind = Generator(config.hidden, config, init_rng, offsets=(config.sideways,))
    train(blind, pool, config.updates, config, init_rng, swamp, blind=True)
    straight = detours(np.linspace(0, 1, config.subgoals + 2)[None, 1:-1], np.zeros((1, config.subgoals)), test)
    shots = points_in(0, SIDE, (len(HEADS) * (config.refine_steps + 1), config.subgoals, len(test)), test_rng)
    history["shots"] = choose(shots, test, config, swamp)
    metrics = {"blind_success": rate_of(clear(propose(blind, test, config, blind=True), test)), "straight_success": rate_of(clear(straight, test)),
               **score(history["shots"], test, "random_shooting", shortest)}
    for name, kind in (("2_circles", (2,)), ("6_circles", (6,)), ("large_circles", (4, "random", 1.5))):
        other = make_arenas(config.test_arenas, test_rng, *kind)
        metrics[f"p3_{name}_success"] = rate_of(clear(plan_heads(heads, other, config, swamp), other))
    diagonal = make_arenas(config.test_arenas, test_rng, 3, "diagonal")
    corner = best_detours(make_arenas(1000, data_rng, 3, "diagonal"), config, data_rng)
    for name, plan in (("constant", detours(*corner, diagonal)[:1]), ("p3", plan_heads(heads, diagonal, config, swamp))):
        metrics.update(score(plan, diagonal, f"diagonal_{name}", shortest_path(diagonal)[0]))
    evaluator = LearnedEvaluator(init_rng)
    evaluator.learn(pool, config, data_rng)
    x, met = walk_legs(config.experience // 4, evaluator, test, config, test_rng)
    metrics["learned_evaluator_r2"] = 1 - float(((evaluator.predict(x)[1].sum(0) - met) ** 2).mean() / met.var())
    metrics.update(score(plan_heads(train_heads(config, pool, init_rng, evaluator), test, config, evaluator), test, "learned_evaluator_p3", shortest))
    return metrics


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
