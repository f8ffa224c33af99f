"""Operators of rows of features: products, embeddings, softmax, reductions and normalisation along axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from pysmorch import layers as ours
from pysmorch.files import ModelFileError
from pysmorch.importing.calls import Call
from pysmorch.importing.elementwise import Operator, combined, with_constant
from pysmorch.importing.values import Value, as_in_graph, checked, in_order, of_graph, plain, reshaped, said
from pysmorch.layers.base import Array, Layer


def gemm(call: Call) -> None:
    """alpha A B + beta C, with B and C as parameters."""
    call.only("transA", 0)
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    W = call.constant(1)
    W = alpha * (W.T if call.integer("transB") else W)
    value = _product(call, _of_rank(call.value(0), 2), W, 1)
    if call.has(2):
        bias = call.constant(2)
        if bias.ndim > 2 or (bias.ndim == 2 and len(bias) != 1) or bias.size not in (1, W.shape[1]):
            raise ModelFileError(f"its input {call.name(2)!r} has shape {bias.shape}; a bias has {W.shape[1]} numbers")
        layer = ours.Bias(value.layer)
        call.set_parameters(layer, np.broadcast_to(beta * bias.reshape(1, -1), layer.W.shape), 2).decay_factor = 0.0
        value = replace(value, layer=layer)
    call.give(value)


def matmul(call: Call) -> None:
    """A product with a matrix of parameters on either side, or of two values."""
    if call.is_constant(1):
        W = call.constant(1)
        value = call.value(0)
        if W.ndim == 1:
            value = _product(call, value, W[:, None], 1)
            call.give(_without_axis(value, value.rank - 1))
        else:
            call.give(_product(call, value, W, 1))
    elif call.is_constant(0):
        value = call.value(1)
        if value.rank < 3:
            raise ModelFileError("it multiplies a constant by rows, which mixes the batch")
        swapped = _with_last_two_swapped(value)
        result = _product(call, swapped, call.constant(0).swapaxes(-1, -2), 0)
        call.give(_with_last_two_swapped(result))
    else:
        a, b = call.value(0), call.value(1)
        if a.rank != b.rank or a.rank < 3:
            raise ModelFileError(
                f"it multiplies values of {a.rank} and {b.rank} axes; both need as many, at least three"
            )
        call.give(of_graph(ours.MatrixProduct(as_in_graph(a), as_in_graph(b))))


def _with_last_two_swapped(value: Value) -> Value:
    swap = {value.rank - 1: value.rank - 2, value.rank - 2: value.rank - 1}
    if value.batch in swap:
        raise ModelFileError("it multiplies along the batch: rows are independent of each other here")
    return replace(plain(value), axes=tuple(swap.get(axis, axis) for axis in value.axes))


def _of_rank(value: Value, rank: int) -> Value:
    if value.rank != rank:
        raise ModelFileError(f"its first input has {value.rank} axes, but needs {rank}")
    return value


def _product(call: Call, value: Value, W: Array, i: int) -> Value:
    """Return the last axis of a value times a matrix: a `Linear`, or a convolution of size one where there are positions."""
    while W.ndim > 2 and len(W) == 1:
        W = W[0]
    last = value.rank - 1
    size = value.shape[last]
    if W.ndim != 2 or size is None or W.shape[0] != size or 0 in W.shape:
        raise ModelFileError(
            f"it multiplies values of shape {said(value.shape)} by {call.name(i)!r}, which has shape {W.shape}"
        )
    if value.rank == 2 and value.order is not None:
        W, value = W[value.order], replace(value, order=None)
    others = [axis for axis in value.axes if axis != last]
    value = in_order(value, (*others, last))
    layer, sizes = value.layer, value.layer.out_dims[1:-1]
    made: Layer
    if value.rank == 2:
        made = call.set_parameters(ours.Linear(layer, W.shape[1]), W, i)
    elif value.rank == 3:
        made = call.set_parameters(ours.Conv1d(layer, W.shape[1], 1, padding="valid"), W[None], i)
    else:
        flat = reshaped(layer, (prod(size or 0 for size in sizes), size))
        product = call.set_parameters(ours.Conv1d(flat, W.shape[1], 1, padding="valid"), W[None], i)
        made = ours.Reshape(product, (*(size or 0 for size in sizes), W.shape[1]))
    return Value(checked(made), value.axes)


def _without_axis(value: Value, axis: int) -> Value:
    """Return a value without an axis of size one."""
    position = value.axis(axis)
    sizes = [size or 0 for size in value.layer.out_dims[1:]]
    del sizes[position - 1]
    axes = tuple(one - (one > axis) for one in value.axes if one != axis)
    return replace(value, layer=reshaped(value.layer, sizes), axes=axes)


def gather_rows(call: Call) -> None:
    """Rows of a table of parameters by their indices: an `Embedding`."""
    table, value = call.constant(0), call.value(1)
    if call.integer("axis") % max(table.ndim, 1) or table.ndim != 2:
        raise ModelFileError(
            f"it takes entries of {call.name(0)!r}, shape {table.shape}, along another axis than its rows"
        )
    if value.rank > 2:
        raise ModelFileError(f"its indices have {value.rank} axes; at most two can be imported")
    layer = ours.Embedding(as_in_graph(value), *table.shape)
    call.set_parameters(layer, table, 0)
    call.give(of_graph(layer))


# Reductions.


def reduction(function: str, before: str | None = None, after: str | None = None) -> Operator:
    """Return an operator that makes one number along axes, with functions of entries before and after it."""

    def operator(call: Call) -> None:
        value = plain(call.value(0))
        axes = call.sizes(1) if call.has(1) else call.integers("axes")
        if not axes and call.integer("noop_with_empty_axes"):
            # Without axes nothing is reduced, but functions before and after are computed.
            axes = []
        elif not axes:
            axes = list(range(value.rank))
        call.integer("noop_with_empty_axes")
        keep = call.integer("keepdims", 1) != 0
        x = ours.Function(value.layer, before) if before else value.layer
        reduced = reduce(replace(value, layer=x), function, axes, keep) if axes else replace(value, layer=x)
        call.give(replace(reduced, layer=ours.Function(reduced.layer, after)) if after else reduced)

    return operator


def reduce(value: Value, function: str, axes: Sequence[int], keep: bool) -> Value:
    """Return a value with one number along axes of the graph."""
    value = plain(value)
    positions = sorted({value.axis(axis) for axis in axes})
    if function == "mean" and positions == [1, 2] and value.rank == 4:
        layer: Layer = ours.GlobalAvgPool2d(value.layer)
        layer = ours.Reshape(layer, (1, 1, layer.out_dims[-1] or 0)) if keep else layer
    else:
        layer = ours.Reduce(value.layer, function, positions, keep)
    if keep:
        return replace(value, layer=layer, integer=False)
    gone = {value.axes[position] for position in positions}
    left = [axis for axis in value.axes if axis not in gone]
    return Value(layer, tuple(sum(other < axis for other in left) for axis in left))


def softmax(logarithm: bool) -> Operator:
    """Return a `LogSoftmax` along an axis, or its exponential; before version 13 along all axes from that one on."""

    def operator(call: Call) -> None:
        value = plain(call.value(0))
        axis = call.integer("axis", -1 if call.version >= 13 else 1)
        axes = [axis] if call.version >= 13 else list(range(axis % value.rank, value.rank))
        layer: Layer = ours.LogSoftmax(value.layer, sorted(value.axis(axis) for axis in axes))
        call.give(replace(value, layer=layer if logarithm else ours.Function(layer, "exp"), integer=False))

    return operator


def lp_normalization(call: Call) -> None:
    """x divided by its norm along an axis."""
    value, order = plain(call.value(0)), call.integer("p", 2)
    if order not in (1, 2):
        raise ModelFileError(f"its attribute p is {order}; 1 and 2 can be imported")
    sizes = replace(value, layer=ours.Function(value.layer, "abs" if order == 1 else "square"))
    norm = reduce(sizes, "sum", [call.integer("axis", -1)], keep=True)
    if order == 2:
        norm = replace(norm, layer=ours.Function(norm.layer, "sqrt"))
    call.give(combined(value, norm, "divide"))


# Normalisation along axes.


def _from_axis(call: Call, value: Value) -> list[int]:
    axis = call.integer("axis", -1)
    if not -value.rank <= axis < value.rank:
        raise ModelFileError(f"its axis is {axis}, but its input has {value.rank}")
    return list(range(axis % value.rank, value.rank))


def _with_scale_and_shift(call: Call, value: Value, ones: bool) -> Value:
    """Return a normalised value times an input, plus another one."""
    if not (ones and call.constant(1).size and bool((call.constant(1) == 1).all())):
        value = with_constant(call, value, call.constant(1), "multiply", 1)
    return with_constant(call, value, call.constant(2), "add", 2) if call.has(2) else value


def layer_normalization(call: Call) -> None:
    """Mean 0 and variance 1 along the last axes, then a scale and a shift; mean and 1 / deviation are further outputs."""
    call.any_attribute("stash_type")
    value = plain(call.value(0))
    axes, epsilon = _from_axis(call, value), call.number("epsilon", 1e-5)
    positions = [value.axis(axis) for axis in axes]
    if positions == [value.rank - 1]:
        normal = replace(value, layer=ours.LayerNormalize(value.layer, epsilon))
    else:
        sizes = [size or 0 for size in in_order(value, range(value.rank)).layer.out_dims[1:]]
        count = len(sizes) - len(axes)
        flat = reshaped(as_in_graph(value), (*sizes[:count], prod(sizes[count:])))
        normal = of_graph(ours.Reshape(ours.LayerNormalize(flat, epsilon), sizes))
    call.give(_with_scale_and_shift(call, normal, call.scope.is_ours))
    if call.wants(1) or call.wants(2):
        mean = reduce(value, "mean", axes, keep=True)
        call.give(mean, 1)
        centred = combined(value, mean, "subtract")
        call.give(_inverse_root(centred, axes, epsilon), 2)


def rms_normalization(call: Call) -> None:
    """x divided by the root of the mean of its squares along the last axes, times a scale."""
    call.any_attribute("stash_type")
    value = plain(call.value(0))
    root = _inverse_root(value, _from_axis(call, value), call.number("epsilon", 1e-5))
    call.give(_with_scale_and_shift(call, combined(value, root, "multiply"), ones=False))


def _inverse_root(value: Value, axes: list[int], epsilon: float) -> Value:
    """Return 1 / sqrt(mean of squares + epsilon) along axes, which stay."""
    mean = reduce(replace(value, layer=ours.Function(value.layer, "square")), "mean", axes, keep=True)
    root = ours.Function(ours.Rescale(mean.layer, 1.0, epsilon), "sqrt")
    return replace(mean, layer=ours.Function(root, "reciprocal"))


OPERATORS: dict[str, Callable[[Call], None]] = {
    "Gemm": gemm,
    "MatMul": matmul,
    "ReduceSum": reduction("sum"),
    "ReduceMean": reduction("mean"),
    "ReduceMax": reduction("max"),
    "ReduceMin": reduction("min"),
    "ReduceProd": reduction("product"),
    "ReduceL1": reduction("sum", before="abs"),
    "ReduceL2": reduction("sum", before="square", after="sqrt"),
    "ReduceSumSquare": reduction("sum", before="square"),
    "ReduceLogSum": reduction("sum", after="log"),
    "ReduceLogSumExp": reduction("log_sum_exp"),
    "Softmax": softmax(logarithm=False),
    "LogSoftmax": softmax(logarithm=True),
    "LpNormalization": lp_normalization,
    "LayerNormalization": layer_normalization,
    "RMSNormalization": rms_normalization,
}
"""What makes layers of a node, by the operator."""
