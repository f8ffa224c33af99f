"""What estimators make of the outputs of their network, as ONNX operators."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pysmorch.export import messages
from pysmorch.export.forms import ClassesForm, Link, ValuesForm
from pysmorch.export.graph import OnnxGraph
from pysmorch.layers.base import Array

KINDS_OF_CLASSES: Mapping[str, int] = MappingProxyType(
    {"i": messages.INT64, "b": messages.BOOL, "f": messages.DOUBLE, "U": messages.STRING}
)
"""Types of classes in ONNX, by the kinds of dtypes."""


def add_link(graph: OnnxGraph, link: Link, value: str) -> str:
    """Add what turns the output of a network into what it predicts."""
    if link == "softmax":
        return graph.add("Softmax", value, axis=-1)
    if link == "sigmoid":
        return graph.add("Sigmoid", value)
    return graph.add("Exp", value) if link == "exp" else value


def add_answers(graph: OnnxGraph, form: ClassesForm | ValuesForm, outputs: str) -> None:
    """Add the outputs of a graph, made of those of the network.

    Parameters
    ----------
    graph : OnnxGraph
        To which nodes are added.
    form : ClassesForm or ValuesForm
        What they mean.
    outputs : str
        Those of the network, in float64.
    """
    if isinstance(form, ClassesForm):
        _add_classes(graph, form, outputs)
    else:
        _add_values(graph, form, outputs)


def _add_classes(graph: OnnxGraph, form: ClassesForm, outputs: str) -> None:
    """Add the outputs "label" and "probabilities" of a classifier."""
    probabilities = add_link(graph, form.link, outputs)
    graph.output("probabilities", probabilities, messages.DOUBLE, [len(form.classes)])
    if form.multilabel:
        labels = graph.cast(graph.add("Greater", probabilities, graph.constant(0.5)), messages.INT64)
        graph.output("label", labels, messages.INT64, [len(form.classes)])
        return
    index = _decided(graph, probabilities, form.rule)
    label = graph.add("Gather", graph.constant(form.classes), index, axis=0)
    graph.output("label", label, KINDS_OF_CLASSES[form.classes.dtype.kind], [])


def _decided(graph: OnnxGraph, probabilities: str, rule: float | Array | None) -> str:
    """Return the index of the class that is predicted."""
    if rule is None:
        return graph.add("ArgMax", probabilities, axis=1, keepdims=0)
    if isinstance(rule, float):
        second = graph.add("Gather", probabilities, graph.integers(1), axis=1)
        return graph.cast(graph.add("GreaterOrEqual", second, graph.constant(rule)), messages.INT64)
    return graph.add("ArgMin", graph.add("MatMul", probabilities, graph.constant(rule)), axis=1, keepdims=0)


def _add_values(graph: OnnxGraph, form: ValuesForm, outputs: str) -> None:
    """Add the output "prediction" of a regressor, in the units of its targets."""
    scaled = graph.add("Mul", add_link(graph, form.link, outputs), graph.constant(form.scale))
    values = graph.add("Add", scaled, graph.constant(form.mean))
    if form.ranks is not None:
        graph.output("prediction", _sorted(graph, values, form.ranks), messages.DOUBLE, [form.num_outputs])
    elif form.flat:
        graph.output("prediction", graph.add("Squeeze", values, graph.integers([1])), messages.DOUBLE, [])
    else:
        graph.output("prediction", values, messages.DOUBLE, [form.num_outputs])


def _sorted(graph: OnnxGraph, values: str, ranks: Array) -> str:
    """Return the values of each row in the order of these ranks."""
    order = graph.integers(len(ranks) - 1 - ranks)
    largest_first = graph.add("TopK", values, graph.integers([len(ranks)]), axis=1, largest=1, sorted=1, num_outputs=2)
    return graph.add("Gather", largest_first, order, axis=1)
