"""Tables that are larger than the memory: they stay in Parquet or Arrow files, of which some columns or some rows are read at a time."""

from __future__ import annotations

import lzma
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np

from pysmorch.engine.rows import index_dtype
from pysmorch.layers.base import Array
from pysmorch.sources.addresses import is_address, open_address
from pysmorch.sources.arrow_sizes import largest_batch
from pysmorch.sources.columnar import joined, joining_errors, read_columns, reading
from pysmorch.sources.columns import unlike_names
from pysmorch.sources.kinds import kind_of_file
from pysmorch.sources.limits import memory_limit
from pysmorch.sources.opening import File, open_unpacked
from pysmorch.sources.parquet_sizes import BUFFER, ROWS_OF_A_BATCH, check_decoded_size, rows_of_batches
from pysmorch.sources.source import Source, SourceError

ENTRIES_OF_A_BLOCK = 2**20
"""The most entries of the table in a block."""

COPIES = 5
"""How often the numbers of a table are in memory while a model is trained on all of it: as read, and as float64."""

COPIES_OF_TEXT = 6
"""The same for the bytes of a CSV file."""

UNPACKED = 8
"""How many bytes one of a packed file is taken to become."""


@dataclass(frozen=True)
class Stored:
    """A Parquet file that holds rows of a table.

    Attributes
    ----------
    path : str
        What messages call it.
    file : str or binary file
        From which it is read.
    num_rows : int
        How many rows it has.
    names : dict of str to str
        The name in the file of each column of the table.
    constants : dict of str to (str, int or None)
        Columns that have the same value in all rows, and are not in the file.
    rows_of_batches : sequence of int
        Of how many rows a batch of each row group may be at most.
    """

    path: str
    file: Any
    num_rows: int
    names: dict[str, str]
    constants: dict[str, Any] = field(default_factory=dict)
    rows_of_batches: Sequence[int] = ()

    def open(self) -> Any:
        """Return the open file; SourceError where it cannot be read."""
        from pyarrow import parquet

        with self._reading():
            return parquet.ParquetFile(self.file, buffer_size=BUFFER, pre_buffer=False)

    def read(self, names: Sequence[str]) -> Any:
        """Return columns as a table of this file's types, without the constant ones."""
        columns = [self.names[name] for name in names if name in self.names]
        with self._reading():
            opened = self.open()
            check_decoded_size(opened, lambda: self.file, self.path, columns)
            return read_columns(opened, columns, use_threads=False)

    def batches(self, names: Sequence[str], size: int) -> Iterator[Any]:
        """Go through the rows, so many at a time, as tables like those of `read`."""
        import pyarrow as pa

        columns = [self.names[name] for name in names if name in self.names]
        with self._reading():
            opened = self.open()
            _check_unchanged(self, opened.metadata.num_rows)
            sizes = [min(size, rows) for rows in self.rows_of_batches]
            for most, groups in groupby(range(len(sizes)), lambda i: sizes[i]):
                for batch in opened.iter_batches(most, list(groups), columns, use_threads=False):
                    batch.validate(full=True)
                    yield pa.Table.from_batches([batch])

    def _reading(self) -> AbstractContextManager[None]:
        return reading(self.path, "a Parquet file")


@dataclass(frozen=True)
class StoredArrow(Stored):
    """An Arrow file that holds rows of a table."""

    def open(self, names: Sequence[str] = ()) -> Any:
        """Return a reader of some columns of the table; SourceError where the file cannot be read."""
        import pyarrow as pa

        with self._reading():
            opened = self._opened()
            stored = pa.ipc.open_file(opened).schema.names
            fields = [stored.index(self.names[name]) for name in names if name in self.names]
            opened.seek(0)
            return pa.ipc.open_file(opened, options=pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False))

    def _opened(self) -> Any:
        """Return the file; its batches are copied into memory, where whoever cuts it off does no harm, unless one is too large."""
        import pyarrow as pa

        file = pa.OSFile(self.file)
        if largest_batch(file) <= memory_limit() // COPIES:
            return file
        return pa.memory_map(self.file)

    def read(self, names: Sequence[str]) -> Any:
        """Return columns as a table of this file's types, without the constant ones."""
        with self._reading():
            reader = self.open(names)
            return joined(map(reader.get_batch, range(reader.num_record_batches)), reader.schema)

    def batches(self, names: Sequence[str], size: int) -> Iterator[Any]:
        """Go through the rows, so many at a time, as tables like those of `read`."""
        import pyarrow as pa

        reader = self.open(names)
        with self._reading():
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                for start in range(0, batch.num_rows, size):
                    yield pa.Table.from_batches([batch.slice(start, size)])

    def _reading(self) -> AbstractContextManager[None]:
        return reading(self.path, "an Arrow file")


