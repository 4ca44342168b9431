# SPDX-License-Identifier: Unlicense
"""`catalog bench`: what default runs cost now, beside the record. It marks what grew and never fails a build."""
from catalog.engine import calibrate, run_stub
from catalog.pages import table
from catalog.stubs import CatalogError

GREW = 1.5  # a machine's speed drifts: less than this is no finding


def bench(stubs, seed=0):
    """Run each stub alone, between two rounds of a fixed calibration loop; yields a row per stub.

    A row: slug, wall and CPU seconds, peak MB, units (wall seconds over those of the loop), ratio to the record, remark. The ratio is taken
    in units where the record has them, else in seconds.
    """
    before = calibrate()
    for stub in stubs:
        outcome = run_stub(stub.script, ["--seed", seed])
        after = calibrate()
        if "error" in outcome:
            yield [stub.slug, "-", "-", "-", "-", "-", outcome["error"]]
            continue
        units = 2 * outcome["seconds"] / (before + after)
        before = after
        try:
            recorded = stub.record().get("seeds", {}).get("0", {})
        except CatalogError:
            recorded = {}
        ratio = (units / recorded["units"] if "units" in recorded else
                 outcome["seconds"] / recorded["seconds"] if "seconds" in recorded else None)
        yield [stub.slug, f"{outcome['seconds']:.2f}", outcome["cpu_seconds"], outcome["peak_mb"], f"{units:.1f}",
               "-" if ratio is None else f"{ratio:.2f}", "no record" if ratio is None else f"grew by more than {GREW}x" if ratio > GREW else ""]


def report(rows):
    return table(["stub", "wall s", "CPU s", "peak MB", "calibration units", "ratio to the record", "remark"], *rows)
