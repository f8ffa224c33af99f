"""Networks that were exported and are read back, and what becomes of names, layouts, losses and further training."""

import copy

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import models
from pysmorch.export import messages
from pysmorch.gradcheck.cases import LAYER_CASES
from tests.importing.files import images, integers, model, node, output, rows, weights

RNG = np.random.default_rng(0)


def exported(network, path):
    network.export(path / "network.onnx")
    return path / "network.onnx"


def imported(content, path, **options):
    (path / "model.onnx").write_bytes(content)
    return ps.from_onnx(path / "model.onnx", **options)


def kinds_of(network):
    return [type(layer).__name__ for layer in network.layers]


@pytest.mark.parametrize("case", LAYER_CASES)
def test_every_layer_that_is_exported_is_read_back(case, tmp_path):
    layer = LAYER_CASES[case]()
    network = ps.Network(ps.SquareLoss(layer if len(layer.out_dims) == 2 else ps.Flatten(layer)))
    arrays = [data.data.astype(np.int64 if data.data.dtype.kind == "i" else np.float32) for data in network.inputs]
    again = ps.from_onnx(exported(network, tmp_path))
    given = tuple(arrays) if len(arrays) > 1 else arrays[0]
    expected = network.predict(given, engine="reference")
    np.testing.assert_allclose(again.predict(given), expected, rtol=1e-5, atol=1e-5)
    assert [data.out_dims[1:] for data in again.inputs] == [data.out_dims[1:] for data in network.inputs]


@pytest.mark.parametrize("name", ["lenet", "resnet20", "mobilenet_small"])
def test_networks_of_images_come_back_with_the_same_layers(name, tmp_path):
    with ps.weights_from(3):
        network = ps.Network(ps.CrossEntropy(getattr(models, name)(ps.Data(shape=(None, 16, 16, 3)), 5)))
    X, y = RNG.standard_normal((8, 16, 16, 3)).astype(np.float32), np.arange(8) % 5
    network.fit(X, y, epochs=1, batch_size=4, seed=0, progress=False)
    again = ps.from_onnx(exported(network, tmp_path))
    assert kinds_of(again) == kinds_of(network)
    assert again.names == network.names
    assert type(again.loss) is ps.CrossEntropy
    np.testing.assert_allclose(again.predict(X), network.predict(X), rtol=1e-5, atol=1e-5)


