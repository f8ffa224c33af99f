"""Tests of a student's gradient checker on functions with large and with small values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Failure, call
from pysmorch.teach.checks import Trial
from pysmorch.teach.gradient_checker import accepts

POINT = np.array([[0.9, -1.1], [0.7, 1.4]])
HINT = "Divide the difference by the size of the gradient: an error counts by its size relative to that."


def _on_scale(scale: float, word: str) -> Callable[[Any], None]:
    def f(x: Array) -> float:
        return float(scale * np.sum(x**3))

    def gradient(x: Array) -> Array:
        return np.asarray(3 * scale * x**2)

    def wrong(x: Array) -> Array:
        return 2 * gradient(x)

    def run(check_gradient: Any) -> None:
        accepts(check_gradient)
        if not call("check_gradient", check_gradient, f, gradient, POINT.copy()):
            raise Failure(f"The right gradient of a function with {word} values ({scale:g} x^3) is called wrong.", HINT)
        if call("check_gradient", check_gradient, f, wrong, POINT.copy()):
            raise Failure(f"For a function with {word} values ({scale:g} x^3) a factor of 2 is called right.", HINT)

    return run


SCALE_TRIALS = [
    Trial("functions with large values are right", "care", 1, _on_scale(1e8, "large")),
    Trial("functions with small values are right", "care", 1, _on_scale(1e-8, "small")),
]
