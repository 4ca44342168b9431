# SPDX-License-Identifier: Unlicense
"""saccadic-target-detection: an eye learns to find an object from nothing but the picture that it should see at the end.

A controller C moves a fovea of 40 receptive fields over a scene, twelve moves from somewhere near the object. A model M has learned from random
moves what the fovea will see next. Nobody says where the object is, or which move was good: only the last view is compared with the desired
one, and the difference goes back through M and C along the whole trajectory.

Paper: J. Schmidhuber, R. Huber (1991). Learning to generate artificial fovea trajectories for target detection. Int. J. Neural Systems 2(1&2):135-141.

    python3 saccadic-target-detection/saccadic_target_detection.py --seed 0
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
    contrasts: Annotated[bool, "also train the contrasts (other gradients, REINFORCE, models stopped early)"] = True
    extra_tasks: Annotated[bool, "also square and triangle with the goal at the centre, and a narrow triangle with rotations"] = False
    goal_offset: Annotated[float, "of the task offset: the goal is seen from this far above the triangle's reference point, px", 0, 80] = 30.0
    train_scenes: Annotated[int, "scenes for learning", 1, 1000] = 20
    test_scenes: Annotated[int, "fresh scenes for the test", 1, 10_000] = 500
    moves: Annotated[int, "T, moves of one trajectory", 1, 100] = 12
    start_radius: Annotated[float, "trajectories start uniformly in a disk around the object, px", 1, 200] = 110.0
    start_angle: Annotated[float, "with rotations: trajectories start turned by up to this angle against the object, either way, degrees", 0, 180] = 60.0
    optimizer: Annotated[Literal["adam", "descent"], "Adam, or plain gradient descent"] = "adam"
    batch: Annotated[int, "moves or trajectories per update", 1, 10_000] = 32
    model_updates: Annotated[int, "updates of M, each on a batch of random moves", 10, 10_000_000] = 2000
    model_rate: Annotated[float, "learning rate of M; with Adam a third of it in the last half", 0, 1] = 0.01
    controller_updates: Annotated[int, "updates of C, each on a batch of trajectories", 10, 1_000_000] = 200
    controller_rate: Annotated[float, "learning rate of C", 0, 1] = 0.01
    clip: Annotated[float, "largest norm of C's gradient", 0, 1e9] = 1.0


PRESETS = {
    "smoke": {"test_scenes": 20, "train_scenes": 4, "model_updates": 60, "controller_updates": 10, "extra_tasks": True},
    "paper": {"optimizer": "descent", "batch": 1, "model_updates": 50_000, "model_rate": 0.1, "controller_updates": 10_000, "controller_rate": 0.1,
              "clip": 1e9, "extra_tasks": True, "contrasts": False},
    "rotation": {"batch": 64, "model_updates": 4000, "controller_updates": 300, "controller_rate": 0.004, "extra_tasks": True, "contrasts": False},
}
HEADLINE = {
    "final_within_10px_fraction_512_scene": (">=", 0.99, "fovea led to the target; terminal error only"),
    "offset_goal_within_10px_fraction": (">=", 0.95, "target point defined by the desired final input"),
    "centroid_reflex_offset_goal_fraction": ("<=", 0.05, "not reported"),
}
ROBUST = (10, 10, {"final_within_10px_fraction_512_scene": (">=", 0.99)})
PAPER = {}
MOVEMENT = {"phases": {"Net.forward": "forward", "Net.backward": "backward", "Net.gradient": "backward", "Adam.step": "update", "Descent.step": "update",
                       "score": "evaluation", "look": "data", "make_scenes": "data"}, "step": "Adam.step",
            "algorithms": {"train_model": "model M, {model.theta.size} weights", "train_controller": "controller C, {kind}, {controller.theta.size} weights"}}

# --- problem ---
# Places are (row, column) in pixels; darkness is 0 for white and 1 for the object. A pose is a place, with rotations also an angle in radians.
SIDE, STRIDE, TURN = 512, 20.0, math.radians(50)
DIRECTIONS = STRIDE * np.array([[-1.0, 0], [1, 0], [0, -1], [0, 1]])  # up, down, left, right
SHAPES = {"disk": None, "square": [(-50, -50), (-50, 50), (50, 50), (50, -50)], "triangle": [(-80, 0), (50, 60), (50, -60)],
          "wedge": [(-80, 0), (50, 30), (50, -30)]}
RADIUS, WINDOW = 60.0, 192  # of the disk; only a window of this size around the object is stored: all else is white
MARGIN = 1.3  # M learns on places up to this many start radii away


@dataclass(frozen=True)
class Task:
    """Which object, where the fovea should end relative to the object's reference point, whether the fovea can also turn."""
    shape: str
    goal: tuple = (0.0, 0.0)
    turns: bool = False
    moves: int = 0  # more moves than configured
    effort: int = 1  # times the configured numbers of updates


