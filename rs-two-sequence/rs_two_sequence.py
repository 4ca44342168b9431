# SPDX-License-Identifier: Unlicense
"""rs-two-sequence: random weight guessing keeps one bit through 500 to 600 steps of noise.

The first input says which class a sequence belongs to, all others are noise, and the answer is due at the end. Drawing all weights of a net
of two units at random until one net gets 100 sequences right takes some thousand draws; a latch, one unit with three weights, takes ten or a
hundred. Gradient descent on the latch, from a good start and with more time steps, masters 20 steps of noise and seldom 550.

Paper: S. Hochreiter, J. Schmidhuber (1996). LSTM can solve hard long time lag problems. NIPS 9:473-479.

    python3 rs-two-sequence/rs_two_sequence.py --seed 0
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


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    nets: Annotated[Literal["a1", "both"], "nets that are guessed: A1, or A1 and A2"] = "a1"
    simulations: Annotated[int, "independent simulations of A1 and A2, each with training sequences of its own", 1, 1000] = 1
    latch_simulations: Annotated[int, "independent simulations of each latch", 1, 10_000] = 40
    shortest: Annotated[int, "shortest sequence, in steps", 2, 100_000] = 500
    longest: Annotated[int, "longest sequence, in steps", 2, 100_000] = 600
    variance: Annotated[float, "variance of the noise; the narrow noise has this as its standard deviation", 0, 100] = 0.2
    training_sequences: Annotated[int, "training sequences, half of each class", 2, 10_000] = 100
    test_sequences: Annotated[int, "test sequences, half of each class", 2, 100_000] = 1000
    long_lengths: Annotated[tuple[int, ...], "lengths of further test sequences, 200 each, in steps", 2, 1_000_000] = (5000, 20_000)
    spread: Annotated[float, "guessed weights are uniform in +- spread", 0, 1e6] = 100.0
    trials: Annotated[int, "trials per simulation at most", 1, 100_000_000] = 60_000
    density_draws: Annotated[int, "A1 nets drawn to estimate the share that fits, per noise and length", 5, 100_000_000] = 200_000
    lengths: Annotated[tuple[int, ...], "sequence lengths for the contrasts, in steps", 2, 100_000] = (20, 50, 100, 550)
    restarts: Annotated[int, "restarts of each contrast per learning rate or step size", 1, 1000] = 10
    contrast_steps: Annotated[int, "time steps that each net of a contrast may process, all presentations together", 1, 1_000_000_000] = 1_000_000
    adam_rates: Annotated[tuple[float, ...], "learning rates tried for Adam", 0, 100] = (0.003, 0.01)
    sgd_rates: Annotated[tuple[float, ...], "learning rates tried for plain gradient descent", 0, 100] = (0.03, 0.1)
    annealing_moves: Annotated[tuple[float, ...], "standard deviations tried for the moves of simulated annealing", 0, 1000] = (1.0, 5.0, 20.0)

    def __post_init__(self):
        if self.shortest > self.longest:
            raise ValueError("argument --shortest: longer than --longest")


PRESETS = {
    "smoke": {"nets": "both", "latch_simulations": 3, "shortest": 20, "longest": 30, "test_sequences": 100, "long_lengths": (100,), "trials": 5000,
              "density_draws": 5000, "lengths": (10, 20), "restarts": 2, "contrast_steps": 3000},
    "paper": {"nets": "both", "simulations": 10, "density_draws": 500_000, "contrast_steps": 4_000_000},
}
HEADLINE = {
    "a1_test_errors_of_1000_T500_600": ("<=", 0, "all test sequences right"),
    "latch2_mean_trials_40_sims": ("<=", 80, "22, mean of 40 simulations"),
    "a1_fit_probability_inverse": ("<=", 8000, "718 to 1,247 trials, means of 10 (secondary)"),
    "latch1_mean_trials_40_sims": ("<=", 12, "6, mean of 40 simulations"),
    "bptt_solved_fraction_n20": (">=", 0.8, "not run"),
    "bptt_solved_fraction_n550": ("<=", 0.2, "fails"),
}
ROBUST = (10, 10, {"a1_test_errors_of_1000_T500_600": ("<=", 1)})
PAPER = {"a1_test_errors_of_1000_T500_600": ("<=", 0), "a1_mean_abs_test_error": ("<=", 0.001)}
MOVEMENT = {"phases": {"final_outputs": "forward", "latch_outputs": "forward", "latch_gradient": "backward",
                       "Adam.step": "update", "accuracy": "evaluation", "make_sequences": "data"}, "step": "judge",
            "algorithms": {"guess": "random guessing, {name}", "train": ("back-propagation, {optimiser}, length {length}", "latch_gradient"), "anneal": "annealing, length {length}"}}

# --- problem ---
TOLERANCE = 0.1  # an output that close to the target is right


def make_sequences(rng, count, shortest, longest, deviation):
    """`count` sequences of lengths uniform in shortest..longest: first -1 or +1, the class, in turn; then noise N(0, deviation^2).

    Returns x (steps, count), 0 behind each sequence's end; lengths (count,); classes (count,), 0.0 or 1.0.
    """
    lengths = rng.integers(shortest, longest + 1, count)
    x = rng.normal(0, deviation, (longest, count))
    x[0] = 2 * (np.arange(count) % 2) - 1
    x[np.arange(longest)[:, None] >= lengths] = 0
    return x[:lengths.max()], lengths, np.arange(count) % 2.0


# --- model ---
class Architecture(NamedTuple):
    hidden: int
    self_connections: bool = False  # a hidden unit sees its own previous activation
    output_self_connection: bool = False
    output_bias: bool = True

    @property
    def parameters(self):
        return self.hidden * (4 + self.self_connections) + 1 + self.output_self_connection + self.output_bias


ARCHITECTURES = {
    "a1": Architecture(1, self_connections=True, output_self_connection=True, output_bias=False),  # fully connected
    "a2": Architecture(10, self_connections=True),
}


class Weights(NamedTuple):
    """Arrays (hidden, nets, 1) and, into the output unit, (nets, 1); what an architecture lacks is None."""
    from_input: np.ndarray
    from_output: np.ndarray
    bias: np.ndarray
    to_output: np.ndarray
    from_self: np.ndarray | None
    input_to_output: np.ndarray
    output_bias: np.ndarray | None
    output_to_self: np.ndarray | None


def unpack(theta, architecture):
    """Name the columns of theta (nets, parameters)."""
    count = 4 + architecture.self_connections
    theta = theta.T.copy()[..., None]
    ahead, rest = theta[:count * architecture.hidden], iter(theta[count * architecture.hidden:])
    rows = ahead.reshape(count, architecture.hidden, *theta.shape[1:])
    return Weights(*rows[:4], rows[4] if count == 5 else None, next(rest), next(rest) if architecture.output_bias else None,
                   next(rest) if architecture.output_self_connection else None)


def logistic(net):
    """1 / (1 + exp(-net)), in place, without overflow."""
    net *= 0.5
    np.tanh(net, out=net)
    net *= 0.5
    net += 0.5
    return net


def step(weights, x, hidden, output):
    """One time step: the hidden units first, then the output from their NEW activations; x (sequences,) -> hidden, output.

        h_j(t) = s(a_j x(t) + b_j o(t-1) + c_j [+ w_j h_j(t-1)])        o(t) = s(sum_j v_j h_j(t) + u x(t) [+ d] [+ r o(t-1)])
    """
    net = weights.from_output * output
    net += weights.from_input * x + weights.bias
    if weights.from_self is not None:
        net += weights.from_self * hidden
    hidden = logistic(net)
    net = np.einsum("hns,hns->ns", weights.to_output, hidden)
    net += weights.input_to_output * x
    if weights.output_bias is not None:
        net += weights.output_bias
    if weights.output_to_self is not None:
        net += weights.output_to_self * output
    return hidden, logistic(net)


def final_outputs(weights, x, lengths):
    """Outputs of all nets at the end of each sequence: x (steps, sequences), lengths (sequences,) -> (nets, sequences)."""
    sequences, shortest = x.shape[1], lengths.min()
    hidden = np.zeros((*weights.bias.shape[:2], sequences), x.dtype)
    output = np.zeros(hidden.shape[1:], x.dtype)
    for t in range(lengths.max()):
        hidden, new = step(weights, x[t], hidden, output)
        output = new if t < shortest else np.where(t < lengths, new, output)  # a sequence that is over keeps its last output
    return output


LATCHES = {"latch1": 0.8, "latch2": 1.0}  # their targets are -0.8 and 0.8, or -1 and 1


def latch_outputs(theta, name, x, lengths):
    """One tanh unit; theta (nets, 3) -> outputs at each sequence's end (nets, sequences).

        latch1: y(1) = tanh(p or q, by class)              y(t) = tanh(w y(t-1) + x(t))          its first inputs p, q are free parameters
        latch2: y(0) = 0, y(1) = tanh(v x(1) + c)          y(t) = tanh(w y(t-1) + v x(t) + c)    an ordinary unit: self, input, bias
    """
    w, v, c = theta.T.copy()[..., None]
    output = np.tanh(np.where(x[0] > 0, v, c) if name == "latch1" else v * x[0] + c)
    for t in range(1, lengths.max()):
        net = w * output
        net += x[t] if name == "latch1" else v * x[t] + c
        np.tanh(net, out=net)
        output = net if t < lengths.min() else np.where(t < lengths, net, output)
    return output


def latch_gradient(theta, x, classes):
    """dE/dtheta (nets, 3) of latch2 by full back-propagation through time; E = mean cross-entropy of (1 + y) / 2 at the end, halved.

    x (steps, sequences): sequences of one length.
    """
    w, v, c = theta.T.copy()[..., None]
    drive, y = v * x[:, None] + c, np.zeros((len(x) + 1, len(theta), x.shape[1]), x.dtype)
    for t in range(len(x)):
        np.tanh(w * y[t] + drive[t], out=y[t + 1])
    slope, d_net = (1 - y * y) * w, np.empty_like(drive)
    error = (y[-1] - (2 * classes - 1)) / (2 * x.shape[1])
    for t in reversed(range(len(x))):
        d_net[t] = error
        error = error * slope[t]
    return np.stack([np.einsum("tns,tns->n", d_net, y[:-1]), np.einsum("tns,ts->n", d_net, x), d_net.sum((0, 2))], axis=1)


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


def right_answers(theta, name, x, lengths, classes):
    """Boolean (nets, sequences): A1 and A2 within 0.1 of 0 or 1; the latches at most 0.1 short of their targets."""
    if name in LATCHES:
        return latch_outputs(theta, name, x, lengths) * (2 * classes - 1) > LATCHES[name] - TOLERANCE
    return np.abs(final_outputs(unpack(theta, ARCHITECTURES[name]), x, lengths) - classes) < TOLERANCE


def judge(theta, name, x, lengths, classes):
    """How many sequences each net gets right before its first mistake (nets,); len(classes): all of them.

    Nets go side by side through one sequence after the other, and drop out at their first mistake. This changes no verdict. When so few are
    left that it is faster, they go through all remaining sequences at once.
    """
    right, alive, k = np.zeros(len(theta), int), np.arange(len(theta)), 0
    while k < len(classes) and len(alive) * (len(classes) - k) > 4000:
        alive = alive[right_answers(theta[alive], name, x[:, k:k + 1], lengths[k:k + 1], classes[k:k + 1])[:, 0]]
        k += 1
        right[alive] = k
    if k < len(classes) and len(alive):
        good = right_answers(theta[alive], name, x[:, k:], lengths[k:], classes[k:])
        right[alive] += np.where(good.all(1), len(classes) - k, good.argmin(1))
    return right


def parameters(name):
    return 3 if name in LATCHES else ARCHITECTURES[name].parameters


def guess(name, data, spread, trials, rng, keep=False):
    """Draw nets until one gets every training sequence right -> number of the trial or None, its theta, presentations, all thetas (`keep`).

    A trial is one draw of all weights. Presentations are what a machine that tries one net at a time, and stops at its first mistake,
    would need. Weights are drawn trial by trial: the size of the groups that run side by side has no influence.
    """
    presentations, drawn = 0, []
    for start in range(0, trials, group := 40 if name in LATCHES else 2560 // ARCHITECTURES[name].hidden):
        theta = rng.uniform(-spread, spread, (min(group, trials - start), parameters(name)))
        right = judge(theta, name, *data)
        fits = np.flatnonzero(right == len(data[2]))
        last = fits[0] if len(fits) else len(theta) - 1
        presentations += int(np.minimum(right[:last + 1] + 1, len(data[2])).sum())
        drawn += [theta[:last + 1]] if keep else []
        if len(fits):
            return start + int(last) + 1, theta[last], presentations, drawn
    return None, None, presentations, drawn


def train(theta, optimiser, rates, length, steps, deviation, rng, batch=20):
    """BPTT of latch2 on new sequences of one length until `steps` time steps are used up; theta (nets, 3), rates (nets, 1).

    Rates fall to 0 along half a cosine. `theta` changes in place.
    """
    updates = max(1, steps // (length * batch))
    adam = Adam(theta, rates)
    for update in range(updates):
        x, _, classes = make_sequences(rng, batch, length, length, deviation)
        slope = latch_gradient(theta, x.astype(theta.dtype), classes.astype(theta.dtype))
        clip_by_global_norm(slope, 1.0)
        scale = 0.5 + 0.5 * math.cos(math.pi * update / updates)
        if optimiser == "adam":
            adam.step(slope, scale)
        else:
            theta -= rates * scale * slope


def anneal(theta, moves, length, steps, spread, deviation, rng, batch=20):
    """Simulated annealing of latch2 on the mean error on `batch` fixed sequences; theta (nets, 3) changes in place, moves (nets, 1).

    A proposal moves every weight by normal noise; the temperature falls from 0.1 to 0.001.
    """
    x, lengths, classes = make_sequences(rng, batch, length, length, deviation)
    x, energy, proposals = x.astype(theta.dtype), np.ones(len(theta)), max(1, steps // (length * batch))
    for temperature in np.geomspace(0.1, 0.001, proposals):
        proposed = np.clip(theta + moves * rng.standard_normal(theta.shape, theta.dtype), -spread, spread)
        new = np.abs(latch_outputs(proposed, "latch2", x, lengths) - (2 * classes - 1)).mean(1) / 2
        accepted = rng.random(len(theta)) < np.exp(np.minimum((energy - new) / temperature, 0))
        theta[accepted], energy[accepted] = proposed[accepted], new[accepted]


# --- evaluation ---
def accuracy(theta, name, data, tolerance=TOLERANCE):
    """Share of right outputs of each A1 or A2 net (nets,), and its mean absolute error (nets,)."""
    x, lengths, classes = data
    error = np.abs(final_outputs(unpack(theta, ARCHITECTURES[name]), x, lengths) - classes)
    return (error < tolerance).mean(1), error.mean(1)


def density(name, draws, config, shortest, longest, deviation, data_rng, rng, sets=5):
    """Share of nets that fit, as draws per fit or None, over `sets` training sets: a set with a large outlier fits fewer nets."""
    fits, each = 0, draws // sets
    for _ in range(sets):
        data = make_sequences(data_rng, config.training_sequences, shortest, longest, deviation)
        for start in range(0, each, 10_000):
            theta = rng.uniform(-config.spread, config.spread, (min(10_000, each - start), parameters(name)))
            fits += int((judge(theta, name, *data) == len(data[2])).sum())
    return sets * each / fits if fits else None


def simulate(name, count, deviation, config, data_rng, rng):
    """`count` independent searches -> trials, winners, presentations; of the first search also the guesses and the data."""
    data = [make_sequences(stream, config.training_sequences, config.shortest, config.longest, deviation) for stream in data_rng.spawn(count)]
    outcomes = [guess(name, data[i], config.spread, config.trials, stream, keep=i == 0) for i, stream in enumerate(rng.spawn(count))]
    trials, winners, presentations, guesses = zip(*outcomes)
    return {"trials": trials, "winners": winners, "presentations": presentations, "guesses": np.concatenate(guesses[0]), "data": data[0]}


def search_metrics(search, key, config):
    """What a reader compares about the searches of `simulate`: mean trials (None: one found nothing), and for A1 and A2 more."""
    solved, count = [trials for trials in search["trials"] if trials], len(search["trials"])
    mean = float(np.mean(solved)) if len(solved) == count else None
    if key.startswith("latch"):
        return {f"{key}_mean_trials_{count}_sims": mean}
    draws = sum(solved) + config.trials * (count - len(solved))  # searches that found nothing count in full
    return {f"{key}_mean_trials": mean, f"{key}_solved_fraction": len(solved) / count, f"{key}_mean_presentations": float(np.mean(search["presentations"])),
            f"{key}_draws_per_fit": draws / len(solved) if solved else None}


def contrasts(config, data_rng, init_rng, test_rng):
    """BPTT of latch2 at each length, annealing at the shortest and the longest -> {name: {length: accuracies (settings, restarts)}}.

    BPTT starts from self-weights near 1.1, where the unit just begins to hold a bit, and small others: with all weights small it does not
    learn 20 steps. Accuracies are on 1000 new sequences, by the sign of the output, which is kinder than the tolerance of guessing.
    """
    deviation, results = math.sqrt(config.variance), {"adam": {}, "sgd": {}, "annealing": {}}
    small = init_rng.uniform(-0.1, 0.1, (config.restarts, 3)).astype(np.float32)
    small[:, 0] += 1.1
    wide = init_rng.uniform(-config.spread, config.spread, (config.restarts, 3)).astype(np.float32)
    for length in config.lengths:
        x, ends, classes = make_sequences(test_rng, 1000, length, length, deviation)
        for name, tried in (("adam", config.adam_rates), ("sgd", config.sgd_rates), ("annealing", config.annealing_moves)):
            if name == "annealing" and length not in (config.lengths[0], config.lengths[-1]):
                continue
            settings = np.repeat(np.array(tried, np.float32), config.restarts)[:, None]
            theta = np.tile(wide if name == "annealing" else small, (len(tried), 1))
            if name == "annealing":
                anneal(theta, settings, length, config.contrast_steps, config.spread, deviation, init_rng)
            else:
                train(theta, name, settings, length, config.contrast_steps, deviation, data_rng)
            right = (latch_outputs(theta, "latch2", x, ends) > 0) == (classes > 0)
            results[name][length] = right.mean(1).reshape(-1, config.restarts)
    return results


def run(config, progress=None):
    """Guess with wide and narrow noise, test the winners, and train the contrasts. History: what `simulate` and `contrasts` return."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    streams = iter(zip(data_rng.spawn(12), init_rng.spawn(12)))
    wide, span = math.sqrt(config.variance), f"T{config.shortest}_{config.longest}"
    test = make_sequences(test_rng, config.test_sequences, config.shortest, config.longest, wide)
    history, metrics = {"searches": {}, "test": test}, {"constant_accuracy": float(np.mean(test[2] == 0))}

    for part, (name, noise) in enumerate((name, noise) for name in ("a1", "latch1", "latch2", "a2") for noise in ("", "_narrow")):
        pair = next(streams)  # in this order, whatever is asked for
        if name == "a2" and config.nets == "a1":
            continue
        if progress:
            progress(part / 10, f"guessing {name}{noise}")
        count = config.latch_simulations if name in LATCHES else config.simulations
        history["searches"][name + noise] = simulate(name, count, config.variance if noise else wide, config, *pair)
        metrics |= search_metrics(history["searches"][name + noise], name + noise, config)
    a1 = history["searches"]["a1"]
    metrics["first_draw_accuracy"] = float(accuracy(a1["guesses"][:1], "a1", test, 0.5)[0][0])
    solved = None not in a1["trials"]
    winners = np.array(a1["winners"]) if solved else None
    right, error = accuracy(winners, "a1", test) if solved else (None, None)
    metrics[f"a1_test_errors_of_{config.test_sequences}_{span}"] = round((1 - right.min()) * config.test_sequences) if solved else None
    metrics["a1_test_errors_of_first_100"] = round(100 * (1 - accuracy(winners, "a1", [part[..., :100] for part in test])[0].min())) if solved else None
    metrics["a1_winners_without_test_error_fraction"] = float((right == 1).mean()) if solved else None
    metrics["a1_mean_abs_test_error"] = float(error.mean()) if solved else None
    for length in config.long_lengths:
        data = make_sequences(test_rng, 200, length, length, wide)
        metrics[f"a1_accuracy_at_length_{length}"] = float(accuracy(winners, "a1", data)[0].min()) if solved else None

    if progress:
        progress(0.8, "density of solutions")
    for label, *setting in (("", 100, 120, wide), (f"_{span}", config.shortest, config.longest, wide), ("_narrow", 100, 120, config.variance)):
        metrics[f"a1_fit_probability_inverse{label}"] = density("a1", config.density_draws, config, *setting, *next(streams))

    history["contrasts"] = contrasts(config, data_rng, init_rng, test_rng)
    for name, by_length in history["contrasts"].items():
        for length, accuracies in by_length.items():  # the best setting, judged on the test sequences: in favour of the contrast
            metrics[f"{name}_solved_fraction_n{length}"] = float((accuracies >= 0.95).mean(1).max())
    for length in config.lengths:
        metrics[f"bptt_solved_fraction_n{length}"] = max(metrics[f"{name}_solved_fraction_n{length}"] for name in ("adam", "sgd"))
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
