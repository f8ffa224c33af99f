"""What the lessons call: checks that keep what passes, the student's library, and the digits."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Never

import numpy as np

from pysmorch.diagram import Svg
from pysmorch.layers.base import Array, Layer
from pysmorch.teach.course import hints, mine
from pysmorch.teach.course.mine import BrokenLibraryError, Piece
from pysmorch.teach.course.patients import Patient, patient
from pysmorch.teach.course.source import lessons
from pysmorch.teach.course.verdict import Verdict
from pysmorch.teach.grade_report import GradeReport
from pysmorch.teach.grading import KNOWN, grade
from pysmorch.teach.reward import celebrate
from pysmorch.training.progress import in_notebook

TEST_SHARE = 0.25
"""The share of the digits that is put aside for the figures."""


class NotYetError(Exception):
    """A check has not passed: stops a notebook that runs all its cells, and shows nothing but its own words."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Text(str):
    """A text in Markdown, which a notebook renders."""

    def _repr_markdown_(self) -> str:
        return str(self)


class Workbook:
    """A folder with the lessons of the course; its `my_smorch.py` holds what the student has completed.

    Args:
        folder: where utility.py and the lessons are.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def check(self, thing: Any) -> Any:
        """Try a class or function that a lesson is about. If it is right, save it in my_smorch.py and return it.

        Otherwise say what is wrong in the first test that fails, and end there: a script exits with 1, a notebook stops without a
        traceback.
        """
        if not hasattr(thing, "__name__"):
            _end(f"check needs the class itself, as in check({type(thing).__name__}), not something made from it.")
        if thing.__name__ not in KNOWN:
            _end(f"There are no tests for {thing.__name__}. Has it been renamed? {_pieces()}")
        piece = mine.piece_of(thing)
        if piece is None:
            return self._check_unseen(thing)
        blanks = piece.blanks()
        if blanks:
            self._stop(piece, _ask_to_fill(piece, blanks))
        try:
            namespace = mine.load(self.folder)
            unknown = piece.unknown_names(namespace)
            if unknown:
                self._stop(piece, _complain_about(piece, unknown))
            report = grade(piece.load(namespace))
            if not report.passed:
                _show(Verdict(report))
                self._stop(piece, f"{piece.name} is not right yet.")
            mine.keep(self.folder, piece)
        except BrokenLibraryError as error:
            _end(f"{error}. Then check again: what passes is saved in there.")
        print(f"{piece.name} is right ({_tests(report)}). It is now part of your library, {mine.FILE}.")
        return namespace[piece.name]

    def library(self, *names: str) -> Any:
        """Return classes and functions by name: the student's own where they are done, else PySmorch's.

        Which is which is printed. One name gives one thing, several give a tuple.
        """
        try:
            namespace = mine.load(self.folder)
        except BrokenLibraryError as error:
            print(f"{error}. Until then everything is PySmorch's own.")
            namespace = {}
        own = [name for name in names if name in namespace]
        borrowed = [name for name in names if name not in namespace]
        if own:
            print(f"from your own library: {', '.join(own)}")
        if borrowed:
            print(f"PySmorch's own, until you have yours: {', '.join(map(_with_lesson, borrowed))}")
        things = [namespace[name] if name in namespace else substitute(name) for name in names]
        return things[0] if len(things) == 1 else tuple(things)

    def reward(self, words: str, *names: str) -> None:
        """Hand out a piece of furniture, if everything that earns it is in my_smorch.py; each lesson has its own joke."""
        missing = self._missing(names)
        if missing:
            print(f"Your furniture for this lesson waits for {' and '.join(missing)}.")
            return
        celebrate(next(number for number, lesson in enumerate(lessons()) if names[0] in lesson.checked))
        print(f"You are given:  {words}")

    def answers(self, lesson: str) -> None:
        """Show the answers to the questions at the end of a lesson, when its pieces are done."""
        (found,) = [one for one in lessons() if one.name == lesson]
        missing = self._missing(found.checked)
        if missing:
            print(f"The answers are shown here when you have {' and '.join(missing)}.")
        else:
            _show(Text(found.answers))

    def hint(self, thing: Any) -> None:
        """Open the next of three steps to a piece: where to look, which rule, the formula; they are counted."""
        try:
            print(hints.open_next(self.folder, thing if isinstance(thing, str) else getattr(thing, "__name__", "")))
        except ValueError as error:
            print(error)

    def patient(self, number: int) -> Patient:
        """Return a network with a bug, made from the student's own library, after its training; 0 is one without."""
        with contextlib.redirect_stdout(None):  # what is borrowed was said before
            names = ("Data", "Linear", "Bias", "Relu", "CrossEntropy")
            things = dict(zip(names, self.library(*names), strict=True))
        return patient(number, things.__getitem__)

    def show(self, picture: Any) -> None:
        """Show a picture: in a notebook as one, in a terminal as text, if it has one."""
        if isinstance(picture, Svg) and not in_notebook():
            print("(there is a picture here in the notebook)")
        else:
            _show(picture)

    def digits(self, mnist: bool = False) -> tuple[Array, Array, Array, Array]:
        """Return images (N, H, W, 1) from 0 to 1 with their labels (N,), and images and labels for the test.

        With `mnist`, those in MNIST's idx files in the folder, if there are any; otherwise, the digits of scikit-learn.
        """
        files = _mnist_files(self.folder) if mnist else []
        if files:
            sets = [_read_idx(images) for images in files]
            names = ", ".join(path.name for path in files)
        else:
            from sklearn.datasets import load_digits

            bunch = load_digits()
            sets, names = [(bunch.images[..., None] / 16, bunch.target)], "the digits of scikit-learn"
        if len(sets) == 1:
            sets = _split(*sets[0])
        (images, labels), (test_images, test_labels) = sets
        print(f"{names}: {len(images)} images to train with, {len(test_images)} put aside")
        return images, labels, test_images, test_labels

    def _missing(self, names: Sequence[str]) -> list[str]:
        try:
            done = mine.names(self.folder)
        except BrokenLibraryError:  # `library` has said so
            done = set()
        return [name for name in names if name not in done]

    def _check_unseen(self, thing: Any) -> Any:
        """Without a source nothing can be saved, but what is wrong can be said."""
        report = grade(thing)
        if not report.passed:
            _show(Verdict(report))
            _end(f"{thing.__name__} is not right yet.")
        print(f"{thing.__name__} is right, but its source was not found, so it was not saved in {mine.FILE}.")
        return thing

    def _stop(self, piece: Piece, problem: str) -> Never:
        if _is_cell(piece):
            advice = f"Change the cell that defines {piece.name}, run it, and run this one again."
        else:
            path = Path(piece.file)
            advice = (
                f"Edit {_shown(path)} ({piece.name} begins in line {piece.first_line}), then run it again:  "
                f"{run_command(path)}"
            )
        _end(f"{problem}\n{advice}\nStuck? {_ask_for_hint(self.folder, piece)} opens one of three steps.")


