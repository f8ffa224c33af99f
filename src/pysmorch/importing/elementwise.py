"""Operators that compute each entry from those at the same index: activations, functions and arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import pi, sqrt

import numpy as np

from pysmorch import layers as ours
from pysmorch.files import ModelFileError
from pysmorch.importing.calls import Call
from pysmorch.importing.tensors import INTEGERS
from pysmorch.importing.values import Value, checked, in_order, plain
from pysmorch.layers.base import Array, Layer
from pysmorch.layers.functions import FUNCTIONS

Operator = Callable[[Call], None]
"""Makes layers of a node."""


def of_entries(make: Callable[[Call, Layer], Layer]) -> Operator:
    """Return an operator of each entry by itself, in whatever layout the input has."""

    def operator(call: Call) -> None:
        value = call.value(0)
        call.give(replace(value, layer=make(call, value.layer), integer=False))

    return operator


def _plainly(make: Callable[[Layer], Layer]) -> Operator:
    return of_entries(lambda call, x: make(x))


def function(name: str) -> Operator:
    """Return an operator that is a `Function`."""
    return _plainly(lambda x: ours.Function(x, name))


def identity(call: Call) -> None:
    """The input."""
    call.give(call.value(0))


def cast(call: Call) -> None:
    """Another type of numbers: nothing between floating-point types, since all are those of the network."""
    kind, value = call.integer("to"), call.value(0)
    call.any_attribute("saturate")
    call.any_attribute("round_mode")
    if kind in INTEGERS and not value.integer:
        raise ModelFileError("it makes integers of numbers, which rounds them in a way that has no layer")
    if kind not in (1, 10, 11, 16, *INTEGERS):
        raise ModelFileError(f"it makes elements of type {kind}; only numbers can be imported")
    call.give(replace(value, integer=kind in INTEGERS))


def dropout(call: Call) -> None:
    """Zeros while training; prediction leaves the input as it is, whatever the file says."""
    rate: float | None = call.number("ratio", 0.5)
    call.any_attribute("seed")
    call.any_attribute("is_test")
    rate = call.scalar(1) if call.has(1) else rate
    call.optional(2)
    if call.wants(1):
        raise ModelFileError("its mask is an output; leave that out")
    value = call.value(0)
    layer = value.layer if not rate else ours.Dropout(value.layer, rate)
    call.give(replace(value, layer=layer))


def clip(call: Call) -> None:
    """Bounds as attributes, or as inputs since version 11."""
    low, high = call.scalar(1), call.scalar(2)
    if call.version < 11:
        low, high = (call.number(name, 0.0) if name in call.node.attributes else None for name in ("min", "max"))
    limit = float(np.finfo(np.float32).max)
    low = None if low is None or low <= -limit else low
    high = None if high is None or high >= limit else high
    value = call.value(0)
    call.give(replace(value, layer=ours.Clip(value.layer, low, high)))


def _leaky_relu(call: Call, x: Layer) -> Layer:
    return ours.LeakyRelu(x, call.number("alpha", 0.01))


def _elu(call: Call, x: Layer) -> Layer:
    return _elu_of(x, call.number("alpha", 1.0))


def _elu_of(x: Layer, alpha: float) -> Layer:
    if alpha == 1:
        return ours.Function(x, "elu")
    below = ours.Rescale(ours.Function(ours.Clip(x, high=0.0), "elu"), alpha)
    return ours.Add(ours.Relu(x), below)


def _celu(call: Call, x: Layer) -> Layer:
    alpha = call.number("alpha", 1.0)
    return _scaled(ours.Function(_scaled(x, 1 / alpha), "elu"), alpha)


def _selu(call: Call, x: Layer) -> Layer:
    alpha, gamma = call.number("alpha", ours.Selu.alpha), call.number("gamma", ours.Selu.scale)
    if np.allclose((alpha, gamma), (ours.Selu.alpha, ours.Selu.scale), rtol=1e-6, atol=0):
        return ours.Selu(x)
    return ours.Rescale(_elu_of(x, alpha), gamma)


def _gelu(call: Call, x: Layer) -> Layer:
    if call.choice("approximate", "none", "none", "tanh") == "none":
        return ours.Gelu(x)
    cubic = ours.Add(x, ours.Rescale(ours.Multiply(x, x, x), 0.044715))
    return ours.Multiply(ours.Rescale(x, 0.5), ours.Rescale(ours.Tanh(ours.Rescale(cubic, sqrt(2 / pi))), 1.0, 1.0))


def _hard_sigmoid(call: Call, x: Layer) -> Layer:
    return ours.Clip(ours.Rescale(x, call.number("alpha", 0.2), call.number("beta", 0.5)), 0.0, 1.0)


def _hard_swish(x: Layer) -> Layer:
    return ours.Multiply(x, ours.Clip(ours.Rescale(x, 1 / 6, 0.5), 0.0, 1.0))


def _swish(call: Call, x: Layer) -> Layer:
    alpha = call.number("alpha", 1.0)
    return ours.Silu(x) if alpha == 1 else ours.Multiply(x, ours.Sigmoid(_scaled(x, alpha)))


def _thresholded_relu(call: Call, x: Layer) -> Layer:
    return ours.Multiply(x, _above(x, call.number("alpha", 1.0)))


def _shrink(call: Call, x: Layer) -> Layer:
    limit, bias = call.number("lambd", 0.5), call.number("bias", 0.0)
    upper = ours.Multiply(ours.Rescale(x, 1.0, -bias), _above(x, limit))
    lower = ours.Multiply(ours.Rescale(x, 1.0, bias), _above(ours.Rescale(x, -1.0), limit))
    return ours.Add(upper, lower)


def _above(x: Layer, limit: float) -> Layer:
    """Return 1 where x > limit, else 0."""
    return ours.Function(ours.Rescale(x, 1.0, -limit), "step")


def _scaled(x: Layer, factor: float) -> Layer:
    return x if factor == 1 else ours.Rescale(x, factor)


def prelu(call: Call) -> None:
    """x where x > 0, else a trainable slope times x."""
    value = call.value(0)
    negative = replace(value, layer=ours.Rescale(ours.Relu(ours.Rescale(value.layer, -1.0)), -1.0))
    below = with_constant(call, negative, call.constant(1), "multiply", i=1)
    call.give(combined(replace(value, layer=ours.Relu(value.layer)), below, "add"))


def scaler(call: Call) -> None:
    """(x - offset) scale, with a number for each feature, as scikit-learn's scalers are written."""
    value = call.value(0)
    if value.rank != 2:
        raise ModelFileError(f"its input has {value.rank} axes, but needs two")
    size, layer = value.layer.out_dims[1] or 0, value.layer
    call.scope.reserve(16 * size)
    for name, cls, sign in (("offset", ours.Bias, -1), ("scale", ours.Scale, 1)):
        row = call.any_attribute(name)
        if not isinstance(row, np.ndarray) or row.dtype.kind != "f" or row.size not in (1, size):
            raise ModelFileError(f"its attribute {name} is no list of {size} numbers")
        made: Layer = cls(layer)
        row = np.broadcast_to(sign * row, size)
        layer = call.set_parameters(made, (row if value.order is None else row[value.order])[None])
        layer.decay_factor = 0.0
    call.give(replace(value, layer=layer))


