"""A batch in shards: how it is cut, what is checked, and training so with the same bits as in one piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np

from pysmorch.engine.program import Exchange, Program, Shard, ShardingProgram, Sums, Totals
from pysmorch.layers.graph import name_layers
from pysmorch.layers.native_form import is_ours

NEEDS_EXCHANGE = "a network with Normalize layers needs means over all rows of a batch: compute its shards with an exchange, or the batch as one shard"

BYTES_OF_A_PART = 2**18
"""Of sums that are passed on together: so many take longer to send than a message takes to begin."""


def cut(total: int, count: int, panel_rows: int) -> list[tuple[int, int]]:
    """Return the first row and the end of each of some shards of a batch, of nearly the same size.

    Parameters
    ----------
    total : int
        Rows of the batch.
    count : int
        How many shards.
    panel_rows : int
        They begin at multiples of it; where the batch has fewer panels than `count`, the last shards have no rows.

    Returns
    -------
    list of pairs of int

    Examples
    --------
    >>> cut(100, 3, 16)
    [(0, 48), (48, 80), (80, 100)]
    >>> cut(40, 3, 32)
    [(0, 32), (32, 40), (40, 40)]
    """
    panels = -(-total // panel_rows)
    ends = [-(-panels * i // count) * panel_rows for i in range(count + 1)]
    return [(min(first, total), min(end, total)) for first, end in pairwise(ends)]


def in_shards(program: Program) -> ShardingProgram:
    """Return a program as one that computes batches in shards; ValueError where it cannot."""
    if not hasattr(program, "accumulate"):
        raise ValueError(
            f'engine="{program.engine}" computes each batch in one piece; leave out accumulate and cluster, or take engine="auto"'
        )
    return cast(ShardingProgram, program)


def gradients_of(program: ShardingProgram, shard: Shard, *, resume: bool, exchange: Exchange | None = None) -> Sums:
    """Compute a shard and accumulate it, and return the sums: see `ShardingProgram`."""
    check_order(program.sums, shard, resume)
    program.compute(shard, exchange)
    return program.accumulate(resume=resume)


def unsupported_shards(layers: Sequence[Any]) -> str | None:
    """Return why batches of a network cannot be computed in shards, or None if they can; its loss is not among the layers."""
    for layer, name in zip(layers, name_layers(layers), strict=True):
        if not is_ours(layer):
            return f"{name} is of a class of your own, {type(layer).__name__}, which may look at all rows of a batch at once"
    return None


def parts_of(
    offsets: list[tuple[int, int]], num_sums: int, num_wide: int, itemsize: int
) -> tuple[list[int], list[tuple[slice, slice]]]:
    """Cut the sums of some operations into parts; return the first operation of each, and the end, with their slices."""
    ends = [*offsets[1:], (num_sums, num_wide)]
    operations, parts, start = [0], [], (0, 0)
    for index, end in enumerate(ends, start=1):
        size = (end[0] - start[0]) * itemsize + (end[1] - start[1]) * 8
        if size >= BYTES_OF_A_PART or index == len(ends):
            parts.append((slice(start[0], end[0]), slice(start[1], end[1])))
            operations.append(index)
            start = end
    return operations, parts


def add_step(program: ShardingProgram, totals: Totals, step: Callable[[], object]) -> None:
    """Make a step of a program, and add its sums to `totals`, also where a signal raises an exception as soon as it is made."""
    before = program.num_steps
    try:
        step()
    finally:
        if program.num_steps > before:
            totals.add(program.sums.totals)


def check_shard(shard: Shard, panel_rows: int) -> None:
    """Raise ValueError for a shard that does not fit its batch."""
    total, first, count = shard.total, shard.first_row, len(shard.rows)
    _check_integer("total", total, 1)
    _check_integer("first_row", first, 0)
    if first + count > total:
        raise ValueError(f"the shard has the rows {first} to {first + count} of a batch of only {total} rows")
    if count and first % panel_rows:
        raise ValueError(
            f"a shard must begin at a multiple of {panel_rows} rows of its batch, but begins at row {first}"
        )
    if first + count < total and count % panel_rows:
        raise ValueError(
            f"a shard must end at a multiple of {panel_rows} rows of its batch or at its end, row {total}, but ends at row {first + count}"
        )


def _check_integer(argument: str, number: Any, least: int) -> None:
    if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, np.integer)) or number < least:
        raise ValueError(f"{argument} must be an integer of at least {least}, but is {number!r}")


def check_order(sums: Sums, shard: Shard | None, resume: bool) -> Shard:
    """Return the shard; raise ValueError where there is none, or it does not go on from where the sums end."""
    if shard is None:
        raise ValueError("no shard is computed whose gradients could be added: call compute first")
    done = sums.num_rows if resume else 0
    if done != shard.first_row and len(shard.rows):
        what = f"the sums are of the first {done} rows of the batch" if resume else "without resume the sums begin anew"
        raise ValueError(
            f"{what}, but the shard begins at row {shard.first_row}: shards are added in their order, without gaps"
        )
    return shard


def check_complete(sums: Sums, total: int | None) -> None:
    """Raise ValueError where a step cannot be made from the sums."""
    if total is None:
        raise ValueError("sums: there are no gradients to apply: compute and accumulate the shards of a batch first")
    if sums.num_rows != total:
        raise ValueError(
            f"the sums are of {sums.num_rows} rows, but the batch has {total}: all its shards must be added first"
        )
    if not np.isfinite(sums.wide[0]):
        raise ValueError(f"the sum of the losses is {sums.wide[0]}: from such sums no step can be made")


def check_last(sums: Sums, shard: Shard | None, resume: bool) -> None:
    """Raise ValueError where a step cannot be made from the sums and the shard after them."""
    shard = check_order(sums, shard, resume)
    end = shard.first_row + len(shard.rows)
    if end != shard.total:
        raise ValueError(
            f"the shard ends at row {end} of a batch of {shard.total} rows: it is not the last one, which makes the step"
        )
