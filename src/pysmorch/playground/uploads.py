"""Points from CSV files: two columns of numbers are the features, a third one is the target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pysmorch.encoders.formats import find_number_format, parse_numbers, without_blanks
from pysmorch.entries import list_names, suggest
from pysmorch.layers.base import Array
from pysmorch.playground.points import LEAST_POINTS, MOST_POINTS, Points, divided
from pysmorch.sources.kinds import kind_of_file
from pysmorch.sources.opening import PACKINGS, File
from pysmorch.sources.source import SourceError
from pysmorch.sources.tables import read_csv

MOST_BYTES = 2_000_000
"""The largest CSV file that is taken."""
MOST_LINES = 100_000
MOST_COLUMNS = 200
SEPARATORS = (b",", b";", b"\t", b"|")
MOST_CLASSES = 8
"""A target of integers with at most so many distinct ones is taken to be classes, and text may have no more."""
MISSING = ("NA", "NaN", "nan", "null", "?")


class Table(NamedTuple):
    """A CSV file.

    Attributes
    ----------
    name : str
        Of the file.
    numbers : dict of str to ndarray
        The columns that hold numbers, with NaN where a cell is empty.
    texts : dict of str to list
        The other columns, with None where a cell is empty.
    """

    name: str
    numbers: dict[str, Array]
    texts: dict[str, list[str | None]]

    @property
    def columns(self) -> list[str]:
        """The names of all columns."""
        return [*self.numbers, *self.texts]

    @property
    def texts_of_classes(self) -> list[str]:
        """The columns of text with few distinct values, which may be the target."""
        return [name for name, cells in self.texts.items() if 2 <= len({*cells} - {None}) <= MOST_CLASSES]

    @property
    def default_target(self) -> str:
        """The column that is probably the target: the first of text with few distinct values, else the last of numbers."""
        return [*self.texts_of_classes, list(self.numbers)[-1]][0]

    @property
    def default_features(self) -> tuple[str, str]:
        """The first two columns of numbers that are not the target."""
        first, second, *_ = (name for name in self.numbers if name != self.default_target)
        return first, second


def table_of(name: str, content: bytes) -> Table:
    """Read a CSV file that came as bytes; nothing is unpacked, and no file is opened.

    Parameters
    ----------
    name : str
        What messages call it.
    content : bytes
        All of it.

    Returns
    -------
    Table
        Its columns.

    Raises
    ------
    SourceError
        Says why it is no table with two columns of numbers and a target, and what to do.
    """
    if len(content) > MOST_BYTES:
        raise SourceError(
            f"{name} has {len(content) / 1e6:.1f} MB, and at most {MOST_BYTES / 1e6:g} MB are taken; keep fewer rows or columns"
        )
    if not content:
        raise SourceError(f"{name} is empty; choose a CSV file with a header and at least {LEAST_POINTS} rows")
    file = File(name, content, piped=True)
    if not _is_csv(file, content):
        raise SourceError(f"{name} is no CSV file; save the table as text with commas (CSV) first, not packed")
    _check_size(name, content.splitlines())
    source = read_csv(file, header=True, encoding=None, missing=MISSING)
    table = source.features
    numbers: dict[str, Array] = {}
    texts: dict[str, list[str | None]] = {}
    for column in table.column_names:
        cells = without_blanks(table[column].combine_chunks())
        known = cells.drop_null()
        written = find_number_format(known) if len(known) else None
        if written is None:
            texts[column] = cells.to_pylist()
        else:
            numbers[column] = parse_numbers(cells, written)[0]
    made = Table(name, numbers, texts)
    if len(numbers) < 2 or not (len(numbers) > 2 or made.texts_of_classes):
        raise SourceError(
            f"{name} has {len(numbers)} column{'s' * (len(numbers) != 1)} of numbers and {len(made.texts_of_classes)} of text with from 2 to {MOST_CLASSES} distinct "
            "values; expected two of numbers for the features, and one more of either kind as the target"
        )
    return made


def _check_size(name: str, lines: Sequence[bytes]) -> None:
    if len(lines) > MOST_LINES:
        raise SourceError(f"{name} has {len(lines)} lines, expected at most {MOST_LINES}; keep fewer rows")
    widest = 1 + max(line.count(mark) for line in lines for mark in SEPARATORS)
    if widest > MOST_COLUMNS:
        raise SourceError(f"{name} has {widest} columns, expected at most {MOST_COLUMNS}; keep those that count")


def _is_csv(file: File, content: bytes) -> bool:
    if any(magic.match(content) for magic in PACKINGS.values()):
        return False
    try:
        return kind_of_file(file) == "csv"
    except SourceError:
        return False


def points_of_table(table: Table, features: Sequence[str], target: str, seed: int = 0) -> Points:
    """Make points of three columns of a table.

    Parameters
    ----------
    table : Table
        What was read.
    features : sequence of str
        Two columns of numbers.
    target : str
        Text or few distinct integers are classes, other numbers the target of a regression.
    seed : int, default=0
        Says which rows are for testing, and of more than 2000 rows which are taken.

    Returns
    -------
    Points
        Of the rows in which no cell is empty.

    Raises
    ------
    ValueError
        For columns that there are not, and for a target that is none.
    """
    for name in features:
        if name not in table.numbers:
            among = list_names(list(table.numbers))
            hint = suggest(name, table.numbers)
            raise ValueError(f"features: {table.name} has no column of numbers {name!r}{hint}; there are {among}")
    if len(features) != 2 or len({*features, target}) != 3:
        raise ValueError(
            f"features must be two columns and other ones than the target {target!r}, but are {list_names(list(features))}"
        )
    if target not in table.columns:
        raise ValueError(f"target: {table.name} has no column {target!r}{suggest(target, table.columns)}")
    X = np.stack([table.numbers[name] for name in features], 1)
    y, classes, known = _labels(table, target)
    rows = np.flatnonzero(known & np.isfinite(X).all(axis=1))
    if len(rows) < LEAST_POINTS:
        raise ValueError(
            f"{table.name} has {len(rows)} rows without an empty cell in features and target; expected at least {LEAST_POINTS}"
        )
    rng = np.random.default_rng(seed)
    if len(rows) > MOST_POINTS:
        rows = np.sort(rng.choice(rows, MOST_POINTS, replace=False))
    first, second = features
    return divided(X[rows], y[rows], classes, (first, second), rng)


def _labels(table: Table, target: str) -> tuple[Array, tuple[str, ...], Any]:
    """Return class indices or targets, the classes, and in which rows they are known."""
    if target in table.numbers:
        y = table.numbers[target]
        known = np.isfinite(y)
        distinct = np.unique(y[known])
        if len(distinct) > MOST_CLASSES or not (distinct == np.round(distinct)).all():
            return y, (), known
        names = [f"{value:g}" for value in distinct]
        y = np.searchsorted(distinct, np.where(known, y, distinct[0]))
    else:
        cells = table.texts[target]
        known = np.array([cell is not None for cell in cells])
        names = sorted({cell for cell in cells if cell is not None})
        index = {name: i for i, name in enumerate(names)}
        y = np.array([index.get(cell or "", 0) for cell in cells])
    if not 2 <= len(names) <= MOST_CLASSES:
        raise ValueError(f"target: {target!r} has {len(names)} classes; expected from 2 to {MOST_CLASSES}")
    return y, tuple(names), known


def points_of_file(path: str | Path, features: Sequence[str], target: str, seed: int = 0) -> Points:
    """Make points of three columns of a CSV file, as the playground does with a file that is chosen on its page.

    Parameters
    ----------
    path : str or Path
        The file.
    features : sequence of str
        Two columns of numbers.
    target : str
        Text or few distinct integers are classes, other numbers the target of a regression.
    seed : int, default=0
        Says which rows are for testing, and of more than 2000 rows which are taken.

    Returns
    -------
    Points
        Of the rows in which no cell is empty.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        For a file or columns that are not as they should be.
    """
    file = Path(path)
    return points_of_table(table_of(file.name, file.read_bytes()), features, target, seed)
