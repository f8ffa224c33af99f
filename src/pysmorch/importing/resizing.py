"""Operators of borders, blocks of pixels, and resizing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pysmorch import layers as ours
from pysmorch.files import ModelFileError
from pysmorch.importing.calls import Call
from pysmorch.importing.shapes import size_of, taken
from pysmorch.importing.values import MOST_INDICES, Value, as_in_graph, checked, of_graph, plain, reshaped
from pysmorch.layers.base import Array


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
        size = size_of(value, axis)
        left = range(max(-before, 0), size - max(-after, 0))
        if not left:
            raise ModelFileError(f"nothing is left of axis {axis}")
        added = (max(before, 0), max(after, 0))
        if mode == "constant":
            value = taken(value, left, axis)
            sides[value.axis(axis)] = added
        else:
            if mode == "reflect" and max(added) >= len(left):
                raise ModelFileError(f"its border along axis {axis} is not smaller than its input")
            value = taken(value, np.pad(np.arange(left.start, left.stop), added, mode), axis)  # type: ignore[call-overload]
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
        chosen[axis % value.rank] = _nearest(size_of(value, axis), float(number), scales is not None, where, rounding)
    call.give(_resized(value, chosen))


def upsample(call: Call) -> None:
    """`Resize` before version 10."""
    call.choice("mode", "nearest", "nearest")
    value, scales = plain(call.value(0)), call.any_attribute("scales") if call.version < 9 else call.constant(1)
    if not isinstance(scales, np.ndarray) or len(scales) != value.rank or scales[value.batch] != 1:
        raise ModelFileError("it has no scale for each axis, or one for the batch")
    chosen = {
        axis: _nearest(size_of(value, axis), float(scale), True, "asymmetric", "floor")
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
        size = size_of(value, axis)
        factor = len(indices) // size
        if len(indices) == factor * size and bool((indices == np.repeat(np.arange(size), factor)).all()):
            factors[value.axis(axis)] = factor
    if len(factors) == len(chosen) and value.rank == 4 and factors.get(3, 1) == 1:
        pair = (factors.get(1, 1), factors.get(2, 1))
        return replace(value, layer=checked(ours.Upsample2d(value.layer, pair)) if pair != (1, 1) else value.layer)
    for axis, indices in chosen.items():
        value = taken(value, indices, axis)
    return value


OPERATORS: dict[str, Callable[[Call], None]] = {
    "Pad": pad,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Resize": resize,
    "Upsample": upsample,
}
"""What makes layers of a node, by the operator."""
