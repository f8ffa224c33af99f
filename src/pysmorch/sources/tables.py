"""Tables: CSV and Parquet files."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from pysmorch.sources.source import Source, SourceError


def read_csv(path: Path, header: bool) -> Source:
    """Read a table; the separator and the kinds of the columns are found out."""
    import pyarrow as pa
    from pyarrow import csv

    bad_rows: list[Any] = []

    def collect(row: Any) -> str:
        bad_rows.append(row)
        return "error"

    delimiter = _sniff(path)
    try:
        names = _column_names(path, header, delimiter)
        table = csv.read_csv(
            path,
            csv.ReadOptions(column_names=names, skip_rows=int(header), use_threads=False),
            csv.ParseOptions(delimiter=delimiter, invalid_row_handler=collect),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        if bad_rows:
            row = bad_rows[0]
            line = f"line {row.number}" if row.number else f"the line {row.text[:60]!r}"
            raise SourceError(
                f"{path}: {line} has {row.actual_columns} columns, expected {row.expected_columns}"
            ) from None
        raise SourceError(f"{path}: {_csv_problem(error)}") from None
    if table.num_rows == 0:
        raise SourceError(f"{path}: there are no rows below the header")
    return Source(path.name, table, line_of=lambda row: _line_of(path, delimiter, row + int(header)))


def _line_of(path: Path, delimiter: str, row: int) -> int:
    """Return the line in which a row ends, counting the header as row 0 where there is one; empty lines are no rows."""
    import csv

    with _open_text(path) as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        rows = (reader.line_num for cells in reader if cells)
        return next(islice(rows, row, None))


def _column_names(path: Path, header: bool, delimiter: str) -> list[str]:
    import csv

    with _open_text(path) as file:
        first = next(csv.reader(file, delimiter=delimiter, skipinitialspace=True), [])
    names = [name.strip() for name in first] if header else [str(i) for i in range(len(first))]
    for name in names:
        if names.count(name) > 1:
            raise SourceError(
                f"{path}, line 1: two columns are called {name!r}; is there a header? (--no-header if not)"
            )
    return names


@contextmanager
def _open_text(path: Path) -> Iterator[Any]:
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        raw: Any = gzip.GzipFile(fileobj=file) if packed else file
        yield io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")


def _sniff(path: Path) -> str:
    """Return the separator that splits the first lines into most columns, the same number in each."""
    with _open_text(path) as file:
        lines = [line for line in file.read(65536).splitlines()[:20] if line.strip()]
    lines = lines[:-1] if len(lines) > 2 else lines

    def columns(separator: str) -> int:
        counts = {line.count(separator) for line in lines}
        return counts.pop() if len(counts) == 1 else 0

    best = max(",;\t|", key=columns)
    if columns(best):
        return best
    # Quoted cells and ragged rows make counts differ; the first line then says most.
    return max(",;\t|", key=lambda separator: lines[0].count(separator)) if lines else ","


def _csv_problem(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "UTF8" in text or "utf8" in text.lower():
        return "the text is not UTF-8; convert the file first (for example with iconv)"
    return text.removeprefix("CSV parse error: ")


def read_parquet(path: Path) -> Source:
    """Read a table with its types."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: not a Parquet file, or a damaged one ({' '.join(str(error).split())})") from None
    if table.num_rows == 0:
        raise SourceError(f"{path}: the table has no rows")
    if len(set(table.column_names)) < table.num_columns:
        raise SourceError(f"{path}: two columns have the same name")
    return Source(path.name, table)
