"""The command `pysmorch serve`: many clients, workers, signals, tokens, and what is wrong with its options."""

import asyncio
import builtins
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import pysmorch
from tests.helpers import error_of, without_thread_sanitizer
from tests.serving.conftest import ROW, frame_of

posix = pytest.mark.skipif(os.name != "posix", reason="sends signals, and forks workers")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(pysmorch.__file__).parents[1])}


@contextmanager
def serving(model, folder, *options, **environment):
    """Serve a model in a process of its own; yields the process and its port."""
    path = folder / "houses.safetensors"
    model.save(path)
    command = [sys.executable, "-m", "pysmorch", "serve", str(path), "--port", "0", *map(str, options)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT | environment
    ) as process:
        try:
            process.said = process.stdout.readline()
            port = re.search(r"is served at http://[\d.]+:(\d+)", process.said)
            assert port is not None, process.said + process.stderr.read()
            yield process, int(port[1])
        finally:
            process.terminate()
            try:
                process.wait(60)
            finally:
                process.kill()


def ended(process):
    """Return the exit code and all that was printed since the first line."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def fetch(port, path, body=None, **headers):
    """Send one request; returns the status and the body."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"} | headers
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def exchange(reader, writer, body):
    """Send a request over an open connection; returns the status and the body of the answer, which is read whole."""
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length"))
    return int(lines[0].split()[1]), await reader.readexactly(length)


