"""From a graph of layers to the flat list of operations that the native engine runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pysmorch.engine.extension import extension
from pysmorch.engine.own_layers import OwnPass, is_called
from pysmorch.layers.base import Layer
from pysmorch.layers.dense import Data, Linear, Scale, data_layers
from pysmorch.layers.graph import feeders, name_layers
from pysmorch.layers.merge import Columns, Concat
from pysmorch.layers.native_form import is_ours


def unsupported_layers(layers: Sequence[Any], training: bool = False) -> str | None:
    """Return why the native engine cannot run these layers, or None if it can; in training it calls some of the user's."""
    operations = getattr(extension(), "operations", {})
    consumers = consumers_of(layers)
    for layer in layers:
        if training and "own" in operations and not is_ours(layer) and is_called(layer):
            continue
        if not isinstance(layer, Layer) or not is_ours(layer) or not (layer.is_view or layer.native in operations):
            return f"{type(layer).__name__} has no native operation"
        reads = consumers[id(layer)]
        if isinstance(layer, Data) and any(other.reads_indices for other in reads if isinstance(other, Layer)):
            if len(reads) > 1:
                return "one Data layer feeds an Embedding and another layer"
        elif isinstance(layer, Layer) and layer.reads_indices and not isinstance(layer.in_layer, Data):
            return "an Embedding is not fed by a Data layer"
    return None


def consumers_of(layers: Sequence[Any]) -> dict[int, list[Any]]:
    """Return the layers that read each layer, by the id of that."""
    consumers: dict[int, list[Any]] = {id(layer): [] for layer in layers}
    for layer in layers:
        for feeder in {id(feeder): feeder for feeder in feeders(layer)}:
            consumers.setdefault(feeder, []).append(layer)
    return consumers


def _numbers(layer: Any) -> dict[str, float]:
    """Return the native attributes and sizes of a layer by name; True and False become 1 and 0."""
    attributes = {name: getattr(layer, name) for name in layer.native_attributes}
    return {name: float(value) for name, value in (attributes | layer.geometry).items()}


def _is_of_data(layer: Any) -> bool:
    """Whether a layer gives some neighbouring features of the data."""
    while isinstance(layer, Columns) and is_ours(layer):
        layer = layer.in_layer
    return isinstance(layer, Data) and len(layer.out_dims) == 2


def _bounds_of_runs(layer: Linear) -> list[int]:
    """Return where each of the runs of a layer's features begins, and the end of the last one."""
    lengths = np.concatenate([np.full(count, length) for length, count in layer.runs])
    first = len(layer.W) - int(lengths.sum())
    return [first, *(first + np.cumsum(lengths)).tolist()]


