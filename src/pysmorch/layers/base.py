"""The base class of all layers, and the walk over the graph that they form."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


class ShapeError(ValueError):
    """Shapes that do not fit together; the message names the layer, what was found and what was expected."""


class Layer:
    """One operation in a graph of layers, with at most one parameter array `W` and its gradient `G`.

    A concrete layer holds its mathematics and nothing else:

    - `compute(*inputs)` returns the output;
    - `pull_back(dwnstrm)` takes the gradient of the loss with respect to the output, stores the gradient with
      respect to `W` in `G`, and returns the gradient with respect to the input (a tuple for several inputs,
      `None` for an input that has no gradient).

    The walk sets `in_array` (`in_arrays` for several inputs) before `compute` and `out_array` after it.

    Attributes:
        in_layers: the layers that feed this one; `in_layer` is the first of them.
        out_dims: shape of the output; the first entry is the batch when the layer was made, and may change.
        training: True while training, False in prediction; only some layers (Dropout, Normalize) care.
        lr_factor, decay_factor: multiply the optimizer's learning rate and weight decay for this layer's `W`.
    """

    in_layers: tuple[Any, ...] = ()
    in_arrays: tuple[Array, ...]
    out_array: Array
    out_dims: tuple[int | None, ...]
    pass_back: Any
    training: bool = True
    lr_factor: float = 1.0
    decay_factor: float = 1.0
    reads_indices: bool = False
    """Whether the input is whole numbers that must not become floating-point ones."""
    native: str | None = None
    """Name of the operation of the native engine; None where there is none."""
    state_names: tuple[str, ...] = ()
    """Arrays besides `W` that belong to a trained layer, such as running statistics."""

    _W: Array
    _G: Array
    _G_is_bound: bool = False

    def __init__(self, *in_layers: Any) -> None:
        for layer in in_layers:
            if not hasattr(layer, "forward") or not hasattr(layer, "out_dims"):
                raise TypeError(
                    f"{type(self).__name__} must be fed by a layer, but got {type(layer).__name__}; "
                    "wrap an array as Data(array)"
                )
        self.in_layers = in_layers
        if in_layers:
            self.out_dims = tuple(in_layers[0].out_dims)

    # What a concrete layer defines.

    def compute(self, *inputs: Any, **no_options: Any) -> Any:
        """Return the output for these inputs, one argument each."""
        raise NotImplementedError(f"{type(self).__name__} does not define compute(x)")

    def pull_back(self, dwnstrm: Array) -> Any:
        """Store the gradient for `W` in `G` and return the gradient for the input."""
        raise NotImplementedError(f"{type(self).__name__} does not define pull_back(dwnstrm)")

    # What everybody calls.

    def forward(self) -> Any:
        """Run every layer that this one depends on, once, and return this layer's output."""
        return run_forward(self)

    def backward(self, dwnstrm: ArrayLike = 1.0) -> None:
        """Hand a gradient with respect to this layer's output back through the graph; every `G` is set.

        `dwnstrm` has the shape of the output; a loss needs none.
        """
        run_backward(self, dwnstrm)

    @property
    def in_layer(self) -> Any:
        """The layer that feeds this one (the first, where there are several)."""
        if not self.in_layers:
            raise AttributeError(f"{type(self).__name__} has no in_layer: nothing feeds it")
        return self.in_layers[0]

    @in_layer.setter
    def in_layer(self, layer: Any) -> None:
        self.in_layers = (layer, *self.in_layers[1:])

    @property
    def in_dims(self) -> tuple[int | None, ...]:
        """Shape of the (first) input."""
        return tuple(self.in_layer.out_dims)

    @property
    def in_array(self) -> Array:
        """The (first) input of the last forward pass."""
        return self.in_arrays[0]

    @in_array.setter
    def in_array(self, array: Array) -> None:
        self.in_arrays = (array, *getattr(self, "in_arrays", ())[1:])

    @property
    def W(self) -> Array:
        """The parameters. Assigning takes over the values; the shape has to fit."""
        try:
            return self._W
        except AttributeError:
            raise AttributeError(f"{type(self).__name__} has no parameters W") from None

    @W.setter
    def W(self, value: ArrayLike) -> None:
        if not hasattr(self, "_W"):
            self._W = np.array(value, dtype=np.result_type(np.asarray(value), np.float32))
            return
        array = np.asarray(value)
        if array.shape != self._W.shape:
            raise ShapeError(f"{self!r}: W has shape {self._W.shape}, but an array of shape {array.shape} was assigned")
        self._W[...] = array

    @property
    def G(self) -> Array:
        """The gradient of the loss with respect to `W`, from the last backward pass."""
        try:
            return self._G
        except AttributeError:
            raise AttributeError(f"{type(self).__name__} has no gradient G; run forward and backward first") from None

    @G.setter
    def G(self, value: ArrayLike) -> None:
        array = np.asarray(value)
        if array.shape != self.W.shape:
            raise ShapeError(f"{self!r}: G must have the shape of W, {self.W.shape}, but has shape {array.shape}")
        if self._G_is_bound:
            self._G[...] = array
        else:
            self._G = array.astype(self.W.dtype, copy=False)

    def replace_parameters(self, W: Array) -> None:
        """Take this array itself as `W`, with its dtype; the shape has to fit."""
        if W.shape != self.W.shape:
            raise ShapeError(f"{self!r}: W has shape {self.W.shape}, but an array of shape {W.shape} was given")
        self._W, self._G_is_bound = W, False

    def bind(self, W: Array, G: Array) -> None:
        """Keep parameters and gradient in these arrays from now on; the values of `W` move into them."""
        W[...] = self.W
        self._W, self._G, self._G_is_bound = W, G, True

    @property
    def has_parameters(self) -> bool:
        """Whether the layer has a parameter array."""
        return hasattr(self, "_W")

    @property
    def state(self) -> dict[str, Array]:
        """Arrays besides `W` that a trained layer needs, by name; assigning takes over their values."""
        return {name: getattr(self, name) for name in self.state_names}

    @state.setter
    def state(self, arrays: dict[str, Array]) -> None:
        for name in self.state_names:
            getattr(self, name)[...] = arrays[name]

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's arguments besides the layers that feed this one, by name."""
        parameters = inspect.signature(type(self)).parameters.values()
        return {
            p.name: getattr(self, p.name)
            for p in parameters
            if p.name != "in_layer" and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }

    @property
    def geometry(self) -> dict[str, int]:
        """The sizes that the native operation needs besides those of its arrays, fixed when the layer is made."""
        return {}

    # Help for constructors.

    def rows_of_features(self, in_layer: Any) -> tuple[int | None, int]:
        """Return (rows, features) of a layer that must hand on one row of features for each example."""
        dims = tuple(in_layer.out_dims)
        if len(dims) != 2:
            raise ShapeError(
                f"{type(self).__name__} needs one row of features per example, shape (N, D), but {in_layer!r} "
                f"hands on shape {format_dims(dims)}; put Flatten between them"
            )
        return dims

    def num_channels(self, in_layer: Any) -> int:
        """Return the size of the last axis of a layer's output."""
        dims = tuple(in_layer.out_dims)
        if len(dims) < 2 or dims[-1] is None:
            raise ShapeError(
                f"{type(self).__name__} needs a batch of features, shape (N, ..., D), but {in_layer!r} "
                f"hands on shape {format_dims(dims)}"
            )
        return dims[-1]

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config.items() if np.size(value) <= 4)
        return f"{type(self).__name__}({arguments})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to the last pass, so that a copy or a pickle holds the layer and not its batch."""
        last_pass = ("in_arrays", "out_array", "pass_back", "_G", "_G_is_bound")
        return {name: value for name, value in vars(self).items() if name not in last_pass}


