"""Few rows: how many epochs to train, and how far to trust the outputs, chosen by cross-validation.

A network that is trained to the end on some hundred rows knows them by heart, and its probabilities are far too sure. Cross-validation
measures the loss of held-out rows after every epoch, for outputs z at several distances from an anchor: a z + (1 - a) b. Of classes the
anchor b is either 0, so that a is the inverse of a temperature (Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural
networks", 2017), or the logarithms of their shares, so that a network that has found nothing predicts these. Of numbers it is their
mean. The loss that ends the training is that after calibration, since that before it rises while the ranking of the classes still
improves (Berta, Holzmüller, Jordan and Bach, "Rethinking early stopping: refine, then calibrate", 2025).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from pysmorch.engine.rows import LazyRows, take_rows
from pysmorch.estimators.splitting import EARLY_STOPPING_FROM
from pysmorch.layers import Bias, Linear
from pysmorch.layers.base import Array
from pysmorch.training import Callback

MIN_ROWS = 10
"""With fewer rows nothing can be chosen by held-out ones."""

FOLDS = 2
"""Each trains on half of the rows, so that both together take as long as the training on all."""

TRUST = np.linspace(0.0, 1.0, 31)
"""The factors a."""

AS_GOOD = 0.02
"""Of all epochs whose loss is above the smallest by at most this fraction the last one is taken: twice the rows bear more epochs."""


class Calibration(NamedTuple):
    """How outputs are brought nearer to an anchor.

    Attributes
    ----------
    trust : float or ndarray of shape (K,)
        a, from 0 to 1.
    anchor : ndarray of shape (K,)
        b.
    """

    trust: float | Array
    anchor: Array


class HeldOutLosses(Callback):
    """Sum the losses of held-out rows after each epoch, for each calibration.

    Parameters
    ----------
    rows, codes : ndarray
        Encoded rows and labels as the loss takes them.
    weights : ndarray or None
        The weights of the rows.
    calibrations : list of Calibration
        What is tried.
    """

    def __init__(self, rows: Array, codes: Array, weights: Array | None, calibrations: list[Calibration]) -> None:
        self.rows, self.codes, self.calibrations = rows, codes, calibrations
        self.weights = np.ones(len(rows)) if weights is None else weights
        self.losses: list[list[float]] = []

    def on_epoch_end(self, training: Any) -> None:
        """Measure the network as it is."""
        loss = training.network.loss
        outputs = training.network.predictor([self.rows]).astype(np.float64)
        targets = loss.targets(outputs, self.codes)
        with np.errstate(all="ignore"):
            self.losses.append(
                [
                    float(self.weights @ loss.sample_losses(trust * outputs + (1 - trust) * anchor, targets))
                    for trust, anchor in self.calibrations
                ]
            )


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


def chooses_by_cross_validation(estimator: Any, num_rows: int) -> bool:
    """Whether epochs and trust are chosen by cross-validation: for few rows and the network of the parameters."""
    few = MIN_ROWS <= num_rows < EARLY_STOPPING_FROM
    return few and estimator.early_stopping == "auto" and estimator.network is None


def folds_of(classes: Array | None, num_rows: int, seed: int) -> list[tuple[Array, Array]]:
    """Return rows for training and held-out rows of each fold; a class with one row is in the training of all folds.

    Parameters
    ----------
    classes : ndarray of shape (num_rows,) or None
        The class of each row; None where there are no classes.
    num_rows : int
        How many rows there are.
    seed : int
        The same seed gives the same folds.

    Returns
    -------
    list of (training, held_out)
        Indices of rows.
    """
    if classes is None:
        return list(KFold(FOLDS, shuffle=True, random_state=seed).split(np.arange(num_rows)))
    several = np.bincount(classes)[classes] >= FOLDS
    rows, others = np.flatnonzero(several), np.flatnonzero(~several)
    if len(rows) < MIN_ROWS:
        return []
    splits = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(rows, classes[rows])
    return [(np.sort(np.concatenate([rows[a], others])), rows[b]) for a, b in splits]


def choose(
    estimator: Any, encoded: Array | LazyRows, codes: Array, weights: Array | None
) -> tuple[int, Calibration | None]:
    """Train on each fold, and return what suits the held-out rows; the network is then as it was before.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its network at its first weights.
    encoded, codes : ndarray
        Rows and labels as the network takes them.
    weights : ndarray or None
        The weights of the rows.

    Returns
    -------
    epochs : int
        After how many epochs the training on all rows ends; all where the rows are too few for folds.
    calibration : Calibration or None
        What is done to the outputs then.
    """
    folds = folds_of(codes if codes.dtype.kind == "i" else None, len(encoded), estimator._seed)
    if not folds:
        return estimator.epochs, None
    none = Calibration(1.0, np.zeros(estimator._num_outputs()))
    anchors = estimator._anchors(codes, weights)
    calibrations = [none] + [Calibration(float(trust), anchor) for anchor in anchors for trust in TRUST[:-1]]
    first = estimator.network_.snapshot()
    losses = np.zeros((estimator.epochs, len(calibrations)))
    for training, held_out in folds:
        of_training, of_held_out = [None if weights is None else weights[rows] for rows in (training, held_out)]
        measure = HeldOutLosses(take_rows(encoded, held_out), codes[held_out], of_held_out, calibrations)
        estimator._train(
            take_rows(encoded, training),
            codes[training],
            of_training,
            epochs=estimator.epochs,
            seed=estimator._seed,
            callbacks=[measure],
            progress=False,
        )
        losses += np.array(measure.losses)
        estimator.network_.restore(first)
        estimator.optimizer_.reset()
        estimator._forget_epochs()
    losses = np.where(np.isfinite(losses), losses, np.inf)
    smallest = losses.min(axis=1)
    least = smallest.min()
    epoch = int(np.flatnonzero(smallest <= least + AS_GOOD * abs(least))[-1])
    return epoch + 1, calibrations[int(losses[epoch].argmin())]


def calibrate(output: Any, calibration: Calibration) -> None:
    """Change the last dense layer so that its outputs z become a z + (1 - a) b.

    Parameters
    ----------
    output : Bias
        The output layer, after a Linear.
    calibration : Calibration
        a and b.
    """
    assert isinstance(output, Bias)
    assert isinstance(output.in_layer, Linear)
    trust, anchor = calibration
    output.in_layer.W *= trust
    output.W *= trust
    output.W += (1 - trust) * anchor
