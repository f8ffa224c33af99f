"""Formulas that are often written by mistake in CrossEntropy, with the sentence that each of them gets."""

from __future__ import annotations

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.exercises import Formulas, Problem
from pysmorch.teach.factors import ENTRIES


def _softmax(x: Array, axis: int | None = 1) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _log_sum(x: Array) -> Array:
    return np.log(np.exp(x).sum(1, keepdims=True))


def _shifted(p: Problem) -> Array:
    return np.exp(p.x - p.x.max(1, keepdims=True))


def _through_softmax(p: Problem, gradient: Array) -> Array:
    """The gradient for logits, from one for their probabilities."""
    P = _softmax(p.x)
    return P * (gradient - (gradient * P).sum(1, keepdims=True))


def _class_numbers(p: Problem) -> Array:
    """One-hot rows as whole numbers, with which an array is indexed by mistake."""
    return p.labels.astype(int)


def _rows_of(p: Problem) -> Array:
    return np.arange(len(p.x))


def _log_p(p: Problem) -> Array:
    return p.x - _log_sum(p.x)


def _sum_of_rows(p: Problem) -> Array:
    """The sum of exponentials of each row, without an axis for its column."""
    return _shifted(p).sum(1)


def _minus_one_at(p: Problem, columns: Array) -> Array:
    """The gradient of a cross entropy whose labels are taken for class numbers."""
    gradient = _softmax(p.x)
    gradient[_rows_of(p), columns] -= 1
    return gradient / len(p.x)


_CLASS_NUMBERS = "The labels are one-hot rows already, not class numbers: do not index with them."
_FIRST_COLUMN = "The first column of the labels is taken for class numbers; they are one-hot rows."
_LAST_COLUMN = "The last column of the labels is taken for class numbers; they are one-hot rows."
_ARGMAX_OVER_ROWS = "argmax is taken over axis=0, the batch; the class of each row is its argmax over axis=1."
_NO_KEEPDIMS = (
    "The sum of each row is divided into the columns: with keepdims=True it is a column itself and belongs to its row."
)
_SOFTMAX_TWICE = "P - Y is the derivative for the logits already; the factor P (1 - P) is that of the softmax (of a sigmoid) and comes in twice."
_BINARY = "This is the binary cross entropy, with a term for 1 - Y: here only the class of the label counts."
_TWICE = "The softmax is applied twice."

_COLUMN_MAXIMUM = "The largest logit of each column is taken away instead of that of each row."

