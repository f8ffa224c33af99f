"""What `pysmorch evaluate --importance` prints."""

from __future__ import annotations

from typing import Any

from pysmorch.explaining.importance import Importance, column_importance
from pysmorch.layers.base import Array
from pysmorch.sources.streaming import StreamedTable


def importance_of(model: Any, X: Any, y: Array, weights: Array | None) -> Importance:
    """Return by how much shuffling each column lowers the score.

    Raises ValueError for images, which have no columns, and for tables that are read block by block.
    """
    if isinstance(X, StreamedTable):
        raise ValueError(
            "--importance shuffles columns in memory, but the source is read block by block, since the memory does not hold it; "
            "evaluate it on some of the rows"
        )
    if len(X.shape) != 2:
        raise ValueError("--importance is about the columns of a table, but the source has images")
    return column_importance(model, X, y, weights)


def as_text(importance: Importance, score: str) -> str:
    """Return a line for each column, with the name of the score."""
    found = importance.sorted().items()
    lines = [f"column {name}: {score} falls by {mean:.4f} ± {std:.4f}" for name, (mean, std) in found]
    return "when the cells of one column are shuffled:\n" + "\n".join(lines)
