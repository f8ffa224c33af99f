"""What `pysmorch evaluate` does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pysmorch.cli import data, figures, importance
from pysmorch.cli.models import load_estimator
from pysmorch.cli.options import EvaluateOptions
from pysmorch.cli.output import Report
from pysmorch.cli.prediction import features_for
from pysmorch.estimators import Classifier, Regressor
from pysmorch.layers.base import Array
from pysmorch.metrics import as_metric
from pysmorch.sources.folders import in_nfc


def evaluate(options: EvaluateOptions) -> None:
    """Print the metrics of a model on all rows of a source."""
    report = Report(options.as_json)
    metrics = [as_metric(name, "--metric") for name in options.metric or []]
    model = load_estimator(options.model, options.precision)
    figures.check_metrics(metrics, "classification" if isinstance(model, Classifier) else "regression")
    source = data.read_for(model, options.source, options, options.labels)
    for remark in source.remarks:
        report.note(remark)
    trained_target = model.notes_.get("target") if source.labels is None else None
    header = data.header_of(model, options)
    rows = data.labelled(
        source,
        options.target or trained_target,
        header,
        report,
        weight=options.weight,
        classes=getattr(model, "classes_", None),
    )
    X = features_for(model, rows.source)
    rows = replace(rows, y=as_in_training(model, rows.y))
    measured = data.in_file(
        rows.source, lambda: figures.measure(model, X, rows.y, rows.weights, (rows.y, rows.weights), metrics)
    )
    found = importance.importance_of(model, X, rows.y, rows.weights) if options.importance else None
    report.result(f"on {len(rows)} rows of {source.name}:\n{measured.text}")
    values: dict[str, Any] = {
        "model": options.model,
        "source": source.name,
        "rows": len(rows),
        "metrics": measured.values,
        "baseline": measured.baseline,
    }
    if found is not None:
        report.result(importance.as_text(found, "accuracy" if isinstance(model, Classifier) else "R²"))
        values["importance"] = {name: mean for name, (mean, _) in found.sorted().items()}
    report.finish(values)


def as_in_training(model: Any, y: Array) -> Array:
    """Return classes as in the training: names of folders are text, also where idx files have numbers, and of any normal form."""
    if isinstance(model, Regressor):
        return y
    if y.dtype.kind == model.classes_.dtype.kind and (y.dtype.kind in "fiub" or np.isin(y, model.classes_).all()):
        return y
    known = {in_nfc(str(label)): label for label in model.classes_.tolist()}
    labels = [in_nfc(str(label)) for label in y.tolist()]
    return np.array([known[label] for label in labels]) if known.keys() >= set(labels) else y
