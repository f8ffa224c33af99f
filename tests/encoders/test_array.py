import numpy as np
import pytest

from pysmorch import Classifier
from pysmorch.encoders.array import ArrayEncoder

INPUT = np.random.default_rng(0).standard_normal((40, 3))
RNG = np.random.default_rng(0)


def learned(rows, weights=None):
    encoder = ArrayEncoder()
    encoder.learn(rows, weights)
    return encoder


def test_columns_have_mean_zero_and_variance_one_of_whatever_dtype():
    X = RNG.integers(-50, 50, (90, 2))
    for dtype in (np.int64, np.float32, np.float64):
        encoded = learned(X.astype(dtype)).encode(X.astype(dtype))
        assert encoded.dtype == np.float32
        assert encoded.shape == (90, 2)
        np.testing.assert_allclose(encoded.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(encoded.std(0), 1, rtol=1e-6)


def test_weighted_rows_are_repeated_rows():
    X, weights = RNG.standard_normal((300, 3)), RNG.integers(0, 4, 300)
    weighted, repeated = learned(X, weights.astype(float)).numbers, learned(np.repeat(X, weights, axis=0)).numbers
    for name in ("mean", "scale", "low", "high"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-12, atol=1e-12)


def test_pixels_share_one_scale():
    images = RNG.integers(0, 256, (40, 9), dtype=np.uint8)
    images[:, 0] = 7
    model = Classifier(hidden=(4,), epochs=2, random_state=0).fit(images, images[:, 1] > 128)
    assert len(set(model.encoder_.numbers.mean)) == 1
    assert len(set(model.encoder_.numbers.scale)) == 1
    assert model.encoder_.numbers.mean[0] == pytest.approx(images.mean())
    assert model.encoder_.numbers.scale[0] == pytest.approx(images.std())


def test_an_array_says_how_many_columns_it_has():
    assert learned(np.zeros((3, 5))).describe() == ["columns: 5 numbers"]
