"""Folders with the course: handed to a student, looked through, and solved for a teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pysmorch.teach.course import hints, mine
from pysmorch.teach.course.build import notebook, script
from pysmorch.teach.course.source import FOLDER, Cell, Lesson, lessons
from pysmorch.teach.grade_report import GradeReport
from pysmorch.teach.isolation import grade_file

UTILITY = "utility.py"
MARK = "pysmorch.teach.course"
"""What the utility.py of a course folder contains."""

EDITIONS = ('EDITION = "with formulas"', 'EDITION = "without formulas"')
"""The line of utility.py that says which edition of the lessons a folder has."""

SECONDS = 60.0
"""How long the tests of all pieces in a folder may take; one of them may take a tenth of it."""


class CourseError(ValueError):
    """A folder that cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Started:
    """What was done in a folder: names of files that were written, and of those that were there and were left alone."""

    written: list[str]
    left: list[str]


def start(folder: str | Path, hard: bool = False) -> Started:
    """Put the student's lessons into a folder, with `hard` without formulas; in a course folder, those that are missing.

    Nothing is written over. Raises CourseError for a folder that holds something else.
    """
    folder = Path(folder)
    if is_course(folder):
        if hard and not is_hard(folder):
            raise CourseError(f"{folder} has the course with formulas in it; name a new folder for the one without")
        hard = is_hard(folder)
    else:
        check_empty(folder, "or one in which the course was started before")
    return _write(folder, student_files(hard))


def solutions(folder: str | Path) -> Started:
    """Put the lessons with all solutions and answers into a new or empty folder.

    Raises CourseError for a folder that holds anything.
    """
    folder = Path(folder)
    check_empty(folder, "for the solutions")
    return _write(folder, teacher_files())


def student_files(hard: bool = False) -> dict[str, str]:
    """The student's files by name; with `hard`, without formulas."""
    files = _files(lambda lesson: lesson.student(hard))
    if hard:
        files[UTILITY] = files[UTILITY].replace(*EDITIONS)
    return files


def teacher_files() -> dict[str, str]:
    """The teacher's files by name."""
    return _files(Lesson.teacher)


def _files(version: Callable[[Lesson], list[Cell]]) -> dict[str, str]:
    files = {UTILITY: (FOLDER / UTILITY).read_text(encoding="utf-8")}
    for lesson in lessons():
        cells = version(lesson)
        files |= {f"{lesson.name}.ipynb": notebook(lesson.name, cells), f"{lesson.name}.py": script(cells)}
    return files


def is_course(folder: Path) -> bool:
    """Whether the course was started in this folder."""
    utility = folder / UTILITY
    return utility.is_file() and MARK in utility.read_text(encoding="utf-8", errors="replace")


def is_hard(folder: Path) -> bool:
    """Whether a course folder has the edition without formulas."""
    return EDITIONS[1] in (folder / UTILITY).read_text(encoding="utf-8", errors="replace")


def check_empty(folder: Path, otherwise: str) -> None:
    """Raise CourseError for a file, and for a folder that holds anything; `otherwise` says what else it may be, or for what."""
    if folder.exists() and not folder.is_dir():
        raise CourseError(f"{folder} is a file; name a new folder")
    if folder.exists() and any(folder.iterdir()):
        raise CourseError(f"{folder} is not empty; name a new or empty folder {otherwise}")


def _write(folder: Path, files: dict[str, str]) -> Started:
    folder.mkdir(parents=True, exist_ok=True)
    done = Started([], [])
    for name, text in files.items():
        try:
            with open(folder / name, "x", encoding="utf-8", newline="\n") as file:
                file.write(text)
            done.written.append(name)
        except FileExistsError:
            done.left.append(name)
    return done


def hint(folder: str | Path, name: str) -> str:
    """Open the next step to a piece and return all that are open.

    Raises CourseError for a folder without the course, ValueError for a piece without hints.
    """
    return hints.open_next(_course(folder), name)


def _course(folder: str | Path) -> Path:
    if not is_course(Path(folder)):
        raise CourseError(f"{folder} has no course in it; begin one with: pysmorch course start {folder}")
    return Path(folder)


# Status.


@dataclass(frozen=True)
class Row:
    """How far a class or function is: its lesson, its name, "right", "not yet" or what is wrong, and hints opened."""

    lesson: Lesson
    name: str
    state: str
    num_hints: int


def status(folder: str | Path) -> list[Row]:
    """Try everything that is in my_smorch.py, in a process of its own with limits, and say how far each piece of each lesson is.

    Raises CourseError for a folder without the course, BrokenLibraryError when my_smorch.py cannot be read.
    """
    folder = _course(folder)
    there = mine.names(folder)
    wanted = [(lesson, name) for lesson in lessons() for name in lesson.checked]
    verdicts = _verdicts(folder, [name for _, name in wanted if name in there])
    counts = hints.opened(folder)
    return [Row(lesson, name, verdicts.get(name, "not yet"), counts.get(name, 0)) for lesson, name in wanted]


def _verdicts(folder: Path, names: list[str]) -> dict[str, str]:
    if not names:
        return {}
    file = grade_file(folder / mine.FILE, names, SECONDS)
    if file.problem:
        raise mine.BrokenLibraryError(f"{mine.FILE}: {file.problem}")
    return {report.name: "right" if report.passed else f"WRONG: {_first_cause(report)}" for report in file.reports}


def _first_cause(report: GradeReport) -> str:
    return next(result.cause for result in report if not result.passed)


def show_status(rows: list[Row]) -> str:
    """Return a table of all pieces, and what to do next."""
    table = [
        ("lesson", "what", "hints", "state"),
        *((row.lesson.title, row.name, str(row.num_hints or ""), row.state) for row in rows),
    ]
    widths = [max(len(line[c]) for line in table) for c in range(3)]
    lines = []
    last = ""
    for title, name, count, state in table:
        shown = "" if title == last else title
        lines.append(f"{shown:<{widths[0]}}  {name:<{widths[1]}}  {count:<{widths[2]}}  {state}")
        last = title
    right = sum(row.state == "right" for row in rows)
    lines.append(f"{right} of {len(rows)} are right")
    waiting = next((row for row in rows if row.state != "right"), None)
    if waiting:
        lines[-1] += f"; next: {waiting.name}, in {waiting.lesson.name}"
    return "\n".join(lines)
