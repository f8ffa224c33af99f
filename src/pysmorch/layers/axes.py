"""Layers that choose, order, enlarge or reduce the axes of an example; the batch stays. They run on the reference path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from pysmorch.layers.arguments import Array, ShapeError, finite, format_dims
from pysmorch.layers.base import Layer
from pysmorch.layers.protocol import LayerLike

__all__ = ["LogSoftmax", "Pad", "Reduce", "Take", "Transpose"]


class Transpose(Layer):
    """The axes of an example in another order.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape (N, ...).
    order : sequence of int
        The axes of the input, counted from 1 since the batch is axis 0, in the order of the output.

    Raises
    ------
    ValueError
        When order has not each axis once.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Transpose(Data(shape=(None, 28, 14, 3)), (3, 1, 2)).out_dims
    (None, 3, 28, 14)
    """

    moves_entries = True

    def __init__(self, in_layer: LayerLike, order: Sequence[int]) -> None:
        super().__init__(in_layer)
        dims = tuple(self.in_layer.out_dims)
        self.order = tuple(order)
        if sorted(self.order) != list(range(1, len(dims))):
            raise ValueError(
                f"Transpose: order must have each axis from 1 to {len(dims) - 1} once, but is {self.order!r} for in_layer "
                f"{in_layer!r}, which returns {format_dims(dims)}"
            )
        self.out_dims = (dims[0], *(dims[axis] for axis in self.order))

    def compute(self, x: Array) -> Array:
        """X with its axes in the new order."""
        return x.transpose(0, *self.order)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm with its axes in the old order."""
        return dwnstrm.transpose(np.argsort((0, *self.order)))


class Take(Layer):
    """Entries along an axis, by their indices, each as often as it is named: Y[..., i, ...] = X[..., indices[i], ...].

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape (N, ...).
    indices : sequence of int
        From 0 to the size of the axis - 1; at least one.
    axis : int, default=-1
        The axis; the batch is axis 0 and cannot be chosen.

    Raises
    ------
    ValueError
        When indices are none of the axis, or there is no such axis.

    See Also
    --------
    Columns : Neighbouring features.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Take(Data([[1.0, 2.0, 3.0]]), (2, 0, 0)).forward()
    array([[3., 1., 1.]])
    """

    moves_entries = True

    def __init__(self, in_layer: LayerLike, indices: Sequence[int], axis: int = -1) -> None:
        super().__init__(in_layer)
        dims = list(self.in_layer.out_dims)
        if (
            isinstance(axis, bool)
            or not isinstance(axis, int)
            or axis % len(dims) == 0
            or not -len(dims) < axis < len(dims)
        ):
            raise ValueError(f"Take: axis must be one of {format_dims(dims)} besides the batch, but is {axis!r}")
        self.axis = axis
        self.indices = tuple(indices)
        size = dims[axis]
        if not self.indices or not all(
            isinstance(i, int) and not isinstance(i, bool) and 0 <= i < size for i in self.indices
        ):
            raise ValueError(
                f"Take: indices must be integers from 0 to {size - 1}, the last one of axis {axis} of {in_layer!r}, but are {indices!r:.99}"
            )
        dims[axis] = len(self.indices)
        self.out_dims = tuple(dims)

    def compute(self, x: Array) -> Array:
        """X at the indices."""
        return np.take(x, self.indices, axis=self.axis)

    def pull_back(self, dwnstrm: Array) -> Array:
        """To each entry goes the sum over where it is in Y."""
        gradient = np.zeros_like(np.moveaxis(self.in_array, self.axis, 0))
        np.add.at(gradient, np.array(self.indices), np.moveaxis(dwnstrm, self.axis, 0))
        return np.moveaxis(gradient, 0, self.axis)


