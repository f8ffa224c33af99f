"""Layers as expressions of Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from pysmorch import layers as ours
from pysmorch.export.python.source import Source
from pysmorch.export.steps import RESHAPED, UNCHANGED

Form = Callable[[Source, Any, Sequence[str]], str]
"""Returns the output of a layer as an expression of its inputs, which are names."""


def call(name: str, *attributes: str) -> Form:
    """Return the form of a layer that is a function of its input and of some of its attributes."""

    def form(source: Source, layer: Any, inputs: Sequence[str]) -> str:
        values = [f"{key}={getattr(layer, key)!r}" for key in attributes]
        return f"{source.function(name)}({', '.join([*inputs, *values])})"

    return form


def joined(operator: str) -> Form:
    """Return the form of a layer with an operator between its inputs."""
    return lambda source, layer, inputs: f" {operator} ".join(inputs)


def with_weights(operator: str) -> Form:
    """Return the form of a layer with an operator between its input and its weights."""
    return lambda source, layer, inputs: f"{inputs[0]} {operator} {source.weights(layer, 'W')}"


def of_numpy(function: str) -> Form:
    """Return the form of a layer that is a function of NumPy."""
    return lambda source, layer, inputs: f"np.{function}({inputs[0]})"


def rescale(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """scale x + shift."""
    return f"{float(layer.scale)!r} * {inputs[0]} + {float(layer.shift)!r}"


def reshape(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """The same entries in another shape."""
    return f"{inputs[0]}.reshape({', '.join([f'len({inputs[0]})', *map(str, layer.out_dims[1:])])})"


def function(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """A function of every entry."""
    return FUNCTIONS.get(layer.function, of_numpy(layer.function))(source, layer, inputs)


def clip(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """Every entry within bounds."""
    low = "-np.inf" if layer.low is None else layer.low
    high = "np.inf" if layer.high is None else layer.high
    return f"np.clip({inputs[0]}, {low}, {high})"


def combine(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """An operation, whose name is that of NumPy's function."""
    return f"np.{layer.operation}({', '.join(inputs)})"


