"""Short pieces of work that no signal may interrupt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Inside this context signals wait for its end, because what is done by half would be wrong."""
    if threading.current_thread() is not threading.main_thread():  # only there Python handles signals
        yield
        return
    waiting: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = {number: handler for number, handler in before.items() if callable(handler)}
    try:
        for number in taken:
            signal.signal(number, lambda number, frame: waiting.append(number))
        yield
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
        for number in waiting:
            signal.raise_signal(number)


@contextmanager
def ended_by_exit() -> Iterator[None]:
    """Inside this context a signal that would end the process at once raises SystemExit, so that what is there can be written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _exit(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)
