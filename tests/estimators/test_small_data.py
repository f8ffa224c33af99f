"""Few rows: calibrated probabilities, constant targets, and classes with one row."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss

import pysmorch as ps
from pysmorch import Classifier, Regressor
from pysmorch.estimators import small
from pysmorch.estimators.calibration import Calibration, calibrate
from pysmorch.estimators.rows import Labelled
from pysmorch.estimators.small import folds_of, losses_of
from pysmorch.estimators.splitting import split_rows

RNG = np.random.default_rng(0)


def test_probabilities_of_noise_are_no_worse_than_the_shares_of_the_classes():
    X, y = RNG.standard_normal((300, 10)), RNG.random(300) < 0.3
    probabilities = Classifier(random_state=0).fit(X[:200], y[:200]).predict_proba(X[200:])
    guess = np.full(100, y[:200].mean())
    assert log_loss(y[200:], probabilities) < log_loss(y[200:], guess) + 0.02


@pytest.mark.parametrize("noise", [0.3, 0.4])
def test_probabilities_with_noisy_labels_are_better_than_the_shares(noise):
    X, y = make_classification(1000, 20, n_informative=6, flip_y=noise, random_state=0)
    probabilities = Classifier(random_state=0).fit(X[:750], y[:750]).predict_proba(X[750:])
    assert log_loss(y[750:], probabilities) < log_loss(y[750:], np.full(250, y[:750].mean()))


def test_epochs_and_calibration_are_chosen_unless_said_otherwise():
    X, y = make_classification(300, 10, flip_y=0.5, random_state=0)
    options = {"hidden": (32,), "random_state": 0}
    chosen = Classifier(**options).fit(X, y)
    assert chosen.n_iter_ <= 50
    assert (
        np.abs(chosen.decision_function(X)).max()
        < np.abs(Classifier(**options, early_stopping=False).fit(X, y).decision_function(X)).max()
    )
    assert Classifier(**options, early_stopping=False, patience=50).fit(X, y).n_iter_ == 40  # of ten steps
    again = Classifier(**options).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), chosen.predict_proba(X))


def test_outputs_are_brought_nearer_to_an_anchor():
    layer = ps.dense(ps.Data(shape=(None, 2)), 3, activation=None)
    network = ps.Network(ps.CrossEntropy(layer))
    layer.W[:] = [1.0, 2.0, 3.0]
    X = RNG.standard_normal((4, 2))
    before = network.predict(X)
    calibrate(layer, Calibration(0.25, np.array([0.0, 4.0, 8.0])))
    np.testing.assert_allclose(network.predict(X), 0.25 * before + [0.0, 3.0, 6.0], rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 7.3, -1e9, 1e-9])
@pytest.mark.parametrize("options", [{}, {"early_stopping": False}, {"loss": "absolute"}])
def test_constant_targets_stay_constant(value, options):
    X = RNG.standard_normal((60, 3))
    model = Regressor((8,), epochs=5, random_state=0, **options).fit(X, np.full(60, value))
    np.testing.assert_array_equal(model.predict(10 * X), value)


def test_one_constant_target_among_others_stays_constant_and_is_trained_on_later():
    X = RNG.standard_normal((60, 3))
    model = Regressor((8,), epochs=20, learning_rate=0.03, random_state=0)
    model.fit(X, np.stack([X[:, 0] + X[:, 1], np.full(60, 5.0)], 1))
    np.testing.assert_array_equal(model.predict(X)[:, 1], 5.0)
    assert np.ptp(model.predict(X)[:, 0]) > 0
    assert np.ptp(model.partial_fit(X, X[:, :2]).predict(X)[:, 1]) > 0


@pytest.mark.parametrize("early_stopping", ["auto", True, False])
@pytest.mark.parametrize("rows", [3, 11, 40])
@pytest.mark.filterwarnings("ignore:y has classes with few rows")
def test_a_class_with_one_row_is_trained_on(early_stopping, rows):
    X = RNG.standard_normal((rows, 2))
    y = np.zeros(rows, int)
    y[1] = 1
    model = Classifier((8,), epochs=3, random_state=0, early_stopping=early_stopping).fit(X, y)
    assert model.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_rare_classes_are_in_training_in_every_split(seed):
    classes = np.array([0] * 20 + [1] * 20 + [2])
    training, held_out, stratified = split_rows(classes, 41, 0.25, seed)
    assert 40 in training
    assert sorted([*training, *held_out]) == list(range(41))
    assert not stratified
    assert np.bincount(classes[held_out]).tolist() == [5, 5]
    for train, test in folds_of(classes, 41, seed):
        assert 40 in train
        assert 40 not in test


@pytest.mark.parametrize("num_rows", [1, 2, 7, 90])
@pytest.mark.parametrize("at_once", [1, 300, 2**15])
@pytest.mark.parametrize("num_outputs", [1, 3, 9])
def test_losses_of_all_calibrations_at_once_are_those_of_each(num_rows, at_once, num_outputs, monkeypatch):
    monkeypatch.setattr(small, "AT_ONCE", at_once)
    rng = np.random.default_rng(num_rows)
    outputs = 3 * rng.standard_normal((num_rows, num_outputs))
    x = ps.Data(shape=(None, num_outputs))
    anchors = (np.zeros(num_outputs), rng.standard_normal(num_outputs))
    calibrations = [Calibration(trust, anchor) for anchor in anchors for trust in (0.0, 0.3, 1.0, 1.4)]
    numbers = rng.standard_normal((num_rows, num_outputs))
    for loss, codes in (
        (ps.CrossEntropy(x), rng.integers(0, num_outputs, num_rows)),
        (ps.SquareLoss(x), numbers),
        (ps.QuantileLoss(x, quantile=np.linspace(0.1, 0.9, num_outputs)), numbers[:, :1]),
    ):
        for weights in (None, rng.random(num_rows)):
            expected = [
                np.sum(
                    loss.sample_losses(one.of(outputs), loss.targets(outputs, codes))
                    * (1 if weights is None else weights)
                )
                for one in calibrations
            ]
            data = Labelled(numbers, codes, weights, None)
            np.testing.assert_allclose(losses_of(loss, outputs, data, calibrations), expected, rtol=1e-12)


def test_a_loss_that_is_not_a_number_is_infinite():
    loss, data = ps.PoissonLoss(ps.Data(shape=(None, 1))), Labelled(np.ones((2, 1)), np.ones((2, 1)), None, None)
    calibrations = [Calibration(1.0, np.zeros(1)), Calibration(0.0, np.zeros(1))]
    assert losses_of(loss, np.array([[np.nan], [1.0]]), data, calibrations) == [np.inf, np.inf]
    assert losses_of(loss, np.array([[1e5], [1.0]]), data, calibrations) == [np.inf, 2.0]
