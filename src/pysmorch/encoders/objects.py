"""Python objects, as cells of data frames and of arrays have them, as PyArrow arrays."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from pysmorch.encoders.formats import EXACT
from pysmorch.layers.base import Array

NO_NUMBERS = (str, bytes, datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
"""Cells that an array of numbers does not hold."""

NAMES_OF_MISSING = ("NAType", "NaTType")
"""Types of what stands for a missing value in pandas, which need not be installed."""


def is_beyond_numbers(cells: Iterable[Any]) -> bool:
    """Whether there are texts, times or the NA of pandas among objects, or integers that float64 does not hold."""
    return any(
        isinstance(cell, NO_NUMBERS)
        or type(cell).__name__ in NAMES_OF_MISSING
        or (isinstance(cell, (int, np.integer)) and abs(int(cell)) > EXACT)
        for cell in cells
    )


def arrow_of_array(column: Array) -> Any:
    """Return a column of an array of NumPy as a PyArrow array.

    Parameters
    ----------
    column : ndarray of shape (N,)
        Of any dtype; what is masked is missing.

    Returns
    -------
    pyarrow.Array
        Of one of the types of PyArrow for such values.
    """
    import pyarrow as pa

    kind = column.dtype.kind
    if kind == "O":
        return arrow_of_objects(column.tolist())
    if kind in "mM" and np.datetime_data(column.dtype)[0] not in ("s", "ms", "us", "ns"):
        column = column.astype(f"{kind}8[s]")  # PyArrow has no hours, and no days that pass
    return pa.array(column.tolist() if kind == "T" else column)


def arrow_of_objects(cells: list[Any]) -> Any:
    """Return Python objects as a PyArrow array: numbers, times and so on where all are such, else text.

    Parameters
    ----------
    cells : list
        Missing ones are None, NaN, `pandas.NA` or NaT.

    Returns
    -------
    pyarrow.Array
        Mixed objects as their texts; integers that no type holds as their digits.
    """
    import pyarrow as pa

    cells = [None if is_missing(cell) else cell for cell in cells]
    known = [cell for cell in cells if cell is not None]
    if all(isinstance(cell, (bool, np.bool_)) for cell in known):
        return pa.array([None if cell is None else bool(cell) for cell in cells], pa.bool_() if known else pa.string())
    if all(isinstance(cell, (datetime.date, np.datetime64)) for cell in known):
        return pa.array([None if cell is None else _as_utc(cell) for cell in cells], pa.timestamp("us"))
    if all(isinstance(cell, (datetime.timedelta, np.timedelta64)) for cell in known):
        durations = [np.timedelta64("NaT", "us") if cell is None else np.timedelta64(cell, "us") for cell in cells]
        return pa.array(np.array(durations, dtype="timedelta64[us]"), pa.duration("us"))
    if all(isinstance(cell, (Real, Decimal)) for cell in known):  # also durations of NumPy, which come before
        return _arrow_of_numbers(cells)
    if all(isinstance(cell, datetime.time) for cell in known):
        return pa.array(cells, pa.time64("us"))
    return pa.array([as_text(cell) for cell in cells], pa.string())


def _arrow_of_numbers(cells: list[Any]) -> Any:
    import pyarrow as pa

    whole = all(cell is None or isinstance(cell, (int, np.integer)) or _is_whole_decimal(cell) for cell in cells)
    if not whole:
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    integers = [None if cell is None else int(cell) for cell in cells]
    try:
        return pa.array(integers, pa.int64())
    except (OverflowError, pa.ArrowException):
        return pa.array([as_text(cell) for cell in integers], pa.string())


def _is_whole_decimal(cell: Any) -> bool:
    return isinstance(cell, Decimal) and cell.is_finite() and cell == cell.to_integral_value()


def _as_utc(cell: Any) -> Any:
    if isinstance(cell, np.datetime64):
        return cell.astype("datetime64[us]").item()
    if not isinstance(cell, datetime.datetime):
        return datetime.datetime(cell.year, cell.month, cell.day)
    return cell if cell.tzinfo is None else cell.astimezone(datetime.UTC).replace(tzinfo=None)


def is_missing(cell: Any) -> bool:
    """Whether an object stands for a missing value in some library: None, NaN, `pandas.NA` or NaT."""
    if cell is None or type(cell).__name__ in NAMES_OF_MISSING:
        return True
    if isinstance(cell, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(cell))
    return isinstance(cell, (float, np.floating, Decimal)) and bool(cell != cell)


def as_text(cell: Any) -> str | None:
    """Return an object as text, bytes by their letters; None for what is missing."""
    if is_missing(cell):
        return None
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
