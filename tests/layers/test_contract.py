"""What every layer and loss does, for all that are in the list of cases."""

import copy
import inspect
import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

import pysmorch as ps
from pysmorch import check, layers, losses
from pysmorch.gradcheck.cases import LAYER_CASES, LOSS_CASES
from pysmorch.layers import Data, Layer
from pysmorch.layers.randomness import random_words
from pysmorch.losses import Loss

CASES = LAYER_CASES | LOSS_CASES


def each(f):
    return lambda layer, x: np.vectorize(f, otypes=[float])(x)


def selu(x):
    return 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x))


def normalize(layer, x):
    columns = x.reshape(-1, x.shape[-1])
    return ((columns - columns.mean(0)) / np.sqrt(columns.var(0) + layer.epsilon)).reshape(x.shape)


def layer_normalize(layer, x):
    rows = [(row - np.mean(row)) / math.sqrt(np.var(row) + layer.epsilon) for row in x.reshape(-1, x.shape[-1])]
    return np.array(rows).reshape(x.shape)


def pairs(*values):
    return [value if isinstance(value, tuple) else (value, value) for value in values]


def before_and_out(length, cells, step, padding):
    """The padding before, and the size of the output, along one axis."""
    if padding == "same":
        out = math.ceil(length / step)
        return max((out - 1) * step + cells - length, 0) // 2, out
    padding = 0 if padding == "valid" else padding
    return padding, (length + 2 * padding - cells) // step + 1


