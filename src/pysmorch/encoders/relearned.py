"""Rows that are held out from a training: the statistics of the target are learned once more, from the other rows alone.

The rows of the training have what those of the other folds say; held-out rows have what all of them say, as new rows will. So what
held-out rows choose, such as an epoch or a temperature, is chosen by rows whose targets played no part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pysmorch.encoders.statistics import FOLDS, Targets, statistics_of
from pysmorch.engine.rows import LazyRows, SomeRows, blocks_of, blocks_of_sizes
from pysmorch.layers.base import Array

HELD_OUT = FOLDS
"""In place of a fold, for rows that have what all folds say."""

ROWS_AT_A_TIME = 2**14
"""Rows that are overwritten together, since their new features take memory of their own."""


class TargetFeatures:
    """Those features of the encoded rows of a training that are statistics of the target.

    Parameters
    ----------
    encoder : TableEncoder
        With columns that have statistics.
    codes : mapping of str to ndarray of int32, shape (N,)
        The index of each row's value, by the names of these columns.
    trained_before : bool
        Whether the encoder has its statistics from an earlier training, so that they stay.
    """

    def __init__(self, encoder: Any, codes: Mapping[str, Array], trained_before: bool) -> None:
        self.encoder, self.codes, self.trained_before = encoder, codes, trained_before

    def take(self, rows: Array) -> TargetFeatures:
        """Return those of some of the rows, by their indices."""
        codes = {name: of_rows[rows] for name, of_rows in self.codes.items()}
        return TargetFeatures(self.encoder, codes, self.trained_before)

    def learn(self, training: Array, weights: Array | None, targets: Array, groups: Array | None) -> LearnedFeatures:
        """Learn the statistics from some of the rows.

        Parameters
        ----------
        training : ndarray of int
            Their indices.
        weights, targets, groups : as for `Targets`
            Theirs.

        Returns
        -------
        LearnedFeatures
            Of all rows.
        """
        columns = [column for column, _ in self.encoder.statistics_positions]
        told = Targets(targets, weights, columns[0].averaged, groups)
        tables = {}
        for column in columns:
            sums = told.no_sums(len(column.values))
            told.add(sums, self.codes[column.name][training], 0)
            of_values, of_folds = statistics_of(sums)
            of_others = self.encoder.statistics[column.name] if self.trained_before else of_values
            tables[column.name] = np.concatenate([of_folds, of_others[None]])
        fold = np.full(len(self.codes[columns[0].name]), HELD_OUT, np.int8)
        fold[training] = told.fold
        return LearnedFeatures(self, fold, tables)


class LearnedFeatures(NamedTuple):
    """What the training rows of a split say about all of its rows.

    Attributes
    ----------
    of : TargetFeatures
        The features.
    fold : ndarray of int8, shape (N,)
        The fold of each row, or `HELD_OUT`.
    tables : dict of str to ndarray, shape (FOLDS + 1, number of values + 1, K)
        The statistics that each fold has, by the names of the columns.
    """

    of: TargetFeatures
    fold: Array
    tables: dict[str, Array]

    def keep(self) -> None:
        """Let the encoder have them for all later rows, unless it has those of an earlier training."""
        self.of.encoder.statistics = {name: table[HELD_OUT] for name, table in self.tables.items()}

    def written(self, encoded: Array | SomeRows | LazyRows, rows: Array) -> Array | LazyRows:
        """Return encoded rows with these statistics.

        Parameters
        ----------
        encoded : ndarray, SomeRows or LazyRows, of shape (n, width)
            An array is overwritten.
        rows : ndarray of int, shape (n,)
            Which of the N rows they are.

        Returns
        -------
        ndarray or LazyRows
            As `encoded`.
        """
        if isinstance(encoded, LazyRows):

            def in_order(some: Array, sizes: Sequence[int]) -> Iterator[Array]:
                blocks = zip(encoded.in_order(some, sizes), blocks_of_sizes(sizes), strict=True)
                return (self._write(block, rows[some[at]]) for block, at in blocks)

            return LazyRows(
                lambda some: self._write(encoded[some], rows[some]),
                len(encoded),
                encoded.shape[1:],
                read_in_order=in_order,
            )
        array = encoded[:] if isinstance(encoded, SomeRows) else encoded
        for some in blocks_of(len(rows), ROWS_AT_A_TIME):
            self._write(array[some], rows[some])
        return array

    def _write(self, encoded: Array, rows: Array) -> Array:
        fold, positions = self.fold[rows], self.of.encoder.statistics_positions
        found = [self.tables[column.name][fold, self.of.codes[column.name][rows]] for column, _ in positions]
        at = np.concatenate([np.arange(first, first + column.statistics) for column, first in positions])
        numbers, features = self.of.encoder.numbers.of_columns(at)
        block = np.empty((len(rows), len(features)), np.float32)
        numbers.encode(np.concatenate(found, axis=1), block)
        # Features that follow each other are copied together, which is several times as fast as one by one.
        starts = np.flatnonzero(np.diff(features, prepend=-2) != 1).tolist()
        for start, end in zip(starts, [*starts[1:], len(features)], strict=True):
            encoded[:, features[start] : features[end - 1] + 1] = block[:, start:end]
        return encoded
