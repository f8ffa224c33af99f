"""How a CSV file is written: its separator, its header, and where its data begin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from pysmorch.entries import list_names
from pysmorch.sources.rows import Row, is_blank, is_left_out, rows_of

SEPARATORS = ",;\t|"
NONE = "\x1f"
"""The separator of a file with one column: ASCII's unit separator, which no text has, so that a line is a cell."""

SAMPLE_ROWS = 100
SAMPLE_BYTES = 2**20
FEW_ROWS = 5
"""The sample has so many lines, or of long lines so many bytes, but not fewer than a few lines."""

MOST_DIGITS = 18
"""Of whole numbers that may be names."""

NUMBER = re.compile(r"\s*[-+]?[\d.,' ]*\d\s*%?\s*|\s*[-+]?\d*[.,]?\d+[eE][-+]?\d+\s*|\s*")
"""A cell that looks like a number of any country, or is empty."""


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes
    ----------
    separator : str
        Of the cells.
    names : list of str
        The cells of the header, without blanks around them; empty and repeated ones too. Without a header numbers.
    start : int
        Offset of the first byte of the data.
    line : int
        The line before the data, counted from 1.
    remarks : list of str
        What is unusual.
    """

    separator: str
    names: list[str]
    start: int
    line: int
    remarks: list[str]


class Cut(NamedTuple):
    """What is left out of a sample: its offset there, and how many bytes, lines and comments it has."""

    offset: int
    size: int
    lines: int
    comments: int


def find_dialect(text: bytes, header: bool) -> Dialect:
    """Find out how a text in UTF-8 is written, from its first rows."""
    sample, cuts = _sample(text)
    separator = _separator(sample, header)
    skipped, first = _first_row(_rows(sample, separator))
    remarks = []
    comments = [row for row in skipped if not is_blank(row.cells)]
    if comments:
        count = len(comments) + sum(cut.comments for cut in _before(skipped[-1], cuts))
        line = _in_text(comments[0], cuts)[1]
        remarks.append(f"{_lines(count)} before the table, the first is line {line}, are comments")
    if not header:
        start, line = _in_text(skipped[-1], cuts) if skipped else (0, 0)
        return Dialect(separator, [str(i) for i in range(len(first.cells))], start, line, remarks)
    start, line = _in_text(first, cuts)
    names = [name.strip() for name in first.cells]
    below = [row.cells for row in _rows(sample[first.end :], separator) if not is_left_out(row.cells, len(names))]
    if _looks_like_data(names, below):
        shown = list_names(names, 4)
        remarks.append(f"line {line} ({shown}) is taken for the names of the columns; if it is data, add --no-header")
    return Dialect(separator, _fit(names, below), start, line, remarks)


def _lines(count: int) -> str:
    return f"{count} line{'s' * (count != 1)}"


def _sample(text: bytes) -> tuple[bytes, list[Cut]]:
    """Return the first lines of a text, of which comments and empty lines do not count; the middle of very many of those is cut out."""
    runs: list[list[int]] = [[]]
    count = end = 0
    for match in re.finditer(rb"\r\n|\r|\n", text):
        start, end = end, match.end()
        if text[start : start + 1] in (b"#", b"\r", b"\n"):
            runs[-1].append(start)
            continue
        count += 1
        runs.append([])
        if count == SAMPLE_ROWS or (count >= FEW_ROWS and end > SAMPLE_BYTES):
            break
    else:
        end = len(text)
    pieces: list[bytes] = []
    cuts: list[Cut] = []
    begin = 0
    for run in runs:
        middle = run[SAMPLE_ROWS:-SAMPLE_ROWS]
        if middle:
            pieces.append(text[begin : middle[0]])
            begin = run[-SAMPLE_ROWS]
            comments = sum(text[start : start + 1] == b"#" for start in middle)
            cuts.append(Cut(sum(map(len, pieces)), begin - middle[0], len(middle), comments))
    return b"".join(pieces) + text[begin:end], cuts


def _in_text(row: Row, cuts: list[Cut]) -> tuple[int, int]:
    """Return the offset of the first byte after a row of the sample, and its line, in the whole text."""
    before = _before(row, cuts)
    return row.end + sum(cut.size for cut in before), row.line + sum(cut.lines for cut in before)


def _before(row: Row, cuts: list[Cut]) -> list[Cut]:
    return [cut for cut in cuts if cut.offset < row.end]


def _rows(sample: bytes, separator: str) -> list[Row]:
    """Return the rows of a sample, but not the last of many, since the sample may end within a quoted cell."""
    rows = list(rows_of(sample, separator))
    return rows[:-1] if len(rows) > FEW_ROWS else rows


def _separator(sample: bytes, header: bool) -> str:
    """Return the separator with which the first rows have as many cells as the header, and cells are whole numbers or texts.

    So `1,5;2,5` are two numbers with decimal commas, not three cells, and `red;blue,3` a text and a number.
    """
    best, best_score = NONE, (0.0, 0.0, 1)
    for separator in SEPARATORS:
        if separator.encode() not in sample:
            continue
        rows = _rows(sample, separator)
        _, first = _first_row(rows)
        count = len(first.cells)
        if count < 2:
            continue
        cells = [row.cells for row in rows if row.end > first.end and not is_left_out(row.cells, count)]
        if not header:
            cells.insert(0, first.cells)
        alike = sum(abs(len(row) - count) <= int(not row[-1] or not first.cells[-1]) for row in cells) / max(
            1, len(cells)
        )
        numbers = [NUMBER.fullmatch(cell) is not None for row in cells for cell in row[:1000]]
        score = (alike, sum(numbers) / max(1, len(numbers)), count)
        if score > best_score:
            best, best_score = separator, score
    return _separator_below_a_title(sample) if best == NONE else best


def _separator_below_a_title(sample: bytes) -> str:
    """Return the separator that splits all lines but the first into the same number of cells; one comma is a decimal one."""
    for separator in SEPARATORS:
        counts = {len(row.cells) for row in _rows(sample, separator)[1:] if not is_blank(row.cells)}
        if len(counts) == 1 and min(counts) > 1 + (separator == ","):
            return separator
    return NONE


def _first_row(rows: list[Row]) -> tuple[list[Row], Row]:
    """Return the empty lines and comments that come first, and the row after them.

    A line with # is the first row itself if it has as many cells as the row below it, and a letter after the #.
    """
    end = next((i for i, row in enumerate(rows) if not _comes_before(row.cells)), len(rows))
    below = rows[end].cells if end < len(rows) else []
    first = end
    for i in reversed(range(end)):
        if not is_blank(rows[i].cells):
            if not _is_table_row(rows[i].cells, below):
                break
            first = i
    return rows[:first], rows[first] if first < len(rows) else Row([], 0, 0)


def _comes_before(cells: list[str]) -> bool:
    """Whether a line is empty, a comment, or the line `sep=;` that some spreadsheets write first."""
    return is_blank(cells) or cells[0].startswith("#") or re.match(r"sep=.?$", cells[0], re.IGNORECASE) is not None


def _is_table_row(cells: list[str], below: list[str]) -> bool:
    """Whether a line with # is no comment, but has the names of the columns, or data: #id,name and not # made in May."""
    as_below = len(cells) == len(below) > 1 or not below
    return as_below and re.match(r"#[^#\s!]", cells[0]) is not None


def _fit(names: list[str], below: list[list[str]]) -> list[str]:
    """Return as many names as the rows have cells where all rows, or the header alone, end with a separator."""
    counts = {len(cells) for cells in below}
    if counts == {len(names) + 1} and not any(cells[-1] for cells in below):
        return [*names, ""]
    return names[:-1] if counts == {len(names) - 1} and not names[-1] else names


def _looks_like_data(names: list[str], below: list[list[str]]) -> bool:
    """Whether a header is of the same kind as the rows below it: it has numbers, or cells that come again, and no names.

    Whole numbers that go up by one are names, such as years.
    """
    known = [name for name in names if name]
    if not known or not below:
        return False
    numeric = [NUMBER.fullmatch(name) is not None for name in known]
    whole = [int(name) for name in known if len(name) <= MOST_DIGITS and name.isascii() and name.isdigit()]
    counted = len(whole) > 1 and all(b == a + 1 for a, b in pairwise(whole)) and (whole[0] == 0 or len(whole) > 2)
    if not any(numeric) or (counted and len(whole) == sum(numeric)):
        return False
    texts = [i for i, name in enumerate(names) if name and not NUMBER.fullmatch(name)]
    return all(any(i < len(row) and row[i].strip() == names[i] for row in below) for i in texts)
