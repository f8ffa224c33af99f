"""CSV files that are larger than the memory: read once, piece by piece, into a Parquet file of their cells as they are written."""

from __future__ import annotations

import bisect
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.sources.dialect import Dialect, find_dialect
from pysmorch.sources.opening import open_unpacked
from pysmorch.sources.parquet_sizes import ROWS_OF_A_BATCH, fitting_rows
from pysmorch.sources.rows import check_quotes, quotes_are_regular, rows_of, without_blanks_around_quotes
from pysmorch.sources.source import Source, SourceError
from pysmorch.sources.streaming import Stored, StreamedTable
from pysmorch.sources.tables import like_header, line_of, names_of, parse, tells_header
from pysmorch.sources.temporary import temporary_file
from pysmorch.sources.text import check_text, count_lines, find_encoding, recoded

BYTES_OF_A_PIECE = 2**24

LONG_ROW = 2**26
"""From so many bytes of a row on it is checked whether that is a quote that is never closed."""


class Piece(NamedTuple):
    """Whole rows of a text in UTF-8, how they are written, and how many lines are before them in the file."""

    text: bytes
    dialect: Dialect
    lines_before: int


def stream_csv(path: str, header: bool, encoding: str | None, missing: Sequence[str]) -> Source:
    """Return a CSV file as a table whose cells are in a temporary Parquet file; they are those that `read_csv` returns."""
    import pyarrow as pa
    from pyarrow import parquet

    file = temporary_file(os.path.getsize(path), path)
    comments: list[str] = []
    starts: list[int] = []
    repeated: list[Any] = []
    line_again = num_rows = 0
    rows_of_batches = ROWS_OF_A_BATCH
    writer: Any = None
    for text, dialect, lines_before in pieces_of(path, header, encoding):
        check_quotes(path, text, dialect.separator, lines_before)
        table, left_out = parse(path, text, dialect, missing)
        again = like_header(table, dialect.names) if header else np.zeros(0, np.int64)
        if len(again) and not line_again:
            line_again = line_of(text, dialect, int(again[0]))
        comments += left_out
        repeated.append(num_rows + again)
        if writer is None:
            first, writer = dialect, parquet.ParquetWriter(file, table.schema)
            values = np.zeros(table.num_columns, np.int64)
        writer.write_table(table)
        rows_of_batches = fitting_rows(table.nbytes, table.num_rows, rows_of_batches)
        starts.append(num_rows)
        num_rows += table.num_rows
        values += [len(column) - column.null_count for column in table.columns]
    writer.close()
    groups = parquet.ParquetFile(file).metadata.num_row_groups
    cells = Stored(path, file, num_rows, {}, rows_of_batches=[rows_of_batches] * groups)
    others = _without_header_again(cells, first, np.concatenate(repeated))
    num_again = 0 if others is None else num_rows - len(others)
    names, remarks = names_of(first, values.tolist() if num_rows else None, comments, num_again, line_again)
    stored = replace(cells, names={name: str(i) for i, name in enumerate(names)})

    def find_line(row: int) -> int:
        row = row if others is None else int(others[row])
        piece = bisect.bisect_right(starts, row) - 1
        text, dialect, _ = next(p for i, p in enumerate(pieces_of(path, header, encoding)) if i == piece)
        return line_of(text, dialect, row - starts[piece])

    schema = pa.schema([(name, pa.string()) for name in names])
    return Source(os.path.basename(path), StreamedTable([stored], schema, others), remarks=remarks, line_of=find_line)


def _without_header_again(file: Stored, dialect: Dialect, again: Array) -> Array | None:
    """Return the rows of a file without those that repeat the header, where a column of the whole file tells so; else None."""
    import pyarrow as pa

    if not len(again):
        return None
    others = np.delete(np.arange(file.num_rows), again)
    for i, name in enumerate(dialect.names):
        column = replace(file, names={name: str(i)})
        rest = StreamedTable([column], pa.schema([(name, pa.string())]), others)
        if tells_header(name, (block[name] for _, block in rest.blocks())):
            return others
    return None


def pieces_of(path: str, header: bool, encoding: str | None) -> Iterator[Piece]:
    """Go through the rows of a CSV file, some megabytes at a time."""
    dialect: Dialect | None = None
    lines_before = 0
    rest = b""
    for chunk in _chunks_of(path, encoding):
        text = rest + chunk
        if dialect is None:
            dialect = find_dialect(text, header)
            if not dialect.names:
                raise SourceError(f"{path}: there are only empty lines and comments")
        text = without_blanks_around_quotes(text, dialect.separator)
        end = _end_of_rows(text, dialect.separator)
        rest = text[end:]
        if not end and len(text) > LONG_ROW:
            check_quotes(path, text, dialect.separator, lines_before)
        if end:
            piece = _piece(path, text[:end], dialect, header, lines_before)
            yield piece
            lines_before += count_lines(piece.text)
    if rest and dialect is not None:
        # PyArrow takes an empty cell at the very end for a quoted one if the cell before it is quoted.
        yield _piece(path, rest + b"\n", dialect, header, lines_before)


def _piece(path: str, text: bytes, dialect: Dialect, header: bool, lines_before: int) -> Piece:
    check_text(path, text, lines_before)
    if lines_before == 0:
        return Piece(text, find_dialect(text, header), 0)
    return Piece(text, Dialect(dialect.separator, dialect.names, 0, lines_before, []), lines_before)


def _chunks_of(path: str, encoding: str | None) -> Iterator[bytes]:
    """Go through the bytes of a file in UTF-8, unpacked and without a byte order mark."""
    stream, packed = open_unpacked(path)
    try:
        with stream:
            start = stream.read(BYTES_OF_A_PIECE)
            chunks = _and_rest(start, stream)
            found, mark = find_encoding(start, encoding)
            if found != "utf-8":
                yield from recoded(path, chunks, found, encoding is None)
                return
            yield next(chunks).removeprefix(mark)
            yield from chunks
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        if not packed:
            raise
        raise SourceError(f"{path}: damaged or truncated packed file ({' '.join(str(error).split())})") from None


def _and_rest(start: bytes, stream: Any) -> Iterator[bytes]:
    while start:
        yield start
        start = stream.read(BYTES_OF_A_PIECE)


def _end_of_rows(text: bytes, separator: str) -> int:
    """Return the offset after the last whole row of a text that may end within one; 0 where there is no whole row."""
    letters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(letters == ord("\n")) if b"\n" in text else np.flatnonzero(letters[:-1] == ord("\r"))
    if b'"' not in text:
        return int(ends[-1]) + 1 if len(ends) else 0
    # Line ends within quoted cells come after an odd number of quotes.
    outside = ends[np.searchsorted(np.flatnonzero(letters == ord('"')), ends) % 2 == 0]
    end = int(outside[-1]) + 1 if len(outside) else 0
    if end and quotes_are_regular(text[:end], separator):
        return end
    whole = [row.end for row in rows_of(text, separator)]
    return whole[-2] if len(whole) > 1 else 0
