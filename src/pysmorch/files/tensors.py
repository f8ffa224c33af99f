"""The .safetensors format: the size of a header in 8 bytes, the header as JSON, and the arrays one after the other.

Whatever is large is copied, read, compared and hashed in pieces, between which Python answers signals.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from pysmorch.engine.interrupts import answer_interrupts
from pysmorch.entries import integer_of_json
from pysmorch.files.header import without_duplicates
from pysmorch.layers.base import Array

PIECE = 2**24
"""Bytes that are worked on at a time, a few milliseconds."""

METADATA = "__metadata__"
"""Of the header: the entry that is no array."""

LARGEST_HEADER = 100_000_000
"""Bytes of a header, as in the definition of the format."""

MOST_AXES = 32
"""Of an array, as in NumPy 1; those of a model have at most four."""

ALIGNMENT = 8
"""The arrays begin at a multiple of so many bytes."""

NAMES = {
    "float32": "F32",
    "float64": "F64",
    "int64": "I64",
    "int32": "I32",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
"""The dtypes of a model's arrays, and their names in a file."""

ORDER = ("I64", "F64", "F32", "I32", "I8", "U8", "BOOL")
"""Of the arrays in a file: each is aligned then."""


def to_content(arrays: dict[str, Array], metadata: dict[str, str]) -> memoryview:
    """Return the content of a file.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Of dtypes in `NAMES`.
    metadata : dict of str to str
        Texts in the header.

    Returns
    -------
    memoryview
        Bytes.
    """
    arrays = dict(sorted(arrays.items(), key=lambda item: (ORDER.index(NAMES[dtype_name(item[1].dtype)]), item[0])))
    head = head_of([(name, dtype_name(array.dtype), array.shape) for name, array in arrays.items()], metadata)
    content = np.empty(len(head) + sum(array.nbytes for array in arrays.values()), np.uint8)
    content[: len(head)] = np.frombuffer(head, np.uint8)
    at = len(head)
    for array in arrays.values():
        copy_bytes(bytes_of(array), content[at : at + array.nbytes])
        at += array.nbytes
    return content.data


@cache
def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return the name of a dtype, which NumPy puts together anew each time."""
    return dtype.name


def head_of(arrays: Sequence[tuple[str, str, tuple[int, ...]]], metadata: dict[str, str]) -> bytes:
    """Return what a file begins with: the size of its header, and the header.

    Parameters
    ----------
    arrays : sequence of (name, dtype, shape)
        In the order in which they come after it, which has to be that of `ORDER`.
    metadata : dict of str to str
        Texts in the header.

    Returns
    -------
    bytes
        Of a size that is a multiple of `ALIGNMENT`.
    """
    header: dict[str, Any] = {METADATA: metadata}
    end = 0
    for name, dtype, shape in arrays:
        begin, end = end, end + prod(shape) * np.dtype(dtype).itemsize
        header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def arrays_of(content: Any) -> dict[str, Array]:
    """Return copies of the arrays of a file.

    Parameters
    ----------
    content : bytes-like
        The file.

    Returns
    -------
    dict of str to ndarray
        By name.

    Raises
    ------
    ValueError
        It is no such file, or arrays overlap or do not fill it.
    """
    described, start = layout_of(content, len(content))
    arrays = {}
    for name, dtype, shape, first, last in described:
        arrays[name] = np.empty(shape, dtype)
        copy_bytes(memoryview(content)[start + first : start + last], bytes_of(arrays[name]))
    return arrays


Described = tuple[str, str, tuple[int, ...], int, int]
"""Of an array in a file: its name, dtype and shape, and where it begins and ends after the header."""


def layout_of(content: Any, size: int) -> tuple[list[Described], int]:
    """Return where the arrays of a file are.

    Parameters
    ----------
    content : bytes-like
        The file, or its beginning with the whole header.
    size : int
        Bytes of the whole file.

    Returns
    -------
    arrays : list of Described
        In the order in which they are in the file.
    start : int
        Where the first one begins.

    Raises
    ------
    ValueError
        It is no such file, or arrays overlap or do not fill it.
    """
    header, start = _header(content)
    described = sorted(
        (_described(name, tensor) for name, tensor in header.items() if name != METADATA), key=lambda found: found[3:]
    )
    end = 0
    for name, _, _, first, last in described:
        if first != end:
            raise ValueError(f"the array {name} does not begin where the one before it ends")
        end = last
    if start + end != size:
        raise ValueError(f"its arrays should have {end} bytes, but there are {size - start}")
    return described, start


def _header(content: Any) -> tuple[dict[str, Any], int]:
    """Return the header, and where it ends."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(LARGEST_HEADER, len(content) - 8):
        raise ValueError("the file is shorter than its header")
    header = json.loads(
        bytes(content[8 : 8 + size]).decode(), object_pairs_hook=without_duplicates, parse_int=integer_of_json
    )
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return header, 8 + size


