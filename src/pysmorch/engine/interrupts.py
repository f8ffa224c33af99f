"""Short pieces of work that no signal may interrupt."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


PATIENCE = 0.5
"""Seconds for which a signal waits for work that may be given up."""


@dataclass
class Held:
    """Signals that wait.

    Attributes
    ----------
    handlers : dict of int to callable
        What Python calls for each signal.
    waiting : list of int
        The signals that came.
    since : float
        When the first one came.
    """

    handlers: dict[int, Callable[[int, FrameType | None], Any]]
    waiting: list[int] = field(default_factory=list)
    since: float = 0.0

    def hold(self, number: int, frame: FrameType | None) -> None:
        """Let a signal wait."""
        if not self.waiting:
            self.since = time.monotonic()
        self.waiting.append(number)


_giving_up: list[Held] = []
"""Of the contexts whose work may be given up, the innermost last."""


@contextmanager
def without_interrupts(may_give_up: bool = False) -> Iterator[None]:
    """Inside this context signals wait for its end, because what is done by half would be wrong.

    With `may_give_up` they wait for `PATIENCE`, and then until `answer_interrupts` is called.
    """
    if threading.current_thread() is not threading.main_thread():  # only there Python handles signals
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    held = Held({number: handler for number, handler in before.items() if callable(handler)})
    try:
        for number in held.handlers:
            signal.signal(number, held.hold)
        if may_give_up:
            _giving_up.append(held)
        yield
    finally:
        if may_give_up:
            _giving_up.pop()
        for number, handler in held.handlers.items():
            signal.signal(number, handler)
        for number in held.waiting:
            signal.raise_signal(number)


def answer_interrupts() -> None:
    """Handle a signal that has waited for long where work may be given up: it may raise KeyboardInterrupt or another exception."""
    held = _giving_up[-1] if _giving_up else None
    if held is None or not held.waiting or time.monotonic() - held.since < PATIENCE:
        return
    if threading.current_thread() is threading.main_thread():
        number = held.waiting.pop(0)
        held.handlers[number](number, None)


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
