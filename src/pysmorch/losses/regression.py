"""Regression losses: squared, absolute, Huber, quantile (pinball) and Poisson."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.layers.base import Array, ShapeError
from pysmorch.layers.protocol import LayerLike
from pysmorch.losses.base import Loss, first_sample, sum_sample

__all__ = ["AbsoluteLoss", "HuberLoss", "PoissonLoss", "QuantileLoss", "SquareLoss"]


class SquareLoss(Loss):
    """Half the mean squared distance: L = 1/(2M) sum_i w_i ||x_i - y_i||^2, summed over the outputs of a sample.

    Parameters
    ----------
    in_layer : Layer
        The output layer of the network, (M, K).
    labels : array_like of shape (M, K) or (M,), default=None
        What the output is compared with; shape (M,) where K is 1. None to set them later, as `Network.fit` does.

    Examples
    --------
    >>> from pysmorch import Data
    >>> float(SquareLoss(Data([[1.0], [2.0]]), [[0.0], [0.0]]).forward())
    1.25
    """

    native = "square_loss"
    objective = "1/(2M) sum_i w_i ||x_i - y_i||^2"

    def sample_losses(self, x: Array, y: Array) -> Array:
        """(x - y)^2 / 2, summed."""
        return 0.5 * sum_sample(np.square(x - y))

    def sample_gradients(self, x: Array, y: Array) -> Array:
        """x - y."""
        return x - y


class AbsoluteLoss(Loss):
    """The mean absolute distance: L = 1/M sum_i w_i sum_k abs(x_ik - y_ik); the derivative at 0 is taken as 0.

    The best constant is the median.

    Parameters
    ----------
    in_layer : Layer
        The output layer of the network, (M, K).
    labels : array_like of shape (M, K) or (M,), default=None
        What the output is compared with; shape (M,) where K is 1. None to set them later, as `Network.fit` does.
    """

    native = "absolute_loss"
    objective = "1/M sum_i w_i sum_k |x_ik - y_ik|"

    def sample_losses(self, x: Array, y: Array) -> Array:
        """abs(x - y), summed."""
        return sum_sample(np.abs(x - y))

    def sample_gradients(self, x: Array, y: Array) -> Array:
        """sign(x - y)."""
        return np.sign(x - y)


class HuberLoss(Loss):
    """Squares near 0 and absolute values far away: L = 1/M sum_i w_i sum_k h(x_ik - y_ik).

    h(d) = d^2 / 2 where abs(d) <= delta, delta (abs(d) - delta / 2) elsewhere.

    Parameters
    ----------
    in_layer : Layer
        The output layer of the network, (M, K).
    labels : array_like of shape (M, K) or (M,), default=None
        What the output is compared with; shape (M,) where K is 1. None to set them later, as `Network.fit` does.
    delta : float, default=1.0
        Where the square ends; positive.

    Raises
    ------
    ValueError
        When delta is not positive.

    Notes
    -----
    Source: Huber, "Robust estimation of a location parameter", 1964.
    """

    native = "huber_loss"
    native_attributes = ("delta",)
    objective = "1/M sum_i w_i sum_k h(x_ik - y_ik), h(d) = d^2/2 up to delta, then delta (|d| - delta/2)"

    def __init__(self, in_layer: LayerLike, labels: ArrayLike | None = None, delta: float = 1.0) -> None:
        super().__init__(in_layer, labels)
        if not delta > 0:
            raise ValueError(f"HuberLoss: delta must be positive, but is {delta!r}")
        self.delta = float(delta)

    def sample_losses(self, x: Array, y: Array) -> Array:
        """h(x - y), summed."""
        distance = np.abs(x - y)
        near = np.minimum(distance, self.delta)
        return sum_sample(near * (distance - 0.5 * near))

    def sample_gradients(self, x: Array, y: Array) -> Array:
        """x - y, clipped to -delta and delta."""
        return np.clip(x - y, -self.delta, self.delta)


class QuantileLoss(Loss):
    """The pinball loss, whose best constant is a quantile: L = 1/M sum_i w_i sum_k max(q d, (q - 1) d), d = y - x.

    The derivative at d = 0 is taken as 0.

    Parameters
    ----------
    in_layer : Layer
        The output layer of the network, (M, K).
    labels : array_like of shape (M, K), (M, 1) or (M,), default=None
        What the output is compared with; one label per sample is compared with every output. None to set them later.
    quantile : float or sequence of K floats, default=0.5
        Between 0 and 1: one for all outputs, or one for each, as in `QuantileLoss(x, quantile=(0.05, 0.5, 0.95))`.

    Raises
    ------
    ValueError
        For a quantile outside 0..1.
    ShapeError
        When there are not as many quantiles as outputs.

    Notes
    -----
    Source: Koenker and Bassett, "Regression quantiles", 1978.
    """

    native = "quantile_loss"
    native_attributes = ("quantiles",)
    objective = "1/M sum_i w_i sum_k max(q d, (q - 1) d), d = y_ik - x_ik"

    def __init__(
        self, in_layer: LayerLike, labels: ArrayLike | None = None, quantile: float | Sequence[float] = 0.5
    ) -> None:
        super().__init__(in_layer, labels)
        if not all(0 < q < 1 for q in np.ravel(quantile)):
            raise ValueError(f"QuantileLoss: quantile must be between 0 and 1, but is {quantile!r}")
        outputs = in_layer.out_dims[-1] if len(in_layer.out_dims) > 1 else 1
        if np.ndim(quantile) == 1 and len(np.ravel(quantile)) != outputs:
            raise ShapeError(
                f"QuantileLoss: quantile has {len(np.ravel(quantile))} entries, but in_layer has {outputs} "
                "outputs; give one for each output, or a number"
            )
        self.quantile = (
            tuple(np.asarray(quantile, float).tolist()) if np.ndim(quantile) else float(np.asarray(quantile))
        )

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The quantile of each output."""
        return tuple(np.broadcast_to(self.quantile, self.in_layer.out_dims[1:]).ravel().tolist())

    def check_labels(self, labels: Array, out_shape: tuple[int, ...]) -> None:
        """Labels in the shape of the output, or one for each sample."""
        if labels.shape not in ((out_shape[0],), (out_shape[0], 1)):
            super().check_labels(labels, out_shape)

    def targets(self, x: Array, labels: Array) -> Array:
        """The labels, repeated for every quantile where there is one label per sample."""
        if labels.shape != x.shape:
            labels = np.broadcast_to(labels.reshape(-1, 1), x.shape)
        return super().targets(x, labels)

    def sample_losses(self, x: Array, y: Array) -> Array:
        """max(q d, (q - 1) d), summed."""
        d, q = y - x, np.asarray(self.quantile, x.dtype)
        return sum_sample(np.maximum(q * d, (q - 1) * d))

    def sample_gradients(self, x: Array, y: Array) -> Array:
        """-q where x is below y, 1 - q where it is above."""
        q = np.asarray(self.quantile, x.dtype)
        return np.where(x < y, -q, np.where(x > y, 1 - q, 0))


