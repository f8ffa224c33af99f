"""A factor that is wrong, alone or on top of a formula that is known to be wrong: two mistakes at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import ANY_FACTOR
from pysmorch.layers.base import Array
from pysmorch.teach.exercises import Problem
from pysmorch.teach.factors import ALONE, factor_between, factors_of_a_layer, factors_of_a_loss, in_words
from pysmorch.teach.finding import Finding, number

FEW = 6
"""So few numbers fit many a formula times a factor."""

Elsewhere = Callable[[], "Finding | None"]
"""Returns the same result of the class for other sizes, where two factors that are the same here differ."""


def a_factor_alone(elsewhere: Elsewhere, f: Finding) -> str:
    """What is right, times a number."""
    factor = factor_between(f.found, f.expected)
    if factor is None or abs(factor - 1) < 1e-9:
        return ""
    other = elsewhere()
    names = in_words(factor, _sizes(f), f.expected.ndim == 0)
    factor_there = None if other is None else factor_between(other.found, other.expected)
    if other is not None and factor_there is not None:
        names_there = in_words(factor_there, _sizes(other), f.expected.ndim == 0)
        names = [name for name in names if name in names_there]
        divisors = [len(one.problem.x) / c for one, c in ((f, factor), (other, factor_there))]
        if not names and f.is_loss and abs(divisors[0] - divisors[1]) < 1e-6 * abs(divisors[0]):
            return f"Divided by {number(divisors[0])} instead of the number of rows M, whatever that is."
    if names:
        return ALONE.get(names[0], names[0])
    if not f.expected.ndim:
        return ""
    return _by_a_measure(factor, f) or f"Everything is {factor:.8g} times what it should be: {ANY_FACTOR}"


def _by_a_measure(factor: float, f: Finding) -> str:
    measures = {
        "norm": np.linalg.norm(f.expected),
        "sum": f.expected.sum(),
        "largest entry": f.expected.max(),
        "largest absolute value": np.abs(f.expected).max(),
        "standard deviation": f.expected.std(),
    }
    fits = (name for name, value in measures.items() if abs(factor * value - 1) < 1e-5)
    name = next(fits, "")
    return f"Everything is divided by its {name}: it must not be scaled." if name else ""


def with_a_factor(tables: Iterable[Mapping[str, Callable[[Problem], Any]]], elsewhere: Elsewhere, f: Finding) -> str:
    """A known wrong formula, and a factor, which both have to be found for other sizes too."""
    if f.problem.x.ndim > 2 and f.found.shape != f.expected.shape:
        return ""  # a sum over another number of axes is a mean times a size
    for table in tables:
        for sentence, formula in table.items():
            factor, value = _factor_of(formula, f)
            if factor is None or value is None:
                continue
            names = in_words(factor, _sizes(f), f.expected.ndim == 0)
            many = f.expected.size >= FEW and value.size >= FEW
            if not names and not many:
                continue
            other = elsewhere()
            factor_there = None if other is None else _factor_of(formula, other)[0]
            if other is not None and factor_there is None:
                continue
            if other is not None and factor_there is not None:
                there = in_words(factor_there, _sizes(other), f.expected.ndim == 0)
                names = [name for name in names if name in there]
            if names:
                return f"{sentence} {names[0]}"
            if many:
                return f"{sentence} Besides, everything is multiplied by {_constant_in_words(factor, f)}."
    return ""


def _constant_in_words(factor: float, f: Finding) -> str:
    arrays = {"W": f.problem.W, "the input": f.problem.x, "dwnstrm": f.problem.dwnstrm}
    for name, array in arrays.items():
        for words, measure in (("mean", np.mean), ("sum", np.sum), ("largest entry", np.max), ("norm", np.linalg.norm)):
            if array is not None and abs(factor - float(measure(array))) < 1e-6 * abs(factor):
                return f"the {words} of {name}"
    return number(factor)


def _factor_of(formula: Callable[[Problem], Any], f: Finding) -> tuple[float | None, Array | None]:
    try:
        value = np.asarray(formula(f.problem), dtype=np.float64)
        return factor_between(f.found, value), value
    except (TypeError, ValueError, AttributeError, IndexError):  # not every formula fits every shape
        return None, None


def _sizes(f: Finding) -> dict[str, float]:
    """The sizes by which one may divide by mistake."""
    x, W, d = f.problem.x, f.problem.W, f.problem.dwnstrm
    if f.is_loss:
        return factors_of_a_loss(x.shape[0], x.shape[-1])
    if f.name == "Conv2d":
        positions = int(np.prod(d.shape[1:3]))
        return factors_of_a_layer(
            {
                "the number of rows": len(x),
                "the number of positions": positions,
                "the number of positions in all images": len(x) * positions,
                "the number of weights in a window": W.shape[0] * W.shape[1],
                "the number of weights of a filter": W.shape[0] * W.shape[1] * W.shape[2],
                "the size of the filter": W.shape[0],
                "the number of channels": W.shape[2],
                "the number of filters": W.shape[3],
            }
        )
    sizes = {"the number of rows": len(x), "the number of columns": x.shape[-1], "the number of all entries": x.size}
    if f.name == "Linear":
        sizes["the number of outputs"] = W.shape[1]
        sizes["the number of all outputs"] = len(x) * W.shape[1]
    if f.name == "Flatten":
        sizes["the number of entries of an example"] = x[0].size
    return factors_of_a_layer(sizes)
