"""Whatever the README, the docstrings and the examples show runs, and shows what it says."""

import doctest
import importlib
import pkgutil
import re
import runpy
import shlex
from pathlib import Path

import pytest

import pysmorch

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(pysmorch.__path__, "pysmorch.")
    if not module.name.endswith("__main__")
)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def title_of(block):
    return README[: README.index(block)].rsplit("\n#", 1)[1].splitlines()[0].strip("# ")


@pytest.mark.parametrize("name", ["pysmorch", *MODULES])
def test_examples_in_docstrings_show_what_they_say(name):
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


@pytest.mark.parametrize("block", blocks("python"), ids=title_of)
def test_the_programs_in_the_readme_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("block", blocks("python"), ids=title_of)
def test_the_programs_in_the_readme_are_short(block):
    assert len([line for line in block.splitlines() if line.strip()]) <= 16


def test_the_commands_in_the_readme_run(tmp_path, monkeypatch, capsys):
    from pysmorch.cli import main

    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{i % 7},{'ab'[i % 2]},{i % 7 + i % 2 + i / 100}" for i in range(60))
    Path("measurements.csv").write_text("size,kind,price\n" + rows + "\n")
    (block,) = blocks("console")
    for line in block.splitlines():
        monkeypatch.setattr("sys.argv", shlex.split(line.removeprefix("$ ")))
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code, f"{line}: {capsys.readouterr().err}"
    assert Path("predictions.csv").exists()
    assert Path("model.safetensors").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_the_examples_run(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


def test_the_figures_of_the_readme_are_those_of_the_benchmark_files():
    tables = runpy.run_path(str(ROOT / "benchmarks" / "tables.py"))
    text = (ROOT / "README.md").read_text()
    between = text.split(tables["BEGIN"])[1].split(tables["END"])[0]
    assert between.strip() == tables["figures"]()


def test_every_public_name_is_there_and_says_what_it_is():
    for name in pysmorch.__all__:
        assert getattr(pysmorch, name).__doc__, f"pysmorch.{name} has no docstring"


def test_the_list_of_names_loaded_later_is_part_of_the_public_list():
    assert set(pysmorch._LAZY) <= set(pysmorch.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Convolution'"):
        _ = pysmorch.Convolution
