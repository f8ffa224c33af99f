"""Ranges of columns of numbers in training, and how far beyond them a number is believed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pysmorch.layers.base import Array

FEW_ROWS = 20
"""With fewer rows than twice as many, what lies outside the training range is believed further."""


class Ranges(NamedTuple):
    """The range of each of D columns.

    Attributes
    ----------
    lowest, highest : ndarray of float64, shape (D,)
        Infinity and -infinity for a column without values.
    known : ndarray of int64, shape (D,)
        How many values there are.
    """

    lowest: Array
    highest: Array
    known: Array


def joined(first: Ranges | None, second: Ranges) -> Ranges:
    """Return the ranges of the rows of two parts.

    Parameters
    ----------
    first : Ranges or None
        Of one part; None where it has no rows.
    second : Ranges
        Of the other.

    Returns
    -------
    Ranges
        Of both.
    """
    if first is None:
        return second
    lowest, highest = np.fmin(first.lowest, second.lowest), np.fmax(first.highest, second.highest)
    return Ranges(lowest, highest, first.known + second.known)


def bounds_of(ranges: Ranges) -> tuple[Array, Array]:
    """Return the bounds of each column: its range in training, widened by half of it, and by more where there are few rows.

    Parameters
    ----------
    ranges : Ranges
        Of the rows of the training.

    Returns
    -------
    lowest, highest : ndarray of float64, shape (D,)
        Infinite for columns with one value or none.
    """
    lowest, highest, known = ranges
    with np.errstate(over="ignore"):
        span = np.subtract(highest, lowest, where=lowest < highest, out=np.full(lowest.shape, np.inf))
        # Few rows say little about the range.
        beyond = span * np.maximum(0.5, FEW_ROWS / np.maximum(known, 1))
        varied = np.isfinite(beyond)
        return np.where(varied, lowest, 0.0) - beyond, np.where(varied, highest, 0.0) + beyond
