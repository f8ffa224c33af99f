"""What is searched: for each parameter the values that are tried."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

from pysmorch.optimizers import Optimizer


class Range(NamedTuple):
    """All numbers between two bounds.

    Attributes
    ----------
    low, high : float
        The bounds, which are tried too.
    logarithmic : bool
        Whether equal ratios are equally likely, and not equal distances.
    """

    low: float
    high: float
    logarithmic: bool


SPACE: dict[str, Range | Sequence[Any]] = {
    "hidden": [(), (64,), (128, 64), (256, 128), (256, 256), (512, 256), (256, 256, 256)],
    "activation": ["relu", "gelu", "silu", "mish"],
    "dropout": Range(0.0, 0.5, logarithmic=False),
    "learning_rate": Range(5e-4, 3e-2, logarithmic=True),
    "weight_decay": Range(1e-3, 1.0, logarithmic=True),
    "batch_size": ["auto", 32, 128, 512],
}
"""By the name of the parameter; the defaults of the estimators are among them."""

OF_DENSE_NETWORKS = ("hidden", "activation", "dropout")
OF_NAMED_OPTIMIZERS = ("learning_rate", "weight_decay")


def searched_in(estimator: Any) -> dict[str, Range | Sequence[Any]]:
    """Return the part of the space that is searched: a parameter that was set to another value than its default stays.

    Parameters
    ----------
    estimator : Classifier or Regressor
        Not fitted, or fitted before.

    Returns
    -------
    dict
        A part of `SPACE`.

    Raises
    ------
    ValueError
        Nothing is left.
    """
    defaults = inspect.signature(type(estimator)).parameters
    without = [
        *(OF_DENSE_NETWORKS if estimator.network is not None else ()),
        *(OF_NAMED_OPTIMIZERS if isinstance(estimator.optimizer, Optimizer) else ()),
    ]
    space = {
        name: values
        for name, values in SPACE.items()
        if name not in without and getattr(estimator, name) == defaults[name].default
    }
    if not space:
        raise ValueError(
            f"estimator: nothing is left to search, since all of {', '.join(SPACE)} are set or have no effect; leave one at its default"
        )
    return space


def suggested(trial: Any, space: dict[str, Range | Sequence[Any]]) -> dict[str, Any]:
    """Return the parameters that a trial tries.

    Parameters
    ----------
    trial : optuna.Trial
        It draws them.
    space : dict
        From `searched_in`.

    Returns
    -------
    dict
        By name.
    """
    return {name: _suggested(trial, name, values) for name, values in space.items()}


def _suggested(trial: Any, name: str, values: Range | Sequence[Any]) -> Any:
    if isinstance(values, Range):
        return trial.suggest_float(name, values.low, values.high, log=values.logarithmic)
    chosen = trial.suggest_categorical(name, [str(value) for value in values])  # databases have no tuples
    return values[[str(value) for value in values].index(chosen)]


def as_stored(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as a trial stores them.

    Parameters
    ----------
    parameters : dict
        By name.

    Returns
    -------
    dict
        Choices as texts.
    """
    return {name: value if isinstance(SPACE[name], Range) else str(value) for name, value in parameters.items()}


def from_stored(stored: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a trial.

    Parameters
    ----------
    stored : dict
        As the trial stores them.

    Returns
    -------
    dict
        As the estimator takes them.
    """
    parameters = {}
    for name, value in stored.items():
        values = SPACE[name]
        parameters[name] = value if isinstance(values, Range) else values[list(map(str, values)).index(value)]
    return parameters
