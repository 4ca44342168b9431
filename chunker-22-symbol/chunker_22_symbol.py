# SPDX-License-Identifier: Unlicense
"""chunker-22-symbol: a net learns to remember over 20 steps by imitating a second net that hears only its surprises.

An endless stream of blocks, `a b1 .. b20` or `x b1 .. b20`; at b20 a target unit must say which it was. The automatizer A predicts the next symbol; the chunker C
hears only what A failed to predict, so that for C the 20 steps are one. A must also reproduce C's state: an error that comes at once, and goes back 3 steps at most. In
the end A does it all by itself. Contrasts: A alone with errors sent back 3 and 20 steps, a C that A does not imitate, a C that does not learn, other thresholds.

Paper: J. Schmidhuber (1992). Learning complex, extended sequences using the principle of history compression. Neural Computation 4(2):234-242.

    python3 chunker-22-symbol/chunker_22_symbol.py --seed 0
"""
import argparse
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
    lag: Annotated[int, "symbols b1, b2, ... after the a or x of a block", 2, 1000] = 20
    sequences: Annotated[int, "blocks to learn from", 1, 10_000_000] = 3000
    runs: Annotated[int, "independent runs side by side; the headline is the first", 1, 1000] = 17
    contrasts: Annotated[bool, "also train the contrasts, from the first run's weights and on its stream"] = True
    span: Annotated[int, "steps that A's errors go back in time at most", 0, 1000] = 3
    collapse: Annotated[bool, "A must reproduce C's state"] = True
    theta: Annotated[float, "an input is a surprise for A if some error exceeds this", 0, 1] = 0.2
    silence: Annotated[float, "probability that a block has no teacher", 0, 0.99] = 0.0
    automatizer_hidden: Annotated[int, "hidden units of A", 1, 1000] = 16
    chunker_hidden: Annotated[int, "hidden units of C", 1, 1000] = 4
    automatizer_rate: Annotated[float, "learning rate of A", 0, 100] = 0.007
    chunker_rate: Annotated[float, "learning rate of C", 0, 100] = 0.02
    optimiser: Annotated[Literal["adam", "sgd"], "Adam, or plain gradient descent"] = "adam"
    units: Annotated[Literal["tanh", "sigmoid"], "hidden units"] = "tanh"
    loss: Annotated[Literal["entropy", "squared"], "of symbols and target: softmax and cross-entropy, or sigmoid outputs and squared error"] = "entropy"
    clip: Annotated[float, "largest norm of a gradient", 1e-3, 1e9] = 10.0
    cooldown: Annotated[int, "after 100 right blocks running, rates fall to 0 over that many more; a wrong one restores them (0: never)", 0, 10_000_000] = 400


PRESETS = {
    "smoke": {"sequences": 120, "runs": 2},
    "paper": {"sequences": 35_000, "contrasts": False, "optimiser": "sgd", "units": "sigmoid", "loss": "squared",
              "theta": 0.1, "automatizer_rate": 0.8, "chunker_rate": 3.0, "clip": 1.0},
    "lag60": {"lag": 60, "runs": 10, "sequences": 10_000, "contrasts": False},
}
HEADLINE = {
    "collapsed_a_alone_test_accuracy": (">=", 0.99, "A solves the task by itself"),
    "sequences_to_criterion": ("<=", 3000, "13 of 17 runs < 5000, rest < 35000"),
    "best_baseline_target_accuracy": ("<=", 0.60, "no progress in > 1e6 sequences"),
}
ROBUST = (19, 20, {"collapsed_a_alone_test_accuracy": (">=", 0.99), "sequences_to_criterion": ("<=", 5000)})
PAPER = {"collapsed_a_alone_test_accuracy": (">=", 0.99), "sequences_to_criterion": ("<=", 5000)}
MOVEMENT = {"phases": {"make_blocks": "data", "forward": "forward", "listen": "forward", "backward": "backward", "Adam.step": "update", "evaluate": "evaluation"},
            "step": "learn", "algorithms": {"train": "automatizer and chunker"}, "criterion": {"automatizer and chunker": ("sequences_to_criterion", "steps")}}

