"""From a model file to the object that was saved, whichever part of the library it belongs to."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pysmorch.entries import escaped
from pysmorch.files import ModelFileError, ModelPath, class_of, model_of, name_of, read_parts
from pysmorch.files.model import checked, read_open, says_kind
from pysmorch.files.registry import OWN
from pysmorch.layers.base import Array, Layer
from pysmorch.losses import Loss

if TYPE_CHECKING:
    from pysmorch.estimators import Classifier, Regressor
    from pysmorch.many import ManyModels
    from pysmorch.network import Network

MANY = "many"
"""The kind of a file with many models, of which each is read when it is wanted."""

ESTIMATORS = ("classifier", "regressor")
"""The kinds that scikit-learn knows, too."""


def _find(kind: str, models: Sequence[type]) -> Any:
    """Return the class of a kind: for an estimator what stands for one, unless scikit-learn is loaded already."""
    name = kind.partition(OWN)[0]
    if kind in ESTIMATORS and "sklearn" not in sys.modules:
        return import_module("pysmorch.loaded").STANDING_FOR[kind]
    if name == "network":
        import_module("pysmorch.network")
    elif name in ESTIMATORS:
        import_module("pysmorch.estimators")
    return class_of(kind, models)


def load(
    path: ModelPath | bytes,
    layers: Sequence[type[Layer]] = (),
    losses: Sequence[type[Loss]] = (),
    models: Sequence[type[Network | Classifier | Regressor]] = (),
) -> Network | Classifier | Regressor | ManyModels:
    """Read the Network, Classifier, Regressor or ManyModels that `save` wrote; it predicts the same bits.

    The state of the optimizer, its schedule and the position in the random streams are in the file of an estimator too, so that
    training goes on (`partial_fit`, or `fit` with `warm_start`) to the same bits as without the file. That of a network has its
    optimizer where it was saved with it: `network.optimizer`.

    scikit-learn is loaded only when more than predictions is wanted of an estimator.

    Parameters
    ----------
    path : str, Path, bytes or binary file
        The file, where "~" is the home folder; its content; or an open file or a `BytesIO`, read from the current position to the end.
    layers : sequence of type of Layer, default=()
        Classes of your own that the model has; a file never names code by itself.
    losses : sequence of type of Loss, default=()
        Classes of your own of losses.
    models : sequence of type, default=()
        The class of the model, if that is a subclass of your own of Network, Classifier or Regressor; it is loaded as one of
        these otherwise, with a warning. What it has beside their attributes is not in a file.

    Returns
    -------
    Network, Classifier, Regressor or ManyModels
        What was saved. Of many models each is read from the file, which stays open, when it is wanted.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        It is not a model, is damaged or altered, or comes from a newer version.
    """
    name = name_of(path)
    content = None if isinstance(path, (str, os.PathLike)) else read_open(path, name)
    if says_kind(path if content is None else content, MANY):
        many = import_module("pysmorch.many.models").open_models(path, content, name, [*layers, *losses, *models])
        if many is not None:
            return many
    header, tensors = read_parts(path) if content is None else checked(content, name)
    return made_of(header, tensors, name, [*layers, *losses], models)


def made_of(
    header: dict[str, Any], tensors: dict[str, Array], name: str, own: Sequence[type], models: Sequence[type]
) -> Any:
    """Return the object of a model file.

    Parameters
    ----------
    header, tensors
        What `read_parts` returned.
    name : str
        What messages call the file.
    own, models : sequence of type
        Classes of the user, of layers and losses, and of models.

    Returns
    -------
    Network, Classifier or Regressor
        What was saved.

    Raises
    ------
    ModelFileError
        Something is missing, does not fit, or is not known.
    """
    try:
        return model_of(header, tensors, own, lambda kind: _find(kind, models))
    except ModelFileError as error:
        raise ModelFileError(f"{name}: {escaped(str(error))}") from error
