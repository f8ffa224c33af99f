"""Data frames: what is learned about each column, and how it becomes features.

- Numbers are scaled and located among their quantiles (`numbers.py`). A boolean is a number, and so is a point in time (seconds).
- A column of text with a limited number of different values is a category: one indicator for each value that is seen
  more than once, one for all rare ones together. A value that was never seen is none of the known ones: it is encoded
  like the rare ones, or has no indicator at all, which is a code of its own too.
- A column of text with many words and hardly two cells alike is a bag of words: one indicator for each frequent word.
- A column with missing cells has an indicator for that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from pysmorch.encoders.base import ColumnError, Encoder
from pysmorch.encoders.cells import Cells, as_table, check_no_infinity, is_table, no_values
from pysmorch.encoders.numbers import Numbers
from pysmorch.entries import list_names
from pysmorch.files.header import ModelFileError, entries, entry
from pysmorch.layers import Data, Layer
from pysmorch.layers.base import Array
from pysmorch.sources.source import Source

MAX_CATEGORIES = 255
MAX_WORDS = 500
MIN_WORDS_OF_TEXT = 3.0
"""A column is text, not a category, when its cells have so many words on average and more than half are distinct."""


@dataclass
class Column:
    """What was learned about one column of a table.

    Attributes
    ----------
    name : str
        Its name.
    kind : str
        "number", "category" or "text".
    missing : bool
        Whether cells were missing, so that there is an indicator for it.
    values : list of str
        The categories, most frequent first, or the words.
    rare : bool
        Whether there were categories that came only once, so that there is an indicator for them and for new ones.
    """

    name: str
    kind: str
    missing: bool = False
    values: list[str] = field(default_factory=list)
    rare: bool = False

    @property
    def num_indicators(self) -> int:
        """How many indicators the column has."""
        return int(self.missing) + (0 if self.kind == "number" else len(self.values) + int(self.rare))


class TableEncoder(Encoder):
    """Data frames: a row becomes its scaled numbers, their positions in intervals, then the indicators of each column.

    Attributes
    ----------
    columns : list of Column
        What was learned about each column.
    numbers : Numbers
        What was learned about those that hold numbers.
    """

    what = "rows of columns"
    entry = "columns"
    misfit = "its columns do not fit its network"

    columns: list[Column]
    numbers: Numbers

    @classmethod
    def understands(cls, X: Any) -> bool:
        """Whether X is a data frame of a library that narwhals knows."""
        return is_table(X)

    def check(self, X: Any, estimator: Any, reset: bool) -> Cells:
        """Return the cells of a data frame that has the columns of the training."""
        if not reset and not is_table(X):
            raise TypeError(
                f"X must be a data frame with the columns {', '.join(self.names)}, on which this "
                f"{type(estimator).__name__} was trained, but is a {type(X).__name__}"
            )
        validate_data(estimator, X, skip_check_array=True, reset=reset)
        cells = Cells(as_table(X))
        if reset and len(cells) == 0:
            raise ValueError("X has no rows: 0 sample(s), but a minimum of 1 is required")
        missing = [] if reset else [name for name in self.names if name not in cells.names]
        if missing:
            raise ColumnError(missing[0], "is not in X, but the model was trained on it")
        return cells

    @classmethod
    def numbers_of(cls, X: Any) -> tuple[Array, list[str], Callable[[Array], Any]]:
        """Return a data frame of numbers as an array, its names, and what makes such a data frame of an array."""
        import narwhals as nw

        table = as_table(X)
        names = list(table.columns)

        def like(array: Array) -> Any:
            columns = {name: array[:, i] for i, name in enumerate(names)}
            return nw.from_dict(columns, backend=table.implementation).to_native()

        return np.asarray(table.to_numpy(), np.float64), names, like

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    def learn(self, rows: Cells, weights: Array | None) -> None:
        """Learn the kind of each column and its values; ColumnError for one without any, or with an infinite one."""
        self.columns = [_learn_column(name, rows, weights) for name in rows.names]
        numbers = [rows.numbers(column.name) for column in self.columns if column.kind == "number"]
        block = np.stack(numbers, axis=1) if numbers else np.empty((len(rows), 0))
        self.numbers = Numbers.learn(block, weights)

    def encode(self, rows: Cells) -> Array:
        """Return the rows as float32, shape (N, width); ColumnError for a column of numbers that holds something else."""
        encoded = np.zeros((len(rows), *self.shape), dtype=np.float32)
        numbers = {column.name: rows.numbers(column.name) for column in self.columns if column.kind == "number"}
        if numbers:
            self.numbers.encode(np.stack(list(numbers.values()), axis=1), encoded)
        start = self.numbers.width
        for column in self.columns:
            block = encoded[:, start : start + column.num_indicators]
            start += column.num_indicators
            if column.kind == "category":
                _mark_categories(block, column, rows.strings(column.name))
            elif column.kind == "text":
                _mark_words(block, column, rows.strings(column.name))
            if column.missing:
                number = column.kind == "number"
                block[:, -1] = np.isnan(numbers[column.name]) if number else rows.missing(column.name)
        return encoded

    @property
    def shape(self) -> tuple[int, ...]:
        """(width,)."""
        return (self.numbers.width + sum(column.num_indicators for column in self.columns),)

    @property
    def num_features(self) -> int:
        """The number of columns."""
        return len(self.columns)

    def input_layer(self) -> Layer:
        """Return a Data layer."""
        return Data(shape=(None, *self.shape))

    @classmethod
    def check_features(cls, features: Any) -> None:
        """Refuse a table with a column that has no value, or an infinite one."""
        import pyarrow as pa

        for name in features.column_names:
            column = features[name]
            if column.null_count == len(column):
                raise no_values(name)
            if pa.types.is_floating(column.type):
                check_no_infinity(name, column.to_numpy())

    def select(self, source: Source, by_position: bool) -> Any:
        """Return the columns of a source that the model knows, by name, or by position where they had no names."""
        if source.column_names is None:
            raise ValueError(
                f"the model was trained on a table with columns {list_names(self.names)}, but {source.name} is an array"
            )
        table = source.features
        if by_position and table.num_columns == len(self.names):
            table = table.rename_columns(self.names)
        missing = [name for name in self.names if name not in table.column_names]
        if missing:
            raise ValueError(
                f"{source.name} has {table.num_columns} columns and lacks {list_names(missing)}, "
                "which the model was trained on"
            )
        return table.select(self.names)

    def describe(self) -> list[str]:
        """Return a line for each column."""
        lines = []
        for column in self.columns:
            values = f", {len(column.values)} values" if column.kind != "number" else ""
            lines.append(f"column {column.name}: {column.kind}{values}{', may be missing' if column.missing else ''}")
        return lines

    @classmethod
    def is_in(cls, header: dict[str, Any]) -> bool:
        """Whether the entry has names of columns."""
        part = header.get(cls.entry)
        return isinstance(part, dict) and part.get("columns") is not None

    def to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the columns and the arrays of their numbers."""
        return {"columns": [vars(column) for column in self.columns]}, self.numbers.to_tensors()

    @classmethod
    def from_parts(cls, header: dict[str, Any], tensors: dict[str, Array]) -> TableEncoder:
        """Return the encoder of `to_parts`."""
        self = cls()
        self.columns = [
            Column(
                entry(c, "name", str),
                entry(c, "kind", str),
                entry(c, "missing", bool),
                entries(c, "values", str),
                entry(c, "rare", bool),
            )
            for c in entries(entry(header, cls.entry, dict), "columns", dict)
        ]
        if any(column.kind not in ("number", "category", "text") for column in self.columns):
            raise ModelFileError("a column has a kind that this version does not know")
        count = sum(column.kind == "number" for column in self.columns)
        self.numbers = Numbers.from_tensors(tensors, count)
        return self