TASKS = {"centre": Task("disk"), "offset": Task("triangle", (-30.0, 0.0), moves=2)}
EXTRA = {"square": Task("square"), "triangle": Task("triangle"), "rotation": Task("wedge", turns=True, moves=2, effort=2)}


def receptive_fields(parts=1):
    """Corners (40 * parts^2, 2) relative to the fovea's centre and widths of 4x4 fields of 10 px, 12 of 20 px around them, 12 of 40 px around those.

    `parts` cuts each field into parts x parts squares, which follow one another.
    """
    corners, widths = [], []
    for width, hole in ((10, 0), (20, 20), (40, 40)):
        places, part = range(-2 * width, 2 * width, width), width // parts
        corners += [(row + i * part, column + j * part) for row in places for column in places
                    if max(abs(row + width / 2), abs(column + width / 2)) > hole for i in range(parts) for j in range(parts)]
        widths += [part] * (len(corners) - len(widths))
    return np.array(corners), np.array(widths)


FIELDS, PARTS, VIEW = receptive_fields(), receptive_fields(2), 40  # input units


@dataclass
class Scenes:
    """S pictures: sums (S, n + 1, n + 1), darkness summed over all pixels above and to the left; origin (S, 2) of the stored window; centre (S, 2)."""
    sums: np.ndarray
    origin: np.ndarray
    centre: np.ndarray
    angle: np.ndarray


def make_scenes(shape, centre, angle, scale=1.0, noise=0.0, rng=None):
    """Pictures with one object each, reference point at centre (S, 2), turned by angle (S,); pixel noise of standard deviation `noise`."""
    size = SIDE if noise else WINDOW
    origin = np.zeros((len(centre), 2), int) if noise else np.floor(centre).astype(int) - WINDOW // 2
    sums = np.zeros((len(centre), size + 1, size + 1), np.float32)
    for number, (middle, turn) in enumerate(zip(centre - origin, angle)):
        row, column = np.arange(size)[:, None] + 0.5 - middle[0], np.arange(size) + 0.5 - middle[1]
        if shape == "disk":
            dark = row * row + column * column < (scale * RADIUS) ** 2
        else:
            corner = rotate(scale * np.array(SHAPES[shape], float), turn)
            side = np.roll(corner, -1, 0) - corner
            dark = np.all([j * (row - x) - i * (column - y) >= 0 for (x, y), (i, j) in zip(corner, side)], axis=0)
        if noise:
            dark = dark + noise * rng.standard_normal(dark.shape)
        np.add.accumulate(np.add.accumulate(dark, 0, np.float32), 1, out=sums[number, 1:, 1:])
    return Scenes(sums, origin, centre, angle)


def draw_scenes(task, count, rng, **keywords):
    """`count` scenes with the object anywhere in the middle of the 512 x 512 pixels."""
    centre, angle = rng.uniform(156, 356, (count, 2)), rng.uniform(-np.pi, np.pi, count) * task.turns
    return make_scenes(task.shape, centre, angle, rng=rng, **keywords)


def rotate(vectors, angle):
    """Turn (..., 2) by angle (...) in the plane of rows and columns."""
    cos, sin, row, column = np.cos(angle), np.sin(angle), vectors[..., 0], vectors[..., 1]
    return np.stack([cos * row - sin * column, sin * row + cos * column], -1)


