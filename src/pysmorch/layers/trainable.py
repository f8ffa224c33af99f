"""Trainable arrays: the parameters `W` with their gradient `G`, and states such as running statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.layers.arguments import Array, ShapeError
from pysmorch.layers.claims import is_being_trained


class Trainable:
    """At most one parameter array `W` with its gradient `G`, and any number of state arrays.

    Assigning to `W` or to a state copies the values into the array that is there, so that a program which stores the parameters of
    all layers in one array sees the change.
    """

    state_names: tuple[str, ...] = ()
    """Names of the arrays besides `W` that belong to a trained layer, such as running statistics."""

    _W: Array
    _G: Array
    _G_is_bound: bool = False

    @property
    def W(self) -> Array:
        """The parameters. Assigning copies the values; the shape has to fit."""
        try:
            return self._W
        except AttributeError:
            raise AttributeError(f"{type(self).__name__} has no parameters W") from None

    @W.setter
    def W(self, value: ArrayLike) -> None:
        if not hasattr(self, "_W"):
            self._W = np.array(value, dtype=np.result_type(np.asarray(value), np.float32))
            return
        array = np.asarray(value)
        if array.shape != self._W.shape:
            raise ShapeError(f"{self!r}: W has shape {self._W.shape}, but an array of shape {array.shape} was assigned")
        self._W[...] = array

    @property
    def G(self) -> Array:
        """The gradient of the loss with respect to `W`, from the last backward pass."""
        try:
            return self._G
        except AttributeError:
            raise AttributeError(f"{type(self).__name__} has no gradient G; run forward and backward first") from None

    @G.setter
    def G(self, value: ArrayLike) -> None:
        if np.shape(value) != self.W.shape:
            raise ShapeError(f"{self!r}: G must have the shape of W, {self.W.shape}, but has shape {np.shape(value)}")
        if self._G_is_bound:
            self._G[...] = value
        else:
            self._G = np.asarray(value, self.W.dtype)

    @property
    def has_parameters(self) -> bool:
        """Whether there is a parameter array."""
        return hasattr(self, "_W")

    def replace_parameters(self, W: Array) -> None:
        """Use this very array as `W`, with its dtype, without a copy.

        Parameters
        ----------
        W : array
            In the shape of `W`.

        Raises
        ------
        ShapeError
            When the shape is another one.
        RuntimeError
            While the layer is being trained.
        """
        if is_being_trained(self):
            raise RuntimeError(
                f"{self!r}: its parameters cannot be replaced while it is being trained; assign to W to change their values"
            )
        if W.shape != self.W.shape:
            raise ShapeError(f"{self!r}: W has shape {self.W.shape}, but an array of shape {W.shape} was given")
        self._W, self._G_is_bound = W, False

    def bind(self, W: Array, G: Array) -> None:
        """Store parameters and gradient in these arrays from now on; the values of `W` are copied into the new one.

        Parameters
        ----------
        W, G : array
            In the shape of `W`; usually views into the arrays of a program.
        """
        W[...] = self.W
        self._W, self._G, self._G_is_bound = W, G, True

    @property
    def state(self) -> dict[str, Array]:
        """The state arrays by name; assigning copies their values."""
        return {name: getattr(self, name) for name in self.state_names}

    @state.setter
    def state(self, arrays: dict[str, Array]) -> None:
        for name in self.state_names:
            getattr(self, name)[...] = arrays[name]


def has_parameters(layer: Any) -> bool:
    """Whether a layer of any class has a `W`."""
    return getattr(layer, "W", None) is not None


def convert_parameters(layers: Sequence[Any], dtype: Any) -> None:
    """Give the parameters of layers a dtype; a layer of a class that is no `Trainable` is converted when it is trained."""
    for layer in layers:
        if isinstance(layer, Trainable) and layer.has_parameters and layer.W.dtype != dtype:
            layer.replace_parameters(layer.W.astype(dtype))


def snapshot_of(layers: Sequence[Any], into: list[Any] | None = None) -> list[Any]:
    """Return copies of the parameters and states of layers; `into` is an older one, which is overwritten and returned."""
    if into is not None:
        for layer, (W, state) in zip(layers, into, strict=True):
            if W is not None:
                W[...] = layer.W
            for name in state:
                state[name][...] = layer.state[name]
        return into
    return [
        (
            layer.W.copy() if has_parameters(layer) else None,
            {k: v.copy() for k, v in getattr(layer, "state", {}).items()},
        )
        for layer in layers
    ]


def restore(layers: Sequence[Any], snapshot: list[Any]) -> None:
    """Set the parameters and states of layers to those of a snapshot."""
    for layer, (W, state) in zip(layers, snapshot, strict=True):
        if W is not None:
            layer.W[...] = W
        if state:
            layer.state = state
