"""Rows in JSON as columns of a table: every cell is checked against the field of its column."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from pysmorch.encoders.objects import arrow_of_objects, as_text
from pysmorch.entries import suggest
from pysmorch.serving.fields import Field
from pysmorch.serving.problems import Problem, Wrong, first_of, shown, unprocessable

ABSENT = object()
"""In place of a cell of a row that lacks it."""

LARGEST = 1e300
"""Beyond, sums of numbers are none in float64."""


def parse_json(content: bytes) -> Any:
    """Return what a body in JSON says.

    Parameters
    ----------
    content : bytes
        In UTF-8.

    Returns
    -------
    object
        As Python has it.

    Raises
    ------
    Problem
        It is no JSON, has NaN or an infinity, or an object has a name twice.
    """
    text = as_utf8(content)
    if not text.strip():
        raise Problem(400, "the body is empty; send an object with the columns, or a list of objects")
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    except RecursionError:
        raise Problem(400, "the body is nested too deeply; rows are objects with the columns") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(400, f"the body is no JSON: {error.msg} ({where})") from None
    except ValueError:  # integers of thousands of digits
        raise Problem(400, "the body has a number of thousands of digits; numbers have at most 308") from None


def as_utf8(content: bytes) -> str:
    """Return a body as text; a Problem where it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is not UTF-8: byte {error.start} is 0x{content[error.start]:02X}") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; one that names a column twice says two things, of which nobody knows which is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        wrong = Wrong(f"column {twice!r} is there twice in one row; name each column once", twice)
        raise Problem(422, wrong.detail, [wrong])
    return found


def _refuse_constant(name: str) -> Any:
    raise Problem(400, f"the body has {name}, which is no JSON; write null for a missing value")


def rows_in(content: Any, key: str = "rows") -> list[Any]:
    """Return the rows of a body: one row, a list of rows, or {"rows": [...]}.

    Parameters
    ----------
    content : object
        From `parse_json`.
    key : str, default="rows"
        The name of the list in an object that has nothing else.

    Returns
    -------
    list
        Not checked yet.
    """
    if isinstance(content, dict) and list(content) == [key] and isinstance(content[key], list):
        content = content[key]
    return content if isinstance(content, list) else [content]


def columns_in(content: Any, fields: Sequence[Field]) -> tuple[dict[str, list[Any]], list[str]]:
    """Return the cells of each column, checked for their number, and the names of columns that are none of the model's.

    Parameters
    ----------
    content : object
        From `parse_json`: an object, a list of objects, {"rows": [...]} or {"columns": {name: [...]}}.
    fields : sequence of Field
        The columns of the model.

    Returns
    -------
    cells : dict of str to list
        For each field, with `ABSENT` for what a row lacks and need not have.
    ignored : list of str
        Other columns, which play no part.

    Raises
    ------
    Problem
        A row is no object, or lacks a column; columns are of different lengths.
    """
    if isinstance(content, dict) and list(content) == ["columns"] and isinstance(content["columns"], dict):
        return _by_columns(content["columns"], fields)
    rows = rows_in(content)
    errors = first_of(_no_object(row, i) for i, row in enumerate(rows) if not isinstance(row, dict))
    if errors:
        raise unprocessable(errors)
    names = dict.fromkeys(name for row in rows for name in row)
    known = {field.name for field in fields}
    ignored = [name for name in names if name not in known]
    cells = {field.name: [row.get(field.name, ABSENT) for row in rows] for field in fields}
    for field in fields:
        if field.required and ABSENT in cells[field.name]:
            absent = (i for i, cell in enumerate(cells[field.name]) if cell is ABSENT)
            errors += first_of(_lacking(field, i, rows[i]) for i in absent)
    if errors:
        raise unprocessable(errors)
    return cells, ignored


def _no_object(row: Any, index: int) -> Wrong:
    expected = "an object with the columns of the model"
    return Wrong(f"row {index} must be {expected}, but is {shown(row)}", None, index, shown(row), expected)


