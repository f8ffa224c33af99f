"""What tests of several folders have in common."""

import sys
from types import ModuleType

import numpy as np
import pytest
from hypothesis import settings

from pysmorch.cli import main
from tests.helpers import THREAD_SANITIZER


class Unusable(ModuleType):
    """A library that ends the process beside ThreadSanitizer: a test that makes something with it is skipped."""

    def __getattr__(self, name):
        """Return a class, which can be asked for its instances, but has none."""
        if name.startswith("__"):
            raise AttributeError(name)

        def skip(cls, *arguments, **options):
            pytest.skip(f"{self.__name__} does not run with ThreadSanitizer", allow_module_level=True)

        return type(name, (), {"__new__": skip, "__getattr__": skip})


if THREAD_SANITIZER:
    sys.modules["polars"] = Unusable("polars")

# The same examples each time; `--hypothesis-profile=default` looks for new ones.
settings.register_profile("reproducible", derandomize=True)
settings.load_profile("reproducible")


STATES = pytest.StashKey()


def pytest_collection_finish(session):
    """Remember where the generators of all modules are before the first test."""
    modules = {item.module for item in session.items if hasattr(item, "module")}
    generators = [v for module in modules for v in vars(module).values() if isinstance(v, np.random.Generator)]
    session.config.stash[STATES] = {id(one): one.bit_generator.state for one in generators}


def pytest_runtest_setup(item):
    """Let a test draw the same numbers whichever tests ran before it."""
    states = item.config.stash[STATES]
    for value in vars(getattr(item, "module", None) or object).values():
        if id(value) in states:
            value.bit_generator.state = states[id(value)]


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
