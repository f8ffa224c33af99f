import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pysmorch as ps
from pysmorch import Classifier, Regressor
from pysmorch.encoders import ColumnError
from pysmorch.encoders.cells import Cells, as_table
from pysmorch.encoders.table import TableEncoder

INPUT = pd.DataFrame({"size": np.random.default_rng(0).standard_normal(40), "town": ["Ulm", "Bath"] * 20})
RNG = np.random.default_rng(0)
N = 240
SIZE = RNG.normal(50, 10, N)
TOWN = RNG.choice(["Ulm", "Bath", "Nice"], N)
GARDEN = RNG.random(N) < 0.5
Y = np.where((SIZE > 50) ^ (TOWN == "Bath"), "fast", "slow")
DATA = {"size": SIZE.tolist(), "town": TOWN.tolist(), "garden": GARDEN.tolist()}
FRAMES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


def quick(**options):
    return Classifier(**{"hidden": (16,), "epochs": 20, "random_state": 0, "preset": "fast"} | options)


def cells(frame):
    return Cells(as_table(frame))


def learn(data, weights=None, columns=None, missing=None):
    encoder = TableEncoder()
    encoder.choose(columns, missing)
    table = pa.table(data)
    encoder.learn(cells(table), weights, np.zeros(len(table), dtype=int))
    return encoder


def encode(encoder, data):
    return encoder.encode(cells(pa.table(data)))


def test_frames_of_all_libraries_give_the_same_model():
    predictions = [quick().fit(make(DATA), Y).predict_proba(make(DATA)) for make in FRAMES.values()]
    np.testing.assert_array_equal(predictions[0], predictions[1])
    np.testing.assert_array_equal(predictions[0], predictions[2])


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_missing_values_of_all_libraries_are_the_same_code(make):
    gaps = {
        "size": [None if i % 7 == 0 else v for i, v in enumerate(SIZE.tolist())],
        "town": [None if i % 5 == 0 else v for i, v in enumerate(TOWN.tolist())],
        "garden": GARDEN.tolist(),
    }
    expected = learn(gaps)
    model = quick(epochs=1).fit(make(gaps), Y)
    assert model.encoder_.columns == expected.columns
    np.testing.assert_allclose(model.encoder_.encode(cells(make(gaps))), encode(expected, gaps), rtol=1e-6)


def test_numbers_have_mean_zero_and_variance_one():
    encoded = encode(learn({"a": SIZE}), {"a": SIZE})[:, 0]
    assert abs(encoded.mean()) < 1e-6
    assert encoded.std() == pytest.approx(1)


def test_a_constant_column_is_zero_and_a_missing_number_is_the_mean():
    encoder = learn({"a": [5.0] * 10, "b": [1.0, 3.0, None, 2.0, 2.0] * 2})
    encoded = encode(encoder, {"a": [5.0] * 10, "b": [1.0, 3.0, None, 2.0, 2.0] * 2})
    np.testing.assert_array_equal(encoded[:, 0], 0)
    assert encoded[2, 1] == 0
    np.testing.assert_array_equal(encoded[:, -1], [0, 0, 1, 0, 0] * 2)


def test_a_skewed_column_is_taken_as_a_logarithm_of_either_sign():
    skewed = np.exp(RNG.normal(3, 2, 500))
    encoder = learn({"a": skewed, "b": -skewed, "c": SIZE.tolist() + [50.0] * 260})
    assert encoder.numbers.logarithm.tolist() == [True, True, False]
    encoded = encode(encoder, {"a": skewed, "b": -skewed, "c": [50.0] * 500})
    np.testing.assert_allclose(encoded[:, 0], -encoded[:, 1], atol=1e-5)


def test_intervals_between_quantiles_rise_from_zero_to_one():
    values = np.arange(1000.0)
    encoder = learn({"a": values})
    intervals = encode(encoder, {"a": values})[:, 1:]
    assert intervals.shape[1] == 5
    np.testing.assert_array_equal(intervals[0], 0)
    np.testing.assert_array_equal(intervals[-1], 1)
    assert (np.diff(intervals, axis=0) >= 0).all()
    np.testing.assert_allclose(encode(encoder, {"a": [-1e9, 1e9]})[:, 1:], [[0] * 5, [1] * 5])


@pytest.mark.parametrize(
    ("num_rows", "expected"), [(199, 0), (200, 2), (599, 2), (600, 3), (2999, 14), (3000, 30), (20_000, 32)]
)
def test_there_are_as_many_intervals_as_rows_allow(num_rows, expected):
    assert len(learn({"a": np.arange(float(num_rows))}).numbers.owner) == expected


def test_a_value_that_most_rows_share_does_not_use_up_the_intervals():
    values = np.where(np.arange(3200) % 10 == 0, np.arange(3200.0), 0.0)
    encoder = learn({"a": values})
    assert len(encoder.numbers.owner) > 20


def test_categories_have_an_indicator_each_and_unseen_ones_none():
    encoder = learn({"a": ["x", "y", "x", "y", "x"]})
    assert encoder.columns[0].values == ["x", "y"]
    np.testing.assert_array_equal(encode(encoder, {"a": ["y", "x", "new"]}), [[0, 1], [1, 0], [0, 0]])


