"""Options of train, predict and evaluate: weights, columns, parameters of the estimators, JSON."""

import json

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

import pysmorch as ps
from pysmorch.cli import networks
from pysmorch.encoders.columns import CHOICES
from pysmorch.engine import has_bf16, num_threads
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.optimizers import OPTIMIZERS
from pysmorch.prediction.regressor import LOSSES
from tests.cli.examples import QUICK, spoil, write_csv
from tests.helpers import error_of

TRAIN = ["train", "houses.csv", "--target", "price", *QUICK]


def loaded(result):
    assert result[0] == 0, result[2]
    return ps.load("model.safetensors")


@pytest.mark.parametrize(
    ("options", "parameter", "value"),
    [
        (["--class-weight", "balanced"], "class_weight", "balanced"),
        (["--class-weight", "dear=3", "--class-weight", "cheap=0.5"], "class_weight", {"dear": 3.0, "cheap": 0.5}),
        (["--optimizer", "rmsprop"], "optimizer", "rmsprop"),
        (["--weight-decay", "0.01"], "weight_decay", 0.01),
        (["--patience", "7"], "patience", 7),
        (["--preset", "balanced"], "preset", "balanced"),
        (["--members", "2"], "members", 2),
        (["--time-limit", "1000"], "time_limit", 1000.0),
        (["--early-stopping"], "early_stopping", True),
        (["--no-early-stopping"], "early_stopping", False),
        (["--validation", "0.25", "--early-stopping"], "validation_fraction", 0.25),
        (["--label-smoothing", "0.1"], "label_smoothing", 0.1),
        (["--precision", "auto"], "precision", "auto"),
        (["--loss", "huber", "--target", "size"], "loss", "huber"),
        (["--loss", "quantile", "--quantile", "0.9", "--target", "size"], "quantile", 0.9),
        (["--loss", "gamma", "--target", "size"], "loss", "gamma"),
        (["--loss", "tweedie", "--power", "1.3", "--target", "size"], "power", 1.3),
    ],
)
def test_options_are_the_parameters_of_the_estimator(run, options, parameter, value, monkeypatch):
    write_csv()
    fitted = []
    monkeypatch.setattr("pysmorch.cli.training._finish", lambda model, *others: fitted.append(model))
    code, _, err = run(*TRAIN, *options)
    assert code == 0, err
    assert fitted[0].get_params()[parameter] == value


