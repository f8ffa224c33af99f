"""Arrays and sparse matrices: rows of numbers, all columns of one kind."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pysmorch.encoders.base import Encoder
from pysmorch.encoders.cells import as_table, is_table
from pysmorch.encoders.content import columns_without_content
from pysmorch.encoders.exported import form_of_array
from pysmorch.encoders.layout import runs_of
from pysmorch.encoders.leaks import Targets, looked_at, numbers_tell
from pysmorch.encoders.numbers import Numbers, ranges_of
from pysmorch.encoders.ranges import Ranges, bounds_of
from pysmorch.encoders.report import warn_of_columns, warn_of_target
from pysmorch.encoders.sparse import SparseRows, as_array, is_sparse
from pysmorch.entries import check_finite
from pysmorch.export.forms import ArrayForm
from pysmorch.files.header import ModelFileError, entry
from pysmorch.layers import Data, Layer
from pysmorch.layers.base import Array
from pysmorch.sources.source import Source


class ArrayEncoder(Encoder):
    """Rows of numbers (N, D): each column scaled, with intervals, and with an indicator of missing values where there were any.

    The features are those of a data frame of the same numbers, and columns that carry nothing are left out as there.

    Attributes
    ----------
    pixels : bool
        Whether the columns are pixels, which share one scale and have no intervals.
    included : ndarray of int64, shape (K,)
        The columns that are not left out.
    numbers : Numbers
        What was learned about the K columns.
    missing : ndarray of int64
        Those among the D columns in which values were missing.
    bounds : tuple of two ndarrays of shape (K,), or None
        Bounds of the K columns: what lies beyond is taken to be there. None for pixels, after `unbound`, and in
        files of older versions.
    """

    what = "rows of columns"
    entry = "columns"
    misfit = "its columns do not fit its network"

    pixels: bool = False
    included: Array
    numbers: Numbers
    missing: Array
    bounds: tuple[Array, Array] | None
    _num_features: int
    _leaves_out = True

    @classmethod
    def understands(cls, X: Any) -> bool:
        """Take everything that no other kind takes; what is no array is refused by `check`."""
        return True

    def check(self, X: Any, estimator: Any, reset: bool) -> Array | SparseRows:
        """Return the array (N, D), or sparse rows; a data frame of numbers is an array in prediction, and where it holds pixels."""
        if reset:
            self.pixels = bool(estimator.pixels)
        # scikit-learn has nothing to say about a plain array, and takes longer for that than a small network for an epoch.
        plain = plain_numbers(X) if reset or "feature_names_in_" not in vars(estimator) else None
        if plain is not None and plain.ndim == 2 and (reset or plain.shape[1] == self.num_features):
            if reset:
                vars(estimator).pop("feature_names_in_", None)
                estimator.n_features_in_ = plain.shape[1]
            check_entries(plain, allow_nan=not self.pixels)
            return plain
        from sklearn.utils import check_array
        from sklearn.utils.validation import validate_data

        options = {"dtype": dtype_for(X), "ensure_min_features": 1, "ensure_all_finite": False}
        if is_table(X):
            validate_data(estimator, X, skip_check_array=True, reset=reset)
            rows: Array = check_array(as_table(X).to_numpy(), input_name="X", estimator=estimator, **options)
        else:
            if isinstance(X, np.ma.MaskedArray):
                X = np.ma.filled(X.astype(np.float64), np.nan)
            rows = validate_data(estimator, X, reset=reset, accept_sparse="csr", **options)
        if is_sparse(rows):
            sparse_rows = SparseRows(rows)
            if not assumes_finite():
                sparse_rows.check_finite(allow_nan=not self.pixels)
            return sparse_rows
        check_entries(rows, allow_nan=not self.pixels)
        return rows

    def expect_more(self) -> None:
        """Leave no column out for what the rows of `learn` lack."""
        self._leaves_out = False

    def learn(self, rows: Array | SparseRows, weights: Array | None, targets: Array) -> None:
        """Learn mean, scale and intervals of each column, or the one scale of pixels, and where values are missing."""
        self._num_features = rows.shape[1]
        self.included, self.missing = np.arange(rows.shape[1]), np.zeros(0, dtype=np.int64)
        self.bounds = None
        if self.pixels:
            self.numbers = Numbers.learn_pixels(rows, weights)
            return
        ranges = ranges_of(rows)
        left_out = columns_without_content(rows, ranges, self._leaves_out)
        self.included = np.delete(self.included, [int(column.name) for column in left_out])
        self.numbers = Numbers.learn(rows, weights, self.included)
        self.bounds = bounds_of(Ranges(*(values[self.included] for values in ranges)))
        self.missing = self.included[ranges.known[self.included] < len(rows)]
        # Constants, which arrays of pixels and of indicators often have, would be scaled to 0 anyway.
        warn_of_columns([column for column in left_out if column.holds != "constant"])
        some = looked_at(len(rows), len(self.included))
        if len(some):
            values, of_rows = rows[some], Targets(targets[some])
            warn_of_target(
                [i for i in self.included.tolist() if numbers_tell(values[:, i].astype(np.float64), of_rows)]
            )

    def unbound(self) -> None:
        """Take numbers outside the range of the rows learned from as they are."""
        self.bounds = None

    def encode(self, rows: Array | SparseRows) -> Array:
        """Return the rows as float32, shape (N, width)."""
        encoded = np.empty((len(rows), *self.shape), dtype=np.float32)
        all_included = len(self.included) == self.num_features
        if isinstance(rows, SparseRows):
            some = rows if all_included else rows.of_columns(self.included)
            self.numbers.encode_sparse(some, encoded, self.bounds)
            self._mark_missing(rows, encoded)
            return encoded
        self.numbers.encode(rows, encoded, self.bounds, None if all_included else self.included)
        encoded[:, self.numbers.width :] = np.isnan(rows[:, self.missing]) if len(self.missing) else 0
        return encoded

    def _mark_missing(self, rows: SparseRows, encoded: Array) -> None:
        """Write the indicators of missing values."""
        encoded[:, self.numbers.width :] = 0
        if len(self.missing):
            row_of, column_of, values = rows.of_columns(self.missing).entries_of(slice(0, len(rows)))
            gaps = np.isnan(values)
            encoded[row_of[gaps], self.numbers.width + column_of[gaps]] = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """(width,); rows of which nothing is left have one feature, which is 0."""
        return (max(1, self.numbers.width + len(self.missing)),)

    @property
    def num_features(self) -> int:
        """D."""
        return self._num_features

    @property
    def of_table(self) -> bool:
        """All but pixels."""
        return not self.pixels

    @property
    def num_scaled(self) -> int:
        """All columns that are not left out."""
        return len(self.numbers.mean)

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """The intervals, and the indicators of missing values."""
        return runs_of(self.numbers.owner, len(self.missing))

    def input_layer(self) -> Layer:
        """Return a Data layer."""
        return Data(shape=(None, *self.shape))

    def form(self) -> ArrayForm:
        """Return what rows become."""
        return form_of_array(self)

    def inputs_of(self, rows: Array | SparseRows, channels_first: bool) -> dict[str, Array]:
        """Return all numbers as "X"."""
        return {"X": as_array(rows).astype(np.float64)}

    @property
    def owners(self) -> tuple[Array, tuple[int, ...]]:
        """The columns of the scaled numbers, of the intervals, and of the indicators of missing values."""
        owners = np.concatenate([self.included, self.included[self.numbers.owner], self.missing])
        return (owners if len(owners) else np.zeros(1, np.int64)), (self.num_features,)

    @property
    def names(self) -> list[str]:
        """The indices of the columns, as texts."""
        return [str(i) for i in range(self.num_features)]

    def cells(self, rows: Array | SparseRows, index: int) -> list[Any]:
        """Return the numbers of a column."""
        cells: list[Any] = rows[:, index].tolist()
        return cells

    def numbers_in(self, rows: Array | SparseRows, index: int) -> Array:
        """Return a column."""
        return np.asarray(rows[:, index], np.float64)

    @classmethod
    def check_features(cls, features: Array) -> None:
        """Refuse arrays with infinities, or of another dtype than numbers."""
        check_numbers(features, allow_nan=True)

    def select(self, source: Source, by_position: bool) -> Array:
        """Return the array of a source; images become rows of pixels."""
        X = source.features
        if not isinstance(X, np.ndarray):
            raise ValueError(f"the model was trained on an array, but {source.name} is a table")
        X = X.reshape(len(X), -1)
        if X.shape[1] != self.num_features:
            raise ValueError(f"{source.name} has {X.shape[1]} columns, but the model takes {self.num_features}")
        check_finite(X, "X", allow_nan=True)
        return X

    def describe(self) -> list[str]:
        """Return how many columns there are."""
        missing = f", {len(self.missing)} may be missing" if len(self.missing) else ""
        count = self.num_features - len(self.included)
        left_out = f", {count} of them left out, as they carry nothing" if count else ""
        return [f"columns: {self.num_features} numbers{missing}{left_out}"]

    @classmethod
    def is_in(cls, header: dict[str, Any]) -> bool:
        """Take every header that no other kind takes; `from_parts` checks it."""
        return True

    def to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the arrays, and None for names that there are not."""
        tensors = self.numbers.to_tensors()
        if len(self.missing):
            tensors["missing"] = self.missing
        if len(self.included) < self.num_features:
            tensors["included"] = self.included
            tensors["count"] = np.array([self.num_features])
        if self.bounds is not None:
            tensors["lowest"], tensors["highest"] = self.bounds
        return {"columns": None}, tensors

    @classmethod
    def from_parts(cls, header: dict[str, Any], tensors: dict[str, Array]) -> ArrayEncoder:
        """Return the encoder of `to_parts`."""
        entry(entry(header, cls.entry, dict), "columns", type(None))
        self = cls()
        self.numbers = Numbers.from_tensors(tensors, None)
        self._num_features = int(tensors["count"].sum()) if "count" in tensors else len(self.numbers.mean)
        nothing = np.zeros(0, dtype=np.int64)
        self.included, self.missing = (
            tensors.get("included", np.arange(self.num_features)),
            tensors.get("missing", nothing),
        )
        for indices, what in ((self.missing, "in which values were missing"), (self.included, "that are included")):
            if indices.dtype != np.int64 or not np.isin(indices, np.arange(self.num_features)).all():
                raise ModelFileError(f"the columns {what} are none of its columns")
        self.bounds = (tensors["lowest"], tensors["highest"]) if {"lowest", "highest"} <= set(tensors) else None
        if len(self.included) != len(self.numbers.mean) or (
            self.bounds is not None and any(bound.shape != self.included.shape for bound in self.bounds)
        ):
            raise ModelFileError("what was learned about its columns does not fit them")
        return self


