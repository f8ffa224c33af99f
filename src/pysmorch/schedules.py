"""Schedules of learning rate, weight decay and dropout: the number at each moment of the training, with time measured in epochs."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, floor, inf, log2, pi
from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Schedule(Protocol):
    """Anything with `rate(epoch, num_epochs)`.

    It gives the learning rate of every step, or the weight decay of an optimizer or the rate of a `Dropout`; any object with this
    method is one.
    """

    def rate(self, epoch: float, num_epochs: float) -> float:
        """Return the learning rate, or what else has the schedule, of a step.

        Parameters
        ----------
        epoch : float
            Epochs so far, from 0, with a fraction: batch 25 of 100 in the second epoch is at 1.25.
        num_epochs : float
            Epochs of the whole training.

        Returns
        -------
        float
            The number.
        """
        ...


@dataclass(frozen=True)
class Constant:
    """The same rate all the time.

    Parameters
    ----------
    learning_rate : float
        The rate.
    """

    learning_rate: float

    def rate(self, epoch: float, num_epochs: float) -> float:
        """Return the rate."""
        return self.learning_rate


@dataclass(frozen=True)
class Step:
    """The rate times `factor` after every `every` epochs.

    Parameters
    ----------
    learning_rate : float
        The rate of the first epochs.
    every : float, default=10
        Epochs between two changes; positive.
    factor : float, default=0.1
        What the rate is multiplied by.

    Raises
    ------
    ValueError
        When `every` is not positive.

    Examples
    --------
    >>> [round(Step(0.1, every=2, factor=0.5).rate(epoch, 6), 4) for epoch in range(6)]
    [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]
    """

    learning_rate: float
    every: float = 10
    factor: float = 0.1

    def __post_init__(self) -> None:
        if not self.every > 0:
            raise ValueError(f"Step: every must be a positive number of epochs, but is {self.every!r}")

    def rate(self, epoch: float, num_epochs: float) -> float:
        """Return the rate after the steps so far."""
        return float(self.learning_rate * self.factor ** floor(epoch / self.every))


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from the rate down to `final`, over the whole training.

    Parameters
    ----------
    learning_rate : float
        The rate at the beginning.
    final : float, default=0.0
        The rate at the end.

    Notes
    -----
    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.

    Examples
    --------
    >>> [round(Cosine(0.1).rate(epoch, 4), 4) for epoch in range(5)]
    [0.1, 0.0854, 0.05, 0.0146, 0.0]
    """

    learning_rate: float
    final: float = 0.0

    def rate(self, epoch: float, num_epochs: float) -> float:
        """Return the rate on the cosine."""
        return _blend(self.learning_rate, self.final, epoch / num_epochs)


@dataclass(frozen=True)
class FlatCosine:
    """The rate for the first part of the training, then half a cosine from it down to 0.

    Parameters
    ----------
    learning_rate : float
        The rate at the beginning.
    flat : float, default=0.5
        The fraction of the training in which the rate does not change, at least 0 and below 1.

    Raises
    ------
    ValueError
        When `flat` is out of range.

    Notes
    -----
    Source: Holzmüller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data", 2024
    ("flat_cos", for dropout and weight decay).

    Examples
    --------
    >>> [round(FlatCosine(0.1).rate(epoch, 8), 4) for epoch in range(9)]
    [0.1, 0.1, 0.1, 0.1, 0.1, 0.0854, 0.05, 0.0146, 0.0]
    """

    learning_rate: float
    flat: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.flat < 1:
            raise ValueError(f"FlatCosine: flat must be at least 0 and below 1, but is {self.flat!r}")

    def rate(self, epoch: float, num_epochs: float) -> float:
        """Return the rate on the line or the cosine."""
        return _blend(self.learning_rate, 0.0, (epoch / num_epochs - self.flat) / (1 - self.flat))


