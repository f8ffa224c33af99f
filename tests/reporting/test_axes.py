"""Axes of charts: ends and ticks, derived by hand."""

import numpy as np
import pytest

from pysmorch.reporting.axes import axis, clip, compact, thinned


@pytest.mark.parametrize(
    ("values", "ends", "ticks", "words"),
    [
        ([0.0, 10.0], (0, 10), [0, 2, 4, 6, 8, 10], ["0", "2", "4", "6", "8", "10"]),
        ([0.3, 9.7], (0, 10), [0, 2, 4, 6, 8, 10], ["0", "2", "4", "6", "8", "10"]),
        (
            [-1.2, 1.2],
            (-1.5, 1.5),
            [-1.5, -1, -0.5, 0, 0.5, 1, 1.5],
            ["−1.5", "−1.0", "−0.5", "0.0", "0.5", "1.0", "1.5"],
        ),
        (
            [0.0, 50_000.0],
            (0, 50_000),
            [0, 10_000, 20_000, 30_000, 40_000, 50_000],
            ["0", "10k", "20k", "30k", "40k", "50k"],
        ),
    ],
)
def test_ends_are_round_and_ticks_have_equal_decimals(values, ends, ticks, words):
    found = axis("x", values)
    assert (found.low, found.high) == pytest.approx(ends)
    assert list(found.ticks) == pytest.approx(ticks)
    assert found.words() == words


def test_given_ends_stay_and_ticks_are_within_them():
    found = axis("epoch", (), (1.0, 46.0), whole=True)
    assert (found.low, found.high, found.ticks) == (1.0, 46.0, (10.0, 20.0, 30.0, 40.0))


def test_counts_have_whole_ticks():
    assert axis("rows", [0, 3], whole=True).ticks == (0.0, 1.0, 2.0, 3.0)


def test_values_over_more_than_two_powers_of_ten_have_a_logarithmic_axis():
    found = axis("loss", [0.002, 1.5], log=True)
    assert (found.log, found.low, found.high) == (True, pytest.approx(0.001), 10.0)
    assert found.words() == ["0.001", "0.01", "0.1", "1", "10"]
    assert found.fraction(0.1) == pytest.approx(0.5)
    assert not axis("loss", [-0.002, 1.5], log=True).log
    assert not axis("loss", [0.5, 1.5], log=True).log


@pytest.mark.parametrize("values", [[], [np.nan], [3.0], [0.0, 0.0], [-2.0], [1e300, -1e300], [5e-324], [np.inf, 1.0]])
def test_any_values_have_two_ends(values):
    found = axis("x", values)
    assert found.low < found.high
    assert all(0 <= found.fraction(value) <= 1 for value in values if np.isfinite(value))


def test_what_lies_beyond_is_at_the_end():
    found = axis("x", (), (0.0, 2.0))
    assert [found.fraction(value) for value in (-1.0, 0.0, 0.5, 2.0, 9.0)] == [0.0, 0.0, 0.25, 1.0, 1.0]


def test_texts_and_points_are_shortened():
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcd", 4) == "abcd"
    assert thinned(5, 3) == [0, 2, 4]
    assert thinned(2, 9) == [0, 1]
    assert thinned(0, 9) == []
    assert [compact(value) for value in (0.0, 1234.0, 2.5e6, 1e-7)] == ["0", "1234", "2.5M", "1e−7"]
