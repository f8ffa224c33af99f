"""Tests of numerical_gradient and layers_with_weights, which lesson 6 has."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.checks import Trial
from pysmorch.teach.piece import RIGHT, first_fit, say, trial

X_CUBED = "f(x) = x^3 at x = 2 with h = 0.1"
X_CHANGED = "The array x itself was changed: work with x + step and x - step, which are new arrays"


def sum_of_cubes(x: Array) -> float:
    """A function whose central differences are known: 3x^2 + h^2."""
    return float(np.sum(x**3))


def product(x: Array) -> float:
    """A function that sees it when two entries move at once."""
    return float(np.prod(x))


def _central_difference(function: Any) -> tuple[str, str]:
    h, x = 0.1, np.array([[2.0, -1.0], [0.5, 3.0]])
    before = x.copy()
    found = np.asarray(function(sum_of_cubes, x, h))
    if not np.array_equal(x, before):
        return X_CHANGED, say(before.tolist(), x.tolist(), "x afterwards")
    if found.shape != x.shape:
        return "The gradient does not have the shape of x", say(x.shape, found.shape, "its shape")
    expected = ((x + h) ** 3 - (x - h) ** 3) / (2 * h)
    if np.allclose(found, expected, rtol=1e-8):
        return RIGHT
    right, left, middle = (x + h) ** 3, (x - h) ** 3, x**3
    to_one_side = "This is the difference to one side, with an error of the order of h: take"
    known = {
        f"{to_one_side} f(x - h) instead of f(x), and 2h": (right - middle) / h,
        f"{to_one_side} f(x + h) instead of f(x), and 2h": (middle - left) / h,
        f"{to_one_side} f(x - h) instead of f(x)": (right - middle) / (2 * h),
        f"{to_one_side} f(x + h) instead of f(x)": (middle - left) / (2 * h),
        "Everything is 2 times too large: the two points are 2h apart, not h": 2 * expected,
        "Everything has the wrong sign: f(x + h) comes first": -expected,
        "The difference is not divided by the distance 2h": 2 * h * expected,
        "The difference is multiplied by h instead of divided by 2h: (2 * h) needs its brackets": h * h * expected,
        "The sum of the two values is taken, not their difference": (right + left) / (2 * h),
        "Everything is 0": 0 * expected,
    }
    cause = first_fit(known, found) or "These are not central differences, (f(x + h) - f(x - h)) / (2h)"
    return cause, say(f"{expected[0, 0]:.6g}", f"{found[0, 0]:.6g}", X_CUBED)


def _other_entries_rest(function: Any) -> tuple[str, str]:
    x = np.array([1.0, 2.0, 3.0])
    before = x.copy()
    found = function(product, x, 1e-5)
    if not np.array_equal(x, before):
        return X_CHANGED, say(before.tolist(), x.tolist(), "x afterwards")
    if not np.allclose(found, [6, 3, 2], rtol=1e-6):
        return "More than one entry moves at a time", say(
            [6, 3, 2], np.round(found, 4).tolist(), "f = x1 x2 x3 at (1, 2, 3)"
        )
    return RIGHT


class _Link:
    """A layer of a chain that counts how often its input layer is read."""

    def __init__(self, name: str, before: _Link | None = None, has_weights: bool = False) -> None:
        self.name, self.before, self.num_calls = name, before, 0
        if has_weights:
            self.W = np.zeros((1, 1))

    @property
    def in_layer(self) -> _Link:
        self.num_calls += 1
        if self.before is None:
            raise AttributeError("in_layer")
        if self.num_calls > 50:
            raise RuntimeError(f"the loop does not get past {self.name}; go on with layer = layer.in_layer")
        return self.before

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.name} has no attribute {name}: ask with hasattr(layer, {name!r})")

    def __repr__(self) -> str:
        return self.name


def _chain() -> _Link:
    first = _Link("Linear 1", _Link("Data"), has_weights=True)
    second = _Link("Linear 2", _Link("Relu", _Link("Bias 1", first, has_weights=True)), has_weights=True)
    return _Link("the loss", second)


def _all_weights(function: Any) -> tuple[str, str]:
    found = function(_chain())
    if not isinstance(found, list):
        return "It should return a list", say("a list", type(found).__name__, "it returns")
    expected = ["Linear 2", "Bias 1", "Linear 1"]
    names = [getattr(layer, "name", repr(layer)) for layer in found]
    example = say(expected, names, "for Data - Linear 1 - Bias 1 - Relu - Linear 2 - loss")
    missing = [name for name in expected if name not in names]
    if names == expected:
        return RIGHT
    if "Relu" in names:
        return "Relu has no W and does not belong into the list: ask with hasattr(layer, 'W')", example
    if not names:
        return "The list is empty: put the layer into it, found.append(layer), before you go on", example
    if names == expected[::-1]:
        return "The order is the other way round: the layer nearest to the loss comes first", example
    if missing:
        return f"{' and '.join(missing)} should be in the list: look at the layer first, then go on", example
    return "A layer is in the list more than once, or at the wrong position", example


OF_NETWORKS: dict[str, list[Trial]] = {
    "numerical_gradient": [
        trial("central differences of x cubed", _central_difference),
        trial("one entry moves at a time, and x stays", _other_entries_rest),
    ],
    "layers_with_weights": [trial("all layers with a W, from the loss to the data", _all_weights)],
}
