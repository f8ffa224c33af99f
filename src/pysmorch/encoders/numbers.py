"""Columns of numbers: scaled to mean 0 and variance 1, and located among their quantiles.

- Where a column is so skewed that a few values would dwarf the others, the logarithm log(1 + |x|), with the sign of x, is taken
  first. A missing number becomes the mean.
- With enough rows, each interval between two quantiles has a feature that is 0 below it, 1 above it and rises in between
  (piecewise linear encoding: Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep learning",
  2022). That lets a network treat parts of a scale differently, which a single scaled number makes hard to learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pysmorch.files.header import ModelFileError
from pysmorch.layers.base import Array

SKEWED = 2.0
"""Skewness from which the logarithm is taken, if it is less skewed then."""

MAX_INTERVALS = 32
ROWS_OF_AN_INTERVAL = 100
"""Rows needed for each interval between quantiles."""

MAX_COLUMNS_WITH_INTERVALS = 48
"""Tables with more number columns than this are wide enough as they are."""


@dataclass
class Numbers:
    """What was learned about columns of numbers, D of them with I intervals in all.

    Attributes
    ----------
    mean, scale : ndarray of shape (D,)
        Of each column, after the logarithm where it is taken.
    logarithm : ndarray of bool, shape (D,)
        For which columns it is taken.
    low, high : ndarray of shape (I,)
        The ends of all intervals.
    owner : ndarray of int64, shape (I,)
        The column of each interval.
    """

    mean: Array
    scale: Array
    logarithm: Array
    low: Array
    high: Array
    owner: Array

    @property
    def width(self) -> int:
        """How many features the numbers of a row become."""
        return len(self.mean) + len(self.owner)

    @classmethod
    def learn(cls, X: Array, weights: Array | None) -> Numbers:
        """Learn from columns of float64, with NaN for what is missing.

        Parameters
        ----------
        X : ndarray of shape (N, D)
            No infinities.
        weights : ndarray of shape (N,) or None
            One weight per row.

        Returns
        -------
        Numbers
            What was learned.
        """
        return cls(*_learn_scaling(X, weights), *_learn_intervals(X, weights))

    @classmethod
    def learn_pixels(cls, X: Array, weights: Array | None) -> Numbers:
        """Learn from rows of pixels (dtype uint8), which share one mean and one scale, and have no intervals.

        Parameters
        ----------
        X : ndarray of uint8, shape (N, D)
            Rows of pixels.
        weights : ndarray of shape (N,) or None
            One weight per row.

        Returns
        -------
        Numbers
            What was learned.
        """
        w = np.ones(len(X)) if weights is None else weights
        of_rows = w @ np.stack([X.mean(1), np.square(X, dtype=np.float64).mean(1)], axis=1) / w.sum()
        std = float(np.sqrt(max(of_rows[1] - of_rows[0] ** 2, 0.0)))
        ones = np.ones(X.shape[1])
        return cls(of_rows[0] * ones, (std or 1.0) * ones, np.zeros(X.shape[1], dtype=bool), *_no_intervals())

    def encode(self, numbers: Array, encoded: Array) -> None:
        """Write scaled numbers, then positions in intervals; 0 for what is missing.

        Parameters
        ----------
        numbers : ndarray of shape (N, D)
            With NaN for what is missing.
        encoded : ndarray of float32, shape (N, at least width)
            Its first columns are overwritten.
        """
        scaled = np.where(self.logarithm, _signed_log(numbers), numbers) if self.logarithm.any() else numbers
        count = len(self.mean)
        encoded[:, :count] = (scaled - self.mean) / self.scale
        if len(self.owner):
            positions = (numbers[:, self.owner] - self.low) / (self.high - self.low)
            encoded[:, count : self.width] = np.clip(positions, 0.0, 1.0)
        known = encoded[:, : self.width]
        known[np.isnan(known)] = 0.0

    def to_tensors(self) -> dict[str, Array]:
        """Return what was learned as arrays by name."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Array], num_columns: int | None) -> Numbers:
        """Return the numbers of `to_tensors`.

        Parameters
        ----------
        tensors : dict of str to ndarray
            Not checked yet.
        num_columns : int or None
            How many columns there should be; None takes as many as there are.

        Returns
        -------
        Numbers
            Checked.

        Raises
        ------
        ModelFileError
            Where an array is missing or does not fit.
        """
        missing = [name for name in _ARRAYS if name not in tensors or tensors[name].ndim != 1]
        if missing:
            raise ModelFileError(f"the array {missing[0]} of the columns is missing")
        self = cls(**{name: tensors[name] for name in _ARRAYS})
        count = len(self.mean) if num_columns is None else num_columns
        if any(len(array) != count for array in (self.mean, self.scale, self.logarithm)):
            raise ModelFileError(f"the numbers learned about the columns are not those of {count} columns")
        intervals = len(self.owner)
        owners = self.owner.dtype == np.int64 and bool(((self.owner >= 0) & (self.owner < count)).all())
        if len(self.low) != intervals or len(self.high) != intervals or not owners or self.logarithm.dtype != bool:
            raise ModelFileError("the intervals learned about the columns do not fit each other")
        return self


