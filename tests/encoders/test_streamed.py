"""Rows in a temporary file, and columns that are learned from a sample of very many rows."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from pysmorch import Classifier, PysmorchWarning
from pysmorch.encoders import ColumnError
from pysmorch.encoders.spool import Spool, sampled_rows
from pysmorch.encoders.table import TableEncoder
from pysmorch.sources.streaming import stream_parquet


@pytest.fixture
def spool():
    """Row i has the numbers 2i and 2i + 1, and of 11 marks those whose index divides i."""
    numbers = np.arange(40.0).reshape(20, 2)
    marks = np.array([[j > 0 and i % j == 0 for j in range(11)] for i in range(20)])
    made = Spool(20, 2, 11)
    made.append(numbers[:13], marks[:13])
    made.append(numbers[13:], marks[13:])

    return made, numbers, marks


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(3, 9),
        slice(15, 99),
        slice(5, 5),
        np.array([7]),
        np.array([3, 4, 5, 19, 0, 5]),
        np.array([], np.int64),
        np.random.default_rng(0).permutation(20),
    ],
    ids=str,
)
def test_any_rows_of_a_temporary_file_are_read_in_their_order(spool, rows):
    made, numbers, marks = spool
    found_numbers, found_marks = made.read(rows)
    np.testing.assert_array_equal(found_numbers, numbers[rows])
    np.testing.assert_array_equal(found_marks, marks[rows])
    np.testing.assert_array_equal(made.read_numbers(rows), numbers[rows])


@pytest.mark.parametrize(("num_numbers", "num_marks"), [(0, 0), (0, 3), (1, 0), (1, 8), (3, 9)])
def test_rows_may_have_no_numbers_or_no_marks(num_numbers, num_marks):
    made = Spool(2, num_numbers, num_marks)
    made.append(np.full((2, num_numbers), 5.0), np.ones((2, num_marks), bool))

    numbers, marks = made.read(np.array([1, 0]))
    assert numbers.shape == (2, num_numbers)
    assert marks.shape == (2, num_marks)
    assert (numbers == 5).all()
    assert marks.all()


def test_columns_of_a_temporary_file_are_read_some_at_a_time(spool, monkeypatch):
    made, numbers, _ = spool
    monkeypatch.setattr("pysmorch.encoders.spool.BYTES_AT_A_TIME", 1)
    np.testing.assert_array_equal(list(made.numbers.columns()), numbers.T)
    np.testing.assert_array_equal(made.numbers[4:6], numbers[4:6])


def test_a_temporary_file_that_was_cut_off_is_an_error(spool):
    made, _, _ = spool
    made._file.truncate(100)
    with pytest.raises(OSError, match="a temporary file ends at byte"):
        made.read(slice(None))


def test_what_is_encoded_from_numbers_and_marks_is_what_is_encoded_at_once():
    table = pa.table(
        {
            "a": [0.5, None, 3.0] * 20,
            "c": ["x", "y", None] * 20,
            "t": pa.array(range(60), pa.timestamp("s")),
            "w": ["some more words here", "other words there", "none at all"] * 20,
        }
    )
    encoder = TableEncoder()
    encoder.choose({"w": "text"}, None)
    rows = encoder.check(table, Classifier(), reset=True)
    encoder.learn(rows, None, np.arange(60) % 2)
    assert {column.kind for column in encoder.columns} == {"number", "category", "text"}
    np.testing.assert_array_equal(encoder.expand(*encoder.compact(rows)), encoder.encode(rows))


@pytest.fixture
def small_sample(monkeypatch):
    """Columns of more than 1000 rows are learned from 400 of them."""
    monkeypatch.setattr("pysmorch.encoders.spool.ROWS_HELD", 1000)
    monkeypatch.setattr("pysmorch.encoders.spool.SAMPLE_SIZE", 400)
    monkeypatch.setattr("pysmorch.encoders.sampled.SAMPLE_SIZE", 400)


ROWS = 4000


def learned(path, **choices):
    encoder = TableEncoder()
    encoder.choose(choices, None)
    rows = encoder.check(stream_parquet(str(path)).features, Classifier(), reset=True)
    encoder.learn(rows, None, np.random.default_rng(1).integers(0, 2, len(rows)))
    return encoder, rows


@pytest.fixture
def written(tmp_path):
    def write(**columns):
        pa.parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    return write


def test_all_rows_up_to_a_limit_are_sampled_and_beyond_it_the_same_sample_each_time(small_sample):
    assert sampled_rows(1000) is None
    sample = sampled_rows(ROWS)
    assert len(sample) == len(set(sample)) == 400
    assert (np.diff(sample) > 0).all()
    assert sample[0] >= 0
    assert sample[-1] < ROWS
    np.testing.assert_array_equal(sample, sampled_rows(ROWS))


def test_bounds_means_and_missing_cells_are_those_of_all_rows(small_sample, written):
    numbers = np.random.default_rng(0).normal(size=ROWS)
    outside = np.setdiff1d(np.arange(ROWS), sampled_rows(ROWS))
    numbers[outside[0]] = 6.0
    texts = np.array(["x", "y"] * (ROWS // 2), dtype=object)
    texts[outside[1]] = None
    gaps = pa.array(numbers, mask=np.arange(ROWS) == outside[2])
    path = written(a=numbers, b=gaps, c=pa.array(texts), d=["u", "v"] * (ROWS // 2), i=np.arange(ROWS))
    with pytest.warns(PysmorchWarning) as said:
        encoder, rows = learned(path)
    assert str(said[0].message) == (
        "what columns hold, categories and quantiles are learned from 400 of 4,000 rows, drawn at random"
    )
    a, b, c, d, i = encoder.columns
    assert (a.missing, b.missing, c.missing, d.missing) == (False, True, True, False)
    assert a.low == numbers.min() - 0.5 * (6 - numbers.min())
    assert a.high == 6 + 0.5 * (6 - numbers.min())
    assert i.holds == "running number"
    assert encoder.numbers.mean[0] == pytest.approx(numbers.mean(), abs=1e-12)
    assert encoder.shape[0] == rows.encoded(encoder)[:].shape[1]


@pytest.mark.filterwarnings("ignore:column")
def test_statistics_of_the_target_are_those_of_all_rows(small_sample, written, monkeypatch):
    monkeypatch.setattr("pysmorch.encoders.folds.OWN_INDICATORS", 20)
    monkeypatch.setattr("pysmorch.encoders.columns.OWN_INDICATORS", 20)
    keys = np.random.default_rng(0).integers(0, 30, ROWS)
    with pytest.warns(PysmorchWarning, match="learned from 400 of 4,000 rows"):
        encoder, rows = learned(written(a=np.random.default_rng(0).normal(size=ROWS), key=[f"k{key}" for key in keys]))
    targets = np.random.default_rng(1).integers(0, 2, ROWS)
    of_key = targets[keys == int(encoder.columns[1].values[7][1:])]
    # As if 20 more rows had the mean of all.
    expected = (of_key.sum() + 20 * targets.mean()) / (len(of_key) + 20), np.log1p(len(of_key))
    np.testing.assert_allclose(encoder.statistics["key"][7], expected)
    # Rows of the training get what the other four of five folds say.
    fold = np.random.RandomState(0).permutation(ROWS) % 5
    row = np.flatnonzero(keys == int(encoder.columns[1].values[7][1:]))[3]
    others = targets[(fold != fold[row]) & (keys == keys[row])]
    of_others = targets[fold != fold[row]].mean()
    spooled = rows.store(encoder).read_numbers(np.array([row]))[0]
    np.testing.assert_allclose(spooled[1], (others.sum() + 20 * of_others) / (len(others) + 20))


def test_quantiles_of_a_sample_are_near_those_of_all_rows(small_sample, written):
    numbers = np.random.default_rng(0).normal(size=ROWS)
    with pytest.warns(PysmorchWarning):
        encoder, _ = learned(written(a=numbers))
    edges = np.append(encoder.numbers.low, encoder.numbers.high[-1])
    wanted = np.linspace(0, 1, len(edges))
    # The bound of Dvoretzky, Kiefer, Wolfowitz and Massart for 400 rows, with probability 1 - 1e-6.
    bound = np.sqrt(np.log(2 / 1e-6) / (2 * 400))
    assert np.abs((numbers[:, None] <= edges).mean(axis=0) - wanted).max() < bound


@pytest.mark.parametrize(
    ("usual", "other", "what"),
    [(1.0, 2.0, "constant"), ("x", "y", "constant"), (None, "y", "empty"), (1.0, None, None)],
)
def test_a_column_that_only_seems_to_carry_nothing_is_refused(small_sample, written, usual, other, what):
    cells = [usual] * ROWS
    cells[np.setdiff1d(np.arange(ROWS), sampled_rows(ROWS))[5]] = other
    path = written(a=np.random.default_rng(0).normal(size=ROWS), b=pa.array(cells))
    message = f"^column 'b' is {what or 'constant'} in the rows by which columns are judged, but has other values elsewhere; say"
    with pytest.warns(PysmorchWarning), pytest.raises(ColumnError, match=message):
        learned(path)
    with pytest.warns(PysmorchWarning):
        encoder, _ = learned(path, b="id")
    assert encoder.columns[1].kind == "none"


def test_a_text_among_numbers_that_the_sample_does_not_have_is_named_by_its_row(small_sample, written):
    cells = [str(i * 7 % 100) for i in range(ROWS)]
    row = int(np.setdiff1d(np.arange(ROWS), sampled_rows(ROWS))[100])
    cells[row] = "much"
    with (
        pytest.warns(PysmorchWarning),
        pytest.raises(ColumnError, match=rf"^column 'b' held numbers in training, but row {row} has 'much'$"),
    ):
        learned(written(b=cells))


def test_rows_that_are_near_each_other_and_those_that_are_not_are_the_same(spool, monkeypatch):
    rows = np.array([3, 4, 9, 0, 9])
    monkeypatch.setattr("pysmorch.encoders.spool.TIMES_AS_LONG", 0)  # each run is read alone
    stored = spool[0]
    alone = stored.read(rows)
    for size in (1, 100, 2**22):
        monkeypatch.setattr("pysmorch.encoders.spool.BYTES_OF_A_SPAN", size)
        monkeypatch.setattr("pysmorch.encoders.spool.TIMES_AS_LONG", 16)
        for found, expected in zip(stored.read(rows), alone, strict=True):
            np.testing.assert_array_equal(found, expected)
