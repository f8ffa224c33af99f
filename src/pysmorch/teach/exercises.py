"""What each class has to compute: how to make one on small numbers, and its forward pass a second time, plainly.

The gradients that are expected come from differences of these forward passes, so that no backward routine stands here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pysmorch.gradcheck.differences import derivative
from pysmorch.layers.base import Array

VALUES = np.array([v / 10 for v in range(-20, 21) if abs(v) >= 3])
"""Numbers that are easy to read, away from 0, where derivatives may not exist."""

STEP = 1e-3
"""Of the differences: the functions are smooth on the numbers above, and the error of differences is of its fourth power."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Numbers to try a class on.

    Attributes:
        x: what comes from the layer in front.
        W: the parameters; None where there are none.
        labels: what a loss compares x with; None for a layer.
        dwnstrm: the gradient that is handed down to a layer; None for a loss.
        setting: what a class may choose: the padding of a convolution, the epsilon of a normalisation.
        sizes, seed: what it was drawn with.
    """

    x: Array
    W: Any = None
    labels: Any = None
    dwnstrm: Any = None
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
        arguments: those of the constructor after the layer in front.
        setting: what a layer has chosen by itself.
        labels: the attribute in which a loss keeps its labels; None for a layer.
        small: sizes for examples, from the smallest on.
        tolerance: the relative error that passes.
        hints: what helps with "output", "G" and "pass_back".
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

    @lru_cache(maxsize=256)  # noqa: B019  (exercises live as long as the module)
    def problem(self, sizes: tuple[int, ...], seed: int = 0) -> Problem:
        """Return numbers of these sizes, the same ones for the same seed."""
        rng = np.random.default_rng(seed)
        drawn = replace(self.draw(rng, *sizes), sizes=sizes, seed=seed)
        return self.with_dwnstrm(drawn)

    @lru_cache(maxsize=256)  # noqa: B019
    def with_setting(self, problem: Problem, setting: Any) -> Problem:
        """Return the problem for a class that has chosen this setting, which may change the shape of its output."""
        return problem if setting == problem.setting else self.with_dwnstrm(replace(problem, setting=setting))

    def with_dwnstrm(self, problem: Problem) -> Problem:
        """Return the problem with a gradient in the shape of its output; a loss needs none."""
        if self.labels is not None:
            return problem
        rng = np.random.default_rng(problem.seed + 1000)
        return replace(problem, dwnstrm=numbers(rng, *np.shape(self.output(problem))))

    @lru_cache(maxsize=256)  # noqa: B019
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


# The forward passes.


def _product(p: Problem) -> Array:
    columns = p.W.T
    return np.array([[math.fsum(row * column) for column in columns] for row in p.x])


def _each(f: Callable[[float], float]) -> Callable[[Problem], Array]:
    return lambda p: np.array([f(float(v)) for v in p.x.ravel()]).reshape(p.x.shape)


def _sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v)) if v > 0 else math.exp(v) / (1 + math.exp(v))


def _square_loss(p: Problem) -> float:
    return math.fsum((v - y) ** 2 for v, y in zip(p.x.ravel(), p.labels.ravel(), strict=True)) / (2 * len(p.x))


def _cross_entropy(p: Problem) -> float:
    losses = []
    for row, label in zip(p.x, p.labels, strict=True):
        largest = max(row)
        log_sum = largest + math.log(math.fsum(math.exp(v - largest) for v in row))
        losses.append(math.fsum(y * (log_sum - v) for v, y in zip(row, label, strict=True)))
    return math.fsum(losses) / len(losses)


def _convolution(p: Problem) -> Array:
    W = p.W
    kernel_height, kernel_width = W.shape[:2]
    x = p.x
    if p.setting == "same":
        before = ((kernel_height - 1) // 2, (kernel_width - 1) // 2)
        x = np.pad(x, ((0, 0), (before[0], kernel_height // 2), (before[1], kernel_width // 2), (0, 0)))
    windows = sliding_window_view(x, (kernel_height, kernel_width), (1, 2))  # (N, H, W, C, KH, KW)
    return np.tensordot(windows, W, ((4, 5, 3), (0, 1, 2)))


def _normalized(p: Problem) -> Array:
    columns = [(column - math.fsum(column) / len(column)) for column in p.x.reshape(-1, p.x.shape[-1]).T]
    rows = np.array([c / math.sqrt(math.fsum(c * c) / len(c) + p.setting) for c in columns]).T
    return rows.reshape(p.x.shape)


# What a class has chosen by itself.


def _padding_of(p: Problem, layer: Any) -> str:
    """The padding that is named, or the one that out_dims fits; "same" where neither says."""
    padding = getattr(layer, "padding", None)
    if isinstance(padding, str) and padding in ("same", "valid"):
        return padding
    dims = tuple(getattr(layer, "out_dims", ()))
    valid = tuple(size - kernel + 1 for size, kernel in zip(p.x.shape[1:3], p.W.shape[:2], strict=True))
    return "valid" if len(dims) == 4 and tuple(dims[1:3]) == valid else "same"


def _epsilon_of(p: Problem, layer: Any) -> Any:
    epsilon = getattr(layer, "epsilon", None)
    return epsilon if isinstance(epsilon, float) and 0 < epsilon < 1e-2 else p.setting


# The table.


def _rows(rng: np.random.Generator, n: int, d: int) -> Problem:
    return Problem(numbers(rng, n, d))


def _features_and_row(rng: np.random.Generator, *sizes: int) -> Problem:
    """Rows or images, and a number for each of their features (channels)."""
    return Problem(numbers(rng, *sizes), W=numbers(rng, 1, sizes[-1]))


_POINTWISE_HINTS = {
    "output": "The function works on every entry by itself; the shape stays the same.",
    "pass_back": "By the chain rule, each entry of dwnstrm is multiplied by the derivative at the entry of the input.",
}

CONVOLUTION = Exercise(
    "Conv2d",
    "Conv2d(in_layer, num_filters, kernel_size)",
    "the image correlated with every filter",
    lambda rng, n, h, w, c, k, size: Problem(
        numbers(rng, n, h, w, c), W=numbers(rng, size, size, c, k), setting="same"
    ),
    _convolution,
    sizes=(3, 5, 4, 2, 6, 3),
    usual_sizes=(2, 4, 6, 3, 2, 3),
    arguments=lambda p: (p.W.shape[3], p.W.shape[0]),
    setting=_padding_of,
    small=(
        (1, 1, 2, 1, 1, 1),
        (1, 3, 3, 1, 1, 3),
        (1, 3, 4, 1, 1, 3),
        (1, 3, 3, 2, 1, 3),
        (1, 3, 3, 1, 2, 3),
        (2, 1, 2, 1, 1, 1),
        (2, 3, 3, 1, 1, 3),
    ),
    hints={
        "output": "Entry (i, j) of a filter's output is the sum, over a window of the image that begins at (i, j) and over "
        "all channels, of pixel times weight; the filter is not turned round.",
        "G": "A weight acts at every place of every image: add up what each place contributes.",
        "pass_back": "A pixel lies in several windows, at another place of the filter in each; collect what comes back from "
        "all of them.",
    },
)

EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise
    for exercise in (
        Exercise(
            "Linear",
            "Linear(in_layer, num_out_features)",
            "X W",
            lambda rng, n, d, k: Problem(numbers(rng, n, d), W=numbers(rng, d, k)),
            _product,
            sizes=(5, 4, 3),
            usual_sizes=(10, 3, 5),
            arguments=lambda p: (p.W.shape[1],),
            hints={
                "output": "Entry (n, k) is the product of row n of X with column k of W.",
                "G": "Weight W[d, k] takes part in every row: add up X[n, d] dwnstrm[n, k] over n, and look which matrix "
                "product does that. G has the shape of W.",
                "pass_back": "X[n, d] acts on output k by the factor W[d, k]: add up over k, and look which matrix product "
                "does that. The result has the shape of X.",
            },
        ),
        Exercise(
            "Relu",
            "Relu(in_layer)",
            "max(x, 0)",
            _rows,
            _each(lambda v: max(v, 0.0)),
            sizes=(5, 4),
            usual_sizes=(10, 5),
            hints={
                "output": "Compare every entry with 0 by itself.",
                "pass_back": "Where the input was positive, the output moves with it; elsewhere it does not move at all.",
            },
        ),
        Exercise(
            "Bias",
            "Bias(in_layer)",
            "X + W",
            _features_and_row,
            lambda p: np.array([row + p.W[0] for row in p.x]),
            sizes=(5, 4),
            usual_sizes=(10, 5),
            hints={
                "output": "The row W is added to every row of X.",
                "G": "W is added to every row, so every row of dwnstrm contributes to its gradient; G has the shape of W.",
                "pass_back": "When an entry of X grows by a little, by how much does that entry of X + W grow?",
            },
        ),
        Exercise(
            "Scale",
            "Scale(in_layer)",
            "X * W",
            _features_and_row,
            lambda p: np.array([row * p.W[0] for row in p.x]),
            sizes=(5, 4),
            usual_sizes=(10, 5),
            hints={
                "output": "Every row of X is multiplied by the row W, entry by entry.",
                "G": "Use the product rule: what is W[0, d] multiplied by in row n? Add up over the rows; G has the shape of W.",
                "pass_back": "Use the product rule: what is X[n, d] multiplied by?",
            },
        ),
        Exercise(
            "SquareLoss",
            "SquareLoss(in_layer, labels)",
            "1/(2M) ||X - Y||^2",
            lambda rng, n, k: Problem(numbers(rng, n, k), labels=numbers(rng, n, k)),
            _square_loss,
            sizes=(5, 3),
            usual_sizes=(10, 3),
            arguments=lambda p: (p.labels,),
            labels="labels",
            hints={
                "output": "Add up the squares of all entries of X - Y and divide by twice the number of rows M.",
                "pass_back": "Differentiate 1/(2M) (x - y)^2 for one entry; the others do not matter for it.",
            },
        ),
        Exercise(
            "CrossEntropy",
            "CrossEntropy(in_layer, ones_hot)",
            "the mean of log(sum_j exp(x_j)) - x_k",
            lambda rng, n, k: Problem(numbers(rng, n, k), labels=np.eye(k)[rng.integers(0, k, n)]),
            _cross_entropy,
            sizes=(5, 3),
            usual_sizes=(10, 5),
            arguments=lambda p: (p.labels,),
            labels="ones_hot",
            hints={
                "output": "Work the formula out by hand for one row, then take the mean over the rows.",
                "pass_back": "Differentiate log(sum_j exp(x_j)) and x_k for one row; what does the first of them turn into? The "
                "loss is a mean, so there is a factor of the batch.",
            },
        ),
        CONVOLUTION,
        Exercise(
            "Normalize",
            "Normalize(in_layer)",
            "(X - mean) / sqrt(variance + epsilon), over the batch",
            lambda rng, *sizes: Problem(numbers(rng, *sizes), setting=1e-5),
            _normalized,
            sizes=(5, 4),
            usual_sizes=(10, 5),
            setting=_epsilon_of,
            small=((2, 1), (3, 1), (2, 2), (3, 2)),
            tolerance=1e-4,
            hints={
                "output": "Mean and variance are those of a feature, a column of X, over the rows of the batch; the variance is "
                "divided by their number.",
                "pass_back": "Mean and variance depend on every row as well: there are three ways from an input to the loss.",
            },
        ),
        Exercise(
            "Sigmoid",
            "Sigmoid(in_layer)",
            "1 / (1 + exp(-x))",
            _rows,
            _each(_sigmoid),
            sizes=(5, 4),
            usual_sizes=(10, 5),
            hints=_POINTWISE_HINTS,
        ),
        Exercise(
            "Tanh",
            "Tanh(in_layer)",
            "tanh(x)",
            _rows,
            _each(math.tanh),
            sizes=(5, 4),
            usual_sizes=(10, 5),
            hints=_POINTWISE_HINTS,
        ),
        Exercise(
            "Flatten",
            "Flatten(in_layer)",
            "every example as one row, in C order",
            lambda rng, n, h, w, c: Problem(numbers(rng, n, h, w, c)),
            lambda p: np.array([[v for line in example for pixel in line for v in pixel] for example in p.x]),
            sizes=(5, 3, 2, 4),
            usual_sizes=(4, 2, 3, 1),
            hints={
                "output": "The batch stays the first axis; all other axes become one.",
                "pass_back": "Nothing is computed, so no number changes; only the shape goes back to that of the input.",
            },
        ),
        Exercise(
            "Dropout",
            "Dropout(in_layer, rate)",
            "0 with probability rate, else x / (1 - rate)",
            lambda rng, n, d: Problem(numbers(rng, n, d), setting=0.4),
            lambda p: p.x,  # what comes out is random; its tests look at what the class has drawn
            sizes=(5, 4),
            usual_sizes=(10, 5),
            arguments=lambda p: (p.setting,),
            hints={},
        ),
    )
}