class PoissonLoss(Loss):
    """For counts: L = 1/M sum_i w_i sum_k (exp(x_ik) - y_ik x_ik); the network's output is the logarithm of the rate.

    This is the negative log-likelihood without the term log(y!), which does not depend on the network. For positive x,
    exp(x) is computed as 1 / exp(-x).

    Parameters
    ----------
    in_layer : Layer
        The output layer of the network, (M, K).
    labels : array_like of shape (M, K) or (M,), default=None
        Counts, not negative; shape (M,) where K is 1. None to set them later, as `Network.fit` does.

    Raises
    ------
    ValueError
        For a negative label.
    """

    native = "poisson_loss"
    objective = "1/M sum_i w_i sum_k (exp(x_ik) - y_ik x_ik), x the logarithm of the rate"

    def check_labels(self, labels: Array, out_shape: tuple[int, ...]) -> None:
        """Labels in the shape of the output that are not negative."""
        super().check_labels(labels, out_shape)
        if (labels < 0).any():
            row = first_sample(labels < 0)
            raise ValueError(
                f"PoissonLoss: labels are counts and must not be negative, but row {row} has {labels[row]}"
            )

    def sample_losses(self, x: Array, y: Array) -> Array:
        """exp(x) - y x, summed."""
        return sum_sample(exp(x) - y * x)

    def sample_gradients(self, x: Array, y: Array) -> Array:
        """exp(x) - y."""
        return exp(x) - y

    def predictions(self, x: Array) -> Array:
        """The rate exp(x)."""
        return exp(x)


def exp(x: Array) -> Array:
    """Return the exponential, infinite where it is too large, without an exponential of a positive number."""
    with np.errstate(divide="ignore", over="ignore"):
        e = np.exp(-np.abs(x))
        return np.where(x > 0, 1 / e, e)
