"""Integrated gradients: the difference of two outputs of a network as a sum over the entries of its input.

The contribution of entry i is (x_i - b_i) times the mean of the derivative with respect to it on the straight line from the baseline
b to the row x, and all contributions together are f(x) - f(b). The mean is found by Gauss-Legendre quadrature on segments of the
line. How far a segment is off is known, since its contributions must be the difference of f at its ends: where the sum of these errors
is too large, the segments with the largest ones are halved, so that the kinks of ReLU networks are closed in on.

Source: Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import NamedTuple

import numpy as np

from pysmorch.engine import passes
from pysmorch.engine.forks import no_fork
from pysmorch.engine.rows import LazyRows, blocks_of
from pysmorch.layers import Linear
from pysmorch.layers.base import Array
from pysmorch.layers.dense import data_layers
from pysmorch.layers.graph import graph, name_layers, run_backward
from pysmorch.layers.quantized import Quantized
from pysmorch.network import Network

TOLERANCE = 0.01
"""Sum of the errors of all segments, as a fraction of the difference of the outputs, up to which nothing is refined."""

ROUNDING = 1e-9
"""The same as a fraction of the outputs themselves, below which an error is one of rounding."""

SEGMENTS = 3
"""Of a line at first: with smooth activations nearly all of them are taken at once, and their errors are some 1e-4 of the difference at most."""

ROUNDS = 16
"""How often segments are halved at most."""

MARGIN = 0.1
"""Fraction of a row's tolerance that the segments which are not halved may have together in one round."""

ENTRIES_AT_A_TIME = 2**18
"""Entries of the contributions of all segments, at first, of the rows that are explained together."""

POINTS_AT_A_TIME, VALUES_AT_A_TIME = 512, 2**21
"""Points of one pass through the network, and the entries of all layers' outputs in it, at most."""

POSITIONS, WEIGHTS = (values / 2 for values in np.polynomial.legendre.leggauss(3))
POSITIONS = POSITIONS + 0.5

Head = Callable[[Array, Array], tuple[Array, Array]]
"""Of outputs (M, K) and the index of one for each row: the value that is explained (M,), and its gradient (M, K)."""


class Integrated(NamedTuple):
    """Contributions of all entries.

    Attributes
    ----------
    contributions : ndarray of float64, shape (N, columns)
        Summed over the entries of each column.
    baseline, predictions : ndarray of float64, shape (N,)
        The value at the baseline, and at the row.
    """

    contributions: Array
    baseline: Array
    predictions: Array


