"""Layers of images and sequences as ONNX operators, which have the channels first."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from pysmorch import layers as ours
from pysmorch.export import messages
from pysmorch.export.rows import Form, quantized_input, same
from pysmorch.export.values import Values
from pysmorch.layers.base import Array
from pysmorch.layers.quantized import QuantizedConv1d, QuantizedConv2d


def convolution(values: Values, layer: Any) -> None:
    """A convolution of images, or of sequences."""
    graph = values.graph
    W = graph.floats(_filters_first(layer.W))
    values.set_first(
        layer, graph.add("Conv", values.first(layer.in_layer), W, **_of_windows(layer), group=layer.groups)
    )


def quantized_convolution(values: Values, layer: Any) -> None:
    """A convolution of integers, times a scale for each filter."""
    graph = values.graph
    count = len(layer.out_dims) - 2
    scales = layer.in_scales.reshape(-1, *(1,) * count)
    integers, zero = quantized_input(values, values.first(layer.in_layer), layer, scales)
    W = graph.constant(_filters_first(layer.weights))
    sums = graph.add("ConvInteger", integers, W, zero, **_of_windows(layer), group=layer.groups)
    scaled = graph.add("Mul", graph.cast(sums, messages.FLOAT), graph.floats(layer.scales.reshape(-1, *(1,) * count)))
    values.set_first(layer, scaled)


def transposed_convolution(values: Values, layer: Any) -> None:
    """The adjoint of a convolution; what is missing of the output's size is added below and to the right."""
    graph, windows = values.graph, layer.windows
    reached = [
        (n - 1) * step + (k - 1) * gap + 1 - before - after
        for n, step, k, gap, before, after in zip(
            layer.in_layer.out_dims[1:3],
            windows.stride,
            windows.size,
            windows.dilation,
            windows.before,
            windows.after,
            strict=True,
        )
    ]
    more = [size - found for size, found in zip(layer.out_dims[1:3], reached, strict=True)]
    after = [given - min(extra, 0) for given, extra in zip(windows.after, more, strict=True)]
    values.set_first(
        layer,
        graph.add(
            "ConvTranspose",
            values.first(layer.in_layer),
            graph.floats(layer.W.transpose(3, 2, 0, 1)),
            kernel_shape=windows.size,
            strides=windows.stride,
            dilations=windows.dilation,
            pads=[*windows.before, *after],
            output_padding=[max(extra, 0) for extra in more],
        ),
    )


def pooling(operator: str, **attributes: Any) -> Form:
    """Return the form of a pooling; the cells outside the image do not count."""

    def form(values: Values, layer: Any) -> None:
        windows = layer.windows
        value = values.graph.add(
            operator,
            values.first(layer.in_layer),
            kernel_shape=windows.size,
            strides=windows.stride,
            pads=[*windows.before, *windows.after],
            **attributes,
        )
        values.set_first(layer, value)

    return form


def global_pooling(values: Values, layer: Any) -> None:
    """The mean of every channel."""
    graph = values.graph
    mean = graph.add("GlobalAveragePool", values.first(layer.in_layer))
    values.set_last(layer, graph.add("Flatten", mean, axis=1))


def normalize(values: Values, layer: Any) -> None:
    """Each feature by its running mean and variance."""
    graph, count = values.graph, len(layer.running_mean)
    numbers = (np.ones(count), np.zeros(count), layer.running_mean, layer.running_var)
    value = graph.add(
        "BatchNormalization",
        values.first(layer.in_layer),
        *map(graph.floats, numbers),
        epsilon=float(layer.epsilon),
    )
    values.set_first(layer, value)


def group_normalize(values: Values, layer: Any) -> None:
    """Each group of channels of an example by its mean and variance; GroupNormalization changed between versions."""
    graph = values.graph
    *positions, channels = layer.out_dims[1:]
    size = prod(positions) * channels // layer.num_groups
    groups = graph.reshape(values.first(layer.in_layer), [layer.num_groups, size])
    scaled = graph.add("LayerNormalization", groups, graph.floats(np.ones(size)), axis=-1, epsilon=float(layer.epsilon))
    values.set_first(layer, graph.reshape(scaled, [channels, *positions]))


def upsample(values: Values, layer: Any) -> None:
    """Every pixel several times."""
    graph = values.graph
    factors = graph.floats([1, 1, *layer.factor])
    value = graph.add(
        "Resize",
        values.first(layer.in_layer),
        "",
        factors,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    values.set_first(layer, value)


def pad(values: Values, layer: Any) -> None:
    """Zeros around the image."""
    (top, bottom), (left, right) = layer.padding
    cells = values.graph.integers([0, 0, top, left, 0, 0, bottom, right])
    values.set_first(layer, values.graph.add("Pad", values.first(layer.in_layer), cells))


def crop(values: Values, layer: Any) -> None:
    """The middle of the image, which prediction takes."""
    graph = values.graph
    top, left = (layer.height - layer.size[0]) // 2, (layer.width - layer.size[1]) // 2
    starts, ends = graph.integers([top, left]), graph.integers([top + layer.size[0], left + layer.size[1]])
    values.set_first(layer, graph.add("Slice", values.first(layer.in_layer), starts, ends, graph.integers([2, 3])))


def _filters_first(W: Array) -> Array:
    """Return (KH, KW, C, K) as (K, C, KH, KW)."""
    return np.moveaxis(W, (-1, -2), (0, 1))


def _of_windows(layer: Any) -> dict[str, Any]:
    """Return the attributes of a convolution; a sequence is an image of height one."""
    windows = layer.windows
    skipped = 4 - len(layer.out_dims)
    return {
        "kernel_shape": windows.size[skipped:],
        "strides": windows.stride[skipped:],
        "dilations": windows.dilation[skipped:],
        "pads": [*windows.before[skipped:], *windows.after[skipped:]],
    }


FORMS: dict[type, Form] = {
    ours.Conv1d: convolution,
    ours.Conv2d: convolution,
    QuantizedConv1d: quantized_convolution,
    QuantizedConv2d: quantized_convolution,
    ours.ConvTranspose2d: transposed_convolution,
    ours.MaxPool2d: pooling("MaxPool"),
    ours.AvgPool2d: pooling("AveragePool", count_include_pad=0),
    ours.GlobalAvgPool2d: global_pooling,
    ours.Normalize: normalize,
    ours.GroupNormalize: group_normalize,
    ours.Upsample2d: upsample,
    ours.Pad2d: pad,
    ours.RandomCrop: crop,
    **dict.fromkeys((ours.RandomShift, ours.RandomFlip, ours.Cutout), same),
}
"""The forms by the classes of layers; a subclass may compute something else."""
