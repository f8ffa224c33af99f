"""What `pysmorch explain` does."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.cli import data
from pysmorch.cli.models import load_estimator
from pysmorch.cli.options import ExplainOptions
from pysmorch.cli.output import Report
from pysmorch.cli.prediction import features_for
from pysmorch.entries import list_names
from pysmorch.explaining.explanation import Explanation, cell_text
from pysmorch.sources.streaming import StreamedTable


def explain(options: ExplainOptions) -> None:
    """Print what each column of a row contributes, the largest contribution first."""
    report = Report(options.as_json)
    model = load_estimator(options.model)
    if not model.encoder_.names:
        raise ValueError(
            f"explain is about the columns of a table, but {options.model} was trained on {model.encoder_.what}"
        )
    of = None if options.of is None else _output(model, options.of)
    source = data.read_for(model, options.source, options)
    for remark in source.remarks:
        report.note(remark)
    count = source.features.shape[0]
    if not 1 <= options.row <= count:
        raise ValueError(f"--row must be from 1 to {count}, the number of rows of {source.name}, but is {options.row}")
    row = source.take(np.array([options.row - 1]))
    X = features_for(model, row)
    if isinstance(X, StreamedTable):
        X = X.columns(X.column_names)
    found = data.in_file(row, lambda: model.explain(X, of))
    report.result(f"row {options.row} of {source.name}:\n{_as_text(found)}")
    report.finish(
        {
            "model": options.model,
            "source": source.name,
            "row": options.row,
            "explained": found.unit,
            "output": found.outputs[0],
            "prediction": float(found.predictions[0]),
            "baseline": float(found.baseline[0]),
            "error": float(found.error[0]),
            "contributions": [
                {"column": name, "value": cell, "contribution": contribution}
                for name, cell, contribution in found.row(0)
            ],
        }
    )


def _output(model: Any, of: str) -> Any:
    """Return the class, quantile or target with this name."""
    names = model._output_names()
    known = [str(name) for name in names]
    if of not in known:
        raise ValueError(f"--of must be one of {list_names(known)}, but is {of!r}")
    return names[known.index(of)]


def _as_text(found: Explanation) -> str:
    output = "" if found.outputs[0] == found.unit else f" {found.outputs[0]}"
    prediction, baseline = float(found.predictions[0]), float(found.baseline[0])
    lines = [
        f"{found.unit}{output}: {prediction:.4g}, of the mean row of the training {baseline:.4g}; the difference is the sum of",
        *(f"{value:+10.4g}  column {name} ({cell_text(cell)})" for name, cell, value in found.row(0)),
    ]
    return "\n".join(lines)
