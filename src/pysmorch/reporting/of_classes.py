"""How well classes are told apart: which is taken for which, how well they are ranked, and whether probabilities are right."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.metrics import CALIBRATION_BINS
from pysmorch.reporting.axes import axis, columns, thinned
from pysmorch.reporting.charts import Line, cells, histogram, lines
from pysmorch.reporting.content import Figure, Table, Words, fraction, share
from pysmorch.reporting.measured import MOST_AREAS, Measured

MOST_CELLS = 15
"""Classes of a table of confusions; of more, those with the most mistakes."""

WITH_PERCENTAGES = 8
MOST_CURVES = 5
MOST_IN_TABLE = 100
POINTS_IN_TABLE = 15


def confusion(one: Measured) -> list[Any]:
    """Return the table of which class is taken for which, and the commonest confusions.

    Parameters
    ----------
    one : Measured
        Of classes, with labels.

    Returns
    -------
    list of blocks
        For a section.
    """
    assert one.codes is not None
    assert one.guessed is not None
    names, count = one.outputs, len(one.outputs)
    pairs, numbers = np.unique(one.codes * count + one.guessed, return_counts=True)
    wrong = [(int(n), int(pair // count), int(pair % count)) for pair, n in zip(pairs, numbers, strict=True)]
    wrong = sorted((entry for entry in wrong if entry[1] != entry[2]), key=lambda entry: -entry[0])
    shown = np.arange(count)
    if count > MOST_CELLS:
        mistakes = np.zeros(count)
        for n, i, j in wrong:
            mistakes[i] += n
            mistakes[j] += n
        shown = np.sort(np.argsort(-mistakes, kind="stable")[:MOST_CELLS])
    within = np.isin(one.codes, shown) & np.isin(one.guessed, shown)
    at = np.searchsorted(shown, one.codes[within]), np.searchsorted(shown, one.guessed[within])
    counts = np.zeros((len(shown), len(shown)), dtype=np.int64)
    np.add.at(counts, at, 1)
    some = [names[i] for i in shown]
    words = "Each row is a right class, each column what was predicted; blue is right, orange a mistake."
    if count > MOST_CELLS:
        words += f" Shown are the {MOST_CELLS} of {count:,} classes with the most mistakes."
    table = Table(
        "Counts of right and predicted classes",
        ["right class", *some],
        [[name, *(f"{n:,}" for n in row)] for name, row in zip(some, counts.tolist(), strict=True)],
    )
    label = f"Table of confusions: {int(np.trace(counts)):,} of {int(counts.sum()):,} rows are on its diagonal"
    picture = cells(counts, some, label, len(some) <= WITH_PERCENTAGES)
    blocks: list[Any] = [Figure("Which class is taken for which", picture, words, table)]
    if wrong and count > 2:
        rows = [[names[i], names[j], f"{n:,}", share(n / max((one.codes == i).sum(), 1))] for n, i, j in wrong[:10]]
        head = ["right class", "predicted", "rows", "of the class"]
        blocks.append(Table("Commonest confusions", head, rows, frozenset({0, 1})))
    return blocks


def of_each_class(one: Measured) -> list[Any]:
    """Return a table with figures of each class or label.

    Parameters
    ----------
    one : Measured
        With labels.

    Returns
    -------
    list of blocks
        For a section.
    """
    right, guessed = _indicators(one)
    hits = (right & guessed).sum(axis=0)
    of_class, of_guess = right.sum(axis=0), guessed.sum(axis=0)
    with np.errstate(all="ignore"):
        precision, recall = hits / of_guess, hits / of_class
        f1 = 2 * hits / (of_class + of_guess)
    what = "label" if one.task == "labels" else "class"
    order = np.arange(len(f1))
    said = f"Figures of each {what}"
    if len(order) > MOST_IN_TABLE:
        order = np.argsort(np.where(of_class > 0, f1, np.inf), kind="stable")[:MOST_IN_TABLE]
        said += f": of {len(f1):,} the {MOST_IN_TABLE} with the lowest F1"
    rows = [
        [
            one.outputs[i],
            f"{of_class[i]:,}",
            f"{of_guess[i]:,}",
            *(fraction(float(x[i])) for x in (precision, recall, f1)),
        ]
        for i in order
    ]
    return [Table(said, [what, "rows", "predicted", "precision", "recall", "F1"], rows)]


def _indicators(one: Measured) -> tuple[Array, Array]:
    """Return which classes each row has, and which ones are predicted for it."""
    assert one.codes is not None
    assert one.guessed is not None
    if one.task == "labels":
        return one.codes > 0, one.guessed > 0
    classes = np.arange(one.predicted.shape[1])
    return one.codes[:, None] == classes, one.guessed[:, None] == classes


def rankings(one: Measured) -> list[Any]:
    """Return the ROC and precision-recall curves: of two classes those of the second one, else of a few.

    Parameters
    ----------
    one : Measured
        With labels.

    Returns
    -------
    list of blocks
        A sentence where no class has rows of it and others.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    assert one.codes is not None
    w = one.rows.weights
    binary = one.task == "classes" and one.predicted.shape[1] == 2
    indices = [1] if binary else list(range(one.predicted.shape[1]))

    def right_of(k: int) -> Array:
        return np.asarray(one.codes[:, k] > 0 if one.task == "labels" else one.codes == k)  # type: ignore[index]

    present = np.bincount(one.codes, minlength=len(one.outputs)) if one.task == "classes" else one.codes.sum(axis=0)
    usable = [k for k in indices if 0 < present[k] < len(one.codes)]
    if not usable:
        return [Words("ROC and precision–recall curves are left out: they need rows of a class and rows of others.")]
    some = sorted(usable, key=lambda k: -present[k])[:MOST_AREAS]
    areas = {k: float(roc_auc_score(right_of(k), one.predicted[:, k], sample_weight=w)) for k in some}
    chosen = sorted(areas, key=lambda k: areas[k])[:MOST_CURVES]
    if len(usable) <= MOST_CURVES:
        chosen = usable
    means = {k: float(average_precision_score(right_of(k), one.predicted[:, k], sample_weight=w)) for k in chosen}
    names = {k: one.outputs[k] for k in chosen}
    which = (
        ""
        if len(usable) <= MOST_CURVES
        else f" Shown are the {len(chosen)} with the smallest areas of {len(usable):,}."
    )
    curves = {k: (right_of(k), one.predicted[:, k]) for k in chosen}
    return [_roc(curves, names, areas, w, which), _precision_recall(curves, names, means, w, which)]


