"""Predictions by JAX against those of the native engine and of the reference path."""

import pickle

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, Network
from pysmorch.engine.rows import LazyRows

pytest.importorskip("jax", reason="JAX is not installed")

from pysmorch.engine.jax.prediction import JaxPredictor

X = np.random.default_rng(0).standard_normal((21, 6))
y = np.random.default_rng(1).integers(0, 3, 21)


@pytest.fixture
def network():
    with ps.weights_from(0):
        x = ps.Gelu(ps.Normalize(ps.Linear(Data(shape=(None, 6)), 8)))
        made = Network(ps.CrossEntropy(ps.Linear(ps.Dropout(x, 0.5), 3)))
    made.layers[2].running_mean[...] = 0.3
    return made


def test_predictions_and_measures_are_those_of_the_other_engines(network):
    expected = network.predict(X, engine="reference")
    np.testing.assert_allclose(network.predict(X, engine="jax"), expected, rtol=1e-12)
    in_float32 = network.predict(X, engine="jax", dtype="float32")
    assert in_float32.dtype == np.float32
    np.testing.assert_allclose(in_float32, expected, rtol=1e-4, atol=1e-6)
    measured = network.evaluate(X, y, metrics=["top_5"], engine="jax")
    assert measured == pytest.approx(network.evaluate(X, y, metrics=["top_5"]), rel=1e-12)


def test_no_row_one_row_and_rows_that_are_made_when_they_are_read(network):
    assert network.predict(X[:0], engine="jax").shape == (0, 3)
    np.testing.assert_allclose(network.predict(X[3:4], engine="jax"), network.predict(X[3:4]), rtol=1e-12)
    lazy = LazyRows(lambda rows: X[rows], len(X), (6,), np.float64)
    np.testing.assert_allclose(JaxPredictor(network.output)([lazy]), network.predict(X), rtol=1e-12)


def test_what_changes_in_layers_counts_in_the_next_prediction(network):
    network.predict(X, engine="jax")
    network.layers[1].W = 2 * network.layers[1].W
    network.layers[2].running_var[...] = 0.1
    np.testing.assert_allclose(network.predict(X, engine="jax"), network.predict(X, engine="reference"), rtol=1e-12)
    network.layers[2].epsilon = 0.5
    np.testing.assert_allclose(network.predict(X, engine="jax"), network.predict(X, engine="reference"), rtol=1e-12)


def test_bfloat16_is_rough_and_refused_where_weights_are_not_float32(network):
    with pytest.raises(ValueError, match="the weights must be float32"):
        network.predict(X, engine="jax", precision="bf16")
    np.testing.assert_array_equal(network.predict(X, engine="jax", precision="auto"), network.predict(X, engine="jax"))
    network.fit(X, y, epochs=1)
    rough, exact = (network.predict(X, engine="jax", precision=precision) for precision in ("bf16", "float32"))
    assert 1e-5 < np.abs(rough - exact).max() < 0.1


def test_numbers_that_are_not_finite_and_engines_that_there_are_not_are_refused(network):
    with pytest.raises(ValueError, match="X has NaN in row 2"):
        network.predict(np.where(np.arange(21)[:, None] == 2, np.nan, X), engine="jax")
    with pytest.raises(ValueError, match='engine must be "auto", "reference" or "jax"'):
        network.predict(X, engine="native")
    with pytest.raises(ValueError, match='engine must be "auto" or "jax"'):
        network.evaluate(X, y, engine="reference")
    with pytest.raises(ValueError, match="QuantizedLinear1 has weights of 8 bits"):
        network.quantize(X).predict(X, engine="jax")


def test_a_network_that_has_predicted_can_be_copied(network):
    expected = network.predict(X, engine="jax")
    again = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(again.predict(X, engine="jax"), expected)
