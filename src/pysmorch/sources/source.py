"""What a source hands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pysmorch.layers.base import Array


class SourceError(ValueError):
    """Data that cannot be read; the message names the file, and the line or column."""


@dataclass
class Source:
    """Data as they were read.

    Attributes:
        name: what to call them.
        features: a PyArrow table, rows of numbers (N, D), or images (N, H, W, C) with C = 1 for grey and 3 for colour.
        labels: the labels where they come apart from the features, else None.
        files: the file of each image, where each has one, else None.
        remarks: what was left out.
    """

    name: str
    features: Any
    labels: Array | None = None
    files: list[str] | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def description(self) -> str:
        """How many rows and columns there are, or images of which size."""
        if len(self.features.shape) == 4:
            count = len(self.features)
            return f"{self.name}: {count} image{'s' * (count != 1)} of {describe_images(self.features.shape[1:])}"
        rows, columns = self.features.shape
        return f"{self.name}: {rows} rows, {columns} columns"


def describe_images(shape: tuple[int, ...]) -> str:
    """Return the shape (H, W, C) of an image in words.

    >>> describe_images((28, 32, 1))
    '28x32 pixels, grey'
    """
    height, width, channels = shape
    return f"{height}x{width} pixels, {({1: 'grey', 3: 'colour'}).get(channels, f'{channels} channels')}"
