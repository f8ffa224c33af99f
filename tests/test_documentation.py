"""Whatever the README, the docstrings and the examples show runs, and shows what it says."""

import doctest
import importlib
import os
import pkgutil
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pysmorch
from pysmorch import layers, losses

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
    if ".jax" in name:
        pytest.importorskip("jax", reason='needs JAX; pip install "pysmorch[jax]"')
    if name.startswith(("pysmorch.playground.server", "pysmorch.serving", "pysmorch.web")):
        pytest.importorskip("uvicorn", reason="pages and services need pysmorch[web]")
    if name == "pysmorch.reporting.report":
        pytest.importorskip("jinja2", reason="a report needs pysmorch[report]")
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


@pytest.mark.parametrize("block", blocks("python"), ids=title_of)
def test_the_programs_in_the_readme_run(block, tmp_path, monkeypatch):
    if "plots" in block:
        pytest.importorskip("matplotlib", reason="plots need Matplotlib")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("block", blocks("python"), ids=title_of)
def test_the_programs_in_the_readme_are_short(block):
    assert len([line for line in block.splitlines() if line.strip()]) <= 16


def test_the_commands_in_the_readme_run(run):
    write_what_the_commands_read()
    for line in "".join(blocks("console")).splitlines():
        command, *arguments = shlex.split(line.removeprefix("$ "))
        code, *said = run(*arguments) if command == "pysmorch" else run_python(arguments)
        not_done_yet = arguments[0].startswith("lessons/") and "still has a blank" in said[0]
        assert code == (1 if not_done_yet else 0), f"{line}: {said}"
    written = ("model.safetensors", "predictions.csv", "labels.csv", "lessons/10_digits.ipynb")
    assert all(Path(name).exists() for name in written)


def write_what_the_commands_read():
    rows = "\n".join(f"{i % 7},{'ab'[i % 2]},{i % 7 + i % 2 + i / 100}" for i in range(60))
    Path("measurements.csv").write_text("size,kind,price\n" + rows + "\n")
    rng = np.random.default_rng(0)
    for folder in ("photos/cat", "photos/dog", "new-photos"):
        Path(folder).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(rng.integers(0, 256, (30, 40 + i, 3), np.uint8)).save(f"{folder}/{i}.jpg")
    Path("homework.py").write_text(
        "class Flatten:\n"
        "    def __init__(self, in_layer):\n"
        "        self.in_layer = in_layer\n"
        "        num_data, *dims = in_layer.out_dims\n"
        "        size = 1\n"
        "        for n in dims:\n"
        "            size *= n\n"
        "        self.out_dims = (num_data, size)\n"
        "    def forward(self):\n"
        "        self.in_array = self.in_layer.forward()\n"
        "        return self.in_array.reshape(len(self.in_array), -1)\n"
        "    def backward(self, dwnstrm):\n"
        "        self.in_layer.backward(dwnstrm.reshape(self.in_array.shape))\n"
    )


def run_python(arguments):
    environment = os.environ | {"PYTHONPATH": str(Path(pysmorch.__file__).parents[1])}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, env=environment)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_the_examples_run(path, tmp_path, monkeypatch, capsys):
    if "plots" in path.read_text() or "matplotlib" in path.read_text():
        pytest.importorskip("matplotlib", reason="its figures need Matplotlib").use("agg")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("README.md", "figures"),
        ("benchmarks/README.md", "scaling"),
        ("docs/speed.md", "matrix_unit"),
        ("docs/prediction.md", "quantized"),
    ],
)
def test_the_figures_are_those_of_the_benchmark_files(path, what, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    tables = runpy.run_path(str(ROOT / "benchmarks" / "tables.py"))
    between = (ROOT / path).read_text().split(tables["BEGIN"])[1].split(tables["END"])[0]
    assert between.strip() == tables[what]()


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks" / "README.md"], ids=lambda page: page.name
)
def test_links_of_a_page_lead_to_files_of_the_repository(page):
    links = re.findall(r"\]\((?!\w+:)([^)\s#]+)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    if page == ROOT / "docs" / "index.md":  # the front page of the site, with figures that it makes
        missing = [link for link in missing if not link.startswith("gallery/images/")]
    assert missing == []


def test_every_public_name_is_there_and_says_what_it_is():
    for name in pysmorch.__all__:
        assert getattr(pysmorch, name).__doc__, f"pysmorch.{name} has no docstring"


def test_the_list_of_names_loaded_later_is_part_of_the_public_list():
    assert set(pysmorch._LAZY) <= set(pysmorch.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Convolution'"):
        _ = pysmorch.Convolution


def test_the_table_in_the_readme_names_layers_and_losses_that_there_are():
    table = README.split("| family | layers, among others |")[1].split("\n\n")[0]
    named = re.findall(r"`(\w+)`", table)
    assert len(named) > 40
    assert set(named) <= {*layers.__all__, *losses.__all__}
