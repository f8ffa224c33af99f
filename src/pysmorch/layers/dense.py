"""The data that enters, and what multiplies and adds: a fixed scale, and the layers with parameters for rows of features."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from pysmorch.layers.arguments import (
    Array,
    ShapeError,
    data_array,
    data_dims,
    finite,
    floating,
    format_dims,
    num_channels,
    positive,
    rows_of_features,
)
from pysmorch.layers.base import Layer
from pysmorch.layers.randomness import standard_normal


class Data(Layer):
    """Hold the array that enters a network and hand it on.

    Args:
        data: array with the examples along its first axis.
        shape: for a network that gets its data later: the shape of what will come, with None for the batch, as
            in `Data(shape=(None, 784))`.

    Raises ShapeError when data of another shape than before is set (the batch may change), TypeError when the
    entries are not numbers.

    >>> Data([[1.0, 2.0]]).forward()
    array([[1., 2.]])
    """

    native = "data"
    is_view = True

    def __init__(self, data: Any = None, *, shape: Sequence[int | None] | None = None) -> None:
        super().__init__()
        if (data is None) == (shape is None):
            raise TypeError("Data needs either an array or shape=(None, ...), for example Data(shape=(None, 784))")
        self.data: Any = None
        if shape is not None:
            self.out_dims = data_dims(shape)
        else:
            self.data = data_array(data)
            self.out_dims = self.data.shape

    def set_data(self, data: Any) -> None:
        """Use this array from now on; only the size of the batch may differ from the array before."""
        array = data_array(data)
        if array.shape[1:] != tuple(self.out_dims[1:]):
            raise ShapeError(
                f"Data: expected an array of shape {format_dims((None, *self.out_dims[1:]))}, but got {array.shape}"
            )
        self.data = array

    def forward(self) -> Array:
        """Return the array."""
        if self.data is None:
            raise RuntimeError(
                f"Data of shape {format_dims(self.out_dims)} holds no array yet; call set_data(array) first"
            )
        return self.data

    def backward(self, dwnstrm: Any = None) -> None:
        """Do nothing: there are no parameters, and nothing behind."""

    @property
    def config(self) -> dict[str, Any]:
        """The shape, with the batch left open."""
        return {"shape": (None, *self.out_dims[1:])}

    def __repr__(self) -> str:
        return f"Data(shape={format_dims((None, *self.out_dims[1:]))})"


class Rescale(Layer):
    """Multiply by a number and add another, both fixed: Y = scale * X + shift.

    This is how the pixels of images become small numbers: `Rescale(Data(uint8 images), 1 / 255)`. Whole numbers become
    floating-point ones (float32 for those of up to 16 bits). In `fit` and `predict` they come in the dtype of the network.

    Raises ValueError when scale or shift is not a finite number.

    >>> import numpy as np
    >>> Rescale(Data(np.array([[0, 255]], dtype=np.uint8)), scale=1 / 255).forward()
    array([[0., 1.]], dtype=float32)
    """

    native = "rescale"
    native_attributes = ("scale", "shift")

    def __init__(self, in_layer: Any, scale: float, shift: float = 0.0) -> None:
        super().__init__(in_layer)
        self.scale = finite(self, "scale", scale)
        self.shift = finite(self, "shift", shift)

    def compute(self, x: Array) -> Array:
        """Y = scale * X + shift."""
        return self.scale * floating(x) + self.shift

    def pull_back(self, dwnstrm: Array) -> Array:
        """scale * dwnstrm."""
        return self.scale * dwnstrm


class Linear(Layer):
    """Multiply every row by a matrix: Y = X W.

    X is (N, D), W is (D, K), Y is (N, K). W starts as standard normal numbers over sqrt(D), so that a row keeps
    its variance.

    Raises ShapeError when the input is not one row of features per example.

    >>> layer = Linear(Data([[1.0, 2.0]]), num_out_features=1)
    >>> layer.W = [[10.0], [1.0]]
    >>> layer.forward()
    array([[12.]])
    """

    native = "linear"
    fuses = ("bias", "activation")

    def __init__(self, in_layer: Any, num_out_features: int) -> None:
        super().__init__(in_layer)
        num_data, num_in_features = rows_of_features(self, in_layer)
        self.num_out_features = positive(self, "num_out_features", num_out_features)
        self.out_dims = (num_data, self.num_out_features)
        self.W = standard_normal(num_in_features, self.num_out_features) / sqrt(max(num_in_features, 1))

    def compute(self, x: Array) -> Array:
        """Y = X W."""
        return x @ self.W

    def pull_back(self, dwnstrm: Array) -> Array:
        """G = X^T dwnstrm; hand back dwnstrm W^T."""
        self.G = self.in_array.T @ dwnstrm
        return dwnstrm @ self.W.T


class Bias(Layer):
    """Add a trainable row to every row: Y = X + W.

    X and Y are (N, ..., D), W is (1, D) and starts as standard normal numbers.
    """

    native = "bias"
    fused_as = "bias"

    def __init__(self, in_layer: Any) -> None:
        super().__init__(in_layer)
        self.W = standard_normal(1, num_channels(self, in_layer))

    def compute(self, x: Array) -> Array:
        """Y = X + W."""
        return x + self.W

    def pull_back(self, dwnstrm: Array) -> Array:
        """G is the sum of dwnstrm over all axes but the last; hand back dwnstrm."""
        self.G = sum_to_row(dwnstrm)
        return dwnstrm


class Scale(Layer):
    """Multiply every feature by a trainable number: Y = X * W.

    X and Y are (N, ..., D), W is (1, D) and starts as ones.
    """

    native = "scale"
    fused_as = "scale"

    def __init__(self, in_layer: Any) -> None:
        super().__init__(in_layer)
        self.W = np.ones((1, num_channels(self, in_layer)))

    def compute(self, x: Array) -> Array:
        """Y = X * W."""
        return x * self.W

    def pull_back(self, dwnstrm: Array) -> Array:
        """G is the sum of X * dwnstrm over all axes but the last; hand back dwnstrm * W."""
        self.G = sum_to_row(self.in_array * dwnstrm)
        return dwnstrm * self.W


def sum_to_row(array: Array) -> Array:
    """Sum over all axes but the last; the result is (1, D)."""
    return array.sum(axis=tuple(range(array.ndim - 1))).reshape(1, -1)
