"""What each column of a table is: decided once, from the rows of the training, by the rules in this file.

- Numbers, booleans, times, durations and times of day are what their type or all their texts say (`formats.py`, `dates.py`).
- Everything else is a category, or text where cells have many words and hardly two are alike.
- What carries nothing is left out: columns without values, constants, running numbers, and texts that never come twice.
"""

from __future__ import annotations

import re
from typing import Any

from pysmorch.encoders.categories import frequent_words, known_values, value_counts
from pysmorch.encoders.cells import Cells, texts_of
from pysmorch.encoders.choices import WRITTEN, format_of, texts_of_all
from pysmorch.encoders.columns import CHOSEN, LETTERS, WORDS, Column
from pysmorch.encoders.content import DISTINCT_OF_TEXT, ROWS_TO_JUDGE, Extent, constant, empty, extents_of, with_range
from pysmorch.encoders.dates import find_time_format, is_duration, is_time_of_day, parse_times
from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.formats import (
    EXACT,
    INFINITE,
    LEADING_ZEROS,
    MARKERS,
    PLAIN,
    NumberFormat,
    all_match,
    any_match,
    find_number_format,
    find_unit_format,
    is_ambiguous,
    without_blanks,
    without_markers,
)
from pysmorch.encoders.values import is_boolean, number_values
from pysmorch.layers.base import Array

MIN_WORDS_OF_TEXT = 3.0
"""A column is text, not a category, when its cells have so many words on average and more than half are distinct."""

MIN_LETTERS_OF_TEXT = 6.0
"""The same for letters of scripts that have no blanks between words."""

WITHOUT_BLANKS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"


def learn_column(
    name: str,
    rows: Cells,
    numbers: tuple[Array, Extent] | None,
    weights: Array | None,
    choice: str | None,
    missing: tuple[str, ...] | None,
    leaves_out: bool = True,
) -> Column:
    """Return what a column is.

    Parameters
    ----------
    name : str
        Its name.
    rows : Cells
        The rows of the training.
    numbers : (ndarray of float64, shape (N,), Extent) or None
        The column as numbers where it is among `rows.plain`.
    weights : ndarray of shape (N,) or None
        One positive weight per row, of which only the ratios count.
    choice : str or None
        What the user says it holds, one of `CHOICES`, also with a sample; None finds it out.
    missing : tuple of str or None
        What stands for missing values in all columns; None for `MARKERS` in those that hold no text.
    leaves_out : bool, default=True
        Whether a column that carries nothing in these rows is left out, unless the user says what it holds.

    Returns
    -------
    Column
        With what `encode` needs, but for the scale of numbers.

    Raises
    ------
    ColumnError
        Cells are not what the user says, or infinite.
    """
    choice, sample = (None, "") if choice is None else choice.partition(WRITTEN)[::2]
    if choice == "id":
        return Column(name, "none", holds="id", why=CHOSEN)
    if numbers is not None and choice not in ("category", "ordered category", "text"):
        column = _of_plain(name, rows.plain[name], numbers[1], choice)
        if column is not None:
            return with_range(column, *numbers, leaves_out and choice is None, rows.num_rows)
    order = None if name in rows.plain else rows.order_of(name)
    declared = order is not None and choice is None
    if declared:
        choice = "ordered category" if order else "category"
    array = rows.arrow(name)
    if array.null_count == len(array):
        return empty(name)
    if _is_text(array):
        everything = texts_of_all(name, array)
        texts = rows.texts(name)
        read = without_markers(texts if everything is array else without_blanks(everything), missing or ())
        column = _of_texts(name, read, choice, missing is None)
        if choice is not None and sample:
            column = Column(name, "number", holds=choice, format=format_of(choice, sample) or "", why=CHOSEN)
        array = without_markers(texts, missing or ())
    else:
        column = _of_type(name, array, choice)
    if column.kind == "number":
        values = rows.parsed[name] = _checked_numbers(column, array, missing)
        return with_range(column, values, extents_of(values[:, None])[0], leaves_out and choice is None, rows.num_rows)
    if column.kind == "none":
        return column
    if declared:
        column.why = "declared so"
    return _learn_texts(column, texts_of(array), weights, order, None if declared else choice, leaves_out)


