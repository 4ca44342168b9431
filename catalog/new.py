# SPDX-License-Identifier: Unlicense
"""`catalog new`: a stub folder from a template that runs, draws and passes the contract test as soon as it is recorded."""
import re
from pathlib import Path

from catalog.blocks import canonical
from catalog.render import draw
from catalog.stubs import ROOT, CatalogError, Stub

TEMPLATE = Path(__file__).parent / "template"


def new(slug, title, paper):
    """Write <slug>/ and its test, and draw its pictures -> the files written."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", slug):
        raise CatalogError(f"'{slug}' is not a slug: lower-case words and digits, joined by hyphens")
    if not re.fullmatch(r".+ \(\d{4}\)\. .+[.?!] .+\.", paper) or not (paper + title).isascii():
        raise CatalogError("--paper is not like 'A. Author (1995). Title. Venue 1(2):3-4.', in ASCII")
    if not re.search(r"[.?!]$", title):
        raise CatalogError("--title says in a sentence what the stub shows: it ends in a full stop")
    stub = Stub(slug)
    files = {stub.script: "main.py.txt", stub.folder / f"visualize_{stub.name}.py": "visualize.py.txt", stub.folder / f"make_{stub.name}_gif.py": "make_gif.py.txt",
             stub.folder / "README.md": "readme.md", ROOT / "tests/stubs" / f"test_{stub.name}.py": "test.py.txt"}
    taken = [path for path in (stub.folder, *files) if path.exists()]
    if taken:
        raise CatalogError(f"{taken[0]} exists already")
    (stub.folder / "viz").mkdir(parents=True)
    for path, template in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (TEMPLATE / template).read_text(encoding="utf-8")
        path.write_text(text.format(slug=slug, name=stub.name, title=title, paper=paper, **canonical()), encoding="utf-8", newline="\n")
    draw(stub, stub.folder)
    return [*files, *sorted((stub.folder / "viz").glob("*.png")), stub.folder / f"{stub.name}.gif"]
