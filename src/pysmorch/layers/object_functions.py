"""Passes that were set on one object and not in its class, as in `layer.forward = lambda: ...`, which copies of layers cannot run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pysmorch.layers.attributes import attributes_of
from pysmorch.layers.graph import name_layers
from pysmorch.layers.native_form import is_ours


def object_functions(layers: Sequence[Any]) -> dict[str, str]:
    """Return what is wrong with layers of which a pass is a function that was set on the object, by the names of the layers.

    Training, prediction and checks run copies of the layers, whose input layers they replace; such a function goes on reading from the
    layer that it was written for.

    Parameters
    ----------
    layers : sequence of Layer
        A network.

    Returns
    -------
    dict of str to str
        A sentence without its beginning for each such layer.
    """
    texts = {name: _text(layer) for name, layer in zip(name_layers(layers), layers, strict=True)}
    return {name: text for name, text in texts.items() if text}


def refuse_object_functions(layers: Sequence[Any]) -> None:
    """Raise TypeError for the first of `object_functions`.

    Parameters
    ----------
    layers : sequence of Layer
        A network.
    """
    for name, text in object_functions(layers).items():
        raise TypeError(f"{name}: {text}")


def _text(layer: Any) -> str:
    stored = attributes_of(layer)
    for which in ("forward", "backward", "compute", "pull_back"):
        function = stored.get(which)
        if not callable(function):
            continue
        if which in ("forward", "backward") or is_ours(layer) or _refers_to(function, layer):
            what = "lambda" if getattr(function, "__name__", "") == "<lambda>" else type(function).__name__
            return (
                f"its {which} is a {what} that was set on this one object, and would run past the network; make it a method of the class, "
                f"or of a class derived from {type(layer).__name__}"
            )
    return ""


def _refers_to(function: Any, layer: Any) -> bool:
    """Whether a function is a method of the layer, or knows the layer from where it was written."""
    known = [getattr(function, "__self__", None), *getattr(function, "args", ())]
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # nothing is in it yet
            known.append(cell.cell_contents)
    code = getattr(function, "__code__", None)
    known += [function.__globals__.get(name) for name in code.co_names] if code is not None else []
    return any(one is layer for one in known)
