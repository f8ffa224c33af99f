"""`pysmorch export`."""

import re
from pathlib import Path

import pytest

from tests.cli.examples import QUICK, spoil, write_csv
from tests.helpers import error_of


@pytest.fixture
def trained(run):
    write_csv()
    assert run("train", "houses.csv", "--target", "price", *QUICK)[0] == 0


def test_a_model_is_written_and_compared(run, trained):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra onnx has it")
    code, out, err = run("export", "model.safetensors", "houses.csv")
    assert code == 0, err
    assert "ONNX file written to model.onnx" in out
    difference = re.search(r"the probabilities of ONNX Runtime differ by at most (\S+)", out)
    assert float(difference[1]) < 1e-6
    assert "--out model.onnx exists; name another file, or add --force" in error_of(run("export", "model.safetensors"))
    assert run("export", "model.safetensors", "--force")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "name", "said"),
    [
        (["--to", "c"], "model.c", "C file written to model.c"),
        (["--out", "net.c"], "net.c", "C file written to net.c"),
        (["--to", "numpy"], "model.py", "Python file written to model.py"),
    ],
)
def test_c_and_python_files_are_written_and_stay_unless_forced(run, trained, arguments, name, said):
    code, out, err = run("export", "model.safetensors", *arguments)
    assert code == 0, err
    assert said in out
    written = Path(name).read_bytes()
    assert re.search(rb"\bA Classifier that PySmorch", written)
    assert f"--out {name} exists" in error_of(run("export", "model.safetensors", *arguments))
    assert run("export", "model.safetensors", *arguments, "--force")[0] == 0
    assert Path(name).read_bytes() == written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.safetensors", "houses.csv", "--out", "houses.csv"], "--out houses.csv"),
        (["model.safetensors", "--out", "model.safetensors"], "--out model.safetensors"),
        (["model.safetensors", "--out", "notes.txt"], "--out notes.txt exists"),
        (["model.safetensors", "narrow.csv"], "narrow.csv"),
        (["houses.csv"], "houses.csv: not a model file"),
        (["model.safetensors", "--layout", "chw"], "--layout"),
        (["model.safetensors", "--to", "java"], "Invalid value for '--to': 'java' is not one of 'onnx', 'c', 'numpy'"),
        (["model.safetensors", "--out", "numpy.py"], "numpy.py would be found in place of the module numpy"),
        (["model.safetensors", "--to", "c", "--out", "net.py"], "--to c and --out net.py do not fit"),
        (
            ["model.safetensors", "houses.csv", "--to", "c"],
            "rows are compared with an ONNX file only; leave houses.csv",
        ),
        (["model.safetensors", "--to", "c", "--out", "nowhere/net.c"], "the folder nowhere for net.c does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, trained, arguments, message):
    spoil("narrow.csv", b"town,price\nUlm,cheap\n")
    spoil("notes.txt", b"mine\n")
    assert message in error_of(run("export", *arguments))
