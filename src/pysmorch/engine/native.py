"""The native program: the same steps as the reference program, in one call of the extension for many steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NoReturn

import numpy as np

from pysmorch.engine.arrays import contiguous
from pysmorch.engine.dataset import Dataset
from pysmorch.engine.extension import extension, instructions
from pysmorch.engine.forms import describe_loss, describe_optimizer, unsupported_form
from pysmorch.engine.lowering import Lowering, unsupported_layers
from pysmorch.engine.parameters import FlatParameters
from pysmorch.engine.passes import report_non_finite, set_dropout
from pysmorch.engine.program import EpochsRun, Exchange, NonFiniteError, Shard, StepRates, Sums, Totals
from pysmorch.engine.shards import (
    NEEDS_EXCHANGE,
    check_complete,
    check_last,
    check_order,
    check_shard,
    parts_of,
    unsupported_shards,
)
from pysmorch.engine.threads import num_threads
from pysmorch.layers.base import Array
from pysmorch.layers.dropout import scheduled_dropouts
from pysmorch.layers.graph import graph
from pysmorch.layers.quantized import is_quantized
from pysmorch.losses import Loss
from pysmorch.optimizers import Optimizer, aligned_zeros


def step_memory(layers: Sequence[Any], loss: Loss, batch_size: int) -> int | None:
    """Return the bytes that a float32 program takes for batches of this size besides parameters, or None where there is none."""
    module = extension()
    if module is None or unsupported_layers(layers, training=True) or unsupported_form(loss) or is_quantized(layers):
        return None
    lowered = Lowering(layers, loss.in_layer, with_runs=True)
    for operation in lowered.operations:
        parameters = operation["parameters"]
        operation["parameters"] = {name: np.ascontiguousarray(W, np.float32) for name, W in parameters.items()}
    described = describe_loss(loss, lowered.output, np.empty(0))
    program = module.Program32(lowered.values, lowered.operations, lowered.inputs, described)
    return int(program.memory(batch_size, num_threads()))


UNCHANGED, BEGUN, COMPLETE = range(3)
"""How far the extension is with a step that is made from sums."""


class NativeProgram:
    """A network made ready for the extension; parameters, gradients and states are the arrays of the layers.

    Parameters
    ----------
    loss, optimizer, dtype, seed
        As in `ReferenceProgram`.
    data : Dataset
        What `train` will be given; where it has lazy rows, blocks of it.
    threads : int, default=None
        How many threads it may use; None goes by `num_threads`.
    bf16 : bool, default=False
        Whether products are made from bfloat16.

    Attributes
    ----------
    panel_rows : int
        The rows of a panel: twice the lanes of a vector register. The other attributes are those of `ShardingProgram`.
    """

    engine = "native"

    def __init__(
        self,
        loss: Loss,
        optimizer: Optimizer,
        dtype: str,
        seed: int,
        data: Dataset,
        threads: int | None = None,
        bf16: bool = False,
    ) -> None:
        self.loss = loss
        self.optimizer = optimizer
        self.dtype = np.dtype(dtype)
        self.seed = seed
        self.num_steps = 0
        self.is_whole = True
        self.bf16 = bf16
        self.instructions = instructions() or ""
        layers = graph(loss)
        flat = FlatParameters(layers, self.dtype, with_decay=bool(optimizer.weight_decay))
        self._check_bound = flat.check_bound
        self.parameters, self.gradients = flat.values, flat.gradients
        optimizer.prepare(self.parameters)
        in_float32 = self.dtype == np.float32
        lowered = Lowering(layers[:-1], loss.in_layer, with_runs=in_float32 and not bf16)
        module = extension()
        make = module.Program32 if in_float32 else module.Program64
        self._program = make(
            lowered.values, lowered.operations, lowered.inputs, describe_loss(loss, lowered.output, data.labels)
        )
        self._program.train_with(
            describe_optimizer(optimizer),
            self.parameters,
            self.gradients,
            [optimizer.state[name] for name in optimizer.state_names],
            flat.rate_factors,
            flat.decay_factors,
            seed,
            bf16,
        )
        self._scheduled = {stream: layer for stream, layer in enumerate(layers, start=1) if scheduled_dropouts([layer])}
        self._own = lowered.own
        self._states = [array for operation in lowered.operations for array in operation["states"]]
        self._as_indices = [lowered.values[v]["is_index"] for v in lowered.inputs]
        self._prepared = None if data.rows_at_a_time else (data, *self._arrays_of(data))
        self._threads = num_threads(threads)
        self._unsupported_shards = unsupported_shards(layers[:-1])
        _, _, self._sum_offsets, self.panel_rows = self._program.sum_sizes()
        self._sums: Sums | None = None
        self._progress = np.zeros(1, np.uint8)
        self._shard: Shard | None = None

    def permutation(self, epoch: int, count: int) -> Array:
        """Return the order of an epoch: see `Program.permutation`."""
        order = np.empty(count, np.int64)
        extension().permutation(self.seed, epoch, order)
        return order

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
        totals = Totals() if totals is None else totals
        if not self._own:
            return self._train(data, order, batch_size, rates, first_batch, totals)
        try:
            # One call for each step: none of those before is lost where a layer of the user's raises.
            for i in range(len(rates)):
                rows = order[i * batch_size : (i + 1) * batch_size]
                with self._whole_step():
                    self._train(data, rows, batch_size, rates[i : i + 1], first_batch + i, totals)
        finally:
            for function in self._own:
                function.end()
        return totals

    @contextmanager
    def _whole_step(self) -> Iterator[None]:
        """Give layers the states of before where an exception ends a step, which changes parameters only at its end."""
        before, states = self.num_steps, [array.copy() for array in self._states]
        try:
            yield
        except BaseException:
            if self.num_steps == before:
                for array, values in zip(self._states, states, strict=True):
                    array[...] = values
                self.is_whole = True
            raise

    def _train(
        self, data: Dataset, order: Array, batch_size: int, rates: Sequence[StepRates], first_batch: int, totals: Totals
    ) -> Totals:
        self._check_bound()
        self._shard = None
        inputs, labels = self._prepared_arrays(data)
        arguments = (
            inputs,
            labels,
            data.weights,
            np.ascontiguousarray(order, dtype=np.int64),
            min(batch_size, max(len(order), 1)),
            [float(rate.learning) for rate in rates],
            [float(rate.decay) for rate in rates],
            [(stream, [float(rate.dropout[i]) for rate in rates]) for i, stream in enumerate(self._scheduled)],
            self.num_steps,
            self.optimizer.num_steps,
            self._threads,
            (totals.loss, totals.metric, totals.weight),
        )
        if rates:
            set_dropout([*self._scheduled.values()], rates[-1])
        self.is_whole = False
        result = self._program.train(*arguments)
        self.num_steps += result["steps"]
        self.optimizer.num_steps += result["steps"]
        totals.loss, totals.metric, totals.weight = result["loss"], result["metric"], result["weight"]
        totals.rows += result["rows"]
        self.is_whole = True
        if "raised" in result:
            raise result["raised"]
        if result["failed_batch"] >= 0:
            # The weights are those from before the failed batch; the reference path finds the layer.
            b = result["failed_batch"]
            rows = order[b * batch_size : (b + 1) * batch_size]
            report_non_finite(self.loss, data, rows, self.dtype, self.seed, self.num_steps, first_batch + b + 1)
        return totals

    def can_run_epochs(self, data: Dataset) -> bool:
        """Whether `train_epochs` may be called: nothing of Python's is needed within epochs, and no states would have to be restored."""
        in_order = data.rows_at_a_time is None and data.rows is None
        return not self._own and not self._states and in_order and self.num_steps == 0

    def train_epochs(
        self,
        data: Dataset,
        batch_size: int,
        shuffle: bool,
        rates: Sequence[StepRates],
        patience: int,
        within: float,
        cancel: Array | None,
    ) -> EpochsRun:
        """Take the steps of several epochs in one call: those that `train` takes in a call for each epoch.

        `rates` are those of all their steps. They end early where the loss has not fallen by `within` of its first value for `patience`
        epochs (0 for never), and within an epoch where another thread sets `cancel[0]`. Where a loss is not finite, the parameters
        are those from before its epoch.
        """
        self._check_bound()
        inputs, labels = self._arrays_of(data)
        count = len(data)
        size = min(batch_size, count)
        num_batches = -(-count // size)
        order, before = np.arange(count), np.empty_like(self.parameters)
        self.is_whole = False
        result = self._program.train_epochs(
            inputs,
            labels,
            data.weights,
            order,
            shuffle,
            size,
            [float(rate.learning) for rate in rates],
            [float(rate.decay) for rate in rates],
            [(stream, [float(rate.dropout[i]) for rate in rates]) for i, stream in enumerate(self._scheduled)],
            len(rates) // num_batches,
            patience,
            within,
            self.optimizer.num_steps,
            before,
            cancel,
            self._threads,
        )
        epochs = result["epochs"]
        steps = sum(of_epoch[4] for of_epoch in epochs)
        self.num_steps += steps
        self.optimizer.num_steps += steps
        set_dropout([*self._scheduled.values()], rates[max(steps, 1) - 1])
        self.is_whole = True
        failed = result["failed_batch"]
        broken = failed >= 0 or result["cancelled"] or "raised" in result
        completed = epochs[:-1] if broken else epochs
        run = EpochsRun([Totals(*sums[:4]) for sums in completed], [sums[5] for sums in completed])
        run.cancelled = bool(result["cancelled"])
        if "raised" in result:
            run.error = result["raised"]
        elif failed >= 0:
            # The weights are those from before the failed batch; the reference path finds the layer.
            rows = order[failed * size : (failed + 1) * size]
            try:
                report_non_finite(self.loss, data, rows, self.dtype, self.seed, self.num_steps, failed + 1)
            except NonFiniteError as error:
                run.error = error
            self.parameters[...] = before
        return run

    @property
    def sums(self) -> Sums:
        """The sums of the present batch: see `Program`."""
        if self._sums is None:
            num_sums, num_wide, offsets, _ = self._program.sum_sizes()
            self._sums = Sums(aligned_zeros(num_sums, self.dtype), aligned_zeros(num_wide, np.dtype(np.float64)), [])
            self._program.hold_sums(self._sums.entries, self._sums.wide, self._progress)
            self._operations, self._sums.parts = parts_of(offsets, num_sums, num_wide, self.dtype.itemsize)
        return self._sums

    def compute(self, shard: Shard, exchange: Exchange | None = None) -> None:
        """Run the forward and the backward pass of a shard: see `Program.compute`."""
        if self._unsupported_shards:
            raise ValueError(f"shard: a batch of this network cannot be computed in shards: {self._unsupported_shards}")
        check_shard(shard, self.panel_rows)
        self._check_bound()
        self._shard = None
        inputs, labels = self._prepared_arrays(shard.data)
        dropout = [(stream, [float(rate)]) for stream, rate in zip(self._scheduled, shard.dropout, strict=True)]
        rows = np.ascontiguousarray(shard.rows, dtype=np.int64)
        _ = self.sums  # which there must be
        shape = self._program.begin_shard(
            inputs,
            labels,
            shard.data.weights,
            rows,
            int(shard.total),
            int(shard.first_row),
            self.num_steps,
            dropout,
            self._threads,
        )
        while shape is not None:
            if shape is False:
                self._report(shard)
            if exchange is not None:
                self._complete_moments(shape, shard, exchange)
            elif len(rows) < shard.total:
                raise ValueError(f"exchange: {NEEDS_EXCHANGE}")
            shape = self._program.run_shard(self._threads)
        self._shard = shard

    def _complete_moments(self, shape: tuple[int, int], shard: Shard, exchange: Exchange) -> None:
        moments = np.zeros(shape)
        self._program.read_moments(moments)
        first = shard.first_row // self.panel_rows
        exchange(moments, slice(first, first - (-len(shard.rows) // self.panel_rows)))
        self._program.write_moments(moments)

    def accumulate(self, *, resume: bool, part: int | None = None) -> Sums:
        """Add what the computed shard contributes to `sums`: see `Program.accumulate`."""
        sums, shard = self.sums, self._shard
        if not part or shard is None:
            shard = check_order(sums, shard, resume)
        first, last = (0, self._operations[-1]) if part is None else self._operations[part : part + 2]
        if not self._program.add_shard(first, last, resume, self._threads):
            self._report(shard)
        return sums

    def apply(self, rates: StepRates) -> Totals:
        """Make the step from `sums`: see `Program.apply`."""
        check_complete(self.sums, None if self._shard is None else self._shard.total)
        return self._apply(rates, True, adds=False, resumes=True)

    def finish(self, rates: StepRates, *, resume: bool, keep: bool = True) -> Totals:
        """Accumulate the last shard and apply: see `Program.finish`."""
        check_last(self.sums, self._shard, resume)
        return self._apply(rates, keep, adds=True, resumes=resume)

    def _apply(self, rates: StepRates, keep: bool, adds: bool, resumes: bool) -> Totals:
        shard, sums = self._shard, self.sums
        assert shard is not None
        self._check_bound()
        set_dropout([*self._scheduled.values()], rates)
        learning, decay, steps = float(rates.learning), float(rates.decay), self.optimizer.num_steps
        self._progress[0] = UNCHANGED
        try:
            self.is_whole = False
            self._shard = None
            finite = self._program.apply_sums(learning, decay, steps, keep, adds, resumes, self._threads)
        finally:  # a signal may raise an exception as soon as the call returns
            made = self._progress[0] == COMPLETE
            self.num_steps += int(made)
            self.optimizer.num_steps += int(made)
            self.is_whole = self._progress[0] != BEGUN
        if not finite:
            self._report(shard)
        return sums.totals

    def _report(self, shard: Shard) -> NoReturn:
        report_non_finite(
            self.loss, shard.data, shard.rows, self.dtype, self.seed, self.num_steps, shard.batch, shard.first_row
        )

    def _prepared_arrays(self, data: Dataset) -> tuple[list[Array], Array]:
        if self._prepared is not None and self._prepared[0] is data:
            return self._prepared[1:]
        return self._arrays_of(data)

    def _arrays_of(self, data: Dataset) -> tuple[list[Array], Array]:
        """Return inputs and labels as the extension reads them."""
        as_indices = zip(data.inputs, self._as_indices, strict=True)
        classes = self.loss.takes_class_indices and data.labels.ndim == 1
        return (
            [contiguous(array[:], np.int64 if index else None) for array, index in as_indices],
            contiguous(data.labels, np.int64 if classes else None),
        )

    def limit_threads(self, batch_size: int) -> AbstractContextManager[Any]:
        """Return a context: see `Program.limit_threads`. It does nothing, since no product is NumPy's."""
        return nullcontext()
