"""Rows in the forms that Python programs have them in: each becomes the same table, with nothing lost."""

import datetime
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pysmorch import Classifier
from pysmorch.encoders import ColumnError, read_labels
from pysmorch.encoders.cells import Cells, as_table, is_table

pytestmark = pytest.mark.filterwarnings("ignore::pysmorch.PysmorchWarning")  # columns that tell the target

N = 60
Y = np.arange(N) % 2
IDS = [1234567890123456789 + i % 4 for i in range(N)]
DAYS = [datetime.datetime(2024, 1, 1) + datetime.timedelta(days=i % 7, hours=i % 24) for i in range(N)]


def fitted(X, **options):
    return Classifier(**{"hidden": (4,), "epochs": 1, "random_state": 0, "preset": "fast"} | options).fit(X, Y)


def numbers(model, X):
    return model.encoder_.read_numbers(Cells(as_table(X)))


@pytest.mark.parametrize(
    "X",
    [
        [[i, 0.5] for i in IDS],
        [(i, "x") for i in IDS],
        np.array([[i] for i in IDS], dtype=object),
        np.array([(i, 1) for i in IDS], dtype=[("a", "i8"), ("b", "f4")]),
        pa.RecordBatch.from_pydict({"a": IDS}),
        pl.DataFrame({"a": pl.Series(IDS, dtype=pl.Int128)}),
        pd.DataFrame({"a": [Decimal(i) for i in IDS]}),
    ],
    ids=["rows", "tuples", "objects", "structured", "record batch", "Int128", "Decimal"],
)
def test_integers_that_float64_does_not_hold_stay_apart(X):
    model = fitted(X)
    column = model.columns_.columns[0]
    assert column.kind == "category"
    assert sorted(column.values) == sorted({str(i) for i in IDS})
    assert len({row.tobytes() for row in model.encoder_.encode(Cells(as_table(X)))}) == 4


@pytest.mark.parametrize(
    "X",
    [
        np.array([["007", "a"], ["7", "b"]] * 30),
        np.array([[b"007", b"a"], [b"7", b"b"]] * 30),
        np.array([["007", "a"], ["7", "b"]] * 30, dtype=np.dtypes.StringDType()),
        np.array([[b"007", 1], ["7", 2]] * 30, dtype=object),
        [["007", "a"], ["7", "b"]] * 30,
        pd.DataFrame({"a": [b"007", b"7"] * 30}),
        pa.table({"a": pa.array([b"007", b"7"] * 30)}),
        pa.table({"a": pa.array([b"007", b"7"] * 30, pa.large_binary())}),
        pl.DataFrame({"a": [b"007", b"7"] * 30}),
        np.array([(b"007", 1), (b"7", 2)] * 30, dtype=[("a", "S3"), ("b", "f4")]),
    ],
    ids=lambda X: type(X).__name__,
)
def test_texts_and_bytes_are_the_same_categories_in_any_form(X):
    model = fitted(X)
    column = model.columns_.columns[0]
    assert sorted(column.values) == ["007", "7"]
    one = X.slice(0, 1) if isinstance(X, pa.Table) else X[:1]
    np.testing.assert_array_equal(model.predict_proba(one), model.predict_proba(X)[:1])


@pytest.mark.parametrize(
    ("make", "holds"),
    [
        (lambda: np.array(DAYS, "datetime64[us]")[:, None], "time"),
        (lambda: np.array(DAYS, "datetime64[h]")[:, None], "time"),
        (lambda: np.array([[day, 1] for day in DAYS], dtype=object), "time"),
        (lambda: [[day, 1.5] for day in DAYS], "time"),
        (lambda: [{"a": np.datetime64(day)} for day in DAYS], "time"),
    ],
    ids=["microseconds", "hours", "objects", "rows", "dicts"],
)
def test_times_in_arrays_are_times(make, holds):
    model = fitted(make())
    assert model.columns_.columns[0].holds == holds
    expected = [day.replace(tzinfo=datetime.UTC).timestamp() for day in DAYS]
    np.testing.assert_array_equal(numbers(model, make())[:, 0], expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (np.arange(N) % 7).astype("timedelta64[h]")[:, None],
        lambda: [{"a": np.timedelta64(i % 7, "h")} for i in range(N)],
        lambda: np.array([[datetime.timedelta(hours=i % 7), 1] for i in range(N)], dtype=object),
        lambda: [[datetime.timedelta(hours=i % 7)] if i % 2 else [np.timedelta64(i % 7, "h")] for i in range(N)],
    ],
    ids=["array", "dicts", "objects", "both"],
)
def test_durations_in_arrays_are_durations(make):
    model = fitted(make())
    assert model.columns_.columns[0].holds == "duration"
    np.testing.assert_array_equal(numbers(model, make())[:, 0], np.arange(N) % 7 * 3600.0)


def test_the_time_of_day_is_kept_where_some_objects_are_dates():
    mixed = [day if i % 2 else day.date() for i, day in enumerate(DAYS)]
    X = pd.DataFrame({"a": pd.Series(mixed, dtype=object)})
    expected = [
        (day if i % 2 else day.replace(hour=0)).replace(tzinfo=datetime.UTC).timestamp() for i, day in enumerate(DAYS)
    ]
    np.testing.assert_array_equal(numbers(fitted(X), X)[:, 0], expected)


