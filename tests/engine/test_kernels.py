"""Kernels of the native engine without a network: micro-tiles of matrix products, and the functions on vectors."""

from importlib import import_module
from math import erf

import numpy as np
import pytest

from pysmorch.engine.extension import extension, has_bf16
from tests.engine.test_native import skip_without

pytestmark = pytest.mark.skipif(extension() is None, reason="the native extension is not built")


@pytest.fixture(params=["base", "avx2", "avx512"])
def kernels(request):
    """The kernels of each module that this processor can run."""
    skip_without(request.param)
    return import_module(f"pysmorch.engine._native_{request.param}")._kernels


def to_bf16(x):
    """Round to the nearest bfloat16, ties to even: the upper half of a float32, as uint16."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bf16(x):
    return (x.astype(np.uint32) << 16).view(np.float32)


def layout_of_a(form, A, width):
    """Return the entries of A (rows, depth) as a form has them, with the stride of a line and the entries from a panel to the next.

    columns: [depth][rows], rows: [rows][depth], panels: [panel][rows][width], where the reduction runs over the batch.
    """
    rows, depth = A.shape
    if form == "columns":
        padded = np.zeros((depth, rows + 3), A.dtype)
        padded[:, :rows] = A.T
        return padded.ravel(), rows + 3, 0
    if form == "rows":
        padded = np.zeros((rows, depth + 3), A.dtype)
        padded[:, :depth] = A
        return padded.ravel(), depth + 3, 0
    panels = -(-depth // width)
    padded = np.zeros((panels * width, rows), A.dtype)
    padded[:depth] = A.T
    return np.ascontiguousarray(padded.reshape(panels, width, rows).transpose(0, 2, 1)).ravel(), 0, rows * width


def pairs(x):
    """Join neighbours along the last axis, rounded to bfloat16, in a uint32: the first in the lower half."""
    halves = to_bf16(x)
    return np.ascontiguousarray(halves[..., ::2].astype(np.uint32) | halves[..., 1::2].astype(np.uint32) << 16)


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("form", ["columns", "rows", "panels"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_micro_tiles_of_every_height_multiply_as_numpy_does(kernels, dtype, form, add):
    rng = np.random.default_rng(0)
    width = kernels.panel_width_32 if dtype is np.float32 else kernels.panel_width_64
    product = kernels.product_float32 if dtype is np.float32 else kernels.product_float64
    for rows in range(1, kernels.max_rows + 1):
        for depth in (1, 2, width - 1, width, 3 * width + 5):
            for two in (False, True):
                columns = width if two else width // 2
                A, B = (
                    rng.standard_normal((rows, depth)).astype(dtype),
                    rng.standard_normal((depth, width)).astype(dtype),
                )
                C = rng.standard_normal((rows, width)).astype(dtype)
                expected = (A.astype(float) @ B.astype(float) + (C if add else 0))[:, :columns]
                a, stride, jump = layout_of_a(form, A, width)
                behind = C[:, columns:].copy()
                flat = C.ravel()
                product(form, a, stride, jump, B.ravel(), depth, flat, rows, two, add)
                bound = (
                    4
                    * np.finfo(dtype).eps
                    * (np.abs(A).astype(float) @ np.abs(B) + np.abs(expected).max())
                    * depth**0.5
                )
                assert (np.abs(C[:, :columns] - expected) <= bound[:, :columns]).all()
                np.testing.assert_array_equal(C[:, columns:], behind)  # nothing is written behind one vector


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("form", ["columns", "rows", "panels"])
def test_micro_tiles_of_pairs_of_bfloat16_multiply_as_numpy_does(kernels, form, add):
    if not (hasattr(kernels, "product_bf16") and has_bf16()):
        pytest.skip("these instructions have no products of bfloat16")
    rng = np.random.default_rng(0)
    width = kernels.panel_width_32
    for rows in range(1, kernels.max_rows + 1):
        for depth in (1, 5, width // 2, width + 7):  # pairs
            A, B = rng.standard_normal((rows, 2 * depth)), rng.standard_normal((2 * depth, width))
            C = rng.standard_normal((rows, width)).astype(np.float32)
            expected = from_bf16(to_bf16(A)).astype(float) @ from_bf16(to_bf16(B)) + (C if add else 0)
            a, stride, jump = layout_of_a(form, pairs(A), width // 2)
            b = np.ascontiguousarray(pairs(B.T).T).ravel()
            kernels.product_bf16(form, a, stride, jump, b, depth, C.ravel(), rows, True, add)
            np.testing.assert_allclose(C, expected, atol=2e-6 * 2 * depth, rtol=1e-5)


@pytest.mark.parametrize("add", [False, True])
def test_tiles_of_the_matrix_unit_multiply_as_numpy_does(add):
    module = extension()
    if not getattr(module, "has_matrix_unit", lambda: False)():
        pytest.skip("there is no matrix unit")
    kernels, rng = module._kernels, np.random.default_rng(0)
    for rows in (1, 7, 16, 17, 31, 32):
        for depth in (1, 15, 16, 40):  # pairs
            for two in (False, True):
                columns = 32 if two else 16
                whole = -(-depth // 16) * 16
                A, B = np.zeros((32, 2 * whole)), np.zeros((2 * whole, 32))
                A[:, : 2 * depth], B[: 2 * depth] = (
                    rng.standard_normal((32, 2 * depth)),
                    rng.standard_normal((2 * depth, 32)),
                )
                C = rng.standard_normal((32, 32)).astype(np.float32)
                expected = from_bf16(to_bf16(A)).astype(float) @ from_bf16(to_bf16(B)) + (C if add else 0)
                below = C[rows:].copy()
                b = np.ascontiguousarray(pairs(B.T).T).ravel()
                kernels.product_amx(pairs(A).ravel(), whole, 0, b, depth, C.ravel(), rows, two, add)
                np.testing.assert_allclose(
                    C[:rows, :columns], expected[:rows, :columns], atol=2e-6 * 2 * depth, rtol=1e-5
                )
                np.testing.assert_array_equal(C[rows:], below)


def sample(low, high, every):
    """Return floats between two bounds, every so many of all that there are, in whole vectors; both signs where low is negative."""
    largest = int(np.float32(max(abs(low), abs(high))).view(np.uint32))
    smallest = int(np.float32(low).view(np.uint32)) if low > 0 else 0
    x = np.arange(smallest, largest + 1, every, dtype=np.uint32).view(np.float32)
    x = np.concatenate([x, -x]) if low < 0 else x
    x = x[(x >= low) & (x <= high)]
    return np.ascontiguousarray(x[: len(x) // 16 * 16])


def units_in_the_last_place(found, expected):
    """Return the largest error in units of the last place of the float32 nearest to what is expected."""
    nearest = np.abs(expected.astype(np.float32))
    unit = np.spacing(np.maximum(nearest, np.finfo(np.float32).tiny)).astype(float)
    return (np.abs(found.astype(float) - expected) / unit).max()


def sigmoid(x):
    with np.errstate(over="ignore"):
        return np.where(x >= 0, 1, np.exp(np.minimum(x, 0))) / (1 + np.exp(-np.abs(x)))


# Bounds in units of the last place, as kernels/math.h states them, on the range on which a function is used.
FUNCTIONS = {
    "exp": (np.exp, -87.0, 88.0, 1.0),
    "log": (np.log, 2e-38, 3e38, 0.9),
    "sigmoid": (sigmoid, -87.0, 100.0, 2.4),
    "tanh": (np.tanh, -20.0, 20.0, 2.5),
    "erf": (np.vectorize(erf, otypes=[float]), -6.0, 6.0, 2.5),
    "sqrt": (np.sqrt, 0.0, 3e38, 0.5001),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_on_vectors_are_as_exact_as_their_header_states(kernels, name):
    function, low, high, bound = FUNCTIONS[name]
    x = sample(low, high, every=7919)
    y = np.empty_like(x)
    kernels.apply(name, x, y)
    assert len(x) > 100_000
    assert units_in_the_last_place(y, function(x.astype(float))) <= bound


def test_functions_on_vectors_pass_on_what_is_not_a_number(kernels):
    x = np.full(16, np.nan, np.float32)
    for name in ("exp", "expm1", "sigmoid", "tanh", "erf", "sqrt", "sin", "cos"):
        y = np.zeros_like(x)
        kernels.apply(name, x, y)
        assert np.isnan(y).all(), name


@pytest.mark.parametrize(("name", "function"), [("sin", np.sin), ("cos", np.cos)])
def test_sine_and_cosine_of_any_angle_are_as_exact_as_their_header_states(kernels, name, function):
    x = np.concatenate([sample(-4e6, 4e6, every=7919), np.linspace(-20, 20, 2**18, dtype=np.float32)])
    x = np.concatenate([x, np.float32([8191.9, 8192, 8192.1, 1e10, 3e38]), np.zeros(-len(x) % 16 + 11, np.float32)])
    y = np.empty_like(x)
    kernels.apply(name, x, y)
    assert np.abs(y - function(x.astype(float))).max() <= 1.6 * 2.0**-24
    infinite = np.full(16, np.inf, np.float32)
    kernels.apply(name, infinite, infinite)
    assert np.isnan(infinite).all()
