"""Operators of images and sequences: convolution, and normalisation of channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, prod
from typing import Any, NamedTuple

import numpy as np

from pysmorch import layers as ours
from pysmorch.files import ModelFileError
from pysmorch.importing.calls import Call
from pysmorch.importing.values import (
    LARGEST_ROW,
    Value,
    channels_last,
    checked,
    of_channels_last,
    plain,
    reshaped,
    take,
)
from pysmorch.layers.base import Array, Layer

MOST_CELLS = 64
"""Of a window for whose cells layers of their own are made."""

LARGEST_NUMBER = 2**20
"""Of the steps, gaps and borders of windows."""


class Sliding(NamedTuple):
    """The windows of a node, two axes each: a sequence is an image of height one."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    same: bool


def as_image(layer: Layer) -> Layer:
    """Return sequences (N, L, C) as images of height one."""
    length, channels = layer.out_dims[1:]
    return reshaped(layer, (1, length or 0, channels or 0))


def as_it_was(value_rank: int, layer: Layer) -> Value:
    """Return the value of an image, or of the sequence that it was."""
    if value_rank == 3:
        layer = reshaped(layer, [size or 0 for size in layer.out_dims[2:]])
    return of_channels_last(layer)


def numbers_of(call: Call, name: str, count: int, default: int, least: int) -> list[int]:
    """Return an attribute that has a number for each axis of the windows."""
    given = call.integers(name)
    numbers = [default] * count if given is None else given
    if len(numbers) != count or not all(least <= one < LARGEST_NUMBER for one in numbers):
        raise ModelFileError(f"its attribute {name} is {numbers}; it needs {count} numbers from {least}")
    return numbers


