"""How much memory the reading of a file may take, checked before it is taken."""

from __future__ import annotations

import io
from contextvars import ContextVar
from typing import IO

from pysmorch.memory import available_memory
from pysmorch.sources.source import SourceError

SHARE = 0.75
"""Of the memory that is left, what reading may take where nobody has said otherwise."""

MOST_PACKED, SMALL = 100, 2**29
"""What is packed in a file may be so many times its size, unless it is small: tables are packed to a tenth, seldom to a hundredth."""

PIECE = 2**20
"""Bytes that are unpacked at a time."""

_chosen: ContextVar[int | None] = ContextVar("memory that reading may take", default=None)


def set_max_memory(size: int | None) -> None:
    """Let the reading of files take this many bytes.

    Parameters
    ----------
    size : int or None
        For the content of a file; None for three quarters of what the machine has left.
    """
    _chosen.set(size)


def memory_limit() -> int:
    """Return the bytes that reading may take."""
    chosen = _chosen.get()
    return int(SHARE * available_memory()) if chosen is None else chosen


def check_memory(size: float, what: str, packed: int | None = None) -> None:
    """Raise SourceError where something is larger than what reading may take.

    Parameters
    ----------
    size : float
        Bytes that it takes.
    what : str
        What a message says of it.
    packed : int, default=None
        Its bytes in the file where it is packed: what is packed to almost nothing is refused, as a decompression bomb, unless the
        limit was chosen.
    """
    limit = memory_limit()
    if size > limit:
        raise SourceError(
            f"{what} takes {_said(size)} of memory, but {_said(limit)} may be taken; read a part of it, or see --max-memory"
        )
    if _chosen.get() is None and packed is not None and size > SMALL and size > MOST_PACKED * packed:
        raise SourceError(
            f"{what} unpacks to {_said(size)} or more, over {MOST_PACKED} times its size, as a decompression bomb does; if that "
            "is right, say so with --max-memory"
        )


def read_bounded(stream: IO[bytes], what: str, packed: int | None = None) -> bytes:
    """Return all that a stream gives, piece by piece, so that too much is refused before it is unpacked.

    Parameters
    ----------
    stream : binary file
        A pipe, or what unpacks what is read.
    what : str
        What a message says of it.
    packed : int, default=None
        Its bytes in the file where it is packed.

    Returns
    -------
    bytes
        All of it.

    Raises
    ------
    SourceError
        It is too large.
    """
    content = io.BytesIO()
    while piece := stream.read(PIECE):
        content.write(piece)
        check_memory(content.tell(), what, packed)
    return content.getvalue()


def _said(size: float) -> str:
    """Return a number of bytes in the unit in which it is read easily."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
