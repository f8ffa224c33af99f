"""How predictions follow one column, on average over rows: all of them get one value of it after another.

Source: Friedman, "Greedy function approximation: a gradient boosting machine", 2001.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.explaining.explanation import as_html, cell_text
from pysmorch.layers.base import Array


@dataclass(frozen=True, repr=False, eq=False)
class PartialDependence:
    """The mean prediction of some rows when all of them have the same value of one column.

    Parameters
    ----------
    column : str
        Its name.
    values : list
        The values: cells of the rows, those of a number in order, those of a category by how often they come.
    numbers : ndarray of float64, shape (V,), or None
        The numbers that the values stand for, NaN for a missing one; None for categories and texts.
    predictions : ndarray of float64, shape (V, K)
        For each value the mean of the predictions: the probability of each class, or of a regression each target or quantile.
    spread : ndarray of float64, shape (V, K)
        The standard deviation of the predictions over the rows.
    outputs : list
        The K classes, targets or quantiles.
    """

    column: str
    values: list[Any]
    numbers: Array | None
    predictions: Array
    spread: Array
    outputs: list[Any]

    def to_dict(self) -> dict[str, Any]:
        """Return a table with a row for each value, for the data frame of any library.

        Returns
        -------
        dict of str to list or ndarray
            The column by its name, and the mean prediction of each output.
        """
        return {self.column: self.values} | {
            f"mean of {name}": self.predictions[:, i] for i, name in enumerate(self.outputs)
        }

    def __repr__(self) -> str:
        low, high = self.predictions[:, -1].min(), self.predictions[:, -1].max()
        return f"<PartialDependence: {self.column!r}, {len(self.values)} values, {self.outputs[-1]!r} from {low:.4g} to {high:.4g}>"

    def _repr_html_(self) -> str:
        lines = [
            (cell_text(value), *(f"{mean:.4g}" for mean in means))
            for value, means in zip(self.values, self.predictions.tolist(), strict=True)
        ]
        return as_html((self.column, *map(str, self.outputs)), lines, repr(self))


def rows_of_values(keys: list[Any], numbers: Array | None, points: int) -> Array:
    """Return the rows whose cells of a column are the values for which predictions are made.

    Parameters
    ----------
    keys : list
        What tells the cells of the column apart: None where they are missing.
    numbers : ndarray of float64, shape (N,), or None
        What they are as numbers; None for categories and texts.
    points : int
        How many values there are at most, besides a missing one.

    Returns
    -------
    ndarray of int
        Numbers at evenly spaced quantiles, in their order, or the most frequent values; then a missing one, if there is one.
    """
    if numbers is None:
        first: dict[Any, int] = {}
        counts: dict[Any, int] = {}
        for row, key in enumerate(keys):
            first.setdefault(key, row)
            counts[key] = counts.get(key, 0) + 1
        known = sorted((key for key in counts if key is not None), key=lambda key: (-counts[key], first[key]))
        rows = [first[key] for key in known[:points]] + ([first[None]] if None in first else [])
        return np.array(rows, dtype=np.int64)
    missing = np.flatnonzero(np.isnan(numbers))[:1]
    distinct, rows_of = np.unique(numbers[~np.isnan(numbers)], return_index=True)
    rows_of = np.flatnonzero(~np.isnan(numbers))[rows_of]
    if len(distinct) > points:
        known_numbers = np.sort(numbers[~np.isnan(numbers)])
        at = np.rint(np.linspace(0, len(known_numbers) - 1, points)).astype(np.int64)
        rows_of = rows_of[np.unique(np.searchsorted(distinct, known_numbers[at]))]
    return np.concatenate([rows_of, missing])
