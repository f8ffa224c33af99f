import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats
from sklearn.metrics import log_loss, mean_pinball_loss, mean_tweedie_deviance

import pysmorch as ps
from pysmorch import Data, ShapeError, losses
from pysmorch.gradcheck.cases import LOSS_CASES

RNG = np.random.default_rng(0)
X = RNG.standard_normal((8, 3))
Y = RNG.standard_normal((8, 3))
CLASSES = np.arange(8) % 3


def value(loss, labels, weights=None):
    loss.set_labels(labels, weights)
    return loss.forward()


P = special.softmax(X, axis=1)
BINARY = RNG.integers(0, 2, (8, 3))
COUNTS = RNG.poisson(3, (8, 3))
AMOUNTS = np.exp(Y)
CLAIMS = COUNTS * AMOUNTS * (COUNTS > 2)
"""Amounts that often are 0."""

ORACLES = {
    "SquareLoss": (lambda: value(ps.SquareLoss(Data(X)), Y), 0.5 * ((X - Y) ** 2).sum(1).mean()),
    "AbsoluteLoss": (lambda: value(ps.AbsoluteLoss(Data(X)), Y), np.abs(X - Y).sum(1).mean()),
    "HuberLoss": (lambda: value(ps.HuberLoss(Data(X), delta=0.7), Y), special.huber(0.7, X - Y).sum(1).mean()),
    "QuantileLoss": (
        lambda: value(ps.QuantileLoss(Data(X), quantile=0.2), Y),
        3 * mean_pinball_loss(Y, X, alpha=0.2),
    ),
    "PoissonLoss": (
        lambda: value(ps.PoissonLoss(Data(X)), COUNTS),
        (-stats.poisson.logpmf(COUNTS, np.exp(X)) - special.gammaln(COUNTS + 1)).sum(1).mean(),
    ),
    "GammaLoss": (
        lambda: value(ps.GammaLoss(Data(X)), AMOUNTS),
        -stats.gamma.logpdf(AMOUNTS, 1, scale=np.exp(X)).sum(1).mean(),
    ),
    "TweedieLoss": (
        lambda: value(ps.TweedieLoss(Data(X), power=1.3), CLAIMS),
        1.5 * mean_tweedie_deviance(CLAIMS.ravel(), np.exp(X).ravel(), power=1.3)
        + 3 * np.mean(CLAIMS**0.7) / (0.3 * 0.7),
    ),
    "BinaryCrossEntropy": (
        lambda: value(ps.BinaryCrossEntropy(Data(X)), BINARY),
        -np.log(np.where(BINARY == 1, special.expit(X), special.expit(-X))).sum(1).mean(),
    ),
    "CrossEntropy": (lambda: value(ps.CrossEntropy(Data(X)), CLASSES), log_loss(CLASSES, P)),
}
"""A value of every loss, and what an independent computation gives."""


@pytest.mark.parametrize("name", [name for name in losses.__all__ if name != "Loss"])
def test_values_are_those_of_independent_computations(name):
    found, expected = ORACLES[name]
    assert found() == pytest.approx(expected, rel=1e-12)


def test_class_numbers_and_one_hot_rows_are_the_same():
    for options in ({}, {"label_smoothing": 0.3, "class_weights": (1, 2, 3)}):
        loss = ps.CrossEntropy(Data(X), **options)
        assert value(loss, CLASSES) == pytest.approx(value(loss, np.eye(3)[CLASSES]), rel=1e-14)


def test_label_smoothing_spreads_a_share_over_all_classes_as_pytorch_does():
    smooth = 0.7 * np.eye(3)[CLASSES] + 0.1
    assert value(ps.CrossEntropy(Data(X), label_smoothing=0.3), CLASSES) == pytest.approx(
        value(ps.CrossEntropy(Data(X)), smooth)
    )
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = torch.nn.functional.cross_entropy(torch.tensor(X), torch.tensor(CLASSES), label_smoothing=0.3)
    assert value(ps.CrossEntropy(Data(X), label_smoothing=0.3), CLASSES) == pytest.approx(theirs.item())


def test_class_weights_weigh_the_rows_of_their_class():
    weighted = value(ps.CrossEntropy(Data(X), class_weights=(1, 2, 3)), CLASSES)
    assert weighted == pytest.approx(value(ps.CrossEntropy(Data(X)), CLASSES, np.array([1, 2, 3])[CLASSES]))


