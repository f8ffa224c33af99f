"""A model as one C99 file that needs no library but that of mathematics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pysmorch.export.c import literals
from pysmorch.export.c.answers import Given, given, linked
from pysmorch.export.c.code import Code, size_of
from pysmorch.export.c.inputs import Taken, encoding, taken
from pysmorch.export.c.layers import FORMS
from pysmorch.export.c.main import function, program
from pysmorch.export.c.network import network_lines
from pysmorch.export.forms import ImageForm, ModelForm, TableForm, check_layers, link_of
from pysmorch.layers.dense import data_layers
from pysmorch.version import __version__

HEAD = """/* A {kind} that PySmorch {version} wrote, in C99; it needs the C library alone, its mathematics included.

   To try it on rows of a CSV file:
       cc -O3 -march=native -DPYSMORCH_MAIN {file} -o {prefix} -lm && ./{prefix} < rows.csv
   As a part of a program: compile it with -O3 -march=native, link with -lm, and declare what it has in other files by
       #define PYSMORCH_DECLARATIONS
       #include "{file}"

   No memory is allocated. Constants take {constants:,} bytes, a call {stack:,} bytes of the stack; with -DPYSMORCH_STORAGE=static
   these are static, and then one thread at a time may call. */"""

BEGIN = '#ifdef __cplusplus\nextern "C" {\n#endif\n'

END = "\n#ifdef __cplusplus\n}\n#endif"

START = """#ifndef PYSMORCH_DECLARATIONS
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifndef PYSMORCH_STORAGE
#define PYSMORCH_STORAGE
#endif"""


class Parts(NamedTuple):
    """What a file has for one kind of model.

    Attributes
    ----------
    inputs : Taken
        What the functions take.
    given : Given
        What is predicted.
    declared : list of str
        The declarations, with comments.
    functions : list of str
        The definitions.
    call : str
        How the program calls the prediction.
    sizes : list of int
        How many numbers the program reads for each array.
    """

    inputs: Taken
    given: Given
    declared: list[str]
    functions: list[str]
    call: str
    sizes: list[int]


def model_to_c(form: ModelForm, stem: str) -> str:
    """Return a model as a C file.

    Parameters
    ----------
    form : ModelForm
        The model.
    stem : str
        The name of the file without its ending, with which the names of its functions begin.

    Returns
    -------
    str
        Declarations, constants, functions, and a program that is compiled with -DPYSMORCH_MAIN.

    Raises
    ------
    ValueError
        Where a layer has no form there, or a text cannot be written.
    """
    check_layers(form.layers, form.names, FORMS, "C")
    if any(not size_of(layer) for layer in form.layers):
        raise ValueError(
            "the network cannot be written as C: a layer has no entries, and arrays of C have at least one"
        )
    prefix = literals.name(stem).lower().lstrip("0123456789_") or "model"
    code = Code(dict(zip(map(id, form.layers), form.names, strict=True)))
    parts = _of_network(code, form, prefix) if form.inputs is None else _of_model(code, form, prefix)
    table = form.inputs if isinstance(form.inputs, TableForm) else None
    main = program(code, table, parts.inputs, parts.given, parts.call, parts.sizes)
    guard = f"PYSMORCH_DECLARED_{prefix.upper()}"
    stack = 4 * (code.memory.size + sum(map(size_of, [form.loss.in_layer, *data_layers(form.layers)])))
    head = HEAD.format(
        kind=form.kind, version=__version__, file=f"{prefix}.c", prefix=prefix, constants=code.num_bytes, stack=stack
    )
    declared = "\n".join([f"#ifndef {guard}\n#define {guard}\n", BEGIN, *parts.declared, END, "\n#endif"])
    classes = [literals.texts(*parts.given.classes).removeprefix("static ")] if parts.given.classes else []
    body = [START, *classes, *code.constants(), *code.definitions(), *parts.functions]
    return "\n\n".join([head, declared, *body, f"#ifdef PYSMORCH_MAIN\n{main}\n#endif", "#endif"]) + "\n"


