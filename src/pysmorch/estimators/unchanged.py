"""An estimator whose training fails is what it was before, and until a training ends other threads have the model from before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from pysmorch.layers.claims import being_trained

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")

BEFORE = "_before_training"
"""Entry of an estimator's attributes while it is trained: those from before, which nobody changes, and the thread that trains."""


def state_of(estimator: Any) -> dict[str, Any]:
    """Return the attributes of an estimator that are those of one model.

    Parameters
    ----------
    estimator : NetworkEstimator
        Fitted or not; another thread may be training it.

    Returns
    -------
    dict
        Its attributes; while another thread trains it, those from before. A training that begins later does not change them.
    """
    attributes = vars(estimator)
    before, thread = attributes.get(BEFORE, (attributes, None))
    return attributes if thread == threading.get_ident() else before


def of_one_model(method: Callable[Concatenate[T, P], R]) -> Callable[Concatenate[T, P], R]:
    """Let a method read the attributes of one model, also where another thread fits the estimator again meanwhile.

    Parameters
    ----------
    method : callable
        Of an estimator; it only reads.

    Returns
    -------
    callable
        The same, for an object of its own with those attributes.
    """

    @wraps(method)
    def read(estimator: T, /, *arguments: P.args, **options: P.kwargs) -> R:
        model = object.__new__(type(estimator))
        model.__dict__ = state_of(estimator)
        return method(model, *arguments, **options)

    return read


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
