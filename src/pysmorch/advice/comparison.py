"""A network and other models on the same held-out rows: what each was measured to be, and which one is better by how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pysmorch.layers.base import Array

CLEAR = 2.0
"""A difference is clear if it is larger than so many of its standard errors: by chance one in twenty is."""

SMALLEST_SHARE = 1e-15
"""Probabilities are taken to be at least this, as by scikit-learn's log loss in float64."""


@dataclass(frozen=True)
class Measured:
    """What a model was measured to be on held-out rows.

    Parameters
    ----------
    name : str
        The model.
    values : dict of str to float
        "accuracy" and "log loss" of classes, "RMSE" and "MAE" of numbers; empty where the model was left out.
    seconds : float or None
        How long it was trained; None where that is not known.
    num_rows : int
        How many rows it was trained on.
    better_by : dict of str to float, default={}
        By how much the network is better, in those measures in which the difference is clear; negative where this model is.
    """

    name: str
    values: dict[str, float]
    seconds: float | None
    num_rows: int
    better_by: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """A network and the models beside it, on the same held-out rows.

    Parameters
    ----------
    network : Measured
        The network.
    baselines : list of Measured
        The others.
    """

    network: Measured
    baselines: list[Measured]

    def lines(self) -> list[str]:
        """Return a line for each model beside the network.

        Returns
        -------
        list of str
            Its measures, its seconds, on how many rows it was trained where these are a sample, and which one is better by how much.
        """
        return [self._line(other) for other in self.baselines]

    def to_dict(self) -> dict[str, list[Any]]:
        """Return a table with a row for each model, the network first, for the data frame of any library.

        Returns
        -------
        dict of str to list
            "model", the measures, "seconds" and "rows"; None for what was not measured.
        """
        models = [self.network, *self.baselines]
        measures = {name: [model.values.get(name) for model in models] for name in self.network.values}
        return {
            "model": [model.name for model in models],
            **measures,
            "seconds": [model.seconds for model in models],
            "rows": [model.num_rows for model in models],
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _line(self, other: Measured) -> str:
        if not other.values:
            return f"{other.name}: left out, since it would take longer than the network"
        values = ", ".join(f"{name} {_shown(name, value)}" for name, value in other.values.items())
        sample = (
            f" on {other.num_rows} of {self.network.num_rows} rows" if other.num_rows < self.network.num_rows else ""
        )
        return f"{other.name}: {values}, trained in {other.seconds:.1f} s{sample}; {_verdict(other)}"


def _shown(measure: str, value: float) -> str:
    return f"{value:.4f}" if measure in ("accuracy", "log loss") else f"{value:.5g}"


def _verdict(other: Measured) -> str:
    """Return which model is better by how much."""
    mine, theirs = (
        " and ".join(
            f"{_shown(measure, abs(value))} in {measure}"
            for measure, value in other.better_by.items()
            if value * sign > 0
        )
        for sign in (1, -1)
    )
    if mine and theirs:
        return f"{other.name} is better here by {theirs}, the network by {mine}"
    if theirs:
        return f"{other.name} is better here by {theirs}"
    return f"the network is better here by {mine}" if mine else "no clear difference from the network here"


def losses_of_classes(p: Array, codes: Array) -> dict[str, Array]:
    """Return the loss of each row in each measure, for classes.

    Parameters
    ----------
    p : ndarray of float64, shape (N, K)
        Probabilities.
    codes : ndarray of int, shape (N,)
        Indices of the right classes.

    Returns
    -------
    dict of str to ndarray of shape (N,)
        The smaller the better.
    """
    clipped = np.clip(p, SMALLEST_SHARE, None)
    of_right = clipped[np.arange(len(codes)), codes] / clipped.sum(axis=1)
    return {"accuracy": (p.argmax(axis=1) != codes).astype(np.float64), "log loss": -np.log(of_right)}


def losses_of_numbers(predicted: Array, targets: Array) -> dict[str, Array]:
    """Return the loss of each row in each measure, for numbers.

    Parameters
    ----------
    predicted, targets : ndarray of float64, shape (N, K)
        In any unit.

    Returns
    -------
    dict of str to ndarray of shape (N,)
        The smaller the better.
    """
    errors = predicted - targets
    return {"RMSE": (errors**2).mean(axis=1), "MAE": np.abs(errors).mean(axis=1)}


def value_of(measure: str, losses: Array, weights: Array | None, unit: float) -> float:
    """Return the value of a measure.

    Parameters
    ----------
    measure : str
        One of those of `losses_of_classes` or `losses_of_numbers`.
    losses : ndarray of shape (N,)
        From there.
    weights : ndarray of shape (N,) or None
        Of the rows.
    unit : float
        What the errors of numbers are multiplied by.

    Returns
    -------
    float
        Its value.
    """
    mean = float(np.average(losses, weights=weights))
    return {"accuracy": 1 - mean, "RMSE": float(np.sqrt(mean)) * unit, "MAE": mean * unit}.get(measure, mean)


def is_clear(differences: Array, weights: Array | None) -> bool:
    """Whether the mean of the differences of two models' losses is not 0 by chance.

    Parameters
    ----------
    differences : ndarray of shape (N,)
        Of the same rows.
    weights : ndarray of shape (N,) or None
        Of these.

    Returns
    -------
    bool
        Whether it is larger than `CLEAR` standard errors.
    """
    w = np.ones(len(differences)) if weights is None else weights
    mean = w @ differences / w.sum()
    error = np.sqrt(w**2 @ (differences - mean) ** 2) / w.sum()
    return bool(abs(mean) > CLEAR * error)
