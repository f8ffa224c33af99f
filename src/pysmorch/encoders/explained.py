"""What explanations need to know of an encoder: where the numbers of its rows come from."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from pysmorch.engine.rows import LazyRows, blocks_of
from pysmorch.layers.base import Array

ROWS_OF_A_MEAN, ENTRIES_OF_A_MEAN = 10_000, 2**22
"""Rows of which a mean is taken, and their entries, at most; at least one row."""

ENTRIES_AT_A_TIME = 2**15
"""Of the rows that are added, as float64."""


def mean_row(encoded: Array | LazyRows, weights: Array | None) -> Array:
    """Return the mean of encoded rows, which explanations begin with; of many rows, that of some that are evenly spaced.

    Parameters
    ----------
    encoded : ndarray or LazyRows of shape (N, *shape)
        As the network takes them.
    weights : ndarray of shape (N,) or None
        One weight per row.

    Returns
    -------
    ndarray of float32, shape (*shape,)
        The same bits for any number of threads.
    """
    width = prod(encoded.shape[1:])
    count = min(len(encoded), ROWS_OF_A_MEAN, max(1, ENTRIES_OF_A_MEAN // max(width, 1)))
    some = np.linspace(0, len(encoded) - 1, count).astype(np.int64)
    w = np.ones(count) if weights is None else weights[some]
    total = np.zeros(width)
    for block in blocks_of(count, max(1, ENTRIES_AT_A_TIME // max(width, 1))):
        total += (encoded[some[block]].reshape(-1, width) * w[block, None]).sum(axis=0)
    return np.asarray(total / w.sum(), np.float32).reshape(encoded.shape[1:])


class Explained:
    """The base of `Encoder`, for inputs without columns."""

    @property
    def names(self) -> list[str]:
        """The names of the columns; none where there are no columns."""
        return []

    def cells(self, rows: Any, index: int) -> list[Any]:
        """Return the cells of a column.

        Parameters
        ----------
        rows : object
            Rows from `check`.
        index : int
            Of the column.

        Returns
        -------
        list of length N
            As they were given.
        """
        raise NotImplementedError

    def numbers_in(self, rows: Any, index: int) -> Array | None:
        """Return the cells of a column as numbers.

        Parameters
        ----------
        rows : object
            Rows from `check`.
        index : int
            Of the column.

        Returns
        -------
        ndarray of float64, shape (N,), or None
            NaN where they are missing; None for a column of anything else.
        """
        return None