def integrated_gradients(
    network: Network, encoded: Array | LazyRows, baseline: Array, which: Array, head: Head, owners: Array, count: int
) -> Integrated:
    """Return how much each column of some rows contributes to a value of the network's outputs.

    Parameters
    ----------
    network : Network
        With one Data layer.
    encoded : ndarray or LazyRows of shape (N, *shape)
        The rows.
    baseline : ndarray of shape (*shape,)
        Where all lines begin.
    which : ndarray of int, shape (N,)
        Which output of each row is explained.
    head : callable
        Makes values of outputs.
    owners : ndarray of int, shape (prod(shape),)
        The column of each entry.
    count : int
        How many columns there are.

    Returns
    -------
    Integrated
        The same bits for any number of threads.

    Raises
    ------
    ValueError
        The network has no gradients with respect to its input.
    """
    from threadpoolctl import threadpool_limits

    passes = _Passes(network, head)
    start = baseline.astype(np.float64)
    rows_at_a_time = max(1, ENTRIES_AT_A_TIME // (SEGMENTS * max(start.size, 1)))
    parts = []
    with threadpool_limits(1, user_api="blas"), no_fork(), np.errstate(all="ignore"):
        for rows in blocks_of(len(encoded), rows_at_a_time):
            block = encoded[rows].astype(np.float64)
            contributions, *values = _integrate(passes, start, block, which[rows])
            of_columns = np.zeros((len(block), count))
            np.add.at(of_columns.T, owners, contributions.reshape(len(block), -1).T)
            parts.append(Integrated(of_columns, *values))
    return Integrated(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _integrate(passes: _Passes, baseline: Array, rows: Array, which: Array) -> tuple[Array, Array, Array]:
    """Return the contributions of the entries of some rows, and the values at the baseline and at the rows."""
    steps = rows - baseline
    edges = np.linspace(0.0, 1.0, SEGMENTS + 1)
    at_edges = passes.values_on(
        baseline, steps, np.repeat(np.arange(len(rows)), len(edges)), np.tile(edges, len(rows)), which
    )
    at_edges = at_edges.reshape(len(rows), -1)
    first, last = at_edges[:, 0], at_edges[:, -1]
    allowed = np.maximum(TOLERANCE * np.abs(last - first), ROUNDING * (np.abs(first) + np.abs(last)))
    segments = _Segments(
        np.repeat(np.arange(len(rows)), SEGMENTS),
        np.tile(edges[:-1], len(rows)),
        np.tile(edges[1:], len(rows)),
        at_edges[:, :-1].ravel(),
        at_edges[:, 1:].ravel(),
    )
    total, error = np.zeros(rows.shape), np.zeros(len(rows))
    for turn in range(ROUNDS):
        found = passes.means_on(baseline, steps, segments, which)
        errors = np.abs(segments.high - segments.low - found.reshape(len(found), -1).sum(1))
        errors = np.where(np.isfinite(errors), errors, 0.0)
        near = error + np.bincount(segments.row, errors, len(rows)) <= allowed
        most = MARGIN * allowed / np.maximum(np.bincount(segments.row, minlength=len(rows)), 1)
        taken = near[segments.row] | (errors <= most[segments.row]) | (turn == ROUNDS - 1)
        starts = np.flatnonzero(np.diff(segments.row[taken], prepend=-1))
        if len(starts):
            total[segments.row[taken][starts]] += np.add.reduceat(found[taken], starts, axis=0)
        error += np.bincount(segments.row[taken], errors[taken], len(rows))
        if taken.all():
            break
        segments = _halved(passes, baseline, steps, segments.take(~taken), which)
    return total, first, last


class _Segments(NamedTuple):
    """Segments of lines, in the order of the rows: where they begin and end, from 0 to 1, and the values there."""

    row: Array
    start: Array
    end: Array
    low: Array
    high: Array

    def take(self, some: Array) -> _Segments:
        return _Segments(*(array[some] for array in self))


def _halved(passes: _Passes, baseline: Array, steps: Array, segments: _Segments, which: Array) -> _Segments:
    middle = (segments.start + segments.end) / 2
    value = passes.values_on(baseline, steps, segments.row, middle, which)
    row, start, end, low, high = segments

    def pairs(left: Array, right: Array) -> Array:
        return np.stack([left, right], axis=1).ravel()

    return _Segments(pairs(row, row), pairs(start, middle), pairs(middle, end), pairs(low, value), pairs(value, high))


class _Passes:
    """Passes through a network in prediction mode and float64, on copies of its layers."""

    def __init__(self, network: Network, head: Head) -> None:
        self._head = head
        self._layers = passes.in_mode(graph(network.output), training=False)
        self._data = data_layers(self._layers)[0]
        for layer, name in zip(self._layers, name_layers(self._layers), strict=True):
            if isinstance(layer, Quantized):
                raise ValueError(
                    f"explain needs gradients, which {name} of a quantized network has not; explain the model from before"
                )
            if getattr(layer, "reads_indices", False) and layer.in_layer is self._data:
                raise ValueError(
                    f"explain needs gradients with respect to the rows, but {name} of the network takes them as indices"
                )
            if getattr(layer, "has_parameters", False):  # the copy has a gradient of its own, too
                layer.replace_parameters(layer.W.astype(np.float64))
            if type(layer) is Linear:  # a third of the arithmetic is for gradients of weights, which are not needed
                vars(layer)["pull_back"] = partial(_input_gradient, layer.W.T)
        entries = sum(prod(layer.out_dims[1:]) for layer in self._layers)
        self._points = max(1, min(POINTS_AT_A_TIME, VALUES_AT_A_TIME // max(entries, 1)))

    def _outputs(self, points: Array) -> Array:
        passes.feed(self._layers, [points], np.float64)
        outputs: Array = self._layers[-1].forward()
        return outputs

    def values_on(self, baseline: Array, steps: Array, row: Array, position: Array, which: Array) -> Array:
        """Return the values at positions from 0 to 1 on the lines of some rows."""
        values = np.empty(len(row))
        for some in blocks_of(len(row), self._points):
            outputs = self._outputs(_points(baseline, steps, row[some], position[some]))
            values[some] = self._head(outputs, which[row[some]])[0]
        return values

    def means_on(self, baseline: Array, steps: Array, segments: _Segments, which: Array) -> Array:
        """Return the contributions of each segment, shape (S, *shape)."""
        found = np.zeros((len(segments.row), *baseline.shape))
        length = segments.end - segments.start
        for some in blocks_of(len(found), self._points):
            row = segments.row[some]
            for position, weight in zip(POSITIONS, WEIGHTS, strict=True):
                at = segments.start[some] + position * length[some]
                outputs = self._outputs(_points(baseline, steps, row, at))
                _, gradient = self._head(outputs, which[row])
                of_input = run_backward(self._layers[-1], gradient)[id(self._data)]
                found[some] += of_input * _column(weight * length[some], of_input.ndim)
            found[some] *= steps[row]
        return found


def _input_gradient(transposed: Array, dwnstrm: Array) -> Array:
    return dwnstrm @ transposed


def _points(baseline: Array, steps: Array, row: Array, position: Array) -> Array:
    return baseline + steps[row] * _column(position, steps.ndim)


def _column(values: Array, ndim: int) -> Array:
    """Return values, one for each row, so that they multiply rows."""
    return values.reshape(-1, *[1] * (ndim - 1))
