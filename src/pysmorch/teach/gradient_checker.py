"""The tests of a student's gradient checker: check_gradient(f, grad, x, error_tol=...)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from pysmorch.gradcheck import WrongGradient
from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Failure, call
from pysmorch.teach.checks import Trial

POINT = np.array([[0.5, -1.2, 0.8], [1.5, 0.7, -0.4]])


def _cube(x: Array) -> float:
    return float(np.sum(x**3) + x[0, 0] * x[1, 1])


def _gradient(x: Array) -> Array:
    g = 3 * x**2
    g[0, 0] += x[1, 1]
    g[1, 1] += x[0, 0]
    return g


def _verdict(check_gradient: Any, grad: Callable[[Array], Array], x: Array, *more: Any) -> bool:
    np.random.seed(0)
    answer = call("check_gradient", check_gradient, _cube, grad, x, *more)
    if not isinstance(answer, (bool, np.bool_, WrongGradient)):
        raise Failure(
            f"check_gradient returns {answer!r}, but has to return True or False.",
            "Compare the error with the tolerance.",
        )
    return bool(answer)


def _accepts(check_gradient: Any) -> None:
    if not _verdict(check_gradient, _gradient, POINT.copy()):
        raise Failure(
            "The right gradient of a sum of cubes is called wrong.",
            "How long is the step, and is the difference divided by all of it? A step that is too short is lost in rounding.",
        )


def _refuses(mistake: str, change: Callable[[Array], Array]) -> Callable[[Any], None]:
    def run(check_gradient: Any) -> None:
        if _verdict(check_gradient, lambda x: change(_gradient(x)), POINT.copy()):
            raise Failure(f"A gradient with {mistake} is called right.", "Which entries, and which sign, are compared?")

    return run


def _one_entry_off(gradient: Array) -> Array:
    gradient[1, 2] *= 1.1
    return gradient


def _tolerance(check_gradient: Any) -> None:
    if len(inspect.signature(check_gradient).parameters) < 4:
        raise Failure("check_gradient takes no tolerance.", "Its fourth argument is error_tol.")
    nearly = lambda x: _gradient(x) * (1 + 1e-3)  # noqa: E731
    if not _verdict(check_gradient, nearly, POINT.copy(), 1e-2):
        raise Failure("An error of one thousandth is refused though error_tol is one hundredth.", "Is error_tol used?")
    if _verdict(check_gradient, nearly, POINT.copy(), 1e-5):
        raise Failure("An error of one thousandth is accepted though error_tol is 1e-5.", "Is error_tol used?")


def _leaves_the_point(check_gradient: Any) -> None:
    x = POINT.copy()
    _verdict(check_gradient, _gradient, x)
    if not np.array_equal(x, POINT):
        raise Failure("check_gradient changes x.", "Work on a copy, or put every entry back.")


GRADIENT_CHECKER_TRIALS = [
    Trial("a right gradient is accepted", "forward", 3, _accepts),
    Trial("a factor of 2 is refused", "forward", 1, _refuses("a factor of 2", lambda g: 2 * g)),
    Trial("a wrong sign is refused", "forward", 1, _refuses("the wrong sign", lambda g: -g)),
    Trial("zeros are refused", "forward", 1, _refuses("zeros everywhere", np.zeros_like)),
    Trial("one wrong entry is refused", "forward", 2, _refuses("one entry that is a tenth too large", _one_entry_off)),
    Trial("the tolerance is used", "care", 1, _tolerance),
    Trial("x is left as it was", "care", 1, _leaves_the_point),
]
