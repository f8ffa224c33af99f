"""The graph of a loss as plain data and tensors, and back."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np

from pysmorch import layers as layer_module
from pysmorch import losses as loss_module
from pysmorch.files.header import ModelFileError, check_sizes, entries, entry
from pysmorch.files.plain import NotStorable, from_plain, to_plain
from pysmorch.layers import quantized
from pysmorch.layers.base import Array, Layer
from pysmorch.layers.dense import Data, Linear, data_layers
from pysmorch.layers.description import arguments_of
from pysmorch.layers.graph import feeders, graph, name_layers
from pysmorch.layers.randomness import Zeros, drawing_from
from pysmorch.losses import Loss
from pysmorch.schedules import Schedule


def _classes(module: Any, base: type) -> dict[str, Any]:
    return {
        name: cls
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and issubclass(cls, base) and cls is not base
    }


LAYERS = _classes(layer_module, Layer) | {name: getattr(quantized, name) for name in quantized.__all__}
LOSSES = _classes(loss_module, Loss)
"""The only classes that a file can name, besides those that the caller of `load` passes."""


def graph_to_parts(loss: Loss) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return a loss and all layers before it as plain data, and their arrays by name.

    Parameters
    ----------
    loss : Loss
        The end of the graph.

    Returns
    -------
    header : dict
        Plain data.
    tensors : dict of str to ndarray
        Parameters and states.

    Raises
    ------
    ValueError
        A layer is not a subclass of Layer, holds others, or has arguments that are not plain data.
    """
    layers = graph(loss)[:-1]
    number = {id(layer): i for i, layer in enumerate(layers)}
    described = []
    tensors: dict[str, Array] = {}
    for layer, name in zip(layers, name_layers(layers), strict=True):
        if not isinstance(layer, Layer):
            raise ValueError(
                f"{name} cannot be saved: its class {type(layer).__name__} is not a subclass of pysmorch.Layer, "
                "so that its arguments are not known"
            )
        if len(feeders(layer)) != len(layer.in_layers):
            raise ValueError(
                f"{name} cannot be saved: it holds layers besides its in_layers, which no file can describe; make it a "
                "function that returns the last of them"
            )
        described.append(
            {
                "type": type(layer).__name__,
                **_own(layer, LAYERS),
                "fed_by": [number[id(feeder)] for feeder in feeders(layer)],
                "config": {key: _plain(value, f"{name}'s {key}") for key, value in layer.config.items()},
                "lr_factor": layer.lr_factor,
                "decay_factor": layer.decay_factor,
                **({"runs": layer.runs} if isinstance(layer, Linear) and layer.runs else {}),
            }
        )
        if layer.has_parameters:
            tensors[f"{name}.W"] = layer.W
        tensors |= {f"{name}.{key}": array for key, array in layer.state.items()}
    header = {
        "layers": described,
        "output": number[id(loss.in_layer)],
        "loss": {
            "type": type(loss).__name__,
            **_own(loss, LOSSES),
            "config": {key: _plain(value, f"the loss's {key}") for key, value in loss.config.items()},
        },
    }
    inputs = [number[id(layer)] for layer in data_layers(layers)]
    if inputs != sorted(inputs):
        header["inputs"] = inputs
    return header, tensors


def _own(layer: Any, library: dict[str, Any]) -> dict[str, bool]:
    """Return the entry that tells a class of the user's from one of the library with the same name."""
    return {} if library.get(type(layer).__name__) is type(layer) else {"own": True}


def own_layers(loss: Loss) -> list[Any]:
    """Return the layers before a loss, and the loss, that are of classes of the user's."""
    layers = graph(loss)
    return [layer for layer in layers if _own(layer, LOSSES if layer is loss else LAYERS)]


def graph_from_parts(header: dict[str, Any], tensors: dict[str, Array], layers: Sequence[type[Layer]] = ()) -> Loss:
    """Return the loss of `graph_to_parts`, at the end of its graph.

    Parameters
    ----------
    header : dict
        Not checked yet.
    tensors : dict of str to ndarray
        Parameters and states, with others perhaps.
    layers : sequence of type of Layer, default=()
        Classes of the user that the graph may name.

    Returns
    -------
    Loss
        With all its layers.

    Raises
    ------
    ModelFileError
        Something does not fit.
    """
    known = LAYERS | {cls.__name__: cls for cls in layers}
    made: list[Layer] = []
    with drawing_from(_Nothing(sum(array.size for array in tensors.values()))):
        for i, description in enumerate(entries(header, "layers", dict)):
            made.append(_make_layer(description, i, made, known))
    output = entry(header, "output", int)
    if not 0 <= output < len(made):
        raise ModelFileError(f"its output is layer {output}, but there are {len(made)} layers")
    loss = _make_loss(entry(header, "loss", dict), made[output], known)
    _set_order_of_inputs(header, made)
    if [id(layer) for layer in graph(loss)[:-1]] != [id(layer) for layer in made]:
        raise ModelFileError("its layers are not in the order of the graph, or not all of them lead to the loss")
    for layer, name in zip(made, name_layers(made), strict=True):
        if layer.has_parameters:
            layer.replace_parameters(_take(tensors, f"{name}.W", layer.W))
        try:
            layer.state = {key: _take(tensors, f"{name}.{key}", array) for key, array in layer.state.items()}
        except ModelFileError:
            raise
        except ValueError as error:
            raise ModelFileError(f"the arrays of {name} are wrong: {error}") from error
    return loss


