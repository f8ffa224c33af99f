"""Rows of a temporary file in an order that is known beforehand: read and written in large pieces, since single rows take long to find.

A first pass through the file deals its rows out to parts of a second file, each of which has the rows of some blocks that follow each
other, as an external distribution sort does. Then each part is read whole, and its blocks are gathered in memory. So rows are read twice
and written once, whatever the order is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from pysmorch.engine.ahead import ahead
from pysmorch.engine.rows import blocks_of, blocks_of_sizes
from pysmorch.layers.base import Array
from pysmorch.memory import buffer_size
from pysmorch.sources.temporary import TemporaryFile

BYTES_OF_A_PART = 2**26
"""The blocks of a part take at most so much, or are a single one."""

BYTES_AT_A_TIME = 2**25
"""Bytes that are dealt out together: enough that each part gets many rows at once."""


def in_order(
    fill: Callable[[Array, int], None],
    num_rows: int,
    rows: Array,
    sizes: Sequence[int],
    dtype: np.dtype[Any],
    file: TemporaryFile,
) -> Iterator[Array]:
    """Go through rows of a file in an order that is known beforehand.

    Parameters
    ----------
    fill : callable
        Reads rows that follow each other in the file, from an index on, into an array.
    num_rows : int
        How many rows there are.
    rows : ndarray of int
        The indices of rows, all different.
    sizes : sequence of int
        How many of them each block has.
    dtype : dtype
        Of a row.
    file : TemporaryFile
        The second file, which is overwritten.

    Returns
    -------
    iterator of ndarray
        The blocks; rows were dealt out before.
    """
    parts = _parts_of(sizes, max(1, buffer_size(BYTES_OF_A_PART) // dtype.itemsize))
    starts = np.array([part[0].start for part in parts])
    part_of = np.full(num_rows, len(parts), np.min_scalar_type(len(parts)))
    for i, part in enumerate(parts):
        part_of[rows[part[0].start : part[-1].stop]] = i
    filled = starts.copy()
    # Reading and sorting, and writing, are done side by side.
    with closing(ahead(_sorted(fill, part_of, len(parts), dtype))) as chunks:
        for dealt, counts in chunks:
            _deal(dealt, counts, file, filled)

    def blocks() -> Iterator[Array]:
        longest = max(part[-1].stop - part[0].start for part in parts)
        held, positions = np.empty(longest, dtype), np.empty(longest, np.int64)
        for part in parts:
            first, end = part[0].start, part[-1].stop
            # The rows of a part are in the order of the first file.
            positions[np.argsort(rows[first:end])] = np.arange(end - first)
            file.fill(held[: end - first].view(np.uint8).data, first * dtype.itemsize)
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


def _sorted(
    fill: Callable[[Array, int], None], part_of: Array, num_parts: int, dtype: np.dtype[Any]
) -> Iterator[tuple[Array, Array]]:
    """Go through the rows of the first file, many at a time: those of each part together, and how many they are."""
    at_a_time = max(1, buffer_size(BYTES_AT_A_TIME) // dtype.itemsize)
    held = np.empty(min(at_a_time, len(part_of)), dtype)
    for chunk in blocks_of(len(part_of), at_a_time):
        stored = held[: chunk.stop - chunk.start]
        fill(stored, chunk.start)
        order = np.argsort(part_of[chunk], kind="stable")
        counts = np.bincount(part_of[chunk], minlength=num_parts + 1)[:num_parts]
        yield stored.take(order[: counts.sum()]), counts


def _deal(dealt: Array, counts: Array, file: TemporaryFile, filled: Array) -> None:
    """Append rows to their parts, whose ends are moved."""
    itemsize = dealt.dtype.itemsize
    ends = np.cumsum(counts)
    bytes_of = dealt.view(np.uint8).data
    for i in np.flatnonzero(counts).tolist():
        file.write_at(bytes_of[(ends[i] - counts[i]) * itemsize : ends[i] * itemsize], int(filled[i]) * itemsize)
    filled += counts
