"""The native program on images against the reference program: any geometry, any batch, any number of threads."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import floor, log2, prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pysmorch as ps
from pysmorch import Data, Network, ShapeError
from pysmorch.engine.extension import extension

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
PADDINGS = st.one_of(st.sampled_from(["same", "valid"]), st.integers(0, 3), st.tuples(st.integers(0, 4), st.integers(0, 4)))
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
    case = Case((draw(st.integers(1, 30)), channels), ps.Conv1d, {"num_filters": num_filters, "groups": groups} | options)
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


def cases(layer, images=images(), **options):
    """Cases of a layer for any image, with options that do not depend on it."""
    return st.builds(Case, images, st.just(layer), st.fixed_dictionaries(options))


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
    """A network with a layer in the middle: what it hands back reaches weights of every pixel's own.

    `beside` says whether another layer looks at the same values, and hands back before or after the layer.
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


def on_a_grid(network):
    """Round weights to few bits, so that the sums of a first step are exact: rounding moves nothing over a kink or a tie."""
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
    for engine in ("reference", "native"):
        network = make()
        history = network.fit(X, y, optimizer=ps.SGD(0.001, momentum=0.9), engine=engine, **options)
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
    rows = batch + min(rest, batch)  # two steps at most: with more, small differences grow
    X, y = numbers(rows, *(case.shape if on_data else (3,))), numbers(rows, 2, seed=1)
    has_exact_sums = kind != "Normalize"
    if has_exact_sums:
        X = np.round(4 * X) / 4

    def make():
        network = network_with(case, behind, beside, on_data)
        return on_a_grid(network) if has_exact_sums else network

    assert_same_training(make, X, y, batch_size=batch, rtol=1e-11)
    if has_exact_sums or not any(isinstance(layer, ps.Relu) for layer in make().layers):
        assert_same_training(make, X[:batch], y[:batch], batch_size=batch, dtype="float32", rtol=1e-5)


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
