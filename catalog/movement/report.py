# SPDX-License-Identifier: Unlicense
"""`catalog movement`: measure stubs, keep the numbers in results.json, say them in MOVEMENT.md."""
import dataclasses
import json
import math
import time
from typing import Literal, get_args, get_origin

import numpy as np
from filelock import FileLock

from catalog.movement.attach import Tracer
from catalog.movement.depth import Tally
from catalog.movement.values import Untraceable
from catalog.record import current, write_atomically
from catalog.stubs import CatalogError

VERSION = 1
OUTSIDE = 1e4  # a run that makes fewer reads per second of its plain time computes outside numpy
PHASES = ("forward", "backward", "update", "evaluation", "data", "other")


# --- measuring ---
def parse_setting(stub, word):
    """'name=value' -> (field, value) by the field's type; the items of a tuple are joined by colons."""
    fields = {field.name: field for field in dataclasses.fields(stub.Config)}
    name, equals, text = word.partition("=")
    name = name.replace("-", "_")
    if name not in fields or not equals:
        raise CatalogError(f"'{word}': not like name=value with one of {', '.join(fields)}")
    kind = fields[name].type.__origin__
    try:
        if kind is bool:
            return name, {"true": True, "false": False}[text]
        if get_origin(kind) is tuple:
            return name, tuple(get_args(kind)[0](part) for part in text.split(":"))
        return name, text if get_origin(kind) is Literal else kind(text)
    except (KeyError, ValueError):
        raise CatalogError(f"'{word}': not a value of {name}") from None


def configure(stub, preset, settings):
    """Config of a preset with settings on top; bad values are one line."""
    if preset and preset not in stub.PRESETS:
        raise CatalogError(f"{stub.slug} has no preset '{preset}' (it has {', '.join(stub.PRESETS)})")
    try:
        config = stub.Config(**{**stub.PRESETS.get(preset, {}), **settings})
        stub.module.check_fields(config)
    except ValueError as error:
        raise CatalogError(f"{stub.slug}: {error}") from None
    return config


def measure(stub, config, steps=3, unit="elements", moves="free", limit=2e8):
    """Trace one run -> {"unit", "window", "algorithms": {label: row}, ...} as results.json keeps it; steps None: the whole run."""
    try:
        tracer = Tracer(stub, config, None if steps is None else max(2, steps), moves, limit).run()
    except Untraceable as error:
        raise CatalogError(f"{stub.slug}: {error}") from None
    summary = {"definition": f"bytedmd/{unit}/{VERSION}", "source": stub.source_hash(), "moves": moves, "reads": tracer.log.reads,
               "window": None if steps is None else {"warm_up": 1, "priced": max(2, steps) - 1, "look_ahead": 1, "pinned": True}}
    if tracer.opaque:
        summary["opaque"] = tracer.opaque
    if tracer.stopped:
        summary["stopped_after_reads"] = tracer.log.reads
    if tracer.log.reads < 1e6:
        start = time.perf_counter()
        stub.module.run(config)
        seconds = time.perf_counter() - start
        if tracer.log.reads < OUTSIDE * seconds:
            return {**summary, "outside_numpy": True, "algorithms": {}}
    tallies = tracer.tallies(unit)
    summary["algorithms"] = {label or "all": row for label in dict.fromkeys(key[0] for key in tallies)
                             if (row := algorithm_row(label, tallies, tracer, examples_per_step(stub, config, label)))}
    return summary


def examples_per_step(stub, config, label):
    """MOVEMENT["examples"]: a number, or the names of Config fields to be multiplied; or {algorithm: one of these}."""
    examples = stub.MOVEMENT.get("examples")
    examples = examples.get(label) if isinstance(examples, dict) else examples
    return math.prod(getattr(config, name) for name in examples) if isinstance(examples, (tuple, list)) else examples


def cost_of(tally):
    return int(tally.cost.sum())


def reads_of(tally):
    return int(tally.reads.sum())


