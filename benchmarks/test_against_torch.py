"""The layers for images on the reference path against PyTorch, in float64: outputs, gradients, running statistics.

    pytest benchmarks

PyTorch has the channels of images first, (N, C, H, W), and those of filters too, (K, C, KH, KW).
"""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.layers.graph import graph

torch = pytest.importorskip("torch")
F = torch.nn.functional


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def to_torch(array, order):
    return torch.from_numpy(np.ascontiguousarray(array.transpose(order))).requires_grad_()


def images_to_torch(x):
    return to_torch(x, (0, 3, 1, 2))


def images_from_torch(x):
    return x.detach().numpy().transpose(0, 2, 3, 1)


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def compare(layer, x, expected):
    """Compare the outputs of a layer with PyTorch's, and the gradients of its inputs for a random gradient of them."""
    same(layer.forward(), images_from_torch(expected))
    dwnstrm = numbers(*layer.out_array.shape, seed=1)
    layer.backward(dwnstrm)
    expected.backward(images_to_torch(dwnstrm))
    first = graph(layer)[1]
    same(first.pass_back, images_from_torch(x.grad))


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def sides(size, out, kernel, stride, padding, dilation=1):
    """Return the cells to add on the left, on the right, above and below; where there are more below, as much as "same" has it."""
    if padding == "valid":
        return 0, 0, 0, 0
    if padding != "same":
        top, left = pair(padding)
        return left, left, top, top
    lengths = zip(size, out, pair(kernel), pair(stride), pair(dilation), strict=True)
    (top, bottom), (left, right) = (
        (total // 2, total - total // 2)
        for total in (max((o - 1) * s + (k - 1) * d + 1 - n, 0) for n, o, k, s, d in lengths)
    )
    return left, right, top, bottom


PADDINGS = ["same", "valid", 1, (0, 2)]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    ("height", "width", "channels", "filters", "kernel", "stride", "dilation", "groups"),
    [
        (7, 9, 3, 4, 3, 1, 1, 1),
        (8, 8, 2, 6, 3, 2, 1, 2),
        (9, 6, 4, 4, (1, 3), 1, 1, 4),
        (6, 11, 1, 3, (4, 2), (2, 3), 1, 1),
        (9, 9, 2, 2, 3, 1, 2, 1),
        (10, 8, 6, 9, (2, 3), (3, 1), (2, 1), 3),
        (5, 5, 3, 2, 1, 2, 1, 1),
        (5, 5, 1, 1, 5, 1, 1, 1),
    ],
)
def test_convolutions(height, width, channels, filters, kernel, stride, dilation, groups, padding):
    x = numbers(2, height, width, channels)
    layer = ps.Conv2d(ps.Data(x), filters, kernel, stride, padding, dilation, groups)
    X, W = images_to_torch(x), to_torch(layer.W, (3, 2, 0, 1))
    padded = F.pad(X, sides((height, width), layer.out_dims[1:3], kernel, stride, padding, dilation))
    compare(layer, X, F.conv2d(padded, W, stride=stride, dilation=dilation, groups=groups))
    same(layer.G, W.grad.numpy().transpose(2, 3, 1, 0))


@pytest.mark.parametrize("padding", ["same", "valid", 1])
@pytest.mark.parametrize(
    ("length", "channels", "filters", "kernel", "stride", "dilation", "groups"),
    [(9, 3, 4, 3, 1, 1, 1), (10, 4, 6, 4, 3, 1, 2), (12, 2, 2, 3, 2, 2, 2)],
)
def test_convolutions_of_sequences(length, channels, filters, kernel, stride, dilation, groups, padding):
    x = numbers(2, length, channels)
    layer = ps.Conv1d(ps.Data(x), filters, kernel, stride, padding, dilation, groups)
    X, W = to_torch(x, (0, 2, 1)), to_torch(layer.W, (2, 1, 0))
    beside = (0, padding) if padding == 1 else padding
    added = sides((1, length), (1, layer.out_dims[1]), (1, kernel), (1, stride), beside, (1, dilation))
    expected = F.conv1d(F.pad(X, added[:2]), W, stride=stride, dilation=dilation, groups=groups)
    same(layer.forward(), expected.detach().numpy().transpose(0, 2, 1))
    dwnstrm = numbers(*layer.out_array.shape, seed=1)
    layer.backward(dwnstrm)
    expected.backward(to_torch(dwnstrm, (0, 2, 1)))
    same(layer.pass_back, X.grad.numpy().transpose(0, 2, 1))
    same(layer.G, W.grad.numpy().transpose(2, 1, 0))


