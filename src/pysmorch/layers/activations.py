"""Activations: scalar functions, applied to every entry. None of them exponentiates a positive number."""

from __future__ import annotations

import re
from math import pi, sqrt
from typing import Literal

import numpy as np

from pysmorch.layers.arguments import Array, finite
from pysmorch.layers.base import Layer
from pysmorch.layers.protocol import LayerLike

__all__ = ["Cos", "Gelu", "LeakyRelu", "Mish", "Relu", "Selu", "Sigmoid", "Silu", "SmoothClip", "Tanh"]


class Activation(Layer):
    """The base of all activations: a scalar function, applied to every entry; Y has the shape of X.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    """

    initial_gain: float = 1.0
    """Factor of the initial weights before it, over the square root of the number of inputs (fan-in), so that the variance stays the same."""

    def __init__(self, in_layer: LayerLike) -> None:
        super().__init__(in_layer)


class Relu(Activation):
    """max(x, 0), entry by entry; the derivative at 0 is taken as 0.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.

    Notes
    -----
    Y = max(X, 0), with derivative 1 where x > 0 and 0 elsewhere. Source: Nair and Hinton, "Rectified linear units improve
    restricted Boltzmann machines", 2010.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Relu(Data([[-1.0, 2.0]])).forward()
    array([[0., 2.]])
    """

    native = "relu"
    initial_gain = sqrt(2)
    fused_as = "activation"

    def compute(self, x: Array) -> Array:
        """max(x, 0)."""
        return np.maximum(x, 0)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm where x > 0, else 0."""
        return np.where(self.in_array > 0, dwnstrm, 0)


class LeakyRelu(Activation):
    """x where x > 0, slope * x elsewhere; the derivative at 0 is the slope.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    slope : float, default=0.01
        The derivative for x <= 0.

    Notes
    -----
    Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    native = "leaky_relu"
    initial_gain = sqrt(2)
    native_attributes = ("slope",)

    def __init__(self, in_layer: LayerLike, slope: float = 0.01) -> None:
        super().__init__(in_layer)
        self.slope = finite(self, "slope", slope)

    def compute(self, x: Array) -> Array:
        """x or slope * x."""
        return np.where(x > 0, x, self.slope * x)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm or slope * dwnstrm."""
        return np.where(self.in_array > 0, dwnstrm, self.slope * dwnstrm)


class Sigmoid(Activation):
    """s(x) = 1 / (1 + exp(-x)), with derivative s (1 - s).

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    """

    native = "sigmoid"
    fused_as = "activation"

    def compute(self, x: Array) -> Array:
        """s(x)."""
        return sigmoid(x)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm s (1 - s)."""
        s = self.out_array
        return dwnstrm * s * (1 - s)


class Tanh(Activation):
    """tanh(x), with derivative 1 - tanh(x)^2.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    """

    native = "tanh"
    fused_as = "activation"

    def compute(self, x: Array) -> Array:
        """tanh(x)."""
        return np.tanh(x)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm (1 - tanh^2)."""
        return dwnstrm * (1 - self.out_array**2)


class Gelu(Activation):
    """x P(x), with P the distribution function of the standard normal: P(x) = (1 + erf(x / sqrt 2)) / 2.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.

    Notes
    -----
    The derivative is P(x) + x p(x) with the density p(x) = exp(-x^2 / 2) / sqrt(2 pi). Source: Hendrycks and Gimpel, "Gaussian error
    linear units", 2016 (the exact form, without tanh).
    """

    native = "gelu"
    initial_gain = sqrt(2)

    def compute(self, x: Array) -> Array:
        """x P(x)."""
        self.distribution = _normal_distribution(x)
        return x * self.distribution

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm (P(x) + x p(x))."""
        x = self.in_array
        density = np.exp(-0.5 * np.square(np.clip(x, -40, 40))) / sqrt(2 * pi)  # beyond 40 it is 0 in float64
        return dwnstrm * (self.distribution + x * density)


