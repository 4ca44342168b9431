# SPDX-License-Identifier: Unlicense
"""The contract of SPEC.md, checked over every stub."""
import ast
import dataclasses
import json
import math
import os
import re
import subprocess
import sys
from typing import Literal, get_args, get_origin

import numpy as np
import pytest
from PIL import Image

from catalog.stubs import ERAS, OPERATORS, ROOT

ORDER = ["Config", "PRESETS", "HEADLINE", "ROBUST", "PAPER", "MOVEMENT"]
MARKS = ["# --- problem ---", "# --- model ---", "# --- learning ---", "# --- evaluation ---", "def run(", "# --- block: cli ---", "def main("]
SECTIONS = ["Problem", "Files", "Running", "Results", "Visualizations", "Deviations", "Open questions"]
HANG = 60  # seconds; a guard against runs that never end, no measure of speed


def call(stub, *flags, cwd=None):
    return subprocess.run([sys.executable, str(stub.script), *map(str, flags)], capture_output=True, text=True, timeout=HANG, cwd=cwd,
                          stdin=subprocess.DEVNULL)


# --- files ---
def test_files(stub):
    for name in (f"{stub.name}.py", f"visualize_{stub.name}.py", f"make_{stub.name}_gif.py", f"{stub.name}.gif", "README.md", "results.json"):
        assert (stub.folder / name).is_file(), name
    assert (ROOT / "tests/stubs" / f"test_{stub.name}.py").is_file()


def test_every_module_name_is_unique(stub):
    others = {path.name for path in ROOT.glob("*/*.py") if path.parent != stub.folder} | {path.name for path in ROOT.glob("tests/**/*.py")}
    own = {path.name for path in stub.folder.glob("*.py")}
    assert not own & others
    assert all(stub.name in path for path in own if path.startswith(("visualize_", "make_")))


def test_pictures_are_small_and_carry_no_versions(stub):
    figures = sorted((stub.folder / "viz").glob("*.png"))
    assert 3 <= len(figures) <= 6
    for path in figures:
        with Image.open(path) as image:
            assert image.format == "PNG" and image.width <= 1000 and "Software" not in image.info, path
        assert path.stat().st_size <= 60_000, path
    path = stub.folder / f"{stub.name}.gif"
    with Image.open(path) as image:
        assert image.format == "GIF" and image.n_frames >= 10 and image.width <= 1000
    assert path.stat().st_size <= 500_000


# --- the main file's text ---
def test_module_order(stub):
    text = stub.script.read_text(encoding="utf-8")
    assert text.startswith("# SPDX-License-Identifier: Unlicense\n") and text.isascii()
    assert "from __future__" not in text and not re.search(r"except\s*:", text)
    assert stub.docstring.startswith(f"{stub.slug}: ") and f"python3 {stub.slug}/{stub.name}.py" in stub.docstring
    authors, year, title = stub.paper
    assert authors and title and any(era[:4] <= str(year) <= era[5:] for era in ERAS)
    top = [node for node in ast.parse(text).body if isinstance(node, (ast.ClassDef, ast.Assign))]
    names = [node.name if isinstance(node, ast.ClassDef) else getattr(node.targets[0], "id", None) for node in top]
    assert [name for name in names if name in ORDER] == ORDER
    places = [text.index(mark) for mark in MARKS]
    assert places == sorted(places)


def test_picture_scripts_define_their_function(stub):
    for name, function in ((f"visualize_{stub.name}.py", "draw"), (f"make_{stub.name}_gif.py", "animate")):
        text = (stub.folder / name).read_text(encoding="utf-8")
        assert text.startswith("# SPDX-License-Identifier: Unlicense\n") and text.isascii()
        found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == function]
        assert [argument.arg for argument in found[0].args.args][:2] == ["config", "result"]


def test_main_file_needs_numpy_alone(stub):
    code = f"import sys; sys.path.insert(0, {str(stub.folder)!r}); import {stub.name}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert not {"matplotlib", "PIL", "scipy", "torch", "catalog", "blocks"} & set(done.stdout.split())


# --- the API ---
def test_config(stub):
    fields = dataclasses.fields(stub.Config)
    assert stub.Config.__dataclass_params__.frozen and fields[0].name == "seed"
    with pytest.raises(dataclasses.FrozenInstanceError):
        stub.Config().seed = 1
    for field in fields:
        kind, (text, *bounds) = field.type.__origin__, field.type.__metadata__
        assert kind in (int, float, bool, str) or get_origin(kind) is Literal and all(isinstance(choice, str) for choice in get_args(kind)) \
            or kind in (tuple[int, ...], tuple[float, ...])
        assert text and text.isascii() and len(bounds) <= 2 and field.default is not dataclasses.MISSING


