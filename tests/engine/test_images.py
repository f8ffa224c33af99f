"""The native program on images against the reference program: any geometry, any batch, any number of threads."""

import copy
import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from math import floor, log2, prod
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import pysmorch as ps
from pysmorch import Data, Network, ShapeError, engine
from pysmorch.engine.extension import extension
from tests.engine.test_native import INSTRUCTIONS, misaligned, skip_without

pytestmark = pytest.mark.skipif(extension() is None, reason="the native extension is not built")


@dataclass
class Case:
    """A layer with its arguments, and the shape of the examples that go into it."""

    shape: tuple[int, ...]
    layer: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, in_layer: Any) -> Any:
        return self.layer(in_layer, **self.options)


def normalized(x, scale, bias, other, activation):
    """Normalize with what may follow it, all of which becomes one operation."""
    branch = ps.Bias(x) if other == "a branch in front" else None
    y = ps.Normalize(x)
    y = ps.Scale(y) if scale else y
    y = ps.Bias(y) if bias else y
    if other == "the input":
        y = ps.Add(y, x)
    elif other == "the input in front":
        y = ps.Add(x, y)
    elif other == "a branch in front":
        y = ps.Add(branch, y)
    elif other == "a branch behind":
        y = ps.Add(y, ps.Scale(x))
    elif other == "another":
        y = ps.Add(y, ps.Bias(ps.Normalize(ps.Scale(x))))
    elif other == "itself":
        y = ps.Add(y, y)
    return y if activation is None else activation(y)


def twice(x, num_filters, **options):
    """Two convolutions, and what comes in beside them."""
    channels = x.out_dims[-1]
    y = ps.Relu(ps.Bias(ps.Conv2d(x, num_filters, 3, **options)))
    y = ps.Bias(ps.Conv2d(y, channels, 3, **options))
    return ps.Tanh(ps.Add(x, y)) if y.out_dims == x.out_dims else ps.Tanh(y)


SIZES = st.integers(1, 12)
CHANNELS = st.integers(1, 40)
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
KERNELS = st.tuples(st.integers(1, 5), st.integers(1, 5))
PADDINGS = st.one_of(
    st.sampled_from(["same", "valid"]), st.integers(0, 3), st.tuples(st.integers(0, 4), st.integers(0, 4))
)
BATCHES = st.one_of(st.sampled_from([1, 2, 15, 16, 17, 31, 32, 33, 64]), st.integers(1, 70))


@st.composite
def images(draw, channels=CHANNELS):
    return draw(SIZES), draw(SIZES), draw(channels)


@st.composite
def channels_and_filters(draw):
    """Channels, filters and groups: one group; one for each channel, with one filter or more; groups of any sizes."""
    kind = draw(st.sampled_from(["one group", "depthwise", "with multiplier", "groups"]))
    if kind == "one group":
        return draw(CHANNELS), draw(CHANNELS), 1
    if kind == "depthwise":
        groups = draw(CHANNELS)
        return groups, groups, groups
    if kind == "with multiplier":
        groups = draw(st.integers(1, 20))
        return groups, groups * draw(st.integers(2, 3)), groups
    groups = draw(st.integers(2, 5))
    return groups * draw(st.integers(1, 8)), groups * draw(st.integers(1, 8)), groups


def fitting(case):
    """The case, with the padding that always fits where its own leaves nothing."""
    try:
        case(Data(shape=(None, *case.shape)))
    except ShapeError:
        case.options["padding"] = "same"
    return case


@st.composite
def convolutions(draw):
    channels, num_filters, groups = draw(channels_and_filters())
    shape = (draw(SIZES), draw(SIZES), channels)
    options = {"kernel_size": draw(KERNELS), "stride": draw(PAIRS), "padding": draw(PADDINGS), "dilation": draw(PAIRS)}
    return fitting(Case(shape, ps.Conv2d, {"num_filters": num_filters, "groups": groups} | options))


@st.composite
def convolutions_of_sequences(draw):
    channels, num_filters, groups = draw(channels_and_filters())
    options = {name: draw(st.integers(1, 3)) for name in ("stride", "dilation")}
    options["kernel_size"] = draw(st.integers(1, 5))
    options["padding"] = draw(st.one_of(st.sampled_from(["same", "valid"]), st.integers(0, 3)))
    case = Case(
        (draw(st.integers(1, 30)), channels), ps.Conv1d, {"num_filters": num_filters, "groups": groups} | options
    )
    return fitting(case)