def algorithm_row(label, tallies, tracer, examples):
    """What one algorithm moves. Cost per step leaves evaluation out; shares are of all that was priced."""
    own = {key[1:]: tally for key, tally in tallies.items() if key[0] == label}
    whole = sum(own.values(), Tally())
    steps = tracer.steps.get(label, 0)
    training = {step: sum((tally for (phase, s), tally in own.items() if s == step and phase != "evaluation"), Tally()) for _, step in own}
    row = {"steps": steps, "cost": cost_of(whole), "reads": reads_of(whole), "mean_wire": round(cost_of(whole) / max(1, reads_of(whole)), 3),
           "peak_live": whole.peak, "depth_90": depth_share(whole, 0.9),
           "phases": {phase: {"cost": cost_of(tally), "reads": reads_of(tally)} for phase in PHASES
                      if reads_of(tally := sum((t for (p, _), t in own.items() if p == phase), Tally()))},
           "histogram": [[octave, int(whole.reads[octave]), int(whole.cost[octave])] for octave in np.flatnonzero(whole.reads).tolist()],
           "exact": tracer.window is None and not tracer.stopped}
    if tracer.window is None:
        total = sum(map(cost_of, training.values()))
        if steps and not tracer.stopped:
            row |= {"cost_per_step": round(total / steps), "reads_per_step": round(sum(map(reads_of, training.values())) / steps), "training_total": total}
    else:
        whole_steps = tracer.traced.get(label, 0) - (tracer.stopped and tracer.traced.get(label, 0) <= tracer.window)  # none without its look-ahead
        priced = [training[step] for step in range(2, min(tracer.window, whole_steps) + 1) if step in training]
        if not priced:  # a label without a complete step: set-up
            return row if label else None
        costs = np.array([cost_of(tally) for tally in priced], float)
        mean = costs.mean()
        error = costs.std(ddof=1) / math.sqrt(len(costs)) if len(costs) > 1 else 0.0
        first = cost_of(training.get(1, Tally()))
        row |= {"cost_per_step": round(mean), "reads_per_step": round(np.mean([reads_of(tally) for tally in priced])), "standard_error": round(error),
                "first_step": first, "training_total": round(first + (steps - 1) * mean)}
        last = min(tracer.window, whole_steps)
        window = sum((tally for (_, step), tally in own.items() if 2 <= step <= last), Tally())
        row["phases"] = {phase: {"cost": cost_of(tally), "reads": reads_of(tally)} for phase in PHASES
                         if reads_of(tally := sum((t for (p, step), t in own.items() if p == phase and 2 <= step <= last), Tally()))}
        row |= {"mean_wire": round(cost_of(window) / max(1, reads_of(window)), 3), "depth_90": depth_share(window, 0.9), "peak_live": window.peak,
                "histogram": [[octave, int(window.reads[octave]), int(window.cost[octave])] for octave in np.flatnonzero(window.reads).tolist()]}
    if examples and "cost_per_step" in row:
        row["cost_per_example"] = round(row["cost_per_step"] / examples, 1)
        row["examples_per_step"] = examples
    return row


def depth_share(tally, share):
    """The smallest power of two within which `share` of the reads lie."""
    total = np.cumsum(tally.reads)
    return int(2 ** int(np.searchsorted(total, share * total[-1]))) if total[-1] else 0


def steps_to_criterion(stub, label, row, metrics):
    """Steps until an algorithm meets its stub's criterion, from the recorded metrics; None where nothing says so."""
    if label not in stub.MOVEMENT.get("criterion", {}):
        return None
    metric, counted_in = stub.MOVEMENT["criterion"][label]
    value = metrics.get(metric)
    if value is None:
        return None
    return value / row["examples_per_step"] if counted_in == "examples" else value


def keep(stub, key, summary):
    """Put a measurement into results.json under "movement"."""
    with FileLock(stub.folder / ".results.lock"):
        record = stub.record() or current(stub)
        record.setdefault("movement", {})[key] = summary
        write_atomically(stub.folder / "results.json", json.dumps(record, indent=1) + "\n")


# --- the command ---
def shown(number):
    """Three digits and a unit: 14.1 M."""
    if number is None:
        return "-"
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number:.4g}"


