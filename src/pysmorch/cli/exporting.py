"""What `pysmorch export` does."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pysmorch.cli import data, output
from pysmorch.cli.models import load_estimator
from pysmorch.cli.options import ExportOptions
from pysmorch.cli.prediction import features_for

ROWS_COMPARED = 1_000
"""The first rows of a source, on which predictions are compared."""


def export(options: ExportOptions) -> None:
    """Write the ONNX file, and compare its predictions with those of the model where there are rows."""
    sources = options.source or []
    output.check_output(options.out, [options.model, *sources], "ONNX file", output.is_onnx, options.force)
    if sources and find_spec("onnxruntime") is None:
        raise ValueError(
            "comparing with ONNX Runtime needs onnxruntime: pip install 'pysmorch[onnx]', or leave the source out"
        )
    model = load_estimator(options.model)
    X = _first_rows(model, options) if sources else None
    model.export(options.out, layout=options.layout)
    size = Path(os.path.expanduser(options.out)).stat().st_size
    output.print_escaped(f"ONNX file written to {options.out}: {size} bytes")
    if X is None:
        output.print_escaped("name rows of data as well to compare its predictions with those of ONNX Runtime")
        return
    difference = model.compare_export(Path(os.path.expanduser(options.out)), X, layout=options.layout)
    what = "probabilities" if hasattr(model, "classes_") else "predictions, over the largest one,"
    output.print_escaped(f"on {len(X)} rows the {what} of ONNX Runtime differ by at most {difference:.1e}")


def _first_rows(model: Any, options: ExportOptions) -> Any:
    """Return the first rows of a source as the model takes them."""
    source = data.read_for(model, options.source or [], options)
    for remark in source.remarks:
        output.print_escaped(remark, sys.stderr)
    X = features_for(model, source)
    return X.slice(0, ROWS_COMPARED) if hasattr(X, "slice") else X[:ROWS_COMPARED]
