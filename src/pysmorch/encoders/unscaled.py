"""Rows as their columns are, neither scaled nor with indicators: for models that take categories and missing values as such."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np

from pysmorch.encoders.array import ArrayEncoder
from pysmorch.encoders.base import Encoder
from pysmorch.encoders.categories import indices_of
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
