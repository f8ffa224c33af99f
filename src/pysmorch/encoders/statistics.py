"""Categories of many values: what the targets of the rows of each value are.

Each value has the mean of the targets, of classes the share of each, shrunk to that of all rows as if `PRIOR_ROWS` more rows had that
(Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes in classification and prediction problems", 2001),
and the logarithm of its number of rows. Other values have the mean of all rows. The rows of the training get what the rows of the other
folds say, and so never their own target.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pysmorch.layers.base import Array

PRIOR_ROWS = 20.0

FOLDS = 5

MAX_TARGETS = 8
"""So many targets, or the most frequent ones of more classes, have statistics."""


class Targets:
    """The targets of the rows of a training, of which sums are taken block by block.

    Parameters
    ----------
    targets : ndarray of int, shape (N,), or of float, shape (N, K)
        Class indices, or numbers.
    weights : ndarray of shape (N,) or None
        One positive weight per row.
    classes : sequence of int
        Indices of the classes that have shares; empty for the most frequent of these rows.
    groups : ndarray of int, shape (N,), or None, default=None
        The group of each row; those of one group are in one fold.

    Attributes
    ----------
    classes : list of int
        Indices of the classes that have shares; empty for numbers.
    fold : ndarray of int8, shape (N,)
        The fold of each row.
    num_statistics : int
        How many statistics each value has.
    """

    def __init__(
        self, targets: Array, weights: Array | None, classes: Sequence[int] = (), groups: Array | None = None
    ) -> None:
        self._targets, self._weights = targets, weights
        self._mean_weight = 1.0 if weights is None else weights.mean()
        known = np.array(classes, dtype=np.int64)
        self._classes = (known if len(known) else _averaged_classes(targets)) if targets.dtype.kind == "i" else None
        self.classes: list[int] = [] if self._classes is None else self._classes.tolist()
        alike = np.arange(len(targets)) if groups is None else np.unique(groups, return_inverse=True)[1]
        num_alike = len(targets) if groups is None else int(alike.max(initial=-1)) + 1
        self.fold = (np.random.RandomState(0).permutation(num_alike) % FOLDS).astype(np.int8)[alike]
        self.num_statistics = 1 + (min(targets.shape[1], MAX_TARGETS) if self._classes is None else len(self._classes))

    def averaged(self, rows: slice) -> Array:
        """Return what means are taken of: numbers as they are, of classes an indicator for each.

        Parameters
        ----------
        rows : slice
            Some of the rows.

        Returns
        -------
        ndarray of float64, shape (number of rows, at most MAX_TARGETS)
            Of two classes one column, since their shares sum to 1.
        """
        if self._classes is None:
            return self._targets[rows, :MAX_TARGETS].astype(np.float64)
        return (self._targets[rows, None] == self._classes).astype(np.float64)

    def no_sums(self, num_values: int) -> Array:
        """Return what `add` adds to: zeros of shape (num_statistics, FOLDS, num_values + 1)."""
        return np.zeros((self.num_statistics, FOLDS, num_values + 1))

    def add(self, sums: Array, codes: Array, first: int) -> None:
        """Add the targets of a block of rows, and their weights, to the sums for each fold and value.

        Parameters
        ----------
        sums : ndarray
            From `no_sums`. The same rows in other blocks make the same bits.
        codes : ndarray of int, shape (number of rows,)
            The index of each row's value; `num_values` for all that have none of their own.
        first : int
            Index of the first of these rows.
        """
        rows = slice(first, first + len(codes))
        w = np.ones(len(codes)) if self._weights is None else self._weights[rows] / self._mean_weight
        bins = self.fold[rows] * np.int64(sums.shape[2]) + codes
        for of_bins, targets in zip(
            sums.reshape(len(sums), -1), [*self.averaged(rows).T, np.ones(len(w))], strict=True
        ):
            np.add.at(of_bins, bins, targets * w)


def statistics_of(sums: Array) -> tuple[Array, Array]:
    """Return the statistics of each value, and those from the rows of the other folds.

    Parameters
    ----------
    sums : ndarray
        From `Targets.add`, over all rows.

    Returns
    -------
    of_values : ndarray of shape (num_values + 1, K + 1)
        Means, and the logarithm of the number of rows; in the last row of all other values.
    of_folds : ndarray of shape (FOLDS, num_values + 1, K + 1)
        The same for the rows of each fold, without what they say themselves.
    """
    of_each = np.ascontiguousarray(np.moveaxis(sums, 0, -1))
    of_all = of_each.sum(0)
    of_others = [np.where(of_all == of_fold, 0.0, of_all - of_fold) for of_fold in of_each]
    return _shrunk(of_all, 1.0), np.stack([_shrunk(others, FOLDS / (FOLDS - 1)) for others in of_others])


def _averaged_classes(codes: Array) -> Array:
    """Return the classes that have shares: the most frequent ones, and of two classes the second."""
    counts = np.bincount(codes)
    frequent = np.sort(np.argsort(-counts, kind="stable")[:MAX_TARGETS])
    return frequent[1:] if len(counts) == 2 else frequent


def _shrunk(sums: Array, factor: float) -> Array:
    """Return means that are shrunk to that of all rows, and logarithms of counts, which are multiplied by a factor before."""
    total = sums.sum(0)
    # Where the other folds have no row, nothing is known, as of a missing number.
    of_all = total[:-1] / total[-1] if total[-1] > 0 else np.full(len(total) - 1, np.nan)
    means = (sums[:, :-1] + PRIOR_ROWS * of_all) / (sums[:, -1:] + PRIOR_ROWS)
    logarithm = np.log1p(factor * sums[:, -1])
    means[-1], logarithm[-1] = of_all, 0.0
    return np.column_stack([means, logarithm])
