"""Files in object storage and on servers, by their addresses: s3://, gs://, memory://, https:// and others.

PyArrow reads s3, gs, abfs and hdfs by itself; all other kinds are those of fsspec. Parquet files are read where they are, other files
are read whole.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from pysmorch.missing import module_of_extra
from pysmorch.sources.source import SourceError

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)

OF_PYARROW = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
"""Kinds of addresses that PyArrow knows."""


def is_address(source: str) -> bool:
    """Whether a source is the address of a file, or of a folder, that is not on this machine's disks."""
    return ADDRESS.match(source) is not None and not os.path.exists(source)


def local_path(source: str) -> str:
    """Return the path that an address file:///... has; any other source as it is."""
    if not source.lower().startswith("file://"):
        return source
    parts = urlsplit(source)
    if parts.netloc not in ("", "localhost"):
        raise SourceError(
            f"{source}: the address of a file on this machine has three slashes, file:///folder/name, but this one names the host "
            f"{parts.netloc!r}"
        )
    return unquote(parts.path)


def open_address(address: str) -> Any:
    """Return an open file of PyArrow from which any bytes are read.

    Parameters
    ----------
    address : str
        Of a file.

    Returns
    -------
    pyarrow.NativeFile
        Open for reading.

    Raises
    ------
    FileNotFoundError, SourceError, ImportError
        There is no such file, it cannot be reached, or a library is missing.
    """
    with _reaching(address):
        system, path = _system_of(address)
        return system.open_input_file(path)


def is_folder(address: str) -> bool:
    """Whether an address is that of a folder; FileNotFoundError where there is nothing."""
    from pyarrow import fs

    with _reaching(address):
        system, path = _system_of(address)
        kind = system.get_file_info(path.rstrip("/")).type
    if kind == fs.FileType.NotFound:
        raise FileNotFoundError(f"{address}: no such file or folder")
    return bool(kind == fs.FileType.Directory)


def files_in(folder: str) -> list[str]:
    """Return the addresses of all files in a folder and in the folders in it, in the order of the alphabet."""
    from pyarrow import fs

    with _reaching(folder):
        system, path = _system_of(folder)
        infos = system.get_file_info(fs.FileSelector(path.rstrip("/"), recursive=True))
        start = path.rstrip("/") + "/"
        names = sorted(info.path.removeprefix("/" * (not path.startswith("/"))) for info in infos if info.is_file)
        return [f"{folder.rstrip('/')}/{name.removeprefix(start)}" for name in names]


def files_like(pattern: str) -> list[str]:
    """Return the addresses of the files that fit a pattern such as s3://bucket/2024-*/part-*.parquet, in the order of the alphabet.

    As in a shell `*` and `?` stand for letters of one name, and `**` for any folders.
    """
    parts = pattern.split("/")
    first = next(i for i, part in enumerate(parts) if i > 2 and glob.has_magic(part))
    folder = "/".join(parts[:first])
    wanted = parts[first:]
    return [file for file in files_in(folder) if _fits(file.split("/")[first:], wanted)]


def has_pattern(address: str) -> bool:
    """Whether names in an address have letters of a pattern; those of web addresses may be part of a query."""
    return not address.lower().startswith("http") and any(map(glob.has_magic, address.split("/")[3:]))


def _fits(names: list[str], wanted: list[str]) -> bool:
    if not wanted:
        return not names
    if wanted[0] == "**":
        return any(_fits(names[i:], wanted[1:]) for i in range(len(names) + 1))
    return bool(names) and fnmatch.fnmatchcase(names[0], wanted[0]) and _fits(names[1:], wanted[1:])


def name_of(address: str) -> str:
    """Return the last name in an address."""
    return PurePosixPath(urlsplit(address).path or address).name


def _system_of(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and its path there."""
    from pyarrow import fs

    kind = address.partition("://")[0].lower()
    if kind in OF_PYARROW:
        return fs.FileSystem.from_uri(address)
    core = module_of_extra("fsspec.core", f"addresses that begin with {kind}:// need fsspec", "remote")
    system, path = core.url_to_fs(address)
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path


@contextmanager
def _reaching(address: str) -> Iterator[None]:
    """Say what an address is where it cannot be read."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{address}: no such file or folder") from None
    except ImportError as error:
        raise ImportError(f"{address}: {' '.join(str(error).split())}") from error
    except SourceError:
        raise
    except Exception as error:  # file systems of others raise what they like
        if isinstance(error, (pa.ArrowException, OSError, ValueError)) or type(error).__module__.split(".")[0] in (
            "aiohttp",
            "botocore",
            "gcsfs",
            "s3fs",
        ):
            reason = " ".join(str(error).split()) or type(error).__name__
            raise SourceError(f"{address}: cannot be read ({reason})") from None
        raise
