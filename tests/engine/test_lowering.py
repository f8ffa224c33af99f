"""What the native engine is told about layers."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data
from pysmorch.engine.lowering import Lowering, why_not_layers
from pysmorch.layers.base import graph

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


def test_dropout_of_channels_is_not_mistaken_for_plain_dropout():
    assert why_not_layers(graph(ps.Dropout(IMAGES, 0.5))) is None
    assert why_not_layers(graph(ps.Dropout(IMAGES, 0.5, True))) == "Dropout of channels has no native operation"
