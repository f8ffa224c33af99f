"""What tabular.py computes, on values worked out by hand; its files, and a run with two models."""

import argparse
import json
import sys
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import tabular
import tabular_ablations
import tabular_data
import tabular_models
import tabular_report
import tabular_scores


def test_a_third_of_the_tables_is_put_aside_by_their_names():
    aside = {name for name in tabular_data.NAMES if tabular_data.put_aside(name)}
    assert len(tabular_data.NAMES) == len(set(tabular_data.NAMES)) == 61
    assert len(aside) == 22
    # sha256sum of the four letters "iris" is a multiple of 3, that of "pima" is not.
    assert "iris" in aside
    assert "pima" not in aside
    assert not aside & set(tabular_data.FOLDER)


def test_no_table_is_one_of_those_that_others_compare_on():
    never = ("bank", "marketing", "spam", "phoneme", "german", "mammo", "abalone", "sonar", "ionosphere")
    assert not [name for name in tabular_data.NAMES if any(word in name.lower() for word in never)]
    assert set(tabular_data.NAMES) >= tabular_data.REGRESSION


def test_small_tables_have_ten_splits_and_the_shares_of_the_classes_in_each_part():
    digits = tabular_data.load("digits", tabular.DATA)
    assert list(digits.seeds) == list(range(10))
    X, _, X_test, y_test = digits.split(3)
    assert (len(X), len(X_test)) == (1437, 360)
    np.testing.assert_allclose(np.bincount(y_test) / 360, np.bincount(digits.y) / 1797, atol=1 / 360)
    np.testing.assert_array_equal(y_test, digits.split(3)[3])
    large = tabular_data.Table("magic", pd.DataFrame({"x": range(2000)}), np.arange(2000) % 2)
    assert len(large.seeds) == 5


def test_ranks_share_the_mean_of_equal_values_and_put_failures_last():
    found = tabular_scores.ranks(np.array([[0.1, 0.3, 0.1, np.inf], [4.0, 3.0, 2.0, 1.0]]))
    assert found.tolist() == [[1.5, 3, 1.5, 4], [4, 3, 2, 1]]


def test_normalised_scores_go_from_the_median_to_the_best():
    # The medians are 3, 2.5 (the failure counts as the worst, 4) and 7, where the best is the median.
    found = tabular_scores.normalised(np.array([[1.0, 2.0, 3.0, 5.0, 9.0], [1.0, 2.0, 2.5, 4.0, np.inf], [7.0] * 5]))
    np.testing.assert_allclose(found, [[1, 0.5, 0, 0, 0], [1, 1 / 3, 0, 0, 0], [1, 1, 1, 1, 1]])


def test_an_interval_holds_the_mean_and_is_a_point_where_all_tables_agree():
    assert tabular_scores.interval(np.full(5, 2.0)) == (2.0, 2.0)
    # Of 100 zeros and ones the mean has the deviation 0.05, so 95 % of the draws lie within 0.098 about one half.
    lower, upper = tabular_scores.interval(np.arange(100.0) % 2)
    assert lower == pytest.approx(0.402, abs=0.02)
    assert upper == pytest.approx(0.598, abs=0.02)
    assert tabular_scores.interval(np.arange(100.0) % 2) == (lower, upper)


def test_ratios_are_geometric_means_over_the_tables_that_both_have():
    values, base = np.array([2.0, 8.0, np.nan, 5.0]), np.array([1.0, 1.0, 1.0, np.nan])
    assert tabular_scores.mean_ratio(values, base) == pytest.approx(4)


def test_the_calibration_error_is_the_gap_of_confidence_and_accuracy_in_fifteen_bins():
    # Confidences 0.9, 0.9 (one of two right: gap 0.4) and 0.6, 0.6 (both right: gap 0.4); 0.9 and 0.6 lie in different bins.
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    found = tabular_scores.scores_of_classes(np.array([0, 1, 0, 1]), p)
    assert found["calibration_error"] == pytest.approx(0.4)
    assert found["error"] == 0.25
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.1, 0.6, 0.6]).mean())
    assert (
        found["auc"] == 0.625
    )  # of four pairs 0.1 < 0.6 and 0.4 < 0.6 are right, 0.1 = 0.1 is half right, 0.4 > 0.1 is wrong


def test_fifteen_bins_tell_confidences_apart_that_ten_do_not():
    p = np.array([[0.91, 0.09], [0.97, 0.03]])  # in bins 14 and 15 of 15; of 10 both are in the last
    found = tabular_scores.scores_of_classes(np.array([0, 1]), p)
    assert found["calibration_error"] == pytest.approx((0.09 + 0.97) / 2)


def test_the_crps_of_a_point_is_its_absolute_error():
    y = np.array([1.0, -2.0])
    assert tabular_scores.crps(y, np.zeros((2, 20))) == pytest.approx(1.5)


def test_the_crps_of_a_normal_distribution_is_near_its_closed_form():
    # At the centre of a standard normal distribution it is (sqrt(2) - 1) / sqrt(pi).
    quantiles = tabular_scores.norm.ppf(tabular_scores.LEVELS)[None]
    assert tabular_scores.crps(np.zeros(1), quantiles) == pytest.approx((np.sqrt(2) - 1) / np.sqrt(np.pi), abs=0.01)


def test_points_get_the_deviation_from_the_other_half_of_the_rows():
    y, found = np.array([1.0, 3.0, -1.0, -3.0]), np.zeros(4)
    quantiles = tabular_scores.normal_quantiles(y, found)
    deviation = quantiles[:, -1] / tabular_scores.norm.ppf(tabular_scores.LEVELS[-1])
    np.testing.assert_allclose(deviation, [3, 1, 3, 1])


