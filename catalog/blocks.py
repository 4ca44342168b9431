# SPDX-License-Identifier: Unlicense
"""`catalog blocks`: pieces that several stubs need live once in blocks/, and stubs hold verbatim copies between marker lines."""
import re

from catalog.record import write_atomically
from catalog.stubs import ROOT, CatalogError

BLOCK = re.compile(r"^# --- block: (\w+) ---$\n.*?^# --- end block ---$", re.M | re.S)


def canonical():
    """{name: text from marker to marker} of blocks/<name>.py."""
    found = {}
    for path in sorted((ROOT / "blocks").glob("*.py")):
        blocks = list(BLOCK.finditer(path.read_text(encoding="utf-8")))
        if [block[1] for block in blocks] != [path.stem]:
            raise CatalogError(f"{path}: must hold exactly one block, named {path.stem}")
        found[path.stem] = blocks[0][0]
    return found


def copies():
    """(path, block name, whether it equals the canonical text) for every copy in a stub folder."""
    source, found = canonical(), []
    for path in sorted(path for path in ROOT.glob("*/*.py") if path.parent.name not in ("blocks", "catalog", "tests")):
        text = path.read_text(encoding="utf-8")
        blocks = list(BLOCK.finditer(text))
        if len(blocks) != len(re.findall(r"^# --- (?:block: |end block)", text, re.M)) / 2:
            raise CatalogError(f"{path}: a block's marker lines do not pair up")
        for block in blocks:
            if block[1] not in source:
                raise CatalogError(f"{path}: no block '{block[1]}' in blocks/")
            found.append((path, block[1], block[0] == source[block[1]]))
    return found


def check():
    """The copies that differ from their block, as lines for people."""
    return [f"{path.relative_to(ROOT).as_posix()}: block {name} differs from blocks/{name}.py" for path, name, same in copies() if not same]


def write():
    """Refresh every stale copy; returns the files changed."""
    source, stale = canonical(), sorted({path for path, _, same in copies() if not same})
    for path in stale:
        write_atomically(path, BLOCK.sub(lambda block: source[block[1]], path.read_text(encoding="utf-8")))
    return stale
