"""What encoders do to their inputs, as forms that other programs can be given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pysmorch.encoders.columns import Column
from pysmorch.encoders.formats import MARKERS
from pysmorch.encoders.values import WORDS, text_values
from pysmorch.export.forms import ArrayForm, CategoryForm, InputForm, NumberForm, Scaling, TableForm
from pysmorch.layers.base import Array

if TYPE_CHECKING:
    from pysmorch.encoders.array import ArrayEncoder
    from pysmorch.encoders.cells import Cells
    from pysmorch.encoders.numbers import Numbers
    from pysmorch.encoders.table import TableEncoder


class Exported:
    """The base of `Encoder`, for inputs that other programs have no form of."""

    what: ClassVar[str]

    def form(self) -> InputForm:
        """Return what rows become.

        Returns
        -------
        TableForm, ArrayForm or ImageForm
            All that other programs need.

        Raises
        ------
        ValueError
            Names what has no form.
        """
        raise ValueError(f"the model cannot be exported: {self.what} have no form in other programs")

    def inputs_of(self, rows: Any, channels_first: bool) -> dict[str, Array]:
        """Return rows as the inputs of an ONNX file of this form.

        Parameters
        ----------
        rows : object
            From `check`.
        channels_first : bool
            Whether images have their channels first.

        Returns
        -------
        dict of str to ndarray
            By the names of the inputs.
        """
        raise NotImplementedError


def form_of_array(encoder: ArrayEncoder) -> ArrayForm:
    """Return the form of rows of numbers."""
    scaling = _scaling(encoder.numbers, encoder.bounds)
    form = ArrayForm(encoder.num_features, encoder.included, encoder.missing, scaling)
    _refuse_nothing(form.width)
    return form


def form_of_table(encoder: TableEncoder) -> TableForm:
    """Return the form of the columns that count; ValueError for columns that have none."""
    counting = [column for column in encoder.columns if column.kind != "none"]
    without = [f"column {column.name!r} ({reason})" for column in counting if (reason := _without_form(column))]
    if without:
        raise ValueError(f"the model cannot be exported: {', '.join(without)}")
    columns = tuple(
        NumberForm(column.name, column.holds, column.missing, WORDS if column.holds == "boolean" else {})
        if column.kind == "number"
        else _category(column, encoder.statistics)
        for column in counting
    )
    scaling = _scaling(encoder.numbers, encoder.bounds)
    markers = tuple(encoder.missing or ()), MARKERS if encoder.missing is None else encoder.missing
    form = TableForm(columns, scaling, *markers)
    _refuse_nothing(form.width)
    return form


def inputs_of_table(encoder: TableEncoder, rows: Cells) -> dict[str, Array]:
    """Return the columns of rows: numbers that are not scaled, and texts, empty where they are missing."""
    numbers = encoder.read_numbers(rows)
    inputs = {column.name: numbers[:, [position]] for column, position in encoder.number_positions}
    for column in encoder.columns:
        if column.kind == "category":
            texts = text_values(column, rows, encoder.missing).fill_null("")
            inputs[column.name] = texts.to_numpy(zero_copy_only=False)[:, None]
    return inputs


def _scaling(numbers: Numbers, bounds: tuple[Array, Array] | None) -> Scaling:
    """Return the form of columns of numbers; without bounds these are infinite."""
    count = len(numbers.mean)
    low, high = (np.full(count, -np.inf), np.full(count, np.inf)) if bounds is None else bounds
    intervals = numbers.low, numbers.high, numbers.owner
    return Scaling(numbers.mean, numbers.scale, numbers.logarithm, low, high, *intervals)


def _category(column: Column, statistics: dict[str, Array]) -> CategoryForm:
    """Return the form of a column of categories."""
    return CategoryForm(
        column.name,
        tuple(column.values),
        column.num_own,
        column.holds == "ordered category",
        column.rare,
        column.missing,
        statistics[column.name].astype(np.float64) if column.statistics else None,
    )


def _refuse_nothing(width: int) -> None:
    """Raise ValueError where a row has no features."""
    if not width:
        raise ValueError("the model cannot be exported: no column is left that carries anything")


def _without_form(column: Column) -> str:
    """Return why a column cannot be encoded by other programs; empty where it can."""
    if column.kind == "text":
        return "a text, whose words are not found in the same way elsewhere"
    if column.holds == "time":
        return "a time, which has no type elsewhere"
    if column.buckets or not column.holds:
        return "as an older version encoded it; train the model again"
    return ""
