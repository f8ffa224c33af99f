"""The dense network of an estimator: what its parameters leave open is in one table; docs/presets.md has what it brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pysmorch.layers.activations import ActivationName
from pysmorch.prediction.presets import FEW, MANY_ROWS, WEIGHT_DECAY, preset_of


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
    weight_decay : float
        How strongly weights are pulled towards 0.
    tuned : bool
        Whether hidden layers begin with weights from data, activations have trainable strengths, inputs trainable factors, and some
        parameters learning rates of their own. No parameter of an estimator says it.
    """

    hidden: Sequence[int]
    activation: ActivationName
    embedding: bool
    weight_decay: float
    tuned: bool


OF_TABLES: dict[str, Dense] = {
    "fast": Dense((256, 128), "relu", embedding=True, weight_decay=WEIGHT_DECAY, tuned=False),
    "balanced": Dense((256, 256, 256), "mish", embedding=True, weight_decay=0.02, tuned=True),
    "best": Dense((256, 256, 256), "mish", embedding=True, weight_decay=0.02, tuned=True),
}
"""For each preset, from `ENOUGH_ROWS` rows on and below `MANY_ROWS`."""

OF_OTHERS = Dense((256, 128), "relu", embedding=False, weight_decay=WEIGHT_DECAY, tuned=False)
"""For images, rows of pixels, tables of which more rows are to come, small ones, which larger networks know by heart, and large ones."""

GIVEN = ("hidden", "activation", "embedding", "weight_decay")
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
    is_middle = num_rows is not None and ENOUGH_ROWS <= num_rows < MANY_ROWS and estimator.network is None
    left = OF_TABLES[estimator.preset] if is_middle else OF_OTHERS
    given = {name: getattr(estimator, name) for name in GIVEN}
    return left._replace(**{name: value for name, value in given.items() if value is not None})


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


def weight_decay_of(estimator: Any, num_rows: int, number: int) -> Any:
    """Return the weight decay of a network of an ensemble: that of the parameters, or of the preset.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its encoder.
    num_rows : int
        How many rows there are.
    number : int
        That of the network, from 1.

    Returns
    -------
    float or Schedule
        What its optimizer takes.
    """
    decays = preset_of(estimator).weight_decays_of_few
    if estimator.weight_decay is None and num_rows < FEW and len(estimator.encoder_.shape) == 1:
        return decays[(number - 1) % len(decays)]
    return dense_of(estimator, num_rows if estimator.encoder_.of_table else None).weight_decay
