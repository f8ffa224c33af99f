"""Two mistakes at once: a formula that is known to be wrong, or the right one, with a factor that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import ANY_FACTOR
from pysmorch.teach.exercises import Problem
from pysmorch.teach.factors import factor_between, factor_of_a_layer, factor_of_a_loss
from pysmorch.teach.finding import Finding, number

FEW = 6
"""So few numbers fit many a formula times a factor."""


def with_a_factor(tables: Iterable[Mapping[str, Callable[[Problem], Any]]], f: Finding) -> str:
    """A factor alone, or a known wrong formula and a factor."""
    alone = factor_between(f.found, f.expected)
    if alone is not None and (named := _named(f, alone)):
        return named
    if alone is not None:
        return f"Everything is {alone:.8g} times what it should be: {ANY_FACTOR}" if f.expected.ndim else ""
    if f.problem.x.ndim > 2 and f.found.shape != f.expected.shape:
        return ""  # a sum over another number of axes is a mean times a size
    for table in tables:
        for sentence, formula in table.items():
            try:
                value = np.asarray(formula(f.problem), dtype=np.float64)
                factor = factor_between(f.found, value)
            except (TypeError, ValueError, AttributeError, IndexError):  # not every formula fits every shape
                continue
            if factor is None or abs(factor) < 1e-9:
                continue
            named = _named(f, factor)
            if named:
                return f"{sentence} {named}"
            if f.expected.size >= FEW and value.size >= FEW:
                return f"{sentence} Besides, everything is multiplied by {number(factor)}."
    return ""


def _named(f: Finding, factor: float) -> str:
    if f.is_loss:
        rows, columns = f.problem.x.shape[0], f.problem.x.shape[-1]
        return factor_of_a_loss(factor, rows, columns, one_number=f.expected.ndim == 0)
    return factor_of_a_layer(factor, _sizes(f))


def _sizes(f: Finding) -> dict[str, int]:
    """The sizes by which one may divide by mistake."""
    x, W, d = f.problem.x, f.problem.W, f.problem.dwnstrm
    if f.name == "Conv2d":
        positions = int(np.prod(d.shape[1:3]))
        return {
            "the number of images": len(x),
            "the number of positions": positions,
            "the number of positions in all images": len(x) * positions,
            "the number of weights in a window": W.shape[0] * W.shape[1],
            "the number of weights of a filter": W.shape[0] * W.shape[1] * W.shape[2],
            "the number of channels": W.shape[2],
            "the number of filters": W.shape[3],
        }
    sizes = {"the number of rows": len(x), "the number of columns": x.shape[-1], "the number of all entries": x.size}
    if f.name == "Linear":
        sizes["the number of outputs"] = W.shape[1]
        sizes["the number of all outputs"] = len(x) * W.shape[1]
    return sizes
