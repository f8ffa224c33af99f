"""Columns of text that are many and small: learned and read together, with the same results as one after the other.

Only those are decided here that are plain numbers, or categories of plain words: what is written in another way, or is rare, is
decided by the rules for one column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pysmorch.encoders.categories import indices_of, mark_categories, mark_words
from pysmorch.encoders.cells import BYTES_OF_TEXTS, Cells
from pysmorch.encoders.choices import texts_of_all
from pysmorch.encoders.columns import Column
from pysmorch.encoders.content import DISTINCT_OF_TEXT, ROWS_TO_JUDGE, constant, extents_of, with_range
from pysmorch.encoders.formats import (
    CURRENCY,
    EXACT_DIGITS,
    INTEGER,
    MARKERS,
    PLAIN,
    floats_of,
    without_blanks,
    without_markers,
)
from pysmorch.encoders.values import BOOLEANS, text_values
from pysmorch.layers.base import Array

BYTES_TOGETHER = 2**25
"""So much text is read together."""

MANY_COLUMNS, BYTES_KEPT = 1_000, 2**28
"""Of tables with so many columns, what they are encoded from is stored if it takes no more."""

WORD, NO_WORD = r"^(?:[^0-9.,:]+|[A-Za-z_]+[0-9A-Za-z_]*)$", rf"^(?:-?PT?|PT?[0-9].*|(?:{CURRENCY})[0-9].*)$"
"""Words that are no number, time or duration in any format: without a digit, or a name with digits that is no P1D or EUR5."""

BLANK_AT_AN_END = r"^[\s\x{1c}-\x{1f}\x{85}\p{Z}]|[\s\x{1c}-\x{1f}\x{85}\p{Z}]$"


class Texts:
    """Columns of text with as many rows each, as indices of their values.

    Parameters
    ----------
    arrays : sequence of pyarrow.Array of string
        The columns.
    markers : sequence of str
        What stands for a missing value, besides nothing but blanks.

    Attributes
    ----------
    values : pyarrow.Array of string
        All distinct values, without blanks around them.
    codes : ndarray of int64, shape (columns, N)
        The index of each cell's value; as large as the number of values for what is missing.
    """

    def __init__(self, arrays: Sequence[Any], markers: Sequence[str] = ()) -> None:
        import pyarrow as pa

        encoded = pa.concat_arrays(arrays).dictionary_encode()
        # Blanks are taken from the distinct values, which are few; some may be the same without them.
        again = without_markers(without_blanks(encoded.dictionary), tuple(markers)).dictionary_encode()
        self.values = again.dictionary
        last = len(self.values)
        of_written = np.append(_indices(again.indices, last), last)
        self.codes = of_written[_indices(encoded.indices, len(encoded.dictionary))].reshape(len(arrays), -1)

    def cells(self, of_values: Array, of_missing: Any) -> Array:
        """Return for each cell what is known of its value."""
        return np.append(of_values, np.array(of_missing, of_values.dtype))[self.codes]

    def matches(self, pattern: str) -> Array:
        """Return whether each value matches a regular expression."""
        import pyarrow.compute as pc

        return np.asarray(pc.match_substring_regex(self.values, pattern).to_numpy(zero_copy_only=False), dtype=bool)


def _indices(indices: Any, of_missing: int) -> Array:
    return np.asarray(indices.fill_null(of_missing).to_numpy(zero_copy_only=False), np.int64)


def _groups(names: Sequence[str], arrays: Sequence[Any]) -> Iterator[list[tuple[str, Any]]]:
    """Go through those columns that are small texts with as many rows, some at a time."""
    if not names:
        return
    import pyarrow as pa

    group: list[tuple[str, Any]] = []
    size = 0
    for name, array in zip(names, arrays, strict=True):
        if not pa.types.is_string(array.type) or array.nbytes > BYTES_OF_TEXTS or not len(array):
            continue
        if size + array.nbytes > BYTES_TOGETHER or (group and len(array) != len(group[0][1])):
            yield group
            group, size = [], 0
        group.append((name, array))
        size += array.nbytes
    if len(group):
        yield group


def learn_together(
    names: Sequence[str], rows: Cells, weights: Array | None, missing: tuple[str, ...] | None, leaves_out: bool
) -> dict[str, Column]:
    """Return what columns of text are, of which the user says nothing; those that are read as numbers stay with the rows.

    Parameters
    ----------
    names : sequence of str
        Columns that are not among `rows.plain`.
    rows : Cells
        The rows of the training.
    weights : ndarray of shape (N,) or None
        One positive weight per row.
    missing : tuple of str or None
        As for `learn_column`.
    leaves_out : bool
        As for `learn_column`.

    Returns
    -------
    dict of str to Column
        Only of those that are plain numbers or categories of plain words.
    """
    written = [name for name in names if rows.is_written(name)]
    learned: dict[str, Column] = {}
    everywhere = [texts_of_all(name, rows.arrow(name)) for name in written]
    for group in _groups(written, everywhere):
        some = [name for name, _ in group]
        arrays = [rows.arrow(name) for name in some]
        as_numbers = Texts([array for _, array in group], MARKERS if missing is None else missing)
        numbers, whole, words = _judge(as_numbers)
        chosen = np.flatnonzero(numbers).tolist()
        if chosen:
            learned |= _learn_numbers(
                rows, [some[i] for i in chosen], [arrays[i] for i in chosen], whole[chosen], missing, leaves_out
            )
        chosen = np.flatnonzero(words).tolist() if weights is None else []
        if chosen:
            learned |= _learn_words(
                [some[i] for i in chosen], Texts([arrays[i] for i in chosen], missing or ()), leaves_out
            )
    return learned


def _judge(texts: Texts) -> tuple[Array, Array, Array]:
    """Return which columns are plain numbers, which of these are whole, and which are plain words."""
    import pyarrow.compute as pc

    valued = (texts.codes < len(texts.values)).any(1)
    plain = texts.matches(PLAIN)
    long = pc.greater(pc.utf8_length(texts.values), EXACT_DIGITS).to_numpy(zero_copy_only=False)
    exact = plain & ~(long & texts.matches(INTEGER))
    numbers: Any = valued & texts.cells(exact, True).all(1)
    whole: Array = np.logical_not(texts.cells(plain & texts.matches("[.eE]"), False).any(1))
    booleans = pc.is_in(pc.utf8_lower(texts.values), value_set=_booleans()).to_numpy(zero_copy_only=False)
    is_word = texts.matches(WORD) & ~texts.matches(NO_WORD)
    words: Any = valued & texts.cells(is_word, True).all(1) & texts.cells(is_word & ~booleans, False).any(1)
    return numbers, whole, words


def _booleans() -> Any:
    import pyarrow as pa

    return pa.array(sorted({word for pair in BOOLEANS for word in pair}))


def _learn_numbers(
    rows: Cells,
    names: Sequence[str],
    arrays: Sequence[Any],
    whole: Array,
    missing: tuple[str, ...] | None,
    leaves_out: bool,
) -> dict[str, Column]:
    values, read = _floats(arrays, missing)
    columns: dict[str, Column] = {}
    for i, extent in enumerate(extents_of(values.T)):
        if read[i] and extent.known:
            rows.parsed[names[i]] = values[i]
            column = Column(names[i], "number", holds="integer" if whole[i] else "number")
            columns[names[i]] = with_range(column, values[i], extent, leaves_out, rows.num_rows)
    return columns


def _floats(arrays: Sequence[Any], missing: tuple[str, ...] | None) -> tuple[Array, Array]:
    """Return columns as plain numbers, shape (columns, N), and which of them are such."""
    texts = Texts(arrays, MARKERS if missing is None else missing)
    of_values = floats_of(texts.values)
    read: Array = np.logical_not(texts.cells(np.isnan(of_values), False).any(1))
    return texts.cells(of_values, np.nan), read


def read_together(columns: Sequence[Column], rows: Cells, missing: tuple[str, ...] | None) -> None:
    """Read the columns of text that the training found to be plain numbers; those that are none here are left as they are.

    Parameters
    ----------
    columns : sequence of Column
        Of kind "number".
    rows : Cells
        Whose `parsed` gets the numbers.
    missing : tuple of str or None
        What stands for missing values; None for `MARKERS`.
    """
    names = [
        column.name
        for column in columns
        if column.holds in ("integer", "number") and not column.format and column.name not in rows.parsed
    ]
    names = [name for name in names if rows.is_written(name)]
    for group in _groups(names, [rows.arrow(name) for name in names]):
        values, read = _floats([array for _, array in group], missing)
        rows.parsed |= {name: values[i] for i, (name, _) in enumerate(group) if read[i]}


def _learn_words(names: Sequence[str], texts: Texts, leaves_out: bool) -> dict[str, Column]:
    """Return those columns that are categories of frequent values, most frequent first, then in the order of the alphabet."""
    import pyarrow.compute as pc

    size = len(texts.values) + 1
    keys, counts = np.unique(np.arange(len(names))[:, None] * size + texts.codes, return_counts=True)
    column_of, codes = np.divmod(keys, size)
    missing = np.isin(np.arange(len(names)), column_of[codes == size - 1])
    column_of, codes, counts = (of_keys[codes < size - 1] for of_keys in (column_of, codes, counts))
    rank = np.empty(size - 1, np.int64)
    rank[pc.array_sort_indices(texts.values).to_numpy()] = np.arange(size - 1)
    order = np.lexsort((rank[codes], -counts, column_of))
    column_of, codes, counts = column_of[order], codes[order], counts[order]
    distinct = np.bincount(column_of, minlength=len(names))
    frequent = np.bincount(column_of, counts > 1, minlength=len(names)).astype(np.int64)
    known = np.bincount(column_of, counts, minlength=len(names))
    values = np.array(texts.values.to_pylist(), dtype=object)[codes].tolist()
    learned, start = {}, 0
    for i, name in enumerate(names):
        first, start = start, start + int(distinct[i])
        if distinct[i] > DISTINCT_OF_TEXT * known[i]:
            continue
        if leaves_out and known[i] >= ROWS_TO_JUDGE and distinct[i] == 1 and not missing[i]:
            learned[name] = constant(name)
            continue
        column = Column(
            name, "category", missing=bool(missing[i]), holds="category", rare=bool(frequent[i] < distinct[i])
        )
        column.values = values[first : first + int(frequent[i])]
        learned[name] = column
    return learned


def mark_texts(
    block: Array, starts: Sequence[tuple[Column, int]], rows: Cells, missing: tuple[str, ...] | None
) -> None:
    """Set the indicators of categories and texts.

    Parameters
    ----------
    block : ndarray of shape (N, D)
        Zeros, in which the indicators are set.
    starts : sequence of (Column, int)
        Categories and texts, with the index of their first indicator.
    rows : Cells
        The rows.
    missing : tuple of str or None
        What stands for missing values; None for nothing but empty cells.
    """
    start_of = {column.name: (column, start) for column, start in starts}
    names = [
        column.name
        for column, _ in starts
        if column.kind == column.holds == "category" and not column.buckets and rows.is_written(column.name)
    ]
    for group in _groups(names, [rows.arrow(name) for name in names]):
        texts = Texts([array for _, array in group], missing or ())
        if not texts.matches(BLANK_AT_AN_END).any():  # such a value is looked for without its blanks, too
            _mark_together(block, [start_of.pop(name) for name, _ in group], texts)
    for column, start in start_of.values():
        _mark(block[:, start : start + column.num_indicators], column, text_values(column, rows, missing))


def _mark(block: Array, column: Column, cells: Any) -> None:
    missing = cells.is_null().to_numpy(zero_copy_only=False)
    if column.kind == "text":
        mark_words(block, column, cells)
    else:
        mark_categories(block, column, indices_of(column, cells), missing)
    if column.missing:
        block[:, -1] = missing


def _mark_together(block: Array, starts: Sequence[tuple[Column, int]], texts: Texts) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    size = len(texts.values) + 1
    num_values = [len(column.values) for column, _ in starts]
    all_values = pa.array([value for column, _ in starts for value in column.values], pa.string())
    codes = _indices(pc.index_in(all_values, value_set=texts.values), -1)
    column_of = np.repeat(np.arange(len(starts)), num_values)
    index = np.arange(len(codes)) - np.repeat(np.cumsum(num_values) - num_values, num_values)
    here = codes >= 0
    keys, index = (column_of * size + codes)[here], index[here]
    order = np.argsort(keys)
    keys, index = np.append(keys[order], len(starts) * size), np.append(index[order], -1)
    wanted = np.arange(len(starts))[:, None] * size + texts.codes
    position = np.searchsorted(keys, wanted)
    found = np.where(keys[position] == wanted, index[position], -1)
    firsts = np.array([start for _, start in starts])
    num_own = np.array([column.num_own for column, _ in starts])
    of_cell, row = np.nonzero((found >= 0) & (found < num_own[:, None]))
    block[row, firsts[of_cell] + found[of_cell, row]] = 1.0
    absent = texts.codes == size - 1
    rare = np.array([column.rare for column, _ in starts])
    of_cell, row = np.nonzero((found < 0) & ~absent & rare[:, None])
    block[row, firsts[of_cell] + num_own[of_cell]] = 1.0
    may_be_missing = np.array([column.missing for column, _ in starts])
    last = firsts + np.array([column.num_indicators for column, _ in starts]) - 1
    of_cell, row = np.nonzero(absent & may_be_missing[:, None])
    block[row, last[of_cell]] = 1.0
