"""Data frames: a row becomes features by what the training found each column to hold.

- Numbers are scaled and located among their quantiles (`numbers.py`). A boolean is a number, and so are a time (seconds, and the
  year) and a duration. A number far outside the range of the training is taken to be at its edge.
- A time also has indicators of month and weekday, and its position in year, week and day as sine and cosine.
- A category has one indicator for each value that is seen more than once, one for all rare ones together. Where there are too many
  values, the most frequent ones have indicators, and all have statistics of the target (`statistics.py`). A value that was never seen is none of the known ones: it is encoded
  like the rare ones, or has no indicator at all, which is a code of its own too. An ordered category has, for each value, an
  indicator of being at least that.
- A text has one feature for each frequent word, or group of letters, which is larger where fewer texts have the word.
- A column with missing cells has an indicator for that, and one that carries nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from pysmorch.encoders.array import plain_numbers
from pysmorch.encoders.base import Encoder
from pysmorch.encoders.cells import (
    Cells,
    array_of_rows,
    as_frame,
    check_no_infinity,
    is_rows,
    is_table,
    numbers_of_frame,
)
from pysmorch.encoders.choices import check_choices
from pysmorch.encoders.columns import KINDS, Column
from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.exported import form_of_table, inputs_of_table
from pysmorch.encoders.folds import learn_statistics, statistics_from_tensors, statistics_to_tensors, with_many
from pysmorch.encoders.layout import Layout, layout_of, mark_number, owners_of, runs_of
from pysmorch.encoders.leaks import looked_at
from pysmorch.encoders.learning import learn_columns, note_the_target
from pysmorch.encoders.numbers import Numbers
from pysmorch.encoders.relearned import TargetFeatures
from pysmorch.encoders.report import as_html, warn_of_columns, warn_of_unknown
from pysmorch.encoders.sampled import complete_numbers, complete_texts
from pysmorch.encoders.schema import infinite_text
from pysmorch.encoders.streamed import StreamedRows
from pysmorch.encoders.table_numbers import numbers_in_rows, parsed
from pysmorch.encoders.together import BYTES_KEPT, MANY_COLUMNS, mark_texts
from pysmorch.entries import list_names
from pysmorch.export.forms import TableForm
from pysmorch.files.header import ModelFileError, entries, entry
from pysmorch.layers import Data, Layer
from pysmorch.layers.base import Array
from pysmorch.sources.source import Source
from pysmorch.sources.streaming import StreamedTable


class TableEncoder(Encoder):
    """Data frames: a row becomes its scaled numbers, their positions in intervals, then the indicators of each column.

    Attributes
    ----------
    columns : list of Column
        What was learned about each column.
    numbers : Numbers
        What was learned about those that hold numbers.
    statistics : dict of str to ndarray
        Of the columns of very many categories, for each of them and for all others, by name.
    missing : tuple of str or None
        What stands for missing values in texts of all columns; None for `MARKERS` in columns of numbers.
    """

    what = "rows of columns"
    entry = "columns"
    misfit = "its columns do not fit its network"
    takes_files = True

    columns: list[Column]
    numbers: Numbers
    statistics: dict[str, Array]
    missing: tuple[str, ...] | None = None
    _choices: Mapping[str, str] = {}
    _leaves_out = True
    _groups: Array | None = None

    @classmethod
    def understands(cls, X: Any) -> bool:
        """Whether X is a data frame of a library that narwhals knows, a file, a list of dictionaries, or objects with text."""
        return isinstance(X, StreamedTable) or is_table(X)

    def choose(self, columns: Mapping[str, str] | None, missing: Sequence[str] | None) -> None:
        """Take what the user says about columns, before `learn`."""
        self._choices = dict(columns or {})
        self.missing = None if missing is None else tuple(missing)

    def expect_more(self) -> None:
        """Leave no column out for what the rows of `learn` lack."""
        self._leaves_out = False

    def check(self, X: Any, estimator: Any, reset: bool) -> Cells | StreamedRows:
        """Return the cells of a data frame that has the columns of the training, or of an array if that was one."""
        without_names = reset or not hasattr(estimator, "feature_names_in_")
        X = array_of_rows(X) if without_names and is_rows(X) else X
        is_array = without_names and isinstance(X, np.ndarray) and X.dtype.names is None
        if not is_array and not self.understands(X):
            raise TypeError(
                f"X must be a data frame with the columns {', '.join(self.names)}, on which this "
                f"{type(estimator).__name__} was trained, but is a {type(X).__name__}"
            )
        import narwhals as nw

        if is_array and (reset or X.ndim != 2 or plain_numbers(X) is None):
            from sklearn.utils import check_array

            check_array(X, dtype=None, ensure_all_finite=False, input_name="X", estimator=estimator)
        streamed = isinstance(X, StreamedTable)
        frame = X.schema.empty_table() if streamed else as_frame(X)
        cells = StreamedRows(X) if streamed else Cells(nw.from_native(frame, eager_only=True))
        if reset or cells.names != self._names_in(estimator):
            from sklearn.utils.validation import validate_data

            validate_data(estimator, X if is_array else frame, skip_check_array=True, reset=reset)
        if reset and len(cells) == 0:
            raise ValueError("X has no rows: 0 sample(s), but a minimum of 1 is required")
        missing = set() if reset else set(self.names) - set(cells.names)
        if missing:
            raise ColumnError(min(missing, key=self.names.index), "is not in X, but the model was trained on it")
        if reset:
            check_choices(self._choices, cells.names)
        return cells

    def _names_in(self, estimator: Any) -> list[str]:
        """Return the names of columns for which scikit-learn would have nothing to say: those of the training, in their order."""
        names = vars(estimator).get("feature_names_in_")
        return self.names if names is None else list(names)

    @classmethod
    def numbers_of(cls, X: Any) -> tuple[Array, list[str], Callable[[Array], Any]]:
        """Return a data frame of numbers as an array, its names, and what makes such a data frame of an array."""
        return numbers_of_frame(X)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    def learn(self, rows: Cells | StreamedRows, weights: Array | None, targets: Array) -> None:
        """Learn the kind of each column and its values; ColumnError for an infinite one."""
        if weights is not None and not (weights > 0).all():  # rows of weight 0 are as absent
            counting = np.flatnonzero(weights > 0)
            rows, weights, targets = rows[counting], weights[counting], targets[counting]
            self._groups = None if self._groups is None else self._groups[counting]
        self.statistics = {}
        self.columns = learn_columns(rows, weights, self._choices, self.missing, self._leaves_out)
        self.forget_layout()
        sampled = isinstance(rows, StreamedRows) and rows.sampled is not None
        if sampled:
            complete_texts(self, rows)
        having = with_many(self.columns)
        self.statistics = learn_statistics(having, rows, weights, targets, self.missing, self._groups)
        self._groups = None
        self.forget_layout()
        looked_for = [column for column in self.columns if column.kind != "none"]
        some = looked_at(len(rows), len(looked_for))
        numbers = rows.store(self, some).numbers if isinstance(rows, StreamedRows) else self._numbers(rows)
        if isinstance(rows, StreamedRows) and rows.ranges is not None:
            complete_numbers(self, rows.ranges, len(rows))
        self.numbers = Numbers.learn(numbers, weights, located=self._layout.located)
        looked = rows.looked if isinstance(rows, StreamedRows) else rows[some]
        if len(some) and looked is not None:
            self._look_for_the_target(looked_for, looked, targets[some])
        warn_of_columns(self.columns)

    def learn_rows(self, rows: Cells | StreamedRows, weights: Array | None, targets: Array) -> None:
        """Learn the statistics of rows without their own targets, for columns that have statistics."""
        having = [column for column in self.columns if column.statistics]
        learn_statistics(having, rows, weights, targets, self.missing, self._groups)
        self._groups = None

    def target_features(self, rows: Cells | StreamedRows, trained_before: bool) -> TargetFeatures | None:
        """Return the statistics of the target in encoded rows of the last `learn` or `learn_rows`, if there are any."""
        return TargetFeatures(self, rows.codes, trained_before) if rows.codes else None

    def warn_of_unknown(self, rows: Any, argument: str) -> None:
        """Warn of categories with unknown values, in rows of `check` that are in memory."""
        if isinstance(rows, Cells):
            warn_of_unknown(self.columns, rows, self.missing, argument)

    @property
    def statistics_positions(self) -> list[tuple[Column, int]]:
        """The columns with statistics, each with the index of its first one among all numbers."""
        return self._layout.statistics

    def keep_together(self, groups: Array | None) -> None:
        """Let no row have the statistics that other rows of its group say."""
        self._groups = groups

    def _look_for_the_target(self, columns: list[Column], looked: Cells, targets: Array) -> None:
        """Note which columns are nearly the target, by some rows; where it is the only one, it is what there is to learn from."""
        block = self._numbers(looked)
        numbers = {name: block[:, position] for name, position in self._layout.positions.items()}
        note_the_target(columns, looked, numbers, self.missing, targets)

    def _numbers(self, rows: Cells) -> Array:
        """Return the numbers of all columns, before they are scaled, shape (N, len(numbers.mean))."""
        return numbers_in_rows(self._layout, rows, self.statistics, self.missing)

    @cached_property
    def _layout(self) -> Layout:
        return layout_of(self.columns)

    def encode(self, rows: Cells) -> Array:
        """Return the rows as float32, shape (N, width); ColumnError for a column of numbers that holds something else."""
        encoded = self._encode_numbers(self.read_numbers(rows))
        starts = [(column, self.numbers.width + start) for column, start, _ in self._layout.texts]
        mark_texts(encoded, starts, rows, self.missing)
        return self._weighed(encoded)

    def lazily(self, rows: Cells) -> Callable[[Any], Array]:
        """Return what encodes some of the rows; very many columns are read once, since each takes time of its own."""
        stored = len(rows) * (8 * self.num_numbers + self.num_marks)
        if self.num_features < MANY_COLUMNS or stored > BYTES_KEPT:
            return super().lazily(rows)
        numbers, marks = self.compact(rows)
        return lambda some: self.expand(numbers[some], marks[some])

    def compact(self, rows: Cells) -> tuple[Array, Array]:
        """Return what `expand` makes the same encoded rows of, which takes less memory: numbers, and marks of texts.

        Parameters
        ----------
        rows : Cells
            Rows from `check`.

        Returns
        -------
        numbers : ndarray of float64, shape (N, P)
            Not scaled.
        marks : ndarray of bool, shape (N, num_marks)
            The indicators of categories and texts.
        """
        numbers = self.read_numbers(rows)
        marks = np.zeros((len(rows), self.num_marks), dtype=bool)
        mark_texts(marks, [(column, first) for column, _, first in self._layout.texts], rows, self.missing)
        return numbers, marks

    def expand(self, numbers: Array, marks: Array) -> Array:
        """Return the encoded rows of `compact`.

        Parameters
        ----------
        numbers : ndarray of float64, shape (N, P)
            Not scaled.
        marks : ndarray of bool, shape (N, num_marks)
            The indicators of categories and texts.

        Returns
        -------
        ndarray of float32, shape (N, width)
            As from `encode`.
        """
        encoded = self._encode_numbers(numbers)
        encoded[:, self.numbers.width + self._layout.of_marks] = marks
        return self._weighed(encoded)

    def _weighed(self, encoded: Array) -> Array:
        """Multiply the indicators of the words of texts by the weights of these words."""
        for column, start, _ in self._layout.texts:
            if column.weights:
                first = self.numbers.width + start
                encoded[:, first : first + len(column.values)] *= np.array(column.weights, np.float32)
        return encoded

    def forget_layout(self) -> None:
        """Let the columns have changed."""
        self.__dict__.pop("_layout", None)

    @property
    def number_positions(self) -> list[tuple[Column, int]]:
        """The columns of numbers, each with its index among all numbers."""
        return self._layout.numbers

    @property
    def num_numbers(self) -> int:
        """How many numbers columns become before they are scaled."""
        return len(self._layout.low)

    @property
    def num_marks(self) -> int:
        """How many indicators categories and texts have."""
        return sum(column.num_indicators for column, _, _ in self._layout.texts)

    def read_numbers(self, rows: Cells) -> Array:
        """Return the numbers of all columns, before they are scaled; ColumnError for a cell that holds something else."""
        for column in self.columns:
            if column.holds == "running number" and column.name not in rows.plain:
                parsed(
                    column, rows, self.missing
                )  # it plays no part, but other cells say that the columns are not its own
        return self._numbers(rows)

    def _encode_numbers(self, numbers: Array) -> Array:
        """Return encoded rows in which all but the indicators of categories and texts are set."""
        encoded = np.zeros((len(numbers), *self.shape), dtype=np.float32)
        if numbers.shape[1]:
            self.numbers.encode(numbers, encoded, self.bounds)
        for column, position, start in self._layout.marked:
            start += self.numbers.width
            mark_number(encoded[:, start : start + column.num_indicators], column, numbers[:, position])
        return encoded

    @property
    def shape(self) -> tuple[int, ...]:
        """(width,); a table of which nothing is left has one feature, which is 0."""
        return (max(1, self.numbers.width + self._layout.num_indicators),)

    @property
    def num_features(self) -> int:
        """The number of columns."""
        return len(self.columns)

    @property
    def of_table(self) -> bool:
        """Always."""
        return True

    @property
    def num_scaled(self) -> int:
        """The numbers of all columns."""
        return len(self.numbers.mean)

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """The intervals, and the indicators of categories, texts, times and missing values."""
        return runs_of(self.numbers.owner, self._layout.num_indicators)

    def input_layer(self) -> Layer:
        """Return a Data layer."""
        return Data(shape=(None, *self.shape))

    def form(self) -> TableForm:
        """Return what rows become."""
        return form_of_table(self)

    def inputs_of(self, rows: Cells, channels_first: bool) -> dict[str, Array]:
        """Return each column."""
        return inputs_of_table(self, rows)

    @property
    def bounds(self) -> tuple[Array, Array]:
        """The lowest and the highest of each number."""
        return self._layout.low, self._layout.high

    @property
    def owners(self) -> tuple[Array, tuple[int, ...]]:
        """The columns of all numbers."""
        return owners_of(self.columns, self.numbers.owner), (len(self.columns),)

    def cells(self, rows: Cells, index: int) -> list[Any]:
        """Return the cells of a column as Python objects."""
        cells: list[Any] = rows.table[self.columns[index].name].to_list()
        return cells

    def numbers_in(self, rows: Cells, index: int) -> Array | None:
        """Return the numbers, times or durations of a column; None for categories, texts and what is left out."""
        name = self.columns[index].name
        return self._numbers(rows)[:, self._layout.positions[name]] if name in self._layout.positions else None

    @classmethod
    def check_features(cls, features: Any) -> None:
        """Refuse a table with an infinite number."""
        import pyarrow as pa

        for name in features.column_names:
            column = features[name]
            if pa.types.is_floating(column.type):
                check_no_infinity(name, column.to_numpy())
            elif pa.types.is_string(column.type):
                row = infinite_text(column)
                if row is not None:
                    check_no_infinity(name, np.where(np.arange(len(column)) == row, np.inf, 0.0))

    def select(self, source: Source, by_position: bool) -> Any:
        """Return the columns of a source that the model knows, by name, or by position where they had no names."""
        if source.column_names is None:
            raise ValueError(
                f"the model was trained on a table with columns {list_names(self.names)}, but {source.name} is an array"
            )
        table = source.features
        if by_position and table.num_columns == len(self.names):
            table = table.rename_columns(self.names)
        known = set(table.column_names)
        missing = [name for name in self.names if name not in known]
        if missing:
            raise ValueError(
                f"{source.name} has {table.num_columns} columns and lacks {list_names(missing)}, "
                "which the model was trained on"
            )
        return table.select(self.names)

    def describe(self) -> list[str]:
        """Return a line for each column."""
        return [column.describe() for column in self.columns]

    def _repr_html_(self) -> str:
        return as_html(self.columns)

    @classmethod
    def is_in(cls, header: dict[str, Any]) -> bool:
        """Whether the entry has names of columns."""
        part = header.get(cls.entry)
        return isinstance(part, dict) and part.get("columns") is not None

    def to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the columns and the arrays of their numbers."""
        part: dict[str, Any] = {"columns": [column.to_parts() for column in self.columns]}
        if self.missing is not None:
            part["missing"] = list(self.missing)
        return part, self.numbers.to_tensors() | statistics_to_tensors(self.columns, self.statistics)

    @classmethod
    def from_parts(cls, header: dict[str, Any], tensors: dict[str, Array]) -> TableEncoder:
        """Return the encoder of `to_parts`."""
        self = cls()
        part = entry(header, cls.entry, dict)
        self.columns = [Column.from_parts(c) for c in entries(part, "columns", dict)]
        if any(column.kind not in KINDS for column in self.columns):
            raise ModelFileError("a column has a kind that this version does not know")
        if part.get("missing") is not None:
            self.missing = tuple(entries(part, "missing", str))
        self.numbers = Numbers.from_tensors(tensors, sum(column.num_numbers for column in self.columns))
        self.statistics = statistics_from_tensors(self.columns, tensors)
        return self
