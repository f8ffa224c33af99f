"""docs/format.md says how model files are made: its reader reads them."""

import re
from pathlib import Path

import numpy as np
import pytest

import pysmorch as ps
from tests.helpers import rewritten

DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"


@pytest.fixture
def reader():
    (program,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    assert len([line for line in program.splitlines() if line.strip()]) <= 50
    names = {}
    exec(compile(program, str(DOCUMENT), "exec"), names)
    return names


@pytest.fixture
def network():
    return ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 5)), [8, 6], 3, dropout=0.2, seed=0)))


def test_the_reader_computes_what_the_network_computes(reader, network, tmp_path):
    path = tmp_path / "model.safetensors"
    network.save(path)
    entries, arrays = reader["read"](path)
    rows = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    assert (entries["kind"], entries["versions"]["pysmorch"]) == ("network", ps.__version__)
    np.testing.assert_allclose(
        reader["outputs_of"](entries["model"], arrays, rows), network.predict(rows), rtol=1e-5, atol=1e-6
    )


def test_the_reader_notices_a_changed_bit(reader, network, tmp_path):
    path = tmp_path / "model.safetensors"
    network.save(path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(SystemExit, match="is damaged"):
        reader["read"](path)


def test_a_file_of_a_later_format_is_refused_in_the_words_of_the_document(network, tmp_path):
    path = tmp_path / "model.safetensors"
    network.save(path)
    rewritten(path, lambda header: header.update(format=2))
    with pytest.raises(ps.ModelFileError, match="written in format 2 by a newer version, this one reads 1; update"):
        ps.load(path)
