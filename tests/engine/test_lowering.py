"""What the native engine is told about layers."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data
from pysmorch.engine.lowering import Lowering, unsupported_layers
from pysmorch.layers.graph import graph

IMAGES = Data(shape=(None, 5, 4, 6))


def numbers_of(layer):
    """The numbers of the operation of a layer, which is the last one."""
    return Lowering(graph(layer), layer).operations[-1]["numbers"]


@pytest.mark.parametrize(
    "layer",
    [
        ps.Conv2d(IMAGES, 4, 3, stride=(2, 1), groups=2),
        ps.MaxPool2d(IMAGES),
        ps.Pad2d(IMAGES, 1),
        ps.RandomShift(IMAGES, 3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_an_operation_is_told_the_geometry_of_its_layer_as_numbers(layer):
    assert layer.geometry
    assert layer.geometry.items() <= numbers_of(layer).items()
    assert all(type(value) is float for value in numbers_of(layer).values())


def test_an_operation_is_told_the_numbers_of_its_layer_and_nothing_that_is_none():
    assert numbers_of(ps.Dropout(IMAGES, 0.25, channelwise=True)) == {"rate": 0.25, "channelwise": 1.0}
    assert numbers_of(ps.Rescale(IMAGES, np.float32(0.5), -1)) == {"scale": 0.5, "shift": -1.0}
    assert numbers_of(ps.GroupNormalize(IMAGES, 3, 0.1)) == {"num_groups": 3.0, "epsilon": 0.1}
    relu = ps.Relu(IMAGES)
    relu.scale, relu.slope = np.ones(3), "steep"
    assert numbers_of(relu) == {}


def test_the_extension_says_which_operations_it_has():
    class Unknown(ps.Layer):
        native = "something_else"

    assert unsupported_layers([Unknown(IMAGES)]) == "Unknown has no native operation"


@pytest.mark.parametrize("make", [ps.Dropout, ps.RandomShift, ps.RandomFlip, lambda x: ps.Cutout(x, 2)])
def test_what_does_nothing_in_prediction_is_left_out_of_it(make):
    relu = ps.Relu(make(IMAGES))
    assert [o["kind"] for o in Lowering(graph(relu), relu, training=False).operations] == ["relu"]
    assert len(Lowering(graph(relu), relu).operations) == 2


def test_a_normalisation_takes_in_what_follows_it():
    entrance = ps.Conv2d(IMAGES, 6, 3)
    out = ps.Relu(ps.Add(ps.batch_norm(ps.Conv2d(entrance, 6, 3)), entrance))
    assert [o["kind"] for o in Lowering(graph(out), out).operations] == ["conv2d", "conv2d", "normalize"]
    # A value that somebody else looks at stays a value of its own.
    normalized = ps.Normalize(IMAGES)
    out = ps.Add(ps.Scale(normalized), normalized)
    assert [o["kind"] for o in Lowering(graph(out), out).operations] == ["normalize", "scale", "add"]
    twice = ps.batch_norm(entrance)
    out = ps.Add(twice, twice)
    assert [o["kind"] for o in Lowering(graph(out), out).operations] == ["conv2d", "normalize", "add"]
