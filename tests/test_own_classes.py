"""Natural ways to write a layer of one's own, under `check`, `Network.fit` and `grade`: each is right, or gets one clear sentence."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, check
from pysmorch.teach import grade

X = np.random.default_rng(0).standard_normal((6, 3))
Y = np.random.default_rng(1).standard_normal((6, 2))


class PlainRelu:
    """As in the seed."""

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims

    def forward(self):
        self.x = self.in_layer.forward()
        return np.maximum(self.x, 0)

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.x > 0))


class PlainLinear:
    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        self.out_dims = (in_layer.out_dims[0], num_out_features)
        self.W = np.random.randn(in_layer.out_dims[1], num_out_features)

    def forward(self):
        self.x = self.in_layer.forward()
        return self.x @ self.W

    def backward(self, dwnstrm):
        self.G = self.x.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class SlotsRelu:
    __slots__ = ("__x", "in_layer", "out_dims")

    def __init__(self, in_layer):
        self.in_layer, self.out_dims = in_layer, in_layer.out_dims

    def forward(self):
        self.__x = self.in_layer.forward()
        return np.maximum(self.__x, 0)

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.__x > 0))


class SlotsLinear(PlainLinear):
    __slots__ = ()


class AllSlotsLinear:
    __slots__ = ("G", "W", "in_layer", "out_dims", "x")
    __init__ = PlainLinear.__init__
    forward = PlainLinear.forward
    backward = PlainLinear.backward


class Properties:
    """None of its attributes can be assigned from outside."""

    def __init__(self, in_layer, num_out_features):
        self._in_layer, self._size, self._G = in_layer, num_out_features, None
        self._W = np.random.randn(in_layer.out_dims[1], num_out_features)

    @property
    def in_layer(self):
        return self._in_layer

    @property
    def out_dims(self):
        return (self._in_layer.out_dims[0], self._size)

    @property
    def W(self):
        return self._W

    @property
    def G(self):
        return self._G

    def forward(self):
        self._x = self._in_layer.forward()
        return self._x @ self._W

    def backward(self, dwnstrm):
        self._G = self._x.T @ dwnstrm
        self._in_layer.backward(dwnstrm @ self._W.T)


class InADict:
    """Parameters and gradients are in dictionaries."""

    def __init__(self, in_layer, num_out_features):
        self.in_layer, self.out_dims = in_layer, (in_layer.out_dims[0], num_out_features)
        self.parameters = {"W": np.random.randn(in_layer.out_dims[1], num_out_features)}
        self.gradients = {}

    W = property(lambda self: self.parameters["W"])
    G = property(lambda self: self.gradients["W"])

    def forward(self):
        self.x = self.in_layer.forward()
        return self.x @ self.parameters["W"]

    def backward(self, dwnstrm):
        self.gradients["W"] = self.x.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.parameters["W"].T)


@dataclass
class DataclassRelu:
    in_layer: Any
    x: Any = None

    @property
    def out_dims(self):
        return self.in_layer.out_dims

    forward = PlainRelu.forward
    backward = PlainRelu.backward


@dataclass(slots=True)
class SlotsDataclass:
    in_layer: Any
    W: Any = None
    G: Any = None
    out_dims: Any = None

    def __post_init__(self):
        self.out_dims = self.in_layer.out_dims
        self.W = np.zeros((1, self.out_dims[1]))

    def forward(self):
        return self.in_layer.forward() + self.W

    def backward(self, dwnstrm):
        self.G = dwnstrm.sum(0, keepdims=True)
        self.in_layer.backward(dwnstrm)


@dataclass(frozen=True)
class FrozenDataclass:
    in_layer: Any
    stored: Any = field(default_factory=dict)

    @property
    def out_dims(self):
        return self.in_layer.out_dims

    @property
    def W(self):
        return self.stored.setdefault("W", np.ones((1, self.out_dims[1])))

    @property
    def G(self):
        return self.stored["G"]

    def forward(self):
        self.stored["x"] = self.in_layer.forward()
        return self.stored["x"] * self.W

    def backward(self, dwnstrm):
        self.stored["G"] = (dwnstrm * self.stored["x"]).sum(0, keepdims=True)
        self.in_layer.backward(dwnstrm * self.W)


@dataclass(eq=False)
class DataclassOfLayer(ps.Layer):
    source: Any
    factor: float = 2.0

    def __post_init__(self):
        super().__init__(self.source)

    def compute(self, x):
        return self.factor * x

    def pull_back(self, dwnstrm):
        return self.factor * dwnstrm


class AnyName:
    """Its input layer has another name."""

    def __init__(self, source):
        self.source, self.out_dims = source, source.out_dims

    def forward(self):
        self.y = np.tanh(self.source.forward())
        return self.y

    def backward(self, dwnstrm):
        self.source.backward(dwnstrm * (1 - self.y**2))


class Block:
    """Holds layers of its own and runs the last of them."""

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.linear = ps.Linear(in_layer, 3)
        self.bias = ps.Bias(self.linear)
        self.out = ps.Tanh(self.bias)
        self.out_dims = self.out.out_dims

    def forward(self):
        return self.out.forward()

    def backward(self, dwnstrm):
        self.out.backward(dwnstrm)


class BlockOfLayer(ps.Layer):
    """Only the last of its layers is an attribute."""

    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.out = ps.Tanh(ps.Bias(ps.Linear(in_layer, 3)))
        self.out_dims = self.out.out_dims

    def forward(self):
        return self.out.forward()

    def backward(self, dwnstrm=1.0):
        self.out.backward(dwnstrm)


class BlockInAList:
    def __init__(self, in_layer):
        self.in_layer, self.layers, last = in_layer, [], in_layer
        for size in (3, 4):
            self.layers += [ps.Linear(last, size), PlainRelu(in_layer)]
            self.layers[-1].in_layer = self.layers[-2]
            self.layers[-1].out_dims = self.layers[-2].out_dims
            last = self.layers[-1]
        self.out_dims = last.out_dims

    def forward(self):
        return self.layers[-1].forward()

    def backward(self, dwnstrm):
        self.layers[-1].backward(dwnstrm)


class BlockOfBlocks:
    def __init__(self, in_layer):
        self.in_layer, self.first = in_layer, Block(in_layer)
        self.second = Block(self.first)
        self.sum = ps.Add(self.first, self.second)
        self.out_dims = self.sum.out_dims

    def forward(self):
        return self.sum.forward()

    def backward(self, dwnstrm):
        self.sum.backward(dwnstrm)


class Residual:
    """Adds its input to what its own layers make of it."""

    def __init__(self, in_layer):
        self.in_layer, self.out_dims = in_layer, in_layer.out_dims
        self.body = ps.Linear(ps.Tanh(PlainLinear(in_layer, 5)), in_layer.out_dims[1])

    def forward(self):
        return self.in_layer.forward() + self.body.forward()

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm)
        self.body.backward(dwnstrm)


class BlockWithOwnData:
    """Its layers read from a Data layer of its own, which it sets in each pass."""

    def __init__(self, in_layer):
        self.in_layer, self.data = in_layer, Data(shape=in_layer.out_dims)
        self.linear = ps.Linear(self.data, 3)
        self.out = ps.Tanh(self.linear)
        self.out_dims = self.out.out_dims

    def forward(self):
        self.data.set_data(self.in_layer.forward())
        return self.out.forward()

    def backward(self, dwnstrm):
        self.out.backward(dwnstrm)
        self.in_layer.backward(self.linear.pass_back)


class Module:
    """A linear map that takes its input as an argument."""

    def __init__(self, rows, columns):
        self.W = np.random.randn(rows, columns)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dwnstrm):
        self.G = self.x.T @ dwnstrm
        return dwnstrm @ self.W.T


class BlockOfModules:
    def __init__(self, in_layer):
        self.in_layer, self.out_dims = in_layer, (in_layer.out_dims[0], 2)
        self.modules = [Module(in_layer.out_dims[1], 5), Module(5, 2)]

    def forward(self):
        x = self.in_layer.forward()
        for module in self.modules:
            x = module.forward(x)
        return x

    def backward(self, dwnstrm):
        for module in reversed(self.modules):
            dwnstrm = module.backward(dwnstrm)
        self.in_layer.backward(dwnstrm)


class Product:
    """Two inputs under names of their own."""

    def __init__(self, left, right):
        self.left, self.right, self.out_dims = left, right, left.out_dims

    def forward(self):
        self.a, self.b = self.left.forward(), self.right.forward()
        return self.a * self.b

    def backward(self, dwnstrm):
        self.left.backward(dwnstrm * self.b)
        self.right.backward(dwnstrm * self.a)


class Gated(Product):
    """One of two inputs is called in_layer."""

    def __init__(self, in_layer, gate):
        self.in_layer, self.gate, self.out_dims = in_layer, gate, in_layer.out_dims

    left = property(lambda self: self.in_layer)
    right = property(lambda self: self.gate)


class SumOfAll:
    def __init__(self, sources):
        self.in_layers, self.out_dims = list(sources), sources[0].out_dims

    def forward(self):
        return sum(layer.forward() for layer in self.in_layers)

    def backward(self, dwnstrm):
        for layer in self.in_layers:
            layer.backward(dwnstrm)


class OwnDropout(PlainRelu):
    def forward(self):
        x = self.in_layer.forward()
        self.x = (np.random.rand(*x.shape) > 0.3) - 0.5
        return x * (self.x > 0)


class OwnNoise(PlainRelu):
    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.rng = np.random.default_rng(0)

    def forward(self):
        self.x = self.in_layer.forward() + self.rng.normal(size=self.out_dims[1])
        return np.maximum(self.x, 0)


class Linked(PlainRelu):
    """Tells its input layer who reads it."""

    def __init__(self, in_layer):
        super().__init__(in_layer)
        in_layer.reader = self


class OneSlope(PlainRelu):
    """Its only parameter is an array without axes."""

    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.W = np.array(0.25)

    def forward(self):
        self.x = self.in_layer.forward()
        return np.where(self.x > 0, self.x, self.W * self.x)

    def backward(self, dwnstrm):
        self.G = np.sum(np.where(self.x > 0, 0, self.x) * dwnstrm)
        self.in_layer.backward(np.where(self.x > 0, dwnstrm, self.W * dwnstrm))


class IntegerFactors(PlainRelu):
    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.W = np.arange(1, 1 + in_layer.out_dims[1])

    def forward(self):
        self.x = self.in_layer.forward()
        return self.x * self.W

    def backward(self, dwnstrm):
        self.G = (self.x * dwnstrm).sum(0)
        self.in_layer.backward(dwnstrm * self.W)


class Optional(PlainRelu):
    def backward(self, dwnstrm=None, **options):
        super().backward(dwnstrm)


class Loud:
    """A mixin."""

    def forward(self):
        self.said = "forward"
        return super().forward()


class LoudRelu(Loud, ps.Relu):
    pass


class LoudPlainRelu(Loud, PlainRelu):
    pass


class Float32Linear(PlainLinear):
    def forward(self):
        self.x = self.in_layer.forward().astype(np.float32)
        return self.x @ self.W.astype(np.float32)


def linear(cls):
    return lambda x: cls(x, 4)


def two(cls):
    return lambda x: cls(ps.Tanh(x), ps.Linear(x, x.out_dims[1]))


RIGHT = {
    "the seed's way": (PlainRelu, "Relu"),
    "the seed's way, with parameters": (linear(PlainLinear), PlainLinear, "Linear"),
    "slots": (SlotsRelu, "Relu"),
    "slots in a subclass": (linear(SlotsLinear), SlotsLinear, "Linear"),
    "slots, with parameters": (linear(AllSlotsLinear), AllSlotsLinear, "Linear"),
    "properties": (linear(Properties), Properties, "Linear"),
    "parameters in a dictionary": (linear(InADict), InADict, "Linear"),
    "a dataclass": (DataclassRelu, "Relu"),
    "a dataclass with slots": (SlotsDataclass, "Bias"),
    "a frozen dataclass": (FrozenDataclass, None),
    "a dataclass that is a Layer": (DataclassOfLayer, None),
    "an input of any name": (AnyName, None),
    "a block": (Block, None),
    "a block that is a Layer": (BlockOfLayer, None),
    "a block in a list": (BlockInAList, None),
    "a block of blocks": (BlockOfBlocks, None),
    "a residual block": (Residual, None),
    "two inputs": (two(Product), None),
    "two inputs, one from the other": (lambda x: Product(x, ps.Tanh(ps.Linear(x, 3))), None),
    "the same input twice": (lambda x: Product(x, x), None),
    "an in_layer and another input": (two(Gated), None),
    "inputs in a list": (lambda x: SumOfAll([ps.Tanh(x), x, ps.Linear(x, 3)]), None),
    "random numbers of NumPy": (OwnDropout, None),
    "random numbers of a generator": (OwnNoise, None),
    "a link to the reader": (Linked, "Relu"),
    "a single parameter": (OneSlope, None),
    "integers as parameters": (IntegerFactors, None),
    "a backward with defaults": (Optional, "Relu"),
    "a mixin on a layer": (LoudRelu, "Relu"),
    "a mixin on a plain class": (LoudPlainRelu, "Relu"),
    "float32 inside": (linear(Float32Linear), Float32Linear, "Linear"),
}
"""How each is made, its class, and as what it is graded."""


def network_with(make):
    np.random.seed(0)
    return ps.Network(ps.SquareLoss(ps.Linear(make(ps.Linear(Data(shape=(None, 3)), 3)), 2)))


@pytest.mark.parametrize("name", RIGHT)
def test_it_is_checked_alone_and_in_a_network(name):
    make = RIGHT[name][0]
    np.random.seed(0)
    alone = check(make(Data(X)))
    assert alone.passed, str(alone)
    within = check(ps.SquareLoss(ps.Linear(ps.Tanh(make(ps.Linear(Data(X), 3))), 2), Y))
    assert within.passed, str(within)
    assert {("Data1", "input"), ("Linear1", "W")} <= {(row.layer, row.what) for row in within}


@pytest.mark.parametrize("name", RIGHT)
def test_a_fit_trains_all_of_it_and_lowers_the_loss(name):
    network = network_with(RIGHT[name][0])
    before = {key: np.array(W, dtype=np.float32) for key, W in network.parameters.items()}
    losses = network.fit(X, Y, epochs=20, batch_size=6, optimizer=ps.Adam(0.01), seed=0)["loss"]
    for key, W in network.parameters.items():
        assert (before[key] != W).any(), f"{key} was not trained"
    if "random" not in name:
        assert losses[-1] < losses[0]
    assert network.predict(X).shape == (6, 2)


@pytest.mark.parametrize("name", [name for name, entry in RIGHT.items() if entry[-1]])
def test_it_gets_all_points(name):
    *_, cls, graded_as = RIGHT[name]
    report = grade(cls, graded_as)
    assert report.passed, str(report)


def test_the_layers_of_a_block_are_layers_of_the_network():
    network = network_with(Block)
    assert network.names == ["Data1", "Linear1", "Linear2", "Bias1", "Tanh1", "Block1", "Linear3"]
    plain = network_with(lambda x: ps.Tanh(ps.Bias(ps.Linear(x, 3))))
    for made in (network, plain):
        made.fit(X, Y, epochs=3, seed=0, engine="reference")
    np.testing.assert_array_equal(network.predict(X, engine="reference"), plain.predict(X, engine="reference"))


def test_a_block_cannot_be_saved_and_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"BlockOfLayer1 cannot be saved: it holds layers besides its in_layers"):
        network_with(BlockOfLayer).save(tmp_path / "m.safetensors")


@pytest.mark.parametrize(("cls", "held"), [(BlockWithOwnData, "Linear"), (BlockOfModules, "Module, Module")])
def test_a_block_whose_parameters_are_not_in_the_network_is_checked_and_not_trained(cls, held):
    report = check(cls(Data(X)))
    assert report.passed, str(report)
    assert f"{cls.__name__}1.{held.split(',')[0]}1" in {row.layer for row in report}
    network = network_with(cls)
    with pytest.raises(
        ValueError, match=f"{cls.__name__}1 cannot be trained: it holds {held}, whose parameters are in no"
    ):
        network.fit(X, Y, epochs=1)


def test_parameters_that_are_not_meant_to_be_trained_may_be_held():
    network = network_with(BlockWithOwnData)
    frozen = network.layers[2].linear
    frozen.lr_factor = 0
    before = frozen.W.copy()
    network.fit(X, Y, epochs=1)
    np.testing.assert_array_equal(frozen.W, before)


def test_a_wrong_gradient_in_a_module_of_a_block_is_found():
    class Forgetful(BlockOfModules):
        def backward(self, dwnstrm):
            super().backward(dwnstrm)
            self.modules[1].G = 2 * self.modules[1].G

    report = check(Forgetful(Data(X)))
    wrong = [row for row in report if not row.passed]
    assert [(row.layer, row.what) for row in wrong] == [("Forgetful1.Module2", "W")]
    assert "a factor of 2" in wrong[0].message


class ChangesInput(PlainRelu):
    def forward(self):
        self.x = self.in_layer.forward()
        self.x[self.x < 0] = 0
        return self.x


class ChangesInputLater(PlainRelu):
    def backward(self, dwnstrm):
        self.x *= 2
        super().backward(dwnstrm)


class ChangesGradient(PlainRelu):
    def backward(self, dwnstrm):
        dwnstrm[self.x <= 0] = 0
        self.in_layer.backward(dwnstrm)


class ChangesInputInCompute(ps.Layer):
    def compute(self, x):
        np.tanh(x, out=x)
        return x

    def pull_back(self, dwnstrm):
        return dwnstrm * (1 - self.out_array**2)


class Descends(ps.Bias):
    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        self.W -= 0.1 * self.G


class ReturnsNothing(PlainRelu):
    def forward(self):
        self.x = self.in_layer.forward()


class ReturnsGradient(PlainRelu):
    def backward(self, dwnstrm):
        return dwnstrm * (self.x > 0)


class PassesNothingBack(PlainRelu):
    def backward(self, dwnstrm):
        self.pass_back = dwnstrm * (self.x > 0)


class SumsRows(PlainRelu):
    def backward(self, dwnstrm):
        self.in_layer.backward((dwnstrm * (self.x > 0)).sum(0, keepdims=True))


class Twice(PlainRelu):
    def backward(self, dwnstrm):
        super().backward(2 * dwnstrm)


class Raises(PlainRelu):
    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm @ np.ones((7, 7)))


class GlobalNoise(PlainRelu):
    generator = np.random.default_rng(0)

    def forward(self):
        self.x = self.in_layer.forward() + self.generator.normal(size=self.out_dims[1])
        return np.maximum(self.x, 0)


class MadeAnew(PlainLinear):
    def __init__(self, in_layer):
        self.V = np.random.randn(in_layer.out_dims[1], 3)
        self.in_layer, self.out_dims = in_layer, in_layer.out_dims

    W = property(lambda self: 2 * self.V)


class WithoutG(PlainLinear):
    def __init__(self, in_layer):
        super().__init__(in_layer, 3)

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm @ self.W.T)


WRONG = {
    ChangesInput: "forward changed its input array in place",
    ChangesInputLater: "backward changed its input array in place",
    ChangesGradient: "backward changed dwnstrm in place",
    ChangesInputInCompute: "forward changed its input array in place",
    Descends: "backward changed W; only the optimizer does that",
    ReturnsNothing: "forward returns nothing (None)",
    ReturnsGradient: "backward returns a value, but calls backward of no input layer",
    PassesNothingBack: "Everything found is 0",
    SumsRows: "the gradient with respect to its input has shape (1, 3), but its input has (6, 3)",
    Twice: "a factor of 2",
    Raises: "ValueError was raised in backward",
    GlobalNoise: "nothing was compared: forward returns other numbers each time",
    MadeAnew: "nothing was compared: W is another array each time that it is read",
    WithoutG: "backward sets no G",
}


@pytest.mark.parametrize("cls", WRONG, ids=lambda cls: cls.__name__)
def test_the_layer_at_fault_is_told_alone_and_in_a_network(cls):
    np.random.seed(0)
    report = check(cls(Data(X)))
    assert not report.passed
    assert any(message.startswith(f"{cls.__name__}1: ") and WRONG[cls] in message for message in report.messages), str(
        report
    )
    h = ps.Linear(Data(X), 3)
    within = check(ps.SquareLoss(ps.Linear(ps.Add(ps.Tanh(cls(h)), h), 2), Y))
    guilty = [row for row in within if not row.passed and "because of" not in row.message and row.message]
    assert {row.layer for row in guilty} == {f"{cls.__name__}1"}, str(within)
    assert any(WRONG[cls] in row.message for row in guilty)


@pytest.mark.parametrize("cls", [ChangesInput, ChangesGradient, ChangesInputInCompute])
def test_a_fit_is_right_with_layers_that_change_arrays_of_others(cls):
    def fitted(kind):
        np.random.seed(0)
        h = ps.Linear(Data(shape=(None, 3)), 3)
        network = ps.Network(ps.SquareLoss(ps.Linear(ps.Add(kind(h), h, ps.Sigmoid(h)), 2)))
        data, labels = X.copy(), Y.copy()
        network.fit(data, labels, epochs=3, seed=0, engine="reference")
        np.testing.assert_array_equal(data, X)
        return network.predict(X, engine="reference")

    right = ps.Tanh if cls is ChangesInputInCompute else PlainRelu
    np.testing.assert_allclose(fitted(cls), fitted(right), rtol=1e-6)


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (ReturnsNothing, r"ReturnsNothing: forward returns nothing \(None\)"),
        (ReturnsGradient, "ReturnsGradient: backward returns a value, but calls backward of no input layer"),
        (SumsRows, r"SumsRows: the gradient that backward passes back has shape \(1, 3\), but the input has \(6, 3\)"),
        (MadeAnew, "MadeAnew: W is another array each time that it is read"),
    ],
)
def test_what_a_fit_cannot_train_is_refused_in_one_sentence(cls, message):
    network = network_with(cls)
    with pytest.raises((TypeError, ValueError), match=message) as info:
        network.fit(X, Y, epochs=1)
    assert "\n" not in str(info.value)


def test_a_number_as_the_parameter_is_checked_and_refused_by_fit():
    class Number(OneSlope):
        def __init__(self, in_layer):
            super().__init__(in_layer)
            self.W = 0.25

    assert check(Number(Data(X))).passed
    with pytest.raises(
        TypeError, match=r"Number: W must be a NumPy array to be trained, but is a float; write np\.array"
    ):
        network_with(Number).fit(X, Y, epochs=1)


def test_an_input_layer_without_out_dims_is_told():
    class Shapeless(PlainRelu):
        def __init__(self, in_layer):
            self.in_layer = in_layer

    assert check(Shapeless(Data(X))).passed
    with pytest.raises(TypeError, match=r"Linear: its in_layer, a Shapeless, has no out_dims; set self\.out_dims"):
        ps.Linear(Shapeless(Data(X)), 2)


@pytest.mark.parametrize(
    ("array", "gradient"), [("b", "Gb"), ("b", "db"), ("b", "b_grad"), ("W2", "G2"), ("bias", "grad_bias")]
)
def test_a_second_array_of_parameters_is_told(array, gradient):
    class Affine(PlainLinear):
        def __init__(self, in_layer):
            super().__init__(in_layer, 3)
            setattr(self, array, np.zeros(3))

        def forward(self):
            return super().forward() + getattr(self, array)

        def backward(self, dwnstrm):
            setattr(self, gradient, dwnstrm.sum(0))
            super().backward(dwnstrm)

    for target in (Affine(Data(X)), ps.SquareLoss(ps.Linear(Affine(ps.Linear(Data(X), 3)), 2), Y)):
        (message,) = check(target).messages
        assert message.startswith(
            f"Affine1: nothing was compared with respect to {array}, of which {gradient} seems to be"
        )


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (list, "forward returns a list, and not an array"),
        (np.asarray, ""),
        (np.ma.masked_array, ""),
        (lambda array: array.astype(object), "forward returns an array of dtype object, and not one of real numbers"),
        (lambda array: np.log(array), r"forward returns -inf at [0, 0], so that nothing was compared"),
    ],
)
def test_what_a_forward_may_return(cls, message):
    class Converted(PlainRelu):
        def forward(self):
            return cls(super().forward())

    report = check(Converted(Data(-np.abs(X) - 0.1 if message.endswith("compared") else X)))
    assert report.passed == (not message), str(report)
    assert message in str(report)


def test_a_backward_may_run_the_input_layer_again():
    class Again(PlainRelu):
        def backward(self, dwnstrm):
            self.in_layer.backward(dwnstrm * (self.in_layer.forward() > 0))

    assert check(ps.SquareLoss(ps.Linear(Again(ps.Dropout(AnyName(ps.Linear(Data(X), 3)), 0.3)), 2), Y)).passed
    network_with(Again).fit(X, Y, epochs=1)


class BlockWithANetwork(PlainRelu):
    def __init__(self, in_layer):
        self.in_layer, self.data = in_layer, Data(shape=in_layer.out_dims)
        self.network = ps.Network(ps.SquareLoss(ps.Linear(self.data, 3)))
        self.out_dims = self.network.output.out_dims

    def forward(self):
        self.data.set_data(self.in_layer.forward())
        return self.network.output.forward()

    def backward(self, dwnstrm):
        self.network.output.backward(dwnstrm)
        self.in_layer.backward(self.network.output.pass_back)


class BlockOfMethods(PlainRelu):
    def __init__(self, in_layer):
        linear = ps.Linear(in_layer, 3)
        self.in_layer, self.out_dims = in_layer, linear.out_dims
        self.run, self.run_back = linear.forward, linear.backward

    def forward(self):
        return self.run()

    def backward(self, dwnstrm):
        self.run_back(dwnstrm)


class MakesLayers(PlainRelu):
    def forward(self):
        self.made = ps.Tanh(self.in_layer)
        return self.made.forward()

    def backward(self, dwnstrm):
        self.made.backward(dwnstrm)


def test_layers_that_are_held_out_of_reach_are_told():
    assert check(BlockWithANetwork(Data(X))).passed
    assert "it holds Linear where they are not found" in str(check(ps.Tanh(BlockOfMethods(ps.Linear(Data(X), 3)))))
    assert "forward stores other layers than before; make them in the constructor" in str(check(MakesLayers(Data(X))))
    for cls in (BlockWithANetwork, BlockOfMethods):
        with pytest.raises(ValueError, match=f"{cls.__name__}1 cannot be trained: it holds Linear, whose parameters"):
            network_with(cls).fit(X, Y, epochs=1)
    with pytest.raises(TypeError, match="MakesLayers: forward stores other layers than before"):
        network_with(MakesLayers).fit(X, Y, epochs=1)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_an_estimator_trains_a_network_of_classes_of_ones_own(precision):
    def own(layer, num_outputs):
        return ps.dense(PlainRelu(PlainLinear(layer, 4)), num_outputs, activation=None)

    model = ps.Classifier(network=own, epochs=2, precision=precision, random_state=0).fit(X, Y[:, 0] > 0)
    assert np.isfinite(model.predict_proba(X)).all()