def test_an_ensemble_is_trained_stored_and_shown(run):
    write_csv()
    result = run("train", "houses.csv", "--target", "price", "--epochs", "2", "--members", "2")
    assert loaded(result)._members == 2
    assert result[1].count("size: ") == 1  # the columns are printed once


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "quick"], 'preset must be one of "fast", "balanced", "best", but is \'quick\''),
        (["--time-limit", "0"], "time_limit must be a positive number of seconds"),
        (["--loss", "huber"], "--loss is not for classification"),
        (["--quantile", "0.5"], "--quantile is not for classification"),
        (["--label-smoothing", "0.1", "--target", "size"], "--label-smoothing is not for regression"),
        (["--class-weight", "balanced", "--target", "size"], "--class-weight is not for regression"),
        (["--quantile", "0.5", "--target", "size"], "--quantile is for --loss quantile; add that"),
        (["--power", "1.3", "--loss", "gamma", "--target", "size"], "--power is for --loss tweedie; add that"),
        (["--class-weight", "cheapp=3"], "--class-weight: there is no class 'cheapp'; the classes are cheap, dear"),
        (["--class-weight", "dear"], "--class-weight must be balanced, or a class and a factor"),
        (["--class-weight", "dear=-1"], "--class-weight must be balanced, or a class and a factor"),
        (["--class-weight", "dear=nan"], "--class-weight must be balanced, or a class and a factor"),
        (["--class-weight", "balanced", "--class-weight", "dear=2"], "--class-weight must be balanced, or a class"),
        (["--optimizer", "sgdd"], "optimizer must be one of sgd, adam"),
        (["--patience", "0"], "patience must be at least one epoch"),
        (["--validation", "1.5", "--early-stopping"], "validation_fraction must be between 0 and 1"),
        (["--loss", "cubic", "--target", "size"], "loss must be one of square"),
        (["--threads", "0"], "--threads must be from 1 to 1024, but is 0"),
        (["--threads", "2000"], "--threads must be from 1 to 1024, but is 2000"),
        (["--column", "town"], "--column must be a column and its kind such as zip=category, but is 'town'"),
        (["--column", "town=categry"], "--column: 'town' must be one of number, boolean"),
        (["--column", "twon=category"], "--column: houses.csv has no column 'twon'; did you mean 'town'?"),
        (["--column", "town=category", "--column", "town=text"], "--column town is given twice"),
        (["--weight", "wieght"], "--weight: houses.csv has no column 'wieght'"),
        (["--weight", "price"], "--weight: 'price' is the target"),
        (["--drop", "price"], "--drop: 'price' is the target"),
        (["--drop", "sise"], "--drop: houses.csv has no column 'sise'; did you mean 'size'?"),
        (["--drop", "size,,town"], "--drop: houses.csv has no column ''"),
        (["--metric", "auc", "--test", "0"], "--test 0 holds none out"),
    ],
)
def test_options_that_do_not_fit_are_one_line(run, options, message):
    write_csv()
    result = run(*TRAIN, *options)
    assert message in error_of(result)
    assert "epoch 1/" not in result[2]


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_command_takes_the_precision_of_its_predictions(run, command):
    write_csv()
    loaded(run(*TRAIN))
    plain, auto = (
        run(command, "model.safetensors", "houses.csv"),
        run(command, "model.safetensors", "houses.csv", "--precision", "auto"),
    )
    assert plain[0] == auto[0] == 0
    if command == "predict":
        assert (plain[1] == auto[1]) != has_bf16()
    result = run(command, "model.safetensors", "houses.csv", "--precision", "bf17")
    assert '--precision must be "float32", "bf16" or "auto", but is \'bf17\'' in error_of(result)


def test_several_quantiles_are_predicted_and_the_middle_one_is_measured(run):
    write_csv()
    train = ["train", "houses.csv", "--target", "size", "--loss", "quantile", *QUICK]
    code, out, err = run(*train, "--quantile", "0.1,0.5,0.9")
    assert code == 0, err
    assert "of the predictions of the quantile 0.5:\nRMSE" in out
    out = run("predict", "model.safetensors", "houses.csv")[1]
    assert out.splitlines()[0] == ",".join(f'"prediction of quantile {q}"' for q in (0.1, 0.5, 0.9))
    assert run(*train, "--quantile", "0.25", "--quiet")[0] == 0
    assert run("predict", "model.safetensors", "houses.csv")[1].splitlines()[0] == '"prediction"'
    for wrong in ("0", "1", "x", "0.1,", "-0.5,0.5"):
        assert "--quantile must be between 0 and 1" in error_of(run(*train, "--quantile", wrong))


def test_the_help_lists_what_encoders_and_estimators_declare(run):
    listed = "".join(run("train", "--help")[1].split())
    for names in (networks.NETWORKS, networks.AUGMENTATIONS, LOSSES, OPTIMIZERS, ACTIVATIONS, CHOICES):
        assert all(name.replace(" ", "") in listed for name in names)
    assert "shift:PIXELS,flip:PROBABILITY,crop:PIXELS" in listed
    assert "{" not in listed


def test_a_fraction_for_validation_holds_rows_out_at_every_size(run):
    assert run("train", "iris", "--validation", "0.2", "--epochs", "3")[0] == 0
    model = ps.load("model.safetensors")
    assert model.early_stopping is True
    assert len(model.validation_curve_) == model.n_iter_
    assert run("train", "iris", "--validation", "0.2", "--no-early-stopping", "--epochs", "3")[0] == 0
    assert ps.load("model.safetensors").validation_curve_ == []


def test_metrics_are_shown_after_every_epoch_where_there_are_validation_data(run):
    write_csv()
    code, out, err = run(*TRAIN, "--metric", "auc", "--early-stopping")
    assert code == 0
    assert "val_auc" in err.splitlines()[0]
    assert "\nauc  " in out
    assert "val_auc" not in run(*TRAIN, "--metric", "auc")[2]
    assert "val_auc" in run(*TRAIN, "--metric", "auc", "--early-stopping", "--test", "0")[2]


