"""What a Parquet file takes in memory, found out before its texts are decoded.

A text that comes often is in the file once, in a dictionary, so that a few bytes may become any number. Here such columns are read
as positions in their dictionaries, one row group or some rows at a time, and the sizes of the texts are added up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.sources import limits
from pysmorch.sources.parquet_pages import (
    AS_LONG_AS_DECODED,
    WITHOUT_PREFIXES,
    Page,
    check_rows,
    opened_again,
    pages_of,
    width_of,
)

ROWS_OF_A_BATCH = 2**16
"""The most rows of a batch, a power of two."""

BYTES_OF_A_BATCH, COPIES_OF_A_BATCH = 2**26, 8
"""A batch takes about so much at most, or, where little may be taken, so small a part of that."""

BUFFER = 2**20
"""Bytes of a column that are read at a time; without it whole columns of a row group are in memory."""

WIDEST = 16
"""Bytes of a value that is no text, such as a decimal number, at most."""


def check_decoded_size(opened: Any, source: Any, what: str, names: Sequence[str] | None = None) -> None:
    """Raise SourceError where a table takes too much memory: the bytes of its pages, one for each value, those of its texts.

    Parameters
    ----------
    opened : pyarrow.parquet.ParquetFile
        The file.
    source : callable
        Returns the open file once more.
    what : str
        What a message calls it.
    names : sequence of str, default=None
        The columns that are read; None for all.
    """
    metadata = opened.metadata
    check_rows(metadata, what)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    columns = [k for k in range(metadata.num_columns) if names is None or _is_of(metadata.schema.column(k), names)]
    values = sum(group.column(k).num_values * width_of(metadata.schema.column(k)) for group in groups for k in columns)
    limits.check_memory(max(values, metadata.num_rows), what)
    pages: dict[tuple[int, int], list[Page]] = {}
    decoded = 0
    with opened_again(source()) as file:
        for group, k in product(range(metadata.num_row_groups), columns):
            pages[group, k] = pages_of(metadata, group, k, file, what)
            decoded += sum(page.size for page in pages[group, k])
            limits.check_memory(decoded, what)
    texts = 0
    for k in columns:
        column = metadata.schema.column(k)
        for group in range(metadata.num_row_groups):
            num_values = metadata.row_group(group).column(k).num_values
            # No text is longer than all.
            if not _is_text(column) or num_values * sum(page.size for page in pages[group, k]) <= limits.SMALL:
                continue
            for batch in _batches_of_texts(source(), group, {column.path: pages[group, k]}):
                texts += sum(int(_sizes_of_rows(array).sum()) for array in batch.columns)
                limits.check_memory(texts, what)


def _is_text(column: Any) -> bool:
    return bool(column.physical_type == "BYTE_ARRAY")


def _batches_of_texts(source: Any, group: int, pages: Mapping[str, Sequence[Page]]) -> Iterator[Any]:
    """Go through columns of texts in a row group, as positions in their dictionaries, in blocks of rows of which few are in memory.

    `pages` are those of each column, by its path.
    """
    from pyarrow import parquet

    largest = max((page.size for of_column in pages.values() for page in of_column), default=0)
    shortened = {
        path for path, of_column in pages.items() if any(page.encoding == WITHOUT_PREFIXES for page in of_column)
    }
    rows = ROWS_OF_A_BATCH
    if shortened or largest > _largest_batch():  # no text is longer than its page
        rows = max(1, min(rows, _largest_batch() // max(1, largest)))
    positions = [path for path in pages if path not in shortened]  # PyArrow makes no dictionary of the others
    file = parquet.ParquetFile(source, read_dictionary=positions, buffer_size=BUFFER, pre_buffer=False)
    return iter(file.iter_batches(rows, [group], list(pages), use_threads=False))


def _is_of(column: Any, names: Sequence[str]) -> bool:
    """Whether what a file has as a column is one of some columns of the table, or a part of one."""
    return any(column.path == name or column.path.startswith(f"{name}.") for name in names)


def rows_of_batches(opened: Any, source: Any, what: str) -> list[int]:
    """Return of how many rows a batch of each row group may be, so that it is not too large, or else is one row.

    Parameters
    ----------
    opened : pyarrow.parquet.ParquetFile
        The file.
    source : callable
        Returns the open file once more.
    what : str
        What a message calls it.

    Returns
    -------
    list of int
        Powers of two.

    Raises
    ------
    SourceError
        A row takes more memory than reading may take.
    """
    metadata = opened.metadata
    check_rows(metadata, what)
    return [_rows_of_a_batch(metadata, i, source, f"{what}: row group {i + 1}") for i in range(metadata.num_row_groups)]


def fitting_rows(size: int, num_rows: int, most: int = ROWS_OF_A_BATCH) -> int:
    """Return the largest number of rows of a batch, from the size of some rows that are alike.

    Parameters
    ----------
    size : int
        Bytes.
    num_rows : int
        How many rows have them.
    most : int, default=2**16
        The most rows, a power of two.

    Returns
    -------
    int
        A power of two.
    """
    while most > 1 and most * size > _largest_batch() * num_rows:
        most //= 2
    return most


def _largest_batch() -> int:
    return min(BYTES_OF_A_BATCH, limits.memory_limit() // COPIES_OF_A_BATCH)


def _rows_of_a_batch(metadata: Any, index: int, source: Any, what: str) -> int:
    group = metadata.row_group(index)
    pages: dict[str, list[Page]] = {}
    of_texts, of_lists, of_row = 0, 0, 1
    with opened_again(source()) as file:
        for k in range(metadata.num_columns):
            column, chunk, here = metadata.schema.column(k), group.column(k), pages_of(metadata, index, k, file, what)
            largest = max((page.size for page in here), default=0)
            limits.check_memory(largest, f"a page of column {column.path!r} of {what}")
            width = max(WIDEST, column.length)
            if _is_text(column):
                pages[column.path] = here
                size = sum(page.size for page in here)
                as_long = AS_LONG_AS_DECODED.issuperset(page.encoding for page in here if page.values)
                of_texts += size * (1 if as_long else chunk.num_values)
            elif column.max_repetition_level:
                of_lists += width * chunk.num_values
            else:
                of_row += width
    limits.check_memory(of_lists, f"{what}, whose lists may all be in one row,")
    limits.check_memory(of_row, f"a row of {what}")
    most = _largest_batch()
    rows = fitting_rows(of_lists + of_row * group.num_rows, group.num_rows)
    if of_texts <= most and fitting_rows(of_texts, group.num_rows, rows) == rows:
        return rows
    total = 0
    for sizes in _sizes_of_blocks(_batches_of_texts(source(), index, pages)):
        limits.check_memory(int(sizes.max()), f"a row of {what}")
        while rows > 1 and np.add.reduceat(sizes, np.arange(0, len(sizes), rows)).max() > most:
            rows //= 2
        total += int(sizes.sum())
    return fitting_rows(total, group.num_rows, rows)


def _sizes_of_blocks(batches: Any) -> Iterator[Array]:
    """Go through the sizes of rows in batches of a row group, as many at a time as the largest batch may have."""
    pending: list[Array] = []
    count = 0
    for batch in batches:
        pending.append(sum((_sizes_of_rows(array) for array in batch.columns), np.zeros(len(batch), np.int64)))
        count += len(batch)
        if count >= ROWS_OF_A_BATCH:
            yield np.concatenate(pending)
            pending, count = [], 0
    if count:
        yield np.concatenate(pending)


def _sizes_of_rows(array: Any) -> Array:
    """Return the bytes of the texts in each entry of a column, which may be in dictionaries, lists and structures."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(array.dictionary).take(array.indices)
        return np.asarray(lengths.cast(pa.int64()).fill_null(0))
    if (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    ):
        return np.asarray(pc.binary_length(array).cast(pa.int64()).fill_null(0))
    if pa.types.is_struct(kind):
        return sum((_sizes_of_rows(child) for child in array.flatten()), np.zeros(len(array), np.int64))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        children = [array.keys, array.items] if pa.types.is_map(kind) else [array.values]
        ends = np.concatenate([[0], np.cumsum(sum(_sizes_of_rows(child) for child in children))])
        return np.diff(ends[np.asarray(array.offsets)])
    if pa.types.is_fixed_size_list(kind):
        children = array.values[array.offset * kind.list_size : (array.offset + len(array)) * kind.list_size]
        return _sizes_of_rows(children).reshape(len(array), kind.list_size).sum(axis=1)
    return np.full(len(array), -(-array.nbytes // max(1, len(array))))
