import numpy as np
import pytest

from pysmorch.encoders import numbers, quantiles
from pysmorch.encoders.numbers import Numbers
from pysmorch.engine import intervals, scaling

RNG = np.random.default_rng(0)
LEARNED = ("mean", "scale", "logarithm", "low", "high", "owner")


def table(num_rows=4000):
    X = RNG.standard_normal((num_rows, 5))
    X[:, 1] = np.exp(3 * X[:, 1])
    X[:, 2] = np.round(X[:, 2])
    X[:, 3] = 7.0
    X[RNG.random(X.shape) < 0.05] = np.nan
    return X


def encoded(learned, X):
    out = np.full((len(X), learned.width), np.nan, np.float32)
    learned.encode(X, out)
    return out


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint16, np.int64, bool])
def test_every_dtype_is_learned_and_encoded_as_in_float64(dtype):
    X = (3 * RNG.standard_normal((1000, 4)) + 5).clip(0, 99).astype(dtype)
    of_dtype, of_float64 = Numbers.learn(X, None), Numbers.learn(X.astype(np.float64), None)
    for name in LEARNED:
        np.testing.assert_array_equal(getattr(of_dtype, name), getattr(of_float64, name))
    np.testing.assert_array_equal(encoded(of_dtype, X), encoded(of_float64, X.astype(np.float64)))


def test_rows_are_encoded_alike_in_blocks_of_any_size_and_alone(monkeypatch):
    X = table()
    learned = Numbers.learn(X, None)
    whole = encoded(learned, X)
    assert not np.isnan(whole).any()
    for entries in (1, 35, 1000):
        monkeypatch.setattr(numbers, "ENTRIES_AT_A_TIME", entries)
        np.testing.assert_array_equal(encoded(learned, X), whole)
    np.testing.assert_array_equal(np.concatenate([encoded(learned, X[i : i + 1]) for i in range(50)]), whole[:50])
    np.testing.assert_array_equal(encoded(learned, np.asfortranarray(X)), whole)


def test_sums_in_blocks_are_the_sums_of_all_rows(monkeypatch):
    X, weights = table(), RNG.random(4000)
    whole = Numbers.learn(X, weights)
    monkeypatch.setattr(numbers, "ONE_SUM_UP_TO", 0)
    monkeypatch.setattr(numbers, "ENTRIES_AT_A_TIME", 999)
    in_blocks = Numbers.learn(X, weights)
    for name in LEARNED:
        np.testing.assert_allclose(getattr(in_blocks, name), getattr(whole, name), rtol=1e-12, atol=1e-12)
    assert whole.logarithm.tolist() == [False, True, False, False, False]


@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_end_at_the_weighted_quantiles_of_numpy(weighted):
    values, weights = RNG.standard_normal(3200), RNG.random(3200) + 0.5
    learned = Numbers.learn(values[:, None], weights if weighted else None)
    assert len(learned.low) == (31 if weights.sum() < 3200 and weighted else 32)
    shares = np.linspace(0, 1, len(learned.low) + 1)
    w = weights if weighted else np.ones(3200)
    expected = np.quantile(values, shares, weights=w, method="inverted_cdf")
    np.testing.assert_array_equal(np.append(learned.low, learned.high[-1]), expected)


def test_positions_are_the_same_natively_and_in_numpy(monkeypatch):
    X = table()
    learned = Numbers.learn(X, None)
    ends = np.unique(np.concatenate([learned.low, learned.high]))[:, None] * np.ones(5)
    rows = np.concatenate([X, ends, np.nextafter(ends, np.inf), np.nextafter(ends, -np.inf), [[1e30] * 5, [-1e30] * 5]])
    native = encoded(learned, rows)
    monkeypatch.setattr(intervals, "extension", lambda: None)
    np.testing.assert_array_equal(native, encoded(learned, rows))


def test_intervals_in_any_order_have_their_positions(monkeypatch):
    low, high = np.array([2.0, 0.0, 0.0]), np.array([4.0, 4.0, 1.0])
    learned = Numbers(np.zeros(1), np.ones(1), np.zeros(1, bool), low, high, np.zeros(3, np.int64))
    rows = np.array([[-1.0], [1.0], [3.0], [5.0], [np.nan]])
    expected = [[0, 0, 0], [0, 0.25, 1], [0.5, 0.75, 1], [1, 1, 1], [0, 0, 0]]
    np.testing.assert_array_equal(encoded(learned, rows)[:, 1:], expected)
    monkeypatch.setattr(intervals, "extension", lambda: None)
    np.testing.assert_array_equal(encoded(learned, rows)[:, 1:], expected)


@pytest.mark.parametrize("num_columns", [1, 3, 8, 50])
@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("skewed", [False, True])
def test_numbers_are_scaled_the_same_natively_and_in_numpy(monkeypatch, num_columns, bounded, skewed):
    X = 3 * RNG.standard_normal((500, num_columns)) + 5
    X[:, ::2] = np.exp(X[:, ::2]) if skewed else X[:, ::2]
    learned = Numbers.learn(X, None)
    assert learned.logarithm.any() == skewed
    learned.low = learned.high = np.zeros(0)
    learned.owner = np.zeros(0, np.int64)
    X = np.concatenate([X, [[value] * num_columns for value in (np.nan, np.inf, -np.inf, 1e300, -1e300, -0.0)]])
    bounds = (np.full(num_columns, 1.5), np.full(num_columns, 9.25)) if bounded else None
    found = []
    for extension in (scaling.extension, lambda: None):
        monkeypatch.setattr(scaling, "extension", extension)
        out = np.full((len(X), num_columns + 2), 7.0, np.float32)
        learned.encode(X, out, bounds)
        found.append(out)
    np.testing.assert_array_equal(*found)
    assert (found[0][:, num_columns:] == 7).all()
    assert (found[0][500, :num_columns] == 0).all()


@pytest.mark.parametrize("columns", [None, np.array([0, 2])])
@pytest.mark.parametrize("largest", [1e160, 1e110, 1e-110, 1e-200])
@pytest.mark.parametrize("skewed", [False, True])
def test_numbers_whose_squares_or_cubes_are_no_float64_are_scaled_beside_others(largest, columns, skewed):
    values = np.linspace(-1, 1, 90) if not skewed else np.exp(np.linspace(0, 9, 90)) / 8000
    X = np.column_stack([largest * values, np.ones(90), np.linspace(0, 1, 90)])
    learned = Numbers.learn(X, None, columns)
    # A logarithm makes numbers below 1 no less skewed.
    assert learned.logarithm[0] == (skewed and largest > 1)
    scaled = np.zeros((90, learned.width), dtype=np.float32)
    learned.encode(X, scaled, columns=columns)
    np.testing.assert_allclose(scaled[:, [0, -1]].std(0), 1, rtol=1e-5)


@pytest.mark.parametrize("num_intervals", [2, 3, 7, 31, 32])
def test_quantiles_of_values_that_come_once_are_those_of_their_shares(num_intervals):
    for count in [*range(200, 1000, 7), 12_345, 1_000_003]:
        values = np.arange(float(count))
        expected = quantiles._quantiles(values, np.ones(count), num_intervals)
        np.testing.assert_array_equal(values[quantiles._ranks(count, num_intervals)], expected)
