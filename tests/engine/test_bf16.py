"""Products of bfloat16 in training."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, Network, engine
from tests.helpers import rounded

has_bf16 = pytest.mark.usefixtures("unit")  # on the vectors and on the matrix unit


def step_in_numpy(X, y, layers, rate):
    """One step of gradient descent on a chain of (W, b) with ReLU between, products of rounded numbers."""
    inputs, outputs = [], X
    for i, (W, b) in enumerate(layers):
        inputs.append(outputs)
        outputs = rounded(outputs) @ rounded(W) + b
        if i < len(layers) - 1:
            outputs = np.maximum(outputs, 0)
    e = np.exp(outputs - outputs.max(1, keepdims=True))
    d = (e / e.sum(1, keepdims=True) - np.eye(e.shape[1])[y]) / len(X)
    changed = []
    for i in reversed(range(len(layers))):
        W, b = layers[i]
        changed.append((W - rate * rounded(inputs[i]).T @ rounded(d), b - rate * d.sum(0)))
        d = (rounded(d) @ rounded(W).T) * (inputs[i] > 0)
    return changed[::-1]


@has_bf16
@pytest.mark.parametrize("widths", [(3, 2), (37, 55, 33, 7), (64, 100, 10), (1, 1, 2), (130, 31, 65, 3)])
@pytest.mark.parametrize("batch", [1, 2, 16, 33, 45, 128])
def test_a_step_is_that_of_numpy_with_rounded_factors(widths, batch):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((batch, widths[0])), rng.integers(0, widths[-1], batch)
    network = Network(ps.CrossEntropy(ps.mlp(Data(shape=(None, widths[0])), widths[1:-1], widths[-1], seed=0)))
    arrays = [W.astype(np.float32).astype(float) for W in network.parameters.values()]
    X = X.astype(np.float32).astype(float)
    expected = step_in_numpy(X, y, list(zip(arrays[::2], arrays[1::2], strict=True)), 0.5)
    network.fit(X, y, epochs=1, batch_size=batch, shuffle=False, optimizer=ps.SGD(0.5), precision="bf16", seed=0)
    found = list(network.parameters.values())
    for i, (W, b) in enumerate(expected):
        # A sum that lies between two bfloat16 may be rounded either way, one part in 256 of a term.
        np.testing.assert_allclose(found[2 * i], W, atol=2e-3)
        np.testing.assert_allclose(found[2 * i + 1].ravel(), b.ravel(), atol=2e-3)
        assert np.mean(np.abs(found[2 * i] - W)) < 1e-4


@has_bf16
@pytest.mark.parametrize("widths", [(3, 2), (37, 55, 33, 7), (1, 1, 2), (130, 31, 65, 3), (15, 300, 17)])
def test_the_copies_of_weights_are_renewed_where_they_change(widths):
    """A call begins with new copies: one call of three steps is three calls of one."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((120, widths[0])), rng.integers(0, widths[-1], 120)
    found = []
    for parts in ([(X, y)], [(X[i : i + 40], y[i : i + 40]) for i in (0, 40, 80)]):
        network = Network(ps.CrossEntropy(ps.mlp(Data(shape=(None, widths[0])), widths[1:-1], widths[-1], seed=0)))
        for part in parts:
            network.fit(
                *part, epochs=1, batch_size=40, shuffle=False, optimizer=ps.SGD(0.5), precision="bf16", threads=2
            )
        found.append(b"".join(W.tobytes() for W in network.parameters.values()))
    assert found[0] == found[1]


@has_bf16
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.float64, np.float32])
@pytest.mark.parametrize("features", [1, 16, 17, 47, 70])
def test_data_of_any_dtype_and_other_readers_change_no_bit(dtype, features):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 200, (75, features)).astype(dtype), rng.integers(0, 3, 75)
    found = []
    for data, two_readers in ((X.astype(np.float32), False), (X, False), (X, True)):
        with ps.weights_from(0):
            x = Data(shape=(None, features))
            first = out = ps.Linear(x, 20)
            if two_readers:  # the second adds nothing, and stays so
                second = ps.Linear(x, 20)
                second.W[:], second.lr_factor = 0, 0
                out = ps.Add(first, second)
            last = ps.Linear(ps.Relu(out), 3)
        network = Network(ps.CrossEntropy(last))
        last.W[:] = np.random.default_rng(1).standard_normal(last.W.shape)
        network.fit(data, y, epochs=2, batch_size=50, optimizer=ps.SGD(1e-4), precision="bf16", seed=0, threads=2)
        found.append(first.W.tobytes() + last.W.tobytes())
    assert found[0] == found[1] == found[2]


@has_bf16
@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_the_number_of_threads_does_not_change_a_bit(clip_norm):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((900, 50)), rng.integers(0, 3, 900)
    found = []
    for threads in (1, 2, 4, 2):
        network = Network(ps.CrossEntropy(ps.mlp(Data(shape=(None, 50)), [300, 200], 3, seed=0)))
        optimizer = ps.SGD(0.1, momentum=0.9, clip_norm=clip_norm)
        history = network.fit(
            X, y, epochs=2, batch_size=200, optimizer=optimizer, precision="bf16", threads=threads, seed=0
        )
        found.append(b"".join(W.tobytes() for W in network.parameters.values()))
        assert history["loss"][-1] < history["loss"][0]
    assert len(set(found)) == 1


@has_bf16
def test_it_learns_as_well_as_float32():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 20))
    y = (X @ rng.standard_normal((20, 4))).argmax(1)
    accuracies = {}
    for precision in ("float32", "bf16", "auto"):
        network = Network(ps.CrossEntropy(ps.mlp(Data(shape=(None, 20)), [64], 4, seed=0)))
        accuracies[precision] = network.fit(X, y, epochs=20, seed=0, precision=precision)["accuracy"][-1]
    assert accuracies["bf16"] == accuracies["auto"]
    assert abs(accuracies["bf16"] - accuracies["float32"]) < 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "half"}, 'precision must be "float32", "bf16" or "auto", but is \'half\''),
        ({"precision": "bf16", "dtype": "float64"}, 'the weights must be float32, not dtype="float64"'),
        ({"precision": "bf16", "engine": "reference"}, 'precision="bf16" is not possible: it needs the native engine'),
    ],
)
def test_what_is_not_possible_is_said(options, message):
    network = Network(ps.SquareLoss(ps.Linear(Data(shape=(None, 2)), 1)))
    with pytest.raises(ValueError, match=message):
        network.fit(np.ones((4, 2)), np.ones(4), **options)


def test_a_processor_without_it_says_so_and_auto_takes_float32(monkeypatch):
    monkeypatch.setenv("PYSMORCH_INSTRUCTIONS", "base")
    if engine.extension.extension() is None:
        pytest.skip("the native extension is not built")
    network = Network(ps.SquareLoss(ps.Linear(Data(shape=(None, 2)), 1)))
    with pytest.raises(ValueError, match="this processor has no instructions for it"):
        network.fit(np.ones((4, 2)), np.ones(4), precision="bf16")
    network.fit(np.ones((4, 2)), np.ones(4), precision="auto", epochs=1)
