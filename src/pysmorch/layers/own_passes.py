"""Runs layers that have a `forward` or `backward` of their own, which call those of `in_layer`, inside a traversal of the graph.

While such a routine runs, proxy inputs replace all layers that it can read: their `forward` returns the value that the traversal has
computed already, and their `backward` collects the gradient. So every layer runs once per pass, also in a graph with branches, and a
block that holds layers is the last of them in the graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pysmorch.layers.attributes import attributes_of, is_layer, layers_in, objects_in, replace_in, set_attribute
from pysmorch.layers.native_form import is_ours


class ProxyInput:
    """Replaces a layer of which the output is known; collects the gradient with respect to it. In all else it is that layer."""

    __slots__ = ("_gradient", "_layer", "_value")
    native = None
    in_layers: tuple[Any, ...] = ()

    def __init__(self, layer: Any, value: Any = None) -> None:
        set_attribute(self, "_layer", layer)
        set_attribute(self, "_value", value)
        set_attribute(self, "_gradient", None)

    def forward(self) -> Any:
        """Return the known output; in a backward pass that of the last forward pass."""
        if self._value is None:
            out = getattr(self._layer, "out_array", None)
            set_attribute(self, "_value", self._layer.forward() if out is None else out)
        return self._value

    def backward(self, dwnstrm: Any) -> None:
        """Accumulate the gradient."""
        set_attribute(self, "_gradient", dwnstrm if self._gradient is None else self._gradient + dwnstrm)

    def _forward_step(self, inputs: tuple[Any, ...], read: Sequence[Any] | None = None) -> Any:
        return self._value

    def _backward_step(self, dwnstrm: Any, read: Sequence[Any] | None = None) -> tuple[Any, ...]:
        self.backward(dwnstrm)
        return ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._layer, name, value)


Links = dict[int, tuple[Any, list[Any]]]
"""Layers with what each links to, by `id`: to look them up once while nothing changes."""


def feeders(layer: Any, known: Links | None = None) -> tuple[Any, ...]:
    """Return the layers whose outputs a layer can read.

    These are its input layers, and in a class of the user's also all others that it holds in its attributes, under any name: further
    inputs, or the layers of a block, which read from its input layer themselves. What many layers link to is looked up once where
    `known` is the same dict for all of them.
    """
    if is_ours(layer):
        return tuple(layer.in_layers)
    known = {} if known is None else known
    declared = input_layers(layer)
    held = _links(layer, known)[len(declared) :]
    return (*declared, *_without_own_sources(layer, declared, held, known)) if held else declared


def input_layers(layer: Any) -> tuple[Any, ...]:
    """Return the layers in `in_layers` or `in_layer`; none where a class has other names for them."""
    if hasattr(type(layer), "in_layers"):
        return tuple(layer.in_layers)
    in_layer = getattr(layer, "in_layer", None)
    return () if in_layer is None else (in_layer,)


def _held_beside(layer: Any, declared: Sequence[Any]) -> list[Any]:
    """The layers in a layer's attributes besides these, each once."""
    known = {id(layer), *map(id, declared)}
    held = []
    for value in attributes_of(layer).values():
        for one in layers_in(value):
            if id(one) not in known:
                known.add(id(one))
                held.append(one)
    return held


def _without_own_sources(layer: Any, declared: Sequence[Any], held: Sequence[Any], known: Links) -> list[Any]:
    """Leave out the layers that depend on `layer` itself, and those that read from data that it sets by itself.

    Such data are in a layer without inputs that is held, that others that are held read, and that no input layer depends on.
    """
    given = _upstream(declared, known)
    own = {id(one) for one in held if declared and id(one) not in given and not _links(one, known)}
    if own:
        within = [one for one in objects_in(layer, given) if is_layer(one)]
        own &= {id(one) for other in within for one in _links(other, known)}
    return [one for one in held if not _upstream([one], known).keys() & (own | {id(layer)})]


def _upstream(layers: Sequence[Any], known: Links) -> dict[int, Any]:
    """These layers and all that they read from or hold, by their `id`."""
    found: dict[int, Any] = {}
    stack = list(layers)
    while stack:
        one = stack.pop()
        if id(one) not in found:
            found[id(one)] = one
            stack.extend(_links(one, known))
    return found


