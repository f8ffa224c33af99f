"""Metrics: what is measured beside the loss, each declared once: name, direction, what it takes, and the function.

Most functions are scikit-learn's, which is imported when the first one is called.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.layers.base import Array
from pysmorch.missing import missing_library

CALIBRATION_BINS = 15
"""Of equal width, between 0 and 1, for the expected calibration error."""

Takes = Literal["predictions", "values", "classes", "probabilities", "scores"]


@dataclass(frozen=True)
class Metric:
    """A measure of predictions, with its name and its direction.

    Parameters
    ----------
    name : str
        Its name in a `History`, after `"val_"` for validation data.
    function : callable
        Called as `function(labels, predictions)`, or `function(labels, predictions, sample_weight=w)` if `weighted`;
        returns a number.
    maximize : bool or None
        Whether larger values are better; None where that is not known.
    takes : {"predictions", "values", "classes", "probabilities", "scores"}, default="predictions"
        What the function is given:

        - "predictions": the labels as passed to `fit`, and `loss.predictions(output)`;
        - "values": values of shape (M, K) for both, from a regression loss;
        - "classes": class indices of shape (M,) for both;
        - "probabilities": class indices, and probabilities of shape (M, K);
        - "scores": class indices, and scores of shape (M, K), of which the largest is the class predicted.

        With several outputs of a `BinaryCrossEntropy` the last three are (M, K) for both.
    weighted : bool, default=False
        Whether the function takes `sample_weight`.

    Examples
    --------
    >>> from sklearn.metrics import cohen_kappa_score
    >>> kappa = Metric("kappa", cohen_kappa_score, maximize=True, takes="classes", weighted=True)
    >>> round(kappa.measure([0, 1, 1, 0], [0, 1, 1, 1]), 3)
    0.5
    """

    name: str
    function: Callable[..., Any]
    maximize: bool | None
    takes: Takes = "predictions"
    weighted: bool = False

    def measure(self, labels: ArrayLike, predictions: ArrayLike, sample_weight: Array | None = None) -> float:
        """Return the metric of some samples.

        Parameters
        ----------
        labels, predictions : array_like
            In the form that the metric takes.
        sample_weight : ndarray of shape (M,), default=None
            One factor per sample; not used where the metric is not `weighted`.

        Returns
        -------
        float
            The value; NaN where it is not defined for these labels, such as "auc" for labels of one class.
        """
        if not self.weighted:
            return float(self.function(labels, predictions))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # classes that do not occur in a small validation set
            return float(self.function(labels, predictions, sample_weight=sample_weight))


Metrics = Mapping[str, Callable[[Any, Any], Any]] | Sequence[str | Metric]
"""What `fit` and `evaluate` take: names and `Metric` objects, or functions of (labels, predictions) by name."""


def as_metric(metric: str | Metric, argument: str = "metrics") -> Metric:
    """Return a metric, or the one of that name.

    Parameters
    ----------
    metric : str or Metric
        A name in `METRICS`, or "top_" and a number.
    argument : str, default="metrics"
        What the argument is called in the message of an error.

    Returns
    -------
    Metric
        The metric.

    Raises
    ------
    ValueError
        For a name that is not known; says which one is nearest.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        if metric in METRICS:
            return METRICS[metric]
        if top := re.fullmatch(r"top_([1-9]\d*)", metric):
            return Metric(metric, partial(_top, count=int(top[1])), True, "scores", weighted=True)
    close = get_close_matches(metric.lower(), [*METRICS, "top_5"], n=1) if isinstance(metric, str) else []
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(f"{argument}: there is no metric {metric!r}; {hint}There are {METRIC_NAMES}")


def as_metrics(metrics: Metrics | None) -> list[Metric]:
    """Return the metrics of an argument `metrics`; functions become metrics of which the direction is not known.

    Parameters
    ----------
    metrics : list of str or Metric, dict of functions by name, or None
        What was passed to `fit` or `evaluate`.

    Returns
    -------
    list of Metric
        The metrics.

    Raises
    ------
    ValueError
        For a name that is not known, and for anything else.
    """
    if metrics is None:
        return []
    if isinstance(metrics, Mapping):
        wrong = [name for name, function in metrics.items() if not callable(function)]
        if wrong:
            raise ValueError(f"metrics must map names to functions of (labels, predictions), but {wrong[0]!r} has none")
        return [Metric(name, function, None) for name, function in metrics.items()]
    if isinstance(metrics, (str, Metric)) or not isinstance(metrics, Sequence):
        raise ValueError(f'metrics must be a list such as ["auc", "f1"] or a dict of functions, but is {metrics!r}')
    return [as_metric(metric) for metric in metrics]


# Classes. Labels are (M,), or (M, K) zeros and ones where several classes of a sample may be right.


def _accuracy(labels: Array, predictions: Array, sample_weight: Array | None = None) -> float:
    right = np.asarray(labels) == predictions
    return float(np.average(right if right.ndim == 1 else right.mean(1), weights=sample_weight))


