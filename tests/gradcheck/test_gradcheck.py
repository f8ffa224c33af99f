import copy

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import check, check_gradient
from pysmorch.gradcheck import check_file, check_library
from pysmorch.layers import Layer

RNG = np.random.default_rng(0)
X = RNG.standard_normal((7, 4))


def cube(x):
    return np.sum(x**3)


def test_a_right_gradient_is_true_and_a_wrong_one_false():
    assert check_gradient(cube, lambda x: 3 * x**2, X) is True
    wrong = check_gradient(cube, lambda x: 2 * x**2, X)
    assert not wrong
    assert wrong == False  # noqa: E712
    assert wrong != True  # noqa: E712
    assert {wrong: 1} == {False: 1}
    assert sum([wrong, True]) == 1


@pytest.mark.parametrize("entry", [(0, 0), (3, 2), (6, 3)])
def test_one_entry_that_is_wrong_by_one_part_in_ten_thousand_is_found(entry):
    def grad(x):
        g = 3 * x**2
        g[entry] *= 1 + 1e-4
        return g

    assert not check_gradient(cube, grad, X)
    assert check_gradient(cube, grad, X, error_tol=1e-3) is True


def test_the_point_is_left_as_it_was():
    x = X.copy()
    check_gradient(cube, lambda x: 3 * x**2, x)
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize("gradient", [np.zeros((4, 7)), np.full((7, 4), np.nan), 0.0])
def test_a_gradient_of_another_shape_or_not_a_number_is_false(gradient):
    assert not check_gradient(cube, lambda x: gradient, X)


def test_kinks_close_to_the_point_do_not_fail_a_right_gradient():
    x = np.array([1e-4, -1e-4, 2e-5, 1.0])
    assert check_gradient(lambda x: np.abs(x).sum(), np.sign, x)


def test_functions_of_one_number_and_of_none_can_be_checked():
    assert check_gradient(lambda x: x**2, lambda x: 2 * x, 3.0)
    assert check_gradient(lambda x: 1.0, lambda x: x, np.empty((0, 3)))


def test_functions_may_return_arrays_of_one_entry():
    assert check_gradient(lambda x: np.sum(x**2, keepdims=True), lambda x: 2 * x, X)


def test_the_whole_library_is_right_to_1e_7():
    report = check_library(tol=1e-7)
    assert report.passed, str(report)


def test_a_network_is_checked_with_everything_in_it():
    x = ps.Data(shape=(None, 4))
    h = ps.dense(x, 5, ps.Gelu)
    out = ps.Linear(ps.Concat(ps.Add(h, ps.Tanh(ps.batch_norm(ps.Linear(h, 5)))), x), 3)
    network = ps.Network(ps.CrossEntropy(ps.Dropout(out, 0.2)))
    report = check(network)
    assert report.passed, str(report)
    assert {(row.layer, row.what) for row in report} >= {("Linear1", "W"), ("Scale1", "W"), ("Data1", "input")}


def test_a_check_leaves_everything_as_it_was():
    data = ps.Data(X.astype(np.float32))
    norm = ps.Normalize(ps.Linear(data, 3))
    network = ps.Network(ps.CrossEntropy(ps.Dropout(norm, 0.5)))
    network.fit(X, np.arange(7) % 3, epochs=1, seed=0)
    before = {i: copy.deepcopy(vars(layer)) for i, layer in enumerate([*network.layers, network.loss])}
    W = network.parameters["Linear1"]
    check(network)
    for i, layer in enumerate([*network.layers, network.loss]):
        assert set(vars(layer)) == set(before[i])
        for name, value in before[i].items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(vars(layer)[name], value)
                assert vars(layer)[name].dtype == value.dtype
    assert network.parameters["Linear1"] is W
    assert network.inputs[0].data is data.data


def test_a_check_leaves_numpys_global_state_alone():
    network = ps.Network(ps.SquareLoss(ps.Linear(ps.Data(X), 1)))
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    check(network)
    assert np.random.rand() == expected


def test_a_large_array_is_sampled():
    report = check(ps.Linear(ps.Data(RNG.standard_normal((3, 60))), 50))
    assert report.passed
    assert {row.entries for row in report} == {400, 180}


