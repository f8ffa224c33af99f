"""How much memory there is, which decides whether a table is read whole or block by block, and how little of it is reserved."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path


def address_limit() -> int | None:
    """Return the bytes of address space that this process may have, as `ulimit -v` sets them; None without a limit."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else int(soft)


def available_memory() -> int:
    """Return how many bytes this process may still take: what is free, and what its limits leave."""
    left = [_free_memory()]
    limit = address_limit()
    if limit is not None:
        left.append(limit - _address_space())
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        left.append(int(Path("/sys/fs/cgroup/memory.max").read_text()) - _address_space(resident=True))
    return max(0, min(left))


def _free_memory() -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return sys.maxsize


def _address_space(resident: bool = False) -> int:
    """Return the bytes that this process has of address space, or of memory; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[resident]) * os.sysconf("SC_PAGE_SIZE")
    return 0


M_MMAP_THRESHOLD, LARGE = -3, 2**17
"""A parameter of glibc's `malloc`, and the bytes from which what is freed goes back to the system at once."""


def spare_address_space() -> None:
    """Where address space is limited, let PyArrow, when it is loaded, not reserve 1 GiB at once, and give back large blocks.

    By itself glibc keeps blocks of up to 32 MiB once such have been freed, and small ones that lie between them keep it from using
    the space again.
    """
    if address_limit() is not None:
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
        with contextlib.suppress(AttributeError, OSError):  # other libraries of C
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
