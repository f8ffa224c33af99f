"""The state of a run as plain data and arrays, from which it goes on to the same bits."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from pysmorch.engine import Dataset, Totals
from pysmorch.files import ModelFileError
from pysmorch.files.header import entries, entry
from pysmorch.files.plain import NotStorable, from_plain, to_plain
from pysmorch.layers.base import Array
from pysmorch.layers.trainable import has_parameters
from pysmorch.optimizers import Optimizer
from pysmorch.training.callbacks import Callback
from pysmorch.training.run import Run

LARGEST_COUNT = 2**53
"""Of steps."""

BYTES_OF_DATA = 2**26
"""Of an array that is larger, evenly spaced rows stand for all of them where data are compared."""

OPTIMIZER, GOOD, CALLBACKS = "optimizer.", "before_epoch.", "callbacks."
"""How the names of arrays begin."""

OTHER_DATA = "pass the same rows, labels, weights and validation data, of the same types"
"""What is to be done where a run is resumed with other data."""


def state_to_parts(run: Run) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return where a run is, without the parameters and states of its network.

    Parameters
    ----------
    run : Run
        At the end of a step. Of the event of which callbacks are being told they are told again when the run goes on.

    Returns
    -------
    header : dict
        Plain data.
    tensors : dict of str to ndarray
        The state of the optimizer, that of callbacks, and the parameters from before the epoch.

    Raises
    ------
    ValueError
        The state of a callback is not plain data and arrays.
    """
    marks = run.mark() if run.pending is None or run.marks is None else run.marks
    history = {name: values[: marks.columns.get(name, 0)] for name, values in run.training.history.to_dict().items()}
    tensors = {f"{OPTIMIZER}{name}": array for name, array in run.optimizer.state.items()}
    if run.batch and run.good_weights is not None:
        tensors |= _snapshot_to_tensors(run)
    states = []
    for i, (callback, state) in enumerate(zip(run.callbacks, marks.states, strict=True)):
        if state is not None:
            plain = _to_plain(state, f"{CALLBACKS}{i}", tensors, type(callback).__name__)
            states.append({"type": type(callback).__name__, "state": plain})
    totals = run.totals
    header = {
        "options": options_to_plain(run),
        "steps": run.program.num_steps,
        "optimizer_steps": run.optimizer.num_steps,
        "totals": to_plain([totals.loss, totals.metric, totals.weight, totals.rows]),
        "history": {name: to_plain(values) for name, values in history.items()},
        "stopped_by": marks.stopped_by,
        "pending": run.pending,
        "callbacks": states,
        "data": [fingerprint(data) for data in (run.data, run.validation) if data is not None],
        "instructions": instructions_of(run),
    }
    return header, tensors


def take_state(run: Run, header: dict[str, Any], tensors: dict[str, Array]) -> None:
    """Bring a run that has just begun to where another one was, with the parameters of its network.

    Parameters
    ----------
    run : Run
        With its program, and callbacks that were told of the start.
    header, tensors
        What `state_to_parts` returned, with the arrays of the network.

    Raises
    ------
    ValueError
        The run has other data, another network or other callbacks.
    ModelFileError
        Something is missing.
    """
    found = [fingerprint(data) for data in (run.data, run.validation) if data is not None]
    if entries(header, "data", str) != found:
        raise ValueError(f"the run had other data: {OTHER_DATA}")
    for name, layer in zip(run.network.names, run.network.layers, strict=True):
        for key, array in arrays_of(layer).items():
            array[...] = _take(tensors, f"{name}.{key}", array)
    for name, array in run.optimizer.state.items():
        array[...] = _take(tensors, f"{OPTIMIZER}{name}", array, finite=False)
    run.program.num_steps = _count(header, "steps")
    run.optimizer.num_steps = _count(header, "optimizer_steps")
    loss, metric, weight, rows = _numbers(header, "totals")
    run.totals = Totals(float(loss), float(metric), float(weight), int(rows))
    history = run.training.history
    columns = entry(header, "history", dict)
    history.take({name: _numbers(columns, name) for name in columns})
    history.stopped_by = entry(header, "stopped_by", str, type(None))
    run.pending = entry(header, "pending", str, type(None))
    run.training.epoch, run.training.batch = run.epoch, run.batch
    _check_position(run)
    if run.batch:
        run.good_weights = _snapshot_from_tensors(run, tensors)
    _take_callbacks(run, entries(header, "callbacks", dict), tensors)


def _count(header: dict[str, Any], name: str) -> int:
    number: int = entry(header, name, int)
    if not 0 <= number < LARGEST_COUNT:
        raise ModelFileError(f"its {name} should be a number from 0 to {LARGEST_COUNT}, but are {number}")
    return number


def _numbers(header: dict[str, Any], name: str) -> list[float]:
    numbers = from_plain(header.get(name))
    if not isinstance(numbers, (list, tuple)) or not all(type(number) in (int, float) for number in numbers):
        raise ModelFileError(f"its {name} is no list of numbers")
    return list(numbers)


def options_to_plain(run: Run) -> dict[str, Any]:
    """Return the options on which the bits of a run depend, and in how many pieces it computes its batches."""
    options = run.options
    return {
        "optimizer": optimizer_to_plain(run.optimizer),
        "epochs": int(options.epochs),
        "batch_size": int(options.batch_size),
        "accumulate": int(options.accumulate),
        "shuffle": bool(options.shuffle),
        "seed": int(run.program.seed),
        "dtype": options.dtype,
        "engine": run.program.engine,
        "precision": "bf16" if run.program.bf16 else "float32",
    }


