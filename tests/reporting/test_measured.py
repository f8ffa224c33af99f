"""What is measured of a model, by hand."""

import numpy as np
import pytest

from pysmorch.reporting.measured import MOST_ROWS, Measured, Rows, measured, rows_of
from pysmorch.reporting.of_classes import reliability
from tests.reporting.examples import classifier, regressor, rows


class Named:
    def __init__(self, classes):
        self.classes_, self._multilabel = np.array(classes), False


def of_classes(codes, p, weights=None):
    codes, p = np.array(codes), np.array(p)
    given = Rows(p, codes, weights, np.arange(len(codes)), len(codes), str)
    return Measured("m", Named(["a", "b"]), "classes", given, codes, p, p.argmax(1), None, 0, 0.1)


def test_classes_are_measured():
    one = of_classes([0, 0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    assert one.values["accuracy"] == 0.75
    assert one.values["balanced_accuracy"] == 0.75
    assert one.values["f1"] == pytest.approx(2 * 2 / (2 + 3))
    assert one.values["auc"] == 1.0
    assert one.values["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.7]).mean())
    assert one.of_constant() == {"accuracy": 0.5, "log_loss": pytest.approx(np.log(2))}


def test_weights_count():
    p = [[0.9, 0.1], [0.4, 0.6]]
    assert of_classes([0, 0], p, np.array([3.0, 1.0])).values["accuracy"] == 0.75


def test_bins_of_confidence_are_those_of_the_calibration_error():
    one = of_classes([0, 1, 1], [[0.61, 0.39], [0.62, 0.38], [0.01, 0.99]])
    means, shares, counts = reliability(one)
    assert means == pytest.approx([0.615, 0.99])
    assert shares.tolist() == [0.5, 1.0]
    assert counts.tolist() == [2, 1]
    assert one.values["ece"] == pytest.approx((2 * 0.115 + 0.01) / 3)


def test_losses_order_rows_by_how_wrong_they_are():
    one = of_classes([0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    assert np.argsort(-one.losses()).tolist() == [1, 2, 0]


def test_numbers_are_measured():
    X, _, z = rows()
    model = regressor()
    one = measured("m", model, rows_of(X, z, None, None, 1))
    errors = z - model.predict(X)
    assert one.values["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert one.values["mae"] == pytest.approx(np.abs(errors).mean())
    assert one.values["median_absolute_error"] == pytest.approx(np.median(np.abs(errors)))
    assert one.values["r2"] == pytest.approx(model.score(X, z))
    assert one.of_constant()["rmse"] == pytest.approx(z.std())


def test_rows_are_drawn_at_random_where_there_are_very_many():
    X = np.arange(MOST_ROWS + 5)[:, None]
    drawn = rows_of(X, X[:, 0], None, None, 1)
    assert len(drawn) == MOST_ROWS
    assert drawn.total == MOST_ROWS + 5
    assert (np.diff(drawn.indices) > 0).all()
    np.testing.assert_array_equal(drawn.X[:, 0], drawn.indices)
    np.testing.assert_array_equal(drawn.y, drawn.indices)
    assert len(rows_of(X, None, None, None, 2**20)) == 32


def test_rows_whose_predictions_are_not_finite_are_left_out():
    X, y, _ = rows(6)
    model = classifier()
    predict = model.predict_proba

    def spoiled(X):
        p = predict(X)
        p[::3] = np.nan
        return p

    model.predict_proba = spoiled
    one = measured("m", model, rows_of(X, y, None, None, 2))
    assert (one.not_finite, one.rows.indices.tolist()) == (2, [1, 2, 4, 5])


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((0, 3)), None, "X has no rows; a report needs one or more"),
        (np.zeros((4, 3)), ["a"] * 3, "y has 3 entries, but X has 4 rows"),
    ],
)
def test_rows_that_do_not_fit_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        rows_of(X, y, None, None, 2)
