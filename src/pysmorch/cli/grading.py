"""What `pysmorch grade` does."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pysmorch.cli.options import parse_size
from pysmorch.files.writing import check_writable, write_whole
from pysmorch.teach import FileReport, GradeReport, GradingError, grade_file
from pysmorch.teach.grade_report import junit
from pysmorch.teach.grading import check_known

LEAST_MEMORY = 2**28
"""Less does not hold Python and NumPy."""


def grade(
    files: Sequence[str],
    as_json: bool,
    junit_path: str | None,
    points: str | None,
    timeout: float,
    memory: str,
    only: str | None,
) -> bool:
    """Grade files one after the other and print what was found; return whether all is right."""
    worth = parse_points(points)
    names = [name.strip() for name in only.split(",") if name.strip()] if only else list(worth) or None
    for name in [*(names or []), *worth]:
        check_known(name)
    limit = parse_memory(memory)
    if not 0 < timeout < float("inf"):
        raise ValueError(f"--timeout must be a positive number of seconds, but is {timeout:g}")
    if junit_path is not None:
        check_writable(junit_path)
    for file in files:
        if not file.endswith(".py"):
            raise ValueError(f"{file}: not a Python file (its name must end in .py)")
        if not Path(file).is_file():
            raise ValueError(f"{file}: no such file")
    reports = []
    for file in files:
        try:
            report = grade_file(file, names, timeout, limit)
        except GradingError as error:
            raise ValueError(str(error)) from error
        report.path = file
        report.reports = [_weighed(r, worth) for r in report.reports]
        reports.append(report)
        if not as_json:
            _print(f"{report}\n")
    if as_json:
        print(json.dumps(_as_data(reports), indent=2))
    if junit_path is not None:
        write_whole(junit_path, lambda stream: stream.write(junit(reports)))
    return all(report.passed for report in reports)


def _weighed(report: GradeReport, worth: dict[str, float]) -> GradeReport:
    return report.scaled(worth[report.name]) if report.name in worth else report


def _as_data(reports: list[FileReport]) -> dict[str, object]:
    return {
        "passed": all(report.passed for report in reports),
        "points": round(sum(report.points for report in reports), 6),
        "max_points": round(sum(report.max_points for report in reports), 6),
        "files": [report.to_dict() for report in reports],
    }


def _print(text: str) -> None:
    """Print also what the terminal has no letters for."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))


def parse_points(text: str | None) -> dict[str, float]:
    """Return the points in a text such as Linear=10,Relu=5, by class."""
    worth: dict[str, float] = {}
    for part in filter(None, (text or "").split(",")):
        name, _, number = part.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 < value < float("inf"):
            raise ValueError(f"--points must be names with positive numbers, as in Linear=10,Relu=5, but has {part!r}")
        worth[name.strip()] = value
    return worth


def parse_memory(text: str) -> int:
    """Return the bytes in a text such as 2GB or 512MB."""
    size = parse_size("--memory", text)
    if size < LEAST_MEMORY:
        raise ValueError(
            f"--memory must be at least {LEAST_MEMORY // 2**20}MB, which Python and NumPy need, but is {text!r}"
        )
    return size