def optimizer_to_plain(optimizer: Optimizer) -> Any:
    """Return an optimizer as plain data, or the name of its class where it or its schedule is of a class of the user's."""
    try:
        return to_plain(optimizer)
    except NotStorable:
        return type(optimizer).__name__


def instructions_of(run: Run) -> str:
    """Return the instructions or the device of the program, or nothing on the reference path."""
    return run.program.instructions


def fingerprint(data: Dataset) -> str:
    """Return a digest of the data of a fit; of very large data, of evenly spaced rows."""
    digest = hashlib.blake2b(digest_size=16)
    weights, count = [] if data.weights is None else [data.weights], len(data)
    for rows in [*data.inputs, data.labels, *weights]:
        digest.update(f"{(count, *rows.shape[1:])} {rows.dtype}".encode())
        bytes_of_row = max(1, int(np.prod(rows.shape[1:])) * rows.dtype.itemsize)
        spacing = max(1, -(-count * bytes_of_row // BYTES_OF_DATA))
        digest.update(np.ascontiguousarray(rows[data.indices(np.arange(0, count, spacing))]).tobytes())
    return digest.hexdigest()


def _check_position(run: Run) -> None:
    columns = {len(values) for values in run.training.history.values()} or {0}
    fits = 0 <= run.batch <= run.num_batches and run.epoch <= run.options.epochs
    totals = run.totals
    fits = (
        fits
        and 0 <= totals.rows <= len(run.data)
        and bool(np.isfinite([totals.loss, totals.metric, totals.weight]).all())
    )
    if len(columns) > 1 or not fits or run.pending not in (None, "on_batch_end", "on_epoch_end"):
        raise ModelFileError("its steps, its history and its options do not fit each other")


def same_bits(a: Array, b: Array) -> bool:
    """Whether two arrays have the same shape, dtype and bits."""
    return a.shape == b.shape and a.dtype.name == b.dtype.name and a.tobytes() == b.tobytes()


def arrays_of(layer: Any) -> dict[str, Array]:
    """Return the parameters and states of a layer by name."""
    W = {"W": layer.W} if has_parameters(layer) else {}
    return W | getattr(layer, "state", {})


def _snapshot_to_tensors(run: Run) -> dict[str, Array]:
    assert run.good_weights is not None
    tensors: dict[str, Array] = {}
    for name, (W, state) in zip(run.network.names, run.good_weights, strict=True):
        arrays = state if W is None else {"W": W} | state
        tensors |= {f"{GOOD}{name}.{key}": array for key, array in arrays.items()}
    return tensors


def _snapshot_from_tensors(run: Run, tensors: dict[str, Array]) -> list[Any]:
    snapshot = []
    for name, layer in zip(run.network.names, run.network.layers, strict=True):
        arrays = {key: _take(tensors, f"{GOOD}{name}.{key}", a) for key, a in arrays_of(layer).items()}
        snapshot.append((arrays.pop("W", None), arrays))
    return snapshot


def _take(tensors: dict[str, Array], name: str, like: Array, finite: bool = True) -> Array:
    array = tensors.get(name)
    if array is None or array.shape != like.shape or array.dtype != like.dtype:
        raise ModelFileError(f"the array {name} is missing, or is not of shape {like.shape} and {like.dtype}")
    if not np.isfinite(array).all() if finite else np.isnan(array).any():  # squares of gradients may overflow
        raise ModelFileError(f"the array {name} has entries that are not finite")
    return array.copy()


def _take_callbacks(run: Run, saved: list[dict[str, Any]], tensors: dict[str, Array]) -> None:
    with_state: list[Callback] = [callback for callback in run.callbacks if callback.get_state() is not None]
    types = [entry(one, "type", str) for one in saved]
    found = [type(callback).__name__ for callback in with_state]
    if types != found:
        raise ValueError(
            f"callbacks: the run had {', '.join(types) or 'none'} with a state of their own, in this order; "
            f"now there are {', '.join(found) or 'none'}: pass the same ones"
        )
    for callback, one in zip(with_state, saved, strict=True):
        callback.set_state(_from_plain(one.get("state"), tensors))


def _to_plain(value: Any, name: str, tensors: dict[str, Array], callback: str) -> Any:
    """Return a state as plain data, with its arrays in `tensors`."""
    if isinstance(value, np.ndarray):
        tensors[name] = value
        return {"is": "tensor", "value": name}
    if isinstance(value, (list, tuple)):
        return [_to_plain(item, f"{name}.{i}", tensors, callback) for i, item in enumerate(value)]
    if isinstance(value, dict):
        pairs = [[key, _to_plain(item, f"{name}.{key}", tensors, callback)] for key, item in value.items()]
        return {"is": "dict", "value": pairs}
    try:
        return to_plain(value)
    except NotStorable:
        raise ValueError(
            f"the state of the callback {callback} has a {type(value).__name__}; get_state must return plain data and arrays"
        ) from None


def _from_plain(plain: Any, tensors: dict[str, Array]) -> Any:
    if isinstance(plain, list):
        return [_from_plain(item, tensors) for item in plain]
    if isinstance(plain, dict) and plain.get("is") == "tensor":
        return tensors[entry(plain, "value", str)].copy()
    if isinstance(plain, dict) and plain.get("is") == "dict":
        return {key: _from_plain(item, tensors) for key, item in entry(plain, "value", list)}
    return from_plain(plain)
