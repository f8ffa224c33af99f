"""The connections between the workers of a training: each sends to the next one and receives from the one before it."""

from __future__ import annotations

import hmac
import pickle
import select
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from pysmorch.layers.base import Array

TOKEN_BYTES = 32
"""Of the secret that workers of one training know, and nobody else."""

GREETING = 5.0
"""Seconds in which one that connects has to say the secret."""

SPIN = 0.0005
"""Seconds in which a worker looks again and again before it sleeps: to be woken takes longer than most exchanges."""

Address = tuple[str, int]


class LostWorkerError(ConnectionError):
    """Another worker of a training has ended, or does not answer."""


@dataclass
class Endpoint:
    """Where the worker before this one connects.

    Parameters
    ----------
    host : str
        The address of an interface of this machine; no other interface takes connections.

    Attributes
    ----------
    address : tuple of str and int
        Host and port, which the system chose.
    """

    host: str

    def __post_init__(self) -> None:
        self._socket = socket.create_server((self.host, 0))
        self.address: Address = self._socket.getsockname()[:2]

    def accept(self, token: bytes, rank: int, until: float) -> socket.socket:
        """Return the connection of the worker with a rank; others that know no token are closed.

        Raises LostWorkerError when it does not come in time.
        """
        expected = token + rank.to_bytes(4, "little")
        while (left := until - time.monotonic()) > 0:
            self._socket.settimeout(left)
            with suppress(OSError):
                connection, _ = self._socket.accept()
                connection.settimeout(min(GREETING, left))
                if hmac.compare_digest(_read(connection, len(expected)), expected):
                    return connection
                connection.close()
        raise LostWorkerError(f"worker {rank} did not connect in time")

    def close(self) -> None:
        """Take no more connections."""
        self._socket.close()


class Ring:
    """The connections of one worker.

    Parameters
    ----------
    rank : int
        Which of the workers this one is, counted from 0.
    addresses : sequence of (str, int)
        Where each of them listens, in the order of the ranks.
    endpoint : Endpoint
        Of this one; it is closed.
    token : bytes
        The secret of this training.
    patience : float, default=60.0
        Seconds in which they have to connect. After that they may be silent for any time, since epochs of others can be long: who
        started them knows whether they live.
    measured : bool, default=False
        Whether the first steps are to show that sharing them is worth it.

    Raises
    ------
    LostWorkerError
        When one of them cannot be reached.
    """

    def __init__(
        self,
        rank: int,
        addresses: Sequence[Address],
        endpoint: Endpoint,
        token: bytes,
        patience: float = 60.0,
        measured: bool = False,
    ) -> None:
        self.rank, self.size = rank, len(addresses)
        self.to_be_measured, self.is_open = measured, True
        with closing(endpoint), ExitStack() as stack:
            self._next = stack.enter_context(_connected(addresses, (rank + 1) % self.size, patience))
            self._next.sendall(token + rank.to_bytes(4, "little"))
            self._previous = endpoint.accept(token, (rank - 1) % self.size, time.monotonic() + patience)
            stack.pop_all()
        for connection in (self._next, self._previous):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A machine without power closes no connection.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setblocking(False)

    def send(self, values: Array) -> None:
        """Send an array to the next worker."""
        self._transfer(_bytes_of(values), memoryview(b""))

    def receive(self, values: Array) -> None:
        """Overwrite an array with what the worker before sends."""
        self._transfer(memoryview(b""), _bytes_of(values))

    def exchange(self, values: Array, into: Array) -> None:
        """Send an array to the next worker, and receive one from the one before, at the same time."""
        self._transfer(_bytes_of(values), _bytes_of(into))

    def complete(self, values: Array, owners: Sequence[slice]) -> None:
        """Bring the rows of an array to all: each worker has those of its slice, and gets the others."""
        for step in range(self.size - 1):
            mine = owners[(self.rank - step) % self.size]
            theirs = owners[(self.rank - step - 1) % self.size]
            self.exchange(values[mine], values[theirs])

    def from_first(self, value: float) -> float:
        """Return the number that the first worker passes here."""
        number = np.array([value], np.float64)
        if self.rank > 0:
            self.receive(number)
        if self.rank < self.size - 1:
            self.send(number)
        return float(number[0])

    def gather(self, value: Any) -> list[Any] | None:
        """Bring one object of each worker to the first one; return them in the order of the ranks there, and None to the others."""
        found = [] if self.rank == 1 else self._receive_object() if self.rank > 1 else None
        if found is not None:
            self._send_object([*found, value])
            return None
        return [value, *self._receive_object()]

    def _send_object(self, value: Any) -> None:
        content = np.frombuffer(pickle.dumps(value, protocol=5), np.uint8)
        self.send(np.array([content.size], np.int64))
        self.send(content)

    def _receive_object(self) -> Any:
        """Return an object of a worker that knows the token, and so is one of ours."""
        size = np.zeros(1, np.int64)
        self.receive(size)
        content = np.empty(int(size[0]), np.uint8)
        self.receive(content)
        return pickle.loads(content.data)

    def close(self) -> None:
        """End the connections; the others notice."""
        self.is_open = False
        self._next.close()
        self._previous.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def _transfer(self, out: memoryview, into: memoryview) -> None:
        """Send and receive until both are done; neither waits for the other, so that no circle of workers can wait for itself."""
        until = 0.0
        while len(out) or len(into):
            moved = 0
            if len(into):
                moved += (count := self._receive_some(into))
                into = into[count:]
            if len(out):
                moved += (count := self._send_some(out))
                out = out[count:]
            if moved:
                until = 0.0
            elif until == 0.0:
                until = time.perf_counter() + SPIN
            elif time.perf_counter() > until:
                self._wait(bool(len(out)), bool(len(into)))

    def _receive_some(self, into: memoryview) -> int:
        try:
            count = self._previous.recv_into(into)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost(-1, error) from None
        if count == 0:
            raise self._lost(-1, "the connection was closed")
        return count

    def _send_some(self, out: memoryview) -> int:
        try:
            return self._next.send(out)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost(1, error) from None

    def _wait(self, to_send: bool, to_receive: bool) -> None:
        reading, writing = [self._previous] if to_receive else [], [self._next] if to_send else []
        select.select(reading, writing, [])

    def _lost(self, step: int, reason: Any) -> LostWorkerError:
        return LostWorkerError(f"worker {(self.rank + step) % self.size} is lost: {reason}")


def _connected(addresses: Sequence[Address], rank: int, patience: float) -> socket.socket:
    """Return a connection to a worker."""
    try:
        return socket.create_connection(addresses[rank], patience)
    except OSError as error:
        host, port = addresses[rank]
        raise LostWorkerError(f"worker {rank} cannot be reached at {host}:{port} ({error})") from None


def _bytes_of(values: Array) -> memoryview:
    """Return the memory of an array in C order, which may have no entries."""
    flat: Any = values.reshape(-1)
    return memoryview(flat).cast("B") if values.size else memoryview(b"")


def _read(connection: socket.socket, count: int) -> bytes:
    """Return what a connection brings, up to `count` bytes; less where it ends or is silent before."""
    read = b""
    with suppress(OSError):
        while len(read) < count and (piece := connection.recv(count - len(read))):
            read += piece
    return read
