"""What is wrong with a gradient: known mistakes are tried on the numbers that were found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pysmorch.gradcheck.checker import Probe, Variable, other_inputs
from pysmorch.layers.base import Array
from pysmorch.layers.dense import Data
from pysmorch.layers.graph import feeders, run_forward, set_feeders

ANY_FACTOR = "a constant factor is wrong."
"""Ends the sentence for a factor that is none of the usual ones; for a single number it says nothing."""

CLOSE = 1e-5
"""Relative distance at which numbers found are taken to be those of a mistake."""


def explain(probe: Probe, variable: Variable, found: Array, expected: Array, index: tuple[int, ...]) -> str:
    """Return one sentence with the mistake that fits, or say that none of the known ones does.

    `expected` is NaN where a large array was not sampled; those entries are left out.
    """
    for guess in (_adds_up, _one_use, _constant_factor, _transposed, _one_row, _stale, _mask, _unchanged):
        sentence = guess(probe, variable, found, expected)
        if sentence:
            return sentence
    distance = abs(found[index] - expected[index]) / max(abs(expected[index]), 1e-300)
    wrong = int((~_entrywise(found, expected)).sum())
    return (
        f"No known mistake fits: {wrong} of {int(np.isfinite(expected).sum())} entries differ, "
        f"this one by {distance:.2g} of what is expected; a term may be missing or have a wrong factor."
    )


def explain_numbers(found: Array, expected: Array, dwnstrm: Array | None, num_data: int) -> str:
    """Return the sentence for a mistake that shows in the numbers alone; empty where none of the known ones fits.

    Args:
        found: the gradient that was found, with respect to W or the input.
        expected: what it should be; NaN where that is not known.
        dwnstrm: what was handed down to the layer, where the gradient is one for the input; else None.
        num_data: the size of the batch.
    """
    return (
        constant_factor(found, expected, num_data)
        or transposed(found, expected)
        or (mask(found, expected, dwnstrm) or unchanged(found, dwnstrm) if dwnstrm is not None else "")
    )


def _alike(found: Array, expected: Array) -> bool:
    """Whether two arrays agree in the entries that are known, and are not all zero."""
    return (
        found.shape == expected.shape and bool(_entrywise(found, expected).all()) and bool(np.nanmax(abs(expected)) > 0)
    )


def _entrywise(found: Array, expected: Array) -> Array:
    with np.errstate(invalid="ignore"):
        scale = np.nanmax(np.abs(expected), initial=0.0)
        return np.isnan(expected) | (np.abs(found - expected) <= CLOSE * np.maximum(np.abs(expected), 1e-3 * scale))


def _constant_factor(probe: Probe, variable: Variable, found: Array, expected: Array) -> str:
    return constant_factor(found, expected, _num_data(probe))


def constant_factor(found: Array, expected: Array, n: int) -> str:
    """Whether everything has the same wrong factor; n is the size of the batch."""
    if found.shape != expected.shape:
        return ""
    known = np.isfinite(expected)
    f, e = found[known], expected[known]
    if not e.any():
        return ""
    if not f.any():
        return "Everything found is 0: the gradient is not computed, or not handed on."
    factor = float(f @ e / (e @ e))
    if not _alike(found, factor * expected):
        return ""
    named = {
        -1.0: "Everything has the wrong sign.",
        2.0: "Everything is 2 times too large: a factor of 2.",
        0.5: "Everything is half of what it should be: a factor of 2 is missing.",
        -2.0: "Everything is 2 times too large and has the wrong sign.",
        float(n): f"Everything is {n} times too large, the size of the batch: a factor 1/batch is missing.",
        1 / n: f"Everything is {n} times too small, the size of the batch: divided by the batch once too often.",
    }
    for value, sentence in named.items():
        if abs(factor - value) <= CLOSE * abs(value):
            return sentence
    return f"Everything is {factor:.8g} times what it should be: {ANY_FACTOR}"


def _transposed(probe: Probe, variable: Variable, found: Array, expected: Array) -> str:
    return transposed(found, expected)


def transposed(found: Array, expected: Array) -> str:
    """Whether rows and columns have changed places."""
    if expected.ndim != 2 or min(expected.shape) < 2:
        return ""
    if found.shape == expected.T.shape and _alike(found, expected.T):
        return "This is the transpose of what it should be."
    if found.size == expected.size and _alike(found, expected.T.reshape(found.shape)):
        return "These are the entries of the transpose, reshaped: the transpose of what it should be."
    return ""


def _adds_up(probe: Probe, variable: Variable, found: Array, expected: Array) -> str:
    again = probe.gradients()[probe.variables.index(variable)]
    if _alike(again - found, expected):
        return (
            "A second pass adds to the gradient of the first: G must be set anew in every pass (G = instead of G +=)."
        )
    return ""


def _stale(probe: Probe, variable: Variable, found: Array, expected: Array) -> str:
    """Whether an input of the pass before was used."""
    again = probe.gradients()[probe.variables.index(variable)]
    with other_inputs(probe):
        earlier = probe.expected_gradient(variable)
    if _alike(again, expected) or _alike(found, earlier):
        return "The input of an earlier pass was used (stale input): keep the input in every forward pass."
    return ""


def _one_use(probe: Probe, variable: Variable, found: Array, expected: Array) -> str:
    """Whether the gradient is what it would be if one of several uses of a layer's output did not count."""
    for consumer, slot, feeder in _repeated_uses(probe):
        real = feeders(consumer)
        value = np.array(feeder.data if isinstance(feeder, Data) else run_forward(feeder))
        set_feeders(consumer, (*real[:slot], Data(value), *real[slot + 1 :]))
        try:
            without = probe.expected_gradient(variable)
        finally:
            set_feeders(consumer, real)
        if _alike(found, without):
            return (
                "One of several uses of the same array is not counted: the gradients that come back from all uses "
                "must be added (accumulated)."
            )
    return ""


