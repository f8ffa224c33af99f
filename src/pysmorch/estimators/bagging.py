"""Ensembles whose networks hold out rows of their own, so that every row trains most of the networks.

Together those that have not seen a row calibrate the outputs (Breiman, "Bagging predictors", 1996; Parmanto, Munro and Doyle, "Improving
committee diagnosis with resampling techniques", 1995).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pysmorch.estimators.budget import Budget
from pysmorch.estimators.calibration import Calibration
from pysmorch.estimators.ensemble import Job, train_members
from pysmorch.estimators.held_out import MOST_ROWS, HeldOut, scores_of
from pysmorch.estimators.related import warn_of_unseen
from pysmorch.estimators.rows import Labelled
from pysmorch.estimators.small import AS_GOOD, Choice, calibrations_of, folds_of, limit_of, losses_of
from pysmorch.estimators.splitting import EARLY_STOPPING_FROM
from pysmorch.estimators.stopping import stopping_for
from pysmorch.layers.base import Array
from pysmorch.losses import CrossEntropy
from pysmorch.metrics import Metric
from pysmorch.prediction.dense import ENOUGH_ROWS
from pysmorch.prediction.presets import FEW, FOLDS
from pysmorch.training import Callback, Training

FURTHER_TRUST = (1.1, 1.2, 1.4, 1.6, 1.8, 2.0)
"""Factors of logits that are tried, too: networks with much weight decay are not sure enough where classes hardly overlap, and the mean of
their probabilities is still less so."""


LEAST_WORSE, PART_WORSE, CLEARLY = 4, 6, 0.02
"""After the first half of the epochs a training ends when in a sixth of all, at least four, the loss was clearly above the smallest: by so much
of the largest one. Of 288 networks of 32 tables 3 would have had a better epoch later (benchmarks/results/worse_epochs.jsonl)."""


class BestCalibrated(Callback):
    """Keep the weights of the last epoch whose outputs for held-out rows have nearly the smallest loss after calibration, and the outputs.

    The mean of several networks bears more epochs than each of them, since it varies less.

    Parameters
    ----------
    data : Labelled
        The held-out rows; the validation data of the fit, if there are any, are these.
    calibrations : list of Calibration
        What is tried.
    patience : int
        Epochs without a smaller loss before training stops at the latest, after the first half of all: there the learning rate is
        large, and the loss may rise before it falls with the rate.
    as_good : float
        By which fraction the loss may be above the smallest.
    """

    takes_outputs = True

    def __init__(self, data: Labelled, calibrations: list[Calibration], patience: int, as_good: float) -> None:
        self.data, self.calibrations, self.patience, self.as_good = data, calibrations, patience, as_good
        self.best, self.epoch = np.inf, 0
        self.outputs: Array | None = None
        self._losses: list[float] = []
        self._weights: list[Any] | None = None

    def on_epoch_end(self, training: Training) -> None:
        """Measure the network as it is."""
        known = training.outputs
        outputs = (training.network.predictor([self.data.rows]) if known is None else known).astype(np.float64)
        loss = min(losses_of(training.network.loss, outputs, self.data, self.calibrations))
        self._losses.append(loss)
        if self.outputs is None or loss <= limit_of(self.best, self.as_good):
            self.best, self.epoch, self.outputs = min(loss, self.best), training.epoch, outputs
            self._weights = training.network.snapshot()
        elif self._has_ended(training.epoch - max(self.epoch, training.num_epochs // 2), training.num_epochs):
            training.stop(f"held-out rows had the smallest loss after {self.epoch} epochs")

    def _has_ended(self, later: int, num_epochs: int) -> bool:
        """Whether nothing more is to be expected, so many epochs after the best one and the first half."""
        count = max(LEAST_WORSE, num_epochs // PART_WORSE)
        is_worse = min(self._losses[-count:]) > self.best + CLEARLY * max(self._losses)
        return later >= self.patience or (later >= count and is_worse)

    def on_fit_end(self, training: Training) -> None:
        """Restore the weights of that epoch, and let go of the rows: other networks need the memory."""
        if self._weights is not None:
            training.network.restore(self._weights)
        self._weights = None
        self.data = self.data.take(np.zeros(0, np.intp))

    def get_state(self) -> Any:
        """Return that epoch so far, with the smallest loss, its outputs and its weights, and all losses."""
        best = {"best": self.best, "epoch": self.epoch, "outputs": self.outputs, "weights": self._weights}
        return best | {"losses": self._losses.copy()}

    def set_state(self, state: Any) -> None:
        """Go on from that epoch."""
        self.best, self.epoch = state["best"], state["epoch"]
        self.outputs, self._weights, self._losses = state["outputs"], state["weights"], list(state["losses"])


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
        Of eight folds, or of small tables as many as there are networks. After the last fold come other folds of all rows; without any
        where the rows are too few for folds.
    """
    codes = data.codes
    classes = codes if codes.dtype.kind == "i" else None
    each_row = 1 < count < FOLDS and len(codes) < FEW  # else some rows are enough for what they choose
    jobs: list[Job] = []
    for turn in range(-(-count // FOLDS)):
        folds = folds_of(classes, len(codes), estimator._seed + turn, count if each_row else FOLDS, data.by)
        turns = [Job(training, held_out) for training, held_out in folds] or [Job()]
        jobs += (turns * FOLDS)[:FOLDS]
    return jobs[:count]


def train_in_folds(
    estimator: Any,
    data: Labelled,
    callbacks: Sequence[Any],
    metrics: Sequence[Metric],
    budget: Budget | None,
    epochs: int,
    run: Mapping[str, Any],
) -> Choice:
    """Train an ensemble whose networks hold out rows of their own, and return what these rows choose.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its network at its first weights.
    data : Labelled
        All rows.
    callbacks : sequence of Callback or callable
        Those of the user.
    metrics : sequence of Metric
        What is measured besides the loss where there are many rows: that takes time of each epoch.
    budget : Budget or None
        The time for it.
    epochs : int
        Of each network, at most.
    run : mapping
        Checkpoints of the whole.

    Returns
    -------
    Choice
        Of a calibration, a threshold and scores.
    """
    calibrations = calibrations_of(estimator, data, FURTHER_TRUST)
    jobs = [Job(*job) for job in jobs_of(estimator, data, estimator._members)]  # one object for each network
    if data.by is not None and data.codes.dtype.kind == "i" and jobs[0].rows is not None:
        warn_of_unseen(estimator.classes_, data.codes, np.unique(np.concatenate([job.rows for job in jobs])))
    chosen: dict[int, BestCalibrated] = {}

    def callbacks_of(job: Job, held_out: Labelled | None) -> list[Callback]:
        if held_out is None:
            return list(stopping_for(estimator, False, callbacks))
        as_good = AS_GOOD if len(data.rows) >= ENOUGH_ROWS else 0.0
        best = BestCalibrated(held_out, calibrations, estimator.patience, as_good)
        chosen[id(job)] = best
        return [best]

    measured = metrics if len(data.rows) >= EARLY_STOPPING_FROM else None
    train_members(estimator, data, jobs, callbacks_of, callbacks, budget, run, measured, epochs=epochs)
    found = [(job, chosen[id(job)].outputs) for job in jobs if id(job) in chosen]
    outputs, rows = outputs_out_of_fold([(job.held_out, part) for job, part in found if part is not None], estimator)
    if not len(rows):
        return Choice(epochs, None, estimator._threshold_from(None), None)
    some = slice(None, None, -(-len(rows) // MOST_ROWS))
    outputs, held_out = outputs[some], data.take(rows[some])
    losses = losses_of(estimator.network_.loss, outputs, held_out, calibrations)
    calibration = calibrations[int(np.argmin(losses))]
    whole = HeldOut(calibration.of(outputs), held_out.codes, held_out.sample_weight)
    of_all = calibration if estimator._members == 1 else calibration.of_mean()
    return Choice(estimator.n_iter_, of_all, estimator._threshold_from(whole), scores_of(estimator, whole, False))


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