class Lowering:
    """The values and operations of a network, as the extension takes them.

    Parameters
    ----------
    layers : sequence of Layer
        In topological order, without the loss.
    output : Layer
        The layer that the loss reads.
    training : bool, default=True
        False leaves out layers that are the identity in prediction.
    with_runs : bool, default=False
        Whether products make use of runs of features, as they can in float32.

    Attributes
    ----------
    values : list of dict
        The shape of a row of each value, whether it gets a gradient, and whether it is indices.
    operations : list of dict
        What each operation reads and makes, its parameters by name, and its attributes.
    own : list of OwnPass
        Those of layers of the user's.
    inputs : list of int
        The values that the data are, in the order of the Data layers.
    output : int
        The value that the loss reads.
    """

    def __init__(self, layers: Sequence[Any], output: Any, training: bool = True, with_runs: bool = False) -> None:
        self.values: list[dict[str, Any]] = []
        self.operations: list[dict[str, Any]] = []
        self.own: list[OwnPass] = []
        self._names = dict(zip(map(id, layers), name_layers(layers), strict=True))
        self._consumers = consumers_of(layers)
        self._output = output
        self._training = training
        self._value: dict[int, int] = {}
        self._with_runs = with_runs
        self._factors: dict[int, Any] = self._factors_of_runs(layers) if with_runs else {}
        done: set[int] = set()
        for stream, layer in enumerate(layers, start=1):
            if id(layer) not in done:
                done |= {id(fused) for fused in self._add(layer, stream)}
        self.inputs = [self._value[id(layer)] for layer in data_layers(layers)]
        self.output = self._value[id(output)]

    def _add(self, layer: Any, stream: int) -> list[Any]:
        """Add the operation of a layer, and return it with the layers that are fused into it."""
        if isinstance(layer, Data):
            is_index = any(getattr(c, "reads_indices", False) for c in self._consumers[id(layer)])
            self._new_value(layer, needs_grad=False, is_index=is_index)
            return [layer]
        inputs = [self._value[id(feeder)] for feeder in layer.in_layers]
        if not is_ours(layer):
            return self._add_own(layer, inputs)
        is_factor = any(layer is factors for factors in self._factors.values())
        if layer.is_view or is_factor or (layer.identity_in_prediction and not self._training):
            self._value[id(layer)] = inputs[0]
            return [layer]
        operation = {
            "kind": layer.native,
            "inputs": inputs,
            "parameters": dict(layer.native_parameters),
            "activation": "none",
            "channels": int(layer.out_dims[-1]),
            "numbers": _numbers(layer),
            "states": [array for name, array in layer.state.items() if name not in layer.native_parameters],
            "stream": stream,
        }
        if self._with_runs and isinstance(layer, Linear) and layer.runs:
            bounds = _bounds_of_runs(layer)
            if not self._gets_gradient(layer.in_layer, bounds[0]):
                operation["runs"] = bounds
                if id(layer) in self._factors:
                    operation["parameters"]["factors"] = self._factors[id(layer)].W
        chain = self._fuse(layer, operation)
        needs_grad = bool(operation["parameters"]) or any(self.values[v]["needs_grad"] for v in operation["inputs"])
        operation["output"] = self._new_value(chain[-1], needs_grad)
        self.operations.append(operation)
        return chain

    def _factors_of_runs(self, layers: Sequence[Any]) -> dict[int, Any]:
        """Return the `Scale` of exactly the features in runs of each product, if it is of data, by the id of that."""
        found: dict[int, Any] = {}
        for layer in layers:
            if not isinstance(layer, Linear) or not is_ours(layer) or not layer.runs:
                continue
            joined = layer.in_layer
            scale = joined.in_layers[-1] if isinstance(joined, Concat) and is_ours(joined) else joined
            between = [scale] if scale is joined else [scale, joined]
            if (
                isinstance(scale, Scale)
                and is_ours(scale)
                and scale.W.size == len(layer.W) - _bounds_of_runs(layer)[0]
                and all(self._only_consumer(one) is not None for one in between)
                and _is_of_data(scale.in_layer)
            ):
                found[id(layer)] = scale
        return found

    def _gets_gradient(self, layer: Any, first: int) -> bool:
        """Whether what is before a layer is trained by the gradients of its features from one on."""
        if not self.values[self._value[id(layer)]]["needs_grad"]:
            return False
        if not isinstance(layer, Concat) or not is_ours(layer) or len(layer.out_dims) != 2:
            return True
        ends = np.cumsum(layer.sizes)
        return any(
            self.values[self._value[id(feeder)]]["needs_grad"]
            for feeder, end in zip(layer.in_layers, ends, strict=True)
            if end > first
        )

    def _add_own(self, layer: Any, inputs: list[int]) -> list[Any]:
        """Add the call of a layer of the user's."""
        passes_back = any(self.values[v]["needs_grad"] for v in inputs)
        function = OwnPass(layer, self._names[id(layer)], passes_back)
        self.own.append(function)
        self.operations.append(
            {
                "kind": "own",
                "inputs": inputs,
                "parameters": {},
                "activation": "none",
                "channels": int(layer.out_dims[-1]),
                "numbers": {},
                "states": [],
                "stream": 0,
                "own": function,
                "output": self._new_value(layer, passes_back),
            }
        )
        return [layer]

    def _fuse(self, layer: Any, operation: dict[str, Any]) -> list[Any]:
        """Include the layers after this one that its operation can include, where nothing else reads the values between."""
        chain = [layer]
        for role in layer.fuses:
            consumer = self._only_consumer(chain[-1])
            if getattr(consumer, "fused_as", None) != role or not is_ours(consumer):
                continue
            if role == "sum":
                others = [f for f in feeders(consumer) if f is not chain[-1]]
                # The other summand has to be there before this operation runs.
                if len(others) != 1 or len(feeders(consumer)) != 2 or id(others[0]) not in self._value:
                    continue
                operation["inputs"] = [self._value[id(others[0])], *operation["inputs"]]
            elif role == "activation":
                operation["activation"] = consumer.native
            else:
                operation["parameters"][role] = consumer.W
            chain.append(consumer)
        return chain

    def _only_consumer(self, layer: Any) -> Any:
        consumers = self._consumers[id(layer)]
        return consumers[0] if len(consumers) == 1 and layer is not self._output else None

    def _new_value(self, layer: Any, needs_grad: bool, is_index: bool = False) -> int:
        self._value[id(layer)] = len(self.values)
        shape = [int(size) for size in layer.out_dims[1:]]
        self.values.append({"shape": shape, "needs_grad": needs_grad, "is_index": is_index})
        return self._value[id(layer)]
