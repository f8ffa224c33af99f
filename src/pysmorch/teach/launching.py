"""Starting the process of a submission: as a copy of one that has NumPy in memory, or where that cannot be, anew."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

from pysmorch.teach import child, forking, wire

PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "PYTHONHOME")
"""Environment variables that a student's file gets; others may hold secrets."""

CAN_FORK = sys.platform == "linux"
"""Elsewhere a copy of a process with NumPy in it may not run."""

KILLED = -int(getattr(signal, "SIGKILL", 9))


class Spawned:
    """A process that was started anew."""

    def __init__(self, folder: str, arguments: tuple[Any, ...]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{_start_code()}\nmain(*{arguments!r})"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env={**_environment(), **_of_folder(folder)},
            start_new_session=True,
        )
        self.pid = self.process.pid
        self.stdin: Any = self.process.stdin
        self.stdout: Any = self.process.stdout
        self.stderr: Any = self.process.stderr

    def has_ended(self) -> bool:
        """Whether the process has ended; it is not reaped yet, so that its process id is not reused."""
        if not hasattr(os, "waitid"):
            return self.process.poll() is not None
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self) -> int:
        """Wait for the end; return the exit code, negative for a signal."""
        return self.process.wait()


class Forked:
    """A process that is a copy of the one that has NumPy in memory."""

    def __init__(self, folder: str, arguments: tuple[Any, ...]) -> None:
        self.server = _server()
        pipes = [os.pipe() for _ in range(3)]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        request = {"do": "fork", "folder": folder, "arguments": arguments, "environment": _of_folder(folder)}
        try:
            self.pid = int(self.server.ask(request, theirs))
        finally:
            for pipe in theirs:
                os.close(pipe)
        self.stdin: Any = open(pipes[0][1], "wb", buffering=0)  # noqa: SIM115
        self.stdout: Any = open(pipes[1][0], "rb", buffering=0)  # noqa: SIM115
        self.stderr: Any = open(pipes[2][0], "rb", buffering=0)  # noqa: SIM115

    def has_ended(self) -> bool:
        """Whether the process has ended; it is not reaped yet, so that its process id is not reused."""
        return self._code("look") is not None

    def wait(self) -> int:
        """Wait for the end; return the exit code, negative for a signal."""
        code = self._code("wait")
        return KILLED if code is None else code

    def _code(self, do: str) -> int | None:
        try:
            code: int | None = self.server.ask({"do": do, "pid": self.pid})
            return code
        except OSError:  # a submission has ended the process that it is a copy of
            return KILLED


@dataclass
class _Server:
    """The process that makes copies of itself."""

    code: str
    process: subprocess.Popen[bytes]
    control: socket.socket
    grader: int = field(default_factory=os.getpid)
    lock: Any = field(default_factory=threading.Lock)

    def ask(self, request: dict[str, Any], pipes: list[int] | None = None) -> Any:
        with self.lock:
            socket.send_fds(self.control, [json.dumps(request).encode()], pipes or [])
            answer = self.control.recv(forking.LONGEST_REQUEST)
        if not answer:
            raise BrokenPipeError
        return json.loads(answer)


_servers: list[_Server] = []


def _server() -> _Server:
    """Return the process of this grader that makes copies, as it is wanted now; a new one where it has ended."""
    code = _start_code()
    for server in _servers:
        if server.grader == os.getpid() and server.code == code and server.process.poll() is None:
            return server
    _end_servers()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}\nforking.serve({theirs.fileno()}, main)"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        pass_fds=[theirs.fileno()],
        start_new_session=True,
    )
    theirs.close()
    _servers.append(_Server(code, process, ours))
    return _servers[0]


@atexit.register
def _end_servers() -> None:
    """Let the processes that make copies end, as they do when nobody can ask them any more."""
    while _servers:
        old = _servers.pop()
        old.control.close()
        if old.grader == os.getpid():
            with contextlib.suppress(subprocess.TimeoutExpired):
                old.process.wait(timeout=5)


def launch(folder: str, arguments: tuple[Any, ...]) -> Spawned | Forked:
    """Start a process that runs `child.main` with these arguments in a folder."""
    if CAN_FORK:
        for _ in range(2):  # a submission may have ended the process that makes copies
            with contextlib.suppress(OSError):
                return Forked(folder, arguments)
    return Spawned(folder, arguments)


def _environment() -> dict[str, str]:
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    return {
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        **threads,
        "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8:replace",
    }


def _of_folder(folder: str) -> dict[str, str]:
    return {"HOME": folder, "TMPDIR": folder}


def _start_code() -> str:
    """Return the program of the process: `child` and what it needs, from their files, without the library."""
    here = os.path.abspath("")
    paths = [path for path in map(os.path.abspath, sys.path) if path != here]
    return f"""import sys
sys.path[:] = {paths!r}
import importlib.util
def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
load({wire.__name__!r}, {wire.__file__!r})
main = load({child.__name__!r}, {child.__file__!r}).main
forking = load({forking.__name__!r}, {forking.__file__!r})
for name in {[wire.__name__, child.__name__, forking.__name__]!r}:
    del sys.modules[name]"""
