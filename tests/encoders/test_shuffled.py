"""Stored rows in any order, and models of streamed tables, whatever the sizes of parts, blocks, row groups and files."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysmorch import Classifier
from pysmorch.encoders import shuffled
from pysmorch.encoders.spool import Spool

NUM_ROWS = 97


@pytest.fixture(scope="module")
def spool():
    """Row i has the numbers i, which is short, i + 0.1 and 2 i, which is short, and two marks."""
    rows = np.arange(float(NUM_ROWS))
    numbers = np.column_stack([rows, rows + 0.1, 2 * rows])
    made = Spool(NUM_ROWS, 3, 2, short=[0, 2])
    made.append(numbers, np.column_stack([rows % 2 == 0, rows % 3 == 0]))
    return made


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_rows_come_in_the_order_that_was_asked_for(spool, data):
    order = np.array(data.draw(st.permutations(range(NUM_ROWS))))[: data.draw(st.integers(1, NUM_ROWS))]
    if data.draw(st.booleans()):
        order = np.append(order, order[:3])  # some come again
    sizes = []
    while sum(sizes) < len(order):
        sizes.append(data.draw(st.integers(1, len(order) - sum(sizes))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffled, "BYTES_OF_A_PART", data.draw(st.integers(1, 3000)))
        patch.setattr(shuffled, "BYTES_AT_A_TIME", data.draw(st.integers(1, 3000)))
        blocks = list(spool.in_order(order, sizes))
    assert [len(numbers) for numbers, _ in blocks] == sizes
    np.testing.assert_array_equal(np.concatenate([numbers for numbers, _ in blocks])[:, 1], order + 0.1)
    for (numbers, marks), rows in zip(blocks, np.split(order, np.cumsum(sizes)[:-1]), strict=True):
        expected_numbers, expected_marks = spool.read(rows)
        np.testing.assert_array_equal(numbers, expected_numbers)
        np.testing.assert_array_equal(marks, expected_marks)


def test_an_epoch_writes_over_the_rows_of_the_one_before(spool):
    rng = np.random.default_rng(0)
    for _ in range(3):
        order = rng.permutation(NUM_ROWS)
        blocks = spool.in_order(order, [90, 7])
        other = spool.in_order(order[::-1], [NUM_ROWS])  # at the same time, in a file of its own
        np.testing.assert_array_equal(np.concatenate([numbers for numbers, _ in blocks])[:, 1], order + 0.1)
        np.testing.assert_array_equal(next(other)[0][:, 1], order[::-1] + 0.1)


def test_rows_without_numbers_and_marks_come_in_any_order():
    empty = Spool(5, 0, 0)
    empty.append(np.zeros((5, 0)), np.zeros((5, 0), bool))
    assert [numbers.shape for numbers, _ in empty.in_order(np.array([3, 1, 2]), [2, 1])] == [(2, 0), (1, 0)]


def rows_of_all_kinds(count):
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "short": rng.normal(size=count).astype(np.float32),
            "long": pa.array(rng.normal(size=count), mask=rng.random(count) < 0.1),
            "small": pa.array(rng.integers(-300, 300, count).astype(np.int16)),
            "truth": pa.array(rng.random(count) < 0.5),
            "town": pa.array(rng.choice(["Ulm", "Bonn", "Kiel"], count)),
            "day": pa.array(rng.integers(0, 10**9, count), pa.timestamp("s")),
        }
    )


@pytest.mark.filterwarnings("ignore:.*read block by block", "ignore:column")
@pytest.mark.parametrize(
    ("rows_of_a_group", "num_files", "bytes_of_a_part", "threads"),
    [(1000, 1, 2**26, 1), (37, 1, 700, 2), (64, 4, 2000, 1)],
)
def test_a_model_has_the_bits_of_one_from_memory_whatever_the_pieces(
    tmp_path, no_memory, monkeypatch, rows_of_a_group, num_files, bytes_of_a_part, threads
):
    table = rows_of_all_kinds(600)
    labels = np.where(table["short"].to_numpy() > 0, "yes", "no")
    options = {"epochs": 3, "random_state": 0, "early_stopping": True, "preset": "fast", "threads": threads}
    whole = Classifier(**options).fit(table, labels)
    bounds = np.linspace(0, len(table), num_files + 1).astype(int)
    for i, (start, end) in enumerate(pairwise(bounds)):
        part = table.slice(start, end - start).append_column("y", pa.array(labels[start:end]))
        pa.parquet.write_table(part, tmp_path / f"{i}.parquet", row_group_size=rows_of_a_group)
    no_memory()
    monkeypatch.setattr(shuffled, "BYTES_OF_A_PART", bytes_of_a_part)
    monkeypatch.setattr(shuffled, "BYTES_AT_A_TIME", bytes_of_a_part)
    monkeypatch.setattr("pysmorch.engine.rows.BYTES_AT_A_TIME", 64 * bytes_of_a_part)
    streamed = Classifier(**options).fit(str(tmp_path), "y")
    assert streamed.history_.num_epochs == whole.history_.num_epochs
    for found, expected in zip(streamed.network_.layers, whole.network_.layers, strict=True):
        if getattr(expected, "W", None) is not None:
            np.testing.assert_array_equal(found.W, expected.W)
    np.testing.assert_array_equal(streamed.predict_proba(str(tmp_path)), whole.predict_proba(table))
