"""The random layers for images: what they draw, and when."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, ShapeError

IMAGES = Data(shape=(None, 5, 4, 3))
X = np.random.default_rng(0).standard_normal((6, 5, 4, 3))
NUMBERED = np.arange(1.0, 21.0).reshape(1, 5, 4, 1)
"""An image that shows where each of its pixels came from."""

LAYERS = {
    "RandomShift": lambda x: ps.RandomShift(x, 2),
    "RandomFlip": lambda x: ps.RandomFlip(x, 0.3),
    "RandomCrop": lambda x: ps.RandomCrop(x, (3, 2)),
    "Cutout": lambda x: ps.Cutout(x, 3),
}


def at(layer, seed, stream, step):
    layer.seed, layer.stream, layer.step = seed, stream, step
    return layer.forward()


@pytest.mark.parametrize("name", LAYERS)
def test_the_random_numbers_depend_on_seed_stream_and_step_alone(name):
    layer = LAYERS[name](Data(np.repeat(X, 20, axis=0)))
    out = at(layer, 5, 3, 11)
    assert layer.step == 12
    for other in ((6, 3, 11), (5, 4, 11), (5, 3, 12)):
        assert not np.array_equal(at(layer, *other), out)
    np.testing.assert_array_equal(at(layer, 5, 3, 11), out)


@pytest.mark.parametrize("name", LAYERS)
def test_prediction_draws_no_numbers(name):
    layer = LAYERS[name](Data(X))
    layer.training = False
    first = layer.forward()
    assert layer.step == 0
    np.testing.assert_array_equal(layer.forward(), first)


@pytest.mark.parametrize("name", LAYERS)
def test_two_fits_with_one_seed_see_the_same_images(name):
    def trained(seed):
        with ps.weights_from(0):
            layer = LAYERS[name](Data(shape=(None, 5, 4, 3)))
            network = ps.Network(ps.SquareLoss(ps.Linear(ps.Flatten(layer), 1)))
        network.fit(np.repeat(X, 4, axis=0), np.ones(24), epochs=2, seed=seed, batch_size=8)
        return network.parameters["Linear1"]

    np.testing.assert_array_equal(trained(1), trained(1))
    assert not np.array_equal(trained(1), trained(2))


def test_every_shift_is_drawn_about_equally_often():
    layer = ps.RandomShift(Data(np.broadcast_to(NUMBERED, (5000, 5, 4, 1))), 1)
    centres = at(layer, 0, 1, 0)[:, 2, 1, 0]
    pixels, counts = np.unique(centres, return_counts=True)
    np.testing.assert_array_equal(pixels, NUMBERED[0, 1:4, 0:3, 0].ravel())
    assert counts.min() > 0.85 * 5000 / 9
    assert counts.max() < 1.15 * 5000 / 9


def test_every_place_is_cropped_about_equally_often():
    layer = ps.RandomCrop(Data(np.broadcast_to(NUMBERED, (5000, 5, 4, 1))), (3, 2))
    corners, counts = np.unique(at(layer, 0, 1, 0)[:, 0, 0, 0], return_counts=True)
    np.testing.assert_array_equal(corners, NUMBERED[0, :3, :3, 0].ravel())
    assert counts.min() > 0.85 * 5000 / 9
    assert counts.max() < 1.15 * 5000 / 9


def test_every_pixel_is_cut_out_about_equally_often():
    layer = ps.Cutout(Data(np.ones((5000, 5, 4, 1))), 1)
    share = (at(layer, 0, 1, 0) == 0).mean(0)
    np.testing.assert_allclose(share, 1 / 20, rtol=0.3)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_images_are_flipped_at_the_rate(rate):
    layer = ps.RandomFlip(Data(np.broadcast_to(NUMBERED, (5000, 5, 4, 1))), rate)
    assert (at(layer, 0, 1, 0)[:, 0, 0, 0] == 4).mean() == pytest.approx(rate, abs=0.02 if 0 < rate < 1 else 0)


def test_a_square_of_an_even_size_begins_half_its_size_above_its_centre():
    layer = ps.Cutout(Data(np.ones((500, 5, 4, 1))), 4)
    rows = {tuple(np.flatnonzero((image == 0).any((1, 2)))) for image in at(layer, 0, 1, 0)}
    assert rows == {(0, 1), (0, 1, 2), (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4)}


@pytest.mark.parametrize("pixels", [2, 4, 5, 9])
def test_a_random_shift_is_a_random_crop_of_a_padded_image(pixels):
    shift, crop = ps.RandomShift(Data(X), pixels), ps.RandomCrop(ps.Pad2d(Data(X), pixels), (5, 4))
    np.testing.assert_array_equal(at(shift, 4, 1, 0), at(crop, 4, 1, 0))
    for layer in (shift, crop):
        layer.backward(X)
    np.testing.assert_array_equal(shift.pass_back, crop.pass_back[:, pixels : pixels + 5, pixels : pixels + 4])


def test_a_shift_by_more_than_the_image_takes_no_more_memory():
    """An image in a border of a million zeros on each side would take 2^42 values."""
    layer = ps.RandomShift(Data(X), 10**6)
    np.testing.assert_array_equal(layer.forward(), np.zeros_like(X))
    layer.backward(X)
    np.testing.assert_array_equal(layer.pass_back, np.zeros_like(X))
    layer.training = False
    np.testing.assert_array_equal(layer.forward(), X)


def test_pixels_stay_whole_numbers():
    pixels = Data(np.arange(2 * 5 * 4 * 3, dtype=np.uint8).reshape(2, 5, 4, 3))
    assert all(make(pixels).forward().dtype == np.uint8 for make in LAYERS.values())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ps.RandomShift(Data(shape=(None, 20))), ShapeError, "RandomShift needs images"),
        (lambda: ps.RandomShift(IMAGES, 0), ValueError, "pixels must be a positive integer, but is 0"),
        (lambda: ps.RandomFlip(IMAGES, 1.5), ValueError, "rate must be from 0 to 1, but is 1.5"),
        (lambda: ps.RandomCrop(IMAGES, 5), ShapeError, r"cannot cut 5 x 5 pixels out of the images of Data\(.*\), which have 5 x 4"),
        (lambda: ps.RandomCrop(IMAGES, (0, 2)), ValueError, "size must be a positive integer or two of them"),
        (lambda: ps.Cutout(IMAGES, (2, 2)), ValueError, r"size must be a positive integer, but is \(2, 2\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_words(make, error, message):
    with pytest.raises(error, match=message):
        make()
