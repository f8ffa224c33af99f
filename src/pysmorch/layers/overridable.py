"""Functions of layers that arrays of another kind compute in their own way."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def overridable(function: Function) -> Function:
    """Let arguments replace a function: one that has it in its `overrides`, a mapping by name, computes it.

    NumPy's own functions ask their arguments in the same way (`__array_function__`); arrays of NumPy have no `overrides`.

    Parameters
    ----------
    function : callable
        Of arrays or numbers.

    Returns
    -------
    callable
        The same function for NumPy's arrays.
    """
    name = function.__name__

    @wraps(function)
    def dispatched(*arguments: Any, **named: Any) -> Any:
        for argument in arguments:
            replacement = getattr(argument, "overrides", {}).get(name)
            if replacement is not None:
                return replacement(*arguments, **named)
        return function(*arguments, **named)

    return dispatched  # type: ignore[return-value]
