"""Model files: networks and estimators, each in one .safetensors file."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from pathlib import Path
from typing import IO, Any

import numpy as np

from pysmorch.files.header import ModelFileError, entry
from pysmorch.files.registry import kind_of
from pysmorch.files.writing import write_whole
from pysmorch.layers.base import Array
from pysmorch.version import __version__

FORMAT = 1
"""Raised when files can no longer be read by older versions."""

METADATA_KEY = "pysmorch"
DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")


ModelPath = str | Path | IO[bytes]
"""Where a model is written to."""


def save(model: Any, path: ModelPath) -> None:
    """Write an object of a registered class into one .safetensors file, whole or not at all.

    Parameters
    ----------
    model : Network, Classifier or Regressor
        What is to be saved.
    path : str, Path or binary file
        The file; "~" is the home folder. Into an open file or a `BytesIO` it is written from the current position.

    Raises
    ------
    TypeError
        Objects of its class cannot be saved, or the file is open for text.
    ValueError
        It cannot be described as plain data.
    OSError
        The file cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    kind = kind_of(model)
    parts, tensors = model.to_parts()
    # In C order, the only one that the writer stores correctly.
    arrays = {name: np.array(array, order="C") for name, array in tensors.items()}
    versions = {"pysmorch": __version__, "numpy": np.__version__}
    header = {"format": FORMAT, "kind": kind, "versions": versions, "model": parts}
    header["checksum"] = _checksum(header, arrays)
    try:
        text = json.dumps(header, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"the model cannot be saved: {error}") from error
    content = to_bytes(arrays, metadata={METADATA_KEY: text})
    if isinstance(path, io.TextIOBase):
        raise TypeError('the file to save to is open for text; open it with mode "wb"')
    if isinstance(path, (str, os.PathLike)):
        write_whole(path, lambda file: file.write(content))
    else:
        path.write(content)


def read_parts(path: ModelPath | bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the header and the arrays of a model file, after checking that they are what was written.

    Parameters
    ----------
    path : str, Path, bytes or binary file
        The file, its content, or an open file, which is read from the current position to the end.

    Returns
    -------
    header : dict
        With the entries "kind" and "model".
    tensors : dict of str to ndarray
        The arrays.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        It is not a model, is damaged or altered, or comes from a newer version.
    """
    name = name_of(path)
    text, tensors = (
        _read_file(Path(path).expanduser()) if isinstance(path, (str, os.PathLike)) else _read_bytes(path, name)
    )
    if text is None:
        raise ModelFileError(f"{name}: a .safetensors file, but not a model of pysmorch")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{name}: its header is damaged ({_one_line(error)})") from error
    try:
        _check_header(header, tensors)
    except ModelFileError as error:
        raise ModelFileError(f"{name}: {error}{said_of_version(header)}") from error
    return header, tensors


def name_of(path: ModelPath | bytes) -> str:
    """Return what messages call a model file."""
    if isinstance(path, (str, os.PathLike)):
        return str(path)
    return str(getattr(path, "name", f"the {type(path).__name__}"))


def said_of_version(header: Any) -> str:
    """Return what is added to an error about a file of a newer version: both versions; nothing about any other file."""
    versions = header.get("versions") if isinstance(header, dict) else None
    version = versions.get("pysmorch") if isinstance(versions, dict) else None
    if not isinstance(version, str) or _numbers(version) <= _numbers(__version__):
        return ""
    return f"; it was written by pysmorch {version}, which is newer than this {__version__}: update pysmorch"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def _read_file(path: Path) -> tuple[str | None, dict[str, Array]]:
    """Return the text of the header, None where there is none, and the arrays."""
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a model file")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            return text, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (SafetensorError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path}: not a model file, or a damaged one ({_one_line(error)})") from error


def _read_bytes(source: IO[bytes] | bytes, name: str) -> tuple[str | None, dict[str, Array]]:
    """Return the same of bytes, or of the rest of an open file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content = source if isinstance(source, (bytes, bytearray, memoryview)) else source.read()
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise TypeError(f'{name} is open for text; open it with mode "rb"')
    if not len(content):
        raise ModelFileError(f"{name}: nothing to read from the current position on; seek(0) goes to the beginning")
    content = bytes(content)
    try:
        tensors = load(content)
        # The format: the size of the header in 8 bytes, the header as JSON, the arrays.
        metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
    except (SafetensorError, TypeError, AttributeError, ValueError, KeyError) as error:
        raise ModelFileError(f"{name}: not a model, or a damaged one ({_one_line(error)})") from error
    return metadata.get(METADATA_KEY), tensors


def _check_header(header: Any, tensors: dict[str, Array]) -> None:
    number = entry(header, "format", int)
    if number > FORMAT:
        raise ModelFileError(f"written in format {number} by a newer version, this one reads {FORMAT}; update pysmorch")
    for name, array in tensors.items():
        if array.dtype.name not in DTYPES:
            raise ModelFileError(f"the array {name} has dtype {array.dtype}, which no model has")
    checksum = entry(header, "checksum", str)
    rest = {name: value for name, value in header.items() if name != "checksum"}
    if _checksum(rest, tensors) != checksum:
        raise ModelFileError("the checksum does not fit: the file was damaged or altered")


def _checksum(header: dict[str, Any], tensors: dict[str, Array]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