@dataclass(frozen=True)
class CosineCycles:
    """Cycles from 0 up to `peak` and down to 0, each twice as long as the one before it.

    With t as the fraction of the training and n cycles the rate is peak (1 - cos(2 pi log2(1 + (2^n - 1) t))) / 2.

    Parameters
    ----------
    peak : float
        The largest rate, in the midst of each cycle.
    cycles : int, default=4
        How many cycles there are; at least 1.

    Raises
    ------
    ValueError
        When `cycles` is not a positive integer.

    Notes
    -----
    Source: Holzmüller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data", 2024
    ("coslog4").

    Examples
    --------
    >>> [round(CosineCycles(0.1).rate(epoch, 15), 4) for epoch in (0, 1, 3, 7, 15)]
    [0.0, 0.0, 0.0, 0.0, 0.0]
    >>> round(CosineCycles(0.1).rate(0.6876, 1), 4)
    0.1
    """

    peak: float
    cycles: int = 4

    def __post_init__(self) -> None:
        if isinstance(self.cycles, bool) or not isinstance(self.cycles, int) or self.cycles < 1:
            raise ValueError(f"CosineCycles: cycles must be a positive integer, but is {self.cycles!r}")

    def rate(self, epoch: float, num_epochs: float) -> float:
        """Return the rate in the cycle."""
        return self.peak * (1 - cos(2 * pi * log2(1 + (2**self.cycles - 1) * epoch / num_epochs))) / 2


@dataclass(frozen=True)
class OneCycle:
    """Up to `peak` within the first `rise` of the training, then down to almost nothing, both as half a cosine.

    It starts at peak / 25 and ends at peak / 250000.

    Parameters
    ----------
    peak : float
        The largest rate.
    rise : float, default=0.3
        The fraction of the training in which the rate rises, between 0 and 1.

    Raises
    ------
    ValueError
        When `rise` is not between 0 and 1.

    Notes
    -----
    Source: Smith and Topin, "Super-convergence", 2018.
    """

    peak: float
    rise: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.rise < 1:
            raise ValueError(f"OneCycle: rise must be between 0 and 1, but is {self.rise!r}")

    def rate(self, epoch: float, num_epochs: float) -> float:
        """Return the rate in the cycle."""
        done = epoch / num_epochs
        start = self.peak / 25
        if done < self.rise:
            return _blend(start, self.peak, done / self.rise)
        return _blend(self.peak, start / 1e4, (done - self.rise) / (1 - self.rise))


@dataclass(frozen=True)
class WarmUp:
    """A straight rise to the first rate of another schedule within `epochs`, then that schedule for what is left.

    Parameters
    ----------
    then : Schedule
        What follows; its time begins after the rise.
    epochs : float, default=1
        Epochs of the rise; positive.
    start : float, default=0.1
        The rise begins at `start` times the first rate.

    Raises
    ------
    TypeError
        When `then` is no schedule.
    ValueError
        When `epochs` is not positive.

    Examples
    --------
    >>> schedule = WarmUp(Cosine(0.1), epochs=2)
    >>> [round(schedule.rate(epoch, 6), 4) for epoch in range(6)]
    [0.01, 0.055, 0.1, 0.0854, 0.05, 0.0146]
    """

    then: Schedule
    epochs: float = 1
    start: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.then, Schedule):
            raise TypeError(f"WarmUp: then must be a schedule, for example Cosine(0.1), but is {self.then!r}")
        if not self.epochs > 0:
            raise ValueError(f"WarmUp: epochs must be positive, but is {self.epochs!r}")

    def rate(self, epoch: float, num_epochs: float) -> float:
        """Return the rate on the rise, or that of the schedule after it."""
        left = max(num_epochs - self.epochs, 1e-9)
        if epoch < self.epochs:
            return self.then.rate(0, left) * (self.start + (1 - self.start) * epoch / self.epochs)
        return self.then.rate(epoch - self.epochs, left)


def as_schedule(learning_rate: Any, argument: str = "learning_rate") -> Schedule:
    """Return the schedule, or a number as a constant one.

    Parameters
    ----------
    learning_rate : float or Schedule
        A number that is not negative, or a schedule.
    argument : str, default="learning_rate"
        What a message calls it.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    ValueError
        For anything else.
    """
    # As isinstance(..., Schedule), which takes as long as a small training step.
    if getattr(learning_rate, "rate", None) is not None:
        return learning_rate
    if (
        isinstance(learning_rate, bool)
        or not isinstance(learning_rate, (int, float, np.floating))
        or not 0 <= learning_rate < inf
    ):
        raise ValueError(f"{argument} must be a non-negative number or a schedule, but is {learning_rate!r}")
    return Constant(float(learning_rate))


def _blend(first: float, last: float, done: float) -> float:
    return last + (first - last) * (1 + cos(pi * min(max(done, 0.0), 1.0))) / 2
