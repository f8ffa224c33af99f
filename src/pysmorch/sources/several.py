"""Several files as one table: a pattern such as part-*.csv, a list, or a folder, partitioned or not."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from pysmorch.entries import list_names
from pysmorch.sources.addresses import files_in, files_like, has_pattern, is_address, is_folder
from pysmorch.sources.columnar import joining_errors
from pysmorch.sources.folders import ENDINGS as IMAGE_ENDINGS
from pysmorch.sources.source import Source, SourceError
from pysmorch.sources.streaming import StreamedTable

TABLES = re.compile(r"\.(csv|tsv|parquet|arrow|feather|jsonl|ndjson)(\.(gz|bz2|xz|zst|zip))?$", re.IGNORECASE)
"""Files of a folder that are tables by their ending."""

WITHIN = "::"
"""Stands between a file and the sheet, table or query of it."""

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Part:
    """One of several files.

    Attributes
    ----------
    path : str
        Where it is.
    keys : dict of str to (str or None)
        What the folders called key=value say of all its rows.
    """

    path: str
    keys: dict[str, str | None]


def is_table_folder(folder: Path) -> bool:
    """Whether a folder has tables, and no images."""
    has_table = False
    for _, names in _visible(folder):
        if any(name.lower().endswith(IMAGE_ENDINGS) for name in names):
            return False
        has_table |= any(map(TABLES.search, names))
    return has_table


def parts_of_folder(folder: Path) -> list[Part]:
    """Return the tables of a folder and of the folders in it, in the order of the alphabet."""
    parts = []
    for root, names in _visible(folder):
        keys = _keys_of(Path(root).relative_to(folder).parts)
        parts += [Part(os.path.join(root, name), keys) for name in sorted(names) if TABLES.search(name)]
    return parts


def _keys_of(folders: Sequence[str]) -> dict[str, str | None]:
    """Return what the names of folders say of all rows in them, which are called key=value."""
    pairs = [name.split("=", 1) for name in folders if "=" in name]
    return {unquote(key): None if value == NO_VALUE else unquote(value) for key, value in pairs}


def parts_of_address(address: str) -> list[Part]:
    """Return the files that an address names: one, those of a folder, or those that fit a pattern."""
    if has_pattern(address):
        files = files_like(address)
        if not files:
            raise FileNotFoundError(f"{address}: no file fits this pattern")
        return [Part(file, {}) for file in files]
    if not is_folder(address):
        return [Part(address, {})]
    parts = []
    for file in files_in(address):
        *folders, name = file.removeprefix(f"{address.rstrip('/')}/").split("/")
        if TABLES.search(name) and not any(part[0] in "._" for part in (*folders, name)):
            parts.append(Part(file, _keys_of(folders)))
    if not parts:
        raise SourceError(f"{address}: there are no tables in this folder")
    return parts


def _visible(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Go through the folders and their files; names that begin with a dot or an underscore are notes of programs."""

    def refuse(error: OSError) -> None:
        raise error

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if name[0] not in "._")
        yield root, [name for name in names if name[0] not in "._"]


def parts_of_pattern(pattern: str) -> list[Part]:
    """Return the files that fit a pattern of a shell, in the order of the alphabet."""
    paths = sorted(path for path in glob.glob(pattern, recursive=True) if not os.path.isdir(path))
    if not paths:
        raise FileNotFoundError(f"{pattern}: no file fits this pattern")
    return [Part(path, {}) for path in paths]


def is_pattern(source: str) -> bool:
    """Whether a source has letters of a pattern, and is neither a file itself nor a part of one (FILE::QUERY)."""
    return glob.has_magic(source) and WITHIN not in source and not os.path.exists(source) and not is_address(source)


def read_parts(name: str, parts: Sequence[Part], read_one: Callable[[str], Source]) -> Source:
    """Read files with the same columns as one table, in their order.

    Raises SourceError when one is no table, or has other columns than the first.
    """
    import pyarrow as pa

    sources = [read_one(part.path) for part in parts]
    for part, source in zip(parts, sources, strict=True):
        _check_columns(parts[0], sources[0], part, source)
    keys = list(
        dict.fromkeys(key for part in parts for key in part.keys if key not in sources[0].features.column_names)
    )
    written = all(source.line_of is not None for source in sources)
    tables = [source.features.select(sources[0].features.column_names) for source in sources]
    ends = np.cumsum([table.num_rows for table in tables])
    for key in keys:
        values = [part.keys.get(key) for part in parts]
        kind = pa.string() if written or not all(map(_is_integer, values)) else pa.int64()
        for i, value in enumerate(values):
            one = None if value is None else int(value) if kind == pa.int64() else value
            tables[i] = _with_key(tables[i], key, one, kind)

    def line_of(row: int) -> str:
        part = int(np.searchsorted(ends, row, side="right"))
        find = sources[part].line_of
        within = row - int(ends[part]) + tables[part].num_rows
        return f"{within} of {parts[part].path}" if find is None else f"{find(within)} of {parts[part].path}"

    return Source(name, _joined(parts, tables), remarks=_remarks(parts, sources), line_of=line_of if written else None)


def _with_key(table: Any, key: str, value: str | int | None, kind: Any) -> Any:
    import pyarrow as pa

    if isinstance(table, StreamedTable):
        return table.with_constant(key, value, kind)
    return table.append_column(key, pa.array([value] * table.num_rows, kind))


def _is_integer(value: str | None) -> bool:
    return value is None or re.fullmatch(r"0|-?[1-9]\d{0,17}", value) is not None


def _check_columns(first_part: Part, first: Source, part: Part, source: Source) -> None:
    names, expected = source.column_names, first.column_names
    if names is None or expected is None:
        raise SourceError(f"{part.path} is an array; of several files only tables are read as one")
    more, fewer = [n for n in names if n not in set(expected)], [n for n in expected if n not in set(names)]
    if more or fewer:
        said = [f"lacks {list_names(fewer, 5)}"] * bool(fewer) + [f"has also {list_names(more, 5)}"] * bool(more)
        raise SourceError(f"{part.path} has other columns than {first_part.path}: it {' and '.join(said)}")


def _joined(parts: Sequence[Part], tables: Sequence[Any]) -> Any:
    """Return all rows; a column gets the type that holds the values of all."""
    import pyarrow as pa

    streamed = isinstance(tables[0], StreamedTable)
    present = [table.schema.empty_table() for table in tables] if streamed else tables
    try:
        joined = pa.concat_tables(present, promote_options="permissive")
        return StreamedTable.joined(tables, joined.schema) if streamed else joined
    except joining_errors():
        pass
    for part, table in zip(parts, present, strict=True):
        for name in table.column_names:
            kind, expected = table.schema.field(name).type, tables[0].schema.field(name).type
            try:
                pa.concat_tables([present[0].select([name]), table.select([name])], promote_options="permissive")
            except joining_errors():
                raise SourceError(
                    f"{part.path}: column {name!r} has type {kind}, but {expected} in {parts[0].path}; make them alike"
                ) from None
    raise SourceError(f"{parts[0].path} and the other files have columns of types that do not go together")


def _remarks(parts: Sequence[Part], sources: Sequence[Source]) -> list[str]:
    """Return what is said of the files, once where it is the same."""
    of: dict[str, list[str]] = {}
    for part, source in zip(parts, sources, strict=True):
        for remark in source.remarks:
            of.setdefault(remark, []).append(part.path)
    return [f"{remark} (in {list_names(paths, 2)})" for remark, paths in of.items()]
