"""Only ratios of weights count, and rows of weight 0 are as absent."""

import numpy as np
import pandas as pd
import pytest

from pysmorch import Classifier, Regressor

RNG = np.random.default_rng(0)
X = RNG.standard_normal((250, 3))
Y = (X[:, 0] + 0.5 * RNG.standard_normal(250) > 0).astype(int)
WEIGHTS = RNG.integers(1, 5, 250).astype(float)
FRAME = pd.DataFrame({"x": X[:, 0], "kind": np.array(["a", "b", "c"])[np.arange(250) % 3]})
OPTIONS = {"hidden": (8,), "epochs": 3, "random_state": 0, "preset": "fast"}


def outputs(make, rows, y, weights, method="fit"):
    model = make(**OPTIONS)
    getattr(model, method)(rows, y, sample_weight=weights)
    return model.predict_proba(rows) if make is Classifier else model.predict(rows)


@pytest.mark.parametrize("make", [Classifier, Regressor])
@pytest.mark.parametrize("rows", [X, FRAME], ids=["array", "frame"])
@pytest.mark.parametrize("factor", [1 / WEIGHTS.sum(), 1e6, 1e-300, 1e300, 2.0**-60])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_common_factor_of_the_weights_changes_no_bit(make, rows, factor, method):
    expected = outputs(make, rows, Y, WEIGHTS, method)
    np.testing.assert_array_equal(outputs(make, rows, Y, WEIGHTS * factor, method), expected)


@pytest.mark.parametrize("weight", [1.0, 3.0, 1e-300, 1e300])
def test_equal_weights_are_none(weight):
    np.testing.assert_array_equal(outputs(Classifier, X, Y, np.full(250, weight)), outputs(Classifier, X, Y, None))


@pytest.mark.filterwarnings("ignore:sample_weight")  # all rows of the class 7
@pytest.mark.parametrize("make", [Classifier, Regressor])
@pytest.mark.parametrize("kind", ["array", "frame"])
@pytest.mark.parametrize("early_stopping", ["auto", True, False])
def test_rows_of_weight_zero_are_as_absent(make, kind, early_stopping):
    weights = WEIGHTS * (np.arange(250) % 4 > 0)
    counting = weights > 0
    rows = X.copy() if kind == "array" else FRAME.copy()
    if kind == "array":
        rows[~counting] = 1e6
        part = rows[counting]
    else:
        rows.loc[~counting, "kind"] = "never"
        part = rows[counting].reset_index(drop=True)
    y = np.where(counting, Y, 7)
    models = [
        make(**OPTIONS, early_stopping=early_stopping).fit(*data)
        for data in ((rows, y, weights), (part, Y[counting], weights[counting]))
    ]
    a, b = (model.predict(part) for model in models)
    np.testing.assert_array_equal(a, b)
    if make is Classifier:
        assert models[0].classes_.tolist() == [0, 1]


@pytest.mark.parametrize("factor", [1e-300, 1e300])
@pytest.mark.parametrize("make", [Classifier, Regressor])
def test_scores_take_weights_of_any_size(make, factor):
    model = make(**OPTIONS).fit(X, Y)
    assert model.score(X, Y, WEIGHTS * factor) == pytest.approx(model.score(X, Y, WEIGHTS), rel=1e-12)


@pytest.mark.parametrize("factor", [1e-300, 1e300])
def test_validation_sets_take_weights_of_any_size(factor):
    curves = [Classifier(**OPTIONS).fit(X, Y, eval_set=(X, Y, WEIGHTS * by)).validation_curve_ for by in (1.0, factor)]
    assert curves[0] == curves[1]
