"""The numbers of an example as text: what went in, what was expected and what was found, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.attempt import as_numbers
from pysmorch.teach.exercises import Problem
from pysmorch.teach.grade_report import clean

SHOWN_ROWS, SHOWN_COLUMNS = 8, 6
"""So much of a matrix is shown in an example."""


def example(p: Problem, what: str, expected: Array, found: Any) -> str:
    """Show the numbers that went in, what was expected and what was found, side by side."""
    arrays = [("x", p.x), ("W", p.W), ("labels", p.labels), ("dwnstrm", None if what == "output" else p.dwnstrm)]
    blocks = [_block(name, array) for name, array in arrays if array is not None]
    numbers = as_numbers(found)
    differ = numbers is None or numbers.shape != expected.shape
    name = {"output": "", "G": " G", "pass_back": ""}[what]
    blocks += [_block(f"expected{name}", expected, differ), _block(f"found{name}", found, differ)]
    height = max(map(len, blocks))
    lines = []
    for i in range(height):
        cells = [block[i] if i < len(block) else "" for block in blocks]
        lines.append("    ".join(c.ljust(max(map(len, b))) for c, b in zip(cells, blocks, strict=True)).rstrip())
    return "\n".join(lines)


def _block(title: str, value: Any, with_shape: bool = False) -> list[str]:
    """Write an array as lines below its title; one of more than two axes with its shape."""
    array = as_numbers(value)
    if array is None:
        return [title, _text_of(value)]
    rows = np.squeeze(array) if array.ndim > 2 else array
    rows = rows.reshape(int(np.prod(rows.shape[:-1])), rows.shape[-1]) if rows.ndim > 2 else np.atleast_2d(rows)
    cells = [[_number(v) for v in row[:SHOWN_COLUMNS]] for row in rows[:SHOWN_ROWS]]
    widths = [max(len(row[c]) for row in cells) for c in range(len(cells[0]))] if cells else []
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    if rows.shape[1] > SHOWN_COLUMNS:
        lines = [f"{line}  ..." for line in lines]
    if len(rows) > SHOWN_ROWS:
        lines.append("...")
    shape = f" {array.shape}" if with_shape or array.ndim > 2 else ""
    return [f"{title}{shape}", *lines]


def _number(value: float) -> str:
    return f"{value + 0.0:.4g}"


def _text_of(value: Any) -> str:
    try:
        text = " ".join(clean(repr(value)).split())
    except Exception:  # an object of the student's may not even have a text
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]} ..."
