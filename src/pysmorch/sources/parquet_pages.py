"""What the pages of a Parquet file say of themselves, compared with what its footer says, before any of them is unpacked.

A reader allocates what the header of a page says, so that a few bytes could take any memory, and skips pages of kinds that it does not
know, with their rows. A header is a structure of Thrift's compact protocol
(https://parquet.apache.org/docs/file-format/data-pages/,
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from pysmorch.sources.source import SourceError

WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}
"""Bytes of a value in a dictionary and in memory; of a text those of its length."""

DATA, DICTIONARY, DATA_V2 = 0, 2, 3
"""Kinds of pages that have values."""

KIND, UNPACKED, PACKED = 1, 2, 3
"""Fields of a header: numbers that all have."""

OF_KIND = {DATA: 5, DICTIONARY: 7, DATA_V2: 8}
"""Fields of a header: what those of a kind have besides."""

VALUES, ENCODING, ENCODING_V2, LEVELS = 1, 2, 4, (5, 6)
"""Fields of that: how many values there are and how they are written; of `DATA_V2`, the bytes of their levels, which are not packed."""

AS_LONG_AS_DECODED = {0, 3, 4, 6}
"""Encodings of texts that take no less of a page than decoded: PLAIN, RLE, BIT_PACKED and DELTA_LENGTH_BYTE_ARRAY."""

WITHOUT_PREFIXES = 7
"""The encoding DELTA_BYTE_ARRAY: of a text only what differs from the one before."""

START_OF_HEADER, LARGEST_HEADER = 2**10, 2**24
"""Bytes that are read of a header first, and at most: it may hold the smallest and the largest text of its page."""

DEEPEST = 8
"""Structures within structures of a header."""

UNCOUNTED = 100
"""Bytes that some writers left out of the size of a column: those of the first page's header."""


class Page(NamedTuple):
    """What is known of a page that has values.

    Attributes
    ----------
    size : int
        Bytes, unpacked.
    values : int
        How many it has for the rows; none in a dictionary.
    encoding : int
        How its values are written.
    """

    size: int
    values: int
    encoding: int


def opened_again(source: Any) -> AbstractContextManager[Any]:
    """Return an open file; one of a path is closed at the end of the context.

    Parameters
    ----------
    source : str or file
        What `pyarrow.parquet.ParquetFile` takes.
    """
    return open(source, "rb") if isinstance(source, str) else nullcontext(source)


def width_of(column: Any) -> int:
    """Return the bytes of a value of a column; of a text those of its length alone, unless all have one length.

    Parameters
    ----------
    column : pyarrow.parquet.ColumnSchema
        As the file stores it.
    """
    return int(WIDTHS.get(column.physical_type, column.length))


def check_rows(metadata: Any, what: str) -> None:
    """Raise SourceError where the row groups of a file have other numbers of rows than the file says.

    Parameters
    ----------
    metadata : pyarrow.parquet.FileMetaData
        What the footer says.
    what : str
        What a message calls the file.
    """
    of_groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    if min(of_groups, default=0) < 0 or sum(of_groups) != metadata.num_rows:
        raise _damaged(what, f"it says that it has {metadata.num_rows} rows, but its row groups have {sum(of_groups)}")


def pages_of(metadata: Any, group: int, column: int, file: Any, what: str) -> list[Page]:
    """Return the pages of a column in a row group.

    Parameters
    ----------
    metadata : pyarrow.parquet.FileMetaData
        What the footer says.
    group, column : int
        Which.
    file : file
        Open for reading, with `seek` and `read`.
    what : str
        What a message calls the file.

    Returns
    -------
    list of Page
        Those that a reader unpacks.

    Raises
    ------
    SourceError
        A page does not fit to the footer, or is none.
    """
    described, rows = metadata.schema.column(column), metadata.row_group(group).num_rows
    chunk = metadata.row_group(group).column(column)
    where = f"column {described.path!r} of row group {group + 1}"
    if not described.max_repetition_level and chunk.num_values != rows:
        raise _damaged(what, f"{where} has {chunk.num_values} values, but {rows} rows")
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end = min(file.seek(0, os.SEEK_END), at + chunk.total_compressed_size + UNCOUNTED)
    pages: list[Page] = []
    values = 0
    while values < chunk.num_values:
        try:
            header, at = _header_at(file, at, end)
            page, at = _page_of(header, width_of(described)), at + _size_in(header, PACKED)
            if at > end:
                raise ValueError("is not there to its end")
        except ValueError as error:
            raise _damaged(what, f"page {len(pages) + 1} of {where} {error}") from None
        if page is not None:
            values += page.values
            pages.append(page)
    if values != chunk.num_values:
        raise _damaged(what, f"{where} has pages with {values} values, but should have {chunk.num_values}")
    return pages


