"""The course: every lesson blank, solved, and with mistakes; its files; and the commands."""

import ast
import json
import linecache
import os
import re
import runpy
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.teach import course
from pysmorch.teach.course import hints, mine, source, workbook
from pysmorch.teach.course.build import script
from pysmorch.teach.course.folder import student_files, teacher_files

LESSONS = source.lessons()
NAMES = [lesson.name for lesson in LESSONS]
PIECES = [name for lesson in LESSONS for name in lesson.checked]
CHECK = re.compile(r"^\w+ = check\((\w+)\)", re.MULTILINE)


class Notebook:
    """Runs cells as Jupyter does: in one namespace, in their folder, with their sources kept for whoever asks."""

    def __init__(self, folder, monkeypatch, capsys):
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, "utility", raising=False)
        self.namespace = {"__name__": "__main__"}
        self.capsys = capsys
        self.count = 0

    def run(self, code):
        """Run a cell and return what it prints, and whether a check stopped it."""
        self.count += 1
        name = f"<cell {self.count} of a test>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        code_of_exit = None
        self.capsys.readouterr()
        try:
            exec(compile(code, name, "exec"), self.namespace)
        except SystemExit as stop:
            code_of_exit = stop.code
        captured = self.capsys.readouterr()
        assert captured.err == ""
        assert "Traceback" not in captured.out
        assert code_of_exit in (None, 1)
        return captured.out, code_of_exit == 1


@pytest.fixture
def notebook(tmp_path, monkeypatch, capsys):
    return Notebook(tmp_path, monkeypatch, capsys)


def code_cells(path):
    return ["".join(c["source"]) for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]


def the_cell(name, solved=True):
    """The cell in which a class or function is defined."""
    (lesson,) = [lesson for lesson in LESSONS if name in lesson.checked]
    cells = lesson.teacher() if solved else lesson.student()
    (text,) = [c.text for c in cells if c.text.startswith((f"class {name}:", f"def {name}("))]
    return text


# Blank, solved, wrong.


@pytest.mark.parametrize("name", NAMES)
def test_in_a_blank_lesson_every_check_names_the_lines_and_the_rest_runs_with_pysmorchs_own(name, tmp_path, notebook):
    course.start(tmp_path)
    checks = []
    for code in code_cells(tmp_path / f"{name}.ipynb"):
        out, stopped = notebook.run(code)
        if CHECK.search(code):
            checks += CHECK.findall(code)
            assert stopped
            assert f"{checks[-1]} still has" in out
            assert re.search(r"line \d+ of the cell:  .*\.\.\.\)?  # \w", out), out
            assert f"Change the cell that defines {checks[-1]}" in out
        else:
            assert not stopped
            assert "from your own library" not in out
            assert "Good job!" not in out
            assert "right!" not in out
    assert checks == next(lesson.checked for lesson in LESSONS if lesson.name == name)
    assert not (tmp_path / mine.FILE).exists()


def test_solved_lessons_pass_all_checks_and_later_ones_use_what_the_earlier_ones_made(tmp_path, notebook):
    course.solutions(tmp_path)
    passed, printed = [], ""
    for name in NAMES:
        notebook.namespace = {"__name__": "__main__"}
        for code in code_cells(tmp_path / f"{name}.ipynb"):
            out, stopped = notebook.run(code)
            assert not stopped, out
            assert "PySmorch's own" not in out
            passed += [name for name in CHECK.findall(code) if f"{name} is right" in out]
            printed += out
    assert passed == PIECES
    questions = [name for lesson in LESSONS for name in lesson.quiz]
    assert len(questions) >= 40
    assert all(f"question {name}: right!" in printed for name in questions)
    jokes = re.findall(r"Good job! (.*)", printed)
    assert len(set(jokes)) == len(jokes) == len(LESSONS), "each lesson has a joke of its own"
    assert mine.names(tmp_path) == set(PIECES)
    last = [float(share) for share in re.findall(r"never seen, ([\d.]+)% are right", printed)][-1]
    assert last > 95
    assert "lift that says UP" in printed
    assert [row.state for row in course.status(tmp_path)] == ["right"] * len(PIECES)


def solved(hard):
    """The student's scripts of an edition, with solutions."""
    for lesson in LESSONS:
        pairs = zip(lesson.student(hard), lesson.teacher(), strict=True)
        yield lesson, script([theirs if theirs.kind == "code" else mine for mine, theirs in pairs])


class Script:
    """Runs scripts in this process, as Python does."""

    def __init__(self, folder, monkeypatch, capsys):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
        self.folder, self.monkeypatch, self.capsys = folder, monkeypatch, capsys

    def run(self, name, text=None):
        """Run a script, with another text if there is one; return what it prints, and whether a check ended it."""
        path = self.folder / f"{name}.py"
        if text is not None:
            path.write_text(text)
        self.monkeypatch.delitem(sys.modules, "utility", raising=False)
        code = None
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as stop:
            code = stop.code
        captured = self.capsys.readouterr()
        assert captured.err == ""
        assert code in (None, 1)
        return captured.out, code == 1


