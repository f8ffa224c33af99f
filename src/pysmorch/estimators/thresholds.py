"""Choosing the decision threshold of two classes by held-out rows."""

from __future__ import annotations

import numpy as np

from pysmorch.layers.base import Array

AS_GOOD = 1e-12
"""Values of a metric that differ by no more than this are the same; of such thresholds the one nearest to 0.5 is taken."""


def best_threshold(p: Array, positive: Array, weights: Array | None, metric: str) -> float:
    """Return the threshold of the probability of the second class with the largest value of a metric.

    Parameters
    ----------
    p : ndarray of shape (N,)
        The probability of the second class.
    positive : ndarray of bool, shape (N,)
        Whether a row is of that class; rows of both classes are there.
    weights : ndarray of shape (N,) or None
        Of the rows.
    metric : {"f1", "balanced_accuracy", "accuracy"}
        What is measured; F1 is that of the second class.

    Returns
    -------
    float
        Half way between two probabilities, or between one and 0 or 1.
    """
    order = np.argsort(-p, kind="stable")
    p, positive = p[order], positive[order]
    w = np.ones(len(p)) if weights is None else weights[order]
    last = np.append(np.flatnonzero(p[1:] != p[:-1]), len(p) - 1)  # of the rows that have the same probability
    right, wrong = (np.append(0.0, np.cumsum(w * of_class)[last]) for of_class in (positive, ~positive))
    values = {
        "f1": 2 * right / (right + wrong + right[-1]),
        "balanced_accuracy": (right / right[-1] + 1 - wrong / wrong[-1]) / 2,
        "accuracy": (right + wrong[-1] - wrong) / (right[-1] + wrong[-1]),
    }[metric]
    thresholds = (np.append(1.0, p[last]) + np.append(p[last], 0.0)) / 2
    best = np.flatnonzero(values >= values.max() - AS_GOOD)
    return float(thresholds[best[np.abs(thresholds[best] - 0.5).argmin()]])
