"""Formulas that are often written by mistake, with the sentence that each of them gets.

A wrong result is compared with these; where one fits, its sentence is the cause. What all gradients have in common (a
factor, a sign, a transpose) is told by `gradcheck.diagnosis`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.exercises import CONVOLUTION, Problem

Formula = Callable[[Problem], Any]


def _softmax(x: Array, axis: int | None = 1) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _log_sum(x: Array) -> Array:
    return np.log(np.exp(x).sum(1, keepdims=True))


def _shifted(p: Problem) -> Array:
    return np.exp(p.x - p.x.max(1, keepdims=True))


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _spread(p: Problem) -> Array:
    return np.sqrt(p.x.var(0) + p.setting)


def _normalized(p: Problem) -> Array:
    return (p.x - p.x.mean(0)) / _spread(p)


def _normalize_back(p: Problem, mean: Any, stretch: Any, y: Array | None = None) -> Array:
    """The gradient for the input of a normalisation with other factors for its second and third term."""
    y = _normalized(p) if y is None else y
    return p.dwnstrm - mean * p.dwnstrm.mean(0) - stretch * y * (p.dwnstrm * y).mean(0)


def _with_turned_filters(p: Problem) -> Problem:
    return replace(p, W=p.W[::-1, ::-1])


def _with_rows_as_columns(p: Problem) -> Problem:
    return replace(p, W=p.W.swapaxes(0, 1))


def _last_weight_only(p: Problem) -> Array:
    W = np.zeros_like(p.W)
    W[-1, -1] = p.W[-1, -1]
    return CONVOLUTION.expected(replace(p, W=W), "output")


def _overwritten(p: Problem) -> Array:
    """What "same" padding hands back when the places of the window write over each other instead of adding up."""
    height, width = p.x.shape[1:3]
    size = p.W.shape[0]
    padded = np.zeros((len(p.x), height + size - 1, width + size - 1, p.x.shape[3]))
    for a in range(size):
        for b in range(size):
            padded[:, a : a + height, b : b + width] = p.dwnstrm @ p.W[a, b].T
    before = (size - 1) // 2
    return padded[:, before : before + height, before : before + width]


def _first_channel_only(p: Problem) -> Array:
    x = p.x.copy()
    x[..., 1:] = 0
    return CONVOLUTION.expected(replace(p, x=x), "output")


_MEAN_OVER_ENTRIES = "Divided by the number of all entries (np.mean) instead of the number of rows M."

_COLUMN_MAXIMUM = "The largest logit of each column is taken away instead of that of each row."

MISTAKES: dict[str, dict[str, dict[str, Formula]]] = {
    "Linear": {
        "output": {
            "W is transposed: this is X W^T instead of X W.": lambda p: p.x @ p.W.T,
            "The output is divided by the size of the batch.": lambda p: p.x @ p.W / len(p.x),
            "This is the transpose of what it should be.": lambda p: (p.x @ p.W).T,
            "X and W are multiplied entry by entry (*) instead of as matrices (@).": lambda p: p.x * p.W,
            "The factors are in the wrong order: this is W X instead of X W.": lambda p: p.W @ p.x,
        },
        "G": {
            "The input does not appear in G: this is dwnstrm summed over the batch.": lambda p: (
                np.ones_like(p.x).T @ p.dwnstrm
            ),
            "dwnstrm does not appear in G: this is the gradient of the sum of the outputs.": lambda p: (
                p.x.T @ np.ones_like(p.dwnstrm)
            ),
            "X is not transposed: this is X dwnstrm.": lambda p: p.x @ p.dwnstrm,
            "The output was taken instead of dwnstrm: this is X^T Y.": lambda p: p.x.T @ (p.x @ p.W),
        },
        "pass_back": {
            "W is not transposed: this is dwnstrm W, which fits only where all sizes are equal.": lambda p: (
                p.dwnstrm @ p.W
            ),
            "This is the transpose of what has to be handed back.": lambda p: p.W @ p.dwnstrm.T,
            "The factors are in the wrong order: this is W^T dwnstrm instead of dwnstrm W^T.": lambda p: (
                p.W.T @ p.dwnstrm
            ),
            "G was taken instead of W.": lambda p: p.dwnstrm @ (p.x.T @ p.dwnstrm).T,
            "W does not appear in what is handed back.": lambda p: p.dwnstrm.sum(1, keepdims=True) + 0 * p.x,
            "dwnstrm does not appear in what is handed back.": lambda p: np.ones_like(p.dwnstrm) @ p.W.T,
            "The input is handed back instead of a gradient.": lambda p: p.x,
        },
    },
    "Relu": {
        "output": {
            "np.max(x, 0) takes the largest entry of each column; each entry has to be compared with 0.": lambda p: (
                np.max(p.x, 0)
            ),
            "The largest entry of all is returned; each entry has to be compared with 0.": lambda p: np.max(p.x),
            "The mask is returned instead of the entries that it lets through.": lambda p: p.x > 0,
            "This is |x|: negative entries have to become 0, not positive.": lambda p: np.abs(p.x),
            "This is min(x, 0): the wrong half is kept.": lambda p: np.minimum(p.x, 0),
            "Only the positive entries are returned, as one list: the others become 0 and keep their places.": lambda p: (
                p.x[p.x > 0]
            ),
            "This is a leaky ReLU: negative entries have to become 0.": lambda p: np.where(p.x > 0, p.x, 0.01 * p.x),
        },
        "pass_back": {
            "dwnstrm is let through everywhere: the mask is missing, or is true everywhere (as output >= 0 is).": lambda p: (
                p.dwnstrm
            ),
            "The mask is taken from the wrong array: from dwnstrm instead of the input.": lambda p: (
                p.dwnstrm * (p.dwnstrm > 0)
            ),
            "The mask is the wrong way round: gradient is let through where x <= 0.": lambda p: p.dwnstrm * (p.x <= 0),
            "The mask itself is handed back; dwnstrm does not appear in it.": lambda p: p.x > 0,
            "Only what is let through is handed back, as one list: the other entries are 0 and keep their places.": lambda p: (
                p.dwnstrm[p.x > 0]
            ),
            "dwnstrm and the mask are multiplied as matrices (@) instead of entry by entry (*).": lambda p: (
                p.dwnstrm @ (p.x > 0)
            ),
            "The output is handed back; dwnstrm does not appear in it.": lambda p: np.maximum(p.x, 0),
            "dwnstrm is multiplied by the output instead of the derivative, which is 0 or 1.": lambda p: (
                p.dwnstrm * np.maximum(p.x, 0)
            ),
            "The derivative is taken as the sign of x: it is 0 for negative x, not -1.": lambda p: (
                p.dwnstrm * np.sign(p.x)
            ),
            "Negative entries of dwnstrm are dropped: only the input decides what is let through.": lambda p: (
                p.dwnstrm * (p.x > 0) * (p.dwnstrm > 0)
            ),
        },
    },
    "Bias": {
        "output": {
            "W is taken away instead of added.": lambda p: p.x - p.W,
            "X is multiplied by W instead of adding it.": lambda p: p.x * p.W,
            "W is returned alone; X does not appear in it.": lambda p: p.W,
            "The sum of W is added to every entry instead of each feature's own entry of W.": lambda p: (
                p.x + np.sum(p.W)
            ),
        },
        "G": {
            "dwnstrm is not summed over the batch: G has to have the shape of W.": lambda p: p.dwnstrm,
            "The average over the batch is taken instead of the sum.": lambda p: p.dwnstrm.mean(0, keepdims=True),
            "Summed over the wrong axis: over the features instead of the batch.": lambda p: p.dwnstrm.sum(1),
            "Everything is summed into one number: sum over the batch only.": lambda p: p.dwnstrm.sum(),
            "The input is summed instead of dwnstrm.": lambda p: p.x.sum(0, keepdims=True),
            "G is 1 everywhere: dwnstrm does not appear in it.": lambda p: np.ones_like(p.W),
            "G is the size of the batch everywhere: dwnstrm does not appear in it.": lambda p: np.full_like(
                p.W, len(p.x)
            ),
        },
        "pass_back": {
            "G is handed back: what is handed back has a row for every row of X.": lambda p: p.dwnstrm.sum(
                0, keepdims=True
            ),
            "dwnstrm is multiplied by W, as in Scale.": lambda p: p.dwnstrm * p.W,
            "W is added on the way back as well.": lambda p: p.dwnstrm + p.W,
            "dwnstrm does not appear in what is handed back.": lambda p: np.ones_like(p.dwnstrm),
        },
    },
    "Scale": {
        "output": {
            "W is added instead of multiplied.": lambda p: p.x + p.W,
            "X is divided by W instead of multiplied.": lambda p: p.x / p.W,
        },
        "G": {
            "The input is missing in G: this is the gradient of a Bias.": lambda p: p.dwnstrm.sum(0, keepdims=True),
            "dwnstrm is missing in G: this is the sum of the inputs.": lambda p: p.x.sum(0, keepdims=True),
            "The sum over the batch is missing: G has to have the shape of W.": lambda p: p.x * p.dwnstrm,
            "The output was taken instead of the input.": lambda p: (p.x * p.W * p.dwnstrm).sum(0, keepdims=True),
            "W was taken instead of the input.": lambda p: (p.W * p.dwnstrm).sum(0, keepdims=True),
            "Summed over the wrong axis: over the features instead of the batch.": lambda p: (p.x * p.dwnstrm).sum(
                1, keepdims=True
            ),
        },
        "pass_back": {
            "dwnstrm is handed back as it came: W is missing.": lambda p: p.dwnstrm,
            "dwnstrm is divided by W instead of multiplied.": lambda p: p.dwnstrm / p.W,
            "dwnstrm is multiplied by the input instead of W: that belongs to G.": lambda p: p.dwnstrm * p.x,
        },
    },
    "SquareLoss": {
        "output": {
            "The factor 1/2 is missing.": lambda p: np.sum((p.x - p.labels) ** 2) / len(p.x),
            "Summed over the batch instead of averaged: the factor 1/M is missing.": lambda p: (
                np.sum((p.x - p.labels) ** 2) / 2
            ),
            "The factor 1/(2M) is missing.": lambda p: np.sum((p.x - p.labels) ** 2),
            f"{_MEAN_OVER_ENTRIES} The factor 1/2 is missing as well.": lambda p: np.mean((p.x - p.labels) ** 2),
            _MEAN_OVER_ENTRIES: lambda p: np.mean((p.x - p.labels) ** 2) / 2,
            "Multiplied by M instead of divided: / (2 * M) needs its brackets.": lambda p: (
                np.sum((p.x - p.labels) ** 2) / 2 * len(p.x)
            ),
            "The sum is squared: first the square of every difference, then the sum.": lambda p: (
                np.sum(p.x - p.labels) ** 2 / (2 * len(p.x))
            ),
            "One number for each entry is returned: add them up.": lambda p: (p.x - p.labels) ** 2 / (2 * len(p.x)),
            "The norm is not squared.": lambda p: 0.5 / len(p.x) * np.linalg.norm(p.x - p.labels),
            "Absolute values are summed instead of squares.": lambda p: np.sum(np.abs(p.x - p.labels)) / (2 * len(p.x)),
            "The differences are not squared.": lambda p: np.sum(p.x - p.labels) / (2 * len(p.x)),
            "One number for each row is returned: add them up.": lambda p: (
                ((p.x - p.labels) ** 2).sum(1) / (2 * len(p.x))
            ),
            "One number for each row is returned: the mean over the batch is missing.": lambda p: (
                ((p.x - p.labels) ** 2).sum(1) / 2
            ),
        },
        "pass_back": {
            "The factor 1/M is missing: the loss is an average over the rows of the batch.": lambda p: p.x - p.labels,
            "A factor of 2 too much: the 1/2 of the loss cancels the 2 of the derivative.": lambda p: (
                2 * (p.x - p.labels) / len(p.x)
            ),
            "Twice the difference, and the factor 1/M is missing; the loss has a factor 1/(2M).": lambda p: (
                2 * (p.x - p.labels)
            ),
            "The wrong sign: labels minus input instead of input minus labels.": lambda p: (p.labels - p.x) / len(p.x),
            "The wrong sign (labels minus input), and the factor 1/M is missing.": lambda p: p.labels - p.x,
            _MEAN_OVER_ENTRIES: lambda p: (p.x - p.labels) / p.x.size,
            "The difference is squared: this is the loss of each entry, not its derivative.": lambda p: (
                (p.x - p.labels) ** 2 / len(p.x)
            ),
            "The labels are missing.": lambda p: p.x / len(p.x),
            "Everything is summed into one number: each entry of the input has a gradient of its own.": lambda p: (
                np.sum(p.x - p.labels) / len(p.x)
            ),
            "Summed over the batch: each row of the input has a gradient of its own.": lambda p: (
                (p.x - p.labels) / len(p.x)
            ).sum(0),
        },
    },
    "CrossEntropy": {
        "output": {
            "Summed over the batch instead of averaged: the factor 1/M is missing.": lambda p: np.sum(
                p.labels * (_log_sum(p.x) - p.x)
            ),
            _MEAN_OVER_ENTRIES: lambda p: np.mean(p.labels * (_log_sum(p.x) - p.x)),
            "The wrong sign: the loss is minus the logarithm of a probability.": lambda p: (
                -np.sum(p.labels * (_log_sum(p.x) - p.x)) / len(p.x)
            ),
            "The logarithm of the sum of exponentials is missing.": lambda p: -np.sum(p.labels * p.x) / len(p.x),
            "The logit of the label is not taken away.": lambda p: _log_sum(p.x).mean(),
            "The labels are not used: all classes are added up.": lambda p: np.mean(np.sum(_log_sum(p.x) - p.x, 1)),
            "The softmax is taken over the wrong axis: over the batch instead of the classes.": lambda p: (
                -np.sum(p.labels * np.log(_softmax(p.x, 0))) / len(p.x)
            ),
            "The softmax is taken over the whole batch at once: each row has a sum of its own.": lambda p: (
                -np.sum(p.labels * np.log(_softmax(p.x, None))) / len(p.x)
            ),
            "The exponentials are summed over each column instead of each row.": lambda p: (
                np.sum(p.labels * (np.log(_shifted(p).sum(0)) - np.log(_shifted(p)))) / len(p.x)
            ),
            "The exponentials are summed over the whole batch: each row has a sum of its own.": lambda p: (
                np.sum(p.labels * (np.log(_shifted(p).sum()) - np.log(_shifted(p)))) / len(p.x)
            ),
            "The logarithm is missing: these are probabilities.": lambda p: (
                -np.sum(p.labels * _softmax(p.x)) / len(p.x)
            ),
            "The logarithm is missing: this is the mean probability of the labels.": lambda p: (
                np.sum(p.labels * _softmax(p.x)) / len(p.x)
            ),
            "The logarithm has the wrong base (2): the natural one is meant.": lambda p: (
                -np.sum(p.labels * np.log2(_softmax(p.x))) / len(p.x)
            ),
            "The logarithm has the wrong base (10): the natural one is meant.": lambda p: (
                -np.sum(p.labels * np.log10(_softmax(p.x))) / len(p.x)
            ),
            "The largest logit is taken away in the sum of exponentials but not from the logit of the label.": lambda p: (
                np.mean(_log_sum(p.x) - p.x.max(1, keepdims=True)) - np.sum(p.labels * p.x) / len(p.x)
            ),
            _COLUMN_MAXIMUM: lambda p: np.sum(p.labels * (_log_sum(p.x - p.x.max(0)) - p.x + p.x.max(0))) / len(p.x),
            "One number for each row is returned: the mean over the batch is missing.": lambda p: np.sum(
                p.labels * (_log_sum(p.x) - p.x), 1
            ),
        },
        "pass_back": {
            "The factor 1/M is missing: the loss is an average over the rows of the batch.": lambda p: (
                _softmax(p.x) - p.labels
            ),
            _MEAN_OVER_ENTRIES: lambda p: (_softmax(p.x) - p.labels) / p.x.size,
            "The wrong sign: labels minus probabilities instead of probabilities minus labels.": lambda p: (
                (p.labels - _softmax(p.x)) / len(p.x)
            ),
            "The wrong sign (labels minus probabilities), and the factor 1/M is missing.": lambda p: (
                p.labels - _softmax(p.x)
            ),
            _COLUMN_MAXIMUM: lambda p: (_softmax(p.x - p.x.max(0)) - p.labels) / len(p.x),
            "The labels are not taken away.": lambda p: _softmax(p.x) / len(p.x),
            "The labels are not taken away, and the factor 1/M is missing.": lambda p: _softmax(p.x),
            "The softmax is missing: this is the gradient of minus the logit of the label alone.": lambda p: (
                -p.labels / len(p.x)
            ),
            "This is the gradient for the probabilities: the derivative of the softmax is missing.": lambda p: (
                -p.labels / _softmax(p.x) / len(p.x)
            ),
            "The softmax is taken over the wrong axis: over the batch instead of the classes.": lambda p: (
                (_softmax(p.x, 0) - p.labels) / len(p.x)
            ),
            "The softmax is taken over the whole batch at once: each row has a sum of its own.": lambda p: (
                (_softmax(p.x, None) - p.labels) / len(p.x)
            ),
            "The softmax is missing: the labels are taken from the logits, as in SquareLoss.": lambda p: (
                (p.x - p.labels) / len(p.x)
            ),
            "The exponentials are not divided by their sum.": lambda p: (np.exp(p.x) - p.labels) / len(p.x),
            "The exponentials, of logits less the largest one, are not divided by their sum.": lambda p: (
                (_shifted(p) - p.labels) / len(p.x)
            ),
            "The exponentials are summed over each column instead of each row.": lambda p: (
                (_shifted(p) / _shifted(p).sum(0) - p.labels) / len(p.x)
            ),
            "The exponentials are summed over the whole batch: each row has a sum of its own.": lambda p: (
                (_shifted(p) / _shifted(p).sum() - p.labels) / len(p.x)
            ),
            "1 is taken away from every probability, instead of from that of the label alone.": lambda p: (
                (_softmax(p.x) - 1) / len(p.x)
            ),
            "Only the class of the label gets a gradient; the other logits are in the sum of exponentials too.": lambda p: (
                (_softmax(p.x) - 1) * p.labels / len(p.x)
            ),
        },
    },
    "Conv2d": {
        "output": {
            "The filter is turned round (a convolution in the strict sense); here it is laid on the image as it is.": lambda p: (
                CONVOLUTION.expected(_with_turned_filters(p), "output")
            ),
            "Only the first channel of the image is used: add up over all channels.": _first_channel_only,
            "Only the last place of the filter counts: add up (+=) what all places give.": _last_weight_only,
            "Rows and columns of the filter have changed places.": lambda p: CONVOLUTION.expected(
                _with_rows_as_columns(p), "output"
            ),
            "The window does not move: every place of the filter is laid on the same pixel.": lambda p: (
                p.x @ p.W.sum((0, 1))
            ),
        },
        "G": {
            "The filter is turned round in G: entry (0, 0) stands where the last one should.": lambda p: (
                CONVOLUTION.gradient(p, "W")[::-1, ::-1]
            ),
            "Rows and columns of G have changed places.": lambda p: CONVOLUTION.gradient(p, "W").swapaxes(0, 1),
            "The window does not move: every place of the filter is told of the same pixel.": lambda p: (
                np.tensordot(p.x, p.dwnstrm, ((0, 1, 2), (0, 1, 2))) + 0 * p.W
            ),
        },
        "pass_back": {
            "The filter is turned the wrong way on the way back: what went through weight (i, j) has to come back through it.": lambda p: (
                CONVOLUTION.gradient(_with_turned_filters(p), "x")
            ),
            "Rows and columns of the filter have changed places on the way back.": lambda p: CONVOLUTION.gradient(
                _with_rows_as_columns(p), "x"
            ),
            "What comes back through one place of the filter is written over by the next: add up (+=).": _overwritten,
        },
    },
    "Normalize": {
        "output": {
            "The division by the standard deviation is missing.": lambda p: p.x - p.x.mean(0),
            "The mean is not taken away.": lambda p: p.x / _spread(p),
            "Divided by the variance instead of its square root.": lambda p: (p.x - p.x.mean(0)) / _spread(p) ** 2,
            "The standard deviation stands where the variance belongs: its square root is taken twice.": lambda p: (
                (p.x - p.x.mean(0)) / np.sqrt(p.x.std(0) + p.setting)
            ),
            "One mean for all features: each feature has its own.": lambda p: (p.x - p.x.mean()) / _spread(p),
            "The variance is divided by M - 1 instead of M.": lambda p: (
                (p.x - p.x.mean(0)) / np.sqrt(p.x.var(0, ddof=1) + p.setting)
            ),
            "Normalised over the wrong axis: over the features of a row (as LayerNormalize does) instead of the batch.": lambda p: (
                (p.x - p.x.mean(1, keepdims=True)) / np.sqrt(p.x.var(1, keepdims=True) + p.setting)
            ),
            "One mean and one variance for all features: each feature has its own.": lambda p: (
                (p.x - p.x.mean()) / np.sqrt(p.x.var() + p.setting)
            ),
        },
        "pass_back": {
            "Mean and variance are treated as constants; they depend on the input too.": lambda p: (
                p.dwnstrm / _spread(p)
            ),
            "The variance is treated as a constant; it depends on the input too.": lambda p: (
                (p.dwnstrm - p.dwnstrm.mean(0)) / _spread(p)
            ),
            "The mean is treated as a constant; it depends on the input too.": lambda p: (
                (p.dwnstrm - _normalized(p) * (p.dwnstrm * _normalized(p)).mean(0)) / _spread(p)
            ),
            "The division by the standard deviation is missing.": lambda p: _normalize_back(p, 1, 1),
            "Multiplied by the standard deviation instead of divided.": lambda p: _normalize_back(p, 1, 1) * _spread(p),
            "A sum over the batch stands where the mean of dwnstrm belongs.": lambda p: (
                _normalize_back(p, len(p.x), 1) / _spread(p)
            ),
            "A sum over the batch stands where the mean of dwnstrm times y belongs.": lambda p: (
                _normalize_back(p, 1, len(p.x)) / _spread(p)
            ),
            "Sums over the batch stand where the means belong.": lambda p: (
                _normalize_back(p, len(p.x), len(p.x)) / _spread(p)
            ),
            "The sign of the term with y is wrong.": lambda p: _normalize_back(p, 1, -1) / _spread(p),
            "The sign of the mean of dwnstrm is wrong.": lambda p: _normalize_back(p, -1, 1) / _spread(p),
            "The input stands where the normalised output y belongs.": lambda p: (
                _normalize_back(p, 1, 1, p.x) / _spread(p)
            ),
            "dwnstrm is handed back as it came.": lambda p: p.dwnstrm,
            "Multiplied by the standard deviation instead of divided, and mean and variance are treated as constants.": lambda p: (
                p.dwnstrm * _spread(p)
            ),
        },
    },
    "Sigmoid": {
        "output": {
            "The sign in the exponent is wrong: this falls where it should rise.": lambda p: _sigmoid(-p.x),
            "This is tanh, which goes from -1 to 1.": lambda p: np.tanh(p.x),
        },
        "pass_back": {
            "dwnstrm does not appear in what is handed back.": lambda p: _sigmoid(p.x) * (1 - _sigmoid(p.x)),
            "The factor 1 - s of the derivative s (1 - s) is missing.": lambda p: p.dwnstrm * _sigmoid(p.x),
            "The factor s of the derivative s (1 - s) is missing.": lambda p: p.dwnstrm * (1 - _sigmoid(p.x)),
            "The derivative is s (1 - s) in the output s; the input was put in.": lambda p: p.dwnstrm * p.x * (1 - p.x),
            "This is the derivative of tanh.": lambda p: p.dwnstrm * (1 - _sigmoid(p.x) ** 2),
            "The sigmoid is applied twice: the derivative was taken at the output instead of the input.": lambda p: (
                p.dwnstrm * _sigmoid(_sigmoid(p.x)) * (1 - _sigmoid(_sigmoid(p.x)))
            ),
        },
    },
    "Tanh": {
        "output": {
            "This is the sigmoid, which goes from 0 to 1.": lambda p: _sigmoid(p.x),
        },
        "pass_back": {
            "dwnstrm does not appear in what is handed back.": lambda p: 1 - np.tanh(p.x) ** 2,
            "The square is missing in the derivative 1 - tanh(x)^2.": lambda p: p.dwnstrm * (1 - np.tanh(p.x)),
            "The derivative is 1 - t^2 in the output t; the input was put in.": lambda p: p.dwnstrm * (1 - p.x**2),
            "This is the derivative of the sigmoid.": lambda p: p.dwnstrm * np.tanh(p.x) * (1 - np.tanh(p.x)),
            "tanh is applied twice: the derivative was taken at the output instead of the input.": lambda p: (
                p.dwnstrm * (1 - np.tanh(np.tanh(p.x)) ** 2)
            ),
        },
    },
    "Flatten": {
        "output": {
            "The batch is flattened too: the first axis has to stay.": lambda p: p.x.ravel(),
            "The entries come in Fortran order instead of C order.": lambda p: p.x.reshape(len(p.x), -1, order="F"),
            "The input is returned in its old shape.": lambda p: p.x,
            "Rows of channels: all axes but the first have to become one.": lambda p: p.x.reshape(-1, p.x.shape[-1]),
        },
        "pass_back": {
            "dwnstrm is handed back as it came; it has to get the shape of the input.": lambda p: p.dwnstrm,
            "The entries come in Fortran order instead of C order.": lambda p: p.dwnstrm.reshape(p.x.shape, order="F"),
        },
    },
}
