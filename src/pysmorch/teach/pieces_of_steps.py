"""Tests of what lesson 12 has, Adam and a schedule, and of the sizes of steps in lesson 16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.checks import Trial
from pysmorch.teach.exercises import generator
from pysmorch.teach.piece import RIGHT, Weights, first_fit, numbers_in, say, trial

RATE, BETA1, BETA2, EPSILON = 0.1, 0.8, 0.9, 1e-8


def _adam(
    correct_mean: bool = True,
    correct_square: bool = True,
    root: bool = True,
    sign: float = -1,
    old_share: bool = False,
    plain_gradient: bool = False,
    squared: bool = True,
    swapped: bool = False,
    time: int = 0,
) -> Callable[[Array, list[Array]], list[Array]]:
    """Adam with mistakes: a function of the first W and the gradients, which returns W after each step."""

    def run(W: Array, gradients: list[Array]) -> list[Array]:
        mean, square, course = np.zeros(W.shape), np.zeros(W.shape), []
        beta1, beta2 = (BETA2, BETA1) if swapped else (BETA1, BETA2)
        for t, g in enumerate(gradients, start=1 + time):
            mean = beta1 * mean + (1 if old_share else 1 - beta1) * g
            square = beta2 * square + (1 if old_share else 1 - beta2) * (g**2 if squared else np.abs(g))
            m = g if plain_gradient else mean / ((1 - beta1**t) if correct_mean and t else 1)
            v = square / ((1 - beta2**t) if correct_square and t else 1)
            W = W + sign * RATE * m / ((np.sqrt(v) if root else v) + EPSILON)
            course.append(W)
        return course

    return run


ADAMS = {
    "": _adam(),
    "The step goes up: take it away from W": _adam(sign=1),
    "Neither mean is corrected for its start at 0: divide by 1 - beta**t": _adam(
        correct_mean=False, correct_square=False
    ),
    "The mean of the gradients is not corrected: divide it by 1 - beta1**t": _adam(correct_mean=False),
    "The mean of the squares is not corrected: divide it by 1 - beta2**t": _adam(correct_square=False),
    "The root is missing: divide by the root of the mean of squares": _adam(root=False),
    "The gradient is divided, not its running mean": _adam(plain_gradient=True),
    "The new gradient enters whole; a running mean takes the share 1 - beta of it": _adam(old_share=True),
    "The second mean is of G, not of its square: G**2": _adam(squared=False),
    "beta1 and beta2 are exchanged": _adam(swapped=True),
}
"""Mistakes as rules of their own. The first one is right."""
FORGETS = (
    "The means are forgotten between steps: `mean = ...` makes a new array, and self.means keeps the old one; change it in place, "
    "with *= and +="
)


def _adam_steps(cls: Any) -> tuple[str, str]:
    rng = generator(0)
    layer = Weights(rng.standard_normal((2, 3)))
    start, gradients = layer.W.copy(), [rng.standard_normal((2, 3)) for _ in range(4)]
    optimizer = cls([layer], RATE, BETA1, BETA2, EPSILON)
    course = [_step(optimizer, layer, g) for g in gradients]
    for cause, rule in ADAMS.items():
        if all(np.allclose(a, b) for a, b in zip(course, rule(start, gradients), strict=True)):
            return cause, _adam_example(cls) if cause else ""
    if np.allclose(course[-1], start):
        return "W does not move: change layer.W itself, layer.W -= ...", _adam_example(cls)
    state = [*getattr(optimizer, "means", ()), *getattr(optimizer, "squares", ())]
    if not all(map(np.any, state)):
        return FORGETS, _adam_example(cls)
    return "This is not the rule of Adam, W = W - rate * mean / (root of square + epsilon)", _adam_example(cls)


def _adam_example(cls: Any) -> str:
    layer = Weights([[1.0]])
    optimizer = cls([layer], 0.1, 0.5, 0.5, 1e-8)
    found = [round(float(_step(optimizer, layer, np.array([[g]])).ravel()[0]), 5) for g in (4.0, 0.0)]
    where = "W after two steps from 1, with G = 4 and then 0, both betas 0.5, rate 0.1"
    return say([0.9, round(0.9 - 0.1 / 3**0.5, 5)], found, where)


def _step(optimizer: Any, layer: Weights, gradient: Array) -> Array:
    layer.G = gradient.copy()
    optimizer.step()
    return numbers_in(layer.W, "W after a step", gradient.shape)


def _no_gradient(cls: Any) -> tuple[str, str]:
    layers = [Weights([[1.0]]), Weights([[1.0, 2.0]])]
    optimizer = cls(layers, RATE)
    layers[1].G = np.array([[3.0, -5.0]])
    optimizer.step()
    found = [np.round(layer.W, 5).tolist() for layer in layers]
    if found != [[[1.0]], [[0.9, 2.1]]]:
        return "Not every layer makes its own step; where the gradient is 0, W stays (epsilon is for that)", say(
            [[[1.0]], [[0.9, 2.1]]], found, "W of two layers after a step"
        )
    return RIGHT


NUM_STEPS, LARGEST = 6, 0.3


def _cosine(function: Any) -> tuple[str, str]:
    steps = np.arange(NUM_STEPS)
    values = [function(int(step), NUM_STEPS, LARGEST) for step in steps]
    found = np.array([numbers_in(value, "What cosine_rate returns", ()) for value in values])
    turn = np.pi * steps / NUM_STEPS
    expected = LARGEST / 2 * (1 + np.cos(turn))
    if np.allclose(found, expected):
        return RIGHT
    known = {
        "It is twice as large as it should be: 1 + cos goes up to 2, so halve it": 2 * expected,
        "The 1 is missing: the cosine alone becomes negative": LARGEST / 2 * np.cos(turn),
        "The cosine alone becomes negative: add 1 and halve": LARGEST * np.cos(turn),
        "It goes up instead of down: 1 + cos, not 1 - cos": LARGEST / 2 * (1 - np.cos(turn)),
        "A whole wave is run through: π times step / num_steps, not 2π": LARGEST / 2 * (1 + np.cos(2 * turn)),
        "The π is missing: NumPy's cosine takes radians": LARGEST / 2 * (1 + np.cos(steps / NUM_STEPS)),
        "The rate is missing: the whole is multiplied by it": 0.5 * (1 + np.cos(turn)),
        "NumPy's cosine takes radians, not degrees: π, not 180": LARGEST / 2 * (1 + np.cos(180 * steps / NUM_STEPS)),
        "This is a straight line; a cosine is level at both ends": LARGEST * (1 - steps / NUM_STEPS),
    }
    cause = first_fit(known, found) or "This is not rate / 2 * (1 + cos(π step / num_steps))"
    return cause, say(np.round(expected, 4).tolist(), np.round(found, 4).tolist(), "rates of 6 steps from 0.3")


def _ratios(function: Any) -> tuple[str, str]:
    layers = [Weights([[3.0, 4.0]]), Weights([[1.0], [0.0]])]
    layers[0].G, layers[1].G = np.array([[0.0, 10.0]]), np.array([[3.0], [4.0]])
    found = numbers_in(function(layers, 0.1), "What step_sizes returns, one number for each of two layers,", (2,))
    expected = np.array([0.2, 0.5])
    if np.allclose(found, expected):
        return RIGHT
    known = {
        "The learning rate is missing: the step is rate * G": expected / 0.1,
        "This is the size of W divided by that of the step: the other way round": 1 / expected,
        "The squares are compared: the root of the sum is missing, np.linalg.norm has it": np.array([0.04, 0.25]),
        "The size of W is missing: divide by it": np.array([1.0, 0.5]),
        "The gradient is divided by the rate; the step is rate * G": expected / 0.01,
    }
    cause = first_fit(known, found) or "This is not rate * |G| / |W| for every layer"
    where = "for W = (3, 4), G = (0, 10) and for W = (1, 0), G = (3, 4), with the rate 0.1"
    return cause, say(expected.tolist(), np.round(found, 4).tolist(), where)


OF_STEPS: dict[str, list[Trial]] = {
    "Adam": [
        trial("steps of one layer", _adam_steps),
        trial("every layer makes its own step, and none without a gradient", _no_gradient),
    ],
    "cosine_rate": [trial("half a wave down to 0", _cosine)],
    "step_sizes": [trial("the size of a step for the size of the weights", _ratios)],
}
