"""Grading in this process: right classes get all points, wrong ones the sentence that fits."""

import importlib
import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.teach import KNOWN, grade
from pysmorch.teach.exercise_table import EXERCISES
from pysmorch.teach.trials import trials_of
from tests.teach import assignment, correct

WRONG = {
    "linear": "Linear",
    "relu": "Relu",
    "bias": "Bias",
    "scale": "Scale",
    "square_loss": "SquareLoss",
    "cross_entropy": "CrossEntropy",
    "conv2d": "Conv2d",
    "others": None,
    "kinds_of_layers": None,
    "kinds_of_losses": None,
    "kinds_of_functions": None,
    "kinds_of_images": None,
    "kinds_of_normalize": None,
    "kinds_of_random": None,
}


def classes_in(module):
    return [cls for cls in vars(module).values() if inspect.isclass(cls) and cls.__module__ == module.__name__]


def wrong_classes():
    for module_name, name in WRONG.items():
        for cls in classes_in(importlib.import_module(f"tests.teach.wrong.{module_name}")):
            if "says" in vars(cls):
                graded_as = name or next(known for known in ("Data", *EXERCISES) if cls.__name__.startswith(known))
                yield pytest.param(cls, graded_as, id=f"{graded_as}-{cls.__name__}")


# The Adam of the course is made from layers, the library's is not.
@pytest.mark.parametrize("name", [name for name in KNOWN if hasattr(ps, name) and name != "Adam"])
def test_classes_of_the_library_get_all_points(name):
    report = grade(getattr(ps, name))
    assert report.passed, str(report)
    assert report.points == report.max_points


@pytest.mark.parametrize("cls", classes_in(assignment), ids=lambda cls: cls.__name__)
def test_a_right_solution_of_the_assignment_gets_all_points(cls):
    report = grade(cls)
    assert report.passed, str(report)


@pytest.mark.parametrize("cls", classes_in(correct), ids=lambda cls: cls.__name__)
def test_right_solutions_in_other_styles_get_all_points(cls):
    report = grade(cls, cls.graded_as)
    assert report.passed, str(report)


@pytest.mark.parametrize(("cls", "name"), list(wrong_classes()))
def test_a_wrong_solution_is_told_what_is_wrong_with_it(cls, name):
    report = grade(cls, name)
    assert not report.passed
    assert report.points < report.max_points
    failed = [result for result in report if not result.passed]
    assert any(cls.says in result.cause for result in failed), str(report)
    assert all(result.points == 0 and result.cause for result in failed)
    assert all(not result.cause for result in report if result.passed)


def test_there_are_many_wrong_solutions_for_every_class():
    names = [parameter.values[1] for parameter in wrong_classes()]
    assert len(names) >= 350
    assert {*EXERCISES, "Data"} == set(names)


def test_a_wrong_number_is_shown_in_the_smallest_example_beside_the_right_one():
    from tests.teach.wrong.square_loss import FactorTwo

    (failed,) = [result for result in grade(FactorTwo, "SquareLoss", parts="backward") if not result.passed]
    head, numbers = failed.example.splitlines()
    assert head.split() == ["x", "labels", "expected", "found"]
    x, label, expected, found = map(float, numbers.split())
    assert expected == pytest.approx(x - label)
    assert found == pytest.approx(2 * (x - label))


def test_one_mistake_costs_the_points_of_one_test_only():
    from tests.teach.wrong.linear import AveragedG

    report = grade(AveragedG, "Linear")
    assert [result.name for result in report if not result.passed] == ["G is the gradient for W"]


def test_an_error_of_one_part_in_a_thousand_is_found():
    class Nearly(assignment.Sigmoid):
        def backward(self, dwnstrm):
            self.in_layer.backward(1.001 * dwnstrm * self.out_array * (1 - self.out_array))

    (failed,) = [result for result in grade(Nearly, "Sigmoid", parts="backward") if not result.passed]
    assert "1.001 times what it should be" in failed.cause


def zeros_backward(cls):
    """A class whose backward hands back zeros and sets a G of zeros."""

    class Zeros(cls):
        def backward(self, dwnstrm=None):
            if hasattr(self, "W"):
                self.G = np.zeros(self.W.shape)
            self.in_layer.backward(np.zeros(self.in_layer.out_dims))

    return Zeros


@pytest.mark.parametrize(
    "name", [name for name in KNOWN if hasattr(ps, name) and hasattr(assignment, name) and name != "Data"]
)
def test_a_backward_pass_of_zeros_costs_at_least_sixty_percent(name):
    report = grade(zeros_backward(getattr(assignment, name)), name)
    assert 0.3 <= report.points / report.max_points <= 0.4, str(report)
    assert any(result.cause.startswith("waits for: ") for result in report)


