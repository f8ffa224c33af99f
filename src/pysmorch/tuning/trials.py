"""One trial: a training that is measured, and stopped where others were better; here or on a machine of a cluster."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import numpy as np

from pysmorch.cluster import Cluster, in_order
from pysmorch.encoders import kinds_from
from pysmorch.encoders.choices import texts_of_file
from pysmorch.prediction.presets import epochs_of
from pysmorch.training import Callback, NonFiniteError, Training
from pysmorch.tuning.storage import BEAT, optuna_or_error, pruner_for, quiet
from pysmorch.warnings import PysmorchWarning


class Pruning(Callback):
    """End a training whose validation loss is worse than the median of other trials after as many epochs.

    Parameters
    ----------
    trial : optuna.Trial
        It knows the others.
    """

    def __init__(self, trial: Any) -> None:
        self.trial = trial
        self.pruned = False

    def on_epoch_end(self, training: Training) -> None:
        """Report the loss, and stop where it is worse."""
        loss = training.history["val_loss"][-1]
        if np.isfinite(loss):
            self.trial.report(float(loss), training.epoch)
        if not np.isfinite(loss) or self.trial.should_prune():
            self.pruned = True
            training.stop("other trials had a smaller loss after as many epochs")


def loss_of(trial: Any, model: Any, rows: dict[str, Any]) -> float | None:
    """Train a model as a trial.

    Parameters
    ----------
    trial : optuna.Trial
        It gets the loss of each epoch.
    model : Classifier or Regressor
        With the parameters of the trial.
    rows : dict
        Arguments of `fit`.

    Returns
    -------
    float or None
        The smallest loss; None where the trial was stopped.
    """
    pruning = Pruning(trial)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PysmorchWarning)  # the fit of the best parameters says it once
            model.fit(**rows, callbacks=[pruning])
    except NonFiniteError:
        pruning.pruned = True
    return None if pruning.pruned else float(min(model.validation_curve_))


class Asked(NamedTuple):
    """A trial that is to be made on a machine of a cluster.

    Attributes
    ----------
    model : Classifier or Regressor
        With its parameters.
    others : list of dict
        The losses of each epoch, by its number, of the trials that had come to their end when this one was drawn.
    """

    model: Any
    others: list[dict[int, float]]


def run_trial(shared: tuple[dict[str, Any], Any], asked: Asked) -> tuple[float | None, dict[int, float]]:
    """Make a trial on a machine of a cluster.

    Parameters
    ----------
    shared : (dict, pyarrow.Table)
        Arguments of `fit`, and what `kinds_from` takes.
    asked : Asked
        The trial.

    Returns
    -------
    loss : float or None
        As of `loss_of`.
    losses : dict of int to float
        Of each epoch, by its number.
    """
    optuna = optuna_or_error()
    rows, texts = shared
    with quiet(optuna):
        study = optuna.create_study(pruner=pruner_for(optuna, epochs_of(asked.model)))
        study.add_trials(
            [
                optuna.trial.create_trial(value=min(losses.values()), intermediate_values=losses)
                for losses in asked.others
            ]
        )
        trial = study.ask()
        with kinds_from(texts):
            loss = loss_of(trial, asked.model, rows)
        return loss, study.get_trials(deepcopy=False)[trial.number].intermediate_values


def optimize_on(
    cluster: Cluster,
    optuna: Any,
    study: Any,
    goes_on: Callable[[], bool],
    model_of: Callable[[Any], Any],
    rows: dict[str, Any],
    tell: Callable[[Any], Any],
) -> None:
    """Make the trials of a study on a cluster.

    With W workers a trial is drawn when all but the W - 1 before it are known, whichever machine is the fastest, so that the same
    number of workers makes the same trials.

    Parameters
    ----------
    cluster : Cluster
        Where.
    optuna : module
        Optuna.
    study : optuna.Study
        It keeps the trials.
    goes_on : callable
        Whether another trial is to begin.
    model_of : callable
        Returns the model of a trial.
    rows : dict
        Arguments of its `fit`.
    tell : callable
        Called with each trial when it has ended.
    """
    state = optuna.trial.TrialState
    running: list[Any] = []

    def asked() -> Iterator[tuple[Any, Asked]]:
        while goes_on():
            trial = study.ask()
            running.append(trial)
            _say_alive(study, [trial])
            ended = study.get_trials(deepcopy=False, states=(state.COMPLETE,))
            yield trial, Asked(model_of(trial), [one.intermediate_values for one in ended if one.intermediate_values])

    results = in_order(cluster, run_trial, (rows, texts_of_file()), asked())
    try:
        with closing(results), _signs_of_life(study, running):
            for trial, (loss, losses) in results:
                for epoch, value in losses.items():
                    trial.report(value, epoch)
                ended = study.tell(trial, loss, state=state.PRUNED if loss is None else None)
                running.remove(trial)
                tell(ended)
    finally:
        for trial in running:
            study.tell(trial, state=state.FAIL)


@contextmanager
def _signs_of_life(study: Any, running: list[Any]) -> Iterator[None]:
    """Let a thread say of running trials that they are not lost, as long as this process lives."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            _say_alive(study, list(running))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _say_alive(study: Any, trials: list[Any]) -> None:
    """Store the time as the last sign of life of trials; Optuna itself does that only of trials that it runs."""
    storage = study._storage
    if hasattr(storage, "record_heartbeat"):
        for trial in trials:
            storage.record_heartbeat(trial._trial_id)
