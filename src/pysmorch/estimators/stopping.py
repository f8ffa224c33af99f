"""When training ends before the last epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
        self.best = float("inf")
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

    def get_state(self) -> Any:
        """Return the smallest loss so far, and since how many epochs it is that."""
        return {"best": self.best, "since": self.since}

    def set_state(self, state: Any) -> None:
        """Go on from there."""
        self.best, self.since = state["best"], state["since"]


def stopping_for(estimator: Any, has_validation: bool, callbacks: Sequence[Any]) -> list[Callback]:
    """Return the callbacks that end a training, as the parameters of an estimator say.

    Parameters
    ----------
    estimator : NetworkEstimator
        With `early_stopping` and `patience`.
    has_validation : bool
        Whether there are validation data.
    callbacks : sequence of Callback or callable
        Those of the user; an `EarlyStopping` among them replaces that of the parameters.

    Returns
    -------
    list of Callback
        At most one.
    """
    if any(isinstance(callback, EarlyStopping) for callback in callbacks):
        return []
    if has_validation:
        return [EarlyStopping("val_loss", estimator.patience)] if estimator.early_stopping else []
    return [Converged(estimator.patience)]
