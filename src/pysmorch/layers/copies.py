"""Shallow copies of layers: they share parameters and states, and what a pass stores in them belongs to that pass alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pysmorch.layers.attributes import attributes_of, is_layer, layers_in, objects_in, replaced, set_attribute
from pysmorch.layers.description import PASS_ARRAYS
from pysmorch.layers.native_form import is_ours

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
    cls: Any = type(layer)
    try:
        copy = object.__new__(cls)
    except TypeError:  # a list, say
        copy = cls.__new__(cls)
    for name, value in attributes_of(layer).items():
        set_attribute(copy, name, value)
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
        for name, value in attributes_of(copy).items():
            if name not in OF_A_PASS and not _holds_layers(value):
                set_attribute(layer, name, value)


def holds_layers(layer: Any) -> bool:
    """Whether a layer holds other layers in its attributes, besides its input layers."""
    return any(_holds_layers(value) for name, value in attributes_of(layer).items() if name not in CONNECTIONS)


def _holds_layers(value: Any) -> bool:
    return any(True for _ in layers_in(value))


def _is_shared(layer: Any, copy: Any, copies: dict[int, Any]) -> bool:
    """Whether another object that a copy holds, and that is no layer, has the layer too: both must go on having the same one."""
    others = [one for one in objects_in(copy, copies) if not is_layer(one)]
    return any(one is layer for other in others for one in objects_in(other, copies))


def _connect(copy: Any, copies: dict[int, Any]) -> None:
    """Replace the layers that a copy holds by their copies, which are made of those that are in no graph."""
    attributes = attributes_of(copy)
    for name in CONNECTIONS if is_ours(copy) else tuple(attributes):
        held = list(layers_in(attributes.get(name)))
        for layer in held:
            if id(layer) not in copies and not _is_shared(layer, copy, copies):
                copies[id(layer)] = shallow_copy(layer)
                _connect(copies[id(layer)], copies)
        if held:
            set_attribute(copy, name, replaced(attributes[name], copies))
