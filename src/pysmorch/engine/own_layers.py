"""Layers of the user's within the native program: it calls them with each batch, and runs all others itself."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from pysmorch.layers.attributes import objects_in
from pysmorch.layers.base import Array, Layer, ShapeError
from pysmorch.layers.copies import holds_layers, shallow_copy, take_attributes
from pysmorch.layers.graph import name_layers
from pysmorch.layers.native_form import is_ours


def is_called(layer: Any) -> bool:
    """Whether the native program can call a layer of the user's: it has `compute` and `pull_back`, one input, and nothing to train.

    Parameters
    ----------
    layer : Layer
        Of a class of the user's.

    Returns
    -------
    bool
        False for layers with parameters, states, random numbers, other layers within, or passes of their own.
    """
    return (
        isinstance(layer, Layer)
        and type(layer).forward is Layer.forward
        and type(layer).backward is Layer.backward
        and len(layer.in_layers) == 1
        and not (layer.has_parameters or layer.state or layer.reads_indices or hasattr(layer, "stream"))
        and not holds_layers(layer)
    )


def refuse_hidden_parameters(layers: Sequence[Any]) -> None:
    """Raise ValueError where a class of the user's holds parameters that are in no layer of the network.

    Parameters
    ----------
    layers : sequence of Layer
        The whole network. What has `lr_factor = 0` is not meant to be trained.
    """
    known = {id(layer) for layer in layers}
    for layer, name in zip(layers, name_layers(layers), strict=True):
        if is_ours(layer):
            continue
        hidden = [
            type(one).__name__
            for one in objects_in(layer, known)
            if isinstance(getattr(one, "W", None), np.ndarray) and getattr(one, "lr_factor", 1.0) != 0
        ]
        if hidden:
            raise ValueError(
                f"{name} cannot be trained: it holds {', '.join(hidden)}, whose parameters are in no layer of the network; let the "
                "layers that it holds read from its in_layer, or make it a function that returns the last of them; "
                "lr_factor = 0 in one of them says that it is not to be trained"
            )


class OwnPass:
    """The function by which the native program computes a layer of the user's.

    Parameters
    ----------
    layer : Layer
        One for which `is_called` is True.
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._copy = shallow_copy(layer)
        self._copy.training = True

    def __call__(self, backward: bool, source: memoryview, target: memoryview, rows: int) -> None:
        """Write the layer's output for rows, or backward the gradient of its input, over the target."""
        shapes = self._layer.in_dims[1:], self._layer.out_dims[1:]
        given, wanted = shapes[::-1] if backward else shapes
        dtype = np.dtype(f"f{source.nbytes // (rows * prod(given))}")
        # A copy, which the layer may hold on to.
        batch = np.frombuffer(source, dtype).reshape(rows, *given).copy()
        with np.errstate(all="ignore"):
            found: Array = self._copy._backward_step(batch)[0] if backward else self._copy._forward_step((batch,))
        if np.shape(found) != (rows, *wanted):
            what = "pull_back returned a gradient" if backward else "compute returned an output"
            raise ShapeError(f"{self._layer!r}: {what} of shape {np.shape(found)}, expected {(rows, *wanted)}")
        np.frombuffer(target, dtype).reshape(rows, *wanted)[...] = found

    def end(self) -> None:
        """Give the layer what its passes have stored in it."""
        take_attributes([self._layer], [self._copy])