def format_dims(dims: Iterable[int | None]) -> str:
    """Write a shape with N for the batch: (None, 784) becomes (N, 784)."""
    entries = ["N" if d is None else str(d) for d in dims]
    return f"({entries[0]},)" if len(entries) == 1 else f"({', '.join(entries)})"


def feeders(layer: Any) -> tuple[Any, ...]:
    """The layers that feed this one, also for a class that only knows `in_layer`."""
    if isinstance(layer, Layer):
        return layer.in_layers
    return (layer.in_layer,) if hasattr(layer, "in_layer") else ()


def set_feeders(layer: Any, in_layers: tuple[Any, ...]) -> None:
    """Let other layers feed this one, also a class that only knows `in_layer`."""
    if isinstance(layer, Layer):
        layer.in_layers = in_layers
    else:
        (layer.in_layer,) = in_layers


def graph(last: Any) -> list[Any]:
    """Every layer that `last` depends on, each once and after those that feed it; `last` is at the end."""
    order: list[Any] = []
    entered: set[int] = set()
    done: set[int] = set()
    stack = [last]
    while stack:
        layer = stack[-1]
        if id(layer) in done:
            stack.pop()
            continue
        waiting = [f for f in feeders(layer) if id(f) not in done] if id(layer) not in entered else []
        entered.add(id(layer))
        if any(id(f) in entered for f in waiting):
            raise ValueError(f"the graph has a cycle through {layer!r}")
        if waiting:
            stack.extend(reversed(waiting))
        else:
            stack.pop()
            done.add(id(layer))
            order.append(layer)
    return order