def shares(row):
    total = sum(part["cost"] for part in row["phases"].values()) or 1
    return [f"{100 * row['phases'][phase]['cost'] / total:.0f} %" if phase in row["phases"] else "-" for phase in PHASES]


def lines(stub, key, summary):
    """The measurement as text."""
    if summary.get("outside_numpy"):
        return [f"{stub.slug} ({key}): computes outside numpy ({summary['reads']:,} reads); trace(function, arguments) measures a kernel with numbers in lists"]
    out = [f"{stub.slug} ({key}): {summary['reads']:,} reads traced, {'whole run' if summary['window'] is None else 'window'}"
           + (f", stopped after {summary['stopped_after_reads']:,}" if "stopped_after_reads" in summary else "")
           + (f", opaque: {summary['opaque']}" if "opaque" in summary else "")]
    for label, row in summary["algorithms"].items():
        error = f" +- {shown(row['standard_error'])}" if row.get("standard_error") else ""
        out.append(f"  {label}: {shown(row.get('cost_per_step'))}{error} per step, {row['steps']} steps, training {shown(row.get('training_total'))}, wire "
                   f"{row['mean_wire']:.4g}, 90 % within {row['depth_90']}, peak alive {shown(row['peak_live'])}; "
                   + ", ".join(f"{phase} {share}" for phase, share in zip(PHASES, shares(row)) if share != "-"))
    return out


def command(stub, arguments):
    """`catalog movement`: measure, print, keep; yields lines."""
    settings = dict(parse_setting(stub, word) for word in arguments.set)
    how = {"steps": None if arguments.full else arguments.steps, "moves": arguments.moves, "limit": arguments.max_reads}
    units = ("elements", "bytes") if arguments.unit == "both" else (arguments.unit,)
    if arguments.sweep:
        yield from sweep(stub, arguments, settings, how, units[0])
        return
    config = configure(stub, arguments.preset, settings)
    for unit in units:
        key = " ".join([arguments.preset or "default", *arguments.set, *(["bytes"] if unit == "bytes" else []), *(["moves=read"] if arguments.moves == "read" else [])])
        summary = measure(stub, config, unit=unit, **how)
        if not arguments.dry:
            keep(stub, key, {"settings": arguments.set, "preset": arguments.preset, **summary})
        yield from lines(stub, key, summary)
        if arguments.phase:
            for label, row in summary["algorithms"].items():
                for phase, part in row["phases"].items():
                    yield f"    {label}, {phase}: cost {part['cost']:,}, reads {part['reads']:,}, wire {part['cost'] / part['reads']:.2f}"


def sweep(stub, arguments, settings, how, unit):
    """--sweep NAME=A,B,C: a row per value and the exponent of the cost per step in it, by least squares of logarithms."""
    name, _, texts = arguments.sweep.partition("=")
    if not texts:
        raise CatalogError(f"--sweep {arguments.sweep}: not like T=10,20,40")
    table = {}
    for text in texts.split(","):
        field, value = parse_setting(stub, f"{name}={text}")
        summary = measure(stub, configure(stub, arguments.preset, {**settings, field: value}), unit=unit, **how)
        for label, row in summary["algorithms"].items():
            if "cost_per_step" in row:
                table.setdefault(label, []).append((value, row["cost_per_step"], row["mean_wire"]))
    rows = {}
    for label, points in table.items():
        values, costs, _ = zip(*points)
        slope = float(np.polyfit(np.log(values), np.log(costs), 1)[0]) if len(points) > 1 and min(values) > 0 else None
        rows[label] = {"points": points, "exponent": slope}
        yield f"{label}: " + ", ".join(f"{name}={value}: {shown(cost)}" for value, cost, _ in points) + (f"; exponent {slope:.3f}" if slope is not None else "")
    if not arguments.dry:
        keep(stub, f"sweep {arguments.sweep}" + "".join(f" {word}" for word in arguments.set), {"definition": f"bytedmd/{unit}/{VERSION}", "sweep": arguments.sweep,
                                                                                                 "settings": arguments.set, "rows": rows, "source": stub.source_hash()})
