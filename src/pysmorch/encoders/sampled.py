"""Very long tables, whose columns are learned from a sample of the rows: what must hold in all rows is found in one pass."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from pysmorch.encoders.cells import Cells
from pysmorch.encoders.columns import CHOSEN, Column
from pysmorch.encoders.content import set_bounds
from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.spool import SAMPLE_SIZE
from pysmorch.encoders.values import text_values
from pysmorch.warnings import PysmorchWarning


def complete_columns(encoder: Any, rows: Any) -> None:
    """Set the bounds of numbers, and where cells are missing, by all rows; refuse columns that only a sample finds to carry nothing.

    Parameters
    ----------
    encoder : TableEncoder
        Its columns were learned from a sample.
    rows : StreamedRows
        All rows.

    Raises
    ------
    ColumnError
        Names the column, and what helps.
    """
    warnings.warn(
        f"what columns hold, categories and quantiles are learned from {SAMPLE_SIZE:,} of {len(rows):,} rows, drawn at random",
        PysmorchWarning,
        stacklevel=2,
    )
    low, high = np.full(encoder.num_numbers, np.inf), np.full(encoder.num_numbers, -np.inf)
    known = np.zeros(encoder.num_numbers, dtype=np.int64)
    values: dict[str, set[Any]] = {}
    for first, cells in rows.blocks():
        try:
            numbers = encoder.read_numbers(cells)
            if len(numbers):
                low, high = np.fmin(low, np.fmin.reduce(numbers)), np.fmax(high, np.fmax.reduce(numbers))
            known += (~np.isnan(numbers)).sum(axis=0)
            for column in encoder.columns:
                _take_texts(column, cells, encoder.missing, values)
        except ColumnError as error:
            raise error.after(first) from None
    for column, position in encoder.number_positions:
        column.missing = bool(known[position] < len(rows))
        set_bounds(column, float(low[position]), float(high[position]), int(known[position]))
    encoder.forget_layout()


def _take_texts(column: Column, cells: Cells, missing: tuple[str, ...] | None, values: dict[str, set[Any]]) -> None:
    """Take what a block says about a category or text, or about a column that is left out."""
    if column.kind in ("category", "text"):
        column.missing |= text_values(column, cells, missing).null_count > 0
    elif column.holds in ("constant", "empty") and column.why != CHOSEN:
        found = values.setdefault(column.name, set())
        found.update(cells.arrow(column.name).unique().to_pylist()[:2])
        if len(found) > 1:
            raise ColumnError(
                column.name,
                f"is {column.holds} in the rows by which columns are judged, but has other values elsewhere; say what it holds, as in "
                f"columns={{{column.name!r}: 'category'}}, or leave it out",
            )
