"""Columns of numbers and booleans of any library, which are taken as one block: that is quick where there are many."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array

ENTRIES_OF_ARROW = 2**17
"""Entries of a table of PyArrow that are taken as numbers at a time: as PyArrow makes a tensor of them, they stay in a cache."""
FEWEST_ROWS = 2**8
"""As many rows are taken together at least, since each column costs a few steps every time."""


def plain_columns(table: Any, names: list[str]) -> dict[str, str]:
    """Return the columns that can be taken as one block of numbers.

    Parameters
    ----------
    table : narwhals.DataFrame
        Of any library.
    names : list of str
        Its columns.

    Returns
    -------
    dict of str to str
        With the kind of their dtype: "b", "i" or "f".
    """
    native = table.to_native()
    if table.implementation.is_pandas():
        kinds = [dtype.kind if isinstance(dtype, np.dtype) else "" for dtype in native.dtypes]
    elif table.implementation.is_polars():
        of_dtype = {dtype: _kind_of_polars(dtype) for dtype in set(native.dtypes)}
        kinds = [of_dtype[dtype] for dtype in native.dtypes]
    elif table.implementation.is_pyarrow():
        types = native.schema.types
        of_id = {dtype.id: _kind_of_arrow(dtype) for dtype in {dtype.id: dtype for dtype in types}.values()}
        kinds = [of_id[dtype.id] for dtype in types]
    else:
        kinds = [""] * len(names)
    kinds = ["i" if kind == "u" else kind for kind in kinds]
    return {name: kind for name, kind in zip(names, kinds, strict=True) if kind in ("b", "i", "f")}


def _kind_of_polars(dtype: Any) -> str:
    if dtype.is_integer():
        return "" if "128" in str(dtype) else "i"  # NumPy has none of 128 bits
    return "f" if dtype.is_float() else "b" if str(dtype) == "Boolean" else ""


def _kind_of_arrow(dtype: Any) -> str:
    import pyarrow as pa

    if pa.types.is_integer(dtype):
        return "i"
    if pa.types.is_float16(dtype):
        return ""
    return "f" if pa.types.is_floating(dtype) else "b" if pa.types.is_boolean(dtype) else ""


def is_short(dtype: Any) -> bool:
    """Whether float32 holds all numbers of a type of PyArrow as they are.

    Parameters
    ----------
    dtype : pyarrow.DataType
        Of a column.

    Returns
    -------
    bool
        False for all but short integers, float32, float16 and truth values.
    """
    import pyarrow as pa

    return dtype in (pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.float16(), pa.float32(), pa.bool_())


def block_of(table: Any, names: list[str], kinds: set[str]) -> Array:
    """Return columns among those of `plain_columns` as one array, with NaN for what is missing.

    Parameters
    ----------
    table : narwhals.DataFrame
        Of any library.
    names : list of str
        Some columns.
    kinds : set of str
        The kinds of their dtypes.

    Returns
    -------
    ndarray of float64, shape (N, len(names))
        In the order of the names.
    """
    native = table.to_native()
    if table.implementation.is_pandas():
        return np.asarray((native if names == list(native.columns) else native[names]).to_numpy(dtype=np.float64))
    if table.implementation.is_pyarrow():
        return _block_of_arrow(native if names == native.column_names else native.select(names), "b" in kinds)
    if "b" not in kinds:
        return np.asarray((native if names == native.columns else native[names]).to_numpy(), np.float64)
    values = np.empty((len(table), len(names)), dtype=np.float64, order="F")
    for i, name in enumerate(names):
        values[:, i] = numbers_of(native[name].to_arrow())
    return values


def _block_of_arrow(table: Any, has_booleans: bool) -> Array:
    """Return columns of numbers and booleans as float64; the numbers are taken together, which is quick."""
    import pyarrow as pa

    values = np.empty((table.num_rows, table.num_columns))
    booleans = [i for i, kind in enumerate(table.schema.types) if pa.types.is_boolean(kind)] if has_booleans else []
    numbers = np.delete(np.arange(table.num_columns), booleans).tolist()
    chosen = table.select(numbers) if booleans else table
    start = 0
    for batch in chosen.to_batches(max(FEWEST_ROWS, ENTRIES_OF_ARROW // len(numbers))) if numbers else ():
        rows = slice(start, start + len(batch))
        values[rows, numbers if booleans else slice(None)] = batch.to_tensor(null_to_nan=True).to_numpy()
        start = rows.stop
    for i in booleans:
        values[:, i] = numbers_of(table.column(i))
    return values


def numbers_of(array: Any) -> Array:
    """Return a PyArrow array of numbers or booleans as float64, with NaN for what is missing."""
    import pyarrow as pa

    options = {} if isinstance(array, pa.ChunkedArray) else {"zero_copy_only": False}
    if not pa.types.is_float64(array.type):
        array = array.cast(pa.float64(), safe=False)
    return np.asarray(array.to_numpy(**options), np.float64)