def test_threads_are_used_and_change_no_result(run):
    write_csv()
    before = loaded(run(*TRAIN))
    try:
        model = loaded(run(*TRAIN, "--threads", "1"))
        assert num_threads() == 1
        assert model.loss_curve_ == before.loss_curve_
    finally:
        ps.set_num_threads(None)


def test_train_prints_one_line_for_each_column(run):
    write_csv()
    out = run(*TRAIN)[1]
    for line in ("column size: number", "column town: category, 3 values", "column age: number, may be missing"):
        assert line in out
    assert "column" not in run(*TRAIN, "--quiet")[1].replace("columns what was predicted", "")


# Columns.


@pytest.mark.parametrize(
    ("drop", "left"),
    [
        (["a,b"], ["a", "b", "", " c ", "d"]),
        (["a,b", "a"], ["b", "", " c ", "d"]),
        (["a,b,d"], None),
        (["a,d"], ["a,b", "b", "", " c "]),
        ([""], ["a,b", "a", "b", " c ", "d"]),
        (["a", "b", "a,b", ""], [" c ", "d"]),
        (["a", "a"], ["a,b", "b", "", " c ", "d"]),
    ],
)
def test_drop_takes_names_with_commas_and_empty_ones(run, drop, left):
    names = ["a,b", "a", "b", "", " c ", "d", "y"]
    table = {name: [(i * (k + 2) + k) % 7 for i in range(40)] for k, name in enumerate(names)}
    pyarrow.parquet.write_table(pyarrow.table(table), "t.parquet")
    result = run("train", "t.parquet", "--target", "y", *QUICK, *(word for name in drop for word in ("--drop", name)))
    if left is None:  # "a,b,d" is no column, but a list of three
        left = ["a,b", "", " c "]
    assert loaded(result).feature_names_in_.tolist() == left


def test_ids_are_written_beside_the_predictions(run):
    write_csv()
    assert run(*TRAIN)[0] == 0
    out = run("predict", "model.safetensors", "houses.csv", "--id", "town", "--id", "price")[1]
    assert out.splitlines()[0] == '"town","price","prediction","probability of cheap","probability of dear"'
    assert out.splitlines()[1].startswith('"Ulm","cheap","')
    plain = run("predict", "model.safetensors", "houses.csv")[1]
    assert [line.split(",", 2)[2] for line in out.splitlines()] == plain.splitlines()
    for name in ("p.csv", "p.parquet"):
        assert run("predict", "model.safetensors", "houses.csv", "--id", "town", "--out", name)[0] == 0
    assert pyarrow.csv.read_csv("p.csv").column_names[0] == "town"
    assert pyarrow.parquet.read_table("p.parquet")["town"].to_pylist()[:2] == ["Ulm", "Bath"]


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("houses.csv", "tonw", "--id: houses.csv has no column 'tonw'; did you mean 'town'?"),
        ("houses.csv", "", "--id: houses.csv has no column ''"),
        ("houses.csv", "TOWN", "--id: houses.csv has no column 'TOWN'"),
        ("named.csv", "prediction", "--id prediction: a column of the predictions has this name too"),
        ("named.csv", "probability of dear", "--id probability of dear: a column of the predictions has this name"),
    ],
)
def test_ids_that_are_not_there_are_refused(run, source, name, message):
    write_csv()
    spoil("named.csv", "size,town,age,prediction,probability of dear\n30,Ulm,3,x,y\n")
    assert run(*TRAIN)[0] == 0
    assert message in error_of(run("predict", "model.safetensors", source, "--id", name))


def test_arrays_have_no_ids(run):
    np.savez("d.npz", X=np.arange(40.0).reshape(20, 2), y=np.arange(20) % 2)
    assert run("train", "d.npz", *QUICK)[0] == 0
    assert "--id takes the name of a column, but d.npz is an array" in error_of(
        run("predict", "model.safetensors", "d.npz", "--id", "x")
    )


