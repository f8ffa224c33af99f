"""The cells of data frames of any library, as NumPy and PyArrow arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.formats import EXACT, without_blanks
from pysmorch.encoders.objects import arrow_of_array, arrow_of_objects, as_text, is_beyond_numbers
from pysmorch.encoders.plain import block_of, plain_columns
from pysmorch.encoders.sparse import is_sparse
from pysmorch.layers.base import Array
from pysmorch.sources.streaming import StreamedTable

BYTES_OF_TEXTS = 2**20
"""Columns of text up to this size are stored without blanks; a table has many columns where they are small."""


def is_table(X: Any) -> bool:
    """Whether X has columns: a data frame or column that narwhals knows, dictionaries, or rows that hold more than numbers."""
    if isinstance(X, np.ndarray):  # narwhals takes longer to find out than a small network takes to answer
        if X.dtype.names is not None:
            return X.ndim == 1
        return X.ndim == 2 and (is_beyond_numbers(X.flat) if X.dtype == object else _has_codes(X))
    if isinstance(X, list):
        return bool(X) and (all(isinstance(row, dict) for row in X) or _are_beyond_numbers(X))
    if type(X) not in _tables:
        _tables[type(X)] = _is_table_of_a_library(X)
    return _tables[type(X)]


_tables: WeakKeyDictionary[type, bool] = WeakKeyDictionary()
"""Whether objects of a class are tables, which narwhals takes some time to find out."""


def _is_table_of_a_library(X: Any) -> bool:
    if is_sparse(X):
        return False
    import narwhals as nw

    frame = nw.dependencies.is_into_dataframe(X) or nw.dependencies.is_into_series(X)
    return bool(frame or _is_lazy(X) or _is_batch(X))


def is_rows(X: Any) -> bool:
    """Whether X is a list of rows of one length."""
    rows = isinstance(X, list) and all(isinstance(row, (list, tuple)) for row in X)
    return rows and len({len(row) for row in X}) == 1


def array_of_rows(X: list[Any]) -> Array:
    """Return what `is_rows` takes as an array of objects, which NumPy would make texts or float64."""
    array = np.empty((len(X), len(X[0])), dtype=object)
    for i, row in enumerate(X):
        array[i] = row
    return array


def _are_beyond_numbers(X: list[Any]) -> bool:
    """Whether a list of rows holds more than numbers; NumPy tells quickly of most lists that they do not."""
    if not is_rows(X):
        return False
    try:
        array = np.asarray(X)
    except ValueError:  # cells that are arrays themselves, which no table has
        return False
    if array.ndim != 2 or array.dtype.kind == "b" or (array.dtype.kind == "f" and not (np.abs(array) >= EXACT).any()):
        return False
    return _has_codes(array) if array.dtype.kind in "iu" else is_beyond_numbers(cell for row in X for cell in row)


def _has_codes(X: Array) -> bool:
    """Whether an array has texts, times, or integers that float64 does not hold."""
    if X.dtype.kind in "mMSUT":
        return True
    if X.dtype.kind not in "iu" or X.dtype.itemsize < 8 or not X.size:
        return False
    return max(-int(X.min()), int(X.max())) > EXACT


def _is_lazy(X: Any) -> bool:
    import narwhals as nw

    return bool(nw.dependencies.is_polars_lazyframe(X))


def _is_batch(X: Any) -> bool:
    import narwhals as nw

    arrow = nw.dependencies.get_pyarrow()
    return arrow is not None and isinstance(X, arrow.RecordBatch)


def as_frame(X: Any) -> Any:
    """Return what `is_table` takes as a data frame of its library, in memory and with unique names of type str."""
    if isinstance(X, (np.ndarray, list)):
        return _frame_of_cells(X)
    import narwhals as nw

    if _is_batch(X):
        X = nw.dependencies.get_pyarrow().Table.from_batches([X])
    if _is_lazy(X):
        X = X.collect()
    elif not nw.dependencies.is_into_dataframe(X):
        series = nw.from_native(X, series_only=True)
        X = series.alias(str(series.name or "0")).to_frame().to_native()
    names = getattr(X, "column_names", None)
    names = X.columns if names is None else names
    names = names.tolist() if hasattr(names, "tolist") else list(names)
    if not all(type(name) is str for name in names):
        X = X.set_axis([str(name) for name in names], axis=1)
        names = [str(name) for name in names]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two columns of X are called {twice!r}; give each column a name of its own")
    return X


def _frame_of_cells(X: Any) -> Any:
    """Return an array, or a list of rows or of dictionaries, as a table of PyArrow."""
    import pyarrow as pa

    if is_rows(X):
        X = array_of_rows(X)
    if isinstance(X, np.ndarray):
        if X.dtype.names is not None:
            return pa.table({name: arrow_of_array(X[name]) for name in X.dtype.names})
        return pa.table({str(i): arrow_of_array(X[:, i]) for i in range(X.shape[1])})
    keys = dict.fromkeys(key for row in X for key in row)
    return pa.table({str(key): arrow_of_objects([row.get(key) for row in X]) for key in keys})


def as_table(X: Any) -> Any:
    """Return a data frame of any library as a narwhals data frame with unique names of type str."""
    import narwhals as nw

    if not is_table(X):
        raise TypeError(f"X must be a data frame like the one in training, but is a {type(X).__name__}")
    return nw.from_native(as_frame(X), eager_only=True)


def numbers_of_frame(X: Any) -> tuple[Array, list[str], Callable[[Array], Any]]:
    """Return a data frame of numbers as an array, its names, and what makes such a data frame of an array."""
    import narwhals as nw

    table = as_table(X)
    names = list(table.columns)

    def like(array: Array) -> Any:
        columns = {name: array[:, i] for i, name in enumerate(names)}
        return nw.from_dict(columns, backend=table.implementation).to_native()

    return np.asarray(table.to_numpy(), np.float64), names, like


def count_rows(X: Any) -> int:
    """Return how many rows a data frame or an array has.

    Parameters
    ----------
    X : array-like or data frame
        Not checked yet.

    Returns
    -------
    int
        N.
    """
    if is_table(X):
        return len(as_table(X))
    from sklearn.utils.validation import _num_samples

    return int(_num_samples(X))


def some_rows(X: Any, rows: Array) -> Any:
    """Return some rows of a data frame or an array.

    Parameters
    ----------
    X : array-like or data frame
        All rows.
    rows : ndarray of int
        Their indices.

    Returns
    -------
    array-like or data frame
        Like X, with these rows.
    """
    if isinstance(X, StreamedTable):
        return X.take(rows)
    if isinstance(X, list):
        return [X[i] for i in rows]
    if isinstance(X, np.ndarray):
        return X[rows]
    if is_table(X):
        return as_table(X)[rows].to_native()
    if is_sparse(X):
        return X.tocsr()[rows]
    return X[rows] if hasattr(X, "dtype") else np.asarray(X)[rows]


class Cells:
    """A data frame whose columns are converted once each, when they are first used.

    Parameters
    ----------
    table : narwhals.DataFrame
        From `as_table`.
    num_rows : int, default=None
        How many rows there are where these are a sample of them.
    """

    def __init__(self, table: Any, num_rows: int | None = None) -> None:
        self.table = table
        self.num_rows = len(table) if num_rows is None else num_rows
        self.names: list[str] = list(table.columns)
        self._arrow: dict[str, Any] = {}
        self._texts: dict[str, Any] = {}
        self._plain: dict[str, str] | None = None
        self._types: dict[str, Any] | None = None
        self.parsed: dict[str, Array] = {}  # columns of text that were read as numbers
        self.statistics: dict[str, Array] = {}  # of the rows of a training, without their own targets
        self.codes: dict[str, Array] = {}  # of these columns, the index of each row's value

    def __len__(self) -> int:
        return len(self.table)

    def __contains__(self, name: str) -> bool:
        return name in self.table.columns

    def __getitem__(self, rows: slice | Array) -> Cells:
        """Return some rows, by a slice or their indices; what was converted already is not converted again."""
        some = Cells(self.table[rows])
        some._plain = self._plain
        some.statistics = {name: of_rows[rows] for name, of_rows in self.statistics.items()}
        some._arrow = {
            name: values[rows] if isinstance(rows, slice) else values.take(rows) for name, values in self._arrow.items()
        }
        return some

    @property
    def plain(self) -> dict[str, str]:
        """The columns that can be taken as one block of numbers, with the kind of their dtype: "b", "i" or "f"."""
        if self._plain is None:
            self._plain = plain_columns(self.table, self.names)
        return self._plain

    def block(self, names: list[str]) -> Array:
        """Return columns among `plain` as float64, with NaN for what is missing.

        Parameters
        ----------
        names : list of str
            Some columns.

        Returns
        -------
        ndarray of shape (N, len(names))
            In their order.
        """
        return block_of(self.table, names, {self.plain[name] for name in names})

    def arrow(self, name: str) -> Any:
        """Return a column as a PyArrow array: of strings, integers, float64, booleans, times in UTC, durations or times of day."""
        if name not in self._arrow:
            column = self.table.to_native()[name] if self.table.implementation.is_pyarrow() else None
            self._arrow[name] = _arrow_of_series(self.table[name]) if column is None else _arrow_of_chunks(column)
        return self._arrow[name]

    def is_written(self, name: str) -> bool:
        """Whether a column is one of strings in a table of PyArrow, as files have them."""
        if self._types is None:
            native = self.table.to_native() if self.table.implementation.is_pyarrow() else None
            self._types = {} if native is None else dict(zip(native.schema.names, native.schema.types, strict=True))
        return str(self._types.get(name)) == "string"

    def texts(self, name: str) -> Any:
        """Return a column as an array of strings without blanks around them; only a column of strings has null for empty ones."""
        import pyarrow as pa

        if name in self._texts:
            return self._texts[name]
        array = self.arrow(name)
        texts = without_blanks(array) if pa.types.is_string(array.type) else texts_of(array)
        if texts.nbytes <= BYTES_OF_TEXTS:
            self._texts[name] = texts
        return texts

    def order_of(self, name: str) -> list[str] | None:
        """Return the values of a column whose categories have an order, else None; an empty list for those without one."""
        import narwhals as nw

        if self.is_written(name):
            return None  # quick, since files come with very many columns
        dtype = self.table[name].dtype
        if isinstance(dtype, nw.Enum):
            return [str(value) for value in dtype.categories]
        if dtype != nw.Categorical:
            return None
        native = self.table[name].to_native()
        if self.table.implementation.is_pyarrow() and getattr(native.type, "ordered", False):
            return [str(value) for value in native.unify_dictionaries().chunk(0).dictionary.to_pylist()]
        return []


def check_no_infinity(name: str, values: Array) -> None:
    """Raise ColumnError for an infinite number in a column, missing ones aside."""
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        found = "has an infinite value in {row}; replace it, or leave out the row or the column"
        raise ColumnError(name, found, int(infinite[0]))


def _arrow_of_series(series: Any) -> Any:
    """Return a column of any library as a PyArrow array of one of a few types."""
    import narwhals as nw
    import pyarrow as pa

    if getattr(getattr(series.to_native(), "dtype", None), "kind", "") == "c":
        raise ColumnError(
            series.name, "holds complex numbers; make two columns of them, the real and the imaginary part"
        )
    if type(getattr(series.to_native(), "dtype", None)).__name__ == "PeriodDtype":
        return _arrow_of_chunks(pa.array(series.to_native().dt.to_timestamp()))
    try:
        array = series.to_arrow()
        if pa.types.is_date(array.type) and series.dtype == nw.Object:  # PyArrow leaves out the time of the others
            return arrow_of_objects(series.to_list())
        return _arrow_of_chunks(array)
    except (pa.ArrowException, TypeError, OverflowError):
        return arrow_of_objects(series.to_list())


def _arrow_of_chunks(array: Any) -> Any:
    import pyarrow as pa

    return _simplified(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array)


def _simplified(array: Any) -> Any:
    """Return a PyArrow array as one of few types; what these do not know becomes text."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_dictionary(kind):
        return _simplified(array.dictionary_decode())
    if pa.types.is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return array
    if pa.types.is_large_string(kind) or pa.types.is_null(kind) or str(kind) == "string_view":
        return array.cast(pa.string())
    if pa.types.is_floating(kind):
        return array.cast(pa.float64())
    if pa.types.is_decimal(kind):
        digits = array.cast(pa.string())
        return digits.cast(pa.float64()) if kind.scale > 0 else digits
    if pa.types.is_date(kind):
        return array.cast(pa.timestamp("ms")).cast(pa.timestamp("us"))
    if pa.types.is_timestamp(kind):
        return array.cast(pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.timestamp("us"))
    if pa.types.is_duration(kind):
        return array
    if pa.types.is_time(kind):
        return array.cast(pa.time64("us"), safe=False)
    return arrow_of_objects(array.to_pylist())


def texts_of(array: Any) -> Any:
    """Return a PyArrow array as strings, with null for what is missing; whole numbers have no decimal point."""
    import pyarrow as pa

    if pa.types.is_string(array.type):
        return array
    if pa.types.is_floating(array.type):  # a category of integers comes as floats where cells are missing
        return pa.array([as_text(cell) for cell in array.to_pylist()], pa.string())
    return array.cast(pa.string())
