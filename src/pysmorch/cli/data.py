"""From sources to what estimators take: rows with their labels and weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from pysmorch.cli import networks
from pysmorch.cli.options import ReadOptions
from pysmorch.cli.output import Report
from pysmorch.encoders import ColumnError, kind_of
from pysmorch.entries import list_names, name_row
from pysmorch.layers.base import Array
from pysmorch.sources import Source, has_image_files, known_labels, read, split_target


@dataclass(frozen=True)
class Rows:
    """Rows of a source with what is known about them.

    Attributes
    ----------
    source : Source
        The features.
    y : ndarray
        The label of each row.
    target : str
        What the labels are called.
    weights : ndarray or None, default=None
        The weight of each row.
    split_by : ndarray or pyarrow.ChunkedArray or None, default=None
        The column that says which rows are held out.
    """

    source: Source
    y: Array
    target: str
    weights: Array | None = None
    split_by: Any = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: Array) -> Rows:
        """Return some of the rows, by their indices."""
        return replace(
            self,
            source=self.source.take(rows),
            y=self.y[rows],
            weights=None if self.weights is None else self.weights[rows],
            split_by=None,
        )

    def line(self, row: int) -> str:
        """Name a row in a message, by its line in the file or counted from 1."""
        return name_row(row + (self.source.line_of is None), self.source.line_of)


def read_source(
    names: Sequence[str],
    options: ReadOptions,
    header: bool,
    missing: str | None,
    labels: str | None = None,
    size: tuple[int, int] | None = None,
    colours: str | None = None,
) -> Source:
    """Read one source, or several files whose rows follow each other."""
    source: Any = names[0] if len(names) == 1 else list(names)
    given = {"missing": parse_missing(missing), "encoding": options.encoding}
    return read(
        source,
        header,
        labels,
        size,
        colours,
        options.skip_bad,
        **{name: value for name, value in given.items() if value is not None},
    )


def read_for(model: Any, names: Sequence[str], options: ReadOptions, labels: str | None = None) -> Source:
    """Read a source as a model takes it: image files get its size and colours, cells are missing as in training."""
    size, colours = None if options.resize is None else networks.parse_size(options.resize), None
    if has_image_files(names[0]):
        size, colours = model.encoder_.reading(size, "resize" in model.notes_)
    missing = options.missing if options.missing is not None else model.notes_.get("missing")
    return read_source(names, options, header_of(model, options), missing, labels, size, colours)


def header_of(model: Any, options: ReadOptions) -> bool:
    """Whether files have names of columns: as the user says, else as in training."""
    return not options.no_header if options.no_header is not None else bool(model.notes_.get("header", True))


def parse_missing(text: str | None) -> tuple[str, ...] | None:
    """Return what cells without a value hold in a text such as NA,?."""
    return None if text is None else tuple(part.strip() for part in text.split(","))


def labelled(
    source: Source,
    target: str | None,
    header: bool,
    report: Report,
    drop: Sequence[str] = (),
    weight: str | None = None,
    split: tuple[str, str] | None = None,
) -> Rows:
    """Return the rows of a source that have a label.

    Parameters
    ----------
    source : Source
        As it was read.
    target : str or None
        Name or number of the target's column.
    header : bool
        Whether the names of the columns were in the file.
    report : Report
        What is left out is said there.
    drop : sequence of str, default=()
        What `--drop` was given.
    weight : str or None, default=None
        The column of `--weight`.
    split : tuple of str or None, default=None
        The option that says which rows are held out, and its column.

    Raises
    ------
    ValueError
        Names the option, the column or the line.
    """
    split_by = None if split is None else column(source, *split)
    weighing = None if weight is None else column(source, weight, "--weight")
    rest, labels, name = split_target(source, target, header)
    left_out = _dropped(source, drop, name)
    for option, chosen in (("--weight", weight), *([split[::-1]] if split else [])):
        if chosen == name:
            raise ValueError(f"{option}: {chosen!r} is the target")
    if weight is not None and weight not in left_out:
        left_out.append(weight)
    if split is not None and split[1] == "--split-group" and split[0] not in left_out:
        left_out.append(split[0])
    rest = rest.without(left_out)
    if rest.features.shape[1] == 0:
        raise ValueError(f"there are no columns besides the target {name!r}")
    _check_numbers(labels, f"the target {name!r}", rest)
    known, y = known_labels(labels, name)
    try:
        kind_of(rest.features).check_features(rest.features)
    except ColumnError as error:
        raise ValueError(f"{of_file(error, rest)}, with --drop {error.column}") from None
    rows = Rows(rest, y, name)
    if known is not None:
        report.note(f"{rest.features.shape[0] - len(known)} rows without a value of {name!r} are left out")
        rows = replace(rows, source=rest.take(known))
        weighing = None if weighing is None else weighing.take(known)
        split_by = None if split_by is None else split_by.take(known)
    weights = None if weight is None else _weights(weighing, weight, rows)
    return replace(rows, weights=weights, split_by=split_by)


def column(source: Source, name: str, option: str) -> Any:
    """Return a column of a table that an option names."""
    names = source.column_names
    if names is None:
        raise ValueError(f"{option} takes the name of a column, but {source.name} is an array")
    if name not in names:
        close = get_close_matches(name, names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{option}: {source.name} has no column {name!r}{hint}; the columns are {list_names(names)}")
    return source.features[name]


def _dropped(source: Source, drop: Sequence[str], target: str) -> list[str]:
    """Return the columns of all --drop; a text that is no name of a column is names separated by commas."""
    dropped: list[str] = []
    for text in drop:
        names = [text] if source.column_names is not None and text in source.column_names else text.split(",")
        for name in names:
            if source.column_names is not None:
                column(source, name, "--drop")
            if name == target:
                raise ValueError(f"--drop: {name!r} is the target")
            if name not in dropped:
                dropped.append(name)
    return dropped


def _check_numbers(cells: Any, what: str, source: Source) -> None:
    """Refuse a column of a table with a number that is not finite, by its line."""
    import pyarrow as pa

    if isinstance(cells, np.ndarray) or not pa.types.is_floating(cells.type):
        return
    values = cells.to_numpy()
    wrong = np.flatnonzero(~np.isfinite(values) & cells.is_valid().to_numpy())
    if len(wrong):
        line = Rows(source, values, what).line(int(wrong[0]))
        raise ValueError(f"{what} has {values[wrong[0]]} in {line}; replace or remove such values first")


def _weights(cells: Any, name: str, rows: Rows) -> Array:
    """Return the weights of rows from their column."""
    import pyarrow as pa

    expected = f"--weight {name} needs a number that is not negative in each row"
    if not (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type) or pa.types.is_decimal(cells.type)):
        raise ValueError(f"{expected}, but {rows.line(0)} has {str(cells[0].as_py())!r}")
    weights: Array = cells.cast(pa.float64()).to_numpy()
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        found = cells[int(wrong[0])].as_py()
        raise ValueError(f"{expected}, but {rows.line(int(wrong[0]))} has {'none' if found is None else found}")
    if not weights.any():
        raise ValueError(f"{expected}, and some above 0, but all are 0")
    return weights


def of_file(error: ColumnError, source: Source) -> ColumnError:
    """Return an error about a row with its line in the file, or the row counted from 1 where rows have no lines."""
    if source.line_of is None and error.row is not None:
        return ColumnError(error.column, error.found.replace("{row}", name_row(error.row + 1), 1))
    return error.in_file(source.line_of)


def in_file(source: Source, call: Callable[[], Any]) -> Any:
    """Return what a call returns; where it refuses a row of a source, name the line of the file."""
    try:
        return call()
    except ColumnError as error:
        raise of_file(error, source) from None
