# SPDX-License-Identifier: Unlicense
"""`catalog record`: run stubs over seeds and keep what they measured in <slug>/results.json.

A record belongs to one state of the code (its source hash); seeds recorded under another state are dropped. Every finished run is merged
into the file at once, under a lock, so that an interruption costs the runs in flight and nothing else, and two recorders add up.
"""
import json
import os
from concurrent.futures import ThreadPoolExecutor, as_completed

from filelock import FileLock
from tqdm import tqdm

from catalog.engine import run_stub, same_platform, this_platform
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
    # a preset's numbers took long to get: they stay, marked with the source that they came from
    return {**fresh, "presets": record.get("presets", {})}


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


def record(stubs, seeds, jobs, preset=None):
    """Record `seeds` of every stub: seed 0 alone, one stub after the other, for honest seconds; the rest `jobs` at a time.

    Returns the number of runs that failed; they are recorded with their message.
    """
    alone = [(stub, 0) for stub in stubs if 0 in missing(stub, seeds, preset)]
    rest = [(stub, seed) for stub in stubs for seed in missing(stub, seeds, preset) if seed != 0]
    failed = 0
    bar = tqdm(total=len(alone) + len(rest), unit="run", disable=None)

    def one(stub, seed):
        source = stub.source_hash()
        outcome = run_stub(stub.script, ["--seed", seed] + (["--preset", preset] if preset else []))
        if seed != 0:
            outcome.pop("seconds", None)  # wall seconds of a run that shared the machine mean nothing
        return {**outcome, "platform": this_platform(), "source": source}

    def finish(stub, seed, outcome):
        nonlocal failed
        if "error" in outcome:
            failed += 1
            tqdm.write(f"{stub.slug} seed {seed}: {outcome['error']}")
        merge(stub, seed, preset, outcome)
        bar.update()

    with bar:
        for stub, seed in alone:
            bar.set_description(f"{stub.slug}, seed 0 alone")
            finish(stub, seed, one(stub, seed))
        bar.set_description("other seeds")
        pool = ThreadPoolExecutor(jobs)
        try:
            futures = {pool.submit(one, stub, seed): (stub, seed) for stub, seed in rest}
            for future in as_completed(futures):
                finish(*futures[future], future.result())
        finally:
            pool.shutdown(cancel_futures=True)
    return failed


def verify(stub):
    """Run seed 0 again; if it gives the recorded numbers to the last bit, stamp the record with the code as it is now."""
    before = stub.record()
    if "metrics" not in before.get("seeds", {}).get("0", {}):
        raise CatalogError(f"{stub.slug}: no recorded seed 0 to verify")
    recorded, again = before["seeds"]["0"], run_stub(stub.script, ["--seed", 0])
    if "error" in again:
        raise CatalogError(f"{stub.slug}: {again['error']}")
    if not same_platform(recorded["platform"], this_platform()):
        raise CatalogError(f"{stub.slug}: recorded on another platform, so bits cannot be compared; record it again")
    changed = [name for name in {**recorded["metrics"], **again["metrics"]} if recorded["metrics"].get(name) != again["metrics"].get(name)]
    if changed:
        raise CatalogError(f"{stub.slug}: {', '.join(changed)} changed; record it again")
    with FileLock(stub.folder / ".results.lock"):
        write_atomically(stub.folder / "results.json", json.dumps({**stub.record(), "source": stub.source_hash()}, indent=1) + "\n")