def test_only_layers_can_be_checked():
    with pytest.raises(TypeError, match="check: target must be a layer, a loss or a network, but is a ndarray"):
        check(X)


class SeedStyle:
    """Linear as a student writes it; mistakes are put in by the tests."""

    def __init__(self, in_layer, num_out_features=3):
        self.in_layer = in_layer
        self.out_dims = (in_layer.out_dims[0], num_out_features)
        self.W = np.random.default_rng(1).standard_normal((in_layer.out_dims[1], num_out_features))

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.W

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


def test_a_layer_in_the_seeds_style_is_checked():
    report = check(SeedStyle(ps.Data(X)))
    assert report.passed
    assert [row.what for row in report] == ["W", "input"]


def test_the_guilty_layer_is_named_and_the_ones_behind_it_are_not_blamed():
    class Wrong(ps.Tanh):
        def pull_back(self, dwnstrm):
            return dwnstrm * (1 - self.out_array)

    network = ps.Network(ps.SquareLoss(ps.Linear(Wrong(ps.Linear(ps.Data(X), 5)), 2)))
    report = check(network)
    guilty = [row for row in report if not row.passed and "because of" not in row.message]
    assert [(row.layer, row.what) for row in guilty] == [("Wrong1", "input")]
    assert "Linear1: wrong because of Wrong1" in report.messages
    assert {row.layer: row.passed for row in report}["Linear2"]


def test_the_report_is_a_table_with_place_expected_and_found():
    class Double(ps.Relu):
        def pull_back(self, dwnstrm):
            return 2 * super().pull_back(dwnstrm)

    report = check(Double(ps.Data(X)))
    assert not report
    text = str(report)
    assert text.splitlines()[0].split()[:2] == ["layer", "with"]
    assert "WRONG" in text
    assert "worst at [" in text
    assert "expected" in text
    assert "found" in text


def test_an_exception_in_a_layer_is_a_failed_row():
    class Broken(ps.Relu):
        def pull_back(self, dwnstrm):
            return dwnstrm @ np.ones((2, 2))

    report = check(Broken(ps.Data(X)))
    assert not report.passed
    assert "ValueError was raised" in report.messages[0]


def test_a_gradient_that_is_not_a_number_is_a_failed_row_with_its_place():
    class NotANumber(ps.Bias):
        def pull_back(self, dwnstrm):
            super().pull_back(dwnstrm)
            self.G = np.full(self.W.shape, np.nan)
            return dwnstrm

    assert "has nan at [0, 0]" in check(NotANumber(ps.Data(X))).messages[0]


def test_a_gradient_of_the_wrong_shape_is_a_failed_row():
    class Flat(SeedStyle):
        def backward(self, dwnstrm):
            super().backward(dwnstrm)
            self.G = self.G.ravel()

    assert "has shape (12,), but W has (4, 3)" in check(Flat(ps.Data(X))).messages[0]


def test_an_input_changed_in_place_is_told():
    class InPlace:
        def __init__(self, in_layer):
            self.in_layer = in_layer
            self.out_dims = in_layer.out_dims

        def forward(self):
            self.in_array = self.in_layer.forward()
            np.maximum(self.in_array, 0.1, out=self.in_array)
            return self.in_array

        def backward(self, dwnstrm):
            self.in_layer.backward(dwnstrm)

    assert any("changed its input array in place" in message for message in check(InPlace(ps.Data(X))).messages)


def test_points_on_a_kink_are_left_out_and_told():
    x = X.copy()
    x[0, 0] = 0.0
    report = check(ps.Relu(ps.Data(x)))
    assert report.passed
    assert report.rows[0].entries == 27
    assert "1 entries of its input lie on a kink" in report.messages[0]


