"""From sources to what estimators take: rows with their labels and weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pysmorch.cli import networks
from pysmorch.cli.options import ReadOptions
from pysmorch.cli.output import Report
from pysmorch.encoders import ColumnError, kind_of, read_labels
from pysmorch.encoders.beside import find_numbers
from pysmorch.encoders.schema import infinite_text
from pysmorch.engine.ahead import ahead
from pysmorch.entries import list_names, name_row, suggest
from pysmorch.layers.base import Array
from pysmorch.prediction.files import bits_in, had_header, parse_missing
from pysmorch.sources import Source, has_image_files, read, read_part, split_target
from pysmorch.sources.several import Part
from pysmorch.sources.streaming import StreamedTable, rows_of_a_block

if TYPE_CHECKING:  # scikit-learn is loaded with it, which predicting does without
    from pysmorch.estimators.splitting import SplitBy


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
    by : SplitBy or None, default=None
        What that column says, once rows were held out: validation rows follow the same rule.
    """

    source: Source
    y: Array
    target: str
    weights: Array | None = None
    split_by: Any = None
    by: SplitBy | None = None

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
            by=None if self.by is None else self.by.take(rows),
        )

    def line(self, row: int) -> str:
        """Name a row in a message, by its line in the file or counted from 1."""
        return name_line(self.source, row)


def name_line(source: Source, row: int) -> str:
    """Name a row of a source in a message, by its line in the file or counted from 1."""
    return name_row(row + (source.line_of is None), source.line_of)


def read_source(
    names: Sequence[str],
    options: ReadOptions,
    header: bool,
    missing: str | None,
    labels: str | None = None,
    size: tuple[int, int] | None = None,
    colours: str | None = None,
    bits: int | None = None,
) -> Source:
    """Read one source, or several files whose rows follow each other."""
    return read(
        names,
        header,
        labels,
        size,
        colours,
        options.skip_bad,
        options.encoding,
        parse_missing(missing),
        bits,
    )


def read_for(model: Any, names: Sequence[str], options: ReadOptions, labels: str | None = None) -> Source:
    """Read a source as a model takes it: image files get its size and colours, cells are missing as in training."""
    size, colours = None if options.resize is None else networks.parse_size(options.resize), None
    if has_image_files(names[0]):
        size, colours = model.encoder_.reading(size, "resize" in model.notes_)
    missing = options.missing if options.missing is not None else model.notes_.get("missing")
    return read_source(names, options, header_of(model, options), missing, labels, size, colours, bits_in(model.notes_))


def read_part_for(model: Any, part: Part, options: ReadOptions) -> Source:
    """Read one of the files of a source as `read_for` does."""
    missing = options.missing if options.missing is not None else model.notes_.get("missing")
    return read_part(part, header_of(model, options), options.encoding, parse_missing(missing))


def header_of(model: Any, options: ReadOptions) -> bool:
    """Whether files have names of columns: as the user says, else as in training."""
    return not options.no_header if options.no_header is not None else had_header(model.notes_)


