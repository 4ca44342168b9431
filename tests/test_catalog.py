# SPDX-License-Identifier: Unlicense
"""The trunk on a small catalogue of its own: a temporary copy of catalog/ and blocks/ with toy stubs that succeed, crash or dawdle."""
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import statistics
from catalog.stubs import discover

def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".part"))


# --- record ---
def test_record_keeps_what_was_measured(small):
    small.add("toy-one")
    done = small("record", "toy-one", "--seeds", "0-3")
    assert done.returncode == 0, done.stderr
    record = small.record("toy-one")
    assert list(record["seeds"]) == ["0", "1", "2", "3"] and record["config"] == {"gain": 1.0}
    for seed, run in record["seeds"].items():
        assert run["metrics"] == {"score": 1 + int(seed) / 7, "lag": 3 + int(seed)}
        assert set(run["platform"]) == {"system", "machine", "python", "numpy", "blas"} and run["cpu_seconds"] > 0 and run["peak_mb"] > 1
        assert ("seconds" in run) == (seed == "0"), "only a run alone on the machine has wall seconds"
    assert small("record", "toy-one", "--preset", "paper", "--seeds", "0").returncode == 0
    assert small.record("toy-one")["presets"]["paper"]["0"]["metrics"]["score"] == 2
    assert small.record("toy-one")["seeds"] == record["seeds"]


def test_record_runs_only_what_is_missing(small):
    folder = small.add("toy-one", "open('runs.txt', 'a').write(f'{config.seed} ')")
    small("record", "toy-one", "--seeds", "0-2")
    small("record", "toy-one", "--seeds", "0-4")
    assert sorted((small.root / "runs.txt").read_text().split()) == list("01234")
    assert len(json.loads((folder / "results.json").read_text())["seeds"]) == 5


def test_an_edit_drops_old_seeds_but_not_an_edit_of_the_cli_or_the_pictures(small):
    folder = small.add("toy-one")
    small("record", "toy-one", "--seeds", "0-3")
    before = small.record("toy-one")["source"]
    (folder / "visualize_toy_one.py").write_text("pass\n")
    script = folder / "toy_one.py"
    script.write_text(script.read_text().replace('print("interrupted"', 'print("Interrupted"'))
    small("record", "toy-one", "--seeds", "0")
    assert small.record("toy-one")["source"] == before and len(small.record("toy-one")["seeds"]) == 4
    script.write_text(script.read_text().replace("config.gain +", "1.5 * config.gain +"))
    small("record", "toy-one", "--seeds", "0")
    assert small.record("toy-one")["source"] != before and list(small.record("toy-one")["seeds"]) == ["0"]


def test_verify_stamps_an_edit_that_changed_no_number(small):
    folder = small.add("toy-one")
    small("record", "toy-one", "--seeds", "0-2")
    small("pages")
    script = folder / "toy_one.py"
    script.write_text(script.read_text() + "# a comment\n")
    assert "recorded under other code" in small("pages", "--check").stdout
    assert small("record", "--verify", "toy-one").returncode == 0
    assert len(small.record("toy-one")["seeds"]) == 3
    small("pages")  # verify also measures the seconds anew
    assert small("pages", "--check").returncode == 0
    script.write_text(script.read_text().replace("config.seed / 7", "config.seed / 7 + 1e-12"))
    done = small("record", "--verify", "toy-one")
    assert done.returncode == 2 and "score changed" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_crashing_seed_is_recorded_and_stops_nothing(small):
    small.add("toy-one", "1 / (config.seed - 1)")
    small.add("toy-two")
    done = small("record", "--all", "--seeds", "0-2")
    assert done.returncode == 1 and "toy-one seed 1" in done.stdout + done.stderr
    assert "ZeroDivisionError" in small.record("toy-one")["seeds"]["1"]["error"]
    assert all("metrics" in small.record(slug)["seeds"][seed] for slug in ("toy-one", "toy-two") for seed in "02")
    assert small("pages").returncode == 0
    assert "Seed 1 did not finish" in (small.root / "toy-one/README.md").read_text()