class StreamedTable:
    """A table in files, of which some columns or some rows are read at a time; it has what is used of a `pyarrow.Table`.

    Parameters
    ----------
    files : sequence of Stored
        Where its rows are.
    schema : pyarrow.Schema
        Names and types of its columns, which hold those of all files.
    rows : ndarray of int or None, default=None
        Which of the rows of the files it has, in increasing order; None for all.
    """

    def __init__(self, files: Sequence[Stored], schema: Any, rows: Array | None = None) -> None:
        self.files = tuple(files)
        self.schema = schema
        self.rows = rows
        self.num_rows = sum(file.num_rows for file in files) if rows is None else len(rows)

    @classmethod
    def joined(cls, tables: Sequence[StreamedTable], schema: Any) -> StreamedTable:
        """Return all rows of tables that have the columns of a schema."""
        return cls([file for table in tables for file in table.files], schema)

    def __len__(self) -> int:
        return self.num_rows

    @property
    def column_names(self) -> list[str]:
        """The names of the columns."""
        return list(self.schema.names)

    @property
    def num_columns(self) -> int:
        """How many columns there are."""
        return len(self.schema.names)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.num_rows, self.num_columns

    def __getitem__(self, name: str) -> Any:
        return self.columns([name])[name]

    def get(self, name: str) -> Any:
        """Return a column; None where there is none of that name."""
        return self[name] if name in self.schema.names else None

    def take(self, rows: Array) -> StreamedTable:
        """Return some rows, which are not read yet; their indices are in increasing order."""
        rows = rows.astype(index_dtype(len(self)), copy=False)
        return StreamedTable(self.files, self.schema, rows if self.rows is None else self.rows[rows])

    def select(self, names: Sequence[str]) -> StreamedTable:
        """Return the table with some columns, in the order of their names."""
        import pyarrow as pa

        return StreamedTable(self.files, pa.schema([self.schema.field(name) for name in names]), self.rows)

    def drop_columns(self, names: Sequence[str]) -> StreamedTable:
        """Return the table without some columns."""
        dropped = set(names)
        return self.select([name for name in self.column_names if name not in dropped])

    def rename_columns(self, names: Sequence[str]) -> StreamedTable:
        """Return the table with other names of its columns."""
        import pyarrow as pa

        of = dict(zip(self.column_names, names, strict=True))
        files = [
            replace(
                file,
                names={of[old]: stored for old, stored in file.names.items() if old in of},
                constants={of[old]: value for old, value in file.constants.items() if old in of},
            )
            for file in self.files
        ]
        schema = pa.schema([self.schema.field(old).with_name(new) for old, new in of.items()])
        return StreamedTable(files, schema, self.rows)

    def with_constant(self, name: str, value: Any, kind: Any) -> StreamedTable:
        """Return the table with one more column of one value."""
        import pyarrow as pa

        files = [replace(file, constants=file.constants | {name: value}) for file in self.files]
        return StreamedTable(files, self.schema.append(pa.field(name, kind)), self.rows)

    def columns(self, names: Sequence[str]) -> Any:
        """Return some columns as a `pyarrow.Table` in memory."""
        import pyarrow as pa

        if self.rows is not None:
            blocks = [block for _, block in self.select(names).blocks()]
            return pa.concat_tables(blocks) if blocks else self.select(names).schema.empty_table()
        schema = pa.schema([self.schema.field(name) for name in names])
        return pa.concat_tables(
            [self._as_told(file, _of_all_rows(file, names), file.num_rows, schema) for file in self.files]
        )

    def blocks(self) -> Iterator[tuple[int, Any]]:
        """Go through all rows in order: the index of the first row of a block, and the block as a `pyarrow.Table`."""
        import pyarrow as pa

        size = rows_of_a_block(self.num_columns)
        first = done = 0
        for file in self.files:
            found = 0
            for batch in file.batches(self.column_names, size):
                found += batch.num_rows
                block = self._as_told(file, batch, batch.num_rows, self.schema)
                if self.rows is not None:
                    # One of another dtype would make a copy of all.
                    end = int(np.searchsorted(self.rows, self.rows.dtype.type(first + len(block))))
                    block, first = block.take(pa.array(self.rows[done:end] - first)), first + len(block)
                if len(block):
                    yield done, block
                    done += len(block)
            _check_unchanged(file, found)

    def _as_told(self, file: Stored, table: Any, count: int, schema: Any) -> Any:
        """Return what was read of a file with the names and types of a schema, which are those of some columns."""
        import pyarrow as pa

        arrays = [
            table.column(file.names[name])
            if name in file.names
            else pa.chunked_array([pa.repeat(pa.scalar(file.constants[name], schema.field(name).type), count)])
            for name in schema.names
        ]
        told = pa.table(arrays, names=schema.names)
        if told.schema.types == schema.types:
            return told
        try:
            return pa.concat_tables([schema.empty_table(), told], promote_options="permissive")
        except joining_errors() as error:
            reason = " ".join(str(error).split())
            raise SourceError(
                f"{file.path}: its columns have other types than those of the files beside it ({reason})"
            ) from None


