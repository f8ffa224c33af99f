"""The reference program: a network's training steps, run layer by layer in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NoReturn

import numpy as np

from pysmorch.engine.dataset import Dataset
from pysmorch.engine.forks import no_fork
from pysmorch.engine.interrupts import without_interrupts
from pysmorch.engine.own_layers import FirstPass
from pysmorch.engine.parameters import FlatParameters
from pysmorch.engine.program import Exchange, NonFiniteError, Shard, StepRates, Sums, Totals
from pysmorch.engine.rows import LazyRows, blocks_of
from pysmorch.engine.shards import (
    NEEDS_EXCHANGE,
    check_complete,
    check_last,
    check_order,
    check_shard,
    unsupported_shards,
)
from pysmorch.layers.attributes import set_attribute
from pysmorch.layers.base import Array, Layer
from pysmorch.layers.copies import shallow_copies, shallow_copy, take_attributes
from pysmorch.layers.dense import Data, data_layers
from pysmorch.layers.dropout import scheduled_dropouts
from pysmorch.layers.graph import graph, name_layers, run_backward
from pysmorch.layers.native_form import is_ours
from pysmorch.layers.normalization import Normalize
from pysmorch.layers.object_functions import refuse_object_functions
from pysmorch.layers.randomness import permutation
from pysmorch.layers.trainable import has_parameters
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
    panel_rows : int
        A shard of a batch begins at a multiple of this number of rows.
    """

    engine = "reference"
    instructions = ""
    bf16 = False
    panel_rows = 16

    def __init__(self, loss: Loss, optimizer: Optimizer, dtype: str, seed: int) -> None:
        self.loss = loss
        self.optimizer = optimizer
        self.layers = graph(loss)
        self.dtype = np.dtype(dtype)
        self._flat = FlatParameters(self.layers, self.dtype, with_decay=bool(optimizer.weight_decay))
        self.parameters, self.gradients = self._flat.values, self._flat.gradients
        self.rate_factors, self.decay_factors = self._flat.rate_factors, self._flat.decay_factors
        self._is_watching = True
        self.seed = seed
        self.num_steps = 0
        self.is_whole = True
        self._unsupported_shards = unsupported_shards(self.layers[:-1])
        self._sums: Sums | None = None
        self._shard: Shard | None = None
        optimizer.prepare(self.parameters)

    def permutation(self, epoch: int, count: int) -> Array:
        """Return `count` rows in the order of an epoch, which depends on the seed and the epoch alone."""
        return permutation(self.seed, epoch, count)

    def train(
        self,
        data: Dataset,
        order: Array,
        batch_size: int,
        rates: Sequence[StepRates],
        first_batch: int,
        totals: Totals | None = None,
    ) -> Totals:
        """Take one step for each batch of `order`: see `Program.train`."""
        self._flat.check_bound()
        self._shard = None
        totals = Totals() if totals is None else totals
        layers = in_mode(self.layers, training=True)
        try:
            for i, rate in enumerate(rates):
                rows = order[i * batch_size : (i + 1) * batch_size]
                # Overflow shows as a loss that is not finite, which is reported with its layer.
                with no_fork(), np.errstate(all="ignore"), self._whole_steps():
                    set_dropout(layers, rate)
                    of_batch = self._gradients(layers, data, rows, totals, first_batch + i + 1)
                    with without_interrupts():
                        self.is_whole = False
                        self.optimizer.step(
                            self.parameters,
                            self.gradients,
                            rate.learning,
                            self.rate_factors,
                            self.decay_factors,
                            rate.decay,
                        )
                        self.num_steps += 1
                        totals.add(of_batch)
                        self.is_whole = True
        finally:
            take_attributes(self.layers, layers)
        return totals

    def _gradients(self, layers: list[Any], data: Dataset, rows: Array, totals: Totals, batch: int) -> Totals:
        """Run a batch forward and backward, and return its sums."""
        first = FirstPass(layers) if self._is_watching else None
        _set_streams(layers, self.seed, self.num_steps)
        of_batch = _forward(layers, data, rows, self.dtype)
        if not np.isfinite(totals.loss + of_batch.loss):
            _report_non_finite(layers, batch)
        passed: dict[int, bool] = {}
        run_backward(layers[-1], 1.0, passed)
        if first is not None:
            first.refuse_untrained(layers, passed)
            self._is_watching = False
        self._flat.collect(layers, passed)
        return of_batch

    @property
    def sums(self) -> Sums:
        """The sums of the present batch: see `Program`."""
        if self._sums is None:
            whole = [(slice(0, self.parameters.size), slice(0, 4))]
            self._sums = Sums(np.zeros_like(self.parameters), np.zeros(4), whole)
        return self._sums

    def compute(self, shard: Shard, exchange: Exchange | None = None) -> None:
        """Run the forward and the backward pass of a shard: see `Program.compute`."""
        if self._unsupported_shards:
            raise ValueError(f"shard: a batch of this network cannot be computed in shards: {self._unsupported_shards}")
        check_shard(shard, self.panel_rows)
        self._flat.check_bound()
        self._shard = None
        layers = in_mode(self.layers, training=True)
        states = [(layer, name, array.copy()) for layer in self.layers for name, array in _states_of(layer)]
        try:
            with no_fork(), np.errstate(all="ignore"):
                set_dropout(layers, StepRates(0.0, 0.0, shard.dropout))
                for layer in layers:
                    if isinstance(layer, Normalize) and (exchange is not None or len(shard.rows) < shard.total):
                        layer.sums_of_batch = self._exchanged(shard, exchange)
                self._of_shard = self._pass(layers, shard)
            self._new_states = [getattr(layer, name).copy() for layer, name, _ in states]
        finally:
            with without_interrupts():
                for layer, name, array in states:
                    getattr(layer, name)[...] = array
        self._shard = shard

    def _pass(self, layers: list[Any], shard: Shard) -> Totals:
        """Run a shard forward and backward; the gradient is that of its part of the mean over the batch."""
        if len(shard.rows) == 0:
            self.gradients[...] = 0
            normalizing = [layer for layer in layers if isinstance(layer, Normalize)]
            for layer in normalizing:
                layer.take_empty_shard()
            for layer in reversed(normalizing):
                layer.take_empty_shard(backward=True)
            return Totals()
        _set_streams(layers, self.seed, self.num_steps, shard.first_row)
        totals = _forward(layers, shard.data, shard.rows, self.dtype)
        if not np.isfinite(totals.loss):
            _report_non_finite(layers, shard.batch)
        passed: dict[int, bool] = {}
        run_backward(layers[-1], len(shard.rows) / shard.total, passed)
        self._flat.collect(layers, passed)
        return totals

    def _exchanged(self, shard: Shard, exchange: Exchange | None) -> Callable[[Array], Array]:
        """Return a function from what a shard knows to what all of them know, each in a row."""
        if exchange is None:
            raise ValueError(f"exchange: {NEEDS_EXCHANGE}")
        first, last = (-(-row // self.panel_rows) for row in (shard.first_row, shard.first_row + len(shard.rows)))

        def completed(own: Array) -> Array:
            rows = np.zeros((-(-shard.total // self.panel_rows), own.size))
            if first < last:
                rows[first] = own
            exchange(rows, slice(first, last))
            return rows

        return completed

    def accumulate(self, *, resume: bool, part: int | None = None) -> Sums:
        """Add what the computed shard contributes to `sums`: see `Program.accumulate`."""
        sums = self.sums
        shard = check_order(sums, self._shard, resume)
        of_shard = self._of_shard
        own = np.array([of_shard.loss, of_shard.metric, of_shard.weight, of_shard.rows])
        for to, array in ((sums.entries, self.gradients), (sums.wide, own)):
            to[...] = to + array if resume else array
        if not np.isfinite(sums.wide[0]):
            raise NonFiniteError("the sum of the losses", 0, shard.batch, "the sum of the losses")
        return sums

    def gradients_of(self, shard: Shard, *, resume: bool, exchange: Exchange | None = None) -> Sums:
        """Compute a shard and accumulate it."""
        check_order(self.sums, shard, resume)
        self.compute(shard, exchange)
        return self.accumulate(resume=resume)

    def apply(self, rates: StepRates) -> Totals:
        """Make the step from `sums`: see `Program.apply`."""
        sums, shard = self.sums, self._shard
        check_complete(sums, None if shard is None else shard.total)
        self._flat.check_bound()
        totals = sums.totals
        states = [(layer, name) for layer in self.layers for name, _ in _states_of(layer)]
        with no_fork(), np.errstate(all="ignore"), without_interrupts():
            self.is_whole = False
            self._shard = None
            set_dropout(self.layers, rates)
            self.gradients[...] = sums.entries
            for (layer, name), array in zip(states, self._new_states, strict=True):
                getattr(layer, name)[...] = array
            self.optimizer.step(
                self.parameters, self.gradients, rates.learning, self.rate_factors, self.decay_factors, rates.decay
            )
            self.num_steps += 1
            self.is_whole = True
        return totals

    def finish(self, rates: StepRates, *, resume: bool, keep: bool = True) -> Totals:
        """Accumulate the last shard and apply: see `Program.finish`."""
        check_last(self.sums, self._shard, resume)
        self.accumulate(resume=resume)
        return self.apply(rates)

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
        largest = max((layer.W.size for layer in self.layers if has_parameters(layer)), default=0)
        if 2 * batch_size * largest >= SHARED_FROM:
            return nullcontext()
        from threadpoolctl import threadpool_limits

        return threadpool_limits(1, user_api="blas")


def report_non_finite(
    loss: Loss, data: Dataset, rows: Array, dtype: Any, seed: int, step: int, batch: int, first_row: int = 0
) -> NoReturn:
    """Repeat the forward pass of a batch, or of a shard from a row on, whose loss was not finite, to raise NonFiniteError with the first
    such layer.
    """
    layers = in_mode(graph(loss), training=True)
    with np.errstate(all="ignore"):
        _set_streams(layers, seed, step, first_row)
        if not np.isfinite(_forward(layers, data, rows, dtype).loss):
            _report_non_finite(layers, batch)
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


def _forward(layers: Sequence[Any], data: Dataset, rows: Array, dtype: Any) -> Totals:
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


def _set_streams(layers: Sequence[Any], seed: int, step: int, first_row: int = 0) -> None:
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


def _report_non_finite(layers: Sequence[Any], batch: int) -> NoReturn:
    for layer, name in zip(layers, name_layers(layers), strict=True):
        if has_parameters(layer) and not np.isfinite(layer.W).all():
            raise NonFiniteError(f"the parameters of {name}", 0, batch, name)
        if isinstance(layer, Layer) and not isinstance(layer, Data) and not np.isfinite(layer.out_array).all():
            raise NonFiniteError(f"the output of {name}", 0, batch, name)
    raise NonFiniteError("the sum of the losses", 0, batch, name)


def _states_of(layer: Any) -> list[tuple[str, Array]]:
    return [(name, getattr(layer, name)) for name in getattr(layer, "state_names", ())]
