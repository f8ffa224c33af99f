"""Rows in a temporary file: what is needed to encode them, in as many bytes for each, so that any of them are read quickly."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from pysmorch.engine.rows import blocks_of
from pysmorch.layers.base import Array
from pysmorch.sources.streaming import StreamedTable, temporary_file

ROWS_HELD = 2**24
"""Rows of which a whole column is in memory at a time; of more rows, kinds and quantiles are those of a sample."""

SAMPLE_SIZE = 2**20
"""Rows of such a sample, drawn at random. By the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart the share of all rows below
any quantile differs from that in the sample by less than 0.3 percentage points, but for one table in a million."""

BYTES_AT_A_TIME = 2**26


def sampled_rows(num_rows: int) -> Array | None:
    """Return the rows from which kinds of columns and quantiles are learned, in order; None for all.

    Parameters
    ----------
    num_rows : int
        How many rows there are.

    Returns
    -------
    ndarray of int or None
        The same for every table of that length.
    """
    if num_rows <= ROWS_HELD:
        return None
    return np.sort(np.random.default_rng(num_rows).choice(num_rows, SAMPLE_SIZE, replace=False, shuffle=False))


def sample_of(table: StreamedTable) -> StreamedTable:
    """Return the rows of a table from which kinds of columns are learned."""
    sampled = sampled_rows(len(table))
    return table if sampled is None else table.take(sampled)


class Spool:
    """Numbers and marks of rows in a temporary file, which is gone when nothing refers to it.

    Parameters
    ----------
    num_rows : int
        How many rows will be appended.
    num_numbers, num_marks : int
        How many numbers and marks each has.
    """

    def __init__(self, num_rows: int, num_numbers: int, num_marks: int) -> None:
        self._dtype = np.dtype([("numbers", np.float64, (num_numbers,)), ("marks", np.uint8, (-(-num_marks // 8),))])
        self.num_rows, self._num_marks = num_rows, num_marks
        self._file: Any = temporary_file(num_rows * self._dtype.itemsize, "the table")

    def append(self, numbers: Array, marks: Array) -> None:
        """Write rows after those before."""
        rows = np.empty(len(numbers), self._dtype)
        rows["numbers"], rows["marks"] = numbers, np.packbits(marks, axis=1)
        self._file.write(rows.data)

    def finish(self) -> None:
        """Make the rows readable."""
        self._file.flush()

    def read(self, rows: slice | Array) -> tuple[Array, Array]:
        """Return numbers (float64) and marks (bool) of rows, by a slice without a step or their indices in any order."""
        stored = self._read(rows)
        marks = np.unpackbits(stored["marks"], axis=1, count=self._num_marks).view(bool)
        return np.ascontiguousarray(stored["numbers"]), marks

    @property
    def numbers(self) -> StoredNumbers:
        """The numbers of all rows."""
        return StoredNumbers(self)

    def read_numbers(self, rows: slice | Array) -> Array:
        """Return the numbers of rows alone."""
        numbers: Array = self._read(rows)["numbers"]
        return numbers

    @property
    def num_numbers(self) -> int:
        """How many numbers a row has."""
        return int(self._dtype["numbers"].shape[0])

    def _read(self, rows: slice | Array) -> Array:
        size = self._dtype.itemsize
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(self.num_rows)
            found = np.empty(max(0, stop - start), self._dtype)
            self._fill(found.view(np.uint8).data, start * size)
            return found
        if not len(rows):
            return np.empty(0, self._dtype)
        # Rows that follow each other in the file are read together.
        order = np.argsort(rows, kind="stable")
        wanted = rows[order]
        starts = np.flatnonzero(np.diff(wanted, prepend=-2) != 1)
        found = np.empty(len(rows), f"V{size}")
        view = found.view(np.uint8).data
        for first, end in zip(starts.tolist(), [*starts[1:].tolist(), len(wanted)], strict=True):
            self._fill(view[first * size : end * size], int(wanted[first]) * size)
        result = np.empty_like(found)
        result[order] = found
        return result.view(self._dtype)

    def _fill(self, view: memoryview, offset: int) -> None:
        descriptor = self._file.fileno()
        while len(view):
            count = os.preadv(descriptor, [view], offset)
            if count == 0:
                raise OSError(f"a temporary file ends at byte {offset}, before all rows that were written to it")
            view, offset = view[count:], offset + count


class StoredNumbers:
    """The numbers of a `Spool` as an array (N, D) of which some rows, or some columns, are read at a time.

    Attributes
    ----------
    shape : tuple of int
        (N, D).
    size : int
        N D.
    sampled : ndarray of int or None
        The rows that `columns` gives; None for all.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.shape = (spool.num_rows, spool.num_numbers)
        self.size = self.shape[0] * self.shape[1]
        self.sampled = sampled_rows(spool.num_rows)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Array:
        return self._spool.read_numbers(rows)

    def columns(self) -> Iterator[Array]:
        """Go through the columns, of which several are made in one pass through the file."""
        count = self.shape[0] if self.sampled is None else len(self.sampled)
        together = max(1, BYTES_AT_A_TIME // (8 * max(count, 1)))
        for first in range(0, self.shape[1], together):
            columns = np.empty((min(together, self.shape[1] - first), count))
            for rows in blocks_of(count, 2**16):
                wanted = rows if self.sampled is None else self.sampled[rows]
                columns[:, rows] = self._spool.read_numbers(wanted)[:, first : first + together].T
            yield from columns
