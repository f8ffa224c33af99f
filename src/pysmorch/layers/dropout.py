"""Dropout: random zeros while training."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array, Layer
from pysmorch.layers.randomness import draw_seed, random_words


class Dropout(Layer):
    """While training, set each entry to 0 with probability `rate` and divide the others by 1 - rate; else do nothing.

    Every forward pass in training has a mask of its own, fixed by `seed`, `place` and the number of the pass, `step`;
    `fit` sets all three. `rate` is at least 0 and below 1.
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Raises ValueError for another rate.
    """

    native = "dropout"

    def __init__(self, in_layer: Any, rate: float = 0.5) -> None:
        super().__init__(in_layer)
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate must be at least 0 and below 1, but is {rate!r}")
        self.rate = float(rate)
        self.seed = draw_seed()
        self.place = 1
        self.step = 0

    def compute(self, x: Array) -> Array:
        """X * mask."""
        self.mask = self._next_mask(x) if self.training else np.ones((), x.dtype)
        return x * self.mask

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm * mask."""
        return dwnstrm * self.mask

    def _next_mask(self, x: Array) -> Array:
        words = random_words(self.seed, self.place, self.step, x.size).reshape(x.shape)
        self.step += 1
        kept = words >= round(self.rate * 2**32)
        return kept.astype(x.dtype) / x.dtype.type(1 - self.rate)
