"""What tests of several folders have in common."""

import pytest
from hypothesis import settings

from pysmorch.cli import main

# The same examples each time; `--hypothesis-profile=default` looks for new ones.
settings.register_profile("reproducible", derandomize=True)
settings.load_profile("reproducible")


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run a command line in a folder of its own; returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["pysmorch", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capfd.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def no_memory(monkeypatch):
    """Let every table that can be read block by block be read so, in small blocks."""

    def call():
        monkeypatch.setattr("pysmorch.sources.reading.available_memory", lambda: 0)
        monkeypatch.setattr("pysmorch.sources.streaming.ROWS_OF_A_BATCH", 37)
        monkeypatch.setattr("pysmorch.sources.pieces.BYTES_OF_A_PIECE", 300)

    return call
