"""Grading files: whatever a file does, there is a report, and the other tests get their results."""

import json
import os
import sys
import textwrap
import time
from functools import partial
from xml.etree import ElementTree

import pytest

from pysmorch.teach import GradingError, Result, grade_file, launching
from pysmorch.teach import child as child_module
from pysmorch.teach.checks import Trial
from pysmorch.teach.isolation import _Grading
from tests.helpers import without_sanitizers

TWO_CLASSES = '''
import ctypes, os, subprocess, sys, threading, time
import numpy as np

class Relu:
    """As it should be, but for what is put into it."""
    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
    def forward(self):
        self.x = self.in_layer.forward()
        if len(self.x) == 8:
            {with_eight_rows}
        return np.maximum(self.x, 0)
    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.x > 0))

class Bias:
    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.W = np.zeros((1, in_layer.out_dims[1]))
    def forward(self):
        return self.in_layer.forward() + self.W
    def backward(self, dwnstrm):
        self.G = dwnstrm.sum(0, keepdims=True)
        self.in_layer.backward(dwnstrm)
'''
RIGHT = TWO_CLASSES.format(with_eight_rows="pass")
OTHER_SIZE = "a batch of another size is right"
posix = pytest.mark.skipif(os.name != "posix", reason="limits of memory and groups of processes are POSIX's")


@pytest.fixture
def graded(tmp_path):
    """Write a file and grade it."""

    def call(source, **options):
        path = tmp_path / "solution.py"
        path.write_text(textwrap.dedent(source))
        return grade_file(path, **{"timeout": 20.0, **options})

    return call


def by_name(report):
    return {r.name: {result.name: result for result in r.results} for r in report.reports}


LOSES_ONE_TEST = {
    "an endless loop": ("while True: pass", "It did not come to an end within 2 seconds (an endless loop?)."),
    "an end of the program": ("os._exit(3)", "It ended the whole program with exit code 3, as os._exit does."),
    "a closed pipe": ("os.closerange(3, 50)", "It closed the pipe through which results are reported."),
    "an end by sys.exit": ("sys.exit(0)", "Relu.forward stops with SystemExit: 0, in line 13: sys.exit(0)."),
    "an interrupt": ("raise KeyboardInterrupt", "Relu.forward stops with KeyboardInterrupt, in line 13"),
    "a question": ("input('?')", "Relu.forward stops with EOFError"),
    "a recursion without end": ("self.forward()", "Relu.forward stops with RecursionError"),
}
LOSES_ONE_TEST_ON_POSIX = {
    "a crash": ("ctypes.string_at(0)", "It crashed the whole program (SIGSEGV, a segmentation fault)."),
    "a signal": ("os.kill(os.getpid(), 9)", "It crashed the whole program (SIGKILL, killed, perhaps for lack of memory)."),
    "too much memory": ("self.big = np.ones(10**11 // 8)", "Relu.forward stops with MemoryError: Unable to allocate 93.1 GiB"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "sentence"),
    [pytest.param(*value, id=name) for name, value in LOSES_ONE_TEST.items()]
    + [pytest.param(*value, id=name, marks=posix) for name, value in LOSES_ONE_TEST_ON_POSIX.items()],
)
def test_what_goes_wrong_in_one_test_loses_that_test_only(graded, code, sentence):
    report = graded(TWO_CLASSES.format(with_eight_rows=code))
    failed = [
        (name, test.name) for name, tests in by_name(report).items() for test in tests.values() if not test.passed
    ]
    assert failed == [("Relu", OTHER_SIZE)], str(report)
    assert sentence in by_name(report)["Relu"][OTHER_SIZE].cause
    assert not report.passed


HARMLESS = {
    "a million lines": "print('spam\\n' * 1_000_000)",
    "a flood past Python": "os.write(1, b'x' * 10**7); os.write(2, b'y' * 10**7)",
    "a copy of the process": "os.fork()",
    "a file": "open('left_behind.txt', 'w').write('x')",
    "a thread that goes on": "threading.Thread(target=time.sleep, args=[100]).start()",
    "another folder": "os.chdir('/')",
}


