"""Columns that hardly vary, that look like ids, and that predict nearly all alone: each at its threshold."""

import numpy as np
import pytest

from pysmorch.advice.columns import hardly_varies, looks_like_ids, predicts_alone, remarks_on_columns
from pysmorch.encoders import NamedColumn

RNG = np.random.default_rng(0)


def column(values, holds="number", is_category=False, name="c"):
    return NamedColumn(name, np.asarray(values, np.float64), holds, is_category)


@pytest.mark.parametrize(
    ("count", "others", "expected"),
    [(1000, 9, True), (1000, 10, False), (500, 5, True), (500, 6, False), (500, 0, False)],
)
def test_a_column_hardly_varies_if_fewer_than_ten_rows_and_a_hundredth_have_another_value(count, others, expected):
    values = np.full(count, 3.0)
    values[:others] = np.arange(others)  # one of them may be 3, too
    values[: min(others, 4)] = np.nan
    assert hardly_varies(values) is expected


def test_ids_are_whole_numbers_in_order_or_out_of_hardly_more_than_there_are_rows():
    steps = np.cumsum(RNG.integers(1, 1000, 20))
    assert looks_like_ids(column(steps))
    assert looks_like_ids(column(-steps))
    assert not looks_like_ids(column(steps[:19]))
    assert not looks_like_ids(column(steps + 0.5))
    assert not looks_like_ids(column(np.append(steps[:-1], np.nan)))
    assert not looks_like_ids(column(RNG.permutation(steps)))
    assert looks_like_ids(column(RNG.permutation(199)[:100]))
    assert not looks_like_ids(column(RNG.permutation(199)[:99]))
    assert not looks_like_ids(column(np.append(RNG.permutation(198)[:99], 500)))
    assert not looks_like_ids(column(RNG.integers(0, 100, 100)))
    assert not looks_like_ids(column(steps, holds="time"))
    assert not looks_like_ids(column(np.arange(100), is_category=True))


CODES = np.arange(400) % 2
NOISE = column(RNG.normal(size=400), name="noise")


def test_a_bound_that_decides_the_class_is_found_at_the_second_hundredth_of_errors():
    values = RNG.exponential(size=400) + 0.1
    overdue = np.where(CODES, values, 0.0)  # what is known only of one class
    assert predicts_alone([column(overdue), NOISE], CODES)[0][1] == 1.0
    wrong = overdue.copy()
    wrong[1:9:2] = 0.0  # 4 of 200
    assert predicts_alone([column(wrong), NOISE], CODES)[0][1] == pytest.approx(1 - 4 / 400)
    wrong[9] = 0.0
    assert predicts_alone([column(wrong), NOISE], CODES) == []


def test_a_few_rows_of_another_class_prove_nothing():
    rare = (np.arange(400) < 10).astype(int)
    deciding = column(np.where(rare, 5.0, 0.0) + RNG.random(400))
    assert len(predicts_alone([deciding, NOISE], rare)) == 1
    rare[0] = 0
    assert predicts_alone([deciding, NOISE], rare) == []


def test_what_fit_has_warned_of_and_the_only_column_are_not_named():
    assert predicts_alone([column(CODES), NOISE], CODES) == []
    assert predicts_alone([column(CODES, is_category=True), NOISE], CODES) == []
    assert predicts_alone([column(np.where(CODES, NOISE.values**2, -1.0))], CODES) == []


def test_a_column_of_which_a_number_is_a_function_is_found():
    x = RNG.uniform(-1, 1, 2000)
    target = (x**2)[:, None]
    noise = column(RNG.normal(size=2000))
    ((found, share),) = predicts_alone([column(x, name="x"), noise], target)
    assert found.name == "x"
    assert share > 0.99
    noisy = target + 0.1 * RNG.normal(size=(2000, 1))  # explains 0.09 / (0.09 + 0.01) of the variance
    assert predicts_alone([column(x), noise], noisy) == []


def test_each_kind_is_one_sentence():
    count = 1000
    codes = np.arange(count) % 2
    columns = [
        column(np.arange(count) < 3, name="rarely"),
        column(np.arange(count) * 7, name="order"),
        column(np.where(codes, RNG.random(count) + 1, 0), name="overdue"),
        column(np.arange(count) > 2, name="mostly"),
    ]
    assert remarks_on_columns(columns, codes) == [
        "columns rarely, mostly hardly vary: fewer than 10 of 1000 rows have another value than most; leave out what such rows cannot be "
        "learned from",
        "column 'order' has another whole number in each row, as ids and row numbers have; leave out what only names the row",
        "a single column predicts nearly all of the target, of other rows than those it was learned from: 'overdue' (100.0%) of classes "
        "right; leave it out unless it is known when predictions are made",
    ]