def test_every_class_is_worth_a_hundred_points_in_fixed_shares():
    for name in KNOWN:
        trials = trials_of(name, getattr(ps, name, print))
        shares = {
            part: sum(trial.points for trial in trials if trial.part in parts)
            for part, parts in (("forward", ("constructor", "forward")), ("backward", ["backward"]), ("care", ["care"]))
        }
        assert sum(shares.values()) == pytest.approx(100)
        if all(shares.values()):
            assert shares == {"forward": pytest.approx(35), "backward": pytest.approx(50), "care": pytest.approx(15)}


def test_a_cause_that_several_tests_share_is_said_once():
    text = str(grade(zeros_backward(assignment.Relu), "Relu"))
    assert text.count("waits for:") == 1
    assert "The same for: repeated passes give the same; a pass uses" in " ".join(text.split())


@pytest.mark.parametrize("parts", ["forward", ["forward"], ["constructor", "backward"]])
def test_parts_can_be_graded_alone(parts):
    report = grade(ps.Linear, parts=parts)
    assert {result.part for result in report} == ({parts} if isinstance(parts, str) else set(parts))
    assert report.passed


def test_names_and_parts_that_are_not_known_are_refused_with_those_that_are():
    class Liner:
        pass

    with pytest.raises(
        ValueError, match=r"no tests for a class named 'Liner'; did you mean Linear\?.* Known are Data, "
    ):
        grade(Liner)
    with pytest.raises(ValueError, match="parts must be among constructor, forward, backward, care, but has 'all'"):
        grade(ps.Linear, parts="all")
    with pytest.raises(TypeError, match="grade: cls must be a class, but is a int"):
        grade(3, "Linear")


def test_grading_leaves_random_numbers_prints_warnings_and_numpy_as_they_were(capsys):
    class Loud(assignment.CrossEntropy):
        def forward(self):
            print("in forward")
            warnings.warn("careful", stacklevel=1)
            np.log(np.zeros(2))
            return super().forward()

    state = np.random.get_state()[1].copy()
    exp = np.exp
    report = grade(Loud, "CrossEntropy")
    assert report.passed, str(report)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert np.exp is exp
    assert capsys.readouterr().out == ""
    assert report.printed == "in forward"
    assert "printed by the class:\n    in forward" in str(report)


def test_much_that_is_printed_is_cut():
    class Loud(assignment.Relu):
        def forward(self):
            for i in range(1000):
                print("x" * 300 if i == 0 else i)
            return super().forward()

    lines = grade(Loud, "Relu").printed.splitlines()
    assert len(lines) == 6
    assert len(lines[0]) < 210
    assert re.fullmatch(r"\.\.\. and \d+ more lines", lines[-1])


def test_whatever_a_class_raises_is_a_failed_test():
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    for error in (SystemExit(3), GeneratorExit(), RecursionError("deep"), Odd(), KeyError("\x1b[31m"), BaseException()):

        class Raises(assignment.Relu):
            def forward(self, error=error):
                raise error

        report = grade(Raises, "Relu")
        assert "\x1b" not in str(report)
        assert type(error).__name__ in str(report)


def test_objects_that_claim_to_be_equal_to_everything_earn_nothing():
    class Equal(np.ndarray):
        def __eq__(self, other):
            return True

        def __sub__(self, other):
            return self * 0

        __rsub__ = __sub__

    class Liar(assignment.Relu):
        def forward(self):
            return np.ones((5, 4)).view(Equal)

    assert not grade(Liar, "Relu").passed


