"""What the pages that this library serves have in common: where it listens, headers that forbid, files of all pages (`pip install "pysmorch[web]"`)."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ["127.0.0.1", "localhost"]
"""Under these names a browser may ask a server on its own machine: another name that leads here is somebody else's page (DNS rebinding)."""

HERE = "127.0.0.1"
"""The address that only programs on this machine reach."""

COMMON = ("pysmorch", "web/page")
"""The package and the folder of the files that all pages have."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def security_headers(**allowed: str) -> dict[str, str]:
    """Return the headers that forbid a page what it does not need.

    Parameters
    ----------
    **allowed : str
        What else the page may take, besides files of this server, by the directive's name with an underscore.

    Returns
    -------
    dict of str to str
        With a Content-Security-Policy under which no script and no style runs that is not a file of this server.
    """
    directives = {"script_src": "'self'", "style_src": "'self'", "img_src": "'self'", "connect_src": "'self'"} | allowed
    policy = "; ".join(f"{name.replace('_', '-')} {sources}" for name, sources in directives.items())
    nothing = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return {"Content-Security-Policy": f"default-src 'none'; {policy}; {nothing}"} | HEADERS


class SecurityHeaders:
    """Adds headers to every answer.

    Parameters
    ----------
    app : ASGI application
        What answers.
    headers : mapping of str to str
        From `security_headers`.
    """

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def files_of(page: Path) -> StaticFiles:
    """Return what serves the files of a page, and those of all pages beside them.

    Parameters
    ----------
    page : Path
        The folder of the page's own files.

    Returns
    -------
    StaticFiles
        With index.html at the root.
    """
    return StaticFiles(directory=page, packages=[COMMON], html=True)


def listen(port: int, host: str = HERE) -> socket.socket:
    """Return a socket that listens; by default only programs on this machine reach it.

    Parameters
    ----------
    port : int
        0 for any free one.
    host : str, default="127.0.0.1"
        The address of this machine under which it can be reached, or a name of it.

    Returns
    -------
    socket.socket
        Listening.

    Raises
    ------
    ValueError
        The port is in use or may not be used, or the host is no address of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise ValueError(f"--host {host!r} is no address that is known; take 127.0.0.1 or 0.0.0.0") from None
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen(512)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise ValueError(f"--host {host} is no address of this machine; take 127.0.0.1 or 0.0.0.0") from None
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        reason = "is in use" if error.errno == errno.EADDRINUSE else "may not be used"
        raise ValueError(f"port {port} {reason}; give another one with --port, or --port 0 for any free one") from None
    return listening
