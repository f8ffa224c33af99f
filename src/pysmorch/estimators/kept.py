"""What a model file keeps of an estimator's parameters and of its training, as plain data and arrays."""

from __future__ import annotations

import inspect
import warnings
from math import isfinite
from typing import Any

import numpy as np

from pysmorch import models, schedules
from pysmorch.files import ModelFileError
from pysmorch.files.header import entry
from pysmorch.layers.base import Array
from pysmorch.optimizers import OPTIMIZERS, aligned_zeros
from pysmorch.warnings import PysmorchWarning

OBJECTS: dict[str, Any] = {cls.__name__: cls for cls in OPTIMIZERS.values()} | {
    name: getattr(schedules, name) for name in ("Constant", "Cosine", "OneCycle", "Step", "WarmUp")
}
"""Classes whose objects are kept by their arguments; a file can name no others."""

NETWORKS = {
    name: value
    for name, value in inspect.getmembers(models, inspect.isfunction)
    if value.__module__ == models.__name__ and not name.startswith("_")
}
"""Functions that are kept by their name."""


class NotKept(Exception):
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
    NotKept
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
    raise NotKept


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
    return OBJECTS[kind](**{name: from_plain(argument) for name, argument in value.items()})


def parameters_to_plain(model: Any) -> dict[str, Any]:
    """Return the parameters that a file can hold, and warn of those that are lost.

    Parameters
    ----------
    model : NetworkEstimator
        With any parameters.

    Returns
    -------
    dict
        Plain data by the names of the parameters.
    """
    kept, lost = {}, []
    for name, value in model.get_params(deep=False).items():
        try:
            kept[name] = to_plain(value)
        except NotKept:
            lost.append(f"{name} (a {type(value).__name__})")
    if lost:
        warnings.warn(
            f"a model file cannot hold the parameter {', '.join(lost)}: the loaded model predicts the same, but set it again "
            "with set_params before another fit",
            PysmorchWarning,
            stacklevel=6,
        )
    return kept


def training_to_parts(model: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return where the training of an estimator is: the steps and the state of its optimizer.

    Parameters
    ----------
    model : NetworkEstimator
        Fitted.

    Returns
    -------
    header : dict
        Plain data.
    tensors : dict of str to ndarray
        The state arrays; none where the optimizer itself is not kept.
    """
    optimizer = model.optimizer_
    if type(optimizer) not in OPTIMIZERS.values() or not optimizer.num_steps:
        return {"steps": 0}, {}
    return {"steps": optimizer.num_steps}, {f"optimizer.{name}": array for name, array in optimizer.state.items()}


def take_training(model: Any, header: dict[str, Any], tensors: dict[str, Array]) -> None:
    """Continue with the optimizer of `training_to_parts`; files of before begin with a new one.

    Parameters
    ----------
    model : NetworkEstimator
        With its parameters and a new optimizer.
    header : dict
        The header of the estimator, not checked yet.
    tensors : dict of str to ndarray
        All arrays of the file.

    Raises
    ------
    ModelFileError
        The state is not that of the optimizer.
    """
    steps = entry(header["training"], "steps", int) if "training" in header else 0
    if not steps:
        return
    state = {name: tensors.get(f"optimizer.{name}") for name in model.optimizer_.state_names}
    size = sum(W.size for W in model.network_.parameters.values())
    for name, array in state.items():
        if array is None or array.shape != (size,) or array.dtype.kind != "f":
            raise ModelFileError(f"the state {name!r} of its optimizer is missing or does not fit its network")
        model.optimizer_.state[name] = aligned_zeros(size, array.dtype)
        model.optimizer_.state[name][:] = array
    model.optimizer_.num_steps = steps
