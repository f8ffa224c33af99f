"""Values as plain data, which JSON can hold, and back."""

from __future__ import annotations

import inspect
from math import isfinite
from typing import Any

import numpy as np

from pysmorch import models, schedules
from pysmorch.files.header import ModelFileError, entry
from pysmorch.layers.base import Array
from pysmorch.optimizers import OPTIMIZERS, Optimizer, aligned_zeros

OBJECTS: dict[str, Any] = {cls.__name__: cls for cls in OPTIMIZERS.values()} | {
    name: getattr(schedules, name)
    for name in ("Constant", "Cosine", "CosineCycles", "FlatCosine", "OneCycle", "Step", "WarmUp")
}
"""Classes whose objects are stored by their arguments; a file can name no others."""

NETWORKS = {
    name: value
    for name, value in inspect.getmembers(models, inspect.isfunction)
    if value.__module__ == models.__name__ and not name.startswith("_")
}
"""Functions that are stored by their name."""


class NotStorable(Exception):
    """A value that a file cannot hold."""


def to_plain(value: Any) -> Any:
    """Return a parameter as plain data, from which `from_plain` makes an equal one of the same type.

    Parameters
    ----------
    value : object
        A number, text, a tuple or list, a dictionary, an array, an optimizer, a schedule, a random state, or a function of
        `pysmorch.models`.

    Returns
    -------
    object
        What JSON can hold: a tuple becomes a list, and what is neither that nor simple a dictionary with the entry "is".

    Raises
    ------
    NotStorable
        For any other object.
    """
    if isinstance(value, np.generic) and value.dtype.kind in "biufU":
        return {"is": "scalar", "dtype": value.dtype.str, "value": to_plain(value.item())}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufU":
        return {"is": "array", "dtype": value.dtype.str, "value": to_plain(value.tolist())}
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, float):
        return {"is": "float", "value": str(value)}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, list):
        return {"is": "list", "value": [to_plain(item) for item in value]}
    if isinstance(value, dict):
        return {"is": "dict", "value": [[to_plain(key), to_plain(item)] for key, item in value.items()]}
    if isinstance(value, np.random.RandomState):
        return {"is": "RandomState", "value": to_plain(value.get_state(legacy=True))}
    if type(value) in OBJECTS.values():
        arguments = {name: to_plain(getattr(value, name)) for name in inspect.signature(type(value)).parameters}
        return {"is": type(value).__name__, "value": arguments}
    if any(value is network for network in NETWORKS.values()):
        return {"is": "network", "value": value.__name__}
    raise NotStorable


def from_plain(plain: Any) -> Any:
    """Return the parameter of `to_plain`.

    Parameters
    ----------
    plain : object
        From a file, not checked yet.

    Returns
    -------
    object
        The value.

    Raises
    ------
    ModelFileError
        It was not made by `to_plain`.
    """
    if isinstance(plain, list):
        return tuple(from_plain(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    kind, value = entry(plain, "is", str), plain.get("value")
    try:
        return _of_kind(kind, value, plain)
    except ModelFileError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelFileError(f"a parameter of kind {kind!r} is wrong: {error}") from error


def _of_kind(kind: str, value: Any, plain: dict[str, Any]) -> Any:
    if kind in ("scalar", "array"):
        dtype = np.dtype(entry(plain, "dtype", str))
        array = np.array(from_plain(value), dtype=dtype)
        return array if kind == "array" else array[()]
    if kind == "float":
        return float(value)
    if kind == "list":
        return [from_plain(item) for item in value]
    if kind == "dict":
        return {from_plain(key): from_plain(item) for key, item in value}
    if kind == "RandomState":
        state = np.random.RandomState()
        state.set_state(from_plain(value))
        return state
    if kind == "network":
        return NETWORKS[value]
    if kind not in OBJECTS:
        raise ModelFileError(f"a parameter is a {kind!r}, which this version does not know")
    made = OBJECTS[kind](**{name: from_plain(argument) for name, argument in value.items()})
    if isinstance(made, schedules.Schedule):
        rate = made.rate(0.5, 1.0)
        if not isinstance(rate, (int, float)):
            raise ModelFileError(f"the rates of a {kind} are not numbers but such as {rate!r}")
    return made


def optimizer_to_parts(optimizer: Optimizer) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return an optimizer with its state.

    Parameters
    ----------
    optimizer : Optimizer
        Of one of the library's classes, with one of its schedules.

    Returns
    -------
    header : dict
        Plain data.
    tensors : dict of str to ndarray
        The state arrays.

    Raises
    ------
    ValueError
        It is of a class of the user's.
    """
    try:
        plain = to_plain(optimizer)
    except NotStorable:
        raise ValueError(f"optimizer: a file cannot hold {optimizer!r}, which has a class of your own") from None
    tensors = {f"optimizer.{name}": array for name, array in optimizer.state.items()}
    return {"made": plain, "steps": optimizer.num_steps}, tensors


def optimizer_from_parts(header: dict[str, Any], tensors: dict[str, Array], size: int) -> Optimizer:
    """Return the optimizer of `optimizer_to_parts`.

    Parameters
    ----------
    header, tensors
        From a file, not checked yet.
    size : int
        The number of parameters of its network.

    Returns
    -------
    Optimizer
        With its state.

    Raises
    ------
    ModelFileError
        It is none, or its state does not fit.
    """
    optimizer = from_plain(entry(header, "made", dict))
    if not isinstance(optimizer, Optimizer):
        raise ModelFileError(f"its optimizer is a {type(optimizer).__name__}")
    take_optimizer(optimizer, entry(header, "steps", int), tensors, size)
    return optimizer


def take_optimizer(optimizer: Optimizer, steps: int, tensors: dict[str, Array], size: int) -> None:
    """Give a new optimizer the state of another one.

    Parameters
    ----------
    optimizer : Optimizer
        At its first step.
    steps : int
        How many the other one has taken.
    tensors : dict of str to ndarray
        The state arrays, with others perhaps, not checked yet.
    size : int
        The number of parameters.

    Raises
    ------
    ModelFileError
        They do not fit.
    """
    if not 0 <= steps < 2**53:
        raise ModelFileError(f"its optimizer has taken {steps} steps")
    if not steps:
        return
    for name in optimizer.state_names:
        array = tensors.get(f"optimizer.{name}")
        if array is None or array.shape != (size,) or array.dtype.kind != "f":
            raise ModelFileError(f"the state {name!r} of its optimizer is missing or does not fit its network")
        optimizer.state[name] = aligned_zeros(size, array.dtype)
        optimizer.state[name][:] = array
    optimizer.num_steps = steps
