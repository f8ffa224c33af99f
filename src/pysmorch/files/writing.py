"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any, BinaryIO

from pysmorch.files.tensors import pieces_of

LOCKS: Any = import_module("fcntl") if os.name == "posix" else None
"""The module for locks on files, None on Windows."""

LONGEST = 200
"""Bytes of a file's name that are in the name of its temporary file; of a longer one it is a digest."""


def check_writable(path: str | Path) -> Path:
    """Return the path if a file can be put there, or say why not; nothing is written.

    "~" is the home folder, and of a symbolic link it is the file to which it leads.
    """
    path = Path(os.path.expanduser(path))
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:  # such as a name that is too long
        raise OSError(error.errno, f"{path} cannot be written: {error.strerror}; name another file") from None
    if path.is_symlink():
        try:
            path = path.resolve()
        except RuntimeError:
            raise OSError(errno.ELOOP, f"{path} is a link that leads to itself; name a file") from None
    folder = path.parent
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file")
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path} is not a regular file; name another")
    if not folder.is_dir():
        raise FileNotFoundError(f"the folder {folder} for {path.name} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"the folder {folder} for {path.name} is not writable")
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"{path} is write-protected; name another file, or make it writable")
    return path


def try_to_write(path: Path) -> None:
    """Make the temporary file that is made when a file is written, and remove it; OSError says why that is not possible."""
    try:
        with _temporary(path):
            pass
    except OSError as error:
        raise OSError(error.errno, f"{path} cannot be written: {error.strerror}; name another file") from None


def write_whole(
    path: str | Path, write: Callable[[BinaryIO], object], check: Callable[[BinaryIO], object] | None = None
) -> None:
    """Write a file atomically, also when the power fails; an older file stays until then.

    `write` is called with a temporary file in the same folder, which then replaces `path`, or the file to which that links. Before
    that `check` is called with what was written. Temporary files that a killed process has left are removed.

    Raises OSError when the file cannot be written; the message says whether an older one is still there.
    """
    path = check_writable(path)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask()
    replaced = False
    try:
        _remove_left(path)
        with _temporary(path) as (file, temporary):
            write(file)
            file.flush()
            os.fsync(file.fileno())
            if check is not None:
                file.seek(0)
                check(file)
            os.chmod(temporary, mode)
            if LOCKS is None:
                file.close()  # an open file cannot be renamed there
            os.replace(temporary, path)
            replaced = True
    except OSError as error:
        if not replaced:  # else all is written and flushed, whatever is said when it is closed
            raise OSError(error.errno, f"{path} could not be written: {_reason(error)}; nothing was changed") from error
    try:
        _sync_folder(path.parent)
    except OSError as error:
        raise OSError(
            error.errno, f"{path} was written, but whether it outlasts a loss of power is not known: {_reason(error)}"
        ) from error


def write_flushed(file: BinaryIO, content: memoryview) -> None:
    """Write into a file in pieces, and flush each to the disk before the next: while much is flushed, Python answers no signal."""
    for i, piece in enumerate(pieces_of(content)):
        if i > 0:
            file.flush()
            os.fsync(file.fileno())
        write_all(file, piece)


def write_all(file: IO[bytes], content: memoryview) -> None:
    """Write into an open file, in pieces; one without a buffer, such as a pipe, may take only a part of one."""
    for piece in pieces_of(content):
        if not isinstance(file, io.RawIOBase):
            file.write(bytes(piece))
            continue
        left = piece
        while len(left):
            written = file.write(left)
            if not written:
                raise BlockingIOError(errno.EAGAIN, "the file takes no more now; open it so that writing waits")
            left = left[written:]


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[BinaryIO, str]]:
    """Make an empty file beside another one, and remove it at the end unless it was renamed.

    It is locked as long as its process lives, so that others know that it is not left over.
    """
    while True:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path), suffix=".tmp")
        if LOCKS is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                LOCKS.flock(descriptor, LOCKS.LOCK_EX)
        if LOCKS is None or os.path.exists(temporary):
            break
        os.close(descriptor)  # another process took it for left over before it was locked
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file, temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def lock_at_once(file: int | IO[Any]) -> bool:
    """Lock an open file or folder until it is closed, without waiting; return whether no other process has locked it.

    A system or a file system without locks locks nothing.
    """
    if LOCKS is not None:
        try:
            LOCKS.flock(file, LOCKS.LOCK_EX | LOCKS.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
    return True


def _remove_left(path: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote this file: those that nobody has locked."""
    if LOCKS is None:
        return
    for name in glob.glob(glob.escape(str(path.parent / _prefix(path))) + "????????.tmp"):
        with contextlib.suppress(OSError), open(name, "rb") as file:
            LOCKS.flock(file, LOCKS.LOCK_EX | LOCKS.LOCK_NB)
            os.unlink(name)


def _prefix(path: Path) -> str:
    name = os.fsencode(path.name)
    return f".{path.name if len(name) <= LONGEST else hashlib.sha256(name).hexdigest()}."


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


def _sync_folder(folder: Path) -> None:
    """Make the new name last; systems that cannot open a folder have no need of it."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