def test_constants(stub):
    assert {"smoke", "paper"} <= set(stub.PRESETS)
    names = {field.name for field in dataclasses.fields(stub.Config)}
    for settings in stub.PRESETS.values():
        assert set(settings) <= names - {"seed"}
        stub.module.check_fields(stub.Config(**settings))
    for op, bar, paper in stub.HEADLINE.values():
        assert op in OPERATORS and isinstance(bar, (int, float)) and isinstance(paper, str)
    need, count, bars = stub.ROBUST
    assert 0 < need <= count and bars and all(op in OPERATORS and isinstance(bar, (int, float)) for op, bar in bars.values())
    assert all(op in OPERATORS and isinstance(bar, (int, float)) for op, bar in stub.PAPER.values())
    assert set(stub.PAPER) | set(bars) <= set(stub.record()["seeds"]["0"]["metrics"])


def test_movement_names_functions_that_exist(stub):
    for dotted in [*stub.MOVEMENT["phases"], stub.MOVEMENT["step"]]:
        part = stub.module
        for name in dotted.split("."):
            part = getattr(part, name)
        assert callable(part)
    assert set(stub.MOVEMENT["phases"].values()) <= {"forward", "backward", "update", "evaluation", "data"}


def test_run_returns_metrics_and_history(stub):
    stages = []
    result = stub.run(stub.Config(**stub.PRESETS["smoke"]), lambda fraction, text="": stages.append(fraction))
    assert set(result) == {"metrics", "history"} and result["metrics"]
    for name, value in result["metrics"].items():
        assert re.fullmatch(r"[a-z][A-Za-z0-9_]*", name)
        assert value is None or type(value) in (int, float) and math.isfinite(value), name
        assert "second" not in name.split("_"), f"{name}: a time is no metric"
    assert all(0 <= fraction <= 1 for fraction in stages)


def test_run_leaves_the_global_random_state_alone(stub):
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    stub.run(stub.Config(**stub.PRESETS["smoke"]))
    assert (np.random.get_state()[1] == before).all()


# --- the command line ---
@pytest.mark.parametrize("seed", (0, 1))
def test_smoke_runs_are_deterministic(stub, seed, tmp_path):
    answers = []
    for attempt in range(2):
        done = call(stub, "--preset", "smoke", "--seed", seed, "--quiet", "--json", tmp_path / f"{attempt}.json", cwd=tmp_path)
        assert done.returncode == 0 and done.stdout == "", done.stderr
        answers.append((tmp_path / f"{attempt}.json").read_bytes())
    assert answers[0] == answers[1]
    answer = json.loads(answers[0])
    assert answer["config"]["seed"] == seed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.json", "1.json"], "a run writes nothing but its JSON"


def test_help_names_every_flag(stub):
    done = call(stub, "--help")
    assert done.returncode == 0 and done.stdout.isascii()
    for field in dataclasses.fields(stub.Config):
        assert f"--{field.name.replace('_', '-')}" in done.stdout
    assert all(flag in done.stdout for flag in ("--preset", "--json", "--quiet"))


@pytest.mark.parametrize("flags", (["--seed", "-1"], ["--seed", "x"], ["--preset", "none"], ["--no-such-flag"], ["--json", os.devnull]), ids=" ".join)
def test_bad_flags_exit_with_2_and_one_line(stub, flags):
    done = call(stub, *flags)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr


def test_values_out_of_bounds_exit_with_2(stub):
    for field in dataclasses.fields(stub.Config):
        _, *bounds = field.type.__metadata__
        if bounds:
            done = call(stub, f"--{field.name.replace('_', '-')}={bounds[0] - 1}")
            assert done.returncode == 2 and f"--{field.name.replace('_', '-')}" in done.stderr, field.name


# --- the README ---
def test_readme_sections(stub):
    text = (stub.folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {stub.slug}\n")
    assert re.findall(r"^## (.*)$", text, re.M) == SECTIONS
    _, year, title = stub.paper
    head = " ".join(text.partition("\n## ")[0].split())
    assert str(year) in head and title.lower() in head.lower() and f"({stub.name}.gif)" in head
    assert "$" not in re.sub(r"`[^`]*`|^ {4}.*$", "", text, flags=re.M), "formulas are plain text or code"
    for figure in (stub.folder / "viz").glob("*.png"):
        assert f"(viz/{figure.name})" in text, figure.name
    for path in stub.folder.glob("*.py"):
        assert f"`{path.name}`" in text, path.name
