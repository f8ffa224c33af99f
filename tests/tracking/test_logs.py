import csv
import json
import struct

import numpy as np
import pytest

from pysmorch import Classifier, CrossEntropy, Data, Network, mlp
from pysmorch.tracking import CSVLog, JSONLog, TensorBoardLog

X = np.random.default_rng(0).standard_normal((60, 3))
Y = (X[:, 0] > 0).astype(int)


def small_network():
    return Network(CrossEntropy(mlp(Data(shape=(None, 3)), [4], 2, seed=0)))


def test_a_csv_file_has_a_row_for_each_epoch_with_the_numbers_of_the_history(tmp_path):
    history = small_network().fit(
        X, Y, epochs=4, validation_data=(X, Y), callbacks=[CSVLog(tmp_path / "a.csv")], seed=0
    )
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    for name, values in history.items():
        assert [float(row[name]) for row in rows] == values


def test_json_lines_have_null_where_a_number_is_not_finite(tmp_path):
    log = JSONLog(tmp_path / "a.jsonl")
    log.write(1, {"loss": float("nan"), "accuracy": 0.5})
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"network": 1, "epoch": 1, "loss": None, "accuracy": 0.5}


@pytest.mark.parametrize("kind", [CSVLog, JSONLog])
def test_a_file_that_exists_is_kept_unless_it_is_to_go_on(tmp_path, kind):
    path = tmp_path / "log"
    small_network().fit(X, Y, epochs=2, callbacks=[kind(path)], seed=0)
    before = path.read_text()
    with pytest.raises(FileExistsError, match="take another name, or go on with it: append=True"):
        kind(path)
    small_network().fit(X, Y, epochs=1, callbacks=[kind(path, append=True)], seed=0)
    assert path.read_text().startswith(before)
    assert len(path.read_text().splitlines()) == len(before.splitlines()) + 1


def test_a_file_with_other_columns_is_refused_when_the_fit_begins(tmp_path):
    (tmp_path / "a.csv").write_text("epoch,loss\n")
    with pytest.raises(ValueError, match="has the columns epoch,loss, but this training has network,epoch,loss"):
        small_network().fit(X, Y, epochs=1, callbacks=[CSVLog(tmp_path / "a.csv", append=True)])
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        CSVLog(tmp_path / "none" / "a.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x1b[31mepoch\n1\n", r"has the columns \x1b[31mepoch, but"),
        (b"\xff\xfe\x00", "has the columns \ufffd\ufffd\\x00, but"),
        (b"\n", "has the columns , but"),
        (b"x" * 100_000, "xxx, but this training"),
    ],
)
def test_a_file_that_is_no_log_is_said_in_one_line(tmp_path, content, said):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match="has the columns") as error:
        small_network().fit(X, Y, epochs=1, callbacks=[CSVLog(tmp_path / "a.csv", append=True)])
    assert said in str(error.value)
    assert len(str(error.value)) < 1000
    assert (tmp_path / "a.csv").read_bytes() == content


@pytest.mark.parametrize("kind", [CSVLog, JSONLog])
def test_a_line_that_was_cut_off_is_ended_before_the_next(tmp_path, kind):
    path = tmp_path / "log"
    small_network().fit(X, Y, epochs=2, callbacks=[kind(path)], seed=0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    small_network().fit(X, Y, epochs=2, callbacks=[kind(path, append=True)], seed=0)
    lines = path.read_bytes().splitlines()
    assert b"\n".join(lines).startswith(whole[:-5] + b"\n")
    assert len(lines) == len(whole.splitlines()) + 2


def test_each_network_of_an_ensemble_has_its_rows(tmp_path):
    model = Classifier(members=3, preset="balanced", epochs=2, early_stopping=False, random_state=0)
    model.fit(X, Y, callbacks=[CSVLog(tmp_path / "a.csv")])
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["network"] for row in rows} == {"1", "2", "3"}


def test_event_files_have_the_curves(tmp_path):
    pytest.importorskip("tensorboardX", reason="event files need pysmorch[tracking]")
    history = small_network().fit(
        X, Y, epochs=3, validation_data=(X, Y), callbacks=[TensorBoardLog(tmp_path / "run")], seed=0
    )
    (path,) = (tmp_path / "run").iterdir()
    text = path.read_bytes()
    assert text.count(b"training/loss") == text.count(b"validation/accuracy") == 3
    assert all(struct.pack("<f", value) in text for value in history["val_loss"])


def test_a_history_becomes_a_data_frame():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    history = small_network().fit(X, Y, epochs=3, seed=0)
    frame = history.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame.index.tolist() == [1, 2, 3]
    assert frame["loss"].tolist() == history["loss"]
