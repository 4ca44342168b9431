# SPDX-License-Identifier: Unlicense
"""The book, built by a real mdbook: every link of every page resolves, and a real browser shows it, searches it and reports no error."""
import functools
import html.parser
import http.server
import json
import os
import re
import select
import shutil
import subprocess
import threading
import time
import urllib.parse

import pytest

from catalog import book
from catalog.stubs import ROOT, discover

MDBOOK = os.environ.get("MDBOOK") or shutil.which("mdbook")
CHROMIUM = shutil.which("chromium")
FLAGS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
         "--disable-sync --disable-dev-shm-usage --remote-debugging-pipe").split()
# Files of mdBook's own that Debian's package leaves out, though its pages ask for them.
LEFT_OUT = ("fonts/fonts.css", "book.js")


def test_sources_are_unchanged_copies_in_catalogue_order(tmp_path):
    (tmp_path / "left-over.md").touch()
    written = book.write(tmp_path)
    assert sorted(written) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    *copies, summary = written
    for copy in copies:
        assert copy.read_bytes() == (ROOT / copy.relative_to(tmp_path)).read_bytes(), copy
    chapters = re.findall(r"^- \[.+\]\((.+)\)$", summary.read_text(encoding="utf-8"), re.M)
    assert chapters[0] == "README.md" and len(set(chapters)) == len(chapters)
    assert [page for page in chapters if page.endswith("/README.md")] == [f"{stub.slug}/README.md" for stub in discover()]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the built book."""
    if not MDBOOK:
        pytest.skip("no mdbook: name it in MDBOOK or put it on the PATH")
    folder = tmp_path_factory.mktemp("book")
    book.write(folder / "src")
    shutil.copy(ROOT / "book.toml", folder)
    done = subprocess.run([MDBOOK, "build", folder], capture_output=True, text=True, timeout=120)
    words = done.stdout + done.stderr
    assert done.returncode == 0 and "WARN" not in words and "ERROR" not in words, words
    return folder / "book"


class Page(html.parser.HTMLParser):
    """What a built page holds: all its ids, and the links and images inside <main>."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.targets, self.inside = set(), [], False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.inside |= tag == "main"
        self.ids |= {attributes.get("id")} - {None}
        if self.inside:
            self.targets += [attributes[name] for name in ("href", "src") if attributes.get(name)]

    def handle_endtag(self, tag):
        self.inside &= tag != "main"


def test_every_link_image_and_anchor_of_the_built_book_resolves(built):
    pages = {path: Page(path) for path in built.rglob("*.html")}
    chapters = re.findall(r"\]\((.+)\.md\)", book.summary())
    assert {built / f"{chapter}.html".replace("README", "index") for chapter in chapters} <= set(pages)
    assert len([target for page in pages.values() for target in page.targets]) > 5 * len(chapters), "the links of the pages were not found"
    for path, page in pages.items():
        for target in page.targets:
            url = urllib.parse.urlsplit(target)
            if url.scheme or url.netloc:
                continue
            found = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
            found = found / "index.html" if found.is_dir() else found
            assert found.is_file() and found.is_relative_to(built.resolve()), f"{path.relative_to(built)}: {target}"
            assert not url.fragment or urllib.parse.unquote(url.fragment) in pages[found].ids, f"{path.relative_to(built)}: {target}"


class Browser:
    """Headless Chromium, driven over its DevTools pipe: NUL-ended JSON, commands into its descriptor 3, replies and events out of 4."""

    def __init__(self, profile):
        command_end, self.commands = os.pipe()
        self.messages, message_end = os.pipe()
        # bash moves the pipes to 3 and 4: a preexec_fn would not be safe beside the threads of the web server and of xdist
        shell = ["bash", "-c", f'exec "$@" 3<&{command_end} 4>&{message_end}', "bash"]
        self.process = subprocess.Popen([*shell, CHROMIUM, *FLAGS, f"--user-data-dir={profile}"], pass_fds=(command_end, message_end),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(command_end)
        os.close(message_end)
        self.received, self.events, self.count, self.session = b"", [], 0, {}

    def start(self):
        """Open an empty page and listen to it."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def receive(self, seconds=60):
        """The next message."""
        while b"\0" not in self.received:
            ready, _, _ = select.select([self.messages], [], [], seconds)
            more = os.read(self.messages, 1 << 20) if ready else b""
            assert more, f"chromium said nothing for {seconds} s" if not ready else "chromium ended"
            self.received += more
        message, _, self.received = self.received.partition(b"\0")
        return json.loads(message)

    def send(self, method, **params):
        """Send a command; returns its result. Events that come first are kept."""
        self.count += 1
        os.write(self.commands, json.dumps({"id": self.count, "method": method, "params": params, **self.session}).encode() + b"\0")
        while (message := self.receive()).get("id") != self.count:
            self.events.append(message)
        assert "error" not in message, f"{method}: {message['error']}"
        return message["result"]

    def open(self, url):
        """Load a page with its images."""
        self.events = [event for event in self.events if event["method"] != "Page.loadEventFired"]
        answer = self.send("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())

    def value(self, expression):
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def errors(self):
        """What the console shows in red."""
        return [event for event in self.events if event["method"] == "Runtime.exceptionThrown"
                or event["method"] == "Runtime.consoleAPICalled" and event["params"]["type"] in ("error", "assert")
                or event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error"]

    def close(self):
        """Chromium ends, with all its processes, when its pipes close."""
        os.close(self.commands)
        os.close(self.messages)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def browser(tmp_path):
    if not CHROMIUM:
        pytest.skip("no chromium on the PATH")
    browser = Browser(tmp_path / "profile")
    try:
        try:
            browser.start()
        except (AssertionError, OSError) as error:
            pytest.skip(f"chromium does not start here: {error}")
        yield browser
    finally:
        browser.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def site(built):
    """The book on a port of this machine: its search does not work from files."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=built)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_browser_shows_and_searches_the_book(site, browser):
    stubs = discover()
    slug = next((stub.slug for stub in stubs if stub.slug == "flip-flop"), stubs[0].slug)
    for page, title in (("", "schmidhuber-problems"), (f"{slug}/", slug), ("VISUAL_TOUR.html", "Visual tour")):
        browser.open(site + page)
        assert browser.value("document.querySelector('main h1').innerText.trim()") == title
    shown = browser.value("[...document.querySelectorAll('main img')].map(image => [image.src, image.naturalWidth])")
    assert {image for image, width in shown if width} == {f"{site}{stub.slug}/{stub.name}.gif" for stub in stubs}

    browser.open(f"{site}?search={slug}")
    results, deadline = [], time.monotonic() + 30
    while not results and time.monotonic() < deadline:
        time.sleep(0.1)
        results = browser.value("[...document.querySelectorAll('[id$=searchresults] a')].map(link => link.href)")
    assert any(result.startswith(f"{site}{slug}/") for result in results), results
    asked = [site + name for name in LEFT_OUT]
    assert [event for event in browser.errors() if event["params"].get("entry", {}).get("url") not in asked] == []
