"""Estimators as files for other programs: from the columns or images of the user to classes, probabilities or values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pysmorch.encoders import Encoder
from pysmorch.export import content_of
from pysmorch.export.forms import ClassesForm, ModelForm, ValuesForm, link_of
from pysmorch.files.writing import write_new
from pysmorch.layers.base import Array
from pysmorch.network import Network
from pysmorch.prediction.one_model import of_one_model
from pysmorch.prediction.parameters import Layout

KINDS_OF_CLASSES: dict[str, type[np.generic]] = {
    "i": np.int64,
    "u": np.int64,
    "b": np.bool_,
    "f": np.float64,
    "U": np.str_,
}
"""What classes are in other programs, by the kinds of dtypes."""


class Exportable:
    """What every estimator can write for other programs."""

    network_: Network
    encoder_: Encoder

    def _check_fitted(self) -> None:
        raise NotImplementedError

    def _form_of_answers(self) -> ClassesForm | ValuesForm:
        """Return what the outputs of the network mean."""
        raise NotImplementedError

    @of_one_model
    def export(self, path: str | Path, layout: Layout = "nhwc", overwrite: bool = False) -> None:
        """Write the model as a file that works without this library: C, Python with NumPy, or ONNX.

        The whole model is in it, with what encodes the columns; docs/export.md lists inputs and outputs. A row's outputs are those of
        `predict` and `predict_proba` but for rounding.

        Parameters
        ----------
        path : str or Path
            The file. A name that ends in .c makes a C file, one in .py a Python file that needs NumPy alone, any other an ONNX file.
        layout : {"nhwc", "nchw"}, default="nhwc"
            Whether images will have their channels last, as here, or first, which an ONNX file alone can have.
        overwrite : bool, default=False
            Whether a file that exists is replaced.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            A column or a layer has no form there; nothing is written then.
        OSError
            The file exists, or cannot be written; an older one is then as it was.
        """
        self._check_fitted()
        if layout not in ("nhwc", "nchw"):
            raise ValueError(f'layout must be "nhwc" or "nchw", but is {layout!r}')
        network, encoder = self.network_, self.encoder_
        facts = {"columns": encoder.names} | self._facts()
        parts = encoder.form(), self._form_of_answers(), facts
        form = ModelForm(
            type(self).__name__.removeprefix("Loaded"), network.layers, network.names, network.loss, *parts
        )
        write_new(path, content_of(form, path, layout == "nchw"), overwrite)

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

    def _facts(self) -> dict[str, Any]:
        """Return what a file says of the model beside its columns."""
        classes = getattr(self, "classes_", None)
        return {} if classes is None else {"classes": classes.tolist()}


def form_of_classes(model: Any) -> ClassesForm:
    """Return what a classifier makes of the outputs of its network; ValueError where its classes are no numbers or texts."""
    classes = model.classes_
    kind = "U" if all(isinstance(one, str) for one in classes) else classes.dtype.kind
    if kind not in KINDS_OF_CLASSES:
        raise ValueError(f"the model cannot be exported: its classes, such as {classes[0]!r}, are no numbers or texts")
    rule = None if model._multilabel else getattr(model, "threshold_", None)
    link = link_of(model.network_.loss)
    return ClassesForm(classes.astype(KINDS_OF_CLASSES[kind]), link, model._multilabel, rule)


def form_of_values(model: Any) -> ValuesForm:
    """Return what a regressor makes of the outputs of its network."""
    several = model._num_quantiles() > 1
    ranks = np.argsort(np.argsort(np.asarray(model.quantile))) if several else None
    units = np.asarray(model._target_scale, np.float64), np.asarray(model._target_mean, np.float64)
    return ValuesForm(link_of(model.network_.loss), *units, ranks, model._flat and not several, model._num_outputs())
