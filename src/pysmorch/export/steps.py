"""In which order the outputs of layers are needed, for files that compute one layer after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pysmorch import layers as ours

UNCHANGED = (ours.Dropout, ours.RandomShift, ours.RandomFlip, ours.Cutout)
"""Layers whose output is their input, in prediction."""

RESHAPED = (ours.Reshape, ours.Flatten)
"""Layers whose output has the entries of their input in another shape."""


class LiveRanges:
    """Until when the output of each layer is needed.

    Parameters
    ----------
    layers : sequence of Layer
        In topological order.
    output : Layer
        The one whose output is needed at last.
    shared : tuple of type of Layer
        Classes of layers whose output is where their input is.
    """

    def __init__(self, layers: Sequence[Any], output: Any, shared: tuple[type, ...]) -> None:
        self._sources: dict[int, int] = {}
        self._last: dict[int, int] = {}
        for i, layer in enumerate(layers):
            self._sources[id(layer)] = id(layer)
            if type(layer) in shared:
                self._sources[id(layer)] = self._sources[id(layer.in_layers[0])]
            for feeder in layer.in_layers:
                self._last[self.source(feeder)] = i
        self._last[self.source(output)] = len(layers)

    def source(self, layer: Any) -> int:
        """Return the id of the layer that computes the entries which a layer's output has."""
        return self._sources[id(layer)]

    def ends(self, layer: Any, step: int) -> bool:
        """Whether nothing after a step needs the output of a layer."""
        return self._last.get(self.source(layer), -1) <= step
