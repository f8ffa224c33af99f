import numpy as np
import pandas as pd
import pytest

import pysmorch as ps
from pysmorch import Classifier, PysmorchWarning
from pysmorch.encoders.array import ArrayEncoder
from pysmorch.encoders.cells import Cells, as_table
from pysmorch.encoders.table import TableEncoder

INPUT = np.random.default_rng(0).standard_normal((40, 3))
RNG = np.random.default_rng(0)


def learned(rows, weights=None):
    encoder = ArrayEncoder()
    encoder.learn(rows, weights, np.arange(len(rows)) % 2)
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
    model = Classifier(hidden=(4,), epochs=2, pixels=True, random_state=0).fit(images, images[:, 1] > 128)
    assert len(set(model.encoder_.numbers.mean)) == 1
    assert len(set(model.encoder_.numbers.scale)) == 1
    assert model.encoder_.numbers.mean[0] == pytest.approx(images.mean())
    assert model.encoder_.numbers.scale[0] == pytest.approx(images.std())


def test_an_array_says_how_many_columns_it_has():
    assert learned(np.zeros((3, 5))).describe() == ["columns: 5 numbers"]


def test_bytes_are_columns_like_other_integers_unless_they_are_said_to_be_pixels():
    X = RNG.integers(0, 256, (300, 3))
    learned_of = {dtype: learned(X.astype(dtype)) for dtype in (np.int64, np.uint8)}
    for name in ("mean", "scale", "low", "high"):
        np.testing.assert_array_equal(*(getattr(encoder.numbers, name) for encoder in learned_of.values()))
    np.testing.assert_array_equal(learned_of[np.uint8].encode(X.astype(np.uint8)), learned_of[np.int64].encode(X))


@pytest.mark.filterwarnings("ignore:column.*nearly the target")
def test_a_small_count_beside_bytes_keeps_its_meaning():
    X = np.column_stack([RNG.integers(0, 2, 600), RNG.integers(0, 256, (600, 2))]).astype(np.uint8)
    assert Classifier(epochs=5, random_state=0).fit(X, X[:, 0]).score(X, X[:, 0]) > 0.98


def test_a_data_frame_of_pixels_is_one_array_of_them():
    frame = pd.DataFrame(RNG.integers(0, 256, (40, 9)), columns=[f"p{i}" for i in range(9)])
    model = Classifier(hidden=(4,), epochs=2, pixels=True, random_state=0).fit(frame, frame["p1"] > 128)
    np.testing.assert_allclose(model.encoder_.numbers.mean, np.full(9, frame.to_numpy().mean()), rtol=1e-12)
    assert model.feature_names_in_.tolist() == list(frame)
    assert model.predict(frame).shape == (40,)


def test_a_missing_number_is_the_mean_with_an_indicator_as_in_data_frames():
    X = np.array([[1.0, 5.0], [np.nan, 6.0], [3.0, 7.0], [4.0, 8.0]])
    encoder = learned(X)
    # Of 1, 3 and 4: mean 8/3, variance 14/9.
    scaled = (np.array([1, 8 / 3, 3, 4]) - 8 / 3) / np.sqrt(14 / 9)
    np.testing.assert_allclose(encoder.encode(X)[:, 0], scaled, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(encoder.encode(X)[:, 2], [0, 1, 0, 0])
    of_frame = TableEncoder()
    cells = Cells(as_table(pd.DataFrame(X, columns=["a", "b"])))
    of_frame.learn(cells, None, np.arange(len(X)) % 2)
    np.testing.assert_array_equal(of_frame.encode(cells), encoder.encode(X))


def test_missing_only_in_prediction_is_the_mean():
    encoder = learned(INPUT)
    assert encoder.shape == (3,)
    np.testing.assert_array_equal(encoder.encode(np.full((1, 3), np.nan)), np.zeros((1, 3)))


def test_a_column_without_values_plays_no_part():
    X = np.column_stack([INPUT[:, 0], np.full(40, np.nan)])
    with pytest.warns(PysmorchWarning, match="column '1' is left out: no values"):
        encoder = learned(X)
    assert encoder.encode(X).shape == (40, 1)
    np.testing.assert_array_equal(encoder.encode(np.array([[0.0, 1e9]])), encoder.encode(np.array([[0.0, np.nan]])))


def test_missing_values_are_in_the_file_of_a_model(tmp_path):
    X = np.where(INPUT > 1, np.nan, INPUT)
    model = Classifier(hidden=(4,), epochs=2, random_state=0).fit(X, INPUT[:, 0] > 0)
    model.save(tmp_path / "m.safetensors")
    again = ps.load(tmp_path / "m.safetensors")
    assert again.encoder_.missing.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.encoder_.describe() == ["columns: 3 numbers, 3 may be missing"]


def test_a_value_far_outside_the_training_range_is_taken_to_be_at_its_bound():
    X = np.column_stack([np.linspace(0, 10, 400), np.where(np.arange(400) < 399, 0.0, 1e-6)])
    encoder = learned(X)
    # The range of 10 is widened by half of it.
    far, bound = np.array([[1e30, 1e12], [-1e30, -1e12]]), np.array([[15.0, 1.5e-6], [-5.0, -0.5e-6]])
    np.testing.assert_array_equal(encoder.encode(far), encoder.encode(bound))
    assert encoder.encode(np.array([[14.0, 0.0]]))[0, 0] < encoder.encode(bound)[0, 0]
    # Five rows say less about it: it is widened by four times itself.
    few = learned(np.array([[0.0], [1], [2], [3], [4]]))
    assert [bound.tolist() for bound in few.bounds] == [[-16.0], [20.0]]


def test_bounds_are_in_the_file_of_a_model(tmp_path):
    model = Classifier(hidden=(4,), epochs=1, random_state=0).fit(INPUT, INPUT[:, 0] > 0)
    model.save(tmp_path / "m.safetensors")
    again = ps.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.encoder_.bounds, model.encoder_.bounds)
    np.testing.assert_array_equal(again.predict_proba(1e9 * INPUT), model.predict_proba(1e9 * INPUT))
