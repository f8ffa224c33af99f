"""Temporary files without names, which are gone with the process."""

from __future__ import annotations

import os
import shutil
import tempfile
from io import BufferedRandom, FileIO

from pysmorch.sources.source import SourceError


def temporary_file(size: int, name: str, times: int = 1) -> TemporaryFile:
    """Return an open file without a name, after a check that there is space.

    Parameters
    ----------
    size : int
        Bytes that will be written to it.
    name : str
        What needs it, in a message.
    times : int, default=1
        How many such files there are to be at a time.

    Returns
    -------
    TemporaryFile
        Open for reading and writing.

    Raises
    ------
    SourceError
        There is too little space.
    """
    folder, needed = tempfile.gettempdir(), times * size
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SourceError(
            f"{name}: it is larger than the memory, and reading it block by block needs {needed / 1e9:.1f} GB on a disk, but {folder} "
            f"has {free / 1e9:.1f} GB left; set TMPDIR to a folder with more"
        )
    with tempfile.TemporaryFile() as file:
        return TemporaryFile(_ClosedAtTheEnd(os.dup(file.fileno()), "rb+"))


class _ClosedAtTheEnd(FileIO):
    """A file that is closed without a warning when nothing refers to it any more."""

    def __del__(self) -> None:
        self.close()


class TemporaryFile(BufferedRandom):
    """An open file that is closed without a warning when nothing refers to it any more.

    `fill` and `write_at` go past its buffer, and several threads may call them.
    """

    def __del__(self) -> None:
        self.close()

    def fill(self, view: memoryview, offset: int) -> None:
        """Read bytes from an offset on until a view of memory is full.

        Parameters
        ----------
        view : memoryview
            Of bytes.
        offset : int
            Where they begin in the file.

        Raises
        ------
        OSError
            The file ends before.
        """
        descriptor = self.fileno()
        while len(view):
            count = os.preadv(descriptor, [view], offset)
            if count == 0:
                raise OSError(f"a temporary file ends at byte {offset}, before all rows that were written to it")
            view, offset = view[count:], offset + count

    def write_at(self, view: memoryview, offset: int) -> None:
        """Write bytes from an offset on.

        Parameters
        ----------
        view : memoryview
            Of bytes.
        offset : int
            Where they begin in the file.

        Raises
        ------
        OSError
            There is no more space; says what helps.
        """
        descriptor = self.fileno()
        while len(view):
            try:
                count = os.pwrite(descriptor, view, offset)
            except OSError as error:
                raise OSError(
                    error.errno,
                    f"a temporary file in {tempfile.gettempdir()} could not be written at {offset / 1e9:.1f} GB: {error.strerror}; "
                    "set TMPDIR to a folder with more space",
                ) from None
            view, offset = view[count:], offset + count
