"""What the parameters of an estimator make: its network, the schedule of its optimizer, and the options of a fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pysmorch.encoders import Encoder
from pysmorch.layers import (
    Bias,
    Blend,
    Columns,
    Concat,
    Conv1d,
    Flatten,
    Layer,
    Linear,
    Scale,
    embedded,
    mlp,
    parametric,
    weights_from,
)
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.layers.graph import graph
from pysmorch.layers.protocol import LayerLike
from pysmorch.losses import Loss
from pysmorch.metrics import Metric
from pysmorch.optimizers import Optimizer
from pysmorch.prediction.dense import Dense, num_embedded
from pysmorch.prediction.parameters import batch_size_for
from pysmorch.schedules import Schedule
from pysmorch.training import Callback, FitOptions, Training

RATE_FACTORS: dict[type[Layer], float] = {Scale: 6.0, Blend: 0.1, Bias: 0.1, Conv1d: 0.1}
"""Of the learning rate, for the layers of a network that is tuned: those of Holzmüller, Grinsztajn and Steinwart, "Better by default:
strong pre-tuned MLPs and boosted trees on tabular data", 2024. The convolutions are those of the embedding."""


def output_layer(estimator: Any, features: Layer, num_outputs: int, seed: int) -> Layer:
    """Return the last layer of an estimator's network.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters, its encoder, and what its dense network is.
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
        dense = estimator._dense
        plain: Callable[[LayerLike], Layer] = ACTIVATIONS[dense.activation]
        activation = partial(parametric, activation=plain) if dense.tuned else plain
        rows = features if len(features.out_dims) == 2 else Flatten(features)
        output = mlp(
            _prepared(rows, dense, estimator.encoder_), dense.hidden, num_outputs, activation, estimator.dropout
        )
        first = next(layer for layer in graph(output) if isinstance(layer, Linear))
        first.runs = estimator.encoder_.runs
        return _with_rates(output) if dense.tuned else output


def _prepared(rows: Layer, dense: Dense, encoder: Encoder) -> Layer:
    """Return rows with the embedding of their numbers and the factors that a network has; what comes in runs is last, and by itself."""
    count, width, has_embedding = encoder.num_scaled, encoder.width, num_embedded(dense, encoder) > 0
    if not (has_embedding or dense.tuned):
        return rows
    parts: list[Layer] = []
    if count > 0:
        numbers = rows if count == width else Columns(rows, 0, count)
        parts.append(embedded(numbers, count) if has_embedding else numbers)
    if count < width:
        parts.append(Columns(rows, count, width) if count else rows)
    if dense.tuned:
        parts = [Scale(part) for part in parts]
    return Concat(*parts) if len(parts) > 1 else parts[0]


def _with_rates(output: Layer) -> Layer:
    """Give some layers of a network learning rates of their own, and no weight decay to factors."""
    for layer in graph(output):
        layer.lr_factor = RATE_FACTORS.get(type(layer), layer.lr_factor)
        if isinstance(layer, (Scale, Blend)):
            layer.decay_factor = 0.0
    return output


def own_loss(make: Callable[[Layer], Any], output: Layer) -> Loss:
    """Return the loss that a user's class or function makes of the output layer.

    Parameters
    ----------
    make : callable
        The parameter `loss` of an estimator.
    output : Layer
        The output layer.

    Returns
    -------
    Loss
        On that layer.

    Raises
    ------
    TypeError
        When it is no loss.
    """
    loss = make(output)
    if not isinstance(loss, Loss):
        raise TypeError(f"loss must make a pysmorch loss of the output layer, but made a {type(loss).__name__}")
    return loss


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
    in_float64 = estimator.precision == "float64"
    return FitOptions(
        optimizer=estimator.optimizer_,
        batch_size=batch_size_for(estimator, num_rows),
        shuffle=True,
        dtype="float64" if in_float64 else "float32",
        engine="auto",
        threads=estimator.threads,
        precision="float32" if in_float64 else estimator.precision,
        **{"progress": bool(estimator.verbose), "metrics": None, "validation_data": None, **options},
    )


class Record(Callback):
    """Keep the history in an estimator, also when training is interrupted.

    Parameters
    ----------
    estimator : NetworkEstimator
        Its curves and number of epochs are continued.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def on_fit_end(self, training: Training) -> None:
        """Take the epochs that were completed."""
        estimator, history = self.estimator, training.history
        estimator.history_ = history
        estimator.loss_curve_ += history.get("loss", [])
        estimator.validation_curve_ += history.get("val_loss", [])
        estimator.n_iter_ += history.num_epochs


class FurtherValidation(Callback):
    """Measure further validation data after each epoch; in the history their names begin with "val_2_", "val_3_" and so on.

    Parameters
    ----------
    data : sequence of tuple
        Encoded rows, labels as the loss takes them, and weights, of each, before anything else.
    metrics : sequence of Metric
        What is measured besides the loss and its default metric.
    """

    def __init__(self, data: Sequence[Any], metrics: Sequence[Metric]) -> None:
        self.data, self.metrics = data, metrics

    def on_epoch_end(self, training: Training) -> None:
        """Measure all of them."""
        network = training.network
        for number, (rows, codes, weights, *_) in enumerate(self.data, 2):
            measured = network.evaluate(rows, codes, weights, self.metrics)
            training.history.append({f"val_{number}_{name}": value for name, value in measured.items()})
