"""Grading a class: a row for each, whatever submissions do, and the same rows after an interruption."""

import json
import os
import signal
import sys
import time

import pytest

from pysmorch.teach import GradingError
from pysmorch.teach.classroom import (
    Options,
    Store,
    Submission,
    batch,
    common_names,
    find_submissions,
    grade_submission,
    grade_submissions,
)
from pysmorch.teach.classroom.spelling import suggest
from pysmorch.teach.classroom.workers import Lost, do_all
from tests.teach.classroom.students import BLANKS, CLASSES, HEAD, HOSTILE, RIGHT, notebook, replaced, write_class

NAMES = ("Relu", "Bias")
RELU = HEAD + CLASSES["Relu"]
OPTIONS = Options(NAMES, timeout=10.0)
posix = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


@pytest.fixture
def graded(tmp_path):
    """Write a submission and grade it."""

    def call(source, name="x.py", **options):
        path = tmp_path / name
        path.write_text(source)
        return grade_submission(Submission("x", path), Options(**{"timeout": 20.0, **options})).report

    return call


def by_class(report):
    return {one.name: one for one in report.reports}


def test_a_blank_that_is_left_is_said_and_costs_what_depends_on_it(graded):
    report = by_class(graded(replaced(BLANKS[3], HEAD + CLASSES["Bias"])))["Bias"]
    results = {result.name: result for result in report.results}
    assert results["forward returns X + W"].passed
    wrong = results["G is the gradient for W"]
    assert wrong.cause == "A blank is left as it was, in line 13: self.G = ##### YOUR CODE HERE #####"
    assert wrong.hint == "This still has to be written."


def test_a_class_that_does_not_compile_gets_no_points_and_the_others_theirs(graded):
    report = graded(RELU + "class Bias:\n    def forward(self) return 1\n")
    assert by_class(report)["Relu"].passed
    assert by_class(report)["Bias"].points == 0
    assert by_class(report)["Bias"].max_points > 0
    assert {result.cause for result in by_class(report)["Bias"].results} == {
        "Bias does not compile: expected ':', in line 15: def forward(self) return 1."
    }
    assert report.problem.endswith("It is left out, the rest was run.")


def test_messages_name_the_cells_of_a_notebook(graded):
    report = graded(notebook(RELU.replace("return np.maximum(self.in_array, 0)", "return 1 / 0")), "x.ipynb")
    causes = [result.cause for result in by_class(report)["Relu"].results]
    assert any("ZeroDivisionError: division by zero, in line 8 of code cell 3: return 1 / 0" in cause for cause in causes)  # fmt: skip


def test_classes_after_the_end_of_the_program_say_so(graded):
    report = graded(replaced(HOSTILE["sys.exit"]), names=("Linear", "Bias"))
    assert by_class(report)["Linear"].passed
    assert all("SystemExit: 1" in result.cause for result in by_class(report)["Bias"].results)


def test_a_submission_without_code_gets_no_points_of_those_that_there_are(graded):
    report = graded("{}", "x.ipynb", names=NAMES)
    assert report.problem == "The file is no notebook: it has no list of cells. Save it again in Jupyter."
    assert report.points == 0
    assert report.max_points == graded(RIGHT, names=NAMES).points
    assert {result.cause for one in report.reports for result in one.results} == {report.problem}
    assert graded("", "y.py").problem == "The file is empty: is it the right one?"


def test_another_spelling_is_said_and_taken_with_an_alias(graded):
    source = RELU.replace("class Relu", "class ReLU")
    report = graded(source, names=("Relu",))
    assert report.points == 0
    assert report.notes == ["ReLU may be Relu: --alias ReLU=Relu grades it so"]
    assert graded(source, names=("Relu",), aliases={"ReLU": "Relu"}).passed


def test_spellings_are_those_of_names_that_are_missing():
    assert suggest(["ReLULayer", "linear", "Cross_Entropy_Loss"], ["Relu", "Linear", "CrossEntropy"]) == {
        "ReLULayer": "Relu",
        "linear": "Linear",
        "Cross_Entropy_Loss": "CrossEntropy",
    }
    assert suggest(["LeastSquares", "BatchNorm1d", "Helper"], ["SquareLoss", "Normalize"]) == {
        "LeastSquares": "SquareLoss",
        "BatchNorm1d": "Normalize",
    }
    assert suggest(["Relu", "ReLU"], ["Relu", "Bias"]) == {}


def test_the_classes_of_an_assignment_are_those_that_most_define(tmp_path):
    for i, source in enumerate([RIGHT, RIGHT, RELU, RELU.replace("class Relu", "class ReLU"), "class Tanh\n"]):
        (tmp_path / f"{i}.py").write_text(source)
    (tmp_path / "5.ipynb").write_text(notebook(RIGHT))
    submissions = find_submissions([tmp_path], ["Relu"]).submissions
    assert common_names(submissions, {}) == ("Relu",)
    assert common_names(submissions[:2], {}) == ("Linear", "Relu", "Bias", "CrossEntropy")


