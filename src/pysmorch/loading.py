"""From a model file to the object that was saved, whichever part of the library it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pysmorch.files import ModelFileError, ModelPath, class_of, name_of, read_parts, said_of_version
from pysmorch.files.header import entry
from pysmorch.layers.base import Layer

if TYPE_CHECKING:
    from pysmorch.estimators import Classifier, Regressor
    from pysmorch.network import Network

REGISTERED_BY = {
    "network": "pysmorch.network",
    "classifier": "pysmorch.estimators",
    "regressor": "pysmorch.estimators",
}
"""The module that registers each kind; it is imported for files of that kind, so that a network loads without scikit-learn."""


def load(path: ModelPath | bytes, layers: Sequence[type[Layer]] = ()) -> Network | Classifier | Regressor:
    """Read the Network, Classifier or Regressor that `save` wrote; it predicts the same bits.

    Parameters
    ----------
    path : str, Path, bytes or binary file
        The file, where "~" is the home folder; its content; or an open file or a `BytesIO`, read from the current position to the end.
    layers : sequence of type of Layer, default=()
        Classes of your own, of layers and losses, that the model has; a file never names code by itself.

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
    try:
        kind = entry(header, "kind", str)
        if kind in REGISTERED_BY:
            import_module(REGISTERED_BY[kind])
        loaded: Any = class_of(kind).from_parts(entry(header, "model", dict), tensors, layers)
        return loaded
    except ModelFileError as error:
        raise ModelFileError(f"{name_of(path)}: {error}{said_of_version(header)}") from error
