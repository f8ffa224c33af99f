"""Every layer of the contract suite, traced, against what it computes in NumPy."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.gradcheck.cases import LAYER_CASES
from pysmorch.layers.dense import data_layers
from pysmorch.layers.graph import graph

jax = pytest.importorskip("jax", reason="JAX is not installed")

from pysmorch.engine.jax.functions import rules_for  # noqa: E402
from pysmorch.engine.jax.passes import Passes, as_numpy_computes  # noqa: E402

SEED, STEP = 77, 2**33 + 5
"""Of random layers; the step needs both halves of its 64 bits."""

OF_CONVOLUTIONS = [name for name in LAYER_CASES if name.startswith("Conv")]


def made(name):
    with ps.weights_from(3):
        layer = LAYER_CASES[name]()
    for stream, one in enumerate(graph(layer), start=1):
        if hasattr(one, "stream"):
            one.seed, one.stream, one.step = SEED, stream, STEP
    return layer


def in_numpy(layer):
    """Output, gradients, G and states of a layer, by the reference path."""
    found = [layer.forward()]
    layer.backward(dwnstrm_of(found[0]))
    passed = layer.pass_back if isinstance(layer.pass_back, tuple) else (layer.pass_back,)
    found += [part for part in passed if part is not None]
    found += [layer.G] if layer.has_parameters else []
    return found + [array for one in graph(layer) for array in one.state.values()]


def dwnstrm_of(out):
    return np.random.default_rng(1).standard_normal(out.shape)


def traced(layer, rules):
    """The same as a function that JAX can trace."""
    passes = Passes(graph(layer), np.float64, rules, training=layer.training)
    inputs = passes.arrays_of([data.data for data in data_layers(passes.layers)])
    dwnstrm = dwnstrm_of(np.empty((len(inputs[0]), *layer.out_dims[1:])))

    def run(step):
        layers = passes.begin([layer.W] if layer.has_parameters else [], passes.states())
        passes.set_random(layers, SEED, step, [])
        out = passes.forward(layers, [jax.numpy.asarray(array) for array in inputs])
        passed = layers[-1].pull_back(passes.array(dwnstrm))
        passed = passed if isinstance(passed, tuple) else (passed,)
        gradients = passes.backward(layers, passes.array(dwnstrm))
        states = [getattr(one, name).value for one in layers for name in one.state_names]
        return [
            out.value,
            *(passes.array(getattr(part, "value", part)).value for part in passed if part is not None),
            *gradients,
            *states,
        ]

    return run


def all_of(names, platform):
    """What the layers compute, in one program: to compile one for each takes a minute."""
    runs = {name: traced(made(name), rules_for(platform, bf16=False)) for name in names}
    with as_numpy_computes():
        found = jax.jit(lambda step: {name: run(step) for name, run in runs.items()})(np.int64(STEP))
        return jax.tree.map(np.asarray, found)


@pytest.fixture(scope="module")
def on_a_cpu():
    return all_of(LAYER_CASES, "cpu")


@pytest.fixture(scope="module")
def as_on_a_gpu():
    """Convolutions as they are computed where there is a GPU."""
    return all_of(OF_CONVOLUTIONS, "gpu")


def assert_agree(found, name):
    expected = in_numpy(made(name))
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", LAYER_CASES)
def test_a_traced_layer_computes_what_it_computes_in_numpy(name, on_a_cpu):
    assert_agree(on_a_cpu[name], name)


@pytest.mark.parametrize("name", OF_CONVOLUTIONS)
def test_convolutions_of_xla_are_those_of_the_layers(name, as_on_a_gpu):
    assert_agree(as_on_a_gpu[name], name)
