"""What `pysmorch predict` does."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import config_context

from pysmorch.cli import data, output
from pysmorch.cli.models import load_estimator
from pysmorch.cli.options import PredictOptions
from pysmorch.estimators import Classifier
from pysmorch.files import write_whole
from pysmorch.layers.base import Array
from pysmorch.sources import Source


def predict(options: PredictOptions) -> None:
    """Write the predictions for all rows."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    out = options.out
    if out is not None and Path(out).suffix not in (".csv", ".parquet"):
        raise ValueError(f"--out must end in .csv or .parquet, but is {out}")
    if out is not None:
        inputs = [options.model, *options.source]
        output.check_output(out, inputs, "file of predictions", output.is_prediction, options.force)
    model = load_estimator(options.model, options.precision)
    source = data.read_for(model, options.source, options)
    for remark in source.remarks:
        output.print_escaped(remark, sys.stderr)
    columns = _beside(source, options.ids or [])
    X = features_for(model, source)
    predicted = data.in_file(source, lambda: _predicted(model, X))
    for name in predicted.keys() & columns.keys():
        raise ValueError(f"--id {name}: a column of the predictions has this name too; rename that of {source.name}")
    columns |= {name: pa.array(values.tolist()) for name, values in predicted.items()}
    table = pa.table(columns)
    if out is None:
        _print_table(table)
    elif out.endswith(".parquet"):
        write_whole(out, lambda file: parquet.write_table(table, file))
    else:
        write_whole(out, lambda file: csv.write_csv(table, file))
    if out is not None:
        output.print_escaped(f"{table.num_rows} predictions written to {out}")


def _beside(source: Source, ids: Sequence[str]) -> dict[str, Any]:
    """Return the columns that are written beside the predictions: those of --id, and the files of images."""
    files = {} if source.files is None else {"file": np.array(source.files)}
    return files | {name: data.column(source, name, "--id") for name in ids}


def features_for(model: Any, source: Source) -> Any:
    """Return the columns that a model knows, by name; by position where it has been trained without names."""
    return model.encoder_.select(source, by_position=not model.notes_.get("header", True))


def _predicted(model: Any, X: Any) -> dict[str, Array]:
    """Return the columns of predictions by name."""
    with config_context(assume_finite=True):  # the source was searched when its features were selected
        if isinstance(model, Classifier):
            p = model.predict_proba(X)
            columns = {f"probability of {label}": p[:, i] for i, label in enumerate(model.classes_.tolist())}
            return {"prediction": model.classes_[p.argmax(1)]} | columns
        values = model.predict(X).reshape(X.shape[0], -1)
    names = ["prediction"] if values.shape[1] == 1 else [f"prediction {i}" for i in range(values.shape[1])]
    if model.loss == "quantile" and not isinstance(model.quantile, float):
        names = [f"prediction of quantile {quantile}" for quantile in model.quantile]
    return {name: values[:, i] for i, name in enumerate(names)}


def _print_table(table: Any) -> None:
    """Print a table as CSV: as it is for programs, safe to read on a terminal."""
    from pyarrow import csv

    if not sys.stdout.isatty():
        csv.write_csv(table, sys.stdout.buffer)
        return
    text = io.BytesIO()
    csv.write_csv(table, text)
    output.print_escaped(text.getvalue().decode().removesuffix("\n"))
