"""Simpler models beside a network: measures, differences and sentences by hand; samples; what is left out."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from pysmorch import Classifier, PysmorchWarning, Regressor, compare_with_baselines
from pysmorch.advice.baselines import OF_A_CELL, OF_A_COLUMN, Baseline, boosting, sample_for
from pysmorch.advice.comparison import Comparison, Measured, is_clear, losses_of_classes, losses_of_numbers, value_of
from pysmorch.encoders import unscaled
from pysmorch.estimators.rows import Labelled

RNG = np.random.default_rng(0)
QUICK = {"hidden": (4,), "epochs": 2, "early_stopping": False, "random_state": 0, "preset": "fast"}
N = 120
FRAME = pd.DataFrame(
    {
        "size": RNG.normal(size=N),
        "town": RNG.choice(["Ulm", "Bonn"], N),
        "age": np.where(np.arange(N) % 9, RNG.normal(size=N), np.nan),
    }
)
CLASSES = np.where(FRAME["size"] + (FRAME["town"] == "Ulm") + RNG.normal(size=N) > 0, "yes", "no")


def test_the_losses_of_rows_are_those_of_their_measures():
    p = np.array([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]])
    losses = losses_of_classes(p, np.array([0, 1, 1]))
    np.testing.assert_array_equal(losses["accuracy"], [0, 0, 1])
    np.testing.assert_allclose(losses["log loss"], -np.log([0.5, 0.8, 0.1]))
    assert value_of("accuracy", losses["accuracy"], None, 1.0) == pytest.approx(2 / 3)
    assert value_of("accuracy", losses["accuracy"], np.array([1.0, 1.0, 2.0]), 1.0) == pytest.approx(1 / 2)
    of_values = losses_of_numbers(np.array([[1.0], [4.0]]), np.array([[0.0], [0.0]]))
    assert value_of("RMSE", of_values["RMSE"], None, 10.0) == pytest.approx(10 * np.sqrt(17 / 2))
    assert value_of("MAE", of_values["MAE"], None, 10.0) == pytest.approx(25)


def test_a_class_of_probability_0_has_a_finite_loss():
    assert losses_of_classes(np.array([[1.0, 0.0]]), np.array([1]))["log loss"] == pytest.approx(-np.log(1e-15))


def test_a_difference_is_clear_from_two_standard_errors_on():
    # mean 1, deviation sqrt(3) (values 1 - 3^0.5 and 1 + 3^0.5), standard error sqrt(3 / n): 2 of them are 1 at n = 12
    differences = 1 + np.sqrt(3) * np.resize([-1.0, 1.0], 14)
    assert is_clear(differences, None)
    assert not is_clear(differences[:10], None)
    assert is_clear(differences, np.full(14, 5.0))
    assert not is_clear(np.zeros(5), None)


@pytest.mark.parametrize(
    ("better_by", "sentence"),
    [
        ({}, "no clear difference from the network here"),
        ({"accuracy": -0.01}, "Other is better here by 0.0100 in accuracy"),
        ({"accuracy": -0.01, "log loss": -0.25}, "Other is better here by 0.0100 in accuracy and 0.2500 in log loss"),
        ({"log loss": 0.25}, "the network is better here by 0.2500 in log loss"),
        (
            {"accuracy": -0.01, "log loss": 0.25},
            "Other is better here by 0.0100 in accuracy, the network by 0.2500 in log loss",
        ),
    ],
)
def test_the_line_of_a_model_says_which_one_is_better_and_by_how_much(better_by, sentence):
    network = Measured("Classifier", {"accuracy": 0.9, "log loss": 0.5}, 3.0, 100)
    other = Measured("Other", {"accuracy": 0.91, "log loss": 0.25}, 0.51, 100, better_by)
    found = Comparison(network, [other])
    assert str(found) == f"Other: accuracy 0.9100, log loss 0.2500, trained in 0.5 s; {sentence}"
    sampled = Comparison(network, [Measured("Other", other.values, 0.51, 50, better_by)])
    assert sampled.lines() == [
        f"Other: accuracy 0.9100, log loss 0.2500, trained in 0.5 s on 50 of 100 rows; {sentence}"
    ]
    assert found.to_dict() == {
        "model": ["Classifier", "Other"],
        "accuracy": [0.9, 0.91],
        "log loss": [0.5, 0.25],
        "seconds": [3.0, 0.51],
        "rows": [100, 100],
    }


def test_a_model_that_would_be_too_slow_has_a_sample_of_the_rows_or_is_left_out():
    classes = np.repeat([0, 1], [3000, 1000])
    rows = Labelled(np.arange(4000), classes, None, None)
    baseline = Baseline("Other", 1, lambda some: some, lambda num_rows: num_rows / 1000, lambda codes: None)
    assert sample_for(baseline, rows, True, 4.0) is rows
    some = sample_for(baseline, rows, True, 3.9)
    assert np.bincount(some.codes).tolist() == [1500, 500]
    assert len(sample_for(baseline, rows, True, 0.5).codes) == 500
    assert sample_for(baseline, rows, True, 0.4) is None
    wide = Baseline("Other", 2**15, lambda some: some, lambda num_rows: 0.0, lambda codes: None)
    assert len(sample_for(wide, rows, True, 1.0).codes) == 1000  # 2^25 entries are 1,024 rows
    left_out = Comparison(Measured("Classifier", {}, 1.0, 9), [Measured("Other", {}, None, 0)])
    assert str(left_out) == "Other: left out, since it would take longer than the network"


def test_the_seconds_of_trees_are_estimated_from_columns_rows_and_classes():
    model = Classifier(**QUICK).fit(FRAME, np.arange(N) % 3)
    baseline = boosting(model, model._checked(FRAME))
    assert baseline.width == 3
    assert baseline.seconds_for(1000) == pytest.approx(9 * (OF_A_COLUMN + 1000 * OF_A_CELL))


def test_columns_are_unscaled_with_categories_as_indices_and_nan_for_what_is_missing():
    model = Classifier(**QUICK).fit(FRAME, CLASSES)
    values, categorical = unscaled(model.encoder_, model._checked(FRAME))
    assert categorical.tolist() == [False, False, True]
    np.testing.assert_array_equal(values[:, 0], FRAME["size"])
    np.testing.assert_array_equal(values[:, 1], FRAME["age"])
    most = FRAME["town"].value_counts().index[0]
    np.testing.assert_array_equal(values[:, 2], FRAME["town"] != most)
    unknown = FRAME.assign(town="Bath")
    assert np.isnan(unscaled(model.encoder_, model._checked(unknown))[0][:, 2]).all()


def test_both_models_are_those_of_scikit_learn_on_the_features_of_the_network():
    model = Classifier(**QUICK).fit(FRAME[:80], CLASSES[:80])
    found = compare_with_baselines(model, FRAME[:80], CLASSES[:80], FRAME[80:], CLASSES[80:])
    encode, right = model.encoder_.encode, CLASSES[80:]
    linear = LogisticRegression().fit(encode(model._checked(FRAME[:80])), CLASSES[:80])
    assert found.baselines[0].values["accuracy"] == pytest.approx(
        linear.score(encode(model._checked(FRAME[80:])), right)
    )
    columns, _ = unscaled(model.encoder_, model._checked(FRAME))
    trees = HistGradientBoostingClassifier(categorical_features=[2], random_state=0, early_stopping=False)
    with threadpool_limits(1):
        trees.fit(columns[:80], CLASSES[:80])
    assert found.baselines[1].values["accuracy"] == pytest.approx(trees.score(columns[80:], right))
    assert found.network.values["accuracy"] == pytest.approx(model.score(FRAME[80:], right))
    assert found.network.seconds == pytest.approx(sum(model.history_["seconds"]))


def test_numbers_are_measured_in_their_units_whatever_their_size():
    y = 1e200 * (FRAME["size"].to_numpy() + RNG.normal(size=N))
    model = Regressor(**QUICK).fit(FRAME, y)
    found = compare_with_baselines(model, FRAME, y, FRAME, y, seconds=1.0)
    encoded = model.encoder_.encode(model._checked(FRAME))
    left = np.abs(Ridge().fit(encoded, y / 1e200).predict(encoded) - y / 1e200)
    assert found.baselines[0].values["MAE"] / 1e200 == pytest.approx(left.mean(), rel=1e-3)
    assert [other.name for other in found.baselines] == ["Ridge", "HistGradientBoosting"]
    assert "Ridge is better here by " in str(found)


def test_weights_factors_of_classes_several_targets_and_sparse_rows_are_taken():
    weights = np.arange(N) % 3 + 1.0
    model = Classifier(class_weight="balanced", **QUICK).fit(FRAME, CLASSES, weights)
    compare_with_baselines(model, FRAME, CLASSES, FRAME, CLASSES, weights, weights)
    targets = RNG.normal(size=(N, 2))
    rows = sparse.csr_array(np.where(RNG.random((N, 4)) < 0.5, RNG.normal(size=(N, 4)), 0))
    regressor = Regressor(**QUICK).fit(rows, targets)
    assert set(compare_with_baselines(regressor, rows, targets, rows, targets).baselines[1].values) == {"RMSE", "MAE"}
    texts = pd.DataFrame({"t": [f"a {i % 7} b{i}" for i in range(N)], "rare": [f"k{i // 2}" for i in range(N)]})
    model = Classifier(columns={"t": "text"}, **QUICK).fit(texts, CLASSES)
    compare_with_baselines(model, texts, CLASSES, texts, CLASSES)


def test_a_column_of_many_categories_tells_the_trees_no_target_of_a_row():
    keys = pd.DataFrame({"key": [f"k{i // 2}" for i in range(1200)], "x": RNG.normal(size=1200)})
    y = np.repeat(RNG.normal(size=600), 2) + 0.1 * RNG.normal(size=1200)
    with pytest.warns(PysmorchWarning, match="600 values"):
        model = Regressor(**QUICK).fit(keys, y)
    rows = model._checked(keys)
    model.encoder_.learn_rows(rows, None, model._encode_labels(model._check_labels(y, 1200)))
    values, _ = unscaled(model.encoder_, rows[np.arange(1200)])
    own, _ = unscaled(model.encoder_, model._checked(keys))
    assert (values[:, :2] != own[:, :2]).any()  # statistics of other folds


def test_images_quantiles_and_one_class_are_refused_in_a_sentence():
    pixels = RNG.normal(size=(40, 6))
    model = Classifier(pixels=True, **QUICK).fit(pixels, np.arange(40) % 2)
    with pytest.raises(ValueError, match="model cannot be compared with baselines: its rows are images, or pixels"):
        compare_with_baselines(model, pixels, np.arange(40) % 2, pixels, np.arange(40) % 2)
    y = RNG.normal(size=40)
    quantiles = Regressor(loss="quantile", **QUICK).fit(pixels, y)
    with pytest.raises(ValueError, match="it predicts quantiles"):
        compare_with_baselines(quantiles, pixels, y, pixels, y)
    model = Classifier(**QUICK).fit(pixels, np.arange(40) % 2)
    with pytest.raises(ValueError, match="y_train has one class only"):
        compare_with_baselines(model, pixels, np.zeros(40, int), pixels, np.zeros(40, int))