FILE = """
import numpy as np
from pysmorch.layers import Layer

class Square(Layer):
    def compute(self, x):
        return x ** 2
    def pull_back(self, dwnstrm):
        return self.in_array * dwnstrm

class Linear:
    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        self.out_dims = (None, num_out_features)
        self.W = np.ones((in_layer.out_dims[1], num_out_features))
    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.W
    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)

class CrossEntropy:
    def __init__(self, in_layer, ones_hot):
        self.in_layer, self.ones_hot = in_layer, ones_hot
    def forward(self):
        x = self.in_layer.forward()
        e = np.exp(x - x.max(1, keepdims=True))
        self.p = e / e.sum(1, keepdims=True)
        return -np.log((self.p * self.ones_hot).sum(1)).mean()
    def backward(self):
        self.in_layer.backward((self.p - self.ones_hot) / len(self.p))

class Needy(Layer):
    def __init__(self, in_layer, names):
        super().__init__(in_layer)
        self.count = len(names)

class Helpful(Needy):
    @staticmethod
    def example():
        from pysmorch import Data
        return Helpful(Data(np.ones((3, 2)) * 0.5), ["a"])
    def compute(self, x):
        return x * self.count
    def pull_back(self, dwnstrm):
        return dwnstrm * self.count

class NotALayer:
    pass
"""


def test_the_layers_in_a_file_are_found_made_and_checked(tmp_path):
    path = tmp_path / "mylayers.py"
    path.write_text(FILE)
    report = check_file(path)
    verdicts = {(row.layer, row.what): row.passed for row in report}
    assert verdicts == {
        ("Square", "input"): False,
        ("Linear", "W"): True,
        ("Linear", "input"): True,
        ("CrossEntropy", "input"): True,
        ("Needy", "-"): False,
        ("Helpful", "input"): True,
    }
    assert any("half of what it should be" in message for message in report.messages)
    assert any("give it a static method example()" in message for message in report.messages)


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("nothing.py", None, FileNotFoundError, "no such file"),
        ("empty.py", "x = 1", ValueError, "defines no layer classes"),
        ("broken.py", "def f(:", ValueError, "line 1: "),
        ("raises.py", "1 / 0", ValueError, "ZeroDivisionError"),
        ("text.txt", "x = 1", ValueError, "not a Python file"),
    ],
)
def test_files_that_cannot_be_checked_are_refused_in_one_line(tmp_path, name, text, error, message):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=message) as info:
        check_file(path)
    assert "\n" not in str(info.value)
    assert name in str(info.value)


def test_a_subclass_of_layer_without_mathematics_is_a_failed_row():
    class Empty(Layer):
        pass

    assert "does not define compute" in check(Empty(ps.Data(X))).messages[0]


def test_a_report_keeps_the_error_of_every_entry_that_was_compared():
    (row,) = check(ps.Relu(ps.Data([[1.0, -1.0, 0.0]]))).rows
    assert row.errors.shape == (1, 3)
    assert row.errors[0, :2].max() == row.error
    assert np.isnan(row.errors[0, 2]), "0 is a kink and is left out"
    large, _ = check(ps.Linear(ps.Data(np.ones((2, 50))), 10)).rows
    assert np.isfinite(large.errors).sum() == large.entries == 400


