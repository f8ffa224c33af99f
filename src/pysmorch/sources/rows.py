"""The rows of a text whose cells are set apart by a separator: reading them one by one, and checking their quotes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pysmorch.sources.source import SourceError

FIELD_LIMIT = 2**31 - 1
"""Python's reader refuses cells of more than 128 KiB otherwise."""


class Row(NamedTuple):
    """One row: its cells, the line in which it ends, counted from 1, and the offset of the first byte after it."""

    cells: list[str]
    line: int
    end: int


def rows_of(text: bytes, separator: str) -> Iterator[Row]:
    """Go through the rows of a text in UTF-8, empty ones included; a quoted cell may have several lines."""
    end = 0

    def lines() -> Iterator[str]:
        nonlocal end
        for line in io.TextIOWrapper(io.BytesIO(text), "utf-8", errors="replace", newline=""):
            end += len(line.encode())
            yield line

    limit = csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(lines(), delimiter=separator)
    try:
        for cells in reader:
            yield Row(cells, reader.line_num, end)
    finally:
        csv.field_size_limit(limit)


def is_blank(cells: list[str]) -> bool:
    """Whether a line is empty or has blanks only; one with an empty cell in quotes is not."""
    return not cells or (len(cells) == 1 and cells[0].isspace())


def is_left_out(cells: list[str], columns: int) -> bool:
    """Whether a row below the header is no data: an empty line, or a comment.

    A line that begins with # is a comment if it has another number of cells than the table has columns.
    """
    return not cells or (len(cells) != columns and (is_blank(cells) or cells[0].startswith("#")))


def without_blanks_around_quotes(text: bytes, separator: str) -> bytes:
    """Return a text without the blanks between separators and quotes, as in `1, "x, y"`: they would make the quotes letters."""
    sep = re.escape(separator.encode())
    if b'"' not in text or not re.search(sep + rb' +"|" +(?:' + sep + rb"|[\r\n])", text):
        return text
    cell = rb"(^|" + sep + rb'|[\r\n])(?: *)("[^"]*(?:""[^"]*)*")(?: *)(?=' + sep + rb"|[\r\n]|\Z)"
    return re.sub(cell, rb"\1\2", text)


def check_quotes(path: str, text: bytes, separator: str, lines_before: int = 0) -> None:
    """Raise SourceError where a quoted cell does not end, or goes on after its closing quote.

    The quotes of nearly all files stand beside separators and line ends only, which is quick to see; a quote elsewhere may be
    a letter of a cell, as in 5" nails, and takes a slower look. Of a piece of a file the lines before it are counted too.
    """
    if b'"' not in text or quotes_are_regular(text, separator):
        return
    limit = csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text.decode(), newline=""), delimiter=separator, strict=True)
    line = 0
    try:
        for _ in reader:
            line = reader.line_num
    except csv.Error as error:
        reason = "has a quote that is never closed; the file is truncated, or the quote is to be doubled"
        if "end of data" not in str(error):
            reason = "has letters after a closing quote; quotes within a quoted cell are to be doubled"
        raise SourceError(f"{path}: line {lines_before + line + 1} {reason}") from None
    finally:
        csv.field_size_limit(limit)


def quotes_are_regular(text: bytes, separator: str) -> bool:
    """Whether every opening quote follows, and every closing one precedes, a separator, a line end or another quote."""
    letters = np.frombuffer(b"\n" + text + b"\n", np.uint8)
    quotes = np.flatnonzero(letters == ord('"'))
    if len(quotes) % 2:
        return False
    beside = np.zeros(256, bool)
    beside[list(f'{separator}\r\n"'.encode())] = True
    return bool(beside[letters[quotes[::2] - 1]].all() and beside[letters[quotes[1::2] + 1]].all())