def look(scenes, index, pose):
    """What the fovea sees, (..., 40): mean darkness of its fields in scene index (...) from pose (..., 2) or, with an angle, (..., 3).

    Four look-ups a field. A turned field is made of four upright squares that move to their turned places; each square lies on whole pixels.
    """
    corner, width = FIELDS if pose.shape[-1] == 2 else PARTS
    if pose.shape[-1] == 3:
        corner = rotate(corner + width[:, None] / 2, pose[..., 2:]) - width[:, None] / 2
    corner = np.floor(pose[..., None, :2] + corner + 0.5).astype(int) - scenes.origin[index][..., None, :]
    size, first = scenes.sums.shape[-1], (index * scenes.sums[0].size)[..., None]
    low, high = np.clip(corner, 0, size - 1), np.clip(corner + width[:, None], 0, size - 1)
    left, right, top, bottom, sums = low[..., 1], high[..., 1], first + low[..., 0] * size, first + high[..., 0] * size, scenes.sums.ravel()
    total = sums.take(bottom + right) - sums.take(bottom + left) - sums.take(top + right) + sums.take(top + left)
    return (total / (width * width)).reshape(*total.shape[:-1], VIEW, -1).mean(-1)


def move(pose, action):
    """Four outputs in 0..1 pull the fovea up, down, left and right by up to 20 px; two more turn it, and then moves are relative to its own axes."""
    stride = action[..., :4] @ DIRECTIONS
    if action.shape[-1] == 4:
        return pose + stride
    return np.concatenate([pose[..., :2] + rotate(stride, pose[..., 2]), pose[..., 2:] + TURN * (action[..., 5:] - action[..., 4:5])], -1)


def goal_view(task):
    """The desired last input, from a picture of its own."""
    example = make_scenes(task.shape, np.full((1, 2), SIDE / 2.0), np.zeros(1))
    return look(example, np.zeros(1, int), example.centre + np.array(task.goal))[0]


def random_poses(task, scenes, index, radius, angle, rng):
    """Uniform in a disk of `radius` pixels around the object's reference point; with rotations turned against it by up to `angle` degrees."""
    distance, direction = radius * np.sqrt(rng.random(index.shape)), rng.uniform(-np.pi, np.pi, index.shape)
    place = scenes.centre[index] + distance[..., None] * np.stack([np.sin(direction), np.cos(direction)], -1)
    turned = scenes.angle[index] + math.radians(angle) * rng.uniform(-1, 1, index.shape)
    return np.concatenate([place, turned[..., None]], -1) if task.turns else place


# --- model ---
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
    """Plain gradient descent, as in the paper."""

    def __init__(self, theta, learning_rate):
        self.theta, self.learning_rate = theta, learning_rate

    def step(self, gradient, scale=1.0):
        self.theta -= self.learning_rate * scale * gradient


class Net:
    """Logistic units: a hidden layer that sees the inputs, and outputs that see inputs and hidden units (the shortcut connections).

    theta (..., n) holds all weights; leading axes are nets side by side. Arrays are (..., batch, features); a row of activations is [inputs, 1, hidden].
    """

    def __init__(self, theta, inputs, hidden, outputs):
        self.theta, self.inputs, self.lead = theta, inputs, theta.shape[:-1]
        self.into_hidden, self.into_output = views(theta, (inputs + 1, hidden), (inputs + 1 + hidden, outputs))

    @classmethod
    def random(cls, inputs, hidden, outputs, rng):
        """Weights uniform in -0.1..0.1."""
        return cls(rng.uniform(-0.1, 0.1, (inputs + 1) * (hidden + outputs) + hidden * outputs), inputs, hidden, outputs)

    def copy(self, theta):
        """A net of the same shape with these weights (..., n)."""
        return Net(np.array(theta), self.inputs, self.into_hidden.shape[-1], self.into_output.shape[-1])

    def forward(self, x):
        """x (..., inputs) -> outputs (..., outputs), activations for the backward pass."""
        rows = np.ones((*x.shape[:-1], self.into_output.shape[-2]))
        rows[..., :self.inputs] = x
        rows[..., self.inputs + 1:] = logistic(rows[..., :self.inputs + 1] @ self.into_hidden)
        output = logistic(rows @ self.into_output)
        return output, (rows, output)

    def backward(self, doutput, activations):
        """dE/doutput -> dE/dx and the deltas of hidden and output units (dE/d net input)."""
        rows, output = activations
        first, hidden = self.inputs + 1, rows[..., self.inputs + 1:]
        out = doutput * output * (1 - output)
        back = out @ self.into_output.swapaxes(-1, -2)
        inner = back[..., first:] * hidden * (1 - hidden)
        return back[..., :self.inputs] + (inner @ self.into_hidden.swapaxes(-1, -2))[..., :-1], (inner, out)

    def gradient(self, deltas, activations):
        """dE/dtheta (..., n), summed over the batch."""
        rows = activations[0].swapaxes(-1, -2)
        parts = rows[..., :self.inputs + 1, :] @ deltas[0], rows @ deltas[1]
        return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], -1)


