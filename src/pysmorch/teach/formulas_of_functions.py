"""Formulas that are often written by mistake in functions of each entry, and in Flatten, with the sentence that each of them gets."""

from __future__ import annotations

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.teach.exercises import Formulas


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


WRONG_FUNCTIONS: Formulas = {
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
            "This is a sigmoid.": lambda p: _sigmoid(p.x),
            "This is tanh.": lambda p: np.tanh(p.x),
            "This is log(1 + exp(x)) (softplus), the smooth form of max(x, 0).": lambda p: np.log1p(np.exp(p.x)),
            "This is x times the sigmoid (SiLU).": lambda p: p.x * _sigmoid(p.x),
            "Rows with a negative sum become 0; each entry has to be compared with 0 by itself.": lambda p: (
                p.x * (p.x.sum(1, keepdims=True) > 0)
            ),
            "The larger of x and 1 is taken: compare with 0.": lambda p: np.maximum(p.x, 1),
            "np.maximum(x, 0) is applied to the mean of each row.": lambda p: np.maximum(p.x.mean(1, keepdims=True), 0),
            "np.max(x, 1) takes the largest entry of each row; each entry has to be compared with 0.": lambda p: np.max(
                p.x, 1
            ),
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
            "dwnstrm is multiplied by the sigmoid of the input, as for softplus; the derivative is 0 or 1.": lambda p: (
                p.dwnstrm * _sigmoid(p.x)
            ),
            "This is the derivative of the sigmoid.": lambda p: p.dwnstrm * _sigmoid(p.x) * (1 - _sigmoid(p.x)),
            "This is the derivative of tanh.": lambda p: p.dwnstrm * (1 - np.tanh(p.x) ** 2),
            "The mask of the first row is used for all rows.": lambda p: p.dwnstrm * (p.x[0] > 0),
            "The mask of the last row is used for all rows.": lambda p: p.dwnstrm * (p.x[-1] > 0),
            "The mask of the first column is used for all columns.": lambda p: p.dwnstrm * (p.x[:, :1] > 0),
            "The mask is that of the sum of each row.": lambda p: p.dwnstrm * (p.x.sum(1, keepdims=True) > 0),
            "Negative entries of dwnstrm are dropped: only the input decides what is let through.": lambda p: (
                p.dwnstrm * (p.x > 0) * (p.dwnstrm > 0)
            ),
        },
    },
    "Sigmoid": {
        "output": {
            "The sign in the exponent is wrong: this falls where it should rise.": lambda p: _sigmoid(-p.x),
            "This is tanh, which goes from -1 to 1.": lambda p: np.tanh(p.x),
            "The brackets are missing in the denominator: this is 1 / 1 + exp(-x).": lambda p: 1 + np.exp(-p.x),
            "The brackets are missing in the denominator: this is exp(x) / 1 + exp(x).": lambda p: 2 * np.exp(p.x),
            "The sign in the denominator is wrong: this is 1 / (1 - exp(-x)).": lambda p: 1 / (1 - np.exp(-p.x)),
            "The fraction is turned round: this is 1 + exp(-x) over 1.": lambda p: 1 + np.exp(-p.x),
            "This is a softmax, over the row: each entry has to be taken by itself.": lambda p: (
                np.exp(p.x) / np.exp(p.x).sum(1, keepdims=True)
            ),
            "This is a softmax, over the batch: each entry has to be taken by itself.": lambda p: (
                np.exp(p.x) / np.exp(p.x).sum(0)
            ),
            "This is a softmax, over all entries: each entry has to be taken by itself.": lambda p: (
                np.exp(p.x) / np.exp(p.x).sum()
            ),
            "This is the derivative s (1 - s) instead of s.": lambda p: _sigmoid(p.x) * (1 - _sigmoid(p.x)),
            "A power of 2 is taken instead of e.": lambda p: 1 / (1 + 2.0**-p.x),
            "A power of 10 is taken instead of e.": lambda p: 1 / (1 + 10.0**-p.x),
            "The exponential alone is returned.": lambda p: np.exp(p.x),
            "The exponential of -x alone is returned.": lambda p: np.exp(-p.x),
            "This is 0 or 1: a threshold instead of the sigmoid.": lambda p: (p.x > 0).astype(float),
            "This is log(1 + exp(x)) (softplus).": lambda p: np.log1p(np.exp(p.x)),
            "This is x times the sigmoid (SiLU).": lambda p: p.x * _sigmoid(p.x),
            "The sigmoid is stretched to -1 to 1: this is 2 s - 1.": lambda p: 2 * _sigmoid(p.x) - 1,
            "The 1 in the denominator is missing: this is 1 / exp(-x).": lambda p: np.exp(p.x),
            "The square of x is in the exponent.": lambda p: 1 / (1 + np.exp(-(p.x**2))),
            "The absolute value of x is in the exponent: negative x are taken for positive.": lambda p: _sigmoid(
                np.abs(p.x)
            ),
            "The absolute value of x is in the exponent: positive x are taken for negative.": lambda p: _sigmoid(
                -np.abs(p.x)
            ),
            "x is multiplied by 2 in the exponent.": lambda p: _sigmoid(2 * p.x),
            "x is divided by 2 in the exponent.": lambda p: _sigmoid(p.x / 2),
            "The sigmoid is applied twice.": lambda p: _sigmoid(_sigmoid(p.x)),
        },
        "pass_back": {
            "dwnstrm does not appear in what is passed back.": lambda p: _sigmoid(p.x) * (1 - _sigmoid(p.x)),
            "The factor 1 - s of the derivative s (1 - s) is missing.": lambda p: p.dwnstrm * _sigmoid(p.x),
            "The factor s of the derivative s (1 - s) is missing.": lambda p: p.dwnstrm * (1 - _sigmoid(p.x)),
            "The derivative is s (1 - s) in the output s; the input was put in.": lambda p: p.dwnstrm * p.x * (1 - p.x),
            "This is the derivative of tanh.": lambda p: p.dwnstrm * (1 - _sigmoid(p.x) ** 2),
            "The derivative was taken at dwnstrm instead of the input.": lambda p: (
                p.dwnstrm * _sigmoid(p.dwnstrm) * (1 - _sigmoid(p.dwnstrm))
            ),
            "The derivative was taken at dwnstrm instead of the input, and it is not multiplied by dwnstrm.": lambda p: (
                _sigmoid(p.dwnstrm) * (1 - _sigmoid(p.dwnstrm))
            ),
            "dwnstrm is added to the derivative instead of multiplied by it.": lambda p: (
                p.dwnstrm + _sigmoid(p.x) * (1 - _sigmoid(p.x))
            ),
            "The square in the denominator is missing: the derivative is exp(-x) / (1 + exp(-x))^2.": lambda p: (
                p.dwnstrm * np.exp(-p.x) / (1 + np.exp(-p.x))
            ),
            "The sigmoid is applied twice: the derivative was taken at the output instead of the input.": lambda p: (
                p.dwnstrm * _sigmoid(_sigmoid(p.x)) * (1 - _sigmoid(_sigmoid(p.x)))
            ),
        },
    },
    "Tanh": {
        "output": {
            "This is the sigmoid, which goes from 0 to 1.": lambda p: _sigmoid(p.x),
            "The 2 in the exponent is missing: this is tanh(x / 2).": lambda p: np.tanh(p.x / 2),
            "The exponent is twice too large: this is tanh(2 x).": lambda p: np.tanh(2 * p.x),
            "The wrong sign: this is -tanh(x).": lambda p: -np.tanh(p.x),
            "This is sinh(x): the division by cosh(x) is missing.": lambda p: np.sinh(p.x),
            "This is cosh(x).": lambda p: np.cosh(p.x),
            "The fraction is turned round: this is cosh(x) / sinh(x).": lambda p: 1 / np.tanh(p.x),
            "This is the tangent (np.tan) instead of the hyperbolic one (np.tanh).": lambda p: np.tan(p.x),
            "This is the arc tangent.": lambda p: np.arctan(p.x),
            "This is the inverse of tanh.": lambda p: np.arctanh(p.x),
            "exp(x) - exp(-x) is returned: the division by exp(x) + exp(-x) is missing.": lambda p: (
                np.exp(p.x) - np.exp(-p.x)
            ),
            "exp(x) + exp(-x) is returned: the difference over it is missing.": lambda p: np.exp(p.x) + np.exp(-p.x),
            "The brackets are missing: this is exp(x) - exp(-x) / exp(x) + exp(-x).": lambda p: (
                np.exp(p.x) - np.exp(-p.x) / np.exp(p.x) + np.exp(-p.x)
            ),
            "The brackets of the denominator are missing.": lambda p: (
                (np.exp(p.x) - np.exp(-p.x)) / np.exp(p.x) + np.exp(-p.x)
            ),
            "The sign of 1 is wrong: 1 is added instead of taken away.": lambda p: 2 * _sigmoid(2 * p.x) + 1,
            "The 1 is not taken away: this is 2 / (1 + exp(-2 x)).": lambda p: 2 * _sigmoid(2 * p.x),
            "The sigmoid of 2 x is returned: tanh is twice that, less 1.": lambda p: _sigmoid(2 * p.x),
            "This is the derivative 1 - t^2 instead of t.": lambda p: 1 - np.tanh(p.x) ** 2,
            "tanh is applied twice.": lambda p: np.tanh(np.tanh(p.x)),
            "This is x / (1 + |x|) (softsign).": lambda p: p.x / (1 + np.abs(p.x)),
            "Entries beyond -1 and 1 are cut off, instead of tanh.": lambda p: np.clip(p.x, -1, 1),
        },
        "pass_back": {
            "dwnstrm does not appear in what is passed back.": lambda p: 1 - np.tanh(p.x) ** 2,
            "The square is missing in the derivative 1 - tanh(x)^2.": lambda p: p.dwnstrm * (1 - np.tanh(p.x)),
            "The derivative is 1 - t^2 in the output t; the input was put in.": lambda p: p.dwnstrm * (1 - p.x**2),
            "This is the derivative of the sigmoid.": lambda p: p.dwnstrm * np.tanh(p.x) * (1 - np.tanh(p.x)),
            "The derivative was taken at dwnstrm instead of the input.": lambda p: (
                p.dwnstrm * (1 - np.tanh(p.dwnstrm) ** 2)
            ),
            "dwnstrm was put into the derivative in place of the output.": lambda p: p.dwnstrm * (1 - p.dwnstrm**2),
            "The derivative was taken at dwnstrm instead of the input, and it is not multiplied by dwnstrm.": lambda p: (
                1 - np.tanh(p.dwnstrm) ** 2
            ),
            "dwnstrm is added to the derivative instead of multiplied by it.": lambda p: (
                p.dwnstrm + 1 - np.tanh(p.x) ** 2
            ),
            "The square is missing: the derivative is 1 / cosh(x)^2.": lambda p: p.dwnstrm / np.cosh(p.x),
            "It is multiplied by cosh(x)^2 instead of divided.": lambda p: p.dwnstrm * np.cosh(p.x) ** 2,
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
            "Only rows and columns became one axis; the channels have to join them.": lambda p: p.x.reshape(
                len(p.x), -1, p.x.shape[-1]
            ),
            "Only columns and channels became one axis; the rows have to join them.": lambda p: p.x.reshape(
                len(p.x), p.x.shape[1], -1
            ),
            "All entries became one row: each example has a row of its own.": lambda p: p.x.reshape(1, -1),
            "All entries became one column: each example has a row of its own.": lambda p: p.x.reshape(-1, 1),
            "The batch has become the last axis: it has to stay the first.": lambda p: p.x.reshape(len(p.x), -1).T,
            "The entries are averaged over rows and columns (a global pooling): nothing is computed here.": lambda p: (
                p.x.mean((1, 2))
            ),
        },
        "pass_back": {
            "dwnstrm is passed back as it came; it has to get the shape of the input.": lambda p: p.dwnstrm,
            "The entries come in Fortran order instead of C order.": lambda p: p.dwnstrm.reshape(p.x.shape, order="F"),
            "dwnstrm is flattened once more; it has to get the shape of the input.": lambda p: p.dwnstrm.ravel(),
            "The input is passed back instead of dwnstrm in its shape.": lambda p: p.x,
            "dwnstrm does not appear: this is 1 everywhere.": lambda p: np.ones_like(p.x),
            "dwnstrm is multiplied by the input: nothing is computed here.": lambda p: (
                p.dwnstrm.reshape(p.x.shape) * p.x
            ),
        },
    },
}
