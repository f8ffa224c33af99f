"""How good a model is, as numbers and as text, beside always guessing the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.metrics import confusion_matrix, log_loss, mean_absolute_error, r2_score, root_mean_squared_error

from pysmorch.estimators import Classifier
from pysmorch.layers.base import Array
from pysmorch.losses import CrossEntropy, SquareLoss
from pysmorch.metrics import METRICS, Metric

MAX_CONFUSION = 12
"""Classes up to which the whole confusion table is shown; of more, the commonest confusions."""

TAKEN = {"classification": CrossEntropy.metric_inputs, "regression": SquareLoss.metric_inputs}
"""What a metric may take, by task."""


@dataclass
class Figures:
    """Measured values by name, and all of it as text."""

    values: dict[str, float]
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


def measure(model: Any, X: Any, y: Array, y_training: Array | None, metrics: Sequence[Metric] = ()) -> Figures:
    """Measure a model on rows X, which were searched for what is not finite, with the right answers y.

    What is always guessed for comparison comes from the training labels, or from y where they are not known.

    Raises ValueError for labels that the model does not know.
    """
    known = y if y_training is None else y_training
    of_task = _of_classes if isinstance(model, Classifier) else _of_numbers
    return of_task(model, X, y, known, metrics)


def _measured(metrics: Sequence[Metric], takes: dict[str, tuple[Array, Array]]) -> tuple[dict[str, float], list[str]]:
    """Return the values of metrics by name, and a line for each; `takes` has labels and predictions in each form."""
    values = {metric.name: metric.measure(*takes[metric.takes]) for metric in metrics}
    return values, [f"{name}  {value:.5g}" for name, value in values.items()]


def _of_classes(model: Any, X: Any, y: Array, known: Array, metrics: Sequence[Metric]) -> Figures:
    codes = model.encode_labels(y)
    with config_context(assume_finite=True):
        p = model.predict_proba(X)
    guessed = p.argmax(1)
    frequencies = np.bincount(model.encode_labels(known), minlength=model.n_classes_) / len(known)
    labels = np.arange(model.n_classes_)
    values = {
        "accuracy": float((guessed == codes).mean()),
        "log loss": float(
            log_loss(codes, np.clip(p, 1e-15, None) / np.clip(p, 1e-15, None).sum(1, keepdims=True), labels=labels)
        ),
    }
    commonest = int(frequencies.argmax())
    always = float((codes == commonest).mean())
    constant = np.clip(np.tile(frequencies, (len(codes), 1)), 1e-15, None)
    always_loss = float(log_loss(codes, constant / constant.sum(1, keepdims=True), labels=labels))
    more, lines = _measured(metrics, {"classes": (codes, guessed), "probabilities": (codes, p), "scores": (codes, p)})
    text = [
        f"accuracy  {values['accuracy']:.4f}   (always {model.classes_[commonest]}: {always:.4f})",
        f"log loss  {values['log loss']:.4f}   (always the class frequencies: {always_loss:.4f})",
        *lines,
        _confusion(codes, guessed, [str(label) for label in model.classes_.tolist()]),
    ]
    return _figures(values | more, text)


def _of_numbers(model: Any, X: Any, y: Array, known: Array, metrics: Sequence[Metric]) -> Figures:
    if y.dtype.kind not in "fiub":
        raise ValueError(f"the model predicts numbers, but the target holds text such as {y[0]!r}")
    with config_context(assume_finite=True):
        predicted = model.predict(X)
    mean = np.full(len(y), known.mean())
    values = {
        "RMSE": float(root_mean_squared_error(y, predicted)),
        "MAE": float(mean_absolute_error(y, predicted)),
        "R2": float(r2_score(y, predicted)) if len(y) > 1 else float("nan"),
    }
    more, lines = _measured(metrics, {"values": (y.reshape(len(y), -1), predicted.reshape(len(y), -1))})
    text = [
        f"RMSE  {values['RMSE']:.5g}   (always the mean: {root_mean_squared_error(y, mean):.5g})",
        f"MAE   {values['MAE']:.5g}   (always the mean: {mean_absolute_error(y, mean):.5g})",
        f"R²    {values['R2']:.4f}   (always the mean: {r2_score(y, mean) if len(y) > 1 else float('nan'):.4f})",
        *lines,
    ]
    return _figures(values | more, text)


def _figures(values: dict[str, float], lines: list[str]) -> Figures:
    """Return figures; a value that is not defined for these rows is in the text alone."""
    return Figures({name: value for name, value in values.items() if np.isfinite(value)}, "\n".join(lines))


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
