"""The attributes that an object stores, also in `__slots__` and in frozen dataclasses, and the layers that it holds in them."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import cache
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from pysmorch.layers.arguments import Array

_PLAIN = (np.ndarray, np.generic, str, bytes, int, float, complex, type(None), type)
"""Types whose objects are no layers and hold none."""


@cache
def _slots(cls: type) -> dict[str, Any]:
    """The descriptors of a class's slots by name; those of derived classes come first."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        for name, value in vars(base).items():
            if isinstance(value, MemberDescriptorType) and value.__objclass__ is base and base.__module__ != "builtins":
                found.setdefault(name, value)
    return found


def attributes_of(one: Any) -> dict[str, Any]:
    """Return the attributes that an object stores, by name; properties and what its class has are not among them.

    Parameters
    ----------
    one : object
        Of any class.

    Returns
    -------
    dict
        A new one.
    """
    cls: Any = type(one)
    stored = dict(getattr(one, "__dict__", ()))
    for name, slot in _slots(cls).items():
        try:
            stored[name] = slot.__get__(one)
        except AttributeError:  # not set yet
            continue
    return stored


def set_attribute(one: Any, name: str, value: Any) -> None:
    """Store an attribute without the class's own `__setattr__` or property, which frozen dataclasses refuse with.

    Parameters
    ----------
    one : object
        Of any class.
    name : str
        As in `attributes_of`.
    value : object
        What is stored.
    """
    cls: Any = type(one)
    slot = _slots(cls).get(name)
    if slot is None:
        one.__dict__[name] = value
    else:
        slot.__set__(one, value)


def is_layer(value: Any) -> bool:
    """Whether an object is a layer: it has `forward`, which needs no argument, and `backward`.

    Parameters
    ----------
    value : object
        Anything that an attribute holds.

    Returns
    -------
    bool
    """
    if isinstance(value, _PLAIN) or not (hasattr(value, "forward") and hasattr(value, "backward")):
        return False
    method = getattr(value.forward, "__func__", None)
    return _num_needed(value.forward) == 0 if method is None else _num_needed(method) <= 1


@cache
def _num_needed(function: Any) -> int:
    """How many arguments a function cannot do without, `self` among them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # not every callable object tells
        return 0
    return sum(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def layers_in(value: Any) -> Iterator[Any]:
    """Yield the layers in an attribute: itself, or those in a list, a tuple or a dict.

    Parameters
    ----------
    value : object
        Anything that an attribute holds.

    Yields
    ------
    Layer
        In their order.
    """
    if type(value) in (list, tuple):
        for item in value:
            yield from layers_in(item)
    elif type(value) is dict:
        for item in value.values():
            yield from layers_in(item)
    elif is_layer(value):
        yield value


def objects_in(one: Any, known: Collection[int]) -> Iterator[Any]:
    """Yield all objects with attributes that an object holds, and those that they hold in turn, each once.

    Parameters
    ----------
    one : object
        Of any class.
    known : collection of int
        The `id` of objects that are left out, with what they hold.

    Yields
    ------
    object
        In the order of the attributes, those that are held directly first.
    """
    seen = {id(one), *known}
    waiting = deque(attributes_of(one).values())
    while waiting:
        value = waiting.popleft()
        if isinstance(value, _PLAIN) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, (list, tuple, set, frozenset)):
            waiting.extend(value)
        elif isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, MethodType):
            waiting.append(value.__self__)
        elif not isinstance(value, (ModuleType, FunctionType)):
            yield value
            waiting.extend(attributes_of(value).values())


def mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """Return an attribute with a function applied to it, and to what is in it where that is a list, a tuple or a dict.

    Parameters
    ----------
    value : object
        Anything that an attribute holds.
    function : callable
        Returns another object in place of one, or the same.

    Returns
    -------
    object
        The same one where nothing in it is replaced.
    """
    new = function(value)
    if new is not value:
        return new
    if type(value) in (list, tuple):
        items = [mapped(item, function) for item in value]
        return type(value)(items) if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if type(value) is dict:
        entries = {key: mapped(item, function) for key, item in value.items()}
        return entries if any(entries[key] is not item for key, item in value.items()) else value
    return value


def replaced(value: Any, replacements: Mapping[int, Any]) -> Any:
    """Return an attribute with other objects in place of some, which are given by their `id`; see `mapped`."""
    return mapped(value, lambda one: replacements.get(id(one), one))


def replace_in(one: Any, replacements: Mapping[int, Any]) -> None:
    """Replace objects in all attributes that an object stores; see `replaced`.

    Parameters
    ----------
    one : object
        Of any class.
    replacements : mapping of int to object
        What comes in place of an object, by its `id`.
    """
    for name, value in attributes_of(one).items():
        new = replaced(value, replacements)
        if new is not value:
            set_attribute(one, name, new)


def set_parameters(layer: Any, W: Array) -> None:
    """Let a layer of any class have this very array as its `W`, also where that is a property.

    Parameters
    ----------
    layer : object
        With an array `W`, or a number.
    W : array
        In its shape.

    Raises
    ------
    TypeError
        When its class makes `W` anew each time that it is read.
    """
    if isinstance(layer.W, np.ndarray):
        replace_in(layer, {id(layer.W): W})
    if layer.W is not W:
        with suppress(AttributeError):  # a property that is only read
            layer.W = W
    if layer.W is not W:
        raise TypeError(
            f"{type(layer).__name__}: W is another array each time that it is read, so that training could not change it; "
            "store one array, and return that"
        )
