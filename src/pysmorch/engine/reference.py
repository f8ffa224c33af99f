"""The reference program: a network's training steps, run layer by layer in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from pysmorch.engine.dataset import Dataset
from pysmorch.engine.forks import no_fork
from pysmorch.engine.interrupts import without_interrupts
from pysmorch.engine.own_layers import FirstPass
from pysmorch.engine.parameters import FlatParameters
from pysmorch.engine.passes import forward, in_mode, refuse_non_finite, set_dropout, set_streams, states_of
from pysmorch.engine.program import Exchange, NonFiniteError, Shard, StepRates, Sums, Totals
from pysmorch.engine.shards import (
    NEEDS_EXCHANGE,
    check_complete,
    check_last,
    check_order,
    check_shard,
    unsupported_shards,
)
from pysmorch.layers.base import Array
from pysmorch.layers.copies import take_attributes
from pysmorch.layers.graph import graph, run_backward
from pysmorch.layers.normalization import Normalize
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

    Notes
    -----
    The attributes are those of `ShardingProgram`.
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
        """Return the order of an epoch: see `Program.permutation`."""
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
        set_streams(layers, self.seed, self.num_steps)
        of_batch = forward(layers, data, rows, self.dtype)
        if not np.isfinite(totals.loss + of_batch.loss):
            refuse_non_finite(layers, batch)
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
        states = [(layer, name, array.copy()) for layer in self.layers for name, array in states_of(layer)]
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
        set_streams(layers, self.seed, self.num_steps, shard.first_row)
        totals = forward(layers, shard.data, shard.rows, self.dtype)
        if not np.isfinite(totals.loss):
            refuse_non_finite(layers, shard.batch)
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

    def apply(self, rates: StepRates) -> Totals:
        """Make the step from `sums`: see `Program.apply`."""
        sums, shard = self.sums, self._shard
        check_complete(sums, None if shard is None else shard.total)
        self._flat.check_bound()
        totals = sums.totals
        states = [(layer, name) for layer in self.layers for name, _ in states_of(layer)]
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
        states = [(layer, name, array.copy()) for layer in self.layers for name, array in states_of(layer)]
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
