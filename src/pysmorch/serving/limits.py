"""Limits of a service: of bodies, rows, time, and how much is done at a time."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from pysmorch.serving.problems import Problem

T = TypeVar("T")

BODIES_AT_A_TIME = 16
"""So many bodies of the largest size are held in memory at a time; smaller ones may be more."""

UNPACKED = 10
"""A body may take so many times its largest size in memory when it is unpacked."""

CLOSE = {"Connection": "close"}
RETRY = {"Retry-After": "1"}


@dataclass(frozen=True)
class Limits:
    """What a service takes.

    Attributes
    ----------
    body : int, default=16 MiB
        Bytes of a body.
    rows : int, default=10_000
        Rows of a request.
    explained : int, default=100
        Rows of a request that are explained, which takes some hundred times as long as their prediction.
    seconds : float, default=30
        For a body to come, and for its answer to be made.
    requests : int, default=512
        Requests in flight, of each worker; further ones are sent away.
    """

    body: int = 2**24
    rows: int = 10_000
    explained: int = 100
    seconds: float = 30.0
    requests: int = 512

    def check_rows(self, count: int, explained: bool) -> None:
        """Raise Problem for a request of no rows, or of too many.

        Parameters
        ----------
        count : int
            How many there are.
        explained : bool
            Whether they are to be explained.
        """
        if count == 0:
            raise Problem(422, "the body has no rows; send one or more")
        most = self.explained if explained else self.rows
        if count > most:
            what = "are explained at a time" if explained else "are taken at a time"
            raise Problem(413, f"the body has {count} rows, but at most {most} {what}; send them in several requests")


class Room:
    """What may be done at a time: requests in flight, bytes of bodies, and threads that predict.

    Parameters
    ----------
    limits : Limits
        Of the service.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.threads = ThreadPoolExecutor(max(2, min(8, os.cpu_count() or 1)), thread_name_prefix="prediction")
        self.in_flight = 0
        self._bytes = 0

    async def body_of(self, request: Request) -> bytearray:
        """Return the body of a request, read within the limits.

        Parameters
        ----------
        request : Request
            Its body is not read yet.

        Returns
        -------
        bytearray
            `release` is told when it is no longer needed.

        Raises
        ------
        Problem
            It is too large, comes too slowly, or there are too many at a time.
        """
        most = self.limits.body
        too_large = Problem(413, f"the body has more than {most} bytes, which is the most; send fewer rows", (), CLOSE)
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            raise too_large
        content = bytearray()
        try:
            async with asyncio.timeout(self.limits.seconds):
                async for piece in request.stream():
                    content += piece
                    self._bytes += len(piece)
                    if len(content) > most:
                        raise too_large
                    if self._bytes > BODIES_AT_A_TIME * most:
                        raise Problem(503, "the bodies of other requests take all memory; try again", (), CLOSE | RETRY)
        except TimeoutError:
            self.release(content)
            detail = f"the body did not come within {self.limits.seconds:g} seconds; {len(content)} bytes had"
            raise Problem(408, detail, (), CLOSE) from None
        except ClientDisconnect:
            self.release(content)
            raise Problem(400, "the client has ended the connection") from None
        except Problem:
            self.release(content)
            raise
        return content

    def release(self, content: bytearray) -> None:
        """Take note that a body is no longer needed.

        Parameters
        ----------
        content : bytearray
            From `body_of`.
        """
        self._bytes -= len(content)

    async def run(self, work: Callable[[], T]) -> T:
        """Return what a function returns that is called in a thread.

        Parameters
        ----------
        work : callable
            It may take long.

        Returns
        -------
        object
            Its result.

        Raises
        ------
        Problem
            It takes longer than the limit; the thread goes on until it is done, and counts as long.
        """
        context = contextvars.copy_context()
        future: Future[T] = self.threads.submit(context.run, work)
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            detail = f"the prediction takes longer than {self.limits.seconds:g} seconds; send fewer rows"
            raise Problem(503, detail, (), RETRY) from None

    def close(self) -> None:
        """End the threads; what has not begun is not done."""
        self.threads.shutdown(wait=False, cancel_futures=True)
