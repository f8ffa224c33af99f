"""Further natural ways to write or imitate a layer, under check, grade and fit: each is right, or told in one clear sentence.

Those that change a layer of the library's are in layers/test_subclasses.py, plain classes, dataclasses and blocks in test_own_classes.py.
"""

import abc
import functools

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, check
from pysmorch.teach import grade
from tests.test_own_classes import PlainLinear, PlainRelu, X, Y, network_with


def relu_forward(self):
    self.x = self.in_layer.forward()
    return np.maximum(self.x, 0)


def relu_backward(self, dwnstrm):
    self.in_layer.backward(dwnstrm * (self.x > 0))


def start(self, in_layer):
    self.in_layer, self.out_dims = in_layer, in_layer.out_dims


MadeByType = type("MadeByType", (), {"__init__": start, "forward": relu_forward, "backward": relu_backward})


class FunctionsOfTheModule:
    __init__ = start
    forward = relu_forward
    backward = relu_backward


class LambdasOfTheClass:
    __init__ = start
    forward = lambda self: relu_forward(self)  # noqa: E731
    backward = lambda self, dwnstrm: relu_backward(self, dwnstrm)  # noqa: E731


def clipped(self, low):
    self.x = self.in_layer.forward()
    return np.maximum(self.x, low)


class PartialMethod:
    __init__ = start
    forward = functools.partialmethod(clipped, 0.0)
    backward = relu_backward


def counted(method):
    @functools.wraps(method)
    def count(self, *arguments):
        self.calls = getattr(self, "calls", 0) + 1
        return method(self, *arguments)

    return count


class Decorated(PlainRelu):
    @counted
    def forward(self):
        return super().forward()

    @counted
    def backward(self, dwnstrm):
        super().backward(dwnstrm)


def registered(cls):
    cls.kind = "mine"
    return cls


@registered
class DecoratedClass(PlainRelu):
    pass


class Abstract(abc.ABC):
    def __init__(self, in_layer):
        start(self, in_layer)

    def forward(self):
        self.x = self.in_layer.forward()
        return self.value(self.x)

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * self.slope(self.x))

    @staticmethod
    @abc.abstractmethod
    def value(x): ...

    @staticmethod
    @abc.abstractmethod
    def slope(x): ...


class FromAbstract(Abstract):
    @staticmethod
    def value(x):
        return np.maximum(x, 0)

    @staticmethod
    def slope(x):
        return x > 0


class Forwards:
    def forward(self):
        return relu_forward(self)


class Backwards:
    def backward(self, dwnstrm):
        relu_backward(self, dwnstrm)


class OfTwoParents(Forwards, Backwards):
    def __init__(self, in_layer):
        start(self, in_layer)


class Delegates:
    """Has its attributes in another object."""

    def __init__(self, in_layer):
        self.store = {"in_layer": in_layer, "out_dims": in_layer.out_dims}

    def __getattr__(self, name):
        try:
            return vars(self)["store"][name]
        except KeyError:
            raise AttributeError(name) from None

    def forward(self):
        self.x = self.in_layer.forward()
        return np.maximum(self.x, 0)

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.x > 0))


class Counting(type):
    def __call__(cls, *arguments):
        made = super().__call__(*arguments)
        made.number = 1
        return made


class WithAMetaclass(PlainRelu, metaclass=Counting):
    pass


class ConstantsOfTheClass(PlainRelu):
    low = np.zeros(3)

    def forward(self):
        self.x = self.in_layer.forward()
        return np.maximum(self.x, self.low.min())


class CallsItself(PlainRelu):
    def __call__(self, x):
        return np.maximum(x, 0)

    def forward(self):
        self.x = self.in_layer.forward()
        return self(self.x)


class KeywordsAlone(PlainRelu):
    def __init__(self, in_layer, *, slope=0.0):
        super().__init__(in_layer)
        self.slope = slope

    def forward(self):
        self.x = self.in_layer.forward()
        return np.where(self.x > 0, self.x, self.slope * self.x)

    def backward(self, dwnstrm):
        self.in_layer.backward(np.where(self.x > 0, dwnstrm, self.slope * dwnstrm))


