"""Estimators as parts of a model file, and back."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from pysmorch.encoders import encoder_from_parts, encoder_to_parts
from pysmorch.files import ModelFileError
from pysmorch.files.header import entries, entry, plain
from pysmorch.files.plain import from_plain
from pysmorch.layers import Bias, Layer, Scale
from pysmorch.layers.base import Array
from pysmorch.network import Network
from pysmorch.prediction.parameters import make_optimizer
from pysmorch.prediction.storing import parameters_to_plain, take_training, training_to_parts

BASELINE = "baseline"
"""The array of the row that explanations begin with; files of before have none."""


def estimator_to_parts(model: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return a fitted estimator as plain data, and arrays by name.

    Parameters
    ----------
    model : NetworkModel
        Fitted. Parameters that a file cannot hold, such as functions, are left out.

    Returns
    -------
    header : dict
        Plain data.
    tensors : dict of str to ndarray
        Of the network, the encoder and the labels.
    """
    network, tensors = model.network_.to_parts()
    encoder, encoder_tensors = encoder_to_parts(model.encoder_)
    labels, label_tensors = model._label_parts()
    parameters, _ = parameters_to_plain(model)
    steps, state = training_to_parts(model)
    header = {
        "parameters": parameters,
        "network": network,
        **encoder,
        "labels": labels,
        "num_features": model.n_features_in_,
        "feature_names": list(model.feature_names_in_) if hasattr(model, "feature_names_in_") else None,
        "loss_curve": model.loss_curve_,
        "validation_curve": model.validation_curve_,
        "num_epochs": model.n_iter_,
        "seed": model._seed,
        "training": steps,
        "notes": getattr(model, "notes_", {}),
    }
    if model._members > 1:
        header["members"] = model._members
    of_labels = {f"labels.{name}": array for name, array in label_tensors.items()}
    baseline = {BASELINE: model.baseline_} if hasattr(model, "baseline_") else {}
    return header, tensors | state | encoder_tensors | of_labels | baseline


def estimator_from_parts(
    cls: Any, header: dict[str, Any], tensors: dict[str, Array], layers: Sequence[type[Layer]]
) -> Any:
    """Return the estimator of `estimator_to_parts`.

    Parameters
    ----------
    cls : type of NetworkModel
        Its class.
    header : dict
        Not checked yet.
    tensors : dict of str to ndarray
        All arrays of the file.
    layers : sequence of type of Layer
        Layer classes of the user.

    Returns
    -------
    NetworkModel
        Fitted.

    Raises
    ------
    ModelFileError
        Something is missing or does not fit.
    """
    parameters = entry(header, "parameters", dict)
    unknown = set(parameters) - set(inspect.signature(cls).parameters)
    if unknown:
        raise ModelFileError(f"{cls.__name__} has no parameter {', '.join(sorted(unknown))}")
    model = cls(**{name: from_plain(value) for name, value in parameters.items()})
    model.network_ = Network.from_parts(entry(header, "network", dict), tensors, layers)
    model.encoder_ = encoder_from_parts(header, tensors)
    of_labels = {name.removeprefix("labels."): array for name, array in tensors.items() if name.startswith("labels.")}
    model._take_label_parts(entry(header, "labels", dict), of_labels)
    if BASELINE in tensors:
        model.baseline_ = tensors[BASELINE]
    model.n_features_in_ = entry(header, "num_features", int)
    if entry(header, "feature_names", list, type(None)) is not None:
        model.feature_names_in_ = np.array(entries(header, "feature_names", str), dtype=object)
    model.loss_curve_ = [float(v) for v in entries(header, "loss_curve", float, int)]
    model.validation_curve_ = [float(v) for v in entries(header, "validation_curve", float, int)]
    model.n_iter_ = entry(header, "num_epochs", int)
    model._seed = entry(header, "seed", int)
    model._members = entry(header, "members", int) if "members" in header else 1
    model.notes_ = plain(entry(header, "notes", dict))
    _check_read(model)
    take_training(model, header, tensors)
    return model


def _check_read(model: Any) -> None:
    """Refuse an estimator from a file whose parts do not fit each other."""
    output = model.network_.output
    if model._members != 1:
        averaged = output.in_layer.in_layer if isinstance(output, Bias) and isinstance(output.in_layer, Scale) else None
        if len(getattr(averaged, "in_layers", ())) != max(model._members, 2):
            raise ModelFileError(f"its network is not the mean of {model._members} networks")
    model.encoder_.check_fits(model.network_.inputs, model.n_features_in_)
    baseline = getattr(model, "baseline_", None)
    if baseline is not None and (baseline.shape != model.encoder_.shape or not np.isfinite(baseline).all()):
        raise ModelFileError("the baseline of its explanations does not fit its network")
    if tuple(output.out_dims[1:]) != (model._num_outputs(),):
        raise ModelFileError("its labels do not fit its network")
    try:
        model._check_parameters()
        model.optimizer_ = make_optimizer(model)
    except (TypeError, ValueError, OverflowError) as wrong:
        raise ModelFileError(f"its parameters are wrong: {wrong}") from wrong