def test_rare_categories_share_an_indicator_with_unseen_ones():
    encoder = learn({"a": ["x", "x", "once", "y", "y", None]})
    encoded = encode(encoder, {"a": ["x", "once", "new", None]})
    np.testing.assert_array_equal(encoded, [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def test_an_unseen_category_and_a_missing_value_are_predicted():
    model = quick().fit(pa.table(DATA), Y)
    assert model.predict(pa.table({"size": [60.0, None], "town": ["Oslo", None], "garden": [True, None]})).shape == (2,)


def test_text_becomes_words():
    texts = [f"flat number {i} with {'garden' if i % 2 else 'cellar'} near station" for i in range(60)]
    model = quick(learning_rate=0.05, epochs=40).fit(pl.DataFrame({"text": texts}), np.arange(60) % 2)
    assert model.encoder_.columns[0].kind == "text"
    assert "garden" in model.encoder_.columns[0].values
    assert model.predict(pl.DataFrame({"text": ["a garden", "the cellar", None]})).tolist()[:2] == [1, 0]


def test_times_booleans_and_categoricals_are_understood():
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=i) for i in range(N)]
    data = {
        "day": days,
        "moment": [datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=i) for i in range(N)],
        "garden": GARDEN.tolist(),
        "town": pd.Categorical(TOWN),
        "count": pd.array([None, *range(1, N)], dtype="Int64"),
    }
    model = quick(epochs=2).fit(pd.DataFrame(data), Y)
    kinds = {c.name: c.kind for c in model.encoder_.columns}
    assert kinds["moment"] == kinds["garden"] == kinds["count"] == "number"
    assert kinds["town"] == "category"
    polars = quick(epochs=2).fit(pl.DataFrame({"day": days}), Y)
    assert polars.encoder_.columns[0].kind == "number"


def test_a_category_of_digits_is_the_same_when_it_comes_as_numbers():
    encoder = learn({"a": ["1", "2", "1", "2"]}, columns={"a": "category"})
    expected = [[1, 0], [0, 1]]
    np.testing.assert_array_equal(encode(encoder, {"a": [1, 2]}), expected)
    np.testing.assert_array_equal(encode(encoder, {"a": [1.0, 2.0]}), expected)


def test_numbers_that_come_as_text_are_read_and_other_text_is_refused_with_its_row():
    encoder = learn({"a": [1.0, 2.0, 3.0]})
    np.testing.assert_allclose(encode(encoder, {"a": ["1", "3"]}), encode(encoder, {"a": [1.0, 3.0]}))
    with pytest.raises(ColumnError, match="column 'a' held numbers in training, but row 1 has 'many'"):
        encode(encoder, {"a": ["1", "many"]})


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("size", [*SIZE[1:].tolist(), float("inf")], f"column 'size' has an infinite value in row {N - 1}"),
    ],
)
def test_columns_that_cannot_be_used_are_named(make, column, values, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(make(DATA | {column: values}), Y)


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_other_columns_at_prediction_are_named(make):
    model = quick(epochs=1).fit(make(DATA), Y)
    with pytest.raises(ValueError, match="town"):
        model.predict(make({"size": DATA["size"], "garden": DATA["garden"]}))
    with pytest.raises((TypeError, ValueError), match="size"):
        model.predict(np.zeros((3, 3)))


def test_a_model_of_an_array_takes_a_frame_of_numbers():
    x = np.stack([SIZE, GARDEN], axis=1)
    model = quick(epochs=2).fit(x, Y)
    with pytest.warns(UserWarning, match="feature names"):
        frame = model.predict_proba(pd.DataFrame(x, columns=["a", "b"]))
    np.testing.assert_array_equal(frame, model.predict_proba(x))


def test_a_frame_with_no_rows_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        quick().fit(pa.table({"a": pa.array([], pa.float64())}), [])


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
@pytest.mark.filterwarnings("ignore:column.*nearly the target")
def test_a_model_of_a_table_is_saved_with_its_columns(make, tmp_path):
    gaps = DATA | {
        "size": [None, *DATA["size"][1:]],
        "note": ["big house by the sea", *[f"a b c {i}" for i in range(N - 1)]],
    }
    path = tmp_path / "model.safetensors"
    for model in (quick(epochs=3).fit(make(gaps), Y), Regressor(hidden=(8,), epochs=3).fit(make(gaps), SIZE)):
        model.save(path)
        again = ps.load(path)
        assert type(again) is type(model)
        assert again.encoder_.columns == model.encoder_.columns
        assert again.feature_names_in_.tolist() == list(gaps)
        assert again.get_params() == model.get_params()
        np.testing.assert_array_equal(again.predict(make(gaps)), model.predict(make(gaps)))
        again.partial_fit(make(gaps), Y if isinstance(model, Classifier) else SIZE)


def test_weighted_rows_teach_columns_like_repeated_rows():
    weights = RNG.integers(0, 3, N)
    data = {"size": np.exp(SIZE / 5), "town": TOWN}
    weighted = learn(data, weights.astype(float))
    repeated = learn({name: np.repeat(values, weights) for name, values in data.items()})
    np.testing.assert_allclose(weighted.numbers.mean, repeated.numbers.mean)
    np.testing.assert_allclose(weighted.numbers.scale, repeated.numbers.scale)
    np.testing.assert_allclose(weighted.numbers.low, repeated.numbers.low)
    assert weighted.columns == repeated.columns
