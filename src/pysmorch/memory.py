"""How much memory there is, which decides whether a table is read whole or block by block, and how little of it is reserved."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from functools import cache
from pathlib import Path

SMALLEST_BUFFER = 2**20

GROUPS = Path("/sys/fs/cgroup")
"""Where Linux has the control groups, whose limits containers and services have."""


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
    for file in _files_of_limits():
        with contextlib.suppress(OSError, ValueError):  # "max" is no number
            left.append(int(file.read_text()) - _address_space(resident=True))
    return max(0, min(left))


def buffer_size(most: int) -> int:
    """Return the bytes of a buffer for data that are read piece by piece; no result depends on them.

    Parameters
    ----------
    most : int
        So many are as quick as more.

    Returns
    -------
    int
        At most a sixteenth of the memory that is left, since there are several such buffers at a time.
    """
    return min(most, max(SMALLEST_BUFFER, available_memory() // 16))


@cache
def _files_of_limits() -> list[Path]:
    """Return the files with the limits of this process's control group and of those that it is in, as far as they are to be seen."""
    files = [GROUPS / "memory.max", GROUPS / "memory" / "memory.limit_in_bytes"]
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            folders = [Path(path.lstrip("/")), *Path(path.lstrip("/")).parents]
            if number == "0":
                files += [GROUPS / folder / "memory.max" for folder in folders]
            elif "memory" in controllers.split(","):
                files += [GROUPS / "memory" / folder / "memory.limit_in_bytes" for folder in folders]
    return [file for file in dict.fromkeys(files) if file.exists()]


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


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Parameters of glibc's `malloc`."""

LARGE, SPARE = 2**20, 2**23
"""Bytes from which what is freed goes back to the system at once, and those of smaller blocks that stay for the next ones. Less would
take longer: each block of a table that is read would need new pages of the system."""


def spare_address_space() -> None:
    """Where address space is limited, let PyArrow, when it is loaded, not reserve 1 GiB at once, and give back large blocks.

    By itself glibc keeps blocks of up to 32 MiB once such have been freed, and small ones that lie between them keep it from using
    the space again. For each thread it reserves 64 MiB of address space more.
    """
    if address_limit() is not None:
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
        with contextlib.suppress(AttributeError, OSError):  # other libraries of C
            set_parameter = ctypes.CDLL(None).mallopt
            set_parameter(M_MMAP_THRESHOLD, LARGE)
            set_parameter(M_TRIM_THRESHOLD, SPARE)
            set_parameter(M_ARENA_MAX, 1)


def return_free_memory() -> None:
    """Let the C library give the system what has been freed; glibc keeps it otherwise, for each thread by itself."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # other libraries of C, and Windows
        ctypes.CDLL(None).malloc_trim(0)
