# SPDX-License-Identifier: Unlicense
"""Records belong to the code as it is, and pages say what the records say."""
import csv
import io
import re

from catalog import pages, render
from catalog.stubs import ROOT, discover


def test_records_and_pages_are_up_to_date():
    assert pages.check() == []


def test_every_number_in_results_md_is_in_results_csv():
    rows = list(csv.DictReader(io.StringIO((ROOT / "RESULTS.csv").read_text(encoding="utf-8"))))
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "RESULTS.md").read_text(encoding="utf-8").partition("## Every metric")[2], re.M)
    assert listed and {name for name in listed} <= {row["metric"] for row in rows}


def test_links_between_pages_resolve():
    files = [ROOT / "README.md", ROOT / "RESULTS.md", ROOT / "VISUAL_TOUR.md", ROOT / "SPEC.md", ROOT / "BUILD_NOTES.md",
             *ROOT.glob("families/*.md"), *(stub.folder / "README.md" for stub in discover())]
    for page in files:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if not target.startswith(("http://", "https://")):
                assert not target.endswith("README.md"), f"{page}: {target} (link the folder: GitHub and mdBook then agree)"
                assert (page.parent / target).exists(), f"{page}: {target}"


def test_pages_are_plain_utf8_with_unix_line_ends():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("*/README.md")]:
        assert b"\r" not in page.read_bytes(), page


def test_pictures_are_the_ones_that_were_rendered():
    assert [line for stub in discover() for line in render.altered(stub)] == []