def _of_plain(name: str, kind: str, extent: Extent, choice: str | None) -> Column | None:
    """Return the column of plain numbers; None for integers that float64 does not hold."""
    if kind == "i" and choice is None and max(-extent.low, extent.high) >= EXACT:
        return None
    held = {"b": "boolean", "i": "integer", "f": "number"}[kind]
    return Column(name, "number", holds=choice or held, why=CHOSEN if choice else "")


def _checked_numbers(column: Column, array: Any, missing: tuple[str, ...] | None) -> Array:
    values, wrong = number_values(column, array, missing)
    if len(wrong):
        cell = array[int(wrong[0])].as_py()
        raise ColumnError(column.name, f"cannot be taken as {column.holds}: {{row}} has {cell!r}", int(wrong[0]))
    return values


def infinite_text(cells: Any) -> int | None:
    """Return the first row with an infinity in a column of strings that are numbers otherwise; None where there is none.

    Parameters
    ----------
    cells : pyarrow.ChunkedArray of string
        A column.

    Returns
    -------
    int or None
        Index of the row.
    """
    import pyarrow.compute as pc

    first = (cells[0].as_py() or "").strip() if len(cells) else ""
    if first and first not in MARKERS and not re.search(rf"{INFINITE}|[0-9]", first):  # a column of text, as most are
        return None
    infinite = pc.match_substring_regex(cells, INFINITE)
    if not pc.any(infinite).as_py():
        return None
    values = without_markers(without_blanks(cells.combine_chunks()), MARKERS).unique().drop_null()
    return None if find_number_format(values) is None else pc.index(infinite, True).as_py()


def _is_text(array: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(array.type))