def _learn_column(name: str, rows: Cells, weights: Array | None) -> Column:
    if rows.is_number(name):
        missing = np.isnan(rows.numbers(name))
        if missing.all():
            raise no_values(name)
        return Column(name, "number", bool(missing.any()))
    missing = rows.missing(name)
    if missing.all():
        raise no_values(name)
    cells = rows.strings(name)
    counts = _counts(cells, weights)
    known = [text for text, count in counts if count > 1]
    words = sum(len(text.split()) for text, _ in counts) / len(counts)
    if words >= MIN_WORDS_OF_TEXT and len(counts) > 0.5 * (~missing).sum():
        return Column(name, "text", bool(missing.any()), _frequent_words(cells))
    values = known[:MAX_CATEGORIES]
    return Column(name, "category", bool(missing.any()), values, len(values) < len(counts))


def _counts(cells: Any, weights: Array | None) -> list[tuple[str, float]]:
    """Return the values with their counts, most frequent first, and in the order of the alphabet among equals."""
    codes, values = _codes(cells)
    known = codes >= 0
    counted = np.bincount(codes[known], None if weights is None else weights[known], minlength=len(values))
    pairs = [(value, float(count)) for value, count in zip(values, counted, strict=True) if count > 0]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def _codes(cells: Any) -> tuple[Array, list[str]]:
    """Return for each cell the index of its value in a list of values; -1 where it is missing."""
    encoded = cells.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary.to_pylist()


def _mark_categories(block: Array, column: Column, cells: Any) -> None:
    codes, values = _codes(cells)
    index = {value: i for i, value in enumerate(column.values)}
    otherwise = len(column.values) if column.rare else -1
    indices = np.array([index.get(value, otherwise) for value in values] + [-1], dtype=np.int64)[codes]
    rows = np.flatnonzero(indices >= 0)
    block[rows, indices[rows]] = 1.0


def _mark_words(block: Array, column: Column, cells: Any) -> None:
    if column.values:
        counted = _vectorizer(vocabulary=column.values).transform([cell or "" for cell in cells.to_pylist()])
        block[:, : len(column.values)] = counted.toarray()


def _frequent_words(cells: Any) -> list[str]:
    texts = [cell for cell in cells.to_pylist() if cell is not None]
    try:
        vectorizer = _vectorizer(max_features=MAX_WORDS, min_df=2).fit(texts)
    except ValueError:  # no word comes twice
        return []
    return sorted(vectorizer.vocabulary_)


def _vectorizer(**options: Any) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(binary=True, dtype=np.float32, **options)
