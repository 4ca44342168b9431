# SPDX-License-Identifier: Unlicense
"""Stub folders go on sys.path, so that tests say `import nbb_xor`; the longest headline runs start first."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import hypothesis

from catalog.stubs import discover  # importing catalog sets the thread counts, before anything imports numpy

os.environ.setdefault("MPLBACKEND", "Agg")
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")
STUBS = discover()
sys.path += [str(stub.folder) for stub in STUBS]


def pytest_generate_tests(metafunc):
    """A test with an argument `stub` runs once for every stub."""
    if "stub" in metafunc.fixturenames:
        metafunc.parametrize("stub", STUBS, ids=[stub.slug for stub in STUBS])


def recorded_seconds(item):
    stub = item.callspec.params.get("stub") if hasattr(item, "callspec") else None
    if not item.get_closest_marker("headline"):
        return 0
    return stub.record().get("seeds", {}).get("0", {}).get("seconds", 0)


def pytest_collection_modifyitems(items):
    """Longest recorded run first, dealt out like cards: xdist hands each worker one contiguous part of the list to begin with."""
    items.sort(key=recorded_seconds, reverse=True)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    items[:] = [item for worker in range(workers) for item in items[worker::workers]]
