"""Training whose batches are computed in pieces, which take a part of the memory, with the bits of whole batches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from pysmorch.engine.dataset import Dataset
from pysmorch.engine.passes import report_non_finite
from pysmorch.engine.program import Exchange, NonFiniteError, Shard, ShardingProgram, StepRates, Totals
from pysmorch.engine.shards import add_step, cut
from pysmorch.layers.base import Array


class _Waiting(Exception):
    """A shard needs numbers of the others: what it knows of them, and which rows of it are its own."""

    def __init__(self, moments: Array, own: slice) -> None:
        super().__init__()
        self.moments, self.own = moments, own


def train_in_pieces(
    program: ShardingProgram,
    data: Dataset,
    order: Array,
    batch_size: int,
    rates: Sequence[StepRates],
    first_batch: int,
    totals: Totals,
    pieces: int,
) -> Totals:
    """Take the steps of `Program.train`, each computed in so many pieces, one after the other.

    On the native engine the bits are those of `Program.train`. Pieces begin at multiples of `program.panel_rows`, so that small
    batches have fewer.

    Where there are `Normalize` layers, a piece cannot go on before all of them have come to the same layer. So that no more than
    one takes memory, it begins anew for each of them, in the forward and in the backward pass.
    """
    bounds: list[tuple[int, int]] = []
    for i, rate in enumerate(rates):
        rows = order[i * batch_size : (i + 1) * batch_size]
        total = len(rows)
        if not bounds or bounds[-1][1] != total:
            bounds = [(first, end) for first, end in cut(total, pieces, program.panel_rows) if first < end]
        shards = [
            Shard(data, rows[first:end], total, first, rate.dropout, first_batch + i + 1) for first, end in bounds
        ]
        try:
            _accumulate(program, shards)
            is_last = i + 1 == len(rates)
            add_step(program, totals, partial(program.finish, rate, resume=len(shards) > 1, keep=is_last))
        except NonFiniteError as error:
            _report_batch(program, data, rows, shards[0].batch, error)
    return totals


def _accumulate(program: ShardingProgram, shards: Sequence[Shard]) -> None:
    """Compute all shards of a batch, as often as it takes, and accumulate all but the last one."""
    known: list[Array] = []
    while waiting := _accumulate_from(program, shards, known):
        complete = np.zeros_like(waiting[0].moments)
        for one in waiting:
            complete[one.own] = one.moments[one.own]
        known.append(complete)


def _accumulate_from(program: ShardingProgram, shards: Sequence[Shard], known: Sequence[Array]) -> list[_Waiting]:
    """Compute and accumulate all shards as far as the known numbers of the batch allow; return what each of them waits with."""
    waiting = []
    for i, shard in enumerate(shards):
        try:
            program.compute(shard, None if len(shards) == 1 else _from(known))
        except _Waiting as one:
            waiting.append(one)
        else:
            if i + 1 < len(shards):
                program.accumulate(resume=i > 0)
    return waiting


def _from(known: Sequence[Array]) -> Exchange:
    """Return an exchange that completes numbers from those that are known, one after the other."""
    rest = iter(known)

    def exchange(moments: Array, own: slice) -> None:
        found = next(rest, None)
        if found is None:
            raise _Waiting(moments, own)
        moments[...] = found

    return exchange


def _report_batch(program: ShardingProgram, data: Dataset, rows: Array, batch: int, error: NonFiniteError) -> None:
    """Raise the error that a whole batch raises; where there is no memory for one, that of its shard."""
    try:
        report_non_finite(program.loss, data, rows, program.parameters.dtype, program.seed, program.num_steps, batch)
    except MemoryError:
        raise error from None
