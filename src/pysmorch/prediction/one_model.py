"""While an estimator is trained, other threads have the model from before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

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
