"""Networks with weights of 8 bits: what they compute, on both paths, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, Network, engine
from pysmorch.engine.extension import extension
from pysmorch.engine.lowering import Lowering
from pysmorch.layers.graph import graph
from pysmorch.layers.quantized import QuantizedConv2d, QuantizedLinear
from tests.engine.test_native import skip_without

NATIVE = pytest.mark.skipif(extension() is None, reason="the native extension is not built")


@pytest.fixture(params=["base", "avx2", "avx512", "avx512_bf16", "amx"])
def instructions(request, monkeypatch):
    """Products of integers of all kinds that this processor has: of 16 bits, with VNNI, and on the matrix unit."""
    name = request.param
    skip_without("avx512_bf16" if name == "amx" else name)
    if name == "amx" and not extension().has_matrix_unit():
        pytest.skip("this processor has no matrix unit")
    monkeypatch.setenv("PYSMORCH_INSTRUCTIONS", name)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def dense(*widths):
    return Network(ps.SquareLoss(ps.mlp(Data(shape=(None, widths[0])), widths[1:-1], widths[-1], seed=0)))


def convolution(shape, **options):
    with ps.weights_from(0):
        layer = (ps.Conv2d if len(shape) == 3 else ps.Conv1d)(Data(shape=(None, *shape)), **options)
        return Network(ps.SquareLoss(ps.Flatten(ps.Relu(ps.Bias(layer)))))


def assert_native_is_the_specification(network, X):
    """The same bits: sums of integers are exact, and the factor, the bias and ReLU are each rounded once."""
    found = network.predict(X)
    assert network.predictor.is_native
    np.testing.assert_array_equal(found, network.predict(X, engine="reference"))


def test_a_dense_layer_multiplies_integers_by_the_scales_of_inputs_and_outputs():
    layer = QuantizedLinear(Data(shape=(None, 2)), 2)
    layer.state = {
        "weights": np.array([[100, -3], [2, 127]]),
        "scales": np.array([0.5, 2.0]),
        "in_scales": np.array([0.25, 1.0]),
    }
    # Inputs in steps of 0.25 and 1: 3 and -2; 4 (17/4 rounded) and 127, where 200 is too much; 2 (2.5 to even) and -127.
    out = layer.compute(np.array([[0.75, -2.0], [1.0625, 200.0], [0.625, -300.0]]))
    sums = np.array([[300 - 4, -9 - 254], [400 + 254, -12 + 127 * 127], [200 - 254, -6 - 127 * 127]])
    np.testing.assert_array_equal(out, sums * np.array([0.5, 2.0]))
    assert out.dtype == np.float32


def test_inputs_without_negative_numbers_have_twice_as_many_steps():
    layer = QuantizedLinear(Data(shape=(None, 1)), 1, signed=False)
    layer.state = {"weights": [[1]], "scales": [1.0], "in_scales": [2.0]}
    np.testing.assert_array_equal(layer.compute(np.array([[-3.0], [510.0], [600.0]])), [[0], [255], [255]])


def test_learned_scales_reach_to_the_largest_weight_of_each_output():
    layer = QuantizedLinear(Data(shape=(None, 2)), 2, signed=True)
    layer.learn(np.array([[2.0, 0.0], [-0.5, 0.25]]), np.array([-8.0, -2.0]), np.array([1.0, 2.0]))
    # The roots of 8 / 2 and 2 / 0.5 are 2; inputs over that reach to 4, which is 127 steps.
    np.testing.assert_allclose(layer.in_scales, [8 / 127, 8 / 127], rtol=1e-6)
    # Weights times these: 16, 0; -4, 2. The largest of each output is 127 steps; -4 / 16 * 127 is -31.75.
    np.testing.assert_array_equal(layer.weights, [[127, 0], [-32, 127]])
    np.testing.assert_allclose(layer.scales, [16 / 127 / 127, 2 / 127 / 127], rtol=1e-6)


def test_channels_that_are_always_zero_and_outputs_without_weights_have_scales_too():
    layer = QuantizedLinear(Data(shape=(None, 2)), 2, signed=False)
    layer.learn(np.zeros((2, 2)), np.zeros(2), np.zeros(2))
    assert (layer.scales > 0).all()
    assert (layer.in_scales > 0).all()
    assert (layer.compute(np.ones((3, 2))) == 0).all()


@NATIVE
@pytest.mark.parametrize("widths", [(1, 1), (3, 2), (37, 55, 33, 7), (64, 100, 10), (130, 31, 65, 3), (784, 256, 10)])
@pytest.mark.parametrize("rows", [1, 2, 15, 16, 33, 500])
def test_dense_layers_have_the_bits_of_the_reference_path(widths, rows, instructions):
    network = dense(*widths).quantize(numbers(100, widths[0]))
    assert_native_is_the_specification(network, 1.5 * numbers(rows, widths[0], seed=1))


CONVOLUTIONS = [
    ((9, 7, 3), {"num_filters": 20, "kernel_size": 3}),
    ((28, 28, 1), {"num_filters": 32, "kernel_size": 3}),
    ((8, 8, 64), {"num_filters": 64, "kernel_size": 3}),
    ((9, 12, 5), {"num_filters": 33, "kernel_size": 3, "stride": 2}),
    ((12, 12, 3), {"num_filters": 7, "kernel_size": (2, 3), "dilation": 2}),
    ((20, 37, 17), {"num_filters": 40, "kernel_size": 5, "padding": "valid", "dilation": (1, 2)}),
    ((8, 8, 3), {"num_filters": 64, "kernel_size": 1, "stride": 2, "padding": "valid"}),
    ((6, 5, 4), {"num_filters": 3, "kernel_size": 1}),
    ((1, 1, 2), {"num_filters": 1, "kernel_size": 1}),
    ((3, 2, 2), {"num_filters": 2, "kernel_size": 1, "stride": 20, "padding": 5}),
    ((2, 2, 1), {"num_filters": 2, "kernel_size": (4, 3), "padding": 3}),
    ((30, 5), {"num_filters": 9, "kernel_size": 4, "stride": 3}),
    ((17, 2), {"num_filters": 33, "kernel_size": 3, "dilation": 4, "padding": 5}),
]


@NATIVE
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(("shape", "options"), CONVOLUTIONS)
def test_convolutions_have_the_bits_of_the_reference_path(shape, options, positive, instructions):
    X = numbers(9, *shape)
    X = np.abs(X) if positive else X
    network = convolution(shape, **options).quantize(X)
    assert network.layers[1].signed != positive
    assert_native_is_the_specification(network, 1.5 * X)


@NATIVE
def test_a_row_has_the_same_bits_whatever_rows_are_beside_it_and_on_any_number_of_threads(instructions):
    network = dense(70, 90, 40, 5).quantize(numbers(200, 70))
    X = numbers(700, 70, seed=1)
    together = network.predict(X)
    for first, count in ((0, 1), (3, 2), (17, 16), (100, 61), (250, 450)):
        assert network.predict(X[first : first + count]).tobytes() == together[first : first + count].tobytes()
    images = convolution((16, 16, 8), num_filters=40, kernel_size=3).quantize(numbers(20, 16, 16, 8))
    X = numbers(300, 16, 16, 8, seed=1)
    found = []
    for threads in (1, 2, 3):
        with engine.using_threads(threads):
            found.append((network.predict(np.tile(numbers(700, 70), (40, 1))).tobytes(), images.predict(X).tobytes()))
    assert found[0] == found[1] == found[2]


@NATIVE
@pytest.mark.parametrize("model", [ps.models.lenet, ps.models.resnet20, ps.models.mobilenet_small])
def test_networks_for_images_are_near_those_of_float32(model, instructions):
    with ps.weights_from(0):
        network = Network(ps.CrossEntropy(model(Data(shape=(None, 12, 12, 3)), 3)))
    X = numbers(60, 12, 12, 3)
    network.fit(X, np.arange(60) % 3, epochs=2, seed=0, progress=False)
    small = network.quantize(X)
    exact, found = network.predict(X), small.predict(X)
    assert small.predictor.is_native
    assert 0 < np.linalg.norm(found - exact) < 0.05 * np.linalg.norm(exact)


def test_the_network_that_was_quantized_stays_as_it_was_and_learns_on():
    network = dense(4, 8, 2)
    X = numbers(50, 4)
    before = {name: W.copy() for name, W in network.parameters.items()}
    small = network.quantize(X)
    assert all((network.parameters[name] == W).all() for name, W in before.items())
    assert [type(layer).__name__ for layer in small.layers] == [
        "Data",
        "QuantizedLinear",
        "Bias",
        "Relu",
        "QuantizedLinear",
        "Bias",
    ]
    network.fit(X, X[:, :2], epochs=1, progress=False)
    assert small.predict(X).dtype == np.float32


def test_a_deep_network_is_quantized():
    layer = Data(shape=(None, 2))
    for _ in range(1000):
        layer = ps.Tanh(layer)
    small = Network(ps.SquareLoss(ps.Linear(layer, 1))).quantize(np.ones((2, 2)))
    assert len(small.layers) == 1002


def test_depthwise_and_own_layers_stay_as_they_are():
    class Own(ps.Linear):
        """Looks like Linear, and may compute anything."""

    with ps.weights_from(0):
        x = ps.Conv2d(Data(shape=(None, 4, 4, 6)), 6, 3, groups=6)
        x = ps.Conv2d(x, 3, 1)
        network = Network(ps.SquareLoss(Own(ps.Flatten(x), 2)))
    kinds = [type(layer) for layer in network.quantize(numbers(5, 4, 4, 6)).layers]
    assert kinds == [Data, ps.Conv2d, QuantizedConv2d, ps.Flatten, Own]


def test_a_layer_whose_output_is_read_twice_and_inputs_of_several_arrays_are_quantized():
    with ps.weights_from(0):
        a, b = Data(shape=(None, 3)), Data(shape=(None, 2))
        h = ps.Linear(a, 4)
        network = Network(ps.SquareLoss(ps.Bias(ps.Linear(ps.Concat(ps.Add(h, ps.Tanh(h)), ps.Linear(b, 2)), 1))))
    X = (numbers(40, 3), numbers(40, 2))
    small = network.quantize(X)
    assert sum(isinstance(layer, QuantizedLinear) for layer in small.layers) == 3
    np.testing.assert_allclose(small.predict(X), network.predict(X), atol=0.1)


def test_a_quantized_network_is_not_trained_and_has_no_gradient():
    X = numbers(20, 3)
    small = dense(3, 4, 2).quantize(X)
    with pytest.raises(ValueError, match="the network was quantized: its weights of 8 bits cannot be trained"):
        small.fit(X, X[:, :2])
    small.inputs[0].set_data(X)
    small.loss.set_labels(X[:, :2])
    small.loss.forward()
    with pytest.raises(RuntimeError, match="was quantized and has no gradient"):
        small.loss.backward()
    assert "a training step" not in small.summary()
    assert "26 parameters" in small.summary()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (numbers(0, 3), "X has no rows"),
        (numbers(4, 2), "X has shape"),
        (np.full((4, 3), np.nan), "X has NaN in row 0"),
    ],
)
def test_rows_that_say_nothing_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        dense(3, 2).quantize(X)


def test_what_has_nothing_to_quantize_says_so():
    small = dense(3, 2).quantize(numbers(5, 3))
    with pytest.raises(ValueError, match="there is no Linear and no convolution in one group"):
        small.quantize(numbers(5, 3))


def test_other_integers_count_at_once_and_nobody_changes_those_that_are_there():
    X = numbers(30, 5)
    small, other = dense(5, 2).quantize(X), dense(5, 2).quantize(2 * X)
    assert (small.predict(X) != other.predict(X)).any()
    small.restore(other.snapshot())
    assert (small.predict(X) == other.predict(X)).all()
    with pytest.raises(ValueError, match="read-only"):
        small.layers[1].weights[...] = 0


def test_copies_and_pickles_predict_the_same_bits():
    X = numbers(30, 5)
    small = dense(5, 6, 2).quantize(X)
    for again in (pickle.loads(pickle.dumps(small)), copy.deepcopy(small)):
        assert again.predict(X).tobytes() == small.predict(X).tobytes()


@NATIVE
@pytest.mark.parametrize("case", ["linear", "conv2d"])
def test_layers_declare_what_their_native_operations_take(case):
    layer = (
        QuantizedLinear(Data(shape=(None, 3)), 2)
        if case == "linear"
        else QuantizedConv2d(Data(shape=(None, 3, 3, 1)), 2, 2)
    )
    taken = extension().operations[f"quantized_{case}"]
    assert taken["inputs"] == (1, 1)
    assert tuple(taken["attributes"]) == layer.native_attributes
    assert tuple(taken["fuses"]) == layer.fuses
    assert set(taken["parameters"]) == set(layer.native_parameters)


@NATIVE
@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("weights", np.zeros((3, 3), np.int8), "another size"),
        ("weights", np.zeros((3, 2), np.float32), "weights has another number type"),
        ("scales", np.zeros(3, np.float32), "a number of scales for each channel"),
        ("in_scales", np.zeros(2, np.float32), "a scale for each channel of its input"),
        ("in_scales", np.zeros(3, np.int8), "in_scales has another number type"),
    ],
)
def test_a_description_with_other_arrays_is_refused(name, array, message):
    layer = QuantizedLinear(Data(shape=(None, 3)), 2)
    described = Lowering(graph(layer), layer, training=False)
    (operation,) = described.operations
    operation["parameters"][name] = array
    loss = {"kind": "square_loss", "value": 1, "attributes": {}}
    program = extension().Program32(described.values, [operation], described.inputs, loss)
    with pytest.raises(ValueError, match=message):
        program.predict([numbers(1, 3)], np.zeros((1, 2), np.float32), 1)
