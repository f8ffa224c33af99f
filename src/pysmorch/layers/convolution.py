"""Convolutions: the same small matrix product at every position of an image or a sequence.

All of them come from three sums over the cells (i, j) of a kernel, one matrix product each: the convolution itself, its
adjoint (which is its gradient for the image, and the transposed convolution), and its gradient for the kernel.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np

from pysmorch.layers.arguments import (
    Array,
    Padding,
    Pair,
    SameOrValid,
    ShapeError,
    border,
    check_groups,
    format_dims,
    image_dims,
    padding_argument,
    padding_of_sequences,
    pair,
    positive,
)
from pysmorch.layers.base import Layer
from pysmorch.layers.overridable import overridable
from pysmorch.layers.protocol import LayerLike
from pysmorch.layers.randomness import standard_normal
from pysmorch.layers.windows import Windows, covers, slide

__all__ = ["Conv1d", "Conv2d", "ConvTranspose2d"]


class Conv2d(Layer):
    """Multiply every window of an image by the same matrix of weights.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    num_filters : int
        The channels K of the output: Y is (N, H', W', K).
    kernel_size : int or (int, int)
        Rows KH and columns KW of the kernel, one number or (height, width).
    stride : int or (int, int), default=1
        Steps from one window to the next.
    padding : "same", "valid", int or (int, int), default="same"
        "same" for outputs of size ceil(H / stride), with the zeros that takes on both sides (the odd one below and to the right);
        "valid" for none; a number or (height, width) of zeros on both sides.
    dilation : int or (int, int), default=1
        Steps from one cell of the kernel to the next.
    groups : int, default=1
        Parts that the channels and the filters are cut into, in order: the filters of a part see its channels alone. With as many
        groups as channels the convolution is depthwise.

    Attributes
    ----------
    W : array of shape (KH, KW, C / groups, K)
        The kernel, initialised as standard normal numbers over sqrt(KH * KW * C / groups). There is no bias: that is `Bias`.

    Raises
    ------
    ShapeError
        When the input is not images, the kernel is larger than the padded image, or the groups do not divide the channels.
    ValueError
        When arguments are not sizes.

    Notes
    -----
    Y[n, y, x, k] = sum over i, j, c of X[n, y * stride + i * dilation - top, x * stride + j * dilation - left, c] * W[i, j, c, k],
    with zeros outside the image. Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Conv2d(Data(shape=(None, 28, 28, 1)), num_filters=32, kernel_size=3, stride=2).out_dims
    (None, 14, 14, 32)
    """

    native = "conv2d"
    fuses = ("bias", "activation")

    def __init__(
        self,
        in_layer: LayerLike,
        num_filters: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = "same",
        dilation: int | Pair = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(in_layer)
        num_data, height, width, self.num_in_channels = image_dims(self)
        self.num_filters = positive(self, "num_filters", num_filters)
        self.kernel_size = pair(self, "kernel_size", kernel_size)
        self.stride = pair(self, "stride", stride)
        self.padding = padding_argument(self, padding)
        self.dilation = pair(self, "dilation", dilation)
        self.groups = check_groups(self, groups, self.num_in_channels, self.num_filters)
        self.windows = slide(self, (height, width), self.kernel_size, self.stride, self.dilation, self.padding)
        self.out_dims = (num_data, *self.windows.out, self.num_filters)
        kernel = (*self.kernel_size, self.num_in_channels // self.groups)
        self.W = standard_normal(*kernel, self.num_filters) / sqrt(prod(kernel))

    def compute(self, x: Array) -> Array:
        """Sum over the cells of the kernel."""
        return convolve(x, self.W, self.windows, self.groups)

    def pull_back(self, dwnstrm: Array) -> Array:
        """G is the input under each cell of the kernel, times dwnstrm; the input gradient is the adjoint of dwnstrm."""
        self.G = kernel_gradient(self.in_array, dwnstrm, self.windows, self.groups)
        return convolve_adjoint(dwnstrm, self.W, self.windows, self.groups)

    @property
    def geometry(self) -> dict[str, int]:
        """The sizes of image, kernel, steps and padding."""
        return self.windows.geometry(self.num_in_channels, self.num_filters, self.groups)


class Conv1d(Layer):
    """Multiply every window of a sequence by the same matrix of weights.

    Parameters
    ----------
    in_layer : Layer
        The input layer, sequences of shape (N, L, C).
    num_filters : int
        The channels K of the output: Y is (N, L', K).
    kernel_size : int
        The length KW of the kernel.
    stride : int, default=1
        Steps from one window to the next.
    padding : "same", "valid" or int, default="same"
        "same" for outputs of length ceil(L / stride), "valid" for no zeros, or a number of zeros on both sides.
    dilation : int, default=1
        Steps from one cell of the kernel to the next.
    groups : int, default=1
        Parts that the channels and the filters are cut into, in order.

    Attributes
    ----------
    W : array of shape (KW, C / groups, K)
        The kernel, initialised as standard normal numbers over sqrt(KW * C / groups).

    Raises
    ------
    ShapeError
        When the input is not sequences, the kernel is larger than the padded sequence, or the groups do not divide the channels.
    ValueError
        When arguments are not sizes.

    Notes
    -----
    Y[n, t, k] = sum over j, c of X[n, t * stride + j * dilation - left, c] * W[j, c, k], with zeros outside the sequence.

    Examples
    --------
    >>> from pysmorch import Data
    >>> Conv1d(Data(shape=(None, 100, 3)), num_filters=8, kernel_size=5, padding="valid").out_dims
    (None, 96, 8)
    """

    native = "conv2d"
    fuses = ("bias", "activation")

    def __init__(
        self,
        in_layer: LayerLike,
        num_filters: int,
        kernel_size: int,
        stride: int = 1,
        padding: SameOrValid | int = "same",
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(in_layer)
        dims = tuple(self.in_layer.out_dims)
        if len(dims) != 3 or 0 in dims[1:]:
            raise ShapeError(
                f"Conv1d needs sequences, shape (N, L, C), but in_layer {in_layer!r} returns shape {format_dims(dims)}; "
                "Reshape(layer, (L, C)) makes sequences of rows"
            )
        num_data, length, self.num_in_channels = dims
        self.num_filters = positive(self, "num_filters", num_filters)
        self.kernel_size = positive(self, "kernel_size", kernel_size)
        self.stride = positive(self, "stride", stride)
        self.padding = padding_of_sequences(self, padding)
        self.dilation = positive(self, "dilation", dilation)
        self.groups = check_groups(self, groups, self.num_in_channels, self.num_filters)
        beside = self.padding if isinstance(self.padding, str) else (0, self.padding)
        size, steps, gaps = ((1, n) for n in (self.kernel_size, self.stride, self.dilation))
        self.windows = slide(self, (1, length), size, steps, gaps, beside)
        self.out_dims = (num_data, self.windows.out[1], self.num_filters)
        kernel = (self.kernel_size, self.num_in_channels // self.groups)
        self.W = standard_normal(*kernel, self.num_filters) / sqrt(prod(kernel))

    def compute(self, x: Array) -> Array:
        """A convolution of images of height one."""
        return convolve(x[:, None], self.W[None], self.windows, self.groups)[:, 0]

    def pull_back(self, dwnstrm: Array) -> Array:
        """G is the input under each cell of the kernel, times dwnstrm; the input gradient is the adjoint of dwnstrm."""
        self.G = kernel_gradient(self.in_array[:, None], dwnstrm[:, None], self.windows, self.groups)[0]
        return convolve_adjoint(dwnstrm[:, None], self.W[None], self.windows, self.groups)[:, 0]

    @property
    def geometry(self) -> dict[str, int]:
        """The sizes of the convolution of images of height one."""
        return self.windows.geometry(self.num_in_channels, self.num_filters, self.groups)


class ConvTranspose2d(Layer):
    """The adjoint of a convolution: every entry of the input adds a kernel, times its value, to the output.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    num_filters : int
        The channels K of the output: Y is (N, H', W', K).
    kernel_size : int or (int, int)
        Rows KH and columns KW of the kernel, one number or (height, width).
    stride : int or (int, int), default=1
        Steps in the output from one entry of the input to the next.
    padding : "same", "valid", int or (int, int), default="same"
        "same" for outputs of size H * stride; "valid" for all that is reached, (H - 1) * stride + (KH - 1) * dilation + 1; a number
        or (height, width) for so much less on both sides.
    dilation : int or (int, int), default=1
        Steps from one cell of the kernel to the next.

    Attributes
    ----------
    W : array of shape (KH, KW, K, C)
        The kernel, initialised as standard normal numbers over sqrt(KH * KW * C / (stride height * stride width)).

    Raises
    ------
    ShapeError
        When the input is not images, or nothing is left of the output.
    ValueError
        When arguments are not sizes.

    Notes
    -----
    Y[n, y * stride + i * dilation - top, x * stride + j * dilation - left, k] sums X[n, y, x, c] * W[i, j, k, c]; what falls outside
    the output is lost. It is the adjoint of the `Conv2d` with the same arguments and weights that makes C channels of K:
    <Conv2d(Y), X> = <Y, ConvTranspose2d(X)>. Source: Zeiler et al., "Deconvolutional networks", 2010.

    Examples
    --------
    >>> from pysmorch import Data
    >>> ConvTranspose2d(Data(shape=(None, 14, 14, 32)), num_filters=16, kernel_size=2, stride=2).out_dims
    (None, 28, 28, 16)
    """

    native = "conv_transpose2d"
    fuses = ("bias", "activation")

    def __init__(
        self,
        in_layer: LayerLike,
        num_filters: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = "same",
        dilation: int | Pair = 1,
    ) -> None:
        super().__init__(in_layer)
        num_data, height, width, self.num_in_channels = image_dims(self)
        self.num_filters = positive(self, "num_filters", num_filters)
        self.kernel_size = pair(self, "kernel_size", kernel_size)
        self.stride = pair(self, "stride", stride)
        self.padding = padding_argument(self, padding)
        self.dilation = pair(self, "dilation", dilation)
        image = self._out_size((height, width))
        self.windows = slide(self, image, self.kernel_size, self.stride, self.dilation, self.padding)
        self.out_dims = (num_data, *self.windows.image, self.num_filters)
        num_summed = prod(self.kernel_size) * self.num_in_channels / prod(self.stride)
        self.W = standard_normal(*self.kernel_size, self.num_filters, self.num_in_channels) / sqrt(num_summed)

    def compute(self, x: Array) -> Array:
        """The input gradient of a convolution."""
        return convolve_adjoint(x, self.W, self.windows)

    def pull_back(self, dwnstrm: Array) -> Array:
        """A convolution of dwnstrm; G is the weight gradient of that convolution, with the input as its dwnstrm."""
        self.G = kernel_gradient(dwnstrm, self.in_array, self.windows)
        return convolve(dwnstrm, self.W, self.windows)

    @property
    def geometry(self) -> dict[str, int]:
        """The sizes of the convolution whose adjoint this is: its image is this layer's output."""
        return self.windows.geometry(self.num_filters, self.num_in_channels, groups=1)

    def _out_size(self, size: Pair) -> Pair:
        if self.padding == "same":
            return size[0] * self.stride[0], size[1] * self.stride[1]
        reached = [
            (n - 1) * step + cells
            for n, step, cells in zip(size, self.stride, covers(self.kernel_size, self.dilation), strict=True)
        ]
        lost = border(self, self.padding)
        height, width = (n - 2 * p for n, p in zip(reached, lost, strict=True))
        if height < 1 or width < 1:
            raise ShapeError(
                f"ConvTranspose2d: nothing is left of the output: its windows reach {reached[0]} x {reached[1]} cells, and "
                f"padding {lost} takes so many off on both sides; use less padding"
            )
        return height, width


@overridable
def convolve(x: Array, W: Array, windows: Windows, groups: int = 1) -> Array:
    """Return Y with Y[window] = sum over the cells (i, j) of X[the cell of the window] W[i, j], group by group."""
    padded = windows.pad(x)
    y: Any = sum(by_group(padded[cells], groups) @ by_group(W[tap], groups) for tap, cells in windows.taps())
    return together(y).reshape(len(x), *windows.out, W.shape[-1])


@overridable
def convolve_adjoint(dwnstrm: Array, W: Array, windows: Windows, groups: int = 1) -> Array:
    """Return the gradient for X: every window adds its dwnstrm W[i, j]^T to the cells that it covers."""
    d = by_group(dwnstrm, groups)
    shape = len(dwnstrm), *windows.image, groups * W.shape[2]
    gradient = windows.pad(np.zeros(shape, np.result_type(dwnstrm, W), like=dwnstrm))
    for tap, cells in windows.taps():
        gradient[cells] += together(d @ by_group(W[tap], groups).mT).reshape(gradient[cells].shape)
    return windows.crop(gradient)


@overridable
def kernel_gradient(x: Array, dwnstrm: Array, windows: Windows, groups: int = 1) -> Array:
    """Return the gradient for W: entry (i, j) is X[the cells that it covers]^T dwnstrm, group by group."""
    padded, d = windows.pad(x), by_group(dwnstrm, groups)
    taps = [together(by_group(padded[cells], groups).mT @ d) for _, cells in windows.taps()]
    return np.stack(taps).reshape(*windows.size, x.shape[-1] // groups, dwnstrm.shape[-1])


def by_group(array: Array, groups: int) -> Array:
    """Return the last axis in parts, each with everything before it as rows: (..., C) to (groups, rows, C / groups)."""
    return array.reshape(-1, groups, array.shape[-1] // groups).swapaxes(0, 1)


def together(parts: Array) -> Array:
    """Put the parts side by side again: (groups, rows, C / groups) to (rows, C)."""
    groups, rows, size = parts.shape
    return parts.swapaxes(0, 1).reshape(rows, groups * size)
