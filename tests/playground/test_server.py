"""The server: whom it answers, uploads, tabs and their end."""

import asyncio
import threading

import pytest

pytest.importorskip("starlette", reason="the playground needs pysmorch[web]")
pytest.importorskip("uvicorn", reason="the playground needs pysmorch[web]")
pytest.importorskip("httpx2", reason="Starlette's test client needs httpx2")

from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from pysmorch.playground import server
from pysmorch.playground.uploads import MOST_BYTES
from tests.playground.test_points import CSV

HOME = "http://127.0.0.1:8642"
SESSION = "ws://127.0.0.1:8642/session"


def threads_of_sessions():
    return [thread for thread in threading.enumerate() if thread.name == "playground session"]


@pytest.fixture
def client():
    with TestClient(server.application(), base_url=HOME, headers={"origin": HOME}) as opened:
        yield opened
    for thread in threads_of_sessions():
        thread.join(30)
    assert not threads_of_sessions()


def connect(client, **headers):
    return client.websocket_connect(SESSION, headers=headers)


def until(tab, kind):
    while True:
        message = tab.receive_json()
        if message["kind"] == kind:
            return message


def test_the_page_and_all_that_it_names_are_served_from_here(client):
    page = client.get("/").text
    assert "PySmorch" in page
    for name in (
        "palette.css",
        "base.css",
        "style.css",
        "main.js",
        "network.js",
        "pictures.js",
        "backward.js",
        "icon.svg",
    ):
        answer = client.get(f"/{name}")
        assert answer.status_code == 200
        assert "https://" not in answer.text
        assert answer.text.count("http://") == answer.text.count("http://www.w3.org/")  # the names of XML's languages


def test_every_answer_forbids_what_the_page_does_not_need(client):
    for answer in (
        client.get("/"),
        client.get("/nothing"),
        client.post("/upload"),
        client.get("/", headers={"host": "evil.example"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "192.168.0.1", ""])
def test_another_name_that_leads_here_is_not_answered(client, host):
    assert client.get("/", headers={"host": host}).status_code == 400
    assert client.post("/upload", headers={"host": host}, content=CSV).status_code == 400
    with pytest.raises(WebSocketDenialResponse), connect(client, host=host):
        pass


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9", "null", "https://127.0.0.1:8642", ""])
def test_pages_from_elsewhere_get_no_session(client, origin):
    with pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)), connect(client, origin=origin):
        pass
    with connect(client) as tab:
        name = until(tab, "hello")["session"]
        answer = client.post(f"/upload?session={name}&name=t.csv", content=CSV, headers={"origin": origin})
        assert answer.status_code == 403
        assert client.post(f"/upload?session={name}&name=t.csv", content=CSV).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/%2e%2e/server.py",
        "/..%2fserver.py",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/__init__.py",
        "/page/",
    ],
)
def test_no_other_file_can_be_read(client, path):
    assert client.get(path).status_code in (404, 405)


def test_an_upload_becomes_the_data_of_its_tab(client):
    with connect(client) as tab:
        name = until(tab, "hello")["session"]
        found = client.post(f"/upload?session={name}&name=C:/secret/t.csv", content=CSV).json()
        assert found["name"] == "t.csv"
        assert (found["features"], found["target"]) == (["size", "weight"], "kind")
        settings = {"data": "upload", "features": found["features"], "target": found["target"]}
        tab.send_json({"do": "set", "generation": 1, "settings": settings})
        assert until(tab, "points")["classes"] == ["no", "yes"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n", "t.csv is no CSV file"),
        (b"", "t.csv is empty"),
        (b"1," * (MOST_BYTES // 2 + 1), "at most 2 MB are taken; keep fewer rows or columns"),
        (b"a,b\n\x1b[31m,2\n", "of numbers and 0 of text"),
    ],
)
def test_an_upload_that_is_no_table_is_answered_with_one_line(client, content, message):
    with connect(client) as tab:
        name = until(tab, "hello")["session"]
        answer = client.post(f"/upload?session={name}&name=t.csv", content=content)
        assert message in answer.json()["error"]
        assert answer.json()["error"].isprintable()


def test_an_endless_upload_is_not_read_to_its_end(client):
    pieces, answered = [], []

    async def receive():
        pieces.append(b"1,2\n" * 2**14)
        return {"type": "http.request", "body": pieces[-1], "more_body": True}

    async def send(message):
        answered.append(message)

    with connect(client) as tab:
        query = f"session={until(tab, 'hello')['session']}&name=t.csv".encode()
        headers = [(b"host", b"127.0.0.1:8642"), (b"origin", HOME.encode())]
        request = {"type": "http", "method": "POST", "path": "/upload", "query_string": query, "headers": headers}
        asyncio.run(client.app(request, receive, send))
    assert b"at most 2 MB are taken" in b"".join(message.get("body", b"") for message in answered)
    assert sum(map(len, pieces)) <= MOST_BYTES + 2**16


def test_an_upload_without_a_session_is_refused(client):
    assert client.post("/upload?session=guess&name=t.csv", content=CSV).json() == {
        "error": "this tab has no session; reload the page"
    }
    assert client.get("/upload").status_code in (404, 405)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", '{"do": 1}', "[" * 50_000, '{"do": "set", "generation": {}}']
)
def test_what_is_no_request_is_answered_and_the_tab_goes_on(client, text):
    with connect(client) as tab:
        until(tab, "hello")
        tab.send_text(text)
        assert "must be" in until(tab, "error")["message"]
        tab.send_json({"do": "set", "generation": 3, "settings": {"data": "xor"}})
        assert until(tab, "points")["generation"] == 3


def test_bytes_are_no_request(client):
    with connect(client) as tab:
        until(tab, "hello")
        tab.send_bytes(b"\0")
        assert "do must be" in until(tab, "error")["message"]


def test_each_tab_has_a_network_of_its_own(client):
    with connect(client) as one, connect(client) as other:
        one.send_json({"do": "set", "generation": 1, "settings": {"data": "blobs"}})
        other.send_json({"do": "set", "generation": 1, "settings": {"data": "hills"}})
        assert until(one, "points")["classes"] == ["A", "B", "C"]
        assert until(other, "points")["classes"] == []


def test_there_are_only_so_many_tabs_and_a_closed_one_makes_room(client, monkeypatch):
    monkeypatch.setattr(server, "MOST_SESSIONS", 2)
    with connect(client), connect(client) as second:
        with connect(client) as third:
            assert "2 tabs use this playground, and no more can; close one" in until(third, "error")["message"]
            with pytest.raises(WebSocketDisconnect):
                third.receive_json()
        second.close()
        for _ in range(100):
            with connect(client) as again:
                if again.receive_json()["kind"] == "hello":
                    return
    raise AssertionError("a closed tab made no room")


def test_the_threads_end_with_their_tabs(client):
    with connect(client) as one, connect(client):
        one.send_json({"do": "train", "pace": 100_000})
        until(one, "state")
        assert len(threads_of_sessions()) == 2
    for thread in threads_of_sessions():
        thread.join(30)
        assert not thread.is_alive()


def test_a_program_that_breaks_closes_the_tab_instead_of_leaving_it_waiting(client, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("broken")

    monkeypatch.setattr("pysmorch.playground.session.backward_pass", broken)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    with connect(client) as tab:
        until(tab, "hello")
        tab.send_json({"do": "backward"})
        sessions = threads_of_sessions()
        with pytest.raises(WebSocketDisconnect):
            until(tab, "nothing")
    for thread in sessions:  # its error is reported after the tab has been closed
        thread.join(30)
