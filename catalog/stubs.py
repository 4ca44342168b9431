# SPDX-License-Identifier: Unlicense
"""Finding stubs and reading what they say of themselves."""
import ast
import functools
import hashlib
import importlib
import json
import operator
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPERATORS = {"<=": operator.le, ">=": operator.ge}
# Chapters of the catalogue, by the year of the paper.
ERAS = {
    "1989-1993": "Local rules, differentiable worlds, fast weights and history compression",
    "1994-1998": "Search, program evolution and the first LSTM",
    "1999-2009": "LSTM grows up, universal search, evolution of recurrent nets",
    "2010-2016": "Deep feedforward nets, highways, clocks",
    "2017-2025": "World models, perceptual grouping, transformers as fast weight programmers",
}


class CatalogError(Exception):
    """Something a user can mend; the command line prints it as one line and exits with status 2."""


class Stub:
    """One folder of the catalogue. What its main file defines is read on first use: stub.HEADLINE, stub.Config, stub.run, ..."""

    def __init__(self, slug):
        self.slug, self.name, self.folder = slug, slug.replace("-", "_"), ROOT / slug
        self.script = self.folder / f"{self.name}.py"

    @functools.cached_property
    def module(self):
        folder = str(self.folder)
        if folder not in sys.path:
            sys.path.append(folder)
        return importlib.import_module(self.name)

    def __getattr__(self, name):
        if name.startswith("_"):  # copying and pickling ask for names that the module must not answer
            raise AttributeError(name)
        return getattr(self.module, name)

    @functools.cached_property
    def docstring(self):
        try:
            return ast.get_docstring(ast.parse(self.script.read_text(encoding="utf-8"))) or ""
        except SyntaxError as error:
            raise CatalogError(f"{self.script}: {error}") from None

    @functools.cached_property
    def paper(self):
        """(authors, year, title) from the docstring's line `Paper: <authors> (<year>). <title>. <venue>.`"""
        found = re.search(r"Paper: (.+?) \((\d{4})\)\. (.+?)[.?!] ", " ".join(self.docstring.split()))
        if not found:
            raise CatalogError(f"{self.script}: no line 'Paper: <authors> (<year>). <title>. <venue>.' in its docstring")
        return found[1], int(found[2]), found[3]

    @property
    def era(self):
        return next(era for era in ERAS if era[:4] <= str(self.paper[1]) <= era[5:])

    @property
    def summary(self):
        """What the stub shows: the first line of its docstring, after the slug."""
        return self.docstring.splitlines()[0].partition(": ")[2]

    def source_hash(self, pictures=False):
        """SHA-256 over the folder's code that can change a number: not the cli block, nor (unless `pictures`) the two picture scripts."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.glob("*.py")):
            if pictures or path.name not in (f"visualize_{self.name}.py", f"make_{self.name}_gif.py"):
                code = path.read_text(encoding="utf-8")
                code = re.sub(r"^# --- block: cli ---$.*?^# --- end block ---$", "", code, flags=re.M | re.S)
                digest.update(f"{path.name}\n{code}\n".encode())
        return digest.hexdigest()

    def record(self):
        """results.json as a dict, {} when there is none."""
        path = self.folder / "results.json"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise CatalogError(f"{path}: not JSON ({error}); record the stub again") from None
        if not isinstance(record, dict) or not isinstance(record.get("seeds"), dict):
            raise CatalogError(f"{path}: not a record (no seeds); record the stub again")
        return record

    def lines_of_code(self):
        """Lines of the main file without blocks, docstrings, comments and blank lines."""
        code = self.script.read_text(encoding="utf-8")
        code = re.sub(r"^# --- block: .*? ---$.*?^# --- end block ---$", "", code, flags=re.M | re.S)
        code = re.sub(r'^ *""".*?"""$', "", code, flags=re.M | re.S)
        return sum(1 for line in code.splitlines() if line.strip() and not line.strip().startswith("#"))


def folders():
    """The stubs in no order; nothing of them is read."""
    return [Stub(path.parent.name) for path in ROOT.glob("*/*.py") if path.stem == path.parent.name.replace("-", "_")]


def discover():
    """All stubs in catalogue order: by year of the paper, then by name."""
    return sorted(folders(), key=lambda stub: (stub.paper[1], stub.slug))


def named(slugs):
    """The stubs with these slugs, in the order given; a CatalogError names the first that does not exist."""
    found = {stub.slug: stub for stub in folders()}  # an unfinished neighbour does no harm
    for slug in slugs:
        if slug.strip("/") not in found:
            raise CatalogError(f"no stub '{slug}' (python -m catalog list shows all)")
    return [found[slug.strip("/")] for slug in slugs]


def holds(metrics, bars):
    """Whether every (metric: (op, bar, ...)) holds; a metric that is missing or None fails every bar."""
    return all(metrics.get(name) is not None and OPERATORS[op](metrics[name], bar) for name, (op, bar, *_) in bars.items())
