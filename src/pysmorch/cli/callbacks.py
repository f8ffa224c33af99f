"""What `pysmorch train` does after each epoch."""

from __future__ import annotations

from typing import Any

from pysmorch.cli.data import Rows
from pysmorch.cli.output import Report
from pysmorch.training import Callback, Training

MAX_COLUMNS_SHOWN = 200
"""Columns of which each has its line; `pysmorch show` lists them all."""


def show_columns(model: Any, report: Report) -> None:
    """Print a line for each column.

    Parameters
    ----------
    model : NetworkEstimator
        Its encoder has learned the columns.
    report : Report
        There they are printed.
    """
    lines = model.encoder_.describe()
    for line in lines[:MAX_COLUMNS_SHOWN]:
        report.note(line)
    if len(lines) > MAX_COLUMNS_SHOWN:
        report.note(f"and {len(lines) - MAX_COLUMNS_SHOWN} more columns, which pysmorch show lists")


class ShownOnce:
    """Print a line for each column after the first epoch of the first network of an ensemble.

    Parameters
    ----------
    model : NetworkEstimator
        What is trained.
    report : Report
        There they are printed.
    """

    def __init__(self, model: Any, report: Report) -> None:
        self.model, self.report, self.shown = model, report, False

    def __call__(self, training: Training) -> None:
        """Print them if that was not done yet."""
        if not self.shown:
            show_columns(self.model, self.report)
        self.shown = True


class BestSoFar(Callback):
    """Remember the weights of the best epoch, so that an interrupted training has a model, and print the columns.

    Parameters
    ----------
    model : NetworkEstimator
        What is trained.
    report : Report
        There the lines of the columns are printed when the encoder has learned them.
    monitor : str
        The loss in the history that says which epoch is the best.
    """

    def __init__(self, model: Any, report: Report, monitor: str) -> None:
        self.model = model
        self.report = report
        self.monitor = monitor
        self.best_epoch = 0
        self._weights: list[Any] | None = None

    def on_fit_start(self, training: Training) -> None:
        """Print a line for each column."""
        show_columns(self.model, self.report)

    def on_batch_end(self, training: Training) -> None:
        """Do nothing: that there are calls within an epoch lets an interruption come through."""

    def on_epoch_end(self, training: Training) -> None:
        """Compare the loss of the epoch with the best so far."""
        losses = training.history[self.monitor]
        if self.best_epoch == 0 or losses[-1] < losses[self.best_epoch - 1]:
            self.best_epoch = training.epoch
            self._weights = training.network.snapshot(self._weights)

    def get_state(self) -> Any:
        """Return the best epoch so far, with its weights."""
        return {"epoch": self.best_epoch, "weights": self._weights}

    def set_state(self, state: Any) -> None:
        """Go on from the best epoch so far."""
        self.best_epoch, self._weights = state["epoch"], state["weights"]

    def restore(self) -> None:
        """Make the network what it was after the best epoch."""
        self.model.network_.restore(self._weights)


class HeldOutFigures(Callback):
    """Measure the held-out rows after each epoch, for the user to see; nothing is chosen by them.

    Parameters
    ----------
    model : NetworkEstimator
        What is trained.
    rows : Rows
        Those held out.
    """

    def __init__(self, model: Any, rows: Rows) -> None:
        self.model, self.rows = model, rows

    def on_fit_start(self, training: Training) -> None:
        """Encode them, once what the encoder does is learned."""
        self.data = self.model._encode_labelled(self.rows.source.features, self.rows.y, self.rows.weights)[:3]

    def on_epoch_end(self, training: Training) -> None:
        """Measure their loss and its metric."""
        measured = training.network.evaluate(*self.data)
        training.history.append({f"val_{name}": value for name, value in measured.items()})
