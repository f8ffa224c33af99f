import numpy as np
import pyarrow as pa
import pytest

from pysmorch.encoders.dates import (
    find_time_format,
    is_duration,
    is_time_of_day,
    parse_durations,
    parse_times,
    parts_of,
)


@pytest.mark.parametrize(
    ("cells", "order", "first"),
    [
        (["2024-01-31", "2023-12-01"], "year-month-day", "2024-01-31"),
        (["2024-1-3", "2023-12-01"], "year-month-day", "2024-01-03"),
        (["2024/01/31"], "year/month/day", "2024-01-31"),
        (["2024.01.31"], "year.month.day", "2024-01-31"),
        (["31.12.2024", "1.2.2023"], "day.month.year", "2024-12-31"),
        (["12/31/2024", "1/2/2023"], "month/day/year", "2024-12-31"),
        (["31/12/2024", "1/2/2023"], "day/month/year", "2024-12-31"),
        (["31-12-2024"], "day-month-year", "2024-12-31"),
        (["12-31-2024"], "month-day-year", "2024-12-31"),
        (["31.12.24", "01.02.70"], "day.month.yy", "2024-12-31"),
        (["31 Dec 2024", "1 January 2023"], "day name year", "2024-12-31"),
        (["31. 12. 2024", "1. 2. 2023"], "day.month.year", "2024-12-31"),
        (["Tue, 31 Dec 2024 10:00:00 GMT", "Wed, 1 Jan 2025 09:00:00 +0100"], "day name year", "2024-12-31T10:00"),
        (["Tuesday, December 31, 2024", "Wednesday, January 1, 2025"], "name day, year", "2024-12-31"),
        (["Dec 31, 2024", "March 1st, 2023"], "name day, year", "2024-12-31"),
        (["2024-01-31T10:00:00Z"], "year-month-day", "2024-01-31T10:00"),
        (["2024-01-31T12:00:00+02:00"], "year-month-day", "2024-01-31T10:00"),
        (["2024-01-31 04:30-0530"], "year-month-day", "2024-01-31T10:00"),
        (["2024-01-31 10:00:00.123456789"], "year-month-day", "2024-01-31T10:00:00.123456"),
        (["12/31/2024 11:30 PM", "1/2/2023 12:05 am"], "month/day/year", "2024-12-31T23:30"),
        (["12/31/2024, 1:05:07\u202fPM", "1/13/2023, 12:05:00\u202fAM"], "month/day/year", "2024-12-31T13:05:07"),
        (["31.12.2024, 13:05", "1.2.2023, 00:00"], "day.month.year", "2024-12-31T13:05"),
        (["31-Dec-24", "01-FEB-70"], "day name yy", "2024-12-31"),
        (["31/Dec/2024:13:05:07 +0100"], "day/name/year", "2024-12-31T12:05:07"),
        (["2024:12:31 13:05:07"], "year:month:day", "2024-12-31T13:05:07"),
        (["20241231T130507Z", "19690720T201700+0100"], "yearmonthday", "2024-12-31T13:05:07"),
        (["Tue Dec 31 13:05:07 2024", "Wed Jan  1 00:00:00 2025"], "name day time year", "2024-12-31T13:05:07"),
        (["Tue Dec 31 13:05:07 +0100 2024"], "name day time year", "2024-12-31T12:05:07"),
        (["2024-12-31T13:05:07+01:00[Europe/Berlin]"], "year-month-day", "2024-12-31T12:05:07"),
    ],
)
def test_dates_in_common_orders_are_found(cells, order, first):
    array = pa.array(cells)
    assert find_time_format(array) == (order, False)
    times, wrong = parse_times(array, order)
    assert times[0] == np.datetime64(first, "us")
    assert not len(wrong)


