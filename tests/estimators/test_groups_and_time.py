"""Rows that are held out together: whole groups, and the latest rows."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pysmorch as ps
from pysmorch import Classifier, PysmorchWarning, Regressor
from pysmorch.estimators.small import folds_of
from pysmorch.estimators.splitting import SplitBy

QUICK = {"epochs": 1, "hidden": (3,), "random_state": 0}
N = 100
GROUP = np.arange(N) * 7 % 10
TIME = np.arange(N) * 37 % N
"""A permutation of the rows."""
X = np.random.default_rng(0).normal(size=(N, 2))
Y = X[:, 0] * X[:, 1]


def frame(**more):
    return pd.DataFrame({"a": X[:, 0], "b": X[:, 1], **more})


def validation_rows(X=X, y=None, fitted=None, **options):
    """Return which rows are held out for validation; the target of each row is its index."""
    seen = []
    model = Regressor(early_stopping=True, validation_fraction=0.25, **QUICK)
    y = np.arange(len(X), dtype=float) if y is None else y
    model.fit(X, y, metrics={"rows": lambda labels, _: seen.append(np.rint(labels)) or 0.0}, **options)
    if fitted is not None:
        fitted.append(model)
    return np.sort(seen[0].astype(int))


def test_validation_rows_are_whole_groups():
    rows = validation_rows(groups=GROUP)
    held_out = np.unique(GROUP[rows])
    assert len(held_out) == 3  # a quarter of ten, rounded up
    np.testing.assert_array_equal(rows, np.flatnonzero(np.isin(GROUP, held_out)))


def test_validation_rows_are_the_latest_ones():
    np.testing.assert_array_equal(validation_rows(time=TIME), np.flatnonzero(TIME >= 75))


def test_rows_of_one_time_stay_together():
    np.testing.assert_array_equal(validation_rows(time=TIME // 10), np.flatnonzero(TIME >= 70))


@pytest.mark.parametrize(
    "kind",
    [list, pd.Series, pl.Series, pa.array, lambda values: pa.chunked_array([values]), lambda values: values[:, None]],
)
def test_columns_of_all_libraries_say_the_same(kind):
    names = np.array([f"g{group}" for group in GROUP])
    np.testing.assert_array_equal(validation_rows(groups=kind(names)), validation_rows(groups=GROUP))
    np.testing.assert_array_equal(validation_rows(time=kind(TIME)), np.flatnonzero(TIME >= 75))


@pytest.mark.parametrize(
    "times",
    [
        np.datetime64("2024-01-01") + TIME,
        (np.datetime64("2024-01-01") + TIME).astype(str),
        pd.Series(pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.to_timedelta(TIME, unit="D")),
        pd.Series(TIME, dtype="Int64"),
        pd.Series(TIME, dtype="double[pyarrow]"),
    ],
)
def test_times_are_read_as_columns_of_times_are(times):
    np.testing.assert_array_equal(validation_rows(time=times), np.flatnonzero(TIME >= 75))


def test_a_named_column_with_groups_is_no_feature_and_one_with_times_is():
    fitted = []
    table = frame(shop=GROUP, day=TIME)
    np.testing.assert_array_equal(validation_rows(table, groups="shop", fitted=fitted), validation_rows(groups=GROUP))
    np.testing.assert_array_equal(validation_rows(table, time="day", fitted=fitted), np.flatnonzero(TIME >= 75))
    grouped, timed = fitted
    shuffled = table.assign(shop=table["shop"].to_numpy()[::-1], day=table["day"].to_numpy()[::-1])
    held = [column.holds for column in grouped.encoder_.columns]
    assert held == ["number", "number", "id", "integer"]
    np.testing.assert_array_equal(timed.feature_names_in_, ["a", "b", "shop", "day"])
    same = table.assign(shop=shuffled["shop"])
    np.testing.assert_array_equal(grouped.predict(table), grouped.predict(same))
    assert (timed.predict(table) != timed.predict(shuffled)).any()


def test_a_column_of_a_file_says_it_too(tmp_path):
    fitted = []
    frame(shop=GROUP, y=np.arange(N)).to_csv(tmp_path / "t.csv", index=False)
    rows = validation_rows(str(tmp_path / "t.csv"), y="y", groups="shop", fitted=fitted)
    np.testing.assert_array_equal(rows, validation_rows(groups=GROUP))
    assert fitted[0].feature_names_in_.tolist() == ["a", "b"]


def test_rows_of_weight_0_are_in_no_group():
    weights = (GROUP > 1).astype(float)
    rows = validation_rows(groups=np.where(GROUP > 1, GROUP, 0), sample_weight=weights)
    assert len(np.unique(GROUP[rows])) == 2  # a quarter of eight
    assert (GROUP[rows] > 1).all()


def test_the_latest_rows_are_set_aside_for_intervals_and_those_before_are_for_validation():
    later = np.where(TIME >= 90, 100.0, 0.0)
    model = Regressor(conformal_fraction=0.1, early_stopping=False, **QUICK).fit(X, later, time=TIME)
    assert len(model.conformal_scores_.values) == 10
    assert (model.conformal_scores_.values > 99).all()  # it has seen zeros only
    seen = []
    Regressor(conformal_fraction=0.2, early_stopping=True, validation_fraction=0.25, **QUICK).fit(
        X, TIME.astype(float), time=TIME, metrics={"rows": lambda labels, _: seen.append(np.rint(labels)) or 0.0}
    )
    np.testing.assert_array_equal(np.sort(seen[0]), np.arange(60, 80))


def test_halves_of_a_cross_validation_are_whole_groups():
    (a, b), (c, d) = folds_of(np.zeros(N, dtype=int), N, 0, by=SplitBy(groups=GROUP))
    np.testing.assert_array_equal(a, d)
    np.testing.assert_array_equal(b, c)
    assert len(np.unique(GROUP[a])) == len(np.unique(GROUP[b])) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate([a, b])), np.arange(N))


def test_a_cross_validation_is_not_trained_on_what_comes_after():
    ((training, held_out),) = folds_of(None, N, 0, by=SplitBy(times=TIME.astype(float)))
    np.testing.assert_array_equal(training, np.flatnonzero(TIME < 50))
    np.testing.assert_array_equal(held_out, np.flatnonzero(TIME >= 50))


def test_epochs_are_chosen_by_groups_where_rows_are_few():
    """Columns that tell the group, and nothing else, are of no use for other groups."""
    y = GROUP % 2
    rng = np.random.default_rng(1)
    features = np.eye(10)[GROUP] + 0.01 * rng.normal(size=(N, 10))
    options = {"hidden": (64,), "epochs": 40, "random_state": 0}
    torn = Classifier(**options).fit(features, y)
    whole = Classifier(**options).fit(features, y, groups=GROUP)
    assert torn.conformal_scores_.values.mean() < 0.1
    assert whole.conformal_scores_.values.mean() > 0.3  # the halves show that it is right by chance


def test_a_class_that_only_the_latest_rows_have_is_said():
    y = np.where(TIME >= 90, "new", np.where(X[:, 0] > 0, "a", "b"))
    with pytest.warns(PysmorchWarning, match="all rows of the class 'new' are held out"):
        model = Classifier(early_stopping=True, **QUICK).fit(X, y, time=TIME)
    assert model.classes_.tolist() == ["a", "b", "new"]


def some(values, row, value):
    changed = values.astype(object)
    changed[row] = value
    return changed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": GROUP[:-1]}, "groups has 99 values, but X has 100 rows; pass one for each row"),
        ({"time": TIME[:-1]}, "time has 99 values, but X has 100 rows"),
        (
            {"groups": np.stack([GROUP, GROUP], axis=1)},
            r"groups must have one value for each row, but has the shape \(100, 2\)",
        ),
        ({"groups": 3}, r"groups must have one value for each row, but has the shape \(\)"),
        ({"groups": some(GROUP, 7, None)}, "groups needs a value in each row, but row 7 has none"),
        ({"time": some(TIME, 7, np.nan)}, "time needs a time or number in each row, but row 7 has none"),
        ({"time": some(TIME.astype(str), 7, "soon")}, "time needs a time or number in each row, but row 7 has 'soon'"),
        ({"groups": np.ones(N)}, "groups: all rows are of one group, 1.0, so that no other can be held out"),
        ({"time": np.ones(N)}, "time: all rows have the same time, so that none is the latest"),
        ({"groups": "shops"}, "groups: X has no column 'shops'; did you mean 'shop'"),
        ({"groups": "shop", "time": TIME}, "groups and time exclude each other"),
        ({"groups": GROUP >= 5, "validation_fraction": 0.6}, "validation_fraction=0.6 holds out 2 of 2 groups"),
        ({"groups": GROUP >= 5, "conformal_fraction": 0.1}, "validation_fraction=0.1: the rows are of one group"),
    ],
)
def test_what_cannot_be_held_out_is_said(options, message):
    parameters = {name: options.pop(name) for name in list(options) if name.endswith("fraction")}
    model = Regressor(early_stopping=True, **parameters, **QUICK)
    with pytest.raises(ValueError, match=message):
        model.fit(frame(shop=GROUP), Y, **options)


def test_an_array_has_no_names():
    with pytest.raises(ValueError, match="groups='a' names a column, but X is an array without names; pass its values"):
        Regressor(**QUICK).fit(X, Y, groups="a")


def test_a_run_with_groups_goes_on_to_the_same_bits(tmp_path):
    def make(**options):
        return Regressor(early_stopping=True, **{**QUICK, "epochs": 4}).fit(X, Y, groups=GROUP, **options)

    def stop(training):
        if training.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(checkpoint=tmp_path / "run", every="1 epoch", callbacks=[stop])
    resumed, straight = make(resume=tmp_path / "run"), make()
    assert resumed.validation_curve_ == straight.validation_curve_
    np.testing.assert_array_equal(resumed.predict(X), straight.predict(X))


@pytest.mark.parametrize("option", ["--split-group", "--split-time"])
def test_on_the_command_line_validation_rows_follow_the_rule_of_the_held_out_ones(run, monkeypatch, option):
    parts = []
    original = ps.estimators.held_out.hold_out

    def hold_out(by, *arguments):
        parts.append((by, *original(by, *arguments)))
        return parts[-1][1:]

    monkeypatch.setattr(ps.estimators.held_out, "hold_out", hold_out)
    frame(shop=GROUP, day=TIME, y=Y).to_csv("t.csv", index=False)
    column = {"--split-group": "shop", "--split-time": "day"}[option]
    code, _, err = run(
        "train", "t.csv", "--target", "y", option, column, "--early-stopping", "--epochs", "1", "--hidden", "3"
    )
    assert code == 0, err
    ((by, training, held_out),) = parts
    assert len(training) + len(held_out) == 80
    if option == "--split-group":
        assert not set(by.groups[training]) & set(by.groups[held_out])
        assert len(set(by.groups)) == 8
    else:
        np.testing.assert_array_equal(np.sort(by.times[held_out]), np.arange(72, 80))


@pytest.mark.parametrize("count", [2, 5])
def test_folds_of_groups_are_whole_groups(count):
    folds = folds_of(None, N, 0, count, SplitBy(groups=GROUP))
    assert len(folds) == count
    assert sorted(np.concatenate([held_out for _, held_out in folds]).tolist()) == list(range(N))
    for training, held_out in folds:
        assert not set(GROUP[training]) & set(GROUP[held_out])
    assert len(folds_of(None, N, 0, 20, SplitBy(groups=GROUP))) == 10


@pytest.mark.parametrize("options", [{"groups": GROUP}, {"time": TIME}])
def test_each_network_of_an_ensemble_holds_out_rows_by_the_rule(options, monkeypatch):
    jobs = []
    original = ps.estimators.bagging.jobs_of
    monkeypatch.setattr(
        ps.estimators.bagging, "jobs_of", lambda *arguments: jobs.extend(original(*arguments)) or list(jobs)
    )
    Regressor(preset="best", members=6, **QUICK).fit(X, Y, **options)
    assert len(jobs) == 6
    for job in jobs:
        if "groups" in options:
            assert not set(GROUP[job.rows]) & set(GROUP[job.held_out])
        else:
            assert TIME[job.rows].max() < TIME[job.held_out].min()
