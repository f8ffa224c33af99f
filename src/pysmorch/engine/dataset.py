"""The data set of a fit, checked once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.engine.rows import LazyRows, SomeRows, blocks_of_sizes
from pysmorch.entries import check_finite, check_float32
from pysmorch.layers.base import Array, ShapeError, format_dims
from pysmorch.losses import Loss


@dataclass(frozen=True)
class Dataset:
    """Inputs (an array or lazy rows for each Data layer), labels, and one weight per row or None for ones.

    Where `rows` are the indices of some of them, which data to train on may have, the others do not count: their labels and weights
    may be anything.
    """

    inputs: list[Array | LazyRows]
    labels: Array
    weights: Array | None
    rows: Array | None = None

    def __len__(self) -> int:
        return len(self.labels if self.rows is None else self.rows)

    def indices(self, order: Array) -> Array:
        """Return where rows, counted among those that count, are in the arrays."""
        return order if self.rows is None else self.rows[order]

    @property
    def rows_at_a_time(self) -> int | None:
        """How many rows of the inputs are made at a time; None where all of them are arrays."""
        return min((rows.rows_at_a_time for rows in self.inputs if isinstance(rows, LazyRows)), default=None)

    def in_order(self, rows: Array, sizes: Sequence[int]) -> Iterator[Dataset]:
        """Go through rows, so many in each block, as data sets whose inputs are arrays."""
        blocks = list(blocks_of_sizes(sizes))
        inputs = [
            array.in_order(rows, sizes) if isinstance(array, LazyRows) else (array[rows[block]] for block in blocks)
            for array in self.inputs
        ]
        return (
            Dataset(list(arrays), self.labels[rows[block]], None if self.weights is None else self.weights[rows[block]])
            for block, *arrays in zip(blocks, *inputs, strict=True)
        )

    @classmethod
    def checked(
        cls,
        data_layers: Sequence[Any],
        loss: Loss,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        what: str,
        finite: bool = True,
        dtype: str = "float64",
    ) -> Dataset:
        """Check arrays against a network, or say what is wrong with them; `what` names them in messages.

        With `finite=False` X is not searched for NaN and infinities, because the caller has done that, and `SomeRows` stay where they
        are. Arithmetic in the `dtype` float32 takes only what is finite there.
        """
        some = X if isinstance(X, SomeRows) and not finite else None
        inputs = check_inputs(data_layers, X if some is None else some.array, what, finite)
        labels = np.asarray(y)
        num_data = len(inputs[0]) if some is None else len(some)
        if num_data == 0:
            raise ValueError(f"{what} has no rows")
        if labels.ndim == 0 or len(labels) != num_data:
            count = "are a single number" if labels.ndim == 0 else f"have {len(labels)} rows"
            raise ShapeError(f"{what} has {num_data} rows, but its labels y {count}; every row needs one label")
        check_finite(labels, f"the labels of {what}")
        if dtype == "float32":
            for array in inputs if finite else []:
                check_float32(array, what)
            check_float32(labels, f"the labels of {what}")
        loss.check_labels(labels, (num_data, *loss.in_layer.out_dims[1:]))
        weights = _check_weights(sample_weight, num_data, what)
        if some is None:
            return cls(inputs, labels, weights)
        return cls(inputs, some.spread(labels), None if weights is None else some.spread(weights), some.indices)


def check_inputs(data_layers: Sequence[Any], X: Any, what: str, finite: bool = True) -> list[Array | LazyRows]:
    """Return the arrays for the Data layers, or say which does not fit; lazy rows are taken as they are.

    With `finite=False` they are not searched for NaN and infinities, because the caller does that.
    """
    arrays = _by_name(data_layers, X, what) if isinstance(X, Mapping) else [X] if len(data_layers) == 1 else X
    if len(data_layers) > 1 and not (isinstance(arrays, (tuple, list)) and len(arrays) == len(data_layers)):
        raise ShapeError(
            f"{what} must be a tuple of {len(data_layers)} arrays, one for each Data layer of the network in the order in which these "
            "were made, or a dictionary of arrays by name"
        )
    checked: list[Array | LazyRows] = []
    for layer, data in zip(data_layers, arrays, strict=True):
        array = data if isinstance(data, LazyRows) else np.asarray(data)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{what} must hold numbers, but has dtype {array.dtype}")
        expected = (None, *layer.out_dims[1:])
        if array.shape[1:] != expected[1:] or array.shape == ():
            raise ShapeError(f"{what} has shape {array.shape}, but the network expects {format_dims(expected)}")
        if finite and isinstance(array, np.ndarray):
            check_finite(array, what)
        checked.append(array)
    if any(len(array) != len(checked[0]) for array in checked):
        raise ShapeError(f"{what}: the arrays have different numbers of rows: {[len(array) for array in checked]}")
    return checked


def _by_name(data_layers: Sequence[Any], X: Mapping[str, Any], what: str) -> list[Any]:
    """Return the arrays of a dictionary in the order of the Data layers, which it names where none of them has a name yet."""
    if all(layer.name is None for layer in data_layers) and len(X) == len(data_layers):
        for layer, name in zip(data_layers, X, strict=True):
            layer.name = str(name)
    names = [layer.name for layer in data_layers]
    if None in names or len(set(names)) < len(names):
        raise ShapeError(
            f"{what} is a dictionary, so each Data layer needs a name of its own, but their names are {names}"
        )
    if set(X) != set(names):
        raise ShapeError(f"{what} must be a dictionary with the keys {names}, but has {list(X)}")
    return [X[name] for name in names]


def _check_weights(sample_weight: ArrayLike | None, num_data: int, what: str) -> Array | None:
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (num_data,):
        raise ShapeError(f"sample_weight has shape {weights.shape}, but {what} has {num_data} rows; expected one each")
    check_finite(weights, "sample_weight")
    if (weights < 0).any() or not weights.any():
        raise ValueError("sample_weight must not be negative, and not all weights may be 0")
    # With mean one, the loss of a batch is of the same size with and without weights.
    return mean_one(weights)


def mean_one(weights: Array) -> Array:
    """Return weights times the factor that gives them the mean one, also where their sum is no float64.

    Parameters
    ----------
    weights : ndarray of float64
        Not negative, and not all 0.

    Returns
    -------
    ndarray of float64
        Their ratios are those of the weights.
    """
    # A power of two changes no digit.
    weights = np.ldexp(weights, -int(np.frexp(weights.max())[1]))
    return weights / weights.mean()