def _of_type(name: str, array: Any, choice: str | None) -> Column:
    """Return the column of an array that holds something else than text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if choice in ("category", "ordered category", "text"):
        return Column(name, "text" if choice == "text" else "category", holds=choice, why=CHOSEN)
    if pa.types.is_integer(kind):
        smallest, largest = pc.min_max(array).as_py().values()
        if choice is None and max(-smallest, largest) > EXACT:
            return Column(name, "category", holds="category", why="integers above 2^53 are taken as codes")
        return Column(name, "number", holds=choice or "integer", why=CHOSEN if choice else "")
    if pa.types.is_timestamp(kind):
        return Column(name, "number", holds="time")
    held = {"bool": "boolean", "time64[us]": "time of day"}.get(
        str(kind), "duration" if pa.types.is_duration(kind) else "number"
    )
    return Column(name, "number", holds=choice or held, why=CHOSEN if choice else "")


def _of_texts(name: str, cells: Any, choice: str | None, by_rule: bool) -> Column:
    """Return the column of strings, by what all of them are."""
    if choice in ("category", "ordered category", "text"):
        return Column(name, "text" if choice == "text" else "category", holds=choice, why=CHOSEN)
    values = (without_markers(cells, MARKERS) if by_rule else cells).unique().drop_null()
    if not len(values):
        return empty(name)
    written = find_number_format(values) if choice in (None, "number") else None
    if written is not None:
        return _of_numbers(name, values, written)
    if choice in (None, "boolean") and is_boolean(values):
        return Column(name, "number", holds="boolean", why=f"written {' and '.join(sorted(values.to_pylist())[:2])}")
    if choice in (None, "time of day") and is_time_of_day(values):
        return Column(name, "number", holds="time of day")
    if choice in (None, "duration") and is_duration(values):
        return Column(name, "number", holds="duration")
    order, ambiguous = find_time_format(values) if choice in (None, "time") else (None, False)
    if order is not None:
        why = f"dates written {order}" + (
            f", such as {values[0].as_py()}: day and month could be swapped" if ambiguous else ""
        )
        return Column(name, "number", holds="time", format=order, why=why)
    written = find_unit_format(values) if choice in (None, "number") else None
    if written is not None:
        return _of_numbers(name, values, written)
    if choice is not None:
        return Column(name, "number", holds=choice, why=CHOSEN)
    return Column(name, "category", holds="category", why=_why_text(values))


def _of_numbers(name: str, values: Any, written: NumberFormat) -> Column:
    """Return the column of strings that are numbers in a format."""
    ambiguous = is_ambiguous(values, written)
    said = [written.describe()] if not written.is_plain else []
    said += [f"such as {values[0].as_py()}, which could also be a decimal"] if ambiguous else []
    whole = written.is_plain and not any_match(values, r"[.eE]")
    form = "" if written.is_plain else "|".join(written)
    return Column(name, "number", holds="integer" if whole else "number", format=form, why=", ".join(said))


def _why_text(values: Any) -> str:
    """Return why texts that look like numbers or dates are taken as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if re.search("[0-9]", "\n".join(values.slice(0, 100).to_pylist())) is None:
        return ""
    for first in values.slice(0, 3):
        order, _ = find_time_format(pa.array([first.as_py()]))
        wrong = parse_times(values, order)[1] if order else range(len(values))
        if len(wrong) <= 0.5 * len(values):
            other = values[int(wrong[0])].as_py()
            return f"mixed: {1 - len(wrong) / len(values):.0%} of its values are dates, but not {other[:40]!r}"
    if all_match(values, rf"{LEADING_ZEROS}|{PLAIN}"):
        zeros = any_match(values, LEADING_ZEROS)
        return "numbers with leading zeros are taken as codes" if zeros else "integers above 2^53 are taken as codes"
    if all_match(values, r"^0[xX][0-9a-fA-F]+$"):
        return "hexadecimal numbers are taken as codes"
    number = pc.match_substring_regex(values, PLAIN)
    share = pc.mean(number).as_py()
    if share >= 0.5:
        other = values.filter(pc.invert(number))[0].as_py()
        return f"mixed: {share:.0%} of its values are numbers, but not {other[:40]!r}"
    return ""


def _learn_texts(
    column: Column, cells: Any, weights: Array | None, order: list[str] | None, choice: str | None, leaves_out: bool
) -> Column:
    """Complete a column of text: its categories or words; or leave it out."""
    column.missing = cells.null_count > 0
    num_known = len(cells) - cells.null_count
    if not num_known:
        return empty(column.name)
    counts = value_counts(cells, weights)
    if column.holds == "ordered category":
        column.values = order or sorted(value for value, _ in counts)
        return column
    enough = leaves_out and choice is None and num_known >= ROWS_TO_JUDGE
    if enough and len(counts) == 1 and not column.missing:
        return constant(column.name)
    counted = _text_counted([value for value, _ in counts], num_known)
    if column.kind == "text" or (choice is None and counted is not None):
        column.kind, column.holds, column.format = "text", "text", counted or LETTERS
        column.values, column.weights = frequent_words(cells, column.format)
        return column
    column.values = known_values(counts)
    column.rare = len(column.values) < len(counts)
    if enough and not column.values and not column.missing:
        return Column(column.name, "none", holds="id", why="all its values are distinct")
    return column


def _text_counted(values: list[str], num_known: int) -> str | None:
    """Return what to count in a column if it is text: words, or groups of letters where a script has no blanks; else None."""
    if len(values) <= DISTINCT_OF_TEXT * num_known:
        return None
    if sum(len(text.split()) for text in values) / len(values) >= MIN_WORDS_OF_TEXT:
        return WORDS
    import pyarrow as pa

    long = sum(map(len, values)) / len(values) >= MIN_LETTERS_OF_TEXT
    return LETTERS if long and any_match(pa.array(values), WITHOUT_BLANKS) else None
