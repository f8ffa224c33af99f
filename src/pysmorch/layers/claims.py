"""What is being trained: one fit at a time changes a network, its parameters and its optimizer."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_trained: dict[int, tuple[Any, int]] = {}
"""Each object that is being trained, by its `id`, with the thread. Its methods are atomic, so that it needs no lock."""


def _forget_other_threads() -> None:
    """Only the thread that forks is in the child."""
    here = threading.get_ident()
    for key in [key for key, (_, thread) in _trained.items() if thread != here]:
        del _trained[key]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)


@contextmanager
def being_trained(objects: Sequence[Any]) -> Iterator[None]:
    """While this lasts, the objects are not trained by another fit.

    Parameters
    ----------
    objects : sequence
        Layers, losses, optimizers or estimators.

    Yields
    ------
    None

    Raises
    ------
    RuntimeError
        When one of them is being trained.
    """
    here = threading.get_ident()
    claimed = []
    try:
        for one in objects:
            claim = (one, here)
            owner = _trained.setdefault(id(one), claim)
            if owner is not claim:
                by = "the fit that this call is made from" if owner[1] == here else "another thread"
                raise RuntimeError(
                    f"{type(one).__name__} is being trained by {by}, and two trainings at a time would mix their "
                    "results; wait until that one has ended, or train a copy (copy.deepcopy)"
                )
            claimed.append(id(one))
        yield
    finally:
        for key in claimed:
            del _trained[key]


def is_being_trained(one: Any) -> bool:
    """Whether a fit is changing an object."""
    return id(one) in _trained
