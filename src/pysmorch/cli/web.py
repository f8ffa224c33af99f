"""What the commands that serve a page have in common."""

from __future__ import annotations

import socket

MOST_PORT = 65535


def check_port(port: int) -> None:
    """Refuse a number that is no port."""
    if not 0 <= port <= MOST_PORT:
        raise ValueError(f"--port must be from 0 to {MOST_PORT}, but is {port}; 0 takes any free one")


def missing_extra(what: str, error: ModuleNotFoundError) -> ValueError:
    """Return the error for a library that is not installed: what needs it, and how it is installed."""
    return ValueError(f'{what} needs {error.name}: install it with  pip install "pysmorch[web]"')


def address_of(listening: socket.socket) -> str:
    """Return the address under which a browser reaches a socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
