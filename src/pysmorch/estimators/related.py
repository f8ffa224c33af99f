"""The arguments `groups` and `time` of a fit: rows that are held out together, or because they are the latest."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from pysmorch.encoders.beside import TIMES, column_of, find_numbers, group_indices
from pysmorch.encoders.cells import as_frame, count_rows, is_table
from pysmorch.entries import list_names, suggest
from pysmorch.estimators.rows import counting_rows, weighted_rows
from pysmorch.estimators.splitting import SplitBy
from pysmorch.layers.base import Array
from pysmorch.prediction.files import is_path, read_labelled
from pysmorch.sources.streaming import StreamedTable
from pysmorch.warnings import PysmorchWarning


class Related(NamedTuple):
    """Rows, and what says which of them are held out.

    Attributes
    ----------
    X, y, sample_weight : as for `fit`
        Read, where they were in a file; without rows of weight 0.
    by : SplitBy or None
        What says which rows are held out; None draws them at random.
    column : str or None
        The column of X with the groups, which is no feature.
    """

    X: Any
    y: Any
    sample_weight: Any
    by: SplitBy | None = None
    column: str | None = None


def related_rows(
    X: Any, y: Any, sample_weight: Any, groups: Any, time: Any, classes: Array | None, learns_classes: bool = False
) -> Related:
    """Return the rows of a fit with what its arguments say about which of them are held out.

    Parameters
    ----------
    X, y, sample_weight : as for `fit`
        All rows.
    groups, time : array-like of shape (N,), str or None
        At most one of them, or the name of a column of X.
    classes : ndarray or None
        The classes of a model that knows them.
    learns_classes : bool, default=False
        As of `weighted_rows`.

    Returns
    -------
    Related
        As they are, where neither is given.

    Raises
    ------
    ValueError
        Names the argument, and the row that has no value.
    """
    if groups is None and time is None:
        return Related(X, y, sample_weight)
    if groups is not None and time is not None:
        raise ValueError("groups and time exclude each other: pass one of them")
    argument, given = ("time", time) if groups is None else ("groups", groups)
    in_file = is_path(X)
    if in_file:
        X, y, sample_weight = read_labelled(X, y, sample_weight, classes)
    cells = _cells(argument, given, X)
    by = _latest(cells, argument, given) if groups is None else _grouped(cells, argument, given)
    counting = counting_rows(sample_weight, count_rows(X))
    if counting is not None:
        by = by.take(counting)
    column = given if isinstance(given, str) and groups is not None else None
    if column is not None and in_file:
        X, column = X.drop_columns([column]), None
    X, y, sample_weight = weighted_rows(X, y, sample_weight, classes, learns_classes)
    return Related(X, y, sample_weight, by, column)


def _cells(argument: str, given: Any, X: Any) -> Any:
    """Return the values of all rows as a column of PyArrow."""
    if isinstance(given, str):
        return column_of(_named(argument, given, X), argument)
    cells = column_of(given, argument)
    if len(cells) != count_rows(X):
        raise ValueError(f"{argument} has {len(cells)} values, but X has {count_rows(X)} rows; pass one for each row")
    return cells


def _named(argument: str, name: str, X: Any) -> Any:
    if not isinstance(X, StreamedTable) and not is_table(X):
        raise ValueError(f"{argument}={name!r} names a column, but X is an array without names; pass its values")
    frame: Any = X if isinstance(X, StreamedTable) else as_frame(X)
    names: Any = getattr(frame, "column_names", None)  # a table of PyArrow has its columns under the other name
    names = list(frame.columns if names is None else names)
    if name not in names:
        hint = suggest(name, names) or f"; the columns are {list_names(names)}"
        raise ValueError(f"{argument}: X has no column {name!r}{hint}")
    return frame[name]


def _latest(cells: Any, argument: str, given: Any) -> SplitBy:
    times, wrong = find_numbers(cells, TIMES)
    if wrong is not None:
        cell = cells[wrong].as_py()
        found = "none" if cell is None or cell != cell else repr(cell)
        raise ValueError(f"{_said(argument, given)} needs a time or number in each row, but row {wrong} has {found}")
    if len(times) and (times == times[0]).all():
        raise ValueError(f"{_said(argument, given)}: all rows have the same time, so that none is the latest")
    return SplitBy(times=times)


def _grouped(cells: Any, argument: str, given: Any) -> SplitBy:
    groups, missing = group_indices(cells)
    if missing is not None:
        raise ValueError(f"{_said(argument, given)} needs a value in each row, but row {missing} has none")
    if len(groups) and (groups == groups[0]).all():
        raise ValueError(
            f"{_said(argument, given)}: all rows are of one group, {cells[0].as_py()!r}, so that no other can be held out"
        )
    return SplitBy(groups=groups)


def _said(argument: str, given: Any) -> str:
    return f"{argument}={given!r}" if isinstance(given, str) else argument


def warn_of_unseen(classes: Array, codes: Array, training: Array) -> None:
    """Warn of classes that no row for training has.

    Parameters
    ----------
    classes : ndarray of shape (K,)
        All classes.
    codes : ndarray of int, shape (N,)
        The class index of each row.
    training : ndarray of int
        The rows for training.
    """
    unseen = classes[np.setdiff1d(codes, codes[training])].tolist()
    if unseen:
        warnings.warn(
            f"all rows of the class{'es' * (len(unseen) > 1)} {list_names([repr(label) for label in unseen])} are held out, "
            "so that they cannot be learned; pass rows of more groups or times with them",
            PysmorchWarning,
            stacklevel=2,
        )
