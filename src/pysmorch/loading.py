"""From a model file to the object that was saved, whichever part of the library it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pysmorch.files import ModelFileError, ModelPath, model_of, name_of, read_parts
from pysmorch.layers.base import Layer
from pysmorch.losses import Loss

if TYPE_CHECKING:
    from pysmorch.estimators import Classifier, Regressor
    from pysmorch.network import Network

REGISTERED_BY = {
    "network": "pysmorch.network",
    "classifier": "pysmorch.estimators",
    "regressor": "pysmorch.estimators",
}
"""The module that registers each kind; it is imported for files of that kind, so that a network loads without scikit-learn."""


def load(
    path: ModelPath | bytes, layers: Sequence[type[Layer]] = (), losses: Sequence[type[Loss]] = ()
) -> Network | Classifier | Regressor:
    """Read the Network, Classifier or Regressor that `save` wrote; it predicts the same bits.

    The state of the optimizer, its schedule and the position in the random streams are in the file of an estimator too, so that
    training goes on (`partial_fit`, or `fit` with `warm_start`) to the same bits as without the file. That of a network has its
    optimizer where it was saved with it: `network.optimizer`.

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
    kind = header.get("kind")
    if isinstance(kind, str) and kind in REGISTERED_BY:
        import_module(REGISTERED_BY[kind])
    try:
        loaded: Any = model_of(header, tensors, [*layers, *losses])
    except ModelFileError as error:
        raise ModelFileError(f"{name_of(path)}: {error}") from error
    return loaded
