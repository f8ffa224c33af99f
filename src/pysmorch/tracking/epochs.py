"""What all logs have in common: a record for each epoch of each network."""

from __future__ import annotations

import copy
from typing import Any

from pysmorch.training import Callback, Training


class EpochLog(Callback):
    """Hand each epoch to `write`; of an ensemble, those of each of its networks.

    Attributes
    ----------
    network : int
        Which of the networks of an ensemble it is, from 1.
    """

    network = 1

    def of_network(self, number: int) -> Callback:
        """Return a log of one of several networks, which writes to the same file or run.

        Parameters
        ----------
        number : int
            Which one, from 1.

        Returns
        -------
        Callback
            This one for the first network.
        """
        if number == 1:
            return self
        other = copy.copy(self)
        other.network = number
        return other

    def on_epoch_end(self, training: Training) -> None:
        """Write what was measured.

        Parameters
        ----------
        training : Training
            The running fit.
        """
        self.write(training.epoch, {name: values[-1] for name, values in training.history.items()})

    def write(self, epoch: int, measured: dict[str, float]) -> None:
        """Write what was measured in an epoch.

        Parameters
        ----------
        epoch : int
            From 1.
        measured : dict of str to float
            The value of each name in the history.
        """
        raise NotImplementedError

    def get_state(self) -> Any:
        """Return nothing: what is in the log stays there."""
        return None

    def set_state(self, state: Any) -> None:
        """Go on with the same log, of which a run that is resumed may write some epochs again."""
