"""What `--out` may replace, and that nothing is lost when a command fails."""

import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import pysmorch as ps
from tests.cli.examples import QUICK, spoil, write_csv
from tests.helpers import error_of

TRAIN = ["train", "houses.csv", "--target", "price", *QUICK]
PREDICT = ["predict", "model.safetensors", "houses.csv"]


@pytest.fixture
def files(run):
    """A table, a model of it, and files of other kinds; returns the content of each by name."""
    write_csv()
    assert run(*TRAIN)[0] == 0
    spoil("notes.txt", "to be done")
    spoil("other.csv", "a,b\n1,2\n")
    spoil("text.parquet", "no Parquet file")
    pa.parquet.write_table(pa.table({"a": [1]}), "other.parquet")
    pa.parquet.write_table(pa.table({"a": [1]}), "table.csv")
    pa.parquet.write_table(pa.table({"prediction": [1]}), "predictions.csv")
    np.savez("arrays.npz", X=np.zeros((3, 2)), y=np.arange(3))
    os.symlink("houses.csv", "link.csv")
    os.link("houses.csv", "hard.csv")
    os.mkdir("folder.csv")
    shutil.copy("model.safetensors", "model.csv")
    return contents()


def contents():
    found = {}
    for name in sorted(os.listdir(".")):
        if os.path.isfile(name):
            with open(name, "rb") as file:
                found[name] = file.read()
    return found


@pytest.mark.parametrize(
    ("command", "out", "message"),
    [
        (TRAIN, "houses.csv", "--out houses.csv is houses.csv, which is read; name another file, or add --force"),
        (TRAIN, "./houses.csv", "--out ./houses.csv is houses.csv, which is read"),
        (TRAIN, "link.csv", "--out link.csv is houses.csv, which is read"),
        (TRAIN, "hard.csv", "--out hard.csv is houses.csv, which is read"),
        (TRAIN, "notes.txt", "--out notes.txt exists and is no model of pysmorch; name another file, or add --force"),
        (TRAIN, "other.csv", "other.csv exists and is no model"),
        (TRAIN, "other.parquet", "other.parquet exists and is no model"),
        (TRAIN, "arrays.npz", "arrays.npz exists and is no model"),
        (TRAIN, "folder.csv", "folder.csv is a folder; name a file"),
        ([*TRAIN, "--test-file", "other.csv"], "other.csv", "--out other.csv is other.csv, which is read"),
        (["train", "house*.csv", *TRAIN[2:]], "houses.csv", "--out houses.csv is house*.csv, which is read"),
        (PREDICT, "houses.csv", "--out houses.csv is houses.csv, which is read"),
        (PREDICT, "link.csv", "--out link.csv is houses.csv, which is read"),
        (["predict", "model.csv", "houses.csv"], "model.csv", "--out model.csv is model.csv, which is read"),
        (PREDICT, "model.csv", "--out model.csv exists and is no file of predictions"),
        (
            PREDICT,
            "other.csv",
            "--out other.csv exists and is no file of predictions; name another file, or add --force",
        ),
        (PREDICT, "table.csv", "table.csv exists and is no file of predictions"),
        (PREDICT, "predictions.csv", "predictions.csv exists and is no file of predictions"),
        (PREDICT, "other.parquet", "other.parquet exists and is no file of predictions"),
        (PREDICT, "text.parquet", "text.parquet exists and is no file of predictions"),
        (PREDICT, "folder.csv", "folder.csv is a folder; name a file"),
        (PREDICT, "no/p.csv", "the folder no for p.csv does not exist; make it first"),
        (PREDICT, "model.safetensors", "--out must end in .csv or .parquet"),
    ],
)
def test_files_that_would_be_lost_are_refused_before_anything_is_done(run, files, command, out, message):
    result = run(*command, "--out", out)
    assert message in error_of(result)
    assert result[1] == ""
    assert contents() == files


def test_models_and_predictions_are_replaced_by_new_ones_of_their_kind(run, files):
    assert run(*TRAIN, "--seed", "5")[0] == 0
    assert contents()["model.safetensors"] != files["model.safetensors"]
    spoil("empty.safetensors", "")
    assert run(*TRAIN, "--out", "empty.safetensors")[0] == 0
    for name in ("p.csv", "p.parquet"):
        assert run(*PREDICT, "--out", name)[0] == 0
        spoiled = contents()[name]
        assert run(*PREDICT, "--out", name, "--id", "town")[0] == 0
        assert contents()[name] != spoiled


