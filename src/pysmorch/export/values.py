"""The outputs of layers in a graph of ONNX operators, as rows of features or with the channels first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pysmorch.export.graph import OnnxGraph


class Values:
    """The names of the outputs of layers.

    Images and sequences have their channels last here and first in ONNX. A value is held in one of the two layouts or in both, and is
    transposed when it is first needed in the other one, so that a network of convolutions has one transposition.

    Parameters
    ----------
    graph : OnnxGraph
        To which nodes are added.
    """

    def __init__(self, graph: OnnxGraph) -> None:
        self.graph = graph
        self._last: dict[int, str] = {}
        self._first: dict[int, str] = {}

    def last(self, layer: Any) -> str:
        """Return the output of a layer in its own layout, with the features last."""
        key = id(layer)
        if key not in self._last:
            count = len(layer.out_dims)
            self._last[key] = self.graph.transpose(self._first[key], [0, *range(2, count), 1])
        return self._last[key]

    def first(self, layer: Any) -> str:
        """Return the output of a layer with the channels after the batch; rows (N, D) are that already."""
        count = len(layer.out_dims)
        if count < 3:
            return self.last(layer)
        key = id(layer)
        if key not in self._first:
            self._first[key] = self.graph.transpose(self._last[key], [0, count - 1, *range(1, count - 1)])
        return self._first[key]

    def is_first(self, layer: Any) -> bool:
        """Whether a value has its channels first, and only so."""
        return id(layer) in self._first and id(layer) not in self._last

    def set_last(self, layer: Any, name: str) -> None:
        """Name the output of a layer in its own layout."""
        self._last[id(layer)] = name

    def set_first(self, layer: Any, name: str) -> None:
        """Name the output of a layer with the channels after the batch."""
        (self._first if len(layer.out_dims) > 2 else self._last)[id(layer)] = name

    def entry_by_entry(self, layer: Any, operators: Callable[..., str]) -> None:
        """Add what computes each entry of a layer from those of its inputs at the same index, in their layout.

        Parameters
        ----------
        layer : Layer
            Of this output.
        operators : callable
            A function of the names of the inputs; it returns that of the output.
        """
        if all(self.is_first(feeder) for feeder in layer.in_layers):
            self.set_first(layer, operators(*(self.first(feeder) for feeder in layer.in_layers)))
        else:
            self.set_last(layer, operators(*(self.last(feeder) for feeder in layer.in_layers)))

    def feature_row(self, layer: Any, row: Any) -> str:
        """Return numbers for each feature of a layer's input as a constant that fits its layout in `entry_by_entry`."""
        if not all(self.is_first(feeder) for feeder in layer.in_layers):
            return self.graph.floats(row.reshape(-1))
        return self.graph.floats(row.reshape(-1, *(1,) * (len(layer.in_layers[0].out_dims) - 2)))

    def same(self, layer: Any) -> None:
        """Let a layer's output be its input."""
        feeder = layer.in_layers[0]
        for names in (self._last, self._first):
            if id(feeder) in names:
                names[id(layer)] = names[id(feeder)]
