"""Times, durations and times of day as they are written, and the parts of a time."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from pysmorch.encoders.formats import all_match
from pysmorch.layers.base import Array

_GAP = "[\\s\u00a0\u202f]"
_TIME = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    rf"{_GAP}*(?P<half>[AaPp][.]?[Mm][.]?)?"
)
_ZONE = r"(?:(?P<zone>Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)(?:\[[A-Za-z_/]+\])?)?"
_CLOCK = rf"(?:(?:T|,?{_GAP}){_GAP}*{_TIME})?\s*{_ZONE}$"
_CLOCK_AFTER_COLON = rf":{_TIME}\s*{_ZONE}$"
_CLOCK_WITHOUT_COLONS = (
    r"T(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?:(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?(?P<half>)"
    rf"{_ZONE}$"
)
_YEAR, _MONTH, _DAY = r"(?P<year>[0-9]{4})", r"(?P<month>[0-9]{1,2})", r"(?P<day>[0-9]{1,2})"
_NAME = r"(?P<month>[A-Za-z]{3,9})[.]?"
_WEEKDAY = r"(?:(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?,?\s+)?"
_SHORT = r"(?P<year>[0-9]{2})"
ISO = "year-month-day"
_DATES = {
    ISO: f"^{_YEAR}-{_MONTH}-{_DAY}",
    "year/month/day": f"^{_YEAR}/{_MONTH}/{_DAY}",
    "year.month.day": f"^{_YEAR}[.]{_MONTH}[.]{_DAY}",
    "day.month.year": rf"^{_DAY}[.]\s?{_MONTH}[.]\s?{_YEAR}",
    "month/day/year": f"^{_MONTH}/{_DAY}/{_YEAR}",
    "day/month/year": f"^{_DAY}/{_MONTH}/{_YEAR}",
    "day-month-year": f"^{_DAY}-{_MONTH}-{_YEAR}",
    "month-day-year": f"^{_MONTH}-{_DAY}-{_YEAR}",
    "day.month.yy": f"^(?P<day>[0-9]{{2}})[.](?P<month>[0-9]{{2}})[.]{_SHORT}",
    "month/day/yy": f"^{_MONTH}/{_DAY}/{_SHORT}",
    "day/month/yy": f"^{_DAY}/{_MONTH}/{_SHORT}",
    "day name year": rf"^{_WEEKDAY}{_DAY}[.]?[\s-]+{_NAME}[\s-]+{_YEAR}",
    "name day, year": rf"^{_WEEKDAY}{_NAME}\s+{_DAY}(?:st|nd|rd|th)?,?\s+{_YEAR}",
    "day name yy": rf"^{_DAY}[\s-]{_NAME}[\s-]{_SHORT}",
    "year:month:day": "^(?P<year>[0-9]{4}):(?P<month>[0-9]{2}):(?P<day>[0-9]{2})",
}
ORDERS = {order: date + _CLOCK for order, date in _DATES.items()} | {
    "day/name/year": f"^{_DAY}/{_NAME}/{_YEAR}{_CLOCK_AFTER_COLON}",
    "yearmonthday": f"^(?P<year>[0-9]{{4}})(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}}){_CLOCK_WITHOUT_COLONS}",
    "name day time year": rf"^{_WEEKDAY}{_NAME}\s+{_DAY}\s+{_TIME}\s+(?:{_ZONE[:-1]}\s+)?{_YEAR}$",
}
"""Orders of day, month and year, with what matches them, in which dates are looked for in this order."""

AMBIGUOUS = {
    "month/day/year": "day/month/year",
    "day-month-year": "month-day-year",
    "month/day/yy": "day/month/yy",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DURATION = (
    r"^(?P<sign>-?)(?P<week>)(?:(?P<day>[0-9]+)\s*(?:days?|d),?\s*)?\+?"
    rf"(?P<hour>[0-9]+):(?P<minute>[0-9]{{2}})(?::(?P<second>[0-9]{{2}}(?:[.,][0-9]+)?))?{_GAP}*(?P<half>[AaPp][.]?[Mm][.]?)?$"
)
_AMOUNT = "-?[0-9]+(?:[.,][0-9]+)?"
_PERIOD = (
    rf"^(?P<sign>-?)P(?:(?P<week>{_AMOUNT})W)?(?:(?P<day>{_AMOUNT})D)?(?:T(?:(?P<hour>{_AMOUNT})H)?"
    rf"(?:(?P<minute>{_AMOUNT})M)?(?:(?P<second>{_AMOUNT})S)?)?(?P<half>)$"
)
_WHOLE = "(?:0|[1-9][0-9]*)"
_WORDS = (
    rf"^(?P<sign>-?)(?:(?P<week>{_WHOLE})\s*(?:w|weeks?),?)?\s*(?:(?P<day>{_WHOLE})\s*(?:d|days?),?)?\s*"
    rf"(?:(?P<hour>{_WHOLE})\s*(?:h|hrs?|hours?|std),?)?\s*(?:(?P<minute>{_WHOLE})\s*(?:m|mins?|minutes?),?)?\s*"
    rf"(?:(?P<second>{_WHOLE}(?:[.,][0-9]+)?)\s*(?:s|secs?|seconds?))?(?P<half>)$"
)
_TIME_OF_DAY = (
    r"^(([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]+)?)?"
    rf"|(0?[1-9]|1[0-2]):[0-5][0-9](:[0-5][0-9])?{_GAP}*[AaPp][.]?[Mm][.]?)$"
)
PARTS = ("month", "weekday", "year", "week", "day")
"""What of a time has features of its own: indicators of month and weekday, and the positions in a cycle as sine and cosine."""


def find_time_format(values: Any) -> tuple[str | None, bool]:
    """Return the order in which strings are dates, with or without a time, and whether another would fit as well.

    Parameters
    ----------
    values : pyarrow.Array of string
        Distinct values of a column, without nulls.

    Returns
    -------
    order : str or None
        One of `ORDERS`; None where they are no dates.
    ambiguous : bool
        Whether day and month could be the other way round.
    """
    for order in ORDERS:
        if _all_are(values, ORDERS[order]) and not len(parse_times(values, order)[1]):
            other = AMBIGUOUS.get(order)
            return order, other is not None and not len(parse_times(values, other)[1])
    return None, False


def parse_times(cells: Any, order: str) -> tuple[Array, Array]:
    """Return strings as microseconds since 1970 in UTC; what has no zone is taken as UTC.

    Parameters
    ----------
    cells : pyarrow.Array of string
        Null where they are missing.
    order : str
        One of `ORDERS`.

    Returns
    -------
    times : ndarray of datetime64[us]
        NaT for what is missing or no time.
    wrong : ndarray of int
        Rows that are neither.
    """
    import pyarrow.compute as pc

    parts = pc.extract_regex(cells, ORDERS[order])
    found = parts.is_valid().to_numpy(zero_copy_only=False)
    year, day = _integers(parts, "year"), _integers(parts, "day")
    year = np.where(year < 70, year + 2000, year + 1900) if order.endswith("yy") else year
    if "name" in order:
        names = pc.utf8_slice_codeunits(pc.utf8_lower(parts.field("month")), 0, 3).to_pylist()
        month = np.array([MONTHS.index(name) + 1 if name in MONTHS else 0 for name in names], dtype=np.int64)
    else:
        month = _integers(parts, "month")
    hour, minute, second = (_integers(parts, name) for name in ("hour", "minute", "second"))
    half = np.array([text[:1].lower() for text in parts.field("half").fill_null("").to_pylist()], dtype="U1")
    right = found & (year >= 1) & (month >= 1) & (month <= 12) & (hour < 24) & (minute < 60) & (second < 61)
    right &= (half == "") | ((hour >= 1) & (hour <= 12))
    hour = np.where(half == "", hour, hour % 12 + 12 * (half == "p"))
    months = ((np.where(right, year, 1970) - 1970) * 12 + np.where(right, month, 1) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    right &= (day >= 1) & (days < (months + np.timedelta64(1, "M")).astype("datetime64[D]"))
    fraction = pc.utf8_rpad(parts.field("fraction").fill_null(""), 6, "0")
    micros = pc.utf8_slice_codeunits(fraction, 0, 6).cast("int64").to_numpy(zero_copy_only=False)
    seconds = hour * 3600 + minute * 60 + second - _offset(parts.field("zone"))
    times = days.astype("datetime64[us]") + (seconds * 1_000_000 + micros)
    times[~right] = np.datetime64("NaT", "us")
    return times, np.flatnonzero(~right & cells.is_valid().to_numpy(zero_copy_only=False))


def parse_durations(cells: Any) -> tuple[Array, Array]:
    """Return strings such as "1 days 02:30:00", "26:30", "PT26H30M" or "26h 30m" as seconds.

    Parameters
    ----------
    cells : pyarrow.Array of string
        Null where they are missing.

    Returns
    -------
    seconds : ndarray of float64
        NaN for what is missing or no duration.
    wrong : ndarray of int
        Rows that are neither.
    """
    import pyarrow.compute as pc

    period = pc.match_substring_regex(cells, r"^-?P.").fill_null(False).to_numpy(zero_copy_only=False)
    words = pc.match_substring_regex(cells, r"^-?[0-9][^:]*[a-z][^:]*$").fill_null(False).to_numpy(zero_copy_only=False)
    values = np.full(len(cells), np.nan)
    for pattern, rows in ((_DURATION, ~period & ~words), (_PERIOD, period), (_WORDS, words)):
        if not rows.any():
            continue
        parts = pc.extract_regex(cells, pattern)
        found = parts.is_valid().to_numpy(zero_copy_only=False) & rows
        week, day, hour, minute, second = (_amounts(parts, n) for n in ("week", "day", "hour", "minute", "second"))
        day += 7 * week
        sign = np.where(pc.equal(parts.field("sign"), "-").fill_null(False).to_numpy(zero_copy_only=False), -1.0, 1.0)
        half = pc.utf8_lower(parts.field("half").fill_null("")).to_numpy(zero_copy_only=False)
        hour = np.where(half == "", hour, hour % 12 + 12 * np.char.startswith(half.astype(str), "p"))
        clock = hour * 3600 + minute * 60 + second
        # "-1 days +23:00:00" and "-1 day, 23:00:00" are an hour before: there the sign belongs to the days alone.
        mixed = pc.match_substring_regex(cells, "days? *[+,]").fill_null(False).to_numpy(zero_copy_only=False)
        total = np.where(mixed, sign * day * 86400 + clock, sign * (day * 86400 + clock))
        values[found] = total[found]
    return values, np.flatnonzero(np.isnan(values) & cells.is_valid().to_numpy(zero_copy_only=False))


def is_time_of_day(values: Any) -> bool:
    """Whether strings are times of day such as 7:05 or 23:59:59."""
    return _all_are(values, _TIME_OF_DAY)


def is_duration(values: Any) -> bool:
    """Whether strings are durations, with hours, days, or in the form of ISO 8601."""
    without_half = _DURATION.replace(rf"{_GAP}*(?P<half>[AaPp][.]?[Mm][.]?)?", "")
    metres = all_match(values, r"^-?[0-9]+\s*m$")
    return (
        not metres
        and _all_are(values, "|".join(map(_plain, (without_half, _PERIOD, _WORDS))))
        and not len(parse_durations(values)[1])
    )


def parts_of(times: Array) -> dict[str, Array]:
    """Return the parts of times that have features of their own.

    Parameters
    ----------
    times : ndarray of datetime64[us]
        NaT where they are missing.

    Returns
    -------
    dict of str to ndarray of float32
        For each of `PARTS` an array (N, features), with 0 for what is missing.
    """
    known = ~np.isnat(times)
    safe = np.where(known, times, np.datetime64(0, "us"))
    day = safe.astype("datetime64[D]")
    month, year = day.astype("datetime64[M]"), day.astype("datetime64[Y]")
    weekday = (day.astype(np.int64) + 3) % 7
    of_day = (safe - day).astype(np.int64) / 86_400e6
    next_year = (year + np.timedelta64(1, "Y")).astype("datetime64[D]")
    year_days = (next_year - year.astype("datetime64[D]")).astype(np.int64)
    of_year = ((day - year.astype("datetime64[D]")).astype(np.int64) + of_day) / year_days
    parts = {
        "month": np.eye(12)[month.astype(np.int64) % 12],
        "weekday": np.eye(7)[weekday],
        "year": _cycle(of_year),
        "week": _cycle((weekday + of_day) / 7),
        "day": _cycle(of_day),
    }
    return {name: (part * known[:, None]).astype(np.float32) for name, part in parts.items()}


NUM_FEATURES = {"month": 12, "weekday": 7, "year": 2, "week": 2, "day": 2}
"""How many features each of `PARTS` has."""


def _cycle(position: Array) -> Array:
    return np.stack([np.sin(2 * np.pi * position), np.cos(2 * np.pi * position)], axis=1)


def _integers(parts: Any, name: str) -> Array:
    """Return digits as integers; 0 where there are none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = parts.field(name)
    integers = pc.if_else(pc.equal(texts, ""), "0", texts).fill_null("0").cast(pa.int64())
    return np.asarray(integers.to_numpy(zero_copy_only=False))


def _amounts(parts: Any, name: str) -> Array:
    """Return digits, perhaps with decimals, as float64; 0 where there are none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.replace_substring(parts.field(name), ",", ".")
    amounts = pc.if_else(pc.equal(texts, ""), "0", texts).fill_null("0").cast(pa.float64())
    return np.array(amounts.to_numpy(zero_copy_only=False))


def _offset(zones: Any) -> Array:
    """Return the seconds by which zones such as +05:30 are ahead of UTC."""
    encoded = zones.fill_null("").dictionary_encode()
    seconds = np.array([_seconds_of(zone) for zone in encoded.dictionary.to_pylist()] or [0], dtype=np.int64)
    return seconds[encoded.indices.to_numpy(zero_copy_only=False)]


def _seconds_of(zone: str) -> int:
    if zone[:1] not in ("+", "-"):
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (-1 if zone[0] == "-" else 1)


def _all_are(values: Any, pattern: str) -> bool:
    """Whether all strings match a pattern; most columns are told by their first one, which is quick."""
    return re.match(pattern, values[0].as_py()) is not None and all_match(values, pattern)


def _plain(pattern: str) -> str:
    """Return a pattern without the names of its groups, which may come only once."""
    return re.sub(r"\?P<\w+>", "", pattern)
