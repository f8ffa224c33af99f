"""Few rows: how many epochs to train, and how far to trust the outputs, chosen by cross-validation.

A network that is trained to the end on some hundred rows knows them by heart, and its probabilities are far too sure. Cross-validation
measures the loss of held-out rows after every epoch, for outputs z at several distances from an anchor: a z + (1 - a) b. Of classes the
anchor b is either 0, so that a is the inverse of a temperature, or the logarithms of their shares, so that a network that has found nothing predicts these. Of numbers it is their
mean. The loss that ends the training is that after calibration, since that before it rises while the ranking of the classes still
improves (Berta, Holzmüller, Jordan and Bach, "Rethinking early stopping: refine, then calibrate", 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from pysmorch.estimators.calibration import Calibration
from pysmorch.estimators.held_out import HeldOut, scores_of
from pysmorch.estimators.rows import Labelled
from pysmorch.estimators.splitting import EARLY_STOPPING_FROM, SplitBy
from pysmorch.layers.base import Array
from pysmorch.losses import CrossEntropy
from pysmorch.prediction.conformal import ConformalScores
from pysmorch.prediction.presets import preset_of
from pysmorch.training import Callback

MIN_ROWS = 10
"""With fewer rows nothing can be chosen by held-out ones."""

FOLDS = 2
"""Each trains on half of the rows, so that both together take as long as the training on all."""

TRUST = np.linspace(0.0, 1.0, 31)
"""The factors a."""

AS_GOOD = 0.02
"""Of all epochs whose loss is above the smallest by at most this fraction the last one is taken: twice the rows, and the mean of several
networks, bear more epochs."""

LEAST_PATIENCE = 5
"""Epochs without a good loss that cross-validation waits for at least; a quarter of all where that is more."""

MOST_OUTPUTS = 2**24
"""Entries of outputs that are stored over all epochs, 64 MiB; where there are more, those of fewer held-out rows are stored."""


AT_ONCE = 2**15
"""Entries of outputs that are calibrated in one go: with few rows the calls of NumPy take longer than what they compute, and with more entries
they would leave the cache."""


class Choice(NamedTuple):
    """What cross-validation chose.

    Attributes
    ----------
    epochs : int
        After how many epochs the training on all rows ends; all where the rows are too few for folds.
    calibration : Calibration or None
        What is done to the outputs then.
    threshold : float or None
        The decision threshold, where one is to be chosen.
    scores : ConformalScores or None
        Of the held-out rows of all folds.
    """

    epochs: int
    calibration: Calibration | None
    threshold: float | None
    scores: ConformalScores | None


class HeldOutLosses(Callback):
    """Sum the losses of held-out rows after each epoch, for each calibration, and store outputs.

    Parameters
    ----------
    data : Labelled
        The rows.
    calibrations : list of Calibration
        What is tried.
    step : int
        Of the rows whose outputs are stored: the first one and every `step`-th after it.
    last_epoch : int or None, default=None
        The one that ends the training; None for the end of all, or a quarter of them without a loss as good as
        the smallest so far.
    """

    def __init__(
        self, data: Labelled, calibrations: list[Calibration], step: int, last_epoch: int | None = None
    ) -> None:
        self.data, self.calibrations, self.last_epoch = data, calibrations, last_epoch
        self.stored = np.arange(0, len(data.codes), step)
        self.losses: list[list[float]] = []
        self.smallest: list[float] = []
        self.outputs: list[Array] = []

    def on_epoch_end(self, training: Any) -> None:
        """Measure the network as it is."""
        predicted = training.network.predictor([self.data.rows])
        self.outputs.append(predicted[self.stored])
        losses = losses_of(training.network.loss, predicted.astype(np.float64), self.data, self.calibrations)
        self.losses.append(losses)
        self.smallest.append(min(losses))
        if self.last_epoch is None:
            good = last_good(np.array(self.smallest)) + 1
            quarter = max(LEAST_PATIENCE, training.num_epochs // 4)
            if training.epoch - max(good, quarter) >= quarter:
                training.stop(f"held-out rows had the smallest loss after {good} epochs")
        elif training.epoch >= self.last_epoch:
            training.stop("the other rows were not trained on for longer")


class StopAfter(Callback):
    """End training after an epoch.

    Parameters
    ----------
    epoch : int
        Counted from 1.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch_end(self, training: Any) -> None:
        """Stop where it is the last epoch."""
        if training.epoch >= self.epoch:
            training.stop(f"held-out rows had the smallest loss after {self.epoch} epochs")


def limit_of(least: float, as_good: float) -> float:
    """Return the loss that is above the smallest one by a fraction of it."""
    return least + as_good * abs(least)


def last_good(smallest: Array) -> int:
    """Return the index of the last epoch that is as good as the best one, of the smallest loss of each."""
    return int(np.flatnonzero(smallest <= limit_of(smallest.min(), AS_GOOD))[-1])


def chooses_by_cross_validation(estimator: Any, num_rows: int, members: int) -> bool:
    """Whether rows are held out in turn: where they are few, or several networks do by the preset; not for a network of the user's."""
    in_turn = num_rows < EARLY_STOPPING_FROM or (preset_of(estimator).bagging and members > 1)
    return num_rows >= MIN_ROWS and in_turn and estimator.early_stopping == "auto" and estimator.network is None


