"""How much a model depends on each column of a table: how much worse it is when the cells of one are shuffled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import config_context

from pysmorch.layers.base import Array
from pysmorch.sources.streaming import StreamedTable

SHUFFLES = 5
"""How often each column is shuffled."""


def column_importance(model: Any, X: Any, y: Array, weights: Array | None) -> dict[str, tuple[float, float]]:
    """Return by how much shuffling each column lowers the score: mean and standard deviation, the largest mean first.

    The score is the accuracy, or R². So many columns as there are, times `SHUFFLES`, are predictions of all rows.

    Raises ValueError for images, which have no columns, and for tables that are read block by block.
    """
    if isinstance(X, StreamedTable):
        raise ValueError(
            "--importance shuffles columns in memory, but the source is read block by block, since the memory does not hold it; "
            "evaluate it on some of the rows"
        )
    if len(X.shape) != 2:
        raise ValueError("--importance is about the columns of a table, but the source has images")
    names, shuffled = _columns_of(X)
    orders = [np.random.RandomState(seed).permutation(len(y)) for seed in range(SHUFFLES)]
    with config_context(assume_finite=True):  # the source was searched when its features were selected
        best = model.score(X, y, weights)
        falls = {
            name: np.array([best - model.score(shuffled(i, order), y, weights) for order in orders])
            for i, name in enumerate(names)
        }
    found = {name: (float(fall.mean()), float(fall.std())) for name, fall in falls.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1][0]))


def _columns_of(X: Any) -> tuple[list[str], Callable[[int, Array], Any]]:
    """Return the names of the columns, and what returns the rows with one column in another order."""
    if not isinstance(X, np.ndarray):
        return X.column_names, lambda i, order: X.set_column(i, X.column_names[i], X.column(i).take(order))

    def shuffled(i: int, order: Array) -> Array:
        rows = X.copy()
        rows[:, i] = X[order, i]
        return rows

    return [str(i) for i in range(X.shape[1])], shuffled


def as_text(importance: dict[str, tuple[float, float]], score: str) -> str:
    """Return a line for each column, with the name of the score."""
    lines = [f"column {name}: {score} falls by {mean:.4f} ± {std:.4f}" for name, (mean, std) in importance.items()]
    return "when the cells of one column are shuffled:\n" + "\n".join(lines)
