"""A graph made ready for differences: a number at its end, the arrays that it depends on, and the gradients that it finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from pysmorch.gradcheck.differences import STEPS, best_derivative, sample
from pysmorch.gradcheck.passes import RandomNumbers, Watched, is_numeric
from pysmorch.layers.base import Array
from pysmorch.layers.dense import Data
from pysmorch.layers.graph import feeders, graph, run_backward, run_forward


@dataclass(eq=False)
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

    Parameters
    ----------
    last : Layer
        The end of the graph.
    names : mapping of int to str
        The names of its layers, by `id`.
    seed : int
        Of everything random.
    hidden : mapping of int to sequence
        Objects with parameters that are no layers of the graph, by the `id` of the layer that holds them.

    Attributes
    ----------
    steps : tuple of float
        The steps of differences.
    """

    def __init__(self, last: Any, names: Mapping[int, str], seed: int, hidden: Mapping[int, Sequence[Any]]) -> None:
        self.last = last
        self.nodes = graph(last)
        self.names = names
        self.seed = seed
        self.rows: slice = slice(None)
        self.steps: tuple[float, ...] = STEPS
        self.weights: Array | None = None
        within = [one for node in self.nodes for one in hidden.get(id(node), ())]
        self.numbers = RandomNumbers([*self.nodes, *within])
        self.watched = Watched(self.nodes, names, self.weights_of)
        self.variables = [
            Variable(one, names[id(one)], "W")
            for one in (*self.nodes, *within)
            if isinstance(getattr(one, "W", None), np.ndarray) and one.W.dtype.kind == "f"
        ]
        sources = [node for node in self.nodes if isinstance(node, Data) and node.data.dtype.kind == "f"]
        alone = sum(bool(feeders(node)) for node in self.nodes) == 1
        for i, node in enumerate(sources, start=1):
            what = "input" if len(sources) == 1 else f"input {i}"
            self.variables.append(Variable(node, names[id(last if alone else node)], what))

    def weights_of(self, out: Any) -> Any:
        """Return the gradient of the number at the end with respect to an output."""
        self.weights = None if np.ndim(out) == 0 else np.random.default_rng(self.seed).uniform(0.5, 1.5, np.shape(out))
        return 1.0 if self.weights is None else self.weights.copy()

    def forward(self) -> Any:
        """Run the graph with the same random numbers as every time."""
        self.numbers.begin()
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

    def gradients(self) -> list[Any]:
        """Run forward and backward and return what the layers found: an array for each variable, None for a `G` that is missing."""
        self.forward()
        sources = run_backward(self.last, 1.0 if self.weights is None else self.weights.copy())
        found: list[Any] = []
        for variable in self.variables:
            if variable.what == "W":
                G = getattr(variable.layer, "G", None)
                found.append(np.array(G, dtype=np.float64) if is_numeric(G) else None)
            else:
                gradient = sources.get(id(variable.layer), np.zeros_like(variable.array))
                found.append(np.array(gradient, dtype=np.float64))
        return found

    def sizes_of_terms(self) -> dict[int, float]:
        """Return how large the terms are that are added to each gradient; see `Watched.sizes_of_terms`."""
        try:
            return self.watched.sizes_of_terms()
        except Exception:  # gradients of other signs are nothing that a layer under test has to take
            return {}

    def expected_gradient(
        self, variable: Variable, known: Mapping[tuple[int, ...], Mapping[float, float]] | None = None
    ) -> Array:
        """Return the whole gradient from the differences that agree best with each other; NaN where a large array was not sampled.

        Differences that are `known` already, by their entry and step, are not taken again.
        """
        result, known = np.full(variable.array.shape, np.nan), known or {}
        for index in sample(variable.array, self.seed):
            result[index] = best_derivative(self.value, variable.array, index, self.steps, known.get(index))
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
