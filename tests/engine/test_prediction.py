"""Prediction in the compiled program, against the reference path."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pysmorch as ps
from pysmorch import Data, Network
from pysmorch.engine import prediction
from pysmorch.engine.extension import extension
from pysmorch.gradcheck.cases import LAYER_CASES
from tests.engine.test_native import NATIVE_CASES, branching, closed

pytestmark = pytest.mark.skipif(extension() is None, reason="the native extension is not built")


def in_float32(network):
    for layer in network.layers:
        if hasattr(layer, "W"):
            layer.replace_parameters(layer.W.astype(np.float32))
    return network


def small(*widths, seed=0):
    return in_float32(
        Network(ps.CrossEntropy(ps.mlp(Data(shape=(None, widths[0])), widths[1:-1], widths[-1], seed=seed)))
    )


def rows(count, columns, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal((count, columns)).astype(dtype)


@pytest.mark.parametrize("case", NATIVE_CASES)
def test_every_layer_predicts_as_on_the_reference_path(case):
    network = closed(LAYER_CASES[case]())
    X = tuple(layer.data for layer in network.inputs)
    X = X[0] if len(X) == 1 else X
    expected = network.predict(X, engine="reference")
    network.predict(X)
    assert network.predictor.is_native, "the layer has no native operation"
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-12, atol=1e-12)


@given(
    count=st.integers(0, 70),
    widths=st.lists(st.integers(1, 150), min_size=2, max_size=4),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_dense_networks_of_any_shape_predict_as_on_the_reference_path(count, widths, dtype, seed):
    network = Network(ps.SquareLoss(ps.mlp(Data(shape=(None, widths[0])), widths[1:-1], widths[-1], seed=seed)))
    if dtype == np.float32:
        in_float32(network)
    X = rows(count, widths[0], dtype, seed)
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    expected = network.predict(X, engine="reference")
    np.testing.assert_allclose(network.predict(X), expected, rtol=tolerance, atol=tolerance)


def graph_of(rng, data, length):
    """Return the last layer of a graph in which any layer may read what was computed long before."""
    made = [data]
    for _ in range(length):
        layer = made[int(rng.integers(len(made)))]
        other = made[int(rng.integers(len(made)))]
        kind = rng.integers(7)
        if kind < 2:
            made.append(ps.Bias(ps.Linear(layer, int(rng.integers(1, 40)))))
        elif kind == 2:
            made.append([ps.Relu, ps.Tanh, ps.Mish, ps.Scale][int(rng.integers(4))](layer))
        elif kind == 3:
            made.append(ps.Concat(layer, other))
        elif kind == 4 and layer.out_dims == other.out_dims:
            made.append([ps.Add, ps.Multiply][int(rng.integers(2))](layer, other))
        elif kind == 5:
            first = int(rng.integers(layer.out_dims[-1]))
            made.append(ps.Columns(layer, first, int(rng.integers(first, layer.out_dims[-1])) + 1))
        else:
            made.append(ps.LayerNormalize(layer))
    ends = {id(made[i]): made[i] for i in [*rng.integers(len(made), size=2), -1]}
    return ps.Linear(ps.Concat(*ends.values(), data), 3)


@given(seed=st.integers(0, 999), length=st.integers(1, 25), width=st.integers(1, 40), dtype=st.sampled_from("fd"))
@settings(max_examples=80, deadline=None)
def test_values_that_are_needed_late_are_still_there(seed, length, width, dtype):
    rng = np.random.default_rng(seed)
    network = Network(ps.SquareLoss(graph_of(rng, Data(shape=(None, width)), length)))
    for layer in network.layers:
        if hasattr(layer, "W"):
            layer.replace_parameters(rng.normal(0, 0.3, layer.W.shape).astype(dtype))
    X = rows(230, width, dtype, seed)
    expected = network.predict(X, engine="reference")
    scale = np.abs(expected).max() + 1
    for count in (3, 230, 1, 60):
        found = network.predict(X[:count])
        np.testing.assert_allclose(found, expected[:count], rtol=0, atol=scale * (1e-4 if dtype == "f" else 1e-11))
    assert network.predictor.is_native


@pytest.mark.parametrize("widths", [(784, 256, 128, 10), (64, 100, 10), (5, 3), (1100, 40, 3)])
def test_a_row_has_the_same_bits_in_any_company(widths):
    network, X = small(*widths), rows(500, widths[0])
    together = network.predict(X)
    for company in (1, 2, 7, 8, 9, 31, 250):
        np.testing.assert_array_equal(network.predict(X[:company]), together[:company])
    np.testing.assert_array_equal(network.predict(X[::-1].copy())[::-1], together)


@pytest.mark.parametrize(("widths", "count"), [((100, 200, 10), 3000), ((1100, 600, 3), 40)])
def test_the_number_of_threads_does_not_change_a_bit(widths, count):
    network, X = small(*widths), rows(count, widths[0])
    found = set()
    for threads in (1, 2, 5):
        ps.set_num_threads(threads)
        try:
            found.add(network.predict(X).tobytes())
        finally:
            ps.set_num_threads(None)
    assert len(found) == 1


def test_large_images_that_cannot_be_dealt_out_evenly():
    network = in_float32(Network(ps.SquareLoss(ps.Conv2d(Data(shape=(None, 160, 160, 3)), 8, 3))))
    X = np.random.default_rng(0).random((3, 160, 160, 3), np.float32)
    alone = np.concatenate([network.predict(X[i : i + 1]) for i in range(3)])
    for threads in (2, 3, 5):
        ps.set_num_threads(threads)
        try:
            np.testing.assert_array_equal(network.predict(X), alone)
        finally:
            ps.set_num_threads(None)


def test_whatever_changes_in_the_layers_counts_at_once():
    x = Data(shape=(None, 4))
    activation = ps.LeakyRelu(ps.Linear(x, 6), 0.1)
    network = in_float32(Network(ps.SquareLoss(ps.Bias(ps.Linear(activation, 2)))))
    X = rows(3, 4)

    def check():
        for many in (X, np.tile(X, (200, 1))):
            outputs = network.predict(many)
            np.testing.assert_allclose(outputs, network.predict(many, engine="reference"), rtol=1e-5, atol=1e-6)
        return network.predict(X)

    seen = [check()]
    network.layers[1].W[:] += 1
    seen.append(check())
    network.layers[1].W = np.ones((4, 6))
    seen.append(check())
    activation.slope = 0.9
    seen.append(check())
    network.layers[1].replace_parameters(np.full((4, 6), 0.3, np.float32))
    seen.append(check())
    network.fit(X, np.ones((3, 2)), epochs=1, seed=0)
    seen.append(check())
    assert len({outputs.tobytes() for outputs in seen}) == len(seen)
    in_float64 = [layer.replace_parameters(layer.W.astype(float)) for layer in network.layers if hasattr(layer, "W")]
    assert in_float64
    assert network.predict(X).dtype == np.float64


def test_one_row_takes_the_quick_way():
    network = small(64, 100, 10)
    X = rows(1, 64)
    assert network.predictor.quick(X) is None  # there is no program yet
    expected = network.predict(X)
    np.testing.assert_array_equal(network.predictor.quick(X), expected)
    for other in (
        X.astype(float),
        X[:, :63],
        X[0],
        X.tolist(),
        None,
        rows(5000, 64),
        X * np.nan,
        np.asfortranarray(rows(3, 64)),
    ):
        assert network.predictor.quick(other) is None


@pytest.mark.parametrize(
    ("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "-infinity")], ids=["nan", "inf", "minus"]
)
@pytest.mark.parametrize("count", [1, 300])
def test_what_is_not_finite_is_named(value, name, count):
    network, X = small(20, 8, 2), rows(count, 20)
    network.predict(X)
    X[count - 1, 7] = value
    with pytest.raises(ValueError, match=f"X has {name} in row {count - 1}, column 7"):
        network.predict(X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.uint8, np.int32, np.int16, ">f4", bool])
def test_data_of_any_dtype_and_layout(dtype):
    network = small(6, 5, 2)
    X = np.random.default_rng(0).integers(0, 2, (40, 6)).astype(dtype)
    expected = network.predict(X.astype(np.float32))
    read_only = X.copy()
    read_only.flags.writeable = False
    for same in (X, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], np.repeat(X, 2, axis=1)[:, ::2], read_only):
        np.testing.assert_array_equal(network.predict(same), expected)


def test_an_entry_that_an_embedding_does_not_have_is_named():
    x = Data(shape=(None, 2))
    network = Network(ps.SquareLoss(ps.Linear(ps.Flatten(ps.Embedding(x, 5, 3)), 1)))
    X = np.array([[0, 4], [1, 2], [3, 3]])
    np.testing.assert_allclose(network.predict(X), network.predict(X, engine="reference"), rtol=1e-12)
    for wrong in (5, -1, 2.5, 1e30):
        bad = X.astype(float)
        bad[1, 1] = wrong
        with pytest.raises(ValueError, match=r"but entry \[1, 1\] of the batch is"):
            network.predict(bad)
        with pytest.raises(ValueError, match="entries must be integers from 0 to 4"):
            network.fit(bad, np.zeros(3), epochs=1)


def test_large_whole_numbers_keep_their_digits():
    network = Network(ps.SquareLoss(ps.Linear(Data(shape=(None, 1)), 1)))
    network.layers[1].W[:] = 1
    X = np.array([[2**32 - 1], [2**31 + 1]], np.uint32)
    np.testing.assert_array_equal(network.predict(X), X.astype(float))


def test_a_network_without_parameters_computes_in_the_dtype_of_the_data():
    network = Network(ps.SquareLoss(ps.Tanh(Data(shape=(None, 2)))))
    X = rows(3, 2, np.float64)
    np.testing.assert_array_equal(network.predict(X), np.tanh(X))


def test_copies_and_pickles_predict_the_same():
    network, X = branching(), rows(9, 5)
    expected = network.predict(X)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        np.testing.assert_array_equal(other.predict(X), expected)


def test_several_python_threads_may_predict_at_a_time():
    network, X = small(64, 100, 10), rows(2000, 64)
    expected = network.predict(X)
    pieces = [(start, start + size) for size in (1, 3, 400) for start in range(0, 1600, size * 7)]
    with ThreadPoolExecutor(4) as pool:
        for (start, end), found in zip(
            pieces, pool.map(lambda p: network.predict(X[p[0] : p[1]]), pieces), strict=True
        ):
            np.testing.assert_array_equal(found, expected[start:end])


def test_evaluate_measures_what_the_loss_says():
    network = branching()
    X, y = rows(700, 5), np.random.default_rng(0).integers(0, 3, 700)
    w = np.random.default_rng(1).random(700)
    measures = network.evaluate(X, y, sample_weight=w)
    network.loss.set_labels(y, w / w.mean())
    outputs = network.predict(X, engine="reference")
    np.testing.assert_allclose(measures["loss"], network.loss.compute(outputs), rtol=1e-9)
    np.testing.assert_allclose(measures["accuracy"], np.average(outputs.argmax(1) == y, weights=w), rtol=1e-9)


def test_rows_with_many_values_are_computed_a_few_at_a_time_on_the_reference_path(monkeypatch):
    sizes = []

    class Watching(ps.Layer):
        def compute(self, x):
            sizes.append(len(x))
            return x

    network = ps.Network(ps.SquareLoss(Watching(ps.Data(shape=(None, 3, 5)))))
    X = np.random.default_rng(0).standard_normal((10, 3, 5))
    np.testing.assert_array_equal(network.predict(X), X)
    assert sizes == [64]
    monkeypatch.setattr(prediction, "VALUES_AT_A_TIME", 130)
    np.testing.assert_array_equal(network.predict(X), X)
    assert sizes == [64, 4, 4, 4]
    monkeypatch.setattr(prediction, "VALUES_AT_A_TIME", 1)
    network.predict(X[:2])
    assert sizes[-2:] == [1, 1]


class Twice(ps.Layer):
    def compute(self, x):
        return 2 * x


def of_width(width):
    return ps.dense(Twice(ps.dense(ps.Data(shape=(None, 7)), width)), 3, activation=None)


def of_images(channels):
    images = ps.conv(Twice(ps.conv(ps.Data(shape=(None, 6, 6, 2)), channels)), channels)
    return ps.dense(ps.Flatten(images), 3, activation=None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "output",
    [of_width(1), of_width(33), of_width(300), of_images(3), of_images(50)],
    ids=["width 1", "width 33", "width 300", "images of 3 channels", "images of 50 channels"],
)
def test_a_row_has_the_same_output_in_batches_of_any_size_on_the_reference_path(output, dtype):
    network = ps.Network(ps.CrossEntropy(output))
    X = np.random.default_rng(0).standard_normal((200, *network.inputs[0].out_dims[1:])).astype(dtype)
    expected = network.predict(X, dtype=dtype)
    for size in (*range(1, 71), 128, 199):
        start = 3 * size % (201 - size)
        found = network.predict(X[start : start + size], dtype=dtype)
        np.testing.assert_array_equal(found, expected[start : start + size])
    order = np.random.default_rng(1).permutation(200)
    np.testing.assert_array_equal(network.predict(X[order], dtype=dtype), expected[order])


def test_threads_that_predict_on_the_reference_path_get_the_outputs_of_their_rows():
    network = branching()
    X = rows(200, 5)
    expected = np.concatenate([network.predict(X[i : i + 1], engine="reference") for i in range(200)])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: network.predict(X[i : i + 1], engine="reference"), range(200)))
    np.testing.assert_array_equal(np.concatenate(found), expected)