def _damaged(what: str, reason: str) -> SourceError:
    return SourceError(f"{what}: a damaged Parquet file ({reason})")


def _page_of(header: dict[int, Any], width: int) -> Page | None:
    """Return what a header says, or None for a page without values; ValueError where that cannot be."""
    size, kind = _size_in(header, UNPACKED), header.get(KIND)
    if kind not in OF_KIND:
        return None
    own = header.get(OF_KIND[kind])
    if not isinstance(own, dict):
        raise ValueError("does not say what it has")
    values, encoding = _size_in(own, VALUES), _size_in(own, ENCODING_V2 if kind == DATA_V2 else ENCODING)
    if kind == DICTIONARY and values * width > size:
        raise ValueError(f"says that it has {values} values in {size} bytes")
    if kind == DATA_V2 and sum(_size_in(own, field) for field in LEVELS) > min(size, _size_in(header, PACKED)):
        raise ValueError("has levels that are larger than the page")
    return Page(size, 0 if kind == DICTIONARY else values, encoding)


def _size_in(fields: dict[int, Any], field: int) -> int:
    """Return a number that is not negative; ValueError where it is, or there is none."""
    value = fields.get(field)
    if type(value) is not int or value < 0:
        raise ValueError("does not say how large it is, or a size below 0")
    return value


def _header_at(file: Any, at: int, end: int) -> tuple[dict[int, Any], int]:
    """Return the header at a position of a file, and where it ends; ValueError where there is none."""
    length = START_OF_HEADER
    while 0 <= at < end:
        file.seek(at)
        content = file.read(min(length, end - at))
        try:
            header, size = _structure(content, 0, 0)
        except IndexError:
            if len(content) < length or length >= LARGEST_HEADER:
                break
            length *= 8
        else:
            return header, at + size
    raise ValueError("is not there")


def _structure(content: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """Return the fields of a structure by their numbers, and where it ends; IndexError where the content ends before."""
    fields: dict[int, Any] = {}
    field = 0
    while content[at]:
        step, kind = divmod(content[at], 16)
        at += 1
        if step:
            field += step
        else:
            field, at = _integer(content, at)
        if kind in (1, 2):  # a boolean is its kind
            fields[field] = kind == 1
        else:
            fields[field], at = _value(content, at, kind, depth)
    return fields, at + 1


def _value(content: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    """Return a value of a kind, and where it ends; None for what no size is made of, which is passed over."""
    if kind in (4, 5, 6):
        return _integer(content, at)
    if kind == 12 and depth < DEEPEST:
        return _structure(content, at, depth + 1)
    if kind in (9, 10) and depth < DEEPEST:
        return None, _after_list(content, at, depth + 1)
    if kind == 8:
        size, at = _unsigned(content, at)
        at += size
    elif kind in (3, 7):
        at += 1 if kind == 3 else 8
    else:
        raise ValueError("has a header that is none")
    if at > len(content):
        raise IndexError
    return None, at


def _after_list(content: bytes, at: int, depth: int) -> int:
    """Return where a list ends."""
    count, kind = divmod(content[at], 16)
    at += 1
    if count == 15:
        count, at = _unsigned(content, at)
    for _ in range(count):
        at = at + 1 if kind in (1, 2) else _value(content, at, kind, depth)[1]
        if at > len(content):
            raise IndexError
    return at


def _integer(content: bytes, at: int) -> tuple[int, int]:
    """Return a signed integer, whose sign is its lowest bit."""
    number, at = _unsigned(content, at)
    return (number >> 1) ^ -(number & 1), at


def _unsigned(content: bytes, at: int) -> tuple[int, int]:
    """Return an integer in groups of seven bits, the lowest first."""
    number = shift = 0
    while content[at] >= 128:
        number |= (content[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if shift > 63:
            raise ValueError("has a header that is none")
    return number | content[at] << shift, at + 1
