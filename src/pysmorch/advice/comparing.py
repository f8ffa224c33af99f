"""A network beside simpler models: they are trained on its rows, and measured on the same held-out ones."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import config_context
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from pysmorch.advice.baselines import MOST_ENTRIES, Baseline, boosting, linear, sample_for
from pysmorch.advice.comparison import Comparison, Measured, is_clear, losses_of_classes, losses_of_numbers, value_of
from pysmorch.advice.rows import checked
from pysmorch.encoders import has_columns
from pysmorch.engine import num_threads
from pysmorch.engine.rows import blocks_of
from pysmorch.estimators import Classifier, Regressor
from pysmorch.estimators.related import related_rows
from pysmorch.estimators.rows import Labelled
from pysmorch.layers.base import Array
from pysmorch.sources.streaming import StreamedTable

AT_LEAST = 2.0
"""Seconds that each of the models may take in any case."""

ROWS_FOR_THREADS = 50_000
"""With fewer rows threads wait for each other longer than they work, most of all on a busy machine."""


def compare_with_baselines(
    model: Classifier | Regressor,
    X_train: Any,
    y_train: ArrayLike,
    X_test: Any,
    y_test: ArrayLike,
    train_weight: ArrayLike | None = None,
    test_weight: ArrayLike | None = None,
    seconds: float | None = None,
    groups: ArrayLike | None = None,
) -> Comparison:
    """Train a linear model and HistGradientBoosting on the rows of a network, and measure all on the same held-out rows.

    Parameters
    ----------
    model : Classifier or Regressor
        Fitted.
    X_train : array-like or data frame
        The rows of its training.
    y_train : array-like of shape (N,) or (N, K)
        Their labels.
    X_test : array-like or data frame
        Held-out rows.
    y_test : array-like of shape (M,) or (M, K)
        Their labels.
    train_weight, test_weight : array-like, default=None
        Weights of the rows.
    seconds : float, default=None
        How long the training of the network took; None for what its history says. Each of the others may take about as long, and two
        seconds in any case: one that would take longer is trained on a sample of the rows, or left out.
    groups : array-like of shape (N,), default=None
        The group of each row of the training, where rows of one group belong together.

    Returns
    -------
    Comparison
        Printed, it is a line for each of the other models.

    Raises
    ------
    ValueError, TypeError
        For a model of images or of quantiles, a table in files, and data that do not fit.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from pysmorch import Classifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = Classifier(random_state=0).fit(X[::2], y[::2])
    >>> compare_with_baselines(model, X[::2], y[::2], X[1::2], y[1::2]).to_dict()["model"]
    ['Classifier', 'LogisticRegression', 'HistGradientBoosting']
    """
    model._check_fitted()
    reason = unsupported_reason(model, X_train, X_test)
    if reason is not None:
        raise ValueError(f"model cannot be compared with baselines: {reason}")
    rows, held_out = checked(model, X_train, y_train, train_weight), checked(model, X_test, y_test, test_weight)
    by = related_rows(X_train, y_train, train_weight, groups, None, getattr(model, "classes_", None)).by
    model.encoder_.keep_together(None if by is None else by.groups)
    model.encoder_.learn_rows(rows.rows, rows.sample_weight, rows.codes)
    if is_classifier(model) and len(np.unique(rows.codes)) < 2:
        raise ValueError("y_train has one class only; a comparison needs at least two")
    if seconds is None and hasattr(model, "history_"):
        seconds = sum(model.history_.get("seconds", []))
    threads = 1 if len(rows.codes) < ROWS_FOR_THREADS else model.threads or num_threads()
    with config_context(assume_finite=True), threadpool_limits(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 100 iterations are what it gets
        return _compared(model, rows, held_out, seconds)


def unsupported_reason(model: Any, *inputs: Any) -> str | None:
    """Return why a model cannot be compared with others.

    Parameters
    ----------
    model : Classifier or Regressor
        Fitted.
    *inputs : object
        Rows that are to be used.

    Returns
    -------
    str or None
        None where it can.
    """
    if any(isinstance(X, StreamedTable) for X in inputs):
        return "the rows are read block by block, since the memory does not hold them"
    if not has_columns(model.encoder_):
        return "its rows are images, or pixels, and have no columns"
    if model.loss == "quantile":
        return "it predicts quantiles"
    return None


def _compared(model: Any, rows: Labelled, held_out: Labelled, seconds: float | None) -> Comparison:
    """Train and measure the other models."""
    of_network, unit = _losses(model, _of_network(model, held_out.rows), held_out.codes)
    weights = held_out.sample_weight
    values = {name: value_of(name, losses, weights, unit) for name, losses in of_network.items()}
    network = Measured(type(model).__name__, values, seconds, len(rows.codes))
    others = []
    for baseline in (linear(model), boosting(model, rows.rows)):
        some = sample_for(baseline, rows, is_classifier(model), max(AT_LEAST, seconds or 0.0))
        if some is None:
            others.append(Measured(baseline.name, {}, None, 0))
            continue
        predicted, taken = _trained(model, baseline, some, held_out.rows)
        losses, _ = _losses(model, predicted, held_out.codes)
        values = {name: value_of(name, of_rows, weights, unit) for name, of_rows in losses.items()}
        higher = {name: 1 if name == "accuracy" else -1 for name in values}
        better_by = {
            name: higher[name] * (network.values[name] - values[name])
            for name, of_rows in losses.items()
            if is_clear(of_rows - of_network[name], weights)
        }
        others.append(Measured(baseline.name, values, taken, len(some.codes), better_by))
    return Comparison(network, others)


def _of_network(model: Any, rows: Any) -> Array:
    """Return what the network predicts: probabilities, or numbers in the units of the loss."""
    size = MOST_ENTRIES // model.encoder_.width + 1
    outputs = [model.network_.predict(model.encoder_.encode(rows[part])) for part in blocks_of(len(rows), size)]
    predictions: Array = model.network_.loss.predictions(np.concatenate(outputs).astype(np.float64))
    return predictions


def _trained(model: Any, baseline: Baseline, some: Labelled, held_out: Any) -> tuple[Array, float]:
    """Return what another model predicts like `_of_network`, and the seconds of its training."""
    codes = some.codes
    targets = codes if is_classifier(model) or codes.shape[1] > 1 else codes[:, 0]
    started = time.perf_counter()
    fitted = baseline.make(codes).fit(baseline.features(some.rows), targets, some.weights)
    taken = time.perf_counter() - started
    size = MOST_ENTRIES // baseline.width + 1
    parts = [baseline.features(held_out[part]) for part in blocks_of(len(held_out), size)]
    if not is_classifier(model):
        return np.concatenate([fitted.predict(part).reshape(len(part), -1) for part in parts]), taken
    p = np.zeros((len(held_out), model._num_outputs()))
    p[:, fitted.classes_] = np.concatenate([fitted.predict_proba(part) for part in parts])
    return p, taken


def _losses(model: Any, predicted: Array, codes: Array) -> tuple[dict[str, Array], float]:
    """Return the losses of held-out rows in each measure, and the unit of numbers, which are measured in those of the labels."""
    if is_classifier(model):
        return losses_of_classes(predicted, codes), 1.0
    unit = float(model._target_scale.max())
    scale = model._target_scale / unit
    return losses_of_numbers(predicted * scale, codes.astype(np.float64) * scale), unit
