"""Numbers of any size are learned from, or an error names the first that is too large."""

import numpy as np
import pytest

from pysmorch import Classifier, Data, Network, PoissonLoss, Regressor, SquareLoss, mlp

X = np.random.default_rng(0).normal(size=(300, 3))
Y = X[:, 0] + X[:, 1] / 2
SMALL = {"hidden": (16,), "random_state": 0, "preset": "fast"}
SIZES = pytest.mark.parametrize("size", [1e-300, 1e-160, 1e-30, 1e30, 1e154, 1e155, 1e300])


@SIZES
def test_targets_of_any_size_are_learned(size):
    model = Regressor(**SMALL).fit(X, Y * size)
    expected = Regressor(**SMALL).fit(X, Y).predict(X)
    np.testing.assert_allclose(model.predict(X) / size, expected, rtol=1e-4, atol=1e-4)
    assert model.score(X, Y * size) > 0.9


@pytest.mark.parametrize("largest", [np.finfo(np.float64).max, 1e307])
@pytest.mark.parametrize("columns", [1, 2])
def test_targets_at_the_end_of_float64_are_named(largest, columns):
    y = np.tile(Y[:, None], columns)
    y[7, -1] = -largest
    where = "row 7, column 1" if columns == 2 else "row 7"
    with pytest.raises(
        ValueError, match=rf"^y has -{largest:.6g}".replace("+", r"\+") + f" in {where}, but targets are at most"
    ):
        Regressor(**SMALL).fit(X, y if columns == 2 else y[:, 0])


def test_predictions_of_the_largest_targets_are_finite():
    y = np.where(X[:, 0] > 0, 1e305, -1e305)
    model = Regressor(members=2, conformal_fraction=0.2, **SMALL).fit(X, y)
    for rows in (X, 1e300 * X):
        found = model.predict(rows)
        assert np.isfinite(found).all()
        assert np.isfinite(model.predict_interval(rows)).all()
        assert np.mean(np.sign(found) == np.sign(y)) > 0.9
    assert model.score(X, y) > 0.5


@SIZES
def test_columns_of_any_size_are_learned_from(size):
    y = X[:, 0] > 0
    expected = Classifier(**SMALL).fit(X, y).predict_proba(X)
    found = Classifier(**SMALL).fit(X * [size, 1, 1], y).predict_proba(X * [size, 1, 1])
    np.testing.assert_allclose(found, expected, atol=1e-2)


def test_a_count_beyond_float32_is_named():
    y = np.ones(300)
    y[17] = 1e39
    with pytest.raises(ValueError, match=r"y has 1e\+39 in row 17, .* beyond the range of float32"):
        Regressor(loss="poisson", **SMALL).fit(X, y)


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_rows_and_labels_of_a_network_beyond_float32_are_named(engine):
    network = Network(SquareLoss(mlp(Data(shape=(None, 3)), [4], 1, seed=0)))
    network.fit(X, X[:, 0], epochs=1)
    rows = X.copy()
    rows[5, 1] = -1e200
    for call in (
        lambda: network.fit(rows, X[:, 0], epochs=1, engine=engine),
        lambda: network.predict(rows, engine=engine),
    ):
        with pytest.raises(
            ValueError, match=r"X has -1e\+200 in row 5, column 1, which is beyond the range of float32"
        ):
            call()
    with pytest.raises(ValueError, match=r"labels of X has 1e\+200 in row 3"):
        network.fit(X, np.where(np.arange(300) == 3, 1e200, 0.0), epochs=1, engine=engine)
    network.fit(rows * 1e-100, X[:, 0], epochs=1, engine=engine, dtype="float64")


@pytest.mark.parametrize("unit", [1e-300, 1e-3, 1e3, 1e300])
def test_only_ratios_of_weights_count(unit):
    weights = np.random.default_rng(1).uniform(0.5, 2, 300)
    found = Regressor(**SMALL).fit(X, Y, sample_weight=unit * weights).predict(X)
    np.testing.assert_allclose(
        found, Regressor(**SMALL).fit(X, Y, sample_weight=weights).predict(X), rtol=1e-3, atol=1e-3
    )


def test_a_poisson_network_is_named_in_the_same_words():
    network = Network(PoissonLoss(mlp(Data(shape=(None, 3)), [4], 1, seed=0)))
    with pytest.raises(ValueError, match="beyond the range of float32"):
        network.fit(X, np.full(300, 1e300), epochs=1)
