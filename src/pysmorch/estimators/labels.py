"""Several labels of a row at once: a column of 0 and 1 for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.estimators.rows import as_labels, refuse_missing
from pysmorch.layers.base import Array
from pysmorch.prediction.parameters import check_num_labels


def is_indicator(y: Any) -> bool:
    """Whether y has several columns."""
    labels = np.asarray(y)
    return labels.ndim == 2 and labels.shape[1] > 1


def checked_indicators(y: Any, num_data: int, num_labels: int | None = None) -> Array:
    """Return labels as an array of 0 and 1.

    Parameters
    ----------
    y : array-like of shape (N, K)
        Which labels each row has.
    num_data : int
        The number of rows N.
    num_labels : int or None, default=None
        Their number K, where that is known.

    Returns
    -------
    ndarray of bool, shape (N, K)
        The labels.

    Raises
    ------
    ValueError, TypeError
        For another number of labels, missing ones, and what is neither 0 nor 1.
    """
    labels = as_labels(y)
    check_num_labels(labels, num_data)
    if num_labels is not None and (labels.ndim != 2 or labels.shape[1] != num_labels):
        raise ValueError(
            f"y has the shape {labels.shape}, but the model has {num_labels} labels; pass a column for each"
        )
    if labels.dtype.kind == "f":
        refuse_missing(labels, np.isnan(labels))
    wrong = np.ones(labels.shape, dtype=bool) if labels.dtype.kind not in "iufb" else (labels != 0) & (labels != 1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"y should be a 1d array of classes, or have a column of 0 and 1 for each of several labels, but row {row} has "
            f"{labels[row, column].item()!r} in column {column}"
        )
    return labels.astype(bool)


def of_one_class(estimator: Any) -> list[tuple[str, Any]]:
    """Return the parameters that are for one class of each row.

    Parameters
    ----------
    estimator : Classifier
        With its parameters.

    Returns
    -------
    list of (str, object)
        Names and values of those that are given.
    """
    given = {
        "label_smoothing": estimator.label_smoothing != 0,
        "class_weight": estimator.class_weight is not None,
        "threshold": estimator.threshold is not None,
        "conformal_fraction": estimator.conformal_fraction != 0,
        "calibrate": estimator.calibrate not in ("auto", False),
    }
    return [(name, getattr(estimator, name)) for name, is_given in given.items() if is_given]


def check_of_several(estimator: Any) -> None:
    """Refuse parameters that are for one class of each row.

    Parameters
    ----------
    estimator : Classifier
        Its y has several columns.
    """
    for name, value in of_one_class(estimator):
        raise ValueError(f"y has several labels for each row, but {name}={value!r} is for one class; leave it out")


def label_anchors(codes: Array, weights: Array | None) -> list[Array]:
    """Return logits of 0, and the log-odds of the shares; a label that all rows or none have counts as half a row more.

    Parameters
    ----------
    codes : ndarray of shape (N, K)
        0 and 1.
    weights : ndarray of shape (N,) or None
        One weight per row.

    Returns
    -------
    list of ndarray of shape (K,)
        The two anchors.
    """
    shares = np.average(codes.astype(np.float64), axis=0, weights=weights)
    least = 0.5 / len(codes)
    shares = np.clip(shares, least, 1 - least)
    return [np.zeros(codes.shape[1]), np.log(shares / (1 - shares))]
