r"""The sources of the lessons: one Python file each, from which all versions are made.

Lines `# %%` begin a cell of code, lines `# %% [markdown]` one of text in comments; text under `# %% [markdown] answer` is
for teachers, and for students when the lesson is done. A blank holds what the student finds, in comments, and the solution:

    # BLANK
    # return ...  # every row times W
    # SOLUTION
    return self.in_array @ self.W
    # END

The edition without formulas has, of a part of a text such as this one, only the lines between HARD and END:

    # FORMULAS
    # $$ G = X^T \Delta $$
    # HARD
    # Derive what comes back.
    # END

A text under `# %% [markdown] hints Linear` has three steps, numbered 1. to 3., and is in no file; `hint` opens them. A line
`quiz("name", value)` in a solution is a question and its answer.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "lessons"


@dataclass(frozen=True)
class Cell:
    """A part of a lesson.

    Attributes:
        kind: "markdown" or "code".
        text: what it holds, without the comment signs of Markdown.
        answer: whether it answers the questions at the end of a lesson.
        hints_for: the piece that its steps help with; empty for a cell of the lesson.
    """

    kind: str
    text: str
    answer: bool = False
    hints_for: str = ""


@dataclass(frozen=True)
class Lesson:
    """A lesson as it is written: its blanks have the student's line and the solution.

    Attributes:
        name: name of its files, such as 02_linear.
        cells: in order.
    """

    name: str
    cells: tuple[Cell, ...]

    @property
    def title(self) -> str:
        """The first heading."""
        return next(line.lstrip("# ") for cell in self.cells for line in cell.text.splitlines() if line.startswith("#"))

    @property
    def checked(self) -> list[str]:
        """What the student completes here: the names that the lesson hands to check, in order."""
        code = "\n".join(cell.text for cell in self.cells if cell.kind == "code")
        return re.findall(r"^\w+ = check\((\w+)\)", code, flags=re.MULTILINE)

    @property
    def hints(self) -> dict[str, list[str]]:
        """The steps to each piece."""
        return {cell.hints_for: _steps(cell.text) for cell in self.cells if cell.hints_for}

    @property
    def answers(self) -> str:
        """The answers to the questions at the end."""
        return "\n\n".join(cell.text for cell in self.cells if cell.answer)

    @property
    def quiz(self) -> dict[str, Any]:
        """The right answers by the names of the questions."""
        code = "\n".join(cell.text for cell in self.teacher() if cell.kind == "code")
        found = re.findall(r"""^quiz\("([^"]+)", (.*?)\)(?:  #.*)?$""", code, flags=re.MULTILINE)
        return {name: ast.literal_eval(value) for name, value in found}

    def student(self, hard: bool = False) -> list[Cell]:
        """The cells with blanks; answers are replaced by a call that opens them. With `hard`, without formulas."""
        opens = Cell("code", f'from utility import answers\n\nanswers("{self.name}")')
        cells = [opens if cell.answer else _fill(self, cell, False, hard) for cell in self._in_files()]
        return [cell for cell in cells if cell.text.strip()]

    def teacher(self) -> list[Cell]:
        """The cells with formulas, solutions and answers."""
        return [_fill(self, cell, True, False) for cell in self._in_files()]

    def _in_files(self) -> list[Cell]:
        return [cell for cell in self.cells if not cell.hints_for]


def lessons() -> list[Lesson]:
    """All lessons, in order."""
    return [parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("[0-9]*.py"))]


def parse(name: str, text: str) -> Lesson:
    """Divide a source into cells.

    Raises ValueError for text before the first cell and for a blank that is not closed.
    """
    before, *parts = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)
    if before.strip():
        raise ValueError(f"{name}: there is text before the first # %%")
    cells = []
    for head, body in zip(parts[::2], parts[1::2], strict=True):
        kind = "markdown" if "[markdown]" in head else "code"
        content = body.strip("\n")
        if kind == "markdown":
            content = re.sub(r"^# ?", "", content, flags=re.MULTILINE)
        hints_for = re.search(r"hints (\w+)", head)
        cells.append(Cell(kind, content, "answer" in head, hints_for[1] if hints_for else ""))
    lesson = Lesson(name, tuple(cells))
    lesson.student()
    lesson.teacher()
    return lesson


def _steps(text: str) -> list[str]:
    """The steps of a hint, without their numbers and in one line each."""
    return [" ".join(step.split()) for step in re.split(r"^\d\. ", text, flags=re.MULTILINE)[1:]]


def _fill(lesson: Lesson, cell: Cell, solved: bool, hard: bool) -> Cell:
    lines = _code_lines(lesson, cell, solved) if cell.kind == "code" else _text_lines(lesson, cell, hard)
    return Cell(cell.kind, "\n".join(lines), cell.answer)


def _code_lines(lesson: Lesson, cell: Cell, solved: bool) -> Iterator[str]:
    for part, line in _parts(lesson, cell, ("# BLANK", "# SOLUTION", "# END")):
        if not part or (part == "# SOLUTION" and solved):
            yield line
        elif part == "# BLANK" and not solved:
            yield re.sub(r"^(\s*)# ?", r"\1", line)


def _text_lines(lesson: Lesson, cell: Cell, hard: bool) -> Iterator[str]:
    for part, line in _parts(lesson, cell, ("FORMULAS", "HARD", "END")):
        if not part or part == ("HARD" if hard else "FORMULAS"):
            yield line


def _parts(lesson: Lesson, cell: Cell, marks: tuple[str, str, str]) -> Iterator[tuple[str, str]]:
    """The lines of a cell, each with the mark that it stands under, empty where it is under none."""
    first, second, end = marks
    after = {first: "", second: first, end: second}
    part = ""
    for line in cell.text.splitlines():
        mark = line.strip()
        if mark not in after:
            yield part, line
        elif part == after[mark]:
            part = "" if mark == end else mark
        else:
            raise ValueError(f"{lesson.name}: {mark} where {part or 'nothing'} is open")
    if part:
        raise ValueError(f"{lesson.name}: a cell ends within {part}")
