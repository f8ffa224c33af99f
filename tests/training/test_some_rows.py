"""Training on some rows of an array that are not copied: to the bits of a copy of them."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import training
from pysmorch.engine import Dataset
from pysmorch.engine.rows import SomeRows, take_rows
from pysmorch.estimators.rows import Labelled
from pysmorch.training import FitOptions
from pysmorch.training.state import fingerprint
from tests.training.example import X, Y, classifier, weights_of

INDICES = np.random.default_rng(3).permutation(200)[:150]
WEIGHTS = np.random.default_rng(4).random(150)


OPTIONS = {"epochs": 3, "batch_size": 16, "shuffle": True, "seed": 1, "engine": "auto", "dtype": "float32"}
OPTIONS |= {"validation_data": None, "metrics": None, "callbacks": [], "threads": None, "precision": "float32"}


def history_of(network, rows, targets, weights=None, **options):
    options = FitOptions(optimizer="adam", progress=False, **OPTIONS | options)
    history = training.fit(network, rows, targets, weights, options, finite=False)
    return {name: values for name, values in history.items() if name != "seconds"}


def fitted(rows, weights, **options):
    network = classifier(dropout=0.2)
    history = history_of(network, rows, Y[INDICES], weights, **options)
    return weights_of(network), history


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["without weights", "with weights"])
@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"accumulate": 2}, {"batch_size": 1000}], ids=str)
def test_a_training_has_the_bits_of_that_on_a_copy(engine, weights, options):
    copied, losses = fitted(X[INDICES], weights, engine=engine, **options)
    read, losses_of_read = fitted(SomeRows(X, INDICES), weights, engine=engine, **options)
    np.testing.assert_array_equal(read, copied)
    assert losses_of_read == losses


def test_training_takes_numbers_too():
    def network():
        return ps.Network(ps.SquareLoss(ps.mlp(ps.Data(shape=(None, 5)), [8], 2, seed=0)))

    def losses(rows):
        targets = X[INDICES, :2]
        return history_of(network(), rows, targets, validation_data=(rows, targets), metrics=["rmse"])

    assert losses(SomeRows(X, INDICES)) == losses(X[INDICES])


def test_a_checkpoint_knows_the_rows_as_it_knows_a_copy():
    network = classifier()
    some = Dataset.checked(network.inputs, network.loss, SomeRows(X, INDICES), Y[INDICES], WEIGHTS, "X", False)
    copy = Dataset.checked(network.inputs, network.loss, X[INDICES], Y[INDICES], WEIGHTS, "X", False)
    assert some.inputs[0] is X
    assert len(some) == len(copy) == 150
    assert fingerprint(some) == fingerprint(copy)
    part = some.indices(np.arange(10, 20))
    np.testing.assert_array_equal(some.inputs[0][part], X[INDICES[10:20]])
    np.testing.assert_array_equal(some.labels[part], Y[INDICES[10:20]])


def test_rows_that_are_searched_for_what_is_not_finite_are_found():
    broken = X.copy()
    broken[INDICES[7], 2] = np.nan
    network = classifier()
    with pytest.raises(ValueError, match="row 7, column 2"):
        Dataset.checked(network.inputs, network.loss, SomeRows(broken, INDICES), Y[INDICES], None, "X")


def test_some_rows_of_some_rows_are_rows_of_the_same_array():
    some = take_rows(take_rows(X, INDICES, copy=False), np.array([4, 0]), copy=False)
    assert some.array is X
    assert some.shape == (2, 5)
    assert len(some) == 2
    assert some.dtype == X.dtype
    np.testing.assert_array_equal(some[:], X[INDICES[[4, 0]]])
    np.testing.assert_array_equal(np.asarray(some, np.float32), X[INDICES[[4, 0]]].astype(np.float32))
    np.testing.assert_array_equal(take_rows(some, np.array([1])), X[INDICES[:1]])
    with pytest.raises(ValueError, match="copy"):
        np.asarray(some, copy=False)


def test_folds_are_not_copied():
    data = Labelled(X, Y, None, None)
    rows, held_out, _ = data.divided(INDICES, np.arange(5))
    assert rows.rows.array is X
    np.testing.assert_array_equal(rows.codes, Y[INDICES])
    np.testing.assert_array_equal(held_out.rows, X[:5])
    np.testing.assert_array_equal(rows.take(np.arange(3)).rows, X[INDICES[:3]])
