# SPDX-License-Identifier: Unlicense
"""rs-parity: random weight guessing learns the parity of 500 to 600 bits.

Draw all weights of a small recurrent net at random, again and again, until one net gets every training sequence right. Where the output
unit is the net's only memory, some 250 draws do. Gradient descent on the same net with as many presentations learns five bits, not 550.

Paper: S. Hochreiter, J. Schmidhuber (1996). LSTM can solve hard long time lag problems. NIPS 9:473-479.

    python3 rs-parity/rs_parity.py --seed 0
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
    architecture: Annotated[Literal["a2-no-self", "a2", "a1", "all"], "net that is guessed in full-length simulations"] = "a2-no-self"
    simulations: Annotated[int, "independent simulations per architecture, each with training sequences of its own", 1, 1000] = 10
    shortest: Annotated[int, "shortest sequence, in steps", 2, 100_000] = 500
    longest: Annotated[int, "longest sequence, in steps", 2, 100_000] = 600
    training_sequences: Annotated[int, "training sequences, half of them odd", 2, 10_000] = 100
    test_sequences: Annotated[int, "test sequences, half of them odd", 2, 100_000] = 1000
    long_length: Annotated[int, "length of 200 further test sequences, in steps", 1, 1_000_000] = 10_000
    spread: Annotated[float, "guessed weights are uniform in +- spread", 0, 1e6] = 100.0
    trials: Annotated[int, "trials per simulation at most", 1, 100_000_000] = 100_000
    density_draws: Annotated[int, "draws per architecture for the share of nets that fit 60 sequences of 60 to 80 steps", 1, 100_000_000] = 40_000
    lengths: Annotated[tuple[int, ...], "sequence lengths for the contrasts, in steps", 2, 100_000] = (5, 10, 20, 50, 550)
    restarts: Annotated[int, "restarts of each contrast per learning rate or step size", 1, 1000] = 10
    contrast_steps: Annotated[int, "time steps that each net of a contrast may process, all presentations together", 1, 1_000_000_000] = 400_000
    rates: Annotated[tuple[float, ...], "learning rates tried for back-propagation through time", 0, 10] = (0.2, 0.4)
    bptt_spread: Annotated[float, "initial weights of back-propagation through time are uniform in +- this", 0, 1000] = 6.0
    annealing_moves: Annotated[tuple[float, ...], "standard deviations tried for the moves of simulated annealing", 0, 1000] = (1.0, 5.0, 20.0)

    def __post_init__(self):
        if self.shortest > self.longest:
            raise ValueError("argument --shortest: longer than --longest")


PRESETS = {
    "smoke": {"architecture": "all", "simulations": 2, "shortest": 20, "longest": 30, "test_sequences": 100, "long_length": 200, "trials": 20_000,
              "density_draws": 2000, "lengths": (5, 20), "restarts": 2, "contrast_steps": 5000},
    "paper": {"architecture": "all", "density_draws": 400_000, "contrast_steps": 2_400_000},
}
HEADLINE = {
    "mean_trials_a2_no_self_T500_600": ("<=", 600, "250 trials, mean of 10 simulations (secondary)"),
    "test_errors_of_1000_T500_600": ("<=", 0, "all test sequences right"),
    "accuracy_at_length_10000": (">=", 1.0, "not run"),
    "bptt_solved_fraction_n5": (">=", 0.8, "not run"),
    "bptt_accuracy_n550": ("<=", 0.55, "not run"),
}
ROBUST = (30, 30, {"mean_trials_a2_no_self_T500_600": ("<=", 3000), "test_errors_of_1000_T500_600": ("<=", 0)})
PAPER = {"mean_trials_a2_no_self_T500_600": ("<=", 600), "test_errors_of_1000_T500_600": ("<=", 0), "mean_abs_test_error": ("<=", 0.001)}
MOVEMENT = {"phases": {"final_outputs": "forward", "presentation": "forward", "gradient": "backward", "Adam.step": "update",
                       "accuracy": "evaluation", "make_sequences": "data"}, "step": "judge",
            "algorithms": {"guess": "random guessing", "train": ("back-propagation", "Adam.step"), "anneal": ("annealing", "final_outputs")},
            "examples": {"random guessing": 256}, "criterion": {"random guessing": ("mean_trials_a2_no_self_T500_600", "examples")}}

# --- problem ---
TOLERANCE = 0.1  # an output that close to the target is right


def make_sequences(rng, count, shortest, longest, balanced=True):
    """`count` sequences of random bits, +1 or -1, of lengths uniform in shortest..longest.

    Balanced: every other one has an odd number of +1's.

    Returns x (steps, count), 0 behind each sequence's end; lengths (count,); targets (count,), 1.0 for odd. The target is the parity of a
    count: the product of the bits is another thing, since lengths are even or odd.
    """
    lengths = rng.integers(shortest, longest + 1, count)
    x = rng.choice([-1.0, 1.0], (longest, count))
    x[np.arange(longest)[:, None] >= lengths] = 0
    if balanced:
        wrong = np.flatnonzero((x > 0).sum(0) % 2 != np.arange(count) % 2)
        x[rng.integers(0, lengths[wrong]), wrong] *= -1  # one random bit flipped: uniform among the sequences of the other parity
    return x[:lengths.max()], lengths, (x > 0).sum(0) % 2.0


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
    "a2-no-self": Architecture(10), "a2": Architecture(10, self_connections=True),
    "a1": Architecture(1, self_connections=True, output_self_connection=True, output_bias=False),  # fully connected
}


class Weights(NamedTuple):
    """Arrays (hidden, nets, 1 or sequences) and, into the output unit, (nets, 1 or sequences); what an architecture lacks is None."""
    from_input: np.ndarray
    from_output: np.ndarray
    bias: np.ndarray
    to_output: np.ndarray
    from_self: np.ndarray | None
    input_to_output: np.ndarray
    output_bias: np.ndarray | None
    output_to_self: np.ndarray | None


def unpack(theta, architecture, sequences=1):
    """Name the columns of theta (nets, parameters); `sequences` copies along the last axis, where many small arrays must be fast."""
    count = 4 + architecture.self_connections
    theta = theta.T.copy()[..., None].repeat(sequences, axis=-1)
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


def presentation(weights, x):
    """As `final_outputs` of a2-no-self for sequences of one length, keeping all: hidden (steps + 1, hidden, nets, sequences), output likewise.

    Index t holds the activations before step t.
    """
    hidden = np.zeros((len(x) + 1, *weights.bias.shape[:2], x.shape[1]), x.dtype)
    output = np.zeros((len(x) + 1, *hidden.shape[2:]), x.dtype)
    for t, bits in enumerate(x):
        hidden[t + 1], output[t + 1] = step(weights, bits, hidden[t], output[t])
    return hidden, output


def gradient(weights, x, hidden, output, targets):
    """dE/dtheta (nets, parameters) by full back-propagation through time, E = mean cross-entropy at the sequence end, for a2-no-self."""
    slope, output_slope = hidden[1:] * (1 - hidden[1:]), output * (1 - output)
    d_hidden, d_output = np.empty_like(slope), np.empty_like(output[1:])  # with respect to net inputs
    error = (output[-1] - targets) / x.shape[1]
    for t in reversed(range(len(x))):
        d_output[t] = error
        np.multiply(weights.to_output * error, slope[t], out=d_hidden[t])
        error = np.einsum("hns,hns->ns", weights.from_output, d_hidden[t]) * output_slope[t]
    ahead = [np.einsum("thns,ts->nh", d_hidden, x), np.einsum("thns,tns->nh", d_hidden, output[:-1]), d_hidden.sum((0, 3)).T,
             np.einsum("thns,tns->nh", hidden[1:], d_output)]
    return np.concatenate(ahead + [np.einsum("tns,ts->n", d_output, x)[:, None], d_output.sum((0, 2))[:, None]], axis=1)

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


FEW = 8  # so few survivors are faster on all remaining sequences at once than on one after the other


def judge(theta, architecture, x, lengths, targets):
    """How many sequences each net gets right before its first mistake (nets,); len(targets): all of them.

    Nets go side by side through one sequence after the other, and drop out at their first mistake. This changes no verdict.
    """
    right = np.zeros(len(theta), int)
    alive = np.arange(len(theta))
    for k in range(len(targets)):
        if len(alive) <= FEW:
            break
        output = final_outputs(unpack(theta[alive], architecture), x[:, k:k + 1], lengths[k:k + 1])[:, 0]
        alive = alive[np.abs(output - targets[k]) < TOLERANCE]
        right[alive] = k + 1
    if len(alive) and right[alive[0]] < len(targets):
        k = right[alive[0]]
        outputs = final_outputs(unpack(theta[alive], architecture), x[:, k:], lengths[k:])
        wrong = np.abs(outputs - targets[k:]) >= TOLERANCE
        right[alive] += np.where(wrong.any(1), wrong.argmax(1), len(targets) - k)
    return right


def guess(architecture, data, spread, trials, rng, keep=False):
    """Draw nets until one gets every training sequence right -> number of the trial or None, its theta, presentations, all thetas (`keep`).

    A trial is one draw of all weights. Presentations are what a machine that tries one net at a time, and stops at its first mistake,
    would need. Weights are drawn trial by trial: the size of the groups that run side by side has no influence.
    """
    presentations, drawn = 0, []
    for start in range(0, trials, group := 2560 // architecture.hidden):
        theta = rng.uniform(-spread, spread, (min(group, trials - start), architecture.parameters))
        right = judge(theta, architecture, *data)
        fits = np.flatnonzero(right == len(data[2]))
        last = fits[0] if len(fits) else len(theta) - 1
        presentations += int(np.minimum(right[:last + 1] + 1, len(data[2])).sum())
        drawn += [theta[:last + 1]] if keep else []
        if len(fits):
            return start + int(last) + 1, theta[last], presentations, drawn
    return None, None, presentations, drawn


def train(theta, rates, length, steps, rng, batch=10):
    """BPTT with Adam on new random sequences of one length until `steps` time steps are used up; theta (nets, parameters), rates (nets, 1).

    Rates fall to 0 along half a cosine. `theta` changes in place.
    """
    architecture, updates = ARCHITECTURES["a2-no-self"], max(1, steps // (length * batch))
    adam = Adam(theta, rates, beta2=0.9)
    for update in range(updates):
        x, _, targets = make_sequences(rng, batch, length, length, balanced=False)  # which leaves the noise that helps over plateaus
        x, targets = x.astype(theta.dtype), targets.astype(theta.dtype)
        weights = unpack(theta, architecture, batch)
        slope = gradient(weights, x, *presentation(weights, x), targets)
        clip_by_global_norm(slope, 0.1)
        adam.step(slope, 0.5 + 0.5 * math.cos(math.pi * update / updates))


def anneal(theta, moves, length, steps, spread, rng, batch=20):
    """Simulated annealing on the mean error on `batch` fixed sequences; theta (nets, parameters) changes in place, moves (nets, 1).

    A proposal moves every weight by normal noise; the temperature falls from 0.1 to 0.001.
    """
    architecture, proposals = ARCHITECTURES["a2-no-self"], max(1, steps // (length * batch))
    x, lengths, targets = make_sequences(rng, batch, length, length)
    x = x.astype(theta.dtype)
    energy = np.ones(len(theta))
    for temperature in np.geomspace(0.1, 0.001, proposals):
        proposed = np.clip(theta + moves * rng.standard_normal(theta.shape, theta.dtype), -spread, spread)
        new = np.abs(final_outputs(unpack(proposed, architecture), x, lengths) - targets).mean(1)
        accepted = rng.random(len(theta)) < np.exp(np.minimum((energy - new) / temperature, 0))
        theta[accepted], energy[accepted] = proposed[accepted], new[accepted]


# --- evaluation ---
def accuracy(theta, architecture, data, tolerance=TOLERANCE):
    """Share of right outputs of each net (nets,), and its mean absolute error (nets,)."""
    x, lengths, targets = data
    error = np.abs(final_outputs(unpack(theta, architecture), x.astype(theta.dtype), lengths) - targets)
    return (error < tolerance).mean(1), error.mean(1)


def transitions(theta):
    """The automaton in a net without self-connections: o(t) for o(t-1) = 0, 1 (rows) and x = -1, +1 (columns) -> (nets, 2, 2)."""
    weights = unpack(theta, ARCHITECTURES["a2-no-self"])
    before = np.array([0.0, 0.0, 1.0, 1.0])
    return step(weights, np.array([-1.0, 1.0, -1.0, 1.0]), None, before + np.zeros((len(theta), 1)))[1].reshape(-1, 2, 2)


def proven_distance(theta):
    """Smallest e such that the output provably stays within e of the running parity for ever (nets,); infinity: no proof with e <= 0.1.

    The output is the only memory, so it is enough that one step takes all outputs within e of a bit to outputs within e of the right next
    bit. Each hidden unit is monotone in the output: the ends of the interval bound it, and the bounds of all units bound the sum.
    """
    weights = unpack(theta, ARCHITECTURES["a2-no-self"])
    distances = np.geomspace(1e-9, TOLERANCE, 100)
    holds = np.ones((len(theta), len(distances)), bool)
    for bit in (0, 1):
        ends = np.sort([np.full_like(distances, bit), np.abs(bit - distances)], axis=0)
        for x in (-1.0, 1.0):
            hidden = [logistic(weights.from_output * end + (weights.from_input * x + weights.bias)) for end in ends]
            sums = np.sort([weights.to_output * h for h in hidden], axis=0).sum(1)  # of the lower and of the upper bounds
            low, high = (logistic(total + weights.input_to_output * x + weights.output_bias) for total in sums)
            right = bit ^ (x > 0)
            holds &= (low >= 1 - distances) if right else (high <= distances)
    return np.where(holds.any(1), distances[holds.argmax(1)], np.inf)


def density(architecture, draws, spread, data_rng, rng):
    """Draw nets and count those that fit 60 sequences of 60 to 80 steps."""
    data, fits, group = make_sequences(data_rng, 60, 60, 80), 0, 20_000 // architecture.hidden
    for start in range(0, draws, group):
        theta = rng.uniform(-spread, spread, (min(group, draws - start), architecture.parameters))
        fits += int((judge(theta, architecture, *data) == 60).sum())
    return fits


def simulate(name, config, data_rngs, rngs, progress=None):
    """`config.simulations` independent searches -> trials, winners' thetas, presentations, and the guesses of the first simulation."""
    outcomes = []
    for number, streams in enumerate(zip(data_rngs, rngs)):
        data = make_sequences(streams[0], config.training_sequences, config.shortest, config.longest)
        outcomes.append(guess(ARCHITECTURES[name], data, config.spread, config.trials, streams[1], keep=number == 0))
        if progress:
            progress((number + 1) / config.simulations * 0.3, f"{name}: simulation {number + 1}, {outcomes[-1][0]} trials")
    trials, winners, presentations, guesses = zip(*outcomes)
    return {"trials": trials, "winners": winners, "presentations": presentations, "guesses": np.concatenate(guesses[0])}


