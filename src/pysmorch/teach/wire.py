"""Messages between the grader and the process of a student's file: plain values and arrays, and keys for everything else.

Nothing of what comes is run or unpickled. `isolation` loads this file by its path in the student's process, as it does `child`; so
it imports nothing of the library.
"""

from __future__ import annotations

import json
import re
import struct
from contextlib import suppress
from typing import Any

import numpy as np

HEAD = struct.Struct(">II")
"""Of a message: bytes of the part in JSON, and bytes of the arrays after it."""

LONGEST_MESSAGE = 2**28

_NUMBERS = re.compile(r"[<>|=][fiubc]\d{1,2}$")
_PASSED_ON = (type(None), bool, int, float, str)


class GarbageError(Exception):
    """Bytes that are no message."""


class Peer:
    """One end of the pipe: turns values into messages and back.

    An array that is sent stands for the same array at the other end from then on: what is written into either of the
    two is written into the other one with the next message. So a routine that changes its input in place is seen to.

    `prefix` is put before the keys of what is this end's own; `known` says which objects have keys that are for ever.
    """

    def __init__(self, prefix: str, known: dict[str, Any] | None = None) -> None:
        self.prefix = prefix
        self.known = known if known is not None else {}
        self.asked = 0
        self.forget()

    def forget(self) -> None:
        """Forget all objects and arrays but those with keys that are for ever."""
        self.objects: dict[str, Any] = dict(self.known)
        self.arrays: dict[str, tuple[Any, bytes]] = {}
        self.keys: dict[int, str] = {}
        self.count = 0
        self.proxies: dict[str, Any] = {}

    def send(self, data: bytes) -> None:
        """Write a message into the pipe."""
        raise NotImplementedError

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """Read a message from the pipe."""
        raise NotImplementedError

    def handle(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what the other end requests, and return the answer."""
        raise NotImplementedError

    def describe(self, value: Any) -> dict[str, Any]:
        """Return what the other end has to know of an object that stays here."""
        raise NotImplementedError

    def proxy(self, data: dict[str, Any]) -> Any:
        """Return what stands here for an object of the other end."""
        raise NotImplementedError

    def proxy_key(self, value: Any) -> str | None:
        """Return the key of what stands for an object of the other end; None for anything else."""
        raise NotImplementedError

    def write(self, message: dict[str, Any]) -> None:
        """Send a message, with what has changed in the arrays that both ends have."""
        buffers: list[bytes] = []
        message = {name: self.encode(value, buffers) for name, value in message.items()}
        message["changed"] = changed = {}
        for key, (array, before) in self.arrays.items():
            now = array.tobytes()
            if now != before:
                changed[key] = len(buffers)
                buffers.append(now)
                self.arrays[key] = (array, now)
        message["sizes"] = [len(buffer) for buffer in buffers]
        head = json.dumps(message).encode()
        self.send(b"".join([HEAD.pack(len(head), sum(map(len, buffers))), head, *buffers]))

    def read(self) -> dict[str, Any]:
        """Receive a message; write into the arrays what the other end has written."""
        message, body = self.receive()
        buffers, offset = [], 0
        for size in message.pop("sizes"):
            buffers.append(body[offset : offset + size])
            offset += size
        for key, index in message.pop("changed").items():
            array, _ = self.arrays[key]
            with suppress(ValueError):  # one that may not be written to
                array[...] = np.frombuffer(buffers[index], array.dtype).reshape(array.shape)
            self.arrays[key] = (array, array.tobytes())
        return {name: self.decode(value, buffers) for name, value in message.items()}

    def ask(self, **message: Any) -> Any:
        """Send a request and return the answer to it; what the other end requests in the meantime is done."""
        self.asked += 1
        number = self.asked
        self.write({**message, "number": number})
        while True:
            answer = self.read()
            if "do" in answer:
                self.write({"number": answer.pop("number"), **self.handle(answer)})
            elif answer.pop("number") == number:
                return self.answered(answer)
            else:
                raise GarbageError

    def answered(self, answer: dict[str, Any]) -> Any:
        """Return what an answer holds, or raise the error that it tells of."""
        raise NotImplementedError

    def encode(self, value: Any, buffers: list[bytes]) -> Any:
        """Return a value as JSON takes it; the numbers of arrays are added to the buffers."""
        if type(value) in _PASSED_ON:
            return value
        key = self.proxy_key(value)
        if key is not None:
            return {"is": "yours", "key": key}
        if isinstance(value, np.generic):
            return self._numbers(np.asarray(value), "scalar", "", buffers)
        if isinstance(value, np.ndarray):
            return self._encode_array(value, buffers)
        if isinstance(value, (list, tuple)):
            kind = "list" if isinstance(value, list) else "tuple"
            return {"is": kind, "of": [self.encode(entry, buffers) for entry in value]}
        if isinstance(value, complex):
            return {"is": "complex", "of": [value.real, value.imag]}
        if isinstance(value, (int, float, str)):  # of a class of the student's own
            plain = next(kind for kind in (int, float, str) if isinstance(value, kind))
            return plain(value)
        if type(value) is dict and all(type(name) is str for name in value):
            return {"is": "dict", "of": {name: self.encode(entry, buffers) for name, entry in value.items()}}
        if type(value) is np.random.Generator:
            return {"is": "generator", "of": value.bit_generator.state}
        return {"is": "object", "key": self._key(value), **self.describe(value)}

    def _key(self, value: Any) -> str:
        key = self.keys.get(id(value))
        if key is None:
            self.count += 1
            key = self.keys[id(value)] = f"{self.prefix}{self.count}"
            self.objects[key] = value
        return key

    def _encode_array(self, array: Any, buffers: list[bytes]) -> Any:
        key = self.keys.get(id(array))
        if key is not None:
            return {"is": "array", "key": key}
        if array.dtype.kind not in "fiubc":
            return {"is": "odd array", "shape": array.shape}
        odd = "" if type(array) is np.ndarray else type(array).__name__
        plain = np.ndarray.view(array, np.ndarray)
        data = self._numbers(plain, "array", odd, buffers)
        self.count += 1
        self._track(f"{self.prefix}{self.count}", plain, array)
        return {**data, "key": f"{self.prefix}{self.count}", "fixed": not plain.flags.writeable}

    def _track(self, key: str, array: Any, known_as: Any) -> None:
        self.arrays[key] = (array, array.tobytes())
        self.keys[id(known_as)] = key
        self.objects[key] = known_as  # so that no other object gets the same id

    @staticmethod
    def _numbers(array: Any, kind: str, odd: str, buffers: list[bytes]) -> dict[str, Any]:
        buffers.append(array.tobytes())
        return {"is": kind, "odd": odd, "type": array.dtype.str, "shape": array.shape, "at": len(buffers) - 1}

    def decode(self, data: Any, buffers: list[bytes]) -> Any:
        """Return the value that stands in a message."""
        if not isinstance(data, dict):
            return data
        kind = data["is"]
        if kind == "array" or kind == "scalar":
            return self._decode_array(data, buffers)
        if kind == "list" or kind == "tuple":
            values = [self.decode(entry, buffers) for entry in data["of"]]
            return values if kind == "list" else tuple(values)
        if kind == "dict":
            return {name: self.decode(entry, buffers) for name, entry in data["of"].items()}
        if kind == "complex":
            return complex(*data["of"])
        if kind == "odd array":
            return np.full([min(int(size), 100) for size in data["shape"]], None, dtype=object)
        if kind == "yours":
            return self.objects[data["key"]]
        if kind == "generator":
            generator = np.random.default_rng()
            generator.bit_generator.state = data["of"]
            return generator
        key = str(data["key"])
        if key not in self.proxies:
            self.proxies[key] = self.proxy(data)
        return self.proxies[key]

    def _decode_array(self, data: dict[str, Any], buffers: list[bytes]) -> Any:
        if "at" not in data:
            return self.objects[data["key"]]
        if not _NUMBERS.match(data["type"]):
            raise GarbageError
        array = np.frombuffer(buffers[data["at"]], np.dtype(data["type"])).reshape(data["shape"]).copy()
        if data["is"] == "scalar":
            return array[()]
        array.flags.writeable = not data["fixed"]
        self._track(str(data["key"]), array, array)
        return array