@pytest.mark.parametrize(
    "cell",
    [
        "2024-02-30",
        "2024-13-01",
        "31.04.2024",
        "x",
        "12/31/24x",
        "2024-01-01 25:00",
        "1.2",
        "1 Mar 20:15:30",
        "2024-01-01 10:00[Europe/Berlin]",
    ],
)
def test_what_is_no_date_is_none(cell):
    assert find_time_format(pa.array([cell])) == (None, False)


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["01/02/2023", "03/04/2023"], "month/day/year"),
        (["01-02-2023"], "day-month-year"),
        (["1/2/23", "5/6/21"], "month/day/yy"),
        (["1/2/2023 10:00"], "month/day/year"),
        (["11-12-2023", "1-1-2020"], "day-month-year"),
    ],
)
def test_days_and_months_that_could_be_swapped_are_said(cells, order):
    assert find_time_format(pa.array(cells)) == (order, True)


def test_a_time_without_a_zone_is_taken_as_utc_also_among_others():
    times, _ = parse_times(
        pa.array(["2024-01-01 10:00", "2024-01-01 10:00Z", "2024-01-01T11:00+01:00", None]), "year-month-day"
    )
    assert times[0] == times[1] == times[2]
    assert np.isnat(times[3])


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("26:30", 95400),
        ("30:00:00", 108000),
        ("1 days 02:00:00", 93600),
        ("0 days 06:30:00.5", 23400.5),
        ("-1 days +23:00:00", -3600),
        ("-1:30:00", -5400),
        ("2 d 00:00:01", 172801),
        ("PT1H30M", 5400),
        ("P1DT2H", 93600),
        ("-PT0.5S", -0.5),
        ("-1 day, 23:58:30", -90),  # as Python writes it
        ("P-1DT23H58M30S", -90),  # as pandas writes it
        ("P2W", 1209600),
        ("PT0,5H", 1800),
        ("PT-1H-30M", -5400),  # as Java writes it
        ("00:00:01,5", 1.5),
        ("1h 30m", 5400),
        ("2 days, 3 hours", 183600),
        ("45 min", 2700),
        ("1.5 s", 1.5),
    ],
)
def test_durations_are_seconds(cell, seconds):
    assert is_duration(pa.array([cell]))
    assert parse_durations(pa.array([cell, None]))[0].tolist()[0] == seconds


def test_times_of_day_are_told_from_durations_and_ratios():
    for cells, expected in (
        (["7:05", "23:59:59"], True),
        (["00:00"], True),
        (["24:00"], False),
        (["7:60"], False),
        (["7"], False),
        (["12:30:15.25"], True),
        (["7:05 AM", "12:00 pm", "12:15AM"], True),
        (["7:05 a.m.", "12:00\u202fPM"], True),
        (["13:05 PM"], False),
        (["0:05 AM"], False),
    ):
        assert is_time_of_day(pa.array(cells)) is expected, cells
    assert parse_durations(pa.array(["7:05"]))[0].tolist() == [25500]
    # Noon is 12 pm, midnight 12 am.
    assert parse_durations(pa.array(["7:05 AM", "7:05 pm", "12:00 PM", "12:15 am"]))[0].tolist() == [
        25500,
        68700,
        43200,
        900,
    ]
    assert parse_durations(pa.array(["7:05 p.m."]))[0].tolist() == [68700]
    assert not is_duration(pa.array(["7:05 AM"]))


@pytest.mark.parametrize("cells", [["007m", "7m"], ["5 m", "12 m"], ["5", "7"], ["h", "1h"], ["-"], ["1h1"]])
def test_codes_and_metres_are_no_durations(cells):
    assert not is_duration(pa.array(cells))


def test_parts_of_a_time_are_month_weekday_and_positions_in_cycles():
    times = np.array(["2024-02-29T06:00", "2023-01-01T00:00", "NaT"], dtype="datetime64[us]")
    parts = parts_of(times)
    assert parts["month"].argmax(1).tolist()[:2] == [1, 0]
    assert parts["weekday"].argmax(1).tolist()[:2] == [3, 6]
    np.testing.assert_allclose(parts["day"][:2], [[1, 0], [0, 1]], atol=1e-6)
    np.testing.assert_allclose(parts["year"][1], [0, 1], atol=1e-6)
    np.testing.assert_allclose(parts["week"][1], [np.sin(12 * np.pi / 7), np.cos(12 * np.pi / 7)], atol=1e-6)
    assert all((part[2] == 0).all() for part in parts.values())
