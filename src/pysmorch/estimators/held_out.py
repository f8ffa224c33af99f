"""What is learned from held-out rows after the network: a temperature, a decision threshold, and conformal scores."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pysmorch.encoders import ColumnError
from pysmorch.encoders.cells import count_rows, some_rows
from pysmorch.engine import mean_one, using_threads
from pysmorch.entries import check_labelled
from pysmorch.estimators.calibration import calibrate, temperature
from pysmorch.estimators.related import warn_of_unseen
from pysmorch.estimators.rows import Labelled, as_labels, weighted_rows
from pysmorch.estimators.splitting import EARLY_STOPPING_FROM, SplitBy, hold_out
from pysmorch.estimators.thresholds import best_threshold
from pysmorch.layers.base import Array
from pysmorch.metrics import Metric
from pysmorch.prediction.conformal import ConformalScores
from pysmorch.prediction.parameters import check_num_labels
from pysmorch.warnings import PysmorchWarning

MOST_ROWS = 10_000
"""Of more held-out rows so many are taken, at even distances: the coverage is then off by 0.3 % (one standard deviation)."""


class HeldOut(NamedTuple):
    """Outputs of the network for rows that it was not trained on.

    Attributes
    ----------
    outputs : ndarray of float64, shape (n, K)
        Before the loss.
    codes : ndarray of shape (n, ...)
        Labels as the loss takes them.
    weights : ndarray of shape (n,) or None
        Of the rows as given, without factors of classes.
    """

    outputs: Array
    codes: Array
    weights: Array | None


def held_out_outputs(model: Any, data: Labelled) -> HeldOut:
    """Return the outputs of a trained network for held-out rows, as it predicts.

    Parameters
    ----------
    model : NetworkEstimator
        Trained.
    data : Labelled
        The rows.

    Returns
    -------
    HeldOut
        For at most `MOST_ROWS` of them.
    """
    data = data.take(np.arange(0, len(data.codes), -(-len(data.codes) // MOST_ROWS)))
    with using_threads(model.threads):
        return HeldOut(np.concatenate(list(model._blocks_of_outputs(data.rows))), data.codes, data.sample_weight)


def with_temperature(model: Any, held_out: HeldOut) -> HeldOut:
    """Calibrate a trained network by held-out rows, and return their outputs after that.

    Parameters
    ----------
    model : Classifier
        Trained.
    held_out : HeldOut
        Its outputs.

    Returns
    -------
    HeldOut
        Calibrated.
    """
    found = temperature(held_out.outputs, held_out.codes, held_out.weights)
    calibrate(model.network_.output, found)
    return held_out._replace(outputs=found.of(held_out.outputs))


def scores_of(model: Any, held_out: HeldOut, set_aside: bool) -> ConformalScores | None:
    """Return the conformal scores of held-out rows; None where the outputs are not finite.

    Parameters
    ----------
    model : NetworkEstimator
        It knows what its outputs mean.
    held_out : HeldOut
        Outputs.
    set_aside : bool
        Whether the rows chose nothing.

    Returns
    -------
    ConformalScores or None
        In the units of the labels.
    """
    values = model._conformal_scores(held_out.outputs, held_out.codes)
    if not np.isfinite(values).all():
        return None
    weights = np.ones(len(values)) if held_out.weights is None else mean_one(held_out.weights)
    return ConformalScores(values, weights, set_aside)


def threshold_of(model: Any, held_out: HeldOut | None, metric: str) -> float:
    """Return the decision threshold that is best for held-out rows; 0.5 with a warning where they cannot tell.

    Parameters
    ----------
    model : Classifier
        It makes probabilities of outputs.
    held_out : HeldOut or None
        Outputs of rows; None where none were held out.
    metric : str
        What it is to be best for.

    Returns
    -------
    float
        Between 0 and 1.
    """
    positive = np.zeros(0, dtype=bool) if held_out is None else held_out.codes == 1
    if held_out is None or positive.all() or not positive.any():
        found = "there are no held-out rows" if held_out is None else "the held-out rows are of one class only"
        warnings.warn(
            f'threshold="{metric}": {found}, so the threshold is 0.5; train on more rows, or pass eval_set=(X, y) with both classes',
            PysmorchWarning,
            stacklevel=2,
        )
        return 0.5
    p = model.network_.loss.predictions(held_out.outputs)
    return best_threshold(p[:, 1], positive, held_out.weights, metric)


class SetAside(NamedTuple):
    """Rows that only the conformal scores come from.

    Attributes
    ----------
    training, set_aside : tuple of (X, y, sample_weight)
        The others, and those.
    labels : array-like
        The labels of all of them.
    by : SplitBy or None
        What says which of those for training are held out for validation.
    """

    training: tuple[Any, Any, Array | None]
    set_aside: tuple[Any, Any, Array | None]
    labels: Any
    by: SplitBy | None


def set_aside(
    X: Any,
    y: Any,
    sample_weight: Any,
    fraction: float,
    seed: int,
    classes: Array | None,
    by: SplitBy | None = None,
    learns_classes: bool = False,
) -> SetAside:
    """Draw rows at random, whatever their labels: then those and new ones are exchangeable.

    Of groups whole ones are drawn, so that those and new groups are exchangeable; of times the latest rows are taken.

    Parameters
    ----------
    X, y, sample_weight : as for `fit`
        All rows.
    fraction : float
        Of the rows that count.
    seed : int
        The same seed gives the same rows.
    classes : ndarray or None
        The classes of a model that knows them.
    by : SplitBy or None, default=None
        What says which rows are not torn apart.
    learns_classes : bool, default=False
        As of `weighted_rows`.

    Returns
    -------
    SetAside
        Both parts.

    Raises
    ------
    ValueError, TypeError
        No row would be left, and for labels and weights that do not fit.
    """
    X, y, weights = weighted_rows(X, y, sample_weight, classes, learns_classes)
    labels, count = as_labels(y), count_rows(X)
    check_num_labels(labels, count)
    training, aside = aside_rows(by, fraction, count, seed)
    parts = [
        (some_rows(X, rows), labels[rows], None if weights is None else weights[rows]) for rows in (training, aside)
    ]
    return SetAside(parts[0], parts[1], labels, None if by is None else by.take(training))


def aside_rows(by: SplitBy | None, fraction: float, count: int, seed: int) -> tuple[Array, Array]:
    """Return the other rows, and those that are set aside.

    Parameters
    ----------
    by : SplitBy or None
        What says which rows are not torn apart.
    fraction : float
        Of all rows.
    count : int
        How many rows there are.
    seed : int
        The same seed gives the same rows.

    Returns
    -------
    training, aside : ndarray of int
        Their indices.

    Raises
    ------
    ValueError
        None would be left.
    """
    _num_aside(fraction, count)
    return hold_out(by, None, count, fraction, seed, f"conformal_fraction={fraction}")


def num_not_aside(by: SplitBy | None, fraction: float, count: int, seed: int) -> int:
    """Return how many rows `aside_rows` leaves for training; rows that are drawn one by one need not be drawn for that.

    Parameters
    ----------
    by : SplitBy or None
        What says which rows are not torn apart.
    fraction : float
        Of all rows that is set aside.
    count : int
        How many rows there are.
    seed : int
        The same seed gives the same rows.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        None would be left.
    """
    return count - _num_aside(fraction, count) if by is None else len(aside_rows(by, fraction, count, seed)[0])


def _num_aside(fraction: float, count: int) -> int:
    number = int(np.ceil(fraction * count))
    if number >= count:
        raise ValueError(
            f"conformal_fraction={fraction} sets {number} of {count} rows aside, so that none is left for training; "
            "say a smaller fraction"
        )
    return number


def encoded_set_aside(model: Any, rows: tuple[Any, Any, Array | None]) -> Labelled:
    """Return rows that are set aside as the network takes them, before it is trained.

    Parameters
    ----------
    model : NetworkEstimator
        With an encoder that has learned the other rows.
    rows : tuple of (X, y, sample_weight)
        Those set aside.

    Returns
    -------
    Labelled
        Encoded.

    Raises
    ------
    ValueError
        A row has what none of the others has.
    """
    try:
        data: Labelled = model._encode_labelled(*rows)
    except ColumnError as error:
        raise ValueError(f"conformal_fraction: among the rows that are set aside, {error}") from error
    return data


def measures_held_out(model: Any, num_rows: int, members: int) -> bool:
    """Whether the next training measures held-out rows after each epoch, where no validation data are given.

    Parameters
    ----------
    model : NetworkEstimator
        With checked parameters.
    num_rows, members : int
        How many rows and networks there are.

    Returns
    -------
    bool
        Folds are measured where there are many rows.
    """
    in_folds = num_rows >= EARLY_STOPPING_FROM and model._cross_validates(num_rows, members)
    return in_folds or bool(model._holds_out(num_rows, members))


def check_measured(model: Any, metrics: Sequence[Metric], given: bool, num_rows: int, members: int) -> None:
    """Raise ValueError where metrics are wanted that are not measured.

    Parameters
    ----------
    model, num_rows, members
        As for `measures_held_out`.
    metrics : sequence of Metric
        What is measured on validation data.
    given : bool
        Whether there are any.
    """
    if metrics and not given and not measures_held_out(model, num_rows, members):
        names = ", ".join(metric.name for metric in metrics)
        raise ValueError(
            f"metrics: {names} can be measured on validation data only; pass eval_set=(X, y), or early_stopping=True"
        )


def without_validation(model: Any, data: Labelled) -> tuple[Labelled, Labelled]:
    """Return the rows of the training, and those that all networks hold out.

    Parameters
    ----------
    model : NetworkEstimator
        With its seed, and the fraction that is held out.
    data : Labelled
        All rows.

    Returns
    -------
    training, validation : Labelled
        Both with some of the rows; what the targets of the former say is then known to the encoder.
    """
    classes = data.codes if data.codes.dtype.kind == "i" else None
    said = f"validation_fraction={model.validation_fraction}"
    rows, held_out = hold_out(data.by, classes, len(data.rows), model.validation_fraction, model._seed, said)
    if data.by is not None and classes is not None:
        warn_of_unseen(model.classes_, classes, rows)
    training, validation, learned = data.divided(rows, held_out)
    if learned is not None:
        learned.keep()
    return training, validation


def encoded_validation(model: Any, eval_set: Any) -> list[Labelled]:
    """Return the validation data of a fit as the network takes them.

    Parameters
    ----------
    model : NetworkEstimator
        With an encoder that has learned the rows of the training.
    eval_set : tuple, list of tuple or None
        What was passed to `fit`.

    Returns
    -------
    list of Labelled
        Empty where none was passed.

    Raises
    ------
    ValueError, TypeError
        For data that do not fit.
    """
    if eval_set is None:
        return []
    several = isinstance(eval_set, list) and all(isinstance(item, tuple) for item in eval_set)
    for one in eval_set if several else [eval_set]:
        check_labelled("eval_set", one)
    try:
        encoded = [
            model._encode_labelled(*one, argument="validation rows (eval_set)")
            for one in (eval_set if several else [eval_set])
        ]
    except ColumnError:  # it has its own way to say where
        raise
    except ValueError as error:
        raise ValueError(f"eval_set: {error}") from error
    if not all(len(one.rows) for one in encoded):
        raise ValueError("eval_set: X has no rows; pass one or more, or leave eval_set out")
    return encoded
