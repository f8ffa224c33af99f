"""Columns that carry nothing and are left out: those without values, constants, and running numbers; and the ranges of others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pysmorch.encoders.cells import check_no_infinity
from pysmorch.encoders.columns import Column
from pysmorch.encoders.dates import parts_of
from pysmorch.encoders.numbers import ranges_of
from pysmorch.encoders.ranges import Ranges, bounds_of
from pysmorch.encoders.sparse import SparseRows
from pysmorch.encoders.values import times_of
from pysmorch.layers.base import Array

ROWS_TO_JUDGE = 20
"""With fewer rows nothing is left out for being constant, distinct or in order."""

DISTINCT_OF_TEXT = 0.5
"""A column is text, not a category, only if more than this share of its values is distinct."""

INDEX_NAMES = ("Unnamed: 0", "__index_level_0__")


class Extent(NamedTuple):
    """The range of a column of numbers.

    Attributes
    ----------
    low, high : float
        Its least and its largest value; infinity and -infinity without values.
    known : int
        How many values it has.
    bounds : tuple of (float or None)
        What lies beyond is taken to be there.
    """

    low: float
    high: float
    known: int
    bounds: tuple[float | None, float | None]


def extents_of(values: Array) -> list[Extent]:
    """Return the ranges of columns of numbers.

    Parameters
    ----------
    values : ndarray of float64, shape (N, D)
        With NaN for what is missing.

    Returns
    -------
    list of Extent
        One for each column.
    """
    ranges = ranges_of(values)
    bounds = ([bound if np.isfinite(bound) else None for bound in of_all.tolist()] for of_all in bounds_of(ranges))
    return [
        Extent(low, high, known, both)
        for low, high, known, both in zip(
            *(of_all.tolist() for of_all in ranges), zip(*bounds, strict=True), strict=True
        )
    ]


def with_range(column: Column, values: Array, extent: Extent, leaves_out: bool, num_rows: int) -> Column:
    """Complete a column of numbers, or leave it out.

    Parameters
    ----------
    column : Column
        Of kind "number"; it gets its bounds, the parts of a time, and whether cells are missing.
    values : ndarray of float64, shape (N,)
        With NaN for what is missing.
    extent : Extent
        Of these.
    leaves_out : bool
        Whether a column that carries nothing in these rows is left out.
    num_rows : int
        How many rows there are where these are a sample of them.

    Returns
    -------
    Column
        The same, or that of a column that is left out.

    Raises
    ------
    ColumnError
        Names the first infinite number.
    """
    if np.isinf(extent.low if extent.low < np.inf else 0.0) or np.isinf(extent.high if extent.high > -np.inf else 0.0):
        check_no_infinity(column.name, values)
    column.missing = extent.known < len(values)
    if not extent.known:
        return empty(column.name)
    if leaves_out and not column.missing and len(values) >= ROWS_TO_JUDGE:
        if extent.low == extent.high:
            return constant(column.name)
        if column.holds in ("integer", "number") and _is_running(values, column.name in INDEX_NAMES, num_rows):
            return _running(column.name)
    column.low, column.high = extent.bounds
    if column.holds in ("time", "time of day"):
        parts = parts_of(times_of(values))
        wanted = ("day",) if column.holds == "time of day" else tuple(parts)
        column.parts = [part for part in wanted if np.ptp(parts[part][~np.isnan(values)], axis=0).any()]
    return column


def set_bounds(column: Column, low: float, high: float, count: int) -> None:
    """Set the bounds of a number: what lies beyond is taken to be there.

    Parameters
    ----------
    column : Column
        Of kind "number".
    low, high : float
        Its least and its largest value.
    count : int
        How many values it has: few say little about the range.
    """
    bounds = bounds_of(Ranges(*map(np.array, (low, high, count))))
    column.low, column.high = (float(bound) if np.isfinite(bound) else None for bound in bounds)


def empty(name: str) -> Column:
    """Return a column without values."""
    return Column(name, "none", holds="empty", why="it has no values")


def constant(name: str) -> Column:
    """Return a column of one value."""
    return Column(name, "none", holds="constant", why="it has one value only")


def _running(name: str) -> Column:
    return Column(name, "none", holds="running number", why="it only counts the rows")


def _is_running(values: Array, is_index: bool, num_rows: int) -> bool:
    """Whether numbers are those of the rows: whole, from about 0 upwards, in order; those of a saved index in any order."""
    if is_index:
        return bool((values == np.floor(values)).all()) and len(np.unique(values)) == len(values)
    dense = values[0] >= 0 and values[-1] < 2 * num_rows + ROWS_TO_JUDGE
    return bool(dense and (np.diff(values) > 0).all() and (values == np.floor(values)).all())


def columns_without_content(X: Array | SparseRows, ranges: Ranges, leaves_out: bool) -> list[Column]:
    """Return the columns of an array of numbers that are left out, as those of a data frame are.

    Parameters
    ----------
    X : ndarray of shape (N, D), or SparseRows
        The rows of the training, with NaN for what is missing.
    ranges : Ranges
        Of its columns.
    leaves_out : bool
        Whether constants and running numbers are left out, too.

    Returns
    -------
    list of Column
        Called by their indices.
    """
    lowest, highest, known = ranges
    left_out = {i: empty(str(i)) for i in np.flatnonzero(known == 0).tolist()}
    if leaves_out and len(X) >= ROWS_TO_JUDGE:
        full = known == len(X)
        left_out |= {i: constant(str(i)) for i in np.flatnonzero(full & (lowest == highest)).tolist()}
        in_order = full & (lowest < highest) & (X[0] == lowest) & (X[-1] == highest)
        running = [
            i for i in np.flatnonzero(in_order).tolist() if _is_running(X[:, i].astype(np.float64), False, len(X))
        ]
        if len(left_out) + len(running) < X.shape[1]:  # a table of nothing but row numbers means them
            left_out |= {i: _running(str(i)) for i in running}
    return [left_out[i] for i in sorted(left_out)]