def logistic(net):
    return 1 / (1 + np.exp(-net))


# --- learning ---
RATES = {"last_move": 0.03, "myopic": 0.01, "true_gradient": 0.01, "reinforce": 0.003}  # of the contrasts, each the best of those searched
SPREAD, EARLY = 0.1, (0.05, 0.1, 0.2, 0.3, 0.4)  # of REINFORCE's exploration; parts of M's training after which it is also frozen and used
OPTIMIZERS = {"adam": Adam, "descent": Descent}


def random_moves(task, scenes, count, config, rng):
    """Examples for M: [view, action] (*count, 44 or 46) and the view after the move (*count, 40)."""
    index = rng.integers(len(scenes.centre), size=count)
    pose = random_poses(task, scenes, index, MARGIN * config.start_radius, MARGIN * config.start_angle, rng)
    action = rng.random((*index.shape, 6 if task.turns else 4))
    return np.concatenate([look(scenes, index, pose), action], -1), look(scenes, index, move(pose, action))


def train_model(model, task, scenes, config, rng):
    """Phase 1: M learns to predict the next view from fresh random moves near the object, by squared error; changes `model` in place.

    Returns the weights after each part of the training in EARLY, (len(EARLY), n).
    """
    updates = config.model_updates * task.effort
    optimizer, early = OPTIMIZERS[config.optimizer](model.theta, config.model_rate), []
    for update in range(updates):
        if update % 200 == 0:
            inputs, targets = random_moves(task, scenes, (200, config.batch), config, rng)
        early += [model.theta.copy() for part in EARLY if update == int(part * updates)]
        prediction, activations = model.forward(inputs[update % 200])
        deltas = model.backward(prediction - targets[update % 200], activations)[1]
        late = config.optimizer == "adam" and update >= updates // 2
        optimizer.step(model.gradient(deltas, activations) / config.batch, 0.3 if late else 1.0)
    return np.array(early)


def rollout(policy, scenes, index, pose, moves, drift=0.0, jitter=None):
    """Trajectories of a policy from pose (batch, 2 or 3) in scene index (batch,): lists over time of poses, views (T + 1) and actions, activations (T).

    `drift` is how far the object moves at each step; `jitter` (T, batch, actions) is added to the policy's outputs.
    """
    poses, seen, actions, activations = [np.broadcast_to(pose, policy.lead + pose.shape)], [], [], []
    for time in range(moves):
        seen.append(look(scenes, index, poses[-1]))
        action, inner = policy.forward(seen[-1])
        actions.append(action if jitter is None else np.clip(action + jitter[time], 0, 1))
        activations.append(inner)
        poses.append(move(poses[-1], actions[-1]) - drift)
    return poses, [*seen, look(scenes, index, poses[-1])], actions, activations


def through_model(controller, model, trajectory, goal, kind):
    """dE/dtheta of C, (..., n), for E = |x_T - goal|^2 / 2 summed over the batch, with M's Jacobians in place of the world's.

        dx_T = x_T - goal;   (dx_t, da_t) = M'(x_t, a_t)^T dx_(t+1);   da_t goes to C's weights, and dx_t += C'(x_t)^T da_t

    Contrasts: `last_move` follows the last move only; `myopic` compares every view with the goal and follows one move only.
    """
    _, seen, actions, activations = trajectory
    gradient, dview = 0.0, seen[-1] - goal
    for time in reversed(range(len(actions))):
        if kind == "myopic":
            dview = seen[time + 1] - goal
        dinput = model.backward(dview, model.forward(np.concatenate([seen[time], actions[time]], -1))[1])[0]
        dcontroller, deltas = controller.backward(dinput[..., VIEW:], activations[time])
        gradient = gradient + controller.gradient(deltas, activations[time])
        if kind == "last_move":
            break
        dview = dinput[..., :VIEW] + dcontroller
    return gradient


def image_slope(scenes, index, pose):
    """d view / d place, (..., 40, 2), from pictures shifted by one pixel each way."""
    return np.stack([(look(scenes, index, pose + step) - look(scenes, index, pose - step)) / 2 for step in np.eye(2)], -1)


