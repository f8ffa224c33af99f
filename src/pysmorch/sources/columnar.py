"""Tables with types: Parquet and Arrow files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pysmorch.sources.arrow_sizes import START_OF_FILE, unpacked_size
from pysmorch.sources.columns import unlike_names
from pysmorch.sources.limits import check_memory
from pysmorch.sources.opening import File
from pysmorch.sources.parquet_sizes import check_decoded_size
from pysmorch.sources.source import Source, SourceError

BYTES_AT_ONCE, BYTES_OF_A_VALUE, MOST_ROWS_AT_ONCE = 2**25, 8, 2**20
"""So much of a Parquet file is read between two looks for signals: some hundredths of a second."""


def read_parquet(file: File) -> Source:
    """Read a table with its types."""
    from pyarrow import parquet

    with reading(file.path, "a Parquet file"):
        opened = parquet.ParquetFile(_input(file))
        check_decoded_size(opened, lambda: _input(file), file.path)
        return _source(file, read_columns(opened))


def read_arrow(file: File) -> Source:
    """Read a table of Arrow's or Feather's format."""
    import pyarrow as pa
    from pyarrow import feather

    with reading(file.path, "an Arrow file"):
        is_stream = file.head(4) == b"\xff\xff\xff\xff"
        check_memory(unpacked_size(_input(file), is_stream), file.path, file.size)
        if is_stream:
            reader = pa.ipc.open_stream(_input(file))
            return _source(file, joined(reader, reader.schema))
        if file.head(len(START_OF_FILE)) != START_OF_FILE:  # the first version of Feather
            table = feather.read_table(_input(file))
            return _source(file, joined(table.to_batches(), table.schema))
        reader = pa.ipc.open_file(_input(file))
        return _source(file, joined(map(reader.get_batch, range(reader.num_record_batches)), reader.schema))


def read_columns(opened: Any, names: Sequence[str] | None = None, use_threads: bool = True) -> Any:
    """Return columns of a Parquet file, read some rows at a time, between which signals are answered.

    Parameters
    ----------
    opened : pyarrow.parquet.ParquetFile
        The file.
    names : sequence of str, default=None
        The columns, which come in the order of the file; None for all.
    use_threads : bool, default=True
        Whether several columns are read at once.

    Returns
    -------
    pyarrow.Table
        Its positions of texts are checked.
    """
    import pyarrow as pa

    schema = opened.schema_arrow
    if names is not None:
        schema = pa.schema([field for field in schema if field.name in names], schema.metadata)
    rows = min(max(BYTES_AT_ONCE // BYTES_OF_A_VALUE // max(len(schema), 1), 1), MOST_ROWS_AT_ONCE)
    return joined(opened.iter_batches(rows, columns=names, use_threads=use_threads), schema)


def joined(batches: Iterable[Any], schema: Any) -> Any:
    """Return batches of rows as a table, of a schema where there is none; readers take positions of texts as they are, also those outside of the file."""
    import pyarrow as pa

    checked = []
    for batch in batches:
        batch.validate(full=True)
        checked.append(batch)
    return pa.Table.from_batches(checked, checked[0].schema if checked else schema)


@contextmanager
def reading(path: str, what: str) -> Iterator[None]:
    """Raise SourceError where PyArrow cannot read a file, or MemoryError.

    Parameters
    ----------
    path : str
        Of the file.
    what : str
        What it should be, such as "a Parquet file".
    """
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last for names that are no UTF-8
        reason = " ".join(str(error).split())
        if isinstance(error, MemoryError):  # sizes of a damaged file may be any
            raise MemoryError(f"{path} does not fit into the memory that is left, or is damaged: {reason}") from None
        raise SourceError(f"{path}: not {what}, or a damaged one ({reason})") from None


def joining_errors() -> tuple[type[Exception], ...]:
    """Return what PyArrow raises for columns whose types do not go together; a lack of memory is another error."""
    import pyarrow as pa

    return pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError


def _input(file: File) -> Any:
    import pyarrow as pa

    return pa.OSFile(file.path) if file.unpacked is None else pa.BufferReader(file.unpacked)


def _source(file: File, table: Any) -> Source:
    names, remarks = unlike_names(table.column_names)
    return Source(file.name, table.rename_columns(names), remarks=remarks)
