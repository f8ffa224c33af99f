"""The options of a fit, checked in one place."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pysmorch.engine import Dtype, Engine, Precision, check_choice, check_threads
from pysmorch.entries import check_labelled
from pysmorch.layers.randomness import check_seed
from pysmorch.metrics import Metrics
from pysmorch.optimizers import Optimizer, OptimizerName
from pysmorch.training.callbacks import Callback, Training

DEFAULTS: dict[str, Any] = {
    "optimizer": "adam",
    "epochs": 10,
    "batch_size": 128,
    "accumulate": 1,
    "shuffle": True,
    "seed": None,
    "dtype": "float32",
    "precision": "float32",
}
"""Options of `Network.fit` that a resumed run takes from its checkpoint where they are left at these values."""

UNITS = {"s": ("s", 1.0), "min": ("s", 60.0), "h": ("s", 3600.0), "epoch": ("epochs", 1.0), "batch": ("batches", 1.0)}
"""Of the interval between checkpoints: what is counted, and how many of it one is."""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How a network is trained: the options of `Network.fit`, which documents them and has their defaults, as one object.

    Raises
    ------
    ValueError
        For an option out of range.
    """

    optimizer: OptimizerName | Optimizer
    epochs: int
    batch_size: int
    shuffle: bool
    seed: int | None
    validation_data: Sequence[Any] | None
    callbacks: Sequence[Callback | Callable[[Training], Any]]
    metrics: Metrics | None
    progress: bool | None
    dtype: Dtype
    engine: Engine
    threads: int | None
    precision: Precision
    checkpoint: str | Path | None = None
    every: str = "5 min"
    resume: Any = None
    accumulate: int = 1

    def __post_init__(self) -> None:
        for count in ("epochs", "batch_size", "accumulate"):
            _check_count(count, getattr(self, count))
        for choice in ("dtype", "engine", "precision"):
            check_choice(choice, getattr(self, choice))
        if self.seed is not None:
            check_seed(self.seed)
        if self.threads is not None:
            check_threads("threads", self.threads)
        interval(self.every)
        check_labelled("validation_data", self.validation_data)


def interval(every: str, what: str = "every") -> tuple[float, str]:
    """Return how much of what is between two checkpoints: of seconds ("s"), "epochs" or "batches".

    Parameters
    ----------
    every : str
        A number and a unit, such as "5 min", "30 s", "1 h", "2 epochs" or "500 batches".
    what : str, default="every"
        What a message calls it.

    Returns
    -------
    count : float
        The number.
    unit : str
        What is counted.

    Raises
    ------
    ValueError
        It is nothing of that kind.

    Examples
    --------
    >>> interval("5 min")
    (300.0, 's')
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", every) if isinstance(every, str) else None
    unit = match[2] if match else ""
    name = next((name for name in UNITS if unit in (name, f"{name}s", f"{name}es")), None)
    if match is None or name is None or not 0 < float(match[1]) < float("inf"):
        raise ValueError(
            f'{what} must be a number and a unit such as "5 min", "30 s", "1 h", "2 epochs" or "500 batches", but is {every!r}'
        )
    counted, factor = UNITS[name]
    return float(match[1]) * factor, counted


def _check_count(argument: str, value: Any) -> None:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{argument} must be a positive integer, but is {value!r}")
