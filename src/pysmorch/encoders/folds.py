"""Categories of many values get statistics of the target; rows of a training get those without what their own fold says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pysmorch.encoders.categories import indices_of
from pysmorch.encoders.cells import Cells
from pysmorch.encoders.columns import OWN_INDICATORS, Column
from pysmorch.encoders.statistics import Targets, statistics_of
from pysmorch.encoders.streamed import StreamedRows
from pysmorch.encoders.values import text_values
from pysmorch.files.header import ModelFileError
from pysmorch.layers.base import Array


def with_many(columns: Sequence[Column]) -> list[Column]:
    """Return the categories of which not each value can have an indicator."""
    return [
        column
        for column in columns
        if column.kind == "category" and column.holds != "ordered category" and len(column.values) > OWN_INDICATORS
    ]


def learn_statistics(
    columns: Sequence[Column],
    rows: Cells | StreamedRows,
    weights: Array | None,
    targets: Array,
    missing: tuple[str, ...] | None,
    groups: Array | None = None,
) -> dict[str, Array]:
    """Return the statistics of the values of categories; those of the rows stay with the rows.

    Parameters
    ----------
    columns : sequence of Column
        Categories, which have statistics from now on.
    rows : Cells or StreamedRows
        The rows of the training.
    weights : ndarray of shape (N,) or None
        One positive weight per row.
    targets : ndarray of int, shape (N,), or of float, shape (N, K)
        Class indices, or numbers.
    missing : tuple of str or None
        What stands for missing values.
    groups : ndarray of int, shape (N,), or None, default=None
        The group of each row; those of one group are in one fold.

    Returns
    -------
    dict of str to ndarray
        By the names of the columns.
    """
    if not columns:
        return {}
    # Rows of a further training have the statistics of the first one's classes.
    told = Targets(targets, weights, columns[0].averaged, groups)
    for column in columns:
        column.statistics, column.averaged = told.num_statistics, told.classes
    sums = {column.name: told.no_sums(len(column.values)) for column in columns}
    rows.codes = {column.name: np.empty(len(rows), np.int32) for column in columns}
    if not isinstance(rows, StreamedRows):
        learned = {}
        for column in columns:
            codes = rows.codes[column.name]
            codes[:] = _codes(column, rows, missing)
            told.add(sums[column.name], codes, 0)
            learned[column.name] = statistics_of(sums[column.name])
            rows.statistics[column.name] = learned[column.name][1][told.fold, codes]
        return {name: of_values for name, (of_values, _) in learned.items()}
    for first, cells in rows.blocks(list(sums)):
        for column in columns:
            codes = _codes(column, cells, missing)
            rows.codes[column.name][first : first + len(cells)] = codes
            told.add(sums[column.name], codes, first)
    learned = {name: statistics_of(of_values) for name, of_values in sums.items()}
    folds, codes_of = told.fold, rows.codes

    def take_statistics(cells: Cells, first: int) -> None:
        some = slice(first, first + len(cells))
        for name, (_, of_folds) in learned.items():
            cells.statistics[name] = of_folds[folds[some], codes_of[name][some]]

    rows.take_statistics = take_statistics
    return {name: of_values for name, (of_values, _) in learned.items()}


def _codes(column: Column, cells: Cells, missing: tuple[str, ...] | None) -> Array:
    """Return the index of each cell's value; one more than those of all values for what is none of them."""
    indices = indices_of(column, text_values(column, cells, missing))
    indices[indices < 0] = len(column.values)
    return indices


def statistics_to_tensors(columns: Sequence[Column], statistics: Mapping[str, Array]) -> dict[str, Array]:
    """Return the statistics of columns by the names that they have in a model file."""
    return {f"statistics.{i}": statistics[column.name] for i, column in enumerate(columns) if column.statistics}


def statistics_from_tensors(columns: Sequence[Column], tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the statistics of `statistics_to_tensors`; ModelFileError where they do not fit the columns."""
    statistics = {}
    for i, column in enumerate(columns):
        if column.statistics:
            of_values = tensors.get(f"statistics.{i}", np.zeros(0))
            if of_values.shape != (len(column.values) + 1, column.statistics) or of_values.dtype != np.float64:
                raise ModelFileError(f"the statistics of the column {column.name!r} are missing or do not fit it")
            statistics[column.name] = of_values
    return statistics