def _of_model(code: Code, form: ModelForm, prefix: str) -> Parts:
    """Return the parts for an estimator."""
    assert form.inputs is not None
    assert form.answers is not None
    inputs, output = taken(form.inputs, prefix), form.loss.in_layer
    width = size_of(data_layers(form.layers)[0])
    functions, argument = [], inputs.argument
    if not isinstance(form.inputs, ImageForm):
        encoded = encoding(code, form.inputs, inputs)
        functions.append(function(f"static int encode({inputs.parameter}, float features[{width}])", encoded))
        argument = "features"
    functions.append(_network(code, form, [f"const float {argument}[{width}]"], [argument]))
    answer = given(code, form.answers, prefix)
    lines = [f"PYSMORCH_STORAGE float outputs[{size_of(output)}];"]
    if argument == "features":
        lines += [f"PYSMORCH_STORAGE float features[{width}];", "if (encode(row, features) < 0) return -1;"]
    lines += [f"if (network({argument}, outputs) < 0) return -1;", *answer.lines]
    signature = f"int {prefix}_predict({inputs.parameter}, {answer.parameter})"
    functions.append(function(signature, lines))
    declared = list(inputs.declarations)
    if answer.classes:
        declared.append(f"extern const char *const {answer.classes.name}[{len(answer.classes.texts)}];")
    said = answer.said if isinstance(form.inputs, ImageForm) else f"{answer.said}, or -1 where a number is infinite"
    declared += [f"\n/* {said}. */", f"{signature};"]
    name = answer.parameter.removeprefix("double ").split("[")[0]
    call = f"{prefix}_predict({'&row' if inputs.fields else 'values1'}, {name})"
    sizes = [] if inputs.fields else [int(inputs.parameter.split("[")[1].rstrip("]"))]
    return Parts(inputs, answer, declared, functions, call, sizes)


def _of_network(code: Code, form: ModelForm, prefix: str) -> Parts:
    """Return the parts for a network by itself."""
    data, output = data_layers(form.layers), form.loss.in_layer
    arguments = [f"x{i + 1}" for i in range(len(data))]
    parameters = [f"const float {name}[{size_of(one)}]" for name, one in zip(arguments, data, strict=True)]
    count, width, joined = size_of(output), output.out_dims[-1], ", ".join(parameters)
    functions = [_network(code, form, parameters, arguments)]
    signature = f"int {prefix}_output({joined}, float out[{count}])"
    passed = ", ".join(arguments)
    functions.append(function(signature, [f"return network({passed}, out);"]))
    predicting = f"int {prefix}_predict({joined}, double predictions[{count}])"
    lines = [f"PYSMORCH_STORAGE float outputs[{count}];", f"if (network({passed}, outputs) < 0) return -1;"]
    lines += [linked(code, link_of(form.loss), "predictions", count, width), "return 0;"]
    functions.append(function(predicting, lines))
    names = ", ".join(literals.comment(one.name or "input") for one in data)
    declared = [
        f"/* Inputs: {names}; each is one example, its entries in C order. */",
        "/* Writes the outputs of the network; returns 0, or -1 where an index of an Embedding is none. */",
        f"{signature};\n",
        "/* Writes what the loss makes of them, such as probabilities. */",
        f"{predicting};",
    ]
    columns = ["prediction"] if count == 1 else [f"prediction {i + 1}" for i in range(count)]
    answer = Given(f"double predictions[{count}]", "", [], columns, None)
    values = ", ".join(f"values{i + 1}" for i in range(len(data)))
    call = f"{prefix}_predict({values}, predictions)"
    inputs = Taken(joined, passed, [], [])
    return Parts(inputs, answer, declared, functions, call, [size_of(one) for one in data])


def _network(code: Code, form: ModelForm, parameters: Sequence[str], arguments: Sequence[str]) -> str:
    """Return the function that computes the layers."""
    pointers = {id(one): name for one, name in zip(data_layers(form.layers), arguments, strict=True)}
    lines = network_lines(code, form.layers, pointers, form.loss.in_layer)
    size = size_of(form.loss.in_layer)
    return function(f"static int network({', '.join(parameters)}, float out[{size}])", lines)
