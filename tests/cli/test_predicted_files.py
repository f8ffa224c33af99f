"""Predictions in a folder: a file for each file of the source."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from tests.cli.examples import QUICK, write_csv


@pytest.fixture
def parts(run):
    """A model, and its rows in two files of folders key=value and one beside them."""
    write_csv(rows=120)
    table = pa.csv.read_csv("houses.csv")
    assert run("train", "houses.csv", "--target", "price", *QUICK)[0] == 0
    for i, name in enumerate(("year=1/a.parquet", "year=2/a.parquet", "b.csv")):
        path = Path("parts", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        some = table.slice(40 * i, 40)
        (pa.csv.write_csv if name.endswith("csv") else pa.parquet.write_table)(some, path)
    return run


@pytest.mark.parametrize("streamed", [False, True])
def test_each_file_of_the_source_becomes_a_file_of_predictions(parts, no_memory, streamed):
    if streamed:
        no_memory()
    code, output, errors = parts("predict", "model.safetensors", "parts", "--out", "new/folder/", "--id", "age")
    assert code == 0, errors
    assert output == "120 predictions written to 3 files of new/folder/\n"
    code, _, errors = parts("predict", "model.safetensors", "houses.csv", "--out", "all.parquet", "--id", "age")
    assert code == 0, errors
    names = ["year=1/a.parquet", "year=2/a.parquet", "b.csv"]
    assert sorted(str(path.relative_to("new/folder")) for path in Path("new").rglob("*.*")) == sorted(names)
    expected = pa.parquet.read_table("all.parquet")
    for i, name in enumerate(names):
        path = Path("new/folder", name)
        found = pa.csv.read_csv(path) if name.endswith("csv") else pa.parquet.read_table(path)
        wanted = expected.slice(40 * i, 40)
        assert found["prediction"].to_pylist() == wanted["prediction"].to_pylist()
        assert [str(age) for age in found["age"].to_pylist()] == [str(age) for age in wanted["age"].to_pylist()]


def test_files_of_a_pattern_go_into_a_folder_that_exists_and_replace_predictions_only(parts):
    Path("out").mkdir()
    pattern = "parts/year=*/*.parquet"
    assert parts("predict", "model.safetensors", pattern, "--out", "out")[0] == 0
    assert parts("predict", "model.safetensors", pattern, "--out", "out")[0] == 0
    Path("out/year=2/a.parquet").write_bytes(Path("parts/year=2/a.parquet").read_bytes())
    code, _, errors = parts("predict", "model.safetensors", pattern, "--out", "out")
    assert code == 2
    assert "year=2/a.parquet exists and is no file of predictions" in errors


def test_a_source_is_not_replaced_by_its_predictions(parts):
    before = Path("parts/year=1/a.parquet").read_bytes()
    code, _, errors = parts("predict", "model.safetensors", "parts", "--out", "parts")
    assert (code, Path("parts/year=1/a.parquet").read_bytes()) == (2, before)
    assert "which is read; name another file" in errors


def test_files_whose_predictions_would_have_one_name_are_refused(parts):
    Path("twice").mkdir()
    for name in ("a.parquet", "a.feather"):
        Path("twice", name).write_bytes(Path("parts/year=1/a.parquet").read_bytes())
    code, _, errors = parts("predict", "model.safetensors", "twice", "--out", "out/")
    assert code == 2
    assert "a.feather and twice/a.parquet would both be out/a.parquet" in errors


def test_a_bad_file_is_named_and_the_files_before_it_are_whole(parts):
    Path("parts/year=2/a.parquet").write_bytes(b"PAR1 and no more")
    code, _, errors = parts("predict", "model.safetensors", "parts/year=*/*.parquet", "--out", "out/")
    assert code == 2
    assert "1 of 2 files were written to out/ before out/year=2/a.parquet" in errors
    assert errors.splitlines()[-1].startswith("pysmorch: error: parts/year=2/a.parquet: not a Parquet file")
    assert pa.parquet.read_metadata("out/year=1/a.parquet").num_rows == 40
    assert [path.name for path in Path("out/year=2").iterdir()] == []
