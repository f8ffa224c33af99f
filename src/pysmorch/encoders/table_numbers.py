"""The numbers of a table's rows: read from its cells, and the statistics of its categories."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pysmorch.encoders.categories import indices_of
from pysmorch.encoders.cells import Cells, check_no_infinity
from pysmorch.encoders.columns import Column
from pysmorch.encoders.layout import Layout, years_of
from pysmorch.encoders.together import read_together
from pysmorch.encoders.values import number_values, refuse_cells, refuse_numbers, text_values
from pysmorch.layers.base import Array


def numbers_in_rows(
    layout: Layout, rows: Cells, statistics: Mapping[str, Array], missing: tuple[str, ...] | None
) -> Array:
    """Return the numbers of all columns, before they are scaled.

    Parameters
    ----------
    layout : Layout
        Of the columns.
    rows : Cells
        The rows.
    statistics : mapping of str to ndarray
        Of the columns of very many categories, by name.
    missing : tuple of str or None
        What stands for missing values; None for `MARKERS`.

    Returns
    -------
    ndarray of float64, shape (N, P)
        With NaN for what is missing.

    Raises
    ------
    ColumnError
        A cell holds something else than in training, or an infinite number.
    """
    positions, available = layout.positions, rows.plain
    plain = [name for name in positions if name in available]
    if plain and len(plain) == len(layout.low):
        block = rows.block(plain)
    else:
        block = np.empty((len(rows), len(layout.low)), order="F")
        if plain:
            block[:, [positions[name] for name in plain]] = rows.block(plain)
        read_together([column for column, _ in layout.numbers], rows, missing)
        for column, position in layout.numbers:
            if column.name not in available:
                block[:, position] = parsed(column, rows, missing)
            if column.holds == "time":
                block[:, position + 1] = years_of(block[:, position])
        for column, position in layout.statistics:
            found = _statistics_in(column, rows, statistics[column.name], missing)
            block[:, position : position + column.statistics] = found
    refuse_numbers([timed for timed in layout.timed if timed[0].name in available], block)
    with np.errstate(over="ignore", invalid="ignore"):
        plainly_finite = np.isfinite(block.sum())  # much quicker than looking at each number
    if not plainly_finite:
        for name, position in positions.items():
            check_no_infinity(name, block[:, position])
    return block


def parsed(column: Column, rows: Cells, missing: tuple[str, ...] | None) -> Array:
    """Return the numbers of a column whose cells are not plain ones; they stay with the rows.

    Parameters
    ----------
    column : Column
        Of kind "number".
    rows, missing
        As for `numbers_in_rows`.

    Returns
    -------
    ndarray of float64, shape (N,)
        With NaN for what is missing.

    Raises
    ------
    ColumnError
        A cell holds something else than in training.
    """
    if column.name in rows.parsed:
        return rows.parsed[column.name]
    array = rows.arrow(column.name)
    values, wrong = number_values(column, array, missing)
    refuse_cells(column, wrong, lambda row: array[row].as_py())
    rows.parsed[column.name] = values
    return values


def _statistics_in(column: Column, rows: Cells, statistics: Array, missing: tuple[str, ...] | None) -> Array:
    """Return the statistics of each row's value; of rows of the training those without their own targets."""
    if column.name in rows.statistics:
        return rows.statistics[column.name]
    return statistics[indices_of(column, text_values(column, rows, missing))]