def through_image(controller, trajectory, goal, scenes, index):
    """The same gradient through the true world, of which the learner knows nothing: a ceiling (without rotations)."""
    poses, seen, actions, activations = trajectory
    slopes = image_slope(scenes, index, np.array(poses))
    gradient, dplace = 0.0, ((seen[-1] - goal)[..., None] * slopes[-1]).sum(-2)
    for time in reversed(range(len(actions))):
        dcontroller, deltas = controller.backward(dplace @ DIRECTIONS.T, activations[time])
        gradient = gradient + controller.gradient(deltas, activations[time])
        dplace = dplace + (dcontroller[..., None] * slopes[time]).sum(-2)
    return gradient


def reinforce(controller, trajectory, goal, jitter):
    """Williams' rule, up to a factor, for Gaussian exploration around C's outputs: no model, only the number E at the end of each trajectory."""
    error = ((trajectory[1][-1] - goal) ** 2).sum(-1) / 2
    advantage = (error - error.mean()) / (error.std() + 1e-9)
    activations = [np.array(part) for part in zip(*trajectory[3])]  # all times at once
    deltas = controller.backward(advantage[:, None] * jitter / SPREAD, activations)[1]
    return controller.gradient(deltas, activations).sum(0)


def draw_starts(task, scenes, updates, config, rng):
    """Scene numbers (updates, batch) and first poses (updates, batch, 2 or 3) of the trajectories that C learns from."""
    index = rng.integers(len(scenes.centre), size=(updates, config.batch))
    return index, random_poses(task, scenes, index, config.start_radius, config.start_angle, rng)


def train_controller(kind, controller, task, scenes, starts, config, model=None, rate=None, rng=None):
    """Phase 2: C learns from its own trajectories, one batch of `starts` per update; M stays as it is. Changes `controller` in place.

    kind: trajectory (the paper's), last_move, myopic, true_gradient or reinforce (which takes an rng). Returns the weights (snapshots, ..., n)
    on the way and the updates after which they were taken.
    """
    goal, moves, count = goal_view(task), config.moves + task.moves, len(starts[0])
    optimizer = OPTIMIZERS[config.optimizer](controller.theta, rate or config.controller_rate)
    every, kept = max(1, count // 200), []
    for update, (index, pose) in enumerate(zip(*starts)):
        if update % every == 0:
            kept.append(controller.theta.copy())
        jitter = rng.normal(0, SPREAD, (moves, config.batch, 4)) if kind == "reinforce" else None
        trajectory = rollout(controller, scenes, index, pose, moves, jitter=jitter)
        if kind == "true_gradient":
            gradient = through_image(controller, trajectory, goal, scenes, index)
        elif kind == "reinforce":
            gradient = reinforce(controller, trajectory, goal, jitter)
        else:
            gradient = through_model(controller, model, trajectory, goal, kind)
        gradient /= config.batch
        clip_by_global_norm(gradient, config.clip)
        optimizer.step(gradient)
    return np.array([*kept, controller.theta]), np.array([*range(0, count, every), count])


# --- evaluation ---
class RandomMoves:
    lead = ()

    def __init__(self, rng, actions=4):
        self.rng, self.actions = rng, actions

    def forward(self, view):
        return self.rng.random((*view.shape[:-1], self.actions)), None


class CentroidReflex:
    """No learning: move along `gain` times the offset of the darkness from the fovea's centre (fields weighted by their area or all alike)."""
    lead = ()

    def __init__(self, gain, by_area):
        corner, width = FIELDS
        self.gain, self.middle, self.weight = gain, corner + width[:, None] / 2, width ** (2.0 * by_area)

    def forward(self, view):
        dark = view * self.weight
        wish = self.gain * (dark @ self.middle) / np.maximum(dark.sum(-1, keepdims=True), 1e-9)
        pull = np.clip(np.repeat(wish, 2, -1) * [-1, 1, -1, 1] / STRIDE, -1, 1)
        return 0.5 + pull / 2, None


def distance_to_goal(pose, scenes, index, task):
    """Pixels from the point above which the goal view was taken; pose (..., 2 or 3) -> (...)."""
    return np.sqrt(((pose[..., :2] - scenes.centre[index] - rotate(np.array(task.goal), scenes.angle[index])) ** 2).sum(-1))


def score(policy, task, scenes, pose, moves):
    """Distance (..., S) at the end of one trajectory per scene."""
    index = np.arange(len(scenes.centre))
    return distance_to_goal(rollout(policy, scenes, index, pose, moves)[0][-1], scenes, index, task)


def within(distance, limit=10.0):
    return float((distance <= limit).mean())


def tune_reflex(task, scenes, pose, moves):
    """The gain and weighting whose trajectories end nearest to the goal on the training scenes: here the reflex may use true distances."""
    choices = [CentroidReflex(gain, by_area) for gain in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4) for by_area in (False, True)]
    return min(choices, key=lambda reflex: np.median(score(reflex, task, scenes, pose, moves)))


