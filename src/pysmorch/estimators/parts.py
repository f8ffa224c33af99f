"""Estimators as parts of a model file, and back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pysmorch.encoders import Encoder, encoder_from_parts, encoder_to_parts
from pysmorch.estimators.parameters import make_optimizer
from pysmorch.estimators.storing import parameters_to_plain, take_training, training_to_parts
from pysmorch.estimators.unchanged import BEFORE, of_one_model, state_of
from pysmorch.files import ModelFileError, ModelPath, save
from pysmorch.files.header import entries, entry, plain
from pysmorch.files.plain import from_plain
from pysmorch.layers import Layer
from pysmorch.layers.base import Array
from pysmorch.network import Network
from pysmorch.warnings import PysmorchWarning


def estimator_to_parts(model: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return a fitted estimator as plain data, and arrays by name.

    Parameters
    ----------
    model : NetworkEstimator
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
    return header, tensors | state | encoder_tensors | {
        f"labels.{name}": array for name, array in label_tensors.items()
    }


def estimator_from_parts(
    cls: Any, header: dict[str, Any], tensors: dict[str, Array], layers: Sequence[type[Layer]]
) -> Any:
    """Return the estimator of `estimator_to_parts`.

    Parameters
    ----------
    cls : type of NetworkEstimator
        Its class.
    header : dict
        Not checked yet.
    tensors : dict of str to ndarray
        All arrays of the file.
    layers : sequence of type of Layer
        Layer classes of the user.

    Returns
    -------
    NetworkEstimator
        Fitted.

    Raises
    ------
    ModelFileError
        Something is missing or does not fit.
    """
    parameters = entry(header, "parameters", dict)
    unknown = set(parameters) - set(cls._get_param_names())
    if unknown:
        raise ModelFileError(f"{cls.__name__} has no parameter {', '.join(sorted(unknown))}")
    model = cls(**{name: from_plain(value) for name, value in parameters.items()})
    model.network_ = Network.from_parts(entry(header, "network", dict), tensors, layers)
    model.encoder_ = encoder_from_parts(header, tensors)
    of_labels = {name.removeprefix("labels."): array for name, array in tensors.items() if name.startswith("labels.")}
    model._take_label_parts(entry(header, "labels", dict), of_labels)
    model.n_features_in_ = entry(header, "num_features", int)
    if entry(header, "feature_names", list, type(None)) is not None:
        model.feature_names_in_ = np.array(entries(header, "feature_names", str), dtype=object)
    model.loss_curve_ = [float(v) for v in entries(header, "loss_curve", float, int)]
    model.validation_curve_ = [float(v) for v in entries(header, "validation_curve", float, int)]
    model.n_iter_ = entry(header, "num_epochs", int)
    model._seed = entry(header, "seed", int)
    model.notes_ = plain(entry(header, "notes", dict))
    _check_read(model)
    take_training(model, header, tensors)
    return model


def _check_read(model: Any) -> None:
    """Refuse an estimator from a file whose parts do not fit each other."""
    model.encoder_.check_fits(model.network_.inputs, model.n_features_in_)
    if tuple(model.network_.output.out_dims[1:]) != (model._num_outputs(),):
        raise ModelFileError("its labels do not fit its network")
    try:
        model._check_parameters()
        model.optimizer_ = make_optimizer(model)
    except (TypeError, ValueError, OverflowError) as wrong:
        raise ModelFileError(f"its parameters are wrong: {wrong}") from wrong


class StoredEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator that a model file can hold."""

    network_: Network
    encoder_: Encoder

    @of_one_model
    def save(self, path: ModelPath) -> None:
        """Write the model into one .safetensors file, whole or not at all; `pysmorch.load` reads it.

        Parameters
        ----------
        path : str, Path or binary file
            The file.

        Raises
        ------
        NotFittedError
            Before `fit`.
        OSError
            The file cannot be written.
        """
        check_is_fitted(self, "network_")
        _, lost = parameters_to_plain(self)
        if lost:
            warnings.warn(
                f"a model file cannot hold the parameter {', '.join(lost)}: the loaded model predicts the same, but set it again "
                "with set_params before another fit",
                PysmorchWarning,
                stacklevel=2,
            )
        save(self, path)

    @of_one_model
    def to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the model as plain data and arrays, which `save` writes.

        Returns
        -------
        header : dict
            Parameters, network, encoder and labels as plain data.
        tensors : dict of str to ndarray
            The arrays by name.
        """
        return estimator_to_parts(self)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes of one model for copies, also while this one is trained."""
        return {name: value for name, value in state_of(self).items() if name != BEFORE}

    def own_layers(self) -> list[Any]:
        """Return the layers that are of classes of your own, which `pysmorch.load` needs, and the loss if it is one.

        Returns
        -------
        list of Layer
            In the order of the graph.
        """
        return self.network_.own_layers()

    @classmethod
    def from_parts(cls, header: dict[str, Any], tensors: dict[str, Array], layers: Sequence[type[Layer]] = ()) -> Self:
        """Return the model of `to_parts`, after checking everything.

        Parameters
        ----------
        header : dict
            The first result of `to_parts`.
        tensors : dict of str to ndarray
            The second one.
        layers : sequence of type of Layer, default=()
            Classes of your own, of layers and losses, that the model has.

        Returns
        -------
        Classifier or Regressor
            Fitted.

        Raises
        ------
        ModelFileError
            Where anything is missing or does not fit.
        """
        model: Self = estimator_from_parts(cls, header, tensors, layers)
        return model
