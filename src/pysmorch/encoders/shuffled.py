"""Rows of a temporary file in an order that is known beforehand: read and written in large pieces, since single rows take long to find.

A first pass through the file deals its rows out to parts of a second file, each of which has the rows of some blocks that follow each
other, as an external distribution sort does. Then each part is read whole, and its blocks are gathered in memory. So rows are read twice
and written once, whatever the order is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pysmorch.engine.ahead import ahead
from pysmorch.engine.rows import blocks_of, blocks_of_sizes
from pysmorch.layers.base import Array
from pysmorch.memory import buffer_size
from pysmorch.sources.temporary import temporary_file

BYTES_OF_A_PART = 2**26
"""The blocks of a part take at most so much, or are a single one."""

BYTES_AT_A_TIME = 2**25
"""Bytes that are dealt out together: enough that each part gets many rows at once."""


def in_order(
    read: Callable[[slice], Array], num_rows: int, itemsize: int, rows: Array, sizes: Sequence[int]
) -> Iterator[Array]:
    """Go through rows of a file in an order that is known beforehand.

    Parameters
    ----------
    read : callable
        Returns rows that follow each other in the file, as an array of one item a row.
    num_rows, itemsize : int
        How many rows there are, of how many bytes.
    rows : ndarray of int
        The indices of rows, all different.
    sizes : sequence of int
        How many of them each block has.

    Returns
    -------
    iterator of ndarray
        The blocks; rows were dealt out before.
    """
    parts = _parts_of(sizes, max(1, buffer_size(BYTES_OF_A_PART) // itemsize))
    starts = np.array([part[0].start for part in parts])
    part_of = np.full(num_rows, len(parts), np.min_scalar_type(len(parts)))
    for i, part in enumerate(parts):
        part_of[rows[part[0].start : part[-1].stop]] = i
    file = temporary_file(len(rows) * itemsize, "the table")
    filled = starts.copy()
    chunks = blocks_of(num_rows, max(1, buffer_size(BYTES_AT_A_TIME) // itemsize))
    for chunk, stored in ahead((chunk, read(chunk)) for chunk in chunks):
        _deal(stored, part_of[chunk], file, filled)

    def blocks() -> Iterator[Array]:
        for part in parts:
            first, end = part[0].start, part[-1].stop
            # The rows of a part are in the order of the first file.
            positions = np.empty(end - first, np.int64)
            positions[np.argsort(rows[first:end], kind="stable")] = np.arange(end - first)
            held = np.empty(end - first, stored.dtype)
            file.fill(held.view(np.uint8).data, first * itemsize)
            for block in part:
                yield held.take(positions[block.start - first : block.stop - first])

    return blocks()


def _parts_of(sizes: Sequence[int], most: int) -> list[list[slice]]:
    """Return the blocks of each part."""
    parts: list[list[slice]] = []
    for block in blocks_of_sizes(sizes):
        if not parts or block.stop - parts[-1][0].start > most:
            parts.append([])
        parts[-1].append(block)
    return parts


def _deal(stored: Array, part_of: Array, file: Any, filled: Array) -> None:
    """Append rows that follow each other in the first file to their parts, whose ends are moved."""
    order = np.argsort(part_of, kind="stable")
    counts = np.bincount(part_of, minlength=len(filled) + 1)[: len(filled)]
    dealt = stored.take(order[: counts.sum()])
    itemsize = stored.dtype.itemsize
    ends = np.cumsum(counts)
    bytes_of = dealt.view(np.uint8).data
    for i in np.flatnonzero(counts).tolist():
        file.write_at(bytes_of[(ends[i] - counts[i]) * itemsize : ends[i] * itemsize], int(filled[i]) * itemsize)
    filled += counts