def test_what_a_column_is_can_be_said(run):
    spoil("zip.csv", "zip,size,y\n" + "".join(f"{1000 + i % 4},{i % 9},{'ab'[i % 2]}\n" for i in range(40)))
    train = ["train", "zip.csv", "--target", "y", *QUICK]
    assert "column zip: number" in run(*train)[1]
    out = run(*train, "--column", "zip=category", "--column", "size=ordered category")[1]
    assert "column zip: category" in out
    model = ps.load("model.safetensors")
    assert [column.holds for column in model.columns_.columns] == ["category", "ordered category"]
    assert "column size: text" in run(*train, "--column", "size=text")[1]


def test_columns_whose_names_have_an_equals_sign_can_be_said(run):
    spoil("e.csv", "a=b,y\n" + "".join(f"{i % 9},{'pq'[i % 2]}\n" for i in range(40)))
    assert "column a=b: category" in run("train", "e.csv", "--target", "y", "--column", "a=b=category", *QUICK)[1]


def test_missing_cells_are_said_once_and_hold_for_later_files(run):
    rows = [f"{'.' if i % 5 == 0 else i % 4},{i % 7},{'pq'[i % 2]}" for i in range(40)]
    spoil("gaps.csv", "a,b,y\n" + "\n".join(rows) + "\n")
    assert "column a: category" in run("train", "gaps.csv", "--target", "y", *QUICK)[1]
    assert "column a: number" in run("train", "gaps.csv", "--target", "y", "--missing", "., -", *QUICK)[1]
    assert run("evaluate", "model.safetensors", "gaps.csv")[0] == 0
    assert run("predict", "model.safetensors", "gaps.csv", "--missing", ".")[0] == 0
    assert "has '.'" in error_of(run("predict", "model.safetensors", "gaps.csv", "--missing", "?"))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "mac-roman", "shift-jis"])
def test_the_encoding_of_a_file_can_be_said(run, encoding):
    town = "京都" if encoding == "shift-jis" else "Köln"
    text = "town,y\n" + f"{town},a\nUlm,b\n" * 20
    spoil("e.csv", text.encode(encoding))
    assert run("train", "e.csv", "--target", "y", "--encoding", encoding, *QUICK)[0] == 0
    assert town in ps.load("model.safetensors").columns_.columns[0].values
    out = run("predict", "model.safetensors", "e.csv", "--encoding", encoding, "--id", "town")[1]
    assert out.splitlines()[1].startswith(f'"{town}"')


def test_several_files_and_patterns_are_rows_of_one_table(run):
    for name, start in (("a.csv", 0), ("b.csv", 20)):
        spoil(name, "x,y\n" + "".join(f"{i % 7},{'pq'[i % 2]}\n" for i in range(start, start + 20)))
    assert "40 rows" in run("train", "a.csv", "b.csv", "--target", "y", *QUICK)[1]
    assert "on 40 rows" in run("evaluate", "model.safetensors", "[ab].csv")[1]
    assert len(run("predict", "model.safetensors", "a.csv", "b.csv", "a.csv")[1].splitlines()) == 61
    assert "is b.csv, which is read" in error_of(run("train", "a.csv", "b.csv", "--target", "y", "--out", "b.csv"))
    assert "b.csv is [ab].csv, which is read" in error_of(run("train", "[ab].csv", "--target", "y", "--out", "b.csv"))


# Weights.


def write_weighted():
    """80 rows of two kinds; those of weight 0 say the opposite of those of weight 1."""
    rows = [f"{i % 2},{i // 2 % 2},{'ab'[i % 2 ^ (1 - i // 2 % 2)]}" for i in range(80)]
    spoil("w.csv", "x,w,y\n" + "\n".join(rows) + "\n")


WEIGHTED = ["train", "w.csv", "--target", "y", "--weight", "w", "--no-early-stopping", "--hidden", "16"]


