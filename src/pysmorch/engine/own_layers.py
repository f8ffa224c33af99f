"""Layers of the user's within the native program: it calls them with each batch, and runs all others itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from pysmorch.layers.attributes import attributes_of, objects_in, set_attribute
from pysmorch.layers.base import Array, Layer, ShapeError
from pysmorch.layers.copies import CONNECTIONS, holds_layers, shallow_copy, take_attributes
from pysmorch.layers.graph import feeders, graph, name_layers
from pysmorch.layers.native_form import is_ours
from pysmorch.layers.own_parameters import OwnNumbers
from pysmorch.layers.randomness import global_state_restored
from pysmorch.layers.trainable import has_parameters


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
            if isinstance(getattr(one, "W", None), np.ndarray) and _is_to_be_trained(one)
        ]
        if hidden:
            raise ValueError(
                f"{name} cannot be trained: it holds {', '.join(hidden)}, whose parameters are in no layer of the network; let the "
                "layers that it holds read from its in_layer, or make it a function that returns the last of them; "
                "lr_factor = 0 in one of them says that it is not to be trained"
            )


class FirstPass:
    """What the first pass of a fit shows of layers of the user's, before it changes any parameters.

    Parameters
    ----------
    layers : sequence of Layer
        The whole network before that pass.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self._own = [(i, OwnNumbers(layer)) for i, layer in enumerate(layers) if not is_ours(layer)]

    def refuse_untrained(self, layers: Sequence[Any], passed: Mapping[int, bool]) -> None:
        """Raise ValueError where parameters would not be trained: those besides a `W`, and those that no gradient comes to.

        Parameters
        ----------
        layers : sequence of Layer
            The same layers after the pass, or the copies that it was made in. What has `lr_factor = 0` is not meant to be trained.
        passed : mapping of int to bool
            See `backpropagate`.
        """
        names = name_layers(layers)
        for index, numbers in self._own:
            layer = layers[index]
            _refuse_other_numbers(names[index], numbers, layer)
            if not passed.get(id(layer), True) and any(
                has_parameters(one) and _is_to_be_trained(one) for one in graph(*feeders(layer))
            ):
                raise ValueError(f"{names[index]}: {_passes_nothing_back(layer)}")


def _refuse_other_numbers(name: str, numbers: OwnNumbers, after: Any) -> None:
    for _, text in numbers.untrained(after) if _is_to_be_trained(after) else ():
        raise ValueError(f"{name}: fit cannot train {text}")


def _is_to_be_trained(one: Any) -> bool:
    return bool(getattr(one, "lr_factor", 1.0) != 0)


def _passes_nothing_back(layer: Any) -> str:
    """Say that a layer of the user's passes no gradient back, and what to do."""
    if isinstance(layer, Layer) and type(layer).backward is Layer.backward:
        what = "pull_back returns no gradient with respect to the input", "return one"
    else:
        what = "backward calls backward of no input layer", "end with self.in_layer.backward(gradient)"
    return f"{what[0]}, so that the layers before it are not trained; {what[1]}, or set lr_factor = 0 in layers that are not to be trained"


class OwnPass:
    """The function by which the native program computes a layer of the user's.

    Parameters
    ----------
    layer : Layer
        One for which `is_called` is True.
    name : str
        Its name in the network.
    passes_back : bool
        Whether the program asks it for a gradient.
    """

    def __init__(self, layer: Any, name: str, passes_back: bool) -> None:
        self._layer = layer
        self._name = name
        self._copy = shallow_copy(layer)
        self._copy.training = True
        self._passes_back = passes_back
        self._numbers: OwnNumbers | None = None
        self._is_first = True

    def __call__(self, backward: bool, source: memoryview, target: memoryview, rows: int) -> None:
        """Write the layer's output for rows, or backward the gradient of its input, over the target."""
        shapes = self._layer.in_dims[1:], self._layer.out_dims[1:]
        given, wanted = shapes[::-1] if backward else shapes
        dtype = np.dtype(f"f{source.nbytes // (rows * prod(given))}")
        # A copy, which the layer may hold on to.
        batch = np.frombuffer(source, dtype).reshape(rows, *given).copy()
        with np.errstate(all="ignore"):
            if self._is_first:
                self._begin(batch)
            found: Array = self._copy._backward_step(batch)[0] if backward else self._copy._forward_step((batch,))
        if backward and found is None:
            raise ValueError(f"{self._name}: {_passes_nothing_back(self._layer)}")
        if np.shape(found) != (rows, *wanted):
            what = "pull_back returned a gradient" if backward else "compute returned an output"
            raise ShapeError(f"{self._layer!r}: {what} of shape {np.shape(found)}, expected {(rows, *wanted)}")
        if backward and self._numbers is not None:
            _refuse_other_numbers(self._name, self._numbers, self._copy)
            self._numbers = None
        np.frombuffer(target, dtype).reshape(rows, *wanted)[...] = found

    def _begin(self, batch: Array) -> None:
        """Note the layer's numbers; a copy of it backpropagates for them where the program does not ask it to."""
        self._is_first = False
        if self._passes_back:
            self._numbers = OwnNumbers(self._copy)
        elif OwnNumbers(self._copy):
            one = shallow_copy(self._copy)
            with global_state_restored():
                try:
                    for name, value in attributes_of(one).items():
                        set_attribute(one, name, value if name in CONNECTIONS else copy.deepcopy(value))
                    numbers = OwnNumbers(one)
                    one._backward_step(np.ones_like(one._forward_step((batch.copy(),))))
                except Exception:  # training does not call its backward
                    return
            _refuse_other_numbers(self._name, numbers, one)

    def end(self) -> None:
        """Give the layer what its passes have stored in it."""
        take_attributes([self._layer], [self._copy])
