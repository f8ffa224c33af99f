"""Tables and queries of SQLite files."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from pysmorch.entries import list_names
from pysmorch.sources.columns import column_of, unlike_names
from pysmorch.sources.opening import File
from pysmorch.sources.source import Source, SourceError


def read_sqlite(file: File, what: str | None) -> Source:
    """Read a table, a view, or the result of a query; the one table there is if none is named. Nothing can be written.

    Raises SourceError when there are several tables and none is named, or when the query fails.
    """
    import pyarrow as pa

    try:
        with closing(_connect(file)) as connection:
            query = (
                what if what and re.match(r"\s*(select|with)\b", what, re.I) else _select_all(connection, file, what)
            )
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


def _connect(file: File) -> sqlite3.Connection:
    if file.unpacked is None:
        return sqlite3.connect(f"{Path(file.path).resolve().as_uri()}?mode=ro", uri=True)
    connection = sqlite3.connect(":memory:")
    connection.deserialize(file.unpacked)
    return connection


def _select_all(connection: sqlite3.Connection, file: File, table: str | None) -> str:
    listed = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
    tables = [name for (name,) in connection.execute(listed)]
    if not tables:
        raise SourceError(f"{file.path} has no tables")
    if table is None and len(tables) > 1:
        raise SourceError(
            f"{file.path} has {len(tables)} tables, {list_names(tables)}; name one, as in {file.path}::{tables[0]}, "
            "or give a query, as in " + f"'{file.path}::SELECT * FROM {tables[0]}'"
        )
    if table is not None and table not in tables:
        raise SourceError(f"{file.path} has no table {table!r}; the tables are {list_names(tables)}")
    return 'SELECT * FROM "{}"'.format((table or tables[0]).replace('"', '""'))