@posix
def test_every_submission_has_a_row_and_an_interrupted_run_gives_the_same(tmp_path):
    what = write_class(tmp_path / "class", 8, seed=5, hostile=0.3)
    submissions = find_submissions([tmp_path / "class"], NAMES).submissions
    assert [submission.name for submission in submissions] == sorted(what)
    whole = grade_submissions(submissions, OPTIONS, jobs=2)
    assert all(one.report.max_points == whole[0].report.max_points for one in whole)
    assert any(one.report.passed for one in whole)
    done = []

    def stop(i, _):
        done.append(i)
        if len(done) == 4:
            raise KeyboardInterrupt

    store = Store(tmp_path / "results.jsonl", OPTIONS.settings())
    with store.open(), pytest.raises(KeyboardInterrupt):
        grade_submissions(submissions, OPTIONS, 2, store, stop)
    with (tmp_path / "results.jsonl").open("ab") as file:
        file.write(b'{"key": "cut off')
    again = Store(tmp_path / "results.jsonl", OPTIONS.settings())
    with again.open():
        assert len(again.results) == 4
        assert grade_submissions(submissions, OPTIONS, 2, again) == whole
    with again.open():
        assert len(again.results) == 8


@pytest.mark.skipif(sys.platform != "linux", reason="it finds the grader in /proc")
def test_a_submission_that_ends_the_grader_costs_only_itself(tmp_path):
    parent_of_parent = """int(open(f"/proc/{os.getppid()}/stat").read().rsplit(")", 1)[1].split()[1])"""
    (tmp_path / "a.py").write_text(
        RIGHT + f"\nimport os\nos.kill({parent_of_parent}, 9)\nimport time\ntime.sleep(60)\n"
    )
    (tmp_path / "b.py").write_text(RIGHT)
    first, second = grade_submissions(find_submissions([tmp_path], NAMES).submissions, OPTIONS, jobs=1)
    assert second.report.passed
    assert not first.report.passed
    assert first.report.max_points == second.report.max_points


def test_the_graders_own_failure_is_no_result_and_is_not_stored(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise GradingError("the process did not start")

    (tmp_path / "a.py").write_text(RIGHT)
    monkeypatch.setattr(batch, "grade_file", fail)
    store = Store(tmp_path / "results.jsonl", "")
    with store.open():
        (result,) = grade_submissions([Submission("a", tmp_path / "a.py")], OPTIONS, 1, store)
    assert isinstance(result, GradingError)
    assert (tmp_path / "results.jsonl").read_text() == ""


# The store.


def test_a_result_counts_for_the_same_submission_and_settings_only(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("")
    submission = Submission("a", path)
    result = grade_submission(submission, Options())
    with Store(tmp_path / "s", "x").open() as store:
        store.put(submission, result)
    with Store(tmp_path / "s", "x").open() as store:
        assert store.get(submission) == result
        assert store.get(Submission("b", path)) is None
        path.write_text("x = 1")
        assert store.get(submission) is None
        path.write_text("")
    with Store(tmp_path / "s", "y").open() as store:
        assert store.get(submission) is None
    with Store(tmp_path / "s", "x").open(fresh=True) as store:
        assert store.get(submission) is None
    assert (tmp_path / "s").read_text() == ""


@posix
def test_two_runs_do_not_write_into_the_same_store(tmp_path):
    with (
        Store(tmp_path / "s", "").open(),
        pytest.raises(ValueError, match="is in use by another run"),
        Store(tmp_path / "s", "").open(),
    ):
        pass


def test_another_file_is_not_taken_for_a_store(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="no store of results"), Store(tmp_path / "notes.txt", "").open():
        pass
    assert (tmp_path / "notes.txt").read_text() == "mine"


# The processes.


def work(task):
    if task == "error":
        raise ValueError("an error")
    if task == "end":
        os._exit(3)
    if task == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "long":
        time.sleep(600)
    return json.dumps(task)


@posix
def test_tasks_that_end_their_process_are_lost_and_the_others_done():
    tasks = ["a", "error", "end", "killed", "long", "b", "c"]
    results = {tasks[i]: result for i, result in do_all(work, tasks, 2, 6.0)}
    assert [results.pop(task) for task in "abc"] == ['"a"', '"b"', '"c"']
    assert str(results.pop("error")) == "an error"
    assert {task: str(result) for task, result in results.items()} == {
        "end": "it ended the grader's process (exit code 3)",
        "killed": "it ended the grader's process (exit code -9)",
        "long": "it did not come to an end within 6 seconds",
    }
    assert all(isinstance(result, Lost) for result in results.values())
