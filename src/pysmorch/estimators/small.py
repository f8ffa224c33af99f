"""Few rows: how many epochs to train, and how far to trust the outputs, chosen by cross-validation.

A network that is trained to the end on some hundred rows knows them by heart, and its probabilities are far too sure. Cross-validation
measures the loss of held-out rows after every epoch, for outputs at several distances between the best constant output (of classes the
logarithms of their shares) and that of the network. The epoch and the distance with the smallest loss are taken: so the loss that stops the
training is that after calibration, which does not end it while the ranking of the classes still improves (Berta, Holzmüller, Jordan and
Bach, "Rethinking early stopping: refine, then calibrate", 2025), and a network that has found nothing predicts the constant.
"""

from __future__ import annotations

import os
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

FOLDS = int(os.environ.get("FOLDS", "2"))
"""Each trains on half of the rows, so that both together take as long as the training on all."""

TRUST = np.linspace(0.0, float(os.environ.get("TMAX", "1")), 31)
"""Factors of the distance between the constant output and that of the network."""


class Choice(NamedTuple):
    """What cross-validation has chosen.

    Attributes
    ----------
    epochs : int
        After how many epochs the training on all rows ends.
    trust : float
        The factor of the distance between the constant output and that of the network; from 0 to 1.
    """

    epochs: int
    trust: float


class HeldOutLosses(Callback):
    """Add up the losses of held-out rows after each epoch, for each factor of the distance from the constant output.

    Parameters
    ----------
    rows, codes : ndarray
        Encoded rows and labels as the loss takes them.
    weights : ndarray or None
        The weights of the rows.
    constant : ndarray of shape (K,)
        The constant output.
    trust : ndarray
        The factors.
    """

    def __init__(self, rows: Array, codes: Array, weights: Array | None, constant: Array, trust: Array) -> None:
        self.rows, self.codes, self.constant, self.trust = rows, codes, constant, trust
        self.weights = np.ones(len(rows)) if weights is None else weights
        self.losses: list[list[float]] = []

    def on_epoch_end(self, training: Any) -> None:
        """Measure the network as it is."""
        loss = training.network.loss
        outputs = training.network.predictor([self.rows]).astype(np.float64) - self.constant
        targets = loss.targets(outputs, self.codes)
        with np.errstate(all="ignore"):
            self.losses.append(
                [
                    float(self.weights @ loss.sample_losses(self.constant + factor * outputs, targets))
                    for factor in self.trust
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


def choose(estimator: Any, encoded: Array | LazyRows, codes: Array, weights: Array | None) -> Choice:
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
    Choice
        All epochs and full trust where the rows are too few for folds.
    """
    folds = folds_of(codes if codes.dtype.kind == "i" else None, len(encoded), estimator._seed)
    if not folds:
        return Choice(estimator.epochs, 1.0)
    constant = estimator._constant_output(codes, weights)
    trust = np.ones(1) if constant is None else TRUST
    constant = np.zeros(estimator._num_outputs()) if constant is None else constant
    first = estimator.network_.snapshot()
    losses = np.zeros((estimator.epochs, len(trust)))
    for training, held_out in folds:
        of_part = [None if weights is None else weights[rows] for rows in (training, held_out)]
        measure = HeldOutLosses(take_rows(encoded, held_out), codes[held_out], of_part[1], constant, trust)
        estimator._train(
            take_rows(encoded, training),
            codes[training],
            of_part[0],
            epochs=estimator.epochs,
            seed=estimator._seed,
            callbacks=[measure],
            progress=False,
        )
        losses += np.array(measure.losses)
        estimator.network_.restore(first)
        estimator.optimizer_.reset()
        estimator._forget_epochs()
    epoch, best = np.unravel_index(int(np.nanargmin(losses)), losses.shape)
    if os.environ.get("V") == "A":
        best = int(np.nanargmin(losses[-1]))
        epoch = len(losses) - 1
    if os.environ.get("V") == "C":
        epoch = (epoch + len(losses)) // 2
        best = int(np.nanargmin(losses[epoch]))
    return Choice(int(epoch) + 1, float(trust[best]))


def scale_output(output: Any, constant: Array, trust: float | Array) -> None:
    """Change the last dense layer so that its outputs are `trust` times as far from the constant output.

    Parameters
    ----------
    output : Bias
        The output layer, after a Linear.
    constant : ndarray of shape (K,)
        The constant output.
    trust : float or ndarray of shape (K,)
        The factor.
    """
    assert isinstance(output, Bias)
    assert isinstance(output.in_layer, Linear)
    output.in_layer.W *= trust
    output.W *= trust
    output.W += (1 - trust) * constant
