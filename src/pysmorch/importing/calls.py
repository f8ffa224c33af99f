"""A node of an ONNX graph as a call: its attributes and inputs with their types, and what it returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.files import ModelFileError
from pysmorch.importing.messages import Node, OnnxModel
from pysmorch.importing.tensors import Arrays, Tensor
from pysmorch.importing.values import Value
from pysmorch.layers.axes import Take
from pysmorch.layers.base import Array, Layer

OURS = "pysmorch"
"""The producer of the files that this library writes."""

LEAST_BYTES = 2**26
"""Of all parameters and of the constants that are computed from others, beside six times the file's: no network needs more."""


class Scope:
    """What is known of the values of a graph while layers are made of its nodes.

    Parameters
    ----------
    model : OnnxModel
        The graph.
    arrays : Arrays
        Makes arrays of initialisers.
    """

    def __init__(self, model: OnnxModel, arrays: Arrays) -> None:
        self.model = model
        self.values: dict[str, Value] = {}
        self.constants: dict[str, Array] = {}
        self.origins: dict[int, str] = {}
        self.named: list[Layer] = []
        self._arrays = arrays
        self._bytes = LEAST_BYTES + 6 * sum(tensor.num_bytes for tensor in model.initialisers.values())

    @property
    def is_ours(self) -> bool:
        """Whether this library wrote the file: what it wrote as ones and zeros are no parameters."""
        return self.model.producer == OURS

    def constant(self, name: str) -> Array | None:
        """Return an array that does not depend on the inputs, or None where the value does."""
        if name not in self.constants and name in self.model.initialisers:
            self.constants[name] = self._arrays.array_of(self.model.initialisers[name])
        return self.constants.get(name)

    def array_of(self, tensor: Tensor) -> Array:
        """Return the numbers of a tensor of an attribute."""
        return self._arrays.array_of(tensor)

    def reserve(self, num_bytes: int) -> None:
        """Count parameters, or a constant that will be computed; ModelFileError where there are too many."""
        self._bytes -= num_bytes
        if self._bytes < 0:
            raise ModelFileError("what is made of the constants of the file is larger than any network needs")

    def keep_constant(self, name: str, array: Array) -> None:
        """Store a constant that was computed."""
        self.constants[name] = array

    def call_it(self, layer: Layer, name: str) -> None:
        """Remember which name of the file a layer's parameters have, or the node that it comes from."""
        if id(layer) not in self.origins:
            self.origins[id(layer)] = name
            self.named.append(layer)


