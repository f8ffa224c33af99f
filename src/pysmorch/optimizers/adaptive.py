"""Optimizers that scale the step of each parameter by the size of its gradients."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.optimizers.base import Factors, Optimizer, fraction, number
from pysmorch.schedules import Schedule

__all__ = ["Adam", "AdamW", "RMSprop"]

AdaptiveName = Literal["adam", "adamw", "rmsprop"]


class Adam(Optimizer):
    """Adam: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; W -= r (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon).

    t is the number of the step. Weight decay is added to the gradient first: g += d W.

    Parameters
    ----------
    learning_rate : float or Schedule, default=1e-3
        r, not negative.
    beta1 : float, default=0.9
        Of the mean, from 0 to below 1.
    beta2 : float, default=0.999
        Of the squares, from 0 to below 1.
    epsilon : float, default=1e-8
        Keeps the quotient finite; not negative.
    weight_decay : float or Schedule, default=0.0
        d, added to the gradient as d W; not negative.
    clip_norm : float, default=None
        Gradients with a larger Euclidean norm (over all parameters) are scaled down to it; None for never.

    Raises
    ------
    ValueError
        For numbers out of range.

    See Also
    --------
    AdamW : Weight decay apart from the gradient.

    Notes
    -----
    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015.
    """

    state_names = ("mean", "square")
    native = "adam"
    native_attributes = ("beta1", "beta2", "epsilon")

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float | Schedule = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clip_norm)
        self.beta1 = fraction(self, "beta1", beta1)
        self.beta2 = fraction(self, "beta2", beta2)
        self.epsilon = number(self, "epsilon", epsilon)

    def update(self, W: Array, g: Array, r: Factors, d: Factors) -> None:
        """One step of Adam."""
        if self.weight_decay:
            g += d * W
        self.move(W, g, r)

    def move(self, W: Array, g: Array, r: Factors) -> None:
        """Take the step without weight decay.

        Parameters
        ----------
        W, g : ndarray of shape (P,)
            Parameters, changed in place, and gradients.
        r : float or ndarray of shape (P,)
            Learning rate, with its factors.
        """
        m, v = self.state["mean"], self.state["square"]
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * np.square(g)
        root = np.sqrt(v)
        root /= (1 - self.beta2**self.num_steps) ** 0.5
        root += self.epsilon
        W -= r / (1 - self.beta1**self.num_steps) * m / root


class AdamW(Adam):
    """Adam with decoupled weight decay: W -= r d W, then the step of Adam with the plain gradient.

    Parameters
    ----------
    learning_rate : float or Schedule, default=1e-3
        r, not negative.
    beta1 : float, default=0.9
        Of the mean, from 0 to below 1.
    beta2 : float, default=0.999
        Of the squares, from 0 to below 1.
    epsilon : float, default=1e-8
        Keeps the quotient finite; not negative.
    weight_decay : float or Schedule, default=0.01
        d, applied to the parameters directly; not negative.
    clip_norm : float, default=None
        Gradients with a larger Euclidean norm (over all parameters) are scaled down to it; None for never.

    Raises
    ------
    ValueError
        For numbers out of range.

    Notes
    -----
    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    """

    native = "adamw"

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float | Schedule = 0.01,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, weight_decay, clip_norm)

    def update(self, W: Array, g: Array, r: Factors, d: Factors) -> None:
        """One step of AdamW."""
        if self.weight_decay:
            W -= r * d * W
        self.move(W, g, r)


class RMSprop(Optimizer):
    """RMSprop: g += d W; s = decay s + (1 - decay) g^2; v = momentum v + g / (sqrt(s) + epsilon); W -= r v.

    Parameters
    ----------
    learning_rate : float or Schedule, default=1e-3
        r, not negative.
    decay : float, default=0.99
        Of the squares, from 0 to below 1.
    epsilon : float, default=1e-8
        Keeps the quotient finite; not negative.
    momentum : float, default=0.0
        From 0 to below 1.
    weight_decay : float or Schedule, default=0.0
        d, added to the gradient as d W; not negative.
    clip_norm : float, default=None
        Gradients with a larger Euclidean norm (over all parameters) are scaled down to it; None for never.

    Raises
    ------
    ValueError
        For numbers out of range.

    Notes
    -----
    Source: Tieleman and Hinton, "Neural networks for machine learning", lecture 6, 2012.
    """

    state_names = ("square", "velocity")
    native = "rmsprop"
    native_attributes = ("decay", "epsilon", "momentum")

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-3,
        decay: float = 0.99,
        epsilon: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float | Schedule = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clip_norm)
        self.decay = fraction(self, "decay", decay)
        self.epsilon = number(self, "epsilon", epsilon)
        self.momentum = fraction(self, "momentum", momentum)

    def update(self, W: Array, g: Array, r: Factors, d: Factors) -> None:
        """One step of RMSprop."""
        s, v = self.state["square"], self.state["velocity"]
        if self.weight_decay:
            g += d * W
        s *= self.decay
        s += (1 - self.decay) * np.square(g)
        v *= self.momentum
        v += g / (np.sqrt(s) + self.epsilon)
        W -= r * v
