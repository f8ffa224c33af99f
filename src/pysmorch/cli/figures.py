"""How good a model is, as numbers and as text, beside always guessing the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.metrics import confusion_matrix, mean_absolute_error, r2_score, root_mean_squared_error

from pysmorch.entries import escaped
from pysmorch.estimators import Classifier
from pysmorch.layers.base import Array
from pysmorch.losses import CrossEntropy, SquareLoss
from pysmorch.metrics import METRICS, Metric

MAX_CONFUSION = 12
"""Classes up to which the whole confusion table is shown; of more, the commonest confusions."""

SMALLEST = 1e-15
"""Probabilities below it count as it, so that one row does not make the log loss infinite."""

TAKEN = {"classification": CrossEntropy.metric_inputs, "regression": SquareLoss.metric_inputs}
"""What a metric may take, by task."""


Labels = tuple[Array, Array | None]
"""Labels and the weights of their rows, if they have any."""


@dataclass
class Figures:
    """Measured values by name, those of always guessing the same, and all of it as text."""

    values: dict[str, float]
    baseline: dict[str, float]
    text: str


def check_metrics(metrics: Sequence[Metric], task: str) -> None:
    """Refuse metrics that take what a task does not predict.

    Raises ValueError, which lists those that fit.
    """
    for metric in metrics:
        if metric.takes not in TAKEN[task]:
            possible = ", ".join(name for name, other in METRICS.items() if other.takes in TAKEN[task])
            raise ValueError(
                f"--metric {metric.name} takes {metric.takes}, which {task} does not predict; take one of {possible}"
            )


def measure(
    model: Any, X: Any, y: Array, weights: Array | None, known: Labels, metrics: Sequence[Metric] = ()
) -> Figures:
    """Measure a model on rows X, which were searched for what is not finite, with the right answers y.

    What is always guessed for comparison comes from `known`, the labels of the training or, where those are not known, y.

    Raises ValueError for labels that the model does not know.
    """
    of_task = _of_classes if isinstance(model, Classifier) else _of_numbers
    return of_task(model, X, y, weights, known, metrics)


def _measured(
    metrics: Sequence[Metric], takes: dict[str, tuple[Array, Array]], weights: Array | None
) -> tuple[dict[str, float], list[str]]:
    """Return the values of metrics by name, and a line for each; `takes` has labels and predictions in each form."""
    values = {metric.name: metric.measure(*takes[metric.takes], weights) for metric in metrics}
    return values, [f"{name}  {value:.5g}" for name, value in values.items()]


def _of_classes(
    model: Any, X: Any, y: Array, weights: Array | None, known: Labels, metrics: Sequence[Metric]
) -> Figures:
    codes = model.encode_labels(y)
    with config_context(assume_finite=True):
        p = model.predict_proba(X)
    guessed = model._decide(p)
    counts = np.bincount(model.encode_labels(known[0]), known[1], minlength=model.n_classes_)
    frequencies = counts / counts.sum()
    commonest, losses = int(frequencies.argmax()), -np.log(np.clip(frequencies, SMALLEST, None))
    values = {"accuracy": _mean(guessed == codes, weights), "log loss": _log_loss(codes, p, weights)}
    values["ECE"] = METRICS["ece"].measure(codes, p, weights)
    baseline = {"accuracy": _mean(codes == commonest, weights), "log loss": _mean(losses[codes], weights)}
    takes = {"classes": (codes, guessed), "probabilities": (codes, p), "scores": (codes, p)}
    more, lines = _measured(metrics, takes, weights)
    names = [escaped(str(label)) for label in model.classes_.tolist()]
    text = [
        f"accuracy  {values['accuracy']:.4f}   (always {names[commonest]}: {baseline['accuracy']:.4f})",
        f"log loss  {values['log loss']:.4f}   (always the class frequencies: {baseline['log loss']:.4f})",
        f"ECE       {values['ECE']:.4f}   (expected calibration error of the probabilities)",
        *lines,
        _confusion(codes, guessed, names),
    ]
    return _figures(values | more, baseline, text)


def _mean(values: Array, weights: Array | None) -> float:
    return float(np.average(values, weights=weights))


def _log_loss(codes: Array, p: Array, weights: Array | None) -> float:
    # That of scikit-learn makes several matrices like p, which may be of millions of rows.
    right = np.clip(p[np.arange(len(codes)), codes], SMALLEST, None)
    return _mean(-np.log(right / p.sum(1)), weights)


def _of_numbers(
    model: Any, X: Any, y: Array, weights: Array | None, known: Labels, metrics: Sequence[Metric]
) -> Figures:
    if y.dtype.kind not in "fiub":
        raise ValueError(f"the model predicts numbers, but the target holds text such as {y.tolist()[0]!r}")
    with config_context(assume_finite=True):
        predicted = model.predict(X)
    measured = []
    if predicted.ndim > y.ndim:  # several quantiles
        middle = int(np.argmin(np.abs(np.asarray(model.quantile) - 0.5)))
        predicted = predicted[:, middle]
        measured = [f"of the predictions of the quantile {model.quantile[middle]}:"]
    values = _errors(y, predicted, weights)
    baseline = _errors(y, np.full(len(y), np.average(known[0], weights=known[1])), weights)
    more, lines = _measured(metrics, {"values": (y.reshape(len(y), -1), predicted.reshape(len(y), -1))}, weights)
    text = [
        *measured,
        f"RMSE  {values['RMSE']:.5g}   (always the mean: {baseline['RMSE']:.5g})",
        f"MAE   {values['MAE']:.5g}   (always the mean: {baseline['MAE']:.5g})",
        f"R²    {values['R2']:.4f}   (always the mean: {baseline['R2']:.4f})",
        *lines,
    ]
    return _figures(values | more, baseline, text)


def _errors(y: Array, predicted: Array, weights: Array | None) -> dict[str, float]:
    return {
        "RMSE": float(root_mean_squared_error(y, predicted, sample_weight=weights)),
        "MAE": float(mean_absolute_error(y, predicted, sample_weight=weights)),
        "R2": float(r2_score(y, predicted, sample_weight=weights)) if len(y) > 1 else float("nan"),
    }


def _figures(values: dict[str, float], baseline: dict[str, float], lines: list[str]) -> Figures:
    """Return figures; a value that is not defined for these rows is in the text alone."""
    return Figures(_defined(values), _defined(baseline), "\n".join(lines))


def _defined(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if np.isfinite(value)}


def _confusion(codes: Array, guessed: Array, names: list[str]) -> str:
    table = confusion_matrix(codes, guessed, labels=np.arange(len(names)))
    if len(names) > MAX_CONFUSION:
        wrong = table - np.diag(np.diag(table))
        pairs = [np.unravel_index(index, wrong.shape) for index in np.argsort(-wrong, axis=None)[:8]]
        lines = [f"  {names[i]} taken for {names[j]}: {wrong[i, j]}" for i, j in pairs if wrong[i, j] > 0]
        return "\n".join(["commonest confusions:", *(lines or ["  none"])])
    short = [name if len(name) <= 12 else name[:11] + "…" for name in names]
    width = max(5, *(len(name) for name in short), len(str(table.max())))
    head = " " * (width + 2) + " ".join(f"{name:>{width}}" for name in short)
    rows = [
        f"  {name:<{width}}" + " ".join(f"{n:>{width}}" for n in row) for name, row in zip(short, table, strict=True)
    ]
    return "\n".join(["rows are the right classes, columns what was predicted:", head, *rows])
