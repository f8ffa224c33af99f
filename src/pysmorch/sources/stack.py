"""Images of one shape as one array: of bytes, or of 16 bits where greys have more."""

from __future__ import annotations

from math import prod

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.sources.limits import check_memory
from pysmorch.sources.source import SourceError

UPPER_BITS = 0
"""In place of a number of bits: the images of the training had 8 bits, and of others the upper 8 are taken."""


class Stack:
    """Images, one after the other.

    Parameters
    ----------
    where : str
        What the images are called.
    count : int
        How many there are at most.
    bits : int or None
        How many bits of greys the training used, `UPPER_BITS`, or None to learn it.

    Attributes
    ----------
    bits : int or None
        When all are there: the bits of greys that are used, None where all images have 8 bits.
    """

    def __init__(self, where: str, count: int, bits: int | None) -> None:
        self.where, self.count, self.bits = where, count, bits
        self.filled = 0
        self.is_wide = np.zeros(count, dtype=bool)
        self.highest = 0
        self._images: Array | None = None
        self._first: object | None = None

    def add(self, pixels: Array, file: object) -> None:
        """Take one more image, as (H, W, C) of bytes or of 16 bits.

        Raises SourceError where it has another shape than the first one, or there is no room.
        """
        if self._images is None:
            self._images, self._first = self._room_for(pixels.shape, pixels.dtype), file
        elif pixels.shape != self._images.shape[1:]:
            assert self._first is not None
            _refuse(self.where, self._first, self._images.shape[1:], file, pixels.shape)
        elif pixels.dtype.itemsize > self._images.dtype.itemsize:
            narrow = self._images
            self._images = self._room_for(pixels.shape, pixels.dtype)
            self._images[: self.filled] = narrow[: self.filled]
        self._images[self.filled] = pixels
        if pixels.dtype == np.uint16:
            self.is_wide[self.filled] = True
            self.highest = max(self.highest, int(pixels.max()))
        self.filled += 1

    def finished(self) -> tuple[Array, list[str]]:
        """Return the images (N, H, W, C), all of them in the same bits, and remarks about the bits."""
        assert self._images is not None
        images, is_wide = self._images[: self.filled], self.is_wide[: self.filled]
        num_wide = int(is_wide.sum())
        learned = self.bits is None
        if self.bits is None and num_wide:
            self.bits = max(8, self.highest.bit_length())
        if not self.bits:
            self.bits = None
            return images, []
        white = 2**self.bits - 1
        remarks = []
        greys = f"{num_wide} {'image' if num_wide == 1 else 'images'} of {self.where} with greys of 16 bits"
        if learned and self.bits < 16:
            remarks = [f"{greys}, of which {self.bits} are used: the largest grey is {self.highest}, white is {white}"]
        elif self.highest > white:
            remarks = [f"{greys} up to {self.highest}, but those of the training are up to {white}"]
        if self.bits > 8:
            images = self._widened(images, is_wide, white)
        elif num_wide:
            images = np.minimum(images, white).astype(np.uint8)
        return images, remarks

    def _widened(self, images: Array, is_wide: Array, white: int) -> Array:
        """Return images whose white is that of greys of more than 8 bits."""
        if images.dtype != np.uint16:
            narrow, images = images, self._room_for(images.shape[1:], np.dtype(np.uint16))[: self.filled]
            images[:] = narrow
        for index in np.flatnonzero(~is_wide):  # one by one, so that there is no copy of all
            images[index] = np.rint(images[index] * (white / 255))
        return images

    def _room_for(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
        size = self.count * prod(shape) * dtype.itemsize
        try:
            check_memory(size, f"the {self.count} images of {self.where}")
            return np.empty((self.count, *shape), dtype)
        except (MemoryError, SourceError):
            raise SourceError(
                f"the {self.count} images of {self.where} need {size / 2**30:.0f} GiB, which is more than there is, or than "
                "--max-memory; make them smaller with --resize HxW"
            ) from None


def _refuse(where: str, first: object, shape: tuple[int, ...], other: object, other_shape: tuple[int, ...]) -> None:
    """Say how two images differ."""
    if shape[2] != other_shape[2]:
        grey, colour = (first, other) if shape[2] == 1 else (other, first)
        raise SourceError(
            f"{where} has grey and colour images: {grey} is grey, {colour} is in colour; "
            "make them alike with --grey or --colour"
        )
    sizes = [f"{height}x{width}" for height, width, _ in (shape, other_shape)]
    raise SourceError(
        f"{where} has images of different sizes: {first} has {sizes[0]} pixels (height x width), {other} has {sizes[1]}; "
        f"make them alike with --resize, as in --resize {sizes[0]}"
    )
