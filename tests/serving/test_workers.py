"""The protocol: headers that come slowly, and a client that sends after it was answered."""

import socket
import threading
from contextlib import suppress

import pytest

from pysmorch.serving import Limits, application, workers
from pysmorch.serving.workers import server_of
from pysmorch.web import listen


@pytest.fixture
def served(regressor, monkeypatch):
    """Serve a model in a thread; yields a function that opens a connection."""
    monkeypatch.setattr(workers, "SECONDS_FOR_HEADER", 0.5)
    with listen(0) as listening:
        serving = server_of(application(regressor, Limits(body=2**12)), 16)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        yield lambda: socket.create_connection(listening.getsockname(), 60)
        serving.should_exit = True
        thread.join()


def read_all(connection):
    """Read until the server ends the connection."""
    content = b""
    while piece := connection.recv(2**16):
        content += piece
    return content


def test_a_connection_that_sends_nothing_is_ended(served):
    with served() as connection:
        assert read_all(connection) == b""


def test_a_header_that_comes_byte_by_byte_has_a_limit(served):
    with served() as connection:
        ended = threading.Event()

        def drip():
            for byte in b"GET /health HTTP/1.1\r\nX: " + b"y" * 10_000:
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    return
                if ended.wait(0.05):
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        with suppress(ConnectionError):
            assert read_all(connection) == b""
        ended.set()
        thread.join()


def test_a_second_request_on_a_connection_is_answered_and_an_idle_one_is_ended(served):
    with served() as connection:
        for _ in range(2):
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            found = b""
            while b'{"status":"ok"}' not in found:
                found += connection.recv(2**12)
            assert found.startswith(b"HTTP/1.1 200 OK")
        assert read_all(connection) == b""


def test_an_endless_body_is_answered_and_the_connection_ended(served):
    with served() as connection:
        head = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head)
        try:
            for _ in range(10_000):
                connection.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
        except ConnectionError:
            return  # ended before all of it was sent, as it should be
        raise AssertionError("ten megabytes were taken")


def test_what_is_no_http_is_answered_with_400(served):
    with served() as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400")
