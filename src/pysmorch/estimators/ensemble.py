"""The training of an ensemble: each network by a program of its own, as many at a time as there are threads.

A network has a seed of its own, and chooses its own best epoch. Where rows are few, each holds out a part of them: so every row trains
most of the networks, and together those that have not seen it calibrate the outputs ("bagging" over folds: Breiman, "Bagging predictors",
1996; Parmanto, Munro and Doyle, "Improving committee diagnosis with resampling techniques", 1995).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pysmorch.engine import num_threads, using_threads
from pysmorch.engine.select import unsupported_reason
from pysmorch.estimators.calibration import Calibration
from pysmorch.estimators.fitting import FurtherValidation
from pysmorch.estimators.held_out import HeldOut, scores_of
from pysmorch.estimators.members import Member, outputs_of, seeds_of
from pysmorch.estimators.rows import Labelled
from pysmorch.estimators.small import Choice, calibrations_of, folds_of, losses_of
from pysmorch.estimators.stopping import stopping_for
from pysmorch.layers.base import Array
from pysmorch.losses import CrossEntropy
from pysmorch.prediction.presets import FOLDS
from pysmorch.training import Callback, History, Training

ROWS_TO_STOP_WITHIN = 20_000
"""From so many rows on, a training that is to end does so within an epoch."""


class Cancelled(Exception):
    """A training was ended before its end, because another one has failed or the user has interrupted it."""


class Cancelling(Callback):
    """End a training when an event was set: after an epoch, or within one.

    Parameters
    ----------
    event : threading.Event
        Shared by all networks.
    """

    def __init__(self, event: threading.Event) -> None:
        self.event = event

    def on_epoch_end(self, training: Training) -> None:
        """Look whether it is set."""
        if self.event.is_set():
            raise Cancelled


class CancellingWithin(Cancelling):
    """The same, several times within an epoch."""

    def on_batch_end(self, training: Training) -> None:
        """Look whether it is set."""
        self.on_epoch_end(training)


class OneAtATime(Callback):
    """Tell a copy of a callback what one network does, while no other network's callback is told.

    Parameters
    ----------
    callback : Callback or callable
        That of the user; a function is called after every epoch of each network.
    lock : threading.Lock
        Shared by all networks.
    """

    def __init__(self, callback: Any, lock: Any) -> None:
        self.callback = copy.copy(callback) if isinstance(callback, Callback) else callback
        self.lock = lock

    def on_fit_start(self, training: Training) -> None:
        """Pass it on."""
        self._tell("on_fit_start", training)

    def on_epoch_end(self, training: Training) -> None:
        """Pass it on."""
        if isinstance(self.callback, Callback):
            self._tell("on_epoch_end", training)
        else:
            with self.lock:
                self.callback(training)

    def on_fit_end(self, training: Training) -> None:
        """Pass it on."""
        self._tell("on_fit_end", training)

    def _tell(self, event: str, training: Training) -> None:
        if isinstance(self.callback, Callback):
            with self.lock:
                getattr(self.callback, event)(training)


class OneAtATimeWithin(OneAtATime):
    """The same for a callback that is told of what happens within epochs."""

    def on_batch_end(self, training: Training) -> None:
        """Pass it on."""
        self._tell("on_batch_end", training)


class BestCalibrated(Callback):
    """Keep the weights of the epoch whose outputs for held-out rows have the smallest loss after calibration, and the outputs.

    Parameters
    ----------
    data : Labelled
        The held-out rows.
    calibrations : list of Calibration
        What is tried.
    patience : int
        Epochs without a smaller loss before training stops.
    """

    def __init__(self, data: Labelled, calibrations: list[Calibration], patience: int) -> None:
        self.data, self.calibrations, self.patience = data, calibrations, patience
        self.best, self.epoch = np.inf, 0
        self.outputs: Array | None = None
        self._weights: list[Any] | None = None

    def on_epoch_end(self, training: Training) -> None:
        """Measure the network as it is."""
        outputs = training.network.predictor([self.data.rows]).astype(np.float64)
        loss = min(losses_of(training.network.loss, outputs, self.data, self.calibrations))
        if self.outputs is None or loss <= self.best:
            self.best, self.epoch, self.outputs = loss, training.epoch, outputs
            self._weights = training.network.snapshot(self._weights)
        elif training.epoch - self.epoch >= self.patience:
            training.stop(f"held-out rows had the smallest loss after {self.epoch} epochs")

    def on_fit_end(self, training: Training) -> None:
        """Restore the best weights."""
        if self._weights is not None:
            training.network.restore(self._weights)


class Job(NamedTuple):
    """What one network is trained on.

    Attributes
    ----------
    rows : ndarray of int or None
        Which of the rows; None for all.
    held_out : ndarray of int or None
        Which of them it holds out, for itself.
    """

    rows: Array | None = None
    held_out: Array | None = None


def jobs_of(estimator: Any, data: Labelled, count: int) -> list[Job]:
    """Return what each network of an ensemble is trained on where each holds out rows of its own.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its seed.
    data : Labelled
        All rows.
    count : int
        How many networks there are.

    Returns
    -------
    list of Job
        After the last fold come other folds of all rows; without any where the rows are too few for folds.
    """
    codes = data.codes
    classes = codes if codes.dtype.kind == "i" else None
    jobs: list[Job] = []
    for turn in range(-(-count // FOLDS)):
        folds = folds_of(classes, len(codes), estimator._seed + turn, max(2, min(FOLDS, count)))
        jobs += [Job(training, held_out) for training, held_out in folds] or [Job()] * FOLDS
    return jobs[:count]


def train_members(
    estimator: Any,
    data: Labelled,
    jobs: Sequence[Job],
    callbacks_of: Callable[[Job, Labelled | None], list[Callback]],
    callbacks: Sequence[Any] = (),
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
    **options
        Options of the fits.

    Raises
    ------
    Exception
        The first one of a network; what the others have learned until then is kept after Ctrl-C only.
    """
    count, epochs_before = len(jobs), estimator.n_iter_
    native = unsupported_reason(estimator.network_.layers, estimator.network_.loss, estimator.optimizer_) is None
    threads = num_threads() if estimator.threads is None else estimator.threads
    at_a_time = min(count, threads) if native else 1
    outputs, seeds = outputs_of(estimator.network_, count), seeds_of(estimator._seed, count)
    of_each = max(1, threads // at_a_time)
    members = [Member(estimator, output, seed, of_each) for output, seed in zip(outputs, seeds, strict=True)]
    cancel, lock = threading.Event(), threading.Lock()
    cancelling = (CancellingWithin if len(data.rows) >= ROWS_TO_STOP_WITHIN else Cancelling)(cancel)

    def train(member: Member, job: Job) -> None:
        if cancel.is_set():
            raise Cancelled
        held_out = None if job.held_out is None else data.take(job.held_out)
        seed = member.model._seed + (1 + epochs_before if epochs_before else 0)
        all_callbacks = [cancelling, *callbacks_of(job, held_out), *(_wrapped(one, lock) for one in callbacks)]
        with using_threads(of_each):
            member.model._train(
                data if job.rows is None else data.take(job.rows), seed=seed, callbacks=all_callbacks, **options
            )

    works = [partial(train, member, job) for member, job in zip(members, jobs, strict=True)]
    try:
        _run(works, at_a_time, cancel)
    except KeyboardInterrupt:
        _give_back(estimator, members)
        raise
    _give_back(estimator, members)


def _wrapped(callback: Any, lock: Any) -> OneAtATime:
    within = isinstance(callback, Callback) and type(callback).on_batch_end is not Callback.on_batch_end
    return (OneAtATimeWithin if within else OneAtATime)(callback, lock)


def _run(works: Sequence[Callable[[], None]], at_a_time: int, cancel: threading.Event) -> None:
    """Do several works, some at a time; what one raises ends the others, and is raised."""
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


def _give_back(estimator: Any, members: Sequence[Member]) -> None:
    """Set the network to what those members have learned that have completed an epoch, and the curves to their means."""
    trained = [member for member in members if member.model.n_iter_ > 0]
    if not trained:
        return
    for member in trained:
        member.give_back(estimator)
    estimator.history_ = mean_history([member.model.history_ for member in trained])
    estimator.loss_curve_ += estimator.history_.get("loss", [])
    estimator.validation_curve_ += estimator.history_.get("val_loss", [])
    estimator.n_iter_ += estimator.history_.num_epochs


def mean_history(histories: Sequence[History]) -> History:
    """Return the means of several histories: in each epoch of those networks that were trained so long.

    Parameters
    ----------
    histories : sequence of History
        One or more, of the same columns.

    Returns
    -------
    History
        As long as the longest one.
    """
    longest = max(histories, key=lambda history: history.num_epochs)
    columns = {
        name: [
            float(np.mean([history[name][epoch] for history in histories if epoch < history.num_epochs]))
            for epoch in range(len(longest[name]))
        ]
        for name in longest
    }
    made = History()
    made.take(columns)
    reasons = sorted({history.stopped_by for history in histories if history.stopped_by is not None})
    made.stopped_by = "; ".join(reasons) or None
    return made


def train_in_folds(estimator: Any, data: Labelled, callbacks: Sequence[Any]) -> Choice:
    """Train an ensemble whose networks hold out rows of their own, and return what these rows choose.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its network at its first weights.
    data : Labelled
        All rows.
    callbacks : sequence of Callback or callable
        Those of the user.

    Returns
    -------
    Choice
        Of a calibration, a threshold and scores.
    """
    calibrations = calibrations_of(estimator, data)
    jobs = jobs_of(estimator, data, estimator._members)
    chosen: dict[int, BestCalibrated] = {}

    def callbacks_of(job: Job, held_out: Labelled | None) -> list[Callback]:
        if held_out is None:
            return list(stopping_for(estimator, False, callbacks))
        best = BestCalibrated(held_out, calibrations, estimator.patience)
        chosen[id(job)] = best
        return [best]

    train_members(estimator, data, jobs, callbacks_of, callbacks, epochs=estimator.epochs)
    found = [(job, chosen[id(job)].outputs) for job in jobs if id(job) in chosen]
    outputs, rows = outputs_out_of_fold([(job.held_out, part) for job, part in found if part is not None], estimator)
    if not len(rows):
        return Choice(estimator.epochs, None, estimator._threshold_from(None), None)
    held_out = data.take(rows)
    losses = losses_of(estimator.network_.loss, outputs, held_out, calibrations)
    calibration = calibrations[int(np.argmin(losses))]
    whole = HeldOut(calibration.of(outputs), held_out.codes, held_out.sample_weight)
    return Choice(estimator.n_iter_, calibration, estimator._threshold_from(whole), scores_of(estimator, whole, False))


def outputs_out_of_fold(parts: Sequence[tuple[Any, Array]], estimator: Any) -> tuple[Array, Array]:
    """Return for each row the mean of what those networks give that held it out, and the rows.

    Parameters
    ----------
    parts : sequence of (rows, outputs)
        The indices of held-out rows of a network, and its outputs for them.
    estimator : NetworkEstimator
        Its loss says what is averaged: probabilities, or the outputs themselves.

    Returns
    -------
    outputs : ndarray of float64, shape (n, K)
        As the whole network gives them.
    rows : ndarray of int, shape (n,)
        In order.
    """
    if not parts:
        return np.zeros((0, 1)), np.zeros(0, np.intp)
    rows, index = np.unique(np.concatenate([held_out for held_out, _ in parts]), return_inverse=True)
    loss = estimator.network_.loss
    of_probabilities = isinstance(loss, CrossEntropy)
    values = np.concatenate([loss.predictions(part) if of_probabilities else part for _, part in parts])
    sums = np.zeros((len(rows), values.shape[1]))
    np.add.at(sums, index, values)
    means = sums / np.bincount(index)[:, None]
    return (np.log(np.maximum(means, np.finfo(np.float32).tiny)) if of_probabilities else means), rows


def train_together(
    estimator: Any,
    data: Labelled,
    validation: Sequence[Labelled],
    callbacks: Sequence[Any],
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
    **options
        Options of the fits.
    """

    def callbacks_of(job: Job, held_out: Labelled | None) -> list[Callback]:
        further = FurtherValidation([one[:3] for one in validation[1:]], options.get("metrics") or [])
        return [further, *stopping_for(estimator, bool(validation), callbacks)]

    train_members(
        estimator,
        data,
        [Job()] * estimator._members,
        callbacks_of,
        callbacks,
        validation_data=validation[0][:3] if validation else None,
        **{"epochs": estimator.epochs, **options},
    )
