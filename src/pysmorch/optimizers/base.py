"""The base of all optimizers, and the checks of their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from pysmorch.layers.base import Array
from pysmorch.schedules import Schedule, as_schedule

Factors = Array | float

CACHE_LINE = 64


def aligned_zeros(size: int, dtype: DTypeLike) -> Array:
    """Return zeros that begin at a cache line, so that no vector register's load spans two lines.

    Parameters
    ----------
    size : int
        Number of entries.
    dtype : dtype-like
        Of the entries.

    Returns
    -------
    ndarray of shape (size,)
        Zeros.
    """
    dtype = np.dtype(dtype)
    buffer = np.zeros(size * dtype.itemsize + CACHE_LINE, np.uint8)
    start = -buffer.__array_interface__["data"][0] % CACHE_LINE
    return buffer[start : start + size * dtype.itemsize].view(dtype)


class Optimizer:
    """The base of all optimizers: schedule, weight decay, clipping, and their state between steps.

    An optimizer that is passed to `fit` a second time continues with its state; `reset` clears it. A concrete optimizer
    has an `update`, and the names of its state arrays.

    Parameters
    ----------
    learning_rate : float or Schedule
        r, not negative.
    weight_decay : float or Schedule, default=0.0
        d, pulls the parameters towards 0; not negative.
    clip_norm : float, default=None
        Gradients with a larger Euclidean norm (over all parameters) are scaled down to it; None for never.

    Attributes
    ----------
    state : dict of str to ndarray of shape (P,)
        The state arrays by name, once there are parameters.
    num_steps : int
        Completed steps.
    schedule : Schedule
        The learning rate as a schedule.

    Raises
    ------
    ValueError
        For numbers out of range.
    """

    state_names: tuple[str, ...] = ()
    """State arrays, of the size of the parameters."""
    native: str | None = None
    """Name of the native form; a subclass that does not name one is trained on the reference path."""
    native_attributes: tuple[str, ...] = ()
    """The attributes that the native form reads, besides `weight_decay` and `clip_norm`."""

    def __init__(
        self,
        learning_rate: float | Schedule,
        weight_decay: float | Schedule = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.schedule = as_schedule(learning_rate)
        self.weight_decay = (
            weight_decay if isinstance(weight_decay, Schedule) else number(self, "weight_decay", weight_decay)
        )
        self.clip_norm = clip_norm if clip_norm is None else number(self, "clip_norm", clip_norm)
        if self.clip_norm == 0:
            raise ValueError(f"{type(self).__name__}: clip_norm must be positive, or None for no clipping")
        self.reset()

    def reset(self) -> None:
        """Clear the state: the next step is the first one."""
        self.num_steps = 0
        self.state: dict[str, Array] = {}

    def prepare(self, parameters: Array) -> None:
        """Make the state for these parameters, or continue with that which is there.

        Parameters
        ----------
        parameters : ndarray of shape (P,)
            All parameters of a network.

        Raises
        ------
        ValueError
            When the state is that of another number of parameters.
        """
        if not self.state:
            self.state = {name: aligned_zeros(parameters.size, parameters.dtype) for name in self.state_names}
        for name, array in self.state.items():
            if array.shape != parameters.shape:
                raise ValueError(
                    f"this {type(self).__name__} has trained another network ({array.size} parameters, now "
                    f"{parameters.size}); use a new one for each network, or call reset()"
                )
            self.state[name] = array.astype(parameters.dtype, copy=False)

    def step(
        self,
        W: Array,
        g: Array,
        rate: float,
        rate_factors: Factors = 1.0,
        decay_factors: Factors = 1.0,
        decay: float | None = None,
    ) -> None:
        """Take one step in place.

        Parameters
        ----------
        W, g : ndarray of shape (P,)
            Parameters and gradients; both are changed.
        rate : float
            Learning rate of the step.
        rate_factors, decay_factors : float or ndarray of shape (P,), default=1.0
            Factors of learning rate and weight decay.
        decay : float, default=None
            Weight decay of the step; None for that of the beginning of a training.
        """
        self.num_steps += 1
        self.clip(g)
        if decay is None:
            decay = as_schedule(self.weight_decay).rate(0, 1)
        self.update(W, g, rate * rate_factors, decay * decay_factors)

    def clip(self, g: Array) -> None:
        """Scale the gradients down in place to the norm `clip_norm`, if theirs is larger.

        Parameters
        ----------
        g : ndarray of shape (P,)
            Gradients.
        """
        if self.clip_norm is not None:
            norm = np.sqrt(np.sum(np.square(g), dtype=np.float64))
            g *= np.where(norm > self.clip_norm, self.clip_norm / np.maximum(norm, self.clip_norm), 1).astype(g.dtype)

    def update(self, W: Array, g: Array, r: Factors, d: Factors) -> None:
        """Change W in place; `state` is made already, and `num_steps` is 1 in the first step.

        Parameters
        ----------
        W, g : ndarray of shape (P,)
            Parameters and clipped gradients; g may be changed too.
        r, d : float or ndarray of shape (P,)
            Learning rate and weight decay, with their factors.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        shown = {k: v for k, v in vars(self).items() if k not in ("state", "schedule", "num_steps")}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


def number(optimizer: Optimizer, argument: str, value: Any) -> float:
    """Return an argument as a float, or raise ValueError where it is negative or no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)) or not 0 <= value < np.inf:
        raise ValueError(
            f"{type(optimizer).__name__}: {argument} must be a number that is not negative, but is {value!r}"
        )
    return float(value)


def fraction(optimizer: Optimizer, argument: str, value: Any) -> float:
    """Return an argument as a float, or raise ValueError where it is not from 0 to below 1."""
    if not number(optimizer, argument, value) < 1:
        raise ValueError(f"{type(optimizer).__name__}: {argument} must be from 0 to below 1, but is {value!r}")
    return float(value)
