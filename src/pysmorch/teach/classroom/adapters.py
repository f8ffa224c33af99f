"""The same tests under Otter-Grader and nbgrader, which run them in the notebook's own process."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pysmorch.files.writing import write_whole
from pysmorch.teach.classroom.notebook import cells_of
from pysmorch.teach.grade_report import GradeReport
from pysmorch.teach.grading import check_known, grade

OTTER_FILE = """\
OK_FORMAT = False

from otter.test_files import test_case

from pysmorch.teach.classroom import require

name = {name!r}
points = None
"""
OTTER_TEST = """

@test_case(name={test!r}, points={points!r})
def test_{number}(env):
    require(env, {name!r}, {test!r})
"""
NBGRADER_CELL = """\
from pysmorch.teach.classroom import score

score(globals(), {name!r})"""

_graded: dict[str, tuple[Any, GradeReport]] = {}
"""For each name the class that was graded last, and its report: Otter runs the tests one by one."""


class _Missing:
    """What is graded to learn which tests there are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError


def tests_of(name: str) -> GradeReport:
    """Return the tests for classes of a name, as the report of one that has passed none.

    Parameters
    ----------
    name : str
        A name that is known to the grader.

    Returns
    -------
    GradeReport
        Zero points, with the points that can be earned.

    Raises
    ------
    ValueError
        For a name that is not known.
    """
    check_known(name)
    return grade(_Missing, name)


def require(env: Mapping[str, Any], name: str, test: str) -> None:
    """Raise AssertionError where a class of a notebook fails a test; the message says what the grader says.

    Parameters
    ----------
    env : mapping of str to Any
        The names of the notebook, as Otter-Grader gives them.
    name : str
        The class.
    test : str
        The test's name.

    Raises
    ------
    AssertionError
        With the likely mistake, the smallest example and a hint.
    """
    result = next(result for result in _report(env, name).results if result.name == test)
    if not result.passed:
        hint = f"Hint: {result.hint}" if result.hint else ""
        raise AssertionError("\n".join(filter(None, (result.cause, result.example, hint))))


def score(env: Mapping[str, Any], name: str) -> float:
    """Print the report of a class of a notebook, and return its points, which nbgrader takes from the cell's output.

    Parameters
    ----------
    env : mapping of str to Any
        The names of the notebook: `globals()`.
    name : str
        The class.

    Returns
    -------
    float
        The points.
    """
    report = _report(env, name)
    print(report)
    return round(report.points, 6)


def _report(env: Mapping[str, Any], name: str) -> GradeReport:
    cls = env.get(name)
    if cls is None:
        cls = type(name, (_Missing,), {"__doc__": f"Stands for {name}, which the notebook has not defined."})
    elif name in _graded and _graded[name][0] is cls:
        return _graded[name][1]
    with contextlib.redirect_stderr(io.StringIO()):  # nbgrader takes what is written there for a failure
        report = grade(cls, name)
    _graded[name] = (cls, report)
    return report


def write_otter_tests(folder: str | Path, names: Sequence[str]) -> list[Path]:
    """Write the tests of classes for Otter-Grader: a file for each class, with a test case for each test.

    Parameters
    ----------
    folder : str or Path
        Where, usually "tests"; it is made where there is none.
    names : sequence of str
        The classes.

    Returns
    -------
    list of Path
        The files, in Otter's exception-based format.

    Raises
    ------
    ValueError
        For a name that is not known.
    """
    reports = [tests_of(name) for name in names]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for report in reports:
        text = OTTER_FILE.format(name=report.name)
        for i, result in enumerate(report.results, 1):
            points = round(result.max_points, 6)
            text += OTTER_TEST.format(test=result.name, points=points, number=i, name=report.name)
        path = folder / f"{report.name}.py"
        _write(path, text)
        paths.append(path)
    return paths


def add_nbgrader_tests(notebook: str | Path, out: str | Path, names: Sequence[str]) -> None:
    """Write an assignment's notebook with a cell of autograder tests for each class, after the cell that defines it.

    Parameters
    ----------
    notebook : str or Path
        The teacher's notebook.
    out : str or Path
        The file to write, usually the source version of an nbgrader assignment.
    names : sequence of str
        The classes; the tests of one that no cell defines are at the end.

    Raises
    ------
    ValueError
        For a name that is not known, and for what is no notebook.
    """
    reports = [tests_of(name) for name in names]
    text = Path(notebook).read_text(encoding="utf-8")
    cells_of(text)  # or says why it is no notebook
    document = json.loads(text)
    if "cells" not in document:
        raise ValueError(f"{notebook} is in version 3 of the format of notebooks; open it in Jupyter and save it again")
    cells = document["cells"]
    for report in reports:
        defines = re.compile(rf"^(?:class|def)\s+{report.name}\b", re.MULTILINE)
        sources = ["".join(cell["source"]) if cell["cell_type"] == "code" else "" for cell in cells]
        after = [i for i, source in enumerate(sources) if defines.search(source)] or [len(cells) - 1]
        cells.insert(after[-1] + 1, _nbgrader_cell(report, document.get("nbformat_minor", 0)))
    _write(Path(out), json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _nbgrader_cell(report: GradeReport, minor: int) -> dict[str, Any]:
    identity = f"test-{report.name}"
    return {
        "cell_type": "code",
        **({"id": identity} if minor >= 5 else {}),
        "execution_count": None,
        "metadata": {
            "nbgrader": {
                "grade": True,
                "grade_id": identity,
                "locked": True,
                "points": round(report.max_points, 6),
                "schema_version": 3,
                "solution": False,
                "task": False,
            }
        },
        "outputs": [],
        "source": NBGRADER_CELL.format(name=report.name).splitlines(keepends=True),
    }


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode()))
