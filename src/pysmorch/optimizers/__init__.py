"""Optimizers: how a step changes the parameters, written for one flat array of all parameters.

In the formulas W are the parameters, g their gradients (clipped first), r the learning rate of the step times the
layer's `lr_factor`, and d the weight decay times the layer's `decay_factor`.
"""

from __future__ import annotations

from typing import Any

from pysmorch.optimizers import adaptive, descent
from pysmorch.optimizers.adaptive import *  # noqa: F403
from pysmorch.optimizers.base import Factors, Optimizer, aligned_zeros
from pysmorch.optimizers.descent import *  # noqa: F403

__all__ = ["OPTIMIZERS", "Factors", "Optimizer", "OptimizerName", "aligned_zeros", "as_optimizer"]
__all__ += adaptive.__all__
__all__ += descent.__all__

OPTIMIZERS: dict[str, type[Any]] = {
    name.lower(): getattr(family, name) for family in (descent, adaptive) for name in family.__all__
}
"""The optimizers by the names that `fit`, the estimators and the command line take."""

OptimizerName = descent.DescentName | adaptive.AdaptiveName
"""The same names, for type checkers."""


def as_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """Return the optimizer, or a new one of that name with its defaults.

    Parameters
    ----------
    optimizer : str or Optimizer
        A name in `OPTIMIZERS`, in any case, or an object.

    Returns
    -------
    Optimizer
        The optimizer.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if not isinstance(optimizer, str) or optimizer.lower() not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, or an object such as Adam(1e-3), but is {optimizer!r}"
        )
    made: Optimizer = OPTIMIZERS[optimizer.lower()]()
    return made
