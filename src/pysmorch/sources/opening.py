"""Opening files: regular ones, pipes and standard input; packed ones are known by their first bytes, not by their ending."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pysmorch.sources.source import SourceError

PACKINGS = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}
"""The first bytes of packed files."""

STANDARD_INPUT = ("-", "/dev/stdin")


@dataclass(frozen=True)
class File:
    """An open file.

    Attributes
    ----------
    path : str
        Where it is, as it was given; what messages call it.
    unpacked : bytes or None
        The content where it was packed, or came through a pipe; None for a file that is read where it is.
    piped : bool
        Whether it can be read only once.
    """

    path: str
    unpacked: bytes | None
    piped: bool

    @property
    def name(self) -> str:
        """The last part of the path."""
        return Path(self.path).name

    def content(self) -> bytes:
        """Return all bytes, unpacked."""
        return Path(self.path).read_bytes() if self.unpacked is None else self.unpacked

    def stream(self) -> BinaryIO:
        """Return what the bytes can be read from piece by piece."""
        return open(self.path, "rb") if self.unpacked is None else io.BytesIO(self.unpacked)

    def head(self, size: int) -> bytes:
        """Return the first bytes."""
        with self.stream() as stream:
            return stream.read(size)


def is_pipe(path: str) -> bool:
    """Whether a path stands for standard input, or for a pipe such as <(zcat data.gz) of a shell."""
    return path in STANDARD_INPUT or (os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path))


def open_file(path: str) -> File:
    """Open a file and unpack it if it is packed.

    Raises SourceError when it is empty, or packed and damaged.
    """
    piped = is_pipe(path)
    if piped:
        standard = path in STANDARD_INPUT
        content = sys.stdin.buffer.read() if standard else Path(path).read_bytes()
        path = "standard input" if standard else path
        start = content[:10]
    else:
        with open(path, "rb") as stream:
            start = stream.read(10)
    if not start:
        raise SourceError(f"{path}: the file is empty")
    packing = next((packing for packing, magic in PACKINGS.items() if magic.match(start)), None)
    if packing is None:
        return File(path, content if piped else None, piped)
    unpacked = _unpack(path, packing, content if piped else Path(path).read_bytes())
    if not unpacked:
        raise SourceError(f"{path}: the file that is packed in it is empty")
    return File(path, unpacked, piped)


def open_unpacked(path: str) -> tuple[BinaryIO, bool]:
    """Return what reads a regular file piece by piece, unpacked if it is packed, and whether it is."""
    with open(path, "rb") as stream:
        start = stream.read(10)
    packing = next((packing for packing, magic in PACKINGS.items() if magic.match(start)), None)
    if packing == "zstd":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.OSFile(path), packing), True
    opener: Any = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open, None: open}[packing]
    return opener(path, "rb"), packing is not None


def _unpack(path: str, packing: str, content: bytes) -> bytes:
    try:
        if packing == "gzip":
            return gzip.decompress(content)
        if packing == "bz2":
            return bz2.decompress(content)
        if packing == "xz":
            return lzma.decompress(content)
        import pyarrow as pa

        with pa.CompressedInputStream(pa.BufferReader(content), packing) as stream:
            return bytes(stream.read())
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        reason = " ".join(str(error).split())
        raise SourceError(f"{path}: damaged or truncated {packing} file ({reason})") from None
