"""Formulas that are often written by mistake in SquareLoss, with the sentence that each of them gets."""

from __future__ import annotations

import numpy as np

from pysmorch.teach.exercises import Formulas
from pysmorch.teach.factors import ENTRIES

WRONG_SQUARE_LOSS: Formulas = {
    "SquareLoss": {
        "output": {
            "The factor 1/2 is missing.": lambda p: np.sum((p.x - p.labels) ** 2) / len(p.x),
            "Summed over the batch instead of averaged: the factor 1/M is missing.": lambda p: (
                np.sum((p.x - p.labels) ** 2) / 2
            ),
            "The factor 1/(2M) is missing.": lambda p: np.sum((p.x - p.labels) ** 2),
            f"{ENTRIES} The factor 1/2 is missing as well.": lambda p: np.mean((p.x - p.labels) ** 2),
            ENTRIES: lambda p: np.mean((p.x - p.labels) ** 2) / 2,
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
            "One number for each column is returned: add them up.": lambda p: (
                ((p.x - p.labels) ** 2).sum(0) / (2 * len(p.x))
            ),
            "The labels are missing: this is the square of the input alone.": lambda p: np.sum(p.x**2) / (2 * len(p.x)),
            "The labels are added instead of taken away.": lambda p: np.sum((p.x + p.labels) ** 2) / (2 * len(p.x)),
            "The squares are taken before the difference: it is (x - y)^2, not x^2 - y^2.": lambda p: (
                np.sum(p.x**2 - p.labels**2) / (2 * len(p.x))
            ),
            "The norm of each row is not squared.": lambda p: (
                np.linalg.norm(p.x - p.labels, axis=1).sum() / (2 * len(p.x))
            ),
            "The norm of each column is not squared.": lambda p: (
                np.linalg.norm(p.x - p.labels, axis=0).sum() / (2 * len(p.x))
            ),
            "A root is taken (as of a root mean square): the loss is the mean of squares itself.": lambda p: np.sqrt(
                np.sum((p.x - p.labels) ** 2) / len(p.x)
            ),
            "A root is taken (as of a root mean square): the loss is the mean of squares itself, over the rows.": lambda p: (
                np.sqrt(np.mean((p.x - p.labels) ** 2))
            ),
            "The norm is taken of the squares: the sum of fourth powers comes in.": lambda p: (
                np.linalg.norm((p.x - p.labels) ** 2) / (2 * len(p.x))
            ),
            "The largest singular value is taken (norm(..., 2)): the squares of all entries are to be added up.": lambda p: (
                np.linalg.norm(p.x - p.labels, 2) ** 2 / (2 * len(p.x))
            ),
            "The fourth powers are added up instead of the squares.": lambda p: (
                np.sum((p.x - p.labels) ** 4) / (2 * len(p.x))
            ),
            "The third powers are added up instead of the squares.": lambda p: (
                np.sum((p.x - p.labels) ** 3) / (2 * len(p.x))
            ),
            "The largest difference alone counts.": lambda p: np.max((p.x - p.labels) ** 2) / (2 * len(p.x)),
            "Only the first column counts.": lambda p: np.sum((p.x - p.labels)[:, 0] ** 2) / (2 * len(p.x)),
            "Only the last column counts.": lambda p: np.sum((p.x - p.labels)[:, -1] ** 2) / (2 * len(p.x)),
            "Only the first row counts.": lambda p: np.sum((p.x - p.labels)[0] ** 2) / (2 * len(p.x)),
            "Only the last row counts.": lambda p: np.sum((p.x - p.labels)[-1] ** 2) / (2 * len(p.x)),
            "The last row is left out.": lambda p: np.sum((p.x - p.labels)[:-1] ** 2) / (2 * len(p.x)),
            "The first row is left out.": lambda p: np.sum((p.x - p.labels)[1:] ** 2) / (2 * len(p.x)),
            "The labels are a column (or a list) for all rows: every row is compared with the labels of every other.": lambda p: (
                np.sum((p.x[:, None] - p.labels[None]) ** 2) / (2 * len(p.x))
            ),
            "The first column of the labels is compared with all columns of the input.": lambda p: (
                np.sum((p.x - p.labels[:, :1]) ** 2) / (2 * len(p.x))
            ),
            "The first row of the labels is compared with all rows of the input.": lambda p: (
                np.sum((p.x - p.labels[:1]) ** 2) / (2 * len(p.x))
            ),
            "The variance of the differences is taken: their mean must not be taken away.": lambda p: (
                np.var(p.x - p.labels) / 2
            ),
            "The means are compared instead of the entries.": lambda p: (np.mean(p.x) - np.mean(p.labels)) ** 2 / 2,
            "The means over the rows are compared instead of the entries.": lambda p: (
                np.sum((p.x.mean(0) - p.labels.mean(0)) ** 2) / 2
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
            ENTRIES: lambda p: (p.x - p.labels) / p.x.size,
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
            "Summed over the columns: each entry of the input has a gradient of its own.": lambda p: (
                (p.x - p.labels) / len(p.x)
            ).sum(1),
            "The labels are added instead of taken away.": lambda p: (p.x + p.labels) / len(p.x),
            "The sign of the difference stands where the difference belongs, as for absolute values.": lambda p: (
                np.sign(p.x - p.labels) / len(p.x)
            ),
            "Divided by the norm of the difference, as for a norm that is not squared.": lambda p: (
                (p.x - p.labels) / np.linalg.norm(p.x - p.labels)
            ),
            "The difference is multiplied by the input as well.": lambda p: (p.x - p.labels) * p.x / len(p.x),
            "The loss itself is passed back: each entry of the input has a gradient of its own.": lambda p: (
                np.sum((p.x - p.labels) ** 2) / (2 * len(p.x))
            ),
            "The absolute value of the difference is passed back: its sign is lost.": lambda p: (
                np.abs(p.x - p.labels) / len(p.x)
            ),
        },
    },
}