def generalise(policy, task, config, rng, count=50):
    """Objects of other sizes, starts farther away, noisy pixels (fractions solved), and objects that move (mean distance in pixels)."""
    found, index, moves = {}, np.arange(count), config.moves + task.moves
    for name, radius, settings in (("size_085", config.start_radius, {"scale": 0.85}), ("size_115", config.start_radius, {"scale": 1.15}),
                                   ("start_125px", 125, {}), ("noise", config.start_radius, {"noise": 0.5})):
        scenes = draw_scenes(task, count, rng, **settings)
        found[name] = within(score(policy, task, scenes, random_poses(task, scenes, index, radius, 0, rng), moves))
    scenes = draw_scenes(task, count, rng)
    drift = rotate(np.array([1.0, 0]), rng.uniform(-np.pi, np.pi, count)) * rng.uniform(1, 5, (count, 1))
    poses = rollout(policy, scenes, index, random_poses(task, scenes, index, config.start_radius, 0, rng), 40, drift=drift)[0]
    return found, float(distance_to_goal(np.array(poses[-10:]), scenes, index, task).mean())


def study(task, config, data_rng, init_rng, test_rng):
    """Train M and C on one task, test C and the controls that do not learn. Returns what was learned, and the distances at the end, by policy."""
    scene_rng, model_rng, start_rng, tuning_rng = data_rng.spawn(4)
    moves, actions, own = config.moves + task.moves, 6 if task.turns else 4, np.arange(config.train_scenes)
    scenes, tests = draw_scenes(task, config.train_scenes, scene_rng), draw_scenes(task, config.test_scenes, test_rng)
    pose = random_poses(task, tests, np.arange(config.test_scenes), config.start_radius, config.start_angle, test_rng)
    model, first = Net.random(VIEW + actions, 40, VIEW, init_rng), Net.random(VIEW, 20, actions, init_rng)
    controller = first.copy(first.theta)
    early = train_model(model, task, scenes, config, model_rng)
    starts = draw_starts(task, scenes, config.controller_updates * task.effort, config, start_rng)
    weights = {"trajectory": train_controller("trajectory", controller, task, scenes, starts, config, model)}
    policies = {"trajectory": controller, "untrained": first, "random_moves": RandomMoves(test_rng, actions)}
    if not task.turns:
        policies["centroid_reflex"] = tune_reflex(task, scenes, random_poses(task, scenes, own, config.start_radius, 0, tuning_rng), moves)
    return {"task": task, "moves": moves, "scenes": scenes, "tests": tests, "pose": pose, "model": model, "early": early, "first": first,
            "starts": starts, "weights": weights, "policies": policies, "examples": random_moves(task, tests, (2000,), config, test_rng),
            "distance": {name: score(policy, task, tests, pose, moves) for name, policy in policies.items()},
            "end": rollout(controller, tests, np.arange(config.test_scenes), pose, moves)[0][-1]}


def model_error(model, examples):
    """Mean squared error per input unit, (...) for models (..., n)."""
    inputs, targets = examples
    return ((model.forward(np.broadcast_to(inputs, model.lead + inputs.shape))[0] - targets) ** 2).mean((-1, -2))


