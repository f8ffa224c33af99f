"""What a C function takes, and how it becomes the features of a network."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from pysmorch.entries import BLANKS
from pysmorch.export.c import literals
from pysmorch.export.c.code import Code
from pysmorch.export.forms import ArrayForm, CategoryForm, InputForm, NumberForm, Scaling, TableForm
from pysmorch.layers.base import Array

EXAMPLES = 3
"""So many categories stand in a comment."""


class Taken(NamedTuple):
    """What a function takes.

    Attributes
    ----------
    parameter : str
        Its declaration.
    argument : str
        Its name.
    declarations : list of str
        Lines before the function is declared: a struct of a row.
    fields : list of str
        The fields of the struct, in the order of the columns.
    """

    parameter: str
    argument: str
    declarations: list[str]
    fields: list[str]


def taken(form: InputForm, prefix: str) -> Taken:
    """Return what a function takes.

    Parameters
    ----------
    form : TableForm, ArrayForm or ImageForm
        The inputs of the model.
    prefix : str
        Of all names.

    Returns
    -------
    Taken
        A struct of the columns, an array of numbers, or an image.
    """
    if isinstance(form, ArrayForm):
        said = "/* A row is an array of numbers, NAN where they are missing. */"
        return Taken(f"const double row[{form.num_columns}]", "row", [said], [])
    if not isinstance(form, TableForm):
        height, width, channels = form.shape
        said = f"/* An image has {height} rows of {width} pixels of {channels} numbers, one after the other. */"
        return Taken(f"const float image[{prod(form.shape)}]", "image", [said], [])
    fields = _fields([column.name for column in form.columns])
    lines = [
        f"    {'double ' if isinstance(column, NumberForm) else 'const char *'}{field}; /* {_described(column)} */"
        for column, field in zip(form.columns, fields, strict=True)
    ]
    said = '/* A row: numbers are NAN where they are missing, texts (UTF-8) NULL or "". */'
    return Taken(f"const struct {prefix}_row *row", "row", [said, f"struct {prefix}_row {{", *lines, "};"], fields)


def _fields(names: Sequence[str]) -> list[str]:
    """Return a name in C for each column; it begins with x_, since a macro or a keyword might have the name itself."""
    fields: list[str] = []
    for i, name in enumerate(names):
        field = f"x_{literals.name(name)}".rstrip("_")
        fields.append(field if field not in (*fields, "x") else f"x{i + 1}_{literals.name(name)}".rstrip("_"))
    return fields


def _described(column: NumberForm | CategoryForm) -> str:
    """Return what a column is, for a comment."""
    name = literals.comment(column.name)
    if isinstance(column, NumberForm):
        held = {
            "boolean": "0 for false, 1 for true",
            "duration": "seconds",
            "time of day": "seconds since midnight",
        }.get(column.holds, "a number")
        return f"{name}: {held}"
    examples = ", ".join(literals.comment(value[:40]) for value in column.values[:EXAMPLES])
    count = len(column.values)
    return f"{name}: a text, one of {count}" + (f", such as {examples}" if 0 < EXAMPLES < count else f": {examples}")


def encoding(code: Code, form: InputForm, inputs: Taken) -> list[str]:
    """Return the lines of a function that encodes a row into `features`, and returns 0, or -1 where a number is infinite.

    Parameters
    ----------
    code : Code
        To which constants and functions are added.
    form : TableForm or ArrayForm
        The inputs of the model.
    inputs : Taken
        What the function takes.

    Returns
    -------
    list of str
        Its statements.
    """
    lines = _array(code, form) if isinstance(form, ArrayForm) else _table(code, form, inputs)  # type: ignore[arg-type]
    return [*lines, "return 0;"]


def _array(code: Code, form: ArrayForm) -> list[str]:
    """Return the lines that encode a row of numbers."""
    lines = [f"for (int i = 0; i < {form.num_columns}; i++)", "    if (isinf(row[i])) return -1;"]
    count, width = len(form.included), form.scaling.width
    if count:
        included = "i"
        if count < form.num_columns:
            included = f"{code.array('included', form.included)}[i]"
        lines += [f"double number[{count}];", f"for (int i = 0; i < {count}; i++) number[i] = row[{included}];"]
        lines += _numbers(code, form.scaling)
    if len(form.missing):
        missing = code.array("missing", form.missing)
        marks = f"features[{width} + i] = isnan(row[{missing}[i]]) ? 1.0f : 0.0f;"
        lines += [f"for (int i = 0; i < {len(form.missing)}; i++) {marks}"]
    return lines


def _table(code: Code, form: TableForm, inputs: Taken) -> list[str]:
    """Return the lines that encode a row of columns."""
    numbers, marks = [], []
    count, start = 0, form.scaling.width
    for i, (column, field) in enumerate(zip(form.columns, inputs.fields, strict=True)):
        if isinstance(column, NumberForm):
            numbers += [f"if (isinf(row->{field})) return -1;", f"number[{count}] = row->{field};"]
            count += 1
            marks += [f"features[{start}] = isnan(row->{field}) ? 1.0f : 0.0f;"] if column.missing else []
        else:
            index = f"index{i + 1}"
            if column.num_indicators or column.statistics is not None:
                numbers.append(f"const int {index} = {_index(code, column, i + 1, f'row->{field}')};")
            if column.statistics is not None:
                numbers += _statistics(code, column.statistics, index, i + 1, count)
                count += column.statistics.shape[1]
            marks += _indicators(code, column, index, start)
        start += column.num_indicators
    if any("index_of" in line for line in numbers):
        text_constants(code, "MISSING_TEXTS", form.markers)
    declared = [f"double number[{count}];"] if count else []
    return [*declared, *numbers, *(_numbers(code, form.scaling) if count else []), *marks]


def blanks(code: Code) -> None:
    """Let a file have what takes blanks from texts."""
    code.kernel("texts")
    code.data.append(literals.texts("BLANKS", BLANKS))


def text_constants(code: Code, name: str, markers: Sequence[str]) -> None:
    """Let a file have what it needs to read texts: blanks, and what stands for a missing value."""
    blanks(code)
    known = [one for one in dict.fromkeys(["", *markers]) if "\0" not in one]  # no text of C has that
    for one in known:
        literals.refuse_text("a text that stands for missing values", one)
    code.data.append(literals.texts(name, known))


def _index(code: Code, column: CategoryForm, number: int, text: str) -> str:
    """Return the index of a category as an expression; values are looked for in the order of their bytes."""
    code.kernel("categories")
    values = column.values or ("",)  # an array of C is never empty
    for value in values:
        literals.refuse_text(f"a category of the column {column.name!r}", value)
    order = np.array(sorted(range(len(values)), key=lambda i: values[i].encode("utf-8", "surrogatepass")))
    code.data.append(literals.texts(f"values{number}", [values[i] for i in order]))
    indices = code.array(f"order{number}", order.astype(np.int64))
    return f"index_of({text}, values{number}, {indices}, {len(column.values)})"


def _statistics(code: Code, statistics: Array, index: str, number: int, start: int) -> list[str]:
    """Return the lines that read the statistics of a category; the last ones are of all others."""
    last, count = len(statistics) - 1, statistics.shape[1]
    table = code.array(f"statistics{number}", statistics)
    row = f"({index} < 0 ? {last} : {index}) * {count}"
    return [f"for (int i = 0; i < {count}; i++) number[{start} + i] = {table}[{row} + i];"]


def _indicators(code: Code, column: CategoryForm, index: str, start: int) -> list[str]:
    """Return the lines that mark a category."""
    own = len(column.values) if column.ordered else column.num_own
    lines = []
    if own:
        code.kernel("indicators")
        lines.append(f"mark(features + {start}, {index}, {own}, {int(column.ordered)});")
    more = [(-1, column.rare), (-2, column.missing)]
    for offset, code_of in enumerate([value for value, wanted in more if wanted]):
        lines.append(f"features[{start + own + offset}] = {index} == {code_of} ? 1.0f : 0.0f;")
    return lines


def _numbers(code: Code, scaling: Scaling) -> list[str]:
    """Return the lines that scale and locate numbers."""
    code.kernel("scaling")

    def arrays(*names: str) -> str:
        return ", ".join(code.array(f"of_{name}", getattr(scaling, name)) for name in names)

    of_numbers = arrays("low", "high", "logarithm", "mean", "scale")
    lines = [f"scale_numbers(number, features, {len(scaling.mean)}, {of_numbers});"]
    if len(scaling.owner):
        code.kernel("intervals")
        of_intervals = arrays("owner", "interval_low", "interval_high")
        lines.append(f"locate(number, features + {len(scaling.mean)}, {len(scaling.owner)}, {of_intervals});")
    return lines
