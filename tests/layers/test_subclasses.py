"""Subclasses of the library's layers and losses, written in the natural ways, work wherever the originals do."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, check, check_gradient
from pysmorch.teach import grade

X = np.random.default_rng(0).standard_normal((6, 3))
Y = np.random.default_rng(1).standard_normal((6, 2))


class OwnBackward(ps.Linear):
    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class OwnForward(ps.Linear):
    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.W


class OwnBoth(ps.Linear):
    def forward(self):
        self.x = self.in_layer.forward()
        return self.x @ self.W

    def backward(self, dwnstrm):
        self.G = self.x.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class SuperBackward(ps.Linear):
    def backward(self, dwnstrm):
        self.seen = dwnstrm
        super().backward(dwnstrm)


class SuperForward(ps.Linear):
    def forward(self):
        self.seen = super().forward()
        return self.seen


class SuperBoth(ps.Linear):
    def forward(self):
        return super().forward()

    def backward(self, dwnstrm=1.0):
        super().backward(dwnstrm)


class OwnForwardSuperBackward(OwnForward):
    def backward(self, dwnstrm):
        super().backward(dwnstrm)


class TwoLevels(SuperBoth):
    def forward(self):
        return super().forward()

    def backward(self, dwnstrm):
        super().backward(dwnstrm)


class Doubled(ps.Linear):
    def forward(self):
        return 2 * super().forward()

    def backward(self, dwnstrm):
        super().backward(2 * dwnstrm)


class Counted:
    """A mixin."""

    passes = 0

    def forward(self):
        self.passes += 1
        return super().forward()

    def backward(self, dwnstrm):
        self.passes += 1
        super().backward(dwnstrm)


class Mixed(Counted, ps.Linear):
    pass


class SuperCompute(ps.Linear):
    def compute(self, x):
        return super().compute(x)

    def pull_back(self, dwnstrm):
        return super().pull_back(dwnstrm)


LINEARS = [OwnBackward, OwnForward, OwnBoth, SuperBackward, SuperForward, SuperBoth, OwnForwardSuperBackward, TwoLevels]
LINEARS += [Mixed, SuperCompute]
EACH = pytest.mark.parametrize("cls", LINEARS, ids=lambda cls: cls.__name__)


GRAPHS = {
    "alone": lambda cls: ps.SquareLoss(cls(Data(X), 2), Y),
    "in the middle": lambda cls: ps.SquareLoss(ps.Linear(ps.Tanh(cls(ps.Linear(Data(X), 4), 5)), 2), Y),
    "twice": lambda cls: ps.SquareLoss(cls(ps.Sigmoid(cls(Data(X), 4)), 2), Y),
    "in branches": lambda cls: branches(cls),
}


def branches(cls):
    stem = cls(Data(X), 3)
    return ps.SquareLoss(ps.Add(cls(ps.Tanh(stem), 2), cls(ps.Multiply(stem, stem), 2), ps.Linear(stem, 2)), Y)


def gradients(make, cls):
    with ps.weights_from(0):
        loss = make(cls)
    value = loss.forward()
    loss.backward()
    return value, [layer.G for layer in ps.Network(loss).layers if hasattr(layer, "W")]


@EACH
@pytest.mark.parametrize("name", GRAPHS)
def test_a_subclass_of_linear_gives_what_linear_gives(cls, name):
    expected, found = gradients(GRAPHS[name], ps.Linear), gradients(GRAPHS[name], cls)
    assert expected[0] == found[0]
    for a, b in zip(expected[1], found[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert check(GRAPHS[name](cls)).passed


@EACH
def test_a_network_with_a_subclass_trains_as_with_the_original(cls):
    def fitted(kind):
        with ps.weights_from(0):
            network = ps.Network(ps.SquareLoss(ps.Linear(ps.Relu(kind(Data(shape=(None, 3)), 4)), 2)))
        network.fit(X, Y, epochs=2, batch_size=4, seed=0, engine="reference" if kind is ps.Linear else "auto")
        return network.predict(X, engine="reference")

    np.testing.assert_array_equal(fitted(ps.Linear), fitted(cls))


@EACH
def test_a_subclass_is_right_by_itself_without_a_loss(cls):
    with ps.weights_from(0):
        layer, original = cls(Data(X), 2), ps.Linear(Data(X), 2)
    original.W = layer.W
    for rows in (X, X[:2] + 1):
        layer.in_layer.set_data(rows)
        original.in_layer.set_data(rows)
        np.testing.assert_array_equal(layer.forward(), original.forward())
        layer.backward(np.ones((len(rows), 2)))
        original.backward(np.ones((len(rows), 2)))
        np.testing.assert_array_equal(layer.G, original.G)


@EACH
def test_check_gradient_takes_a_subclass(cls):
    data = Data(X)
    layer = cls(data, 2)

    def value(x):
        data.set_data(x)
        return np.sum(layer.forward() ** 2) / 2

    def gradient(x):
        data.set_data(x)
        layer.backward(layer.forward())
        return layer.pass_back if hasattr(layer, "pass_back") else layer.forward() @ layer.W.T

    assert check_gradient(value, gradient, X)


@EACH
def test_a_subclass_gets_all_points(cls):
    report = grade(cls, "Linear")
    assert report.passed, str(report)


def test_what_a_subclass_does_around_the_original_counts():
    assert check(ps.SquareLoss(Doubled(ps.Linear(Data(X), 3), 2), Y)).passed
    layer = Doubled(Data(X), 2)
    np.testing.assert_array_equal(layer.forward(), 2 * (X @ layer.W))
    mixed = Mixed(Data(X), 2)
    check(mixed)
    mixed.passes = 0
    mixed.forward()
    mixed.backward(np.ones((6, 2)))
    assert mixed.passes == 2


def around(base, forward, backward):
    """A subclass that calls super() in these routines."""
    methods = {}
    if forward:
        methods["forward"] = lambda self: super(cls, self).forward()
    if backward:
        methods["backward"] = lambda self, dwnstrm=1.0: super(cls, self).backward(dwnstrm)
    cls = type(f"My{base.__name__}", (base,), methods)
    return cls


IMAGES = np.random.default_rng(2).standard_normal((4, 3, 4, 2))
ROWS = [ps.Relu, ps.LeakyRelu, ps.Sigmoid, ps.Tanh, ps.Gelu, ps.Silu, ps.Mish, ps.Selu, ps.Bias, ps.Scale, ps.Normalize]
ROWS += [ps.LayerNormalize, ps.Dropout, ps.Flatten]


@pytest.mark.parametrize("base", ROWS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize(("forward", "backward"), [(True, False), (False, True), (True, True)])
def test_every_kind_of_layer_can_be_wrapped(base, forward, backward):
    layer = around(base, forward, backward)(ps.Linear(Data(X), 3))
    assert check(layer).passed
    assert check(ps.SquareLoss(ps.Linear(layer, 2), Y)).passed


@pytest.mark.parametrize("forward", [True, False])
def test_layers_for_images_and_with_several_inputs_can_be_wrapped(forward):
    for cls, arguments in ((ps.Conv2d, (2, 3)), (ps.MaxPool2d, ()), (ps.GlobalAvgPool2d, ()), (ps.RandomFlip, ())):
        assert check(around(cls, forward, True)(Data(IMAGES), *arguments)).passed
    for cls in (ps.Add, ps.Multiply, ps.Concat):
        stem = ps.Linear(Data(X), 3)
        merged = around(cls, forward, True)(stem, ps.Tanh(stem), stem)
        assert check(merged).passed
        assert check(ps.SquareLoss(ps.Linear(merged, 2), Y)).passed


def test_layers_before_a_wrapped_one_at_the_end_run_once():
    """Also where it calls super() by itself, without a traversal around it."""
    stem = Mixed(Data(X), 3)
    top = around(ps.Add, True, True)(ps.Tanh(stem), ps.Sigmoid(stem))
    top.forward()
    top.backward(np.ones((6, 3)))
    assert stem.passes == 2
    expected = ps.Add(ps.Tanh(stem), ps.Sigmoid(stem))
    G = stem.G.copy()
    expected.forward()
    expected.backward(np.ones((6, 3)))
    np.testing.assert_array_equal(stem.G, G)


class OwnSigmoid(ps.Sigmoid):
    def forward(self):
        self.in_array = self.in_layer.forward()
        return 1 / (1 + np.exp(-self.in_array))


class OwnGelu(ps.Gelu):
    def forward(self):
        from scipy.special import ndtr

        self.in_array = self.in_layer.forward()
        return self.in_array * ndtr(self.in_array)


class OwnMask(ps.Dropout):
    """Sets what the library's backward reads."""

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.mask = (np.abs(self.in_array) > 0.5) * 2.0
        return self.in_array * self.mask