def _roc(
    curves: dict[int, tuple[Array, Array]], names: dict[int, str], areas: dict[int, float], w: Any, which: str
) -> Figure:
    from sklearn.metrics import roc_curve

    points = {k: roc_curve(right, p, sample_weight=w)[:2] for k, (right, p) in curves.items()}
    drawn, rows = _lines_and_rows(points, names, areas)
    across, up = axis("false positive rate", (), (0.0, 1.0)), axis("true positive rate", (), (0.0, 1.0))
    label = "ROC curves; areas: " + ", ".join(f"{names[k]} {areas[k]:.3f}" for k in curves)
    words = (
        "How many rows of a class are found, against how many of the others are taken for it; chance is the dashed line."
        + which
    )
    table = Table("Points of the ROC curves", ["class", "area", "false positive rate", "true positive rate"], rows)
    legend = [f"{names[k]} (area {areas[k]:.3f})" for k in curves]
    return Figure("ROC", lines(across, up, drawn, label, reference=(0, 0, 1, 1)), words, table, legend)


def _precision_recall(
    curves: dict[int, tuple[Array, Array]], names: dict[int, str], means: dict[int, float], w: Any, which: str
) -> Figure:
    from sklearn.metrics import precision_recall_curve

    points = {k: precision_recall_curve(right, p, sample_weight=w)[1::-1] for k, (right, p) in curves.items()}
    drawn, rows = _lines_and_rows(points, names, means)
    across, up = axis("recall", (), (0.0, 1.0)), axis("precision", (), (0.0, 1.0))
    label = "Precision-recall curves; mean precision: " + ", ".join(f"{names[k]} {means[k]:.3f}" for k in curves)
    words = "How many of the rows taken for a class are of it, against how many of the class are found." + which
    table = Table("Points of the precision–recall curves", ["class", "mean precision", "recall", "precision"], rows)
    legend = [f"{names[k]} (mean precision {means[k]:.3f})" for k in curves]
    return Figure("Precision and recall", lines(across, up, drawn, label), words, table, legend)


def _lines_and_rows(
    points: dict[int, tuple[Array, Array]], names: dict[int, str], scores: dict[int, float]
) -> tuple[list[Line], list[list[str]]]:
    """Return the curve of each class, and some of its points as rows of a table."""
    drawn, rows = [], []
    for k, (across, up) in points.items():
        drawn.append(Line(names[k], across, up))
        rows += [
            [names[k], fraction(scores[k]), fraction(float(across[i])), fraction(float(up[i]))]
            for i in thinned(len(across), POINTS_IN_TABLE)
        ]
    return drawn, rows


def confidence_of(one: Measured) -> tuple[Array, Array]:
    """Return the probability of what is predicted, and whether it is right: of each row, or of each label of each row."""
    assert one.codes is not None
    if one.task == "labels":
        return np.maximum(one.predicted, 1 - one.predicted).ravel(), ((one.predicted > 0.5) == (one.codes > 0)).ravel()
    return one.predicted.max(axis=1), one.predicted.argmax(axis=1) == one.codes