def contrast(outcome, config, rng):
    """Other ways to train C, from the same weights and starts, and C's of models that were stopped early; adds to the outcome of `study`."""
    task, scenes, starts = outcome["task"], outcome["scenes"], outcome["starts"]
    test = task, outcome["tests"], outcome["pose"], outcome["moves"]
    for kind, rate in RATES.items():
        net, own = outcome["first"].copy(outcome["first"].theta), starts
        if kind == "reinforce":  # M's random moves, too, are spent on trajectories
            own = draw_starts(task, scenes, config.controller_updates + config.model_updates // outcome["moves"], config, rng)
        outcome["weights"][kind] = train_controller(kind, net, task, scenes, own, config, outcome["model"], rate, rng)
        outcome["policies"][kind], outcome["distance"][kind] = net, score(net, *test)
    nets, models = outcome["first"].copy(np.repeat(outcome["first"].theta[None], len(EARLY), 0)), outcome["model"].copy(outcome["early"])
    train_controller("trajectory", nets, task, scenes, starts, config, models)
    outcome["early_mse"], outcome["early_fraction"] = model_error(models, outcome["examples"]), (score(nets, *test) <= 10).mean(-1)


def solved_curve(outcome, kind, config, count=100):
    """Moves of the fovea spent, those of M's phase included, and the part of `count` test scenes solved, on the way: (moves,), (moves,)."""
    weights, updates = (values[::max(1, len(values) // 40)] for values in outcome["weights"][kind])
    policy, tests = outcome["first"].copy(weights), outcome["tests"]
    part = Scenes(tests.sums[:count], tests.origin[:count], tests.centre[:count], tests.angle[:count])
    spent = updates * config.batch * outcome["moves"] + (kind not in ("reinforce", "true_gradient")) * config.model_updates * config.batch
    return spent, (score(policy, outcome["task"], part, outcome["pose"][:count], outcome["moves"]) <= 10).mean(-1)


def run(config, progress=None):
    """All tasks of the configuration. History: per task what `study` and `contrast` return, and the curves of `solved_curve`."""
    streams = [rng.spawn(len(TASKS) + len(EXTRA)) for rng in np.random.default_rng(config.seed).spawn(3)]
    tasks, metrics, history = {**TASKS, **(EXTRA if config.extra_tasks else {})}, {}, {}
    tasks["offset"] = dataclasses.replace(TASKS["offset"], goal=(-config.goal_offset, 0.0))
    for name, task, *rngs in zip(tasks, tasks.values(), *streams):
        if progress:
            progress(len(history) / len(tasks), f"task {name}")
        history[name] = outcome = study(task, config, *rngs)
        if name in TASKS and config.contrasts:
            contrast(outcome, config, rngs[0])
        metrics.update(summary(name, outcome, config, rngs[2]))
    return {"metrics": metrics, "history": history}


def summary(name, outcome, config, rng):
    """The metrics of one task; adds the curves to the outcome."""
    mark = {"centre": "", "offset": "_offset_goal"}.get(name, f"_{name}")
    task, distance, (inputs, targets) = outcome["task"], outcome["distance"], outcome["examples"]
    found = {"final_within_10px_fraction_512_scene" if name == "centre" else f"{mark[1:]}_within_10px_fraction": within(distance["trajectory"]),
             f"final{mark}_median_px": float(np.median(distance["trajectory"])),
             f"model{mark}_mse": float(model_error(outcome["model"], outcome["examples"])),
             f"model{mark}_copy_mse": float(((inputs[:, :VIEW] - targets) ** 2).mean())}
    found.update({f"{policy}{mark}_fraction": within(values) for policy, values in distance.items() if policy != "trajectory"})
    if name in TASKS:
        fractions, found[f"tracking{mark}_mean_px"] = generalise(outcome["policies"]["trajectory"], task, config, rng)
        found.update({f"{change}{mark}_fraction": value for change, value in fractions.items()})
        outcome["curve"] = {kind: solved_curve(outcome, kind, config) for kind in outcome["weights"]}
        for kind, (spent, solved) in outcome["curve"].items():
            found[f"{kind}{mark}_moves_to_99"] = int(spent[(solved >= 0.99).argmax()]) if (solved >= 0.99).any() else None
    if "early_mse" in outcome:
        found.update({f"early_model{mark}_{key}": float(outcome[f"early_{key}"][EARLY.index(0.2)]) for key in ("mse", "fraction")})
    if task.turns:
        turned = np.abs((outcome["end"][:, 2] - outcome["tests"].angle + np.pi) % (2 * np.pi) - np.pi)
        found["rotation_within_15px_15deg_fraction"] = float(((turned <= math.radians(15)) & (distance["trajectory"] <= 15)).mean())
    return found


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
