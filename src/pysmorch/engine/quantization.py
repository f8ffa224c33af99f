"""From a trained network to one whose dense layers and convolutions have weights of 8 bits."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from pysmorch.engine import passes
from pysmorch.engine.prediction import rows_at_a_time
from pysmorch.engine.rows import LazyRows, blocks_of
from pysmorch.layers import Conv1d, Conv2d, Layer, Linear
from pysmorch.layers.base import Array
from pysmorch.layers.graph import feeders, graph, set_feeders
from pysmorch.layers.native_form import is_ours
from pysmorch.layers.quantized import LARGEST_DEPTH, QuantizedConv1d, QuantizedConv2d, QuantizedLinear
from pysmorch.layers.randomness import Zeros, drawing_from
from pysmorch.losses import Loss

QUANTIZED: dict[type, Any] = {Linear: QuantizedLinear, Conv2d: QuantizedConv2d, Conv1d: QuantizedConv1d}
"""The classes of layers that become integers, and of what they become."""


def quantized(loss: Loss, inputs: Sequence[Array | LazyRows]) -> Loss:
    """Return a copy of a network with weights of 8 bits, at the end of its graph; all else is float32.

    Parameters
    ----------
    loss : Loss
        The end of a network.
    inputs : sequence of ndarray or LazyRows
        Training rows for each Data layer, checked, from which the ranges of the layers' inputs are learned.

    Returns
    -------
    Loss
        Of layers of its own.

    Raises
    ------
    ValueError
        There are no rows, or no layer that can become one of integers.
    """
    if not len(inputs[0]):
        raise ValueError("X has no rows; give some hundred rows of the training")
    layers = copy.deepcopy(graph(loss))
    copied: Loss = layers[-1]
    for layer in layers:
        if isinstance(layer, Layer) and layer.has_parameters:
            layer.replace_parameters(np.ascontiguousarray(layer.W, np.float32))
    chosen = [layer for layer in layers if _becomes_integers(layer)]
    if not chosen:
        raise ValueError(
            "no layer before the loss can be quantized: there is no Linear and no convolution in one group, or all are already"
        )
    for layer, (low, high) in zip(chosen, _ranges(copied.in_layer, chosen, inputs), strict=True):
        options = {name: value for name, value in layer.config.items() if name != "groups"}
        with drawing_from(Zeros()):
            made = QUANTIZED[type(layer)](layer.in_layer, **options, signed=bool(low.min() < 0))
        made.learn(layer.W, low, high)
        for reader in layers:
            if layer in feeders(reader):
                set_feeders(reader, tuple(made if feeder is layer else feeder for feeder in feeders(reader)))
        layers[layers.index(layer)] = made
    return copied


def _becomes_integers(layer: Any) -> bool:
    """Whether a layer is one of the library's that has all channels in one group, and sums that fit into 32 bits."""
    if type(layer) not in QUANTIZED or not is_ours(layer):
        return False
    return getattr(layer, "groups", 1) == 1 and 0 < prod(layer.W.shape[:-1]) <= LARGEST_DEPTH


def _ranges(output: Any, layers: Sequence[Any], inputs: Sequence[Array | LazyRows]) -> list[tuple[Array, Array]]:
    """Return the least and the largest number of each channel of the layers' inputs, in prediction mode."""
    lows = [np.full(layer.in_dims[-1], np.inf, np.float32) for layer in layers]
    highs = [-low for low in lows]
    all_layers = graph(output)
    copies = passes.in_mode(all_layers, training=False)
    copy_of = {id(layer): made for layer, made in zip(all_layers, copies, strict=True)}
    for rows in blocks_of(len(inputs[0]), rows_at_a_time(output)):
        with np.errstate(all="ignore"):
            passes.feed(copies, [array[rows] for array in inputs], np.float32)
            copies[-1].forward()
        for layer, low, high in zip(layers, lows, highs, strict=True):
            channels = copy_of[id(layer)].in_array.reshape(-1, len(low))
            np.minimum(low, channels.min(axis=0), out=low)
            np.maximum(high, channels.max(axis=0), out=high)
    return list(zip(lows, highs, strict=True))
