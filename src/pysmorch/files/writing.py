"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def check_writable(path: str | Path) -> Path:
    """Return the path if a file can be put there, or say why not; nothing is written.

    "~" is the home folder, and of a symbolic link it is the file to which it leads.
    """
    path = Path(path).expanduser()
    if path.is_symlink():
        path = path.resolve()
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


def write_whole(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file atomically, also when the power fails; an older file stays until then.

    `write` is called with a temporary file in the same folder, which then replaces `path`, or the file to which that links.

    Raises OSError when the file cannot be written; nothing has changed then.
    """
    path = check_writable(path)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask()
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, mode)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(error.errno, f"{path} could not be written: {reason}; nothing was changed") from error


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
