"""Real tables and images, where they are on this machine: "fast" reaches what it should."""

import os
from pathlib import Path

import pytest

import pysmorch as ps
from pysmorch.sources import read
from tests.helpers import error_of

DATA = Path(os.environ.get("PYSMORCH_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not there (PYSMORCH_TEST_DATA)")


def accuracy(out):
    return float(out.split("accuracy")[1].split()[0])


@needs_data
def test_letters_are_told_apart_from_a_csv_with_a_header(run):
    code, out, err = run("train", DATA / "letter-recognition.csv", "--target", "Letter", "--preset", "fast", "--quiet")
    assert code == 0, err
    assert accuracy(out) >= 0.95


@needs_data
def test_incomes_are_predicted_from_a_csv_without_a_header_and_with_gaps(run):
    code, out, err = run(
        "train", DATA / "adult-train.csv", "--no-header", "--target", "-1", "--preset", "fast", "--quiet"
    )
    assert code == 0, err
    assert accuracy(out) >= 0.85
    line = error_of(run("evaluate", "model.safetensors", DATA / "adult-test.csv"))
    assert "unknown labels '<=50K.', '>50K.'; the classes of this model are '<=50K', '>50K'" in line


@needs_data
def test_a_plain_network_reads_handwritten_digits():
    source = read(str(DATA / "mnist10k-images-idx3-ubyte.gz"), labels=str(DATA / "mnist10k-labels-idx1-ubyte.gz"))
    X, y = source.features / 255, source.labels
    pixels = ps.Flatten(ps.Data(shape=(None, 28, 28, 1)))
    network = ps.Network(ps.CrossEntropy(ps.mlp(pixels, [256, 128], 10, seed=0)))
    network.fit(X[:8000], y[:8000], epochs=10, seed=0)
    assert network.evaluate(X[8000:], y[8000:])["accuracy"] >= 0.95
