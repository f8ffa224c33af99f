"""The results of a class as CSV, as data for JSON, and as Gradescope's results.json."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from pysmorch.teach.classroom.rows import Row, class_names, mistakes_of
from pysmorch.teach.grade_report import FileReport, Result


def as_csv(rows: Sequence[Row]) -> bytes:
    """Return a table with a line for each submission.

    Parameters
    ----------
    rows : sequence of Row
        The submissions.

    Returns
    -------
    bytes
        UTF-8. What a spreadsheet would take for a formula begins with an apostrophe.
    """
    names = class_names(rows)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["name", "file", "points", "max_points", *names, "problem", "flags"])
    for row in rows:
        classes = [row.of_class(name) for name in names]
        points = ["" if report is None else _number(report.points) for report in classes]
        words = [row.report.problem, "; ".join([*row.flags, *row.report.notes])]
        writer.writerow(
            [
                *map(_no_formula, (row.name, row.report.path)),
                _number(row.report.points),
                _number(row.report.max_points),
                *points,
                *map(_no_formula, words),
            ]
        )
    return text.getvalue().encode("utf-8", "replace")


def _number(points: float) -> float | int:
    return int(points) if points == int(points) else round(points, 6)


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def as_data(rows: Sequence[Row]) -> dict[str, Any]:
    """Return everything as plain data, which JSON takes.

    Parameters
    ----------
    rows : sequence of Row
        The submissions.

    Returns
    -------
    dict
        The sums, a list of files, and the mistakes with the names of those who made them.
    """
    reports = [row.report for row in rows]
    return {
        "passed": all(report.passed for report in reports),
        "points": round(sum(report.points for report in reports), 6),
        "max_points": round(sum(report.max_points for report in reports), 6),
        "files": [{"name": row.name, **row.report.to_dict(), "flags": row.flags} for row in rows],
        "mistakes": [
            {"class": mistake.name, "cause": mistake.cause, "students": mistake.students}
            for mistake in mistakes_of(rows)
        ],
    }


def as_gradescope(report: FileReport) -> dict[str, Any]:
    """Return the results of one submission in the form that Gradescope reads from results.json.

    Parameters
    ----------
    report : FileReport
        Its results.

    Returns
    -------
    dict
        The output, and a test with score and maximum for each test; the score of the submission is their sum.
    """
    tests = [
        {
            "name": f"{one.name}: {result.name}",
            "number": f"{i}.{k}",
            "score": round(result.points, 6),
            "max_score": round(result.max_points, 6),
            "status": "passed" if result.passed else "failed",
            "output": _said(result),
            "output_format": "text",
        }
        for i, one in enumerate(report.reports, 1)
        for k, result in enumerate(one.results, 1)
    ]
    printed = f"printed:\n{report.printed}" if report.printed else ""
    return {
        "score": round(report.points, 6),
        "output": "\n".join(filter(None, (report.problem, printed, *report.notes))),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def nothing_for_gradescope(problem: str) -> dict[str, Any]:
    """Return what Gradescope shows where nothing could be graded.

    Parameters
    ----------
    problem : str
        A sentence on why.

    Returns
    -------
    dict
        A score of 0 and the sentence.
    """
    return {"score": 0.0, "output": problem, "output_format": "text", "visibility": "visible"}


def _said(result: Result) -> str:
    hint = f"Hint: {result.hint}" if result.hint else ""
    return "\n".join(filter(None, (result.cause, result.example, hint)))