@pytest.fixture
def scripts(tmp_path, monkeypatch, capsys):
    return Script(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("hard", [False, True])
def test_blank_scripts_of_both_editions_end_at_their_first_check(hard, tmp_path, scripts):
    course.start(tmp_path, hard)
    for lesson in LESSONS:
        out, stopped = scripts.run(lesson.name)
        assert stopped
        assert f"{lesson.checked[0]} still has" in out
        assert f"{lesson.name}.py, line " in out
        assert f"course hint . {lesson.checked[0]} opens one of three steps" in out


@pytest.mark.parametrize("hard", [False, True])
def test_scripts_with_a_mistake_end_where_it_is(hard, tmp_path, scripts):
    course.start(tmp_path, hard)
    for lesson, text in solved(hard):
        name, right, wrong, words = [mistake for mistake in MISTAKES if mistake[0] == lesson.checked[0]][-1]
        cell = the_cell(name)
        out, stopped = scripts.run(lesson.name, text.replace(cell, cell.replace(right, wrong)))
        assert stopped
        assert words in " ".join(out.split())
        assert f"Edit {lesson.name}.py ({name} begins in line" in out
    assert not (tmp_path / mine.FILE).exists()


def test_solved_scripts_run_to_their_ends_in_the_edition_without_formulas(tmp_path, scripts):
    course.start(tmp_path, hard=True)
    for lesson, text in solved(hard=True):
        out, stopped = scripts.run(lesson.name, text)
        assert not stopped, out
        assert "Good job!" in out
        assert "**Answers.**" in out
    assert {"Linear", "Attention", "step_sizes"} <= mine.names(tmp_path)


def test_both_editions_have_the_same_code_so_that_what_runs_in_one_runs_in_the_other():
    for lesson in LESSONS:
        plain, hard = (
            [cell.text for cell in lesson.student(edition) if cell.kind == "code"] for edition in (False, True)
        )
        assert plain == hard


# Without formulas, and with hints.


def test_the_edition_without_formulas_lacks_them_and_asks_instead():
    plain, hard = student_files(), student_files(hard=True)
    formulas = {
        "02_linear": r"X^T \Delta",
        "03_relu": r"\odot [X > 0]",
        "04_cross_entropy": r"\frac{1}{M} (P - Y)",
        "07_training": r"v \leftarrow \mu v + G",
        "09_batch_norm": r"y_j \cdot \frac{1}{M}",
        "12_adam": r"\hat{v} = \frac{v}{1 - \beta_2^t}",
        "15_sequences": r"a_t W^T",
    }
    for name, formula in formulas.items():
        for kind in (".py", ".ipynb"):
            written = formula if kind == ".py" else json.dumps(formula)[1:-1]
            assert written in plain[name + kind]
            assert written not in hard[name + kind]
    for name, text in hard.items():
        assert "FORMULAS" not in text
        assert name in plain
    with_formulas = [lesson.name for lesson in LESSONS if lesson.student() != lesson.student(hard=True)]
    assert len(with_formulas) >= 14
    assert len(hard["utility.py"].splitlines()) == len(plain["utility.py"].splitlines())


def test_every_piece_has_three_steps_and_the_first_does_not_give_the_formula_away():
    assert list(hints.all_hints()) == [name for lesson in LESSONS for name in lesson.hints]
    assert set(hints.all_hints()) == set(PIECES)
    for steps in hints.all_hints().values():
        assert [step.split(":")[0] for step in steps] == ["Where", "Which rule", "The formula"]


def test_a_hint_opens_one_step_after_the_other_and_counts_them(tmp_path, notebook):
    course.start(tmp_path, hard=True)
    notebook.run("from utility import check, hint")
    first, _ = notebook.run("hint('Relu')")
    assert first.startswith("1 of 3: Where: every entry has a path of its own")
    assert first.endswith("(for the next step, ask again; 1 step opened in this course)\n")
    second, _ = notebook.run("class Relu: pass\nhint(Relu)")
    assert second.startswith(first.splitlines()[0])
    assert "2 of 3: Which rule" in second
    assert "3 of 3: The formula: Y = np.maximum(X, 0)" in notebook.run("hint('Relu')")[0]
    assert "this was the last step; 3 steps opened" in notebook.run("hint('Relu')")[0]
    assert "there are no hints for 'Rely'; there are some for Data" in notebook.run("hint('Rely')")[0]
    assert "there are no hints for ''" in notebook.run("hint(3)")[0]
    table = course.show_status(course.status(tmp_path))
    assert re.search(r"Relu +3 +not yet", table)
    assert json.loads((tmp_path / hints.FILE).read_text()) == {"Relu": 3}


@pytest.mark.parametrize("content", ["{", "[]", '{"Relu": "many", "Bias": -1, "Lineal": 2, "Data": true}', "3"])
def test_a_count_that_cannot_be_read_begins_anew(content, tmp_path):
    course.start(tmp_path)
    (tmp_path / hints.FILE).write_text(content)
    assert hints.opened(tmp_path) == {}
    assert "1 step opened" in hints.open_next(tmp_path, "Relu")
    assert hints.opened(tmp_path) == {"Relu": 1}


# Questions, answers, and what a check shows.


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("...", "write your answer instead of ..."),
        ("[[1, ...], [2, 3]]", "write your answer instead of ..."),
        ("[[1, 5], [0, 2]]", "right!"),
        ("np.array([[1.001, 5], [0, 2]])", "right!"),
        ("[[1, 0], [5, 2]]", "Rows and columns are exchanged."),
        ("[[-1, -5], [0, -2]]", "The sign is the wrong one."),
        ("[[0.5, 2.5], [0, 1]]", "Everything is 0.5 times what it should be."),
        ("[[1, 5], [7, 3]]", "2 of the 4 numbers are right."),
        ("[[1, 8], [7, 3]]", "1 of the 4 numbers is right."),
        ("[1, 5]", "The answer is an array of shape (2, 2), but yours is a row of 2 numbers."),
        ("'x'", "The answer is an array of shape (2, 2)."),
        ("[[1, 2], [3]]", "The answer is an array of shape (2, 2)."),
        ("[[float('nan'), 5], [0, 2]]", "3 of the 4 numbers are right."),
    ],
)
def test_a_question_is_marked_at_once(value, words, tmp_path, notebook):
    course.start(tmp_path)
    out, stopped = notebook.run(f"import numpy as np\nfrom utility import quiz\nquiz('gradient of W', {value})")
    assert not stopped
    assert out.startswith("question gradient of W: ")
    assert words in out


def test_questions_with_one_number_with_a_letter_and_without_a_name(capsys):
    course.quiz("square loss", 2.5)
    course.quiz("square loss", 4)
    course.quiz("network 3", " F ")
    course.quiz("network 3", "a")
    course.quiz("network 3", 3)
    course.quiz("two rows", [0, 0])
    course.quiz("two rows", [0, 1])
    course.quiz("no such", 1)
    assert capsys.readouterr().out.splitlines()[:7] == [
        "question square loss: not yet. Everything is 0.5 times what it should be.",
        "question square loss: not yet. Everything is 0.8 times what it should be.",
        "question network 3: right!",
        "question network 3: not yet. It is not 'a': look at the pictures once more.",
        "question network 3: not yet. It is not 3: look at the pictures once more.",
        "question two rows: right!",
        "question two rows: not yet. 1 of the 2 numbers is right.",
    ]


def test_answers_are_shown_when_the_lesson_is_done(tmp_path, notebook):
    course.start(tmp_path)
    call = code_cells(tmp_path / "01_loss.ipynb")[-1]
    assert notebook.run(call)[0] == "The answers are shown here when you have Data and SquareLoss.\n"
    for name in ("Data", "SquareLoss"):
        mine.keep(tmp_path, mine.Piece(name, the_cell(name), "-", 1))
    out, _ = notebook.run(call)
    assert out.startswith("**Answers.**")
    assert "the distance to $Y$ is halved" in out
    assert workbook.Text("*x*")._repr_markdown_() == "*x*"


