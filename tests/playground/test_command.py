"""The command `pysmorch playground`."""

import builtins
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import pysmorch
from tests.helpers import error_of


def needs_web():
    for name in ("starlette", "uvicorn", "websockets"):
        pytest.importorskip(name, reason="the playground needs pysmorch[web]")


def test_a_port_in_use_is_said_with_what_to_do(run):
    needs_web()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        error = error_of(run("playground", "--port", port, "--no-browser"))
    assert error.endswith(f"port {port} is in use; give another one with --port, or --port 0 for any free one")


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port_is_named(run, port):
    assert f"--port must be from 0 to 65535, but is {port}" in error_of(run("playground", "--port", port))


def test_without_the_extra_it_says_what_to_install(run, monkeypatch):
    imported = builtins.__import__

    def without(name, *more):
        if name.split(".")[0] == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return imported(name, *more)

    for name in [name for name in sys.modules if name == "pysmorch.playground.server"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    error = error_of(run("playground", "--port", 0, "--no-browser"))
    assert 'the playground needs uvicorn: install it with pip install "pysmorch[web]"' in error


@pytest.mark.skipif(os.name != "posix", reason="sends the signal of Ctrl-C")
def test_it_serves_the_page_until_it_is_interrupted_also_in_the_midst_of_a_training():
    needs_web()
    from websockets.sync.client import connect

    command = [sys.executable, "-m", "pysmorch", "playground", "--port", "0", "--no-browser"]
    environment = os.environ | {"PYTHONPATH": str(Path(pysmorch.__file__).parents[1])}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            said = process.stdout.readline()
            address = re.fullmatch(r"the playground is at http://(127.0.0.1:\d+); Ctrl-C ends it\n", said)[1]
            with urllib.request.urlopen(f"http://{address}", timeout=60) as answer:
                assert b"PySmorch" in answer.read()
            with connect(f"ws://{address}/session", origin=f"http://{address}") as tab:
                tab.send('{"do": "train", "pace": 100000}')
                while '"kind":"state"' not in tab.recv(timeout=60):
                    pass
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "the playground has ended\n", "")
