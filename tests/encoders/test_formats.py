from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from pysmorch.encoders.formats import (
    NumberFormat,
    find_number_format,
    find_unit_format,
    is_ambiguous,
    parse_numbers,
)
from pysmorch.encoders.target import read_labels


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "-2.5", "1e3", ".5", "+4", "2.E-1"], [1, -2.5, 1000, 0.5, 4, 0.2]),
        (["1,5", "-3", "0,25"], [1.5, -3, 0.25]),
        (["1.234,56", "12,5", "1.000.000"], [1234.56, 12.5, 1e6]),
        (["1,234.56", "12.5", "1,000,000"], [1234.56, 12.5, 1e6]),
        (["1 234", "12 345,5"], [1234, 12345.5]),
        (["1\u202f234,5", "12"], [1234.5, 12]),
        (["1\u00a0234", "5"], [1234, 5]),
        (["1'234.50", "3"], [1234.5, 3]),
        (["1_000", "2_500"], [1000, 2500]),
        (["12%", "3.5 %", "0"], [0.12, 0.035, 0]),
        (["12,5 %", "7 %"], [0.125, 0.07]),
        (["$3.50", "$1,200.00", "4"], [3.5, 1200, 4]),
        (["3,50 €", "1.200,00 €"], [3.5, 1200]),
        (["-$5", "($7.25)", "$3"], [-5, -7.25, 3]),
        (["EUR 5", "EUR 7"], [5, 7]),
        (["£ 1", "-£ 2"], [1, -2]),
        (["\u22125", "3"], [-5, 3]),
        (["(5)", "3"], [-5, 3]),
        (["12,34,567", "1,00,000.25", "99"], [1234567, 100000.25, 99]),
        (["₹ 12,34,567", "₹ 500"], [1234567, 500]),
        (["R$ 5,50", "R$ 1.234,00"], [5.5, 1234]),
        (["HK$5", "HK$7.5"], [5, 7.5]),
        (["CHF 1'234.50", "CHF 3"], [1234.5, 3]),
        (["$(7.25)", "$3"], [-7.25, 3]),
        (["1 200 Kč", "50 Kč"], [1200, 50]),
        (["5 руб.", "7,5 руб."], [5, 7.5]),
        (["Rs. 12,34,567", "Rs. 5"], [1234567, 5]),
    ],
)
def test_numbers_of_many_countries_are_read_as_they_are_meant(cells, values):
    array = pa.array(cells)
    found, wrong = parse_numbers(array, find_number_format(array))
    assert not len(wrong)
    np.testing.assert_allclose(found, values, rtol=1e-15)


@pytest.mark.parametrize(
    "cells",
    [
        ["01234", "90210"],
        ["007", "7"],
        ["-05", "5"],
        ["00.5", "1"],
        ["0x1F", "0x2A"],
        ["1234567890123456789", "1"],
        ["9007199254740993", "2"],
        ["9" * 10_000, "2"],
        ["$5", "€7"],
        ["12%", "5"],
        ["1.2.3", "4"],
        ["192.168.1.1", "10.0.0.1"],
        ["1,5", "1.5"],
        ["12", "unknown"],
        ["5-", "3"],
        ["1,2,3", "4"],
        ["1_0", "2"],
        ["", "1"],
    ],
)
def test_texts_that_would_lose_something_as_numbers_are_none(cells):
    assert find_number_format(pa.array(cells)) is None


def test_numbers_that_could_be_thousands_or_decimals_are_ambiguous():
    for cells, ambiguous in (
        (["1,234", "56"], True),
        (["1,234", "5,678,901"], False),
        (["1,234.5", "7"], False),
        (["$1,234", "$56"], True),
        (["1 234", "56"], False),
        (["1.5"], False),
    ):
        array = pa.array(cells)
        assert is_ambiguous(array, find_number_format(array)) is ambiguous, cells