@pytest.mark.parametrize("case", LOSS_CASES)
def test_a_weight_of_two_is_a_repeated_row_and_of_zero_a_row_left_out(case):
    loss = LOSS_CASES[case]()
    x, labels = loss.in_layer.data, np.asarray(loss.labels)
    weights = np.array([2, 0, 1, 1, 3, 0, 0])
    weighted = value(loss, labels, weights)
    loss.in_layer.data = np.repeat(x, weights, axis=0)
    repeated = value(loss, np.repeat(labels, weights, axis=0))
    assert weighted == pytest.approx(repeated, rel=1e-12)


@pytest.mark.parametrize("case", LOSS_CASES)
def test_no_loss_exponentiates_a_positive_number(case, monkeypatch):
    loss = LOSS_CASES[case]()
    loss.in_layer.data = 50 * loss.in_layer.data
    exp, largest = np.exp, []

    def watched(x, *arguments, **options):
        largest.append(np.max(x))
        return exp(x, *arguments, **options)

    monkeypatch.setattr(np, "exp", watched)
    loss.forward()
    loss.backward()
    loss.predictions(loss.in_array)
    assert all(x <= 0 for x in largest)


@pytest.mark.parametrize("scale", [1e4, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropies_of_huge_logits_are_finite(scale, dtype):
    x = Data((scale * X).astype(dtype))
    for loss in (ps.CrossEntropy(x, CLASSES), ps.BinaryCrossEntropy(x, np.eye(3)[CLASSES])):
        assert np.isfinite(loss.forward())
        loss.backward()
        assert np.isfinite(loss.pass_back).all()


@pytest.mark.parametrize(("loss", "x"), [(ps.PoissonLoss, 1000.0), (ps.GammaLoss, -1000.0), (ps.TweedieLoss, 2000.0)])
def test_losses_of_logarithms_overflow_to_infinity_and_not_to_nan(loss, x):
    assert value(loss(Data([[x]])), [[1]]) == np.inf


def test_a_tweedie_loss_of_nothing_is_small_however_small_the_mean():
    loss = ps.TweedieLoss(Data([[-2000.0]]), power=1.5)
    assert value(loss, [[0]]) == 0
    loss.backward()
    assert loss.pass_back == 0


@given(x=arrays(np.float64, (4, 3), elements=st.floats(-700, 700)), shift=st.floats(-1e3, 1e3))
@settings(max_examples=60, deadline=None)
def test_the_cross_entropy_does_not_change_when_all_logits_of_a_row_are_shifted(x, shift):
    labels = np.array([0, 1, 2, 0])
    loss = ps.CrossEntropy(Data(x))
    a = value(loss, labels)
    loss.in_layer.data = x + shift
    assert a == pytest.approx(value(loss, labels), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    "cls", [ps.SquareLoss, ps.AbsoluteLoss, ps.HuberLoss, ps.QuantileLoss, ps.PoissonLoss, ps.TweedieLoss]
)
def test_labels_of_one_axis_will_do_for_one_output(cls):
    labels = np.arange(8)
    x = Data(X[:, :1])
    assert value(cls(x), labels) == value(cls(x), labels.reshape(-1, 1))


def test_losses_take_maps_of_numbers():
    maps = RNG.standard_normal((2, 3, 3))
    assert value(ps.SquareLoss(Data(maps)), 0 * maps) == pytest.approx(0.5 * (maps**2).sum() / 2)
    assert ps.check(ps.AbsoluteLoss(Data(maps), 0 * maps + 0.1)).passed


def test_predictions_and_scores_are_those_of_the_loss():
    np.testing.assert_allclose(ps.CrossEntropy(Data(X)).predictions(X), special.softmax(X, axis=1))
    np.testing.assert_allclose(ps.BinaryCrossEntropy(Data(X)).predictions(X), special.expit(X))
    for loss in (ps.PoissonLoss, ps.GammaLoss, ps.TweedieLoss):
        np.testing.assert_allclose(loss(Data(X)).predictions(X), np.exp(X))
    right = (X.argmax(1) == CLASSES).astype(float)
    np.testing.assert_array_equal(ps.CrossEntropy(Data(X)).sample_scores(X, CLASSES), right)
    np.testing.assert_array_equal(ps.CrossEntropy(Data(X)).sample_scores(X, np.eye(3)[CLASSES]), right)
    np.testing.assert_allclose(ps.SquareLoss(Data(X)).sample_scores(X, Y), np.abs(X - Y).mean(1))
    binary = (Y > 0).astype(int)
    np.testing.assert_allclose(ps.BinaryCrossEntropy(Data(X)).sample_scores(X, binary), ((X > 0) == binary).mean(1))


@pytest.mark.parametrize("case", LOSS_CASES)
def test_every_loss_states_its_objective(case):
    loss = LOSS_CASES[case]()
    assert loss.objective.startswith("1/")
    assert "sum_i w_i" in loss.objective
    assert "L = 1/" in type(loss).__doc__


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: value(ps.SquareLoss(Data(X)), Y[:5]), ShapeError, r"labels have shape \(5, 3\), .* has \(8, 3\)"),
        (lambda: value(ps.SquareLoss(Data(X)), Y[:, :1]), ShapeError, "labels have shape"),
        (lambda: value(ps.SquareLoss(Data(X)), 1.0), ShapeError, r"labels have shape \(\)"),
        (lambda: value(ps.SquareLoss(Data(X)), np.full((8, 3), "a")), TypeError, "labels must be numbers"),
        (lambda: value(ps.SquareLoss(Data(X)), Y, np.ones(3)), ShapeError, "sample_weight has shape"),
        (lambda: value(ps.CrossEntropy(Data(X)), CLASSES + 1), ValueError, "from 0 to 2, but row 2 has 3"),
        (lambda: value(ps.CrossEntropy(Data(X)), CLASSES - 1), ValueError, "but row 0 has -1"),
        (lambda: value(ps.CrossEntropy(Data(X)), CLASSES[:4]), ShapeError, "got 4 labels for 8 rows"),
        (
            lambda: value(ps.CrossEntropy(Data(X)), CLASSES * 1.0),
            TypeError,
            "labels must be integers, the class indices",
        ),
        (lambda: value(ps.CrossEntropy(Data(X)), np.eye(4)[CLASSES]), ShapeError, r"has \(8, 3\)"),
        (lambda: value(ps.BinaryCrossEntropy(Data(X)), 2 + 0 * X), ValueError, "from 0 to 1, but row 0 has 2.0"),
        (lambda: value(ps.BinaryCrossEntropy(Data(X)), X * np.nan), ValueError, "from 0 to 1, but row 0 has nan"),
        (lambda: value(ps.PoissonLoss(Data(X)), -np.ones((8, 3))), ValueError, "must not be negative, but row 0"),
        (lambda: value(ps.GammaLoss(Data(X)), 0 * COUNTS), ValueError, "must be positive, but row 0 has"),
        (lambda: value(ps.TweedieLoss(Data(X)), -COUNTS), ValueError, "must not be negative, but row "),
        (lambda: ps.TweedieLoss(Data(X), power=2), ValueError, "power must be between 1 and 2, but is 2"),
        (lambda: value(ps.QuantileLoss(Data(X)), Y[:, :2]), ShapeError, "labels have shape"),
        (lambda: ps.HuberLoss(Data(X), delta=0), ValueError, "delta must be positive"),
        (lambda: ps.QuantileLoss(Data(X), quantile=1.0), ValueError, "quantile must be between 0 and 1"),
        (
            lambda: ps.QuantileLoss(Data(X), quantile=(0.1, 0.9)),
            ShapeError,
            "quantile has 2 entries, but in_layer has 3 outputs",
        ),
        (
            lambda: ps.QuantileLoss(Data(X[:2, 0]), quantile=(0.1, 0.9)),
            ShapeError,
            "quantile has 2 entries, but in_layer has 1 outputs",
        ),
        (lambda: ps.CrossEntropy(Data(X), label_smoothing=1), ValueError, "label_smoothing must be from 0 to below 1"),
        (lambda: ps.CrossEntropy(Data(X), class_weights=(1, 2)), ValueError, "class_weights must be 3 numbers"),
        (lambda: ps.CrossEntropy(Data(X), class_weights=(1, 2, -1)), ValueError, "class_weights must be 3 numbers"),
        (lambda: ps.CrossEntropy(Data(np.zeros((2, 2, 2)))), ShapeError, "one row of features per example"),
    ],
)
def test_labels_and_arguments_that_do_not_fit_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
