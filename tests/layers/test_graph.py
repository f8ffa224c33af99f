import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, ShapeError, check
from pysmorch.layers.graph import graph, name_layers
from pysmorch.layers.randomness import random_words

X = np.random.default_rng(0).standard_normal((5, 3))


class Counting(ps.Relu):
    """A Relu that counts its passes."""

    forwards = backwards = 0

    def compute(self, x):
        self.forwards += 1
        return super().compute(x)

    def pull_back(self, dwnstrm):
        self.backwards += 1
        return super().pull_back(dwnstrm)


class SeedStyleTanh:
    """A layer with a walk of its own."""

    calls = 0

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims

    def forward(self):
        self.calls += 1
        self.out = np.tanh(self.in_layer.forward())
        return self.out

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (1 - self.out**2))


def test_a_layer_that_feeds_several_runs_once_and_adds_up_what_comes_back():
    shared = Counting(Data(X))
    loss = ps.SquareLoss(ps.Add(ps.Tanh(shared), ps.Multiply(shared, ps.Sigmoid(shared))), np.zeros((5, 3)))
    loss.forward()
    loss.backward()
    assert (shared.forwards, shared.backwards) == (1, 1)
    assert check(loss).passed


def test_one_layer_may_feed_another_twice():
    x = Data(X)
    double = ps.Add(x, x)
    np.testing.assert_array_equal(double.forward(), 2 * X)
    assert check(ps.Multiply(ps.Linear(x, 3), x)).passed
    h = ps.Linear(x, 3)
    assert check(ps.Multiply(h, h)).passed


def test_a_layer_with_its_own_walk_works_anywhere_and_runs_once():
    shared = Counting(Data(X))
    student = SeedStyleTanh(shared)
    top = ps.Add(ps.Linear(student, 3), ps.Linear(student, 3), shared)
    assert check(ps.SquareLoss(top, np.zeros((5, 3)))).passed
    student.calls = shared.forwards = 0
    loss = ps.SquareLoss(top, np.zeros((5, 3)))
    loss.forward()
    loss.backward()
    assert (student.calls, shared.forwards) == (1, 1)
    assert student.in_layer is shared


def test_a_layer_with_its_own_walk_may_be_at_the_end():
    linear = ps.Linear(Data(X), 3)
    student = SeedStyleTanh(linear)
    np.testing.assert_allclose(student.forward(), np.tanh(X @ linear.W))
    student.backward(np.ones((5, 3)))
    np.testing.assert_allclose(linear.G, X.T @ (1 - np.tanh(X @ linear.W) ** 2))
    assert check(student).passed


def test_a_subclass_may_have_its_own_backward_or_forward_only():
    class OwnBackward(ps.Linear):
        def backward(self, dwnstrm):
            self.G = self.in_array.T @ dwnstrm
            self.in_layer.backward(dwnstrm @ self.W.T)

    class OwnForward(ps.Linear):
        def forward(self):
            self.in_array = self.in_layer.forward()
            return self.in_array @ self.W

    for cls in (OwnBackward, OwnForward):
        assert check(cls(ps.Tanh(Data(X)), 4)).passed
        assert check(ps.Relu(cls(ps.Tanh(Data(X)), 4))).passed


def test_a_loss_with_its_own_walk_hands_back_through_our_layers():
    class Student:
        def __init__(self, in_layer, labels):
            self.in_layer, self.labels = in_layer, labels
            self.out_dims = ()

        def forward(self):
            self.x = self.in_layer.forward()
            return 0.5 * np.sum((self.x - self.labels) ** 2)

        def backward(self):
            self.in_layer.backward(self.x - self.labels)

    linear = ps.Linear(Data(X), 2)
    loss = Student(linear, np.ones((5, 2)))
    loss.forward()
    loss.backward()
    np.testing.assert_allclose(linear.G, X.T @ (X @ linear.W - 1))
    assert check(loss).passed