def test_what_was_read_back_trains_on_as_the_original(tmp_path):
    X, y = RNG.standard_normal((40, 6)).astype(np.float32), np.arange(40) % 3
    network = ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 6)), [8], 3, seed=0)))
    network.fit(X, y, epochs=2, seed=0, progress=False)
    again = ps.from_onnx(exported(network, tmp_path))
    losses = [copy.deepcopy(one).fit(X, y, epochs=3, seed=1, progress=False)["loss"] for one in (network, again)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert losses[1][-1] < losses[1][0]


@pytest.mark.parametrize("loss", [ps.CrossEntropy, ps.BinaryCrossEntropy, ps.SquareLoss])
def test_the_loss_follows_from_what_the_file_makes_of_the_output(loss, tmp_path):
    path = exported(ps.Network(loss(ps.mlp(ps.Data(shape=(None, 3)), [4], 3, seed=0))), tmp_path)
    assert type(ps.from_onnx(path).loss) is loss
    if loss is not ps.SquareLoss:
        probabilities = ps.from_onnx(path, output="predictions")
        assert type(probabilities.loss) is loss
        whole = ps.from_onnx(path, output="predictions", loss=ps.SquareLoss)
        X = RNG.standard_normal((5, 3)).astype(np.float32)
        expected = probabilities.loss.predictions(probabilities.predict(X))
        np.testing.assert_allclose(whole.predict(X), expected, rtol=1e-6)


def test_a_loss_that_is_asked_for_is_taken_and_one_that_does_not_fit_is_refused(tmp_path):
    path = exported(ps.Network(ps.SquareLoss(ps.mlp(ps.Data(shape=(None, 3)), [4], 1, seed=0))), tmp_path)
    assert type(ps.from_onnx(path, loss=lambda layer: ps.HuberLoss(layer, delta=2.0)).loss) is ps.HuberLoss
    content = model([node("MatMul", ["x", "w"])], [weights(shape=(4, 3))], [messages.value_info("x", 1, ["N", 5, 4])])
    with pytest.raises(ps.ModelFileError, match="does not fit the loss: CrossEntropy needs one row of features"):
        imported(content, tmp_path, loss=ps.CrossEntropy)


def test_names_of_inputs_and_initialisers_stay(tmp_path):
    content = model(
        [node("Gemm", ["rows", "fc.weight", "fc.bias"], "h", transB=1), node("Relu", ["h"])],
        [weights("fc.weight", (3, 4)), weights("fc.bias", (3,))],
        [rows(name="rows")],
    )
    network = imported(content, tmp_path)
    assert network.inputs[0].name == "rows"
    assert network.origins == {"Linear1": "fc.weight", "Bias1": "fc.bias", "Relu1": "Relu 1"}
    np.testing.assert_array_equal(
        network.parameters["Linear1"], np.arange(12, dtype=np.float32).reshape(3, 4).T / np.float32(10)
    )
    assert all(W.dtype == np.float32 for W in network.parameters.values())


def test_images_are_taken_with_their_channels_last_and_nothing_is_transposed(tmp_path):
    """The features after Flatten are in another order here; the weights after it follow that."""
    content = model(
        [
            node("Conv", ["x", "k"], "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("Add", ["c", "b"], "d"),
            node("Flatten", ["d"], "f"),
            node("BatchNormalization", ["f", "s", "t", "m", "v"], "n"),
            node("MatMul", ["n", "w"]),
        ],
        [
            weights("k", (3, 2, 3, 3)),
            weights("b", (1, 3, 1, 1)),
            weights("w", (60, 2)),
            *(weights(name, (60,)) for name in "stmv"),
        ],
        [images()],
    )
    network = imported(content, tmp_path)
    assert network.inputs[0].out_dims == (None, 5, 4, 2)
    kinds = ["Data", "Conv2d", "Bias", "Flatten"]
    assert kinds_of(network)[:4] == kinds
    X = RNG.standard_normal((3, 5, 4, 2)).astype(np.float32)
    np.testing.assert_allclose(network.predict(X), run(content, X.transpose(0, 3, 1, 2)), rtol=1e-4)


def run(content, *arrays):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: the extra onnx has it")
    from onnx.reference import ReferenceEvaluator

    parsed = onnx.load_from_string(content)
    inputs = {one.name: array for one, array in zip(parsed.graph.input, arrays, strict=True)}
    return ReferenceEvaluator(parsed).run(None, inputs)[0]


def test_branches_in_other_orders_of_axes_meet(tmp_path):
    content = model(
        [
            node("MaxPool", ["x"], "p", kernel_shape=[2, 2], strides=[1, 1]),
            node("Transpose", ["p"], "t", perm=[0, 2, 3, 1]),
            node("Reshape", ["t", "s"], "r"),
            node("Concat", ["r", "r"], "c", axis=-1),
            node("Transpose", ["c"], "u", perm=[0, 2, 1]),
            node("Softmax", ["u"], axis=1),
        ],
        [integers("s", [0, 12, 2])],
        [images()],
        version=13,
    )
    network = imported(content, tmp_path, loss=ps.SquareLoss)
    X = RNG.standard_normal((3, 5, 4, 2)).astype(np.float32)
    np.testing.assert_allclose(network.predict(X), run(content, X.transpose(0, 3, 1, 2)), rtol=1e-5)


def test_a_shape_that_is_put_together_from_that_of_the_batch(tmp_path):
    content = model(
        [
            node("Shape", ["x"], "s"),
            node("Gather", ["s", "zero"], "n", axis=0),
            node("Unsqueeze", ["n", "zeros"], "m"),
            node("Concat", ["m", "rest"], "t", axis=0),
            node("Reshape", ["x", "t"]),
        ],
        [messages.tensor("zero", np.int64(0)), integers("zeros", [0]), integers("rest", [2, -1])],
    )
    network = imported(content, tmp_path)
    assert network.predict(np.zeros((5, 4))).shape == (5, 2, 2)


def test_x_times_its_sigmoid_is_a_silu(tmp_path):
    content = model([node("Sigmoid", ["x"], "s"), node("Mul", ["x", "s"])])
    assert kinds_of(imported(content, tmp_path)) == ["Data", "Silu"]


def test_dropout_is_active_in_training_alone(tmp_path):
    content = model([node("Dropout", ["x", "r"])], [messages.tensor("r", np.float32(0.25))])
    network = imported(content, tmp_path)
    assert network.layers[1].rate == 0.25
    np.testing.assert_array_equal(network.predict(np.ones((2, 4))), np.ones((2, 4)))


def test_constants_of_powers_and_bounds_are_not_trained(tmp_path):
    content = model([node("Pow", ["x", "e"])], [weights("e", (4,))])
    layer = imported(content, tmp_path).layers[1]
    assert (layer.lr_factor, layer.decay_factor) == (0.0, 0.0)


def test_a_saved_import_is_loaded_again(tmp_path):
    network = ps.Network(ps.SquareLoss(ps.Function(ps.Transpose(ps.Data(shape=(None, 2, 3)), (2, 1)), "erf")))
    again = ps.from_onnx(exported(network, tmp_path))
    again.save(tmp_path / "again.safetensors")
    X = RNG.standard_normal((4, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(ps.load(tmp_path / "again.safetensors").predict(X), again.predict(X))


def test_several_outputs_are_chosen_by_name(tmp_path):
    content = model([node("Relu", ["x"], "a"), node("LSTM", ["x"], "b")], outputs=[output("b"), output("a")])
    with pytest.raises(ps.ModelFileError, match="choose an output= that does not need them, of 'b', 'a'"):
        imported(content, tmp_path)
    assert kinds_of(imported(content, tmp_path, output="a")) == ["Data", "Relu"]
