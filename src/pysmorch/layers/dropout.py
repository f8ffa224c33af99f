"""Dropout: random zeros while training."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from pysmorch.layers.arguments import Array, num_channels
from pysmorch.layers.base import Layer
from pysmorch.layers.randomness import draw_seed, random_words


class Dropout(Layer):
    """While training, set each entry to 0 with probability `rate` and divide the others by 1 - rate; else do nothing.

    With `channelwise` whole channels of an example (the last axis) are dropped or kept, as suits images, where neighbouring
    pixels know of each other. Every forward pass in training has a mask of its own, fixed by `seed`, `place` and the number of
    the pass, `step`; `fit` sets all three. `rate` is at least 0 and below 1.
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014; of channels: Tompson et
    al., "Efficient object localization using convolutional networks", 2015.

    Raises ValueError for another rate, ShapeError when there are no channels.
    """

    native = "dropout"
    native_attributes = ("rate", "channelwise")
    identity_in_prediction = True

    def __init__(self, in_layer: Any, rate: float = 0.5, channelwise: bool = False) -> None:
        super().__init__(in_layer)
        if channelwise:
            num_channels(self, in_layer)
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate must be at least 0 and below 1, but is {rate!r}")
        self.rate = float(rate)
        self.channelwise = bool(channelwise)
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
        shape = (len(x), *(1 for _ in x.shape[1:-1]), x.shape[-1]) if self.channelwise else x.shape
        words = random_words(self.seed, self.place, self.step, prod(shape)).reshape(shape)
        self.step += 1
        kept = words >= round(self.rate * 2**32)
        return kept.astype(x.dtype) / x.dtype.type(1 - self.rate)