def _lacking(field: Field, index: int | None, known: Any) -> Wrong:
    where = "" if index is None else f" in row {index}"
    detail = f"column {field.name!r} is missing{where}; it must be {field.expected}, or null for a missing value"
    return Wrong(detail + suggest(field.name, known), field.name, index, "nothing", field.expected)


def _by_columns(columns: dict[str, Any], fields: Sequence[Field]) -> tuple[dict[str, list[Any]], list[str]]:
    """Return the cells of columns that come as such."""
    known = {field.name for field in fields}
    ignored = [name for name in columns if name not in known]
    errors = [_lacking(field, None, columns) for field in fields if field.required and field.name not in columns]
    given = {name: cells for name, cells in columns.items() if name in known}
    for name, cells in given.items():
        if not isinstance(cells, list):
            expected = "a list of cells"
            detail = f"column {name!r} must be {expected}, but is {shown(cells)}"
            errors.append(Wrong(detail, name, None, shown(cells), expected))
    if errors:
        raise unprocessable(errors)
    count = max(map(len, given.values()), default=0)
    for name, cells in given.items():
        if len(cells) < count:
            detail = (
                f"column {name!r} has {len(cells)} cells, but others have {count}; all columns must be of one length"
            )
            errors.append(Wrong(detail, name, None, f"{len(cells)} cells", f"{count} cells"))
    if errors:
        raise unprocessable(errors)
    return {field.name: given.get(field.name, [ABSENT] * count) for field in fields}, ignored


def table_of(cells: dict[str, list[Any]], fields: Sequence[Field]) -> Any:
    """Return cells from JSON as a table, in which no row depends on the others.

    Parameters
    ----------
    cells : dict of str to list
        From `columns_in`.
    fields : sequence of Field
        The columns of the model.

    Returns
    -------
    pyarrow.Table
        With a column for each field.

    Raises
    ------
    Problem
        Names the cells that are not what a column holds.
    """
    import pyarrow as pa

    errors: list[Wrong] = []
    arrays: dict[str, Any] = {}
    for field in fields:
        known = [None if cell is ABSENT else cell for cell in cells[field.name]]
        wrong = (i for i, cell in enumerate(known) if cell is not None and not _fits(field, cell))
        errors += first_of(_unfit(field, i, known[i]) for i in wrong)
        if not errors:
            arrays[field.name] = _array_of(field, known)
    if errors:
        raise unprocessable(errors)
    return pa.table(arrays)


def _fits(field: Field, cell: Any) -> bool:
    """Whether a cell of JSON can be what a column holds; how texts are written is checked by its encoder."""
    if isinstance(cell, str):
        return field.holds not in ("number", "integer") and not any("\ud800" <= letter <= "\udfff" for letter in cell)
    if isinstance(cell, bool):
        return field.holds in ("boolean", "") or field.is_category or field.holds == "text"
    if not isinstance(cell, (int, float)):
        return False
    if field.is_category or field.holds == "text":
        return True
    return field.numeric and not (math.isinf(cell) if isinstance(cell, float) else abs(cell) > LARGEST)


def _unfit(field: Field, index: int, cell: Any) -> Wrong:
    advice = ""
    if isinstance(cell, str) and field.holds in ("number", "integer"):
        advice = "; write numbers without quotes" if _is_number(cell) else ""
    detail = f"column {field.name!r} must be {field.expected}, but row {index} has {shown(cell)}{advice}"
    return Wrong(detail, field.name, index, shown(cell), field.expected)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _array_of(field: Field, cells: list[Any]) -> Any:
    """Return checked cells as an array of PyArrow, of one type for whatever cells there are."""
    import pyarrow as pa

    if field.is_category or field.holds == "text":
        return pa.array([as_text(cell) for cell in cells], pa.string())
    if field.holds in ("number", "integer"):
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    if field.holds == "boolean":
        if not any(isinstance(cell, str) for cell in cells):
            return pa.array(cells, pa.bool_())
        return pa.array([str(cell).lower() if isinstance(cell, bool) else cell for cell in cells], pa.string())
    if not any(isinstance(cell, str) for cell in cells):
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    return arrow_of_objects(cells)
