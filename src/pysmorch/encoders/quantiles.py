"""Intervals between the quantiles of columns of numbers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pysmorch.encoders.sparse import SparseRows
from pysmorch.encoders.spool import StoredNumbers
from pysmorch.layers.base import Array

MAX_INTERVALS = 32

ROWS_OF_AN_INTERVAL = 100
"""Rows needed for each interval between quantiles."""

FEW_ROWS = 3000
ROWS_OF_AN_INTERVAL_OF_FEW = 200
"""The same of columns with fewer numbers than `FEW_ROWS`: a network learns few rows by heart, and with many positions sooner
(benchmarks/results/ablations.jsonl)."""

MAX_COLUMNS_WITH_INTERVALS = 48
"""Tables with more number columns than this are wide enough as they are."""


def no_intervals() -> tuple[Array, Array, Array]:
    """Return what `learn_intervals` returns where there are none."""
    return np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64)


def learn_intervals(
    X: Array | StoredNumbers | SparseRows, weights: Array | None, columns: Array, located: Array
) -> tuple[Array, Array, Array]:
    """Return the lower and upper ends of all intervals and the columns they belong to.

    Parameters
    ----------
    X : ndarray, StoredNumbers or SparseRows, of shape (N, at least D)
        Of any dtype of numbers, with NaN for what is missing.
    weights : ndarray of shape (N,) or None
        One weight per row.
    columns : ndarray of D indices
        The columns that count.
    located : ndarray of bool, shape (D,)
        Which of these have intervals.

    Returns
    -------
    low, high : ndarray of shape (I,)
        The ends of all intervals.
    owner : ndarray of int64, shape (I,)
        The column of each interval, among those that count.
    """
    if not 0 < located.sum() <= MAX_COLUMNS_WITH_INTERVALS:
        return no_intervals()
    if isinstance(X, StoredNumbers) and X.sampled is not None and weights is not None:
        weights = weights[X.sampled]
    low, high, owner = [], [], []
    for column, numbers in enumerate(X.columns() if isinstance(X, StoredNumbers) else (X[:, i] for i in columns)):
        if not located[column]:
            continue
        known = ~np.isnan(numbers) if weights is None else ~np.isnan(numbers) & (weights > 0)
        # The values are the only copy of the column, which may take a good part of the memory.
        edges = _edges(numbers[known].astype(np.float64, copy=False), None if weights is None else weights[known])
        low.append(edges[:-1])
        high.append(edges[1:])
        owner.append(np.full(max(len(edges) - 1, 0), column, dtype=np.int64))
    return np.concatenate(low), np.concatenate(high), np.concatenate(owner)


def _edges(values: Array, weights: Array | None) -> Array:
    """Return quantiles of a column; a value that fills several intervals alone is left out while counting the others."""
    num_rows = len(values) if weights is None else weights.sum()
    if num_rows < 2 * ROWS_OF_AN_INTERVAL:
        return np.zeros(0)
    of_each = ROWS_OF_AN_INTERVAL_OF_FEW if num_rows < FEW_ROWS else ROWS_OF_AN_INTERVAL
    count = min(MAX_INTERVALS, max(2, int(num_rows / of_each)))
    distinct, counts = _counted(values, weights)
    if counts is None:
        return distinct[_ranks(len(distinct), count)]
    rest = counts <= counts.sum() / count
    if rest.sum() < 2:
        return np.zeros(0) if len(distinct) < 3 else distinct
    held: Array | slice = slice(None) if rest.all() else rest  # copies of very many rows take much memory
    edges = np.unique(np.concatenate([_quantiles(distinct[held], counts[held], count), distinct[~rest]]))
    return edges if len(edges) >= 3 else np.zeros(0)


def _counted(values: Array, weights: Array | None) -> tuple[Array, Array | None]:
    """Return the distinct values in order, and how often each comes, None for once; without weights the values are sorted in place."""
    if weights is None:
        values.sort()
        first = np.empty(len(values), dtype=bool)
        first[:1], first[1:] = True, values[1:] != values[:-1]
        if first.all():
            return values, None
        return values[first], np.diff(np.flatnonzero(first), append=len(values)).astype(np.float64)
    distinct, index = np.unique(values, return_inverse=True)
    return distinct, np.bincount(index, weights)


@lru_cache(maxsize=64)  # the columns of a table mostly have as many values each
def _ranks(num_values: int, intervals: int) -> Array:
    """Return the indices that `_quantiles` finds among values that come once each, without their shares, which take much memory."""
    q = np.linspace(0, 1, intervals + 1)
    rank = np.ceil(q * num_values)
    rank -= (rank - 1) / num_values >= q
    rank += rank / num_values < q
    return np.maximum(rank.astype(np.int64) - 1, 0)


def _quantiles(distinct: Array, counts: Array, intervals: int) -> Array:
    """Return the ends of intervals that hold as much each: for q = 0, ..., 1 the first value up to which there is a share of q.

    That is what `numpy.quantile` with weights and the method "inverted_cdf" returns, which would sort once more.
    """
    shares = counts.cumsum()
    shares /= shares[-1]
    return distinct[np.minimum(np.searchsorted(shares, np.linspace(0, 1, intervals + 1)), len(distinct) - 1)]
