"""Factors that are wrong, in words: one found number is taken apart into a sign, a 2 and sizes of the batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from pysmorch.gradcheck.mistakes import CLOSE
from pysmorch.layers.base import Array

ONE_NUMBER_CLOSE = 3e-7
"""Relative distance at which a single number, which fits many a formula by chance, is taken to be that of a mistake."""

COLUMNS = "Divided by the number of columns instead of the number of rows M (shape[1] instead of shape[0])."
ENTRIES = "Divided by the number of all entries (np.mean) instead of the number of rows M."
NOT_DIVIDED = "The factor 1/M is missing: the loss is an average over the rows of the batch."

TWOS = {
    1.0: "",
    2.0: "A factor of 2 too much.",
    0.5: "A factor of 2 is missing.",
    4.0: "A factor of 4 too much.",
    0.25: "A factor of 4 is missing.",
}


def factor_between(found: Array, formula: Array) -> float | None:
    """Return the number c for which found = c * formula; None where there is none. Axes of length one do not matter."""
    found, formula = np.squeeze(found), np.squeeze(formula)
    if found.shape != formula.shape or not np.isfinite(formula).all() or not np.isfinite(found).all():
        return None
    square = float(np.sum(formula * formula))
    if not square:
        return None
    factor = float(np.sum(found * formula)) / square
    fits = np.abs(found - factor * formula) <= CLOSE * np.abs(factor) * np.max(np.abs(formula))
    return factor if factor and fits.all() else None


def factor_of_a_loss(factor: float, rows: int, columns: int, one_number: bool) -> str:
    """Return what is wrong with a loss, or its gradient, that is `factor` times what it should be; empty where unknown."""
    M, K = float(rows), float(columns)
    sizes = {
        1.0: "",
        M: NOT_DIVIDED,
        1 / M: "Divided by the number of rows M twice.",
        M / K: COLUMNS,
        1 / K: ENTRIES,
        K: "Multiplied by the number of columns.",
        M * K: "Multiplied by the number of columns, and the factor 1/M is missing.",
        M * M: "Multiplied by the number of rows M instead of divided by it: are brackets missing?",
        1 / (M * K): "Divided by the number of rows M and by that of all entries.",
        math.sqrt(M): "Divided by the square root of M instead of M.",
        M / (M + 1): "Divided by M + 1 instead of M.",
    }
    if rows > 1:
        sizes[M / (M - 1)] = "Divided by M - 1 instead of M."
    named = _in_words(factor, sizes, one_number)
    divisor = M / factor
    if not named and not one_number and 1 < divisor <= 1024 and abs(divisor - round(divisor)) < CLOSE * divisor:
        return f"Divided by {round(divisor)} instead of the number of rows M, which is {rows} here."
    return named


def factor_of_a_layer(factor: float, sizes: Mapping[str, int]) -> str:
    """Return what is wrong with a result of a layer that is `factor` times what it should be; empty where unknown."""
    words = {1.0: ""}
    for what, size in sizes.items():
        if size > 1:
            words.setdefault(1 / size, f"Everything is divided by {what} ({size}).")
            words.setdefault(float(size), f"Everything is multiplied by {what} ({size}).")
    for what, size in sizes.items():
        if size > 1:
            words.setdefault(size**-0.5, f"Everything is divided by the square root of {what} ({size}).")
            words.setdefault(size**0.5, f"Everything is multiplied by the square root of {what} ({size}).")
    return _in_words(factor, words, False)


def _in_words(factor: float, sizes: Mapping[float, str], one_number: bool) -> str:
    tolerance = ONE_NUMBER_CLOSE if one_number else CLOSE
    for value, parts in sorted(_products(sizes), key=lambda pair: len(pair[1])):
        if parts and abs(factor - value) <= tolerance * abs(value):
            return " ".join(parts)
    return ""


def _products(sizes: Mapping[float, str]) -> Iterator[tuple[float, list[str]]]:
    signs = {1.0: "", -1.0: "The sign is wrong."}
    for (size, a), (two, b), (sign, c) in product(sizes.items(), TWOS.items(), signs.items()):
        yield size * two * sign, [part for part in (a, b, c) if part]
