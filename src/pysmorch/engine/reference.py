"""The reference program: a network's training steps, run layer by layer in NumPy."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NoReturn

import numpy as np

from pysmorch.engine.dataset import Dataset
from pysmorch.engine.interrupts import without_interrupts
from pysmorch.engine.parameters import FlatParameters
from pysmorch.engine.program import NonFiniteError, Totals
from pysmorch.engine.rows import blocks_of
from pysmorch.layers.base import Array, Layer
from pysmorch.layers.dense import Data
from pysmorch.layers.graph import graph, name_layers
from pysmorch.layers.randomness import permutation
from pysmorch.losses import Loss
from pysmorch.optimizers import Optimizer

SHARED_FROM = 20_000_000
"""Floating-point operations of one matrix product from which several threads gain, about 0.1 ms of one core's work."""


class ReferenceProgram:
    """A network made ready for training in NumPy, layer by layer: the specification of every other program.

    Parameters
    ----------
    loss : Loss
        The end of the network.
    optimizer : Optimizer
        Changes the parameters.
    dtype : {"float32", "float64"}
        Of parameters and arithmetic.
    seed : int
        Of dropout and shuffling.

    Attributes
    ----------
    parameters, gradients : ndarray of shape (P,)
        All parameters and their gradients; the layers' `W` and `G` are views into them.
    num_steps : int
        Completed training steps.
    is_whole : bool
        False after an exception in the midst of a step.
    """

    def __init__(self, loss: Loss, optimizer: Optimizer, dtype: str, seed: int) -> None:
        self.loss = loss
        self.optimizer = optimizer
        self.layers = graph(loss)
        self.dtype = np.dtype(dtype)
        flat = FlatParameters(self.layers, self.dtype, with_decay=bool(optimizer.weight_decay))
        self.parameters, self.gradients = flat.values, flat.gradients
        self.rate_factors, self.decay_factors = flat.rate_factors, flat.decay_factors
        self._collect = flat.collect
        self.seed = seed
        self.num_steps = 0
        self.is_whole = True
        optimizer.prepare(self.parameters)

    def permutation(self, epoch: int, count: int) -> Array:
        """Return `count` rows in the order of an epoch, which depends on the seed and the epoch alone."""
        return permutation(self.seed, epoch, count)

    def train(
        self,
        data: Dataset,
        order: Array,
        batch_size: int,
        rates: Sequence[float],
        first_batch: int,
        totals: Totals | None = None,
    ) -> Totals:
        """Take one step for each batch of `order`, with these learning rates; return the sums over all samples.

        They are added to `totals`, batch by batch, so that they do not depend on the parts into which an epoch is cut, and are
        there for the steps before an exception.

        Raises NonFiniteError (with epoch 0; the caller knows the epoch) when a loss is not finite.
        """
        totals = Totals() if totals is None else totals
        # Overflow shows as a loss that is not finite, which is reported with its layer.
        with _mode(self.layers, training=True), _restoring_data(self.layers), np.errstate(all="ignore"):
            for i, rate in enumerate(rates):
                rows = order[i * batch_size : (i + 1) * batch_size]
                with self._whole_steps():
                    of_batch = self._gradients(data, rows, totals, first_batch + i + 1)
                    with without_interrupts():
                        self.is_whole = False
                        self.optimizer.step(
                            self.parameters, self.gradients, rate, self.rate_factors, self.decay_factors
                        )
                        self.num_steps += 1
                        totals.add(of_batch)
                        self.is_whole = True
        return totals

    def _gradients(self, data: Dataset, rows: Array, totals: Totals, batch: int) -> Totals:
        """Run a batch forward and backward, and return its sums."""
        _set_streams(self.layers, self.seed, self.num_steps)
        of_batch = _forward(self.loss, self.layers, data, rows, self.dtype)
        if not np.isfinite(totals.loss + of_batch.loss):
            _report_non_finite(self.layers, batch)
        self.loss.backward()
        self._collect()
        return of_batch

    @contextmanager
    def _whole_steps(self) -> Iterator[None]:
        """Give layers the states of before where a step ends before it changes the parameters, such as running statistics."""
        before = self.num_steps
        states = [(layer, name, array.copy()) for layer in self.layers for name, array in _states_of(layer)]
        try:
            yield
        except BaseException:
            if self.num_steps == before:
                with without_interrupts():
                    for layer, name, array in states:
                        getattr(layer, name)[...] = array
            raise

    def limit_threads(self, batch_size: int) -> AbstractContextManager[Any]:
        """Return a context in which small products stay on one thread, since starting more costs more than they save."""
        largest = max((layer.W.size for layer in self.layers if hasattr(layer, "W")), default=0)
        if 2 * batch_size * largest >= SHARED_FROM:
            return nullcontext()
        from threadpoolctl import threadpool_limits

        return threadpool_limits(1, user_api="blas")


