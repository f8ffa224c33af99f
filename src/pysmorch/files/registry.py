"""What can be saved: each class registers the name of its kind in a file, and turns itself into parts and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self, TypeVar

from pysmorch.files.header import ModelFileError
from pysmorch.layers.base import Array, Layer


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


def class_of(kind: str) -> type[Saveable]:
    """Return the class that is registered for a kind.

    Parameters
    ----------
    kind : str
        From a model file.

    Returns
    -------
    type
        With `from_parts`.

    Raises
    ------
    ModelFileError
        There is none.
    """
    if kind not in _CLASSES:
        raise ModelFileError(f"it holds a {kind!r}, which this version does not know")
    return _CLASSES[kind]


def kind_of(model: Any) -> str:
    """Return the kind under which an object is saved: that of its class, or of the nearest base class with one.

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
    for cls in type(model).__mro__:
        if cls in kinds:
            return kinds[cls]
    raise TypeError(f"model: a {type(model).__name__} cannot be saved; expected one of {', '.join(_CLASSES)}")