def _of_classes(labels: Array, p: Array, sample_weight: Array | None = None, *, function: str) -> float:
    """F1, precision or recall: of class 1 where there are two, else the mean over the classes ("macro")."""
    predicted = p.argmax(1) if np.ndim(labels) == 1 else np.asarray(p) > 0.5
    average = "binary" if np.ndim(labels) == 1 and p.shape[1] == 2 else "macro"
    return _sklearn(function)(labels, predicted, sample_weight=sample_weight, average=average, zero_division=0)


def _auc(labels: Array, p: Array, sample_weight: Array | None = None) -> float:
    """Return the area for class 1 of two, else the mean over the classes against the rest, where both occur."""
    score = _sklearn("roc_auc_score")
    right = np.asarray(labels)
    if right.ndim == 1:
        right = right[:, None] == (np.arange(p.shape[1]) if p.shape[1] != 2 else np.array([1]))
        p = p[:, -right.shape[1] :]
    areas = [
        score(right[:, k], p[:, k], sample_weight=sample_weight)
        for k in range(right.shape[1])
        if 0 < right[:, k].sum() < len(right)
    ]
    return float(np.mean(areas)) if areas else float("nan")


def _log_loss(labels: Array, p: Array, sample_weight: Array | None = None) -> float:
    score = _sklearn("log_loss")
    if np.ndim(labels) == 1:
        return score(labels, p, sample_weight=sample_weight, labels=np.arange(p.shape[1]))
    return float(
        np.mean([score(labels[:, k], p[:, k], sample_weight=sample_weight, labels=[0, 1]) for k in range(p.shape[1])])
    )


def _calibration_error(labels: Array, p: Array, sample_weight: Array | None = None) -> float:
    """Return the mean distance of confidence and accuracy over bins of equal width (Guo, Pleiss, Sun and Weinberger, 2017)."""
    if np.ndim(labels) == 1:
        confidence, right = p.max(1), p.argmax(1) == labels
    else:
        confidence, right = np.maximum(p, 1 - p).ravel(), ((p > 0.5) == (np.asarray(labels) > 0.5)).ravel()
    given = np.ones(len(p)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    w = np.repeat(given, confidence.size // len(p))
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    differences = np.bincount(bins, w * (right - confidence), minlength=CALIBRATION_BINS)
    return float(np.abs(differences).sum() / w.sum())


def _top(labels: Array, scores: Array, sample_weight: Array | None = None, *, count: int) -> float:
    """Return the fraction of samples of which fewer than `count` scores are above that of the right class."""
    if np.ndim(labels) != 1:
        raise ValueError(f"metrics: top_{count} needs one class for each sample")
    own = np.take_along_axis(scores, np.asarray(labels, np.intp)[:, None], 1)
    return float(np.average((scores > own).sum(1) < count, weights=sample_weight))


def _sklearn(name: str) -> Callable[..., float]:
    try:
        return getattr(import_module("sklearn.metrics"), name)
    except ModuleNotFoundError as error:
        raise missing_library(error, f"the metric {name}") from error


def _call(labels: Array, predictions: Array, sample_weight: Array | None = None, *, function: str) -> float:
    return _sklearn(function)(labels, predictions, sample_weight=sample_weight)


def _plain(name: str, function: str, maximize: bool, takes: Takes) -> Metric:
    return Metric(name, partial(_call, function=function), maximize, takes, weighted=True)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _accuracy, True, "classes", weighted=True),
        _plain("balanced_accuracy", "balanced_accuracy_score", True, "classes"),
        Metric("f1", partial(_of_classes, function="f1_score"), True, "probabilities", weighted=True),
        Metric("precision", partial(_of_classes, function="precision_score"), True, "probabilities", weighted=True),
        Metric("recall", partial(_of_classes, function="recall_score"), True, "probabilities", weighted=True),
        Metric("auc", _auc, True, "probabilities", weighted=True),
        Metric("log_loss", _log_loss, False, "probabilities", weighted=True),
        Metric("ece", _calibration_error, False, "probabilities", weighted=True),
        _plain("mae", "mean_absolute_error", False, "values"),
        _plain("mse", "mean_squared_error", False, "values"),
        _plain("rmse", "root_mean_squared_error", False, "values"),
        _plain("mape", "mean_absolute_percentage_error", False, "values"),
        _plain("median_absolute_error", "median_absolute_error", False, "values"),
        _plain("r2", "r2_score", True, "values"),
    )
}
"""The metrics by name, besides "top_K". With several outputs a metric of values is the mean over them.

"f1", "precision" and "recall" are those of class 1 where there are two classes, else the mean over the classes ("macro").
"auc" is the area under the ROC curve of class 1 where there are two, else the mean over the classes, each against the rest.
"ece" is the expected calibration error: over 15 bins of the largest probability, the mean distance between it and how often it is right.
"""

METRIC_NAMES = f"{', '.join(METRICS)}, and top_ with a number, such as top_5"
"""All names, for messages and help."""
