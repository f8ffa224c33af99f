"""Formulas that are often written by mistake in convolutions and normalisations, with the sentence that each of them gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.exercise_table import CONVOLUTION
from pysmorch.teach.exercises import Formulas, Problem


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
    """What is passed back when the positions of the window write over each other instead of adding up."""
    height, width = p.x.shape[1:3]
    size = p.W.shape[0]
    rows, columns = p.dwnstrm.shape[1:3]
    padded = np.zeros((len(p.x), rows + size - 1, columns + size - 1, p.x.shape[3]))
    for a in range(size):
        for b in range(size):
            padded[:, a : a + rows, b : b + columns] = p.dwnstrm @ p.W[a, b].T
    before = (size - 1) // 2 if p.setting == "same" else 0
    return padded[:, before : before + height, before : before + width]


def _at_one_position(p: Problem, at: int) -> Array:
    """G of one position of the window alone, the first or the last."""
    d = np.zeros_like(p.dwnstrm)
    d[:, at, at] = p.dwnstrm[:, at, at]
    return CONVOLUTION.gradient(replace(p, dwnstrm=d), "W")


def _first_channel_only(p: Problem) -> Array:
    x = p.x.copy()
    x[..., 1:] = 0
    return CONVOLUTION.expected(replace(p, x=x), "output")


WRONG_IMAGES: Formulas = {
    "Conv2d": {
        "output": {
            "The filter is turned round (a convolution in the strict sense); here it is laid on the image as it is.": lambda p: (
                CONVOLUTION.expected(_with_turned_filters(p), "output")
            ),
            "Only the first channel of the image is used: add up over all channels.": _first_channel_only,
            "Only the last position in the filter counts: add up (+=) what all positions give.": _last_weight_only,
            "Rows and columns of the filter are exchanged.": lambda p: CONVOLUTION.expected(
                _with_rows_as_columns(p), "output"
            ),
            "The window does not move: every position in the filter is laid on the same pixel.": lambda p: (
                p.x @ p.W.sum((0, 1))
            ),
            "The channels are not told apart: pixels and weights are added up over the channels before they are multiplied.": lambda p: (
                CONVOLUTION.expected(replace(p, x=p.x.sum(3, keepdims=True), W=p.W.sum(2, keepdims=True)), "output")
            ),
            "The channels are averaged instead of added up.": lambda p: (
                CONVOLUTION.expected(p, "output") / p.x.shape[3]
            ),
        },
        "G": {
            "The filter is turned round in G: entry (0, 0) stands where the last one should.": lambda p: (
                CONVOLUTION.gradient(p, "W")[::-1, ::-1]
            ),
            "The averages over the images are multiplied; it is the products that are added up.": lambda p: (
                CONVOLUTION.gradient(
                    replace(p, x=p.x.mean(0, keepdims=True), dwnstrm=p.dwnstrm.mean(0, keepdims=True)), "W"
                )
            ),
            "The sums over the images are multiplied; it is the products that are added up.": lambda p: (
                CONVOLUTION.gradient(
                    replace(p, x=p.x.sum(0, keepdims=True), dwnstrm=p.dwnstrm.sum(0, keepdims=True)), "W"
                )
            ),
            "Only the last position in the image counts: add up (+=) what all positions contribute.": lambda p: (
                _at_one_position(p, -1)
            ),
            "Only the first position in the image counts: add up what all positions contribute.": lambda p: (
                _at_one_position(p, 0)
            ),
            "Rows and columns of G are exchanged.": lambda p: CONVOLUTION.gradient(p, "W").swapaxes(0, 1),
            "The window does not move: every position in the filter is told of the same pixel.": lambda p: (
                np.tensordot(p.x, p.dwnstrm, ((0, 1, 2), (0, 1, 2))) + 0 * p.W
            ),
        },
        "pass_back": {
            "The filter is turned the wrong way in the backward pass: what went through weight (i, j) has to come back through it.": lambda p: (
                CONVOLUTION.gradient(_with_turned_filters(p), "x")
            ),
            "Rows and columns of the filter are exchanged in the backward pass.": lambda p: CONVOLUTION.gradient(
                _with_rows_as_columns(p), "x"
            ),
            "What comes back through one position in the filter is written over by the next: add up (+=).": _overwritten,
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
            "One variance for all features: each feature has its own.": lambda p: (
                (p.x - p.x.mean(0)) / np.sqrt(p.x.var() + p.setting)
            ),
            "The variance is a sum of squares: it has to be divided by M.": lambda p: (
                (p.x - p.x.mean(0)) / np.sqrt(((p.x - p.x.mean(0)) ** 2).sum(0) + p.setting)
            ),
            "The variance is divided by the number of columns instead of the number of rows M.": lambda p: (
                (p.x - p.x.mean(0)) / np.sqrt(((p.x - p.x.mean(0)) ** 2).sum(0) / p.x.shape[1] + p.setting)
            ),
            "The mean is not taken away in the variance: this is the mean of the squares.": lambda p: (
                (p.x - p.x.mean(0)) / np.sqrt((p.x**2).mean(0) + p.setting)
            ),
            "The mean is not taken away: this is x over the root of the mean of the squares.": lambda p: (
                p.x / np.sqrt((p.x**2).mean(0) + p.setting)
            ),
            "The brackets are missing: this is x - mean / s instead of (x - mean) / s.": lambda p: (
                p.x - p.x.mean(0) / _spread(p)
            ),
            "Multiplied by the standard deviation instead of divided.": lambda p: (p.x - p.x.mean(0)) * _spread(p),
            "The mean is added instead of taken away.": lambda p: (p.x + p.x.mean(0)) / _spread(p),
            "The mean is taken away the wrong way round: this is (mean - x) / s.": lambda p: (
                (p.x.mean(0) - p.x) / _spread(p)
            ),
            "The running statistics are used in training too (they are 0 and 1 at first); training uses those of the batch.": lambda p: (
                p.x / np.sqrt(1 + p.setting)
            ),
            "The running statistics are used in training too, after they have moved; training uses those of the batch.": lambda p: (
                (p.x - 0.1 * p.x.mean(0)) / np.sqrt(0.9 + 0.1 * p.x.var(0) + p.setting)
            ),
            "The running statistics are used in training too, after they have moved (by the variance divided by M - 1); training uses those of the batch.": lambda p: (
                (p.x - 0.1 * p.x.mean(0)) / np.sqrt(0.9 + 0.1 * p.x.var(0, ddof=1) + p.setting)
            ),
            "Scaled from smallest to largest instead of by mean and standard deviation.": lambda p: (
                (p.x - p.x.min(0)) / np.ptp(p.x, axis=0)
            ),
            "The mean over each row is taken away: the mean of a feature is over the batch (axis=0).": lambda p: (
                (p.x - p.x.mean(1, keepdims=True)) / _spread(p)
            ),
            "The variance is that of each row: the variance of a feature is over the batch (axis=0).": lambda p: (
                (p.x - p.x.mean(0)) / np.sqrt(p.x.var(1, keepdims=True) + p.setting)
            ),
            "Absolute deviations are averaged instead of squares.": lambda p: (
                (p.x - p.x.mean(0)) / (np.abs(p.x - p.x.mean(0)).mean(0) + p.setting)
            ),
            "The median is taken away instead of the mean.": lambda p: (p.x - np.median(p.x, 0)) / _spread(p),
            "The norm of each column is divided by instead of the standard deviation.": lambda p: (
                p.x / np.linalg.norm(p.x, axis=0)
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
            "dwnstrm is passed back as it came.": lambda p: p.dwnstrm,
            "Multiplied by the standard deviation instead of divided, and mean and variance are treated as constants.": lambda p: (
                p.dwnstrm * _spread(p)
            ),
        },
    },
}
