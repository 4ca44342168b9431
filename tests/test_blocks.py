# SPDX-License-Identifier: Unlicense
"""Copies of blocks are verbatim; Adam, its views and its clipping equal independent computations; the command line keeps its promises."""
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import adam
from catalog import blocks


def test_copies_equal_their_blocks():
    assert blocks.check() == []


# --- Adam ---
def test_adam_equals_the_published_algorithm():
    """The reference is algorithm 1 of Kingma and Ba, step by step, with explicit bias-corrected moments."""
    rng = np.random.default_rng(0)
    theta = rng.normal(size=7)
    reference, m, v = theta.copy(), 0, 0
    optimizer = adam.Adam(theta, 0.01, epsilon=0)
    for t in range(1, 30):
        gradient = rng.normal(size=7)
        optimizer.step(gradient)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient ** 2
        reference -= 0.01 * (m / (1 - 0.9 ** t)) / np.sqrt(v / (1 - 0.999 ** t))
    np.testing.assert_allclose(theta, reference, rtol=1e-10)


def test_adam_keeps_float32_and_updates_in_place():
    theta = np.ones(4, np.float32)
    same = theta
    adam.Adam(theta, 0.1).step(np.ones(4, np.float32), scale=0.5)
    assert theta.dtype == np.float32 and same is theta
    np.testing.assert_allclose(theta, 0.95, rtol=1e-5)


def test_views_share_memory_and_refuse_a_wrong_size():
    flat = np.arange(20.0).reshape(2, 10)
    matrix, vector = adam.views(flat, (2, 3), (4,))
    assert matrix.shape == (2, 2, 3) and vector.shape == (2, 4)
    matrix += 100
    assert flat[0, 0] == 100 and flat[1, 9] == 19 and np.shares_memory(flat, vector)
    with pytest.raises(ValueError, match="11"):
        adam.views(np.zeros(11), (2, 3), (4,))


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9), st.floats(1e-3, 1e3))
def test_clipping_limits_the_norm_and_keeps_the_direction(values, limit):
    before = np.array(values)
    after = before.copy()
    adam.clip_by_global_norm(after, limit)
    assert np.linalg.norm(after) <= limit * (1 + 1e-12)
    np.testing.assert_allclose(after * np.linalg.norm(before), before * np.linalg.norm(after), rtol=1e-9, atol=1e-9)
    if np.linalg.norm(before) <= limit:
        np.testing.assert_array_equal(after, before)


# --- the command line, in a toy stub ---
TOY = '''
"""toy: 100% of what a command line must cope with."""
import argparse, dataclasses, json, math, os, sys
from dataclasses import dataclass
from typing import Annotated, Literal, get_args, get_origin

@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    rate: Annotated[float, "learning rate, up to 100%", 0, 1] = 0.5
    rule: Annotated[Literal["sum", "delta"], "which rule"] = "sum"
    skip: Annotated[bool, "use skips"] = True
    lags: Annotated[tuple[int, ...], "lags, in steps", 1, 1000] = (10, 20)
    fail: Annotated[str, "what goes wrong"] = ""

    def __post_init__(self):
        if self.rule == "delta" and not self.skip:
            raise ValueError("argument --no-skip: the delta rule needs skips")

PRESETS = {"smoke": {"rate": 0.25, "lags": (1,)}}
HEADLINE = {"score": (">=", 0.4, "0.5"), "count": ("<=", 2_000_000, "many"), "reached": ("<=", 5, "5"), "real": (">=", 1, "1")}

def run(config, progress=None):
    if config.fail == "interrupt":
        raise KeyboardInterrupt
    if config.fail == "file":
        open("no-such-data/file.gz")
    score = float("nan") if config.fail == "nan" else config.rate
    return {"metrics": {"score": score, "count": 1_073_741, "reached": None, "lag_sum": sum(config.lags)}, "history": {}}

'''


@pytest.fixture
def toy(tmp_path):
    script = tmp_path / "toy.py"
    block = blocks.canonical()["cli"]
    script.write_text(TOY + block + textwrap.dedent('''

        def main(argv=None):
            return command_line(Config, PRESETS, HEADLINE, run, argv)

        if __name__ == "__main__":
            sys.exit(main())
        '''), encoding="utf-8")

    def call(*flags):
        return subprocess.run([sys.executable, str(script), *flags], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    return call


def test_cli_prints_headline_lines(toy):
    done = toy()
    assert done.returncode == 0 and done.stderr == ""
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "pass >= 0.4  (paper: 0.5)" in lines["score"]
    assert "1,073,741  pass <= 2,000,000" in lines["count"]
    assert "not reached  FAIL <= 5" in lines["reached"]
    assert "not measured  -" in lines["real"]
    assert list(lines) == ["lag_sum", "score", "count", "reached", "real"]


def test_cli_judges_only_the_default_settings(toy):
    assert "pass" in toy("--seed", "3").stdout and "pass" not in toy("--rate", "0.6").stdout
    assert toy("--quiet").stdout == ""


def test_cli_presets_yield_to_flags_and_json_tells_the_settings(toy, tmp_path):
    assert toy("--preset", "smoke", "--rate", "0.75", "--no-skip", "--lags", "3", "4", "--json", "out.json").returncode == 0
    answer = json.loads((tmp_path / "out.json").read_text())
    assert answer["config"] == {"seed": 0, "rate": 0.75, "rule": "sum", "skip": False, "lags": [3, 4], "fail": ""}
    assert answer["metrics"]["lag_sum"] == 7 and answer["metrics"]["reached"] is None


@pytest.mark.parametrize("flags, words", [
    (["--seed", "-1"], "--seed"), (["--seed", "1.5"], "--seed"), (["--rate", "nan"], "--rate"), (["--rate", "inf"], "--rate"), (["--rate", "1.1"], "from 0 to 1"),
    (["--rule", "hebb"], "--rule"), (["--lags"], "--lags"), (["--lags", "5", "0"], "--lags"), (["--se", "1"], "--se"), (["--preset", "none"], "--preset"),
    (["--unknown"], "--unknown"), (["stray"], "stray"), (["--rule", "delta", "--no-skip"], "needs skips"), (["--json", "nowhere/out.json"], "nowhere"),
    (["--json", os.devnull], "plain file"), (["--json", "."], "plain file"), (["--fail", "file"], "no-such-data")])
def test_cli_answers_bad_input_with_one_line_and_status_2(toy, tmp_path, flags, words):
    done = toy(*flags)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1 and words in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.py"]


def test_cli_help_interrupt_and_nan(toy, tmp_path):
    assert "up to 100%" in toy("--help").stdout
    done = toy("--fail", "interrupt")
    assert done.returncode == 130 and done.stderr == "interrupted\n"
    assert toy("--fail", "nan", "--json", "out.json").returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.py"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full's file system semantics")
def test_cli_leaves_nothing_behind_when_the_disk_is_full(toy, tmp_path):
    """A part file that links to /dev/full fails with ENOSPC on writing: the old JSON stays, the part goes."""
    (tmp_path / "out.json").write_text("old")
    wrapper = tmp_path / "wrap.py"
    wrapper.write_text("import os, runpy, sys\nos.symlink('/dev/full', f'out.json.{os.getpid()}.part')\n"
                       "sys.argv = ['toy.py', '--json', 'out.json']\nrunpy.run_path('toy.py', run_name='__main__')\n")
    done = subprocess.run([sys.executable, "wrap.py"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2 and "No space left" in done.stderr and len(done.stderr.splitlines()) == 1
    assert (tmp_path / "out.json").read_text() == "old" and sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "toy.py", "wrap.py"]
