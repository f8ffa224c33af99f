"""What depends on initialisers only is computed at once: shapes that are put together, weights that are reshaped or scaled."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from pysmorch.files import ModelFileError
from pysmorch.importing.calls import Call
from pysmorch.importing.tensors import INTEGERS, Tensor
from pysmorch.importing.values import BATCH
from pysmorch.layers.base import Array

MOVES = {"Identity", "Cast", "Gather", "Concat", "Squeeze", "Unsqueeze", "Slice", "Reshape"}
"""Operators that only choose and order entries, so that the size of the batch may be among them."""


def slice_indices(start: int, end: int, step: int, size: int) -> range:
    """Return the indices of a slice as ONNX bounds it."""
    if step > 0:
        start = min(max(start + size if start < 0 else start, 0), size)
        end = min(max(end + size if end < 0 else end, 0), size)
    else:
        start = min(max(start + size if start < 0 else start, -1), size - 1)
        end = min(max(end + size if end < 0 else end, -1), size - 1)
    return range(start, end, step)


def shape_of(call: Call) -> Array:
    """Return the shape of a value, of which the batch may be one."""
    name = call.name(0)
    constant = call.scope.constant(name)
    shape: tuple[int | None, ...] = call.value(0).shape if constant is None else constant.shape
    start, end = call.integer("start"), call.integer("end", len(shape))
    sizes = [BATCH if size is None else size for size in shape]
    return np.array(sizes[start:end], np.int64)


def constant(call: Call) -> Array:
    """Return the array of an attribute."""
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        value = call.any_attribute(name)
        if value is not None:
            break
    if isinstance(value, Tensor):
        return call.scope.array_of(value)
    if value is None or isinstance(value, (str, list)):
        raise ModelFileError("it is no array of numbers")
    array = np.asarray(value)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int64)


def _filled(call: Call) -> Array:
    sizes = call.sizes(0) or []
    value = call.any_attribute("value")
    number = call.scope.array_of(value).reshape(-1) if isinstance(value, Tensor) else np.zeros(1, np.float32)
    if len(number) != 1:
        raise ModelFileError("its value is no single number")
    _reserve(call, sizes)
    return np.full(sizes, number[0])


def _reserve(call: Call, shape: Any) -> None:
    if len(shape) > 32 or any(not 0 <= size < 2**31 for size in shape):
        raise ModelFileError(f"it makes a constant of shape {list(shape)[:33]}, which is out of range")
    call.scope.reserve(8 * prod(int(size) for size in shape))


def _axes(call: Call) -> list[int]:
    return (call.sizes(1) if call.has(1) else call.integers("axes")) or []


def _squeeze(call: Call) -> Array:
    axes = _axes(call)
    return np.squeeze(call.constant(0), tuple(axes) if axes else None)


def _slice(call: Call) -> Array:
    array = call.constant(0)
    starts = call.sizes(1) if call.has(1) else call.integers("starts")
    ends = call.sizes(2) if call.has(2) else call.integers("ends")
    axes = (call.sizes(3) if call.has(3) else call.integers("axes")) or list(range(len(starts or [])))
    steps = (call.sizes(4) if call.has(4) else None) or [1] * len(axes)
    for start, end, axis, step in zip(starts or [], ends or [], axes, steps, strict=True):
        array = np.take(array, np.array(slice_indices(start, end, step, array.shape[axis]), np.int64), axis=axis)
    return array


def _gather(call: Call) -> Array:
    array, indices = call.constant(0), call.constant(1)
    axis = call.integer("axis")
    _reserve(call, (*indices.shape, array.size // max(array.shape[axis], 1)))
    return np.take(array, indices.astype(np.int64), axis=axis)


def _reshape(call: Call) -> Array:
    array, sizes = call.constant(0), call.sizes(1) if call.has(1) else call.integers("shape")
    if not call.integer("allowzero"):
        sizes = [array.shape[i] if size == 0 else size for i, size in enumerate(sizes or [])]
    return array.reshape(sizes or [])


def _cast(call: Call) -> Array:
    kind, array = call.integer("to"), call.constant(0)
    if kind not in (1, 9, 10, 11, 16, *INTEGERS):
        raise ModelFileError(f"it makes elements of type {kind}; only numbers can be imported")
    dtype: Any = np.int64 if kind in INTEGERS else bool if kind == 9 else np.float32
    return array.astype(dtype)


def _expand(call: Call) -> Array:
    array, sizes = call.constant(0), call.sizes(1) or []
    shape = np.broadcast_shapes(array.shape, tuple(sizes))
    _reserve(call, shape)
    return np.broadcast_to(array, shape).copy()


def _concat(call: Call) -> Array:
    arrays = [call.constant(i) for i in range(len(call))]
    _reserve(call, (sum(array.size for array in arrays),))
    return np.concatenate(arrays, axis=call.integer("axis"))


def _of_numbers(function: Callable[..., Any], count: int = 2) -> Callable[[Call], Array]:
    def fold(call: Call) -> Array:
        arrays = [call.constant(i) for i in range(len(call))]
        if len(arrays) != count or any(array.dtype.kind == "b" for array in arrays):
            raise ModelFileError(f"it needs {count} inputs that are numbers")
        _reserve(call, np.broadcast_shapes(*(array.shape for array in arrays)))
        with np.errstate(all="ignore"):
            result = np.asarray(function(*arrays))
        return result.astype(np.int64 if arrays[0].dtype.kind == "i" else np.float32, copy=False)

    return fold


def _divide(a: Array, b: Array) -> Any:
    if a.dtype.kind == "i" and not np.all(b):
        raise ModelFileError("it divides an integer by zero")
    return np.trunc(a / b) if a.dtype.kind == "i" else a / b


def _unsqueeze(call: Call) -> Array:
    return np.expand_dims(call.constant(0), tuple(_axes(call)))


def _transpose(call: Call) -> Array:
    return call.constant(0).transpose(call.integers("perm"))


FOLDED: dict[str, Callable[[Call], Array]] = {
    "Identity": lambda call: call.constant(0),
    "Cast": _cast,
    "Gather": _gather,
    "Concat": _concat,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Expand": _expand,
    "ConstantOfShape": _filled,
    "Add": _of_numbers(np.add),
    "Sub": _of_numbers(np.subtract),
    "Mul": _of_numbers(np.multiply),
    "Div": _of_numbers(_divide),
    "Pow": _of_numbers(lambda a, b: np.power(a.astype(np.float64), b)),
    "Neg": _of_numbers(np.negative, 1),
    "Sqrt": _of_numbers(np.sqrt, 1),
    "Exp": _of_numbers(np.exp, 1),
    "Abs": _of_numbers(np.abs, 1),
    "Floor": _of_numbers(np.floor, 1),
    "Ceil": _of_numbers(np.ceil, 1),
    "Reciprocal": _of_numbers(np.reciprocal, 1),
}
"""What computes a constant of constants, by the operator."""


def fold(call: Call) -> Array:
    """Return the constant that a node makes of constants.

    Parameters
    ----------
    call : Call
        All its inputs are constants.

    Returns
    -------
    ndarray

    Raises
    ------
    ModelFileError
        It has no such form, is too large, or computes with the size of the batch.
    """
    operator = call.node.operator
    if operator not in FOLDED:
        raise ModelFileError(
            "it computes with constants only, in a way that is not known; export the model with constants folded"
        )
    arrays = [array for i in range(len(call)) if (array := call.optional(i)) is not None]
    if operator not in MOVES and any(array.dtype == np.int64 and (array == BATCH).any() for array in arrays):
        raise ModelFileError("it computes with the size of the batch, which may be any")
    if operator not in ("Gather", "Concat", "Expand", "ConstantOfShape") and arrays:
        call.scope.reserve(max(array.nbytes for array in arrays) if operator != "Identity" else 0)
    return FOLDED[operator](call)
