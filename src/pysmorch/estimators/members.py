"""The networks of an ensemble: parts of one graph, each of which is trained as a network of its own.

The graph ends with the mean of what the networks give, and a `Scale` and a `Bias`, by which it is calibrated. So files, prediction and
all that is made of predictions know one network.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from pysmorch.engine.rows import LazyRows
from pysmorch.estimators.fitting import output_layer
from pysmorch.layers import Add, Bias, Layer, LogMeanSoftmax, Scale
from pysmorch.layers.base import Array
from pysmorch.layers.graph import graph
from pysmorch.layers.trainable import convert_parameters, has_parameters
from pysmorch.losses import CrossEntropy
from pysmorch.network import Network
from pysmorch.optimizers import Optimizer, aligned_zeros
from pysmorch.start import start_from_data

LARGEST_SEED = 2**31 - 1

ROWS_OF_A_START = 1024
"""The most rows from which the deviations of the outputs at the start of a network are measured."""


def seeds_of(seed: int, count: int) -> list[int]:
    """Return a seed for each network of an ensemble; of a single one it is the given seed.

    Parameters
    ----------
    seed : int
        That of the estimator.
    count : int
        How many networks there are.

    Returns
    -------
    list of int
        The first ones of more networks are those of fewer.
    """
    if count == 1:
        return [seed]
    return [int(word) % LARGEST_SEED for word in np.random.SeedSequence(seed).generate_state(count)]


def network_of(estimator: Any, features: Layer, count: int, rows: Array | LazyRows) -> Network:
    """Return the network of an estimator: a single one, or the mean of several.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters, its labels and its seed.
    features : Layer
        The input layer.
    count : int
        How many networks are averaged.
    rows : ndarray or LazyRows
        All rows, encoded; some of them say with which weights a network that is tuned begins.

    Returns
    -------
    Network
        At its first weights.
    """
    num_outputs, seeds = estimator._num_outputs(), seeds_of(estimator._seed, count)
    outputs = [output_layer(estimator, features, num_outputs, seed) for seed in seeds]
    if estimator._dense.tuned:
        drawn = np.random.default_rng(estimator._seed).permutation(len(rows))[:ROWS_OF_A_START]
        some = rows[np.sort(drawn)]
        for output, seed in zip(outputs, seeds, strict=True):
            start_from_data(output, some, seed)
    network = Network(estimator._make_loss(outputs[0] if count == 1 else mean_of(estimator, outputs)))
    if estimator.precision != "float64":  # as training takes them, in half of the memory
        convert_parameters(network.layers, np.float32)
    return network


def mean_of(estimator: Any, outputs: Sequence[Layer]) -> Layer:
    """Return the mean of several outputs: of their probabilities where the loss is cross-entropy, else of the outputs themselves.

    Parameters
    ----------
    estimator : NetworkEstimator
        It makes the loss.
    outputs : sequence of Layer
        The last layers of two or more networks.

    Returns
    -------
    Layer
        A `Bias`.
    """
    of_probabilities = isinstance(estimator._make_loss(outputs[0]), CrossEntropy)
    scale = Scale(LogMeanSoftmax(*outputs) if of_probabilities else Add(*outputs))
    scale.W[...] = 1.0 if of_probabilities else 1 / len(outputs)
    shift = Bias(scale)
    shift.W[...] = 0.0
    return shift


def let_vary(estimator: Any) -> None:
    """Let outputs of an ensemble vary again that were calibrated to be constant, before its networks are trained on.

    Parameters
    ----------
    estimator : NetworkEstimator
        With the network of all of them.
    """
    shift = estimator.network_.output
    scale = shift.in_layer
    constant = scale.W == 0
    scale.W[constant] = 1.0 if isinstance(scale.in_layer, LogMeanSoftmax) else 1 / estimator._members
    shift.W[constant] = 0.0


def outputs_of(network: Network, count: int) -> list[Layer]:
    """Return the last layer of each network of an ensemble.

    Parameters
    ----------
    network : Network
        What `network_of` returned.
    count : int
        How many networks are averaged.

    Returns
    -------
    list of Layer
        In their order.
    """
    return [network.output] if count == 1 else list(network.output.in_layer.in_layer.in_layers)


class Member:
    """One network of an ensemble, as an estimator of its own that shares all but network, optimizer and history.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its network, which is left as it is until `give_back`.
    output : Layer
        The last layer of the member in it.
    seed : int
        Of dropout and order.
    threads : int
        How many threads its training may use.
    """

    def __init__(self, estimator: Any, output: Layer, seed: int, threads: int) -> None:
        loss = estimator._make_loss(output)
        self.layers = graph(loss)[:-1]
        self.model = copy.copy(estimator)
        self.model.network_ = Network(copy.deepcopy(loss))
        self.model.optimizer_ = copy.copy(estimator.optimizer_)
        self.model.optimizer_.state = {
            name: np.concatenate([array[rows] for rows in self._ranges(estimator.network_)])
            for name, array in estimator.optimizer_.state.items()
        }
        self.model._forget_epochs()
        self.model._members = 1
        self.model._seed, self.model.threads, self.model.verbose = seed, threads, False

    def _ranges(self, network: Network) -> Iterator[slice]:
        """Where the parameters of the member are among those of the whole network."""
        own, start = {id(layer) for layer in self.layers}, 0
        for layer in network.layers:
            if has_parameters(layer):
                if id(layer) in own:
                    yield slice(start, start + layer.W.size)
                start += layer.W.size

    def rest(self) -> None:
        """Let go of compiled programs and their memory, after training, while others train."""
        self.model.network_ = copy.copy(self.model.network_)  # the same layers, without programs

    def give_back(self, estimator: Any) -> None:
        """Set parameters, states and optimizer of the whole network to what the member has learned.

        Parameters
        ----------
        estimator : NetworkEstimator
            That of the ensemble.
        """
        trained: Optimizer = self.model.optimizer_
        whole: Optimizer = estimator.optimizer_
        for layer, learned in zip(self.layers, self.model.network_.layers, strict=True):
            if has_parameters(layer):
                layer.replace_parameters(learned.W)
                dtype = learned.W.dtype
            if getattr(layer, "state", None):
                layer.state = learned.state
        convert_parameters(estimator.network_.layers, dtype)  # also those at the end, which no member trains
        size = sum(W.size for W in estimator.network_.parameters.values())
        for name, array in trained.state.items():
            if name not in whole.state:
                whole.state[name] = aligned_zeros(size, array.dtype)
            start = 0
            for rows in self._ranges(estimator.network_):
                whole.state[name][rows] = array[start : start + rows.stop - rows.start]
                start += rows.stop - rows.start
        whole.num_steps = max(whole.num_steps, trained.num_steps)


def without(estimator: Any, left_out: Collection[int]) -> None:
    """Take networks out of an ensemble.

    Parameters
    ----------
    estimator : NetworkEstimator
        Its network and the state of its optimizer are replaced.
    left_out : collection of int
        The indices of those that are taken out; at least one network stays.
    """
    outputs = outputs_of(estimator.network_, estimator._members)
    staying = [output for i, output in enumerate(outputs) if i not in left_out]
    members = [Member(estimator, output, 0, 1) for output in staying]
    estimator.network_ = Network(estimator._make_loss(staying[0] if len(staying) == 1 else mean_of(estimator, staying)))
    estimator._members = len(staying)
    estimator.optimizer_.state = {}
    for member in members:
        member.give_back(estimator)
