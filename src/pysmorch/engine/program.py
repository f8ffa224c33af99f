"""The protocol of programs, and the sums that they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pysmorch.engine.dataset import Dataset
from pysmorch.layers.base import Array
from pysmorch.losses import Loss


class NonFiniteError(ArithmeticError):
    """The loss was not a finite number in training.

    Parameters
    ----------
    message : str
        What happened and what to try.
    epoch, batch : int
        Where, counted from 1.
    layer : str
        Name of the first layer with a value that is not finite.

    Attributes
    ----------
    epoch, batch, layer
        As in the parameters.
    """

    def __init__(self, message: str, epoch: int, batch: int, layer: str) -> None:
        super().__init__(message)
        self.epoch, self.batch, self.layer = epoch, batch, layer

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.epoch, self.batch, self.layer)


class StepRates(NamedTuple):
    """What schedules say of one step: learning rate, weight decay, and the rate of each Dropout that has a schedule, in their order."""

    learning: float
    decay: float = 0.0
    dropout: tuple[float, ...] = ()


@dataclass
class Totals:
    """Sums over samples, from which means are made."""

    loss: float = 0.0
    metric: float = 0.0
    weight: float = 0.0
    rows: int = 0

    def add(self, other: Totals) -> None:
        """Add the sums of other samples."""
        self.loss += other.loss
        self.metric += other.metric
        self.weight += other.weight
        self.rows += other.rows

    @property
    def mean_loss(self) -> float:
        """The loss, as a mean over the samples."""
        return self.loss / max(self.rows, 1)

    @property
    def mean_metric(self) -> float:
        """The default metric of the loss, as a weighted mean over the samples."""
        return self.metric / self.weight if self.weight else 0.0


@dataclass
class EpochsRun:
    """What several epochs in one call have come to.

    Attributes
    ----------
    totals : list of Totals
        The sums of each completed epoch.
    seconds : list of float
        How long each of them took.
    error : Exception or None
        What ended them within an epoch: a loss that is not finite, or what a signal raised.
    cancelled : bool
        Whether another thread has ended them within an epoch.
    """

    totals: list[Totals]
    seconds: list[float]
    error: BaseException | None = None
    cancelled: bool = False


Exchange = Callable[[Array, slice], None]
"""Completes an array of shape (panels of the batch, k): the rows of the slice are there, those of the other shards are to be written."""


class Shard(NamedTuple):
    """Neighbouring rows of a batch, whose gradients are computed for themselves.

    Parameters
    ----------
    data : Dataset
        What `rows` are rows of.
    rows : ndarray of int
        Their indices, in the order of the batch; there may be none.
    total : int
        How many rows the whole batch has.
    first_row : int, default=0
        Which row of the batch is the first one here, counted from 0.
    dropout : tuple of float, default=()
        The rate of each Dropout that has a schedule, in their order.
    batch : int, default=1
        The number of the batch in its epoch, for messages.
    """

    data: Dataset
    rows: Array
    total: int
    first_row: int = 0
    dropout: tuple[float, ...] = ()
    batch: int = 1


@dataclass
class Sums:
    """Sums over the rows of a batch so far, which the next shard goes on from. They may be sent anywhere and written over.

    Parameters
    ----------
    entries : ndarray of shape (S,)
        Of gradients, in the dtype of the parameters.
    wide : ndarray of shape (Q,)
        In float64: the losses, the metric, the weights, the number of rows, then what else is summed in float64.
    parts : list of pairs of slices
        Parts of both arrays that can be passed on one after the other.
    """

    entries: Array
    wide: Array
    parts: list[tuple[slice, slice]]

    @property
    def num_rows(self) -> int:
        """How many rows of the batch they are of."""
        return int(self.wide[3])

    @property
    def totals(self) -> Totals:
        """Loss, metric and weights as sums."""
        loss, metric, weight, rows = self.wide[:4].tolist()
        return Totals(loss, metric, weight, int(rows))


class Program(Protocol):
    """A network made ready for training.

    Attributes
    ----------
    loss : Loss
        The end of the network.
    engine : {"native", "reference", "jax"}
        What runs it.
    instructions : str
        The instructions or the device on which bits depend; nothing for NumPy.
    bf16 : bool
        Whether products are made from bfloat16.
    parameters, gradients : ndarray of shape (P,)
        All parameters and their gradients; the layers' `W` and `G` are views into them.
    seed : int
        Of dropout and shuffling.
    num_steps : int
        Completed training steps.
    is_whole : bool
        False where a step was begun and not completed, because of an exception in the midst of it: parameters and the state
        of the optimizer are then of no step.
    """

    loss: Loss
    engine: str
    instructions: str
    bf16: bool
    parameters: Array
    gradients: Array
    seed: int
    num_steps: int
    is_whole: bool

    def permutation(self, epoch: int, count: int) -> Array:
        """Return `count` row indices in the order of an epoch, which depends on the seed and the epoch alone."""
        ...

    def train(
        self,
        data: Dataset,
        order: Array,
        batch_size: int,
        rates: Sequence[StepRates],
        first_batch: int,
        totals: Totals | None = None,
    ) -> Totals:
        """Take one step for each batch of `order`, with these rates; return the sums over all samples.

        They are added to `totals`, batch by batch, so that they do not depend on the parts into which an epoch is cut, and are
        there for the steps before an exception.

        Raises NonFiniteError (with epoch 0; the caller knows the epoch) when a loss is not finite.
        """
        ...

    def limit_threads(self, batch_size: int) -> AbstractContextManager[Any]:
        """Return a context in which NumPy's products take no more threads than batches of this size gain from."""
        ...


class ShardingProgram(Program, Protocol):
    """A program that computes batches in shards too, from which steps of the same bits are made.

    Attributes
    ----------
    panel_rows : int
        A shard of a batch begins at a multiple of this number of rows.
    """

    panel_rows: int

    @property
    def sums(self) -> Sums:
        """The sums of the present batch, the same arrays in every step."""
        ...

    def compute(self, shard: Shard, exchange: Exchange | None = None) -> None:
        """Run the forward and the backward pass of a shard, as a part of step `num_steps`; parameters and states stay as they are.

        A network with `Normalize` layers needs numbers of all shards on the way: `exchange` is called several times, in the same order
        for each shard of a batch. It may be None where there are none, or the shard is the whole batch.

        Raises ValueError for a shard that does not fit its batch or this network, NonFiniteError (with epoch 0) when its loss is not
        finite.
        """
        ...

    def accumulate(self, *, resume: bool, part: int | None = None) -> Sums:
        """Add what the computed shard contributes to `sums`, or set them where it is the first one of its batch.

        With `resume` they go on from what is there: the sums of the shards before it, in their order. `part` is one of `sums.parts`;
        None is all of them, in their order.

        Raises ValueError when the sums end at another row than where the shard begins, NonFiniteError when the loss is not finite.
        """
        ...

    def apply(self, rates: StepRates) -> Totals:
        """Make the step from `sums`, which are of the whole batch, and return what `train` returns for it.

        Raises ValueError when rows are missing or the loss is not finite.
        """
        ...

    def finish(self, rates: StepRates, *, resume: bool, keep: bool = True) -> Totals:
        """Accumulate the last shard of a batch, and apply: in less time, since the parameters are gone through once.

        `keep` is whether `gradients` are stored.
        """
        ...
