"""A class that can be graded, and numbers to try it on.

The gradients that are expected come from differences of a plain forward pass, so that no backward routine stands here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from pysmorch.gradcheck.differences import derivative
from pysmorch.layers.base import Array

VALUES = np.array([v / 10 for v in range(-20, 21) if abs(v) >= 3])
"""Numbers that are easy to read, away from 0, where derivatives may not exist."""

STEP = 1e-3
"""Of the differences: the functions are smooth on the numbers above, and the error of differences is of its fourth power."""


_SECRET: ContextVar[tuple[int, ...]] = ContextVar("secret", default=())


@contextmanager
def drawn_from(secret: tuple[int, ...]) -> Iterator[None]:
    """Draw other numbers for all tests in this block, the same ones for the same secret; none for the usual ones."""
    token = _SECRET.set(secret)
    try:
        yield
    finally:
        _SECRET.reset(token)


def generator(seed: int) -> np.random.Generator:
    """Return the generator from which the numbers of a test are drawn."""
    secret = _SECRET.get()
    return np.random.default_rng([seed, *secret] if secret else seed)


@dataclass(frozen=True, eq=False)
class Problem:
    """Numbers to try a class on.

    Attributes:
        x: the output of the input layer.
        W: the parameters; None where there are none.
        labels: what a loss compares x with; None for a layer.
        dwnstrm: the gradient with respect to the output of a layer; None for a loss.
        arguments: of the constructor after in_layer (and labels), in a teacher's exercise.
        setting: what a class may choose: the padding of a convolution, the epsilon of a normalisation.
        sizes, seed: what it was drawn with.
    """

    x: Array
    W: Any = None
    labels: Any = None
    dwnstrm: Any = None
    arguments: tuple[Any, ...] = ()
    setting: Any = None
    sizes: tuple[int, ...] = ()
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Exercise:
    """A class that can be graded.

    Attributes:
        name: of the class.
        signature: how one is made.
        formula: what forward returns, in a few words.
        draw: makes the numbers for given sizes; the first size is the number of rows.
        output: what forward has to return.
        sizes: those that count; all different, so that no axis is mistaken for another.
        usual_sizes: others, with which classes are often tried; who passes there only has written sizes as numbers.
        arguments: those of the constructor after the input layer.
        setting: what a layer has chosen by itself.
        labels: the attribute in which a loss stores its labels; None for a layer.
        small: sizes for examples, from the smallest on.
        tolerance: the relative error that passes.
        hints: what helps with "output", "G" and "pass_back".
        mistakes: formulas that are often written by mistake; None for those of `wrong_formulas` under the name.
        names: the attributes of the student's class for "W", "G", "in_layer", "out_dims" or the labels, where they are others.
        right: the right class of a teacher's exercise, and `source` its file.
    """

    name: str
    signature: str
    formula: str
    draw: Callable[..., Problem]
    output: Callable[[Problem], Any]
    sizes: tuple[int, ...]
    usual_sizes: tuple[int, ...]
    hints: dict[str, str]
    arguments: Callable[[Problem], tuple[Any, ...]] = lambda p: ()
    setting: Callable[[Problem, Any], Any] = lambda p, layer: p.setting
    labels: str | None = None
    small: tuple[tuple[int, ...], ...] = ()
    tolerance: float = 1e-5
    mistakes: dict[str, dict[str, Callable[[Problem], Any]]] | None = None
    names: dict[str, str] = field(default_factory=dict)
    right: Any = None
    source: str = ""

    def problem(self, sizes: tuple[int, ...], seed: int = 0) -> Problem:
        """Return numbers of these sizes, the same ones for the same seed."""
        return self._problem(sizes, seed, _SECRET.get())

    @lru_cache(maxsize=1024)  # noqa: B019  (exercises live as long as the module)
    def _problem(self, sizes: tuple[int, ...], seed: int, secret: tuple[int, ...]) -> Problem:
        drawn = replace(self.draw(generator(seed), *sizes), sizes=sizes, seed=seed)
        return self.with_dwnstrm(drawn)

    @lru_cache(maxsize=1024)  # noqa: B019
    def with_setting(self, problem: Problem, setting: Any) -> Problem:
        """Return the problem for a class that has chosen this setting, which may change the shape of its output."""
        return problem if setting == problem.setting else self.with_dwnstrm(replace(problem, setting=setting))

    @lru_cache(maxsize=1024)  # noqa: B019
    def with_parameters_of(self, problem: Problem, other: Problem) -> Problem:
        """Return the problem for a class that has the parameters and the setting of another one."""
        return self.with_dwnstrm(replace(problem, W=other.W, setting=other.setting))

    def with_dwnstrm(self, problem: Problem) -> Problem:
        """Return the problem with a gradient in the shape of its output; a loss needs none."""
        if self.labels is not None:
            return problem
        rng = generator(problem.seed + 1000)
        return replace(problem, dwnstrm=numbers(rng, *np.shape(self.output(problem))))

    @lru_cache(maxsize=1024)  # noqa: B019
    def gradient(self, problem: Problem, name: str) -> Array:
        """Return the derivatives of the sum of dwnstrm * output (of the loss itself) for "x" or "W", from differences."""
        array = np.array(getattr(problem, name), dtype=np.float64)
        moved = replace(problem, x=array) if name == "x" else replace(problem, W=array)
        weights = 1.0 if problem.dwnstrm is None else problem.dwnstrm

        def value() -> float:
            return float(np.sum(weights * self.output(moved)))

        result = np.empty_like(array)
        for index in np.ndindex(*array.shape):
            result[index] = derivative(value, array, index, STEP)
        return np.where(np.abs(result) < 1e-11, 0.0, result)

    def expected(self, problem: Problem, what: str) -> Array:
        """Return what is right for "output", "G" or "pass_back"."""
        if what == "output":
            return np.asarray(self.output(problem), dtype=np.float64)
        return self.gradient(problem, {"G": "W", "pass_back": "x"}[what])

    @property
    def small_sizes(self) -> tuple[tuple[int, ...], ...]:
        """Sizes for examples: all of ones and twos, the fewest numbers first."""
        return self.small or tuple(sorted(product((1, 2), repeat=len(self.sizes)), key=math.prod))


def numbers(rng: np.random.Generator, *shape: int) -> Array:
    """Return numbers with one decimal, none of them close to 0."""
    return rng.choice(VALUES, shape)


Formulas = dict[str, dict[str, dict[str, Callable[[Problem], Any]]]]
"""Wrong formulas by class, by result ("output", "G", "pass_back") and by the sentence that each of them gets."""
