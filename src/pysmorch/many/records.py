"""Where the models of all groups are: in a temporary file while they are trained, else in their file, or in memory."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysmorch.files import ModelFileError
from pysmorch.layers.base import Array

DIGEST = 32
"""Bytes of a SHA-256."""


class Content:
    """Bytes of which a part is read at a time, by any thread.

    Parameters
    ----------
    source : bytes-like or binary file
        In memory, or open for reading.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._in_memory = isinstance(source, (bytes, bytearray, memoryview))
        self._lock = threading.Lock()
        self.size: int = len(source) if self._in_memory else source.seek(0, os.SEEK_END)

    def __reduce__(self) -> tuple[Any, ...]:
        return Content, (self.read(0, self.size),)

    def read(self, first: int, last: int) -> bytes:
        """Return the bytes from one position to another; fewer where there are no more."""
        if self._in_memory:
            return bytes(self._source[first:last])
        with self._lock:
            self._source.seek(first)
            return bytes(self._source.read(last - first))


class Descriptor:
    """An open file without a buffer, closed when nothing refers to it any more, also where that is found in a circle of references.

    Parameters
    ----------
    descriptor : int
        Of the system; it is this object's from then on.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)

    @classmethod
    def of_path(cls, path: Any) -> Descriptor:
        """Open a file for reading."""
        return cls(os.open(os.path.expanduser(path), os.O_RDONLY | getattr(os, "O_BINARY", 0)))

    @classmethod
    def temporary(cls) -> Descriptor:
        """Open a file without a name."""
        with tempfile.TemporaryFile() as file:
            return cls(os.dup(file.fileno()))

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, and return it."""
        return os.lseek(self._descriptor, position, whence)

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer at the end of the file."""
        parts = []
        while size > 0 and (part := os.read(self._descriptor, size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def write(self, content: memoryview) -> None:
        """Write all bytes."""
        while len(content):
            content = content[os.write(self._descriptor, content) :]


class Records:
    """The model file of each group, one after the other, each with its digest.

    Parameters
    ----------
    content : Content
        Where they are.
    begins, ends : ndarray of int64, shape (R,)
        Where each begins and ends there; both are the same for a group without a model.
    digests : ndarray of uint8, shape (R, 32)
        The SHA-256 of each.
    """

    def __init__(self, content: Content, begins: Array, ends: Array, digests: Array) -> None:
        self.content, self.begins, self.ends, self.digests = content, begins, ends, digests

    def __len__(self) -> int:
        return len(self.begins)

    def has(self, index: int) -> bool:
        """Whether there is one."""
        return bool(self.begins[index] < self.ends[index])

    def read(self, index: int) -> bytes:
        """Return one; ModelFileError where it is not what was written."""
        content = self.content.read(int(self.begins[index]), int(self.ends[index]))
        if hashlib.sha256(content).digest() != self.digests[index].tobytes():
            raise ModelFileError("its checksum does not fit: the file was damaged or altered")
        return content

    @property
    def sizes(self) -> Array:
        """How many bytes each has."""
        return self.ends - self.begins


class Written:
    """Records that are appended in any order, by any thread, to a temporary file, which is gone when nothing refers to it.

    Parameters
    ----------
    count : int
        How many there may be.
    """

    def __init__(self, count: int) -> None:
        self._file = Descriptor.temporary()
        self._lock = threading.Lock()
        self._begins, self._ends = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self._digests = np.zeros((count, DIGEST), np.uint8)

    def append(self, index: int, content: memoryview) -> None:
        """Store the record of an index."""
        digest = np.frombuffer(hashlib.sha256(content).digest(), np.uint8)
        with self._lock:
            begin = self._file.seek(0, os.SEEK_END)
            self._file.write(content)
            self._begins[index], self._ends[index], self._digests[index] = begin, begin + len(content), digest

    def finish(self) -> Records:
        """Return them, to be read."""
        return Records(Content(self._file), self._begins, self._ends, self._digests)


def in_order(sizes: Sequence[int] | Array) -> tuple[Array, Array]:
    """Return where records of these sizes begin and end, one after the other."""
    ends = np.cumsum(np.asarray(sizes, np.int64))
    return ends - sizes, ends