def test_a_check_shows_the_first_failing_test_in_full_and_counts_the_others_without_points(tmp_path, notebook):
    course.start(tmp_path)
    notebook.run("import numpy as np\nfrom utility import check")
    wrong = the_cell("Linear").replace("self.in_array.T @ dwnstrm", "dwnstrm.T @ self.in_array")
    notebook.run(wrong.replace("dwnstrm @ self.W.T", "dwnstrm @ self.W"))
    out, _ = notebook.run("check(Linear)")
    assert out.startswith("Linear, the first test that fails: G is the gradient for W")
    assert re.search(r"\nthen \d+ more of \d+ tests\n", out)
    assert "expected" in out
    assert "points" not in out
    assert out.count("the first test") == 1
    report = workbook.grade(type("Relu", (), {}))
    page = workbook.Verdict(report)._repr_html_()
    assert page.startswith("<pre style=")
    assert "points" not in page


@pytest.mark.parametrize("number", range(11))
def test_the_networks_with_bugs_show_them(number, tmp_path, capsys):
    patient = workbook.Workbook(tmp_path).patient(number)
    losses = {name: values[-1] for name, values in patient.history.items()}
    gradients_agree = bool(ps.check(patient.few_rows()))
    assert gradients_agree == (number not in (3, 8))
    assert capsys.readouterr().out == ""
    assert all(name in patient.table() for name in ("Data", "Linear", "Bias"))
    assert all(np.isfinite(values).all() for values in patient.history.values())
    assert "training" in str(patient.curves())
    if number in (0, 3, 8):
        assert losses["validation"] < 0.2
    elif number in (2, 7, 9, 1):
        assert losses["validation"] > 0.65
    elif number == 4:
        assert losses["training"] < 0.01 < 1 < losses["validation"]
    else:
        assert losses["validation"] > 0.3
    assert ("Softmax " in patient.table()) == (number == 6)
    assert ("Relu " in patient.table()) == (number != 1)


def test_a_network_without_a_number_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the networks have the numbers 0 to 10, but not 11"):
        workbook.Workbook(tmp_path).patient(11)


def test_pictures_survive_in_a_notebook_that_is_not_trusted_and_leave_out_what_is_not_finite():
    picture = course.sketch.lines([1, 2, 3], {"loss": [1.0, np.inf, np.nan]})
    page = picture._repr_html_()
    assert page.startswith('<img src="data:image/svg+xml;base64,')
    assert 'alt="loss"' in page
    assert "<svg" not in page
    assert "inf" not in str(picture)
    assert "nan" not in picture.svg
    assert str(course.sketch.lines([1, 2], {"loss": [np.nan, np.nan]})).count("o") == 2, "the legend only"


