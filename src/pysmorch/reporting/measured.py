"""A model on some rows: what it predicts, what is right, and what is measured of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pysmorch.encoders.cells import count_rows, some_rows
from pysmorch.layers.base import Array
from pysmorch.metrics import METRICS
from pysmorch.reporting.content import fraction, number
from pysmorch.sources.streaming import StreamedTable

MOST_ROWS = 50_000
"""Of more rows so many are drawn at random."""

MOST_ENTRIES = 2**25
"""With many classes fewer rows are drawn, so that their probabilities have no more entries: 256 MiB."""

OF_CLASSES = ("accuracy", "balanced_accuracy", "f1", "auc", "log_loss", "ece")
OF_LABELS = ("accuracy", "f1", "auc", "log_loss", "ece")
OF_NUMBERS = ("r2", "rmse", "mae", "median_absolute_error")

MOST_AREAS = 100
"""With more classes the mean area under their ROC curves is left out."""

TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1",
    "auc": "area under ROC",
    "log_loss": "log loss",
    "ece": "calibration error (ECE)",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
    "median_absolute_error": "median absolute error",
}
"""Metrics in words."""

IN_UNITS = ("rmse", "mae", "median_absolute_error", "RMSE", "MAE")
"""Metrics in the units of the target; the others are about 1, and have the same number of decimals."""

COVERAGE = 0.9
"""Of the intervals of numbers."""


@dataclass(frozen=True)
class Rows:
    """The rows of a report.

    Attributes
    ----------
    X : array-like or data frame
        Those that are looked at.
    y : ndarray or None
        Their labels, in the user's terms.
    weights : ndarray or None
        Their weights.
    indices : ndarray of int
        Which of the rows that were given they are.
    total : int
        How many were given.
    name_of : callable
        Returns the name of one of the rows that were given.
    """

    X: Any
    y: Array | None
    weights: Array | None
    indices: Array
    total: int
    name_of: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, some: Array) -> Rows:
        """Return some of the rows, by their indices among those that are looked at."""
        y, weights = (None if array is None else array[some] for array in (self.y, self.weights))
        return Rows(some_rows(self.X, some), y, weights, self.indices[some], self.total, self.name_of)

    def sample(self, most: int) -> Rows:
        """Return at most so many of the rows, drawn at random."""
        if len(self) <= most:
            return self
        return self.take(np.sort(np.random.RandomState(0).permutation(len(self))[:most]))


def rows_of(X: Any, y: Any, weights: Any, name_of: Callable[[int], str] | None, num_outputs: int) -> Rows:
    """Return the rows that are looked at: all, or of very many a random sample.

    Parameters
    ----------
    X, y, weights : as given
        All rows, their labels and their weights; the last two may be None.
    name_of : callable or None
        Names a row.
    num_outputs : int
        How many numbers are predicted for each row.

    Returns
    -------
    Rows
        In their order.

    Raises
    ------
    ValueError
        There are no rows, or another number of labels.
    """
    total = X.shape[0] if isinstance(X, StreamedTable) else count_rows(X)
    if total == 0:
        raise ValueError("X has no rows; a report needs one or more")
    y, weights = (None if array is None else np.asarray(array) for array in (y, weights))
    for argument, array in (("y", y), ("sample_weight", weights)):
        if array is not None and len(array) != total:
            raise ValueError(f"{argument} has {len(array)} entries, but X has {total} rows")
    rows = Rows(X, y, weights, np.arange(total), total, name_of or (lambda row: f"row {row}"))
    most = max(1, min(MOST_ROWS, MOST_ENTRIES // max(num_outputs, 1)))
    rows = rows.sample(most)
    if isinstance(X, StreamedTable):
        return replace(rows, X=rows.X.columns(rows.X.column_names))
    return rows


@dataclass(frozen=True)
class Measured:
    """A model on rows.

    Attributes
    ----------
    name : str
        What the model is called.
    model : NetworkModel
        Fitted.
    task : {"classes", "labels", "numbers"}
        One class of several for each row, several labels, or numbers.
    rows : Rows
        Those whose predictions are finite.
    codes : ndarray or None
        Class indices (N,), labels (N, K) that are 0 or 1, or targets (N, K); None where they are not known.
    predicted : ndarray of float64, shape (N, K)
        Probabilities, or values; of several quantiles the middle one.
    guessed : ndarray of int or None
        The class index of each row, or which labels it has; None for numbers.
    quantiles : ndarray of float64, shape (N, Q), or None
        All of several quantiles.
    not_finite : int
        How many rows were left out since their predictions are not finite.
    seconds : float
        How long the predictions took.
    """

    name: str
    model: Any
    task: str
    rows: Rows
    codes: Array | None
    predicted: Array
    guessed: Array | None
    quantiles: Array | None
    not_finite: int
    seconds: float

    @property
    def outputs(self) -> list[str]:
        """The classes, labels or targets as texts."""
        if self.task == "numbers":
            count = self.predicted.shape[1]
            return ["prediction"] if count == 1 else [f"target {i}" for i in range(count)]
        return [str(name) for name in self.model.classes_.tolist()]

    def names_in(self, marks: Array | None, row: int) -> str:
        """Return the labels that a row has, by rows of zeros and ones."""
        assert marks is not None
        return ", ".join(self.outputs[k] for k in np.flatnonzero(marks[row])) or "none"

    @cached_property
    def values(self) -> dict[str, float]:
        """Return what is measured, by the names of `METRICS`; nothing where labels are not known or no row is left."""
        if self.codes is None or not len(self.rows):
            return {}
        names = {"classes": OF_CLASSES, "labels": OF_LABELS, "numbers": OF_NUMBERS}[self.task]
        found = {}
        for name in names:
            metric = METRICS[name]
            predicted: Any = self.guessed if metric.takes == "classes" else self.predicted
            if (name == "r2" and len(self.rows) < 2) or (name == "auc" and self.predicted.shape[1] > MOST_AREAS):
                continue
            found[name] = metric.measure(self.codes, predicted, self.rows.weights)
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def of_constant(self) -> dict[str, float]:
        """Return the same of always guessing the most frequent class, the frequencies, or the mean of these rows."""
        if self.codes is None or not len(self.rows) or self.task == "labels":
            return {}
        w = self.rows.weights
        if self.task == "classes":
            counts = np.bincount(self.codes, w, minlength=self.predicted.shape[1])
            p = np.tile(counts / counts.sum(), (len(self.codes), 1))
            constant = np.full(len(self.codes), counts.argmax())
            return {
                "accuracy": METRICS["accuracy"].measure(self.codes, constant, w),
                "log_loss": METRICS["log_loss"].measure(self.codes, p, w),
            }
        mean = np.tile(np.average(self.codes, axis=0, weights=w), (len(self.codes), 1))
        return {name: METRICS[name].measure(self.codes, mean, w) for name in ("rmse", "mae")}

    def losses(self) -> Array:
        """Return how wrong each row is: the negative logarithm of the probability of what is right, or the error in its scale."""
        assert self.codes is not None
        if self.task == "classes":
            p = self.predicted[np.arange(len(self.codes)), self.codes]
            return np.asarray(-np.log(np.maximum(p, 1e-15)))
        if self.task == "labels":
            p = np.where(self.codes > 0, self.predicted, 1 - self.predicted)
            return np.asarray(-np.log(np.maximum(p, 1e-15)).sum(axis=1))
        errors = np.abs(self.predicted - self.codes)
        spread = self.codes.std(axis=0)
        return np.asarray((errors / np.where(spread > 0, spread, 1.0)).max(axis=1))


def measured(name: str, model: Any, rows: Rows) -> Measured:
    """Return a model on rows.

    Parameters
    ----------
    name : str
        What the model is called.
    model : NetworkModel
        Fitted.
    rows : Rows
        With labels or without.

    Returns
    -------
    Measured
        Without the rows whose predictions are not finite.

    Raises
    ------
    ValueError, TypeError
        For data that do not fit the model.
    """
    codes = None if rows.y is None else codes_of(model, rows.y)
    started = time.perf_counter()
    quantiles, guessed = None, None
    if hasattr(model, "classes_"):
        predicted = model.predict_proba(rows.X)
    else:
        predicted = model.predict(rows.X).reshape(len(rows), -1)
    seconds = time.perf_counter() - started
    finite = np.isfinite(predicted).all(axis=1)
    lost = int((~finite).sum())
    if lost:
        some = np.flatnonzero(finite)
        rows, predicted = rows.take(some) if len(some) else _no_rows(rows), predicted[some]
        codes = None if codes is None else codes[some]
    if hasattr(model, "classes_"):
        guessed = model._decide(predicted) if len(predicted) else np.zeros(0, np.int64)
        task = "labels" if model._multilabel else "classes"
    else:
        task = "numbers"
        if model._num_quantiles() > 1:
            quantiles = predicted
            predicted = quantiles[:, [middle_of(model)]]
    return Measured(name, model, task, rows, codes, predicted, guessed, quantiles, lost, seconds)


def middle_of(model: Any) -> int:
    """Return the index of that of several quantiles which is nearest to the median."""
    return int(np.abs(np.asarray(model.quantile) - 0.5).argmin())


def _no_rows(rows: Rows) -> Rows:
    empty = np.zeros(0, np.int64)
    y, weights = (None if array is None else array[:0] for array in (rows.y, rows.weights))
    return Rows(rows.X, y, weights, empty, rows.total, rows.name_of)


def codes_of(model: Any, y: Array) -> Array:
    """Return labels as class indices, as zeros and ones, or as numbers (N, K); ValueError for those that the model does not know."""
    checked = model._check_labels(y, len(y))
    if hasattr(model, "classes_"):
        codes = model._encode_labels(checked)
        return np.asarray(codes if codes.ndim == 1 else codes.astype(np.int64))
    return np.asarray(checked, np.float64).reshape(len(checked), -1)


def shown_value(name: str, value: float | None) -> str:
    """Return the value of a metric as text."""
    return number(value) if name in IN_UNITS else fraction(value, 4)
