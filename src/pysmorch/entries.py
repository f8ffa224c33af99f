"""Rows, columns and entries in messages: how they are named, and the first entry of an array that is not finite."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from pysmorch.layers.base import Array

BLANKS = " \t\n\r\u00a0\u2007\u2009\u202f\u3000\u200b\u200e\u200f\ufeff"
"""What is left out around texts: also blanks without a width, which texts have that were copied or joined."""


def name_row(row: int, line_of: Callable[[int], int | str] | None = None) -> str:
    """Name a row in a message: by its index, or by its line where the rows come from the lines of a file.

    Parameters
    ----------
    row : int
        Index of the row, counted from 0.
    line_of : callable, default=None
        Returns the line of a row, counted from 1, alone or as a text with its file; None where the rows have no lines.

    Returns
    -------
    str
        "row 3", or "line 5".

    Examples
    --------
    >>> name_row(3)
    'row 3'
    >>> name_row(3, lambda row: row + 2)
    'line 5'
    """
    return f"row {row}" if line_of is None else f"line {line_of(row)}"


def name_entry(index: tuple[int, ...]) -> str:
    """Name an entry of an array in a message, by its row and its position in the row.

    Parameters
    ----------
    index : tuple of int
        Index of the entry; the first axis counts the rows.

    Returns
    -------
    str
        "row 3", "row 3, column 1", or "row 3, position (1, 2, 0)".

    Examples
    --------
    >>> name_entry((3, 1))
    'row 3, column 1'
    """
    row, *within = index
    if not within:
        return name_row(row)
    return f"{name_row(row)}, " + (f"column {within[0]}" if len(within) == 1 else f"position {tuple(within)}")


def list_names(names: Sequence[str], most: int = 20) -> str:
    """List the names of columns in a message.

    Parameters
    ----------
    names : sequence of str
        All of them.
    most : int, default=20
        How many are listed; of the others the number is said.

    Returns
    -------
    str
        Separated by commas.

    Examples
    --------
    >>> list_names(["size", "town", "age"], most=2)
    'size, town and 1 more'
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def escaped(text: str) -> str:
    r"""Return one line of text without characters that a terminal or a browser would obey, such as escape sequences.

    Parameters
    ----------
    text : str
        From a file, say.

    Returns
    -------
    str
        With these characters as Python writes them.

    Examples
    --------
    >>> print(escaped("red: \x1b[31m"))
    red: \x1b[31m
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return what is added to a message about a name that there is not: the name that was probably meant.

    Parameters
    ----------
    name : str
        What was given.
    known : iterable of str
        The names that there are.

    Returns
    -------
    str
        Empty where none is similar.

    Examples
    --------
    >>> suggest("pirce", ["price", "size"])
    "; did you mean 'price'?"
    """
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_finite(array: Array, what: str, allow_nan: bool = False) -> None:
    """Refuse an array with an infinity or a NaN.

    Parameters
    ----------
    array : ndarray
        Of any dtype; only floating-point ones are searched.
    what : str
        Name of the array in the message.
    allow_nan : bool, default=False
        Whether NaN stands for what is missing, so that only infinities are refused.

    Raises
    ------
    ValueError
        Names the first entry that is refused.
    """
    with np.errstate(all="ignore"):
        if array.dtype.kind != "f" or np.isfinite(np.sum(array)):
            return
    index = _first(np.isinf(array) if allow_nan else ~np.isfinite(array))
    if index is not None:
        raise not_finite(what, array[index], index)


def _first(wrong: Array) -> tuple[int, ...] | None:
    """Return the index of the first entry that is True, or None where there is none; a list of all could be larger than the array."""
    if not wrong.any():
        return None
    return tuple(int(i) for i in np.unravel_index(wrong.argmax(), wrong.shape))


def not_finite(what: str, value: float, index: tuple[int, ...]) -> ValueError:
    """Return the error for an entry that is not finite.

    Parameters
    ----------
    what : str
        Name of the array in the message.
    value : float
        The entry.
    index : tuple of int
        Its index.

    Returns
    -------
    ValueError
        Names the entry, and says what to do.
    """
    found = "NaN" if np.isnan(value) else "infinity" if value > 0 else "-infinity"
    return ValueError(f"{what} has {found} in {name_entry(index)}; replace or remove such values first")


def check_float32(array: Any, what: str) -> None:
    """Refuse an array with a finite number that is none in float32.

    Parameters
    ----------
    array : ndarray or LazyRows
        Of any dtype; lazy rows are made in float32.
    what : str
        Name of the array in the message.

    Raises
    ------
    ValueError
        Names the first such entry.
    """
    largest = float(np.finfo(np.float32).max)
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.dtype.itemsize <= 4 or not array.size:
        return
    if max(-float(array.min()), float(array.max())) <= largest:
        return
    index = _first(np.isfinite(array) & (np.abs(array) > largest))
    if index is not None:
        raise ValueError(
            f"{what} has {array[index]:.6g} in {name_entry(index)}, which is beyond the range of float32; scale it to "
            "about 1 first"
        )


def check_labelled(argument: str, value: Any) -> None:
    """Raise ValueError where an argument is neither None nor samples with their labels, (X, y) or (X, y, sample_weight).

    Parameters
    ----------
    argument : str
        Its name.
    value : object
        What was passed.
    """
    if value is None or (isinstance(value, (tuple, list)) and len(value) in (2, 3)):
        return
    found = f"{type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list)) else type(value).__name__
    raise ValueError(f"{argument} must be (X, y) or (X, y, sample_weight), but is a {found}")


def integer_of_json(text: str) -> int:
    """Return an integer that a JSON file has, for `parse_int` of `json.loads`.

    Parameters
    ----------
    text : str
        Its digits.

    Returns
    -------
    int
        The integer.

    Raises
    ------
    ValueError
        It has thousands of digits, more than Python converts.
    """
    try:
        return int(text)
    except ValueError:
        most = sys.get_int_max_str_digits()
        raise ValueError(f"there is a number of {len(text.lstrip('-'))} digits; at most {most} are read") from None


def finite_or_none(value: Any) -> Any:
    """Return a value for JSON, which has no NaN and no infinity.

    Parameters
    ----------
    value : object
        Also a dictionary, a list or a tuple of such values.

    Returns
    -------
    object
        With None for floats that are not finite, and lists for tuples.

    Examples
    --------
    >>> finite_or_none({"loss": [0.5, float("nan")]})
    {'loss': [0.5, None]}
    """
    if isinstance(value, dict):
        return {name: finite_or_none(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_none(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
