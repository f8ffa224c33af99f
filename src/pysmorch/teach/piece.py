"""What the tests of pieces have in common: a small example, and the mistake by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Failure, as_numbers, call
from pysmorch.teach.checks import Trial

Test = Callable[[Any], tuple[str, str]]
"""Looks at what the student wrote and returns the mistake and an example with expected beside found; empty if right."""

RIGHT = ("", "")


def trial(name: str, test: Test, part: str = "forward") -> Trial:
    """Return a test of a piece as one point."""

    def run(thing: Any) -> None:
        cause, example = call(thing.__name__, test, thing)
        if cause:
            raise Failure(f"{cause}.", example=example)

    return Trial(name, part, 1, run)


def say(expected: Any, found: Any, where: str) -> str:
    """Return the example as a line."""
    return f"{where}: expected {expected}, found {found}"


def numbers_in(value: Any, what: str, shape: tuple[int, ...] | None = None) -> Array:
    """Return an array of floating-point numbers.

    Raises Failure for what is not made of numbers, and for another shape than the one that is needed, if there is one.
    """
    array = as_numbers(value)
    if array is None:
        found = "nothing (None)" if value is None else f"a {type(value).__name__}"
        raise Failure(f"{what} is {found}, not {'one number' if shape == () else 'an array of numbers'}.")
    if shape == () != array.shape:
        raise Failure(f"{what} is an array, not one number.", example=say((), array.shape, "shape"))
    if shape is not None and array.shape != shape:
        raise Failure(f"{what} has the wrong shape.", example=say(shape, array.shape, "shape"))
    return array


def first_fit(known: dict[str, Array], found: Array) -> str:
    """Return the sentence of the first array that is what was found; empty where none is."""
    return next((cause for cause, array in known.items() if np.allclose(found, array, rtol=1e-6, atol=1e-9)), "")


class Weights:
    """A layer that has weights, and a gradient from outside."""

    SETTABLE = ("W", "G")

    def __init__(self, W: Any) -> None:
        self.W = np.array(W, dtype=float)
        self.G = np.zeros(self.W.shape)


class Source:
    """An input layer: returns an array, and accumulates the gradient."""

    def __init__(self, array: Any) -> None:
        self.array = np.array(array, dtype=float)
        self.out_dims, self.received = self.array.shape, np.zeros(0)

    def forward(self) -> Array:
        """Return the array."""
        return self.array

    def backward(self, dwnstrm: Any) -> None:
        """Accumulate the gradient."""
        shape = self.received.shape if self.received.size else None
        gradient = numbers_in(dwnstrm, "What is passed back", shape)
        self.received = self.received + gradient if self.received.size else gradient
