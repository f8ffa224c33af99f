"""A start from data: initial weights and biases with which each unit of a network begins within the range of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pysmorch.engine import Predictor
from pysmorch.engine.dataset import check_inputs
from pysmorch.engine.lowering import consumers_of
from pysmorch.layers.base import Array
from pysmorch.layers.dense import Bias, Linear, data_layers
from pysmorch.layers.graph import graph
from pysmorch.layers.protocol import LayerLike
from pysmorch.layers.randomness import check_seed

if TYPE_CHECKING:
    from pysmorch.network import Network

__all__ = ["start_from_data"]

ROWS_OF_A_BIAS = 5
"""Rows between which the bias of a unit puts its zero."""

ROUNDING = 1e-6
"""Outputs that deviate from one another by less than this, relative to their size, are the same but for the rounding of float32."""


def start_from_data(network: Network | LayerLike, X: Any, seed: int) -> None:
    """Scale the weights of each `Linear`, and draw the `Bias` after it, so that they suit the data; layer after layer, in place.

    Parameters
    ----------
    network : Network or Layer
        The network, or the last layer of one.
    X : array, or tuple or dict of arrays
        Rows of the training data, as for `Network.fit`. Some thousands are enough.
    seed : int
        Of the biases, from 0 to 2**64 - 1.

    Raises
    ------
    ShapeError, TypeError, ValueError
        For data that do not fit, no rows, and a seed that is none.

    Notes
    -----
    Each column of `Linear.W` is divided by the standard deviation of its output on the rows, where these are not all the same. The bias
    of a unit is minus a random mean of its outputs for five random rows, with weights from the flat Dirichlet distribution ("he+5"): so the kink
    of a ReLU lies among the data. Dropout and augmentation do nothing meanwhile. Other layers, such as convolutions, are left as
    they are. Source: Holzmüller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data", 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from pysmorch import Data, mlp, start_from_data
    >>> X = np.random.default_rng(0).standard_normal((100, 4))
    >>> output = mlp(Data(shape=(None, 4)), [8], 3)
    >>> start_from_data(output, X, seed=0)
    """
    layers = graph(getattr(network, "output", network))
    inputs = check_inputs(data_layers(layers), X, "X")
    if not len(inputs[0]):
        raise ValueError("X has no rows; a start from data needs some")
    consumers = consumers_of(layers)
    rng = np.random.Generator(np.random.Philox(key=check_seed(seed)))
    for layer in layers:
        if isinstance(layer, Linear):
            outputs = Predictor(layer)(inputs).astype(np.float64, copy=False)
            deviations = outputs.std(axis=0)
            deviations[deviations <= ROUNDING * np.abs(outputs).max(axis=0)] = 1
            layer.W = layer.W / deviations
            for bias in consumers[id(layer)]:
                if isinstance(bias, Bias):
                    bias.W = -_means_of_some_rows(outputs / deviations, rng)


def _means_of_some_rows(outputs: Array, rng: np.random.Generator) -> Array:
    """Return a random mean of a few entries of each column, as a row."""
    num_rows, num_units = outputs.shape
    chosen = np.take_along_axis(outputs, rng.integers(num_rows, size=(ROWS_OF_A_BIAS, num_units)), axis=0)
    weights = rng.standard_exponential((ROWS_OF_A_BIAS, num_units))
    mean: Array = (weights / weights.sum(axis=0) * chosen).sum(axis=0, keepdims=True)
    return mean
