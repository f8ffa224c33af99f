"""Tables with types: Parquet and Arrow files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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

    with reading(file.path, "a Parquet file"):
        opened = parquet.ParquetFile(_input(file))
        check_decoded_size(opened, lambda: _input(file), file.path)
        return _source(file, opened.read())


def read_arrow(file: File) -> Source:
    """Read a table of Arrow's or Feather's format."""
    import pyarrow as pa
    from pyarrow import feather

    with reading(file.path, "an Arrow file"):
        is_stream = file.head(4) == b"\xff\xff\xff\xff"
        check_memory(unpacked_size(_input(file), is_stream), file.path, file.size)
        table = pa.ipc.open_stream(_input(file)).read_all() if is_stream else feather.read_table(_input(file))
        return _source(file, table)


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
    table.validate(full=True)  # the reader takes positions of texts as they are, also those outside of the file
    names, remarks = unlike_names(table.column_names)
    return Source(file.name, table.rename_columns(names), remarks=remarks)