MISTAKES = [
    ("Data", "return self.data", "self.data", "found nothing (None)"),
    ("Data", "return self.data", "return self.out_dims", "forward does not return the array"),
    ("SquareLoss", " / (2 * self.num_data)", " / self.num_data", "The factor 1/2 is missing"),
    ("SquareLoss", " / (2 * self.num_data)", " / 2", "the factor 1/M is missing"),
    (
        "SquareLoss",
        "self.in_array - self.labels) / self.num_data",
        "self.in_array - self.labels)",
        "factor 1/M is missing",
    ),
    ("SquareLoss", "(self.in_array - self.labels) / s", "(self.labels - self.in_array) / s", "The wrong sign"),
    ("Linear", "self.in_array.T @ dwnstrm", "dwnstrm.T @ self.in_array", "the transpose of what it should be"),
    (
        "Linear",
        "self.in_array.T @ dwnstrm",
        "self.in_array.T @ dwnstrm / len(dwnstrm)",
        "divided by the batch once too often",
    ),
    ("Linear", "dwnstrm @ self.W.T", "dwnstrm @ self.W", "W is not transposed"),
    ("Linear", "self.in_array @ self.W", "self.in_array * self.W", "entry by entry (*) instead of as matrices (@)"),
    ("Relu", "dwnstrm * (self.in_array > 0)", "dwnstrm", "the mask is missing"),
    ("Relu", "dwnstrm * (self.in_array > 0)", "self.in_array > 0", "dwnstrm does not appear in it"),
    ("Relu", "(self.in_array > 0)", "(dwnstrm > 0)", "The mask is taken from the wrong array"),
    ("Relu", "np.maximum", "np.max", "np.max(x, 0) takes the largest entry of each column"),
    ("CrossEntropy", " - self.in_array.max(axis=1, keepdims=True)", "", "exp is taken of a positive number"),
    ("CrossEntropy", "max(axis=1, keepdims=True)", "max()", "is each row's own maximum taken away?"),
    ("CrossEntropy", "np.log(sums) - shifted", "np.log(sums) - self.in_array", "but not from the logit of the label"),
    ("CrossEntropy", "self.ones_hot) / self.num_data", "self.ones_hot)", "The factor 1/M is missing"),
    ("Bias", "dwnstrm.sum(axis=axes).reshape(1, -1)", "dwnstrm", "dwnstrm is not summed over the batch"),
    (
        "Bias",
        "dwnstrm.sum(axis=axes)",
        "dwnstrm.mean(axis=axes)",
        "The average over the batch is taken instead of the sum",
    ),
    ("Bias", "dwnstrm.sum(axis=axes)", "dwnstrm.sum(axis=0)", "For images of shape (2, 3, 2, 4): G"),
    (
        "Bias",
        "self.pass_back = dwnstrm",
        "self.pass_back = dwnstrm * self.W",
        "dwnstrm is multiplied by W, as in Scale",
    ),
    ("Bias", ".reshape(1, -1)", "", "has to be (1, 4)"),
    (
        "Conv2d",
        "dwnstrm @ self.W[a, b].T",
        "dwnstrm @ self.W[-1 - a, -1 - b].T",
        "turned the wrong way in the backward pass",
    ),
    ("Conv2d", "@ self.W[a, b]\n", "@ self.W[-1 - a, -1 - b]\n", "The filter is turned round"),
    (
        "Conv2d",
        "seen.reshape(-1, channels).T @ dwnstrm.r",
        "seen[0].reshape(-1, channels).T @ dwnstrm[0].r",
        "the sum over the batch is missing",
    ),
    (
        "Normalize",
        "(dwnstrm - dwnstrm.mean(axis=axes) - y * (dwnstrm * y).mean(axis=axes))",
        "dwnstrm",
        "Mean and variance are treated as constants",
    ),
    ("Normalize", "- y * (dwnstrm * y).mean(axis=axes)", "", "The variance is treated as a constant"),
    ("Normalize", " - dwnstrm.mean(axis=axes)", "", "The mean is treated as a constant"),
    ("Scale", "(dwnstrm * self.in_array)", "dwnstrm", "The input is missing in G"),
    ("Scale", "self.pass_back = dwnstrm * self.W", "self.pass_back = dwnstrm", "W is missing"),
    (
        "Flatten",
        "self.in_array.reshape(len(self.in_array), -1)",
        "self.in_array.reshape(-1)",
        "The batch is flattened too",
    ),
    ("Flatten", "dwnstrm.reshape(self.in_array.shape)", "dwnstrm", "it has to get the shape of the input"),
    ("numerical_gradient", "f(x - step)", "f(x)", "the difference to one side"),
    ("numerical_gradient", "/ (2 * h)", "/ h", "Everything is 2 times too large"),
    ("numerical_gradient", "/ (2 * h)", "/ 2 * h", "(2 * h) needs its brackets"),
    ("numerical_gradient", "f(x + step) - f(x - step)", "f(x - step) - f(x + step)", "wrong sign"),
    ("numerical_gradient", "gradient[index] =", "x += step; gradient[index] =", "array x itself was changed"),
    ("layers_with_weights", 'if hasattr(layer, "W"):', "if True:", "Relu has no W"),
    ("layers_with_weights", "        layer = layer.in_layer\n", "", "the loop does not get past Linear 2"),
    ("layers_with_weights", 'hasattr(layer, "W")', "layer.W is not None", "Relu has no attribute W: ask with hasattr"),
    ("layers_with_weights", "found.append(layer)", "found.insert(0, layer)", "the other way round"),
    ("layers_with_weights", "            found.append(layer)", "            pass", "The list is empty"),
    ("layers_with_weights", "layer = layer.in_layer\n", "layer = layer.in_layer.in_layer\n", "Bias 1"),
    ("Momentum", "layer.W -= self.rate * velocity", "layer.W += self.rate * velocity", "The step goes up"),
    ("Momentum", "layer.W -= self.rate * velocity", "layer.W -= velocity", "learning rate is missing"),
    ("Momentum", "layer.W -= self.rate * velocity", "W = layer.W - self.rate * velocity", "W does not move"),
    ("Momentum", "velocity *= self.momentum", "velocity = self.momentum * velocity", "The velocity is forgotten"),
    ("Momentum", "self.rate * velocity", "self.rate * layer.G", "W follows the gradient"),
    ("Momentum", "velocity += layer.G", "velocity += (1 - self.momentum) * layer.G", "it enters whole"),
    ("MaxPool2d", "self.squares.max(axis=-1)", "self.squares.mean(axis=-1)", "the mean of each square"),
    ("MaxPool2d", "self.squares.max(axis=-1)", "self.squares.argmax(axis=-1)", "not the number itself"),
    ("MaxPool2d", "places == largest[..., None]", "places >= 0", "goes to all four numbers"),
    ("MaxPool2d", "dwnstrm[..., None], 0)", "1, 0)", "dwnstrm does not appear"),
    (
        "MaxPool2d",
        "places == largest[..., None]",
        "self.squares == self.squares.max(axis=-1)[..., None]",
        "the first one",
    ),
    ("train_epoch", "        optimizer.step()\n", "", "optimizer.step is never called"),
    (
        "train_epoch",
        "loss.set_labels(labels[rows])",
        "loss.set_labels(labels[start:][:len(rows)])",
        "with the same rows",
    ),
    ("train_epoch", "X[rows]", "X", "the wrong sizes"),
    ("train_epoch", "total += len", "total = len", "Only the last batch counts"),
    ("train_epoch", "len(rows) * loss.forward()", "loss.forward()", "A batch counts once"),
    ("train_epoch", "len(rows) * loss.forward()", "batch_size * loss.forward()", "not with batch_size"),
    (
        "train_epoch",
        "        loss.backward()\n        optimizer.step()",
        "        optimizer.step()\n        loss.backward()",
        "before backward",
    ),
    ("start_weights", "np.sqrt(2 / num_inputs)", "np.sqrt(1 / num_inputs)", "so it has to be 2 / D"),
    ("start_weights", "np.sqrt(2 / num_inputs)", "2 / num_inputs", "so the root is missing"),
    ("start_weights", "np.sqrt(2 / num_inputs)", "np.sqrt(2 / num_outputs)", "as many terms as there are inputs"),
    ("start_weights", "rng.standard_normal(", "rng.random(", "The mean of the weights is not 0"),
    ("start_weights", "rng.standard_normal(", "np.random.default_rng(0).standard_normal(", "Every rng gives the same"),
    ("start_weights", "(num_inputs, num_outputs))", "(num_outputs, num_inputs))", "the wrong shape"),
    ("dead_units", "np.all(", "np.any(", "a dead one is 0 in every row (all)"),
    ("dead_units", "axis=0", "axis=1", "a unit is a column, axis=0"),
    ("dead_units", "np.all(outputs == 0, axis=0)", "outputs == 0", "All zeros are counted"),
    (
        "dead_units",
        "int(np.sum(np.all(outputs == 0, axis=0)))",
        "np.all(outputs == 0, axis=0)",
        "is an array, not one number",
    ),
    ("Adam", "layer.W -= ", "layer.W += ", "The step goes up"),
    ("Adam", "/ (1 - self.beta1**self.num_steps)", "", "divide it by 1 - beta1**t"),
    ("Adam", "/ (1 - self.beta2**self.num_steps)", "", "divide it by 1 - beta2**t"),
    ("Adam", "np.sqrt(corrected_square)", "corrected_square", "The root is missing"),
    ("Adam", "mean *= self.beta1", "mean = mean * self.beta1", "The means are forgotten between steps"),
    ("Adam", "(1 - self.beta2) * layer.G**2", "(1 - self.beta2) * np.abs(layer.G)", "not of its square"),
    ("Adam", "self.rate * corrected_mean", "self.rate * layer.G", "The gradient is divided, not its running mean"),
    ("cosine_rate", "rate / 2 * (1", "rate * (1", "twice as large as it should be"),
    ("cosine_rate", "(1 + np.cos", "(1 - np.cos", "It goes up instead of down"),
    ("cosine_rate", "np.pi * step", "2 * np.pi * step", "A whole wave is run through"),
    ("cosine_rate", "np.pi * step", "180 * step", "radians, not degrees"),
    (
        "cosine_rate",
        "rate / 2 * (1 + np.cos(np.pi * step / num_steps))",
        "rate * (1 - step / num_steps)",
        "a straight line",
    ),
    ("three_parts", "rng.permutation(num_rows)", "np.arange(num_rows)", "put them into random order"),
    ("three_parts", "order[num_rows * 4 // 5 :]", "order[num_rows * 3 // 5 :]", "A row is in two of the sets"),
    ("three_parts", "order[: num_rows * 3 // 5]", "order[: num_rows // 5]", "The sets have the wrong sizes"),
    ("three_parts", "rng.permutation(num_rows)", "rng.permutation(num_rows) + 1", "not the numbers of the rows"),
    ("Dropout", " / (1 - self.rate)", "", "With rate 0.4, an entry"),
    ("Dropout", "dwnstrm * self.mask", "dwnstrm", "dwnstrm is passed back as it came"),
    ("decay_weights", "1 - rate * decay", "1 - decay", "The learning rate is missing"),
    ("decay_weights", "1 - rate * decay", "1 + rate * decay", "The weights grow"),
    ("decay_weights", "1 - rate * decay", "rate * decay", "multiplied by what should be taken away"),
    (
        "Add",
        "self.left.forward() + self.right.forward()",
        "self.left.forward() * self.right.forward()",
        "the product of both",
    ),
    (
        "Add",
        "return self.left.forward() + self.right.forward()",
        "out = self.left.forward(); out += self.right.forward(); return out",
        "changed in place",
    ),
    ("Add", "        self.right.backward(dwnstrm)", "", "Nothing is passed back to the right input"),
    ("Add", "self.left.backward(dwnstrm)", "self.left.backward(dwnstrm / 2)", "each gets all of it"),
    ("Node", "self.grad = self.grad + dwnstrm", "self.grad = dwnstrm", "Only the last reader counts"),
    ("Node", "self.grad = self.grad + dwnstrm", "self.grad", "Nothing is collected"),
    (
        "Node",
        "self.grad = self.grad + dwnstrm",
        "if np.any(self.grad): self.grad += dwnstrm\n        else: self.grad = dwnstrm",
        "The array of a reader was changed",
    ),
    ("run_backward", "reversed(nodes)", "nodes", "The nodes are in their old order"),
    ("run_backward", "    loss.backward()\n", "", "The loss is never asked"),
    (
        "run_backward",
        "    for node in reversed(nodes):\n",
        "    nodes.reverse()\n    for node in nodes:\n",
        "The list of nodes was changed",
    ),
    (
        "run_backward",
        "    loss.backward()\n    for node in reversed(nodes):\n        node.layer.backward(node.grad)",
        "    for node in reversed(nodes):\n        node.layer.backward(node.grad)\n    loss.backward()",
        "The loss comes first",
    ),
    ("Recurrent", "np.tanh(seen @ self.W)", "seen @ self.W", "The tanh is missing"),
    ("Recurrent", "np.tanh(seen @ self.W)", "np.tanh(seen) @ self.W", "tanh comes after the product"),
    ("Recurrent", "state_grad * (1 - self.states[t] ** 2)", "state_grad", "The slope of tanh is missing"),
    ("Recurrent", "1 - self.states[t] ** 2", "(1 - self.states[t]) ** 2", "not (1 - state)**2"),
    ("Recurrent", "self.G += ", "self.G = ", "only the first step counts"),
    (
        "Recurrent",
        "self.G = np.zeros(self.W.shape)",
        "self.G = getattr(self, 'G', np.zeros(self.W.shape))",
        "another G",
    ),
    ("Attention", "self.keys.T / self.root\n", "self.keys.T\n", "not divided by the root of D"),
    (
        "Attention",
        "max(axis=1, keepdims=True))\n        self.weights = exponentials / exponentials.sum(axis=1",
        "max(axis=0, keepdims=True))\n        self.weights = exponentials / exponentials.sum(axis=0",
        "down the columns",
    ),
    ("Attention", " - scores.max(axis=1, keepdims=True)", "", "Large scores overflow"),
    ("Attention", "self.keys / self.root", "self.keys", "the gradient is, too"),
    ("Attention", " - (weight_grad * self.weights).sum(axis=1, keepdims=True)", "", "take the row sum of"),
    ("Attention", "self.weights * (weight_grad -", "(weight_grad -", "P is missing in the gradient for the scores"),
    ("step_sizes", "rate * np.linalg.norm(layer.G)", "np.linalg.norm(layer.G)", "The learning rate is missing"),
    (
        "step_sizes",
        "rate * np.linalg.norm(layer.G) / norm",
        "norm / (rate * np.linalg.norm(layer.G))",
        "the other way round",
    ),
    ("step_sizes", " / norm", "", "The size of W is missing"),
]


