"""Axes of charts: ranges with round ends, ticks, and what is written at them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

import numpy as np

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Distances of ticks, up to a power of ten."""

DECADES = 2
"""Values that span more powers of ten than that, all above 0, are on a logarithmic axis where that is possible."""


@dataclass(frozen=True)
class Axis:
    """A range of values with its ticks.

    Attributes
    ----------
    title : str
        What is measured.
    low, high : float
        The ends.
    ticks : tuple of float
        Within them.
    log : bool, default=False
        Whether equal distances are equal ratios.
    """

    title: str
    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def fraction(self, value: float) -> float:
        """Return where a value is, from 0 at the low end to 1 at the high one; what lies beyond is at an end."""
        if self.log:
            value = max(value, self.low)
            found = log10(value / self.low) / log10(self.high / self.low)
        else:
            found = (value - self.low) / (self.high - self.low)
        return min(max(found, 0.0), 1.0)

    def words(self) -> list[str]:
        """Return what is written at the ticks, with the same number of decimals at each."""
        if self.log:
            return [compact(tick) for tick in self.ticks]
        largest = max((abs(tick) for tick in self.ticks), default=0.0)
        if largest >= 10_000 or 0 < largest < 1e-3:
            return [compact(tick) for tick in self.ticks]
        step = abs(self.ticks[1] - self.ticks[0]) if len(self.ticks) > 1 else largest or 1.0
        decimals = next((d for d in range(7) if abs(round(step, d) - step) < 1e-9 * step), 6)
        return [f"{tick + 0.0:.{decimals}f}".replace("-", "−") for tick in self.ticks]


def axis(
    title: str,
    values: Iterable[float],
    ends: tuple[float | None, float | None] = (None, None),
    whole: bool = False,
    log: bool = False,
    most: int = 5,
) -> Axis:
    """Return an axis for values.

    Parameters
    ----------
    title : str
        What is measured.
    values : iterable of float
        Those that are not finite do not count.
    ends : (float or None, float or None), default=(None, None)
        Ends that are given; None for round ones.
    whole : bool, default=False
        Whether ticks are whole numbers, as of epochs and rows.
    log : bool, default=False
        Whether it may be logarithmic, where values are above 0 and span more than two powers of ten.
    most : int, default=5
        How many steps there are between ticks, about.

    Returns
    -------
    Axis
        It has two different ends for any values.
    """
    finite = [float(value) for value in values if isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if log and low > 0 and high / low > 10**DECADES:
        first, last = floor(log10(low)), ceil(log10(high))
        stride = max(1, ceil((last - first) / most))
        ticks = tuple(10.0**power for power in range(first, last + 1, stride))
        return Axis(title, 10.0**first, 10.0**last, ticks, True)
    low = low if ends[0] is None else ends[0]
    high = high if ends[1] is None else ends[1]
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        half = abs(low) / 2 or 0.5
        low, high = low - half * (ends[0] is None), high + half * (ends[1] is None or ends[0] is not None)
    step = _step((high - low) / most, whole)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    low = first * step if ends[0] is None else low
    high = last * step if ends[1] is None else high
    inside = [i * step for i in range(first, last + 1) if low - 1e-9 * step <= i * step <= high + 1e-9 * step]
    return Axis(title, low, high, tuple(inside))


def _step(least: float, whole: bool) -> float:
    power = 10.0 ** floor(log10(least))
    step = next(factor * power for factor in STEPS if factor * power >= least * (1 - 1e-9))
    return max(1.0, float(ceil(step))) if whole else step


def compact(value: float) -> str:
    """Return a number in few characters.

    Parameters
    ----------
    value : float
        Any number.

    Returns
    -------
    str
        With a letter for thousands and more.

    Examples
    --------
    >>> compact(12_500), compact(-0.25), compact(3e9)
    ('12.5k', '−0.25', '3G')
    """
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size <= abs(value) < 1e15:
            divisor = 1e3 if letter == "k" else size
            return f"{value / divisor:.4g}{letter}".replace("-", "−")
    return f"{value:.4g}".replace("e-0", "e−").replace("e+0", "e").replace("-", "−")


def thinned(count: int, most: int) -> list[int]:
    """Return indices of at most so many of some entries, evenly spaced, with the first and the last one."""
    return sorted({int(i) for i in np.rint(np.linspace(0, count - 1, min(count, most)))}) if count else []


def clip(words: str, most: int) -> str:
    """Return a text of at most so many characters, with an ellipsis where it was longer."""
    return words if len(words) <= most else words[: max(most - 1, 1)] + "…"


def columns(values: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return rows of cells from columns of equal length."""
    return [list(row) for row in zip(*values, strict=True)]