def test_the_rmse_is_a_multiple_of_the_deviation_of_the_target():
    scores = tabular_scores.scores_of_numbers(np.array([0.0, 4.0]), np.array([3.0, 1.0]), None, scale=2.0)
    assert scores["rmse"] == 1.5
    assert scores["r2"] == pytest.approx(1 - 18 / 8)


def test_a_models_own_quantiles_come_from_its_intervals():
    class Model:
        def predict_interval(self, X, coverage):
            half = coverage / 2 * np.ones(len(X))
            return np.column_stack([0.5 - half, 0.5 + half])  # of a uniform distribution from 0 to 1

    found = tabular_models.quantiles(Model(), pd.DataFrame({"x": [1, 2]}), tabular_scores.LEVELS)
    np.testing.assert_allclose(found, [tabular_scores.LEVELS] * 2)
    assert tabular_models.quantiles(object(), pd.DataFrame(), tabular_scores.LEVELS) is None


def test_peers_see_only_the_categories_of_training():
    X = pd.DataFrame({"a[0]": pd.Categorical(["x", "y", None], categories=["x", "y", "z"]), "b": [1.0, np.nan, 3.0]})
    X_test = pd.DataFrame({"a[0]": pd.Categorical(["z", "x"], categories=["x", "y", "z"]), "b": [np.nan, 5.0]})
    training, test = tabular_models.categories_of_training(X, X_test)
    assert list(test["c0"].cat.categories) == ["x", "y"]
    assert test["c0"].isna().tolist() == [True, False]
    assert list(X) == ["a[0]", "b"]
    training, test = tabular_models.texts_and_medians(X, X_test)
    assert training["a[0]"].tolist() == ["x", "y", tabular_models.MISSING]
    assert training["b"].tolist() == [1.0, 2.0, 3.0]
    assert test["b"].tolist() == [2.0, 5.0]


def row(table, column, seed, **scores):
    return {"table": table, "column": column, "seed": seed, "rows": 300} | scores


def test_means_are_over_the_splits_that_all_columns_have():
    costs = dict.fromkeys(tabular_report.COSTS, 1.0)
    rows = [
        row("pima", "A", 0, error=0.1, **costs),
        row("pima", "A", 1, error=0.3, **costs),
        row("pima", "A", 2, error=0.9, **costs),
        row("pima", "B", 0, error=0.2, **costs),
        row("pima", "B", 1, failure="no result"),
        row("crx", "A", 0, error=0.5, **costs),
    ]
    found = tabular_report.means(rows, ["A", "B"])
    assert list(found) == ["pima"]
    assert found["pima"]["A"]["error"] == pytest.approx(0.2)
    assert found["pima"]["B"]["error"] == np.inf


def test_a_cut_off_line_is_taken_from_the_results(tmp_path):
    path = tmp_path / "results.jsonl"
    whole = json.dumps({"machine": {"threads": 1}}) + "\n" + json.dumps(row("pima", "A", 0)) + "\n"
    path.write_text(whole + '{"table": "pi')
    assert tabular.stored(path) == ([row("pima", "A", 0)], [{"threads": 1}])
    assert path.read_text() == whole


def test_a_parameter_is_a_literal_or_a_text():
    parser = argparse.ArgumentParser()
    assert tabular.setting("hidden=(32, 16)", parser) == ("hidden", (32, 16))
    assert tabular.setting("activation=gelu", parser) == ("activation", "gelu")
    with pytest.raises(SystemExit):
        tabular.setting("nothing=1", parser)
    assert tabular_models.ours({"label_smoothing": 0.1}).missing_parameters(regression=True) == ["label_smoothing"]
    assert tabular_models.ours({"label_smoothing": 0.1}).missing_parameters(regression=False) == []


def test_a_run_keeps_its_results_and_failures_and_is_taken_up(tmp_path, monkeypatch, capsys):
    path = tmp_path / "results.jsonl"
    arguments = ["--only", "digits", "--seeds", "1", "--results", str(path), "--models", "MLP"]
    monkeypatch.setattr(sys, "argv", ["tabular.py", *arguments, "--set", "epochs=2", "--set", "hidden=(32,)"])
    tabular.main()
    rows, machines = tabular.stored(path)
    assert [found["column"] for found in rows] == ["MLP", "PySmorch epochs=2 hidden=(32,)"]
    assert all(found["error"] < 0.5 and found["rows"] == 1797 for found in rows)
    assert rows[1]["settings"] == {"epochs": 2, "hidden": [32]}
    assert machines[0]["threads"] == 1
    assert "| digits | 1,797 |" in capsys.readouterr().out
    before = path.read_text()
    tabular.main()
    assert path.read_text() == before
    monkeypatch.setattr(sys, "argv", ["tabular.py", *arguments, "--set", "hidden=wide", "--name", "wide"])
    tabular.main()
    last = tabular.stored(path)[0][-1]
    assert last["column"] == "PySmorch wide"
    assert "hidden" in last["failure"]
    assert "Failures:" in capsys.readouterr().out


def test_sets_of_ablations_change_constants_that_there_are():
    assert tabular_ablations.constants_of("two networks") == {}
    before = tabular_ablations.constants_of("two networks, before")
    changed = tabular_ablations.constants_of("two networks, before, no intervals")
    assert [name for name in before if before[name] != changed[name]] == [tabular_ablations.MOST]
    for name in tabular_ablations.INGREDIENTS:
        for constant in tabular_ablations.constants_of(name):
            module, _, attribute = constant.partition(":")
            assert isinstance(getattr(import_module(module), attribute), (int, float)), constant