@pytest.mark.parametrize(("name", "right", "wrong", "words"), MISTAKES)
def test_a_check_names_a_typical_mistake(name, right, wrong, words, tmp_path, notebook):
    course.start(tmp_path)
    code = the_cell(name)
    assert right in code
    notebook.run("import numpy as np\nfrom utility import check")
    notebook.run(code.replace(right, wrong))
    out, stopped = notebook.run(f"{name} = check({name})")
    assert stopped
    assert words in " ".join(out.split())
    assert f"{name} is not right yet." in out
    assert not (tmp_path / mine.FILE).exists()


@pytest.mark.parametrize(
    "odd", [None, "x", [[1], [2, 3]], {"a": 1}, np.zeros(0), np.full((2, 2), np.nan), 1j, (1, 2, 3)]
)
def test_odd_results_of_the_new_pieces_are_no_errors_of_the_grader(odd):
    for name in (
        "start_weights",
        "dead_units",
        "cosine_rate",
        "three_parts",
        "decay_weights",
        "run_backward",
        "step_sizes",
    ):
        report = workbook.grade(lambda *arguments: odd, name)
        assert not report.passed
        assert not any("stops with" in result.cause for result in report)
    for name in ("Add", "Recurrent", "Attention"):
        report = workbook.grade(type(name, (workbook.solution(name),), {"forward": lambda self: odd}))
        assert not report.passed
        assert "stops with" not in next(result.cause for result in report if not result.passed)


def test_every_lesson_has_two_mistakes_that_are_tried():
    for lesson in LESSONS:
        assert sum(name in lesson.checked for name, *_ in MISTAKES) >= 2, lesson.name


def test_an_error_in_what_the_student_wrote_is_a_line_of_the_report(tmp_path, notebook):
    course.start(tmp_path)
    notebook.run("import numpy as np\nfrom utility import check")
    notebook.run(the_cell("numerical_gradient").replace("f(x + step)", "f(x, step)"))
    out, stopped = notebook.run("check(numerical_gradient)")
    assert stopped
    words = " ".join(out.split())
    assert "numerical_gradient stops with TypeError: sum_of_cubes() takes 1 positional argument" in words
    assert "in line 7" in words


