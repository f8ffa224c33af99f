"""What `pysmorch report` does, and the report of `pysmorch train --report`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pysmorch.advice.comparing import unsupported_reason
from pysmorch.advice.comparison import Comparison
from pysmorch.cli import data, output
from pysmorch.cli.evaluation import as_in_training
from pysmorch.cli.models import load_estimator
from pysmorch.cli.options import ReportOptions
from pysmorch.cli.prediction import features_for
from pysmorch.reporting import About, report_on
from pysmorch.reporting.page import MISSING
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
    first = next(iter(models.values()))
    source = data.read_for(first, names, options, options.labels)
    for remark in source.remarks:
        said.note(remark)
    rows, unlabelled = _labelled(first, source, options, said)
    inputs = {name: features_for(model, rows.source) for name, model in models.items()}
    y = None if unlabelled else as_in_training(first, rows.y)
    about = About(
        source.name, paths=_named(paths), name_of=name_of(rows), unlabelled=unlabelled, remarks=source.remarks
    )
    page = data.in_file(rows.source, lambda: report_on(models, inputs, y, rows.weights, about))
    page.save(options.out)
    said.result(f"report written to {options.out}")


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


def _labelled(model: Any, source: Source, options: ReportOptions, said: output.Report) -> tuple[data.Rows, str]:
    """Return the rows, and why they have no labels where they have none."""
    target = options.target or (model.notes_.get("target") if source.labels is None else None)
    columns = source.column_names
    unlabelled = ""
    if source.labels is None and options.target is None:
        if columns is None:
            unlabelled = f"{source.name} has no labels"
        elif target is None:
            unlabelled = "the model does not say which column it predicts, and neither does --target"
        elif target not in columns:
            unlabelled = f"{source.name} has no column {target!r}, which the model predicts"
    if unlabelled:
        said.note(f"{unlabelled}; what needs the right answers is left out")
        return data.Rows(source, source.features, ""), unlabelled
    classes = getattr(model, "classes_", None)
    header = data.header_of(model, options)
    return data.labelled(source, target, header, said, weight=options.weight, classes=classes), ""


def name_of(rows: data.Rows) -> Callable[[int], str]:
    """Return what names a row: by its file, its line, or its number."""
    files = rows.source.files
    if files is None:
        return rows.line
    return lambda row: "/".join(Path(files[row]).parts[-2:])


def report_on_training(
    out: str,
    path: str,
    model: Any,
    measured: data.Rows,
    split: str,
    remarks: Sequence[str],
    comparison: Comparison | None,
    seconds: float,
) -> None:
    """Write the report on a model that was just trained, on the rows that were held out.

    Parameters
    ----------
    out : str
        Where it is written.
    path : str
        The file of the model.
    model : Classifier or Regressor
        Fitted.
    measured : Rows
        The rows, with the features that the model takes.
    split : str
        How they were held out.
    remarks : sequence of str
        What deserves attention.
    comparison : Comparison or None
        Simpler models on the same rows.
    seconds : float
        How long the training took.
    """
    name = Path(path).stem
    X = measured.source.features
    why = "" if comparison is not None else unsupported_reason(model, X) or "none were trained beside it"
    about = About(measured.source.name, split, remarks, comparison, why, seconds, {name: path}, name_of(measured))
    page = data.in_file(measured.source, lambda: report_on({name: model}, X, measured.y, measured.weights, about))
    page.save(out)
