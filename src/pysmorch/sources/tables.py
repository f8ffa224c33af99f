"""Tables as text: CSV files, whose cells are read as they are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from pysmorch.sources.columns import unlike_names
from pysmorch.sources.dialect import Dialect, find_dialect
from pysmorch.sources.opening import File, open_file
from pysmorch.sources.rows import check_quotes, is_left_out, rows_of, without_blanks_around_quotes
from pysmorch.sources.source import Source, SourceError
from pysmorch.sources.text import to_utf8

MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
"""What a cell of a CSV file holds where it holds nothing."""

BLOCK = 2**20
"""How many bytes PyArrow parses at once; a row that is longer needs more."""


def read_csv(file: File, header: bool, encoding: str | None, missing: Sequence[str]) -> Source:
    """Read a table; its encoding, its separator and where its data begin are found out.

    A cell is missing where it is empty, or one of `missing`, and not quoted.
    """
    import pyarrow as pa

    text = to_utf8(file.path, file.content(), encoding)
    dialect = find_dialect(text, header)
    if not dialect.names:
        raise SourceError(f"{file.path}: there are only empty lines and comments")
    text = without_blanks_around_quotes(text, dialect.separator)
    dialect = find_dialect(text, header)
    check_quotes(file.path, text, dialect.separator)
    table, left_out = _parse(file.path, text, dialect, missing)
    table, remarks = _without_empty_ends(table, dialect.names)
    names, renamed = unlike_names(dialect.names[: table.num_columns])
    table = table.rename_columns(names)
    if left_out:
        first = f"the first is {left_out[0][:40]!r}"
        remarks.append(f"lines that begin with # are comments: {len(left_out)} among the rows, {first}")
    reread = _reread(file, text, dialect.separator, encoding)
    remarks = [*dialect.remarks, *remarks, *renamed]
    table = pa.table([_typed(column) for column in table.columns], names)
    return Source(file.name, table, remarks=remarks, line_of=lambda row: _line_of(reread(), dialect, row))


def _parse(path: str, text: bytes, dialect: Dialect, missing: Sequence[str]) -> tuple[Any, list[str]]:
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
    if data.size == 0:
        return pa.table({name: pa.array([], pa.string()) for name in names}), []
    block = BLOCK
    while True:
        comments.clear()
        options = csv.ReadOptions(column_names=names, block_size=block, use_threads=False)
        try:
            return csv.read_csv(pa.BufferReader(data), options, parse, convert), comments
        except pa.ArrowInvalid as error:
            problem = " ".join(str(error).split()).removeprefix("CSV parse error: ")
            if "Empty CSV" in problem:
                return pa.table({name: pa.array([], pa.string()) for name in names}), comments
            if "straddling" not in problem or block > data.size:
                raise SourceError(f"{path}: {_ragged_line(text, dialect) or problem}") from None
            block *= 8


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


def _without_empty_ends(table: Any, names: list[str]) -> tuple[Any, list[str]]:
    """Return a table without the columns at its end that have neither a name nor a value, as separators at line ends make them."""
    width = table.num_columns
    while (
        width > 1 and not names[width - 1] and table.num_rows and table.column(width - 1).null_count == table.num_rows
    ):
        width -= 1
    dropped = table.num_columns - width
    remark = f"lines end with {dropped} separator{'s' * (dropped > 1)} too many; no column is made of that"
    return table.select(range(width)), [remark] if dropped else []


def _reread(file: File, text: bytes, separator: str, encoding: str | None) -> Callable[[], bytes]:
    """Return what reads the text once more, so that it needs no memory meanwhile; one from a pipe is stored."""
    path = file.path
    if file.piped:
        return lambda: text
    return lambda: without_blanks_around_quotes(to_utf8(path, open_file(path).content(), encoding), separator)


def _line_of(text: bytes, dialect: Dialect, row: int) -> int:
    """Return the line in which a row ends, counted from 1; empty lines and comments are no rows."""
    rows = rows_of(text[dialect.start :], dialect.separator)
    lines = (line for cells, line, _ in rows if not is_left_out(cells, len(dialect.names)))
    return dialect.line + next(islice(lines, row, None))


def _typed(column: Any) -> Any:
    """Return a column of texts as integers, numbers, booleans or times if all cells are such, else as texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(column)
    cells = pc.if_else(pc.is_in(cells, value_set=pa.array(MISSING)), pa.scalar(None, pa.string()), cells)
    if cells.null_count == len(cells):
        return cells
    for kind in (pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us")):
        try:
            return pc.cast(cells, kind)
        except pa.ArrowInvalid:
            continue
    return cells
