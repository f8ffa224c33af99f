"""`pysmorch quantize`."""

import pytest

import pysmorch as ps
from tests.cli.examples import QUICK, spoil, write_csv
from tests.helpers import error_of


@pytest.fixture
def trained(run):
    write_csv()
    assert run("train", "houses.csv", "--target", "price", *QUICK)[0] == 0


def test_a_model_is_quantized_and_predicts_evaluates_and_shows_itself(run, trained):
    code, out, err = run("quantize", "model.safetensors", "houses.csv", "--out", "small.pysm")
    assert code == 0, err
    assert "model with weights of 8 bits written to small.pysm" in out
    for command in ("predict", "evaluate"):
        code, out, err = run(command, "small.pysm", "houses.csv")
        assert code == 0, err
    assert "QuantizedLinear1" in run("show", "small.pysm")[1]
    model, small = ps.load("model.safetensors"), ps.load("small.pysm")
    assert small.notes_ == model.notes_
    assert sum(layer.weights.nbytes for layer in small.network_.layers if hasattr(layer, "weights")) == sum(
        layer.W.size for layer in model.network_.layers if type(layer) is ps.Linear
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.safetensors", "houses.csv", "--out", "houses.csv"], "--out houses.csv"),
        (["model.safetensors", "houses.csv", "--out", "model.safetensors"], "--out model.safetensors"),
        (["model.safetensors", "narrow.csv"], "narrow.csv"),
        (["houses.csv", "houses.csv"], "houses.csv: not a model file"),
        (["small.pysm", "houses.csv"], "there is no Linear and no convolution in one group"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, trained, arguments, message):
    spoil("narrow.csv", b"town,price\nUlm,cheap\n")
    assert run("quantize", "model.safetensors", "houses.csv", "--out", "small.pysm")[0] == 0
    result = run("quantize", *arguments)
    assert message in error_of(result)
