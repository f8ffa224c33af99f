"""Remarks on training and held-out rows: rows that are in both, and rows of one time that are in both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pysmorch.encoders import NamedColumn
from pysmorch.layers.base import Array

FEWEST_TWICE, SHARE_TWICE = 5, 0.01
"""Rows that are in both parts are counted aloud if they are so many, and such a share of the held-out ones, or more."""

BY_CHANCE = 0.1
"""Nothing is said where columns of so few values make this share of them, or more, equal by chance."""

LATER = 0.1
"""A split is not one by time if this share of the training rows, or more, is later than the median of the held-out rows."""

FEWEST_TIMES = 20
"""With fewer different times nothing is said."""


def remark_on_duplicates(training: Array, held_out: Array, chance: float) -> list[str]:
    """Return what is to be said about held-out rows that are also among those of the training.

    Parameters
    ----------
    training, held_out : ndarray of uint64
        Fingerprints of the rows.
    chance : float
        How many of the held-out rows would be by chance, from `expected_twice`.

    Returns
    -------
    list of str
        One sentence, or none.
    """
    twice = int(np.isin(held_out, training).sum())
    if twice < max(FEWEST_TWICE, SHARE_TWICE * len(held_out)) or chance >= BY_CHANCE * twice:
        return []
    return [
        f"{twice} of {len(held_out)} held-out rows ({twice / len(held_out):.1%}) are also among the training rows, with the same label: if "
        "they are copies, new rows are predicted worse than these; leave out repeated rows, or hold out copies together"
    ]


def expected_twice(columns: Sequence[Array], num_training: int, num_held_out: int) -> float:
    """Return how many held-out rows would be among those of the training if columns were independent.

    Parameters
    ----------
    columns : sequence of ndarray
        The values of each column, and the labels, in some rows.
    num_training, num_held_out : int
        How many rows there are.

    Returns
    -------
    float
        With the probability that two rows are equal, the product over the columns of sum_v p(v)^2.
    """
    equal = 1.0
    for values in columns:
        counts = np.unique(values, return_counts=True)[1]
        pairs = len(values) * (len(values) - 1)
        equal *= float((counts * (counts - 1)).sum() / pairs) if pairs else 1.0
    return num_held_out * min(1.0, num_training * equal)


def remark_on_time(training: Sequence[NamedColumn], held_out: Sequence[NamedColumn]) -> list[str]:
    """Return what is to be said about held-out rows of the same times as those of the training.

    Parameters
    ----------
    training, held_out : sequence of NamedColumn
        The same columns of both.

    Returns
    -------
    list of str
        One sentence, or none: where there are several columns of times, the first one that is not split counts.
    """
    for column, other in zip(training, held_out, strict=True):
        if column.holds != "time" or column.is_category:
            continue
        times, later = (values[~np.isnan(values)] for values in (column.values, other.values))
        if len(np.unique(times)) >= FEWEST_TIMES and len(later) and np.mean(times > np.median(later)) >= LATER:
            return [
                f"column {column.name!r} holds times, and the held-out rows are not later than those of the training: if later rows are to be "
                f"predicted, these measures are too good; hold out the latest rows, on the command line with --split-time {column.name}"
            ]
    return []
