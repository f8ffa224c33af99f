"""Formulas that are often written by mistake in layers for rows, with the sentence that each of them gets."""

from __future__ import annotations

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.exercises import Formulas


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


WRONG_LAYERS: Formulas = {
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
            "This is the transpose of what has to be passed back.": lambda p: p.W @ p.dwnstrm.T,
            "The factors are in the wrong order: this is W^T dwnstrm instead of dwnstrm W^T.": lambda p: (
                p.W.T @ p.dwnstrm
            ),
            "G was taken instead of W.": lambda p: p.dwnstrm @ (p.x.T @ p.dwnstrm).T,
            "W does not appear in what is passed back.": lambda p: p.dwnstrm.sum(1, keepdims=True) + 0 * p.x,
            "dwnstrm does not appear in what is passed back.": lambda p: np.ones_like(p.dwnstrm) @ p.W.T,
            "The input is passed back instead of a gradient.": lambda p: p.x,
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
            "This is min(x, 0): the wrong half is left.": lambda p: np.minimum(p.x, 0),
            "Only the positive entries are returned, as one list: the others become 0 and stay where they are.": lambda p: (
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
            "The mask itself is passed back; dwnstrm does not appear in it.": lambda p: p.x > 0,
            "Only what is let through is passed back, as one list: the other entries are 0 and stay where they are.": lambda p: (
                p.dwnstrm[p.x > 0]
            ),
            "dwnstrm and the mask are multiplied as matrices (@) instead of entry by entry (*).": lambda p: (
                p.dwnstrm @ (p.x > 0)
            ),
            "The output is passed back; dwnstrm does not appear in it.": lambda p: np.maximum(p.x, 0),
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
            "G is passed back: what is passed back has a row for every row of X.": lambda p: p.dwnstrm.sum(
                0, keepdims=True
            ),
            "dwnstrm is multiplied by W, as in Scale.": lambda p: p.dwnstrm * p.W,
            "W is added in the backward pass as well.": lambda p: p.dwnstrm + p.W,
            "dwnstrm does not appear in what is passed back.": lambda p: np.ones_like(p.dwnstrm),
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
            "dwnstrm is passed back as it came: W is missing.": lambda p: p.dwnstrm,
            "dwnstrm is divided by W instead of multiplied.": lambda p: p.dwnstrm / p.W,
            "dwnstrm is multiplied by the input instead of W: that belongs to G.": lambda p: p.dwnstrm * p.x,
        },
    },
    "Sigmoid": {
        "output": {
            "The sign in the exponent is wrong: this falls where it should rise.": lambda p: _sigmoid(-p.x),
            "This is tanh, which goes from -1 to 1.": lambda p: np.tanh(p.x),
        },
        "pass_back": {
            "dwnstrm does not appear in what is passed back.": lambda p: _sigmoid(p.x) * (1 - _sigmoid(p.x)),
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
            "dwnstrm does not appear in what is passed back.": lambda p: 1 - np.tanh(p.x) ** 2,
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
            "dwnstrm is passed back as it came; it has to get the shape of the input.": lambda p: p.dwnstrm,
            "The entries come in Fortran order instead of C order.": lambda p: p.dwnstrm.reshape(p.x.shape, order="F"),
        },
    },
}
