"""What encoders say of runs of features, for `Linear`."""

import itertools

import numpy as np
import pandas as pd
import pytest

import pysmorch as ps
from pysmorch.encoders.array import ArrayEncoder
from pysmorch.encoders.image import ImageEncoder
from pysmorch.encoders.table import TableEncoder
from pysmorch.estimators import Classifier

RNG = np.random.default_rng(0)


def encoded(kind, X):
    encoder = kind()
    encoder.choose({}, None)
    rows = encoder.check(X, Classifier(), reset=True)
    encoder.learn(rows, None, np.zeros(len(X), int))
    return encoder, encoder.encode(rows)


def bounds_of(encoder):
    lengths = np.repeat(*np.array(encoder.runs, int).reshape(-1, 2).T)
    return np.cumsum([encoder.width - lengths.sum(), *lengths])


def with_gaps(num_rows, num_columns):
    X = RNG.normal(size=(num_rows, num_columns))
    X[::7, 1] = np.nan
    return X


@pytest.mark.parametrize("num_rows", [100, 600, 3000])
@pytest.mark.parametrize("of_table", [True, False])
def test_in_each_run_features_are_1_up_to_one_of_them(num_rows, of_table):
    X = with_gaps(num_rows, 4)
    if of_table:
        frame = pd.DataFrame(X, columns=list("abcd"))
        frame["colour"] = RNG.choice(["red", "green", "blue", None], num_rows)
        frame["day"] = pd.date_range("2020-01-01", periods=num_rows, freq="D")
        frame["rounded"] = RNG.integers(0, 3, num_rows)
        encoder, features = encoded(TableEncoder, frame)
    else:
        encoder, features = encoded(ArrayEncoder, X)
    bounds = bounds_of(encoder)
    assert bounds[0] >= encoder.num_scaled
    assert bounds[-1] == encoder.width
    longer = [features[:, first:last] for first, last in itertools.pairwise(bounds) if last - first > 1]
    assert len(longer) == (0 if num_rows < 3000 else 7 if of_table else 4)  # a day is two numbers
    for run in longer:
        assert run.min() >= 0
        assert run.max() <= 1
        assert (np.diff(run) <= 0).all()
        assert (((run > 0) & (run < 1)).sum(axis=1) <= 1).all()


def test_intervals_that_are_few_are_no_runs():
    encoder, _ = encoded(ArrayEncoder, RNG.normal(size=(800, 3)))
    assert len(encoder.numbers.owner) == 3 * 4
    assert encoder.runs == ()
    encoder, _ = encoded(ArrayEncoder, RNG.normal(size=(2000, 3)))
    assert encoder.runs == ((10, 3),)


def test_images_and_a_table_without_columns_have_none():
    encoder, _ = encoded(ImageEncoder, RNG.integers(0, 255, (5, 4, 4, 1), dtype=np.uint8))
    assert encoder.runs == ()
    with pytest.warns(ps.PysmorchWarning, match="same"):
        encoder, _ = encoded(TableEncoder, pd.DataFrame({"same": [1.0] * 20}))
    assert encoder.runs == ()
