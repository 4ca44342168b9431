# SPDX-License-Identifier: Unlicense
"""nbb-moving-light: the neural bucket brigade learns to tell which way a light moved.

Two output units that feed back on each other must remember where a moving light came from, because the last cell they see says nothing. The
rule is local in space and time: connections that fire pay those that set them up one tick earlier, and only a right output brings
new weight into the net. Learning is never switched off, and whether a solution survives that depends on the order of presentations.

Paper: J. Schmidhuber (1989). A local learning algorithm for dynamic feedforward and recurrent networks. Connection Science 1(4):403-412.

    python3 nbb-moving-light/nbb_moving_light.py --seed 0
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
    contrasts: Annotated[bool, "also train the contrasts and the further tasks (CONTRASTS)"] = True
    nets: Annotated[int, "independent nets", 1, 10_000] = 30
    presentations: Annotated[int, "sweeps shown to each net", 1, 1_000_000] = 2000
    cells: Annotated[int, "retina cells, one tick each", 3, 100] = 5
    blank_ticks: Annotated[int, "ticks after the sweep with no cell lit", 0, 100] = 0
    see_last: Annotated[bool, "one tick more, so that the outputs still react to what was shown last"] = False
    order: Annotated[Literal["random", "pairs", "alternate"],
                     "random: a coin for each sweep; pairs: both directions in random order; alternate: one after the other"] = "random"
    recurrence: Annotated[bool, "the outputs are wired to each other and to themselves"] = True
    backward: Annotated[bool, "what a unit is paid goes on to those that set it up: the bucket brigade itself"] = True
    payment: Annotated[float, "lambda, the part of its contribution that a connection pays when its unit fires", 0, 1] = 0.005
    payoff: Annotated[float, "eta, the part of its contribution that a connection into the correct output gains", 0, 1] = 0.005
    payoff_at: Annotated[Literal["every-tick", "end"], "when a correct output is paid"] = "every-tick"
    spread: Annotated[float, "initial weights are uniform in 1 +- spread", 0, 1] = 0.001


PRESETS = {"smoke": {"nets": 4, "presentations": 150}, "paper": {"nets": 10, "presentations": 10_000}}
HEADLINE = {
    "stable100_fraction_30_nets": (">=", 1.0, "9 of 10 runs successful"),
    "found_cycles_per_sequence_mean": ("<=", 60, "223 cycles per sequence"),
    "no_recurrence_found_fraction": ("<=", 0.0, "outputs wired to themselves 'in order to allow recurrency'"),
}
ROBUST = (9, 10, {"stable100_fraction_30_nets": (">=", 1.0)})
PAPER = {"stable100_fraction_30_nets": (">=", 0.9), "found_cycles_per_sequence_mean": ("<=", 223)}
MOVEMENT = {"phases": {"contribute": "forward", "winners": "forward", "pay": "update", "frozen_test": "evaluation", "read_sweeps": "data"},
            "step": "present", "algorithms": {"train": "bucket brigade"}, "examples": ("nets",),
            "criterion": {"bucket brigade": ("found_presentations_mean", "steps")}}

# What differs from the configured run; nets of the same number have the same initial weights and see the same coins.
END_PAYOFF = {"payoff_at": "end", "payoff": 0.01}
CONTRASTS = {
    "pairs": {"order": "pairs"},
    "no_recurrence": {"recurrence": False},
    "no_backward": {"backward": False},
    "no_learning": {"payment": 0.0, "payoff": 0.0},
    "see_last": {"see_last": True},
    "cells8": {"cells": 8}, "cells10": {"cells": 10}, "cells15": {"cells": 15},
    "cells10_slow": {"cells": 10, "payment": 0.0025, "payoff": 0.0025}, "cells15_slow": {"cells": 15, "payment": 0.001, "payoff": 0.001},
    "blank1": {"blank_ticks": 1, "see_last": True}, "blank3": {"blank_ticks": 3, "see_last": True},
    "end_payoff": {**END_PAYOFF},
    "end_payoff_no_recurrence": {**END_PAYOFF, "recurrence": False},
    "end_payoff_see_last": {**END_PAYOFF, "see_last": True},
    "end_payoff_cells15": {**END_PAYOFF, "cells": 15},
}

# --- problem ---
# Sources of connections: a unit that is always on, the two outputs of the previous tick, the retina. Targets: output 0 should be on after the
# light went from left to right (direction 0), output 1 after right to left.
ALWAYS_ON, OUTPUTS, FIRST_CELL = 0, slice(1, 3), 3


def read_sweeps(config, start=0, stop=0):
    """The inputs that the outputs react to, tick by tick -> (reads, sources, 2 directions), zero for the rows of the outputs.

    An output at tick t reads the retina of t - 1, so of n ticks the last one is never read (unless `see_last` adds a tick). `start` cells are
    left out at the beginning of the sweep and `stop` cells at its end.
    """
    cells = [range(config.cells), range(config.cells)[::-1]]
    reads = config.cells - start - stop + config.blank_ticks - (not config.see_last)
    inputs = np.zeros((reads, FIRST_CELL + config.cells, 2))
    inputs[:, ALWAYS_ON] = 1
    for direction, path in enumerate(cells):
        lit = path[start:config.cells - stop][:reads]
        inputs[range(len(lit)), [FIRST_CELL + cell for cell in lit], direction] = 1
    return inputs


def presentation_order(order, coins):
    """Directions (presentations, nets) from fair coins of the same shape."""
    directions = coins.copy()
    if order == "alternate":
        directions[:] = (np.arange(len(coins)) % 2)[:, None]
    if order == "pairs":  # the second of a pair is the other direction
        directions[1::2] = 1 - directions[:-1:2]
    return directions


# --- model ---
def winners(net):
    """1 for the output with the larger net input if that is positive, 0 for the other; the first of equals. net (..., 2, nets)."""
    fires = np.empty_like(net)
    first, second = net[..., 0, :], net[..., 1, :]
    fires[..., 0, :] = (first >= second) & (first > 0)
    fires[..., 1, :] = (second > first) & (second > 0)
    return fires


def contribute(weights, active):
    """c_ij(t) = x_i(t-1) w_ij(t-1) and the net inputs; active (sources, nets) -> contributions (sources, 2, nets), net (2, nets)."""
    contributions = active[:, None] * weights
    return contributions, contributions.sum(0)


# --- learning ---
def pay(weights, contributions, net, fires, shares, payoff, config):
    """The rule of the paper's section on the discrete-time algorithm, for all connections at once; changes `weights` in place.

        dw_ij(t) = - lambda c_ij(t) x_j(t)                                                    what fires pays
                   + [c_ij(t-1) x_j(t-1) / sum_h c_hj(t-1)] sum_k lambda c_jk(t) x_k(t)       to those that set it up one tick ago
                   + eta c_ij(t) [j is correct and on]                                        and substance enters only here

    i runs over inputs and outputs alike, j and k over the outputs: an output is paid by its successor, which may be itself, and passes that on
    to all that contributed when it won. `shares` (sources, 2, nets) is the bracket, `payoff` (2, nets) is eta for the output that should be on,
    0 for the other. Returns the shares for the next tick.
    """
    income = config.payment * (contributions[OUTPUTS] * fires).sum(1)
    weights += contributions * (fires * (payoff - config.payment))
    if config.backward:
        weights += shares * income
    return contributions * (fires / np.maximum(net, 1e-300))


def present(weights, inputs, payoff, config):
    """One cycle: reset, show each net its sweep, learn at every tick; inputs (reads, sources, nets), payoff (2, nets)."""
    shares, fires = np.zeros_like(weights), np.zeros(payoff.shape)
    for tick, active in enumerate(inputs, 1):
        active[OUTPUTS] = fires
        contributions, net = contribute(weights, active)
        fires = winners(net)
        due = payoff if config.payoff_at == "every-tick" or tick == len(inputs) else 0.0
        shares = pay(weights, contributions, net, fires, shares, due, config)


def train(config, start, coins, progress=None, chunk=250):
    """Train nets side by side from the weights `start` (sources, 2, nets); learning stays on to the end, solved or not.

    Returns `solved` (presentations, nets), whether the frozen test was passed after each presentation; `final` (sources, 2, nets); and the
    `weights` (presentations + 1, sources, 2) and `directions` of the first net.
    """
    sweeps, directions = read_sweeps(config), presentation_order(config.order, coins)
    weights = start.copy()
    weights[OUTPUTS] *= config.recurrence  # a weight of 0 contributes nothing and stays 0
    solved, first_net = [], [weights[None, ..., 0].copy()]
    for begin in range(0, config.presentations, chunk):
        log = np.empty((min(chunk, config.presentations - begin), *weights.shape))
        for row, direction in zip(log, directions[begin:]):
            payoff = config.payoff * (np.arange(2)[:, None] == direction)
            present(weights, sweeps[:, :, direction], payoff, config)
            row[:] = weights
        solved.append(frozen_test(log, sweeps)[0].all(-2))
        first_net.append(log[..., 0])
        if progress:
            progress(begin / config.presentations, f"{solved[-1][-1].mean():.0%} of {config.nets} nets pass the test")
    return {"solved": np.concatenate(solved), "final": weights, "weights": np.concatenate(first_net), "directions": directions[:, 0]}


# --- evaluation ---
def frozen_test(weights, sweeps):
    """The answers at the last tick with weight changes off, all units reset before each sweep.

    weights (..., sources, 2, nets), sweeps (reads, sources, 2 directions) -> right: boolean (..., 2 directions, nets); margins of the same
    shape: the net input of the right output minus that of the wrong one.
    """
    fires = np.zeros((*weights.shape[:-3], 2, 2, weights.shape[-1]))  # direction, output, net
    for inputs in sweeps:
        net = np.einsum("sd,...sjn->...djn", inputs, weights) + np.einsum("...dkn,...kjn->...djn", fires, weights[..., OUTPUTS, :, :])
        fires = winners(net)
    right = np.stack([fires[..., 0, 0, :], fires[..., 1, 1, :]], -2) > 0
    advantage = net[..., 0, :] - net[..., 1, :]
    return right, advantage * np.array([[1], [-1]])


def first_streak(solved, length):
    """Presentations before the first `length` successes in a row began, counting that first one; solved (presentations, nets), inf: never."""
    total = np.concatenate([np.zeros((1, solved.shape[1]), int), np.cumsum(solved, 0)])
    full = total[length:] - total[:-length] == length if length <= len(solved) else np.zeros((1, solved.shape[1]), bool)
    return np.where(full.any(0), full.argmax(0) + 1.0, np.inf)


def run(config, progress=None):
    """Train the configured nets, then those of CONTRASTS. History: per task what `train` returns, and the Config of each task."""
    data_rng, init_rng = np.random.default_rng(config.seed).spawn(2)
    tasks = {"main": config, **{name: dataclasses.replace(config, **change) for name, change in CONTRASTS.items() if config.contrasts}}
    sources = FIRST_CELL + max(task.cells for task in tasks.values())
    start = init_rng.uniform(1 - config.spread, 1 + config.spread, (sources, 2, config.nets))
    coins = data_rng.integers(2, size=(config.presentations, config.nets))
    outcomes, metrics = {}, {}
    for number, (name, task) in enumerate(tasks.items()):
        outcomes[name] = outcome = train(task, start[:FIRST_CELL + task.cells], coins)
        found, *stable = (first_streak(outcome["solved"], length) for length in (1, 10, 100, 200))
        outcome.update(found=found, stable10=stable[0], stable100=stable[1], stable200=stable[2])
        if progress:
            progress((number + 1) / len(tasks), f"{name}: {np.isfinite(found).mean():.0%} of {config.nets} nets have found a solution")
        metrics.update(summary(name, outcome, config))
    final = outcomes["main"]["final"]
    metrics["late_start_right_fraction"] = float(frozen_test(final, read_sweeps(config, start=1))[0].mean())
    metrics["early_stop_right_fraction"] = float(frozen_test(final, read_sweeps(config, stop=1))[0].mean())
    return {"metrics": metrics, "history": {"outcomes": outcomes, "tasks": tasks}}


def summary(name, outcome, config):
    """The metrics of one task. A net that never got there counts with the cap: the mean is then a lower bound."""
    fraction = {key: float(np.isfinite(outcome[key]).mean()) for key in ("found", "stable10", "stable100", "stable200")}
    mean = {key: float(np.minimum(outcome[key], config.presentations).mean()) for key in fraction}
    held = float(outcome["solved"][-1].mean())
    if name == "main":
        return {"found_fraction_30_nets": fraction["found"], "stable100_fraction_30_nets": fraction["stable100"],
                "found_presentations_mean": mean["found"], "found_cycles_per_sequence_mean": mean["found"] / 2,
                "stable100_presentations_mean": mean["stable100"], "held_at_end_fraction": held}
    if name.startswith("end_payoff") and "cells" not in name:
        return {f"{name}_stable200_fraction": fraction["stable200"], f"{name}_stable200_presentations_mean": mean["stable200"]}
    shown = {f"{name}_found_fraction": fraction["found"], f"{name}_stable100_fraction": fraction["stable100"]}
    if name == "pairs":
        shown.update(pairs_found_presentations_mean=mean["found"], pairs_stable10_fraction=fraction["stable10"], pairs_held_at_end_fraction=held)
    return shown


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
