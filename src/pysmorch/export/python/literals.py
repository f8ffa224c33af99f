"""Arrays and texts as Python source."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np

from pysmorch.layers.base import Array

FEW = 16
"""So many numbers are written one by one; more of them as the base64 of their bytes, since they would fill pages."""

LINE = 100
"""Letters of base64 in a line."""


def literal(value: Any) -> str:
    """Return plain data, and arrays of few numbers, as an expression; all numbers are exact.

    Parameters
    ----------
    value : object
        None, a boolean, a number, a text, or a list, a tuple, a dictionary or an array of these.

    Returns
    -------
    str
        In terms of Python and of NumPy as `np`.
    """
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
        numbers = literal(array.tolist()).replace('float("inf")', "np.inf").replace('float("-inf")', "-np.inf")
        empty = f", shape={array.shape}" if array.size == 0 else ""
        return (
            f"np.zeros({array.shape}, dtype=np.{dtype})" if empty else f"np.array({numbers}, dtype=np.{_name(dtype)})"
        )
    text = b64encode(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).decode()
    lines = "\n".join(f'    "{text[i : i + LINE]}"' for i in range(0, len(text), LINE))
    return f"unpack({array.dtype.newbyteorder('<').str!r}, {array.shape}, (\n{lines}\n))"


def _name(dtype: str) -> str:
    return "bool_" if dtype == "bool" else dtype