# The student's own library.


def test_what_passes_is_kept_and_takes_the_place_of_its_predecessor(tmp_path, notebook):
    course.start(tmp_path)
    notebook.run("import numpy as np\nfrom utility import check, library")
    own = tmp_path / mine.FILE
    own.write_text(
        "# mine\nimport numpy as np\n\nclass Data:\n    def forward(self):\n        return 3\n\n\nTHREE = 3\n"
    )
    notebook.run(the_cell("Data"))
    assert notebook.run("check(Data)") == (
        f"Data is right (5 tests). It is now part of your library, {mine.FILE}.\n",
        False,
    )
    text = own.read_text()
    assert text.startswith('# mine\nimport numpy as np\n\nclass Data:\n    """Hold the array')
    assert text.endswith("\n\n\nTHREE = 3\n")
    notebook.run(the_cell("numerical_gradient"))
    notebook.run("check(numerical_gradient)")
    assert own.read_text().startswith(text)
    out, _ = notebook.run("Data, Relu = library('Data', 'Relu')")
    assert out == ("from your own library: Data\nPySmorch's own, until you have yours: Relu (lesson 3)\n")
    assert notebook.namespace["Relu"] is ps.Relu
    assert notebook.namespace["Data"](np.ones(2)).forward() is not None
    assert own.read_text().count("class Data") == 1


def test_a_library_that_python_cannot_read_is_left_alone_and_its_line_is_said(tmp_path, notebook):
    course.start(tmp_path)
    (tmp_path / mine.FILE).write_text("import numpy as np\ndef f(:\n")
    notebook.run("import numpy as np\nfrom utility import check, library")
    notebook.run(the_cell("Data"))
    out, stopped = notebook.run("check(Data)")
    assert stopped
    assert out == (
        f"{mine.FILE}, line 2: invalid syntax; mend it, or delete the file. "
        "Then check again: what passes is saved in there.\n"
    )
    assert (tmp_path / mine.FILE).read_text() == "import numpy as np\ndef f(:\n"
    out, _ = notebook.run("Relu = library('Relu')")
    assert "Until then everything is PySmorch's own" in out
    assert notebook.namespace["Relu"] is ps.Relu


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "my_smorch.py is not text in UTF-8; save it as that, or delete the file. Then check again"),
        (b"raise SystemExit\n", "my_smorch.py could not be run: SystemExit"),
    ],
)
def test_a_library_that_cannot_be_run_is_said_in_words(content, words, tmp_path, notebook):
    course.start(tmp_path)
    (tmp_path / mine.FILE).write_bytes(content)
    notebook.run("import numpy as np\nfrom utility import check")
    notebook.run(the_cell("Data"))
    out, stopped = notebook.run("check(Data)")
    assert stopped
    assert words in out
    assert (tmp_path / mine.FILE).read_bytes() == content


def test_a_name_from_outside_is_asked_to_come_along(tmp_path, notebook):
    course.start(tmp_path)
    notebook.run("import numpy as np\nfrom numpy import zeros\nfrom utility import check")
    notebook.run(the_cell("numerical_gradient").replace("np.zeros", "zeros"))
    out, stopped = notebook.run("check(numerical_gradient)")
    assert stopped
    assert "line 3 of the cell:  zeros" in out
    assert "import or define it inside" in out


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("class Lineal: pass\ncheck(Lineal)", "There are no tests for Lineal. Has it been renamed?"),
        ("class Linear: pass\ncheck(Linear())", "check needs the class itself, as in check(Linear)"),
    ],
)
def test_a_check_of_something_else_says_what_is_meant(code, words, tmp_path, notebook):
    course.start(tmp_path)
    notebook.run("from utility import check")
    out, stopped = notebook.run(code)
    assert stopped
    assert words in out


def test_the_library_lends_any_layer_and_says_which_names_there_are(tmp_path, capsys):
    book = workbook.Workbook(tmp_path)
    assert book.library("Sigmoid") is ps.Sigmoid
    assert capsys.readouterr().out == "PySmorch's own, until you have yours: Sigmoid\n"
    with pytest.raises(ValueError, match=r"there is no Lineal\. The pieces of the course are Data, SquareLoss, Linear"):
        book.library("Lineal")


def test_names_in_bases_and_inner_functions_are_looked_at_too():
    text = "class A(B):\n    size = 3\n    def f(self, x):\n        return [d(k + self.size) for k in range(A.size)]\n"
    assert mine.Piece("A", text, "file.py", 10).unknown_names({}) == {"B": 10, "d": 13}


def test_points_in_an_index_are_no_blanks_and_blanks_are_found_in_any_place():
    text = "def f(x):\n    y = x[..., 0]\n    g(..., 1)\n    ...\n    return x[f(...)]\n"
    assert mine.Piece("f", text, "file.py", 10).blanks() == [(12, "g(..., 1)"), (13, "...")]


def test_what_has_no_source_is_checked_but_not_kept(tmp_path, capsys):
    course.start(tmp_path)
    namespace = {"np": np}
    exec(the_cell("numerical_gradient"), namespace)
    workbook.Workbook(tmp_path).check(namespace["numerical_gradient"])
    assert "its source was not found, so it was not saved" in capsys.readouterr().out
    assert not (tmp_path / mine.FILE).exists()


def test_everything_that_is_asked_for_has_a_substitute():
    for name in PIECES:
        thing = workbook.substitute(name)
        assert thing.__name__ == name
        assert thing is getattr(ps, name, thing) or name == "Adam", "the library's is made in another way"


# Files.


def test_no_solution_and_no_answer_is_in_the_students_files():
    files = student_files()
    for lesson in LESSONS:
        script, notebook = files[f"{lesson.name}.py"], files[f"{lesson.name}.ipynb"]
        assert "SOLUTION" not in script
        assert "# BLANK" not in script
        answers = [cell for cell in lesson.cells if cell.answer]
        assert answers
        for answer in answers:
            for line in answer.text.splitlines():
                if len(line) > 30:
                    assert line not in script
                    assert line not in notebook
        for student, teacher in zip(lesson.student(), lesson.teacher(), strict=True):
            if student == teacher or teacher.answer:
                continue
            blanked = set(student.text.splitlines())
            kept = [line for line in teacher.text.splitlines() if line in blanked]
            solution = [line for line in teacher.text.splitlines() if line not in blanked]
            assert solution
            assert "..." in "\n".join(line for line in blanked if line not in kept)


