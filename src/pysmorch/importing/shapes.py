"""Operators that change shapes or take entries: reshaping, axes, parts, padding and resizing."""

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
from pysmorch.layers.base import Array

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


def _taken(value: Value, indices: Any, axis: int) -> Value:
    """Return entries of a value along an axis of the graph."""
    return replace(value, layer=take(value.layer, indices, value.axis(axis)))


def _size(value: Value, axis: int) -> int:
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
        indices = slice_indices(start, end, step, _size(value, axis))
        if not len(indices):
            raise ModelFileError(f"nothing is left of axis {axis}")
        value = _taken(value, indices, axis)
    call.give(value)


def split(call: Call) -> None:
    """Neighbouring parts along an axis."""
    value, axis = plain(call.value(0)), call.integer("axis")
    size, count = _size(value, axis), len(call.node.outputs)
    call.integer("num_outputs", count)
    parts = call.sizes(1) if call.has(1) else call.integers("split")
    if parts is None:
        share = -(-size // count)
        parts = [min(share, max(size - i * share, 0)) for i in range(count)]
    if len(parts) != count or sum(parts) != size or any(part < 1 for part in parts):
        raise ModelFileError(f"it makes {count} parts of sizes {parts} of {size} entries")
    start = 0
    for i, part in enumerate(parts):
        call.give(_taken(value, range(start, start + part), axis), i)
        start += part


def gather(call: Call) -> None:
    """Entries of a value by constant indices, or rows of a table of parameters by those that a value holds."""
    if call.is_constant(0):
        gather_rows(call)
        return
    value, indices, axis = plain(call.value(0)), call.constant(1), call.integer("axis")
    size = _size(value, axis)
    if indices.dtype.kind != "i" or indices.ndim > 1 or indices.size > MOST_INDICES or not indices.size:
        raise ModelFileError(
            f"its indices have shape {indices.shape}; a list of at most {MOST_INDICES} can be imported"
        )
    counted = np.atleast_1d(np.where(indices < 0, indices + size, indices))
    if ((counted < 0) | (counted >= size)).any():
        raise ModelFileError(f"its indices are not all from 0 to {size - 1}")
    value = _taken(value, counted, axis)
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
    size = _size(value, axis)
    if size * count > MOST_INDICES:
        raise ModelFileError(f"it has {size * count:,} entries along axis {axis}, more than {MOST_INDICES:,}")
    return _taken(value, np.tile(np.arange(size), count), axis)


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


# Borders and blocks.


def pad(call: Call) -> None:
    """A number, or entries of the input, around it; where a border is negative, entries are left out."""
    mode = call.choice("mode", "constant", "constant", "reflect", "edge", "wrap")
    value = plain(call.value(0))
    pads = call.sizes(1) if call.has(1) else call.integers("pads")
    number = call.scalar(2) if call.has(2) else call.number("value", 0.0)
    axes = call.sizes(3) or list(range(value.rank))
    if pads is None or len(pads) != 2 * len(axes) or any(abs(n) > MOST_INDICES for n in pads):
        raise ModelFileError(f"its pads are {pads}, but it has {len(axes)} axes")
    sides = [(0, 0)] * value.rank
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        if (before, after) == (0, 0):
            continue
        size = _size(value, axis)
        kept = range(max(-before, 0), size - max(-after, 0))
        if not kept:
            raise ModelFileError(f"nothing is left of axis {axis}")
        added = (max(before, 0), max(after, 0))
        if mode == "constant":
            value = _taken(value, kept, axis)
            sides[value.axis(axis)] = added
        else:
            if mode == "reflect" and max(added) >= len(kept):
                raise ModelFileError(f"its border along axis {axis} is not smaller than its input")
            value = _taken(value, np.pad(np.arange(kept.start, kept.stop), added, mode), axis)  # type: ignore[call-overload]
    if any(n for pair in sides for n in pair):
        if value.rank == 4 and not number and sides[3] == (0, 0):
            layer: Any = ours.Pad2d(value.layer, (sides[1], sides[2]))
        else:
            layer = ours.Pad(value.layer, sides[1:], number or 0.0)
        value = replace(value, layer=checked(layer))
    call.give(value)


def _blocks(call: Call) -> tuple[Value, int, list[int]]:
    value, size = call.value(0), call.integer("blocksize")
    if value.rank != 4 or value.batch != 0 or not 1 <= size <= MOST_INDICES:
        raise ModelFileError(f"its input has {value.rank} axes and its blocksize is {size}; it needs images")
    return value, size, [length or 0 for length in value.shape[1:]]


def depth_to_space(call: Call) -> None:
    """Channels that become pixels of a larger image."""
    value, size, (channels, height, width) = _blocks(call)
    by_column = call.choice("mode", "DCR", "DCR", "CRD") == "CRD"
    if channels % size**2:
        raise ModelFileError(f"its blocksize {size} does not fit {channels} channels")
    parts = (channels // size**2, size, size) if by_column else (size, size, channels // size**2)
    order = (1, 4, 2, 5, 3) if by_column else (3, 4, 1, 5, 2)
    apart = ours.Transpose(reshaped(as_in_graph(value), (*parts, height, width)), order)
    call.give(of_graph(ours.Reshape(apart, (channels // size**2, height * size, width * size))))


def space_to_depth(call: Call) -> None:
    """Pixels of blocks that become channels."""
    value, size, (channels, height, width) = _blocks(call)
    by_column = call.choice("mode", "DCR", "DCR", "CRD") == "CRD"
    if height % size or width % size:
        raise ModelFileError(f"its blocksize {size} does not fit images of {height} x {width}")
    apart = reshaped(as_in_graph(value), (channels, height // size, size, width // size, size))
    order = (1, 3, 5, 2, 4) if by_column else (3, 5, 1, 2, 4)
    call.give(of_graph(ours.Reshape(ours.Transpose(apart, order), (channels * size**2, height // size, width // size))))


# Resizing.


def resize(call: Call) -> None:
    """The nearest pixels at other positions, which is an `Upsample2d` where each is repeated."""
    call.choice("mode", "nearest", "nearest")
    value = plain(call.value(0))
    call.any_attribute("antialias")
    call.any_attribute("cubic_coeff_a")
    call.any_attribute("exclude_outside")
    call.any_attribute("extrapolation_value")
    call.choice("keep_aspect_ratio_policy", "stretch", "stretch")
    newest = call.version >= 11
    where = call.choice(
        "coordinate_transformation_mode",
        "half_pixel" if newest else "asymmetric",
        *("asymmetric", "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners"),
    )
    rounding = call.choice(
        "nearest_mode",
        "round_prefer_floor" if newest else "floor",
        "floor",
        "ceil",
        "round_prefer_floor",
        "round_prefer_ceil",
    )
    i = 2 if call.version >= 11 else 1
    axes, scales, sizes = call.integers("axes"), call.optional(i), call.sizes(i + 1)
    scales = None if scales is not None and not scales.size else scales
    axes = list(range(value.rank)) if axes is None else axes
    given: Any = scales if scales is not None else sizes
    if given is None or len(given) != len(axes):
        raise ModelFileError("it has neither a scale nor a size for each axis")
    chosen = {}
    for axis, number in zip(axes, given, strict=True):
        if axis % value.rank == value.batch and (number == 1 or scales is None):
            continue
        chosen[axis % value.rank] = _nearest(_size(value, axis), float(number), scales is not None, where, rounding)
    call.give(_resized(value, chosen))


def upsample(call: Call) -> None:
    """`Resize` before version 10."""
    call.choice("mode", "nearest", "nearest")
    value, scales = plain(call.value(0)), call.any_attribute("scales") if call.version < 9 else call.constant(1)
    if not isinstance(scales, np.ndarray) or len(scales) != value.rank or scales[value.batch] != 1:
        raise ModelFileError("it has no scale for each axis, or one for the batch")
    chosen = {
        axis: _nearest(_size(value, axis), float(scale), True, "asymmetric", "floor")
        for axis, scale in enumerate(scales)
        if axis != value.batch
    }
    call.give(_resized(value, chosen))


def _nearest(size: int, number: float, is_scale: bool, where: str, rounding: str) -> Array:
    """Return the index of the entry for each one of the result."""
    count = (
        int(np.floor(size * number)) if is_scale and 0 < number < 2**31 else int(number) if 0 < number < 2**31 else 0
    )
    if not 0 < count <= MOST_INDICES:
        raise ModelFileError(f"it makes {count} of {size} entries along an axis")
    scale = number if is_scale else count / size
    i = np.arange(count)
    at: Any
    if where == "asymmetric":
        at = i / scale
    elif where == "align_corners":
        at = i * (size - 1) / (count - 1) if count > 1 else np.zeros(1)
    else:
        at = (i + 0.5) / scale - 0.5
    if where == "half_pixel_symmetric":
        at = at + size / 2 * (1 - count / (scale * size))
    if where == "pytorch_half_pixel" and count == 1:
        at = np.full(1, -0.5)
    rounded: dict[str, Callable[[Any], Any]] = {
        "floor": np.floor,
        "ceil": np.ceil,
        "round_prefer_floor": lambda x: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    }
    return np.clip(rounded[rounding](at), 0, size - 1).astype(np.int64)


def _resized(value: Value, chosen: dict[int, Array]) -> Value:
    factors = {}
    for axis, indices in chosen.items():
        size = _size(value, axis)
        factor = len(indices) // size
        if len(indices) == factor * size and bool((indices == np.repeat(np.arange(size), factor)).all()):
            factors[value.axis(axis)] = factor
    if len(factors) == len(chosen) and value.rank == 4 and factors.get(3, 1) == 1:
        pair = (factors.get(1, 1), factors.get(2, 1))
        return replace(value, layer=checked(ours.Upsample2d(value.layer, pair)) if pair != (1, 1) else value.layer)
    for axis, indices in chosen.items():
        value = _taken(value, indices, axis)
    return value


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
    "Pad": pad,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Resize": resize,
    "Upsample": upsample,
}
"""What makes layers of a node, by the operator."""
