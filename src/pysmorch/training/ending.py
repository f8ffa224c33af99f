"""What ends a training before its last epoch, besides early stopping: a loss that no longer falls, and another thread."""

from __future__ import annotations

import numpy as np

from pysmorch.training.callbacks import Callback, Training

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

    def on_fit_start(self, training: Training) -> None:
        """Begin to count."""
        self.best = float("inf")
        self.since = 0

    def on_epoch_end(self, training: Training) -> None:
        """Compare the loss of the epoch with the smallest so far."""
        losses = training.history["loss"]
        if losses[-1] < self.best - CONVERGED_WITHIN * abs(losses[0]):
            self.best, self.since = losses[-1], 0
        else:
            self.since += 1
        if self.since >= self.patience:
            training.stop(f"the loss has not fallen any more for {self.patience} epochs")

    def get_state(self) -> dict[str, float]:
        """Return the smallest loss so far, and since how many epochs it is that."""
        return {"best": self.best, "since": self.since}

    def set_state(self, state: dict[str, float]) -> None:
        """Go on from there."""
        self.best, self.since = state["best"], int(state["since"])


class Cancelled(Exception):
    """A training was ended before its end, because another one has failed or the user has interrupted it."""


class Flag:
    """Whether trainings in other threads are to end; programs look at it between their steps.

    Attributes
    ----------
    memory : ndarray of uint8, shape (1,)
        1 where they are to end.
    """

    def __init__(self) -> None:
        self.memory = np.zeros(1, np.uint8)

    def set(self) -> None:
        """Let them end."""
        self.memory[0] = 1

    def is_set(self) -> bool:
        """Whether they are to end."""
        return bool(self.memory[0])


class Cancelling(Callback):
    """End a training when a flag was set: after an epoch, or within one.

    Parameters
    ----------
    flag : Flag
        Shared by all networks.
    """

    def __init__(self, flag: Flag) -> None:
        self.flag = flag

    def on_epoch_end(self, training: Training) -> None:
        """Look whether it is set."""
        if self.flag.is_set():
            raise Cancelled


class CancellingWithin(Cancelling):
    """The same, several times within an epoch."""

    def on_batch_end(self, training: Training) -> None:
        """Look whether it is set."""
        self.on_epoch_end(training)