def test_the_blanks_of_the_sources_are_all_emptied():
    for lesson in LESSONS:
        source_text = (source.FOLDER / f"{lesson.name}.py").read_text()
        student = {cell.text for cell in lesson.student()}
        for block in re.findall(r"# SOLUTION\n(.*?)\n *# END", source_text, flags=re.DOTALL):
            assert not any(block in text for text in student), block


def test_both_versions_are_python_and_hold_the_same_cells_as_the_notebook():
    for files in (student_files(), teacher_files()):
        for lesson in LESSONS:
            script = files[f"{lesson.name}.py"]
            ast.parse(script)
            from_script = source.parse(lesson.name, script).cells
            from_notebook = [
                source.Cell(cell["cell_type"], "".join(cell["source"]))
                for cell in json.loads(files[f"{lesson.name}.ipynb"])["cells"]
            ]
            assert list(from_script) == from_notebook


def test_notebooks_are_nbformat_4_and_all_files_are_small():
    for files in (student_files(), teacher_files()):
        for name, text in files.items():
            assert len(text.encode()) < 100_000
            if not name.endswith(".ipynb"):
                continue
            document = json.loads(text)
            assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
            identities = [cell["id"] for cell in document["cells"]]
            assert len(set(identities)) == len(identities)
            for cell in document["cells"]:
                assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"])
                assert ("outputs" in cell) == (cell["cell_type"] == "code") == ("execution_count" in cell)
                assert cell["metadata"] == {}


def test_notebooks_fit_the_schema_of_nbformat():
    nbformat = pytest.importorskip("nbformat")
    for files in (student_files(), teacher_files()):
        for name, text in files.items():
            if name.endswith(".ipynb"):
                nbformat.validate(json.loads(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n# %%\n", "there is text before the first"),
        ("# %%\n# BLANK\n# ...\n", "ends within # BLANK"),
        ("# %%\n# SOLUTION\n# END\n", "# SOLUTION where nothing is open"),
        ("# %% [markdown]\n# FORMULAS\n# $x$\n# END\n", "END where FORMULAS is open"),
        ("# %% [markdown]\n# FORMULAS\n# $x$\n# HARD\n", "ends within HARD"),
    ],
)
def test_a_source_with_an_open_blank_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        source.parse("lesson", text)


def test_the_lessons_run_in_jupyter_where_it_is_installed(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    course.solutions(tmp_path / "solved")
    course.start(tmp_path / "blank")
    for name in NAMES[:2]:
        document = nbformat.read(tmp_path / "solved" / f"{name}.ipynb", 4)
        nbclient.NotebookClient(document, resources={"metadata": {"path": str(tmp_path / "solved")}}).execute()
    document = nbformat.read(tmp_path / "blank" / f"{NAMES[0]}.ipynb", 4)
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="Data still has a blank"):
        nbclient.NotebookClient(document, resources={"metadata": {"path": str(tmp_path / "blank")}}).execute()


# Data.


def write_idx(path, array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes())


def test_digits_come_from_scikit_learn_or_from_files_of_mnist_beside_the_lessons(tmp_path, capsys):
    book = workbook.Workbook(tmp_path)
    images, labels, test_images, test_labels = book.digits(mnist=True)
    assert images.shape == (1348, 8, 8, 1)
    assert test_images.shape == (449, 8, 8, 1)
    assert (images.min(), images.max()) == (0, 1)
    assert set(labels) == set(test_labels) == set(range(10))
    write_idx(tmp_path / "train-images-idx3-ubyte", np.full((40, 28, 28), 255))
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.arange(40) % 10)
    images, labels, test_images, _ = book.digits(mnist=True)
    assert (images.shape, test_images.shape) == ((30, 28, 28, 1), (10, 28, 28, 1))
    write_idx(tmp_path / "t10k-images-idx3-ubyte", np.zeros((7, 28, 28)))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.arange(7))
    images, labels, test_images, test_labels = book.digits(mnist=True)
    assert (images.shape, test_images.shape) == ((40, 28, 28, 1), (7, 28, 28, 1))
    assert images.min() == 1
    assert test_labels.tolist() == list(range(7))
    assert (
        "train-images-idx3-ubyte, t10k-images-idx3-ubyte: 40 images to train with, 7 put aside"
        in capsys.readouterr().out
    )
    assert book.digits()[0].shape == (1348, 8, 8, 1)


# The first test cells.


def test_the_cells_of_the_first_document_run_beside_utility_with_what_the_course_makes(tmp_path, notebook):
    tool = Path(__file__).parents[3] / "shared" / "tools" / "seed_cells.py"
    if not tool.exists():
        pytest.skip("the document is not there")
    text = (tool.parents[1] / "seed" / "assignment.txt").read_text()
    course.start(tmp_path)
    for name in PIECES:
        if name in ("Data", "SquareLoss", "Linear", "Relu", "CrossEntropy", "Bias"):
            mine.keep(tmp_path, mine.Piece(name, the_cell(name), "-", 1))
    first = re.findall(r"In \[None\]:\n(.*?)\n\n", text, flags=re.DOTALL)[0].split("\ndef good_job")[0]
    notebook.run("\n".join(line for line in first.strip().splitlines() if "matplotlib" not in line))
    notebook.run("from utility import good_job, library")
    out, _ = notebook.run(
        "Data, SquareLoss, Linear, Relu, CrossEntropy, Bias = library("
        "'Data', 'SquareLoss', 'Linear', 'Relu', 'CrossEntropy', 'Bias')"
    )
    assert "PySmorch's own" not in out
    cells = [part for part in text.split("In [None]:")[1:] if "did_pass = check_gradient(" in part]
    assert len(cells) == 6
    for cell in cells:
        lines = cell.strip().splitlines()
        while True:
            try:
                compile("\n".join(lines), "cell", "exec")
                break
            except SyntaxError:
                lines.pop()
        assert "check_gradient(" in "\n".join(lines)
        _, stopped = notebook.run("\n".join(lines))
        assert not stopped


# Commands.


@pytest.fixture
def command(run):
    return partial(run, "course")


