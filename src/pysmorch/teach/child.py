"""The process in which a student's file runs: it makes objects of its classes and calls them, for the grader, which judges.

`isolation` loads this file and `wire` by their paths, without the library. The process holds nothing that is worth looking for: no
expected values, no plan and no results, only the two ends of a pipe.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import io
import json
import linecache
import math
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from pysmorch.teach.wire import HEAD, Peer

MAX_PRINTED = 4000
"""How many characters of what a test prints are stored."""

MAX_FILE_SIZE = 64 * 2**20
"""How many bytes of a file may be written."""

PIPE_CLOSED = 113
"""Exit code of a process whose pipe has been closed by the file."""

MAX_NAMES = 1000


class Printed(io.TextIOBase):
    """Replaces standard output while a student's code runs, and stores the beginning of what is printed."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.count = 0

    def writable(self) -> bool:
        """True, so that print writes here."""
        return True

    def write(self, text: str) -> int:
        """Store the text, up to the limit."""
        self.count += len(text)
        if len(self.text) < MAX_PRINTED:
            self.text += text[: MAX_PRINTED - len(self.text)]
        return len(text)


class _Foreign:
    """Stands for an object of the grader: its methods are called there, and attributes come from there."""

    def __init__(self, peer: Peer, data: dict[str, Any]) -> None:
        vars(self).update(_peer=peer, _key=data["key"], _data=data)

    def __getattr__(self, name: str) -> Any:
        data = vars(self).get("_data", {"methods": (), "names": (), "open": False, "type": "layer"})
        if name in data["methods"]:
            return _method(self, name)
        if name.startswith("_") or not (data["open"] or name in data["names"]):
            raise AttributeError(f"{data['type']!r} object has no attribute {name!r}")
        return vars(self)["_peer"].ask(do="get", key=vars(self)["_key"], name=name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self)["_data"]["settable"]:
            vars(self)["_peer"].ask(do="set", key=vars(self)["_key"], name=name, value=value)
        else:
            vars(self)[name] = value


class _ForeignFunction(_Foreign):
    """Stands for a function of the grader."""

    def __call__(self, *arguments: Any) -> Any:
        return vars(self)["_peer"].ask(do="call", key=vars(self)["_key"], name="", arguments=arguments)


def _method(owner: _Foreign, name: str) -> Callable[..., Any]:
    def method(*arguments: Any) -> Any:
        return vars(owner)["_peer"].ask(do="call", key=vars(owner)["_key"], name=name, arguments=arguments)

    method.__name__ = name
    return method


