"""The parameters of estimators: their checks, and what is made of them."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np

from pysmorch.engine import Precision, check_threads
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.layers.base import Array
from pysmorch.optimizers import OPTIMIZERS, Optimizer
from pysmorch.prediction.dense import ENOUGH_ROWS
from pysmorch.prediction.presets import WEIGHT_DECAY, check_preset
from pysmorch.schedules import as_schedule

Layout = Literal["nhwc", "nchw"]
"""Of images: with the channels last, as here, or first."""

TrainingPrecision = Literal["float32", "float64", "bf16", "auto"]
"""In which numbers an estimator is trained."""


def check_parameters(estimator: Any) -> None:
    """Refuse parameters that cannot be used, before any data is looked at.

    Parameters
    ----------
    estimator : NetworkEstimator
        With the parameters that all estimators share.

    Raises
    ------
    ValueError
        Names the parameter, its value and what is expected.
    """
    if estimator.network is not None and not callable(estimator.network):
        raise ValueError(
            "network must be a function of (input layer, number of outputs) that returns the last layer, but is "
            f"{estimator.network!r}"
        )
    hidden = estimator.hidden
    if hidden is not None and (
        not isinstance(hidden, (tuple, list)) or any(not isinstance(h, (int, np.integer)) or h < 1 for h in hidden)
    ):
        raise ValueError(
            f"hidden must be a tuple of positive widths such as (256, 128), or None for that of the preset, but is {hidden!r}"
        )
    if estimator.activation is not None and estimator.activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, but is {estimator.activation!r}")
    if estimator.embedding not in (True, False, None):
        raise ValueError(
            f"embedding must be True, False, or None for that of the preset, but is {estimator.embedding!r}"
        )
    optimizer = estimator.optimizer
    if not isinstance(optimizer, Optimizer) and optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, or an object, but is {optimizer!r}")
    as_schedule(estimator.learning_rate)
    if not _is_number(estimator.dropout) or not 0 <= estimator.dropout < 1:
        raise ValueError(f"dropout must be a number from 0 to below 1, but is {estimator.dropout!r}")
    if not _is_number(estimator.patience) or not estimator.patience >= 1:
        raise ValueError(f"patience must be at least one epoch, but is {estimator.patience!r}")
    if estimator.early_stopping not in (True, False, "auto"):
        raise ValueError(f'early_stopping must be True, False or "auto", but is {estimator.early_stopping!r}')
    if not 0 < estimator.validation_fraction < 1:
        raise ValueError(f"validation_fraction must be between 0 and 1, but is {estimator.validation_fraction!r}")
    fraction = estimator.conformal_fraction
    if not _is_number(fraction) or not 0 <= fraction < 1:
        raise ValueError(f"conformal_fraction must be from 0 to below 1, but is {fraction!r}")
    check_precision("precision", estimator.precision, get_args(TrainingPrecision))
    check_precision("predict_precision", estimator.predict_precision)
    if not isinstance(estimator.pixels, (bool, np.bool_)):
        raise ValueError(f"pixels must be True or False, but is {estimator.pixels!r}")
    size = estimator.batch_size
    if size != "auto" and (not isinstance(size, (int, np.integer)) or size < 1):
        raise ValueError(f'batch_size must be "auto" or a positive integer, but is {size!r}')
    check_preset(estimator)
    if estimator.threads is not None:
        check_threads("threads", estimator.threads)


def check_precision(argument: str, value: Any, choices: Sequence[str] = get_args(Precision)) -> Any:
    """Return an argument that is a precision; ValueError where it is none.

    Parameters
    ----------
    argument : str
        Its name.
    value : object
        What it is set to.
    choices : sequence of str, default=those of predictions
        What it may be.

    Returns
    -------
    str
        The value.
    """
    if value not in choices:
        first, last = ", ".join(f'"{choice}"' for choice in choices[:-1]), choices[-1]
        raise ValueError(f'{argument} must be {first} or "{last}", but is {value!r}')
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)


def batch_size_for(estimator: Any, num_rows: int) -> int:
    """Return how many rows a step takes.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters, and its encoder.
    num_rows : int
        How many rows a network is trained on.

    Returns
    -------
    int
        For "auto" a 64th of the rows, at least 32, of larger tables at least 128, and at most 256.
    """
    if estimator.batch_size != "auto":
        return int(estimator.batch_size)
    least = 128 if estimator.encoder_.of_table and num_rows >= ENOUGH_ROWS else 32
    return min(256, max(least, num_rows // 64))


def make_optimizer(estimator: Any) -> Optimizer:
    """Return a new optimizer as the parameters of an estimator say; an object of the user's is copied.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters.

    Returns
    -------
    Optimizer
        At its first step.
    """
    if isinstance(estimator.optimizer, Optimizer):
        optimizer = copy.deepcopy(estimator.optimizer)
        optimizer.reset()
        return optimizer
    made: Any = OPTIMIZERS[estimator.optimizer]
    decay = WEIGHT_DECAY if estimator.weight_decay is None else estimator.weight_decay
    options = {"momentum": 0.9, "nesterov": True} if estimator.optimizer == "sgd" else {}
    return made(estimator.learning_rate, weight_decay=decay, **options)


def check_loss(loss: Any, names: Collection[str]) -> None:
    """Raise ValueError where the parameter `loss` is neither a name nor something that makes a loss.

    Parameters
    ----------
    loss : object
        The parameter.
    names : collection of str
        The losses that an estimator knows.
    """
    if not callable(loss) and loss not in names:
        known = f"one of {', '.join(names)}" if len(names) > 1 else f'"{next(iter(names))}"'
        raise ValueError(
            f"loss must be {known}, a class of losses, or a function that makes a loss of the output layer, but is {loss!r}"
        )


def check_num_labels(y: Array, num_data: int) -> None:
    """Raise ValueError where there is not one label for each row.

    Parameters
    ----------
    y : ndarray of shape (N, ...)
        The labels.
    num_data : int
        The number of rows.
    """
    if len(y) != num_data:
        raise ValueError(f"y must have one label for each of the {num_data} rows of X, but has {len(y)}")
