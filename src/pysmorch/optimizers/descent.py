"""Gradient descent with one rate for all parameters."""

from __future__ import annotations

from typing import Literal

from pysmorch.layers.base import Array
from pysmorch.optimizers.base import Factors, Optimizer, fraction
from pysmorch.schedules import Schedule

__all__ = ["SGD"]

DescentName = Literal["sgd"]


class SGD(Optimizer):
    """Stochastic gradient descent: g += d W; v = momentum v + g; W -= r v, or W -= r (g + momentum v) with Nesterov.

    Parameters
    ----------
    learning_rate : float or Schedule, default=0.01
        r, not negative.
    momentum : float, default=0.0
        From 0 to below 1.
    nesterov : bool, default=False
        Whether the step looks ahead along v; needs a momentum.
    weight_decay : float or Schedule, default=0.0
        d, added to the gradient as d W; not negative.
    clip_norm : float, default=None
        Gradients with a larger Euclidean norm (over all parameters) are scaled down to it; None for never.

    Raises
    ------
    ValueError
        For numbers out of range, and for `nesterov` without momentum.

    Notes
    -----
    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.

    Examples
    --------
    >>> SGD(0.1, momentum=0.9, nesterov=True)
    SGD(learning_rate=0.1, weight_decay=0.0, clip_norm=None, momentum=0.9, nesterov=True)
    """

    native = "sgd"
    native_attributes = ("momentum", "nesterov")

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | Schedule = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clip_norm)
        self.momentum = fraction(self, "momentum", momentum)
        self.nesterov = bool(nesterov)
        if self.nesterov and not self.momentum:
            raise ValueError("SGD: nesterov needs a momentum above 0")

    @property
    def state_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The velocity v, where there is momentum."""
        return ("velocity",) if self.momentum else ()

    def update(self, W: Array, g: Array, r: Factors, d: Factors) -> None:
        """One step of SGD."""
        if self.weight_decay:
            g += d * W
        if not self.momentum:
            W -= r * g
            return
        v = self.state["velocity"]
        v *= self.momentum
        v += g
        W -= r * (g + self.momentum * v if self.nesterov else v)
