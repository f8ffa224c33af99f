"""Shallow copies of layers: they share parameters and states, and what a pass stores in them belongs to that pass alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pysmorch.layers.description import PASS_ARRAYS

CONNECTIONS = ("in_layers", "in_layer")
"""Attributes that say what a layer reads from."""

OF_A_PASS = (*PASS_ARRAYS, "training", "data", "labels", "sample_weight")
"""Attributes that a pass sets in layers, in its Data layers and in its loss."""


def shallow_copy(layer: Any) -> Any:
    """Return a layer with the same attributes, connected to the same input layers.

    Parameters
    ----------
    layer : Layer
        Of ours, or a class of your own.

    Returns
    -------
    Layer
        Of the same class.
    """
    copy = object.__new__(type(layer))
    vars(copy).update(vars(layer))
    return copy


def shallow_copies(layers: Sequence[Any]) -> list[Any]:
    """Return a shallow copy of each layer of a graph, connected as the layers are.

    Layers that a class of your own holds in its attributes, alone or in a list, a tuple or a dict, are copied with it.

    Parameters
    ----------
    layers : sequence of Layer
        In topological order.

    Returns
    -------
    list of Layer
        In the same order.
    """
    copies = {id(layer): shallow_copy(layer) for layer in layers}
    made = list(copies.values())
    for copy in made:
        _connect(copy, copies)
    return made


def take_attributes(layers: Sequence[Any], copies: Sequence[Any]) -> None:
    """Set in layers what their copies have stored, such as the last mask of a Dropout, besides what belongs to the pass alone.

    Parameters
    ----------
    layers, copies : sequence of Layer
        The layers and what `shallow_copies` made of them.
    """
    for layer, copy in zip(layers, copies, strict=True):
        stored = {
            name: value for name, value in vars(copy).items() if name not in OF_A_PASS and not _holds_layers(value)
        }
        vars(layer).update(stored)


def holds_layers(layer: Any) -> bool:
    """Whether a layer holds other layers in its attributes, besides its input layers."""
    return any(_holds_layers(value) for name, value in vars(layer).items() if name not in CONNECTIONS)


def _is_ours(layer: Any) -> bool:
    """Whether the class is one of ours with a native form, whose layers hold no others."""
    return "native" in vars(type(layer))


def _is_layer(value: Any) -> bool:
    return hasattr(value, "forward") and hasattr(value, "out_dims") and hasattr(value, "__dict__")


def _holds_layers(value: Any) -> bool:
    if type(value) in (list, tuple):
        return any(_is_layer(item) for item in value)
    return any(_is_layer(item) for item in value.values()) if type(value) is dict else _is_layer(value)


def _connect(copy: Any, copies: dict[int, Any]) -> None:
    """Replace the layers that a copy holds by their copies."""
    attributes = vars(copy)
    for name in CONNECTIONS if _is_ours(copy) else tuple(attributes):
        if name in attributes and _holds_layers(attributes[name]):
            attributes[name] = _copied(attributes[name], copies)


def _copied(value: Any, copies: dict[int, Any]) -> Any:
    if type(value) in (list, tuple):
        return type(value)(_copied(item, copies) for item in value)
    if type(value) is dict:
        return {key: _copied(item, copies) for key, item in value.items()}
    if not _is_layer(value):
        return value
    if id(value) not in copies:
        copies[id(value)] = shallow_copy(value)
        _connect(copies[id(value)], copies)
    return copies[id(value)]
