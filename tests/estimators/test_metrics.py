"""Metrics and callbacks in the fit of estimators."""

import numpy as np
import pytest
from sklearn import metrics as theirs
from sklearn.datasets import load_diabetes, load_digits

from pysmorch import Classifier, EarlyStopping, Metric, Regressor

X, Y = load_digits(return_X_y=True)
TRAINING, VALIDATION = (X[:500], Y[:500]), (X[500:900], Y[500:900])
ROWS, TARGETS = load_diabetes(return_X_y=True)


def classifier(**options):
    return Classifier(**{"hidden": (32,), "epochs": 3, "random_state": 0, "preset": "fast"} | options)


def regressor(**options):
    return Regressor(
        **{"hidden": (32,), "epochs": 3, "random_state": 0, "preset": "fast", "early_stopping": False} | options
    )


def test_metrics_of_a_classifier_are_measured_on_the_validation_data_of_every_epoch():
    names = ["auc", "f1", "top_5", "accuracy"]
    model = classifier().fit(*TRAINING, eval_set=VALIDATION, metrics=names, callbacks=[lambda training: None])
    history = model.history_
    assert all(len(history[f"val_{name}"]) == 3 for name in names)
    assert len(history["accuracy"]) == 3  # the default metric is a sum, which training data have too
    assert "auc" not in history
    model = classifier(early_stopping=False).fit(*TRAINING, eval_set=VALIDATION, metrics=names)
    X_val, y_val = VALIDATION
    p, last = model.predict_proba(X_val), {name: model.history_[f"val_{name}"][-1] for name in names}
    assert last["f1"] == pytest.approx(theirs.f1_score(y_val, p.argmax(1), average="macro"))
    assert last["auc"] == pytest.approx(theirs.roc_auc_score(y_val, p, multi_class="ovr"), abs=1e-6)
    assert last["top_5"] == pytest.approx(theirs.top_k_accuracy_score(y_val, p, k=5))
    assert last["accuracy"] == pytest.approx(model.score(X_val, y_val))


@pytest.mark.parametrize("targets", [TARGETS, np.stack([TARGETS, -3 * TARGETS], axis=1)], ids=["one", "two"])
def test_metrics_of_a_regressor_are_in_the_units_of_its_targets(targets):
    functions = {
        "mae": theirs.mean_absolute_error,
        "rmse": theirs.root_mean_squared_error,
        "r2": theirs.r2_score,
    }
    model = regressor().fit(ROWS, targets, eval_set=(ROWS, targets), metrics=[*functions])
    for name, function in functions.items():
        assert model.history_[f"val_{name}"][-1] == pytest.approx(function(targets, model.predict(ROWS)), rel=1e-5)


def test_functions_of_a_regressor_take_targets_in_the_shape_and_units_of_y():
    shapes = []

    def largest_error(labels, predictions):
        shapes.append((labels.shape, predictions.shape))
        return np.abs(labels - predictions).max()

    model = regressor().fit(ROWS, TARGETS, eval_set=(ROWS, TARGETS), metrics={"largest_error": largest_error})
    assert set(shapes) == {((442,), (442,))}
    found = model.history_["val_largest_error"][-1]
    assert found == pytest.approx(theirs.max_error(TARGETS, model.predict(ROWS)), rel=1e-5)


def test_held_out_rows_are_validation_data_for_metrics():
    history = classifier(early_stopping=True).fit(*TRAINING, metrics=["auc"]).history_
    assert len(history["val_auc"]) == 3


def test_an_early_stopping_of_the_user_takes_its_direction_from_the_metric_and_replaces_the_default_one():
    worse_each_epoch = iter(range(100, 0, -1))
    falling = Metric("falling", lambda labels, predictions: next(worse_each_epoch), maximize=True)
    stopping = EarlyStopping("val_falling", patience=2)
    model = classifier(epochs=30, patience=1)
    model.fit(*TRAINING, eval_set=VALIDATION, metrics=[falling], callbacks=[stopping])
    assert (model.n_iter_, stopping.best_epoch) == (3, 1)
    assert model.history_.stopped_by.startswith("val_falling was best in epoch 1")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classifier().fit(*TRAINING, metrics=["auk"]), "metrics: there is no metric 'auk'; did you mean 'auc'"),
        (lambda: classifier().fit(*TRAINING, metrics="auc"), "metrics must be a list"),
        (
            lambda: classifier().fit(*TRAINING, metrics=["auc"]),
            r"metrics: auc can be measured on validation data only; pass eval_set=\(X, y\), or early_stopping=True",
        ),
        (
            lambda: classifier().fit(*TRAINING, eval_set=VALIDATION, metrics=["rmse"]),
            "'rmse' takes values, which CrossEntropy does not predict; take one of accuracy",
        ),
        (
            lambda: regressor().fit(ROWS, TARGETS, eval_set=(ROWS, TARGETS), metrics=["auc"]),
            "'auc' takes probabilities, which SquareLoss does not predict; take one of mae",
        ),
    ],
)
def test_metrics_that_cannot_be_measured_are_refused_in_words(call, message):
    with pytest.raises(ValueError, match=message):
        call()
