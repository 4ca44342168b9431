# SPDX-License-Identifier: Unlicense
"""sweep, bench, render and new, on the small catalogue of toy stubs (conftest.py)."""
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from catalog.stubs import ROOT


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- sweep ---
def test_sweep_writes_one_row_a_run(small):
    small.add("toy-one")
    done = small("sweep", "toy-one", "--seeds", "0-2", "--grid", "gain=0.5,2", "--out", "out.csv")
    assert done.returncode == 0, done.stderr
    table = rows(small.root / "out.csv")
    assert [(row["gain"], row["seed"]) for row in table] == [(gain, seed) for gain in ("0.5", "2") for seed in "012"]
    assert all(float(row["score"]) == float(row["gain"]) + int(row["seed"]) / 7 and row["error"] == "" for row in table)
    assert all(row["platform"] and float(row["seconds"]) > 0 and float(row["cpu_seconds"]) > 0 for row in table)


def test_sweep_completes_a_file_and_tries_failures_again(small):
    folder = small.add("toy-one", "if config.seed == 1 and not os.path.exists('mended'): raise RuntimeError('broken')")
    assert small("sweep", "toy-one", "--seeds", "0-1", "--out", "out.csv").returncode == 1
    assert "RuntimeError: broken" in rows(small.root / "out.csv")[1]["error"] and rows(small.root / "out.csv")[1]["score"] == ""
    first = rows(small.root / "out.csv")[0]
    (small.root / "mended").touch()
    assert small("sweep", "toy-one", "--seeds", "0-3", "--out", "out.csv").returncode == 0
    table = rows(small.root / "out.csv")
    assert len(table) == 4 and table[0] == first and all(row["error"] == "" for row in table)
    (folder / "toy_one.py").write_text((folder / "toy_one.py").read_text() + "# edited\n")
    done = small("sweep", "toy-one", "--seeds", "0-4", "--out", "out.csv")
    assert done.returncode == 2 and "other code" in done.stderr and len(rows(small.root / "out.csv")) == 4


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_sweep_leaves_a_whole_file(small):
    small.add("toy-one", "time.sleep(0.2)")
    process = small.start("sweep", "toy-one", "--seeds", "0-30", "--out", "out.csv", "--jobs", "2", start_new_session=True)
    for _ in range(300):
        time.sleep(0.1)
        if (small.root / "out.csv").exists():
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kept = rows(small.root / "out.csv")
    assert kept and all(row["score"] for row in kept)
    assert small("sweep", "toy-one", "--seeds", "0-12", "--out", "out.csv").returncode == 0
    assert {row["seed"] for row in rows(small.root / "out.csv")} >= {str(seed) for seed in range(13)}


def test_sweep_plots_a_metric(small):
    small.add("toy-one")
    assert small("sweep", "toy-one", "--seeds", "0-2", "--grid", "gain=0.5,2", "--out", "out.csv", "--plot", "score").returncode == 0
    assert (small.root / "out.png").read_bytes()[:4] == b"\x89PNG"
    done = small("sweep", "toy-one", "--out", "out.csv", "--plot", "no_such")
    assert done.returncode == 2 and "no_such" in done.stderr


