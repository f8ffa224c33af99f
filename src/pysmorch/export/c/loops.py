"""Layers as loops of C over the axes of an example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from pysmorch.export.c.code import Code, float_literal, size_of

FUNCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "abs": "fabsf(x)",
        "acos": "acosf(x)",
        "acosh": "acoshf(x)",
        "asin": "asinf(x)",
        "asinh": "asinhf(x)",
        "atan": "atanf(x)",
        "atanh": "atanhf(x)",
        "ceil": "ceilf(x)",
        "cosh": "coshf(x)",
        "elu": "x > 0.0f ? x : expm1f(x)",
        "erf": "erff(x)",
        "exp": "expf(x)",
        "floor": "floorf(x)",
        "log": "logf(x)",
        "reciprocal": "1.0f / x",
        "round": "rintf(x)",
        "sign": "x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x",
        "sin": "sinf(x)",
        "sinh": "sinhf(x)",
        "softplus": "(x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x)))",
        "softsign": "x / (1.0f + fabsf(x))",
        "sqrt": "sqrtf(x)",
        "square": "x * x",
        "step": "x > 0.0f ? 1.0f : 0.0f",
        "tan": "tanf(x)",
    }
)
"""The functions of `Function` by their names, of x."""

OPERATIONS: Mapping[str, str] = MappingProxyType(
    {
        "add": "a + b",
        "subtract": "a - b",
        "multiply": "a * b",
        "divide": "a / b",
        "power": "powf(a, b)",
        "maximum": "a > b || a != a ? a : b",
        "minimum": "a < b || a != a ? a : b",
    }
)
"""The operations of `Combine` by their names, of a and b; NaN stays NaN."""

REDUCTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "sum": ("0.0", "total + x"),
        "mean": ("0.0", "total + x"),
        "max": ("-INFINITY", "x > total || x != x ? x : total"),
        "min": ("INFINITY", "x < total || x != x ? x : total"),
        "product": ("1.0", "total * x"),
    }
)
"""What a reduction of `Reduce` begins with, and what each x makes of it."""


@contextmanager
def loops(code: Code, sizes: Mapping[int, int]) -> Iterator[None]:
    """Put the lines that are added into loops over axes, whose indices are i and the number of the axis."""
    for axis, size in sizes.items():
        code.lines.append(f"for (int i{axis} = 0; i{axis} < {size}; i{axis}++) {{")
    yield
    code.lines += ["}"] * len(sizes)


def axes_of(layer: Any) -> dict[int, int]:
    """Return the sizes of a layer's output by the numbers of the axes, without the batch."""
    return dict(enumerate(map(int, layer.out_dims[1:]), start=1))


def entry(array: str, dims: Sequence[int], indices: Sequence[str]) -> str:
    """Return an entry of an array of this shape as an expression; along an axis of size one it is repeated."""
    strides = [prod(dims[i + 1 :]) for i in range(len(dims))]
    terms = [
        index if stride == 1 else f"{index} * {stride}"
        for index, stride, size in zip(indices, strides, dims, strict=True)
        if size > 1
    ]
    return f"({array})[{' + '.join(terms) or '0'}]"


def at(array: str, layer: Any) -> str:
    """Return the entry of a layer's output at the indices of the loops."""
    return entry(array, layer.out_dims[1:], [f"i{axis}" for axis in axes_of(layer)])


def each(code: Code, size: int, x: str, out: str, value: str) -> None:
    """Add a loop over entries that are one after the other, with a value in terms of x."""
    code.lines += [
        f"for (int i = 0; i < {size}; i++) {{",
        f"const float x = ({x})[i];",
        f"({out})[i] = {value};",
        "}",
    ]


def fill(code: Code, size: int, out: str, value: Any) -> None:
    """Add a loop that sets all entries."""
    code.lines.append(f"for (int i = 0; i < {size}; i++) ({out})[i] = {float_literal(value)};")


