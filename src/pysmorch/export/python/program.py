"""A model as one Python file that needs NumPy alone."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from pysmorch.export.forms import (
    ArrayForm,
    ClassesForm,
    ImageForm,
    InputForm,
    Link,
    ModelForm,
    NumberForm,
    Scaling,
    TableForm,
    ValuesForm,
    check_layers,
    link_of,
)
from pysmorch.export.python.layers import FORMS
from pysmorch.export.python.literals import Reference
from pysmorch.export.python.source import Source
from pysmorch.export.steps import UNCHANGED, LiveRanges
from pysmorch.layers.dense import data_layers
from pysmorch.version import __version__


def model_to_numpy(form: ModelForm) -> str:
    """Return a model as a Python file.

    Parameters
    ----------
    form : ModelForm
        The model.

    Returns
    -------
    str
        With functions `predict` and, of a classifier, `predict_proba`.

    Raises
    ------
    ValueError
        Where a layer has no form there.
    """
    check_layers(form.layers, form.names, FORMS, "Python")
    source = Source(dict(zip(map(id, form.layers), form.names, strict=True)))
    encoding = [] if form.inputs is None else _encoding(source, form.inputs)
    functions = [_network(source, form), *_answers(source, form)]
    program = _program(source, form)
    main = 'if __name__ == "__main__":\n    main()'
    data = ["\n".join(["# The numbers of the model.", "", *source.data])] if source.data else []
    parts = [*source.definitions(), *encoding, *functions, program, *data, main]
    heading = "\n\n".join([_docstring(form), "\n".join(source.imports())])
    return "\n\n\n".join([heading, *parts]) + "\n"


def _docstring(form: ModelForm) -> str:
    """Return what the file says of itself."""
    rows = {
        TableForm: "rows: a data frame of pandas, a dictionary of columns, or a list of dictionaries, with the columns of COLUMNS;\n"
        "numbers are NaN or None, texts None or empty, where they are missing.",
        ArrayForm: "rows: an array (N, columns) of numbers, NaN where they are missing.",
        ImageForm: "rows: an array of images (N, height, width, channels).",
        type(None): "Each input is an array with the examples along its first axis.",
    }[type(form.inputs)]
    calls = ["predict(rows)        the predictions"]
    if isinstance(form.answers, ClassesForm):
        calls = ["predict(rows)        the class of each row", "predict_proba(rows)  the probabilities of CLASSES"]
    if form.inputs is None:
        calls = ["network(...)  the outputs of the network", "predict(...)  what the loss makes of them"]
    listed = "\n".join(f"    {line}" for line in calls)
    return (
        f'"""A {form.kind} that PySmorch {__version__} wrote; it needs NumPy alone.\n\n{listed}\n\n{rows}\n\n'
        f'From a shell, rows of a CSV file: python THIS_FILE < rows.csv\n"""'
    )


def _encoding(source: Source, form: InputForm) -> list[str]:
    """Return the function that encodes rows."""
    if isinstance(form, TableForm):
        source.constant("MISSING_NUMBERS", list(form.number_markers))
        source.constant("MISSING_TEXTS", list(form.markers))
        words = next((dict(one.words) for one in form.columns if isinstance(one, NumberForm) and one.words), {})
        source.constant("WORDS", words)
        source.constant("COLUMNS", [_column(column) for column in form.columns])
        source.constant("SCALING", _scaling(form.scaling))
        call = f"{source.function('encode_table')}(rows, COLUMNS, SCALING)"
    elif isinstance(form, ArrayForm):
        source.constant("INCLUDED", form.included)
        source.constant("MISSING", form.missing)
        source.constant("SCALING", _scaling(form.scaling))
        call = f"{source.function('encode_array')}(rows, INCLUDED, MISSING, SCALING, {form.num_columns})"
    else:
        call = f"{source.function('encode_images')}(rows, {tuple(form.shape)})"
    return [f'def encode(rows):\n    """Return rows as the network takes them."""\n    return {call}']


def _column(column: Any) -> dict[str, Any]:
    """Return what is known about a column, as the functions of the file take it."""
    if isinstance(column, NumberForm):
        return {
            "name": column.name,
            "kind": "number",
            "missing": column.missing,
            "missing texts": Reference("MISSING_NUMBERS"),
            "words": Reference("WORDS" if column.words else "{}"),
        }
    return {
        "name": column.name,
        "kind": "category",
        "missing": column.missing,
        "missing texts": Reference("MISSING_TEXTS"),
        "rare": column.rare,
        "ordered": column.ordered,
        "indicators": len(column.values) if column.ordered else column.num_own,
        "values": {value: i for i, value in enumerate(column.values)},
        "statistics": column.statistics,
    }


def _scaling(scaling: Scaling) -> dict[str, Any]:
    return {name.replace("_", " "): value for name, value in scaling._asdict().items()}


def _network(source: Source, form: ModelForm) -> str:
    """Return the function that computes the layers, a line for each."""
    output, ranges = form.loss.in_layer, LiveRanges(form.layers, form.loss.in_layer, UNCHANGED)
    values: dict[int, str] = {}
    lines = []
    arguments = _arguments(form)
    for data, argument in zip(data_layers(form.layers), arguments, strict=True):
        values[id(data)] = argument
    for i, layer in enumerate(form.layers):
        if id(layer) in values:
            continue
        inputs = [values[id(feeder)] for feeder in layer.in_layers]
        expression = FORMS[type(layer)](source, layer, inputs)
        if expression in inputs:
            values[id(layer)] = expression
            continue
        free = [values[id(feeder)] for feeder in layer.in_layers if ranges.ends(feeder, i)]
        used = {values[id(one)] for one in form.layers[:i] if id(one) in values and not ranges.ends(one, i - 1)}
        values[id(layer)] = free[0] if free else next(name for name in _names() if name not in used)
        lines.append(f"    {values[id(layer)]} = {expression}")
    said = '    """Return the outputs of the network."""'
    return "\n".join(
        [f"def network({', '.join(arguments)}):", said, *_conversions(form), *lines, f"    return {values[id(output)]}"]
    )


