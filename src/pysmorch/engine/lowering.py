"""From a graph of layers to the flat list of operations that the native engine runs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from numbers import Real
from typing import Any

from pysmorch.engine.extension import extension
from pysmorch.layers.base import Layer, feeders
from pysmorch.layers.dense import Data

NUMBERS = ("slope", "rate", "epsilon", "momentum", "num_groups", "channelwise", "scale", "shift")
"""What operations need to know besides shapes."""

RENAMES = frozenset({"data", "reshape"})
"""Layers that need no operation: they bring data in, or give them another shape."""

ONLY_IN_TRAINING = ("dropout", "random_shift", "random_flip", "cutout")
"""What does nothing in prediction."""

BLOCKS = ("linear", "conv2d", "conv_transpose2d", "normalize")
"""Operations that take in what follows them."""

FUSED = ("relu", "sigmoid", "tanh")
"""Activations whose derivative follows from their output, so that a dense block need not keep its input."""


def why_not_layers(layers: Sequence[Any]) -> str | None:
    """Return why the native engine cannot run these layers, or None if it can."""
    for layer in layers:
        if not isinstance(layer, Layer) or not is_ours(layer) or not _is_known(type(layer).native):
            return f"{type(layer).__name__} has no native operation"
        reads = [other for other in layers if layer in feeders(other)]
        if isinstance(layer, Data) and any(other.reads_indices for other in reads if isinstance(other, Layer)):
            if len(reads) > 1:
                return "one Data layer feeds an Embedding and another layer"
        elif isinstance(layer, Layer) and layer.reads_indices and not isinstance(layer.in_layer, Data):
            return "an Embedding is not fed by a Data layer"
    return None


def is_ours(layer: Any) -> bool:
    """Whether the class itself names its operation: a subclass may have changed what it computes."""
    return "native" in vars(type(layer))


def _is_known(operation: str | None) -> bool:
    module = extension()
    return operation in RENAMES or (module is not None and operation in module.operations)


def _numbers(layer: Any) -> dict[str, float]:
    """Return the numbers and sizes of a layer by name; True and False become 1 and 0."""
    numbers = {name: getattr(layer, name) for name in NUMBERS if isinstance(getattr(layer, name, None), Real)}
    return {name: float(value) for name, value in (numbers | layer.geometry).items()}


class Lowering:
    """The values and operations of a network, and what belongs to them.

    Attributes:
        values, operations: descriptions, as the extension takes them.
        inputs: the values that the data enter in, in the order of the Data layers.
        output: the value that the loss looks at.
    """

    def __init__(self, layers: Sequence[Any], output: Any, training: bool = True) -> None:
        self.values: list[dict[str, Any]] = []
        self.operations: list[dict[str, Any]] = []
        self.inputs: list[int] = []
        self._consumers = {id(f): [c for c in layers if f in feeders(c)] for f in layers}
        self._output = output
        self._training = training
        self._value: dict[int, int] = {}
        done: set[int] = set()
        for layer in layers:
            if id(layer) not in done:
                done |= {id(fused) for fused in self._add(layer, place=layers.index(layer) + 1)}
        self.output = self._value[id(output)]

    def _add(self, layer: Any, place: int) -> list[Any]:
        """Add the operation of a layer, and return it with those that were fused into it."""
        if isinstance(layer, Data):
            is_index = any(getattr(c, "reads_indices", False) for c in self._consumers[id(layer)])
            self.inputs.append(self._new_value(layer, needs_grad=False, is_index=is_index))
            return [layer]
        inputs = [self._value[id(feeder)] for feeder in layer.in_layers]
        if layer.native == "reshape" or (layer.native in ONLY_IN_TRAINING and not self._training):
            self._value[id(layer)] = inputs[0]
            return [layer]
        operation = {
            "kind": layer.native,
            "inputs": inputs,
            "weights": layer.W if layer.has_parameters else None,
            "bias": None,
            "activation": "none",
            "channels": int(layer.out_dims[-1]),
            "numbers": _numbers(layer),
            "states": list(layer.state.values()),
            "place": place,
        }
        chain = self._fuse(layer, operation) if layer.native in BLOCKS else [layer]
        has_parameters = any(part.has_parameters for part in chain)
        needs_grad = has_parameters or any(self.values[v]["needs_grad"] for v in operation["inputs"])
        operation["output"] = self._new_value(chain[-1], needs_grad)
        self.operations.append(operation)
        return chain

    def _fuse(self, layer: Any, operation: dict[str, Any]) -> list[Any]:
        """Take what is behind a layer into its operation, where nothing else looks at what is between.

        That is a bias and an activation; behind a Normalize also a scale, and the sum with a value that is there already.
        """
        chain = [layer]

        def follower(native: str) -> Any:
            consumer = self._only_consumer(chain[-1])
            if consumer is None or consumer.native != native:
                return None
            chain.append(consumer)
            return consumer

        if layer.native == "normalize" and (scale := follower("scale")):
            operation["weights"] = scale.W
        if bias := follower("bias"):
            operation["bias"] = bias.W
        if layer.native == "normalize":
            consumer = self._only_consumer(chain[-1])
            other = [f for f in feeders(consumer) if f is not chain[-1]] if consumer is not None else []
            if (
                len(other) == 1
                and consumer.native == "add"
                and len(feeders(consumer)) == 2
                and id(other[0]) in self._value
            ):
                operation["inputs"] = [self._value[id(other[0])], *operation["inputs"]]
                chain.append(consumer)
        for activation in FUSED:
            if follower(activation):
                operation["activation"] = activation
                break
        return chain

    def _only_consumer(self, layer: Any) -> Any:
        consumers = self._consumers[id(layer)]
        return consumers[0] if len(consumers) == 1 and layer is not self._output else None

    def _new_value(self, layer: Any, needs_grad: bool, is_index: bool = False) -> int:
        self._value[id(layer)] = len(self.values)
        self.values.append({"cols": prod(layer.out_dims[1:]), "needs_grad": needs_grad, "is_index": is_index})
        return self._value[id(layer)]
