"""A fit while it runs: its program and data, where it is, and how it goes on from there."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pysmorch.cluster import Ring, check_stop, train_share
from pysmorch.engine import Dataset, NonFiniteError, Program, StepRates, Totals, train_in_pieces, without_interrupts
from pysmorch.engine.ahead import ahead
from pysmorch.engine.rows import index_dtype
from pysmorch.engine.shards import in_shards
from pysmorch.layers.base import Array
from pysmorch.metrics import Metric
from pysmorch.optimizers import Optimizer
from pysmorch.training.callbacks import Callback, Training
from pysmorch.training.measures import means, measure_all
from pysmorch.training.options import FitOptions
from pysmorch.training.rates import rates_of_epoch

if TYPE_CHECKING:
    from pysmorch.network import Network

PIECES = 20
"""How often `on_batch_end` is called in an epoch, or after every batch where there are fewer."""


RESTORED = "The weights from before this epoch are restored"
"""What a message says of a network whose loss was not finite."""


@dataclass
class Marks:
    """What callbacks have made of a run, at one moment.

    Attributes
    ----------
    columns : dict of str to int
        How many values each column of the history has.
    stopped_by : str or None
        Of the history.
    states : list
        The state of each callback.
    """

    columns: dict[str, int]
    stopped_by: str | None
    states: list[Any]


@dataclass
class Run:
    """A fit while it runs. Where it is follows from the steps of the program and the epochs of the history.

    Attributes
    ----------
    network, options, optimizer, program, data, validation, metrics, callbacks, training
        What is trained, how, and with what.
    totals : Totals
        Sums over the batches of the current epoch.
    good_weights : list or None
        Parameters and states from before the current epoch.
    pending : str or None
        The event of which callbacks are being told: "on_batch_end" or "on_epoch_end".
    marks : Marks or None
        From before that event.
    """

    network: Network
    options: FitOptions
    optimizer: Optimizer
    program: Program
    data: Dataset
    validation: Dataset | None
    metrics: list[Metric]
    callbacks: list[Callback]
    training: Training
    ring: Ring | None = None
    totals: Totals = field(default_factory=Totals)
    good_weights: list[Any] | None = None
    pending: str | None = None
    marks: Marks | None = None

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return self.training.num_batches

    @property
    def epoch(self) -> int:
        """Completed epochs, those with a record."""
        return self.training.history.num_epochs

    @property
    def batch(self) -> int:
        """Completed batches of the epoch after those."""
        return self.program.num_steps - self.epoch * self.num_batches

    def go(self, after: Callable[[str], None]) -> None:
        """Train from where the run is to the end.

        Parameters
        ----------
        after : callable
            Called with the name of each event when all callbacks have been told of it.
        """
        history = self.training.history
        if self.pending is not None:
            if self.pending == "on_epoch_end":
                self._find_outputs()
            self._call_all(self.pending, after)
        while self.epoch < self.options.epochs and (self.batch or history.stopped_by is None):
            start = time.perf_counter()
            if self.batch == 0:
                self.good_weights = self.network.snapshot(self.good_weights)
                self.totals = Totals()
            rates = rates_of_epoch(
                self.optimizer, self.network.layers, self.epoch, self.num_batches, self.options.epochs
            )
            try:
                self._run_epoch(rates, after)
            except NonFiniteError as error:
                assert self.good_weights is not None
                self.network.restore(self.good_weights)
                raise explained(error, self.epoch + 1) from None
            record = means(self.network.loss, self.totals, "")
            if self.validation is not None:
                self._find_outputs()
                found = self.network, self.validation, self.metrics, "val_", self.program.engine, self.training.outputs
                record |= measure_all(*found)
            record |= {"learning_rate": rates[-1].learning, "seconds": time.perf_counter() - start}
            with self._uninterrupted():
                history.append(record)
                self.training.epoch, self.training.batch = self.epoch, 0
                self._begin("on_epoch_end")
            self._call_all("on_epoch_end", after)

    def _find_outputs(self) -> None:
        """Compute the outputs for the validation data where a callback takes them."""
        if self.validation is not None and any(callback.takes_outputs for callback in self.callbacks):
            self.training.outputs = self.network.predictor_of(self.program.engine)(self.validation.inputs)

    def _agree(self) -> None:
        """End all workers of a cluster after the same epoch, where callbacks decide by more than what was measured."""
        history = self.training.history
        if self.ring is not None and bool(self.ring.from_first(history.stopped_by is not None)) is (
            history.stopped_by is None
        ):
            history.stopped_by = "the first worker" if history.stopped_by is None else None

    def mark(self) -> Marks:
        """Return what callbacks have made of the run until now."""
        history = self.training.history
        columns = {name: len(values) for name, values in history.items()}
        return Marks(columns, history.stopped_by, [callback.get_state() for callback in self.callbacks])

    def _uninterrupted(self) -> AbstractContextManager[None]:
        """Hold signals back where a checkpoint may be written after them; without one the history alone has to be whole, and is."""
        return nullcontext() if self.options.checkpoint is None else without_interrupts()

    def _begin(self, event: str) -> None:
        if self.options.checkpoint is not None:
            self.marks = self.mark()
        self.pending = event

    def _call_all(self, event: str, after: Callable[[str], None]) -> None:
        """Tell all callbacks of an event that has begun."""
        call(self.callbacks, event, self.training)
        if event == "on_epoch_end":
            self._agree()
        self.pending = None
        after(event)
        check_stop()

    def _run_epoch(self, rates: Sequence[StepRates], after: Callable[[str], None]) -> None:
        """Run what is left of an epoch in pieces, so that callbacks are called within it; the result does not depend on the pieces."""
        count, size = len(self.data), self.options.batch_size
        order = self.program.permutation(self.epoch, count) if self.options.shuffle else np.arange(count)
        order = self.data.indices(order)
        if self.data.rows_at_a_time is not None:
            order = order.astype(index_dtype(count), copy=False)
        piece = max(1, len(rates) // PIECES) if self._in_pieces() else len(rates)
        pieces = [
            (first, min(first - first % piece + piece, len(rates)))
            for first in [self.batch, *range(self.batch - self.batch % piece + piece, len(rates), piece)]
        ]
        with closing(self._blocks(order, pieces)) as blocks:
            for first, last in pieces:
                if self.data.rows_at_a_time is None:
                    rows = order[first * size : last * size]
                    self._take_steps(self.data, rows, rates[first:last], first)
                else:
                    self._train_blocks(blocks, rates, first, last)
                self.training.batch = last
                with self._uninterrupted():
                    self._begin("on_batch_end")
                self._call_all("on_batch_end", after)

    def _in_pieces(self) -> bool:
        """Whether something is done within an epoch besides training."""
        of_batches = any(type(callback).on_batch_end is not Callback.on_batch_end for callback in self.callbacks)
        return of_batches or self.options.checkpoint is not None

    def _blocks(self, order: Array, pieces: Sequence[tuple[int, int]]) -> Generator[Dataset]:
        """Go through blocks of lazy rows, whole batches of one piece each; a thread makes the next block while the engine trains."""
        at_a_time, size, count = self.data.rows_at_a_time, self.options.batch_size, len(order)
        if at_a_time is None:
            return
        batches = max(1, at_a_time // size)
        ends = [
            min(end, last) * size for first, last in pieces for end in range(first + batches, last + batches, batches)
        ]
        start = pieces[0][0] * size
        sizes = np.diff(np.minimum(ends, count), prepend=start).tolist()
        yield from ahead(self.data.in_order(order[start:], sizes))

    def _train_blocks(self, blocks: Iterator[Dataset], rates: Sequence[StepRates], first: int, last: int) -> None:
        """Take a step for each batch of a piece."""
        size = self.options.batch_size
        while first < last:
            block = next(blocks)
            end = first + -(-len(block) // size)
            self._take_steps(block, np.arange(len(block)), rates[first:end], first)
            first = end

    def _take_steps(self, data: Dataset, order: Array, rates: Sequence[StepRates], first_batch: int) -> None:
        size, pieces = self.options.batch_size, self.options.accumulate
        if self.ring is not None:
            train_share(self.ring, in_shards(self.program), data, order, size, rates, first_batch, self.totals)
        elif pieces == 1:
            self.program.train(data, order, size, rates, first_batch, self.totals)
        else:
            train_in_pieces(in_shards(self.program), data, order, size, rates, first_batch, self.totals, pieces)


def call(callbacks: Sequence[Callback], event: str, training: Training) -> None:
    """Call a hook of all callbacks."""
    for callback in callbacks:
        getattr(callback, event)(training)


def explained(error: NonFiniteError, epoch: int) -> NonFiniteError:
    """Return an error of a program with the epoch, and what to do."""
    message = (
        f"the loss is not finite in epoch {epoch}, batch {error.batch}: the first layer with such a value is "
        f"{error.layer} ({error.args[0]}). {RESTORED}. "
        "Try a smaller learning rate, clip_norm=1.0 in the optimizer, or inputs and labels scaled to about 1"
    )
    return NonFiniteError(message, epoch, error.batch, error.layer)
