"""Arrays of an ONNX file: their numbers in the file itself, or in another one of the same folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from pysmorch.files import ModelFileError
from pysmorch.importing.wire import Field, read_message
from pysmorch.layers.base import Array

TENSOR = {
    1: Field("dims", "integers"),
    2: Field("kind", "integer"),
    3: Field("segment", "message"),
    4: Field("floats", "floats"),
    5: Field("int32s", "integers"),
    6: Field("texts", "bytes", repeated=True),
    7: Field("int64s", "integers"),
    8: Field("name", "text"),
    9: Field("raw", "bytes"),
    10: Field("doubles", "doubles"),
    11: Field("uint64s", "integers"),
    13: Field("external", "message", repeated=True),
    14: Field("location", "integer"),
}
ENTRY = {1: Field("key", "text"), 2: Field("value", "text")}

TYPES = {
    1: ("float32", "floats"),
    2: ("uint8", "int32s"),
    3: ("int8", "int32s"),
    4: ("uint16", "int32s"),
    5: ("int16", "int32s"),
    6: ("int32", "int32s"),
    7: ("int64", "int64s"),
    9: ("bool", "int32s"),
    10: ("float16", "int32s"),
    11: ("float64", "doubles"),
    12: ("uint32", "uint64s"),
    13: ("uint64", "uint64s"),
}
"""Of each type of elements the dtype, and the field that has its numbers where they are not stored as bytes."""

INTEGERS = (2, 3, 4, 5, 6, 7, 12, 13)
"""Types of elements that are integers."""

MOST_AXES = 8

EXTERNAL = 1
"""The location of a tensor whose numbers are in another file."""


@dataclass(frozen=True)
class Tensor:
    """An array that has not been made yet; its shape is that of its data."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    content: Any
    external: Mapping[str, str] | None

    @property
    def num_bytes(self) -> int:
        """Of the array."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize


def read_tensor(content: memoryview, what: str) -> Tensor:
    """Return a tensor, after comparing its shape with its data.

    Parameters
    ----------
    content : memoryview
        The message.
    what : str
        For errors, such as "an initialiser".

    Returns
    -------
    Tensor

    Raises
    ------
    ModelFileError
        Its type is not read, or shape and data do not fit each other.
    """
    fields = read_message(content, what, TENSOR)
    name = fields.get("name", "")
    what = f"{what}, {name!r}," if name else what
    kind = fields.get("kind", 0)
    if kind not in TYPES:
        raise ModelFileError(f"{what} has elements of type {kind}, which are not read; numbers are, in plain types")
    dims = fields["dims"]
    if len(dims) > MOST_AXES or any(not 0 <= size < 2**31 for size in dims):
        raise ModelFileError(f"{what} has a shape that is out of range: {dims.tolist()[: MOST_AXES + 1]}")
    dtype, numbers = TYPES[kind]
    shape = tuple(map(int, dims))
    given = [key for key in ("floats", "int32s", "int64s", "doubles", "uint64s", "texts") if len(fields[key])]
    given += [key for key in ("raw", "external") if fields.get(key)]
    if "segment" in fields or len(given) > 1:
        raise ModelFileError(f"{what} has its numbers in several forms: {', '.join(given)}")
    if fields.get("location", 0) not in (0, EXTERNAL):
        raise ModelFileError(f"{what} has its numbers at location {fields['location']}, which there is not")
    if (fields.get("location", 0) == EXTERNAL) != ("external" in given):
        raise ModelFileError(
            f"{what} does not say where its numbers are: its location and its external data contradict each other"
        )
    if "external" in given:
        return Tensor(name, shape, dtype, None, _entries(fields["external"], what))
    if given not in ([], ["raw"], [numbers]):
        raise ModelFileError(f"{what} is {dtype}, but has its numbers as {given[0]}")
    stored = fields.get("raw", b"") if numbers not in given else fields[numbers]
    found = len(stored) if numbers in given else len(stored) // np.dtype(dtype).itemsize
    exact = numbers in given or len(stored) % np.dtype(dtype).itemsize == 0
    if found != prod(shape) or not exact:
        raise ModelFileError(f"{what} has shape {shape}, which is {prod(shape):,} numbers, but there are {found:,}")
    return Tensor(name, shape, dtype, stored, None)


def _entries(messages: list[memoryview], what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in messages:
        fields = read_message(one, f"the external data of {what}", ENTRY)
        key = fields.get("key", "")
        if key in found:
            raise ModelFileError(f"{what} has two entries {key!r} of external data")
        found[key] = fields.get("value", "")
    return found


class Arrays:
    """Makes arrays of tensors, and reads other files of a folder for them, no more than they hold.

    Parameters
    ----------
    folder : Path
        That of the ONNX file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left: dict[str, int] = {}

    def array_of(self, tensor: Tensor) -> Array:
        """Return the numbers of a tensor in the machine's byte order; float32 for all that are not integers.

        Parameters
        ----------
        tensor : Tensor
            Of `read_tensor`.

        Returns
        -------
        ndarray
            Of float32, int64 or bool.

        Raises
        ------
        ModelFileError
            Its file is not there, is none of the folder, or is shorter than it says.
        """
        dtype = np.dtype(tensor.dtype)
        stored = tensor.content if tensor.external is None else self._external(tensor)
        if isinstance(stored, np.ndarray):
            array = stored if dtype.kind != "f" or stored.dtype.kind == "f" else stored.astype(np.uint16).view(dtype)
        else:
            array = np.frombuffer(stored, dtype.newbyteorder("<"))
        kind: Any = np.float32 if dtype.kind == "f" else bool if dtype.kind == "b" else np.int64
        with np.errstate(over="ignore"):
            return array.astype(kind).reshape(tensor.shape)

    def _external(self, tensor: Tensor) -> bytes:
        described = tensor.external or {}
        what = f"the external data of {tensor.name!r}"
        name = described.get("location", "")
        if not name or Path(name).name != name or name in (".", "..") or "\\" in name or "\0" in name or ":" in name:
            raise ModelFileError(
                f"{what} are said to be in {name!r}; only a file in the folder of the ONNX file is read"
            )
        numbers = {key: described.get(key, "0") for key in ("offset", "length")}
        if any(not (text.isascii() and text.isdigit() and len(text) < 20) for text in numbers.values()):
            raise ModelFileError(f"{what} have an offset or a length that is no number: {numbers}")
        offset, length = int(numbers["offset"]), int(numbers["length"])
        if "length" in described and length != tensor.num_bytes:
            raise ModelFileError(
                f"{what} have {length:,} bytes, but its shape {tensor.shape} needs {tensor.num_bytes:,}"
            )
        path = self._folder / name
        try:
            if path.is_symlink():
                raise ModelFileError(f"{what} are in {name!r}, which is a link; put the file itself there")
            flags = (
                os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
            )
            with open(os.open(path, flags), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise ModelFileError(f"{what} are in {name!r}, which is no regular file")
                self._check_size(what, name, offset, tensor.num_bytes, status.st_size)
                file.seek(offset)
                content = file.read(tensor.num_bytes)
        except OSError as error:
            raise ModelFileError(f"{what} are in {name!r}, which cannot be read: {error.strerror}") from error
        if len(content) < tensor.num_bytes:
            raise ModelFileError(f"{what} end before their {tensor.num_bytes:,} bytes")
        return content

    def _check_size(self, what: str, name: str, offset: int, length: int, size: int) -> None:
        """Refuse what is not in the file, and more bytes in all than it has, which would be parts that are used twice."""
        if offset + length > size:
            raise ModelFileError(f"{what} are {length:,} bytes from {offset:,} on, but {name!r} has {size:,}")
        left = self._left.get(name, size) - length
        if left < 0:
            raise ModelFileError(
                f"{what} and others before are more than the {size:,} bytes of {name!r}: some are used twice"
            )
        self._left[name] = left
