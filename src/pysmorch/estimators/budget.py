"""A limit of time: the first steps are timed, and what fits is planned from that; at the limit training ends, wherever it is.

What is given up first are networks of an ensemble, then epochs, whose schedule is compressed with them, then rows.
"""

from __future__ import annotations

import time
import warnings
from typing import Any, NamedTuple

import numpy as np

from pysmorch.engine import num_threads
from pysmorch.estimators.members import Member, outputs_of, without
from pysmorch.estimators.rows import Labelled
from pysmorch.prediction.parameters import batch_size_for
from pysmorch.prediction.presets import check_preset
from pysmorch.training import Callback, Training
from pysmorch.warnings import PysmorchWarning

STEPS_TIMED = 32
"""Steps of training that are timed, after as many that are not."""

PART_PLANNED = 0.8
"""Of the time that is left; validation takes some of the rest, and the speed of a machine varies."""

WORTH_FEWER_ROWS = 1.25
"""Where so many times the steps of the epochs that fit would fit, there is one epoch more of fewer rows."""

LEAST_EPOCHS = 10
"""A further network is worth more than these epochs of the others only from here on."""


def clock() -> float:
    """Return seconds from some beginning."""
    return time.monotonic()


class OutOfTime(Exception):
    """The limit is reached."""


class Budget:
    """The time of a fit, from the moment on at which this object is made.

    Parameters
    ----------
    limit : float
        Seconds.

    Attributes
    ----------
    reached : bool
        Whether a training was ended at the limit.
    given_up : list of str
        What was planned to be less than without a limit.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.end = clock() + limit
        self.reached = False
        self.given_up: list[str] = []
        self.seconds_of_epoch, self.at_a_time = np.inf, 1

    @property
    def left(self) -> float:
        """Seconds until the limit."""
        return self.end - clock()


class Deadline(Callback):
    """End a training at the limit, also within an epoch.

    Parameters
    ----------
    budget : Budget
        Says when.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def on_batch_end(self, training: Training) -> None:
        """Look at the clock, but let an epoch end that has come to its end."""
        if self.budget.left <= 0 and training.batch < training.num_batches:
            self.budget.reached = True
            raise OutOfTime

    def on_epoch_end(self, training: Training) -> None:
        """Look at the clock."""
        if self.budget.left <= 0 and training.epoch < training.num_epochs:
            self.budget.reached = True
            raise OutOfTime


def budget_of(estimator: Any, has_checkpoints: bool) -> Budget | None:
    """Return the time that a fit has, from now on; None for any.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its parameter `time_limit`, not checked yet.
    has_checkpoints : bool
        Whether checkpoints are written or read.

    Returns
    -------
    Budget or None
        As the parameter says.

    Raises
    ------
    ValueError
        The limit cannot be used, or not together with checkpoints.
    """
    check_preset(estimator)
    if estimator.time_limit is None:
        return None
    if has_checkpoints:
        raise ValueError(
            "time_limit depends on the clock, but a run with checkpoints goes on to the same bits; leave out time_limit, or "
            "checkpoint and resume"
        )
    return Budget(float(estimator.time_limit))


class Plan(NamedTuple):
    """What fits.

    Attributes
    ----------
    members : int
        Networks.
    epochs : int
        Of each of them.
    rows : int
        Of how many rows an epoch is made.
    """

    members: int
    epochs: int
    rows: int


def seconds_of_epoch(estimator: Any, data: Labelled, threads: int) -> float:
    """Return how long an epoch of one network takes, by some steps of its program.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its network, which is left as it is.
    data : Labelled
        All rows of the training.
    threads : int
        How many threads a network may use.

    Returns
    -------
    float
        More than 0.
    """
    size = batch_size_for(estimator, len(data.rows))
    some = data.take(np.arange(min(len(data.rows), STEPS_TIMED * size)))
    member = Member(estimator, outputs_of(estimator.network_, estimator._members)[0], 0, threads)
    member.model.batch_size = size
    member.model._train(some, epochs=1)
    start = clock()
    member.model._train(some, epochs=1)
    return max(clock() - start, 1e-9) * len(data.rows) / len(some.rows)


