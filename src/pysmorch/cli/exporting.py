"""What `pysmorch export` does."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

from pysmorch.cli import data, output
from pysmorch.cli.models import load_estimator
from pysmorch.cli.options import ExportOptions
from pysmorch.cli.prediction import features_for
from pysmorch.export.targets import ENDINGS, Target, check_module, target_of
from pysmorch.files.writing import check_writable, try_to_write

KINDS: dict[Target, str] = {"onnx": "ONNX file", "c": "C file", "numpy": "Python file"}

NEXT: dict[Target, str] = {
    "onnx": "name rows of data as well to compare its predictions with those of ONNX Runtime",
    "c": "its first lines say how it is compiled",
    "numpy": "its first lines say how it predicts",
}
"""What to do with a file."""

ROWS_COMPARED = 1_000
"""The first rows of a source, on which predictions are compared."""


def export(options: ExportOptions) -> None:
    """Write the file, and compare the predictions of an ONNX file with those of the model where there are rows."""
    out, target = _file_of(options)
    sources = options.source or []
    if sources and target != "onnx":
        raise ValueError(f"rows are compared with an ONNX file only; leave {sources[0]} out, or write --to onnx")
    if sources and find_spec("onnxruntime") is None:
        raise ValueError(
            "comparing with ONNX Runtime needs onnxruntime: pip install 'pysmorch[onnx]', or leave the source out"
        )
    path = check_writable(out)
    try_to_write(path)
    if path.exists() and not options.force:
        raise FileExistsError(f"--out {out} exists; name another file, or add --force to replace it")
    model = load_estimator(options.model)
    X = _first_rows(model, options) if sources else None
    model.export(out, layout=options.layout, overwrite=options.force)
    output.print_escaped(f"{KINDS[target]} written to {out}: {path.stat().st_size} bytes")
    if X is None:
        output.print_escaped(NEXT[target])
        return
    difference = model.compare_export(path, X, layout=options.layout)
    what = "probabilities" if hasattr(model, "classes_") else "predictions, over the largest one,"
    output.print_escaped(f"on {len(X)} rows the {what} of ONNX Runtime differ by at most {difference:.1e}")


def _file_of(options: ExportOptions) -> tuple[str, Target]:
    """Return the file to write, and its kind, which the end of its name says as well."""
    target = options.to or target_of(options.out or "")
    out = options.out or f"model{ENDINGS[target]}"
    if target_of(out) != target:
        wrong = f"--to {target} and --out {out} do not fit each other"
        raise ValueError(f"{wrong}: a name that ends in .c is a C file, in .py a Python file, any other an ONNX file")
    check_module(out)
    return out, target


def _first_rows(model: Any, options: ExportOptions) -> Any:
    """Return the first rows of a source as the model takes them."""
    source = data.read_for(model, options.source or [], options)
    for remark in source.remarks:
        output.print_escaped(remark, sys.stderr)
    X = features_for(model, source)
    return X.slice(0, ROWS_COMPARED) if hasattr(X, "slice") else X[:ROWS_COMPARED]
