"""What schedules say of the steps of an epoch: learning rate, weight decay, and the rates of dropout layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from pysmorch.engine import StepRates
from pysmorch.layers.dropout import scheduled_dropouts
from pysmorch.optimizers import Optimizer
from pysmorch.schedules import Schedule, as_schedule

REMEMBERED = 64
"""Schedules of whole trainings: thousands of small networks are trained by a few of them."""


def rates_of_epoch(
    optimizer: Optimizer, layers: Sequence[Any], epoch: int, num_batches: int, num_epochs: int
) -> list[StepRates]:
    """Return the rates of the steps of an epoch.

    Parameters
    ----------
    optimizer : Optimizer
        With its schedules.
    layers : sequence of Layer
        Of the network.
    epoch : int
        From 0.
    num_batches, num_epochs : int
        Of the training.

    Returns
    -------
    list of StepRates
        One for each batch.
    """
    return _rates_of_epoch(*_schedules(optimizer, layers), epoch, num_batches, num_epochs)


def rates_of_epochs(
    optimizer: Optimizer, layers: Sequence[Any], num_batches: int, num_epochs: int
) -> Sequence[StepRates]:
    """Return the rates of all steps of a training.

    Parameters
    ----------
    optimizer, layers, num_batches, num_epochs
        As for `rates_of_epoch`.

    Returns
    -------
    sequence of StepRates
        Epoch by epoch.
    """
    schedules = _schedules(optimizer, layers)
    frozen = all(type(one).__module__ == Schedule.__module__ for one in (*schedules[:2], *schedules[2]))
    # Schedules of the user's may say something else the next time.
    make: Callable[..., tuple[StepRates, ...]] = _remembered if frozen else _rates_of_epochs
    return make(*schedules, num_batches, num_epochs)


def _schedules(optimizer: Optimizer, layers: Sequence[Any]) -> tuple[Schedule, Schedule, tuple[Schedule, ...]]:
    decay = as_schedule(optimizer.weight_decay, "weight_decay")
    return optimizer.schedule, decay, tuple(layer.schedule for layer in scheduled_dropouts(layers))


def _rates_of_epoch(
    learning: Schedule, decay: Schedule, dropouts: Sequence[Schedule], epoch: int, num_batches: int, num_epochs: int
) -> list[StepRates]:
    rates = []
    for batch in range(num_batches):
        at = (epoch + batch / num_batches, num_epochs)
        rates.append(StepRates(learning.rate(*at), decay.rate(*at), tuple(one.rate(*at) for one in dropouts)))
    return rates


def _rates_of_epochs(
    learning: Schedule, decay: Schedule, dropouts: tuple[Schedule, ...], num_batches: int, num_epochs: int
) -> tuple[StepRates, ...]:
    return tuple(
        rates
        for epoch in range(num_epochs)
        for rates in _rates_of_epoch(learning, decay, dropouts, epoch, num_batches, num_epochs)
    )


_remembered = lru_cache(maxsize=REMEMBERED)(_rates_of_epochs)
