"""Tables as text: CSV files, whose cells are read as they are written."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.sources.columns import unlike_names
from pysmorch.sources.dialect import Dialect, find_dialect
from pysmorch.sources.opening import File, open_file
from pysmorch.sources.rows import check_quotes, is_left_out, rows_of, without_blanks_around_quotes
from pysmorch.sources.source import Source, SourceError
from pysmorch.sources.text import to_utf8

BEGINS_AS_NUMBER = re.compile(r"\s*[-+]?[.,]?\d")
"""Numbers and dates begin with a digit, which names of columns rarely do."""

BLANKS = " \t\ufeff"
"""What may be around the names of columns in a header; joined files have a byte order mark before each one."""

END_OF_DOS = b"\x1a"
"""The last byte of text files of DOS."""

BLOCK, BLOCK_OF_A_COLUMN, LARGEST_BLOCK = 2**20, 2**13, 2**31 - 1
"""How many bytes PyArrow parses at once: all columns get an array for each block, so that many columns need larger ones."""


def read_csv(file: File, header: bool, encoding: str | None, missing: Sequence[str]) -> Source:
    """Read a table; its encoding, its separator and where its data begin are found out.

    A cell is missing where it is empty, or one of `missing`, and not quoted.
    """
    text = to_utf8(file.path, file.content(), encoding).removesuffix(END_OF_DOS)
    dialect = find_dialect(text, header)
    if not dialect.names:
        raise SourceError(f"{file.path}: there are only empty lines and comments")
    text = without_blanks_around_quotes(text, dialect.separator)
    dialect = find_dialect(text, header)
    check_quotes(file.path, text, dialect.separator)
    if not text.endswith((b"\n", b"\r")):
        text += b"\n"  # PyArrow takes an empty cell at the very end for a quoted one if the cell before it is quoted
    table, left_out = parse(file.path, text, dialect, missing)
    table, again = without_header_again(table, dialect, header)
    values = [len(column) - column.null_count for column in table.columns]
    line = line_of(text, dialect, int(again[0])) if len(again) else 0
    names, remarks = names_of(dialect, values if table.num_rows else None, left_out, len(again), line)
    table = table.select(range(len(names))).rename_columns(names)
    reread = _reread(file, text, dialect.separator, encoding)
    return Source(
        file.name, table, remarks=remarks, line_of=lambda row: line_of(reread(), dialect, row_with(again, row))
    )


def parse(path: str, text: bytes, dialect: Dialect, missing: Sequence[str]) -> tuple[Any, list[str]]:
    """Return a table of texts whose columns are called by their indices, and the comments among its rows."""
    import pyarrow as pa
    from pyarrow import csv

    width = len(dialect.names)
    comments: list[str] = []

    def judge(row: Any) -> str:
        if not row.text.strip():
            return "skip"
        if not row.text.startswith("#"):
            return "error"
        comments.append(row.text)
        return "skip"

    names = [str(i) for i in range(width)]
    parse = csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True, invalid_row_handler=judge)
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=["", *missing, *(f" {cell}" for cell in missing)],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        check_utf8=False,
    )
    data = pa.py_buffer(memoryview(text)[dialect.start :])
    if text.startswith(
        codecs.BOM_UTF8, dialect.start
    ):  # letters of a cell, which PyArrow would take for a byte order mark
        data = pa.py_buffer(codecs.BOM_UTF8 + text[dialect.start :])
    if data.size == 0:
        return pa.table({name: pa.array([], pa.string()) for name in names}), []
    block = min(max(BLOCK, BLOCK_OF_A_COLUMN * width), LARGEST_BLOCK)
    while True:
        comments.clear()
        options = csv.ReadOptions(column_names=names, block_size=block, use_threads=False)
        try:
            return csv.read_csv(pa.BufferReader(data), options, parse, convert), comments
        except pa.ArrowInvalid as error:
            problem = " ".join(str(error).split()).removeprefix("CSV parse error: ")
            if "Empty CSV" in problem:
                return pa.table({name: pa.array([], pa.string()) for name in names}), comments
            if "straddling" not in problem or block > data.size or block == LARGEST_BLOCK:
                raise SourceError(f"{path}: {_ragged_line(text, dialect) or problem}") from None
            block = min(8 * block, LARGEST_BLOCK)


def _ragged_line(text: bytes, dialect: Dialect) -> str | None:
    """Name the first row that has more or fewer cells than the header."""
    width = len(dialect.names)
    for row in rows_of(text[dialect.start :], dialect.separator):
        if len(row.cells) != width and not is_left_out(row.cells, width):
            shown = dialect.separator.join(row.cells)[:60]
            return (
                f"line {dialect.line + row.line} has {len(row.cells)} columns, expected {width}, as many as the first line "
                f"of the table; it is {shown!r}; cells that hold the separator {dialect.separator!r} are to be quoted"
            )
    return None


def without_header_again(table: Any, dialect: Dialect, header: bool) -> tuple[Any, Array]:
    """Return a table without the rows that repeat the header, and the indices of these rows."""
    again = like_header(table, dialect.names) if header else np.zeros(0, np.int64)
    if len(again):
        others = table.take(np.delete(np.arange(table.num_rows), again))
        if any(tells_header(name, [cells]) for name, cells in zip(dialect.names, others.columns, strict=False)):
            return others, again
    return table, np.zeros(0, np.int64)


def row_with(again: Array, row: int) -> int:
    """Return the index of a row where those that repeat the header are counted too."""
    rows_before = again - np.arange(len(again))  # how many rows there are before each of these lines
    return row + int(np.searchsorted(rows_before, row, side="right"))


def like_header(table: Any, names: list[str]) -> Array:
    """Return the indices of the rows that have the names of the columns as their cells."""
    import pyarrow.compute as pc

    repeated = np.full(table.num_rows, table.num_columns > 1)
    for name, cells in zip(names, table.columns, strict=False):
        if not repeated.any():
            break
        repeated &= pc.equal(pc.utf8_trim(cells, BLANKS), name).fill_null(False).to_numpy()
    return np.flatnonzero(repeated)


def tells_header(name: str, cells: Iterable[Any]) -> bool:
    """Whether a column of numbers or dates, of which `cells` are those of the other rows piece by piece, shows that its name is no data."""
    import pyarrow.compute as pc

    if BEGINS_AS_NUMBER.match(name) is not None:
        return False
    has_values = False
    for piece in cells:
        values = pc.unique(piece).drop_null().to_pylist()
        if not all(map(BEGINS_AS_NUMBER.match, values)):
            return False
        has_values |= bool(values)
    return has_values


def names_of(
    dialect: Dialect, values: Sequence[int] | None, comments: Sequence[str], num_again: int, line_again: int
) -> tuple[list[str], list[str]]:
    """Return the names of the columns of a table, and what is said of them and of the lines among the rows that are left out.

    Columns at its end that have neither a name nor a value, as separators at line ends make them, have no name then.

    Args:
        dialect: of the file.
        values: how many values each column has; None where there are no rows.
        comments: the lines among the rows that are none.
        num_again: how many lines repeat the header.
        line_again: the first of them.
    """
    names, width = dialect.names, len(dialect.names)
    while width > 1 and not names[width - 1] and values is not None and not values[width - 1]:
        width -= 1
    dropped = len(names) - width
    remarks = list(dialect.remarks)
    if dropped:
        remarks.append(f"lines end with {dropped} separator{'s' * (dropped > 1)} too many; no column is made of that")
    unlike, renamed = unlike_names(names[:width])
    if comments:
        first = f"the first is {comments[0][:40]!r}"
        remarks.append(f"lines that begin with # are comments: {len(comments)} among the rows, {first}")
    if num_again:
        remarks.append(
            f"lines that repeat the names of the columns, as in files that were joined, are left out: {num_again}, "
            f"the first is line {line_again}"
        )
    return unlike, [*remarks, *renamed]


def _reread(file: File, text: bytes, separator: str, encoding: str | None) -> Callable[[], bytes]:
    """Return what reads the text once more, so that it needs no memory meanwhile; one from a pipe is stored."""
    path = file.path
    if file.piped:
        return lambda: text
    return lambda: without_blanks_around_quotes(to_utf8(path, open_file(path).content(), encoding), separator)


def line_of(text: bytes, dialect: Dialect, row: int) -> int:
    """Return the line in which a row ends, counted from 1; empty lines and comments are no rows."""
    rows = rows_of(text[dialect.start :], dialect.separator)
    lines = (line for cells, line, _ in rows if not is_left_out(cells, len(dialect.names)))
    return dialect.line + next(islice(lines, row, None))
