"""Networks as ONNX files, computed by ONNX Runtime and by the reference of onnx."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import models
from pysmorch.export import network_to_onnx
from pysmorch.gradcheck.cases import LAYER_CASES
from pysmorch.layers.activations import ACTIVATIONS
from tests.export.examples import Doubled, LouderRelu, arrays_of, flat_network, predicted

onnx = pytest.importorskip("onnx", reason="onnx is not installed: the extra onnx has it")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra onnx has it")


def content_of(network):
    content = network_to_onnx(network.layers, network.names, network.loss)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    return content


def run(content, *arrays):
    """What ONNX Runtime computes, by the names of the outputs."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    inputs = {one.name: array.astype(types[one.type]) for one, array in zip(session.get_inputs(), arrays, strict=True)}
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, inputs), strict=True))


def run_reference(content, *arrays):
    from onnx.reference import ReferenceEvaluator

    model = onnx.load_from_string(content)
    kinds = {1: np.float32, 7: np.int64}
    inputs = {
        one.name: array.astype(kinds[one.type.tensor_type.elem_type])
        for one, array in zip(model.graph.input, arrays, strict=True)
    }
    return ReferenceEvaluator(model).run(None, inputs)[0]


@pytest.mark.parametrize("case", LAYER_CASES)
def test_every_layer_gives_the_same_outputs(case):
    network = flat_network(LAYER_CASES[case]())
    arrays = arrays_of(network)
    content = content_of(network)
    expected = predicted(network, arrays)
    np.testing.assert_allclose(run(content, *arrays)["output"], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(run_reference(content, *arrays), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_rows", [0, 1, 3])
def test_a_batch_of_any_size(num_rows):
    x = ps.Data(shape=(None, 6, 5, 2))
    network = ps.Network(ps.CrossEntropy(ps.dense(ps.Flatten(ps.conv(x, 3, 3)), 4, None)))
    images = np.random.default_rng(0).standard_normal((num_rows, 6, 5, 2)).astype(np.float32)
    found = run(content_of(network), images)
    assert found["output"].shape == (num_rows, 4)
    np.testing.assert_allclose(found["output"], network.predict(images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["lenet", "resnet20", "mobilenet_small"])
def test_whole_networks_and_those_with_weights_of_8_bits(name):
    rng = np.random.default_rng(1)
    images = rng.standard_normal((12, 16, 16, 3)).astype(np.float32)
    with ps.weights_from(3):
        network = ps.Network(ps.CrossEntropy(getattr(models, name)(ps.Data(shape=(None, 16, 16, 3)), 5)))
    network.fit(images, rng.integers(0, 5, 12), epochs=1, batch_size=6, seed=0, progress=False)
    found = run(content_of(network), images)["output"]
    np.testing.assert_allclose(found, network.predict(images), rtol=1e-4, atol=1e-5)
    small = network.quantize(images)
    different = np.abs(run(content_of(small), images)["output"] - small.predict(images))
    # A number whose last digits differ may be rounded to the next integer, in a few images.
    assert np.median(different) < 1e-5
    assert different.max() < 0.05


def test_images_are_transposed_once():
    network = ps.Network(ps.CrossEntropy(models.resnet20(ps.Data(shape=(None, 32, 32, 3)), 10)))
    nodes = [node.op_type for node in onnx.load_from_string(content_of(network)).graph.node]
    assert nodes.count("Transpose") == 1


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_of_large_numbers(name):
    numbers = np.array([[-1e30, -50.0, -1.0, 0.0], [1e-30, 1.0, 50.0, 1e30]], dtype=np.float32)
    if name == "cos":
        numbers = np.clip(numbers, -50, 50)  # of larger ones each library has its own remainder
    network = ps.Network(ps.SquareLoss(ACTIVATIONS[name](ps.Data(shape=(None, 4)))))
    np.testing.assert_allclose(
        run(content_of(network), numbers)["output"], network.predict(numbers), rtol=1e-5, atol=1e-18
    )


@pytest.mark.parametrize("loss", [ps.CrossEntropy, ps.BinaryCrossEntropy, ps.PoissonLoss, ps.GammaLoss, ps.TweedieLoss])
def test_what_the_loss_makes_of_the_output_is_an_output_too(loss):
    rows = np.random.default_rng(2).standard_normal((5, 3)).astype(np.float32)
    network = ps.Network(loss(ps.mlp(ps.Data(shape=(None, 3)), [4], 3, seed=0)))
    found = run(content_of(network), rows)
    expected = network.loss.predictions(network.predict(rows))
    np.testing.assert_allclose(found["predictions"], expected, rtol=1e-5, atol=1e-6)


def test_losses_of_numbers_have_one_output():
    network = ps.Network(ps.HuberLoss(ps.mlp(ps.Data(shape=(None, 3)), [4], 2, seed=0)))
    assert list(run(content_of(network), np.zeros((1, 3)))) == ["output"]


def test_inputs_have_the_names_of_their_data_layers():
    left, right = ps.Data(shape=(None, 2), name="left"), ps.Data(shape=(None, 3))
    network = ps.Network(ps.SquareLoss(ps.Concat(left, right)))
    model = onnx.load_from_string(content_of(network))
    assert [one.name for one in model.graph.input] == ["left", "input2"]
    single = ps.Network(ps.SquareLoss(ps.Linear(ps.Data(shape=(None, 2)), 1)))
    assert [one.name for one in onnx.load_from_string(content_of(single)).graph.input] == ["input"]


def test_the_version_of_the_operators_is_the_oldest_that_has_them_all():
    def version(activation):
        network = ps.Network(ps.SquareLoss(activation(ps.Data(shape=(None, 2)))))
        return onnx.load_from_string(content_of(network)).opset_import[0].version

    assert (version(ps.Relu), version(ps.Mish), version(ps.Gelu)) == (17, 18, 20)


def test_layers_of_other_classes_are_named():
    network = ps.Network(ps.SquareLoss(LouderRelu(Doubled(ps.Data(shape=(None, 2))))))
    with pytest.raises(
        ValueError, match=r"cannot be written as ONNX: Doubled1 \(Doubled\), LouderRelu1 \(LouderRelu\)"
    ):
        network_to_onnx(network.layers, network.names, network.loss)
