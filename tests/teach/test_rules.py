"""A teacher's rules and exercises: what a grading.toml and an exercise.py say, and what is said about mistakes in them."""

import json
import pickle
from functools import partial
from pathlib import Path

import pytest

from pysmorch.teach import Rules, grade_file, read_exercise, read_rules

EXAMPLES = Path(__file__).parents[2] / "docs" / "exercises"

RELU = """
import numpy as np

class Relu:
    def __init__(self, in_layer):
        self.in_layer, self.out_dims = in_layer, in_layer.out_dims
    def forward(self):
        self.x = self.in_layer.forward()
        return np.maximum(self.x, 0)
    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.x > 0))
"""
TANH = (
    RELU.replace("Relu", "Tanh")
    .replace("np.maximum(self.x, 0)", "np.tanh(self.x)")
    .replace("(self.x > 0)", "(1 - np.tanh(self.x) ** 2)")
)

SOLUTIONS = {
    "class_numbers": '''
import numpy as np

class CrossEntropy:
    def __init__(self, in_layer, labels):
        self.in_layer, self.labels = in_layer, labels
    def forward(self):
        x = self.in_layer.forward()
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.P = e / e.sum(axis=1, keepdims=True)
        return -np.mean(np.log(self.P[np.arange(len(x)), self.labels]))
    def backward(self):
        back = self.P.copy()
        back[np.arange(len(back)), self.labels] -= 1
        self.in_layer.backward(back / len(back))
''',
    "outputs_first": '''
import numpy as np

class Linear:
    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        self.out_dims = (in_layer.out_dims[0], num_out_features)
        self.W = np.random.randn(num_out_features, in_layer.out_dims[1])
    def forward(self):
        self.x = self.in_layer.forward()
        return self.x @ self.W.T
    def backward(self, dwnstrm):
        self.G = dwnstrm.T @ self.x
        self.in_layer.backward(dwnstrm @ self.W)
''',
    "other_names": '''
import numpy as np

class Bias:
    def __init__(self, previous):
        self.previous, self.shape = previous, previous.out_dims
        self.offset = np.zeros(previous.out_dims[1])
    def forward(self):
        return self.previous.forward() + self.offset
    def backward(self, dwnstrm):
        self.offset_gradient = dwnstrm.sum(axis=0)
        self.previous.backward(dwnstrm)
''',
}  # fmt: skip
WRONG = {
    "class_numbers": (
        "        back[np.arange(len(back)), self.labels] -= 1\n",
        "",
        "The 1 of the label is not taken away",
    ),
    "outputs_first": ("dwnstrm.T @ self.x", "self.x.T @ dwnstrm", "G is transposed: it has the shape of W"),
    "other_names": ("self.offset_gradient =", "self.gradient =", "backward does not set self.offset_gradient."),
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_an_example_of_the_docs_grades_right_and_wrong_solutions(name, tmp_path):
    rules = Rules(exercise_files=(str(EXAMPLES / f"{name}.py"),))
    (of_class,) = rules.exercises
    file = tmp_path / "solution.py"
    file.write_text(SOLUTIONS[name])
    report = grade_file(file, [of_class], rules=rules)
    assert report.passed, str(report)
    assert report.flags == []
    old, new, sentence = WRONG[name]
    assert old in SOLUTIONS[name]
    file.write_text(SOLUTIONS[name].replace(old, new))
    report = grade_file(file, [of_class], rules=rules)
    assert any(sentence in result.cause for result in report.reports[0]), str(report)
    assert report.points < 85


def test_all_examples_are_tested():
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted(SOLUTIONS)


EXERCISE = """
import numpy as np
class Double:
    def __init__(self, in_layer):
        self.in_layer, self.out_dims = in_layer, in_layer.out_dims
    def forward(self):
        return 2 * self.in_layer.forward()
def draw(rng, rows):
    return rng.normal(size=(rows, 2))
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def draw(rng, rows): pass\n", "there is no right class: write one with a method forward"),
        (EXERCISE.replace("def draw", "def drawn"), "there is no function draw(rng, rows)"),
        (EXERCISE + "class Triple(Double): pass\n", "one file is one exercise, but it has the classes Double, Triple; say right = Double"),
        (EXERCISE.replace("2 *", "1 / 0 *"), "the right class Double stops with ZeroDivisionError: division by zero, in line 7"),
        ("import nothing_like_it\n", "stops with ModuleNotFoundError: No module named 'nothing_like_it', in line 1"),
        ("class Double\n", "SyntaxError: expected ':', in line 1"),
        (EXERCISE + "points = -3\n", "points must be a positive number, but is -3"),
        (EXERCISE + "hints = {'forwards': ''}\n", "hints must be a dict with keys among forward, backward, G, but is"),
        (
            EXERCISE.replace("def draw", "    def backward(self, dwnstrm):\n        self.in_layer.backward(dwnstrm)\ndef draw"),
            "the right class Double fails 'the gradient for the input is passed back': ",
        ),
    ],
)  # fmt: skip
def test_an_exercise_that_cannot_be_used_is_told_why_in_one_sentence(text, message, tmp_path):
    path = tmp_path / "exercise.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"exercise\.py") as raised:
        read_exercise(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_exercise_with_the_name_of_a_class_replaces_its_tests(tmp_path):
    (tmp_path / "exercise.py").write_text(EXERCISE.replace("Double", "Relu"))
    (tmp_path / "relu.py").write_text(RELU)
    report = grade_file(tmp_path / "relu.py", rules=Rules(exercise_files=(str(tmp_path / "exercise.py"),)))
    assert report.points < 50


TOML = """
[grading]
seed = "only the teacher knows this"
different_numbers = true
tolerance = 1e-4
forbidden = ["scipy"]

[points]
Relu = 20

[bonus]
Tanh = 5

[late]
names = ["ada"]
factor = 0.8
"""


def test_rules_say_points_bonus_and_who_is_late(run, tmp_path):
    (tmp_path / "grading.toml").write_text(TOML)
    for name in ("ada", "bob"):
        (tmp_path / f"{name}.py").write_text(RELU + TANH + f"import scipy\nmine = {name!r}\n")
    code, out, _ = run("grade", "ada.py", "bob.py", "--config", "grading.toml", "--json")
    data = json.loads(out)
    assert [(file["points"], file["max_points"]) for file in data["files"]] == [(20, 20), (25, 20)]
    assert data["files"][0]["flags"] == ["It imports scipy."]
    assert data["files"][0]["notes"] == ["late: the points count 80%"]
    assert code == 0


def test_rules_can_be_sent_to_another_process(tmp_path):
    (tmp_path / "exercise.py").write_text(EXERCISE)
    (tmp_path / "grading.toml").write_text(TOML)
    rules = read_rules(tmp_path / "grading.toml", [str(tmp_path / "exercise.py")])
    assert list(rules.exercises) == ["Double"]
    again = pickle.loads(pickle.dumps(rules))
    assert again == rules
    assert again.settings() == rules.settings()


def test_each_submission_has_numbers_of_its_own_where_that_is_wanted():
    secret = partial(Rules(seed="a", different_numbers=True).secret)
    assert secret(["x = 1"]) == secret(["x = 1"]) != secret(["x = 2"])
    assert Rules(seed="a").secret(["x = 1"]) == Rules(seed="a").secret(["x = 2"]) != Rules(seed="b").secret([""])
    assert Rules().secret(["x = 1"]) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[grading]\nsede = 1\n", "'sede' is not a key of [grading] that is known; did you mean seed?"),
        ("[gradings]\n", "'gradings' is not a table that is known; did you mean grading?"),
        ("[points]\nReluu = 3\n", "there are no tests for a class named 'Reluu'; did you mean Relu?"),
        ("[points]\nRelu = 0\n", "Relu in [points] must be a positive number of points, but is 0"),
        ("[points]\nRelu = 1\n[bonus]\nRelu = 1\n", "Relu is in [points] and in [bonus]; leave it in one of them"),
        ("[grading]\ntolerance = -1\n", "tolerance in [grading] must be a positive number, such as 1e-5, but is -1"),
        ("[late]\nfactor = 2\n", "factor in [late] must be a number from 0 to 1, but is 2"),
        ("[late]\nnames = 'ada'\n", "names in [late] must be a list of names of submissions, but is 'ada'"),
        ("points = 3\n", "points must be a table, begun by [points]"),
        ("[grading\n", "no TOML"),
    ],
)
def test_a_mistake_in_the_rules_is_one_line(run, tmp_path, text, message):
    (tmp_path / "grading.toml").write_text(text)
    (tmp_path / "a.py").write_text(RELU)
    code, out, err = run("grade", "a.py", "--config", "grading.toml")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert out == ""


def test_the_command_takes_exercises_and_files_for_submissions(run, tmp_path):
    (tmp_path / "exercise.py").write_text(EXERCISE)
    (tmp_path / "utility.py").write_text("two = 2\n")
    (tmp_path / "a.py").write_text(
        "from utility import two\n" + RELU.replace("Relu", "Double").replace("np.maximum(self.x, 0)", "two * self.x").replace("(self.x > 0)", "two")
    )  # fmt: skip
    code, out, _ = run("grade", "a.py", "--exercise", "exercise.py", "--with", "utility.py")
    assert code == 0, out
    assert "Double: 100 of 100 points, all right" in out
    assert run("grade", "a.py", "--exercise", "exercise.py", "--with", "nothing.py")[0] == 2
    assert "exercises.py: no such file" in " ".join(
        run("grade", "a.py", "--exercise", "exercises.py")[2].lower().split()
    )
