"""A fork waits for the products of NumPy that other threads are computing.

OpenBLAS ends its threads before a fork: a product that waits for them would never end, and in the child its locks would stay locked.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WAIT = 10.0
"""Seconds, after which a process forks nevertheless: a product may itself be waiting for the thread that forks."""

_multiplying: set[int] = set()
_forking = threading.Lock()


@contextmanager
def no_fork() -> Iterator[None]:
    """Inside this context a thread computes products, and others do not fork the process."""
    thread = threading.get_ident()
    if thread in _multiplying:  # a layer that predicts with another network
        yield
        return
    with _forking:
        _multiplying.add(thread)
    try:
        yield
    finally:
        _multiplying.discard(thread)


def _before() -> None:
    _forking.acquire()
    end = time.monotonic() + LONGEST_WAIT
    while _multiplying - {threading.get_ident()} and time.monotonic() < end:
        time.sleep(1e-4)


def _in_child() -> None:
    _multiplying.intersection_update({threading.get_ident()})
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_forking.release, after_in_child=_in_child)
