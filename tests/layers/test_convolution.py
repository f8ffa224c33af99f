"""Convolutions and pooling of any form, against SciPy, their definitions and each other."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import signal

import pysmorch as ps
from pysmorch import Data, check

SIZES = st.integers(1, 7)
SMALL = st.tuples(st.integers(1, 3), st.integers(1, 3))
PADDINGS = st.one_of(
    st.sampled_from(["same", "valid"]), st.integers(0, 3), st.tuples(st.integers(0, 3), st.integers(0, 3))
)


@st.composite
def convolutions(draw, most_groups=3):
    """A convolution of any form, with an image that its kernel fits on."""
    num_groups = draw(st.integers(1, most_groups))
    shape = (draw(st.integers(1, 3)), draw(SIZES), draw(SIZES), num_groups * draw(st.integers(1, 3)))
    form = {"kernel_size": draw(SMALL), "stride": draw(SMALL), "dilation": draw(SMALL), "padding": draw(PADDINGS)}
    with ps.weights_from(draw(st.integers(0, 99))):
        x = Data(np.random.default_rng(draw(st.integers(0, 99))).standard_normal(shape))
        try:
            return ps.Conv2d(x, num_groups * draw(st.integers(1, 3)), groups=num_groups, **form)
        except ps.ShapeError:
            assume(False)


def borders(layer):
    """The zeros before and after, by the definition of each word."""
    (height, width), padding = layer.in_dims[1:3], layer.padding
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding != "same":
        return ((padding[0],) * 2, (padding[1],) * 2)
    found = []
    for length, cells, step, gap in zip((height, width), layer.kernel_size, layer.stride, layer.dilation, strict=True):
        total = 0
        while (length + total - (cells - 1) * gap - 1) // step + 1 < -(-length // step):
            total += 1
        found.append((total // 2, total - total // 2))
    return tuple(found)


def by_scipy(layer, x):
    """Each output channel as a sum of SciPy's correlations with a kernel that has zeros in its gaps."""
    padded = np.pad(x, ((0, 0), *borders(layer), (0, 0)))
    (gap, other_gap), (step, other_step) = layer.dilation, layer.stride
    size, depth = layer.num_filters // layer.groups, layer.W.shape[2]
    out = np.zeros((len(x), *layer.out_dims[1:]))
    for n, k, c in itertools.product(range(len(x)), range(layer.num_filters), range(depth)):
        kernel = np.zeros([(cells - 1) * g + 1 for cells, g in zip(layer.kernel_size, layer.dilation, strict=True)])
        kernel[::gap, ::other_gap] = layer.W[:, :, c, k]
        image = padded[n, :, :, k // size * depth + c]
        out[n, :, :, k] += signal.correlate2d(image, kernel, mode="valid")[::step, ::other_step]
    return out


@given(convolutions())
@settings(max_examples=60, deadline=None)
def test_a_convolution_of_any_form_is_what_scipy_computes(layer):
    np.testing.assert_allclose(layer.forward(), by_scipy(layer, layer.in_layer.data), rtol=1e-10, atol=1e-12)


@given(convolutions(most_groups=1), st.sampled_from(["same", "valid", 0, 1, (1, 0)]))
@settings(max_examples=40, deadline=None)
def test_a_transposed_convolution_is_what_scipy_computes(convolution, padding):
    """Values stand `stride` apart with zeros between, and a full convolution adds a kernel for each."""
    x = convolution.in_layer.data
    form = {name: getattr(convolution, name) for name in ("kernel_size", "stride", "dilation")}
    try:
        layer = ps.ConvTranspose2d(Data(x), convolution.num_filters, padding=padding, **form)
    except ps.ShapeError:
        assume(False)
    spread = np.zeros((len(x), *((n - 1) * s + 1 for n, s in zip(x.shape[1:3], layer.stride, strict=True)), x.shape[3]))
    spread[:, :: layer.stride[0], :: layer.stride[1]] = x
    kernel = np.zeros([(n - 1) * g + 1 for n, g in zip(layer.kernel_size, layer.dilation, strict=True)])
    out = layer.forward()
    (top, bottom), (left, right) = borders(convolution_of(layer))
    for n, k in np.ndindex(len(x), layer.num_filters):
        full = 0
        for c in range(x.shape[3]):
            kernel[:: layer.dilation[0], :: layer.dilation[1]] = layer.W[:, :, k, c]
            full = full + signal.convolve2d(spread[n, :, :, c], kernel)
        expected = np.zeros((out.shape[1] + top + bottom, out.shape[2] + left + right))
        rows, columns = (min(a, b) for a, b in zip(full.shape, expected.shape, strict=True))
        expected[:rows, :columns] = full[:rows, :columns]  # "same" with steps larger than the kernel reaches further
        inner = expected[top : top + out.shape[1], left : left + out.shape[2]]
        np.testing.assert_allclose(out[n, :, :, k], inner, rtol=1e-10, atol=1e-12)


def convolution_of(layer):
    """The convolution whose adjoint a transposed one is."""
    form = {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation")}
    convolution = ps.Conv2d(Data(np.zeros((1, *layer.out_dims[1:]))), layer.in_dims[-1], **form)
    convolution.W = layer.W
    return convolution


@given(convolutions(most_groups=1), st.sampled_from(["same", "valid", 0, 1, (1, 0)]), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_transposed_convolution_is_the_adjoint_of_the_convolution(convolution, padding, seed):
    rng = np.random.default_rng(seed)
    form = {name: getattr(convolution, name) for name in ("kernel_size", "stride", "dilation")}
    try:
        layer = ps.ConvTranspose2d(convolution.in_layer, convolution.num_filters, padding=padding, **form)
    except ps.ShapeError:
        assume(False)
    adjoint = convolution_of(layer)
    y, image = layer.in_layer.data, rng.standard_normal((len(layer.in_layer.data), *layer.out_dims[1:]))
    adjoint.in_layer.data = image
    assert np.vdot(adjoint.forward(), y) == pytest.approx(np.vdot(image, layer.forward()), rel=1e-9, abs=1e-9)


@given(convolutions(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_what_a_convolution_hands_back_is_its_adjoint_in_image_and_kernel(layer, seed):
    """<Y(X), D> is linear in X and in W, so that it is <X, dX> and <W, G>."""
    out = layer.forward()
    dwnstrm = np.random.default_rng(seed).standard_normal(out.shape)
    layer.backward(dwnstrm)
    product = np.vdot(out, dwnstrm)
    assert np.vdot(layer.in_layer.data, layer.pass_back) == pytest.approx(product, rel=1e-9, abs=1e-9)
    assert np.vdot(layer.W, layer.G) == pytest.approx(product, rel=1e-9, abs=1e-9)


@given(convolutions())
@settings(max_examples=12, deadline=None)
def test_the_gradients_of_a_convolution_of_any_form_are_right(layer):
    layer.in_layer.data = layer.in_layer.data[:1]
    report = check(layer)
    assert report.passed, str(report)


@given(
    length=st.integers(1, 9),
    cells=st.integers(1, 3),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    padding=st.sampled_from(["same", "valid", 0, 2]),
    groups=st.integers(1, 2),
)
@settings(max_examples=40, deadline=None)
def test_a_convolution_of_sequences_is_one_of_images_of_height_one(length, cells, stride, dilation, padding, groups):
    x = np.random.default_rng(0).standard_normal((2, length, 2 * groups))
    try:
        layer = ps.Conv1d(Data(x), 3 * groups, cells, stride, padding, dilation, groups)
    except ps.ShapeError:
        assume(False)
    beside = padding if isinstance(padding, str) else (0, padding)
    form = (1, cells), (1, stride), beside, (1, dilation), groups
    image = ps.Conv2d(Data(x[:, None]), 3 * groups, *form)
    image.W = layer.W[None]
    np.testing.assert_allclose(layer.forward(), image.forward()[:, 0], rtol=1e-12)
    dwnstrm = np.random.default_rng(1).standard_normal(layer.out_array.shape)
    layer.backward(dwnstrm)
    image.backward(dwnstrm[:, None])
    np.testing.assert_allclose(layer.G, image.G[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.pass_back, image.pass_back[:, 0], rtol=1e-12, atol=1e-12)


@given(
    size=SMALL,
    stride=SMALL,
    shape=st.tuples(SIZES, SIZES),
    padding=PADDINGS,
    make=st.sampled_from([ps.MaxPool2d, ps.AvgPool2d]),
)
@settings(max_examples=40, deadline=None)
def test_a_pooling_of_any_form_is_its_definition_with_right_gradients(size, stride, shape, padding, make):
    x = np.random.default_rng(0).standard_normal((1, *shape, 2))
    try:
        layer = make(Data(x), size, stride, padding)
    except ValueError:
        assume(False)
    (top, _), (left, _) = borders(ps.Conv2d(Data(x), 1, size, stride, padding))
    reduce = np.max if make is ps.MaxPool2d else np.mean
    out = layer.forward()
    for i, j, c in np.ndindex(out.shape[1:]):
        rows = range(max(i * stride[0] - top, 0), min(i * stride[0] - top + size[0], shape[0]))
        columns = range(max(j * stride[1] - left, 0), min(j * stride[1] - left + size[1], shape[1]))
        assert out[0, i, j, c] == pytest.approx(reduce([x[0, r, q, c] for r in rows for q in columns]), rel=1e-12)
    report = check(layer)
    assert report.passed, str(report)


def test_a_kernel_of_one_is_a_linear_layer_at_every_place():
    x = np.random.default_rng(0).standard_normal((3, 4, 5, 6))
    layer = ps.Conv2d(Data(x), 2, 1)
    np.testing.assert_allclose(layer.forward(), x @ layer.W[0, 0], rtol=1e-12)
