# SPDX-License-Identifier: Unlicense
"""chunker-very-deep-1200: three small nets that look back 3 steps each carry one bit over 1200 steps.

A sequence is a trigger a or x, then about 109 blocks `1 2 .. 10 S` with S = p, q, r, p, ..; at the end comes `!` instead of S, and it is asked which trigger it was.
The lowest net learns to predict the next symbol, then stands still; a second one learns to predict what the first one failed to predict; what the second one
fails to predict, the trigger and the `!`, goes to a classifier. Contrasts: one net with errors sent back over all 1200 steps, the same with 3,
two levels instead of three, short training sequences, noise.

Paper: J. Schmidhuber (1993). Netzwerkarchitekturen, Zielfunktionen und Kettenregel. Habilitation thesis, TU Munich.

    python3 chunker-very-deep-1200/chunker_very_deep_1200.py --seed 0
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
    fewest_blocks: Annotated[int, "blocks of the shortest sequence", 1, 10_000] = 100
    most_blocks: Annotated[int, "blocks of the longest sequence", 1, 10_000] = 118
    run_symbols: Annotated[int, "symbols 1, 2, .. of a block", 1, 100] = 10
    noise: Annotated[float, "probability that a run symbol is replaced by another one", 0, 0.5] = 0.0
    runs: Annotated[int, "independent hierarchies side by side; the headline is the first", 1, 100] = 1
    contrasts: Annotated[bool, "also train the contrasts and the hierarchies for noise"] = True
    sequences: Annotated[int, "training sequences, half of each class", 2, 10_000] = 24
    hidden: Annotated[tuple[int, ...], "hidden units of the predictors, lowest level first", 1, 1000] = (16, 12)
    top_hidden: Annotated[int, "hidden units of the classifier", 1, 1000] = 6
    span: Annotated[int, "steps of its own time that the errors of a level go back at most", 0, 100] = 3
    window: Annotated[int, "steps of a level's own time in a training example of its predictor", 2, 10_000] = 60
    batch: Annotated[int, "training examples per update", 1, 1000] = 16
    updates: Annotated[int, "updates of each predictor", 1, 100_000] = 250
    top_updates: Annotated[int, "updates of the classifier", 1, 100_000] = 200
    learning_rate: Annotated[float, "Adam, predictors", 0, 10] = 0.01
    top_rate: Annotated[float, "Adam, classifier", 0, 10] = 0.02
    single_updates: Annotated[int, "updates of each single net for the class", 1, 100_000] = 60
    single_batch: Annotated[int, "whole sequences per update of a single net", 1, 1000] = 8

    def __post_init__(self):
        if self.fewest_blocks > self.most_blocks:
            raise ValueError(f"argument --fewest-blocks: {self.fewest_blocks} is more than --most-blocks {self.most_blocks}")


PRESETS = {
    "smoke": {"fewest_blocks": 6, "most_blocks": 9, "updates": 20, "top_updates": 20, "single_updates": 3, "single_batch": 4},
    "paper": {"fewest_blocks": 1, "most_blocks": 1, "run_symbols": 20, "hidden": (16,), "runs": 10, "contrasts": False, "batch": 1,
              "updates": 300, "top_updates": 100, "learning_rate": 0.02},
}
HEADLINE = {
    "hierarchy_class_accuracy_T1200": (">=", 0.99, "credit assignment over ~1200 steps"),
    "top_level_mean_events": ("<=", 3.0, "n/a"),
    "single_net_class_accuracy": ("<=", 0.60, "conventional nets fail"),
    "hierarchy_class_accuracy_T5000": (">=", 0.99, "n/a"),
}
ROBUST = (20, 20, {"hierarchy_class_accuracy_T1200": (">=", 0.99)})
PAPER = {"hierarchy_class_accuracy_T1200": (">=", 0.99)}
MOVEMENT = {"phases": {"make_sequences": "data", "forward": "forward", "backward": "backward", "Adam.step": "update", "evaluate": "evaluation"}, "step": "learn",
            "algorithms": {"learn": "net of {net.theta.size} weights"}}

# --- problem ---
# Symbols are numbered a, x, 1, 2, .., p, q, r, !: 0, 1, 2, 3, ..; NOTHING pads short sequences, and stands for "no target".
NOTHING, SEPARATORS, CLASSES = -1, 3, 2


def alphabet(config):
    """Number of symbols."""
    return 2 + config.run_symbols + SEPARATORS + 1


def make_sequences(rng, count, blocks, noise, config):
    """`count` sequences, half of them of each class; `blocks` = (fewest, most) of each.

    Returns symbols (T, count), left-aligned, T = 1 + (run_symbols + 1) * most, and labels (count,): 0 begins with a, 1 with x.
    """
    run, numbers = config.run_symbols, np.arange(blocks[1])[:, None]
    labels, ends = rng.permutation(count) % CLASSES, rng.integers(blocks[0], blocks[1] + 1, count)
    body = np.empty((blocks[1], run + 1, count), int)
    body[:, :run] = np.arange(run)[:, None]
    replaced = rng.random((blocks[1], run, count)) < noise
    body[:, :run] = 2 + (body[:, :run] + replaced * rng.integers(1, max(run, 2), replaced.shape)) % run  # any other run symbol
    body[:, run] = np.where(numbers == ends - 1, alphabet(config) - 1, 2 + run + numbers % SEPARATORS)
    body = np.where(numbers[:, None] < ends, body, NOTHING)
    return np.concatenate([labels[None], body.reshape(-1, count)]), labels


def make_sets(rngs, count, blocks, noises, config):
    """`make_sequences` for each of R generators and noises -> symbols (R, T, count), labels (R, count)."""
    return [np.stack(parts) for parts in zip(*(make_sequences(rng, count, blocks, noise, config) for rng, noise in zip(rngs, noises)))]


def expected_failures(symbols, noise, config):
    """Mean number of failures of the best predictor that looks back less than a block, on symbols (T, B) made with this noise: the trigger, each
    replaced run symbol, two of three separators (it always guesses the first one), and the end."""
    blocks = ((symbols != NOTHING).sum(0) - 1) / (config.run_symbols + 1)
    return float((2 + noise * config.run_symbols * blocks + (blocks - 1) - np.ceil((blocks - 1) / SEPARATORS)).mean())


def one_hot(numbers, size, dtype):
    """Integers (...) -> (..., size); NOTHING becomes zeros."""
    return np.eye(size + 1, size, dtype=dtype)[numbers]


# --- model ---
# All arrays have a leading axis R: independent nets side by side. Every net of every level is of the same kind: an Elman net
# h(t) = tanh(W [h(t-1), u(t), 1]), outputs V [h(t), u(t), 1] that are read as one softmax per head.
class Net:
    """R nets of `hidden` units; heads: sizes of the softmax groups."""

    def __init__(self, rngs, hidden, inputs, heads, rate):
        """rngs: one per net; rate: of Adam, a number or one per net."""
        self.hidden, self.inputs, self.heads = hidden, inputs, heads
        self.shapes = (hidden + inputs + 1, hidden), (hidden + inputs + 1, sum(heads))
        size = sum(math.prod(shape) for shape in self.shapes)
        self.theta = np.stack([rng.uniform(-1, 1, size) for rng in rngs]).astype(np.float32)
        self.weights = to_hidden, to_output = views(self.theta, *self.shapes)
        for part, scale in ((to_hidden[:, :hidden], 1 / math.sqrt(hidden)), (to_hidden[:, hidden:], 0.3),
                            (to_output[:, :hidden], 0.3), (to_output[:, hidden:], 0.1)):
            part *= scale
        self.adam = Adam(self.theta, np.array(rate, np.float32).reshape(-1, 1))

    def holding(self, theta):
        """Nets of this kind with weights theta (R, n)."""
        net = copy.copy(self)
        net.theta, net.weights = theta, views(theta, *self.shapes)
        return net

    def only(self, row):
        """One of the nets, sharing its weights."""
        return self.holding(self.theta[row:row + 1])


def parameters(hidden, inputs, outputs):
    """Number of weights of a net."""
    return (hidden + inputs + 1) * (hidden + outputs)


class Pass(NamedTuple):
    """A net on a batch: rows (R, T, B, H + I + 1) = [h(t-1) | u(t) | 1], hidden (R, T, B, H) = h(t), output (R, T, B, O)."""
    rows: np.ndarray
    hidden: np.ndarray
    output: np.ndarray


def forward(weights, symbols, hidden=None):
    """Symbols (R, T, B), from hidden (R, B, H) or from zero -> Pass; the output at t is about what comes after the symbol at t."""
    to_hidden, to_output = weights
    units, dtype = to_hidden.shape[2], to_hidden.dtype
    rows = np.ones((*symbols.shape, to_hidden.shape[1]), dtype)
    rows[..., units:-1] = one_hot(symbols, to_hidden.shape[1] - units - 1, dtype)
    now = np.empty_like(rows)
    now[..., units:] = rows[..., units:]
    drive = product(rows[..., units:], to_hidden[:, units:])
    h = np.zeros((len(symbols), symbols.shape[2], units), dtype) if hidden is None else hidden
    for t in range(symbols.shape[1]):
        rows[:, t, :, :units] = h
        h = np.tanh(h @ to_hidden[:, :units] + drive[:, t])
        now[:, t, :, :units] = h
    return Pass(rows, now[..., :units], product(now, to_output))


def product(rows, matrices):
    """(R, T, B, n) times (R, n, m) -> (R, T, B, m)."""
    return (rows.reshape(len(rows), -1, rows.shape[-1]) @ matrices).reshape(*rows.shape[:-1], -1)


def softmax_error(output, targets, heads):
    """Cross-entropy of each head against targets, one (R, T, B) per head, averaged over where there is a target.

    Returns its gradient (R, T, B, O) and its values (R, heads).
    """
    errors, values = [], []
    for part, target in zip(np.split(output, np.cumsum(heads)[:-1], axis=-1), targets):
        right, known = one_hot(target, part.shape[-1], output.dtype), target != NOTHING
        predicted = np.exp(part - part.max(-1, keepdims=True))
        predicted /= predicted.sum(-1, keepdims=True)
        share = (known / np.maximum(known.sum((1, 2), keepdims=True), 1)).astype(output.dtype)
        errors.append((predicted - right) * share[..., None])
        values.append(-(np.log((predicted * right).sum(-1) + ~known + 1e-30) * share).sum((1, 2)))
    return np.concatenate(errors, -1), np.stack(values, 1)


def hidden_deltas(weights, run, error, span):
    """Errors (R, T, B, O) sent back `span` steps at most -> dE/d(input of the hidden units) (R, T, B, H)."""
    to_hidden, to_output = weights
    units, bend = to_hidden.shape[2], 1 - run.hidden * run.hidden
    back, delta = to_hidden[:, :units].swapaxes(1, 2), product(error, to_output[:, :units].swapaxes(1, 2)) * bend
    if span >= delta.shape[1] - 1:  # all the way
        for t in range(delta.shape[1] - 1, 0, -1):
            delta[:, t - 1] += (delta[:, t] @ back) * bend[:, t - 1]
        return delta
    moved, total = delta, delta.copy()
    for _ in range(span):
        moved = product(moved[:, 1:], back) * bend[:, :moved.shape[1] - 1]  # errors of all steps move back one step at once
        total[:, :moved.shape[1]] += moved
    return total


def backward(weights, run, error, span):
    """Gradients of the two weight matrices, flat (R, n)."""
    units, count, delta = weights[0].shape[2], len(error), hidden_deltas(weights, run, error, span)
    products = [left.reshape(count, -1, left.shape[-1]).swapaxes(1, 2) @ right.reshape(count, -1, right.shape[-1])
                for left, right in ((run.rows, delta), (run.hidden, error), (run.rows[..., units:], error))]
    return np.concatenate([part.reshape(count, -1) for part in products], 1)


def scan(net, symbols, chunk=250):
    """The most probable answer of each head after each symbol (R, T, B), heads times; long sequences are read in chunks."""
    hidden, found = None, []
    for start in range(0, symbols.shape[1], chunk):
        run = forward(net.weights, symbols[:, start:start + chunk], hidden)
        hidden = run.hidden[:, -1]
        found.append([part.argmax(-1) for part in np.split(run.output, np.cumsum(net.heads)[:-1], axis=-1)])
    return [np.concatenate(parts, 1) for parts in zip(*found)]


def failures(net, symbols):
    """Where a symbol differs from what the net held most probable; the first one of a sequence always -> (R, T, B) boolean."""
    wrong = symbols != NOTHING
    wrong[:, 1:] &= scan(net, symbols)[0][:, :-1] != symbols[:, 1:]
    return wrong


def compress(symbols, events):
    """Symbols (R, T, B) at the events alone, moved to the left: what the next level hears (R, E, B)."""
    counts = events.sum(1)
    order = np.argsort(~events, axis=1, kind="stable")[:, :counts.max()]
    return np.where(np.arange(counts.max())[:, None] < counts[:, None], np.take_along_axis(symbols, order, 1), NOTHING)


def climb(predictors, symbols):
    """What each level hears, from symbols (R, T, B) to the events of the top."""
    heard = [symbols]
    for net in predictors:
        heard.append(compress(heard[-1], failures(net, heard[-1])))
    return heard


def at_last(values, symbols):
    """Values (R, E, B) at the last symbol of each sequence -> (R, B)."""
    return np.take_along_axis(values, (symbols != NOTHING).sum(1)[:, None] - 1, 1)[:, 0]


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

CLIP, SNAPSHOT = 1.0, 2  # largest norm of a gradient; updates between the snapshots for the pictures
SINGLE_RATES, TOP_RATES = (0.001, 0.003, 0.01), (0.005, 0.02, 0.05)


def learn(net, symbols, targets, span):
    """One update from symbols (R, T, B) and one array of targets (R, T, B) per head -> cross-entropies (R, heads)."""
    run = forward(net.weights, symbols)
    error, values = softmax_error(run.output, targets, net.heads)
    gradient = backward(net.weights, run, error, span)
    clip_by_global_norm(gradient, CLIP)
    net.adam.step(gradient)
    return values


def class_targets(symbols, labels):
    """The label (R, B) where the last of symbols (R, E, B) is, NOTHING elsewhere."""
    last = np.arange(symbols.shape[1])[:, None] == (symbols != NOTHING).sum(1)[:, None] - 1
    return np.where(last, labels[:, None], NOTHING)


def examples(rngs, symbols, labels, count, window=None):
    """`count` of symbols (R, E, B) and of labels (R, B), drawn with one generator per net; with a window, random pieces of window + 1 events.

    A piece that would lie across either end is moved inside, so that beginnings and ends are not rare.
    """
    picks = np.array([rng.integers(0, symbols.shape[2], count) for rng in rngs])
    drawn, labels = np.take_along_axis(symbols, picks[:, None], 2), np.take_along_axis(labels, picks, 1)
    if window is None or window + 1 >= symbols.shape[1]:
        return drawn, labels
    room = np.maximum((drawn != NOTHING).sum(1) - window, 1)
    starts = np.array([rng.integers(-window, own + window) for rng, own in zip(rngs, room)]).clip(0, room - 1)
    return np.take_along_axis(drawn, starts[:, None] + np.arange(window + 1)[:, None], 1), labels


def train(net, heard, labels, rngs, updates, span, config, window=None):
    """Learn to predict the next of the events heard (R, E, B) from random windows of them, or without a window the class at the last of all events.

    Returns cross-entropies (updates, R) and snapshots of the first net's weights.
    """
    losses, snapshots = [], []
    for update in range(updates):
        if update % SNAPSHOT == 0:
            snapshots.append(net.theta[:1].copy())
        drawn, own = examples(rngs, heard, labels, config.batch, window)
        seen, wanted = (drawn[:, :-1], drawn[:, 1:]) if window else (drawn, class_targets(drawn, own))
        untrained = [np.full_like(wanted, NOTHING)] * (len(net.heads) - 1)
        losses.append(learn(net, seen, [wanted, *untrained], span)[:, 0])
    return np.array(losses), [*snapshots, net.theta[:1].copy()]


class Stack(NamedTuple):
    """R hierarchies: predictors, lowest first, and the classifier; what each level heard in training, class labels; losses and snapshots of each level."""
    predictors: list
    top: Net
    heard: list
    labels: np.ndarray
    logs: list


def train_stack(config, noises, data_rngs, init_rngs):
    """Train R hierarchies level by level, each level on what the frozen one below failed to predict; noises (R,)."""
    symbols, labels = make_sets(data_rngs, config.sequences, (config.fewest_blocks, config.most_blocks), noises, config)
    predictors, heard, logs, size = [], [symbols], [], alphabet(config)
    for hidden in config.hidden:
        predictors.append(Net(init_rngs, hidden, size, (size,), config.learning_rate))
        logs.append(train(predictors[-1], heard[-1], labels, data_rngs, config.updates, config.span, config, config.window))
        heard.append(compress(heard[-1], failures(predictors[-1], heard[-1])))
    top = Net(init_rngs, config.top_hidden, size, (CLASSES,), config.top_rate)
    logs.append(train(top, heard[-1], labels, data_rngs, config.top_updates, config.span, config))
    return Stack(predictors, top, heard, labels, logs)


def train_tops(heard, labels, data_rngs, init_rngs, span, config):
    """A classifier on heard (R, E, B), labels (R, B), with each of TOP_RATES -> for each of R the one that training favours, as one Net."""
    count = len(TOP_RATES)
    top = Net([rng for parent in init_rngs for rng in parent.spawn(count)], config.top_hidden, alphabet(config), (CLASSES,), TOP_RATES * len(heard))
    losses, _ = train(top, heard.repeat(count, 0), labels.repeat(count, 0), [rng for parent in data_rngs for rng in parent.spawn(count)],
                      config.top_updates, span, config)
    return top.holding(top.theta[[first + best(losses[:, first:first + count]) for first in range(0, len(top.theta), count)]])


def train_singles(config, data_rng, init_rng, progress=None):
    """One net of as many weights as the hierarchy: first it learns to predict symbols from windows like the lowest level, then also the class, from whole sequences.

    Copies of it have three rates each, with errors sent back `span` steps and all the way -> {name: the best Net}, {name: class losses (updates, rates)}.
    """
    size, count = alphabet(config), len(SINGLE_RATES)
    weights = sum(parameters(hidden, size, size) for hidden in config.hidden) + parameters(config.top_hidden, size, CLASSES)
    hidden = next(hidden for hidden in range(1, weights) if parameters(hidden, size, size + CLASSES) >= weights)
    symbols, labels = make_sets([data_rng], config.sequences, (config.fewest_blocks, config.most_blocks), [config.noise], config)
    first, nets, losses = Net([init_rng], hidden, size, (size, CLASSES), config.learning_rate), {}, {}
    train(first, symbols, labels, [data_rng], 2 * config.updates, config.span, config, config.window)
    for name, span in (("single_net_short", config.span), ("single_net", symbols.shape[1])):
        net, log = Net([init_rng] * count, hidden, size, (size, CLASSES), SINGLE_RATES), []
        net.theta[:] = first.theta
        for update in range(config.single_updates):
            if progress:
                progress(update / config.single_updates, f"single nets, errors go back {span} steps")
            drawn, own = (part.repeat(count, 0) for part in examples([data_rng], symbols, labels, config.single_batch))
            following = np.concatenate([drawn[:, 1:], np.full_like(drawn[:, :1], NOTHING)], 1)
            log.append(learn(net, drawn, [following, class_targets(drawn, own)], span)[:, 1])
        nets[name], losses[name] = net.only(best(np.array(log))), np.array(log)
    return nets, losses


def best(losses):
    """The column of losses (updates, R) that is lowest in the last 20 updates: the rate that training favours."""
    return int(losses[-20:].mean(0).argmin())


# --- evaluation ---
TEST_SEQUENCES, LENGTHS, NOISES, SHORT_SEQUENCES = 200, (2000, 5000), (0.0, 0.01, 0.03), 300


def evaluate(predictors, top, symbols, labels, config):
    """Test R hierarchies on symbols (R, T, B) with labels (R, B).

    Returns which answers are right (R, B), mean number of events that each level hears (levels, R), and whether the last event of the top is the end (R, B).
    The top answers at the end that it hears, and counts as wrong where no end reaches it, unless the end is nothing new because all sequences are equally long.
    """
    heard = climb(predictors, symbols)
    ends = at_last(heard[-1], heard[-1]) == alphabet(config) - 1
    right = (at_last(scan(top, heard[-1])[0], heard[-1]) == labels) & (ends | (config.fewest_blocks == config.most_blocks))
    return right, np.array([(level != NOTHING).sum(1).mean(1) for level in heard]), ends


def evaluate_single(net, symbols, labels, config):
    """Test nets with a class head on symbols (R, T, B), labels (R, B) -> part of the classes and of the run symbols that each net has right (R,), (R,)."""
    following, classes = scan(net, symbols)
    known = (symbols[:, 1:] >= 2) & (symbols[:, 1:] < 2 + config.run_symbols)
    return (at_last(classes, symbols) == labels).mean(1), ((following[:, :-1] == symbols[:, 1:]) & known).sum((1, 2)) / known.sum((1, 2))


def gradient_norms(net, symbols, target):
    """Mean norm of dE/dh(t) over sequences (T, B) of one length, E = cross-entropy of one net's last head at the last step, in float64; lag 0 first (T,)."""
    weights, nothing = [part.astype(float) for part in net.weights], np.full((1, *symbols.shape), NOTHING)
    run, asked = forward(weights, symbols[None]), nothing.copy()
    asked[0, -1] = target
    error, _ = softmax_error(run.output, [nothing] * (len(net.heads) - 1) + [asked], net.heads)
    before = product(hidden_deltas(weights, run, error, len(symbols))[:, 1:], weights[0][:, :net.hidden].swapaxes(1, 2))
    at_end = product(error[:, -1:], weights[1][:, :net.hidden].swapaxes(1, 2))
    return np.sqrt((np.concatenate([before, at_end], 1)[0, ::-1] ** 2).sum(-1)).mean(-1)


