"""ONNX files as protocol buffers: the few messages that a network needs, without the onnx package.

The numbers of fields and types are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pysmorch.layers.base import Array

FLOAT, UINT8, INT8, INT32, INT64, STRING, BOOL, DOUBLE = 1, 2, 3, 6, 7, 8, 9, 11
"""Types of elements, `TensorProto.DataType`."""

TYPES = {
    "float32": FLOAT,
    "uint8": UINT8,
    "int8": INT8,
    "int32": INT32,
    "int64": INT64,
    "bool": BOOL,
    "float64": DOUBLE,
}
"""Types of elements by the names of NumPy."""

IR_VERSION = 9

VARINT, LENGTH_DELIMITED, FIXED32 = 0, 2, 5
"""Wire types of protocol buffers."""

LARGEST = 2**31 - 1
"""Bytes of the largest message of protocol buffers."""


def varint(value: int) -> bytes:
    """Return an integer in groups of seven bits, the lowest first; a negative one as its two's complement in 64 bits."""
    value &= 2**64 - 1
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def number_field(field: int, value: int) -> bytes:
    """Return a field that is an integer."""
    return varint(field << 3 | VARINT) + varint(value)


def bytes_field(field: int, value: bytes) -> bytes:
    """Return a field that is bytes or a message."""
    return varint(field << 3 | LENGTH_DELIMITED) + varint(len(value)) + value


def text_field(field: int, value: str) -> bytes:
    """Return a field that is text."""
    return bytes_field(field, value.encode())


def tensor(name: str, array: Array) -> bytes:
    """Return a TensorProto of numbers or texts."""
    array = np.asarray(array)
    dims = b"".join(number_field(1, size) for size in array.shape)
    if array.dtype.kind in "OU":
        texts = b"".join(text_field(6, str(text)) for text in array.ravel())
        return dims + number_field(2, STRING) + texts + text_field(8, name)
    entries = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return dims + number_field(2, TYPES[array.dtype.name]) + text_field(8, name) + bytes_field(9, entries)


def attribute(name: str, value: Any) -> bytes:
    """Return an AttributeProto: an integer, a number, a text, or a sequence of one of these."""
    start = text_field(1, name)
    if isinstance(value, str):
        return start + text_field(4, value) + number_field(20, 3)
    if isinstance(value, float):
        return start + varint(2 << 3 | FIXED32) + struct.pack("<f", value) + number_field(20, 1)
    if isinstance(value, int):
        return start + number_field(3, value) + number_field(20, 2)
    values = list(value)
    if values and isinstance(values[0], str):
        return start + b"".join(text_field(9, text) for text in values) + number_field(20, 8)
    return start + b"".join(number_field(8, int(one)) for one in values) + number_field(20, 7)


def node(
    operator: str, inputs: Sequence[str], outputs: Sequence[str], name: str, domain: str, attributes: Mapping[str, Any]
) -> bytes:
    """Return a NodeProto."""
    return b"".join(
        [
            *(text_field(1, one) for one in inputs),
            *(text_field(2, one) for one in outputs),
            text_field(3, name),
            text_field(4, operator),
            *(bytes_field(5, attribute(key, value)) for key, value in attributes.items()),
            text_field(7, domain) if domain else b"",
        ]
    )


def value_info(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    """Return a ValueInfoProto of a tensor; a size that is a text is free, and has this name."""
    dims = b"".join(
        bytes_field(1, text_field(2, size) if isinstance(size, str) else number_field(1, size)) for size in shape
    )
    return text_field(1, name) + bytes_field(2, bytes_field(1, number_field(1, kind) + bytes_field(2, dims)))


def model(
    nodes: Sequence[bytes],
    constants: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    versions: Mapping[str, int],
    producer: tuple[str, str],
    metadata: Mapping[str, str],
) -> bytes:
    """Return a ModelProto; `versions` are those of the sets of operators by their domains."""
    graph = b"".join(
        [
            *(bytes_field(1, one) for one in nodes),
            text_field(2, producer[0]),
            *(bytes_field(5, one) for one in constants),
            *(bytes_field(11, one) for one in inputs),
            *(bytes_field(12, one) for one in outputs),
        ]
    )
    return b"".join(
        [
            number_field(1, IR_VERSION),
            text_field(2, producer[0]),
            text_field(3, producer[1]),
            bytes_field(7, graph),
            *(bytes_field(8, text_field(1, domain) + number_field(2, version)) for domain, version in versions.items()),
            *(bytes_field(14, text_field(1, key) + text_field(2, value)) for key, value in metadata.items()),
        ]
    )
