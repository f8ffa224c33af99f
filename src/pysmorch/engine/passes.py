"""A pass of a batch through layers in NumPy, in training and in prediction: what every program's results are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from pysmorch.engine.dataset import Dataset
from pysmorch.engine.forks import no_fork
from pysmorch.engine.program import NonFiniteError, StepRates, Totals
from pysmorch.engine.rows import LazyRows, blocks_of
from pysmorch.layers.attributes import set_attribute
from pysmorch.layers.base import Array, Layer
from pysmorch.layers.copies import shallow_copies, shallow_copy
from pysmorch.layers.dense import Data, data_layers
from pysmorch.layers.dropout import scheduled_dropouts
from pysmorch.layers.graph import graph, name_layers
from pysmorch.layers.native_form import is_ours
from pysmorch.layers.object_functions import refuse_object_functions
from pysmorch.layers.trainable import has_parameters
from pysmorch.losses import Loss


def report_non_finite(
    loss: Loss, data: Dataset, rows: Array, dtype: Any, seed: int, step: int, batch: int, first_row: int = 0
) -> NoReturn:
    """Repeat the forward pass of a batch, or of a shard from a row on, whose loss was not finite, to raise NonFiniteError with the first
    such layer.
    """
    layers = in_mode(graph(loss), training=True)
    with np.errstate(all="ignore"):
        set_streams(layers, seed, step, first_row)
        if not np.isfinite(forward(layers, data, rows, dtype).loss):
            refuse_non_finite(layers, batch)
        # Winograd's algorithm, for one, adds numbers before it multiplies, and so overflows a little earlier.
        largest = [float(np.abs(layer.out_array).max(initial=0)) for layer in layers[:-1]]
    index = int(np.argmax(largest))
    name = name_layers(layers)[index]
    raise NonFiniteError(
        f"its output reaches {largest[index]:.1e}, so near the limit of {dtype} that the compiled program overflows",
        0,
        batch,
        name,
    )


def predict(output: Any, inputs: list[Array], batch_size: int, dtype: Any = None) -> Array:
    """Return the output of a layer for all rows, in prediction mode and in `dtype`, or that of the parameters.

    Predictions are batch-invariant: the last digits of a matrix product depend on the number of its rows, so every batch has
    `batch_size` rows; where there are fewer, the last one is repeated.
    """
    layers = graph(output)
    refuse_object_functions(layers)
    layers = in_mode(layers, training=False)
    dtype = compute_dtype(output, inputs) if dtype is None else np.dtype(dtype)
    parts = []
    for rows in blocks_of(len(inputs[0]), batch_size):
        count = rows.stop - rows.start
        filled = rows if count in (0, batch_size) else np.minimum(rows.start + np.arange(batch_size), rows.stop - 1)
        with no_fork(), np.errstate(all="ignore"):
            feed(layers, [array[filled] for array in inputs], dtype)
            parts.append(layers[-1].forward()[:count])
    return np.concatenate(parts)


def measure(loss: Loss, outputs: Array, labels: Array, weights: Array | None) -> Totals:
    """Return the sums of loss and metric for these outputs."""
    loss = shallow_copy(loss)
    loss.set_labels(labels, weights)
    return _totals(loss, float(loss.compute(outputs)), outputs, labels, weights)


def in_mode(layers: Sequence[Any], training: bool) -> list[Any]:
    """Return shallow copies in training or prediction mode: what a pass stores in them is seen by no other pass."""
    copies = shallow_copies(layers)
    for copy in copies:
        _set_training(copy, training)
    return copies


def _set_training(layer: Any, training: bool) -> None:
    """Set the mode, also of a frozen dataclass; a class with `__slots__` that has none for it does not look at it."""
    try:
        layer.training = training
    except AttributeError:
        if hasattr(layer, "__dict__"):
            set_attribute(layer, "training", training)


def forward(layers: Sequence[Any], data: Dataset, rows: Array, dtype: Any) -> Totals:
    """Run the forward pass of a batch, and return its sums."""
    loss = layers[-1]
    feed(layers, [array[rows] for array in data.inputs], dtype)
    labels = data.labels[rows]
    weights = None if data.weights is None else data.weights[rows]
    loss.set_labels(labels, weights)
    return _totals(loss, float(loss.forward()), loss.in_array, labels, weights)


def _totals(loss: Loss, value: float, outputs: Array, labels: Array, weights: Array | None) -> Totals:
    scores = loss.sample_scores(outputs, labels)
    w = np.ones(len(outputs)) if weights is None else weights
    return Totals(value * len(outputs), float(w @ scores), float(w.sum()), len(outputs))


def compute_dtype(output: Any, inputs: Sequence[Array | LazyRows]) -> np.dtype[Any]:
    """Return the dtype in which outputs are computed: that of the parameters, or of the data where there are none."""
    return next(
        (layer.W.dtype for layer in graph(output) if has_parameters(layer)),
        np.result_type(inputs[0].dtype, np.float32),
    )


def set_dropout(layers: Sequence[Any], rates: StepRates) -> None:
    """Set the rates of this step in the Dropout layers that have a schedule."""
    for layer, rate in zip(scheduled_dropouts(layers), rates.dropout, strict=True):
        layer.rate = rate


def set_streams(layers: Sequence[Any], seed: int, step: int, first_row: int = 0) -> None:
    """Set the RNG stream of this step in layers with random numbers, from a row of the batch on."""
    for stream, layer in enumerate(layers, start=1):
        if hasattr(layer, "stream"):
            layer.seed, layer.stream, layer.step = seed, stream, step
            if is_ours(layer):
                layer.first_row = first_row


def feed(layers: Sequence[Any], batches: Sequence[Array], dtype: Any) -> None:
    """Set a batch in the Data layers; numbers become `dtype` unless an Embedding reads them as indices."""
    for data_layer, batch in zip(data_layers(layers), batches, strict=True):
        as_indices = any(getattr(layer, "reads_indices", False) and layer.in_layer is data_layer for layer in layers)
        data_layer.set_data(batch if as_indices else batch.astype(dtype, copy=False))


def refuse_non_finite(layers: Sequence[Any], batch: int) -> NoReturn:
    """Raise NonFiniteError with the first layer that has a number that is not finite."""
    for layer, name in zip(layers, name_layers(layers), strict=True):
        if has_parameters(layer) and not np.isfinite(layer.W).all():
            raise NonFiniteError(f"the parameters of {name}", 0, batch, name)
        if isinstance(layer, Layer) and not isinstance(layer, Data) and not np.isfinite(layer.out_array).all():
            raise NonFiniteError(f"the output of {name}", 0, batch, name)
    raise NonFiniteError("the sum of the losses", 0, batch, name)


def states_of(layer: Any) -> list[tuple[str, Array]]:
    """Return what a layer has learned besides parameters, such as running statistics, by name."""
    return [(name, getattr(layer, name)) for name in getattr(layer, "state_names", ())]
