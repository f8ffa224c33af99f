"""Callbacks: hooks that are called between batches and epochs, and the running training that they get."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pysmorch.layers.base import Array
from pysmorch.training.history import History

if TYPE_CHECKING:
    from pysmorch.network import Network


class Training:
    """A running fit, which is passed to callbacks.

    Parameters
    ----------
    network : Network
        What is trained.
    num_epochs : int
        How many epochs there will be, unless training is stopped.
    num_batches : int
        Batches in an epoch.
    maximize : mapping of str to bool or None
        What the history will hold, with whether larger values are better; None where that is not known.

    Attributes
    ----------
    history : History
        The epochs so far.
    epoch : int
        Number of the epoch just completed, from 1.
    batch : int
        Completed batches of the current epoch.
    outputs : ndarray or None
        The outputs of the network for the validation data after the epoch, where a callback `takes_outputs`; None without such data.
    network, num_epochs, num_batches, maximize
        As in the parameters.
    """

    def __init__(
        self, network: Network, num_epochs: int, num_batches: int, maximize: Mapping[str, bool | None]
    ) -> None:
        self.network = network
        self.history = History()
        self.epoch = 0
        self.num_epochs = num_epochs
        self.batch = 0
        self.outputs: Array | None = None
        self.num_batches = num_batches
        self.maximize = dict(maximize)

    def stop(self, reason: str) -> None:
        """End training after this epoch.

        Parameters
        ----------
        reason : str
            Stored in the history as `stopped_by`.
        """
        self.history.stopped_by = reason


class Callback:
    """Called while `fit` runs; override what is needed. A plain function is called at the end of every epoch.

    Attributes
    ----------
    takes_outputs : bool, default=False
        Whether `on_epoch_end` reads `training.outputs`, which are then computed once for all that is measured of the validation data.

    Examples
    --------
    >>> class Patient(Callback):
    ...     def on_epoch_end(self, training):
    ...         if training.history["loss"][-1] < 0.1:
    ...             training.stop("the loss is small enough")
    """

    takes_outputs = False

    def on_fit_start(self, training: Training) -> None:
        """Called before the first epoch.

        Parameters
        ----------
        training : Training
            The running fit.
        """

    def on_batch_end(self, training: Training) -> None:
        """Called several times within an epoch, at least at its end.

        Parameters
        ----------
        training : Training
            The running fit.
        """

    def on_epoch_end(self, training: Training) -> None:
        """Called after each epoch and its validation.

        Parameters
        ----------
        training : Training
            The running fit.
        """

    def on_fit_end(self, training: Training) -> None:
        """Called after the last epoch, also when training was stopped or interrupted.

        Parameters
        ----------
        training : Training
            The running fit.
        """

    def of_network(self, number: int) -> Callback:
        """Return what is called for one of the networks of an ensemble, which are trained in several threads, one event at a time.

        Parameters
        ----------
        number : int
            Which of the networks, from 1.

        Returns
        -------
        Callback
            This callback for the first network, and a shallow copy for each other one, so that none reads the state of another.
        """
        return self if number == 1 else copy.copy(self)

    def get_state(self) -> Any:
        """Return what a run needs besides the history to go on with this callback, for checkpoints.

        Returns
        -------
        object
            Plain data and arrays, which later events do not change; None where there is nothing to remember.
        """
        return None

    def set_state(self, state: Any) -> None:
        """Go on from a state; called after `on_fit_start` when a run is resumed.

        Parameters
        ----------
        state : object
            What `get_state` returned, with lists instead of tuples.
        """


def _shapes_of(snapshot: Any) -> list[Any]:
    """Return the shapes and dtypes of the arrays in a snapshot of a network."""
    return [
        (None if W is None else (W.shape, W.dtype.name), {name: (a.shape, a.dtype.name) for name, a in state.items()})
        for W, state in snapshot
    ]


class FunctionCallback(Callback):
    """A function that is called at the end of every epoch.

    Parameters
    ----------
    function : callable
        Called with the `Training`.
    """

    def __init__(self, function: Callable[[Training], Any]) -> None:
        self.function = function

    def on_epoch_end(self, training: Training) -> None:
        """Call the function."""
        self.function(training)


class EarlyStopping(Callback):
    """Stop when a measured value has not become better for `patience` epochs, and restore the best weights.

    Parameters
    ----------
    monitor : str, default="val_loss"
        A name in the history, such as "val_loss", "val_accuracy", or `"val_"` and the name of another metric of the fit.
    patience : int, default=10
        Epochs without a better value before training stops; at least 1.
    min_delta : float, default=0.0
        By how much a value must be better to count.
    restore_best : bool, default=True
        Whether the weights of the best epoch are restored at the end.
    mode : {"auto", "min", "max"}, default="auto"
        Which values are better; "auto" takes the direction of the metric, and smaller for a loss. For a function of your
        own that is not known.

    Attributes
    ----------
    best_epoch : int or None
        The epoch with the best value, counted from 1; None before there is one.
    best_value : float
        That value.

    Raises
    ------
    ValueError
        For arguments out of range. When `fit` begins: for a name that is not measured, or has no direction.

    Examples
    --------
    >>> EarlyStopping("val_accuracy", patience=5).monitor
    'val_accuracy'
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: Literal["auto", "min", "max"] = "auto",
    ) -> None:
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience must be at least one epoch, but is {patience!r}")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f'EarlyStopping: mode must be "auto", "min" or "max", but is {mode!r}')
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best = restore_best
        self.mode = mode

    def on_fit_start(self, training: Training) -> None:
        """Reset the best value, and take the direction of the metric.

        Parameters
        ----------
        training : Training
            The running fit.
        """
        self._sign = 1 if self.maximizes(training) else -1
        self._shapes = _shapes_of(
            [(getattr(layer, "W", None), getattr(layer, "state", {})) for layer in training.network.layers]
        )
        self.best_epoch: int | None = None
        self.best_value = float("nan")
        self._best_weights: list[Any] | None = None

    def on_epoch_end(self, training: Training) -> None:
        """Compare with the best so far.

        Parameters
        ----------
        training : Training
            The running fit.
        """
        value = training.history[self.monitor][-1]
        if self.best_epoch is None or self._sign * (value - self.best_value) > self.min_delta:
            self.best_epoch, self.best_value = training.epoch, value
            if self.restore_best:
                self._best_weights = training.network.snapshot()
        elif training.epoch - self.best_epoch >= self.patience:
            training.stop(
                f"{self.monitor} was best in epoch {self.best_epoch} ({self.best_value:.5g}) "
                f"and did not get better for {self.patience} epochs"
            )

    def on_fit_end(self, training: Training) -> None:
        """Restore the best weights.

        Parameters
        ----------
        training : Training
            The running fit.
        """
        if self._best_weights is not None:
            training.network.restore(self._best_weights)
            self._best_weights = None

    def get_state(self) -> Any:
        """Return the best epoch so far, with its weights."""
        return {"epoch": self.best_epoch, "value": self.best_value, "weights": self._best_weights}

    def set_state(self, state: Any) -> None:
        """Go on from the best epoch so far."""
        epoch, value, weights = state["epoch"], state["value"], state["weights"]
        if not (epoch is None or (type(epoch) is int and epoch >= 0)) or type(value) not in (int, float):
            raise ValueError(
                f"EarlyStopping: state must have the best epoch and its value, but has {epoch!r} and {value!r}"
            )
        if weights is not None and _shapes_of(weights) != self._shapes:
            raise ValueError("EarlyStopping: state has the best weights of another network")
        self.best_epoch, self.best_value, self._best_weights = epoch, value, weights

    def maximizes(self, training: Training) -> bool:
        """Return whether larger values of `monitor` are better.

        Parameters
        ----------
        training : Training
            The running fit.

        Returns
        -------
        bool
            As `mode` says, or the metric.

        Raises
        ------
        ValueError
            It is not measured, or its direction is not known.
        """
        measured = training.maximize
        if self.monitor not in measured:
            raise ValueError(
                f"EarlyStopping: monitor {self.monitor!r} is not measured; there are "
                f"{', '.join(measured)}{'' if 'val_loss' in measured else '; pass validation_data'}"
            )
        if self.mode != "auto":
            return self.mode == "max"
        maximize = measured[self.monitor]
        if maximize is None:
            raise ValueError(
                f"EarlyStopping: whether larger values of monitor {self.monitor!r} are better is not known; pass "
                'mode="min" or mode="max", or the metric as Metric(name, function, maximize=True) or maximize=False'
            )
        return maximize
