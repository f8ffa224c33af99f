"""Which rows are held out: by time, by group, from another file, and that each class can be learned."""

import json
from pathlib import Path

import pytest

import pysmorch as ps
from tests.cli.examples import QUICK, spoil, write_csv, write_days
from tests.helpers import error_of

DAYS = ["train", "days.csv", "--target", "price", *QUICK]


def rows_of(result):
    code, out, err = result
    assert code == 0, err
    rows = json.loads(out)["rows"]
    return rows["training"], rows["held_out"]


@pytest.mark.parametrize(
    ("column", "test", "held_out", "first"),
    [
        ("day", "0.2", 24, "2024-02-21"),
        ("day", "0.1", 12, "2024-02-27"),
        ("rank", "0.2", 24, "48"),
        ("rank", "0.01", 2, "59"),  # of 1.2 rows it takes both of the last day
        ("rank", "0.5", 60, "30"),
    ],
)
def test_the_latest_rows_are_held_out_and_those_of_one_time_stay_together(run, column, test, held_out, first):
    write_days()
    code, out, err = run(*DAYS, "--split-time", column, "--test", test)
    assert code == 0, err
    assert f"held out are the {held_out} latest rows, with '{column}' from {first}" in out
    assert f"on {held_out} held-out rows:" in out
    assert column in ps.load("model.safetensors").feature_names_in_


def test_a_column_that_is_left_out_can_still_split(run):
    write_days()
    assert rows_of(run(*DAYS, "--split-time", "day", "--drop", "day", "--drop", "rank", "--json")) == (96, 24)
    assert ps.load("model.safetensors").feature_names_in_.tolist() == ["size", "shop"]


@pytest.mark.parametrize(("test", "groups"), [("0.2", 3), ("0.25", 3), ("0.5", 6), ("0.01", 1), ("0.9", 11)])
def test_whole_groups_are_held_out_and_are_no_feature(run, test, groups):
    write_days()
    code, out, err = run(*DAYS, "--split-group", "shop", "--test", test, "--seed", "1", "--task", "classification")
    if groups == 11:  # the one shop that is left has one class
        assert "has one class only in training" in error_of((code, out, err))
        return
    assert code == 0, err
    assert f"held out are {groups} of 12 groups of 'shop', which is no feature" in out
    assert f"on {groups * 10} held-out rows:" in out
    assert "shop" not in ps.load("model.safetensors").feature_names_in_


def test_another_file_can_be_what_is_measured_on(run):
    write_csv()
    write_csv("new.csv", rows=30)
    result = run("train", "houses.csv", "--target", "price", "--test-file", "new.csv", *QUICK)
    assert result[0] == 0, result[2]
    assert "on 30 rows of new.csv:" in result[1]
    assert rows_of(
        run("train", "houses.csv", "--target", "price", "--test-file", "new.csv", "--json", "--drop", "age", *QUICK)
    ) == (120, 30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--test-file", "days.csv", "--split-time", "day"], "--test-file and --split-time exclude each other"),
        (["--split-time", "day", "--split-group", "shop"], "--split-time and --split-group exclude each other"),
        (["--test-file", "days.csv", "--test", "0.5"], "--test and --test-file exclude each other"),
        (["--split-time", "day", "--test", "0"], "--test 0 holds no rows out, but --split-time says which"),
        (["--split-time", "dya"], "--split-time: days.csv has no column 'dya'; did you mean 'day'?"),
        (["--split-group", "shops"], "--split-group: days.csv has no column 'shops'; did you mean 'shop'?"),
        (["--split-group", "price"], "--split-group: 'price' is the target"),
        (["--split-time", "shop"], "--split-time shop needs a time or number in each row, but line 2 has 'shop 0'"),
        (["--test", "0.999"], "--test 0.999 holds out 120 of 120 rows, so that none is left for training"),
        (["--test", "0.9999"], "--test 0.9999 holds out 120 of 120 rows"),
        (["--test", "0.992"], "--test 0.992 holds out 120 of 120 rows"),
        (["--split-group", "shop", "--test", "0.95"], "--test 0.95 holds out 12 of 12 groups of 'shop'"),
        (["--split-time", "day", "--test", "0.995"], "--test 0.995 holds out 120 of 120 rows"),
        (["--test", "-0.1"], "--test must be from 0 to below 1"),
        (["--test", "nan"], "--test must be from 0 to below 1"),
        (["--split-time", "same.csv"], "has no column 'same.csv'"),
        (["--test-file", "no.csv"], "no.csv: no such file"),
        (["--test-file", "short.csv"], "short.csv has 3 columns and lacks rank, which the model was trained on"),
        (["--test-file", "unknown.csv"], "the class 'free' of line 3 of unknown.csv is among the held-out rows only"),
        (["--test-file", "numbers.csv"], "the class '1' of line 2 of numbers.csv is among the held-out rows only"),
        (
            ["--target", "size", "--test-file", "text.csv"],
            "text.csv has labels such as '1', but those of the training are such as 0",
        ),
        (["--test-file", "text.csv"], "column 'size' held numbers in training, but line 3 has 'big'"),
        (["--test-file", "bare.csv"], "has no column 'price'"),
    ],
)
def test_what_cannot_be_held_out_is_said_before_the_training(run, options, message):
    write_days()
    spoil("short.csv", "size,shop,day,price\n1,shop 1,2024-01-01,dear\n2,shop 2,2024-01-02,cheap\n")
    spoil("bare.csv", "size,shop,day,rank\n1,shop 1,2024-01-01,3\n")
    head = "size,shop,day,rank,price\n1,shop 1,2024-01-01,3,"
    spoil("unknown.csv", head + "dear\n2,shop 1,2024-01-02,4,free\n")
    spoil("numbers.csv", head + "1\n2,shop 1,2024-01-02,4,0\n")
    spoil("text.csv", head + "dear\nbig,shop 1,2024-01-02,4,cheap\n")
    result = run(*DAYS, *options)
    assert message in error_of(result)
    assert "epoch" not in result[2]