def combine_parameter(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """An operation of the input and the parameters."""
    both = [inputs[0], source.weights(layer, "W")]
    return combine(source, layer, both[::-1] if layer.parameter_first else both)


def transpose(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """The axes in another order."""
    return f"{inputs[0]}.transpose(0, {', '.join(map(str, layer.order))})"


def take(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """Entries along an axis."""
    return f"{inputs[0]}.take({source.indices(layer, 'indices', layer.indices)}, axis={layer.axis})"


def surround(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """A number around each example."""
    return f"np.pad({inputs[0]}, {((0, 0), *layer.padding)}, constant_values={layer.value!r})"


def reduction(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """One number of the entries along some axes."""
    axes = tuple(layer.axes)
    if layer.function == "log_sum_exp":
        value = f"{source.function('logsumexp')}({inputs[0]}, {axes})"
        return value if layer.keep_axes else f"{value}.squeeze({axes})"
    name = "prod" if layer.function == "product" else layer.function
    return f"{inputs[0]}.{name}(axis={axes}{', keepdims=True' if layer.keep_axes else ''})"


def log_softmax(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """x - log(sum exp(x))."""
    return f"{source.function('log_softmax')}({inputs[0]}, {tuple(layer.axes)})"


def concat(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """The inputs side by side."""
    return f"np.concatenate([{', '.join(inputs)}], axis=-1)"


def columns(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """Neighbouring features."""
    return f"{inputs[0]}[..., {layer.start}:{layer.stop}]"


def blend(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """a + W (b - a)."""
    first, second = inputs
    return f"{first} + {source.weights(layer, 'W')} * ({second} - {first})"


def embedding(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """Rows of W."""
    return f"{source.function('look_up')}({inputs[0]}, {source.weights(layer, 'W')})"


def normalize(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """(x - mean) factor, of the running statistics."""
    mean = source.array(layer, "mean", layer.running_mean)
    factor = source.array(layer, "factor", 1 / np.sqrt(layer.running_var + layer.epsilon))
    return f"(({inputs[0]} - {mean}) * {factor}).astype(np.float32)"


def normalize_features(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """Each row with mean 0 and variance 1."""
    return f"{source.function('normalize_features')}({inputs[0]}, {float(layer.epsilon)!r})"


def normalize_groups(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """Each group of channels with mean 0 and variance 1."""
    return f"{source.function('normalize_groups')}({inputs[0]}, {layer.num_groups}, {float(layer.epsilon)!r})"


def convolution(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """A convolution of images, or of sequences as images of one row."""
    windows, x, W = layer.windows, inputs[0], source.weights(layer, "W")
    is_sequence = len(layer.out_dims) == 3
    if is_sequence:
        x, W = f"{x}[:, None]", f"{W}[None]"
    if any((*windows.before, *windows.after)):
        x = f"{source.function('padded')}({x}, {sides(windows)})"
    sizes = f"stride={windows.stride}, dilation={windows.dilation}, out={windows.out}, groups={layer.groups}"
    return f"{source.function('convolution')}({x}, {W}, {sizes}){'[:, 0]' if is_sequence else ''}"


def transposed_convolution(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """The adjoint of a convolution."""
    windows = layer.windows
    sizes = f"stride={windows.stride}, dilation={windows.dilation}, sides={sides(windows)}, out={windows.image}"
    return f"{source.function('transposed_convolution')}({inputs[0]}, {source.weights(layer, 'W')}, {sizes})"


def pooling(name: str) -> Form:
    """Return the form of a pooling."""

    def form(source: Source, layer: Any, inputs: Sequence[str]) -> str:
        windows = layer.windows
        sizes = f"size={windows.size}, stride={windows.stride}, sides={sides(windows)}, out={windows.out}"
        return f"{source.function(name)}({inputs[0]}, {sizes})"

    return form


def pad(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """Zeros around the image."""
    return f"{source.function('padded')}({inputs[0]}, {layer.padding})"


def crop(source: Source, layer: Any, inputs: Sequence[str]) -> str:
    """The middle of the image."""
    top, left = (layer.height - layer.size[0]) // 2, (layer.width - layer.size[1]) // 2
    return f"{inputs[0]}[:, {top}:{top + layer.size[0]}, {left}:{left + layer.size[1]}]"


def sides(windows: Any) -> str:
    """Return the cells added above and below, to the left and to the right."""
    return str(tuple(zip(windows.before, windows.after, strict=True)))


FUNCTIONS: Mapping[str, Form] = MappingProxyType(
    {
        "acos": of_numpy("arccos"),
        "acosh": of_numpy("arccosh"),
        "asin": of_numpy("arcsin"),
        "asinh": of_numpy("arcsinh"),
        "atan": of_numpy("arctan"),
        "atanh": of_numpy("arctanh"),
        "elu": call("elu"),
        "erf": call("error_function"),
        "reciprocal": lambda source, layer, inputs: f"1 / {inputs[0]}",
        "softplus": call("softplus"),
        "softsign": lambda source, layer, inputs: f"{inputs[0]} / (1 + np.abs({inputs[0]}))",
        "step": lambda source, layer, inputs: f"({inputs[0]} > 0).astype({inputs[0]}.dtype)",
    }
)
"""The functions of `Function` that NumPy has not by the same name."""

FORMS: Mapping[type, Form] = MappingProxyType(
    {
        ours.Data: joined(""),
        **dict.fromkeys(UNCHANGED, joined("")),
        **dict.fromkeys(RESHAPED, reshape),
        ours.Linear: with_weights("@"),
        ours.Bias: with_weights("+"),
        ours.Scale: with_weights("*"),
        ours.Rescale: rescale,
        ours.Relu: call("relu"),
        ours.LeakyRelu: call("leaky_relu", "slope"),
        ours.Sigmoid: call("sigmoid"),
        ours.Tanh: of_numpy("tanh"),
        ours.Gelu: call("gelu"),
        ours.Silu: call("silu"),
        ours.Mish: call("mish"),
        ours.Selu: call("selu", "alpha", "scale"),
        ours.Cos: of_numpy("cos"),
        ours.SmoothClip: call("smooth_clip", "limit"),
        ours.Add: joined("+"),
        ours.Multiply: joined("*"),
        ours.Blend: blend,
        ours.LogMeanSoftmax: call("log_mean_softmax"),
        ours.Function: function,
        ours.Clip: clip,
        ours.Combine: combine,
        ours.CombineParameter: combine_parameter,
        ours.MatrixProduct: joined("@"),
        ours.Transpose: transpose,
        ours.Take: take,
        ours.Pad: surround,
        ours.Reduce: reduction,
        ours.LogSoftmax: log_softmax,
        ours.Concat: concat,
        ours.Columns: columns,
        ours.Embedding: embedding,
        ours.Normalize: normalize,
        ours.LayerNormalize: normalize_features,
        ours.GroupNormalize: normalize_groups,
        ours.Conv2d: convolution,
        ours.Conv1d: convolution,
        ours.ConvTranspose2d: transposed_convolution,
        ours.MaxPool2d: pooling("max_pooling"),
        ours.AvgPool2d: pooling("mean_pooling"),
        ours.GlobalAvgPool2d: lambda source, layer, inputs: f"{inputs[0]}.mean(axis=(1, 2))",
        ours.Upsample2d: lambda source, layer, inputs: (
            f"{inputs[0]}.repeat({layer.factor[0]}, axis=1).repeat({layer.factor[1]}, axis=2)"
        ),
        ours.Pad2d: pad,
        ours.RandomCrop: crop,
    }
)
"""The forms by the classes of layers; a subclass may compute something else."""
