"""What a layer says of itself: its arguments, in text and in copies."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np

PASS_ARRAYS = ("in_arrays", "out_array", "pass_back", "_computed_for")
"""Attributes that the graph's traversal sets in each layer."""

LAST_PASS = (*PASS_ARRAYS, "_G", "_G_is_bound")
"""Attributes that belong to the last pass and not to the layer."""


@cache
def arguments_of(cls: type) -> tuple[str, ...]:
    """Return the names of the constructor's arguments; those of `*layers` and the like have none."""
    parameters = inspect.signature(cls).parameters.values()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))


class Description:
    """The arguments of a layer, for its text, its copies and its entry in a file."""

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's arguments besides the input layers, by name."""
        cls: Any = type(self)
        return {name: getattr(self, name) for name in arguments_of(cls) if name != "in_layer"}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config.items() if np.size(value) <= 4)
        return f"{type(self).__name__}({arguments})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the layer without its last pass, so that a copy or a pickle does not hold a batch."""
        # A copy, since another thread may add to the attributes.
        return {name: value for name, value in dict(vars(self)).items() if name not in LAST_PASS}