def test_rows_of_weight_0_do_not_count_in_training_nor_in_the_metrics(run):
    write_weighted()
    code, out, err = run(*WEIGHTED, "--json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["accuracy"] == 1.0
    assert ps.load("model.safetensors").feature_names_in_.tolist() == ["x"]
    weighted = json.loads(run("evaluate", "model.safetensors", "w.csv", "--weight", "w", "--json")[1])
    plain = json.loads(run("evaluate", "model.safetensors", "w.csv", "--json")[1])
    assert weighted["metrics"]["accuracy"] == 1.0
    assert plain["metrics"]["accuracy"] == 0.5
    assert weighted["baseline"]["accuracy"] == 0.5


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (["1", "2", "x"], "line 4 has 'x'"),
        (["1", "-2", "1"], "line 3 has -2"),
        (["1", "", "1"], "line 3 has none"),
        (["1", "inf", "1"], "line 3 has 'inf'"),
        (["0", "0", "0"], "but all are 0"),
        (["a", "b", "c"], "line 2 has 'a'"),
        (["1", "1", "-0.5"], "line 4 has -0.5"),
    ],
)
def test_weights_that_are_none_are_named_by_their_line(run, weights, message):
    spoil("w.csv", "x,w,y\n" + "".join(f"{i},{weights[i % 3]},{'ab'[i % 2]}\n" for i in range(30)))
    found = error_of(run("train", "w.csv", "--target", "y", "--weight", "w"))
    assert "--weight w needs a number that is not negative in each row" in found
    assert message in found


def test_weighted_errors_of_numbers_are_those_by_hand(run):
    spoil("line.csv", "x,w,y\n" + "".join(f"{i},{1 + i % 3},{2.5 * i}\n" for i in range(40)))
    assert run("train", "line.csv", "--target", "y", "--weight", "w", *QUICK)[0] == 0
    said = json.loads(run("evaluate", "model.safetensors", "line.csv", "--weight", "w", "--json")[1])["metrics"]
    model = ps.load("model.safetensors")
    x = np.arange(40)
    errors = model.predict(pyarrow.table({"x": x})) - 2.5 * x
    weights = 1 + x % 3
    assert said["MAE"] == pytest.approx((weights * np.abs(errors)).sum() / weights.sum())
    assert said["RMSE"] == pytest.approx(np.sqrt((weights * errors**2).sum() / weights.sum()))


# JSON.


def test_json_is_one_object_on_standard_output_and_all_else_is_on_standard_error(run):
    write_csv()
    code, out, err = run(*TRAIN, "--json", "--metric", "auc")
    assert code == 0
    said = json.loads(out)
    assert out.count("\n") == 1
    assert said["task"] == "classification"
    assert said["target"] == "price"
    assert said["rows"] == {"training": 96, "held_out": 24}
    assert said["model"] == "model.safetensors"
    assert said["epochs"] == 15
    assert said["interrupted"] is False
    model = ps.load("model.safetensors")
    assert said["metrics"] == model.notes_["test"]
    assert set(said["metrics"]) == {"accuracy", "log loss", "ECE", "auc"}
    assert set(said["baseline"]) == {"accuracy", "log loss"}
    assert "houses.csv: 120 rows, 4 columns" in err
    assert "model written to" in err
    said = json.loads(run("evaluate", "model.safetensors", "houses.csv", "--json")[1])
    assert said["rows"] == 120
    assert said["source"] == "houses.csv"


def test_json_has_no_value_that_is_not_defined(run):
    spoil("line.csv", "x,y\n" + "".join(f"{i},{2.5 * i}\n" for i in range(40)))
    said = json.loads(run("train", "line.csv", "--target", "y", "--json", "--test", "0.02", *QUICK)[1])
    assert set(said["metrics"]) == {"RMSE", "MAE"}
    said = json.loads(run("train", "line.csv", "--target", "y", "--json", "--test", "0", *QUICK)[1])
    assert "metrics" not in said
    assert said["rows"] == {"training": 40, "held_out": 0}


def test_an_interruption_of_the_measuring_still_writes_the_model(run, monkeypatch):
    write_csv()

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("pysmorch.cli.figures.measure", interrupted)
    code, out, err = run(*TRAIN, "--json")
    assert code == 130
    assert "interrupted after the training; the model has no metrics, and written to model.safetensors" in err
    assert json.loads(out)["interrupted"] is True
    assert ps.load("model.safetensors").n_iter_ == 15
