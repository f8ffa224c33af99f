"""How a Classifier decides for a class: by the largest probability, by a threshold, or by costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array

THRESHOLD_METRICS = ("f1", "balanced_accuracy", "accuracy")
"""What a threshold can be chosen for."""

Rule = float | Array | None
"""A threshold of the probability of the second class, a matrix of costs, or nothing."""


def check_threshold(threshold: Any) -> None:
    """Refuse a parameter `threshold` that is none, before the classes are known.

    Parameters
    ----------
    threshold : object
        The parameter.

    Raises
    ------
    ValueError
        Says what is expected.
    """
    if threshold is None or isinstance(threshold, dict):
        return
    if isinstance(threshold, str):
        good = threshold in THRESHOLD_METRICS
    elif isinstance(threshold, (int, float, np.integer, np.floating)):
        good = bool(0 < threshold < 1)
    else:
        good = isinstance(threshold, (list, tuple, np.ndarray)) and np.ndim(threshold) == 2
    if not good:
        raise ValueError(
            f"threshold must be one of {', '.join(THRESHOLD_METRICS)}, a number between 0 and 1, a matrix of costs, or a dictionary "
            f"of costs by (right class, predicted class), but is {threshold!r}"
        )


def rule_of(threshold: Any, classes: Array) -> Rule:
    """Return what a parameter `threshold` says for these classes.

    Parameters
    ----------
    threshold : str, float, dict, array-like or None
        The parameter, after `check_threshold`.
    classes : ndarray of shape (K,)
        The classes.

    Returns
    -------
    float, ndarray of shape (K, K) or None
        The threshold or the costs; None without a parameter, and for a metric, whose threshold is yet to be chosen.

    Raises
    ------
    ValueError
        It does not fit the classes.
    """
    if threshold is None:
        return None
    if isinstance(threshold, (str, int, float, np.number)):
        if len(classes) != 2:
            raise ValueError(
                f"threshold={threshold!r} is for two classes, but y has {len(classes)}; say what mistakes cost, as in "
                "threshold={(right class, predicted class): 5}"
            )
        return None if isinstance(threshold, str) else float(threshold)
    return _costs_of_pairs(threshold, classes) if isinstance(threshold, dict) else _costs(threshold, len(classes))


def _costs(threshold: Any, num_classes: int) -> Array:
    try:
        costs = np.array(threshold, dtype=np.float64)
    except (TypeError, ValueError):
        costs = np.empty((0, 0))
    if costs.shape != (num_classes, num_classes) or not np.isfinite(costs).all():
        raise ValueError(
            f"threshold: a matrix of costs needs {num_classes} rows, one for each right class, of {num_classes} finite numbers, "
            f"one for each predicted class, but is {threshold!r}"
        )
    return costs


def _costs_of_pairs(pairs: dict[Any, Any], classes: Array) -> Array:
    """Return costs of which some are said; other mistakes cost one, and right predictions nothing."""
    known = classes.tolist()
    costs = 1.0 - np.eye(len(known))
    for pair, cost in pairs.items():
        if not isinstance(pair, tuple) or len(pair) != 2 or any(label not in known for label in pair):
            raise ValueError(
                f"threshold: costs are by (right class, predicted class), but {pair!r} is no such pair; the classes are "
                f"{', '.join(map(repr, known[:20]))}"
            )
        if not isinstance(cost, (int, float, np.integer, np.floating)) or not np.isfinite(cost):
            raise ValueError(f"threshold: the cost of {pair!r} must be a finite number, but is {cost!r}")
        costs[known.index(pair[0]), known.index(pair[1])] = cost
    return costs


def decide(p: Array, rule: Rule) -> Array:
    """Return the class that is predicted for each row.

    Parameters
    ----------
    p : ndarray of shape (N, K)
        Probabilities.
    rule : float, ndarray of shape (K, K) or None
        From `rule_of`; with costs the class whose expected cost is the smallest.

    Returns
    -------
    ndarray of int, shape (N,)
        Class indices.
    """
    if rule is None:
        return p.argmax(1)
    if isinstance(rule, float):
        return (p[:, 1] >= rule).astype(np.intp)
    return np.einsum("ni,ij->nj", p, rule).argmin(1)