class Server(Peer):
    """Does what the grader requests: makes objects, calls them, reads and sets attributes."""

    def __init__(self, token: bytes) -> None:
        super().__init__("s")
        self.token = token
        self.process = os.getpid()
        self.source, self.sink = os.dup(0), os.dup(1)
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        self.printed = Printed()
        self.told = 0
        self.watch = ExitStack()
        self.largest: list[float] = []
        self.modules = {name.split(".")[0] for name in sys.modules}

    def send(self, data: bytes) -> None:
        """Write a message; a copy of the process that a student's code has made ends here."""
        if os.getpid() != self.process:
            os._exit(0)
        data = self.token + data
        try:
            while data:
                data = data[os.write(self.sink, data) :]
        except OSError:
            os._exit(PIPE_CLOSED)

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """Read a message; the process ends with the pipe."""
        head, body = HEAD.unpack(self._exactly(HEAD.size))
        return json.loads(self._exactly(head)), self._exactly(body)

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            try:
                part = os.read(self.source, min(size, 2**20))
            except OSError:
                os._exit(PIPE_CLOSED)
            if not part:
                os._exit(0)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def describe(self, value: Any) -> dict[str, Any]:
        """Return the name of an object's class, whether it can be called, and with what."""
        plain = inspect.isclass(value) or inspect.isfunction(value)
        return {
            "type": type(value).__name__,
            "name": str(getattr(value, "__name__", "")) if plain else "",
            "callable": callable(value),
            "arguments": _arguments(value) if plain else None,
            "computes": _computes(value),
        }

    def proxy(self, data: dict[str, Any]) -> Any:
        """Return what stands here for an object of the grader."""
        return (_ForeignFunction if data["callable"] else _Foreign)(self, data)

    def proxy_key(self, value: Any) -> str | None:
        """Return the key of an object of the grader."""
        return vars(value)["_key"] if type(value) in (_Foreign, _ForeignFunction) else None

    def answered(self, answer: dict[str, Any]) -> Any:
        """Return the answer of the grader, or raise the error that its object has raised."""
        if "error" not in answer:
            return answer["value"]
        kind = getattr(builtins, answer["error"]["kind"], RuntimeError)
        raise (kind if inspect.isclass(kind) and issubclass(kind, Exception) else RuntimeError)(answer["error"]["text"])

    def handle(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what the grader requests; whatever is raised is told of."""
        try:
            answer = {"value": getattr(self, f"do_{message.pop('do')}")(**message)}
        except BaseException as error:  # a student's, whatever it is
            answer = {"error": described(error)}
        text = self.printed.text[self.told :]
        self.told += len(text)
        return {**answer, "printed": text}

    def serve(self) -> None:
        """Answer until the pipe is closed."""
        self.be_calm()
        while True:
            message = self.read()
            number = message.pop("number")
            answer = self.handle(message)
            try:
                self.write({**answer, "number": number})
            except Exception as error:  # an object of the student's that does not let itself be looked at
                self.write({"error": described(error), "printed": "", "number": number})

    def be_calm(self) -> None:
        """Suppress prints and warnings."""
        warnings.simplefilter("ignore")
        np.seterr(all="ignore")
        sys.stdout = self.printed

    def do_load(self, folder: str, pieces: list[tuple[str, str]]) -> Any:
        """Run a file; return what it defines, what went wrong first, and what it printed."""
        module, problem = load(folder, pieces)
        found = defined_in(module)
        self.known.update({f"={name}": value for name, value in found.items()})
        self.forget()
        self.keys.update({id(value): f"={name}" for name, value in found.items()})
        printed, self.printed.text = self.printed.text, ""
        self.told = 0
        imported = sorted({name.split(".")[0] for name in list(sys.modules)} - self.modules)
        return {"found": found, "problem": problem, "printed": printed, "imported": imported}

    def do_begin(self) -> None:
        """Begin a test: forget the objects of the last one, seed NumPy's generator."""
        self.forget()
        self.keys.update({id(value): key for key, value in self.known.items()})
        self.printed.text, self.printed.count, self.told = "", 0, 0
        self.be_calm()
        np.random.seed(0)

    def do_get(self, key: str, name: str) -> Any:
        """Return an attribute."""
        return getattr(self.objects[key], name)

    def do_set(self, key: str, name: str, value: Any) -> None:
        """Set an attribute."""
        setattr(self.objects[key], name, value)

    def do_call(self, key: str, arguments: Any, options: dict[str, Any], errors: dict[str, Any]) -> Any:
        """Call an object."""
        with np.errstate(**errors):
            return self.objects[key](*arguments, **options)

    def do_watch(self, on: bool) -> list[float]:
        """Begin to watch exp, or stop and return the largest arguments."""
        self.watch.close()
        if on:
            self.largest = self.watch.enter_context(watched_exp())
        return list(self.largest)


def _arguments(value: Any) -> list[tuple[str, int, bool]] | None:
    """Return name, kind and whether there is a default, of the arguments of a class or function."""
    try:
        signature = inspect.signature(value)
        return [(p.name, int(p.kind), p.default is not p.empty) for p in signature.parameters.values()]
    except Exception:  # a metaclass of the student's may do anything
        return None


def _computes(layer: Any) -> bool:
    """Whether a layer of the library's kind leaves forward and backward to it, and defines compute and pull_back."""
    kinds = [kind for kind in type(layer).__mro__ if kind.__module__ == "pysmorch.layers.base"]
    return any(kind.__name__ == "Layer" and type(layer).backward is kind.backward for kind in kinds)  # type: ignore[attr-defined]


def described(error: BaseException) -> dict[str, Any]:
    """Return what was raised as plain data: kind, text and the lines of code that it came through."""
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:  # an exception of the student's may not even have a text
        text = ""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "kind": type(error).__name__,
        "bases": [kind.__name__ for kind in type(error).__mro__],
        "text": text[:2000],
        "line": error.lineno if isinstance(error, SyntaxError) else None,
        "missing": error.name if isinstance(error, ModuleNotFoundError) else None,
        "frames": [(f.filename, f.lineno, (f.line or "").strip()[:200]) for f in frames[-100:]],
    }


