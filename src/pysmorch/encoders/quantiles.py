"""Quantiles of a column of numbers, between which its intervals lie."""

from __future__ import annotations

import numpy as np

from pysmorch.layers.base import Array

MAX_INTERVALS = 32
ROWS_OF_AN_INTERVAL = 100
"""Rows needed for each interval between quantiles."""


def edges_between(values: Array, weights: Array | None) -> Array:
    """Return quantiles of a column; a value that fills several intervals alone is left out while counting the others.

    Parameters
    ----------
    values : ndarray of float64, shape (N,)
        Without NaN; they are sorted in place where there are no weights.
    weights : ndarray of shape (N,) or None
        One positive weight per value.

    Returns
    -------
    ndarray of float64
        The ends of the intervals, in order; none where there are too few rows, or values.
    """
    num_rows = len(values) if weights is None else weights.sum()
    count = min(MAX_INTERVALS, int(num_rows / ROWS_OF_AN_INTERVAL))
    if count < 2:
        return np.zeros(0)
    distinct, counts = _counted(values, weights)
    rest = counts <= counts.sum() / count
    if rest.sum() < 2:
        return np.zeros(0) if len(distinct) < 3 else distinct
    held: Array | slice = slice(None) if rest.all() else rest  # copies of very many rows take much memory
    edges = np.unique(np.concatenate([_quantiles(distinct[held], counts[held], count), distinct[~rest]]))
    return edges if len(edges) >= 3 else np.zeros(0)


def _counted(values: Array, weights: Array | None) -> tuple[Array, Array]:
    """Return the distinct values in order, and how often each comes; without weights the values are sorted in place."""
    if weights is None:
        values.sort()
        first = np.empty(len(values), dtype=bool)
        first[:1], first[1:] = True, values[1:] != values[:-1]
        if first.all():
            return values, np.ones(len(values))
        return values[first], np.diff(np.flatnonzero(first), append=len(values)).astype(np.float64)
    distinct, index = np.unique(values, return_inverse=True)
    return distinct, np.bincount(index, weights)


def _quantiles(distinct: Array, counts: Array, intervals: int) -> Array:
    """Return the ends of intervals that hold as much each: for q = 0, ..., 1 the first value up to which there is a share of q.

    That is what `numpy.quantile` with weights and the method "inverted_cdf" returns, which would sort once more.
    """
    shares = counts.cumsum()
    shares /= shares[-1]
    return distinct[np.minimum(np.searchsorted(shares, np.linspace(0, 1, intervals + 1)), len(distinct) - 1)]
