"""Rows that are in both parts, and times that are in both: each at its threshold."""

import numpy as np
import pandas as pd
import pytest

from pysmorch import Classifier
from pysmorch.advice.split import expected_twice, remark_on_duplicates, remark_on_time
from pysmorch.encoders import NamedColumn, fingerprints

RNG = np.random.default_rng(0)
MARKS = np.arange(10_000, dtype=np.uint64)


@pytest.mark.parametrize(
    ("count", "twice", "said"), [(100, 5, True), (100, 4, False), (1000, 10, True), (1000, 9, False)]
)
def test_duplicates_are_said_from_five_and_a_hundredth_of_the_held_out_rows_on(count, twice, said):
    held_out = np.arange(10_000 - twice, 10_000 - twice + count, dtype=np.uint64)
    found = remark_on_duplicates(MARKS, held_out, 0.0)
    assert bool(found) is said
    assert not said or found[0].startswith(
        f"{twice} of {count} held-out rows ({twice / count:.1%}) are also among the training rows"
    )


def test_duplicates_that_come_by_chance_are_not_said():
    held_out = MARKS[:100]
    assert remark_on_duplicates(MARKS, held_out, 9.9)
    assert not remark_on_duplicates(MARKS, held_out, 10.0)


def test_the_expected_number_is_that_of_independent_columns():
    coin = np.arange(100) % 2  # two rows are equal with probability 49 / 99
    assert expected_twice([coin], 1, 30) == pytest.approx(30 * 49 / 99)
    assert expected_twice([coin, coin], 3, 30) == pytest.approx(30 * 3 * (49 / 99) ** 2)
    assert expected_twice([coin], 1000, 30) == 30
    assert expected_twice([np.arange(100)], 1000, 30) == 0


def test_fingerprints_are_equal_for_equal_cells_and_labels_only():
    frame = pd.DataFrame(
        {
            "x": [0.0, -0.0, 1.0, 2.5, np.nan, np.nan] * 10,
            "town": ["Ulm", "Ulm", "Ulm", "Bonn", "Ulm", None] * 10,
            "key": [f"k{i}" for i in range(60)],
        }
    )
    y = np.arange(60) % 2
    model = Classifier(hidden=(2,), epochs=1, random_state=0, columns={"key": "id"}).fit(frame, y)
    marks = fingerprints(model.encoder_, model._checked(frame), np.zeros(60, int))
    assert marks[0] == marks[1]  # -0 is 0, and an id is no cell
    assert len(set(marks.tolist())) == 5
    unknown = frame.assign(town=["Bath", "Rome"] * 30)
    marks = fingerprints(model.encoder_, model._checked(unknown), np.zeros(60, int))
    assert marks[0] != marks[1]
    labelled = fingerprints(model.encoder_, model._checked(frame), y)
    assert labelled[0] != labelled[1]


def times(values, holds="time"):
    return [NamedColumn("day", np.asarray(values, np.float64), holds, False)]


def test_times_of_both_parts_are_said_where_a_tenth_of_the_training_is_later():
    days = np.arange(100.0)
    (found,) = remark_on_time(times(days), times([89.5]))
    assert "column 'day' holds times" in found
    assert "--split-time day" in found
    assert remark_on_time(times(days), times([90.5])) == []
    assert remark_on_time(times(days), times([100.0, 101.0])) == []
    assert remark_on_time(times(days % 19), times([5.0])) == []
    assert remark_on_time(times(days % 20), times([5.0])) != []
    assert remark_on_time(times(days, "number"), times(days, "number")) == []
    assert remark_on_time(times(days), times([np.nan])) == []
