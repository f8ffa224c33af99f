"""Opening files: regular ones, pipes and standard input; packed ones are known by their first bytes, not by their ending."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from pysmorch.entries import list_names
from pysmorch.sources.addresses import is_address, open_address
from pysmorch.sources.limits import check_memory, read_bounded
from pysmorch.sources.source import SourceError

PACKINGS = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}
"""The first bytes of packed files."""

IDX_START = b"\0\0\x08"
"""Of an idx file of bytes."""

MAX_IDX_HEADER = 4 + 4 * 255
"""Bytes before those of the images: the sizes of at most 255 axes."""

ZIP = b"PK\x03\x04"
OF_SYSTEMS = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$)|/$")
"""Members of a zip archive that are no data: folders, and what file managers add."""

MOST_PACKINGS = 2
"""So often files are packed in each other, as table.csv.gz in a zip archive; archives can hold themselves."""

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
        Whether it is read only once: through a pipe, or from an address.
    """

    path: str
    unpacked: bytes | None
    piped: bool

    @property
    def name(self) -> str:
        """The last part of the path."""
        return Path(self.path).name

    @property
    def size(self) -> int:
        """The bytes of the content."""
        return os.path.getsize(self.path) if self.unpacked is None else len(self.unpacked)

    def content(self) -> bytes:
        """Return all bytes, unpacked."""
        if self.unpacked is not None:
            return self.unpacked
        check_memory(self.size, self.path)
        return Path(self.path).read_bytes()

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
    remote = is_address(path)
    piped = remote or is_pipe(path)
    if piped:
        standard = path in STANDARD_INPUT
        with nullcontext(sys.stdin.buffer) if standard else open_address(path) if remote else open(path, "rb") as pipe:
            path = "standard input" if standard else path
            content = read_bounded(pipe, path)
        start = content[:10]
    else:
        with open(path, "rb") as stream:
            start = stream.read(10)
    if not start:
        raise SourceError(f"{path}: the file is empty")
    packed = content if piped else None
    for _ in range(MOST_PACKINGS):
        unpacked = _unpacked(path, start, packed)
        if unpacked is None:
            break
        if not unpacked:
            raise SourceError(f"{path}: the file that is packed in it is empty")
        packed, start = unpacked, unpacked[:10]
    return File(path, packed, piped)


def _unpacked(path: str, start: bytes, content: bytes | None) -> bytes | None:
    """Return what is packed in a file, or in its content where that was read; None for a file that is not packed."""
    if start.startswith(ZIP):
        return _only_member(path, path if content is None else io.BytesIO(content))
    packing = _packing_of(start)
    return None if packing is None else _unpack(path, packing, Path(path).read_bytes() if content is None else content)


def _packing_of(start: bytes) -> str | None:
    return next((packing for packing, magic in PACKINGS.items() if magic.match(start)), None)


def _only_member(path: str, archive: str | BinaryIO) -> bytes | None:
    """Return the file that a zip archive holds; None for .npz and .xlsx files, which are archives themselves."""
    with _zip_errors(path), zipfile.ZipFile(archive) as opened:
        name = _name_of_member(path, opened)
        if name is None:
            return None
        with opened.open(name) as member:
            return read_bounded(member, f"{path}: the file that is packed in it", opened.getinfo(name).compress_size)


def _name_of_member(path: str, opened: zipfile.ZipFile) -> str | None:
    names = opened.namelist()
    if "[Content_Types].xml" in names or (names and all(name.endswith(".npy") for name in names)):
        return None
    names = [name for name in names if not OF_SYSTEMS.search(name)]
    if len(names) != 1:
        found = f"{len(names)} files, {list_names(names, 3)}" if names else "no files"
        raise SourceError(
            f"{path} is a zip archive with {found}; an archive with one file is read; unpack this one first"
        )
    return names[0]


@contextmanager
def _zip_errors(path: str) -> Iterator[None]:
    """Say what is wrong with a zip archive."""
    try:
        yield
    except SourceError:
        raise
    except NotImplementedError as error:
        raise SourceError(f"{path}: a zip archive that cannot be unpacked here ({error}); unpack it first") from None
    except RuntimeError:
        raise SourceError(f"{path}: a zip archive with a password; unpack it first") from None
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise SourceError(f"{path}: a damaged or truncated file, zip archive, .npz or .xlsx ({error})") from None


def open_unpacked(path: str) -> tuple[BinaryIO, bool]:
    """Return what reads a regular file piece by piece, unpacked if it is packed, and whether it is."""
    with open(path, "rb") as stream:
        start = stream.read(10)
    if start.startswith(ZIP):
        member = _stream_of_member(path)
        return (open(path, "rb"), False) if member is None else (member, True)
    packing = _packing_of(start)
    if packing == "zstd":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.OSFile(path), packing), True
    opener: Any = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open, None: open}[packing]
    return opener(path, "rb"), packing is not None


def _stream_of_member(path: str) -> BinaryIO | None:
    """Return what reads the file that a zip archive holds; None for .npz and .xlsx files, and for files that are packed again."""
    with _zip_errors(path):
        opened = zipfile.ZipFile(path)
        name = _name_of_member(path, opened)
        member: Any = None if name is None else opened.open(name)
        opened.close()  # the member has the file open itself
        if member is not None and _packing_of(member.read(10)) is None:
            member.seek(0)
            return member
        return None


def _unpack(path: str, packing: str, content: bytes) -> bytes:
    source = io.BytesIO(content)
    try:
        with _unpacking(source, packing) as stream:
            start = stream.read(MAX_IDX_HEADER)
            if start[:3] == IDX_START:  # it says how large it is
                size = idx_size(start)[1]
                check_memory(size, f"{path}: the file that is packed in it", len(content))
                return start + bytes(stream.read(max(0, size - len(start)) + 1))
            return start + read_bounded(stream, f"{path}: the file that is packed in it", len(content))
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, SourceError):
            raise
        reason = " ".join(str(error).split())
        raise SourceError(f"{path}: damaged or truncated {packing} file ({reason})") from None


def _unpacking(source: BinaryIO, packing: str) -> Any:
    """Return a stream that unpacks what is read from it."""
    if packing == "gzip":
        return gzip.GzipFile(fileobj=source)
    if packing == "bz2":
        return bz2.BZ2File(source)
    if packing == "xz":
        return lzma.LZMAFile(source)
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(source, "r"), packing)


def idx_size(start: bytes) -> tuple[list[int], int]:
    """Return the sizes of the axes of an idx file of bytes, and the size of the file, from its first bytes."""
    end = 4 + 4 * start[3]
    sizes = [int.from_bytes(start[i : i + 4], "big") for i in range(4, end, 4)]
    return sizes, end + prod(sizes)