WRONG_CROSS_ENTROPY: Formulas = {
    "CrossEntropy": {
        "output": {
            "Summed over the batch instead of averaged: the factor 1/M is missing.": lambda p: np.sum(
                p.labels * (_log_sum(p.x) - p.x)
            ),
            ENTRIES: lambda p: np.mean(p.labels * (_log_sum(p.x) - p.x)),
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
            "One number for each entry is returned: add them up.": lambda p: p.labels * (_log_sum(p.x) - p.x),
            _CLASS_NUMBERS: lambda p: -np.mean(_log_p(p)[_rows_of(p), _class_numbers(p)]),
            f"{_CLASS_NUMBERS} What comes out has an entry for each pair of rows.": lambda p: np.mean(
                _log_sum(p.x)[:, 0] - p.x[_rows_of(p), _class_numbers(p)]
            ),
            f"{_CLASS_NUMBERS} Whole rows are picked by them.": lambda p: -np.mean(_log_p(p)[_class_numbers(p)]),
            _FIRST_COLUMN: lambda p: -np.mean(_log_p(p)[_rows_of(p), _class_numbers(p)[:, 0]]),
            _LAST_COLUMN: lambda p: -np.mean(_log_p(p)[_rows_of(p), _class_numbers(p)[:, -1]]),
            _ARGMAX_OVER_ROWS: lambda p: -np.mean(_log_p(p)[np.argmax(p.labels, 0), np.arange(p.x.shape[1])]),
            _NO_KEEPDIMS: lambda p: -np.sum(p.labels * np.log(_shifted(p) / _sum_of_rows(p))) / len(p.x),
            "The logarithm of the sum of each row is taken from the columns: with keepdims=True it is a column itself.": lambda p: (
                -np.sum(p.labels * (p.x - (np.log(np.exp(p.x).sum(1))))) / len(p.x)
            ),
            "For each row, the sums of exponentials of all rows are added up: keepdims=True, or an axis, is missing.": lambda p: (
                np.sum(_log_sum(p.x)[:, 0] - p.x[p.labels == 1][:, None]) / len(p.x)
            ),
            _BINARY: lambda p: -np.sum(p.labels * _log_p(p) + (1 - p.labels) * np.log(1 - _softmax(p.x))) / len(p.x),
            "Only the other classes count: this is the logarithm of 1 - P where Y is 0.": lambda p: (
                -np.sum((1 - p.labels) * np.log(1 - _softmax(p.x))) / len(p.x)
            ),
            "The other classes count instead of that of the label.": lambda p: (
                -np.sum((1 - p.labels) * _log_p(p)) / len(p.x)
            ),
            "A sigmoid stands where the softmax belongs.": lambda p: (
                np.sum(p.labels * np.log1p(np.exp(-p.x))) / len(p.x)
            ),
            f"A sigmoid stands where the softmax belongs, and {_BINARY[0].lower()}{_BINARY[1:]}": lambda p: (
                np.sum(p.labels * np.log1p(np.exp(-p.x)) + (1 - p.labels) * np.log1p(np.exp(p.x))) / len(p.x)
            ),
            _TWICE: lambda p: -np.sum(p.labels * np.log(_softmax(_softmax(p.x)))) / len(p.x),
            "The logits have the wrong sign: the softmax of -x is taken.": lambda p: (
                -np.sum(p.labels * np.log(_softmax(-p.x))) / len(p.x)
            ),
            "This is the squared distance of probabilities and labels, as in SquareLoss.": lambda p: (
                np.sum((_softmax(p.x) - p.labels) ** 2) / (2 * len(p.x))
            ),
            "This is the squared distance of logits and labels, as in SquareLoss.": lambda p: (
                np.sum((p.x - p.labels) ** 2) / (2 * len(p.x))
            ),
            "This is 1 less the mean probability of the labels: the logarithm is missing.": lambda p: (
                1 - np.mean(np.sum(p.labels * _softmax(p.x), 1))
            ),
            "This is the share of rows whose largest logit is that of the label (accuracy), not a loss.": lambda p: (
                np.mean(p.x.argmax(1) == p.labels.argmax(1))
            ),
            "This is the share of rows whose largest logit is not that of the label, which has no derivative.": lambda p: (
                np.mean(p.x.argmax(1) != p.labels.argmax(1))
            ),
            "The largest probability of the row counts instead of that of the label.": lambda p: (
                -np.mean(np.log(_softmax(p.x).max(1)))
            ),
            "The entropy of the probabilities is returned: the labels are not used.": lambda p: (
                -np.sum(_softmax(p.x) * _log_p(p)) / len(p.x)
            ),
            "The logarithm is taken of the mean of the probabilities instead of the mean of the logarithms.": lambda p: (
                -np.log(np.mean(np.sum(p.labels * _softmax(p.x), 1)))
            ),
            "The logarithm of the labels is taken instead of that of the probabilities.": lambda p: (
                -np.sum(_softmax(p.x) * np.log(p.labels + 1e-8)) / len(p.x)
            ),
            "The softmax is missing: the logarithm of the logits is taken.": lambda p: (
                -np.sum(p.labels * np.log(np.abs(p.x))) / len(p.x)
            ),
            "The largest entry is taken away before, but it is that of the sum alone: it has to be added again after log.": lambda p: (
                np.sum(p.labels * (np.log(_shifted(p).sum(1, keepdims=True)) - p.x)) / len(p.x)
            ),
            "log1p is taken instead of log: a 1 is added to the sum of exponentials.": lambda p: (
                np.sum(p.labels * (np.log1p(np.exp(p.x).sum(1, keepdims=True)) - p.x)) / len(p.x)
            ),
            "Only the first row counts.": lambda p: np.sum(p.labels[0] * -_log_p(p)[0]),
            "Only the last row counts.": lambda p: np.sum(p.labels[-1] * -_log_p(p)[-1]),
        },
        "pass_back": {
            "The factor 1/M is missing: the loss is an average over the rows of the batch.": lambda p: (
                _softmax(p.x) - p.labels
            ),
            _SOFTMAX_TWICE: lambda p: (_softmax(p.x) - p.labels) * _softmax(p.x) * (1 - _softmax(p.x)) / len(p.x),
            "P - Y is the derivative for the logits already; it is multiplied by the derivatives of the softmax (its Jacobian) again.": lambda p: (
                _through_softmax(p, _softmax(p.x) - p.labels) / len(p.x)
            ),
            "P - Y is the derivative for the logits already; it is multiplied by P once more.": lambda p: (
                (_softmax(p.x) - p.labels) * _softmax(p.x) / len(p.x)
            ),
            "P - Y is the derivative for the logits already; it is divided by P (1 - P) as well.": lambda p: (
                (_softmax(p.x) - p.labels) / (_softmax(p.x) * (1 - _softmax(p.x))) / len(p.x)
            ),
            "P - Y is the derivative for the logits already; it is divided by P as well.": lambda p: (
                (_softmax(p.x) - p.labels) / _softmax(p.x) / len(p.x)
            ),
            "This is the derivative of the softmax alone, P (1 - P): the labels do not appear.": lambda p: (
                _softmax(p.x) * (1 - _softmax(p.x)) / len(p.x)
            ),
            _CLASS_NUMBERS: lambda p: _minus_one_at(p, _class_numbers(p)),
            _FIRST_COLUMN: lambda p: _minus_one_at(p, _class_numbers(p)[:, 0]),
            _LAST_COLUMN: lambda p: _minus_one_at(p, _class_numbers(p)[:, -1]),
            _NO_KEEPDIMS: lambda p: (_shifted(p) / _sum_of_rows(p) - p.labels) / len(p.x),
            "A sigmoid stands where the softmax belongs.": lambda p: (1 / (1 + np.exp(-p.x)) - p.labels) / len(p.x),
            _TWICE: lambda p: (_softmax(_softmax(p.x)) - p.labels) / len(p.x),
            "The logits have the wrong sign: the softmax of -x is taken.": lambda p: (
                (_softmax(-p.x) - p.labels) / len(p.x)
            ),
            "The logarithm of the probabilities stands where they themselves belong.": lambda p: (
                (_log_p(p) - p.labels) / len(p.x)
            ),
            "The labels are taken away as class numbers (argmax), the same number from the whole row.": lambda p: (
                (_softmax(p.x) - np.argmax(p.labels, 1)[:, None]) / len(p.x)
            ),
            "Only the probability of the label is passed back; the other classes have a gradient too.": lambda p: (
                _softmax(p.x) * p.labels / len(p.x)
            ),
            "Summed over the batch: each row of the input has a gradient of its own.": lambda p: (
                (_softmax(p.x) - p.labels) / len(p.x)
            ).sum(0),
            "Summed over the classes: each logit has a gradient of its own.": lambda p: (
                (_softmax(p.x) - p.labels) / len(p.x)
            ).sum(1),
            "The difference is squared.": lambda p: (_softmax(p.x) - p.labels) ** 2 / len(p.x),
            ENTRIES: lambda p: (_softmax(p.x) - p.labels) / p.x.size,
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
