"""From tables to arrays: what is learned about each column, and how it becomes numbers.

- Numbers are scaled to mean 0 and variance 1. Where a column is so skewed that a few values would dwarf the others, the
  logarithm log(1 + |x|), with the sign of x, is taken first. A missing number becomes the mean.
- With enough rows, a number is also told by where it lies among its quantiles: for each interval between two of them
  one number that is 0 below it, 1 above it and rises in between (piecewise linear encoding: Gorishniy, Rubachev and
  Babenko, "On embeddings for numerical features in tabular deep learning", 2022). That lets a network treat parts of
  a scale differently, which a single scaled number makes hard to learn.
- A boolean is a number, and so is a point in time (seconds).
- A column of text with a limited number of different values is a category: one indicator for each value that is seen
  more than once, one for all rare ones together. A value that was never seen is none of the known ones: it takes the
  place of the rare ones, or has no indicator at all, which is a code of its own too.
- A column of text with many words and hardly two cells alike is a bag of words: one indicator for each frequent word.
- A column with missing cells has an indicator for that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pysmorch.layers.base import Array

SKEWED = 2.0
"""Skewness from which the logarithm is taken, if it is less skewed then."""

MAX_INTERVALS = 32
ROWS_OF_AN_INTERVAL = 100
"""So many rows are needed for each interval between quantiles."""

MAX_COLUMNS_WITH_INTERVALS = 48
"""Tables with more number columns than this are wide enough as they are."""

MAX_CATEGORIES = 255
MAX_WORDS = 500
MIN_WORDS_OF_TEXT = 3.0
"""A column is text, not a category, when its cells have so many words on average and more than half are distinct."""


class ColumnError(ValueError):
    """A column that cannot be used; the message names it and says what is wrong."""


@dataclass
class Column:
    """What was learned about one column of a table.

    Attributes:
        name: its name.
        kind: "number", "category" or "text".
        missing: whether cells were missing, so that there is an indicator for it.
        values: the categories, most frequent first, or the words.
        rare: whether there were categories that came only once, so that there is an indicator for them and for new ones.
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


