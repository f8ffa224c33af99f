"""Rows of data that are made when they are read, because all of them together would take much memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy as np

from pysmorch.layers.base import Array

BYTES_AT_A_TIME = 2**24
"""Size of a block of such rows, 16 MiB: many batches, and memory that is used again for the next block."""


class LazyRows:
    """Rows of finite numbers of which a block is made at a time; it has the shape and dtype of an array, and its rows are read.

    Parameters
    ----------
    read : callable
        Returns rows as an array of shape (n, *row_shape), for a slice or an array of n indices.
    count : int
        How many rows there are.
    row_shape : tuple of int
        The shape of one row.
    dtype : dtype, default=float32
        Of the rows.
    read_in_order : callable, default=None
        Goes through rows in an order that is known beforehand, as `in_order` does; None reads them block by block.

    Attributes
    ----------
    shape : tuple of int
        (count, *row_shape).
    dtype : dtype
        Of the rows.
    """

    def __init__(
        self,
        read: Callable[[Any], Array],
        count: int,
        row_shape: tuple[int, ...],
        dtype: Any = np.float32,
        read_in_order: Callable[[Array, Sequence[int]], Iterator[Array]] | None = None,
    ) -> None:
        self._read, self._read_in_order = read, read_in_order
        self.shape = (count, *row_shape)
        self.dtype = np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Array) -> Array:
        return self._read(rows)

    def take(self, rows: Array) -> LazyRows:
        """Return some of the rows, which are not made yet.

        Parameters
        ----------
        rows : ndarray of int
            Their indices.

        Returns
        -------
        LazyRows
            In that order.
        """
        rows = rows.astype(index_dtype(len(self)), copy=False)
        return LazyRows(
            lambda of_these: self._read(rows[of_these]),
            len(rows),
            self.shape[1:],
            self.dtype,
            lambda of_these, sizes: self.in_order(rows[of_these], sizes),
        )

    def in_order(self, rows: Array, sizes: Sequence[int]) -> Iterator[Array]:
        """Go through many rows in an order that is known beforehand, which may be quicker than block by block.

        Parameters
        ----------
        rows : ndarray of int
            Their indices.
        sizes : sequence of int
            How many of them each block has.

        Returns
        -------
        iterator of ndarray
            The blocks. What can be done before the first one is done by then.
        """
        if self._read_in_order is not None:
            return self._read_in_order(rows, sizes)
        return (self._read(rows[block]) for block in blocks_of_sizes(sizes))

    @property
    def rows_at_a_time(self) -> int:
        """How many rows a block has."""
        return max(1, BYTES_AT_A_TIME // max(1, prod(self.shape[1:]) * self.dtype.itemsize))


class SomeRows:
    """Some rows of an array that is not copied for them: training reads them where they are.

    Parameters
    ----------
    array : ndarray
        All rows.
    indices : ndarray of int
        Which of them, in which order.

    Attributes
    ----------
    array, indices
        As in the parameters.
    shape : tuple of int
        That of an array of these rows.
    dtype : dtype
        Of the rows.
    """

    def __init__(self, array: Array, indices: Array) -> None:
        self.array, self.indices = array, indices
        self.shape, self.dtype = (len(indices), *array.shape[1:]), array.dtype

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, rows: slice | Array) -> Array:
        return self.array[self.indices[rows]]

    def spread(self, values: Array) -> Array:
        """Bring a value of each of these rows to where the row is in the array.

        Parameters
        ----------
        values : ndarray of shape (n, ...)
            In the order of the indices.

        Returns
        -------
        ndarray of shape (N, ...)
            With zeros for the other rows of the array.
        """
        of_all = np.zeros((len(self.array), *values.shape[1:]), values.dtype)
        of_all[self.indices] = values
        return of_all

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("an array of some rows is a copy of them")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)


def index_dtype(count: int) -> type[np.signedinteger[Any]]:
    """Return the smallest dtype for indices below `count`: for very long tables 8 bytes each are a good part of the memory."""
    return np.int32 if count < 2**31 else np.int64


def take_rows(rows: Any, indices: Array, copy: bool = True) -> Any:
    """Return some rows of an array, copied or where they are, and some of lazy rows as lazy rows.

    Parameters
    ----------
    rows : ndarray, SomeRows or LazyRows
        All rows.
    indices : ndarray of int
        Which ones.
    copy : bool, default=True
        Whether those of an array are copied.

    Returns
    -------
    ndarray, SomeRows or LazyRows
        In that order.
    """
    if isinstance(rows, LazyRows):
        return rows.take(indices)
    if copy:
        return rows[indices]
    return SomeRows(rows.array, rows.indices[indices]) if isinstance(rows, SomeRows) else SomeRows(rows, indices)


def blocks_of(count: int, rows_at_a_time: int) -> Iterator[slice]:
    """Go through rows, so many at a time.

    Parameters
    ----------
    count : int
        How many rows there are.
    rows_at_a_time : int
        How many there are in a block; the last one may have fewer.

    Yields
    ------
    slice
        Of rows; one without any where there are none.
    """
    for start in range(0, max(count, 1), rows_at_a_time):
        yield slice(start, min(start + rows_at_a_time, count))


def blocks_of_sizes(sizes: Sequence[int]) -> Iterator[slice]:
    """Go through blocks that follow each other.

    Parameters
    ----------
    sizes : sequence of int
        How many rows each has.

    Yields
    ------
    slice
        Of rows.
    """
    yield from (slice(*ends) for ends in pairwise(accumulate(sizes, initial=0)))
