"""Mistakes by their kind, for any class: something added, a factor for each entry, a loop that ends early, another order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import is_close
from pysmorch.layers.base import Array
from pysmorch.teach.factors import factor_between
from pysmorch.teach.finding import Explanation, Finding, near, number

SUBJECTS = {"output": "what forward returns", "G": "G", "pass_back": "what is passed back"}

FEW = 4
"""Of so few entries too much is true by chance."""


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


_APPLIED: dict[str, Callable[[Array], Array]] = {
    "a ReLU": lambda v: np.maximum(v, 0),
    "the absolute value": np.abs,
    "a sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "tanh": np.tanh,
    "a softmax": _softmax,
    "the square": np.square,
    "the exponential": np.exp,
    "the reciprocal": np.reciprocal,
    "the sign": np.sign,
    "the square root": np.sqrt,
}


def something_applied(f: Finding) -> str:
    """A function of what is right."""
    if not f.same_shape or f.expected.size < FEW:
        return ""
    for name, function in _APPLIED.items():
        value = function(f.expected)
        if near(f.found, value) and not near(f.found, f.expected):
            return f"{name[0].upper()}{name[1:]} is applied to {SUBJECTS[f.what]}, which would be right without it."
    return ""


def cut_off(f: Finding) -> str:
    """What is right, but for entries beyond a limit (clip)."""
    if not f.same_shape or f.expected.size < FEW:
        return ""
    low, high = float(f.found.min()), float(f.found.max())
    if low < high and near(f.found, np.clip(f.expected, low, high)):
        wrong = ~is_close(f.found, f.expected, 1e-5)
        limits = [v for v, there in ((low, f.expected.min() < low), (high, f.expected.max() > high)) if there]
        at_a_limit = np.any([np.abs(f.found[wrong] - v) < 1e-9 for v in limits], axis=0)
        if wrong.any() and at_a_limit.all():
            return f"Entries beyond {' and '.join(map(number, limits))} are cut off (clip)."
    return ""


def something_added(f: Finding) -> str:
    """What is right, plus a number, a row, a column or a multiple of an array that is at hand."""
    if not f.same_shape or f.expected.size < FEW:
        return ""
    rest = f.found - f.expected
    if near(rest, np.full_like(rest, rest.mean())):
        return f"The number {number(rest.mean())} is added to every entry of {SUBJECTS[f.what]}."
    for name, array in f.named_arrays.items():
        factor = factor_between(rest, array)
        if factor is not None:
            return _added(f, name, factor)
    if f.expected.ndim == 2 and min(f.expected.shape) > 1 and f.what != "G":
        if near(rest, np.broadcast_to(rest[:1], rest.shape)):
            return f"Something is added to {_right(f)}, the same row for every example{_own_bias(f)}."
        if near(rest, np.broadcast_to(rest[:, :1], rest.shape)):
            return f"Something is added to {_right(f)}, the same column for every feature."
    if f.expected.ndim == 4 and f.what == "output" and near(rest, np.broadcast_to(rest[:1, :1, :1], rest.shape)):
        return f"Something is added to {_right(f)}, a number for each filter{_own_bias(f)}."
    return ""


def _own_bias(f: Finding) -> str:
    return ": here the bias is a layer of its own" if f.name in ("Linear", "Conv2d", "Scale") else ""


def _right(f: Finding) -> str:
    return f.exercise.formula if f.what == "output" else f"the right {SUBJECTS[f.what].removeprefix('what is ')}"


def _added(f: Finding, name: str, factor: float) -> str:
    if f.what == "G" and name == "W":
        return f"{number(factor)} W is added to G, as for weight decay: that is not part of this gradient."
    times = "" if abs(abs(factor) - 1) < 1e-6 else f"{number(abs(factor))} times "
    sign = "plus" if factor > 0 else "less"
    return f"{SUBJECTS[f.what][0].upper()}{SUBJECTS[f.what][1:]} is what is right {sign} {times}{name}."


def a_factor_for_each_entry(f: Finding) -> str:
    """What is right, times or divided by an array that is at hand."""
    if not f.same_shape or f.expected.size < FEW:
        return ""
    for name, array in f.named_arrays.items():
        for words, value in (
            (f"multiplied by {name} once more", f.expected * array),
            (f"divided by {name}", f.expected / array),
            (f"multiplied by the square of {name}", f.expected * array**2),
        ):
            factor = factor_between(f.found, value)
            if factor is not None and not near(f.found, f.expected):
                rest = "" if abs(factor - 1) < 1e-6 else f" (and by the number {number(factor)})"
                return f"{SUBJECTS[f.what][0].upper()}{SUBJECTS[f.what][1:]} is what is right {words}{rest}."
    return ""


_MEASURES: dict[str, Callable[[Array, int | None], Array]] = {
    "sum": lambda a, axis: a.sum(axis, keepdims=True),
    "norm": lambda a, axis: np.sqrt(np.square(a).sum(axis, keepdims=True)),
    "largest entry": lambda a, axis: a.max(axis, keepdims=True),
    "largest absolute value": lambda a, axis: np.abs(a).max(axis, keepdims=True),
    "standard deviation": lambda a, axis: a.std(axis, keepdims=True),
}


def scaled_to_one(f: Finding) -> str:
    """What is right, divided by its sum, norm or largest entry, or less its mean."""
    if not f.same_shape or f.expected.ndim < 2 or f.expected.size < FEW:
        return ""
    for axis, which in ((None, "Everything"), (0, "Each column"), (f.expected.ndim - 1, "Each row")):
        for name, measure in _MEASURES.items():
            if near(f.found, f.expected / measure(f.expected, axis)):
                return f"{which} of {SUBJECTS[f.what]} is divided by its {name}."
        if near(f.found, f.expected - f.expected.mean(axis, keepdims=True)):
            return f"The mean is taken away: {which.lower()} of {SUBJECTS[f.what]} adds up to 0."
    return ""


def a_factor_for_each_row(f: Finding) -> str:
    """What is right, but every row (or every column) with a factor of its own."""
    if f.found.shape != f.expected.shape or f.expected.ndim != 2 or min(f.expected.shape) < 3:
        return ""
    for which, found, expected in (("row", f.found, f.expected), ("column", f.found.T, f.expected.T)):
        factors = [factor_between(a, b) for a, b in zip(found, expected, strict=True)]
        if all(factor is not None for factor in factors):
            shown = ", ".join(number(factor) for factor in factors[:3] if factor is not None)
            return f"Each {which} of {SUBJECTS[f.what]} has a wrong factor of its own ({shown}, ...)."
    return ""


def _axis_names(f: Finding) -> tuple[str, ...]:
    if f.name == "Conv2d":
        return (
            ("row of the filter", "column of the filter", "channel", "filter")
            if f.what == "G"
            else ("image", "row of the image", "column of the image", "filter" if f.what == "output" else "channel")
        )
    return ("row", "column") if f.expected.ndim == 2 else ("example", "row", "column", "channel")


def _plural(which: str) -> str:
    first, *rest = which.split(" ", 1)
    return " ".join([f"{first}s", *rest])


def a_part_is_missing(f: Finding) -> str:
    """What is right, but one end of an axis is wrong, or only one end is right: a loop that ends early."""
    if not f.same_shape or f.expected.size < FEW:
        return ""
    wrong = ~is_close(f.found, f.expected, 1e-5)
    for axis, which in zip(range(f.expected.ndim), _axis_names(f), strict=False):
        size = f.expected.shape[axis]
        others = tuple(i for i in range(f.expected.ndim) if i != axis)
        indices = np.flatnonzero(wrong.any(others))
        if size > 1 and len(indices) == 1 and indices[0] in (0, size - 1):
            return _one_end_is_wrong(f, which, axis, int(indices[0]))
        right = np.flatnonzero(~wrong.any(others))
        rest = np.delete(f.found, right, axis)
        if size > 2 and len(right) == 1 and right[0] in (0, size - 1) and not rest.any():
            end = "first" if right[0] == 0 else "last"
            return (
                f"Only the {end} {which} of {SUBJECTS[f.what]} is computed, the others are 0: "
                "is there a return inside the loop, or is an index fixed?"
            )
    return ""


def _one_end_is_wrong(f: Finding, which: str, axis: int, index: int) -> str:
    end = "first" if index == 0 else "last"
    part = np.take(f.found, index, axis)
    if not part.any():
        return (
            f"The {end} {which} of {SUBJECTS[f.what]} stays 0: a loop begins or ends one step off "
            "(range(n) runs from 0 to n - 1)."
        )
    return f"Only the {end} {which} of {SUBJECTS[f.what]} is wrong: does a loop treat it as the others?"


def moved(f: Finding) -> str:
    """The right numbers at other positions: shifted, in reverse, with axes exchanged, reshaped instead of transposed."""
    if f.found.size != f.expected.size or f.expected.size < FEW or f.expected.ndim < 2:
        return ""
    for axis, which in zip(range(f.expected.ndim), _axis_names(f), strict=False):
        if f.found.shape == f.expected.shape and near(f.found, np.flip(f.expected, axis)):
            return f"The {_plural(which)} of {SUBJECTS[f.what]} come in reverse order."
        for step in (1, -1):
            if f.found.shape == f.expected.shape and near(f.found, np.roll(f.expected, step, axis)):
                return f"The {_plural(which)} of {SUBJECTS[f.what]} are shifted by one, round the end."
    for axes in permutations(range(f.expected.ndim)):
        turned = f.expected.transpose(axes)
        if axes != tuple(range(f.expected.ndim)) and near(f.found.ravel(), turned.ravel()):
            exchanged = "exchanged" if f.found.shape == turned.shape else "exchanged and the result is reshaped"
            return f"The axes of {SUBJECTS[f.what]} are {exchanged}: the numbers are right, but in the order {axes}."
    if near(np.sort(f.found.ravel()), np.sort(f.expected.ravel())):
        return (
            f"All numbers of {SUBJECTS[f.what]} are right, but at the wrong positions: "
            "reshape does not exchange axes, transpose does."
        )
    return ""


def shifted_by_one(f: Finding) -> str:
    """The right numbers one place further along an axis, with something else at the end."""
    if not f.same_shape:
        return ""
    for axis, which in zip(range(f.expected.ndim), _axis_names(f), strict=False):
        size = f.expected.shape[axis]
        if size < 3:
            continue
        for found, expected in _overlaps(f, axis, size):
            if found.size >= FEW and near(found, expected):
                return f"The {_plural(which)} of {SUBJECTS[f.what]} are shifted by one: is an index one too large or too small?"
    return ""


def _overlaps(f: Finding, axis: int, size: int) -> Iterator[tuple[Array, Array]]:
    low, high = np.arange(size - 1), np.arange(1, size)
    yield np.take(f.found, high, axis), np.take(f.expected, low, axis)
    yield np.take(f.found, low, axis), np.take(f.expected, high, axis)


def too_long_or_short(f: Finding) -> str:
    """An array with one row or column too many or too few, which is right where both have one."""
    if f.found.ndim != f.expected.ndim or f.found.shape == f.expected.shape or not f.found.size:
        return ""
    both = tuple(slice(0, min(a, b)) for a, b in zip(f.found.shape, f.expected.shape, strict=True))
    if f.expected[both].size < FEW or not near(f.found[both], f.expected[both]):
        return ""
    return (
        f"{SUBJECTS[f.what][0].upper()}{SUBJECTS[f.what][1:]} has shape {f.found.shape} instead of "
        f"{f.expected.shape}: its numbers are right, but a loop or a slice ends at another index."
    )


def masked(f: Finding) -> str:
    """What is right, but 0 where an array is negative (or positive)."""
    if not f.same_shape or f.expected.size < FEW:
        return ""
    for name, array in f.named_arrays.items():
        for sign, mask in (("negative", array > 0), ("positive", array < 0)):
            if 0 < mask.sum() < mask.size and near(f.found, f.expected * mask) and not near(f.found, f.expected):
                return f"A mask is applied, as in a ReLU: {SUBJECTS[f.what]} is 0 where {name} is {sign}."
    return ""


_CHANGES: dict[str, Callable[[Array], Array]] = {
    "is cut to whole numbers": np.trunc,
    "is rounded to whole numbers": np.rint,
    "has lost its sign (absolute values)": np.abs,
    "is cut off at 0, as by a ReLU,": lambda a: np.maximum(a, 0),
    "is replaced by its sign": np.sign,
    "is squared": np.square,
    "has its mean taken away": lambda a: a - a.mean(),
    "has the mean of each column taken away": lambda a: a - a.mean(0),
    "is the sum of each row": lambda a: a.sum(-1, keepdims=True) + 0 * a,
    "is the mean of each row": lambda a: a.mean(-1, keepdims=True) + 0 * a,
    "is the sum of each column": lambda a: a.sum(0, keepdims=True) + 0 * a,
    "is the mean of each column": lambda a: a.mean(0, keepdims=True) + 0 * a,
    "is divided by its norm": lambda a: a / np.linalg.norm(a),
    "is divided by its largest entry": lambda a: a / a.max(),
    "has its rows in reverse order": lambda a: a[::-1],
    "has its columns in reverse order": lambda a: a[..., ::-1],
    "is 1 everywhere": np.ones_like,
}
"""What may be done to an array before it is used, in words."""

MOST_ENTRIES = 150
"""Of a gradient that is computed again, by differences, for each of the changes."""


def something_changed_before(f: Finding) -> str:
    """What is right for another input, W, labels or dwnstrm: changed in one of the usual ways before it was used."""
    if not f.same_shape or f.expected.size < FEW or (f.what != "output" and f.expected.size > MOST_ENTRIES):
        return ""
    p = f.problem
    masks: dict[str, Callable[[Array], Array]] = {}
    if p.dwnstrm is not None and f.what != "output":
        output = f.exercise.output(p)
        masks["is set to 0 where the output is negative, as in a ReLU,"] = lambda d: d * (output > 0)
    for name in ("dwnstrm", "x", "W", "labels"):
        array = getattr(p, name)
        if array is None or (name == "dwnstrm" and f.what == "output"):
            continue
        if name != "dwnstrm" and f.what != "output" and f.expected.size > MOST_ENTRIES // 4:
            continue
        for words, change in {**(masks if name == "dwnstrm" else {}), **_CHANGES}.items():
            changed: Any = change(np.asarray(array, dtype=np.float64))
            other = replace(p, **{name: changed})
            value = f.exercise.expected(other, f.what)
            if near(f.found, value) and not near(f.found, f.expected):
                subject = {"x": "The input", "labels": "The array of labels"}.get(name, name)
                return f"{subject} {words} before it is used; it has to be taken as it is."
    return ""


GENERATORS: tuple[Explanation, ...] = (
    something_added,
    something_applied,
    masked,
    a_factor_for_each_entry,
    scaled_to_one,
    cut_off,
    moved,
    shifted_by_one,
    too_long_or_short,
    something_changed_before,
    a_factor_for_each_row,
)
"""From the most particular to the most general."""