@pytest.mark.parametrize("words", [["--grid", "none=1"], ["--grid", "gain"], ["--grid", "seed=1,2"], ["--out", "nowhere/out.csv"], ["--out", "."]], ids=" ".join)
def test_sweep_names_what_is_wrong(small, words):
    small.add("toy-one")
    done = small("sweep", "toy-one", *(["--out", "out.csv"] if "--out" not in words else []), *words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr


def test_sweep_turns_every_kind_of_field_into_flags():
    from dataclasses import dataclass
    from typing import Annotated, Literal

    from catalog.sweep import flags_of, parse_grid

    @dataclass(frozen=True)
    class Config:
        seed: Annotated[int, "", 0] = 0
        rule: Annotated[Literal["sum", "delta"], ""] = "sum"
        use_skip: Annotated[bool, ""] = True
        lags: Annotated[tuple[int, ...], ""] = (1, 2)

    class Toy:
        pass
    Toy.Config = Config
    assert parse_grid(Toy, ["use-skip=true,false", "lags=5:10,20"]) == {"use_skip": ["true", "false"], "lags": ["5:10", "20"]}
    assert flags_of(Toy, {"use_skip": "false", "lags": "5:10", "rule": "delta"}) == ["--no-use-skip", "--lags", "5", "10", "--rule=delta"]


def test_sweep_on_a_cluster_survives_the_death_of_a_worker(small, tmp_path):
    """A real scheduler and two worker processes outside of this repository; one worker is killed with SIGKILL while it works."""
    pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    small.add("toy-one", "time.sleep(0.3)")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    started = []

    def start(*words):
        started.append(subprocess.Popen([sys.executable, "-m", *words], cwd=elsewhere, env=environment, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True))
        return started[-1]

    try:
        start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", "scheduler.json")
        for _ in range(600):  # the file is written last, and "}" is its last character
            if (elsewhere / "scheduler.json").exists() and (elsewhere / "scheduler.json").read_text().rstrip().endswith("}"):
                break
            time.sleep(0.1)
        address = json.loads((elsewhere / "scheduler.json").read_text())["address"]
        workers = [start("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny") for _ in range(2)]
        process = small.start("sweep", "toy-one", "--seeds", "0-19", "--out", "out.csv", "--scheduler", address)
        for _ in range(600):
            if (small.root / "out.csv").exists():
                break
            time.sleep(0.1)
        os.killpg(workers[0].pid, signal.SIGKILL)
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
        table = rows(small.root / "out.csv")
        assert [row["seed"] for row in table] == sorted(map(str, range(20)), key=int) and all(row["error"] == "" for row in table)
        assert [float(row["score"]) for row in table] == [1 + seed / 7 for seed in range(20)]
    finally:
        for process in started:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def test_sweep_without_a_scheduler_there_says_so(small):
    pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    small.add("toy-one")
    done = small("sweep", "toy-one", "--out", "out.csv", "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 2 and "127.0.0.1:9" in done.stderr and "Traceback" not in done.stderr


# --- bench ---
def test_bench_compares_with_the_record_and_never_fails(small):
    small.add("toy-one")
    small.add("toy-two", "1 / 0")
    small("record", "toy-one", "--seeds", "0")
    path = small.root / "toy-one/results.json"
    record = json.loads(path.read_text())
    record["seeds"]["0"]["units"] /= 100
    path.write_text(json.dumps(record))
    done = small("bench")
    assert done.returncode == 0, done.stderr
    lines = {line.split("|")[1].strip(): line for line in done.stdout.splitlines()}
    assert "grew by more than 1.5x" in lines["toy-one"] and "ZeroDivisionError" in lines["toy-two"]


# --- new and render: the whole way of a new stub ---
def test_a_new_stub_passes_the_contract_once_recorded(small):
    for name in ("pyproject.toml", "SPEC.md", "BUILD_NOTES.md", "LICENSE", "CITATION.cff"):
        shutil.copy(ROOT / name, small.root / name)
    shutil.copytree(ROOT / "tests", small.root / "tests", ignore=shutil.ignore_patterns("__pycache__", "test_*"))
    for name in ("test_contract.py", "test_pages.py", "test_headlines.py"):
        shutil.copy(ROOT / "tests" / name, small.root / "tests" / name)
    new = ["new", "echo-memory", "--title", "A net remembers.", "--paper", "A. Author (1995). On nets. Journal of Nets 1(2):3-4."]
    done = small(*new)
    assert done.returncode == 0 and "wrote echo-memory/echo_memory.gif" in done.stdout, done.stderr

    def pytest_run():
        return subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "0", "tests"], cwd=small.root, capture_output=True, text=True, timeout=300)

    failed = {re.match(r".*?::(\w+)", line)[1] for line in pytest_run().stdout.splitlines() if line.startswith("FAILED")}
    assert {"test_files", "test_constants"} <= failed <= {"test_files", "test_constants", "test_headline", "test_records_and_pages_are_up_to_date",
                                                         "test_every_number_in_results_md_is_in_results_csv", "test_links_between_pages_resolve",
                                                         "test_pictures_are_the_ones_that_were_rendered"}
    assert small("record", "echo-memory").returncode == 0
    assert small("render", "echo-memory").returncode == 0
    assert small("pages").returncode == 0
    done = pytest_run()
    assert done.returncode == 0, done.stdout
    assert small("list").stdout.split()[:3] == ["echo-memory", "1995", "yes"]
    assert small(*new).returncode == 2, "nothing is overwritten"

    assert small("render", "--check").returncode == 0
    done = small("render", "--check", "--again")
    assert done.returncode == 0, done.stdout
    picture = small.root / "echo-memory/viz/rule.png"
    original = picture.read_bytes()
    picture.write_bytes(original + b"\0")
    assert "viz/rule.png: not the picture that was rendered" in small("render", "--check").stdout
    picture.write_bytes(original)
    script = small.root / "echo-memory/visualize_echo_memory.py"
    script.write_text(script.read_text().replace("what was learned", "learned"))
    done = small("render", "--check")
    assert done.returncode == 1 and "drawn by other code" in done.stdout
    record = small.record("echo-memory")
    record["pictures"]["matplotlib"], record["pictures"]["source"] = "0.1", __import__("hashlib").sha256(b"").hexdigest()
    (small.root / "echo-memory/results.json").write_text(json.dumps(record))
    assert small("render", "echo-memory").returncode == 0 and small("render", "--check").returncode == 0


@pytest.mark.parametrize("slug, title, paper", [
    ("Echo", "A net.", "A. Author (1995). On nets. Journal 1(2):3-4."), ("catalog", "A net.", "A. Author (1995). On nets. Journal 1(2):3-4."),
    ("echo", "A net", "A. Author (1995). On nets. Journal 1(2):3-4."), ("echo", "A net.", "On nets")])
def test_new_refuses_what_would_break_the_pages(small, slug, title, paper):
    done = small("new", slug, "--title", title, "--paper", paper)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not (small.root / "tests").exists()


def test_every_tool_has_help_with_an_example(small):
    for command in ("sweep", "bench", "render", "new", "book"):
        done = small(command, "--help")
        assert done.returncode == 0 and f"example: python -m catalog {command}" in " ".join(done.stdout.split())
