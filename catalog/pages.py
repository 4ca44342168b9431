# SPDX-License-Identifier: Unlicense
"""`catalog pages`: every page that shows a number, written from the records. The numbers stand nowhere else."""
import csv
import io
import math
import re

from catalog.movement import page as movement
from catalog.record import write_atomically
from catalog.statistics import bootstrap_mean, wilson
from catalog.stubs import ERAS, ROOT, CatalogError, discover, holds

GENERATED = "<!-- Written by `python -m catalog pages` from the results.json files. Do not edit. -->"


# --- what a record says ---
def verdict(stub, record):
    """yes: the paper's criterion, the headline at seed 0 and the robustness criterion hold; partial: the claim holds at seed 0; else no."""
    metrics = record.get("seeds", {}).get("0", {}).get("metrics")
    if metrics is None:
        return "not recorded"
    need, _, _ = stub.ROBUST
    if holds(metrics, stub.HEADLINE) and holds(metrics, stub.PAPER) and robust(stub, record)[0] >= need:
        return "yes"
    claim = next(iter(stub.HEADLINE))
    return "partial" if holds(metrics, {claim: stub.HEADLINE[claim]}) else "no"


def robust(stub, record):
    """(seeds that held, seeds recorded) among the seeds 1..n of the robustness criterion."""
    _, count, bars = stub.ROBUST
    runs = [record.get("seeds", {}).get(str(seed)) for seed in range(1, count + 1)]
    return sum(holds(run.get("metrics", {}), bars) for run in runs if run), sum(run is not None for run in runs)


def over_seeds(record, metric):
    """Values of one metric over all recorded seeds but 0 (recipes may have been tuned on seed 0); None: not reached or crashed."""
    return [run.get("metrics", {}).get(metric) for seed, run in record.get("seeds", {}).items() if seed != "0"]


# --- how numbers look ---
def shown(value):
    if value is None:
        return "not reached"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def shown_mean(values):
    """mean [bootstrap interval] over the seeds that got there."""
    reached = [value for value in values if value is not None]
    if not reached:
        return "-" if not values else f"reached by 0 of {len(values)}"
    low, high = bootstrap_mean(reached)
    mean = shown(math.fsum(reached) / len(reached))
    note = "" if len(reached) == len(values) else f", {len(reached)} of {len(values)}"
    return f"{mean} [{shown(low)}, {shown(high)}]{note}" if len(set(reached)) > 1 else f"{mean}{note}"


def shown_range(values):
    reached = [value for value in values if value is not None]
    return f"{shown(min(reached))} .. {shown(max(reached))}" if reached else "-"


def shown_robust(stub, record):
    held, count = robust(stub, record)
    low, high = wilson(held, count)
    return f"{held} of {count} [{low:.2f}, {high:.2f}]" if count else "-"


def shown_seconds(record):
    """CPU seconds of seed 0: wall seconds on a machine that does nothing else, and nearly so on a busy one."""
    seconds = record.get("seeds", {}).get("0", {}).get("cpu_seconds")
    return "-" if seconds is None else f"{seconds:.1f}"


