import numpy as np
import pytest

from pysmorch.entries import check_finite, list_names, name_entry, name_row


def test_rows_are_counted_from_zero_and_lines_as_the_file_says():
    assert name_row(0) == "row 0"
    assert name_row(0, lambda row: row + 2) == "line 2"


def test_an_entry_is_named_by_its_row_and_its_position_in_it():
    assert [name_entry(index) for index in ((4,), (4, 1), (4, 1, 2))] == [
        "row 4",
        "row 4, column 1",
        "row 4, position (1, 2)",
    ]


def test_of_many_names_the_first_are_listed():
    assert list_names(["a", "b"]) == "a, b"
    assert list_names([str(i) for i in range(30)]).endswith("18, 19 and 10 more")


@pytest.mark.parametrize(
    ("wrong", "name"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "-infinity")], ids=["nan", "inf", "minus"]
)
def test_the_first_entry_that_is_not_finite_is_named(wrong, name):
    array = np.zeros((5, 3))
    check_finite(array, "X")
    array[3, 1] = array[4, 0] = wrong
    with pytest.raises(ValueError, match=rf"X has {name} in row 3, column 1; replace or remove"):
        check_finite(array, "X")


def test_large_sums_are_not_taken_for_infinities_and_whole_numbers_are_not_searched():
    check_finite(np.full(4, np.finfo(np.float64).max), "X")
    check_finite(np.arange(4), "X")
