"""Estimators with weights of 8 bits."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris

import pysmorch as ps

OPTIONS = {"hidden": (64, 32), "epochs": 10, "early_stopping": False, "random_state": 0, "preset": "fast"}


def test_a_classifier_loses_no_more_than_three_in_a_thousand_rows():
    X, y = load_digits(return_X_y=True)
    model = ps.Classifier(**OPTIONS).fit(X[:1200], y[:1200])
    small = model.quantize(X[:1200])
    assert small.score(X, y) > model.score(X, y) - 0.003
    assert np.abs(small.predict_proba(X) - model.predict_proba(X)).mean() < 0.003


def test_a_regressor_loses_no_more_than_three_thousandths_of_r2():
    X = np.random.default_rng(0).standard_normal((600, 6))
    y = X[:, 0] * X[:, 1] + np.abs(X[:, 2])
    model = ps.Regressor(**OPTIONS).fit(X[:500], y[:500])
    assert model.quantize(X[:500]).score(X[500:], y[500:]) > model.score(X[500:], y[500:]) - 0.003


def test_a_model_of_a_data_frame_is_kept_in_a_file_without_the_state_of_its_training(tmp_path):
    frame = load_iris(as_frame=True).frame
    X, y = frame.drop(columns="target"), frame["target"].map({0: "a", 1: "b", 2: "c"})
    X["colour"] = pd.Categorical(np.resize(["red", "blue"], len(X)))
    model = ps.Classifier(**OPTIONS).fit(X, y)
    small = model.quantize(X)
    small.save(tmp_path / "small.safetensors")
    model.save(tmp_path / "model.safetensors")
    again = ps.load(tmp_path / "small.safetensors")
    assert (again.predict_proba(X) == small.predict_proba(X)).all()
    assert again.get_params() == model.get_params()
    assert (tmp_path / "small.safetensors").stat().st_size < 0.3 * (tmp_path / "model.safetensors").stat().st_size


def test_it_cannot_be_trained_and_a_clone_can():
    X, y = load_iris(return_X_y=True)
    model = ps.Classifier(**OPTIONS).fit(X, y)
    small = model.quantize(X)
    for train in (small.fit, small.partial_fit):
        with pytest.raises(ValueError, match="the network was quantized: its weights of 8 bits cannot be trained"):
            train(X, y)
    again = clone(small).fit(X, y)
    assert (again.predict_proba(X) == model.predict_proba(X)).all()
    model.partial_fit(X, y)
