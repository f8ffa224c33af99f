"""Pilots: networks that are trained for a few epochs, of which held-out rows choose the weight decay of the others.

How strongly weights are to be pulled towards 0 depends on how much the columns of a table say about its target, which nobody knows before:
where they say little, a network soon knows the rows by heart, and where they say nearly all, a strong pull costs more than it saves.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pysmorch.engine import using_threads
from pysmorch.estimators.bagging import FURTHER_TRUST, BestCalibrated, jobs_of
from pysmorch.estimators.budget import Budget, Deadline, OutOfTime, epochs_that_fit
from pysmorch.estimators.ensemble import divided_threads, run_together
from pysmorch.estimators.members import Member, outputs_of, seeds_of
from pysmorch.estimators.rows import Labelled
from pysmorch.estimators.small import calibrations_of
from pysmorch.prediction.dense import ENOUGH_ROWS
from pysmorch.prediction.presets import EPOCHS, WEIGHT_DECAY, preset_of
from pysmorch.training.ending import Cancelled, CancellingWithin, Flag

MOST_ROWS = 20_000
"""With more rows networks are worse with the strong weight decay even where its pilot is better (benchmarks/results/ablations.jsonl)."""

PART_OF_STRONG = 2
"""Networks with a weight decay above `WEIGHT_DECAY` have so many times fewer epochs: further ones bring nothing
(benchmarks/results/ablations.jsonl)."""

PART_OF_PILOT = 2
"""A pilot has so many times fewer epochs than a network with its weight decay. So whether longer training helps is a part of what is
compared."""

LITTLE_NOISE, MANY_EPOCHS_FROM = 1.1, 10_000
"""Where the pilot with the strong weight decay has at least so many times the loss of the other one, the targets have little noise. From so many
rows on such tables gain by more epochs; with noise networks overfit (benchmarks/results/epochs.jsonl)."""


class Pilots(NamedTuple):
    """What is tried.

    Attributes
    ----------
    decays : tuple of float
        The weight decay of each pilot, the weak one first.
    epochs : tuple of int
        How many epochs each of them has.
    """

    decays: tuple[float, ...]
    epochs: tuple[int, ...]


def epochs_with(decay: float, epochs: int) -> int:
    """Return how many epochs a network with a weight decay has.

    Parameters
    ----------
    decay : float
        One of those tried.
    epochs : int
        With `WEIGHT_DECAY`.

    Returns
    -------
    int
        At least 1.
    """
    return max(1, epochs // PART_OF_STRONG) if decay > WEIGHT_DECAY else epochs


def pilots_of(estimator: Any, num_rows: int, epochs: int) -> Pilots | None:
    """Return the pilots of an ensemble whose networks hold out rows of their own.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its network, and its encoder.
    num_rows : int
        How many rows there are.
    epochs : int
        Of a network with `WEIGHT_DECAY`.

    Returns
    -------
    Pilots or None
        None where a weight decay is given, or another optimizer than "adamw"; where the preset has none; and for all but tables of
        `ENOUGH_ROWS` to `MOST_ROWS` rows.
    """
    left_open = estimator.weight_decay is None and estimator.optimizer == "adamw"
    is_middle = ENOUGH_ROWS <= num_rows <= MOST_ROWS and estimator.encoder_.of_table
    times_rows = preset_of(estimator).decay_times_rows
    if not (left_open and is_middle and times_rows and estimator._members > 1):
        return None
    decays = WEIGHT_DECAY, times_rows / num_rows
    return Pilots(decays, tuple(max(1, epochs_with(decay, epochs) // PART_OF_PILOT) for decay in decays))


def choose_weight_decay(estimator: Any, data: Labelled, pilots: Pilots, epochs: int, budget: Budget | None) -> int:
    """Set the weight decay of the optimizer to that of the best pilot, and return how many epochs networks with it have.

    The best one has the smallest loss on held-out rows, after calibration, in its best epoch.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its network, which is left at its first weights.
    data : Labelled
        All rows; the pilots hold out those that the first network does, and those of the second.
    pilots : Pilots
        What is tried.
    epochs : int
        Of the networks, at most.
    budget : Budget or None
        The time for it.

    Returns
    -------
    int
        Fewer with the strong decay, and more for many rows with little noise.
    """
    first, second = jobs_of(estimator, data, estimator._members)[:2]
    if first.rows is None or first.held_out is None or second.rows is None or second.held_out is None:
        return epochs
    # One fold, an eighth of some thousand rows, does not tell small differences.
    training, others = np.intersect1d(first.rows, second.rows), np.union1d(first.held_out, second.held_out)
    rows, held_out, _ = data.divided(training, others)
    calibrations = calibrations_of(estimator, data, FURTHER_TRUST)
    found = [BestCalibrated(held_out, calibrations, count, as_good=0.0) for count in pilots.epochs]
    at_a_time, of_each = divided_threads(estimator, len(pilots.decays))
    cancel, seed = Flag(), seeds_of(estimator._seed, estimator._members)[0]
    ending = [CancellingWithin(cancel), *([] if budget is None else [Deadline(budget)])]

    def train(pilot: Any, decay: float, count: int, best: BestCalibrated) -> None:
        if cancel.is_set():
            raise Cancelled
        pilot.optimizer_.weight_decay = decay
        with using_threads(of_each), suppress(OutOfTime):
            pilot._train(rows, seed=seed, epochs=count, callbacks=[*ending, best], metrics=[])

    output = outputs_of(estimator.network_, estimator._members)[0]
    # In another thread a copy of the estimator would be the one before its training.
    models = [Member(estimator, output, seed, of_each).model for _ in found]
    run_together([partial(train, *one) for one in zip(models, *pilots, found, strict=True)], at_a_time, cancel)
    losses = [best.best for best in found]
    chosen = pilots.decays[losses.index(min(losses))]
    estimator.optimizer_.weight_decay = chosen
    epochs, most = epochs_with(chosen, epochs), max(epochs, min(EPOCHS, 2 * epochs))
    has_little_noise = 0 < LITTLE_NOISE * losses[0] <= losses[1] < np.inf
    if estimator.epochs is None and has_little_noise and len(data.rows) >= MANY_EPOCHS_FROM and most > epochs:
        return most if budget is None else epochs_that_fit(estimator, len(data.rows), epochs, most, budget)
    return epochs
