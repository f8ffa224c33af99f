"""What the commands of the course do."""

from __future__ import annotations

from pathlib import Path

from pysmorch.teach import GradingError, course
from pysmorch.teach.course.workbook import quoted, run_command


def start(folder: str, hard: bool) -> None:
    """Write the lessons and say how to begin."""
    done = course.start(folder, hard)
    first = Path(folder) / next(name for name in sorted(done.written + done.left) if name.endswith(".py"))
    if done.written and done.left:
        print(f"files in {folder}: {len(done.left)} were there and are left as they are, {len(done.written)} put back")
    elif done.written:
        print(
            f"the course is in {folder}: each lesson as a script (.py) and as a notebook (.ipynb) with the same content"
        )
    else:
        print(f"the course is in {folder} already; nothing was changed")
    print(f"with Python alone:  {run_command(first)}")
    print(f"with Jupyter:       {quoted('jupyter', 'lab', first.with_suffix('.ipynb'))}")
    print(f"for a hint:         {run_command('-m', 'pysmorch', 'course', 'hint', Path(folder), 'Data')}")
    print(f"how far you are:    {run_command('-m', 'pysmorch', 'course', 'status', Path(folder))}")


def hint(folder: str, name: str) -> None:
    """Open the next step to a piece."""
    print(course.hint(folder, name))


def status(folder: str) -> None:
    """Print the table of all pieces."""
    try:
        rows = course.status(folder)
    except GradingError as error:
        raise ValueError(str(error)) from error
    print(course.show_status(rows))


def solutions(folder: str) -> None:
    """Write the teacher's version."""
    done = course.solutions(folder)
    print(f"{len(done.written)} files with solutions and answers written to {folder}")


def pages(folder: str, with_solutions: bool) -> None:
    """Write the static edition."""
    from pysmorch.teach.course.edition import html

    try:
        names = html(folder, with_solutions)
    except ImportError as error:
        raise ValueError(str(error)) from error
    print(f"{len(names)} files written to {folder}; open {Path(folder) / 'index.html'}")
