"""What is wrong with a gradient that `check` has found: mistakes that show in the numbers, and those that need further passes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from pysmorch.gradcheck.mistakes import alike, entrywise, first_that_fits, guesses_by_numbers
from pysmorch.gradcheck.probe import Probe, Variable, other_inputs
from pysmorch.layers.base import Array
from pysmorch.layers.dense import Data
from pysmorch.layers.graph import feeders, run_forward, set_feeders


def explain(probe: Probe, variable: Variable, found: Array, expected: Array, index: tuple[int, ...]) -> str:
    """Return one sentence with the mistake that fits, or say that none of the known ones does.

    `expected` is NaN where a large array was not sampled; those entries are left out.
    """
    dwnstrm = None if variable.what == "W" else probe.weights
    factor, transposed, *others = guesses_by_numbers(found, expected, dwnstrm, _num_data(probe))
    adds_up, one_use, one_row, stale = (
        partial(guess, probe, variable, found, expected) for guess in (_adds_up, _one_use, _one_row, _stale)
    )
    sentence = first_that_fits([adds_up, one_use, factor, transposed, one_row, stale, *others])
    if sentence:
        return sentence
    distance = abs(found[index] - expected[index]) / max(abs(expected[index]), 1e-300)
    wrong = int((~entrywise(found, expected)).sum())
    return (
        f"No known mistake fits: {wrong} of {int(np.isfinite(expected).sum())} entries differ, "
        f"this one by {distance:.2g} of what is expected; a term may be missing or have a wrong factor."
    )


def _adds_up(probe: Probe, variable: Variable, found: Array, expected: Array) -> str:
    again = probe.gradients()[probe.variables.index(variable)]
    if alike(again - found, expected):
        return (
            "A second pass adds to the gradient of the first: G must be set anew in every pass (G = instead of G +=)."
        )
    return ""


def _stale(probe: Probe, variable: Variable, found: Array, expected: Array) -> str:
    """Whether an input of the pass before was used."""
    again = probe.gradients()[probe.variables.index(variable)]
    is_stale = alike(again, expected)
    if not is_stale:
        with other_inputs(probe):
            is_stale = alike(found, probe.expected_gradient(variable))
    if is_stale:
        return "The input of an earlier pass was used (stale input): store the input in every forward pass."
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
        if alike(found, without):
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
        if alike(found, of_row):
            which = "first" if row == 0 else "last"
            return f"This is what the {which} row of the batch gives alone: the sum over the batch is missing."
    return ""


def _num_data(probe: Probe) -> int:
    sources = [node for node in probe.nodes if isinstance(node, Data)]
    return len(sources[0].data) if sources else 1
