"""Numbers as they are written: in which countries' format a column of text holds them, and their values.

A column of text is one of numbers only if nothing is lost by that: leading zeros, integers above 2^53 and hexadecimal digits
are codes, and signs of several currencies in one column are told apart.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from pysmorch.layers.base import Array

MARKERS = (
    *(
        "NA",
        "N/A",
        "n/a",
        "na",
        "#N/A",
        "#NA",
        "<NA>",
        "NaN",
        "nan",
        "-nan",
        "NaT",
        "null",
        "NULL",
        "Null",
        "None",
        "none",
    ),
    *("?", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""What stands for a missing value in columns of numbers, booleans and times; in columns of text these are values."""

EXACT, EXACT_DIGITS, INEXACT_DIGITS = 2**53, 15, 18
"""From here on float64 does not hold every integer; it holds those of so many letters, and those of as many as the last are larger."""

BLANKS = " \t\n\r\u00a0\u2007\u2009\u202f\u3000\u200b\u200e\u200f\ufeff"
"""Also those without a width, which texts have that were copied or joined."""

PLAIN = r"^[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
INTEGER = r"^[+-]?(0|[1-9][0-9]*)$"
INFINITE = r"(?i)^[+-]?inf(inity)?$"
LEADING_ZEROS = r"^[+-]?0[0-9]+$"
CURRENCY = r"(?:R|A|C|US|HK|NZ|S|Mex)?\p{Sc}|EUR|USD|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|AUD|CAD|BRL|kr|zł|Kč|руб[.]?|Fr[.]|Rs[.]?|Rp"
_UNIT = r"(?<=[0-9.,\s])(?:[^\W\d_]|[°²³‰/])+$"
_GAP = r"[\s\x{a0}\x{2009}\x{202f}]*"
_PARTS = (
    rf"^(?P<sign>[-+]?){_GAP}(?P<before>{CURRENCY})?{_GAP}(?P<second>[-+]?)"
    rf"(?P<body>[0-9.,](?:[0-9.,'’_\s\x{{a0}}\x{{2009}}\x{{202f}}]*[0-9.,])?)(?P<exponent>(?:[eE][+-]?[0-9]+)?)"
    rf"{_GAP}(?P<after>%|{CURRENCY})?$"
)


class NumberFormat(NamedTuple):
    """How the numbers of a column are written.

    Attributes
    ----------
    decimal : str
        "." or ",".
    thousands : str
        What separates groups of three digits; empty for nothing.
    unit : str
        "%", the sign of a currency, another unit such as "kg", or empty.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether numbers are written as in programs, such as -1.5e3."""
        return self == NumberFormat()

    @property
    def body(self) -> str:
        """What matches the digits of a number without sign, unit and exponent."""
        point = "[.]" if self.decimal == "." else ","
        whole = "(?:0|[1-9][0-9]*)"
        if self.thousands:
            groups = rf"[1-9][0-9]{{0,2}}(?:[{_group(self.thousands)}][0-9]{{3}})+"
            groups += "|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}" if self.thousands == "," else ""  # as in India
            whole = rf"(?:0|{groups}|[1-9][0-9]{{0,2}})"
        return rf"^(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)$"

    def describe(self) -> str:
        """Return in words how they are written; empty for plain numbers."""
        names = {",": "commas", ".": "points", " ": "blanks", "'": "apostrophes", "_": "underscores"}
        said = [f"in {self.unit}"] if self.unit else []
        said += ["decimal comma"] if self.decimal == "," else []
        said += [f"thousands separated by {names[self.thousands]}"] if self.thousands else []
        return ", ".join(said)


_CANDIDATES = tuple(
    NumberFormat(decimal, thousands)
    for decimal, thousands in (
        (".", ""),
        (".", ","),
        (",", "."),
        (",", ""),
        (".", " "),
        (",", " "),
        (".", "'"),
        (",", "'"),
        (".", "_"),
    )
)


def _group(thousands: str) -> str:
    return {" ": r" \x{a0}\x{2009}\x{202f}", "'": "'’"}.get(thousands, thousands)


def without_blanks(cells: Any) -> Any:
    """Return an array of strings without blanks around them; what is empty then is null.

    Parameters
    ----------
    cells : pyarrow.Array of string
        Any length.

    Returns
    -------
    pyarrow.Array of string
        As long.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim(cells, BLANKS)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def without_markers(cells: Any, markers: tuple[str, ...]) -> Any:
    """Return an array of strings in which those that stand for a missing value are null.

    Parameters
    ----------
    cells : pyarrow.Array of string
        Any length.
    markers : tuple of str
        What stands for a missing value.

    Returns
    -------
    pyarrow.Array of string
        As long.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not markers:
        return cells
    return pc.if_else(pc.is_in(cells, value_set=_array_of(markers)), pa.scalar(None, pa.string()), cells)


@cache
def _array_of(markers: tuple[str, ...]) -> Any:
    import pyarrow as pa

    return pa.array(markers)


def all_match(values: Any, pattern: str) -> bool:
    """Whether all strings of an array match a regular expression; nulls are left out."""
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())


def any_match(values: Any, pattern: str) -> bool:
    """Whether a string of an array matches a regular expression; nulls are left out."""
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


def loses_digits(values: Any) -> bool:
    """Whether integers among strings are so large that float64 does not hold them exactly.

    Parameters
    ----------
    values : pyarrow.Array of string
        Plain numbers.

    Returns
    -------
    bool
        Only integers count: further decimals of a measurement are rounded.
    """
    import pyarrow.compute as pc

    long = values.filter(pc.greater(pc.utf8_length(values), EXACT_DIGITS))
    integers = long.filter(pc.match_substring_regex(long, INTEGER)).to_pylist()
    return any(
        len(text) >= INEXACT_DIGITS or abs(int(text)) > EXACT for text in integers
    )  # Python refuses very long ones


