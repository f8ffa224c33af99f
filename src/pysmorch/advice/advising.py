"""What deserves attention in data, split and training, in sentences: what was found, and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import config_context
from sklearn.base import is_classifier

from pysmorch.advice.columns import remarks_on_columns
from pysmorch.advice.rows import checked
from pysmorch.advice.split import expected_twice, remark_on_duplicates, remark_on_time
from pysmorch.advice.training import remark_on_gap, remark_on_rate, remarks_on_dead_units
from pysmorch.encoders import fingerprints, has_columns, named_columns
from pysmorch.estimators import Classifier, Regressor
from pysmorch.estimators.rows import Labelled
from pysmorch.layers.base import Array
from pysmorch.sources.streaming import StreamedTable

ROWS_LOOKED_AT = 2_000
"""Of the training rows so many, evenly spaced, are predicted at most."""


ROWS_COUNTED = 10_000
"""From so many it is estimated how many rows are equal by chance."""


def advise(
    model: Classifier | Regressor,
    X_train: Any,
    y_train: ArrayLike,
    X_test: Any,
    y_test: ArrayLike,
    train_weight: ArrayLike | None = None,
    test_weight: ArrayLike | None = None,
) -> list[str]:
    """Return what deserves attention in the data, the split and the training of a model, besides what `fit` has warned of.

    Columns that hardly vary, that look like ids, and that predict nearly all alone; rows that are in both parts; held-out rows of the same
    times; a learning rate that was too high or too low; dead units; a gap between training and held-out rows. The thresholds are in
    docs/advice.md.

    Parameters
    ----------
    model : Classifier or Regressor
        Fitted.
    X_train : array-like or data frame
        The rows of its training, in their order.
    y_train : array-like of shape (N,) or (N, K)
        Their labels.
    X_test : array-like or data frame
        Held-out rows.
    y_test : array-like of shape (M,) or (M, K)
        Their labels.
    train_weight, test_weight : array-like, default=None
        Weights of the rows.

    Returns
    -------
    list of str
        Sentences; empty where nothing was found, and for images and tables in files.

    Raises
    ------
    ValueError, TypeError
        For data that do not fit.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from pysmorch import Classifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = Classifier(preset="balanced", random_state=0).fit(X[::2], y[::2])
    >>> advise(model, X[::2], y[::2], X[1::2], y[1::2])
    []
    """
    model._check_fitted()
    if isinstance(X_train, StreamedTable) or isinstance(X_test, StreamedTable) or not has_columns(model.encoder_):
        return []
    rows, held_out = checked(model, X_train, y_train, train_weight), checked(model, X_test, y_test, test_weight)
    with config_context(assume_finite=True):
        return [*_on_data(model, rows, held_out), *_on_training(model, rows, held_out)]


def _on_data(model: Any, rows: Labelled, held_out: Labelled) -> list[str]:
    encoder = model.encoder_
    columns, others = (named_columns(encoder, part.rows) for part in (rows, held_out))
    count = len(rows.codes)
    some = np.linspace(0, count - 1, min(count, ROWS_COUNTED)).astype(np.int64)
    values = [*(column.values for column in columns), *rows.codes.reshape(count, -1).T]
    chance = expected_twice([of_rows[some] for of_rows in values], count, len(held_out.codes))
    marks = [fingerprints(encoder, part.rows, part.codes) for part in (rows, held_out)]
    return [
        *remarks_on_columns(columns, rows.codes),
        *remark_on_duplicates(marks[0], marks[1], chance),
        *remark_on_time(columns, others),
    ]


def _on_training(model: Any, rows: Labelled, held_out: Labelled) -> list[str]:
    guess = loss_of_guessing(model, rows)
    untrained = float(np.log(model.n_classes_)) if is_classifier(model) else 2 * (guess or 0.0)
    remarks = remark_on_rate(getattr(model, "history_", {}), guess, untrained)
    some, of_test = _some(rows), _some(held_out)
    encoded = model.encoder_.encode(some.rows)
    remarks += remarks_on_dead_units(model.network_, encoded)
    if is_classifier(model):
        measured = [_right(model, part) for part in (some, of_test)]
        return remarks + remark_on_gap("accuracy", *measured)
    if model.loss == "quantile" or held_out.codes.shape[1] > 1:
        return remarks
    variance = float(np.var(held_out.codes))
    measured = [1 - _squared_errors(model, part) / variance for part in (some, of_test)] if variance > 0 else []
    return remarks + (remark_on_gap("R²", *measured) if measured else [])


def _some(part: Labelled) -> Labelled:
    count = len(part.codes)
    return part.take(np.linspace(0, count - 1, min(count, ROWS_LOOKED_AT)).astype(np.int64))


def _predicted(model: Any, part: Labelled) -> Array:
    outputs = model.network_.predict(model.encoder_.encode(part.rows))
    return np.asarray(model.network_.loss.predictions(outputs.astype(np.float64)))


def _right(model: Any, part: Labelled) -> Array:
    return (_predicted(model, part).argmax(axis=1) == part.codes).astype(np.float64)


def _squared_errors(model: Any, part: Labelled) -> Array:
    return np.asarray((_predicted(model, part)[:, 0] - part.codes[:, 0]) ** 2, np.float64)


def loss_of_guessing(model: Any, rows: Labelled) -> float | None:
    """Return the training loss of always guessing the same; None for other losses than those that the estimators have by default."""
    weights = rows.weights
    if model.loss == "cross_entropy" and not model.label_smoothing:
        shares = np.bincount(rows.codes, weights, minlength=model.n_classes_)
        shares = shares[shares > 0] / shares.sum()
        return float(-(shares * np.log(shares)).sum())
    if model.loss == "square" and rows.codes.shape[1] == 1:
        mean = np.average(rows.codes, axis=0, weights=weights)
        return float(np.average(((rows.codes - mean) ** 2)[:, 0], weights=weights)) / 2
    return None