def test_what_is_not_written_as_in_training_is_wrong_and_missing_is_not():
    german = NumberFormat(",", ".")
    values, wrong = parse_numbers(pa.array(["1,5", None, "1.5", "many", "2.000"]), german)
    np.testing.assert_array_equal(wrong, [2, 3])
    np.testing.assert_array_equal(values[[0, 1, 4]], [1.5, np.nan, 2000])


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["00501", "501"], ["00501", "501"]),
        (["007", "7", "1.0", "1"], ["007", "7", "1.0", "1"]),
        (["TRUE", "FALSE"], ["TRUE", "FALSE"]),
        (["1", "1.0", "2"], ["1", "1.0", "2"]),
        (["NA", "DE"], ["NA", "DE"]),
        (["0x1F", "0x2A"], ["0x1F", "0x2A"]),
        (["yes", "no"], ["yes", "no"]),
        (["1", "2"], [1, 2]),
        (["1,5", "2,5"], [1.5, 2.5]),
        (["1234567890123456789", "1234567890123456790"], [1234567890123456789, 1234567890123456790]),
        (["18446744073709551615", "1"], [18446744073709551615, 1]),
        (["123456789012345678901", "1"], ["123456789012345678901", "1"]),
        (["1,200", "3,400"], [1200, 3400]),
    ],
)
def test_labels_are_as_they_are_written_unless_numbers_lose_nothing(cells, labels):
    rows, found = read_labels(pa.chunked_array([cells]), "y")
    assert rows is None
    assert found.tolist() == labels


def test_missing_labels_are_told_from_values_by_what_the_others_are():
    rows, labels = read_labels(pa.chunked_array([["1", "NA", None, "3"]]), "y")
    assert (rows.tolist(), labels.tolist()) == ([0, 3], [1, 3])
    rows, labels = read_labels(pa.chunked_array([["a", "NA", None, "?"]]), "y")
    assert (rows.tolist(), labels.tolist()) == ([0, 1, 3], ["a", "NA", "?"])
    rows, labels = read_labels(pa.chunked_array([["a", "NA", "b"]]), "y", missing=("NA",))
    assert labels.tolist() == ["a", "b"]


def test_labels_that_are_decimals_are_exact():
    for cells, labels in (
        (["1234567890123456789", "1"], [1234567890123456789, 1]),
        (["1.50", "2.25"], [1.5, 2.25]),
        (["3", None], [3]),
    ):
        decimals = pa.array([None if cell is None else Decimal(cell) for cell in cells])
        assert read_labels(pa.chunked_array([decimals]), "y")[1].tolist() == labels


def test_labels_of_a_model_with_classes_of_text_stay_text():
    known = np.array(["00501", "501"])
    assert read_labels(pa.chunked_array([["501", "501"]]), "y", classes=known)[1].tolist() == ["501", "501"]
    assert read_labels(pa.chunked_array([["501"]]), "y", classes=np.array([501]))[1].tolist() == [501]


@pytest.mark.parametrize(
    ("cells", "unit", "values"),
    [
        (["12 kg", "3.5 kg", "-1,200 kg"], "kg", [12, 3.5, -1200]),
        (["5°C", "-3°C", "2,5°C"], "°C", [5, -3, 2.5]),
        (["10 km/h", "5\u00a0km/h"], "km/h", [10, 5]),
        (["1.000,5m²", "100m²"], "m²", [1000.5, 100]),
        (["5円", "7円"], "円", [5, 7]),
        (["3 stars", "4 stars"], "stars", [3, 4]),
    ],
)
def test_numbers_with_the_same_unit_everywhere_are_numbers(cells, unit, values):
    written = find_unit_format(pa.array(cells))
    assert written.unit == unit
    # A number without the unit is one in it; another unit is none.
    found, wrong = parse_numbers(pa.array([*cells, "8", None, "9 lb"]), written)
    assert wrong.tolist() == [len(cells) + 2]
    np.testing.assert_array_equal(found, [*values, 8, np.nan, np.nan])


@pytest.mark.parametrize(
    "cells",
    [
        ["5 kg", "7 lb"],
        ["5", "7 kg"],
        ["007m", "7m"],
        ["A5", "B7"],
        ["1st", "2nd"],
        ["9007199254740993 g", "2 g"],
        ["$5 kg", "$7 kg"],
        ["12 kg per m", "5 kg per m"],
        ["kg", "5 kg"],
    ],
)
def test_other_texts_with_a_unit_are_no_numbers(cells):
    assert find_unit_format(pa.array(cells)) is None