def labelled(
    source: Source,
    target: str | None,
    header: bool,
    report: Report,
    drop: Sequence[str] = (),
    weight: str | None = None,
    split: tuple[str, str] | None = None,
    classes: Array | None = None,
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
        The column that says which rows are held out, and its option.
    classes : ndarray or None, default=None
        The classes that are known; labels are texts if these are.

    Raises
    ------
    ValueError
        Names the option, the column or the line.
    """
    split_by = None if split is None else column(source, *split)
    weighing = None if weight is None else column(source, weight, "--weight")
    rest, labels, name = split_target(source, target, header)
    left_out = _left_out(source, drop, name, weight, split)
    rest = rest.without(left_out)
    if rest.features.shape[1] == 0:
        raise ValueError(f"there are no columns besides the target {name!r}")
    _check_finite(labels, f"the target {name!r}", rest)
    known, y = read_labels(labels, name, classes=classes)
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
    check_column(source, name, option)
    return source.features[name]


def check_column(source: Source, name: str, option: str) -> None:
    """Refuse an option that names no column of a source."""
    names = source.column_names
    if names is None:
        raise ValueError(f"{option} takes the name of a column, but {source.name} is an array")
    if name not in names:
        hint = suggest(name, names)
        raise ValueError(f"{option}: {source.name} has no column {name!r}{hint}; the columns are {list_names(names)}")


def _left_out(
    source: Source, drop: Sequence[str], target: str, weight: str | None, split: tuple[str, str] | None
) -> list[str]:
    """Return the columns that are no features: those of --drop, the weights and the groups."""
    for name, option in ((weight, "--weight"), split or (None, "")):
        if name == target:
            raise ValueError(f"{option}: {name!r} is the target")
    groups = [split[0]] if split is not None and split[1] == "--split-group" else []
    weights = [] if weight is None else [weight]
    return list(dict.fromkeys([*_dropped(source, drop, target), *weights, *groups]))


def _dropped(source: Source, drop: Sequence[str], target: str) -> list[str]:
    """Return the columns of all --drop; a text that is no name of a column is names separated by commas."""
    dropped: list[str] = []
    for text in drop:
        names = [text] if source.column_names is not None and text in source.column_names else text.split(",")
        for name in names:
            if source.column_names is not None:
                check_column(source, name, "--drop")
            if name == target:
                raise ValueError(f"--drop: {name!r} is the target")
            dropped.append(name)
    return dropped


def _check_finite(cells: Any, what: str, source: Source) -> None:
    """Refuse a column of a table with a number that is not finite, by its line."""
    import pyarrow as pa

    if isinstance(cells, np.ndarray):
        return
    row = None
    if pa.types.is_string(cells.type):
        row = infinite_text(cells)
    elif pa.types.is_floating(cells.type):
        wrong = np.flatnonzero(~np.isfinite(cells.to_numpy()) & cells.is_valid().to_numpy())
        row = int(wrong[0]) if len(wrong) else None
    if row is not None:
        raise ValueError(
            f"{what} has {cells[row].as_py()} in {name_line(source, row)}; replace or remove such values first"
        )


def numbers(cells: Any, name: str, rows: Rows, needed: str, kinds: Sequence[str]) -> Array:
    """Return the values of a column of a table as numbers, whatever type they come with.

    Parameters
    ----------
    cells : pyarrow.ChunkedArray
        The column.
    name : str
        Its name.
    rows : Rows
        The rows, for their lines.
    needed : str
        What each row must have, in the message of an error.
    kinds : sequence of str
        What the column may hold, of the choices of `--column`.

    Returns
    -------
    ndarray of float64
        Times as seconds.

    Raises
    ------
    ValueError
        Names the first line without such a value.
    """
    values, wrong = find_numbers(cells, kinds)
    if wrong is None:
        return values
    cell = cells[wrong].as_py()
    raise ValueError(f"{needed}, but {rows.line(wrong)} has {'none' if cell is None else repr(cell)}")


def _weights(cells: Any, name: str, rows: Rows) -> Array:
    """Return the weights of rows from their column."""
    needed = f"--weight {name} needs a number that is not negative in each row"
    weights = numbers(cells, name, rows, needed, ("number",))
    if (weights < 0).any():
        row = int((weights < 0).argmax())
        raise ValueError(f"{needed}, but {rows.line(row)} has {weights[row]:g}")
    if not weights.any():
        raise ValueError(f"{needed}, and some above 0, but all are 0")
    return weights


def blocks_of(source: Source, always: bool = False) -> Iterator[tuple[int, Source]]:
    """Go through a source, block by block where its rows are in files, or always: how many rows are before a block, and the block.

    Blocks of files are read ahead.
    """
    features = source.features
    if isinstance(features, StreamedTable):
        with closing(ahead(features.blocks())) as blocks:
            for first, block in blocks:
                yield first, replace(source, features=block)
    elif not always:
        yield 0, source
    else:
        count = features.shape[0]
        size = rows_of_a_block(math.prod(features.shape[1:]))
        for first in range(0, count, size):
            part = slice(first, min(first + size, count))
            rows = features[part] if isinstance(features, np.ndarray) else features.slice(first, size)
            files = None if source.files is None else source.files[part]
            yield first, replace(source, features=rows, labels=None, files=files, line_of=None)


def of_file(error: ColumnError, source: Source) -> ColumnError:
    """Return an error about a row with its line in the file, or the row counted from 1 where rows have no lines."""
    if source.line_of is None and error.row is not None:
        return ColumnError(error.column, error.found.replace("{row}", name_line(source, error.row), 1))
    return error.in_file(source.line_of)


def in_file(source: Source, call: Callable[[], Any], rows_before: int = 0) -> Any:
    """Return what a call returns; where it refuses a row of a source, or of a block of it, name the line of the file."""
    try:
        return call()
    except ColumnError as error:
        raise of_file(error.after(rows_before), source) from None
