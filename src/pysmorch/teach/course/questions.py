"""Questions with a number, an array or a letter as their answer, marked at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.course.source import lessons

ROUNDING = 0.005
"""An answer may be off by this share of the largest number in it, so that two digits after the point are enough."""


def quiz(name: str, value: Any) -> None:
    """Mark an answer, and print what is not right about it.

    Parameters
    ----------
    name : str
        The question.
    value : float, list, array or str
        The answer; `...` where there is none yet.
    """
    right = {name: answer for lesson in lessons() for name, answer in lesson.quiz.items()}
    if name not in right:
        print(f"there is no question {name!r}; the questions are {', '.join(right)}")
    elif _is_open(value):
        print(f"question {name}: write your answer instead of ...")
    else:
        problem = _problem(right[name], value)
        print(f"question {name}: {f'not yet. {problem}' if problem else 'right!'}")


def _is_open(value: Any) -> bool:
    return value is ... or (isinstance(value, (list, tuple)) and any(map(_is_open, value)))


def _problem(right: Any, value: Any) -> str:
    """Return what is not right about an answer; empty where nothing is."""
    if isinstance(right, str):
        matches = isinstance(value, str) and value.strip().lower() == right
        return "" if matches else f"It is not {value!r}: look at the pictures once more."
    expected = np.asarray(right, dtype=np.float64)
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return f"The answer is {_kind(expected)}."
    if found.shape != expected.shape:
        if found.ndim == 2 and found.T.shape == expected.shape and _equal(found.T, expected):
            return "Rows and columns are exchanged."
        return f"The answer is {_kind(expected)}, but yours is {_kind(found)}."
    return "" if _equal(found, expected) else _difference(expected, found)


def _difference(expected: Array, found: Array) -> str:
    if _equal(-found, expected):
        return "The sign is the wrong one."
    if found.ndim == 2 and found.T.shape == expected.shape and _equal(found.T, expected):
        return "Rows and columns are exchanged."
    norm = float(np.sum(expected**2))
    factor = float(np.sum(found * expected)) / norm if norm else 0.0
    if factor and _equal(found / factor, expected):
        return f"Everything is {factor:.3g} times what it should be."
    right = int(np.sum(np.abs(found - expected) <= _tolerance(expected)))
    if found.size > 1:
        return f"{right} of the {found.size} numbers {'is' if right == 1 else 'are'} right."
    return f"It is not {float(found):.6g}."


def _equal(found: Array, expected: Array) -> bool:
    return bool(np.all(np.abs(found - expected) <= _tolerance(expected)))


def _tolerance(expected: Array) -> float:
    return ROUNDING * float(np.max(np.abs(expected), initial=1e-9))


def _kind(array: Array) -> str:
    """An array's form in words."""
    if array.ndim == 0:
        return "one number"
    if array.ndim == 1:
        return f"a row of {len(array)} numbers"
    return f"an array of shape {array.shape}"