def _links(layer: Any, known: Links) -> list[Any]:
    """The input layers of a layer, and those that it holds beside them where its class is the user's."""
    if id(layer) not in known:
        declared = input_layers(layer)
        links = [*declared] if is_ours(layer) else [*declared, *_held_beside(layer, declared)]
        known[id(layer)] = layer, links
    return known[id(layer)][1]


def set_feeders(layer: Any, layers: Sequence[Any]) -> None:
    """Replace what `feeders` returns, one by one, wherever the layer holds it."""
    _exchange(layer, feeders(layer), layers)


@contextmanager
def fed_by(layer: Any, layers: Sequence[Any], real: Sequence[Any] | None = None) -> Iterator[None]:
    """While this lasts, the layer reads from these instead of from the `real` ones, which `feeders` returns."""
    real = feeders(layer) if real is None else real
    _exchange(layer, real, layers)
    try:
        yield
    finally:
        _exchange(layer, layers, real)


def _exchange(layer: Any, old: Sequence[Any], new: Sequence[Any]) -> None:
    stored = attributes_of(layer).get("in_layers", ())
    if stored and all(
        a is b for a, b in zip(stored, old, strict=False)
    ):  # one by one: the same layer may be there twice
        set_attribute(layer, "in_layers", type(stored)(new[: len(stored)]))
    if not is_ours(layer):
        replace_in(layer, {id(a): b for a, b in zip(old, new, strict=True)})


def own_forward(layer: Any, inputs: Sequence[Any], read: Sequence[Any] | None = None) -> Any:
    """Return what a layer's own `forward` returns for these outputs of its feeders, which are `read`."""
    read = feeders(layer) if read is None else read
    before = _links(layer, {})
    out = _with_proxies(layer, read, [ProxyInput(f, x) for f, x in zip(read, inputs, strict=True)], "forward")
    is_as_before = list(map(id, _links(layer, {}))) == list(map(id, before))
    if not is_as_before and list(map(id, feeders(layer))) != list(map(id, read)):
        raise TypeError(
            f"{type(layer).__name__}: forward stores other layers than before; make them in the constructor"
        )
    return out


def own_backward(layer: Any, dwnstrm: Any, read: Sequence[Any] | None = None) -> tuple[Any, ...]:
    """Run a layer's own `backward` and return the gradient for each of its feeders, which are `read`, None for one that got none."""
    read = feeders(layer) if read is None else read
    proxies = [ProxyInput(feeder) for feeder in read]
    # A loss in the seed's style takes no gradient: it is the end of the graph.
    takes_gradient = bool(inspect.signature(layer.backward).parameters)
    returned = _with_proxies(layer, read, proxies, "backward", *([dwnstrm] if takes_gradient else []))
    gradients = tuple(proxy._gradient for proxy in proxies)
    if proxies and returned is not None and all(gradient is None for gradient in gradients):
        raise TypeError(
            f"{type(layer).__name__}: backward returns a value, but calls backward of no input layer, so that nothing is passed "
            "back; end with self.in_layer.backward(gradient)"
        )
    return gradients


@contextmanager
def as_computed(layer: Any) -> Iterator[None]:
    """While this lasts, a layer whose own `forward` has replaced `compute` has every attribute that its `pull_back` reads.

    `out_array` is that of `compute`; of other attributes those count that `forward` has set. In the end the layer has the
    attributes of before, and its state arrays are as they were.
    """
    before = dict(vars(layer))
    state = {name: array.copy() for name, array in layer.state.items()}
    out = layer.compute(*layer.in_arrays)
    added = vars(layer).keys() - before.keys()
    vars(layer).update(before | {"out_array": out})
    layer.state = state
    try:
        yield
    finally:
        for name in added | {"out_array"}:
            vars(layer).pop(name, None)
        vars(layer).update({name: before[name] for name in ("out_array",) if name in before})


def _with_proxies(layer: Any, read: Sequence[Any], proxies: Sequence[ProxyInput], method: str, *arguments: Any) -> Any:
    with fed_by(layer, proxies, read):
        return getattr(layer, method)(*arguments)
