"""Regression of targets that are positive: counts, amounts, and amounts that often are 0."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import GammaLoss, Regressor

RNG = np.random.default_rng(0)
X = RNG.uniform(0, 2, (400, 1))
MEANS = np.exp(1 + X[:, 0])
AMOUNTS = MEANS * RNG.gamma(5.0, 0.2, 400)
CLAIMS = np.where(RNG.random(400) < 0.5, 0.0, 2 * AMOUNTS)
"""Of the same mean; half of them are 0."""
SMALL = {"hidden": (16,), "random_state": 0, "preset": "fast"}


@pytest.mark.parametrize(("loss", "y", "error"), [("gamma", AMOUNTS, 0.1), ("tweedie", CLAIMS, 0.25)])
@pytest.mark.parametrize("unit", [1.0, 1e6])
def test_means_are_found_in_any_unit(loss, y, error, unit):
    model = Regressor(loss=loss, **SMALL).fit(X, unit * y)
    predicted = model.predict(X)
    assert (predicted > 0).all()
    assert np.abs(predicted / (unit * MEANS) - 1).mean() < error
    assert (model.predict_interval(X) >= 0).all()


@pytest.mark.parametrize("loss", ["gamma", "tweedie"])
def test_several_targets_have_scales_of_their_own(loss):
    y = np.stack([AMOUNTS, 1000 * AMOUNTS[::-1]], axis=1)
    predicted = Regressor(loss=loss, **SMALL).fit(X, y).predict(X)
    np.testing.assert_allclose(predicted.mean(axis=0), y.mean(axis=0), rtol=0.1)


def test_the_gamma_loss_counts_ratios():
    """The unit of the targets changes nothing but the unit of the predictions; a power of two does so to the last bit."""
    a, b = (Regressor(loss="gamma", **SMALL).fit(X, unit * AMOUNTS) for unit in (1.0, 1024.0))
    np.testing.assert_array_equal(1024 * a.predict(X), b.predict(X))


def test_the_power_is_that_of_the_loss_and_is_saved(tmp_path):
    model = Regressor(loss="tweedie", power=1.2, epochs=2, **SMALL).fit(X, CLAIMS)
    assert model.network_.loss.power == 1.2
    model.save(tmp_path / "m.safetensors")
    again = ps.load(tmp_path / "m.safetensors")
    assert again.power == again.network_.loss.power == 1.2
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize(("loss", "value"), [("gamma", 3.0), ("tweedie", 3.0)])
def test_targets_that_are_all_the_same_are_predicted(loss, value):
    predicted = Regressor(loss=loss, epochs=2, **SMALL).fit(X, np.full(400, value)).predict(X)
    np.testing.assert_allclose(predicted, value, rtol=1e-6)


def test_nothing_but_zeros_is_predicted_as_next_to_nothing():
    predicted = Regressor(loss="tweedie", **SMALL).fit(X, np.zeros(400)).predict(X)
    assert predicted.max() < 0.2


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        ("gamma", np.where(np.arange(400) == 7, 0.0, AMOUNTS), 'y must be above 0 for loss="gamma", but row 7 has 0'),
        (
            "tweedie",
            np.where(np.arange(400) == 9, -2.5, 1.0),
            'y must not be negative for loss="tweedie", but row 9 has -2.5',
        ),
        (
            "poisson",
            np.where(np.arange(400) == 9, -2, 1),
            'y must not be negative for loss="poisson", but row 9 has -2',
        ),
        ("gamma", np.stack([AMOUNTS, -AMOUNTS], axis=1)[5:6].repeat(3, axis=0), "but row 0 has -"),
    ],
)
def test_targets_of_the_wrong_sign_are_named_by_their_row(loss, y, message):
    with pytest.raises(ValueError, match=message):
        Regressor(loss=loss, **SMALL).fit(X[: len(y)], y)


@pytest.mark.parametrize("power", [1.0, 2.0, 0.5, np.nan])
def test_a_power_out_of_range_is_refused(power):
    with pytest.raises(ValueError, match="power must be between 1 and 2"):
        Regressor(loss="tweedie", power=power).fit(X, CLAIMS)


def test_logarithms_of_predictions_are_explained():
    model = Regressor(loss="gamma", epochs=5, **SMALL).fit(X, AMOUNTS)
    explained = model.explain(X[:5])
    total = explained.baseline + explained.contributions.sum(axis=1)
    np.testing.assert_allclose(total.ravel(), np.log(model.predict(X[:5])), rtol=0.01)


@pytest.mark.parametrize("loss", [GammaLoss, ps.TweedieLoss])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_both_paths_train_alike(loss, precision):
    def trained(engine):
        network = ps.Network(loss(ps.dense(ps.Data(shape=(None, 1)), 1, activation=None)))
        network.fit(X, AMOUNTS, epochs=3, batch_size=32, seed=0, engine=engine, dtype=precision)
        return network.loss.in_layer.W

    with ps.weights_from(0):
        native = trained("native")
    with ps.weights_from(0):
        reference = trained("reference")
    np.testing.assert_allclose(native, reference, rtol=1e-5)
