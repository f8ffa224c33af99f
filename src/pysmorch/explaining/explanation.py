"""What `explain` returns: the contribution of each column to the predictions of some rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from pysmorch.encoders.objects import is_missing
from pysmorch.entries import escaped
from pysmorch.layers.base import Array

SHOWN = 20
"""Columns that are shown of one row, or of all rows together."""


@dataclass(frozen=True, repr=False, eq=False)
class Explanation:
    """How much each column of some rows contributes to what is predicted for them, relative to a baseline row.

    The contributions of a row and its baseline together are the value that is explained: `baseline + contributions.sum(1)` is
    `predictions`, up to `error`.

    Parameters
    ----------
    contributions : ndarray of float64, shape (N, D), or (N, height, width) for images
        In the unit of what is explained, for each column or pixel.
    baseline : ndarray of float64, shape (N,)
        What is predicted for the baseline row: for the same class as of each row.
    predictions : ndarray of float64, shape (N,)
        What is predicted for the rows.
    error : ndarray of float64, shape (N,)
        How far the sum of the contributions is from `predictions - baseline`, as a fraction of that difference.
    names : list of str
        The columns, or none for images.
    cells : list of list
        The cells of each column, as they were given.
    outputs : list
        The class, quantile or target of each row that is explained.
    unit : str
        What is explained, in words.
    """

    contributions: Array
    baseline: Array
    predictions: Array
    error: Array
    names: list[str]
    cells: list[list[Any]]
    outputs: list[Any]
    unit: str

    def __len__(self) -> int:
        return len(self.predictions)

    def row(self, index: int) -> list[tuple[str, Any, float]]:
        """Return the columns of one row with what they contribute, the largest contribution first.

        Parameters
        ----------
        index : int
            Of the row, from 0.

        Returns
        -------
        list of (str, object, float)
            Name, cell and contribution of each column.

        Raises
        ------
        ValueError
            There is no such row; images have pixels and no columns.
        """
        if not self.names:
            raise ValueError(
                "row is about the columns of a table; plots.explanation draws the contributions of the pixels of an image"
            )
        if not 0 <= index < len(self):
            raise ValueError(f"index must be below {len(self)}, the number of rows that were explained, but is {index}")
        order = np.argsort(-np.abs(self.contributions[index]), kind="stable")
        return [(self.names[i], self.cells[i][index], float(self.contributions[index, i])) for i in order.tolist()]

    def sizes(self) -> dict[str, float]:
        """Return the mean of the absolute contributions of each column over all rows, the largest first.

        Returns
        -------
        dict of str to float
            By the names of the columns.
        """
        sizes = np.abs(self.contributions).mean(axis=0)
        return {
            self.names[i]: float(sizes[i]) for i in np.argsort(-sizes, axis=None, kind="stable").tolist() if self.names
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the contributions as columns, for the data frame of any library: `pandas.DataFrame(explanation.to_dict())`.

        Returns
        -------
        dict of str to ndarray
            The contributions of each column, by its name.
        """
        return {name: self.contributions[:, i] for i, name in enumerate(self.names)}

    def __repr__(self) -> str:
        shape = f"{len(self.names)} columns" if self.names else "images"
        return f"<Explanation: {len(self)} rows, {shape}, {self.unit}, error at most {self.error.max(initial=0.0):.2%}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks: one row with its cells, or the mean sizes of the contributions of all rows."""
        if not self.names:
            return f"<p>{escape(repr(self))}</p>"
        if len(self) == 1:
            cells = [(name, cell_text(cell), f"{value:+.4g}") for name, cell, value in self.row(0)]
            return as_html(("column", "value", f"contribution to the {self.unit}"), cells, repr(self))
        sizes = [(name, f"{size:.4g}") for name, size in self.sizes().items()]
        return as_html(("column", f"mean size of the contribution to the {self.unit}"), sizes, repr(self))


def as_html(head: tuple[str, ...], lines: Sequence[tuple[str, ...]], what: str) -> str:
    """Return lines as a table of HTML, with what it is about below; of more than `SHOWN` lines the first ones."""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    rows = ["<tr>" + "".join(f"<td>{escape(escaped(text))}</td>" for text in line) + "</tr>" for line in lines[:SHOWN]]
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table><p>{escape(what)}</p>"


def cell_text(cell: Any) -> str:
    """Return a cell as text for people: numbers with six digits, and "missing" for what is missing."""
    if is_missing(cell):
        return "missing"
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)
