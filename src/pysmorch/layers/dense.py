"""Input data, a fixed affine scaling, and the layers with parameters for rows of features."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

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
from pysmorch.layers.protocol import LayerLike
from pysmorch.layers.randomness import standard_normal

__all__ = ["Bias", "Data", "Linear", "Rescale", "Scale"]


_NUMBERS = itertools.count()


class Data(Layer):
    """The input array of a network.

    Parameters
    ----------
    data : array, default=None
        An array with the examples along its first axis.
    shape : sequence of int or None, default=None
        Instead of `data`, for a network that gets its data later: the shape of what will come, with None for the batch, as in
        `Data(shape=(None, 784))`.
    name : str, default=None
        By which a network with several inputs takes an array from a dictionary. The first dictionary that a network is given names
        Data layers that have no names, its keys in the order in which they were made.

    Attributes
    ----------
    data : array or None
        The array; `set_data` replaces it.
    number : int
        Counts all Data layers: networks take arrays in the order in which these were made.

    Raises
    ------
    ShapeError
        When data of another shape than before is set (the batch size may change).
    TypeError
        When the entries are not numbers, or neither or both of the arguments are given.

    Examples
    --------
    >>> Data([[1.0, 2.0]]).forward()
    array([[1., 2.]])
    """

    native = "data"
    is_view = True
    name: str | None = None
    number: int = 0

    def __init__(
        self, data: ArrayLike | None = None, *, shape: Sequence[int | None] | None = None, name: str | None = None
    ) -> None:
        super().__init__()
        if (data is None) == (shape is None):
            raise TypeError("Data needs either an array or shape=(None, ...), for example Data(shape=(None, 784))")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"Data: name must be a str, but is {name!r}")
        self.name = name
        self.number = next(_NUMBERS)
        self.data: Any = None
        if shape is not None:
            self.out_dims = data_dims(shape)
        else:
            self.data = data_array(data)
            self.out_dims = self.data.shape

    def set_data(self, data: ArrayLike) -> None:
        """Use another array from now on.

        Parameters
        ----------
        data : array
            In the shape of the array before; only the batch size may differ.

        Raises
        ------
        ShapeError
            When another size differs.
        TypeError
            When the entries are not numbers.
        """
        array = data_array(data)
        if array.shape[1:] != tuple(self.out_dims[1:]):
            raise ShapeError(
                f"Data: data must have the shape {format_dims((None, *self.out_dims[1:]))}, but has {array.shape}"
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
        """Do nothing: there are no parameters and no input layer."""

    @property
    def config(self) -> dict[str, Any]:
        """The shape, with the batch left open, and the name if there is one."""
        shape = {"shape": (None, *self.out_dims[1:])}
        return shape if self.name is None else shape | {"name": self.name}

    def __repr__(self) -> str:
        name = "" if self.name is None else f", name={self.name!r}"
        return f"Data(shape={format_dims((None, *self.out_dims[1:]))}{name})"


def data_layers(layers: Sequence[Any]) -> list[Data]:
    """Return the Data layers among the layers of a graph, in the order in which they were made and take arrays.

    Parameters
    ----------
    layers : sequence of Layer
        In any order.

    Returns
    -------
    list of Data
        By their numbers.
    """
    return sorted((layer for layer in layers if isinstance(layer, Data)), key=lambda layer: layer.number)


class Rescale(Layer):
    """Multiply by a number and add another, both fixed: Y = scale * X + shift.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    scale : float
        The factor.
    shift : float, default=0.0
        What is added.

    Raises
    ------
    ValueError
        When scale or shift is not a finite number.

    Notes
    -----
    This is how the pixels of images become small numbers: `Rescale(Data(uint8 images), 1 / 255)`. Integers become floating-point
    numbers (float32 for those of up to 16 bits). In `fit` and `predict` they come in the dtype of the network.

    Examples
    --------
    >>> import numpy as np
    >>> Rescale(Data(np.array([[0, 255]], dtype=np.uint8)), scale=1 / 255).forward()
    array([[0., 1.]], dtype=float32)
    """

    native = "rescale"
    native_attributes = ("scale", "shift")

    def __init__(self, in_layer: LayerLike, scale: float, shift: float = 0.0) -> None:
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

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, D).
    num_out_features : int
        The number K of outputs.

    Attributes
    ----------
    W : array of shape (D, K)
        The weights. They are initialised as standard normal numbers over sqrt(D), so that a row keeps its variance.
    G : array of shape (D, K)
        X^T dwnstrm, the gradient with respect to `W`.
    runs : tuple of tuple of int
        Says that the last features of X are data that come in runs, so that training takes less time: pairs (length, count), each for
        `count` runs of `length` features, 1024 at most. In most rows the features of a run are 1 up to one of them, and 0 after it, as
        those of a piecewise linear encoding; an indicator is a run of length 1. Where it is not so, nothing else changes. () at first.

    Raises
    ------
    ShapeError
        When the input is not one row of features per example.
    ValueError
        When num_out_features is not a positive integer, or `runs` are set to what are no such pairs, or more features than there are.

    Notes
    -----
    X is (N, D), Y is (N, K); the gradient with respect to X is dwnstrm W^T.

    Examples
    --------
    >>> layer = Linear(Data([[1.0, 2.0]]), num_out_features=1)
    >>> layer.W = [[10.0], [1.0]]
    >>> layer.forward()
    array([[12.]])
    """

    native = "linear"
    fuses = ("bias", "activation")
    _runs: tuple[tuple[int, int], ...] = ()

    def __init__(self, in_layer: LayerLike, num_out_features: int) -> None:
        super().__init__(in_layer)
        num_data, num_in_features = rows_of_features(self, in_layer)
        self.num_out_features = positive(self, "num_out_features", num_out_features)
        self.out_dims = (num_data, self.num_out_features)
        self.W = standard_normal(num_in_features, self.num_out_features) / sqrt(max(num_in_features, 1))

    def compute(self, x: Array) -> Array:
        """Y = X W."""
        return x @ self.W

    def pull_back(self, dwnstrm: Array) -> Array:
        """G = X^T dwnstrm; the input gradient is dwnstrm W^T."""
        self.G = self.in_array.T @ dwnstrm
        return dwnstrm @ self.W.T

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """Which features come in runs."""
        return self._runs

    @runs.setter
    def runs(self, runs: Sequence[tuple[int, int]]) -> None:
        self._runs = _checked_runs(self, runs)


