"""Tables and pages of a class."""

import csv
import io
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pysmorch.teach import FileReport, GradeReport, Result
from pysmorch.teach.classroom import (
    Graded,
    Row,
    as_csv,
    as_data,
    as_gradescope,
    class_page,
    mistakes_of,
    overview,
    rows_of,
    student_page,
    write_pages,
)
from pysmorch.teach.classroom.pages import page_names
from pysmorch.teach.classroom.rows import WHOLE
from tests.helpers import CHROMIUM

ODD = "<script>alert(1)</script>&'\""


def class_report(name, *causes):
    """A class with a test for each cause, worth 2 points; an empty cause is a test that passed."""
    results = [
        Result(f"test {i}", "care", not cause, 0 if cause else 2, 2, cause, "x  1" if cause else "", "Look." if cause else "")
        for i, cause in enumerate(causes)
    ]  # fmt: skip
    return GradeReport(name, results)


def row(name, *reports, problem="", flags=()):
    return Row(name, FileReport(f"{name}.py", list(reports), problem), list(flags))


ROWS = [
    row("al", class_report("Relu", "", ""), class_report("Bias", "", "")),
    row("bo", class_report("Relu", "No mask, in line 3: x.", "No mask, in line 3: x."), class_report("Bias", "", "Mean.")),
    row("=cy", class_report("Relu", "", "No mask, in line 9: y."), class_report("Bias", "A sum.", "Mean."), flags=[ODD]),
    row("di", class_report("Relu", "No text.", "No text."), class_report("Bias", "No text.", "No text."), problem="No text."),
]  # fmt: skip


def test_a_mistake_counts_once_for_a_student_whatever_the_line():
    found = [(mistake.name, mistake.cause, mistake.students) for mistake in mistakes_of(ROWS)]
    assert found == [
        ("Relu", "No mask", ["bo", "=cy"]),
        ("Bias", "Mean", ["bo", "=cy"]),
        ("Bias", "A sum", ["=cy"]),
        (WHOLE, "No text", ["di"]),
    ]


def test_the_overview_counts_and_averages():
    assert overview(ROWS) == "4 submissions, 1 all right; of 8 points the mean is 3, the median 2"


def test_equal_code_of_different_students_is_flagged_where_it_got_points():
    reports = [r.report for r in (ROWS[0], ROWS[0], ROWS[1], ROWS[3], ROWS[3], ROWS[0])]
    graded = [Graded(report, digest) for report, digest in zip(reports, "aabccd", strict=True)]
    rows = rows_of(["al", "bo", "cy", "di", "ed", "fy"], graded)
    assert [r.flags for r in rows] == [
        ["the same code as bo, but for comments and layout"],
        ["the same code as al, but for comments and layout"],
        [],
        [],
        [],
        [],
    ]
    assert [r.flags for r in rows_of(["al/hw1", "al/hw2"], graded[:2])] == [[], []]


def test_the_table_has_a_line_for_each_and_no_formulas():
    table = list(csv.DictReader(io.StringIO(as_csv(ROWS).decode())))
    assert [line["name"] for line in table] == ["al", "bo", "'=cy", "di"]
    assert [(line["points"], line["max_points"], line["Relu"], line["Bias"]) for line in table] == [
        ("8", "8", "4", "4"),
        ("2", "8", "0", "2"),
        ("2", "8", "2", "0"),
        ("0", "8", "0", "0"),
    ]
    assert table[2]["flags"] == ODD
    assert table[3]["problem"] == "No text."


def test_the_data_are_json_and_have_all():
    data = json.loads(json.dumps(as_data(ROWS)))
    assert (data["points"], data["max_points"], data["passed"]) == (12, 32, False)
    assert [file["name"] for file in data["files"]] == ["al", "bo", "=cy", "di"]
    assert data["mistakes"][0] == {"class": "Relu", "cause": "No mask", "students": ["bo", "=cy"]}


def test_gradescope_gets_scores_that_add_up():
    data = as_gradescope(ROWS[1].report)
    assert data["score"] == sum(test["score"] for test in data["tests"]) == 2
    assert sum(test["max_score"] for test in data["tests"]) == 8
    assert data["tests"][0] == {
        "name": "Relu: test 0",
        "number": "1.1",
        "score": 0,
        "max_score": 2,
        "status": "failed",
        "output": "No mask, in line 3: x.\nx  1\nHint: Look.",
        "output_format": "text",
    }
    assert as_gradescope(ROWS[3].report)["output"] == "No text."


class Page(HTMLParser):
    """Checks that tags are closed in their order, and collects links and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.text, self.tags = [], [], "", set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def test_pages_are_well_formed_and_need_nothing_from_elsewhere(tmp_path):
    page = write_pages(tmp_path / "pages", "Home & work", ROWS)
    found = Page(page.read_text())
    assert all((page.parent / link).is_file() for link in found.links)
    assert len(set(found.links)) == 4
    for path in (page.parent / "students").iterdir():
        assert Page(path.read_text()).links == []
    assert "script" not in found.tags
    assert "Home & work" in found.text
    assert f"{ODD}." in found.text
    assert "2 of 4 (50 %)" in found.text
    assert "No mask" in found.text


def test_the_page_of_a_student_names_no_other_and_no_flag():
    text = Page(student_page(ROWS[2])).text
    assert "2 of 8 points" in text
    assert "No mask, in line 9: y." in text
    assert "Hint: Look." in text
    assert ODD not in text
    assert "bo" not in text


def test_a_cause_is_explained_once_on_a_page():
    text = Page(student_page(ROWS[1])).text
    assert text.count("No mask") == 1
    assert "For the same reason as: test 0." in text


def test_a_class_in_which_all_is_right_has_a_page_too():
    text = Page(class_page("x", ROWS[:1], ["a.html"])).text
    assert "Nobody got anything wrong." in text
    assert "To look at" not in text


def test_names_of_pages_are_different_on_every_system():
    names = page_names(["Al", "al", "../al", "é", "", "x" * 300, "a/b", "al_2"])
    assert names[:5] == ["Al.html", "al_2.html", "al_3.html", "student.html", "student_2.html"]
    assert len({name.lower() for name in names}) == 8
    assert all(len(name) < 80 and os.sep not in name for name in names)


@pytest.mark.parametrize("width", [360, 1280])
def test_pages_are_read_without_scrolling_sideways(tmp_path, width):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    long = row("x" * 80, class_report("Relu", "w" * 300), class_report("Bias", ""), problem="y" * 200)
    page = write_pages(tmp_path / "pages", "Homework", [*ROWS, long])
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for path in (page, *Path(page.parent / "students").iterdir()):
            tab = browser.new_page(viewport={"width": width, "height": 800})
            said = []
            tab.on("console", lambda message, said=said: said.append(message.text))
            tab.on("pageerror", lambda error, said=said: said.append(str(error)))
            tab.goto(path.as_uri())
            tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert said == []
        browser.close()
