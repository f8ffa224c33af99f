"""The documentation as a site, once `sphinx-build -W docs site` has made it: links, search, keyboard and a phone, in a browser."""

import functools
import http.server
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.helpers import CHROMIUM

SITE = Path(__file__).parents[1] / "site"
pytestmark = pytest.mark.skipif(
    not (SITE / "index.html").exists(), reason="the site is not built: sphinx-build -W docs site"
)


class Links(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        of = dict(attributes)
        self.ids |= {of[name] for name in ("id", "name") if of.get(name)}
        self.links += [of[name] for name in ("href", "src") if of.get(name)]


def test_every_link_within_the_site_leads_somewhere():
    pages = {path.resolve(): Links(path) for path in SITE.rglob("*.html")}
    broken = []
    for page, found in pages.items():
        for link in found.links:
            if re.match(r"[a-z]+:", link):
                continue
            path, _, place = link.partition("#")
            target = (page.parent / unquote(path.partition("?")[0])).resolve() if path else page
            if not target.exists() or (place and target in pages and unquote(place) not in pages[target].ids):
                broken.append(f"{page.relative_to(SITE.resolve())}: {link}")
    assert broken == []


@pytest.fixture(scope="module")
def address():
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def page(address):
    """A page whose console must be free of errors and whose requests must all go to the site."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened, wrong = browser.new_page(viewport={"width": 1280, "height": 900}), []
        opened.set_default_timeout(60_000)
        opened.on(
            "console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None
        )
        opened.on(
            "request", lambda request: None if request.url.startswith((address, "data:")) else wrong.append(request.url)
        )
        yield opened
        browser.close()
        assert wrong == []


def test_the_search_finds_a_page_and_a_layer(page, address):
    for words, found in (("conformal", "probabilities.html"), ("MaxPool2d", "reference/pysmorch.MaxPool2d.html")):
        page.goto(f"{address}search.html?q={words}")
        page.wait_for_selector(f'#search-results a[href*="{found}"]')


def test_pages_fit_a_phone_and_their_links_are_reached_by_the_keyboard(page, address):
    page.set_viewport_size({"width": 360, "height": 740})
    for name in ("index", "data", "engine", "faq", "gallery/decision_boundary", "reference/pysmorch.Classifier"):
        page.goto(f"{address}{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") in ("A", "BUTTON", "LABEL", "INPUT")
