"""Rows as their columns are, neither scaled nor with indicators: for models that take categories and missing values as such."""

from __future__ import annotations

from functools import singledispatch
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from pysmorch.encoders.array import ArrayEncoder
from pysmorch.encoders.base import Encoder
from pysmorch.encoders.categories import codes_of, indices_of
from pysmorch.encoders.cells import Cells
from pysmorch.encoders.columns import OWN_INDICATORS
from pysmorch.encoders.sparse import SparseRows
from pysmorch.encoders.table import TableEncoder
from pysmorch.encoders.values import text_values
from pysmorch.layers.base import Array


def has_columns(encoder: Encoder) -> bool:
    """Whether a row consists of columns, and not of pixels.

    Parameters
    ----------
    encoder : Encoder
        Fitted.

    Returns
    -------
    bool
        Whether `unscaled` takes its rows.
    """
    return isinstance(encoder, TableEncoder) or (isinstance(encoder, ArrayEncoder) and not encoder.pixels)


@singledispatch
def unscaled(encoder: Encoder, rows: Any) -> tuple[Array, Array]:
    """Return rows as the columns are.

    Parameters
    ----------
    encoder : Encoder
        Fitted, of a kind that has columns.
    rows : object
        Rows from its `check`.

    Returns
    -------
    values : ndarray of float64, shape (N, C)
        Numbers, the index of each category, of which the rare ones share the last, and the indicators of texts; NaN for what is missing.
    categorical : ndarray of bool, shape (C,)
        Which of them are categories.
    """
    raise NotImplementedError(f"rows of {encoder.what} have no columns")


@unscaled.register
def _of_array(encoder: ArrayEncoder, rows: Any) -> tuple[Array, Array]:
    included = encoder.included
    some = rows.of_columns(included).toarray() if isinstance(rows, SparseRows) else rows[:, included]
    return _or_one_feature(some.astype(np.float64), np.zeros(len(included), dtype=bool))


@unscaled.register
def _of_table(encoder: TableEncoder, rows: Cells) -> tuple[Array, Array]:
    numbers, marks = encoder.compact(rows)
    parts, categorical = [numbers], [np.zeros(numbers.shape[1], dtype=bool)]
    first = 0
    for column in encoder.columns:
        if column.kind == "category":
            indices = indices_of(column, text_values(column, rows, encoder.missing))[:, None]
            parts.append(np.where(indices < 0, np.nan, np.minimum(indices, OWN_INDICATORS - 1)))
            categorical.append(np.array([column.holds != "ordered category"]))
        elif column.kind == "text":
            parts.append(marks[:, first : first + column.num_indicators].astype(np.float64))
            categorical.append(np.zeros(column.num_indicators, dtype=bool))
        first += column.num_indicators * (column.kind in ("category", "text"))
    return _or_one_feature(np.concatenate(parts, axis=1), np.concatenate(categorical))


def _or_one_feature(values: Array, categorical: Array) -> tuple[Array, Array]:
    """Return the columns of rows; those of which nothing is left have one, which is 0."""
    return (values, categorical) if values.shape[1] else (np.zeros((len(values), 1)), np.zeros(1, dtype=bool))


class NamedColumn(NamedTuple):
    """A column of numbers or categories.

    Attributes
    ----------
    name : str
        Its name, or its index in an array.
    values : ndarray of float64, shape (N,)
        Numbers, or the indices of categories; NaN for what is missing, and for categories that came only once.
    holds : str
        What it holds, as in `Column`; "number" in an array.
    is_category : bool
        Whether it is one of categories.
    """

    name: str
    values: Array
    holds: str
    is_category: bool


def named_columns(encoder: Encoder, rows: Any) -> list[NamedColumn]:
    """Return the columns of rows that are not left out; texts aside.

    Parameters
    ----------
    encoder : Encoder
        Fitted, of a kind that has columns.
    rows : object
        Rows from its `check`.

    Returns
    -------
    list of NamedColumn
        In the order of the columns.
    """
    if not isinstance(encoder, TableEncoder):
        values, _ = unscaled(encoder, rows)
        included = getattr(encoder, "included", np.zeros(0)).tolist()
        return [NamedColumn(str(i), values[:, at], "number", False) for at, i in enumerate(included)]
    numbers = encoder.read_numbers(rows)
    positions = {column.name: position for column, position in encoder.number_positions}
    columns = []
    for column in encoder.columns:
        if column.kind == "number":
            columns.append(NamedColumn(column.name, numbers[:, positions[column.name]], column.holds, False))
        elif column.kind == "category":
            indices = indices_of(column, text_values(column, rows, encoder.missing))
            columns.append(NamedColumn(column.name, np.where(indices < 0, np.nan, indices), column.holds, True))
    return columns


def fingerprints(encoder: Encoder, rows: Any, labels: Array) -> Array:
    """Return a number for each row that is the same for rows with the same cells and the same label.

    Parameters
    ----------
    encoder : Encoder
        Fitted, of a kind that has columns.
    rows : object
        Rows from its `check`.
    labels : ndarray of shape (N,) or (N, K)
        Their labels.

    Returns
    -------
    ndarray of uint64, shape (N,)
        Other rows have the same by chance once in 2^64 pairs.
    """
    columns = [column.values for column in named_columns(encoder, rows) if not column.is_category]
    if isinstance(encoder, TableEncoder):
        for column in encoder.columns:
            if column.kind in ("category", "text"):
                codes, values = codes_of(text_values(column, rows, encoder.missing))
                of_values = [int.from_bytes(blake2b(value.encode(), digest_size=6).digest()) for value in values]
                columns.append(np.array([*of_values, np.nan])[codes])
    mixed = np.zeros(len(labels), dtype=np.uint64)
    for values in [*columns, *labels.reshape(len(labels), -1).T]:
        cells = np.where(np.isnan(values), np.nan, values + 0.0).astype(np.float64)  # one NaN, and no -0
        mixed = (mixed ^ cells.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)  # the golden ratio: Knuth, section 6.4
        mixed ^= mixed >> np.uint64(32)
    return mixed
