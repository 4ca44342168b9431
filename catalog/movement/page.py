# SPDX-License-Identifier: Unlicense
"""MOVEMENT.md and the column of RESULTS.md, from the records."""
import json

from catalog.movement.report import PHASES, VERSION, shares, shown, steps_to_criterion
from catalog.stubs import ROOT

COMPARISONS = ROOT / "families" / "movement.json"  # written by families/draw_movement.py

INTRODUCTION = """How much data does each learning algorithm move? Every stub's ordinary numpy code is run under a tracer that counts in the ByteDMD metric: memory is one list of
values ordered by last access, a read of the value at depth d costs ceil(sqrt(d)), a store is free, and a value leaves the list with its last read. Computing is free. Costs here
are in the unit `elements` (every number is one position); compare only rows of one unit.

    python -m catalog movement <stub> [--phase] [--steps 3] [--full] [--sweep T=20,40,80] [--set name=value] [--unit bytes] [--moves read] [--preset smoke]

measures a row and keeps it in the stub's `results.json`. A **window** prices a few training steps of each algorithm: the first warms up, and the step behind the last priced one is
traced as a look-ahead; what is alive then counts as alive. A row marked *exact* is a whole run. The cost of a **step** leaves evaluation out; +- is the standard error over the
priced steps. The cost **to the criterion** is the cost per step times the steps that the stub's record needed to meet its criterion; for a comparison of learners it is the column
to look at, since a cheap step that does not learn is cheap for nothing. **Wire** is cost per read, the mean distance. *90 %* is the depth (a power of two) within which nine of
ten reads lie: a memory of that size would serve them. *Alive* is the largest number of values alive. Algorithms that train several nets side by side count all of them in a step."""

DIFFERENCES = """Array code is counted as the loop of scalar instructions that numpy runs for object arrays. It differs from hand-written scalar code, deliberately, as follows.

1. *Array at a time.* `a * x + b` writes all products before it reads the first. For 64 elements it costs 2,340, as arrays and as two scalar loops; one fused scalar loop costs 1,981.
2. *Folds start with the first term.* Python's `sum()` starts with 0 and reads once more.
3. *Choosing is an instruction.* maximum, minimum, clip, where, sign and argmax read their operands and store a result, so that a program without data-dependent control flow costs the same
   whatever its numbers are.
4. *Comparisons stay in the trace.* A mask or an index array that selects is read once per element.
5. *tanh, exp, sqrt, log* are instructions like any other.
6. *Array elements are always memory*: zeros, constants and random arrays are stored when created, for nothing. Python numbers are immediates, also those drawn from a generator. Cells of `np.empty` are stored when
   they are assigned.
7. *einsum* loops over the output labels, then over the summed ones by first appearance: it costs what the same matrix product costs. *sort* makes the comparisons of Python's `sorted`, each a compare
   and a test.
8. *Reversed axes are walked forwards*, also where numpy would walk an in-place update backwards.
9. *Moves are free*: copies, slices, transpositions, stacking and gathering move names (`--moves read` charges copies one read per element). A change of dtype is a read per element, in `astype`
   and in assignment.
10. *Linear solvers* are priced as textbook recipes (pivoted elimination, normal equations, modified Gram-Schmidt). *Opaque* functions (svd, eigh, fft, ...) read every input once and store every output, a
    lower bound; rows name them."""


def measurements(stub):
    """[(key, summary)] of a stub's whole runs and windows, the default settings first."""
    kept = stub.record().get("movement", {})
    chosen = [(key, summary) for key, summary in kept.items() if "rows" not in summary and summary["definition"] == f"bytedmd/elements/{VERSION}"]
    return sorted(chosen, key=lambda pair: (pair[0] != "default", pair[0]))


