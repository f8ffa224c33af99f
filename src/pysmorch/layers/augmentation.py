"""Augmentation: random changes of images in training; none in prediction.

Each pass has random numbers of its own, fixed by `seed`, the RNG stream and the number of the pass, `step`; `fit` sets
all three.
"""

from __future__ import annotations

import numpy as np

from pysmorch.layers.arguments import Array, Pair, ShapeError, finite, image_dims, pair, positive
from pysmorch.layers.base import Layer
from pysmorch.layers.protocol import LayerLike
from pysmorch.layers.randomness import draw_seed, random_words

__all__ = ["Cutout", "RandomCrop", "RandomFlip", "RandomShift"]


class _Augmentation(Layer):
    """The base of the augmentations: the check of their images, and their random numbers."""

    moves_entries = True
    first_row = 0
    """Of the batch, where the images are a shard of it."""

    def __init__(self, in_layer: LayerLike) -> None:
        super().__init__(in_layer)
        _, self.height, self.width, self.channels = image_dims(self)
        self.seed = draw_seed()
        self.stream = 1
        self.step = 0

    @property
    def geometry(self) -> dict[str, int]:
        """The size of the images."""
        return {"height": self.height, "width": self.width, "channels": self.channels}

    def _draw_words(self, num_data: int, of_image: int = 1) -> Array:
        first = self.first_row * of_image
        words = random_words(self.seed, self.stream, self.step, num_data * of_image, first)
        self.step += 1
        return words

    def _draw_below(self, num_data: int, *limits: int) -> Array:
        """Return one integer from 0 to limit - 1 for each image and limit, all equally likely: (N, limits)."""
        words = self._draw_words(num_data, len(limits)).reshape(num_data, len(limits))
        return ((words.astype(np.uint64) * np.array(limits, np.uint64)) >> np.uint64(32)).astype(np.int64)


class RandomShift(_Augmentation):
    """In training, move each image by up to `pixels` pixels in both directions, filled with zeros at the border.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    pixels : int, default=2
        The largest shift.

    Raises
    ------
    ShapeError
        When the input is not images.
    ValueError
        When pixels is not a positive integer.

    Notes
    -----
    Y[n, i, j] = X[n, i + dy, j + dx], 0 outside the image, with dy and dx from -pixels to pixels, all equally likely.
    """

    native = "random_shift"
    identity_in_prediction = True

    def __init__(self, in_layer: LayerLike, pixels: int = 2) -> None:
        super().__init__(in_layer)
        self.pixels = positive(self, "pixels", pixels)

    def compute(self, x: Array) -> Array:
        """A part of the image with zeros around it, at a random position."""
        shifts = np.zeros((len(x), 2), np.int64)
        if self.training:
            shifts = self._draw_below(len(x), 2 * self.pixels + 1, 2 * self.pixels + 1) - self.pixels
        p, q = self._border
        farthest = np.array([p, q])
        self.corners = np.clip(shifts, -farthest, farthest) + farthest
        return np.pad(x, ((0, 0), (p, p), (q, q), (0, 0)))[parts_at(self.corners, self.height, self.width)]

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm, moved back."""
        p, q = self._border
        shape = len(dwnstrm), self.height + 2 * p, self.width + 2 * q, self.channels
        padded = np.zeros(shape, dwnstrm.dtype, like=dwnstrm)
        padded[parts_at(self.corners, self.height, self.width)] = dwnstrm
        return padded[:, p : p + self.height, q : q + self.width]

    @property
    def _border(self) -> Pair:
        """Rows and columns of zeros on each side: no more than the image has, since of one moved farther nothing is left."""
        return min(self.pixels, self.height), min(self.pixels, self.width)

    @property
    def geometry(self) -> dict[str, int]:
        """The size of the images and of the largest shift."""
        return super().geometry | {"pixels": self.pixels}


class RandomFlip(_Augmentation):
    """In training, swap left and right in each image with probability `rate`.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    rate : float, default=0.5
        The probability, from 0 to 1.

    Raises
    ------
    ShapeError
        When the input is not images.
    ValueError
        When rate is out of range.
    """

    native = "random_flip"
    native_attributes = ("rate",)
    identity_in_prediction = True

    def __init__(self, in_layer: LayerLike, rate: float = 0.5) -> None:
        super().__init__(in_layer)
        if not 0 <= finite(self, "rate", rate) <= 1:
            raise ValueError(f"RandomFlip: rate must be from 0 to 1, but is {rate!r}")
        self.rate = float(rate)

    def compute(self, x: Array) -> Array:
        """Some of the images, from right to left."""
        self.is_flipped = np.zeros(len(x), dtype=bool)
        if self.training:
            self.is_flipped = self._draw_words(len(x)) < round(self.rate * 2**32)
        return self._flip(x)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm, flipped back."""
        return self._flip(dwnstrm)

    def _flip(self, images: Array) -> Array:
        return np.where(self.is_flipped[:, None, None, None], images[:, :, ::-1], images)


