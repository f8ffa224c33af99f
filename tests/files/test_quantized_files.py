"""Models with weights of 8 bits in files."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.files import ModelFileError
from tests.files.test_model_files import rewritten, set_config, set_layer

X = np.random.default_rng(0).standard_normal((60, 6, 6, 2)).astype(np.float32)


def small_network():
    with ps.weights_from(0):
        x = ps.Relu(ps.Bias(ps.Conv2d(ps.Data(shape=(None, 6, 6, 2)), 32, 3)))
        network = ps.Network(ps.SquareLoss(ps.mlp(ps.Flatten(x), [64], 4)))
    network.fit(X, X[:, 0, 0, :].repeat(2, 1), epochs=1, progress=False)
    return network


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def test_a_file_is_a_quarter_of_the_size_and_predicts_the_same_bits(path):
    network = small_network()
    network.save(path)
    size = path.stat().st_size
    small = network.quantize(X)
    small.save(path)
    assert path.stat().st_size < 0.3 * size
    again = ps.load(path)
    assert again.predict(X).tobytes() == small.predict(X).tobytes()
    assert again.summary() == small.summary()
    with pytest.raises(ValueError, match="cannot be trained"):
        again.fit(X, X[:, 0, 0, :].repeat(2, 1))


SCALES = np.ones(32, np.float32)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("scales", np.ones(31, np.float32), "has shape \\(31,\\)"),
        ("in_scales", np.ones(3, np.float32), "has shape \\(3,\\)"),
        ("weights", np.ones((3, 3, 2, 32), np.float32), "expected int8"),
        ("weights", np.ones((3, 3, 2, 32), np.int64), "expected int8"),
        ("weights", np.ones((3, 3, 2, 31), np.int8), "has shape"),
        ("scales", np.ones(32, np.int8), "expected floats"),
        ("scales", SCALES * 0, "scales must be positive finite numbers, but one is 0.0"),
        ("scales", -SCALES, "scales must be positive finite numbers, but one is -1.0"),
        ("scales", SCALES * np.inf, "scales has values that are not finite"),
        ("scales", SCALES * np.nan, "scales has values that are not finite"),
        ("in_scales", SCALES[:2] * np.float32(1e-45), "in_scales must be positive finite numbers"),
    ],
)
def test_scales_and_weights_that_do_not_fit_are_refused(path, name, array, message):
    small_network().quantize(X).save(path)
    rewritten(path, lambda header: None, {f"QuantizedConv2d1.{name}": array})
    with pytest.raises(ModelFileError, match=message):
        ps.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_config(1, groups=2), "QuantizedConv2d has no argument groups"),
        (set_config(1, num_filters=2**30), "more than there are in the file"),
        (set_layer(1, type="Quantized"), "a layer of class 'Quantized'"),
        (set_layer(1, type="Conv2d"), "has no argument signed"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(path, change, message):
    small_network().quantize(X).save(path)
    rewritten(path, change)
    with pytest.raises(ModelFileError, match=message):
        ps.load(path)


def test_an_array_that_is_missing_is_named(path):
    small = small_network().quantize(X)
    header, tensors = small.to_parts()
    del tensors["QuantizedLinear1.scales"]
    with pytest.raises(ModelFileError, match=r"QuantizedLinear1\.scales is missing"):
        ps.Network.from_parts(header, tensors)