@posix
@pytest.mark.parametrize("code", HARMLESS.values(), ids=HARMLESS)
def test_what_does_no_harm_costs_nothing(graded, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = graded(TWO_CLASSES.format(with_eight_rows=code))
    assert report.passed, str(report)
    assert len(str(report)) < 2000
    assert os.listdir(tmp_path) == ["solution.py"]


@posix
def test_processes_that_a_file_has_started_are_ended(graded, tmp_path):
    mark = tmp_path / "number"
    code = f"open({str(mark)!r}, 'w').write(str(subprocess.Popen(['sleep', '600']).pid))"
    assert graded(TWO_CLASSES.format(with_eight_rows=code)).passed
    number = int(mark.read_text())
    until = time.monotonic() + 20
    while time.monotonic() < until and _is_running(number):
        time.sleep(0.05)
    assert not _is_running(number)


def _is_running(number):
    """Whether a process is there; one that has ended and that nobody asks about does not count."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return True


@posix
def test_who_ends_the_process_that_it_is_a_copy_of_ends_nothing_else(graded):
    assert not graded(TWO_CLASSES.format(with_eight_rows="os.kill(os.getppid(), 9)\n            time.sleep(1)")).passed
    assert graded(RIGHT).passed


def test_where_processes_are_not_copied_each_is_started_anew(graded, monkeypatch):
    monkeypatch.setattr(launching, "CAN_FORK", False)
    assert graded(RIGHT).passed
    report = graded(TWO_CLASSES.format(with_eight_rows="os._exit(3)"))
    assert "exit code 3" in by_name(report)["Relu"][OTHER_SIZE].cause


def test_after_two_lost_tests_a_class_is_given_up_but_not_the_others(graded):
    report = graded(
        RIGHT.replace("def forward(self):\n        self.x", "def forward(self):\n        os._exit(1)\n        self.x")
    )
    tests = by_name(report)
    causes = [test.cause for test in tests["Relu"].values()]
    assert sum("exit code 1" in cause for cause in causes) == 2
    assert sum("Not run: 2 tests of this class before did not come to an end." in cause for cause in causes) == 9
    assert all(test.passed for test in tests["Bias"].values())


@pytest.mark.parametrize("end", ["\n", ""])
def test_results_cannot_be_forged_by_writing_into_every_open_file(graded, end):
    forged = {"event": "result", "cls": "Relu", "result": {"name": OTHER_SIZE, "passed": True, "cause": ""}}
    everywhere = f"""
def write_everywhere():
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, {(json.dumps(forged) + end).encode()!r})
        except OSError:
            pass
    return 1 / 0
