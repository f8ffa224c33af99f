"""What a layer reads from: its input layers, and their outputs in the last forward pass."""

from __future__ import annotations

from typing import Any

from pysmorch.layers.arguments import Array
from pysmorch.layers.protocol import LayerLike


class Inputs:
    """The input layers and the arrays that they gave; `in_layer` and `in_array` are the first of them."""

    in_layers: tuple[Any, ...] = ()
    in_arrays: tuple[Array, ...]
    out_dims: tuple[int | None, ...]

    def __init__(self, *in_layers: LayerLike) -> None:
        for layer in in_layers:
            if hasattr(layer, "forward") and hasattr(layer, "backward") and not hasattr(layer, "out_dims"):
                raise TypeError(
                    f"{type(self).__name__}: its in_layer, a {type(layer).__name__}, has no out_dims; set self.out_dims, the shape of "
                    "its output, in its constructor"
                )
            if not hasattr(layer, "forward") or not hasattr(layer, "out_dims"):
                raise TypeError(
                    f"{type(self).__name__}: an in_layer must be a layer, but is a {type(layer).__name__}; "
                    "wrap an array as Data(array)"
                )
        self.in_layers = in_layers
        if in_layers:
            self.out_dims = tuple(in_layers[0].out_dims)

    @property
    def in_layer(self) -> Any:
        """The input layer; the first, where there are several."""
        if not self.in_layers:
            raise AttributeError(f"{type(self).__name__} has no in_layer: it has no input")
        return self.in_layers[0]

    @in_layer.setter
    def in_layer(self, layer: Any) -> None:
        self.in_layers = (layer, *self.in_layers[1:])

    @property
    def in_dims(self) -> tuple[int | None, ...]:
        """Shape of the (first) input."""
        return tuple(self.in_layer.out_dims)

    @property
    def in_array(self) -> Array:
        """The (first) input of the last forward pass."""
        return self.in_arrays[0]

    @in_array.setter
    def in_array(self, array: Array) -> None:
        self.in_arrays = (array, *getattr(self, "in_arrays", ())[1:])
        vars(self).pop("out_array", None)  # it belongs to another input
