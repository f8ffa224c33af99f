"""A network as a C function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pysmorch.export.c.code import Code, pointer, size_of
from pysmorch.export.c.layers import ENTRY_BY_ENTRY, FORMS
from pysmorch.export.steps import RESHAPED, UNCHANGED, LiveRanges

SHARED = UNCHANGED + RESHAPED
"""Layers whose output is where their input is."""


def network_lines(code: Code, layers: Sequence[Any], inputs: dict[int, str], output: Any) -> list[str]:
    """Return the lines of a function that computes layers in a buffer.

    Parameters
    ----------
    code : Code
        To which constants and functions are added.
    layers : sequence of Layer
        In topological order.
    inputs : dict of int to str
        Pointers to what Data layers hold, by the ids of the layers.
    output : Layer
        What is written to `out`.

    Returns
    -------
    list of str
        Its declarations, calls, and the return of 0.
    """
    ranges = LiveRanges(layers, output, SHARED)
    values, starts = dict(inputs), dict[int, int]()
    for step, layer in enumerate(layers):
        if id(layer) in values:
            continue
        feeders = layer.in_layers
        if type(layer) in SHARED:
            values[id(layer)] = values[id(feeders[0])]
            continue
        source = ranges.source(feeders[0])
        ends = {ranges.source(feeder) for feeder in feeders if ranges.ends(feeder, step)}
        start = starts.get(source) if type(layer) in ENTRY_BY_ENTRY and source in ends else None
        starts[id(layer)] = code.memory.allocate(size_of(layer)) if start is None else starts.pop(source)
        values[id(layer)] = pointer(starts[id(layer)])
        FORMS[type(layer)](code, layer, [values[id(feeder)] for feeder in feeders], values[id(layer)])
        for ended in ends & set(starts):
            code.memory.release(starts.pop(ended))
    buffer = f"PYSMORCH_STORAGE float buffer[{code.memory.size}];"
    copied = f"memcpy(out, {values[id(output)]}, {size_of(output)} * sizeof(float));"
    lines = [buffer] if code.memory.size else []
    return [*lines, *code.lines, copied, "return 0;"]
