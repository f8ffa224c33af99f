"""One backward pass, step by step: what each layer gets and computes, with the arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.diagram import diagram
from pysmorch.layers import Bias, Data, Dropout, Linear
from pysmorch.layers.base import Array
from pysmorch.losses import Loss
from pysmorch.network import Network
from pysmorch.playground.points import Points

ROWS = 4
"""So many training points are in the batch, which is few enough to read all numbers."""

FORWARD = {
    "Data": "the batch",
    "Linear": "Y = X W",
    "Bias": "Y = X + W, in every row",
    "Dropout": "Y = X · mask: some entries are 0, the others larger",
    "CrossEntropy": "L = mean of −log(probability of the right class)",
    "SquareLoss": "L = mean of (X − target)² / 2",
}
BACKWARD = {
    "Data": "the gradient for the features; nothing depends on it here",
    "Linear": "G = Xᵀ dwnstrm, and pass_back = dwnstrm Wᵀ",
    "Bias": "G = the sum of dwnstrm over the rows, and pass_back = dwnstrm",
    "Dropout": "pass_back = dwnstrm · mask",
    "CrossEntropy": "pass_back = (probabilities − labels as 0 and 1) / number of rows",
    "SquareLoss": "pass_back = (X − target) / number of rows",
}


def backward_pass(network: Network, data: Points) -> dict[str, Any]:
    """Run one forward and one backward pass with a small batch, and return its steps.

    Parameters
    ----------
    network : Network
        A copy, since its layers keep the arrays of the pass.
    data : Points
        Whose first training points are the batch.

    Returns
    -------
    dict
        "svg" is the diagram after both passes; "steps" has for each step the layer, the formula and the arrays by their names.
    """
    source = network.inputs[0]
    source.set_data(data.X_train[:ROWS])
    labels = data.y_train[:ROWS]
    network.loss.set_labels(labels)
    value = network.loss.forward()
    network.loss.backward()
    every = [*network.layers, network.loss]
    names = [*network.names, type(network.loss).__name__]
    steps = [
        _step("forward", layer, name, _forward_arrays(layer, labels, value))
        for layer, name in zip(every, names, strict=True)
    ]
    received = [layer.pass_back for layer in every[1:]] + [None]
    steps += [
        _step("backward", layer, name, _backward_arrays(layer, dwnstrm))
        for layer, name, dwnstrm in reversed(list(zip(every, names, received, strict=True)))
    ]
    return {"svg": str(diagram(network)), "steps": steps, "rows": len(labels)}


def _step(way: str, layer: Any, name: str, arrays: list[tuple[str, str, Any]]) -> dict[str, Any]:
    known = FORWARD if way == "forward" else BACKWARD
    other = (
        "Y = the activation of each entry" if way == "forward" else "pass_back = dwnstrm · the slope at each entry of X"
    )
    return {
        "pass": way,
        "layer": name,
        "formula": known.get(type(layer).__name__, other),
        "arrays": [_shown(*array) for array in arrays],
    }


def _forward_arrays(layer: Any, labels: Array, value: Any) -> list[tuple[str, str, Any]]:
    if isinstance(layer, Data):
        return [("Y", "the features: a row for each point", layer.out_array)]
    arrays = [("X", "input", layer.in_array)]
    if isinstance(layer, Loss):
        return [*arrays, ("labels", "what is right", labels), ("L", "the loss", value)]
    arrays += [("W", "parameters", layer.W)] if isinstance(layer, Linear | Bias) else []
    arrays += [("mask", "drawn anew in each pass", layer.mask)] if isinstance(layer, Dropout) else []
    return [*arrays, ("Y", "output", layer.out_array)]


def _backward_arrays(layer: Any, dwnstrm: Any) -> list[tuple[str, str, Any]]:
    arrays = [] if dwnstrm is None else [("dwnstrm", "gradient of the loss for the output", dwnstrm)]
    if isinstance(layer, Data):
        return arrays
    if isinstance(layer, Linear | Bias):
        arrays.append(("G", "gradient of the loss for W", layer.G))
    return [*arrays, ("pass_back", "gradient of the loss for the input", layer.pass_back)]


def _shown(name: str, what: str, array: Any) -> dict[str, Any]:
    """An array with at most two axes, as the texts of its entries."""
    values = np.asarray(array, np.float64)
    rows = np.atleast_2d(values)
    if values.ndim == 1:
        rows = rows.T
    return {
        "name": name,
        "what": what,
        "shape": " × ".join(map(str, values.shape)) or "a number",
        "rows": [[_number(entry) for entry in row] for row in rows],
    }


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