def function(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """A function of every entry."""
    each(code, size_of(layer), inputs[0], out, FUNCTIONS[layer.function])


def clip(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """Every entry within bounds."""
    bounds = [bound for bound in (layer.low, layer.high) if bound is not None]
    value = "x"
    if layer.high is not None:
        value = f"x > {float_literal(layer.high)} ? {float_literal(layer.high)} : {value}"
    if layer.low is not None:
        value = f"x < {float_literal(layer.low)} ? {float_literal(min(bounds))} : {value}"
    each(code, size_of(layer), inputs[0], out, value)


def combine(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """An operation of two inputs."""
    _combine(code, layer, out, [(x, feeder.out_dims[1:]) for x, feeder in zip(inputs, layer.in_layers, strict=True)])


def combine_parameter(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """An operation of the input and the parameters."""
    missing = len(layer.out_dims) - 1 - len(layer.shape)
    parts = [
        (inputs[0], layer.in_layers[0].out_dims[1:]),
        (code.weights(layer, layer.W), (1,) * missing + layer.shape),
    ]
    _combine(code, layer, out, parts[::-1] if layer.parameter_first else parts)


def _combine(code: Code, layer: Any, out: str, parts: Sequence[tuple[str, Sequence[int]]]) -> None:
    indices = [f"i{axis}" for axis in axes_of(layer)]
    with loops(code, axes_of(layer)):
        a, b = (entry(array, dims, indices) for array, dims in parts)
        code.lines += [f"const float a = {a}, b = {b};", f"{at(out, layer)} = {OPERATIONS[layer.operation]};"]


def matrix_product(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """The products of matrices."""
    first, second = (feeder.out_dims[1:] for feeder in layer.in_layers)
    sizes, inner = axes_of(layer), len(layer.out_dims)
    *others, row, column = (f"i{axis}" for axis in sizes)
    fill(code, size_of(layer), out, 0)
    columns = {inner - 1: sizes.pop(inner - 1)}
    with loops(code, sizes | {inner: first[-1]} | columns):
        a = entry(inputs[0], first, [*others, row, f"i{inner}"])
        b = entry(inputs[1], second, [*others, f"i{inner}", column])
        code.lines.append(f"{at(out, layer)} += {a} * {b};")


def transpose(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """The axes in another order."""
    with loops(code, axes_of(layer)):
        indices = [f"i{layer.order.index(axis) + 1}" for axis in axes_of(layer.in_layers[0])]
        code.lines.append(f"{at(out, layer)} = {entry(inputs[0], layer.in_layers[0].out_dims[1:], indices)};")


def take(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """Entries along an axis."""
    table = code.array(f"{code.names[id(layer)]}_indices", np.array(layer.indices, np.int32))
    axis = layer.axis % len(layer.out_dims)
    with loops(code, axes_of(layer)):
        indices = [f"{table}[i{i}]" if i == axis else f"i{i}" for i in axes_of(layer)]
        code.lines.append(f"{at(out, layer)} = {entry(inputs[0], layer.in_layers[0].out_dims[1:], indices)};")


def pad(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """A number around each example."""
    fill(code, size_of(layer), out, layer.value)
    feeder = layer.in_layers[0]
    with loops(code, axes_of(feeder)):
        indices = [f"(i{axis} + {before})" for axis, (before, _) in enumerate(layer.padding, start=1)]
        code.lines.append(f"{entry(out, layer.out_dims[1:], indices)} = {at(inputs[0], feeder)};")


def reduction(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """One number of the entries along some axes."""
    sizes = axes_of(layer.in_layers[0])
    reduced = {axis: sizes.pop(axis) for axis in layer.axes}
    x = at(inputs[0], layer.in_layers[0])
    y = entry(out, list(sizes.values()), [f"i{axis}" for axis in sizes])
    with loops(code, sizes):
        code.lines.append("{")
        if layer.function == "log_sum_exp":
            _log_sum_exp(code, x, reduced)
            code.lines.append(f"{y} = (float)(largest + log(total));")
        else:
            start, value = REDUCTIONS[layer.function]
            _accumulate(code, "total", start, x, value, reduced)
            divided = f" / {prod(reduced.values())}" if layer.function == "mean" else ""
            code.lines.append(f"{y} = (float)(total{divided});")
        code.lines.append("}")


def log_softmax(code: Code, layer: Any, inputs: Sequence[str], out: str) -> None:
    """x - log(sum exp(x))."""
    sizes = axes_of(layer)
    reduced = {axis: sizes.pop(axis) for axis in layer.axes}
    with loops(code, sizes):
        code.lines.append("{")
        _log_sum_exp(code, at(inputs[0], layer), reduced)
        code.lines.append("const double logarithm = log(total);")
        with loops(code, reduced):
            code.lines.append(f"{at(out, layer)} = (float)({at(inputs[0], layer)} - largest - logarithm);")
        code.lines.append("}")


def _accumulate(code: Code, name: str, start: str, x: str, value: str, sizes: Mapping[int, int]) -> None:
    """Add a variable, and loops that let it become a value in terms of x and of itself."""
    code.lines.append(f"double {name} = {start};")
    with loops(code, sizes):
        code.lines += [f"const double x = {x};", f"{name} = {value};"]


def _log_sum_exp(code: Code, x: str, sizes: Mapping[int, int]) -> None:
    """Add variables for the largest entry, and for the sum of exp(x - largest)."""
    start, value = REDUCTIONS["max"]
    _accumulate(code, "largest", start, x, value.replace("total", "largest"), sizes)
    _accumulate(code, "total", "0.0", x, "total + exp(x - largest)", sizes)