async def connect_and_exchange(port, body, connected=lambda: None):
    """Send a request over a connection of its own; returns the status and the body of the answer, or the error."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connected()
    try:
        return await exchange(reader, writer, body)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        return error
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def rows(count):
    return [ROW | {"size": 20 + i * 0.1, "rooms": 1 + i % 7} for i in range(count)]


async def over_connections(port, bodies, connections):
    """Send bodies over some connections that stay open; returns the answers in their order."""
    answers, left = [None] * len(bodies), iter(enumerate(bodies))

    async def client():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for i, body in left:
            answers[i] = await exchange(reader, writer, body)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(connections)))
    return answers


@posix
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=without_thread_sanitizer)])
def test_a_thousand_requests_over_two_hundred_connections_are_all_answered_each_with_its_own(
    regressor, tmp_path, workers
):
    some = rows(1000)
    expected = regressor.predict(frame_of(*some)).tolist()
    with serving(regressor, tmp_path, "--workers", workers) as (process, port):
        answers = asyncio.run(over_connections(port, [json.dumps(row).encode() for row in some], 200))
        assert {status for status, _ in answers} == {200}
        assert [json.loads(body)["predictions"][0]["prediction"] for _, body in answers] == expected
        counted = fetch(port, "/metrics")[1]
        assert 'pysmorch_requests_total{path="/predict",status="200"} 1000' in counted
        assert "pysmorch_rows_total 1000" in counted
        process.terminate()
        assert ended(process) == (0, "the service has ended\n", "")


@posix
def test_answers_in_flight_are_finished_when_it_is_to_end(regressor, tmp_path):
    some = rows(3000)
    expected = regressor.predict(frame_of(*some)).tolist()
    body = json.dumps(some).encode()

    async def clients(process, port):
        answers = [asyncio.create_task(connect_and_exchange(port, body)) for _ in range(12)]
        await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        process.terminate()
        return await asyncio.gather(*answers)

    with serving(regressor, tmp_path) as (process, port):
        answers = asyncio.run(clients(process, port))
        assert ended(process)[:2] == (0, "the service has ended\n")
    whole = [answer for answer in answers if isinstance(answer, tuple)]
    for status, content in whole:
        assert status == 200
        assert [one["prediction"] for one in json.loads(content)["predictions"]] == expected
    for error in answers:  # a connection whose request was not read yet is closed before a byte of an answer
        assert error in whole or isinstance(error, ConnectionError) or error.partial == b""
    assert len(whole) >= 2


@posix
def test_clients_of_a_killed_service_see_that_their_answer_is_not_whole(regressor, tmp_path):
    body = json.dumps(rows(3000)).encode()

    async def client(process, port):
        connected = asyncio.Event()
        answer = asyncio.create_task(connect_and_exchange(port, body, connected.set))
        await connected.wait()
        process.kill()
        return await answer

    with serving(regressor, tmp_path) as (process, port):
        answer = asyncio.run(client(process, port))
    assert isinstance(answer, (asyncio.IncompleteReadError, ConnectionError))


@posix
@without_thread_sanitizer
def test_a_worker_that_was_killed_is_replaced(regressor, tmp_path):
    with serving(regressor, tmp_path, "--workers", 2) as (process, port):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            pytest.skip("the system does not list the children of a process")
        for _ in range(600):
            before = set(children.read_text().split())
            if len(before) == 2:
                break
            time.sleep(0.1)
        os.kill(int(min(before)), signal.SIGKILL)
        for _ in range(600):
            if len(set(children.read_text().split()) - before) == 1:
                break
            time.sleep(0.1)
        assert [fetch(port, "/predict", json.dumps(ROW).encode())[0] for _ in range(20)] == [200] * 20
        process.send_signal(signal.SIGINT)
        code, _, err = ended(process)
        assert code == 0
        assert re.fullmatch(r"worker \d has ended \(SIGKILL\); another one takes its requests\n", err)


@posix
def test_workers_end_when_the_process_that_waits_for_them_is_gone(regressor, tmp_path):
    with serving(regressor, tmp_path, "--workers", 2) as (process, port):
        assert fetch(port, "/health")[0] == 200
        process.kill()
        process.wait(60)
        for _ in range(600):
            try:
                fetch(port, "/health")
            except urllib.error.URLError:  # nobody has the port any more
                return
            time.sleep(0.1)
    raise AssertionError("a worker goes on")


@posix
def test_beyond_this_machine_it_makes_a_token(regressor, tmp_path):
    with serving(regressor, tmp_path, "--host", "0.0.0.0") as (process, port):
        token = re.search(r"#token=([\w-]{32});", process.said)[1]
        assert process.stdout.readline() == f"its token, for Authorization: Bearer, is {token}\n"
        body = json.dumps(ROW).encode()
        assert fetch(port, "/predict", body)[0] == 401
        assert fetch(port, "/predict", body, Authorization=f"Bearer {token}", Host="models.example")[0] == 200
        assert fetch(port, "/health")[0] == 200


@posix
def test_a_token_that_is_given_is_not_printed(regressor, tmp_path):
    token = "a-token-of-the-environment"
    with serving(regressor, tmp_path, PYSMORCH_TOKEN=token) as (process, port):
        assert fetch(port, "/model")[0] == 401
        assert fetch(port, "/model", Authorization=f"Bearer {token}")[0] == 200
        process.terminate()
        assert token not in process.said + "".join(ended(process)[1:])


@posix
def test_it_is_reached_from_this_machine_alone(regressor, tmp_path):
    with serving(regressor, tmp_path) as (_, port):
        assert fetch(port, "/health", Host="evil.example")[0] == 400
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            addresses = {address[4][0] for address in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
            for address in addresses - {"127.0.0.1", "127.0.1.1"}:
                with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
                    socket.create_connection((address, port), 5)


def test_a_port_in_use_is_said_with_what_to_do(run, regressor):
    regressor.save("m.safetensors")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        error = error_of(run("serve", "m.safetensors", "--port", port))
    assert error.endswith(f"port {port} is in use; give another one with --port, or --port 0 for any free one")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "65536"], "--port must be from 0 to 65535, but is 65536"),
        (["--workers", "0"], "--workers must be from 1 to 256, but is 0"),
        (["--max-rows", "0"], "--max-rows must be at least 1, but is 0"),
        (["--max-requests", "0"], "--max-requests must be at least 1, but is 0"),
        (["--max-body", "much"], "--max-body must be a size such as 2GB or 512MB, but is 'much'"),
        (["--timeout", "0"], "--timeout must be above 0 and at most 86400 seconds, but is 0"),
        (["--timeout", "nan"], "--timeout must be above 0 and at most 86400 seconds, but is nan"),
        (["--token", "short"], "--token must have at least 16 letters or digits, and no blanks"),
        (["--host", "192.0.2.1", "--port", "0"], "--host 192.0.2.1 is no address of this machine"),
        (["--host", "no.such.invalid", "--port", "0"], "--host 'no.such.invalid' is no address that is known"),
        (["--precision", "half", "--port", "0"], "--precision must be"),
    ],
)
def test_a_wrong_option_is_named(run, regressor, options, said):
    regressor.save("m.safetensors")
    assert said in error_of(run("serve", "m.safetensors", *options))


def test_a_file_that_is_no_model_is_named(run):
    Path("m.safetensors").write_text("no model")
    assert "m.safetensors" in error_of(run("serve", "m.safetensors", "--port", 0))
    assert "none.safetensors" in error_of(run("serve", "none.safetensors", "--port", 0))


def test_without_the_extra_it_says_what_to_install(run, monkeypatch):
    imported = builtins.__import__

    def without(name, *more):
        if name.split(".")[0] == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return imported(name, *more)

    monkeypatch.delitem(sys.modules, "pysmorch.serving.workers", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    error = error_of(run("serve", "m.safetensors"))
    assert 'serve needs uvicorn: install it with pip install "pysmorch[web]"' in error


def test_a_start_loads_neither_scikit_learn_nor_scipy(regressor, classifier, tmp_path):
    code = (
        "import sys, pysmorch; from pysmorch.serving import application; application(pysmorch.load(sys.argv[1]));"
        "print([name for name in ('sklearn', 'scipy', 'matplotlib', 'typer') if name in sys.modules])"
    )
    for i, model in enumerate((regressor, classifier)):
        model.save(tmp_path / f"{i}.safetensors")
        command = [sys.executable, "-c", code, str(tmp_path / f"{i}.safetensors")]
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
        assert (done.stdout, done.stderr) == ("[]\n", "")
