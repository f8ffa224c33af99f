"""The values of a column by what the training found it to hold, whatever type they come with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pysmorch.encoders.cells import Cells
from pysmorch.encoders.columns import CHOSEN, Column
from pysmorch.encoders.dates import ISO, parse_durations, parse_times
from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.formats import MARKERS, NumberFormat, parse_numbers, without_blanks, without_markers
from pysmorch.encoders.plain import numbers_of
from pysmorch.layers.base import Array

BOOLEANS = (
    *(("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("off", "on")),
    *(("nein", "ja"), ("falsch", "wahr"), ("non", "oui"), ("faux", "vrai"), ("no", "sí"), ("no", "si")),
    *(("falso", "verdadero"), ("não", "sim"), ("нет", "да"), ("否", "是"), ("いいえ", "はい")),
)
"""Words for false and true, in any case."""

WORDS = {word: float(i) for pair in BOOLEANS for i, word in enumerate(pair)}
"""What they stand for."""

TIMED = ("time", "time of day", "duration")
"""What columns of numbers hold that is no number in other libraries."""


def is_boolean(values: Any) -> bool:
    """Whether strings are the two words of one of `BOOLEANS`."""
    return {text.lower() for text in values.slice(0, 20).to_pylist()} in [set(pair) for pair in BOOLEANS] and len(
        values
    ) < 20


def number_values(column: Column, array: Any, missing: tuple[str, ...] | None) -> tuple[Array, Array]:
    """Return the cells of a column of numbers as float64: times are seconds since 1970 in UTC, durations seconds.

    Parameters
    ----------
    column : Column
        Of kind "number".
    array : pyarrow.Array
        From `Cells.arrow`.
    missing : tuple of str or None
        What stands for missing values; None for `MARKERS`.

    Returns
    -------
    values : ndarray of float64
        NaN for what is missing.
    wrong : ndarray of int
        Rows whose cells cannot be read.
    """
    import pyarrow as pa

    nothing = np.zeros(0, dtype=np.int64)
    kind = array.type
    if pa.types.is_string(kind):
        cells = without_markers(without_blanks(array), MARKERS if missing is None else missing)
        return _parsed(column, cells)
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        values = numbers_of(array.cast(pa.int64())) / 1e6
    else:
        values = _seconds(array) if pa.types.is_duration(kind) else numbers_of(array)
    held = {"timestamp": "time", "time64": "time of day", "duration": "duration"}.get(str(kind).split("[")[0], "")
    return values, nothing if may_be(column, held) else np.flatnonzero(~np.isnan(values))


def may_be(column: Column, held: str) -> bool:
    """Whether typed cells may be those of a column of numbers: numbers are no times, and durations no numbers.

    Parameters
    ----------
    column : Column
        Of kind "number".
    held : str
        What the cells are, of `TIMED`; empty for numbers and booleans.

    Returns
    -------
    bool
        True where a user said what the column holds, and in files of older versions, which do not say it.
    """
    as_learned = held == (column.holds if column.holds in TIMED else "")
    return as_learned or not column.holds or column.why.startswith(CHOSEN)


def refuse_cells(column: Column, wrong: Array, cell: Callable[[int], Any]) -> None:
    """Raise ColumnError where there are rows whose cells are not what the column holds.

    Parameters
    ----------
    column : Column
        Of kind "number".
    wrong : ndarray of int
        Indices of these rows.
    cell : callable
        Returns the cell of a row, for the message.
    """
    if len(wrong):
        row = int(wrong[0])
        held = {"time": "times", "duration": "durations", "time of day": "times of day", "boolean": "booleans"}
        found = f"held {held.get(column.holds, 'numbers')} in training"
        written = f" written {column.format.replace('|', ' ').strip()}" if column.format else ""
        raise ColumnError(column.name, f"{found}{written}, but {{row}} has {cell(row)!r}", row)


def refuse_numbers(columns: Sequence[tuple[Column, int]], block: Array) -> None:
    """Raise ColumnError where numbers come instead of times, durations or times of day.

    Parameters
    ----------
    columns : sequence of (Column, int)
        Columns that come as plain numbers and may not, with their indices in the block.
    block : ndarray of float64, shape (N, P)
        With NaN for what is missing.
    """
    for column, position in columns:
        refuse_cells(column, np.flatnonzero(~np.isnan(block[:, position])), block[:, position].item)


def _parsed(column: Column, cells: Any) -> tuple[Array, Array]:
    if column.holds == "time":
        times, wrong = parse_times(cells, column.format or ISO)
        return seconds_of(times), wrong
    if column.holds in ("duration", "time of day"):
        return parse_durations(cells)
    if column.holds == "boolean":
        return _parse_booleans(cells)
    numbers = parse_numbers(cells, column.number_format)
    if column.holds or not len(numbers[1]):
        return numbers
    # In files of older versions nothing says what the numbers were.
    times, wrong = parse_times(cells, ISO)
    others = (_parse_booleans(cells), (seconds_of(times), wrong))
    return next((other for other in others if not len(other[1])), numbers)


def _parse_booleans(cells: Any) -> tuple[Array, Array]:
    import pyarrow.compute as pc

    encoded = pc.utf8_lower(cells).dictionary_encode()
    texts = encoded.dictionary
    values = np.array([WORDS.get(text, np.nan) for text in texts.to_pylist()] + [np.nan])
    numbers = parse_numbers(texts, NumberFormat())[0]
    values[:-1] = np.where(np.isnan(values[:-1]), numbers, values[:-1])
    found = values[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return found, np.flatnonzero(np.isnan(found) & cells.is_valid().to_numpy(zero_copy_only=False))


def _seconds(array: Any) -> Array:
    """Return durations as seconds: the same for each unit they are stored in."""
    import pyarrow as pa

    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[array.type.unit]
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    counts = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    whole, rest = np.divmod(counts, max(per_second // 10**6, 1))
    seconds = whole / min(per_second, 10**6) + rest / 1e9
    return np.where(valid, seconds, np.nan)


def seconds_of(times: Array) -> Array:
    """Return times as seconds since 1970, with NaN for NaT."""
    return np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)


def times_of(seconds: Array) -> Array:
    """Return seconds since 1970 as datetime64[us], with NaT for NaN."""
    micros = np.where(np.isnan(seconds), 0.0, np.rint(seconds * 1e6)).astype(np.int64).astype("datetime64[us]")
    return np.where(np.isnan(seconds), np.datetime64("NaT", "us"), micros)


def text_values(column: Column, rows: Cells, missing: tuple[str, ...] | None) -> Any:
    """Return the cells of a category or text as strings, with null for what is missing.

    Parameters
    ----------
    column : Column
        Of kind "category" or "text".
    rows : Cells
        Rows with this column.
    missing : tuple of str or None
        What stands for missing values; None for nothing but empty cells.

    Returns
    -------
    pyarrow.Array of string
        As long.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = rows.arrow(column.name)
    if not pa.types.is_string(cells.type):
        return rows.texts(column.name)
    if column.holds:
        return without_markers(rows.texts(column.name), missing or ())
    # Files of older versions: markers were missing in CSV files and values in data frames.
    marked = pc.is_in(pc.utf8_trim_whitespace(cells), value_set=pa.array(["", *MARKERS]))
    known = pc.is_in(cells, value_set=pa.array(column.values, pa.string()))
    return pc.if_else(pc.and_(marked, pc.invert(known)), pa.scalar(None, pa.string()), cells)
