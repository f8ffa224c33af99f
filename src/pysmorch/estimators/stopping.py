"""When training ends before the last epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.training import Callback, EarlyStopping

CONVERGED_WITHIN = 1e-4
"""Without validation data, training ends when its loss has not fallen by this fraction of its first value for `patience`."""


class Converged(Callback):
    """End training when its own loss no longer falls.

    Parameters
    ----------
    patience : int
        Epochs without a smaller loss.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_fit_start(self, training: Any) -> None:
        """Begin to count."""
        self.best = np.inf
        self.since = 0

    def on_epoch_end(self, training: Any) -> None:
        """Compare the loss of the epoch with the smallest so far."""
        losses = training.history["loss"]
        if losses[-1] < self.best - CONVERGED_WITHIN * abs(losses[0]):
            self.best, self.since = losses[-1], 0
        else:
            self.since += 1
        if self.since >= self.patience:
            training.stop(f"the loss has not fallen any more for {self.patience} epochs")


def stopping_for(estimator: Any, has_validation: bool) -> list[Callback]:
    """Return the callbacks that end a training, as the parameters of an estimator say.

    Parameters
    ----------
    estimator : NetworkEstimator
        With `early_stopping` and `patience`.
    has_validation : bool
        Whether there are validation data.

    Returns
    -------
    list of Callback
        At most one.
    """
    if has_validation:
        return [EarlyStopping("val_loss", estimator.patience)] if estimator.early_stopping else []
    return [Converged(estimator.patience)]
