"""How much a model depends on each column of a table: how much worse it is when the cells of one are shuffled.

Source: Breiman, "Random forests", 2001, there for trees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.explaining.cells import columns_of
from pysmorch.explaining.explanation import as_html
from pysmorch.layers.base import Array

CONFIDENCE = 0.9
"""Of the intervals."""


@dataclass(frozen=True, repr=False, eq=False)
class Importance:
    """By how much shuffling each column lowers the score of a model.

    Parameters
    ----------
    names : list of str
        The columns.
    score : float
        The accuracy, or R², of the rows as they are.
    falls : ndarray of float64, shape (D, repeats)
        How far the score falls in each repeat.
    """

    names: list[str]
    score: float
    falls: Array

    @property
    def mean(self) -> Array:
        """The mean fall of each column, shape (D,)."""
        return np.asarray(self.falls.mean(axis=1))

    @property
    def std(self) -> Array:
        """The standard deviation of the falls of each column over the repeats, shape (D,)."""
        return np.asarray(self.falls.std(axis=1))

    @property
    def interval(self) -> Array:
        """Ends of an interval for the mean fall of each column, shape (D, 2): of 90 % confidence, by Student's t over the repeats."""
        from scipy.special import stdtrit

        repeats = self.falls.shape[1]
        if repeats < 2:
            return np.full((len(self.names), 2), np.nan)
        half = stdtrit(repeats - 1, (1 + CONFIDENCE) / 2) * self.falls.std(axis=1, ddof=1) / np.sqrt(repeats)
        return np.stack([self.mean - half, self.mean + half], axis=1)

    def sorted(self) -> dict[str, tuple[float, float]]:
        """Return mean and standard deviation of each column's falls, the largest mean first.

        Returns
        -------
        dict of str to (float, float)
            By the names of the columns.
        """
        order = np.argsort(-self.mean, kind="stable").tolist()
        return {self.names[i]: (float(self.mean[i]), float(self.std[i])) for i in order}

    def to_dict(self) -> dict[str, Any]:
        """Return a table with a row for each column, for the data frame of any library.

        Returns
        -------
        dict of str to list or ndarray
            "column", "mean", "std", and "low" and "high", the ends of the interval.
        """
        low, high = self.interval.T
        return {"column": self.names, "mean": self.mean, "std": self.std, "low": low, "high": high}

    def __repr__(self) -> str:
        first = next(iter(self.sorted()), "none")
        return f"<Importance: {len(self.names)} columns, {self.falls.shape[1]} repeats, score {self.score:.4g}, first {first!r}>"

    def _repr_html_(self) -> str:
        interval = dict(zip(self.names, self.interval.tolist(), strict=True))
        lines = [
            (name, f"{mean:.4f}", f"{interval[name][0]:.4f} to {interval[name][1]:.4f}")
            for name, (mean, _) in self.sorted().items()
        ]
        return as_html(("column", "fall of the score", "90 % interval"), lines, repr(self))


def column_importance(
    model: Any,
    X: Any,
    y: Any,
    weights: Any = None,
    repeats: int = 5,
    seed: int = 0,
    among: Sequence[int] | None = None,
) -> Importance:
    """Return by how much shuffling each column lowers the score of a model.

    Parameters
    ----------
    model : estimator
        With a method `score`.
    X : array-like or data frame
        Rows, best those that the model was not trained on.
    y : array-like of shape (N,)
        Their labels.
    weights : array-like of shape (N,), default=None
        Their weights.
    repeats : int, default=5
        How often each column is shuffled: so many predictions of all rows are made for each.
    seed : int, default=0
        The same one gives the same orders.
    among : sequence of int, default=None
        Indices of the columns that are shuffled; None for all.

    Returns
    -------
    Importance
        Of these columns.

    Raises
    ------
    ValueError, TypeError
        For data that do not fit, and where `repeats` is no positive integer.
    """
    from sklearn import config_context

    if not isinstance(repeats, (int, np.integer)) or repeats < 1:
        raise ValueError(f"repeats must be a positive integer, but is {repeats!r}")
    names, taken = columns_of(X, "importance")
    best = model.score(X, y, weights)
    orders = [np.random.RandomState(seed + i).permutation(len(y)) for i in range(repeats)]
    some = range(len(names)) if among is None else among
    with config_context(assume_finite=True):  # the rows were searched by the first score
        falls = [[best - model.score(taken(i, order), y, weights) for order in orders] for i in some]
    return Importance([names[i] for i in some], float(best), np.array(falls).reshape(len(some), repeats))
