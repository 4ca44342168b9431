# SPDX-License-Identifier: Unlicense
"""`catalog sweep`: seeds x settings of one stub into a tidy CSV, one row a run, on this machine or on a Dask cluster."""
import csv
import dataclasses
import io
import itertools
import time
from typing import get_args, get_origin

from tqdm import tqdm

from catalog.engine import run_here, run_on_cluster
from catalog.record import write_atomically
from catalog.stubs import CatalogError

SAVE_EVERY = 2.0  # seconds: what an interruption can cost beyond the runs in flight


def parse_grid(stub, words):
    """['hidden=4,8', 'lags=5:10,20'] -> {field: [text, ...]}; a tuple's items are joined by colons. Unknown fields are a CatalogError."""
    fields, grid = {field.name: field for field in dataclasses.fields(stub.Config)}, {}
    for word in words:
        name, equals, values = word.partition("=")
        name = name.replace("-", "_")
        if not equals or not values or name not in fields or name == "seed":
            raise CatalogError(f"--grid {word}: not like name=1,2,3 with one of {', '.join(field for field in fields if field != 'seed')}")
        grid[name] = values.split(",")
        if fields[name].type.__origin__ is bool and set(grid[name]) - {"true", "false"}:
            raise CatalogError(f"--grid {word}: {name} is true or false")
    return grid


def flags_of(stub, settings):
    """{field: text} -> command line flags."""
    kinds, flags = {field.name: field.type.__origin__ for field in dataclasses.fields(stub.Config)}, []
    for name, text in settings.items():
        flag = "--" + name.replace("_", "-")
        if kinds[name] is bool:
            flags.append(flag if text == "true" else flag.replace("--", "--no-", 1))
        elif get_origin(kinds[name]) is tuple and get_args(kinds[name]):
            flags += [flag, *text.split(":")]
        else:
            flags.append(f"{flag}={text}")
    return flags


def read_rows(path, columns, source):
    """Rows of an earlier, interrupted sweep into the same file: {(settings, seed): row}, without its failed runs."""
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if any(row.get("source") != source or any(name not in row for name in columns) for row in rows):
        raise CatalogError(f"{path} holds runs of other code or of another grid; give --out another name")
    return {tuple(row[name] for name in columns): row for row in rows if not row["error"]}


def write_rows(path, columns, rows):
    """All rows so far, sorted by settings and seed; metrics that only some settings have are empty in the others."""
    last = ["seconds", "cpu_seconds", "peak_mb", "platform", "source", "error"]
    metrics = dict.fromkeys(name for row in rows for name in row if name not in columns and name not in last)
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, [*columns, *metrics, *last], lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: ([row[name] for name in columns[:-1]], int(row["seed"]))))
    write_atomically(path, sheet.getvalue())


def sweep(stub, seeds, grid, out, jobs=1, scheduler=None, preset=None):
    """Run every combination that `out` does not hold yet -> number of runs that failed (each is a row with its error)."""
    if not out.parent.is_dir() or out.exists() and not out.is_file():
        raise CatalogError(f"--out {out}: not a plain file in an existing folder")
    columns, source = [*grid, "seed"], stub.source_hash()[:12]
    rows, tasks, failed = read_rows(out, columns, source), {}, 0
    for *values, seed in itertools.product(*grid.values(), map(str, seeds)):
        if (*values, seed) not in rows:
            flags = flags_of(stub, dict(zip(grid, values))) + ["--seed", seed] + (["--preset", preset] if preset else [])
            tasks[(*values, seed)] = stub, flags
    saved = time.monotonic()
    with tqdm(total=len(rows) + len(tasks), initial=len(rows), unit="run", disable=None) as bar:
        try:
            for key, outcome in run_on_cluster(tasks, scheduler) if scheduler else run_here(tasks, jobs):
                failed += "error" in outcome
                where = outcome["platform"]
                rows[key] = {**dict(zip(columns, key)), **{name: "" if value is None else value for name, value in outcome.get("metrics", {}).items()},
                             **{name: outcome.get(name, "") for name in ("seconds", "cpu_seconds", "peak_mb", "error")}, "source": source,
                             "platform": " ".join(where.get(name, "") for name in ("system", "machine", "numpy", "blas"))}
                bar.update()
                if time.monotonic() - saved > SAVE_EVERY:
                    write_rows(out, columns, rows.values())
                    saved = time.monotonic()
        finally:
            if rows:
                write_rows(out, columns, rows.values())
    return failed


def plot(path, metric, image):
    """The metric against the first swept setting (one line per combination of the others, median and quartiles over seeds) or its histogram."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    with open(path, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row["error"]]
    if not rows or metric not in rows[0]:
        raise CatalogError(f"{path}: no runs with a metric '{metric}'")
    settings = list(rows[0])[:list(rows[0]).index("seed")]
    values = {}
    for row in rows:
        if row[metric]:
            values.setdefault(tuple(row[name] for name in settings), []).append(float(row[metric]))
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    if not settings:
        axis.hist(values.get((), []), bins=20)
        axis.set(xlabel=metric, ylabel="seeds")
    else:
        ticks = list(dict.fromkeys(row[settings[0]] for row in rows))
        for rest in dict.fromkeys(key[1:] for key in values):
            places = [place for place, tick in enumerate(ticks) if (tick, *rest) in values]
            low, middle, high = np.transpose([np.quantile(values[(ticks[place], *rest)], (0.25, 0.5, 0.75)) for place in places])
            label = ", ".join(f"{name} = {value}" for name, value in zip(settings[1:], rest))
            axis.errorbar(places, middle, (middle - low, high - middle), marker="o", capsize=3, label=label or "median and quartiles over seeds")
        axis.set(xticks=range(len(ticks)), xticklabels=ticks, xlabel=settings[0], ylabel=metric)
        axis.legend(frameon=False)
    figure.savefig(image, dpi=100, metadata={"Software": None})
    plt.close(figure)
