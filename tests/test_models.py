"""Networks for images: the known ones, and graphs of other forms, on the reference path."""

from itertools import pairwise

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, Network, ShapeError, models

MODELS = {
    name: getattr(models, name) for name in ("lenet", "resnet20", "resnet32", "resnet44", "resnet56", "mobilenet_small")
}
COLOUR = Data(shape=(None, 32, 32, 3))


def network_of(make, *arguments, loss=ps.CrossEntropy):
    with ps.weights_from(0):
        return Network(loss(make(*arguments)))


def num_parameters(network):
    return sum(W.size for W in network.parameters.values())


def blobs(count=24, size=8, channels=2):
    """Images with a bright corner, and which corner it is."""
    rng = np.random.default_rng(0)
    X, y = 0.3 * rng.standard_normal((count, size, size, channels)), rng.integers(0, 4, count)
    for image, corner in zip(X, y, strict=True):
        image[(corner // 2) * size // 2 :, (corner % 2) * size // 2 :][: size // 2, : size // 2] += 1
    return X, y


def learns(network, X, y, epochs=8):
    history = network.fit(X, y, optimizer=ps.Adam(0.01), epochs=epochs, batch_size=12, seed=0, engine="reference")
    assert history["loss"][-1] < 0.6 * history["loss"][0]


def test_lenet_has_the_parameters_that_one_counts_by_hand():
    convolutions = (3 * 3 * 1 * 32 + 32) + (3 * 3 * 32 * 64 + 64)
    dense = (7 * 7 * 64 * 128 + 128) + (128 * 10 + 10)
    assert num_parameters(network_of(models.lenet, Data(shape=(None, 28, 28, 1)), 10)) == convolutions + dense


@pytest.mark.parametrize(
    ("name", "blocks", "expected"),
    [("resnet20", 3, 272_474), ("resnet32", 5, 466_906), ("resnet44", 7, 661_338), ("resnet56", 9, 855_770)],
)
def test_a_residual_network_has_the_parameters_that_one_counts_by_hand(name, blocks, expected):
    """A convolution has 9 * in * out weights and is followed by a scale and a shift for each of its outputs.

    The paper gives 0.27, 0.46, 0.66 and 0.85 million, without the convolutions of the two shortcuts.
    """
    stem = 9 * 3 * 16 + 2 * 16
    first_stage = 2 * blocks * (9 * 16 * 16 + 2 * 16)
    other_stages = sum(
        (9 * (c // 2) * c + 2 * c) + (2 * blocks - 1) * (9 * c * c + 2 * c) + ((c // 2) * c + 2 * c) for c in (32, 64)
    )
    assert stem + first_stage + other_stages + (64 * 10 + 10) == expected
    network = network_of(MODELS[name], COLOUR, 10)
    assert num_parameters(network) == expected
    deep = [layer for layer in network.layers if isinstance(layer, (ps.Conv2d, ps.Linear))]
    shortcuts = [layer for layer in deep if isinstance(layer, ps.Conv2d) and layer.kernel_size == (1, 1)]
    assert len(shortcuts) == 2
    assert len(deep) - len(shortcuts) == int(name.removeprefix("resnet"))


def test_mobilenet_has_the_parameters_that_one_counts_by_hand():
    def block(channels, num_filters):
        wide = 4 * channels
        return channels * wide + 2 * wide + 9 * wide + 2 * wide + wide * num_filters + 2 * num_filters

    widths = (16, 16, 24, 24, 32, 32, 32, 64, 64)
    blocks = sum(block(a, b) for a, b in pairwise(widths))
    expected = (9 * 3 * 16 + 2 * 16) + blocks + (64 * 256 + 2 * 256) + (256 * 10 + 10)
    assert num_parameters(network_of(models.mobilenet_small, COLOUR, 10)) == expected


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(4, 4, 1), (9, 6, 2), (28, 28, 1)])
def test_a_model_takes_images_of_any_size(name, size):
    output = MODELS[name](Data(shape=(None, *size)), 5)
    assert output.out_dims == (None, 5)


def test_a_residual_network_halves_its_images_twice():
    shapes = [layer.out_dims[1:] for layer in network_of(models.resnet20, COLOUR, 10).layers]
    assert [shape for shape in dict.fromkeys(shapes) if len(shape) == 3] == [
        (32, 32, 3), (32, 32, 16), (16, 16, 32), (8, 8, 64),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["lenet", "resnet20", "mobilenet_small"])
def test_a_step_lowers_the_loss_of_a_model(name):
    X, y = blobs(8)
    network = network_of(MODELS[name], Data(shape=(None, 8, 8, 2)), 4)
    history = network.fit(X, y, optimizer=ps.SGD(0.02), epochs=2, batch_size=8, seed=0, engine="reference")
    assert history["loss"][1] < history["loss"][0]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(None, 784), (None, 28, 28), (None, 3, 8, 1), (None, 8, 8, 0)])
def test_a_model_refuses_what_is_no_image_or_too_small(name, shape):
    with pytest.raises(ShapeError, match=rf"{name} needs images of at least 4 x 4 pixels, .* returns shape \(N"):
        MODELS[name](Data(shape=shape), 10)


def two_branches(x):
    """Fine and coarse kernels side by side."""
    fine, coarse = ps.conv(x, 4, 3), ps.conv(x, 4, 3, dilation=2)
    return ps.dense(ps.Flatten(ps.MaxPool2d(ps.Concat(fine, coarse), 4)), 4, activation=None)


