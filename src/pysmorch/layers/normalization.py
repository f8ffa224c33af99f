"""Normalisation: mean 0 and variance 1, over the batch or over the features. Scale and Bias are layers of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array, Layer


class Normalize(Layer):
    """Y = (X - mean) / sqrt(variance + epsilon) for every feature, over the batch.

    X and Y are (N, ..., D); mean and variance (divided by the count) are over all axes but the last. While training
    they are those of the batch, and running ones are kept: running = (1 - momentum) * running + momentum * batch, with
    the unbiased variance; a batch of one row has no variance and leaves the running one alone. In prediction
    the running ones are used. Batch normalisation is `Bias(Scale(Normalize(x)))`.
    Source: Ioffe and Szegedy, "Batch normalization", 2015.

    Raises ValueError when momentum is not in 0..1 or epsilon is not positive.
    """

    native = "normalize"
    state_names = ("running_mean", "running_var")

    def __init__(self, in_layer: Any, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__(in_layer)
        num_features = self.num_channels(in_layer)
        if not 0 <= momentum <= 1:
            raise ValueError(f"Normalize: momentum must be from 0 to 1, but is {momentum!r}")
        self.momentum = float(momentum)
        self.epsilon = positive_epsilon(self, epsilon)
        self.running_mean = np.zeros(num_features)
        self.running_var = np.ones(num_features)

    def compute(self, x: Array) -> Array:
        """(X - mean) / sqrt(variance + epsilon)."""
        if not self.training:
            self.centred = x - self.running_mean.astype(x.dtype)
            self.inverse_std = (1 / np.sqrt(self.running_var + self.epsilon)).astype(x.dtype)
            return self.centred * self.inverse_std
        axes = tuple(range(x.ndim - 1))
        mean = x.mean(axes)
        self.centred = x - mean
        variance = np.square(self.centred).mean(axes)
        self.inverse_std = 1 / np.sqrt(variance + self.epsilon)
        self._keep_running(mean, variance, x.size // max(x.shape[-1], 1))
        return self.centred * self.inverse_std

    def pull_back(self, dwnstrm: Array) -> Array:
        """While training, mean and variance depend on X too: what they would change is taken out of dwnstrm."""
        if not self.training:
            return dwnstrm * self.inverse_std
        axes = tuple(range(dwnstrm.ndim - 1))
        y = self.centred * self.inverse_std
        return self.inverse_std * (dwnstrm - dwnstrm.mean(axes) - y * (dwnstrm * y).mean(axes))

    def _keep_running(self, mean: Array, variance: Array, count: int) -> None:
        self.running_mean += self.momentum * (mean - self.running_mean)
        if count > 1:
            unbiased = variance * (count / (count - 1))
            self.running_var += self.momentum * (unbiased - self.running_var)


class LayerNormalize(Layer):
    """Y = (X - mean) / sqrt(variance + epsilon) for every example, over its features (the last axis).

    X and Y are (N, ..., D); the variance is divided by D. Training and prediction are the same.
    Source: Ba, Kiros and Hinton, "Layer normalization", 2016.

    Raises ValueError when epsilon is not positive.
    """

    native = "layer_normalize"

    def __init__(self, in_layer: Any, epsilon: float = 1e-5) -> None:
        super().__init__(in_layer)
        self.num_channels(in_layer)
        self.epsilon = positive_epsilon(self, epsilon)

    def compute(self, x: Array) -> Array:
        """(X - mean) / sqrt(variance + epsilon)."""
        centred = x - x.mean(-1, keepdims=True)
        variance = np.square(centred).mean(-1, keepdims=True)
        self.inverse_std = 1 / np.sqrt(variance + self.epsilon)
        return centred * self.inverse_std

    def pull_back(self, dwnstrm: Array) -> Array:
        """Mean and variance depend on X too: what they would change is taken out of dwnstrm."""
        y = self.out_array
        along_y = (dwnstrm * y).mean(-1, keepdims=True)
        return self.inverse_std * (dwnstrm - dwnstrm.mean(-1, keepdims=True) - y * along_y)


def positive_epsilon(layer: Layer, epsilon: float) -> float:
    """Return epsilon, or say that it must be positive."""
    if not epsilon > 0:
        raise ValueError(f"{type(layer).__name__}: epsilon must be positive, but is {epsilon!r}")
    return float(epsilon)
