"""Functions of one number (Relu, Sigmoid, Tanh), told by what happens to entries of each sign or by a polynomial that fits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.factors import factor_between
from pysmorch.teach.finding import Explanation, Finding, near, number
from pysmorch.teach.terms import factors_of_terms


def _what_became(found: Array, arrays: dict[str, Array]) -> str:
    """Say what entries became: a constant, one of the arrays, or a multiple of one; empty where none fits."""
    if near(found, np.full_like(found, found[0])) or (np.abs(found - found[0]) < 1e-9).all():
        return number(found[0] + 0.0)
    for name, array in arrays.items():
        factor = factor_between(found, array)
        if factor is not None:
            return (
                name if abs(factor - 1) < 1e-6 else f"-{name}" if abs(factor + 1) < 1e-6 else f"{number(factor)} {name}"
            )
    return ""


def relu_forward(f: Finding) -> str:
    """What became of positive and of negative entries."""
    x = f.problem.x
    if f.name != "Relu" or f.what != "output" or not f.same_shape:
        return ""
    positive = x > 0
    if positive.sum() < 3 or (~positive).sum() < 3:
        return ""
    if near(f.found[positive], x[positive]):
        slope = factor_between(f.found[~positive], x[~positive])
        if slope is not None:
            return (
                f"This is a leaky ReLU with the slope {number(slope)}: negative entries have to become 0, "
                f"but {number(x.min())} becomes {number(f.found[x == x.min()][0])}."
            )
    if (
        set(np.unique(f.found[~positive])) == {0.0}
        and (f.found[positive] == np.minimum(x, f.found.max())[positive]).all()
    ):
        return f"Entries above {number(f.found.max())} are cut off: max(x, 0) has no upper limit."
    table = {"the entry": x, "its square": x**2, "its exponential": np.exp(x), "exp(x) - 1": np.expm1(x)}
    cases = [_what_became(f.found[at], {k: v[at] for k, v in table.items()}) for at in (positive, ~positive)]
    if not all(cases) or cases == ["the entry", "0"]:
        return _threshold(f, x, "Entries become 0 up to")
    parts = [
        f"{sign} entries become {case}" if case != "the entry" else f"{sign} entries stay"
        for sign, case in zip(("positive", "negative"), cases, strict=True)
    ]
    return f"{parts[0][0].upper()}{parts[0][1:]} and {parts[1]}; they have to stay and become 0."


def _threshold(f: Finding, x: Array, begin: str) -> str:
    """A mask with another limit than 0."""
    through = f.found != 0
    source = x if f.what == "output" else f.problem.dwnstrm
    if not through.any() or through.all() or not near(f.found[through], source[through]):
        return ""
    low, high = float(x[~through].max()), float(x[through].min())
    if low < high and (low > 0 or high < 0):
        return f"{begin} {number(low)}, and not from {number(high)} on: the limit has to be 0."
    return ""


_QUADRANTS = tuple(product((True, False), repeat=2))
"""Whether the input is positive, and whether dwnstrm is."""


def relu_backward(f: Finding) -> str:
    """What became of dwnstrm, by the sign of the input and by its own."""
    if f.name != "Relu" or f.what != "pass_back" or not f.same_shape:
        return ""
    x, d = f.problem.x, f.problem.dwnstrm
    arrays = {
        "dwnstrm": d,
        "the input": x,
        "dwnstrm times the input": d * x,
        "dwnstrm + 1": d + 1,
        "the square of dwnstrm": d * d,
    }
    became = {}
    for x_positive, d_positive in _QUADRANTS:
        at = ((x > 0) == x_positive) & ((d > 0) == d_positive)
        if at.sum() < 2:
            return ""
        became[x_positive, d_positive] = _what_became(f.found[at], {k: v[at] for k, v in arrays.items()})
    if not all(became.values()):
        return _threshold(f, x, "Nothing is let through where the input is up to")
    by_input = [became[True, sign] for sign in (True, False)], [became[False, sign] for sign in (True, False)]
    if by_input[0] == by_input[1]:
        return _mask_from_dwnstrm(*by_input[0])
    if by_input[0][0] == by_input[0][1] and by_input[1][0] == by_input[1][1]:
        return _mask_from_input(by_input[0][0], by_input[1][0])
    return _all_quadrants(became)


def _mask_from_dwnstrm(positive: str, negative: str) -> str:
    if positive == negative:
        return f"{positive[0].upper()}{positive[1:]} is passed back everywhere: the sign of the input plays no part."
    parts = [f"its {sign} entries {_fate(value)}" for sign, value in (("positive", positive), ("negative", negative))]
    return f"The mask is made from dwnstrm: {parts[0]} and {parts[1]}. The sign of the input decides, and what passes keeps its value."


def _fate(value: str) -> str:
    return "go through as they came" if value == "dwnstrm" else f"became {value}"


def _mask_from_input(positive: str, negative: str) -> str:
    if positive == "dwnstrm" and negative.endswith(" dwnstrm") and "of" not in negative:
        slope = negative.removesuffix(" dwnstrm")
        return f"Where the input is negative, {slope} times dwnstrm is passed back, as in a leaky ReLU with that slope; it has to be 0."
    return (
        f"Where the input is positive, {positive} is passed back, and where it is negative, {negative}; "
        "it has to be dwnstrm and 0."
    )


def _all_quadrants(became: dict[tuple[bool, bool], str]) -> str:
    parts = [
        f"where the input is {_sign(x)} and dwnstrm {_sign(d)}, {value} is passed back"
        for (x, d), value in became.items()
        if value != ("dwnstrm" if x else "0")
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. Only the sign of the input decides, and what passes keeps its value."


def _sign(positive: bool) -> str:
    return "positive" if positive else "negative"


# Sigmoid and Tanh.


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


_DERIVATIVES: dict[str, tuple[str, Callable[[Array], Array], str]] = {
    "Sigmoid": ("s", _sigmoid, "s (1 - s) in the output s"),
    "Tanh": ("t", np.tanh, "1 - t^2 in the output t"),
}
"""The letter for the output, the function, and its derivative in words."""


def derivative_as_a_polynomial(f: Finding) -> str:
    """What dwnstrm is multiplied by, as a polynomial in the output or in the input."""
    if f.name not in _DERIVATIVES or f.what != "pass_back" or not f.same_shape:
        return ""
    letter, function, right = _DERIVATIVES[f.name]
    x, d = f.problem.x, f.problem.dwnstrm
    for factor, begin in (
        (f.found / d, "dwnstrm is multiplied by"),
        (f.found, "dwnstrm does not appear; passed back is"),
    ):
        for name, argument, where in (
            (letter, function(x), ""),
            ("x", x, " in the input x"),
            ("u", function(function(x)), f" in u, the {f.name.lower()} of the output"),
            (
                "v",
                function(-x) if letter == "s" else _sigmoid(x),
                f" in v = {'1 - s' if letter == 's' else 'sigmoid(x)'}",
            ),
        ):
            polynomial = _polynomial(factor, argument, name)
            if polynomial:
                return f"{begin} {polynomial}{where}; the derivative is {right}."
    return ""


def derivative_as_a_sum(f: Finding) -> str:
    """A sum of powers of the output, with and without dwnstrm: brackets that are missing."""
    if f.name not in _DERIVATIVES or f.what != "pass_back" or not f.same_shape:
        return ""
    letter, function, right = _DERIVATIVES[f.name]
    y, d = function(f.problem.x), f.problem.dwnstrm
    terms = {"1": np.ones_like(y), letter: y, f"{letter}^2": y**2}
    terms |= {f"d {name}".removesuffix(" 1"): d * term for name, term in terms.items()}
    factors = factors_of_terms(f.found, terms)
    if factors is None or any(abs(4 * c - round(4 * c)) > 1e-4 for c in factors.values()):
        return ""
    parts = [(round(c, 4), name) for name, c in reversed(factors.items()) if c]
    text = "".join(f" {'-' if c < 0 else '+'} {'' if abs(c) == 1 else f'{abs(c):g} '}{name}" for c, name in parts)
    text = text.removeprefix(" + ").removeprefix(" ")
    return f"What is passed back is {text}, where d is dwnstrm: are brackets missing? The derivative is {right}."


def _polynomial(values: Array, argument: Array, letter: str) -> str:
    """Return the polynomial of degree 4 at most, with simple coefficients, that fits; empty where there is none."""
    values, argument = values.ravel(), argument.ravel()
    for degree in range(5):
        if len(np.unique(argument)) < degree + 3:
            return ""
        powers = np.vander(argument, degree + 1, increasing=True)
        coefficients = np.linalg.lstsq(powers, values, rcond=None)[0]
        simple = np.round(coefficients * 4) / 4
        if near(powers @ simple, values):
            return _as_text(simple, letter)
    return ""


def _as_text(coefficients: Array, letter: str) -> str:
    text = ""
    for power, c in enumerate(coefficients):
        if c:
            symbol = ("", letter, f"{letter}^2", f"{letter}^3", f"{letter}^4")[power]
            size = "" if abs(c) == 1 and symbol else f"{abs(c):g} "
            text += f"{' - ' if c < 0 else ' + '}{size}{symbol}".rstrip()
    return text.removeprefix(" + ").replace(" - ", "-", 1) if text.startswith(" - ") else text.removeprefix(" + ")


POINTWISE: tuple[Explanation, ...] = (relu_forward, relu_backward, derivative_as_a_polynomial)
