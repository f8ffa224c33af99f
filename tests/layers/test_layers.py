"""What is special about single layers, and what they refuse."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, ShapeError

X = np.random.default_rng(0).standard_normal((6, 4))
IMAGES = Data(shape=(None, 3, 2, 4))
ROWS = Data(shape=(None, 4))


def test_the_derivative_of_relu_and_its_kin_at_zero_is_the_one_of_the_docstring():
    zero = Data(np.zeros((1, 1)))
    expected = {ps.Relu(zero): 0, ps.LeakyRelu(zero, 0.3): 0.3, ps.Selu(zero): 1.0507009873554805 * 1.6732632423543772}
    for layer, slope in expected.items():
        layer.forward()
        layer.backward(np.ones((1, 1)))
        assert layer.pass_back.item() == pytest.approx(slope)


def test_normalize_keeps_running_statistics_in_training_and_uses_them_in_prediction():
    layer = ps.Normalize(Data(X), momentum=0.25)
    layer.forward()
    np.testing.assert_allclose(layer.running_mean, 0.25 * X.mean(0))
    np.testing.assert_allclose(layer.running_var, 0.75 + 0.25 * X.var(0, ddof=1))
    layer.training = False
    before = layer.running_mean.copy()
    np.testing.assert_allclose(layer.forward(), (X - before) / np.sqrt(layer.running_var + 1e-5))
    np.testing.assert_array_equal(layer.running_mean, before)


def test_one_row_leaves_the_running_variance_alone():
    layer = ps.Normalize(Data(X[:1]))
    np.testing.assert_array_equal(layer.forward(), 0)
    np.testing.assert_array_equal(layer.running_var, 1)


def test_batch_norm_is_the_same_as_in_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = torch.nn.BatchNorm1d(4, momentum=0.1, dtype=torch.float64)
    ours = ps.batch_norm(Data(X))
    x = torch.tensor(X, requires_grad=True)
    out = theirs(x)
    np.testing.assert_allclose(ours.forward(), out.detach().numpy(), rtol=1e-12)
    dwnstrm = np.random.default_rng(1).standard_normal(X.shape)
    out.backward(torch.tensor(dwnstrm))
    ours.backward(dwnstrm)
    normalize = ours.in_layer.in_layer
    np.testing.assert_allclose(normalize.pass_back, x.grad.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(normalize.running_var, theirs.running_var.numpy(), rtol=1e-12)


def test_dropout_drops_its_share_and_keeps_the_mean():
    layer = ps.Dropout(Data(np.ones((400, 250))), 0.3)
    out = layer.forward()
    assert set(np.unique(out)) == {0, 1 / 0.7}
    assert (out == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert not np.array_equal(layer.forward(), out)
    layer.step = 0
    np.testing.assert_array_equal(layer.forward(), out)


def test_dropout_without_a_rate_and_in_prediction_does_nothing():
    np.testing.assert_array_equal(ps.Dropout(Data(X), 0.0).forward(), X)
    layer = ps.Dropout(Data(X), 0.9)
    layer.training = False
    np.testing.assert_array_equal(layer.forward(), X)


def test_an_embedding_adds_up_the_gradients_of_repeated_entries():
    layer = ps.Embedding(Data(np.array([2, 0, 2])), 4, 3)
    layer.forward()
    layer.backward(np.arange(9.0).reshape(3, 3))
    np.testing.assert_array_equal(layer.G, [[3, 4, 5], [0, 0, 0], [6, 8, 10], [0, 0, 0]])


def test_an_embedding_takes_whole_floats():
    layer = ps.Embedding(Data(np.array([[1.0, 0.0]])), 2, 3)
    np.testing.assert_array_equal(layer.forward()[0], layer.W[[1, 0]])


@pytest.mark.parametrize("wrong", [-1, 4, 1.5, np.nan, 1e30])
def test_an_embedding_names_the_place_of_a_wrong_entry(wrong):
    layer = ps.Embedding(Data(np.array([[0.0, 1.0], [2.0, wrong]])), 4, 3)
    with pytest.raises(ValueError, match=r"integers from 0 to 3, but entry \[1, 1\] of the batch is"):
        layer.forward()


def test_mlp_starts_in_a_way_that_suits_its_activation():
    for activation, variance in ((ps.Relu, 2 / 400), (ps.Tanh, 1 / 400)):
        output = ps.mlp(Data(shape=(None, 400)), [300], 5, activation, seed=0)
        network = ps.Network(ps.SquareLoss(output))
        assert network.parameters["Linear1"].var() == pytest.approx(variance, rel=0.02)
        np.testing.assert_array_equal(network.parameters["Bias1"], 0)
        assert network.layers[2].decay_factor == 0
        assert network.layers[1].decay_factor == 1


def test_mlp_may_be_a_single_linear_layer_or_have_dropout():
    assert len(ps.Network(ps.SquareLoss(ps.mlp(ROWS, [], 2))).layers) == 3
    layers = ps.Network(ps.SquareLoss(ps.mlp(ROWS, [5, 5], 2, dropout=0.5))).layers
    assert sum(isinstance(layer, ps.Dropout) for layer in layers) == 2


def test_the_same_seed_gives_the_same_mlp_and_leaves_the_global_state_alone():
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    a, b = (ps.mlp(ROWS, [5], 2, seed=9).in_layer.W for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert np.random.rand() == expected


def test_data_without_an_array_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"Data of shape \(N, 4\) holds no array yet; call set_data"):
        ps.Relu(ROWS).forward()


def test_data_makes_arrays_of_lists_and_takes_any_batch():
    data = Data([[1, 2], [3, 4]])
    assert data.data.dtype.kind == "i"
    data.set_data([[1.5, 2.5]])
    assert ps.Relu(data).forward().shape == (1, 2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Data(), TypeError, "needs either an array or shape="),
        (lambda: Data(X, shape=(None, 4)), TypeError, "needs either an array or shape="),
        (lambda: Data(np.array(["a"])), TypeError, "data must hold numbers"),
        (lambda: Data(3.0), ShapeError, "but is a single number"),
        (lambda: Data(shape=(None, -1)), ShapeError, "sizes that are not negative"),
        (lambda: Data(shape=(None, None)), ShapeError, "shape must be"),
        (lambda: Data(X).set_data(X[:, :2]), ShapeError, r"data must have the shape \(N, 4\), but has \(6, 2\)"),
        (
            lambda: ps.Linear(X, 3),
            TypeError,
            r"Linear: an in_layer must be a layer, but is a ndarray; wrap an array as Data",
        ),
        (lambda: ps.Linear(IMAGES, 3), ShapeError, r"returns shape \(N, 3, 2, 4\); put Flatten between them"),
        (lambda: ps.Linear(ROWS, 0), ValueError, "num_out_features must be a positive integer, but is 0"),
        (lambda: ps.Linear(ROWS, 2.5), ValueError, "num_out_features must be a positive integer"),
        (lambda: ps.Bias(Data(shape=(None,))), ShapeError, "Bias needs a batch of features"),
        (lambda: ps.Dropout(ROWS, 1.0), ValueError, "rate must be at least 0 and below 1"),
        (lambda: ps.Normalize(ROWS, momentum=2), ValueError, "momentum must be from 0 to 1"),
        (lambda: ps.Normalize(ROWS, epsilon=0), ValueError, "epsilon must be positive"),
        (lambda: ps.LayerNormalize(ROWS, epsilon=-1), ValueError, "epsilon must be positive"),
        (lambda: ps.Add(ROWS), TypeError, "Add needs at least two in_layers, but got 1"),
        (lambda: ps.Add(ROWS, IMAGES), ShapeError, r"one shape, but have \(N, 4\), \(N, 3, 2, 4\)"),
        (lambda: ps.Multiply(ROWS, Data(shape=(None, 1))), ShapeError, "in_layers must have one shape"),
        (lambda: ps.Concat(ROWS, IMAGES), ShapeError, "may differ in their last axis only"),
        (lambda: ps.Reshape(IMAGES, (5, -1)), ShapeError, r"from Data\(shape=\(N, 3, 2, 4\)\), .* with 24 entries"),
        (lambda: ps.Reshape(IMAGES, (-1, -1)), ShapeError, "cannot make examples of shape"),
        (lambda: ps.Embedding(ROWS, 0, 3), ValueError, "num_entries must be a positive integer"),
        (lambda: setattr(ps.Linear(ROWS, 2), "W", np.zeros((2, 4))), ShapeError, r"W has shape \(4, 2\), but an array"),
        (lambda: ps.Relu(ROWS).W, AttributeError, "Relu has no parameters W"),
        (lambda: ps.Linear(ROWS, 2).G, AttributeError, "has no gradient G; run forward and backward first"),
        (lambda: ps.weights_from(-1).__enter__(), ValueError, "seed must be an integer"),
        (lambda: ps.weights_from(True).__enter__(), ValueError, "seed must be an integer"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(make, error, message):
    with pytest.raises(error, match=message):
        make()
