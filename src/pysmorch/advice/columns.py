"""Remarks on the columns of a table: those that hardly vary, those that look like ids, and those that predict nearly all alone.

What `fit` warns of (columns that are left out, columns that are nearly the target) is not said once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pysmorch.encoders import NamedColumn
from pysmorch.encoders.leaks import MAX_ROWS, MOST_ERRORS, RARE, Targets, codes_tell, numbers_tell
from pysmorch.entries import list_names
from pysmorch.layers.base import Array

OTHER_SHARE = 0.01
"""A column hardly varies if fewer than `RARE` rows, and no more than this share of them, have another value than most."""

ROWS_OF_IDS = 20
"""So many whole numbers, all different and in order, are no chance: the first of 20! orders."""

ROWS_OF_DENSE_IDS = 100
"""Of so many numbers out of twice as many values all are different by chance once in 10^17 columns."""

MOST_ENTRIES = 2**18
"""Of wide tables fewer rows are looked at, so that their trees take about a second."""

MAX_COLUMNS = 500
"""In tables with more columns none is tried alone."""

LEAVES, OF_NUMBERS = 64, 0.99
"""A column predicts numbers alone if a tree with so many leaves explains so much of their variance, in rows that it was not made of."""


def remarks_on_columns(columns: Sequence[NamedColumn], codes: Array) -> list[str]:
    """Return what is to be said about columns.

    Parameters
    ----------
    columns : sequence of NamedColumn
        Those of the rows of the training.
    codes : ndarray of int, shape (N,), or of float, shape (N, K)
        Class indices, or numbers, of these rows.

    Returns
    -------
    list of str
        One sentence for each kind.
    """
    remarks = []
    constant = [column.name for column in columns if hardly_varies(column.values)]
    if constant:
        remarks.append(
            f"{_whom(constant)} hardly var{'ies' if len(constant) == 1 else 'y'}: fewer than {RARE} of {len(codes)} rows have another value "
            "than most; leave out what such rows cannot be learned from"
        )
    ids = [] if len(columns) < 2 else [column.name for column in columns if looks_like_ids(column)]
    if ids:
        remarks.append(
            f"{_whom(ids)} ha{'s' if len(ids) == 1 else 've'} another whole number in each row, as ids and row numbers have; leave out what "
            "only names the row"
        )
    alone = [f"{column.name!r} ({share:.1%})" for column, share in predicts_alone(columns, codes)]
    if alone:
        what = "classes right" if codes.dtype.kind == "i" else "the variance"
        remarks.append(
            f"a single column predicts nearly all of the target, of other rows than those it was learned from: {list_names(alone)} of {what}; "
            "leave it out unless it is known when predictions are made"
        )
    return remarks


def _whom(names: Sequence[str]) -> str:
    return f"column {names[0]!r}" if len(names) == 1 else f"columns {list_names(names)}"


def hardly_varies(values: Array) -> bool:
    """Whether nearly all rows have the same value.

    Parameters
    ----------
    values : ndarray of float64, shape (N,)
        With NaN for what is missing.

    Returns
    -------
    bool
        Whether fewer than `RARE` rows, and at most a hundredth of them, have another one.
    """
    count = len(values)
    same = np.where(np.isnan(values), np.inf, values)
    middle = np.partition(same, count // 2)[count // 2]  # what most rows have is the median
    others = count - int((same == middle).sum())
    return 0 < others < RARE and others <= OTHER_SHARE * count


def looks_like_ids(column: NamedColumn) -> bool:
    """Whether a column has another whole number in each row: in the order of the rows, or out of hardly more numbers than rows.

    Parameters
    ----------
    column : NamedColumn
        Of rows in their order.

    Returns
    -------
    bool
        False for times, durations and categories.
    """
    values, count = column.values, len(column.values)
    if column.is_category or column.holds not in ("integer", "number") or count < ROWS_OF_IDS:
        return False
    if np.isnan(values).any() or (values != np.floor(values)).any():
        return False
    steps = np.diff(values)
    if (steps > 0).all() or (steps < 0).all():
        return True
    dense = count >= ROWS_OF_DENSE_IDS and np.ptp(values) < 2 * count
    return bool(dense and len(np.unique(values)) == count)


def predicts_alone(columns: Sequence[NamedColumn], codes: Array) -> list[tuple[NamedColumn, float]]:
    """Return the columns of which each predicts nearly all of the target, and how much.

    A small tree learns from half of the rows and predicts the others, and the other way round.

    Parameters
    ----------
    columns : sequence of NamedColumn
        Of a table with several; of one there is nothing else to learn from.
    codes : ndarray of int, shape (N,), or of float, shape (N, K)
        Class indices, or numbers.

    Returns
    -------
    list of (NamedColumn, float)
        With the share of the classes that are right, or of the variance that is explained.
    """
    if not 2 <= len(columns) <= MAX_COLUMNS:
        return []
    some = np.linspace(0, len(codes) - 1, min(len(codes), MAX_ROWS, MOST_ENTRIES // len(columns))).astype(np.int64)
    codes = codes[some]
    told = _share_of_classes if codes.dtype.kind == "i" else _share_of_numbers
    found = []
    for column in columns:
        values = column.values[some]
        known = codes_tell(_as_codes(values), codes) if column.is_category else numbers_tell(values, Targets(codes))
        share = None if known else told(values[:, None], codes)  # of the others fit has warned
        if share is not None:
            found.append((column, share))
    return found


def _as_codes(values: Array) -> Array:
    return np.where(np.isnan(values), 0, values + 1).astype(np.int64)


def _share_of_classes(values: Array, codes: Array) -> float | None:
    counts = np.bincount(codes)
    several = counts[codes] >= 2  # a class with one row is in one half only
    guessed_wrong = int(several.sum()) - int(counts.max())
    if guessed_wrong < RARE:
        return None
    tree = DecisionTreeClassifier(max_leaf_nodes=2 * len(counts) + 2, random_state=0)
    folds: Any = StratifiedKFold(2, shuffle=True, random_state=0)
    wrong = int((cross_val_predict(tree, values[several], codes[several], cv=folds) != codes[several]).sum())
    return 1 - wrong / int(several.sum()) if wrong <= MOST_ERRORS * guessed_wrong else None


def _share_of_numbers(values: Array, targets: Array) -> float | None:
    if len(targets) < 2 * LEAVES or targets.shape[1] > 1:
        return None
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, random_state=0)
    target = targets[:, 0].astype(np.float64)
    left = target - cross_val_predict(tree, values, target, cv=KFold(2, shuffle=True, random_state=0))
    total = float(((target - target.mean()) ** 2).sum())
    share = 1 - float((left**2).sum()) / total if total > 0 else 0.0
    return share if share >= OF_NUMBERS else None