class WithoutTranspose(Layer):
    """Whose gradient of the input is right only where W is symmetric."""

    def __init__(self, in_layer, W):
        super().__init__(in_layer)
        self.W = W

    def compute(self, x):
        return x @ self.W

    def pull_back(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        return dwnstrm @ self.W


class WithoutFactor(WithoutTranspose):
    """Whose gradient of the input is right only where all of W is 1."""

    def compute(self, x):
        return x * self.W

    def pull_back(self, dwnstrm):
        self.G = np.sum(self.in_array * dwnstrm, axis=0)
        return dwnstrm


@pytest.mark.parametrize("W", [np.ones((4, 4)), np.eye(4), np.zeros((4, 4)), 2.0 + np.add.outer(range(4), range(4))])
def test_parameters_at_which_a_mistake_does_not_show_are_varied(W):
    before = W.copy()
    layer = WithoutTranspose(ps.Data(X), W)
    report = check(layer)
    assert not report.passed
    np.testing.assert_array_equal(layer.W, before)


def test_factors_of_one_are_varied():
    assert not check(WithoutFactor(ps.Data(X), np.ones(4))).passed


WHOLE = np.random.default_rng(4).integers(-3, 4, (6, 3))


def test_integers_are_the_numbers_that_they_stand_for():
    loss = ps.SquareLoss(ps.Data(WHOLE), WHOLE + 0.5)
    assert loss.forward() == pytest.approx(0.5 * 3 * 0.25)  # 18 entries that are 0.5 off, over 6 rows, halved
    norm = ps.Normalize(ps.Data(WHOLE))
    norm.training = False
    norm.running_mean[:], norm.running_var[:] = 0.3, 1.7
    np.testing.assert_allclose(norm.forward(), (WHOLE - 0.3) / np.sqrt(1.7 + 1e-5))
    for layer in (loss, norm, ps.Linear(ps.Data(WHOLE), 2), ps.Dropout(ps.Data(WHOLE), 0.5)):
        report = check(layer)
        assert report.passed, str(report)
        assert "input" in [row.what for row in report]


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_every_layer_takes_integers_as_the_numbers_that_they_stand_for(dtype):
    whole = np.abs(WHOLE).astype(dtype)
    for cls in (ps.Relu, ps.Tanh, ps.Scale, ps.Bias, ps.Normalize, ps.LayerNormalize):
        found, expected = cls(ps.Data(whole)), cls(ps.Data(whole.astype(float)))
        if found.has_parameters:
            expected.W = found.W
        np.testing.assert_allclose(found.forward(), expected.forward(), rtol=1e-5, atol=1e-6)
        for layer in (found, expected):
            layer.backward(np.full(whole.shape, 0.25))
        np.testing.assert_allclose(found.pass_back, expected.pass_back, rtol=1e-4, atol=1e-6)


class OneHot:
    def __init__(self, in_layer):
        self.in_layer, self.out_dims = in_layer, (6, 4)

    def forward(self):
        return np.eye(4)[self.in_layer.forward()[:, 0]]

    def backward(self, dwnstrm):
        pass


class Constant:
    out_dims = (6, 2)

    def forward(self):
        return np.ones((6, 2))

    def backward(self, dwnstrm):
        pass


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (OneHot(ps.Data(np.abs(WHOLE))), "its inputs are integers that it uses as indices"),
        (Constant(), "it holds no input layer in its attributes"),
        (ps.Relu(ps.Data(np.zeros((3, 2)))), "all 6 entries of its input lie on a kink; move them off it"),
        (ps.Relu(ps.Data(np.zeros((0, 2)))), r"its input has no entries, shape \(0, 2\)"),
    ],
)
def test_where_nothing_was_compared_the_report_says_why_and_is_no_pass(layer, reason):
    report = check(layer)
    assert not report
    assert "not compared" in str(report)
    with pytest.raises(AssertionError, match=f"nothing was compared: {reason}"):
        assert report, str(report)


def test_indices_are_left_out_where_there_are_parameters():
    report = check(ps.SquareLoss(ps.Linear(OneHot(ps.Data(np.abs(WHOLE))), 1), np.ones((6, 1))))
    assert report.passed
    assert [(row.layer, row.what) for row in report] == [("Linear1", "W")]


class OwnData:
    def __init__(self, array):
        self.array, self.out_dims = array, array.shape

    def forward(self):
        return self.array * 1.0

    def backward(self, dwnstrm):
        pass


@pytest.mark.parametrize("array", [X, np.arange(28).reshape(7, 4)])
def test_the_input_behind_a_data_class_of_the_users_is_compared(array):
    loss = ps.SquareLoss(ps.Linear(OwnData(array), 1), np.ones((7, 1)))
    report = check(loss)
    assert report.passed
    assert ("OwnData1", "input") in {(row.layer, row.what) for row in report}

    class Wrong(ps.Tanh):
        def pull_back(self, dwnstrm):
            return dwnstrm

    assert not check(Wrong(OwnData(array))).passed


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_gradients_that_are_zero_by_nature_and_large_and_small_inputs_pass(size):
    rng = np.random.default_rng(0)
    x, y = size * rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    np.random.seed(0)
    before = ps.Bias(ps.Linear(ps.Data(x), 4))  # what is added before a normalisation does not change its output
    for loss in (
        ps.SquareLoss(ps.Linear(ps.Normalize(before), 2), y),
        ps.CrossEntropy(ps.Bias(ps.Linear(ps.Data(x), 3)), rng.integers(0, 3, 6)),
        ps.SquareLoss(ps.Linear(ps.Data(x), 2), size * y),
    ):
        report = check(loss)
        assert report.passed, str(report)


