"""Training on shares of each batch: every worker computes some of its rows, and the sums go from one to the next."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from threading import Event

from pysmorch.cluster.ring import Ring
from pysmorch.engine import Dataset, ShardingProgram, StepRates, Totals
from pysmorch.engine.program import Shard
from pysmorch.engine.shards import add_step, cut, gradients_of
from pysmorch.layers.base import Array

MEASURED_STEPS = 7
"""How many steps are measured to find whether it is worth to share them."""

_ring: ContextVar[Ring | None] = ContextVar("ring", default=None)
_to_stop: ContextVar[Event | None] = ContextVar("to stop", default=None)


class HandedOver(Exception):
    """A worker has done its part, and the first one goes on with it."""


class Stopped(Exception):
    """The driver has been interrupted."""


@contextmanager
def stopped_by(event: Event) -> Iterator[None]:
    """Let fits in this context end as by an interruption when an event is set: after a piece of an epoch, with a checkpoint."""
    token = _to_stop.set(event)
    try:
        yield
    finally:
        _to_stop.reset(token)


def check_stop() -> None:
    """Raise Stopped where the event of `stopped_by` is set."""
    event = _to_stop.get()
    if event is not None and event.is_set():
        raise Stopped


@contextmanager
def training_with(ring: Ring) -> Iterator[None]:
    """Let fits in this context compute a share of each batch, where each worker does the same call."""
    token = _ring.set(ring)
    try:
        yield
    finally:
        _ring.reset(token)


def current_ring() -> Ring | None:
    """Return the connections to the other workers, or None where a fit is on its own."""
    ring = _ring.get()
    return ring if ring is not None and ring.is_open else None


def train_share(
    ring: Ring,
    program: ShardingProgram,
    data: Dataset,
    order: Array,
    batch_size: int,
    rates: Sequence[StepRates],
    first_batch: int,
    totals: Totals,
) -> None:
    """Take the steps of `Program.train` together with other workers, to the same bits on each.

    Parameters
    ----------
    ring : Ring
        The connections to them.
    program : ShardingProgram
        Of this worker; those of the others have the same parameters and states.
    data, order, batch_size, rates, first_batch, totals
        As in `Program.train`.

    Raises
    ------
    NonFiniteError
        A loss of rows of this worker is not finite; the others lose their connection.
    LostWorkerError
        Another worker is gone.
    """
    if ring.to_be_measured and len(order) >= batch_size:
        ring.to_be_measured = False
        _refuse_if_slower(ring, program, data, order[:batch_size], rates[0])
    for batch, step in enumerate(rates):
        _compute_share(
            ring, program, data, order[batch * batch_size : (batch + 1) * batch_size], step, first_batch + batch + 1
        )
        add_step(program, totals, partial(program.apply, step))


def _compute_share(
    ring: Ring, program: ShardingProgram, data: Dataset, rows: Array, rates: StepRates, number: int
) -> None:
    """Compute some rows of a batch, and add them to those of the other workers."""
    shares = cut(len(rows), ring.size, program.panel_rows)
    first, end = shares[ring.rank]
    shard = Shard(data, rows[first:end], len(rows), first, rates.dropout, number)
    # Rounded up, both: a share without rows begins at the end of the batch, within a panel of another one.
    panels = [slice(-(-first // program.panel_rows), -(-end // program.panel_rows)) for first, end in shares]
    program.compute(shard, lambda moments, _: ring.complete(moments, panels))
    _sum_up(ring, program)


def _refuse_if_slower(ring: Ring, program: ShardingProgram, data: Dataset, rows: Array, rates: StepRates) -> None:
    """Compute the gradients of a batch alone and together, which changes nothing, and raise ValueError where that takes as long."""

    def alone() -> None:
        gradients_of(program, Shard(data, rows, len(rows), dropout=rates.dropout), resume=False)

    def together() -> None:
        _compute_share(ring, program, data, rows, rates, 1)

    seconds = []
    for compute in (alone, together):
        times = []
        for _ in range(MEASURED_STEPS):
            ring.from_first(0.0)  # all begin at the same time
            start = time.perf_counter()
            compute()
            times.append(time.perf_counter() - start)
        seconds.append(ring.from_first(statistics.median(times)))
    if seconds[1] >= seconds[0]:
        raise ValueError(
            f"cluster: one machine is faster: the gradients of a batch of {len(rows)} rows take {seconds[0] * 1e3:.3g} ms on one worker and "
            f"{seconds[1] * 1e3:.3g} ms on {ring.size}, which have to pass on {_megabytes(program):.3g} MB; train without cluster, with a much "
            f"larger batch_size, or say how many workers there are to be, as in Cluster(workers={ring.size})"
        )


def _megabytes(program: ShardingProgram) -> float:
    return (program.sums.entries.nbytes + program.sums.wide.nbytes) / 1e6


def _sum_up(ring: Ring, program: ShardingProgram) -> None:
    """Add the shares in their order, part after part through all workers; then the last one hands the sums to all."""
    sums, is_first, is_last = program.sums, ring.rank == 0, ring.rank == ring.size - 1
    for number, (entries, wide) in enumerate(sums.parts):
        if not is_first:
            ring.receive(sums.entries[entries])
            ring.receive(sums.wide[wide])
        program.accumulate(resume=not is_first, part=number)
        if not is_last:
            ring.send(sums.entries[entries])
            ring.send(sums.wide[wide])
    for entries, wide in sums.parts:
        for values in (sums.entries[entries], sums.wide[wide]):
            if not is_last:
                ring.receive(values)
            if ring.rank != ring.size - 2:
                ring.send(values)
