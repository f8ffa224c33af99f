"""Split conformal prediction: how far predictions of held-out rows were off says how wide intervals and sets must be."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pysmorch.files import ModelFileError
from pysmorch.files.header import entry
from pysmorch.layers.base import Array

ROUNDING = 1e-12
"""Relative tolerance in comparing sums of weights, so that 0.9 of 10 rows are 9."""


class ConformalScores(NamedTuple):
    """Scores of held-out rows, the larger the worse their prediction was.

    Attributes
    ----------
    values : ndarray of float64, shape (n, K)
        For each output.
    weights : ndarray of float64, shape (n,)
        Of the rows, with mean one.
    set_aside : bool
        Whether the rows chose nothing, so that the coverage is guaranteed.
    """

    values: Array
    weights: Array
    set_aside: bool

    def radius(self, coverage: float) -> Array:
        """Return the score that a new row does not exceed with this probability.

        With n rows of equal weight it is the ceil((n + 1) coverage)-th smallest of their scores. A new row has weight one.

        Parameters
        ----------
        coverage : float
            Between 0 and 1.

        Returns
        -------
        ndarray of shape (K,)
            For each output.

        Raises
        ------
        ValueError
            There are too few rows for it.
        """
        total = self.weights.sum()
        needed = coverage * (total + 1) * (1 - ROUNDING)
        if needed > total:
            rows = int(np.ceil(coverage / (1 - coverage) * (1 - ROUNDING)))
            raise ValueError(
                f"coverage={coverage} needs {rows} held-out rows, but the model has {len(self.weights)}, enough for at most "
                f"{np.floor(1e4 * total / (total + 1)) / 1e4}; train on more rows, or with a larger conformal_fraction"
            )
        order = np.argsort(self.values, axis=0, kind="stable")
        sums = np.cumsum(self.weights[order], axis=0)
        first = np.minimum((sums < needed).sum(axis=0), len(order) - 1)
        return np.take_along_axis(self.values, np.take_along_axis(order, first[None], 0), 0)[0]


def radius_of(model: Any, coverage: float) -> Array:
    """Return how far a new row's score reaches with this probability.

    Parameters
    ----------
    model : NetworkModel
        Fitted or not.
    coverage : float
        The argument of the user.

    Returns
    -------
    ndarray of shape (K,)
        For each output.

    Raises
    ------
    NotFittedError, ValueError
        Before `fit`, for a coverage that is none or cannot be reached, and for a model without scores.
    """
    model._check_fitted()
    if not isinstance(coverage, (int, float, np.number)) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be a number between 0 and 1, such as 0.9, but is {coverage!r}")
    scores = getattr(model, "conformal_scores_", None)
    if scores is None:
        raise ValueError(
            "this model has no scores of held-out rows: it was trained without such rows, trained on or quantized since, or is "
            "from an older file; fit it with conformal_fraction=0.2"
        )
    radius: Array = scores.radius(float(coverage))
    return radius


def scores_to_parts(model: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the scores of a model as an entry of a header and arrays; nothing where it has none.

    Parameters
    ----------
    model : NetworkModel
        Fitted.

    Returns
    -------
    header : dict
        Plain data.
    tensors : dict of str to ndarray
        The arrays by name.
    """
    scores = getattr(model, "conformal_scores_", None)
    if scores is None:
        return {}, {}
    return {"set_aside": scores.set_aside}, {"scores": scores.values, "score_weights": scores.weights}


def take_scores(model: Any, header: dict[str, Any], tensors: dict[str, Array], num_outputs: int) -> None:
    """Give a model the scores of `scores_to_parts`; older files have none.

    Parameters
    ----------
    model : NetworkModel
        From a file.
    header : dict
        The entry "labels", not checked yet.
    tensors : dict of str to ndarray
        Its arrays.
    num_outputs : int
        How many scores each row has.

    Raises
    ------
    ModelFileError
        They are no scores of this model.
    """
    if "set_aside" not in header:
        return
    set_aside = entry(header, "set_aside", bool)
    if not {"scores", "score_weights"} <= set(tensors):
        raise ModelFileError("the scores of its held-out rows are missing")
    values, weights = tensors["scores"], tensors["score_weights"]
    fits = weights.ndim == 1 and len(weights) > 0 and values.shape == (len(weights), num_outputs)
    if not fits or np.isnan(values).any() or not (weights > 0).all():
        raise ModelFileError("the scores of its held-out rows do not fit the model")
    model.conformal_scores_ = ConformalScores(values, weights, set_aside)
