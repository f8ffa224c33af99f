"""Metrics at run time: which ones are measured, in which direction, and their values for a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pysmorch import engine
from pysmorch.engine import Dataset, Totals
from pysmorch.layers.base import Array
from pysmorch.losses import Loss
from pysmorch.metrics import METRICS, Metric, Metrics, as_metrics

if TYPE_CHECKING:
    from pysmorch.network import Network


def metrics_beside(loss: Loss, metrics: Metrics | None) -> list[Metric]:
    """Return the metrics to be measured besides the default metric of the loss, which is measured with it.

    Raises ValueError for a metric that is not known, or takes what the loss does not predict.
    """
    made = [m for m in as_metrics(metrics) if m.name != loss.metric or m != METRICS.get(m.name)]
    for metric in made:
        if metric.takes not in loss.metric_inputs:
            possible = [name for name, other in METRICS.items() if other.takes in loss.metric_inputs]
            raise ValueError(
                f"metrics: {metric.name!r} takes {metric.takes}, which {type(loss).__name__} does not predict; take one "
                f"of {', '.join(possible)}, or a function of (labels, predictions)"
            )
    return made


def directions(loss: Loss, metrics: Sequence[Metric], has_validation: bool) -> dict[str, bool | None]:
    """Return what a history holds, with whether larger values are better; None where that is not known."""
    own = METRICS.get(loss.metric)
    measured: dict[str, bool | None] = {"loss": False, loss.metric: None if own is None else own.maximize}
    if has_validation:
        measured |= {f"val_{name}": maximize for name, maximize in measured.items()}
        measured |= {f"val_{metric.name}": metric.maximize for metric in metrics}
    return measured | {"learning_rate": None, "seconds": False}


def means(loss: Loss, totals: Totals, prefix: str) -> dict[str, float]:
    """Return the loss and its default metric by their names in a history."""
    return {prefix + "loss": totals.mean_loss, prefix + loss.metric: totals.mean_metric}


def measure_all(
    network: Network,
    data: Dataset,
    metrics: Sequence[Metric],
    prefix: str,
    engine_name: str,
    outputs: Array | None = None,
) -> dict[str, float]:
    """Return the loss, its default metric and other metrics for a data set, by their names in a history.

    Without `outputs` the rows are predicted: block by block, where no metric needs the outputs of all of them.
    """
    loss, predictor = network.loss, network.predictor_of(engine_name)
    if metrics and outputs is None:
        outputs = predictor(data.inputs)
    measures = means(loss, engine.evaluate(predictor, loss, data, outputs), prefix)
    if outputs is not None:
        measures |= {prefix + metric.name: _value(metric, loss, outputs, data) for metric in metrics}
    return measures


def _value(metric: Metric, loss: Loss, outputs: Array, data: Dataset) -> float:
    # Probabilities in float32 have ties, and sums that are not one, where those in float64 have none.
    precise = outputs if metric.takes == "predictions" else outputs.astype(np.float64)
    return metric.measure(*loss.metric_arguments(metric.takes, precise, data.labels), data.weights)
