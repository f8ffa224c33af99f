"""Checks of arguments and shapes for the constructors of layers, each with one form of message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

Pair = tuple[int, int]
"""A height and a width."""

SameOrValid = Literal["same", "valid"]
Padding = SameOrValid | int | Sequence[int]


class ShapeError(ValueError):
    """Shapes that do not fit together; the message names the layer, what was found and what was expected."""


def format_dims(dims: Iterable[int | None]) -> str:
    """Return a shape as text, with N for the batch: (None, 784) becomes (N, 784)."""
    entries = ["N" if d is None else str(d) for d in dims]
    return f"({entries[0]},)" if len(entries) == 1 else f"({', '.join(entries)})"


# Numbers.


def positive(layer: Any, argument: str, value: Any) -> int:
    """Return a constructor's argument as an int, or raise ValueError where it is not a positive one."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{type(layer).__name__}: {argument} must be a positive integer, but is {value!r}")
    return int(value)


def finite(layer: Any, argument: str, value: Any) -> float:
    """Return a constructor's argument as a float, or raise ValueError where it is not a finite number."""
    if not isinstance(value, Real) or not isfinite(value):
        raise ValueError(f"{type(layer).__name__}: {argument} must be a finite number, but is {value!r}")
    return float(value)


def positive_epsilon(layer: Any, epsilon: float) -> float:
    """Return epsilon, or raise ValueError where it is not positive."""
    if not epsilon > 0:
        raise ValueError(f"{type(layer).__name__}: epsilon must be positive, but is {epsilon!r}")
    return float(epsilon)


def pair(layer: Any, argument: str, value: Any, least: int = 1) -> Pair:
    """Return a constructor's argument, a number or (height, width), as two ints that are not below `least`."""
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2 or not all(_is_whole(v) and v >= least for v in values):
        kind = "a positive integer" if least == 1 else f"an integer from {least}"
        raise ValueError(
            f"{type(layer).__name__}: {argument} must be {kind} or two of them, (height, width), but is {value!r}"
        )
    return int(values[0]), int(values[1])


def as_pair(values: Iterator[int]) -> Pair:
    """Return two numbers as a pair."""
    height, width = values
    return height, width


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


# Padding and groups of convolutions and pooling.


def padding_argument(layer: Any, padding: Any) -> SameOrValid | Pair:
    """Return the argument `padding` as "same", "valid" or (height, width)."""
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(
                f'{type(layer).__name__}: padding must be "same", "valid", a number of cells or (height, width), '
                f"but is {padding!r}"
            )
        return "same" if padding == "same" else "valid"
    return pair(layer, "padding", padding, least=0)


def padding_of_sequences(layer: Any, padding: Any) -> SameOrValid | int:
    """Return the argument `padding` of a layer for sequences as "same", "valid" or one number."""
    if isinstance(padding, (tuple, list)):
        raise ValueError(f"{type(layer).__name__}: padding must be one number for sequences, but is {padding!r}")
    checked = padding_argument(layer, padding)
    return checked if isinstance(checked, str) else checked[0]


def border(layer: Any, padding: Padding) -> Pair:
    """Return the cells that are added on both sides, for a padding that is not "same"."""
    return (0, 0) if padding == "valid" else pair(layer, "padding", padding, least=0)


def check_groups(layer: Any, groups: Any, channels: int, num_filters: int) -> int:
    """Return the number of groups, or raise an error that says what it does not divide."""
    groups = positive(layer, "groups", groups)
    if channels % groups:
        raise ShapeError(
            f"{type(layer).__name__}: groups = {groups} must divide the {channels} channels that {layer.in_layer!r} returns"
        )
    if num_filters % groups:
        raise ValueError(
            f"{type(layer).__name__}: groups = {groups} must divide num_filters, but that is {num_filters}"
        )
    return groups


# Shapes of inputs.


def rows_of_features(layer: Any, in_layer: Any) -> tuple[int | None, int]:
    """Return (rows, features) of an input layer whose output must be one row of features per example."""
    dims = tuple(in_layer.out_dims)
    if len(dims) != 2:
        raise ShapeError(
            f"{type(layer).__name__} needs one row of features per example, shape (N, D), but in_layer {in_layer!r} "
            f"returns shape {format_dims(dims)}; put Flatten between them"
        )
    return dims


def num_channels(layer: Any, in_layer: Any) -> int:
    """Return the size of the last axis of an input layer's output."""
    dims = tuple(in_layer.out_dims)
    if len(dims) < 2 or dims[-1] is None:
        raise ShapeError(
            f"{type(layer).__name__} needs a batch of features, shape (N, ..., D), but in_layer {in_layer!r} "
            f"returns shape {format_dims(dims)}"
        )
    return dims[-1]


def image_dims(layer: Any) -> tuple[int | None, int, int, int]:
    """Return (N, H, W, C) of the input of a layer, which must be images."""
    dims = tuple(layer.in_layer.out_dims)
    if len(dims) != 4:
        advice = "Reshape(layer, (H, W, C)) makes images of rows"
        if len(dims) == 3:
            advice = f"Reshape(layer, {(*dims[1:], 1)}) makes images with one channel"
        raise ShapeError(
            f"{type(layer).__name__} needs images, shape (N, H, W, C), but in_layer {layer.in_layer!r} returns shape "
            f"{format_dims(dims)}; {advice}"
        )
    if 0 in dims[1:]:
        raise ShapeError(
            f"{type(layer).__name__} needs images with at least one pixel and one channel, but "
            f"in_layer {layer.in_layer!r} returns shape {format_dims(dims)}"
        )
    return dims


def two_or_more(layer: Any) -> tuple[Any, ...]:
    """Return the input layers, or raise TypeError where there are fewer than two."""
    if len(layer.in_layers) < 2:
        raise TypeError(f"{type(layer).__name__} needs at least two in_layers, but got {len(layer.in_layers)}")
    return tuple(layer.in_layers)


def same_shapes(layer: Any) -> None:
    """Raise ShapeError where the shapes of the inputs differ; the batch is compared when the data are there."""
    all_dims = [tuple(in_layer.out_dims) for in_layer in two_or_more(layer)]
    if any(dims[1:] != all_dims[0][1:] for dims in all_dims):
        raise ShapeError(
            f"{type(layer).__name__}: in_layers must have one shape, but have "
            + ", ".join(format_dims(d) for d in all_dims)
        )


# Arrays.


def data_dims(shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """Return the shape that a Data layer was given, or raise ShapeError where it is none."""
    dims = tuple(shape)
    if not dims or any(isinstance(d, bool) or not isinstance(d, (int, np.integer)) or d < 0 for d in dims[1:]):
        raise ShapeError(f"Data: shape must be (None, size, ...) with sizes that are not negative, but is {shape!r}")
    return (dims[0], *(int(d) for d in dims[1:] if d is not None))


def data_array(data: Any) -> Array:
    """Return the array of a Data layer, or raise an error where it is not a batch of numbers."""
    array = np.asarray(data)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"Data: data must hold numbers, but has dtype {array.dtype}")
    if array.ndim == 0:
        raise ShapeError("Data: data must be an array with the examples along its first axis, but is a single number")
    return array


def floating(array: Array) -> Array:
    """Return integers as floating-point ones, float32 where that holds them; others as they are."""
    return array if array.dtype.kind == "f" else array.astype(np.result_type(array, np.float32))
