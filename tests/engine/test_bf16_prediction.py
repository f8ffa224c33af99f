"""Products of bfloat16 in prediction."""

import pickle

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, Network, engine
from tests.helpers import rounded

has_bf16 = pytest.mark.skipif(not engine.has_bf16(), reason="this processor has no instructions for bfloat16")


def dense(*widths, seed=0):
    network = Network(ps.CrossEntropy(ps.mlp(Data(shape=(None, widths[0])), widths[1:-1], widths[-1], seed=seed)))
    X, y = np.random.default_rng(seed).standard_normal((40, widths[0])), np.arange(40) % widths[-1]
    network.fit(X, y, epochs=1, seed=seed, progress=False)  # parameters are float32 from here on
    return network


@has_bf16
@pytest.mark.parametrize("widths", [(1, 1), (3, 2), (37, 55, 33, 7), (64, 100, 10), (130, 31, 65, 3), (784, 256, 10)])
@pytest.mark.parametrize("rows", [1, 2, 15, 16, 33, 500])
def test_outputs_are_those_of_numpy_with_rounded_factors(widths, rows, unit):
    network = dense(*widths)
    X = np.random.default_rng(1).standard_normal((rows, widths[0])).astype(np.float32)
    outputs, (*hidden, last) = X, list(zip(*[iter(network.parameters.values())] * 2, strict=True))
    for W, b in hidden:
        outputs = np.maximum(rounded(outputs) @ rounded(W) + b, 0)
    expected = rounded(outputs) @ rounded(last[0]) + last[1]
    # A value that lies between two bfloat16 may be rounded either way, one part in 256 of a term.
    np.testing.assert_allclose(
        network.predict(X, precision="bf16"), expected, atol=0.01 * max(1, np.abs(expected).max())
    )


@has_bf16
def test_a_row_has_the_same_bits_whatever_rows_are_beside_it(unit):
    network = dense(70, 90, 40, 5)
    X = np.random.default_rng(1).standard_normal((700, 70)).astype(np.float32)
    together = network.predict(X, precision="bf16")
    for first, count in ((0, 1), (3, 2), (17, 16), (100, 61), (250, 450)):
        found = network.predict(X[first : first + count], precision="bf16")
        assert found.tobytes() == together[first : first + count].tobytes()


@has_bf16
def test_outputs_are_near_those_of_float32_and_weights_may_change(unit):
    network = dense(50, 200, 100, 4)
    X = np.random.default_rng(1).standard_normal((300, 50)).astype(np.float32)
    for _ in range(2):
        exact, found = network.predict(X), network.predict(X, precision="bf16")
        assert 0 < np.linalg.norm(found - exact) < 0.01 * np.linalg.norm(exact)
        assert (network.predict(X, precision="auto") == found).all()
        network.layers[1].W[...] *= 2
    again = pickle.loads(pickle.dumps(network))
    assert (again.predict(X, precision="bf16") == network.predict(X, precision="bf16")).all()


CONVOLUTIONS = [
    ((9, 7, 3), {"num_filters": 20, "kernel_size": 3}),
    ((28, 28, 1), {"num_filters": 32, "kernel_size": 3}),
    ((8, 8, 64), {"num_filters": 64, "kernel_size": 3}),
    ((9, 12, 5), {"num_filters": 33, "kernel_size": 3, "stride": 2}),
    ((12, 12, 3), {"num_filters": 7, "kernel_size": (2, 3), "dilation": 2}),
    ((20, 37, 17), {"num_filters": 40, "kernel_size": 5, "padding": "valid", "dilation": (1, 2)}),
    ((8, 8, 3), {"num_filters": 64, "kernel_size": 1, "stride": 2, "padding": "valid"}),
    ((1, 1, 2), {"num_filters": 1, "kernel_size": 1}),
]


@has_bf16
@pytest.mark.parametrize(("shape", "options"), CONVOLUTIONS)
def test_a_convolution_is_that_of_the_reference_path_with_rounded_factors(shape, options, unit):
    with ps.weights_from(0):
        network = Network(ps.SquareLoss(ps.Flatten(ps.Conv2d(Data(shape=(None, *shape)), **options))))
    W = network.layers[1].W
    network.layers[1].replace_parameters(W.astype(np.float32))
    X = np.random.default_rng(0).standard_normal((9, *shape)).astype(np.float32)
    found = network.predict(X, precision="bf16")
    for i in range(9):
        assert network.predict(X[i : i + 1], precision="bf16").tobytes() == found[i : i + 1].tobytes()
    network.layers[1].W[...] = rounded(network.layers[1].W)
    expected = network.predict(rounded(X), dtype="float64", engine="reference")
    np.testing.assert_allclose(found, expected, atol=1e-5)


@has_bf16
@pytest.mark.parametrize("network", [ps.models.lenet, ps.models.resnet20, ps.models.mobilenet_small])
def test_networks_for_images_are_near_those_of_float32(network, unit):
    with ps.weights_from(0):
        made = Network(ps.CrossEntropy(network(Data(shape=(None, 12, 12, 3)), 3)))
    X = np.random.default_rng(0).standard_normal((40, 12, 12, 3)).astype(np.float32)
    made.fit(X, np.arange(40) % 3, epochs=1, seed=0, progress=False)
    exact, found = made.predict(X), made.predict(X, precision="bf16")
    assert 0 < np.linalg.norm(found - exact) < 0.03 * np.linalg.norm(exact)


@has_bf16
def test_what_is_not_finite_is_named():
    network = dense(4, 3)
    X = np.ones((5, 4), np.float32)
    X[2, 1] = np.nan
    with pytest.raises(ValueError, match="row 2"):
        network.predict(X, precision="bf16")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "bf16", "engine": "native"}, 'engine must be "auto", "reference" or "jax", but is \'native\''),
        ({"precision": "half"}, 'precision must be "float32", "bf16" or "auto", but is \'half\''),
        ({"precision": "bf16", "dtype": "float64"}, 'the weights must be float32, not dtype="float64"'),
        ({"precision": "bf16", "engine": "reference"}, 'precision="bf16" is not possible: it needs the native engine'),
    ],
)
def test_what_is_not_possible_is_said(options, message):
    network = dense(2, 2)
    with pytest.raises(ValueError, match=message):
        network.predict(np.ones((4, 2)), **options)


def test_a_processor_without_it_says_so_and_auto_takes_float32(monkeypatch):
    monkeypatch.setenv("PYSMORCH_INSTRUCTIONS", "base")
    if engine.extension.extension() is None:
        pytest.skip("the native extension is not built")
    network = dense(2, 2)
    X = np.ones((4, 2))
    with pytest.raises(ValueError, match="this processor has no instructions for it"):
        network.predict(X, precision="bf16")
    assert (network.predict(X, precision="auto") == network.predict(X)).all()
