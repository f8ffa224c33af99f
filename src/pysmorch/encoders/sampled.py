"""Very long tables, whose columns are learned from a sample of the rows: what must hold in all rows is found in one pass."""

from __future__ import annotations

import warnings
from typing import Any

from pysmorch.encoders.cells import Cells
from pysmorch.encoders.columns import CHOSEN, Column
from pysmorch.encoders.content import set_bounds
from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.ranges import Ranges
from pysmorch.encoders.spool import SAMPLE_SIZE
from pysmorch.encoders.values import text_values
from pysmorch.warnings import PysmorchWarning


def complete_texts(encoder: Any, rows: Any) -> None:
    """Set where cells of categories and texts are missing, by all rows; refuse columns that only a sample finds to carry nothing.

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
    columns = [column for column in encoder.columns if column.kind in ("category", "text") or _seems_bare(column)]
    values: dict[str, set[Any]] = {}
    for _, cells in rows.blocks([column.name for column in columns]) if columns else ():
        for column in columns:
            _take_texts(column, cells, encoder.missing, values)
    encoder.forget_layout()


def complete_numbers(encoder: Any, ranges: Ranges, num_rows: int) -> None:
    """Set the bounds of numbers, and where they are missing, by all rows.

    Parameters
    ----------
    encoder : TableEncoder
        Its columns were learned from a sample.
    ranges : Ranges
        Of the numbers of all rows.
    num_rows : int
        How many rows there are.
    """
    for column, position in encoder.number_positions:
        low, high, known = (of_all[position].item() for of_all in ranges)
        column.missing = known < num_rows
        set_bounds(column, low, high, known)
    encoder.forget_layout()


def _seems_bare(column: Column) -> bool:
    """Whether a column is left out because the sample has one value at most."""
    return column.holds in ("constant", "empty") and column.why != CHOSEN


def _take_texts(column: Column, cells: Cells, missing: tuple[str, ...] | None, values: dict[str, set[Any]]) -> None:
    """Take what a block says about a category or text, or about a column that is left out."""
    if column.kind in ("category", "text"):
        column.missing |= text_values(column, cells, missing).null_count > 0
    else:
        found = values.setdefault(column.name, set())
        found.update(cells.arrow(column.name).unique().to_pylist()[:2])
        if len(found) > 1:
            raise ColumnError(
                column.name,
                f"is {column.holds} in the rows by which columns are judged, but has other values elsewhere; say what it holds, as in "
                f"columns={{{column.name!r}: 'category'}}, or leave it out",
            )
