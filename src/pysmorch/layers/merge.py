"""Layers with several inputs: sum, product, blend, mean of probabilities and concatenation; and a part of one input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pysmorch.layers.arguments import Array, ShapeError, format_dims, num_channels, same_shapes, two_or_more
from pysmorch.layers.base import Layer
from pysmorch.layers.dense import sum_to_row
from pysmorch.layers.protocol import LayerLike

__all__ = ["Add", "Blend", "Columns", "Concat", "LogMeanSoftmax", "Multiply"]


class Add(Layer):
    """The sum of two or more inputs of the same shape, as in a residual block: `Add(x, block(x))`.

    Parameters
    ----------
    *in_layers : Layer
        Two or more input layers of the same shape; a layer may appear several times.

    Raises
    ------
    ShapeError
        When the shapes differ.
    TypeError
        When there are fewer than two layers.

    Notes
    -----
    The gradient with respect to every input is dwnstrm.
    """

    native = "add"
    fused_as = "sum"

    def __init__(self, *in_layers: LayerLike) -> None:
        super().__init__(*in_layers)
        same_shapes(self)

    def compute(self, *inputs: Array) -> Array:
        """x1 + x2 + ..."""
        return sum(inputs[1:], start=inputs[0])

    def pull_back(self, dwnstrm: Array) -> tuple[Array, ...]:
        """The gradient goes to every input."""
        return (dwnstrm,) * len(self.in_layers)


class Multiply(Layer):
    """The product of two or more inputs of the same shape, entry by entry, as in a gate.

    Parameters
    ----------
    *in_layers : Layer
        Two or more input layers of the same shape; a layer may appear several times.

    Raises
    ------
    ShapeError
        When the shapes differ.
    TypeError
        When there are fewer than two layers.

    Notes
    -----
    The gradient with respect to an input is dwnstrm times the product of the others.
    """

    native = "multiply"

    def __init__(self, *in_layers: LayerLike) -> None:
        super().__init__(*in_layers)
        same_shapes(self)

    def compute(self, *inputs: Array) -> Array:
        """x1 * x2 * ..."""
        return _product(inputs)

    def pull_back(self, dwnstrm: Array) -> tuple[Array, ...]:
        """To each input goes dwnstrm times the product of the others."""
        x = self.in_arrays
        return tuple(dwnstrm * _product(x[:i] + x[i + 1 :]) for i in range(len(x)))


class Blend(Layer):
    """A point between two inputs, or beyond them, by a trainable number for each feature: Y = X1 + W * (X2 - X1).

    Parameters
    ----------
    *in_layers : Layer
        Two input layers of the same shape (N, ..., D).

    Attributes
    ----------
    W : array of shape (1, D)
        The part of the second input, initialised as ones: Y = X2.
    G : array of shape (1, D)
        The sum of (X2 - X1) * dwnstrm over all axes but the last.

    Raises
    ------
    ShapeError
        When the shapes differ, or there is no axis of features.
    TypeError
        When there are not two layers.

    See Also
    --------
    parametric : An activation whose strength is trained.
    """

    native = "blend"

    def __init__(self, *in_layers: LayerLike) -> None:
        super().__init__(*in_layers)
        if len(in_layers) != 2:
            raise TypeError(f"Blend needs two in_layers, but got {len(in_layers)}")
        same_shapes(self)
        self.W = np.ones((1, num_channels(self, in_layers[0])))

    def compute(self, x1: Array, x2: Array) -> Array:
        """Y = X1 + W * (X2 - X1)."""
        return x1 + self.W * (x2 - x1)

    def pull_back(self, dwnstrm: Array) -> tuple[Array, Array]:
        """G is the sum of (X2 - X1) * dwnstrm; the input gradients are dwnstrm * (1 - W) and dwnstrm * W."""
        x1, x2 = self.in_arrays
        self.G = sum_to_row((x2 - x1) * dwnstrm)
        return dwnstrm * (1 - self.W), dwnstrm * self.W


class LogMeanSoftmax(Layer):
    """The logarithm of the mean of several probabilities: Y = log(1/K sum_k softmax(X_k)), whose softmax is that mean.

    So an ensemble of classifiers is one network, with the same loss as each of them.

    Parameters
    ----------
    *in_layers : Layer
        Two or more input layers of the same shape (N, ..., D): logits of D classes.

    Raises
    ------
    ShapeError
        When the shapes differ, or there is no axis of classes.
    TypeError
        When there are fewer than two layers.

    Notes
    -----
    With P_k = softmax(X_k) and the part R_k = P_k / (K exp(Y)) that input k has in the mean, the gradient with respect to X_k is
    R_k * dwnstrm - P_k sum(R_k * dwnstrm), with the sum over the classes. Nothing is exponentiated before the largest of its kind is
    taken away, so that Y is finite where all probabilities of a class are too small for their type.
    """

    native = "log_mean_softmax"

    def __init__(self, *in_layers: LayerLike) -> None:
        super().__init__(*in_layers)
        same_shapes(self)
        num_channels(self, in_layers[0])

    def compute(self, *inputs: Array) -> Array:
        """Y = log(1/K sum_k softmax(X_k))."""
        return _log_sum(np.stack(_log_softmax(inputs)), axis=0)[0] - np.log(len(inputs))

    def pull_back(self, dwnstrm: Array) -> tuple[Array, ...]:
        """To input k goes R_k * dwnstrm - P_k sum(R_k * dwnstrm)."""
        gradients = []
        for log_p in _log_softmax(self.in_arrays):
            part = np.exp(log_p - self.out_array) / len(self.in_arrays) * dwnstrm
            gradients.append(part - np.exp(log_p) * part.sum(axis=-1, keepdims=True))
        return tuple(gradients)


class Concat(Layer):
    """The inputs side by side along the last axis: shapes (N, ..., D1), (N, ..., D2) give (N, ..., D1 + D2).

    Parameters
    ----------
    *in_layers : Layer
        Two or more input layers; their shapes may differ in the last axis only.

    Raises
    ------
    ShapeError
        When the other axes differ.
    TypeError
        When there are fewer than two layers.
    """

    native = "concat"
    moves_entries = True

    def __init__(self, *in_layers: LayerLike) -> None:
        super().__init__(*in_layers)
        all_dims = [tuple(layer.out_dims) for layer in two_or_more(self)]
        if any(dims[1:-1] != all_dims[0][1:-1] or len(dims) != len(all_dims[0]) or len(dims) < 2 for dims in all_dims):
            raise ShapeError(
                "Concat: in_layers may differ in their last axis only, but have shapes "
                + ", ".join(format_dims(d) for d in all_dims)
            )
        self.sizes = [int(num_channels(self, layer)) for layer in in_layers]
        self.out_dims = (*all_dims[0][:-1], sum(self.sizes))

    def compute(self, *inputs: Array) -> Array:
        """[x1, x2, …] along the last axis."""
        return np.concatenate(inputs, axis=-1)

    def pull_back(self, dwnstrm: Array) -> tuple[Array, ...]:
        """Every input gets its part."""
        return tuple(np.split(dwnstrm, np.cumsum(self.sizes)[:-1], axis=-1))


class Columns(Layer):
    """Some neighbouring features of the input: Y = X[..., start:stop].

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, ..., D).
    start, stop : int
        The index of the first feature, and one more than that of the last one.

    Raises
    ------
    ShapeError
        When there is no axis of features, or not so many of them.
    ValueError
        When start and stop are no integers, negative, or leave nothing.

    See Also
    --------
    Concat : Features side by side.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Columns(Data([[1.0, 2.0, 3.0]]), 1, 3).forward()
    array([[2., 3.]])
    """

    native = "columns"
    moves_entries = True
    native_attributes = ("start",)

    def __init__(self, in_layer: LayerLike, start: int, stop: int) -> None:
        super().__init__(in_layer)
        width = num_channels(self, in_layer)
        if any(isinstance(end, bool) or not isinstance(end, int) for end in (start, stop)) or not 0 <= start < stop:
            raise ValueError(
                f"Columns: start and stop must be integers with 0 <= start < stop, but are {start!r} and {stop!r}"
            )
        if stop > width:
            raise ShapeError(
                f"Columns: stop is {stop!r}, but {in_layer!r} has {width} features, shape {format_dims(in_layer.out_dims)}"
            )
        self.start, self.stop = start, stop
        self.out_dims = (*in_layer.out_dims[:-1], stop - start)

    def compute(self, x: Array) -> Array:
        """X[..., start:stop]."""
        return x[..., self.start : self.stop]

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm where the features come from, and 0 elsewhere."""
        gradient = np.zeros_like(self.in_array)
        gradient[..., self.start : self.stop] = dwnstrm
        return gradient


def _product(arrays: tuple[Array, ...]) -> Array:
    result = arrays[0]
    for array in arrays[1:]:
        result = result * array
    return result


def _log_softmax(inputs: Sequence[Array]) -> list[Array]:
    return [x - _log_sum(x, axis=-1) for x in inputs]


def _log_sum(x: Array, axis: int) -> Array:
    """Return log(sum exp(x)) along an axis, which stays."""
    largest = x.max(axis=axis, keepdims=True)
    return largest + np.log(np.exp(x - largest).sum(axis=axis, keepdims=True))
