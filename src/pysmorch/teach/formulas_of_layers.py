"""Formulas that are often written by mistake in layers for rows, with the sentence that each of them gets."""

from __future__ import annotations

import numpy as np

from pysmorch.teach.exercises import Formulas

WRONG_LAYERS: Formulas = {
    "Linear": {
        "output": {
            "W is transposed: this is X W^T instead of X W.": lambda p: p.x @ p.W.T,
            "The output is divided by the size of the batch.": lambda p: p.x @ p.W / len(p.x),
            "This is the transpose of what it should be.": lambda p: (p.x @ p.W).T,
            "X and W are multiplied entry by entry (*) instead of as matrices (@).": lambda p: p.x * p.W,
            "The factors are in the wrong order: this is W X instead of X W.": lambda p: p.W @ p.x,
            "X is transposed: this is X^T W.": lambda p: p.x.T @ p.W,
            "The products are not added up over the features: this is X times the sum of each column of W.": lambda p: (
                p.x.sum(1, keepdims=True) * p.W.sum(0)
            ),
            "X does not appear in the output: this is the sum of each column of W.": lambda p: (
                p.W.sum(0) + 0 * (p.x @ p.W)
            ),
            "W does not appear in the output: this is the sum of each row of X.": lambda p: (
                p.x.sum(1, keepdims=True) + 0 * (p.x @ p.W)
            ),
            "Only the first feature counts: add up over all of them.": lambda p: p.x[:, :1] @ p.W[:1],
            "Only the last feature counts: add up (+=) over all of them.": lambda p: p.x[:, -1:] @ p.W[-1:],
            "The last feature is left out: a loop over the features ends one step early.": lambda p: (
                p.x[:, :-1] @ p.W[:-1]
            ),
            "The first feature is left out: a loop over the features begins one step late.": lambda p: (
                p.x[:, 1:] @ p.W[1:]
            ),
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
            "The averages of X and of dwnstrm over the batch are multiplied; it is the products that are added up.": lambda p: (
                np.outer(p.x.mean(0), p.dwnstrm.mean(0))
            ),
            "The sums of X and of dwnstrm over the batch are multiplied; it is the products that are added up.": lambda p: (
                np.outer(p.x.sum(0), p.dwnstrm.sum(0))
            ),
            "dwnstrm is multiplied by W^T before G is made of it.": lambda p: p.x.T @ (p.dwnstrm @ p.W.T),
            "X^T and dwnstrm are multiplied entry by entry (*) instead of as matrices (@).": lambda p: (
                p.x.T * p.dwnstrm
            ),
            "X and dwnstrm are multiplied entry by entry (*) instead of as matrices (@).": lambda p: p.x * p.dwnstrm,
            "G is multiplied by W as well.": lambda p: (p.x.T @ p.dwnstrm) * p.W,
            "The last row of the batch is left out: a loop ends one step early.": lambda p: p.x[:-1].T @ p.dwnstrm[:-1],
            "The first row of the batch is left out: a loop begins one step late.": lambda p: p.x[1:].T @ p.dwnstrm[1:],
            "What is passed back was taken instead of the input.": lambda p: (p.dwnstrm @ p.W.T).T @ p.dwnstrm,
            "Only the sign of the input counts in G.": lambda p: np.sign(p.x).T @ p.dwnstrm,
            "An activation is in G: the input is cut off at 0.": lambda p: np.maximum(p.x, 0).T @ p.dwnstrm,
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
            "The output was taken instead of dwnstrm: this is Y W^T.": lambda p: (p.x @ p.W) @ p.W.T,
            "dwnstrm and W are multiplied entry by entry (*) instead of as matrices (@).": lambda p: p.dwnstrm * p.W,
            "dwnstrm and W^T are multiplied entry by entry (*) instead of as matrices (@).": lambda p: (
                p.dwnstrm * p.W.T
            ),
            "It is multiplied by the input as well.": lambda p: (p.dwnstrm @ p.W.T) * p.x,
            "Summed over the batch: each row of the input has a gradient of its own.": lambda p: (
                p.dwnstrm @ p.W.T
            ).sum(0),
            "Only the last output counts: add up (+=) over all of them.": lambda p: p.dwnstrm[:, -1:] @ p.W[:, -1:].T,
            "Only the first output counts: add up over all of them.": lambda p: p.dwnstrm[:, :1] @ p.W[:, :1].T,
            "The last output is left out: a loop ends one step early.": lambda p: p.dwnstrm[:, :-1] @ p.W[:, :-1].T,
            "The input is passed back instead of a gradient.": lambda p: p.x,
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
            "This is X^T dwnstrm, the gradient of a Linear; the input plays no part here.": lambda p: p.x.T @ p.dwnstrm,
            "Only the last row of the batch is left out: a loop ends one step early.": lambda p: p.dwnstrm[:-1].sum(
                0, keepdims=True
            ),
            "dwnstrm is multiplied by W in G, as for another layer.": lambda p: (p.dwnstrm * p.W).sum(0, keepdims=True),
            "dwnstrm is multiplied by the input in G: that is the gradient of a Scale.": lambda p: (
                p.dwnstrm * p.x
            ).sum(0, keepdims=True),
            "The largest entry of each column is taken instead of the sum.": lambda p: p.dwnstrm.max(0, keepdims=True),
            "Every entry of G is the sum over everything: sum over the batch only (axis=0).": lambda p: np.full_like(
                p.W, p.dwnstrm.sum()
            ),
            "Every entry of G is the average over everything: sum over the batch only (axis=0).": lambda p: (
                np.full_like(p.W, p.dwnstrm.mean())
            ),
            "The absolute values are added up: their sign is lost.": lambda p: np.abs(p.dwnstrm).sum(0, keepdims=True),
            "The squares are added up.": lambda p: (p.dwnstrm**2).sum(0, keepdims=True),
            "The sum over the batch stands in every row: G has to have the shape of W.": lambda p: (
                p.dwnstrm.sum(0, keepdims=True) + 0 * p.x
            ),
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
            "The sum over the batch is passed back to every row; each row gets its own dwnstrm.": lambda p: (
                p.dwnstrm.sum(0, keepdims=True) + 0 * p.x
            ),
            "The average over the batch is passed back to every row; each row gets its own dwnstrm.": lambda p: (
                p.dwnstrm.mean(0, keepdims=True) + 0 * p.x
            ),
            "A mask is applied, as in a ReLU.": lambda p: p.dwnstrm * (p.x > 0),
            "dwnstrm W^T is a matrix product, as in Linear; here dwnstrm goes through.": lambda p: p.dwnstrm @ p.W.T,
            "dwnstrm is multiplied by G.": lambda p: p.dwnstrm * p.dwnstrm.sum(0),
        },
    },
    "Scale": {
        "output": {
            "W is added instead of multiplied.": lambda p: p.x + p.W,
            "X is divided by W instead of multiplied.": lambda p: p.x / p.W,
            "X W^T is a matrix product; here each feature stays by itself.": lambda p: p.x @ p.W.T,
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
            "The average over the batch is taken instead of the sum.": lambda p: (p.x * p.dwnstrm).mean(
                0, keepdims=True
            ),
            "Everything is summed into one number: sum over the batch only.": lambda p: (p.x * p.dwnstrm).sum(),
            "Every entry of G is the sum over everything: sum over the batch only (axis=0).": lambda p: np.full_like(
                p.W, (p.x * p.dwnstrm).sum()
            ),
            "The sums of X and of dwnstrm are multiplied; it is the products that are added up.": lambda p: (
                p.x.sum(0, keepdims=True) * p.dwnstrm.sum(0, keepdims=True)
            ),
            "The averages of X and of dwnstrm are multiplied; it is the products that are added up.": lambda p: (
                p.x.mean(0, keepdims=True) * p.dwnstrm.mean(0, keepdims=True)
            ),
            "X^T dwnstrm is a matrix product, as in Linear; here each feature stays by itself.": lambda p: (
                p.x.T @ p.dwnstrm
            ),
            "dwnstrm is divided by the input instead of multiplied.": lambda p: (p.dwnstrm / p.x).sum(0, keepdims=True),
            "X^T dwnstrm is summed, a matrix product; here each feature stays by itself.": lambda p: (
                p.x.T @ p.dwnstrm
            ).sum(0, keepdims=True),
            "X^T dwnstrm is summed over its columns, a matrix product; here each feature stays by itself.": lambda p: (
                (p.x.T @ p.dwnstrm).sum(1, keepdims=True).T
            ),
            "The last row of the batch is left out: a loop ends one step early.": lambda p: (p.x * p.dwnstrm)[:-1].sum(
                0, keepdims=True
            ),
        },
        "pass_back": {
            "dwnstrm is passed back as it came: W is missing.": lambda p: p.dwnstrm,
            "dwnstrm is divided by W instead of multiplied.": lambda p: p.dwnstrm / p.W,
            "dwnstrm is multiplied by the input instead of W: that belongs to G.": lambda p: p.dwnstrm * p.x,
            "dwnstrm is multiplied by the output instead of W.": lambda p: p.dwnstrm * p.x * p.W,
            "dwnstrm does not appear in what is passed back: this is W in every row.": lambda p: p.W + 0 * p.x,
            "G is passed back: what is passed back has a row for every row of X.": lambda p: (p.x * p.dwnstrm).sum(
                0, keepdims=True
            ),
            "W is added instead of multiplied.": lambda p: p.dwnstrm + p.W,
            "The products are summed over the batch; each row of X has a gradient of its own.": lambda p: (
                p.dwnstrm * p.W
            ).sum(0, keepdims=True),
            "dwnstrm W^T is a matrix product, as in Linear; here each feature stays by itself.": lambda p: (
                p.dwnstrm @ p.W.T
            ),
            "dwnstrm is multiplied by G instead of W.": lambda p: p.dwnstrm * (p.x * p.dwnstrm).sum(0),
            "dwnstrm is multiplied by the square of W.": lambda p: p.dwnstrm * p.W**2,
        },
    },
}
