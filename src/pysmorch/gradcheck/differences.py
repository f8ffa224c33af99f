"""Derivatives from differences, and the plain check of one function against its gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.layers.base import Array

STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-2, 1e-1)
"""Tried in turn until one agrees: long ones are the least noisy, short ones step over fewer kinks."""

SINGLE_STEPS = (1e-1, 3e-2, 1e-2)
"""Those for functions that are computed in float32, whose noise is larger."""

LARGEST_NOISE = 1e-5
"""Relative error up to which rounding may explain one; what is less certain than that is no evidence."""

TINY = np.finfo(np.float64).tiny

MAX_ENTRIES = 400
"""Entries of one array that are compared one by one; a larger array is sampled."""


def derivative(f: Callable[[], float], array: Array, index: tuple[int, ...], step: float) -> float:
    """Return the derivative of f with respect to one entry of an array that f reads, from four values of f.

    Central differences at `step` and twice that, extrapolated (Richardson), are right up to terms in step^4. The entry is
    put back to the same bits.
    """
    entry = array[index]
    step = float((entry + step) - entry) or step  # that which is left of it beside a large entry
    values = []
    for distance in (step, -step, 2 * step, -2 * step):
        array[index] = entry + distance
        values.append(f())
    array[index] = entry
    near, far = (values[0] - values[1]) / (2 * step), (values[2] - values[3]) / (4 * step)
    return (4 * near - far) / 3


def steps_at(point: Array, steps: Sequence[float] = STEPS) -> tuple[float, ...]:
    """Return the steps to try at a point: these, and where its entries are large or small also these times their size.

    Where the entries are far from zero and close to each other, they are also these times the distance between them.
    """
    unit = _unit(point)
    if 0.1 <= unit <= 10:
        return tuple(steps)
    # What is far smaller than the entries is lost in them.
    tried = [*(unit * step for step in steps), *(step for step in steps if step >= 1e-9 * unit)]
    spread = float(np.std(point))
    if spread < 1e-2 * unit:
        tried += [spread * step for step in steps if spread * step >= 1e-11 * unit]
    return tuple(dict.fromkeys(tried))


def _unit(point: Array) -> float:
    """The root mean square of the entries, 1 where there is none."""
    with np.errstate(all="ignore"):
        unit = float(np.sqrt(np.mean(np.square(point)))) if point.size else 1.0
    return unit if np.isfinite(unit) and unit > 0 else 1.0


def best_derivative(
    f: Callable[[], float],
    array: Array,
    index: tuple[int, ...],
    steps: Sequence[float] = STEPS,
    known: Mapping[float, float] | None = None,
) -> float:
    """Return the derivative from differences with several steps, that which agrees best with the one after it.

    What is `known` already, by its step, is not computed again.
    """
    known = known or {}
    estimates = [known[step] if step in known else derivative(f, array, index, step) for step in steps_at(array, steps)]
    return estimates[int(np.argmin([abs(a - b) for a, b in pairwise(estimates)]))]


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


def smallest_scale(gradient: Array, size: Callable[[], float], point: Array) -> float:
    """Return the size below which entries are not compared by their own size.

    Entries a thousand times smaller than the largest one are within the noise of differences, and so is what is a hundred-thousandth
    of the function, by its `size` at the point and a step away from it, over the size of the point's entries.
    """
    largest = float(np.abs(gradient).max(initial=0.0))
    unit, before = _unit(point), point.copy()
    sizes = [size()]
    point += 1e-3 * unit * np.random.default_rng(0).choice([-1.0, 1.0], point.shape)
    sizes.append(size())
    point[...] = before
    return max(1e-3 * largest, 1e-5 * max(sizes) / max(unit, 1.0))


def entry_error(
    f: Callable[[], float],
    array: Array,
    index: tuple[int, ...],
    found: float,
    scale: float,
    tol: float,
    steps: Sequence[float] = STEPS,
    estimates: dict[float, float] | None = None,
) -> float:
    """Return the relative error of one entry of a gradient, in units of its size or of `scale` where that is small.

    It is the smallest one with all steps; the first that is within the tolerance ends the search. Where none is, that part of an error
    does not count which the rounding of f explains, as long as it is small. The derivatives come into `estimates`, by their step.
    """
    estimates = {} if estimates is None else estimates
    for step in steps_at(array, steps):
        estimates[step] = derivative(f, array, index, step)
        if relative_error(found, estimates[step], scale) <= tol:
            return relative_error(found, estimates[step], scale)
    smallest = min(relative_error(found, estimate, scale) for estimate in estimates.values())
    if smallest > tol + LARGEST_NOISE:  # rounding cannot explain it, and need not be measured
        return smallest
    noise = noise_of(f, array, index)
    best = float("inf")
    for step, estimate in estimates.items():
        error = relative_error(found, estimate, scale)
        by_noise = 4 * noise / step / max(abs(found), abs(estimate), scale, TINY)
        best = min(best, max(error - by_noise, 0.0) if by_noise <= LARGEST_NOISE else error)
    return best


def is_hidden(f: Callable[[], float], array: Array, index: tuple[int, ...], found: float, scale: float) -> bool:
    """Whether rounding of f hides the slope at an entry and may explain what was found, since the entries are far from zero and close
    to each other.
    """
    spread = float(np.std(array))
    if not 0 < spread < 1e-2 * _unit(array):
        return False
    noise = noise_of(f, array, index)
    for step in (1e-3 * spread, 1e-4 * spread):
        estimate, uncertain = derivative(f, array, index, step), 4 * noise / step
        largest = max(abs(found), abs(estimate), scale)
        if uncertain > LARGEST_NOISE * largest and abs(found - estimate) <= 2 * uncertain:
            return True
    return False


def noise_of(f: Callable[[], float], array: Array, index: tuple[int, ...]) -> float:
    """Return the standard deviation of the rounding of f, from its values at points next to each other.

    Their fourth differences are those of rounding alone, and 70 times its variance (Moré and Wild, 2011). The entry is put back to the
    same bits.
    """
    entry, distance = array[index], 16 * np.spacing(max(abs(float(array[index])), _unit(array)))
    values = []
    for k in range(-6, 7):
        array[index] = entry + k * distance
        values.append(f())
    array[index] = entry
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(np.diff(values, 4) ** 2) / 70))


class WrongGradient(int):
    """What `check_gradient` returns instead of True: it counts as False, is equal to it, and says in its text what is wrong.

    Parameters
    ----------
    reason : str
        What is wrong.

    Attributes
    ----------
    reason : str
        The worst entry, with what was expected and found, or why nothing was compared.
    """

    reason: str

    def __new__(cls, reason: str) -> WrongGradient:
        """Make one from its text."""
        made = super().__new__(cls, 0)
        made.reason = reason
        return made

    def __reduce__(self) -> tuple[type[WrongGradient], tuple[str]]:
        """Let copies have the text."""
        return WrongGradient, (self.reason,)

    def __repr__(self) -> str:
        return f"False: {self.reason}"

    __str__ = __repr__


def check_gradient(
    f: Callable[[Any], Any], grad: Callable[[Any], Any], x: ArrayLike, error_tol: float = 1e-6
) -> Literal[True] | WrongGradient:
    """Return whether `grad` is the gradient of `f` at `x`.

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
    True or WrongGradient
        True, or what counts as False, is equal to it, and prints the worst entry.

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
    False: worst at [0, 0]: expected 2, found 1, a relative error of 0.5 where 1e-06 may be; 6 of 6 entries are wrong
    """
    point = np.array(x, dtype=np.float64)
    answer = grad(point.copy())
    if answer is None:
        return WrongGradient("grad returns nothing (None)")
    found = np.array(answer, dtype=np.float64)
    if found.shape != point.shape:
        return WrongGradient(f"grad returns an array of shape {found.shape}, but x has shape {point.shape}")
    if not np.isfinite(found).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
        return WrongGradient(f"grad returns {found[at]} at {list(at)}")

    def value() -> float:
        return float(np.asarray(f(point.copy())).item())

    here = value()
    if not np.isfinite(here):
        return WrongGradient(f"f(x) is {here}, so that there are no differences to compare with")
    scale = smallest_scale(found, lambda: abs(value()), point)
    compared = sample(point, seed=0)
    errors = {index: entry_error(value, point, index, found[index], scale, error_tol) for index in compared}
    wrong = {index: error for index, error in errors.items() if not error <= error_tol}
    return _worst_of(value, point, found, wrong, len(compared), error_tol) if wrong else True


def _worst_of(
    f: Callable[[], float],
    point: Array,
    found: Array,
    wrong: Mapping[tuple[int, ...], float],
    num_compared: int,
    tolerance: float,
) -> WrongGradient:
    index = max(wrong, key=lambda at: np.nan_to_num(wrong[at], nan=np.inf))
    expected = best_derivative(f, point, index)
    left, right = sides(f, point, index, 1e-7)
    kink = abs(left - right) > 1e-2 * max(abs(left), abs(right), 1e-3)
    near = f"; f has a kink there, with the slopes {left:.4g} and {right:.4g}" if kink else ""
    return WrongGradient(
        f"worst at {list(index)}: expected {expected:.8g}, found {found[index]:.8g}, a relative error of {wrong[index]:.2g} where "
        f"{tolerance:g} may be{near}; {len(wrong)} of {num_compared} entries are wrong"
    )