def contrasts(config, data_rng, init_rng, test_rng, progress=None):
    """BPTT at each length, BPTT with growing lengths, and annealing at the shortest and the longest length -> {name: {length: accuracies}}.

    Accuracies (rates or moves, restarts) are on 1000 new sequences, with outputs rounded, which is kinder than the tolerance of guessing.
    """
    net = ARCHITECTURES["a2-no-self"]
    results = {"bptt": {}, "curriculum": {}, "annealing": {}}
    starts = init_rng.uniform(-1, 1, (config.restarts, net.parameters)).astype(np.float32)

    rates, moves = (np.repeat(np.array(tried, np.float32), config.restarts)[:, None] for tried in (config.rates, config.annealing_moves))
    growing = np.tile(config.bptt_spread * starts, (len(config.rates), 1))
    for number, length in enumerate(config.lengths):
        test = make_sequences(test_rng, 1000, length, length)
        alone = np.tile(config.bptt_spread * starts, (len(config.rates), 1))
        train(alone, rates, length, config.contrast_steps, data_rng)
        train(growing, rates, length, config.contrast_steps // len(config.lengths), data_rng)
        trained = {"bptt": alone, "curriculum": growing}
        if length in (config.lengths[0], config.lengths[-1]):
            trained["annealing"] = np.tile(config.spread * starts, (len(config.annealing_moves), 1))
            anneal(trained["annealing"], moves, length, config.contrast_steps, config.spread, init_rng)
        for name, theta in trained.items():
            results[name][length] = accuracy(theta, net, test, 0.5)[0].reshape(-1, config.restarts)
        if progress:
            progress(0.4 + 0.6 * (number + 1) / len(config.lengths), f"contrasts on {length} steps")
    return results


def run(config, progress=None):
    """Guess, test the winners, and train the contrasts. History: what `simulate` and `contrasts` return."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    span = f"T{config.shortest}_{config.longest}"
    short = make_sequences(test_rng, config.test_sequences, config.shortest, config.longest)
    long = make_sequences(test_rng, 200, config.long_length, config.long_length)
    metrics = {"constant_accuracy": float(np.mean(short[2] == 0))}
    history = {"searches": {}, "test": short}
    for name, architecture in ARCHITECTURES.items():
        data_rngs, rngs = (rng.spawn(config.simulations + 1) for rng in (data_rng, init_rng))  # the same streams, whatever is asked for
        key = name.replace("-", "_")
        fits = density(architecture, config.density_draws, config.spread, data_rngs[-1], rngs[-1])
        metrics[f"draws_per_fit_{key}"] = config.density_draws / fits if fits else None
        if config.architecture not in (name, "all"):
            continue
        search = history["searches"][name] = simulate(name, config, data_rngs[:-1], rngs[:-1], progress)
        solved = None not in search["trials"]
        metrics[f"mean_trials_{key}_{span}"] = float(np.mean(search["trials"])) if solved else None
        metrics[f"median_trials_{key}"] = float(np.median(search["trials"])) if solved else None
        metrics[f"mean_presentations_{key}"] = float(np.mean(search["presentations"]))
        metrics[f"unsolved_simulations_{key}"] = search["trials"].count(None)
        start = "" if name == "a2-no-self" else f"{key}_"
        winners = np.array(search["winners"]) if solved else None
        right, error = accuracy(winners, architecture, short) if solved else (None, None)
        metrics[f"{start}test_errors_of_{config.test_sequences}_{span}"] = round((1 - right.min()) * config.test_sequences) if solved else None
        metrics[f"{start}mean_abs_test_error"] = float(error.mean()) if solved else None
        metrics[f"{start}median_abs_test_error"] = float(np.median(error)) if solved else None
        metrics[f"{start}accuracy_at_length_{config.long_length}"] = float(accuracy(winners, architecture, long)[0].min()) if solved else None
        if name == "a2-no-self":
            metrics["proven_for_any_length_fraction"] = float(np.isfinite(proven_distance(winners)).mean()) if solved else None
            metrics["first_draw_accuracy"] = float(accuracy(search["guesses"][:1], architecture, short, 0.5)[0].mean())

    history["contrasts"] = contrasts(config, data_rng, init_rng, test_rng, progress)
    for name, by_length in history["contrasts"].items():
        for length, accuracies in by_length.items():  # the best rate or move, judged on the test sequences: in favour of the contrast
            metrics[f"{name}_accuracy_n{length}"] = float(accuracies.mean(1).max())
            metrics[f"{name}_solved_fraction_n{length}"] = float((accuracies >= 0.95).mean(1).max())
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
