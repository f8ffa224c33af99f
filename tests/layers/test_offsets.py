"""Normalisation of numbers that are far from 0, where float32 is coarse, on both paths."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data
from pysmorch.engine.extension import extension

PATHS = pytest.mark.parametrize(
    "engine",
    [pytest.param("native", marks=pytest.mark.skipif(extension() is None, reason="no extension")), "reference"],
)
RNG = np.random.default_rng(0)
LAYERS = {
    "Normalize": (lambda x: ps.Normalize(x, momentum=1.0), (0,), 1e-5),
    "LayerNormalize": (ps.LayerNormalize, (1,), 1e-5),
    "GroupNormalize": (lambda x: ps.GroupNormalize(x, 1), (1,), 1e-5),
}


def normalised(x, axes):
    """In float64, of the very numbers that float32 holds."""
    x = x.astype(np.float64)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)


@PATHS
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("offset", "spread"), [(0, 1), (1e6, 1), (-1e6, 3), (1e8, 100)])
def test_numbers_far_from_zero_are_normalised_as_those_around_it(engine, name, offset, spread):
    """The loss is half the mean square of what is left of the normalised numbers less the expected ones: none."""
    make, axes, _ = LAYERS[name]
    x = (offset + spread * RNG.normal(size=(64, 16))).astype(np.float32)
    expected = normalised(x, axes)
    output = ps.Bias(make(Data(shape=(None, 16))))
    output.W = np.zeros(output.W.shape)
    network = ps.Network(ps.SquareLoss(output))
    options = {"optimizer": ps.SGD(1e-30), "epochs": 1, "batch_size": 64, "seed": 0, "shuffle": False}
    loss = network.fit(x, expected, engine=engine, **options)["loss"][0]
    assert loss < 1e-8
    predict = "auto" if engine == "native" else engine
    found = network.predict(x, engine=predict)
    wanted = expected * np.sqrt(64 / 63) ** -1 if name == "Normalize" else expected
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@PATHS
@pytest.mark.parametrize("name", LAYERS)
def test_constant_columns_of_large_numbers_are_nothing_but_zero(engine, name):
    make, _, _ = LAYERS[name]
    output = ps.Bias(make(Data(shape=(None, 16))))
    output.W = np.zeros(output.W.shape)
    network = ps.Network(ps.SquareLoss(output))
    x = np.full((64, 16), 1e8, np.float32)
    options = {"optimizer": ps.SGD(1e-30), "epochs": 1, "batch_size": 64, "seed": 0}
    assert network.fit(x, np.zeros((64, 16)), engine=engine, **options)["loss"][0] == 0


def test_gradients_of_numbers_far_from_zero_are_those_of_float64():
    x = (1e6 + RNG.normal(size=(64, 16))).astype(np.float32)
    y = RNG.normal(size=(64, 16))
    gradients = {}
    for engine, dtype in (("auto", "float32"), ("reference", "float64")):
        first = ps.Scale(Data(shape=(None, 16)))
        scale = ps.Scale(ps.Normalize(first))
        network = ps.Network(ps.SquareLoss(ps.Bias(scale)))
        network.fit(
            x, y, optimizer=ps.SGD(1e-30), epochs=1, batch_size=64, seed=0, shuffle=False, engine=engine, dtype=dtype
        )
        gradients[engine] = scale.G
    np.testing.assert_allclose(gradients["auto"], gradients["reference"], rtol=1e-4, atol=1e-6)