def dtype_for(X: Any) -> str | None:
    """Return the dtype that scikit-learn should make of an array: bytes stay bytes."""
    return None if isinstance(X, np.ndarray) and X.dtype == np.uint8 else "numeric"


def plain_numbers(X: Any) -> Array | None:
    """Return an array of numbers, or lists of them, as an array that none of scikit-learn's checks would refuse; None for all else.

    scikit-learn takes longer to be loaded than a small network takes to be loaded and to answer.
    """
    if type(X) is list:
        try:
            X = np.asarray(X)
        except ValueError:  # lists of different lengths, which are no array
            return None
    return X if type(X) is np.ndarray and X.dtype.kind in "fiub" and X.ndim >= 2 and X.size else None


def check_entries(X: Array, allow_nan: bool = False) -> None:
    """Refuse infinities, and NaN unless it is allowed; nothing if scikit-learn is configured to assume that there are none."""
    if not assumes_finite():
        check_finite(X, "X", allow_nan)


def assumes_finite() -> bool:
    """Whether scikit-learn is loaded, and configured to assume that there are no infinities and no NaN."""
    sklearn = sys.modules.get("sklearn")
    return sklearn is not None and bool(sklearn.get_config()["assume_finite"])


def check_numbers(features: Array, allow_nan: bool = False) -> None:
    """Refuse an array of a source with entries that are no finite numbers, nor NaN where that is allowed."""
    if features.dtype.kind not in "fiub":
        raise ValueError(f"X must hold numbers, but has dtype {features.dtype}")
    check_finite(features, "X", allow_nan)
