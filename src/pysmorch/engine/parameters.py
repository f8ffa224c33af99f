"""All parameters of a network in one flat array, and so all gradients."""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from pysmorch.layers.attributes import set_parameters
from pysmorch.layers.base import Array, Layer, ShapeError
from pysmorch.layers.own_parameters import NO_G, not_an_array
from pysmorch.layers.trainable import has_parameters
from pysmorch.optimizers import aligned_zeros


class FlatParameters:
    """The parameters of some layers, whose `W` and `G` are views into flat arrays from then on, so that they stay live.

    Layers that have the same array `W` still have so afterwards, and it gets the sum of their gradients.

    Parameters
    ----------
    layers : sequence of layers
        A network.
    dtype : numpy.dtype
        Of the arrays.
    with_decay : bool
        Whether weight decay is used; factors of it are not needed otherwise.

    Attributes
    ----------
    values, gradients : ndarray of shape (P,)
        The arrays.
    rate_factors, decay_factors : float or ndarray of shape (P,)
        Factors of learning rate and weight decay: one number where all layers have the same.
    """

    def __init__(self, layers: Sequence[Any], dtype: np.dtype[Any], with_decay: bool) -> None:
        owners = owners_of_arrays(layers)
        with_parameters = [layers[index] for index, owner in owners.items() if owner == index]
        self.values = aligned_zeros(sum(layer.W.size for layer in with_parameters), dtype)
        self.gradients = aligned_zeros(self.values.size, dtype)
        self.rate_factors = _factors(with_parameters, "lr_factor", dtype)
        self.decay_factors = _factors(with_parameters, "decay_factor", dtype) if with_decay else 1.0
        self._bound: dict[int, tuple[Any, Array, Array]] = {}
        self._set: list[tuple[int, Array]] = []
        self._added: list[tuple[Array, Array]] = []
        start = 0
        for index, owner in owners.items():
            layer = layers[index]
            if owner == index:
                end = start + layer.W.size
                W, G = (flat[start:end].reshape(layer.W.shape) for flat in (self.values, self.gradients))
                start = end
            else:
                _, W, of_owner = self._bound[owner]
                G = np.zeros_like(of_owner)
                self._added.append((of_owner, G))
            self._bind(index, layer, W, G)

    def _bind(self, index: int, layer: Any, W: Array, G: Array) -> None:
        if isinstance(layer, Layer):
            layer.bind(W, G)
        else:
            W[...] = layer.W
            set_parameters(layer, W)
            self._set.append((index, G))
        self._bound[index] = layer, W, G

    def check_bound(self) -> None:
        """Raise RuntimeError where a layer has another array `W` than it was given, which the training would not change."""
        for layer, W, _ in self._bound.values():
            if layer.W is not W:
                raise RuntimeError(
                    f"the parameters of {layer!r} were replaced while the network is being trained; assign to W to "
                    "change their values"
                )

    def collect(self, layers: Sequence[Any], reached: Container[int]) -> None:
        """Copy gradients of layers that make a new `G` in every pass, and add up those of layers with the same `W`.

        `layers` are those that were given or shallow copies of them, in the same order; `reached` has the `id` of each that a gradient
        came to.
        """
        for index, G in self._set:
            G[...] = _own_gradient(layers[index], G.shape) if id(layers[index]) in reached else 0.0
        for of_owner, G in self._added:
            of_owner += G


def owners_of_arrays(layers: Sequence[Any]) -> dict[int, int]:
    """Return the index of each layer that has parameters, with that of the first layer that has the same array `W`.

    Parameters
    ----------
    layers : sequence of layers
        A network.

    Returns
    -------
    dict of int to int
        In the order of the layers.

    Raises
    ------
    ValueError
        When two layers have a part of an array in common, but not all of it.
    TypeError
        When a `W` is no array.
    """
    owners: dict[int, int] = {}
    first_with: dict[Any, int] = {}
    for index, layer in enumerate(layers):
        if has_parameters(layer):
            if not isinstance(layer.W, np.ndarray):
                raise TypeError(f"{type(layer).__name__}: {not_an_array(layer.W)}")
            key = (layer.W.ctypes.data, layer.W.shape, layer.W.strides, layer.W.dtype) if layer.W.size else index
            owners[index] = first_with.setdefault(key, index)
    ranges = sorted((*byte_bounds(layers[i].W), i) for i, owner in owners.items() if i == owner and layers[i].W.size)
    for (_, end, i), (start, _, j) in pairwise(ranges):
        if start < end and np.shares_memory(layers[i].W, layers[j].W):
            raise ValueError(
                f"layers: the arrays W of {layers[i]!r} and {layers[j]!r} have a part in common, but not all of it; "
                "give each an array of its own"
            )
    return owners


def _own_gradient(layer: Any, shape: tuple[int, ...]) -> Any:
    """Return the `G` of a class of the user's."""
    G = getattr(layer, "G", None)
    if G is None:
        raise TypeError(f"{type(layer).__name__}: {NO_G}")
    if np.shape(G) != shape:
        raise ShapeError(f"{type(layer).__name__}: G has shape {np.shape(G)}, but W has {shape}")
    return G


def _factors(layers: Sequence[Any], name: str, dtype: Any) -> Array | float:
    values = [float(getattr(layer, name, 1.0)) for layer in layers]
    if len(set(values)) <= 1:
        return values[0] if values else 1.0
    return np.repeat(np.asarray(values, dtype), [layer.W.size for layer in layers])