@dataclass
class Columns:
    """What was learned about all columns of a table or an array.

    A row becomes the scaled numbers, the places in their intervals, then the indicators of each column.

    Attributes:
        columns: one for each column of a table; None for an array, whose columns are numbers without names.
        mean, scale: of each number column, after the logarithm where it is taken.
        logarithm: for which number columns it is taken.
        low, high: the ends of all intervals.
        owner: for each interval, the number column that it belongs to.
    """

    columns: list[Column] | None
    mean: Array
    scale: Array
    logarithm: Array
    low: Array
    high: Array
    owner: Array

    @property
    def names(self) -> list[str] | None:
        """The names of a table's columns."""
        return None if self.columns is None else [column.name for column in self.columns]

    @property
    def width(self) -> int:
        """How many numbers a row becomes."""
        return len(self.mean) + len(self.owner) + sum(column.num_indicators for column in self.columns or [])

    @classmethod
    def learn_array(cls, X: Array, weights: Array | None) -> Columns:
        """Learn from an array of numbers; all pixels (dtype uint8) share one mean and one scale."""
        if X.dtype == np.uint8:
            w = np.ones(len(X)) if weights is None else weights
            of_rows = w @ np.stack([X.mean(1), np.square(X, dtype=np.float64).mean(1)], axis=1) / w.sum()
            std = float(np.sqrt(max(of_rows[1] - of_rows[0] ** 2, 0.0)))
            ones = np.ones(X.shape[1])
            scaling = (of_rows[0] * ones, (std or 1.0) * ones, np.zeros(X.shape[1], dtype=bool))
            return cls(None, *scaling, *_no_intervals())
        X = X.astype(np.float64)
        return cls(None, *_learn_numbers(X, weights), *_learn_intervals(X, weights))

    @classmethod
    def learn_table(cls, table: Any, weights: Array | None) -> Columns:
        """Learn from a narwhals data frame.

        Raises ColumnError for a column without any value, or with an infinite one.
        """
        columns, numbers = [], []
        for name in table.columns:
            column, values = _learn_column(name, table[name], weights)
            columns.append(column)
            if values is not None:
                numbers.append(values)
        block = np.stack(numbers, axis=1) if numbers else np.empty((len(table), 0))
        return cls(columns, *_learn_numbers(block, weights), *_learn_intervals(block, weights))

    def encode_array(self, X: Array) -> Array:
        """Return the rows as numbers, float32, shape (N, width)."""
        encoded = np.zeros((len(X), self.width), dtype=np.float32)
        self._encode_numbers(X.astype(np.float64, copy=False), encoded)
        return encoded

    def encode_table(self, table: Any) -> Array:
        """Return the rows of a narwhals data frame with the same columns as numbers, float32, shape (N, width).

        Raises ColumnError when a column of numbers holds something else.
        """
        columns = self.columns or []
        encoded = np.zeros((len(table), self.width), dtype=np.float32)
        numbers = {c.name: _numbers(c.name, table[c.name]) for c in columns if c.kind == "number"}
        if numbers:
            self._encode_numbers(np.stack(list(numbers.values()), axis=1), encoded)
        start = len(self.mean) + len(self.owner)
        for column in columns:
            block = encoded[:, start : start + column.num_indicators]
            start += column.num_indicators
            if column.kind == "number":
                missing = np.isnan(numbers[column.name])
            else:
                cells = _strings(table[column.name])
                missing = cells.is_null().to_numpy(zero_copy_only=False)
                mark = _mark_categories if column.kind == "category" else _mark_words
                mark(block, column, cells)
            if column.missing:
                block[:, -1] = missing
        return encoded

    def _encode_numbers(self, numbers: Array, encoded: Array) -> None:
        """Write scaled numbers and places in intervals into the first columns of `encoded`; 0 for what is missing."""
        scaled = np.where(self.logarithm, _signed_log(numbers), numbers) if self.logarithm.any() else numbers
        count = len(self.mean)
        encoded[:, :count] = (scaled - self.mean) / self.scale
        if len(self.owner):
            places = (numbers[:, self.owner] - self.low) / (self.high - self.low)
            encoded[:, count : count + len(self.owner)] = np.clip(places, 0.0, 1.0)
        known = encoded[:, : count + len(self.owner)]
        known[np.isnan(known)] = 0.0

    def to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return what was learned as plain data and arrays."""
        columns = None if self.columns is None else [vars(column) for column in self.columns]
        return {"columns": columns}, {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_parts(cls, header: dict[str, Any], tensors: dict[str, Array]) -> Columns:
        """Return what `to_parts` wrote, after checking it."""
        from pysmorch.files.header import ModelFileError, entries, entry

        columns = None
        if entry(header, "columns", list, type(None)) is not None:
            columns = [
                Column(
                    entry(c, "name", str),
                    entry(c, "kind", str),
                    entry(c, "missing", bool),
                    entries(c, "values", str),
                    entry(c, "rare", bool),
                )
                for c in entries(header, "columns", dict)
            ]
            if any(column.kind not in ("number", "category", "text") for column in columns):
                raise ModelFileError("a column has a kind that this version does not know")
        missing = [name for name in _ARRAYS if name not in tensors or tensors[name].ndim != 1]
        if missing:
            raise ModelFileError(f"the array {missing[0]} of the columns is missing")
        self = cls(columns, **{name: tensors[name] for name in _ARRAYS})
        count = len(self.mean) if columns is None else sum(column.kind == "number" for column in columns)
        if any(len(array) != count for array in (self.mean, self.scale, self.logarithm)):
            raise ModelFileError(f"the numbers learned about the columns are not those of {count} columns")
        intervals = len(self.owner)
        owners = self.owner.dtype == np.int64 and bool(((self.owner >= 0) & (self.owner < count)).all())
        if len(self.low) != intervals or len(self.high) != intervals or not owners or self.logarithm.dtype != bool:
            raise ModelFileError("the intervals learned about the columns do not fit each other")
        return self


_ARRAYS = ("mean", "scale", "logarithm", "low", "high", "owner")


def is_table(X: Any) -> bool:
    """Whether X is a data frame of a library that narwhals knows."""
    if isinstance(X, np.ndarray):  # narwhals takes longer to find out than a small network takes to answer
        return False
    import narwhals as nw

    return bool(nw.dependencies.is_into_dataframe(X))


def as_table(X: Any) -> Any:
    """Return a data frame of any library as a narwhals data frame with unique names of type str."""
    import narwhals as nw

    if not is_table(X):
        raise TypeError(f"expected a data frame like the one in training, but got {type(X).__name__}")
    if hasattr(X, "columns") and not all(isinstance(name, str) for name in _column_names(X)):
        X = X.set_axis([str(name) for name in _column_names(X)], axis=1)
    return nw.from_native(X, eager_only=True)


def _column_names(X: Any) -> list[Any]:
    return list(X.column_names) if hasattr(X, "column_names") else list(X.columns)


def _learn_column(name: str, series: Any, weights: Array | None) -> tuple[Column, Array | None]:
    if _is_number(series):
        values = _numbers(name, series)
        missing = np.isnan(values)
        if missing.all():
            raise ColumnError(f"column {name!r} has no values; leave it out")
        return Column(name, "number", bool(missing.any())), values
    cells = _strings(series)
    missing = cells.is_null().to_numpy(zero_copy_only=False)
    if missing.all():
        raise ColumnError(f"column {name!r} has no values; leave it out")
    counts = _counts(cells, weights)
    known = [text for text, count in counts if count > 1]
    words = sum(len(text.split()) for text, _ in counts) / len(counts)
    if words >= MIN_WORDS_OF_TEXT and len(counts) > 0.5 * (~missing).sum():
        return Column(name, "text", bool(missing.any()), _frequent_words(cells)), None
    kept = known[:MAX_CATEGORIES]
    return Column(name, "category", bool(missing.any()), kept, len(kept) < len(counts)), None


def _is_number(series: Any) -> bool:
    import narwhals as nw

    return bool(series.dtype.is_numeric() or series.dtype in (nw.Boolean, nw.Date) or series.dtype == nw.Datetime)


def _numbers(name: str, series: Any) -> Array:
    """Return a column as float64 with NaN for what is missing, or say which cell is no number."""
    import narwhals as nw

    if series.dtype == nw.Date or series.dtype == nw.Datetime:
        times = series.to_numpy().astype("datetime64[us]")
        return np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)
    if _is_number(series):
        values = np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    else:
        values = np.array([_parse(name, i, cell) for i, cell in enumerate(series.to_list())], dtype=np.float64)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise ColumnError(f"column {name!r} has an infinite value in row {infinite[0]}; replace or remove it")
    return values


def _parse(name: str, row: int, cell: Any) -> float:
    if cell is None:
        return np.nan
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise ColumnError(f"column {name!r} held numbers in training, but row {row} has {cell!r}") from None


def _strings(series: Any) -> Any:
    """Return a column as a PyArrow array of strings, with null for what is missing."""
    import pyarrow as pa

    try:
        array = series.to_arrow()
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        if pa.types.is_floating(array.type):  # a category of whole numbers comes as floats where cells are missing
            return pa.array([_as_text(cell) for cell in array.to_pylist()], pa.string())
        return array.cast(pa.string())
    except (pa.ArrowException, TypeError):
        return pa.array([_as_text(cell) for cell in series.to_list()], pa.string())


def _as_text(cell: Any) -> str | None:
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _counts(cells: Any, weights: Array | None) -> list[tuple[str, float]]:
    """Return the values with their counts, most frequent first, and in the order of the alphabet among equals."""
    codes, values = _codes(cells)
    known = codes >= 0
    counted = np.bincount(codes[known], None if weights is None else weights[known], minlength=len(values))
    pairs = [(value, float(count)) for value, count in zip(values, counted, strict=True) if count > 0]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def _codes(cells: Any) -> tuple[Array, list[str]]:
    """Return for each cell the place of its value in a list of values; -1 where it is missing."""
    encoded = cells.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary.to_pylist()


def _mark_categories(block: Array, column: Column, cells: Any) -> None:
    codes, values = _codes(cells)
    place = {value: i for i, value in enumerate(column.values)}
    otherwise = len(column.values) if column.rare else -1
    places = np.array([place.get(value, otherwise) for value in values] + [-1], dtype=np.int64)[codes]
    rows = np.flatnonzero(places >= 0)
    block[rows, places[rows]] = 1.0


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


def _learn_numbers(X: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    """Return mean, scale and whether to take the logarithm, for each column; NaN is left out."""
    w = np.ones(len(X)) if weights is None else weights
    known = ~np.isnan(X)
    total = np.maximum(w @ known, 1e-300)

    def moments(values: Array) -> tuple[Array, Array, Array]:
        mean = w @ np.where(known, values, 0.0) / total
        centred = np.where(known, values - mean, 0.0)
        std = np.sqrt(w @ np.square(centred) / total)
        # Rounding leaves a constant column with a tiny spread; it has none.
        std = np.where(std > 1e-12 * np.abs(mean), std, 0.0)
        safe = np.where(std > 0, std, 1.0)
        return mean, safe, w @ (centred / safe) ** 3 / total

    plain, logged = moments(X), moments(_signed_log(X))
    logarithm = (np.abs(plain[2]) > SKEWED) & (np.abs(logged[2]) < np.abs(plain[2]))
    return np.where(logarithm, logged[0], plain[0]), np.where(logarithm, logged[1], plain[1]), logarithm


def _no_intervals() -> tuple[Array, Array, Array]:
    return np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64)


def _learn_intervals(X: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    """Return the lower and upper ends of all intervals and the columns they belong to."""
    w = np.ones(len(X)) if weights is None else weights
    if not 0 < X.shape[1] <= MAX_COLUMNS_WITH_INTERVALS:
        return _no_intervals()
    low, high, owner = [], [], []
    for column, values in enumerate(X.T):
        known = ~np.isnan(values) & (w > 0)
        edges = _edges(values[known], w[known])
        low.append(edges[:-1])
        high.append(edges[1:])
        owner.append(np.full(max(len(edges) - 1, 0), column, dtype=np.int64))
    return np.concatenate(low), np.concatenate(high), np.concatenate(owner)


def _edges(values: Array, w: Array) -> Array:
    """Return quantiles of a column; a value that fills several intervals alone is left out while counting the others."""
    count = min(MAX_INTERVALS, int(w.sum() / ROWS_OF_AN_INTERVAL))
    if count < 2:
        return np.zeros(0)
    distinct, place = np.unique(values, return_inverse=True)
    counts = np.bincount(place, w)
    rest = counts <= counts.sum() / count
    if rest.sum() < 2:
        return np.zeros(0) if len(distinct) < 3 else distinct
    quantiles = np.quantile(distinct[rest], np.linspace(0, 1, count + 1), weights=counts[rest], method="inverted_cdf")
    edges = np.unique(np.concatenate([quantiles, distinct[~rest]]))
    return edges if len(edges) >= 3 else np.zeros(0)


def _signed_log(x: Array) -> Array:
    return np.copysign(np.log1p(np.abs(x)), x)