def metadata_of(content: bytes) -> dict[str, Any]:
    """Return the metadata of a file.

    Parameters
    ----------
    content : bytes
        The file, or its beginning with the whole header.

    Returns
    -------
    dict
        What is under "__metadata__".

    Raises
    ------
    ValueError
        It is no such file.
    """
    metadata = _header(content)[0].get(METADATA, {})
    if not isinstance(metadata, dict):
        raise ValueError("its metadata are no object")
    return metadata


def _described(name: str, tensor: Any) -> Described:
    """Return name, dtype, shape, begin and end of an array, after checking that they fit together."""
    dtypes = {short: dtype for dtype, short in NAMES.items()}
    if not isinstance(tensor, dict) or set(tensor) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"the array {name} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = tensor["dtype"], tensor["shape"], tensor["data_offsets"]
    if not isinstance(dtype, str) or dtype not in dtypes:
        raise ValueError(f"the array {name} has dtype {dtype!r}, which no model has")
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
            raise ValueError(f"the shape or the offset of the array {name} is not a list of numbers")
    size = prod(shape) * np.dtype(dtypes[dtype]).itemsize
    if len(offsets) != 2 or offsets[1] - offsets[0] != size or len(shape) > MOST_AXES:
        raise ValueError(f"the array {name} has another size than its shape {shape} says")
    return name, dtypes[dtype], tuple(shape), offsets[0], offsets[1]


def native_copy(array: Array) -> Array:
    """Return a copy in C order and the machine's byte order."""
    dtype = array.dtype.newbyteorder("=")
    if not array.flags.c_contiguous or array.dtype != dtype:
        return np.array(array, dtype, order="C")
    copy = np.empty(array.shape, dtype)
    copy_bytes(bytes_of(array), bytes_of(copy))
    return copy


def bytes_of(array: Array) -> Array:
    """Return the bytes of an array in C order, without a copy."""
    return array.reshape(-1).view(np.uint8)


def pieces_of(content: Any) -> Iterator[memoryview]:
    """Go through bytes in pieces."""
    view = memoryview(content)
    for i in range(0, len(view), PIECE):
        answer_interrupts()
        yield view[i : i + PIECE]


def copy_bytes(source: Any, to: Array) -> None:
    """Copy bytes into an array of bytes of the same size."""
    if 0 < len(to) <= PIECE:
        to[:] = np.frombuffer(source, np.uint8)
        return
    for i, piece in enumerate(pieces_of(source)):
        to[i * PIECE : i * PIECE + len(piece)] = np.frombuffer(piece, np.uint8)


def same_bytes(a: Any, b: Any) -> bool:
    """Whether the contents of two files are the same."""
    pairs = zip(pieces_of(a), pieces_of(b), strict=False)
    return len(a) == len(b) and all(
        np.array_equal(np.frombuffer(x, np.uint8), np.frombuffer(y, np.uint8)) for x, y in pairs
    )


def read_all(file: Any) -> Any:
    """Return the rest of an open file; where that is text, its first piece."""
    content = bytearray()
    while piece := file.read(PIECE):
        answer_interrupts()
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            return piece
        content += piece
    return content
