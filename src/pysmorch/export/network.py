"""A network, and a whole model, as an ONNX file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pysmorch.export import functions, images, messages, rows
from pysmorch.export.answers import add_answers, add_link
from pysmorch.export.encoding import add_inputs
from pysmorch.export.forms import ModelForm, check_layers, link_of
from pysmorch.export.graph import OnnxGraph
from pysmorch.export.values import Values
from pysmorch.layers.dense import data_layers

FORMS = rows.FORMS | images.FORMS | functions.FORMS


def add_layers(graph: OnnxGraph, layers: Sequence[Any], entries: Sequence[str], channels_first: bool = False) -> Values:
    """Add layers to a graph.

    Parameters
    ----------
    graph : OnnxGraph
        To which nodes are added.
    layers : sequence of Layer
        In topological order, of `check_layers`.
    entries : sequence of str
        What the Data layers hold, in their order.
    channels_first : bool, default=False
        Whether these have their channels first.

    Returns
    -------
    Values
        The outputs of the layers.
    """
    values = Values(graph)
    for layer, entry in zip(data_layers(layers), entries, strict=True):
        (values.set_first if channels_first else values.set_last)(layer, entry)
    for layer in layers:
        FORMS[type(layer)](values, layer)
    return values


def input_names(inputs: Sequence[Any]) -> list[str]:
    """Return the names of a network's inputs: those of its Data layers, else "input", with a number where there are several."""
    if len(inputs) == 1:
        return [inputs[0].name or "input"]
    return [layer.name or f"input{i + 1}" for i, layer in enumerate(inputs)]


def network_to_onnx(layers: Sequence[Any], names: Sequence[str], loss: Any) -> bytes:
    """Return a network as the content of an ONNX file.

    Parameters
    ----------
    layers : sequence of Layer
        All of them, in topological order.
    names : sequence of str
        Their names, for messages.
    loss : Loss
        Its input is the output.

    Returns
    -------
    bytes
        With an output "output", and "predictions" where the loss makes something else of it.

    Raises
    ------
    ValueError
        Where a layer has no form in ONNX, or the parameters are too large.
    """
    check_layers(layers, names, FORMS, "ONNX")
    graph = OnnxGraph()
    inputs = data_layers(layers)
    indices = {id(layer.in_layer) for layer in layers if layer.reads_indices}
    entries = [
        graph.input(name, messages.INT64 if id(layer) in indices else messages.FLOAT, layer.out_dims[1:])
        for name, layer in zip(input_names(inputs), inputs, strict=True)
    ]
    shape = loss.in_layer.out_dims[1:]
    output = add_layers(graph, layers, entries).last(loss.in_layer)
    graph.output("output", output, messages.FLOAT, shape)
    if link := link_of(loss):
        graph.output("predictions", add_link(graph, link, output), messages.FLOAT, shape)
    return graph.to_bytes({})


def model_to_onnx(form: ModelForm, channels_first: bool) -> bytes:
    """Return a whole model as the content of an ONNX file.

    Parameters
    ----------
    form : ModelForm
        The model.
    channels_first : bool
        Whether images will have their channels first.

    Returns
    -------
    bytes
        Of an estimator with inputs for its columns and outputs for what it predicts; of a network as from `network_to_onnx`.

    Raises
    ------
    ValueError
        Where a layer has no form in ONNX, or the parameters are too large.
    """
    if form.inputs is None or form.answers is None:
        return network_to_onnx(form.layers, form.names, form.loss)
    check_layers(form.layers, form.names, FORMS, "ONNX")
    graph = OnnxGraph()
    entry, channels_first = add_inputs(graph, form.inputs, channels_first)
    output = add_layers(graph, form.layers, [entry], channels_first).last(form.loss.in_layer)
    add_answers(graph, form.answers, graph.cast(output, messages.DOUBLE))
    facts = {"model": form.kind, **form.facts}
    return graph.to_bytes({f"pysmorch.{key}": json.dumps(value) for key, value in facts.items()})