class Cached(PlainRelu):
    """Keeps arrays in a list, a gradient of its input, and statistics beside them."""

    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.cache, self.mean, self.scale, self.x = [], np.zeros(3), np.ones(3), np.zeros((6, 3))

    def forward(self):
        out = super().forward()
        self.cache = [self.x, self.x > 0]
        self.mean = 0.9 * self.mean + 0.1 * self.x.mean(0)
        return out * self.scale

    def backward(self, dwnstrm):
        self.dx = dwnstrm * self.cache[1] * self.scale
        self.dmean, self.grads = dwnstrm.mean(0), [self.dx]
        self.in_layer.backward(self.dx)


class CacheInPlace(PlainRelu):
    """Writes into arrays that it has from the beginning."""

    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.total, self.dtotal = np.zeros(3), np.zeros(3)

    def forward(self):
        out = super().forward()
        self.total += np.abs(out).sum(0)
        return out

    def backward(self, dwnstrm):
        self.dtotal[...] = dwnstrm.sum(0)
        super().backward(dwnstrm)


class FunctionOfAnArray(ps.Layer):
    """Is given its function, which knows nothing of the layer."""

    def __init__(self, in_layer, function=np.tanh, slope=lambda x: 1 - np.tanh(x) ** 2):
        super().__init__(in_layer)
        self.compute, self.slope = function, slope

    def pull_back(self, dwnstrm):
        return dwnstrm * self.slope(self.in_array)


class WAsAView(PlainLinear):
    """Stores its parameters in a flat array, of which W is a view."""

    def __init__(self, in_layer, num_out_features):
        super().__init__(in_layer, num_out_features)
        self.flat = self.W.ravel()
        self.W = self.flat.reshape(self.W.shape)


RIGHT = {
    "made by type()": (MadeByType, "Relu"),
    "functions of the module": (FunctionsOfTheModule, "Relu"),
    "lambdas of the class": (LambdasOfTheClass, "Relu"),
    "a partial method": (PartialMethod, "Relu"),
    "decorated methods": (Decorated, "Relu"),
    "a decorated class": (DecoratedClass, "Relu"),
    "of an abstract class": (FromAbstract, "Relu"),
    "of two parents": (OfTwoParents, "Relu"),
    "attributes by __getattr__": (Delegates, "Relu"),
    "a metaclass": (WithAMetaclass, "Relu"),
    "constants of the class": (ConstantsOfTheClass, "Relu"),
    "calls itself": (CallsItself, "Relu"),
    "keywords alone": (KeywordsAlone, "Relu"),
    "caches and statistics": (Cached, None),
    "a cache that is written in place": (CacheInPlace, None),
    "a function that it is given": (FunctionOfAnArray, None),
    "W as a view": (lambda x: WAsAView(x, 4), None),
}
"""How each is made, and as what it is graded."""


@pytest.mark.parametrize("name", RIGHT)
def test_it_is_right_under_check_fit_and_grade(name):
    make, graded_as = RIGHT[name]
    np.random.seed(0)
    report = check(ps.SquareLoss(ps.Linear(make(ps.Linear(Data(X), 3)), 2), Y))
    assert report.passed, str(report)
    for engine in ("auto", "reference"):
        network = network_with(make)
        losses = [network.fit(X, Y, epochs=5, batch_size=6, optimizer=ps.Adam(0.01), seed=0, engine=engine)["loss"]]
        losses.append(network.fit(X, Y, epochs=5, batch_size=6, optimizer=ps.Adam(0.01), seed=0, engine=engine)["loss"])
        assert losses[1][-1] < losses[0][0]
        assert network.predict(X).shape == (6, 2)
    again = check(ps.SquareLoss(network.output, Y))
    assert not any("seems to be the gradient" in message for message in again.messages)
    if graded_as:
        report = grade(make, graded_as)
        assert report.passed, str(report)


class SecondArray(PlainLinear):
    def __init__(self, in_layer):
        super().__init__(in_layer, 3)
        self.b = np.zeros(3)

    def forward(self):
        return super().forward() + self.b

    def backward(self, dwnstrm):
        self.Gb = dwnstrm.sum(0)
        super().backward(dwnstrm)


class SecondNumber(PlainLinear):
    def __init__(self, in_layer):
        super().__init__(in_layer, 3)
        self.shift = 0.0

    def forward(self):
        return super().forward() + self.shift

    def backward(self, dwnstrm):
        self.grad_shift = dwnstrm.sum()
        super().backward(dwnstrm)


