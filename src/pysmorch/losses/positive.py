"""Losses of positive targets, whose mean is the exponential of the network's output: Gamma and Tweedie."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.layers.base import Array
from pysmorch.layers.protocol import LayerLike
from pysmorch.losses.base import Loss, first_sample, sum_sample
from pysmorch.losses.regression import exp

__all__ = ["GammaLoss", "TweedieLoss"]


class GammaLoss(Loss):
    """For positive amounts: L = 1/M sum_i w_i sum_k (x_ik + y_ik exp(-x_ik)); the network's output is the logarithm of the mean.

    This is the negative log-likelihood of the Gamma distribution, whose standard deviation is proportional to its mean, without what does
    not depend on the network. Errors count by their ratio to the mean, whatever the unit of the labels is.

    Parameters
    ----------
    in_layer : Layer
        The output layer of the network, (M, K).
    labels : array_like of shape (M, K) or (M,), default=None
        Positive numbers; shape (M,) where K is 1. None to set them later, as `Network.fit` does.

    Raises
    ------
    ValueError
        For a label that is not positive.
    """

    native = "gamma_loss"
    objective = "1/M sum_i w_i sum_k (x_ik + y_ik exp(-x_ik)), x the logarithm of the mean"

    def check_labels(self, labels: Array, out_shape: tuple[int, ...]) -> None:
        """Labels in the shape of the output that are positive."""
        super().check_labels(labels, out_shape)
        if not (labels > 0).all():
            row = first_sample(~(labels > 0))
            raise ValueError(f"GammaLoss: labels must be positive, but row {row} has {labels[row]}")

    def sample_losses(self, x: Array, y: Array) -> Array:
        """x + y exp(-x), summed."""
        return sum_sample(x + y * exp(-x))

    def sample_gradients(self, x: Array, y: Array) -> Array:
        """1 - y exp(-x)."""
        return 1 - y * exp(-x)

    def predictions(self, x: Array) -> Array:
        """The mean exp(x)."""
        return exp(x)


class TweedieLoss(Loss):
    """For amounts that often are 0: L = 1/M sum_i w_i sum_k (exp((2 - p) x_ik) / (2 - p) + y_ik exp((1 - p) x_ik) / (p - 1)).

    The network's output x is the logarithm of the mean. This is half the deviance of the Tweedie distribution whose variance is
    proportional to the mean to the power p, without what does not depend on the network: a sum of a Poisson number of Gamma amounts, such
    as the claims of a year. p near 1 is near the Poisson loss, p near 2 near the Gamma loss.

    Parameters
    ----------
    in_layer : Layer
        The output layer of the network, (M, K).
    labels : array_like of shape (M, K) or (M,), default=None
        Numbers that are not negative; shape (M,) where K is 1. None to set them later, as `Network.fit` does.
    power : float, default=1.5
        p, between 1 and 2.

    Raises
    ------
    ValueError
        For a power out of range, and a negative label.

    Notes
    -----
    Source: Jørgensen, "Exponential dispersion models", 1987.
    """

    native = "tweedie_loss"
    native_attributes = ("power",)
    objective = "1/M sum_i w_i sum_k (exp((2 - p) x_ik) / (2 - p) + y_ik exp((1 - p) x_ik) / (p - 1))"

    def __init__(self, in_layer: LayerLike, labels: ArrayLike | None = None, power: float = 1.5) -> None:
        super().__init__(in_layer, labels)
        if not 1 < power < 2:
            raise ValueError(f"TweedieLoss: power must be between 1 and 2, but is {power!r}")
        self.power = float(power)

    def check_labels(self, labels: Array, out_shape: tuple[int, ...]) -> None:
        """Labels in the shape of the output that are not negative."""
        super().check_labels(labels, out_shape)
        if not (labels >= 0).all():
            row = first_sample(~(labels >= 0))
            raise ValueError(f"TweedieLoss: labels must not be negative, but row {row} has {labels[row]}")

    def sample_losses(self, x: Array, y: Array) -> Array:
        """exp((2 - p) x) / (2 - p) + y exp((1 - p) x) / (p - 1), summed."""
        return sum_sample(exp((2 - self.power) * x) / (2 - self.power) + self._inverse(x, y) / (self.power - 1))

    def sample_gradients(self, x: Array, y: Array) -> Array:
        """exp((2 - p) x) - y exp((1 - p) x)."""
        return exp((2 - self.power) * x) - self._inverse(x, y)

    def predictions(self, x: Array) -> Array:
        """The mean exp(x)."""
        return exp(x)

    def _inverse(self, x: Array, y: Array) -> Array:
        """y exp((1 - p) x), which is 0 for labels of 0, however large the power is."""
        with np.errstate(invalid="ignore"):
            return np.where(y > 0, y * exp((1 - self.power) * x), 0)