def test_periods_are_the_times_at_which_they_begin():
    X = pd.DataFrame({"a": pd.period_range("2020-01", periods=N, freq="M")})
    model = fitted(X)
    assert model.columns_.columns[0].holds == "time"
    starts = [datetime.datetime(2020 + i // 12, i % 12 + 1, 1, tzinfo=datetime.UTC).timestamp() for i in range(N)]
    np.testing.assert_array_equal(numbers(model, X)[:, 0], starts)


def test_masked_entries_are_missing_values():
    values = np.random.default_rng(0).normal(size=(N, 2))
    mask = np.arange(2 * N).reshape(N, 2) % 7 == 0
    masked = np.ma.masked_array(np.where(mask, 1e30, values), mask)
    with_nan = np.where(mask, np.nan, values)
    model = fitted(masked)
    np.testing.assert_array_equal(model.predict_proba(masked), fitted(with_nan).predict_proba(with_nan))


def test_other_cells_of_python_are_their_texts():
    ids = [uuid.UUID(int=i % 3) for i in range(N)]
    assert sorted(fitted(pd.DataFrame({"a": ids})).columns_.columns[0].values) == sorted(map(str, set(ids)))


@pytest.mark.parametrize(
    "X",
    [
        [[i, "x" if i % 3 else "y"] for i in range(N)],
        np.array([[i, "x" if i % 3 else "y"] for i in range(N)], dtype=object),
        [{"a": i % 5, "b": "x" if i % 3 else "y"} for i in range(N)],
        np.array([(i % 5, b"x") for i in range(N)], dtype=[("a", "i8"), ("b", "S1")]),
    ],
    ids=["rows", "objects", "dicts", "structured"],
)
def test_rows_of_weight_zero_are_left_out_in_any_form(X):
    weights = np.arange(N) % 3
    counting = [i for i in range(N) if weights[i]]
    some = X[counting] if isinstance(X, np.ndarray) else [X[i] for i in counting]
    options = {"hidden": (4,), "epochs": 1, "random_state": 0}
    model = Classifier(**options).fit(X, Y, sample_weight=weights)
    other = Classifier(**options).fit(some, Y[counting], sample_weight=weights[counting])
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))


HOURS = pd.Series(np.arange(N) % 24)
OF_KINDS = {
    "number": HOURS * 1.5,
    "time": pd.Timestamp("2024-01-01") + pd.to_timedelta(HOURS, unit="h"),
    "duration": pd.to_timedelta(HOURS, unit="h"),
    "time of day": pd.Series([datetime.time(hour) for hour in HOURS]),
}


@pytest.mark.parametrize("later", OF_KINDS)
@pytest.mark.parametrize("learned", OF_KINDS)
@pytest.mark.parametrize("others", [{}, {"b": HOURS + 0.5}])
def test_typed_cells_of_another_kind_than_in_training_are_refused_by_row(learned, later, others):
    model = fitted(pd.DataFrame({"a": OF_KINDS[learned]} | others))
    X = pd.DataFrame({"a": OF_KINDS[later]} | others)
    X.loc[0, "a"] = None
    if learned == later:
        assert len(model.predict(X)) == N
    else:
        with pytest.raises(ColumnError, match=r"'a' held .* in training, but row 1 has"):
            model.predict(X)


def test_a_column_without_values_may_come_with_any_type():
    model = fitted(pd.DataFrame({"a": OF_KINDS["time"]}))
    for cells in ([None] * 3, [np.nan] * 3, pd.array([None] * 3, "Int64"), pd.to_timedelta([None] * 3)):
        assert len(model.predict(pd.DataFrame({"a": cells}))) == 3


def test_numbers_that_a_user_calls_times_are_taken_so_later_too():
    X = pd.DataFrame({"a": np.arange(N) * 1000})
    model = fitted(X, columns={"a": "time"})
    np.testing.assert_array_equal(numbers(model, X)[:, 0], np.arange(N) * 1000.0)
    assert len(model.predict(X)) == N


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_labels_of_bytes_in_a_file_are_texts(kind):
    rows, labels = read_labels(pa.chunked_array([pa.array([b"007", None, b"7"], kind)]), "y")
    assert rows.tolist() == [0, 2]
    assert labels.tolist() == ["007", "7"]


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        ([[1, 2], [3, 4]], False),
        ([[1.5, None], [float("nan"), 4]], False),
        ([[True, False]], False),
        ([[2**53, 0.5]], False),
        ([[2**53 + 1, 0.5]], True),
        ([[2**53 + 1]], True),
        ([[10**30, 1]], True),
        ([[1e300, float("inf")]], False),
        ([["1", 2]], True),
        ([[pd.NA, 2]], True),
        ([[1, 2], [3]], False),
        ([np.array([2**60, 1])], False),
        ([1, 2], False),
    ],
)
def test_a_list_of_rows_is_a_table_where_it_holds_more_than_numbers(X, expected):
    assert is_table(X) is expected
