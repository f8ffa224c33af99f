"""What is graded of a submission: what does not compile costs only itself, and lines are those of the submission."""

import json

import pytest

from pysmorch.teach.classroom.notebook import NotebookError, cells_of, plain_python
from pysmorch.teach.classroom.source import (
    BLANK,
    blocks_of,
    defined_names,
    digest_of,
    error_in,
    fill_blanks,
    prepare,
)
from tests.teach.classroom.students import BLANKS, MISTAKES, NO_NOTEBOOK, NO_TEXT, RIGHT, SYNTAX, notebook, replaced


@pytest.fixture
def prepared(tmp_path):
    """Write a submission and prepare it."""

    def call(content, name="x.py", aliases=None):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return prepare(path, aliases or {})

    return call


MAGICS = {
    "a line magic": ("%matplotlib inline\nx = 1\n", "pass\nx = 1\n"),
    "a shell line over two lines": ("!pip install it's \\\n  (\nx = 1\n", "pass\n\nx = 1\n"),
    "in a block": ("if x:\n    %time f(\n    y = 2\n", "if x:\n    pass\n    y = 2\n"),
    "a shell command whose output is stored": ("files = !ls (\n", "pass\n"),
    "help": ("np.dot?\n?np.dot\nnp.dot??\n", "pass\npass\npass\n"),
    "a cell magic of Python": ("%%time\nx = 1\n%ls\n", "\nx = 1\npass\n"),
    "a cell magic of another language": ("\n%%bash\nls (\necho\n", "\n\n\n\n"),
    "a remainder in brackets": ("x = (5\n%3)\n", "x = (5\n%3)\n"),
    "a string": ('x = """\n%not a magic\n!nor this\n"""\n', 'x = """\n%not a magic\n!nor this\n"""\n'),
    "an operator": ("a %= 3\nb = c %d\nc != d\n", "a %= 3\nb = c %d\nc != d\n"),
    "after a bracket that was never closed": ("f(\nclass A:\n    pass\n%ls\n", "f(\nclass A:\n    pass\npass\n"),
}


@pytest.mark.parametrize(("source", "plain"), MAGICS.values(), ids=MAGICS)
def test_magics_and_shell_lines_are_left_out_and_nothing_else(source, plain):
    assert plain_python(source) == plain


FILLED = {
    "an assignment": ("self.G = ##### YOUR CODE HERE #####", f"self.G = {BLANK}"),
    "an argument": ("self.in_layer.backward(##### YOUR CODE HERE #####)", f"self.in_layer.backward({BLANK})"),
    "a return": ("    return ##### YOUR CODE HERE #####", f"    return {BLANK}"),
    "a mark that was left before the bracket": ("f(x ##### YOUR CODE HERE #####)", "f(x )"),
    "a line of its own": ("    ##### YOUR CODE HERE #####", "    ##### YOUR CODE HERE #####"),
    "after a statement": ("x = 1 ##### YOUR CODE HERE #####", "x = 1 ##### YOUR CODE HERE #####"),
}


@pytest.mark.parametrize(("line", "filled"), FILLED.values(), ids=FILLED)
def test_blanks_that_are_left_become_a_name(line, filled):
    assert fill_blanks(f"a\n{line}\nb") == f"a\n{filled}\nb"


@pytest.mark.parametrize("pair", [*SYNTAX, *BLANKS, *MISTAKES], ids=lambda pair: pair[1].strip()[:30])
@pytest.mark.parametrize("is_notebook", [False, True])
def test_what_does_not_compile_costs_only_its_class(prepared, pair, is_notebook):
    source = replaced(pair)
    found = prepared(notebook(source), "x.ipynb") if is_notebook else prepared(source)
    assert error_in(found.source) is None
    left = ["Linear", "Relu", "Bias", "CrossEntropy"]
    for name in found.broken:
        left.remove(name)
    assert [name for name in defined_names(found.source) if name in left] == left
    assert len(left) == (3 if pair in SYNTAX else 4)
    assert len(found.problems) == len(found.broken)


def test_a_fault_is_named_with_its_class_and_line(prepared):
    found = prepared("import numpy\n\nclass Bias:\n    def forward(self)\n        pass\n\nx = 3\n")
    sentence = "Bias does not compile: expected ':', in line 4: def forward(self)."
    assert found.broken == {"Bias": sentence}
    assert found.problems == [f"{sentence} It is left out, the rest was run."]
    assert found.source.count("\n") == 8


def test_lines_of_a_notebook_are_those_of_its_cells(prepared):
    cells = ["%ls\nimport numpy as np\n", "x = 1\n\nclass Relu:\n    y = = 2\n", "get_ipython()\nz = 1"]
    document = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    found = prepared(json.dumps(document), "x.ipynb")
    assert found.broken["Relu"] == "Relu does not compile: invalid syntax, in line 4 of code cell 2: y = = 2."
    lines = found.source.split("\n")
    assert found.where(lines.index("import numpy as np") + 1) == "line 2 of code cell 1"
    assert found.where(lines.index("z = 1") + 1) == "line 2 of code cell 3"
    exec(compile(found.source.replace("import numpy as np", ""), "x", "exec"), {})


