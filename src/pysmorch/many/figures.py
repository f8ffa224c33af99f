"""What was measured in the training of each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.layers.base import Array


@dataclass
class Figures:
    """What was measured in the training of each of G groups.

    Attributes
    ----------
    rows, epochs : ndarray of int64, shape (G,)
        How many there are.
    loss, score : ndarray of float64, shape (G,)
        The loss of the last epoch, and what `score` says of the rows of the training; NaN without a model.
    remarks : dict of int to list of str
        By the index of the group.
    failed : dict of int to str
        Why a group has no model.
    """

    rows: Array
    epochs: Array
    loss: Array
    score: Array
    remarks: dict[int, list[str]]
    failed: dict[int, str]

    @classmethod
    def of(cls, rows: Array) -> Figures:
        """Return the figures of groups before the training, from the number of rows of each."""
        count = len(rows)
        unknown = np.full(count, np.nan)
        return cls(rows.astype(np.int64), np.zeros(count, np.int64), unknown, unknown.copy(), {}, {})

    def take(self, index: int, epochs: int, loss: float, score: float, remarks: Sequence[str]) -> None:
        """Set those of a group."""
        self.epochs[index], self.loss[index], self.score[index] = epochs, loss, score
        if remarks:
            self.remarks[index] = list(remarks)

    def columns(self) -> dict[str, list[Any]]:
        """Return the numbers as lists by name."""
        return {name: getattr(self, name).tolist() for name in NUMBERS}


NUMBERS = ("rows", "epochs", "loss", "score")
"""The arrays."""
