"""What a model looks at: how much worse it is without a column, and how predictions follow the columns that matter most."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pysmorch.encoders import has_columns
from pysmorch.explaining import Importance, PartialDependence
from pysmorch.explaining.importance import column_importance
from pysmorch.reporting.axes import axis
from pysmorch.reporting.charts import Line, bars, lines
from pysmorch.reporting.content import Figure, Table, Words, are_numbers, cell, fraction, number
from pysmorch.reporting.measured import Measured

ROWS, REPEATS = 1_000, 3
"""Rows whose columns are shuffled, and how many times."""

FEWEST_ROWS, CHARACTERS = 50, 300_000
"""With longer texts fewer rows are taken, so that they have no more characters than that together."""

ALL_COLUMNS = 60
"""Of more columns those are shuffled that contribute most by their gradients."""

SHOWN, FOLLOWED = 15, 4
ROWS_OF_DEPENDENCE, POINTS = 200, 15
ROWS_OF_GRADIENTS = 20
MOST_OUTPUTS = 5
BARS = 12


class Reasons(NamedTuple):
    """What a model looks at.

    Attributes
    ----------
    blocks : list
        For a section.
    first : list of str
        The columns that matter most.
    """

    blocks: list[Any]
    first: list[str]


def reasons(one: Measured) -> Reasons:
    """Return importance and partial dependence.

    Parameters
    ----------
    one : Measured
        With labels or without.

    Returns
    -------
    Reasons
        A sentence where the model has no columns.
    """
    if not has_columns(one.model.encoder_) or not len(one.rows):
        what = "there are no rows" if has_columns(one.model.encoder_) else "rows are images, which have no columns"
        return Reasons([Words(f"Importance and partial dependence are left out: {what}.")], [])
    names = one.model.encoder_.names
    blocks: list[Any] = []
    first = names
    if one.codes is None:
        blocks.append(
            Words("Importance is left out: it needs the right answers. Partial dependence is of the first columns.")
        )
    elif len(one.rows) < 2:
        blocks.append(Words("Importance is left out: it needs two rows or more."))
    else:
        found, said = _importance(one)
        first = list(found.sorted())
        blocks += [Words(said), _bars(one, found)]
    some = one.rows.sample(min(ROWS_OF_DEPENDENCE, _most_rows(one)))
    for name in first[:FOLLOWED]:
        blocks.append(_followed(one, one.model.partial_dependence(some.X, names.index(name), POINTS)))
    return Reasons(blocks, first[:SHOWN])


def _most_rows(one: Measured) -> int:
    """Return how many rows are predicted time and again, by how long the texts of some of them are."""
    encoder, some = one.model.encoder_, one.rows.sample(ROWS_OF_GRADIENTS)
    checked = one.model._checked(some.X)
    cells = (value for i in range(len(encoder.names)) for value in encoder.cells(checked, i))
    length = sum(len(value) for value in cells if isinstance(value, str)) / len(some)
    return max(FEWEST_ROWS, min(ROWS, int(CHARACTERS / max(length, 1.0))))


def _importance(one: Measured) -> tuple[Importance, str]:
    names, some = one.model.encoder_.names, one.rows.sample(_most_rows(one))
    which = f"{len(some):,} rows" if len(some) == one.rows.total else f"{len(some):,} rows, drawn at random"
    said = f"How far the score falls when the cells of a column are shuffled, {REPEATS} times, on {which}."
    among = None
    if len(names) > ALL_COLUMNS:
        among = _candidates(one)
        how = "those that contribute most by integrated gradients" if among else "the first ones"
        among = among or list(range(ALL_COLUMNS))
        said += f" Of {len(names):,} columns {len(among)} were shuffled, {how}."
    return column_importance(one.model, some.X, some.y, some.weights, REPEATS, among=among), said


def _candidates(one: Measured) -> list[int]:
    """Return the columns that contribute most to the predictions of some rows; none where the network has no gradients."""
    some = one.rows.sample(ROWS_OF_GRADIENTS)
    of = (
        one.model._output_names()[0]
        if one.task == "labels" or (one.task == "numbers" and one.model._num_outputs() > 1)
        else None
    )
    try:
        sizes = np.abs(one.model.explain(some.X, of).contributions).mean(axis=0)
    except ValueError:
        return []
    return sorted(np.argsort(-sizes, kind="stable")[:ALL_COLUMNS].tolist())


def _bars(one: Measured, found: Importance) -> Figure:
    score = "R²" if one.task == "numbers" else "accuracy"
    interval = dict(zip(found.names, found.interval.tolist(), strict=True))
    ordered = found.sorted()
    shown = list(ordered)[:SHOWN]
    values = [ordered[name][0] for name in shown]
    bounds = [tuple(interval[name]) for name in shown]
    across = axis(f"fall of the {score}", [0.0, *values, *(end for pair in bounds for end in pair)], most=4)
    rows = [
        [name, *(fraction(value, 4) for value in (mean, *interval[name]))]
        for name, (mean, _) in list(ordered.items())[:100]
    ]
    table = Table(f"Fall of the {score} for each column", ["column", "mean fall", "90% interval from", "to"], rows)
    label = f"Importance of columns: {', '.join(shown[:3])} matter most"
    words = f"The {score} of these rows is {fraction(found.score, 4)}; whiskers are intervals of 90%."
    if len(found.names) > SHOWN:
        words += f" Shown are the {SHOWN} columns that matter most."
    return Figure("Importance of columns", bars(shown, values, across, label, bounds), words, table)


def _followed(one: Measured, found: PartialDependence) -> Figure:
    """Return how predictions follow a column: lines for numbers, bars for categories."""
    which = list(range(found.predictions.shape[1]))
    if one.task == "classes" and len(which) == 2:
        which = [1]
    if len(which) > MOST_OUTPUTS:
        which = sorted(np.argsort(-np.ptp(found.predictions, axis=0), kind="stable")[:MOST_OUTPUTS].tolist())
    names = [str(found.outputs[k]) for k in which]
    of = "prediction" if one.task == "numbers" else "probability"
    shown = number if one.task == "numbers" else fraction
    head = [found.column, *names]
    rows = [
        [cell(value), *(shown(float(p)) for p in found.predictions[i, which])] for i, value in enumerate(found.values)
    ]
    numbers = found.numbers
    texts = frozenset({0}) if numbers is None else frozenset()
    table = Table(f"Mean {of} for values of {found.column}", head, rows, texts)
    title = f"Mean {of} by {found.column}"
    label = f"Partial dependence on {found.column}: from {number(float(found.predictions[:, which].min()))} to {number(float(found.predictions[:, which].max()))}"
    if numbers is not None and np.isfinite(numbers).sum() > 1 and are_numbers(found.values):
        sizes = np.full(len(numbers), 0.06)
        drawn = [Line(name, numbers, found.predictions[:, k], sizes) for name, k in zip(names, which, strict=True)]
        of_one = f" of {names[0]}" if one.task != "numbers" and len(names) == 1 else ""
        up = axis(f"mean {of}{of_one}", [v for line in drawn for v in line.y], most=4)
        picture = lines(axis(found.column, numbers), up, drawn, label)
        words = "All rows get one value of the column after another; their other cells stay."
        return Figure(title, picture, words, table, names)
    k = which[-1] if one.task == "classes" and len(which) == 1 else which[0]
    values = found.predictions[:BARS, k]
    across = axis(
        f"mean {of} of {found.outputs[k]}" if one.task != "numbers" else "mean prediction", [0.0, *values], most=4
    )
    picture = bars([cell(value) for value in found.values[:BARS]], values.tolist(), across, label)
    return Figure(title, picture, "All rows get one category after another; their other cells stay.", table)
