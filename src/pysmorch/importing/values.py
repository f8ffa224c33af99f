"""The values of an ONNX graph as outputs of layers: which axis is which, and in which order the features are.

Images have their channels first in ONNX and last here. Nothing is transposed for that: a value says which axis of the graph each axis of
its layer is, and a transposition in the graph only changes what it says. A layer is transposed where an operator needs another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from pysmorch import layers as ours
from pysmorch.files import ModelFileError
from pysmorch.layers.base import Array, Layer

BATCH = -(2**62) - 1
"""Stands for the size of the batch in shapes that are put together."""

LARGEST_ROW = 2**27
"""Entries of a value for each row, as in a model file: what has more is refused."""

MOST_INDICES = 2**20
"""Of a layer that takes entries by their indices."""


@dataclass(frozen=True)
class Value:
    """The output of a layer.

    Parameters
    ----------
    layer : Layer
        Its first axis is the batch.
    axes : tuple of int
        Of each axis of the layer's output, which axis it is in the graph.
    order : ndarray or None, default=None
        Of each feature of rows (N, D), which one it is in the graph; None where that is the same.
    integer : bool, default=False
        Whether it holds integers, such as indices.
    """

    layer: Layer
    axes: tuple[int, ...]
    order: Array | None = None
    integer: bool = False

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.axes)

    @property
    def batch(self) -> int:
        """The axis of the graph that is the batch."""
        return self.axes[0]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape in the graph, None for the batch."""
        sizes: list[int | None] = [None] * self.rank
        for axis, size in zip(self.axes[1:], self.layer.out_dims[1:], strict=True):
            sizes[axis] = size
        return tuple(sizes)

    def axis(self, axis: int) -> int:
        """Return which axis of the layer one of the graph is; it may be counted from the end."""
        if not -self.rank <= axis < self.rank:
            raise ModelFileError(f"it names the axis {axis}, but its input has {self.rank}")
        found = self.axes.index(axis % self.rank)
        if not found:
            raise ModelFileError(
                f"it works along axis {axis}, which is the batch: rows are independent of each other here"
            )
        return found


def said(sizes: Sequence[int | None]) -> str:
    """Return a shape as text, with N for the batch."""
    return (
        f"({', '.join('N' if size in (None, BATCH) else str(size) for size in sizes)}{',' if len(sizes) == 1 else ''})"
    )


def entries_of(dims: Sequence[int | None]) -> int:
    """Return the number of entries for each row."""
    return prod(size or 0 if size != 0 else 0 for size in dims[1:])


def checked(layer: Layer) -> Layer:
    """Return a layer unless a row of its output is too large."""
    if entries_of(layer.out_dims) > LARGEST_ROW:
        raise ModelFileError(f"it has {entries_of(layer.out_dims):,} values for each row, more than {LARGEST_ROW:,}")
    return layer


def plain(value: Value) -> Value:
    """Return a value whose features are in the order of the graph."""
    if value.order is None:
        return value
    return replace(value, layer=take(value.layer, np.argsort(value.order), -1), order=None)


def in_order(value: Value, axes: Sequence[int]) -> Value:
    """Return a value whose layer has the axes of the graph in this order."""
    value = plain(value)
    if value.axes == tuple(axes):
        return value
    if value.axes[0] != axes[0]:
        raise ModelFileError(f"the batch is axis {value.axes[0]} of an input, but has to be axis {axes[0]}")
    order = [value.axes.index(axis) for axis in axes[1:]]
    before = value.layer
    if isinstance(before, ours.Transpose):
        order, before = [before.order[i - 1] for i in order], before.in_layer
    layer = before if order == sorted(order) else ours.Transpose(before, order)
    return replace(value, layer=layer, axes=tuple(axes))


def as_in_graph(value: Value) -> Layer:
    """Return a layer with the axes of the graph, the batch first."""
    return in_order(value, range(value.rank)).layer


def channels_last_axes(rank: int) -> tuple[int, ...]:
    """Return the axes of a value whose axis 1, the channels, is the last of its layer."""
    return (0, *range(2, rank), 1) if rank > 1 else (0,)


def channels_last(value: Value, *ranks: int) -> Layer:
    """Return a layer with the channels last, after comparing the number of axes with those that are possible."""
    if value.rank not in ranks:
        raise ModelFileError(
            f"its input has {value.rank} axes, but only {' or '.join(map(str, ranks))} are possible (batch, channels, and at most a height and a width)"
        )
    return in_order(value, channels_last_axes(value.rank)).layer


def of_channels_last(layer: Layer) -> Value:
    """Return the value of a layer that has the channels last."""
    return Value(checked(layer), channels_last_axes(len(layer.out_dims)))


def of_graph(layer: Layer) -> Value:
    """Return the value of a layer with the axes of the graph."""
    return Value(checked(layer), tuple(range(len(layer.out_dims))))


def reshaped(layer: Layer, shape: Sequence[int]) -> Layer:
    """Return a layer with examples of another shape; of one reshape after another only the last stays."""
    while isinstance(layer, (ours.Reshape, ours.Flatten)):
        layer = layer.in_layer
    if tuple(layer.out_dims[1:]) == tuple(shape):
        return layer
    return ours.Flatten(layer) if len(shape) == 1 else ours.Reshape(layer, shape)


def take(layer: Layer, indices: Any, axis: int) -> Layer:
    """Return entries of a layer along an axis: the layer itself, neighbouring features, or any others."""
    size = layer.out_dims[axis] or 0
    if len(indices) > MOST_INDICES:
        raise ModelFileError(f"it takes {len(indices):,} entries along an axis, more than {MOST_INDICES:,}")
    indices = [int(i) for i in indices]
    if indices == list(range(size)):
        return layer
    start = indices[0] if indices else 0
    if indices and axis in (-1, len(layer.out_dims) - 1) and indices == list(range(start, start + len(indices))):
        return ours.Columns(layer, start, start + len(indices))
    return checked(ours.Take(layer, indices, axis))


def flattened_order(value: Value) -> Array | None:
    """Return which feature of the graph each of a layer is when its examples are made rows; None where all are the same."""
    shape = value.shape[1:]
    axes = [axis - 1 for axis in value.axes[1:]]
    order = np.arange(prod(size or 0 for size in shape)).reshape([size or 0 for size in shape]).transpose(axes).ravel()
    return None if bool((order == np.arange(len(order))).all()) else order