@lru_cache
def substitute(name: str) -> Any:
    """PySmorch's own layer of this name, or the course's solution for what is no layer."""
    import pysmorch

    layer = getattr(pysmorch, name, None)
    if isinstance(layer, type) and issubclass(layer, Layer):
        return layer
    return solution(name)


def solution(name: str) -> Any:
    """Run the solution of a lesson and return what it defines under this name.

    Raises ValueError, with the names that there are, when no lesson does.
    """
    for lesson in lessons():
        if name in lesson.checked:
            namespace: dict[str, Any] = {"np": np, "__name__": "solution"}
            (cell,) = [c for c in lesson.teacher() if c.text.startswith((f"class {name}:", f"def {name}("))]
            exec(compile(cell.text, lesson.name, "exec"), namespace)
            return namespace[name]
    raise ValueError(f"there is no {name}. {_pieces()}")


def _pieces() -> str:
    return f"The pieces of the course are {', '.join(name for lesson in lessons() for name in lesson.checked)}."


def _with_lesson(name: str) -> str:
    numbers = [number for number, lesson in enumerate(lessons(), start=1) if name in lesson.checked]
    return f"{name} (lesson {numbers[0]})" if numbers else name


def _tests(report: GradeReport) -> str:
    return "1 test" if len(report.results) == 1 else f"{len(report.results)} tests"


