"""The classes of a Classifier: the indices of labels, factors by class, and classes in a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from pysmorch.engine.rows import blocks_of
from pysmorch.estimators.rows import as_labels, refuse_missing
from pysmorch.layers.base import Array
from pysmorch.prediction.parameters import check_num_labels

ROWS_AT_A_TIME = 2**16
"""Labels that are looked up together: 8 bytes for each of very many rows are a good part of the memory."""


def checked_classes(y: Any, num_data: int) -> Array:
    """Return labels as an array, after checks of their number and kind.

    Parameters
    ----------
    y : array-like of shape (N,)
        Labels.
    num_data : int
        The number of rows N.

    Returns
    -------
    ndarray of shape (N,)
        The labels.

    Raises
    ------
    ValueError, TypeError
        For another number of labels, missing ones, and numbers that are no classes.
    """
    given = as_labels(y)
    if given.ndim == 1 and given.dtype.kind in "iub" and 2 * len(np.unique(given)) <= len(given) == num_data:
        return given  # nothing is wrong with these, which scikit-learn takes long to find out
    labels: Array = column_or_1d(given, warn=True)
    check_num_labels(labels, num_data)
    if labels.dtype.kind == "f":
        refuse_missing(labels, np.isnan(labels))
    if labels.dtype.kind == "O" and not isinstance(labels[0], (str, bytes, dict, list, set)):
        raise ValueError(
            f"y has labels of type {type(labels[0]).__name__}, such as {labels[0]!r}; expected texts, booleans or numbers of up "
            "to 64 bits; make them texts, as in [str(label) for label in y]"
        )
    check_classification_targets(labels)
    return labels


def class_anchors(codes: Array, weights: Array | None, num_classes: int) -> list[Array]:
    """Return equal logits, and the logarithms of the class frequencies; a class without rows counts as half a row.

    Parameters
    ----------
    codes : ndarray of shape (N,)
        Class indices.
    weights : ndarray of shape (N,) or None
        One weight per row.
    num_classes : int
        The number of classes K.

    Returns
    -------
    list of ndarray of shape (K,)
        The two anchors.
    """
    counts = np.bincount(codes, weights, minlength=num_classes)
    return [np.zeros(num_classes), np.log(np.maximum(counts, 0.5) / counts.sum())]


def class_indices(classes: Array, y: Array) -> Array:
    """Return the position of each label among the classes.

    Parameters
    ----------
    classes : ndarray of shape (K,)
        Sorted.
    y : ndarray of shape (N,)
        Labels.

    Returns
    -------
    ndarray of int32, shape (N,)
        Indices from 0 to K - 1.

    Raises
    ------
    ValueError
        For labels that are no classes.
    """
    known = {} if y.dtype.kind == classes.dtype.kind else {label: i for i, label in enumerate(classes.tolist())}
    indices, wrong = np.empty(len(y), np.int32), np.zeros(len(y), dtype=bool)
    for rows in blocks_of(len(y), ROWS_AT_A_TIME):
        labels = y[rows]
        found = np.array([known.get(label, -1) for label in labels.tolist()], np.int64) if known else None
        found = np.clip(np.searchsorted(classes, labels) if found is None else found, 0, len(classes) - 1)
        indices[rows], wrong[rows] = found, classes[found] != labels
    if wrong.any():
        unknown = ", ".join(repr(label) for label in np.unique(y[wrong]).tolist()[:5])
        known_ones = ", ".join(repr(label) for label in classes.tolist()[:20])
        raise ValueError(f"y has unknown labels {unknown}; the classes of this model are {known_ones}")
    return indices


def rows_by_class(class_weight: Any, classes: Array, codes: Array, sample_weight: Array | None) -> Array | None:
    """Return the weights of rows times the factors of their classes.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        The parameter of a Classifier.
    classes : ndarray of shape (K,)
        All classes.
    codes : ndarray of shape (N,)
        The class index of each row.
    sample_weight : ndarray of shape (N,) or None
        The weight of each row.

    Returns
    -------
    ndarray of shape (N,) or None
        The weights.

    Raises
    ------
    ValueError
        For factors that are none.
    """
    if class_weight is None:
        return sample_weight
    given = np.ones(len(codes)) if sample_weight is None else sample_weight
    if isinstance(class_weight, dict):
        of_class = _factors(class_weight, classes)
    elif class_weight == "balanced":
        counts = np.bincount(codes, given, minlength=len(classes))
        of_class = counts.sum() / (len(counts) * np.maximum(counts, 1e-300))
    else:
        raise ValueError(f'class_weight must be "balanced", a dictionary or None, but is {class_weight!r}')
    weights: Array = of_class[codes] * given
    return weights


def _factors(class_weight: dict[Any, float], classes: Array) -> Array:
    """Return the factor of each class, 1 for those without one; refuse names of no class where classes have none."""
    known = classes.tolist()
    strange = [name for name in class_weight if name not in known]
    if strange and len(strange) > len(class_weight) - len(known):
        known_ones = ", ".join(map(repr, known[:20]))
        raise ValueError(
            f"class_weight has a factor for {strange[0]!r}, which is no class; the classes are {known_ones}"
        )
    return np.array([class_weight.get(label, 1.0) for label in known], dtype=np.float64)
