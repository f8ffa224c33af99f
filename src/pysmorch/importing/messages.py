"""The messages of an ONNX file, as far as a network needs them: the model with its graph, nodes, inputs and outputs.

The numbers of fields are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pysmorch.files import ModelFileError
from pysmorch.importing.tensors import Tensor, read_tensor
from pysmorch.importing.wire import Field, read_message

MODEL = {
    1: Field("ir_version", "integer"),
    2: Field("producer", "text"),
    7: Field("graph", "message"),
    8: Field("opsets", "message", repeated=True),
}
OPSET = {1: Field("domain", "text"), 2: Field("version", "integer")}
GRAPH = {
    1: Field("nodes", "message", repeated=True),
    5: Field("initialisers", "message", repeated=True),
    11: Field("inputs", "message", repeated=True),
    12: Field("outputs", "message", repeated=True),
    13: Field("values", "message", repeated=True),
    15: Field("sparse", "message", repeated=True),
}
NODE = {
    1: Field("inputs", "text", repeated=True),
    2: Field("outputs", "text", repeated=True),
    3: Field("name", "text"),
    4: Field("operator", "text"),
    5: Field("attributes", "message", repeated=True),
    7: Field("domain", "text"),
}
ATTRIBUTE = {
    1: Field("name", "text"),
    2: Field("float", "float"),
    3: Field("integer", "integer"),
    4: Field("text", "text"),
    5: Field("tensor", "message"),
    6: Field("graph", "message"),
    7: Field("floats", "floats"),
    8: Field("integers", "integers"),
    9: Field("texts", "text", repeated=True),
    20: Field("type", "integer"),
    21: Field("reference", "text"),
}
VALUE = {1: Field("name", "text"), 2: Field("type", "message")}
TYPE = {1: Field("tensor", "message")}
TENSOR_TYPE = {1: Field("kind", "integer"), 2: Field("shape", "message")}
SHAPE = {1: Field("sizes", "message", repeated=True)}
SIZE = {1: Field("size", "integer"), 2: Field("name", "text")}

ATTRIBUTE_TYPES = {1: "float", 2: "integer", 3: "text", 4: "tensor", 5: "graph", 6: "floats", 7: "integers", 8: "texts"}
"""The field that holds an attribute's value, by its type."""

LARGEST_SIZE = 2**31
"""No axis of anything may be longer."""


@dataclass(frozen=True)
class Node:
    """An operator with the names of its inputs and outputs; "" is an input that is left out."""

    operator: str
    inputs: list[str]
    outputs: list[str]
    name: str
    domain: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class ValueInfo:
    """An input, an output or a value in between: its type of elements, and its shape, in which a text is a size that is free."""

    name: str
    kind: int
    shape: list[int | str] | None


@dataclass(frozen=True)
class OnnxModel:
    """A graph with the versions of its operators, by their domains."""

    producer: str
    versions: dict[str, int]
    nodes: list[Node]
    initialisers: dict[str, Tensor]
    inputs: list[ValueInfo]
    outputs: list[ValueInfo]
    values: list[ValueInfo] = field(default_factory=list)


def read_model(content: memoryview) -> OnnxModel:
    """Return the model of a file.

    Parameters
    ----------
    content : memoryview
        The whole file.

    Returns
    -------
    OnnxModel

    Raises
    ------
    ModelFileError
        It is no such file, or something in it is twice, missing or out of range.
    """
    model = read_message(content, "the file", MODEL)
    if "graph" not in model or not model["opsets"]:
        raise ModelFileError("it is no ONNX file: it has no graph, or no version of its operators")
    versions: dict[str, int] = {}
    for one in model["opsets"]:
        opset = read_message(one, "the version of its operators", OPSET)
        domain = _domain(opset.get("domain", ""))
        if domain in versions:
            raise ModelFileError(f"it has two versions of the operators of the domain {domain!r}")
        versions[domain] = opset.get("version", 0)
    graph = read_message(model["graph"], "the graph", GRAPH)
    if graph["sparse"]:
        raise ModelFileError("it has sparse initialisers, which are not read; store them as plain ones")
    initialisers: dict[str, Tensor] = {}
    for one in graph["initialisers"]:
        tensor = read_tensor(one, "an initialiser")
        if tensor.name in initialisers:
            raise ModelFileError(f"the initialiser {tensor.name!r} is there twice")
        initialisers[tensor.name] = tensor
    return OnnxModel(
        model.get("producer", ""),
        versions,
        [_node(one, i) for i, one in enumerate(graph["nodes"])],
        initialisers,
        [_value_info(one, "an input") for one in graph["inputs"]],
        [_value_info(one, "an output") for one in graph["outputs"]],
        [_value_info(one, "the shape of a value") for one in graph["values"]],
    )


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _node(content: memoryview, i: int) -> Node:
    fields = read_message(content, f"node {i}", NODE)
    operator = fields.get("operator", "")
    outputs = fields["outputs"]
    name = fields.get("name") or (next(filter(None, outputs), "") or f"node {i}")
    attributes: dict[str, Any] = {}
    for one in fields["attributes"]:
        key, value = _attribute(one, f"an attribute of the node {name!r} ({operator})")
        if key in attributes:
            raise ModelFileError(f"the node {name!r} ({operator}) has its attribute {key!r} twice")
        attributes[key] = value
    return Node(operator, fields["inputs"], outputs, name, _domain(fields.get("domain", "")), attributes)


def _attribute(content: memoryview, what: str) -> tuple[str, Any]:
    fields = read_message(content, what, ATTRIBUTE)
    name = fields.get("name", "")
    kind = ATTRIBUTE_TYPES.get(fields.get("type", 0))
    if kind is None or "reference" in fields:
        raise ModelFileError(f"{what}, {name!r}, is of type {fields.get('type', 0)}, which is not read")
    value = fields.get(kind)
    if kind == "tensor" and value is not None:
        value = read_tensor(value, f"{what}, {name!r},")
    if kind in ("float", "integer", "text"):
        # A single value that is left out is the empty one of its kind.
        value = {"float": 0.0, "integer": 0, "text": ""}[kind] if value is None else value
    if value is None:
        raise ModelFileError(f"{what}, {name!r}, has no value")
    return name, value


def _value_info(content: memoryview, what: str) -> ValueInfo:
    fields = read_message(content, what, VALUE)
    name = fields.get("name", "")
    what = f"{what}, {name!r},"
    kind, shape = 0, None
    if "type" in fields:
        tensor = read_message(fields["type"], what, TYPE).get("tensor")
        if tensor is not None:
            described = read_message(tensor, what, TENSOR_TYPE)
            kind = described.get("kind", 0)
            if "shape" in described:
                sizes = read_message(described["shape"], what, SHAPE)["sizes"]
                shape = [_size(one, what) for one in sizes]
    return ValueInfo(name, kind, shape)


def _size(content: memoryview, what: str) -> int | str:
    fields = read_message(content, what, SIZE)
    size = fields.get("size")
    if size is None:
        return str(fields.get("name", "")) or "?"
    if not 0 <= size < LARGEST_SIZE:
        raise ModelFileError(f"{what} has a size of {size}, which is out of range")
    return int(size)
