"""Rows of tables that are larger than the memory: learned from some columns at a time, encoded from a temporary file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import starmap
from typing import Any

import numpy as np

from pysmorch.encoders.cells import Cells, as_table
from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.numbers import ranges_of
from pysmorch.encoders.plain import is_short
from pysmorch.encoders.ranges import Ranges, joined
from pysmorch.encoders.spool import Spool, sample_of, sampled_rows
from pysmorch.engine.ahead import ahead
from pysmorch.engine.rows import LazyRows, blocks_of
from pysmorch.layers.base import Array
from pysmorch.memory import buffer_size
from pysmorch.sources.streaming import RowBuffer, StreamedTable

BYTES_OF_A_GROUP = 2**26
"""Columns are learned together where their numbers take so much memory."""

BYTES_TO_STORE = 2**24

NO_ROWS = np.zeros(0, np.int64)


class StreamedRows:
    """The rows of a table in files, where `Cells` are those of a table in memory.

    Parameters
    ----------
    table : StreamedTable
        All rows.

    Attributes
    ----------
    sampled : ndarray of int or None
        The rows from which columns are learned; None for all.
    take_statistics : callable or None
        A function of (cells of a block, index of its first row) that gives them the statistics of rows of a training.
    codes : dict of str to ndarray of int32
        The index of each row's value, for the columns that have such statistics.
    looked : Cells or None
        The rows that were looked at while all were stored.
    ranges : Ranges or None
        Of the numbers of all rows, where columns are learned from a sample.
    """

    def __init__(self, table: StreamedTable) -> None:
        self.table = table
        self.sampled = sampled_rows(len(table))
        self.names = table.column_names
        self.take_statistics: Callable[[Cells, int], None] | None = None
        self.codes: dict[str, Array] = {}
        self.looked: Cells | None = None
        self.ranges: Ranges | None = None
        self._spool: Spool | None = None

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: Array) -> StreamedRows:
        return StreamedRows(self.table.take(rows))

    def in_groups(self, names: list[str]) -> Iterator[tuple[list[str], Cells]]:
        """Go through some columns, as many at a time as take little memory."""
        held = sample_of(self.table)
        count = max(1, buffer_size(BYTES_OF_A_GROUP) // (8 * max(1, len(held))))
        for first in range(0, len(names), count):
            some = names[first : first + count]
            yield some, Cells(as_table(held.columns(some)), len(self))

    def blocks(self, names: list[str] | None = None) -> Iterator[tuple[int, Cells]]:
        """Go through all rows, with some columns or all: the index of the first row of a block, and the block."""
        for first, block in (self.table if names is None else self.table.select(names)).blocks():
            yield first, Cells(as_table(block))

    def store(self, encoder: Any, looked_at: Array = NO_ROWS) -> Spool:
        """Put what is needed to encode the rows into a temporary file, in one pass.

        Parameters
        ----------
        encoder : TableEncoder
            It has learned what the columns are.
        looked_at : ndarray of int, default=no rows
            Rows of which the cells are held in `looked`, in increasing order.

        Returns
        -------
        Spool
            Of all rows.

        Raises
        ------
        ColumnError
            Names the first row that cannot be encoded.
        """
        if self._spool is not None:
            return self._spool
        spool = Spool(len(self), encoder.num_numbers, encoder.num_marks, self._short(encoder))
        looked = RowBuffer(self.table.schema)
        # Reading, encoding and writing are done side by side.
        with closing(ahead(self._compacted(encoder, looked_at, looked))) as compacted:
            for numbers, marks in compacted:
                spool.append(numbers, marks)
                if self.sampled is not None:
                    self.ranges = joined(self.ranges, ranges_of(numbers))
        self.looked = Cells(as_table(looked.table())) if len(looked_at) else None
        self._spool = spool
        return spool

    def _compacted(self, encoder: Any, looked_at: Array, looked: RowBuffer) -> Iterator[tuple[Array, Array]]:
        """Go through what `TableEncoder.compact` makes of all rows; some of the rows are buffered."""
        at_a_time = max(1, BYTES_TO_STORE // (8 * encoder.num_numbers + encoder.num_marks + 1))
        with closing(ahead(self.table.blocks())) as blocks:
            for first, block in blocks:
                some = looked_at[slice(*np.searchsorted(looked_at, [first, first + len(block)]))]
                if len(some):
                    looked.append(block.take(some - first))
                cells = Cells(as_table(block))
                if self.take_statistics is not None:
                    self.take_statistics(cells, first)
                for rows in blocks_of(len(block), at_a_time):
                    try:
                        yield encoder.compact(cells[rows])
                    except ColumnError as error:
                        raise error.after(first + rows.start) from None

    def _short(self, encoder: Any) -> list[int]:
        """Return which numbers of rows float32 holds exactly, as they are in the files."""
        return [at for column, at in encoder.number_positions if is_short(self.table.schema.field(column.name).type)]

    def encoded(self, encoder: Any) -> LazyRows:
        """Return the rows as the network takes them, which are made when they are read."""
        spool = self.store(encoder)
        return LazyRows(
            lambda rows: encoder.expand(*spool.read(rows)),
            len(self),
            encoder.shape,
            read_in_order=lambda rows, sizes: starmap(encoder.expand, spool.in_order(rows, sizes)),
        )
