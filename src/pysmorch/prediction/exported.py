"""Estimators as ONNX files: from the columns or images of the user to classes, probabilities or values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pysmorch.encoders import Encoder
from pysmorch.export import messages
from pysmorch.export.graph import OnnxGraph
from pysmorch.export.network import add_layers, add_predictions, check_forms
from pysmorch.files.writing import write_whole
from pysmorch.layers.base import Array
from pysmorch.network import Network
from pysmorch.prediction.one_model import of_one_model
from pysmorch.prediction.parameters import Layout

KINDS_OF_CLASSES = {
    "i": messages.INT64,
    "u": messages.INT64,
    "b": messages.BOOL,
    "f": messages.DOUBLE,
    "U": messages.STRING,
}
"""Types of classes in ONNX, by the kinds of dtypes."""


class Exportable:
    """What every estimator can write for other programs."""

    network_: Network
    encoder_: Encoder

    def _check_fitted(self) -> None:
        raise NotImplementedError

    def _add_outputs(self, graph: OnnxGraph, outputs: str) -> None:
        """Add the outputs of the graph, made of those of the network in float64."""
        raise NotImplementedError

    @of_one_model
    def export(self, path: str | Path, layout: Layout = "nhwc") -> None:
        """Write the model as an ONNX file, which other programs run without this library.

        The whole model is in it, with what encodes the columns; docs/export.md lists inputs and outputs. A row's outputs are those of
        `predict` and `predict_proba` but for rounding.

        Parameters
        ----------
        path : str or Path
            The file; an older one is replaced.
        layout : {"nhwc", "nchw"}, default="nhwc"
            Whether images will have their channels last, as here, or first.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            A column or a layer has no form in ONNX; nothing is written then.
        OSError
            The file cannot be written; an older one is then as it was.
        """
        self._check_fitted()
        if layout not in ("nhwc", "nchw"):
            raise ValueError(f'layout must be "nhwc" or "nchw", but is {layout!r}')
        network = self.network_
        check_forms(network.layers, network.names)
        graph = OnnxGraph()
        entry, channels_first = self.encoder_.add_to(graph, layout == "nchw")
        output = add_layers(graph, network.layers, [entry], channels_first).last(network.output)
        self._add_outputs(graph, graph.cast(output, messages.DOUBLE))
        content = graph.to_bytes(self._metadata())
        write_whole(path, lambda file: file.write(content))

    @of_one_model
    def compare_export(self, path: str | Path, X: Any, layout: Layout = "nhwc") -> float:
        """Return the largest difference between what ONNX Runtime computes with a file of `export` and what is predicted here.

        Parameters
        ----------
        path : str or Path
            The file.
        X : array-like or data frame
            Rows, as for `predict`.
        layout : {"nhwc", "nchw"}, default="nhwc"
            That of `export`.

        Returns
        -------
        float
            Of probabilities; of a regressor, over the largest prediction. Infinite where a class differs.

        Raises
        ------
        ImportError
            Without onnxruntime, which the extra "onnx" has.
        NotFittedError, ValueError, TypeError
            As for `predict`.
        """
        try:
            import onnxruntime
        except ImportError:
            raise ImportError("comparing with ONNX Runtime needs onnxruntime: pip install 'pysmorch[onnx]'") from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # not what it says of nodes that it could fold
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        inputs = self.encoder_.inputs_of(self.encoder_.check(X, self, reset=False), layout == "nchw")
        taken = {one.name for one in session.get_inputs()}
        names = [one.name for one in session.get_outputs()]
        found = dict(zip(names, session.run(names, {k: v for k, v in inputs.items() if k in taken}), strict=True))
        return self._difference(found, X)

    def _difference(self, found: dict[str, Array], X: Any) -> float:
        """Return how far outputs of the file are from those here."""
        raise NotImplementedError

    def _metadata(self) -> dict[str, str]:
        """Return what the file says of the model."""
        said: dict[str, Any] = {"model": type(self).__name__, "columns": self.encoder_.names}
        classes = getattr(self, "classes_", None)
        if classes is not None:
            said["classes"] = classes.tolist()
        return {f"pysmorch.{key}": json.dumps(value) for key, value in said.items()}


def add_classes(graph: OnnxGraph, model: Any, outputs: str) -> None:
    """Add the outputs "label" and "probabilities" of a classifier."""
    probabilities = add_predictions(graph, model.network_.loss, outputs) or outputs
    graph.output("probabilities", probabilities, messages.DOUBLE, [len(model.classes_)])
    if model._multilabel:
        labels = graph.cast(graph.add("Greater", probabilities, graph.constant(0.5)), messages.INT64)
        graph.output("label", labels, messages.INT64, [len(model.classes_)])
        return
    classes = model.classes_.astype(str) if model.classes_.dtype.kind == "O" else model.classes_
    kind = classes.dtype.kind
    if kind not in KINDS_OF_CLASSES or (kind == "U" and not all(isinstance(one, str) for one in model.classes_)):
        raise ValueError(
            f"the model cannot be written as ONNX: its classes, such as {model.classes_[0]!r}, are no numbers or texts"
        )
    index = _decided(graph, probabilities, getattr(model, "threshold_", None))
    of_kind = {"i": np.int64, "u": np.int64, "f": np.float64}
    stored = graph.constant(classes.astype(of_kind[kind]) if kind in of_kind else classes)
    graph.output("label", graph.add("Gather", stored, index, axis=0), KINDS_OF_CLASSES[kind], [])


def _decided(graph: OnnxGraph, probabilities: str, rule: float | Array | None) -> str:
    """Return the index of the class that is predicted, as `decide` does."""
    if rule is None:
        return graph.add("ArgMax", probabilities, axis=1, keepdims=0)
    if isinstance(rule, float):
        second = graph.add("Gather", probabilities, graph.integers(1), axis=1)
        return graph.cast(graph.add("GreaterOrEqual", second, graph.constant(rule)), messages.INT64)
    return graph.add("ArgMin", graph.add("MatMul", probabilities, graph.constant(rule)), axis=1, keepdims=0)


def add_values(graph: OnnxGraph, model: Any, outputs: str) -> None:
    """Add the output "prediction" of a regressor, in the units of its targets."""
    predictions = add_predictions(graph, model.network_.loss, outputs) or outputs
    scaled = graph.add("Mul", predictions, graph.constant(model._target_scale))
    values = graph.add("Add", scaled, graph.constant(model._target_mean))
    count = model._num_quantiles()
    if count > 1:
        values = _sorted(graph, values, np.argsort(np.argsort(np.asarray(model.quantile))))
        graph.output("prediction", values, messages.DOUBLE, [count])
    elif model._flat:
        graph.output("prediction", graph.add("Squeeze", values, graph.integers([1])), messages.DOUBLE, [])
    else:
        graph.output("prediction", values, messages.DOUBLE, [model.n_outputs_])


def _sorted(graph: OnnxGraph, values: str, ranks: Array) -> str:
    """Return the values of each row in the order of these ranks."""
    order = graph.integers(len(ranks) - 1 - ranks)
    largest_first = graph.add("TopK", values, graph.integers([len(ranks)]), axis=1, largest=1, sorted=1, num_outputs=2)
    return graph.add("Gather", largest_first, order, axis=1)
