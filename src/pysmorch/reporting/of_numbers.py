"""How well numbers are predicted: predictions beside what is right, residuals, and whether intervals hold what they say."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.reporting.axes import axis, thinned
from pysmorch.reporting.charts import Line, histogram, lines, points
from pysmorch.reporting.content import Figure, Table, Words, number, share
from pysmorch.reporting.measured import COVERAGE, Measured

MOST_POINTS = 400
MOST_TARGETS = 3
BINS = 24
POINTS_IN_TABLE = 15
COVERAGES = (0.5, 0.8, 0.9, 0.95)


def residuals(one: Measured) -> list[Any]:
    """Return predictions beside right values and their differences, for each of the first targets.

    Parameters
    ----------
    one : Measured
        Of numbers, with labels.

    Returns
    -------
    list of blocks
        Three figures for each.
    """
    assert one.codes is not None
    blocks: list[Any] = []
    for k, name in enumerate(one.outputs[:MOST_TARGETS]):
        of = f" of {name}" if len(one.outputs) > 1 else ""
        blocks += _of_target(one, one.codes[:, k], one.predicted[:, k], of)
    if len(one.outputs) > MOST_TARGETS:
        blocks.insert(
            0, Words(f"Shown are the first {MOST_TARGETS} of {len(one.outputs)} targets; the table below has all.")
        )
    return blocks


def _of_target(one: Measured, right: Array, predicted: Array, of: str) -> list[Any]:
    some = np.sort(np.random.RandomState(0).permutation(len(right))[:MOST_POINTS])
    which = f" {len(some):,} of {len(right):,} rows, drawn at random." if len(some) < len(right) else ""
    ends = np.concatenate([right[some], predicted[some]])
    across, up = axis("right value", ends), axis("prediction", ends)
    diagonal = (across.low, across.low, across.high, across.high)
    said = [
        f"{one.rows.name_of(int(one.rows.indices[i]))}: right {right[i]:.5g}, predicted {predicted[i]:.5g}"
        for i in some
    ]
    label = f"Predictions{of} beside right values: correlation {_correlation(right, predicted)}"
    rows = [
        [
            one.rows.name_of(int(one.rows.indices[some[i]])),
            number(float(right[some[i]])),
            number(float(predicted[some[i]])),
        ]
        for i in thinned(len(some), POINTS_IN_TABLE)
    ]
    beside = Figure(
        f"Predictions{of}",
        points(across, up, right[some], predicted[some], label, diagonal, said),
        "A point is a row; on the dashed line predictions are right." + which,
        Table("Some of the points", ["row", "right value", "prediction"], rows),
    )
    return [beside, _against(one, right, predicted, some, of), _distribution(right - predicted, of)]


def _against(one: Measured, right: Array, predicted: Array, some: Array, of: str) -> Figure:
    residual = right - predicted
    across, up = axis("prediction", predicted[some]), axis("right − predicted", [0.0, *residual[some]])
    said = [f"{one.rows.name_of(int(one.rows.indices[i]))}: {residual[i]:+.5g}" for i in some]
    label = f"Residuals{of} against predictions: mean {number(float(residual.mean()))}"
    edges = np.quantile(predicted, np.linspace(0, 1, 6))
    of_bin = np.clip(np.searchsorted(edges, predicted, side="right") - 1, 0, 4)
    rows = [
        [
            f"{number(float(edges[i]))} to {number(float(edges[i + 1]))}",
            f"{len(found):,}",
            number(float(found.mean())),
            number(float(found.std())),
        ]
        for i in range(5)
        if len(found := residual[of_bin == i])
    ]
    table = Table("Residuals by prediction", ["predictions", "rows", "mean residual", "standard deviation"], rows)
    words = "Without a pattern where nothing more is to be learned from the prediction itself; above the line the model predicts too little."
    reference = (across.low, 0.0, across.high, 0.0)
    return Figure(
        f"Residuals{of}", points(across, up, predicted[some], residual[some], label, reference, said), words, table
    )


def _distribution(residual: Array, of: str) -> Figure:
    low, high = np.quantile(residual, [0.005, 0.995])
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    counts, edges = np.histogram(np.clip(residual, low, high), BINS, (low, high))
    across, up = axis("right − predicted", edges, (float(low), float(high))), axis("rows", [0, *counts], whole=True)
    shares = [0.05, 0.25, 0.5, 0.75, 0.95]
    rows = [[f"{q:.0%}", number(float(v))] for q, v in zip(shares, np.quantile(residual, shares), strict=True)]
    label = f"Histogram of residuals{of}: median {number(float(np.median(residual)))}"
    words = "How far predictions are off; the 1% that are farthest off are in the outermost bars."
    table = Table("Quantiles of the residuals", ["share of rows below", "residual"], rows)
    return Figure(
        f"Distribution of residuals{of}", histogram(across, up, edges, [counts], ["rows"], label), words, table
    )


def _correlation(a: Array, b: Array) -> str:
    if len(a) < 2 or not a.std() or not b.std():
        return "not defined"
    return f"{np.corrcoef(a, b)[0, 1]:.3f}"


def of_each_target(one: Measured) -> list[Any]:
    """Return the figures of each of several targets.

    Parameters
    ----------
    one : Measured
        Of numbers, with labels.

    Returns
    -------
    list of blocks
        A table, or nothing for a single target.
    """
    assert one.codes is not None
    if len(one.outputs) == 1:
        return []
    rows = []
    for k, name in enumerate(one.outputs):
        errors = one.codes[:, k] - one.predicted[:, k]
        variance = float(np.var(one.codes[:, k]))
        r2 = 1 - float(np.mean(errors**2)) / variance if variance > 0 else None
        rows.append(
            [name, number(r2), number(float(np.sqrt(np.mean(errors**2)))), number(float(np.abs(errors).mean()))]
        )
    return [Table("Figures of each target", ["target", "R²", "RMSE", "MAE"], rows)]


def intervals(one: Measured) -> list[Any]:
    """Return how often intervals hold the right value, and for quantiles how often it is below each.

    Parameters
    ----------
    one : Measured
        Of numbers, with labels.

    Returns
    -------
    list of blocks
        A sentence where the model has no intervals.
    """
    assert one.codes is not None
    blocks: list[Any] = _of_quantiles(one)
    rows, reason = [], ""
    for coverage in COVERAGES:
        try:
            bounds = one.model.predict_interval(one.rows.X, coverage).reshape(len(one.rows), -1, 2)
        except ValueError as error:
            reason = str(error)
            continue
        held = (bounds[..., 0] <= one.codes) & (one.codes <= bounds[..., 1])
        widths = bounds[..., 1] - bounds[..., 0]
        rows.append([share(coverage), share(float(held.mean())), number(float(np.median(widths)))])
        if coverage == COVERAGE:
            blocks.append(_intervals_of_rows(one, bounds[:, 0], one.codes[:, 0]))
    if rows:
        aside = one.model.conformal_scores_.set_aside
        how = (
            "rows that were set aside for it"
            if aside
            else "rows that also chose the epochs, so that it is not guaranteed"
        )
        blocks.append(Table("Intervals on these rows", ["said to hold", "hold", "median width"], rows, frozenset()))
        blocks.append(Words(f"How wide intervals are was learned from {how}."))
    elif reason:
        blocks.append(Words(f"Intervals are left out: {reason}."))
    return blocks


def _of_quantiles(one: Measured) -> list[Any]:
    if one.quantiles is None:
        return []
    assert one.codes is not None
    below = (one.codes <= one.quantiles).mean(axis=0)
    names = [float(quantile) for quantile in np.ravel(one.model.quantile)]
    rows = [[share(name), share(float(found))] for name, found in zip(names, below, strict=True)]
    return [
        Table("Quantiles: how many right values are below them", ["quantile", "right values below"], rows, frozenset())
    ]


def _intervals_of_rows(one: Measured, bounds: Array, right: Array) -> Figure:
    order = np.argsort(one.predicted[:, 0], kind="stable")
    some = order[thinned(len(order), 60)]
    x = np.arange(1.0, len(some) + 1)
    drawn = [
        Line("lower bound", x, bounds[some, 0]),
        Line("upper bound", x, bounds[some, 1]),
        Line("prediction", x, one.predicted[some, 0]),
    ]
    across, up = (
        axis("rows, by their predictions", (), (1.0, float(len(some))), whole=True),
        axis("value", [*bounds[some].ravel(), *right[some]]),
    )
    marks = [
        (float(x[i]), float(right[j]), f"{one.rows.name_of(int(one.rows.indices[j]))}: right {right[j]:.5g}")
        for i, j in enumerate(some)
    ]
    held = float(((bounds[:, 0] <= right) & (right <= bounds[:, 1])).mean())
    label = f"Intervals of {COVERAGE:.0%}: {held:.1%} of the rows are within theirs"
    rows = [
        [
            one.rows.name_of(int(one.rows.indices[some[i]])),
            *(
                number(float(v))
                for v in (bounds[some[i], 0], one.predicted[some[i], 0], bounds[some[i], 1], right[some[i]])
            ),
        ]
        for i in thinned(len(some), POINTS_IN_TABLE)
    ]
    table = Table("Some of the rows", ["row", "lower bound", "prediction", "upper bound", "right value"], rows)
    words = f"The bounds that hold {COVERAGE:.0%} of the right values, of some rows; circles are the right values. On all rows {held:.1%} are within."
    return Figure("Intervals", lines(across, up, drawn, label, marks), words, table, [line.name for line in drawn])


def values(one: Measured) -> list[Any]:
    """Return how predictions are spread, for rows without labels.

    Parameters
    ----------
    one : Measured
        Of numbers.

    Returns
    -------
    list of blocks
        A figure for each of the first targets.
    """
    blocks: list[Any] = []
    for k, name in enumerate(one.outputs[:MOST_TARGETS]):
        counts, edges = np.histogram(one.predicted[:, k], BINS)
        across, up = axis(name, edges, (float(edges[0]), float(edges[-1]))), axis("rows", [0, *counts], whole=True)
        shares = [0.0, 0.25, 0.5, 0.75, 1.0]
        found = np.quantile(one.predicted[:, k], shares)
        rows = [[f"{q:.0%}", number(float(v))] for q, v in zip(shares, found, strict=True)]
        picture = histogram(
            across, up, edges, [counts], ["rows"], f"Histogram of predictions: median {number(float(found[2]))}"
        )
        blocks.append(
            Figure(
                "Predictions",
                picture,
                "What is predicted for these rows.",
                Table("Quantiles", ["share of rows below", name], rows),
            )
        )
    return blocks
