"""Pooling: one number for every window of an image, channel by channel."""

from __future__ import annotations

import numpy as np

from pysmorch.layers.arguments import Array, Padding, Pair, floating, image_dims, padding_argument, pair
from pysmorch.layers.base import Layer
from pysmorch.layers.protocol import LayerLike
from pysmorch.layers.windows import slide

__all__ = ["AvgPool2d", "GlobalAvgPool2d", "MaxPool2d"]


class _Pool2d(Layer):
    """The base of the poolings: the positions of their windows."""

    def __init__(
        self, in_layer: LayerLike, size: int | Pair = 2, stride: int | Pair | None = None, padding: Padding = "valid"
    ) -> None:
        super().__init__(in_layer)
        num_data, height, width, self.channels = image_dims(self)
        self.size = pair(self, "size", size)
        self.stride = self.size if stride is None else pair(self, "stride", stride)
        self.padding = padding_argument(self, padding)
        if not isinstance(self.padding, str) and any(p >= n for p, n in zip(self.padding, self.size, strict=True)):
            raise ValueError(
                f"{type(self).__name__}: padding must be smaller than the window, so that every window lies on the image, "
                f"but padding is {self.padding} and size is {self.size}"
            )
        self.windows = slide(self, (height, width), self.size, self.stride, (1, 1), self.padding)
        self.out_dims = (num_data, *self.windows.out, self.channels)

    @property
    def geometry(self) -> dict[str, int]:
        """The sizes of image, window, steps and padding, as for a convolution of each channel alone."""
        return self.windows.geometry(self.channels, self.channels, groups=self.channels)


class MaxPool2d(_Pool2d):
    """The largest entry of every window, channel by channel.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C); Y is (N, H', W', C).
    size : int or (int, int), default=2
        Rows and columns of a window, one number or (height, width).
    stride : int, (int, int) or None, default=None
        Steps from one window to the next; None for the size, so that windows lie side by side.
    padding : "same", "valid", int or (int, int), default="valid"
        "valid" for windows on the image only, "same" for outputs of size ceil(H / stride), or cells added on both sides, a number or
        (height, width), fewer than the window has.

    Raises
    ------
    ShapeError
        When the input is not images, or smaller than the window.
    ValueError
        When arguments are not sizes.

    Notes
    -----
    The gradient goes to the cell of the maximum; where several cells are equal, the first of them, row by row, gets all of it. Cells
    outside the image are never the maximum. Source: Ranzato, Huang, Boureau and LeCun, "Unsupervised learning of invariant feature
    hierarchies", 2007.

    Examples
    --------
    >>> from pysmorch import Data
    >>> MaxPool2d(Data(shape=(None, 28, 28, 32))).out_dims
    (None, 14, 14, 32)
    """

    native = "max_pool2d"

    def compute(self, x: Array) -> Array:
        """The maximum over the cells of the window."""
        padded = self.windows.pad(floating(x), -np.inf)
        return np.maximum.reduce(np.stack([padded[cells] for _, cells in self.windows.taps()]))

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm goes to the first cell of each window that holds the maximum."""
        padded = self.windows.pad(floating(self.in_array), -np.inf)
        gradient = np.zeros_like(padded)
        is_open = np.ones(dwnstrm.shape, bool, like=dwnstrm)
        for _, cells in self.windows.taps():
            is_first = is_open & (padded[cells] == self.out_array)
            gradient[cells] += np.where(is_first, dwnstrm, 0)
            is_open &= ~is_first
        return self.windows.crop(gradient)


class AvgPool2d(_Pool2d):
    """The mean of every window, channel by channel.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C); Y is (N, H', W', C).
    size : int or (int, int), default=2
        Rows and columns of a window, one number or (height, width).
    stride : int, (int, int) or None, default=None
        Steps from one window to the next; None for the size, so that windows lie side by side.
    padding : "same", "valid", int or (int, int), default="valid"
        "valid" for windows on the image only, "same" for outputs of size ceil(H / stride), or cells added on both sides, a number or
        (height, width), fewer than the window has.

    Raises
    ------
    ShapeError
        When the input is not images, or smaller than the window.
    ValueError
        When arguments are not sizes.

    Notes
    -----
    Cells outside the image do not count: a window at the border is the mean of those that lie on the image. Source: LeCun et al.,
    "Gradient-based learning applied to document recognition", 1998.
    """

    native = "avg_pool2d"

    def compute(self, x: Array) -> Array:
        """The sum over the cells of the window, over how many lie on the image."""
        return self._sum_of_windows(floating(x)) / self._num_cells()

    def pull_back(self, dwnstrm: Array) -> Array:
        """Every cell gets dwnstrm over how many there are."""
        share = dwnstrm / self._num_cells().astype(dwnstrm.dtype)
        gradient = self.windows.pad(np.zeros(self.in_array.shape, dwnstrm.dtype, like=dwnstrm))
        for _, cells in self.windows.taps():
            gradient[cells] += share
        return self.windows.crop(gradient)

    def _sum_of_windows(self, x: Array) -> Array:
        padded = self.windows.pad(x)
        return np.add.reduce(np.stack([padded[cells] for _, cells in self.windows.taps()]))

    def _num_cells(self) -> Array:
        return self._sum_of_windows(np.ones((1, *self.windows.image, 1), np.float32))


class GlobalAvgPool2d(Layer):
    """The mean of every channel over the whole image: (N, H, W, C) becomes (N, C).

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).

    Raises
    ------
    ShapeError
        When the input is not images.

    Notes
    -----
    Source: Lin, Chen and Yan, "Network in network", 2013.
    """

    native = "global_avg_pool2d"

    def __init__(self, in_layer: LayerLike) -> None:
        super().__init__(in_layer)
        num_data, self.height, self.width, self.channels = image_dims(self)
        self.out_dims = (num_data, self.channels)

    def compute(self, x: Array) -> Array:
        """The mean over rows and columns."""
        return x.mean((1, 2))

    def pull_back(self, dwnstrm: Array) -> Array:
        """Every pixel gets dwnstrm over how many there are."""
        share = dwnstrm[:, None, None, :] / (self.height * self.width)
        return np.broadcast_to(share, self.in_array.shape).copy()

    @property
    def geometry(self) -> dict[str, int]:
        """The size of the image."""
        return {"height": self.height, "width": self.width, "channels": self.channels}
