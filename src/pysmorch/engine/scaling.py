"""Columns of numbers with mean 0 and variance 1."""

from __future__ import annotations

import numpy as np

from pysmorch.engine.extension import extension
from pysmorch.layers.base import Array


def scale_numbers(numbers: Array, bounds: tuple[Array, Array], mean: Array, scale: Array, encoded: Array) -> None:
    """Write (x - mean) / scale, of x within its bounds; 0 where that is NaN.

    Parameters
    ----------
    numbers : ndarray of float64, shape (N, D)
        In C order.
    bounds : tuple of two ndarrays of float64, shape (D,)
        The lowest and the highest number of each column; what lies beyond is taken to be there.
    mean, scale : ndarray of float64, shape (D,)
        Of each column.
    encoded : ndarray of float32, shape (N, at least D)
        In C order; its first D columns are overwritten.
    """
    module = extension()
    if module is not None:
        module.scale_numbers(numbers, *bounds, mean, scale, encoded)
        return
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (np.clip(numbers, *bounds) - mean) / scale
        encoded[:, : numbers.shape[1]] = np.where(np.isnan(scaled), 0.0, scaled)
