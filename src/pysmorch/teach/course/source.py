"""The sources of the lessons: one Python file each, from which all versions are made.

Lines `# %%` begin a cell of code, lines `# %% [markdown]` one of text in comments; text under `# %% [markdown] answer` is
for teachers only. A blank holds what the student finds, in comments, and the solution:

    # BLANK
    # return ...  # every row times W
    # SOLUTION
    return self.in_array @ self.W
    # END
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "lessons"


@dataclass(frozen=True)
class Cell:
    """A part of a lesson.

    Attributes:
        kind: "markdown" or "code".
        text: what it holds, without the comment signs of Markdown.
        answer: whether only teachers get it.
    """

    kind: str
    text: str
    answer: bool = False


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

    def student(self) -> list[Cell]:
        """The cells with blanks and without answers."""
        return [_fill(self, cell, solved=False) for cell in self.cells if not cell.answer]

    def teacher(self) -> list[Cell]:
        """The cells with solutions and answers."""
        return [_fill(self, cell, solved=True) for cell in self.cells]


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
        cells.append(Cell(kind, content, "answer" in head))
    lesson = Lesson(name, tuple(cells))
    lesson.student()
    return lesson


def _fill(lesson: Lesson, cell: Cell, solved: bool) -> Cell:
    return Cell(cell.kind, "\n".join(_lines(lesson, cell, solved)), cell.answer)


def _lines(lesson: Lesson, cell: Cell, solved: bool) -> Iterator[str]:
    part = "given"
    following = {"# BLANK": ("given", "blank"), "# SOLUTION": ("blank", "solution"), "# END": ("solution", "given")}
    for line in cell.text.splitlines():
        if cell.kind == "code" and line.strip() in following:
            before, after = following[line.strip()]
            if part != before:
                raise ValueError(f"{lesson.name}: {line.strip()} where a {part} is open")
            part = after
        elif part == "given" or (part == "solution" and solved):
            yield line
        elif part == "blank" and not solved:
            yield re.sub(r"^(\s*)# ?", r"\1", line)
    if part != "given":
        raise ValueError(f"{lesson.name}: a cell ends within a {part}")
