# SPDX-License-Identifier: Unlicense
"""flake.nix, evaluated over a small fake nixpkgs that knows just the names a dev shell may use: no network, no build."""
import json
import re
import shutil
import subprocess

import pytest

from catalog.stubs import ROOT

FLAKE = ROOT / "flake.nix"
SYSTEMS = {"x86_64-linux", "aarch64-linux", "x86_64-darwin", "aarch64-darwin"}
PYTHON = {"numpy", "matplotlib", "pillow", "pytest", "pytest-xdist", "hypothesis", "tqdm", "threadpoolctl", "filelock"}
TOOLS = {"mdbook", "ruff"}

# a package is its own name; a name outside these sets is an error of the evaluation, as a misspelt one is over the real nixpkgs
FAKE = """
let
  named = names: builtins.listToAttrs (map (name: { inherit name; value = name; }) names);
  genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
  pkgs = system: named [ %(tools)s ] // {
    python3.withPackages = choose: choose (named [ %(python)s ]);
    mkShell = shell: shell // { inherit system; };
  };
  nixpkgs = { lib = { inherit genAttrs; }; legacyPackages = genAttrs [ %(systems)s ] pkgs; };
  flake = import "%(flake)s";
in { inherit (flake) inputs; outputs = flake.outputs { self = { }; inherit nixpkgs; }; }
"""


@pytest.fixture(scope="module")
def flake(tmp_path_factory):
    nix = shutil.which("nix-instantiate")
    if not nix:
        pytest.skip("nix-instantiate not found (on Debian and Ubuntu: apt install nix-bin)")
    parts = {name: " ".join(f'"{word}"' for word in sorted(words)) for name, words in
             {"systems": SYSTEMS, "python": PYTHON, "tools": TOOLS}.items()}
    expression = tmp_path_factory.mktemp("nix") / "fake.nix"
    expression.write_text(FAKE % {**parts, "flake": FLAKE}, encoding="utf-8")
    done = subprocess.run([nix, "--store", "dummy://", "--eval", "--strict", "--json", str(expression)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nixpkgs_is_pinned_by_commit():
    urls = re.findall(r'\burl = "([^"]*)"', FLAKE.read_text(encoding="utf-8"))
    assert len(urls) == 1 and re.fullmatch(r"github:NixOS/nixpkgs/[0-9a-f]{40}", urls[0])


def test_a_shell_for_each_system(flake):
    assert flake["inputs"].keys() == {"nixpkgs"}
    assert flake["outputs"].keys() == {"devShells"}
    assert flake["outputs"]["devShells"].keys() == SYSTEMS
    for system, shells in flake["outputs"]["devShells"].items():
        python, *tools = shells["default"]["packages"]
        assert sorted(python) == sorted(PYTHON) and set(tools) == TOOLS
        assert shells["default"]["system"] == system


def test_the_shell_has_what_pyproject_names():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.findall(r'"([a-z-]+)>=', "".join(re.findall(r"^(?:dependencies|dev) = .*", text, re.M)))
    assert set(needed) == PYTHON | TOOLS - {"mdbook"}
