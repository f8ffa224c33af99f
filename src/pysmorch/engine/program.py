"""The protocol of programs, and the sums that they return."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pysmorch.engine.dataset import Dataset
from pysmorch.layers.base import Array


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


class Program(Protocol):
    """A network made ready for training.

    Attributes
    ----------
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
