"""Rows with their labels as a fitted model takes them, not encoded yet."""

from __future__ import annotations

from typing import Any

from pysmorch.estimators.rows import Labelled, weighted_rows


def checked(model: Any, X: Any, y: Any, sample_weight: Any) -> Labelled:
    """Return checked rows with their labels and weights.

    Parameters
    ----------
    model : Classifier or Regressor
        Fitted.
    X, y, sample_weight : as for `fit`
        Rows of the training, or held-out ones.

    Returns
    -------
    Labelled
        Its weights are those that the rows have in a training, with the factors of the classes.

    Raises
    ------
    ValueError, TypeError
        For data that do not fit.
    """
    X, y, weights = weighted_rows(X, y, sample_weight, getattr(model, "classes_", None))
    rows = model._checked(X)
    codes = model._encode_labels(model._check_labels(y, len(rows)))
    return Labelled(rows, codes, model._row_weights(codes, weights), weights)