def folds_of(
    classes: Array | None, num_rows: int, seed: int, count: int = FOLDS, by: SplitBy | None = None
) -> list[tuple[Array, Array]]:
    """Return rows for training and held-out rows of each fold; a class with one row is in the training of all folds.

    Where times split the rows there is one fold, whose held-out rows are the latest: no fold is trained on what comes after.

    Parameters
    ----------
    classes : ndarray of shape (num_rows,) or None
        The class of each row; None where there are no classes.
    num_rows : int
        How many rows there are.
    seed : int
        The same seed gives the same folds.
    count : int, default=2
        How many folds there are.
    by : SplitBy or None, default=None
        What says which rows are not torn apart.

    Returns
    -------
    list of (training, held_out)
        Indices of rows.
    """
    if by is not None:
        return by.folds(count, seed)
    if classes is None:
        return list(KFold(count, shuffle=True, random_state=seed).split(np.arange(num_rows)))
    several = np.bincount(classes)[classes] >= count
    rows, others = np.flatnonzero(several), np.flatnonzero(~several)
    if len(rows) < MIN_ROWS:
        return []
    splits = StratifiedKFold(count, shuffle=True, random_state=seed).split(rows, classes[rows])
    return [(np.sort(np.concatenate([rows[a], others])), rows[b]) for a, b in splits]


def calibrations_of(estimator: Any, data: Labelled, further: Sequence[float] = ()) -> list[Calibration]:
    """Return the calibrations that are tried on held-out rows: none, and several distances from each anchor.

    Parameters
    ----------
    estimator : NetworkEstimator
        It knows its anchors.
    data : Labelled
        All rows.
    further : sequence of float, default=()
        Factors above 1, which are tried with the equal logits of classes.

    Returns
    -------
    list of Calibration
        The first one changes nothing.
    """
    none = Calibration(1.0, np.zeros(estimator._num_outputs()))
    anchors = estimator._anchors(data.codes, data.weights)
    tried = [Calibration(float(trust), anchor) for anchor in anchors for trust in TRUST[:-1]]
    if anchors and isinstance(estimator.network_.loss, CrossEntropy):
        tried += [Calibration(factor, anchors[0]) for factor in further]
    return [none, *tried]


def losses_of(loss: Any, outputs: Array, data: Labelled, calibrations: list[Calibration]) -> list[float]:
    """Return the loss of held-out rows after each calibration, summed over the rows.

    Parameters
    ----------
    loss : Loss
        Of the network.
    outputs : ndarray of float64, shape (n, K)
        Of the rows.
    data : Labelled
        The rows.
    calibrations : list of Calibration
        What is tried.

    Returns
    -------
    list of float
        Infinite where it is not a number.
    """
    weights = np.ones(len(data.codes)) if data.weights is None else data.weights
    # One output of all rows after the other: NumPy is slow where it adds up many short rows.
    targets, outputs = (np.ascontiguousarray(of_rows.T) for of_rows in (loss.targets(outputs, data.codes), outputs))
    trusts = np.array([one.trust for one in calibrations])[:, None]
    anchors = np.array([one.anchor for one in calibrations]).T[:, :, None]
    at_once = max(1, AT_ONCE // max(1, outputs.size))
    losses: list[Array] = []
    with np.errstate(all="ignore"):
        for first in range(0, len(calibrations), at_once):
            some = Calibration(trusts[first : first + at_once], anchors[:, first : first + at_once])
            calibrated = some.of(outputs[:, None])
            rows = loss.sample_losses(calibrated.reshape(len(targets), -1).T, np.tile(targets, calibrated.shape[1]).T)
            losses.append(np.vecdot(rows.reshape(calibrated.shape[1:]), weights))
    return [float(value) if np.isfinite(value) else np.inf for value in np.concatenate(losses)]


def choose(estimator: Any, data: Labelled, epochs: int) -> Choice:
    """Train on each fold, and return what suits the held-out rows; the network is then as it was before.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its network at its first weights.
    data : Labelled
        Rows and labels as the network takes them.
    epochs : int
        At most.

    Returns
    -------
    Choice
        For the training on all rows.
    """
    codes = data.codes
    folds = folds_of(codes if codes.dtype.kind == "i" else None, len(codes), estimator._seed, by=data.by)
    if not folds:
        return Choice(epochs, None, estimator._threshold_from(None), None)
    calibrations = calibrations_of(estimator, data)
    step = max(1, -(-len(codes) * epochs * estimator._num_outputs() // MOST_OUTPUTS))
    measures: list[HeldOutLosses] = []
    first = estimator.network_.snapshot()
    for fold in folds:
        training, others, _ = data.divided(*fold)
        measures.append(HeldOutLosses(others, calibrations, step, len(measures[0].losses) if measures else None))
        estimator._train(training, epochs=epochs, seed=estimator._seed, callbacks=measures[-1:], progress=False)
        estimator.network_.restore(first)
        estimator.optimizer_.reset()
        estimator._forget_epochs()
    losses = np.sum([measure.losses for measure in measures], axis=0)
    epoch = last_good(losses.min(axis=1))
    calibration = calibrations[int(losses[epoch].argmin())]
    held_out = _together(measures, epoch, calibration)
    return Choice(epoch + 1, calibration, estimator._threshold_from(held_out), scores_of(estimator, held_out, False))


def _together(measures: list[HeldOutLosses], epoch: int, calibration: Calibration) -> HeldOut:
    """Return the calibrated outputs of the held-out rows of all folds after an epoch."""
    parts = [measure.data.take(measure.stored) for measure in measures]
    outputs = np.concatenate([measure.outputs[epoch] for measure in measures]).astype(np.float64)
    weights = [part.sample_weight for part in parts if part.sample_weight is not None]
    codes = np.concatenate([part.codes for part in parts])
    return HeldOut(calibration.of(outputs), codes, np.concatenate(weights) if weights else None)
