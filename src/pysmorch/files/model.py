"""Model files: networks and estimators, each in one .safetensors file."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from pysmorch.entries import escaped, integer_of_json
from pysmorch.files.header import Header, ModelFileError, entry, unknown_entry, without_duplicates
from pysmorch.files.registry import Saveable, class_of, kind_of
from pysmorch.files.tensors import (
    LARGEST_HEADER,
    NAMES,
    arrays_of,
    bytes_of,
    dtype_name,
    metadata_of,
    native_copy,
    pieces_of,
    read_all,
    same_bytes,
    to_content,
)
from pysmorch.files.writing import write_all, write_flushed, write_whole
from pysmorch.layers.base import Array, Layer
from pysmorch.version import __version__

FORMAT = 1
"""Raised when files can no longer be read by older versions."""

METADATA_KEY = "pysmorch"
ENTRIES = {"format", "kind", "versions", "model", "checksum"}
"""Of a header; that of a checkpoint also says where the run was, under "run"."""


ModelPath = str | Path | IO[bytes]
"""Where a model is written to."""

Parts = tuple[str, dict[str, Any], dict[str, Array]]
"""The kind of an object, its plain data, and its arrays by name."""


def save(model: Any, path: ModelPath, **more: Any) -> None:
    """Write an object of a registered class into one .safetensors file, whole or not at all.

    What was written is read again before it replaces an older file, so that no file is left that `load` refuses.

    Parameters
    ----------
    model : Network, Classifier or Regressor
        What is to be saved.
    path : str, Path or binary file
        The file; "~" is the home folder. Into an open file or a `BytesIO` it is written from the current position.
    **more
        Passed to the `to_parts` of the model.

    Raises
    ------
    TypeError
        Objects of its class cannot be saved, or the file is open for text.
    ValueError
        It cannot be described as plain data, or not such that `load` makes it again.
    OSError
        The file cannot be written.
    """
    if isinstance(path, io.TextIOBase):
        raise TypeError('the file to save to is open for text; open it with mode "wb"')
    if not isinstance(path, (str, os.PathLike)) and not hasattr(path, "write"):
        raise TypeError(f"save takes a path or a file that is open for writing, but got a {type(path).__name__}")
    kind, parts, tensors = parts_of(model, **more)
    content = _content(kind, parts, tensors, {})
    own = [type(layer) for layer in model.own_layers()]

    def check(written: Any) -> None:
        _check_same(written, content)
        try:
            model_of(*checked(written, "the file"), own, lambda kind: class_of(kind, [type(model)]))
        except (ModelFileError, TypeError) as error:  # a subclass of the user's may have another constructor
            raise ValueError(f"the model cannot be saved: load would refuse it, since {error}") from error

    if isinstance(path, (str, os.PathLike)):
        write_whole(path, lambda file: write_flushed(file, content), lambda file: check(read_all(file)))
    else:
        check(content)
        write_all(path, content)


def parts_of(model: Any, **more: Any) -> Parts:
    """Return the kind of an object of a registered class, its plain data, and its arrays.

    Parameters
    ----------
    model : Network, Classifier or Regressor
        The object.
    **more
        Passed to its `to_parts`.

    Returns
    -------
    kind : str
        The name of its kind.
    parts : dict
        Plain data.
    tensors : dict of str to ndarray
        Its arrays, which are live.
    """
    kind = kind_of(model)
    parts, tensors = model.to_parts(**more)
    return kind, parts, tensors


def write_parts(path: str | Path, kind: str, parts: dict[str, Any], tensors: dict[str, Array], **more: Any) -> None:
    """Write parts into a model file, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The file.
    kind, parts, tensors
        What `parts_of` returned.
    **more
        Further entries of the header, plain data.

    Raises
    ------
    ValueError
        Something is not plain data.
    OSError
        The file cannot be written.
    """
    content = _content(kind, parts, tensors, more)
    write_whole(path, lambda file: write_flushed(file, content), lambda file: _check_same(read_all(file), content))


def _check_same(written: Any, content: memoryview) -> None:
    if not same_bytes(written, content):
        raise OSError("what was read back is not what was written")


def _content(kind: str, parts: dict[str, Any], tensors: dict[str, Array], more: dict[str, Any]) -> memoryview:
    # Copies, since another thread may be writing into them.
    arrays = {name: native_copy(array) for name, array in tensors.items()}
    for name, array in arrays.items():
        if dtype_name(array.dtype) not in NAMES:
            raise ValueError(
                f"the model cannot be saved: {name} has dtype {array.dtype}, but a file holds {', '.join(NAMES)}; "
                "convert it, for example to float32"
            )
    header = new_header(kind, parts, **more)
    try:
        header["checksum"] = _checksum(header, arrays)
        return to_content(arrays, {METADATA_KEY: json.dumps(header, allow_nan=False)})
    except (ValueError, TypeError) as error:
        raise ValueError(f"the model cannot be saved: {error}") from error


def new_header(kind: str, parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the header of a file of this version, without its checksum."""
    versions = {"pysmorch": __version__, "numpy": np.__version__}
    return {"format": FORMAT, "kind": kind, "versions": versions, "model": parts, **more}


def content_of(model: Any) -> memoryview:
    """Return what `save` writes, without a look at whether it can be read again.

    Parameters
    ----------
    model : Network, Classifier or Regressor
        The object.

    Returns
    -------
    memoryview
        A model file.

    Raises
    ------
    ValueError
        It cannot be described as plain data.
    """
    return _content(*parts_of(model), {})


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
    # All is read into memory: a file that is mapped, and that somebody else writes into, may end the process.
    name = name_of(path)
    content = (
        _read_file(Path(os.path.expanduser(path))) if isinstance(path, (str, os.PathLike)) else read_open(path, name)
    )
    return checked(content, name)