def test_graphs_may_be_deeper_than_pythons_stack():
    layer = Data(X)
    for _ in range(3000):
        layer = ps.Relu(layer)
    loss = ps.SquareLoss(layer, np.zeros((5, 3)))
    loss.forward()
    loss.backward()
    np.testing.assert_allclose(loss.pass_back, np.maximum(X, 0) / 5)


def test_the_order_of_a_graph_has_every_layer_after_those_that_feed_it():
    x = Data(X)
    a, b = ps.Relu(x), ps.Tanh(x)
    top = ps.Add(ps.Multiply(a, b), a)
    order = graph(top)
    assert order[0] is x
    assert order[-1] is top
    assert len(order) == 5
    assert name_layers(order) == ["Data1", "Relu1", "Tanh1", "Multiply1", "Add1"]


def test_a_cycle_is_noticed():
    first = ps.Relu(Data(X))
    second = ps.Relu(first)
    first.in_layer = second
    with pytest.raises(ValueError, match="the graph has a cycle through Relu"):
        second.forward()


def test_integers_give_floats():
    assert ps.Linear(Data([[1, 2]]), 2).forward().dtype == np.float64


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ps.Relu(Data(X)).backward(X), RuntimeError, "backward was called before forward"),
        (lambda: ps.SquareLoss(Data(X)).forward(), RuntimeError, "has no labels yet; call set_labels"),
    ],
)
def test_passes_in_the_wrong_order_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_gradient_of_another_shape_is_refused():
    layer = ps.Relu(Data(X))
    layer.forward()
    with pytest.raises(ShapeError, match=r"dwnstrm has shape \(3, 5\), but the output has \(5, 3\)"):
        layer.backward(X.T)
    with pytest.raises(ShapeError, match=r"shape \(\)"):
        layer.backward()


def test_a_G_of_another_shape_than_W_is_refused():
    class Wrong(ps.Bias):
        def pull_back(self, dwnstrm):
            self.G = dwnstrm
            return dwnstrm

    layer = Wrong(Data(X))
    layer.forward()
    with pytest.raises(ShapeError, match=r"G must have the shape of W, \(1, 3\), but has shape \(5, 3\)"):
        layer.backward(X)


@pytest.mark.parametrize(
    ("seed", "place", "step", "words"),
    [
        (0, 0, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((0x299F31D0 << 32) | 0xA4093822, 0x85A308D3, (0x03707344 << 32) | 0x13198A2E, None),
    ],
)
def test_random_words_are_those_of_philox(seed, place, step, words):
    found = random_words(seed, place, step, 4)
    if words:
        assert [f"{w:08x}" for w in found] == words.split()
    assert found.dtype == np.uint32


def test_random_words_are_those_of_the_published_test_vector():
    """The vector's counter begins with 0x243f6a88, which is our block number; that block is made alone here."""
    from pysmorch.layers import randomness

    arange = np.arange
    try:
        randomness.np.arange = lambda *a, **k: np.array([0x243F6A88], dtype=np.uint64)
        seed, step = (0x299F31D0 << 32) | 0xA4093822, (0x03707344 << 32) | 0x13198A2E
        found = random_words(seed, 0x85A308D3, step, 4)
    finally:
        randomness.np.arange = arange
    assert [f"{w:08x}" for w in found] == ["d16cfe09", "94fdcceb", "5001e420", "24126ea1"]


def test_random_words_do_not_depend_on_how_many_are_asked_for():
    np.testing.assert_array_equal(random_words(1, 2, 3, 5), random_words(1, 2, 3, 1000)[:5])
    assert len(random_words(1, 2, 3, 0)) == 0
    assert abs(random_words(5, 1, 0, 100_000).mean() / 2**32 - 0.5) < 0.005


def test_a_layer_that_nothing_feeds_has_no_in_layer():
    assert not hasattr(ps.Data(np.ones((2, 3))), "in_layer")
    with pytest.raises(AttributeError, match="Data has no in_layer: it has no input"):
        _ = ps.Data(np.ones((2, 3))).in_layer
