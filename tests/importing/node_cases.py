"""The node cases of ONNX's own tests: which of them a network of `from_onnx` computes, and why it does not compute the others.

`python -m tests.importing.node_cases` prints the list of docs/import.md.
"""

import re
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

import pysmorch as ps
from pysmorch.importing.network import CHANNELS_FIRST, OPERATORS

IMAGES = CHANNELS_FIRST


def cases():
    """Yield the cases of a single operator that can be imported, by name."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_model_tests(kind="node")
    for case in found:
        nodes = case.model.graph.node
        if "expanded" not in case.name and len(nodes) == 1 and nodes[0].op_type in OPERATORS:
            yield case


def result_of(case, folder):
    """Return "" where each output of a case is computed, else the reason.

    The first input depends on the data. Others do, too, where that can be imported; else they are initialisers, as the parameters of a
    network are. Of an embedding it is the indices that depend on the data.
    """
    first, reasons = case.data_sets[0], []
    inputs, outputs = first
    for free in ({*range(len(inputs))}, {0}, {len(inputs) - 1}):
        reason = _with_free_inputs(case, folder, free, inputs, outputs)
        if not reason:
            return ""
        reasons.append(reason)
    return reasons[1]


def _with_free_inputs(case, folder, free, inputs, outputs):
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph = model.graph
    names = [one.name for one in graph.input]
    for i, name in enumerate(names):
        if i not in free:
            if not isinstance(inputs[i], (np.ndarray, np.generic)):
                return "an input is no array"
            graph.initializer.append(numpy_helper.from_array(np.asarray(inputs[i]), name))
    path = folder / "case.onnx"
    path.write_bytes(model.SerializeToString())
    for i, one in enumerate(graph.output):
        try:
            network = ps.from_onnx(path, output=one.name, loss=ps.SquareLoss)
        except ps.ModelFileError as error:
            return re.sub(r"^.*case\.onnx: ", "", str(error))
        arrays = {name: np.asarray(inputs[k]) for k, name in enumerate(names) if k in free}
        data = [arrays[layer.name] for layer in network.inputs]
        if graph.node[0].op_type in IMAGES:
            data = [np.moveaxis(array, 1, -1) if array.ndim > 2 else array for array in data]
        try:
            found = network.predict(tuple(data) if len(data) > 1 else data[0])
        except (ValueError, TypeError) as error:
            return f"predict: {error}"
        if found.shape != outputs[i].shape or not np.allclose(
            found, outputs[i], rtol=max(1e-5, case.rtol), atol=1e-5, equal_nan=True
        ):
            return "other numbers"
    return ""


KINDS = [
    (
        r"elements of type|is no array|dtype object|makes elements|makes integers|holds integers",
        "types besides float32, integers",
    ),
    (r"'(linear|cubic)'|keep_aspect_ratio|tf_crop", "interpolation, and sizes that follow each other"),
    (r"training_mode|its mask|other numbers", "training mode, or a mask as an output"),
    (
        r"axis 0|makes one axis|which has no rows|rows cannot|axes \[0\]|transA|as many, at least three|of shape \(N,\) by|mixes the batch|the batch has to|batch is axis|is the batch",
        "across the batch",
    ),
    (r"rows along the batch|a bias has", "constants with a row for each example"),
    (r"has 5 axes", "volumes"),
    (r"indices are an output|storage_order", "indices of maxima"),
    (r"no entries|nothing is left|parts of sizes", "axes without entries"),
    (r"its indices have shape", "indices in rows and columns"),
    (r"it multiplies values of shape", "a constant that is a batch of matrices"),
]


def written_reasons(results):
    """Return the list of the docs: which operators are computed in all cases, and for the others how many, and why not."""
    whole, lines = [], []
    for operator in sorted({operator for operator, _ in results.values()}):
        reasons = [reason for one, reason in results.values() if one == operator]
        if not any(reasons):
            whole.append(f"{operator} {len(reasons)}")
            continue
        others = sorted({_kind(reason) for reason in reasons if reason})
        lines.append(f"| {operator} | {reasons.count('')} of {len(reasons)} | {'; '.join(others)} |")
    done = sum(not reason for _, reason in results.values())
    return "\n".join(
        [
            f"{done} of {len(results)} cases are computed. All of these are:",
            "",
            *textwrap.wrap(", ".join(whole) + ".", 140),
            "",
            "| operator | computed | not computed |",
            "|---|---|---|",
            *lines,
        ]
    )


def _kind(reason):
    return next((kind for pattern, kind in KINDS if re.search(pattern, reason)), f"`{reason}`")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        results = {case.name: (case.model.graph.node[0].op_type, result_of(case, Path(folder))) for case in cases()}
    sys.stdout.write(written_reasons(results) + "\n")
