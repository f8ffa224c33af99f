"""Dropout: random zeros while training."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from pysmorch.layers.arguments import Array, finite, num_channels
from pysmorch.layers.base import Layer
from pysmorch.layers.protocol import LayerLike
from pysmorch.layers.randomness import draw_seed, random_words

if TYPE_CHECKING:
    from pysmorch.schedules import Schedule

__all__ = ["Dropout"]


class Dropout(Layer):
    """In training, set each entry to 0 with probability `rate` and divide the others by 1 - rate; else do nothing.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    rate : float or Schedule, default=0.5
        The probability of a zero, at least 0 and below 1; `fit` sets that of a schedule before each step.
    channelwise : bool, default=False
        Whether whole channels of an example (the last axis) are dropped or not, as suits images, where neighbouring pixels are
        correlated.

    Attributes
    ----------
    rate : float
        The probability of a zero in the next pass.
    schedule : Schedule or None
        That of the rate, where there is one.
    seed, stream, step : int
        The key, the RNG stream and its counter: every forward pass in training has a mask of its own. `fit` sets all three.

    Raises
    ------
    ValueError
        When rate is out of range.
    ShapeError
        When `channelwise` is True and there are no channels.

    Notes
    -----
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014; of channels: Tompson et al.,
    "Efficient object localization using convolutional networks", 2015.
    """

    native = "dropout"
    native_attributes = ("rate", "channelwise")
    identity_in_prediction = True
    first_row = 0
    """Of the batch, where the input is a shard of it."""

    def __init__(self, in_layer: LayerLike, rate: float | Schedule = 0.5, channelwise: bool = False) -> None:
        super().__init__(in_layer)
        if channelwise:
            num_channels(self, in_layer)
        given: Any = rate
        self.schedule: Any = given if callable(getattr(given, "rate", None)) else None
        first = given if self.schedule is None else given.rate(0, 1)
        if not 0 <= finite(self, "rate", first) < 1:
            raise ValueError(f"Dropout: rate must be at least 0 and below 1, but is {first!r}")
        self.rate = float(first)
        self.channelwise = bool(channelwise)
        self.seed = draw_seed()
        self.stream = 1
        self.step = 0

    @property
    def config(self) -> dict[str, Any]:
        """The arguments; the schedule instead of its present rate."""
        return super().config | ({} if self.schedule is None else {"rate": self.schedule})

    def compute(self, x: Array) -> Array:
        """X * mask."""
        self.mask = self._next_mask(x) if self.training else np.ones((), x.dtype)
        return x * self.mask

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm * mask."""
        return dwnstrm * self.mask

    def _next_mask(self, x: Array) -> Array:
        shape = (len(x), *(1 for _ in x.shape[1:-1]), x.shape[-1]) if self.channelwise else x.shape
        first = self.first_row * prod(shape[1:])
        words = random_words(self.seed, self.stream, self.step, prod(shape), first).reshape(shape)
        self.step += 1
        survives = words >= round(self.rate * 2**32)
        return np.divide(survives, 1 - self.rate, dtype=x.dtype.type)


def scheduled_dropouts(layers: Sequence[Any]) -> list[Dropout]:
    """Return the Dropout layers whose rate has a schedule, in their order."""
    return [layer for layer in layers if isinstance(layer, Dropout) and layer.schedule is not None]
