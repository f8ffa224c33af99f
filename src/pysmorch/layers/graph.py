"""The graph of layers and its traversal: forward in topological order, backward in the reverse order.

Each layer runs once per pass; the gradients of a layer with several consumers are accumulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.layers.arguments import Array, ShapeError
from pysmorch.layers.native_form import is_ours
from pysmorch.layers.own_passes import Links, fed_by, feeders, own_backward, own_forward, set_feeders

__all__ = [
    "accumulate",
    "backpropagate",
    "fed_by",
    "feeders",
    "graph",
    "name_layers",
    "outputs_of",
    "run_backward",
    "run_forward",
    "set_feeders",
    "step_backward",
    "step_forward",
]


def graph(*lasts: Any) -> list[Any]:
    """Return every layer that `lasts` depend on in topological order: each once, after its input layers.

    Parameters
    ----------
    *lasts : Layer
        The layers at the end; a single one is the last of the list.

    Returns
    -------
    list of Layer

    Raises
    ------
    ValueError
        When the graph has a cycle.
    """
    return [layer for layer, _ in _with_feeders(lasts)]


def _with_feeders(lasts: Sequence[Any]) -> list[tuple[Any, tuple[Any, ...]]]:
    """The layers of `graph`, each with its `feeders`, which take some time to find in classes of users."""
    order: list[tuple[Any, tuple[Any, ...]]] = []
    known: Links = {}
    entered: dict[int, tuple[Any, ...]] = {}
    done: set[int] = set()
    stack = list(reversed(lasts))
    while stack:
        layer = stack[-1]
        if id(layer) in done:
            stack.pop()
            continue
        waiting = []
        if id(layer) not in entered:
            entered[id(layer)] = feeders(layer, known)
            waiting = [f for f in entered[id(layer)] if id(f) not in done]
        if any(id(f) in entered for f in waiting):
            raise ValueError(f"the graph has a cycle through {layer!r}")
        if waiting:
            stack.extend(reversed(waiting))
        else:
            stack.pop()
            done.add(id(layer))
            order.append((layer, entered[id(layer)]))
    return order


def name_layers(layers: Sequence[Any]) -> list[str]:
    """Return a name for each layer, its class and its number among those of its class: Linear1, Relu1, Linear2."""
    counts: dict[str, int] = {}
    names = []
    for layer in layers:
        kind = type(layer).__name__
        counts[kind] = counts.get(kind, 0) + 1
        names.append(f"{kind}{counts[kind]}")
    return names


def run_forward(last: Any) -> Any:
    """Run all layers that `last` depends on, each once, and return the output of `last`."""
    return outputs_of((last,))[0]


def outputs_of(lasts: Sequence[Any]) -> list[Any]:
    """Run all layers that `lasts` depend on, each once, and return the outputs of `lasts`."""
    outputs: dict[int, Any] = {}
    for layer, read in _with_feeders(lasts):
        inputs = tuple(_for_own_use(layer, outputs[id(f)]) for f in read)
        outputs[id(layer)] = out = step_forward(layer, inputs, read)
        if not isinstance(out, (np.ndarray, np.generic, float, int)):
            what = "nothing (None)" if out is None else f"a {type(out).__name__}"
            raise TypeError(f"{type(layer).__name__}: forward returns {what}, but has to return the output, an array")
    return [outputs[id(last)] for last in lasts]


def run_backward(last: Any, dwnstrm: ArrayLike, passed: dict[int, bool] | None = None) -> dict[int, Array]:
    """Backpropagate `dwnstrm`, the gradient with respect to the output of `last`; see `backpropagate`."""
    return backpropagate((last,), (dwnstrm,), passed)


def backpropagate(
    lasts: Sequence[Any], gradients: Sequence[Any], passed: dict[int, bool] | None = None
) -> dict[int, Array]:
    """Backpropagate a gradient from each of several layers in one pass; gradients of several consumers are accumulated.

    Parameters
    ----------
    lasts : sequence of Layer
        Where the gradients enter; the same layer may appear several times.
    gradients : sequence of array
        The gradient with respect to the output of each; None for none.
    passed : dict of int to bool, default=None
        Here is noted of each layer that a gradient comes to, by its `id`, whether it passes one back.

    Returns
    -------
    dict
        The gradients with respect to the outputs of the layers without inputs, by `id` of the layer.
    """
    waiting: dict[int, Any] = {}
    accumulate(waiting, lasts, gradients)
    sources: dict[int, Array] = {}
    for layer, read in reversed(_with_feeders(lasts)):
        gradient = waiting.pop(id(layer), None)
        if gradient is None:
            continue
        if not read:
            sources[id(layer)] = gradient
        parts = step_backward(layer, _for_own_use(layer, gradient), read)
        if passed is not None:
            passed[id(layer)] = any(part is not None for part in parts)
        if not is_ours(layer):
            _check_shapes(layer, read, parts)
        accumulate(waiting, read, parts)
    return sources


def accumulate(waiting: dict[int, Any], layers: Sequence[Any], gradients: Sequence[Any]) -> None:
    """Add gradients to those that wait for their layers.

    Parameters
    ----------
    waiting : dict of int to array
        By `id` of the layer.
    layers : sequence of Layer
        The same layer may appear several times.
    gradients : sequence of array or None
        One for each; None for none.
    """
    for layer, gradient in zip(layers, gradients, strict=True):
        if gradient is not None:
            known = waiting.get(id(layer))
            waiting[id(layer)] = gradient if known is None else known + gradient


def step_forward(layer: Any, inputs: tuple[Any, ...], read: Sequence[Any] | None = None) -> Any:
    """Run one layer, by the base class's protocol or with a `forward` of its own.

    Parameters
    ----------
    layer : Layer
        Of ours, or a class of the user's.
    inputs : tuple of array
        The outputs of its `feeders`.
    read : sequence of Layer, default=None
        Its `feeders`, where they are known.

    Returns
    -------
    array
        The output.
    """
    run = getattr(layer, "_forward_step", None)
    out = own_forward(layer, inputs, read) if run is None else run(inputs, read)
    # A matrix, say, multiplies in another way.
    return np.asarray(out) if isinstance(out, np.ndarray) and type(out) is not np.ndarray else out


def step_backward(layer: Any, dwnstrm: Any, read: Sequence[Any] | None = None) -> tuple[Any, ...]:
    """Backpropagate through one layer.

    Parameters
    ----------
    layer : Layer
        Of ours, or a class of the user's.
    dwnstrm : array
        The gradient with respect to its output.
    read : sequence of Layer, default=None
        Its `feeders`, where they are known.

    Returns
    -------
    tuple of array or None
        The gradient with respect to the output of each of its `feeders`.
    """
    run = getattr(layer, "_backward_step", None)
    return own_backward(layer, dwnstrm, read) if run is None else run(dwnstrm, read)


def _check_shapes(layer: Any, read: Sequence[Any], parts: Sequence[Any]) -> None:
    """Raise ShapeError where a class of the user's passes back a gradient of another shape than its input has."""
    for feeder, part in zip(read, parts, strict=True):
        out = vars(feeder).get("out_array") if is_ours(feeder) and hasattr(feeder, "__dict__") else None
        if part is not None and out is not None and np.shape(part) != np.shape(out):
            raise ShapeError(
                f"{type(layer).__name__}: the gradient that backward passes back has shape {np.shape(part)}, but the input has "
                f"{np.shape(out)}"
            )


def _for_own_use(layer: Any, array: Any) -> Any:
    """A class of the user's may change what it is given; others read the same array."""
    return array if is_ours(layer) or not isinstance(array, np.ndarray) else array.copy()
