"""A network as an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pysmorch import losses
from pysmorch.export import functions, images, messages, rows
from pysmorch.export.graph import OnnxGraph
from pysmorch.export.values import Values
from pysmorch.layers.dense import data_layers

FORMS = rows.FORMS | images.FORMS | functions.FORMS


def check_forms(layers: Sequence[Any], names: Sequence[str]) -> None:
    """Raise ValueError where a layer has no ONNX form, with all of these."""
    without = [
        f"{name} ({type(layer).__name__})"
        for name, layer in zip(names, layers, strict=True)
        if type(layer) not in FORMS
    ]
    if without:
        raise ValueError(
            f"the network cannot be written as ONNX: {', '.join(without)} has no form there; layers of the library have one, classes "
            "of your own do not"
        )


def add_layers(graph: OnnxGraph, layers: Sequence[Any], entries: Sequence[str], channels_first: bool = False) -> Values:
    """Add layers to a graph.

    Parameters
    ----------
    graph : OnnxGraph
        To which nodes are added.
    layers : sequence of Layer
        In topological order, of `check_forms`.
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


def add_predictions(graph: OnnxGraph, loss: Any, value: str) -> str | None:
    """Add what turns the output of a network into what it predicts; None where the output is that, or the loss is of another class."""
    if type(loss) is losses.CrossEntropy:
        return graph.add("Softmax", value, axis=-1)
    if type(loss) is losses.BinaryCrossEntropy:
        return graph.add("Sigmoid", value)
    if type(loss) in (losses.PoissonLoss, losses.GammaLoss, losses.TweedieLoss):
        return graph.add("Exp", value)
    return None


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
    check_forms(layers, names)
    graph = OnnxGraph()
    inputs = data_layers(layers)
    indices = {id(layer.in_layer) for layer in layers if layer.reads_indices}
    entries = [
        graph.input(name, messages.INT64 if id(layer) in indices else messages.FLOAT, layer.out_dims[1:])
        for name, layer in zip(input_names(inputs), inputs, strict=True)
    ]
    shape = loss.in_layer.out_dims[1:]
    output = add_layers(graph, layers, entries).last(loss.in_layer)
    predictions = add_predictions(graph, loss, output)
    graph.output("output", output, messages.FLOAT, shape)
    if predictions is not None:
        graph.output("predictions", predictions, messages.FLOAT, shape)
    return graph.to_bytes({})
