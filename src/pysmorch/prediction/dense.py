"""The dense network of an estimator: what its parameters leave open is in one table; docs/presets.md has what it brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pysmorch.layers.activations import ActivationName
from pysmorch.prediction.presets import MANY_ROWS


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
    tuned : bool
        Whether hidden layers begin with weights from data, activations have trainable strengths, inputs trainable factors, and some
        parameters learning rates of their own. No parameter of an estimator says it.
    """

    hidden: Sequence[int]
    activation: ActivationName
    embedding: bool
    tuned: bool


OF_TABLES: dict[str, Dense] = {
    "fast": Dense((256, 128), "relu", embedding=True, tuned=False),
    "balanced": Dense((256, 256, 256), "mish", embedding=True, tuned=True),
    "best": Dense((256, 256, 256), "mish", embedding=True, tuned=True),
}
"""For each preset, from `ENOUGH_ROWS` rows on and below `MANY_ROWS`."""

OF_OTHERS = Dense((256, 128), "relu", embedding=False, tuned=False)
"""For images, rows of pixels, tables of which more rows are to come, small ones, which larger networks know by heart, and large ones."""

GIVEN = ("hidden", "activation", "embedding")
"""What parameters of an estimator say, where they are not None."""

ENOUGH_ROWS = 3000
"""Smaller tables gained nothing from an embedding and a third layer: benchmarks/results/ablations.jsonl."""

MOST_EMBEDDED = 128
"""Tables with more numbers than this are wide enough as they are."""


def dense_of(estimator: Any, num_rows: int | None) -> Dense:
    """Return what the dense network of an estimator is.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters.
    num_rows : int or None
        How many rows of a table there are; None for images and pixels, and where that is not known.

    Returns
    -------
    Dense
        Its parameters where they are given, else the values of its preset.
    """
    is_middle = num_rows is not None and ENOUGH_ROWS <= num_rows < MANY_ROWS
    left = OF_TABLES[estimator.preset] if is_middle else OF_OTHERS
    given = {name: getattr(estimator, name) for name in GIVEN}
    made = left._replace(**{name: value for name, value in given.items() if value is not None})
    return made._replace(tuned=made.tuned and bool(made.hidden) and estimator.network is None)


def num_embedded(dense: Dense, encoder: Any) -> int:
    """Return how many of the first features of an encoded row have an embedding.

    Parameters
    ----------
    dense : Dense
        What the network is.
    encoder : Encoder
        Fitted.

    Returns
    -------
    int
        All numbers of a table, or 0.
    """
    wanted = dense.embedding and dense.hidden and encoder.of_table and encoder.num_scaled <= MOST_EMBEDDED
    return int(encoder.num_scaled) if wanted else 0
