# SPDX-License-Identifier: Unlicense
"""Stub folders go on sys.path, so that tests say `import nbb_xor`; the longest headline runs start first; a small catalogue of toys to try the trunk on."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import hypothesis
import pytest

from catalog.blocks import canonical
from catalog.stubs import ROOT, discover  # importing catalog sets the thread counts, before anything imports numpy

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


# --- a small catalogue of toy stubs ---
STUB = '''# SPDX-License-Identifier: Unlicense
"""{slug}: a toy.

Paper: A. Author (1995). On toys. Journal of Toys 1(1):1-2.

    python3 {slug}/{name}.py --seed 0
"""
import argparse, dataclasses, json, math, os, sys, time
from dataclasses import dataclass
from typing import Annotated, Literal, get_args, get_origin

@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    gain: Annotated[float, "gain", 0] = 1.0

PRESETS = {{"smoke": {{"gain": 0.5}}, "paper": {{"gain": 2.0}}}}
HEADLINE = {{"score": (">=", 0.5, "0.5"), "lag": ("<=", 5, "4")}}
ROBUST = (2, 3, {{"score": (">=", 0.5)}})
PAPER = {{"score": (">=", 0.5)}}

def run(config, progress=None):
    {body}
    return {{"metrics": {{"score": config.gain + config.seed / 7, "lag": 3 + config.seed}}, "history": {{}}}}

{cli}

def main(argv=None):
    return command_line(Config, PRESETS, HEADLINE, run, argv)

if __name__ == "__main__":
    sys.exit(main())
'''
README = "# {slug}\n\nA. Author (1995). *On toys.*\n\nA toy.\n\n![toy]({name}.gif)\n\n## Results\n\n<!-- results -->\n<!-- /results -->\n"


@pytest.fixture
def small(tmp_path):
    """A catalogue without stubs: small.add(slug, body) writes one, small(...) calls its command line, small.record(slug) reads a record."""
    for folder in ("catalog", "blocks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "README.md").write_text("# toys\n\n<!-- catalogue -->\n<!-- /catalogue -->\n")

    def start(*words, **keywords):
        return subprocess.Popen([sys.executable, "-m", "catalog", *map(str, words)], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **keywords)

    def call(*words):
        process = start(*words)
        out, error = process.communicate(timeout=120)
        return subprocess.CompletedProcess(words, process.returncode, out, error)

    def add(slug, body="pass"):
        folder, name = tmp_path / slug, slug.replace("-", "_")
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(STUB.format(slug=slug, name=name, body=body, cli=canonical()["cli"]))
        if not (folder / "README.md").exists():
            (folder / "README.md").write_text(README.format(slug=slug, name=name))
        return folder

    call.start, call.add, call.root = start, add, tmp_path
    call.record = lambda slug: json.loads((tmp_path / slug / "results.json").read_text())
    return call
