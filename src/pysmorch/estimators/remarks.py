"""What is said about labels: classes with few rows, and targets of which a few dwarf the others."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from pysmorch.encoders.objects import is_missing
from pysmorch.entries import list_names
from pysmorch.layers.base import Array
from pysmorch.warnings import PysmorchWarning

ROWS_TO_JUDGE = 20
"""With fewer rows nothing is said."""

FEW_OF_A_CLASS = 5
"""A class with fewer rows is hardly learned, and cannot be in all parts of the usual cross-validation."""

VERY_SKEWED = 3.0
"""Skewness of a target from which a few rows make most of its squared loss."""

MANY_VALUES = 20
"""Targets with at most so many distinct values are counts or codes, whose skewness says little."""


def warn_of_classes(y: Array, classes: Array) -> None:
    """Warn of classes with few rows.

    Parameters
    ----------
    y : ndarray of shape (N,)
        The class of each row.
    classes : ndarray of shape (K,)
        All classes, sorted, that come in y.
    """
    counts = np.unique(y, return_counts=True)[1]
    few = counts < FEW_OF_A_CLASS
    if len(y) < ROWS_TO_JUDGE or not few.any():
        return
    named = [f"{label!r} ({count})" for label, count in zip(classes[few].tolist(), counts[few].tolist(), strict=True)]
    single = ", and one with a single row is never held out" if (counts == 1).any() else ""
    warnings.warn(
        f"y has classes with few rows: {list_names(named)}; they are hardly learned{single}; join or leave out such "
        "classes, or add rows of them",
        PysmorchWarning,
        stacklevel=2,
    )


def warn_of_weightless(labels: Array, counting: Array) -> None:
    """Warn of classes whose rows all have the weight 0.

    Parameters
    ----------
    labels : ndarray of shape (N,)
        Those of all rows, some of which may be missing.
    counting : ndarray of shape (n,)
        Those of the rows with a weight.
    """
    known = _distinct(counting)
    lost = sorted(_distinct(labels) - known, key=str)
    if lost and len(known) > 1:  # of one class nothing can be learned, which is an error that says so
        one = len(lost) == 1
        warnings.warn(
            f"sample_weight: all rows of the {'class' if one else 'classes'} {list_names([repr(label) for label in lost])} have the weight 0, "
            f"so that the model does not know {'it' if one else 'them'}; leave such rows out, or give some of them a weight",
            PysmorchWarning,
            stacklevel=2,
        )


def _distinct(labels: Array) -> set[Any]:
    values = labels.tolist() if labels.dtype.kind == "O" else np.unique(labels).tolist()
    return {value for value in values if not is_missing(value)}


def warn_of_skew(targets: Array) -> None:
    """Warn of a target so skewed that a few rows have most of the squared loss.

    Parameters
    ----------
    targets : ndarray of float64, shape (N, K)
        In the user's units.
    """
    for column, values in enumerate(targets.T):
        skewness = _skewness(values)
        if len(values) < ROWS_TO_JUDGE or abs(skewness) < VERY_SKEWED or len(np.unique(values)) <= MANY_VALUES:
            continue
        helps = values.min() >= 0 and abs(_skewness(np.log1p(values))) < abs(skewness) / 2
        logarithm = "on its logarithm (log1p, and expm1 of predictions), or " if helps else ""
        which = "y" if targets.shape[1] == 1 else f"y[:, {column}]"
        warnings.warn(
            f"{which} is very skewed (skewness {skewness:.1f}, mean {values.mean():.4g}, median {np.median(values):.4g}, "
            f"largest {np.abs(values).max():.4g}): a few rows have most of the squared loss; "
            f"train {logarithm}with the loss absolute or huber",
            PysmorchWarning,
            stacklevel=2,
        )


def _skewness(values: Array) -> float:
    in_units = values / (np.abs(values).max(initial=0.0) or 1.0)  # squares of any numbers are in range
    centred = in_units - in_units.mean()
    std = np.sqrt(np.mean(centred**2))
    return float(np.mean((centred / std) ** 3)) if std > 0 else 0.0