def _repeated_uses(probe: Probe) -> Iterator[tuple[Any, int, Any]]:
    uses = [(node, slot, feeder) for node in probe.nodes for slot, feeder in enumerate(feeders(node))]
    for consumer, slot, feeder in uses:
        if sum(other is feeder for _, _, other in uses) > 1:
            yield consumer, slot, feeder


def _one_row(probe: Probe, variable: Variable, found: Array, expected: Array) -> str:
    """Whether the gradient is that of one row of the batch."""
    if variable.what != "W" or probe.weights is None or len(probe.weights) < 2:
        return ""
    for row in (0, len(probe.weights) - 1):
        probe.rows = slice(row, row + 1)
        try:
            of_row = probe.expected_gradient(variable)
        finally:
            probe.rows = slice(None)
        if _alike(found, of_row):
            which = "first" if row == 0 else "last"
            return f"This is what the {which} row of the batch gives alone: the sum over the batch is missing."
    return ""


def _mask(probe: Probe, variable: Variable, found: Array, expected: Array) -> str:
    return "" if variable.what == "W" or probe.weights is None else mask(found, expected, probe.weights)


def mask(found: Array, expected: Array, dwnstrm: Array) -> str:
    """Whether gradient is let through where the output does not depend on the input."""
    if not dwnstrm.shape == found.shape == expected.shape:
        return ""
    known = np.isfinite(expected)
    scale = np.nanmax(np.abs(expected), initial=0.0)
    closed = known & (np.abs(expected) <= 1e-9 * scale)
    if not closed.any() or closed.sum() == known.sum():
        return ""
    if _entrywise(found, expected)[~closed].all():
        return (
            f"The mask is not applied: the output does not depend on {int(closed.sum())} entries of the input, "
            "where 0 must be handed back."
        )
    if all((_entrywise(array, dwnstrm) | (np.abs(array) <= 1e-9 * scale)).all() for array in (found, expected)):
        return "Gradient is let through at the wrong entries: the mask was taken from the wrong array."
    return ""


def _unchanged(probe: Probe, variable: Variable, found: Array, expected: Array) -> str:
    return "" if variable.what == "W" or probe.weights is None else unchanged(found, probe.weights)


def unchanged(found: Array, dwnstrm: Array) -> str:
    """Whether the gradient is handed back as it came."""
    if _alike(found, dwnstrm):
        return "The gradient is handed back as it came: the derivative of the layer itself is not applied."
    return ""


def _num_data(probe: Probe) -> int:
    sources = [node for node in probe.nodes if isinstance(node, Data)]
    return len(sources[0].data) if sources else 1
