"""What rows become before the network, as ONNX operators.

All arithmetic is in float64 and its results are float32, as here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pysmorch.export import messages
from pysmorch.export.forms import ArrayForm, CategoryForm, ImageForm, InputForm, NumberForm, Scaling, TableForm
from pysmorch.export.graph import ML, OnnxGraph
from pysmorch.layers.base import Array

MISSING = -2
"""Stands for a missing text; -1 is one that was not in the training."""


def add_inputs(graph: OnnxGraph, form: InputForm, channels_first: bool) -> tuple[str, bool]:
    """Add inputs of a graph, and what encodes them.

    Parameters
    ----------
    graph : OnnxGraph
        To which nodes are added.
    form : TableForm, ArrayForm or ImageForm
        What rows are, and become.
    channels_first : bool
        Whether images have their channels first.

    Returns
    -------
    name : str
        Of the encoded rows.
    channels_first : bool
        Whether these have their channels first.
    """
    if isinstance(form, ImageForm):
        height, width, channels = form.shape
        shape = [channels, height, width] if channels_first else [height, width, channels]
        return graph.input("images", messages.FLOAT, shape), channels_first
    return (_add_table(graph, form) if isinstance(form, TableForm) else _add_array(graph, form)), False


def _add_array(graph: OnnxGraph, form: ArrayForm) -> str:
    """Add an input "X" (N, D) of float64, with NaN for what is missing, and its encoding."""
    X = graph.input("X", messages.DOUBLE, [form.num_columns])
    included = _of_columns(graph, X, form.included, form.num_columns)
    parts = [] if included is None else [_add_numbers(graph, form.scaling, included)]
    gaps = _of_columns(graph, X, form.missing, form.num_columns)
    if gaps is not None:
        parts.append(graph.cast(graph.add("IsNaN", gaps), messages.FLOAT))
    return _joined(graph, parts)


def _add_table(graph: OnnxGraph, form: TableForm) -> str:
    """Add an input (N, 1) for each column, and the encoding.

    Numbers are float64 with NaN for what is missing, durations in seconds; categories are texts, with an empty one for what is missing.
    """
    numbers: list[str] = []
    indicators: list[str] = []
    for column in form.columns:
        if isinstance(column, NumberForm):
            value = graph.input(column.name, messages.DOUBLE, [1])
            numbers.append(value)
            if column.missing:
                indicators.append(graph.cast(graph.add("IsNaN", value), messages.FLOAT))
            continue
        index = _index_of_text(graph, column, form.markers)
        if column.statistics is not None:
            numbers.append(_statistics(graph, index, column.statistics))
        indicators += _indicators(graph, index, column)
    parts = []
    if numbers:
        parts.append(_add_numbers(graph, form.scaling, _joined(graph, numbers)))
    return _joined(graph, parts + indicators)


def _add_numbers(graph: OnnxGraph, scaling: Scaling, value: str) -> str:
    """Add the scaling of numbers (N, D) and their positions in intervals; what is missing becomes 0."""
    zero = graph.constant(0.0)
    is_missing = graph.add("IsNaN", value)
    known = graph.add("Where", is_missing, zero, value)
    bounds = scaling.low, scaling.high
    if any(np.isfinite(bound).any() for bound in bounds):
        low, high = (np.nan_to_num(bound, posinf=np.finfo(np.float64).max) for bound in bounds)
        known = graph.add("Min", graph.add("Max", known, graph.constant(low)), graph.constant(high))
    scaled = known
    if scaling.logarithm.any():
        logarithm = graph.add("Log", graph.add("Add", graph.add("Abs", known), graph.constant(1.0)))
        signed = graph.add("Mul", graph.add("Sign", known), logarithm)
        scaled = graph.add("Where", graph.constant(scaling.logarithm), signed, known)
    scaled = graph.add("Div", graph.add("Sub", scaled, graph.constant(scaling.mean)), graph.constant(scaling.scale))
    parts = [graph.cast(graph.add("Where", is_missing, zero, scaled), messages.FLOAT)]
    if len(scaling.owner):
        owner, low, high = graph.integers(scaling.owner), scaling.interval_low, scaling.interval_high
        own = graph.add("Gather", known, owner, axis=1)
        position = graph.add("Div", graph.add("Sub", own, graph.constant(low)), graph.constant(high - low))
        within = graph.add("Clip", position, zero, graph.constant(1.0))
        gaps = graph.add("Gather", is_missing, owner, axis=1)
        parts.append(graph.cast(graph.add("Where", gaps, zero, within), messages.FLOAT))
    return _joined(graph, parts)


def _of_columns(graph: OnnxGraph, X: str, columns: Array, count: int) -> str | None:
    """Return some columns of an input; None for none of them."""
    if len(columns) == 0:
        return None
    all_of_them = len(columns) == count
    return X if all_of_them else graph.add("Gather", X, graph.integers(columns), axis=1)


def _joined(graph: OnnxGraph, parts: Sequence[str]) -> str:
    """Return parts of rows side by side."""
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _index_of_text(graph: OnnxGraph, column: CategoryForm, missing: Sequence[str]) -> str:
    """Return the index (N, 1) of a text among the values of a category, -1 for another one, and -2 for what is missing."""
    markers = [marker for marker in dict.fromkeys(["", *missing]) if marker not in column.values]
    texts = graph.input(column.name, messages.STRING, [1])
    return graph.add(
        "LabelEncoder",
        texts,
        domain=ML,
        keys_strings=[*column.values, *markers],
        values_int64s=[*range(len(column.values)), *[MISSING] * len(markers)],
        default_int64=-1,
    )


def _statistics(graph: OnnxGraph, index: str, statistics: Array) -> str:
    """Return the statistics of a category; the last ones are of all others, and of what is missing."""
    last = len(statistics) - 1
    known = graph.add("Where", graph.add("Less", index, graph.integers(0)), graph.integers(last), index)
    found = graph.add("Gather", graph.constant(statistics), known, axis=0)
    return graph.reshape(found, [statistics.shape[1]])


def _indicators(graph: OnnxGraph, index: str, column: CategoryForm) -> list[str]:
    """Return the indicators of a category: of its values, of rare ones, and of what is missing."""
    if column.ordered:
        own = graph.add("LessOrEqual", graph.integers(np.arange(len(column.values))), index)
    else:
        own = graph.add("Equal", index, graph.integers(np.arange(column.num_own)))
    marks = [own] if column.num_own else []
    if column.rare:
        marks.append(graph.add("Equal", index, graph.integers(-1)))
    if column.missing:
        marks.append(graph.add("Equal", index, graph.integers(MISSING)))
    return [graph.cast(mark, messages.FLOAT) for mark in marks]