@pytest.mark.parametrize("cls", [OwnSigmoid, OwnGelu, OwnMask])
def test_a_forward_of_its_own_goes_with_the_backward_of_the_library(cls):
    assert check(cls(ps.Linear(Data(X), 3))).passed
    layer, data = cls(Data(X)), X
    for data in (X, -2 * X[:3]):
        layer.in_layer = Data(data)
        out = layer.forward()
        layer.backward(np.ones_like(out))
        by_differences = (cls(Data(data + 1e-6)).forward() - cls(Data(data - 1e-6)).forward()) / 2e-6
        np.testing.assert_allclose(layer.pass_back, by_differences, rtol=1e-6, atol=1e-8)


class OwnStatistics(ps.Normalize):
    def forward(self):
        self.in_array = self.in_layer.forward()
        mean, variance = self.in_array.mean(0), self.in_array.var(0)
        self.running_mean += self.momentum * (mean - self.running_mean)
        return (self.in_array - mean) / np.sqrt(variance + self.epsilon)


def test_states_are_changed_by_the_forward_of_its_own_alone():
    layer = OwnStatistics(Data(X))
    layer.forward()
    state = {name: array.copy() for name, array in layer.state.items()}
    layer.backward(np.ones((6, 3)))
    for name, array in state.items():
        np.testing.assert_array_equal(layer.state[name], array)
    assert not hasattr(layer, "centred")
    assert check(OwnStatistics(ps.Linear(Data(X), 3))).passed


