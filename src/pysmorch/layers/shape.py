"""Layers that change the shape of an example and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from pysmorch.layers.base import Array, Layer, ShapeError, format_dims


class Reshape(Layer):
    """Give every example another shape with the same number of entries, in C order; the batch stays.

    Args:
        shape: the shape of one example, without the batch; one entry may be -1 and is then worked out.

    Raises ShapeError when the number of entries differs.

    >>> from pysmorch import Data
    >>> Reshape(Data(shape=(None, 784)), (28, -1)).out_dims
    (None, 28, 28)
    """

    native = "reshape"

    def __init__(self, in_layer: Any, shape: Sequence[int]) -> None:
        super().__init__(in_layer)
        num_data, *sizes = in_layer.out_dims
        self.shape = _fill_in(prod(sizes), tuple(int(s) for s in shape), in_layer)
        self.out_dims = (num_data, *self.shape)

    def compute(self, x: Array) -> Array:
        """X in the new shape."""
        return x.reshape(len(x), *self.shape)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm in the old shape."""
        return dwnstrm.reshape(self.in_array.shape)


class Flatten(Layer):
    """Make one row of features of every example: (N, H, W, C) becomes (N, H * W * C), in C order."""

    native = "reshape"

    def __init__(self, in_layer: Any) -> None:
        super().__init__(in_layer)
        num_data, *sizes = in_layer.out_dims
        self.num_features = prod(sizes)
        self.out_dims = (num_data, self.num_features)

    def compute(self, x: Array) -> Array:
        """X as rows."""
        return x.reshape(len(x), self.num_features)

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm in the old shape."""
        return dwnstrm.reshape(self.in_array.shape)


def _fill_in(num_entries: int, shape: tuple[int, ...], in_layer: Any) -> tuple[int, ...]:
    known = prod(s for s in shape if s != -1)
    if shape.count(-1) == 1 and known > 0 and num_entries % known == 0:
        shape = tuple(num_entries // known if s == -1 else s for s in shape)
    if any(s < 0 for s in shape) or prod(shape) != num_entries:
        raise ShapeError(
            f"Reshape: cannot make examples of shape {shape} from {in_layer!r}, which hands on "
            f"{format_dims(in_layer.out_dims)} with {num_entries} entries per example"
        )
    return tuple(np.int64(s).item() for s in shape)
