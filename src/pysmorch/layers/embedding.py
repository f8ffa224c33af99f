"""Embedding: a trainable row for each of a set of integers."""

from __future__ import annotations

import numpy as np

from pysmorch.layers.arguments import Array, positive
from pysmorch.layers.base import Layer
from pysmorch.layers.overridable import overridable
from pysmorch.layers.protocol import LayerLike
from pysmorch.layers.randomness import standard_normal

__all__ = ["Embedding"]

NUMBERS_AT_A_TIME = 2**22
"""Of a gradient that are added up at a time, between which Python answers signals."""


class Embedding(Layer):
    """Look up a row of W for every entry: Y[i, ...] = W[X[i, ...]].

    Parameters
    ----------
    in_layer : Layer
        The input layer, of shape (N,) or (N, T), with indices from 0 to num_entries - 1 (of an integer or a floating type).
    num_entries : int
        The number of rows of `W`.
    num_out_features : int
        The length K of a row: Y is (N, K) or (N, T, K).

    Attributes
    ----------
    W : array of shape (num_entries, K)
        The rows, initialised as standard normal numbers.
    G : array of shape (num_entries, K)
        Row k is the sum of dwnstrm over all entries that are k; the input gets no gradient.

    Raises
    ------
    ValueError
        When a size is not a positive integer; in a pass, with the position, for an entry that is out of range or not an integer.
    """

    native = "embedding"
    reads_indices = True

    def __init__(self, in_layer: LayerLike, num_entries: int, num_out_features: int) -> None:
        super().__init__(in_layer)
        self.num_entries = positive(self, "num_entries", num_entries)
        self.num_out_features = positive(self, "num_out_features", num_out_features)
        self.out_dims = (*in_layer.out_dims, self.num_out_features)
        self.W = standard_normal(self.num_entries, self.num_out_features)

    def compute(self, x: Array) -> Array:
        """W[X]."""
        self.indices = whole_indices(self, x)
        return self.W[self.indices]

    def pull_back(self, dwnstrm: Array) -> None:
        """G[k] is the sum of dwnstrm over all entries that are k."""
        gradient = np.zeros_like(self.W)
        indices, rows = self.indices.reshape(-1), dwnstrm.reshape(-1, self.num_out_features)
        at_a_time = max(1, NUMBERS_AT_A_TIME // self.num_out_features)
        for i in range(0, len(indices), at_a_time):
            np.add.at(gradient, indices[i : i + at_a_time], rows[i : i + at_a_time])
        self.G = gradient


@overridable
def whole_indices(layer: Embedding, x: Array) -> Array:
    """Return the entries of an Embedding's input as indices, or raise ValueError for one that is none."""
    # Compared as they are, before the conversion: a NaN or a huge number would convert to anything.
    wrong = ~((x >= 0) & (x < layer.num_entries) & (x == np.floor(x)))
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{layer!r}: entries must be integers from 0 to {layer.num_entries - 1}, "
            f"but entry {list(index)} of the batch is {x[index]}"
        )
    return x.astype(np.intp)
