"""Which group each row is of: columns of texts and whole numbers, one or several together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pysmorch.encoders.beside import column_of
from pysmorch.encoders.cells import as_table, is_table
from pysmorch.entries import list_names, suggest
from pysmorch.layers.base import Array
from pysmorch.sources.streaming import StreamedTable

Part = str | int | bool
"""What one column says of a group."""

Key = Part | tuple[Part, ...]
"""The name of a group: a tuple where several columns make it."""

WHOLE = 2.0**53
"""Floats below this that are whole numbers are those."""


class Column(NamedTuple):
    """A column with groups.

    Attributes
    ----------
    codes : ndarray of int, shape (N,)
        The index of each row's value.
    values : list of str, int or bool
        Each once.
    """

    codes: Array
    values: list[Part]


class Grouped(NamedTuple):
    """The rows of each of G groups.

    Attributes
    ----------
    keys : list of Key
        The names of the groups, sorted.
    order : ndarray of int, shape (N,)
        The rows, group by group; those of a group as they came.
    starts : ndarray of int, shape (G + 1,)
        Where each group begins in that order, and where the last one ends.
    """

    keys: list[Key]
    order: Array
    starts: Array


def columns_of(by: Any, X: Any) -> tuple[list[Column], list[str] | None]:
    """Return the columns that say of which group a row is, and their names.

    Parameters
    ----------
    by : str, list of str, or array-like of shape (N,)
        Names of columns of X, or the group of each row.
    X : array-like or data frame
        The rows.

    Returns
    -------
    columns : list of Column
        One or more.
    names : list of str or None
        None for values that are in no column of X.

    Raises
    ------
    ValueError, TypeError
        A row has no group, or a column holds what is no name of a group; messages name column and row.
    """
    names = _names_in(by, X)
    if names is None:
        return [_column(column_of(by, "by"), "it")], None
    if isinstance(X, StreamedTable):
        raise ValueError(
            "X: the table is larger than the memory, in which the rows of all groups have to be; train on a part of the groups at a time"
        )
    if not is_table(X):
        raise ValueError(f"by={by!r} names columns, but X is an array without names; pass the group of each row")
    table = as_table(X)
    for name in names:
        if name not in table.columns:
            hint = suggest(name, table.columns) or f"; the columns are {list_names(table.columns)}"
            raise ValueError(f"by: X has no column {name!r}{hint}")
    return [_column(column_of(table[name].to_native(), "by"), f"the column {name!r}") for name in names], names


def _names_in(by: Any, X: Any) -> list[str] | None:
    """Return the names of columns that `by` consists of, or None where it is the group of each row."""
    if isinstance(by, str):
        return [by]
    if not (isinstance(by, (list, tuple)) and by and all(isinstance(name, str) for name in by)) or not is_table(X):
        return None
    known = as_table(X).columns
    if len(by) == len(as_table(X)) and not set(by) <= set(known):
        return None
    if len(set(by)) < len(by):
        raise ValueError(f"by: a column is named twice in {list(by)}")
    return list(by)


def _column(cells: Any, said: str) -> Column:
    """Return the codes and values of a column of PyArrow; ValueError for a row without a value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = cells.is_null(nan_is_null=True).to_numpy(zero_copy_only=False)
    if pa.types.is_string(cells.type):
        missing = missing | (pc.utf8_length(cells).to_numpy(zero_copy_only=False) == 0)
    if missing.any():
        raise ValueError(f"by: {said} needs a value in each row, but row {int(missing.argmax())} has none")
    if pa.types.is_floating(cells.type):
        numbers = cells.to_numpy(zero_copy_only=False)
        wrong = (numbers != np.floor(numbers)) | (np.abs(numbers) >= WHOLE)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"by: {said} must hold names of groups, texts or whole numbers, but row {row} has {numbers[row]:g}"
            )
        cells = pa.array(numbers.astype(np.int64))
    kind = cells.type
    if not (pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind) or not len(cells)):
        raise ValueError(
            f"by: {said} must hold names of groups, texts or whole numbers, but has the type {kind}; make texts of its values"
        )
    encoded = cells.dictionary_encode()
    return Column(encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist())


def grouped(columns: Sequence[Column]) -> Grouped:
    """Return the rows of each group.

    Parameters
    ----------
    columns : sequence of Column
        What makes the name of a group together.

    Returns
    -------
    Grouped
        Of those that there are.
    """
    codes = np.zeros(len(columns[0].codes), np.int64)
    for column in columns:  # renumbered each time, so that no product of numbers of values is too large
        codes = np.unique(codes * len(column.values) + _ranks(column.values)[column.codes], return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    keys = [key_of(columns, int(row)) for row in order[starts]]
    return Grouped(keys, order, np.append(starts, len(codes)))


def _ranks(values: Sequence[Part]) -> Array:
    """Return where each value is in their order."""
    ranks = np.empty(len(values), np.int64)
    ranks[sorted(range(len(values)), key=values.__getitem__)] = np.arange(len(values))
    return ranks


def key_of(columns: Sequence[Column], row: int) -> Key:
    """Return the name of the group of a row."""
    parts = tuple(column.values[int(column.codes[row])] for column in columns)
    return parts[0] if len(parts) == 1 else parts


def written(key: Any) -> tuple[str, ...]:
    """Return the name of a group as texts: of numbers and texts that are written the same they are the same."""
    return tuple(map(str, key)) if isinstance(key, tuple) else (str(key),)


def positions(keys: Sequence[Key]) -> dict[tuple[str, ...], int]:
    """Return the index of each group by its name as `written`."""
    return {written(key): index for index, key in enumerate(keys)}


def without_columns(X: Any, names: Sequence[str] | None) -> Any:
    """Return rows without some columns; an array as it is."""
    return as_table(X).drop(list(names)).to_native() if names else X
