"""Arithmetic of arrays whose shapes need not be the same: entries of size one are repeated, as in NumPy. It runs on the reference path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pysmorch.layers.arguments import Array, ShapeError, format_dims, positive
from pysmorch.layers.base import Layer
from pysmorch.layers.protocol import LayerLike

__all__ = ["Combine", "CombineParameter", "MatrixProduct"]


class _Operation(NamedTuple):
    """An operation of two arrays, and its derivatives with respect to both, of the arrays and the result."""

    value: Callable[[Array, Array], Array]
    derivatives: Callable[[Array, Array, Array], tuple[Array, Array]]


def _of_power(a: Array, b: Array, y: Array) -> tuple[Array, Array]:
    return b * np.power(a, b - 1), y * np.log(np.where(a > 0, a, 1))


_ONE = np.ones(())

OPERATIONS: dict[str, _Operation] = {
    "add": _Operation(np.add, lambda a, b, y: (_ONE, _ONE)),
    "subtract": _Operation(np.subtract, lambda a, b, y: (_ONE, -_ONE)),
    "multiply": _Operation(np.multiply, lambda a, b, y: (b, a)),
    "divide": _Operation(np.divide, lambda a, b, y: (1 / b, -y / b)),
    "power": _Operation(np.power, _of_power),
    "maximum": _Operation(np.maximum, lambda a, b, y: (a >= b, a < b)),
    "minimum": _Operation(np.minimum, lambda a, b, y: (a <= b, a > b)),
}
"""The operations by name, which is that of NumPy's function."""


class Combine(Layer):
    """Two inputs, entry by entry; an axis of size one is repeated to the size of the other input's.

    Parameters
    ----------
    *in_layers : Layer
        Two input layers with the same number of axes, whose sizes are the same or one.
    operation : str
        "add", "subtract", "multiply", "divide", "power", "maximum" or "minimum": of the first input and the second one.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    TypeError
        When there are not two layers.
    ValueError
        When operation is none of these.

    See Also
    --------
    Add, Multiply : Two or more inputs of the same shape; they are quicker.

    Notes
    -----
    Where both are the maximum or the minimum, the first one gets the gradient. The derivative of a power with respect to its exponent
    is taken as 0 where the base is not positive.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Combine(Data([[6.0, 8.0]]), Data([[2.0]]), operation="divide").forward()
    array([[3., 4.]])
    """

    def __init__(self, *in_layers: LayerLike, operation: str) -> None:
        super().__init__(*in_layers)
        if len(in_layers) != 2:
            raise TypeError(f"Combine needs two in_layers, but got {len(in_layers)}")
        self.operation = _known(self, operation)
        first, second = (tuple(layer.out_dims) for layer in self.in_layers)
        if len(first) != len(second):
            raise ShapeError(
                f"Combine: in_layers must have the same number of axes, but have shapes {format_dims(first)} and {format_dims(second)}"
            )
        self.out_dims = (first[0], *_together(self, first[1:], second[1:]))

    def compute(self, a: Array, b: Array) -> Array:
        """The operation."""
        with np.errstate(all="ignore"):
            return OPERATIONS[self.operation].value(a, b)

    def pull_back(self, dwnstrm: Array) -> tuple[Array, ...]:
        """dwnstrm times the derivatives, summed over what was repeated."""
        a, b = self.in_arrays
        return _gradients(self.operation, a, b, self.out_array, dwnstrm)