def sliding(call: Call, image: Layer, rank: int, size: Sequence[int]) -> Sliding:
    """Return the windows of a node on images, with the cells that are added around them."""
    count = rank - 2
    stride = numbers_of(call, "strides", count, 1, 1)
    dilation = numbers_of(call, "dilations", count, 1, 1)
    pads = numbers_of(call, "pads", 2 * count, 0, 0)
    automatic = call.choice("auto_pad", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    rounded_up = bool(call.integer("ceil_mode"))
    if count == 1:
        size, stride, dilation, pads = (1, *size), [1, *stride], [1, *dilation], [0, pads[0], 0, pads[1]]
    lengths = [length or 0 for length in image.out_dims[1:3]]
    covered = [(n - 1) * d + 1 for n, d in zip(size, dilation, strict=True)]
    before, after = pads[:2], pads[2:]
    total = [
        max((ceil(length / s) - 1) * s + c - length, 0) for length, s, c in zip(lengths, stride, covered, strict=True)
    ]
    if automatic.startswith("SAME"):
        less, more = [t // 2 for t in total], [t - t // 2 for t in total]
        before, after = (less, more) if automatic == "SAME_UPPER" else (more, less)
    elif automatic == "VALID":
        before = after = [0, 0]
    same = all(b == t // 2 and a == t - t // 2 for b, a, t in zip(before, after, total, strict=True))
    if rounded_up and automatic == "NOTSET":
        after = [
            a + _missing(length + b + a, length + b, c, s)
            for length, b, a, c, s in zip(lengths, before, after, covered, stride, strict=True)
        ]
    padded = [length + b + a for length, b, a in zip(lengths, before, after, strict=True)]
    if prod(padded) * (image.out_dims[-1] or 0) > LARGEST_ROW:
        raise ModelFileError(f"with its padding an image has {padded[0]:,} x {padded[1]:,} pixels, too many")
    return Sliding(tuple(size), tuple(stride), tuple(dilation), tuple(before), tuple(after), same)


def _missing(padded: int, start_limit: int, covered: int, stride: int) -> int:
    """Return how many cells a last window lacks, where its beginning is on the image or its border before that."""
    count = ceil(max(padded - covered, 0) / stride) + 1
    if (count - 1) * stride >= start_limit:
        count -= 1
    return max((count - 1) * stride + covered - padded, 0)


def padded_image(image: Layer, windows: Sliding, value: float = 0.0) -> Layer:
    """Return images with cells around them."""
    sides = tuple(zip(windows.before, windows.after, strict=True))
    if not any(n for pair in sides for n in pair):
        return image
    if value:
        return checked(ours.Pad(image, (*sides, (0, 0)), value))
    return checked(ours.Pad2d(image, ((sides[0][0], sides[0][1]), (sides[1][0], sides[1][1]))))


def _kernel(call: Call, rank: int, axes: tuple[int, ...]) -> Array:
    W = call.constant(1)
    if W.ndim != rank or 0 in W.shape:
        raise ModelFileError(f"its input {call.name(1)!r} has shape {W.shape}, but its images have {rank} axes")
    given = call.integers("kernel_shape")
    if given is not None and given != list(W.shape[2:]):
        raise ModelFileError(f"its kernel_shape is {given}, but {call.name(1)!r} has shape {W.shape}")
    W = W.reshape(*W.shape[:2], *(1,) * (4 - rank), *W.shape[2:])
    return W.transpose(axes)


def _with_bias(call: Call, layer: Layer) -> Layer:
    if not call.has(2):
        return layer
    row, channels = call.constant(2), layer.out_dims[-1]
    if row.shape != (channels,):
        raise ModelFileError(f"its input {call.name(2)!r} has shape {row.shape}, but there are {channels} channels")
    bias = ours.Bias(layer)
    call.set_parameters(bias, row.reshape(1, -1), 2).decay_factor = 0.0
    return bias


def convolution(call: Call) -> None:
    """Conv: a `Conv2d` or a `Conv1d`, and a `Bias`."""
    value = call.value(0)
    layer = channels_last(value, 3, 4)
    W = _kernel(call, value.rank, (2, 3, 1, 0))
    groups = call.integer("group", 1)
    if groups < 1 or layer.out_dims[-1] != W.shape[2] * groups or W.shape[3] % groups:
        raise ModelFileError(
            f"its images have {layer.out_dims[-1]} channels, but {call.name(1)!r} has shape {call.constant(1).shape} and group is {groups}"
        )
    windows = sliding(call, layer if value.rank == 4 else as_image(layer), value.rank, W.shape[4 - value.rank : 2])
    if value.rank == 3 and (windows.same or windows.before == windows.after):
        padding: Any = "same" if windows.same else windows.before[1]
        made: Layer = ours.Conv1d(
            layer, W.shape[3], W.shape[1], windows.stride[1], padding, windows.dilation[1], groups
        )
        call.set_parameters(made, W[0], 1)
        call.give(of_channels_last(_with_bias(call, checked(made))))
        return
    image = layer if value.rank == 4 else as_image(layer)
    made = convolution_of(image, W.shape[3], windows, groups)
    call.set_parameters(made, W, 1)
    call.give(as_it_was(value.rank, _with_bias(call, checked(made))))


def convolution_of(image: Layer, num_filters: int, windows: Sliding, groups: int) -> Layer:
    """Return a convolution, whose padding is a layer of its own where it is not one of `Conv2d`."""
    size, stride, dilation = ((pair[0], pair[1]) for pair in windows[:3])
    if windows.same or windows.before == windows.after:
        padding: Any = "same" if windows.same else windows.before
        return ours.Conv2d(image, num_filters, size, stride, padding, dilation, groups)
    return ours.Conv2d(padded_image(image, windows), num_filters, size, stride, "valid", dilation, groups)


def transposed_convolution(call: Call) -> None:
    """ConvTranspose: a `ConvTranspose2d` of all that its windows reach, of which a part is taken, and a `Bias`."""
    value = call.value(0)
    layer = channels_last(value, 3, 4)
    W = _kernel(call, value.rank, (2, 3, 1, 0))
    groups = call.integer("group", 1)
    image = layer if value.rank == 4 else as_image(layer)
    channels = image.out_dims[-1] or 0
    if not 1 <= groups <= MOST_CELLS or channels != W.shape[3] or channels % groups:
        raise ModelFileError(
            f"its images have {channels} channels, but {call.name(1)!r} has shape {call.constant(1).shape} and group is {groups}"
        )
    windows = sliding(call, image, value.rank, W.shape[4 - value.rank : 2])
    size, stride, dilation = ((pair[0], pair[1]) for pair in windows[:3])
    parts: list[Layer] = []
    for k in range(groups):
        part = slice(k * channels // groups, (k + 1) * channels // groups)
        made = ours.ConvTranspose2d(
            take(image, range(part.start, part.stop), -1), W.shape[2], size, stride, "valid", dilation
        )
        parts.append(call.set_parameters(checked(made), W[..., part], 1))
    whole = parts[0] if groups == 1 else ours.Concat(*parts)
    call.give(as_it_was(value.rank, _with_bias(call, _cut(call, whole, image, windows, value.rank))))


def _cut(call: Call, whole: Layer, image: Layer, windows: Sliding, rank: int) -> Layer:
    """Return the part of a transposed convolution that is asked by the padding, zeros where the windows reach nothing."""
    count = rank - 2
    extra = numbers_of(call, "output_padding", count, 0, 0)
    given = call.integers("output_shape")
    extra = [0] * (2 - count) + extra
    reached = [size or 0 for size in whole.out_dims[1:3]]
    before = list(windows.before)
    sizes = [r - b - a + e for r, b, a, e in zip(reached, before, windows.after, extra, strict=True)]
    automatic = call.text("auto_pad", "NOTSET")
    if automatic.startswith("SAME") or given is not None:
        wanted = [(n or 0) * s for n, s in zip(image.out_dims[1:3], windows.stride, strict=True)]
        sizes = wanted if given is None else [1] * (2 - count) + given[-count:]
        total = [max(r + e - n, 0) for r, e, n in zip(reached, extra, sizes, strict=True)]
        before = [t // 2 if automatic != "SAME_LOWER" else t - t // 2 for t in total]
    if any(not 0 < n < LARGEST_NUMBER for n in sizes):
        raise ModelFileError(f"nothing is left of its output: its sizes are {sizes}")
    for axis, (start, size, length) in enumerate(zip(before, sizes, reached, strict=True), 1):
        whole = take(whole, range(start, min(start + size, length)), axis)
    missing = [max(start + size - length, 0) for start, size, length in zip(before, sizes, reached, strict=True)]
    return checked(ours.Pad2d(whole, ((0, missing[0]), (0, missing[1])))) if any(missing) else whole


# Normalisation of channels.


def _channel_parameters(call: Call, layer: Layer, first: int) -> Layer:
    """Return a `Scale` and a `Bias` after a normalisation, by two inputs with a number for each channel."""
    made: Layer
    for i, cls, empty in ((first, ours.Scale, 1), (first + 1, ours.Bias, 0)):
        row = call.constant(i)
        if row.shape != (layer.out_dims[-1],):
            raise ModelFileError(
                f"its input {call.name(i)!r} has shape {row.shape}, but there are {layer.out_dims[-1]} channels"
            )
        if call.scope.is_ours and bool((row == empty).all()):
            continue
        made = cls(layer)
        call.set_parameters(made, row.reshape(1, -1), i).decay_factor = 0.0
        layer = made
    return layer


def batch_normalization(call: Call) -> None:
    """BatchNormalization: `Normalize` with its running statistics, `Scale` and `Bias`."""
    call.only("training_mode", 0)
    call.only("spatial", 1)
    epsilon, momentum = call.number("epsilon", 1e-5), call.number("momentum", 0.9)
    value = call.value(0)
    layer = value.layer if value.order is not None else channels_last(value, *range(2, 9))
    if value.order is not None:
        value, layer = plain(value), plain(value).layer
    count, statistics = layer.out_dims[-1], [call.constant(i) for i in (3, 4)]
    for i, row in zip((3, 4), statistics, strict=True):
        if row.shape != (count,) or not np.isfinite(row).all() or (i == 4 and (row < 0).any()):
            raise ModelFileError(f"its input {call.name(i)!r} has shape {row.shape}; it needs {count} finite numbers")
    normal = ours.Normalize(layer, momentum=min(max(1 - momentum, 0.0), 1.0), epsilon=epsilon)
    normal.running_mean[...], normal.running_var[...] = statistics
    call.scope.call_it(normal, call.node.name)
    call.give(of_channels_last(_channel_parameters(call, normal, 1)))


def instance_normalization(call: Call) -> None:
    """InstanceNormalization: `GroupNormalize` with a group for each channel, `Scale` and `Bias`."""
    layer = channels_last(call.value(0), *range(3, 9))
    normal = ours.GroupNormalize(layer, layer.out_dims[-1] or 0, call.number("epsilon", 1e-5))
    call.give(of_channels_last(_channel_parameters(call, normal, 1)))


def group_normalization(call: Call) -> None:
    """GroupNormalization: `GroupNormalize`, `Scale` and `Bias`, which belong to channels since version 21."""
    call.any_attribute("stash_type")
    if call.version < 21:
        raise ModelFileError("before version 21 its scale belongs to groups; export with a newer version")
    layer = channels_last(call.value(0), *range(2, 9))
    normal = ours.GroupNormalize(layer, call.integer("num_groups"), call.number("epsilon", 1e-5))
    call.give(of_channels_last(_channel_parameters(call, normal, 1)))


OPERATORS: dict[str, Callable[[Call], None]] = {
    "Conv": convolution,
    "ConvTranspose": transposed_convolution,
    "BatchNormalization": batch_normalization,
    "InstanceNormalization": instance_normalization,
    "GroupNormalization": group_normalization,
}
"""What makes layers of a node, by the operator."""
