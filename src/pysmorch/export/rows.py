"""Layers of rows and of single entries as ONNX operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pysmorch import layers as ours
from pysmorch.export import messages
from pysmorch.export.values import Values
from pysmorch.layers.quantized import QuantizedLinear

Form = Callable[[Values, Any], None]
"""Adds the operators of a layer to the graph."""

SAME_NAME = (ours.Relu, ours.Sigmoid, ours.Tanh, ours.Gelu, ours.Mish, ours.Cos)
"""Activations that ONNX has by the same name."""


def data(values: Values, layer: Any) -> None:
    """Nothing: the inputs of the graph are named before."""


def same(values: Values, layer: Any) -> None:
    """The output is the input."""
    values.same(layer)


def linear(values: Values, layer: Any) -> None:
    """X W."""
    graph = values.graph
    values.set_last(layer, graph.add("MatMul", values.last(layer.in_layer), graph.floats(layer.W)))


def quantized_linear(values: Values, layer: Any) -> None:
    """Integers of the input times the weights, times a scale for each output."""
    graph = values.graph
    integers, zero = quantized_input(values, values.last(layer.in_layer), layer, layer.in_scales)
    sums = graph.add("MatMulInteger", integers, graph.constant(layer.weights), zero)
    values.set_last(layer, graph.add("Mul", graph.cast(sums, messages.FLOAT), graph.floats(layer.scales)))


def quantized_input(values: Values, value: str, layer: Any, scales: Any) -> tuple[str, str]:
    """Return the integers of an input, and the integer that stands for 0.

    Where an input may be negative, 128 is added, since convolutions of integers take unsigned ones.
    """
    graph = values.graph
    steps = (1 / np.asarray(scales, np.float64)).astype(np.float32)
    low, high, zero = (-127.0, 127.0, 128) if layer.signed else (0.0, 255.0, 0)
    steps_in = graph.add("Round", graph.add("Mul", value, graph.floats(steps)))
    clipped = graph.add("Clip", steps_in, graph.floats(low), graph.floats(high))
    shifted = graph.add("Add", clipped, graph.floats(zero)) if zero else clipped
    return graph.cast(shifted, messages.UINT8), graph.constant(np.uint8(zero))


def by_feature(operator: str) -> Form:
    """Return the form of a layer with a number for each feature, which is added or multiplied."""

    def form(values: Values, layer: Any) -> None:
        row = values.feature_row(layer, layer.W)
        values.entry_by_entry(layer, lambda x: values.graph.add(operator, x, row))

    return form


def rescale(values: Values, layer: Any) -> None:
    """scale X + shift."""
    graph = values.graph
    scale, shift = graph.floats(layer.scale), graph.floats(layer.shift)
    values.entry_by_entry(layer, lambda x: graph.add("Add", graph.add("Mul", x, scale), shift))


def activation(values: Values, layer: Any) -> None:
    """An activation that ONNX has by the same name."""
    values.entry_by_entry(layer, lambda x: values.graph.add(type(layer).__name__, x))


def leaky_relu(values: Values, layer: Any) -> None:
    """LeakyRelu with its slope."""
    values.entry_by_entry(layer, lambda x: values.graph.add("LeakyRelu", x, alpha=float(layer.slope)))


def selu(values: Values, layer: Any) -> None:
    """Selu with its two numbers."""
    alpha, gamma = float(layer.alpha), float(layer.scale)
    values.entry_by_entry(layer, lambda x: values.graph.add("Selu", x, alpha=alpha, gamma=gamma))


def silu(values: Values, layer: Any) -> None:
    """x s(x); ONNX has it by a name only in its newest versions."""
    graph = values.graph
    values.entry_by_entry(layer, lambda x: graph.add("Mul", x, graph.add("Sigmoid", x)))


def smooth_clip(values: Values, layer: Any) -> None:
    """x / sqrt(1 + t^2) with t = x / limit, divided by m = max(1, |t|) within the root, so that no square is too large."""
    graph = values.graph
    limit, one = graph.floats(layer.limit), graph.floats(1.0)

    def operators(x: str) -> str:
        t = graph.add("Div", x, limit)
        m = graph.add("Max", graph.add("Abs", t), one)
        parts = [graph.add("Div", part, m) for part in (one, t)]
        squares = [graph.add("Mul", part, part) for part in parts]
        return graph.add("Div", graph.add("Div", x, m), graph.add("Sqrt", graph.add("Add", *squares)))

    values.entry_by_entry(layer, operators)


def add(values: Values, layer: Any) -> None:
    """The sum of the inputs."""
    values.entry_by_entry(layer, lambda *inputs: values.graph.add("Sum", *inputs))


def multiply(values: Values, layer: Any) -> None:
    """The product of the inputs."""

    def operators(first: str, *others: str) -> str:
        for other in others:
            first = values.graph.add("Mul", first, other)
        return first

    values.entry_by_entry(layer, operators)


def blend(values: Values, layer: Any) -> None:
    """X1 + W (X2 - X1)."""
    graph, row = values.graph, values.feature_row(layer, layer.W)
    values.entry_by_entry(layer, lambda x1, x2: graph.add("Add", x1, graph.add("Mul", row, graph.add("Sub", x2, x1))))


def log_mean_softmax(values: Values, layer: Any) -> None:
    """log(1/K sum_k softmax(X_k)), with the largest logarithm taken away before anything is exponentiated."""
    graph = values.graph
    logarithms = [graph.add("LogSoftmax", values.last(feeder), axis=-1) for feeder in layer.in_layers]
    largest = graph.add("Max", *logarithms)
    terms = [graph.add("Exp", graph.add("Sub", one, largest)) for one in logarithms]
    total = graph.add("Log", graph.add("Sum", *terms))
    count = graph.floats(np.log(len(terms)))
    values.set_last(layer, graph.add("Sub", graph.add("Add", total, largest), count))


def concat(values: Values, layer: Any) -> None:
    """The inputs side by side, by their features."""
    feeders = layer.in_layers
    if all(values.is_first(feeder) for feeder in feeders):
        values.set_first(layer, values.graph.add("Concat", *map(values.first, feeders), axis=1))
    else:
        values.set_last(layer, values.graph.add("Concat", *map(values.last, feeders), axis=-1))


def columns(values: Values, layer: Any) -> None:
    """Neighbouring features of the input."""
    graph = values.graph
    start, stop, axis = graph.integers([layer.start]), graph.integers([layer.stop]), graph.integers([-1])
    values.set_last(layer, graph.add("Slice", values.last(layer.in_layer), start, stop, axis))


def reshape(values: Values, layer: Any) -> None:
    """The entries of each row in another shape."""
    values.set_last(layer, values.graph.reshape(values.last(layer.in_layer), layer.out_dims[1:]))


def embedding(values: Values, layer: Any) -> None:
    """Rows of W."""
    graph = values.graph
    indices = graph.cast(values.last(layer.in_layer), messages.INT64)
    values.set_last(layer, graph.add("Gather", graph.floats(layer.W), indices, axis=0))


def layer_normalize(values: Values, layer: Any) -> None:
    """Each example by mean and variance of its features."""
    graph = values.graph
    scale = graph.floats(np.ones(layer.out_dims[-1]))
    values.set_last(
        layer,
        graph.add("LayerNormalization", values.last(layer.in_layer), scale, axis=-1, epsilon=float(layer.epsilon)),
    )


FORMS: dict[type, Form] = {
    ours.Data: data,
    ours.Dropout: same,
    ours.Linear: linear,
    QuantizedLinear: quantized_linear,
    ours.Bias: by_feature("Add"),
    ours.Scale: by_feature("Mul"),
    ours.Rescale: rescale,
    **dict.fromkeys(SAME_NAME, activation),
    ours.LeakyRelu: leaky_relu,
    ours.Selu: selu,
    ours.Silu: silu,
    ours.SmoothClip: smooth_clip,
    ours.Add: add,
    ours.Multiply: multiply,
    ours.Blend: blend,
    ours.LogMeanSoftmax: log_mean_softmax,
    ours.Concat: concat,
    ours.Columns: columns,
    ours.Reshape: reshape,
    ours.Flatten: reshape,
    ours.Embedding: embedding,
    ours.LayerNormalize: layer_normalize,
}
"""The forms by the classes of layers; a subclass may compute something else."""