def table(*rows):
    head, *body = ([str(cell).replace("|", "/") for cell in row] for row in rows)
    return "\n".join(["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)])


def metric_table(stub, record):
    """One row per metric, the bars first: seed 0, bar, the paper's value, mean and range over the other seeds."""
    metrics = record["seeds"].get("0", {}).get("metrics", {})
    names = [*stub.HEADLINE, *(name for name in metrics if name not in stub.HEADLINE)]
    rows = []
    for name in names:
        op, bar, paper = stub.HEADLINE.get(name, ("", None, ""))
        values = over_seeds(record, name)
        rows.append([f"`{name}`", shown(metrics[name]) if name in metrics else "not measured", f"{op} {shown(bar)}" if op else "", paper,
                     shown_mean(values), shown_range(values)])
    return table(["metric", "seed 0", "bar", "paper", "other seeds: mean [95 %]", "range"], *rows)


def preset_tables(stub, record):
    parts = []
    for preset, runs in record.get("presets", {}).items():
        names = list(dict.fromkeys(name for run in runs.values() for name in run.get("metrics", {})))
        old = " (some measured before the last change of the code)" if any(run["source"] != record["source"] for run in runs.values()) else ""
        seconds = runs.get("0", {}).get("cpu_seconds")
        took = f", {seconds:.0f} s" if seconds is not None else ""
        rows = [[f"`{name}`", *(shown(run["metrics"][name]) if name in run.get("metrics", {}) else "-" for run in runs.values())] for name in names]
        parts.append(f"`python3 {stub.slug}/{stub.name}.py --preset {preset}`{took}{old}:\n\n"
                     + table(["metric", *(f"seed {seed}" for seed in runs)], *rows))
    return parts


# --- the pages ---
def stub_block(stub, record):
    """What stands between the results markers of a stub's README."""
    if not record.get("seeds"):
        return "Not recorded yet."
    need, count, bars = stub.ROBUST
    criterion = " and ".join(f"`{name}` {op} {shown(bar)}" for name, (op, bar) in bars.items())
    seeds = [int(seed) for seed in record["seeds"]]
    host = record["seeds"].get("0", next(iter(record["seeds"].values()))).get("platform", {})
    crashed = [f"Seed {seed} did not finish: {run['error']}." for seed, run in record["seeds"].items() if "error" in run]
    parts = [
        f"Verdict: **{verdict(stub, record)}**. Robustness: {shown_robust(stub, record)} seeds with {criterion} (needs {need} of {count}).",
        metric_table(stub, record),
        f"Seed 0 took {shown_seconds(record)} s of one core ({host.get('system')} {host.get('machine')}, numpy {host.get('numpy')}, "
        f"{host.get('blas')}); `python3 {stub.slug}/{stub.name}.py --seed 0` prints that column, "
        f"`python -m catalog record {stub.slug} --seeds {min(seeds)}-{max(seeds)}` measures all.",
        *crashed, *preset_tables(stub, record)]
    return "\n\n".join(parts)


def results_page(stubs):
    """RESULTS.md: a table per era, then every metric of every stub."""
    verdicts = [verdict(stub, stub.record()) for stub in stubs]
    parts = ["# Results", GENERATED,
             "A stub's verdict is **yes** when the paper's own criterion, every bar at seed 0 and the robustness criterion over fresh seeds hold; "
             "**partial** when the claim (its first bar) holds at seed 0, but something else does not; **no** otherwise. Success rates carry Wilson "
             "95 % intervals, means over seeds bootstrap 95 % intervals; seed 0 is left out of both, because recipes may have been tuned on it. Seconds are "
             "CPU seconds of the default run at seed 0, one thread; data moved is the cost of the first algorithm's reads until its criterion is met, "
             "or of one training step ([MOVEMENT.md](./MOVEMENT.md)); lines are those of the main file without shared blocks, docstrings, "
             "comments and blank lines.",
             "Any row can be measured again: `python3 <stub>/<stub_>.py --seed 0`, or with its seeds `python -m catalog record <stub> --seeds 0-10`.",
             table(["verdict", "stubs"], *([name, verdicts.count(name)] for name in ("yes", "partial", "no", "not recorded") if name in verdicts))]
    for era, title in ERAS.items():
        rows = []
        for stub in (stub for stub in stubs if stub.era == era):
            record = stub.record()
            claim, (op, bar, paper) = next(iter(stub.HEADLINE.items()))
            value = record.get("seeds", {}).get("0", {}).get("metrics", {}).get(claim)
            rows.append([f"[{stub.slug}](./{stub.slug}/)", verdict(stub, record), f"`{claim}`", shown(value) if record else "-", f"{op} {shown(bar)}", paper,
                         shown_robust(stub, record), shown_mean(over_seeds(record, claim)), shown_seconds(record), movement.column(stub), stub.lines_of_code()])
        if rows:
            parts += [f"## {era}: {title}", table(["stub", "verdict", "claim", "seed 0", "bar", "paper", "robust: k of n", "mean over seeds", "seconds", "data moved", "lines"], *rows)]
    parts.append("## Every metric")
    for stub in stubs:
        if stub.record().get("seeds"):
            parts += [f"### {stub.slug}", stub.summary, metric_table(stub, stub.record()), *preset_tables(stub, stub.record())]
    return "\n\n".join(parts) + "\n"


def results_csv(stubs):
    """RESULTS.csv: one row per stub, preset and metric; bars belong to the default settings."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(["stub", "year", "verdict", "preset", "metric", "seed0", "op", "bar", "paper", "seeds", "reached", "mean", "mean_low", "mean_high", "min", "max"])
    for stub in stubs:
        record = stub.record()
        for preset, seeds in {"": record.get("seeds", {}), **record.get("presets", {})}.items():
            bars = {} if preset else stub.HEADLINE
            metrics = seeds.get("0", {}).get("metrics", {})
            for name in dict.fromkeys([*bars, *metrics]):
                op, bar, paper = bars.get(name, ("", "", ""))
                values = over_seeds({"seeds": seeds}, name)
                reached = [value for value in values if value is not None]
                spread = [math.fsum(reached) / len(reached),  # Python 3.12 changed the rounding of sum
                           *bootstrap_mean(reached), min(reached), max(reached)] if reached else []
                value = metrics.get(name)
                writer.writerow([stub.slug, stub.paper[1], verdict(stub, record), preset or "default", name, "" if value is None else repr(value), op, bar, paper,
                                 len(values), len(reached), *(f"{number:.6g}" for number in spread)] + [""] * (0 if reached else 5))
    return sheet.getvalue()


def catalogue(stubs):
    """The table of README.md."""
    parts = []
    for era, title in ERAS.items():
        rows = []
        for stub in (stub for stub in stubs if stub.era == era):
            record = stub.record()
            claim, (op, bar, _) = next(iter(stub.HEADLINE.items()))
            value = record.get("seeds", {}).get("0", {}).get("metrics", {}).get(claim)
            authors, year, _ = stub.paper
            rows.append([f"[{stub.slug}](./{stub.slug}/)", f"{authors} {year}", verdict(stub, record),
                         f"{claim.replace('_', ' ')}: {shown(value) if record else '-'} (bar {op} {shown(bar)})",
                         "{} of {}".format(*robust(stub, record)), shown_seconds(record)])
        if rows:
            parts += [f"**{era}: {title}**", table(["stub", "paper", "verdict", "headline at seed 0", "seeds", "seconds"], *rows)]
    return "\n\n".join(parts)


def header(stub):
    """The sentences of a stub's README between citation and GIF."""
    paragraphs = (stub.folder / "README.md").read_text(encoding="utf-8").split("\n## ")[0].strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs[2:] if not paragraph.startswith("!["))


def visual_tour(stubs):
    """VISUAL_TOUR.md: every animation with what to see in it."""
    parts = ["# Visual tour", GENERATED]
    for era, title in ERAS.items():
        members = [stub for stub in stubs if stub.era == era and (stub.folder / f"{stub.name}.gif").exists()]
        if members:
            parts.append(f"## {era}: {title}")
        for stub in members:
            authors, year, _ = stub.paper
            parts += [f"### [{stub.slug}](./{stub.slug}/)", f"*{authors} {year}.* {header(stub)}", f"![{stub.slug}]({stub.slug}/{stub.name}.gif)"]
    return "\n\n".join(parts) + "\n"


def family_table(path, stubs):
    """The table of a family page, for the members it lists in its line <!-- members: slug slug ... -->."""
    found = re.search(r"<!-- members: (.*?) -->", path.read_text(encoding="utf-8"))
    by_slug, rows = {stub.slug: stub for stub in stubs}, []
    for slug in found[1].split() if found else ():
        if slug not in by_slug:
            raise CatalogError(f"{path}: no stub '{slug}'")
        stub, record = by_slug[slug], by_slug[slug].record()
        authors, year, _ = stub.paper
        metrics = record.get("seeds", {}).get("0", {}).get("metrics", {})
        for row, (name, (op, bar, paper)) in enumerate(stub.HEADLINE.items()):
            first = [f"[{slug}](../{slug}/)", f"{authors} {year}", verdict(stub, record)] if row == 0 else ["", "", ""]
            rows.append([*first, f"`{name}`", shown(metrics[name]) if name in metrics else "not measured", f"{op} {shown(bar)}", paper,
                         shown_mean(over_seeds(record, name))])
    if not rows:
        raise CatalogError(f"{path}: needs a line <!-- members: slug slug ... -->")
    return table(["stub", "paper", "verdict", "metric", "seed 0", "bar", "reported", "other seeds: mean [95 %]"], *rows)


def fill(path, marker, text):
    """The file's text with `text` between <!-- marker --> and <!-- /marker -->."""
    page = path.read_text(encoding="utf-8")
    filled, count = re.subn(rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", lambda found: f"{found[1]}{text}\n{found[2]}", page, flags=re.S)
    if count != 1:
        raise CatalogError(f"{path}: needs exactly one <!-- {marker} --> and <!-- /{marker} --> pair")
    return filled


def pages():
    """{path: what it should hold} for every generated page, stub READMEs included."""
    stubs = discover()
    wanted = {stub.folder / "README.md": fill(stub.folder / "README.md", "results", stub_block(stub, stub.record())) for stub in stubs}
    wanted[ROOT / "README.md"] = fill(ROOT / "README.md", "catalogue", catalogue(stubs))
    wanted |= {path: fill(path, "family", family_table(path, stubs)) for path in sorted((ROOT / "families").glob("*.md"))}
    wanted[ROOT / "RESULTS.md"] = results_page(stubs)
    wanted[ROOT / "RESULTS.csv"] = results_csv(stubs)
    wanted[ROOT / "VISUAL_TOUR.md"] = visual_tour(stubs)
    wanted[ROOT / "MOVEMENT.md"] = movement.page(stubs, table, GENERATED)
    return wanted


def check():
    """Stale pages and records, as lines for people."""
    stale = [f"{path.relative_to(ROOT).as_posix()}: not what the records say (python -m catalog pages)" for path, text in pages().items()
             if not path.exists() or path.read_bytes() != text.encode()]
    for stub in discover():
        record = stub.record()
        if not record:
            stale.append(f"{stub.slug}: no record (python -m catalog record {stub.slug})")
        elif record.get("source") != stub.source_hash():
            stale.append(f"{stub.slug}: recorded under other code (python -m catalog record {stub.slug}, or --verify if no number changed)")
    return stale


def write():
    """Write the pages that changed; returns them."""
    changed = [(path, text) for path, text in pages().items() if not path.exists() or path.read_bytes() != text.encode()]
    for path, text in changed:
        write_atomically(path, text)
    return [path for path, _ in changed]
