"""Sliding windows of convolution and pooling: their positions on an image, and its padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.layers.arguments import Array, Padding, Pair, ShapeError, as_pair, border


@dataclass(frozen=True)
class Windows:
    """All positions of a window on an image, which is padded for them.

    Parameters
    ----------
    image : (int, int)
        Height and width of the image.
    size : (int, int)
        Rows and columns of the window.
    stride : (int, int)
        Steps from one window to the next.
    dilation : (int, int)
        Steps from one cell of a window to the next.
    before, after : (int, int)
        Cells added above and to the left, below and to the right.
    out : (int, int)
        How many windows there are below and beside each other.
    """

    image: Pair
    size: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair
    out: Pair

    def pad(self, x: Array, value: float = 0.0) -> Array:
        """Return the images (N, H, W, C) with cells of this value around them."""
        height, width = (sum(sizes) for sizes in zip(self.before, self.image, self.after, strict=True))
        padded = np.full((len(x), height, width, x.shape[-1]), value, x.dtype, like=x)
        self.crop(padded)[...] = x
        return padded

    def crop(self, padded: Array) -> Array:
        """Return the part of padded images that the images are, as a view."""
        (top, left), (height, width) = self.before, self.image
        return padded[:, top : top + height, left : left + width]

    def taps(self) -> Iterator[tuple[Pair, tuple[slice, slice, slice]]]:
        """Yield each cell (i, j) of the window, row by row, with the cells of padded images that it lies on.

        `padded[cells]` is (N, out height, out width, C): the entry under (i, j) for every window.
        """
        for i in range(self.size[0]):
            for j in range(self.size[1]):
                first = i * self.dilation[0], j * self.dilation[1]
                rows, columns = (
                    slice(start, start + (count - 1) * step + 1, step)
                    for start, count, step in zip(first, self.out, self.stride, strict=True)
                )
                yield (i, j), (slice(None), rows, columns)

    def geometry(self, channels: int, out_channels: int, groups: int) -> dict[str, int]:
        """Return all sizes by name."""
        (height, width), (out_height, out_width) = self.image, self.out
        return {
            "height": height,
            "width": width,
            "channels": channels,
            "out_height": out_height,
            "out_width": out_width,
            "out_channels": out_channels,
            "kernel_height": self.size[0],
            "kernel_width": self.size[1],
            "stride_height": self.stride[0],
            "stride_width": self.stride[1],
            "dilation_height": self.dilation[0],
            "dilation_width": self.dilation[1],
            "pad_top": self.before[0],
            "pad_left": self.before[1],
            "groups": groups,
        }


def slide(layer: Any, image: Pair, size: Pair, stride: Pair, dilation: Pair, padding: Padding) -> Windows:
    """Return the windows for an image.

    Parameters
    ----------
    layer : Layer
        For messages.
    image, size, stride, dilation : (int, int)
        As in `Windows`.
    padding : "same", "valid", int or (int, int)
        As in `Conv2d`.

    Returns
    -------
    Windows

    Raises
    ------
    ShapeError
        When no window fits on the image.
    """
    covered = covers(size, dilation)
    if padding == "same":
        out = as_pair(-(-h // s) for h, s in zip(image, stride, strict=True))
        total = [
            max((count - 1) * step + cells - length, 0)
            for count, step, cells, length in zip(out, stride, covered, image, strict=True)
        ]
        before, after = as_pair(t // 2 for t in total), as_pair(t - t // 2 for t in total)
    else:
        before = after = border(layer, padding)
        padded = [length + 2 * p for length, p in zip(image, before, strict=True)]
        if any(length < cells for length, cells in zip(padded, covered, strict=True)):
            raise ShapeError(
                f"{type(layer).__name__}: a window covers {covered[0]} x {covered[1]} cells, but the images of "
                f"{layer.in_layer!r} have {padded[0]} x {padded[1]} with their padding; use smaller windows, "
                "more padding, or larger images"
            )
        out = as_pair((length - c) // s + 1 for length, c, s in zip(padded, covered, stride, strict=True))
    return Windows(image, size, stride, dilation, before, after, out)


def covers(size: Pair, dilation: Pair) -> Pair:
    """Return how many rows and columns lie under a window, those between its cells included."""
    return as_pair((n - 1) * d + 1 for n, d in zip(size, dilation, strict=True))
