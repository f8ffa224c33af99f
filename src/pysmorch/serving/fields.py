"""What a model takes: a field for each column, from which the description for programs and the form for people are made."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.encoders.columns import Column
from pysmorch.encoders.dates import ISO, MONTHS
from pysmorch.encoders.numbers import Numbers
from pysmorch.encoders.table import TableEncoder
from pysmorch.encoders.values import TIMED, may_be, times_of
from pysmorch.layers.base import Array

MOST_VALUES = 255
"""So many values of a category are listed, the most frequent ones."""

CATEGORIES = ("category", "ordered category")

DIGITS, DIGITS_OF_TYPICAL = 6, 3
"""Significant digits of ranges and of usual values, which are for people."""


@dataclass(frozen=True)
class Field:
    """One column that a model takes.

    Attributes
    ----------
    name : str
        Of the column.
    holds : str
        What it held in training: "number", "integer", "boolean", "time", "duration", "time of day", "category", "ordered category"
        or "text"; empty in models of older versions, which do not say it.
    required : bool
        Whether every row must have it: a column in which cells were missing in training may be left out.
    numeric : bool
        Whether JSON has it as a number, also where it holds times.
    low, high : float or None, default=None
        The range of its numbers in training, of times in seconds.
    values : tuple of str, default=()
        The values of a category that the model knows.
    written : str, default=""
        How texts are written, where times or numbers were texts.
    typical : object, default=None
        A usual value, as in JSON.
    """

    name: str
    holds: str
    required: bool
    numeric: bool
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    written: str = ""
    typical: Any = None

    @property
    def is_category(self) -> bool:
        """Whether it has values that the model knows, or does not."""
        return self.holds in CATEGORIES

    @property
    def expected(self) -> str:
        """What a cell must be, in words."""
        if self.is_category or self.holds == "text":
            return "a text, a number, true or false"
        if self.numeric and self.holds in TIMED:
            return "a number or a text, as in training"
        if self.holds in ("number", "integer"):
            return "a number"
        if self.holds == "boolean":
            return "true or false"
        if self.holds in TIMED:
            return f"a {self.holds} as text, such as {self.typical!r}"
        return "a number, a text, true or false"

    def plain(self) -> dict[str, Any]:
        """Return the field as plain data, for the page and for programs."""
        facts: dict[str, Any] = {"name": self.name, "holds": self.holds or "unknown", "required": self.required}
        if self.low is not None and self.high is not None:
            as_text = self.holds == "time"
            low, high = (_iso(bound) if as_text else rounded(bound) for bound in (self.low, self.high))
            facts |= {"minimum": low, "maximum": high}
        if self.values:
            facts["values"] = list(self.values[:MOST_VALUES])
            facts["num_values"] = len(self.values)
        if self.written:
            facts["written"] = self.written
        return facts if self.typical is None else facts | {"typical": self.typical}


def fields_of_table(encoder: TableEncoder) -> list[Field]:
    """Return the columns of a table that play a part; those that were left out in training are not needed.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.

    Returns
    -------
    list of Field
        In the order of the training.
    """
    positions = dict((column.name, position) for column, position in encoder.number_positions)
    return [
        _field(column, encoder.numbers, positions.get(column.name))
        for column in encoder.columns
        if column.kind != "none"
    ]


def fields_of_numbers(names: Sequence[str], included: Array, numbers: Numbers) -> list[Field]:
    """Return the columns of an array, all of which a row has.

    Parameters
    ----------
    names : sequence of str
        Of the D columns.
    included : ndarray of int64, shape (K,)
        The columns that are not left out.
    numbers : Numbers
        What was learned about these.

    Returns
    -------
    list of Field
        All D of them.
    """
    known = {int(column): position for position, column in enumerate(included)}
    return [_number_field(name, "number", True, numbers, known.get(i)) for i, name in enumerate(names)]


def _number_field(
    name: str, holds: str, required: bool, numbers: Numbers, position: int | None, written: str = ""
) -> Field:
    low, high, mean = (None, None, 0.0) if position is None else _range_of(numbers, position)
    typical = round(mean) if holds == "integer" else _short(mean)
    return Field(name, holds, required, True, low, high, written=written, typical=typical)


def _field(column: Column, numbers: Numbers, position: int | None) -> Field:
    """Return the field of one column; `position` is that of its number."""
    required = not column.missing
    if position is None:
        middle = len(column.values) // 2 if column.holds == "ordered category" else 0
        typical = column.values[middle] if column.values and column.kind == "category" else ""
        values = tuple(column.values) if column.kind == "category" else ()
        holds = column.holds or column.kind
        return Field(column.name, holds, required, False, values=values, typical=typical)
    if column.holds in ("number", "integer"):
        written = column.number_format.describe()
        return _number_field(column.name, column.holds, required, numbers, position, written)
    low, high, mean = _range_of(numbers, position)
    if column.holds == "boolean":
        return Field(column.name, "boolean", required, False, typical=mean >= 0.5)
    if column.holds not in TIMED:  # files of older versions do not say what it is
        return Field(column.name, "", required, True, low, high, typical=_short(mean))
    order = (column.format or ISO) if column.holds == "time" else ""
    typical = _time_as(mean, order, "day" in column.parts) if order else _clock_as(mean)
    return Field(column.name, column.holds, required, may_be(column, ""), low, high, written=order, typical=typical)


def _range_of(numbers: Numbers, position: int) -> tuple[float | None, float | None, float]:
    """Return the range of a column in training, as far as its intervals say it, and its mean."""
    mean = float(numbers.mean[position])
    if numbers.logarithm[position]:
        mean = float(np.copysign(np.expm1(abs(mean)), mean))
    own = numbers.owner == position
    if not own.any():
        return None, None, mean
    low, high = float(numbers.low[own].min()), float(numbers.high[own].max())
    return low, high, min(max(mean, low), high)


def rounded(value: float, digits: int = DIGITS) -> float | int:
    """Return a number with some significant digits, all of them before the point; whole ones as integers."""
    short = float(f"{value:.{digits}g}") if abs(value) < 10**digits else float(round(value))
    return int(short) if short.is_integer() else short


def _short(value: float) -> float | int:
    return rounded(value, DIGITS_OF_TYPICAL)


def _iso(seconds: float) -> str:
    return str(times_of(np.array([seconds])).astype("datetime64[s]")[0])


def _time_as(seconds: float, order: str, with_clock: bool) -> str:
    """Return a time as the texts of a column are written."""
    time: datetime.datetime = times_of(np.array([seconds]))[0].astype("datetime64[s]").item()
    clock = time.strftime("%H:%M:%S")
    names = {
        "year": f"{time.year:04}",
        "yy": f"{time.year % 100:02}",
        "month": f"{time.month:02}",
        "name": MONTHS[time.month - 1].capitalize(),
        "day": f"{time.day:02}",
        "time": clock,
    }
    text = order
    for name, value in names.items():
        text = text.replace(name, value)
    if order == "day/name/year":
        return f"{text}:{clock}"
    if not with_clock or "time" in order:
        return text
    return f"{text}T{clock.replace(':', '') if order == 'yearmonthday' else clock}"


def _clock_as(seconds: float) -> str:
    """Return seconds as hours, minutes and seconds."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
