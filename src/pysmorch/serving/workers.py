"""Processes that answer requests: one, or several that share the memory of the model."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from pysmorch.serving.counters import Counters

SECONDS_TO_END = 30
"""For answers in flight, once the service is to end."""

SECONDS_FOR_HEADER = 10
"""For the header of a request to come, and for the next one on a connection."""

SECONDS_BETWEEN = 1.0
"""At least, between two new workers in place of those that have ended."""

CONNECTIONS = 4
"""So many times the requests in flight may be connections."""

STOPPING = (signal.SIGTERM, signal.SIGINT)

Serve = Callable[[int | None], None]


class BoundedProtocol(H11Protocol):
    """HTTP with a limit for the time in which the header of a request must come, however slowly its bytes do."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take bytes; what they leave unfinished has a limit."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._deadline is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._forget()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(SECONDS_FOR_HEADER, self.timeout_keep_alive_handler)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def server_of(app: Starlette, requests: int, parent: int | None = None) -> uvicorn.Server:
    """Return what serves an application: `server_of(app, 512).run(sockets=[listen(port)])`.

    Parameters
    ----------
    app : Starlette
        From `application`.
    requests : int
        How many may be in flight.
    parent : int, default=None
        The process that waits for this one: it ends as on SIGTERM when that is gone. None for a process of its own.

    Returns
    -------
    uvicorn.Server
        On SIGTERM it takes no more connections, finishes the answers in flight, and ends.
    """

    async def look_for_parent() -> None:
        if parent is not None and os.getppid() != parent:
            server.should_exit = True

    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        log_level="error",
        access_log=False,
        timeout_keep_alive=SECONDS_FOR_HEADER,
        timeout_graceful_shutdown=SECONDS_TO_END,
        limit_concurrency=CONNECTIONS * requests,
        server_header=False,
        callback_notify=look_for_parent,
        timeout_notify=1,
    )
    server = uvicorn.Server(config)
    return server


def run(serve: Serve, counters: Counters, workers: int, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, in this process or in several that are copies of it.

    Parameters
    ----------
    serve : callable
        Serves until it gets one of these signals, or the process is gone whose number it is given.
    counters : Counters
        With as many workers.
    workers : int
        How many processes; 1 is this one.
    say : callable
        Is told of workers that have ended by themselves.
    """
    if workers == 1:
        with suppress(KeyboardInterrupt):
            serve(None)
        return
    gc.collect()
    gc.freeze()  # objects that no collection touches stay in memory that all workers share
    _Workers(serve, counters, workers, say).run()


class _Workers:
    """The processes that serve, and the one that waits for them."""

    def __init__(self, serve: Serve, counters: Counters, count: int, say: Callable[[str], None]) -> None:
        self.serve, self.counters, self.count, self.say = serve, counters, count, say
        self.numbers: dict[int, int] = {}
        self.stopped: int | None = None

    def run(self) -> None:
        """Start all, and wait until they have ended."""
        before = {which: signal.signal(which, self._stop) for which in STOPPING}
        try:
            for number in range(self.count):
                self._start(number)
            while self.numbers:
                self._wait()
        finally:
            for which, handler in before.items():
                signal.signal(which, handler)

    def _start(self, number: int) -> None:
        """Start a worker unless all are to end; a signal that comes meanwhile waits, so that it reaches the new one, too."""
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        if self.stopped is not None:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of PyArrow wait for work, and hold no locks
            process = os.fork()
        if process:
            self.numbers[process] = number
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
            return
        code = 1
        try:
            for which in STOPPING:
                signal.signal(which, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
            self.counters.use(number)
            self.serve(parent)
            code = 0
        except KeyboardInterrupt:
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _wait(self) -> None:
        """Wait for a worker to end, and start another one unless all are to end."""
        process, status = os.waitpid(-1, 0)
        number = self.numbers.pop(process, None)
        if number is None or self.stopped is not None:
            return
        self.say(f"worker {number} has ended ({_reason(status)}); another one takes its requests")
        time.sleep(SECONDS_BETWEEN)
        self._start(number)

    def _stop(self, which: int, frame: FrameType | None) -> None:
        self.stopped = which
        for process in self.numbers:
            os.kill(process, signal.SIGTERM)


def _reason(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def serve_on(app: Starlette, listening: socket.socket, requests: int) -> Serve:
    """Return what serves an application on a socket.

    Parameters
    ----------
    app : Starlette
        From `application`.
    listening : socket.socket
        From `listen`.
    requests : int
        How many may be in flight.

    Returns
    -------
    callable
        For `run`.
    """
    return lambda parent: server_of(app, requests, parent).run(sockets=[listening])
