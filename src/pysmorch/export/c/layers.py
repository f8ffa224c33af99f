"""Layers as calls of C functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from pysmorch import layers as ours
from pysmorch.export.c import loops
from pysmorch.export.c.code import Code, float_literal, pointer, size_of
from pysmorch.export.c.literals import number
from pysmorch.export.steps import RESHAPED, UNCHANGED
from pysmorch.layers.base import Array

Form = Callable[[Code, Any, Sequence[str], str], None]
"""Adds the lines that compute a layer's output, of expressions for the inputs and the output."""

FILTERS_AT_A_TIME = 16
"""A row of packed weights has a multiple of so many, the others 0."""

FEW_OUTPUTS = 8
"""A dense layer of fewer outputs has its weights as they are."""


def nothing(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """The output is the input."""


def activation(kernel: str, *attributes: str, function: str = "") -> Form:
    """Return the form of a layer that is a function of each entry, with some of its attributes."""

    def form(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
        values = [float_literal(getattr(layer, key)) for key in attributes]
        code.call(kernel, inputs[0], out, size_of(layer), *values, function=function)

    return form


def linear(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """X W, as a convolution of images of one pixel."""
    num_inputs, num_outputs = layer.W.shape
    if num_outputs < FEW_OUTPUTS:
        code.call("few_outputs", inputs[0], code.weights(layer, layer.W), out, num_inputs, num_outputs)
        return
    sizes = [1, 1, num_inputs, 1, 1, num_outputs, 1, 1, 1, 1, 1, 1, 0, 0, 1]
    windows = code.windows(layer, dict(zip(GEOMETRY, sizes, strict=True)))
    code.call("convolution", inputs[0], code.weights(layer, packed(layer.W)), out, windows)


def packed(W: Array) -> Array:
    """Return weights, filters last, with zeros up to a multiple of `FILTERS_AT_A_TIME`."""
    missing = -W.shape[-1] % FILTERS_AT_A_TIME
    return np.pad(W.reshape(-1, W.shape[-1]), ((0, 0), (0, missing)))


def convolution(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """A convolution of the image with zeros around it."""
    sizes, windows, x = layer.geometry, layer.windows, inputs[0]
    (top, left), (bottom, right) = windows.before, windows.after
    height, width = (top + windows.image[0] + bottom, left + windows.image[1] + right)
    padding = None
    if (height, width) != windows.image:
        padding = code.memory.allocate(height * width * sizes["channels"])
        x = _padded(code, x, pointer(padding), windows.image, (top, left), (height, width), sizes["channels"])
    sizes = sizes | {"height": height, "width": width, "pad_top": 0, "pad_left": 0}
    is_grouped = sizes["groups"] > 1
    W = code.weights(layer, layer.W if is_grouped else packed(layer.W))
    code.call("grouped_convolution" if is_grouped else "convolution", x, W, out, code.windows(layer, sizes))
    if padding is not None:
        code.memory.release(padding)


def _padded(
    code: Code,
    x: str,
    out: str,
    size: Sequence[int],
    corner: Sequence[int],
    out_size: Sequence[int],
    channels: int,
) -> str:
    """Add the line that writes an image with zeros around it, and return where it is."""
    (height, width), (top, left), (out_height, out_width) = size, corner, out_size
    code.call("pad", x, out, height, width * channels, top, left * channels, out_height, out_width * channels)
    return out


def transposed_convolution(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """The adjoint of a convolution, with a kernel (KH, KW, C, K) for each entry of the input."""
    W = code.weights(layer, np.swapaxes(layer.W, 2, 3))
    code.call("transposed_convolution", inputs[0], W, out, code.windows(layer, layer.geometry))


def pooling(kernel: str) -> Form:
    """Return the form of a pooling."""

    def form(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
        channels = layer.out_dims[-1]
        sizes = layer.windows.geometry(channels, channels, 1)
        code.call(kernel, inputs[0], out, code.windows(layer, sizes))

    return form


def global_mean(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """The mean of each channel."""
    code.call("global_mean", inputs[0], out, layer.height * layer.width, layer.channels)


def by_feature(kernel: str) -> Form:
    """Return the form of a layer with a number for each feature."""

    def form(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
        width = layer.W.size
        code.call(kernel, *inputs, code.weights(layer, layer.W), out, size_of(layer) // width, width)

    return form


def normalize(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """Each feature by its running mean and variance."""
    width = len(layer.running_mean)
    mean = code.weights(layer, layer.running_mean, "mean")
    factor = code.weights(layer, 1 / np.sqrt(layer.running_var + layer.epsilon), "factor")
    code.call("normalize_row", inputs[0], mean, factor, out, size_of(layer) // width, width)


def normalize_features(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """Each row with mean 0 and variance 1."""
    width = layer.out_dims[-1]
    epsilon = number(np.float64(layer.epsilon))
    code.call("normalize_features", inputs[0], out, size_of(layer) // width, width, epsilon)


def normalize_groups(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """Each group of channels with mean 0 and variance 1."""
    channels = layer.out_dims[-1]
    epsilon = number(np.float64(layer.epsilon))
    code.call("normalize_groups", inputs[0], out, size_of(layer) // channels, channels, layer.num_groups, epsilon)


def rescale(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """scale x + shift."""
    code.call("rescale", inputs[0], out, size_of(layer), float_literal(layer.scale), float_literal(layer.shift))


def merge(kernel: str) -> Form:
    """Return the form of a layer that adds or multiplies its inputs, one after the other."""

    def form(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
        code.call(kernel, inputs[0], inputs[1], out, size_of(layer))
        for other in inputs[2:]:
            code.call(kernel, out, other, out, size_of(layer))

    return form


def log_mean_softmax(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """The logarithm of the mean of the softmax of each input."""
    width, size = layer.out_dims[-1], size_of(layer)
    code.lines.append("{")
    code.lines.append(f"PYSMORCH_STORAGE double total[{size}], more[{size}];")
    code.call("log_softmax", inputs[0], "total", size // width, width)
    for other in inputs[1:]:
        code.call("log_softmax", other, "more", size // width, width)
        code.call("add_logarithm", "total", "more", size)
    count = number(np.float64(np.log(len(inputs))))
    code.lines += [f"for (int i = 0; i < {size}; i++) ({out})[i] = (float)(total[i] - {count});", "}"]


def concat(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """The inputs side by side."""
    width, start = layer.out_dims[-1], 0
    for value, size in zip(inputs, layer.sizes, strict=True):
        code.call("copy", value, f"{out} + {start}", size_of(layer) // width, size, width, size)
        start += size


def columns(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """Neighbouring features."""
    width, count = layer.in_layer.out_dims[-1], layer.stop - layer.start
    code.call("copy", f"{inputs[0]} + {layer.start}", out, size_of(layer) // count, width, count, count)


def embedding(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """Rows of W; a wrong index ends the prediction."""
    code.kernel("look_up")
    entries, width = layer.W.shape
    W, count = code.weights(layer, layer.W), size_of(layer) // width
    code.lines.append(f"if (look_up({inputs[0]}, {W}, {out}, {count}, {entries}, {width}) < 0) return -1;")


def upsample(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """Every pixel several times."""
    code.call("upsample", inputs[0], out, layer.width, layer.channels, *layer.out_size, *layer.factor)


def pad(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """Zeros around the image."""
    (top, _), (left, _) = layer.padding
    _padded(code, inputs[0], out, (layer.height, layer.width), (top, left), layer.out_size, layer.channels)


def crop(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """The middle of the image."""
    top, left = (layer.height - layer.size[0]) // 2, (layer.width - layer.size[1]) // 2
    row, start, out_row = (n * layer.channels for n in (layer.width, left, layer.size[1]))
    code.call("crop", inputs[0], out, row, top, start, layer.size[0], out_row)


GEOMETRY = (
    *("height", "width", "channels", "out_height", "out_width", "out_channels", "kernel_height", "kernel_width"),
    *("stride_height", "stride_width", "dilation_height", "dilation_width", "pad_top", "pad_left", "groups"),
)
"""The sizes of windows in their order in C, which is that of `Windows.geometry`."""

ENTRY_BY_ENTRY: Mapping[type, Form] = MappingProxyType(
    {
        ours.Bias: by_feature("add_row"),
        ours.Scale: by_feature("multiply_row"),
        ours.Rescale: rescale,
        ours.Relu: activation("relu"),
        ours.LeakyRelu: activation("leaky_relu", "slope"),
        ours.Sigmoid: activation("sigmoid"),
        ours.Tanh: activation("tanh", function="hyperbolic_tangent"),
        ours.Gelu: activation("gelu"),
        ours.Silu: activation("silu"),
        ours.Mish: activation("mish"),
        ours.Selu: activation("selu", "alpha", "scale"),
        ours.Cos: activation("cos", function="cosine"),
        ours.SmoothClip: activation("smooth_clip", "limit"),
        ours.Function: loops.function,
        ours.Clip: loops.clip,
        ours.Normalize: normalize,
        ours.LayerNormalize: normalize_features,
        ours.GroupNormalize: normalize_groups,
    }
)
"""The forms of layers of one input whose output may be where their input is."""

FORMS: Mapping[type, Form] = MappingProxyType(
    {
        ours.Data: nothing,
        **dict.fromkeys((*UNCHANGED, *RESHAPED), nothing),
        **ENTRY_BY_ENTRY,
        ours.Linear: linear,
        ours.Add: merge("add"),
        ours.Multiply: merge("multiply"),
        ours.Blend: by_feature("blend"),
        ours.LogMeanSoftmax: log_mean_softmax,
        ours.Combine: loops.combine,
        ours.CombineParameter: loops.combine_parameter,
        ours.MatrixProduct: loops.matrix_product,
        ours.Transpose: loops.transpose,
        ours.Take: loops.take,
        ours.Pad: loops.pad,
        ours.Reduce: loops.reduction,
        ours.LogSoftmax: loops.log_softmax,
        ours.Concat: concat,
        ours.Columns: columns,
        ours.Embedding: embedding,
        ours.Conv2d: convolution,
        ours.Conv1d: convolution,
        ours.ConvTranspose2d: transposed_convolution,
        ours.MaxPool2d: pooling("max_pooling"),
        ours.AvgPool2d: pooling("mean_pooling"),
        ours.GlobalAvgPool2d: global_mean,
        ours.Upsample2d: upsample,
        ours.Pad2d: pad,
        ours.RandomCrop: crop,
    }
)
"""The forms by the classes of layers; a subclass may compute something else."""
