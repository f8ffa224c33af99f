"""The precision in which estimators predict."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import engine

has_bf16 = pytest.mark.skipif(not engine.has_bf16(), reason="this processor has no instructions for bfloat16")

X = np.random.default_rng(0).standard_normal((300, 12))
CLASSES = (X[:, 0] > X[:, 1]).astype(int) + (X[:, 2] > 1)
OPTIONS = {"hidden": (64, 32), "epochs": 5, "early_stopping": False, "random_state": 0, "preset": "fast"}


@has_bf16
def test_outputs_in_bf16_are_off_by_at_most_one_per_cent_of_their_size():
    model = ps.Classifier(**OPTIONS).fit(X, CLASSES)
    exact = model.decision_function(X)
    found = model.set_params(predict_precision="bf16").decision_function(X)
    assert 0 < np.linalg.norm(found - exact) < 0.01 * np.linalg.norm(exact)
    assert (model.decision_function(X[:1]) == found[:1]).all()
    assert abs(model.predict_proba(X) - ps.Classifier(**OPTIONS).fit(X, CLASSES).predict_proba(X)).max() < 0.01


@has_bf16
def test_numbers_in_bf16_are_off_by_at_most_one_per_cent_of_their_spread():
    model = ps.Regressor(**OPTIONS).fit(X, X[:, :2].sum(axis=1))
    exact = model.predict(X)
    found = model.set_params(predict_precision="bf16").predict(X)
    assert 0 < np.sqrt(np.mean((found - exact) ** 2)) < 0.01 * exact.std()


@has_bf16
def test_the_precision_of_predictions_is_kept_in_a_file(tmp_path):
    model = ps.Regressor(**OPTIONS, predict_precision="bf16").fit(X, X[:, :2].sum(axis=1))
    model.save(tmp_path / "model.safetensors")
    loaded = ps.load(tmp_path / "model.safetensors")
    assert loaded.predict_precision == "bf16"
    assert (loaded.predict(X) == model.predict(X)).all()
    assert (loaded.predict(X) != loaded.set_params(predict_precision="float32").predict(X)).any()


def test_the_precision_of_the_training_says_nothing_about_that_of_predictions():
    model = ps.Classifier(**OPTIONS, precision="auto").fit(X, CLASSES)
    assert model.predict_precision == "float32"
    assert (model.decision_function(X) == model.network_.predict(model.encoder_.encode(X))).all()


def test_auto_predicts_everywhere_and_bf16_says_where_it_cannot(monkeypatch):
    monkeypatch.setenv("PYSMORCH_INSTRUCTIONS", "base")
    if engine.extension.extension() is None:
        pytest.skip("the native extension is not built")
    model = ps.Classifier(**OPTIONS).fit(X, CLASSES)
    exact = model.predict_proba(X)
    assert (model.set_params(predict_precision="auto").predict_proba(X) == exact).all()
    with pytest.raises(ValueError, match=r"this processor has no instructions for it \(avx512_bf16\); take float32"):
        model.set_params(predict_precision="bf16").predict(X)


def test_a_precision_that_there_is_not_is_named_before_the_training_and_before_a_prediction():
    message = 'predict_precision must be "float32", "bf16" or "auto", but is \'half\''
    with pytest.raises(ValueError, match=message):
        ps.Classifier(**OPTIONS, predict_precision="half").fit(X, CLASSES)
    model = ps.Classifier(**OPTIONS).fit(X, CLASSES).set_params(predict_precision="half")
    with pytest.raises(ValueError, match=message):
        model.predict(X)
