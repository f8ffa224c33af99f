"""Columns of Python's values, and the names of columns."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from pysmorch.entries import list_names
from pysmorch.sources.source import SourceError

EXACT = 2**53
"""Whole numbers up to here are the same as float64."""

PLAIN = {bool, int, float, str}


def column_of(values: list[Any], name_cell: Callable[[int], str]) -> Any:
    """Return values as an Arrow array of the type that holds all of them as they are.

    Values of several types, and integers of more than 64 bits, become texts.

    Args:
        values: of one column; None for those that are missing.
        name_cell: returns how messages call a value, by its index.

    Raises SourceError for values that are no cells of a table.
    """
    import pyarrow as pa

    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pa.nulls(len(values), pa.string())
    try:
        if kinds == {int}:
            return _integers(values)
        if kinds == {int, float} and all(type(v) is not int or abs(v) <= EXACT for v in values):
            return pa.array(values, pa.float64())
        if len(kinds) == 1 and kinds <= PLAIN:
            return pa.array(values)
        if kinds <= PLAIN:
            return pa.array([_as_text(value) for value in values], pa.string())
        if kinds <= {datetime.datetime, datetime.date}:
            return pa.array(values, pa.timestamp("us") if datetime.datetime in kinds else pa.date32())
        if len(kinds) == 1 and kinds <= {datetime.time, datetime.timedelta}:
            return pa.array(values)
    except UnicodeEncodeError:
        wrong = next(i for i, v in enumerate(values) if isinstance(v, str) and not _is_unicode(v))
        raise SourceError(f"{name_cell(wrong)} has half of a surrogate pair: {values[wrong]!r}") from None
    dated = {datetime.datetime, datetime.date, datetime.time, datetime.timedelta}
    if kinds <= PLAIN | dated:
        return pa.array([_as_text(value) for value in values], pa.string())
    wrong = next(i for i, v in enumerate(values) if v is not None and type(v) not in PLAIN | dated)
    raise SourceError(
        f"{name_cell(wrong)} is a {type(values[wrong]).__name__}; expected a number, a text, a truth value or a time"
    )


def _integers(values: list[Any]) -> Any:
    """Return integers of 64 bits, or texts where they are longer."""
    import pyarrow as pa

    for kind in (pa.int64(), pa.uint64()):
        try:
            return pa.array(values, kind)
        except (OverflowError, pa.ArrowInvalid):
            continue
    return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def unlike_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return names that are all different, and remarks about those that were changed.

    A name that comes again gets a number: a, a.1, a.2. Several empty names become Unnamed: 0, where 0 is the index of the
    column; a single one stays empty.

    >>> unlike_names(["a", "b", "a"])
    (['a', 'b', 'a.1'], ["2 columns are called 'a'; the later ones become a.1"])
    """
    counts = Counter(names)
    if len(counts) == len(names):
        return list(names), []
    used, made = set(names), list(names)
    changed: dict[str, list[str]] = {name: [] for name, count in counts.items() if count > 1}
    seen: set[str] = set()
    numbers: Counter[str] = Counter()
    for i, name in enumerate(names):
        if name in changed and (name in seen or not name):
            made[i] = name or f"Unnamed: {i}"
            while made[i] in used:
                numbers[name] += 1
                made[i] = f"{name or 'Unnamed: ' + str(i)}.{numbers[name]}"
            used.add(made[i])
            changed[name].append(made[i])
        seen.add(name)
    remarks = [
        f"{counts[name]} columns are called {name!r}; the later ones become {list_names(others, 4)}"
        if name
        else f"{counts[name]} columns have no name; they become {list_names(others, 4)}"
        for name, others in changed.items()
    ]
    return made, remarks
