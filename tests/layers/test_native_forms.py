"""What layers declare about their native form, and what the extension says of its operations, is the same."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.engine.extension import extension
from pysmorch.engine.lowering import Lowering
from pysmorch.gradcheck.cases import LAYER_CASES
from pysmorch.layers import quantized
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.layers.graph import graph

pytestmark = pytest.mark.skipif(extension() is None, reason="the native extension is not built")

LAYERS = {name: layer for name, make in LAYER_CASES.items() if (layer := make()).native}
"""A layer without a native operation has nothing to agree with; its networks run on the reference path."""


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_declares_what_its_native_operation_takes(name):
    layer = LAYERS[name]
    if layer.is_view:
        assert layer.native not in extension().operations
        return
    taken = extension().operations[layer.native]
    least, most = taken["inputs"]
    assert least <= len(layer.in_layers) <= most
    assert sorted(taken["attributes"]) == sorted(layer.native_attributes)
    assert tuple(taken["fuses"]) == layer.fuses
    assert taken["parameters"] == (["weights"] if layer.has_parameters else [])
    assert taken["reads_indices"] == layer.reads_indices


def test_each_native_operation_belongs_to_a_layer_but_that_which_calls_those_of_the_user():
    trained = {layer.native for layer in LAYERS.values() if not layer.is_view}
    assert set(extension().operations) - {"own"} == trained | {
        getattr(quantized, name).native for name in quantized.__all__
    }


def test_the_activations_that_an_operation_may_include_are_those_of_the_extension():
    declared = {name for name, cls in ACTIVATIONS.items() if cls.fused_as == "activation"}
    assert declared == set(extension().fusable_activations)
    assert all(layer.fused_as != "activation" or layer.native in declared for layer in LAYERS.values())


@pytest.mark.parametrize("name", [name for name in LAYERS if name.endswith("in prediction")])
def test_what_is_the_identity_in_prediction_says_so(name):
    layer = LAYERS[name]
    unchanged = layer.forward().shape == layer.in_array.shape and bool((layer.forward() == layer.in_array).all())
    assert layer.identity_in_prediction == unchanged


def test_the_activations_are_listed_by_the_names_of_their_operations():
    assert {"relu", "leaky_relu", "sigmoid", "tanh", "gelu", "silu", "mish", "selu", "cos", "smooth_clip"} <= set(
        ACTIVATIONS
    )
    assert all(cls.native in (name, None) for name, cls in ACTIVATIONS.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": []}, "linear has another number of inputs"),
        ({"inputs": [0, 0]}, "linear has another number of inputs"),
        ({"parameters": {}}, "linear needs weights"),
        ({"parameters": {"scale": "bias"}}, "linear takes no scale"),
        ({"activation": "gelu"}, "linear cannot include the activation gelu"),
        ({"kind": "leaky_relu", "parameters": {}}, "leaky_relu needs slope"),
    ],
    ids=str,
)
def test_a_description_that_is_not_as_the_signature_is_refused(change, message):
    linear = ps.Linear(ps.Data(shape=(None, 3)), 3)
    linear.replace_parameters(linear.W.astype("float32"))
    described = Lowering(graph(linear), linear)
    (operation,) = described.operations
    if change.get("parameters"):
        change = {"parameters": operation["parameters"] | {"scale": linear.W[:1]}}
    loss = {"kind": "square_loss", "value": 1, "attributes": {}}
    with pytest.raises(ValueError, match=message):
        extension().Program32(described.values, [operation | change], described.inputs, loss).memory(1, 1)


def test_operations_may_share_parameters_in_prediction():
    W = np.random.default_rng(0).standard_normal((3, 3)).astype(np.float32)
    value = {"shape": [3], "needs_grad": True, "is_index": False}
    linear = Lowering(graph(shared := ps.Linear(ps.Data(shape=(None, 3)), 3)), shared).operations[0]
    operations = [linear | {"parameters": {"weights": W}, "inputs": [i], "output": i + 1} for i in range(2)]
    loss = {"kind": "square_loss", "value": 2, "attributes": {}}
    program = extension().Program32([value] * 3, operations, [0], loss)
    x, out = np.eye(3, dtype=np.float32), np.zeros((3, 3), np.float32)
    assert program.predict([x], out, 1)
    np.testing.assert_allclose(out, W @ W, rtol=1e-5, atol=1e-6)
