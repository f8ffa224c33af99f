"""The table of a class: a row for each submission, and what submissions have in common."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean, median

from pysmorch.teach.grade_report import WAITS, FileReport, GradeReport, Result

WHOLE = "The whole submission"
"""Instead of a class, where one reason costs all classes everything."""

_WHERE = re.compile(r", in line \d+.*$", re.DOTALL)
"""The part of a sentence that differs between students with the same mistake."""


@dataclass(frozen=True)
class Graded:
    """What grading has found of one submission.

    Parameters
    ----------
    report : FileReport
        Its results.
    digest : str, default=""
        The same for sources that differ in comments and layout alone; empty where there is no code.
    """

    report: FileReport
    digest: str = ""


@dataclass(frozen=True)
class Row:
    """One submission in the table of its class.

    Parameters
    ----------
    name : str
        The student's.
    report : FileReport
        The results.
    flags : list of str, default=[]
        What a teacher should look at; not for the student's eyes.
    """

    name: str
    report: FileReport
    flags: list[str] = field(default_factory=list)

    def of_class(self, name: str) -> GradeReport | None:
        """Return the results of one class.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        GradeReport or None
            None where the submission has none.
        """
        return next((report for report in self.report.reports if report.name == name), None)


@dataclass(frozen=True)
class Mistake:
    """A mistake, and who has made it.

    Parameters
    ----------
    name : str
        The class, or `WHOLE`.
    cause : str
        The sentence.
    hint : str
        Where to look.
    example : str
        The smallest example of the first one who made it.
    students : list of str
        Their names.
    """

    name: str
    cause: str
    hint: str
    example: str
    students: list[str]


def rows_of(names: Sequence[str], graded: Sequence[Graded]) -> list[Row]:
    """Return the table of a class, with flags for sources that are the same.

    Parameters
    ----------
    names : sequence of str
        Of the students.
    graded : sequence of Graded
        Their results, in the same order.

    Returns
    -------
    list of Row
        In the same order.
    """
    same = defaultdict(list)
    for name, one in zip(names, graded, strict=True):
        if one.report.points > 0:
            same[one.digest].append(name)
    rows = []
    for name, one in zip(names, graded, strict=True):
        others = [other for other in same[one.digest] if _student(other) != _student(name)]
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        said = f"the same code as {', '.join(others[:3])}{more}, but for comments and layout"
        same_code = [said] if others and one.digest and one.report.points > 0 else []
        rows.append(Row(name, one.report, [*one.report.flags, *same_code]))
    return rows


def _student(name: str) -> str:
    """The student of one of several files."""
    return name.split("/")[0]


def class_names(rows: Iterable[Row]) -> list[str]:
    """Return the names of all classes that were graded.

    Parameters
    ----------
    rows : iterable of Row
        The table.

    Returns
    -------
    list of str
        In the order in which they come first.
    """
    return list(dict.fromkeys(report.name for row in rows for report in row.report.reports))


def mistakes_of(rows: Iterable[Row]) -> list[Mistake]:
    """Return the mistakes, the most frequent first; one that fails several tests of a class counts once for a student.

    Parameters
    ----------
    rows : iterable of Row
        The table.

    Returns
    -------
    list of Mistake
        Those with the same sentence as one, whatever the line.
    """
    found: dict[tuple[str, str], Mistake] = {}
    for row in rows:
        reports = row.report.reports
        if len(reports) > 1 and len({result.cause for report in reports for result in report.results}) == 1:
            reports = [replace(reports[0], name=WHOLE)] if not row.report.passed else []
        for report in reports:
            for cause, result in _causes(report).items():
                mistake = Mistake(report.name, cause, result.hint, result.example, [])
                found.setdefault((report.name, cause), mistake).students.append(row.name)
    return sorted(found.values(), key=lambda mistake: -len(mistake.students))


def _causes(report: GradeReport) -> dict[str, Result]:
    """The causes of a class's failures, each with the first test that failed for it, without those that are part of another."""
    causes: dict[str, Result] = {}
    for result in report.results:
        cause = _WHERE.sub("", result.cause).rstrip(".:")
        if not result.passed and cause and not cause.startswith(WAITS) and not any(cause in other for other in causes):
            causes[cause] = result
    return causes


def failures_of(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return how many have failed each test.

    Parameters
    ----------
    rows : iterable of Row
        The table.

    Returns
    -------
    dict of (str, str) to (int, int)
        By class and test: how many have failed, of how many.
    """
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        for report in row.report.reports:
            for result in report.results:
                failed, total = counts.get((report.name, result.name), (0, 0))
                counts[report.name, result.name] = (failed + (not result.passed), total + 1)
    return counts


def overview(rows: Sequence[Row]) -> str:
    """Return the numbers of a class in one line.

    Parameters
    ----------
    rows : sequence of Row
        The table, with at least one row.

    Returns
    -------
    str
        How many, how many have all right, mean and median.
    """
    points = [row.report.points for row in rows]
    right = sum(row.report.passed for row in rows)
    most = max(row.report.max_points for row in rows)
    return (
        f"{len(rows)} submissions, {right} all right; of {most:.4g} points "
        f"the mean is {mean(points):.4g}, the median {median(points):.4g}"
    )
