"""Where the columns of a table lie among its features, and the features that come from a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pysmorch.encoders.columns import Column
from pysmorch.encoders.dates import parts_of
from pysmorch.encoders.values import times_of
from pysmorch.layers.base import Array


class Layout(NamedTuple):
    """Where columns lie among the features.

    Attributes
    ----------
    positions : dict of str to int
        The index of each column's number among all numbers.
    numbers : list of (Column, int)
        The columns of numbers, with that index.
    low, high : ndarray
        Bounds of all numbers.
    marked : list of (Column, int, int)
        The columns of numbers that have indicators, with the index of their number, and that of their first indicator.
    texts : list of (Column, int, int)
        The categories and texts, with the index of their first indicator among all, and among those of categories and texts.
    num_indicators : int
        How many indicators there are.
    """

    positions: dict[str, int]
    numbers: list[tuple[Column, int]]
    low: Array
    high: Array
    marked: list[tuple[Column, int, int]]
    texts: list[tuple[Column, int, int]]
    num_indicators: int


def layout_of(columns: Sequence[Column]) -> Layout:
    """Return where columns lie among the features.

    Parameters
    ----------
    columns : sequence of Column
        In their order.

    Returns
    -------
    Layout
        Of numbers and indicators.
    """
    positions: dict[str, int] = {}
    low: list[float] = []
    high: list[float] = []
    for column in columns:
        if column.kind != "number":
            continue
        positions[column.name] = len(low)
        bounds = [-np.inf if column.low is None else column.low], [np.inf if column.high is None else column.high]
        if column.holds == "time":  # the year has the bounds of the time
            for bound in bounds:
                bound += [float(years_of(np.array(bound))[0])] if np.isfinite(bound[0]) else bound
        low += bounds[0]
        high += bounds[1]
    marked, texts, start, num_marks = [], [], 0, 0
    for column in columns:
        if column.kind == "number":
            marked.append((column, positions[column.name], start))
        else:
            texts.append((column, start, num_marks))
            num_marks += column.num_indicators
        start += column.num_indicators
    numbers = [(column, positions[column.name]) for column in columns if column.kind == "number"]
    marked, texts = ([entry for entry in entries if entry[0].num_indicators] for entries in (marked, texts))
    return Layout(positions, numbers, np.array(low), np.array(high), marked, texts, start)


def years_of(seconds: Array) -> Array:
    """Return the years of times in seconds, with NaN for those that are missing."""
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