@st.composite
def transposed_convolutions(draw):
    shape = (draw(st.integers(1, 7)), draw(st.integers(1, 7)), draw(CHANNELS))
    options = {"kernel_size": draw(KERNELS), "stride": draw(PAIRS), "padding": draw(PADDINGS), "dilation": draw(PAIRS)}
    return fitting(Case(shape, ps.ConvTranspose2d, {"num_filters": draw(CHANNELS)} | options))


@st.composite
def convolutions_of_3_by_3(draw):
    """Those that take the way of fewer products (winograd.h)."""
    channels = st.one_of(st.integers(8, 24), st.sampled_from([8, 9, 16, 31, 32, 33, 64]))
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(channels))
    layer = draw(st.sampled_from([ps.Conv2d, twice]))
    options = {"padding": draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))}
    if layer is ps.Conv2d:
        options["kernel_size"] = 3
    case = Case(shape, layer, {"num_filters": draw(channels)} | options)
    return fitting(case)


@st.composite
def poolings(draw, layer):
    size = draw(KERNELS)
    padding = draw(st.one_of(st.sampled_from(["same", "valid"]), st.tuples(*(st.integers(0, n - 1) for n in size))))
    options = {"size": size, "stride": draw(st.one_of(st.none(), PAIRS)), "padding": padding}
    return fitting(Case(draw(images()), layer, options))


@st.composite
def normalizations_of_groups(draw):
    groups = draw(st.integers(1, 8))
    return Case(draw(images(st.integers(1, 6).map(lambda n: n * groups))), ps.GroupNormalize, {"num_groups": groups})


def cases(layer, of=None, **options):
    """Cases of a layer for any image, with options that do not depend on it."""
    return st.builds(Case, images() if of is None else of, st.just(layer), st.fixed_dictionaries(options))


@st.composite
def crops(draw):
    height, width, channels = draw(images())
    size = draw(st.integers(1, height)), draw(st.integers(1, width))
    return Case((height, width, channels), ps.RandomCrop, {"size": size})


NONE_TO_THREE = st.integers(0, 3)
OTHERS = ["the input", "the input in front", "a branch in front", "a branch behind", "another", "itself"]
CASES = {
    "Conv2d": convolutions(),
    "Conv2d of 3 by 3": convolutions_of_3_by_3(),
    "Conv1d": convolutions_of_sequences(),
    "ConvTranspose2d": transposed_convolutions(),
    "MaxPool2d": poolings(ps.MaxPool2d),
    "AvgPool2d": poolings(ps.AvgPool2d),
    "GlobalAvgPool2d": cases(ps.GlobalAvgPool2d),
    "Upsample2d": cases(ps.Upsample2d, images(st.integers(1, 20)), factor=PAIRS),
    "Pad2d": cases(ps.Pad2d, padding=st.tuples(*[st.tuples(NONE_TO_THREE, NONE_TO_THREE)] * 2)),
    "Normalize": cases(
        normalized,
        scale=st.booleans(),
        bias=st.booleans(),
        other=st.sampled_from([None, None, None, *OTHERS]),
        activation=st.sampled_from([None, ps.Relu, ps.Sigmoid, ps.Tanh, ps.Silu]),
    ),
    "GroupNormalize": normalizations_of_groups(),
    "LayerNormalize": cases(ps.LayerNormalize),
    "Dropout": cases(ps.Dropout, rate=st.sampled_from([0.0, 0.3, 0.9]), channelwise=st.booleans()),
    "Rescale": cases(ps.Rescale, scale=st.sampled_from([0.5, -2.0]), shift=st.sampled_from([0.0, 0.25])),
    "RandomShift": cases(ps.RandomShift, pixels=st.integers(1, 14)),
    "RandomFlip": cases(ps.RandomFlip, rate=st.sampled_from([0.0, 0.5, 1.0])),
    "RandomCrop": crops(),
    "Cutout": cases(ps.Cutout, size=st.integers(1, 14)),
}
BEHIND = {
    "nothing": lambda x: x,
    "Bias": ps.Bias,
    "Relu": ps.Relu,
    "Sigmoid": ps.Sigmoid,
    "Bias and Relu": lambda x: ps.Relu(ps.Bias(x)),
    "Bias and Sigmoid": lambda x: ps.Sigmoid(ps.Bias(x)),
    "Bias and Tanh": lambda x: ps.Tanh(ps.Bias(x)),
    "Bias and Mish": lambda x: ps.Mish(ps.Bias(x)),
}


