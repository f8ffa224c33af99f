"""scikit-learn's callbacks, from its version 1.9 on: a fit is a task, each network is a task of it, and each epoch one of the network.

`estimator.set_callbacks(ProgressBar())` sets them. Older versions do not have them, nor that method.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

from pysmorch.network import Network
from pysmorch.prediction.one_model import BEFORE
from pysmorch.training import Callback, Training

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:
    _with_callbacks = None

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing, where scikit-learn has no callbacks."""


__all__ = ["CallbackSupportMixin", "Tasks", "tasks_of", "with_callbacks"]

F = TypeVar("F", bound=Callable[..., Any])


def with_callbacks(fit: F) -> F:
    """Let a method that calls `tasks_of` tear down scikit-learn's callbacks when it ends, whatever ends it.

    Parameters
    ----------
    fit : callable
        The method.

    Returns
    -------
    callable
        The same method where scikit-learn has no callbacks.
    """
    decorated: F = fit if _with_callbacks is None else _with_callbacks(fit)
    return decorated


class Tasks(Callback):
    """Tell scikit-learn's callbacks of a fit what begins and ends in it.

    Parameters
    ----------
    estimator : NetworkEstimator
        What is fitted.
    root : sklearn.callback.CallbackContext
        The task of the whole fit.
    given : dict
        X, y and metadata, as the callbacks get them.
    """

    def __init__(self, estimator: Any, root: Any, given: dict[str, Any]) -> None:
        self.estimator, self.root, self.given, self.number = estimator, root, given, 1
        self.learned = {name: value for name, value in vars(estimator).items() if name != BEFORE}
        root.call_on_fit_task_begin(estimator=estimator, **given)

    def of_network(self, number: int) -> Callback:
        """Return what tells of one of several networks."""
        other = copy.copy(self)
        other.number = number
        return other

    def on_fit_start(self, training: Training) -> None:
        """Begin the task of the network, and its first epoch."""
        self.of_this = self.root.subcontext("network", task_id=self.number - 1, max_subtasks=training.num_epochs)
        self.of_epoch: Any = None
        self.failed = False
        self._call(self.of_this.call_on_fit_task_begin, training)
        self._begin_epoch(training)

    def on_epoch_end(self, training: Training) -> None:
        """End the task of the epoch, and begin the next one."""
        if self._call(self.of_epoch.call_on_fit_task_end, training):
            training.stop("a callback of scikit-learn has stopped it")
        self.of_epoch = None
        if training.history.stopped_by is None and training.epoch < training.num_epochs:
            self._begin_epoch(training)

    def on_fit_end(self, training: Training) -> None:
        """End the task of the network, also that of an epoch that was interrupted; not where a callback has raised."""
        if self.failed:
            return
        if self.of_epoch is not None:
            self.of_epoch.call_on_fit_task_end(estimator=self.estimator)
        self._call(self.of_this.call_on_fit_task_end, training)

    def finish(self) -> None:
        """End the task of the whole fit, when the estimator is fitted."""
        self.root.call_on_fit_task_end(estimator=self.estimator, reconstruction_attributes=dict, **self.given)

    def _begin_epoch(self, training: Training) -> None:
        self.of_epoch = self.of_this.subcontext("epoch")
        self._call(self.of_epoch.call_on_fit_task_begin, training)

    def _call(self, hook: Callable[..., Any], training: Training) -> Any:
        """Call a hook, with what makes an estimator of the network as it is, where a callback takes one."""
        self.failed = True
        found = hook(estimator=self.estimator, reconstruction_attributes=lambda: self._as_it_is(training), **self.given)
        self.failed = False
        return found

    def _as_it_is(self, training: Training) -> dict[str, Any]:
        """Return the attributes of an estimator whose fit had stopped now; of an ensemble it has this one network."""
        return self.learned | {
            "network_": Network(copy.deepcopy(training.network.loss)),
            "history_": copy.deepcopy(training.history),
            "n_iter_": training.epoch,
            "conformal_scores_": None,
            "_members": 1,
        }


def tasks_of(estimator: Any, X: Any, y: Any, sample_weight: Any) -> list[Tasks]:
    """Begin the task of a fit, after all of its data were checked.

    Parameters
    ----------
    estimator : NetworkEstimator
        At the beginning of its training.
    X, y, sample_weight : object
        As they were given to `fit`.

    Returns
    -------
    list of Tasks
        A callback for its training; none where no callbacks are set.
    """
    if _with_callbacks is None:
        return []
    root = estimator._init_callback_context(max_subtasks=estimator._members, sequential_subtasks=False)
    if not hasattr(estimator, "_skl_callbacks"):
        return []
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return [Tasks(estimator, root, {"X": X, "y": y, "metadata": metadata})]
