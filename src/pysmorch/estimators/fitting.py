"""What the parameters of an estimator make: its network, the schedule of its optimizer, and the options of a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pysmorch.estimators.parameters import batch_size_for
from pysmorch.layers import Flatten, Layer, mlp, weights_from
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.optimizers import Optimizer
from pysmorch.schedules import Schedule
from pysmorch.training import FitOptions


def output_layer(estimator: Any, features: Layer, num_outputs: int, seed: int) -> Layer:
    """Return the last layer of an estimator's network.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters.
    features : Layer
        The input layer.
    num_outputs : int
        Width of the output.
    seed : int
        Of the initial weights.

    Returns
    -------
    Layer
        That of the user's `network`, else of a dense network.
    """
    with weights_from(seed):
        if estimator.network is not None:
            output: Layer = estimator.network(features, num_outputs)
            return output
        rows = features if len(features.out_dims) == 2 else Flatten(features)
        return mlp(rows, estimator.hidden, num_outputs, ACTIVATIONS[estimator.activation], estimator.dropout)


def set_schedule(estimator: Any, of_number: Callable[[float], Schedule]) -> None:
    """Set the schedule of an estimator's optimizer; an optimizer of the user's is left as it is.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its `optimizer_`.
    of_number : callable
        Makes a schedule of a learning rate that is a number.
    """
    if not isinstance(estimator.optimizer, Optimizer):
        given = estimator.learning_rate
        estimator.optimizer_.schedule = given if isinstance(given, Schedule) else of_number(float(given))


def fit_options(estimator: Any, num_rows: int, **options: Any) -> FitOptions:
    """Return the options of a fit of an estimator's network.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters, and its `optimizer_`.
    num_rows : int
        How many rows it is trained on.
    **options
        Those options that are not parameters of the estimator.

    Returns
    -------
    FitOptions
        All options.
    """
    return FitOptions(
        optimizer=estimator.optimizer_,
        batch_size=batch_size_for(estimator.batch_size, num_rows),
        shuffle=True,
        progress=bool(estimator.verbose),
        dtype="float32",
        engine="auto",
        threads=None,
        precision=estimator.precision,
        **options,
    )
