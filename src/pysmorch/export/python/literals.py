"""Arrays and texts as Python source."""

from __future__ import annotations

from base64 import b64encode
from textwrap import indent
from typing import Any

import numpy as np

from pysmorch.layers.base import Array

FEW = 16
"""So many numbers are written one by one; more of them as the base64 of their bytes, since they would fill pages."""

LINE = 100
"""Letters of base64 in a line."""


class Reference(str):
    """A name that stands for its value, not for the text."""


def laid_out(value: Any) -> str:
    """Return what `literal` does, dictionaries and lists of them with a line for each entry.

    Parameters
    ----------
    value : object
        As for `literal`.

    Returns
    -------
    str
        Of several lines, where there are entries.
    """
    if isinstance(value, dict) and value:
        return "\n".join(["{", *(f"    {literal(key)}: {literal(one)}," for key, one in value.items()), "}"])
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "\n".join(["[", *(f"{indent(laid_out(one), '    ')}," for one in value), "]"])
    return literal(value)


def literal(value: Any) -> str:
    """Return plain data, and arrays of few numbers, as an expression; all numbers are exact.

    Parameters
    ----------
    value : object
        None, a boolean, a number, a text, a `Reference`, or a list, a tuple, a dictionary or an array of these.

    Returns
    -------
    str
        In terms of Python and of NumPy as `np`.
    """
    if isinstance(value, Reference):
        return str(value)
    if isinstance(value, np.ndarray):
        return _of_array(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(key)}: {literal(one)}' for key, one in value.items())}}}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(literal, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' if len(value) == 1 else ''})"
    if isinstance(value, float) and not np.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def _of_array(array: Array) -> str:
    if array.dtype.kind == "U":
        return f"np.array({literal(array.tolist())})"
    dtype = array.dtype.name
    if array.size <= FEW:
        numbers = f"array({literal(array.tolist())}" if array.size else f"zeros({array.shape}"
        return f"np.{numbers}, dtype=np.{'bool_' if dtype == 'bool' else dtype})"
    text = b64encode(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).decode()
    lines = "\n".join(f'    "{text[i : i + LINE]}"' for i in range(0, len(text), LINE))
    return f"unpack({array.dtype.newbyteorder('<').str!r}, {array.shape}, (\n{lines}\n))"