def test_an_interrupt_of_the_user_goes_through():
    class Interrupted(assignment.Relu):
        def forward(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade(Interrupted, "Relu")


def test_a_report_is_a_table_in_a_notebook_with_everything_escaped():
    class Raises(assignment.Relu):
        def forward(self):
            raise ValueError("<script>")

    page = grade(Raises, "Relu")._repr_html_()
    assert page.startswith("<table>")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>WRONG</b>" in page


def test_points_can_be_scaled():
    report = grade(ps.Relu).scaled(5)
    assert report.points == pytest.approx(5)
    assert str(report).startswith("Relu: 5 of 5 points")


def test_the_example_in_the_documentation_shows_what_it_says(capsys):
    page = (Path(__file__).parents[2] / "docs" / "grading.md").read_text()
    code = re.search(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    shown = re.search(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    exec(compile(code, "grading.md", "exec"), {"__name__": "documentation"})
    assert capsys.readouterr().out == shown


class IgnoresPrediction(correct.NormalizeWithRunningStatistics):
    def forward(self):
        self.training, kept = True, self.training
        out = super().forward()
        self.training = kept
        return out

    def backward(self, dwnstrm):
        assignment.Normalize.backward(self, dwnstrm)


class MomentumReversed(correct.NormalizeWithRunningStatistics):
    def moved(self, running, batch):
        return self.momentum * running + (1 - self.momentum) * batch


class NothingMoves(correct.NormalizeWithRunningStatistics):
    def moved(self, running, batch):
        return running


class PassesBackAsInTraining(correct.NormalizeWithRunningStatistics):
    def backward(self, dwnstrm):
        assignment.Normalize.backward(self, dwnstrm)


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (IgnoresPrediction, "the running mean and variance have to be used"),
        (MomentumReversed, "momentum is the weight of the batch in the running statistics"),
        (NothingMoves, "A pass in training leaves running_mean as it was."),
        (PassesBackAsInTraining, "What is passed back in prediction"),
    ],
)
def test_a_normalize_that_is_wrong_in_prediction_gets_at_most_three_quarters(cls, sentence):
    report = grade(cls, "Normalize")
    assert report.points <= 75, str(report)
    assert any(sentence in result.cause for result in report), str(report)


def test_weights_that_all_start_at_zero_are_said_so():
    class Zeros(assignment.Linear):
        def __init__(self, in_layer, num_out_features):
            super().__init__(in_layer, num_out_features)
            self.W = np.zeros(self.W.shape)

    (failed,) = [result for result in grade(Zeros, "Linear") if not result.passed]
    assert failed.cause.startswith("All of W is 0 at the start")


# Gradient checkers.


def one_sided(f, grad, x, error_tol=1e-6):
    """Along a random direction, with ever shorter steps."""
    direction, smallest = np.random.standard_normal(x.shape), np.inf
    slope = np.sum(grad(x) * direction)
    for step in 10.0 ** -np.arange(1, 9):
        rise = (f(x + step * direction) - f(x)) / step
        smallest = min(smallest, abs(rise - slope) / abs(rise))
    return smallest < error_tol


def entry_by_entry(f, grad, x, error_tol=1e-6):
    g = grad(x)
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = 1e-5
        central = (f(x + e) - f(x - e)) / 2e-5
        if abs(central - g[i]) > error_tol * np.abs(g).max():
            return False
    return True


@pytest.mark.parametrize("checker", [ps.check_gradient, one_sided, entry_by_entry])
def test_right_gradient_checkers_get_all_points(checker):
    report = grade(checker, "check_gradient")
    assert report.passed, str(report)


def always(f, grad, x, error_tol=1e-6):
    return True


def never(f, grad, x, error_tol=1e-6):
    return False


def absolute(f, grad, x, error_tol=1e-6):
    return np.allclose(np.abs(grad(x)), np.abs(ps_gradient(f, x)), atol=1e-4, rtol=error_tol)


def ps_gradient(f, x):
    g = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = 1e-5
        g[i] = (f(x + e) - f(x - e)) / 2e-5
    return g


def divided_by_one_step(f, grad, x, error_tol=1e-6):
    return entry_by_entry(f, lambda x: grad(x) / 2, x, error_tol)


def of_too_short_a_step(f, grad, x, error_tol=1e-6):
    g = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[i] = 1e-13
        g[i] = (f(x + e) - f(x - e)) / 2e-13
    return bool(np.all(abs(grad(x) - g) < error_tol * abs(g).max()))


def the_error_itself(f, grad, x, error_tol=1e-6):
    return float(abs(grad(x) - ps_gradient(f, x)).max())


def first_entry(f, grad, x, error_tol=1e-6):
    return bool(abs(grad(x) - ps_gradient(f, x))[0, 0] < error_tol)


def moves_the_point(f, grad, x, error_tol=1e-6):
    right = one_sided(f, grad, x.copy(), error_tol)
    x += 1e-3
    return right


def by_absolute_error(f, grad, x, error_tol=1e-6):
    return bool(np.all(abs(grad(x) - ps_gradient(f, x)) < error_tol))


def without_tolerance(f, grad, x):
    return one_sided(f, grad, x)


def prints(f, grad, x, error_tol=1e-6):
    print("passed")


@pytest.mark.parametrize(
    ("checker", "sentence"),
    [
        (always, "A gradient with a factor of 2 is called right"),
        (never, "The right gradient of a sum of cubes is called wrong"),
        (always, "and so is one that has nothing to do with f"),
        (
            divided_by_one_step,
            "Twice the gradient is called right: the difference f(x + h) - f(x - h) belongs over 2 h.",
        ),
        (of_too_short_a_step, "The step is 1e-13: the difference is lost in rounding."),
        (the_error_itself, "check_gradient returns a number, but has to return True or False."),
        (absolute, "A gradient with the wrong sign is called right"),
        (first_entry, "A gradient with one entry that is a tenth too large is called right"),
        (moves_the_point, "check_gradient changes x"),
        (by_absolute_error, "For a function with small values (1e-08 x^3) a factor of 2 is called right"),
        (by_absolute_error, "The right gradient of a function with large values (1e+08 x^3) is called wrong"),
        (without_tolerance, "check_gradient takes no tolerance"),
        (prints, "check_gradient returns None, but has to return True or False"),
    ],
)
def test_wrong_gradient_checkers_are_told_what_is_wrong(checker, sentence):
    assert any(sentence in result.cause for result in grade(checker, "check_gradient"))
