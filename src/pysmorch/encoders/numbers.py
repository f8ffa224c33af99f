"""Columns of numbers: scaled to mean 0 and variance 1, and located among their quantiles.

- Where a column is so skewed that a few values would dwarf the others, the logarithm log(1 + |x|), with the sign of x, is taken
  first. A missing number becomes the mean.
- With enough rows, each interval between two quantiles has a feature that is 0 below it, 1 above it and rises in between
  (piecewise linear encoding: Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep learning",
  2022). That lets a network treat parts of a scale differently, which a single scaled number makes hard to learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.encoders.quantiles import learn_intervals, no_intervals
from pysmorch.encoders.ranges import Ranges
from pysmorch.encoders.sparse import SparseRows, as_array
from pysmorch.encoders.spool import StoredNumbers
from pysmorch.engine.intervals import encode_intervals
from pysmorch.engine.rows import blocks_of
from pysmorch.engine.scaling import scale_numbers
from pysmorch.files.header import ModelFileError
from pysmorch.layers.base import Array

SKEWED = 2.0
"""Skewness from which the logarithm is taken, if it is less skewed then."""

NO_WEIGHT = 1e-300
"""Least sum of weights that is divided by: that of a column without values."""

ENTRIES_AT_A_TIME = 2**17
"""Entries of a table that are converted to float64 at a time: the copies, 1 MiB each, stay in a cache."""

ONE_SUM_UP_TO = 2**20
"""Entries of a table up to which a sum over its rows is one sum; it is made of those of blocks where there are more."""


@dataclass
class Numbers:
    """What was learned about columns of numbers, D of them with I intervals in all.

    Attributes
    ----------
    mean, scale : ndarray of shape (D,)
        Of each column, after the logarithm where it is taken.
    logarithm : ndarray of bool, shape (D,)
        For which columns it is taken.
    low, high : ndarray of shape (I,)
        The ends of all intervals.
    owner : ndarray of int64, shape (I,)
        The column of each interval.
    """

    mean: Array
    scale: Array
    logarithm: Array
    low: Array
    high: Array
    owner: Array

    @property
    def width(self) -> int:
        """How many features the numbers of a row become."""
        return len(self.mean) + len(self.owner)

    @classmethod
    def learn(
        cls,
        X: Array | StoredNumbers | SparseRows,
        weights: Array | None,
        columns: Array | None = None,
        located: Array | None = None,
    ) -> Numbers:
        """Learn from columns of numbers, with NaN for what is missing; they are converted to float64 block by block.

        Parameters
        ----------
        X : ndarray, StoredNumbers or SparseRows, of shape (N, at least D)
            Of any dtype of numbers; no infinities.
        weights : ndarray of shape (N,) or None
            One weight per row.
        columns : ndarray of D indices, default=None
            The columns that count; None for all of them.
        located : ndarray of bool, shape (D,), default=None
            Which of these have intervals; None for all.

        Returns
        -------
        Numbers
            What was learned: the same bits for every dtype and memory layout of the same numbers, and for sparse rows.
        """
        columns = np.arange(X.shape[1]) if columns is None else columns
        located = np.ones(len(columns), dtype=bool) if located is None else located
        return cls(*_learn_scaling(X, weights, columns), *learn_intervals(X, weights, columns, located))

    @classmethod
    def learn_pixels(cls, X: Array | SparseRows, weights: Array | None) -> Numbers:
        """Learn from rows of pixels, which share one mean and one scale, and have no intervals.

        Parameters
        ----------
        X : ndarray of shape (N, D), or SparseRows
            Rows of pixels; without NaN.
        weights : ndarray of shape (N,) or None
            One weight per row.

        Returns
        -------
        Numbers
            What was learned.
        """
        w = np.ones(len(X)) if weights is None else weights
        means = np.concatenate([_pixel_means(as_array(X[rows])) for rows in _blocks(len(X), X.shape[1])])
        of_rows = w @ means / w.sum()
        std = float(np.sqrt(max(of_rows[1] - of_rows[0] ** 2, 0.0)))
        ones = np.ones(X.shape[1])
        return cls(of_rows[0] * ones, (std or 1.0) * ones, np.zeros(X.shape[1], dtype=bool), *no_intervals())

    def encode(
        self,
        numbers: Array,
        encoded: Array,
        bounds: tuple[Array, Array] | None = None,
        columns: Array | None = None,
    ) -> None:
        """Write scaled numbers, then positions in intervals; 0 for what is missing.

        Parameters
        ----------
        numbers : ndarray of shape (N, at least D)
            Of any dtype of numbers, with NaN for what is missing.
        encoded : ndarray of float32, shape (N, at least width)
            In C order; its first columns are overwritten.
        bounds : tuple of two ndarrays of shape (D,), default=None
            The lowest and the highest number of each column; what lies beyond is taken to be there.
        columns : ndarray of D indices, default=None
            The columns that count; None for all of them.
        """
        count, logarithms = len(self.mean), bool(self.logarithm.any())
        limits = bounds
        if limits is None or logarithms:
            limits = np.full(count, -np.inf), np.full(count, np.inf)
        for rows in _blocks(len(numbers), count):
            block = _block(numbers[rows], columns)
            if bounds is not None and (logarithms or len(self.owner)):
                block = np.clip(block, *bounds)
            scaled = np.where(self.logarithm, _signed_log(block), block) if logarithms else block
            scale_numbers(scaled, limits, self.mean, self.scale, encoded[rows])
            if len(self.owner):
                encode_intervals(block, self.low, self.high, self.owner, encoded[rows], count)

    def of_columns(self, columns: Array) -> tuple[Numbers, Array]:
        """Return what was learned about some columns, and the indices of their features among all.

        Parameters
        ----------
        columns : ndarray of int
            In increasing order.

        Returns
        -------
        numbers : Numbers
            As if there were no others.
        features : ndarray of int
            The scaled numbers, then their intervals.
        """
        own = np.flatnonzero(np.isin(self.owner, columns))
        owner = np.searchsorted(columns, self.owner[own])
        mean, scale, logarithm = self.mean[columns], self.scale[columns], self.logarithm[columns]
        features = np.concatenate([columns, len(self.mean) + own])
        return Numbers(mean, scale, logarithm, self.low[own], self.high[own], owner), features

    def encode_sparse(self, rows: SparseRows, encoded: Array, bounds: tuple[Array, Array] | None = None) -> None:
        """Write what `encode` makes of the same rows as an array: a row of zeros, and the stored entries in it.

        Parameters
        ----------
        rows : SparseRows
            Of D columns.
        encoded, bounds : as for `encode`
            There, too.
        """
        if len(self.owner):
            self.encode(rows.toarray(), encoded, bounds)
            return
        count = len(self.mean)
        of_zeros = np.empty((1, count), dtype=np.float32)
        self.encode(np.zeros((1, count)), of_zeros, bounds)
        encoded[:, :count] = of_zeros
        row_of, column_of, values = rows.entries_of(slice(0, len(rows)))
        numbers = values.astype(np.float64)
        if bounds is not None:
            numbers = np.clip(numbers, bounds[0][column_of], bounds[1][column_of])
        scaled = np.where(self.logarithm[column_of], _signed_log(numbers), numbers)
        scaled = (scaled - self.mean[column_of]) / self.scale[column_of]
        encoded[row_of, column_of] = np.where(np.isnan(scaled), 0.0, scaled)

    def to_tensors(self) -> dict[str, Array]:
        """Return what was learned as arrays by name."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Array], num_columns: int | None) -> Numbers:
        """Return the numbers of `to_tensors`.

        Parameters
        ----------
        tensors : dict of str to ndarray
            Not checked yet.
        num_columns : int or None
            How many columns there should be; None takes as many as there are.

        Returns
        -------
        Numbers
            Checked.

        Raises
        ------
        ModelFileError
            Where an array is missing or does not fit.
        """
        missing = [name for name in _ARRAYS if name not in tensors or tensors[name].ndim != 1]
        if missing:
            raise ModelFileError(f"the array {missing[0]} of the columns is missing")
        self = cls(**{name: tensors[name] for name in _ARRAYS})
        count = len(self.mean) if num_columns is None else num_columns
        if any(len(array) != count for array in (self.mean, self.scale, self.logarithm)):
            raise ModelFileError(f"the numbers learned about the columns are not those of {count} columns")
        intervals = len(self.owner)
        owners = self.owner.dtype == np.int64 and bool(((self.owner >= 0) & (self.owner < count)).all())
        if len(self.low) != intervals or len(self.high) != intervals or not owners or self.logarithm.dtype != bool:
            raise ModelFileError("the intervals learned about the columns do not fit each other")
        return self


