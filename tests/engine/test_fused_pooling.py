"""A max pooling that a convolution includes: the same bits as the two one after the other."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, Network
from pysmorch.engine import step_memory
from pysmorch.engine.extension import extension
from tests.engine.test_images import assert_same_training, bits_of, classes, numbers
from tests.engine.test_native import INSTRUCTIONS, skip_without

pytestmark = pytest.mark.skipif(extension() is None, reason="the native extension is not built")

THREE = {"kernel_size": 3}
CASES = {
    "grey images": ((8, 10, 1), 32, THREE, 2),
    "colours": ((8, 8, 3), 5, {"kernel_size": 5}, 2),
    "windows of 3 x 3": ((12, 9, 4), 6, THREE, 3),
    "windows of two sizes": ((6, 8, 4), 7, {"kernel_size": (2, 3)}, (3, 4)),
    "windows of many taps": ((16, 16, 2), 3, {"kernel_size": 1}, (16, 8)),
    "windows of too many taps": ((16, 16, 2), 3, {"kernel_size": 1}, 16),
    "windows of one tap": ((4, 4, 2), 3, THREE, 1),
    "steps": ((13, 17, 4), 9, {"kernel_size": (5, 3), "stride": (1, 2)}, (13, 3)),
    "dilation": ((8, 8, 3), 4, {"kernel_size": 3, "dilation": 2}, 2),
    "groups": ((8, 8, 8), 12, {"kernel_size": 3, "groups": 4}, 2),
    "a group for each channel": ((8, 8, 5), 5, {"kernel_size": 3, "groups": 5}, 2),
    "tiles": ((8, 12, 8), 16, THREE, 2),
    "parts of tiles": ((14, 10, 9), 17, THREE, 2),
    "tiles, no padding": ((12, 12, 9), 9, THREE | {"padding": 0}, 2),
    "tiles, more padding": ((12, 12, 9), 9, THREE | {"padding": 2}, (2, 1)),
    "one window in a tile": ((8, 8, 16), 8, THREE, 4),
    "windows that reach over tiles": ((12, 12, 8), 8, THREE, 3),
    "windows that overlap": ((9, 9, 8), 8, THREE, {"size": 3, "stride": 2}),
    "windows that leave a rest": ((9, 9, 4), 8, THREE, 2),
}
AFTER = {
    "nothing": lambda x: x,
    "Bias": ps.Bias,
    "Relu": ps.Relu,
    "Bias and Relu": lambda x: ps.Relu(ps.Bias(x)),
    "Bias and Tanh": lambda x: ps.Tanh(ps.Bias(x)),
}


def network_with(case, after="Bias and Relu", apart=False, on_data=True):
    """A network in which a max pooling follows a convolution, at once or after an operation that changes nothing."""
    shape, num_filters, options, pooling = CASES[case]
    with ps.weights_from(0):
        x = Data(shape=(None, *shape))
        if not on_data:
            x = ps.Tanh(ps.Bias(ps.Conv2d(x, shape[-1], 1)))
        y = AFTER[after](ps.Conv2d(x, num_filters, **options))
        y = ps.Pad2d(y, 0) if apart else y
        y = ps.MaxPool2d(y, **pooling) if isinstance(pooling, dict) else ps.MaxPool2d(y, pooling)
        return Network(ps.CrossEntropy(ps.dense(ps.Flatten(y), 3, activation=None)))


def trained(network, X, y, threads=1, clip_norm=None, **options):
    optimizer = ps.SGD(0.05, momentum=0.9, clip_norm=clip_norm)
    network.fit(X, y, epochs=2, seed=0, optimizer=optimizer, threads=threads, engine="native", **options)
    return bits_of(network), network.predict(X.astype(options["dtype"])).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("on_data", [True, False], ids=["on the data", "on a layer"])
@pytest.mark.parametrize("case", CASES)
def test_a_pooling_within_a_convolution_has_the_bits_of_one_after_it(case, on_data, dtype):
    for after, batch in zip(AFTER, (33, 64, 1, 17, 20), strict=True):
        rows = batch + batch // 2  # the last batch is smaller
        X, y = numbers(rows, *CASES[case][0]), classes(rows)
        if after in ("Relu", "Bias"):
            X = np.round(X)  # many windows have several largest entries
        options = {"batch_size": batch, "dtype": dtype, "clip_norm": 0.5 if batch == 17 else None}
        expected = trained(network_with(case, after, True, on_data), X, y, **options)
        for threads in (1, 2, 3):
            assert trained(network_with(case, after, False, on_data), X, y, threads, **options) == expected


@pytest.mark.parametrize("instructions", INSTRUCTIONS)
@pytest.mark.parametrize("case", ["grey images", "windows of two sizes", "parts of tiles"])
def test_every_set_of_instructions_pools_right(case, instructions, monkeypatch):
    skip_without(instructions)
    monkeypatch.setenv("PYSMORCH_INSTRUCTIONS", instructions)
    X, y = numbers(50, *CASES[case][0]), classes(50)
    for dtype in ("float32", "float64"):
        options = {"batch_size": 33, "dtype": dtype}
        expected = trained(network_with(case, apart=True, on_data=False), X, y, **options)
        assert trained(network_with(case, on_data=False), X, y, 2, **options) == expected
    assert_same_training(lambda: network_with(case, on_data=False), X, y, batch_size=33, rtol=1e-9)


@pytest.mark.parametrize("batch", [1, 33, 64])
@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("case", ["colours", "windows of 3 x 3", "groups", "parts of tiles", "tiles, more padding"])
def test_a_pooling_within_a_convolution_trains_as_on_the_reference_path(case, after, batch):
    X, y = numbers(batch + 5, *CASES[case][0]), classes(batch + 5)
    assert_same_training(lambda: network_with(case, after, on_data=False), X, y, batch_size=batch, rtol=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_first_of_equal_entries_of_a_window_gets_the_gradient(sign):
    """Filters (1, 1) make sign, sign and -2, -2 of these positions: only what the first one saw counts."""
    X = np.array([[[[sign, 0], [0, sign]], [[-1, -1], [-1, -1]]]], np.float32)
    pooled = ps.MaxPool2d(ps.Conv2d(Data(shape=(None, 2, 2, 2)), 1, 1))
    network = Network(ps.SquareLoss(ps.Flatten(pooled)))
    filters = next(layer for layer in network.layers if isinstance(layer, ps.Conv2d))
    filters.W[:] = 1
    network.fit(X, np.array([[5.0]]), epochs=1, batch_size=1, optimizer=ps.SGD(0.5), engine="native")
    gradient = 1 - filters.W.ravel()
    assert gradient[1] == 0
    assert np.sign(gradient[0]) == -sign


def test_where_the_relu_lets_nothing_through_no_weight_changes():
    X = np.full((3, 4, 4, 1), -1, np.float32)
    pooled = ps.MaxPool2d(ps.Relu(ps.Bias(ps.Conv2d(Data(shape=(None, 4, 4, 1)), 1, 1))))
    network = Network(ps.SquareLoss(ps.Flatten(pooled)))
    for layer in network.layers:
        if layer.has_parameters:
            layer.W[:] = 0.5
    network.fit(X, np.ones((3, 4)), epochs=1, batch_size=3, optimizer=ps.SGD(0.5), engine="native")
    assert all((layer.G == 0).all() for layer in network.layers if layer.has_parameters)


def test_a_convolution_that_another_layer_reads_keeps_its_output():
    def make():
        with ps.weights_from(0):
            y = ps.conv(Data(shape=(None, 8, 8, 3)), 12)
            out = ps.Concat(ps.Flatten(ps.MaxPool2d(y)), ps.GlobalAvgPool2d(y))
            return Network(ps.CrossEntropy(ps.dense(out, 3, activation=None)))

    assert_same_training(make, numbers(40, 8, 8, 3), classes(40), batch_size=33, rtol=1e-9)


def test_the_output_of_the_network_may_be_a_convolution_or_its_pooling():
    def make(pools):
        with ps.weights_from(0):
            y = ps.Bias(ps.Conv2d(Data(shape=(None, 4, 4, 2)), 3, 3))
            return Network(ps.SquareLoss(ps.Flatten(ps.MaxPool2d(y) if pools else y)))

    for pools, size in ((True, 12), (False, 48)):
        X, y = numbers(20, 4, 4, 2), numbers(20, size, seed=1)
        _, native = assert_same_training(lambda pools=pools: make(pools), X, y, batch_size=20, rtol=1e-9)
        np.testing.assert_allclose(native.predict(X), native.predict(X, engine="reference"), rtol=1e-9, atol=1e-9)


def test_neither_the_image_that_is_pooled_nor_its_gradient_takes_memory():
    image = 64 * 8 * 10 * 32 * 4  # bytes of a batch of 64
    fused, apart = (network_with("grey images", apart=apart) for apart in (False, True))
    saved = step_memory(apart.layers, apart.loss, 64) - step_memory(fused.layers, fused.loss, 64)
    assert saved > 2 * image
