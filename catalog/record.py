# SPDX-License-Identifier: Unlicense
"""`catalog record`: run stubs over seeds and keep what they measured in <slug>/results.json.

A record belongs to one state of the code (its source hash); seeds recorded under another state are dropped. Every finished run is merged
into the file at once, under a lock, so that an interruption costs the runs in flight and nothing else, and two recorders add up.
"""
import json
import os

from filelock import FileLock
from tqdm import tqdm

from catalog.engine import calibrate, run_here, run_stub, same_platform
from catalog.stubs import CatalogError


def write_atomically(path, text):
    """Replace `path` by `text` (UTF-8, LF): the old or the new content is there at any moment, and no other file is left behind."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise CatalogError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def current(stub):
    """The stub's record if it belongs to the code as it is now; otherwise (no record, other code, not JSON) an empty one."""
    try:
        record = stub.record()
    except CatalogError as error:
        tqdm.write(f"{error}: starting anew")
        record = {}
    fresh = {"slug": stub.slug, "source": stub.source_hash(), "config": {}, "seeds": {}, "presets": {}}
    if record.get("source") == fresh["source"]:
        return {**fresh, **record}
    # a preset's numbers took long to get: they stay, marked with the source that they came from; pictures and data movement have marks of their own
    return {**fresh, **{key: record[key] for key in ("presets", "pictures", "movement") if key in record}}


def merge(stub, seed, preset, outcome):
    """Put one finished run into results.json, unless the code is no longer the one that ran."""
    source, config = outcome.pop("source"), outcome.pop("config", None)
    with FileLock(stub.folder / ".results.lock"):
        record = current(stub)
        if record["source"] != source:
            raise CatalogError(f"{stub.slug}: the code changed while seed {seed} ran; record it again")
        if preset:
            record["presets"].setdefault(preset, {})[str(seed)] = {**outcome, "source": record["source"], "config": config}
            record["presets"][preset] = dict(sorted(record["presets"][preset].items(), key=lambda item: int(item[0])))
        else:
            record["seeds"][str(seed)] = outcome
            record["seeds"] = dict(sorted(record["seeds"].items(), key=lambda item: int(item[0])))
            record["config"] = record["config"] or {name: value for name, value in (config or {}).items() if name != "seed"}
        write_atomically(stub.folder / "results.json", json.dumps(record, indent=1) + "\n")


def missing(stub, seeds, preset):
    """The seeds without a usable run under the present code; a run that crashed is tried again."""
    record = current(stub)
    done = record["presets"].get(preset, {}) if preset else record["seeds"]
    return [seed for seed in seeds if "metrics" not in done.get(str(seed), {}) or (preset and done[str(seed)]["source"] != record["source"])]


def timed(stub, flags):
    """run_stub between two rounds of the calibration loop; "units" compares between machines and from day to day, as seconds do not."""
    before = calibrate()
    outcome = run_stub(stub.script, flags)
    if "seconds" in outcome:
        outcome["units"] = round(2 * outcome["seconds"] / (before + calibrate()), 1)
    return outcome


def record(stubs, seeds, jobs, preset=None):
    """Record `seeds` of every stub: seed 0 alone, one stub after the other, for honest seconds; the rest `jobs` at a time.

    Returns the number of runs that failed; they are recorded with their message.
    """
    sources = {stub.slug: stub.source_hash() for stub in stubs}
    todo = {(stub, seed): (stub, ["--seed", seed] + (["--preset", preset] if preset else []))
            for stub in stubs for seed in missing(stub, seeds, preset)}
    failed = 0

    def outcomes():
        for key in [key for key in todo if key[1] == 0]:
            bar.set_description(f"{key[0].slug}, seed 0 alone")
            yield key, timed(*todo.pop(key))
        bar.set_description("other seeds")
        for key, outcome in run_here(todo, jobs):
            outcome.pop("seconds", None)  # wall seconds of a run that shared the machine mean nothing
            yield key, outcome

    with tqdm(total=len(todo), unit="run", disable=None) as bar:
        for (stub, seed), outcome in outcomes():
            if "error" in outcome:
                failed += 1
                tqdm.write(f"{stub.slug} seed {seed}: {outcome['error']}")
            merge(stub, seed, preset, {**outcome, "source": sources[stub.slug]})
            bar.update()
    return failed


def verify(stub):
    """Run seed 0 again; if it gives the recorded numbers to the last bit, stamp the record with the code as it is now, and with what the run cost."""
    recorded = stub.record().get("seeds", {}).get("0", {})
    if "metrics" not in recorded:
        raise CatalogError(f"{stub.slug}: no recorded seed 0 to verify")
    source, again = stub.source_hash(), timed(stub, ["--seed", 0])
    if "error" in again:
        raise CatalogError(f"{stub.slug}: {again['error']}")
    if not same_platform(recorded["platform"], again["platform"]):
        raise CatalogError(f"{stub.slug}: recorded on another platform, so bits cannot be compared; record it again")
    changed = [name for name in {**recorded["metrics"], **again["metrics"]} if recorded["metrics"].get(name) != again["metrics"].get(name)]
    if changed:
        raise CatalogError(f"{stub.slug}: {', '.join(changed)} changed; record it again")
    with FileLock(stub.folder / ".results.lock"):
        before = stub.record()
        before["seeds"]["0"].update({name: again[name] for name in ("seconds", "cpu_seconds", "peak_mb", "units")})
        write_atomically(stub.folder / "results.json", json.dumps({**before, "source": source}, indent=1) + "\n")