CUBABLE = 320
"""Powers of two beyond which a sum of cubes may be no float64."""

_ARRAYS = ("mean", "scale", "logarithm", "low", "high", "owner")


def ranges_of(X: Array | StoredNumbers | SparseRows) -> Ranges:
    """Return the ranges of the columns of an array.

    Parameters
    ----------
    X : ndarray, StoredNumbers or SparseRows, of shape (N, D)
        With NaN for what is missing.

    Returns
    -------
    Ranges
        Of what is known.
    """
    if isinstance(X, SparseRows):
        return Ranges(*X.ranges())
    lowest, highest = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    known = np.zeros(X.shape[1], dtype=np.int64)
    for _, rows in _blocks_of(X):
        block = rows.astype(np.float64, copy=False)
        low, high = np.minimum.reduce(block), np.maximum.reduce(block)
        known += len(block)
        gaps = np.flatnonzero(np.isnan(low))
        if len(gaps):  # otherwise NaN need not be looked for, which takes several times as long
            some = block[:, gaps]
            low[gaps], high[gaps] = np.fmin.reduce(some), np.fmax.reduce(some)
            known[gaps] -= np.isnan(some).sum(0)
        lowest, highest = np.fmin(lowest, low), np.fmax(highest, high)
    return Ranges(lowest, highest, known)


