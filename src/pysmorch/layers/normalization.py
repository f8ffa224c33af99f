"""Normalisation: mean 0 and variance 1, over the batch, over the features, or over groups of channels. Scale and Bias are layers of their own."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from pysmorch.layers.arguments import Array, ShapeError, finite, num_channels, positive, positive_epsilon
from pysmorch.layers.base import Layer
from pysmorch.layers.protocol import LayerLike

__all__ = ["GroupNormalize", "LayerNormalize", "Normalize"]


class Normalize(Layer):
    """Y = (X - mean) / sqrt(variance + epsilon) for every feature, over the batch.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, ..., D).
    momentum : float, default=0.1
        The weight of a batch in the running statistics, from 0 to 1.
    epsilon : float, default=1e-5
        Added to the variance, so that its square root is never 0.

    Attributes
    ----------
    running_mean, running_var : array of shape (D,)
        The statistics for prediction, in float64.

    Raises
    ------
    ValueError
        When momentum is not from 0 to 1, or epsilon is not positive.
    ShapeError
        When the input has no axis of features.

    Notes
    -----
    Mean and variance (divided by the count) are over all axes but the last. In training they are those of the batch, and the running
    ones follow: running = (1 - momentum) * running + momentum * batch, with the unbiased variance; a batch of one row has no variance
    and leaves the running one alone. In prediction the running ones are used. Batch normalisation is `Bias(Scale(Normalize(x)))`.
    Source: Ioffe and Szegedy, "Batch normalization", 2015.
    """

    native = "normalize"
    native_attributes = ("momentum", "epsilon")
    fuses = ("scale", "bias", "sum", "activation")
    state_names = ("running_mean", "running_var")
    sums_of_batch: Callable[[Array], Array] | None = None
    """Where the input is a shard of a batch: from numbers of this shard to those of all of them, each in a row."""

    def __init__(self, in_layer: LayerLike, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__(in_layer)
        num_features = num_channels(self, in_layer)
        if not 0 <= finite(self, "momentum", momentum) <= 1:
            raise ValueError(f"Normalize: momentum must be from 0 to 1, but is {momentum!r}")
        self.momentum = float(momentum)
        self.epsilon = positive_epsilon(self, epsilon)
        self.running_mean = np.zeros(num_features)
        self.running_var = np.ones(num_features)

    def compute(self, x: Array) -> Array:
        """(X - mean) / sqrt(variance + epsilon)."""
        if not self.training:
            mean, variance = self.running_mean, self.running_var
        else:
            axes, count = tuple(range(x.ndim - 1)), x.size // max(x.shape[-1], 1)
            mean = x.mean(axes, dtype=np.float64)
            variance = np.square(x - mean).mean(axes)
            if self.sums_of_batch is not None:
                count, mean, variance = self._of_batch(count, mean, variance)
            self._keep_running(mean, variance, count)
        self.centred = (x - mean).astype(x.dtype)
        self.inverse_std = (1 / np.sqrt(variance + self.epsilon)).astype(x.dtype)
        return self.centred * self.inverse_std

    def pull_back(self, dwnstrm: Array) -> Array:
        """In training mean and variance depend on X too: the components of dwnstrm along 1 and Y are subtracted."""
        if not self.training:
            return dwnstrm * self.inverse_std
        axes = tuple(range(dwnstrm.ndim - 1))
        y = self.centred * self.inverse_std
        along_1, along_y = dwnstrm.mean(axes), (dwnstrm * y).mean(axes)
        if self.sums_of_batch is not None:
            along_1, along_y = self._means_of_batch(dwnstrm.size // max(len(along_1), 1), along_1, along_y)
        return self.inverse_std * (dwnstrm - along_1 - y * along_y)

    def take_empty_shard(self, backward: bool = False) -> None:
        """Take a shard without rows, which the others do not depend on, but whose batch has statistics, too.

        Parameters
        ----------
        backward : bool, default=False
            Which pass it is.
        """
        zeros = np.zeros(len(self.running_mean))
        if backward:
            self._means_of_batch(0, zeros, zeros)
        else:
            count, mean, variance = self._of_batch(0, zeros, zeros)
            self._keep_running(mean, variance, count)

    def _of_batch(self, count: int, mean: Array, variance: Array) -> tuple[int, Array, Array]:
        """Return count, mean and variance of a batch from those of its shards: the squared distances are from the common mean."""
        assert self.sums_of_batch is not None
        counts, means, variances = np.split(
            self.sums_of_batch(np.concatenate([[count], mean, variance])), [1, 1 + len(mean)], axis=1
        )
        self._count = int(counts.sum())
        of_all = (counts * means).sum(0) / self._count
        return self._count, of_all, (counts * (variances + np.square(means - of_all))).sum(0) / self._count

    def _means_of_batch(self, count: int, *means: Array) -> list[Array]:
        """Return means over a batch from those over a shard."""
        assert self.sums_of_batch is not None
        rows = self.sums_of_batch(np.concatenate([count * mean.astype(np.float64) for mean in means]))
        return [
            of_all.astype(mean.dtype)
            for of_all, mean in zip(np.split(rows.sum(0) / self._count, 2), means, strict=True)
        ]

    def _keep_running(self, mean: Array, variance: Array, count: int) -> None:
        self.running_mean += self.momentum * (mean - self.running_mean)
        if count > 1:
            unbiased = variance * (count / (count - 1))
            self.running_var += self.momentum * (unbiased - self.running_var)


class LayerNormalize(Layer):
    """Y = (X - mean) / sqrt(variance + epsilon) for every example, over its features (the last axis).

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, ..., D).
    epsilon : float, default=1e-5
        Added to the variance, so that its square root is never 0.

    Raises
    ------
    ValueError
        When epsilon is not positive.
    ShapeError
        When the input has no axis of features.

    Notes
    -----
    The variance is divided by D. Training and prediction are the same. Source: Ba, Kiros and Hinton, "Layer normalization", 2016.
    """

    native = "layer_normalize"
    native_attributes = ("epsilon",)

    def __init__(self, in_layer: LayerLike, epsilon: float = 1e-5) -> None:
        super().__init__(in_layer)
        num_channels(self, in_layer)
        self.epsilon = positive_epsilon(self, epsilon)

    def compute(self, x: Array) -> Array:
        """(X - mean) / sqrt(variance + epsilon)."""
        centred = x - x.mean(-1, keepdims=True, dtype=np.float64)
        variance = np.square(centred).mean(-1, keepdims=True)
        self.inverse_std = (1 / np.sqrt(variance + self.epsilon)).astype(x.dtype)
        return centred.astype(x.dtype) * self.inverse_std

    def pull_back(self, dwnstrm: Array) -> Array:
        """Mean and variance depend on X too: the components of dwnstrm along 1 and Y are subtracted."""
        y = self.out_array
        along_y = (dwnstrm * y).mean(-1, keepdims=True)
        return self.inverse_std * (dwnstrm - dwnstrm.mean(-1, keepdims=True) - y * along_y)


class GroupNormalize(Layer):
    """Y = (X - mean) / sqrt(variance + epsilon) for every example and group of channels, over all its positions.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, ..., C).
    num_groups : int
        The number of equal parts that the channels are cut into, in order.
    epsilon : float, default=1e-5
        Added to the variance, so that its square root is never 0.

    Raises
    ------
    ShapeError
        When the groups do not divide the channels.
    ValueError
        When epsilon or num_groups is not positive.

    Notes
    -----
    The variance is divided by the count. Training and prediction are the same, and the batch size plays no part. Source: Wu and He,
    "Group normalization", 2018.
    """

    native = "group_normalize"
    native_attributes = ("num_groups", "epsilon")

    def __init__(self, in_layer: LayerLike, num_groups: int, epsilon: float = 1e-5) -> None:
        super().__init__(in_layer)
        channels = num_channels(self, in_layer)
        self.num_groups = positive(self, "num_groups", num_groups)
        if channels % self.num_groups:
            raise ShapeError(
                f"GroupNormalize: num_groups = {self.num_groups} must divide the {channels} channels that "
                f"{in_layer!r} returns"
            )
        self.epsilon = positive_epsilon(self, epsilon)

    def compute(self, x: Array) -> Array:
        """(X - mean) / sqrt(variance + epsilon)."""
        parts = self._by_group(x)
        centred = parts - parts.mean((1, 3), keepdims=True, dtype=np.float64)
        variance = np.square(centred).mean((1, 3), keepdims=True)
        self.inverse_std = (1 / np.sqrt(variance + self.epsilon)).astype(x.dtype)
        return (centred.astype(x.dtype) * self.inverse_std).reshape(x.shape)

    def pull_back(self, dwnstrm: Array) -> Array:
        """Mean and variance depend on X too: the components of dwnstrm along 1 and Y are subtracted."""
        y, d = self._by_group(self.out_array), self._by_group(dwnstrm)
        along_y = (d * y).mean((1, 3), keepdims=True)
        return (self.inverse_std * (d - d.mean((1, 3), keepdims=True) - y * along_y)).reshape(dwnstrm.shape)

    def _by_group(self, array: Array) -> Array:
        """(N, ..., C) as (N, positions, groups, channels of a group)."""
        num_data, *positions, channels = array.shape
        return array.reshape(num_data, prod(positions), self.num_groups, channels // self.num_groups)
