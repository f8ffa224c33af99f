"""The grader's end of the pipe to a student's process: what stands here for the classes and layers in there.

The tests run in this process, on a `RemoteObject` as on the class itself. Expected values, the plan and the results never leave
this process; what comes back from the other one is numbers, and nothing of it is run.
"""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pysmorch.teach.child import watched_exp
from pysmorch.teach.wire import HEAD, LONGEST_MESSAGE, GarbageError, Peer

GARBAGE = "it writes into the pipe through which results are reported, or returns what is too large for it."


class Lost(BaseException):
    """The process of a student's file has ended, or does not answer; no test can go on."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StudentError(Exception):
    """What a student's code has raised in its process, as `child.described` tells it."""

    def __init__(self, raised: dict[str, Any]) -> None:
        super().__init__(str(raised["text"]))
        self.raised = raised


class StudentAttributeError(StudentError, AttributeError):
    """A student's object has no such attribute."""


class RemoteObject:
    """Stands for an object in a student's process."""

    def __init__(self, connection: Connection, data: dict[str, Any]) -> None:
        vars(self).update(_connection=connection, _key=data["key"], _computes=bool(data["computes"]))
        if data["name"]:
            vars(self)["__name__"] = data["name"]
        if data["arguments"] is not None:
            vars(self)["__signature__"] = _signature(data["arguments"])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._connection.ask(do="get", key=self._key, name=name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._connection.ask(do="set", key=self._key, name=name, value=value)


class RemoteCallable(RemoteObject):
    """Stands for a class, function or method in a student's process."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call it there."""
        return self._connection.ask(do="call", key=self._key, arguments=arguments, options=options, errors=np.geterr())


def _signature(arguments: list[Any]) -> inspect.Signature:
    kinds = list(inspect._ParameterKind)
    parameters = [
        inspect.Parameter(name, kinds[kind], default=None if has_default else inspect.Parameter.empty)
        for name, kind, has_default in arguments
    ]
    return inspect.Signature(parameters)


def leaves_passes_to_the_library(layer: RemoteObject) -> bool:
    """Whether a layer defines compute and pull_back and leaves forward and backward to the library."""
    return bool(vars(layer)["_computes"])


@contextmanager
def watched_exp_of(layer: Any) -> Iterator[list[float]]:
    """Watch np.exp and math.exp where a layer's code runs; the list gets the largest argument of each call."""
    if not isinstance(layer, RemoteObject):
        with watched_exp() as largest:
            yield largest
        return
    largest = []
    connection = vars(layer)["_connection"]
    connection.service(list, do="watch", on=True)
    yield largest
    largest += [float(value) for value in connection.service(list, do="watch", on=False)]


class Connection(Peer):
    """The grader's end of the pipe.

    `write_bytes` writes into the pipe; `read_bytes(seconds)` returns what is in it, and raises `Lost` when nothing comes. Messages
    begin with a token, so that what a student's code writes into the pipe itself is passed over. `odd_arrays` are the
    names of classes of arrays that came back.
    """

    def __init__(
        self, write_bytes: Callable[[bytes], None], read_bytes: Callable[[float], bytes], token: bytes
    ) -> None:
        super().__init__("g")
        self.write_bytes, self.read_bytes, self.token = write_bytes, read_bytes, token
        self.buffer = bytearray()
        self.allowed = self.left = 0.0
        self.lost = ""
        self.odd_arrays: set[str] = set()

    def allow(self, seconds: float) -> None:
        """Give the student's process this much time from now on."""
        self.allowed = self.left = seconds

    def begin(self) -> None:
        """Begin a test: nothing of the last one is known any more, and NumPy's generator is seeded."""
        self.forget()
        self.service(type(None), do="begin")

    def send(self, data: bytes) -> None:
        """Write a message into the pipe."""
        if self.lost:
            raise Lost(self.lost)
        self.write_bytes(data)

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """Read a message from the pipe, in the time that is left."""
        while (start := self.buffer.find(self.token)) < 0:
            del self.buffer[: -len(self.token)]
            self._wait()
        del self.buffer[: start + len(self.token)]
        head, body = HEAD.unpack(self._take(HEAD.size))
        if head + body > LONGEST_MESSAGE:
            raise GarbageError
        message = json.loads(self._take(head))
        if not isinstance(message, dict):
            raise GarbageError
        return message, self._take(body)

    def _take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self._wait()
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def _wait(self) -> None:
        began = time.monotonic()
        try:
            self.buffer += self.read_bytes(self.left)
        finally:
            self.left = max(self.left - (time.monotonic() - began), 0.0)

    def ask(self, **message: Any) -> Any:
        """Send a request and return the answer; a process that is lost once is lost for all later requests."""
        try:
            return super().ask(**message)
        except (Lost, GarbageError, KeyError) as error:
            self.lost = error.reason if isinstance(error, Lost) else GARBAGE
            raise Lost(self.lost) from error

    def service(self, kind: type[Any], **message: Any) -> Any:
        """Return the answer to a request that runs no code of the student's; one of another kind is garbage."""
        try:
            answer = self.ask(**message)
        except StudentError as error:
            raise Lost(GARBAGE) from error
        if not isinstance(answer, kind):
            raise Lost(GARBAGE)
        return answer

    def read(self) -> dict[str, Any]:
        """Receive a message; what is none ends the talk with this process."""
        try:
            message = super().read()
            return message if "do" in message else _checked(message)
        except (GarbageError, KeyError, IndexError, TypeError, ValueError, RecursionError, MemoryError) as error:
            raise Lost(GARBAGE) from error

    def answered(self, answer: dict[str, Any]) -> Any:
        """Return what the student's code has returned, or raise what it has raised."""
        if answer["printed"]:
            sys.stdout.write(answer["printed"])
        if "error" not in answer:
            return answer["value"]
        raised = answer["error"]
        raise (StudentAttributeError if "AttributeError" in raised["bases"] else StudentError)(raised)

    def handle(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what a student's code wants of an object of the grader: only what `describe` has told of."""
        try:
            return {"value": self._done(**message)}
        except Exception as error:
            return {"error": {"kind": type(error).__name__, "text": str(error)}}

    def _done(self, do: str, key: str, name: str, arguments: Any = (), value: Any = None) -> Any:
        owner = self.objects[key]
        if name.startswith("_") or (inspect.isroutine(owner) and name):
            raise AttributeError(name)
        if do == "call":
            return (getattr(owner, name) if name else owner)(*arguments)
        if do == "set" and name in _settable(owner):
            return setattr(owner, name, value)
        return getattr(owner, name)

    def describe(self, value: Any) -> dict[str, Any]:
        """Return what a student's code may use of an object of the grader: its public names."""
        names = [] if inspect.isroutine(value) else [name for name in dir(value) if not name.startswith("_")]
        of_class = {name: getattr(type(value), name, None) for name in names}
        return {
            "type": type(value).__name__,
            "callable": inspect.isroutine(value),
            "methods": [name for name, found in of_class.items() if inspect.isroutine(found)],
            "names": names,
            "settable": _settable(value),
            "open": hasattr(type(value), "__getattr__"),
        }

    def proxy(self, data: dict[str, Any]) -> Any:
        """Return what stands here for an object of the student's; its class is named like that one's."""
        kind = RemoteCallable if data["callable"] else RemoteObject
        return type(str(data["type"]), (kind,), {})(self, data)

    def proxy_key(self, value: Any) -> str | None:
        """Return the key of an object of the student's."""
        return vars(value)["_key"] if isinstance(value, RemoteObject) else None

    def decode(self, data: Any, buffers: list[bytes]) -> Any:
        """Return the value that stands in a message, and take note of arrays of odd classes."""
        if isinstance(data, dict) and data.get("odd"):
            self.odd_arrays.add(str(data["odd"]))
        return super().decode(data, buffers)


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer whose text and error are what they have to be."""
    answer["printed"] = str(answer.get("printed", ""))
    if "error" in answer:
        raised = answer["error"]
        raised["frames"] = [(str(file), int(line), str(text)) for file, line, text in raised["frames"]]
        raised["bases"] = [str(base) for base in raised["bases"]]
        raised["kind"], raised["text"] = str(raised["kind"]), str(raised["text"])
    elif "value" not in answer:
        raise GarbageError
    return answer


def _settable(owner: Any) -> tuple[str, ...]:
    """The attributes of an object of the grader's that a student's code sets."""
    return tuple(getattr(type(owner), "SETTABLE", ()))