LONGEST_RUN = 1024
"""Features of a run, whose sums have to stay in a cache."""


def _checked_runs(layer: Linear, runs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return pairs of integers that describe runs of the last features of a layer's input."""
    pairs = list(runs) if isinstance(runs, Sequence) else [runs]
    for pair in pairs:
        if (
            not isinstance(pair, Sequence)
            or len(pair) != 2
            or any(isinstance(number, bool) or not isinstance(number, (int, np.integer)) for number in pair)
            or not (1 <= pair[0] <= LONGEST_RUN and pair[1] >= 1)
        ):
            raise ValueError(
                f"{layer!r}: runs must be pairs (length, count) of positive integers, with lengths up to {LONGEST_RUN}, but has {pair!r}"
            )
    total = sum(int(length) * int(count) for length, count in pairs)
    if total > len(layer.W):
        raise ValueError(f"{layer!r}: runs have {total} features, but the input has {len(layer.W)}")
    return tuple((int(length), int(count)) for length, count in pairs)


class Bias(Layer):
    """Add a trainable row to every row: Y = X + W.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, ..., D).

    Attributes
    ----------
    W : array of shape (1, D)
        The row, initialised as standard normal numbers.
    G : array of shape (1, D)
        The sum of dwnstrm over all axes but the last.

    Raises
    ------
    ShapeError
        When the input has no axis of features.
    """

    native = "bias"
    fused_as = "bias"

    def __init__(self, in_layer: LayerLike) -> None:
        super().__init__(in_layer)
        self.W = standard_normal(1, num_channels(self, in_layer))

    def compute(self, x: Array) -> Array:
        """Y = X + W."""
        return x + self.W

    def pull_back(self, dwnstrm: Array) -> Array:
        """G is the sum of dwnstrm over all axes but the last; the input gradient is dwnstrm."""
        self.G = sum_to_row(dwnstrm)
        return dwnstrm


class Scale(Layer):
    """Multiply every feature by a trainable number: Y = X * W.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, ..., D).

    Attributes
    ----------
    W : array of shape (1, D)
        The factors, initialised as ones.
    G : array of shape (1, D)
        The sum of X * dwnstrm over all axes but the last.

    Raises
    ------
    ShapeError
        When the input has no axis of features.
    """

    native = "scale"
    fused_as = "scale"

    def __init__(self, in_layer: LayerLike) -> None:
        super().__init__(in_layer)
        self.W = np.ones((1, num_channels(self, in_layer)))

    def compute(self, x: Array) -> Array:
        """Y = X * W."""
        return x * self.W

    def pull_back(self, dwnstrm: Array) -> Array:
        """G is the sum of X * dwnstrm over all axes but the last; the input gradient is dwnstrm * W."""
        self.G = sum_to_row(self.in_array * dwnstrm)
        return dwnstrm * self.W


def sum_to_row(array: Array) -> Array:
    """Sum over all axes but the last; the result is (1, D)."""
    return array.sum(axis=tuple(range(array.ndim - 1))).reshape(1, -1)
