"""Sparse matrices: rows of which only the entries that are not 0 are stored, and of which some at a time become an array."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from pysmorch.entries import not_finite
from pysmorch.layers.base import Array


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of SciPy, which is not imported for that."""
    return hasattr(type(X), "tocsr")


class SparseRows:
    """Rows of a sparse matrix: rows[slice or indices] are some of them; rows[index] and rows[:, index] are arrays, as of an array.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array or csr_matrix
        It is not changed; entries that are stored several times are summed.

    Attributes
    ----------
    matrix : scipy.sparse.csr_array or csr_matrix
        With one entry for each position, in order.
    """

    def __init__(self, matrix: Any) -> None:
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        self.matrix = matrix

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        shape: tuple[int, int] = self.matrix.shape
        return shape

    def __getitem__(self, rows: Any) -> Any:
        """Return some rows as sparse rows; one row, or by a pair of slice and index one column, as an array."""
        if isinstance(rows, tuple):
            return self._column(rows[1])
        if isinstance(rows, (int, np.integer)):
            return self.matrix[[rows]].toarray()[0]
        return SparseRows(self.matrix[rows])

    def _column(self, index: int) -> Array:
        by_column = self._by_column
        stored = slice(by_column.indptr[index], by_column.indptr[index + 1])
        column = np.zeros(len(self), dtype=by_column.dtype)
        column[by_column.indices[stored]] = by_column.data[stored]
        return column

    @cached_property
    def _by_column(self) -> Any:
        return self.matrix.tocsc()

    def of_columns(self, columns: Array) -> SparseRows:
        """Return some columns of all rows.

        Parameters
        ----------
        columns : ndarray of int
            Their indices.

        Returns
        -------
        SparseRows
            Of these columns only.
        """
        return SparseRows(self.matrix[:, columns])

    def toarray(self) -> Array:
        """Return the rows as an array."""
        rows: Array = self.matrix.toarray()
        return rows

    def entries_of(self, rows: slice) -> tuple[Array, Array, Array]:
        """Return the rows, columns and values of all entries that are stored.

        Parameters
        ----------
        rows : slice
            Of which rows, with both ends.

        Returns
        -------
        row_of, column_of : ndarray of int
            The first of the rows is 0.
        values : ndarray
            One for each.
        """
        ends = self.matrix.indptr[rows.start : rows.stop + 1]
        row_of = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        return row_of, self.matrix.indices[ends[0] : ends[-1]], self.matrix.data[ends[0] : ends[-1]]

    def ranges(self) -> tuple[Array, Array, Array]:
        """Return the lowest and the highest number of each column, and how many are known; infinity and -infinity where none are."""
        values, column_of = self.matrix.data.astype(np.float64), self.matrix.indices
        lowest, highest = np.full(self.shape[1], np.inf), np.full(self.shape[1], -np.inf)
        np.fmin.at(lowest, column_of, values)
        np.fmax.at(highest, column_of, values)
        zeros = np.bincount(column_of, minlength=self.shape[1]) < len(self)
        known = len(self) - np.bincount(column_of[np.isnan(values)], minlength=self.shape[1])
        return np.where(zeros, np.fmin(lowest, 0), lowest), np.where(zeros, np.fmax(highest, 0), highest), known

    def check_finite(self, allow_nan: bool) -> None:
        """Raise ValueError for an infinity, and for NaN unless it is allowed; the message names row and column.

        Parameters
        ----------
        allow_nan : bool
            Whether NaN stands for what is missing.
        """
        values = self.matrix.data
        if values.dtype.kind == "f":
            wrong = np.flatnonzero(np.isinf(values) if allow_nan else ~np.isfinite(values))
            if len(wrong):
                row_of, column_of, _ = self.entries_of(slice(0, len(self)))
                raise not_finite("X", values[wrong[0]], (int(row_of[wrong[0]]), int(column_of[wrong[0]])))


def as_array(rows: Any) -> Array:
    """Return rows as an array.

    Parameters
    ----------
    rows : ndarray or SparseRows
        Of any number.

    Returns
    -------
    ndarray
        An array itself.
    """
    return rows.toarray() if isinstance(rows, SparseRows) else rows
