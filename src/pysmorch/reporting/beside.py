"""Models beside each other: simpler ones, and several that are compared on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pysmorch.metrics import METRICS
from pysmorch.reporting.axes import axis
from pysmorch.reporting.charts import Line, bars, lines
from pysmorch.reporting.content import Figure, Table, Words, fraction, number, share
from pysmorch.reporting.measured import TITLES, Measured, shown_value
from pysmorch.reporting.of_classes import reliability

if TYPE_CHECKING:
    from pysmorch.advice.comparison import Comparison

CLEAR = 2.0
"""A difference is clear if it is larger than so many of its standard errors."""


def simpler(comparison: Comparison) -> list[Any]:
    """Return a network beside the simpler models of a comparison.

    Parameters
    ----------
    comparison : Comparison
        From `compare_with_baselines`.

    Returns
    -------
    list of blocks
        A figure, and what was found in sentences.
    """
    models = [comparison.network, *comparison.baselines]
    measures = list(comparison.network.values)
    head = ["model", *measures, "seconds", "rows"]
    rows = [
        [
            "the network" if i == 0 else model.name,
            *(shown_value(name, model.values.get(name)) for name in measures),
            "–" if model.seconds is None else f"{model.seconds:.1f}",
            f"{model.num_rows:,}",
        ]
        for i, model in enumerate(models)
    ]
    table = Table("The network and simpler models on the same rows", head, rows)
    measure = measures[0]
    shown = [
        (row[0], model.values[measure]) for row, model in zip(rows, models, strict=True) if measure in model.values
    ]
    names, values = [name for name, _ in shown], [value for _, value in shown]
    across = axis(measure, [0.0, *values], (0.0, 1.0) if measure == "accuracy" else (0.0, None), most=4)
    label = f"{measure}: " + ", ".join(f"{name} {value:.4g}" for name, value in shown)
    better = "The longer the better." if measure == "accuracy" else "The shorter the better."
    numbers = Table(
        f"{measure} of each model", ["model", measure], [[name, shown_value(measure, value)] for name, value in shown]
    )
    figure = Figure(
        f"{measure[0].upper()}{measure[1:]} beside simpler models", bars(names, values, across, label), better, numbers
    )
    return [figure, table, *(Words(f"{line}.") for line in comparison.lines())]


def compared(models: Sequence[Measured]) -> list[Any]:
    """Return several models on the same rows.

    Parameters
    ----------
    models : sequence of Measured
        Of one task and the same rows.

    Returns
    -------
    list of blocks
        Their figures, which differences are clear, and their curves.
    """
    values = [one.values for one in models]
    names = list(dict.fromkeys(name for found in values for name in found))
    rows = []
    for name in names:
        known = [found[name] for found in values if name in found]
        best = max(known) if METRICS[name].maximize else min(known)
        rows.append([TITLES[name], *(_marked(name, found.get(name), best, len(known)) for found in values)])
    rows.append(["parameters", *(f"{sum(W.size for W in one.model.network_.parameters.values()):,}" for one in models)])
    rows.append(["rows a second", *(number(len(one.rows) / max(one.seconds, 1e-9), 3) for one in models)])
    blocks: list[Any] = [
        Table("The models on the same rows; ★ is the best", ["measure", *(one.name for one in models)], rows)
    ]
    if models[0].codes is None:
        return [
            *blocks,
            Words("Without the right answers there are no measures of how good they are."),
            _agreement(models),
        ]
    blocks.append(_differences(models))
    blocks.append(_agreement(models))
    if models[0].task != "numbers":
        blocks.append(_calibrations(models))
    return [*blocks, _losses(models)]


def _marked(name: str, value: float | None, best: float, count: int) -> str:
    return ("★ " if value == best and count > 1 else "") + shown_value(name, value)


def _differences(models: Sequence[Measured]) -> Table:
    """Return by how much the others differ from the first model, row by row, and whether that may be chance."""
    first = models[0].losses()
    what = "error, in its spread" if models[0].task == "numbers" else "log loss"
    rows = []
    for one in models[1:]:
        if len(one.rows) != len(models[0].rows):
            rows.append([one.name, "–", "–", "not of the same rows, since predictions are not finite"])
            continue
        difference = one.losses() - first
        mean = float(difference.mean())
        error = float(difference.std() / np.sqrt(len(difference)))
        if abs(mean) <= CLEAR * error or not mean:
            verdict = "no clear difference"
        else:
            verdict = f"{one.name if mean < 0 else models[0].name} is better"
        rows.append([one.name, number(mean, 3), number(error, 3), verdict])
    return Table(
        f"Mean difference from {models[0].name} in {what}, row by row",
        ["model", "difference", "standard error", "verdict"],
        rows,
        frozenset({0, 3}),
    )


def _agreement(models: Sequence[Measured]) -> Table:
    """Return how often each two models predict the same."""
    head = ["model", *(one.name for one in models)]
    rows = [[a.name, *(_agree(a, b) for b in models)] for a in models]
    said = "Correlation of predictions" if models[0].task == "numbers" else "Rows for which two models predict the same"
    return Table(said, head, rows)


def _agree(a: Measured, b: Measured) -> str:
    if len(a.rows) != len(b.rows) or not len(a.rows):
        return "–"
    if a.task == "numbers":
        flat = a.predicted.ravel(), b.predicted.ravel()
        return f"{np.corrcoef(*flat)[0, 1]:.3f}" if all(map(np.std, flat)) else "–"
    return share(float((np.asarray(a.guessed) == np.asarray(b.guessed)).reshape(len(a.rows), -1).all(axis=1).mean()))


def _calibrations(models: Sequence[Measured]) -> Figure:
    found = [(one, reliability(one)) for one in models if len(one.rows)]
    drawn = [Line(one.name, means, shares, counts / counts.sum()) for one, (means, shares, counts) in found]
    across, up = axis("predicted probability", (), (0.0, 1.0)), axis("share that is right", (), (0.0, 1.0))
    picture = lines(across, up, drawn, "Reliability diagrams of the models", reference=(0, 0, 1, 1))
    rows = [
        [one.name, fraction(float(a)), fraction(float(b)), f"{int(c):,}"]
        for one, parts in found
        for a, b, c in zip(*parts, strict=True)
    ]
    table = Table(
        "Bins of the reliability diagrams", ["model", "mean probability", "share that is right", "predictions"], rows
    )
    return Figure(
        "Calibration", picture, "On the dashed line probabilities are right.", table, [line.name for line in drawn]
    )


def _losses(models: Sequence[Measured]) -> Figure:
    """Return the validation loss of each training, or the loss where there was no validation."""
    drawn, rows = [], []
    for one in models:
        curve = np.asarray(one.model.validation_curve_ or one.model.loss_curve_, np.float64)
        of = "validation" if one.model.validation_curve_ else "training"
        drawn.append(Line(f"{one.name} ({of})", np.arange(1.0, len(curve) + 1), curve))
        finite = curve[np.isfinite(curve)]
        rows.append([one.name, of, f"{len(curve):,}", number(float(finite.min()) if len(finite) else None)])
    across = axis("epoch", (), (1.0, float(max(len(line.x) for line in drawn))), whole=True)
    up = axis("loss", np.concatenate([line.y for line in drawn]), log=True)
    table = Table("Loss of the trainings", ["model", "rows", "epochs", "lowest loss"], rows, frozenset({0, 1}))
    picture = lines(across, up, drawn, "Loss of each epoch of the models")
    return Figure(
        "Loss in each epoch",
        picture,
        "Models with other losses are not comparable here.",
        table,
        [line.name for line in drawn],
    )
