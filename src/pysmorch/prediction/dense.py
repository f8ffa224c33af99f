"""The dense network of an estimator: what its parameters leave open is in one table; docs/presets.md has what it brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pysmorch.layers.activations import ActivationName


class Dense(NamedTuple):
    """Values of what a user leaves open.

    Attributes
    ----------
    hidden : sequence of int
        Widths of the hidden layers.
    activation : str
        The name of their activation.
    embedding : bool
        Whether numbers of a table have a periodic embedding, where there is a hidden layer.
    """

    hidden: Sequence[int]
    activation: ActivationName
    embedding: bool


OF_TABLES: dict[str, Dense] = {
    "fast": Dense((256, 128), "relu", embedding=True),
    "balanced": Dense((256, 256, 256), "mish", embedding=True),
    "best": Dense((256, 256, 256), "mish", embedding=True),
}
"""For each preset."""

OF_PIXELS = Dense((256, 128), "relu", embedding=False)
"""For images, and for rows of pixels."""

MOST_EMBEDDED = 128
"""Tables with more numbers than this are wide enough as they are."""


def dense_of(estimator: Any, of_table: bool = True) -> Dense:
    """Return what the dense network of an estimator is.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters.
    of_table : bool, default=True
        Whether its input is a table.

    Returns
    -------
    Dense
        Its parameters where they are given, else the values of its preset.
    """
    left = OF_TABLES[estimator.preset] if of_table else OF_PIXELS
    given = {name: getattr(estimator, name) for name in Dense._fields}
    return left._replace(**{name: value for name, value in given.items() if value is not None})


def num_embedded(estimator: Any) -> int:
    """Return how many of the first features of an encoded row have an embedding.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its encoder.

    Returns
    -------
    int
        All numbers of a table, or 0.
    """
    encoder = estimator.encoder_
    dense = dense_of(estimator, encoder.of_table)
    wanted = dense.embedding and dense.hidden and encoder.of_table and encoder.num_scaled <= MOST_EMBEDDED
    return int(encoder.num_scaled) if wanted else 0
