"""Tasks done by several processes; one that ends, or does not come to an end, costs nobody else anything."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

TRIES = 2
"""How many processes try a task before it is given up."""


class Lost(RuntimeError):
    """The processes that did a task have ended or were stopped before it was done; the message says how."""


def do_all(
    function: Callable[[Any], Any], tasks: Sequence[Any], jobs: int, time_limit: float
) -> Iterator[tuple[int, Any]]:
    """Do tasks in several processes.

    Parameters
    ----------
    function : callable
        Does one task; it and the tasks can be pickled.
    tasks : sequence
        What it is called with.
    jobs : int
        How many processes there are.
    time_limit : float
        Seconds for one task, after which its process is ended.

    Yields
    ------
    tuple of (int, Any)
        The index of a task, and what the function has returned, or the exception that it has raised; `Lost` where processes
        were lost. In the order in which they are done.
    """
    waiting = deque((index, 1) for index in range(len(tasks)))
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.task is not None for worker in workers):
            while waiting and len(workers) < jobs:
                workers.append(_Worker(function))
            for worker in workers:
                if worker.task is None and waiting:
                    worker.give(waiting.popleft(), tasks)
            wait([worker.connection for worker in workers if worker.task is not None], timeout=1.0)
            for worker in list(workers):
                if worker.task is None:
                    continue
                index, tried = worker.task
                done, result = worker.look(time_limit)
                if done and isinstance(result, Lost):
                    workers.remove(worker)
                    worker.end()
                    if tried < TRIES:
                        waiting.append((index, tried + 1))
                        continue
                if done:
                    yield index, result
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """A process that does one task after the other."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        context = multiprocessing.get_context("spawn")  # a copy of a process with threads may never go on
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_work, args=(function, other), daemon=True)
        self.process.start()
        other.close()
        self.task: tuple[int, int] | None = None
        self.began = 0.0

    def give(self, task: tuple[int, int], tasks: Sequence[Any]) -> None:
        """Give it the task with an index; how often it was tried comes with it."""
        self.task, self.began = task, time.monotonic()
        with contextlib.suppress(OSError):  # where it has ended, `look` says so
            self.connection.send(tasks[task[0]])

    def look(self, time_limit: float) -> tuple[bool, Any]:
        """Return whether its task is done, and the result."""
        result: Any = None
        try:
            if self.connection.poll():
                result = self.connection.recv()
            elif time.monotonic() - self.began < time_limit:
                return False, None
            else:
                result = Lost(f"it did not come to an end within {time_limit:g} seconds")
        except (EOFError, OSError):
            self.process.join(timeout=5)
            result = Lost(f"it ended the grader's process (exit code {self.process.exitcode})")
        self.task = None
        return True, result

    def end(self) -> None:
        """End the process."""
        self.connection.close()
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


def _work(function: Callable[[Any], Any], connection: Connection) -> None:
    """Do tasks until the other end of the connection is closed, as it is when its process was killed."""
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            task = connection.recv()
            try:
                result: Any = function(task)
            except Exception as error:
                result = error
            connection.send(result)
    os._exit(0)
