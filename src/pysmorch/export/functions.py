"""Layers of functions, arithmetic and axes as ONNX operators."""

from __future__ import annotations

from typing import Any

from pysmorch import layers as ours
from pysmorch.export import messages
from pysmorch.export.graph import REDUCTIONS, OnnxGraph
from pysmorch.export.rows import Form
from pysmorch.export.values import Values

NAMES = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "power": "Pow",
    "maximum": "Max",
    "minimum": "Min",
}
"""Operators of two inputs by the names of the operations."""


def function(values: Values, layer: Any) -> None:
    """A function of each entry; ONNX has nearly all of them by the same name."""
    values.entry_by_entry(layer, lambda x: _function(values.graph, layer.function, x))


def _function(graph: OnnxGraph, name: str, x: str) -> str:
    if name == "square":
        return graph.add("Mul", x, x)
    if name == "step":
        return graph.cast(graph.add("Greater", x, graph.floats(0.0)), messages.FLOAT)
    return graph.add(name.capitalize(), x)


def clip(values: Values, layer: Any) -> None:
    """Bounds, of which one may be missing."""
    graph = values.graph
    low, high = ("" if bound is None else graph.floats(bound) for bound in (layer.low, layer.high))
    values.entry_by_entry(layer, lambda x: graph.add("Clip", x, low, high))


def combine(values: Values, layer: Any) -> None:
    """An operation of two inputs."""
    values.entry_by_entry(layer, lambda a, b: values.graph.add(NAMES[layer.operation], a, b))


def combine_parameter(values: Values, layer: Any) -> None:
    """An operation of the input and a constant."""
    graph = values.graph
    operands = [values.last(layer.in_layer), graph.floats(layer.W)]
    values.set_last(layer, graph.add(NAMES[layer.operation], *(operands[::-1] if layer.parameter_first else operands)))


def matrix_product(values: Values, layer: Any) -> None:
    """The products of matrices."""
    values.set_last(layer, values.graph.add("MatMul", *map(values.last, layer.in_layers)))


def transpose(values: Values, layer: Any) -> None:
    """The axes in another order."""
    values.set_last(layer, values.graph.transpose(values.last(layer.in_layer), (0, *layer.order)))


def take(values: Values, layer: Any) -> None:
    """Entries by their indices."""
    graph = values.graph
    taken = graph.add("Gather", values.last(layer.in_layer), graph.integers(layer.indices), axis=layer.axis)
    values.set_last(layer, taken)


def pad(values: Values, layer: Any) -> None:
    """A number around each example."""
    graph = values.graph
    before, after = ([sides[i] for sides in layer.padding] for i in (0, 1))
    cells = graph.integers([0, *before, 0, *after])
    values.set_last(layer, graph.add("Pad", values.last(layer.in_layer), cells, graph.floats(layer.value)))


def reduction(values: Values, layer: Any) -> None:
    """One number along some axes."""
    graph = values.graph
    axes = graph.integers(layer.axes)
    reduced = graph.add(REDUCTIONS[layer.function], values.last(layer.in_layer), axes, keepdims=int(layer.keep_axes))
    values.set_last(layer, reduced)


def log_softmax(values: Values, layer: Any) -> None:
    """Logarithms of probabilities; ONNX has one axis for that, else it is what is left of the logarithm of the sum."""
    graph, x = values.graph, values.last(layer.in_layer)
    if len(layer.axes) == 1:
        values.set_last(layer, graph.add("LogSoftmax", x, axis=layer.axes[0]))
        return
    axes = graph.integers(layer.axes)
    centred = graph.add("Sub", x, graph.add("ReduceMax", x, axes, keepdims=1))
    values.set_last(layer, graph.add("Sub", centred, graph.add("ReduceLogSumExp", centred, axes, keepdims=1)))


FORMS: dict[type, Form] = {
    ours.Function: function,
    ours.Clip: clip,
    ours.Combine: combine,
    ours.CombineParameter: combine_parameter,
    ours.MatrixProduct: matrix_product,
    ours.Transpose: transpose,
    ours.Take: take,
    ours.Pad: pad,
    ours.Reduce: reduction,
    ours.LogSoftmax: log_softmax,
}
"""The forms by the classes of layers; a subclass may compute something else."""
