"""Values of a network's outputs that are explained, with their gradients."""

from __future__ import annotations

import numpy as np

from pysmorch.explaining.gradients import Head
from pysmorch.layers.base import Array

LOG_ODDS = "log-odds of the class"


def log_odds(outputs: Array, which: Array) -> tuple[Array, Array]:
    """Return the log-odds of a class of each row, and their gradient.

    Parameters
    ----------
    outputs : ndarray of shape (M, K)
        Logits.
    which : ndarray of int, shape (M,)
        The class index k of each row.

    Returns
    -------
    values : ndarray of shape (M,)
        log(p_k / (1 - p_k)), which is z_k - log Σ exp(z_j) over all j but k; of two classes the difference of the logits.
    gradients : ndarray of shape (M, K)
        1 for k, and for the others what is minus their probability where the class is not k.
    """
    rows = np.arange(len(outputs))
    others = outputs.copy()
    others[rows, which] = -np.inf
    largest = others.max(axis=1, keepdims=True)
    powers = np.exp(others - largest)
    total = powers.sum(axis=1, keepdims=True)
    gradients = -powers / total
    gradients[rows, which] = 1.0
    return outputs[rows, which] - (largest + np.log(total))[:, 0], gradients


def scaled(mean: Array, scale: Array) -> Head:
    """Return what makes an output of each row, in the units of the target, and its gradient.

    Parameters
    ----------
    mean, scale : ndarray of shape (K,) or (1,)
        The prediction is output * scale + mean.

    Returns
    -------
    callable
        Of outputs (M, K) and the index of one for each row.
    """

    def head(outputs: Array, which: Array) -> tuple[Array, Array]:
        rows = np.arange(len(outputs))
        scales, means = (np.broadcast_to(array, outputs.shape[1:])[which] for array in (scale, mean))
        gradients = np.zeros(outputs.shape)
        gradients[rows, which] = scales
        return outputs[rows, which] * scales + means, gradients

    return head
