# SPDX-License-Identifier: Unlicense
"""Running stubs in fresh processes, here or on a Dask cluster. Nothing of a stub is imported or pickled: flags go in, JSON comes out."""
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path


def this_platform():
    """What a number's last digit depends on: system, machine, python, numpy and the BLAS core it picked."""
    import numpy
    try:
        import threadpoolctl
        blas = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"][:1]
    except ImportError:  # a cluster's worker needs numpy alone
        blas = []
    core = " ".join(f"{library['internal_api']} {library.get('architecture') or ''}".strip() for library in blas)
    return {"system": platform.system(), "machine": platform.machine(), "python": platform.python_version(),
            "numpy": numpy.__version__, "blas": core or "unknown"}


def same_platform(one, other):
    """Whether two platforms must give the same bits. Python counts up to its minor version: 3.12 changed how sum() rounds."""
    minor = [where.get("python", "").rpartition(".")[0] for where in (one, other)]
    return minor[0] == minor[1] and all(one.get(key) == other.get(key) for key in ("system", "machine", "numpy", "blas"))


def wait(child):
    """Wait for a process -> exit status, CPU seconds, peak memory in MB (both None where the system cannot tell)."""
    if not hasattr(os, "wait4"):
        return child.wait(), None, None
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in kB elsewhere
    return child.returncode, round(usage.ru_utime + usage.ru_stime, 3), round(usage.ru_maxrss * unit / 1e6, 1)


def run_stub(script, flags=()):
    """Run `script` with --quiet --json and the given flags in a fresh process.

    Returns {"metrics", "config", "seconds", "cpu_seconds", "peak_mb", "platform"}, or {"error": its last words, "platform"}.
    """
    with tempfile.TemporaryDirectory(prefix="catalog-") as folder:
        out, words = Path(folder) / "out.json", Path(folder) / "words.txt"
        with open(words, "wb") as sink:
            start = time.perf_counter()
            child = subprocess.Popen([sys.executable, str(script), *map(str, flags), "--quiet", "--json", str(out)],
                                     stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
            try:
                status, cpu, peak = wait(child)
            except BaseException:
                child.kill()
                child.wait()
                raise
            seconds = time.perf_counter() - start
        outcome = {"platform": this_platform()}
        if status:
            last = words.read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
            return {**outcome, "error": f"exit status {status}: {last[0]}"}
        try:
            answer = json.loads(out.read_text(encoding="utf-8"))
            return {**outcome, "metrics": answer["metrics"], "config": answer["config"], "seconds": round(seconds, 3), "cpu_seconds": cpu, "peak_mb": peak}
        except (OSError, ValueError, KeyError, TypeError) as error:
            return {**outcome, "error": f"exit status 0, but no usable JSON: {error!r}"}


def run_source(files, script, flags):
    """run_stub for a stub that comes as text: files {name: source}, script the name to run. What a worker of a cluster executes."""
    with tempfile.TemporaryDirectory(prefix="stub-") as folder:
        for name, text in files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        return run_stub(Path(folder) / script, flags)


def run_here(tasks, jobs):
    """Run tasks {key: (stub, flags)} in `jobs` processes at a time; yields (key, outcome) as they end."""
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = {pool.submit(run_stub, stub.script, flags): key for key, (stub, flags) in tasks.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def run_on_cluster(tasks, address):
    """The same on the workers of the Dask scheduler at `address`, which need Python and numpy, and no copy of this repository.

    Dask runs the tasks of a worker that died again elsewhere; results that have arrived are safe.
    """
    import catalog.engine
    from catalog.stubs import CatalogError
    try:
        import cloudpickle
        import distributed
    except ImportError:
        raise CatalogError("--scheduler needs Dask: pip install 'dask[distributed]'") from None
    cloudpickle.register_pickle_by_value(catalog.engine)  # workers do not have this module
    try:
        client = distributed.Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise CatalogError(f"--scheduler {address}: {str(error).splitlines()[0]}") from None
    with client:
        sources = {stub.slug: {path.name: path.read_text(encoding="utf-8") for path in stub.folder.glob("*.py")} for stub, _ in tasks.values()}
        futures = {client.submit(run_source, sources[stub.slug], stub.script.name, flags, pure=False): key for key, (stub, flags) in tasks.items()}
        for future in distributed.as_completed(list(futures)):
            key = futures.pop(future)
            try:
                yield key, future.result()
            except Exception as error:  # the cluster gave up on this task: the others go on
                yield key, {"error": f"cluster: {error}"[:200], "platform": {}}


def calibrate():
    """Wall seconds of a fixed mixture of small array operations, matrix products and plain Python: a yardstick for this machine, now."""
    import numpy as np
    rng = np.random.default_rng(0)
    small, matrix = rng.random((20, 50)), rng.random((200, 200))
    start = time.perf_counter()
    total = 0
    for step in range(6000):
        small = np.tanh(small * 0.9 + 0.1)
        if step % 20 == 0:
            total += (matrix @ matrix)[0, 0]
        total += sum(range(100))
    return time.perf_counter() - start
