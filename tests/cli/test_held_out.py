"""Calibration, thresholds, intervals and sets on the command line."""

import csv
import json

import pytest

import pysmorch as ps
from tests.cli.examples import QUICK, write_csv
from tests.helpers import error_of

CLASSES = ["train", "houses.csv", "--target", "price", *QUICK]
NUMBERS = ["train", "houses.csv", "--target", "size", *QUICK]


def table(text):
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        (["--calibrate"], "calibrate", True),
        (["--no-calibrate"], "calibrate", False),
        (["--calibrate", "--no-early-stopping"], "calibrate", True),
        (["--threshold", "f1"], "threshold", "f1"),
        (["--threshold", "f1", "--no-early-stopping"], "threshold", "f1"),
        (["--threshold", "0.3"], "threshold", 0.3),
        (
            ["--threshold", "dear:cheap=5", "--threshold", "cheap:dear=2"],
            "threshold",
            {("dear", "cheap"): 5.0, ("cheap", "dear"): 2.0},
        ),
        (["--conformal-fraction", "0.25", "--early-stopping"], "conformal_fraction", 0.25),
    ],
)
def test_options_are_parameters_that_the_file_has(run, options, name, value):
    write_csv()
    code, _, err = run(*CLASSES, *options)
    assert code == 0, err
    assert ps.load("model.safetensors").get_params()[name] == value


def test_train_and_evaluate_print_the_calibration_error(run):
    write_csv()
    code, out, err = run(*CLASSES, "--json")
    assert code == 0, err
    assert 0 <= json.loads(out)["metrics"]["ECE"] <= 1
    _, out, _ = run("evaluate", "model.safetensors", "houses.csv", "--metric", "ece")
    lines = [line.split() for line in out.splitlines()]
    assert [line[0] for line in lines if line[0].lower() == "ece"] == ["ECE", "ece"]


def test_costs_change_what_is_predicted_and_measured_and_not_the_probabilities(run):
    write_csv()
    found = []
    for options in ([], ["--threshold", "dear:cheap=1000"]):
        run(*CLASSES, *options)
        _, out, _ = run("predict", "model.safetensors", "houses.csv")
        _, measured, _ = run("evaluate", "model.safetensors", "houses.csv", "--json")
        found.append((table(out), json.loads(measured)["metrics"]["accuracy"]))
    (usual, accuracy), (careful, of_careful) = found
    assert [row["probability of dear"] for row in usual] == [row["probability of dear"] for row in careful]
    assert {row["prediction"] for row in careful} == {"dear"}
    assert of_careful < accuracy


def test_intervals_and_sets_are_written_beside_the_predictions(run):
    write_csv()
    run(*NUMBERS, "--conformal-fraction", "0.3", "--out", "numbers.safetensors")
    code, out, err = run("predict", "numbers.safetensors", "houses.csv", "--interval", "0.8")
    assert code == 0, err
    rows = table(out)
    assert list(rows[0]) == ["prediction", "lower bound", "upper bound"]
    assert all(float(row["lower bound"]) < float(row["prediction"]) < float(row["upper bound"]) for row in rows)
    run(*CLASSES)
    code, out, err = run("predict", "model.safetensors", "houses.csv", "--set", "0.9", "--out", "sets.parquet")
    assert code == 0, err
    code, out, err = run("predict", "model.safetensors", "houses.csv", "--set", "0.9")
    assert list(table(out)[0])[-2:] == ["set has cheap", "set has dear"]
    assert all(row[f"set has {row['prediction']}"] == "true" for row in table(out))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "f2"], "--threshold must be one of f1, balanced_accuracy, accuracy, a number between 0 and 1"),
        (["--threshold", "2"], "threshold must be one of f1"),
        (["--threshold", "dear:cheapp=2"], "--threshold: 'dear:cheapp' is no right class and predicted class"),
        (["--threshold", "dear:cheap=x"], "--threshold must be one of f1"),
        (["--threshold", "f1", "--target", "size"], "--threshold is not for regression"),
        (["--calibrate", "--target", "size"], "--calibrate is not for regression"),
        (["--conformal-fraction", "1"], "conformal_fraction must be from 0 to below 1"),
    ],
)
def test_options_of_training_that_cannot_be_used(run, options, message):
    write_csv()
    assert message in error_of(run(*CLASSES, *options))


@pytest.mark.parametrize(
    ("train", "options", "message"),
    [
        (CLASSES, ["--interval", "0.9"], "--interval is for numbers, but the model predicts classes; take --set"),
        (NUMBERS, ["--set", "0.9"], "--set is for classes, but the model predicts numbers; take --interval"),
        (NUMBERS, ["--interval", "1.5"], "coverage must be a number between 0 and 1, such as 0.9, but is 1.5"),
        (NUMBERS, ["--interval", "0.999"], "coverage=0.999 needs 999 held-out rows, but the model has 96"),
        ([*NUMBERS, "--no-early-stopping"], ["--interval", "0.9"], "this model has no scores of held-out rows"),
    ],
)
def test_options_of_prediction_that_cannot_be_used(run, train, options, message):
    write_csv()
    run(*train)
    assert message in error_of(run("predict", "model.safetensors", "houses.csv", *options))
