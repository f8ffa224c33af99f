"""What is known about columns before they are learned: what users say, and the other rows of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from pysmorch.encoders.columns import CHOICES
from pysmorch.encoders.dates import find_time_format
from pysmorch.encoders.formats import find_number_format, is_ambiguous
from pysmorch.encoders.spool import sample_of
from pysmorch.entries import list_names, suggest
from pysmorch.sources.streaming import StreamedTable

WRITTEN = " written "
"""What stands between "number" or "time" and a sample that shows how they are written, as in "time written 31/12/2024"."""

_ALL_ROWS: ContextVar[Mapping[str, Any] | StreamedTable] = ContextVar(
    "columns of all rows of a file", default=MappingProxyType({})
)


@contextmanager
def kinds_from(features: Any) -> Iterator[None]:
    """Let a `fit` within decide from all rows of a file how the texts of a column are read, not only from those it trains on.

    Without it, a single text among numbers makes a column a category or an error, as the rows are split.

    Parameters
    ----------
    features : pyarrow.Table or ndarray
        All rows of a source; of an array nothing is decided.
    """
    if isinstance(features, StreamedTable):
        token = _ALL_ROWS.set(sample_of(features))
    else:
        names = getattr(features, "column_names", [])
        token = _ALL_ROWS.set(dict(zip(names, features.columns, strict=True)) if names else {})
    try:
        yield
    finally:
        _ALL_ROWS.reset(token)


def texts_of_all(name: str, array: Any) -> Any:
    """Return the column in all rows of the file, where a file is read and has it as texts, else in those of the training.

    Parameters
    ----------
    name : str
        Its name.
    array : pyarrow.Array of string
        The column in the rows of the training.

    Returns
    -------
    pyarrow.Array of string
        Of any length.
    """
    import pyarrow as pa

    column = _ALL_ROWS.get().get(name)
    return column.combine_chunks() if column is not None and pa.types.is_string(column.type) else array


def texts_of_file() -> Any:
    """Return the columns of texts from which a `fit` decides here, as a table: from it `kinds_from` lets another process decide the same.

    Returns
    -------
    pyarrow.Table
        Without columns where a fit decides from its own rows.
    """
    import pyarrow as pa

    rows: Any = _ALL_ROWS.get()
    columns = {name: rows.get(name) for name in (rows.column_names if isinstance(rows, StreamedTable) else rows)}
    return pa.table({name: cells for name, cells in columns.items() if pa.types.is_string(cells.type)})


def check_choices(columns: Mapping[str, str], names: list[str]) -> None:
    """Refuse what a user says about columns where there is no such column, or no such kind.

    Parameters
    ----------
    columns : dict of str to str
        What each column holds.
    names : list of str
        The columns that there are.

    Raises
    ------
    ValueError
        Says which there are.
    """
    for name, choice in columns.items():
        if name not in names:
            hint = suggest(str(name), names) or f"; the columns are {list_names(names)}"
            raise ValueError(f"columns: there is no column {name!r}{hint}")
        held, _, sample = str(choice).partition(WRITTEN)
        if held not in CHOICES:
            raise ValueError(f"columns: {name!r} must be one of {', '.join(CHOICES)}, but is {choice!r}")
        if sample and (held not in ("number", "time") or format_of(held, sample) is None):
            raise ValueError(
                f"columns: {name!r} is {choice!r}, but {sample!r} is no {held} that can be read in one way only"
            )


def format_of(held: str, sample: str) -> str | None:
    """Return the format of a number or time from a sample; None where it is none, or could be read in two ways.

    Parameters
    ----------
    held : str
        "number" or "time".
    sample : str
        A number or time as the column has them.

    Returns
    -------
    str or None
        As in `Column.format`.
    """
    import pyarrow as pa

    values = pa.array([sample])
    if held == "time":
        order, ambiguous = find_time_format(values)
        return None if ambiguous else order
    written = find_number_format(values)
    return None if written is None or is_ambiguous(values, written) else "|".join(written)