class InDictionaries(PlainRelu):
    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.params, self.grads = {"scale": np.ones(3)}, {}

    def forward(self):
        self.x = self.in_layer.forward()
        return self.x * self.params["scale"]

    def backward(self, dwnstrm):
        self.grads["scale"] = (dwnstrm * self.x).sum(0)
        self.in_layer.backward(dwnstrm * self.params["scale"])


class InLists(InDictionaries):
    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.params, self.grads = [np.ones(3)], [None]

    def forward(self):
        self.x = self.in_layer.forward()
        return self.x * self.params[0]

    def backward(self, dwnstrm):
        self.grads = [(dwnstrm * self.x).sum(0)]
        self.in_layer.backward(dwnstrm * self.params[0])


class ByComputeAndPullBack(ps.Layer):
    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.gain = np.ones(in_layer.out_dims[1])

    def compute(self, x):
        return x * self.gain

    def pull_back(self, dwnstrm):
        self.dgain = (dwnstrm * self.in_array).sum(0)
        return dwnstrm * self.gain


class ListAsW(InLists):
    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.W = [np.eye(3), np.zeros(3)]

    def forward(self):
        self.x = self.in_layer.forward()
        return self.x @ self.W[0] + self.W[1]

    def backward(self, dwnstrm):
        self.G = [self.x.T @ dwnstrm, dwnstrm.sum(0)]
        self.in_layer.backward(dwnstrm @ self.W[0].T)


class NumberAsW(PlainRelu):
    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.W = np.float64(0.5)

    def forward(self):
        self.x = self.in_layer.forward()
        return self.W * self.x

    def backward(self, dwnstrm):
        self.G = (dwnstrm * self.x).sum()
        self.in_layer.backward(self.W * dwnstrm)


class WrongShapeOfG(PlainLinear):
    def __init__(self, in_layer):
        super().__init__(in_layer, 3)

    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        self.G = self.G.sum(0)


class LambdasOnItself(PlainRelu):
    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.forward = lambda: relu_forward(self)
        self.backward = lambda dwnstrm: relu_backward(self, dwnstrm)


class PullBackOnItself(ps.Layer):
    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.compute, self.pull_back = np.tanh, lambda dwnstrm: dwnstrm * (1 - np.tanh(self.in_array) ** 2)


def with_a_lambda(cls):
    def make(in_layer):
        layer = cls(in_layer)
        layer.forward = lambda: np.maximum(layer.in_layer.forward(), 0)
        return layer

    return make


def with_a_partial(in_layer):
    layer = PlainRelu(in_layer)
    layer.forward = functools.partial(relu_forward, layer)
    return layer


def with_a_method(in_layer):
    layer = PlainRelu(in_layer)
    layer.backward = relu_backward.__get__(layer)
    return layer


NO_OTHER = "a layer has one array of parameters, W, and no other is trained; make {} the W of a layer of its own"
REFUSED = {
    "a second array": (SecondArray, "b, of which Gb seems to be the gradient: " + NO_OTHER.format("b")),
    "a number beside W": (SecondNumber, "shift, of which grad_shift seems to be the gradient: "),
    "parameters in dictionaries": (
        InDictionaries,
        'params["scale"], of which grads["scale"] seems to be the gradient: ',
    ),
    "parameters in lists": (InLists, "params[0], of which grads[0] seems to be the gradient: "),
    "a second array in pull_back": (ByComputeAndPullBack, "gain, of which dgain seems to be the gradient: "),
    "a list as W": (
        ListAsW,
        "W must be a NumPy array to be trained, but is a list of 2; make each of them the W of a layer",
    ),
    "G of another shape": (WrongShapeOfG, "has shape (3,)"),
    "a lambda on a plain object": (with_a_lambda(PlainRelu), "its forward is a lambda that was set on this one object"),
    "a lambda on one of ours": (with_a_lambda(ps.Relu), "its forward is a lambda that was set on this one object"),
    "a partial on an object": (with_a_partial, "its forward is a partial that was set on this one object"),
    "a method on an object": (with_a_method, "its backward is a method that was set on this one object"),
    "lambdas in the constructor": (LambdasOnItself, "its forward is a lambda that was set on this one object"),
    "pull_back in the constructor": (PullBackOnItself, "its pull_back is a lambda that was set on this one object"),
}
"""How each is made, and what check and fit say."""


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_check_and_by_fit_with_the_same_sentence(name, engine):
    make, sentence = REFUSED[name]
    np.random.seed(0)
    report = check(ps.SquareLoss(ps.Linear(make(ps.Linear(Data(X), 3)), 2), Y))
    assert not report.passed
    assert sum(sentence in message for message in report.messages) == 1, str(report)
    network = network_with(make)
    before = [np.array(layer.W) for layer in network.layers if isinstance(layer, ps.Linear)]
    with pytest.raises((TypeError, ValueError)) as info:
        network.fit(X, Y, epochs=1, engine=engine)
    assert sentence in str(info.value)
    assert "\n" not in str(info.value)
    assert type(network.layers[2]).__name__ in str(info.value)
    after = [layer.W for layer in network.layers if isinstance(layer, ps.Linear)]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-6)  # not one step was taken


