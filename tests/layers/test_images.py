"""What is special about layers for images, and what they refuse."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, ShapeError
from pysmorch.layers.randomness import random_words

ROWS = Data(shape=(None, 784))
GRAY = Data(shape=(None, 28, 28))
SEQUENCES = Data(shape=(None, 10, 4))
IMAGES = Data(shape=(None, 5, 4, 6))
NOTHING = Data(shape=(None, 5, 0, 6))
X = np.random.default_rng(0).standard_normal((3, 5, 4, 6))


def one_channel(*rows):
    return Data(np.array(rows, dtype=float)[None, :, :, None])


def test_the_geometry_of_a_convolution_holds_every_size_of_it():
    layer = ps.Conv2d(Data(shape=(None, 9, 8, 4)), 6, (3, 2), stride=(2, 3), dilation=(1, 2), groups=2)
    assert layer.geometry == {
        "height": 9, "width": 8, "channels": 4, "out_height": 5, "out_width": 3, "out_channels": 6,
        "kernel_height": 3, "kernel_width": 2, "stride_height": 2, "stride_width": 3,
        "dilation_height": 1, "dilation_width": 2, "pad_top": 1, "pad_left": 0, "groups": 2,
    }  # fmt: skip
    assert ps.Relu(IMAGES).geometry == {}


def test_the_geometry_of_a_transposed_convolution_is_that_of_the_convolution_it_is_the_adjoint_of():
    layer = ps.ConvTranspose2d(Data(shape=(None, 5, 4, 6)), 3, 3, stride=2, padding=1)
    convolution = ps.Conv2d(Data(shape=layer.out_dims), 6, 3, stride=2, padding=1)
    assert layer.geometry == convolution.geometry
    assert layer.W.shape == convolution.W.shape
    assert convolution.out_dims == layer.in_dims


def test_the_geometry_of_a_sequence_is_that_of_an_image_of_height_one():
    layer = ps.Conv1d(SEQUENCES, 8, 3, stride=2, padding=1, dilation=2)
    image = ps.Conv2d(Data(shape=(None, 1, 10, 4)), 8, (1, 3), stride=(1, 2), padding=(0, 1), dilation=(1, 2))
    assert layer.geometry == image.geometry


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (ps.Upsample2d(IMAGES, (3, 2)), {"out_height": 15, "out_width": 8, "stride_height": 3, "stride_width": 2}),
        (ps.Pad2d(IMAGES, ((0, 1), (2, 3))), {"out_height": 6, "out_width": 9, "pad_top": 0, "pad_left": 2}),
    ],
)
def test_the_geometry_of_what_makes_images_larger_holds_both_sizes(layer, expected):
    assert layer.geometry == {"height": 5, "width": 4, "channels": 6, "out_channels": 6} | expected


@pytest.mark.parametrize(
    ("make", "variance"),
    [
        (lambda: ps.Conv2d(Data(shape=(None, 8, 8, 32)), 64, (3, 2), groups=2), 1 / (3 * 2 * 16)),
        (lambda: ps.Conv1d(Data(shape=(None, 8, 64)), 64, 3), 1 / (3 * 64)),
        (lambda: ps.ConvTranspose2d(Data(shape=(None, 8, 8, 64)), 32, 4, stride=(2, 1)), 2 / (4 * 4 * 64)),
    ],
)
def test_a_kernel_starts_so_that_an_entry_keeps_its_variance(make, variance):
    with ps.weights_from(0):
        assert make().W.var() == pytest.approx(variance, rel=0.1)


def test_the_first_of_equal_cells_gets_the_gradient_of_a_maximum():
    layer = ps.MaxPool2d(one_channel([1, 2, 5], [2, 2, 5]), size=2, stride=1)
    np.testing.assert_array_equal(layer.forward().ravel(), [2, 5])
    layer.backward(np.array([3.0, 7.0]).reshape(1, 1, 2, 1))
    np.testing.assert_array_equal(layer.pass_back[0, :, :, 0], [[0, 3, 7], [0, 0, 0]])


def test_cells_outside_the_image_are_no_maximum_and_do_not_count_in_a_mean():
    image = one_channel([-1, -2], [-3, -6])
    largest = ps.MaxPool2d(image, size=2, stride=1, padding=1)
    np.testing.assert_array_equal(largest.forward()[0, :, :, 0], [[-1, -1, -2], [-1, -1, -2], [-3, -3, -6]])
    mean = ps.AvgPool2d(image, size=2, stride=1, padding=1)
    np.testing.assert_array_equal(mean.forward()[0, :, :, 0], [[-1, -1.5, -2], [-2, -3, -4], [-3, -4.5, -6]])


def test_a_pooling_with_everything_in_its_window_is_global():
    np.testing.assert_allclose(
        ps.AvgPool2d(Data(X), (5, 4)).forward()[:, 0, 0], ps.GlobalAvgPool2d(Data(X)).forward(), rtol=1e-12
    )


@pytest.mark.parametrize("make", [ps.MaxPool2d, ps.AvgPool2d, ps.GlobalAvgPool2d, lambda x: ps.Rescale(x, 1)])
def test_pixels_that_are_whole_numbers_become_floating_point_ones(make):
    pixels = np.full((2, 4, 4, 3), 255, dtype=np.uint8)
    layer = make(Data(pixels))
    out = layer.forward()
    assert out.dtype.kind == "f"
    np.testing.assert_array_equal(out, 255)
    layer.backward(np.ones_like(out))
    assert layer.pass_back.shape == pixels.shape


def test_rescale_makes_float32_of_pixels_and_float64_of_large_numbers():
    assert ps.Rescale(Data(np.array([[255]], np.uint8)), 1 / 255).forward().dtype == np.float32
    assert ps.Rescale(Data(np.array([[2**40]])), 1).forward().item() == 2**40


def test_group_normalize_with_one_group_is_layer_normalize_of_flat_images():
    expected = ps.LayerNormalize(ps.Flatten(Data(X))).forward().reshape(X.shape)
    np.testing.assert_allclose(ps.GroupNormalize(Data(X), 1).forward(), expected, rtol=1e-12)


def test_dropout_of_channels_has_one_random_word_for_each_example_and_channel():
    layer = ps.Dropout(Data(X + 10), 0.4, channelwise=True)
    layer.seed, layer.stream, layer.step = 5, 3, 11
    out = layer.forward()
    words = random_words(5, 3, 11, 3 * 6)
    for n, c in np.ndindex(3, 6):
        expected = 0 if words[n * 6 + c] < round(0.4 * 2**32) else (X[n, :, :, c] + 10) / 0.6
        np.testing.assert_allclose(out[n, :, :, c], expected)
    assert layer.step == 12


def test_dropout_of_channels_is_plain_dropout_for_rows():
    plain, channels = (ps.Dropout(Data(X[:, 0, 0]), 0.4, channelwise=c) for c in (False, True))
    channels.seed = plain.seed
    np.testing.assert_array_equal(channels.forward(), plain.forward())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ps.Conv2d(ROWS, 8, 3), ShapeError, r"Conv2d needs images, shape \(N, H, W, C\), but in_layer Data\(shape=\(N, 784\)\)"),
        (lambda: ps.Conv2d(ROWS, 8, 3), ShapeError, r"returns shape \(N, 784\); Reshape\(layer, \(H, W, C\)\) makes images"),
        (lambda: ps.Conv2d(GRAY, 8, 3), ShapeError, r"Reshape\(layer, \(28, 28, 1\)\) makes images with one channel"),
        (lambda: ps.Conv2d(NOTHING, 8, 3), ShapeError, r"at least one pixel and one channel, .* shape \(N, 5, 0, 6\)"),
        (lambda: ps.Conv2d(IMAGES, 0, 3), ValueError, "num_filters must be a positive integer, but is 0"),
        (lambda: ps.Conv2d(IMAGES, 8, 0), ValueError, r"kernel_size must be a positive integer or two .* but is 0"),
        (lambda: ps.Conv2d(IMAGES, 8, (3, -1)), ValueError, r"kernel_size must be .* but is \(3, -1\)"),
        (lambda: ps.Conv2d(IMAGES, 8, (3, 3, 3)), ValueError, r"two of them, \(height, width\), but is \(3, 3, 3\)"),
        (lambda: ps.Conv2d(IMAGES, 8, 3.0), ValueError, "kernel_size must be a positive integer"),
        (lambda: ps.Conv2d(IMAGES, 8, True), ValueError, "kernel_size must be a positive integer"),
        (lambda: ps.Conv2d(IMAGES, 8, 3, stride=0), ValueError, "stride must be a positive integer"),
        (lambda: ps.Conv2d(IMAGES, 8, 3, dilation=(0, 1)), ValueError, "dilation must be a positive integer"),
        (lambda: ps.Conv2d(IMAGES, 8, 3, padding="full"), ValueError, 'padding must be "same", "valid", .* is \'full\''),
        (lambda: ps.Conv2d(IMAGES, 8, 3, padding=-1), ValueError, "padding must be an integer from 0 or two of them"),
        (lambda: ps.Conv2d(IMAGES, 8, 6, padding="valid"), ShapeError, "a window covers 6 x 6 cells, but the images"),
        (lambda: ps.Conv2d(IMAGES, 8, 3, padding=1, dilation=4), ShapeError, "covers 9 x 9 cells, .* have 7 x 6 with"),
        (lambda: ps.Conv2d(IMAGES, 8, 3, groups=4), ShapeError, r"groups = 4 must divide the 6 channels that Data"),
        (lambda: ps.Conv2d(IMAGES, 8, 3, groups=3), ValueError, "groups = 3 must divide num_filters, but that is 8"),
        (lambda: ps.Conv2d(IMAGES, 8, 3, groups=0), ValueError, "groups must be a positive integer"),
        (lambda: ps.Conv1d(IMAGES, 8, 3), ShapeError, r"Conv1d needs sequences, shape \(N, L, C\), but in_layer Data"),
        (lambda: ps.Conv1d(SEQUENCES, 8, (3, 3)), ValueError, r"kernel_size must be a positive integer, but is \(3, 3\)"),
        (lambda: ps.Conv1d(SEQUENCES, 8, 3, padding=(1, 1)), ValueError, "padding must be one number for sequences"),
        (lambda: ps.Conv1d(SEQUENCES, 8, 12, padding="valid"), ShapeError, "a window covers 1 x 12 cells, .* have 1 x 10"),
        (lambda: ps.Conv1d(SEQUENCES, 8, 3, groups=3), ShapeError, "must divide the 4 channels"),
        (lambda: ps.ConvTranspose2d(ROWS, 8, 3), ShapeError, "ConvTranspose2d needs images"),
        (lambda: ps.ConvTranspose2d(IMAGES, 8, 3, padding=4), ShapeError, "nothing is left of the output: .* 7 x 6 cells"),
        (lambda: ps.ConvTranspose2d(IMAGES, 8, 3, padding="none"), ValueError, 'padding must be "same"'),
        (lambda: ps.MaxPool2d(ROWS), ShapeError, "MaxPool2d needs images"),
        (lambda: ps.MaxPool2d(IMAGES, 5), ShapeError, "a window covers 5 x 5 cells, but .* have 5 x 4"),
        (lambda: ps.AvgPool2d(IMAGES, 0), ValueError, "AvgPool2d: size must be a positive integer"),
        (lambda: ps.AvgPool2d(IMAGES, 2, padding=2), ValueError, "padding must be smaller than the window"),
        (lambda: ps.MaxPool2d(IMAGES, (3, 1), padding=1), ValueError, r"padding is \(1, 1\) and size is \(3, 1\)"),
        (lambda: ps.GlobalAvgPool2d(SEQUENCES), ShapeError, r"GlobalAvgPool2d needs images"),
        (lambda: ps.Upsample2d(IMAGES, 0), ValueError, "factor must be a positive integer"),
        (lambda: ps.Upsample2d(ROWS), ShapeError, "Upsample2d needs images"),
        (lambda: ps.Pad2d(IMAGES, -1), ValueError, "padding must be an integer from 0"),
        (lambda: ps.Pad2d(IMAGES, (1, 2, 3)), ValueError, r"padding must be an integer from 0 .* \(1, 2, 3\)"),
        (lambda: ps.Pad2d(ROWS, 1), ShapeError, "Pad2d needs images"),
        (lambda: ps.GroupNormalize(IMAGES, 4), ShapeError, "num_groups = 4 must divide the 6 channels"),
        (lambda: ps.GroupNormalize(IMAGES, 0), ValueError, "num_groups must be a positive integer"),
        (lambda: ps.GroupNormalize(IMAGES, 2, epsilon=0), ValueError, "epsilon must be positive"),
        (lambda: ps.Dropout(Data(shape=(None,)), 0.5, channelwise=True), ShapeError, "Dropout needs a batch of features"),
        (lambda: ps.Rescale(IMAGES, np.inf), ValueError, "scale must be a finite number, but is inf"),
        (lambda: ps.Rescale(IMAGES, 1, "x"), ValueError, "shift must be a finite number, but is 'x'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_words(make, error, message):
    with pytest.raises(error, match=message):
        make()