class RandomCrop(_Augmentation):
    """Cut a part out of each image: at a random position in training, in the middle in prediction.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    size : int or (int, int)
        Rows h and columns w of the part, one number or (height, width): Y is (N, h, w, C).

    Raises
    ------
    ShapeError
        When the input is not images, or smaller than the part.
    ValueError
        When size is not made of positive integers.

    Notes
    -----
    All positions are equally likely. A shifted image of the same size is `RandomCrop(Pad2d(x, 4), (H, W))`. Source: Krizhevsky,
    Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012.
    """

    native = "random_crop"

    def __init__(self, in_layer: LayerLike, size: int | Pair) -> None:
        super().__init__(in_layer)
        self.size = pair(self, "size", size)
        if self.size[0] > self.height or self.size[1] > self.width:
            raise ShapeError(
                f"RandomCrop: cannot cut {self.size[0]} x {self.size[1]} pixels out of the images of {in_layer!r}, which have "
                f"{self.height} x {self.width}; take a smaller size, or put Pad2d between them"
            )
        self.out_dims = (in_layer.out_dims[0], *self.size, self.channels)

    def compute(self, x: Array) -> Array:
        """The part of each image."""
        spare = self.height - self.size[0], self.width - self.size[1]
        self.corners = np.full((len(x), 2), (spare[0] // 2, spare[1] // 2))
        if self.training:
            self.corners = self._draw_below(len(x), spare[0] + 1, spare[1] + 1)
        return x[parts_at(self.corners, *self.size)]

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm where it was cut out, and 0 around it."""
        shape = len(dwnstrm), self.height, self.width, self.channels
        gradient = np.zeros(shape, dwnstrm.dtype, like=dwnstrm)
        gradient[parts_at(self.corners, *self.size)] = dwnstrm
        return gradient

    @property
    def geometry(self) -> dict[str, int]:
        """The sizes of the images and of the part."""
        sizes = {"out_height": self.size[0], "out_width": self.size[1], "out_channels": self.channels}
        return super().geometry | sizes


class Cutout(_Augmentation):
    """In training, set a square of `size` x `size` pixels of each image to 0, cut off at the border.

    Parameters
    ----------
    in_layer : Layer
        The input layer, images of shape (N, H, W, C).
    size : int
        Rows and columns of the square.

    Raises
    ------
    ShapeError
        When the input is not images.
    ValueError
        When size is not a positive integer.

    Notes
    -----
    Its centre is any pixel, all equally likely; it covers `size` rows from size // 2 above the centre, and so with columns. Source:
    DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    """

    native = "cutout"
    identity_in_prediction = True

    def __init__(self, in_layer: LayerLike, size: int) -> None:
        super().__init__(in_layer)
        self.size = positive(self, "size", size)

    def compute(self, x: Array) -> Array:
        """X outside the square."""
        self.is_cut = np.zeros((len(x), 1, 1, 1), dtype=bool)
        if self.training:
            centres = self._draw_below(len(x), self.height, self.width)
            rows, columns = (self._covered(centres[:, i], length) for i, length in enumerate((self.height, self.width)))
            self.is_cut = (rows[:, :, None] & columns[:, None, :])[..., None]
        return np.where(self.is_cut, 0, x)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm outside the square."""
        return np.where(self.is_cut, 0, dwnstrm)

    @property
    def geometry(self) -> dict[str, int]:
        """The sizes of the images and of the square."""
        return super().geometry | {"size": self.size}

    def _covered(self, centres: Array, length: int) -> Array:
        """Whether the square covers a row (or column), for each image: (N, length)."""
        first = centres[:, None] - self.size // 2
        return (first <= np.arange(length)) & (np.arange(length) < first + self.size)


def parts_at(corners: Array, height: int, width: int) -> tuple[Array, Array, Array]:
    """Return the index of the part of this size in each image that begins at its corner (row, column)."""
    rows = corners[:, 0, None, None] + np.arange(height)[:, None]
    columns = corners[:, 1, None, None] + np.arange(width)
    return np.arange(len(corners))[:, None, None], rows, columns
