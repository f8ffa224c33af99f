"""Where the columns of a table lie among the features of its encoded rows, and the features that come from a number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from pysmorch.encoders.columns import Column
from pysmorch.encoders.dates import parts_of
from pysmorch.encoders.values import may_be, times_of
from pysmorch.layers.base import Array


class Layout(NamedTuple):
    """Where columns lie among the features.

    Attributes
    ----------
    positions : dict of str to int
        The index of each column's number among all numbers.
    numbers : list of (Column, int)
        The columns of numbers, with that index.
    timed : list of (Column, int)
        Those of the columns of numbers that no plain numbers can be.
    statistics : list of (Column, int)
        The categories with statistics, with the index of the first one among all numbers.
    located : ndarray of bool
        Which of all numbers have intervals: all but statistics of several classes or targets, which would have too many.
    low, high : ndarray
        Bounds of all numbers.
    marked : list of (Column, int, int)
        The columns of numbers that have indicators, with the index of their number, and that of their first indicator.
    texts : list of (Column, int, int)
        The categories and texts, with the index of their first indicator among all, and among those of categories and texts.
    of_marks : ndarray of int
        The index of each indicator of categories and texts among all indicators.
    num_indicators : int
        How many indicators there are.
    """

    positions: dict[str, int]
    numbers: list[tuple[Column, int]]
    timed: list[tuple[Column, int]]
    statistics: list[tuple[Column, int]]
    located: Array
    low: Array
    high: Array
    marked: list[tuple[Column, int, int]]
    texts: list[tuple[Column, int, int]]
    of_marks: Array
    num_indicators: int


def layout_of(columns: Sequence[Column]) -> Layout:
    """Return where columns lie: all numbers first, then the indicators of each column.

    Parameters
    ----------
    columns : sequence of Column
        All columns of a table.

    Returns
    -------
    Layout
        Their positions and bounds.
    """
    positions: dict[str, int] = {}
    statistics: list[tuple[Column, int]] = []
    low: list[float] = []
    high: list[float] = []
    located: list[bool] = []
    for column in columns:
        lowest = -np.inf if column.low is None else column.low
        highest = np.inf if column.high is None else column.high
        if column.kind == "number":
            positions[column.name] = len(low)
        elif column.statistics:
            statistics.append((column, len(low)))
        low += [lowest] * column.num_numbers
        high += [highest] * column.num_numbers
        located += [column.statistics <= 2] * column.num_numbers
        if column.holds == "time" and column.low is not None:  # the year has the bounds of the time
            low[-1], high[-1] = years_of(np.array([lowest, highest])).tolist()
    marked, texts, start, num_marks = [], [], 0, 0
    of_marks = [np.zeros(0, np.int64)]
    for column in columns:
        if not column.num_indicators:
            continue
        if column.kind == "number":
            marked.append((column, positions[column.name], start))
        else:
            texts.append((column, start, num_marks))
            of_marks.append(np.arange(start, start + column.num_indicators))
            num_marks += column.num_indicators
        start += column.num_indicators
    numbers = [(column, positions[column.name]) for column in columns if column.kind == "number"]
    timed = [(column, position) for column, position in numbers if not may_be(column, "")]
    bounds = np.array(low), np.array(high)
    of_all_marks = np.concatenate(of_marks)
    located_ones = np.array(located, dtype=bool)
    return Layout(positions, numbers, timed, statistics, located_ones, *bounds, marked, texts, of_all_marks, start)


def owners_of(columns: Sequence[Column], of_intervals: Array) -> Array:
    """Return the index of the column that each feature comes from.

    Parameters
    ----------
    columns : sequence of Column
        All columns of a table.
    of_intervals : ndarray of int64, shape (I,)
        The index of the number that each interval locates.

    Returns
    -------
    ndarray of int64
        Of the numbers, their intervals and the indicators; 0 for the feature of a table of which nothing is left.
    """
    indices = np.arange(len(columns))
    of_numbers = np.repeat(indices, [column.num_numbers for column in columns])
    of_indicators = np.repeat(indices, [column.num_indicators for column in columns])
    owners = np.concatenate([of_numbers, of_numbers[of_intervals], of_indicators])
    return owners if len(owners) else np.zeros(1, np.int64)


LEAST_IN_RUN = 8
"""Mean number of intervals of a column from which it pays to say that they are a run: in most rows two of them count."""


def runs_of(of_intervals: Array, num_indicators: int) -> tuple[tuple[int, int], ...]:
    """Return runs of the last features of a row, as `Linear` takes them.

    Parameters
    ----------
    of_intervals : ndarray of int64, shape (I,)
        The index of the number that each interval locates; those of a number are a run, unless they are few.
    num_indicators : int
        How many features come after them, each a run of its own.

    Returns
    -------
    tuple of tuple of int
        Pairs (length, count).
    """
    lengths = np.bincount(of_intervals)
    lengths = lengths[lengths > 0]
    runs = [(int(length), len(list(alike))) for length, alike in groupby(lengths)]
    if lengths.sum() < LEAST_IN_RUN * len(lengths):
        runs = []
    return (*runs, (1, num_indicators)) if num_indicators else tuple(runs)


def years_of(seconds: Array) -> Array:
    """Return the year of times in seconds since 1970; NaN for what is missing."""
    years = times_of(seconds).astype("datetime64[Y]")
    return np.where(np.isnat(years), np.nan, years.astype(np.int64) + 1970.0)


def mark_number(block: Array, column: Column, values: Array) -> None:
    """Set the indicators of a number: the parts of a time, and whether it is missing."""
    if column.parts:
        parts = parts_of(times_of(values))
        chosen = np.concatenate([parts[part] for part in column.parts], axis=1)
        block[:, : chosen.shape[1]] = chosen
    if column.missing:
        block[:, -1] = np.isnan(values)
