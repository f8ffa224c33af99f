"""Gradients that are wrong only because forward is: they are right for what forward returns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pysmorch.gradcheck.differences import derivative
from pysmorch.layers.base import Array
from pysmorch.teach.attempt import Attempt, Failure, as_numbers
from pysmorch.teach.factors import factor_between
from pysmorch.teach.finding import Finding, near

MOST_ENTRIES = 24
"""Of an array whose differences are taken."""

STEP = 1e-3


def _own_output(attempt: Attempt, finding: Finding) -> Array | None:
    """Return what forward returns where it is wrong, else None."""
    try:
        other = Attempt(attempt.exercise, attempt.cls, finding.problem)
        out = as_numbers(other.forward())
    except Failure:
        return None
    right = other.expected("output")
    return None if out is None or out.shape != right.shape or near(out, right) else out


def follows_from_forward(attempt: Attempt, finding: Finding) -> str:
    """Sigmoid, Tanh and Normalize, whose gradient is a formula in the output: right with the output as it is."""
    if finding.what != "pass_back" or finding.name not in ("Sigmoid", "Tanh", "Normalize") or not finding.same_shape:
        return ""
    y, d = _own_output(attempt, finding), finding.problem.dwnstrm
    if y is None:
        return ""
    if finding.name == "Normalize":
        right = d - d.mean(0) - y * (d * y).mean(0)
        columns = zip(finding.found.T, right.T, strict=True)
        fits = finding.found.ndim == 2 and len(d) > 3 and all(factor_between(a, b) is not None for a, b in columns)
    else:
        fits = near(finding.found, d * (y * (1 - y) if finding.name == "Sigmoid" else 1 - y**2))
    return _SENTENCE if fits else ""


_SENTENCE = "What is passed back is made of the output in the right way; it is wrong because what forward returns is."


def right_for_its_forward(attempt: Attempt, finding: Finding) -> str:
    """A gradient that agrees with differences of what the class's own forward returns."""
    if finding.what == "output" or not finding.same_shape or finding.expected.size > MOST_ENTRIES:
        return ""
    if _own_output(attempt, finding) is None and not finding.is_loss:
        return ""
    name = "x" if finding.what == "pass_back" else "W"
    array = np.array(getattr(finding.problem, name), dtype=np.float64)
    if array.shape != finding.found.shape:
        return ""
    p = finding.problem
    moved = replace(p, x=array) if name == "x" else replace(p, W=array)
    weights: Any = 1.0 if finding.problem.dwnstrm is None else finding.problem.dwnstrm

    def value() -> float:
        other = Attempt(attempt.exercise, attempt.cls, moved)
        return float(np.sum(weights * np.asarray(as_numbers(other.forward()))))

    try:
        gradient = np.empty_like(array)
        for index in np.ndindex(*array.shape):
            gradient[index] = derivative(value, array, index, STEP)
    except (Failure, TypeError, ValueError):
        return ""
    close = np.abs(finding.found - gradient) <= 1e-5 * np.max(np.abs(gradient))
    subject = "G" if finding.what == "G" else "What is passed back"
    return (
        f"{subject} is the right gradient of what forward returns; it is wrong only because forward is."
        if close.all()
        else ""
    )
