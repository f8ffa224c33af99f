"""A process that has NumPy in memory and makes a copy of itself for each submission, which is faster than a new start.

`launching` loads this file by its path, as it does `child`; so it imports nothing of the library. It takes requests from a socket, one
after the other, and ends with it.
"""

from __future__ import annotations

import gc
import json
import os
import socket
from collections.abc import Callable
from typing import Any

LONGEST_REQUEST = 2**16


def serve(control: int, main: Callable[..., None]) -> None:
    """Answer requests: "fork" makes a copy, "look" says whether one has ended, "wait" waits for its end."""
    with socket.socket(fileno=control) as requests:
        gc.freeze()  # so that copies share what is there
        while True:
            data, pipes, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, 3)
            if not data:
                os._exit(0)
            request = json.loads(data)
            if request["do"] != "fork":
                requests.send(json.dumps(_status(request["pid"], request["do"] == "wait")).encode())
                continue
            pid = os.fork()
            if pid == 0:
                requests.close()
                _begin(request, pipes)
                main(*request["arguments"])
                os._exit(0)
            for pipe in pipes:
                os.close(pipe)
            requests.send(json.dumps(pid).encode())


def _begin(request: dict[str, Any], pipes: list[int]) -> None:
    """Be a process of its own: in its own session and folder, with its own standard streams."""
    os.setsid()
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    for number, pipe in enumerate(pipes):
        os.dup2(pipe, number)
    for pipe in pipes:
        if pipe > 2:
            os.close(pipe)


def _status(pid: int, wait: bool) -> int | None:
    """Return the exit code of a copy, negative for a signal; None while it runs. It is reaped only when waited for."""
    options = os.WEXITED if wait else os.WEXITED | os.WNOHANG | os.WNOWAIT
    found = os.waitid(os.P_PID, pid, options)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
