"""Optimizers: how a step changes the parameters, written for one flat array of all parameters.

In the formulas W are the parameters, g their gradients (clipped first), r the learning rate of the step times the
layer's `lr_factor`, and d the weight decay times the layer's `decay_factor`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.schedules import Schedule, as_schedule

Factors = Array | float

CACHE_LINE = 64


def aligned_zeros(size: int, dtype: Any) -> Array:
    """Return zeros that begin where a line of the cache does: the engine reads vectors of that size, none of them in two lines."""
    dtype = np.dtype(dtype)
    room = np.zeros(size * dtype.itemsize + CACHE_LINE, np.uint8)
    start = -room.__array_interface__["data"][0] % CACHE_LINE
    return room[start : start + size * dtype.itemsize].view(dtype)


class Optimizer:
    """The base of all optimizers: what they share, and their state between steps.

    An optimizer goes on where it was when it is handed to `fit` a second time; `reset` makes it forget.

    Args:
        learning_rate: a number, or a schedule.
        weight_decay: d, pulls the parameters towards 0.
        clip_norm: gradients with a larger Euclidean norm (over all parameters) are scaled down to it; None for never.

    Raises ValueError for numbers out of range.
    """

    state_names: tuple[str, ...] = ()
    """Arrays of the size of the parameters that are kept between steps."""

    def __init__(
        self, learning_rate: float | Schedule, weight_decay: float = 0.0, clip_norm: float | None = None
    ) -> None:
        self.learning_rate = learning_rate
        self.schedule = as_schedule(learning_rate)
        self.weight_decay = _number(self, "weight_decay", weight_decay)
        self.clip_norm = clip_norm if clip_norm is None else _number(self, "clip_norm", clip_norm)
        if self.clip_norm == 0:
            raise ValueError(f"{type(self).__name__}: clip_norm must be positive, or None for no clipping")
        self.reset()

    def reset(self) -> None:
        """Forget all steps."""
        self.num_steps = 0
        self.state: dict[str, Array] = {}

    def prepare(self, parameters: Array) -> None:
        """Make the state for these parameters, or go on with what is there."""
        if not self.state:
            self.state = {name: aligned_zeros(parameters.size, parameters.dtype) for name in self.state_names}
        for name, array in self.state.items():
            if array.shape != parameters.shape:
                raise ValueError(
                    f"this {type(self).__name__} has trained another network ({array.size} parameters, now "
                    f"{parameters.size}); use a new one for each network, or call reset()"
                )
            self.state[name] = array.astype(parameters.dtype, copy=False)

    def step(self, W: Array, g: Array, rate: float, rate_factors: Factors = 1.0, decay_factors: Factors = 1.0) -> None:
        """Change the parameters W in place, by one step along the gradients g; g is changed too."""
        self.num_steps += 1
        self.clip(g)
        self.update(W, g, rate * rate_factors, self.weight_decay * decay_factors)

    def clip(self, g: Array) -> None:
        """Scale g down in place to the norm `clip_norm`, if it is longer."""
        if self.clip_norm is not None:
            norm = float(np.sqrt(np.sum(np.square(g), dtype=np.float64)))
            if norm > self.clip_norm:
                g *= self.clip_norm / norm

    def update(self, W: Array, g: Array, r: Factors, d: Factors) -> None:
        """Change W in place; `state` and `num_steps` (1 in the first step) are there."""
        raise NotImplementedError

    def __repr__(self) -> str:
        shown = {k: v for k, v in vars(self).items() if k not in ("state", "schedule", "num_steps")}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


class SGD(Optimizer):
    """Stochastic gradient descent: g += d W; v = momentum v + g; W -= r v, or W -= r (g + momentum v) with Nesterov.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.

    >>> SGD(0.1, momentum=0.9, nesterov=True)
    SGD(learning_rate=0.1, weight_decay=0.0, clip_norm=None, momentum=0.9, nesterov=True)
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clip_norm)
        self.momentum = _share(self, "momentum", momentum)
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


class Adam(Optimizer):
    """Adam: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; W -= r (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon).

    t is the number of the step. Weight decay is added to the gradient first: g += d W; for the other kind see AdamW.
    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015.
    """

    state_names = ("mean", "square")

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clip_norm)
        self.beta1 = _share(self, "beta1", beta1)
        self.beta2 = _share(self, "beta2", beta2)
        self.epsilon = _number(self, "epsilon", epsilon)

    def update(self, W: Array, g: Array, r: Factors, d: Factors) -> None:
        """One step of Adam."""
        if self.weight_decay:
            g += d * W
        self.move(W, g, r)

    def move(self, W: Array, g: Array, r: Factors) -> None:
        """The step itself, without the decay."""
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
    """Adam with decay of its own: W -= r d W, then the step of Adam with the plain gradient.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
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

    Source: Tieleman and Hinton, "Neural networks for machine learning", lecture 6, 2012.
    """

    state_names = ("square", "velocity")

    def __init__(
        self,
        learning_rate: float | Schedule = 1e-3,
        decay: float = 0.99,
        epsilon: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clip_norm)
        self.decay = _share(self, "decay", decay)
        self.epsilon = _number(self, "epsilon", epsilon)
        self.momentum = _share(self, "momentum", momentum)

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


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW, "rmsprop": RMSprop}


def as_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """Return the optimizer, or a new one of that name."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    if not isinstance(optimizer, str) or optimizer.lower() not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, or an object such as Adam(1e-3), but is {optimizer!r}"
        )
    return OPTIMIZERS[optimizer.lower()]()


def _number(optimizer: Optimizer, argument: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)) or not 0 <= value < np.inf:
        raise ValueError(
            f"{type(optimizer).__name__}: {argument} must be a number that is not negative, but is {value!r}"
        )
    return float(value)


def _share(optimizer: Optimizer, argument: str, value: Any) -> float:
    if not _number(optimizer, argument, value) < 1:
        raise ValueError(f"{type(optimizer).__name__}: {argument} must be from 0 to below 1, but is {value!r}")
    return float(value)
