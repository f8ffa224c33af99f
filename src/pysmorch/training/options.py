"""The options of a fit, checked in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.engine import Dtype, Engine, Precision, check_choice, check_threads
from pysmorch.entries import check_labelled
from pysmorch.layers.randomness import check_seed
from pysmorch.metrics import Metrics
from pysmorch.optimizers import Optimizer, OptimizerName
from pysmorch.training.callbacks import Callback, Training


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

    def __post_init__(self) -> None:
        for count in ("epochs", "batch_size"):
            _check_count(count, getattr(self, count))
        for choice in ("dtype", "engine", "precision"):
            check_choice(choice, getattr(self, choice))
        if self.seed is not None:
            check_seed(self.seed)
        if self.threads is not None:
            check_threads("threads", self.threads)
        check_labelled("validation_data", self.validation_data)


def _check_count(argument: str, value: Any) -> None:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{argument} must be a positive integer, but is {value!r}")
