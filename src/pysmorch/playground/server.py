"""The server: the page, a WebSocket for each tab, and uploads; only for pages that it has served itself, on this machine."""

from __future__ import annotations

import asyncio
import functools
import json
import secrets
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from pysmorch.entries import escaped
from pysmorch.playground.session import PACES, Session
from pysmorch.playground.settings import choices
from pysmorch.playground.uploads import MOST_BYTES
from pysmorch.web import LOOPBACK, SecurityHeaders, files_of, security_headers

PAGE = Path(__file__).parent / "page"
MOST_SESSIONS = 12
MOST_BYTES_OF_A_REQUEST = 2**16
SECONDS_TO_END = 2

HEADERS = security_headers(connect_src=f"'self' {' '.join(f'ws://{host}:*' for host in LOOPBACK)}")


class Outbox:
    """The newest message of each kind that was not sent yet: a slow page gets fewer pictures, and never old ones."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._messages: dict[str, dict[str, Any]] = {}
        self._filled = asyncio.Event()

    def put(self, message: dict[str, Any]) -> None:
        """Take a message from any thread.

        Parameters
        ----------
        message : dict
            With its "kind".
        """
        with suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(self._put, message)

    def _put(self, message: dict[str, Any]) -> None:
        self._messages.pop(message["kind"], None)
        self._messages[message["kind"]] = message
        self._filled.set()

    async def get(self) -> dict[str, Any]:
        """Wait for the next message and return it."""
        await self._filled.wait()
        message = self._messages.pop(next(iter(self._messages)))
        if not self._messages:
            self._filled.clear()
        return message


def application() -> Starlette:
    """Return the playground as an ASGI application."""
    sessions: dict[str, Session] = {}
    return Starlette(
        routes=[
            WebSocketRoute("/session", functools.partial(_serve_tab, sessions)),
            Route("/upload", functools.partial(_take_upload, sessions), methods=["POST"]),
            Mount("/", files_of(PAGE)),
        ],
        middleware=[
            Middleware(SecurityHeaders, headers=HEADERS),
            Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK),
        ],
    )


def _is_own_page(headers: Headers) -> bool:
    """Whether a request comes from a page of this server: browsers say from where, and pages cannot say otherwise."""
    return headers.get("origin") == f"http://{headers.get('host')}"


async def _serve_tab(sessions: dict[str, Session], websocket: WebSocket) -> None:
    """Serve one tab: the session ends when the tab is closed."""
    if not _is_own_page(websocket.headers):
        await websocket.close(1008)
        return
    await websocket.accept()
    if len(sessions) >= MOST_SESSIONS:
        message = f"{MOST_SESSIONS} tabs use this playground, and no more can; close one and reload this page"
        await websocket.send_json({"kind": "error", "message": message})
        await websocket.close(1013)
        return
    outbox = Outbox()
    name = secrets.token_urlsafe(24)
    session = sessions[name] = Session(outbox.put)
    outbox.put({"kind": "hello", "session": name, "most_bytes": MOST_BYTES, "paces": PACES, **choices()})
    sending = asyncio.create_task(_send_all(websocket, outbox))
    try:
        await _receive_all(websocket, session)
    finally:
        sending.cancel()
        del sessions[name]
        session.close()


async def _receive_all(websocket: WebSocket, session: Session) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            try:
                request = json.loads(await websocket.receive_text())
            except (ValueError, RecursionError, KeyError):
                request = {}
            await run_in_threadpool(session.ask, request if isinstance(request, dict) else {})


async def _send_all(websocket: WebSocket, outbox: Outbox) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):  # the tab was closed meanwhile
        while True:
            message = await outbox.get()
            if message["kind"] == "end":
                await websocket.close(1011)
                return
            await websocket.send_text(json.dumps(message, allow_nan=False, separators=(",", ":")))


async def _take_upload(sessions: dict[str, Session], request: Request) -> JSONResponse:
    """Read a CSV file for a session; what is too large is not read to its end."""
    session = sessions.get(request.query_params.get("session", ""))
    if session is None or not _is_own_page(request.headers):
        return JSONResponse({"error": "this tab has no session; reload the page"}, 403)
    name = escaped(PurePath(request.query_params.get("name", "")).name)[:100] or "the file"
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_BYTES:
            break
    try:
        return JSONResponse(await run_in_threadpool(session.upload, name, bytes(content)))
    except ValueError as error:
        return JSONResponse({"error": escaped(" ".join(str(error).split()))})


def server() -> uvicorn.Server:
    """Return what serves the playground: `server().run(sockets=[listen(port)])`."""
    return uvicorn.Server(
        uvicorn.Config(
            application(),
            log_level="warning",
            ws="websockets-sansio",
            ws_max_size=MOST_BYTES_OF_A_REQUEST,
            timeout_graceful_shutdown=SECONDS_TO_END,
            limit_concurrency=16 * MOST_SESSIONS,
            server_header=False,
        )
    )