def network_with(case, behind="nothing", beside=None, on_data=False):
    """A network with a layer in the middle: what it passes back reaches weights of every pixel's own.

    `beside` says whether another layer looks at the same values, and passes back before or after the layer.
    """
    with ps.weights_from(0):
        if on_data:
            x = Data(shape=(None, *case.shape))
        else:
            x = ps.Reshape(ps.Bias(ps.Linear(Data(shape=(None, 3)), prod(case.shape))), case.shape)
        parts = [flat(BEHIND[behind](case(x)))]
        if beside:
            parts.insert(beside == "in front", flat(ps.Scale(x)))
        out = ps.Concat(*parts) if beside else parts[0]
        return Network(ps.SquareLoss(ps.dense(out, 2, activation=None)))


def flat(layer):
    return ps.Flatten(layer) if len(layer.out_dims) > 2 else layer


def has_exact_sums(network):
    """Whether sums of numbers with few bits are exact. Means over a batch are not, nor are tiles of filters of 3 x 3."""
    return not any(
        isinstance(layer, ps.Normalize) or getattr(layer, "kernel_size", None) == (3, 3) for layer in network.layers
    )


def on_a_grid(network):
    """Round weights to few bits, so that rounding moves nothing over a kink or a tie in a first step."""
    for layer in network.layers:
        if getattr(layer, "has_parameters", False) and layer.W.std() > 0:
            grid = 2.0 ** (floor(log2(layer.W.std())) - 2)
            layer.W[:] = np.round(layer.W / grid) * grid
    return network


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def everything_of(network, history):
    """What training has left behind, each kind of numbers in one array."""
    layers = [layer for layer in network.layers if getattr(layer, "has_parameters", False)]
    state = [a.ravel() for layer in network.layers for a in layer.state.values()]
    return {
        "loss": np.array(history["loss"]),
        "W": np.concatenate([layer.W.ravel() for layer in layers]),
        "G": np.concatenate([layer.G.ravel() for layer in layers]),
        "state": np.concatenate(state) if state else np.zeros(0),
    }


def assert_same_training(make, X, y, rtol, **options):
    """Train on both paths; all numbers of a kind agree up to a part of the largest. Returns both networks."""
    options = {"epochs": 1, "seed": 3, "dtype": "float64"} | options
    found = []
    for path in ("reference", "native"):
        network = make()
        history = network.fit(X, y, optimizer=ps.SGD(0.001, momentum=0.9), engine=path, **options)
        found.append((network, everything_of(network, history)))
    (reference, expected), (native, same) = found
    for name, array in expected.items():
        np.testing.assert_allclose(same[name], array, rtol=0, atol=rtol * np.abs(array).max(initial=0), err_msg=name)
    return reference, native


@pytest.mark.parametrize("kind", CASES)
@given(
    data=st.data(),
    batch=BATCHES,
    behind=st.sampled_from([*BEHIND]),
    beside=st.sampled_from([None, "in front", "behind"]),
    on_data=st.booleans(),
    rest=st.integers(0, 3),
)
@settings(max_examples=25, deadline=None)
def test_layers_of_any_geometry_train_as_on_the_reference_path(kind, data, batch, behind, beside, on_data, rest):
    case = data.draw(CASES[kind])
    # Two steps at most: with more, small differences grow. In a second one weights have all their bits, and a sum that ought to be
    # zero is on either side of a kink.
    rows = batch if "Relu" in behind else batch + min(rest, batch)
    X = numbers(rows, *(case.shape if on_data else (3,)))
    y = 10 + numbers(rows, 2, seed=1)  # far from the outputs: a small difference would have few right digits
    exact = has_exact_sums(network_with(case, behind, beside, on_data))
    if exact:
        X = np.round(4 * X) / 4

    def make():
        network = network_with(case, behind, beside, on_data)
        return on_a_grid(network) if exact else network

    assert_same_training(make, X, y, batch_size=batch, rtol=1e-11)
    if exact or not any(isinstance(layer, ps.Relu) for layer in make().layers):
        assert_same_training(
            make, X[:batch], y[:batch], batch_size=batch, dtype="float32", rtol=1e-5 if exact else 1e-4
        )