def _ask_to_fill(piece: Piece, blanks: list[tuple[int, str]]) -> str:
    count = "a blank" if len(blanks) == 1 else f"{len(blanks)} blanks"
    lines = [f"  {_where(piece, line)}:  {text}" for line, text in blanks]
    return "\n".join([f"{piece.name} still has {count}. Write what belongs there instead of ...:", *lines])


def _complain_about(piece: Piece, unknown: dict[str, int]) -> str:
    lines = [f"  {_where(piece, line)}:  {name}" for name, line in unknown.items()]
    advice = "Is it misspelt? Otherwise import or define it inside: what is saved in your library must bring along what it needs."
    return "\n".join([f"{piece.name} uses what is not known in {mine.FILE} (np is):", *lines, advice])


# Where something is, and how to say so.


def _ask_for_hint(folder: Path, piece: Piece) -> str:
    if _is_cell(piece):
        return f'hint("{piece.name}")'
    return run_command("-m", "pysmorch", "course", "hint", folder, piece.name)


def _is_cell(piece: Piece) -> bool:
    return not os.path.exists(piece.file)


def _where(piece: Piece, line: int) -> str:
    return f"line {line} of the cell" if _is_cell(piece) else f"{_shown(Path(piece.file))}, line {line}"


def _shown(path: Path) -> Path:
    """The path as one would type it here."""
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path


def run_command(*arguments: str | Path) -> str:
    """What to type to run a script, or a module with -m, with the Python that runs this."""
    here = Path(sys.executable)
    found = shutil.which("python")
    python = Path("python") if found and Path(found).parent == here.parent else here
    with contextlib.suppress(ValueError):
        python = python.relative_to(Path.cwd())
    return quoted(python, *(_shown(a) if isinstance(a, Path) else a for a in arguments))


def quoted(*parts: str | Path) -> str:
    """Parts of a command as one types them."""
    return " ".join(f'"{part}"' if " " in str(part) else str(part) for part in parts)


def _in_ipython() -> bool:
    module = sys.modules.get("IPython")
    return module is not None and module.get_ipython() is not None


def _show(thing: Any) -> None:
    if in_notebook():
        from IPython.display import display  # type: ignore[import-not-found]

        display(thing)
    else:
        print(thing)


def _end(words: str) -> Never:
    if _in_ipython():
        raise NotYetError(words)
    print(words)
    sys.exit(1)


# Data.


def _mnist_files(folder: Path) -> list[Path]:
    """The files with images, those for training first; there are more of them."""
    found = [path for path in sorted(folder.glob("*images*idx3*")) if _labels_of(path).exists()]
    return sorted(found, key=lambda path: "t10k" in path.name or "test" in path.name)[:2]


def _labels_of(images: Path) -> Path:
    return images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))


def _read_idx(images: Path) -> tuple[Array, Array]:
    from pysmorch.sources import read

    source = read(str(images), labels=str(_labels_of(images)))
    return source.features / np.float32(255), np.asarray(source.labels)


def _split(images: Array, labels: Array) -> list[tuple[Array, Array]]:
    order = np.random.default_rng(0).permutation(len(images))
    test, training = np.split(order, [int(TEST_SHARE * len(order))])
    return [(images[training], labels[training]), (images[test], labels[test])]