@pytest.mark.parametrize("padding", ["same", "valid", 1])
@pytest.mark.parametrize(
    ("height", "width", "channels", "filters", "kernel", "stride", "dilation"),
    [
        (4, 5, 3, 2, 2, 2, 1),
        (5, 4, 2, 3, 3, 2, 1),
        (3, 6, 1, 4, (4, 3), (2, 1), 1),
        (6, 6, 2, 2, 3, 1, 2),
        (4, 4, 3, 1, 2, 3, 1),
    ],
)
def test_transposed_convolutions(height, width, channels, filters, kernel, stride, dilation, padding):
    x = numbers(2, height, width, channels)
    layer = ps.ConvTranspose2d(ps.Data(x), filters, kernel, stride, padding, dilation)
    X, W = images_to_torch(x), to_torch(layer.W, (3, 2, 0, 1))
    out = layer.out_dims[1:3]
    everything = F.conv_transpose2d(X, W, stride=stride, dilation=dilation)
    left, right, top, bottom = sides(out, (height, width), kernel, stride, padding, dilation)
    right, bottom = (out[1] + left - everything.shape[3], out[0] + top - everything.shape[2])
    compare(layer, X, F.pad(everything, (-left, right, -top, bottom)))
    same(layer.G, W.grad.numpy().transpose(2, 3, 1, 0))


POOLS = [(8, 8, 3, 2, None), (7, 9, 2, 3, 2), (9, 7, 4, (2, 3), (1, 2)), (6, 6, 1, 3, 1), (5, 8, 2, (5, 2), 3)]


@pytest.mark.parametrize("padding", PADDINGS[:3])
@pytest.mark.parametrize(("height", "width", "channels", "size", "stride"), POOLS)
@pytest.mark.parametrize("ties", [False, True])
def test_the_largest_of_windows(height, width, channels, size, stride, padding, ties):
    x = numbers(3, height, width, channels)
    x = np.maximum(np.round(x), 0) if ties else x
    layer = ps.MaxPool2d(ps.Data(x), size, stride, padding)
    X, stride = images_to_torch(x), stride or size
    padded = F.pad(X, sides((height, width), layer.out_dims[1:3], size, stride, padding), value=-np.inf)
    compare(layer, X, F.max_pool2d(padded, size, stride))


@pytest.mark.parametrize("padding", PADDINGS[:3])
@pytest.mark.parametrize(("height", "width", "channels", "size", "stride"), POOLS)
def test_means_of_windows(height, width, channels, size, stride, padding):
    x = numbers(3, height, width, channels)
    layer = ps.AvgPool2d(ps.Data(x), size, stride, padding)
    X, stride = images_to_torch(x), stride or size
    added = sides((height, width), layer.out_dims[1:3], size, stride, padding)
    sums, counts = (F.avg_pool2d(F.pad(a, added), size, stride) for a in (X, torch.ones_like(X)))
    compare(layer, X, sums / counts)


@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (1, 7, 7, 3)])
def test_means_of_images(shape):
    x = numbers(*shape)
    X = images_to_torch(x)
    layer = ps.GlobalAvgPool2d(ps.Data(x))
    compare(ps.Reshape(layer, (1, 1, shape[-1])), X, F.adaptive_avg_pool2d(X, 1))


@pytest.mark.parametrize("factor", [2, (1, 3)])
def test_enlarged_images(factor):
    x = numbers(2, 3, 4, 2)
    X = images_to_torch(x)
    compare(ps.Upsample2d(ps.Data(x), factor), X, F.interpolate(X, scale_factor=tuple(map(float, pair(factor)))))


def scale_and_bias(last):
    """Give Scale and Bias at the end of a norm random values, and return them and their values for PyTorch."""
    bias, scale = last, last.in_layer
    for seed, layer in enumerate((scale, bias)):
        layer.W = numbers(*layer.W.shape, seed=seed + 2)
    return scale, bias, to_torch(scale.W[0], (0,)), to_torch(bias.W[0], (0,))


@pytest.mark.parametrize("shape", [(5, 4, 3, 6), (2, 1, 1, 3), (1, 8, 8, 2)])
def test_batch_norm(shape):
    x = 3 * numbers(*shape) + 2
    data = ps.Data(x)
    last = ps.batch_norm(data)
    scale, bias, s, b = scale_and_bias(last)
    X = images_to_torch(x)
    mean, variance = torch.zeros(shape[-1], dtype=torch.float64), torch.ones(shape[-1], dtype=torch.float64)
    compare(last, X, F.batch_norm(X, mean, variance, s, b, training=True))
    same(scale.G[0], s.grad.numpy())
    same(bias.G[0], b.grad.numpy())
    normalize = scale.in_layer
    same(normalize.running_mean, mean.numpy())
    same(normalize.running_var, variance.numpy())
    normalize.training = False
    X = images_to_torch(x)
    compare(last, X, F.batch_norm(X, mean, variance, s, b))


@pytest.mark.parametrize(("shape", "groups"), [((3, 4, 5, 6), 3), ((2, 3, 3, 4), 1), ((1, 6, 2, 4), 4)])
def test_group_norm(shape, groups):
    x = 3 * numbers(*shape) + 2
    last = ps.Bias(ps.Scale(ps.GroupNormalize(ps.Data(x), groups)))
    scale, bias, s, b = scale_and_bias(last)
    X = images_to_torch(x)
    compare(last, X, F.group_norm(X, groups, s, b))
    same(scale.G[0], s.grad.numpy())
    same(bias.G[0], b.grad.numpy())
