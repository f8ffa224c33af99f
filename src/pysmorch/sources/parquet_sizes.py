"""What a Parquet file takes in memory, found out before its texts are decoded.

A text that comes often is in the file once, in a dictionary, so that a few bytes may become any number. Here such columns are read
as positions in their dictionaries, one row group at a time, and the sizes of the texts are added up.
"""

from __future__ import annotations

from typing import Any

from pysmorch.sources import limits


def check_decoded_size(opened: Any, source: Any, what: str) -> None:
    """Raise SourceError where a table takes too much memory: the bytes of its pages, one for each value, those of its texts.

    Parameters
    ----------
    opened : pyarrow.parquet.ParquetFile
        The file.
    source : callable
        Returns the open file once more.
    what : str
        What a message calls it.
    """
    from pyarrow import parquet

    metadata = opened.metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    least = max(sum(group.total_byte_size for group in groups), metadata.num_rows * metadata.num_columns)
    limits.check_memory(least, what)
    texts = 0
    for k in range(metadata.num_columns):
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
                in_dictionary = parquet.ParquetFile(source(), read_dictionary=[column.path])
            texts += sum(map(_size_of, in_dictionary.read_row_group(i, columns=[column.path]).itercolumns()))
            limits.check_memory(texts, what)


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
