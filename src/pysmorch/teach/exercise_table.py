"""The exercises: how to make each class on small numbers, and what helps with it."""

from __future__ import annotations

import math

import numpy as np

from pysmorch.teach.exercises import Exercise, Problem, numbers
from pysmorch.teach.plain_passes import (
    convolution,
    cross_entropy,
    entry_by_entry,
    epsilon_of,
    matrix_product,
    normalized,
    padding_of,
    sigmoid,
    square_loss,
)


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
    convolution,
    sizes=(3, 5, 4, 2, 6, 3),
    usual_sizes=(2, 4, 6, 3, 2, 3),
    arguments=lambda p: (p.W.shape[3], p.W.shape[0]),
    setting=padding_of,
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
        "G": "A weight acts at every position of every image: add up what each position contributes.",
        "pass_back": "A pixel lies in several windows, at another position in the filter in each; collect what comes back from "
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
            matrix_product,
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
            entry_by_entry(lambda v: max(v, 0.0)),
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
            square_loss,
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
            cross_entropy,
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
            normalized,
            sizes=(7, 4),
            usual_sizes=(10, 5),
            setting=epsilon_of,
            small=((3, 1), (3, 2), (4, 2)),  # two rows become 1 and -1, whatever they are
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
            entry_by_entry(sigmoid),
            sizes=(5, 4),
            usual_sizes=(10, 5),
            hints=_POINTWISE_HINTS,
        ),
        Exercise(
            "Tanh",
            "Tanh(in_layer)",
            "tanh(x)",
            _rows,
            entry_by_entry(math.tanh),
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
            usual_sizes=(4, 2, 3, 5),
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