class Pad(Layer):
    """The same number around each example, along any axes.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape (N, ...).
    padding : sequence of (int, int)
        How many entries are added before and after, for each axis of an example.
    value : float, default=0.0
        What they are.

    Raises
    ------
    ValueError
        When padding is not of such a form, or value is not a finite number.

    See Also
    --------
    Pad2d : Zeros around images; it is quicker.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Pad(Data([[1.0, 2.0]]), [(1, 0)], 9.0).forward()
    array([[9., 1., 2.]])
    """

    moves_entries = True

    def __init__(self, in_layer: LayerLike, padding: Sequence[Sequence[int]], value: float = 0.0) -> None:
        super().__init__(in_layer)
        num_data, *sizes = self.in_layer.out_dims
        self.padding = tuple(tuple(sides) for sides in padding)
        numbers = [n for sides in self.padding for n in sides]
        if (
            len(self.padding) != len(sizes)
            or any(len(sides) != 2 for sides in self.padding)
            or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
        ):
            raise ValueError(
                f"Pad: padding must have two integers from 0 for each of the {len(sizes)} axes of an example, but is {padding!r}"
            )
        self.value = finite(self, "value", value)
        self.out_dims = (num_data, *(n + sum(sides) for n, sides in zip(sizes, self.padding, strict=True)))

    def compute(self, x: Array) -> Array:
        """X with the number around it."""
        return np.pad(x, ((0, 0), *self.padding), constant_values=self.value)

    def pull_back(self, dwnstrm: Array) -> Array:
        """The part of dwnstrm that belongs to X."""
        inner = (
            slice(before, before + n) for (before, _), n in zip(self.padding, self.in_array.shape[1:], strict=True)
        )
        return dwnstrm[:, *inner]


class _Reduction(NamedTuple):
    """A function of the last axis, and its derivative as a function of the array and the value, which has a last axis of one."""

    value: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]


def _log_sum_exp(x: Array) -> Array:
    largest = x.max(-1, keepdims=True)
    return np.log(np.exp(x - largest).sum(-1)) + largest[..., 0]


def _chosen(indices: Array, x: Array) -> Array:
    """Return 1 at an index of the last axis, else 0."""
    return np.arange(x.shape[-1]) == indices[..., None]