def contrast_short(config, data_rng, init_rng, test_rng):
    """Hierarchies for several noises, trained on sequences of a third of the length and less, and tested on long ones -> one dictionary per noise.

    On top of the same predictors two other classifiers are trained, with each of TOP_RATES: one that hears the lowest net's failures, one on as many long
    sequences.
    """
    count, blocks = len(NOISES), (config.fewest_blocks, config.most_blocks)
    shorter = dataclasses.replace(config, fewest_blocks=1, most_blocks=max(2, config.most_blocks // 3), sequences=SHORT_SEQUENCES)
    data_rngs, init_rngs = data_rng.spawn(count), init_rng.spawn(count)
    stack = train_stack(shorter, NOISES, data_rngs, init_rngs)
    long, long_labels = make_sets(data_rngs, SHORT_SEQUENCES, blocks, NOISES, config)
    test, labels = make_sets(test_rng.spawn(count), TEST_SEQUENCES, blocks, NOISES, config)
    right, events, _ = evaluate(stack.predictors, stack.top, test, labels, config)
    rows = [{"noise": noise, "expected_failures": expected_failures(test[row], noise, config), "level1_mean_events": float(events[1, row]),
             "top_level_mean_events": float(events[-1, row]), "class_accuracy": float(right[row].mean())} for row, noise in enumerate(NOISES)]
    for name, predictors, heard, own in (("two_levels", stack.predictors[:1], stack.heard[1], stack.labels),
                                         ("long_training", stack.predictors, climb(stack.predictors, long)[-1], long_labels)):
        top = train_tops(heard, own, data_rngs, init_rngs, config.span, config)
        for row, part in zip(rows, evaluate(predictors, top, test, labels, config)[0]):
            row[f"{name}_class_accuracy"] = float(part.mean())
    return rows


def contrasts(config, stack, tests, rngs, progress):
    """All contrasts to the first hierarchy; tests: {length: (symbols, labels), each with R = 1}, the usual length first -> metrics, history."""
    (data_rng, init_rng, test_rng), usual, metrics = rngs, next(iter(tests.values())), {}
    heard, labels = stack.heard[1][:1], stack.labels[:1]
    for name, span in (("two_levels", config.span), ("two_levels_full", heard.shape[1])):  # the classifier hears what the lowest net failed to predict
        top = train_tops(heard, labels, [data_rng], [init_rng], span, config)
        metrics[f"{name}_class_accuracy"] = float(evaluate([stack.predictors[0].only(0)], top, *usual, config)[0].mean())
    nets, losses = train_singles(config, data_rng.spawn(1)[0], init_rng.spawn(1)[0], progress)
    for name, net in nets.items():
        metrics[f"{name}_class_accuracy"], metrics[f"{name}_filler_accuracy"] = (float(part[0]) for part in evaluate_single(net, *usual, config))
    fixed = make_sequences(test_rng, 20, (config.most_blocks, config.most_blocks), 0.0, config)
    norms, noisy = gradient_norms(nets["single_net"], *fixed), contrast_short(config, data_rng, init_rng, test_rng)
    gone = norms < 1e-3 * norms[0]
    metrics |= {
        "single_net_class_loss": float(losses["single_net"][-20:].mean(0).min()), "single_net_gradient_reach": int(np.argmax(gone)) if gone.any() else None,
        "single_net_parameters": nets["single_net"].theta.shape[1], "expected_level1_events": expected_failures(usual[0][0], config.noise, config),
        "two_levels_short_training_class_accuracy": noisy[0]["two_levels_class_accuracy"]}
    metrics |= {f"noise_{name}": value for name, value in noisy[1].items() if name != "noise"}
    return metrics, {"norms": norms, "fixed": fixed, "noisy": noisy, "single_losses": losses}


def run(config, progress=None):
    """History: the Stack, test sequences and labels {length: ((1, T, B), (1, B))}; of the contrasts gradient norms (lags,), the sequences
    that they are from, rows of `contrast_short`, class losses of the single nets."""
    data_rng, init_rng, test_rng = rngs = np.random.default_rng(config.seed).spawn(3)
    stack = train_stack(config, [config.noise] * config.runs, data_rng.spawn(config.runs), init_rng.spawn(config.runs))
    predictors, top, block = [net.only(0) for net in stack.predictors], stack.top.only(0), config.run_symbols + 1
    usual = 1 + block * ((config.fewest_blocks + config.most_blocks) // 2)
    ranges = {usual: (config.fewest_blocks, config.most_blocks)}
    if config.fewest_blocks < config.most_blocks:  # else nothing but one length was ever heard
        ranges |= {length: (length // block - 3, length // block + 3) for length in LENGTHS}
    tests = {length: make_sets([test_rng], TEST_SEQUENCES, blocks, [config.noise], config) for length, blocks in ranges.items()}
    symbols, labels = tests[usual]
    right, events, ends = evaluate(stack.predictors, stack.top, symbols.repeat(config.runs, 0), labels.repeat(config.runs, 0), config)
    metrics = {f"hierarchy_class_accuracy_T{length}": float(evaluate(predictors, top, *test, config)[0].mean()) for length, test in tests.items()}
    other = symbols.copy()
    other[:, 0] = test_rng.permutation(labels[0])
    metrics |= {
        "sequence_mean_length": float(events[0, 0]), "level1_mean_events": float(events[1, 0]), "top_level_mean_events": float(events[-1, 0]),
        "end_reaches_top": float(ends[0].mean()),
        "constant_class_accuracy": float(max(labels.mean(), 1 - labels.mean())),
        "random_trigger_class_accuracy": float(evaluate(predictors, top, other, labels, config)[0].mean()),
        "training_episodes": config.batch * (len(config.hidden) * config.updates + config.top_updates),
        "hierarchy_parameters": sum(net.theta.shape[1] for net in (*predictors, top)), "runs": config.runs, "runs_right": int((right.mean(1) >= 0.99).sum()),
    }
    extra, pictures = contrasts(config, stack, tests, rngs, progress) if config.contrasts else ({}, {})
    return {"metrics": metrics | extra, "history": {"stack": stack, "tests": tests, **pictures}}


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
