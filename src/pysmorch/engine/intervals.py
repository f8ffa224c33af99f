"""Columns of numbers as positions in intervals between quantiles: the piecewise linear encoding."""

from __future__ import annotations

import numpy as np

from pysmorch.engine.extension import extension
from pysmorch.engine.rows import blocks_of
from pysmorch.engine.threads import num_threads
from pysmorch.layers.base import Array

POSITIONS_AT_A_TIME = 2**17
"""Positions that NumPy computes at a time: the copies that it makes of them, 1 MiB each in float64, stay in a cache."""


def encode_intervals(numbers: Array, low: Array, high: Array, owner: Array, encoded: Array, first: int) -> None:
    """Write (x - low) / (high - low), limited to 0 .. 1, for each interval; 0 where x is NaN.

    Parameters
    ----------
    numbers : ndarray of float64, shape (N, D)
        In C order.
    low, high : ndarray of float64, shape (I,)
        The ends of all intervals.
    owner : ndarray of int64, shape (I,)
        The column of each interval.
    encoded : ndarray of float32, shape (N, at least first + I)
        In C order; its columns from `first` on are overwritten.
    first : int
        Where the positions begin.
    """
    module = extension()
    if module is not None:
        module.encode_intervals(numbers, low, high, owner, encoded, first, num_threads())
        return
    rows_at_a_time = max(1, POSITIONS_AT_A_TIME // max(len(owner), 1))
    for rows in blocks_of(len(numbers), rows_at_a_time):
        positions = (numbers[rows][:, owner] - low) / (high - low)
        known = np.where(np.isnan(positions), 0.0, positions)
        encoded[rows, first : first + len(owner)] = np.clip(known, 0.0, 1.0)