def test_times_and_groups_must_be_there_in_each_row(run):
    spoil("gaps.csv", "x,t,g,y\n" + "".join(f"{i % 5},{i},{i % 4},{'ab'[i % 2]}\n" for i in range(20)) + "3,,,a\n")
    for option, column, what in (("--split-time", "t", "time or number"), ("--split-group", "g", "value")):
        message = error_of(run("train", "gaps.csv", "--target", "y", option, column))
        assert f"{option} {column} needs a {what} in each row, but line 22 has none" in message
    spoil("same.csv", "x,t,y\n" + "".join(f"{i % 5},7,{'ab'[i % 2]}\n" for i in range(20)))
    message = error_of(run("train", "same.csv", "--target", "y", "--split-time", "t"))
    assert "--split-time t: all rows have the same value, 7" in message


@pytest.mark.parametrize("seed", range(6))
def test_a_class_of_one_row_is_in_training_and_a_model_is_written(run, seed):
    rows = [f"{i % 7},{'ab'[i % 2]}" for i in range(20)] + ["3,c", "4,d"]
    spoil("rare.csv", "x,y\n" + "\n".join(rows) + "\n")
    code, out, err = run("train", "rare.csv", "--target", "y", "--seed", seed, "--test", "0.4", *QUICK)
    assert code == 0, err
    assert "each class is in training" in out
    assert ps.load("model.safetensors").classes_.tolist() == ["a", "b", "c", "d"]


def test_a_class_that_only_the_latest_rows_have_is_refused(run):
    rows = [f"{i},{'ab'[i % 2]}" for i in range(20)] + ["20,c", "21,c"]
    spoil("new.csv", "t,y\n" + "\n".join(rows) + "\n")
    message = error_of(run("train", "new.csv", "--target", "y", "--split-time", "t"))
    assert "the class 'c' of line 22 of new.csv is among the held-out rows only" in message


def test_what_is_said_of_columns_and_missing_cells_holds_for_the_test_file_too(run):
    rows = [f"{10 + i % 7},{'-' if i % 9 == 0 else i % 5},{'ab'[i % 2]}\n" for i in range(40)]
    spoil("new.csv", "zip,n,y\n" + "".join(rows))
    spoil("later.csv", "zip,n,y\nA1,3,a\n12,-,b\n")
    code, out, err = run(
        *["train", "new.csv", "--target", "y", "--test-file", "later.csv", "--epochs", "1"],
        *["--column", "zip=category", "--missing", "-"],
    )
    assert code == 0, err
    assert "on 2 rows of later.csv" in out


def test_a_test_file_that_does_not_fit_is_refused_by_its_own_line_before_anything_is_trained(run):
    spoil("new.csv", "n,y\n" + "".join(f"{i % 5},{'ab'[i % 2]}\n" for i in range(40)))
    spoil("later.csv", "n,y\n1,a\n\n2,b\nx,a\n")
    options = ["train", "new.csv", "--target", "y", "--test-file", "later.csv"]
    message = error_of(run(*options))
    assert "column 'n' held numbers in training, but line 5 has 'x'" in message
    assert not Path("model.safetensors").exists()
