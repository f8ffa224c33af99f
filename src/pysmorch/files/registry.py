"""What can be saved: each class registers the name of its kind in a file, and turns itself into parts and back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self, TypeVar

from pysmorch.files.header import ModelFileError
from pysmorch.layers.base import Array, Layer
from pysmorch.warnings import PysmorchWarning


class Saveable(Protocol):
    """A class whose objects can be in a model file."""

    def to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the object as plain data, and arrays by name."""

    def own_layers(self) -> list[Any]:
        """Return the layers and losses that are of classes of the user's."""

    @classmethod
    def from_parts(cls, header: dict[str, Any], tensors: dict[str, Array], layers: Sequence[type[Layer]] = ()) -> Self:
        """Return the object of `to_parts`; ModelFileError says what does not fit.

        Parameters
        ----------
        header : dict
            The plain data, not checked yet.
        tensors : dict of str to ndarray
            The arrays.
        layers : sequence of type of Layer, default=()
            Classes of the user, of layers and losses, that the object may have.
        """


SomeSaveable = TypeVar("SomeSaveable", bound=type[Saveable])

_CLASSES: dict[str, type[Saveable]] = {}


def saved_as(kind: str) -> Callable[[SomeSaveable], SomeSaveable]:
    """Register a class under the name of its kind in model files; a decorator.

    Parameters
    ----------
    kind : str
        The name, which stays the same for ever.

    Returns
    -------
    callable
        Takes the class and returns it.
    """

    def register(cls: SomeSaveable) -> SomeSaveable:
        _CLASSES[kind] = cls
        return cls

    return register


OWN = ":"
"""Stands in a model file between the name of a kind and that of a subclass of the user's."""


def class_of(kind: str, own: Sequence[type] = ()) -> type[Saveable]:
    """Return the class that is registered for a kind, or the subclass of it that the kind names; a warning where that is not passed.

    Parameters
    ----------
    kind : str
        From a model file.
    own : sequence of type, default=()
        Subclasses of the user's.

    Returns
    -------
    type
        With `from_parts`.

    Raises
    ------
    ModelFileError
        There is none.
    """
    name, _, subclass = kind.partition(OWN)
    if name not in _CLASSES:
        raise ModelFileError(f"it holds a {kind!r}, which this version does not know")
    registered = _CLASSES[name]
    if not subclass:
        return registered
    for cls in own:
        if cls.__name__ == subclass and issubclass(cls, registered):
            return cls
    warnings.warn(
        f"the file holds a {subclass}, a class of your own, and is loaded as the {registered.__name__} that it is; for what "
        f"{subclass} adds to that, pass it: load(path, models=[{subclass}])",
        PysmorchWarning,
        stacklevel=7,
    )
    return registered


def kind_of(model: Any) -> str:
    """Return the kind under which an object is saved: that of its class; for a subclass of the user's with its name.

    Parameters
    ----------
    model : object
        Whatever is to be saved.

    Returns
    -------
    str
        The name of its kind.

    Raises
    ------
    TypeError
        It cannot be saved.
    """
    kinds = {cls: kind for kind, cls in _CLASSES.items()}
    saved = model.__class__
    for cls in saved.__mro__:
        if cls in kinds:
            return kinds[cls] if cls is saved else f"{kinds[cls]}{OWN}{saved.__name__}"
    raise TypeError(f"model: a {type(model).__name__} cannot be saved; expected one of {', '.join(_CLASSES)}")
