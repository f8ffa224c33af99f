"""Arrays of images, (N, H, W) or (N, H, W, C): they go into the network as they are, where a `Rescale` scales the pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod, sqrt
from typing import Any

import numpy as np

from pysmorch.layers.base import Array

PIXELS_AT_A_TIME = 2**18
"""Pixels of which there is a copy in another dtype while their scale is learned."""


def is_images(X: Any) -> bool:
    """Whether X is an array with the axes of images."""
    try:
        return (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) in (3, 4)
    except ValueError:  # lists of different lengths, which are no array
        return False


def learn_scaling(images: Array, weights: Array | None) -> tuple[float, float]:
    """Return scale and shift with which all pixels together have mean 0 and variance 1: scale * x + shift.

    A weight counts for all pixels of an image. Pixels that are all alike only get mean 0.
    """
    if images.dtype == np.uint8:
        values, counts = np.arange(256.0), _histogram(images, weights)
        mean = float(counts @ values / counts.sum())
        variance = float(counts @ np.square(values - mean) / counts.sum())
    else:
        mean = _mean(images, weights, lambda x: x)
        variance = _mean(images, weights, lambda x: np.square(x - mean))
    std = sqrt(variance)
    # Rounding leaves pixels that are all alike with a tiny spread; they have none.
    std = std if std > 1e-12 * abs(mean) else 1.0
    return 1 / std, -mean / std


def _histogram(images: Array, weights: Array | None) -> Array:
    """Return how often each of the 256 values of a byte comes."""
    counts = np.zeros(256)
    for block, w in _blocks(images, weights):
        each = None if w is None else np.repeat(w, block.shape[1])
        counts += np.bincount(block.ravel(), each, minlength=256)
    return counts


def _mean(images: Array, weights: Array | None, function: Callable[[Array], Array]) -> float:
    """Return the weighted mean of a function of all pixels."""
    total = 0.0
    for block, w in _blocks(images, weights):
        of_images = function(block.astype(np.float64)).mean(1)
        total += float(of_images.sum() if w is None else w @ of_images)
    return total / (len(images) if weights is None else float(weights.sum()))


def _blocks(images: Array, weights: Array | None) -> Iterator[tuple[Array, Array | None]]:
    """Go through the images, a few at a time, each as a row of pixels."""
    step = max(1, PIXELS_AT_A_TIME // prod(images.shape[1:]))
    for start in range(0, len(images), step):
        block = images[start : start + step]
        yield block.reshape(len(block), -1), None if weights is None else weights[start : start + step]