def criterion_cost(stub, summary, label):
    """Cost until the stub's criterion is met, or None. A preset's steps are not those that the default run needs."""
    row = summary["algorithms"][label]
    if summary.get("preset"):
        return None
    metrics = stub.record().get("seeds", {}).get("0", {}).get("metrics", {})
    steps = steps_to_criterion(stub, label, row, metrics) if "cost_per_step" in row else None
    return None if steps is None else row["cost_per_step"] * steps


def column(stub):
    """What RESULTS.md says of a stub: the cost to its criterion, or else the cost per step, of the first algorithm measured."""
    for _, summary in measurements(stub):
        if summary.get("outside_numpy"):
            return "outside numpy"
        rows = {label: row for label, row in summary["algorithms"].items() if "cost_per_step" in row}
        for label in rows:
            if (cost := criterion_cost(stub, summary, label)) is not None:
                return shown(cost)
        if rows:
            return f"{shown(next(iter(rows.values()))['cost_per_step'])} a step" + (f" ({summary['preset']})" if summary.get("preset") else "")
    return "-"


def table_rows(stub):
    for key, summary in measurements(stub):
        notes = ["measured under other code"] if summary["source"] != stub.source_hash() else []
        notes += [f"opaque: {', '.join(summary['opaque'])}"] if summary.get("opaque") else []
        if summary.get("outside_numpy"):
            yield [f"[{stub.slug}](./{stub.slug}/)", key, "-", "computes outside numpy", *["-"] * 7, "; ".join(notes)]
        for label, row in summary["algorithms"].items():
            if "cost_per_step" not in row:
                continue
            error = row.get("standard_error")
            exact = "exact" if row["exact"] else f"window, +- {100 * error / row['cost_per_step']:.2g} %" if error is not None else "window"
            yield [f"[{stub.slug}](./{stub.slug}/)", key, label, shown(row["cost_per_step"]), shown(row.get("cost_per_example")), shown(criterion_cost(stub, summary, label)),
                   f"{row['mean_wire']:.1f}", " / ".join(share.replace(" %", "") for share in shares(row)), f"{row['depth_90']:,}", shown(row["peak_live"]), f"{row['steps']:,}",
                   "; ".join([exact, *notes])]


def page(stubs, table, generated):
    """MOVEMENT.md; `table(*rows)` and the line `generated` are those of the other pages."""
    rows = [row for stub in stubs for row in table_rows(stub)]
    head = ["stub", "settings", "algorithm", "cost per step", "per example", "to criterion", "wire", f"share in %: {' / '.join(PHASES)}", "90 %", "alive", "steps", "how"]
    parts = ["# Data movement", generated, INTRODUCTION, table(head, *rows) if rows else "Nothing measured yet."]
    pictures = sorted((ROOT / "families").glob("movement_family_*.png"))
    if pictures:
        parts += ["## Cost to the criterion", "What it cost each algorithm to meet its stub's criterion, by family."]
        parts += [f"![cost to criterion: {path.stem[16:]}](families/{path.name})" for path in pictures]
    sweeps = [(stub, key, summary) for stub in stubs for key, summary in stub.record().get("movement", {}).items() if "rows" in summary]
    if sweeps:
        parts += ["## Growth", table(["stub", "sweep", "algorithm", "cost per step", "exponent"], *(
            [f"[{stub.slug}](./{stub.slug}/)", key[6:], label, ", ".join(f"{value}: {shown(cost)}" for value, cost, _ in found["points"]),
             "-" if found["exponent"] is None else f"{found['exponent']:.2f}"] for stub, key, summary in sweeps for label, found in summary["rows"].items()))]
    if COMPARISONS.exists():
        parts.append("## Comparisons")
        for name, section in json.loads(COMPARISONS.read_text(encoding="utf-8")).items():
            parts += [f"### {section['title']}", section["text"], table(*section["table"]), f"![{section['title']}](families/movement_{name}.png)",
                      f"`python3 families/draw_movement.py {name}` measures and draws it."]
    return "\n\n".join([*parts, "## What is counted", DIFFERENCES]) + "\n"
