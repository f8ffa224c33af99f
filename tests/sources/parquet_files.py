"""Parquet files whose pages or footer say something else than what is there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

FOOTER_LENGTH, END = 8, b"PAR1"
BYTE, INTEGERS, DOUBLE, BINARY, LISTS, STRUCTURE = 3, (4, 5, 6), 7, 8, (9, 10), 12

Fields = list[list[Any]]
"""Of a structure of Thrift's compact protocol: number, type and value of each."""


ROWS = 1000
TEXTS = [f"t{i % 7}" if i % 5 else None for i in range(ROWS)]
NUMBERS = np.arange(ROWS) % 9
COLUMNS = {
    "dictionary of numbers": (NUMBERS, {}),
    "numbers as they are": (NUMBERS, {"use_dictionary": False, "compression": "none"}),
    "differences": (NUMBERS, {"use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED"}),
    "dictionary of texts": (TEXTS, {"compression": "zstd"}),
    "pages of the second version": (TEXTS, {"data_page_version": "2.0"}),
    "texts without prefixes": (TEXTS, {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"}),
    "lists": ([[1, 2, 3]] * ROWS, {}),
}
"""Columns, and with which options they are written."""


def content_of(column: Any, **options: Any) -> bytes:
    """Return the content of a file with one column."""
    file = io.BytesIO()
    parquet.write_table(pa.table({"a": column}), file, store_schema=False, **options)
    return file.getvalue()


class ParquetFile:
    """The footer and the pages of a file with one column and one row group.

    Parameters
    ----------
    content : bytes
        As PyArrow writes it.
    """

    def __init__(self, content: bytes) -> None:
        length = int.from_bytes(content[-FOOTER_LENGTH:-4], "little")
        self.footer: Fields = _read(content, len(content) - FOOTER_LENGTH - length, STRUCTURE)[0]
        self.group: Fields = field(self.footer, 4)[2][1][0]
        self.column: Fields = field(field(self.group, 1)[2][1][0], 3)[2]
        self.pages: list[tuple[Fields, bytes]] = []
        at = len(END)
        end = at + field(self.column, 7)[2]
        while at < end:
            header, at = _read(content, at, STRUCTURE)
            size = field(header, 3)[2]
            self.pages.append((header, content[at : at + size]))
            at += size

    def numbers(self) -> Iterator[list[Any]]:
        """Go through the fields of the headers of all pages that are numbers, which may be changed."""
        todo = [entry for header, _ in self.pages for entry in header]
        while todo:
            entry = todo.pop()
            if entry[1] in INTEGERS:
                yield entry
            elif entry[1] == STRUCTURE:
                todo += entry[2]

    def content(self) -> bytes:
        """Return the file, with the positions of its pages in the footer."""
        written = bytearray(END)
        for header, content in self.pages:
            kind = field(header, 1)[2]
            if field(self.column, 11) and kind == 2:
                field(self.column, 11)[2] = len(written)
            elif header is self.pages[-1][0]:
                field(self.column, 9)[2] = len(written)
            written += _written(header, STRUCTURE) + content
        field(self.column, 7)[2] = len(written) - len(END)
        footer = _written(self.footer, STRUCTURE)
        return bytes(written) + footer + len(footer).to_bytes(4, "little") + END


def field(fields: Fields, number: int) -> Any:
    """Return a field of a structure, or None."""
    return next((entry for entry in fields if entry[0] == number), None)


def _read(content: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in INTEGERS:
        number, at = _read_unsigned(content, at)
        return (number >> 1) ^ -(number & 1), at
    if kind in (BYTE, DOUBLE):
        size = 1 if kind == BYTE else 8
        return content[at : at + size], at + size
    if kind == BINARY:
        size, at = _read_unsigned(content, at)
        return content[at : at + size], at + size
    if kind in LISTS:
        count, of = divmod(content[at], 16)
        count, at = _read_unsigned(content, at + 1) if count == 15 else (count, at + 1)
        items = []
        for _ in range(count):
            item, at = _read(content, at, BYTE if of in (1, 2) else of)
            items.append(item)
        return [of, items], at
    assert kind == STRUCTURE
    fields: Fields = []
    number = 0
    while content[at]:
        step, kind = divmod(content[at], 16)
        number, at = (number + step, at + 1) if step else _read(content, at + 1, 4)
        value, at = (None, at) if kind in (1, 2) else _read(content, at, kind)
        fields.append([number, kind, value])
    return fields, at + 1


def _read_unsigned(content: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while content[at] & 128:
        number, at, shift = number | (content[at] & 127) << shift, at + 1, shift + 7
    return number | content[at] << shift, at + 1


def _written(value: Any, kind: int) -> bytes:
    if kind in INTEGERS:
        return _unsigned((value << 1) ^ (value >> 63))
    if kind in (BYTE, DOUBLE):
        return bytes(value)
    if kind == BINARY:
        return _unsigned(len(value)) + bytes(value)
    if kind in LISTS:
        of, items = value
        start = bytes([len(items) << 4 | of]) if len(items) < 15 else bytes([0xF0 | of]) + _unsigned(len(items))
        return start + b"".join(_written(item, BYTE if of in (1, 2) else of) for item in items)
    written, before = bytearray(), 0
    for number, of, item in value:
        step = number - before
        written += bytes([step << 4 | of]) if 0 < step < 16 else bytes([of]) + _written(number, 4)
        written += b"" if of in (1, 2) else _written(item, of)
        before = number
    return bytes(written) + b"\0"


def _unsigned(number: int) -> bytes:
    written = bytearray()
    number &= 2**64 - 1
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])
