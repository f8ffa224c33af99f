"""What is wrong with numbers that a student's class gives: the sentence, the example and the hint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pysmorch.gradcheck.diagnosis import ANY_FACTOR, explain_numbers
from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Attempt, Failure, as_numbers
from pysmorch.teach.exercises import Exercise, Problem
from pysmorch.teach.mistakes import MISTAKES
from pysmorch.teach.report import clean

NAMES = {"output": "what forward returns", "G": "G", "pass_back": "what is handed back"}

W_HINT = "The constructor makes W; only an optimizer changes it."

SHOWN_ROWS, SHOWN_COLUMNS = 8, 6
"""So much of a matrix is shown in an example."""


def compare(attempt: Attempt, what: str, found: Any) -> None:
    """Compare "output", "G" or "pass_back" with what is right; raise a Failure that explains the difference."""
    expected = attempt.expected(what)
    numbers = as_numbers(found)
    if numbers is not None and agrees(numbers, expected, attempt.tolerance):
        return
    if not attempt.W_is_kept():
        raise Failure("W is another one after the passes than before.", W_HINT)
    cause = _cause_of_type(what, found) if numbers is None else _cause(attempt, what, numbers, expected)
    hint = attempt.exercise.hints.get(what, "")
    raise Failure(cause, hint, example(attempt.problem, what, expected, found if numbers is None else numbers))


def agrees(found: Array, expected: Array, tolerance: float) -> bool:
    """Whether two arrays have the same shape and the same numbers; a number may be an array of one entry."""
    if expected.ndim == 0 and found.size == 1:
        found = found.reshape(())
    return found.shape == expected.shape and bool(np.all(_close(found, expected, tolerance)))


def _close(found: Array, expected: Array, tolerance: float) -> Array:
    size = np.abs(expected)
    with np.errstate(all="ignore"):
        return np.abs(found - expected) <= tolerance * (size + 0.1 * np.max(size, initial=0.0)) + 1e-9


def _cause_of_type(what: str, found: Any) -> str:
    return f"{_begin(what)} is not an array of real numbers, but {_kind_of(found)}."


def _begin(what: str) -> str:
    return NAMES[what][0].upper() + NAMES[what][1:]


def _kind_of(found: Any) -> str:
    if isinstance(found, np.ndarray):
        return f"an array of {found.dtype}"
    return "nothing (None)" if found is None else f"of type {type(found).__name__}"


def _cause(attempt: Attempt, what: str, found: Array, expected: Array) -> str:
    """Return the first sentence that fits: a formula that is known, a shape, a number that is none, a factor, ..."""
    p = attempt.problem
    for sentence, formula in MISTAKES.get(attempt.name, {}).get(what, {}).items():
        if _fits(found, formula, p, expected):
            return sentence
    if found.size == expected.size and agrees(found.reshape(expected.shape), expected, attempt.tolerance):
        return f"The numbers are right, but the shape is {found.shape} and has to be {expected.shape}."
    if what == "output" and not found.any() and expected.any():
        return "forward returns 0: it still has to be written, or whole numbers were divided."
    for sentence, formula in _for_every_class(attempt.exercise, what).items():
        if _fits(found, formula, p, expected):
            return sentence
    known = explain_numbers(found, expected, p.dwnstrm if what == "pass_back" else None, len(p.x))
    if known and not (expected.ndim == 0 and known.endswith(ANY_FACTOR)):
        return known
    if found.shape != expected.shape:
        like = {"output": "", "G": ", that of W", "pass_back": ", that of the input"}[what]
        return f"{_begin(what)} has shape {found.shape}, but has to have {expected.shape}{like}."
    if not np.isfinite(found).all():
        place = [int(i) for i in np.argwhere(~np.isfinite(found))[0]]
        return f"{_begin(what)} is {found[tuple(place)]}{f' at {place}' if place else ''}."
    if expected.size == 1:
        return f"{_begin(what)} is {found.item():.6g} instead of {expected.item():.6g}."
    wrong = int((~_close(found, expected, attempt.tolerance)).sum())
    return f"{wrong} of the {expected.size} entries of {NAMES[what]} are wrong."


def _for_every_class(exercise: Exercise, what: str) -> dict[str, Callable[[Problem], Any]]:
    """Wrong formulas that are possible everywhere."""

    def right(p: Problem) -> Array:
        return exercise.expected(p, what)

    def of_row(row: slice) -> Callable[[Problem], Any]:
        return lambda p: exercise.expected(replace(p, x=p.x[row], dwnstrm=p.dwnstrm[row]), what)

    rounded = {
        "The decimals are lost: the numbers became whole ones.": lambda p: np.trunc(right(p)),
        "The numbers are rounded to whole ones.": lambda p: np.rint(right(p)),
        "The numbers have three digits only: they were put into an array of float16.": (
            lambda p: right(p).astype(np.float16)
        ),
    }
    if what == "output":
        return {"forward returns its input as it came.": lambda p: p.x, **rounded}
    if what == "G":
        return {
            "This is what the first row of the batch gives alone: the sum over the batch is missing.": of_row(slice(1)),
            "This is what the last row of the batch gives alone: the sum over the batch is missing.": of_row(
                slice(-1, None)
            ),
            "G is dwnstrm as it came.": lambda p: p.dwnstrm,
            "G is the input.": lambda p: p.x,
            "G is W itself.": lambda p: p.W,
            **rounded,
        }
    return {
        "dwnstrm is handed back as it came: the derivative of the layer itself is not applied.": lambda p: p.dwnstrm,
        "The gradient for W is handed back instead of that for the input.": lambda p: exercise.gradient(p, "W"),
        "The input is handed back instead of a gradient.": lambda p: p.x,
        "The output is handed back instead of a gradient.": exercise.output,
        "W is handed back instead of a gradient.": lambda p: p.W,
        **rounded,
    }


def _fits(found: Array, formula: Callable[[Problem], Any], p: Problem, expected: Array) -> bool:
    """Whether the numbers found are those of a wrong formula; axes of length one do not matter."""
    try:
        with np.errstate(all="ignore"):
            wrong = np.squeeze(np.asarray(formula(p), dtype=np.float64))
    except (TypeError, ValueError, AttributeError, IndexError):  # not every formula fits every shape
        return False
    return agrees(np.squeeze(found), wrong, 1e-5) and not agrees(np.squeeze(expected), wrong, 1e-5)


# Examples.


def example(p: Problem, what: str, expected: Array, found: Any) -> str:
    """Show the numbers that went in, what was expected and what was found, side by side."""
    arrays = [("x", p.x), ("W", p.W), ("labels", p.labels), ("dwnstrm", None if what == "output" else p.dwnstrm)]
    blocks = [_block(name, array) for name, array in arrays if array is not None]
    differ = np.shape(found) != expected.shape
    name = {"output": "", "G": " G", "pass_back": ""}[what]
    blocks += [_block(f"expected{name}", expected, differ), _block(f"found{name}", found, differ)]
    height = max(map(len, blocks))
    lines = []
    for i in range(height):
        cells = [block[i] if i < len(block) else "" for block in blocks]
        lines.append("    ".join(c.ljust(max(map(len, b))) for c, b in zip(cells, blocks, strict=True)).rstrip())
    return "\n".join(lines)


def _block(title: str, value: Any, with_shape: bool = False) -> list[str]:
    """Write an array as lines below its title; one of more than two axes with its shape."""
    array = as_numbers(value)
    if array is None:
        return [title, _text_of(value)]
    rows = np.squeeze(array) if array.ndim > 2 else array
    rows = rows.reshape(-1, rows.shape[-1]) if rows.ndim > 2 else np.atleast_2d(rows)
    cells = [[_number(v) for v in row[:SHOWN_COLUMNS]] for row in rows[:SHOWN_ROWS]]
    widths = [max(len(row[c]) for row in cells) for c in range(len(cells[0]))] if cells else []
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    if rows.shape[1] > SHOWN_COLUMNS:
        lines = [f"{line}  ..." for line in lines]
    if len(rows) > SHOWN_ROWS:
        lines.append("...")
    shape = f" {array.shape}" if with_shape or array.ndim > 2 else ""
    return [f"{title}{shape}", *lines]


def _number(value: float) -> str:
    return f"{value + 0.0:.4g}"


def _text_of(value: Any) -> str:
    try:
        text = " ".join(clean(repr(value)).split())
    except Exception:  # an object of the student's may not even have a text
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]} ..."
