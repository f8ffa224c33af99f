"""What encoders do to their inputs, as ONNX operators.

All arithmetic is in float64 and its results are float32, as here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pysmorch.encoders.columns import Column
from pysmorch.encoders.values import text_values
from pysmorch.export import messages
from pysmorch.export.graph import ML, OnnxGraph
from pysmorch.layers.base import Array

if TYPE_CHECKING:
    from pysmorch.encoders.array import ArrayEncoder
    from pysmorch.encoders.cells import Cells
    from pysmorch.encoders.numbers import Numbers
    from pysmorch.encoders.table import TableEncoder

MISSING = -2
"""Stands for a missing text; -1 is one that was not in the training."""


class Exported:
    """The base of `Encoder`, for inputs that ONNX has no form of."""

    what: ClassVar[str]

    def add_to(self, graph: OnnxGraph, channels_first: bool) -> tuple[str, bool]:
        """Add inputs of a graph, and what encodes them.

        Parameters
        ----------
        graph : OnnxGraph
            To which nodes are added.
        channels_first : bool
            Whether images have their channels first.

        Returns
        -------
        name : str
            Of the encoded rows.
        channels_first : bool
            Whether these have their channels first.

        Raises
        ------
        ValueError
            Names what has no form in ONNX.
        """
        raise ValueError(f"the model cannot be written as ONNX: {self.what} have no form there")

    def inputs_of(self, rows: Any, channels_first: bool) -> dict[str, Array]:
        """Return rows as the inputs of that graph.

        Parameters
        ----------
        rows : object
            From `check`.
        channels_first : bool
            As for `add_to`.

        Returns
        -------
        dict of str to ndarray
            By the names of the inputs.
        """
        raise NotImplementedError


def add_array(graph: OnnxGraph, encoder: ArrayEncoder) -> str:
    """Add an input "X" (N, D) of float64, with NaN for what is missing, and its encoding."""
    X = graph.input("X", messages.DOUBLE, [encoder.num_features])
    included = _of_columns(graph, X, encoder.included, encoder.num_features)
    parts = [] if included is None else [add_numbers(graph, encoder.numbers, included, encoder.bounds)]
    gaps = _of_columns(graph, X, encoder.missing, encoder.num_features)
    if gaps is not None:
        parts.append(graph.cast(graph.add("IsNaN", gaps), messages.FLOAT))
    return _joined(graph, parts)


def add_table(graph: OnnxGraph, encoder: TableEncoder) -> str:
    """Add an input (N, 1) for each column that counts, and the encoding.

    Numbers are float64 with NaN for what is missing, durations in seconds; categories are texts, with an empty one for what is missing.

    Raises ValueError for columns that have no form in ONNX.
    """
    counting = [column for column in encoder.columns if column.kind != "none"]
    without = [f"column {column.name!r} ({reason})" for column in counting if (reason := _without_form(column))]
    if without:
        raise ValueError(f"the model cannot be written as ONNX: {', '.join(without)}")
    numbers: list[str] = []
    indicators: list[str] = []
    for column in counting:
        if column.kind == "number":
            value = graph.input(column.name, messages.DOUBLE, [1])
            numbers.append(value)
            if column.missing:
                indicators.append(graph.cast(graph.add("IsNaN", value), messages.FLOAT))
            continue
        index = _index_of_text(graph, column, encoder.missing or ())
        if column.statistics:
            numbers.append(_statistics(graph, index, encoder.statistics[column.name]))
        indicators += _indicators(graph, index, column)
    parts = []
    if numbers:
        together = numbers[0] if len(numbers) == 1 else graph.add("Concat", *numbers, axis=1)
        parts.append(add_numbers(graph, encoder.numbers, together, encoder.bounds))
    return _joined(graph, parts + indicators)


def inputs_of_table(encoder: TableEncoder, rows: Cells) -> dict[str, Array]:
    """Return the inputs of `add_table` for rows: numbers that are not scaled, and texts."""
    numbers = encoder.read_numbers(rows)
    inputs = {column.name: numbers[:, [position]] for column, position in encoder.number_positions}
    for column in encoder.columns:
        if column.kind == "category":
            texts = text_values(column, rows, encoder.missing).fill_null("")
            inputs[column.name] = texts.to_numpy(zero_copy_only=False)[:, None]
    return inputs


def add_numbers(graph: OnnxGraph, numbers: Numbers, value: str, bounds: tuple[Array, Array] | None) -> str:
    """Add the scaling of numbers (N, D) and their positions in intervals; what is missing becomes 0."""
    zero = graph.constant(0.0)
    is_missing = graph.add("IsNaN", value)
    known = graph.add("Where", is_missing, zero, value)
    if bounds is not None and any(np.isfinite(bound).any() for bound in bounds):
        low, high = (np.nan_to_num(bound, posinf=np.finfo(np.float64).max) for bound in bounds)
        known = graph.add("Min", graph.add("Max", known, graph.constant(low)), graph.constant(high))
    scaled = known
    if numbers.logarithm.any():
        logarithm = graph.add("Log", graph.add("Add", graph.add("Abs", known), graph.constant(1.0)))
        signed = graph.add("Mul", graph.add("Sign", known), logarithm)
        scaled = graph.add("Where", graph.constant(numbers.logarithm), signed, known)
    scaled = graph.add("Div", graph.add("Sub", scaled, graph.constant(numbers.mean)), graph.constant(numbers.scale))
    parts = [graph.cast(graph.add("Where", is_missing, zero, scaled), messages.FLOAT)]
    if len(numbers.owner):
        owner = graph.integers(numbers.owner)
        own = graph.add("Gather", known, owner, axis=1)
        position = graph.add(
            "Div", graph.add("Sub", own, graph.constant(numbers.low)), graph.constant(numbers.high - numbers.low)
        )
        within = graph.add("Clip", position, zero, graph.constant(1.0))
        gaps = graph.add("Gather", is_missing, owner, axis=1)
        parts.append(graph.cast(graph.add("Where", gaps, zero, within), messages.FLOAT))
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _of_columns(graph: OnnxGraph, X: str, columns: Array, count: int) -> str | None:
    """Return some columns of an input; None for none of them."""
    if len(columns) == 0:
        return None
    all_of_them = len(columns) == count
    return X if all_of_them else graph.add("Gather", X, graph.integers(columns), axis=1)


def _joined(graph: OnnxGraph, parts: Sequence[str]) -> str:
    """Return parts of encoded rows side by side."""
    if not parts:
        raise ValueError("the model cannot be written as ONNX: no column is left that carries anything")
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _without_form(column: Column) -> str:
    """Return why a column cannot be encoded by ONNX operators; empty where it can."""
    if column.kind == "text":
        return "a text, whose words ONNX has no operator for"
    if column.holds == "time":
        return "a time, which ONNX has no type for"
    if column.buckets or not column.holds:
        return "as an older version encoded it; train the model again"
    return ""


def _index_of_text(graph: OnnxGraph, column: Column, missing: Sequence[str]) -> str:
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
    found = graph.add("Gather", graph.constant(statistics.astype(np.float64)), known, axis=0)
    return graph.reshape(found, [statistics.shape[1]])


def _indicators(graph: OnnxGraph, index: str, column: Column) -> list[str]:
    """Return the indicators of a category: of its values, of rare ones, and of what is missing."""
    if column.holds == "ordered category":
        own = graph.add("LessOrEqual", graph.integers(np.arange(len(column.values))), index)
    else:
        own = graph.add("Equal", index, graph.integers(np.arange(column.num_own)))
    marks = [own] if column.num_own else []
    if column.rare:
        marks.append(graph.add("Equal", index, graph.integers(-1)))
    if column.missing:
        marks.append(graph.add("Equal", index, graph.integers(MISSING)))
    return [graph.cast(mark, messages.FLOAT) for mark in marks]