def test_force_replaces_any_file_but_no_folder(run, files):
    assert run(*TRAIN, "--out", "notes.txt", "--force")[0] == 0
    assert ps.load("notes.txt").n_iter_ == 15
    assert run(*PREDICT, "--out", "houses.csv", "--force")[0] == 0
    assert contents()["houses.csv"].startswith(b'"prediction"')
    assert "is a folder" in error_of(run(*TRAIN, "--out", "folder.csv", "--force"))


def test_where_nothing_can_be_written_is_said_before_the_training(run, files):
    result = run(*TRAIN, "--out", "/proc/model.safetensors")
    assert "/proc/model.safetensors cannot be written" in error_of(result)
    assert result[1] == ""
    name = 300 * "m"
    assert f"{name} cannot be written: File name too long" in error_of(run(*TRAIN, "--out", name))


@pytest.mark.parametrize("command", [TRAIN, [*PREDICT, "--out", "p.csv"], [*PREDICT, "--out", "p.parquet"]])
def test_an_older_file_stays_whole_when_writing_fails(run, files, command, monkeypatch):
    assert run(*command)[0] == 0
    before = contents()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pysmorch.files.writing.os.replace", full)
    assert "could not be written: No space left on device; nothing was changed" in error_of(run(*command))
    assert contents() == before


def test_an_interruption_of_predict_writes_nothing(run, files, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("pysmorch.cli.prediction.predict_block", interrupted)
    code, _, err = run(*PREDICT, "--out", "p.csv")
    assert (code, err) == (130, "pysmorch: error: interrupted; no file was written\n")
    assert contents() == files


def test_a_training_whose_held_out_rows_cannot_be_measured_is_not_lost(run, files, monkeypatch):
    def without_memory(*arguments):
        raise MemoryError("Unable to allocate 61.0 MiB")

    monkeypatch.setattr("pysmorch.cli.figures._of_classes", without_memory)
    monkeypatch.setattr("pysmorch.cli.figures._of_numbers", without_memory)
    code, _, err = run(*TRAIN, "--out", "kept.safetensors")
    assert code == 2
    assert "not enough memory; the model is written to kept.safetensors, but was not measured on the" in err
    assert ps.load("kept.safetensors").n_iter_ > 0


def test_text_of_files_does_not_reach_the_terminal_as_commands(run):
    red, up, back = "\x1b[31mred", "\x1b]0;title\x07", "\u202egnp.exe"
    rows = [f'{i % 7},"{up}{i % 2}",{(red, back)[i * 5 % 3 > 0]}' for i in range(60)]
    spoil("evil.csv", f"size,{red} town,{back}\n" + "\n".join(rows) + "\n")
    code, out, err = run("train", "evil.csv", "--target", "-1", *QUICK)
    assert code == 0, err
    shown = [out, err, *run("evaluate", "model.safetensors", "evil.csv")[1:], *run("show", "model.safetensors")[1:]]
    shown.append(error_of(run("train", "evil.csv", "--target", "towm")))
    shown.append(error_of(run("train", "\x1b[2J.csv")))
    spoil("other.csv", f"size,{red} town\n\x1b[2J,a\n")
    shown.append(error_of(run("predict", "model.safetensors", "other.csv")))
    for text in shown:
        assert not set("\x1b\x07\u202e") & set(text)
    assert "\\x1b[31mred" in out
    assert "\\u202egnp.exe" in out
    assert "\x1b[31mred" in run("predict", "model.safetensors", "evil.csv")[1]  # for programs, text is as it is


def test_a_warning_of_the_library_is_one_line_without_a_python_file(run, monkeypatch):
    import warnings

    from pysmorch.encoders.table import TableEncoder

    describe = TableEncoder.describe

    def warned(self):
        for name in ("a", "b\x1b[31m", "b\x1b[31m"):
            warnings.warn(f"column {name} carries\nnothing", ps.PysmorchWarning, stacklevel=1)
        return describe(self)

    monkeypatch.setattr(TableEncoder, "describe", warned)
    write_csv()
    code, _, err = run(*TRAIN, "--quiet")
    assert code == 0
    assert [line for line in err.splitlines() if "carries" in line] == [  # others are about the short training
        "pysmorch: warning: column a carries nothing",
        "pysmorch: warning: column b\\x1b[31m carries nothing",
    ]
    assert all(line.startswith("pysmorch: warning: ") for line in err.splitlines())
