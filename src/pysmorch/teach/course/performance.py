"""Runs solved lessons and keeps what their cells print and show, for the pages of the static edition."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import ModuleType
from typing import Any

from pysmorch.diagram.svg import Svg
from pysmorch.layers.randomness import global_state_restored
from pysmorch.teach.course import sketch
from pysmorch.teach.course.patients import patient
from pysmorch.teach.course.source import FOLDER, Lesson, lessons
from pysmorch.teach.course.workbook import Workbook, substitute
from pysmorch.teach.mascot import smorch

Shown = list[str | Svg | sketch.Picture]
"""What a cell prints and shows, in order."""


class Performance:
    """Runs solved lessons, one after the other; later ones use what earlier ones have made."""

    def __init__(self) -> None:
        self.pieces: dict[str, Any] = {}
        self.shown: Shown = []
        self.printed = io.StringIO()

    def run(self, lesson: Lesson) -> list[Shown]:
        """Run a lesson with its solutions; return what each cell shows, nothing for cells of text."""
        namespace: dict[str, Any] = {"__name__": "__main__"}
        result = []
        with self._utility(), global_state_restored(seed=0), redirect_stdout(self.printed):
            for number, cell in enumerate(lesson.teacher()):
                if cell.kind == "code":
                    exec(compile(cell.text, f"{lesson.name}, cell {number}", "exec"), namespace)
                self._flush()
                result.append(self.shown)
                self.shown = []
        return result

    @contextmanager
    def _utility(self) -> Iterator[None]:
        """Let the lessons import what is recorded here instead of the utility.py of a folder."""
        module: Any = ModuleType("utility")
        module.check, module.library = self._check, self._library
        module.digits = Workbook(FOLDER).digits
        module.hint = module.quiz = lambda *arguments: None
        module.patient = lambda number: patient(number, self._library)
        module.reward, module.show, module.sketch = self._reward, self._show, sketch
        before = sys.modules.get("utility")
        sys.modules["utility"] = module
        try:
            yield
        finally:
            del sys.modules["utility"]
            if before is not None:
                sys.modules["utility"] = before

    def _check(self, thing: Any) -> Any:
        self.pieces[thing.__name__] = thing
        return thing

    def _library(self, *names: str) -> Any:
        things = [self.pieces[name] if name in self.pieces else substitute(name) for name in names]
        return things[0] if len(things) == 1 else tuple(things)

    def _reward(self, words: str, *names: str) -> None:
        self._show(smorch(next(n for n, lesson in enumerate(lessons()) if names[0] in lesson.checked)))
        print(f"You are given:  {words}")

    def _show(self, picture: Svg | sketch.Picture) -> None:
        self._flush()
        self.shown.append(picture)

    def _flush(self) -> None:
        """Put what was printed so far into what is shown."""
        if text := self.printed.getvalue().strip("\n"):
            self.shown.append(text)
        self.printed.seek(0)
        self.printed.truncate()
