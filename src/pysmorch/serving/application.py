"""The service as an ASGI application: routes, tokens, counts, and the page."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pysmorch.serving.answers import chosen_type, types_in_words
from pysmorch.serving.counters import CONTENT_TYPE, Counters
from pysmorch.serving.inputs import IMAGES, MULTIPART
from pysmorch.serving.limits import CLOSE, RETRY, Limits, Room
from pysmorch.serving.openapi import openapi_of
from pysmorch.serving.problems import Problem
from pysmorch.serving.service import Service, Wanted
from pysmorch.web import LOOPBACK, SecurityHeaders, files_of, security_headers

PAGE = Path(__file__).parent / "page"
HEADERS = security_headers(img_src="'self' blob:")

SAID = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


def application(
    model: Any,
    limits: Limits | None = None,
    token: str | None = None,
    title: str = "model",
    hosts: Sequence[str] = LOOPBACK,
    counters: Counters | None = None,
) -> Starlette:
    """Return a model as an ASGI application, for uvicorn or within an application of yours.

    Parameters
    ----------
    model : Classifier or Regressor
        Fitted, or from `pysmorch.load`.
    limits : Limits, default=None
        Of bodies, rows, time and requests in flight; None for `Limits()`.
    token : str, default=None
        What requests must bring in the header "Authorization: Bearer ..."; None for none.
    title : str, default="model"
        What the model is called.
    hosts : sequence of str, default=LOOPBACK
        The names under which it may be reached; "*" for all, which is for services with a token.
    counters : Counters, default=None
        Where requests are counted; None for new ones.

    Returns
    -------
    Starlette
        It has predicted and explained a row already.

    Raises
    ------
    ValueError
        The model takes what no request can bring.
    """
    limits = Limits() if limits is None else limits
    service = Service(model, limits, title)
    counts = Counters() if counters is None else counters
    about = service.describe()
    described = openapi_of(service, token is not None)

    # Threads begin with the first request: a fork would lose them, and an application that is mounted in another is not told of its start.
    room = cache(lambda: Room(limits))

    @asynccontextmanager
    async def in_life(app: Starlette) -> AsyncIterator[None]:
        yield
        room().close()

    async def predict(request: Request) -> Response:
        return await _predict(service, counts, room(), request)

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(request: Request) -> Response:
        known = {name: str(about[name]) for name in ("title", "task", "input", "version")}
        return PlainTextResponse(counts.as_text(known), media_type=CONTENT_TYPE)

    # The files of the page say nothing of the model, and what restarts a service looks at its health without a token.
    guarded = [Middleware(Guard, token=token)]
    return Starlette(
        routes=[
            Route("/predict", predict, methods=["POST"], middleware=guarded),
            Route("/model", _always(about), middleware=guarded),
            Route("/openapi.json", _always(described), middleware=guarded),
            Route("/metrics", metrics, middleware=guarded),
            Route("/health", health),
            Mount("/", files_of(PAGE)),
        ],
        middleware=[
            Middleware(Counting, counters=counts),
            Middleware(SecurityHeaders, headers=HEADERS),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        ],
        exception_handlers={Problem: _refused, HTTPException: _refused_by_starlette, Exception: _faulty},
        lifespan=in_life,
    )


def _always(content: dict[str, Any]) -> Callable[[Request], Awaitable[Response]]:
    text = json.dumps(content, allow_nan=False).encode()

    async def answer(request: Request) -> Response:
        return Response(text, media_type="application/json")

    return answer


async def _predict(service: Service, counts: Counters, room: Room, request: Request) -> Response:
    """Answer a request for predictions."""
    if room.in_flight >= service.limits.requests:
        counts.add("busy", 1)
        raise Problem(503, f"{room.in_flight} requests are in flight, and no more can; try again", (), CLOSE | RETRY)
    room.in_flight += 1
    try:
        wanted = _wanted(request)
        service.check(wanted)
        kind = _type_of(service, request.headers)
        body = await room.body_of(request)
        try:
            content: Any = bytes(body) if kind != MULTIPART else await _files_in(request, bytes(body), service.limits)
            answer, count = await room.run(lambda: service.answer(kind, content, wanted))
        finally:
            room.release(body)
    finally:
        room.in_flight -= 1
    counts.add("rows", count)
    return Response(answer, media_type=wanted.answer)


def _wanted(request: Request) -> Wanted:
    """Return what a request wants, from its address and its header Accept."""
    query = request.query_params
    for name in query:
        if name not in ("explain", "of", "coverage"):
            raise Problem(400, f"the address has a parameter {name!r}; those are explain, of and coverage")
    explain = query.get("explain", "").lower()
    if explain not in SAID:
        raise Problem(400, f"explain must be true or false, but is {explain!r}")
    coverage = None
    if "coverage" in query:
        try:
            coverage = float(query["coverage"])
        except ValueError:
            raise Problem(400, f"coverage must be a number such as 0.9, but is {query['coverage']!r}") from None
    return Wanted(chosen_type(request.headers.get("accept", "")), SAID[explain], query.get("of"), coverage)


def _type_of(service: Service, headers: Headers) -> str:
    """Return the type of the body, one of those that the model takes."""
    if headers.get("content-encoding", "identity") != "identity":
        raise Problem(415, "bodies are taken as they are; send this one without Content-Encoding", (), CLOSE)
    found = headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = IMAGES if found.startswith("image/") else found
    if kind not in service.inputs.types:
        takes = types_in_words(service.inputs.types)
        raise Problem(415, f"the header Content-Type must be {takes}, but is {found or 'missing'!r}", (), CLOSE)
    return kind


async def _files_in(request: Request, body: bytes, limits: Limits) -> list[tuple[str, bytes]]:
    """Return the files of a form, with their names."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, receive).form(max_files=limits.rows, max_fields=10) as form:
            files = [
                (part.filename or name, await part.read())
                for name, part in form.multi_items()
                if not isinstance(part, str)
            ]
    except (MultiPartException, HTTPException) as error:
        raise Problem(400, f"the body is no form with files: {getattr(error, 'detail', error)}") from None
    if not files:
        raise Problem(422, "the form has no files; send images, as curl -F image=@photo.jpg does")
    return files


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _refused_by_starlette(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Problem(error.status_code, str(error.detail), (), error.headers).response()


async def _faulty(request: Request, error: Exception) -> Response:
    return Problem(500, "the service has a fault; its log says more").response()


class Guard:
    """Refuses requests without the token, and those that pages from elsewhere let a browser send.

    Parameters
    ----------
    app : ASGI application
        What answers.
    token : str or None
        None where none is needed.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app = app
        self.expected = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        problem = self._problem(scope) if scope["type"] == "http" else None
        if problem is None:
            await self.app(scope, receive, send)
        else:
            await problem.response()(scope, receive, send)

    def _problem(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        if scope["method"] == "POST" and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return Problem(403, "a page from elsewhere may not use this service", (), CLOSE)
        if self.expected is None:
            return None
        given = headers.get("authorization", "").encode("latin-1", "replace")
        if secrets.compare_digest(given, self.expected):
            return None
        detail = "this service needs its token, in the header Authorization: Bearer TOKEN"
        return Problem(401, detail, (), {"WWW-Authenticate": 'Bearer realm="pysmorch"'} | CLOSE)


class Counting:
    """Counts requests and their seconds.

    Parameters
    ----------
    app : ASGI application
        What answers.
    counters : Counters
        Where they are counted.
    """

    def __init__(self, app: ASGIApp, counters: Counters) -> None:
        self.app, self.counters = app, counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 500

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.counters.add("in_flight", 1)
        try:
            await self.app(scope, receive, send_counted)
        finally:
            self.counters.add("in_flight", -1)
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            self.counters.answered(path, status, time.perf_counter() - begin)
