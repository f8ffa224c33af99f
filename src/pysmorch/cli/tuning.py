"""What `pysmorch tune` does before the training."""

from __future__ import annotations

from typing import Any

from pysmorch.cli.data import Rows
from pysmorch.cli.on_cluster import cluster_of
from pysmorch.cli.options import TuneOptions
from pysmorch.cli.output import Interrupted, Report
from pysmorch.tuning import Tuner
from pysmorch.tuning.storage import optuna_or_error


def check_options(options: TuneOptions) -> None:
    """Refuse options that are not those of a search, and say what to install where Optuna is missing."""
    if options.trials < 1:
        raise ValueError(f"--trials must be at least 1, but is {options.trials}")
    for name in ("checkpoint", "start_from"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} is for train; leave it out: --storage lets a search go on")
    try:
        optuna_or_error()
    except ImportError as error:
        raise ValueError(str(error)) from None


def search(model: Any, training: Rows, validation: Rows | None, options: TuneOptions, report: Report) -> None:
    """Give a model the best parameters that trials find.

    Raises Interrupted where Ctrl-C ends it and the trials are stored.
    """
    fraction = {} if options.validation is None else {"validation_fraction": model.validation_fraction}
    cluster = cluster_of(options)
    tuner = Tuner(model, options.trials, options.storage, seed=options.seed, cluster=cluster, **fraction)
    groups, time = (None, None) if training.by is None else training.by
    eval_set = None if validation is None else (validation.source.features, validation.y, validation.weights)
    try:
        tuner.search(
            training.source.features,
            training.y,
            training.weights,
            eval_set,
            groups,
            time,
            tell=lambda trial: report.note(_line(trial)),
        )
    except KeyboardInterrupt:
        if options.storage is None:
            raise
        raise Interrupted(f"interrupted; the trials are in {options.storage}, and the same command goes on") from None
    model.set_params(**tuner.best_params_)
    count = sum(trial["state"] in ("complete", "pruned") for trial in tuner.trials_)
    report.note(f"best of {count} trials: loss {tuner.best_loss_:.4g}, {_named(tuner.best_params_)}")


def _line(trial: dict[str, Any]) -> str:
    loss = "stopped" if trial["loss"] is None else f"loss {trial['loss']:.4g}"
    return f"trial {trial['number']}: {loss} after {trial['epochs']} epochs, {_named(trial['parameters'])}"


def _named(parameters: dict[str, Any]) -> str:
    texts = {name: f"{value:.3g}" if isinstance(value, float) else str(value) for name, value in parameters.items()}
    return ", ".join(f"{name}={text}" for name, text in texts.items())
