"""What the files about packaging say agrees with the package."""

import re
import tomllib
from pathlib import Path

import pytest

import pysmorch
from pysmorch.missing import LIBRARIES

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(not (ROOT / "CITATION.cff").exists(), reason="this is not a checkout")


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_has_the_version_of_the_package():
    assert re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == pysmorch.__version__


def test_every_library_that_is_installed_with_it_has_a_sentence_where_it_is_missing():
    required = {re.match(r"[\w-]+", line)[0] for line in project()["dependencies"]}
    assert required - {"numpy"} == set(LIBRARIES.values())


def test_the_extra_for_tests_has_every_extra_but_the_heavy_ones_and_those_of_tools():
    extras = project()["optional-dependencies"]
    whole = next(line for line in extras["test"] if line.startswith("pysmorch["))
    assert set(re.search(r"\[(.+)\]", whole)[1].split(",")) == set(extras) - {
        "test",
        "dev",
        "docs",
        "jax",
        "mlflow",
        "ray",
    }