def load(folder: str, pieces: list[tuple[str, str]]) -> tuple[ModuleType, Any]:
    """Run a student's file, statement by statement; return its module and what was raised first.

    A statement that fails (a test at the end of a cell, a picture from the network) does not keep the classes below it
    from being graded. The pieces are those of the file, each with a name: one, or the cells of a notebook; a piece that does
    not compile costs only itself.
    """
    module = ModuleType("submission")
    module.__file__ = os.path.join(folder, pieces[0][0]) if pieces else folder
    sys.modules[module.__name__] = module
    sys.path.insert(0, folder)
    sys.argv = [module.__file__]
    problems: list[Any] = []
    for name, text in pieces:
        path = os.path.join(folder, name)
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        try:
            statements = _statements(text, path)
        except BaseException as error:  # a student's mistake, not ours
            problems.append(described(error))
            continue
        for code in statements:
            try:
                exec(code, vars(module))
            except BaseException as error:
                problems.append({**described(error), "last": code is statements[-1]})
                if not isinstance(error, Exception):  # sys.exit, for one, is meant to end the file
                    return module, problems[0]
    return module, problems[0] if problems else None


def _statements(text: str, path: str) -> list[CodeType]:
    """Compile each statement of a file by itself, under the same imports from __future__."""
    body = ast.parse(text, path).body
    future = [node for node in body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    return [compile(ast.Module([*future, node], []), path, "exec", dont_inherit=True) for node in body]


def defined_in(module: ModuleType) -> dict[str, Any]:
    """Return the classes and functions that a file defines, in its order."""
    found = {
        name: value
        for name, value in list(vars(module).items())
        if (inspect.isclass(value) or isinstance(value, FunctionType)) and _module_of(value) == module.__name__
    }
    return dict(list(found.items())[:MAX_NAMES])


def _module_of(value: Any) -> str:
    """The module that defines something; a metaclass may raise an error for it."""
    try:
        return str(value.__module__)
    except Exception:
        return ""


class _WatchedExp:
    """An exp that notes the largest number that it is called with."""

    def __init__(self, exp: Any, largest: list[float]) -> None:
        self.exp, self.largest = exp, largest

    def __call__(self, x: Any, *arguments: Any, **options: Any) -> Any:
        with suppress(Exception):  # arrays of a student's own making may do anything
            array = np.array(x, dtype=np.float64)
            if array.size:
                self.largest.append(float(array.max()))
        return self.exp(x, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exp, name)


@contextmanager
def watched_exp() -> Iterator[list[float]]:
    """Watch np.exp and math.exp while a student's code runs; the list gets the largest argument of each call."""
    largest: list[float] = []
    real = np.exp, math.exp
    watched: list[Any] = [_WatchedExp(exp, largest) for exp in real]
    np.exp, math.exp = watched
    try:
        yield largest
    finally:
        np.exp, math.exp = real


def limit(memory: int, seconds: int) -> bool:
    """Limit this process; return whether its memory is limited too, which not every system can do."""
    try:
        import resource
    except ImportError:
        return False
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: MAX_FILE_SIZE, resource.RLIMIT_CPU: seconds}
    if sys.platform != "darwin":  # which takes a limit of memory and does not keep it
        limits[resource.RLIMIT_AS] = memory
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (allowed, allowed))
    return resource.RLIMIT_AS in limits


def main(token: str, memory: int, seconds: int) -> None:
    """Serve the grader, which listens for messages that begin with the token."""
    server = Server(bytes.fromhex(token))
    server.write({"number": 0, "value": limit(memory, seconds)})
    server.serve()
