"""Networks with one bug each, which a lesson has found: trained on a small task, with what can be seen of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.course import sketch

UNITS_OF_MEASURE = np.array([8.0, 1.0])
ROWS, STEPS, UNITS = 200, 300, 16

Take = Callable[[str], Any]
"""Returns the class of a name: the student's own, or a substitute."""


@dataclass
class Patient:
    """A network after its training.

    Attributes:
        data: the first layer.
        loss: the last layer; the others are reached from it.
        layers: those with weights, from the data on.
        rate: the learning rate.
        sample: eight rows with their labels.
        history: the losses in training and in validation, by step.
    """

    data: Any
    loss: Any
    layers: list[Any]
    rate: float
    sample: tuple[Array, Array]
    history: dict[str, list[float]] = field(default_factory=lambda: {"training": [], "validation": []})

    def curves(self) -> sketch.Picture:
        """Draw both losses."""
        return sketch.lines(range(1, len(self.history["training"]) + 1), self.history)

    def few_rows(self) -> Any:
        """Return the loss of eight rows, on which gradients are checked quickly and are not near 0."""
        rows, labels = self.sample
        self.data.set_data(rows)
        self.loss.set_labels(labels)
        return self.loss

    def table(self) -> str:
        """Return the layers from the data to the loss, with the sizes of their outputs and weights."""
        lines = [("layer", "size of its output", "size of W")]
        layer, chain = self.loss.in_layer, []
        while True:
            chain.append(layer)
            if not hasattr(layer, "in_layer"):
                break
            layer = layer.in_layer
        for layer in reversed(chain):
            W = getattr(layer, "W", None)
            lines.append((type(layer).__name__, _size(layer.forward()), "" if W is None else _size(W)))
        losses = (
            f"loss in training {self.history['training'][-1]:.3f}, in validation {self.history['validation'][-1]:.3f}"
        )
        return "\n".join([*(f"{name:<14}{out:<20}{W}".rstrip() for name, out, W in lines), losses])


def _size(array: Any) -> str:
    """The root of the mean square."""
    return f"{np.sqrt(np.mean(np.square(array))):.3g}"


def patient(number: int, take: Take) -> Patient:
    """Make a network and train it. Number 0 is healthy, 1 to 10 have a bug each.

    Raises ValueError for another number.
    """
    if number not in range(11):
        raise ValueError(f"the networks have the numbers 0 to 10, but not {number!r}")
    train, validation = _visitors(np.random.default_rng(0)), _visitors(np.random.default_rng(1))
    (rows, labels), rate = train, 0.5
    if number == 4:
        rows, labels = rows[:6], labels[:6]
    elif number == 7:
        labels = labels[np.random.default_rng(2).permutation(len(labels))]
    elif number == 10:
        rows, validation = rows * UNITS_OF_MEASURE, (validation[0] * UNITS_OF_MEASURE, validation[1])
    elif number == 5:
        rate = 6.0
    data, layers, loss = _network(number, take, rows, labels)
    found = Patient(data, loss, layers, rate, (rows[:8], labels[:8]))
    for _ in range(STEPS):
        for name, (x, y) in (("validation", validation), ("training", (rows, labels))):
            data.set_data(x)
            loss.set_labels(y)
            found.history[name].append(float(loss.forward()))
        loss.backward()
        for layer in layers:
            layer.W[:] = layer.W - rate * layer.G
    return found


def _visitors(rng: np.random.Generator) -> tuple[Array, Array]:
    """Four crowds at the corners of a square; the class is the diagonal."""
    corner = rng.integers(0, 4, ROWS)
    middles = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    return middles[corner] + 0.55 * rng.standard_normal((ROWS, 2)), np.eye(2)[corner // 2]


def _network(number: int, take: Take, rows: Array, labels: Array) -> tuple[Any, list[Any], Any]:
    rng = np.random.default_rng(3)
    data = take("Data")(rows)
    first = take("Linear")(data, UNITS)
    bias = (_MeanBias if number == 8 else take("Bias"))(first)
    hidden = bias if number == 1 else _HalfRelu(bias) if number == 3 else take("Relu")(bias)
    last = take("Linear")(hidden, 2)
    logits = take("Bias")(last)
    loss = take("CrossEntropy")(_Softmax(logits) if number == 6 else logits, labels)
    first.W[:] = rng.standard_normal(first.W.shape)
    last.W[:] = rng.standard_normal(last.W.shape) * np.sqrt(2 / UNITS)
    bias.W[:], logits.W[:] = 0, 0
    if number == 9:
        first.W[:], last.W[:] = 0, 0
    if number == 2:
        bias.W[:] = -20
    return data, [first, bias, last, logits], loss


class _Softmax:
    """Each row as probabilities."""

    def __init__(self, in_layer: Any) -> None:
        self.in_layer, self.out_dims = in_layer, in_layer.out_dims

    def forward(self) -> Array:
        x = self.in_layer.forward()
        exponentials = np.exp(x - x.max(axis=1, keepdims=True))
        self.p: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, dwnstrm: Array) -> None:
        middle = (dwnstrm * self.p).sum(axis=1, keepdims=True)
        self.in_layer.backward(self.p * (dwnstrm - middle))


class _HalfRelu:
    """A ReLU that loses half of the gradient."""

    def __init__(self, in_layer: Any) -> None:
        self.in_layer, self.out_dims = in_layer, in_layer.out_dims

    def forward(self) -> Array:
        self.in_array: Array = self.in_layer.forward()
        return np.maximum(self.in_array, 0)

    def backward(self, dwnstrm: Array) -> None:
        self.in_layer.backward(dwnstrm * (self.in_array > 0) / 2)


class _MeanBias:
    """A bias whose gradient is a mean over the batch instead of a sum."""

    def __init__(self, in_layer: Any) -> None:
        self.in_layer, self.out_dims = in_layer, in_layer.out_dims
        self.W = np.zeros((1, in_layer.out_dims[-1]))

    def forward(self) -> Array:
        return np.asarray(self.in_layer.forward() + self.W)

    def backward(self, dwnstrm: Array) -> None:
        self.G = dwnstrm.mean(axis=0, keepdims=True)
        self.in_layer.backward(dwnstrm)


# A name on the diagram would give the bug away.
_Softmax.__name__, _HalfRelu.__name__, _MeanBias.__name__ = "Softmax", "Relu", "Bias"
