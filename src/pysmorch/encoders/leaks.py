"""Columns that tell the target nearly by themselves: copies of it, codes for it, or what is only known after it."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from pysmorch.layers.base import Array

MIN_ROWS = 20
"""With fewer rows nothing is said: a column may fit by chance."""

MAX_ROWS = 5_000
"""The rows that are examined, evenly spaced, are at most this many."""

MAX_ENTRIES = 2**21
"""Of wide tables fewer rows are looked at, so that it takes about a second."""

MAX_COLUMNS = 2_000
"""Tables with more columns are not looked at."""

RARE = 10
"""What is so in fewer rows than these fits by chance where there are many columns."""

MAX_CODES = 20
"""Numbers with at most so many distinct ones are taken as codes, too."""

ROWS_OF_A_CODE = 5
"""Codes tell nothing where they have fewer rows on average."""

MOST_ERRORS = 0.02
"""Codes tell the class if they leave so many of the errors that guessing the most frequent class makes."""

OF_CLASSES = 0.98
"""Numbers tell the class if classes explain so much of their variance: each class has its own narrow range."""

OF_NUMBERS = 0.995
"""A column tells a number if it explains so much of its variance, or of that of its ranks."""


def looked_at(count: int, num_columns: int) -> Array:
    """Return the rows that are looked at.

    Parameters
    ----------
    count : int
        How many rows there are.
    num_columns : int
        How many columns there are.

    Returns
    -------
    ndarray of int
        Their indices: all, or `MAX_ROWS` of them at most. None where there is but one column, which is what there is to learn
        from, and where there are very many.
    """
    if not 2 <= num_columns <= MAX_COLUMNS:
        return np.zeros(0, dtype=np.int64)
    return np.linspace(0, count - 1, min(count, MAX_ROWS, MAX_ENTRIES // num_columns)).astype(np.int64)


class Centred(NamedTuple):
    """Numbers without their mean, and the sum of their squares."""

    values: Array
    squares: float


class Targets:
    """The targets of some rows, with what is computed of them for one column and used for all.

    Parameters
    ----------
    targets : ndarray of int, shape (N,), or of float, shape (N, K)
        Class indices, or numbers.
    """

    def __init__(self, targets: Array) -> None:
        self.targets = targets
        self.are_classes = targets.dtype.kind == "i"

    @cached_property
    def too_few_others(self) -> bool:
        """Whether nearly all rows are of one class."""
        return self.are_classes and _others(self.targets) < RARE

    @cached_property
    def columns(self) -> list[tuple[Centred, Centred]]:
        """Of each of several numbers, all values and their ranks."""
        return [(_centred(target), _centred(_ranks(target))) for target in self.targets.T.astype(np.float64)]

    def of_rows(self, rows: Array) -> Targets:
        """Return those of some rows, by a mask."""
        return self if rows.all() else Targets(self.targets[rows])


def numbers_tell(values: Array, of_rows: Targets) -> bool:
    """Whether a column of numbers is nearly the target.

    Parameters
    ----------
    values : ndarray of float64, shape (N,)
        With NaN for what is missing.
    of_rows : Targets
        Of these rows.

    Returns
    -------
    bool
        For several targets, whether it is nearly one of them.
    """
    targets = of_rows.targets
    if len(values) < MIN_ROWS or of_rows.too_few_others:
        return False
    known = ~np.isnan(values)
    all_known = bool(known.all())
    order = values.argsort(kind="stable")
    ordered = values[order]
    if all_known and (ordered[1:] != ordered[:-1]).all():  # they are no codes, and no value is frequent
        if of_rows.are_classes:
            return _explained(targets, values) >= OF_CLASSES
        ranks = np.empty(len(values))
        ranks[order] = np.arange(len(values)) + 0.5
        return _correlates(values, ranks, of_rows)
    distinct, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(values) - counts.max() < RARE:
        return False
    if len(distinct) <= MAX_CODES and codes_tell(codes, targets):
        return True
    if not all_known and codes_tell(known.astype(np.int64), targets):
        return True
    if known.sum() < max(MIN_ROWS, 0.5 * len(values)) or len(distinct) < 3:
        return False
    if of_rows.are_classes:
        return _explained(targets[known], values[known]) >= OF_CLASSES
    some = values[known]
    ranks = _mean_ranks(codes, counts) if all_known else _ranks(some)
    return _correlates(some, ranks, of_rows.of_rows(known))


def _correlates(values: Array, ranks: Array, targets: Targets) -> bool:
    """Whether numbers or their ranks are nearly one of the targets."""
    numbers, of_numbers = _centred(values), _centred(ranks)
    return any(
        _correlation(numbers, target) ** 2 >= OF_NUMBERS or _correlation(of_numbers, of_target) ** 2 >= OF_NUMBERS
        for target, of_target in targets.columns
    )


def codes_tell(codes: Array, targets: Array) -> bool:
    """Whether a column of categories is nearly the target.

    Parameters
    ----------
    codes : ndarray of int, shape (N,)
        The index of each row's category, from 0; what is missing is one, too.
    targets : ndarray of int, shape (N,), or of float, shape (N, K)
        Class indices, or numbers.

    Returns
    -------
    bool
        For several targets, whether it tells one of them.
    """
    count = int(codes.max()) + 1
    if len(codes) < max(MIN_ROWS, ROWS_OF_A_CODE * count) or count < 2:
        return False
    if targets.dtype.kind != "i":
        return any(_explained(codes, target) >= OF_NUMBERS for target in targets.T.astype(np.float64))
    num_classes = int(targets.max()) + 1
    table = np.bincount(codes * num_classes + targets, minlength=count * num_classes).reshape(count, num_classes)
    errors, of_guess = len(codes) - table.max(1).sum(), _others(targets)
    return bool(errors <= MOST_ERRORS * of_guess and of_guess >= RARE)


def _others(targets: Array) -> int:
    """Return how many rows are not of the most frequent class: the errors of guessing it."""
    return len(targets) - int(np.bincount(targets).max())


def _explained(codes: Array, values: Array) -> float:
    """Return the share of the variance of numbers that lies between groups of rows."""
    largest = np.abs(values).max(initial=0.0)
    centred = values / (largest if largest > 0 else 1.0)  # so that no square is too large for float64
    centred -= centred.mean()
    total = centred @ centred
    sizes = np.bincount(codes)
    sums = np.bincount(codes, centred)
    return float((sums**2 / np.maximum(sizes, 1)).sum() / total) if total > 0 else 0.0


def _ranks(values: Array) -> Array:
    """Return the ranks of numbers, the mean of them for equal ones."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    return _mean_ranks(index, counts)


def _mean_ranks(index: Array, counts: Array) -> Array:
    ranks: Array = (counts.cumsum() - counts / 2)[index]
    return ranks


def _centred(numbers: Array) -> Centred:
    values = numbers - numbers.mean()
    return Centred(values, values @ values)


def _correlation(a: Centred, b: Centred) -> float:
    scale = np.sqrt(a.squares * b.squares)
    return float(a.values @ b.values / scale) if scale > 0 else 0.0