@pytest.mark.parametrize("kind", CASES)
@given(data=st.data(), rows=BATCHES, behind=st.sampled_from([*BEHIND]), dtype=st.sampled_from([np.float32, np.float64]))
@settings(max_examples=15, deadline=None)
def test_layers_of_any_geometry_predict_as_on_the_reference_path(kind, data, rows, behind, dtype):
    case = data.draw(CASES[kind])
    network = network_with(case, behind, on_data=True)
    for layer in network.layers:
        for name, array in layer.state.items():
            array[:] = 1 + 0.3 * numbers(*array.shape, seed=len(name))
        if layer.has_parameters:
            layer.replace_parameters(layer.W.astype(dtype))
    X = numbers(rows, *case.shape).astype(dtype)
    outputs = network.predict(X)
    assert network.predictor.is_native
    expected, rtol = network.predict(X, engine="reference"), 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=rtol * max(np.abs(expected).max(), 1))
    # A row has the same bits alone, in a part, and in another order.
    for part in (slice(0, 1), slice(rows // 2, rows), slice(None, None, -1)):
        np.testing.assert_array_equal(network.predict(X[part].copy()), outputs[part])


def all_layers():
    """A network with every layer for images, and as much work for a row that threads share it."""
    with ps.weights_from(0):
        images = Data(shape=(None, 9, 8, 3))
        x = ps.RandomCrop(ps.Pad2d(ps.Rescale(images, 0.5, 0.1), ((1, 0), (2, 1))), (9, 8))
        x = ps.Cutout(ps.RandomFlip(ps.RandomShift(x, 1)), 3)
        early = ps.conv(x, 17, kernel_size=(2, 3), activation=ps.Tanh)
        x = ps.Dropout(ps.conv_norm(early, 24), 0.2, channelwise=True)
        x = ps.models.residual(ps.models.residual(x, 24), 32, stride=2)
        x = ps.Bias(ps.LayerNormalize(ps.models.inverted_residual(x, 32, expansion=2)))
        x = ps.Relu(ps.Bias(ps.ConvTranspose2d(x, 16, 3, stride=2, padding=1)))
        x = ps.GroupNormalize(ps.Conv2d(ps.Concat(x, ps.conv(early, 16, (1, 2), padding="valid")), 24, 2, groups=8), 4)
        x = ps.Upsample2d(ps.MaxPool2d(ps.Silu(x), 3, stride=2), (1, 2))
        sequences = ps.Sigmoid(ps.Conv1d(ps.Reshape(ps.AvgPool2d(x, (1, 2)), (-1, 24)), 9, 3, stride=2, dilation=2))
        out = ps.Concat(ps.GlobalAvgPool2d(x), ps.Flatten(sequences))
        return Network(ps.CrossEntropy(ps.dense(ps.dense(out, 33), 3, activation=None)))


def classes(rows, count=3):
    return np.random.default_rng(1).integers(0, count, rows)


def bits_of(network):
    layers = [layer for layer in network.layers if getattr(layer, "has_parameters", False)]
    arrays = [a for layer in layers for a in (layer.W, layer.G)] + [a for x in network.layers for a in x.state.values()]
    return b"".join(array.tobytes() for array in arrays)


has_bf16 = pytest.mark.skipif(not engine.has_bf16(), reason="this processor has no instructions for bfloat16")
NUMBERS = {
    "float32": {"dtype": "float32"},
    "float64": {"dtype": "float64"},
    "bf16": {"precision": "bf16"},
}
EACH_KIND_OF_NUMBERS = pytest.mark.parametrize(
    "options",
    [pytest.param(options, marks=has_bf16 if name == "bf16" else (), id=name) for name, options in NUMBERS.items()],
)


@EACH_KIND_OF_NUMBERS
@pytest.mark.parametrize("batch", [1, 31, 32, 64, 100])
def test_neither_threads_nor_another_run_change_a_bit(batch, options):
    rows = batch + batch // 2 + 1  # the last batch of an epoch is smaller
    X, y = numbers(rows, 9, 8, 3), classes(rows)
    found = set()
    for threads in (1, 2, 3, 4, 3):
        network = all_layers()
        network.fit(X, y, epochs=2, batch_size=batch, seed=0, threads=threads, engine="native", **options)
        found.add(bits_of(network))
    assert len(found) == 1


def program_for(network, X, y, dtype="float32", precision="float32"):
    data = engine.Dataset.checked(network.inputs, network.loss, X, y, None, "X")
    return engine.NativeProgram(network.loss, ps.SGD(), dtype, 0, data, threads=2, bf16=precision == "bf16"), data


@EACH_KIND_OF_NUMBERS
def test_what_earlier_batches_left_behind_plays_no_part(options):
    """A panel has room for more rows than a small batch, and values make room for others when they are not needed any more."""
    X, y = numbers(100, 9, 8, 3), classes(100)
    network = all_layers()
    program, data = program_for(network, X, y, **options)
    for size in (100, 3, 70, 17, 16, 1, 64, 33):
        alone = copy.deepcopy(network)
        fresh, _ = program_for(alone, X, y, **options)
        fresh.num_steps = program.num_steps
        for each in (program, fresh):
            each.train(data, np.arange(size), size, [engine.StepRates(0.05)], 0)
        assert bits_of(network) == bits_of(alone)


@EACH_KIND_OF_NUMBERS
def test_a_batch_that_came_to_nothing_finite_leaves_nothing_behind(options):
    X, y = numbers(70, 9, 8, 3), classes(70)
    network = all_layers()
    program, data = program_for(network, X, y, **options)
    alone = copy.deepcopy(network)
    fresh, _ = program_for(alone, X, y, **options)
    with_bias = next(layer for layer in network.layers if isinstance(layer, ps.Bias))
    good, states = with_bias.W.copy(), [copy.deepcopy(layer.state) for layer in network.layers]
    with_bias.W[:] = np.nan
    with pytest.raises(ps.NonFiniteError):
        program.train(data, np.arange(70), 70, [engine.StepRates(0.05)], 0)
    with_bias.W[:] = good
    for layer, state in zip(network.layers, states, strict=True):
        layer.state = state
    for size in (5, 17, 64):
        for each in (program, fresh):
            each.train(data, np.arange(size), size, [engine.StepRates(0.05)], 0)
        assert bits_of(network) == bits_of(alone)


def test_a_fork_trains_to_the_same_bits():
    functions = "".join(map(inspect.getsource, (all_layers, numbers, classes, bits_of)))
    code = functions + (
        "def run():\n"
        "    network = all_layers()\n"
        "    network.fit(numbers(70, 9, 8, 3), classes(70), epochs=2, seed=0, threads=2, batch_size=64, engine='native')\n"
        "    return bits_of(network)\n"
        "first = run()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if run() == first else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    imports = "import numpy as np, os, sys, pysmorch as ps\nfrom pysmorch import Data, Network\n"
    assert (
        subprocess.run([sys.executable, "-W", "ignore", "-c", imports + code], check=False, timeout=60).returncode == 0
    )


def two_branches(x):
    left = ps.Sigmoid(ps.Bias(ps.Conv2d(x, 5, (1, 3))))
    right = ps.MaxPool2d(ps.batch_norm(ps.Conv2d(x, 5, (3, 1))), 3, stride=1, padding="same")
    return ps.Multiply(left, right)


def u_shaped(x, enlarged):
    """Down to half the size and back up, with the early map beside the late one."""
    early = ps.conv_norm(x, 9)
    late = ps.conv(ps.MaxPool2d(early), 16)
    return ps.conv(ps.Concat(enlarged(late), early), 8)


GRAPHS = {
    "Add(x, bn(x))": lambda x: ps.Add(x, ps.batch_norm(x)),
    "Add(bn(x), x)": lambda x: ps.Add(ps.batch_norm(x), x),
    "Add(bn(a), bn(b))": lambda x: ps.Relu(
        ps.Add(ps.batch_norm(ps.Conv2d(x, 9, 3)), ps.batch_norm(ps.Conv2d(x, 9, 1)))
    ),
    "Add(y, y)": lambda x: (lambda y: ps.Relu(ps.Add(y, y)))(ps.batch_norm(ps.Conv2d(x, 9, 3))),
    "Add(a, b, c)": lambda x: ps.Tanh(ps.Add(ps.batch_norm(x), x, ps.Scale(x))),
    "shortcut behind": lambda x: ps.Relu(ps.Add(ps.conv_norm(ps.conv_norm(x, 12), 12, activation=None), x)),
    "shortcut in front": lambda x: ps.Relu(ps.Add(x, ps.conv_norm(ps.conv_norm(x, 12), 12, activation=None))),
    "shortcut of 1 by 1": lambda x: ps.models.residual(x, 16, stride=2),
    "three blocks": lambda x: ps.models.residual(ps.models.residual(ps.models.residual(x, 12), 12), 12),
    "inverted block": lambda x: ps.models.inverted_residual(x, 12),
    "two branches": two_branches,
    "two branches side by side": lambda x: ps.Concat(
        ps.conv(x, 7), ps.conv(x, 6, (1, 1)), ps.AvgPool2d(x, 3, 1, "same")
    ),
    "U with Upsample2d": lambda x: u_shaped(x, ps.Upsample2d),
    "U with ConvTranspose2d": lambda x: u_shaped(x, lambda y: ps.Relu(ps.Bias(ps.ConvTranspose2d(y, 9, 2, stride=2)))),
    "one value in many places": lambda x: ps.Concat(x, ps.Relu(x), ps.Scale(x), ps.Conv2d(x, 9, 3), ps.Normalize(x)),
    "Dropout between": lambda x: ps.Add(
        ps.Dropout(ps.conv(x, 12), 0.3, channelwise=True), ps.RandomFlip(ps.Rescale(x, 2))
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize(("rows", "size"), [(7, 4), (70, 10)], ids=["small", "large"])
def test_graphs_of_any_form_train_as_on_the_reference_path(name, rows, size):
    """The large ones have so many numbers that values and gradients share room."""

    def make():
        with ps.weights_from(0):
            x = ps.Tanh(ps.Conv2d(Data(shape=(None, size, size, 3)), 12, 2))
            return Network(ps.CrossEntropy(ps.dense(ps.Flatten(GRAPHS[name](x)), 3, activation=None)))

    X = numbers(rows + rows // 2, size, size, 3)
    reference, native = assert_same_training(make, X, classes(len(X)), batch_size=rows, rtol=1e-11)
    np.testing.assert_allclose(native.predict(X), reference.predict(X, engine="reference"), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (ps.models.lenet, (7, 5, 1)),
        (ps.models.resnet20, (8, 9, 3)),
        (ps.models.mobilenet_small, (9, 8, 3)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_known_models_train_as_on_the_reference_path(make, shape):
    def network():
        with ps.weights_from(0):
            return Network(ps.CrossEntropy(make(Data(shape=(None, *shape)), 4)))

    X = numbers(40, *shape)
    reference, native = assert_same_training(network, X, classes(40, 4), batch_size=20, rtol=1e-9)
    np.testing.assert_allclose(native.predict(X), reference.predict(X, engine="reference"), rtol=1e-7, atol=1e-7)


def test_a_network_with_every_layer_trains_as_on_the_reference_path():
    X = numbers(150, 9, 8, 3)
    reference, native = assert_same_training(all_layers, X, classes(150), batch_size=70, epochs=2, rtol=1e-9)
    np.testing.assert_allclose(native.predict(X), reference.predict(X, engine="reference"), rtol=1e-7, atol=1e-7)


def convolutions_of_many_tiles(padding):
    """Rows of ten tiles of 4 x 4, of which the gradient of the weights takes two or three at a time."""
    with ps.weights_from(0):
        x = ps.conv_norm(Data(shape=(None, 13, 37, 3)), 16)
        x = ps.Conv2d(ps.batch_norm(ps.Conv2d(x, 17, 3, padding=padding)), 8, 3, padding=padding)
        return Network(ps.CrossEntropy(ps.dense(ps.GlobalAvgPool2d(x), 4, activation=None)))


@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 0), (1, 2)])
@pytest.mark.parametrize("batch", [1, 33])
def test_images_of_many_tiles_train_as_on_the_reference_path(batch, padding):
    def make():
        return convolutions_of_many_tiles(padding)

    assert_same_training(make, numbers(batch + 1, 13, 37, 3), classes(batch + 1, 4), batch_size=batch, rtol=1e-9)


@EACH_KIND_OF_NUMBERS
def test_threads_change_no_bit_of_images_of_many_tiles(options):
    X, y = numbers(70, 13, 37, 3), classes(70, 4)
    found = set()
    for threads in (1, 2, 3):
        network = convolutions_of_many_tiles((1, 1))
        network.fit(X, y, epochs=1, batch_size=35, seed=0, threads=threads, engine="native", **options)
        found.add(bits_of(network))
    assert len(found) == 1


def test_more_filters_than_a_thread_has_room_for_train_as_on_the_reference_path():
    def make():
        with ps.weights_from(0):
            x = ps.Bias(ps.Conv2d(Data(shape=(None, 1, 1, 2)), 41_000, 1))
            return Network(ps.SquareLoss(ps.Linear(ps.Flatten(ps.ConvTranspose2d(x, 2, 1)), 1)))

    assert_same_training(make, numbers(5, 1, 1, 2), numbers(5, 1), rtol=1e-11)


@has_bf16
@pytest.mark.parametrize(("channels", "num_filters"), [(8, 8), (9, 13), (31, 17), (33, 40), (64, 24), (256, 250)])
@pytest.mark.parametrize("batch", [1, 15, 33])
def test_products_of_bfloat16_stay_near_those_of_float32(channels, num_filters, batch):
    """In two steps the weights go the same way up to 3 % of it; a bfloat16 has 8 bits."""

    def make():
        with ps.weights_from(0):
            x = ps.conv(Data(shape=(None, 5, 6, 2)), channels, activation=ps.Tanh)
            x = ps.conv(ps.conv(x, num_filters, activation=ps.Tanh), channels, activation=ps.Tanh)
            return Network(ps.SquareLoss(ps.dense(ps.Flatten(ps.AvgPool2d(x)), 3, activation=None)))

    def changes(precision):
        network, before = make(), make()
        options = {"optimizer": ps.SGD(0.001), "epochs": 2, "batch_size": batch, "seed": 0, "threads": 3}
        network.fit(numbers(batch, 5, 6, 2), numbers(batch, 3, seed=1), precision=precision, engine="native", **options)
        return [network.parameters[name] - W.astype(np.float32) for name, W in before.parameters.items()]

    for exact, near in zip(changes("float32"), changes("bf16"), strict=True):
        assert 0 < np.linalg.norm(near - exact) < 0.03 * np.linalg.norm(exact)


@has_bf16
@pytest.mark.parametrize("kind", ["Conv2d", "Conv1d", "AvgPool2d", "MaxPool2d", "GlobalAvgPool2d", "Normalize"])
@given(data=st.data(), batch=BATCHES, behind=st.sampled_from([*BEHIND]), beside=st.booleans())
@settings(max_examples=25, deadline=None)
def test_layers_between_convolutions_train_with_bfloat16_as_with_float32(kind, data, batch, behind, beside):
    """Their values are kept as bfloat16 too. All gradients together are off by a tenth of their size at most, and where a pooling takes another
    of two numbers that are nearly the same, by three tenths."""
    case = data.draw(CASES[kind])
    convolution = ps.Conv2d if len(case.shape) == 3 else ps.Conv1d
    if kind == "Normalize":  # of few numbers it magnifies what rounding does
        assume(batch * prod(case.shape[:-1]) > 20)

    def make():
        with ps.weights_from(0):
            x = ps.Bias(convolution(Data(shape=(None, *case.shape)), case.shape[-1], 1))
            y = BEHIND[behind](case(x))
            y = flat(ps.Bias(convolution(y, 5, 1))) if len(y.out_dims) > 2 else y
            y = ps.Concat(y, flat(ps.Bias(convolution(x, 3, 1)))) if beside else y
            return Network(ps.SquareLoss(ps.dense(y, 2, activation=None)))

    def gradients(precision):
        network = make()
        options = {"optimizer": ps.SGD(1e-6), "epochs": 1, "batch_size": batch, "seed": 0, "engine": "native"}
        network.fit(X, 10 + numbers(batch, 2, seed=1), precision=precision, **options)
        return np.concatenate([layer.G.ravel() for layer in network.layers if getattr(layer, "has_parameters", False)])

    # What a pooling takes for the largest depends on rounding where two are near each other.
    X = numbers(batch, *case.shape) if kind != "MaxPool2d" else 4 * numbers(batch, *case.shape).round(1)
    exact, near = gradients("float32"), gradients("bf16")
    assert np.linalg.norm(near - exact) <= (0.3 if kind == "MaxPool2d" else 0.1) * np.linalg.norm(exact)


@has_bf16
def test_a_network_for_images_learns_as_well_with_bfloat16():
    X, y = numbers(600, 8, 8, 1), classes(600, 4)
    for image, corner in zip(X, y, strict=True):
        image[4 * (corner // 2) :, 4 * (corner % 2) :][:4, :4] += 1
    accuracies = {}
    for precision in ("float32", "bf16", "auto"):
        with ps.weights_from(0):
            x = ps.conv_norm(ps.conv(Data(shape=(None, 8, 8, 1)), 9), 11)
            network = Network(ps.CrossEntropy(ps.dense(ps.Flatten(ps.MaxPool2d(x)), 4, activation=None)))
        history = network.fit(X, y, epochs=6, optimizer=ps.Adam(0.005), seed=0, precision=precision)
        accuracies[precision] = history["accuracy"][-1]
    assert accuracies["float32"] > 0.9
    assert accuracies["bf16"] == accuracies["auto"]
    assert abs(accuracies["bf16"] - accuracies["float32"]) < 0.02


@pytest.mark.parametrize("instructions", INSTRUCTIONS)
def test_every_set_of_instructions_that_this_processor_has_is_right(instructions, monkeypatch):
    skip_without(instructions)
    monkeypatch.setenv("PYSMORCH_INSTRUCTIONS", instructions)
    X = numbers(50, 9, 8, 3)
    _, native = assert_same_training(all_layers, X, classes(50), batch_size=33, rtol=1e-9)
    np.testing.assert_allclose(native.predict(X), native.predict(X, engine="reference"), rtol=1e-9, atol=1e-9)
    smooth = GRAPHS["two branches side by side"]

    def make():
        with ps.weights_from(0):
            return Network(ps.SquareLoss(ps.dense(ps.Flatten(smooth(Data(shape=(None, 6, 5, 3)))), 2, activation=None)))

    assert_same_training(make, numbers(50, 6, 5, 3), numbers(50, 2), dtype="float32", rtol=1e-4)


def layouts(X):
    """The same numbers in other orders in memory, and where nobody may write."""
    read_only = X.copy()
    read_only.flags.writeable = False
    wide = np.repeat(np.repeat(X, 2, axis=1), 3, axis=3)
    return [
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        wide[:, ::2, :, 1::3],
        X[:, ::-1].copy()[:, ::-1],
        misaligned(X),
        read_only,
    ]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int16, np.float32, np.float16, ">f4", ">i8", bool])
def test_images_of_any_dtype_and_layout_train_and_predict_as_on_the_reference_path(dtype):
    X = np.random.default_rng(0).integers(0, 2 if dtype is bool else 256, (40, 5, 4, 3)).astype(dtype)

    def make():
        with ps.weights_from(0):
            x = ps.Rescale(Data(shape=(None, 5, 4, 3)), 1 / 255, -0.5)
            return Network(ps.CrossEntropy(ps.dense(ps.Flatten(ps.conv(x, 6)), 3, activation=None)))

    reference, native = assert_same_training(make, X, classes(40), rtol=1e-11)
    outputs, bits = native.predict(X), bits_of(native)
    np.testing.assert_allclose(outputs, reference.predict(X, engine="reference"), rtol=1e-11)
    for same in layouts(X):
        np.testing.assert_array_equal(native.predict(same), outputs)
        _, again = assert_same_training(make, same, classes(40), rtol=1e-11)
        assert bits_of(again) == bits


def image_network_of_large_numbers():
    """The output of a convolution for images near the limit of float32, brought back to about 1."""
    with ps.weights_from(0):
        filtered = ps.Conv2d(ps.Data(shape=(None, 12, 12, 8)), 8, 3, padding="same")
        filtered.W = 1e-4 * filtered.W
        scaled = ps.Scale(filtered)
        scaled.W = np.full(scaled.W.shape, 1e-34)
        return ps.Network(ps.SquareLoss(ps.Linear(ps.GlobalAvgPool2d(scaled), 1)))


@pytest.mark.parametrize("size", [1e30, 1e36, 1e37, 3e37, 1e38, 3e38])
def test_where_winograds_algorithm_overflows_the_loss_is_right_or_an_error_says_so(size):
    X = (size * np.random.default_rng(0).uniform(-1, 1, (64, 12, 12, 8))).astype(np.float32)
    options = {"epochs": 1, "batch_size": 64, "seed": 0, "optimizer": ps.SGD(1e-12)}
    expected = image_network_of_large_numbers().fit(X, np.zeros((64, 1)), engine="reference", **options)["loss"]
    network = image_network_of_large_numbers()
    before = [np.float32(W) for W in network.parameters.values()]
    said = ""
    try:
        loss = network.fit(X, np.zeros((64, 1)), engine="native", **options)["loss"]
    except ps.NonFiniteError as error:
        said = str(error)
    if said:
        assert size > 1e36
        assert "so near the limit of float32 that the compiled program overflows" in said
        for W, was in zip(network.parameters.values(), before, strict=True):
            np.testing.assert_array_equal(W, was)
    else:
        np.testing.assert_allclose(loss, expected, rtol=1e-4)
