"""Runs layers that have a `forward` or `backward` of their own, which call those of `in_layer`, inside a traversal of the graph.

While such a routine runs, proxy inputs replace the input layers: their `forward` returns the value that the traversal has computed
already, and their `backward` collects the gradient. So every layer runs once per pass, also in a graph with branches.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class ProxyInput:
    """Replaces an input layer of which the output is known; collects the gradient with respect to it."""

    def __init__(self, layer: Any, value: Any = None) -> None:
        self.out_dims = layer.out_dims
        self.value = value
        self.gradient: Any = None

    def forward(self) -> Any:
        """Return the known output."""
        return self.value

    def backward(self, dwnstrm: Any) -> None:
        """Accumulate the gradient."""
        self.gradient = dwnstrm if self.gradient is None else self.gradient + dwnstrm


def feeders(layer: Any) -> tuple[Any, ...]:
    """Return the input layers of a layer, also of a class that only knows `in_layer`."""
    if hasattr(type(layer), "in_layers"):
        return tuple(layer.in_layers)
    return (layer.in_layer,) if hasattr(layer, "in_layer") else ()


def set_feeders(layer: Any, in_layers: tuple[Any, ...]) -> None:
    """Replace the input layers of a layer, also of a class that only knows `in_layer`."""
    if hasattr(type(layer), "in_layers"):
        layer.in_layers = in_layers
    else:
        (layer.in_layer,) = in_layers


def own_forward(layer: Any, inputs: Sequence[Any]) -> Any:
    """Return what a layer's own `forward` returns for these inputs."""
    return _with_proxies(layer, [ProxyInput(f, x) for f, x in zip(feeders(layer), inputs, strict=True)], "forward")


def own_backward(layer: Any, dwnstrm: Any) -> tuple[Any, ...]:
    """Run a layer's own `backward` and return the gradient for each input, None for an input that got none."""
    proxies = [ProxyInput(feeder) for feeder in feeders(layer)]
    # A loss in the seed's style takes no gradient: it is the end of the graph.
    takes_gradient = bool(inspect.signature(layer.backward).parameters)
    _with_proxies(layer, proxies, "backward", *([dwnstrm] if takes_gradient else []))
    return tuple(proxy.gradient for proxy in proxies)


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


def _with_proxies(layer: Any, proxies: Sequence[ProxyInput], method: str, *arguments: Any) -> Any:
    if not proxies:
        return getattr(layer, method)(*arguments)
    real = layer.in_layers if hasattr(type(layer), "in_layers") else feeders(layer)
    set_feeders(layer, tuple(proxies))
    try:
        return getattr(layer, method)(*arguments)
    finally:
        set_feeders(layer, real)