def residual_block(x):
    stem = ps.conv_norm(x, 6)
    return ps.dense(ps.Flatten(models.residual(models.residual(stem, 6), 8, stride=2)), 4, activation=None)


def with_every_pooling(x):
    layer = ps.MaxPool2d(ps.conv(x, 6), 3, stride=2, padding=1)
    layer = ps.AvgPool2d(ps.Tanh(ps.GroupNormalize(layer, 3)))
    return ps.dense(ps.Flatten(ps.Dropout(layer, 0.1, channelwise=True)), 4, activation=None)


def augmented(x):
    layer = ps.RandomShift(ps.Rescale(x, 0.5, 0.1), 1)
    layer = ps.Cutout(ps.RandomCrop(ps.Pad2d(layer, 1), 8), 2)
    return ps.dense(ps.Flatten(ps.conv(layer, 8)), 4, activation=None)


@pytest.mark.parametrize("make", [two_branches, residual_block, with_every_pooling, augmented])
def test_graphs_of_many_forms_learn_which_corner_is_bright(make):
    learns(network_of(make, Data(shape=(None, 8, 8, 2))), *blobs())


def u_shaped(larger):
    """Down to half the size and up again, with the early feature map beside the late one; one number for each pixel."""

    def make(x):
        early = ps.conv(x, 6)
        deep = ps.conv(ps.MaxPool2d(early), 8)
        late = ps.conv(ps.Concat(early, larger(deep)), 6)
        return ps.Flatten(ps.conv(late, 1, 1, activation=None))

    return make


@pytest.mark.parametrize(
    "larger",
    [lambda x: ps.Upsample2d(x), lambda x: ps.Relu(ps.Bias(ps.ConvTranspose2d(x, 6, 2, stride=2)))],
    ids=["Upsample2d", "ConvTranspose2d"],
)
def test_a_u_shaped_network_learns_where_it_is_bright(larger):
    X, _ = blobs()
    is_bright = (X.mean(-1) > 0.5).reshape(len(X), -1)
    learns(network_of(u_shaped(larger), Data(shape=(None, 8, 8, 2)), loss=ps.BinaryCrossEntropy), X, is_bright)


def test_pixels_that_are_bytes_train_like_the_same_pixels_scaled_before():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 6, 6, 1), dtype=np.uint8)
    y = np.arange(12) % 3

    def trained(rescale, X):
        network = network_of(
            lambda x: ps.dense(ps.Flatten(ps.conv(rescale(x), 3)), 3, None), Data(shape=(None, 6, 6, 1))
        )
        network.fit(X, y, epochs=2, seed=0, engine="reference", dtype="float64")
        return network.predict(X)

    scaled = trained(lambda x: x, pixels / 255)
    np.testing.assert_allclose(trained(lambda x: ps.Rescale(x, 1 / 255), pixels), scaled, rtol=1e-9)


def test_a_sequence_is_learned_by_convolutions_too():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((24, 12, 2)), rng.integers(0, 2, 24)
    X[:, :, 0] += np.where(y, 1, -1)[:, None] * np.sin(np.arange(12))
    network = network_of(
        lambda x: ps.dense(ps.Flatten(ps.Relu(ps.Bias(ps.Conv1d(x, 4, 5, stride=2)))), 2, None),
        Data(shape=(None, 12, 2)),
    )
    learns(network, X, y)


def test_the_summary_shows_shapes_parameters_and_both_ways_of_a_residual_block():
    lines = str(network_of(residual_block, Data(shape=(None, 8, 8, 2))).summary()).splitlines()
    assert [line.split() for line in lines[1:4]] == [
        ["Data1", "(N,", "8,", "8,", "2)"],
        ["Conv2d1", "(N,", "8,", "8,", "6)", str(9 * 2 * 6)],
        ["Normalize1", "(N,", "8,", "8,", "6)"],
    ]
    assert any(line.split()[:1] == ["Add2"] and line.endswith("Bias5, Bias6") for line in lines)


@pytest.mark.parametrize("make", [residual_block, with_every_pooling, augmented, u_shaped(ps.Upsample2d)])
def test_a_network_for_images_predicts_the_same_after_a_round_trip(make, tmp_path):
    X, _ = blobs()
    network = network_of(make, Data(shape=(None, 8, 8, 2)), loss=ps.SquareLoss)
    network.save(tmp_path / "model.safetensors")
    again = ps.load(tmp_path / "model.safetensors")
    assert [layer.config for layer in again.layers] == [layer.config for layer in network.layers]
    np.testing.assert_array_equal(again.predict(X), network.predict(X))


def test_a_convolutional_block_starts_like_a_dense_one():
    for activation, variance in ((ps.Relu, 2 / (9 * 64)), (ps.Tanh, 1 / (9 * 64)), (None, 1 / (9 * 64))):
        with ps.weights_from(0):
            block = ps.conv(Data(shape=(None, 8, 8, 64)), 64, activation=activation)
        bias = block if activation is None else block.in_layer
        assert bias.in_layer.W.var() == pytest.approx(variance, rel=0.05)
        assert not bias.W.any()
        assert (bias.decay_factor, bias.in_layer.decay_factor) == (0, 1)


def test_a_normalised_block_needs_an_odd_kernel():
    with pytest.raises(ValueError, match="conv_norm: kernel_size must be an odd number, but is 2"):
        ps.conv_norm(COLOUR, 8, 2)


def test_models_are_reached_by_name_from_the_package():
    assert ps.models is models
