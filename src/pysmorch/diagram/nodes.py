"""What a diagram shows of each layer: its name, shape and parameters, and the root mean squares of values and gradients of the last pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.layers.base import Array, Layer, format_dims
from pysmorch.layers.graph import feeders, graph, name_layers


@dataclass
class LayerFacts:
    """What is shown of a layer.

    Attributes:
        name: class and number, as in `Network.names`; a loss has no number.
        kind: "data" (fed by nothing), "loss", "merge" (several inputs), "weights" (a matrix or filters), or "other".
        what: the first line of the docstring.
        shape: of the output, with N for the batch.
        num_parameters: entries of `W`.
        fed_by: indices of the layers that feed it.
        feeds: how many inputs of other layers it is.
        output, gradient: root mean squares of the output in the last pass and of the loss's gradient with respect to it.
        W, G: root mean squares of the parameters and their gradient. None where there is no array.
    """

    name: str
    kind: str
    what: str
    shape: str
    num_parameters: int
    fed_by: list[int]
    feeds: int = 0
    output: float | None = None
    gradient: float | None = None
    W: float | None = None
    G: float | None = None


def read_layers(last: Any) -> list[LayerFacts]:
    """Return the facts of every layer that `last` depends on, in topological order."""
    nodes = graph(last)
    number = {id(node): i for i, node in enumerate(nodes)}
    layers = []
    for node, name in zip(nodes, name_layers(nodes), strict=True):
        fed_by = [number[id(feeder)] for feeder in feeders(node)]
        dims, W = _dims(node), getattr(node, "W", None)
        kind = _kind(node) if node is not last or dims else "loss"
        doc = (type(node).__doc__ or "").strip()
        layers.append(
            LayerFacts(
                name=type(node).__name__ if kind == "loss" else name,
                kind=kind,
                what=doc.splitlines()[0] if doc else "",
                shape=format_dims((None, *dims[1:])) if dims else "scalar" if node is last else "",
                num_parameters=0 if W is None else np.size(W),
                fed_by=fed_by,
                W=root_mean_square(W),
                G=root_mean_square(getattr(node, "G", None)),
            )
        )
        for i in fed_by:
            layers[i].feeds += 1
    _read_last_pass(nodes, number, layers)
    return layers


def _dims(layer: Any) -> tuple[int | None, ...]:
    """The shape of a layer's output; a loss has none."""
    return tuple(getattr(layer, "out_dims", ()))


def _kind(layer: Any) -> str:
    fed_by = feeders(layer)
    if len(fed_by) != 1:
        return "merge" if fed_by else "data"
    W: Any = getattr(layer, "W", None)
    dims = _dims(layer)
    one_for_each_feature = dims[1:] == _dims(fed_by[0])[1:] and dims[-1:] == (np.size(W),)
    return "other" if W is None or one_for_each_feature else "weights"


def _read_last_pass(nodes: Sequence[Any], number: dict[int, int], layers: Sequence[LayerFacts]) -> None:
    """Take outputs and gradients from the layers that received them: every class stores `in_array` and `pass_back`."""
    received: list[list[Array]] = [[] for _ in nodes]
    for node in nodes:
        inputs = getattr(node, "in_arrays", ()) if isinstance(node, Layer) else (getattr(node, "in_array", None),)
        handed_back = getattr(node, "pass_back", None)
        parts = handed_back if isinstance(handed_back, tuple) else (handed_back,)
        for feeder, array, part in zip(feeders(node), inputs, parts, strict=False):
            layers[number[id(feeder)]].output = root_mean_square(array)
            if part is not None:
                received[number[id(feeder)]].append(part)
    layers[-1].output = root_mean_square(getattr(nodes[-1], "out_array", None))
    for layer, gradients in zip(layers, received, strict=True):
        if len({np.shape(gradient) for gradient in gradients}) == 1:  # else they are of several passes
            layer.gradient = root_mean_square(sum(gradients[1:], start=gradients[0]))


def root_mean_square(array: Any) -> float | None:
    """Return sqrt(mean(array^2)), in pieces, so that a large array needs no copy in float64; None for no numbers."""
    if array is None or np.size(array) == 0:
        return None
    flat = np.ravel(array)
    with np.errstate(over="ignore", invalid="ignore"):
        pieces = (np.square(flat[i : i + 2**18], dtype=np.float64).sum() for i in range(0, flat.size, 2**18))
        return float(np.sqrt(sum(pieces) / flat.size))
