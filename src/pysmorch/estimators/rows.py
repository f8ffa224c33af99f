"""What comes with rows: their weights, of which only the ratios count, and labels of any library."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import _check_sample_weight

from pysmorch.encoders.cells import count_rows, some_rows
from pysmorch.encoders.objects import is_missing
from pysmorch.encoders.relearned import LearnedFeatures, TargetFeatures
from pysmorch.encoders.sparse import is_sparse
from pysmorch.engine import mean_one
from pysmorch.engine.rows import LazyRows, SomeRows, take_rows
from pysmorch.estimators.remarks import warn_of_weightless
from pysmorch.estimators.splitting import SplitBy
from pysmorch.layers.base import Array
from pysmorch.prediction.files import is_path, read_labelled

MOST_ROWS, OF_A_ROW = 2**20, 1e-6
"""Weights are multiples of the smallest one up to so large ones, and so small differences."""


class Labelled(NamedTuple):
    """Rows, labels and weights as the network takes them.

    Attributes
    ----------
    rows : ndarray, SomeRows or LazyRows
        Encoded.
    codes : ndarray
        Labels as the loss takes them.
    weights : ndarray or None
        Those of the loss, with the factors of the classes.
    sample_weight : ndarray or None
        Those that were given.
    by : SplitBy or None, default=None
        What says which rows are held out together, or because they are the latest.
    of_targets : TargetFeatures or None, default=None
        Features that were learned from the targets of all these rows.
    """

    rows: Array | SomeRows | LazyRows
    codes: Array
    weights: Array | None
    sample_weight: Array | None
    by: SplitBy | None = None
    of_targets: TargetFeatures | None = None

    def take(self, indices: Array, copy: bool = True) -> Labelled:
        """Return some of the rows.

        Parameters
        ----------
        indices : ndarray of int
            Which ones.
        copy : bool, default=True
            Whether rows of an array are copied; else they are read where they are.

        Returns
        -------
        Labelled
            In that order.
        """
        weights, given = (None if array is None else array[indices] for array in (self.weights, self.sample_weight))
        by = None if self.by is None else self.by.take(indices)
        of_targets = None if self.of_targets is None else self.of_targets.take(indices)
        return Labelled(take_rows(self.rows, indices, copy), self.codes[indices], weights, given, by, of_targets)

    def divided(self, training: Array, held_out: Array) -> tuple[Labelled, Labelled, LearnedFeatures | None]:
        """Return rows for training and held-out rows, whose targets play no part in any feature.

        Parameters
        ----------
        training, held_out : ndarray of int
            Which rows.

        Returns
        -------
        training, held_out : Labelled
            In that order.
        learned : LearnedFeatures or None
            What the rows for training say about all; None where no features are learned from targets.
        """
        if self.of_targets is None:
            return self.take(training, copy=False), self.take(held_out), None
        parts = self.take(training), self.take(held_out)
        first, groups = parts[0], None if parts[0].by is None else parts[0].by.groups
        learned = self.of_targets.learn(training, first.sample_weight, first.codes, groups)
        first, second = (
            part._replace(rows=learned.written(part.rows, rows), of_targets=None)
            for part, rows in zip(parts, (training, held_out), strict=True)
        )
        return first, second, learned


def weighted_rows(
    X: Any, y: Any, sample_weight: ArrayLike | str | None, classes: Array | None = None, learns_classes: bool = False
) -> tuple[Any, Any, Array | None]:
    """Return the rows that count, with their labels and weights.

    Parameters
    ----------
    X : array-like, data frame or path of a table
        All rows.
    y : array-like, or a column of the table
        Their labels.
    sample_weight : array-like of shape (N,), a column of the table, or None
        Their weights; rows of weight 0 are left out.
    classes : ndarray, default=None
        The classes of a model that knows them, for the labels in a file.
    learns_classes : bool, default=False
        Whether the labels are classes that a model learns; it then warns of those that no row has that counts.

    Returns
    -------
    X, y : as given, or as read
        Without the rows of weight 0.
    weights : ndarray or None
        As from `check_weights`, above 0.

    Raises
    ------
    ValueError, TypeError
        For weights that do not fit.
    """
    if is_path(X):
        X, y, sample_weight = read_labelled(X, y, sample_weight, classes)
    elif y is None:
        raise ValueError("requires y to be passed, but the target y is None; pass a label for each row")
    y = y.toarray() if is_sparse(y) else y
    if sample_weight is None:
        return X, y, None
    num_rows = count_rows(X)
    weights = check_weights(sample_weight, num_rows)
    counting = _counting(weights)
    if weights is None or counting is None:
        return X, y, weights
    if len(np.asarray(y)) == num_rows:  # another number of labels is refused where labels are checked
        all_labels, y = np.asarray(y), np.asarray(y)[counting]
        if learns_classes and y.ndim == 1:
            warn_of_weightless(all_labels, y)
    return some_rows(X, counting), y, check_weights(weights[counting], len(counting))


def counting_rows(sample_weight: ArrayLike | None, num_rows: int) -> Array | None:
    """Return the rows that count, by their indices; None where all do.

    Parameters
    ----------
    sample_weight : array-like of shape (N,) or None
        Their weights.
    num_rows : int
        The number of rows N.

    Returns
    -------
    ndarray of int or None
        Those that `weighted_rows` returns.
    """
    return _counting(check_weights(sample_weight, num_rows))


def _counting(weights: Array | None) -> Array | None:
    return None if weights is None or weights.all() else np.flatnonzero(weights)


def check_weights(sample_weight: ArrayLike | str | None, num_data: int) -> Array | None:
    """Return the weights of rows with mean one, or None where all are the same.

    Parameters
    ----------
    sample_weight : array-like of shape (N,) or None
        What was passed to `fit`.
    num_data : int
        The number of rows N.

    Returns
    -------
    ndarray of float64, shape (N,), or None
        The weights, so that those of the same ratios are the same: multiples of the smallest one count like as many rows, others
        are rounded to float32.

    Raises
    ------
    ValueError, TypeError
        For another number of weights, negative ones, and zeros only.
    """
    if sample_weight is None:
        return None
    given = np.asarray(sample_weight)
    if given.size and not given.any():
        raise ValueError("sample_weight must not be zero for all rows")
    _refuse_weights(given, num_data)
    stand_in = np.zeros((num_data, 1))
    weights: Array = _check_sample_weight(sample_weight, stand_in, dtype=np.float64, ensure_non_negative=True)
    if np.ptp(weights) == 0:
        return None
    multiples = weights / weights.min(where=weights > 0, initial=np.inf)
    if multiples.max() <= MOST_ROWS and np.abs(multiples - np.rint(multiples)).max() <= OF_A_ROW:
        return mean_one(np.rint(multiples))
    return mean_one(weights).astype(np.float32).astype(np.float64)


def _refuse_weights(given: Array, num_data: int) -> None:
    """Raise ValueError for weights that are too many or too few, and for numbers that are no weights."""
    if given.ndim and given.shape != (num_data,):
        raise ValueError(
            f"sample_weight must have one weight for each of the {num_data} rows of X, but has the shape {given.shape}"
        )
    if given.dtype.kind in "OUST":
        try:
            given = given.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"sample_weight must have a number for each row, but {error}") from None
    if given.ndim and given.dtype.kind in "if":
        wrong = np.flatnonzero(~((given >= 0) & np.isfinite(given)))
        if len(wrong):
            raise ValueError(
                f"sample_weight must have a number from 0 for each row, but row {wrong[0]} has {given[wrong[0]]:g}; "
                "a weight of 0 leaves a row out"
            )


def as_labels(y: Any) -> Array:
    """Return labels as an array; objects that are numbers, as from nullable columns, become numbers, and texts stay apart from them.

    Parameters
    ----------
    y : array-like
        Labels of any library.

    Returns
    -------
    ndarray
        Of objects only where they are no numbers.

    Raises
    ------
    ValueError
        For missing labels; names the first row with one. For texts and numbers together.
    """
    if isinstance(y, np.ma.MaskedArray):
        refuse_missing(y.data, np.ma.getmaskarray(y))
    mixed = isinstance(y, (list, tuple)) and len({isinstance(label, str) for label in y}) > 1
    labels = np.array(y, dtype=object) if mixed else np.asarray(y)  # NumPy would make texts of numbers and of NaN
    if labels.dtype.kind == "T":
        return np.array(labels.tolist(), dtype=str)
    if labels.dtype.kind in "mM":
        refuse_missing(labels, np.isnat(labels))
    if labels.dtype.kind != "O":
        return labels
    refuse_missing(labels, np.array([is_missing(label) for label in labels.flat], dtype=bool))
    if all(isinstance(label, (bool, np.bool_)) for label in labels.flat):
        return labels.astype(bool)
    if all(isinstance(label, (int, float, np.number)) and not isinstance(label, bool) for label in labels.flat):
        numbers = np.array(labels.tolist())
        return numbers if numbers.dtype.kind in "iuf" else labels
    other = next((label for label in labels.flat if not isinstance(label, str)), None)
    text = next((label for label in labels.flat if isinstance(label, str)), None)
    if text is not None and other is not None:
        raise ValueError(
            f"y has texts and other labels, such as {text!r} and {other!r}; make all of them texts, or all numbers"
        )
    return labels


def refuse_missing(labels: Array, missing: Array) -> None:
    """Raise ValueError where a label is missing.

    Parameters
    ----------
    labels : ndarray of shape (N, ...)
        All labels.
    missing : ndarray of bool
        For each of them.
    """
    if missing.any():
        row = int(missing.ravel().argmax()) // max(labels.size // len(labels), 1)
        raise ValueError(f"y has missing labels, the first in row {row}; leave out such rows")
