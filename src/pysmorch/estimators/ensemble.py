"""The training of an ensemble: each network by a program of its own, as many at a time as there are threads.

A network has a seed of its own, and chooses its own best epoch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pysmorch.cluster import HandedOver, Ring, current_ring
from pysmorch.engine import ended_by_exit, num_threads, using_threads
from pysmorch.engine.select import unsupported_reason
from pysmorch.estimators.budget import Budget, Deadline, OutOfTime
from pysmorch.estimators.ending import OneAtATime, OneAtATimeWithin
from pysmorch.estimators.fitting import FurtherValidation
from pysmorch.estimators.members import Member, let_vary, outputs_of, seeds_of, without
from pysmorch.estimators.rows import Labelled
from pysmorch.estimators.runs import run_of_network
from pysmorch.estimators.stopping import stopping_for
from pysmorch.layers.base import Array
from pysmorch.memory import return_free_memory
from pysmorch.metrics import Metric
from pysmorch.optimizers import Optimizer
from pysmorch.prediction.presets import weight_decay_of
from pysmorch.training import Callback, History
from pysmorch.training.ending import Cancelled, Cancelling, CancellingWithin, Flag
from pysmorch.training.progress import ProgressOfSeveral
from pysmorch.training.run_folder import only_run

ROWS_TO_STOP_WITHIN = 20_000
"""Rows from which a training that is to end does so within an epoch; with checkpoints it does for any number."""

NO_RUN: dict[str, Any] = {"checkpoint": None, "every": "5 min", "resume": None, "notes": None}
"""Options of fits without checkpoints."""


LEARNED = ("network_", "optimizer_", "history_", "loss_curve_", "validation_curve_", "n_iter_")
"""What a network of an ensemble learns, of a worker that trained it."""


class Job(NamedTuple):
    """What one network is trained on.

    Attributes
    ----------
    rows : ndarray of int or None
        Which of the rows; None for all.
    held_out : ndarray of int or None
        Which of them it holds out, for itself; None for none.
    """

    rows: Array | None = None
    held_out: Array | None = None


def train_members(
    estimator: Any,
    data: Labelled,
    jobs: Sequence[Job],
    callbacks_of: Callable[[Job, Labelled | None], list[Callback]],
    callbacks: Sequence[Any],
    budget: Budget | None = None,
    run: Mapping[str, Any] = NO_RUN,
    measured: Sequence[Metric] | None = None,
    **options: Any,
) -> None:
    """Train each network of an ensemble, and set the whole one to what they learned.

    Parameters
    ----------
    estimator : NetworkEstimator
        With the network of all of them.
    data : Labelled
        All rows.
    jobs : sequence of Job
        One for each network.
    callbacks_of : callable
        Of a job and its held-out rows; returns callbacks for it.
    callbacks : sequence of Callback or callable
        Those of the user.
    budget : Budget, default=None
        The time for it.
    run : mapping, default=that without checkpoints
        Checkpoints of the whole, of which each network has its own.
    measured : sequence of Metric, default=None
        What is measured of a network's own held-out rows after each epoch, besides the loss; None for nothing.
    **options
        Options of the fits.

    Raises
    ------
    Exception
        The first one of a network; what the others have learned until then stays after Ctrl-C only.
    """
    count, epochs_before = len(jobs), estimator.n_iter_
    if epochs_before:
        let_vary(estimator)
    at_a_time, of_each = divided_threads(estimator, count)
    outputs, seeds = outputs_of(estimator.network_, count), seeds_of(estimator._seed, count)
    members = [Member(estimator, output, seed, of_each) for output, seed in zip(outputs, seeds, strict=True)]
    if not isinstance(estimator.optimizer, Optimizer):
        for number, member in enumerate(members, 1):
            member.model.optimizer_.weight_decay = weight_decay_of(estimator, len(data.rows), number)
    cancel, lock = Flag(), threading.Lock()
    folder = run["checkpoint"] or (None if run["resume"] is None else run["resume"].path.parent.parent)
    within = folder is not None or len(data.rows) >= ROWS_TO_STOP_WITHIN
    cancelling = (CancellingWithin if within else Cancelling)(cancel)
    ring = current_ring()
    every = 1 if ring is None else ring.size  # each worker trains one of so many networks
    progress = ProgressOfSeveral(-(-count // every)) if estimator.verbose else None

    own_callbacks: dict[int, list[Callback]] = {}

    def train(member: Member, job: Job, number: int) -> None:
        if cancel.is_set():
            raise Cancelled
        if budget is not None and budget.left <= 0 and member is not members[0]:
            budget.reached = True
            return
        return_free_memory()  # of the network before
        rows, held_out = _parts_of(job, data)
        seed = member.model._seed + (1 + epochs_before if epochs_before else 0)
        ending = [cancelling] if budget is None else [cancelling, Deadline(budget)]
        own_callbacks[number] = callbacks_of(job, held_out)
        all_callbacks = [*ending, *own_callbacks[number], *(_wrapped(one, lock, number) for one in callbacks)]
        all_callbacks += [] if progress is None else [progress.of_network(1 + (number - 1) // every)]
        own = run_of_network(run, number)
        if measured is not None and held_out is not None:
            own |= {"validation_data": held_out[:3], "metrics": measured}
        with using_threads(of_each), suppress(OutOfTime):
            member.model._train(rows, seed=seed, callbacks=all_callbacks, **own, **options)
        member.rest()

    works = [
        partial(train, member, job, number) for number, (member, job) in enumerate(zip(members, jobs, strict=True), 1)
    ]
    if ring is not None:
        works = works[ring.rank :: ring.size]
    try:
        with ExitStack() as stack:
            if progress is not None:
                stack.callback(progress.close)
            if folder is not None:
                stack.enter_context(only_run(folder))
                stack.enter_context(ended_by_exit())
            run_together(works, at_a_time, cancel)
    except KeyboardInterrupt:
        if any(member.model.n_iter_ for member in members):
            _give_back(estimator, members, at_a_time)
        raise
    if ring is not None:

        def callbacks_of_number(number: int) -> list[Callback]:
            job = jobs[number - 1]
            return callbacks_of(job, _parts_of(job, data)[1])

        _gather(ring, members, own_callbacks, callbacks_of_number)
    return_free_memory()  # of the last one
    _give_back(estimator, members, at_a_time)


def _gather(
    ring: Ring,
    members: Sequence[Member],
    callbacks: Mapping[int, Sequence[Callback]],
    callbacks_of: Callable[[int], Sequence[Callback]],
) -> None:
    """Bring what all workers have trained to the first of them, which goes on alone.

    With the networks goes what callbacks of the ensemble have measured, those of a network by its number, counted from 1.
    """

    def learned(number: int, member: Member) -> tuple[dict[str, Any], list[Any]]:
        states = [callback.get_state() for callback in callbacks[number]]
        return {name: vars(member.model)[name] for name in LEARNED}, states

    numbered = list(enumerate(members, 1))
    found = ring.gather([learned(*one) for one in numbered[ring.rank :: ring.size]])
    ring.close()
    if found is None:
        raise HandedOver
    for rank, some in enumerate(found[1:], 1):
        for (number, member), (values, states) in zip(numbered[rank :: ring.size], some, strict=True):
            vars(member.model).update(values)
            for callback, state in zip(callbacks_of(number), states, strict=True):
                callback.set_state(state)


def divided_threads(estimator: Any, count: int) -> tuple[int, int]:
    """Return how many of several networks are trained at the same time, and how many threads each of these has.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its network and optimizer.
    count : int
        How many networks there are.

    Returns
    -------
    at_a_time, of_each : int
        One network at a time where not the native engine trains it.
    """
    native = unsupported_reason(estimator.network_.layers, estimator.network_.loss, estimator.optimizer_) is None
    threads = num_threads(estimator.threads)
    at_a_time = min(count, threads) if native else 1
    return at_a_time, max(1, threads // at_a_time)


def _parts_of(job: Job, data: Labelled) -> tuple[Labelled, Labelled | None]:
    """Return the rows that a network is trained on, and those that it holds out."""
    return (data, None) if job.rows is None or job.held_out is None else data.divided(job.rows, job.held_out)[:2]


def _wrapped(callback: Any, lock: Any, number: int) -> OneAtATime:
    """Return what tells a callback of the first network, and copies of it of the others."""
    own = callback.of_network(number) if isinstance(callback, Callback) else callback
    within = isinstance(callback, Callback) and type(callback).on_batch_end is not Callback.on_batch_end
    return (OneAtATimeWithin if within else OneAtATime)(own, lock)


def run_together(works: Sequence[Callable[[], None]], at_a_time: int, cancel: Flag) -> None:
    """Do several works, some at a time; what one raises ends the others, and is raised.

    Parameters
    ----------
    works : sequence of callable
        Without arguments.
    at_a_time : int
        How many of them are done at the same time.
    cancel : Flag
        Set where they are to end.
    """
    with ThreadPoolExecutor(at_a_time) as pool:
        futures = [pool.submit(work) for work in works]
        try:
            done, _ = wait(futures, return_when="FIRST_EXCEPTION")
            if any(future.exception() is not None for future in done):
                cancel.set()
            wait(futures)
        except BaseException:
            cancel.set()
            raise
    errors = [future.exception() for future in futures]
    error = next((error for error in errors if error is not None and not isinstance(error, Cancelled)), None)
    if error is not None:
        raise error


def _give_back(estimator: Any, members: Sequence[Member], at_a_time: int) -> None:
    """Set the network to what the members have learned, and the curves to their means.

    Of a first training those that have not completed an epoch are left out; where none has, the first one stays as it is.
    """
    trained = [i for i, member in enumerate(members) if member.model.n_iter_ > 0] or [0]
    for i in trained:
        members[i].give_back(estimator)
    if estimator.n_iter_ == 0 and len(trained) < len(members):
        without(estimator, set(range(len(members))) - set(trained))
    estimator.history_ = mean_history([members[i].model.history_ for i in trained], at_a_time)
    estimator.loss_curve_ += estimator.history_.get("loss", [])
    estimator.validation_curve_ += estimator.history_.get("val_loss", [])
    estimator.n_iter_ += estimator.history_.num_epochs


def mean_history(histories: Sequence[History], at_a_time: int) -> History:
    """Return the means of several histories, in each epoch of those networks that were trained so long; of seconds what all took.

    Parameters
    ----------
    histories : sequence of History
        One or more, of the same columns.
    at_a_time : int
        How many networks were trained at the same time.

    Returns
    -------
    History
        As long as the longest one.
    """
    longest = max(histories, key=lambda history: history.num_epochs)

    def values(name: str, epoch: int) -> list[float]:
        return [history[name][epoch] for history in histories if epoch < history.num_epochs]

    columns = {
        name: [
            sum(values(name, epoch)) / at_a_time if name == "seconds" else float(np.mean(values(name, epoch)))
            for epoch in range(len(longest[name]))
        ]
        for name in longest
    }
    made = History()
    made.take(columns)
    reasons = sorted({history.stopped_by for history in histories if history.stopped_by is not None})
    made.stopped_by = "; ".join(reasons) or None
    return made


def train_together(
    estimator: Any,
    data: Labelled,
    validation: Sequence[Labelled],
    callbacks: Sequence[Any],
    budget: Budget | None,
    epochs: int,
    **options: Any,
) -> None:
    """Train an ensemble on the same rows, with the same validation data.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its network.
    data : Labelled
        The rows.
    validation : sequence of Labelled
        The first one ends each training.
    callbacks : sequence of Callback or callable
        Those of the user.
    budget : Budget or None
        The time for it.
    epochs : int
        Of each network, at most.
    **options
        Further options of the fits.
    """

    def callbacks_of(job: Job, held_out: Labelled | None) -> list[Callback]:
        further = FurtherValidation([one[:3] for one in validation[1:]], options.get("metrics") or [])
        return [further, *stopping_for(estimator, bool(validation), callbacks)]

    options |= {"validation_data": validation[0][:3] if validation else None, "epochs": epochs}
    train_members(estimator, data, [Job()] * estimator._members, callbacks_of, callbacks, budget, **options)
