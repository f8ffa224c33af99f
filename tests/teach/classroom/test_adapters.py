"""The same tests under Otter-Grader and nbgrader, or under what stands for them where they are not installed."""

import ast
import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from pysmorch.teach.classroom import add_nbgrader_tests, write_otter_tests
from tests.teach.classroom.students import CLASSES, HEAD

WRONG_BIAS = CLASSES["Bias"].replace("dwnstrm.sum", "dwnstrm.mean")


@pytest.fixture
def env():
    names = {"__name__": "homework"}
    exec(HEAD + CLASSES["Relu"] + WRONG_BIAS, names)
    return names


@pytest.fixture
def run_otter(monkeypatch):
    """Run a file of tests in Otter's exception-based format; returns what each test case raised, and its points."""
    otter, files = ModuleType("otter"), ModuleType("otter.test_files")

    def test_case(**values):
        return lambda function: SimpleNamespace(function=function, **values)

    files.test_case = test_case
    monkeypatch.setitem(sys.modules, "otter", otter)
    monkeypatch.setitem(sys.modules, "otter.test_files", files)

    def call(path, env):
        names = {}
        exec(path.read_text(), names)
        assert names["OK_FORMAT"] is False
        results = {}
        for case in [value for value in names.values() if isinstance(value, SimpleNamespace)]:
            try:
                case.function(env)
                results[case.name] = (case.points, "")
            except AssertionError as error:
                results[case.name] = (case.points, str(error))
        return names["name"], results

    return call


def test_otter_runs_each_test_for_its_points(tmp_path, env, run_otter):
    relu, bias, tanh = write_otter_tests(tmp_path / "tests", ["Relu", "Bias", "Tanh"])
    name, results = run_otter(relu, env)
    assert name == "Relu"
    assert all(message == "" for _, message in results.values())
    _, results = run_otter(bias, env)
    failed = {name: message for name, (_, message) in results.items() if message}
    assert list(failed) == ["G is the gradient for W"]
    assert failed["G is the gradient for W"].startswith("The average over the batch is taken instead of the sum.\nx ")
    assert "\nHint: " in failed["G is the gradient for W"]
    _, results = run_otter(tanh, env)
    assert all(message for _, message in results.values())
    assert sum(points for points, _ in results.values()) > 0


def test_otter_itself_runs_the_tests(tmp_path, env):
    otter = pytest.importorskip("otter.test_files", reason="needs otter-grader")
    _, bias = write_otter_tests(tmp_path / "tests", ["Relu", "Bias"])
    tests = otter.create_test_file(str(bias), None)
    tests.run(env)
    assert sum(not result.passed for result in tests.test_case_results) == 1


@pytest.fixture
def assignment(tmp_path):
    """An assignment with its cells of tests, as nbgrader takes it."""
    sources = [HEAD, CLASSES["Relu"], WRONG_BIAS, "print('the end')\n"]
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for i, source in enumerate(sources)
    ]
    (tmp_path / "hw.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    add_nbgrader_tests(tmp_path / "hw.ipynb", tmp_path / "ps.ipynb", ["Relu", "Bias", "Tanh"])
    return json.loads((tmp_path / "ps.ipynb").read_text())


def test_nbgrader_gets_a_cell_of_tests_after_each_class(assignment):
    marks = [cell["metadata"].get("nbgrader", {}) for cell in assignment["cells"]]
    assert [mark.get("grade_id") for mark in marks] == [None, None, "test-Relu", None, "test-Bias", None, "test-Tanh"]
    assert all(mark == {} or (mark["grade"] and mark["locked"] and not mark["solution"]) for mark in marks)
    assert all(mark == {} or (mark["schema_version"] == 3 and mark["points"] > 0) for mark in marks)


def test_the_last_value_of_a_cell_of_tests_is_its_points(assignment, env, capsys):
    found = {}
    for cell in assignment["cells"]:
        mark = cell["metadata"].get("nbgrader")
        if mark:
            *statements, last = ast.parse("".join(cell["source"])).body
            exec(compile(ast.Module(statements, []), "cell", "exec"), env)
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), env)
            found[mark["grade_id"]] = (value, mark["points"])
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "The average over the batch is taken instead of the sum." in captured.out
    assert found["test-Relu"][0] == found["test-Relu"][1]
    assert 0 < found["test-Bias"][0] < found["test-Bias"][1]
    assert found["test-Tanh"][0] == 0


def test_nbgraders_own_check_takes_the_cells(assignment):
    nbformat = pytest.importorskip("nbformat", reason="needs nbgrader")
    formats = pytest.importorskip("nbgrader.nbgraderformat", reason="needs nbgrader")
    notebook = nbformat.from_dict(assignment)
    nbformat.validate(notebook)
    formats.MetadataValidator().validate_nb(notebook)


def test_names_and_notebooks_that_are_not_known_are_refused(tmp_path):
    with pytest.raises(ValueError, match="did you mean Linear"):
        write_otter_tests(tmp_path / "tests", ["Liner"])
    assert not (tmp_path / "tests").exists()
    (tmp_path / "x.ipynb").write_text("{}")
    with pytest.raises(ValueError, match="no notebook"):
        add_nbgrader_tests(tmp_path / "x.ipynb", tmp_path / "y.ipynb", ["Linear"])
