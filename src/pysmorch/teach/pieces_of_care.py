"""Tests of what lessons 11 and 13 have: the start of weights, dead units, three sets of data, and weight decay."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.checks import Trial
from pysmorch.teach.exercises import generator
from pysmorch.teach.piece import RIGHT, Weights, first_fit, numbers_in, say, trial

INPUTS, OUTPUTS = 400, 100
"""Sizes of the weights that are measured."""


def _deviation(function: Any) -> tuple[str, str]:
    drawn = function(INPUTS, OUTPUTS, np.random.default_rng(0))
    found = numbers_in(drawn, "What start_weights returns", (INPUTS, OUTPUTS))
    if abs(np.mean(found)) > 0.2 * np.std(found):
        return "The mean of the weights is not 0: rng.standard_normal has it", say(0, f"{np.mean(found):.3g}", "mean")
    expected, deviation = float(np.sqrt(2 / INPUTS)), float(np.std(found))
    if abs(deviation / expected - 1) < 0.03:
        return RIGHT
    known = {
        "The variance is 1 / D: the ReLU takes half of the mean square, so it has to be 2 / D": np.sqrt(1 / INPUTS),
        "This is 2 / D as the deviation: it is the variance, so the root is missing": 2 / INPUTS,
        "The number of outputs is used: a sum has as many terms as there are inputs": np.sqrt(2 / OUTPUTS),
        "The weights are not made smaller: a sum of D of them gets large": 1.0,
        "Multiply by the root of 2 / D, do not divide by it": np.sqrt(INPUTS / 2),
        "The 2 belongs into the numerator: the root of 2 / D": np.sqrt(1 / (2 * INPUTS)),
        "The D is missing: the root of 2 / D": np.sqrt(2),
    }
    fits = [cause for cause, value in known.items() if abs(deviation / value - 1) < 0.03]
    cause = fits[0] if fits else "The deviation of the weights is not the root of 2 / D, D being the number of inputs"
    return cause, say(f"{expected:.4f}", f"{deviation:.4f}", f"deviation for {INPUTS} inputs, {OUTPUTS} outputs")


def _new_numbers(function: Any) -> tuple[str, str]:
    first, other = (numbers_in(function(3, 2, generator(seed)), "What it returns") for seed in (0, 1))
    if np.array_equal(first, other):
        return "Every rng gives the same weights: draw from the rng that is handed over", say(
            "different weights", "the same ones", "for two seeds"
        )
    if not np.array_equal(first, function(3, 2, generator(0))):
        return "The same rng gives different weights: draw from it only", say(
            "the same weights", "different ones", "for the same seed twice"
        )
    return RIGHT


SOME_UNITS = np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.5, 0.0]])


def _dead(function: Any) -> tuple[str, str]:
    found = numbers_in(function(SOME_UNITS.copy()), "What dead_units returns", ())
    example = say(2, f"{found:g}", f"dead units of {SOME_UNITS.tolist()}")
    known = {
        "These are units that are 0 in some row (any); a dead one is 0 in every row (all)": 4.0,
        "Rows are counted: a unit is a column, axis=0": 1.0,
        "All zeros are counted: a unit counts once, and only if its whole column is 0": float(np.sum(SOME_UNITS == 0)),
    }
    if found == 2:
        return RIGHT
    arrays = {cause: np.array(value) for cause, value in known.items()}
    return first_fit(arrays, found) or "This is not the number of columns of zeros", example


def _all_alive(function: Any) -> tuple[str, str]:
    alive = np.eye(3)
    found = numbers_in(function(alive.copy()), "What dead_units returns", ())
    if found == 0:
        return RIGHT
    return "A unit that answers to one row only is alive", say(0, f"{found:g}", f"{alive.tolist()}")


NUM_ROWS = 20


def _parts(function: Any) -> tuple[str, str]:
    found = function(NUM_ROWS, generator(0))
    if not isinstance(found, (tuple, list)) or len(found) != 3:
        return "Three arrays are to be returned", say("3 arrays", type(found).__name__, "it returns")
    parts = [numbers_in(part, "One of the three sets") for part in found]
    if any(part.ndim != 1 for part in parts):
        return "Each of the three sets is a row of numbers", say(1, [part.ndim for part in parts], "axes")
    sizes = [len(part) for part in parts]
    rows = np.sort(np.concatenate(parts)).tolist()
    if len(set(rows)) < len(rows):
        return "A row is in two of the sets: cut one permutation into three", say(
            "none", "some", "rows that are twice in"
        )
    if sizes != [12, 4, 4]:
        return "The sets have the wrong sizes", say([12, 4, 4], sizes, f"sizes for {NUM_ROWS} rows")
    if rows != list(range(NUM_ROWS)):
        return "These are not the numbers of the rows, from 0 on", say(list(range(NUM_ROWS)), rows, "all together")
    if parts[0].tolist() == list(range(12)):
        return "The rows are in their old order: data are often sorted, so put them into random order", say(
            "a permutation", parts[0].tolist(), "the training set"
        )
    return RIGHT


RATE, DECAY = 0.1, 0.5
KINDS: dict[str, Any] = {
    "The learning rate is missing: a step takes rate times decay times W away": 1 - DECAY,
    "The weights grow: the factor is 1 minus rate * decay": 1 + RATE * DECAY,
    "W is multiplied by what should be taken away: the factor is 1 - rate * decay": RATE * DECAY,
    "Nothing changes: W has to be multiplied by 1 - rate * decay": 1.0,
    "The decay is missing in the factor": 1 - RATE,
}


def _decay(function: Any) -> tuple[str, str]:
    start = np.array([[2.0, -4.0], [0.0, 1.0]])
    layers = [Weights(start), Weights([[1.0, 3.0]])]
    function(layers, RATE, DECAY)
    factor = 1 - RATE * DECAY
    example = say(
        (start * factor).tolist(), np.round(layers[0].W, 6).tolist(), f"W after one step from {start.tolist()}"
    )
    if not np.allclose(layers[0].W, start * factor):
        known: dict[str, Array] = {cause: start * value for cause, value in KINDS.items()}
        return first_fit(known, layers[0].W) or "W should be multiplied by 1 - rate * decay", example
    if not np.allclose(layers[1].W, np.array([[1.0, 3.0]]) * factor):
        return "Only the first layer shrinks", say([[0.95, 2.85]], layers[1].W.tolist(), "W of the second layer")
    return RIGHT


OF_CARE: dict[str, list[Trial]] = {
    "start_weights": [
        trial("the deviation is the root of 2 / D", _deviation),
        trial("numbers come from the rng", _new_numbers),
    ],
    "dead_units": [
        trial("columns of zeros are counted", _dead),
        trial("a unit that answers once is alive", _all_alive),
    ],
    "three_parts": [trial("every row is in one of three sets", _parts)],
    "decay_weights": [trial("every weight shrinks by its share", _decay)],
}
