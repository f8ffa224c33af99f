"""Data frames: a row becomes features by what the training found each column to hold.

- Numbers are scaled and located among their quantiles (`numbers.py`). A boolean is a number, and so are a time (seconds, and the
  year) and a duration. A number far outside the range of the training is taken to be at its edge.
- A time also has indicators of month and weekday, and its position in year, week and day as sine and cosine.
- A category has one indicator for each value that is seen more than once, one for all rare ones together. Where there are too many
  values, the most frequent ones have indicators, and all have statistics of the target (`statistics.py`). A value that was never seen is none of the known ones: it is encoded
  like the rare ones, or has no indicator at all, which is a code of its own too. An ordered category has, for each value, an
  indicator of being at least that.
- A text has one indicator for each frequent word, or group of letters.
- A column with missing cells has an indicator for that.
- A column that carries nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from pysmorch.encoders.base import Encoder
from pysmorch.encoders.categories import codes_of, indices_of, mark_categories, mark_words
from pysmorch.encoders.cells import Cells, as_frame, as_table, check_no_infinity, is_table
from pysmorch.encoders.choices import check_choices
from pysmorch.encoders.columns import KINDS, NEARLY_THE_TARGET, OWN_INDICATORS, Column
from pysmorch.encoders.dates import parts_of
from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.layout import Layout, layout_of, years_of
from pysmorch.encoders.leaks import codes_tell, looked_at, numbers_tell
from pysmorch.encoders.numbers import Numbers
from pysmorch.encoders.report import as_html, warn_of_columns
from pysmorch.encoders.schema import infinite_text, learn_column
from pysmorch.encoders.statistics import averaged, statistics_of
from pysmorch.encoders.values import number_values, text_values, times_of
from pysmorch.entries import list_names
from pysmorch.files.header import ModelFileError, entries, entry
from pysmorch.layers import Data, Layer
from pysmorch.layers.base import Array
from pysmorch.sources.source import Source


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

    columns: list[Column]
    numbers: Numbers
    statistics: dict[str, Array]
    missing: tuple[str, ...] | None = None
    _choices: Mapping[str, str] = {}
    _judged = True

    @classmethod
    def understands(cls, X: Any) -> bool:
        """Whether X is a data frame of a library that narwhals knows, a list of dictionaries, or objects with text."""
        return is_table(X)

    def choose(self, columns: Mapping[str, str] | None, missing: Sequence[str] | None) -> None:
        """Take what the user says about columns, before `learn`."""
        self._choices = dict(columns or {})
        self.missing = None if missing is None else tuple(missing)

    def expect_more(self) -> None:
        """Leave no column out for what the rows of `learn` lack."""
        self._judged = False

    def check(self, X: Any, estimator: Any, reset: bool) -> Cells:
        """Return the cells of a data frame that has the columns of the training, or of an array if that was one."""
        is_array = isinstance(X, np.ndarray) and (reset or not hasattr(estimator, "feature_names_in_"))
        if not is_array and not is_table(X):
            raise TypeError(
                f"X must be a data frame with the columns {', '.join(self.names)}, on which this "
                f"{type(estimator).__name__} was trained, but is a {type(X).__name__}"
            )
        import narwhals as nw

        if is_array:
            check_array(X, dtype=None, ensure_all_finite=False, input_name="X", estimator=estimator)
        frame = as_frame(X)
        validate_data(estimator, X if is_array else frame, skip_check_array=True, reset=reset)
        cells = Cells(nw.from_native(frame, eager_only=True))
        if reset and len(cells) == 0:
            raise ValueError("X has no rows: 0 sample(s), but a minimum of 1 is required")
        known = set(cells.names)
        missing = [] if reset else [name for name in self.names if name not in known]
        if missing:
            raise ColumnError(missing[0], "is not in X, but the model was trained on it")
        if reset:
            check_choices(self._choices, cells.names)
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

    def learn(self, rows: Cells, weights: Array | None, targets: Array) -> None:
        """Learn the kind of each column and its values; ColumnError for an infinite one."""
        if weights is not None and not (weights > 0).all():  # rows of weight 0 are as absent
            counting = np.flatnonzero(weights > 0)
            rows, weights, targets = rows[counting], weights[counting], targets[counting]
        plain = list(rows.plain)
        block = rows.block(plain) if plain else np.empty((len(rows), 0))
        values = dict(zip(plain, block.T, strict=True))

        def learned(name: str, choice: str | None) -> Column:
            return learn_column(name, rows, values.get(name), weights, choice, self.missing, self._judged)

        self.columns = [learned(name, self._choices.get(name)) for name in rows.names]
        if all(column.kind == "none" for column in self.columns):
            # A table of nothing but row numbers means them.
            running = [i for i, column in enumerate(self.columns) if column.holds == "running number"]
            for i in running:
                self.columns[i] = learned(self.columns[i].name, "number")
        self._learn_statistics(rows, weights, averaged(targets))
        self.__dict__.pop("_layout", None)
        self.numbers = Numbers.learn(self._numbers(rows), weights, located=self._layout.located)
        self._look_for_the_target(rows, rows.parsed | values, targets)
        warn_of_columns(self.columns)

    def _learn_statistics(self, rows: Cells, weights: Array | None, targets: Array) -> None:
        """Learn the statistics of the target for all categories of which not each can have an indicator."""
        self.statistics = {}
        for column in self.columns:
            if column.kind == "category" and column.holds != "ordered category" and len(column.values) > OWN_INDICATORS:
                column.statistics = targets.shape[1] + 1
                self.statistics[column.name] = self._statistics_of(column, rows, weights, targets)

    def _statistics_of(self, column: Column, rows: Cells, weights: Array | None, targets: Array) -> Array:
        """Return the statistics of a column's values; those of the rows stay with the rows."""
        indices = indices_of(column, text_values(column, rows, self.missing))
        indices[indices < 0] = len(column.values)
        of_values, rows.statistics[column.name] = statistics_of(indices, len(column.values), targets, weights)
        return of_values

    def learn_rows(self, rows: Cells, weights: Array | None, targets: Array) -> None:
        """Learn the statistics of rows without their own targets, for columns that have statistics."""
        for column in self.columns:
            if column.statistics:
                self._statistics_of(column, rows, weights, averaged(targets))

    def _look_for_the_target(self, rows: Cells, values: Mapping[str, Array], targets: Array) -> None:
        """Note which columns are nearly the target, where it is not the only column that there is to learn from."""
        looked_for = [column for column in self.columns if column.kind != "none"]
        some = looked_at(len(rows), len(looked_for))
        if not len(some):
            return
        targets = targets[some]
        for column in looked_for:
            if column.kind == "number":
                tells = numbers_tell(values[column.name][some], targets)
            else:
                cells = text_values(column, rows, self.missing).take(some)
                tells = codes_tell(codes_of(cells)[0] + 1, targets)
            if tells:
                column.why = ", ".join(filter(None, [column.why, NEARLY_THE_TARGET]))

    def _numbers(self, rows: Cells) -> Array:
        """Return the numbers of all columns, before they are scaled, shape (N, len(numbers.mean))."""
        positions, available = self._layout.positions, rows.plain
        plain = [name for name in positions if name in available]
        if plain and len(plain) == len(self._layout.low):
            block = rows.block(plain)
        else:
            block = np.empty((len(rows), len(self._layout.low)), order="F")
            if plain:
                block[:, [positions[name] for name in plain]] = rows.block(plain)
            for column, position in self._layout.numbers:
                if column.name not in available:
                    block[:, position] = self._parsed(column, rows)
                if column.holds == "time":
                    block[:, position + 1] = years_of(block[:, position])
            for column, position in self._layout.statistics:
                block[:, position : position + column.statistics] = self._statistics_in(column, rows)
        infinite = np.flatnonzero(np.isinf(block).any(axis=0))
        if len(infinite):
            name = next(name for name, position in positions.items() if position == infinite[0])
            check_no_infinity(name, block[:, infinite[0]])
        return block

    def _statistics_in(self, column: Column, rows: Cells) -> Array:
        """Return the statistics of each row's value; of rows of the training those without their own targets."""
        if column.name in rows.statistics:
            return rows.statistics[column.name]
        indices = indices_of(column, text_values(column, rows, self.missing))
        return self.statistics[column.name][indices]

    def _parsed(self, column: Column, rows: Cells) -> Array:
        if column.name in rows.parsed:
            return rows.parsed[column.name]
        array = rows.arrow(column.name)
        values, wrong = number_values(column, array, self.missing)
        if len(wrong):
            row = int(wrong[0])
            held = {"time": "times", "duration": "durations", "time of day": "times of day", "boolean": "booleans"}
            found = f"held {held.get(column.holds, 'numbers')} in training"
            written = f" written {column.format.replace('|', ' ').strip()}" if column.format else ""
            raise ColumnError(column.name, f"{found}{written}, but {{row}} has {array[row].as_py()!r}", row)
        rows.parsed[column.name] = values
        return values

    @cached_property
    def _layout(self) -> Layout:
        return layout_of(self.columns)

    def encode(self, rows: Cells) -> Array:
        """Return the rows as float32, shape (N, width); ColumnError for a column of numbers that holds something else."""
        encoded = np.zeros((len(rows), *self.shape), dtype=np.float32)
        for column in self.columns:
            if column.holds == "running number" and column.name not in rows.plain:
                self._parsed(
                    column, rows
                )  # it plays no part, but other cells say that the columns are not those of training
        numbers = self._numbers(rows)
        if numbers.shape[1]:
            self.numbers.encode(numbers, encoded, (self._layout.low, self._layout.high))
        start = self.numbers.width
        for column, position in self._layout.marked:
            block = encoded[:, start : start + column.num_indicators]
            start += column.num_indicators
            if column.kind == "number":
                self._mark_number(block, column, numbers[:, position])
                continue
            cells = text_values(column, rows, self.missing)
            missing = cells.is_null().to_numpy(zero_copy_only=False)
            if column.kind == "text":
                mark_words(block, column, cells)
            else:
                mark_categories(block, column, indices_of(column, cells), missing)
            if column.missing:
                block[:, -1] = missing
        return encoded

    def _mark_number(self, block: Array, column: Column, values: Array) -> None:
        if column.parts:
            parts = parts_of(times_of(values))
            chosen = np.concatenate([parts[part] for part in column.parts], axis=1)
            block[:, : chosen.shape[1]] = chosen
        if column.missing:
            block[:, -1] = np.isnan(values)

    @property
    def shape(self) -> tuple[int, ...]:
        """(width,); a table of which nothing is left has one feature, which is 0."""
        return (max(1, self.numbers.width + self._layout.num_indicators),)

    @property
    def num_features(self) -> int:
        """The number of columns."""
        return len(self.columns)

    def input_layer(self) -> Layer:
        """Return a Data layer."""
        return Data(shape=(None, *self.shape))

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
        statistics = {
            f"statistics.{i}": self.statistics[column.name]
            for i, column in enumerate(self.columns)
            if column.statistics
        }
        return part, self.numbers.to_tensors() | statistics

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
        self.statistics = {}
        for i, column in enumerate(self.columns):
            if column.statistics:
                of_values = tensors.get(f"statistics.{i}", np.zeros(0))
                if of_values.shape != (len(column.values) + 1, column.statistics) or of_values.dtype != np.float64:
                    raise ModelFileError(f"the statistics of the column {column.name!r} are missing or do not fit it")
                self.statistics[column.name] = of_values
        return self