def find_number_format(values: Any) -> NumberFormat | None:
    """Return the format in which strings are numbers without anything being lost.

    Parameters
    ----------
    values : pyarrow.Array of string
        Distinct values of a column, without nulls.

    Returns
    -------
    NumberFormat or None
        None where they are no numbers, or are codes.
    """
    import pyarrow.compute as pc

    if not any(character.isdigit() for character in values[0].as_py()):
        return None
    if all_match(values, PLAIN) or all_match(values, rf"{PLAIN}|{INFINITE}"):
        return None if loses_digits(values) else NumberFormat()
    parts = pc.extract_regex(_with_minus(values), _PARTS)
    if parts.null_count:
        return None
    units = pc.binary_join_element_wise(parts.field("before"), parts.field("after"), "")
    body = parts.field("body")
    used = [unit for unit in pc.unique(units).to_pylist() if unit]
    if len(used) > 1:
        return None
    if used == ["%"] and not pc.all(pc.or_(pc.equal(units, "%"), pc.equal(body, "0"))).as_py():
        return None
    for candidate in _CANDIDATES:
        if all_match(body, candidate.body):
            found = candidate._replace(unit=used[0] if used else "")
            plain = _digits(body, found)
            return None if loses_digits(plain) else found
    return None


def find_unit_format(values: Any) -> NumberFormat | None:
    """Return the format in which strings are numbers that are all followed by the same unit, such as 12 kg or 3.5 km/h.

    Parameters
    ----------
    values : pyarrow.Array of string
        Distinct values of a column, without nulls.

    Returns
    -------
    NumberFormat or None
        None where they are no such numbers.
    """
    import pyarrow.compute as pc

    unit = re.search(_UNIT, values[0].as_py())
    if unit is None or not pc.all(pc.ends_with(values, unit[0])).as_py():
        return None
    found = find_number_format(_without_unit(values, unit[0]))
    return None if found is None or found.unit else found._replace(unit=unit[0])


def _without_unit(cells: Any, unit: str) -> Any:
    import pyarrow.compute as pc

    return pc.replace_substring_regex(cells, rf"([0-9.,]){_GAP}{re.escape(unit)}$", r"\1")


def is_ambiguous(values: Any, found: NumberFormat) -> bool:
    """Whether numbers could be meant in another way: 1,234 is 1234 or 1.234.

    Parameters
    ----------
    values : pyarrow.Array of string
        Distinct values of a column.
    found : NumberFormat
        Of these.

    Returns
    -------
    bool
        True where no number has both separators, or one of them twice.
    """
    if found.thousands not in (",", "."):
        return False
    separator = "[.]" if found.thousands == "." else ","
    return all_match(values, rf"^[^.,]*(?:{separator}[0-9]{{3}})?[^.,0-9]*$")


def parse_numbers(cells: Any, written: NumberFormat) -> tuple[Array, Array]:
    """Return strings as numbers.

    Parameters
    ----------
    cells : pyarrow.Array of string
        Null where they are missing.
    written : NumberFormat
        How they are written.

    Returns
    -------
    values : ndarray of float64
        NaN for what is missing or no number.
    wrong : ndarray of int
        Rows that are neither.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = cells
    if not written.is_plain:
        bare = _without_unit(cells, written.unit) if written.unit not in ("", "%") else cells
        parts = pc.extract_regex(_with_minus(bare), _PARTS)
        units = pc.binary_join_element_wise(parts.field("before"), parts.field("after"), "")
        body = parts.field("body")
        fits = pc.and_(
            pc.match_substring_regex(body, written.body), pc.or_(pc.equal(units, written.unit), pc.equal(units, ""))
        )
        fits = pc.and_(pc.is_valid(parts), fits)
        sign = pc.binary_join_element_wise(parts.field("sign"), parts.field("second"), "")
        number = pc.binary_join_element_wise(sign, _digits(body, written), parts.field("exponent"), "")
        texts = pc.if_else(fits, number, pa.scalar("", pa.string()))
    values = floats_of(texts)
    wrong = np.flatnonzero(np.isnan(values) & cells.is_valid().to_numpy(zero_copy_only=False))
    return values / 100 if written.unit == "%" else values, wrong


def floats_of(texts: Any) -> Array:
    """Return an array of strings that are plain numbers as float64, with NaN for those that are none and for nulls."""
    import pyarrow as pa

    try:
        return np.asarray(texts.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    except pa.ArrowInvalid:
        return np.array([_as_float(text) for text in _with_minus(texts).to_pylist()])


def _as_float(text: str | None) -> float:
    try:
        return np.nan if text is None else float(text.replace("_", "x"))
    except ValueError:
        return np.nan


def _digits(body: Any, written: NumberFormat) -> Any:
    import pyarrow.compute as pc

    if written.thousands:
        body = pc.replace_substring_regex(body, f"[{_group(written.thousands)}]", "")
    return pc.replace_substring(body, ",", ".") if written.decimal == "," else body


def _with_minus(values: Any) -> Any:
    """Return texts with a minus of ASCII, also for the parentheses of accounts: (1,200) is -1200."""
    import pyarrow.compute as pc

    return pc.replace_substring(pc.replace_substring_regex(values, r"^(\p{Sc}?)\((.*)\)$", r"-\1\2"), "\u2212", "-")
