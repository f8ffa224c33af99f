"""`pysmorch grade` of a class."""

import csv
import json
from functools import partial

import pytest

from pysmorch.cli import grading
from pysmorch.teach import GradingError
from pysmorch.teach.classroom import STORE_NAME, batch
from tests.teach.classroom.students import CLASSES, HEAD, notebook

RELU = HEAD + CLASSES["Relu"]
BIAS = HEAD + CLASSES["Bias"]


@pytest.fixture
def run(run, tmp_path):
    """Run `pysmorch grade` beside a folder with a class of three."""
    files = {
        "al.py": RELU,
        "bo/hw.ipynb": notebook(RELU.replace("dwnstrm * (self.in_array > 0)", "dwnstrm").replace("self.in_array", "self.x")),
        "cy.py": RELU.replace("class Relu", "class ReLU").replace("self.in_array", "self.y"),
    }  # fmt: skip
    for name, content in files.items():
        path = tmp_path / "class" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return partial(run, "grade")


def table_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_class_is_a_table_with_a_summary(run, tmp_path):
    code, out, err = run("class", "--jobs", "2", "--csv", "grades.csv", "--html", "pages")
    assert code == 1
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["name", "al", "bo", "cy"]
    assert "classes: Relu" in lines
    assert "3 submissions, 1 all right" in out
    assert "1  Relu: dwnstrm is let through everywhere: the mask is missing" in out
    assert "1 submissions: ReLU may be Relu: --alias ReLU=Relu grades it so" in out
    assert "warning" not in err
    table = table_of(tmp_path / "grades.csv")
    assert [row["name"] for row in table] == ["al", "bo", "cy"]
    assert len({row["max_points"] for row in table}) == 1
    assert sorted(path.name for path in (tmp_path / "pages" / "students").iterdir()) == ["al.html", "bo.html", "cy.html"]  # fmt: skip


def test_a_second_run_takes_what_is_stored_unless_all_is_graded_again(run, tmp_path, monkeypatch):
    first = run("class", "--only", "Relu", "--jobs", "1")
    assert (tmp_path / "class" / STORE_NAME).read_text().count("\n") == 3
    with monkeypatch.context() as patch:
        patch.setattr(batch, "do_all", lambda *_: pytest.fail("it is graded again"))
        assert run("class", "--only", "Relu", "--points", "Relu=10")[0] == first[0]
        (tmp_path / "class" / "cy.py").unlink()
        code, out, _ = run("class", "--only", "Relu", "--json")
    assert code == 1
    assert [file["name"] for file in json.loads(out)["files"]] == ["al", "bo"]
    assert run("class", "--only", "Relu", "--fresh", "--store", "mine.jsonl")[0] == 1
    assert (tmp_path / "mine.jsonl").read_text().count("\n") == 2


def test_another_spelling_is_graded_with_an_alias(run):
    code, out, _ = run("class/al.py", "class/cy.py", "--alias", "ReLU=Relu", "--jobs", "1")
    assert code == 0
    assert out.count("points, all right") == 2
    assert "--alias" not in out


def test_files_that_submissions_may_import_are_none_themselves(run, tmp_path):
    (tmp_path / "class" / "utility.py").write_text("ZERO = 0\n")
    (tmp_path / "class" / "al.py").write_text("from utility import ZERO\n" + RELU.replace(", 0)", ", ZERO)"))
    _, out, err = run("class", "--only", "Relu", "--with", "class/utility.py", "--json", "--jobs", "1")
    files = json.loads(out)["files"]
    assert [file["name"] for file in files] == ["al", "bo", "cy"]
    assert files[0]["passed"]
    assert "left out" not in err


def test_an_interruption_says_how_to_go_on(run, monkeypatch):
    def stop(submissions, options, jobs, store, on_done):
        on_done(0, None)
        raise KeyboardInterrupt

    monkeypatch.setattr(grading, "grade_submissions", stop)
    code, _, err = run("class")
    assert code == 130
    assert "interrupted; 1 of 3 are graded, the same command goes on from there" in err


def test_a_failure_of_the_grader_is_not_the_students_and_is_tried_again(run, tmp_path, monkeypatch):
    failure = GradingError("the process for al.py did not start")
    monkeypatch.setattr(batch, "do_all", lambda *_: iter([(0, failure), (1, failure), (2, failure)]))
    code, _, err = run("class", "--csv", "grades.csv")
    assert code == 2
    assert (
        "of 3 submissions 3 could not be graded, which is no fault of theirs; the same command tries them again" in err
    )
    assert len(table_of(tmp_path / "grades.csv")) == 3
    assert (tmp_path / "class" / STORE_NAME).read_text() == ""


def test_gradescope_gets_its_file(run, tmp_path):
    assert run("class/bo", "--gradescope", "results.json", "--only", "Relu")[0] == 1
    data = json.loads((tmp_path / "results.json").read_text())
    assert 0 < data["score"] < sum(test["max_score"] for test in data["tests"])
    assert not (tmp_path / "class" / "bo" / STORE_NAME).exists()
    (tmp_path / "class" / "bo" / "more.py").write_text(BIAS)
    code, _, err = run("class/bo", "--gradescope", "results.json")
    assert code == 2
    assert "there are 2 submissions (hw.ipynb, more.py), and --gradescope is for one: hand in one file" in err
    assert "hand in one file" in json.loads((tmp_path / "results.json").read_text())["output"]
    (tmp_path / "empty").mkdir()
    assert run("empty", "--gradescope", "results.json")[0] == 1
    assert "has no file that ends in .py or .ipynb" in json.loads((tmp_path / "results.json").read_text())["output"]


def test_what_is_left_out_and_equal_names_are_said(run, tmp_path):
    (tmp_path / "class" / "roster.xlsx").write_text("")
    (tmp_path / "class" / "al.ipynb").write_text(notebook(RELU.replace("self.in_array", "self.z")))
    _, out, err = run("class", "--only", "Relu", "--csv", "class/grades.csv", "--jobs", "1")
    assert "several submissions are named al; each is graded under its path, remove what does not count: class/al.ipynb, class/al.py" in err  # fmt: skip
    assert "neither Python nor notebooks, and left out (get submissions as .py or .ipynb): roster.xlsx\n" in err
    assert [line.split()[0] for line in out.splitlines()[1:5]] == ["class/al.ipynb", "class/al.py", "bo", "cy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["empty"], "empty has no submissions"),
        (["class", "--jobs", "0"], "--jobs must be a positive number, but is 0"),
        (["class", "--alias", "ReLU"], "--alias must be two names of a class, as in ReLU=Relu, but has 'ReLU'"),
        (["class", "--alias", "ReLU=Rulu"], "no tests for a class named 'Rulu'; did you mean Relu?"),
        (["class", "--html", "class/pages"], "--html class/pages is in class, where each folder is a student"),
        (["class", "--html", "class/al.py/x"], "is in class"),
        (["class", "--csv", "no/such.csv"], "does not exist"),
        (["class", "--store", "class/al.py"], "class/al.py is there and no store of results; name another with --store"),
    ],
)  # fmt: skip
def test_misuse_is_one_line_and_exit_code_2(run, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    code, out, err = run(*arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
