"""Several labels of a row at once: each column of y is 0 or 1."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_predict

import pysmorch as ps
from pysmorch import BinaryCrossEntropy, Classifier

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))
Y = np.stack([X[:, 0] > 0, X[:, 1] > 0.5, X[:, 0] * X[:, 1] > 0], axis=1).astype(int)
SMALL = {"hidden": (16,), "epochs": 30, "random_state": 0, "preset": "fast"}


@pytest.fixture(scope="module")
def model():
    return Classifier(**SMALL).fit(X, Y)


def test_each_label_has_a_probability_and_is_predicted_where_it_is_above_a_half(model):
    p = model.predict_proba(X)
    assert p.shape == (300, 3)
    assert isinstance(model.network_.loss, BinaryCrossEntropy)
    np.testing.assert_array_equal(model.predict(X), (p > 0.5).astype(int))
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert (model.predict(X) == Y).mean(axis=0).min() > 0.8
    assert model.score(X, Y) == (model.predict(X) == Y).all(axis=1).mean()
    logits = model.decision_function(X)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), p, rtol=1e-5)


@pytest.mark.parametrize(
    "kind",
    [np.ndarray.tolist, pd.DataFrame, scipy.sparse.csr_array, lambda y: y.astype(bool), lambda y: y.astype(float)],
)
def test_labels_of_all_kinds_are_the_same(model, kind):
    again = Classifier(**SMALL).fit(X, kind(Y))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.score(X, kind(Y)) == model.score(X, Y)


def test_two_labels_are_no_two_classes():
    model = Classifier(**SMALL).fit(X, Y[:, :2])
    assert model.decision_function(X).shape == model.predict(X).shape == (300, 2)


def test_a_model_file_has_several_labels(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    again = ps.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.predict_proba(X[:1]), model.predict_proba(X[:1]))


def test_weights_groups_and_validation_rows_go_with_them():
    weights = np.where(np.arange(300) < 200, 1.0, 0.0)
    a = Classifier(**SMALL).fit(X, Y, weights)
    b = Classifier(**SMALL).fit(X[:200], Y[:200])
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))
    c = Classifier(early_stopping=True, **SMALL).fit(X, Y, groups=np.arange(300) // 10, metrics=["accuracy"])
    assert len(c.history_["val_accuracy"]) == c.n_iter_


def test_a_second_fit_may_have_one_class_for_each_row_and_the_other_way_round():
    model = Classifier(epochs=1, hidden=(2,), random_state=0)
    assert model.fit(X, Y).predict(X).shape == (300, 3)
    assert model.fit(X, Y[:, 0]).predict(X).shape == (300,)
    assert model.fit(X, Y).predict_proba(X).shape == (300, 3)


def test_more_rows_can_come():
    model = Classifier(hidden=(4,), random_state=0)
    for _ in range(2):
        model.partial_fit(X, Y)
    assert model.n_iter_ == 2
    with pytest.raises(ValueError, match=r"y has the shape \(300, 2\), but the model has 3 labels"):
        model.partial_fit(X, Y[:, :2])


def test_scikit_learn_measures_them():
    predicted = cross_val_predict(Classifier(**SMALL), X, Y, cv=2)
    assert f1_score(Y, predicted, average="macro") > 0.7


def test_a_label_that_no_row_has_is_hardly_likely():
    p = Classifier(**SMALL).fit(X, np.column_stack([Y[:, 0], 0 * Y[:, 0]])).predict_proba(X)
    assert p[:, 1].max() < 0.1


def test_one_of_them_is_explained(model):
    explained = model.explain(X[:4], of=1)
    np.testing.assert_allclose(
        explained.baseline + explained.contributions.sum(1), model.decision_function(X[:4])[:, 1], rtol=0.02, atol=0.02
    )
    with pytest.raises(ValueError, match="of must say which of the labels 0 to 2 is explained"):
        model.explain(X[:4])


@pytest.mark.parametrize(
    ("options", "y", "message"),
    [
        (
            {},
            Y + (np.arange(300) == 4)[:, None],
            "y should be a 1d array of classes, or have a column of 0 and 1 .* row 4 has",
        ),
        ({}, np.full((300, 2), "a"), "row 0 has 'a' in column 0"),
        ({}, np.where(np.arange(300)[:, None] == 5, np.nan, Y), "y has missing labels, the first in row 5"),
        ({}, Y[:20], "one label for each of the 300 rows of X, but has 20"),
        ({"label_smoothing": 0.1}, Y, "y has several labels for each row, but label_smoothing=0.1 is for one class"),
        ({"class_weight": "balanced"}, Y, "class_weight='balanced' is for one class"),
        ({"threshold": "f1"}, Y, "threshold='f1' is for one class"),
        ({"conformal_fraction": 0.2}, Y, "conformal_fraction=0.2 is for one class"),
        ({"calibrate": True}, Y, "calibrate=True is for one class"),
    ],
)
def test_what_does_not_go_with_several_labels_is_named(options, y, message):
    with pytest.raises(ValueError, match=message):
        Classifier(epochs=1, hidden=(2,), **options).fit(X, y)


def test_there_are_no_sets_of_classes(model):
    with pytest.raises(ValueError, match="no sets of classes; take predict_proba"):
        model.predict_set(X)
