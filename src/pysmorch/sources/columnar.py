"""Tables with types: Parquet and Arrow files."""

from __future__ import annotations

from typing import Any

from pysmorch.sources.arrow_sizes import unpacked_size
from pysmorch.sources.columns import unlike_names
from pysmorch.sources.limits import check_memory
from pysmorch.sources.opening import File
from pysmorch.sources.parquet_sizes import check_decoded_size
from pysmorch.sources.source import Source, SourceError


def read_parquet(file: File) -> Source:
    """Read a table with its types."""
    from pyarrow import parquet

    try:
        opened = parquet.ParquetFile(_input(file))
        check_decoded_size(opened, lambda: _input(file), file.path)
        return _source(file, opened.read())
    except reading_errors() as error:
        raise _damaged(file, "a Parquet file", error) from None


def read_arrow(file: File) -> Source:
    """Read a table of Arrow's or Feather's format."""
    import pyarrow as pa
    from pyarrow import feather

    try:
        is_stream = file.head(4) == b"\xff\xff\xff\xff"
        check_memory(unpacked_size(_input(file), is_stream), file.path, file.size)
        table = pa.ipc.open_stream(_input(file)).read_all() if is_stream else feather.read_table(_input(file))
        return _source(file, table)
    except reading_errors() as error:
        raise _damaged(file, "an Arrow file", error) from None


def reading_errors() -> tuple[type[Exception], ...]:
    """Return what PyArrow raises for a file that it cannot read; names that are no UTF-8 are Python's own error."""
    import pyarrow as pa

    return pa.ArrowException, OSError, UnicodeDecodeError


def _input(file: File) -> Any:
    import pyarrow as pa

    return pa.OSFile(file.path) if file.unpacked is None else pa.BufferReader(file.unpacked)


def _source(file: File, table: Any) -> Source:
    table.validate(full=True)  # the reader takes positions of texts as they are, also those outside of the file
    names, remarks = unlike_names(table.column_names)
    return Source(file.name, table.rename_columns(names), remarks=remarks)


def _damaged(file: File, what: str, error: Exception) -> SourceError:
    return SourceError(f"{file.path}: not {what}, or a damaged one ({' '.join(str(error).split())})")