def each_product(layer, height, width, out_channels, channels):
    """Every product of a convolution: indices of image, kernel and output, one number after the other."""
    (KH, KW), (SH, SW), (DH, DW) = pairs(layer.kernel_size, layer.stride, layer.dilation)
    PH, PW = pairs(layer.padding)[0]
    (top, out_height), (left, out_width) = (
        before_and_out(height, (KH - 1) * DH + 1, SH, PH),
        before_and_out(width, (KW - 1) * DW + 1, SW, PW),
    )
    groups = getattr(layer, "groups", 1)
    for y, x, i, j, k, c in itertools.product(
        *map(range, (out_height, out_width, KH, KW, out_channels, channels // groups))
    ):
        row, column = y * SH + i * DH - top, x * SW + j * DW - left
        if 0 <= row < height and 0 <= column < width:
            first = k // (out_channels // groups) * (channels // groups)
            yield (row, column, first + c), (i, j, c, k), (y, x, k)


def conv2d(layer, x):
    out = np.zeros((len(x), *layer.out_dims[1:]))
    for image, kernel, place in each_product(layer, *x.shape[1:3], layer.num_filters, x.shape[3]):
        out[:, *place] += x[:, *image] * layer.W[kernel]
    return out


def conv1d(layer, x):
    num_cells, channels, _ = layer.W.shape
    before, length = before_and_out(x.shape[1], (num_cells - 1) * layer.dilation + 1, layer.stride, layer.padding)
    out = np.zeros((len(x), length, layer.num_filters))
    for t, j, k, c in itertools.product(*map(range, (length, num_cells, layer.num_filters, channels))):
        place = t * layer.stride + j * layer.dilation - before
        if 0 <= place < x.shape[1]:
            first = k // (layer.num_filters // layer.groups) * channels
            out[:, t, k] += x[:, place, first + c] * layer.W[j, c, k]
    return out


def conv_transpose2d(layer, x):
    out = np.zeros((len(x), *layer.out_dims[1:]))
    for image, kernel, place in each_product(layer, *out.shape[1:3], x.shape[3], layer.num_filters):
        out[:, *image] += x[:, *place] * layer.W[kernel]
    return out


def each_window(reduce):
    """Pooling, window by window, from the part of the image that each lies on."""

    def pool(layer, x):
        out = np.zeros((len(x), *layer.out_dims[1:]))
        padding = pairs(layer.padding)[0]
        (top, _), (left, _) = map(before_and_out, x.shape[1:3], layer.size, layer.stride, padding)
        for n, i, j, c in np.ndindex(out.shape):
            row, column = i * layer.stride[0] - top, j * layer.stride[1] - left
            rows = slice(max(row, 0), row + layer.size[0])
            out[n, i, j, c] = reduce(x[n, rows, max(column, 0) : column + layer.size[1], c])
        return out

    return pool


def group_normalize(layer, x):
    size = x.shape[-1] // layer.num_groups
    out = np.zeros_like(x)
    for n, g in np.ndindex(len(x), layer.num_groups):
        part = x[n, ..., g * size : (g + 1) * size]
        out[n, ..., g * size : (g + 1) * size] = (part - np.mean(part)) / math.sqrt(np.var(part) + layer.epsilon)
    return out


def random_places(layer, num_data, first_limit, second_limit):
    """The numbers of an augmentation's first pass, in Python's own arithmetic."""
    words = [int(word) for word in random_words(layer.seed, layer.stream, 0, 2 * num_data)]
    return [(words[2 * n] * first_limit // 2**32, words[2 * n + 1] * second_limit // 2**32) for n in range(num_data)]


def random_shift(layer, x):
    out = np.zeros_like(x)
    for n, (first, second) in enumerate(random_places(layer, len(x), *(2 * layer.pixels + 1,) * 2)):
        dy, dx = first - layer.pixels, second - layer.pixels
        for i, j in np.ndindex(x.shape[1:3]):
            if 0 <= i + dy < x.shape[1] and 0 <= j + dx < x.shape[2]:
                out[n, i, j] = x[n, i + dy, j + dx]
    return out


def random_flip(layer, x):
    words = random_words(layer.seed, layer.stream, 0, len(x))
    return np.array(
        [image[:, ::-1] if int(w) < layer.rate * 2**32 else image for image, w in zip(x, words, strict=True)]
    )


def random_crop(layer, x):
    h, w = layer.size
    places = random_places(layer, len(x), x.shape[1] - h + 1, x.shape[2] - w + 1)
    return np.array([image[i : i + h, j : j + w] for image, (i, j) in zip(x, places, strict=True)])


def cutout(layer, x):
    out = x.copy()
    for image, (row, column) in zip(out, random_places(layer, len(x), *x.shape[1:3]), strict=True):
        for i, j in itertools.product(range(layer.size), repeat=2):
            place = row - layer.size // 2 + i, column - layer.size // 2 + j
            if all(0 <= p < length for p, length in zip(place, image.shape, strict=False)):
                image[place] = 0
    return out


def padded(layer, x):
    out = np.full((len(x), x.shape[1] + 1, x.shape[2] + 2), 0.5)
    for n, i, j in np.ndindex(x.shape):
        out[n, i + 1, j] = x[n, i, j]
    return out


def parts_of(x):
    """The entries of maps for each index of the axis in the middle."""
    return [[example[:, j].ravel() for j in range(example.shape[1])] for example in x]


ORACLES = {
    "Linear": lambda layer, x: np.array(
        [[sum(a * b for a, b in zip(row, c, strict=True)) for c in layer.W.T] for row in x]
    ),
    "Bias": lambda layer, x: np.array([row + layer.W[0] for row in x]),
    "Scale": lambda layer, x: np.array([row * layer.W[0] for row in x]),
    "Relu": each(lambda v: v if v > 0 else 0.0),
    "LeakyRelu": lambda layer, x: each(lambda v: v if v > 0 else layer.slope * v)(layer, x),
    "Sigmoid": lambda layer, x: special.expit(x),
    "Tanh": each(math.tanh),
    "Gelu": each(lambda v: v * 0.5 * math.erfc(-v / math.sqrt(2))),
    "Silu": lambda layer, x: x * special.expit(x),
    "Mish": each(lambda v: v * math.tanh(math.log1p(math.exp(v)))),
    "Selu": each(selu),
    "Cos": each(math.cos),
    "SmoothClip": lambda layer, x: each(lambda v: v / math.sqrt(1 + (v / layer.limit) ** 2))(layer, x),
    "Blend": lambda layer, x, y: np.vectorize(lambda a, b, w: a * (1 - w) + b * w)(x, y, layer.W[0]),
    "LogMeanSoftmax": lambda layer, *x: np.log(np.mean([special.softmax(one, axis=-1) for one in x], axis=0)),
    "Dropout": lambda layer, x: x * layer.mask,
    "Dropout in prediction": lambda layer, x: x,
    "Normalize": normalize,
    "Normalize in prediction": lambda layer, x: (x - 0.3) / np.sqrt(1.7 + layer.epsilon),
    "LayerNormalize": layer_normalize,
    "Add": lambda layer, *x: x[0] + x[1] + x[2],
    "Multiply": lambda layer, *x: x[0] * x[1] * x[2],
    "Concat": lambda layer, *x: np.hstack(x),
    "Columns": lambda layer, x: np.array([row[1:3] for row in x]),
    "Columns of maps": lambda layer, x: np.array([[[c[1:2] for c in b] for b in a] for a in x]),
    "Flatten": lambda layer, x: np.array([example.flatten() for example in x]),
    "Reshape": lambda layer, x: np.array([example.reshape(4, 6) for example in x]),
    "Embedding": lambda layer, x: np.array([[layer.W[k] for k in row] for row in x]),
    "Rescale": each(lambda v: 0.7 * v - 0.2),
    "GroupNormalize": group_normalize,
    "Upsample2d": lambda layer, x: np.array([np.kron(image, np.ones((*layer.factor, 1))) for image in x]),
    "Pad2d": lambda layer, x: np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]),
    "Pad2d of four sizes": lambda layer, x: np.pad(x, [(0, 0), (0, 1), (2, 3), (0, 0)]),
    "Function": each(math.sin),
    "Clip": each(lambda x: sorted((-0.5, x, 0.8))[1]),
    "Combine": lambda layer, x, z: np.array([[one - b[0] for one in a] for a, b in zip(x, z, strict=True)]),
    "CombineParameter": lambda layer, x: np.array([[a / b for a, b in zip(row, layer.W, strict=True)] for row in x]),
    "CombineParameter of maps": lambda layer, x: np.stack([x[:, :, j] * layer.W[j, 0] for j in range(2)], axis=2),
    "MatrixProduct": lambda layer, x, z: np.einsum("nik,nkj->nij", x, z),
    "Transpose": lambda layer, x: np.einsum("nhwc->nchw", x),
    "Take": lambda layer, x: np.stack([x[:, i] for i in (3, 0, 3)], axis=1),
    "Take of maps": lambda layer, x: np.stack([x[:, :, i] for i in (1, 1, 0)], axis=2),
    "Pad": padded,
    "Reduce": lambda layer, x: np.array([[math.log(sum(map(math.exp, part))) for part in e] for e in parts_of(x)]),
    "Reduce and keep axes": lambda layer, x: np.array([[sum(part) / 12 for part in e] for e in parts_of(x)])[
        :, None, :, None
    ],
    "LogSoftmax": lambda layer, x: x - np.log(np.exp(x).sum((1, 3), keepdims=True)),
    "MaxPool2d": each_window(np.max),
    "AvgPool2d": each_window(np.mean),
    "GlobalAvgPool2d": lambda layer, x: np.array([[channel.mean() for channel in image.T] for image in x]),
    "RandomShift": random_shift,
    "RandomShift in prediction": lambda layer, x: x,
    "RandomFlip": random_flip,
    "RandomFlip in prediction": lambda layer, x: x,
    "RandomCrop": random_crop,
    "RandomCrop in prediction": lambda layer, x: x[:, 1:3, 1:4],
    "Cutout": cutout,
    "Cutout in prediction": lambda layer, x: x,
    "Conv2d": conv2d,
    "Conv1d": conv1d,
    "ConvTranspose2d": conv_transpose2d,
}


def inputs_of(layer):
    return [feeder.data for feeder in layer.in_layers]


def set_inputs(layer, arrays):
    for feeder, array in zip(layer.in_layers, arrays, strict=True):
        feeder.data = array


def run(layer):
    """Return the output, the gradient for W and those for the inputs, as of a fresh layer."""
    if hasattr(layer, "step"):
        layer.step = 0
    out = layer.forward()
    dwnstrm = np.random.default_rng(1).standard_normal(np.shape(out)).astype(np.asarray(out).dtype)
    layer.backward(dwnstrm)
    return [out, layer.G if layer.has_parameters else None, layer.pass_back]


def assert_same(a, b, **tolerance):
    for x, y in zip(a, b, strict=True):
        if isinstance(x, tuple):
            assert_same(x, y, **tolerance)
        elif x is None:
            assert y is None
        else:
            np.testing.assert_allclose(x, y, **({"rtol": 1e-12, "atol": 1e-13} | tolerance))


def test_every_layer_and_loss_is_in_the_list_of_cases():
    public = [cls for cls in vars(layers).values() if inspect.isclass(cls) and issubclass(cls, Layer)]
    covered = {type(make()) for make in LAYER_CASES.values()}
    assert {cls for cls in public if cls not in (Layer, Data)} == covered
    public_losses = {cls for cls in vars(losses).values() if inspect.isclass(cls) and issubclass(cls, Loss)}
    assert public_losses - {Loss} == {type(make()) for make in LOSS_CASES.values()}
    assert all(getattr(ps, cls.__name__) is cls for cls in public)


@pytest.mark.parametrize("case", LAYER_CASES)
def test_forward_is_what_an_independent_computation_gives(case):
    layer = LAYER_CASES[case]()
    out = layer.forward()
    oracle = ORACLES.get(case) or ORACLES[case.split()[0]]  # the oracle of the class, where a case has none of its own
    expected = oracle(layer, *inputs_of(layer))
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-14)
    assert out.shape[1:] == tuple(layer.out_dims)[1:]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gradients_are_right_to_1e_7(case, seed):
    report = check(CASES[case](), tol=1e-7, seed=seed)
    assert report.passed, str(report)


@pytest.mark.parametrize("case", CASES)
def test_repeated_passes_give_the_same(case):
    layer = CASES[case]()
    assert_same(run(layer), run(layer), rtol=0, atol=0)


@pytest.mark.parametrize("case", CASES)
def test_inputs_are_left_as_they_were(case):
    layer = CASES[case]()
    before = [array.copy() for array in inputs_of(layer)]
    for array in inputs_of(layer):
        array.flags.writeable = False
    run(layer)
    for array, expected in zip(inputs_of(layer), before, strict=True):
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("layout", ["fortran", "sliced", "reversed", "big-endian"])
def test_other_memory_layouts_give_the_same(case, layout):
    layer = CASES[case]()
    expected = run(layer)
    change = {
        "fortran": np.asfortranarray,
        "sliced": lambda a: np.repeat(a, 2, axis=0)[::2],
        "reversed": lambda a: a[::-1].copy()[::-1],
        "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    }[layout]
    set_inputs(layer, [change(array) for array in inputs_of(layer)])
    assert_same(run(layer), expected)


@pytest.mark.parametrize("case", CASES)
def test_arithmetic_is_in_the_dtype_of_the_input(case):
    layer = CASES[case]()
    exact = run(layer)
    set_inputs(layer, [a.astype(np.float32) if a.dtype.kind == "f" else a for a in inputs_of(layer)])
    out, _, handed_back = run(layer)
    if not isinstance(layer, (Loss, layers.Embedding)):
        assert out.dtype == np.float32
        parts = handed_back if isinstance(handed_back, tuple) else (handed_back,)
        assert all(part is None or part.dtype == np.float32 for part in parts)
    np.testing.assert_allclose(out, exact[0], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("case", LAYER_CASES)
def test_a_batch_may_have_one_row_or_none(case):
    layer = LAYER_CASES[case]()
    arrays = inputs_of(layer)
    for count in (1, 0):
        set_inputs(layer, [array[:count] for array in arrays])
        if case.startswith("Normalize") and layer.training and count == 0:
            continue  # a mean over no rows is not defined
        out, gradient, _ = run(layer)
        assert out.shape == (count, *layer.out_dims[1:])
        assert np.isfinite(out).all()
        if count == 0 and gradient is not None:
            np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("case", LOSS_CASES)
def test_a_loss_takes_one_row_and_refuses_none(case):
    loss = LOSS_CASES[case]()
    x, labels = loss.in_layer.data, np.asarray(loss.labels)
    loss.in_layer.data = x[:1]
    loss.set_labels(labels[:1])
    assert np.isfinite(loss.forward())
    loss.in_layer.data = x[:0]
    loss.set_labels(labels[:0])
    with pytest.raises(ps.ShapeError, match="the batch is empty"):
        loss.forward()


@pytest.mark.parametrize("case", CASES)
def test_copies_and_pickles_compute_the_same(case):
    layer = CASES[case]()
    expected = run(layer)
    labels = getattr(layer, "labels", None), getattr(layer, "sample_weight", None)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        if isinstance(layer, Loss):
            other.set_labels(*labels)
        assert_same(run(other), expected, rtol=0, atol=0)


@pytest.mark.parametrize("case", CASES)
def test_a_layer_is_made_again_from_its_config(case):
    layer = CASES[case]()
    again = type(layer)(*layer.in_layers, **layer.config)
    assert again.config == layer.config
    assert repr(again) == repr(layer)
    assert tuple(again.out_dims) == tuple(layer.out_dims)


@pytest.mark.parametrize("case", ["Relu", "LeakyRelu", "Sigmoid", "Tanh", "Gelu", "Silu", "Mish", "Selu", "SmoothClip"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations_of_huge_values_are_finite_without_warnings(case, dtype):
    x = np.array([[-1e30, -1e4, -100.0, -0.0, 0.0, 1e-300, 100.0, 1e4, 1e30]], dtype=dtype)
    layer = getattr(ps, case)(Data(x))
    out = layer.forward()
    layer.backward(np.ones_like(x))
    assert np.isfinite(out).all()
    assert np.isfinite(layer.pass_back).all()
    assert check(getattr(ps, case)(Data(np.array([[-30.0, -5.0, 5.0, 30.0]])))).passed


@given(rows=st.integers(1, 65), features=st.integers(1, 65), outputs=st.integers(1, 65), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_dense_block_of_any_shape_is_its_formula(rows, features, outputs, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, features))
    layer = ps.dense(Data(x), outputs)
    linear, bias = layer.in_layer.in_layer, layer.in_layer
    bias.W[:] = rng.standard_normal(bias.W.shape)
    out = layer.forward()
    np.testing.assert_allclose(out, np.maximum(x @ linear.W + bias.W, 0), rtol=1e-12)
    dwnstrm = rng.standard_normal(out.shape)
    layer.backward(dwnstrm)
    masked = dwnstrm * (out > 0)
    np.testing.assert_allclose(linear.G, x.T @ masked, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(bias.G, masked.sum(0, keepdims=True), rtol=1e-9, atol=1e-12)