# Arithmetic.


def arithmetic(operation: str) -> Operator:
    """Return an operator of two inputs, of which one may be a constant."""
    return lambda call: call.give(_arithmetic(call, operation))


def _arithmetic(call: Call, operation: str) -> Value:
    if call.is_constant(1):
        return with_constant(call, call.value(0), call.constant(1), operation, i=1)
    if call.is_constant(0):
        return with_constant(call, call.value(1), call.constant(0), operation, i=0, constant_first=True)
    return combined(call.value(0), call.value(1), operation)


def of_many(operation: str, mean: bool = False) -> Operator:
    """Return an operator of any number of inputs."""

    def operator(call: Call) -> None:
        inputs = range(len(call))
        values = [call.value(i) for i in inputs if not call.is_constant(i)]
        if not values:
            raise ModelFileError("it has no inputs that depend on the data")
        result = values[0]
        for other in values[1:]:
            result = combined(result, other, operation)
        for i in inputs:
            if call.is_constant(i):
                result = with_constant(call, result, call.constant(i), operation, i)
        call.give(replace(result, layer=_scaled(result.layer, 1 / len(call))) if mean else result)

    return operator


def combined(a: Value, b: Value, operation: str) -> Value:
    """Return two values, entry by entry."""
    if a.rank != b.rank:
        raise ModelFileError(f"its inputs have {a.rank} and {b.rank} axes, so that their batches do not match")
    if a.axes != b.axes or a.order is not b.order:
        a, b = plain(a), in_order(b, a.axes)
    same = a.layer.out_dims[1:] == b.layer.out_dims[1:]
    if same and operation == "multiply" and isinstance(b.layer, ours.Sigmoid) and b.layer.in_layer is a.layer:
        layer: Layer = ours.Silu(a.layer)
    elif same and operation == "multiply" and isinstance(a.layer, ours.Sigmoid) and a.layer.in_layer is b.layer:
        layer = ours.Silu(b.layer)
    elif same and operation in ("add", "multiply"):
        layer = ours.Add(a.layer, b.layer) if operation == "add" else ours.Multiply(a.layer, b.layer)
    else:
        layer = ours.Combine(a.layer, b.layer, operation=operation)
    return replace(a, layer=checked(layer), integer=False)


