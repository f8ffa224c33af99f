"""The start from data: every unit begins within the range of the data."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, Network, start_from_data
from pysmorch.layers.graph import graph

X = np.random.default_rng(0).standard_normal((400, 6)) * [1, 10, 0.1, 1, 1, 1] + [0, 5, 0, -2, 0, 0]


def make(seed=0):
    with ps.weights_from(seed):
        x = ps.periodic(Data(shape=(None, 6)))
        return ps.mlp(ps.Scale(x), [32, 16], 3, dropout=0.3)


def blocks(output):
    """The linear layers with the biases behind them."""
    layers = graph(output)
    return [
        (layer.in_layer, layer)
        for layer in layers
        if isinstance(layer, ps.Bias) and isinstance(layer.in_layer, ps.Linear)
    ]


def outputs(layer):
    return Network(ps.SquareLoss(layer)).predict(X)


def test_every_unit_starts_with_deviation_one_and_its_kink_within_the_data():
    output = make()
    start_from_data(output, X, seed=0)
    assert len(blocks(output)) == 3
    for linear, bias in blocks(output):
        before = outputs(linear)
        np.testing.assert_allclose(before.std(axis=0), 1, rtol=1e-9)
        assert (before.min(axis=0) < -bias.W[0]).all()
        assert (-bias.W[0] < before.max(axis=0)).all()
        np.testing.assert_allclose(outputs(bias), before + bias.W, rtol=1e-9, atol=1e-9)


def test_with_one_row_each_unit_is_zero_there():
    output = ps.mlp(Data(shape=(None, 6)), [8], 3)
    start_from_data(output, X[:1], seed=0)
    np.testing.assert_allclose(Network(ps.SquareLoss(output)).predict(X[:1]), 0, atol=1e-12)


def test_the_bias_is_a_mean_of_five_rows_with_weights_of_a_flat_dirichlet_distribution():
    layer = ps.Bias(ps.Linear(Data(shape=(None, 1)), 20_000))
    start_from_data(layer, [[-1.0], [1.0]], seed=0)
    means = layer.W[0]
    assert np.abs(means).max() <= 1 + 1e-12
    # The variance of sum_i w_i s_i with signs s_i is the sum of the means of w_i^2: 5 * 2 / (5 * 6).
    assert means.var() == pytest.approx(1 / 3, abs=0.01)
    assert means.mean() == pytest.approx(0, abs=0.02)


def test_directions_and_other_layers_stay_and_a_constant_unit_is_left_alone():
    output = make()
    first, _ = blocks(output)[0]
    embedding = [layer.W.copy() for layer in graph(output)[: graph(output).index(first)] if layer.has_parameters]
    first.W[:, 0] = 0
    before = first.W.copy()
    start_from_data(output, X, seed=0)
    np.testing.assert_array_equal(first.W[:, 0], 0)
    ratio = first.W[:, 1:] / before[:, 1:]
    np.testing.assert_allclose(ratio, ratio[:1].repeat(len(ratio), 0), rtol=1e-12)
    after = [layer.W for layer in graph(output)[: graph(output).index(first)] if layer.has_parameters]
    for one, other in zip(embedding, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_seed_decides_and_threads_do_not():
    def start(seed, threads):
        network = Network(ps.SquareLoss(make()))
        ps.set_num_threads(threads)
        try:
            start_from_data(network, X, seed)
        finally:
            ps.set_num_threads(None)
        return np.concatenate([W.ravel() for W in network.parameters.values()])

    np.testing.assert_array_equal(start(3, 1), start(3, 2))
    assert (start(3, 1) != start(4, 1)).any()


@pytest.mark.parametrize(
    ("rows", "seed", "message"),
    [
        (X[:0], 0, "X has no rows"),
        (X[:, :5], 0, r"X has shape \(400, 5\)"),
        (X * np.nan, 0, "X"),
        (X, -1, "seed must be"),
    ],
)
def test_what_cannot_be_a_start_is_refused(rows, seed, message):
    with pytest.raises(ValueError, match=message):
        start_from_data(make(), rows, seed)


def test_inputs_that_are_all_the_same_leave_weights_of_usual_size():
    # Rounding makes the deviations of deeper outputs some 1e-16 instead of 0.
    output = ps.mlp(Data(shape=(None, 1)), [16, 16], 1, activation=ps.Mish, seed=0)
    start_from_data(output, np.ones((2_250, 1), dtype=np.float32), seed=0)
    assert all(np.abs(layer.W).max() < 10 for layer in graph(output) if layer.has_parameters)
