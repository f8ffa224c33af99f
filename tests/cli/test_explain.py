"""`pysmorch explain`: a line for each column of a row, the largest contribution first."""

import json

import numpy as np
import pytest

from pysmorch import Classifier
from tests.cli.examples import QUICK, write_csv
from tests.helpers import error_of


@pytest.fixture
def trained(run):
    write_csv()
    assert run("train", "houses.csv", "--target", "price", *QUICK, "--quiet")[0] == 0
    return run


def test_a_line_for_each_column_is_printed(trained):
    code, out, err = trained("explain", "model.safetensors", "houses.csv", "--row", "10")
    assert code == 0, err
    first, second, *lines = out.splitlines()
    assert first == "row 10 of houses.csv:"
    assert second.startswith("log-odds of the class ")
    assert {line.split("column ")[1] for line in lines} == {"size (83)", "town (Ulm)", "age (?)"}
    sizes = [abs(float(line.split()[0])) for line in lines]
    assert sizes == sorted(sizes, reverse=True)


def test_json_has_the_same(trained):
    code, out, err = trained("explain", "model.safetensors", "houses.csv", "--row", "10", "--of", "cheap", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["row"], found["output"], found["explained"]) == (10, "cheap", "log-odds of the class")
    total = sum(entry["contribution"] for entry in found["contributions"])
    np.testing.assert_allclose(total, found["prediction"] - found["baseline"], rtol=0.01)
    assert {entry["column"]: entry["value"] for entry in found["contributions"]} == {
        "size": "83",
        "town": "Ulm",
        "age": "?",
    }
    assert found["error"] < 0.01


def test_a_regression_is_explained(run):
    assert run("train", "diabetes", *QUICK, "--quiet")[0] == 0
    code, out, err = run("explain", "model.safetensors", "diabetes", "--row", "3")
    assert code == 0, err
    assert out.splitlines()[1].startswith("prediction: ")
    assert out.count("column ") == 10


@pytest.mark.parametrize("row", [0, 121])
def test_a_row_that_there_is_not_is_refused(trained, row):
    error = error_of(trained("explain", "model.safetensors", "houses.csv", "--row", row))
    assert f"--row must be from 1 to 120, the number of rows of houses.csv, but is {row}" in error


def test_a_class_that_there_is_not_is_refused(trained):
    error = error_of(trained("explain", "model.safetensors", "houses.csv", "--of", "free"))
    assert "--of must be one of cheap, dear, but is 'free'" in error


def test_images_are_refused(run, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4)).astype(np.uint8)
    Classifier(hidden=(4,), epochs=1, random_state=0).fit(images, np.arange(20) % 2).save(tmp_path / "m.safetensors")
    error = error_of(run("explain", "m.safetensors", "digits"))
    assert "explain is about the columns of a table, but m.safetensors was trained on images" in error


def test_a_table_that_the_memory_does_not_hold_is_explained(trained, no_memory):
    no_memory()
    code, out, err = trained("explain", "model.safetensors", "houses.csv", "--row", "10")
    assert code == 0, err
    assert "column town (Ulm)" in out
