"""A result of a student's class beside the right one, and what all ways to explain the difference need."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import CLOSE
from pysmorch.layers.base import Array
from pysmorch.teach.exercises import Exercise, Problem


@dataclass(frozen=True, eq=False)
class Finding:
    """What a class has given, with the numbers that it was given.

    Attributes:
        exercise: what is graded.
        problem: the numbers that went in.
        what: "output", "G" or "pass_back".
        found: what the class gave.
        expected: what is right.
    """

    exercise: Exercise
    problem: Problem
    what: str
    found: Array
    expected: Array

    @property
    def name(self) -> str:
        """Of the class."""
        return self.exercise.name

    @property
    def is_loss(self) -> bool:
        """Whether the class is a loss."""
        return self.exercise.labels is not None

    @cached_property
    def same_shape(self) -> bool:
        """Whether the shapes agree and there are enough finite numbers to compare one by one."""
        return (
            self.found.shape == self.expected.shape and self.expected.ndim > 0 and bool(np.isfinite(self.found).all())
        )

    @cached_property
    def named_arrays(self) -> dict[str, Array]:
        """The arrays that may have come in by mistake, by their names; those that fit the result's shape."""
        p = self.problem
        arrays: dict[str, Any] = {"the input": p.x, "W": p.W, "dwnstrm": p.dwnstrm, "the labels": p.labels}
        if self.what != "output" and not self.is_loss:
            arrays["the output"] = self.exercise.output(p)
        if self.what == "G":
            arrays["the sum of dwnstrm over the batch"] = p.dwnstrm.sum(0)
            arrays["the sum of the input over the batch"] = p.x.sum(0)
        if self.name == "Relu":
            arrays["the mask of the input"] = p.x > 0
        return {
            name: np.broadcast_to(np.asarray(array, dtype=np.float64), self.expected.shape)
            for name, array in arrays.items()
            if array is not None and _fits(np.shape(array), self.expected.shape)
        }


def _fits(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def near(found: Array, formula: Array) -> bool:
    """Whether two arrays of one shape agree to what a student's arithmetic may lose."""
    if found.shape != formula.shape or not found.size:
        return False
    scale = np.max(np.abs(formula))
    return bool(np.isfinite(scale)) and bool((np.abs(found - formula) <= CLOSE * scale + 1e-12).all())


def number(value: float) -> str:
    """Write a number of an explanation."""
    return f"{value:.4g}"


Explanation = Callable[[Finding], str]
"""Returns a sentence where it reproduces what was found, else an empty text."""


def first_explanation(explanations: Iterable[Explanation], finding: Finding) -> str:
    """Return the first sentence that fits. Not every explanation can be computed for every shape."""
    with np.errstate(all="ignore"):
        for explanation in explanations:
            try:
                sentence = explanation(finding)
            except (ArithmeticError, AttributeError, IndexError, TypeError, ValueError):  # LinAlgError is a ValueError
                continue
            if sentence:
                return sentence
    return ""
