"""The cells of data frames of any library, as NumPy and PyArrow arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.encoders.base import ColumnError
from pysmorch.layers.base import Array


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
        raise TypeError(f"X must be a data frame like the one in training, but is a {type(X).__name__}")
    if hasattr(X, "columns") and not all(isinstance(name, str) for name in _column_names(X)):
        X = X.set_axis([str(name) for name in _column_names(X)], axis=1)
    return nw.from_native(X, eager_only=True)


def _column_names(X: Any) -> list[Any]:
    return list(X.column_names) if hasattr(X, "column_names") else list(X.columns)


class Cells:
    """A data frame whose columns are converted once each, when they are first used.

    Parameters
    ----------
    table : narwhals.DataFrame
        From `as_table`.
    """

    def __init__(self, table: Any) -> None:
        self.table = table
        self._numbers: dict[str, Array] = {}
        self._strings: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: slice | Array) -> Cells:
        """Return some rows, by a slice or their indices; what was converted already is not converted again."""
        some = Cells(self.table[rows])
        some._numbers = {name: values[rows] for name, values in self._numbers.items()}
        some._strings = {
            name: values[rows] if isinstance(rows, slice) else values.take(rows)
            for name, values in self._strings.items()
        }
        return some

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self.table.columns)

    def is_number(self, name: str) -> bool:
        """Whether a column holds numbers, booleans or times."""
        return _is_number(self.table[name])

    def numbers(self, name: str) -> Array:
        """Return a column as float64 with NaN for what is missing; ColumnError says which cell is no finite number."""
        if name not in self._numbers:
            self._numbers[name] = _numbers(name, self.table[name])
        return self._numbers[name]

    def strings(self, name: str) -> Any:
        """Return a column as a PyArrow array of strings, with null for what is missing."""
        if name not in self._strings:
            self._strings[name] = _strings(self.table[name])
        return self._strings[name]

    def missing(self, name: str) -> Array:
        """Return which cells of a column of strings are missing, as booleans."""
        return self.strings(name).is_null().to_numpy(zero_copy_only=False)


def _is_number(series: Any) -> bool:
    import narwhals as nw

    return bool(series.dtype.is_numeric() or series.dtype in (nw.Boolean, nw.Date) or series.dtype == nw.Datetime)


def _numbers(name: str, series: Any) -> Array:
    import narwhals as nw

    if series.dtype == nw.Date or series.dtype == nw.Datetime:
        times = series.to_numpy().astype("datetime64[us]")
        return np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)
    if _is_number(series):
        values = np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    else:
        values = np.array([_parse(name, i, cell) for i, cell in enumerate(series.to_list())], dtype=np.float64)
    check_no_infinity(name, values)
    return values


def check_no_infinity(name: str, values: Array) -> None:
    """Raise ColumnError for an infinite number in a column, missing ones aside."""
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        found = "has an infinite value in {row}; replace it, or leave out the row or the column"
        raise ColumnError(name, found, int(infinite[0]))


def no_values(name: str) -> ColumnError:
    """Return the error for a column in which all cells are missing."""
    return ColumnError(name, "has no values; leave it out")


def _parse(name: str, row: int, cell: Any) -> float:
    if cell is None:
        return np.nan
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise ColumnError(name, f"held numbers in training, but {{row}} has {cell!r}", row) from None


def _strings(series: Any) -> Any:
    """Return a column as a PyArrow array of strings, with null for what is missing."""
    import pyarrow as pa

    try:
        array = series.to_arrow()
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        if pa.types.is_floating(array.type):  # a category of integers comes as floats where cells are missing
            return pa.array([_as_text(cell) for cell in array.to_pylist()], pa.string())
        return array.cast(pa.string())
    except (pa.ArrowException, TypeError):
        return pa.array([_as_text(cell) for cell in series.to_list()], pa.string())


def _as_text(cell: Any) -> str | None:
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
