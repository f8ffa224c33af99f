"""What a Parquet file takes in memory, found out before its texts are decoded.

A text that comes often is in the file once, in a dictionary, so that a few bytes may become any number. Here such columns are read
as positions in their dictionaries, one row group or some rows at a time, and the sizes of the texts are added up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.sources import limits

ROWS_OF_A_BATCH = 2**16
"""The most rows of a batch, a power of two."""

BYTES_OF_A_BATCH, COPIES_OF_A_BATCH = 2**26, 8
"""A batch takes about so much at most, or, where little may be taken, so small a part of that."""

BUFFER = 2**20
"""Bytes of a column that are read at a time; without it whole columns of a row group are in memory."""

WIDEST = 16
"""Bytes of a value that is no text, such as a decimal number, at most."""

PLAIN = {"PLAIN", "RLE", "BIT_PACKED", "DELTA_LENGTH_BYTE_ARRAY"}
"""Encodings of texts that take no less of the file than decoded."""


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
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    columns = [k for k in range(metadata.num_columns) if names is None or _is_of(metadata.schema.column(k), names)]
    pages = sum(group.column(k).total_uncompressed_size for group in groups for k in columns)
    limits.check_memory(max(pages, metadata.num_rows * len(columns)), what)
    texts = 0
    for k in columns:
        column = metadata.schema.column(k)
        if column.physical_type == "FIXED_LEN_BYTE_ARRAY":
            texts += column.length * sum(group.column(k).num_values for group in groups)
            limits.check_memory(texts, what)
        if column.physical_type != "BYTE_ARRAY":
            continue
        in_dictionary = None
        for i, group in enumerate(groups):
            chunk = group.column(k)
            if chunk.num_values * chunk.total_uncompressed_size <= limits.SMALL:  # no text is longer than all
                continue
            if in_dictionary is None:
                in_dictionary = _with_positions(source(), [column.path])
            texts += sum(map(_size_of, in_dictionary.read_row_group(i, columns=[column.path]).itercolumns()))
            limits.check_memory(texts, what)


def _is_of(column: Any, names: Sequence[str]) -> bool:
    """Whether what a file has as a column is one of some columns of the table, or a part of one."""
    return any(column.path == name or column.path.startswith(f"{name}.") for name in names)


def _with_positions(file: Any, paths: list[str]) -> Any:
    """Open a file such that columns of texts are read as positions in their dictionaries."""
    from pyarrow import parquet

    return parquet.ParquetFile(file, read_dictionary=paths, buffer_size=BUFFER, pre_buffer=False)


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
    texts: list[str] = []
    pages, of_texts, of_lists, of_row = 0, 0, 0, 1
    for k in range(metadata.num_columns):
        column, chunk = metadata.schema.column(k), group.column(k)
        width = max(WIDEST, column.length)
        if column.physical_type == "BYTE_ARRAY":
            texts.append(column.path)
            pages += chunk.total_uncompressed_size
            of_texts += chunk.total_uncompressed_size * (1 if PLAIN.issuperset(chunk.encodings) else chunk.num_values)
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
    file = _with_positions(source(), texts)
    at_a_time = ROWS_OF_A_BATCH if pages <= limits.memory_limit() else 1  # one text has at most 2 GiB
    total = 0
    for sizes in _sizes_of_blocks(file.iter_batches(at_a_time, [index], texts, use_threads=False)):
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
    """Return the bytes of the texts in each entry of a column of dictionaries, which may be in lists and structures."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(array.dictionary).take(array.indices)
        return np.asarray(lengths.cast(pa.int64()).fill_null(0))
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


def _size_of(column: Any) -> int:
    """Return the bytes of the texts in a column of dictionaries, which may be in lists and structures."""
    import pyarrow as pa
    import pyarrow.compute as pc

    size = 0
    arrays = list(column.chunks)
    while arrays:
        array = arrays.pop()
        if pa.types.is_dictionary(array.type):
            lengths = pc.binary_length(array.dictionary)
            size += pc.sum(lengths.take(array.indices).cast(pa.int64())).as_py() or 0
        elif pa.types.is_struct(array.type) or pa.types.is_nested(array.type):
            flat = array.flatten()
            arrays += flat if isinstance(flat, list) else [flat]
        else:
            size += array.nbytes
    return size
