"""Dense layers and convolutions with weights of 8 bits, which `Network.quantize` makes; they only predict.

Inputs become integers: q = round(x / in_scale) with a scale for each channel, from -127 to 127, or from 0 to 255 where the
training rows had no negative numbers. Sums of products of integers are exact, in any order, so that all ways to compute them
give the same bits. A scale for each output makes floating-point numbers of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pysmorch.layers.arguments import Array, Padding, Pair, SameOrValid
from pysmorch.layers.base import Layer
from pysmorch.layers.convolution import Conv1d, Conv2d, convolve
from pysmorch.layers.dense import Linear
from pysmorch.layers.protocol import LayerLike

__all__ = ["QuantizedConv1d", "QuantizedConv2d", "QuantizedLinear"]

LARGEST_WEIGHT = 127
LARGEST_SIGNED, LARGEST_UNSIGNED = 127, 255
"""The largest integers that inputs become."""

WEIGHTS_AT_A_TIME = 2**22
"""Weights that become integers at a time, in less than a tenth of a second."""

LARGEST_DEPTH = 2**16
"""Products in a sum, at most: so many fit into 32 bits."""


class Quantized(Layer):
    """What the layers here have in common; each is the layer of its other base class, with integers instead of `W`.

    Attributes
    ----------
    signed : bool
        Whether inputs may be negative.
    weights : array of int8, in the shape of `W`
        The weights, as multiples of `scales` and of one over `in_scales`.
    scales : array of float32, shape (K,)
        What a sum of products is worth, for each output.
    in_scales : array of float32, shape (C,)
        What one step of an input is worth, for each channel.
    """

    native_attributes = ("signed",)
    state_names = ("weights", "scales", "in_scales")
    signed: bool
    weights: Array
    scales: Array
    in_scales: Array

    def _become_integers(self, signed: bool) -> None:
        """Have integers instead of `W`: zeros, which a file or `Network.quantize` replaces."""
        self.signed = bool(signed)
        *depth, num_outputs = self.W.shape
        self.weights = np.zeros(self.W.shape, np.int8)
        self.scales = np.ones(num_outputs, np.float32)
        self.in_scales = np.ones(depth[-1], np.float32)
        del self._W

    def learn(self, W: Array, low: Array, high: Array) -> None:
        """Become the layer with weights `W`, for inputs from `low` to `high`.

        Parameters
        ----------
        W : array
            In the shape of `weights`.
        low, high : array of shape (C,)
            The least and the largest number of each channel in the training rows.

        Notes
        -----
        A step of a channel is in proportion to the root of its reach over that of its weights, so that neither inputs nor weights
        of a layer differ much between channels. Source: Xiao et al., "SmoothQuant", 2023.
        """
        steps = LARGEST_SIGNED if self.signed else LARGEST_UNSIGNED
        blocks = _blocks_of_channels(W)
        of_weights = np.concatenate([np.abs(W[block]).max(axis=(*range(W.ndim - 2), -1)) for block in blocks])
        reach = _not_too_small(np.maximum(np.abs(low), np.abs(high)).astype(np.float64))
        smooth = np.sqrt(reach / _not_too_small(of_weights.astype(np.float64)))
        in_scales = (smooth * ((reach / smooth).max() / steps)).astype(np.float32)

        def folded(block: tuple[Any, ...]) -> Array:
            return W[block].astype(np.float64) * in_scales[block[1], None]

        largest = np.max([np.abs(folded(block)).max(axis=tuple(range(W.ndim - 1))) for block in blocks], axis=0)
        scales = (np.where(largest > 0, largest, 1.0) / LARGEST_WEIGHT).astype(np.float32)
        weights = np.empty(W.shape, np.int8)
        for block in blocks:
            weights[block] = np.clip(np.rint(folded(block) / scales), -LARGEST_WEIGHT, LARGEST_WEIGHT)
        self.state = {"weights": weights, "scales": scales, "in_scales": in_scales}

    @property
    def state(self) -> dict[str, Array]:
        """The integers and their scales by name. Assigning makes new arrays that nobody changes, since programs pack the integers.

        Raises ValueError where a scale is none: not positive, not finite, or one that cannot be divided by.
        """
        return super().state

    @state.setter
    def state(self, arrays: dict[str, Array]) -> None:
        for name in self.state_names:
            array = np.empty_like(getattr(self, name))
            array[...] = arrays[name]
            array.flags.writeable = False
            if array.dtype.kind == "f":
                _check_scales(name, array)
            setattr(self, name, array)

    @property
    def native_parameters(self) -> dict[str, Array]:
        """The integers and their scales."""
        return self.state

    def pull_back(self, dwnstrm: Array) -> Any:
        """There is none: a step of an integer is no small change."""
        raise RuntimeError(f"{self!r} was quantized and has no gradient; train the network that it was made from")

    def _integers(self, x: Array) -> Array:
        """Return the integers of an input, and the weights: in float64, in which sums of their products are exact."""
        low, high = (-LARGEST_SIGNED, LARGEST_SIGNED) if self.signed else (0, LARGEST_UNSIGNED)
        steps = x.astype(np.float32) * (1 / self.in_scales.astype(np.float64)).astype(np.float32)
        return np.clip(np.rint(steps), low, high).astype(np.float64)

    def _floats(self, sums: Array) -> Array:
        """Return what sums of products are worth."""
        return sums.astype(np.float32) * self.scales


class QuantizedLinear(Quantized, Linear):
    """Y = scales * (Q W), of integers Q and W.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N, D).
    num_out_features : int
        The number K of outputs.
    signed : bool, default=True
        Whether inputs may be negative.
    """

    native = "quantized_linear"

    def __init__(self, in_layer: LayerLike, num_out_features: int, signed: bool = True) -> None:
        super().__init__(in_layer, num_out_features)
        self._become_integers(signed)

    def compute(self, x: Array) -> Array:
        """Y = scales * (Q W)."""
        return self._floats(self._integers(x) @ self.weights.astype(np.float64))


class QuantizedConv2d(Quantized, Conv2d):
    """A convolution of integers, times `scales`.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    num_filters, kernel_size, stride, padding, dilation
        As in `Conv2d`.
    signed : bool, default=True
        Whether inputs may be negative.
    """

    native = "quantized_conv2d"

    def __init__(
        self,
        in_layer: LayerLike,
        num_filters: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = "same",
        dilation: int | Pair = 1,
        signed: bool = True,
    ) -> None:
        super().__init__(in_layer, num_filters, kernel_size, stride, padding, dilation)
        self._become_integers(signed)

    def compute(self, x: Array) -> Array:
        """Sum over the cells of the kernel."""
        return self._floats(convolve(self._integers(x), self.weights.astype(np.float64), self.windows))


class QuantizedConv1d(Quantized, Conv1d):
    """A convolution of sequences of integers, times `scales`.

    Parameters
    ----------
    in_layer : Layer
        The input layer, sequences of shape (N, L, C).
    num_filters, kernel_size, stride, padding, dilation
        As in `Conv1d`.
    signed : bool, default=True
        Whether inputs may be negative.
    """

    native = "quantized_conv2d"

    def __init__(
        self,
        in_layer: LayerLike,
        num_filters: int,
        kernel_size: int,
        stride: int = 1,
        padding: SameOrValid | int = "same",
        dilation: int = 1,
        signed: bool = True,
    ) -> None:
        super().__init__(in_layer, num_filters, kernel_size, stride, padding, dilation)
        self._become_integers(signed)

    def compute(self, x: Array) -> Array:
        """A convolution of images of height one."""
        weights = self.weights[None].astype(np.float64)
        return self._floats(convolve(self._integers(x)[:, None], weights, self.windows)[:, 0])


def _check_scales(argument: str, scales: Array) -> None:
    with np.errstate(all="ignore"):
        good = (scales > 0) & np.isfinite(scales) & np.isfinite(1 / scales)
    if not good.all():
        raise ValueError(f"{argument} must be positive finite numbers, but one is {scales[~good][0]}")


def _blocks_of_channels(W: Array) -> list[tuple[Any, ...]]:
    """Return indices of some channels of weights each, between which Python answers signals."""
    at_a_time = max(1, WEIGHTS_AT_A_TIME * W.shape[-2] // max(W.size, 1))
    return [(..., slice(i, i + at_a_time), slice(None)) for i in range(0, W.shape[-2], at_a_time)]


def _not_too_small(sizes: Array) -> Array:
    """Return sizes of channels, those near 0 as a thousandth of the largest one, and 1 where all are 0."""
    raised = np.maximum(sizes, 1e-3 * sizes.max())
    return np.where(raised > 0, raised, 1.0)


def is_quantized(layers: Sequence[Any]) -> bool:
    """Whether one of some layers is one of these."""
    return any(isinstance(layer, Quantized) for layer in layers)


def refuse_training(layers: Sequence[Any]) -> None:
    """Raise ValueError where a layer is one of these."""
    if is_quantized(layers):
        raise ValueError(
            "the network was quantized: its weights of 8 bits cannot be trained; train the network that it was made from, "
            "then quantize that"
        )
