"""Copies of layers that a check may change: in float64, with data and labels where these are missing, and other parameters where those hide mistakes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from pysmorch.layers.attributes import attributes_of, mapped, objects_in, set_attribute, set_parameters
from pysmorch.layers.base import Array
from pysmorch.layers.copies import shallow_copies
from pysmorch.layers.dense import Data
from pysmorch.layers.description import LAST_PASS
from pysmorch.layers.graph import feeders, graph, name_layers, run_forward, set_feeders
from pysmorch.layers.native_form import is_ours
from pysmorch.layers.trainable import has_parameters
from pysmorch.losses import BinaryCrossEntropy, CrossEntropy, GammaLoss, Loss, PoissonLoss, TweedieLoss

BATCH = 5
"""Rows that are drawn for a Data layer without an array; neither 1 nor 2, so that no factor is mistaken for it."""


class Prepared:
    """The layers of a graph, ready to be checked.

    Parameters
    ----------
    last : Layer
        The end of the graph.
    seed : int
        Of everything random.

    Attributes
    ----------
    nodes : list of Layer
        Copies in topological order.
    names : dict of int to str
        Their names in the graph, by `id`, and those of other objects with parameters that they hold.
    hidden : dict of int to list
        Such objects, by the `id` of the layer that holds them.
    integers : set of int
        The `id` of each Data layer whose integers became floating-point numbers.
    """

    def __init__(self, last: Any, seed: int) -> None:
        layers = graph(last)
        self.nodes = shallow_copies(layers)
        self.names = {id(node): name for node, name in zip(self.nodes, name_layers(layers), strict=True)}
        self.hidden: dict[int, list[Any]] = {}
        self.integers: set[int] = set()
        rng = np.random.default_rng(seed)
        copies = {id(layer): node for layer, node in zip(layers, self.nodes, strict=True)}
        for node in self.nodes:
            self._find_hidden(node, copies)
        for one in (*self.nodes, *(one for held in self.hidden.values() for one in held)):
            _to_float64(one)
            if isinstance(one, Data) and one.data is None:
                one.data = _draw_data(one, self.nodes, rng)
            if _hides_mistakes(getattr(one, "W", None)):
                set_parameters(one, _varied(one.W, seed))
        self._replace_own_data()
        end = self.nodes[-1]
        if isinstance(end, Loss) and end.labels is None and _runs(lambda: run_forward(end.in_layer)):
            end.labels = _draw_labels(end, np.shape(run_forward(end.in_layer)), rng)
        self._let_integers_be_numbers()

    def _find_hidden(self, node: Any, copies: Mapping[int, Any]) -> None:
        """Copy what a class of the user's holds, where objects in it have parameters but are no layers of the graph."""
        if is_ours(node):
            return
        known = {**copies, **{id(other): other for other in self.nodes}}
        if not any(_has_parameters(one) for one in objects_in(node, known)):
            return
        for name, value in attributes_of(node).items():
            set_attribute(node, name, copy.deepcopy(value, known))
        found = [one for one in objects_in(node, known) if _has_parameters(one)]
        self.hidden[id(node)] = found
        own = name_layers(found)
        self.names |= {id(one): f"{self.names[id(node)]}.{name}" for one, name in zip(found, own, strict=True)}

    def _replace_own_data(self) -> None:
        """Let one of our Data layers return what a class of the user's without inputs and parameters returns."""
        stand_ins: dict[int, Data] = {}
        for i, node in enumerate(self.nodes[:-1]):
            if isinstance(node, Data) or feeders(node) or has_parameters(node) or not _runs(node.forward):
                continue
            array = np.array(node.forward())
            if array.dtype.kind in "fiub" and array.ndim:
                stand_ins[id(node)] = self.nodes[i] = Data(
                    array.astype(np.float64) if array.dtype.kind == "f" else array
                )
                self.names[id(self.nodes[i])] = self.names[id(node)]
        for node in self.nodes:
            read = feeders(node)
            if any(id(feeder) in stand_ins for feeder in read):
                set_feeders(node, tuple(stand_ins.get(id(feeder), feeder) for feeder in read))

    def _let_integers_be_numbers(self) -> None:
        """Make integers floating-point numbers, unless a layer takes them as indices."""
        for node in self.nodes:
            if not isinstance(node, Data) or node.data.dtype.kind == "f" or _reads_indices(node, self.nodes):
                continue
            integers, node.data = node.data, node.data.astype(np.float64)
            if _runs(lambda: run_forward(self.nodes[-1])):
                self.integers.add(id(node))
            else:
                node.data = integers


def _has_parameters(one: Any) -> bool:
    W = getattr(one, "W", None)
    return isinstance(W, np.ndarray) and W.dtype.kind == "f"


def _runs(function: Callable[[], Any]) -> bool:
    try:
        function()
    except Exception:  # a class of the user's may raise anything
        return False
    return True


def _to_float64(one: Any) -> None:
    """Give an object copies of its arrays in float64, and of its generators of random numbers."""
    made: dict[int, Any] = {}

    def copied(value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            return made.setdefault(id(value), np.array(value, dtype=np.float64))
        return copy.deepcopy(value) if isinstance(value, np.random.Generator) else value

    for name in LAST_PASS:
        getattr(one, "__dict__", {}).pop(name, None)
    for name, value in attributes_of(one).items():
        new = mapped(value, copied)
        if new is not value:
            set_attribute(one, name, new)
    W = getattr(one, "W", None)
    if isinstance(W, (int, float, list, tuple)) or (isinstance(W, np.ndarray) and W.dtype.kind in "iub"):
        with suppress(ValueError, TypeError):  # it may hold anything, of which the pass tells
            set_parameters(one, np.array(W, dtype=np.float64))


def _hides_mistakes(W: Any) -> bool:
    """Whether parameters are such that wrong gradients may be right by chance: all the same, or a matrix equal to its transpose."""
    if not isinstance(W, np.ndarray) or W.dtype.kind != "f" or W.size < 2:
        return False
    return bool(np.ptp(W) == 0 or (W.ndim == 2 and W.shape[0] == W.shape[1] and np.array_equal(W, W.T)))


def _varied(W: Array, seed: int) -> Array:
    """Return other parameters near those that were given, of the same signs; those that are 0 become small numbers."""
    rng = np.random.default_rng(seed + 2)
    return np.where(W == 0, 0.1 * rng.standard_normal(W.shape), W * rng.uniform(0.8, 1.2, W.shape))


def _reads_indices(node: Data, nodes: Sequence[Any]) -> bool:
    return any(
        getattr(other, "reads_indices", False) and any(feeder is node for feeder in feeders(other)) for other in nodes
    )


def _draw_data(node: Data, nodes: Sequence[Any], rng: np.random.Generator) -> Array:
    shape = (BATCH, *(d for d in node.out_dims[1:] if d is not None))
    for other in nodes:
        if getattr(other, "reads_indices", False) and any(feeder is node for feeder in feeders(other)):
            return rng.integers(0, other.num_entries, shape)
    return rng.standard_normal(shape)


def _draw_labels(loss: Loss, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    if isinstance(loss, CrossEntropy):
        return rng.integers(0, shape[1], shape[0])
    if isinstance(loss, BinaryCrossEntropy):
        return rng.integers(0, 2, shape)
    if isinstance(loss, PoissonLoss):
        return rng.poisson(2.0, shape)
    if isinstance(loss, (GammaLoss, TweedieLoss)):
        return rng.gamma(2.0, size=shape)
    return rng.standard_normal(shape)
