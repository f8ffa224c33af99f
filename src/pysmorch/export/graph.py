"""A graph of ONNX operators, as it is built: nodes, constants, inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from pysmorch.export import messages
from pysmorch.version import __version__

OPERATORS = 17
"""Version of the operators, where all that a graph needs are in it; `NEEDS` has those that came later."""

REDUCTIONS = {
    "sum": "ReduceSum",
    "mean": "ReduceMean",
    "max": "ReduceMax",
    "min": "ReduceMin",
    "product": "ReduceProd",
    "log_sum_exp": "ReduceLogSumExp",
}
"""Operators by the names of the reductions; from version 18 on all take their axes as an input."""

NEEDS = {"Mish": 18, "Gelu": 20, **dict.fromkeys(REDUCTIONS.values(), 18)}

OPERATORS_OF_TABLES = 4
"""Version of the operators of the domain `ML`."""

ML = "ai.onnx.ml"


class OnnxGraph:
    """Nodes in the order in which they are computed.

    Attributes
    ----------
    version : int
        Version of the operators that the graph needs.
    """

    def __init__(self) -> None:
        self.version = OPERATORS
        self._nodes: list[bytes] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], tuple[str, bytes]] = {}
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._has_tables = False

    def input(self, name: str, kind: int, shape: Sequence[Any]) -> str:
        """Add an input of any number of rows, each of a shape, and return its name."""
        self._inputs.append(messages.value_info(name, kind, ["N", *shape]))
        return name

    def output(self, name: str, value: str, kind: int, shape: Sequence[int]) -> None:
        """Give a value out, under a name."""
        self._nodes.append(messages.node("Identity", [value], [name], name, "", {}))
        self._outputs.append(messages.value_info(name, kind, ["N", *shape]))

    def constant(self, array: Any) -> str:
        """Return the name of an array that is stored in the graph; equal ones are stored once."""
        array = np.asarray(array)
        entries = repr(array.tolist()).encode() if array.dtype.kind == "O" else array.tobytes()
        key = (array.dtype.str, array.shape, sha256(entries).digest())
        if key not in self._constants:
            name = f"constant{len(self._constants)}"
            self._constants[key] = (name, messages.tensor(name, array))
        return self._constants[key][0]

    def floats(self, values: Any) -> str:
        """Return the name of a constant of float32."""
        return self.constant(np.asarray(values, np.float32))

    def integers(self, values: Any) -> str:
        """Return the name of a constant of int64."""
        return self.constant(np.asarray(values, np.int64))

    def add(self, operator: str, *inputs: str, domain: str = "", num_outputs: int = 1, **attributes: Any) -> str:
        """Add a node, and return the name of its first output; others are not used."""
        name = f"{operator}{len(self._nodes)}"
        self.version = max(self.version, NEEDS.get(operator, 0))
        self._has_tables |= domain == ML
        outputs = [name, *(f"{name}_{i}" for i in range(1, num_outputs))]
        self._nodes.append(messages.node(operator, inputs, outputs, name, domain, attributes))
        return name

    def transpose(self, value: str, order: Sequence[int]) -> str:
        """Return a value with its axes in another order."""
        return self.add("Transpose", value, perm=order)

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        """Return a value whose rows have another shape."""
        return self.add("Reshape", value, self.integers([0, *shape]))

    def cast(self, value: str, kind: int) -> str:
        """Return a value as another type of elements."""
        return self.add("Cast", value, to=kind)

    def to_bytes(self, metadata: Mapping[str, str]) -> bytes:
        """Return the content of an ONNX file; ValueError where it is too large for one."""
        versions = {"": self.version} | ({ML: OPERATORS_OF_TABLES} if self._has_tables else {})
        constants = [encoded for _, encoded in self._constants.values()]
        size = sum(map(len, constants))
        if size > messages.LARGEST:
            raise ValueError(
                f"the parameters have {size:,} bytes, but an ONNX file of one piece has at most {messages.LARGEST:,}"
            )
        producer = ("pysmorch", __version__)
        return messages.model(self._nodes, constants, self._inputs, self._outputs, versions, producer, metadata)