# --- problem ---
# Symbols are numbered a, x, b1, b2, ...: 0, 1, 2, 3, ... An input is a one-hot symbol and, behind it, the teacher's value where there is one.
TOLERANCE, STREAK, TEST_BLOCKS = 0.1, 100, 1000  # solved: target unit within 0.1 in 100 blocks running


def make_blocks(labels, taught, lag):
    """One block per label (R,): 1 begins with a, 0 with x; `taught` (R,): is there a teacher?

    Returns inputs (R, lag + 1, lag + 3), and where a target exists (R, lag + 1).
    """
    inputs = np.zeros((len(labels), lag + 1, lag + 3))
    inputs[:, np.arange(1, lag + 1), np.arange(2, lag + 2)] = 1
    inputs[np.arange(len(labels)), 0, 1 - labels] = 1
    inputs[:, -1, -1] = labels * taught
    return inputs, (np.arange(lag + 1) == lag) & (taught > 0)[:, None]


# --- model ---
# All arrays have a leading axis R: independent nets side by side. Bias is a weight from a constant 1, the last entry of a row.
# A's outputs are symbols (lag + 2), the target unit, and the imitation of C: its hidden state and its own prediction of the target.
def shapes(config):
    """Weights of A: to hidden, to outputs; of C: to hidden, to outputs. A's outputs also see the input directly."""
    inputs, a, c = config.lag + 3, config.automatizer_hidden, config.chunker_hidden
    return ((a + inputs + 1, a), (a + inputs + 1, inputs + c + 1)), ((c + inputs + 1, c), (c + 1, inputs))


def new_nets(rng, config):
    """Flat initial weights of one A and one C. A's recurrent weights are small: at first it forgets within some steps."""
    a, c = config.automatizer_hidden, config.chunker_hidden
    flat = [np.concatenate([rng.uniform(-1, 1, math.prod(shape)) for shape in part]) for part in shapes(config)]
    (to_hidden, to_output), (c_hidden, c_output) = (views(part, *kind) for part, kind in zip(flat, shapes(config)))
    gain = 2 if config.units == "sigmoid" else 1  # logistic(x) = 1/2 + tanh(x/2)/2: with these gains both kinds of units start as the same net
    for block, scale in ((to_hidden[:a], 0.5 * gain ** 2 / math.sqrt(a)), (to_hidden[a:], 0.3 * gain), (to_output[:a], 0.3 * gain), (to_output[a:], 0.1),
                         (c_hidden[:c], 0.3), (c_hidden[c:], 0.5), (c_output, 0.3)):
        block *= scale
    for weights in (to_hidden, to_output, c_hidden, c_output):
        weights[-1] = 0
    if config.units == "sigmoid":
        to_hidden[-1] = -to_hidden[:a].sum(0) / 2
    return flat


