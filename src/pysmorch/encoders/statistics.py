"""Categories of many values: what the targets of the rows of each value are.

Each value has the mean of the targets, of classes the share of each, shrunk to that of all rows as if `PRIOR_ROWS` more rows had that
(Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes in classification and prediction problems", 2001),
and the logarithm of its number of rows. Other values have the mean of all rows. The rows of the training get what the rows of the other
folds say, and so never their own target.
"""

from __future__ import annotations

import numpy as np

from pysmorch.layers.base import Array

PRIOR_ROWS = 20.0

FOLDS = 5

MAX_TARGETS = 8
"""So many targets, or the most frequent ones of more classes, have statistics."""


def averaged(targets: Array) -> Array:
    """Return what means are taken of: numbers as they are, of classes an indicator for each.

    Parameters
    ----------
    targets : ndarray of int, shape (N,), or of float, shape (N, K)
        Class indices, or numbers.

    Returns
    -------
    ndarray of float64, shape (N, at most MAX_TARGETS)
        Of two classes one column, since their shares sum to 1.
    """
    if targets.dtype.kind != "i":
        return targets[:, :MAX_TARGETS].astype(np.float64)
    counts = np.bincount(targets)
    frequent = np.sort(np.argsort(-counts, kind="stable")[:MAX_TARGETS])
    return (targets[:, None] == (frequent[1:] if len(counts) == 2 else frequent)).astype(np.float64)


def statistics_of(codes: Array, num_values: int, targets: Array, weights: Array | None) -> tuple[Array, Array]:
    """Return the statistics of each value, and those of each row without its own target.

    Parameters
    ----------
    codes : ndarray of int, shape (N,)
        The index of each row's value; `num_values` for all that have none of their own.
    num_values : int
        How many values have statistics of their own.
    targets : ndarray of float64, shape (N, K)
        From `averaged`.
    weights : ndarray of shape (N,) or None
        One positive weight per row.

    Returns
    -------
    of_values : ndarray of shape (num_values + 1, K + 1)
        Means, and the logarithm of the number of rows; in the last row of all other values.
    of_rows : ndarray of shape (N, K + 1)
        The same for the same rows in the same order.
    """
    w = np.ones(len(codes)) if weights is None else weights / weights.mean()
    weighted = np.column_stack([targets * w[:, None], w])
    fold = np.random.RandomState(0).permutation(len(codes)) % FOLDS
    sums = np.stack([_sums(codes[fold == i], weighted[fold == i], num_values) for i in range(FOLDS)])
    of_all = sums.sum(0)
    of_rows = np.empty(weighted.shape)
    for i in range(FOLDS):
        of_others = np.where(of_all == sums[i], 0.0, of_all - sums[i])
        of_rows[fold == i] = _shrunk(of_others, FOLDS / (FOLDS - 1))[codes[fold == i]]
    return _shrunk(of_all, 1.0), of_rows


def _sums(codes: Array, weighted: Array, num_values: int) -> Array:
    return np.stack([np.bincount(codes, column, minlength=num_values + 1) for column in weighted.T], axis=1)


def _shrunk(sums: Array, factor: float) -> Array:
    """Return means that are shrunk to that of all rows, and logarithms of counts, which are multiplied by a factor before."""
    total = sums.sum(0)
    of_all = total[:-1] / total[-1]
    means = (sums[:, :-1] + PRIOR_ROWS * of_all) / (sums[:, -1:] + PRIOR_ROWS)
    logarithm = np.log1p(factor * sums[:, -1])
    means[-1], logarithm[-1] = of_all, 0.0
    return np.column_stack([means, logarithm])