def model_of(
    header: dict[str, Any], tensors: dict[str, Array], own: Sequence[type[Layer]], find: Callable[[str], type[Saveable]]
) -> Any:
    """Return the object of the parts of a file.

    Parameters
    ----------
    header, tensors
        What `read_parts` returned.
    own : sequence of type of Layer
        Classes of the user, of layers and losses.
    find : callable
        Returns the class of a kind.

    Returns
    -------
    Network, Classifier or Regressor
        What was saved.

    Raises
    ------
    ModelFileError
        Something is missing, does not fit, or is not known.
    """
    try:
        parts = Header.of(entry(header, "model", dict))
        model = find(entry(header, "kind", str)).from_parts(parts, tensors, own)
        unknown = unknown_entry(parts)
        if unknown is not None:
            raise ModelFileError(f"its entry {unknown} is not one that this version knows")
        return model
    except ModelFileError as error:
        raise ModelFileError(f"{error}{said_of_version(header)}") from error


def says_kind(source: Any, kind: str) -> bool:
    """Whether the header of a file seems to say this kind; that is found out quickly, and checked where the file is read.

    Parameters
    ----------
    source : str, Path or bytes-like
        A file, which need not be one of models, or its content.
    kind : str
        The name of a kind.

    Returns
    -------
    bool
        False also where there is no file.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(os.path.expanduser(source))
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            head = file.read(8)
            head += file.read(min(int.from_bytes(head, "little"), LARGEST_HEADER))
    else:
        head = bytes(source[:8])
        head += bytes(source[8 : 8 + min(int.from_bytes(head, "little"), LARGEST_HEADER)])
    return json.dumps(f'"kind": {json.dumps(kind)}')[1:-1].encode() in head


def name_of(path: ModelPath | bytes) -> str:
    """Return what messages call a model file."""
    if isinstance(path, (str, os.PathLike)):
        return str(path)
    return str(getattr(path, "name", f"the {type(path).__name__}"))


def said_of_version(header: Any) -> str:
    """Return what is added to an error about a file: the version that wrote it, and what to do if that is a newer one."""
    versions = header.get("versions") if isinstance(header, dict) else None
    version = versions.get("pysmorch") if isinstance(versions, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"[\w.+-]{1,40}", version, re.ASCII):
        return ""
    if _numbers(version) <= _numbers(__version__):
        return f" (written by pysmorch {version})"
    return f"; it was written by pysmorch {version}, which is newer than this {__version__}: update pysmorch"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def _read_file(path: Path) -> bytes | bytearray:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a model file")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise OSError(f"{path} is not a regular file; to read a pipe, pass it open")
    with open(path, "rb") as file:
        return read_all(file)


def read_open(source: IO[bytes] | bytes, name: str) -> Any:
    """Return bytes, or the rest of an open file."""
    if not isinstance(source, (bytes, bytearray, memoryview)) and not hasattr(source, "read"):
        raise TypeError(
            f"load takes a path, bytes or a file that is open for reading, but got a {type(source).__name__}"
        )
    content = source if isinstance(source, (bytes, bytearray, memoryview)) else read_all(source)
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise TypeError(f'{name} is open for text; open it with mode "rb"')
    if not len(content):
        raise ModelFileError(f"{name}: nothing to read from the current position on; seek(0) goes to the beginning")
    return content if isinstance(content, (bytes, bytearray)) else memoryview(content).cast("B")


def checked(content: Any, name: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the header and the arrays of the content of a model file."""
    try:
        header = header_of(metadata_of(content), name)
        tensors = arrays_of(content)
    except ModelFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{name}: not a model file, or a damaged one ({one_line(error)})") from error
    try:
        check_header(header, tensors)
    except ModelFileError as error:
        raise ModelFileError(f"{name}: {one_line(error)}{said_of_version(header)}") from error
    return header, tensors


def header_of(metadata: dict[str, Any], name: str) -> Any:
    """Return the header in the metadata of a model file, as plain data."""
    if not isinstance(metadata.get(METADATA_KEY), str):
        raise ModelFileError(f"{name}: a .safetensors file, but not a model of pysmorch")
    try:
        return json.loads(
            metadata[METADATA_KEY],
            object_pairs_hook=without_duplicates,
            parse_constant=_no_number,
            parse_int=integer_of_json,
        )
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{name}: its header is damaged ({one_line(error)})") from error


def check_header(header: Any, tensors: dict[str, Array]) -> None:
    """Raise ModelFileError for a header of another version, with unknown entries, or whose checksum is not that of itself and the arrays."""
    number = entry(header, "format", int)
    if number > FORMAT:
        raise ModelFileError(f"written in format {number} by a newer version, this one reads {FORMAT}; update pysmorch")
    if number < 1:
        raise ModelFileError(f"written in format {number}, which there is not")
    unknown = sorted(set(header) - ENTRIES - {"run"})
    if unknown:
        raise ModelFileError(f"its entry {unknown[0]} is not one that this version knows")
    checksum = entry(header, "checksum", str)
    rest = {name: value for name, value in header.items() if name != "checksum"}
    if _checksum(rest, tensors) != checksum:
        raise ModelFileError("the checksum does not fit: the file was damaged or altered")


def _checksum(header: dict[str, Any], tensors: dict[str, Array]) -> str:
    """Return the checksum of a header without one, and of arrays."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode())
        for piece in pieces_of(bytes_of(array)):
            digest.update(piece)
    return digest.hexdigest()


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def one_line(error: BaseException) -> str:
    """Return the message of an error in one line."""
    return escaped(" ".join(str(error).split())) or type(error).__name__