def _product_of_others(x: Array, y: Array) -> Array:
    """Return the products of all entries but one, also where some are 0."""
    ones = np.ones_like(x[..., :1])
    before = np.cumprod(np.concatenate([ones, x[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, x[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return before * after


REDUCTIONS: dict[str, _Reduction] = {
    "sum": _Reduction(lambda x: x.sum(-1), lambda x, y: np.ones_like(x)),
    "mean": _Reduction(lambda x: x.mean(-1), lambda x, y: np.full_like(x, 1 / max(x.shape[-1], 1))),
    "max": _Reduction(lambda x: x.max(-1), lambda x, y: _chosen(x.argmax(-1), x)),
    "min": _Reduction(lambda x: x.min(-1), lambda x, y: _chosen(x.argmin(-1), x)),
    "product": _Reduction(lambda x: x.prod(-1), _product_of_others),
    "log_sum_exp": _Reduction(_log_sum_exp, lambda x, y: np.exp(x - y)),
}
"""The reductions by name."""


class Reduce(Layer):
    """One number of all entries along some axes, such as their sum.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape (N, ...).
    function : str
        "sum", "mean", "max", "min", "product" or "log_sum_exp", the logarithm of the sum of exponentials.
    axes : sequence of int
        The axes; the batch is axis 0 and cannot be among them.
    keep_axes : bool, default=False
        Whether the axes stay, with size one.

    Raises
    ------
    ValueError
        When function is none of these, or axes are none or come twice.
    ShapeError
        When an axis of size 0 has no such number.

    Notes
    -----
    Where several entries are the maximum or the minimum, the first of them gets the gradient.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Reduce(Data([[1.0, 2.0, 3.0]]), "sum", [1], keep_axes=True).forward()
    array([[6.]])
    """

    def __init__(self, in_layer: LayerLike, function: str, axes: Sequence[int], keep_axes: bool = False) -> None:
        super().__init__(in_layer)
        if function not in REDUCTIONS:
            raise ValueError(f"Reduce: function must be one of {', '.join(REDUCTIONS)}, but is {function!r}")
        dims = tuple(self.in_layer.out_dims)
        self.function = function
        self.axes = _axes_of(self, axes)
        if function not in ("sum", "product") and any(dims[axis] == 0 for axis in self.axes):
            raise ShapeError(
                f"Reduce: an axis of in_layer {in_layer!r}, {format_dims(dims)}, has no entries to take the {function} of"
            )
        self.keep_axes = bool(keep_axes)
        self.out_dims = tuple(
            1 if axis in self.axes else size for axis, size in enumerate(dims) if keep_axes or axis not in self.axes
        )

    def compute(self, x: Array) -> Array:
        """The number of each part."""
        y = REDUCTIONS[self.function].value(self._last(x))
        return y.reshape(len(x), *self.out_dims[1:])

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm times the derivative, at the entries that it belongs to."""
        parts = self._last(self.in_array)
        y, d = (array.reshape(*parts.shape[:-1], 1) for array in (self.out_array, dwnstrm))
        gradient = d * REDUCTIONS[self.function].derivative(parts, y)
        moved: Any = np.moveaxis(self.in_array, self.axes, range(-len(self.axes), 0)).shape
        return np.moveaxis(gradient.reshape(moved), range(-len(self.axes), 0), self.axes)

    def _last(self, x: Array) -> Array:
        """Return the array with one last axis that holds all that are reduced."""
        moved = np.moveaxis(x, self.axes, range(-len(self.axes), 0))
        num_others = moved.ndim - len(self.axes)
        return moved.reshape(*moved.shape[:num_others], prod(moved.shape[num_others:]))


class LogSoftmax(Layer):
    """The logarithms of probabilities that sum to 1 along some axes: Y = X - log(sum exp(X)).

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape (N, ...).
    axes : sequence of int
        The axes; the batch is axis 0 and cannot be among them.

    Raises
    ------
    ValueError
        When axes are none or come twice.
    ShapeError
        When an axis has no entries.

    Notes
    -----
    The gradient is dwnstrm - exp(Y) sum(dwnstrm). The largest entry is subtracted before anything is exponentiated.

    Examples
    --------
    >>> import numpy as np
    >>> from pysmorch import Data
    >>> np.exp(LogSoftmax(Data([[1000.0, 1000.0]]), [1]).forward())
    array([[0.5, 0.5]])
    """

    def __init__(self, in_layer: LayerLike, axes: Sequence[int]) -> None:
        super().__init__(in_layer)
        self.axes = _axes_of(self, axes)
        if any(in_layer.out_dims[axis] == 0 for axis in self.axes):
            raise ShapeError(
                f"LogSoftmax: an axis of in_layer {in_layer!r} has no entries: {format_dims(in_layer.out_dims)}"
            )

    def compute(self, x: Array) -> Array:
        """X - log(sum exp(X))."""
        centred = x - x.max(self.axes, keepdims=True)
        return centred - np.log(np.exp(centred).sum(self.axes, keepdims=True))

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm - exp(Y) sum(dwnstrm)."""
        return dwnstrm - np.exp(self.out_array) * dwnstrm.sum(self.axes, keepdims=True)


def _axes_of(layer: Layer, axes: Sequence[int]) -> tuple[int, ...]:
    """Return the argument `axes`, some axes of the input besides the batch."""
    given, count = tuple(axes), len(layer.in_layer.out_dims)
    is_wrong = any(not isinstance(axis, int) or isinstance(axis, bool) or not 0 < axis < count for axis in given)
    if not given or is_wrong or len(set(given)) < len(given):
        raise ValueError(f"{type(layer).__name__}: axes must be some of 1 to {count - 1}, each once, but are {axes!r}")
    return given