@pytest.mark.parametrize("name", [name for name in REFUSED if "that was set" in REFUSED[name][1]])
def test_a_pass_that_was_set_on_an_object_is_refused_by_predict_too(name):
    with pytest.raises(TypeError, match="that was set on this one object, and would run past the network"):
        network_with(REFUSED[name][0]).predict(X)


def test_numbers_beside_W_may_be_where_nothing_is_to_be_trained():
    for cls in (SecondArray, ByComputeAndPullBack):
        network = network_with(cls)
        network.layers[2].lr_factor = 0
        network.fit(X, Y, epochs=1)


def test_a_number_as_W_is_checked_and_refused_by_fit():
    assert check(NumberAsW(Data(X))).passed
    with pytest.raises(
        TypeError, match=r"NumberAsW: W must be a NumPy array to be trained, but is a float64; write np"
    ):
        network_with(NumberAsW).fit(X, Y, epochs=1)


def test_a_second_array_is_found_where_the_native_program_asks_for_no_gradient():
    np.random.seed(0)
    network = ps.Network(ps.SquareLoss(ps.Linear(ByComputeAndPullBack(Data(shape=(None, 3))), 2)))
    with pytest.raises(ValueError, match="ByComputeAndPullBack1: fit cannot train gain, of which dgain seems to be"):
        network.fit(X, Y, epochs=1)
    assert not hasattr(network.layers[1], "dgain")


class NoPassBack(PlainRelu):
    def backward(self, dwnstrm):
        self.pass_back = dwnstrm * (self.x > 0)


class NoneBack(ps.Layer):
    def compute(self, x):
        return 2 * x

    def pull_back(self, dwnstrm):
        self.back = 2 * dwnstrm


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (NoPassBack, r"NoPassBack1: backward calls backward of no input layer, .* end with self\.in_layer\.backward\("),
        (NoneBack, r"NoneBack1: pull_back returns no gradient with respect to the input, .* return one"),
    ],
)
def test_a_fit_refuses_a_layer_that_passes_nothing_back_to_layers_with_parameters(cls, sentence, engine):
    with pytest.raises(ValueError, match=sentence):
        network_with(cls).fit(X, Y, epochs=1, engine=engine)
    np.random.seed(0)
    h = ps.Linear(Data(shape=(None, 3)), 3)
    beside = ps.Network(ps.SquareLoss(ps.Linear(ps.Add(cls(h), h), 2)))  # the layer gets a part of its gradient
    with pytest.raises(ValueError, match=sentence):
        beside.fit(X, Y, epochs=1, engine=engine)


def test_a_layer_may_pass_nothing_back_where_nothing_before_it_is_to_be_trained():
    np.random.seed(0)
    first = NoPassBack(Data(shape=(None, 3)))
    ps.Network(ps.SquareLoss(ps.Linear(first, 2))).fit(X, Y, epochs=1)
    network = network_with(NoPassBack)
    network.layers[1].lr_factor = 0
    before = network.layers[1].W.copy()
    network.fit(X, Y, epochs=1)
    np.testing.assert_allclose(network.layers[1].W, before, rtol=1e-6)


def test_parameters_that_share_a_gradients_name_with_a_constant_are_none():
    class Grid(PlainRelu):
        def __init__(self, in_layer):
            super().__init__(in_layer)
            self.t, self.dt, self.grid, self.dgrid = 1.0, 0.1, np.arange(3.0), np.ones(3)

        def forward(self):
            return super().forward() * self.dt

        def backward(self, dwnstrm):
            super().backward(dwnstrm * self.dt)

    assert check(Grid(Data(X))).passed
    network_with(Grid).fit(X, Y, epochs=1)
