"""A limit of time that is too short to read and encode all rows: a part of them is drawn before that.

How long it would take is found by encoding some rows, twice as many the second time, since the first ones take what is loaded once.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier

from pysmorch.encoders import encode_rows, kind_of
from pysmorch.encoders.cells import count_rows, some_rows
from pysmorch.estimators import budget as limits
from pysmorch.estimators.budget import Budget
from pysmorch.estimators.rows import as_labels, weighted_rows
from pysmorch.estimators.splitting import SplitBy
from pysmorch.layers.base import Array
from pysmorch.prediction.parameters import check_num_labels
from pysmorch.sources.streaming import StreamedTable

TRIED = 10_000
"""Rows that are encoded first, to see how long it takes."""

FEWEST = 200_000
"""Fewer rows are always encoded."""

PART_FOR_ENCODING = 0.3
"""Of the time that is left."""


class Drawn(NamedTuple):
    """Rows that are encoded.

    Attributes
    ----------
    X, y, sample_weight : as for `fit`
        Those drawn.
    by : SplitBy or None
        What says which of them are held out.
    labels : ndarray or None
        The labels of all rows; None where all are encoded.
    """

    X: Any
    y: Any
    sample_weight: Any
    by: SplitBy | None
    labels: Array | None = None


def rows_to_encode(
    estimator: Any, X: Any, y: Any, sample_weight: Any, by: SplitBy | None, budget: Budget | None, seed: int
) -> Drawn:
    """Return all rows, or where encoding them would take too much of a limit of time as many as do not, drawn at random.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters.
    X, y, sample_weight : as for `fit`
        All rows.
    by : SplitBy or None
        What says which of them are held out.
    budget : Budget or None
        The time; None for any.
    seed : int
        The same seed draws the same rows of as many.

    Returns
    -------
    Drawn
        The rows.

    Raises
    ------
    ValueError, TypeError
        For labels and weights that do not fit.
    """
    if budget is None:
        return Drawn(X, y, sample_weight, by)
    X, y, weights = weighted_rows(X, y, sample_weight, learns_classes=is_classifier(estimator))
    count = count_rows(X)
    if count < FEWEST or isinstance(X, StreamedTable):
        return Drawn(X, y, weights, by)
    labels = as_labels(y)
    check_num_labels(labels, count)
    first, second = (_seconds(estimator, X, number) for number in (TRIED, 2 * TRIED))
    seconds, time = (second - first) / TRIED * count, PART_FOR_ENCODING * max(budget.left, 0.0)
    if seconds <= time:
        return Drawn(X, y, weights, by)
    used = max(TRIED, int(count * time / seconds))
    budget.given_up.append(f"encoding {used:,} of {count:,} rows")
    rows = np.sort(np.random.default_rng(seed).permutation(count)[:used])
    some = some_rows(X, rows), labels[rows], None if weights is None else weights[rows]
    return Drawn(*some, None if by is None else by.take(rows), labels)


def _seconds(estimator: Any, X: Any, number: int) -> float:
    """Return how long it takes to learn how some rows are encoded, and to encode them; 0 where they cannot be."""
    start = limits.clock()
    some = some_rows(X, np.linspace(0, count_rows(X) - 1, number).astype(np.intp))
    encoder = kind_of(some, estimator.pixels, bool(estimator.columns) or estimator.missing is not None)()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the training says it of all rows
        try:
            encoder.choose(estimator.columns or {}, estimator.missing)
            rows = encoder.check(some, copy.copy(estimator), reset=True)
            encoder.learn(rows, None, np.arange(number) % 2)
            encode_rows(encoder, rows)[:]
        except (ValueError, TypeError):
            return 0.0
    return limits.clock() - start
