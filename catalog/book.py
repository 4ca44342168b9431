# SPDX-License-Identifier: Unlicense
"""`catalog book`: the sources of the book in src/. Pages and pictures are copied unchanged, and SUMMARY.md gives them their order."""
import re
import shutil

from catalog.record import write_atomically
from catalog.stubs import ERAS, ROOT, CatalogError, discover


def parts():
    """[(title or None, pages)]: the parts of the book with their chapters in order."""
    stubs = discover()
    front = [ROOT / name for name in ("README.md", "RESULTS.md", "MOVEMENT.md", "VISUAL_TOUR.md")]
    eras = [(f"{era}: {title}", [stub.folder / "README.md" for stub in stubs if stub.era == era]) for era, title in ERAS.items()]
    families = sorted((ROOT / "families").glob("*.md"))
    back = [ROOT / name for name in ("SPEC.md", "BUILD_NOTES.md")]
    return [(title, pages) for title, pages in [(None, front), *eras, ("Families", families), ("How it is made", back)] if pages]


def chapter(page):
    """The page's line in SUMMARY.md; its title is the page's first line."""
    first = page.read_text(encoding="utf-8").partition("\n")[0] if page.exists() else ""
    if not first.startswith("# "):
        raise CatalogError(f"{page}: must exist and begin with '# ' and its title")
    title = "Home" if page == ROOT / "README.md" else first[2:].strip()
    return f"- [{title}]({page.relative_to(ROOT).as_posix()})"


def summary():
    """SUMMARY.md: the book's table of contents."""
    lines = ["# Summary", ""]
    for title, pages in parts():
        lines += [f"# {title}", ""] if title else []
        lines += [*map(chapter, pages), ""]
    return "\n".join(lines)


def linked_files(page):
    """The files that a page shows or links: pictures, tables, code. Other pages are chapters, and folders are pages of their own."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    targets = {(page.parent / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target}
    return {target for target in targets if target.is_file() and target.suffix != ".md" and target.is_relative_to(ROOT)}


def write(folder=ROOT / "src"):
    """Write the book's sources afresh; returns the files written."""
    contents = summary()  # fails, if it must, before anything is removed
    pages = [page for _, pages in parts() for page in pages]
    files = sorted({*pages, *(file for page in pages for file in linked_files(page))})
    shutil.rmtree(folder, ignore_errors=True)
    for file in files:
        copy = folder / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    write_atomically(folder / "SUMMARY.md", contents)
    return [*(folder / file.relative_to(ROOT) for file in files), folder / "SUMMARY.md"]