def name_layers(layers: Sequence[Any]) -> list[str]:
    """Give each layer its class name and its number among those of its class: Linear1, Relu1, Linear2."""
    counts: dict[str, int] = {}
    names = []
    for layer in layers:
        kind = type(layer).__name__
        counts[kind] = counts.get(kind, 0) + 1
        names.append(f"{kind}{counts[kind]}")
    return names


def run_forward(last: Any) -> Any:
    """Run all layers that `last` depends on, each once, and return the output of `last`."""
    outputs: dict[int, Any] = {}
    for layer in graph(last):
        inputs = tuple(outputs[id(f)] for f in feeders(layer))
        outputs[id(layer)] = _forward(layer, inputs)
    return outputs[id(last)]


def run_backward(last: Any, dwnstrm: ArrayLike) -> dict[int, Array]:
    """Hand `dwnstrm` back from `last` through the graph; gradients of several consumers are summed.

    Returns the gradients that reached the layers with nothing before them, by `id` of the layer.
    """
    gradients: dict[int, Any] = {id(last): dwnstrm}
    sources: dict[int, Array] = {}
    for layer in reversed(graph(last)):
        gradient = gradients.pop(id(layer), None)
        if gradient is None:
            continue
        if not feeders(layer):
            sources[id(layer)] = gradient
        for feeder, part in zip(feeders(layer), _backward(layer, gradient), strict=True):
            if part is not None:
                known = gradients.get(id(feeder))
                gradients[id(feeder)] = part if known is None else known + part
    return sources


def _forward(layer: Any, inputs: tuple[Any, ...]) -> Any:
    if getattr(type(layer), "forward", None) is not Layer.forward:
        handovers = [_Handover(feeder, x) for feeder, x in zip(feeders(layer), inputs, strict=True)]
        out = _call_with_handover(layer, handovers, "forward")
        if isinstance(layer, Layer):
            layer.in_arrays, layer.out_array = inputs, out
        return out
    layer.in_arrays = inputs
    out = layer.compute(*inputs)
    dtype = next((x.dtype for x in inputs if x.dtype.kind == "f"), None)
    if dtype is not None and isinstance(out, np.ndarray):
        out = out.astype(dtype, copy=False)
    layer.out_array = out
    return out


def _backward(layer: Any, dwnstrm: Any) -> tuple[Any, ...]:
    if getattr(type(layer), "backward", None) is not Layer.backward:
        handovers = [_Handover(feeder, None) for feeder in feeders(layer)]
        # A loss in the seed's style takes no gradient: it is the end of the graph.
        takes_gradient = bool(inspect.signature(layer.backward).parameters)
        _call_with_handover(layer, handovers, "backward", *([dwnstrm] if takes_gradient else []))
        return tuple(h.received for h in handovers)
    if not hasattr(layer, "out_array"):
        raise RuntimeError(f"{layer!r}: backward was called before forward")
    dwnstrm = np.asarray(dwnstrm, dtype=layer.out_array.dtype)
    if dwnstrm.shape != layer.out_array.shape:
        raise ShapeError(
            f"{layer!r}: the gradient handed back has shape {dwnstrm.shape}, the output has {layer.out_array.shape}"
        )
    handed_back = layer.pull_back(dwnstrm)
    parts = tuple(
        part.astype(x.dtype, copy=False) if part is not None and x.dtype.kind == "f" else part
        for part, x in zip(
            handed_back if isinstance(handed_back, tuple) else (handed_back,), layer.in_arrays, strict=True
        )
    )
    layer.pass_back = parts if isinstance(handed_back, tuple) else parts[0]
    return parts


class _Handover:
    """Stands in for the layer behind one that calls `in_layer.forward()` and `in_layer.backward()` by itself.

    The value is already known when it asks, and what it hands back is collected here, so that also a layer
    with its own walk is run once a pass in any graph.
    """

    def __init__(self, layer: Any, value: Any) -> None:
        self.out_dims = layer.out_dims
        self.value = value
        self.received: Any = None

    def forward(self) -> Any:
        return self.value

    def backward(self, dwnstrm: Any) -> None:
        self.received = dwnstrm if self.received is None else self.received + dwnstrm


def _call_with_handover(layer: Any, handovers: Sequence[_Handover], method: str, *arguments: Any) -> Any:
    if not handovers:
        return getattr(layer, method)(*arguments)
    real = feeders(layer)
    set_feeders(layer, tuple(handovers))
    try:
        return getattr(layer, method)(*arguments)
    finally:
        set_feeders(layer, real)