def test_from_start_to_the_first_failing_check_are_two_commands(command):
    code, out, _ = command("start", "lessons")
    assert code == 0
    (advice,) = re.findall(r"with Python alone:  (\S+ lessons/\S+\.py)", out)
    (status,) = re.findall(r"how far you are:    (\S+ -m pysmorch course status lessons)", out)
    table = subprocess.run(status.split(), capture_output=True, text=True, check=False)
    assert table.stdout.endswith(f"0 of {len(PIECES)} are right; next: Data, in 01_loss\n")
    result = subprocess.run(advice.split(), capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == ""
    line = next(
        n for n, text in enumerate(Path("lessons/01_loss.py").read_text().splitlines(), 1) if "..." in text and n > 30
    )
    assert f"lessons/01_loss.py, line {line}:  return ...  # what this layer holds" in result.stdout
    assert f"run it again:  {advice}" in result.stdout


def test_the_command_that_is_advised_runs_this_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "lessons" / "01_loss.py"
    there = tmp_path / ".venv" / "bin"
    there.mkdir(parents=True)
    (there / "python").touch(0o755)
    monkeypatch.setattr("sys.executable", str(there / "python"))
    monkeypatch.setenv("PATH", "/elsewhere")
    assert workbook.run_command(script) == ".venv/bin/python lessons/01_loss.py"
    monkeypatch.setenv("PATH", str(there))
    assert workbook.run_command(script) == "python lessons/01_loss.py"
    assert workbook.run_command(tmp_path / "my lessons" / "a.py") == 'python "my lessons/a.py"'


def test_a_solved_script_runs_to_its_end_from_any_folder(tmp_path):
    course.solutions(tmp_path / "solved")
    script = tmp_path / "solved" / "01_loss.py"
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, cwd="/")
    assert (result.returncode, result.stderr) == (0, "")
    assert "SquareLoss is right" in result.stdout
    assert mine.names(tmp_path / "solved") == {"Data", "SquareLoss"}


def test_start_never_writes_over_anything(command):
    command("start", "lessons")
    Path("lessons/02_linear.py").write_text("my work")
    Path("lessons/my_smorch.py").write_text("more of my work")
    Path("lessons/03_relu.py").unlink()
    code, out, _ = command("start", "lessons")
    assert code == 0
    assert "files in lessons: 32 were there and are left as they are, 1 put back" in out
    assert Path("lessons/02_linear.py").read_text() == "my work"
    assert Path("lessons/my_smorch.py").read_text() == "more of my work"
    assert "nothing was changed" in command("start", "lessons")[1]


def test_a_folder_keeps_its_edition(command):
    assert command("start", "lessons", "--hard")[0] == 0
    hard = Path("lessons/03_relu.py").read_text()
    Path("lessons/03_relu.py").unlink()
    assert command("start", "lessons")[0] == 0
    assert Path("lessons/03_relu.py").read_text() == hard
    command("start", "plain")
    assert Path("plain/03_relu.py").read_text() != hard
    code, _, err = command("start", "plain", "--hard")
    assert code == 2
    assert err == "pysmorch: error: plain has the course with formulas in it; name a new folder for the one without\n"


def test_hints_are_a_command_too(command):
    command("start", "lessons", "--hard")
    assert command("hint", "lessons", "Relu")[1].startswith("1 of 3: Where")
    assert "2 of 3: Which rule" in command("hint", "lessons", "Relu")[1]
    code, _, err = command("hint", "lessons", "Rely")
    assert code == 2
    assert err.startswith("pysmorch: error: there are no hints for 'Rely'; there are some for Data,")
    assert len(err.splitlines()) == 1
    code, _, err = command("hint", "nowhere", "Relu")
    assert code == 2
    assert "nowhere has no course in it" in err


def test_folders_that_hold_something_else_are_refused_in_one_line(command):
    Path("full").mkdir()
    Path("full/notes.txt").write_text("notes")
    Path("file").write_text("text")
    command("start", "lessons")
    for arguments, words in (
        (("start", "full"), "full is not empty"),
        (("start", "file"), "file is a file"),
        (("start", "file/lessons"), "file"),
        (("solutions", "full"), "full is not empty"),
        (("solutions", "lessons"), "lessons is not empty"),
        (("status", "full"), "full has no course in it; begin one with: pysmorch course start full"),
        (("status", "nowhere"), "nowhere has no course in it"),
        (("start",), "Missing argument"),
        (("dance",), "No such command 'dance'"),
    ):
        code, _, err = command(*arguments)
        assert code == 2
        assert words in err
        assert len(err.splitlines()) == 1
    assert os.listdir("full") == ["notes.txt"]


def test_status_says_of_every_piece_how_far_it_is(command, monkeypatch):
    command("start", "lessons")
    code, out, _ = command("status", "lessons")
    assert code == 0
    assert out.count("not yet") == len(PIECES)
    assert f"0 of {len(PIECES)} are right; next: Data, in 01_loss" in out
    own = Path("lessons/my_smorch.py")
    mine.keep(own.parent, mine.Piece("Data", the_cell("Data"), "-", 1))
    wrong = the_cell("numerical_gradient").replace("(2 * h)", "h")
    mine.keep(own.parent, mine.Piece("numerical_gradient", wrong, "-", 1))
    with own.open("a") as file:
        file.write("\nprint('hello')\n")
        file.write("\nclass Momentum:\n    def __init__(self, *arguments):\n        import os; os._exit(3)\n")
        file.write("\ndef train_epoch(*arguments):\n    while True: pass\n")
    monkeypatch.setattr("pysmorch.teach.course.folder.SECONDS", 10)
    states = {row.name: row.state for row in course.status("lessons")}
    assert states["Data"] == "right"
    assert "Everything is 2 times too large" in states["numerical_gradient"]
    assert "ended the whole program with exit code 3" in states["Momentum"]
    assert "did not come to an end within 1 seconds (an endless loop?)" in states["train_epoch"]
    assert states["Linear"] == "not yet"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(:\n", "line 1: invalid syntax; mend it, or delete the file"),
        ("class Data: pass\nnothing()\n", "NameError: name 'nothing' is not defined, in line 2"),
        ("class Data: pass\nimport os; os._exit(0)\n", "ended the whole program with exit code 0"),
        ("class Data: pass\nwhile True: pass\n", "did not come to an end within 1 seconds"),
    ],
)
def test_a_library_that_does_not_run_is_one_line_of_status(text, words, command, monkeypatch):
    monkeypatch.setattr("pysmorch.teach.course.folder.SECONDS", 2)
    command("start", "lessons")
    Path("lessons", mine.FILE).write_text(text)
    code, _, err = command("status", "lessons")
    assert code == 2
    assert f"{mine.FILE}" in err
    assert words in err
    assert len(err.splitlines()) == 1


def test_solutions_are_a_course_that_is_solved(command):
    code, out, _ = command("solutions", "solved")
    assert code == 0
    assert "33 files with solutions and answers written to solved" in out
    assert "Answers." in Path("solved/01_loss.py").read_text()