def reliability(one: Measured) -> tuple[Array, Array, Array]:
    """Return mean confidence, share of right ones and count of each bin of confidence that has any.

    Parameters
    ----------
    one : Measured
        With labels.

    Returns
    -------
    confidence, accuracy : ndarray of float64, shape (B,)
        The bins are those of the expected calibration error.
    count : ndarray of int, shape (B,)
        How many predictions are in each.
    """
    confidence, right = confidence_of(one)
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    given = np.ones(len(one.rows)) if one.rows.weights is None else one.rows.weights
    w = np.repeat(given, len(confidence) // max(len(given), 1))
    total = np.bincount(bins, w, CALIBRATION_BINS)
    some = total > 0
    means = np.bincount(bins, w * confidence, CALIBRATION_BINS)[some] / total[some]
    shares = np.bincount(bins, w * right, CALIBRATION_BINS)[some] / total[some]
    return means, shares, np.bincount(bins, minlength=CALIBRATION_BINS)[some]


def calibration(one: Measured) -> list[Any]:
    """Return the reliability diagram, and how often the model is how sure.

    Parameters
    ----------
    one : Measured
        With labels.

    Returns
    -------
    list of blocks
        Two figures.
    """
    means, shares, counts = reliability(one)
    across, up = axis("predicted probability", (), (0.0, 1.0)), axis("share that is right", (), (0.0, 1.0))
    error = one.values.get("ece")
    label = f"Reliability diagram: expected calibration error {fraction(error)}"
    picture = lines(across, up, [Line("right", means, shares, counts / counts.sum())], label, reference=(0, 0, 1, 1))
    words = (
        "On the dashed line a probability of 80% is right in 80% of the rows; below it the model is too sure. The larger a dot, the more rows. "
        f"The mean distance is the expected calibration error, {fraction(error)}."
    )
    cells_of = [
        [fraction(a) for a in means.tolist()],
        [fraction(b) for b in shares.tolist()],
        [f"{c:,}" for c in counts.tolist()],
    ]
    table = Table(
        "Bins of the reliability diagram",
        ["mean probability", "share that is right", "predictions"],
        columns(cells_of),
        frozenset(),
    )
    return [Figure("Calibration", picture, words, table), _confidences(one)]


def _confidences(one: Measured) -> Figure:
    confidence, right = confidence_of(one)
    lowest = 0.5 if one.predicted.shape[1] == 2 or one.task == "labels" else 0.0
    edges = np.linspace(lowest, 1.0, 11)
    groups = [np.histogram(confidence[mask], edges)[0] for mask in (right, ~right)]
    across, up = (
        axis("probability of what is predicted", (), (lowest, 1.0)),
        axis("predictions", [0, *groups[0], *groups[1]], whole=True),
    )
    label = f"Histogram of confidence: {int(right.sum()):,} right, {int((~right).sum()):,} wrong predictions"
    rows = [
        [f"{edges[i]:.2f} to {edges[i + 1]:.2f}", f"{groups[0][i]:,}", f"{groups[1][i]:,}"]
        for i in range(len(edges) - 1)
    ]
    table = Table("Predictions by their probability", ["probability", "right", "wrong"], rows)
    words = "How sure the model is where it is right, and where it is wrong."
    return Figure(
        "Confidence",
        histogram(across, up, edges, groups, ["right", "wrong"], label),
        words,
        table,
        ["right", "wrong"],
        True,
    )


def guesses(one: Measured) -> list[Any]:
    """Return what is predicted for rows without labels: how often each class, and how surely.

    Parameters
    ----------
    one : Measured
        Of classes or labels.

    Returns
    -------
    list of blocks
        A table and a figure.
    """
    assert one.guessed is not None
    counts = one.guessed.sum(axis=0) if one.task == "labels" else np.bincount(one.guessed, minlength=len(one.outputs))
    order = np.argsort(-counts, kind="stable")[:MOST_IN_TABLE]
    rows = [[one.outputs[i], f"{counts[i]:,}", share(counts[i] / max(len(one.rows), 1))] for i in order]
    blocks: list[Any] = [Table("What is predicted", ["class", "rows", "share"], rows)]
    p = np.maximum(one.predicted, 1 - one.predicted).ravel() if one.task == "labels" else one.predicted.max(axis=1)
    edges = np.linspace(0.0, 1.0, 11)
    found = np.histogram(p, edges)[0]
    across, up = axis("probability of what is predicted", (), (0.0, 1.0)), axis("predictions", [0, *found], whole=True)
    table = Table(
        "Predictions by their probability",
        ["probability", "predictions"],
        [[f"{edges[i]:.1f} to {edges[i + 1]:.1f}", f"{found[i]:,}"] for i in range(10)],
    )
    picture = histogram(
        across, up, edges, [found], ["predictions"], "Histogram of the probabilities of what is predicted"
    )
    return [*blocks, Figure("Confidence", picture, "How sure the model is.", table)]
