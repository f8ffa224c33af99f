"""One pass through a graph that watches each layer: what it raises, what it changes that is not its own, and how it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pysmorch.gradcheck.check_report import NOTHING, CheckRow, failed_row, text_of
from pysmorch.layers.attributes import attributes_of
from pysmorch.layers.base import Array
from pysmorch.layers.copies import shallow_copies
from pysmorch.layers.graph import accumulate, feeders, run_forward, step_backward, step_forward
from pysmorch.layers.native_form import is_ours
from pysmorch.layers.own_parameters import OwnNumbers, not_an_array
from pysmorch.layers.trainable import has_parameters

NEAR, FAR = 1e-10, 1e-5
"""Relative changes of an input: float64 shows both, float32 the second alone."""


class RandomNumbers:
    """Lets every pass of some layers, and of what they hold, draw the same random numbers."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        self._steps = [node for node in nodes if hasattr(node, "step") and hasattr(node, "stream")]
        values = [value for node in nodes for value in attributes_of(node).values()]
        generators = [value for value in values if isinstance(value, np.random.Generator)]
        self._generators = [(one, one.bit_generator.state) for one in generators]
        self._global = not all(is_ours(node) for node in nodes)

    def begin(self) -> None:
        """Set all of them back to where they were."""
        for node in self._steps:
            node.step = 0
        for generator, state in self._generators:
            generator.bit_generator.state = state
        if self._global:
            np.random.seed(0)