class Call:
    """A node with its inputs.

    Parameters
    ----------
    scope : Scope
        What is known.
    node : Node
        The node.

    Attributes
    ----------
    version : int
        Of the operators.
    """

    def __init__(self, scope: Scope, node: Node) -> None:
        self.scope = scope
        self.node = node
        self.version = scope.model.versions.get(node.domain, 0)
        self._read: set[str] = set()

    # Attributes.

    def _attribute(self, name: str, kinds: type | tuple[type, ...], default: Any) -> Any:
        self._read.add(name)
        value = self.node.attributes.get(name, default)
        if value is not default and not isinstance(value, kinds):
            raise ModelFileError(f"its attribute {name} has another type than it should")
        return value

    def integer(self, name: str, default: int = 0) -> int:
        """Return an attribute that is an integer."""
        return int(self._attribute(name, int, default))

    def number(self, name: str, default: float) -> float:
        """Return an attribute that is a finite number."""
        value = float(self._attribute(name, float, default))
        if not np.isfinite(value):
            raise ModelFileError(f"its attribute {name} is {value}")
        return value

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a text."""
        return str(self._attribute(name, str, default))

    def integers(self, name: str) -> list[int] | None:
        """Return an attribute that is a list of integers, or None where there is none."""
        value = self._attribute(name, np.ndarray, None)
        if value is None:
            return None
        if value.dtype.kind != "i" or len(value) > 64:
            raise ModelFileError(f"its attribute {name} is no list of at most 64 integers")
        return [int(one) for one in value]

    def any_attribute(self, name: str) -> Any:
        """Return an attribute of any type, or None."""
        self._read.add(name)
        return self.node.attributes.get(name)

    def choice(self, name: str, default: str, *possible: str) -> str:
        """Return an attribute that is one of some texts."""
        value = self.text(name, default)
        if value not in possible:
            raise ModelFileError(
                f"its attribute {name} is {value!r}; only {' and '.join(map(repr, possible))} can be imported"
            )
        return value

    def only(self, name: str, value: int) -> None:
        """Refuse another value of an attribute than this one, which is the default."""
        if self.integer(name, value) != value:
            raise ModelFileError(f"its attribute {name} is {self.integer(name, value)}; only {value} can be imported")

    def check_attributes(self) -> None:
        """Refuse attributes that nobody has read."""
        unknown = sorted(set(self.node.attributes) - self._read)
        if unknown:
            raise ModelFileError(f"its attribute {', '.join(unknown)} is not known")

    # Inputs and outputs.

    def __len__(self) -> int:
        return len(self.node.inputs)

    def has(self, i: int) -> bool:
        """Whether there is an input of this index."""
        return i < len(self.node.inputs) and bool(self.node.inputs[i])

    def name(self, i: int) -> str:
        """Return the name of an input."""
        if not self.has(i):
            raise ModelFileError(f"its input {i} is missing: it has {len(self.node.inputs)}")
        return self.node.inputs[i]

    def is_constant(self, i: int) -> bool:
        """Whether an input does not depend on those of the graph."""
        return self.has(i) and self.scope.constant(self.name(i)) is not None

    def constant(self, i: int) -> Array:
        """Return an input that has to be a constant."""
        array = self.scope.constant(self.name(i))
        if array is None:
            raise ModelFileError(f"its input {self.name(i)!r} depends on the data; it has to be an initialiser")
        return array

    def optional(self, i: int) -> Array | None:
        """Return an input that is a constant, or None where there is none."""
        return self.constant(i) if self.has(i) else None

    def sizes(self, i: int) -> list[int] | None:
        """Return an input that is a list of a few integers, or None where there is none."""
        array = self.optional(i)
        if array is None:
            return None
        if array.ndim > 1 or array.size > 64 or array.dtype.kind != "i":
            raise ModelFileError(f"its input {self.name(i)!r} is no list of at most 64 integers")
        return [int(one) for one in np.atleast_1d(array)]

    def scalar(self, i: int) -> float | None:
        """Return an input that is a single number, or None where there is none."""
        array = self.optional(i)
        if array is None:
            return None
        if array.size != 1:
            raise ModelFileError(f"its input {self.name(i)!r} has shape {array.shape}, but has to be a single number")
        return float(array.reshape(-1)[0])

    def value(self, i: int) -> Value:
        """Return an input that depends on the data."""
        name = self.name(i)
        if name not in self.scope.values:
            raise ModelFileError(f"its input {name!r} is a constant; it has to depend on the data")
        return self.scope.values[name]

    def wants(self, i: int) -> bool:
        """Whether there is an output of this index."""
        return i < len(self.node.outputs) and bool(self.node.outputs[i])

    def give(self, value: Value, i: int = 0) -> None:
        """Set an output."""
        # What a layer or a value remembers beside its parameters.
        indices = value.layer.indices if isinstance(value.layer, Take) else ()
        self.scope.reserve(64 * len(indices) + (0 if value.order is None else value.order.nbytes))
        if self.wants(i):
            self.scope.values[self.node.outputs[i]] = value

    def set_parameters(self, layer: Layer, W: Array, i: int | None = None, frozen: bool = False) -> Layer:
        """Give a layer its parameters, which are those of an input.

        Parameters
        ----------
        layer : Layer
            With parameters in the shape of `W`.
        W : array
            Finite numbers.
        i : int, default=None
            Which input they come from.
        frozen : bool, default=False
            Whether they are not trained.

        Returns
        -------
        Layer
            The same one.
        """
        self.scope.reserve(4 * W.size)
        W = np.array(W, np.float32, order="C")
        if not np.isfinite(W).all():
            raise ModelFileError(
                f"its {'constants' if i is None else f'input {self.name(i)!r}'} have entries that are not finite"
            )
        layer.replace_parameters(W)
        if frozen:
            layer.lr_factor = layer.decay_factor = 0.0
        self.scope.call_it(layer, self.node.name if i is None else self.name(i))
        return layer
