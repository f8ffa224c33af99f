"""What grading found: results of tests, as text for a terminal, as a table for a notebook, as JSON and as JUnit."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from textwrap import fill
from typing import Any
from xml.etree import ElementTree

SHOWN_LINES = 5
"""How many lines of what a student's code prints are shown."""

TEXT_WIDTH = 100
"""Sentences are wrapped to this many characters."""

PRE = "margin:0;text-align:left;font-family:monospace;white-space:pre;word-break:normal"
"""Style of what stands in columns; a notebook's own would break lines within words."""

WAITS = "waits for:"
"""How the cause of a test begins that was not run, because another one has to be passed first."""

_ODD_CHARACTERS = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Replace characters that can move a terminal's cursor or are not allowed in XML; they come from student's code."""
    return _ODD_CHARACTERS.sub("\ufffd", text)


def shorten(text: str) -> str:
    """Return the first lines of what was printed, and say how many are left out."""
    lines = [line if len(line) <= 200 else f"{line[:200]} ..." for line in text.splitlines()]
    more = len(lines) - SHOWN_LINES
    return "\n".join([*lines[:SHOWN_LINES], f"... and {more} more lines"] if more > 0 else lines)


@dataclass(frozen=True)
class Result:
    """The result of one test.

    Parameters
    ----------
    name : str
        What was tested, as a sentence.
    part : str
        "constructor", "forward", "backward" or "care".
    passed : bool
        Whether the class passed.
    points : float
        Points earned.
    max_points : float
        Points that can be earned.
    cause : str, default=""
        One sentence with the likely mistake; empty when passed.
    example : str, default=""
        The smallest failing example that was found, with what was expected beside what was found.
    hint : str, default=""
        Where to look.
    """

    name: str
    part: str
    passed: bool
    points: float
    max_points: float
    cause: str = ""
    example: str = ""
    hint: str = ""


@dataclass
class GradeReport:
    """The results of one class; true when all tests passed, text for a terminal, and a table in a notebook.

    Parameters
    ----------
    name : str
        Name of the class.
    results : list of Result, default=[]
        One for each test.
    printed : str, default=""
        The first lines of what the class printed.
    bonus : bool, default=False
        Whether its points come on top: they count among the points of a file, not among those that can be earned.

    Attributes
    ----------
    passed : bool
        Whether every test passed, and there was at least one.
    points, max_points : float
        Points earned, and points that can be earned.
    """

    name: str
    results: list[Result] = field(default_factory=list)
    printed: str = ""
    bonus: bool = False

    @property
    def passed(self) -> bool:
        """Whether every test passed, and there was at least one."""
        return bool(self.results) and all(result.passed for result in self.results)

    @property
    def points(self) -> float:
        """Points earned."""
        return round(sum(result.points for result in self.results), 6)

    @property
    def max_points(self) -> float:
        """Points that can be earned."""
        return round(sum(result.max_points for result in self.results), 6)

    def scaled(self, max_points: float) -> GradeReport:
        """Return the same report with points that add up to `max_points` when all tests pass.

        Parameters
        ----------
        max_points : float
            The new sum.

        Returns
        -------
        GradeReport
            A new report.
        """
        factor = max_points / self.max_points
        results = [replace(r, points=r.points * factor, max_points=r.max_points * factor) for r in self.results]
        return replace(self, results=results)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, which JSON takes.

        Returns
        -------
        dict
            All entries by name, and "passed".
        """
        return {
            "name": self.name,
            "passed": self.passed,
            "points": self.points,
            "max_points": self.max_points,
            "results": [asdict(result) for result in self.results],
            "printed": self.printed,
            "bonus": self.bonus,
        }

    def __bool__(self) -> bool:
        return self.passed

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __str__(self) -> str:
        lines = [f"{self.name}: {_number(self.points)} of {_number(self.max_points)} points"]
        width = max((len(result.name) for result in self.results), default=0)
        for result, text in zip(self.results, _explanations(self.results), strict=True):
            points = f"{_number(result.points)} of {_number(result.max_points)}"
            lines.append(f"  {_verdict(result)}  {result.name.ljust(width)}  {points}")
            lines += _indent(text, 9)
        if self.printed:
            lines += ["  printed by the class:", *_indent(self.printed, 4)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return a compact table for notebooks."""
        rows = []
        for result, explanation in zip(self.results, _explanations(self.results), strict=True):
            mark = _verdict(result) if result.passed else f"<b>{_verdict(result)}</b>"
            text = html.escape(explanation).replace("&#x27;", "'")
            detail = f"<pre style='{PRE}'>{text}</pre>" if text else ""
            points = f"{_number(result.points)} of {_number(result.max_points)}"
            rows.append(
                f"<tr><td style='text-align:left'>{html.escape(result.name)}{detail}</td><td>{mark}</td><td>{points}</td></tr>"
            )
        printed = (
            f"<p>printed by the class:</p><pre style='{PRE}'>{html.escape(self.printed)}</pre>" if self.printed else ""
        )
        total = f"{_number(self.points)} of {_number(self.max_points)}"
        head = f"<tr><th style='text-align:left'>{html.escape(self.name)}</th><th></th><th>{total} points</th></tr>"
        return f"<table>{head}{''.join(rows)}</table>{printed}"


@dataclass
class FileReport:
    """The reports of the classes in one file.

    Parameters
    ----------
    path : str
        The file.
    reports : list of GradeReport, default=[]
        One for each class.
    problem : str, default=""
        One sentence on why the file was not read to its end; empty where it was.
    printed : str, default=""
        The first lines of what the file printed outside the tests.
    notes : list of str, default=[]
        What could not be limited on this system.
    flags : list of str, default=[]
        What a person should look at: imports, a gradient that looks numerical, answers that do not depend on the numbers.
    factor : float, default=1.0
        What the points are multiplied by, less than 1 for a file that came late.

    Attributes
    ----------
    passed : bool
        Whether the file could be read, has a class that is known, and all tests passed.
    points, max_points : float
        Points earned, and points that can be earned.
    """

    path: str
    reports: list[GradeReport] = field(default_factory=list)
    problem: str = ""
    printed: str = ""
    notes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    factor: float = 1.0

    @property
    def passed(self) -> bool:
        """Whether the file could be read, has a class that is known, and all tests passed."""
        return not self.problem and bool(self.reports) and all(r.passed or r.bonus for r in self.reports)

    @property
    def points(self) -> float:
        """Points earned."""
        return round(self.factor * sum(report.points for report in self.reports), 6)

    @property
    def max_points(self) -> float:
        """Points that can be earned."""
        return round(sum(report.max_points for report in self.reports if not report.bonus), 6)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, which JSON takes.

        Returns
        -------
        dict
            All entries by name, and "passed".
        """
        return {
            "file": clean(self.path),
            "passed": self.passed,
            "points": self.points,
            "max_points": self.max_points,
            "problem": self.problem,
            "classes": [report.to_dict() for report in self.reports],
            "printed": self.printed,
            "notes": self.notes,
            "flags": self.flags,
            "factor": self.factor,
        }

    def __str__(self) -> str:
        lines = [clean(self.path)]
        lines += _indent(f"WRONG: {self.problem}", 2) if self.problem else []
        lines += _indent(f"printed by the file:\n{self.printed}", 2) if self.printed else []
        lines += [f"  note: {note}" for note in self.notes]
        for report in self.reports:
            short = f"{report.name}: {_number(report.points)} of {_number(report.max_points)} points, all right"
            lines += ["", *_indent(short if report.passed else str(report), 2)]
        return "\n".join([*lines, "", f"  {_number(self.points)} of {_number(self.max_points)} points"])


def junit(files: Sequence[FileReport]) -> bytes:
    """Return the reports as JUnit's XML: a suite for each class, and one for each file that could not be read."""
    root = ElementTree.Element("testsuites")
    for file in files:
        path = clean(file.path)
        if file.problem or not file.reports:
            _suite(root, path, [Result("the file can be read", "file", False, 0, 0, file.problem)])
        for report in file.reports:
            _suite(root, f"{path}: {report.name}", report.results)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _suite(root: ElementTree.Element, name: str, results: Sequence[Result]) -> None:
    failed = sum(not result.passed for result in results)
    suite = ElementTree.SubElement(
        root, "testsuite", name=name, tests=str(len(results)), failures=str(failed), errors="0"
    )
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=clean(result.name))
        if not result.passed:
            failure = ElementTree.SubElement(case, "failure", message=clean(result.cause))
            failure.text = clean("\n".join(filter(None, (result.example, result.hint))))


