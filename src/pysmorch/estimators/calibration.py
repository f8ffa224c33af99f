"""Calibration: outputs z become a z + (1 - a) b.

The last dense layer is changed, or the scale at the end of an ensemble, so that all that predicts has it.

Of classes, b = 0 makes a the inverse of a temperature (Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks",
2017). `small.py` chooses a and b by cross-validation, `temperature` chooses a by held-out rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from pysmorch.layers import Bias, Linear, Scale
from pysmorch.layers.base import Array

LARGEST = 20.0
"""Temperatures are between this and its inverse."""


class Calibration(NamedTuple):
    """How outputs are brought nearer to an anchor.

    Attributes
    ----------
    trust : float or ndarray of shape (K,)
        a, from 0.
    anchor : ndarray of shape (K,)
        b.
    """

    trust: float | Array
    anchor: Array

    def of(self, outputs: Array) -> Array:
        """Return a z + (1 - a) b.

        Parameters
        ----------
        outputs : ndarray of shape (N, K)
            z.

        Returns
        -------
        ndarray of shape (N, K)
            The calibrated outputs.
        """
        return self.trust * outputs + (1 - self.trust) * self.anchor

    def of_mean(self) -> Calibration:
        """Return that of the mean of several networks, from that of each of them.

        The mean varies less than each of them, so more of it is to be trusted: the root of an a below 1 is between a and 1.

        Returns
        -------
        Calibration
            With the same anchor.
        """
        return Calibration(np.maximum(self.trust, np.sqrt(self.trust)), self.anchor)


def temperature(logits: Array, codes: Array, weights: Array | None) -> Calibration:
    """Return the temperature with the smallest log loss of these rows.

    The log loss is convex in the inverse of the temperature, so the smallest one is found.

    Parameters
    ----------
    logits : ndarray of float64, shape (N, K)
        Outputs of held-out rows.
    codes : ndarray of int, shape (N,)
        Their class indices.
    weights : ndarray of shape (N,) or None
        Their weights.

    Returns
    -------
    Calibration
        With the anchor 0.
    """
    shifted = logits - logits.max(1, keepdims=True)
    right = shifted[np.arange(len(codes)), codes]
    w = np.ones(len(codes)) if weights is None else weights

    def loss(log_trust: float) -> float:
        # A sum of NumPy, unlike a product of BLAS, has the same bits for any number of threads.
        trust = np.exp(log_trust)
        return float(np.sum(w * (logsumexp(trust * shifted, axis=1) - trust * right)))

    found = minimize_scalar(loss, bounds=(-np.log(LARGEST), np.log(LARGEST)), method="bounded")
    return Calibration(float(np.exp(found.x)), np.zeros(logits.shape[1]))


def check_can_calibrate(output: Any) -> None:
    """Raise ValueError where outputs cannot be calibrated, because the last layers are not a `Linear` and a `Bias`.

    Parameters
    ----------
    output : Layer
        The output layer.
    """
    if not isinstance(output, Bias) or not isinstance(output.in_layer, (Linear, Scale)):
        raise ValueError(
            f"calibrate=True needs a network that ends with a Linear layer and a Bias, but it ends with {type(output).__name__}; "
            "let it end with dense(..., activation=None), or leave calibrate out"
        )


def calibrate(output: Any, calibration: Calibration) -> None:
    """Change the last layers so that their outputs z become a z + (1 - a) b.

    Parameters
    ----------
    output : Bias
        The output layer, after a Linear or a Scale.
    calibration : Calibration
        a and b.
    """
    assert isinstance(output, Bias)
    assert isinstance(output.in_layer, (Linear, Scale))
    trust, anchor = calibration
    output.in_layer.W *= trust
    output.W *= trust
    output.W += (1 - trust) * anchor
