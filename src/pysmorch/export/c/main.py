"""The C program that predicts for rows of a CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from pysmorch.export.c import literals
from pysmorch.export.c.answers import Given
from pysmorch.export.c.code import Code
from pysmorch.export.c.inputs import Taken, blanks, text_constants
from pysmorch.export.forms import NumberForm, TableForm

NUMBER_MARKERS = ("nan", "NaN", "NA")
"""What stands for a missing number where no columns are known."""

CELLS = 4096
"""The most cells of a row, unless the model takes more: then one more than that."""

READ = "count = read_cells(stdin, text, sizeof text, cells, (int)(sizeof cells / sizeof *cells))"


def program(before: Code, form: TableForm | None, inputs: Taken, given: Given, call: str, sizes: Sequence[int]) -> str:
    """Return what is compiled with -DPYSMORCH_MAIN.

    Parameters
    ----------
    before : Code
        Functions and constants that are in the file already.
    form : TableForm or None
        The columns of the model; None where rows are numbers alone.
    inputs : Taken
        What is taken for a row of columns.
    given : Given
        What is predicted.
    call : str
        The call that predicts.
    sizes : sequence of int
        How many numbers each of the arrays `values1`, `values2`, ... has, where there are no columns.

    Returns
    -------
    str
        Functions, and main.
    """
    code = Code({})
    code.kernel("csv")
    blanks(code)
    if form is None or any(isinstance(column, NumberForm) for column in form.columns):
        code.kernel("parse")
        text_constants(code, "MISSING_NUMBERS", NUMBER_MARKERS if form is None else form.number_markers)
    if form is None:
        start, row = _numbers(), _arrays(sizes, "double" if _takes_doubles(inputs) else "float")
    else:
        start, row = _header(form), _columns(code, form, inputs)
    lines = [*_declarations(form, inputs, given, sizes), *start, *_loop(row, given, call), "return 0;"]
    parts = [*code.constants(before), *code.definitions(before), function("int main(void)", lines)]
    return "\n\n".join(["#include <stdio.h>\n#include <stdlib.h>", *parts])


def function(signature: str, lines: Sequence[str]) -> str:
    """Return a function of some statements; those of blocks are indented.

    Parameters
    ----------
    signature : str
        What stands before the braces.
    lines : sequence of str
        Its statements.

    Returns
    -------
    str
        With its braces.
    """
    depth, indented = 1, []
    for line in lines:
        depth -= line.startswith("}")
        indented.append("    " * depth + line)
        depth += line.endswith("{")
    return "\n".join([signature, "{", *indented, "}"])


def _declarations(form: TableForm | None, inputs: Taken, given: Given, sizes: Sequence[int]) -> list[str]:
    """Return the buffers of the program."""
    most = max(CELLS, sum(sizes) + 1, 0 if form is None else len(form.columns) + 1)
    kind = "double" if _takes_doubles(inputs) else "float"
    arrays = [f"static {kind} values{i + 1}[{size}];" for i, size in enumerate(sizes)]
    if form is not None:
        arrays = [f"{inputs.parameter.removeprefix('const ').replace('*row', 'row')};"]
    return [
        "static char text[1 << 20];",
        f"static char *cells[{most}];",
        *arrays,
        f"{given.parameter};",
        "long row_number = 1;",
        f"int {READ};",
    ]


def _header(form: TableForm) -> list[str]:
    """Return the lines that find the columns in the first row."""
    for column in form.columns:
        literals.refuse_text("the name of a column", column.name)
    count = len(form.columns)
    names = literals.texts("names", [column.name for column in form.columns])
    return [
        *names.split("\n"),
        f"int position[{count}];",
        f"for (int c = 0; c < {count}; c++) {{",
        "position[c] = -1;",
        "for (int i = 0; i < count; i++) {",
        "const char *name = cells[i];",
        "const size_t size = trim(&name, strlen(name));",
        "if (strcmp(cells[i], names[c]) == 0 || is_one_of(name, size, names + c, 1)) position[c] = i;",
        "}",
        'if (position[c] < 0) return complain(row_number, "there is no column", names[c]);',
        "}",
        f"{READ};",
        "row_number++;",
    ]


def _columns(code: Code, form: TableForm, inputs: Taken) -> list[str]:
    """Return the lines that read the columns of a row."""
    lines = [
        f"for (int c = 0; c < {len(form.columns)}; c++)",
        '    if (position[c] >= count) return complain(row_number, "there is no cell for the column", names[c]);',
    ]
    for i, (column, field) in enumerate(zip(form.columns, inputs.fields, strict=True)):
        if not isinstance(column, NumberForm):
            lines.append(f"row.{field} = cells[position[{i}]];")
            continue
        words = "NULL, 0"
        if column.words:
            turns = zip_longest(*([word for word, is_true in column.words.items() if is_true == one] for one in (0, 1)))
            code.data.append(literals.texts("WORDS", [word or "" for pair in turns for word in pair]))
            words = "WORDS, sizeof WORDS / sizeof *WORDS"
        lines += [
            f"if (!parse_number(cells[position[{i}]], &row.{field}, {words}))",
            f'    return complain(row_number, "no number in the column", names[{i}]);',
        ]
    return lines


def _takes_doubles(inputs: Taken) -> bool:
    """Whether a row is an array of float64."""
    return inputs.parameter.startswith("const double")


def _numbers() -> list[str]:
    """Return the lines that leave out a first row of names."""
    return [
        "for (int i = 0; i < count; i++) {",
        "double number;",
        "if (parse_number(cells[i], &number, NULL, 0)) continue;",
        f"{READ};",
        "row_number++;",
        "break;",
        "}",
    ]


def _arrays(sizes: Sequence[int], kind: str) -> list[str]:
    """Return the lines that read the numbers of a row."""
    total, first = sum(sizes), 0
    lines = [f'if (count != {total}) return complain(row_number, "a row must have {total} numbers", "");']
    for i, size in enumerate(sizes):
        cell = f"cells[{first} + i]"
        lines += [
            f"for (int i = 0; i < {size}; i++) {{",
            "double number;",
            f'if (!parse_number({cell}, &number, NULL, 0)) return complain(row_number, "no number:", {cell});',
            f"values{i + 1}[i] = ({kind})number;",
            "}",
        ]
        first += size
    return lines


def _loop(row: Sequence[str], given: Given, call: str) -> list[str]:
    """Return the lines that go through the rows, and print what is predicted."""
    header = [
        f"print_cell({literals.text(',' if i else '')}, {literals.text(name)});" for i, name in enumerate(given.names)
    ]
    array, count = given.parameter.removeprefix("double ").removesuffix("]").split("[")
    printed = ['if (predicted < 0) return complain(row_number, "an infinite number, or an index that is none", "");']
    separator = 'i ? "," : ""'
    if given.classes:
        printed += [f'print_cell("", {given.classes.name}[predicted]);']
        separator = '","'
    return [
        *header,
        'printf("\\n");',
        "for (; count != 0; row_number++) {",
        'if (count < 0) return complain(row_number, "the row is too long", "");',
        *row,
        f"const int predicted = {call};",
        *printed,
        f'for (int i = 0; i < {count}; i++) printf("%s%.9g", {separator}, {array}[i]);',
        'printf("\\n");',
        f"{READ};",
        "}",
    ]
