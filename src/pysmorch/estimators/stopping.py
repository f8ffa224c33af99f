"""When training ends before the last epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pysmorch.training import Callback, EarlyStopping
from pysmorch.training.ending import Converged


def stopping_for(estimator: Any, has_validation: bool, callbacks: Sequence[Any]) -> list[Callback]:
    """Return the callbacks that end a training, as the parameters of an estimator say.

    Parameters
    ----------
    estimator : NetworkEstimator
        With `early_stopping` and `patience`.
    has_validation : bool
        Whether there are validation data.
    callbacks : sequence of Callback or callable
        Those of the user; an `EarlyStopping` among them replaces that of the parameters.

    Returns
    -------
    list of Callback
        At most one.
    """
    if any(isinstance(callback, EarlyStopping) for callback in callbacks):
        return []
    if has_validation:
        return [EarlyStopping("val_loss", estimator.patience)] if estimator.early_stopping else []
    return [Converged(estimator.patience)]
