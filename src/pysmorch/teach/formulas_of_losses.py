"""Formulas that are often written by mistake in losses, with the sentence that each of them gets."""

from __future__ import annotations

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.exercises import Formulas, Problem


def _softmax(x: Array, axis: int | None = 1) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _log_sum(x: Array) -> Array:
    return np.log(np.exp(x).sum(1, keepdims=True))


def _shifted(p: Problem) -> Array:
    return np.exp(p.x - p.x.max(1, keepdims=True))


_MEAN_OVER_ENTRIES = "Divided by the number of all entries (np.mean) instead of the number of rows M."

_COLUMN_MAXIMUM = "The largest logit of each column is taken away instead of that of each row."

WRONG_LOSSES: Formulas = {
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
}
