"""What `pysmorch report` does, and the report of `pysmorch train --report`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from pysmorch.advice.comparing import unsupported_reason
from pysmorch.advice.comparison import Comparison
from pysmorch.cli import advice, data, output
from pysmorch.cli.evaluation import as_in_training
from pysmorch.cli.models import load_estimator
from pysmorch.cli.options import ReportOptions, TrainOptions
from pysmorch.cli.prediction import features_for
from pysmorch.reporting import About, report_on
from pysmorch.reporting.page import MISSING
from pysmorch.reporting.report import check_alike
from pysmorch.sources import Source


def check_report(out: str, option: str, force: bool) -> None:
    """Refuse a report that cannot be made or written, or would replace a file."""
    if find_spec("jinja2") is None:
        raise ValueError(MISSING)
    output.check_new(out, option, force)


def report(options: ReportOptions) -> None:
    """Write the report on a model, or on several, on the rows of a source."""
    said = output.Report()
    check_report(options.out, "--out", options.force)
    paths, names = _models_and_sources(options.files)
    models = {name: load_estimator(path) for name, path in _named(paths).items()}
    check_alike(models)
    name, first = next(iter(models.items()))
    if options.training is not None and len(paths) > 1:
        raise ValueError("--training is for a report on one model; leave it out, or name one model")
    rows, unlabelled = _read(first, names, options, said)
    if unlabelled:
        said.note(f"{unlabelled}; what needs the right answers is left out")
    inputs = {name: features_for(model, rows.source) for name, model in models.items()}
    remarks: list[str] = []
    comparison = None
    if options.training is not None and not unlabelled:
        remarks, comparison = _beside(first, rows, inputs[name], options, said)
    about = About(
        rows.source.name,
        remarks=[*rows.source.remarks, *remarks],
        baselines=comparison,
        paths=_named(paths),
        name_of=name_of(rows),
        unlabelled=unlabelled,
    )
    y = None if unlabelled else rows.y
    page = data.in_file(rows.source, lambda: report_on(models, inputs, y, rows.weights, about))
    page.save(options.out)
    said.result(f"report written to {options.out}")


def _beside(
    model: Any, rows: data.Rows, X: Any, options: ReportOptions, said: output.Report
) -> tuple[list[str], Comparison | None]:
    """Return what is said of the rows of the training, and simpler models that are trained on them."""
    training, unlabelled = _read(model, [str(options.training)], options, said)
    if unlabelled:
        raise ValueError(f"--training: {unlabelled}")
    held_out = replace(rows, source=replace(rows.source, features=X))
    training = replace(training, source=replace(training.source, features=features_for(model, training.source)))
    return advice.remarks(model, training, held_out), advice.compared(model, training, held_out, None)


def _models_and_sources(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the model files, which come first, and the source."""
    count = 1
    while count < len(files) and Path(files[count]).is_file() and output.is_model(Path(files[count])):
        count += 1
    if count == len(files):
        raise ValueError(f"name the rows to report on as well: pysmorch report {' '.join(files)} SOURCE")
    return list(files[:count]), list(files[count:])


def _named(paths: Sequence[str]) -> dict[str, str]:
    """Return the model files by the names of their models: without folder and ending where these differ."""
    stems = [Path(path).stem for path in paths]
    return dict(zip(stems if len(set(stems)) == len(stems) else paths, paths, strict=True))


def _read(model: Any, names: Sequence[str], options: ReportOptions, said: output.Report) -> tuple[data.Rows, str]:
    """Return the rows of a source with their labels, and why they have none where they have none."""
    source = data.read_for(model, names, options, options.labels)
    for remark in source.remarks:
        said.note(remark)
    target = options.target or (model.notes_.get("target") if source.labels is None else None)
    unlabelled = "" if options.target is not None else _unlabelled(source, target)
    if unlabelled:
        return data.Rows(source, np.zeros(0), ""), unlabelled
    classes = getattr(model, "classes_", None)
    header = data.header_of(model, options)
    rows = data.labelled(source, target, header, said, weight=options.weight, classes=classes)
    return replace(rows, y=as_in_training(model, rows.y)), ""


def _unlabelled(source: Source, target: str | None) -> str:
    """Return why a source has no labels; an empty text where it has."""
    columns = source.column_names
    if source.labels is not None:
        return ""
    if columns is None:
        return f"{source.name} has no labels"
    if target is None:
        return "the model does not say which column it predicts, and neither does --target"
    return "" if target in columns else f"{source.name} has no column {target!r}, which the model predicts"


def name_of(rows: data.Rows) -> Callable[[int], str]:
    """Return what names a row: by its file, its line, or its number."""
    files = rows.source.files
    if files is None:
        return rows.line
    return lambda row: "/".join(Path(files[row]).parts[-2:])


def report_on_training(
    options: TrainOptions,
    model: Any,
    measured: data.Rows,
    split: str,
    remarks: Sequence[str],
    comparison: Comparison | None,
    seconds: float,
) -> None:
    """Write the report on a model that was just trained.

    Parameters
    ----------
    options : TrainOptions
        With the file of the report, and that of the model.
    model : Classifier or Regressor
        Fitted.
    measured : Rows
        The rows that were held out, with the features that the model takes.
    split : str
        How they were held out.
    remarks : sequence of str
        What deserves attention.
    comparison : Comparison or None
        Simpler models on the same rows.
    seconds : float
        How long the training took.
    """
    name, X = Path(options.out).stem, measured.source.features
    why = "" if comparison is not None else unsupported_reason(model, X) or "none were trained beside it"
    paths = {name: options.out}
    about = About(measured.source.name, split, remarks, comparison, why, seconds, paths, name_of(measured))
    page = data.in_file(measured.source, lambda: report_on({name: model}, X, measured.y, measured.weights, about))
    page.save(str(options.report))
