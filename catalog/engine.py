# SPDX-License-Identifier: Unlicense
"""Running one stub in a fresh process. Nothing of it is imported or pickled here: flags go in, JSON comes out."""
import functools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path


@functools.cache
def this_platform():
    """What a number's last digit depends on: system, machine, python, numpy and the BLAS core it picked."""
    import numpy
    import threadpoolctl
    blas = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
    core = " ".join(filter(None, (f"{library['internal_api']} {library.get('architecture') or ''}".strip() for library in blas[:1])))
    return {"system": platform.system(), "machine": platform.machine(), "python": platform.python_version(),
            "numpy": numpy.__version__, "blas": core or "unknown"}


def same_platform(one, other):
    """Whether two platforms must give the same bits: all but the interpreter's version count."""
    return all(one.get(key) == other.get(key) for key in ("system", "machine", "numpy", "blas"))


def run_stub(script, flags=()):
    """Run `script` with --quiet --json and the given flags in a fresh process.

    Returns {"metrics", "config", "seconds", "cpu_seconds", "peak_mb"} (peak_mb is None where the system does not tell), or {"error": its
    last words}. KeyboardInterrupt passes through, and the child gets the terminal's Ctrl-C as well.
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
        if status:
            last = words.read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
            return {"error": f"exit status {status}: {last[0]}"}
        try:
            answer = json.loads(out.read_text(encoding="utf-8"))
            return {"metrics": answer["metrics"], "config": answer["config"], "seconds": round(seconds, 3), "cpu_seconds": cpu, "peak_mb": peak}
        except (OSError, ValueError, KeyError, TypeError) as error:
            return {"error": f"exit status 0, but no usable JSON: {error!r}"}


def wait(child):
    """Wait for a process -> exit status, CPU seconds, peak memory in MB (both None where the system cannot tell)."""
    if not hasattr(os, "wait4"):
        return child.wait(), None, None
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in kB elsewhere
    return child.returncode, round(usage.ru_utime + usage.ru_stime, 3), round(usage.ru_maxrss * unit / 1e6, 1)
