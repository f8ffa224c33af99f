"""What docs/serving.md shows runs, and the options are as it says."""

import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from pysmorch.cli.serve_options import ServeOptions
from pysmorch.cli.taking import parse_size
from pysmorch.serving import Limits, application
from pysmorch.serving.workers import server_of
from pysmorch.web import listen
from tests.helpers import PLAIN_ENVIRONMENT
from tests.serving.conftest import houses

TEXT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
ADDRESS = "http://127.0.0.1:8000"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def address(regressor, tmp_path, monkeypatch):
    """The address of a service of houses, in a folder with the files of the document."""
    monkeypatch.chdir(tmp_path)
    houses(20).to_csv("houses.csv", index=False)
    regressor.save("houses.safetensors")
    with listen(0) as listening:
        serving = server_of(application(regressor), 64)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving.should_exit = True
        thread.join()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("block", [block for block in blocks("sh") if ADDRESS in block])
def test_the_commands_run(address, block):
    command = [
        "bash",
        "-c",
        block.replace(ADDRESS, address).replace("curl ", "curl -sS --fail-with-body --noproxy '*' "),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=PLAIN_ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"prediction' in done.stdout


@pytest.mark.parametrize("block", blocks("python"))
def test_the_programs_run(address, block, capsys):
    known = {}
    exec(compile(block.replace(ADDRESS, address), "serving.md", "exec"), known)
    if "answer" in known:
        assert "is none of the values that the model knows" in capsys.readouterr().out
    else:
        assert known["app"].routes


def test_the_limits_are_those_of_the_options():
    table = dict(re.findall(r"^\| `--([a-z-]+)` \| (\S+) \|", TEXT, flags=re.MULTILINE))
    options = {name.replace("_", "-"): field.default for name, field in ServeOptions.__dataclass_fields__.items()}
    assert {name: str(options[name]).removesuffix(".0") for name in table} == table
    limits = Limits()
    assert (limits.body, limits.rows, limits.requests, limits.seconds) == (
        parse_size("--max-body", options["max-body"]),
        options["max-rows"],
        options["max-requests"],
        options["timeout"],
    )
    assert f"{limits.explained} with `explain`" in TEXT
