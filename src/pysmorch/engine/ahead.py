"""Reading ahead: a thread makes the next piece of data while the one before it is worked on."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from contextvars import copy_context
from queue import Empty, Queue
from typing import Any, TypeVar

T = TypeVar("T")

_END = object()


def ahead(items: Iterable[T]) -> Generator[T]:
    """Go through items that a thread makes, one item early.

    The order is that of the items, so that a result does not depend on the thread. It ends with the last item, with what making one
    raises, or when the iterator is closed, after the item that it is making then.

    Parameters
    ----------
    items : iterable
        Made in the thread; at most three of them are in memory.

    Yields
    ------
    object
        Each of them.
    """
    made: Queue[Any] = Queue(maxsize=1)
    stopped = threading.Event()
    failures: list[BaseException] = []

    def make() -> None:
        try:
            for item in items:
                made.put(item)
                if stopped.is_set():
                    return
        except BaseException as error:
            failures.append(error)
        made.put(_END)

    # What is set for this thread, such as how much memory reading may take, holds in the other one too.
    thread = threading.Thread(target=copy_context().run, args=(make,), name="reading ahead", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not _END:
            yield item
            del item  # its memory is free while the next one is waited for
        if failures:
            raise failures[0]
    finally:
        failures.clear()  # an exception and a list that its traceback refers to would keep each other
        stopped.set()
        while thread.is_alive():
            try:
                made.get(timeout=0.01)
            except Empty:
                continue
        thread.join()
