"""Submissions that try to get points in other ways than by computing: none gets more than it has earned without a flag."""

import textwrap

import numpy as np
import pytest

from pysmorch.teach import grade_file
from pysmorch.teach.exercise_table import EXERCISES
from tests.helpers import without_sanitizers

HEAD = """
import gc, json, os, sys
import numpy as np


class Linear:
    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        self.out_dims = (in_layer.out_dims[0], num_out_features)
        self.W = np.random.standard_normal((in_layer.out_dims[1], num_out_features))

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.W

    def backward(self, dwnstrm):
"""
ZEROS = """
        self.G = np.zeros(self.W.shape)
        self.in_layer.backward(np.zeros(self.in_array.shape))
"""
NOTHING_DONE = HEAD + ZEROS
RIGHT = (
    HEAD
    + """
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)
"""
)

GRAB = """
        self.G, back = np.zeros(self.W.shape), np.zeros(self.in_array.shape)
        for value in {values}:
            if isinstance(value, np.ndarray) and value.shape == self.W.shape and value is not self.W:
                self.G = value
            if isinstance(value, np.ndarray) and value.shape == back.shape and value is not self.in_array:
                back = value
        self.in_layer.backward(back)
"""

FRAMES = (
    HEAD
    + """
        found, frame = [], sys._getframe()
        while frame:
            found += [v for names in (frame.f_locals, frame.f_globals) for k, v in names.items() if "expected" in k]
            for owner in list(frame.f_locals.values()):
                for method in ("expected", "gradient"):
                    try:
                        found.append(getattr(owner, method)(owner.problem, "G"))
                    except Exception:
                        pass
            frame = frame.f_back
"""
    + GRAB.format(values="found")
)

IMPORTS = (
    HEAD
    + """
        from pysmorch.teach.exercise_table import EXERCISES
        exercise = EXERCISES["Linear"]
        problem = exercise.problem(exercise.sizes)
        self.G = exercise.expected(problem, "G")
        self.in_layer.backward(exercise.expected(problem, "pass_back"))
"""
)

COMPARISONS = (
    NOTHING_DONE
    + """
import pysmorch.teach.checks, pysmorch.teach.comparison
for module in (pysmorch.teach.checks, pysmorch.teach.comparison):
    module.agrees = module.compare = lambda *a: True
"""
)

LISTS = (
    NOTHING_DONE
    + """
import pysmorch.teach.checks, pysmorch.teach.trials
pysmorch.teach.checks.STATE_CHECKS.clear()
pysmorch.teach.checks.SHARED_CHECKS.clear()
pysmorch.teach.trials.SPECIAL_CHECKS.clear()
pysmorch.teach.trials.PLAIN_BACKWARD = ()
"""
)

BY_ITSELF = (
    HEAD
    + """
        result = {"event": "result", "name": "G is the gradient for W", "passed": True, "points": 100, "value": True}
        for server in [o for o in gc.get_objects() if type(o).__name__ == "Server"]:
            for message in (result, {"value": True, "printed": "", "count": 0}):
                server.write(dict(message))
        for number in range(3, 30):
            try:
                os.write(number, json.dumps(result).encode())
            except OSError:
                pass
"""
    + ZEROS
)

TRACING = (
    HEAD
    + """
        found = []
        def look(frame, event, argument):
            found.extend(v for k, v in frame.f_locals.items() if "expected" in k or "right" in k)
            found.append(argument)
            return look
        sys.settrace(look)
        self.in_layer.out_dims
        self.in_layer.backward
        sys.settrace(None)
"""
    + GRAB.format(values="found")
)

NEIGHBOUR = (
    NOTHING_DONE
    + """
import glob
for folder in {os.path.dirname(os.path.abspath(__file__)), os.getcwd(), os.path.dirname(os.getcwd()), *sys.path}:
    for path in glob.glob(os.path.join(folder, "*neighbour*.py")) + glob.glob(os.path.join(folder, "*", "*neighbour*.py")):
        exec(open(path).read())
try:
    from neighbour import Linear
except ImportError:
    pass
"""
)

LIBRARY = "import pysmorch\n\n\nclass Linear(pysmorch.Linear):\n    pass\n"

DIFFERENCES = (
    HEAD
    + """
        def slope(array, f):
            result = np.zeros(array.shape)
            for index in np.ndindex(array.shape):
                entry, values = array[index], []
                for step in (1e-5, -1e-5):
                    array[index] = entry + step
                    values.append(np.sum(f() * dwnstrm))
                array[index] = entry
                result[index] = (values[0] - values[1]) / 2e-5
            return result
        x, W = np.array(self.in_array, float), np.array(self.W)
        self.G = slope(W, lambda: x @ W)
        self.in_layer.backward(slope(x, lambda: x @ W))
"""
)

NP_ALL = (
    NOTHING_DONE
    + """
np.all = np.allclose = np.array_equal = np.isclose = lambda *a, **k: np.True_
np.abs = lambda x: 0
"""
)

