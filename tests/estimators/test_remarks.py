"""What is said about labels and about columns that are nearly the target; ordinary data raise nothing."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import datasets

from pysmorch import Classifier, PysmorchWarning, Regressor

RNG = np.random.default_rng(0)
N = 200
X = RNG.normal(size=(N, 2))
QUICK = {"hidden": (4,), "epochs": 1, "early_stopping": False, "random_state": 0, "preset": "fast"}
CODES = np.arange(N) % 2


def said(estimator, features, y, **options):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        estimator(**QUICK | options).fit(features, y)
    assert all(warning.category is PysmorchWarning for warning in found)
    return [str(warning.message) for warning in found]


def test_classes_with_few_rows_are_named_with_their_number():
    y = np.array(["a"] * 100 + ["b"] * 95 + ["c"] * 4 + ["once"])
    assert said(Classifier, X, y) == [
        "y has classes with few rows: 'c' (4), 'once' (1); they are hardly learned, and one with a single row is never held "
        "out; join or leave out such classes, or add rows of them"
    ]
    y[-6:] = "c"
    assert said(Classifier, X, y) == []


def test_a_class_with_one_row_stays_in_training_whatever_is_held_out():
    y = np.array(["a"] * 100 + ["b"] * 99 + ["once"])
    for early_stopping in (True, "auto"):
        with pytest.warns(PysmorchWarning, match="'once' \\(1\\)"):
            model = Classifier(**QUICK | {"early_stopping": early_stopping}).fit(X, y)
        assert model.classes_.tolist() == ["a", "b", "once"]


def test_a_very_skewed_target_is_said_with_what_to_do():
    y = np.exp(2 * RNG.normal(size=N))
    (message,) = said(Regressor, X, y)
    assert "y is very skewed (skewness" in message
    assert f"median {np.median(y):.4g}, largest {y.max():.4g})" in message
    assert "train on its logarithm (log1p, and expm1 of predictions), or with the loss absolute or huber" in message
    (message,) = said(Regressor, X, -y)
    assert message.endswith("train with the loss absolute or huber")
    (message,) = said(Regressor, X, np.stack([X[:, 0] + X[:, 1], y], axis=1))
    assert message.startswith("y[:, 1] is very skewed")


@pytest.mark.parametrize("loss", ["absolute", "huber", "poisson", "quantile"])
def test_a_skewed_target_is_none_for_other_losses(loss):
    assert said(Regressor, X, np.exp(2 * RNG.normal(size=N)), loss=loss) == []


def test_rare_ones_among_zeros_are_no_skewed_target():
    assert said(Regressor, X, (np.arange(N) % 50 == 0).astype(float)) == []


LEAKS_OF_CLASSES = {
    "a copy": CODES.astype(float),
    "a copy as text": np.array(["no", "yes"])[CODES],
    "with 1 of 100 rows wrong": np.where(np.arange(N) % 100 == 0, 1 - CODES, CODES),
    "with a little noise": CODES + 0.05 * RNG.normal(size=N),
    "missing for one class": np.where(CODES == 1, X[:, 0], np.nan),
    "several reasons for one class": np.where(CODES == 1, np.array(["old", "ill", "moved"])[np.arange(N) % 3], "none"),
}


@pytest.mark.parametrize("leak", LEAKS_OF_CLASSES)
def test_a_column_that_is_nearly_the_class_is_said(leak):
    frame = pd.DataFrame({"x": X[:, 0], "leak": LEAKS_OF_CLASSES[leak]})
    expected = ["column 'leak' is nearly the target; leave out what is known only after the target is"]
    for library in (frame, pl.from_pandas(frame)):
        assert said(Classifier, library, np.array(["stays", "left"])[CODES]) == expected


def test_the_line_of_a_column_that_is_nearly_the_target_says_so():
    frame = pd.DataFrame({"x": X[:, 0], "leak": CODES, "other": X[:, 1]})
    with pytest.warns(PysmorchWarning, match="column 'leak' is nearly the target"):
        model = Classifier(**QUICK).fit(frame, CODES)
    assert model.columns_.describe()[1] == "column leak: number, nearly the target"


NUMBERS = np.exp(X[:, 0] / 2)
LEAKS_OF_NUMBERS = {
    "in another unit": 2.2 * NUMBERS + 1,
    "its logarithm": np.log(NUMBERS),
    "with a little noise": NUMBERS + 0.01 * X[:, 1],
    "negative": -NUMBERS,
}


@pytest.mark.parametrize("leak", LEAKS_OF_NUMBERS)
def test_a_column_that_is_nearly_the_number_is_said(leak):
    values = np.where(np.arange(N) % 10 == 0, np.nan, LEAKS_OF_NUMBERS[leak])
    array = np.stack([X[:, 1], values], axis=1)
    assert said(Regressor, array, NUMBERS) == [
        "column '1' is nearly the target; leave out what is known only after the target is"
    ]


def test_a_column_that_is_one_of_several_targets_is_said():
    targets = np.stack([X.sum(1), NUMBERS], axis=1)
    assert len(said(Regressor, pd.DataFrame({"x": X[:, 1], "copy": NUMBERS}), targets)) == 1


def test_what_tells_much_is_not_yet_the_target():
    boundary = (X[:, 0] > 0).astype(int)  # any number that decides about a class
    assert said(Classifier, X, boundary) == []
    mostly = np.where(np.arange(N) % 10 == 0, 1 - CODES, CODES)  # of ten rows one is wrong
    assert said(Classifier, pd.DataFrame({"x": X[:, 0], "m": mostly}), CODES) == []
    keys = [f"k{i // 2}" for i in range(N)]  # two rows of each
    assert said(Classifier, pd.DataFrame({"x": X[:, 0], "k": keys}), np.arange(N) // 2 % 2) == []
    noisy = np.stack([X[:, 0] + 0.2 * X[:, 1], X[:, 1]], axis=1)
    assert said(Regressor, noisy, X[:, 0]) == []


def test_the_only_column_is_what_there_is_to_learn_from():
    assert said(Regressor, X[:, :1], X[:, 0]) == []
    assert said(Classifier, pd.DataFrame({"x": CODES, "one": 1.0}), CODES) == [
        "column 'one' is left out: one value only"
    ]


def test_a_few_rows_that_fit_by_chance_are_no_leak():
    rare = np.arange(N) < 9  # nine rows of a class, and a column that is not 0 for just these
    assert said(Classifier, np.stack([X[:, 0], rare], axis=1), rare.astype(int)) == []
    more = np.arange(N) < 10
    assert len(said(Classifier, np.stack([X[:, 0], more], axis=1), more.astype(int))) == 1


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "linnerud"])
def test_ordinary_data_raise_nothing(name):
    data = getattr(datasets, f"load_{name}")(as_frame=True)
    estimator = Regressor if name in ("diabetes", "linnerud") else Classifier
    assert said(estimator, data.data, data.target) == []
    assert said(estimator, data.data.to_numpy(), data.target.to_numpy()) == []


def warned(fit):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit()
    return [str(warning.message) for warning in found if "classes with few rows" not in str(warning.message)]


@pytest.mark.parametrize("more", [{}, {"conformal_fraction": 0.2}, {"time_limit": 5.0}], ids=str)
def test_a_class_without_weight_is_named(more):
    y = np.array(["a", "b", "c", "d"])[np.arange(N) % 4]
    weights = np.isin(y, ["a", "b"]).astype(float)
    model = Classifier(**QUICK | more)
    assert warned(lambda: model.fit(X, y, sample_weight=weights))[:1] == [
        "sample_weight: all rows of the classes 'c', 'd' have the weight 0, so that the model does not know them; leave such rows "
        "out, or give some of them a weight"
    ]
    assert model.classes_.tolist() == ["a", "b"]
    groups = np.arange(N) // 2
    assert "'c', 'd'" in warned(lambda: model.fit(X, y, sample_weight=weights, groups=groups))[0]


def test_rows_without_weight_may_have_labels_that_others_have_or_none():
    weights = np.ones(N)
    weights[:10] = 0
    assert warned(lambda: Classifier(**QUICK).fit(X, CODES, sample_weight=weights)) == []
    unlabelled = np.where(np.arange(N) < 10, None, CODES.astype(object))
    assert warned(lambda: Classifier(**QUICK).fit(X, unlabelled, sample_weight=weights)) == []
    assert warned(lambda: Regressor(**QUICK).fit(X, np.arange(N), sample_weight=weights)) == []


def test_categories_of_validation_rows_that_the_training_does_not_have_are_named():
    frame = pd.DataFrame({"x": X[:, 0], "k": np.array(["u", "v"])[CODES]})
    other = frame.assign(k=np.where(np.arange(N) < 5, "new", frame["k"]))
    model = Classifier(**QUICK)
    assert warned(lambda: model.fit(frame, CODES ^ (X[:, 1] > 0), eval_set=(other, CODES))) == [
        "validation rows (eval_set): column 'k' has in 5 of 200 rows values that come at most once in the rows of the training, such as "
        "'new': the model does not know them; train on rows with such values too"
    ]
    few = frame.assign(k=np.where(np.arange(N) < 1, "new", frame["k"]))
    for rows in (frame, few, frame.assign(k=None)):
        assert not any("eval_set" in text for text in warned(lambda: model.fit(frame, CODES, eval_set=(rows, CODES))))  # noqa: B023
