"""All parameters of a network in one flat array, and so all gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pysmorch.layers.base import Array, Layer
from pysmorch.optimizers import aligned_zeros


class FlatParameters:
    """The parameters of some layers, whose `W` and `G` are views into flat arrays from then on, so that they stay live.

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
        with_parameters = [layer for layer in layers if hasattr(layer, "W")]
        self.values = aligned_zeros(sum(layer.W.size for layer in with_parameters), dtype)
        self.gradients = aligned_zeros(self.values.size, dtype)
        self.rate_factors = _factors(with_parameters, "lr_factor", dtype)
        self.decay_factors = _factors(with_parameters, "decay_factor", dtype) if with_decay else 1.0
        self._own_gradients: list[tuple[Any, Array]] = []
        start = 0
        for layer in with_parameters:
            end = start + layer.W.size
            self._bind(layer, self.values[start:end], self.gradients[start:end])
            start = end

    def _bind(self, layer: Any, values: Array, gradients: Array) -> None:
        W, G = values.reshape(layer.W.shape), gradients.reshape(layer.W.shape)
        if isinstance(layer, Layer):
            layer.bind(W, G)
            return
        W[...] = layer.W
        layer.W = W
        self._own_gradients.append((layer, G))

    def collect(self) -> None:
        """Copy the gradients of layers that make a new `G` in every pass: those that are not subclasses of Layer."""
        for layer, G in self._own_gradients:
            G[...] = layer.G


def _factors(layers: Sequence[Any], name: str, dtype: Any) -> Array | float:
    values = [float(getattr(layer, name, 1.0)) for layer in layers]
    if len(set(values)) <= 1:
        return values[0] if values else 1.0
    return np.repeat(np.asarray(values, dtype), [layer.W.size for layer in layers])
