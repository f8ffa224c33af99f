"""What a class of the user's has to train besides `W`, of which nothing else knows: numbers whose gradients its backward stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pysmorch.layers.attributes import attributes_of
from pysmorch.layers.own_passes import feeders
from pysmorch.layers.trainable import has_parameters

NO_G = "backward sets no G, the gradient of the loss with respect to W"
"""What a class of the user's with a `W` may have forgotten."""


class _Position(NamedTuple):
    """Where an object stores numbers: the attribute, and the key or position in it where that is a dict, a list or a tuple."""

    attribute: str
    key: Any = None

    def __str__(self) -> str:
        if self.key is None:
            return self.attribute
        return f'{self.attribute}["{self.key}"]' if isinstance(self.key, str) else f"{self.attribute}[{self.key}]"


class OwnNumbers:
    """The numbers that a layer of a class of the user's stores before a pass, to find what it has to train besides `W`.

    Parameters
    ----------
    layer : Layer
        Before the pass.
    """

    def __init__(self, layer: Any) -> None:
        self._before: dict[_Position, tuple[Any, Any]] = {}
        if feeders(layer) or has_parameters(layer):  # other layers are data, and theirs are no parameters
            W = getattr(layer, "W", None)
            self._before = {p: (value, _copy(value)) for p, value in _numbers_of(layer) if not _is_in(W, p, value)}

    def __bool__(self) -> bool:
        return bool(self._before)

    def untrained(self, after: Any) -> list[tuple[str, str]]:
        """Return what is told of numbers of which a forward and a backward pass have stored a gradient.

        They are those that the pass left as they are, and beside which it stored numbers of the same shape under one of the usual
        names for a gradient. So caches, running statistics and constants are none.

        Parameters
        ----------
        after : Layer
            The same layer after the pass, or the copy that it was made in.

        Returns
        -------
        list of tuple of str
            Where they are, and a sentence without its beginning.
        """
        found = []
        now = dict(_numbers_of(after))
        for position, (value, copy) in self._before.items():
            stays = position in now and now[position] is value and np.array_equal(value, copy, equal_nan=True)
            if not stays:
                continue
            gradient = next(
                (p for p in _gradient_positions(position, now) if self._is_gradient_of(value, p, now)), None
            )
            if gradient is not None:
                text = (
                    f"{position}, of which {gradient} seems to be the gradient: a layer has one array of parameters, W, and no other is "
                    f"trained; make {position} the W of a layer of its own"
                )
                found.append((str(position), text))
        return found

    def _is_gradient_of(self, value: Any, position: _Position, now: dict[_Position, Any]) -> bool:
        stored, before = now[position], self._before.get(position)
        is_new = before is None or stored is not before[0] or not np.array_equal(stored, before[1], equal_nan=True)
        return is_new and stored is not value and np.shape(stored) == np.shape(value)


def not_an_array(W: Any) -> str:
    """Return why a `W` that is no array cannot be trained, and what to do."""
    held = list(W.values()) if isinstance(W, dict) else list(W) if isinstance(W, (list, tuple)) else []
    if any(isinstance(item, np.ndarray) for item in held):
        what = f"is a {type(W).__name__} of {len(held)}; make each of them the W of a layer of its own"
    else:
        what = f"is a {type(W).__name__}; write np.array(...)"
    return f"W must be a NumPy array to be trained, but {what}"


def _numbers_of(layer: Any) -> Iterator[tuple[_Position, Any]]:
    """Yield the floating-point numbers and arrays of them that an object stores, in its attributes and in containers in these."""
    for name, value in attributes_of(layer).items():
        items: Iterable[tuple[Any, Any]]
        if type(value) is dict:
            items = value.items()
        elif type(value) in (list, tuple):
            items = enumerate(value)
        else:
            items = ((None, value),)
        yield from ((_Position(name, key), item) for key, item in items if _is_floating(item))


def _is_floating(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "f")


def _gradient_positions(position: _Position, now: dict[_Position, Any]) -> list[_Position]:
    """Return where a class would store the gradient of what it stores at a position, of the positions that there are."""
    names = _gradient_names(position.attribute)
    if position.key is None:
        return [other for other in now if other.key is None and other.attribute in names]
    keys = _gradient_names(position.key) if isinstance(position.key, str) else set()
    return [
        other
        for other in now
        if (other.attribute in {position.attribute, *names} and other.key in keys)
        or (other.key == position.key and (other.attribute in names or "grad" in other.attribute))
        or (other.key is None and other.attribute in keys)
    ]


def _gradient_names(name: str) -> set[str]:
    bare = name.lstrip("_")
    names = {f"{first}{bare}" for first in ("G", "G_", "d", "d_", "g", "g_", "grad_", "delta_")}
    names |= {f"{bare}{last}" for last in ("_grad", "_G", "_gradient")}
    names |= {bare.replace("W", "G", 1)} - {bare}
    return names | {f"_{one}" for one in names}


def _is_in(W: Any, position: _Position, value: Any) -> bool:
    """Whether numbers are those of `W`, in whatever it is."""
    if isinstance(W, np.ndarray) and isinstance(value, np.ndarray):
        return np.may_share_memory(value, W)
    return value is W or (W is not None and position.attribute == "W")


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value
