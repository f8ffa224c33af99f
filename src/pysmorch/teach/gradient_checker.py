"""The tests of a student's gradient checker: check_gradient(f, grad, x, error_tol=...)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
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
            f"check_gradient returns {_in_words(answer)}, but has to return True or False.",
            "Compare the error with the tolerance.",
        )
    return bool(answer)


_ACCEPTED_INSTEAD = {
    2.0: "Twice the gradient is called right: the difference f(x + h) - f(x - h) belongs over 2 h.",
    0.5: "Half of the gradient is called right: the difference f(x + h) - f(x) belongs over h.",
    -1.0: "The gradient with the wrong sign is called right: the difference is taken the wrong way round.",
    -0.5: "Minus half of the gradient is called right: sign and denominator of the difference are wrong.",
}


def _in_words(answer: Any) -> str:
    if answer is None:
        return "None"
    return "a number" if isinstance(answer, (int, float, np.number)) else f"something of type {type(answer).__name__}"


def _multiple(factor: float, x: Array) -> Array:
    return factor * _gradient(x)


def _why_refused(check_gradient: Any) -> str:
    """Say what a checker takes for right instead, or what is wrong with its step; empty where neither is known."""
    for factor, sentence in _ACCEPTED_INSTEAD.items():
        if _verdict(check_gradient, partial(_multiple, factor), POINT.copy()):
            return sentence
    steps: list[float] = []

    def watched(x: Array) -> float:
        steps.append(float(np.max(np.abs(x - POINT))))
        return _cube(x)

    call("check_gradient", check_gradient, watched, _gradient, POINT.copy())
    moved = [step for step in steps if step > 0]
    if not steps:
        return "f is never called: the gradient has to be compared with differences of f."
    if not moved:
        return "f is called at x alone: a difference needs its value beside x."
    if max(moved) < 1e-9:
        return f"The step is {max(moved):.1g}: the difference is lost in rounding."
    if min(moved) > 1e-3:
        return f"The step is {min(moved):.1g}, which is too long: the difference is not the derivative any more."
    if len(moved) > 2 * POINT.size and max(moved) > 0.1:
        return f"x is not put back: it moves on from entry to entry, by {max(moved):.2g} in the end."
    return ""


def accepts(check_gradient: Any) -> None:
    """Raise Failure where the right gradient of a simple function is refused."""
    if not _verdict(check_gradient, _gradient, POINT.copy()):
        raise Failure(
            f"The right gradient of a sum of cubes is called wrong. {_why_refused(check_gradient)}".strip(),
            "How long is the step, and is the difference divided by all of it? A step that is too short is lost in rounding.",
        )


def _refuses(mistake: str, change: Callable[[Array], Array]) -> Callable[[Any], None]:
    def run(check_gradient: Any) -> None:
        if _verdict(check_gradient, lambda x: change(_gradient(x)), POINT.copy()):
            accepts(check_gradient)
            anything = _verdict(check_gradient, lambda x: np.cos(7 * x), POINT.copy())
            more = (
                ", and so is one that has nothing to do with f: whatever is compared always comes out true"
                if anything
                else ""
            )
            raise Failure(
                f"A gradient with {mistake} is called right{more}.", "Which entries, and which sign, are compared?"
            )

    return run


def _one_entry_off(gradient: Array) -> Array:
    gradient[1, 2] *= 1.1
    return gradient


def _tolerance(check_gradient: Any) -> None:
    if len(inspect.signature(check_gradient).parameters) < 4:
        raise Failure("check_gradient takes no tolerance.", "Its fourth argument is error_tol.")
    accepts(check_gradient)
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
    Trial("a right gradient is accepted", "forward", 3, accepts),
    Trial("a factor of 2 is refused", "forward", 1, _refuses("a factor of 2", lambda g: 2 * g)),
    Trial("a wrong sign is refused", "forward", 1, _refuses("the wrong sign", lambda g: -g)),
    Trial("zeros are refused", "forward", 1, _refuses("zeros everywhere", np.zeros_like)),
    Trial("one wrong entry is refused", "forward", 2, _refuses("one entry that is a tenth too large", _one_entry_off)),
    Trial("the tolerance is used", "care", 1, _tolerance),
    Trial("x is left as it was", "care", 1, _leaves_the_point),
]
