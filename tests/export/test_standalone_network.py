"""Networks as C files and as Python files that need NumPy alone."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import models
from pysmorch.gradcheck.cases import LAYER_CASES
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.layers.arithmetic import OPERATIONS
from pysmorch.layers.axes import REDUCTIONS
from pysmorch.layers.functions import FUNCTIONS
from tests.export.examples import Doubled, LouderRelu, arrays_of, flat_network, predicted
from tests.export.standalone import as_numbers, load_python, needs_compiler, numbers_as_csv, run_c

TARGETS = [pytest.param("c", marks=needs_compiler), "py"]


def outputs_of(network, arrays, target, folder, **options):
    """Return what the file of a network predicts."""
    path = folder / f"net.{target}"
    network.export(path)
    if target == "py":
        return load_python(path)["predict"](*arrays)
    rows = np.concatenate([np.asarray(array, np.float32).reshape(len(array), -1) for array in arrays], axis=1)
    return as_numbers(run_c(path, numbers_as_csv(rows), **options)[1])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", LAYER_CASES)
def test_every_layer_gives_the_same_outputs(case, target, tmp_path):
    network = flat_network(LAYER_CASES[case]())
    arrays = arrays_of(network)
    found = outputs_of(network, arrays, target, tmp_path)
    np.testing.assert_allclose(found, predicted(network, arrays), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["lenet", "resnet20", "mobilenet_small"])
def test_whole_networks(name, target, tmp_path):
    rng = np.random.default_rng(1)
    images = rng.standard_normal((4, 16, 16, 3)).astype(np.float32)
    with ps.weights_from(3):
        network = ps.Network(ps.CrossEntropy(getattr(models, name)(ps.Data(shape=(None, 16, 16, 3)), 5)))
    network.fit(images, rng.integers(0, 5, 4), epochs=1, batch_size=2, seed=0, progress=False)
    found = outputs_of(network, [images], target, tmp_path)
    np.testing.assert_allclose(found, network.loss.predictions(network.predict(images)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_of_large_and_small_numbers(name, target, tmp_path):
    numbers = np.array([-1e30, -90.0, -50.0, -20.0, -1.0, -1e-3, -1e-30, 0.0, 1e-30, 1e-3, 1.0, 20.0, 50.0, 90.0, 1e30])
    numbers = np.concatenate([numbers, np.linspace(-9, 9, 181)]).astype(np.float32)[:, None]
    if name == "cos":
        numbers = np.clip(numbers, -1e5, 1e5)  # of larger ones each library has its own remainder
    network = ps.Network(ps.SquareLoss(ACTIVATIONS[name](ps.Data(shape=(None, 1)))))
    found = outputs_of(network, [numbers], target, tmp_path)
    np.testing.assert_allclose(found, network.predict(numbers), rtol=1e-5, atol=2e-7 if name == "cos" else 1e-30)


@pytest.mark.parametrize("target", TARGETS)
def test_functions_of_large_and_small_numbers(target, tmp_path):
    numbers = [-90.0, -1e-3, -1e-30, -0.0, 0.0, 1e-30, 1e-3, 0.5, 1.5, 2.5, -0.5, -1.5, 90.0]
    numbers = np.concatenate([numbers, np.linspace(-9, 9, 181)]).astype(np.float32)[:, None]
    x = ps.Data(shape=(None, 1))
    bounds = [(None, None), (-1.5, None), (None, 2.0), (-1.0, 3.0), (2.0, 1.0)]
    layers = [*(ps.Function(x, name) for name in FUNCTIONS), *(ps.Clip(x, low, high) for low, high in bounds)]
    network = ps.Network(ps.SquareLoss(ps.Concat(*layers)))
    with np.errstate(all="ignore"):
        found = outputs_of(network, [numbers], target, tmp_path)
        expected = network.predict(numbers)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("target", TARGETS)
def test_operations_with_repeated_axes(target, tmp_path):
    a, b = ps.Data(shape=(None, 2, 1, 3), name="a"), ps.Data(shape=(None, 1, 4, 3), name="b")
    layers = []
    for name in OPERATIONS:
        parameters = [ps.CombineParameter(a, name, (4, 1), parameter_first=first) for first in (False, True)]
        for layer in parameters:
            layer.W[...] = [[0.5], [1.0], [2.0], [3.0]]
        layers += [ps.Combine(a, b, operation=name), *parameters]
    network = ps.Network(ps.SquareLoss(ps.Concat(*(ps.Flatten(layer) for layer in layers))))
    rng = np.random.default_rng(6)
    arrays = [rng.uniform(0.5, 2, (5, *one.out_dims[1:])).astype(np.float32) for one in network.inputs]
    found = outputs_of(network, arrays, target, tmp_path)
    np.testing.assert_allclose(found, predicted(network, arrays), rtol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_reductions_of_some_and_of_all_axes(target, tmp_path):
    x = ps.Data(shape=(None, 2, 3, 4))
    layers = [
        ps.Reduce(x, name, axes, keep)
        for name in REDUCTIONS
        for axes in ([2], [3, 1], [1, 2, 3])
        for keep in (False, True)
    ]
    flat = [ps.Flatten(ps.Reshape(layer, (1,)) if len(layer.out_dims) == 1 else layer) for layer in layers]
    network = ps.Network(ps.SquareLoss(ps.Concat(*flat)))
    images = np.random.default_rng(7).standard_normal((5, 2, 3, 4)).astype(np.float32)
    found = outputs_of(network, [images], target, tmp_path)
    np.testing.assert_allclose(found, predicted(network, [images]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_products_of_repeated_matrices_and_moved_axes(target, tmp_path):
    a, b = ps.Data(shape=(None, 3, 1, 2, 4), name="a"), ps.Data(shape=(None, 1, 5, 4, 3), name="b")
    moved = ps.Transpose(ps.MatrixProduct(a, b), (4, 2, 1, 3))
    taken = ps.Take(ps.Pad(moved, [(0, 1), (2, 0), (0, 0), (1, 1)], -1.5), (3, 0, 0, 1), axis=1)
    network = ps.Network(ps.SquareLoss(ps.Flatten(ps.LogSoftmax(taken, [4, 2]))))
    rng = np.random.default_rng(8)
    arrays = [rng.standard_normal((4, *one.out_dims[1:])).astype(np.float32) for one in network.inputs]
    found = outputs_of(network, arrays, target, tmp_path)
    np.testing.assert_allclose(found, predicted(network, arrays), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("loss", [ps.CrossEntropy, ps.BinaryCrossEntropy, ps.PoissonLoss, ps.GammaLoss, ps.TweedieLoss])
def test_the_prediction_is_what_the_loss_makes_of_the_output(loss, target, tmp_path):
    rows = np.random.default_rng(2).standard_normal((5, 3)).astype(np.float32)
    network = ps.Network(loss(ps.mlp(ps.Data(shape=(None, 3)), [4], 3, seed=0)))
    expected = network.loss.predictions(network.predict(rows))
    np.testing.assert_allclose(outputs_of(network, [rows], target, tmp_path), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("target", TARGETS)
def test_branches_of_one_input_and_an_output_that_is_an_input(target, tmp_path):
    x = ps.Data(shape=(None, 4))
    h = ps.Relu(ps.Scale(ps.Bias(x)))
    network = ps.Network(ps.SquareLoss(ps.Add(ps.Multiply(h, x), ps.Tanh(h), h, ps.Bias(ps.Dropout(x, 0.5)))))
    rows = np.random.default_rng(3).standard_normal((6, 4)).astype(np.float32)
    np.testing.assert_allclose(outputs_of(network, [rows], target, tmp_path), network.predict(rows), rtol=1e-5)
    same = ps.Network(ps.SquareLoss(ps.Dropout(ps.Data(shape=(None, 4)), 0.5)))
    (tmp_path / f"net.{target}").unlink()
    np.testing.assert_allclose(outputs_of(same, [rows], target, tmp_path), rows, rtol=1e-8)


@pytest.mark.parametrize("width", [1, 7, 8, 15, 16, 17, 48, 64, 65, 100])
@needs_compiler
def test_dense_layers_and_convolutions_of_every_width(width, tmp_path):
    x = ps.Data(shape=(None, 3, 5, 2))
    joined = ps.Concat(ps.dense(ps.Flatten(x), width), ps.Flatten(ps.conv(x, width, 3)))
    network = ps.Network(ps.SquareLoss(joined))
    images = np.random.default_rng(4).standard_normal((2, 3, 5, 2)).astype(np.float32)
    np.testing.assert_allclose(
        outputs_of(network, [images], "c", tmp_path), network.predict(images), rtol=1e-5, atol=1e-5
    )


@needs_compiler
def test_an_index_that_is_none_ends_a_prediction(tmp_path):
    network = ps.Network(ps.SquareLoss(ps.Flatten(ps.Embedding(ps.Data(shape=(None, 2)), 3, 2))))
    network.export(tmp_path / "net.c")
    for text in ("0,3\n", "0,-1\n", "0,0.5\n", "0,\n"):
        with pytest.raises(AssertionError, match="line 1: an infinite number, or an index that is none"):
            run_c(tmp_path / "net.c", text)
    network.export(tmp_path / "net.py")
    with pytest.raises(ValueError, match="indices must be integers from 0 to 2"):
        load_python(tmp_path / "net.py")["predict"](np.array([[0, 3]]))


@pytest.mark.parametrize("target", ["c", "py"])
def test_layers_without_a_form_are_named_and_nothing_is_written(target, tmp_path):
    network = ps.Network(ps.SquareLoss(LouderRelu(Doubled(ps.Data(shape=(None, 2))))))
    with pytest.raises(ValueError, match=r"Doubled1 \(Doubled\), LouderRelu1 \(LouderRelu\)"):
        network.export(tmp_path / f"net.{target}")
    x = np.random.default_rng(5).standard_normal((8, 3)).astype(np.float32)
    quantized = ps.Network(ps.SquareLoss(ps.dense(ps.Data(shape=(None, 3)), 2))).quantize(x)
    with pytest.raises(ValueError, match=r"QuantizedLinear1 \(QuantizedLinear\) .* nor those with weights of 8 bits"):
        quantized.export(tmp_path / f"net.{target}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["c", "py", "onnx"])
def test_a_file_that_exists_stays_unless_it_may_be_replaced(target, tmp_path):
    network = ps.Network(ps.SquareLoss(ps.dense(ps.Data(shape=(None, 3)), 2)))
    path = tmp_path / f"net.{target}"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=f"net.{target} exists; .*overwrite=True"):
        network.export(path)
    assert path.read_bytes() == b"mine"
    network.export(path, overwrite=True)
    assert path.read_bytes() != b"mine"


@pytest.mark.parametrize("name", ["numpy.py", "NumPy.PY", "random.py", "cprofile.py", "pysmorch.py"])
def test_a_python_file_has_not_the_name_of_a_module_that_it_imports(name, tmp_path):
    network = ps.Network(ps.SquareLoss(ps.dense(ps.Data(shape=(None, 3)), 2)))
    with pytest.raises(
        ValueError, match=rf"{name} would be found in place of the module {name[:-3].lower()} .* choose"
    ):
        network.export(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    network.export(tmp_path / "numpy.onnx")
    network.export(tmp_path / "numpy_model.py")


@needs_compiler
@pytest.mark.parametrize("stem", ["9 lives", "日本", 'a"b*c', "int", "_", "x" * 100, "NULL", "a\nb"])
def test_names_of_files_begin_the_names_of_functions(stem, tmp_path):
    network = ps.Network(ps.SquareLoss(ps.dense(ps.Data(shape=(None, 3), name="*/ x"), 2)))
    network.export(tmp_path / f"{stem}.c")
    assert len(run_c(tmp_path / f"{stem}.c", "1,2,3\n")[1]) == 1


@pytest.mark.parametrize("target", ["c", "py"])
def test_a_folder_that_is_not_there_is_named(target, tmp_path):
    network = ps.Network(ps.SquareLoss(ps.dense(ps.Data(shape=(None, 3)), 2)))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        network.export(tmp_path / "nowhere" / f"net.{target}")


@pytest.mark.parametrize("target", TARGETS)
def test_weights_are_exact(target, tmp_path):
    network = ps.Network(ps.SquareLoss(ps.Scale(ps.Data(shape=(None, 6)))))
    smallest, largest = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
    network.layers[1].W[...] = [0.1, -1 / 3, smallest, largest, -0.0, 1e-20]
    found = outputs_of(network, [np.ones((1, 6), np.float32)], target, tmp_path)[0]
    assert found.astype(np.float32).tobytes() == network.layers[1].W[0].astype(np.float32).tobytes()
