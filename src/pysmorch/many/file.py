"""The file of many models: one .safetensors file, in which each model is a model file of its own, read when it is wanted.

Its header has the names of the groups and what was measured, with a checksum of all that is read at once; each model has a SHA-256
of its own there, so that no model can be altered, damaged or exchanged for another one.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pysmorch.files import ModelFileError, ModelPath, write_whole
from pysmorch.files.header import Header, entries, entry, plain, unknown_entry
from pysmorch.files.model import (
    METADATA_KEY,
    _checksum,
    check_header,
    header_of,
    new_header,
    one_line,
    said_of_version,
)
from pysmorch.files.tensors import bytes_of, head_of, layout_of, metadata_of
from pysmorch.files.writing import write_all
from pysmorch.layers.base import Array
from pysmorch.loading import MANY
from pysmorch.many.figures import NUMBERS, Figures
from pysmorch.many.grouping import Key
from pysmorch.many.records import DIGEST, Content, Records, in_order
from pysmorch.prediction.classifier import classes_from

KINDS = ("classifier", "regressor")
"""Of the models."""

SHAPES: dict[str, tuple[Any, str]] = {
    "ends": (np.int64, "R"),
    "epochs": (np.int64, "G"),
    "rows": (np.int64, "G"),
    "loss": (np.float64, "G"),
    "score": (np.float64, "G"),
    "digests": (np.uint8, "R"),
}
"""The arrays that are read at once, in the order of the file: one entry for each of the G groups, or of the R records."""

RECORDS = "records"
"""The array of all models, which is the last one."""

BYTES_AT_A_TIME = 2**24
"""Of records that are copied, between which Python answers signals."""


@dataclass
class Contents:
    """All that a file holds.

    Attributes
    ----------
    kind : str
        Of the models, "classifier" or "regressor".
    groups : list of Key
        Their names, sorted.
    figures : Figures
        Of the training.
    records : Records
        The models; one more where there is a fallback.
    seed : int
        The `random_state` of all.
    by, columns : list of str or None
        The names of the columns with the groups, and of those that the models take.
    has_fallback : bool
        Whether the last record is that of other groups.
    classes : list
        Of all groups, as plain data; empty for numbers.
    classes_dtype : str
        Their dtype.
    notes : dict
        Plain data of whoever made them.
    """

    kind: str
    groups: list[Key]
    figures: Figures
    records: Records
    seed: int
    by: list[str] | None
    columns: list[str] | None
    has_fallback: bool
    classes: list[Any] = field(default_factory=list)
    classes_dtype: str = "<i8"
    notes: dict[str, Any] = field(default_factory=dict)

    def in_memory(self) -> Contents:
        """Return the same with all models in memory, in their order."""
        content = b"".join(self.pieces())
        begins, ends = in_order(self.records.sizes)
        return replace(self, records=Records(Content(content), begins, ends, self.records.digests))

    def pieces(self) -> Iterator[bytes]:
        """Go through the models, of which each is as it was written."""
        for index in range(len(self.records)):
            if self.records.has(index):
                yield self.records.read(index)


def save_many(contents: Contents, path: ModelPath) -> None:
    """Write a file, whole or not at all; what was written is read again before it replaces an older one.

    Parameters
    ----------
    contents : Contents
        What it is to hold.
    path : str, Path or binary file
        The file.

    Raises
    ------
    TypeError
        The file is open for text, or is none.
    OSError
        It cannot be written.
    """
    if isinstance(path, io.TextIOBase):
        raise TypeError('the file to save to is open for text; open it with mode "wb"')
    if not isinstance(path, (str, os.PathLike)) and not hasattr(path, "write"):
        raise TypeError(f"save takes a path or a file that is open for writing, but got a {type(path).__name__}")

    def write(file: Any) -> None:
        for piece in _pieces(contents):
            write_all(file, memoryview(piece))

    def check(file: Any) -> None:
        written = read_many(Content(file), "the file")
        if written is None:
            raise OSError("what was read back is not what was written")
        for index in range(len(written.records)):
            if written.records.has(index):
                written.records.read(index)

    if isinstance(path, (str, os.PathLike)):
        write_whole(path, write, check)
    else:
        write(path)


def _pieces(contents: Contents) -> Iterator[bytes]:
    """Go through the content of a file."""
    records, figures = contents.records, contents.figures
    arrays: dict[str, Array] = {
        "ends": in_order(records.sizes)[1],
        **{name: getattr(figures, name) for name in NUMBERS},
        "digests": records.digests,
    }
    arrays = {name: np.ascontiguousarray(arrays[name], dtype) for name, (dtype, _) in SHAPES.items()}
    parts = {
        "models": contents.kind,
        "groups": [list(key) if isinstance(key, tuple) else [key] for key in contents.groups],
        "by": contents.by,
        "columns": contents.columns,
        "seed": contents.seed,
        "fallback": contents.has_fallback,
        "classes": contents.classes,
        "dtype": contents.classes_dtype,
        "remarks": {str(index): said for index, said in sorted(figures.remarks.items())},
        "failed": {str(index): reason for index, reason in sorted(figures.failed.items())},
        "notes": contents.notes,
    }
    header = new_header(MANY, parts)
    header["checksum"] = _checksum(header, arrays)
    described = [(name, array.dtype.name, array.shape) for name, array in arrays.items()]
    described.append((RECORDS, "uint8", (int(records.sizes.sum()),)))
    yield head_of(described, {METADATA_KEY: json.dumps(header, allow_nan=False)})
    for array in arrays.values():
        yield bytes_of(array).tobytes()
    yield from contents.pieces()


def _head(content: Content) -> bytes:
    size = int.from_bytes(content.read(0, 8), "little")
    return content.read(0, 8 + min(size, content.size))


def read_many(content: Content, name: str) -> Contents | None:
    """Return the contents of a file of many models.

    Parameters
    ----------
    content : Content
        The file.
    name : str
        What messages call it.

    Returns
    -------
    Contents or None
        Checked, but for the models; None for a file of another kind.

    Raises
    ------
    ModelFileError
        It is damaged or altered, or comes from a newer version.
    """
    try:
        head = _head(content)
        header = header_of(metadata_of(head), name)
        if not isinstance(header, dict) or header.get("kind") != MANY:
            return None
        arrays, begin = _arrays(content, head)
    except ModelFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{name}: not a model file, or a damaged one ({one_line(error)})") from error
    try:
        check_header(header, arrays)
        parts = Header.of(entry(header, "model", dict))
        contents = _contents(parts, arrays, content, begin)
        unknown = unknown_entry(parts)
        if unknown is not None:
            raise ModelFileError(f"its entry {unknown} is not one that this version knows")
    except ModelFileError as error:
        raise ModelFileError(f"{name}: {error}{said_of_version(header)}") from error
    return contents


def _arrays(content: Content, head: bytes) -> tuple[dict[str, Array], int]:
    """Return the arrays that are read at once, and where the models begin; ValueError where others are there."""
    described, start = layout_of(head, content.size)
    if [one[0] for one in described] != [*SHAPES, RECORDS]:
        raise ValueError("it has other arrays than those of many models")
    arrays: dict[str, Array] = {}
    for name, dtype, shape, first, last in described[:-1]:
        if np.dtype(dtype) != SHAPES[name][0] or len(shape) != (2 if name == "digests" else 1):
            raise ValueError(f"the array {name} has another dtype or shape than it should have")
        arrays[name] = np.frombuffer(content.read(start + first, start + last), dtype).reshape(shape).copy()
    _, dtype, shape, first, _ = described[-1]
    if dtype != "uint8" or len(shape) != 1:
        raise ValueError("the models are no bytes")
    return arrays, start + first


def _contents(parts: Any, arrays: dict[str, Array], content: Content, begin: int) -> Contents:
    kind = entry(parts, "models", str)
    if kind not in KINDS:
        raise ModelFileError(f"its models are a {kind!r}, which this version does not know")
    groups, by = _groups(parts)
    columns = entries(parts, "columns", str) if entry(parts, "columns", list, type(None)) is not None else None
    has_fallback = entry(parts, "fallback", bool)
    records = len(groups) + 1
    for name, (_, counted) in SHAPES.items():
        if len(arrays[name]) != (records if counted == "R" else len(groups)):
            raise ModelFileError(f"its array {name} does not fit its groups")
    if arrays["digests"].shape[1] != DIGEST:
        raise ModelFileError("its digests have another size than a SHA-256")
    ends = arrays["ends"]
    begins = np.concatenate([[0], ends[:-1]])
    if ends[0] < 0 or (ends < begins).any() or int(ends[-1]) != content.size - begin:
        raise ModelFileError("its models do not fill the file")
    said = {name: _by_index(parts, name, groups, of) for name, of in (("remarks", list), ("failed", str))}
    numbers = [arrays[name] for name in NUMBERS]
    figures = Figures(numbers[0], numbers[1], numbers[2], numbers[3], said["remarks"], said["failed"])
    has = begins < ends
    if any(bool(has[index]) == (index in figures.failed) for index in range(len(groups))) or has[-1] != has_fallback:
        raise ModelFileError("the groups with a model are not those that it says")
    described = {"classes": entry(parts, "classes", list), "dtype": entry(parts, "dtype", str)}
    if kind == "classifier":
        try:
            if len(classes_from(described)) < 2:
                raise ValueError("there are fewer than two")
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"its classes are wrong: {error}") from error
    of_file = Records(content, begins + begin, ends + begin, arrays["digests"])
    notes = plain(entry(parts, "notes", dict))
    seed = entry(parts, "seed", int)
    return Contents(
        kind, groups, figures, of_file, seed, by, columns, has_fallback, described["classes"], described["dtype"], notes
    )


def _groups(parts: Any) -> tuple[list[Key], list[str] | None]:
    """Return the names of the groups, and of the columns that make them."""
    by = entries(parts, "by", str) if entry(parts, "by", list, type(None)) is not None else None
    length = 1 if by is None else len(by)
    groups: list[Key] = []
    for listed in entries(parts, "groups", list):
        key = tuple(entries({"group": listed}, "group", str, int, bool))
        if len(key) != length or length == 0:
            raise ModelFileError("the name of a group has another length than there are columns")
        groups.append(key[0] if length == 1 else key)
    if not groups or len(set(groups)) < len(groups):
        raise ModelFileError("it has no groups, or one of them twice")
    return groups, by


def _by_index(parts: Any, name: str, groups: list[Key], kind: type) -> dict[int, Any]:
    """Return what is said of some groups."""
    found: dict[int, Any] = {}
    for key, said in entry(parts, name, dict).items():
        if not (key.isascii() and key.isdigit() and len(key) < 12 and int(key) < len(groups)):
            raise ModelFileError(f"its entry {name} is about a group that there is not")
        said = entry({name: said}, name, kind)
        found[int(key)] = entries({name: said}, name, str) if kind is list else said
    return found
