# SPDX-License-Identifier: Unlicense
"""nbb-xor: the neural bucket brigade, a rule local in space and time, learns XOR.

No gradient, no error signal, no memory beyond one tick: connections that fire pay a part of their weight to the connections that set
them up one tick earlier, and only a correct output brings new weight into the net.

Paper: J. Schmidhuber (1989). A local learning algorithm for dynamic feedforward and recurrent networks. Connection Science 1(4):403-412.

    python3 nbb-xor/nbb_xor.py --seed 0
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
    variant: Annotated[Literal["all", "h3", "h2", "h2x2", "h4", "no-skip", "no-backward", "fixed-hidden", "no-learning"],
                       "architecture (h...: sizes of the hidden subsets) or contrast; all: side by side"] = "all"
    nets: Annotated[int, "independent nets per variant", 1, 10_000] = 20
    presentations: Annotated[int, "pattern presentations per net", 1, 1_000_000] = 6000
    ticks: Annotated[int, "ticks per presentation; the inputs come on one tick after the reset", 5, 100] = 6
    payment: Annotated[float, "lambda, the part of its contribution that a connection pays when its unit fires", 0, 1] = 0.005
    payoff: Annotated[float, "eta, the part of its contribution that a connection into the correct output gains", 0, 1] = 0.005
    spread: Annotated[float, "initial weights are uniform in 1 +- spread", 0, 1] = 0.001


PRESETS = {"smoke": {"nets": 3, "presentations": 500}, "paper": {"presentations": 20_000}}
HEADLINE = {
    "found_presentations_mean_20_nets": ("<=", 619, "619 to find a solution, mean of 20 runs (unit unclear)"),
    "found_fraction_20_nets": (">=", 1.0, "all 20 runs"),
    "stable400_fraction_20_nets": (">=", 0.85, "stable solutions at 674"),
    "h2_stable_fraction": ("<=", 0.0, "2 hidden: 160 per pattern, not stable"),
}
ROBUST = (9, 10, {"found_presentations_mean_20_nets": ("<=", 619)})
PAPER = {"found_presentations_mean_20_nets": ("<=", 619), "found_fraction_20_nets": (">=", 1.0), "h2_stable_fraction": ("<=", 0.0)}
MOVEMENT = {"phases": {"contribute": "forward", "winners": "forward", "pay": "update", "correct_answers": "evaluation"}, "step": "present",
            "algorithms": {"train": "bucket brigade"}, "criterion": {"bucket brigade": ("found_presentations_mean_20_nets", "steps")}}

# --- problem ---
PATTERNS = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], np.float32)  # x1, x2, a unit that is always on
TARGETS = np.array([0, 1, 1, 0])  # the output unit that should win: 0 says "XOR is 0", 1 says "XOR is 1"


# --- model ---
# Units: 3 inputs, two hidden subsets with places for 4 and 2 units, 2 outputs. Weights (9 sources, 8 targets, nets): sources are inputs
# and hidden units, targets are hidden units and outputs, and a connection that an architecture lacks has weight 0.
INPUTS, HIDDEN_SOURCES = slice(0, 3), slice(3, 9)
HIDDEN, OUTPUTS = slice(0, 6), slice(6, 8)
SUBSETS = (slice(0, 4), slice(4, 6), OUTPUTS)  # targets that compete with each other


@dataclass(frozen=True)
class Variant:
    subsets: tuple[int, int]  # hidden units in each competitive subset
    skip: bool = True  # inputs are wired to the outputs, too
    backward: bool = True  # hidden units pass on what they are paid: the bucket brigade itself
    hidden_learns: bool = True
    outputs_learn: bool = True


VARIANTS = {
    "h3": Variant((3, 0)), "h2": Variant((2, 0)), "h2x2": Variant((2, 2)), "h4": Variant((4, 0)),
    "no-skip": Variant((3, 0), skip=False), "no-backward": Variant((3, 0), backward=False),
    "fixed-hidden": Variant((3, 0), hidden_learns=False), "no-learning": Variant((3, 0), hidden_learns=False, outputs_learn=False),
}


def wiring(variant):
    """Boolean (9, 8): the connections that exist."""
    units = np.concatenate([np.arange(size) < count for size, count in zip((4, 2), variant.subsets)])
    exists = np.zeros((9, 8), bool)
    exists[INPUTS, HIDDEN] = units
    exists[HIDDEN_SOURCES, OUTPUTS] = units[:, None]
    exists[INPUTS, OUTPUTS] = variant.skip
    return exists


def winners(net):
    """1 for the unit with the largest positive net input in each competitive subset, 0 for the others; net (..., 8, nets)."""
    fires = np.zeros_like(net)
    for subset in SUBSETS:
        rivals = net[..., subset, :]
        best = rivals.argmax(-2, keepdims=True)  # the first of equals
        fires[..., subset, :] = (np.arange(rivals.shape[-2])[:, None] == best) & (rivals > 0)
    return fires


def contribute(weights, active):
    """c_ij(t) = x_i(t-1) w_ij(t-1) and the net inputs; active (9, nets) -> contributions (9, 8, nets), net (8, nets)."""
    contributions = active[:, None] * weights
    return contributions, contributions.sum(0)


# --- learning ---
def pay(weights, contributions, net, fires, shares, correct, learns, config):
    """The rule of the paper's section on the discrete-time algorithm, for all connections at once; changes `weights` in place.

        dw_ij(t) = - lambda c_ij(t) x_j(t)                                                    what fires pays
                   + [c_ij(t-1) x_j(t-1) / sum_h c_hj(t-1)] sum_k lambda c_jk(t) x_k(t)       to those that set it up one tick ago
                   + eta c_ij(t) [j is an output, on and correct]                             and substance enters only here

    `shares` (3, 6, nets) is the bracket, `correct` (2, nets) marks the right output, `learns` = (hidden, outputs, backward), each (nets,),
    switches the terms off in the contrasts. Returns the shares for the next tick.
    """
    hidden, outputs, backward = learns
    paid = config.payment * contributions * fires
    income = paid[HIDDEN_SOURCES].sum(1)
    weights[INPUTS, HIDDEN] += hidden * (shares * (backward * income) - paid[INPUTS, HIDDEN])
    weights[:, OUTPUTS] += outputs * (config.payoff * contributions[:, OUTPUTS] * (fires[OUTPUTS] * correct) - paid[:, OUTPUTS])
    return contributions[INPUTS, HIDDEN] * (fires[HIDDEN] / np.maximum(net[HIDDEN], np.finfo(net.dtype).tiny))


def present(weights, patterns, learns, config):
    """One cycle: reset, show pattern number `patterns` (nets,) to each net for `config.ticks` ticks, learn at every tick."""
    active, shares = np.zeros((9, weights.shape[-1]), weights.dtype), 0
    correct = (np.arange(2)[:, None] == TARGETS[patterns]).astype(weights.dtype)
    for tick in range(config.ticks):
        if tick == 1:
            active[INPUTS] = PATTERNS[patterns].T
        contributions, net = contribute(weights, active)
        fires = winners(net)
        shares = pay(weights, contributions, net, fires, shares, correct, learns, config)
        active[HIDDEN_SOURCES] = fires[HIDDEN]


# --- evaluation ---
def correct_answers(weights):
    """Which of the four patterns each net answers rightly with weight changes off -> boolean (4, nets), margins (4, nets).

    Inputs are constant, so the answer settles within two ticks, and this equals "the right output is on during the last three ticks".
    The margin is the net input of the right output minus that of the wrong one.
    """
    net = np.einsum("pi,ijn->pjn", PATTERNS.astype(weights.dtype), weights[INPUTS])
    hidden = winners(net)[:, HIDDEN]
    answers = net[:, OUTPUTS] + np.einsum("phn,hon->pon", hidden, weights[HIDDEN_SOURCES, OUTPUTS])
    right, wrong = answers[range(4), TARGETS], answers[range(4), 1 - TARGETS]
    return (answers.argmax(1) == TARGETS[:, None]) & (right > 0), right - wrong


def train(names, config, data_rng, init_rng, progress=None):
    """Train `config.nets` nets of each named variant side by side; learning stays on to the end, solved or not.

    Returns {name: {"found" | "stable100" | "stable400": (nets,), "held": (nets,)}} and the history of the first net of all. "found" is the
    number of presentations until all four patterns were right, "stableN" the number after which they stayed right for N presentations
    (infinity: not reached), "held" whether they were right at the end.
    """
    chosen = [VARIANTS[name] for name in names]
    streams = {name: pair for name, *pair in zip(VARIANTS, data_rng.spawn(len(VARIANTS)), init_rng.spawn(len(VARIANTS)))}
    draw = [streams[name][1].uniform(1 - config.spread, 1 + config.spread, (9, 8, config.nets)) for name in names]
    weights = np.concatenate([w * wiring(v)[..., None] for w, v in zip(draw, chosen)], axis=-1).astype(np.float32)
    patterns = np.concatenate([streams[name][0].integers(4, size=(config.presentations, config.nets)) for name in names], axis=1)
    learns = np.repeat([[v.hidden_learns, v.outputs_learn, v.backward] for v in chosen], config.nets, axis=0).T.astype(np.float32)

    reached = {streak: np.full(weights.shape[-1], np.inf) for streak in (1, 100, 400)}
    streak = np.zeros(weights.shape[-1], int)
    history = np.empty((config.presentations + 1, 9, 8), np.float32)
    history[0] = weights[..., 0]
    for count in range(1, config.presentations + 1):
        present(weights, patterns[count - 1], learns, config)
        history[count] = weights[..., 0]
        streak = (streak + 1) * correct_answers(weights)[0].all(0)
        for length, first in reached.items():
            first[(streak == length) & (first == np.inf)] = count - length + 1
        if progress and count % 100 == 0:
            progress(count / config.presentations, f"{np.isfinite(reached[1]).mean():.0%} of {len(streak)} nets have found a solution")
    columns = {"found": reached[1], "stable100": reached[100], "stable400": reached[400], "held": streak > 0}
    parts = {key: value.reshape(len(names), config.nets) for key, value in columns.items()}
    return ({name: {key: part[row] for key, part in parts.items()} for row, name in enumerate(names)},
            {"weights": history, "patterns": patterns[:, 0]})


def run(config, progress=None):
    """Train every variant (or `config.variant`). History: per variant the presentations of each net, and the first net's weights over time."""
    data_rng, init_rng = np.random.default_rng(config.seed).spawn(2)
    results, history = train(tuple(VARIANTS) if config.variant == "all" else (config.variant,), config, data_rng, init_rng, progress)
    metrics = {}
    for name, result in results.items():
        prefix, suffix = ("", "_20_nets") if name == "h3" else (name.replace("-", "_") + "_", "")
        for key, label in {"found": "found", "stable100": "stable100" if name == "h3" else "stable", "stable400": "stable400"}.items():
            if key != "stable400" or name == "h3":
                metrics[f"{prefix}{label}_fraction{suffix}"] = float(np.isfinite(result[key]).mean())
            if key == "found" or name == "h3":  # a net that never got there counts with the cap: the mean is then a lower bound
                metrics[f"{prefix}{label}_presentations_mean{suffix}"] = float(np.minimum(result[key], config.presentations).mean())
        if name == "h3":
            metrics["found_per_pattern_mean_20_nets"] = metrics["found_presentations_mean_20_nets"] / 4
            metrics["stable100_per_pattern_mean_20_nets"] = metrics["stable100_presentations_mean_20_nets"] / 4
            metrics["held_at_end_fraction_20_nets"] = float(result["held"].mean())
    return {"metrics": metrics, "history": {"results": results, **history}}


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
