"""Derivatives from differences, and the plain check of one function against its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.layers.base import Array

STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
"""Tried in turn until two agree: long ones are the least noisy, short ones step over fewer kinks."""

SINGLE_STEPS = (1e-1, 3e-2, 1e-2)
"""Those for functions that are computed in float32, whose noise is larger."""

MAX_ENTRIES = 400
"""Entries of one array that are compared one by one; a larger array is sampled."""


def derivative(f: Callable[[], float], array: Array, index: tuple[int, ...], step: float) -> float:
    """Return the derivative of f with respect to one entry of an array that f reads, from four values of f.

    Central differences at `step` and twice that, extrapolated (Richardson), are right up to terms in step^4. The entry is
    put back to the same bits.
    """
    entry = array[index]
    values = []
    for distance in (step, -step, 2 * step, -2 * step):
        array[index] = entry + distance
        values.append(f())
    array[index] = entry
    near, far = (values[0] - values[1]) / (2 * step), (values[2] - values[3]) / (4 * step)
    return (4 * near - far) / 3


def sides(f: Callable[[], float], array: Array, index: tuple[int, ...], step: float) -> tuple[float, float]:
    """Return the differences to the left and to the right of one entry."""
    entry, middle = array[index], f()
    array[index] = entry - step
    left = (middle - f()) / step
    array[index] = entry + step
    right = (f() - middle) / step
    array[index] = entry
    return left, right


def sample(array: Array, seed: int, max_entries: int = MAX_ENTRIES) -> list[tuple[int, ...]]:
    """Return the indices of all entries, or of a random sample of a large array."""
    flat = np.arange(array.size)
    if array.size > max_entries:
        flat = np.sort(np.random.default_rng(seed).choice(flat, max_entries, replace=False))
    return [tuple(int(i) for i in np.unravel_index(k, array.shape)) for k in flat]


def relative_error(found: float, expected: float, scale: float) -> float:
    """Return the distance in units of the larger of the two, or of `scale` where both are small."""
    size = max(abs(found), abs(expected), scale)
    return abs(found - expected) / size if size else 0.0


def smallest_scale(gradient: Array, value: float) -> float:
    """Return the size below which entries are not compared by their own size.

    Entries a thousand times smaller than the largest one are within the noise of differences, and so is what is a
    millionth of the function's value.
    """
    largest = float(np.abs(gradient).max(initial=0.0))
    return max(1e-3 * largest, 1e-6 * abs(value), 1e-12)


def check_gradient(f: Callable[[Any], Any], grad: Callable[[Any], Any], x: ArrayLike, error_tol: float = 1e-6) -> bool:
    """Return whether `grad` is the gradient of `f` at `x`: True or False.

    Parameters
    ----------
    f : callable
        Takes an array like x and returns a number.
    grad : callable
        Takes an array like x and returns the array of derivatives, in the shape of x.
    x : array
        The point.
    error_tol : float, default=1e-6
        How large the relative error of an entry may be.

    Returns
    -------
    bool

    Notes
    -----
    Every entry (a random sample of 400 where there are more) is compared with central differences in float64, at several step sizes,
    of which one has to agree: a kink close by is no mistake.

    Examples
    --------
    >>> import numpy as np
    >>> check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, np.ones((2, 3)))
    True
    >>> check_gradient(lambda x: np.sum(x**2), lambda x: x, np.ones((2, 3)))
    False
    """
    point = np.array(x, dtype=np.float64)
    found = np.array(grad(point.copy()), dtype=np.float64)
    if found.shape != point.shape or not np.isfinite(found).all():
        return False

    def value() -> float:
        return float(np.asarray(f(point.copy())).item())

    scale = smallest_scale(found, value())
    for index in sample(point, seed=0):
        errors = (relative_error(found[index], derivative(value, point, index, step), scale) for step in STEPS)
        if not any(error <= error_tol for error in errors):
            return False
    return True
