"""Tables and queries of SQLite and DuckDB files."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from pysmorch.entries import list_names
from pysmorch.sources.columns import column_of, unlike_names
from pysmorch.sources.opening import File
from pysmorch.sources.source import Source, SourceError

SQLITE_TABLES = """
SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name
"""
DUCKDB_TABLES = "SELECT table_name FROM information_schema.tables ORDER BY table_name"


def read_sqlite(file: File, what: str | None) -> Source:
    """Read a table, a view, or the result of a query; the one table there is if none is named. Nothing can be written.

    Raises SourceError when there are several tables and none is named, or when the query fails.
    """
    import pyarrow as pa

    _check_size(file)
    try:
        with closing(_connect(file)) as connection:
            tables = [name for (name,) in connection.execute(SQLITE_TABLES)]
            query = _query(file.path, what, tables)
            cursor = connection.execute(query)
            given = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError) as error:
        raise SourceError(f"{file.path}: {error}") from None
    if not given:
        raise SourceError(f"{file.path}: {what!r} is no query that returns rows")
    names, remarks = unlike_names(given)
    columns = [
        column_of(
            [row[i] for row in rows],
            lambda row, name=name: f"{file.path}: column {name!r} in row {row}",  # type: ignore[misc]
        )
        for i, name in enumerate(names)
    ]
    return Source(file.name, pa.table(columns, names), remarks=remarks)


def _check_size(file: File) -> None:
    """Raise SourceError where a file is shorter than its header says: SQLite reads what is missing as zeros."""
    header = file.head(100)
    page = int.from_bytes(header[16:18], "big")
    expected = (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
    size = len(file.unpacked) if file.unpacked is not None else Path(file.path).stat().st_size
    if size < max(expected, 100):
        raise SourceError(f"{file.path}: a truncated SQLite file: {size} bytes, but its header says {expected}")


def _connect(file: File) -> sqlite3.Connection:
    if file.unpacked is None:
        return sqlite3.connect(f"{Path(file.path).resolve().as_uri()}?mode=ro", uri=True)
    connection = sqlite3.connect(":memory:")
    connection.deserialize(file.unpacked)
    return connection


def read_duckdb(file: File, what: str | None) -> Source:
    """Read a table, a view, or the result of a query, with its types, as `read_sqlite` does; DuckDB reads no other files.

    Raises SourceError when DuckDB is not installed, too.
    """
    try:
        import duckdb
    except ImportError:
        raise SourceError(f"{file.path}: DuckDB files need duckdb; pip install 'pysmorch[duckdb]'") from None
    if file.unpacked is not None:
        raise SourceError(f"{file.path}: a DuckDB file is read where it is; unpack it first")
    try:
        with duckdb.connect(file.path, read_only=True, config={"enable_external_access": "false"}) as connection:
            tables = [name for (name,) in connection.execute(DUCKDB_TABLES).fetchall()]
            table = connection.sql(_query(file.path, what, tables)).to_arrow_table()
    except duckdb.Error as error:
        raise SourceError(f"{file.path}: {' '.join(str(error).split())}") from None
    names, remarks = unlike_names(table.column_names)
    return Source(file.name, table.rename_columns(names), remarks=remarks)


def _query(path: str, what: str | None, tables: list[str]) -> str:
    """Return the query that was given, or that for the table that was named, or for the only one."""
    if what and re.match(r"\s*(select|with)\b", what, re.IGNORECASE):
        return what
    if not tables:
        raise SourceError(f"{path} has no tables")
    if what is None and len(tables) > 1:
        raise SourceError(
            f"{path} has {len(tables)} tables, {list_names(tables)}; name one, as in {path}::{tables[0]}, "
            f"or give a query, as in '{path}::SELECT * FROM {tables[0]}'"
        )
    if what is not None and what not in tables:
        raise SourceError(f"{path} has no table {what!r}; the tables are {list_names(tables)}")
    return 'SELECT * FROM "{}"'.format((what or tables[0]).replace('"', '""'))