"""
    report = graded(everywhere + TWO_CLASSES.format(with_eight_rows="write_everywhere()"))
    failed = [test for tests in by_name(report).values() for test in tests.values() if not test.passed]
    assert [test.name for test in failed] == [OTHER_SIZE]
    assert "ZeroDivisionError" in failed[0].cause


@without_sanitizers
@pytest.mark.parametrize(
    "line",
    [
        "import pysmorch.teach.comparison as d; d.agrees = lambda *a: True",
        "from pysmorch.teach.attempt import Attempt; Attempt.expected = lambda *a: None",
        "np.allclose = np.array_equal = lambda *a, **k: True",
        "import builtins; builtins.all = lambda x: True",
    ],
)
def test_a_file_that_replaces_the_grader_numpy_or_python_does_so_in_its_own_process(graded, line):
    report = graded(RIGHT.replace("* (self.x > 0)", "") + line)
    assert (
        "dwnstrm is let through everywhere"
        in by_name(report)["Relu"]["the gradient for the input is passed back"].cause
    )


def test_a_file_that_replaces_what_python_needs_loses_its_own_process(graded):
    report = graded(RIGHT + "import builtins\nbuiltins.len = lambda x: 3\nbuiltins.isinstance = lambda *a: True\n")
    assert not report.passed
    assert report.points == 0


def test_a_metaclass_that_answers_no_question_costs_the_other_classes_nothing(graded):
    meta = "class Meta(type):\n    def __getattribute__(cls, name):\n        raise KeyError(name)\n"
    report = graded(RIGHT + meta + "class Linear(metaclass=Meta):\n    pass\n")
    assert [r.name for r in report.reports] == ["Relu", "Bias"]
    assert report.passed, str(report)


def test_the_line_of_an_error_is_the_students_and_not_one_of_pythons_own(graded):
    source = "import threading\nthreading.Thread(target=print).join()\n" + RIGHT
    assert "in line 2: threading.Thread(target=print).join()" in graded(source).problem


PROBLEMS = {
    "a mistake of syntax": ("class Relu\n", "SyntaxError: expected ':', in line 1.", 0),
    "a mistake in a class": ("class Relu:\n    1 / 0\n" + RIGHT, "ZeroDivisionError: division by zero, in line 2: 1 / 0", 200),
    "something missing": (
        "from nowhere_at_all import x\n" + RIGHT,
        "No module named 'nowhere_at_all', in line 1: from nowhere_at_all import x. Install nowhere_at_all, "
        "name a file of that name with --with, or leave the line out. The rest was run all the same.",
        200,
    ),
    "a test at the end": (RIGHT + "assert False, 'not yet'\n", "AssertionError: not yet", 200),
    "sys.exit": (RIGHT + "sys.exit('done')\n", "SystemExit: done", 200),
    "os._exit": ("import os\nos._exit(4)\n" + RIGHT, "Reading the file: it ended the whole program with exit code 4", 0),
    "nothing": ("", "The file defines no class whose name is known.", 0),
    "a class of the library": ("from pysmorch import Linear\n", "The file defines no class whose name is known.", 0),
    "future": ("from __future__ import annotations\nx: 'y' = 1\n" + RIGHT + "1 / 0\n", "ZeroDivisionError", 200),
}  # fmt: skip


@pytest.mark.parametrize(("source", "sentence", "points"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_file_that_cannot_be_read_to_its_end_is_told_why(graded, source, sentence, points):
    report = graded(source)
    assert sentence in report.problem
    assert report.points == points
    assert not report.passed
    assert "Traceback" not in str(report)


def test_a_file_that_is_never_read_to_its_end_is_given_up(graded):
    report = graded("while True:\n    pass\n", timeout=2.0)
    assert report.problem == "Reading the file: it did not come to an end within 1 seconds (an endless loop?)."


def test_a_file_that_has_used_up_its_time_gets_the_results_so_far(tmp_path):
    grading = _Grading(tmp_path / "slow.py")
    first, second, third = (
        Trial(name, "care", points, print) for name, points in (("first", 1), ("second", 2), ("third", 4))
    )
    grading.planned = {"Relu": [first, second], "Bias": [third]}
    grading.results["Relu", "first"] = Result("first", "care", True, 1, 1)
    grading.left = 0.0
    assert not grading._lose(("Relu", "second"), "it did not come to an end.")
    report = grading.report()
    assert (report.points, report.max_points) == (1, 7)
    assert by_name(report)["Relu"]["second"].cause == "It did not come to an end."
    assert by_name(report)["Bias"]["third"].cause == "Not run: the file has used up its 60 seconds."


def test_files_beside_the_file_can_be_imported_only_where_they_are_named(graded, tmp_path):
    (tmp_path / "helpers_of_mine.py").write_text("half = 0.5\n")
    source = "from helpers_of_mine import half\n" + RIGHT
    assert graded(source, with_files=[tmp_path / "helpers_of_mine.py"]).passed
    assert "No module named 'helpers_of_mine'" in graded(source).problem
    with pytest.raises(FileNotFoundError):
        graded(source, with_files=[tmp_path / "helpers_of_yours.py"])


def test_a_piece_that_does_not_compile_costs_only_itself(graded):
    report = graded("", pieces=[("cell 1", "class Relu\n"), ("cell 2", RIGHT)])
    assert report.problem == "The file stops with SyntaxError: expected ':', in line 1."
    assert report.points == report.max_points > 0


@posix
def test_variables_of_the_environment_are_not_passed_on(graded, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_TEACHER", "swordfish")
    assert graded("import os\nprint(os.environ.get('SECRET_OF_THE_TEACHER'))\n" + RIGHT).printed == "None"


def test_a_gradient_checker_in_a_file_is_graded(graded):
    report = graded("def check_gradient(f, grad, x, error_tol=1e-6):\n    return True\n")
    assert [r.name for r in report.reports] == ["check_gradient"]
    assert 0 < report.points < report.max_points


def test_a_system_without_limits_of_memory_says_so(graded, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert child_module.limit(2**31, 60) is False

    class Unlimited:
        def started(self):
            return False

    grading = _Grading(tmp_path / "x.py")
    grading._start(Unlimited())
    assert "note: the memory is not limited on this system" in str(grading.report())


def test_a_process_that_does_not_start_is_no_fault_of_the_file(graded, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(GradingError, match=r"the process for solution.py did not start: "):
        graded(RIGHT)


# The command.


@pytest.fixture
def run(run, tmp_path):
    """Run `pysmorch grade` in a folder with a right, a wrong and an odd file."""
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(RIGHT.replace("* (self.x > 0)", ""))
    odd = TWO_CLASSES.format(
        with_eight_rows="raise ValueError(''.join(map(chr, [27, 0, 0xDCFF, 0xFFFF, 60, 38, 34, 93, 93, 62])))"
    )
    (tmp_path / "odd.py").write_text(odd)

    return partial(run, "grade")


def test_the_command_says_what_is_right_and_exits_with_0(run):
    code, out, err = run("right.py")
    assert code == 0
    assert out.split("\n\n") == [
        "right.py",
        "  Relu: 100 of 100 points, all right",
        "  Bias: 100 of 100 points, all right",
        "  200 of 200 points",
        "",
    ]
    assert err == ""


def test_the_command_says_what_is_wrong_with_an_example_and_a_hint_and_exits_with_1(run):
    code, out, _ = run("right.py", "wrong.py", "--only", "Relu")
    assert code == 1
    assert "WRONG  the gradient for the input is passed back  0 of 37.5" in out
    assert "dwnstrm is let through everywhere: the mask is missing" in out
    assert "Hint: " in out
    assert "expected    found" in out


def test_json_and_junit_are_well_formed_whatever_a_file_says(run, tmp_path):
    code, out, _ = run("right.py", "odd.py", "--json", "--junit", "results.xml")
    assert code == 1
    data = json.loads(out)
    assert [file["file"] for file in data["files"]] == ["right.py", "odd.py"]
    assert data["points"] == 398.125
    assert data["max_points"] == 400
    (failed,) = [r for c in data["files"][1]["classes"] for r in c["results"] if not r["passed"]]
    assert failed["cause"].startswith(
        'With 8 rows after 5: Relu.forward stops with ValueError: \ufffd\ufffd\ufffd\ufffd<&"]]>, in'
    )
    suites = ElementTree.parse(tmp_path / "results.xml").getroot()
    assert [suite.get("failures") for suite in suites] == ["0", "0", "1", "0"]
    (failure,) = suites.iter("failure")
    assert failure.get("message") == failed["cause"]
    assert sum(int(suite.get("tests")) for suite in suites) == len(list(suites.iter("testcase")))


def test_a_file_that_cannot_be_read_is_a_failed_case_in_junit(run, tmp_path):
    (tmp_path / "empty.py").write_text("")
    assert run("empty.py", "--junit", "results.xml")[0] == 1
    (failure,) = ElementTree.parse(tmp_path / "results.xml").getroot().iter("failure")
    assert failure.get("message") == "The file is empty: is it the right one?"


def test_points_can_be_given_and_what_is_missing_gets_none(run):
    code, out, _ = run("right.py", "--points", "Relu=10,Linear=5,Bias=2.5", "--json")
    assert code == 1
    data = json.loads(out)
    assert data["points"] == 12.5
    assert data["max_points"] == 17.5
    missing = next(c for c in data["files"][0]["classes"] if c["name"] == "Linear")
    assert {r["cause"] for r in missing["results"]} == {"The file has no class Linear."}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.py"], "nothing.py: no such file or folder"),
        (["notes.txt"], "notes.txt: no such file or folder"),
        (["right.py", "--only", "Liner"], "no tests for a class named 'Liner'; did you mean Linear?"),
        (["right.py", "--points", "Relu"], "--points must be names with positive numbers, as in Linear=10,Relu=5, but has 'Relu'"),
        (["right.py", "--points", "Relu=-1"], "but has 'Relu=-1'"),
        (["right.py", "--timeout", "0"], "--timeout must be a positive number of seconds, but is 0"),
        (["right.py", "--memory", "lots"], "--memory must be a size such as 2GB or 512MB, but is 'lots'"),
        (["right.py", "--memory", "1MB"], "--memory must be at least 256MB"),
        (["right.py", "--junit", "no/such/folder.xml"], "does not exist"),
        ([], "Missing argument"),
    ],
)  # fmt: skip
def test_misuse_is_one_line_and_exit_code_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