def _arguments(form: ModelForm) -> list[str]:
    """Return the names of the inputs of a network."""
    return [name for name, _ in zip(_names(), data_layers(form.layers), strict=False)]


def _conversions(form: ModelForm) -> list[str]:
    """Return lines that make arrays of inputs that users give."""
    if form.inputs is not None:
        return []
    return [f"    {name} = np.asarray({name}, dtype=np.float32)" for name in _arguments(form)]


def _names() -> Any:
    """Yield x, x2, x3, and so on."""
    yield "x"
    number = 2
    while True:
        yield f"x{number}"
        number += 1


def _linked(source: Source, link: Link, value: str) -> str:
    """Return what the network predicts, from its outputs."""
    if link == "exp":
        return f"np.exp({value})"
    return f"{source.function(link)}({value})" if link else value


def _answers(source: Source, form: ModelForm) -> list[str]:
    """Return the functions that predict."""
    if form.answers is None:
        given = ", ".join(_arguments(form))
        value = _linked(source, link_of(form.loss), f"network({given})")
        return [_function("predict", given, "Return what the loss makes of the outputs.", value)]
    outputs = "network(encode(rows)).astype(np.float64)"
    if isinstance(form.answers, ValuesForm):
        return [_values(source, form.answers, outputs)]
    probabilities = _linked(source, form.answers.link, outputs)
    return [
        _function("predict_proba", "rows", "Return the probability of each class.", probabilities),
        _classes(source, form.answers),
    ]


def _function(name: str, arguments: str, said: str, value: str) -> str:
    return f'def {name}({arguments}):\n    """{said}"""\n    return {value}'


def _classes(source: Source, form: ClassesForm) -> str:
    """Return the function that predicts classes."""
    source.constant("CLASSES", form.classes)
    if form.multilabel:
        return _function(
            "predict", "rows", "Return which labels each row has.", "(predict_proba(rows) > 0.5).astype(int)"
        )
    if form.rule is None:
        return _function(
            "predict", "rows", "Return the likeliest class.", "CLASSES[predict_proba(rows).argmax(axis=1)]"
        )
    if isinstance(form.rule, float):
        source.constant("THRESHOLD", form.rule)
        said = "Return the second class where its probability is THRESHOLD or more."
        return _function("predict", "rows", said, "CLASSES[(predict_proba(rows)[:, 1] >= THRESHOLD).astype(int)]")
    source.constant("COSTS", np.asarray(form.rule, np.float64))
    said = "Return the class whose expected cost is the least."
    return _function("predict", "rows", said, "CLASSES[(predict_proba(rows) @ COSTS).argmin(axis=1)]")


def _values(source: Source, form: ValuesForm, outputs: str) -> str:
    """Return the function that predicts numbers."""
    source.constant("SCALE", form.scale)
    source.constant("MEAN", form.mean)
    value = f"{_linked(source, form.link, outputs)} * SCALE + MEAN"
    said = "Return the predictions, in the units of the targets."
    if form.ranks is not None:
        said = "Return the quantiles, of which a higher one is never below a lower one."
        value = f"np.sort({value}, axis=1)[:, {form.ranks.tolist()}]"
    elif form.flat:
        value = f"({value})[:, 0]"
    return _function("predict", "rows", said, value)


def _program(source: Source, form: ModelForm) -> str:
    """Return the function that predicts for rows of a CSV file."""
    source.function("write")
    reading = source.function("read_table" if isinstance(form.inputs, TableForm) else "read_numbers")
    lines = [
        "def main():",
        '    """Predict for rows of a CSV file on standard input."""',
        f"    rows = {reading}(sys.stdin)",
    ]
    if isinstance(form.inputs, ImageForm):
        lines.append(f"    rows = rows.reshape({', '.join(map(str, (-1, *form.inputs.shape)))})")
    if form.inputs is None:
        lines += _pieces(form)
        given = ", ".join(f"rows[{i}]" for i in range(len(data_layers(form.layers))))
    else:
        given = "rows"
    lines.append(f"    predictions = predict({given})")
    if isinstance(form.answers, ClassesForm) and not form.answers.multilabel:
        lines += [
            "    probabilities = predict_proba(rows)",
            '    names = ["prediction", *(f"probability {one}" for one in CLASSES.tolist())]',
            "    write(names, [predictions, *probabilities.T])",
        ]
    else:
        lines += [
            "    columns = predictions.reshape(len(predictions), -1).T",
            '    names = ["prediction"] if len(columns) == 1 else [f"prediction {i + 1}" for i in range(len(columns))]',
            "    write(names, columns)",
        ]
    return "\n".join(lines)


def _pieces(form: ModelForm) -> list[str]:
    """Return lines that make the inputs of a network of rows that have all of their numbers."""
    shapes: list[list[int]] = [[int(size or 0) for size in data.out_dims[1:]] for data in data_layers(form.layers)]
    ends = np.cumsum([prod(shape) for shape in shapes]).tolist()
    pieces = [
        f"rows[:, {end - prod(shape)}:{end}].reshape({', '.join(map(str, (-1, *shape)))})"
        for end, shape in zip(ends, shapes, strict=True)
    ]
    return [f"    rows = [{', '.join(pieces)}]"]
