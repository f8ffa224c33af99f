"""What the layers of the first days promised: signatures, attributes, and how first weights are drawn."""

import inspect

import numpy as np
import pytest

import pysmorch as ps

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 3))


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (ps.Linear, ["in_layer", "num_out_features"]),
        (ps.Relu, ["in_layer"]),
        (ps.Bias, ["in_layer"]),
        (ps.SquareLoss, ["in_layer", "labels"]),
    ],
)
def test_arguments_have_their_names_and_places(cls, arguments):
    assert list(inspect.signature(cls).parameters) == arguments


def test_further_arguments_come_after_those_of_the_contract():
    assert next(iter(inspect.signature(ps.Data).parameters)) == "data"
    assert list(inspect.signature(ps.CrossEntropy).parameters)[:2] == ["in_layer", "ones_hot"]
    assert list(inspect.signature(ps.check_gradient).parameters) == ["f", "grad", "x", "error_tol"]


def test_first_weights_are_drawn_from_the_global_state_in_order():
    np.random.seed(4)
    linear = np.random.randn(3, 5) / np.sqrt(3)
    bias = np.random.randn(1, 5)
    np.random.seed(4)
    layer = ps.Linear(ps.Data(X), 5)
    np.testing.assert_array_equal(layer.W, linear)
    np.testing.assert_array_equal(ps.Bias(layer).W, bias)


def test_data_hands_on_the_very_array_and_ignores_gradients():
    data = ps.Data(X)
    assert data.data is X
    assert data.forward() is X
    assert tuple(data.out_dims) == (6, 3)
    other = RNG.standard_normal((2, 3))
    data.set_data(other)
    assert data.forward() is other
    assert data.backward(np.ones((9, 9))) is None


def test_layers_know_their_neighbours_and_shapes():
    linear = ps.Linear(ps.Data(X), num_out_features=4)
    relu = ps.Relu(linear)
    assert relu.in_layer is linear
    assert tuple(linear.out_dims) == (6, 4)
    assert tuple(relu.in_dims) == tuple(relu.out_dims) == (6, 4)


def test_passes_leave_inputs_gradients_and_what_was_handed_back():
    linear = ps.Linear(ps.Data(X), 2)
    labels = RNG.standard_normal((6, 2))
    loss = ps.SquareLoss(linear, labels)
    value = loss.forward()
    assert value == pytest.approx(((X @ linear.W - labels) ** 2).sum() / 12)
    np.testing.assert_array_equal(linear.in_array, X)
    loss.backward()
    np.testing.assert_allclose(loss.pass_back, (X @ linear.W - labels) / 6)
    np.testing.assert_allclose(linear.G, X.T @ (X @ linear.W - labels) / 6)
    assert loss.num_data == 6


def test_labels_can_be_changed_in_the_words_of_the_contract():
    loss = ps.SquareLoss(ps.Data(X), np.zeros((6, 3)))
    given = loss.labels
    loss.set_data(X)
    assert loss.forward() == 0
    np.testing.assert_array_equal(given, 0)
    one_hot = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    cross = ps.CrossEntropy(ps.Data(X), one_hot)
    np.testing.assert_array_equal(cross.ones_hot, one_hot)
    before = cross.forward()
    cross.set_labels(one_hot[::-1])
    assert cross.forward() != before
    cross.ones_hot = one_hot
    assert cross.forward() == before


def test_weights_can_be_assigned_whole_or_in_place():
    linear = ps.Linear(ps.Data(X), 2)
    array = linear.W
    linear.W = np.ones((3, 2))
    assert linear.W is array
    linear.W[:] = 2
    np.testing.assert_array_equal(linear.forward(), X @ np.full((3, 2), 2.0))
    linear.W = linear.W * 1000
    assert linear.W.max() == 2000


def test_the_cross_entropy_of_huge_logits_is_finite_and_that_of_others_is_the_plain_formula():
    one_hot = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    expected = np.mean([np.log(np.exp(x).sum()) - x[y > 0][0] for x, y in zip(X, one_hot, strict=True)])
    assert ps.CrossEntropy(ps.Data(X), one_hot).forward() == pytest.approx(expected)
    assert np.isfinite(ps.CrossEntropy(ps.Data(1e6 * X), one_hot).forward())


def test_the_test_cells_of_the_first_document_pass_where_it_is_there():
    import subprocess
    import sys
    from pathlib import Path

    script = Path(__file__).parents[2] / "shared" / "tools" / "seed_cells.py"
    if not script.exists():
        pytest.skip("the document is not there")
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert "6/6 seed test cells pass" in result.stdout, result.stdout + result.stderr