def with_constant(
    call: Call, value: Value, constant: Array, operation: str, i: int, constant_first: bool = False
) -> Value:
    """Return a value with an array of an input, entry by entry: a `Bias` or a `Scale` where it has a number for each feature."""
    if constant.ndim > value.rank:
        raise ModelFileError(f"its input {call.name(i)!r} has shape {constant.shape}, more axes than the other one")
    constant = constant.astype(np.float32).reshape((1,) * (value.rank - constant.ndim) + constant.shape)
    if constant.shape[value.batch] != 1:
        raise ModelFileError(
            f"its input {call.name(i)!r} has {constant.shape[value.batch]} rows along the batch; it may have one"
        )
    single = constant.size == 1 and (value.rank == 1 or value.shape[-1] != 1 or call.constant(i).ndim == 0)
    if single:
        made = _with_number(value.layer, float(constant.reshape(-1)[0]), operation, constant_first)
        if made is not None:
            return replace(value, layer=made, integer=False)
    if value.order is not None and constant.shape[1] > 1:
        constant = constant[:, value.order]
    inner = constant.transpose(value.axes)[0]
    if inner.size == inner.shape[-1] == value.layer.out_dims[-1] and value.rank > 1:
        made = _by_feature(call, value.layer, inner.reshape(1, -1), operation, i, constant_first)
        if made is not None:
            return replace(value, layer=made, integer=False)
    inner = _without_leading_ones(inner)
    if 0 in inner.shape:
        raise ModelFileError(f"its input {call.name(i)!r} has no entries")
    layer = ours.CombineParameter(value.layer, operation, inner.shape, constant_first)
    call.set_parameters(checked(layer), inner, i, frozen=operation in ("power", "maximum", "minimum"))
    return replace(value, layer=layer, integer=False)


def _without_leading_ones(array: Array) -> Array:
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    return array


def _with_number(x: Layer, number: float, operation: str, number_first: bool) -> Layer | None:
    """Return a layer with a number that is not trained; None where there is none for that."""
    if not np.isfinite(number):
        raise ModelFileError(f"it computes with the number {number}")
    if operation == "maximum":
        return ours.Clip(x, low=number)
    if operation == "minimum":
        return ours.Clip(x, high=number)
    if operation == "add":
        return ours.Rescale(x, 1.0, number) if number else x
    if operation == "subtract":
        return ours.Rescale(x, -1.0, number) if number_first else ours.Rescale(x, 1.0, -number)
    if operation == "multiply":
        return _scaled(x, number)
    if operation == "divide" and number_first:
        return _scaled(ours.Function(x, "reciprocal"), number)
    if operation == "divide" and number:
        return _scaled(x, 1 / number)
    powers = {0.5: "sqrt", 2.0: "square", -1.0: "reciprocal"}
    if operation == "power" and not number_first and number in (1.0, *powers):
        return x if number == 1 else ours.Function(x, powers[number])
    return None


def _by_feature(call: Call, x: Layer, row: Array, operation: str, i: int, row_first: bool) -> Layer | None:
    """Return a `Bias` or a `Scale`; None where there is none for that."""
    layer: Layer
    if operation in ("add", "subtract"):
        sign = -1 if operation == "subtract" and not row_first else 1
        layer, row = ours.Bias(ours.Rescale(x, -1.0) if operation == "subtract" and row_first else x), sign * row
    elif operation == "multiply":
        layer = ours.Scale(x)
    elif operation == "divide" and not row_first and row.all():
        layer, row = ours.Scale(x), 1 / row
    else:
        return None
    call.set_parameters(layer, row, i)
    layer.decay_factor = 0.0
    return layer


def greater(above: bool) -> Operator:
    """Return an operator that is 1 where the first input is above (or below) the second one, else 0."""

    def operator(call: Call) -> None:
        value = _arithmetic(call, "subtract")
        x = value.layer if above else ours.Rescale(value.layer, -1.0)
        call.give(replace(value, layer=ours.Function(x, "step")))

    return operator


OPERATORS: dict[str, Operator] = {
    "Identity": identity,
    "Cast": cast,
    "Dropout": dropout,
    "Clip": clip,
    "Relu": _plainly(ours.Relu),
    "Sigmoid": _plainly(ours.Sigmoid),
    "Tanh": _plainly(ours.Tanh),
    "Mish": _plainly(ours.Mish),
    "Cos": _plainly(ours.Cos),
    "Neg": _plainly(lambda x: ours.Rescale(x, -1.0)),
    "HardSwish": _plainly(_hard_swish),
    "LeakyRelu": of_entries(_leaky_relu),
    "Elu": of_entries(_elu),
    "Celu": of_entries(_celu),
    "Selu": of_entries(_selu),
    "Gelu": of_entries(_gelu),
    "HardSigmoid": of_entries(_hard_sigmoid),
    "Swish": of_entries(_swish),
    "ThresholdedRelu": of_entries(_thresholded_relu),
    "Shrink": of_entries(_shrink),
    "PRelu": prelu,
    **{name.capitalize(): function(name) for name in FUNCTIONS if name not in ("elu", "square", "step")},
    "Add": arithmetic("add"),
    "Sub": arithmetic("subtract"),
    "Mul": arithmetic("multiply"),
    "Div": arithmetic("divide"),
    "Pow": arithmetic("power"),
    "Sum": of_many("add"),
    "Max": of_many("maximum"),
    "Min": of_many("minimum"),
    "Mean": of_many("add", mean=True),
    "ai.onnx.ml:Scaler": scaler,
    "Greater": greater(True),
    "Less": greater(False),
}
"""What makes layers of a node, by the operator."""
