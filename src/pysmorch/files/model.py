"""Model files: networks and estimators, each in one .safetensors file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

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


def save(model: Any, path: str | Path) -> None:
    """Write an object of a registered class into one .safetensors file, whole or not at all.

    Parameters
    ----------
    model : Network, Classifier or Regressor
        What is to be saved.
    path : str or Path
        The file.

    Raises
    ------
    TypeError
        Objects of its class cannot be saved.
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
    write_whole(path, lambda file: file.write(content))


def read_parts(path: str | Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the header and the arrays of a model file, after checking that they are what was written.

    Parameters
    ----------
    path : str or Path
        The file.

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
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a model file")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            if text is None:
                raise ModelFileError(f"{path}: a .safetensors file, but not a model of pysmorch")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (SafetensorError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path}: not a model file, or a damaged one ({_one_line(error)})") from error
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: its header is damaged ({_one_line(error)})") from error
    try:
        _check_header(header, tensors)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    return header, tensors


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