def _blocks_of(X: Array | StoredNumbers) -> Iterator[tuple[slice, Array]]:
    """Go through rows, `ENTRIES_AT_A_TIME` entries at a time; those of a file are in the same memory each time."""
    blocks = _blocks(*X.shape)
    if not isinstance(X, StoredNumbers):
        yield from ((rows, X[rows]) for rows in blocks)
    else:
        yield from X.in_blocks(blocks)


def _blocks(num_rows: int, num_columns: int) -> Iterator[slice]:
    """Go through the rows of a table, `ENTRIES_AT_A_TIME` entries at a time."""
    return blocks_of(num_rows, max(1, ENTRIES_AT_A_TIME // max(num_columns, 1)))


def _block(rows: Array, columns: Array | None) -> Array:
    """Return columns of some rows as float64 in C order, so that sums over them have the same bits in any memory layout."""
    return np.require(rows if columns is None else rows[:, columns], np.float64, ["C", "A"])


def units_of(X: Array | StoredNumbers | SparseRows) -> Array:
    """Return a power of two for each column, near its largest number where cubes are no float64, else 1.

    Parameters
    ----------
    X : ndarray, StoredNumbers or SparseRows, of shape (N, D)
        Finite numbers, and NaN.

    Returns
    -------
    ndarray of shape (D,)
        Dividing by it changes no digit.
    """
    if isinstance(X, SparseRows):
        lowest, highest, known = X.ranges()
        largest = np.where(known > 0, np.maximum(-lowest, highest), 0.0)
    else:
        blocks = [slice(None)] if isinstance(X, np.ndarray) else _blocks(*X.shape)
        largest = np.max([_largest(X[rows]) for rows in blocks], axis=0)
    exponents = np.frexp(largest)[1]
    extreme = (np.abs(exponents) > CUBABLE) & (largest > 0)
    return np.ldexp(1.0, np.where(extreme, np.minimum(exponents, 1000), 0))


def _largest(X: Array) -> Array:
    return np.max(np.abs(X), axis=0, initial=0.0, where=np.isfinite(X)).astype(np.float64)


def _pixel_means(X: Array) -> Array:
    """Return the mean of the pixels of each row and that of their squares."""
    return np.stack([X.mean(1, dtype=np.float64), np.square(X, dtype=np.float64).mean(1)], axis=1)


Function = Callable[[Array, Array | None, Any], Array]
"""Of numbers in float64, which of them are known (None where all are), and their columns: indices, or the slice of all."""


def _values_of(
    functions: Sequence[Function], X: Array | StoredNumbers | SparseRows, columns: Array
) -> Iterator[tuple[slice, list[Array]]]:
    """Go through the values of functions for columns of some rows at a time; those of zeros that are not stored are made once."""
    chosen = None if len(columns) == X.shape[1] else columns
    at_once = len(X) * len(columns) <= ONE_SUM_UP_TO
    rows_of_blocks = [slice(0, len(X))] if at_once else _blocks(len(X), len(columns))
    if not isinstance(X, SparseRows):
        blocks = (
            _blocks_of(X)
            if isinstance(X, StoredNumbers) and not at_once
            else ((rows, X[rows]) for rows in rows_of_blocks)
        )
        for rows, numbers in blocks:
            block = _block(numbers, chosen)
            # A sum tells much sooner than a look at each number that none is missing.
            with np.errstate(over="ignore", invalid="ignore"):
                known = None if np.isfinite(block.sum()) else ~np.isnan(block)
            yield rows, [function(block, known, slice(None)) for function in functions]
        return
    some = X if chosen is None else X.of_columns(chosen)
    a_row = np.zeros((1, len(columns))), np.ones((1, len(columns)), dtype=bool), slice(None)
    of_zeros = [function(*a_row) for function in functions]
    for rows in rows_of_blocks:
        row_of, column_of, values = some.entries_of(rows)
        entries = values.astype(np.float64), ~np.isnan(values), column_of
        made = []
        for function, of_row in zip(functions, of_zeros, strict=True):
            block = np.empty((rows.stop - rows.start, len(columns)), dtype=of_row.dtype)
            block[:] = of_row
            block[row_of, column_of] = function(*entries)
            made.append(block)
        yield rows, made


def _learn_scaling(
    X: Array | StoredNumbers | SparseRows, weights: Array | None, columns: Array
) -> tuple[Array, Array, Array]:
    """Return mean, scale and whether to take the logarithm, for each column; NaN is left out."""
    spaces: dict[str, Array] = {}

    def space(name: str, x: Array) -> Array:
        """Return memory for as many numbers, the same each time: new memory may take longer than what is done in it."""
        if name not in spaces or spaces[name].shape != x.shape:
            spaces[name] = np.empty(x.shape)
        return spaces[name]

    def totals_of(*functions: Function) -> Array:
        """Return the weighted sums of functions over all rows."""
        totals = np.zeros((len(functions), len(columns)))
        for rows, values in _values_of(functions, X, columns):
            w = np.ones(rows.stop - rows.start) if weights is None else weights[rows]
            for total, of_function in zip(totals, values, strict=True):
                total += w @ of_function
        return totals

    def moments(of: Callable[[Array, Any], Array]) -> tuple[Array, Array, Array]:
        known, sums = totals_of(
            lambda x, known, at: _all_of(x, weights) if known is None else known,
            lambda x, known, at: of(x, at) if known is None else np.where(known, of(x, at), 0.0),
        )
        total = np.maximum(known, NO_WEIGHT)
        mean = sums / total

        def deviations(x: Array, known: Array | None, at: Any, into: str) -> Array:
            deviation = np.subtract(of(x, at), mean[at], out=space(into, x))
            if known is not None:
                deviation[~known] = 0.0
            return deviation

        def square(x: Array, known: Array | None, at: Any) -> Array:
            deviation = deviations(x, known, at, "squares")
            return np.square(deviation, out=deviation)

        def cube(x: Array, known: Array | None, at: Any) -> Array:
            deviation = deviations(x, known, at, "cubes")
            squared = np.square(deviation, out=space("their squares", x))
            return np.multiply(squared, deviation, out=deviation)  # several times as fast as a power

        squares, cubes = totals_of(square, cube)
        std = np.sqrt(squares / total)
        # Rounding leaves a constant column with a tiny spread; it has none.
        std = np.where(std > 1e-12 * np.abs(mean), std, 0.0)
        safe = np.where(std > 0, std, 1.0)
        # A column without any value plays no part: whatever comes later is scaled to 0.
        safe = np.where(total > NO_WEIGHT, safe, np.inf)
        return mean, safe, cubes / total / safe / safe / safe

    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale, skewness = moments(lambda x, at: x)
    # Where squares and cubes are too large or too small for float64, once more in other units.
    usual = (scale > 2.0**-CUBABLE) & (scale < 2.0**CUBABLE) & (scale != 1.0)
    extreme = not usual.all()
    units = units_of(X)[columns] if extreme else np.ones(len(columns))
    if (units != 1.0).any():
        of_units = moments(lambda x, at: x / units[at])
        mean, skewness = of_units[0] * units, of_units[2]
        scale = np.where(np.isfinite(of_units[1]) & (of_units[1] != 1.0), of_units[1] * units, of_units[1])
    skewed = np.abs(skewness) > SKEWED
    if not skewed.any():
        return mean, scale, skewed
    of_logarithm = moments(lambda x, at: _signed_log(x))
    # Of tiny numbers it is as they are.
    logarithm = skewed & (np.abs(of_logarithm[2]) < np.abs(skewness)) & (units >= 1.0)
    return np.where(logarithm, of_logarithm[0], mean), np.where(logarithm, of_logarithm[1], scale), logarithm


def _all_of(x: Array, weights: Array | None) -> Array:
    """Return ones for all numbers of rows; without weights one for each row, which gives the same sums."""
    return np.ones((len(x), 1)) if weights is None else np.ones(x.shape, dtype=bool)


def _signed_log(x: Array) -> Array:
    return np.copysign(np.log1p(np.abs(x)), x)
