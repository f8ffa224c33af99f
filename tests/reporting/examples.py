"""Models and pages that tests of reports share."""

import itertools
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np

import pysmorch as ps

QUICK = {"preset": "fast", "hidden": [8], "epochs": 3, "random_state": 0}
VOID = {"meta", "img", "br", "link", "input"}


def rows(count=90, seed=0):
    """Three columns, a class that the first one tells, and a number."""
    rng = np.random.RandomState(seed)
    X = rng.randn(count, 3)
    return X, np.where(X[:, 0] > 0, "up", "down"), 2 * X[:, 0] + rng.randn(count)


def classifier():
    X, y, _ = rows()
    return ps.Classifier(**QUICK).fit(X, y)


def regressor(**options):
    X, _, z = rows()
    return ps.Regressor(**(QUICK | options)).fit(X, z)


class Page(HTMLParser):
    """What is in a page: text of elements, headings, tables, and whether all elements are closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.headings, self.ids, self.addresses, self.words, self.figures = [], [], [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self.addresses += [attributes[name] for name in ("src", "href") if name in attributes]
        if tag == "figure":
            self.figures.append([])
        for figure in self.figures[-1:] if "figure" in self.open else []:
            figure.append(tag)
        if tag not in VOID:
            self.open.append(tag)
            if re.fullmatch(r"h\d", tag):
                self.headings.append((int(tag[1]), ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open or "style" in self.open:
            return
        self.words.append(data)
        if self.open and re.fullmatch(r"h\d", self.open[-1]):
            level, words = self.headings[-1]
            self.headings[-1] = level, words + data

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def checked(report):
    """The page of a report, after what holds for every one of them."""
    html = report.html
    page = Page(html)
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), "a heading skips a level"
    assert len(set(page.ids)) == len(page.ids)
    assert all(
        address.startswith(("#", "data:image/png;base64,", "data:image/jpeg;base64,")) for address in page.addresses
    )
    links = [address[1:] for address in page.addresses if address.startswith("#")]
    assert set(links) <= set(page.ids)
    for figure in page.figures:
        assert "svg" in figure
        assert "table" in figure, "a picture has no table"
        assert "figcaption" in figure
    for picture in re.findall(r"<svg xmlns.*?</svg>", html, re.DOTALL):
        ElementTree.fromstring(picture)
    assert "nan" not in re.findall(r'="([^"]*)"', " ".join(re.findall(r"<svg xmlns.*?</svg>", html, re.DOTALL)))
    assert len(html.encode()) <= 1_500_000
    return page
