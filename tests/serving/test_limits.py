"""Limits of bodies, rows, time, and how much is done at a time."""

import asyncio
import io
import json
import threading

import numpy as np
import pyarrow as pa
import pytest

from pysmorch.serving import Limits, application
from tests.serving.conftest import ROW

HEADERS = [(b"host", b"127.0.0.1:8000"), (b"content-type", b"application/json")]


async def posted(app, receive, headers=HEADERS, path="/predict"):
    """Send a request whose body comes from a function; returns the status, the headers, and what the body says."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(content)


def with_room(app, work):
    """Run a coroutine while the application lives."""

    async def run():
        async with app.router.lifespan_context(app):
            return await work()

    return asyncio.run(run())


def test_a_body_that_never_ends_is_cut(regressor):
    app, pieces = application(regressor, Limits(body=2**16)), []

    async def receive():
        pieces.append(b" " * 2**12)
        return {"type": "http.request", "body": pieces[-1], "more_body": True}

    status, headers, problem = with_room(app, lambda: posted(app, receive))
    assert status == 413
    assert problem["detail"] == "the body has more than 65536 bytes, which is the most; send fewer rows"
    assert headers[b"connection"] == b"close"
    assert sum(map(len, pieces)) <= 2**16 + 2**12


@pytest.mark.parametrize("length", [b"65537", b"9" * 400, b"-1", b"many"])
def test_a_body_that_says_it_is_too_large_is_not_read(regressor, length):
    app = application(regressor, Limits(body=2**16))

    async def receive():
        raise AssertionError("the body was read")

    status, _, _ = with_room(app, lambda: posted(app, receive, [*HEADERS, (b"content-length", length)]))
    assert status == 413


def test_a_body_that_comes_slowly_is_waited_for_only_so_long(regressor):
    app = application(regressor, Limits(seconds=0.2))
    first = iter([{"type": "http.request", "body": b"[", "more_body": True}])

    async def receive():
        for message in first:
            return message
        await asyncio.sleep(60)

    status, headers, problem = with_room(app, lambda: posted(app, receive))
    assert (status, headers[b"connection"]) == (408, b"close")
    assert problem["detail"] == "the body did not come within 0.2 seconds; 1 bytes had"


def test_what_is_packed_is_refused(client):
    answer = client.post("/predict", json=ROW, headers={"content-encoding": "gzip"})
    assert answer.status_code == 415


def test_there_are_only_so_many_rows(client_of, regressor):
    client = client_of(regressor, limits=Limits(rows=3, explained=2))
    assert client.post("/predict", json=[ROW] * 3).status_code == 200
    answer = client.post("/predict", json=[ROW] * 4)
    assert answer.status_code == 413
    assert "the body has 4 rows, but at most 3 are taken at a time" in answer.json()["detail"]
    assert client.post("/predict?explain=1", json=[ROW] * 2).status_code == 200
    assert "at most 2 are explained at a time" in client.post("/predict?explain=1", json=[ROW] * 3).json()["detail"]


def test_a_client_that_leaves_is_no_fault(regressor):
    app = application(regressor)

    async def receive():
        return {"type": "http.disconnect"}

    status, _, _ = with_room(app, lambda: posted(app, receive))
    assert status == 400


@pytest.fixture
def held(monkeypatch):
    """Predictions that wait until they are let go; yields what lets them go and what says that one has begun."""
    go, begun = threading.Event(), threading.Event()

    def waiting(*arguments):
        begun.set()
        go.wait(60)
        raise ValueError("let go")

    def hold():
        monkeypatch.setattr("pysmorch.serving.service.predict_all", waiting)

    yield hold, begun, go
    go.set()


def whole(body):
    """Return what receives a body that is there at once."""
    left = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive():
        for message in left:
            return message
        await asyncio.sleep(60)

    return receive


def test_requests_beyond_the_limit_are_sent_away_and_told_when_to_come_back(regressor, held):
    hold, begun, go = held
    app = application(regressor, Limits(requests=1))
    hold()
    body = json.dumps(ROW).encode()

    async def both():
        first = asyncio.create_task(posted(app, whole(body)))
        await asyncio.to_thread(begun.wait, 60)
        second = await posted(app, whole(body))
        go.set()
        return await first, second

    first, (status, headers, problem) = with_room(app, both)
    assert first[0] == 422
    assert (status, headers[b"retry-after"], headers[b"connection"]) == (503, b"1", b"close")
    assert problem["detail"] == "1 requests are in flight, and no more can; try again"


def test_a_prediction_that_takes_too_long_is_answered_so(regressor, held):
    hold, _, go = held
    app = application(regressor, Limits(seconds=0.2))
    hold()

    async def one():
        answer = await posted(app, whole(json.dumps(ROW).encode()))
        go.set()
        return answer

    status, headers, problem = with_room(app, one)
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert "the prediction takes longer than 0.2 seconds" in problem["detail"]


def test_bodies_together_take_only_so_much_memory(regressor, monkeypatch):
    monkeypatch.setattr("pysmorch.serving.limits.BODIES_AT_A_TIME", 0)
    app = application(regressor)
    status, headers, problem = with_room(app, lambda: posted(app, whole(b"{}")))
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert "the bodies of other requests take all memory" in problem["detail"]


def test_a_body_that_is_answered_makes_room_for_the_next(regressor, monkeypatch):
    monkeypatch.setattr("pysmorch.serving.limits.BODIES_AT_A_TIME", 1)
    app = application(regressor, Limits(body=200, requests=1))
    bodies = [json.dumps(ROW).encode(), b"{" * 150, b" " * 300, b"[]" + b" " * 150, json.dumps(ROW).encode()]

    async def work():
        return [(await posted(app, whole(body)))[0] for body in bodies]

    assert with_room(app, work) == [200, 400, 413, 422, 200]


def test_an_arrow_body_that_unpacks_to_too_much_is_refused(client_of, regressor):
    stream = io.BytesIO()
    table = pa.table({"size": np.zeros(200_000)})
    with pa.ipc.new_stream(stream, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    client = client_of(regressor, limits=Limits(body=2**14))
    assert len(stream.getvalue()) < 2**14
    headers = {"content-type": "application/vnd.apache.arrow.stream"}
    answer = client.post("/predict", content=stream.getvalue(), headers=headers)
    assert answer.status_code == 422
    assert "the body takes 2 MiB of memory, but 160 KiB may be taken" in answer.json()["detail"]