def test_a_file_that_is_whole_is_graded_as_it_is(prepared):
    assert prepared(RIGHT).is_whole
    assert not prepared(RIGHT, aliases={"Relu": "Tanh"}).is_whole
    assert not prepared(replaced(SYNTAX[0])).is_whole
    assert not prepared(notebook(RIGHT), "x.ipynb").is_whole


def test_names_that_a_notebook_has_without_import_do_nothing(prepared):
    found = prepared("get_ipython().run_line_magic('ls', '')\ndisplay(3)\nx = get_ipython().user_ns\n")
    exec(compile(found.source, "x", "exec"), {})
    assert found.where(found.source.split("\n").index("display(3)") + 1) == "line 2"


def test_another_spelling_stands_for_the_name(prepared):
    names = {}
    exec(prepared("class ReLU:\n    pass\n", aliases={"ReLU": "Relu", "BIAS": "Bias"}).source, names)
    assert names["Relu"] is names["ReLU"]
    assert "Bias" not in names
    assert "Relu" in prepared("class ReLU\n    pass\n", aliases={"ReLU": "Relu"}).broken
    assert not prepared("class ReLU: a = 1\nclass Relu: a = 2\n", aliases={"ReLU": "Relu"}).source.endswith("ReLU\n")


@pytest.mark.parametrize("content", NO_TEXT)
def test_what_is_no_text_is_a_problem_of_the_submission(prepared, content):
    found = prepared(content)
    assert found.source == ""
    assert found.problems[0].startswith("The file is no text: ")


@pytest.mark.parametrize("content", NO_NOTEBOOK)
def test_what_is_no_notebook_is_a_problem_of_the_submission(prepared, content):
    (problem,) = prepared(content, "x.ipynb").problems
    assert problem.startswith(("The file is no notebook: ", "The notebook has no code: is it the right one?"))


def test_encodings_of_text_editors_are_read(prepared):
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert "grün" in prepared("x = 'grün'\r\ny = 1\r\n".encode(encoding)).source
    assert "grün" in prepared("# -*- coding: latin-1 -*-\nx = 'grün'\n".encode("latin-1")).source


def test_a_notebook_in_another_language_says_so():
    other = {"cells": [], "metadata": {"kernelspec": {"language": "julia"}}}
    with pytest.raises(NotebookError, match="is written in julia, and not in Python"):
        cells_of(json.dumps(other))


def test_old_notebooks_are_read():
    sheet = {"cells": [{"cell_type": "code", "input": ["x = 1\n", "y = 2"]}, {"cell_type": "markdown", "source": "x"}]}
    (cell,) = cells_of(json.dumps({"worksheets": [sheet], "nbformat": 3}))
    assert (cell.number, cell.text) == (1, "x = 1\ny = 2")


def test_a_statement_with_lines_at_the_margin_stays_whole():
    text = 'print("""a\nb\nc""")\nx = f(\n1,\n)\n@decorated\n# why\nclass A:\n    pass\nif x:\n    y\nelse:\n    z\nw = = 1\n'
    blocks = [block for _, block in blocks_of(text)]
    assert "".join(blocks) == text
    assert [error_in(block) is None for block in blocks] == [True, True, True, True, False]


def test_too_much_code_is_refused(prepared):
    assert prepared("x = 1\n" * 200_000).problems == ["There is more than 1 MB of code: is it the right file?"]


def test_comments_docstrings_and_layout_make_no_other_code():
    assert digest_of("class A:\n    'doc'\n    x = (1)\n") == digest_of("# c\nclass A:\n\n  x=1  # d\n")
    assert digest_of("x = 1") != digest_of("x = 2")
    assert digest_of("x = = 1") == digest_of("# nothing") == ""


BROKEN_EVERYWHERE = {
    "brackets": "x = (\n" * 20_000,
    "strings": 'x = """\n' * 20_001,
    "classes": "class A(\n" * 5_000,
    "depth": "(" * 100_000,
    "magics": "%ls (\n" * 50_000,
    "blanks": "x = ##### YOUR CODE HERE #####\n" * 20_000 + "(",
    "blocks": "if x:\n  y = (\nelse:\n" * 5_000,
}


@pytest.mark.parametrize("text", BROKEN_EVERYWHERE.values(), ids=BROKEN_EVERYWHERE)
def test_what_is_broken_everywhere_is_told_in_a_few_sentences(prepared, text):
    found = prepared(text)
    assert len(found.problems) <= 4
    assert len(" ".join(found.problems)) < 1000
