"""Numbers, texts and names as C source; nothing that comes from a user can be more than that."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np

from pysmorch.layers.base import Array

LINE = 110
"""Letters of a line of numbers."""

LONGEST_TEXT = 4095
"""Bytes of a text that every compiler of C99 takes."""

LONGEST_NAME = 31
"""Letters of a name that every compiler of C99 tells apart."""

PLAIN = re.compile(rb"[A-Za-z0-9 _.,:;()\[\]{}<>=+\-#$@!&'|~^/]")
"""Bytes that a text has as they are; others may begin an escape, a trigraph, or the end of a comment."""


def text(value: str) -> str:
    """Return a text as a string literal of ASCII letters, of UTF-8.

    Parameters
    ----------
    value : str
        Any.

    Returns
    -------
    str
        With its quotes. It may stand in a comment, too.
    """
    encoded = value.encode("utf-8", "surrogatepass")
    letters = [chr(byte) if PLAIN.match(bytes([byte])) else f"\\{byte:03o}" for byte in encoded]
    return f'"{"".join(letters)}"'


def refuse_text(what: str, value: str) -> None:
    """Raise ValueError for a text that C cannot hold.

    Parameters
    ----------
    what : str
        What it is, for the message.
    value : str
        The text.
    """
    if "\0" in value:
        raise ValueError(
            f"the model cannot be written as C: {what} has the character of code 0, which ends a text there"
        )
    size = len(value.encode("utf-8", "surrogatepass"))
    if size > LONGEST_TEXT:
        raise ValueError(
            f"the model cannot be written as C: {what} has {size:,} bytes, but compilers need to take {LONGEST_TEXT:,} only"
        )


def comment(value: str) -> str:
    """Return a text for a comment, in quotes, with letters of all languages as they are.

    Parameters
    ----------
    value : str
        Any.

    Returns
    -------
    str
        What could end the comment is escaped.
    """
    return '"' + "".join(one if one.isalnum() else text(one)[1:-1] for one in value) + '"'


def name(value: str) -> str:
    """Return a text as a part of a C name: ASCII letters, digits and underscores; empty where nothing is left.

    Parameters
    ----------
    value : str
        Any.

    Returns
    -------
    str
        At most `LONGEST_NAME` letters.
    """
    ascii_letters = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    return re.sub(r"\W+", "_", ascii_letters)[:LONGEST_NAME].strip("_")


def number(value: Any) -> str:
    """Return a number of a dtype of NumPy as an exact literal.

    Parameters
    ----------
    value : numpy scalar
        float32, float64, an integer, or a boolean.

    Returns
    -------
    str
        Floating-point numbers are hexadecimal.
    """
    if value.dtype.kind != "f":
        return str(int(value))
    if not np.isfinite(value):
        return "NAN" if np.isnan(value) else "-INFINITY" if value < 0 else "INFINITY"
    digits = re.sub(r"\.?0*p", "p", float(value).hex())
    return f"{digits}f" if value.dtype == np.float32 else digits


def array(kind: str, label: str, values: Array) -> str:
    """Return the definition of an array of numbers.

    Parameters
    ----------
    kind : str
        The type of its entries in C.
    label : str
        Its name.
    values : ndarray
        At least one number; the axes are left out.

    Returns
    -------
    str
        Lines of C.
    """
    return _definition(kind, label, [number(value) for value in np.ravel(values)])


def texts(label: str, values: Iterable[str]) -> str:
    """Return the definition of an array of texts.

    Parameters
    ----------
    label : str
        Its name.
    values : iterable of str
        At least one text.

    Returns
    -------
    str
        Lines of C.
    """
    return _definition("char *const", label, [text(value) for value in values])


def _definition(kind: str, label: str, literals: list[str]) -> str:
    """Return an array as lines that are not long."""
    lines, line = [], "   "
    for one in literals:
        if len(line) + len(one) > LINE:
            lines.append(line)
            line = "   "
        line += f" {one},"
    return "\n".join([f"static const {kind} {label}[{len(literals)}] = {{", *lines, f"{line[:-1]}", "};"])
