"""Progress of grading: a live bar in a terminal, plain lines in a log file."""

from __future__ import annotations

import sys
import time

from pysmorch.training.progress import SECONDS_BETWEEN_LOG_LINES


class Progress:
    """Show how many submissions are graded.

    Attributes
    ----------
    total : int
        How many there are.
    done : int
        How many are graded.
    """

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.total, self.done, self.shown = total, 0, time.monotonic()
        self.bar = None
        if total > 1 and sys.stderr.isatty():
            columns = ("grading", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task("", total=total)

    def __enter__(self) -> Progress:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def step(self) -> None:
        """Count one more."""
        self.done += 1
        now = time.monotonic()
        if self.bar is not None:
            self.bar.advance(self.task)
        elif self.done < self.total and now - self.shown >= SECONDS_BETWEEN_LOG_LINES:
            self.shown = now
            print(f"{self.done} of {self.total} graded", file=sys.stderr, flush=True)
