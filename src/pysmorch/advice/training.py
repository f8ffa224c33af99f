"""Remarks on a training: its learning rate, units that are dead, and a gap between training and held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pysmorch.engine.prediction import Predictor
from pysmorch.layers import Relu
from pysmorch.layers.base import Array

FEWEST_EPOCHS = 5
"""After fewer epochs nothing is said about the learning rate."""

HARDLY = 0.02
"""A loss has hardly fallen, or clearly risen, by this share of the loss of guessing."""

STILL_FALLING = 0.5
"""Training ends too soon if the second half of all steps, by the sum of their rates, lowers the held-out loss by so much of what the first does."""

DEAD_SHARE = 0.9
"""A layer is named if so many of its units, or more, are 0 for all rows looked at; weight decay puts out up to two thirds that are not needed."""

GAP = {"accuracy": 0.1, "R²": 0.2}
"""A gap between training and held-out rows is named from there on, if it is clear."""

CLEAR = 3.0
"""A gap is clear if it is larger than so many standard errors of the held-out measure."""


def remark_on_rate(history: Mapping[str, list[float]], guess: float | None) -> list[str]:
    """Return what is to be said about the learning rate.

    Parameters
    ----------
    history : mapping of str to list of float
        With "loss", "learning_rate" and, where it was measured, "val_loss".
    guess : float or None
        The loss of always guessing the same; None where it is not known.

    Returns
    -------
    list of str
        One sentence, or none.
    """
    loss = np.array(history.get("loss", []))
    if len(loss) < FEWEST_EPOCHS or guess is None or guess <= 0:
        return []
    first, last, epochs = loss[0], loss[-1], len(loss)
    margin = HARDLY * guess
    if last > first + margin or (last > guess - margin and loss.max() > 2 * guess):
        return [
            f"the training loss did not fall (epoch 1: {first:.4g}, epoch {epochs}: {last:.4g}, always guessing the same: {guess:.4g}): the "
            "learning rate is too high; try a tenth of it"
        ]
    if last > guess - margin and first - last < margin:
        return [
            f"the training loss hardly fell (epoch 1: {first:.4g}, epoch {epochs}: {last:.4g}, always guessing the same: {guess:.4g}): the "
            "learning rate is too low, or the columns say nothing about the target; try ten times the rate"
        ]
    held_out, rates = np.array(history.get("val_loss", [])), np.array(history.get("learning_rate", []))
    if len(held_out) != epochs or len(rates) != epochs:
        return []
    middle = int(np.searchsorted(rates.cumsum(), rates.sum() / 2))
    before, after = guess - held_out[middle], held_out[middle] - held_out[-1]
    if before > 0 and after >= max(STILL_FALLING * before, margin) and held_out.argmin() >= epochs - 2:
        return [
            f"the held-out loss was still falling at the end (epoch {middle + 1}: {held_out[middle]:.4g}, epoch {epochs}: {held_out[-1]:.4g}): "
            "the learning rate is too low, or the epochs are too few; try three times the rate"
        ]
    return []


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
