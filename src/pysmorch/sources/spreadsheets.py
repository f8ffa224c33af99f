"""Sheets of Excel files."""

from __future__ import annotations

import warnings
import zipfile
from typing import Any

from pysmorch.entries import list_names
from pysmorch.sources.columns import column_of, unlike_names
from pysmorch.sources.limits import check_memory
from pysmorch.sources.opening import File
from pysmorch.sources.source import Source, SourceError

ERRORS = {"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"}
"""What a cell holds whose formula has no result."""

BYTES_OF_A_CELL = 8
"""In a row, at least."""

CELLS_AT_A_TIME = 2**20
"""Cells that are read between two looks at the memory."""

Rows = dict[int, list[Any]]
"""The values of the rows that have some, by the number of the row in the sheet, counted from 1."""


def read_excel(file: File, header: bool, sheet: str | None) -> Source:
    """Read a sheet with its types, the first one if none is named.

    Raises SourceError when openpyxl is not installed, or when there is no such sheet.
    """
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        raise SourceError(f"{file.path}: Excel files need openpyxl; pip install 'pysmorch[excel]'") from None
    import pyarrow as pa

    try:
        sheets, rows = _cells(file, sheet, computed=True)
    except SourceError:
        raise
    except Exception as error:  # openpyxl lets through errors of many libraries where a file is damaged
        raise SourceError(
            f"{file.path}: not an Excel file, or a damaged one ({' '.join(str(error).split())})"
        ) from None
    if sheets and sheet not in (None, *sheets):
        raise SourceError(f"{file.path} has no sheet {sheet!r}; the sheets are {list_names(sheets)}")
    if not rows:
        raise SourceError(f"{file.path}: the sheet {sheet or sheets[0]!r} has no cells with values")
    width = max(map(len, rows.values()))
    check_memory(BYTES_OF_A_CELL * width * len(rows), f"{file.path}: a table of {len(rows)} lines and {width} columns")
    remarks = _remarks(file, sheet, sheets, rows, width)
    lines = list(rows)
    cells = [row + [None] * (width - len(row)) for row in rows.values()]
    names = [str(i) for i in range(width)]
    if header:
        names = ["" if name is None else str(name).strip() for name in cells.pop(0)]
        lines.pop(0)
    names, renamed = unlike_names(names)
    columns = [
        column_of(
            [None if row[i] in ERRORS else row[i] for row in cells],
            lambda row, name=name: f"{file.path}: column {name!r} in line {lines[row]}",  # type: ignore[misc]
        )
        for i, name in enumerate(names)
    ]
    return Source(file.name, pa.table(columns, names), remarks=remarks + renamed, line_of=lambda row: lines[row])


def _cells(file: File, sheet: str | None, computed: bool) -> tuple[list[str], Rows]:
    """Return the names of the sheets, and the rows of one: what its formulas gave, or the formulas themselves."""
    import openpyxl

    with file.stream() as stream, warnings.catch_warnings():
        with zipfile.ZipFile(stream) as archive:  # no member unpacks to more than is said there
            check_memory(sum(member.file_size for member in archive.infolist()), file.path, file.size)
        warnings.simplefilter("ignore")  # of styles and other things that have to do with looks
        book = openpyxl.load_workbook(stream, read_only=True, data_only=computed)
        sheets = [page.title for page in book.worksheets]
        if sheet not in (None, *sheets):
            return sheets, {}
        page = book[sheet or sheets[0]]
        page.reset_dimensions()  # some programs write wrong ones
        rows: Rows = {}
        num_cells = num_checked = 0
        for number, values in enumerate(page.iter_rows(values_only=True), 1):
            filled = [i for i, value in enumerate(values) if value is not None]
            if filled:
                rows[number] = list(values[: filled[-1] + 1])
                num_cells += len(rows[number])
            if num_cells > num_checked:  # one cell far to the right makes a long row
                check_memory(BYTES_OF_A_CELL * num_cells, file.path)
                num_checked = num_cells + CELLS_AT_A_TIME
        return sheets, rows


def _remarks(file: File, sheet: str | None, sheets: list[str], rows: Rows, width: int) -> list[str]:
    remarks = []
    if sheet is None and len(sheets) > 1:
        others = list_names(sheets[1:], 5)
        remarks.append(f"sheet {sheets[0]!r} is read; name another one as {file.path}::SHEET; there are also {others}")
    wrong = [(number, value) for number, row in rows.items() for value in row if value in ERRORS]
    if wrong:
        remarks.append(
            f"cells with an error are missing ones: {len(wrong)}, such as {wrong[0][1]} in line {wrong[0][0]}"
        )
    if any(len(row) < width or None in row for row in rows.values()):
        _, formulas = _cells(file, sheet, computed=False)
        empty = [
            number
            for number, row in formulas.items()
            for i, value in enumerate(row)
            if isinstance(value, str) and value.startswith("=") and (rows.get(number, []) + [None] * width)[i] is None
        ]
        if empty:
            remarks.append(
                f"formulas without a stored result are missing cells: {len(empty)}, the first in line {empty[0]}; "
                "to have their results, open the file in Excel and save it"
            )
    return remarks