def test_a_forward_of_its_own_that_keeps_no_input_is_told_to():
    class Forgetful(ps.Relu):
        def forward(self):
            return np.maximum(self.in_layer.forward(), 0)

    assert check(ps.SquareLoss(ps.Linear(Forgetful(Data(X)), 2), Y)).passed  # a traversal sets it
    layer = Forgetful(Data(X))
    layer.forward()
    with pytest.raises(RuntimeError, match=r"backward was called before forward; .* has to set self\.in_array"):
        layer.backward(np.ones((6, 3)))


class OwnLossBackward(ps.SquareLoss):
    def backward(self):
        self.in_layer.backward((self.in_array - self.labels) / len(self.labels))


class SuperLoss(ps.SquareLoss):
    def forward(self):
        self.last = super().forward()
        return self.last

    def backward(self, dwnstrm=1.0):
        super().backward(dwnstrm)


class LossWithoutArguments(ps.SquareLoss):
    def backward(self):
        super().backward()


class OwnLossForward(ps.SquareLoss):
    def forward(self):
        self.in_array = self.in_layer.forward()
        return float(np.sum((self.in_array - self.labels) ** 2) / (2 * len(self.labels)))


class ScaledLoss(ps.SquareLoss):
    def forward(self):
        return 3 * super().forward()

    def backward(self):
        super().backward(3.0)


@pytest.mark.parametrize("cls", [OwnLossBackward, SuperLoss, LossWithoutArguments, OwnLossForward, ScaledLoss])
def test_losses_can_be_subclassed_likewise(cls):
    stem = ps.Linear(Data(X), 2)
    loss = cls(ps.Add(stem, ps.Tanh(stem)), Y)
    assert check(loss).passed
    if cls is not ScaledLoss:
        assert grade(cls, "SquareLoss").passed, str(grade(cls, "SquareLoss"))

    def fitted(kind):
        with ps.weights_from(0):
            network = ps.Network(kind(ps.Linear(Data(shape=(None, 3)), 2)))
        history = network.fit(X, Y, epochs=2, batch_size=4, seed=0, engine="reference", dtype="float64")
        return history["loss"][-1]

    factor = 3 if cls is ScaledLoss else 1
    if cls is not ScaledLoss:
        np.testing.assert_allclose(fitted(cls), factor * fitted(ps.SquareLoss), rtol=1e-12)
    else:
        assert np.isfinite(fitted(cls))


class OwnEntropy(ps.CrossEntropy):
    def backward(self, dwnstrm=1.0):
        super().backward(dwnstrm)


def test_a_wrapped_cross_entropy_trains_and_gets_all_points():
    assert grade(OwnEntropy, "CrossEntropy").passed
    network = ps.Network(OwnEntropy(ps.mlp(Data(shape=(None, 3)), [4], 2, seed=0)))
    network.fit(X, (X[:, 0] > 0).astype(int), epochs=2, seed=0)
    assert check(network).passed