def plan(seconds: float, left: float, wanted: Plan, at_a_time: int) -> Plan:
    """Return what fits into a time.

    Parameters
    ----------
    seconds : float
        Of an epoch of one network on all rows.
    left : float
        Seconds for the training.
    wanted : Plan
        What is done without a limit.
    at_a_time : int
        How many networks are trained at the same time.

    Returns
    -------
    Plan
        At least one network, one epoch and one row.
    """
    if seconds * wanted.epochs * -(-wanted.members // at_a_time) <= left:
        return wanted
    least = min(LEAST_EPOCHS, wanted.epochs)
    rounds = int(left / (seconds * least))
    members = min(wanted.members, rounds * at_a_time) if rounds else 1
    fitting = left / (seconds * -(-members // at_a_time))
    epochs = min(int(fitting), wanted.epochs)
    if epochs < wanted.epochs and fitting >= WORTH_FEWER_ROWS * epochs:
        epochs += 1
    return Plan(members, epochs, max(1, min(wanted.rows, int(wanted.rows * fitting / epochs))))


def fit_into(
    estimator: Any, data: Labelled, budget: Budget, epochs: int, twice: bool, of_pilots: int = 0
) -> tuple[Labelled, int]:
    """Return the rows and the number of epochs that fit, and leave out networks that do not.

    Parameters
    ----------
    estimator : NetworkEstimator
        Before its training.
    data : Labelled
        All rows of the training.
    budget : Budget
        What is left of the time.
    epochs : int
        How many are wanted.
    twice : bool
        Whether the training is preceded by one as long, for cross-validation.
    of_pilots : int, default=0
        Epochs of the pilots that precede it, all together; without time for all that is wanted there are no pilots.

    Returns
    -------
    data : Labelled
        All rows, or some at random.
    epochs : int
        For the training.
    """
    threads = num_threads(estimator.threads)
    at_a_time = min(estimator._members, threads)
    of_each = max(1, threads // at_a_time)
    seconds = seconds_of_epoch(estimator, data, of_each) * (2 if twice else 1) if budget.left > 0 else np.inf
    budget.seconds_of_epoch, budget.at_a_time = seconds, at_a_time
    wanted = Plan(estimator._members, epochs, len(data.rows))
    left = PART_PLANNED * max(budget.left, 0.0)
    fits = plan(seconds, left, wanted, at_a_time)
    if of_pilots and fits == wanted and plan(seconds, left - seconds * of_pilots, wanted, at_a_time) != wanted:
        budget.given_up.append("no pilots")
    if fits.members < wanted.members:
        without(estimator, range(fits.members, wanted.members))
        budget.given_up.append(f"{fits.members} of {wanted.members} networks")
    if fits.epochs < wanted.epochs:
        budget.given_up.append(f"{fits.epochs} of {wanted.epochs} epochs")
    if fits.rows < wanted.rows:
        used = max(fits.rows, min(wanted.rows, batch_size_for(estimator, wanted.rows)))
        rng = np.random.default_rng(estimator._seed)
        data = data.take(np.sort(rng.permutation(wanted.rows)[:used]))
        budget.given_up.append(f"{used:,} of {wanted.rows:,} rows")
    return data, fits.epochs


def epochs_that_fit(estimator: Any, num_rows: int, epochs: int, wanted: int, budget: Budget) -> int:
    """Return how many epochs an ensemble has for which more are wanted, now that some of the time is over.

    Parameters
    ----------
    estimator : NetworkEstimator
        Before the training of its networks.
    num_rows : int
        Of the training.
    epochs : int
        For which there is time.
    wanted : int
        More than that.
    budget : Budget
        What is left of the time.

    Returns
    -------
    int
        One of the two.
    """
    whole = Plan(estimator._members, wanted, num_rows)
    if plan(budget.seconds_of_epoch, PART_PLANNED * max(budget.left, 0.0), whole, budget.at_a_time) == whole:
        return wanted
    budget.given_up.append(f"{epochs} of {wanted} epochs")
    return epochs


def say_what_fit(estimator: Any, budget: Budget) -> None:
    """Warn of what was given up for a limit of time.

    Parameters
    ----------
    estimator : NetworkEstimator
        Trained.
    budget : Budget
        Its time.
    """
    said = [f"{', '.join(budget.given_up)} fit into {budget.limit:g} s"] if budget.given_up else []
    if budget.reached:
        said.append(f"training ended at the limit of {budget.limit:g} s, after {estimator.n_iter_} whole epochs")
    if said:
        warnings.warn(
            f"time_limit: {'; '.join(said)}; allow more time for a better model", PysmorchWarning, stacklevel=2
        )
