"""Columns beside the features: weights, times and groups of rows, of any library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pysmorch.encoders.cells import Cells, as_table, is_table
from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.objects import arrow_of_array, arrow_of_objects
from pysmorch.encoders.schema import learn_column
from pysmorch.encoders.values import number_values
from pysmorch.layers.base import Array

TIMES = ("number", "time", "time of day")
"""What orders rows in time, of the choices of `columns`."""


def column_of(values: Any, argument: str) -> Any:
    """Return one value for each row as an array of PyArrow.

    Parameters
    ----------
    values : array-like
        Of NumPy, pandas, Polars or PyArrow, or a list.
    argument : str
        What it was passed as.

    Returns
    -------
    pyarrow.Array
        Null where a value is missing.

    Raises
    ------
    ValueError
        There are several columns.
    """
    if isinstance(values, (list, tuple)):
        return arrow_of_objects(list(values))
    if not isinstance(values, np.ndarray) and is_table(values):
        table = as_table(values)
        if len(table.columns) == 1:
            return Cells(table).arrow(table.columns[0])
    array = np.asanyarray(values)
    if array.ndim == 0 or array.size != len(array):
        raise ValueError(f"{argument} must have one value for each row, but has the shape {array.shape}")
    return arrow_of_array(array.ravel())


def find_numbers(cells: Any, kinds: Sequence[str]) -> tuple[Array, int | None]:
    """Return the values of a column as numbers, and the first row without one.

    Parameters
    ----------
    cells : pyarrow.Array or pyarrow.ChunkedArray
        The column.
    kinds : sequence of str
        What it may hold, of the choices of `columns`.

    Returns
    -------
    values : ndarray of float64
        Times as seconds; empty where they are not of these kinds.
    row : int or None
        The first row that has none, or another value.
    """
    import pyarrow as pa

    of_column = Cells(as_table(pa.table({"0": cells})))
    array, wrong = of_column.arrow("0"), 0
    for kind in kinds:
        try:
            column = learn_column("0", of_column, None, None, kind, None)
        except ColumnError as error:
            wrong = max(wrong, error.row or 0)
            continue
        values = number_values(column, array, None)[0]
        missing = np.flatnonzero(np.isnan(values))
        return values, int(missing[0]) if len(missing) else None
    return np.zeros(0), wrong


def group_indices(cells: Any) -> tuple[Array, int | None]:
    """Return the index of each row's group, in the order of their names, and the first row without a group.

    Parameters
    ----------
    cells : pyarrow.Array or pyarrow.ChunkedArray
        The column; values that look the same are of one group.

    Returns
    -------
    indices : ndarray of int
        From 0.
    row : int or None
        The first row whose value is missing.
    """
    missing = np.flatnonzero(cells.is_null(nan_is_null=True).to_numpy(zero_copy_only=False))
    indices = np.unique(np.array([str(value) for value in cells.to_pylist()]), return_inverse=True)[1]
    return indices, int(missing[0]) if len(missing) else None
