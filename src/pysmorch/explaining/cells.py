"""Inputs of any library, with the cells of one column taken from other rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pysmorch.encoders.cells import array_of_rows, as_frame, is_rows, is_table
from pysmorch.encoders.sparse import is_sparse
from pysmorch.entries import list_names, suggest
from pysmorch.layers.base import Array
from pysmorch.sources.streaming import StreamedTable

Taken = Callable[[int, Array], Any]
"""Of the index of a column and indices of rows: the input in which the cells of that column come from these rows."""


def columns_of(X: Any, what: str) -> tuple[list[str], Taken]:
    """Return the names of the columns of an input, and what takes the cells of one from other rows.

    Parameters
    ----------
    X : array-like or data frame
        Rows.
    what : str
        What needs columns, in messages.

    Returns
    -------
    names : list of str
        Indices as texts where columns have no names.
    taken : callable
        Returns such an input; X is not changed.

    Raises
    ------
    ValueError
        X has no columns, or is read block by block.
    """
    if isinstance(X, StreamedTable):
        raise ValueError(
            f"{what} changes columns in memory, but X is read block by block, since the memory does not hold it; take some of the rows"
        )
    if is_table(X):
        return _of_table(X)
    if is_sparse(X):
        return _of_sparse(X.tocsc())
    array = array_of_rows(X) if is_rows(X) else X
    array = np.asarray(array)
    if array.ndim != 2:
        raise ValueError(f"{what} is about the columns of a table, but X has the shape {array.shape}")

    def taken(i: int, rows: Array) -> Array:
        changed = array.copy()
        changed[:, i] = array[rows, i]
        return changed

    return [str(i) for i in range(array.shape[1])], taken


def _of_table(X: Any) -> tuple[list[str], Taken]:
    import narwhals as nw

    table = nw.from_native(as_frame(X), eager_only=True)
    names = list(table.columns)

    def taken(i: int, rows: Array) -> Any:
        return table.with_columns(table[rows.tolist()][names[i]]).to_native()

    return names, taken


def _of_sparse(X: Any) -> tuple[list[str], Taken]:
    from scipy import sparse

    def taken(i: int, rows: Array) -> Any:
        parts = [part for part in (X[:, :i], X[:, [i]][rows], X[:, i + 1 :]) if part.shape[1]]
        return sparse.hstack(parts, format="csr")

    return [str(i) for i in range(X.shape[1])], taken


def index_of(column: Any, names: list[str]) -> int:
    """Return the index of a column.

    Parameters
    ----------
    column : str or int
        Its name, or its index.
    names : list of str
        The names of all columns.

    Returns
    -------
    int
        From 0.

    Raises
    ------
    ValueError
        There is none.
    """
    if isinstance(column, (int, np.integer)) and not isinstance(column, bool) and str(column) not in names:
        if not 0 <= column < len(names):
            raise ValueError(f"column must be below {len(names)}, the number of columns of X, but is {column}")
        return int(column)
    if str(column) not in names:
        raise ValueError(
            f"column: X has no column {str(column)!r}{suggest(str(column), names) or f'; its columns are {list_names(names)}'}"
        )
    return names.index(str(column))
