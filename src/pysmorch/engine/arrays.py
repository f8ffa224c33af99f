"""Arrays as compiled programs read them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array

DTYPES = ("float32", "float64", "uint8", "int32", "int64")


def contiguous(array: Array, dtype: Any) -> Array:
    """Return an array in C order, in the machine's byte order, aligned, and of a dtype that the extension reads."""
    if dtype is None:
        dtype = array.dtype.newbyteorder("=") if array.dtype.name in DTYPES else np.result_type(array.dtype, np.float32)
    if dtype == np.int64 and array.dtype.kind == "f":
        # What is no integer becomes an index that is out of range, and so is found.
        with np.errstate(invalid="ignore"):
            whole = array.astype(np.int64)
        array = np.where(whole == array, whole, -1)
    return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED", "ENSUREARRAY"])