class Watched:
    """A pass through copies of the layers of a graph, one by one, so that the layers have no state of it.

    Parameters
    ----------
    layers : list of Layer
        In topological order.
    names : mapping of int to str
        Their names, by `id`.
    weights : callable
        Called with the output of the last; returns the gradient with respect to it.

    Attributes
    ----------
    faults : list of CheckRow
        What was wrong.
    broken : bool
        Whether the pass did not come to its end.
    single : list of str
        Layers that compute in float32.
    inputs : dict of int to tuple of array
        What each layer was given, by `id`.
    reached : set of int
        The `id` of each layer to which a gradient was passed back.
    """

    def __init__(self, layers: Sequence[Any], names: Mapping[int, str], weights: Callable[[Any], Any]) -> None:
        self.nodes = nodes = shallow_copies(layers)
        self._original = {id(node): id(layer) for node, layer in zip(nodes, layers, strict=True)}
        self._names, self._weights, self._numbers = names, weights, RandomNumbers(nodes)
        self.reached: set[int] = set()
        self.faults: list[CheckRow] = []
        self.broken = False
        self.single: list[str] = []
        self.inputs: dict[int, tuple[Any, ...]] = {}
        self._outputs: dict[int, Any] = {}
        self._used: dict[int, tuple[Any, ...]] = {}
        own = {id(node): OwnNumbers(node) for node in nodes if not is_ours(node)}
        self._numbers.begin()
        for node in nodes:
            if not self.broken:
                self._forward(node)
        self._waiting: dict[int, Any] = {}
        if not self.broken:
            accumulate(self._waiting, (nodes[-1],), (weights(self._outputs[id(nodes[-1])]),))
        for node in reversed(nodes):
            if not self.broken and id(node) in self._waiting:
                self.reached.add(self._original[id(node)])
                self._backward(node, self._waiting.pop(id(node)))

        for node in nodes:
            if not self.broken and id(node) in own:
                self._find_untrained(node, own[id(node)])

    def _find_untrained(self, node: Any, numbers: OwnNumbers) -> None:
        """Note parameters of a class of the user's that are in no array `W`."""
        W = getattr(node, "W", None)
        if W is not None and not is_numeric(W):
            self._fault(node, "W", f"{NOTHING} with respect to W: {not_an_array(W)}")
        for position, text in numbers.untrained(node):
            self._fault(node, position, f"{NOTHING} with respect to {text}")

    def _forward(self, node: Any) -> None:
        given = tuple(_copy(self._outputs[id(feeder)]) for feeder in feeders(node))
        self.inputs[self._original[id(node)]] = given
        used = self._used[id(node)] = tuple(map(_copy, given))
        W = _copy(getattr(node, "W", None))
        out = self._run(node, "forward", lambda: step_forward(node, used))
        if self.broken:
            return
        self._outputs[id(node)] = _copy(out)
        wrong = _what_is_wrong(out)
        if wrong:
            self._fault(node, "-", f"forward returns {wrong}")
            self.broken = True
            return
        if any(not _same(a, b) for a, b in zip(used, given, strict=True)):
            self._fault(node, "input unchanged", "forward changed its input array in place; work on a copy")
        self._check_W(node, "forward", W)
        if not is_ours(node) and given:
            self._find_single(node, lambda inputs: (step_forward(node, inputs),), given)
            self._numbers.begin()
            used = self._used[id(node)] = tuple(map(_copy, given))
            self._run(node, "forward", lambda: step_forward(node, used))

    def _backward(self, node: Any, gradient: Any) -> None:
        used, W = _copy(gradient), _copy(getattr(node, "W", None))
        inputs = self._used[id(node)]
        before = tuple(map(_copy, inputs))
        parts: tuple[Any, ...] = self._run(node, "backward", lambda: step_backward(node, used)) or ()
        if self.broken:
            return
        if not _same(used, gradient):
            self._fault(
                node,
                "dwnstrm unchanged",
                "backward changed dwnstrm in place, which other layers read too; work on a copy",
            )
        if any(not _same(a, b) for a, b in zip(inputs, before, strict=True)):
            self._fault(node, "input unchanged", "backward changed its input array in place; work on a copy")
        self._check_W(node, "backward", W)
        for feeder, part in zip(feeders(node), parts, strict=True):
            out = self._outputs[id(feeder)]
            if part is not None and np.shape(part) != np.shape(out):
                text = f"the gradient with respect to its input has shape {np.shape(part)}, but its input has {np.shape(out)}"
                self._fault(node, "input", text)
                self.broken = True
                return
        accumulate(self._waiting, feeders(node), parts)
        if not is_ours(node) and np.ndim(gradient):
            self._find_single(
                node, lambda d: (*step_backward(node, d[0]), getattr(node, "G", None)), (_copy(gradient),)
            )

    def _run(self, node: Any, which: str, function: Callable[[], Any]) -> Any:
        try:
            return function()
        except Exception as error:  # whatever a layer under test raises is its mistake, not ours
            self._fault(node, "-", f"{type(error).__name__} was raised in {which}{text_of(error)}")
            self.broken = True
            return None

    def _fault(self, node: Any, what: str, text: str) -> None:
        name = self._names[self._original[id(node)]]
        self.faults.append(failed_row(name, what, f"{name}: {text}"))

    def _check_W(self, node: Any, which: str, before: Any) -> None:
        if isinstance(before, np.ndarray) and not _same(before, node.W):
            self._fault(
                node, "W unchanged", f"{which} changed W; only the optimizer does that, after the backward pass"
            )
            node.W[...] = before

    def _find_single(self, node: Any, function: Callable[[Any], tuple[Any, ...]], arrays: tuple[Any, ...]) -> None:
        """Note a layer most of whose numbers do not change with the tenth digit of what they depend on, but with the fifth."""
        name = self._names[self._original[id(node)]]
        if name in self.single:
            return
        rng = np.random.default_rng(0)
        signs = [rng.uniform(0.5, 1.0, np.shape(array)) for array in arrays]

        def at(change: float) -> list[Array]:
            self._numbers.begin()
            varied = tuple(_scaled(array, 1 + change * sign) for array, sign in zip(arrays, signs, strict=True))
            return [np.array(part) for part in function(varied) if part is not None]

        try:
            here, near, far = at(0.0), at(NEAR), at(FAR)
            moved = sum(int((a != c).sum()) for a, c in zip(here, far, strict=True))
            stayed = sum(int(((a == b) & (a != c)).sum()) for a, b, c in zip(here, near, far, strict=True))
        except Exception:  # what it raises, it raises in the pass itself too, or for other numbers alone
            return
        if moved and stayed > moved / 2:
            self.single.append(name)

    def is_repeatable(self) -> bool:
        """Return whether the output is the same in two passes."""
        self._numbers.begin()
        first = np.array(run_forward(self.nodes[-1]))
        self._numbers.begin()
        return bool(np.array_equal(first, run_forward(self.nodes[-1]), equal_nan=True))

    def sizes_of_terms(self) -> dict[int, float]:
        """Return how large the terms are that are added to each gradient, by `id` of the layer with the parameters or data.

        In a backward pass in which every gradient gets random signs, terms that cancel by nature do not.
        """
        rng = np.random.default_rng(0)
        sizes: dict[int, float] = {}
        waiting: dict[int, Any] = {}
        self._numbers.begin()
        run_forward(self.nodes[-1])
        accumulate(waiting, (self.nodes[-1],), (self._weights(self._outputs[id(self.nodes[-1])]),))
        for node in reversed(self.nodes):
            gradient = waiting.pop(id(node), None)
            if gradient is None:
                continue
            signed = gradient * rng.choice([-1.0, 1.0], np.shape(gradient))
            if not feeders(node):
                sizes[self._original[id(node)]] = _largest(signed)
            accumulate(waiting, feeders(node), step_backward(node, signed))
            if has_parameters(node):
                sizes[self._original[id(node)]] = _largest(getattr(node, "G", 0.0))
        return sizes


def is_numeric(value: Any) -> bool:
    """Whether a value is a number or an array of numbers."""
    try:
        return np.asarray(value).dtype.kind in "fiub"
    except Exception:  # arrays of the user's own making may do anything
        return False


def _what_is_wrong(out: Any) -> str:
    """Say what an output is, unless it is finite numbers."""
    if not isinstance(out, (np.ndarray, np.generic, float, int)):
        return "nothing (None)" if out is None else f"a {type(out).__name__}, and not an array"
    array = np.asarray(out)
    if array.dtype.kind not in "fiub":
        return f"an array of dtype {array.dtype}, and not one of real numbers"
    if np.isfinite(array).all():
        return ""
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    return f"{array[index]} at {list(index)}, so that {NOTHING}; give it an input for which its output is finite"


def _largest(array: Any) -> float:
    with np.errstate(all="ignore"):
        return float(np.nan_to_num(np.abs(array), posinf=0.0).max(initial=0.0))


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _scaled(value: Any, factors: Array) -> Any:
    return value * factors if isinstance(value, np.ndarray) and value.dtype.kind == "f" else _copy(value)


def _same(a: Any, b: Any) -> bool:
    return (
        a is b
        or not isinstance(a, np.ndarray)
        or (a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    )