def logistic(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def squash(x, units):
    return np.tanh(x) if units == "tanh" else logistic(x)


def slope(y, units):
    """Derivative of `squash` where it has the value y."""
    return 1 - y * y if units == "tanh" else y * (1 - y)


def predictions(output, loss):
    """Net outputs (..., symbols + 1) -> predicted symbols and target, in one array."""
    if loss == "squared":
        return logistic(output)
    predicted = np.exp(output - output.max(-1, keepdims=True))
    predicted[..., :-1] /= predicted[..., :-1].sum(-1, keepdims=True)
    predicted[..., -1] = logistic(output[..., -1])
    return predicted


def output_error(predicted, inputs, exists, loss):
    """dE/d output for E = cross-entropy or half the squared error; the target counts only where it exists."""
    error = predicted - inputs
    error[..., -1] *= exists
    return error if loss == "entropy" else error * predicted * (1 - predicted)


def imitation_error(imitation, known, loss):
    """The same for the imitation: half the squared error of linear units, or of sigmoid ones with the rest of a net of 1992."""
    error = imitation - known
    return error if loss == "entropy" else error * imitation * (1 - imitation)


class Pass(NamedTuple):
    """A on a window: rows (R, T, H + I + 1) = [h(t-1) | i(t-1) | 1], hidden (R, T, H) = h(t), and outputs."""
    rows: np.ndarray
    hidden: np.ndarray
    predicted: np.ndarray   # (R, T, symbols + 1)
    imitation: np.ndarray   # (R, T, chunker_hidden + 1)


def forward(weights, seen, hidden, config):
    """A on seen (R, T, I), the inputs of one step ago, from hidden (R, H) -> Pass: what it expects of the input that is due now."""
    to_hidden, to_output = weights
    units, width = to_hidden.shape[2], seen.shape[2]
    rows = np.concatenate([np.empty((*seen.shape[:2], units)), seen, np.ones((*seen.shape[:2], 1))], 2)
    drive, recurrent, after = rows[:, :, units:] @ to_hidden[:, units:], to_hidden[:, :units], np.empty_like(rows[:, :, :units])
    h = hidden[:, None]
    for t in range(seen.shape[1]):
        rows[:, t, :units] = h[:, 0]
        h = squash(h @ recurrent + drive[:, t:t + 1], config.units)
        after[:, t] = h[:, 0]
    output = after @ to_output[:, :units] + rows[:, :, units:] @ to_output[:, units:]
    imitation = output[:, :, width:]
    return Pass(rows, after, predictions(output[:, :, :width], config.loss), imitation if config.loss == "entropy" else logistic(imitation))


def backward(weights, run, error, spans, config):
    """Gradients of A: error (R, T, outputs) = dE/d output, sent back spans (R,) steps, within the window."""
    to_hidden, to_output = weights
    units = to_hidden.shape[2]
    back, bend = to_hidden[:, :units].swapaxes(1, 2), slope(run.hidden, config.units)
    delta = (error @ to_output[:, :units].swapaxes(1, 2)) * bend
    for span in np.unique(spans):
        own = spans == span
        moved, total = delta[own], delta[own]
        for _ in range(min(span, delta.shape[1] - 1)):
            moved = (moved[:, 1:] @ back[own]) * bend[own, :moved.shape[1] - 1]  # errors of all steps move back one step at once
            total[:, :moved.shape[1]] += moved
        delta[own] = total
    now = np.concatenate([run.hidden, run.rows[:, :, units:]], 2)
    return run.rows.swapaxes(1, 2) @ delta, now.swapaxes(1, 2) @ error


def surprises(predicted, inputs, exists, thetas):
    """Where A's prediction of some symbol, or of a target that exists, is off by more than theta -> (R, T) boolean; thetas (R,)."""
    wrong = np.abs(predicted - inputs)
    wrong[..., -1] *= exists
    return wrong.max(-1) > thetas[:, None]


class Memory(NamedTuple):
    """C between surprises: hidden (R, C), and the row [hidden | input | 1] (R, C + I + 1) that it came from."""
    hidden: np.ndarray
    row: np.ndarray


def at_rest(count, config):
    """C has heard nothing yet."""
    return Memory(np.zeros((count, config.chunker_hidden)), np.zeros((count, shapes(config)[1][0][0])))


def listen(weights, memory, inputs, exists, surprise, config):
    """C hears inputs (R, T, I) only where surprise (R, T), and at other steps does not exist.

    Returns what C knows before each step (R, T, C + 1), hidden state and predicted target; C's gradients; its memory afterwards. At a surprise C is to have
    predicted this very input; the error goes back one step of C's own time.
    """
    (to_hidden, to_output), (hidden, row) = weights, memory
    gradient, known, one = (np.zeros_like(to_hidden), np.zeros_like(to_output)), np.empty((*surprise.shape, hidden.shape[1] + 1)), np.ones((len(hidden), 1))
    for t in range(inputs.shape[1]):
        known[:, t, :-1] = hidden
        heard = surprise[:, t, None]
        if heard.any():
            now = np.concatenate([hidden, one], 1)
            predicted = predictions((now[:, None] @ to_output)[:, 0], config.loss)
            error = output_error(predicted, inputs[:, t], exists[:, t], config.loss) * heard
            delta = (to_output[:, :-1] @ error[:, :, None])[:, :, 0] * slope(hidden, config.units)
            gradient[0][...] += row[:, :, None] * delta[:, None]
            gradient[1][...] += now[:, :, None] * error[:, None]
            row = np.where(heard, np.concatenate([hidden, inputs[:, t], one], 1), row)
            hidden = np.where(heard, squash((row[:, None] @ to_hidden)[:, 0], config.units), hidden)
    known[:, :, -1] = logistic((known[:, :, :-1] @ to_output[:, :-1, -1:])[:, :, 0] + to_output[:, -1:, -1])
    return known, gradient, Memory(hidden, row)


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


class Learners:
    """R pairs of A and C side by side; `settings` has a Config for each (alike but for span, collapse, theta and rates), `nets` its initial weights."""

    def __init__(self, settings, nets):
        config, count = settings[0], len(settings)
        self.config, self.spans, self.thetas = config, np.array([own.span for own in settings]), np.array([own.theta for own in settings])
        self.imitate = np.array([float(own.collapse) for own in settings])[:, None, None]
        flat = [np.array(part) for part in zip(*nets)]
        self.automatizer, self.chunker = (views(part, *kind) for part, kind in zip(flat, shapes(config)))
        rates = [[own.automatizer_rate] for own in settings], [[own.chunker_rate] for own in settings]
        self.adams = [Adam(part, np.array(rate)) for part, rate in zip(flat, rates)]
        self.hidden, self.last_input = np.zeros((count, config.automatizer_hidden)), np.zeros((count, config.lag + 3))
        self.memory = at_rest(count, config)


def learn(learners, labels, taught, scale=1.0):
    """One block for everyone, labels and taught (R,), and one update with `scale` times the rates.

    Returns what A and C expected of the target before it came (R,), (R,), taught or not, and the surprises (R, T). The loss and the surprises
    know no place in a block but that the teacher's value comes at its end; weights change there, and errors go back to its beginning at most.
    """
    config = learners.config
    inputs, exists = make_blocks(labels, taught, config.lag)
    seen = np.concatenate([learners.last_input[:, None], inputs[:, :-1]], 1)
    run = forward(learners.automatizer, seen, learners.hidden, config)
    surprise = surprises(run.predicted, inputs, exists, learners.thetas)
    known, chunker_gradient, learners.memory = listen(learners.chunker, learners.memory, inputs, exists, surprise, config)
    error = np.concatenate([output_error(run.predicted, inputs, exists, config.loss),
                            learners.imitate * imitation_error(run.imitation, known, config.loss)], 2)
    gradient = backward(learners.automatizer, run, error, learners.spans, config)
    for adam, parts in zip(learners.adams, (gradient, chunker_gradient)):
        flat = np.concatenate([part.reshape(len(part), -1) for part in parts], 1)
        clip_by_global_norm(flat, config.clip)
        if config.optimiser == "adam":
            adam.step(flat, scale)
        else:
            adam.theta -= adam.learning_rate * scale * flat
    learners.hidden, learners.last_input = run.hidden[:, -1], inputs[:, -1]
    return run.predicted[:, -1, -1], known[:, -1, -1], surprise


SNAPSHOT = 20  # blocks between the snapshots for the pictures


def train(settings, nets, streams, progress=None):
    """Learn from `sequences` blocks, or until every rate has fallen to 0; settings and nets (Config, initial weights) have R entries.
    streams: which of some random generators feeds each pair (R,), and these generators.

    Returns a dictionary: learners; criterion (R,): the last of the first 100 right blocks running, infinity if there were none; errors,
    chunker_errors (N, R): of the target as A and C expected it; surprises (N, R); and of the first pair alone places (N, T) of surprises, and
    snapshots: number of blocks, A's and C's weights.
    """
    config, learners, (own, generators) = settings[0], Learners(settings, nets), streams
    draws = np.array([rng.random((config.sequences, 2)) for rng in generators])[own]
    labels, taught = (draws[:, :, 0] < 0.5).astype(int), (draws[:, :, 1] >= config.silence).astype(int)
    series, criterion, log, snapshots = np.zeros(len(settings), int), np.full(len(settings), np.inf), [], []
    for block in range(config.sequences):
        if block % SNAPSHOT == 0:
            snapshots.append((block, *([weights[:1].copy() for weights in net] for net in (learners.automatizer, learners.chunker))))
        fallen = (series - STREAK) / config.cooldown if config.cooldown else np.zeros(len(series))
        if (fallen >= 1).all():
            break
        expected, by_chunker, surprise = learn(learners, labels[:, block], taught[:, block], np.clip(1 - fallen, 0, 1)[:, None])
        errors = np.abs(expected - labels[:, block])
        series = np.where(errors < TOLERANCE, series + 1, 0)
        criterion[np.isinf(criterion) & (series == STREAK)] = block + 1
        log.append((errors, np.abs(by_chunker - labels[:, block]), surprise.sum(1), surprise[0]))
        if progress and block % 50 == 0:
            progress(block / config.sequences, f"{np.isfinite(criterion).sum()} of {len(settings)} met the criterion")
    errors, chunker_errors, counts, places = (np.array(part) for part in zip(*log))
    return {"learners": learners, "criterion": criterion, "errors": errors, "chunker_errors": chunker_errors, "surprises": counts, "places": places,
            "snapshots": snapshots}


# --- evaluation ---
def whole(number):
    """A count that may be infinity, as a metric."""
    return int(number) if math.isfinite(number) else None


def evaluate(weights, labels, config, wipe=False):
    """A alone, weights frozen, no teacher, no C: one stream with a block for each of labels (N,).

    Returns errors of the target unit (N, R) and the part of the symbols that was rightly predicted (R,). wipe: hidden units are set to 0 in mid-block.
    """
    count, (numbers, half) = len(weights[0]), (np.arange(config.lag + 1), config.lag // 2)
    hidden, last, errors, right = np.zeros((count, config.automatizer_hidden)), np.zeros((1, 1, config.lag + 3)), [], 0
    for label in labels:
        inputs, _ = make_blocks(np.array([label]), np.array([0]), config.lag)
        seen = np.concatenate([last, inputs[:, :-1]], 1).repeat(count, 0)
        run = forward(weights, seen, hidden, config)
        if wipe:
            run = forward(weights, seen[:, half:], 0 * hidden, config)
        hidden, last = run.hidden[:, -1], inputs[:, -1:]
        errors.append(np.abs(run.predicted[:, -1, -1] - label))
        symbols = inputs[0, numbers[-run.hidden.shape[1]:], :-1].argmax(-1)
        right = right + (run.predicted[:, :, :-1].argmax(-1) == symbols).mean(1)
    return np.array(errors), right / len(labels)


def replay(automatizer, chunker, labels, config):
    """One frozen pair (1, ..) on a stream without a teacher, C plugged in -> inputs (T, I), A's Pass, surprises (T,), what C knows (T, C + 1)."""
    inputs, exists = (part.reshape(1, -1, *part.shape[2:]) for part in make_blocks(labels, 0 * labels, config.lag))
    seen = np.concatenate([0 * inputs[:, :1], inputs[:, :-1]], 1)
    run = forward(automatizer, seen, np.zeros((1, config.automatizer_hidden)), config)
    surprise = surprises(run.predicted, inputs, exists, np.array([config.theta]))
    known, _, _ = listen(chunker, at_rest(1, config), inputs, exists, surprise, config)
    return inputs[0], run, surprise[0], known[0]


RATE_FACTORS, THETAS = (0.3, 1.0, 1.5, 3.0), {"theta01": 0.1, "theta03": 0.3, "theta05": 0.5}


def contrasts(config):
    """(name, Config) of each contrast; those of A alone come with several learning rates. Whether C learns makes no difference to an A that does not imitate it."""
    alone = {"alone_short": config.span, "alone_full": config.lag}
    return [*((name, dataclasses.replace(config, collapse=False, span=span, automatizer_rate=config.automatizer_rate * factor))
              for name, span in alone.items() for factor in RATE_FACTORS),
            ("untrained_chunker", dataclasses.replace(config, chunker_rate=0.0)),
            *((name, dataclasses.replace(config, theta=theta)) for name, theta in THETAS.items())]


def run(config, progress=None):
    """History: names of the rows, what `train` returns, errors on the test stream (N, R), labels of a stream for pictures."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    nets, extra = [new_nets(rng, config) for rng in init_rng.spawn(config.runs)], contrasts(config) if config.contrasts else []
    names, settings = [*[""] * config.runs, *(name for name, _ in extra)], [*[config] * config.runs, *(own for _, own in extra)]
    own = np.array([*range(config.runs), *[0] * len(extra)])
    trained = train(settings, [nets[number] for number in own], (own, data_rng.spawn(config.runs)), progress)
    learners, criterion = trained["learners"], trained["criterion"]
    labels = test_rng.integers(0, 2, TEST_BLOCKS)
    errors, symbols = evaluate(learners.automatizer, labels, config)
    close, right = (errors < TOLERANCE).mean(0), (errors < 0.5).mean(0)
    wiped = evaluate([weights[:1] for weights in learners.automatizer], labels[:200], config, wipe=True)[0] < 0.5
    by_chunker, recurrent = trained["chunker_errors"] < 0.5, [net[0][0, :config.automatizer_hidden] for net in (trained["snapshots"][0][1], learners.automatizer)]
    gains = [float(np.abs(np.linalg.eigvals(weights)).max()) for weights in recurrent]  # above 1 a tanh net can hold a bit for ever
    learned = np.flatnonzero(np.convolve(by_chunker[:, 0], np.ones(STREAK), "valid") == STREAK) if len(by_chunker) >= STREAK else []
    metrics = {
        "collapsed_a_alone_test_accuracy": float(close[0]), "sequences_to_criterion": whole(criterion[0]),
        "chunker_sequences_to_criterion": int(learned[0]) + STREAK if len(learned) else None, "target_accuracy": float(right[0]),
        "next_symbol_accuracy": float(symbols[0]), "wiped_target_accuracy": float(wiped.mean()),
        "constant_target_accuracy": float(max(labels.mean(), 1 - labels.mean())),
        "surprises_per_block_first_100": float(trained["surprises"][:100, 0].mean()), "surprises_per_block_last_100": float(trained["surprises"][-100:, 0].mean()),
        "recurrent_gain_before": gains[0], "recurrent_gain": gains[1], "largest_self_connection": float(np.diag(recurrent[1]).max()),
        "runs": config.runs, "runs_solved": int((np.isfinite(criterion) & (close >= 0.99))[:config.runs].sum()),
        "runs_criterion_below_5000": int((criterion[:config.runs] < 5000).sum()), "runs_sequences_median": whole(np.median(criterion[:config.runs])),
        "runs_sequences_max": whole(criterion[:config.runs].max()),
    }
    for name in dict.fromkeys(names[config.runs:]):
        rows = np.array([row for row, other in enumerate(names) if other == name])
        metrics[f"{name}_test_accuracy"], metrics[f"{name}_sequences_to_criterion"] = float(close[rows].max()), whole(criterion[rows].min())
        if name.startswith("alone"):
            metrics[f"{name}_target_accuracy"] = float(right[rows].max())
    if extra:
        metrics["best_baseline_target_accuracy"] = max(metrics["alone_short_target_accuracy"], metrics["alone_full_target_accuracy"])
        metrics["unimitated_chunker_target_accuracy"] = float(by_chunker[-100:, names.index("alone_short") + 1].mean())
    return {"metrics": metrics, "history": {"names": names, "trained": trained, "test_errors": errors, "labels": labels[:40]}}


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
