"""Rows in a temporary file: what is needed to encode them, in as many bytes for each, so that any of them are read quickly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pysmorch.encoders import shuffled
from pysmorch.engine.rows import blocks_of, blocks_of_sizes
from pysmorch.layers.base import Array
from pysmorch.memory import buffer_size
from pysmorch.sources.streaming import StreamedTable
from pysmorch.sources.temporary import TemporaryFile, temporary_file

ROWS_HELD = 2**24
"""Rows of which a whole column is in memory at a time; of more rows, kinds and quantiles are those of a sample."""

SAMPLE_SIZE = 2**20
"""Rows of such a sample, drawn at random. By the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart the share of all rows below
any quantile differs from that in the sample by less than 0.3 percentage points, but for one table in a million."""

BYTES_AT_A_TIME = 2**26

BYTES_OF_A_SPAN, TIMES_AS_LONG = 2**22, 16
"""Rows within so many bytes are read together with those between them, if these are at most so many times as many."""


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
    short : sequence of int, default=()
        The indices of numbers that float32 holds exactly, in increasing order: they take half as much.
    """

    def __init__(self, num_rows: int, num_numbers: int, num_marks: int, short: Sequence[int] = ()) -> None:
        long = np.delete(np.arange(num_numbers), list(short))
        self._parts = {"short": _as_slice(np.array(short, np.int64)), "long": _as_slice(long)}
        fields = [
            ("short", np.float32, len(short)),
            ("long", np.float64, len(long)),
            ("marks", np.uint8, -(-num_marks // 8)),
        ]
        self._dtype = np.dtype([(name, kind, (count,)) for name, kind, count in fields])
        self.num_rows, self.num_numbers, self._num_marks = num_rows, num_numbers, num_marks
        # An epoch writes the rows once more.
        self._file = temporary_file(num_rows * self._dtype.itemsize, "the table", 2)
        self._end = 0
        # By their sizes, those in which rows were in another order: an epoch overwrites that of the one before, which is quicker.
        self._dealt: dict[int, TemporaryFile] = {}
        self._rows = np.empty(0, self._dtype)  # written last, whose memory the next ones take

    def append(self, numbers: Array, marks: Array) -> None:
        """Write rows after those before."""
        if len(self._rows) < len(numbers):
            self._rows = np.empty(len(numbers), self._dtype)
        rows = self._rows[: len(numbers)]
        for name, which in self._parts.items():
            rows[name] = numbers[:, which]
        rows["marks"] = np.packbits(marks, axis=1)
        self._file.write_at(rows.view(np.uint8).data, self._end)
        self._end += rows.nbytes

    def read(self, rows: slice | Array) -> tuple[Array, Array]:
        """Return numbers (float64) and marks (bool) of rows, by a slice without a step or their indices in any order."""
        return self._unpacked(self._read(rows))

    def in_order(self, rows: Array, sizes: Sequence[int]) -> Iterator[tuple[Array, Array]]:
        """Go through rows in an order that is known beforehand, as `LazyRows.in_order` does.

        Parameters
        ----------
        rows : ndarray of int
            Their indices.
        sizes : sequence of int
            How many of them each block has.

        Returns
        -------
        iterator of (ndarray of float64, ndarray of bool)
            Numbers and marks of each block.
        """
        wanted = np.zeros(self.num_rows, dtype=bool)
        wanted[rows] = True
        size = len(rows) * self._dtype.itemsize
        if np.count_nonzero(wanted) < len(rows) or not size:  # some come more than once, or have nothing
            return (self.read(rows[block]) for block in blocks_of_sizes(sizes))
        file = self._dealt.pop(size, None) or temporary_file(size, "the table")
        blocks = shuffled.in_order(self._fill_from, self.num_rows, rows, sizes, self._dtype, file)

        def unpacked() -> Iterator[tuple[Array, Array]]:
            yield from map(self._unpacked, blocks)
            self._dealt[size] = file

        return unpacked()

    def _unpacked(self, stored: Array) -> tuple[Array, Array]:
        marks = np.unpackbits(stored["marks"], axis=1, count=self._num_marks).view(bool)
        return self._numbers_in(stored), marks

    def _numbers_in(self, stored: Array, numbers: Array | None = None) -> Array:
        numbers = np.empty((len(stored), self.num_numbers)) if numbers is None else numbers
        for name, which in self._parts.items():
            numbers[:, which] = stored[name]
        return numbers

    @property
    def numbers(self) -> StoredNumbers:
        """The numbers of all rows."""
        return StoredNumbers(self)

    def read_numbers(self, rows: slice | Array) -> Array:
        """Return the numbers of rows alone."""
        return self._numbers_in(self._read(rows))

    def numbers_in_blocks(self, blocks: Iterable[slice]) -> Iterator[tuple[slice, Array]]:
        """Go through blocks of rows and their numbers; the next ones are in the same memory."""
        stored, numbers = np.empty(0, self._dtype), np.empty((0, self.num_numbers))
        for block in blocks:
            count = block.stop - block.start
            if count > len(stored):
                stored, numbers = np.empty(count, self._dtype), np.empty((count, self.num_numbers))
            self._fill_from(stored[:count], block.start)
            yield block, self._numbers_in(stored[:count], numbers[:count])

    def _read(self, rows: slice | Array) -> Array:
        size = self._dtype.itemsize
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(self.num_rows)
            found = np.empty(max(0, stop - start), self._dtype)
            self._fill_from(found, start)
            return found
        if not len(rows):
            return np.empty(0, self._dtype)
        order = None if (rows[1:] >= rows[:-1]).all() else np.argsort(rows, kind="stable")
        wanted = rows if order is None else rows[order]
        found = np.empty(len(rows), self._dtype)
        spans = np.flatnonzero(np.diff(wanted // max(1, BYTES_OF_A_SPAN // max(1, size)), prepend=-1)).tolist()
        for first, end in zip(spans, [*spans[1:], len(wanted)], strict=True):
            self._fill(found[first:end], wanted[first:end])
        if order is None:
            return found
        result = np.empty_like(found)
        result[order] = found
        return result

    def _fill_from(self, found: Array, first: int) -> None:
        """Read rows that follow each other."""
        self._file.fill(found.view(np.uint8).data, first * self._dtype.itemsize)

    def _fill(self, found: Array, wanted: Array) -> None:
        """Read rows that are near each other, in increasing order."""
        size = self._dtype.itemsize
        first, end = int(wanted[0]), int(wanted[-1]) + 1
        if end - first <= TIMES_AS_LONG * len(wanted):
            found[:] = self._read(slice(first, end))[wanted - first]
            return
        # Rows that follow each other in the file are read together.
        starts = np.flatnonzero(np.diff(wanted, prepend=-2) != 1)
        view = found.view(np.uint8).data
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(wanted)], strict=True):
            self._file.fill(view[start * size : stop * size], int(wanted[start]) * size)


def _as_slice(indices: Array) -> slice | Array:
    """Return indices as a slice where they follow each other, which is quicker."""
    if len(indices) and indices[-1] - indices[0] + 1 > len(indices):
        return indices
    return slice(int(indices[0]), int(indices[-1]) + 1) if len(indices) else slice(0)


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

    def in_blocks(self, blocks: Iterable[slice]) -> Iterator[tuple[slice, Array]]:
        """Go through blocks of rows that follow each other in the file; the numbers of the next one are in the same memory.

        Parameters
        ----------
        blocks : iterable of slice
            Of rows.

        Returns
        -------
        iterator of (slice, ndarray of float64 of shape (n, D))
            Each block and its numbers. Short blocks are quickest: they stay in a cache.
        """
        return self._spool.numbers_in_blocks(blocks)

    def columns(self) -> Iterator[Array]:
        """Go through the columns, of which several are made in one pass through the file."""
        count = self.shape[0] if self.sampled is None else len(self.sampled)
        together = max(1, buffer_size(BYTES_AT_A_TIME) // (8 * max(count, 1)))
        for first in range(0, self.shape[1], together):
            columns = np.empty((min(together, self.shape[1] - first), count))
            for rows in blocks_of(count, 2**16):
                wanted = rows if self.sampled is None else self.sampled[rows]
                columns[:, rows] = self._spool.read_numbers(wanted)[:, first : first + together].T
            yield from columns
