"""Simpler models beside a network: a linear one, and gradient boosting on trees, with scikit-learn's defaults.

The linear model has the encoded features that the network has; HistGradientBoosting has the columns as they are, with categories as
categories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor

from pysmorch.encoders import unscaled
from pysmorch.estimators.rows import Labelled
from pysmorch.estimators.splitting import split_rows
from pysmorch.layers.base import Array

FEWEST_ROWS = 500
"""A model that would be too slow on so many of more rows is left out."""

MOST_ENTRIES = 2**25
"""Entries of the features of a model: 128 MiB in float32, 256 MiB in float64."""

OF_AN_ENTRY = 1e-7
"""Seconds of a linear model for each feature, row and output: about 100 iterations, measured on one core."""

OF_A_COLUMN, OF_A_CELL = 0.015, 1.2e-6
"""Seconds of 100 trees for each column and output, and for each row of these, measured on one core."""

ROWS_TO_STOP = 10
"""Rows of the rarest class from which HistGradientBoosting can hold out some of them."""

OF_LOSS = {"poisson": "poisson", "absolute": "absolute_error"}
"""What HistGradientBoosting minimises where the network does not minimise squares or logarithms."""


@dataclass(frozen=True)
class Baseline:
    """A model that is trained beside a network.

    Attributes
    ----------
    name : str
        What it is called.
    width : int
        How many features it has.
    features : callable
        Returns those of checked rows.
    seconds_for : callable
        Returns about how many seconds it takes for a number of rows.
    make : callable
        Returns a new model for the classes or targets of some rows.
    """

    name: str
    width: int
    features: Callable[[Any], Array]
    seconds_for: Callable[[int], float]
    make: Callable[[Array], Any]


def linear(model: Any) -> Baseline:
    """Return the linear model of a task.

    Parameters
    ----------
    model : Classifier or Regressor
        Fitted.

    Returns
    -------
    Baseline
        Logistic regression, or ridge regression.
    """
    encoder, outputs = model.encoder_, _num_fitted(model)
    name = "LogisticRegression" if is_classifier(model) else "Ridge"
    return Baseline(
        name,
        encoder.width,
        encoder.encode,
        lambda num_rows: OF_AN_ENTRY * num_rows * encoder.width * outputs,
        lambda codes: LogisticRegression() if is_classifier(model) else Ridge(),
    )


def boosting(model: Any, rows: Any) -> Baseline:
    """Return HistGradientBoosting for a task.

    Parameters
    ----------
    model : Classifier or Regressor
        Fitted.
    rows : object
        Checked rows, as the encoder takes them.

    Returns
    -------
    Baseline
        With as many trees as there are classes or targets in each of at most 100 steps; one where there are two classes.
    """
    encoder, outputs = model.encoder_, _num_fitted(model)
    columns, categorical = unscaled(encoder, rows[:1])

    def make(codes: Array) -> Any:
        options: dict[str, Any] = {"categorical_features": categorical, "random_state": 0}
        if is_classifier(model):
            stops = len(codes) and np.unique(codes, return_counts=True)[1].min() >= ROWS_TO_STOP
            return HistGradientBoostingClassifier(early_stopping="auto" if stops else False, **options)
        boosted = HistGradientBoostingRegressor(loss=OF_LOSS.get(model.loss, "squared_error"), **options)
        return boosted if outputs == 1 else MultiOutputRegressor(boosted)

    return Baseline(
        "HistGradientBoosting",
        columns.shape[1],
        lambda some: unscaled(encoder, some)[0],
        lambda num_rows: outputs * columns.shape[1] * (OF_A_COLUMN + OF_A_CELL * num_rows),
        make,
    )


def _num_fitted(model: Any) -> int:
    """Return how many outputs are fitted: one where there are two classes."""
    num_outputs: int = model._num_outputs()
    return 1 if is_classifier(model) and num_outputs == 2 else num_outputs


def sample_for(baseline: Baseline, rows: Labelled, classifies: bool, seconds: float) -> Labelled | None:
    """Return the rows that a model is trained on: all, or half as many as often as it takes until it is quick.

    Parameters
    ----------
    baseline : Baseline
        The model.
    rows : Labelled
        All rows of the training, not encoded.
    classifies : bool
        Whether their labels are classes, which are in the sample in their shares.
    seconds : float
        How long it may take, about.

    Returns
    -------
    Labelled or None
        None where it would be too slow on a sample, too.
    """
    total = num_rows = len(rows.codes)

    def too_many() -> bool:
        return baseline.seconds_for(num_rows) > seconds or num_rows * baseline.width > MOST_ENTRIES

    while too_many() and num_rows >= 2 * FEWEST_ROWS:
        num_rows //= 2
    if too_many():
        return None
    if num_rows == total:
        return rows
    some, _, _ = split_rows(rows.codes if classifies else None, total, 1 - num_rows / total, 0)
    return rows.take(some)
