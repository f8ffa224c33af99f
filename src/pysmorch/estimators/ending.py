"""Callbacks of several trainings at a time: how those of the user are told of each."""

from __future__ import annotations

from typing import Any

from pysmorch.training import Callback, Training


class OneAtATime(Callback):
    """Tell a callback what one network does, while no other network's callback is told.

    Parameters
    ----------
    callback : Callback or callable
        That of the user; a function is called after every epoch of each network.
    lock : threading.Lock
        Shared by all networks.
    """

    def __init__(self, callback: Any, lock: Any) -> None:
        self.callback, self.lock = callback, lock
        self.takes_outputs = isinstance(callback, Callback) and callback.takes_outputs

    def on_fit_start(self, training: Training) -> None:
        """Pass it on."""
        self._call("on_fit_start", training)

    def on_epoch_end(self, training: Training) -> None:
        """Pass it on."""
        if isinstance(self.callback, Callback):
            self._call("on_epoch_end", training)
        else:
            with self.lock:
                self.callback(training)

    def on_fit_end(self, training: Training) -> None:
        """Pass it on."""
        self._call("on_fit_end", training)

    def get_state(self) -> Any:
        """Return that of the callback."""
        return self.callback.get_state() if isinstance(self.callback, Callback) else None

    def set_state(self, state: Any) -> None:
        """Pass it on."""
        self.callback.set_state(state)

    def _call(self, event: str, training: Training) -> None:
        if isinstance(self.callback, Callback):
            with self.lock:
                getattr(self.callback, event)(training)


class OneAtATimeWithin(OneAtATime):
    """The same for a callback that is told of what happens within epochs."""

    def on_batch_end(self, training: Training) -> None:
        """Pass it on."""
        self._call("on_batch_end", training)
