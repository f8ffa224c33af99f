import subprocess
import sys

import numpy as np
import pytest
from sklearn import metrics as theirs

from pysmorch import losses
from pysmorch.metrics import METRICS, Metric, as_metric

RNG = np.random.default_rng(0)
N = 60
WEIGHTS = RNG.random(N)
CLASSES = RNG.integers(0, 4, N)
PROBABILITIES = RNG.dirichlet(np.ones(4), N)
PREDICTED = PROBABILITIES.argmax(1)
TWO = CLASSES % 2
OF_TWO = RNG.dirichlet(np.ones(2), N)
VALUES, GUESSES = RNG.standard_normal((2, N, 3))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("mae", theirs.mean_absolute_error),
        ("mse", theirs.mean_squared_error),
        ("rmse", theirs.root_mean_squared_error),
        ("mape", theirs.mean_absolute_percentage_error),
        ("median_absolute_error", theirs.median_absolute_error),
        ("r2", theirs.r2_score),
    ],
)
def test_metrics_of_values_are_those_of_scikit_learn(name, function, weights):
    assert METRICS[name].takes == "values"
    assert METRICS[name].measure(VALUES, GUESSES, weights) == function(VALUES, GUESSES, sample_weight=weights)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_metrics_of_classes_are_those_of_scikit_learn(weights):
    for name, function in (
        ("accuracy", theirs.accuracy_score),
        ("balanced_accuracy", theirs.balanced_accuracy_score),
    ):
        expected = function(CLASSES, PREDICTED, sample_weight=weights)
        assert METRICS[name].measure(CLASSES, PREDICTED, weights) == pytest.approx(expected)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", ["f1", "precision", "recall"])
def test_f1_precision_and_recall_are_of_class_1_of_two_and_else_means_over_the_classes(name, weights):
    function = getattr(theirs, f"{name}_score")
    for labels, p, average in ((TWO, OF_TWO, "binary"), (CLASSES, PROBABILITIES, "macro")):
        expected = function(labels, p.argmax(1), average=average, sample_weight=weights)
        assert METRICS[name].measure(labels, p, weights) == expected


def test_three_classes_of_which_one_does_not_occur_are_not_two():
    labels = np.array([0, 1, 1, 0])
    p = np.eye(3)[[0, 1, 0, 0]]
    assert METRICS["f1"].measure(labels, p) == theirs.f1_score(labels, p.argmax(1), average="macro")


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_areas_and_log_losses_are_those_of_scikit_learn(weights):
    binary = theirs.roc_auc_score(TWO, OF_TWO[:, 1], sample_weight=weights)
    assert METRICS["auc"].measure(TWO, OF_TWO, weights) == pytest.approx(binary)
    several = [theirs.roc_auc_score(np.equal(CLASSES, k), PROBABILITIES[:, k], sample_weight=weights) for k in range(4)]
    assert METRICS["auc"].measure(CLASSES, PROBABILITIES, weights) == pytest.approx(np.mean(several))
    expected = theirs.log_loss(CLASSES, PROBABILITIES, sample_weight=weights)
    assert METRICS["log_loss"].measure(CLASSES, PROBABILITIES, weights) == pytest.approx(expected)


def test_what_is_not_defined_for_these_labels_is_nan_and_no_warning():
    assert np.isnan(METRICS["auc"].measure(np.zeros(5, int), OF_TWO[:5]))
    assert np.isnan(METRICS["r2"].measure(VALUES[:1], GUESSES[:1]))
    without_class_3 = CLASSES % 3
    assert METRICS["auc"].measure(without_class_3, PROBABILITIES) == pytest.approx(
        np.mean([theirs.roc_auc_score(without_class_3 == k, PROBABILITIES[:, k]) for k in range(3)])
    )
    assert METRICS["f1"].measure(np.zeros(5, int), np.eye(2)[[0] * 5]) == 0.0
    assert METRICS["log_loss"].measure(np.zeros(5, int), OF_TWO[:5]) > 0


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_top_k_is_the_share_whose_class_is_among_the_k_largest_scores(count):
    among = [CLASSES[i] in np.argsort(PROBABILITIES[i])[-count:] for i in range(N)]
    metric = as_metric(f"top_{count}")
    assert metric.measure(CLASSES, PROBABILITIES) == np.mean(among)
    assert metric.measure(CLASSES, PROBABILITIES, WEIGHTS) == pytest.approx(np.average(among, weights=WEIGHTS))
    assert (metric.name, metric.maximize) == (f"top_{count}", True)


@pytest.mark.parametrize("name", [*METRICS, "top_3"])
def test_the_direction_of_a_metric_is_that_of_better_predictions(name):
    metric = as_metric(name)
    good, bad = {
        "values": (VALUES + 0.1 * np.abs(GUESSES), VALUES + np.abs(GUESSES)),
        "classes": (CLASSES, (CLASSES + 1) % 4),
        "probabilities": (0.7 * np.eye(4)[CLASSES] + 0.075, 0.7 * np.eye(4)[(CLASSES + 1) % 4] + 0.075),
        "scores": (np.eye(4)[CLASSES], -np.eye(4)[CLASSES]),
    }[metric.takes]
    labels = VALUES if metric.takes == "values" else CLASSES
    better, worse = metric.measure(labels, good), metric.measure(labels, bad)
    assert (better > worse) if metric.maximize else (better < worse)


def test_the_default_metric_of_every_loss_is_a_metric_that_the_loss_can_be_measured_with():
    declared = [cls for cls in vars(losses).values() if isinstance(cls, type) and issubclass(cls, losses.Loss)]
    assert {losses.SquareLoss, losses.CrossEntropy} < set(declared)
    for loss in declared:
        assert METRICS[loss.metric].takes in loss.metric_inputs


def test_a_metric_that_is_not_weighted_is_called_without_weights():
    largest = Metric("largest", lambda labels, predictions: np.max(predictions), maximize=True)
    assert largest.measure([0, 1], [3, 4], np.ones(2)) == 4.0


def test_declaring_metrics_does_not_import_scikit_learn():
    code = "import sys, pysmorch.metrics; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_calibration_error_is_the_distance_of_confidence_and_accuracy_by_bins():
    ece = METRICS["ece"]
    p = np.array([[0.9, 0.1], [0.82, 0.18], [0.38, 0.62]])
    labels = np.array([0, 1, 1])  # right, wrong, right, each in a bin of its own
    assert ece.measure(labels, p) == pytest.approx((0.1 + 0.82 + 0.38) / 3)
    assert ece.measure(labels, p, np.array([1.0, 0.0, 3.0])) == pytest.approx((0.1 + 3 * 0.38) / 4)
    # 0.81 and 0.83 are in the bin from 12/15 to 13/15, of which one of two is right.
    assert ece.measure([0, 1], np.array([[0.81, 0.19], [0.83, 0.17]])) == pytest.approx(0.82 - 0.5)
    assert ece.measure([0, 1], np.array([[1.0, 0.0], [0.0, 1.0]])) == 0.0
    # Of several outputs each one is right or wrong on its own.
    assert ece.measure([[1.0, 0.0]], np.array([[0.9, 0.3]])) == pytest.approx((0.1 + 0.3) / 2)
