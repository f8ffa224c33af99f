"""Protocol buffers as they are in a file: fields with numbers, each of which is read as the kind that it should be.

Nothing is allocated that is larger than what is there, and messages are views into the file. Fields with numbers that are not known
are left out, as the format wants it, so that files of later versions can be read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from pysmorch.export.messages import FIXED32, LENGTH_DELIMITED, VARINT
from pysmorch.files import ModelFileError
from pysmorch.layers.base import Array

FIXED64 = 1
"""The wire type of eight bytes."""

LONGEST_VARINT = 10
"""Bytes of an integer of 64 bits, in groups of seven."""

LONGEST_NAME = 1000
"""Bytes of a name or another text."""

SIZES = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """What a field of a message is.

    Parameters
    ----------
    name : str
        Of the result.
    kind : str
        "integer", "float", "text", "bytes" or "message"; "integers", "floats" and "doubles" for an array, which may be in several parts.
    repeated : bool, default=False
        Whether there may be several, which are a list.
    """

    name: str
    kind: str
    repeated: bool = False


WIRE_TYPES = {
    "integer": VARINT,
    "float": FIXED32,
    "text": LENGTH_DELIMITED,
    "bytes": LENGTH_DELIMITED,
    "message": LENGTH_DELIMITED,
}
SINGLE = {"integers": VARINT, "floats": FIXED32, "doubles": FIXED64}
"""The wire types of arrays whose entries are in a field each."""

DTYPES = {"floats": "<f4", "doubles": "<f8"}


def read_message(content: memoryview, what: str, fields: Mapping[int, Field]) -> dict[str, Any]:
    """Return the fields of a message by name; arrays and repeated fields are there also where they are empty.

    Parameters
    ----------
    content : memoryview
        The message.
    what : str
        For errors, such as "the graph".
    fields : mapping of int to Field
        By number.

    Returns
    -------
    dict of str to object
        Single fields that are missing are not in it.

    Raises
    ------
    ModelFileError
        It is no such message, or has a single field twice.
    """
    found: dict[str, Any] = {field.name: [] for field in fields.values() if field.repeated or field.kind in SINGLE}
    for number, wire_type, value in _raw_fields(content, what):
        field = fields.get(number)
        if field is None:
            continue
        if field.kind in SINGLE:
            found[field.name].append(_entries(value, wire_type, field, what))
            continue
        if wire_type != WIRE_TYPES[field.kind]:
            raise ModelFileError(f"{what} is damaged: its {field.name} has wire type {wire_type}")
        single = _single(value, field, what)
        if field.repeated:
            found[field.name].append(single)
        elif field.name in found:
            raise ModelFileError(f"{what} is damaged: its {field.name} is there twice")
        else:
            found[field.name] = single
    for field in fields.values():
        if field.kind in SINGLE:
            found[field.name] = _joined(found[field.name], field.kind)
    return found


def _raw_fields(content: memoryview, what: str) -> Iterator[tuple[int, int, Any]]:
    """Yield number, wire type and value of each field: an int, or a view of its bytes."""
    at, end = 0, len(content)
    while at < end:
        key, at = _varint(content, at, what)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            value: Any
            value, at = _varint(content, at, what)
        elif wire_type == LENGTH_DELIMITED or wire_type in SIZES:
            size = SIZES.get(wire_type)
            if size is None:
                size, at = _varint(content, at, what)
            if size > end - at:
                raise ModelFileError(f"{what} is damaged: a field of {size:,} bytes begins where {end - at:,} are left")
            value, at = content[at : at + size], at + size
        else:
            raise ModelFileError(f"{what} is damaged: a field has wire type {wire_type}, which there is not")
        yield number, wire_type, value


def _varint(content: memoryview, at: int, what: str) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(content[at : at + LONGEST_VARINT]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            if value >= 2**64:
                break
            return value, at + i + 1
    raise ModelFileError(f"{what} is damaged: an integer in it does not end, or has more than 64 bits")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _single(value: Any, field: Field, what: str) -> Any:
    if field.kind == "integer":
        return _signed(value)
    if field.kind == "float":
        return struct.unpack("<f", value)[0]
    if field.kind != "text":
        return value
    if len(value) > LONGEST_NAME:
        raise ModelFileError(f"{what} has a {field.name} of {len(value):,} bytes, more than {LONGEST_NAME}")
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise ModelFileError(f"{what} is damaged: its {field.name} is no UTF-8") from None


def _entries(value: Any, wire_type: int, field: Field, what: str) -> Any:
    """Return a part of an array: packed entries, or a single one."""
    if wire_type == SINGLE[field.kind]:
        return _signed(value) if wire_type == VARINT else np.frombuffer(value, DTYPES[field.kind])[0]
    if wire_type != LENGTH_DELIMITED:
        raise ModelFileError(f"{what} is damaged: its {field.name} has wire type {wire_type}")
    if field.kind == "integers":
        return _packed_integers(np.frombuffer(value, np.uint8), field, what)
    dtype = np.dtype(DTYPES[field.kind])
    if len(value) % dtype.itemsize:
        raise ModelFileError(
            f"{what} is damaged: its {field.name} has {len(value):,} bytes, no multiple of {dtype.itemsize}"
        )
    return np.frombuffer(value, dtype)


def _packed_integers(content: Array, field: Field, what: str) -> Array:
    """Return the integers in bytes that hold nothing else."""
    if not len(content):
        return np.empty(0, np.int64)
    ends = np.flatnonzero(content < 128)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    sizes = ends - starts + 1
    if not len(ends) or ends[-1] != len(content) - 1 or sizes.max() > LONGEST_VARINT:
        raise ModelFileError(f"{what} is damaged: an integer of its {field.name} does not end")
    groups = (np.arange(len(content)) - np.repeat(starts, sizes)).astype(np.uint64)
    values = np.bitwise_or.reduceat((content & 127).astype(np.uint64) << (groups * np.uint64(7)), starts)
    return values.view(np.int64)


def _joined(parts: list[Any], kind: str) -> Array:
    dtype = DTYPES.get(kind, np.int64)
    if len(parts) == 1:
        return np.atleast_1d(np.asarray(parts[0], dtype))
    return np.concatenate([np.atleast_1d(np.asarray(part, dtype)) for part in parts]) if parts else np.empty(0, dtype)
