"""An estimator whose training fails is what it was before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pysmorch.layers.claims import being_trained
from pysmorch.prediction.one_model import BEFORE, state_of


@contextmanager
def unchanged_on_error(estimator: Any, goes_on: bool) -> Iterator[None]:
    """Inside this context an exception, also Ctrl-C, leaves an estimator as it was before, fitted or not.

    Ctrl-C in a first training leaves what was learned in the epochs until then, with their history: there is nothing to go back to.

    Parameters
    ----------
    estimator : NetworkEstimator
        What is trained; by one thread at a time.
    goes_on : bool
        Whether its network is trained further, and not replaced by a new one.

    Yields
    ------
    None
    """
    with being_trained([estimator]):
        before = state_of(estimator)
        learned = Learned(estimator) if goes_on else None
        source = estimator.random_state
        drawn = source.get_state() if isinstance(source, np.random.RandomState) else None
        estimator.__dict__ = {**before, BEFORE: (before, threading.get_ident())}
        try:
            yield
            del vars(estimator)[BEFORE]
        except BaseException as error:
            is_first = "network_" not in before
            if is_first and isinstance(error, KeyboardInterrupt) and getattr(estimator, "n_iter_", 0) > 0:
                del vars(estimator)[BEFORE]
                raise
            estimator.__dict__ = before
            if learned is not None:
                learned.restore()
            if drawn is not None:
                source.set_state(drawn)
            raise


class Learned:
    """What a fitted estimator changes in place when its network is trained further.

    Parameters
    ----------
    estimator : NetworkEstimator
        Fitted.
    """

    def __init__(self, estimator: Any) -> None:
        self._network, self._optimizer, self._encoder = estimator.network_, estimator.optimizer_, estimator.encoder_
        self._weights = self._network.snapshot()
        self._of_optimizer = dict(vars(self._optimizer))
        self._state = {name: (array, array.copy()) for name, array in self._optimizer.state.items()}
        self._of_encoder = dict(vars(self._encoder))
        self._curves = [(curve, len(curve)) for curve in (estimator.loss_curve_, estimator.validation_curve_)]

    def restore(self) -> None:
        """Set all of it to what it was."""
        self._network.restore(self._weights)
        vars(self._optimizer).update(self._of_optimizer)
        for array, values in self._state.values():
            array[...] = values
        self._optimizer.state = {name: array for name, (array, _) in self._state.items()}
        vars(self._encoder).update(self._of_encoder)
        for curve, length in self._curves:
            del curve[length:]
