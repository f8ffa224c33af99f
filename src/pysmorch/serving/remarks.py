"""What is unusual about rows that are predicted all the same: values that were never seen, numbers outside the range of the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from pysmorch.encoders.formats import floats_of
from pysmorch.layers.base import Array
from pysmorch.serving.fields import DIGITS, Field, rounded
from pysmorch.serving.problems import shown

MOST_REMARKS = 100
"""So many are made about one request."""


def remarks_about(table: Any, fields: Sequence[Field]) -> list[dict[str, Any]]:
    """Return remarks about the cells of a table.

    Parameters
    ----------
    table : pyarrow.Table
        With a column for each field.
    fields : sequence of Field
        The columns of the model.

    Returns
    -------
    list of dict
        With "column", "row" and "remark", at most `MOST_REMARKS`.
    """
    return list(islice((remark for field in fields for remark in _about(table[field.name], field)), MOST_REMARKS))


def _about(column: Any, field: Field) -> Iterator[dict[str, Any]]:
    if field.required and column.null_count:
        for row in np.flatnonzero(column.is_null().to_numpy()).tolist():
            yield _remark(field, row, "is missing, which it was in no row of the training")
    if field.is_category:
        for row in np.flatnonzero(_unknown(column, field)).tolist():
            yield _remark(field, row, f"{shown(column[row].as_py())} is none of the values that the model knows")
    elif field.low is not None and field.high is not None:
        numbers = _numbers(column, field)
        with np.errstate(invalid="ignore"):
            outside = np.flatnonzero(np.isfinite(numbers) & ((numbers < field.low) | (numbers > field.high))).tolist()
        for row in outside:
            range_ = f"{rounded(field.low)} to {rounded(field.high)}"
            yield _remark(field, row, f"{numbers[row]:.{DIGITS}g} is outside the range of the training, {range_}")


def _remark(field: Field, row: int, remark: str) -> dict[str, Any]:
    return {"column": field.name, "row": row, "remark": remark}


def _unknown(column: Any, field: Field) -> Array:
    """Return which cells of a category have a value that the model does not know."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return np.zeros(len(column), dtype=bool)
    known = pc.is_in(pc.utf8_trim_whitespace(column), value_set=pa.array([value.strip() for value in field.values]))
    return np.asarray((~known.to_numpy()) & column.is_valid().to_numpy(), dtype=bool)


def _numbers(column: Any, field: Field) -> Array:
    """Return the numbers of a column that come as such or are written plainly; NaN for all others, which are not looked at."""
    import pyarrow as pa

    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    if pa.types.is_string(column.type) and field.holds in ("number", "integer") and not field.written:
        return floats_of(column.combine_chunks())
    return np.full(len(column), np.nan)
