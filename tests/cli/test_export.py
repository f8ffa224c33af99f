"""`pysmorch export`."""

import re

import pytest

from tests.cli.examples import QUICK, spoil, write_csv
from tests.helpers import error_of

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra onnx has it")


@pytest.fixture
def trained(run):
    write_csv()
    assert run("train", "houses.csv", "--target", "price", *QUICK)[0] == 0


def test_a_model_is_written_and_compared(run, trained):
    code, out, err = run("export", "model.safetensors", "houses.csv")
    assert code == 0, err
    assert "ONNX file written to model.onnx" in out
    difference = re.search(r"the probabilities of ONNX Runtime differ by at most (\S+)", out)
    assert float(difference[1]) < 1e-6
    assert run("export", "model.safetensors")[0] == 0  # its own kind of file is replaced


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.safetensors", "houses.csv", "--out", "houses.csv"], "--out houses.csv"),
        (["model.safetensors", "--out", "model.safetensors"], "--out model.safetensors"),
        (["model.safetensors", "--out", "notes.txt"], "--out notes.txt exists and is no ONNX file"),
        (["model.safetensors", "narrow.csv"], "narrow.csv"),
        (["houses.csv"], "houses.csv: not a model file"),
        (["model.safetensors", "--layout", "chw"], "--layout"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, trained, arguments, message):
    spoil("narrow.csv", b"town,price\nUlm,cheap\n")
    spoil("notes.txt", b"mine\n")
    assert message in error_of(run("export", *arguments))
