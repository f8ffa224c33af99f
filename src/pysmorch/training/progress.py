"""Progress of a training: a live bar in a terminal, one changing line in a notebook, plain lines in a log file."""

from __future__ import annotations

import sys
import threading
import time
from importlib import import_module
from typing import Any

from pysmorch.training.callbacks import Callback, Training

SECONDS_BETWEEN_LOG_LINES = 5.0
SECONDS_BETWEEN_UPDATES = 0.1
PARTS_OF_A_NETWORK = 1000
"""Steps of the bar for each of several networks."""


def is_watched() -> bool:
    """Whether progress can be shown: standard error is a terminal, or this is a notebook."""
    return sys.stderr.isatty() or in_notebook()


class ProgressDisplay(Callback):
    """Show the completed epochs, the last metrics, and the remaining time."""

    def on_fit_start(self, training: Training) -> None:
        """Choose the display."""
        self.start = self.shown = time.perf_counter()
        self.view = _view(training.num_epochs * training.num_batches)

    def on_batch_end(self, training: Training) -> None:
        """Move the bar."""
        now = time.perf_counter()
        if self.view is not None and now - self.shown >= SECONDS_BETWEEN_UPDATES:
            self.shown = now
            self.view.update(
                _steps_done(training), f"epoch {training.epoch + 1}/{training.num_epochs}", _last(training)
            )

    def on_epoch_end(self, training: Training) -> None:
        """Show what was measured."""
        title = f"epoch {training.epoch}/{training.num_epochs}"
        now = time.perf_counter()
        last_epoch = training.epoch == training.num_epochs or training.history.stopped_by is not None
        if self.view is not None:
            self.view.update(_steps_done(training), title, _last(training))
        elif training.epoch == 1 or last_epoch or now - self.shown >= SECONDS_BETWEEN_LOG_LINES:
            self.shown = now
            print(f"{title}  {_last(training)}  {now - self.start:.1f} s", file=sys.stderr, flush=True)

    def on_fit_end(self, training: Training) -> None:
        """Close the display; its last state stays."""
        if self.view is not None:
            self.view.close()
        if training.history.stopped_by is not None:
            print(f"stopped: {training.history.stopped_by}", file=sys.stderr, flush=True)


class ProgressOfSeveral:
    """Show the progress of several networks, of which some are trained at the same time, in one bar, or in lines.

    Parameters
    ----------
    count : int
        How many networks there are.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._shares = [0.0] * count
        self._ended = 0
        self._lock = threading.Lock()
        self._start = self._shown = time.perf_counter()
        self._view = _view(count * PARTS_OF_A_NETWORK)

    def of_network(self, number: int) -> Callback:
        """Return the callback of a network, counted from 1."""
        return _ProgressOfOne(self, number)

    def epoch_ended(self, number: int, training: Training) -> None:
        """Show what was measured, at the first and the last epoch of a network, and now and then."""
        with self._lock:
            now = time.perf_counter()
            self._shares[number - 1] = training.epoch / training.num_epochs
            title = f"network {number}/{self.count}  epoch {training.epoch}/{training.num_epochs}"
            if self._view is not None:
                done = int(PARTS_OF_A_NETWORK * sum(self._shares))
                self._view.update(done, f"{self._ended} of {self.count} networks trained", _last(training))
            elif training.epoch == 1 or now - self._shown >= SECONDS_BETWEEN_LOG_LINES:
                self._shown = now
                print(f"{title}  {_last(training)}  {now - self._start:.1f} s", file=sys.stderr, flush=True)

    def network_ended(self, number: int, training: Training) -> None:
        """Count a network that was trained, and say after how many epochs."""
        with self._lock:
            self._shares[number - 1] = 1.0
            self._ended += 1
            if self._view is None:
                seconds = time.perf_counter() - self._start
                epochs = training.history.num_epochs
                print(
                    f"network {number}/{self.count}  ended after {epochs} epochs  {seconds:.1f} s",
                    file=sys.stderr,
                    flush=True,
                )

    def close(self) -> None:
        """Close the display; its last state stays."""
        if self._view is not None:
            done = int(PARTS_OF_A_NETWORK * sum(self._shares))
            self._view.update(done, f"{self._ended} of {self.count} networks trained", "")
            self._view.close()


class _ProgressOfOne(Callback):
    def __init__(self, whole: ProgressOfSeveral, number: int) -> None:
        self.whole, self.number = whole, number

    def on_epoch_end(self, training: Training) -> None:
        self.whole.epoch_ended(self.number, training)

    def on_fit_end(self, training: Training) -> None:
        self.whole.network_ended(self.number, training)


class ProgressOfGroups:
    """Show how many of many small models are trained, in one bar, or in lines.

    Parameters
    ----------
    count : int
        How many there will be.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._start = self._shown = time.perf_counter()
        self._view = _view(count)

    def show(self, done: int, failed: int) -> None:
        """Show how many are trained, or could not be."""
        now = time.perf_counter()
        if self._view is not None:
            self._view.update(done, *self._texts(done, failed))
        elif now - self._shown >= SECONDS_BETWEEN_LOG_LINES:
            self._shown = now
            self._print(done, failed)

    def close(self, done: int, failed: int) -> None:
        """Show the last state, which stays."""
        if self._view is not None:
            self._view.update(done, *self._texts(done, failed))
            self._view.close()
        else:
            self._print(done, failed)

    def _texts(self, done: int, failed: int) -> tuple[str, str]:
        return f"{done} of {self.count} groups", f"{failed} without a model" if failed else ""

    def _print(self, done: int, failed: int) -> None:
        text = "  ".join(filter(None, self._texts(done, failed)))
        print(f"{text}  {time.perf_counter() - self._start:.1f} s", file=sys.stderr, flush=True)


class _TerminalBar:
    def __init__(self, num_steps: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeRemainingColumn(),
            TextColumn("{task.fields[measures]}"),
            console=Console(stderr=True),
        )
        self.task = self.progress.add_task("", total=num_steps, measures="")
        self.progress.start()

    def update(self, done: int, title: str, measures: str) -> None:
        self.progress.update(self.task, completed=done, description=title, measures=measures)

    def close(self) -> None:
        self.progress.stop()


class _NotebookLine:
    def __init__(self) -> None:
        display = import_module("IPython.display").display
        self.handle = display({"text/plain": "training"}, raw=True, display_id=True)

    def update(self, done: int, title: str, measures: str) -> None:
        self.handle.update({"text/plain": f"{title}  {measures}"}, raw=True)

    def close(self) -> None:
        pass


def _view(num_steps: int) -> Any:
    """Return the display of a notebook or a terminal; None for plain lines."""
    if in_notebook():
        return _NotebookLine()
    return _TerminalBar(num_steps) if sys.stderr.isatty() else None


def _last(training: Training) -> str:
    shown = [name for name in training.history if name not in ("seconds", "learning_rate")]
    return "  ".join(f"{name} {training.history[name][-1]:.4g}" for name in shown)


def _steps_done(training: Training) -> int:
    return training.epoch * training.num_batches + training.batch


def in_notebook() -> bool:
    """Whether this runs in a notebook's kernel; IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")
