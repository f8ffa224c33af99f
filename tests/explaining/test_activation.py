"""Where a network finds a class, for networks whose gradients are known by hand."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.explaining.activation import class_activation
from pysmorch.explaining.heads import scaled

HEAD = scaled(np.zeros(1), np.ones(1))
IMAGES = np.array([[[[1.0], [2.0]], [[0.0], [4.0]]]])


def network(weights):
    """The mean of the pixels times a weight, for each of two outputs."""
    convolution = ps.Conv2d(ps.Data(shape=(None, 2, 2, 1)), 1, 1)
    convolution.W[...] = 1.0
    output = ps.Linear(ps.GlobalAvgPool2d(convolution), 2)
    output.W[...] = weights
    return ps.Network(ps.CrossEntropy(output))


@pytest.mark.parametrize(("which", "expected"), [(0, [[0.25, 0.5], [0.0, 1.0]]), (1, [[0.0, 0.0], [0.0, 0.0]])])
def test_pixels_count_by_what_they_do_for_the_output(which, expected):
    model = network([[3.0, -3.0]])
    before = model.output.W.copy()
    found = class_activation(model, IMAGES, np.array([which]), HEAD)
    np.testing.assert_allclose(found, [expected])
    np.testing.assert_array_equal(model.output.W, before)


def test_without_a_convolution_there_is_nothing():
    output = ps.Linear(ps.Flatten(ps.Data(shape=(None, 2, 2, 1))), 2)
    assert class_activation(ps.Network(ps.CrossEntropy(output)), IMAGES, np.array([0]), HEAD) is None


def test_of_a_convolution_that_others_are_added_to_there_is_nothing():
    data = ps.Data(shape=(None, 2, 2, 1))
    both = ps.Add(ps.Flatten(ps.Conv2d(data, 1, 1)), ps.Flatten(data))
    assert class_activation(ps.Network(ps.CrossEntropy(ps.Linear(both, 2))), IMAGES, np.array([0]), HEAD) is None