def _verdict(result: Result) -> str:
    if result.passed:
        return "right"
    return "waits" if result.cause.startswith(WAITS) else "WRONG"


def _explanations(results: Sequence[Result]) -> list[str]:
    """The explanation below each test; one that several tests share stands below the first of them, which names the others."""
    texts: list[str] = []
    of_cause: dict[str, list[str]] = {}
    for result in results:
        if not result.passed:
            of_cause.setdefault(_cause_before(of_cause, result.cause), []).append(result.name)
    for result in results:
        names = of_cause.get(result.cause, [""])
        if result.passed or names[0] != result.name:
            texts.append("")
            continue
        same = _wrapped(f"The same for: {'; '.join(names[1:])}.") if names[1:] else ""
        hint = _wrapped(f"Hint: {result.hint}") if result.hint else ""
        texts.append("\n".join(filter(None, (_wrapped(result.cause), result.example, hint, same))))
    return texts


def _cause_before(said: Iterable[str], cause: str) -> str:
    """Return the cause among those said before that says this one too, or else this one."""
    return next((before for before in said if cause in before), cause)


def _wrapped(text: str) -> str:
    return fill(text, TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)


def _indent(text: str, by: int) -> list[str]:
    return [" " * by + line for line in text.splitlines()]


def _number(points: float) -> str:
    return f"{points:.2f}".rstrip("0").rstrip(".")
