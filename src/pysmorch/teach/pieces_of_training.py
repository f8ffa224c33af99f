"""Tests of Momentum and train_epoch, which lesson 7 has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.checks import Trial
from pysmorch.teach.exercises import generator
from pysmorch.teach.piece import RIGHT, Weights, say, trial

RATE, MOMENTUM = 0.1, 0.8
Rule = Callable[[Array, Array, Array], tuple[Array, Array]]
RULES: dict[str, Rule] = {
    "": lambda W, v, g: (W - RATE * (MOMENTUM * v + g), MOMENTUM * v + g),
    "The step goes up: take rate times velocity away from W": lambda W, v, g: (
        W + RATE * (MOMENTUM * v + g),
        MOMENTUM * v + g,
    ),
    "The learning rate is missing in the step": lambda W, v, g: (W - (MOMENTUM * v + g), MOMENTUM * v + g),
    "W follows the gradient, not the velocity": lambda W, v, g: (W - RATE * g, v),
    "The momentum must multiply the old velocity only, not the gradient": lambda W, v, g: (
        W - RATE * MOMENTUM * (v + g),
        MOMENTUM * (v + g),
    ),
    "The gradient is multiplied by 1 - momentum; here it enters whole": lambda W, v, g: (
        W - RATE * (MOMENTUM * v + (1 - MOMENTUM) * g),
        MOMENTUM * v + (1 - MOMENTUM) * g,
    ),
    "The old velocity is not multiplied by the momentum": lambda W, v, g: (W - RATE * (v + g), v + g),
    "The step is made with the old velocity: renew the velocity first": lambda W, v, g: (
        W - RATE * v,
        MOMENTUM * v + g,
    ),
    "W does not move": lambda W, v, g: (W, v),
}
"""Mistakes as rules of their own: (W, v, g) before a step gives W and v after it. The first one is right."""


def _course_of(rule: Rule, W: Array, gradients: list[Array]) -> list[Array]:
    v, course = np.zeros(W.shape), []
    for g in gradients:
        W, v = rule(W, v, g)
        course.append(W)
    return course


def _momentum_steps(cls: Any) -> tuple[str, str]:
    rng = generator(0)
    layer = Weights(rng.standard_normal((2, 3)))
    start, gradients = layer.W.copy(), [rng.standard_normal((2, 3)) for _ in range(4)]
    optimizer = cls([layer], RATE, MOMENTUM)
    course = [_step(optimizer, layer, g) for g in gradients]
    for cause, rule in RULES.items():
        if all(np.allclose(a, b) for a, b in zip(course, _course_of(rule, start, gradients), strict=True)):
            forgets = cause.startswith("W follows") and not np.any(optimizer.velocities[0])
            return (FORGETS if forgets else cause), _momentum_example(cls) if cause else ""
    return "This is not velocity = momentum * velocity + G, W = W - rate * velocity", _momentum_example(cls)


def _momentum_example(cls: Any) -> str:
    """The example of the lesson."""
    layer = Weights([[1.0]])
    optimizer = cls([layer], 0.1, 0.5)
    found = [round(float(_step(optimizer, layer, np.ones((1, 1))).ravel()[0]), 6) for _ in range(3)]
    return say([0.9, 0.75, 0.575], found, "W after three steps from 1, with G = 1, momentum 0.5, rate 0.1")


def _step(optimizer: Any, layer: Weights, gradient: Array) -> Array:
    layer.G = gradient.copy()
    optimizer.step()
    return np.array(layer.W)


FORGETS = (
    "The velocity is forgotten between steps: `velocity = ...` makes a new array, and self.velocities keeps the old one; "
    "change it in place, with *= and +="
)


def _every_layer_has_its_own(cls: Any) -> tuple[str, str]:
    layers = [Weights([[1.0]]), Weights([[1.0, 1.0]])]
    optimizer = cls(layers, RATE, MOMENTUM)
    layers[0].G, layers[1].G = np.array([[1.0]]), np.array([[2.0, 3.0]])
    optimizer.step()
    found = [layer.W.ravel().round(6).tolist() for layer in layers]
    if found != [[0.9], [0.8, 0.7]]:
        return "Not every layer makes its own step", say([[0.9], [0.8, 0.7]], found, "W of two layers after a step")
    if not (np.array_equal(layers[0].G, [[1.0]]) and np.array_equal(layers[1].G, [[2.0, 3.0]])):
        return "G was changed; it belongs to the layer", say([[1.0]], layers[0].G.tolist(), "G of the first layer")
    return RIGHT


class _Diary:
    """Stands for data, loss and optimizer, and records the calls."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.data: list[list[float]] = []
        self.labels: list[list[float]] = []

    def set_data(self, rows: Any) -> None:
        self.events.append("set_data")
        self.data.append(np.ravel(rows).tolist())

    def set_labels(self, rows: Any) -> None:
        self.events.append("set_labels")
        self.labels.append(np.ravel(rows).tolist())

    def forward(self) -> float:
        self.events.append("forward")
        return float(np.mean(self.data[-1])) if self.data else 0.0

    def backward(self) -> None:
        self.events.append("backward")

    def step(self) -> None:
        self.events.append("step")