def _set_order_of_inputs(header: dict[str, Any], made: list[Layer]) -> None:
    """Let Data layers take arrays in the order of the file, where that is not the order of the graph."""
    if "inputs" not in header:
        return
    order = entries(header, "inputs", int)
    data = [i for i, layer in enumerate(made) if isinstance(layer, Data)]
    if sorted(order) != data:
        raise ModelFileError("its inputs are not its Data layers")
    numbers = [layer.number for layer in data_layers(made)]
    for i, number in zip(order, numbers, strict=True):
        vars(made[i])["number"] = number


LARGEST_ROW = 2**27
"""A layer with more values for each row is refused: 512 MiB in float32, 40 times an image of 1024 x 1024 in colour."""

LARGEST_FACTOR = 1e30
"""Of learning rate and weight decay."""


class _Nothing(Zeros):
    """Source of initial weights for layers whose weights come from a file: no more of them than the file has."""

    def __init__(self, num_entries: int) -> None:
        self.num_entries = num_entries

    def standard_normal(self, shape: tuple[int, ...]) -> Array:
        """Return zeros of this shape."""
        if prod(map(float, shape)) > self.num_entries:
            raise ModelFileError(f"a layer has parameters of shape {shape}, more than there are in the file")
        return super().standard_normal(shape)


def _make_layer(description: dict[str, Any], i: int, made: list[Layer], known: dict[str, type[Layer]]) -> Layer:
    name = entry(description, "type", str)
    if name not in known or (
        "own" in description and entry(description, "own", bool) and known[name] is LAYERS.get(name)
    ):
        raise ModelFileError(
            f"it has a layer of class {name!r}, which is not one of pysmorch; pass your class: load(path, layers=[{name}])"
        )
    fed_by = entries(description, "fed_by", int)
    if any(not 0 <= number < i for number in fed_by):
        raise ModelFileError(f"layer {i} ({name}) is fed by {fed_by}, which are not layers before it")
    layer: Layer = _call(known[name], [made[number] for number in fed_by], entry(description, "config", dict))
    values = prod(size or 1 for size in layer.out_dims[1:])
    if values > LARGEST_ROW:
        raise ModelFileError(f"layer {i} ({name}) has {values} values for each row, more than {LARGEST_ROW}")
    for factor in ("lr_factor", "decay_factor"):
        value = entry(description, factor, float, int)
        if not 0 <= value <= LARGEST_FACTOR:
            raise ModelFileError(f"layer {i} ({name}) has a {factor} that is not a number from 0 to {LARGEST_FACTOR}")
        setattr(layer, factor, float(value))
    if "runs" in description:
        if not isinstance(layer, Linear):
            raise ModelFileError(f"layer {i} ({name}) has runs, which only a Linear has")
        try:
            layer.runs = entry(description, "runs", list)
        except ValueError as error:
            raise ModelFileError(str(error)) from None
    return layer


def _make_loss(description: dict[str, Any], output: Layer, known: dict[str, type[Layer]]) -> Loss:
    name = entry(description, "type", str)
    losses = LOSSES | {own: cls for own, cls in known.items() if issubclass(cls, Loss)}
    if name not in losses or (
        "own" in description and entry(description, "own", bool) and losses[name] is LOSSES.get(name)
    ):
        raise ModelFileError(
            f"it has a loss of class {name!r}, which is not one of pysmorch; pass your class: load(path, losses=[{name}])"
        )
    loss: Loss = _call(losses[name], [output], entry(description, "config", dict))
    return loss


def _call(cls: Any, feeding: list[Layer], config: dict[str, Any]) -> Any:
    unknown = set(config) - (set(arguments_of(cls)) - {"in_layer", "in_layers", "labels", "ones_hot"})
    if unknown:
        raise ModelFileError(f"{cls.__name__} has no argument {', '.join(sorted(unknown))}")
    arguments = {name: _schedule(value) if isinstance(value, dict) else value for name, value in config.items()}
    for name, value in arguments.items():
        check_sizes(name, value)
    try:
        return cls(*feeding, **arguments)
    except ModelFileError:
        raise
    except (TypeError, ValueError, MemoryError, OverflowError, IndexError) as error:
        raise ModelFileError(f"{cls.__name__} cannot be made as the file says: {error}") from error


def _schedule(plain: dict[str, Any]) -> Schedule:
    value = from_plain(plain)
    if not isinstance(value, Schedule):
        raise ModelFileError(f"an argument of a layer should be a schedule, but is a {type(value).__name__}")
    return value


def _take(tensors: dict[str, Array], name: str, like: Array) -> Array:
    """Return an array by name, which must have the shape of one that is there, and its kind of numbers."""
    if name not in tensors:
        raise ModelFileError(f"the array {name} is missing")
    array = tensors[name]
    floats = like.dtype.kind == "f"
    if array.shape != like.shape or (array.dtype.kind != "f" if floats else array.dtype != like.dtype):
        raise ModelFileError(
            f"the array {name} has shape {array.shape} and dtype {array.dtype}, expected "
            f"{'floats' if floats else like.dtype} of shape {like.shape}"
        )
    if not np.isfinite(array).all():
        raise ModelFileError(f"the array {name} has values that are not finite")
    return array


def _plain(value: Any, what: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item, what) for item in value]
    if isinstance(value, Schedule):
        with suppress(NotStorable):
            return to_plain(value)
    raise ValueError(f"{what} cannot be saved: a {type(value).__name__} is not plain data")
