"""What the rows of a report are: their columns and their labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.encoders.objects import is_missing
from pysmorch.layers.base import Array
from pysmorch.reporting.axes import axis
from pysmorch.reporting.charts import bars, histogram
from pysmorch.reporting.content import Figure, Table, Tile, Tiles, Words, are_numbers, cell, number, share
from pysmorch.reporting.measured import Measured, Rows

MOST_COLUMNS = 60
"""Columns that are described."""

ROWS_OF_COLUMNS = 2_000
"""Rows of which columns are described, at most."""

MOST_CLASSES = 20
BINS = 24


def summary(one: Measured) -> list[Any]:
    """Return how many rows and columns there are, what is in the columns, and how labels are spread.

    Parameters
    ----------
    one : Measured
        The model on its rows.

    Returns
    -------
    list of blocks
        For a section.
    """
    rows, encoder = one.rows, one.model.encoder_
    tiles = [
        Tile("rows", f"{rows.total:,}", "" if len(rows) == rows.total else f"{len(rows):,} of them in this report")
    ]
    names = encoder.names
    if names:
        tiles.append(Tile("columns", f"{len(names):,}", f"{encoder.width:,} numbers a row for the network"))
    else:
        tiles.append(Tile("input", " × ".join(map(str, encoder.shape)), encoder.what))
    if one.task != "numbers":
        tiles.append(Tile("labels" if one.task == "labels" else "classes", f"{len(one.outputs):,}"))
    blocks: list[Any] = [Tiles(tiles)]
    if one.codes is not None and len(rows):
        blocks += labels(one)
    if names and len(rows):
        blocks += _columns(one.model, rows)
    elif not names:
        blocks += [Words(line[0].upper() + line[1:] + ".") for line in encoder.describe()]
    return blocks


def labels(one: Measured) -> list[Any]:
    """Return how classes or targets are spread."""
    assert one.codes is not None
    if one.task == "numbers":
        return [_target(one.codes[:, k], name) for k, name in enumerate(one.outputs[:1])]
    counts = one.codes.sum(axis=0) if one.task == "labels" else np.bincount(one.codes, minlength=len(one.outputs))
    order = np.argsort(-counts, kind="stable")[:MOST_CLASSES] if len(counts) > MOST_CLASSES else np.arange(len(counts))
    names = [one.outputs[i] for i in order]
    what = "label" if one.task == "labels" else "class"
    more = f" Shown are the {MOST_CLASSES} most frequent of {len(counts):,}." if len(counts) > MOST_CLASSES else ""
    table = Table(
        f"Rows of each {what}",
        [what, "rows", "share"],
        [[one.outputs[i], f"{counts[i]:,}", share(counts[i] / len(one.codes))] for i in order],
    )
    picture = bars(
        names, counts[order].tolist(), axis("rows", [0, *counts], whole=True, most=4), f"Rows of each {what}"
    )
    return [Figure(f"Rows of each {what}", picture, f"How many of these rows are of each {what}.{more}", table)]


def _target(values: Array, name: str) -> Figure:
    counts, edges = np.histogram(values, BINS)
    across, up = axis("right value", edges, (float(edges[0]), float(edges[-1]))), axis("rows", [0, *counts], whole=True)
    shares = [0.0, 0.25, 0.5, 0.75, 1.0]
    found = np.quantile(values, shares)
    rows = [[f"{q:.0%}", number(float(v))] for q, v in zip(shares, found, strict=True)]
    of = "" if name == "prediction" else f" of {name}"
    label = f"Histogram of the right values{of}: from {number(float(found[0]))} to {number(float(found[4]))}"
    return Figure(
        f"Right values{of}",
        histogram(across, up, edges, [counts], ["rows"], label),
        "What is to be predicted for these rows.",
        Table("Quantiles of the right values", ["share of rows below", "value"], rows),
    )


def _columns(model: Any, rows: Rows) -> list[Any]:
    """Return a table of the columns, and which ones are left out."""
    encoder = model.encoder_
    some = rows.sample(ROWS_OF_COLUMNS)
    checked = model._checked(some.X)
    described = [_column(encoder, checked, i, len(some)) for i in range(min(len(encoder.names), MOST_COLUMNS))]
    which = "" if len(some) == rows.total else f" in {len(some):,} of the rows, drawn at random"
    said = f"Columns{which}"
    if len(encoder.names) > MOST_COLUMNS:
        said = f"The first {MOST_COLUMNS} of {len(encoder.names):,} columns{which}"
    head = ["column", "kind", "missing", "distinct", "lowest", "median", "highest", "most frequent"]
    used = [i for i in range(len(head)) if any(row[i] for row in described)]
    texts = frozenset(position for position, i in enumerate(used) if i in (0, 1, 7))
    return [Table(said, [head[i] for i in used], [[row[i] for i in used] for row in described], texts)]


def _column(encoder: Any, checked: Any, index: int, count: int) -> list[str]:
    cells, numbers = encoder.cells(checked, index), encoder.numbers_in(checked, index)
    kind = "number"
    if hasattr(encoder, "columns"):
        learned = encoder.columns[index]
        kind = learned.kind if learned.kind != "none" else f"left out ({learned.holds})"
    missing = sum(map(is_missing, cells))
    known = [value for value in cells if not is_missing(value)]
    distinct: dict[str, int] = {}
    for value in known:
        distinct[str(value)] = distinct.get(str(value), 0) + 1
    most = max(distinct, key=lambda value: distinct[value]) if distinct and max(distinct.values()) > 1 else ""
    frequent = f"{cell(most)} ({share(distinct[most] / count)})" if most and kind != "number" else ""
    spread = ["", "", ""]
    if numbers is not None and kind == "number" and np.isfinite(numbers).any() and are_numbers(known):
        spread = [number(float(value)) for value in np.nanquantile(numbers, [0.0, 0.5, 1.0])]
    return [
        encoder.names[index],
        kind,
        share(missing / count) if missing else "none",
        f"{len(distinct):,}",
        *spread,
        frequent,
    ]
