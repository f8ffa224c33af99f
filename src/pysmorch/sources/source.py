"""Data as they were read: a source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pysmorch.entries import list_names
from pysmorch.layers.base import Array


class SourceError(ValueError):
    """Data that cannot be read; the message names the file, and the line or column."""


@dataclass(frozen=True)
class Source:
    """Data as they were read.

    Attributes
    ----------
    name : str
        What to call them.
    features : pyarrow.Table or ndarray
        A table, rows of numbers (N, D), or images (N, H, W, C) with C = 1 for grey and 3 for colour.
    labels : ndarray or None, default=None
        The labels where they come apart from the features.
    files : list of str or None, default=None
        The file of each image, where each has one.
    remarks : list of str, default=[]
        What was left out, and what is unusual.
    line_of : callable or None, default=None
        Returns the line, counted from 1, of a row of the features, where each row is a line of a file; with several
        files a text such as "7 of part-2.csv".
    pixels : bool, default=False
        Whether rows of numbers are pixels of images.
    bits : int or None, default=None
        How many bits the greys of image files use; None where these have 8.
    """

    name: str
    features: Any
    labels: Array | None = None
    files: list[str] | None = None
    remarks: list[str] = field(default_factory=list)
    line_of: Callable[[int], int | str] | None = None
    pixels: bool = False
    bits: int | None = None

    @property
    def column_names(self) -> list[str] | None:
        """The names of the columns of a table; None for arrays."""
        return None if isinstance(self.features, np.ndarray) else list(self.features.column_names)

    def take(self, rows: Array) -> Source:
        """Return some of the rows.

        Parameters
        ----------
        rows : ndarray of int
            Their indices.

        Returns
        -------
        Source
            Copies of these rows, with what belongs to each of them.
        """
        line_of = self.line_of
        return replace(
            self,
            features=self.features[rows] if isinstance(self.features, np.ndarray) else self.features.take(rows),
            labels=None if self.labels is None else self.labels[rows],
            files=None if self.files is None else [self.files[i] for i in rows],
            line_of=None if line_of is None else lambda row: line_of(int(rows[row])),
        )

    def without(self, names: Sequence[str]) -> Source:
        """Return the source without some of its columns.

        Parameters
        ----------
        names : sequence of str
            Columns of a table.

        Returns
        -------
        Source
            With the other columns.

        Raises
        ------
        ValueError
            There is no such column.
        """
        known = self.column_names
        for name in names:
            if known is None:
                raise ValueError(f"--drop takes names of columns, but {self.name} is an array")
            if name not in known:
                raise ValueError(f"--drop: {self.name} has no column {name!r}; the columns are {list_names(known)}")
        return replace(self, features=self.features.drop_columns(list(names))) if names else self

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