class CombineParameter(Layer):
    """The input with an array of parameters, entry by entry; an axis of size one is repeated to the size of the other.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, ...).
    operation : str
        As in `Combine`: of the input and the parameters.
    shape : sequence of int
        Of the parameters: as the last axes of an example, with sizes that are the same or one.
    parameter_first : bool, default=False
        Whether the operation is of the parameters and the input instead.

    Attributes
    ----------
    W : array
        The parameters, initialised as ones.
    G : array
        dwnstrm times the derivative, summed over what was repeated.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    ValueError
        When operation is none, or a size is not positive.

    See Also
    --------
    Bias, Scale : A number for each feature; they are quicker.

    Examples
    --------
    >>> from pysmorch import Data
    >>> positions = CombineParameter(Data(shape=(None, 16, 32)), "add", (16, 32))
    >>> positions.out_dims
    (None, 16, 32)
    """

    def __init__(
        self, in_layer: LayerLike, operation: str, shape: Sequence[int], parameter_first: bool = False
    ) -> None:
        super().__init__(in_layer)
        self.operation = _known(self, operation)
        self.shape = tuple(positive(self, "shape", size) for size in shape)
        self.parameter_first = bool(parameter_first)
        num_data, *sizes = self.in_layer.out_dims
        if len(self.shape) > len(sizes):
            raise ShapeError(
                f"CombineParameter: shape {self.shape} has more axes than the examples of in_layer {in_layer!r}, "
                f"which returns {format_dims(in_layer.out_dims)}"
            )
        self.out_dims = (num_data, *_together(self, tuple(sizes), self.shape))
        self.W = np.ones(self.shape)

    def compute(self, x: Array) -> Array:
        """The operation."""
        with np.errstate(all="ignore"):
            return OPERATIONS[self.operation].value(*self._ordered(x, self.W))

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm times the derivatives, summed over what was repeated."""
        a, b = self._ordered(self.in_array, self.W)
        gradient, self.G = self._ordered(*_gradients(self.operation, a, b, self.out_array, dwnstrm))
        return gradient

    def _ordered(self, x: Array, W: Array) -> tuple[Array, Array]:
        return (W, x) if self.parameter_first else (x, W)


class MatrixProduct(Layer):
    """The products of the matrices of two inputs, as in attention: Y[n, ...] = A[n, ...] B[n, ...].

    Parameters
    ----------
    *in_layers : Layer
        Two input layers, of shapes (N, ..., I, K) and (N, ..., K, J) with at least three axes, as many in both; the axes before the
        last two have the same sizes or one.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    TypeError
        When there are not two layers.

    Notes
    -----
    Y is (N, ..., I, J); the gradients are dwnstrm B^T and A^T dwnstrm.

    Examples
    --------
    >>> from pysmorch import Data
    >>> MatrixProduct(Data(shape=(None, 8, 16)), Data(shape=(None, 16, 4))).out_dims
    (None, 8, 4)
    """

    def __init__(self, *in_layers: LayerLike) -> None:
        super().__init__(*in_layers)
        if len(in_layers) != 2:
            raise TypeError(f"MatrixProduct needs two in_layers, but got {len(in_layers)}")
        first, second = (tuple(layer.out_dims) for layer in self.in_layers)
        if len(first) != len(second) or len(first) < 3 or first[-1] != second[-2]:
            raise ShapeError(
                "MatrixProduct: in_layers must have shapes (N, ..., I, K) and (N, ..., K, J), but have "
                f"{format_dims(first)} and {format_dims(second)}"
            )
        self.out_dims = (first[0], *_together(self, first[1:-2], second[1:-2]), first[-2], second[-1])

    def compute(self, a: Array, b: Array) -> Array:
        """A B."""
        return a @ b

    def pull_back(self, dwnstrm: Array) -> tuple[Array, Array]:
        """dwnstrm B^T and A^T dwnstrm."""
        a, b = self.in_arrays
        return _summed(dwnstrm @ b.mT, a.shape), _summed(a.mT @ dwnstrm, b.shape)


def _known(layer: Layer, operation: str) -> str:
    if operation not in OPERATIONS:
        raise ValueError(
            f"{type(layer).__name__}: operation must be one of {', '.join(OPERATIONS)}, but is {operation!r}"
        )
    return operation


def _together(layer: Layer, first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes of a result, by the rules of broadcasting."""
    try:
        return tuple(int(size) for size in np.broadcast_shapes(first, second))
    except ValueError:
        raise ShapeError(
            f"{type(layer).__name__}: the shape of the examples of its in_layers, {first}, does not fit {second}; sizes must be the "
            "same or one"
        ) from None


def _gradients(operation: str, a: Array, b: Array, y: Array, dwnstrm: Array) -> tuple[Array, Array]:
    with np.errstate(all="ignore"):
        first, second = OPERATIONS[operation].derivatives(a, b, y)
        return _summed(dwnstrm * first, a.shape), _summed(dwnstrm * second, b.shape)


def _summed(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Return a gradient summed over the axes along which an array of this shape was repeated."""
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    repeated = tuple(i for i, (size, n) in enumerate(zip(shape, gradient.shape, strict=True)) if size == 1 != n)
    return gradient.sum(axis=repeated, keepdims=True)
