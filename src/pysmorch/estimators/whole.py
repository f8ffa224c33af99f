"""The whole training of a fit: which of the ways to train is taken, and what fits into a limit of time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pysmorch.estimators.bagging import train_in_folds
from pysmorch.estimators.budget import Budget, Deadline, OutOfTime, fit_into
from pysmorch.estimators.ensemble import train_together
from pysmorch.estimators.fitting import FurtherValidation
from pysmorch.estimators.pilots import choose_weight_decay, pilots_of
from pysmorch.estimators.rows import Labelled
from pysmorch.estimators.small import Choice, StopAfter, choose
from pysmorch.estimators.stopping import stopping_for
from pysmorch.memory import return_free_memory
from pysmorch.metrics import Metric
from pysmorch.prediction.parameters import batch_size_for
from pysmorch.prediction.presets import epochs_of


def train_whole(
    estimator: Any,
    data: Labelled,
    validation: Sequence[Labelled],
    cross_validates: bool,
    callbacks: Sequence[Any],
    metrics: Sequence[Metric],
    budget: Budget | None,
    choice: Choice | None,
    run: dict[str, Any],
) -> Choice | None:
    """Train the network of an estimator, or all of its ensemble.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its network and the schedule of its optimizer.
    data : Labelled
        The rows of the training.
    validation : sequence of Labelled
        The first one ends the training; none where there are no held-out rows.
    cross_validates : bool
        Whether the number of epochs and a calibration are chosen by rows that are held out in turn.
    callbacks : sequence of Callback or callable
        Those of the user.
    metrics : sequence of Metric
        What is measured besides the loss.
    budget : Budget or None
        The time for it.
    choice : Choice or None
        What a run that goes on has chosen.
    run : dict
        Checkpoints: options of the fit, with a function of the choice that returns the notes.

    Returns
    -------
    Choice or None
        What cross-validation chose; None without it.
    """
    several = estimator._members > 1
    if several:
        return_free_memory()  # of reading, encoding and the start of the networks
    of_table = several and estimator.encoder_.of_table
    epochs = epochs_of(estimator, -(-len(data.rows) // batch_size_for(estimator, len(data.rows))) if of_table else None)
    pilots = pilots_of(estimator, len(data.rows), epochs) if cross_validates else None
    if budget is not None:
        of_pilots = 0 if pilots is None else sum(pilots.epochs)
        data, epochs = fit_into(estimator, data, budget, epochs, cross_validates and estimator._members == 1, of_pilots)
        pilots = None if budget.given_up else pilots
    if pilots is not None:
        epochs = choose_weight_decay(estimator, data, pilots, epochs, budget)
    if several and cross_validates:  # also where a limit of time leaves one of them
        return train_in_folds(estimator, data, callbacks, metrics, budget, epochs, run | {"notes": run["notes"](None)})
    if estimator._members > 1:
        of_all = {"metrics": metrics, "run": run | {"notes": run["notes"](None)}}
        train_together(estimator, data, validation, callbacks, budget, epochs, **of_all)
        return None
    if cross_validates and run["resume"] is None:
        choice = choose(estimator, data, epochs)
    with suppress(OutOfTime):
        estimator._train(
            data,
            epochs=epochs,
            validation_data=validation[0][:3] if validation else None,
            callbacks=[
                *([] if budget is None else [Deadline(budget)]),
                *([] if choice is None else [StopAfter(choice.epochs)]),
                *([FurtherValidation(validation[1:], metrics)] if validation[1:] else []),
                *stopping_for(estimator, bool(validation), callbacks),
                *callbacks,
            ],
            metrics=metrics,
            **{**run, "notes": run["notes"](choice)},
        )
    return choice