def report_non_finite(loss: Loss, data: Dataset, rows: Array, dtype: Any, seed: int, step: int, batch: int) -> NoReturn:
    """Repeat the forward pass of a batch whose loss was not finite, to raise NonFiniteError with the first such layer."""
    layers = graph(loss)
    with _mode(layers, training=True), _restoring_data(layers), np.errstate(all="ignore"):
        _set_streams(layers, seed, step)
        if np.isfinite(_forward(loss, layers, data, rows, dtype).loss):
            raise AssertionError("the reference path finds finite what the native program does not")
        _report_non_finite(layers, batch)


_one_at_a_time = threading.RLock()


def _release_in_child() -> None:
    global _one_at_a_time
    _one_at_a_time = threading.RLock()  # a thread that held it is not in the child


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)


def predict(output: Any, inputs: list[Array], batch_size: int, dtype: Any = None) -> Array:
    """Return the output of a layer for all rows, in prediction mode and in `dtype`, or that of the parameters.

    Layers store their inputs and outputs, so that predictions of several threads run one after the other.
    """
    layers = graph(output)
    dtype = _dtype_of(layers, inputs) if dtype is None else np.dtype(dtype)
    parts = []
    with _one_at_a_time, _mode(layers, training=False), _restoring_data(layers), np.errstate(all="ignore"):
        for rows in blocks_of(len(inputs[0]), batch_size):
            _feed(layers, [array[rows] for array in inputs], dtype)
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
    scores = loss.sample_scores(outputs, labels)
    w = np.ones(len(outputs)) if weights is None else weights
    return Totals(value * len(outputs), float(w @ scores), float(w.sum()), len(outputs))


def _dtype_of(layers: Sequence[Any], inputs: Sequence[Array]) -> np.dtype[Any]:
    """The dtype of the parameters, or that of the data where there are none."""
    return next((layer.W.dtype for layer in layers if hasattr(layer, "W")), np.result_type(inputs[0], np.float32))


def _set_streams(layers: Sequence[Any], seed: int, step: int) -> None:
    """Set the RNG stream of this step in layers with random numbers."""
    for stream, layer in enumerate(layers, start=1):
        if hasattr(layer, "stream"):
            layer.seed, layer.stream, layer.step = seed, stream, step


def _feed(layers: Sequence[Any], batches: Sequence[Array], dtype: Any) -> None:
    """Set a batch in the Data layers; numbers become `dtype` unless an Embedding reads them as indices."""
    data_layers = [layer for layer in layers if isinstance(layer, Data)]
    for data_layer, batch in zip(data_layers, batches, strict=True):
        as_indices = any(getattr(layer, "reads_indices", False) and layer.in_layer is data_layer for layer in layers)
        data_layer.set_data(batch if as_indices else batch.astype(dtype, copy=False))


def _report_non_finite(layers: Sequence[Any], batch: int) -> NoReturn:
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
def _restoring_data(layers: Sequence[Any]) -> Iterator[None]:
    """Restore the arrays of Data layers and losses at the end, so that a batch does not stay in memory."""
    before = [(layer, name, getattr(layer, name)) for layer in layers for name in _held(layer)]
    try:
        yield
    finally:
        for layer, name, value in before:
            setattr(layer, name, value)


def _states_of(layer: Any) -> list[tuple[str, Array]]:
    return [(name, getattr(layer, name)) for name in getattr(layer, "state_names", ())]


def _held(layer: Any) -> tuple[str, ...]:
    if isinstance(layer, Data):
        return ("data",)
    return ("labels", "sample_weight") if isinstance(layer, Loss) else ()
