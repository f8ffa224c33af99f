"""Pooling: one number for each window of an image or a sequence, or for a whole channel."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce as fold
from math import prod
from typing import Any

import numpy as np

from pysmorch import layers as ours
from pysmorch.files import ModelFileError
from pysmorch.importing.calls import Call
from pysmorch.importing.dense import reduce
from pysmorch.importing.elementwise import Operator
from pysmorch.importing.images import (
    MOST_CELLS,
    Sliding,
    as_image,
    as_it_was,
    convolution_of,
    numbers_of,
    padded_image,
    sliding,
)
from pysmorch.importing.values import channels_last, checked, of_channels_last, take
from pysmorch.layers.base import Layer

MOST_WEIGHTS = 2**20
"""Of a convolution that computes means."""


def _pool_windows(call: Call) -> tuple[Layer, Sliding, int]:
    value = call.value(0)
    layer = channels_last(value, 3, 4)
    image = layer if value.rank == 4 else as_image(layer)
    if call.integers("kernel_shape") is None:
        raise ModelFileError("its attribute kernel_shape is missing")
    size = numbers_of(call, "kernel_shape", value.rank - 2, 1, 1)
    return image, sliding(call, image, value.rank, size), value.rank


def _plain_pool(make: Any, image: Layer, windows: Sliding) -> Layer | None:
    """Return a pooling of the library, or None where it has no such windows."""
    is_border = windows.before == windows.after and all(
        p < n for p, n in zip(windows.before, windows.size, strict=True)
    )
    if windows.dilation != (1, 1) or not (windows.same or is_border):
        return None
    made: Layer = make(image, windows.size, windows.stride, "same" if windows.same else windows.before)
    return made


def max_pool(call: Call) -> None:
    """MaxPool: a `MaxPool2d`, or the maximum over the cells of the windows where these have gaps."""
    call.only("storage_order", 0)
    if call.wants(1):
        raise ModelFileError("its indices are an output; only the maxima can be imported")
    image, windows, rank = _pool_windows(call)
    layer = _plain_pool(ours.MaxPool2d, image, windows)
    if layer is None:
        padded = padded_image(image, windows, float(np.finfo(np.float32).min))
        if windows.dilation == (1, 1):
            layer = ours.MaxPool2d(padded, (windows.size[0], windows.size[1]), (windows.stride[0], windows.stride[1]))
        else:
            layer = _max_of_cells(padded, windows)
    call.give(as_it_was(rank, checked(layer)))


def _max_of_cells(padded: Layer, windows: Sliding) -> Layer:
    if prod(windows.size) > MOST_CELLS:
        raise ModelFileError(
            f"its windows have gaps and {prod(windows.size)} cells; at most {MOST_CELLS} can be imported"
        )
    for axis in (0, 1):
        length = padded.out_dims[axis + 1] or 0
        size, step, gap = windows.size[axis], windows.stride[axis], windows.dilation[axis]
        count = (length - (size - 1) * gap - 1) // step + 1
        if count < 1:
            raise ModelFileError("its windows are larger than the image")
        cells = [take(padded, range(i * gap, i * gap + count * step, step)[:count], axis + 1) for i in range(size)]
        padded = fold(lambda a, b: ours.Combine(a, b, operation="maximum"), cells)
    return padded


def average_pool(call: Call) -> None:
    """AveragePool: an `AvgPool2d`, or a convolution with the number of cells where others count than those on the image."""
    with_border = bool(call.integer("count_include_pad"))
    image, windows, rank = _pool_windows(call)
    layer = None
    if not (with_border and (any(windows.before) or any(windows.after))):
        layer = _plain_pool(ours.AvgPool2d, image, windows)
    call.give(as_it_was(rank, layer or _mean_of_cells(call, image, windows, rank, with_border)))


def _mean_of_cells(call: Call, image: Layer, windows: Sliding, rank: int, with_border: bool) -> Layer:
    """Return sums over windows times one over the number of cells; cells that rounding up adds never count."""
    sums = _sum_of_cells(call, image, windows)
    pads = numbers_of(call, "pads", 2 * (rank - 2), 0, 0)
    pads = [0, pads[0], 0, pads[1]] if rank == 3 else pads
    if call.text("auto_pad", "NOTSET") != "NOTSET":
        pads = [*windows.before, *windows.after]
    counts = []
    for axis in (0, 1):
        length, out = image.out_dims[axis + 1] or 0, sums.out_dims[axis + 1] or 0
        size, before = windows.size[axis], windows.before[axis]
        if out * size > MOST_WEIGHTS:
            raise ModelFileError(f"it has {out:,} windows of {size:,} cells along an axis, too many to be imported")
        first, last = (-pads[axis], length + pads[axis + 2]) if with_border else (0, length)
        starts = np.arange(out) * windows.stride[axis] - before
        cells = starts[:, None] + np.arange(size) * windows.dilation[axis]
        counts.append(((cells >= first) & (cells < last)).sum(axis=1))
    shares = ours.CombineParameter(sums, "multiply", (len(counts[0]), len(counts[1]), 1))
    number = counts[0][:, None, None] * counts[1][None, :, None]
    call.set_parameters(shares, 1 / np.maximum(number, 1), frozen=True)
    return checked(shares)


def _sum_of_cells(call: Call, image: Layer, windows: Sliding) -> Layer:
    channels = image.out_dims[-1] or 0
    if prod(windows.size) * channels > MOST_WEIGHTS:
        raise ModelFileError(
            f"its windows have {prod(windows.size):,} cells in {channels} channels, too many to be imported"
        )
    sums = convolution_of(image, channels, windows, groups=channels)
    return call.set_parameters(checked(sums), np.ones(sums.W.shape), frozen=True)


def global_pool(function: str) -> Operator:
    """Return an operator of one number for each channel, with positions of size one."""

    def operator(call: Call) -> None:
        value = call.value(0)
        layer = channels_last(value, *range(3, 9))
        if function == "mean" and value.rank == 4:
            call.give(of_channels_last(ours.Reshape(ours.GlobalAvgPool2d(layer), (1, 1, layer.out_dims[-1] or 0))))
        else:
            call.give(reduce(of_channels_last(layer), function, range(2, value.rank), keep=True))

    return operator


OPERATORS: dict[str, Callable[[Call], None]] = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_pool("mean"),
    "GlobalMaxPool": global_pool("max"),
}
"""What makes layers of a node, by the operator."""
