"""Learning rates that are too high or too low, dead units, and gaps: each at its threshold."""

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.model_selection import train_test_split

import pysmorch as ps
from pysmorch.advice.advising import advise, loss_of_guessing
from pysmorch.advice.rows import checked
from pysmorch.advice.training import remark_on_gap, remark_on_rate, remarks_on_dead_units

RATES = [1.0] * 10


def rate(loss, held_out=(), guess=1.0, untrained=1.0):
    history = {"loss": list(loss), "val_loss": list(held_out), "learning_rate": RATES}
    found = remark_on_rate(history, guess, untrained)
    return found[0] if found else ""


def test_nothing_learned_slowly_means_too_low_a_rate_or_columns_that_say_nothing():
    assert "too low, or the columns say nothing" in rate(np.linspace(1.2, 0.981, 10))
    assert rate(np.linspace(1.2, 0.98, 10)) == ""
    assert rate(np.linspace(1.2, 0.981, 10)[:9]) == ""
    assert "loss in epoch 1: 1.2, in epoch 10: 1.1, of guessing: 1)" in rate(np.linspace(1.2, 1.1, 10))


def test_what_was_learned_and_lost_means_too_high_a_rate():
    flat = [1.0] * 10
    assert "too high" in rate(flat, [0.96, *[1.0] * 9])  # 1.5 margins of 0.02 are 0.03
    assert "too low" in rate(flat, [0.98, *[1.0] * 9])
    # without a held-out loss: the mean of a quarter, which has 3, 3, 2 and 2 epochs, against the last by 3 margins
    assert "too high" in rate([0.93] * 3 + [1.0] * 7)
    assert "too low" in rate([0.95] * 3 + [1.0] * 7)


def test_a_loss_far_above_that_of_the_first_weights_means_too_high_a_rate():
    assert "too high" in rate([1.51] + [1.0] * 9)
    assert "too low" in rate([1.49] + [1.0] * 9)
    assert "too low" in rate([2.9] + [1.0] * 9, untrained=2.0)


def test_a_held_out_loss_that_falls_as_fast_in_the_second_half_is_said():
    loss = [0.5] * 10
    # the sum of the rates is half its end in epoch 5; guessing is 1
    falling = [0.95, 0.9, 0.85, 0.8, 0.8, 0.78, 0.76, 0.74, 0.72, 0.7]
    assert "still falling at the end (epoch 5: 0.8, epoch 10: 0.7)" in rate(loss, falling)
    assert rate(loss, [*falling[:9], 0.71]) == ""
    assert rate(loss, [0.95, 0.96, 0.85, 0.86, 0.8, 0.78, 0.76, 0.74, 0.72, 0.7]) == ""


def test_losses_of_guessing_are_entropy_and_half_of_the_variance():
    X, y = np.arange(8.0)[:, None], np.array([0, 0, 0, 0, 0, 0, 1, 1])
    model = ps.Classifier(epochs=1, random_state=0).fit(X, y)
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert loss_of_guessing(model, checked(model, X, y, None)) == pytest.approx(expected)
    balanced = ps.Classifier(epochs=1, random_state=0, class_weight="balanced").fit(X, y)
    assert loss_of_guessing(balanced, checked(balanced, X, y, None)) == pytest.approx(np.log(2))
    regressor = ps.Regressor(epochs=1, random_state=0).fit(X, y)
    assert loss_of_guessing(regressor, checked(regressor, X, y, None)) == pytest.approx(0.5)
    absolute = ps.Regressor(epochs=1, random_state=0, loss="absolute").fit(X, y)
    assert loss_of_guessing(absolute, checked(absolute, X, y, None)) is None


def test_a_layer_is_named_if_nine_tenths_of_its_units_are_0_for_all_rows():
    rows = np.array([[1.0], [2.0]])
    linear = ps.Linear(ps.Data(shape=(None, 1)), 10)
    bias = ps.Bias(linear)
    network = ps.Network(ps.SquareLoss(ps.Linear(ps.Relu(bias), 1)))
    linear.W = np.ones((1, 10))
    bias.W = np.array([[-2.0] * 9 + [-1.5]])  # nine units are 0 up to 2, the last one is not
    assert remarks_on_dead_units(network, rows) == [
        "9 of 10 units of ReLU layer 1 are dead: 0 for all of 2 training rows, so that they learn nothing more; try a smaller learning "
        "rate, or another activation such as leakyrelu"
    ]
    bias.W = np.array([[-2.0] * 8 + [-1.5] * 2])
    assert remarks_on_dead_units(network, rows) == []


def test_a_gap_is_said_from_a_tenth_of_accuracy_and_four_standard_errors_on():
    # held-out accuracy 0.8: a standard error is 0.4 / sqrt(n), four of them are 0.16 for 100 rows
    held_out = np.arange(100) % 5 > 0
    assert remark_on_gap("accuracy", np.arange(100) >= 3, held_out)
    assert remark_on_gap("accuracy", np.arange(100) >= 5, held_out) == []
    assert remark_on_gap("accuracy", np.arange(100) >= 9, np.tile(held_out, 10))
    assert remark_on_gap("accuracy", np.arange(100) >= 11, np.tile(held_out, 10)) == []


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_ordinary_data_raise_nothing(name):
    data = getattr(datasets, f"load_{name}")(as_frame=True)
    estimator = ps.Regressor if name == "diabetes" else ps.Classifier
    X, X_test, y, y_test = train_test_split(data.data, data.target, test_size=0.2, random_state=0)
    model = estimator(hidden=(64,), random_state=0).fit(X, y)
    assert advise(model, X, y, X_test, y_test) == []


def test_a_planted_leak_an_id_and_copies_are_named():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=400),
            "paid": np.where(y, rng.exponential(size=400) + 0.1, 0),
            "number": np.arange(400) * 9 + 7,
        }
    )
    frame = pd.concat([frame, frame[:40]])
    y = np.append(y, y[:40])
    training, held_out = np.arange(400), np.arange(400, 440)
    model = ps.Classifier(hidden=(8,), random_state=0).fit(frame.iloc[training], y[training])
    found = advise(model, frame.iloc[training], y[training], frame.iloc[held_out], y[held_out])
    assert [text for text in found if "'paid' (100.0%)" in text]
    assert [text for text in found if text.startswith("column 'number' has another whole number")]
    assert [text for text in found if text.startswith("40 of 40 held-out rows (100.0%)")]
    assert len(found) == 3
    images = rng.normal(size=(20, 5, 5))
    seeing = ps.Classifier(hidden=(2,), epochs=1, random_state=0).fit(images, np.arange(20) % 2)
    assert advise(seeing, images, np.arange(20) % 2, images, np.arange(20) % 2) == []
