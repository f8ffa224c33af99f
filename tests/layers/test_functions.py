"""Functions, operations and reductions by their names: each against Python's own arithmetic, and its gradient."""

import math
import operator

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.layers.arithmetic import OPERATIONS
from pysmorch.layers.axes import REDUCTIONS
from pysmorch.layers.functions import FUNCTIONS

NUMBERS = np.random.default_rng(0).uniform(0.55, 0.95, (5, 3))
"""All functions are defined and smooth here."""

FORMULAS = {
    name: getattr(math, name)
    for name in ("acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cosh", "erf", "exp", "floor", "log")
} | {
    "abs": abs,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "reciprocal": lambda x: x**-1,
    "round": round,
    "sign": lambda x: math.copysign(1, x),
    "sin": math.sin,
    "sinh": math.sinh,
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "sqrt": math.sqrt,
    "square": lambda x: x**2,
    "step": lambda x: float(x > 0),
    "tan": math.tan,
}

PAIRS = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": math.pow,
    "maximum": max,
    "minimum": min,
}

OF_ALL = {
    "sum": math.fsum,
    "mean": lambda part: math.fsum(part) / len(part),
    "max": max,
    "min": min,
    "product": math.prod,
    "log_sum_exp": lambda part: math.log(sum(map(math.exp, part))),
}


def test_each_name_has_a_formula_here():
    assert (set(FUNCTIONS), set(OPERATIONS), set(REDUCTIONS)) == (set(FORMULAS), set(PAIRS), set(OF_ALL))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_entries(name, sign):
    undefined = ("acosh", "log", "sqrt")
    numbers = NUMBERS + (1 if name == "acosh" else 0)
    layer = ps.Function(ps.Data(numbers if name in undefined else sign * numbers), name)
    expected = np.vectorize(FORMULAS[name], otypes=[float])(layer.in_layer.data)
    np.testing.assert_allclose(layer.forward(), expected, rtol=1e-13)
    assert ps.check(layer, tol=1e-6).passed


def test_functions_are_nan_where_they_are_not_defined_and_warn_of_nothing():
    for name in ("log", "sqrt", "acos", "acosh", "atanh"):
        assert np.isnan(ps.Function(ps.Data([[-2.0]]), name).forward()).all()
    assert ps.Function(ps.Data([[0.0]]), "reciprocal").forward() == np.inf


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_of_two_arrays_whose_axes_of_size_one_are_repeated(name):
    others = np.random.default_rng(1).uniform(0.55, 0.95, (5, 1))
    layer = ps.Combine(ps.Data(NUMBERS), ps.Data(others), operation=name)
    expected = np.vectorize(PAIRS[name], otypes=[float])(NUMBERS, np.repeat(others, 3, axis=1))
    np.testing.assert_allclose(layer.forward(), expected, rtol=1e-14)
    assert ps.check(layer, tol=1e-6).passed


@pytest.mark.parametrize("parameter_first", [False, True])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_with_parameters(name, parameter_first):
    layer = ps.CombineParameter(ps.Data(NUMBERS), name, (3,), parameter_first)
    layer.W = [0.7, 0.8, 0.9]
    pair = (layer.W, NUMBERS) if parameter_first else (NUMBERS, layer.W)
    np.testing.assert_allclose(layer.forward(), np.vectorize(PAIRS[name], otypes=[float])(*pair), rtol=1e-14)
    assert ps.check(layer, tol=1e-6).passed


@pytest.mark.parametrize("keep_axes", [False, True])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name, keep_axes):
    images = np.random.default_rng(2).standard_normal((3, 2, 4, 3))
    layer = ps.Reduce(ps.Data(images), name, [3, 1], keep_axes)
    expected = [[OF_ALL[name](image[:, i].ravel()) for i in range(4)] for image in images]
    np.testing.assert_allclose(layer.forward(), np.reshape(expected, (3, 1, 4, 1) if keep_axes else (3, 4)), rtol=1e-12)
    assert ps.check(layer, tol=1e-6).passed


def test_the_product_of_numbers_of_which_one_is_zero_has_a_gradient():
    layer = ps.Reduce(ps.Data([[2.0, 0.0, 5.0]]), "product", [1])
    layer.forward()
    layer.backward(np.ones(1))
    np.testing.assert_array_equal(layer.pass_back, [[0.0, 10.0, 0.0]])


def test_a_transposition_and_its_gradient():
    layer = ps.Transpose(ps.Data(np.arange(24.0).reshape(2, 3, 4)), (2, 1))
    assert layer.forward()[1, 3, 2] == 23
    layer.backward(np.arange(24.0).reshape(2, 4, 3))
    assert layer.pass_back[1, 2, 3] == 23


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: ps.Function(x, "sinus"), "Function: function must be one of abs, .* but is 'sinus'"),
        (lambda x: ps.Clip(x, low=np.nan), "Clip: low must be a finite number"),
        (lambda x: ps.Combine(x, operation="add"), "Combine needs two in_layers, but got 1"),
        (lambda x: ps.Combine(x, x, operation="plus"), "Combine: operation must be one of add"),
        (lambda x: ps.Combine(x, ps.Data(shape=(None, 3)), operation="add"), "same number of axes"),
        (lambda x: ps.Combine(x, ps.Data(shape=(None, 2, 4)), operation="add"), "does not fit"),
        (lambda x: ps.CombineParameter(x, "add", (0,)), "shape must be a positive integer"),
        (lambda x: ps.CombineParameter(x, "add", (1, 1, 1)), "has more axes"),
        (lambda x: ps.MatrixProduct(x, x), r"\(N, ..., I, K\)"),
        (lambda x: ps.Transpose(x, (0, 1)), "order must have each axis from 1 to 2 once"),
        (lambda x: ps.Take(x, (3,)), "indices must be integers from 0 to 2"),
        (lambda x: ps.Take(x, ()), "indices must be integers from 0 to 2"),
        (lambda x: ps.Take(x, (0,), axis=0), "besides the batch"),
        (lambda x: ps.Pad(x, [(1, 0)]), "two integers from 0 for each of the 2 axes"),
        (lambda x: ps.Reduce(x, "median", [1]), "function must be one of sum"),
        (lambda x: ps.Reduce(x, "sum", [0]), "axes must be some of 1 to 2"),
        (lambda x: ps.Reduce(ps.Data(shape=(None, 0)), "max", [1]), "has no entries"),
        (lambda x: ps.LogSoftmax(x, [1, 1]), "axes must be some of 1 to 2"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(ps.Data(shape=(None, 2, 3)))