ROWS, BATCH = 10, 4
WANTED = ["set_data", "set_labels", "forward", "backward", "step"]


def _epoch(function: Any) -> tuple[_Diary, Any]:
    diary = _Diary()
    X = np.arange(float(ROWS)).reshape(-1, 1)
    value = function(diary, diary, diary, X, X + 100, BATCH, generator(0))
    return diary, value


def _epoch_calls(function: Any) -> tuple[str, str]:
    diary, _ = _epoch(function)
    batches = -(-ROWS // BATCH)
    example = say(" ".join(WANTED), " ".join(diary.events[: len(diary.events) // batches or 9]), "calls for a batch")
    for name in WANTED:
        count = diary.events.count(name)
        if count != batches:
            owner = {"set_data": "data", "step": "optimizer"}.get(name, "loss")
            what = "is never called" if count == 0 else f"is called {count} times for {batches} batches"
            return f"{owner}.{name} {what}", example
    for batch in range(batches):
        found = diary.events[batch * len(WANTED) : (batch + 1) * len(WANTED)]
        for earlier, later, why in (
            ("set_data", "forward", "Forward runs before the rows of the batch are there"),
            ("set_labels", "forward", "Forward runs before the labels of the batch are there"),
            ("forward", "backward", "Backward runs before forward"),
            ("backward", "step", "The step is made before backward has renewed the gradients"),
        ):
            if earlier not in found or later not in found or found.index(earlier) > found.index(later):
                return why, example
    return RIGHT


def _epoch_rows(function: Any) -> tuple[str, str]:
    diary, _ = _epoch(function)
    if any(len(batch) != size for batch, size in zip(diary.data, _sizes(), strict=False)) or len(diary.data) != 3:
        return "The batches have the wrong sizes: hand over X[rows]", say(
            list(_sizes()), [len(batch) for batch in diary.data], f"rows of the batches of {ROWS} rows by {BATCH}"
        )
    for data, labels in zip(diary.data, diary.labels, strict=False):
        if [row + 100 for row in data] != labels:
            return "Rows and labels do not belong together: take labels[rows] with the same rows", say(
                [row + 100 for row in data], labels, f"labels of the rows {data}"
            )
    used = sorted(row for batch in diary.data for row in batch)
    if used != list(range(ROWS)):
        return "Not every row is used once: take the rows of `order`, X[rows]", say(
            list(range(ROWS)), [int(row) for row in used], "rows of an epoch"
        )
    return RIGHT


def _sizes() -> Iterator[int]:
    return (min(BATCH, ROWS - start) for start in range(0, ROWS, BATCH))


def _epoch_mean(function: Any) -> tuple[str, str]:
    diary, found = _epoch(function)
    losses = [float(np.mean(batch)) for batch in diary.data]
    expected = float(np.mean([row for batch in diary.data for row in batch]))
    if isinstance(found, (int, float, np.number)) and np.isclose(float(found), expected):
        return RIGHT
    example = say(
        round(expected, 4),
        found if found is None else round(float(found), 4),
        f"losses {[round(value, 4) for value in losses]} of batches with {list(_sizes())} rows, mean",
    )
    if found is None:
        return "Nothing is returned", example
    if np.isclose(found, sum(losses) / ROWS):
        return "A batch counts once, not as often as it has rows: total += len(rows) * loss.forward()", example
    if np.isclose(found, losses[-1] * len(diary.data[-1]) / ROWS):
        return "Only the last batch counts: add up with total +=", example
    if np.isclose(found, 0):
        return "Total is still 0: add the loss of every batch to it", example
    if np.isclose(found, sum(losses) * BATCH / ROWS):
        return "The last batch is smaller: count with len(rows), not with batch_size", example
    return "The mean loss of the rows is wrong", example


OF_TRAINING: dict[str, list[Trial]] = {
    "Momentum": [
        trial("steps of one layer", _momentum_steps),
        trial("every layer makes its own step", _every_layer_has_its_own),
    ],
    "train_epoch": [
        trial("the right calls, in the right order, for every batch", _epoch_calls),
        trial("every row once, with its label", _epoch_rows),
        trial("the mean loss of the rows", _epoch_mean),
    ],
}
