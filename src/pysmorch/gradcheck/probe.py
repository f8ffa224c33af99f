"""A graph made ready for differences: a number at its end, the arrays that it depends on, and the gradients that it finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from pysmorch.gradcheck.differences import STEPS, derivative, sample
from pysmorch.layers.base import Array
from pysmorch.layers.dense import Data
from pysmorch.layers.graph import feeders, graph, name_layers, run_backward, run_forward


@dataclass
class Variable:
    """An array whose gradient is checked: the parameters of a layer, or the data of a Data layer."""

    layer: Any
    name: str
    what: str

    @property
    def array(self) -> Array:
        """The array itself, which is changed in place to take differences."""
        return self.layer.data if self.what.startswith("input") else self.layer.W


class Probe:
    """A graph made ready for differences: a number at its end, and its gradients.

    A loss is a number already. Any other output is multiplied with fixed random numbers and summed, which looks at
    every entry of it; `rows` leaves only these rows in the sum.
    """

    def __init__(self, last: Any, seed: int) -> None:
        self.last = last
        self.nodes = graph(last)
        self.names = name_layers(self.nodes)
        self.seed = seed
        self.rows: slice = slice(None)
        out = self.forward()
        self.weights = None if np.ndim(out) == 0 else np.random.default_rng(seed).uniform(0.5, 1.5, np.shape(out))
        self.variables = [
            Variable(node, name, "W") for node, name in zip(self.nodes, self.names, strict=True) if hasattr(node, "W")
        ]
        sources = [node for node in self.nodes if isinstance(node, Data) and node.data.dtype.kind == "f"]
        alone = sum(bool(feeders(node)) for node in self.nodes) == 1
        for i, node in enumerate(sources, start=1):
            what = "input" if len(sources) == 1 else f"input {i}"
            name = self.names[-1] if alone else self.names[self.nodes.index(node)]
            self.variables.append(Variable(node, name, what))

    def forward(self) -> Any:
        """Run the graph with the same random numbers as every time."""
        for node in self.nodes:
            if hasattr(node, "step"):
                node.step = 0
        return run_forward(self.last)

    def value(self) -> float:
        """Return the number at the end."""
        out = self.forward()
        if self.weights is None:
            return float(np.asarray(out).item())
        return float(np.sum((self.weights * out)[self.rows]))

    def size(self) -> float:
        """Return how large the terms of the number are, for the noise of differences."""
        out = self.forward()
        return abs(float(np.asarray(out).item())) if self.weights is None else float(np.abs(self.weights * out).sum())

    def gradients(self) -> list[Array]:
        """Run forward and backward and return what the layers found, one array for each variable."""
        self.forward()
        dwnstrm = 1.0 if self.weights is None else self.weights.copy()
        sources = run_backward(self.last, dwnstrm)
        found = []
        for variable in self.variables:
            if variable.what == "W":
                found.append(np.array(variable.layer.G, dtype=np.float64))
            else:
                gradient = sources.get(id(variable.layer), np.zeros_like(variable.array))
                found.append(np.array(gradient, dtype=np.float64))
        return found

    def expected(self, variable: Variable, index: tuple[int, ...]) -> float:
        """Return the derivative from differences that agree best with each other."""
        estimates = [derivative(self.value, variable.array, index, step) for step in STEPS]
        gaps = [abs(a - b) for a, b in pairwise(estimates)]
        return estimates[int(np.argmin(gaps))]

    def expected_gradient(self, variable: Variable) -> Array:
        """Return the whole gradient from differences; NaN where a large array was not sampled."""
        result = np.full(variable.array.shape, np.nan)
        for index in sample(variable.array, self.seed):
            result[index] = self.expected(variable, index)
        return result


@contextmanager
def other_inputs(probe: Probe) -> Iterator[None]:
    """Let other arrays of the same shapes enter, with other values and signs."""
    rng = np.random.default_rng(probe.seed + 1)
    data = [(v.layer, v.array) for v in probe.variables if v.what != "W"]
    for layer, array in data:
        layer.data = -array + 0.1 * rng.standard_normal(array.shape)
    try:
        yield
    finally:
        for layer, array in data:
            layer.data = array
