"""How many threads a program may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

CPU_MAX = "/sys/fs/cgroup/cpu.max"
"""The CPU quota of a container on Linux: microseconds, or "max", and the period in microseconds."""

_chosen: int | None = None
_limit: int | None = None
"""Set by threadpoolctl."""
_of_context: ContextVar[int | None] = ContextVar("threads of a context", default=None)


def set_num_threads(count: int | None) -> None:
    """Let programs use at most this many threads from now on.

    Parameters
    ----------
    count : int or None
        From 1 to 1024; None for what the environment says: PYSMORCH_NUM_THREADS, else the cores of the process, but no more than
        the container's quota and OMP_NUM_THREADS.

    Raises
    ------
    ValueError
        For anything else.

    Notes
    -----
    No result depends on the number of threads.

    Examples
    --------
    >>> set_num_threads(2)
    >>> set_num_threads(None)
    """
    global _chosen
    _chosen = None if count is None else check_threads("count", count)


@contextmanager
def using_threads(count: int | None) -> Iterator[None]:
    """Inside this context programs use at most `count` threads; None changes nothing."""
    token = _of_context.set(_of_context.get() if count is None else count)
    try:
        yield
    finally:
        _of_context.reset(token)


def num_threads(wanted: int | None = None) -> int:
    """Return how many threads a program may use: those that are wanted, where they are.

    Otherwise that is what the context of `using_threads` says, else what `set_num_threads` said, else the environment variable
    PYSMORCH_NUM_THREADS, else the cores that this process may run on, but no more than the container's quota and OMP_NUM_THREADS
    (joblib sets the latter in its processes); and no more than `threadpoolctl.threadpool_limits` allows.
    """
    if wanted is not None:
        return wanted
    of_context = _of_context.get()
    if of_context is not None:
        return of_context
    count = _chosen or _of_environment()
    return count if _limit is None else min(count, _limit)


def limit_num_threads(count: int) -> None:
    """Let programs use at most this many threads, whatever else was said; as many as they would use ends a limit.

    Parameters
    ----------
    count : int
        At least 1.
    """
    global _limit
    _limit = None
    if count < num_threads():
        _limit = count


def _of_environment() -> int:
    wanted = _positive(os.environ.get("PYSMORCH_NUM_THREADS"))
    if wanted:
        return wanted
    quota = cpu_quota()
    limits = (quota and max(1, round(quota)), _positive(os.environ.get("OMP_NUM_THREADS")))
    return min([usable_cores(), *(limit for limit in limits if limit)])


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_quota() -> float | None:
    """Return how many cores' time the container may use, None where there is no limit."""
    try:
        with open(CPU_MAX) as file:
            limit, period = file.read().split()
    except (OSError, ValueError):
        return None
    return None if limit == "max" else int(limit) / int(period)


def check_threads(argument: str, count: Any) -> int:
    """Return a number of threads as an int, or raise ValueError where it is none."""
    if isinstance(count, bool) or not hasattr(count, "__index__") or not 1 <= int(count) <= 1024:
        raise ValueError(f"{argument} must be from 1 to 1024, but is {count!r}")
    return int(count)


def _positive(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
