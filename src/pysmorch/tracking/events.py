"""Logs for TensorBoard."""

from __future__ import annotations

import os
from typing import Any

from pysmorch.missing import module_of_extra
from pysmorch.tracking.epochs import EpochLog
from pysmorch.training import Training


class TensorBoardLog(EpochLog):
    """Write event files for TensorBoard: `tensorboard --logdir FOLDER` shows them.

    Parameters
    ----------
    folder : str or path-like
        A folder for this run, which is made; several runs are folders side by side.

    Raises
    ------
    ImportError
        tensorboardX is not installed.

    Examples
    --------
    >>> TensorBoardLog("runs/first").folder
    'runs/first'
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.fspath(folder)
        self._writer: Any = None
        _tensorboardx()

    def on_fit_start(self, training: Training) -> None:
        """Open the event file.

        Parameters
        ----------
        training : Training
            The running fit.
        """
        if self._writer is None or self.network > 1:
            folder = self.folder if self.network == 1 else os.path.join(self.folder, f"network-{self.network}")
            self._writer = _tensorboardx().SummaryWriter(folder)

    def write(self, epoch: int, measured: dict[str, float]) -> None:
        """Add one point to each curve; training and validation are groups of curves.

        Parameters
        ----------
        epoch : int
            From 1.
        measured : dict of str to float
            The value of each name in the history.
        """
        for name, value in measured.items():
            group = "validation" if name.startswith("val_") else "training"
            self._writer.add_scalar(f"{group}/{name.removeprefix('val_')}", value, epoch)

    def on_fit_end(self, training: Training) -> None:
        """Close the event file.

        Parameters
        ----------
        training : Training
            The running fit.
        """
        self._writer.close()
        self._writer = None


def _tensorboardx() -> Any:
    """Return tensorboardX, or raise ImportError with what to install."""
    return module_of_extra("tensorboardX", "event files need tensorboardX", "tracking")