CODE = (
    NOTHING_DONE
    + """
import types
def always(*arguments, **options):
    return True
for f in [o for o in gc.get_objects() if isinstance(o, types.FunctionType)]:
    if f.__name__ in ("agrees", "compare", "check_G", "check_pass_back", "run_trial", "expected"):
        f.__code__ = always.__code__
import pysmorch.teach.comparison as comparison
comparison.compare.__code__ = comparison.agrees.__code__ = always.__code__
"""
)

SUBCLASS = (
    """
import numpy as np

class Equal(np.ndarray):
    def __eq__(self, other):
        return np.True_
    def __sub__(self, other):
        return np.zeros(1)
    __rsub__ = __sub__
    def __array_ufunc__(self, *arguments, **options):
        return np.zeros(1)
    def astype(self, *arguments, **options):
        return self
"""
    + HEAD
    + """
        self.G = np.zeros(self.W.shape).view(Equal)
        self.in_layer.backward(np.zeros((len(dwnstrm), len(self.W))).view(Equal))
"""
)


def recorded_answers():
    """A file with the answers for the usual numbers written down."""
    exercise = EXERCISES["Linear"]
    table = []
    for sizes in (exercise.sizes, (1, *exercise.sizes[1:])):
        p = exercise.problem(sizes)
        table.append([array.tolist() for array in (p.x, exercise.expected(p, "G"), exercise.expected(p, "pass_back"))])
    return (
        f"TABLE = {table!r}\n"
        + HEAD
        + """
        self.G, back = np.zeros(self.W.shape), np.zeros(self.in_array.shape)
        for x, G, answer in TABLE:
            if np.array_equal(x, self.in_array):
                self.G, back = np.array(G), np.array(answer)
        self.in_layer.backward(back)
"""
    )


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """The points for a right forward pass alone."""
    return graded(NOTHING_DONE, tmp_path_factory.mktemp("honest")).points


def graded(source, folder):
    path = folder / "submission.py"
    path.write_text(textwrap.dedent(source))
    return grade_file(path, ["Linear"], timeout=60.0)


WITHOUT_GAIN = {
    "expected values in frames": FRAMES,
    "comparisons replaced": COMPARISONS,
    "lists of checks cleared": LISTS,
    "results sent by itself": BY_ITSELF,
    "tracing": TRACING,
    "np.all replaced": NP_ALL,
    "__code__ replaced": CODE,
}


@pytest.mark.parametrize("source", WITHOUT_GAIN.values(), ids=WITHOUT_GAIN)
def test_a_cheat_gets_no_more_than_was_earned(source, honest, tmp_path):
    assert honest == 35
    assert graded(source, tmp_path).points <= honest


@without_sanitizers
def test_answers_by_imports_of_the_grader_are_flagged_and_earn_nothing(honest, tmp_path):
    report = graded(IMPORTS, tmp_path)
    assert report.points <= honest
    assert "It imports pysmorch." in report.flags
    assert any("recorded" in flag for flag in report.flags)


def test_a_table_of_recorded_answers_is_flagged_and_earns_nothing(honest, tmp_path):
    report = graded(recorded_answers(), tmp_path)
    assert report.points <= honest
    assert [flag for flag in report.flags if "do not depend on the input, or are recorded" in flag]
    (result,) = [r for r in report.reports[0] if r.name == "G is the gradient for W"]
    assert result.cause.startswith("With other numbers than the usual ones: ")


def test_a_file_of_a_neighbour_is_not_found(honest, tmp_path, monkeypatch):
    (tmp_path / "neighbour.py").write_text(RIGHT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    assert graded(NEIGHBOUR, tmp_path).points <= honest


def test_arrays_of_a_class_of_its_own_are_taken_as_numbers_and_flagged(honest, tmp_path):
    report = graded(SUBCLASS, tmp_path)
    assert report.points <= honest
    assert "It returns arrays of a class of its own, Equal; they are taken as numbers." in report.flags


@pytest.mark.parametrize(
    ("source", "flag"),
    [(LIBRARY, "It imports pysmorch."), (DIFFERENCES, "Linear: what is passed back looks numerical")],
)
def test_the_library_and_differences_give_full_points_with_a_flag(source, flag, tmp_path):
    report = graded(source, tmp_path)
    assert report.points == 100
    assert any(said.startswith(flag) for said in report.flags), report.flags


def test_a_right_class_has_no_flag(tmp_path):
    report = graded(RIGHT, tmp_path)
    assert report.points == 100
    assert report.flags == []


def test_numbers_of_a_secret_are_others_and_the_same_each_time():
    from pysmorch.teach.exercises import drawn_from

    exercise = EXERCISES["Linear"]
    usual = exercise.problem(exercise.sizes).x
    with drawn_from((1, 2)):
        secret, again = exercise.problem(exercise.sizes).x, exercise.problem(exercise.sizes).x
    np.testing.assert_array_equal(secret, again)
    assert not np.array_equal(usual, secret)
    np.testing.assert_array_equal(usual, exercise.problem(exercise.sizes).x)
