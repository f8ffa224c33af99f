"""From a model file to the object that was saved, whichever part of the library it belongs to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pysmorch.files import ModelFileError, ModelPath, model_of, name_of, read_parts
from pysmorch.layers.base import Layer
from pysmorch.losses import Loss

if TYPE_CHECKING:
    from pysmorch.estimators import Classifier, Regressor
    from pysmorch.network import Network

ESTIMATORS = ("classifier", "regressor")
"""The kinds that scikit-learn knows, too."""


def _register(kind: Any) -> None:
    """Import the module that registers a kind: that of the estimators only where scikit-learn is loaded already."""
    if kind == "network":
        import_module("pysmorch.network")
    elif kind in ESTIMATORS:
        import_module("pysmorch.estimators" if "sklearn" in sys.modules else "pysmorch.loaded")


def load(
    path: ModelPath | bytes, layers: Sequence[type[Layer]] = (), losses: Sequence[type[Loss]] = ()
) -> Network | Classifier | Regressor:
    """Read the Network, Classifier or Regressor that `save` wrote; it predicts the same bits.

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

    Returns
    -------
    Network, Classifier or Regressor
        What was saved.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        It is not a model, is damaged or altered, or comes from a newer version.
    """
    header, tensors = read_parts(path)
    _register(header.get("kind"))
    try:
        loaded: Any = model_of(header, tensors, [*layers, *losses])
    except ModelFileError as error:
        raise ModelFileError(f"{name_of(path)}: {error}") from error
    return loaded
