"""Where in an image a network finds a class: the channels of its last convolution, weighted by what they do for the class.

Source: Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", 2017.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from pysmorch.engine import passes
from pysmorch.engine.forks import no_fork
from pysmorch.explaining.gradients import Head
from pysmorch.layers import Conv2d
from pysmorch.layers.base import Array
from pysmorch.layers.graph import accumulate, feeders, graph, step_backward
from pysmorch.layers.quantized import is_quantized
from pysmorch.network import Network


def class_activation(network: Network, images: Array, which: Array, head: Head) -> Array | None:
    """Return how much each region of some images speaks for an output.

    Parameters
    ----------
    network : Network
        With one Data layer.
    images : ndarray of shape (N, height, width, C)
        A few images.
    which : ndarray of int, shape (N,)
        Which output of each image.
    head : callable
        Makes the value that is explained of the outputs, and its gradient.

    Returns
    -------
    ndarray of float64, shape (N, h, w), or None
        From 0 to 1 for each position of the last convolution that has more than one; None where there is none, or where it is one of
        several that are averaged, or where the network was quantized and has no gradients.
    """
    layers = passes.in_mode(graph(network.output), training=False)
    found = [layer for layer in layers if isinstance(layer, Conv2d) and prod(d or 1 for d in layer.out_dims[1:3]) > 1]
    if is_quantized(layers) or not found or not _feeds_all(layers, found[-1]):
        return None
    for layer in layers:
        if getattr(layer, "has_parameters", False):  # the copy has a gradient of its own, too
            layer.replace_parameters(layer.W.astype(np.float64))
    with no_fork(), np.errstate(all="ignore"):
        passes.feed(layers, [images.astype(np.float64)], np.float64)
        outputs = layers[-1].forward()
        gradient = _gradient_at(layers, found[-1], head(outputs, which)[1])
        weights = gradient.mean(axis=(1, 2), keepdims=True)
        maps = np.maximum((weights * found[-1].out_array).sum(axis=-1), 0.0)
    largest = maps.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.where(largest > 0, maps / np.where(largest > 0, largest, 1.0), 0.0))


def _feeds_all(layers: list[Any], layer: Any) -> bool:
    """Whether everything that reaches the last layer goes through this one."""
    reached = {id(other) for other in layers if not feeders(other)}
    for other in layers:
        if other is not layer and any(id(feeder) in reached for feeder in feeders(other)):
            reached.add(id(other))
    return id(layers[-1]) not in reached


def _gradient_at(layers: list[Any], layer: Any, gradient: Array) -> Array:
    """Return the gradient with respect to the output of a layer, from that with respect to the output of the last one."""
    waiting: dict[int, Any] = {}
    accumulate(waiting, (layers[-1],), (gradient,))
    for other in reversed(layers):
        arrived = waiting.pop(id(other), None)
        if other is layer:
            return np.asarray(arrived)
        if arrived is not None:
            accumulate(waiting, feeders(other), step_backward(other, arrived))
    raise ValueError("layer is not among the layers before the last one")
