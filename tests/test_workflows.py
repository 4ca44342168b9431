# SPDX-License-Identifier: Unlicense
"""The GitHub workflows: pins, permissions and the promised versions; and what actionlint, check-jsonschema and zizmor say, where they are installed."""
import re
import shutil
import subprocess

import pytest

from catalog.stubs import ROOT

FOLDER = ROOT / ".github" / "workflows"
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.y*ml"))}
CHECKERS = {"actionlint": [], "check-jsonschema": ["--builtin-schema", "vendor.github-workflows"], "zizmor": ["--offline", "--no-progress"]}


def jobs(text):
    """{name: its lines} of a workflow; the files keep to two spaces a level."""
    parts = re.split(r"^  ([\w-]+):.*\n", text.partition("\njobs:\n")[2], flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def permissions(job):
    block = re.search(r"^    permissions:\n((?:      .*\n)+)", job, re.M)
    return dict(re.findall(r"^ +([\w-]+): (\w+)", block.group(1), re.M)) if block else None


def test_the_workflows_are_there():
    assert TEXTS.keys() == {"ci.yml", "pages.yml"}
    assert jobs(TEXTS["ci.yml"]).keys() == {"check", "elsewhere", "headline"}
    assert jobs(TEXTS["pages.yml"]).keys() == {"build", "deploy"}


def test_actions_are_pinned_by_commit():
    uses = [line for text in TEXTS.values() for line in re.findall(r"^.*\buses\b.*$", text, re.M)]
    pins = {}
    for line in uses:
        pinned = re.fullmatch(r" +(?:- )?uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line)
        assert pinned, line
        pins.setdefault(pinned[1], set()).add(pinned.groups()[1:])
    assert uses and all(len(versions) == 1 for versions in pins.values()), pins  # one commit an action, in every file


def test_permissions_are_the_least():
    for name, text in TEXTS.items():
        assert re.search(r"^permissions: \{\}$", text, re.M), name
        for job, lines in jobs(text).items():
            assert permissions(lines) == ({"pages": "write", "id-token": "write"} if job == "deploy" else {"contents": "read"}), (name, job)
        assert text.count("actions/checkout@") == text.count("persist-credentials: false"), name
        assert not re.search(r"pull_request_target|secrets\.|write-all|read-all", text), name


def test_expressions_stay_out_of_scripts():
    for name, text in TEXTS.items():
        for script in re.findall(r"run: (\|\n(?: {10,}.*\n|\n)+|.*\n)", text):
            assert "${{" not in script, (name, script)


def test_versions_are_the_promised_ones():
    ci = jobs(TEXTS["ci.yml"])
    matrix = re.findall(r'- \{ python: "([\d.]+)", numpy: "([^"]+)" \}', ci["check"])
    assert matrix == [("3.10", "numpy==1.26.*"), ("3.12", "numpy==1.26.*"), ("3.11", "numpy"), ("3.13", "numpy")]
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.10"' in pyproject and '"numpy>=1.26"' in pyproject  # the first pair is the oldest that is supported
    assert "os: [macos-latest, windows-latest]" in ci["elsewhere"] and "run: make" not in ci["elsewhere"]


def test_triggers_and_what_runs():
    assert re.search(r"^on:\n  push:\n  schedule:\n    - cron: .*\n  workflow_dispatch:\n", TEXTS["ci.yml"], re.M)
    ci = jobs(TEXTS["ci.yml"])
    for words in ("ruff check .", "tests/test_contract.py", '-m "not headline"'):
        assert words in ci["check"], words
    assert "if: github.event_name == 'push'" in ci["check"] and "if: github.event_name == 'push'" in ci["elsewhere"]
    assert "if: github.event_name != 'push'" in ci["headline"]
    assert "run: make test\n" in ci["headline"] and "path: RESULTS.csv" in ci["headline"]
    build = jobs(TEXTS["pages.yml"])["build"]
    assert re.search(r"SHA256: [0-9a-f]{64}\n", build) and "sha256sum --check --strict" in build
    assert build.index("python -m catalog book") < build.index("mdbook build")


@pytest.mark.parametrize("checker", CHECKERS)
def test_checker(checker):
    program = shutil.which(checker)
    if not program:
        pytest.skip(f"{checker} is not installed")
    done = subprocess.run([program, *CHECKERS[checker], *map(str, (FOLDER / name for name in TEXTS))], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
