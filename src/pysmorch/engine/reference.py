"""The reference program: a network's training steps, run layer by layer in NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.engine.dataset import Dataset
from pysmorch.layers.base import Array, Layer
from pysmorch.layers.dense import Data
from pysmorch.layers.graph import graph, name_layers
from pysmorch.layers.randomness import permutation
from pysmorch.losses import Loss
from pysmorch.optimizers import Optimizer, aligned_zeros


class NonFiniteError(ArithmeticError):
    """Training came to a loss that is not a finite number.

    Attributes:
        epoch, batch: where, counted from 1.
        layer: name of the first layer with a value that is not finite.
    """

    def __init__(self, message: str, epoch: int, batch: int, layer: str) -> None:
        super().__init__(message)
        self.epoch, self.batch, self.layer = epoch, batch, layer

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.epoch, self.batch, self.layer)


@dataclass
class Totals:
    """Sums over rows, from which means are made."""

    loss: float = 0.0
    metric: float = 0.0
    weight: float = 0.0
    rows: int = 0

    def add(self, other: Totals) -> None:
        """Add the sums of other rows."""
        self.loss += other.loss
        self.metric += other.metric
        self.weight += other.weight
        self.rows += other.rows

    @property
    def mean_loss(self) -> float:
        """The loss, as a mean over the rows."""
        return self.loss / max(self.rows, 1)

    @property
    def mean_metric(self) -> float:
        """The metric, as a weighted mean over the rows."""
        return self.metric / self.weight if self.weight else 0.0


class ReferenceProgram:
    """A network made ready for training: all parameters in one flat array, and so all gradients.

    The layers' `W` and `G` are views into those arrays from then on, so that the layers stay live.

    Args:
        loss: the end of the network.
        optimizer: changes the parameters.
        dtype: of parameters and arithmetic.
        seed: of dropout and shuffling.
    """

    def __init__(self, loss: Loss, optimizer: Optimizer, dtype: str, seed: int) -> None:
        self.loss = loss
        self.optimizer = optimizer
        self.layers = graph(loss)
        self.dtype = np.dtype(dtype)
        with_parameters = [layer for layer in self.layers if hasattr(layer, "W")]
        self.parameters = aligned_zeros(sum(layer.W.size for layer in with_parameters), self.dtype)
        self.gradients = aligned_zeros(self.parameters.size, self.dtype)
        self.rate_factors = _factors(with_parameters, "lr_factor", self.dtype)
        # Without decay they change nothing, and a number for each parameter would be kept for that.
        self.decay_factors = _factors(with_parameters, "decay_factor", self.dtype) if optimizer.weight_decay else 1.0
        self._collect = _bind(with_parameters, self.parameters, self.gradients)
        self.seed = seed
        self.num_steps = 0
        optimizer.prepare(self.parameters)

    def permutation(self, epoch: int, count: int) -> Array:
        """Return `count` rows in the order of an epoch, which depends on the seed and the epoch alone."""
        return permutation(self.seed, epoch, count)

    def train(self, data: Dataset, order: Array, batch_size: int, rates: Sequence[float], first_batch: int) -> Totals:
        """Take one step for each batch of `order`, with these learning rates.

        Raises NonFiniteError (with epoch 0; the caller knows the epoch) when a loss is not finite.
        """
        totals = Totals()
        # Overflow shows as a loss that is not finite, which is reported with its place.
        with _mode(self.layers, training=True), _keeping_data(self.layers), np.errstate(all="ignore"):
            for i, rate in enumerate(rates):
                rows = order[i * batch_size : (i + 1) * batch_size]
                _place_randomness(self.layers, self.seed, self.num_steps)
                totals.add(_forward(self.loss, self.layers, data, rows, self.dtype))
                if not np.isfinite(totals.loss):
                    _report_non_finite(self.layers, first_batch + i + 1)
                self.loss.backward()
                self._collect()
                self.optimizer.step(self.parameters, self.gradients, rate, self.rate_factors, self.decay_factors)
                self.num_steps += 1
        return totals


def predict(output: Any, inputs: list[Array], batch_size: int, dtype: Any = None) -> Array:
    """Return the output of a layer for all rows, in prediction mode and in `dtype`, or that of the parameters."""
    layers = graph(output)
    dtype = _dtype_of(layers, inputs) if dtype is None else np.dtype(dtype)
    num_data = len(inputs[0])
    parts = []
    with _mode(layers, training=False), _keeping_data(layers), np.errstate(all="ignore"):
        for start in range(0, max(num_data, 1), batch_size):
            _feed(layers, [array[start : start + batch_size] for array in inputs], dtype)
            parts.append(output.forward())
    return np.concatenate(parts)


def measure(loss: Loss, outputs: Array, labels: Array, weights: Array | None) -> Totals:
    """Return the sums of loss and metric for these outputs."""
    loss.set_labels(labels, weights)
    return _totals(loss, float(loss.compute(outputs)), outputs, labels, weights)


def _forward(loss: Loss, layers: Sequence[Any], data: Dataset, rows: Array, dtype: Any) -> Totals:
    _feed(layers, [array[rows] for array in data.inputs], dtype)
    labels = data.labels[rows]
    weights = None if data.weights is None else data.weights[rows]
    loss.set_labels(labels, weights)
    return _totals(loss, float(loss.forward()), loss.in_array, labels, weights)


def _totals(loss: Loss, value: float, outputs: Array, labels: Array, weights: Array | None) -> Totals:
    scores = loss.score_rows(outputs, labels)
    w = np.ones(len(outputs)) if weights is None else weights
    return Totals(value * len(outputs), float(w @ scores), float(w.sum()), len(outputs))


def _dtype_of(layers: Sequence[Any], inputs: Sequence[Array]) -> np.dtype[Any]:
    """The dtype of the parameters, or that of the data where there are none."""
    return next((layer.W.dtype for layer in layers if hasattr(layer, "W")), np.result_type(inputs[0], np.float32))


def _place_randomness(layers: Sequence[Any], seed: int, step: int) -> None:
    """Tell layers with random numbers which ones are theirs in this step."""
    for place, layer in enumerate(layers, start=1):
        if hasattr(layer, "place"):
            layer.seed, layer.place, layer.step = seed, place, step


def _feed(layers: Sequence[Any], batches: Sequence[Array], dtype: Any) -> None:
    """Set a batch in the Data layers; numbers become `dtype` unless an Embedding reads them as indices."""
    data_layers = [layer for layer in layers if isinstance(layer, Data)]
    for data_layer, batch in zip(data_layers, batches, strict=True):
        as_indices = any(getattr(layer, "reads_indices", False) and layer.in_layer is data_layer for layer in layers)
        data_layer.set_data(batch if as_indices else batch.astype(dtype, copy=False))


def _report_non_finite(layers: Sequence[Any], batch: int) -> None:
    for layer, name in zip(layers, name_layers(layers), strict=True):
        if hasattr(layer, "W") and not np.isfinite(layer.W).all():
            raise NonFiniteError(f"the parameters of {name}", 0, batch, name)
        if isinstance(layer, Layer) and not isinstance(layer, Data) and not np.isfinite(layer.out_array).all():
            raise NonFiniteError(f"the output of {name}", 0, batch, name)
    raise NonFiniteError("the sum of the losses", 0, batch, name)


@contextmanager
def _mode(layers: Sequence[Any], training: bool) -> Iterator[None]:
    before = [getattr(layer, "training", None) for layer in layers]
    for layer in layers:
        layer.training = training
    try:
        yield
    finally:
        for layer, mode in zip(layers, before, strict=True):
            if mode is not None:
                layer.training = mode


@contextmanager
def _keeping_data(layers: Sequence[Any]) -> Iterator[None]:
    """Put back what Data layers and losses held, so that a batch is not kept alive."""
    kept = [(layer, name, getattr(layer, name)) for layer in layers for name in _held(layer)]
    try:
        yield
    finally:
        for layer, name, value in kept:
            setattr(layer, name, value)


def _held(layer: Any) -> tuple[str, ...]:
    if isinstance(layer, Data):
        return ("data",)
    return ("labels", "sample_weight") if isinstance(layer, Loss) else ()


def _factors(layers: Sequence[Any], name: str, dtype: Any) -> Array | float:
    """The factors as one number where they are all alike, else one for each parameter."""
    values = [float(getattr(layer, name, 1.0)) for layer in layers]
    if len(set(values)) <= 1:
        return values[0] if values else 1.0
    return np.repeat(np.asarray(values, dtype), [layer.W.size for layer in layers])


def _bind(layers: Sequence[Any], parameters: Array, gradients: Array) -> Any:
    """Make the layers' W and G views into flat arrays; returns a function that fetches the gradients of others.

    A layer that is not ours has a G of its own in every pass, which is copied.
    """
    foreign = []
    start = 0
    for layer in layers:
        end = start + layer.W.size
        W = parameters[start:end].reshape(layer.W.shape)
        G = gradients[start:end].reshape(layer.W.shape)
        if isinstance(layer, Layer):
            layer.bind(W, G)
        else:
            W[...] = layer.W
            layer.W = W
            foreign.append((layer, G))
        start = end

    def collect() -> None:
        for layer, G in foreign:
            G[...] = layer.G

    return collect
