"""Sums of a few terms with wrong factors: the factors are found by least squares and put into words."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.factors import factor_between
from pysmorch.teach.finding import Explanation, Finding, near, number


def factors_of_terms(found: Array, terms: Mapping[str, Array]) -> dict[str, float] | None:
    """Return the factor of each term in a sum that is what was found; None where there is none, or it is not unique."""
    matrix = np.stack([np.ravel(term) for term in terms.values()], 1)
    if not np.isfinite(matrix).all() or len(matrix) < len(terms) + 3 or np.linalg.matrix_rank(matrix) < len(terms):
        return None
    factors = np.linalg.lstsq(matrix, found.ravel(), rcond=None)[0]
    if not near(matrix @ factors, found.ravel()):
        return None
    return dict(zip(terms, (float(c) for c in np.where(np.abs(factors) < 1e-6, 0, factors)), strict=True))


def _is(value: float, other: float) -> bool:
    return abs(value - other) < 1e-5 * max(1, abs(other))


# Losses: probabilities (the input) and labels, each with a factor.


def softmax(x: Array, axis: int | None = 1) -> Array:
    """exp(x) over its sum."""
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def difference_of_a_loss(f: Finding) -> str:
    """a P + b Y + c where (P - Y) / M belongs, or the same with the input."""
    if not f.is_loss or f.what != "pass_back" or not f.same_shape:
        return ""
    first, array = ("probabilities", softmax(f.problem.x)) if f.name == "CrossEntropy" else ("input", f.problem.x)
    M, ones = len(f.problem.x), np.ones_like(f.found)
    factors = factors_of_terms(f.found, {"first": array, "labels": f.problem.labels, "one": ones})
    if factors is None:
        return _probabilities_of_rows(f, array) if f.name == "CrossEntropy" else ""
    a, b, c = (M * v for v in factors.values())
    if not _is(c, 0):
        return f"The number {number(c / M)} is added to every entry of the gradient."
    for divided, fits in ((first, _is(a, 1) and _is(b, -M)), ("labels", _is(a, M) and _is(b, -1))):
        if fits:
            return f"Of {first} and labels, only the {divided} came to be divided by M: brackets around the difference are missing."
    if a and _is(a, b):
        return f"The labels are added to the {first} instead of taken away."
    if a and b:
        return (
            f"In the difference of {first} and labels, the former have the factor {number(a / M)} and the latter {number(b / M)}; "
            f"they have to have 1/M and -1/M, here {number(1 / M)} and {number(-1 / M)}."
        )
    return ""


def _probabilities_of_rows(f: Finding, P: Array) -> str:
    """Probabilities of which each row, or each column, has a factor of its own: they do not add up to 1."""
    found = len(P) * f.found + f.problem.labels
    for which, rows, right in (("row", found, P), ("column", found.T, P.T)):
        if all(factor_between(a, b) is not None for a, b in zip(rows, right, strict=True)) and right.shape[1] > 2:
            return (
                f"P - Y is right, but not P: each {which} of the probabilities has a wrong factor, so that the probabilities of a "
                "row do not add up to 1."
            )
    return ""


# Normalize: three terms.


def terms_of_normalize(f: Finding) -> str:
    """dwnstrm, its mean and the term with y, each with a factor, over a power of the standard deviation."""
    if (
        f.name != "Normalize"
        or f.what != "pass_back"
        or not f.same_shape
        or f.expected.ndim != 2
        or len(f.expected) < 4
    ):
        return ""
    x, d = f.problem.x, f.problem.dwnstrm
    centred = x - x.mean(0)
    s = np.sqrt(x.var(0) + f.problem.setting)
    y = centred / s
    third = {
        "": y * (d * y).mean(0),
        "The input stands where the normalised output y belongs.": x * (d * x).mean(0),
        "The input less its mean stands where the normalised output y belongs (it is not divided by s).": centred
        * (d * centred).mean(0),
        "In the last term y is missing once: it is y times the mean of dwnstrm times y.": y * d.mean(0),
        "In the last term dwnstrm is missing: it is y times the mean of dwnstrm times y.": y * (y * y).mean(0),
        "In the last term the mean is not taken: it is y times the mean over the batch of dwnstrm times y.": y * y * d,
        "In the last term y is not multiplied by the mean of dwnstrm times y.": (d * y).mean(0) + 0 * y,
        "In the last term the mean is taken over everything: each feature has its own.": y * (d * y).mean(),
        "In the last term a division by s is missing.": y * (d * y).mean(0) * s,
        "In the last term it is divided by s once too often.": y * (d * y).mean(0) / s,
        "In the last term it is divided by s twice too often.": y * (d * y).mean(0) / s**2,
        "In the last term the mean is taken over the features instead of the batch.": y
        * (d * y).mean(1, keepdims=True),
    }
    second = {
        "": d.mean(0) + 0 * d,
        "The mean of dwnstrm is taken over the features instead of the batch.": d.mean(1, keepdims=True) + 0 * d,
        "The mean of dwnstrm is taken over everything: each feature has its own.": d.mean() + 0 * d,
    }
    explained: list[list[str]] = []
    for (power, scaled), (about_mean, mean), (mistake, term) in product(_POWERS.items(), second.items(), third.items()):
        parts = {"dwnstrm": d * s**power, "mean": mean * s**power, "y": term * s**power}
        factors = factors_of_terms(f.found, parts)
        if factors is None or (about_mean and not factors["mean"]):
            continue
        about_y = mistake if factors["y"] else ""
        explained.append([text for text in (about_mean, about_y, *_named(factors, len(x)), scaled) if text])
    explained.sort(key=len)
    return " ".join(next(filter(None, explained), []))


_POWERS = {
    -1: "",
    0: "The division by the standard deviation is missing.",
    1: "Multiplied by the standard deviation instead of divided.",
    -2: "Divided by the variance instead of its square root.",
    -0.5: "The root is taken twice: divided by the root of the standard deviation.",
    -3: "Divided by the third power of the standard deviation.",
}


def _named(factors: Mapping[str, float], M: int) -> list[str]:
    """Put the factors 1, -1, -1 that are wrong into words."""
    d, mean, y = factors.values()
    sentences = []
    if d and _is(mean / d, -1) and _is(y / d, -1):
        if not _is(d, 1):
            sentences.append(_common(d, M))
        return sentences
    if not _is(d, 1):
        sentences.append("dwnstrm itself is missing." if not d else f"dwnstrm comes in with the factor {number(d)}.")
    names = (
        (mean, "the mean of dwnstrm", "The mean is treated as a constant; it depends on the input too."),
        (y, "the term with y", "The variance is treated as a constant; it depends on the input too."),
    )
    if not mean and not y:
        return [*sentences, "Mean and variance are treated as constants; they depend on the input too."]
    for value, what, when_missing in names:
        if not value:
            sentences.append(when_missing)
        elif _is(value, 1):
            sentences.append(f"The sign of {what} is wrong.")
        elif _is(value, -M):
            sentences.append(f"{what[0].upper()}{what[1:]} is a sum over the batch instead of a mean.")
        elif M > 1 and _is(value, -M / (M - 1)):
            sentences.append(f"{what[0].upper()}{what[1:]} is divided by M - 1 instead of M.")
        elif _is(value, -1 / M):
            sentences.append(f"{what[0].upper()}{what[1:]} is divided by the number of rows M twice.")
        elif not _is(value, -1):
            sentences.append(f"{what[0].upper()}{what[1:]} comes in with the factor {number(value)} instead of -1.")
    return sentences


def _common(factor: float, M: int) -> str:
    known = {
        -1.0: "The sign is wrong.",
        2.0: "A factor of 2 too much.",
        0.5: "A factor of 2 is missing.",
        float(M): "Everything is M times too large: the size of the batch.",
        1 / M: "Everything is divided by the size of the batch once too often.",
        M**0.5: "Everything is the root of M times too large: is the variance a sum instead of a mean?",
        M**-0.5: "Everything is the root of M times too small: is the variance a sum instead of a mean?",
        ((M - 1) / M) ** 0.5: "The variance is divided by M - 1 instead of M.",
    }
    return next(
        (text for value, text in known.items() if _is(factor, value)), f"Everything has the factor {number(factor)}."
    )


def epsilon_of_normalize(f: Finding) -> str:
    """The right formula with another epsilon, or with epsilon outside the root."""
    if f.name != "Normalize" or f.what != "output" or not f.same_shape or f.expected.ndim != 2 or len(f.expected) < 4:
        return ""
    centred = f.problem.x - f.problem.x.mean(0)
    columns = [factor_between(a, b) for a, b in zip(centred.T, f.found.T, strict=True)]
    if any(c is None for c in columns):
        return ""
    s = np.array(columns, dtype=np.float64)
    for epsilon, where in ((s**2 - f.problem.x.var(0), "variance"), (s - f.problem.x.std(0), "standard deviation")):
        if near(epsilon, np.full_like(epsilon, epsilon.mean())) and abs(epsilon.mean()) > 1e-6:
            return f"What is added to the {where} is {number(epsilon.mean())}: epsilon has to be small, such as 1e-5."
    return ""


# Bias and Scale, Linear: what forward makes of the input and W.


def terms_of_forward(f: Finding) -> str:
    """a X + b W + c X W + d, for Bias and Scale."""
    if f.name not in ("Bias", "Scale") or f.what != "output" or not f.same_shape:
        return ""
    x, W = f.problem.x, np.broadcast_to(f.problem.W, f.found.shape)
    factors = factors_of_terms(f.found, {"X": x, "W": W, "X * W": x * W, "1": np.ones_like(x)})
    if factors is None:
        return ""
    constant, row = factors["1"], f.problem.W[0]
    stand_ins = {
        "the mean of W": row.mean(),
        "the first entry of W": row[0],
        "the last entry of W": row[-1],
        "the sum of W": row.sum(),
    }
    name = next((words for words, value in stand_ins.items() if constant and _is(constant, value)), number(constant))
    text = " + ".join(
        name if term == "1" else term if _is(c, 1) else f"{number(c)} {term}" for term, c in factors.items() if c
    ).replace("+ -", "- ")
    return f"This is {text or '0'} instead of {f.exercise.formula}."


def another_matrix(f: Finding) -> str:
    """X times a matrix that is not W."""
    if f.name != "Linear" or f.what != "output" or not f.same_shape or f.found.ndim != 2:
        return ""
    x = f.problem.x
    if len(x) <= x.shape[1]:
        return ""
    other = np.linalg.lstsq(x, f.found, rcond=None)[0]
    if not near(x @ other, f.found):
        return ""
    W = f.problem.W
    known = {
        "W is rounded": np.rint(W),
        "the square of W is taken": W**2,
        "the absolute value of W is taken": np.abs(W),
        "each column of W is divided by its norm": W / np.linalg.norm(W, axis=0),
        "each row of W is divided by its norm": W / np.linalg.norm(W, axis=1, keepdims=True),
        "W is divided by its norm": W / np.linalg.norm(W),
        "the mean of W is taken away": W - W.mean(),
        "a softmax of W is taken": softmax(W, 0),
    }
    for words, matrix in known.items():
        if near(other, matrix):
            return f"X is multiplied by another matrix than W: {words}."
    return "X is multiplied by another matrix than self.W: forward has to use self.W as it is when forward runs."


TERMS: tuple[Explanation, ...] = (
    difference_of_a_loss,
    terms_of_normalize,
    epsilon_of_normalize,
    terms_of_forward,
    another_matrix,
)
