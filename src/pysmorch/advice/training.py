"""Remarks on a training: its learning rate, units that are dead, and a gap between training and held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pysmorch.engine.prediction import Predictor
from pysmorch.layers import Relu
from pysmorch.layers.base import Array

FEWEST_EPOCHS = 10
"""After fewer epochs nothing is said about the learning rate."""

HARDLY = 0.02
"""Nothing is learned if the loss is not below that of guessing by this share of it, the margin."""

LOST, LOST_HELD_OUT = 3.0, 1.5
"""Something was learned and lost if the held-out loss has risen by so many margins; without it, the loss from one quarter to the last."""

FAR_OFF = 1.5
"""A loss of so many times that of the first weights is far off: large steps have made it so."""

RISES = 0.1
"""A loss is falling if it rises in so many of the epochs at most."""

STILL_FALLING = 0.5
"""Training ends too soon if the second half of all steps, by the sum of their rates, lowers the held-out loss by so much of what the first does."""

DEAD_SHARE = 0.9
"""A layer is named if so many of its units, or more, are 0 for all rows looked at; weight decay puts out up to two thirds that are not needed."""

GAP = {"accuracy": 0.1, "R²": 0.2}
"""A gap between training and held-out rows is named from there on, if it is clear."""

CLEAR = 4.0
"""A gap is clear if it is larger than so many standard errors of the held-out measure."""


def remark_on_rate(history: Mapping[str, list[float]], guess: float | None, untrained: float) -> list[str]:
    """Return what is to be said about the learning rate.

    Parameters
    ----------
    history : mapping of str to list of float
        With "loss", "learning_rate" and, where it was measured, "val_loss".
    guess : float or None
        The loss of always guessing the same; None where it is not known.
    untrained : float
        About the loss that a network has at its first weights.

    Returns
    -------
    list of str
        One sentence, or none.
    """
    loss, held_out = np.array(history.get("loss", [])), np.array(history.get("val_loss", []))
    if len(loss) < FEWEST_EPOCHS or guess is None or guess <= 0:
        return []
    margin = HARDLY * guess
    if loss[-1] <= guess - margin:
        return _remark_on_end(history, guess, margin)
    found = f"the training has learned nothing (loss in epoch 1: {loss[0]:.4g}, in epoch {len(loss)}: {loss[-1]:.4g}, of guessing: {guess:.4g})"
    if len(held_out):
        lost = held_out[-1] > held_out.min() + LOST_HELD_OUT * margin
    else:  # that of few rows with dropout goes up and down from epoch to epoch
        quarters = [part.mean() for part in np.array_split(loss, 4)]
        lost = quarters[-1] > min(quarters) + LOST * margin
    if lost or loss.max() > FAR_OFF * untrained:
        return [f"{found}, after it was better or far worse: the learning rate is too high; try a tenth of it"]
    return [
        f"{found}: the learning rate is too low, or the columns say nothing about the target; try ten times the rate"
    ]


def _remark_on_end(history: Mapping[str, list[float]], guess: float, margin: float) -> list[str]:
    """Return what is to be said about a held-out loss that was still falling when the training ended."""
    held_out, rates = np.array(history.get("val_loss", [])), np.array(history.get("learning_rate", []))
    epochs = len(held_out)
    if epochs < FEWEST_EPOCHS or len(rates) != epochs or (np.diff(held_out) > 0).sum() > RISES * epochs:
        return []
    middle = int(np.searchsorted(rates.cumsum(), rates.sum() / 2))
    before, after = guess - held_out[middle], held_out[middle] - held_out[-1]
    if after < max(STILL_FALLING * before, margin):
        return []
    return [
        f"the held-out loss was still falling at the end (epoch {middle + 1}: {held_out[middle]:.4g}, epoch {epochs}: {held_out[-1]:.4g}): "
        "the learning rate is too low, or the epochs are too few; try three times the rate"
    ]


def remarks_on_dead_units(network: Any, rows: Array) -> list[str]:
    """Return what is to be said about ReLU layers many of whose units are 0 for all rows.

    Parameters
    ----------
    network : Network
        Trained, with one input.
    rows : ndarray of shape (N, ...)
        Encoded rows of the training.

    Returns
    -------
    list of str
        One sentence for each such layer.
    """
    remarks = []
    layers = [layer for layer in network.layers if isinstance(layer, Relu)]
    for number, layer in enumerate(layers, 1):
        outputs = Predictor(layer)([rows])
        dead = int((outputs.reshape(-1, outputs.shape[-1]).max(axis=0) <= 0).sum())
        if dead >= DEAD_SHARE * outputs.shape[-1]:
            remarks.append(
                f"{dead} of {outputs.shape[-1]} units of ReLU layer {number} are dead: 0 for all of {len(rows)} training rows, so that they learn "
                "nothing more; try a smaller learning rate, or another activation such as leakyrelu"
            )
    return remarks


def remark_on_gap(measure: str, training: Array, held_out: Array) -> list[str]:
    """Return what is to be said about a model that is much better on the rows of its training.

    Parameters
    ----------
    measure : str
        "accuracy", or "R²".
    training, held_out : ndarray
        What each row adds to the measure, which is the mean: whether it is right, or 1 - its squared error over the variance.

    Returns
    -------
    list of str
        One sentence, or none.
    """
    gap = training.mean() - held_out.mean()
    error = held_out.std() / np.sqrt(len(held_out))
    if gap < GAP[measure] or gap <= CLEAR * error:
        return []
    return [
        f"the model is much better on training rows than on held-out ones ({measure} {training.mean():.4f} and {held_out.mean():.4f}): it knows "
        "rows by heart; try more rows, dropout, weight decay, or a smaller network"
    ]