def _of_all_rows(file: Stored, names: Sequence[str]) -> Any:
    table = file.read(names)
    _check_unchanged(file, table.num_rows if table.num_columns else file.num_rows)
    return table


def _check_unchanged(file: Stored, found: int) -> None:
    """Refuse a file that has another number of rows than when it was read first."""
    if found != file.num_rows:
        raise SourceError(f"{file.path} had {file.num_rows} rows when it was read first, and now has {found}")


def stream_parquet(path: str) -> Source:
    """Return a Parquet file as a table that stays where it is; of its texts only the sizes are found out.

    SourceError where a row takes more memory than reading may take.
    """
    where = open_address(path) if is_address(path) else path
    file = Stored(path, where, 0, {}).open()
    with reading(path, "a Parquet file"):
        rows = rows_of_batches(file, lambda: where, path)
    return _streamed(Stored(path, where, file.metadata.num_rows, {}, rows_of_batches=rows), file.schema_arrow)


def stream_arrow(path: str) -> Source:
    """Return an Arrow file as a table that stays where it is."""
    num_rows, schema = _rows_and_schema(path)
    return _streamed(StoredArrow(path, path, num_rows, {}), schema)


def _rows_and_schema(path: str) -> tuple[int, Any]:
    """Return how many rows an Arrow file has, of which one column is looked at, and its schema."""
    schema = StoredArrow(path, path, 0, {}).open().schema
    some = schema.names[:1]
    batches = StoredArrow(path, path, 0, dict(zip(some, some, strict=True))).batches(some, ROWS_OF_A_BATCH)
    return sum(batch.num_rows for batch in batches), schema


def _streamed(file: Stored, schema: Any) -> Source:
    path, stored = file.path, list(schema.names)
    names, remarks = unlike_names(stored)
    if remarks:
        raise SourceError(
            f"{path}: {remarks[0].split(';')[0]}; a table that is read block by block needs different names"
        )
    rows = replace(file, names=dict(zip(names, stored, strict=True)))
    return Source(os.path.basename(path), StreamedTable([rows], schema.remove_metadata()))


def is_parquet(path: str) -> bool:
    """Whether a file is a Parquet file that can be read where it is."""
    with open_address(path) if is_address(path) else open(path, "rb") as stream:
        return bool(stream.read(4) == b"PAR1")


def is_arrow(path: str) -> bool:
    """Whether a file is an Arrow file that can be read where it is, which a stream of batches, or one elsewhere, cannot."""
    if is_address(path):
        return False
    with open(path, "rb") as stream:
        return stream.read(6) == b"ARROW1"


def memory_needed(path: str) -> int | None:
    """Return about how many bytes it takes to train on a file in memory; None for those that cannot be read block by block."""
    remote = is_address(path)
    if not os.path.isfile(path) and not remote:
        return None
    if is_parquet(path):
        metadata = Stored(path, open_address(path) if remote else path, 0, {}).open().metadata
        written = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        return COPIES * max(written, 8 * metadata.num_rows * metadata.num_columns)
    if remote:
        return None
    if is_arrow(path):
        num_rows, schema = _rows_and_schema(path)
        return COPIES * max(os.path.getsize(path), 8 * num_rows * len(schema.names))
    try:
        stream, packed = open_unpacked(path)
        with stream:
            start = stream.read(1024)
        kind = kind_of_file(File(path, start if packed else None, False))
    except (SourceError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return None  # whoever reads it says what is wrong
    return COPIES_OF_TEXT * os.path.getsize(path) * (UNPACKED if packed else 1) if kind == "csv" and start else None


def rows_of_a_block(entries: int) -> int:
    """Return how many rows with so many entries each a block has."""
    return min(ROWS_OF_A_BATCH, max(1, ENTRIES_OF_A_BLOCK // max(1, entries)))


class RowBuffer:
    """Rows of some blocks of a table, in one piece of memory: many small ones would lie between the blocks, whose memory no
    other ones could use then.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of the blocks.
    """

    def __init__(self, schema: Any) -> None:
        import pyarrow as pa

        self._bytes = pa.BufferOutputStream()
        self._writer = pa.ipc.new_stream(self._bytes, schema)

    def append(self, rows: Any) -> None:
        """Copy the rows of a `pyarrow.Table`."""
        self._writer.write_table(rows)

    def table(self) -> Any:
        """Return all rows as a `pyarrow.Table`; none can be appended then."""
        import pyarrow as pa

        self._writer.close()
        return pa.ipc.open_stream(self._bytes.getvalue()).read_all()