def test_a_stub_that_writes_no_json_or_dies_is_an_error_not_a_crash(small):
    small.add("toy-one", "os._exit(0)")
    small.add("toy-two", "os.kill(os.getpid(), 9)")
    assert small("record", "--all", "--seeds", "0").returncode == 1
    assert "no usable JSON" in small.record("toy-one")["seeds"]["0"]["error"]
    assert "-9" in small.record("toy-two")["seeds"]["0"]["error"]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_record_killed_at_random_moments_loses_only_runs_in_flight(small):
    folder = small.add("toy-one", "time.sleep(0.05)")
    kept, pauses = set(), random.Random(0)
    for _ in range(6):
        process = small.start("record", "toy-one", "--seeds", "0-11", "--jobs", "2", start_new_session=True)
        time.sleep(0.3 + pauses.random())
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if (folder / "results.json").exists():
            seeds = set(small.record("toy-one")["seeds"])  # valid JSON at any moment
            assert kept <= seeds
            kept = seeds
    assert small("record", "toy-one", "--seeds", "0-11").returncode == 0
    assert len(small.record("toy-one")["seeds"]) == 12


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_interrupted_with_ctrl_c_it_says_so_and_resumes(small):
    small.add("toy-one", "time.sleep(0.2)")
    # a test run in the background may have been started with SIGINT ignored, which children inherit
    process = small.start("record", "toy-one", "--seeds", "0-9", "--jobs", "1", start_new_session=True,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    time.sleep(2.0)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in error
    done = len(small.record("toy-one")["seeds"])
    assert done < 10 and small("record", "toy-one", "--seeds", "0-9").returncode == 0


def test_two_recorders_at_once_lose_nothing(small):
    small.add("toy-one", "time.sleep(0.02)")
    both = [small.start("record", "toy-one", "--seeds", seeds, "--jobs", "2") for seeds in ("0,2,4,6,8,10", "1,3,5,7,9,11")]
    for process in both:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
    assert list(small.record("toy-one")["seeds"]) == [str(seed) for seed in range(12)]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seeds": 3}', "\x00\x01"])
def test_a_corrupt_record_is_named_by_pages_and_replaced_by_record(small, content):
    folder = small.add("toy-one")
    (folder / "results.json").write_text(content)
    done = small("pages")
    assert done.returncode == 2 and "toy-one" in done.stderr and len(done.stderr.splitlines()) == 1
    assert small("record", "toy-one", "--seeds", "0").returncode == 0
    assert small("pages").returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_leaves_the_old_record(small):
    """The neighbouring file that a record is written to is made to fail with ENOSPC."""
    folder = small.add("toy-one")
    small("record", "toy-one", "--seeds", "0")
    before = (folder / "results.json").read_bytes()
    code = ("import os, sys; os.symlink('/dev/full', f'toy-one/.results.json.{os.getpid()}.part'); from catalog.__main__ import main; "
            "sys.exit(main(['record', 'toy-one', '--seeds', '1']))")
    done = subprocess.run([sys.executable, "-c", code], cwd=small.root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "No space left" in done.stderr and "Traceback" not in done.stderr
    assert (folder / "results.json").read_bytes() == before and leftovers(folder) == []


def test_code_that_changes_while_it_runs_is_not_recorded(small):
    small.add("toy-one", "open('toy-one/toy_one.py', 'a').write('# edited while running\\n')")
    done = small("record", "toy-one", "--seeds", "0")
    assert done.returncode == 2 and "changed while seed 0 ran" in done.stderr
    assert not (small.root / "toy-one/results.json").exists()


# --- pages ---
def test_verdicts_follow_from_the_record(small):
    folder = small.add("toy-one")
    small("record", "toy-one", "--seeds", "0-3")

    def verdict(**changes):
        record = small.record("toy-one")
        record["seeds"]["0"]["metrics"].update(changes.get("zero", {}))
        for seed in changes.get("bad", ()):
            record["seeds"][seed]["metrics"]["score"] = changes.get("value", 0.1)
        original = (folder / "results.json").read_text()
        (folder / "results.json").write_text(json.dumps(record))
        answer = json.loads(small("list", "--json").stdout)[0]["verdict"]
        (folder / "results.json").write_text(original)
        return answer

    assert verdict() == "yes"
    assert verdict(bad="3") == "yes" and verdict(bad="23") == "partial", "ROBUST asks for 2 of 3"
    assert verdict(bad="23", value=None) == "partial"
    assert verdict(zero={"lag": 6}) == "partial" and verdict(zero={"lag": None}) == "partial"
    assert verdict(zero={"score": 0.1}) == "no" and verdict(zero={"score": None}) == "no"


def test_pages_write_once_and_check_finds_every_change(small):
    small.add("toy-one")
    small.add("toy-two")
    assert small("pages").returncode == 0 and "not recorded" in (small.root / "README.md").read_text()
    assert "no record" in small("pages", "--check").stdout
    small("record", "--all", "--seeds", "0-3")
    assert "RESULTS.md" in small("pages", "--check").stdout
    assert "wrote RESULTS.md" in small("pages").stdout
    assert small("pages").stdout == "" and small("pages", "--check").returncode == 0
    for page in ("README.md", "RESULTS.md", "RESULTS.csv", "VISUAL_TOUR.md", "toy-two/README.md"):
        path = small.root / page
        text = path.read_text()
        path.write_text(text.replace("1995", "1996").replace("toy-two", "toy-too").replace("| 1 |", "| 2 |"))
        if path.read_text() != text:
            assert page in small("pages", "--check").stdout, page
            path.write_text(text)
    assert "3 of 3 [0.44, 1.00]" in (small.root / "RESULTS.md").read_text()


def test_pages_want_their_markers(small):
    folder = small.add("toy-one")
    (folder / "README.md").write_text("# toy-one\n")
    done = small("pages")
    assert done.returncode == 2 and "<!-- results -->" in done.stderr and len(done.stderr.splitlines()) == 1


def test_family_pages_list_their_members(small):
    small.add("toy-one")
    small("record", "toy-one", "--seeds", "0-3")
    (small.root / "families").mkdir()
    page = small.root / "families/toys.md"
    page.write_text("# Toys\n\n<!-- members: toy-one -->\n\n<!-- family -->\n<!-- /family -->\n")
    assert "wrote families/toys.md" in small("pages").stdout
    assert "| [toy-one](../toy-one/) | A. Author 1995 | yes | `score` | 1 | >= 0.5 | 0.5 |" in page.read_text() and "`lag`" in page.read_text()
    page.write_text(page.read_text().replace("members: toy-one", "members: toy-none"))
    assert "no stub 'toy-none'" in small("pages").stderr


# --- blocks ---
def test_blocks_write_refreshes_stale_copies(small):
    folder = small.add("toy-one")
    script = folder / "toy_one.py"
    text = script.read_text()
    script.write_text(text.replace('print("interrupted"', 'print("stopped"'))
    done = small("blocks", "--check")
    assert done.returncode == 1 and "toy-one/toy_one.py: block cli" in done.stdout
    assert "refreshed toy-one/toy_one.py" in small("blocks", "--write").stdout
    assert script.read_text() == text and small("blocks", "--check").returncode == 0
    script.write_text(text.replace("# --- block: cli ---", "# --- block: no_such ---"))
    assert "no block 'no_such'" in small("blocks", "--check").stderr
    script.write_text(text.replace("# --- end block ---", ""))
    assert "do not pair up" in small("blocks", "--check").stderr


# --- the command line ---
@pytest.mark.parametrize("words", [["record"], ["record", "no-such-stub"], ["record", "toy-one", "--all"], ["record", "--verify", "toy-one"],
                                   ["record", "toy-one", "--seeds", "3-1"], ["record", "toy-one", "--seeds", "x"], ["record", "toy-one", "--jobs", "0"],
                                   ["list", "--era", "1800"], ["blocks"], []], ids=" ".join)
def test_bad_words_exit_with_2_and_no_traceback(small, words):
    small.add("toy-one")
    done = small(*words)
    assert done.returncode == 2 and done.stderr and "Traceback" not in done.stderr


def test_every_command_has_help_with_an_example(small):
    for command in ("list", "record", "pages", "blocks"):
        done = small(command, "--help")
        assert done.returncode == 0 and f"example: python -m catalog {command}" in done.stdout


def test_a_stub_with_a_syntax_error_is_named(small):
    (small.add("toy-one") / "toy_one.py").write_text("def (:\n")
    done = small("list")
    assert done.returncode == 2 and "toy_one.py" in done.stderr and len(done.stderr.splitlines()) == 1


def test_list_follows_the_years():
    years = [stub.paper[1] for stub in discover()]
    assert years == sorted(years) and years


# --- statistics ---
def test_wilson_equals_published_values():
    """Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3."""
    for successes, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):
        np.testing.assert_allclose(statistics.wilson(successes, trials), (low, high), atol=6e-5)
    assert statistics.wilson(0, 0) == (0, 1) and statistics.wilson(10, 10)[1] == pytest.approx(1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_bootstrap_interval_lies_within_the_values_and_repeats(values):
    low, high = statistics.bootstrap_mean(values, resamples=200)
    slack = 1e-9 * max(map(abs, values))
    assert min(values) - slack <= low <= high <= max(values) + slack
    assert statistics.bootstrap_mean(values, resamples=200) == (low, high)


def test_bootstrap_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [statistics.bootstrap_mean(rng.normal(size=40), resamples=500) for _ in range(300)]
    assert 0.88 < np.mean([low <= 0 <= high for low, high in intervals]) < 0.99
