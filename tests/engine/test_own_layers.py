"""Layers of the user's within the native program are called with each batch, and train as on the reference path."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.engine.extension import extension
from pysmorch.engine.lowering import unsupported_layers
from pysmorch.engine.native import step_memory

pytestmark = pytest.mark.skipif(
    "own" not in getattr(extension(), "operations", {}), reason="the native extension is not built, or an older one"
)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(70, 6)), np.arange(70) % 3
IMAGES = RNG.normal(size=(50, 6, 6, 2))


class MyRelu(ps.Layer):
    def compute(self, x):
        return np.maximum(x, 0)

    def pull_back(self, dwnstrm):
        return dwnstrm * (self.in_array > 0)


class Centred(ps.Layer):
    """Minus the mean over the batch: rows depend on each other."""

    def compute(self, x):
        self.seen = getattr(self, "seen", 0) + len(x)
        return x - x.mean(0)

    def pull_back(self, dwnstrm):
        return dwnstrm - dwnstrm.mean(0)


class Sums(ps.Layer):
    """The sum of neighbouring features: half as many."""

    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.out_dims = (*in_layer.out_dims[:-1], in_layer.out_dims[-1] // 2)

    def compute(self, x):
        return x[..., ::2] + x[..., 1::2]

    def pull_back(self, dwnstrm):
        return np.repeat(dwnstrm, 2, axis=-1)


class OtherRelu(ps.Relu):
    """Of the library's class, with another formula, which must not be fused as the library's."""

    def compute(self, x):
        return np.maximum(x, -1)

    def pull_back(self, dwnstrm):
        return dwnstrm * (self.in_array > -1)


def dense_net(*own):
    x = ps.dense(ps.Data(shape=(None, 6)), 8, activation=None)
    for cls in own:
        x = cls(x)
    return ps.Network(ps.CrossEntropy(ps.dense(x, 3, activation=None)))


def image_net(*own):
    x = ps.conv_norm(ps.Data(shape=(None, 6, 6, 2)), 4, activation=None)
    for cls in own:
        x = ps.Add(cls(x), x)
    return ps.Network(ps.CrossEntropy(ps.dense(ps.Flatten(x), 3, activation=None)))


NETWORKS = {
    "elementwise": lambda: dense_net(MyRelu),
    "with rows that depend on each other": lambda: dense_net(Centred),
    "of another size": lambda: dense_net(MyRelu, Sums),
    "a subclass of one that is fused": lambda: dense_net(OtherRelu),
    "in a branch, on images": lambda: image_net(MyRelu),
    "at the beginning": lambda: ps.Network(ps.CrossEntropy(ps.Linear(MyRelu(ps.Data(shape=(None, 6))), 3))),
    "at the end": lambda: ps.Network(ps.CrossEntropy(MyRelu(ps.Linear(ps.Data(shape=(None, 6)), 3)))),
}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_native_program_trains_as_the_reference_program(name, dtype, threads):
    found = []
    for engine in ("native", "reference"):
        np.random.seed(0)
        network = NETWORKS[name]()
        rows = IMAGES if "images" in name else X
        options = {"epochs": 3, "batch_size": 32, "seed": 0, "dtype": dtype, "engine": engine, "threads": threads}
        history = network.fit(rows, Y[: len(rows)], optimizer=ps.SGD(0.1), **options)
        found.append((history["loss"], *(W.copy() for W in network.parameters.values())))
    for native, reference in zip(*found, strict=True):
        np.testing.assert_allclose(native, reference, rtol=1e-3 if dtype == "float32" else 1e-9, atol=1e-5)


def test_the_bits_do_not_depend_on_the_threads():
    found = []
    for threads in (1, 2, 4):
        np.random.seed(0)
        network = image_net(MyRelu)
        network.fit(np.tile(IMAGES, (8, 3, 3, 1))[:, :6, :6], np.tile(Y[:50], 8), epochs=2, seed=0, threads=threads)
        found.append([W.tobytes() for W in network.parameters.values()])
    assert found[0] == found[1] == found[2]


def test_what_a_layer_stores_is_there_after_the_fit():
    network = dense_net(Centred)
    network.fit(X, Y, epochs=2, batch_size=32, seed=0, engine="native")
    assert network.layers[3].seen == 140


class Raises(MyRelu):
    """Raises in the fifth pass, forward or backward."""

    where = "forward"
    left = 4

    def _count(self, where):
        if where == type(self).where:
            type(self).left -= 1
            if type(self).left < 0:
                raise RuntimeError(f"not in {where}")

    def compute(self, x):
        self._count("forward")
        return super().compute(x)

    def pull_back(self, dwnstrm):
        self._count("backward")
        return super().pull_back(dwnstrm)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("where", ["forward", "backward"])
def test_an_exception_of_a_layer_ends_the_fit_after_the_steps_before(where, threads):
    def trained(engine):
        Raises.where, Raises.left = where, 4
        np.random.seed(0)
        x = Raises(ps.batch_norm(ps.Linear(ps.Data(shape=(None, 6)), 8)))
        network = ps.Network(ps.CrossEntropy(ps.Linear(x, 3)))
        with pytest.raises(RuntimeError, match=f"not in {where}"):
            network.fit(X, Y, epochs=3, batch_size=32, seed=0, engine=engine, threads=threads, optimizer=ps.SGD(0.1))
        return [W.copy() for W in network.parameters.values()] + [
            array.copy() for layer in network.layers for array in layer.state.values()
        ]

    for native, reference in zip(trained("native"), trained("reference"), strict=True):
        np.testing.assert_allclose(native, reference, rtol=1e-3, atol=1e-5)


class Wrong(MyRelu):
    def compute(self, x):
        return x[:, :-1]


def test_an_output_of_another_shape_is_named():
    with pytest.raises(ps.ShapeError, match=r"compute returned an output of shape \(32, 7\), expected \(32, 8\)"):
        dense_net(Wrong).fit(X, Y, batch_size=32, seed=0, engine="native")


class WithParameters(MyRelu):
    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.W = np.ones(1)


def test_layers_with_parameters_and_predictions_are_on_the_reference_path():
    assert (
        unsupported_layers(dense_net(WithParameters).layers, training=True) == "WithParameters has no native operation"
    )
    layers = dense_net(MyRelu).layers
    assert unsupported_layers(layers, training=True) is None
    assert unsupported_layers(layers) == "MyRelu has no native operation"


def test_the_memory_of_a_step_is_known():
    with_own, without = dense_net(MyRelu), dense_net()
    assert step_memory(with_own.layers, with_own.loss, 32) > step_memory(without.layers, without.loss, 32)