_ARRAYS = ("mean", "scale", "logarithm", "low", "high", "owner")


def _learn_scaling(X: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    """Return mean, scale and whether to take the logarithm, for each column; NaN is left out."""
    w = np.ones(len(X)) if weights is None else weights
    known = ~np.isnan(X)
    total = np.maximum(w @ known, 1e-300)

    def moments(values: Array) -> tuple[Array, Array, Array]:
        mean = w @ np.where(known, values, 0.0) / total
        centred = np.where(known, values - mean, 0.0)
        std = np.sqrt(w @ np.square(centred) / total)
        # Rounding leaves a constant column with a tiny spread; it has none.
        std = np.where(std > 1e-12 * np.abs(mean), std, 0.0)
        safe = np.where(std > 0, std, 1.0)
        return mean, safe, w @ (centred / safe) ** 3 / total

    plain, logged = moments(X), moments(_signed_log(X))
    logarithm = (np.abs(plain[2]) > SKEWED) & (np.abs(logged[2]) < np.abs(plain[2]))
    return np.where(logarithm, logged[0], plain[0]), np.where(logarithm, logged[1], plain[1]), logarithm


def _no_intervals() -> tuple[Array, Array, Array]:
    return np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64)


def _learn_intervals(X: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    """Return the lower and upper ends of all intervals and the columns they belong to."""
    w = np.ones(len(X)) if weights is None else weights
    if not 0 < X.shape[1] <= MAX_COLUMNS_WITH_INTERVALS:
        return _no_intervals()
    low, high, owner = [], [], []
    for column, values in enumerate(X.T):
        known = ~np.isnan(values) & (w > 0)
        edges = _edges(values[known], w[known])
        low.append(edges[:-1])
        high.append(edges[1:])
        owner.append(np.full(max(len(edges) - 1, 0), column, dtype=np.int64))
    return np.concatenate(low), np.concatenate(high), np.concatenate(owner)


def _edges(values: Array, w: Array) -> Array:
    """Return quantiles of a column; a value that fills several intervals alone is left out while counting the others."""
    count = min(MAX_INTERVALS, int(w.sum() / ROWS_OF_AN_INTERVAL))
    if count < 2:
        return np.zeros(0)
    distinct, index = np.unique(values, return_inverse=True)
    counts = np.bincount(index, w)
    rest = counts <= counts.sum() / count
    if rest.sum() < 2:
        return np.zeros(0) if len(distinct) < 3 else distinct
    quantiles = np.quantile(distinct[rest], np.linspace(0, 1, count + 1), weights=counts[rest], method="inverted_cdf")
    edges = np.unique(np.concatenate([quantiles, distinct[~rest]]))
    return edges if len(edges) >= 3 else np.zeros(0)


def _signed_log(x: Array) -> Array:
    return np.copysign(np.log1p(np.abs(x)), x)
