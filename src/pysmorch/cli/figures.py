"""How good a model is, as numbers and as text, beside always guessing the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.metrics import confusion_matrix, log_loss, mean_absolute_error, r2_score, root_mean_squared_error

from pysmorch.estimators import Classifier
from pysmorch.layers.base import Array

MAX_CONFUSION = 12
"""Classes up to which the whole confusion table is shown; of more, the commonest confusions."""


@dataclass
class Figures:
    """Measured values by name, and all of it as text."""

    values: dict[str, float]
    text: str


def measure(model: Any, X: Any, y: Array, y_training: Array | None) -> Figures:
    """Measure a model on rows X, which were searched for what is not finite, with the right answers y.

    What is always guessed for comparison comes from the training labels, or from y where they are not known.

    Raises ValueError for labels that the model does not know.
    """
    known = y if y_training is None else y_training
    return _of_classes(model, X, y, known) if isinstance(model, Classifier) else _of_numbers(model, X, y, known)


def _of_classes(model: Classifier, X: Any, y: Array, known: Array) -> Figures:
    codes = model.encode_labels(y)
    with config_context(assume_finite=True):
        p = model.predict_proba(X)
    guessed = p.argmax(1)
    shares = np.bincount(model.encode_labels(known), minlength=model.n_classes_) / len(known)
    labels = np.arange(model.n_classes_)
    values = {
        "accuracy": float((guessed == codes).mean()),
        "log loss": float(
            log_loss(codes, np.clip(p, 1e-15, None) / np.clip(p, 1e-15, None).sum(1, keepdims=True), labels=labels)
        ),
    }
    commonest = int(shares.argmax())
    always = float((codes == commonest).mean())
    constant = np.clip(np.tile(shares, (len(codes), 1)), 1e-15, None)
    always_loss = float(log_loss(codes, constant / constant.sum(1, keepdims=True), labels=labels))
    text = [
        f"accuracy  {values['accuracy']:.4f}   (always {model.classes_[commonest]}: {always:.4f})",
        f"log loss  {values['log loss']:.4f}   (always the shares of the classes: {always_loss:.4f})",
        _confusion(codes, guessed, [str(label) for label in model.classes_.tolist()]),
    ]
    return Figures(values, "\n".join(text))


def _of_numbers(model: Any, X: Any, y: Array, known: Array) -> Figures:
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
    text = [
        f"RMSE  {values['RMSE']:.5g}   (always the mean: {root_mean_squared_error(y, mean):.5g})",
        f"MAE   {values['MAE']:.5g}   (always the mean: {mean_absolute_error(y, mean):.5g})",
        f"R²    {values['R2']:.4f}   (always the mean: {r2_score(y, mean) if len(y) > 1 else float('nan'):.4f})",
    ]
    return Figures({k: v for k, v in values.items() if np.isfinite(v)}, "\n".join(text))


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
