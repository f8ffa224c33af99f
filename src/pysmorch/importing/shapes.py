"""Operators that change shapes or take entries: reshaping, axes, and parts along axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from pysmorch import layers as ours
from pysmorch.files import ModelFileError
from pysmorch.importing.calls import Call
from pysmorch.importing.dense import gather_rows
from pysmorch.importing.folding import slice_indices
from pysmorch.importing.values import (
    BATCH,
    MOST_INDICES,
    Value,
    as_in_graph,
    channels_last_axes,
    checked,
    entries_of,
    flattened_order,
    in_order,
    of_graph,
    plain,
    reshaped,
    said,
    take,
)

LARGEST_ORDER = 2**24
"""Features of rows whose order is remembered instead of transposing an image."""


def flatten(call: Call) -> None:
    """Rows of features."""
    value, axis = call.value(0), call.integer("axis", 1)
    axis = axis + value.rank if axis < 0 else axis
    if value.batch != 0 or not 1 <= axis <= value.rank or prod(size or 1 for size in value.shape[1:axis]) != 1:
        raise ModelFileError(
            f"it makes one axis of the batch and others (axis {axis}): rows are independent of each other here"
        )
    call.give(_as_rows(value))


def _as_rows(value: Value) -> Value:
    size = entries_of(value.layer.out_dims)
    if value.order is not None or value.rank < 3:
        return replace(value, layer=reshaped(value.layer, (size,)), axes=(0, 1))
    if size > LARGEST_ORDER:
        value = in_order(value, range(value.rank))
    return Value(reshaped(value.layer, (size,)), (0, 1), flattened_order(value), value.integer)


def reshape(call: Call) -> None:
    """Other examples with the same entries; the first size has to be that of the batch."""
    value, given = call.value(0), call.sizes(1) if call.has(1) else call.integers("shape")
    if given is None:
        raise ModelFileError("its shape is missing")
    sizes = list(given)
    if not call.integer("allowzero"):
        for i, size in enumerate(sizes):
            if size == 0:
                if i >= value.rank:
                    raise ModelFileError(f"its shape {given} has a 0 where its input has no axis")
                known = value.shape[i]
                sizes[i] = BATCH if known is None else known
    example = _sizes_after_batch(value, sizes)
    if len(example) == 1:
        call.give(_as_rows(value))
    elif value.axes == channels_last_axes(value.rank) and value.rank > 2 and example[0] == value.shape[1]:
        # The channels stay, so that only positions are put together or apart.
        made = checked(reshaped(value.layer, (*example[1:], example[0])))
        call.give(replace(value, layer=made, axes=channels_last_axes(len(example) + 1)))
    else:
        call.give(replace(of_graph(reshaped(as_in_graph(value), example)), integer=value.integer))


def _sizes_after_batch(value: Value, sizes: list[int]) -> list[int]:
    """Return the sizes of an example, after comparing the first size with the batch."""
    total = entries_of(value.layer.out_dims)
    if value.batch != 0:
        raise ModelFileError("it reshapes a value whose batch is not the first axis")
    if not sizes or any(size < -1 and size != BATCH for size in sizes) or sizes.count(-1) > 1 or sizes.count(BATCH) > 1:
        raise ModelFileError(f"its shape {said(sizes)} is none")
    example, known = sizes[1:], prod(size for size in sizes[1:] if size != -1)
    if BATCH in example:
        raise ModelFileError(
            f"its shape {said(sizes)} does not begin with the batch: rows are independent of each other here"
        )
    if -1 in example and known and total % known == 0:
        example[example.index(-1)] = total // known
    if -1 in example or prod(example) != total or sizes[0] == 0:
        raise ModelFileError(
            f"its shape {said(sizes)} mixes the batch with other axes: its input has shape {said(value.shape)}, of which the first "
            "axis has to stay"
        )
    return example


def transpose(call: Call) -> None:
    """Another order of the axes in the graph; the layer stays."""
    value = plain(call.value(0))
    order = call.integers("perm") or list(range(value.rank))[::-1]
    if sorted(order) != list(range(value.rank)):
        raise ModelFileError(f"its perm {order} does not name each of {value.rank} axes once")
    call.give(replace(value, axes=tuple(order.index(axis) for axis in value.axes)))


def _axes(call: Call, rank: int) -> list[int] | None:
    """Return the axes of an input or an attribute, counted from 0 and in order."""
    axes = call.sizes(1) if call.has(1) else call.integers("axes")
    if axes is None:
        return None
    counted = sorted(axis + rank if axis < 0 else axis for axis in axes)
    if len(set(counted)) < len(counted) or not all(0 <= axis < rank for axis in counted):
        raise ModelFileError(f"its axes are {axes}, but there are {rank}")
    return counted


def squeeze(call: Call) -> None:
    """Without axes of size one."""
    value = plain(call.value(0))
    axes = _axes(call, value.rank)
    if axes is None:
        axes = [axis for axis, size in enumerate(value.shape) if size == 1]
    if any(value.shape[axis] != 1 for axis in axes):
        raise ModelFileError(
            f"it leaves out axes {axes} of a value of shape {said(value.shape)}; only those of size one can be"
        )
    sizes = [value.layer.out_dims[i] or 0 for i in range(1, value.rank) if value.axes[i] not in axes]
    left = [axis for axis in value.axes if axis not in axes]
    made = reshaped(value.layer, sizes)
    call.give(replace(value, layer=made, axes=tuple(sum(other < axis for other in left) for axis in left)))


def unsqueeze(call: Call) -> None:
    """With further axes of size one."""
    value = plain(call.value(0))
    given = call.sizes(1) if call.has(1) else call.integers("axes")
    new = _axes(call, value.rank + len(given or [])) or []
    old = [axis for axis in range(value.rank + len(new)) if axis not in new]
    axes = [old[axis] for axis in value.axes]
    sizes = list(value.layer.out_dims)
    for axis in new:
        # After the axis before it, so that values in the order of the graph stay so.
        position = axes.index(axis - 1) + 1 if axis and axis - 1 in axes else 1
        axes.insert(max(position, 1), axis)
        sizes.insert(max(position, 1), 1)
    made = reshaped(value.layer, [size or 0 for size in sizes[1:]])
    call.give(replace(value, layer=made, axes=tuple(axes)))


def concat(call: Call) -> None:
    """Values side by side along an axis."""
    if any(call.is_constant(i) for i in range(len(call))):
        raise ModelFileError("one of its inputs is a constant, which has no rows")
    values = [call.value(i) for i in range(len(call))]
    first = values[0]
    position = first.axis(call.integer("axis"))
    if len(values) == 1:
        call.give(first)
        return
    if (
        first.rank == 2
        and any(value.order is not None for value in values)
        and all(v.axes == first.axes for v in values)
    ):
        orders, start = [], 0
        for value in values:
            size = entries_of(value.layer.out_dims)
            orders.append(start + (np.arange(size) if value.order is None else value.order))
            start += size
        layer = ours.Concat(*(value.layer for value in values))
        call.give(Value(checked(layer), first.axes, np.concatenate(orders)))
        return
    if any(value.rank != first.rank for value in values):
        raise ModelFileError("its inputs have different numbers of axes")
    axes = [*(axis for axis in first.axes if axis != first.axes[position]), first.axes[position]]
    layer = ours.Concat(*(in_order(value, axes).layer for value in values))
    call.give(Value(checked(layer), tuple(axes), integer=first.integer))


def taken(value: Value, indices: Any, axis: int) -> Value:
    """Return entries of a value along an axis of the graph."""
    return replace(value, layer=take(value.layer, indices, value.axis(axis)))


def size_of(value: Value, axis: int) -> int:
    """Return the size of an axis of the graph, which must not be the batch."""
    value.axis(axis)
    return value.shape[axis] or 0


def slice_(call: Call) -> None:
    """Every so many entries along axes."""
    value = plain(call.value(0))
    starts = call.sizes(1) if call.has(1) else call.integers("starts")
    ends = call.sizes(2) if call.has(2) else call.integers("ends")
    axes = (call.sizes(3) if call.has(3) else call.integers("axes")) or list(range(len(starts or [])))
    steps = (call.sizes(4) if call.has(4) else None) or [1] * len(axes)
    if starts is None or ends is None or not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise ModelFileError("its starts, ends, axes and steps do not fit each other")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if axis % value.rank == value.batch and (start, step) == (0, 1) and end >= 2**31 - 1:
            continue
        indices = slice_indices(start, end, step, size_of(value, axis))
        if not len(indices):
            raise ModelFileError(f"nothing is left of axis {axis}")
        value = taken(value, indices, axis)
    call.give(value)


def split(call: Call) -> None:
    """Neighbouring parts along an axis."""
    value, axis = plain(call.value(0)), call.integer("axis")
    size, count = size_of(value, axis), len(call.node.outputs)
    call.integer("num_outputs", count)
    parts = call.sizes(1) if call.has(1) else call.integers("split")
    if parts is None:
        share = -(-size // count)
        parts = [min(share, max(size - i * share, 0)) for i in range(count)]
    if len(parts) != count or sum(parts) != size or any(part < 1 for part in parts):
        raise ModelFileError(f"it makes {count} parts of sizes {parts} of {size} entries")
    start = 0
    for i, part in enumerate(parts):
        call.give(taken(value, range(start, start + part), axis), i)
        start += part


def gather(call: Call) -> None:
    """Entries of a value by constant indices, or rows of a table of parameters by those that a value holds."""
    if call.is_constant(0):
        gather_rows(call)
        return
    value, indices, axis = plain(call.value(0)), call.constant(1), call.integer("axis")
    size = size_of(value, axis)
    if indices.dtype.kind != "i" or indices.ndim > 1 or indices.size > MOST_INDICES or not indices.size:
        raise ModelFileError(
            f"its indices have shape {indices.shape}; a list of at most {MOST_INDICES} can be imported"
        )
    counted = np.atleast_1d(np.where(indices < 0, indices + size, indices))
    if ((counted < 0) | (counted >= size)).any():
        raise ModelFileError(f"its indices are not all from 0 to {size - 1}")
    value = taken(value, counted, axis)
    if indices.ndim:
        call.give(value)
        return
    position, axis = value.axis(axis), axis % value.rank
    sizes = [length or 0 for i, length in enumerate(value.layer.out_dims) if i not in (0, position)]
    axes = tuple(one - (one > axis) for one in value.axes if one != axis)
    call.give(replace(value, layer=reshaped(value.layer, sizes), axes=axes))


def tile(call: Call) -> None:
    """Everything several times along axes."""
    value, repeats = plain(call.value(0)), call.sizes(1) or []
    if len(repeats) != value.rank or any(not 1 <= n <= MOST_INDICES for n in repeats) or repeats[value.batch] != 1:
        raise ModelFileError(
            f"its repeats are {repeats}, but its input has shape {said(value.shape)}; rows cannot be repeated"
        )
    for axis, count in enumerate(repeats):
        if count > 1:
            value = _repeated(value, axis, count)
    call.give(value)


def _repeated(value: Value, axis: int, count: int) -> Value:
    size = size_of(value, axis)
    if size * count > MOST_INDICES:
        raise ModelFileError(f"it has {size * count:,} entries along axis {axis}, more than {MOST_INDICES:,}")
    return taken(value, np.tile(np.arange(size), count), axis)


def expand(call: Call) -> None:
    """Axes of size one repeated."""
    value, sizes = plain(call.value(0)), call.sizes(1) or []
    sizes = [1] * (value.rank - len(sizes)) + sizes
    if len(sizes) != value.rank or sizes[value.batch] not in (1, BATCH):
        raise ModelFileError(f"it makes {said(sizes)} of a value of shape {said(value.shape)}; rows cannot be repeated")
    for axis, count in enumerate(sizes):
        if axis == value.batch or count in (1, value.shape[axis]):
            continue
        if value.shape[axis] != 1 or not 1 < count <= MOST_INDICES:
            raise ModelFileError(f"it makes {count} of {value.shape[axis]} entries along axis {axis}")
        value = _repeated(value, axis, count)
    call.give(value)


OPERATORS: dict[str, Callable[[Call], None]] = {
    "Flatten": flatten,
    "Reshape": reshape,
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Concat": concat,
    "Slice": slice_,
    "Split": split,
    "Gather": gather,
    "Tile": tile,
    "Expand": expand,
}
"""What makes layers of a node, by the operator."""