class Silu(Activation):
    """x s(x) with the sigmoid s; the derivative is s (1 + x (1 - s)).

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.

    Notes
    -----
    Source: Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units", 2017.
    """

    native = "silu"
    initial_gain = sqrt(2)

    def compute(self, x: Array) -> Array:
        """x s(x)."""
        return x * sigmoid(x)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm s (1 + x (1 - s))."""
        x = self.in_array
        return dwnstrm * sigmoid(x) * (1 + x * sigmoid(-x))


class Mish(Activation):
    """x tanh(softplus(x)) with softplus(x) = log(1 + exp(x)).

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.

    Notes
    -----
    The derivative is t + x s (1 - t^2) with t = tanh(softplus(x)) and the sigmoid s. Source: Misra, "Mish: a self regularized
    non-monotonic activation function", 2019.
    """

    native = "mish"
    initial_gain = sqrt(2)

    def compute(self, x: Array) -> Array:
        """x tanh(softplus(x))."""
        return x * np.tanh(softplus(x))

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm (t + x s (1 - t^2))."""
        x = self.in_array
        t = np.tanh(softplus(x))
        return dwnstrm * (t + x * sigmoid(x) * (1 - t**2))


class Selu(Activation):
    """scale * x where x > 0, scale * alpha * (exp(x) - 1) elsewhere; at 0 the derivative from the left is taken.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.

    Notes
    -----
    scale = 1.0507… and alpha = 1.6732… keep mean 0 and variance 1 from layer to layer. Source: Klambauer et al., "Self-normalizing
    neural networks", 2017.
    """

    native = "selu"
    alpha = 1.6732632423543772
    scale = 1.0507009873554805

    def compute(self, x: Array) -> Array:
        """scale * x or scale * alpha * (exp(x) - 1)."""
        return self.scale * np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm * scale, times alpha * exp(x) where x <= 0."""
        x = self.in_array
        return dwnstrm * self.scale * np.where(x > 0, 1, self.alpha * np.exp(np.minimum(x, 0)))


class Cos(Activation):
    """cos(x), with derivative -sin(x), as in periodic embeddings of numbers.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.

    See Also
    --------
    periodic : Cosines of each feature, with trainable frequencies and phases.
    """

    native = "cos"

    def compute(self, x: Array) -> Array:
        """cos(x)."""
        return np.cos(x)

    def pull_back(self, dwnstrm: Array) -> Array:
        """-dwnstrm sin(x)."""
        return -dwnstrm * np.sin(self.in_array)


class SmoothClip(Activation):
    """x / sqrt(1 + (x / limit)^2): about x near 0, and never beyond -limit and limit.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    limit : float, default=3.0
        The bound of the output; positive.

    Raises
    ------
    ValueError
        When limit is not a positive number.

    Notes
    -----
    The derivative is (1 + (x / limit)^2)^(-3/2). Source: Holzmüller, Grinsztajn and Steinwart, "Better by default: strong
    pre-tuned MLPs and boosted trees on tabular data", 2024, for features that are scaled by their quantiles.

    Examples
    --------
    >>> from pysmorch import Data
    >>> SmoothClip(Data([[0.0, 3.0, -1e9]])).forward().round(4)
    array([[ 0.    ,  2.1213, -3.    ]])
    """

    native = "smooth_clip"
    native_attributes = ("limit",)

    def __init__(self, in_layer: LayerLike, limit: float = 3.0) -> None:
        super().__init__(in_layer)
        self.limit = finite(self, "limit", limit)
        if self.limit <= 0:
            raise ValueError(f"SmoothClip: limit must be a positive number, but is {limit!r}")

    def compute(self, x: Array) -> Array:
        """X / sqrt(1 + (X / limit)^2), without squares of large numbers."""
        return x / np.hypot(1, x / self.limit)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm / sqrt(1 + (X / limit)^2)^3."""
        return dwnstrm * (1 / np.hypot(1, self.in_array / self.limit)) ** 3


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), from exp(-|x|)."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), from exp(-|x|)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _normal_distribution(x: Array) -> Array:
    from scipy.special import ndtr  # NumPy has no error function; loaded when it is needed

    return ndtr(x)


ActivationName = Literal["relu", "leaky_relu", "sigmoid", "tanh", "gelu", "silu", "mish", "selu", "cos", "smooth_clip"]
"""The names in `ACTIVATIONS`, for type checkers."""

ACTIVATIONS: dict[str, type[Activation]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower(): cls for cls in Activation.__subclasses__()
}
"""The activations by name: that of the class in lower case, with an underscore between its words."""