class Float32Tanh(ps.Tanh):
    def compute(self, x):
        return np.tanh(x.astype(np.float32))


class Float32Backward(ps.Tanh):
    def pull_back(self, dwnstrm):
        return super().pull_back(dwnstrm).astype(np.float32)


@pytest.mark.parametrize("cls", [Float32Tanh, Float32Backward])
def test_a_layer_that_computes_in_float32_is_told_and_compared_with_a_tolerance_for_it(cls):
    report = check(ps.SquareLoss(ps.Linear(cls(ps.Linear(ps.Data(X), 3)), 1), X[:, :1]))
    assert report.passed, str(report)
    assert any(f"{cls.__name__}1: computes in float32 inside" in message for message in report.messages)

    class Wrong(cls):
        def pull_back(self, dwnstrm):
            return 1.1 * super().pull_back(dwnstrm)

    assert not check(Wrong(ps.Data(X))).passed
    assert not check(ps.Tanh(ps.Data(X))).messages


def test_check_gradient_prints_the_worst_entry():
    def grad(x):
        g = 3 * x**2
        g[3, 2] *= 2
        return g

    text = str(check_gradient(cube, grad, X))
    assert text.startswith("False: worst at [3, 2]: expected ")
    assert text.endswith("1 of 28 entries are wrong")
    assert f"{check_gradient(cube, grad, X)}" == repr(check_gradient(cube, grad, X)) == text
    assert str(copy.deepcopy(check_gradient(cube, grad, X))) == text
    assert "has shape (7, 4)" in str(check_gradient(cube, lambda x: 3 * x.T**2, X))
    assert "nan at [0, 0]" in str(check_gradient(cube, lambda x: x * np.nan, X))
    assert "returns nothing" in str(check_gradient(cube, lambda x: None, X))
    kink = check_gradient(lambda x: np.abs(x).sum(), lambda x: np.where(x > 0, 1, -1), np.array([0.0, 1.0]))
    assert "f has a kink there, with the slopes -1 and 1" in str(kink)


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1e-3, 1e3, 1e6, 1e12])
def test_check_gradient_is_right_for_large_and_small_functions_and_points(size):
    assert check_gradient(cube, lambda x: 3 * x**2, size * X)
    assert not check_gradient(cube, lambda x: 3.001 * x**2, size * X)
    assert check_gradient(lambda x: size * cube(x), lambda x: size * 3 * x**2, X)
    assert not check_gradient(lambda x: size * cube(x), lambda x: size * 3.001 * x**2, X)


@pytest.mark.parametrize(("rows", "offset"), [(2, 1e3), (2, 1e5), (3, 1e6), (7, 1e7)])
def test_a_right_normalisation_of_large_numbers_close_to_each_other_is_not_blamed_for_rounding(rows, offset):
    for seed in range(20):
        x = offset + np.random.default_rng(seed).standard_normal((rows, 3))
        report = check(ps.Normalize(ps.Data(x)), seed=seed)
        assert not any("wrong gradient" in message for message in report.messages), str(report)


@pytest.mark.parametrize("factor", [0.0, -1.0, 0.5, 1.001])
def test_a_wrong_normalisation_of_large_numbers_close_to_each_other_is_found(factor):
    class Wrong(ps.Normalize):
        def pull_back(self, dwnstrm):
            return factor * super().pull_back(dwnstrm)

    for seed in range(5):
        x = 1e5 + np.random.default_rng(seed).standard_normal((7, 3))
        (row,) = check(Wrong(ps.Data(x)), seed=seed).rows
        assert not row.passed
        assert "wrong gradient" in row.message


def test_check_gradient_knows_the_rounding_of_a_function():
    x = 1e5 + np.random.default_rng(0).standard_normal(6)
    weights = np.random.default_rng(1).standard_normal(6)

    def value(x):
        return weights @ (x - x.mean()) ** 2

    def gradient(x):
        slope = 2 * weights * (x - x.mean())
        return slope - slope.mean()

    assert check_gradient(value, gradient, x)
    assert not check_gradient(value, lambda x: 1.0001 * gradient(x), x)
