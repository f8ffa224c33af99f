"""Functions of single entries that networks of other libraries are made of; they run on the reference path."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import NamedTuple

import numpy as np

from pysmorch.layers.activations import sigmoid, softplus
from pysmorch.layers.arguments import Array, finite
from pysmorch.layers.base import Layer
from pysmorch.layers.protocol import LayerLike

__all__ = ["Clip", "Function"]


class _Formula(NamedTuple):
    """A function of an array, and its derivative as a function of the array and the value."""

    value: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]


def _erf(x: Array) -> Array:
    from scipy.special import erf  # NumPy has no error function; loaded when it is needed

    return erf(x)


def _none(x: Array, y: Array) -> Array:
    """The derivative of a function that is constant between its steps."""
    return np.zeros_like(x)


FUNCTIONS: dict[str, _Formula] = {
    "abs": _Formula(np.abs, lambda x, y: np.sign(x)),
    "acos": _Formula(np.arccos, lambda x, y: -1 / np.sqrt(1 - x * x)),
    "acosh": _Formula(np.arccosh, lambda x, y: 1 / np.sqrt(x * x - 1)),
    "asin": _Formula(np.arcsin, lambda x, y: 1 / np.sqrt(1 - x * x)),
    "asinh": _Formula(np.arcsinh, lambda x, y: 1 / np.hypot(x, 1)),
    "atan": _Formula(np.arctan, lambda x, y: 1 / (1 + x * x)),
    "atanh": _Formula(np.arctanh, lambda x, y: 1 / (1 - x * x)),
    "ceil": _Formula(np.ceil, _none),
    "cosh": _Formula(np.cosh, lambda x, y: np.sinh(x)),
    "elu": _Formula(
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda x, y: np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
    ),
    "erf": _Formula(_erf, lambda x, y: 2 / sqrt(pi) * np.exp(-np.square(np.clip(x, -40, 40)))),
    "exp": _Formula(np.exp, lambda x, y: y),
    "floor": _Formula(np.floor, _none),
    "log": _Formula(np.log, lambda x, y: 1 / x),
    "reciprocal": _Formula(lambda x: 1 / x, lambda x, y: -y * y),
    "round": _Formula(np.round, _none),
    "sign": _Formula(np.sign, _none),
    "sin": _Formula(np.sin, lambda x, y: np.cos(x)),
    "sinh": _Formula(np.sinh, lambda x, y: np.cosh(x)),
    "softplus": _Formula(softplus, lambda x, y: sigmoid(x)),
    "softsign": _Formula(lambda x: x / (1 + np.abs(x)), lambda x, y: 1 / np.square(1 + np.abs(x))),
    "sqrt": _Formula(np.sqrt, lambda x, y: 0.5 / y),
    "square": _Formula(np.square, lambda x, y: 2 * x),
    "step": _Formula(lambda x: (x > 0).astype(x.dtype), _none),
    "tan": _Formula(np.tan, lambda x, y: 1 + y * y),
}
"""The functions by name; those of NumPy have the names that ONNX gives them."""


class Function(Layer):
    """A function of every entry by itself, by its name: Y = f(X).

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    function : str
        One of "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cosh", "elu", "erf", "exp", "floor", "log",
        "reciprocal", "round", "sign", "sin", "sinh", "softplus", "softsign", "sqrt", "square", "step" and "tan".

    Raises
    ------
    ValueError
        When function is none of these.

    See Also
    --------
    from_onnx : Networks of other libraries, which have such functions.

    Notes
    -----
    The derivative of "ceil", "floor", "round", "sign" and "step" (1 where x > 0, else 0) is taken as 0, that of "abs" at 0 too; "elu" is
    x where x > 0, else exp(x) - 1. "round" goes to the even neighbour. Outside of where a function is defined, Y is NaN.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Function(Data([[4.0, 9.0]]), "sqrt").forward()
    array([[2., 3.]])
    """

    def __init__(self, in_layer: LayerLike, function: str) -> None:
        super().__init__(in_layer)
        if function not in FUNCTIONS:
            raise ValueError(f"Function: function must be one of {', '.join(FUNCTIONS)}, but is {function!r}")
        self.function = function

    def compute(self, x: Array) -> Array:
        """f(x)."""
        with np.errstate(all="ignore"):
            return FUNCTIONS[self.function].value(x)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm f'(x)."""
        with np.errstate(all="ignore"):
            return dwnstrm * FUNCTIONS[self.function].derivative(self.in_array, self.out_array)


class Clip(Layer):
    """Every entry, but at least `low` and at most `high`: Y = min(max(X, low), high).

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    low, high : float or None, default=None
        The bounds; None for none. Where low is above high, Y is high.

    Raises
    ------
    ValueError
        When a bound is not a finite number.

    Notes
    -----
    The derivative is 1 where X lies between the bounds, and 0 at them and outside.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Clip(Data([[-1.0, 2.0, 9.0]]), 0, 6).forward()
    array([[0., 2., 6.]])
    """

    def __init__(self, in_layer: LayerLike, low: float | None = None, high: float | None = None) -> None:
        super().__init__(in_layer)
        self.low = None if low is None else finite(self, "low", low)
        self.high = None if high is None else finite(self, "high", high)

    def compute(self, x: Array) -> Array:
        """min(max(x, low), high)."""
        above = x if self.low is None else np.maximum(x, self.low)
        return above if self.high is None else np.minimum(above, self.high)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm where low < x < high, else 0."""
        x = self.in_array
        inside = np.logical_and(self.low is None or x > self.low, self.high is None or x < self.high)
        return np.where(inside, dwnstrm, 0)
